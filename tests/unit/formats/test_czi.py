"""CZI: files written by ZEISS's own library and by hand, and real ones (SHARED_DATA)."""

import itertools
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from clearfield.errors import ClearfieldError
from clearfield.formats.czi import open_series

DATA = os.environ.get("SHARED_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="SHARED_DATA names no folder with real images")
random = np.random.default_rng(4)


def zeiss():
    return pytest.importorskip("pylibCZIrw.czi", reason="pylibCZIrw is not installed")


def planes_of(series):
    """All planes as one array, over the index axes, Y and X."""
    shape = [series.sizes[axis] for axis in series.index_axes]
    planes = [series.read(index) for index in np.ndindex(*shape)]
    return np.array(planes).reshape(*shape, *planes[0].shape)


def planes_in_place(series):
    """The same, from `files` and `offsets`."""
    shape = [series.sizes[axis] for axis in series.index_axes + series.plane_axes]
    size = shape[-1] * shape[-2]
    planes = [
        np.fromfile(series.files[file], series.dtype, size, offset=offset)
        for file, offset in series.offsets
    ]
    return np.array(planes).reshape(shape)


def segment(name, body):
    body = body.ljust(-(-len(body) // 32) * 32, b"\0")
    return name.ljust(16, b"\0") + struct.pack("<qq", len(body), len(body)) + body


def write_czi(
    path, tiles, xml="<ImageDocument/>", part=0, compression=0, encode=np.ndarray.tobytes
):
    """Write tiles: (dimensions, pixels), and of a pyramid the size of a pixel.

    A dimension is a start, its size 1 but for X and Y.
    """
    types = {"uint8": 0, "uint16": 1, "float32": 2}
    content, entries = b"\0" * (32 + 512), []
    for dimensions, pixels, scale in ((*tile, 1)[:3] for tile in tiles):
        colours = pixels.ndim == 3 and pixels.dtype == np.uint8
        height, width, *more = pixels.shape if colours else pixels.shape[-2:] + pixels.shape[-3::-1]
        sizes = {"X": width, "Y": height}
        # A block of several planes counts its first dimension behind X and Y fastest.
        if not colours:
            sizes |= zip((name for name in dimensions if name not in "XY"), more, strict=False)
        entry = struct.pack(
            "<2siqiiB5xi",
            b"DV",
            3 if colours else types[pixels.dtype.name],
            len(content),
            0,
            compression,
            0,
            len(dimensions),
        )
        for name, start in dimensions.items():
            size = sizes.get(name, 1)
            logical = size * (scale if name in "XY" else 1)
            entry += struct.pack("<4siifi", name.encode(), start, int(logical), 0, size)
        entries.append(entry)
        data = encode(pixels)
        head = struct.pack("<iiq", 5, 0, len(data)) + entry
        content += segment(b"ZISRAWSUBBLOCK", head.ljust(256, b"\0") + b"<a/>\n" + data)
    directory = len(content)
    content += segment(b"ZISRAWDIRECTORY", struct.pack("<i124x", len(entries)) + b"".join(entries))
    metadata = len(content)
    content += segment(
        b"ZISRAWMETADATA", struct.pack("<ii248x", len(xml.encode()), 0) + xml.encode()
    )
    body = struct.pack("<iiii16s16siqqiq", 1, 0, 0, 0, b"1" * 16, b"1" * 16, part, directory,
                       metadata, 0, 0)  # fmt: skip
    path.write_bytes(segment(b"ZISRAWFILE", body.ljust(512, b"\0")) + content[32 + 512 :])
    return path


def stack(count=4, height=20, width=30):
    return random.integers(0, 60000, (count, height, width), dtype="u2")


@needs_data
def test_real_time_lapse():
    (series,) = open_series(Path(DATA, "03_czi/CellDivision_T3_Z5_CH2_X240_Y170.czi"))
    assert (series.axes, series.shape, series.dtype) == ("TCZYX", (3, 2, 5, 170, 240), "uint16")
    assert series.pixel_size_um == pytest.approx({"x": 0.0905767, "y": 0.0905767, "z": 0.32}, 1e-6)
    assert series.channel_names == ["LED555", "LED470"]
    assert series.saturation_level == 2**14 - 1
    pixels = planes_of(series)
    assert (pixels.min(), np.median(pixels), pixels.max()) == (0, 470, 21118)
    with zeiss().open_czi(series.files[0]) as file:
        for t, c, z in np.ndindex(3, 2, 5):
            expected = file.read(plane={"T": t, "C": c, "Z": z})[..., 0]
            np.testing.assert_array_equal(pixels[t, c, z], expected)


@needs_data
def test_real_scenes_at_one_place_are_not_merged():
    series = open_series(Path(DATA, "03_czi/xyz__multiple_images.czi"))
    assert [(s.axes, s.shape) for s in series] == [("TCZYX", (1, 1, 2, 251, 251))] * 2
    assert series[0].pixel_size_um == pytest.approx({"x": 0.195644, "y": 0.195644, "z": 0.3}, 1e-5)
    assert series[0].channel_names == ["ChA"]
    first, second = map(planes_of, series)
    assert (first.min(), first.max()) == (10142, 20314)
    assert not np.array_equal(first, second)
    with zeiss().open_czi(series[0].files[0]) as file:
        for scene, pixels in enumerate((first, second)):
            for z in range(2):
                expected = file.read(plane={"Z": z}, scene=scene)[..., 0]
                np.testing.assert_array_equal(pixels[0, 0, z], expected)


@pytest.mark.parametrize("compression", ["uncompressed:", "zstd0:", "zstd1:ExplicitLevel=3"])
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_compressions_and_types(tmp_path, compression, dtype):
    pixels = (random.random((2, 3, 20, 30)) * 250).astype(dtype)
    with zeiss().create_czi(str(tmp_path / "a.czi"), compression_options=compression) as file:
        for c, z in np.ndindex(2, 3):
            file.write(pixels[c, z][..., None], plane={"C": c, "Z": z, "T": 0})
        file.write_metadata(
            "a", channel_names={0: "DAPI", 1: "GFP"}, scale_x=1e-7, scale_y=2e-7, scale_z=5e-7
        )
    (series,) = open_series(tmp_path / "a.czi")
    assert (series.axes, series.shape, series.dtype) == (
        "TCZYX",
        (1, 2, 3, 20, 30),
        np.dtype(dtype),
    )
    assert series.pixel_size_um == {"x": 0.1, "y": 0.2, "z": 0.5}
    assert series.channel_names == ["DAPI", "GFP"]
    np.testing.assert_array_equal(planes_of(series)[0], pixels)
    if compression == "uncompressed:":
        np.testing.assert_array_equal(planes_in_place(series)[0], pixels)
    else:
        assert series.offsets is None


def read_with_zeiss(path, count):
    with zeiss().open_czi(str(path)) as file:
        return [file.read(plane={"Z": z})[..., 0] for z in range(count)]


@pytest.mark.parametrize(
    ("dtype", "kind"),
    [
        *((dtype, kind) for dtype in ("u1", "u2") for kind in ("jpegxr", "zstd0", "zstd1 plain")),
        ("u2", "zstd1 packed"),
    ],
)
def test_codecs_as_zeiss_reads_them(tmp_path, dtype, kind):
    codecs = pytest.importorskip("imagecodecs", reason="the package imagecodecs is not installed")
    image = stack(3).astype(dtype)
    encode, compression = {
        "jpegxr": (lambda p: codecs.jpegxr_encode(p, level=1.0), 4),
        "zstd0": (lambda p: codecs.zstd_encode(p.tobytes()), 5),
        "zstd1 plain": (lambda p: b"\1" + codecs.zstd_encode(p.tobytes()), 6),
        "zstd1 packed": (
            lambda p: b"\3\1\1" + codecs.zstd_encode(p.view("u1").reshape(-1, 2).T.tobytes()),
            6,
        ),
    }[kind]
    tiles = [({"X": 0, "Y": 0, "Z": z}, plane) for z, plane in enumerate(image)]
    path = write_czi(tmp_path / "a.czi", tiles, compression=compression, encode=encode)
    (series,) = open_series(path)
    assert series.offsets is None
    np.testing.assert_array_equal(planes_of(series), read_with_zeiss(path, 3))
    np.testing.assert_array_equal(planes_of(series), image)


@pytest.mark.parametrize("kind", ["plain", "zstd1"])
def test_codecs_of_colours_as_zeiss_reads_them(tmp_path, kind):
    codecs = pytest.importorskip("imagecodecs", reason="the package imagecodecs is not installed")
    image = random.integers(0, 255, (20, 30, 3), dtype="u1")
    encode, compression = {
        "plain": (np.ndarray.tobytes, 0),
        "zstd1": (lambda p: b"\1" + codecs.zstd_encode(p.tobytes()), 6),
    }[kind]
    tiles = [({"X": 0, "Y": 0, "C": 0}, image)]
    path = write_czi(tmp_path / "a.czi", tiles, compression=compression, encode=encode)
    (series,) = open_series(path)
    with zeiss().open_czi(str(path)) as file:
        blue_first = file.read()
    for sample in range(3):
        np.testing.assert_array_equal(series.read((0, sample)), blue_first[..., 2 - sample])


def test_jpeg_xr_names_the_order_of_its_colours_itself(tmp_path):
    codecs = pytest.importorskip("imagecodecs", reason="the package imagecodecs is not installed")
    image = random.integers(0, 255, (20, 30, 3), dtype="u1")
    tiles = [({"X": 0, "Y": 0, "C": 0}, image)]
    encode = lambda p: codecs.jpegxr_encode(p, level=1.0)  # noqa: E731
    path = write_czi(tmp_path / "a.czi", tiles, compression=4, encode=encode)
    (series,) = open_series(path)
    for sample in range(3):
        np.testing.assert_array_equal(series.read((0, sample)), image[..., sample])


@pytest.mark.parametrize(
    ("kind", "reason"), [("jpegxr", "invalid out.shape"), ("zstd0", "buffer is too small")]
)
def test_what_a_tile_claims_takes_no_memory(tmp_path, kind, reason):
    codecs = pytest.importorskip("imagecodecs", reason="the package imagecodecs is not installed")
    encode, compression = {
        "jpegxr": (lambda p: codecs.jpegxr_encode(p[:-1], level=1.0), 4),
        "zstd0": (lambda p: codecs.zstd_encode(p.tobytes() + b"more"), 5),
    }[kind]
    tiles = [({"X": 0, "Y": 0}, stack(1)[0])]
    path = write_czi(tmp_path / "a.czi", tiles, compression=compression, encode=encode)
    with pytest.raises(ClearfieldError, match=rf"a\.czi cannot be read as a CZI file .*{reason}"):
        open_series(path)[0].read(())


def test_channels_below_zero_have_no_name(tmp_path):
    tiles = [({"X": 0, "Y": 0, "C": -9}, stack(1)[0])]
    assert open_series(write_czi(tmp_path / "a.czi", tiles))[0].channel_names == []


@pytest.mark.parametrize(("header", "compression"), [(b"", 5), (b"\1", 6)])
def test_a_tile_that_compresses_to_its_own_size(tmp_path, header, compression):
    codecs = pytest.importorskip("imagecodecs", reason="the package imagecodecs is not installed")
    encode = lambda p: header + codecs.zstd_encode(p.tobytes())  # noqa: E731
    noise = random.integers(0, 256, 400, dtype="u1")
    images = [np.append(noise[:-n], noise[:n]).reshape(20, 20) for n in range(9, 40)]
    image = next(image for image in images if len(encode(image)) == image.nbytes)
    tiles = [({"X": 0, "Y": 0}, image)]
    path = write_czi(tmp_path / "a.czi", tiles, compression=compression, encode=encode)
    np.testing.assert_array_equal(open_series(path)[0].read(()), image)


def test_bytes_are_put_apart_of_16_bits_only(tmp_path):
    codecs = pytest.importorskip("imagecodecs", reason="the package imagecodecs is not installed")
    encode = lambda p: b"\3\1\1" + codecs.zstd_encode(p.tobytes())  # noqa: E731
    tiles = [({"X": 0, "Y": 0}, stack(1)[0].astype("f4"))]
    (series,) = open_series(write_czi(tmp_path / "a.czi", tiles, compression=6, encode=encode))
    with pytest.raises(ClearfieldError, match="a tile of float32 whose bytes were put apart"):
        series.read(())


@pytest.mark.parametrize("more", [(1, 1), (0, 1), (1, 0)])
def test_an_image_with_a_row_or_a_column_more_than_its_tile(tmp_path, more):
    codecs = pytest.importorskip("imagecodecs", reason="the package imagecodecs is not installed")
    image = stack(1)[0]
    padding = [(0, number) for number in more]
    encode = lambda p: codecs.jpegxr_encode(np.pad(p, padding), level=1.0)  # noqa: E731
    path = write_czi(tmp_path / "a.czi", [({"X": 0, "Y": 0}, image)], compression=4, encode=encode)
    np.testing.assert_array_equal(open_series(path)[0].read(()), image)


def test_a_tile_that_was_left_as_it_is(tmp_path):
    image = stack(1)[0]
    tiles = [({"X": 0, "Y": 0}, image)]
    (series,) = open_series(write_czi(tmp_path / "a.czi", tiles, compression=6))
    np.testing.assert_array_equal(series.read(()), image)


def test_a_damaged_tile_is_an_error(tmp_path):
    pytest.importorskip("imagecodecs", reason="the package imagecodecs is not installed")
    tiles = [({"X": 0, "Y": 0, "Z": z}, plane) for z, plane in enumerate(stack(2))]
    path = write_czi(tmp_path / "a.czi", tiles, compression=6, encode=lambda p: b"\1no zstd")
    (series,) = open_series(path)
    with pytest.raises(ClearfieldError, match=r"a\.czi cannot be read as a CZI file"):
        series.read((0,))


@pytest.mark.parametrize("scale", [None, 1])
def test_without_calibration(tmp_path, scale):
    items = f'<Distance Id="X"><Value>{scale}</Value></Distance>' if scale else ""
    scaling = f"<Scaling><Items>{items}</Items></Scaling>"
    xml = f"<ImageDocument><Metadata>{scaling}</Metadata></ImageDocument>"
    image = stack(1)
    path = write_czi(tmp_path / "a.czi", [({"X": 0, "Y": 0, "Z": 0}, image[0])], xml)
    (series,) = open_series(path)
    assert series.pixel_size_um == {"x": None, "y": None, "z": None}
    assert series.channel_names == []
    assert series.saturation_level is None


@pytest.mark.parametrize(
    ("before", "within", "behind"),
    [("\n", "", " \0\n"), ("\ufeff<?xml version='1.0'?>", "", "\0"), ("", "\x0b\x01\x1f", "")],
)
def test_metadata_around_which_there_is_more(tmp_path, before, within, behind):
    xml = (
        f"<ImageDocument><Metadata><Comment>{within}</Comment><Scaling><Items>"
        '<Distance Id="X"><Value>1e-7</Value></Distance></Items></Scaling></Metadata>'
        "</ImageDocument>"
    )
    path = write_czi(tmp_path / "a.czi", [({"X": 0, "Y": 0}, stack(1)[0])], before + xml + behind)
    (series,) = open_series(path)
    assert series.pixel_size_um["x"] == 0.1


@pytest.mark.parametrize("step", [0.25, -0.25])
def test_the_step_of_a_z_stack_where_the_scaling_has_none(tmp_path, step):
    xml = (
        '<ImageDocument><Metadata><Scaling><Items><Distance Id="X"><Value>1e-7</Value></Distance>'
        "</Items></Scaling><Information><Image><Dimensions><Z><Positions><Interval>"
        f"<Start>-1</Start><Increment>{step}</Increment></Interval></Positions></Z></Dimensions>"
        "</Image></Information></Metadata></ImageDocument>"
    )
    tiles = [({"X": 0, "Y": 0, "Z": z}, plane) for z, plane in enumerate(stack(2))]
    (series,) = open_series(write_czi(tmp_path / "a.czi", tiles, xml))
    assert series.pixel_size_um == {"x": 0.1, "y": None, "z": 0.25}


@pytest.mark.parametrize(
    ("recorded", "shown", "names"),
    [
        ('<Channel Name="a"/><Channel/>', "", ["a", ""]),
        ('<Channel Name="a"/><Channel/>', '<Channel/><Channel Name="b"/>', ["a", "b"]),
        ("<Channel><Fluor>EGFP</Fluor></Channel>", "", ["EGFP", ""]),
        ("", "<Channel><DyeName>Cy3</DyeName></Channel><Channel/>", ["Cy3", ""]),
        ("<Channel/>", "<Channel/><Channel/>", []),
    ],
)
def test_names_of_channels(tmp_path, recorded, shown, names):
    xml = (
        f"<ImageDocument><Metadata><DisplaySetting><Channels>{shown}</Channels></DisplaySetting>"
        f"<Information><Image><Dimensions><Channels>{recorded}</Channels></Dimensions></Image>"
        "</Information></Metadata></ImageDocument>"
    )
    tiles = [({"X": 0, "Y": 0, "C": c}, plane) for c, plane in enumerate(stack(2))]
    (series,) = open_series(write_czi(tmp_path / "a.czi", tiles, xml))
    assert series.channel_names == names


def test_names_go_by_the_number_of_a_channel(tmp_path):
    with zeiss().create_czi(str(tmp_path / "a.czi")) as file:
        for c in (3, 5):
            file.write(stack(1)[0][..., None], plane={"C": c})
        file.write_metadata("a", channel_names={3: "three", 5: "five"})
    (series,) = open_series(tmp_path / "a.czi")
    assert series.channel_names == ["three", "five"]


@pytest.mark.parametrize("compression", ["uncompressed:", "zstd1:PreProcess=HiLoByteUnpack"])
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_rgb_comes_as_red_green_blue(tmp_path, dtype, compression):
    blue_first = random.integers(0, 255 if dtype == "u1" else 60000, (20, 30, 3)).astype(dtype)
    with zeiss().create_czi(str(tmp_path / "a.czi"), compression_options=compression) as file:
        file.write(blue_first, plane={"C": 0})
    (series,) = open_series(tmp_path / "a.czi")
    assert (series.axes[-3:], series.shape[-3:], series.index_axes) == ("YXS", (20, 30, 3), "TCZS")
    for sample in range(3):
        np.testing.assert_array_equal(series.read((0, 0, 0, sample)), blue_first[..., 2 - sample])


def test_channels_of_different_types_take_the_wider(tmp_path):
    wide, narrow = stack(1)[0], random.integers(0, 255, (20, 30), dtype="u1")
    with zeiss().create_czi(str(tmp_path / "a.czi")) as file:
        file.write(wide[..., None], plane={"C": 0})
        file.write(narrow[..., None], plane={"C": 1})
    (series,) = open_series(tmp_path / "a.czi")
    assert (series.dtype, series.shape) == (np.dtype("u2"), (1, 2, 1, 20, 30))
    np.testing.assert_array_equal(series.read((0, 0, 0)), wide)
    np.testing.assert_array_equal(series.read((0, 1, 0)), narrow)


def test_grey_levels_beside_colours(tmp_path):
    grey = stack(1)[0]
    with zeiss().create_czi(str(tmp_path / "a.czi")) as file:
        file.write(np.zeros((20, 30, 3), "u1"), plane={"C": 0})
        file.write(grey[..., None], plane={"C": 1})
    (series,) = open_series(tmp_path / "a.czi")
    assert (series.axes, series.dtype, series.offsets) == ("TCZYX", np.dtype("u2"), None)
    np.testing.assert_array_equal(series.read((0, 1, 0)), grey)
    with pytest.raises(ClearfieldError, match=r"T=0 C=0 Z=0: .* colours beside grey levels; take"):
        series.read((0, 0, 0))


def test_scenes_of_different_shape_and_far_apart(tmp_path):
    first, second = stack(3), stack(2, 12, 40)
    with zeiss().create_czi(str(tmp_path / "a.czi"), compression_options="zstd1:") as file:
        for z, plane in enumerate(first):
            file.write(plane[..., None], plane={"Z": z}, scene=0)
        for z, plane in enumerate(second):
            file.write(plane[..., None], plane={"Z": z}, scene=1, location=(90000, 70000))
    a, b = open_series(tmp_path / "a.czi")
    np.testing.assert_array_equal(planes_of(a)[0, 0], first)
    np.testing.assert_array_equal(planes_of(b)[0, 0], second)


@pytest.mark.parametrize("compression", ["uncompressed:", "zstd1:"])
def test_overlapping_tiles_are_stitched_later_above_earlier(tmp_path, compression):
    left, right = stack(1)[0], stack(1)[0]
    with zeiss().create_czi(str(tmp_path / "a.czi"), compression_options=compression) as file:
        file.write(left[..., None], location=(-5, 7), plane={"Z": 0})
        file.write(right[..., None], location=(20, 10), plane={"Z": 0})
    (series,) = open_series(tmp_path / "a.czi")
    expected = np.zeros((23, 55), "u2")
    expected[:20, :30] = left
    expected[3:, 25:] = right
    assert series.offsets is None
    np.testing.assert_array_equal(series.read((0, 0, 0)), expected)


def test_tiles_far_apart_are_not_merged(tmp_path):
    image = stack(2)
    tiles = [({"X": x, "Y": 0, "M": m}, image[m]) for m, x in enumerate((0, 9000))]
    (series,) = open_series(write_czi(tmp_path / "a.czi", tiles))
    with pytest.raises(ClearfieldError, match=r"tiles far apart: they cover 1 % .*Split Scenes"):
        series.read(())


def test_a_plane_that_was_never_recorded_is_named(tmp_path):
    image = stack(3)
    places = [{"C": 0, "Z": 0}, {"C": 0, "Z": 1}, {"C": 1, "Z": 1}]
    tiles = [({"X": 0, "Y": 0, **place}, plane) for place, plane in zip(places, image, strict=True)]
    (series,) = open_series(write_czi(tmp_path / "a.czi", tiles))
    assert (series.axes, series.shape) == ("CZYX", (2, 2, 20, 30))
    np.testing.assert_array_equal(series.read((1, 1)), image[2])
    with pytest.raises(ClearfieldError, match=r"without the plane C=1 Z=0 \(it has 3 of 4\)"):
        series.read((1, 0))


@pytest.mark.parametrize("axis", "TZ")
def test_a_plane_that_is_missing_everywhere_is_missed(tmp_path, axis):
    image = stack(3)
    places = zip((1, 2, 4), image, strict=True)
    tiles = [({"X": 0, "Y": 0, axis: number}, plane) for number, plane in places]
    (series,) = open_series(write_czi(tmp_path / "a.czi", tiles))
    assert (series.shape[0], series.offsets) == (4, None)
    np.testing.assert_array_equal(series.read((3,)), image[2])
    with pytest.raises(ClearfieldError, match=rf"without the plane {axis}=2 \(it has 3 of 4\)"):
        series.read((2,))


def test_a_mosaic_that_was_stopped(tmp_path):
    image = stack(3)
    places = [{"Z": 0, "X": 0, "M": 0}, {"Z": 0, "X": 25, "M": 1}, {"Z": 1, "X": 0, "M": 0}]
    tiles = [({"Y": 0, **place}, plane) for place, plane in zip(places, image, strict=True)]
    (series,) = open_series(write_czi(tmp_path / "a.czi", tiles))
    assert series.read((0,)).shape == (20, 55)
    with pytest.raises(ClearfieldError, match="recorded with 1 of 2 tiles"):
        series.read((1,))


@pytest.mark.parametrize("compression", ["uncompressed:", "zstd1:"])
def test_mosaic_as_zeiss_composes_it(tmp_path, compression):
    """Nine tiles that overlap, written in any order, over two planes and two scenes."""
    with zeiss().create_czi(str(tmp_path / "a.czi"), compression_options=compression) as file:
        for scene, z in np.ndindex(2, 2):
            for n in random.permutation(9):
                location = (500 * scene + 25 * int(n % 3), 17 * int(n // 3))
                file.write(stack(1)[0][..., None], location, {"Z": z}, scene=scene)
    found = open_series(tmp_path / "a.czi")
    with zeiss().open_czi(str(tmp_path / "a.czi")) as file:
        for (scene, series), z in itertools.product(enumerate(found), range(2)):
            expected = file.read(plane={"Z": z}, scene=scene)[..., 0]
            np.testing.assert_array_equal(series.read((0, 0, z)), expected)


def test_phases_and_views_are_axes_of_their_own(tmp_path):
    image = stack(12)
    tiles = [
        ({"X": 0, "Y": 0, "V": v, "H": h, "Z": z, "B": 0, "S": 0}, image[6 * v + 3 * h + z])
        for v, h, z in np.ndindex(2, 2, 3)
    ]
    (series,) = open_series(write_czi(tmp_path / "a.czi", tiles))
    assert (series.axes, series.shape) == ("VHZYX", (2, 2, 3, 20, 30))
    np.testing.assert_array_equal(planes_of(series).reshape(image.shape), image)
    np.testing.assert_array_equal(planes_in_place(series).reshape(image.shape), image)


@pytest.mark.parametrize(("planes", "shift"), [((3, 2), 0), ((2, 2), 90)])
def test_views_of_their_own_depth_or_place_are_series(tmp_path, planes, shift):
    images = [stack(count) for count in planes]
    tiles = [
        ({"X": v * shift, "Y": 0, "V": v, "C": 0, "Z": z}, plane)
        for v, image in enumerate(images)
        for z, plane in enumerate(image)
    ]
    found = open_series(write_czi(tmp_path / "a.czi", tiles))
    assert [(one.name, one.axes) for one in found] == [("view 0", "CZYX"), ("view 1", "CZYX")]
    for one, image in zip(found, images, strict=True):
        np.testing.assert_array_equal(planes_in_place(one)[0], image)


def test_a_pyramid_is_left_out(tmp_path):
    image = stack(2)
    tiles = [({"X": 0, "Y": 0, "C": c, "T": 5, "M": 0}, image[c]) for c in range(2)]
    tiles += [({"X": 0, "Y": 0, "C": c}, image[c, ::2, ::2].copy(), 2) for c in range(2)]
    (series,) = open_series(write_czi(tmp_path / "a.czi", tiles))
    assert series.axes == "TCYX"
    np.testing.assert_array_equal(planes_in_place(series)[0], image)


@pytest.mark.parametrize("scale", [2, 0.5])
def test_a_channel_of_other_pixels_is_not_lost(tmp_path, scale):
    """Binned by its camera, or super-resolved: at first sight as the tiles of a pyramid."""
    image = stack(2)
    tiles = [({"X": 0, "Y": 0, "C": 0}, image[0]), ({"X": 0, "Y": 0, "C": 1}, image[1], scale)]
    path = write_czi(tmp_path / "a.czi", tiles)
    with pytest.raises(ClearfieldError, match=r"a\.czi has the plane C=1 only with pixels"):
        open_series(path)


def test_a_block_of_several_planes(tmp_path):
    image = stack(6).reshape(2, 3, 20, 30)
    tiles = [({"X": 0, "Y": 0, "C": 0, "Z": 5, "T": t}, image + t) for t in range(2)]
    (series,) = open_series(write_czi(tmp_path / "a.czi", tiles))
    assert (series.axes, series.shape) == ("TCZYX", (2, 3, 2, 20, 30))
    expected = np.stack([image, image + 1]).transpose(0, 2, 1, 3, 4)
    np.testing.assert_array_equal(planes_of(series), expected)
    np.testing.assert_array_equal(planes_in_place(series), expected)


def test_a_dimension_that_is_not_known_is_an_axis(tmp_path):
    image = stack(2)
    tiles = [({"X": 0, "Y": 0, "A": a}, plane) for a, plane in enumerate(image)]
    (series,) = open_series(write_czi(tmp_path / "a.czi", tiles))
    assert (series.axes, series.shape) == ("AYX", (2, 20, 30))
    np.testing.assert_array_equal(planes_of(series), image)


@pytest.mark.parametrize("second", [0, 1])
def test_a_subset_keeps_the_numbers_of_its_source(tmp_path, second):
    """Z begins at 7, T is 5 and the scene is 3."""
    image = stack(4, 10, 10)
    tiles = [
        ({"X": 10 * m, "Y": 0, "T": 5, "Z": 7 + z, "S": 3, "M": m}, image[2 * m + z])
        for m, z in np.ndindex(1 + second, 2)
    ]
    (series,) = open_series(write_czi(tmp_path / "a.czi", tiles))
    assert series.sizes == {"T": 1, "Z": 2, "Y": 10, "X": 10 * (1 + second)}
    expected = np.concatenate([image[:2], image[2:]], axis=2) if second else image[:2]
    np.testing.assert_array_equal(planes_of(series)[0], expected)


def test_threads_read_tiles_at_once(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    image = stack(16)
    with zeiss().create_czi(str(tmp_path / "a.czi"), compression_options="zstd1:") as file:
        for z, plane in enumerate(image):
            file.write(plane[..., None], plane={"Z": z})
    (series,) = open_series(tmp_path / "a.czi")
    with ThreadPoolExecutor(4) as pool:
        planes = list(pool.map(lambda z: series.read((0, 0, z)), range(16)))
    np.testing.assert_array_equal(planes, image)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.99])
def test_truncated(tmp_path, share):
    tiles = [({"X": 0, "Y": 0, "Z": z}, plane) for z, plane in enumerate(stack())]
    path = write_czi(tmp_path / "cut.czi", tiles)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(ClearfieldError, match=r"cut\.czi .*(truncated|cannot be read)"):
        open_series(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "is empty"), (b"text\n" * 100, "not a CZI file"), (b"ZISRAWFILE", "cannot be read")],
)
def test_not_a_czi(tmp_path, content, reason):
    path = tmp_path / "a.czi"
    path.write_bytes(content)
    with pytest.raises(ClearfieldError, match=rf"a\.czi .*{reason}"):
        open_series(path)


def test_part_of_several_files(tmp_path):
    path = write_czi(tmp_path / "a.czi", [({"X": 0, "Y": 0}, stack(1)[0])], part=2)
    with pytest.raises(ClearfieldError, match="part 2 of an image in several files"):
        open_series(path)


@pytest.mark.parametrize("part", [1, 0])
@pytest.mark.parametrize("name", ["a (1).czi", "a(1).czi"])
def test_first_of_several_files(tmp_path, name, part):
    tiles = [({"X": 0, "Y": 0}, stack(1)[0])]
    path = write_czi(tmp_path / "a.czi", tiles)
    write_czi(tmp_path / name, tiles, part=part)
    if part:
        with pytest.raises(ClearfieldError, match=r"a\.czi is an image in several files \(a ?\(1"):
            open_series(path)
    else:  # a copy, as file managers and browsers name it
        assert len(open_series(path)) == 1


def test_a_file_that_was_never_closed(tmp_path):
    path = write_czi(tmp_path / "a.czi", [({"X": 0, "Y": 0}, stack(1)[0])])
    content = path.read_bytes()
    path.write_bytes(content[:84] + bytes(16) + content[100:])
    with pytest.raises(ClearfieldError, match=r"a\.czi has no list of its tiles: it is still"):
        open_series(path)


def test_missing_reader_says_what_to_install(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    tiles = [({"X": 0, "Y": 0}, plane) for plane in stack(1)]
    path = write_czi(tmp_path / "a.czi", tiles, compression=6, encode=lambda p: b"\1zstd")
    (series,) = open_series(path)
    with pytest.raises(ClearfieldError, match=r"a\.czi needs .* `pip install imagecodecs`"):
        series.read(())
