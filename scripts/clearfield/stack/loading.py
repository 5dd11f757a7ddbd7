"""From a file of any known format to a stack: pick the series, order its axes, write it down."""

import glob
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from ..errors import ClearfieldError
from ..filters.parallel import run_tasks
from ..formats.axes import Arrangement, arrange
from ..formats.known_formats import open_series
from ..formats.plane_folders import list_planes
from ..formats.remote import file_name, is_remote
from ..formats.series import Series
from ..results.whole_files import replacing
from .description import Stack, check_raw, fingerprint, this_boot


def load(path: str, stack: str | Path, settings: dict, *, threads: int = 1) -> Stack:
    """Describe a file's stack in `stack`; decode it there only where it cannot be used in place.

    Parameters
    ----------
    path : str
        A file, a folder or a glob, as the user wrote it.
    stack : path
        The .stack file to write.
    settings : dict
        ``series`` (a number or a name), ``axes``, ``select``, ``pixel_size_um``,
        ``channel_names``; each optional.
    threads : int
        For decoding.

    Raises
    ------
    ClearfieldError
        One sentence that names the file and what is wrong with it.
    """
    name = file_name(path) if is_remote(path) else Path(path).name
    before = {file: fingerprint(file) for file in raw_files(path)}
    held = open_series(path)
    number = find_number(held, settings.get("series") or 0, name)
    series = held[number]
    arranged = arrange(series, settings.get("axes"), settings.get("select") or {}, name)
    dtype = stored_dtype(series.dtype, name)
    description = Stack(
        shape=arranged.shape,
        dtype=dtype.str,
        files=[],
        offsets=[],
        pixel_size_um=_pixel_size(_relabel_sizes(series, settings), settings.get("pixel_size_um")),
        channel_names=_channel_names(series, arranged, settings, name),
        saturation_level=series.saturation_level,
        source={"name": name}
        | ({} if is_remote(path) else {"bytes": _bytes(path, before)})
        | {"series": number}
        | ({"series_in_file": len(held)} if len(held) > 1 else {})
        | ({"notes": series.notes} if series.notes else {}),
        settings=settings,
    )
    in_place = series.offsets is not None and arranged.plane_axes == "YX" and dtype == series.dtype
    if in_place:
        planes = [arranged.index_axes.index(axis) for axis in "TCZ" if axis in arranged.index_axes]
        order = arranged.numbers.transpose(planes).ravel()
        used = sorted(set(series.offsets[order, 0].tolist()))
        place = {file: number for number, file in enumerate(used)}
        description.files = [series.files[file] for file in used]
        description.offsets = [[place[f], at] for f, at in series.offsets[order].tolist()]
        description.fingerprints = [fingerprint(file) for file in description.files]
        with replacing(stack, sync=False) as temporary:  # the whole of it can be read, or nothing
            temporary.write_bytes(description.header())
    else:
        description.watched = before
        # To wait for the disk would take longer than to decode, and for a file that is gone before
        # the disk has it: `read_stack` knows one that may have lost pixels with the power. What is
        # written through a map may meet a full disk later.
        if set(arranged.plane_axes) == set("YX"):
            description.boot = this_boot()
        with replacing(stack, sync=not description.boot) as temporary:
            try:
                _decode(series, arranged, description, dtype, temporary, threads)
            finally:  # the likelier reason for whatever went wrong
                for file, known in before.items():
                    check_raw(file, known)
    return description


def raw_files(path: str) -> list[str]:
    """List the files whose change during a run would be seen: not the many parts of a Zarr."""
    here = Path(path)
    if here.is_file() or is_remote(path):
        return [path]
    if here.suffix.lower() == ".zarr" or not (here.is_dir() or glob.has_magic(path)):
        return []
    found = {*(here.iterdir() if here.is_dir() else map(Path, glob.glob(path)))}
    found |= set(map(Path, list_planes(path)))  # also those in subfolders
    return sorted(str(file) for file in found if file.is_file())


