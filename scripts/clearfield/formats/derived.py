"""Files beside planes that say of themselves that they were computed from them."""

import re
from pathlib import Path

import tifffile

from ..errors import ClearfieldError

# Programs write what they computed beside the planes: maximum projections, extended depth of
# focus, the sharpest pixels, all channels in colour. ImageJ puts the kind of a projection in front
# of the name.
_WORDS = re.compile(
    r"(?:^|[^A-Za-z0-9])(?:MIP|MaxIP|MinIP|EDF|EFI|EDOF|(?:best|full)[ _-]?focus|overlay|composite"
    r"|extended[ _-]?(?:depth|focus)"
    r"|(?:max(?:imum)?|min(?:imum)?|mean|average|avg|sum|z)?[ _-]?(?:intensity)?[ _-]?"
    r"proj(?:ection)?)(?![A-Za-z])|^(?-i:MAX|AVG|SUM|MED|STD|MIN)_",
    re.IGNORECASE,
)
# What MetaXpress writes, as a property or as a line of its description.
_PROJECTION = re.compile(
    r"""Z Projection Method(?:"[^<>]*\bvalue="|\s*:\s*)(?!\s*(?:"|none\b|&#|$))""", re.IGNORECASE
)
_SLICES = re.compile(r"(z|zstep|slice|plane)[_ -]?\d+", re.IGNORECASE)
_NAMED_AT_MOST = 3


def leave_out_by_name(files: list[str]) -> tuple[list[str], list[str]]:
    """Take files whose names call them projections from those whose names do not.

    Where all names do, they are meant: a folder of projections is a stack of them.

    Returns
    -------
    files, left_out : list of str

    Examples
    --------
    >>> leave_out_by_name(["a_MIP.tif", "a_z0.tif", "a_z1.tif"])
    (['a_z0.tif', 'a_z1.tif'], ['a_MIP.tif'])
    >>> leave_out_by_name(["MAX_t0.tif", "MAX_t1.tif"])
    (['MAX_t0.tif', 'MAX_t1.tif'], [])
    """
    found = {file for file in files if _WORDS.search(Path(file).stem)}
    if len(found) == len(files):
        return files, []
    return [file for file in files if file not in found], sorted(found)


def leave_out_projections(
    axes: str, planes: dict[tuple, str]
) -> tuple[dict[tuple, str], list[str]]:
    """Take the first or last slice from a stack where its own metadata call it a projection.

    MetaXpress exports ZStep_0 as the projection of ZStep_1, 2, ...

    Parameters
    ----------
    axes : str
        A letter for each index.
    planes : dict
        The file for each index, of one position.

    Returns
    -------
    planes : dict
    left_out : list of str
        Where all slices are projections, or none is, nothing.

    Raises
    ------
    ClearfieldError
        Where a channel or time has a projection alone, and others have planes.
    """
    place = axes.find("Z")
    heights = sorted({index[place] for index in planes}) if place >= 0 else []
    if len(heights) < 2:
        return planes, []
    one_of = {index[place]: file for index, file in planes.items()}
    computed = {z for z in (heights[0], heights[-1]) if _is_projection(one_of[z])}
    if len(computed) != 1:
        return planes, []
    kept = {index: file for index, file in planes.items() if index[place] not in computed}
    beside = {_without(index, place) for index in kept}
    alone = {f for index, f in planes.items() if _without(index, place) not in beside}
    if alone:  # of planes that were not exported: it is no copy of others, and no plane of a stack
        raise ClearfieldError(
            f"{min(alone)} says that it is a projection, and the planes that it was computed from "
            "are not here, while other channels or times have theirs; give a glob that matches "
            "those, and this file as the path of a sample of its own"
        )
    return kept, sorted(set(planes.values()) - set(kept.values()))


def _without(index: tuple, place: int) -> tuple:
    return index[:place] + index[place + 1 :]


def _is_projection(file: str) -> bool:
    """Tell whether MetaXpress says that a file is a projection."""
    try:
        with tifffile.TiffFile(file) as tif:
            text = tif.pages.first.description if tif.is_metaseries else ""
    except Exception:  # whatever is wrong with it is said where it is read
        return False
    return bool(_PROJECTION.search(text))


def _short(file: str) -> str:
    """Name a file, with its folder where that numbers the slices."""
    folder = Path(file).parent.name
    return f"{folder}/{Path(file).name}" if _SLICES.fullmatch(folder) else Path(file).name


def say(left_out: list[str]) -> list[str]:
    """Say in one sentence, or none, what was left out.

    Examples
    --------
    >>> say([])
    []
    >>> say(["a/b_MIP.tif"])
    ['left out, as computed from the planes beside: b_MIP.tif']
    """
    if not left_out:
        return []
    names = [_short(file) for file in left_out]
    more = len(names) - _NAMED_AT_MOST
    listed = ", ".join(names[:_NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")
    return [f"left out, as computed from the planes beside: {listed}"]
