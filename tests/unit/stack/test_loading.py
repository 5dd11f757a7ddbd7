"""Every TIFF of the shared data set is read with its meaning, or ends in its stated error."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from clearfield.errors import ClearfieldError
from clearfield.formats.known_formats import format_of, open_series
from clearfield.stack.description import read_stack
from clearfield.stack.loading import load

DATA = Path(os.environ.get("SHARED_DATA", "")).absolute()
needs_data = pytest.mark.skipif(
    not (DATA / "MANIFEST.tsv").is_file(), reason="SHARED_DATA does not name the shared data set"
)


def manifest():
    if not (DATA / "MANIFEST.tsv").is_file():
        return []
    with (DATA / "MANIFEST.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [row for row in rows if row["path"].endswith((".tif", ".tiff", ".stk"))]


ERRORS = {
    "02_other_axes/xy_rgb__cells.tif": r'colour \(RGB\).*load_stack.axes: "YXC"',
    "10_malformed/tiff_wrong_bits_per_sample.tiff": "BitsPerSample has 1 value for 4 samples",
    "10_malformed/multipage_single_frame_loop.tiff": "runs in a circle after page 1",
    "10_malformed/libtiff_segfault.tif": "3865352602500 bytes.*262 bytes can hold",
    "10_malformed/seek_too_large.tif": "cut short or damaged: page 1 .* 16 bytes",
    "12_derived/golgi_truncated60.tif": "cut short or damaged.* 957567 bytes",
}
NUMBERS = {  # µm: x, z; where the manifest gives numbers without an ImageJ calibration
    "12_derived/golgi_pyramid_bigtiff.ome.tif": (0.351435, 0.3876),
    "12_derived/two_series.ome.tif": (0.351435, 0.3876),
}


def read(path, folder, **settings):
    load(str(path), folder / "a.stack", settings)
    stack = read_stack(folder / "a.stack")
    planes = stack.open()
    pixels = np.stack([planes[index] for index in np.ndindex(stack.shape[:3])])
    return stack, pixels.reshape(stack.shape)


@needs_data
@pytest.mark.parametrize("row", manifest(), ids=lambda row: row["path"])
def test_a_file_of_the_shared_data(row, tmp_path):
    path = DATA / row["path"]
    if row["path"] in ERRORS:
        with pytest.raises(ClearfieldError, match=ERRORS[row["path"]]) as caught:
            read(path, tmp_path)
        assert path.name in str(caught.value)
        assert not list(tmp_path.iterdir())
        return
    stack, found = read(path, tmp_path)
    sizes = dict(zip(row["axes"], map(int, row["shape"].split("x")), strict=True))
    assert stack.shape == tuple(sizes.get(axis, 1) for axis in "TCZYX")
    assert np.dtype(stack.dtype).name == row["dtype"]
    least, _, most, *_ = row["stats"].split()
    assert found.min() == int(least.removeprefix("min="))
    assert found.max() == int(most.removeprefix("max="))
    for axis, size in expected_size(row).items():
        assert stack.pixel_size_um[axis] == (size and pytest.approx(size, rel=1e-5))
    with tifffile.TiffFile(path) as tif:
        pixels = tif.series[0].asarray()
    order = [axis for axis in "TCZYX" if axis in row["axes"]]
    pixels = pixels.transpose([row["axes"].index(axis) for axis in order])
    assert np.array_equal(found.reshape(pixels.shape), pixels)


def expected_size(row):
    """Give µm by the manifest's words, e.g. "xy=0.32 z=None unit='micron'"."""
    if row["path"] in NUMBERS:
        xy, z = NUMBERS[row["path"]]
    else:
        words = dict(part.split("=", 1) for part in row["pixel_size"].split() if "=" in part)
        known = row["kind"].startswith("imagej") and words["unit"] not in ("None", "'pixel'")
        xy, z = (words["xy"], words["z"]) if known else (None, None)
    number = lambda text: None if text in (None, "None", "?") else float(text)  # noqa: E731
    return {"x": number(xy), "y": number(xy), "z": number(z)}


@needs_data
def test_the_second_series(tmp_path):
    path = DATA / "12_derived/two_series.ome.tif"
    stack, found = read(path, tmp_path, series=1)
    assert stack.shape == (1, 2, 17, 88, 89)
    original = tifffile.imread(DATA / "01_zstack_tiff/xyzc_16bit__spots.tif")
    assert np.array_equal(found[0], original.transpose(1, 0, 2, 3))
    (tmp_path / "a.stack").unlink()
    with pytest.raises(ClearfieldError, match=r"has 2 series, 0 to 1; load_stack.series is 7"):
        read(path, tmp_path, series=7)


@needs_data
def test_twins_are_equal(tmp_path):
    one = read(DATA / "01_zstack_tiff/xyz_calibrated_16bit__golgi_bfa.tif", tmp_path)
    for name in ("golgi_pyramid_bigtiff.ome.tif", "two_series.ome.tif"):
        other = read(DATA / "12_derived" / name, tmp_path)
        assert np.array_equal(one[1], other[1])
        assert one[0].pixel_size_um == pytest.approx(other[0].pixel_size_um, rel=1e-5)


def test_what_is_not_there_or_not_known(tmp_path):
    with pytest.raises(ClearfieldError, match=r"does not exist"):
        open_series(str(tmp_path / "a.tif"))
    (tmp_path / "a.docx").write_bytes(b"x")
    with pytest.raises(ClearfieldError, match=r'a.docx: files ending in ".docx" are not read here'):
        open_series(str(tmp_path / "a.docx"))


def test_the_bytes_of_compressed_planes_are_counted(tmp_path):
    for z in range(2):
        tifffile.imwrite(tmp_path / f"z{z}.tif", np.zeros((8, 9), "u2"), compression="zlib")
    size = sum(file.stat().st_size for file in tmp_path.iterdir())
    for path in (tmp_path, tmp_path / "z*.tif"):
        assert load(str(path), tmp_path / "a.stack", {}).source["bytes"] == size
        (tmp_path / "a.stack").unlink()


@pytest.mark.parametrize(
    ("name", "module"),
    [("A.TIF", "tiff"), ("a.ome.tif", "tiff"), ("a.lsm", "tiff"), ("a.czi", "czi"),
     ("a b.nd2", "nd2"), ("a.lif", "lif"), ("a.oib", "oib"), ("a.dv", "dv")],
)  # fmt: skip
def test_formats_go_by_suffix(name, module, tmp_path):
    (tmp_path / name).write_bytes(b"x")
    assert format_of(str(tmp_path / name)) == module


def test_the_same_file_has_the_same_description_in_every_process(tmp_path):
    pixels = np.arange(4 * 40 * 40, dtype="u2").reshape(4, 40, 40)
    tifffile.imwrite(
        tmp_path / "a.tif", pixels, compression="zlib", metadata={"axes": "ZYX"},
        photometric="minisblack",
    )  # fmt: skip
    script = Path(__file__).parents[3] / "scripts/load_stack.py"
    for name in "xy":
        subprocess.run(
            [sys.executable, script, "--path", "a.tif", "--sample", "a", "--stack", f"{name}.stack",
             "--settings", "{}"], cwd=tmp_path, check=True, capture_output=True,
        )  # fmt: skip
    assert (tmp_path / "x.stack").read_bytes() == (tmp_path / "y.stack").read_bytes()
