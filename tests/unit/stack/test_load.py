"""Formats through load: what axes and select do to sizes and names, and every real file."""

import os
from pathlib import Path

import numpy as np
import pytest
from clearfield.errors import ClearfieldError
from clearfield.formats.series import Series
from clearfield.stack.loading import load

DATA = os.environ.get("SHARED_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="SHARED_DATA names no folder with real images")


def load_series(monkeypatch, tmp_path, series, **settings):
    monkeypatch.setattr("clearfield.stack.loading.open_series", lambda path: [series])
    path = tmp_path / "a.tif"
    path.touch()
    return load(str(path), tmp_path / "a.stack", settings)


def make_series(axes, shape, **more):
    pixels = np.arange(np.prod(shape), dtype="u2").reshape(shape)
    sizes = {"x": 0.1, "y": None, "z": 0.3}
    return Series("", axes, shape, pixels.dtype, pixels.__getitem__, sizes, **more)


def test_a_size_goes_with_its_axis(monkeypatch, tmp_path):
    series = make_series("TZX", (2, 3, 4))
    stack = load_series(monkeypatch, tmp_path, series, axes="TYX")
    assert (stack.shape, stack.pixel_size_um) == ((2, 1, 1, 3, 4), {"x": 0.1, "y": 0.3, "z": None})


def test_an_axis_that_was_unknown_keeps_the_size_that_the_file_gives(monkeypatch, tmp_path):
    series = make_series("QYX", (2, 3, 4))
    stack = load_series(monkeypatch, tmp_path, series, axes="ZYX")
    assert stack.pixel_size_um == {"x": 0.1, "y": None, "z": 0.3}


def test_the_name_of_a_selected_channel(monkeypatch, tmp_path):
    series = make_series("CYX", (2, 3, 4), channel_names=["DAPI", "GFP"])
    assert load_series(monkeypatch, tmp_path, series).channel_names == ["DAPI", "GFP"]
    assert load_series(monkeypatch, tmp_path, series, select={"C": 1}).channel_names == ["GFP"]


@needs_data
@pytest.mark.parametrize(
    ("name", "settings", "shape", "in_place"),
    [
        ("03_czi/CellDivision_T3_Z5_CH2_X240_Y170.czi", {}, (3, 2, 5, 170, 240), True),
        ("03_czi/xyz__multiple_images.czi", {"series": 1}, (1, 1, 2, 251, 251), True),
        ("04_nd2/example-zstack.nd2", {}, (1, 1, 11, 128, 128), True),
        ("05_lif/testdata_2channel_xz.lif", {"axes": "TCYX"}, (20, 2, 1, 128, 128), True),
        ("05_lif/testdata_2channel_xz.lif", {"series": 1}, (1, 2, 128, 23, 128), False),
        ("06_oib_dv_stk/test.oib", {}, (1, 3, 1, 256, 256), False),
        ("06_oib_dv_stk/toxo.dv", {}, (1, 2, 17, 128, 128), True),
        ("07_zarr/xyz_8bit__mitotic_plate_calibrated.ome.zarr", {}, (1, 1, 6, 263, 263), False),
        ("01_zstack_tiff/leica_stack", {}, (1, 1, 3, 256, 256), True),
        ("01_zstack_tiff/leica_stack/*_z00[12]_ch00.tif", {}, (1, 1, 2, 256, 256), True),
    ],
)
def test_real_files(tmp_path, name, settings, shape, in_place):
    stack = load(str(Path(DATA, name)), tmp_path / "a.stack", settings)
    assert (stack.shape, bool(stack.offsets)) == (shape, in_place)
    planes = stack.open()
    assert all(planes[index].shape == shape[3:] for index in np.ndindex(*shape[:3]))


@needs_data
def test_xz_scan_is_refused_with_the_setting_that_mends_it(tmp_path):
    path = str(Path(DATA, "05_lif/testdata_2channel_xz.lif"))
    with pytest.raises(ClearfieldError, match=r'no Y: .* load_stack\.axes: "TCYX"'):
        load(path, tmp_path / "a.stack", {})
