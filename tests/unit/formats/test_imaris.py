"""Imaris: two files of ImarisWriter, and files of the layout that it writes, made for each case."""

import lzma
from pathlib import Path

import numpy as np
import pytest
from clearfield.errors import ClearfieldError
from clearfield.formats.imaris import open_series
from clearfield.stack.description import read_stack
from clearfield.stack.loading import load

h5py = pytest.importorskip("h5py")
DATA = Path(__file__).parent / "data"
T, C, Z, Y, X = np.ogrid[:2, :2, :3, :13, :21]
WRITTEN = (1000 * T + 100 * C + 10 * Z + Y + 20 * X).astype("u2")
RANDOM = np.random.default_rng(0)


def planes_of(series):
    planes = [series.read(index) for index in np.ndindex(*series.index_shape)]
    return np.reshape(planes, series.shape)


def characters(value):
    return np.array([letter.encode() for letter in str(value)], "S1")


def write(path, pixels, chunks=(2, 4, 8), extents=((0, 2.5), (10, 13), (-1, 3)), unit="um", **more):
    """Write T, C, Z, Y, X, padded to whole chunks with 7, as Imaris lays it out."""
    shape = pixels.shape[2:]
    padded = [-(-length // step) * step for length, step in zip(shape, chunks, strict=True)]
    with h5py.File(path, "w") as file:
        file.attrs["NumberOfDataSets"] = np.array([1], "u4")
        image = file.create_group("DataSetInfo/Image")
        for number, (low, high) in enumerate(extents):
            image.attrs[f"ExtMin{number}"] = characters(low)
            image.attrs[f"ExtMax{number}"] = characters(high)
        image.attrs["Unit"] = characters(unit)
        for axis, length in zip("ZYX", shape, strict=True):
            image.attrs[axis] = characters(length)
        for time, channel in np.ndindex(pixels.shape[:2]):
            name = f"DataSet/ResolutionLevel 0/TimePoint {time}/Channel {channel}"
            group = file.create_group(name)
            for axis, length in zip("ZYX", shape, strict=True):
                group.attrs[f"ImageSize{axis}"] = characters(length)
            whole = np.full(padded, 7, pixels.dtype)
            whole[tuple(map(slice, shape))] = pixels[time, channel]
            group.create_dataset("Data", data=whole, chunks=chunks, **more)
    return str(path)


@pytest.mark.parametrize("kind", ["gzip", "lz4"])
def test_files_of_imariswriter(tmp_path, kind):
    path = tmp_path / "a.ims"
    path.write_bytes(lzma.decompress((DATA / f"imariswriter_{kind}.ims.xz").read_bytes()))
    (series,) = open_series(path)
    assert (series.axes, series.shape, series.dtype) == ("TCZYX", WRITTEN.shape, np.dtype("<u2"))
    np.testing.assert_array_equal(planes_of(series), WRITTEN)
    assert series.pixel_size_um == {"x": 0.25, "y": 0.25, "z": 0.5}
    assert series.channel_names == ["DAPI", "GFP"]
    assert series.name == ""
    load(str(path), tmp_path / "a.stack", {"select": {"T": 1}})
    stack = read_stack(tmp_path / "a.stack")
    planes = stack.open()
    found = np.stack([planes[index] for index in np.ndindex(stack.shape[:3])])
    np.testing.assert_array_equal(found.reshape(stack.shape)[0], WRITTEN[1])


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "f4", ">u2"])
@pytest.mark.parametrize(
    "more", [{}, {"compression": "gzip", "shuffle": True}], ids=["raw", "gzip"]
)
def test_padding_is_no_image(tmp_path, dtype, more):
    pixels = RANDOM.integers(0, 200, (2, 3, 5, 9, 17)).astype(dtype)
    (series,) = open_series(write(tmp_path / "a.ims", pixels, **more))
    np.testing.assert_array_equal(planes_of(series), pixels)
    assert series.dtype == np.dtype(dtype)


