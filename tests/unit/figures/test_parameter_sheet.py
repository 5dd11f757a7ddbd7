"""The sheet of methods and sizes: each panel is what its sizes give, without wrap-around."""

import json
import re

import numpy as np
import pytest
from clearfield.errors import ClearfieldError
from clearfield.figures.explore_page import pack_trial
from clearfield.figures.parameter_sheet import cut_window, sheet_panel
from clearfield.figures.trials import GRIDS, describe, list_trials
from clearfield.methods.known_methods import METHODS
from clearfield.methods.subtraction import subtract_background
from clearfield.qc.granulometry import measure_sizes
from clearfield.qc.recommended_methods import recommended_methods
from clearfield.results.ometiff import write_ome_tiff
from explore_parameters import explore_parameters
from PIL import Image
from scipy import ndimage

LISTS = {
    "min_sizes": [5, 25], "max_sizes": [5, 45, 65], "radii": [3, 8],
    "low_sigmas": [0.5, 1], "high_sigmas": [10, 25], "ball_radii": [20],
    "smooths": [0, 1], "recommended": True,
}  # fmt: skip
SETTINGS = {
    "channel": 0, "time": 0, "window": 2048,
    "subtract_background": {
        "method": "tophat", "light_background": False, "tophat": {"radius": 8}, "unit": "px",
        "channels": {},
    },
} | LISTS  # fmt: skip
UNKNOWN = {"x": None, "y": None, "z": None}


def spots():
    image = np.random.RandomState(1).poisson(100, (70, 90))
    y, x = np.ogrid[:70, :90]
    for row, column in ((20, 20), (50, 60), (30, 75)):
        image[(y - row) ** 2 + (x - column) ** 2 <= 25] += 600
    return image.astype(np.uint16)


def configured(method="tophat", light=False, **sizes):
    return {"method": method, "light_background": light, "radius": 8} | sizes


def tried(image, lists=LISTS, channel=None, *, unit="px", pixel=UNKNOWN):
    channel = channel or configured()
    sizes = measure_sizes(image, channel["light_background"])
    return sizes, list(
        list_trials(
            image, sizes, lists | {"unit": unit}, configured=channel, pixel_size_um=pixel,
            panel=sheet_panel(image.shape), threads=1,
        )
    )  # fmt: skip


@pytest.mark.parametrize("light", [False, True])
def test_every_panel_is_what_its_sizes_give(light):
    image = spots()
    _sizes, trials = tried(image, channel=configured(light=light))
    wide = image.astype(float)
    seen = set()
    for trial, result, _ in trials:
        seen.add((trial.method, *trial.sizes.values()))
        small = trial.image[::2, ::2]  # 90 columns are drawn on 180 px
        np.testing.assert_array_equal(small, result.astype(np.float32))
        if trial.method == "minmax":
            low, high = trial.sizes["min_size"], trial.sizes["max_size"]
            if light:
                expected = ndimage.minimum_filter(ndimage.maximum_filter(wide, high), low) - wide
            else:
                expected = wide - ndimage.maximum_filter(ndimage.minimum_filter(wide, low), high)
            if trial.sizes["smooth"]:
                continue
            np.testing.assert_array_equal(result, expected)
            assert trial.merit["negative_fraction"] == np.mean(expected < 0)
            assert describe(trial.sizes, "px", None) == f"min {low}, max {high} px"
        elif trial.method == "dog":
            small, large = (
                ndimage.gaussian_filter(wide, trial.sizes[name], mode="nearest", truncate=4)
                for name in ("low_sigma", "high_sigma")
            )
            np.testing.assert_allclose(result, large - small if light else small - large, atol=1e-2)
        else:
            expected = subtract_background(
                image, trial.method, light_background=light, threads=1, **trial.sizes
            )
            np.testing.assert_allclose(result, expected, atol=1e-2)
    assert {("minmax", a, b, 0) for a in (5, 25) for b in (5, 45)} <= seen
    assert {("dog", a, b) for a in (10, 25) for b in (0.5, 1)} <= seen
    assert {("tophat", r, s) for r in (3, 8) for s in (0, 1)} <= seen
    assert {("rolling_ball", 20, p, True) for p in (False, True)} <= seen


def test_advised_and_configured_sizes_are_tried_and_marked():
    image = spots()
    sizes, trials = tried(image, channel=configured(radius=11))
    radius, chosen = sizes.recommended_radius_px, recommended_methods(sizes)
    advised = {trial.label: trial for trial, *_ in trials if trial.label}
    assert set(advised) == set(chosen)
    for label, own in chosen.items():
        assert advised[label].method == own["method"]
        if own["method"] != "dog":
            sizes_tried = [advised[label].sizes, *advised[label].alike]
            assert any(own.items() <= {**one, "method": own["method"]}.items()
                       for one in sizes_tried)  # fmt: skip
    # As the page of a run advises.
    dog = advised["difference of Gaussians"].marks["advised"]
    assert (dog["low_sigma"], dog["high_sigma"]) == (1, 2 * radius)
    marked = [trial.marks["configured"] for trial, *_ in trials if "configured" in trial.marks]
    assert marked == [{"radius": 11, "smooth": 0}]
    _, others = tried(image.astype("int16"))
    assert not any(trial.method == "rolling_ball" for trial, *_ in others)  # unknown to ImageJ


