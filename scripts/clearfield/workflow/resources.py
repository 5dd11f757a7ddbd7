"""Memory, time, disk and threads of a job from the header of its input; no pixels, no numpy.

The memory that a rule takes was measured as the peak of resident memory over planes of 0.1 MB to
2.3 GB; tests/cluster/test_resources.py measures it again and holds the estimates to a factor of 2.
"""

import os
import re
import struct
from dataclasses import dataclass
from functools import cache
from types import ModuleType

from ..methods.known_methods import method_of
from .light import light_is_corrected

_TAGS = {
    256: "width", 257: "height", 258: "bits", 259: "compression", 277: "samples", 278: "rows",
    322: "tile_width", 323: "tile_height",
}  # fmt: skip
_DESCRIPTION = 270
_FORMATS = {3: "H", 4: "I", 16: "Q"}
# On a cluster a job runs under up to two processes of Snakemake, 130 MB each, within its request.
SNAKEMAKE_MB = 270
_MARGIN = 1.25  # of what was measured
_SHOWN_PIXELS = 2**24  # of a plane on the page; larger ones are shown smaller
_VIEWS = 12  # three times of four channels
_WHOLE = ("max", "min")  # projections that keep whole numbers
_OUTPUT_BYTES = {"max": None, "min": None, "sum": 8, "mean": 4, "std": 4, "median": 4}
_RUNNING_BYTES = {"max": None, "min": None, "sum": 8, "mean": 8, "std": 24}


@dataclass(frozen=True)
class Geometry:
    """What is known of a stack before it is read.

    Attributes
    ----------
    file_bytes : int
        Of the input on disk.
    plane_bytes, plane_pixels : int
        Of one plane in memory.
    depth : int
        Planes along Z; 1 where the header does not say, which is the safe side for what is written.
    part_bytes : int
        Of the strips, tiles or frames that planes are decoded from, in memory; 0 where planes lie
        in the file as they are.
    """

    file_bytes: int
    plane_bytes: int
    plane_pixels: int
    depth: int
    part_bytes: int


@cache
def measure(files: tuple[str, ...]) -> Geometry:
    """Estimate the geometry of a stack.

    Parameters
    ----------
    files : tuple of str
        Of the stack. A TIFF tells the size of its planes; of other formats only the size of the
        file is known, and a plane is taken to be a tenth of it, of 16 bits.

    Returns
    -------
    Geometry
        Zeros where nothing can be read: the job itself says what is wrong.
    """
    try:
        total = sum(_size(file) for file in files)
        header = _read_tiff_header(files[0])
    except (OSError, struct.error, IndexError, ValueError, OverflowError):
        return Geometry(0, 0, 0, 1, 0)
    if header is None:
        return guess(total)
    pixels = header.get("width", 0) * header.get("height", 0)
    plane = pixels * header.get("bits", 16) // 8
    part = 0
    if header.get("compression", 1) != 1:
        part = min(header.get("rows", header.get("height", 0)) * header.get("width", 0), pixels)
        part = header.get("tile_width", 0) * header.get("tile_height", 0) or part
        part = part * header.get("bits", 16) // 8
    elif plane > total:  # a header may claim anything
        pixels, plane = 0, total
    return Geometry(total, plane, pixels, header.get("depth", 1), part)


