"""The table of what files hold: a row for each series, which is itself a sample sheet."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ..errors import ClearfieldError
from ..results.whole_files import replacing
from .series import Series

COLUMNS = (
    "sample", "path", "load_stack.series", "series_name", "axes", "shape", "dtype",
    "pixel_size_x_um", "pixel_size_y_um", "pixel_size_z_um", "channel_names",
)  # fmt: skip
# What a sample sheet takes for a name, and what Windows takes too.
_LONGEST_NAME, _NAME_BYTES = 120, 160
_NOT_IN_NAMES = re.compile(
    r'[/\\{}:*?"<>|\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+'
)


class Unread(NamedTuple):
    """A series that cannot be read, or a file: sample of the file, its own, path, number, why."""

    file: str
    sample: str
    path: str
    number: int
    reason: str


def describe_series(
    sample: str,
    path: str,
    found: Sequence[Series],
    unread: list[Unread],
    notes: dict[str, None] | None = None,
) -> Iterator[dict[str, str]]:
    """Give the row of each series of a file.

    Parameters
    ----------
    sample : str
        Name of the file's sample; with several series each takes its own name or number too.
    path : str
        As written.
    found : sequence of Series
    unread : list of Unread
        Takes what is wrong with those that cannot be read: one must not hide the others.
    notes : dict, optional
        Takes what was left out of those that can, each sentence once.

    Examples
    --------
    >>> import numpy as np
    >>> one = Series("", "ZYX", (9, 5, 4), np.dtype("u2"), None)
    >>> one.pixel_size_um["z"] = 0.5
    >>> list(next(describe_series("cell", "cell.lif", [one], [])).values())
    ['cell', 'cell.lif', '0', '', 'ZYX', '9x5x4', 'uint16', '', '', '0.5', '']
    """
    known = {}
    for number in range(len(found)):
        try:
            known[number] = found[number]
        except ClearfieldError as error:
            unread.append(Unread(sample, f"{sample}__{number}", path, number, str(error)))
    if notes is not None:
        for series in known.values():
            notes.update(dict.fromkeys(f"{sample}: {note}" for note in series.notes))
    names = [series.name for series in known.values()]
    labels = name_series(names) if len(found) > 1 else [""]
    for label, (number, series) in zip(labels, known.items(), strict=True):
        sizes = (series.pixel_size_um[axis] for axis in "xyz")
        values = (
            _join(sample, label, number) if label else sample,
            path,
            str(number),
            series.name,
            series.axes,
            "x".join(map(str, series.shape)),
            series.dtype.name,
            *("" if size is None else repr(size) for size in sizes),
            ", ".join(series.channel_names),
        )
        yield dict(zip(COLUMNS, values, strict=True))


def name_series(names: list[str]) -> list[str]:
    """Turn the names of a file's series into parts of file names that differ.

    Returns
    -------
    list of str
        The names, without what no file name may hold; or numbers, where a name is missing or two
        are alike, also but for their case.

    Examples
    --------
    >>> name_series(["Position 1/a", "Position 1/b"]), name_series(["a", "A"])
    (['Position 1_a', 'Position 1_b'], ['0', '1'])
    """
    labels = [_NOT_IN_NAMES.sub("_", name).strip(" .") for name in names]
    if all(labels) and len({label.casefold() for label in labels}) == len(labels):
        return labels
    width = len(str(len(names) - 1))
    return [f"{number:0{width}d}" for number in range(len(names))]


def _join(sample: str, label: str, number: int) -> str:
    name, end = f"{sample}__{label}", ""
    while len(name + end) > _LONGEST_NAME or len((name + end).encode()) > _NAME_BYTES:
        name, end = name[:-1], f"__{number}"
    return name + end


def write_inputs(table: str | Path, rows: Iterable[dict[str, str]]) -> int:
    """Write the table; give the number of its rows. Samples of one name get a number each."""
    taken: set[str] = set()
    count = 0
    with (
        replacing(table) as temporary,
        temporary.open("w", encoding="utf-8", errors="replace", newline="") as file,
    ):
        plain = csv.writer(file, delimiter="\t", lineterminator="\n")
        quoted = csv.writer(file, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_ALL)
        plain.writerow(COLUMNS)
        for row in rows:
            name, number = row["sample"], 1
            while name.casefold() in taken:
                number += 1
                name = _join(row["sample"], str(number), number)
            taken.add(name.casefold())
            values = [" ".join(value.split()) for value in row.values()]
            values[:2] = name, row["path"]
            # A line that begins with # would be taken for a comment.
            (quoted if name.startswith("#") else plain).writerow(values)
            count += 1
    return count


def write_unread(table: str | Path, unread: Iterable[Unread]) -> None:
    """Write what cannot be read, and why: a row for each series or file."""
    with (
        replacing(table) as temporary,
        temporary.open("w", encoding="utf-8", errors="replace", newline="") as file,
    ):
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(("sample", "path", "load_stack.series", "reason"))
        for one in unread:
            writer.writerow((one.sample, one.path, one.number, " ".join(one.reason.split())))
