"""A stack kept as one TIFF file for each plane, with the axes in the names of the files."""

import itertools
import os
import re
from collections import defaultdict
from collections.abc import Sequence
from math import prod
from os import PathLike
from pathlib import Path

import numpy as np

from ..errors import ClearfieldError
from . import tiff
from .beside_planes import read_beside
from .derived import leave_out_by_name, leave_out_projections, say
from .parts import Parts
from .plane_folders import ZARR_METADATA, find_files
from .plane_names import (
    GUID,
    MOST_IN_STEPS,
    PROGRAMS,
    WAVELENGTH_NM,
    WORDS,
    find_idle,
    natural,
    parse_name,
    take_wells,
)
from .series import Series

_ONE_STACK = (
    "; or where the number tells stacks apart, give a glob that matches the planes of one of them"
)


def open_series(path: str | PathLike) -> Sequence[Series]:
    """Describe the stacks that the planes of a folder, or those that a glob matches, make up.

    Parameters
    ----------
    path : path or glob

    Returns
    -------
    sequence of Series
        One for each position (s, p, pos, ...). Axes are those found in the names (z, t, c or ch
        or w, ...; Q where a number has no word), then those of a file. Numbers may begin
        anywhere, but are complete. Uncompressed planes are used where they lie.

    Raises
    ------
    ClearfieldError
        No TIFF file; a gap, which names the first missing file; a plane of another shape or
        type; names that differ in more than numbers.
    """
    if Path(path).is_dir() and any((Path(path) / name).exists() for name in ZARR_METADATA):
        from . import zarr

        return zarr.open_series(path)
    files = find_files(path)
    if Path(path).is_dir() and (Path(files[0]).parent / "NDTiff.index").is_file():
        return tiff.open_series(files[0])  # which knows the others
    files, left_out = leave_out_by_name(files)
    found = _Positions(path, _sort_planes(path, files), say(left_out))
    return found if len(found) > 1 else list(found)


class _Positions(Sequence):
    """The series of a folder, each opened when it is asked for: a plate has many files of others.

    What is wrong with one of several is said only when it is taken.
    """

    def __init__(
        self, path: str | PathLike, planes: dict[str, tuple[str, dict]], notes: list[str]
    ) -> None:
        self._path, self._planes, self._series = path, list(planes.items()), {}
        self._notes = notes
        self.names = list(planes)

    def __len__(self) -> int:
        return len(self._planes)

    def __getitem__(self, number: int) -> Series:
        if number not in self._series:
            name, planes = self._planes[number]
            series = _describe(self._path, name, *planes)
            series.notes = [*self._notes, *series.notes]
            self._series[number] = series
        return self._series[number]


def _sort_planes(path: str | PathLike, files: list[str]) -> dict[str, tuple[str, dict]]:
    """Group files by position: name -> (axes, file for each index)."""
    found: dict[str, dict[tuple, str]] = defaultdict(dict)
    rests, letters = {}, {}
    base = os.path.commonpath([Path(file).parent for file in files])
    names = {file: Path(file).relative_to(base).as_posix() for file in files}
    taken = dict(zip(names, take_wells(list(names.values())), strict=True))
    idle = find_idle([name for name, _ in taken.values()])
    for file, name in names.items():
        without, well = taken[file]
        rest, axes, position = parse_name(without, idle)
        position = "_".join(filter(None, (well, position)))
        rests.setdefault(rest, name)
        letters.setdefault("".join(axes), name)
        if len(letters) > 1:
            first, other = list(letters.values())[:2]
            raise ClearfieldError(
                f"{path}: the names {first} and {other} have different axes; give a glob that "
                "matches the planes of one stack"
            )
        known = found[position].setdefault((rest, *axes.values()), file)
        if known != file:
            raise ClearfieldError(
                f"{path}: {names[known]} and {name} are the same plane by their names; remove one "
                "of them"
            )
    axes = next(iter(letters))
    unknown = _unknown_number(path, rests)
    told_apart = {(position, key[1:]) for position, planes in found.items() for key in planes}
    if len(set(unknown.values())) == len(told_apart) == len(files):
        unknown = {}  # each file has a number of its own: it counts the files, and is no axis
    result = {}
    for position, planes in found.items():
        indices = {
            (unknown[rest], *numbers) if unknown else tuple(numbers): file
            for (rest, *numbers), file in planes.items()
        }
        result[position] = ("Q" * bool(unknown) + axes, indices)
    return dict(sorted(result.items(), key=lambda item: natural(item[0])))


