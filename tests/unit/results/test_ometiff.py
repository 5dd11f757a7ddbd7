"""What clearfield writes is an OME-TIFF to everybody: the schema, tifffile, ImageJ."""

import hashlib
import html
import os
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile
from clearfield.errors import ClearfieldError
from clearfield.results import ometiff
from clearfield.results.ometiff import read_ome_tiff, write_ome_tiff

ROOT = Path(__file__).parents[3]
RANDOM = np.random.default_rng(8)
SIZE = {"x": 0.25, "y": 0.125, "z": 0.7}
NAMES = ['DAPI <"&', "GFP é µ", "c"]


def write(path, pixels, rows=7, **keywords):
    """Write T, C, Y, X in blocks of rows."""
    height = pixels.shape[2]
    blocks = (
        (t, c, first, min(first + rows, height), pixels[t, c, first : first + rows])
        for t in range(pixels.shape[0])
        for c in range(pixels.shape[1])
        for first in range(0, height, rows)
    )
    keywords = {
        "pixel_size_um": SIZE, "channel_names": NAMES[: pixels.shape[1]],
        "provenance": {"source": {"name": "ä.tif"}, "b": [1, None]},
    } | keywords  # fmt: skip
    write_ome_tiff(path, blocks, shape=pixels.shape, dtype=pixels.dtype, **keywords)
    return path


@pytest.fixture(params=[False, True], ids=["strips", "tiles"])
def tiled(request, monkeypatch):
    if request.param:
        monkeypatch.setattr(ometiff, "_TILED_FROM", 1)
    return request.param


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"])
def test_pixels_and_meaning_come_back(dtype, tiled, tmp_path):
    pixels = RANDOM.integers(0, 120, (2, 3, 41, 600)).astype(dtype)
    image = read_ome_tiff(write(tmp_path / "a.ome.tif", pixels))
    assert (image.shape, image.dtype) == (pixels.shape, pixels.dtype)
    assert image.pixel_size_um == SIZE
    assert image.channel_names == NAMES
    assert image.provenance == {"source": {"name": "ä.tif"}, "b": [1, None]}
    for t, c in np.ndindex(2, 3):
        assert np.array_equal(image.plane(t, c)[:], pixels[t, c])
        assert np.array_equal(image.plane(t, c)[3:40], pixels[t, c, 3:40])


def test_tifffile_reads_it(tiled, tmp_path):
    pixels = RANDOM.integers(0, 60000, (2, 3, 41, 600), dtype="u2")
    with tifffile.TiffFile(write(tmp_path / "a.ome.tif", pixels)) as tif:
        assert tif.series[0].kind == "ome"
        assert tif.series[0].axes == "TCYX"
        assert np.array_equal(tif.asarray(), pixels)
        assert tif.is_bigtiff == tif.pages[0].is_tiled == tiled
        assert tif.pages[0].get_resolution("micrometer") == (4, 8)
        assert len(tif.pages) == 6


def test_the_schema_holds(tiled, tmp_path):
    ome_types = pytest.importorskip("ome_types")
    pytest.importorskip("xmlschema")
    pixels = RANDOM.normal(size=(2, 3, 41, 60)).astype("f4")
    path = write(tmp_path / "a.ome.tif", pixels)
    ome = ome_types.from_tiff(path, validate=True)
    found = ome.images[0].pixels
    assert [channel.name for channel in found.channels] == NAMES
    assert (found.size_t, found.size_c, found.size_z, found.size_y, found.size_x) == (
        2,
        3,
        1,
        41,
        60,
    )
    sizes = found.physical_size_x, found.physical_size_y, found.physical_size_z
    assert sizes == (0.25, 0.125, 0.7)
    assert found.physical_size_x_unit.value == "µm"


def test_an_unknown_size_stays_unknown(tmp_path):
    pixels = np.zeros((1, 1, 9, 9), "u1")
    path = write(tmp_path / "a.ome.tif", pixels, pixel_size_um=dict.fromkeys("xyz"))
    assert read_ome_tiff(path).pixel_size_um == dict.fromkeys("xyz")
    with tifffile.TiffFile(path) as tif:
        assert "PhysicalSize" not in tif.ome_metadata
        assert tif.pages[0].resolutionunit == tifffile.RESUNIT.NONE


@pytest.mark.parametrize("size", [1e-12, 1e15])
def test_a_size_beyond_the_tags_of_tiff_stands_in_the_xml(size, tmp_path):
    sizes = {"x": size, "y": 0.5, "z": None}
    path = write(tmp_path / "a.ome.tif", np.zeros((1, 1, 9, 9), "u1"), pixel_size_um=sizes)
    assert read_ome_tiff(path).pixel_size_um == sizes
    with tifffile.TiffFile(path) as tif:
        assert f'PhysicalSizeX="{size}"' in tif.ome_metadata
        assert tif.pages[0].resolutionunit == tifffile.RESUNIT.NONE


