"""Which TIFF files a folder or a glob of planes has, also where they lie in numbered subfolders.

The side of the workflow that runs in Snakemake's own process asks, too: no numpy here.
"""

import glob
import re
from os import PathLike, fspath
from pathlib import Path

from ..errors import ClearfieldError
from .git_lfs import check_pointer
from .plane_names import GUID, WELL, WORDS

SUFFIXES = (".tif", ".tiff", ".stk")
# Beside the planes of ImageXpress, Keyence and others.
_THUMBNAIL = re.compile(r"(^|[/_ -])thumb(nail)?s?\.tiff?$", re.IGNORECASE)
# TimePoint_1, ZStep_3, Pos0: what MetaXpress and Micro-Manager call the folders of planes.
_NUMBERED = re.compile(rf"(?i:{'|'.join(WORDS)})[_ -]?\d+|{WELL.pattern}")
_NDTIFF = "Full resolution"  # beside folders of lower ones
ZARR_METADATA = (".zgroup", ".zarray", ".zattrs", "zarr.json")
_DEEPEST = 3  # plate, time point, slice


def list_planes(path: str | PathLike) -> list[str]:
    """List the TIFF files of a folder, or those that a glob matches, in the order of names.

    Of a folder without any, those of its subfolders, where these are all numbered by an axis, are
    wells, or hold the full resolution of an NDTiff.
    """
    text = fspath(path)
    if not Path(text).is_dir():
        return _planes(glob.glob(text))
    return _inside(Path(text), _DEEPEST)


def find_files(path: str | PathLike) -> list[str]:
    """List the files as `list_planes` does.

    Raises
    ------
    ClearfieldError
        Where there is none, with the subfolders that have some; where a link leads nowhere.
    """
    files = list_planes(path)
    if not files:
        below = [folder for folder in _folders(Path(path)) if has_planes(folder)]
        if below:
            names = ", ".join(folder.name for folder in below[:3])
            names += f" and {len(below) - 3} more" * (len(below) > 3)
            one = below[0] if _planes(map(str, below[0].iterdir())) else below[0] / "*"
            raise ClearfieldError(
                f"{path} holds no TIFF files itself, but its "
                f"folder{'s' * (len(below) > 1)} {names} do{'es' * (len(below) == 1)}; give one "
                f"of these as the path, or the planes of one stack as a glob: {one}/*.tif"
            )
        raise ClearfieldError(
            f"{path} holds no TIFF files ({', '.join(SUFFIXES)}), one for each plane; "
            "mend the path, or export the planes as TIFF"
        )
    for file in files:
        if not Path(file).exists():
            check_pointer(file)
            raise ClearfieldError(
                f"{file} is a link to a file that is not there; bring that back, or remove the link"
            )
    return files


def has_planes(folder: Path) -> bool:
    """Tell whether there is a TIFF file in a folder or below it, as deep as plates go."""
    levels = [folder]
    for _ in range(_DEEPEST):
        if any(_planes(map(str, level.iterdir())) for level in levels):
            return True
        levels = [below for level in levels for below in _folders(level)]
    return False


def _inside(folder: Path, depth: int) -> list[str]:
    names = [str(file) for file in folder.iterdir()]
    files = _planes(names)
    # A Zarr has folders without number, and no TIFF.
    if files or not depth or any(name.endswith(ZARR_METADATA) for name in names):
        return files
    if (folder / _NDTIFF / "NDTiff.index").is_file():
        return _planes(map(str, (folder / _NDTIFF).iterdir()))
    found = []
    for below in _folders(folder):
        files = _inside(below, depth - 1)
        if files and not _NUMBERED.fullmatch(below.name):
            return []
        found += files
    return sorted(found)


def _folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(
        below for below in folder.iterdir() if below.is_dir() and not below.name.startswith(".")
    )


def _planes(names) -> list[str]:
    return sorted(
        name for name in names
        if name.lower().endswith(SUFFIXES) and not Path(name).name.startswith(".")
        and not _THUMBNAIL.search(GUID.sub("", name)) and not Path(name).is_dir()
    )  # fmt: skip
