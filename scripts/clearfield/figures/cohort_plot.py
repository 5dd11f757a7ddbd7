"""All samples of a run beside each other: distributions, and who stands apart."""

from __future__ import annotations

import math

import numpy as np

SHOWN = {
    "saturated_fraction": "Saturated fraction of the stack",
    "background_median_before": "Background before, grey levels",
    "unevenness_ratio": "Unevenness left (after / before)",
    "contrast_to_noise_after": "Contrast-to-noise after",
    "signal_survived": "Objects' signal that survived",
    "object_diameter_px": "Median object diameter, px",
    "drift_z": "Drift of intensity along Z",
    "drift_t": "Drift of intensity along T",
}
LEAST = 8  # values below which nothing is called an outlier
FAR = 3.5  # modified z-score, as its authors advise


def to_number(text: str | float | None) -> float:
    """Read a cell; NaN where it holds no number.

    Examples
    --------
    >>> to_number("2.5"), to_number(""), to_number("inf")
    (2.5, nan, nan)
    """
    try:
        value = float(text)
    except (TypeError, ValueError):
        return math.nan
    return value if math.isfinite(value) else math.nan


def modified_scores(values: np.ndarray) -> np.ndarray:
    """Give each value's distance from the median, in robust standard deviations.

    Iglewicz and Hoaglin, "How to Detect and Handle Outliers" (1993): 0.6745 × distance / MAD;
    where more than half of the values are equal, distance / (1.2533 × mean distance).

    Examples
    --------
    >>> modified_scores(np.array([1.0, 2, 3, 4, 100])).round(2).tolist()
    [-1.35, -0.67, 0.0, 0.67, 65.43]
    """
    distance = values - np.median(values)
    spread = float(np.median(np.abs(distance))) / 0.6745
    if spread == 0:
        spread = 1.2533 * float(np.abs(distance).mean())
    return distance / spread if spread > 0 else np.zeros_like(distance)


def find_outliers(rows: list[dict]) -> list[dict]:
    """List the values that stand far from those of the other rows of their channel.

    Parameters
    ----------
    rows : list of dict
        Of the metrics table, as text.

    Returns
    -------
    list of dict
        ``column, sample, time, channel_name, value, median, score``; the farthest of each column
        first. Channels of fewer than `LEAST` values have none.
    """
    found = []
    for column in SHOWN:
        own = []
        for name, values, members in _by_channel(rows, column):
            if len(values) < LEAST:
                continue
            median = float(np.median(values))
            for row, value, score in zip(members, values, modified_scores(values), strict=True):
                if abs(score) > FAR:
                    own.append(
                        {
                            "column": column, "sample": row["sample"], "time": row["time"],
                            "channel_name": name, "value": float(value), "median": median,
                            "score": float(score),
                        }
                    )  # fmt: skip
        found += sorted(own, key=lambda one: -abs(one["score"]))
    return found


def _by_channel(rows: list[dict], column: str) -> list[tuple[str, np.ndarray, list[dict]]]:
    """Group the rows that have a number in `column` by the name of their channel."""
    groups: dict[str, list[tuple[float, dict]]] = {}
    for row in rows:
        value = to_number(row.get(column))
        if not math.isnan(value):
            groups.setdefault(row["channel_name"], []).append((value, row))
    return [
        (name, np.array([value for value, _ in members]), [row for _, row in members])
        for name, members in groups.items()
    ]


def plot_points(rows: list[dict], outliers: list[dict]) -> dict[str, dict]:
    """Give the points of a plot for each column: a strip for each channel, outliers marked.

    Parameters
    ----------
    rows : list of dict
        Of the metrics table.
    outliers : list of dict
        From `find_outliers`.

    Returns
    -------
    dict
        By column: ``channels``, their names, and ``points``, a list of place of the channel,
        value, 1 for an outlier or else 0, sample and time. Columns without numbers are left out.

    Examples
    --------
    >>> row = {"sample": "a", "time": "0", "channel_name": "DAPI", "drift_z": "0.5"}
    >>> plot_points([row], [])
    {'drift_z': {'channels': ['DAPI'], 'points': [[0, 0.5, 0, 'a', '0']]}}
    """
    far = {(o["column"], o["sample"], o["time"], o["channel_name"]) for o in outliers}
    plots = {}
    for column in SHOWN:
        groups = _by_channel(rows, column)
        points = [
            [
                place, float(f"{value:.5g}"),
                int((column, row["sample"], row["time"], name) in far), row["sample"], row["time"],
            ]
            for place, (name, values, members) in enumerate(groups)
            for value, row in zip(values, members, strict=True)
        ]  # fmt: skip
        if points:
            plots[column] = {"channels": [name for name, *_ in groups], "points": points}
    return plots
