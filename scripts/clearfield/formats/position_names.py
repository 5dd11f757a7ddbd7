"""The names that Micro-Manager gave to the positions of a TIFF, which tifffile only counts."""

import tifffile

from .tiffmeta import ndtiff_index


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
    """Read NDTiff.index: tifffile numbers names as they were recorded, numbers from the lowest."""
    found = {
        value: None
        for axes, *_ in ndtiff_index(tif)
        for axis, value in axes.items()
        if axis.lower() == "position"
    }
    if all(isinstance(value, str) for value in found):
        return list(found)
    return [f"position {number}" for number in range(min(found), max(found) + 1)]


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
