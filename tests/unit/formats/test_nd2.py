"""ND2: files built by hand in the layout of NIS-Elements, and a real one (SHARED_DATA)."""

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

nd2 = pytest.importorskip("nd2", reason="the package nd2 is not installed")

from clearfield.errors import ClearfieldError  # noqa: E402
from clearfield.formats.nd2 import open_series  # noqa: E402

DATA = os.environ.get("SHARED_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="SHARED_DATA names no folder with real images")
random = np.random.default_rng(4)
KINDS = {bool: "bool", int: "lx_uint32", float: "double", str: "CLxStringW"}


def variant(value, name="no_name"):
    """Write a dict as the XML that NIS-Elements stores; a list is one of nameless items."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else (("no_name", v) for v in value)
        inner = "".join(variant(v, k) for k, v in items)
        return f'<{name} runtype="CLxListVariant">{inner}</{name}>'
    text = str(value).lower() if isinstance(value, bool) else value
    return f'<{name} runtype="{KINDS[type(value)]}" value="{text}"/>'


def chunk(name, data, name_bytes=None):
    name = name.ljust(name_bytes or len(name), b"\0")
    return struct.pack("<IIQ", 0x0ABECEDA, len(name), len(data)) + name + data


def loop_of(axis, count, inner):
    loops = {
        "T": (1, {"uiCount": count, "dStart": 0.0, "dPeriod": 1.0, "dDuration": 9.0}),
        "P": (2, {"Points": [{"dPosX": float(p), "dPosName": f"well {p}"} for p in range(count)]}),
        "Z": (4, {"uiCount": count, "dZStep": 0.5}),
    }
    kind, parameters = loops[axis]
    found = {"eType": kind, "uLoopPars": parameters}
    return found | ({"ppNextLevelEx": [inner]} if inner else {})


def write_nd2(path, frames, loops=(), *, names=("DAPI",), calibration=0.25, bits=12, padding=0,
              compressed=False, leave_out=(), probe=True, claimed_rows=None,
              more=None):  # fmt: skip
    """Write frames, each (Y, X) or (Y, X, components), of loops (axis, count), slowest first.

    `compressed` is False, True or "lossy"; `more` are metadata.
    """
    height, width, components = *frames[0].shape[:2], frames[0][0, 0].size
    itemsize = frames[0].itemsize
    experiment = None
    for axis, count in reversed(loops):
        experiment = loop_of(axis, count, experiment)
    attributes = {
        "uiWidth": width, "uiWidthBytes": width * components * itemsize + padding,
        "uiHeight": claimed_rows or height, "uiComp": components, "uiBpcInMemory": 8 * itemsize,
        "uiBpcSignificant": bits, "uiSequenceCount": len(frames),
        "eCompression": {False: 2, True: 0, "lossy": 1}[compressed],
    }  # fmt: skip
    metadata = {
        "bCalibrated": calibration is not None,
        "dCalibration": calibration or 1.0,
        "sPicturePlanes": {
            "uiCount": len(names),
            "sPlaneNew": {
                f"a{n}": {"sDescription": name, "uiCompCount": components // len(names)}
                | ({"pFluorescentProbe": {"sName": "dye"}} if probe else {})
                for n, name in enumerate(names)
            },
        },
    } | (more or {})
    chunks = {b"ImageAttributesLV!": attributes, b"ImageMetadataSeqLV|0!": metadata}
    if experiment:
        chunks[b"ImageMetadataLV!"] = experiment
    content = chunk(b"ND2 FILE SIGNATURE CHUNK NAME01!", b"Ver3.0".ljust(64, b"\0"))
    listed = b""
    for name, value in chunks.items():
        listed += name + struct.pack("<QQ", len(content), 0)
        content += chunk(name, f"<variant>{variant(value)}</variant>".encode())
    for number, frame in enumerate(frames):
        if number in leave_out:
            continue
        name = f"ImageDataSeq|{number}!".encode()
        listed += name + struct.pack("<QQ", len(content), 0)
        rows = frame.reshape(height, -1).view("u1")
        data = np.pad(rows, ((0, 0), (0, padding)), constant_values=99).tobytes()
        data = zlib.compress(data) if compressed else data
        content += chunk(name, struct.pack("<d", 0.0) + data, 4072)
    location = len(content)
    listed += b"ND2 CHUNK MAP SIGNATURE 0000001!" + struct.pack("<Q", location)
    path.write_bytes(content + chunk(b"ND2 FILEMAP SIGNATURE NAME 0001!", listed))
    return path


def write_legacy(path, frames, *, names=("DAPI",), calibration=0.25, bits=None, loops=True):
    """Write frames (T, components, Y, X[, S]) in the JPEG 2000 layout of NIS-Elements 2."""
    codecs = pytest.importorskip("imagecodecs", reason="the package imagecodecs is not installed")
    height, width = frames.shape[2:4]
    components = frames.shape[4] if frames.ndim == 5 else len(names)
    bits = bits or 8 * frames.itemsize
    content, entries = b"", []

    def box(kind, name, data):
        nonlocal content
        entries.append(struct.pack("<4s4sI4x", kind, name, len(content)))
        content += struct.pack(">I4s", 8 + len(data), kind) + data

    header = struct.pack(">I4siihBBBB", 22, b"ihdr", height, width, components, bits - 1, 7, 0, 0)
    box(b"jP  ", b"", b"\r\n\x87\n")
    box(b"jp2h", b"", header)
    planes = {
        f"_{n:05}": {"uiCompCount": components, "sOpticalConfigName": name, "uiColor": 255}
        for n, name in enumerate(names)
    }
    metadata = variant({
        "dCalibration": calibration or 1.0, "bCalibrated": calibration is not None,
        "sPicturePlanes": {"uiCount": len(names), "uiCompCount": components, "sPlane": planes},
    })  # fmt: skip
    for frame in frames:
        box(b"uuid", b"VCAL", b"<variant/>")
        box(b"uuid", b"VIMD", metadata.encode())
        for component in frame:
            data = codecs.jpeg2k_encode(component, level=0, codecformat="j2k", bitspersample=bits)
            box(b"jp2c", b"LUNK", data)
    period = {"uiCount": len(frames), "dStart": 0.0, "dPeriod": 1.0, "dDuration": 1.0}
    loop = {"eType": 8, "uLoopPars": {"uiCount": len(frames), "pPeriod": {"_0": period}}}
    if loops:
        box(b"uuid", b"AIMD", variant(loop).encode())
    chunk_map = struct.pack(">I", len(entries)) + b"".join(entries)
    end = b"LABORATORY IMAGING ND BOX MAP 00" + struct.pack("<Q", len(chunk_map) + 40)
    path.write_bytes(content + chunk_map + end)
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
def test_real_file():
    path = Path(DATA, "04_nd2/example-zstack.nd2")
    (series,) = open_series(path)
    assert (series.axes, series.shape, series.dtype) == ("ZYX", (11, 128, 128), np.dtype("u2"))
    assert series.pixel_size_um == pytest.approx({"x": 0.3233903, "y": 0.3233903, "z": 6.0})
    assert (series.channel_names, series.saturation_level) == (["FITC BP"], 65535)
    pixels = planes_of(series)
    assert (pixels.min(), np.median(pixels), pixels.max()) == (0, 421, 5482)
    np.testing.assert_array_equal(pixels, nd2.imread(path))
    np.testing.assert_array_equal(planes_in_place(series), pixels)


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
@pytest.mark.parametrize("compressed", [False, True])
def test_z_stack(tmp_path, dtype, compressed):
    pixels = counting(3, 8, 10, dtype=dtype)
    path = write_nd2(tmp_path / "a.nd2", pixels, [("Z", 3)], compressed=compressed)
    (series,) = open_series(path)
    assert (series.axes, series.shape, series.dtype) == ("ZYX", (3, 8, 10), np.dtype(dtype))
    assert series.pixel_size_um == {"x": 0.25, "y": 0.25, "z": 0.5}
    assert series.channel_names == ["DAPI"]
    assert series.saturation_level == (None if dtype == "f4" else 4095)
    np.testing.assert_array_equal(planes_of(series), pixels)
    assert (series.offsets is None) == compressed
    if not compressed:
        np.testing.assert_array_equal(planes_in_place(series), pixels)


def test_padded_rows_are_not_used_in_place(tmp_path):
    pixels = counting(3, 8, 9)
    (series,) = open_series(write_nd2(tmp_path / "a.nd2", pixels, [("Z", 3)], padding=2))
    assert series.offsets is None
    np.testing.assert_array_equal(planes_of(series), pixels)


def test_channels_are_interleaved_in_a_frame(tmp_path):
    pixels = counting(2, 3, 8, 10, 2)
    loops = [("T", 2), ("Z", 3)]
    names = ("DAPI", "GFP")
    path = write_nd2(tmp_path / "a.nd2", pixels.reshape(6, 8, 10, 2), loops, names=names)
    (series,) = open_series(path)
    assert (series.axes, series.shape) == ("TZCYX", (2, 3, 2, 8, 10))
    assert series.channel_names == ["DAPI", "GFP"]
    assert series.offsets is None
    np.testing.assert_array_equal(planes_of(series), pixels.transpose(0, 1, 4, 2, 3))


@pytest.mark.parametrize("order", ["PZ", "ZP", "TPZ", "PTZ"])
def test_positions_are_series(tmp_path, order):
    counts = {"T": 2, "P": 3, "Z": 4}
    shape = [counts[axis] for axis in order]
    pixels = counting(*shape, 8, 10)
    loops = [(axis, counts[axis]) for axis in order]
    found = open_series(write_nd2(tmp_path / "a.nd2", pixels.reshape(-1, 8, 10), loops))
    assert [series.name for series in found] == ["well 0", "well 1", "well 2"]
    for position, series in enumerate(found):
        assert series.axes == order.replace("P", "") + "YX"
        expected = np.moveaxis(pixels, order.index("P"), 0)[position]
        np.testing.assert_array_equal(planes_of(series), expected)
        np.testing.assert_array_equal(planes_in_place(series), expected)


def test_colours(tmp_path):
    pixels = counting(2, 8, 10, 3, dtype="u1")
    path = write_nd2(tmp_path / "a.nd2", pixels, [("Z", 2)], names=("RGB",), bits=8)
    (series,) = open_series(path)
    assert (series.axes, series.shape, series.index_axes) == ("ZYXS", pixels.shape, "ZS")
    np.testing.assert_array_equal(planes_of(series), pixels.transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(nd2.imread(path), pixels)


def test_components_that_are_no_colours_are_channels(tmp_path):
    pixels = counting(2, 8, 10, 4)
    path = write_nd2(tmp_path / "a.nd2", pixels, [("Z", 2)], names=("one plane",))
    (series,) = open_series(path)
    assert (series.axes, series.shape, series.channel_names) == ("ZCYX", (2, 4, 8, 10), [])
    np.testing.assert_array_equal(planes_of(series), pixels.transpose(0, 3, 1, 2))


@pytest.mark.parametrize("padding", [0, 2])
@pytest.mark.parametrize("compressed", [False, True])
def test_two_colour_images_in_a_frame(tmp_path, padding, compressed):
    pixels = counting(2, 8, 9, 2, 3, dtype="u1")
    path = write_nd2(
        tmp_path / "a.nd2", pixels.reshape(2, 8, 9, 6), [("Z", 2)], names="ab",
        padding=padding, compressed=compressed,
    )  # fmt: skip
    (series,) = open_series(path)
    assert (series.axes, series.index_axes) == ("ZCYXS", "ZCS")
    np.testing.assert_array_equal(planes_of(series), pixels.transpose(0, 3, 4, 1, 2))


def test_a_channel_without_a_name_leaves_the_others_theirs(tmp_path):
    path = write_nd2(tmp_path / "a.nd2", counting(1, 8, 10, 3), names=("DAPI", "", "DAPI"))
    (series,) = open_series(path)
    assert series.channel_names == ["DAPI", "", "DAPI"]


def test_frames_of_no_loop_are_not_lost(tmp_path):
    pixels = counting(6, 8, 10)
    (series,) = open_series(write_nd2(tmp_path / "a.nd2", pixels))
    assert (series.axes, series.shape) == ("QYX", (6, 8, 10))
    np.testing.assert_array_equal(planes_of(series), pixels)
    np.testing.assert_array_equal(planes_in_place(series), pixels)
    path = write_nd2(tmp_path / "b.nd2", pixels, [("Z", 3)])
    with pytest.raises(ClearfieldError, match=r"b\.nd2 has 6 frames, but its loops .* for 3"):
        open_series(path)


def test_the_rest_of_a_round_that_was_stopped_is_left_out(tmp_path):
    """The loops count whole rounds: two of three planes here, where eight frames were recorded."""
    pixels = counting(8, 8, 10)
    (series,) = open_series(write_nd2(tmp_path / "a.nd2", pixels, [("T", 2), ("Z", 3)]))
    np.testing.assert_array_equal(planes_of(series).reshape(6, 8, 10), pixels[:6])


def test_rows_of_a_line_scan_have_no_length(tmp_path):
    path = write_nd2(tmp_path / "a.nd2", counting(1, 8, 10), more={"ePictureYAxis": 2})
    (series,) = open_series(path)
    assert series.pixel_size_um == {"x": 0.25, "y": None, "z": None}


def test_lossy_compression_is_refused(tmp_path):
    image = np.zeros((3, 50, 60), "u2")
    path = write_nd2(tmp_path / "a.nd2", image, [("Z", 3)], compressed="lossy")
    with pytest.raises(ClearfieldError, match=r"a\.nd2 is compressed with loss"):
        open_series(path)


@pytest.mark.parametrize(
    ("dtype", "bits", "names"),
    [("u1", 8, ("DAPI",)), ("u2", 12, ("DAPI",)), ("u2", 16, ("DAPI", "GFP"))],
)
def test_legacy(tmp_path, dtype, bits, names):
    pixels = random.integers(0, 2**bits, (3, len(names), 8, 10)).astype(dtype)
    path = write_legacy(tmp_path / "a.nd2", pixels, names=names, bits=bits)
    (series,) = open_series(path)
    assert (series.axes.replace("C", ""), series.dtype) == ("TYX", np.dtype(dtype))
    assert series.pixel_size_um == {"x": 0.25, "y": 0.25, "z": None}
    assert (series.channel_names, series.saturation_level) == (list(names), 2**bits - 1)
    planes = planes_of(series)
    assert planes.dtype == series.dtype
    np.testing.assert_array_equal(planes.reshape(pixels.shape), pixels)


def test_legacy_colours(tmp_path):
    pixels = random.integers(0, 256, (2, 1, 8, 10, 3), dtype="u1")
    (series,) = open_series(write_legacy(tmp_path / "a.nd2", pixels))
    assert (series.axes, series.shape) == ("TYXS", (2, 8, 10, 3))
    np.testing.assert_array_equal(planes_of(series), pixels[:, 0].transpose(0, 3, 1, 2))


@pytest.mark.parametrize(("count", "axes"), [(1, "YX"), (3, "QYX")])
def test_legacy_without_loops(tmp_path, count, axes):
    pixels = counting(count, 1, 8, 10)
    (series,) = open_series(write_legacy(tmp_path / "a.nd2", pixels, loops=False))
    assert series.axes == axes
    np.testing.assert_array_equal(planes_of(series).reshape(pixels.shape), pixels)


def test_legacy_uncalibrated(tmp_path):
    path = write_legacy(tmp_path / "a.nd2", counting(3, 1, 8, 10), calibration=None)
    (series,) = open_series(path)
    assert series.pixel_size_um == {"x": None, "y": None, "z": None}


def test_one_frame(tmp_path):
    pixels = counting(1, 8, 10)
    (series,) = open_series(write_nd2(tmp_path / "a.nd2", pixels))
    assert (series.axes, series.pixel_size_um["z"]) == ("YX", None)
    np.testing.assert_array_equal(series.read(()), pixels[0])


def test_uncalibrated(tmp_path):
    path = write_nd2(tmp_path / "a.nd2", counting(3, 8, 10), [("T", 3)], calibration=None)
    (series,) = open_series(path)
    assert series.pixel_size_um == {"x": None, "y": None, "z": None}


def test_metadata_that_the_package_cannot_read_leave_the_pixels_good(tmp_path):
    pixels = counting(3, 8, 10)
    (series,) = open_series(write_nd2(tmp_path / "a.nd2", pixels, [("Z", 3)], probe=False))
    assert (series.channel_names, series.pixel_size_um["x"]) == ([], None)
    np.testing.assert_array_equal(planes_of(series), pixels)


def test_a_stopped_acquisition_is_not_filled_with_zeros(tmp_path):
    pixels = counting(6, 8, 10) + 1
    path = write_nd2(tmp_path / "a.nd2", pixels, [("T", 2), ("Z", 3)], leave_out=(4, 5))
    assert nd2.imread(path)[1, 1].max() == 0  # the package's own answer
    (series,) = open_series(path)
    assert series.offsets is None
    np.testing.assert_array_equal(series.read((1, 0)), pixels[3])
    with pytest.raises(ClearfieldError, match=r"without the frame T=1 Z=1 \(it has 4 of 6"):
        series.read((1, 1))


def test_threads_read_at_once(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    pixels = counting(20, 8, 10, 2)
    path = write_nd2(tmp_path / "a.nd2", pixels, [("Z", 20)], names=("a", "b"))
    (series,) = open_series(path)
    with ThreadPoolExecutor(4) as pool:
        planes = list(pool.map(lambda z: series.read((z, 1)), range(20)))
    np.testing.assert_array_equal(planes, pixels[..., 1])


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.99])
def test_truncated(tmp_path, share):
    path = write_nd2(tmp_path / "cut.nd2", counting(4, 50, 60), [("Z", 4)])
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ClearfieldError, match=r"cut\.nd2 .*(truncated|cannot be read)"):
        open_series(path)


def test_a_hole_in_the_middle(tmp_path):
    """As a transfer leaves it that resumed at a wrong place: the map points to other bytes."""
    path = write_nd2(tmp_path / "a.nd2", counting(4, 50, 60), [("Z", 4)])
    content = path.read_bytes()
    path.write_bytes(content[:20000] + content[21000:])
    with pytest.raises(ClearfieldError, match=r"a\.nd2 .*(damaged|cannot be read)"):
        open_series(path)


@pytest.mark.parametrize("name", ["ImageAttributesLV", "ND2 FILEMAP SIGNATURE NAME 0001"])
def test_a_chunk_that_claims_more_than_the_file_has(tmp_path, name):
    """Its length is read before its bytes, and would be taken from memory."""
    path = write_nd2(tmp_path / "a.nd2", counting(4, 50, 60), [("Z", 4)])
    content = path.read_bytes()
    place = content.index(name.encode() + b"!") - 8
    path.write_bytes(content[:place] + struct.pack("<Q", 2**55) + content[place + 8 :])
    with pytest.raises(
        ClearfieldError, match=r"a\.nd2 .*(damaged: ImageAttributesLV is not|map is damaged)"
    ):
        open_series(path)


@pytest.mark.parametrize(("rows", "reason"), [(51, "is damaged: 4"), (10**9, "claims 4 x 1000")])
def test_frames_larger_than_their_bytes_are_not_zeros(tmp_path, rows, reason):
    path = write_nd2(tmp_path / "a.nd2", counting(4, 50, 60), [("Z", 4)], claimed_rows=rows)
    with pytest.raises(ClearfieldError, match=rf"a\.nd2 .*{reason}"):
        open_series(path)


@pytest.mark.parametrize(("content", "reason"), [(b"", "empty"), (b"text " * 99, "cannot be read")])
def test_not_an_nd2(tmp_path, content, reason):
    path = tmp_path / "a.nd2"
    path.write_bytes(content)
    with pytest.raises(ClearfieldError, match=rf"a\.nd2 .*{reason}"):
        open_series(path)