def _unknown_number(path: str | PathLike, rests: dict[str, str]) -> dict[str, int]:
    """Find the one number without a word that differs between names; empty where none does."""
    if len(rests) == 1:
        return {}
    split = {rest: re.split(r"(\d+)", rest) for rest in rests}
    parts = list(split.values())
    if len({len(part) for part in parts}) == 1:
        varying = [n for n in range(len(parts[0])) if len({part[n] for part in parts}) > 1]
        if len(varying) == 1 and varying[0] % 2:
            return {rest: int(part[varying[0]]) for rest, part in split.items()}
    first, other = list(rests.values())[:2]
    raise ClearfieldError(
        f"{path}: the names {first} and {other} differ in more than the numbers of planes; give a "
        'glob that matches the planes of one stack, e.g. "cell3_z*.tif", or where each file is a '
        "stack of its own take the files as samples, not the folder"
    )


def _describe(path: str | PathLike, position: str, axes: str, planes: dict[tuple, str]) -> Series:
    planes, left_out = leave_out_projections(axes, planes)
    values = [sorted(set(numbers)) for numbers in zip(*planes, strict=True)]
    for number, found in enumerate(values):
        # Angles and wavelengths count nothing: none is missing between two of them.
        named = axes[number] in "AE" or isinstance(found[0], str)
        if not named and (axes[number] != "C" or found[0] < WAVELENGTH_NM):
            # A range that is too long to be complete need not be longer.
            last = min(found[-1], found[0] + MOST_IN_STEPS)
            values[number] = range(found[0], last + 1, _step(found))
    _check_complete(path, axes, planes, values)
    shape = tuple(len(found) for found in values)
    ordered = [
        planes[tuple(found[n] for found, n in zip(values, index, strict=True))]
        for index in np.ndindex(*shape)
    ]
    first = _open_plane(ordered[0], None)
    if set(first.axes) & set(axes):
        raise ClearfieldError(
            f"{ordered[0]} has the axes {first.axes} itself and {axes} in its name; if it knows "
            "its whole stack, give that file alone as the path"
        )

    def read(index: tuple[int, ...]) -> np.ndarray:
        file = ordered[int(np.ravel_multi_index(index[: len(shape)], shape)) if shape else 0]
        # Opened for each plane: a folder may hold more files than can be open at once.
        plane = _open_plane(file, first)
        try:
            return plane.read(tuple(index[len(shape) :]))
        finally:  # its functions refer to it: break the circle, so that its file is closed now
            plane.read = plane.parts = None

    sizes, names = read_beside(Path(ordered[0]).parent)
    sizes |= {axis: size for axis, size in first.pixel_size_um.items() if size}
    result = Series(
        name=position,
        axes=axes + first.axes,
        shape=shape + first.shape,
        dtype=first.dtype,
        read=read,
        pixel_size_um={axis: sizes.get(axis) for axis in "xyz"},
        channel_names=_channel_names(axes, values, first, names, planes),
        saturation_level=first.saturation_level,
        notes=say(left_out),
        advice=_ONE_STACK if "Q" in axes else "",
    )
    _set_places(result, ordered, first)
    return result


def _step(numbers: list[int]) -> int:
    """Give the step in which names count: 1, or that of "t0000, t0010, t0020".

    Examples
    --------
    >>> _step([0, 45, 90]), _step([0, 2, 4]), _step([0, 10])
    (45, 1, 1)
    """
    steps = {after - before for before, after in itertools.pairwise(numbers)}
    # ASSUME: nobody loses four of five planes at equal distances; every second one may be lost.
    return min(steps) if len(numbers) > 2 and len(steps) == 1 and min(steps) >= 5 else 1


def _check_complete(
    path: str | PathLike, axes: str, planes: dict[tuple, str], values: list[Sequence]
) -> None:
    """Raise where a plane is missing, with the name that it should have."""
    if len(planes) == prod(len(found) for found in values):
        return
    for number in range(len(planes) + 1):  # one of the first is missing, however many there are
        wanted = ()
        for found in reversed(values):
            number, place = divmod(number, len(found))
            wanted = (found[place], *wanted)
        if wanted not in planes:
            near = min(planes, key=lambda have: _distance(have, wanted))
            base = os.path.commonpath([Path(file).parent for file in planes.values()])
            name = Path(planes[near]).relative_to(base).as_posix()
            plain = GUID.sub("", name)  # which no one can foretell
            missing = _rename(plain, axes, near, wanted)
            if plain != name:
                missing = "*.".join(missing.rpartition(".")[::2])
            raise ClearfieldError(
                f"{path} has a gap: {missing} is missing "
                f"({len(planes)} planes of {prod(len(found) for found in values)}); put it back, "
                "or give a glob that matches a complete part"
            )


def _distance(have: tuple, wanted: tuple) -> int:
    """Tell how unlike two names are; a channel's name is harder to change than a number."""
    return sum((1 + isinstance(a, str)) * (a != b) for a, b in zip(have, wanted, strict=True))


