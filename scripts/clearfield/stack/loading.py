"""From a file of any known format to a stack: pick the series, order its axes, write it down."""

import glob
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from ..errors import ClearfieldError
from ..formats.axes import Arrangement, arrange
from ..formats.known_formats import open_series
from ..formats.parts import one_part_a_plane
from ..formats.plane_folders import list_planes
from ..formats.remote import file_name, is_remote
from ..formats.same_file import check_raw, fingerprint
from ..formats.series import Series
from ..results.whole_files import replacing
from .description import Stack


def load(path: str, stack: str | Path, settings: dict, *, copied: bool = False) -> Stack:
    """Describe a file's stack in `stack`; no pixel is read.

    Parameters
    ----------
    path : str
        A file, a folder or a glob, as the user wrote it.
    stack : path
        The .stack file to write.
    settings : dict
        ``series`` (a number or a name), ``axes``, ``select``, ``pixel_size_um``,
        ``channel_names``; each optional.
    copied : bool
        Whether the file is a copy that the workflow made. Where results lie in a storage, each job
        may be handed a newer one, so its size alone has to be the same.

    Raises
    ------
    ClearfieldError
        One sentence that names the file and what is wrong with it.
    """
    name = file_name(path) if is_remote(path) else Path(path).name
    before = {file: fingerprint(file) for file in raw_files(path)}
    told = slice(1) if copied else slice(None)
    held = open_series(path)
    number = find_number(held, settings.get("series") or 0, name)
    series = held[number]
    arranged = arrange(series, settings.get("axes"), settings.get("select") or {}, name)
    dtype = stored_dtype(series.dtype, name)
    description = Stack(
        shape=arranged.shape,
        dtype=dtype.str,
        stored=series.dtype.str,
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
    if series.offsets is not None and arranged.plane_axes == "YX":
        _set_offsets(description, series, arranged)
    else:
        description.dtype = dtype.newbyteorder("=").str
        _set_parts(description, series, arranged, {"path": path, "series": number})
        description.watched = {file: known[told] for file, known in before.items()}
    for file, known in before.items():
        check_raw(file, known)
    description.fingerprints = [known[told] for known in description.fingerprints]
    with replacing(stack, sync=False) as temporary:  # the whole of it can be read, or nothing
        temporary.write_bytes(description.text())
    return description


def _set_offsets(description: Stack, series: Series, arranged: Arrangement) -> None:
    """Say where planes lie that are in the files as they are."""
    planes = [arranged.index_axes.index(axis) for axis in "TCZ" if axis in arranged.index_axes]
    order = arranged.numbers.transpose(planes).ravel()
    used = sorted(set(series.offsets[order, 0].tolist()))
    place = {file: number for number, file in enumerate(used)}
    description.files = [series.files[file] for file in used]
    description.offsets = [[place[f], at] for f, at in series.offsets[order].tolist()]
    description.fingerprints = [fingerprint(file) for file in description.files]


def _set_parts(description: Stack, series: Series, arranged: Arrangement, reader: dict) -> None:
    """Say where the parts that a stack consists of lie, and what they reach over.

    Raises
    ------
    ClearfieldError
        Where one of them cannot be had.
    """
    if series.parts is None:  # each plane is a part that only the reader can give
        codec = {"name": "series", **reader}
        parts = one_part_a_plane(codec, series.index_shape, series.plane_shape)
    else:
        parts = series.parts()
    description.decoded_shape = list(parts.shape)
    for axis in reversed(range(len(arranged.taken))):  # the last first: what is behind moves up
        if not isinstance(arranged.taken[axis], str):
            parts = parts.take(axis, arranged.taken[axis])
    letters = [letter for letter in arranged.taken if isinstance(letter, str)]
    places = {letters[axis]: at for at, axis in enumerate(parts.axes) if axis >= 0}
    starts = np.zeros((len(parts.starts), 5), np.int64)
    shape = [1] * 5
    for number, letter in enumerate("TCZYX"):
        if letter in places:
            starts[:, number] = parts.starts[:, places[letter]]
            shape[number] = parts.shape[places[letter]]
    # "like" is a hash that another process would not give: the same file has the same description.
    description.codec = {name: value for name, value in parts.codec.items() if name != "like"}
    description.files = parts.files
    description.fingerprints = [fingerprint(file) for file in parts.files]
    description.part_shape = tuple(map(int, shape))
    description.part_axes = [letters[axis] if axis >= 0 else -1 - axis for axis in parts.axes]
    for where in parts.where:
        if isinstance(where, str):
            raise ClearfieldError(where)
    description.parts = [
        [*start, where] for start, where in zip(starts.tolist(), parts.where, strict=True)
    ]


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
