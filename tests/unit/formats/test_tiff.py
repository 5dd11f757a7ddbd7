"""TIFFs of every layout are read as they are; damaged ones end in one clear sentence."""

import json
import logging
import struct
import warnings

import numpy as np
import pytest
import tifffile
from clearfield.errors import ClearfieldError
from clearfield.formats.length_units import micrometres
from clearfield.stack.description import read_stack
from clearfield.stack.loading import load, open_series

RANDOM = np.random.default_rng(7)


def write(path, pixels, **keywords):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tifffile.imwrite(path, pixels, **({"photometric": "minisblack"} | keywords))
    return path


def read(path, **settings):
    """Load a file; give its description and its pixels, T, C, Z, Y, X."""
    target = path.parent / "a.stack"
    load(str(path), target, settings)
    stack = read_stack(target)
    planes = stack.open()
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
    assert bool(stack.offsets) == (layout == "strips")


def test_small_strips_are_decoded_together(tmp_path):
    pixels = RANDOM.integers(0, 4096, (5, 3000, 200), dtype="u2")
    path = write(tmp_path / "a.tif", pixels, compression="zlib", rowsperstrip=3,
                 metadata={"axes": "ZYX"})  # fmt: skip
    stack, found = read(path)
    assert np.array_equal(found[0, 0], pixels)
    assert 5 < len(stack.parts) < 100  # of 5000 strips, in 256 KB each
    written = (tmp_path / "a.stack").read_bytes()
    assert len(written) < 150_000


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


def test_rgb_of_several_channels_is_selected_from(tmp_path):
    pixels = RANDOM.integers(0, 255, (2, 20, 30, 3), dtype="u1")
    path = write(tmp_path / "a.tif", pixels, photometric="rgb", metadata={"axes": "CYXS"})
    assert 'load_stack.axes: "VYXC" and load_stack.select: {V: 0}' in error(path)
    found = read(path, axes="VYXC", select={"V": 1})[1]
    assert np.array_equal(found[0, :, 0], pixels[1].transpose(2, 0, 1))
    assert np.array_equal(read(path, select={"S": 1})[1][0, :, 0], pixels[..., 1])


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


def test_integers_of_24_bits_are_refused(tmp_path):
    """TIFF 6.0 leaves the order of their bytes to the file's, tifffile does not."""
    path = write(tmp_path / "a.tif", np.zeros((20, 90), "u1"), rowsperstrip=20)
    with tifffile.TiffFile(path, mode="r+b") as tif:
        tif.pages.first.tags[256].overwrite(30)
        tif.pages.first.tags[258].overwrite(24)
    assert "24 bits" in error(path)


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


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_pages_that_tifffile_wrote_one_by_one(compression, tmp_path):
    """tifffile makes each a series: a stack would be its first plane."""
    pixels = RANDOM.integers(0, 4096, (4, 8, 9), dtype="u2")
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        for plane in pixels:
            writer.write(plane, compression=compression)
    assert 'load_stack.axes: "ZYX"' in error(path)
    assert np.array_equal(read(path, axes="ZYX")[1][0, 0], pixels)
    with tifffile.TiffWriter(path) as writer:
        for plane in pixels[:2]:
            writer.write(plane[None], metadata={"axes": "zyx"})
    assert [series.axes for series in open_series(str(path))] == ["ZYX", "ZYX"]


def test_pages_that_are_all_called_reduced(tmp_path):
    pixels = RANDOM.integers(0, 4096, (4, 8, 9), dtype="u2")
    path = write(tmp_path / "a.tif", pixels, subfiletype=1, metadata=None)
    assert np.array_equal(read(path, axes="ZYX")[1][0, 0], pixels)


def test_square_roots_of_a_gel_scanner(tmp_path):
    tags = [(33445, "I", 1, 2, True), (33446, "2I", 1, (1, 100), True)]
    path = write(tmp_path / "a.tif", np.zeros((8, 9), "u2"), extratags=tags, metadata=None)
    assert "is a scan of a gel" in error(path)


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