def test_axes_of_one_are_left_out(tmp_path):
    pixels = RANDOM.integers(0, 200, (1, 1, 5, 9, 17)).astype("u2")
    (series,) = open_series(write(tmp_path / "a.ims", pixels))
    assert (series.axes, series.channel_names) == ("ZYX", [])
    np.testing.assert_array_equal(planes_of(series), pixels[0, 0])


def test_a_filter_that_was_left_out_of_one_chunk(tmp_path):
    """A writer may leave it out where it would not make the chunk smaller: the mask says so."""
    pixels = RANDOM.integers(0, 200, (1, 1, 4, 4, 16)).astype("u2")
    path = write(tmp_path / "a.ims", pixels, compression="gzip", shuffle=True)
    with h5py.File(path, "r+") as file:
        data = file["DataSet/ResolutionLevel 0/TimePoint 0/Channel 0/Data"]
        plain = np.ascontiguousarray(pixels[0, 0, 2:, :, 8:])
        data.id.write_direct_chunk((2, 0, 8), plain.tobytes(), filter_mask=0b11)
    (series,) = open_series(path)
    np.testing.assert_array_equal(planes_of(series), pixels[0, 0])


def test_a_dataset_without_chunks(tmp_path):
    pixels = RANDOM.integers(0, 200, (1, 1, 3, 4, 8)).astype("u2")
    path = write(tmp_path / "a.ims", pixels)
    with h5py.File(path, "r+") as file:
        group = file["DataSet/ResolutionLevel 0/TimePoint 0/Channel 0"]
        del group["Data"]
        group["Data"] = pixels[0, 0]
    (series,) = open_series(path)
    np.testing.assert_array_equal(planes_of(series), pixels[0, 0])


@pytest.mark.parametrize(
    ("extents", "unit", "expected"),
    [
        (((0, 17), (0, 9), (0, 5)), "um", (None, None, None)),  # a writer that knows no size
        (((0, 17), (0, 9), (0, 15)), "um", (1, 1, 3)),
        (((17, 0), (0, 4.5), (2, 2)), "um", (1, 0.5, None)),
        (((0, 1700), (0, 900), (0, 500)), "nm", (0.1, 0.1, 0.1)),
        (((0, 17), (0, 9), (0, 15)), "", (1, 1, 3)),
        (((0, 17), (0, 9), (0, 15)), "pixel", (None, None, None)),
        (((0, "?"), (0, 4.5), (0, 5)), "um", (None, 0.5, 1)),
        ((("100.3", "104.346"), (0, 9), (0, 15)), "um", (0.238, 1, 3)),  # 4.046 / 17
    ],
)
def test_extents_are_the_size_of_pixels(tmp_path, extents, unit, expected):
    pixels = np.zeros((1, 1, 5, 9, 17), "u2")
    (series,) = open_series(write(tmp_path / "a.ims", pixels, extents=extents, unit=unit))
    assert series.pixel_size_um == dict(zip("xyz", expected, strict=True))


def test_what_was_never_written_is_no_zero(tmp_path):
    """HDF5 has zeros for chunks that are not there."""
    pixels = np.ones((1, 2, 5, 9, 17), "u2")
    path = write(tmp_path / "a.ims", pixels)
    with h5py.File(path, "r+") as file:
        group = file["DataSet/ResolutionLevel 0/TimePoint 0/Channel 1"]
        del group["Data"]
        data = group.create_dataset("Data", (6, 12, 24), "u2", chunks=(2, 4, 8))
        data[:4, :12] = 1
        data[4:, :8] = 1
    (series,) = open_series(path)
    assert series.read((0, 4)).min() == 1
    with pytest.raises(ClearfieldError, match=r"written in part: blocks of .*Channel 1/Data"):
        series.read((1, 4))
    with pytest.raises(ClearfieldError, match="written in part"):
        load(path, tmp_path / "a.stack", {})
    load(path, tmp_path / "a.stack", {"select": {"C": 0}})


