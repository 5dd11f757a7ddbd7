"""Damaged and hostile TIFF files: read, or refused in one sentence, in bounded time and memory."""

import io
import resource
import signal
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import tifffile
from clearfield.errors import ClearfieldError
from clearfield.stack.loading import load
from clearfield.stack.projection import project
from clearfield.workflow.resources import measure
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SECONDS = 20
MEGABYTES = 1500


def _sources() -> dict[str, bytes]:
    """Small files, one for each way of writing a stack."""
    stack = np.arange(3 * 16 * 16, dtype="u2").reshape(3, 16, 16)
    channels = np.arange(2 * 3 * 16 * 16, dtype="u1").reshape(3, 2, 16, 16)
    files = {}

    def write(name: str, array: np.ndarray, **options) -> None:
        file = io.BytesIO()
        tifffile.imwrite(file, array, **({"photometric": "minisblack"} | options))
        files[name] = file.getvalue()

    write("plain", stack, metadata=None)
    write("shaped", stack, metadata={"axes": "ZYX"})
    write("imagej", channels.astype("u2"), imagej=True, resolution=(5, 5),
          metadata={"axes": "ZCYX", "unit": "um", "spacing": 0.5, "Labels": ["a"] * 6})  # fmt: skip
    write("ome", channels, ome=True, metadata={
        "axes": "ZCYX", "PhysicalSizeX": 0.2, "PhysicalSizeXUnit": "µm",
        "Channel": {"Name": ["DAPI", "GFP"]}, "SignificantBits": 7})  # fmt: skip
    write("big", stack, bigtiff=True, metadata={"axes": "ZYX"})
    write("big-endian", stack.astype(">u2"), byteorder=">", metadata={"axes": "ZYX"})
    write("deflate", stack, compression="zlib", rowsperstrip=4, metadata={"axes": "ZYX"})
    write("lzw", stack, compression="lzw", predictor=True, metadata={"axes": "ZYX"})
    write("tiled", np.tile(stack, (1, 3, 3)), tile=(16, 16), compression="zlib", metadata=None)
    write("rgb", np.zeros((2, 16, 16, 3), "u1"), photometric="rgb", metadata={"axes": "ZYXS"})
    return files


SOURCES = _sources()
NUMBERS = st.sampled_from(
    [0, 1, 2, 3, 8, 255, 256, 65535, 2**16, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1]
) | st.integers(0, 2**64 - 1)


def entries(data: bytes) -> list[tuple[int, int]]:
    """Offset and length of each entry of each directory."""
    order = "<" if data[:2] == b"II" else ">"
    big = data[2:4] in (b"+\0", b"\0+")
    count, link, size = ("Q", "Q", 20) if big else ("H", "I", 12)
    (at,) = struct.unpack_from(order + link, data, 8 if big else 4)
    found = []
    while at:
        (number,) = struct.unpack_from(order + count, data, at)
        at += struct.calcsize(count)
        found += [(at + size * index, size) for index in range(number)]
        (at,) = struct.unpack_from(order + link, data, at + size * number)
    return found


@st.composite
def damaged(draw) -> tuple[str, bytes]:
    """A file with some entries of its directories, bytes or text changed, or cut short."""
    name = draw(st.sampled_from(sorted(SOURCES)))
    data = bytearray(SOURCES[name])
    places = entries(SOURCES[name])
    order = "<" if data[:2] == b"II" else ">"
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["value", "count", "type", "code", "bytes", "text", "cut"]))
        at, size = draw(st.sampled_from(places))
        if at + size > len(data):
            continue
        if kind in ("value", "count"):
            half = (size - 4) // 2
            number = draw(NUMBERS) % 2 ** (8 * half)
            packed = struct.pack(order + ("Q" if half == 8 else "I"), number)
            start = at + 4 + half * (kind == "value")
            data[start : start + half] = packed
        elif kind in ("type", "code"):
            number = draw(st.integers(0, 20) | st.integers(250, 350) | st.integers(0, 65535))
            start = at + 2 * (kind == "type")
            data[start : start + 2] = struct.pack(order + "H", number)
        elif kind == "bytes":
            start = draw(st.integers(0, len(data) - 1))
            new = draw(st.binary(min_size=1, max_size=8))
            data[start : start + len(new)] = new
        elif kind == "text":
            text = draw(
                st.sampled_from([b"Size", b"slices=", b"channels=", b'"', b"<", b"=", b"{"])
            )
            start = data.find(text, draw(st.integers(0, max(len(data) - 1, 0))))
            if start >= 0:
                new = draw(
                    st.sampled_from([b"9" * len(text), b"&lt;", b"\0", b"-1", b"\xff", b"]"])
                )
                start += draw(st.integers(0, len(text)))
                data[start : start + len(new)] = new
        else:
            del data[draw(st.integers(0, len(data) - 1)) :]
    return name, bytes(data)


