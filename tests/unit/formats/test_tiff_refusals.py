"""Whole files that are not read, or not all of them: one true sentence each."""

import struct

import numpy as np
import pytest
import tifffile
from clearfield.errors import ClearfieldError
from clearfield.formats.known_formats import open_series
from clearfield.stack.loading import load

RANDOM = np.random.default_rng(22)


def error(path):
    with pytest.raises(ClearfieldError) as caught:
        open_series(str(path))
    said = str(caught.value)
    assert path.name in said
    assert "cut short" not in said
    assert "damaged" not in said
    return said


def write_tags(path, tags, size):
    """Write a TIFF of one page with these tags (code: numbers) and `size` bytes of pixels."""
    end = 8 + 2 + 12 * len(tags) + 4
    for _ in range(2):  # the second time, where the pixels lie is known
        entries, values = b"", b""
        for code, numbers in sorted(tags.items()):
            content = struct.pack(f"<{len(numbers)}I", *numbers)
            if len(content) > 4:
                content, values = struct.pack("<I", end + len(values)), values + content
            entries += struct.pack("<HHI", code, 4, len(numbers)) + content
        tags[273] = [end + len(values)]
    head = struct.pack("<2sHIH", b"II", 42, 8, len(tags))
    path.write_bytes(head + entries + bytes(4) + values + bytes(size))
    return path


def photograph(path, width=32, height=16, **more):
    """Write YCbCr of 2 x 2 pixels for each colour, as TIFF 6.0 has it: 1.5 bytes a pixel."""
    size = width * height * 3 // 2
    tags = {256: [width], 257: [height], 258: [8, 8, 8], 259: [1], 262: [6], 273: [0], 277: [3],
            278: [height or 1], 279: [size], 284: [1], 530: [2, 2]}  # fmt: skip
    return write_tags(path, tags | {int(code[1:]): value for code, value in more.items()}, size)


@pytest.mark.parametrize("colours", [3, 4])
@pytest.mark.parametrize("planes", [1, 3])
@pytest.mark.parametrize("axis", ["channels", "slices"])
def test_plain_colours_of_bio_formats(colours, planes, axis, tmp_path):
    """Its description counts the samples of each pixel as images."""
    images = colours * planes
    rest = {"channels": f"channels={colours}\nslices={planes}", "slices": f"slices={images}"}
    text = f"ImageJ=\nhyperstack=true\nimages={images}\n{rest[axis]}\n"
    alpha = ["unassalpha"] if colours == 4 else None
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        for number in range(planes):
            writer.write(RANDOM.integers(0, 255, (20, 30, colours), "u1"), photometric="rgb",
                         metadata=None, contiguous=False, extrasamples=alpha,
                         description=None if number else text,
                         software="OME Bio-Formats 7.3.1")  # fmt: skip
    said = error(path)
    assert "is a colour image (RGB) whose description counts each colour as an image" in said
    assert "convert the original again, to .ome.tiff" in said


def test_colours_of_imagej_are_named_as_before(tmp_path):
    pixels = RANDOM.integers(0, 255, (3, 20, 30, 3), "u1")
    tifffile.imwrite(tmp_path / "a.tif", pixels, imagej=True, metadata={"axes": "ZYXS"})
    (series,) = open_series(str(tmp_path / "a.tif"))
    assert (series.axes, series.shape) == ("ZYXS", pixels.shape)


def test_a_photograph_with_fewer_colours_than_pixels(tmp_path):
    said = error(photograph(tmp_path / "a.tif"))
    assert "its colours (YCbCr) have a lower resolution" in said
    assert "Fiji" in said


def test_old_style_jpeg(tmp_path):
    said = error(photograph(tmp_path / "a.tif", t259=[6], t513=[8], t514=[20]))
    assert "old-style" in said


@pytest.mark.parametrize(("width", "height"), [(0, 16), (32, 0)])
def test_an_image_without_pixels(width, height, tmp_path):
    said = error(photograph(tmp_path / "a.tif", width, height, t262=[2], t530=[1, 1]))
    assert f"an image of {width} x {height} pixels, which are none" in said


