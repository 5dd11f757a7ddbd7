"""TIFFs of every layout are read as they are; damaged ones end in one clear sentence."""

import json
import logging
import struct
import warnings

import numpy as np
import pytest
import tifffile
from clearfield.errors import ClearfieldError
from clearfield.micrometres import micrometres
from clearfield.reading import load, open_series
from clearfield.stack import read_stack

RANDOM = np.random.default_rng(7)


def write(path, pixels, **keywords):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tifffile.imwrite(path, pixels, **({"photometric": "minisblack"} | keywords))
    return path


def read(path, threads=2, **settings):
    """Load a file; give its description and its pixels, T, C, Z, Y, X."""
    target = path.parent / "a.stack"
    load(str(path), target, settings, threads=threads)
    stack = read_stack(target)
    planes = stack.open(target)
    pixels = np.stack([planes[index] for index in np.ndindex(stack.shape[:3])])
    return stack, pixels.reshape(stack.shape)


def error(path, **settings):
    """Load a file that cannot be; give the sentence, having checked that nothing else was said."""
    seen = []
    handler = logging.Handler()
    handler.emit = seen.append
    logging.getLogger().addHandler(handler)
    try:
        with pytest.raises(ClearfieldError) as caught:
            read(path, **settings)
    finally:
        logging.getLogger().removeHandler(handler)
    assert not seen
    text = str(caught.value)
    assert path.name in text and "\n" not in text and str(path.parent) not in text
    assert not list(path.parent.glob("*.stack"))
    return text


# Layouts


@pytest.mark.parametrize("byteorder", "<>")
@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"])
def test_an_uncompressed_stack_is_used_in_place(dtype, bigtiff, byteorder, tmp_path):
    pixels = RANDOM.integers(0, 255, (4, 3, 20, 30)).astype(dtype)
    path = write(tmp_path / "a.tif", pixels, bigtiff=bigtiff, byteorder=byteorder,
                 metadata={"axes": "ZCYX"})  # fmt: skip
    stack, found = read(path)
    assert stack.files == [str(path)]
    assert np.array_equal(found[0], pixels.transpose(1, 0, 2, 3))


LAYOUTS = {
    "tiles": {"tile": (16, 32)},
    "strips": {"rowsperstrip": 7},
    "zlib": {"compression": "zlib"},
    "zlib strips, predictor": {"compression": "zlib", "rowsperstrip": 5, "predictor": True},
    "lzw": {"compression": "lzw"},
    "zstd tiles": {"compression": "zstd", "tile": (32, 16)},
    "lzma": {"compression": "lzma"},
    "packbits": {"compression": "packbits"},
    "jpeg2000": {"compression": "jpeg2000", "tile": (64, 64)},
    "png": {"compression": "png"},
    "jpegxl": {"compression": "jpegxl", "compressionargs": {"level": 101}},
    "webp": None,
    "pyramid": {"subifds": 1, "tile": (16, 16), "compression": "zlib"},
}


@pytest.mark.parametrize("ome", [False, True])
@pytest.mark.parametrize("byteorder", "<>")
@pytest.mark.parametrize("layout", [name for name, keywords in LAYOUTS.items() if keywords])
def test_layouts_and_codecs(layout, byteorder, ome, tmp_path):
    if byteorder == ">" and layout in ("jpeg2000", "png", "jpegxl"):
        pytest.skip("tifffile does not write this codec's images in that byte order")
    keywords = dict(LAYOUTS[layout])
    pixels = RANDOM.integers(0, 4096, (3, 2, 50, 70), dtype="u2")
    path = tmp_path / ("a.ome.tif" if ome else "a.tif")
    levels = keywords.get("subifds", 0)
    with tifffile.TiffWriter(path, byteorder=byteorder, ome=ome) as writer:
        common = {"photometric": "minisblack", **keywords}
        writer.write(pixels, metadata={"axes": "ZCYX"}, **common)
        if levels:
            common.pop("subifds")
            writer.write(pixels[..., ::2, ::2], subfiletype=1, **common)
    stack, found = read(path)
    assert np.array_equal(found[0], pixels.transpose(1, 0, 2, 3))
    assert (stack.files == [""]) == (layout != "strips")


