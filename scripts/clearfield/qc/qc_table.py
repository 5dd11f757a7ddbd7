"""The tables of QC numbers: how they are written and read.

Tab-separated, UTF-8, one header. Text stands as it is, also a sample whose name begins with "="
or "-": these tables are read by programs, which join them by that name. Whoever opens one in a
spreadsheet imports it as text.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..errors import ClearfieldError
from ..results.whole_files import replacing

KEYS = ("sample", "time", "channel", "channel_name")
VERDICT = ("status", "reason")
REMEDY = "delete it and run again to make it anew"


def write_table(path: str | Path, columns: Iterable[str], rows: Iterable[dict]) -> None:
    """Write rows as they come; a NaN or None is an empty cell, a number has 6 digits.

    Parameters
    ----------
    path : str or Path
        Whole or absent, never half-written.
    columns : iterable of str
        The header.
    rows : iterable of dict
        A row may lack columns.
    """
    columns = list(columns)
    with (
        replacing(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            writer.writerow([format_value(row.get(column)) for column in columns])


def format_value(value: object) -> str:
    """Give a cell's text.

    Examples
    --------
    >>> [format_value(value) for value in (0.123456789, 3, float("nan"), None, "DAPI")]
    ['0.123457', '3', '', '', 'DAPI']
    """
    if value is None or value != value:
        return ""
    return str(value) if isinstance(value, str | int) else f"{float(value):.6g}"


def read_table(path: str | Path, required: Iterable[str] = KEYS) -> Iterator[dict[str, str]]:
    """Yield the rows of a table as text.

    Raises
    ------
    ClearfieldError
        Where the table lacks a required column, or a row has not as many cells as the header.
    """
    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            yield from _checked_rows(path, csv.reader(file, delimiter="\t"), required)
    except (csv.Error, UnicodeDecodeError) as error:
        raise ClearfieldError(f"{path} is damaged ({error}); {REMEDY}") from error


def _checked_rows(
    path: str | Path, reader: Iterator[list[str]], required: Iterable[str]
) -> Iterator[dict[str, str]]:
    header = next(reader, [])
    missing = [column for column in required if column not in header]
    if missing:
        raise ClearfieldError(f"{path} has no column {missing[0]}; {REMEDY}")
    for number, cells in enumerate(reader, 2):
        if len(cells) != len(header):
            raise ClearfieldError(
                f"line {number} of {path} has {len(cells)} cells, not {len(header)}; {REMEDY}"
            )
        yield dict(zip(header, cells, strict=True))
