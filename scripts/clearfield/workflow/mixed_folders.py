"""What a glob finds in a folder where stacks, folders of planes and results lie side by side.

This is the side of the workflow that runs in Snakemake's own process: no numpy here.
"""

import glob
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from ..formats.plane_folders import SUFFIXES, ZARR_METADATA, list_planes
from ..formats.plane_names import parse_name

# What a run writes, in results/ or wherever a module's prefix puts that.
_WRITTEN = ("stacks", "projections", "subtracted", "backgrounds", "qc", "explore", "report", "logs")
_SIGN = "logs/load_stack"  # every run has it


def is_own_result(path: str) -> bool:
    """Tell what lies in results/ of the working directory, where this run writes."""
    if "results" not in path:  # 10,000 samples: Path costs
        return False
    return Path(path).absolute().is_relative_to(Path("results").absolute())


def drop_results(paths: list[str], pattern: str) -> list[str]:
    """Leave out what runs wrote, also under the prefix of a module, unless the glob names it.

    Parameters
    ----------
    paths : list of str
        What the glob found.
    pattern : str
        The glob.
    """
    start, holds_a_run = constant_start(pattern), lru_cache(_holds_a_run)
    return [
        path
        for path in paths
        if not is_own_result(path) and not _is_written(path, start, holds_a_run)
    ]


@lru_cache(maxsize=64)
def constant_start(pattern: str) -> str:
    """Give the folders in front of the first part of a glob that has a wildcard.

    Examples
    --------
    >>> constant_start("raw/day 1/**/*.tif"), constant_start("*.tif")
    ('raw/day 1', '')
    """
    parts = Path(pattern).parts
    constant = 0
    while constant < len(parts) - 1 and not glob.has_magic(parts[constant]):
        constant += 1
    return str(Path(*parts[:constant])) if constant else ""


def _is_written(path: str, start: str, holds_a_run: Callable[[str], bool]) -> bool:
    """Tell whether a path is a folder that a run writes, or lies in one; `start` is meant."""
    path = path.rstrip("/")
    for folder in (path, *_folders_of(path)):
        above, _, name = folder.rpartition("/")
        named = folder == start or folder in _folders_of(start) or (start and above == start)
        if name in _WRITTEN and not named and holds_a_run(above):
            return True
    return False


def _holds_a_run(folder: str) -> bool:
    return Path(folder or ".", _SIGN).is_dir()


def join_planes(paths: list[str]) -> list[str]:
    """Choose between folders and what is in them, where a glob such as ``raw/**/*`` finds both.

    A folder whose TIFF files are numbered as slices (``z``, ``slice``, ``ZStep_1/``, ...), or are
    those of an NDTiff, is one stack, as a Zarr is: what makes it up are no samples. Of another
    folder the files are the samples, and not the folder.

    Parameters
    ----------
    paths : list of str
        Sorted, so that folders come before what is in them.
    """
    above = frozenset().union(*(_folders_of(path.rstrip("/")) for path in paths))
    parted = [path for path in paths if path.rstrip("/") in above]
    if not parted:
        return paths
    gone: set[str] = set()
    planes: set[str] = set()  # folders whose TIFF files are planes
    wholes: set[str] = set()  # folders of which all that is in them makes one stack
    for path in parted:
        folder = path.rstrip("/")
        if folder in planes or wholes & _folders_of(folder):
            gone.add(path)
            continue
        if any(Path(folder, name).exists() for name in ZARR_METADATA):
            wholes.add(folder)
            continue
        own = list_planes(folder)
        if _is_one_stack(folder, own):
            for below in {os.path.dirname(file) for file in own}:  # noqa: PTH120
                planes |= {below, *_folders_of(below)} - {*_folders_of(folder)}
        else:
            gone.add(path)
    return [
        path
        for path in paths
        if path not in gone
        and not wholes & _folders_of(path)
        and not (path.lower().endswith(SUFFIXES) and path.rpartition("/")[0] in planes)
    ]


def _folders_of(path: str) -> frozenset[str]:
    """Give all folders that a path lies in, as the path names them.

    Examples
    --------
    >>> sorted(_folders_of("raw/day 1/a.tif"))
    ['raw', 'raw/day 1']
    """
    return _up_from(path.rpartition("/")[0])


@lru_cache(maxsize=4096)
def _up_from(folder: str) -> frozenset[str]:
    return _folders_of(folder) | {folder} if folder else frozenset()


def _is_one_stack(folder: str, files: list[str]) -> bool:
    """Tell by their names whether TIFF files are the planes of one stack.

    Folders may number slices and times (``TimePoint_1/ZStep_2/``); others are stacks of their own.
    """
    if files and Path(files[0]).parent.joinpath("NDTiff.index").is_file():
        return True
    names = [Path(file).relative_to(folder).as_posix() for file in files]
    between = {part for name in names for part in name.split("/")[:-1]}
    if not all({*parse_name(part)[1]} in ({"T"}, {"Z"}) for part in between):
        return False
    slices = [axes["Z"] for _, axes, _ in map(parse_name, names) if "Z" in axes]
    return len(set(slices)) > 1 and 2 * len(slices) >= len(names)