def write_stk(path, pixels, wavelengths, distances=None, heights=None, tick=100):
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
    fractions = [(0, 0) if step is None else (step, 1000) for step in distances or [1500] * planes]
    times = [100 * plane // tick * tick for plane in range(planes)]
    steps = put(*(n for plane in range(planes) for n in (*fractions[plane], 0, times[plane], 0, 0)))
    waves = put(*(number for wavelength in wavelengths for number in (wavelength, 1)))
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 4, 1, 16), (259, 4, 1, 1),
            (262, 4, 1, 1), (273, 4, 1, 8), (277, 4, 1, 1), (278, 4, 1, height),
            (279, 4, 1, 2 * height * width), (33628, 4, 3, scale), (33629, 5, planes, steps),
            (33630, 5, planes, waves), (33631, 4, planes, len(data))]  # fmt: skip
    if heights is None:
        tags.pop()
    else:
        data += struct.pack(f"<H{2 * planes}IH", 40, *(n for h in heights for n in (h, 1000)), 0)
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


def test_pages_of_metamorph(tmp_path):
    """tifffile takes the first page for the whole file, as it is in a STK."""
    pixels = RANDOM.integers(0, 4096, (4, 8, 10), dtype="u2")
    path = tmp_path / "a.tif"
    data = bytearray(write_stk(path, pixels[:1], [488]).read_bytes())
    at = struct.unpack_from("<I", data, 4)[0]
    directory = data[at:]
    for plane in pixels[1:]:
        start = directory.find(struct.pack("<HHI", 273, 4, 1)) + 8
        struct.pack_into("<I", directory, start, len(data))
        data += plane.tobytes()
        struct.pack_into("<I", data, at + len(directory) - 4, len(data))
        at = len(data)
        data += directory
    path.write_bytes(data)
    assert 'load_stack.axes: "ZYX"' in error(path)
    assert np.array_equal(read(path, axes="ZYX")[1][0, 0], pixels)


@pytest.mark.parametrize(
    ("distances", "heights", "axis"),
    [([0, 500, 500, 500], None, "Z"), ([500] * 4, [500, 1000, 1500, 2000], "Z"),
     ([0] * 4, None, "T"), ([None] * 4, None, "T"), ([0] * 4, [500, 507, 499, 500], "T"),
     ([0] * 4, [500, 1000, 1500, 2000], "Q"), ([0, 500, 0, 500], None, "Q")],
)  # fmt: skip
def test_distances_of_metamorph(distances, heights, axis, tmp_path):
    """The first plane has none before it; two of two positions are no stack of four."""
    pixels = RANDOM.integers(0, 4096, (4, 8, 10), dtype="u2")
    path = write_stk(tmp_path / "a.stk", pixels, [488] * 4, distances, heights)
    (series,) = open_series(str(path))
    assert series.axes == f"{axis}YX"
    assert series.pixel_size_um["z"] == (0.5 if axis == "Z" else None)


@pytest.mark.parametrize(("tick", "axis"), [(200, "T"), (1000, "I")])
def test_times_of_metamorph(tick, axis, tmp_path):
    """A clock may tick more slowly than a fast camera; where it stands still, it says nothing."""
    pixels = RANDOM.integers(0, 4096, (4, 8, 10), dtype="u2")
    path = write_stk(tmp_path / "a.stk", pixels, [488] * 4, [0] * 4, tick=tick)
    assert open_series(str(path))[0].axes == f"{axis}YX"


def test_micrometres_of_a_slide_scanner(tmp_path):
    path = write(tmp_path / "a.svs", np.zeros((32, 48, 3), "u1"), photometric="rgb",
                 tile=(16, 16), metadata=None,
                 description="Aperio Image Library v1\n48x32 |AppMag = 20|MPP = 0.499")  # fmt: skip
    stack, _ = read(path, axes="YXC")
    assert stack.pixel_size_um == {"x": 0.499, "y": 0.499, "z": None}