@pytest.mark.parametrize("suffix", ["tif", "ome.tif", "ome", "czi", "nd2", "lif", "oib", "dv"])
def test_a_pointer_of_git_lfs(suffix, tmp_path):
    path = tmp_path / f"a.{suffix}"
    path.write_text(
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{'4d7a' * 16}\nsize 12345\n"
    )
    assert "git lfs pull" in error(path)


def test_a_pointer_of_git_lfs_among_planes(tmp_path):
    (tmp_path / "z0.tif").write_text("version https://git-lfs.github.com/spec/v1\nsize 5\n")
    with pytest.raises(ClearfieldError, match=r"z0\.tif is a pointer of Git LFS.*git lfs pull"):
        open_series(str(tmp_path))


@pytest.mark.parametrize("link", [True, False])
@pytest.mark.parametrize("folder", [True, False])
def test_what_git_annex_did_not_get(folder, link, tmp_path):
    key = f"annex/objects/SHA256E-s12345--{'4d7a' * 16}.tif"
    path = tmp_path / "z0.tif"
    if link:
        path.symlink_to(f"../.git/{key}/{key}")
    else:
        path.write_text(f"/{key}\n")
    with pytest.raises(
        ClearfieldError, match=r"^z0\.tif stands for a file of git-annex .*annex get"
    ):
        open_series(str(tmp_path if folder else path))


def test_pixels_in_ome_xml(tmp_path):
    (tmp_path / "a.ome").write_text(
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
        '<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="2" SizeY="1" SizeZ="1" '
        'SizeC="1" SizeT="1"><BinData BigEndian="false" Length="4">AAA=</BinData></Pixels>'
        "</Image></OME>"
    )
    said = error(tmp_path / "a.ome")
    assert "has its pixels in its XML (BinData)" in said
    assert "bfconvert 'a.ome' 'a.ome.tiff'" in said


def test_a_second_image_of_half_the_size_is_named(tmp_path):
    """By its size alone it is a level of a pyramid."""
    pixels = RANDOM.integers(0, 999, (32, 40), "u2")
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(pixels, metadata=None)
        writer.write(pixels[:16, :20], metadata=None)
    (series,) = open_series(str(tmp_path / "a.tif"))
    assert np.array_equal(series.read(()), pixels)
    (note,) = series.notes
    assert note.startswith("page 1 (counted from 0) of 20 x 16 pixels is taken for a reduced copy")
    found = load(str(tmp_path / "a.tif"), tmp_path / "a.stack", {})
    assert found.source["notes"] == [note]


def test_pyramids_that_say_so_are_not_named(tmp_path):
    pixels = RANDOM.integers(0, 999, (32, 40), "u2")
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(pixels, metadata=None)
        writer.write(pixels[::2, ::2], metadata=None, subfiletype=1)
    with tifffile.TiffWriter(tmp_path / "b.tif") as writer:
        writer.write(pixels, metadata=None, subifds=1)
        writer.write(pixels[::2, ::2], metadata=None)
    for name in ("a.tif", "b.tif"):
        (series,) = open_series(str(tmp_path / name))
        assert (series.shape, series.notes) == ((32, 40), [])


@pytest.mark.parametrize("size", [(32, 40), (16, 20), (7, 9)])
def test_images_attached_to_pages_are_no_planes(size, tmp_path):
    pixels = RANDOM.integers(0, 999, (3, 32, 40), "u2")
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for plane in pixels:
            writer.write(plane, metadata=None, subifds=1, contiguous=False)
            writer.write(np.full(size, 7, "u2"), metadata=None)
    (series,) = open_series(str(tmp_path / "a.tif"))
    assert (series.axes, series.shape) == ("IYX", pixels.shape)
    assert all(np.array_equal(series.read((n,)), plane) for n, plane in enumerate(pixels))


@pytest.mark.parametrize(("order", "said"), [(1, 0), (-1, 0), (7, 1)])
def test_numbers_of_colours_are_no_intensities(order, said, tmp_path):
    """A table that grows, or falls, is a look-up table; one that jumps is a palette."""
    ramp = (np.arange(256)[:: min(order, 1)] * abs(order) % 256).astype("u2") * 257
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((16, 32), "u1"), photometric="palette",
                     colormap=np.stack([ramp] * 3))  # fmt: skip
    (series,) = open_series(str(tmp_path / "a.tif"))
    assert len([note for note in series.notes if "a palette" in note]) == said
