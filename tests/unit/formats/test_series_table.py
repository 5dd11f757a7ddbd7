"""The table of inputs: names, columns, and that it is a sample sheet."""

import csv
import io
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml
from clearfield.errors import ClearfieldError
from clearfield.formats.series import Series
from clearfield.formats.series_table import COLUMNS, describe_series, name_series, write_inputs
from clearfield.workflow.sample_sheet import INFORMATION
from clearfield.workflow.samples import find_samples
from list_inputs import list_inputs

DATA = os.environ.get("SHARED_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="SHARED_DATA names no folder with real images")
SCHEMAS = Path(__file__).parents[3] / "workflow/schemas"


def list_to(monkeypatch, table, files):
    lines = "".join(f"{sample}\t{path}\n" for sample, path in files)
    monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
    list_inputs(str(table), str(table.with_name("inputs_unread.tsv")))


def rows_of(table):
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def read_as_sheet(table):
    schemas = [
        yaml.safe_load((SCHEMAS / f"{name}.schema.yaml").read_text())
        for name in ("samples", "config")
    ]
    return find_samples(str(table), *schemas)


def test_columns_are_the_reserved_ones():
    assert ("sample", "path", "load_stack.series", *INFORMATION) == COLUMNS


def test_it_is_a_sample_sheet(tmp_path, monkeypatch):
    for name in ("#1 day ä.tif", "b.tif"):
        tifffile.imwrite(tmp_path / name, np.zeros((2, 5, 4), "u2"), imagej=True)
    with tifffile.TiffWriter(tmp_path / "two.ome.tif") as file:
        for name, depth in (("first/a", 2), ("second", 3)):
            metadata = {"axes": "ZYX", "Name": name}
            file.write(np.zeros((depth, 5, 4), "u1"), metadata=metadata, photometric="minisblack")
    (tmp_path / "bad.tif").write_text("text")
    files = [("#1 day ä", tmp_path / "#1 day ä.tif"), ("b", tmp_path / "b.tif"),
             ("two", tmp_path / "two.ome.tif"), ("bad", tmp_path / "bad.tif")]  # fmt: skip
    table = tmp_path / "results/inputs.tsv"
    list_to(monkeypatch, table, files)
    samples = read_as_sheet(table)
    assert sorted(samples) == ["#1 day ä", "b", "two__first_a", "two__second"]
    assert samples["two__second"].path == str(tmp_path / "two.ome.tif")
    assert samples["two__second"].cells == (("load_stack.series", 1),)
    rows = {row["sample"]: row for row in rows_of(table)}
    assert (rows["two__second"]["axes"], rows["two__second"]["shape"]) == ("ZYX", "3x5x4")


def test_a_position_that_cannot_be_read_does_not_hide_others(tmp_path, monkeypatch, capsys):
    for position, z in ((1, 0), (1, 1), (2, 0), (2, 2), (3, 0), (3, 1)):
        tifffile.imwrite(tmp_path / f"a_s{position}_z{z}.tif", np.zeros((5, 4), "u2"))
    table = tmp_path / "results/inputs.tsv"
    list_to(monkeypatch, table, [("a", tmp_path)])
    rows = [(row["sample"], row["load_stack.series"]) for row in rows_of(table)]
    assert rows == [("a__s1", "0"), ("a__s3", "2")]
    output = capsys.readouterr()
    assert "not listed: a: " in output.err
    assert "a_s2_z1.tif is missing" in output.err
    assert "2 series in 1 of 1 files" in output.out


@pytest.mark.parametrize(
    ("names", "base"),
    [(["d__a__0", "d__a__1"], "d__a"), (["wt", "mutant"], "a"), (["one__a"], "one__a")],
)
def test_samples_in_one_file_are_listed_once_by_what_they_share(names, base, tmp_path, monkeypatch):
    from clearfield.workflow.run import Run

    monkeypatch.chdir(tmp_path)
    Path("a.lif").touch()
    rows = "".join(f"{name}\ta.lif\t{number}\n" for number, name in enumerate(names))
    Path("s.tsv").write_text(f"sample\tpath\tload_stack.series\n{rows}")
    config = yaml.safe_load((SCHEMAS.parents[1] / "config/config.yaml").read_text("utf-8"))
    schemas = {
        f"{name[:6]}_schema": yaml.safe_load((SCHEMAS / f"{name}.schema.yaml").read_text("utf-8"))
        for name in ("config", "samples")
    }
    run = Run(config | {"samples": "s.tsv"}, **schemas, clone=str(SCHEMAS.parents[1]))
    assert run.names_and_paths == [base, "a.lif"]


def test_what_cannot_be_read_is_named_and_the_rest_is_listed(tmp_path, monkeypatch, capsys):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((5, 4), "u2"))
    (tmp_path / "bad.tif").write_text("text")
    files = [(name, tmp_path / f"{name}.tif") for name in ("bad", "a", "gone")]
    list_to(monkeypatch, tmp_path / "inputs.tsv", files)
    said = capsys.readouterr()
    assert "1 series in 1 of 3 files" in said.out
    assert "not listed: bad: " in said.err
    assert "not listed: gone: " in said.err
    assert [row["sample"] for row in rows_of(tmp_path / "inputs.tsv")] == ["a"]