def guess(file_bytes: int) -> Geometry:
    """Estimate the geometry of a stack of which only the size of its file is known."""
    plane = min(file_bytes, max(file_bytes // 10, 2**23))
    return Geometry(file_bytes, plane, plane // 2, 1, plane)


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
                where = data[:width]
                if values * width > len(data):  # several values lie elsewhere; they are alike
                    file.seek(struct.unpack(order + ("Q" if big else "I"), data)[0])
                    where = file.read(width)
                found[_TAGS[tag]] = struct.unpack(order + _FORMATS[kind], where)[0]
            elif tag == _DESCRIPTION and values > 8:
                file.seek(struct.unpack(order + ("Q" if big else "I"), data)[0])
                text = file.read(min(values, 2**16))
                if depth := re.search(rb'\bSizeZ="(\d{1,6})"|^slices=(\d{1,6})$', text, re.M):
                    found["depth"] = max(1, int(depth[1] or depth[2]))
    return found


def job_threads(geometry: Geometry) -> int:
    """Give 1 where start-up is most of a job, so that two jobs share two cores; else 4."""
    return 4 if geometry.file_bytes > 2**28 or geometry.plane_bytes > 2**26 else 1


def job_memory_mb(rule: str, geometry: Geometry, config: dict) -> int:
    """Estimate what a job takes of a node's memory in MB, rounded up to 50.

    Parameters
    ----------
    rule : str
        Of the job.
    geometry : Geometry
        Of its stack.
    config : dict
        That holds for its sample.

    Returns
    -------
    int
        The job's own memory with a margin, and that of the Snakemake that runs it on a node.
    """
    peak = _MARGIN * _peak_mb(rule, geometry, config) + SNAKEMAKE_MB
    return int(-(-peak // 50) * 50)


def _peak_mb(rule: str, geometry: Geometry, config: dict) -> float:
    """Peak of resident memory of a job's own process in MB, as measured; filters work in bands."""
    threads = job_threads(geometry)
    plane, pixels = geometry.plane_bytes / 2**20, geometry.plane_pixels / 2**20
    projection = config["project_stack"]["method"]
    if rule == "fetch_stack":
        return 100  # fsspec and its libraries; a file goes through in small parts
    if rule == "load_stack":
        return 60
    # Each thread holds one part as it is stored, and decoded.
    decoding = geometry.part_bytes > 0
    parts = 15 + threads * (8 + 2.5 * geometry.part_bytes / 2**20) if decoding else 0
    if rule == "keep_stack":
        return 35 + parts + (min(geometry.depth * plane, 256) if decoding else 20)
    if rule == "project_stack":
        most = 256 if decoding else 128
        if projection == "median":
            planes = geometry.depth * plane if geometry.depth > 1 else 10 * plane
            rows = min(planes, most) if decoding else 45 * threads
            return 50 + parts + rows + (min(4 * pixels, 128) if decoding else 0)
        running = _RUNNING_BYTES[projection]
        results = min(plane if running is None else running * pixels, most)
        finish = 4 * pixels if projection in ("mean", "std") else 0
        return 35 + results + min(finish, most) + (parts or 10 * threads)
    written = _OUTPUT_BYTES[projection]
    projected = plane if written is None else written * pixels
    if rule == "correct_light":
        # A profile as it was read and as it divides, for each of four channels.
        return 60 + projected + 4 * 12 * pixels
    if light_is_corrected(config["correct_light"]):
        projected = max(projected, 4 * pixels)
    filters = {method_of(choice) for choice in _choices(config["subtract_background"])}
    dog = any(method.COMPUTES_IN_FLOAT for method in filters)
    other = not all(method.COMPUTES_IN_FLOAT for method in filters)
    whole = max(_held_mb(config["subtract_background"], pixels))
    smooth = _smooths(config["subtract_background"])
    if rule == "plot_qc":
        # From 256 MB on, planes are tiled, and read by rows; below, they are mapped.
        mapped = projected if projected < 256 else 0
        large = pixels >= 64  # a background of 256 MB is put on the disk
        drawn = 60 + 8 * pixels**0.5 + mapped / 2 if large else min(12 * pixels, 180 + pixels)
        blurred = min(24 * pixels, 380 + 0.6 * pixels) * smooth
        packed = _packed_bytes(geometry, config) / 2**20
        return 85 + max((2.05 * mapped or 30) * other, drawn * dog, whole, blurred) + packed
    banded = min(4.3 * projected, 350 + 0.3 * projected, 410 + 0.05 * projected) * other
    blurred = min(10 + 20 * pixels, 350 + 1.4 * pixels) * smooth
    return 35 + max(banded, whole, blurred, (10 + 8 * pixels**0.5 + min(projected, 340)) * dog)


def _packed_bytes(geometry: Geometry, config: dict) -> float:
    """Give what the planes for the page take; they are held until all are packed."""
    if not config["plot_qc"]["planes"] or not geometry.plane_bytes:
        return 0
    stacks = geometry.file_bytes * (4 if geometry.part_bytes else 1)
    views = min(max(1, stacks // (geometry.depth * geometry.plane_bytes)), _VIEWS)
    # Where nothing is rounded, the result is not kept: it is projection - background.
    rounded = any(method.COMPUTES_IN_FLOAT for method, _ in _in_use(config["subtract_background"]))
    planes = 3 if rounded or _smooths(config["subtract_background"]) else 2
    if geometry.plane_pixels > _SHOWN_PIXELS or config["project_stack"]["method"] not in _WHOLE:
        planes = 3
    return views * planes * 2 * min(geometry.plane_pixels, _SHOWN_PIXELS)


def _held_mb(settings: dict, pixels: float) -> list[float]:
    """Give what each method in use holds of a plane of so many 2**20 pixels, in MB."""
    return [method.held_mb(sizes, pixels) for method, sizes in _in_use(settings)]


def _smooths(settings: dict) -> bool:
    """Say whether a method in use estimates the background on a blurred copy."""
    return any(sizes.get(size) for method, sizes in _in_use(settings) for size in method.SMOOTHING)


def _in_use(settings: dict) -> list[tuple[ModuleType, dict]]:
    """Give each method in use with its sizes and options."""
    return [
        (
            method_of(choice),
            settings.get(choice["method"], {}) | choice.get(choice["method"], {}),
        )
        for choice in _choices(settings)
    ]


def _choices(settings: dict) -> list[dict]:
    """Give the tables that say method and sizes: the sample's own, and those of its channels."""
    own = {"method": settings["method"]}
    return [settings, *(own | channel for channel in settings["channels"].values())]


def job_runtime_min(rule: str, geometry: Geometry) -> int:
    """Estimate the time of a job in minutes, generously: a scheduler ends what runs longer.

    A file server may give 10 MB/s; the slowest filter (dog) takes 0.3 s for a million pixels. To
    start Snakemake and Python from a slow one may take a minute.

    Examples
    --------
    >>> job_runtime_min("plot_qc", Geometry(2**20, 2**17, 2**16, 8, 0))
    2
    >>> job_runtime_min("plot_qc", Geometry(2**30, 2**17, 2**16, 8192, 0))
    14
    """
    minutes_per_gb = 4 if rule in ("load_stack", "keep_stack", "project_stack") else 12
    return max(2, 2 + round(minutes_per_gb * geometry.file_bytes / 2**30))


def job_disk_mb(rule: str, geometry: Geometry, config: dict) -> int:
    """Estimate what a job writes, in MB, rounded up to 1.

    Encoded stacks are taken to be four times their file: what lossless compression saves at most
    on noisy images.
    """
    stack = geometry.file_bytes * (4 if geometry.part_bytes else 1)
    written = 2**20
    if rule == "fetch_stack":
        written += geometry.file_bytes
    elif rule == "keep_stack":
        written += stack
    elif rule == "plot_qc":
        written += int(_packed_bytes(geometry, config))
    elif rule in ("project_stack", "correct_light", "subtract_background", "save_background"):
        pixel_bytes = geometry.plane_bytes / geometry.plane_pixels if geometry.plane_pixels else 2
        output = _OUTPUT_BYTES[config["project_stack"]["method"]] or pixel_bytes
        if rule != "project_stack":  # signed values may need a float
            output = max(output, 4)
        written += int(stack / geometry.depth * output / pixel_bytes)
    return -(-written // 2**20)