def test_channels_of_a_fluorescence_slide_scanner(tmp_path):
    """PerkinElmer and Akoya: the channels, a thumbnail, the channels in half the size."""
    pixels = RANDOM.integers(0, 4096, (2, 64, 96), dtype="u2")
    path = tmp_path / "a.qptiff"
    with tifffile.TiffWriter(path) as writer:
        common = {"metadata": None, "contiguous": False, "software": "PerkinElmer-QPI"}
        common |= {"photometric": "minisblack", "compression": "lzw"}
        for step, kind in ((1, "FullResolution"), (0, "Thumbnail"), (2, "ReducedResolution")):
            for name, plane in zip(("DAPI", "Opal &lt;520&gt;"), pixels, strict=True):
                text = (
                    f"<PerkinElmer-QPI-ImageDescription><ImageType>{kind}</ImageType>"
                    f"<Name>{name}</Name></PerkinElmer-QPI-ImageDescription>"
                )
                if step:
                    writer.write(plane[::step, ::step], description=text, tile=(32, 32),
                                 subfiletype=step - 1, resolutionunit="centimeter",
                                 resolution=(20_000 / step, 20_000 / step), **common)  # fmt: skip
            if not step:
                common_of = common | {"photometric": "rgb"}
                writer.write(np.zeros((8, 9, 3), "u1"), description=text, **common_of)
    stack, found = read(path)
    assert np.array_equal(found[0, :, 0], pixels)
    assert stack.pixel_size_um == {"x": 0.5, "y": 0.5, "z": None}
    assert stack.channel_names == ["DAPI", "Opal <520>"]


@pytest.mark.parametrize("state", ["on", "off"])
def test_calibration_of_metaseries(state, tmp_path):
    text = "".join(
        f'<prop id="{key}" type="{kind}" value="{value}"/>'
        for key, kind, value in (
            ("spatial-calibration-state", "bool", state),
            ("spatial-calibration-x", "float", 0.325),
            ("spatial-calibration-y", "float", 0.65),
            ("spatial-calibration-units", "string", "um"),
            ("_IllumSetting_", "string", "FITC"),
        )
    )
    text = f"<MetaData><PlaneInfo>{text}</PlaneInfo></MetaData>"
    path = write(tmp_path / "a.tif", np.zeros((8, 9), "u2"), metadata=None, description=text,
                 software="MetaSeries")  # fmt: skip
    stack, _ = read(path)
    x, y = (0.325, 0.65) if state == "on" else (None, None)
    assert stack.pixel_size_um == {"x": x, "y": y, "z": None}
    assert stack.channel_names == ["FITC"]


@pytest.mark.parametrize(
    ("code", "text", "x", "y"),
    [(34682, "[User]\nDate=1\n[Scan]\nPixelWidth=5e-9\nPixelHeight=6e-9\n", 0.005, 0.006),
     (34118, "0\r\nAP_IMAGE_PIXEL_SIZE\r\nImage Pixel Size = 5.0 nm\r\n", 0.005, 0.005),
     (34118, "0\r\nAP_WD\r\nWD = 5.0 mm\r\n", None, None)],
)  # fmt: skip
def test_micrometres_of_electron_microscopes(code, text, x, y, tmp_path):
    path = write(tmp_path / "a.tif", np.zeros((8, 9), "u2"), metadata=None,
                 extratags=[(code, "s", 0, text, True)])  # fmt: skip
    assert read(path)[0].pixel_size_um == {"x": x, "y": y, "z": None}


def write_lsm(path, pixels, codec=1, positions=0):
    """Write Z, C, Y, X as a Zeiss LSM: a page and its thumbnail by turns, a strip a channel.

    With `positions`, those of each follow one another along the first axis.
    """
    depth, channels, height, width = pixels.shape
    depth //= positions or 1
    data, link = bytearray(8), 4

    def put(content):
        start = len(data)
        data.extend(content)
        return start

    info = struct.pack("<I9i", 67127628, 500, width, height, depth, channels, 1, 5, 2, 2)
    info += struct.pack("<3d", 1e-7, 2e-7, 5e-7)
    info = bytearray(info.ljust(500, b"\0"))
    place = np.dtype(tifffile.TIFF.CZ_LSMINFO).fields["DimensionP"][1]
    struct.pack_into("<i", info, place, positions)
    info = put(info)
    thumbnail = np.zeros((3, 2, 2), "u1")
    for page in (page for planes in pixels for page in (planes, thumbnail)):
        samples, rows, columns = page.shape
        count = max(samples, 3)  # that many values, also for two channels
        packed = codec != 1 and page is not thumbnail
        strips = [
            put(tifffile.TIFF.COMPRESSORS[codec](plane.tobytes()) if packed else plane.tobytes())
            for plane in page
        ]
        bits = put(struct.pack(f"<{count}H", *[8 * page.itemsize] * count))
        sizes = put(struct.pack(f"<{samples}I", *[page[0].nbytes] * samples))
        strips = put(struct.pack(f"<{samples}I", *strips))
        tags = [(254, 4, 1, page is thumbnail), (256, 4, 1, columns), (257, 4, 1, rows),
                (258, 3, count, bits), (259, 3, 1, codec if packed else 1), (262, 3, 1, 2),
                (273, 4, samples, strips), (277, 3, 1, samples), (279, 4, samples, sizes),
                (284, 3, 1, 2), (34412, 1, 500, info)]  # fmt: skip
        tags = tags[: 11 if link == 4 else 10]
        at = put(struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *t) for t in tags))
        struct.pack_into("<I", data, link, at)
        link = put(bytes(4))
    struct.pack_into("<2sH", data, 0, b"II", 42)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("codec", [1, 5])
