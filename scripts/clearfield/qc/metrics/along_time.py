"""What changes over time: the lamp by the mean of the stack, bleaching by the objects' signal."""

from __future__ import annotations

import math

from ..rules import Row, Rule, always, change, percent, size_of

COLUMNS = {
    "drift_t": "change of stack_mean along time (robust line), relative to the first time point",
    "flicker_t": "deviation of this time point's stack_mean from that line, relative to the line",
    "signal_drift_t": "change of object_signal along time (robust line), relative to the first",
}


def measure(plane, row: dict) -> dict:
    """Leave all to `add_time_drift`: one plane knows no other time."""
    return {}


def add_time_drift(rows: list[dict]) -> None:
    """Fill drift_t, flicker_t and signal_drift_t of all rows of one channel, in the order of time.

    The mean of the stack shows a lamp's flicker; the objects' own signal shows them bleach, also
    where haze and camera offset make up most of the mean.

    Examples
    --------
    >>> means = (100.0, 90.0, 40.0, 70.0, 60.0)
    >>> rows = [{"stack_mean": mean, "object_signal": 8.0} for mean in means]
    >>> add_time_drift(rows)
    >>> round(rows[0]["drift_t"], 2)  # the line falls from 100 to 60
    -0.4
    >>> [round(row["flicker_t"], 2) for row in rows]  # the line says 80 where 40 was seen
    [0.0, 0.0, -0.5, 0.0, 0.0]
    """
    import numpy as np

    from ..measured_plane import ratio, straight_line

    for row in rows:
        row["drift_t"] = row["flicker_t"] = row["signal_drift_t"] = math.nan
    for column, drift in (("stack_mean", "drift_t"), ("object_signal", "signal_drift_t")):
        values = np.array([row[column] for row in rows], dtype=float)
        known = np.isfinite(values)
        if known.sum() < 2:
            continue
        slope, start = straight_line(values[known], np.nonzero(known)[0])
        moved = ratio(slope * (len(rows) - 1), start)
        line = start + slope * np.arange(len(rows))
        for row, value, expected in zip(rows, values, line, strict=True):
            row[drift] = moved
            if column == "stack_mean" and known.sum() > 2:
                row["flicker_t"] = ratio(float(value - expected), float(expected))


def _say_flicker(row: Row) -> str:
    brighter = "brighter" if row("flicker_t") > 0 else "darker"
    return (
        f"this time point is {percent(abs(row('flicker_t')))} {brighter} than the course of the "
        "others"
    )


ALONG_TIME = "from the first time point to the last"
RULES = {
    "drift_t": Rule(
        size_of("drift_t"), change("drift_t", ALONG_TIME), warn=0.25, acquisition=always
    ),
    "signal_drift_t": Rule(
        size_of("signal_drift_t"),
        lambda row: "the objects' " + change("signal_drift_t", ALONG_TIME)(row),
        warn=0.25,
        acquisition=always,
    ),
    "flicker_t": Rule(size_of("flicker_t"), _say_flicker, warn=0.1, fail=0.5, acquisition=always),
}