def test_threads_do_not_show(tmp_path):
    pixels = RANDOM.integers(0, 4096, (5, 300, 200), dtype="u2")
    path = write(tmp_path / "a.tif", pixels, compression="zlib", rowsperstrip=3,
                 metadata={"axes": "ZYX"})  # fmt: skip
    for threads in (1, 3):
        assert np.array_equal(read(path, threads)[1][0, 0], pixels)
        written = (tmp_path / "a.stack").read_bytes()
    read(path, 2)
    assert (tmp_path / "a.stack").read_bytes() == written


@pytest.mark.parametrize("order", ["TZCYX", "CTZYX", "ZTCYX"])
def test_ome_orders(order, tmp_path):
    sizes = {"T": 2, "C": 3, "Z": 4, "Y": 5, "X": 6}
    pixels = RANDOM.integers(0, 99, [sizes[a] for a in order], dtype="u1")
    path = write(tmp_path / "a.ome.tif", pixels, metadata={"axes": order})
    assert np.array_equal(read(path)[1], pixels.transpose([order.index(a) for a in "TCZYX"]))


@pytest.mark.parametrize("keywords", [{}, {"planarconfig": "separate"}, {"compression": "zlib"}])
def test_rgb_is_refused_or_taken_as_channels(keywords, tmp_path):
    pixels = RANDOM.integers(0, 255, (20, 30, 3), dtype="u1")
    separate = keywords.get("planarconfig") == "separate"
    path = write(tmp_path / "a.tif", pixels.transpose(2, 0, 1) if separate else pixels,
                 photometric="rgb", **keywords)  # fmt: skip
    axes = "CYX" if separate else "YXC"
    assert f'load_stack.axes: "{axes}"' in error(path)
    stack, found = read(path, axes=axes)
    assert stack.shape == (1, 3, 1, 20, 30)
    assert np.array_equal(found[0, :, 0], pixels.transpose(2, 0, 1))


def test_twelve_bits_packed(tmp_path):
    pixels = RANDOM.integers(0, 4096, (20, 30), dtype="u2")
    a, b = pixels[:, ::2], pixels[:, 1::2]
    packed = np.stack([a >> 4, (a & 15) << 4 | b >> 8, b & 255], axis=-1).reshape(20, 45)
    path = write(tmp_path / "a.tif", packed.astype("u1"), rowsperstrip=20)
    with tifffile.TiffFile(path, mode="r+b") as tif:
        tif.pages.first.tags[256].overwrite(30)
        tif.pages.first.tags[258].overwrite(12)
    stack, found = read(path)
    assert stack.dtype == "<u2"
    assert np.array_equal(found[0, 0, 0], pixels)


def test_truth_values_and_half_floats(tmp_path):
    mask = RANDOM.integers(0, 2, (3, 20, 31)).astype(bool)
    stack, found = read(write(tmp_path / "a.tif", mask, metadata={"axes": "ZYX"}))
    assert stack.dtype == "|u1"
    assert np.array_equal(found[0, 0], mask.astype("u1"))
    half = RANDOM.normal(size=(3, 20, 30)).astype("f2")
    stack, found = read(write(tmp_path / "a.tif", half, metadata={"axes": "ZYX"}))
    assert np.array_equal(found[0, 0], half.astype("f4"))


@pytest.mark.parametrize("dtype", ["c8", "c16", "i8", "u8"])
def test_other_dtypes_are_refused(dtype, tmp_path):
    path = write(tmp_path / "a.tif", np.zeros((3, 20, 30), dtype), metadata={"axes": "ZYX"})
    assert "convert it first" in error(path)