@pytest.mark.parametrize(("channels", "dtype"), [(2, "u1"), (2, "u2"), (4, "u2"), (2, "f4")])
def test_lsm(channels, dtype, codec, tmp_path):
    """Real numbers are written without a SampleFormat; tifffile takes them for integers."""
    pixels = RANDOM.integers(0, 250, (3, channels, 30, 40)).astype(dtype)
    stack, found = read(write_lsm(tmp_path / "a.lsm", pixels, codec))
    assert np.array_equal(found[0], pixels.swapaxes(0, 1))
    assert found.dtype == dtype
    assert stack.pixel_size_um == {"x": 0.1, "y": 0.2, "z": 0.5}


def test_positions_of_lsm_and_their_names(tmp_path):
    """The file keeps where they are in space, and no names."""
    pixels = RANDOM.integers(0, 250, (6, 2, 30, 40)).astype("u2")
    path = write_lsm(tmp_path / "a.lsm", pixels, positions=2)
    assert [series.name for series in open_series(str(path))] == ["position 0", "position 1"]
    for number, name in enumerate(("position 0", "position 1")):
        _, found = read(path, series=name)
        assert np.array_equal(found[0], pixels[3 * number : 3 * number + 3].swapaxes(0, 1))


NEW = """SI.VERSION_MAJOR = 2020
SI.hChannels.channelSave = [1;3]
SI.hChannels.channelName = {'Green' 'Red' 'Far red'}
SI.hStackManager.enable = true
SI.hStackManager.stackZStepSize = 5
SI.hStackManager.numSlices = %s
SI.hStackManager.framesPerSlice = %s
"""
OLD = """state.acq.numberOfChannelsSave=2\rstate.acq.zStepSize=5\rstate.acq.averaging=0\r
state.acq.numberOfZSlices=%s\rstate.acq.numberOfFrames=%s\r"""


def write_scanimage(path, planes, text, bigtiff=False):
    pixels = RANDOM.integers(0, 4096, (planes, 8, 9), dtype="i2")
    texts = {"software": text} if text.startswith("SI") else {"description": text}
    with tifffile.TiffWriter(path, bigtiff=bigtiff) as writer:
        for plane in pixels:
            writer.write(plane, metadata=None, contiguous=False, photometric="minisblack", **texts)
    return pixels


@pytest.mark.parametrize("bigtiff", [True, False])
@pytest.mark.parametrize("text", [NEW, OLD])
@pytest.mark.parametrize(
    ("slices", "frames", "shape", "axes"),
    [(3, 4, (3, 4, 2), "ZTC"), (3, 1, (4, 3, 2), "TZC"), (1, 12, (1, 12, 2), "ZTC"),
     (1, "Inf", (12, 1, 2), "TZC")],
)  # fmt: skip
def test_scanimage(slices, frames, shape, axes, text, bigtiff, tmp_path):
    """Volumes, slices, frames, channels; tifffile takes all volumes for one stack."""
    if text == OLD and frames == "Inf":
        pytest.skip("in version 3, frames are counted")
    pixels = write_scanimage(tmp_path / "a.tif", 24, text % (slices, frames), bigtiff)
    stack, found = read(tmp_path / "a.tif")
    expected = pixels.reshape(*shape, 8, 9).transpose([axes.index(a) for a in "TCZ"] + [3, 4])
    assert np.array_equal(found, expected)
    assert stack.pixel_size_um["z"] == 5
    if text == NEW:
        assert stack.channel_names == ["Green", "Far red"]


def test_scanimage_without_slices(tmp_path):
    text = "SI.hChannels.channelSave = [1;2]\nSI.hStackManager.framesPerSlice = Inf\n"
    pixels = write_scanimage(tmp_path / "a.tif", 6, text)
    _, found = read(tmp_path / "a.tif")
    assert np.array_equal(found[:, :, 0], pixels.reshape(3, 2, 8, 9))