def test_names_that_xml_cannot_hold_come_back(tmp_path):
    names = ["a\0{b}\ud800]]>", "\uffff"]
    pixels = np.zeros((1, 2, 9, 9), "u1")
    path = write(tmp_path / "a.ome.tif", pixels, channel_names=names, provenance={"a": names})
    image = read_ome_tiff(path)
    assert image.channel_names == image.provenance["a"] == names
    with tifffile.TiffFile(path) as tif:
        assert 'Name="a\ufffd{b}\ufffd]]>"' in html.unescape(tif.ome_metadata)


def test_a_stack_with_z(tmp_path):
    pixels = RANDOM.integers(0, 99, (2, 1, 3, 8, 9), dtype="u2")
    blocks = ((t, c, z, 0, 8, pixels[t, c, z]) for t, c, z in np.ndindex(2, 1, 3))
    write_ome_tiff(tmp_path / "a.ome.tif", blocks, shape=pixels.shape, dtype="u2",
                   pixel_size_um=SIZE, channel_names=["a"], provenance={})  # fmt: skip
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tif:
        assert tif.series[0].axes == "TZYX"
        assert np.array_equal(tif.asarray(), pixels[:, 0])


def test_the_bytes_depend_on_the_content_alone(tiled, tmp_path):
    pixels = RANDOM.integers(0, 99, (1, 2, 600, 70), dtype="u2")
    files = [
        write(tmp_path / f"{rows}.tif", pixels, rows=rows).read_bytes() for rows in (7, 600, 99)
    ]
    assert len({hashlib.sha256(data).digest() for data in files}) == 1
    pixels[0, 0, 0, 0] += 1
    other = write(tmp_path / "b.tif", pixels)
    with tifffile.TiffFile(other) as one, tifffile.TiffFile(tmp_path / "7.tif") as two:
        uuids = [tif.ome_metadata.split('UUID="')[1][:45] for tif in (one, two)]
    assert uuids[0] != uuids[1]
    assert all(uuid.startswith("urn:uuid:") for uuid in uuids)


@pytest.mark.parametrize(
    "shape", [(1, 1, 1, 1), (1, 1, 512, 512), (1, 1, 513, 1024), (3, 1, 5, 511)]
)
def test_edges_of_tiles(shape, tiled, tmp_path):
    pixels = RANDOM.integers(0, 250, shape, dtype="u1")
    path = write(tmp_path / "a.ome.tif", pixels, rows=100)
    assert np.array_equal(tifffile.imread(path).reshape(shape), pixels)
    image = read_ome_tiff(path)
    assert np.array_equal(image.plane(shape[0] - 1, 0)[:], pixels[-1, 0])


def test_an_image_has_the_name_of_its_sample(tmp_path):
    pixels = RANDOM.integers(0, 60000, (1, 1, 4, 5), dtype="u2")
    for name, expected in (("well <1> ü", "well <1> ü"), ("a\0b", "a\ufffdb"), ("", "Image0")):
        write_ome_tiff(
            tmp_path / "a.ome.tif", [(0, 0, 0, 4, pixels[0, 0])], shape=pixels.shape, dtype="u2",
            pixel_size_um={}, channel_names=["c"], provenance={}, name=name,
        )  # fmt: skip
        with tifffile.TiffFile(tmp_path / "a.ome.tif") as file:
            root = ElementTree.fromstring(file.ome_metadata)
        assert root.find("{*}Image").get("Name") == expected


def test_a_strip_in_pieces_has_the_same_bytes(tmp_path, monkeypatch):
    pixels = RANDOM.integers(0, 60000, (1, 2, 41, 60), dtype="u2")
    whole = write(tmp_path / "a.ome.tif", pixels, 41).read_bytes()
    for piece in (1, 1000):  # less than a row; 8 rows
        monkeypatch.setattr(ometiff, "_PIECE_BYTES", piece)
        assert write(tmp_path / "b.ome.tif", pixels, 41).read_bytes() == whole


def test_a_failure_leaves_nothing(tmp_path):
    def blocks():
        yield 0, 0, 0, 4, np.zeros((4, 9), "u1")
        raise ClearfieldError("no more")

    with pytest.raises(ClearfieldError, match="no more"):
        write_ome_tiff(tmp_path / "a.ome.tif", blocks(), shape=(1, 1, 8, 9), dtype="u1",
                       pixel_size_um=SIZE, channel_names=["a"], provenance={})  # fmt: skip
    with pytest.raises(ValueError, match="do not make up"):
        write_ome_tiff(tmp_path / "a.ome.tif", [], shape=(1, 1, 8, 9), dtype="u1",
                       pixel_size_um=SIZE, channel_names=["a"], provenance={})  # fmt: skip
    with pytest.raises(ClearfieldError, match="no pixels of type int64"):
        write(tmp_path / "a.ome.tif", np.zeros((1, 1, 8, 9), "i8"))
    assert not list(tmp_path.iterdir())