def test_several_series(tmp_path):
    path = tmp_path / "a.ome.tif"
    first, second = np.zeros((3, 8, 8), "u1"), np.ones((2, 9, 9), "u2")
    with tifffile.TiffWriter(path, ome=True) as writer:
        writer.write(first, metadata={"axes": "ZYX", "PhysicalSizeX": 1, "PhysicalSizeY": 1})
        writer.write(second, metadata={"axes": "CYX", "PhysicalSizeX": 2, "PhysicalSizeY": 2})
    assert np.array_equal(read(path)[1][0, 0], first)
    stack, found = read(path, series=1)
    assert np.array_equal(found[0, :, 0], second)
    assert stack.pixel_size_um["x"] == 2
    (tmp_path / "a.stack").unlink()
    assert "has 2 series, 0 to 1; load_stack.series is 2" in error(path, series=2)


def test_an_ome_tiff_of_several_files(tmp_path):
    names = ["a0.ome.tif", "a1.ome.tif"]
    template = tifffile.OmeXml()
    template.addimage("uint16", (2, 8, 9), (2, 1, 1, 8, 9, 1), axes="ZYX")
    data = "".join(
        f'<TiffData FirstZ="{z}" IFD="0" PlaneCount="1"><UUID FileName="{name}">'
        f"urn:uuid:0000000{z}-0000-4000-8000-000000000000</UUID></TiffData>"
        for z, name in enumerate(names)
    )
    xml = template.tostring()
    start = xml.index("<TiffData")
    stop = xml.index("</Pixels>")
    xml = xml[:start] + data + xml[stop:]
    for z, name in enumerate(names):
        own = f'UUID="urn:uuid:0000000{z}-0000-4000-8000-000000000000" Creator'
        text = own.join(xml.split('UUID="', 1)[0:1]) if False else xml
        text = text[: text.index('UUID="')] + own + text[text.index(" Creator") + len(" Creator") :]
        write(tmp_path / name, np.full((8, 9), 7 + z, "u2"), description=text, metadata=None)
    stack, found = read(tmp_path / names[0])
    assert found[0, 0, :, 0, 0].tolist() == [7, 8]
    assert stack.files == [str(tmp_path / name) for name in names]
    (tmp_path / names[1]).unlink()
    (tmp_path / "a.stack").unlink()
    assert "a1.ome.tif is not beside it" in error(tmp_path / names[0])


def write_stk(path, pixels, wavelengths):
    """Write planes as MetaMorph does: one page, and tags with values for each plane."""
    planes, height, width = pixels.shape
    data = bytearray(8) + pixels.tobytes()

    def put(*numbers):
        start = len(data)
        data.extend(struct.pack(f"<{len(numbers)}I", *numbers))
        return start

    size = put(1, 4)
    unit = put(3, *struct.unpack("<I", b"um\0\0"))
    scale = put(4, size, 5, size, 6, unit)
    steps = put(*(1500, 1000, 0, 0, 0, 0) * planes)
    waves = put(*(number for wavelength in wavelengths for number in (wavelength, 1)))
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 4, 1, 16), (259, 4, 1, 1),
            (262, 4, 1, 1), (273, 4, 1, 8), (277, 4, 1, 1), (278, 4, 1, height),
            (279, 4, 1, 2 * height * width), (33628, 4, 3, scale), (33629, 5, planes, steps),
            (33630, 5, planes, waves)]  # fmt: skip
    struct.pack_into("<2sHI", data, 0, b"II", 42, len(data))
    data += struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
    path.write_bytes(data + bytes(4))
    return path


def test_wavelengths_of_metamorph_are_no_slices(tmp_path):
    pixels = RANDOM.integers(0, 4096, (4, 8, 10), dtype="u2")
    stack, found = read(write_stk(tmp_path / "a.stk", pixels, [488] * 4))
    assert np.array_equal(found[0, 0], pixels)
    assert stack.pixel_size_um == {"x": 0.25, "y": 0.25, "z": 1.5}
    (tmp_path / "a.stack").unlink()
    path = write_stk(tmp_path / "a.stk", pixels, [405, 488] * 2)
    assert "does not say what Q stands for" in error(path)