@pytest.mark.parametrize(
    ("planes", "slices", "frames", "more"),
    [(24, 2, 3, ""), (22, 3, 1, ""), (23, 1, 1, ""), (24, 3, "Inf", ""),
     (24, 4, 1, "SI.hFastZ.discardFlybackFrames = false\n"
                "SI.hFastZ.numDiscardFlybackFrames = 2\n")],
)  # fmt: skip
def test_frames_of_scanimage_that_do_not_add_up(planes, slices, frames, more, tmp_path):
    write_scanimage(tmp_path / "a.tif", planes, NEW % (slices, frames) + more)
    assert "does not say what Q stands for" in error(tmp_path / "a.tif")


def test_fluoview(tmp_path):
    pixels = RANDOM.integers(0, 4096, (2, 2, 3, 8, 9), dtype="u2")
    header = np.zeros((), np.dtype(tifffile.TIFF.MM_HEADER))
    dimensions = [(b"x", 9, 0, 0.25, b"um"), (b"y", 8, 0, 0.25, b"um"), (b"Z", 3, 0, -0.5, b"um"),
                  (b"Ch", 2, 0, 1, b""), (b"XY", 2, 0, 1, b"")]  # fmt: skip
    header["Dimensions"][: len(dimensions)] = dimensions
    tags = [(34361, "B", header.nbytes, header.tobytes(), False), (34362, "d", 8, (0,) * 8, False)]
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for plane in pixels.reshape(-1, 8, 9):
            writer.write(plane, metadata=None, contiguous=False, photometric="minisblack",
                         description="FLUOVIEW [Parameters]", extratags=tags)  # fmt: skip
    for position in (0, 1):
        stack, found = read(tmp_path / "a.tif", series=f"position {position}")
        assert np.array_equal(found[0], pixels[position])
        assert stack.source["series"] == position
        assert stack.pixel_size_um == {"x": 0.25, "y": 0.25, "z": 0.5}


def write_ndtiff(folder, pixels, positions=range(9), channels=("GFP", "DAPI"), texts=None):
    """Write P, C, Z, Y, X as Micro-Manager's NDTiff: headers, planes, one page, an index.

    `texts` gives the JSON of a plane for its position and channel.
    """
    height, width = pixels.shape[-2:]
    summary = b'{"z-step_um": 1.5, "PixelSize_um": 0.2}'
    data = bytearray(struct.pack("<2sHIIIII", b"II", 42, 0, 483729, 3, 0, 2355492))
    data += struct.pack("<I", len(summary)) + summary
    index, starts = b"", []
    for position, channel, z in np.ndindex(pixels.shape[:3]):
        axes = {"z": z, "channel": channels[channel], "position": positions[position]}
        name, text = b"a.tif", json.dumps(axes).encode()
        index += struct.pack("<I", len(text)) + text + struct.pack("<I", len(name)) + name
        meta = texts(position, channel).encode() if texts else b""
        starts.append(len(data) + len(meta))
        index += struct.pack("<8I", starts[-1], width, height, 1, 0, len(data), len(meta), 0)
        data += meta + pixels[position, channel, z].tobytes()
    start, note = starts[0], len(data)
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


def test_positions_of_ndtiff_have_the_names_of_the_microscope(tmp_path):
    """The index has them in the order of recording."""
    pixels = RANDOM.integers(0, 4096, (3, 2, 3, 8, 9), dtype="u2")
    path = write_ndtiff(tmp_path, pixels, ["Pos2", "Pos0", "Pos1"])
    for given in (path, tmp_path):
        assert [series.name for series in open_series(str(given))] == ["Pos2", "Pos0", "Pos1"]
    for number, name in enumerate(("Pos2", "Pos0", "Pos1")):
        stack, found = read(path, series=name)
        assert np.array_equal(found[0], pixels[number])
        assert (stack.source["series"], stack.source["series_in_file"]) == (number, 3)
    (tmp_path / "a.stack").unlink()
    assert "no series of the name 'Pos3'" in error(path, series="Pos3")
    assert "its names are 'Pos2', 'Pos0', 'Pos1'" in error(path, series="Pos3")