def stored_dtype(dtype: np.dtype, name: str) -> np.dtype:
    """Give the dtype of a stack for that of a file.

    Truth values become 0 and 1, half floats single ones; nothing else is converted.

    Raises
    ------
    ClearfieldError
        For complex numbers, 64-bit integers and text, which no OME-TIFF of grey levels holds.

    Examples
    --------
    >>> str(stored_dtype(np.dtype(bool), "")), str(stored_dtype(np.dtype("float16"), ""))
    ('uint8', 'float32')
    """
    if dtype.kind == "b":
        return np.dtype("u1")
    if dtype.kind == "f" and dtype.itemsize == 2:
        return np.dtype("f4")
    if dtype.kind not in "iuf" or (dtype.kind in "iu" and dtype.itemsize > 4) or dtype.itemsize > 8:
        raise ClearfieldError(
            f"{name} has pixels of type {dtype.name}; clearfield takes integers of up to 32 bits "
            "and floating-point numbers, so convert it first"
        )
    return dtype


def find_number(found: Sequence[Series], wanted: int | str, name: str) -> int:
    """Find a series by its number from 0, or by the name that the file gives it.

    Raises
    ------
    ClearfieldError
        Where there is none, or several have that name.

    Examples
    --------
    >>> both = [Series(name, "YX", (2, 2), None, None) for name in ("Pos2", "Pos0")]
    >>> find_number(both, "Pos0", "a.tif"), find_number(both, 0, "a.tif")
    (1, 0)
    """
    if isinstance(wanted, str):
        names = getattr(found, "names", None) or [series.name for series in found]
        if names.count(wanted) == 1:
            return names.index(wanted)
        if wanted in names:
            raise ClearfieldError(
                f"{name} has {names.count(wanted)} series of the name {wanted!r}; set "
                "load_stack.series to the number of one, as list_inputs shows them"
            )
        if wanted == "all":
            raise ClearfieldError(
                f"{name} is to give all its series (load_stack.series: all), which no list names "
                "yet; run the target list_inputs first"
            )
        known = ", ".join(repr(one) for one in names[:10]) + (", ..." if len(names) > 10 else "")
        raise ClearfieldError(
            f"{name} has no series of the name {wanted!r}, which is load_stack.series; its names "
            f"are {known}"
        )
    if not 0 <= wanted < len(found):
        few = (
            "1 series, number 0"
            if len(found) == 1
            else f"{len(found)} series, 0 to {len(found) - 1}"
        )
        raise ClearfieldError(f"{name} has {few}; load_stack.series is {wanted}")
    return wanted


def _relabel_sizes(series: Series, settings: dict) -> dict[str, float | None]:
    """Let each size go with its axis: of an XZ scan with ``axes: "YX"`` y takes the size of Z."""
    found = series.pixel_size_um
    letters = (settings.get("axes") or series.axes).lower()
    pairs = [pair for pair in zip(series.axes.lower(), letters, strict=True) if len(set(pair)) > 1]
    moved = {new: found.get(old) for old, new in pairs if old in "xyz"}
    left = {old for old, _ in pairs}
    return {a: moved.get(a, None if a in left else found.get(a)) for a in "xyz"}


def _pixel_size(found: dict, given: float | dict | None) -> dict[str, float | None]:
    """The user's size replaces the file's: a number for x and y, or a part for each axis."""
    if given is None:
        return {axis: found.get(axis) for axis in "xyz"}
    if not isinstance(given, dict):
        given = {"x": given, "y": given}
    return {axis: given.get(axis, found.get(axis)) for axis in "xyz"}


def _channel_names(series: Series, arranged: Arrangement, settings: dict, name: str) -> list[str]:
    given, count = settings.get("channel_names"), arranged.shape[1]
    if given is not None:
        if len(given) != count:
            raise ClearfieldError(
                f"{name} has {count} channel{'s' * (count != 1)}; load_stack.channel_names has "
                f"{len(given)}"
            )
        return [str(text) for text in given]
    names = series.channel_names
    chosen = (settings.get("select") or {}).get("C")
    if chosen is not None and len(names) == series.sizes.get("C"):
        names = [names[chosen]]
    names = names if len(names) == count else []
    return [names[i] if names and names[i] else f"channel {i}" for i in range(count)]