def test_micrometres_of_a_slide_scanner(tmp_path):
    path = write(tmp_path / "a.svs", np.zeros((32, 48, 3), "u1"), photometric="rgb",
                 tile=(16, 16), metadata=None,
                 description="Aperio Image Library v1\n48x32 |AppMag = 20|MPP = 0.499")  # fmt: skip
    stack, _ = read(path, axes="YXC")
    assert stack.pixel_size_um == {"x": 0.499, "y": 0.499, "z": None}


def write_ndtiff(folder, pixels):
    """Write P, C, Z, Y, X as Micro-Manager's NDTiff: headers, planes, one page, an index."""
    height, width = pixels.shape[-2:]
    summary = b'{"z-step_um": 1.5, "PixelSize_um": 0.2}'
    data = bytearray(struct.pack("<2sHIIIII", b"II", 42, 0, 483729, 3, 0, 2355492))
    data += struct.pack("<I", len(summary)) + summary
    index = b""
    for position, channel, z in np.ndindex(pixels.shape[:3]):
        axes = {"z": z, "channel": ["GFP", "DAPI"][channel], "position": position}
        name, text = b"a.tif", json.dumps(axes).encode()
        index += struct.pack("<I", len(text)) + text + struct.pack("<I", len(name)) + name
        index += struct.pack("<8I", len(data), width, height, 1, 0, 0, 0, 0)
        data += pixels[position, channel, z].tobytes()
    start, note = len(data) - pixels.nbytes, len(data)
    data += b"{} \0\0"
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 4, 1, 16), (259, 4, 1, 1),
            (262, 4, 1, 1), (273, 4, 1, start), (277, 4, 1, 1), (278, 4, 1, height),
            (279, 4, 1, 2 * height * width), (51123, 2, 5, note)]  # fmt: skip
    struct.pack_into("<I", data, 4, len(data))
    data += struct.pack("<H", len(tags))
    data += b"".join(struct.pack("<HHII", *tag) for tag in tags)
    (folder / "a.tif").write_bytes(data + bytes(4))
    (folder / "NDTiff.index").write_bytes(index)
    return folder / "a.tif"