def test_the_folder_of_an_ndtiff_data_set(tmp_path):
    """It holds a folder with the pixels, and others with lower resolutions."""
    pixels = RANDOM.integers(0, 4096, (2, 2, 3, 8, 9), dtype="u2")
    for name, planes in (("Full resolution", pixels), ("Downsampled_x2", pixels[..., ::2, ::2])):
        (tmp_path / "set" / name).mkdir(parents=True)
        write_ndtiff(tmp_path / "set" / name, planes)
    stack, found = read(tmp_path / "set", series=1)
    assert np.array_equal(found[0], pixels[1])
    assert stack.source["series_in_file"] == 2


def test_a_mosaic_of_ndtiff_that_was_explored(tmp_path):
    """Of 2 rows and 3 columns, 3 tiles were recorded: the whole file, and no rectangle."""
    pixels = RANDOM.integers(0, 4096, (3, 1, 1, 8, 9), dtype="u2")
    path = write_ndtiff(tmp_path, pixels)
    index = (tmp_path / "NDTiff.index").read_bytes()
    found, at = b"", 0
    for row, column in ((0, 0), (0, 1), (1, 2)):
        (length,) = struct.unpack_from("<I", index, at)
        text = json.dumps({"z": 0, "channel": "GFP", "row": row, "column": column}).encode()
        (named,) = struct.unpack_from("<I", index, at + 4 + length)
        end = at + 4 + length + 4 + named + 32
        found += struct.pack("<I", len(text)) + text + index[at + 4 + length : end]
        at = end
    (tmp_path / "NDTiff.index").write_bytes(found)
    said = error(path)
    assert "a mosaic that was explored by hand: 3 tiles of 2 rows and 3 columns" in said
    assert "damaged" not in said


def test_positions_of_ndtiff_that_begin_at_another_number(tmp_path):
    pixels = RANDOM.integers(0, 4096, (2, 1, 1, 8, 9), dtype="u2")
    path = write_ndtiff(tmp_path, pixels, [3, 4])
    assert [series.name for series in open_series(str(path))] == ["position 3", "position 4"]
    assert np.array_equal(read(path, series="position 4")[1][0, 0], pixels[1, 0])


def test_names_that_ndtiff_keeps_with_each_plane(tmp_path):
    """Version 2 numbers channels and positions in its index, in whatever order they came."""
    pixels = RANDOM.integers(0, 4096, (2, 2, 3, 8, 9), dtype="u2")
    names = {1: "Cy5", 0: "DAPI"}, {1: "A2-Site_0", 0: "A1-Site_0"}

    def text(position, channel):
        return json.dumps({"Channel": names[0][1 - channel], "PositionName": names[1][position]})

    path = write_ndtiff(tmp_path, pixels, channels=(1, 0), texts=text)
    stack, found = read(path, series="A2-Site_0")
    assert stack.channel_names == ["DAPI", "Cy5"]
    assert np.array_equal(found[0], pixels[1, ::-1])


@pytest.mark.parametrize(
    "text",
    ["{}", '{"Channel": ', '{"Channel": 3}', "[1]", '{"Channel": "DAPI", "PositionName": "P"}'],
    ids=["none", "cut", "number", "list", "alike"],
)
def test_names_that_ndtiff_lacks_are_numbers(tmp_path, text):
    pixels = RANDOM.integers(0, 4096, (2, 2, 3, 8, 9), dtype="u2")
    path = write_ndtiff(tmp_path, pixels, channels=(0, 1), texts=lambda *_: text)
    assert [series.name for series in open_series(str(path))] == ["position 0", "position 1"]
    stack, found = read(path, series=1)
    assert np.array_equal(found[0], pixels[1])
    assert stack.channel_names == ["channel 0", "channel 1"]


def test_a_part_of_ndtiff_that_is_gone(tmp_path):
    path = write_ndtiff(tmp_path, RANDOM.integers(0, 4096, (1, 2, 3, 8, 9), dtype="u2"))
    index = (tmp_path / "NDTiff.index").read_bytes()
    for other in (b"b.tif", b"/.tif"):
        (tmp_path / "NDTiff.index").write_bytes(index.replace(b"a.tif", other, 1))
        assert f"NDTiff.index names '{other.decode()}', and that is not beside it" in error(path)


def test_the_only_position_of_ndtiff_has_its_name(tmp_path):
    pixels = RANDOM.integers(0, 4096, (1, 2, 3, 8, 9), dtype="u2")
    path = write_ndtiff(tmp_path, pixels, ["A1-Site_0"])
    assert [series.name for series in open_series(str(path))] == ["A1-Site_0"]