def _bytes(path: str, raw: Iterable[str]) -> int:
    here = Path(path)
    files = here.rglob("*") if here.is_dir() else map(Path, raw)
    return sum(file.stat().st_size for file in files if file.is_file())


def _decode(
    series: Series,
    arranged: Arrangement,
    description: Stack,
    dtype: np.dtype,
    path: Path,
    threads: int,
) -> None:
    """Write the header and the decoded planes, in parts shared among threads."""
    dtype = dtype.newbyteorder("=")
    description.dtype = dtype.str
    header = description.header(decoded=True)
    size = len(header) + math.prod(arranged.shape) * dtype.itemsize
    path.write_bytes(header)
    if set(arranged.plane_axes) == set("YX"):
        _decode_planes(series, arranged, description, dtype, path, threads)
    else:
        _decode_across(series, arranged, dtype, path, len(header), size)


def _decode_planes(
    series: Series,
    arranged: Arrangement,
    description: Stack,
    dtype: np.dtype,
    path: Path,
    threads: int,
) -> None:
    width = arranged.shape[4]
    lengths = series.index_shape
    transposed = arranged.plane_axes == "XY"
    descriptor = os.open(path, os.O_WRONLY)
    _allocate(descriptor, description.offsets[-1][1] + description.plane_bytes)
    axes = [arranged.index_axes.index(axis) for axis in "TCZ" if axis in arranged.index_axes]
    numbers = arranged.numbers.transpose(axes).ravel().tolist()

    def write(offset: int, decode) -> None:
        parts = (part.T if transposed else part for part in decode())
        _write_all(descriptor, [np.ascontiguousarray(part, dtype) for part in parts], offset)

    def tasks():
        for number, (_, start) in zip(numbers, description.offsets, strict=True):
            if series.bands is not None and not transposed:
                for first, _, decode in series.bands(number):
                    yield start + first * width * dtype.itemsize, decode
            else:
                index = tuple(int(i) for i in np.unravel_index(number, lengths)) if lengths else ()
                yield start, lambda index=index: [series.read(index)]

    try:
        run_tasks(write, tasks(), threads)
    finally:
        os.close(descriptor)


def _allocate(descriptor: int, size: int) -> None:
    """Have a file's blocks chosen at once, where that is possible: writing then costs a third less.

    `os.posix_fallocate` would write into each block where the file system cannot.
    """
    import ctypes

    libc = ctypes.CDLL(None)
    if hasattr(libc, "fallocate"):  # Linux; where it fails, so will writing, and say why
        libc.fallocate(descriptor, 0, ctypes.c_int64(0), ctypes.c_int64(size))


def _write_all(descriptor: int, arrays: list[np.ndarray], offset: int) -> None:
    """Write arrays one behind the other in as few calls as the system allows."""
    rest = [memoryview(array).cast("B") for array in arrays]
    while rest:
        written = os.pwritev(descriptor, rest[:64], offset)
        offset += written
        while rest and written >= len(rest[0]):
            written -= len(rest.pop(0))
        if written:
            rest[0] = rest[0][written:]


def _decode_across(
    series: Series, arranged: Arrangement, dtype: np.dtype, path: Path, start: int, size: int
) -> None:
    """Write planes that do not lie in the stack's Y and X, through a map of the file."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.posix_fallocate(descriptor, 0, size)  # a full disk must be an error, not a dead process
    finally:
        os.close(descriptor)
    pixels = np.memmap(path, dtype, "r+", start, arranged.shape)
    present = arranged.index_axes + arranged.plane_axes
    pixels = pixels[tuple(slice(None) if axis in present else 0 for axis in "TCZYX")]
    pixels = pixels.transpose(
        [("".join(a for a in "TCZYX" if a in present)).index(a) for a in present]
    )
    lengths = series.index_shape
    for place in np.ndindex(arranged.numbers.shape):
        index = np.unravel_index(arranged.numbers[place], lengths)
        pixels[place] = series.read(tuple(int(i) for i in index))
