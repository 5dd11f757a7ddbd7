"""BigDataViewer: a file of npy2bdv, and files of its layout made for each case."""

import lzma
import shutil
from pathlib import Path

import numpy as np
import pytest
from clearfield.errors import ClearfieldError
from clearfield.formats.bdv import open_series

h5py = pytest.importorskip("h5py")
DATA = Path(__file__).parent / "data"
# T, setup, Z, Y, X; half of the values have the highest bit.
PIXELS = np.random.default_rng(0).integers(0, 65536, (2, 4, 5, 9, 17)).astype("u2")


def planes_of(series):
    planes = [series.read(index) for index in np.ndindex(*series.index_shape)]
    return np.reshape(planes, series.shape)


def write(path, pixels=PIXELS, dtype="i2", **more):
    with h5py.File(path, "w") as file:
        for time, setup in np.ndindex(pixels.shape[:2]):
            file.create_dataset(
                f"t{time:05d}/s{setup:02d}/0/cells", data=pixels[time, setup].view(dtype), **more
            )
    return str(path)


def write_xml(path, setups, names=(), size="0.2 0.2 1.5", unit="micron"):
    """Write what BigDataViewer needs: a line for each setup's channel and angle."""
    text = "".join(
        f"<ViewSetup><id>{n}</id><name>view {n}</name><voxelSize><unit>{unit}</unit>"
        f"<size>{size}</size></voxelSize><attributes><channel>{channel}</channel>"
        f"<angle>{angle}</angle></attributes></ViewSetup>"
        for n, (channel, angle) in enumerate(setups)
    )
    channels = "".join(
        f"<Channel><id>{n}</id><name>{name}</name></Channel>" for n, name in enumerate(names)
    )
    path.with_suffix(".xml").write_text(
        f"<SpimData><SequenceDescription><ViewSetups>{text}"
        f'<Attributes name="channel">{channels}</Attributes></ViewSetups>'
        "</SequenceDescription></SpimData>"
    )


def test_a_file_of_npy2bdv(tmp_path):
    path = tmp_path / "npy2bdv.h5"
    path.write_bytes(lzma.decompress((DATA / "npy2bdv.h5.xz").read_bytes()))
    shutil.copy(DATA / "npy2bdv.xml", tmp_path)
    t, c, z, y, x = np.ogrid[:2, :2, :3, :13, :21]
    for angle, series in enumerate(open_series(path)):
        assert (series.name, series.axes) == (f"angle {angle}", "TCZYX")
        assert series.pixel_size_um == {"x": 0.25, "y": 0.25, "z": 1.5}
        expected = 1000 * t + 100 * c + 32768 * angle + 10 * z + y + 20 * x
        np.testing.assert_array_equal(planes_of(series), expected)


@pytest.mark.parametrize("more", [{}, {"chunks": (2, 4, 8), "compression": "gzip"}])
def test_channels_are_an_axis_and_angles_series(tmp_path, more):
    path = tmp_path / "a.h5"
    write(path, **more)
    write_xml(path, [(0, 0), (1, 0), (1, 90), (0, 90)], ["GFP", "RFP"])
    first, second = open_series(path)
    assert [(s.name, s.axes) for s in (first, second)] == [
        ("angle 0", "TCZYX"), ("angle 90", "TCZYX"),
    ]  # fmt: skip
    np.testing.assert_array_equal(planes_of(first), PIXELS[:, :2])
    np.testing.assert_array_equal(planes_of(second), PIXELS[:, 3:1:-1])
    assert first.dtype == np.uint16  # as Java means what HDF5 calls int16
    assert first.channel_names == ["GFP", "RFP"]
    assert first.pixel_size_um == {"x": 0.2, "y": 0.2, "z": 1.5}


def test_without_its_xml_each_setup_is_a_series(tmp_path):
    found = open_series(write(tmp_path / "a.h5"))
    assert [series.name for series in found] == [f"setup {n}" for n in range(4)]
    for setup, series in enumerate(found):
        np.testing.assert_array_equal(planes_of(series), PIXELS[:, setup])
        assert series.pixel_size_um == {"x": None, "y": None, "z": None}


def test_setups_that_nothing_tells_apart_are_series(tmp_path):
    path = tmp_path / "a.h5"
    write(path)
    write_xml(path, [(0, 0)] * 4)
    assert [series.name for series in open_series(path)] == [f"view {n}" for n in range(4)]


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_other_types_are_as_they_are(tmp_path, dtype):
    pixels = PIXELS[:1, :1].astype(dtype)
    (series,) = open_series(write(tmp_path / "a.h5", pixels, dtype))
    np.testing.assert_array_equal(planes_of(series), pixels[0, 0])


@pytest.mark.parametrize(
    ("size", "unit", "expected"),
    [("1 1 1", "um", None), ("1.0 1.0 1.0", "px", None), ("2 2 2", "px", None), ("2 2", "um", None),
     ("2 2 2", "nm", 0.002)],
)  # fmt: skip
def test_calibration(tmp_path, size, unit, expected):
    path = tmp_path / "a.h5"
    write(path)
    write_xml(path, [(0, 0), (1, 0), (1, 90), (0, 90)], size=size, unit=unit)
    assert set(open_series(path)[0].pixel_size_um.values()) == {expected}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda f: f["t00001"].pop("s02"), "setup 2 is not there at each time point"),
        (lambda f: (f.pop("t00000"), f.pop("t00001")), "not of BigDataViewer"),
        (lambda f: f["t00001/s02/0"].pop("cells"), "cannot be read"),
    ],
)
def test_what_is_not_all_there(tmp_path, change, reason):
    path = write(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(ClearfieldError, match=reason) as caught:
        open_series(path)
    assert path in str(caught.value)


def test_a_part_names_its_whole(tmp_path):
    write(tmp_path / "a.h5")
    with pytest.raises(ClearfieldError, match=r"is a part of a\.h5"):
        open_series(write(tmp_path / "a-00-01.h5"))


@pytest.mark.parametrize("text", ["<SpimData>", '<!DOCTYPE a [<!ENTITY b "c">]><SpimData/>'])
def test_an_xml_that_cannot_be_read(tmp_path, text):
    path = tmp_path / "a.h5"
    write(path)
    path.with_suffix(".xml").write_text(text)
    with pytest.raises(ClearfieldError, match=r"a\.xml "):
        open_series(path)