def test_chunks_of_padding_alone_may_be_absent(tmp_path):
    pixels = np.ones((1, 1, 5, 8, 17), "u2")
    path = write(tmp_path / "a.ims", pixels)
    with h5py.File(path, "r+") as file:
        group = file["DataSet/ResolutionLevel 0/TimePoint 0/Channel 0"]
        del group["Data"]
        group.create_dataset("Data", (6, 16, 24), "u2", chunks=(2, 4, 8))[:, :8] = 1
    (series,) = open_series(path)
    assert planes_of(series).min() == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda f: f.pop("DataSet"), "no image of Imaris"),
        (lambda f: f["DataSet/ResolutionLevel 0"].pop("TimePoint 0"), "has TimePoint 1, "),
        (lambda f: f["DataSet/ResolutionLevel 0/TimePoint 1"].pop("Channel 1"), "incomplete"),
        (lambda f: f["DataSet/ResolutionLevel 0/TimePoint 1/Channel 1"].pop("Data"), "cannot be"),
        (lambda f: f["DataSet/ResolutionLevel 0/TimePoint 0/Channel 0"].attrs.update(
            ImageSizeX=characters(999)), "cut short or damaged: its image has"),
        (lambda f: f["DataSet/ResolutionLevel 0/TimePoint 0/Channel 0"].attrs.update(
            ImageSizeX=characters("x")), "cannot be read"),
        (lambda f: f["DataSet/ResolutionLevel 0/TimePoint 0/Channel 0"].attrs.update(
            ImageSizeX=characters(0)), "damaged"),
        (lambda f: f.attrs.update(NumberOfDataSets=9), "cannot be read"),
    ],
    ids=["empty", "time", "channel", "data", "larger", "text", "none", "images"],
)  # fmt: skip
def test_what_is_not_all_there(tmp_path, change, reason):
    path = write(tmp_path / "a.ims", np.ones((2, 2, 5, 9, 17), "u2"))
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(ClearfieldError, match=reason) as caught:
        open_series(path)
    assert path in str(caught.value) and "\n" not in str(caught.value)


def test_a_filter_that_is_not_known(tmp_path, monkeypatch):
    path = tmp_path / "a.ims"
    path.write_bytes(lzma.decompress((DATA / "imariswriter_lz4.ims.xz").read_bytes()))
    monkeypatch.setattr("clearfield.formats.hdf5_chunks._LZ4", 0)
    (series,) = open_series(path)
    with pytest.raises(ClearfieldError, match=r"not read here \(HDF5 filter 32004\)"):
        series.read((0, 0, 0))


def test_several_images(tmp_path):
    path = write(tmp_path / "a.ims", np.ones((1, 1, 5, 9, 17), "u2"))
    with h5py.File(path, "r+") as file:
        file.attrs["NumberOfDataSets"] = np.array([2], "u4")
        for name in ("DataSet", "DataSetInfo"):
            file.copy(name, f"{name}1")
        file["DataSetInfo1/Image"].attrs["Name"] = characters("second")
    assert [series.name for series in open_series(path)] == ["", "second"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"II*\0" + bytes(99), "is no HDF5 file"),
        (b"\x89HDF\r\n\x1a\n", "cannot be"),
    ],
)
def test_what_is_no_imaris_file(tmp_path, content, reason):
    path = tmp_path / "a.ims"
    path.write_bytes(content)
    with pytest.raises(ClearfieldError, match=reason):
        open_series(path)


def test_a_file_that_was_cut_short(tmp_path):
    path = tmp_path / "a.ims"
    whole = lzma.decompress((DATA / "imariswriter_gzip.ims.xz").read_bytes())
    for share in (0.1, 0.5, 0.9):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(ClearfieldError, match="truncated"):
            open_series(path)
