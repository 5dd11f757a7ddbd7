"""Which samples a run has, from a glob or from a sample sheet.

This is the side of the workflow that runs in Snakemake's own process: no numpy here.
"""

import glob
import os
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import ClearfieldError
from ..formats.git_lfs import GET_FROM_ANNEX, in_annex
from ..formats.known_suffixes import SUFFIXES
from ..formats.plane_folders import has_planes, list_planes
from ..formats.remote import file_name
from .mixed_folders import constant_start, drop_results, is_own_result, join_planes
from .remote_samples import is_address, what_is_wrong
from .sample_sheet import SHEETS, is_other_table, read_sheet
from .sidecars import say_left_out, split_sidecars

# The planes of an .oif and the chunks of a Zarr.
_INSIDE = re.compile(r"\.oif\.files|\.zarr/.", re.IGNORECASE)
# What Snakemake would fill in: wildcards, and the pathvars of its version 9.
_EXPANDED = r"[{}]|<[a-z][a-z0-9_]*>"
# A file name has up to 255; a temporary one also holds a host's name and a process number.
_NAME_BYTES = 160


@dataclass(frozen=True)
class Sample:
    """One stack: its name, its path as written, its files, and its cells of the sheet.

    What lies on a server has an address for a path, and no files. `cells` are values of keys.
    `groups` are the user's own columns, for the table and the page.
    """

    name: str
    path: str
    files: tuple[str, ...]
    cells: tuple[tuple[str, object], ...] = field(default=())
    groups: tuple[tuple[str, str], ...] = field(default=())


def find_samples(
    source: str, sample_schema: dict, config_schema: dict, left_out: list[str] | None = None
) -> dict[str, Sample]:
    """Find the samples of a run.

    Parameters
    ----------
    source : str
        A glob, or the path of a sample sheet; relative to the working directory.
    sample_schema, config_schema : dict
        JSON schemas of a row of the sheet and of the config.
    left_out : list of str, optional
        Takes what a glob found that is no image. A path in a sheet is always meant.

    Returns
    -------
    dict of Sample
        By name, sorted.

    Raises
    ------
    ClearfieldError
        Lists everything that is wrong, a line each.
    """
    if is_address(source) and source.lower().endswith(SHEETS):
        raise ClearfieldError(
            f"samples: {source} is on a server; copy the sample sheet to this disk, it may name "
            "files on a server"
        )
    if is_other_table(source):
        raise ClearfieldError(
            f"samples: {source} has not the suffix of a sample sheet; save it as .tsv (text, tabs "
            "between the cells) or .csv, and name that"
        )
    if source.lower().endswith(SHEETS):
        rows, problems = read_sheet(source, config_schema)
    else:
        rows, problems = _expand_glob(source, [] if left_out is None else left_out), []
    samples: dict[str, Sample] = {}
    seen: dict[str, str] = {}
    for name, path, cells, groups in rows:
        if problem := check_name(name, path, sample_schema):
            problems.append(problem)
        elif name in seen:
            problems.append(
                f"two samples have the name {name!r}: {seen[name]} and {path}; "
                "give each its own name in a sample sheet"
            )
        else:
            seen[name] = path
            files, problem = _files_of(path)
            if problem:
                problems.append(f"{path[:150]} (sample {name!r}) {problem}")
            samples[name] = Sample(name, path, files, cells, groups)
    if problems:
        raise ClearfieldError(f"samples: {source}: " + f"\nsamples: {source}: ".join(problems))
    return dict(sorted(samples.items()))


def check_name(name: str, path: str, sample_schema: dict) -> str:
    """Say why the sample of a path cannot have this name; "" where it can."""
    valid = re.search(sample_schema["properties"]["sample"]["pattern"], name)
    if valid and len(name.encode()) <= _NAME_BYTES and not re.search(_EXPANDED, name):
        return ""
    return (
        f"{name[:150]!r} cannot be the name of a sample ({path[:150]!a}): it becomes part "
        "of file names, so it may not begin with a dot, hold / \\ { }, a word in <> or "
        f"control characters, or have more than 120 characters or {_NAME_BYTES} bytes; rename it, "
        "or give it a name in a sample sheet"
    )


def sample_name(path: str, pattern: str) -> str:
    """Name a sample after what varies in its path.

    Examples
    --------
    >>> sample_name("night1/cell 7.ome.tif", "night1/*.tif")
    'cell 7'
    >>> sample_name("data/plate1/well2/stack.tif", "data/plate*/well*/stack.tif")
    'plate1__well2__stack'
    """
    name = _whole_name(path, pattern)
    small = name.lower()
    for suffix in SUFFIXES if small.endswith(SUFFIXES) else ():
        if small.endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)]
    return name


def _whole_name(path: str, pattern: str) -> str:
    return "__".join(Path(path).parts[len(Path(constant_start(pattern)).parts) :])


