"""LIF: files built by hand, and a real one (SHARED_DATA) with its export from LAS."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("liffile", reason="the package liffile is not installed")

from clearfield.errors import ClearfieldError
from clearfield.formats.lif import open_series

DATA = os.environ.get("SHARED_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="SHARED_DATA names no folder with real images")
IDS = {"X": 1, "Y": 2, "Z": 3, "T": 4, "E": 5, "M": 10, "?": 98, "!": 99}


def image_xml(name, axes, pixels, bits=None, unit="m", length=9e-7, tags=None):
    """Describe pixels over `axes`, C order; S are the samples of a colour image."""
    step = dict(zip(axes, pixels.strides, strict=True))
    size = dict(zip(axes, pixels.shape, strict=True))
    dimensions = "".join(
        f'<DimensionDescription DimID="{IDS[a]}" NumberOfElements="{size[a]}" Origin="0" '
        f'Length="{length}" Unit="{unit}" BitInc="0" BytesInc="{step[a]}"/>'
        for a in axes if a not in "CS"
    )  # fmt: skip
    channel = "S" if "S" in axes else "C"
    tags = tags or [0] * size.get(channel, 1)
    channels = "".join(
        f'<ChannelDescription DataType="{int(pixels.dtype.kind == "f")}" ChannelTag="{tag}" '
        f'Resolution="{bits or 8 * pixels.itemsize}" NameOfMeasuredQuantity="" Min="0" Max="1" '
        f'Unit="" LUTName="Lut{n}" IsLUTInverted="0" BytesInc="{n * step.get(channel, 0)}" '
        'BitInc="0"/>'
        for n, tag in enumerate(tags)
    )
    return (
        f'<Element Name="{name}"><Data><Image><ImageDescription><Channels>{channels}</Channels>'
        f"<Dimensions>{dimensions}</Dimensions></ImageDescription></Image></Data>"
        f'<Memory Size="{pixels.nbytes}" MemoryBlockID="block_{name}"/></Element>'
    )


def write_lif(path, *images, change=str):
    """Write (name, axes, pixels, more) images; `change` may alter the XML of their elements."""
    elements = "".join(image_xml(*image[:3], **(image[3:] or ({},))[0]) for image in images)
    elements = change(elements)
    xml = (
        '<LMSDataContainerHeader Version="2"><Element Name="experiment">'
        f"<Children>{elements}</Children></Element></LMSDataContainerHeader>"
    ).encode("utf-16-le")
    content = struct.pack("<iiBi", 0x70, len(xml) + 5, 0x2A, len(xml) // 2) + xml
    for name, _, pixels, *_ in images:
        label = f"block_{name}".encode("utf-16-le")
        content += struct.pack("<iiBqBi", 0x70, len(label) + 14, 0x2A, pixels.nbytes, 0x2A,
                               len(label) // 2) + label + pixels.tobytes()  # fmt: skip
    path.write_bytes(content)
    return path


def planes_of(series):
    shape = [series.sizes[axis] for axis in series.index_axes]
    planes = [series.read(index) for index in np.ndindex(*shape)]
    return np.array(planes).reshape(*shape, *planes[0].shape)


def planes_in_place(series):
    shape = [series.sizes[axis] for axis in series.index_axes + series.plane_axes]
    planes = [
        np.fromfile(series.files[file], series.dtype, shape[-1] * shape[-2], offset=offset)
        for file, offset in series.offsets
    ]
    return np.array(planes).reshape(shape)


def counting(*shape, dtype="u2"):
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


@needs_data
def test_real_file_and_its_export():
    series = open_series(Path(DATA, "05_lif/testdata_2channel_xz.lif"))
    assert [(s.name, s.axes, s.shape) for s in series] == [
        ("xzt", "TCZX", (20, 2, 128, 128)),
        ("xzy", "YCZX", (23, 2, 128, 128)),
        ("xz", "CZX", (2, 512, 512)),
    ]
    scan = series[0]
    assert scan.pixel_size_um["x"] == pytest.approx(0.14028, rel=1e-5)
    assert scan.pixel_size_um["z"] == pytest.approx(0.140279, rel=1e-5)
    assert scan.pixel_size_um["y"] is None
    assert (scan.channel_names, scan.saturation_level) == (["Green", "Red"], 255)
    pixels = planes_of(scan)
    assert (pixels.min(), np.median(pixels), pixels.max()) == (0, 3, 255)
    np.testing.assert_array_equal(planes_in_place(scan), pixels)
    tifffile = pytest.importorskip("tifffile")
    export = tifffile.imread(Path(DATA, "05_lif/xz_c0_t0.tif"))
    np.testing.assert_array_equal(scan.read((0, 0)), export)


@needs_data
def test_real_file_as_liffile_reads_it():
    import liffile

    path = Path(DATA, "05_lif/testdata_2channel_xz.lif")
    with liffile.LifFile(path) as file:
        for series, image in zip(open_series(path), file.images, strict=True):
            expected = image.asarray()
            if series.axes == "YCZX":
                assert series.index_axes + series.plane_axes == "CZYX"
                expected = expected.transpose(1, 2, 0, 3)
            np.testing.assert_array_equal(planes_of(series), expected)


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_several_images_in_one_file(tmp_path, dtype):
    a, b = counting(2, 3, 4, 5, 6, dtype=dtype), counting(7, 5, dtype=dtype)
    series = open_series(write_lif(tmp_path / "a.lif", ("a", "TCZYX", a), ("b", "YX", b)))
    assert [(s.name, s.axes, s.shape) for s in series] == [
        ("a", "TCZYX", a.shape),
        ("b", "YX", b.shape),
    ]
    assert series[0].channel_names == ["Lut0", "Lut1", "Lut2"]
    for one, expected in zip(series, (a, b), strict=True):
        np.testing.assert_array_equal(planes_of(one), expected)
        np.testing.assert_array_equal(planes_in_place(one), expected)


def test_images_of_the_same_name_are_all_there(tmp_path):
    images = [(name, "ZYX", counting(2, 5, 6) + n) for n, name in enumerate("ab")]
    path = write_lif(tmp_path / "a.lif", *images, change=lambda x: x.replace('"b"', '"a"'))
    series = open_series(path)
    assert [one.name for one in series] == ["a", "a"]
    for one, (_, _, expected) in zip(series, images, strict=True):
        np.testing.assert_array_equal(planes_of(one), expected)


def test_folders_in_folders(tmp_path):
    def nest(xml):
        wrap = '<Element Name="{}"><Children>{}</Children></Element>'
        return wrap.format("outer", wrap.format("inner", xml))

    path = write_lif(tmp_path / "a.lif", ("a", "YX", counting(5, 6)), change=nest)
    assert [one.name for one in open_series(path)] == ["outer/inner/a"]


def test_what_has_no_pixels_is_left_out(tmp_path):
    """Lifetimes, a folder, an image that was given up before its first pixel."""
    others = (
        '<Element Name="f"><Data><SingleMoleculeDetection IsImage="true"/></Data></Element>'
        '<Element Name="g"><Data><Collection/></Data><Children/></Element>'
        '<Element Name="h"><Data><Image><ImageDescription><Channels/><Dimensions/>'
        "</ImageDescription></Image></Data></Element>"
    )
    image = ("a", "YX", counting(5, 6))
    path = write_lif(tmp_path / "a.lif", image, change=lambda xml: others + xml)
    assert [one.name for one in open_series(path)] == ["a"]
    path = write_lif(tmp_path / "a.lif", image, change=lambda xml: others)
    with pytest.raises(ClearfieldError, match=r"a\.lif holds no images, or only lifetimes"):
        open_series(path)


def test_an_image_whose_pixels_are_not_there(tmp_path):
    image = ("a", "YX", counting(5, 6))
    path = write_lif(tmp_path / "a.lif", image, change=lambda xml: xml.replace("block_a", "b"))
    with pytest.raises(ClearfieldError, match=r"a\.lif is truncated .* pixels of image a are not"):
        open_series(path)


def test_two_unknown_axes(tmp_path):
    pixels = counting(2, 3, 5, 6)
    (series,) = open_series(write_lif(tmp_path / "a.lif", ("a", "?!YX", pixels)))
    assert (series.axes, series.shape) == ("QQYX", pixels.shape)
    planes = [series.read(index) for index in np.ndindex(2, 3)]
    np.testing.assert_array_equal(np.reshape(planes, pixels.shape), pixels)


@pytest.mark.parametrize(
    ("unit", "length", "expected"),
    [("m", 9e-7, 0.1), ("µm", 0.9, 0.1), ("mm", 9e-4, 0.1), ("", 9, None), ("m", 0, None)],
)
def test_length_is_between_the_centres_of_the_outer_pixels(tmp_path, unit, length, expected):
    image = ("a", "YX", counting(10, 10), {"unit": unit, "length": length})
    (series,) = open_series(write_lif(tmp_path / "a.lif", image))
    assert series.pixel_size_um == pytest.approx({"x": expected, "y": expected, "z": None})


def test_twelve_bits_in_sixteen(tmp_path):
    image = ("a", "ZYX", counting(2, 5, 6), {"bits": 12})
    (series,) = open_series(write_lif(tmp_path / "a.lif", image))
    assert (series.dtype, series.saturation_level) == (np.dtype("<u2"), 4095)


@pytest.mark.parametrize("tags", [[1, 2, 3], [3, 2, 1]])
def test_colours(tmp_path, tags):
    pixels = counting(2, 5, 6, 3, dtype="u1")
    image = ("a", "ZYXS", pixels, {"tags": tags})
    (series,) = open_series(write_lif(tmp_path / "a.lif", image))
    assert (series.axes, series.shape, series.offsets) == ("ZYXS", pixels.shape, None)
    for z, sample in np.ndindex(2, 3):
        expected = pixels[z, ..., tags.index(sample + 1)]
        np.testing.assert_array_equal(series.read((z, sample)), expected)


def test_tiles_and_wavelengths_are_axes_of_their_own(tmp_path):
    pixels = counting(3, 2, 4, 5, 6)
    (series,) = open_series(write_lif(tmp_path / "a.lif", ("a", "MEZYX", pixels)))
    assert (series.axes, series.shape) == ("MEZYX", pixels.shape)
    np.testing.assert_array_equal(planes_of(series), pixels)


def test_xzy_scan_is_cut_across_its_planes(tmp_path):
    pixels = counting(4, 2, 5, 6)
    (series,) = open_series(write_lif(tmp_path / "a.lif", ("a", "YCZX", pixels)))
    assert (series.index_axes, series.plane_axes, series.offsets) == ("CZ", "YX", None)
    np.testing.assert_array_equal(planes_of(series), pixels.transpose(1, 2, 0, 3))


def test_truncated(tmp_path):
    path = write_lif(tmp_path / "a.lif", ("a", "ZYX", counting(4, 50, 60)))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ClearfieldError, match=r"a\.lif .*(truncated|cannot be read)"):
        open_series(path)


@pytest.mark.parametrize(("content", "reason"), [(b"", "empty"), (b"text " * 99, "cannot be read")])
def test_not_a_lif(tmp_path, content, reason):
    path = tmp_path / "a.lif"
    path.write_bytes(content)
    with pytest.raises(ClearfieldError, match=rf"a\.lif .*{reason}"):
        open_series(path)