def test_positions_of_micro_manager_are_series(tmp_path, monkeypatch):
    pixels = RANDOM.integers(0, 4096, (3, 2, 20, 30), dtype="u2")
    path = write(tmp_path / "a.tif", pixels, metadata={"axes": "ZPYX"}, compression="zlib")
    monkeypatch.setattr("clearfield.formats.tiff._OF_POSITIONS", {"shaped"})
    assert [series.name for series in open_series(str(path))] == ["position 0", "position 1"]
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
        ({"resolution": (72, 72), "metadata": {"axes": "ZYX", "unit": "inch", "spacing": 1}},
         (None, None, None)),
        ({"resolution": (101_600, 101_600), "metadata": {"axes": "ZYX", "unit": "inch"}},
         (0.25, 0.25, None)),
    ],
)  # fmt: skip
def test_calibration_of_imagej(keywords, expected, tmp_path):
    path = write(tmp_path / "a.tif", np.zeros((3, 8, 9), "u2"), imagej=True, **keywords)
    found = read(path)[0].pixel_size_um
    assert tuple(found.values()) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("resolution", "unit", "expected"),
    [(72, "inch", None), (300, "inch", None), (118, "centimeter", None), (1, "none", None),
     (40_000, "centimeter", 0.25), (101_600, "inch", 0.25), (4, "micrometer", 0.25),
     (0.1, "micrometer", 10), (4000, "millimeter", 0.25)],
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


def test_channels_of_ome_without_names(tmp_path):
    for text, names in (
        ('Name="DAPI"/><Channel ID="Channel:0:1"/>', ["DAPI", "channel 1"]),
        ('Name="DAPI"/>', ["DAPI", "channel 1"]),
        ("/>", ["channel 0", "channel 1"]),
    ):
        xml = tifffile.OmeXml()
        xml.addimage(
            "uint16", (2, 8, 9), (2, 1, 1, 8, 9, 1), axes="CYX", Channel={"Name": ["", ""]}
        )
        found = xml.tostring()
        start, stop = found.index("<Channel"), found.index("<TiffData")
        found = f'{found[:start]}<Channel ID="Channel:0:0" {text}{found[stop:]}'
        path = write(tmp_path / "a.ome.tif", np.zeros((2, 8, 9), "u2"), description=found,
                     metadata=None)  # fmt: skip
        assert read(path)[0].channel_names == names


def test_channels_of_ome_in_colour(tmp_path):
    """OME counts each sample of a pixel as a channel, and names them together."""
    path = write(tmp_path / "a.ome.tif", np.zeros((2, 8, 9, 3), "u1"), photometric="rgb",
                 metadata={"axes": "CYXS", "Channel": {"Name": ["day", "night"]}})  # fmt: skip
    stack, _ = read(path, axes="CYXV", select={"V": 1})
    assert stack.channel_names == ["day", "night"]


@pytest.mark.parametrize("axes", [{"metadata": {"axes": "TCZYX"}}, {}])
def test_ome_xml_goes_before_the_description_of_tifffile(axes, tmp_path):
    pixels = RANDOM.integers(0, 9, (2, 2, 3, 4, 20, 30), "u2")  # two images, as nd2 exports them
    names = ["DAPI", "GFP", "Cy5"]
    meta = {"axes": "TCZYX", "PhysicalSizeX": 0.2, "PhysicalSizeZ": 0.7, "Channel": {"Name": names}}
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as tif:
        for image in pixels:
            tif.write(image, photometric="minisblack", metadata=meta)
    with tifffile.TiffFile(path) as tif:
        xml = tif.ome_metadata.encode()
    with tifffile.TiffWriter(path, ome=False) as tif:
        for image in pixels:
            tif.write(image, photometric="minisblack", description=xml, **axes)
    for number, image in enumerate(pixels):
        stack, found = read(path, series=number)
        assert np.array_equal(found, image)
        assert stack.channel_names == names
        assert stack.pixel_size_um == {"x": 0.2, "y": None, "z": 0.7}