def test_ndtiff(tmp_path):
    pixels = RANDOM.integers(0, 4096, (2, 2, 3, 8, 9), dtype="u2")
    path = write_ndtiff(tmp_path, pixels)
    for position in (0, 1):
        stack, found = read(path, series=position)
        assert np.array_equal(found[0], pixels[position])
        assert stack.channel_names == ["GFP", "DAPI"]
        assert stack.pixel_size_um == {"x": 0.2, "y": 0.2, "z": 1.5}
    assert [series.name for series in open_series(str(tmp_path))] == ["position 0", "position 1"]
    (tmp_path / "a.stack").unlink()
    index = (tmp_path / "NDTiff.index").read_bytes()
    (tmp_path / "NDTiff.index").write_bytes(index[: len(index) // 2 + 30])  # one position is whole
    assert "NDTiff.index" in error(path)
    (tmp_path / "NDTiff.index").write_bytes(index.replace(b'"z": 2', b'"z":99'))
    assert "numbers 400 planes, more than there are" in error(path)


def test_positions_of_micro_manager_are_series(tmp_path, monkeypatch):
    pixels = RANDOM.integers(0, 4096, (3, 2, 20, 30), dtype="u2")
    path = write(tmp_path / "a.tif", pixels, metadata={"axes": "ZPYX"}, compression="zlib")
    monkeypatch.setattr("clearfield.tiff._OF_POSITIONS", {"shaped"})
    for position in (0, 1):
        _, found = read(path, series=position)
        assert np.array_equal(found[0, 0], pixels[:, position])


# Meaning


@pytest.mark.parametrize(
    ("size", "unit", "um"),
    [(0.5, "um", 0.5), (0.5, "µm", 0.5), (0.5, "μm", 0.5), (0.5, "micron", 0.5),
     (0.5, "\\u00B5m", 0.5), (0.5, "\\u00b5m", 0.5), (0.5, "microns", 0.5), (250, "nm", 0.25),
     (0.002, "mm", 2), (1e-4, "cm", 1), (1e-6, "m", 1), (2500, "Å", 0.25), (0.5, "pixel", None),
     (0.5, None, None), (0.5, "", None), (0.5, "sec", None), (0, "um", None), (-0.5, "um", 0.5),
     ("x", "um", None), (float("nan"), "um", None), (float("inf"), "um", None)],
)  # fmt: skip
def test_lengths_in_micrometres(size, unit, um):
    assert micrometres(size, unit) == (um if um is None else pytest.approx(um, rel=1e-12))


@pytest.mark.parametrize(
    ("keywords", "expected"),
    [
        ({"resolution": (4, 5), "metadata": {"unit": "um", "spacing": 0.7, "axes": "ZYX"}},
         (0.25, 0.2, 0.7)),
        ({"resolution": (4, 4), "metadata": {"unit": "\\u00B5m", "axes": "ZYX"}},
         (0.25, 0.25, None)),
        ({"resolution": (0.004, 0.004), "metadata": {"unit": "nm", "spacing": 500, "axes": "ZYX"}},
         (0.25, 0.25, 0.5)),
        ({"resolution": (4, 4), "metadata": {"unit": "pixel", "spacing": 2, "axes": "ZYX"}},
         (None, None, None)),
        ({"resolution": (4, 4), "metadata": {"axes": "ZYX"}}, (None, None, None)),
        ({"resolution": (4, 4), "metadata": {"unit": "\\u00C2\\u00B5m", "axes": "ZYX"}},
         (0.25, 0.25, None)),
        ({"resolution": (40000, 40000), "resolutionunit": "centimeter",
          "metadata": {"axes": "ZYX"}}, (0.25, 0.25, None)),
        ({"resolution": (1, 1), "metadata": {"axes": "ZYX", "spacing": 1}}, (None, None, None)),
        ({"resolution": (300, 300), "metadata": {"unit": "inch", "spacing": 1, "axes": "ZYX"}},
         (None, None, None)),
        ({"resolution": (40000, 40000), "metadata": {"unit": "cm", "spacing": 5e-5, "axes": "ZYX"}},
         (0.25, 0.25, 0.5)),
    ],
)  # fmt: skip
def test_calibration_of_imagej(keywords, expected, tmp_path):
    path = write(tmp_path / "a.tif", np.zeros((3, 8, 9), "u2"), imagej=True, **keywords)
    found = read(path)[0].pixel_size_um
    assert tuple(found.values()) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("resolution", "unit", "expected"),
    [(72, "inch", None), (300, "inch", None), (118, "centimeter", None), (1, "none", None),
     (40_000, "centimeter", 0.25), (101_600, "inch", 0.25)],
)  # fmt: skip
def test_a_print_resolution_is_no_calibration(resolution, unit, expected, tmp_path):
    path = write(tmp_path / "a.tif", np.zeros((8, 9), "u2"), metadata=None,
                 resolution=(resolution, resolution), resolutionunit=unit)  # fmt: skip
    assert read(path)[0].pixel_size_um == {
        "x": pytest.approx(expected), "y": pytest.approx(expected), "z": None
    }  # fmt: skip


def test_metadata_of_ome(tmp_path):
    metadata = {
        "axes": "CYX", "PhysicalSizeX": 250, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 0.5,
        "PhysicalSizeZ": 1e-3, "PhysicalSizeZUnit": "mm", "SignificantBits": 12,
        "Channel": {"Name": ["DAPI", "GFP é"]},
    }  # fmt: skip
    stack, _ = read(write(tmp_path / "a.ome.tif", np.zeros((2, 8, 9), "u2"), metadata=metadata))
    assert stack.pixel_size_um == {"x": 0.25, "y": 0.5, "z": 1.0}
    assert stack.channel_names == ["DAPI", "GFP é"]
    assert stack.saturation_level == 4095


def test_what_the_user_says_goes_first(tmp_path):
    path = write(tmp_path / "a.ome.tif", np.zeros((2, 8, 9), "u2"),
                 metadata={"axes": "CYX", "PhysicalSizeX": 9, "PhysicalSizeZ": 8})  # fmt: skip
    stack, _ = read(path, pixel_size_um=0.5, channel_names=["a", "b"])
    assert stack.pixel_size_um == {"x": 0.5, "y": 0.5, "z": 8.0}
    assert stack.channel_names == ["a", "b"]
    (tmp_path / "a.stack").unlink()
    assert "has 2 channels" in error(path, channel_names=["a"])


def test_labels_of_imagej_name_channels(tmp_path):
    pixels = np.zeros((2, 2, 8, 9), "u2")
    labels = {"axes": "ZCYX", "Labels": ["DAPI", "GFP", "DAPI", "GFP"]}
    stack, _ = read(write(tmp_path / "a.tif", pixels, imagej=True, metadata=labels))
    assert stack.channel_names == ["DAPI", "GFP"]
    labels["Labels"] = ["a", "b", "c", "d"]
    stack, _ = read(write(tmp_path / "a.tif", pixels, imagej=True, metadata=labels))
    assert stack.channel_names == ["channel 0", "channel 1"]


# Damage


def test_empty_text_and_unknown_files(tmp_path):
    path = tmp_path / "a.tif"
    path.write_bytes(b"")
    assert error(path) == "a.tif is empty (0 bytes)"
    path.write_text("sample\tpath\n1\t2\n")
    assert "a.tif is no TIFF file" in error(path)
    for content in (b"II", b"II*\0", b"MM\0*\0\0\0\x08", b"II+\0\x08\0\0\0" + b"\xff" * 8):
        path.write_bytes(content)
        error(path)


def cut(path, share):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95, 0.999])
@pytest.mark.parametrize(
    "keywords",
    [{"imagej": True}, {}, {"ome": True}, {"compression": "zlib"}, {"tile": (16, 16)},
     {"rowsperstrip": 3}, {"bigtiff": True}],
)  # fmt: skip
def test_a_file_that_was_cut_short(keywords, share, tmp_path):
    pixels = RANDOM.integers(0, 4096, (6, 40, 50), dtype="u2")
    path = write(tmp_path / "a.tif", pixels, metadata={"axes": "ZYX"}, **keywords)
    try:  # what was cut off may have been the name of the program that wrote the file
        assert np.array_equal(read(cut(path, share))[1][0, 0], pixels)
        return
    except ClearfieldError:
        text = error(path)
    assert "cut short" in text or "damaged" in text or "no TIFF" in text


