"""What is advised, and that the workflow reads it back as it was meant."""

from pathlib import Path

import pytest
import yaml
from clearfield.figures.advice import Told, advise, write_sheet, write_yaml
from clearfield.methods.channels import resolve_channels
from clearfield.workflow.samples import find_samples
from clearfield.workflow.settings import override

ROOT = Path(__file__).parents[3]
CONFIG = yaml.safe_load((ROOT / "config/config.yaml").read_text("utf-8"))
SCHEMAS = [
    yaml.safe_load((ROOT / f"workflow/schemas/{name}.schema.yaml").read_text("utf-8"))
    for name in ("samples", "config")
]
PIXEL = 0.35


def row(channel, name, radius, *, method="tophat", sizes="radius 25 px (8.75 µm)", **values):
    return {
        "time": "0", "channel": channel, "channel_name": name, "method": method, "sizes": sizes,
        "recommended_radius_px": f"{radius}" if radius else "",
        "recommended_radius_um": f"{radius * PIXEL:.6g}" if radius else "",
    } | values  # fmt: skip


def subtract(**values):
    return {**CONFIG["subtract_background"], **values}


def radii(config: dict, names: list[str]) -> list[int]:
    """What the workflow makes of a config, in px."""
    size = {"x": PIXEL, "y": PIXEL}
    settings = config["subtract_background"]
    base = {key: settings[key] for key in ("method", "light_background", settings["method"])}
    channels = {
        key: base | {name: {**base.get(name, {}), **value} if isinstance(value, dict) else value
                     for name, value in own.items()}
        for key, own in settings["channels"].items()
    }  # fmt: skip
    table = {"unit": settings["unit"], "channels": channels, **base}
    return [one["radius"] for one in resolve_channels(table, names, size, "a")]


@pytest.mark.parametrize("unit", ["px", "um"])
def test_yaml_gives_each_channel_the_largest_advice_of_all_samples(unit):
    """31 px are 10.85 µm, and 7 px 2.45 µm: rounded to 4 digits they are the same pixels again."""
    samples = [
        [row("0", "DAPI", 31), row("1", "GFP", 5)],
        [row("0", "DAPI", 12), row("1", "GFP", 7)],
    ]
    config = subtract(unit=unit)
    advice = [advise(rows, Told("a", "a.tif", {}), config) for rows in samples]
    written = yaml.safe_load(write_yaml(advice, config))
    assert radii(written, ["DAPI", "GFP"]) == [31, 7]
    assert written["subtract_background"]["unit"] == unit
    # All else of the section stays, so that pasting it twice loses nothing.
    for key, value in config.items():
        if key not in ("tophat", "channels"):
            assert written["subtract_background"][key] == value


def test_a_channel_that_not_all_samples_have_is_not_named():
    config = subtract()
    advice = [
        advise([row("0", "DAPI", 31), row("1", "GFP", 40)], Told("a", "a.tif", {}), config),
        advise([row("0", "DAPI", 12)], Told("b", "b.tif", {}), config),
    ]
    written = yaml.safe_load(write_yaml(advice, config))["subtract_background"]
    assert written["tophat"]["radius"] == 40
    assert written["channels"] == {"DAPI": {"tophat": {"radius": 31}}}


def test_a_channel_is_called_what_the_config_calls_it():
    """Two names of one channel would be refused."""
    config = subtract(channels={"1": {"method": "dog"}})
    rows = [
        row("0", "a", 9),
        row("1", "a.b", 9, method="dog", sizes="low_sigma 1 px; high_sigma 9 px"),
    ]
    advice = advise(rows, Told("s", "s.tif", {}), config)
    assert [one.key for one in advice] == ["a", "1"]
    written = yaml.safe_load(write_yaml([advice], config))["subtract_background"]["channels"]
    assert written == {
        "1": {"method": "dog", "dog": {"low_sigma": 1, "high_sigma": 18}},
        "a": {"tophat": {"radius": 9}},
    }


def test_a_blur_is_advised_where_it_gains_something():
    blur = {"recommended_smooth_px": "1.5", "recommended_smooth_radius_px": "10"}
    first = row("0", "DAPI", None)
    rows = [first, row("0", "DAPI", 9, time="1", **blur)]
    (one,) = advise(rows, Told("a", "a.tif", {}), subtract(unit="um"))
    assert one.advised == {"radius": 3.15}  # 9 px: of the time whose objects are the widest
    assert one.smoothed == {"radius": 3.5, "smooth": 0.525}
    dog = {"method": "dog", "sizes": "low_sigma 1 px; high_sigma 9 px"}
    (one,) = advise([rows[1] | dog], Told("a", "a.tif", {}), subtract())
    assert one.smoothed == {}  # it has a blur of its own


def test_without_advice_there_is_nothing_to_paste():
    config = subtract()
    advice = advise([row("0", "DAPI", None)], Told("a", "a.tif", {}), config)
    assert write_yaml([advice], config) == ""
    unlike = [
        advise(
            [row("0", "DAPI", 9)], Told("a", "a.tif", {"subtract_background.unit": unit}), config
        )
        for unit in ("px", "um")
    ]
    assert write_yaml(unlike, config) == ""  # one section cannot have two units


def test_the_sheet_is_read_back_as_it_was_meant(tmp_path, monkeypatch):
    """Names full of traps, cells of the user's own and sizes of each sample's own channels."""
    monkeypatch.chdir(tmp_path)
    Path("raw").mkdir()
    config = subtract()
    told, advice, groups = [], {}, {}
    for number, (name, cells) in enumerate(
        {
            "#1": {},
            'a "quoted", name': {"plot_qc.range": [5, 800], "subtract_background.tophat.radius": 3},
            "Zellkern ü": {"subtract_background.channels.G.F.P.method": "minmax"},
        }.items()
    ):
        Path(f"raw/{number}.tif").touch()
        told.append(Told(name, f"raw/{number}.tif", cells))
        minmax = bool(number == 2)
        sizes = "min_size 9 px; max_size 9 px" if minmax else "radius 3 px"
        advice[name] = advise(
            [row("0", "DAPI", 31 + number),
             row("1", "G.F.P", 5, method="minmax" if minmax else "tophat", sizes=sizes)],
            told[-1], config,
        )  # fmt: skip
        groups[name] = {"condition": "drug" if number else ""}
    Path("s.tsv").write_text(write_sheet(told, advice, groups), encoding="utf-8")
    samples = find_samples("s.tsv", *SCHEMAS)
    assert {name: one.path for name, one in samples.items()} == {one.name: one.path for one in told}
    for number, one in enumerate(told):
        sample = samples[one.name]
        assert dict(sample.groups) == groups[one.name]
        cells = dict(sample.cells)
        assert {key: cells[key] for key in one.cells} == one.cells
        channels = override(CONFIG, sample.cells)["subtract_background"]["channels"]
        assert channels["DAPI"]["tophat"]["radius"] == 31 + number
        if number == 2:
            assert channels["G.F.P"]["minmax"] == {"min_size": 11, "max_size": 11}
        else:
            assert channels["G.F.P"]["tophat"]["radius"] == 5
