"""What is said of a format that is not read here."""

import re
from pathlib import Path

import pytest
from clearfield.errors import ClearfieldError
from clearfield.formats.known_formats import FORMATS, format_of
from clearfield.formats.known_suffixes import SUFFIXES
from clearfield.formats.unread_formats import MICROSCOPES, PICTURES


def error(path):
    path.write_bytes(b"\0")
    with pytest.raises(ClearfieldError) as caught:
        format_of(str(path))
    return str(caught.value)


@pytest.mark.parametrize(
    "suffix", [".vsi", ".sld", ".zvi", ".sif", ".oir", ".lof", ".xlef", ".VSI"]
)
def test_a_format_of_a_microscope_names_what_converts_it(suffix, tmp_path):
    said = error(tmp_path / f"my cell{suffix}")
    assert f"bfconvert 'my cell{suffix}' 'my cell.ome.tiff'" in said
    assert "Fiji" in said


@pytest.mark.parametrize(
    ("suffix", "words"),
    [(".sldy", "SlideBook"), (".mrxs", "QuPath"), (".poir", "as .oir"),
     (".mhd", "SimpleITK"), (".npy", "tifffile.imwrite"), (".png", "TIFF"),
     (".abc", "take it out of the samples, or where it is an image"), ("", "bfconvert"),
     (".HTD", "an index without pixels: give the folder or a glob of the TIFF files"),
     (".mlf", "an index without pixels"), (".zip", "unpack it")],
)  # fmt: skip
def test_others_say_what_to_do(suffix, words, tmp_path):
    assert words in error(tmp_path / f"a{suffix}")


def test_what_is_written_in_numpy_as_the_error_says_is_read(tmp_path, monkeypatch):
    import numpy as np
    import tifffile
    from clearfield.formats.known_formats import open_series

    array = np.arange(60, dtype="u2").reshape(3, 4, 5)
    command = re.search(r"tifffile\.imwrite\(.*\)$", error(tmp_path / "a.npy"))[0]
    monkeypatch.chdir(tmp_path)
    eval(command, {"tifffile": tifffile, "name": "a.tif", "array": array})
    (series,) = open_series("a.tif")
    assert (series.axes, series.shape) == ("ZYX", (3, 4, 5))


def test_no_format_is_both_read_and_not():
    assert not {*FORMATS, *SUFFIXES} & {*MICROSCOPES, *PICTURES}
    assert not MICROSCOPES & PICTURES


def test_the_reference_names_all_formats_and_their_suffixes():
    text = (Path(__file__).parents[3] / "config/README.md").read_text("utf-8")
    section = text.partition("## Formats")[2].partition("## load_stack")[0]
    table = "\n".join(line for line in section.splitlines() if line.startswith("|"))
    known = {".tif", ".tf2", ".tf8", ".btf", ".hdf5", ".r3d_d3d"}  # TIFF, BigTIFF, HDF5, R3D
    for suffix in {*FORMATS} - known:
        assert suffix in table or suffix[1:].upper() in table.upper(), suffix
    read_as_other = re.findall(
        r"`(\.\w+)`", section.partition("is not in the table (")[2].partition(")")[0]
    )
    assert {*read_as_other} <= MICROSCOPES
