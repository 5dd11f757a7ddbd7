"""The table of verdicts in; out comes how many samples are ok, warn and fail, in words."""

import csv
from pathlib import Path

from ..qc.series_taken import one_of_several


def read_rows(table: Path) -> list[dict[str, str]]:
    """Read a table of verdicts."""
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def count_verdicts(rows: list[dict[str, str]]) -> str:
    """Count samples by their worst row, and those that are one series of several.

    Examples
    --------
    >>> rows = [{"sample": "a", "status": "ok"}, {"sample": "a", "status": "fail"},
    ...         {"sample": "b", "status": "ok", "series": "0 of 20"}]
    >>> print(count_verdicts(rows))
    2 samples: 1 ok, 0 warn, 1 fail
    1 of them is series 0 of 20 of its file, or the like: for all series set load_stack.series: all
    """
    levels = ("ok", "warn", "fail")
    worst: dict[str, int] = {}
    unused: list[set[str]] = []
    series: dict[str, str] = {}
    for row in rows:
        level = levels.index(row["status"])
        worst[row["sample"]] = max(level, worst.get(row["sample"], 0))
        cell = row.get("unused_channels") or ""
        unused.append({part.partition(" (")[0] for part in cell.split("; ") if part})
        if row.get("series"):
            series[row["sample"]] = row["series"]
    counts = ", ".join(f"{list(worst.values()).count(n)} {name}" for n, name in enumerate(levels))
    text = f"{len(worst)} sample{'s' * (len(worst) != 1)}: {counts}"
    series = one_of_several(series)
    if series:
        verb = "are" if len(series) > 1 else "is"
        text += (
            f"\n{len(series)} of them {verb} series {next(iter(series.values()))} of "
            f"{'their files' if len(series) > 1 else 'its file'}, or the like: for all series set "
            "load_stack.series: all"
        )
    nowhere = set.intersection(*unused) if unused else set()
    for name in sorted(nowhere):
        text += f"\nno sample has a channel {name!r}, which subtract_background.channels names"
    return text
