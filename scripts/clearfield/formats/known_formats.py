"""A path of any kind in; out come its series, read by the module of its format."""

import re
from pathlib import Path

from ..errors import ClearfieldError
from .git_lfs import check_pointer
from .known_suffixes import FORMATS, PLANES, reader
from .remote import is_remote
from .series import Series
from .unread_formats import what_to_do


def open_series(path: str) -> list[Series]:
    """List the series of a file, a folder or a glob, whatever its format.

    Raises
    ------
    ClearfieldError
        Where it does not exist, its format is unknown, or what reads it is not installed.
    """
    check_pointer(path)
    module = format_of(path)
    try:
        return reader(module).open_series(path)
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("clearfield"):
            raise
        raise ClearfieldError(
            f"{Path(path).name} needs the package {error.name}, which is not installed; install "
            "it, or run with --sdm conda, whose environment for load_stack has it"
        ) from None


def format_of(path: str) -> str:
    """Name the module that reads a path.

    Examples
    --------
    >>> format_of("plate/img_z*.tif")
    'plane_files'
    """
    if is_remote(path):  # a file comes here before it is read
        return "zarr"
    here = Path(path)
    suffix = here.suffix.lower()
    if not here.exists():
        if re.search(r"[*?\[{]", path):
            return PLANES
        raise ClearfieldError(f"{path} does not exist")
    if here.is_dir() and suffix != ".zarr":
        return PLANES
    if suffix in (".zip", ".ozx"):
        raise ClearfieldError(
            f"{here.name} is a zip archive; unpack it, and give the path of what it holds"
        )
    if suffix not in FORMATS:
        raise ClearfieldError(
            f'{here.name}: files ending in "{suffix}" are not read here (read are '
            f"{' '.join(FORMATS)}); {what_to_do(path)}"
        )
    return FORMATS[suffix]
