"""MRC: files of the package mrcfile, and files made for each case by hand."""

import struct
from pathlib import Path

import numpy as np
import pytest
from clearfield.errors import ClearfieldError
from clearfield.formats.mrc import open_series

DATA = Path(__file__).parent / "data"
RANDOM = np.random.default_rng(0)


def planes_of(series):
    planes = [series.read(index) for index in np.ndindex(*series.index_shape)]
    return np.reshape(planes, series.shape)


def in_place(series):
    """Read the planes where the series says that they are."""
    shape, found = series.plane_shape, []
    for file, offset in series.offsets.tolist():
        count = shape[0] * shape[1]
        found.append(np.fromfile(series.files[file], series.dtype, count, offset=offset))
    return np.reshape(found, series.shape)


def write(path, pixels, mode, order="<", group=1, places=(1, 2, 3), angstrom=2.5, deep=None,
          stamp=0, extended=b"", signed=True):  # fmt: skip
    """Write Z, Y, X with a header of MRC2014."""
    lengths = pixels.shape[::-1]
    deep = deep or lengths[2]
    header = bytearray(1024)
    struct.pack_into(order + "4i", header, 0, *lengths, mode)
    struct.pack_into(order + "3i", header, 28, *lengths[:2], deep)
    cell = (lengths[0] * angstrom, lengths[1] * angstrom, deep * angstrom * 2)
    struct.pack_into(order + "3f", header, 40, *cell)
    struct.pack_into(order + "3i", header, 64, *places)
    struct.pack_into(order + "2i", header, 88, group, len(extended))
    struct.pack_into(order + "2i", header, 152, stamp, int(signed))
    header[208:216] = b"MAP " + {"<": b"DD", ">": b"\x11\x11"}[order] + b"\0\0"
    path.write_bytes(header + extended + pixels.tobytes())
    return str(path)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(("mode", "kind"), [(0, "i1"), (1, "i2"), (2, "f4"), (6, "u2"), (12, "f2")])
def test_a_volume_is_used_in_place(tmp_path, mode, kind, order):
    pixels = RANDOM.integers(0, 100, (5, 7, 9)).astype(order + kind)
    path = write(tmp_path / "a.mrc", pixels, mode, order, extended=bytes(64))
    (series,) = open_series(path)
    assert (series.axes, series.dtype) == ("ZYX", np.dtype(order + kind))
    np.testing.assert_array_equal(planes_of(series), pixels)
    np.testing.assert_array_equal(in_place(series), pixels)
    assert series.pixel_size_um == {"x": 0.00025, "y": 0.00025, "z": 0.0005}


@pytest.mark.parametrize(
    ("layout", "axes", "dtype"),
    [("volume", "ZYX", "<f4"), ("images", "QYX", "<u2"), ("volumes", "QZYX", ">i2")],
)
def test_files_of_mrcfile(layout, axes, dtype):
    (series,) = open_series(DATA / f"mrcfile_{layout}.mrc")
    assert (series.axes, series.dtype) == (axes, np.dtype(dtype))
    z, y, x = np.ogrid[:6, :7, :9]
    expected = (100 * z + 10 * y + x).reshape(series.shape)
    np.testing.assert_array_equal(planes_of(series), expected)
    np.testing.assert_array_equal(in_place(series), expected)
    assert series.pixel_size_um == {"x": 0.00033, "y": 0.00033, "z": 0.001}


@pytest.mark.parametrize(
    ("group", "deep", "suffix", "axes"),
    [(1, None, ".mrc", "ZYX"), (0, None, ".st", "QYX"), (0, 1, ".ali", "QYX"),
     (0, None, ".rec", "ZYX"), (401, 3, ".mrc", "QZYX"), (19, None, ".mrc", "ZYX")],
)  # fmt: skip
def test_what_a_section_is(tmp_path, group, deep, suffix, axes):
    """Space group 0 are images: tilts, particles. Nothing says that they are slices."""
    pixels = RANDOM.integers(0, 100, (6, 7, 9)).astype("i2")
    path = write(tmp_path / f"a{suffix}", pixels, 1, group=group, deep=deep)
    (series,) = open_series(path)
    assert series.axes == axes
    np.testing.assert_array_equal(planes_of(series).reshape(pixels.shape), pixels)