def move_last_plane(path):
    """Put the pixels of the last page at the end of the file, as a rewritten file may have them."""
    with tifffile.TiffFile(path) as tif:
        page = tif.pages[-1]
        start, size = page.dataoffsets[0], page.nbytes
        where = page.tags[273].valueoffset
        order = tif.byteorder
    data = bytearray(path.read_bytes())
    data[where : where + 4] = struct.pack(order + "I", len(data))
    data += data[start : start + size]
    data[start : start + size] = bytes(size)
    path.write_bytes(data)


@pytest.mark.parametrize("planes", [2, 4])
def test_planes_of_imagej_that_do_not_follow_one_another(planes, tmp_path):
    pixels = RANDOM.integers(0, 4096, (planes, 20, 30), dtype="u2")
    path = write(tmp_path / "a.tif", pixels, imagej=True, metadata={"axes": "ZYX"})
    move_last_plane(path)
    stack, found = read(path)
    assert stack.files == [str(path)]
    assert np.array_equal(found[0, 0], pixels)


def test_fewer_planes_in_imagejs_description_than_pages(tmp_path):
    path = write(tmp_path / "a.tif", np.zeros((3, 20, 30), "u2"), imagej=True,
                 metadata={"axes": "ZYX"})  # fmt: skip
    path.write_bytes(path.read_bytes().replace(b"slices=3", b"slices=2"))
    assert "2 planes and the file 3 pages" in error(path)