def test_ome_xml_of_another_image_is_not_believed(tmp_path):
    pixels = RANDOM.integers(0, 9, (4, 20, 30), "u2")
    path = write(tmp_path / "a.tif", pixels, ome=True, metadata={"axes": "ZYX", "PhysicalSizeX": 9})
    with tifffile.TiffFile(path) as tif:
        xml = tif.ome_metadata.encode()
    write(path, pixels[0], description=xml, ome=False)
    stack, found = read(path)
    assert np.array_equal(found[0, 0], pixels[:1])
    assert stack.pixel_size_um["x"] is None


def test_ome_xml_that_leaves_planes_out(tmp_path):
    pixels = RANDOM.integers(0, 9, (4, 20, 30), "u2")
    path = write(tmp_path / "a.tif", pixels, ome=True, metadata={"axes": "ZYX"})
    with tifffile.TiffFile(path) as tif:
        xml = tif.ome_metadata.encode()
    write(path, np.tile(pixels, (3, 1, 1)), description=xml, ome=False, metadata=None)
    assert "its OME-XML describes 4 planes and it has 12" in error(path)


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


@pytest.mark.parametrize(
    "shape", [(1, 4, 3), (2, 1, 3), (2, 4, 1), (2, 4, 3), (1, 1, 3), (1, 4, 1), (5, 1, 1)]
)
def test_plain_tiffs_of_bio_formats_do_not_say_the_order_of_planes(shape, tmp_path):
    times, slices, channels = shape
    pixels = RANDOM.integers(0, 9, (times * slices * channels, 20, 30), "u2")
    text = (
        f"ImageJ=\nhyperstack=true\nimages={len(pixels)}\nchannels={channels}\n"
        f"slices={slices}\nframes={times}"
    )
    path = write(tmp_path / "a.tif", pixels, description=text, metadata=None,
                 software="OME Bio-Formats 7.3.1")  # fmt: skip
    if len(pixels) > max(shape):  # two axes or more
        assert "convert the original again, to .ome.tiff" in error(path)
        assert ("slices and frames" in error(path)) == (times > 1 and slices > 1)
    else:
        _, found = read(path)
        assert np.array_equal(found, pixels.reshape(*shape, 20, 30).swapaxes(1, 2))


def test_fewer_planes_in_imagejs_description_than_pages(tmp_path):
    path = write(tmp_path / "a.tif", np.zeros((3, 20, 30), "u2"), imagej=True,
                 metadata={"axes": "ZYX"})  # fmt: skip
    path.write_bytes(path.read_bytes().replace(b"slices=3", b"slices=2"))
    assert "2 planes and the file 3 pages" in error(path)


def keep_one_directory(path):
    """Leave the planes of an ImageJ file without directories, as ImageJ does above 4 GB."""
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        at = tif.pages[0].offset
        offset = tif.pages[0].dataoffsets[0]
        order = tif.byteorder
    count = struct.unpack_from(f"{order}H", data, at)[0]
    struct.pack_into(f"{order}I", data, at + 2 + 12 * count, 0)
    path.write_bytes(data)
    return data, offset


def test_an_imagej_stack_with_a_single_directory_that_was_cut(tmp_path):
    """tifffile takes a cut one for one plane."""
    path = write(tmp_path / "a.tif", np.zeros((6, 40, 50), "u2"), imagej=True,
                 metadata={"axes": "ZYX"})  # fmt: skip
    data, offset = keep_one_directory(path)
    path.write_bytes(data[: offset + 6 * 4000])
    assert read(path)[0].shape == (1, 1, 6, 40, 50)
    (tmp_path / "a.stack").unlink()
    path.write_bytes(data[: offset + 4 * 4000])
    assert "a.tif is cut short: ImageJ wrote 6 planes of 4000 bytes" in error(path)


def test_an_imagej_stack_with_a_single_directory_that_only_counts_images(tmp_path):
    """tifffile takes it for its first plane."""
    pixels = RANDOM.integers(0, 4096, (6, 40, 50), dtype="u2")
    path = write(tmp_path / "a.tif", pixels, imagej=True, metadata={"axes": "ZYX"})
    keep_one_directory(path)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"slices=6", b"loops=66"))
    assert 'load_stack.axes: "ZYX"' in error(path)
    assert np.array_equal(read(path, axes="ZYX")[1][0, 0], pixels)
    (tmp_path / "a.stack").unlink()
    path.write_bytes(data.replace(b"slices=6", b"slices=3"))
    assert "6 images, and axes for 3 of them" in error(path)


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
    monkeypatch.setattr("clearfield.formats.tiff_segments.find_spec", lambda name: None)
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