def test_another_file_is_one_sentence(tiled, tmp_path):
    path = write(tmp_path / "a.ome.tif", np.zeros((1, 1, 40, 40), "u2"))
    data = path.read_bytes()
    for content in (b"", data[:5], data[: len(data) // 2], data.replace(b"<Value>", b"<Walue>")):
        path.write_bytes(content)
        with pytest.raises(ClearfieldError, match="no complete OME-TIFF of clearfield"):
            read_ome_tiff(path)
    tifffile.imwrite(path, np.zeros((9, 9), "u1"))
    with pytest.raises(ClearfieldError, match="no complete OME-TIFF of clearfield"):
        read_ome_tiff(path)


def test_a_plane_that_is_cut_while_it_is_read_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("clearfield.results.ometiff._TILED_FROM", 1)
    path = write(tmp_path / "a.ome.tif", np.zeros((1, 1, 1100, 40), "u2"))
    plane = read_ome_tiff(path).plane(0, 0)
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(ClearfieldError, match="no complete OME-TIFF of clearfield"):
        plane[0:1100]


def test_a_description_of_any_length_is_found(tmp_path):
    names = [f"channel {number} {'x' * 200}" for number in range(2000)]
    path = tmp_path / "a.ome.tif"
    write_ome_tiff(
        path, ((0, channel, 0, 1, np.full((1, 1), channel)) for channel in range(2000)),
        shape=(1, 2000, 1, 1), dtype="u2", pixel_size_um=SIZE, channel_names=names,
        provenance={},
    )  # fmt: skip
    read = read_ome_tiff(path)
    assert path.stat().st_size > 1 << 20
    assert read.channel_names == names
    assert read.plane(0, 1999)[0, 0] == 1999


MACRO = """
open("{path}");
getVoxelSize(w, h, d, unit);
getDimensions(width, height, channels, slices, frames);
print("DIMENSIONS", channels, slices, frames);
print("RESULT", nSlices, getWidth(), getHeight(), bitDepth(), d2s(w, 6), d2s(h, 6), unit);
for (i = 1; i <= nSlices; i++) {{ setSlice(i); print("PIXEL", getPixel(3, 2), getPixel(59, 40)); }}
run("Quit");
"""


@pytest.mark.second_tier
@pytest.mark.skipif(not (shutil.which("imagej") and shutil.which("xvfb-run")),
                    reason="needs imagej and xvfb (Debian packages of these names)")  # fmt: skip
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_plain_imagej_reads_it(dtype, tmp_path):
    pixels = RANDOM.integers(0, 250, (1, 3, 41, 60)).astype(dtype)
    path = write(tmp_path / "a.ome.tif", pixels)
    (tmp_path / "a.ijm").write_text(MACRO.format(path=path))
    done = subprocess.run(
        ["xvfb-run", "-a", "imagej", "-b", tmp_path / "a.ijm"],
        text=True, capture_output=True, timeout=120,
    )  # fmt: skip
    lines = [line.split() for line in done.stdout.splitlines()]
    result = next(line for line in lines if line[:1] == ["RESULT"])
    # Without Bio-Formats, ImageJ takes channels for slices: the README says so.
    assert ["DIMENSIONS", "1", "3", "1"] in lines
    assert "shows channels and times as slices" in (ROOT / "README.md").read_text("utf-8")
    bits = str(8 * pixels.dtype.itemsize)
    assert result[1:5] == ["3", "60", "41", bits]
    factor = {"cm": 1e4, "um": 1, "µm": 1, "micron": 1, "microns": 1}[result[7]]
    found = [float(number) * factor for number in result[5:7]]
    assert found == pytest.approx([0.25, 0.125], rel=0.02)  # printed to 6 decimals of a cm
    values = [[float(v) for v in line[1:]] for line in lines if line[:1] == ["PIXEL"]]
    assert values == [[plane[2, 3], plane[40, 59]] for plane in pixels[0]]


@pytest.mark.parametrize("tiled_from", [1, 1 << 40])
def test_the_maker_of_the_blocks_comes_to_its_end(tiled_from, tmp_path, monkeypatch):
    """What stands behind its last block counts clipped pixels and checks the raw file."""
    monkeypatch.setattr("clearfield.results.ometiff._TILED_FROM", tiled_from)
    ended = []

    def blocks():
        yield 0, 0, 0, 3, np.ones((3, 1100), "u1")
        ended.append(True)

    write_ome_tiff(
        tmp_path / "a.ome.tif", blocks(), shape=(1, 1, 3, 1100), dtype="u1",
        pixel_size_um={}, channel_names=["a"], provenance={},
    )  # fmt: skip
    assert ended == [True]