def _names_of(paths: list[str], pattern: str) -> list[str]:
    """Name samples after their files; those that differ in their suffixes alone with these.

    Examples
    --------
    >>> _names_of(["a.czi", "a.lif", "b.lif"], "*")
    ['a.czi', 'a.lif', 'b']
    """
    names = [sample_name(path, pattern) for path in paths]
    count = Counter(names)
    return [
        name if count[name] == 1 else _whole_name(path, pattern)
        for name, path in zip(names, paths, strict=True)
    ]


def _expand_glob(pattern: str, left_out: list[str]) -> list[tuple[str, str, tuple, tuple]]:
    if is_address(pattern):
        name = file_name(pattern)
        return [(sample_name(name, name), pattern, (), ())]
    try:
        # A name may hold brackets itself.
        found = [pattern] if Path(pattern).exists() else glob.glob(pattern, recursive=True)
    except (OSError, ValueError) as error:
        raise ClearfieldError(
            f"samples: {pattern[:150]!a} is no path ({getattr(error, 'strerror', error)})"
        ) from None
    # "**/*" also finds what earlier runs wrote, and what is inside of stacks.
    paths = sorted(drop_results(found, pattern))
    if not _INSIDE.search(pattern):
        paths = [path for path in paths if not _INSIDE.search(path)]
    if not paths:
        beyond = " outside of results/, where runs write" if found else ""
        brackets = ' (a "[" that is part of a name is written "[[]")' if "[" in pattern else ""
        raise ClearfieldError(
            f"samples: no file matches {pattern[:500]}{beyond} (seen from {Path.cwd()}); "
            f"mend the pattern{brackets}, or name a sample sheet that ends in .tsv or .csv"
        )
    if Path(pattern).is_dir() and not _is_stack(pattern):
        raise ClearfieldError(
            f"samples: {pattern} is a folder; write {Path(pattern) / '*'} for the stacks in it, or "
            f"{Path(pattern) / '**/*'} for those in its folders, too"
        )
    if paths != [pattern]:
        paths, others = split_sidecars(join_planes(paths), SUFFIXES)
        left_out += others
        if not paths:
            raise ClearfieldError(
                f"{say_left_out(others)}; mend the pattern {pattern[:500]}, or name a sample sheet"
            )
    return [
        (name, path, (), ()) for name, path in zip(_names_of(paths, pattern), paths, strict=True)
    ]


def _is_stack(path: str) -> bool:
    return path.rstrip("/").lower().endswith(SUFFIXES)


def _files_of(path: str) -> tuple[tuple[str, ...], str]:
    """Give the files of a stack, and what is wrong with them.

    They are itself (of an .oif, with those of the folder that holds its planes), those of its
    folder, or those that its glob matches.
    """
    if is_address(path):
        return (), what_is_wrong(path, SUFFIXES)
    if found := re.search(_EXPANDED, path):
        return (
            (),
            f"has {found[0]} in its path, which Snakemake would expand; rename the folder or file",
        )
    if is_own_result(path):
        return (), "lies in results/, where this run writes; move it elsewhere"
    try:
        if Path(path).is_dir() and not _is_stack(path):
            files = sorted(str(file) for file in Path(path).iterdir() if file.is_file())
            if not any(file.lower().endswith(SUFFIXES) for file in files):
                files += list_planes(path)  # they may lie in subfolders
            if not files and has_planes(Path(path)):  # its job says which of these to give
                return (), ""
        elif Path(path).exists():
            files = [path]
            if path.lower().endswith(".oif"):
                files += sorted(glob.glob(f"{glob.escape(path)}.files/*"))
        else:
            files = sorted(glob.glob(path))
    except (OSError, ValueError) as error:
        return (), f"cannot be opened ({getattr(error, 'strerror', error)}); mend the path"
    if not files:
        empty = "holds no files" if Path(path).is_dir() else "does not exist"
        return (), f"{empty}; mend the path"
    for file in files:
        # A pipe or a device would be waited for without end.
        if not Path(file).is_file() and not Path(file).is_dir():
            if Path(file).is_symlink():
                target = Path(file).readlink()
                if in_annex(str(target)):
                    return (), f"has {Path(file).name}, which {GET_FROM_ANNEX}"
                return (), f"is a link to {target}, which is not there; mend the link"
            return (), "is neither a file nor a folder; mend the path"
        if re.search(f"[\ud800-\udfff]|{_EXPANDED}", file):
            return (
                (),
                "has a file whose name is not UTF-8 text or holds {, } or a word in <>: "
                f"{file!a}; rename it",
            )
    # One that this user may not read is left to its job to say: Snakemake, which reads small files
    # itself, would end the whole run.
    return tuple(file for file in files if os.access(file, os.R_OK)), ""
