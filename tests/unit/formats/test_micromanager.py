"""Micro-Manager's stacks: a file for each position, or several for one, described three times."""

import json
import struct

import numpy as np
import pytest
from clearfield.errors import ClearfieldError
from clearfield.stack.description import read_stack
from clearfield.stack.loading import load, open_series

PIXELS = np.random.default_rng(3).integers(0, 4096, (2, 2, 3, 2, 8, 9), dtype="u2")  # P T Z C Y X
SUMMARY = {
    "MicroManagerVersion": "2.0.0", "Prefix": "x", "Positions": 2, "Frames": 2, "Slices": 3,
    "Channels": 2, "SlicesFirst": True, "TimeFirst": False, "ChNames": ["DAPI", "GFP"],
    "z-step_um": 1.5, "PixelSize_um": 0.2, "BitDepth": 12,
}  # fmt: skip
IMAGEJ = b"ImageJ=1.52p\nimages=12\nchannels=2\nslices=3\nframes=2\nhyperstack=true\n\0"
OTHER = b'<OME><BinaryOnly MetadataFile="x_MMStack_Pos0.ome.tif"/></OME>\0'


def write(path, places, summary=SUMMARY):
    """Write planes (position, time, z, channel) as Micro-Manager does, for OME and ImageJ too."""
    text = json.dumps(summary).encode()
    data, index, link = bytearray(40) + text + bytes(len(text) % 2), [], 4
    for number, (p, t, z, c) in enumerate(places):
        at = len(data)
        index.append((c, z, t, p, at))
        struct.pack_into("<I", data, link, at)
        count = 15 if number == 0 else 13  # tifffile counts on 13
        pixels = at + 6 + 12 * count
        after = pixels + PIXELS[p, t, z, c].nbytes
        tags = [
            (256, 4, 1, 9),
            (257, 4, 1, 8),
            (258, 3, 1, 16),
            (259, 3, 1, 1),
            (262, 3, 1, 1),
            (273, 4, 1, pixels),
            (277, 3, 1, 1),
            (278, 3, 1, 8),
            (279, 4, 1, after - pixels),
            (282, 5, 1, after),
            (283, 5, 1, after),
            (296, 3, 1, 3),
            (51123, 2, 5, after + 8),
        ]
        more = struct.pack("<II", 50000, 1) + b"{  }\0"
        if number == 0:
            start = after + len(more)
            tags[5:5] = [(270, 2, len(OTHER), start), (270, 2, len(IMAGEJ), start + len(OTHER))]
            more += OTHER + IMAGEJ
        data += struct.pack("<H", count) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
        link = len(data)
        data += bytes(4) + PIXELS[p, t, z, c].tobytes() + more
        data += bytes(len(data) % 2)
    where = len(data)
    data += struct.pack("<II", 3453623, len(index))
    data += b"".join(struct.pack("<5I", *entry) for entry in index)
    struct.pack_into("<2sH", data, 0, b"II", 42)
    struct.pack_into("<8I", data, 8, 54773648, where, 0, 0, 0, 0, 2355492, len(text))
    path.write_bytes(data)
    return str(path)


def places(positions=(0, 1), times=(0, 1)):
    return [(p, t, z, c) for p in positions for t in times for z in range(3) for c in range(2)]


def read(path, tmp_path, **settings):
    target = tmp_path / "a.stack"
    load(path, target, settings)
    stack = read_stack(target)
    planes = stack.open()
    pixels = np.stack([planes[index] for index in np.ndindex(stack.shape[:3])])
    return stack, pixels.reshape(stack.shape)


def test_positions_of_one_file_are_series(tmp_path):
    path = write(tmp_path / "x_MMStack.ome.tif", places())
    for position in (0, 1):
        stack, found = read(path, tmp_path, series=position)
        assert np.array_equal(found, PIXELS[position].swapaxes(1, 2))
    assert stack.channel_names == ["DAPI", "GFP"]
    assert stack.pixel_size_um == {"x": 0.2, "y": 0.2, "z": 1.5}
    assert stack.saturation_level == 4095


def test_a_file_of_one_position_is_that_position(tmp_path):
    for position in (0, 1):
        write(tmp_path / f"x_MMStack_Pos{position}.ome.tif", places([position]))
    for position in (0, 1):
        path = str(tmp_path / f"x_MMStack_Pos{position}.ome.tif")
        assert [series.name for series in open_series(path)] == [f"position {position}"]
        assert np.array_equal(read(path, tmp_path)[1], PIXELS[position].swapaxes(1, 2))


@pytest.mark.parametrize("key", ["StagePositions", "InitialPositionList"])
def test_positions_have_the_names_of_the_microscope(key, tmp_path):
    summary = {**SUMMARY, key: [{"Label": "B02 left"}, {"Label": "A01"}]}
    path = write(tmp_path / "x_MMStack.ome.tif", places(), summary)
    assert [series.name for series in open_series(path)] == ["B02 left", "A01"]
    for number, name in enumerate(("B02 left", "A01")):
        stack, found = read(path, tmp_path, series=name)
        assert np.array_equal(found, PIXELS[number].swapaxes(1, 2))
        assert stack.source["series"] == number


@pytest.mark.parametrize("labelled", [True, False])
def test_a_file_without_those_of_other_positions_has_its_own_name(labelled, tmp_path):
    """tifffile then counts from the first position that is there."""
    labels = [{"Label": name} for name in ("B02", "A01", "C07")]
    summary = {**SUMMARY, "Positions": 3} | ({"StagePositions": labels} if labelled else {})
    path = write(tmp_path / "x_MMStack_Pos1.ome.tif", places([1]), summary)
    (series,) = open_series(path)
    assert series.name == ("A01" if labelled else "")
    assert np.array_equal(read(path, tmp_path)[1], PIXELS[1].swapaxes(1, 2))


def test_a_stack_in_two_files(tmp_path):
    summary = {**SUMMARY, "Positions": 1}
    for time, end in enumerate(("", "_1")):
        path = write(tmp_path / f"x_MMStack_Pos0{end}.ome.tif", places([0], [time]), summary)
        if not time:
            first = path
    assert np.array_equal(read(first, tmp_path)[1], PIXELS[0].swapaxes(1, 2))
    data = (tmp_path / "x_MMStack_Pos0_1.ome.tif").read_bytes()
    where = struct.unpack_from("<I", data, 12)[0]
    cut = bytearray(data)
    struct.pack_into("<I", cut, where + 8 + 5 * 20 + 16, len(data))  # the last plane's place
    (tmp_path / "x_MMStack_Pos0_1.ome.tif").write_bytes(cut)
    with pytest.raises(ClearfieldError, match="1 of the 12 pages"):
        open_series(first)


def test_an_index_that_numbers_what_cannot_be(tmp_path):
    path = tmp_path / "x_MMStack_Pos0.ome.tif"
    data = bytearray((write(path, places()), path.read_bytes())[1])
    where = struct.unpack_from("<I", data, 12)[0]
    struct.pack_into("<I", data, where + 8 + 4, 2**31)  # a slice
    path.write_bytes(data)
    with pytest.raises(ClearfieldError, match="more than there are"):
        open_series(str(path))


def test_an_acquisition_that_was_stopped(tmp_path):
    path = write(tmp_path / "x_MMStack_Pos0.ome.tif", places([0])[:-1])
    with pytest.raises(ClearfieldError, match="1 of the 12 pages"):
        open_series(path)