def test_what_was_left_out_is_named(tmp_path, monkeypatch, capsys):
    for name in ("a_z0", "a_z1", "a_MIP"):
        tifffile.imwrite(tmp_path / f"{name}.tif", np.zeros((5, 4), "u2"))
    list_to(monkeypatch, tmp_path / "results/inputs.tsv", [("a", tmp_path)])
    note = "note: a: left out, as computed from the planes beside: a_MIP.tif"
    assert note in capsys.readouterr().err
    (row,) = rows_of(tmp_path / "results/inputs.tsv")
    assert (row["axes"], row["shape"]) == ("ZYX", "2x5x4")


def test_nothing_readable_is_an_error(tmp_path, monkeypatch):
    with pytest.raises(ClearfieldError, match="none of the 1 files can be read"):
        list_to(monkeypatch, tmp_path / "inputs.tsv", [("gone", tmp_path / "gone.tif")])


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["a", "b"], ["a", "b"]),
        (["a/b", "a\\c"], ["a_b", "a_c"]),
        (["a", "a"], ["0", "1"]),
        (["", "b"], ["0", "1"]),
        (["..", "b"], ["0", "1"]),
        ([""] * 11, [f"{number:02d}" for number in range(11)]),
    ],
)
def test_names_of_series(names, labels):
    assert name_series(names) == labels


def test_names_stay_short_and_differ(tmp_path):
    found = [Series("x" * 200 + end, "YX", (2, 2), np.dtype("u1"), None) for end in "ab"]
    rows = [row for path in ("1.lif", "2.lif") for row in describe_series("cell", path, found, [])]
    write_inputs(tmp_path / "inputs.tsv", rows)
    names = [row["sample"] for row in rows_of(tmp_path / "inputs.tsv")]
    assert len(set(names)) == 4
    assert max(map(len, names)) <= 120


@pytest.mark.parametrize("name", ["細胞" * 50, "a\u2028b\x85c\u202ed", "broken \udc80"])
def test_any_name_of_a_series_makes_a_sheet_that_is_taken(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("1.lif").touch()
    found = [Series(name + end, "YX", (2, 2), np.dtype("u1"), None) for end in "ab"]
    write_inputs("inputs.tsv", describe_series("cell", "1.lif", found, []))
    assert len(read_as_sheet("inputs.tsv")) == 2


def test_control_characters_do_not_break_rows(tmp_path):
    series = Series(
        "a\tb\nc", "CYX", (2, 2, 2), np.dtype("u1"), None, channel_names=["x\ty", '"z"']
    )
    write_inputs(tmp_path / "inputs.tsv", describe_series("s", "s.lif", [series], []))
    (row,) = rows_of(tmp_path / "inputs.tsv")
    assert (row["series_name"], row["channel_names"]) == ("a b c", 'x y, "z"')


@needs_data
def test_every_real_format(tmp_path, monkeypatch, capsys):
    names = [
        "03_czi/xyz__multiple_images.czi",
        "04_nd2/example-zstack.nd2",
        "05_lif/testdata_2channel_xz.lif",
        "06_oib_dv_stk/test.oib",
        "06_oib_dv_stk/toxo.dv",
        "07_zarr/xyz_8bit__mitotic_plate_calibrated.ome.zarr",
        "01_zstack_tiff/leica_stack",
    ]
    files = [(Path(name).stem, Path(DATA, name)) for name in names]
    list_to(monkeypatch, tmp_path / "inputs.tsv", files)
    assert capsys.readouterr().err == ""
    found = {(row["sample"], row["axes"], row["shape"]) for row in rows_of(tmp_path / "inputs.tsv")}
    assert found == {
        ("xyz__multiple_images__0", "TCZYX", "1x1x2x251x251"),
        ("xyz__multiple_images__1", "TCZYX", "1x1x2x251x251"),
        ("example-zstack", "ZYX", "11x128x128"),
        ("testdata_2channel_xz__xzt", "TCZX", "20x2x128x128"),
        ("testdata_2channel_xz__xzy", "YCZX", "23x2x128x128"),
        ("testdata_2channel_xz__xz", "CZX", "2x512x512"),
        ("test", "CYX", "3x256x256"),
        ("toxo", "CTZYX", "2x1x17x128x128"),
        ("xyz_8bit__mitotic_plate_calibrated.ome", "TCZYX", "1x1x6x263x263"),
        ("leica_stack", "ZCYX", "3x1x256x256"),
    }
    read_as_sheet(tmp_path / "inputs.tsv")