@contextmanager
def bounded() -> Iterator[None]:
    """An end of memory and of time for this process, for a while."""

    def too_long(*_):
        raise TimeoutError(f"more than {SECONDS} s")

    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEGABYTES * 2**20, before[1]))
    handler = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)
        resource.setrlimit(resource.RLIMIT_AS, before)


def check(folder: Path, data: bytes) -> None:
    """Take a file through what the driver, load_stack and project_stack do with it."""
    path = folder / "a.ome.tif"
    path.write_bytes(data)
    with bounded():
        measure.__wrapped__((str(path),))
        try:
            stack = load(str(path), folder / "a.stack", {})
            planes = stack.open()
            statistics: list[dict] = []
            for *_, block in project(planes, "max", statistics=statistics):
                assert block.ndim == 2
        except ClearfieldError as error:
            assert len(str(error)) < 2000
            assert "\n" not in str(error)
    left = {file.name for file in folder.iterdir()}
    assert left <= {"a.ome.tif", "a.stack"}
    for name in left:
        (folder / name).unlink()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


COMMON = {
    "deadline": None,
    "database": None,
    "derandomize": True,
    "suppress_health_check": list(HealthCheck),
}


def test_the_sources_are_read_whole(folder):
    for name, data in SOURCES.items():
        (folder / "a.tif").write_bytes(data)
        settings_of = {"axes": "ZYXC"} if name == "rgb" else {}
        if name in ("plain", "tiled"):
            settings_of = {"axes": "ZYX"}
        assert load(str(folder / "a.tif"), folder / "a.stack", settings_of).shape[2] >= 2, name
        (folder / "a.stack").unlink()
    (folder / "a.tif").unlink()


@settings(max_examples=150, **COMMON)
@given(damaged())
def test_damaged_files(folder, file):
    check(folder, file[1])


@pytest.mark.second_tier
@settings(max_examples=4000, **COMMON)
@given(damaged())
def test_many_damaged_files(folder, file):
    check(folder, file[1])


@pytest.mark.second_tier
@pytest.mark.parametrize("name", sorted(SOURCES))
def test_every_length_of_a_file_cut_short(folder, name):
    data = SOURCES[name]
    for length in range(0, len(data), max(1, len(data) // 150)):
        check(folder, data[:length])


def test_an_offset_beyond_any_file_is_no_error_of_the_estimates(tmp_path):
    """Found at random: a description said to lie at byte 2^63."""
    entry = struct.pack("<HHQQ", 270, 2, 38, 2**63)
    path = tmp_path / "a.tif"
    path.write_bytes(struct.pack("<2sHHHQQ", b"II", 43, 8, 0, 16, 1) + entry + bytes(8))
    assert measure((str(path),)).file_bytes == 0


@pytest.mark.parametrize(("kind", "value"), [(11, 1.5), (9, -200)])  # FLOAT, SLONG
@pytest.mark.parametrize("name", ["plain", "imagej", "deflate"])
def test_strips_where_none_can_be(name, kind, value, folder):
    """Found at random."""
    data = bytearray(SOURCES[name])
    order = "<" if data[:2] == b"II" else ">"
    for at, _ in entries(SOURCES[name]):
        if struct.unpack_from(order + "H", data, at) == (273,):
            count = struct.unpack_from(order + "I", data, at + 4)[0]
            places = at + 8 if count == 1 else struct.unpack_from(order + "I", data, at + 8)[0]
            struct.pack_into(order + "H", data, at + 2, kind)
            struct.pack_into(order + ("f" if kind == 11 else "i"), data, places, value)
    check(folder, bytes(data))