def test_nothing_is_advised_where_nothing_was_found():
    image = np.random.RandomState(1).poisson(100, (70, 90)).astype("uint16")
    _, trials = tried(image, {"radii": [3], "smooths": [0], "recommended": True})
    found = [(trial.method, trial.sizes["radius"], [*trial.marks]) for trial, *_ in trials]
    assert found == [("tophat", 3, []), ("tophat", 8, ["configured"])]


def test_sizes_beyond_the_image_are_one_panel():
    """From the diagonal on, the background is one number: three radii of the list, one result."""
    _, trials = tried(spots(), {"radii": [5, 300, 1000, 4000], "smooths": [0]})
    radii = {trial.sizes["radius"]: trial.alike for trial, *_ in trials}
    assert [one["radius"] for one in radii[300]] == [1000, 4000]
    assert 1000 not in radii and 4000 not in radii


def test_sizes_are_read_in_the_unit_of_the_config():
    pixel = {"x": 0.5, "y": 0.5, "z": None}
    lists = {"radii": [2.5], "smooths": [0.75], "min_sizes": [5.6], "max_sizes": [2.5],
             "low_sigmas": [0.5], "high_sigmas": [6]}  # fmt: skip
    _sizes, trials = tried(spots(), lists, unit="um", pixel=pixel)
    found = {(trial.method, *trial.sizes.values()) for trial, *_ in trials}
    assert {("tophat", 5, 1.5), ("minmax", 11, 5, 0), ("dog", 12, 1)} <= found
    assert describe({"radius": 5}, "um", 0.5) == "radius 2.5 µm"


def test_a_method_without_a_grid_is_none():
    """A further method only needs its row in the table of grids."""
    assert {method.NAME for method in METHODS} - {"none"} == set(GRIDS)
    for method in METHODS:
        assert set(GRIDS.get(method.NAME, {})) <= {*method.SIZES, *method.OPTIONS}


def test_a_trial_keeps_what_cannot_be_had_from_its_background():
    image = spots()
    sizes, trials = tried(image)
    for trial, result, background in trials:
        packed = pack_trial(image, trial, result, background, sizes)
        if "result" not in packed["planes"]:
            np.testing.assert_array_equal(image.astype(float) - background, result)
        assert ("result" in packed["planes"]) or trial.method != "dog"
        assert json.loads(json.dumps(packed, allow_nan=False))["merit"].keys() == trial.merit.keys()


def test_sheet_and_page_are_written(tmp_path):
    image = spots()
    write_ome_tiff(
        tmp_path / "a.ome.tif", [(0, 0, 0, 70, image)], shape=(1, 1, 70, 90), dtype="u2",
        pixel_size_um=UNKNOWN | {"x": 0.2, "y": 0.2}, channel_names=["$x"], provenance={},
    )  # fmt: skip
    arguments = (
        str(tmp_path / "a.ome.tif"), str(tmp_path / "a.png"), str(tmp_path / "a.html"),
        "<a> $b$ 細", SETTINGS, 1,
    )  # fmt: skip
    explore_parameters(*arguments)
    with Image.open(tmp_path / "a.png") as sheet:
        assert sheet.width > sheet.height
        assert json.loads(sheet.info["clearfield:settings"])["radii"] == [3, 8]
    files = [(tmp_path / name).read_bytes() for name in ("a.png", "a.html")]
    page = files[1].decode("utf-8")
    assert "<a> $b$" not in page and "&lt;a&gt; $b$ 細" in page
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", page.partition("<script>")[0])
    explore_parameters(*arguments)
    assert [(tmp_path / name).read_bytes() for name in ("a.png", "a.html")] == files
    for change, message in (
        ({"channel": 1}, r"explore_parameters\.channel is 1, but a has channels 0 to 0"),
        ({"time": 2}, r"explore_parameters\.time is 2"),
        ({"low_sigmas": [30]}, r"explore_parameters\.low_sigmas holds 30"),
        ({"min_sizes": [4]}, "take 3 or 5"),
    ):
        with pytest.raises(ClearfieldError, match=message):
            changed = json.loads(json.dumps(SETTINGS | change))
            explore_parameters(*arguments[:3], "a", changed, 1)


def test_window_is_the_middle():
    image = np.arange(100).reshape(10, 10)
    np.testing.assert_array_equal(cut_window(image, 4), image[3:7, 3:7])
    np.testing.assert_array_equal(cut_window(image, 10), image)
    np.testing.assert_array_equal(cut_window(image, None), image)
