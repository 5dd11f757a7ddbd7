"""`load_stack.series: all`: a sample for each series of a file, as list_inputs listed them.

How many series a file has stands in the file, and Snakemake's own process opens none: its readers
need numpy, may lie in another environment, and would read each file for each job of a cluster. So
the table of list_inputs says it. This is the side of the workflow without numpy.
"""

import csv
import shlex
import sys
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from ..errors import ClearfieldError
from ..formats.remote import is_remote
from .samples import Sample, check_name

KEY = "load_stack.series"
ALL = "all"


def take_all(
    samples: Mapping[str, Sample],
    wanted: Collection[str],
    bases: Mapping[str, str],
    table: str,
    sample_schema: dict,
) -> tuple[dict[str, Sample], str]:
    """Make a sample of each series.

    Parameters
    ----------
    samples : dict of Sample
        As the glob or the sheet has them.
    wanted : collection of str
        The names of those of which all series are to be taken.
    bases : dict of str
        What list_inputs calls each path; its names begin with that.
    table : str
        What list_inputs wrote.
    sample_schema : dict
        JSON schema of a row of the sheet, for the names.

    Returns
    -------
    samples : dict of Sample
        By name, sorted: that of the file, with "__" and the name or number of the series where
        there are several, as in the table. A series that cannot be read is one, too, and fails in
        its own job.
    missing : str
        A path that the table does not list as it is now, or "". Its sample is as it was.

    Raises
    ------
    ClearfieldError
        Two samples of one name, or one that cannot be a name.
    """
    if not wanted:
        return dict(samples), ""
    listed, written_ns = _read(table), _changed_ns(table)
    found: dict[str, Sample] = {}
    missing = ""
    for name, sample in samples.items():
        own = {name: sample}
        if name in wanted and is_remote(sample.path):
            raise ClearfieldError(
                f"config: {KEY} is {ALL}, but {sample.path} is on a server, where a new series "
                "would not be seen; list the series with a number there (target list_inputs), and "
                "take results/inputs.tsv as samples"
            )
        if name in wanted:
            series = _suffixes(listed.get(sample.path, {}), bases[sample.path])
            if series and all(_changed_ns(file) <= written_ns for file in sample.files):
                own = {name + end: _of_series(sample, name + end, n) for end, n in series.items()}
            else:
                missing = missing or sample.path
        for label, one in own.items():
            if problem := check_name(label, one.path, sample_schema):
                raise ClearfieldError(f"samples: {problem}")
            if label in found:
                raise ClearfieldError(
                    f"samples: two samples have the name {label!r}: series of {found[label].path} "
                    f"and of {one.path}; give each its own name in a sample sheet"
                )
            found[label] = one
    return dict(sorted(found.items())), missing


def _suffixes(series: dict[str, int], base: str) -> dict[str, int]:
    """Give what follows the file's name in those of the table; none where it has another name.

    Examples
    --------
    >>> _suffixes({"a__left": 0, "a__right": 1}, "a"), _suffixes({"b": 0}, "a")
    ({'__left': 0, '__right': 1}, {})
    """
    ends = {label[len(base) :]: number for label, number in series.items()}
    known = all(label.startswith(base) for label in series)
    return ends if known and all(not end or end.startswith("__") for end in ends) else {}


def _of_series(sample: Sample, name: str, number: int) -> Sample:
    cells = [cell for cell in sample.cells if cell[0] != KEY]
    return replace(sample, name=name, cells=(*cells, (KEY, number)))


def _read(table: str) -> dict[str, dict[str, int]]:
    """Give the names and numbers of the series of each path; none where there is no such table."""
    found: dict[str, dict[str, int]] = {}
    for file in (Path(table), Path(table).with_name(Path(table).stem + "_unread.tsv")):
        try:
            with file.open(encoding="utf-8", newline="") as opened:
                for row in csv.DictReader(opened, delimiter="\t"):
                    found.setdefault(row["path"], {})[row["sample"]] = int(row[KEY])
        except (OSError, KeyError, TypeError, ValueError, csv.Error):  # or one of something else
            return {}
    return found


def _changed_ns(file: str) -> int:
    """Say when a file was last written, or put where it is: copies may keep an old time."""
    try:
        status = Path(file).stat()
    except OSError:
        return 0
    return max(status.st_mtime_ns, status.st_ctime_ns)


def is_listing(targets: Collection[str]) -> bool:
    """Tell whether nothing but the list is asked for, also in a module with names of its own."""
    return bool(targets) and all(
        target.endswith(("list_inputs", "results/inputs.tsv")) for target in targets
    )


def say_unlisted(path: str, targets: Collection[str]) -> str:
    """Say which command has to be run first."""
    return (
        f"config: {KEY} is {ALL}, and results/inputs.tsv does not list {path} as it is now; list "
        "its series first, then run this command again. The list is made by: "
        f"{list_command(sys.argv, targets)}"
    )


def list_command(arguments: list[str], targets: Collection[str]) -> str:
    """Give the command of this run with another target, also where Snakemake sees no change.

    Examples
    --------
    >>> list_command(["/bin/snakemake", "--cores", "all", "all", "-d", "day 1"], ["all"])
    "snakemake list_inputs --force --cores all -d 'day 1'"
    """
    before = ["", *arguments[1:]]
    kept = [
        word
        for last, word in zip(before, arguments[1:], strict=False)
        if word not in targets or last in ("--cores", "-c", "--jobs", "-j")
    ]
    return shlex.join(["snakemake", "list_inputs", "--force", *kept])
