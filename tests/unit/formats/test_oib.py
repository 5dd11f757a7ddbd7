"""OIB and OIF: folders written by hand, and a real file (SHARED_DATA)."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile

pytest.importorskip("oiffile", reason="the package oiffile is not installed")

from clearfield.errors import ClearfieldError
from clearfield.formats.oib import open_series

DATA = os.environ.get("SHARED_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="SHARED_DATA names no folder with real images")


def write_oif(path, planes, order="XYCZ", interval=500, width="0.2", unit="um", bits=12, saved=()):
    """Write planes, a name in the folder and its pixels, and the settings that describe them."""
    sections = {
        "ProfileSaveInfo": {"Name": "test", "Version": "1.0", **dict(saved)},
        "Axis Parameter Common": {"AxisCount": len(order), "AxisOrder": order},
        "Reference Image Parameter": {
            "WidthConvertValue": width, "WidthUnit": unit, "HeightConvertValue": width,
            "HeightUnit": unit, "ValidBitCounts": bits,
        },
        "Axis 3 Parameters Common": {
            "AxisCode": "Z", "MaxSize": 3, "Interval": interval, "UnitName": "nm",
            "StartPosition": 1000.0, "EndPosition": 0.0,
        },
        "Channel 1 Parameters": {"CH Name": "CH1"},
        "Channel 2 Parameters": {"CH Name": "CH2"},
    }  # fmt: skip
    lines = []
    for name, values in sections.items():
        lines += [
            f"[{name}]",
            *(
                f"{key}={value!r}".replace("'", '"').replace("\\\\", "\\")
                for key, value in values.items()
            ),
        ]
    path.write_bytes(b"\xff\xfe" + "\r\n".join(lines).encode("utf-16-le"))
    folder = path.with_name(path.name + ".files")
    folder.mkdir()
    for name, pixels in planes.items():
        tifffile.imwrite(folder / f"{name}.tif", pixels)
    return path


def counting(*shape):
    return np.arange(np.prod(shape), dtype="u2").reshape(shape)


@needs_data
def test_real_file():
    (series,) = open_series(Path(DATA, "06_oib_dv_stk/test.oib"))
    assert (series.axes, series.shape, series.dtype) == ("CYX", (3, 256, 256), np.dtype("u2"))
    assert series.pixel_size_um == {"x": 0.177, "y": 0.177, "z": None}
    assert series.channel_names == ["CH1", "CH2", "TD1"]
    assert series.saturation_level == 4095
    pixels = np.array([series.read((c,)) for c in range(3)])
    assert (pixels.min(), np.median(pixels), pixels.max()) == (0, 4, 820)
    import oiffile

    np.testing.assert_array_equal(pixels, oiffile.imread(Path(DATA, "06_oib_dv_stk/test.oib")))


def test_folder_of_channels_and_z(tmp_path):
    pixels = counting(2, 3, 5, 6)
    planes = {f"s_C{c + 1:03d}Z{z + 1:03d}": pixels[c, z] for c, z in np.ndindex(2, 3)}
    planes["s_reference"] = counting(4, 4)
    series, reference = open_series(write_oif(tmp_path / "a.oif", planes))
    assert (series.axes, series.shape) == ("CZYX", pixels.shape)
    assert series.pixel_size_um == {"x": 0.2, "y": 0.2, "z": 0.5}
    assert series.channel_names == ["CH1", "CH2"]
    for c, z in np.ndindex(2, 3):
        np.testing.assert_array_equal(series.read((c, z)), pixels[c, z])
    np.testing.assert_array_equal(reference.read(()), counting(4, 4))


def test_z_step_from_the_ends_of_the_axis(tmp_path):
    planes = {f"s_Z{z + 1:03d}": counting(5, 6) for z in range(3)}
    (series,) = open_series(write_oif(tmp_path / "a.oif", planes, "XYZ", interval=0))
    assert series.pixel_size_um["z"] == 0.5


def test_no_unit_is_no_calibration(tmp_path):
    planes = {f"s_T{t + 1:03d}": counting(5, 6) for t in range(2)}
    (series,) = open_series(write_oif(tmp_path / "a.oif", planes, "XYT", width="1.0", unit="pixel"))
    assert series.axes == "TYX"
    assert series.pixel_size_um == {"x": None, "y": None, "z": None}


@pytest.mark.parametrize(("letter", "order", "axes"), [("L", "XYL", "EYX"), ("C", "XZC", "CZX")])
def test_other_axes_keep_their_meaning(tmp_path, letter, order, axes):
    planes = {f"s_{letter}{n + 1:03d}": counting(5, 6) for n in range(2)}
    (series,) = open_series(write_oif(tmp_path / "a.oif", planes, order))
    assert (series.axes, series.shape) == (axes, (2, 5, 6))


def test_a_reference_image_comes_after_the_image(tmp_path):
    planes = {"s_C001-R001": counting(4, 4), "s_C001": counting(9, 6)}
    image, reference = open_series(write_oif(tmp_path / "a.oif", planes, "XTC"))
    assert (image.name, image.axes, image.shape) == ("", "CTX", (1, 9, 6))
    assert (reference.name, reference.axes) == ("reference 001", "CYX")
    np.testing.assert_array_equal(reference.read((0,)), counting(4, 4))


@pytest.mark.parametrize("folder", ["A.OIF.files", "before.oif.files"])
def test_a_renamed_file_finds_its_folder(tmp_path, folder):
    here = tmp_path / "cells [1] µ"
    here.mkdir()
    planes = {f"s_Z{z + 1:03d}": counting(5, 6) + z for z in range(3)}
    saved = {"PtyFileNameS": "before.oif.files\\s_Z001.pty"}
    path = write_oif(here / "a.oif", planes, "XYZ", saved=saved)
    (here / "a.oif.files").rename(here / folder)
    (series,) = open_series(path)
    np.testing.assert_array_equal([series.read((z,)) for z in range(3)], list(planes.values()))


NAME = "a.oif.files\\s_C{:03d}Z{:03d}.pty".format


@pytest.mark.parametrize(
    "saved",
    [
        {"PtyFileNameS": NAME(1, 1), "PtyFileNameE": NAME(2, 3), "PtyFileNameT1": "s_%s.pty"},
        {f"IniFileName{n}": NAME(n // 3 + 1, n % 3 + 1) for n in range(6)},
    ],
)
@pytest.mark.parametrize("lost", ["C002Z", "Z003"])
def test_the_last_planes_of_an_axis_are_missed(tmp_path, saved, lost):
    planes = {f"s_C{c:03d}Z{z:03d}": counting(5, 6) for c in (1, 2) for z in (1, 2, 3)}
    path = write_oif(tmp_path / "a.oif", planes, saved=saved)
    assert open_series(path)[0].shape == (2, 3, 5, 6)
    for file in (tmp_path / "a.oif.files").glob(f"*{lost}*"):
        file.unlink()
    with pytest.raises(
        ClearfieldError, match=r"a\.oif has . planes of 6: C00.Z00.\.tif is missing"
    ):
        open_series(path)


def test_a_missing_plane_is_named(tmp_path):
    planes = {f"s_C{c}Z{z}": counting(5, 6) for c in ("001", "002") for z in ("001", "002")}
    path = write_oif(tmp_path / "a.oif", planes)
    (tmp_path / "a.oif.files/s_C001Z002.tif").unlink()
    with pytest.raises(
        ClearfieldError, match=r"a\.oif has 3 planes of 4: C001Z002\.tif is missing"
    ):
        open_series(path)


def test_a_damaged_plane_is_an_error(tmp_path):
    path = write_oif(tmp_path / "a.oif", {f"s_Z00{z}": counting(5, 6) for z in (1, 2)}, "XYZ")
    (tmp_path / "a.oif.files/s_Z002.tif").write_bytes(b"II*\0")
    (series,) = open_series(path)
    with pytest.raises(ClearfieldError, match=r"a\.oif cannot be read"):
        series.read((1,))


def test_what_is_no_image(tmp_path):
    import shutil

    lone = write_oif(tmp_path / "lone.oif", {})
    shutil.rmtree(tmp_path / "lone.oif.files")
    for name, content in (("empty.oib", b""), ("text.oib", b"text " * 200), ("text.oif", b"text")):
        (tmp_path / name).write_bytes(content)
    for path in (lone, *(tmp_path / name for name in ("empty.oib", "text.oib", "text.oif"))):
        with pytest.raises(ClearfieldError, match=path.name.replace(".", r"\.")):
            open_series(path)


def test_a_plane_that_is_gone_is_not_the_file(tmp_path):
    path = write_oif(tmp_path / "a.oif", {f"s_Z00{z}": counting(5, 6) for z in (1, 2)}, "XYZ")
    (series,) = open_series(path)
    (tmp_path / "a.oif.files/s_Z002.tif").unlink()
    with pytest.raises(ClearfieldError, match=r"a\.oif cannot be read .*s_Z002\.tif"):
        series.read((1,))


@needs_data
def test_truncated_oib(tmp_path):
    content = Path(DATA, "06_oib_dv_stk/test.oib").read_bytes()
    for share in (0.001, 0.1, 0.5, 0.9):
        path = tmp_path / f"{share}.oib"
        path.write_bytes(content[: int(share * len(content))])
        with pytest.raises(ClearfieldError, match=rf"{share}\.oib"):
            [series.read((c,)) for series in open_series(path) for c in range(3)]


@needs_data
@pytest.mark.parametrize("chain", ["sectors", "short sectors"])
def test_a_chain_without_end_does_not_hang(tmp_path, chain):
    content = bytearray(Path(DATA, "06_oib_dv_stk/test.oib").read_bytes())
    (shift,) = struct.unpack_from("<H", content, 30)
    # The first table: that of sectors, or that of short ones; its second entry leads to itself.
    (table,) = struct.unpack_from("<I", content, 76 if chain == "sectors" else 60)
    struct.pack_into("<I", content, ((table + 1) << shift) + 4, 1)
    path = tmp_path / "a.oib"
    path.write_bytes(content)
    with pytest.raises(ClearfieldError, match=r"a\.oib is damaged: the chain of its sectors"):
        open_series(path)