def test_an_imagej_stack_with_a_single_directory_that_was_cut(tmp_path):
    """ImageJ's files above 4 GB have one directory; tifffile takes a cut one for one plane."""
    path = write(tmp_path / "a.tif", np.zeros((6, 40, 50), "u2"), imagej=True,
                 metadata={"axes": "ZYX"})  # fmt: skip
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        at = tif.pages[0].offset
        offset = tif.pages[0].dataoffsets[0]
        order = tif.byteorder
    count = struct.unpack_from(f"{order}H", data, at)[0]
    struct.pack_into(f"{order}I", data, at + 2 + 12 * count, 0)  # no further directory
    path.write_bytes(data[: offset + 6 * 4000])
    assert read(path)[0].shape == (1, 1, 6, 40, 50)
    (tmp_path / "a.stack").unlink()
    path.write_bytes(data[: offset + 4 * 4000])
    assert "a.tif is cut short: ImageJ wrote 6 planes of 4000 bytes" in error(path)


@pytest.mark.parametrize("pages", [1, 2, 150])
def test_directories_in_a_circle(pages, tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        for _ in range(pages):
            writer.write(np.zeros((4, 4), "u1"), metadata=None, contiguous=False)
    with tifffile.TiffFile(path) as tif:
        offsets = [page.offset for page in tif.pages]
    data = bytearray(path.read_bytes())
    at = offsets[-1]
    struct.pack_into("<I", data, at + 2 + 12 * struct.unpack_from("<H", data, at)[0], offsets[0])
    path.write_bytes(data)
    assert f"runs in a circle after page {pages}" in error(path)


@pytest.mark.parametrize("codec", ["zlib", "lzw", "zstd"])
def test_a_small_file_that_claims_terabytes(codec, tmp_path):
    path = write(tmp_path / "a.tif", np.zeros((16, 16), "u1"), compression=codec, metadata=None)
    with tifffile.TiffFile(path, mode="r+") as tif:
        for code in (256, 257, 278):
            tif.pages[0].tags[code].overwrite(65_535, dtype="H") if code == 278 else None
            tif.pages[0].tags[code].overwrite(1 << 21)
    assert "more than its" in error(path)


def test_damaged_pixels(tmp_path):
    pixels = RANDOM.integers(0, 4096, (6, 40, 50), dtype="u2")
    for codec in ("zlib", "zstd", "lzma"):
        path = write(tmp_path / "a.tif", pixels, compression=codec, metadata={"axes": "ZYX"})
        with tifffile.TiffFile(path) as tif:
            at = tif.pages[3].dataoffsets[0]
        data = bytearray(path.read_bytes())
        data[at : at + 400] = bytes(range(200)) * 2
        path.write_bytes(data)
        assert "a.tif is damaged: page 3 (counted from 0) cannot be decoded" in error(path)


def test_a_missing_codec_says_what_to_install(tmp_path, monkeypatch):
    path = write(tmp_path / "a.tif", np.zeros((3, 8, 9), "u1"), compression="zstd",
                 metadata={"axes": "ZYX"})  # fmt: skip

    def missing(self, key):
        raise KeyError(f"{key} requires the 'imagecodecs' package")

    monkeypatch.setattr(type(tifffile.TIFF.DECOMPRESSORS), "__getitem__", missing)
    text = error(path)
    assert "ZSTD" in text and "imagecodecs" in text and "install" in text


def test_a_codec_that_tifffile_has_in_part_is_no_damage(tmp_path, monkeypatch):
    path = write(tmp_path / "a.tif", np.zeros((3, 8, 9), "u1"), compression="zstd",
                 metadata={"axes": "ZYX"})  # fmt: skip

    def missing(*_, **__):
        raise ModuleNotFoundError("No module named 'compression'")

    monkeypatch.setattr(tifffile.TiffPage, "decode", property(lambda page: missing))
    assert "a.tif is damaged" in error(path)
    monkeypatch.setattr("clearfield.tiff.find_spec", lambda name: None)
    text = error(path)
    assert "damaged" not in text and "without the package imagecodecs; install it" in text


def test_a_codec_that_nothing_here_decodes(tmp_path):
    path = write(tmp_path / "a.tif", np.zeros((8, 9), "u1"), compression="zlib")
    with tifffile.TiffFile(path, mode="r+b") as tif:
        tif.pages.first.tags[259].overwrite(34676)  # SGILOG
    assert error(path) == "a.tif is compressed with SGILOG, which cannot be read; save it with LZW"


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE OME [<!ENTITY a "aaaaaaaaaaaaaaaaaaaa">'
    + "".join(
        f'<!ENTITY {b} "{f"&{a};" * 20}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + "]>"
)
FILE = '<?xml version="1.0"?><!DOCTYPE OME [<!ENTITY i SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize("head", [BOMB, FILE])
def test_entities_in_ome_xml_are_never_expanded(head, tmp_path):
    xml = tifffile.OmeXml()
    xml.addimage("uint8", (3, 8, 9), (3, 1, 1, 8, 9, 1), axes="ZYX")
    text = xml.tostring()
    text = head + text[text.index("<OME") :].replace(
        "<Pixels", "<Description>&i;</Description><Pixels"
    )
    path = write(tmp_path / "a.ome.tif", np.zeros((3, 8, 9), "u1"), description=text, metadata=None)
    assert "is refused: its OME-XML declares" in error(path)


def test_a_description_of_more_pages_than_there_are(tmp_path):
    path = write(tmp_path / "a.tif", np.zeros((8, 9), "u1"), compression="zlib", metadata=None,
                 description='{"shape": [3, 8, 9], "axes": "ZYX"}')  # fmt: skip
    assert "promises pages that are not there" in error(path)


def test_ome_xml_that_promises_more_pages(tmp_path):
    xml = tifffile.OmeXml()
    xml.addimage("uint8", (9, 8, 9), (9, 1, 1, 8, 9, 1), axes="ZYX")
    path = write(tmp_path / "a.ome.tif", np.zeros((3, 8, 9), "u1"), description=xml.tostring(),
                 metadata=None)  # fmt: skip
    assert "incomplete: 6 of the 9 pages" in error(path)


@pytest.mark.second_tier
@pytest.mark.parametrize("seed", range(300))
def test_random_damage_ends_in_pixels_or_one_sentence(seed, tmp_path):
    random = np.random.default_rng(seed)
    keywords = [{"imagej": True}, {}, {"ome": True}, {"compression": "zlib"}, {"tile": (16, 16)}]
    path = write(tmp_path / "a.tif", random.integers(0, 4096, (4, 20, 30), dtype="u2"),
                 metadata={"axes": "ZYX"}, **keywords[seed % len(keywords)])  # fmt: skip
    data = bytearray(path.read_bytes())
    for at in random.integers(0, min(len(data), 1200 if seed % 2 else len(data)), 6):
        data[at] = random.integers(256)
    path.write_bytes(data)
    try:
        read(path)
    except ClearfieldError as raised:
        assert "a.tif" in str(raised)


def test_a_tile_that_claims_more_than_it_can_hold_is_damaged(tmp_path):
    """Found at random: memory for it would be taken before it is decoded."""
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path, np.zeros((2, 48, 48), "u2"), tile=(16, 16), compression="zlib",
        photometric="minisblack", metadata={"axes": "ZYX"},
    )  # fmt: skip
    with tifffile.TiffFile(path, mode="r+") as tif:
        for page in tif.pages:
            page.tags["TileWidth"].overwrite(48)  # one tile across, as many as before
            page.tags["TileLength"].overwrite(65520)
    with pytest.raises(ClearfieldError, match=r"a\.tif is damaged: .*more than they can hold"):
        load(str(path), tmp_path / "a.stack", {})
