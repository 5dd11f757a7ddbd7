"""DeltaVision: headers built by hand, and a real file (SHARED_DATA) against the package mrc."""

import os
import struct
import warnings
from pathlib import Path

import numpy as np
import pytest
from clearfield.errors import ClearfieldError
from clearfield.formats.dv import open_series

DATA = os.environ.get("SHARED_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="SHARED_DATA names no folder with real images")
MODES = {"u1": 0, "i2": 1, "f4": 2, "u2": 6, "i4": 7, "f8": 8}
SEQUENCES = {"CTZ": 0, "TZC": 1, "TCZ": 2}  # ZTW, WZT, ZWT: the format names the fastest first
PANELS = {"PCTZ": 0, "TCPZ": 3, "TZCP": 10, "ZPCT": 13}  # ZTWP, ZPWT, PWZT, TWPZ


def write_dv(path, pixels, axes, order="<", spacing=(0.1, 0.1, 0.5), extended=0, waves=(457, 528)):
    """Write pixels over `axes` and Y, X."""
    sizes = dict(zip(axes, pixels.shape, strict=False))
    header = bytearray(1024)

    def put(form, at, *values):
        struct.pack_into(order + form, header, at, *values)

    put("4i", 0, pixels.shape[-1], pixels.shape[-2], int(np.prod(pixels.shape[:-2])),
        MODES[pixels.dtype.str[1:]])  # fmt: skip
    put("3f", 40, *spacing)
    put("i", 92, extended)
    put("h", 96, -16224)
    put("2h", 180, sizes.get("T", 1), (SEQUENCES | PANELS)[axes])
    if "P" in axes:
        put("h", 160, 100)
        put("i", 880, sizes["P"])
    put("h", 196, sizes.get("C", 1))
    put(f"{len(waves)}h", 198, *waves)
    data = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    path.write_bytes(bytes(header) + b"x" * extended + data)
    return path


def planes_of(series):
    return np.array([series.read(i) for i in np.ndindex(*series.shape[:-2])])


def planes_in_place(series):
    size = series.shape[-1] * series.shape[-2]
    return np.array([
        np.fromfile(series.files[file], series.dtype, size, offset=offset)
        for file, offset in series.offsets
    ]).reshape(-1, *series.shape[-2:])  # fmt: skip


@needs_data
def test_real_file():
    path = Path(DATA, "06_oib_dv_stk/toxo.dv")
    (series,) = open_series(path)
    assert (series.axes, series.shape) == ("CTZYX", (2, 1, 17, 128, 128))
    assert series.dtype == np.dtype("<u2")
    assert series.pixel_size_um == {"x": 0.13262, "y": 0.13262, "z": 0.3}
    assert series.channel_names == ["525 nm", "632 nm"]
    pixels = planes_of(series)
    assert (pixels.min(), np.median(pixels), pixels.max()) == (0, 135, 7657)
    np.testing.assert_array_equal(planes_in_place(series), pixels)
    mrc = pytest.importorskip("mrc", reason="the package mrc is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = np.asarray(mrc.imread(str(path)))
    np.testing.assert_array_equal(pixels, expected.reshape(pixels.shape))


@pytest.mark.parametrize("axes", SEQUENCES)
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("dtype", MODES)
def test_any_sequence_byte_order_and_type(tmp_path, axes, order, dtype):
    shape = tuple({"T": 3, "C": 2, "Z": 4}[axis] for axis in axes)
    pixels = np.arange(np.prod(shape) * 30).reshape(*shape, 5, 6).astype(dtype)
    (series,) = open_series(write_dv(tmp_path / "a.dv", pixels, axes, order, extended=512))
    assert (series.axes, series.shape) == (axes + "YX", pixels.shape)
    assert series.dtype == np.dtype(order + dtype)
    assert series.channel_names == ["457 nm", "528 nm"]
    np.testing.assert_array_equal(planes_of(series), pixels.reshape(-1, 5, 6))
    np.testing.assert_array_equal(planes_in_place(series), pixels.reshape(-1, 5, 6))


@pytest.mark.parametrize("spacing", [(0, 0, 0), (1, 1, 1)])
def test_a_default_is_not_a_calibration(tmp_path, spacing):
    pixels = np.zeros((1, 2, 3, 5, 6), "u2")
    path = write_dv(tmp_path / "a.dv", pixels, "TCZ", spacing=spacing, waves=(0, 0))
    (series,) = open_series(path)
    assert series.pixel_size_um == {"x": None, "y": None, "z": None}
    assert series.channel_names == []


def test_a_z_step_of_one_micrometre_is_one(tmp_path):
    pixels = np.zeros((1, 1, 3, 5, 6), "u2")
    (series,) = open_series(write_dv(tmp_path / "a.dv", pixels, "TCZ", spacing=(0.1, 0.1, 1)))
    assert series.pixel_size_um == {"x": 0.1, "y": 0.1, "z": 1.0}


@pytest.mark.parametrize("axes", PANELS)
@pytest.mark.parametrize("order", "<>")
def test_each_panel_is_a_series(tmp_path, axes, order):
    lengths = {"P": 3, "T": 2, "C": 2, "Z": 4}
    pixels = np.arange(48 * 30, dtype="u2").reshape(*(lengths[axis] for axis in axes), 5, 6)
    found = open_series(write_dv(tmp_path / "a.dv", pixels, axes, order))
    assert [series.name for series in found] == ["position 0", "position 1", "position 2"]
    for number, series in enumerate(found):
        assert series.axes == axes.replace("P", "") + "YX"
        expected = pixels.take(number, axis=axes.index("P")).reshape(-1, 5, 6)
        np.testing.assert_array_equal(planes_of(series), expected)
        np.testing.assert_array_equal(planes_in_place(series), expected)


@pytest.mark.parametrize(
    ("kind", "panels", "times"),
    # One of the new type; text where it has the panels; one of the old type.
    [(100, 1, 3), (100, 0x20202020, 3), (0, 3, 3)],
)
def test_what_counts_panels_may_be_something_else(tmp_path, kind, panels, times):
    pixels = np.arange(90, dtype="u2").reshape(1, times, 1, 5, 6)
    path = write_dv(tmp_path / "a.dv", pixels, "CTZ")
    path.write_bytes(change(880, "i", panels)(change(160, "h", kind)(path.read_bytes())))
    (series,) = open_series(path)
    assert (series.axes, series.shape) == ("CTZYX", pixels.shape)


def test_more_times_than_two_bytes_count(tmp_path):
    pixels = np.zeros((1, 40000, 1, 1, 2), "u1")
    path = write_dv(tmp_path / "a.dv", pixels[:, :1], "CTZ")
    content = change(8, "i", 40000)(path.read_bytes()[:1024] + pixels.tobytes())
    path.write_bytes(change(180, "H", 40000)(content))
    assert open_series(path)[0].shape == pixels.shape
    content = change(160, "h", 100)(change(180, "H", 0xFFFF)(content))
    path.write_bytes(change(852, "i", 40000)(content))
    assert open_series(path)[0].shape == pixels.shape


def test_transmitted_light_has_no_wavelength(tmp_path):
    pixels = np.zeros((3, 1, 2, 5, 6), "u2")
    path = write_dv(tmp_path / "a.dv", pixels, "CTZ", waves=(457, 528, -50))
    assert open_series(path)[0].channel_names == ["457 nm", "528 nm", ""]


def change(at, form, *values):
    def edit(content):
        content = bytearray(content)
        struct.pack_into("<" + form, content, at, *values)
        return bytes(content)

    return edit


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda content: b"", "is empty"),
        (lambda content: content[:500], "less than the header"),
        (lambda content: content[:-1], "is truncated: it has 1743 bytes of 1744"),
        (lambda content: b"no image " * 200, "not a DeltaVision file"),
        (change(12, "i", 4), "mode 4"),
        (change(182, "h", 15), "sequence 15"),
        (change(8, "i", 5), "claims 5 planes"),
        (change(8, "i", -6), "claims -6 planes"),
        (change(196, "h", -2), "-2 channels"),
        (change(0, "i", 2**31 - 1), "is truncated"),
    ],
)
def test_what_cannot_be(tmp_path, edit, reason):
    path = write_dv(tmp_path / "a.dv", np.zeros((2, 2, 3, 5, 6), "u2"), "TCZ")
    path.write_bytes(edit(path.read_bytes()))
    with pytest.raises(ClearfieldError, match=rf"a\.dv .*{reason}"):
        open_series(path)