def _rename(name: str, axes: str, have: tuple, wanted: tuple) -> str:
    """Give a name with other numbers.

    Examples
    --------
    >>> _rename("a_z003_ch01.tif", "ZC", (3, 1), (2, 1))
    'a_z002_ch01.tif'
    >>> _rename("img_000000000_DAPI_007.tif", "TCZ", (0, "DAPI", 7), (0, "DAPI", 12))
    'img_000000000_DAPI_012.tif'
    """
    changes = {
        axis: (old, new) for axis, old, new in zip(axes, have, wanted, strict=True) if old != new
    }
    start = name.rpartition("/")[0]
    for program in PROGRAMS:
        if match := program.fullmatch(name, len(start) + bool(start)):
            for group in sorted(match.groupdict(), key=match.start, reverse=True):
                if match[group] is not None and group[0].upper() in changes:
                    _, new = changes.pop(group[0].upper())
                    new = str(new).zfill(len(match[group]))
                    name = name[: match.start(group)] + new + name[match.end(group) :]
            break
    for axis, (old, new) in changes.items():

        def renumber(match: re.Match, axis=axis, old=old, new=new) -> str:
            word, digits = match[1] or "", match[2]
            fits = axis == "Q" or not word or WORDS.get(word.lower()) == axis
            if not fits or int(digits) != old:
                return match[0]
            return match[0][: -len(digits)] + str(new).zfill(len(digits))

        name = re.sub(r"([A-Za-z]*)[_= -]?(\d+)", renumber, name)
    return name


def _open_plane(file: str, first: Series | None) -> Series:
    """Open one file, which holds one image like `first`."""
    found = tiff.open_series(file)
    if len(found) != 1:
        raise ClearfieldError(
            f"{file} holds {len(found)} series, so it is not one plane of a stack; give it alone "
            "as the path, with load_stack.series"
        )
    plane = found[0]
    if first is not None and (
        plane.shape != first.shape
        or plane.axes != first.axes
        or plane.dtype.newbyteorder("=") != first.dtype.newbyteorder("=")
    ):
        raise ClearfieldError(
            f"{file} is {plane.axes} {plane.shape} {plane.dtype.name}, but the first plane of "
            f"its stack is {first.axes} {first.shape} {first.dtype.name}; give a glob that "
            "leaves it out, or export it again"
        )
    return plane


def _set_places(series: Series, files: list[str], first: Series) -> None:
    """Use the files where they lie, if none is compressed; else their parts, if all are alike."""
    offsets: list | None = []
    parts: list | None = []
    for number, file in enumerate(files):
        plane = _open_plane(file, first)
        if plane.offsets is None or plane.dtype != first.dtype or len(plane.files) != 1:
            offsets = None
        if offsets is not None:
            offsets += [(number, int(offset)) for _, offset in plane.offsets]
        own = None if parts is None or plane.parts is None else plane.parts()
        if own is None or len(own.files) != 1 or (parts and not _is_like(own, parts[0])):
            parts = None
        else:
            parts.append(own)
        plane.read = plane.parts = None
    if offsets is not None:
        series.files, series.offsets = files, np.array(offsets, np.int64).reshape(-1, 2)
    elif parts:
        joined = _join(series, files, parts)
        series.parts = lambda: joined


def _is_like(one: Parts, other: Parts) -> bool:
    """Whether the parts of two files are decoded in the same way."""
    return one.shape == other.shape and one.codec["like"] == other.codec["like"]


def _join(series: Series, files: list[str], parts: list[Parts]) -> Parts:
    """Make one description of those of all files, whose planes stand behind one another."""
    codec = {**parts[0].codec, "tables": []}
    outer = series.index_shape[: len(series.index_shape) + 2 - len(parts[0].shape)]
    starts, where = [], []
    for number, (own, index) in enumerate(zip(parts, np.ndindex(*outer), strict=True)):
        lead = np.broadcast_to(np.array(index, np.int64), (len(own.starts), len(outer)))
        starts.append(np.concatenate([lead, own.starts], axis=1))
        for _, page, table, *rest in own.where:
            text = own.codec["tables"][table] if table >= 0 else None
            if text is not None and text not in codec["tables"]:
                codec["tables"].append(text)
            table = -1 if text is None else codec["tables"].index(text)
            where.append([number, page, table, *rest])
    shape = (1,) * len(outer) + parts[0].shape
    return Parts(codec, shape, np.concatenate(starts), where, files)


def _channel_names(
    axes: str,
    values: list[Sequence],
    first: Series,
    listed: dict[int, str],
    planes: dict[tuple, str],
) -> list[str]:
    """Name channels as the names of the files do, or the program, or each file itself."""
    if "C" not in axes:
        return first.channel_names
    place = axes.index("C")
    found = values[place]
    if isinstance(found[0], str) or found[0] >= WAVELENGTH_NM:
        return [str(name) for name in found]
    if all(n in listed for n in found):
        return [listed[n] for n in found]
    if not first.channel_names:
        return []
    one_of = {index[place]: file for index, file in planes.items()}
    own = [_open_plane(one_of[n], first).channel_names for n in found]
    names = [name for names in own for name in names]
    return names if len(set(names)) == len(names) == len(found) else []