def test_other_axes_first(tmp_path):
    pixels = RANDOM.integers(0, 100, (5, 7, 9)).astype("i2")
    (series,) = open_series(write(tmp_path / "a.mrc", pixels, 1, places=(3, 1, 2)))
    assert (series.axes, series.offsets) == ("YXZ", None)
    np.testing.assert_array_equal(series.read((4,)), pixels[:, :, 4])


@pytest.mark.parametrize(
    ("stamp", "signed", "value"), [(0, False, -1), (1146047817, True, -1), (1146047817, False, 255)]
)
def test_bytes_of_imod(tmp_path, stamp, signed, value):
    pixels = np.full((2, 3, 4), 255, "u1")
    path = write(tmp_path / "a.mrc", pixels, 0, stamp=stamp, signed=signed)
    assert open_series(path)[0].read((1,))[0, 0] == value


@pytest.mark.parametrize("angstrom", [0, 0.5])  # the cell is twice as deep
def test_no_size_is_no_calibration(tmp_path, angstrom):
    pixels = np.zeros((2, 3, 4), "i2")
    path = tmp_path / "a.mrc"
    write(path, pixels, 1, angstrom=angstrom)
    content = bytearray(path.read_bytes())
    if angstrom:
        struct.pack_into("<3f", content, 40, 4, 3, 2)
        path.write_bytes(content)
    assert set(open_series(path)[0].pixel_size_um.values()) == {None}


def test_a_header_without_a_stamp(tmp_path):
    pixels = RANDOM.integers(0, 100, (5, 7, 9)).astype(">i2")
    path = tmp_path / "a.mrc"
    write(path, pixels, 1, ">")
    content = bytearray(path.read_bytes())
    content[208:216] = bytes(8)
    path.write_bytes(content)
    np.testing.assert_array_equal(planes_of(open_series(path)[0]), pixels)


def test_deltavision_of_that_suffix(tmp_path):
    pixels = RANDOM.integers(0, 100, (5, 7, 9)).astype("<u2")
    path = tmp_path / "a.mrc"
    write(path, pixels, 6)
    content = bytearray(path.read_bytes())
    struct.pack_into("<h", content, 96, -16224)
    struct.pack_into("<3f", content, 40, 0.1, 0.1, 0.3)  # µm there
    struct.pack_into("<2H", content, 180, 1, 0)
    struct.pack_into("<h", content, 196, 1)
    path.write_bytes(content)
    (series,) = open_series(path)
    assert series.axes == "CTZYX"
    assert series.pixel_size_um["x"] == 0.1


@pytest.mark.parametrize(
    ("form", "at", "values", "reason"),
    [("4i", 0, (9, 7, 5, 4), "complex numbers"), ("4i", 0, (9, 7, 5, 101), "numbers of 4 bits"),
     ("4i", 0, (9, 7, 50, 1), "cut short: it has 1654 bytes of 7324"),
     ("4i", 0, (9, 7, -5, 1), "not an MRC file"), ("4i", 0, (9, 7, 5, 99), "not an MRC file"),
     ("3i", 64, (1, 1, 2), "not an MRC file"), ("i", 92, (-4,), "not an MRC file")],
)  # fmt: skip
def test_headers_that_cannot_be(tmp_path, form, at, values, reason):
    path = tmp_path / "a.mrc"
    write(path, np.zeros((5, 7, 9), "i2"), 1)
    content = bytearray(path.read_bytes())
    struct.pack_into("<" + form, content, at, *values)
    path.write_bytes(content)
    with pytest.raises(ClearfieldError, match=reason) as caught:
        open_series(path)
    assert str(path) in str(caught.value)


def test_volumes_that_do_not_fit(tmp_path):
    path = write(tmp_path / "a.mrc", np.zeros((5, 7, 9), "i2"), 1, group=401, deep=2)
    with pytest.raises(ClearfieldError, match="5 sections in volumes of 2"):
        open_series(path)


@pytest.mark.parametrize("content", [b"", b"short", bytes(2000), b"\x89HDF" * 500])
def test_what_is_no_mrc_file(tmp_path, content):
    path = tmp_path / "a.mrc"
    path.write_bytes(content)
    with pytest.raises(ClearfieldError, match=r"a\.mrc "):
        open_series(path)
