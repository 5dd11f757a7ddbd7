"""What the indexes of Micro-Manager's TIFFs say: which planes there are, and positions' names."""

import json
import math
from collections.abc import Iterator
from pathlib import Path

import tifffile

from ..errors import ClearfieldError

_MOST_JSON_BYTES = 1 << 20


def check_planes(tif: tifffile.TiffFile, name: str) -> None:
    """Raise where Micro-Manager's index names planes that cannot be there.

    tifffile would take memory for all of them before it looks.
    """
    claimed, most = 0, tif.filehandle.size
    if tif.is_mmstack:
        index = tif.micromanager_metadata["IndexMap"][:, :4]
        claimed = math.prod((index.max(axis=0).astype(int) + 1).tolist()) if index.size else 0
    elif tif.is_ndtiff:
        index = list(ndtiff_index(tif))
        _check_files({file for _, file, *_ in index}, Path(tif.filehandle.dirname), name)
        places = [axes for axes, *_ in index]
        if places and {"row", "column"} <= places[0].keys():
            _check_mosaic(places, name)
        values = [{place[axis] for place in places} for axis in places[0]] if places else []
        most, claimed = len(places), math.prod(_length(found) for found in values)
    if claimed > most:
        raise ClearfieldError(
            f"{name} is incomplete or damaged: its index numbers {claimed} planes, more than there "
            "are (an acquisition that was stopped?)"
        )


def _check_files(files: set[str], folder: Path, name: str) -> None:
    """Raise where a file that the index names is not beside it."""
    for file in sorted(files):
        if Path(file).name != file or not (folder / file).is_file():
            raise ClearfieldError(
                f"{name} is one part of an NDTiff, whose NDTiff.index names {file!r}, and that is "
                "not beside it; put it there, or copy the folder again"
            )


def _check_mosaic(places: list[dict], name: str) -> None:
    """Raise where tiles were recorded here and there, so that they fill no rectangle."""
    rows, columns = ({place[axis] for place in places} for axis in ("row", "column"))
    tiles = len({(place["row"], place["column"]) for place in places})
    if tiles < _length(rows) * _length(columns):
        raise ClearfieldError(
            f"{name} is a mosaic that was explored by hand: {tiles} tiles of {_length(rows)} rows "
            f"and {_length(columns)} columns; stitch it, for example with the ndstorage package "
            "and BigStitcher, and save that as TIFF"
        )


def _length(numbers: set) -> int:
    if all(isinstance(number, int) for number in numbers):
        return max(numbers) - min(numbers) + 1
    return len(numbers)


def ndtiff_index(tif: tifffile.TiffFile) -> Iterator[tuple]:
    """Read the index of an NDTiff: axes, file, place, ... of each plane, as they were recorded."""
    return tifffile.read_ndtiff_index(Path(tif.filehandle.dirname, "NDTiff.index"))


def name_positions(tif: tifffile.TiffFile, kind: str, count: int) -> list[str]:
    """Name positions in the order in which tifffile has them.

    Parameters
    ----------
    tif : TiffFile
    kind : str
        Of the series: "ndtiff", "mmstack", ...
    count : int
        How many positions the series has; 1 where it has no axis for them.

    Returns
    -------
    list of str
        The microscope's names, or "position 3" where it counts from 0; empty where the file says
        neither, so that `split_positions` counts them.
    """
    if kind == "ndtiff":
        found = _of_index(tif)
    elif kind == "mmstack":
        found = _of_summary(tif, count)
    else:  # LSM and FluoView keep the places of positions, and no names
        found = []
    return found if len(found) == count else []


def _of_index(tif: tifffile.TiffFile) -> list[str]:
    names = name_ndtiff_axis(tif, "position", "PositionName")
    found = {axes[a] for axes, *_ in ndtiff_index(tif) for a in axes if a.lower() == "position"}
    if names or not found or any(isinstance(value, str) for value in found):
        return names
    return [f"position {number}" for number in range(min(found), max(found) + 1)]


def name_ndtiff_axis(tif: tifffile.TiffFile, axis: str, key: str) -> list[str]:
    """Name the entries of an axis of NDTiff, in the order in which tifffile has them.

    Version 3 writes names into the index, and tifffile numbers them as they were recorded. Version
    2 writes numbers, and the names into the JSON of each plane.

    Parameters
    ----------
    tif : TiffFile
    axis : str
        "channel" or "position", in the index in any case.
    key : str
        What the JSON of a plane calls the name.

    Returns
    -------
    list of str
        Empty where there is no such axis, a name is missing, or two are alike.
    """
    first: dict[str | int, tuple] = {}
    for entry in ndtiff_index(tif):
        for name, value in entry[0].items():
            if name.lower() == axis:
                first.setdefault(value, entry)
    if all(isinstance(value, str) for value in first):
        return list(first)
    if not all(isinstance(value, int) for value in first):
        return []
    if len(first) != max(first) - min(first) + 1:
        return []
    names = [_of_plane(tif, first[number], key) for number in sorted(first)]
    return names if all(names) and len(set(names)) == len(names) else []


def _of_plane(tif: tifffile.TiffFile, entry: tuple, key: str) -> str:
    """Read one value of the JSON that an entry of the index leads to, "" where there is none."""
    _, file, *_, start, length, compression = entry
    if compression or not 0 < length <= _MOST_JSON_BYTES:
        return ""
    try:
        with Path(tif.filehandle.dirname, Path(file).name).open("rb") as opened:
            opened.seek(start)
            found = json.loads(opened.read(length))
    except (OSError, ValueError):
        return ""
    name = found.get(key) if isinstance(found, dict) else None
    return name.strip() if isinstance(name, str) else ""


def _of_summary(tif: tifffile.TiffFile, count: int) -> list[str]:
    """Read the list of positions of Micro-Manager 2 or 1.4."""
    meta = tif.micromanager_metadata or {}
    summary, recorded = meta.get("Summary") or {}, meta["IndexMap"][:, 3]
    if not recorded.size:
        return []
    # Where files of other positions are not there, tifffile has those of this one's alone.
    every = max(int(recorded.max()) + 1, int(summary.get("Positions", 1)))
    first = 0 if count == every else int(recorded.min())
    listed = summary.get("StagePositions") or summary.get("InitialPositionList") or []
    names = [one.get("Label") if isinstance(one, dict) else None for one in listed]
    names = names[first : first + count]
    if len(names) == count and all(isinstance(name, str) and name.strip() for name in names):
        return names
    return [f"position {first + number}" for number in range(count)] if count > 1 else []
