"""All samples of a run beside each other: distributions, and who stands apart."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .canvas import BLUE, DPI, GREY, VERMILLION, add_axes, add_text, new_figure, shorten, ticks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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


def draw_cohort(rows: list[dict], outliers: list[dict]) -> Figure | None:
    """Draw a strip of points for each column and channel, outliers named; None without numbers.

    Parameters
    ----------
    rows : list of dict
        Of the metrics table.
    outliers : list of dict
        From `find_outliers`.
    """
    plots = [(column, title, _by_channel(rows, column)) for column, title in SHOWN.items()]
    plots = [plot for plot in plots if plot[2]]
    if not plots:
        return None
    across = min(4, len(plots))
    wide, tall, margin = 320, 190, 76
    down = -(-len(plots) // across)
    figure = new_figure(across * (wide + margin) + 24, down * (tall + 84) + 8)
    far = {(o["column"], o["sample"], o["time"], o["channel_name"]) for o in outliers}
    for index, (column, title, groups) in enumerate(plots):
        x = margin + index % across * (wide + margin)
        y = 40 + index // across * (tall + 84)
        add_text(figure, x, y - 20, title, fontsize=10, fontweight="bold")
        axes = add_axes(figure, x, y, wide, tall)
        named = [o for o in outliers if o["column"] == column][:3]
        points = {}
        for place, (name, values, members) in enumerate(groups):
            # A low-discrepancy sequence spreads the points evenly, the same in every run.
            offsets = (np.arange(len(values)) * 0.6180339887) % 1 - 0.5
            columns = place + 0.5 * offsets
            is_far = np.array([(column, m["sample"], m["time"], name) in far for m in members])
            for chosen, colour in ((~is_far, BLUE), (is_far, VERMILLION)):
                axes.plot(
                    columns[chosen], values[chosen], "o", color=colour, markersize=4.5,
                    alpha=0.55 if colour == BLUE else 1.0, markeredgewidth=0,
                )  # fmt: skip
            axes.plot([place - 0.38, place + 0.38], [np.median(values)] * 2, color="black")
            for k, member in enumerate(members):
                points[member["sample"], member["time"], name] = columns[k], values[k]
        low, high = axes.get_ylim()
        axes.set_ylim(low, high)
        axes.set_yticks(*ticks(low, high, 4))
        axes.set_xlim(-0.6, len(groups) - 0.4)
        names = [shorten(name, max(4, 44 // len(groups))) for name, *_ in groups]
        axes.set_xticks(range(len(groups)), names, fontsize=9 if len(groups) < 6 else 7)
        axes.spines[["top", "right"]].set_visible(False)
        written = []  # heights of the names so far, px: names that would overlap move inwards
        for one in named:
            at = points[one["sample"], one["time"], one["channel_name"]]
            height = (at[1] - low) / (high - low) * tall
            place = height
            while any(abs(place - other) < 12 for other in written):
                place += -12 if height > tall / 2 else 12
            written.append(place)
            left = at[0] > (len(groups) - 1) / 2
            axes.annotate(
                shorten(one["sample"], 30), at, va="center", fontsize=7.5, color=VERMILLION,
                xytext=(-6 if left else 6, (place - height) * 72 / DPI),
                textcoords="offset points", ha="right" if left else "left",
                annotation_clip=False,
            )  # fmt: skip
    add_text(
        figure, figure.bbox.width - 24, figure.bbox.height - 14, f"black: median; "
        f"orange: modified z-score above {FAR:g}", color=GREY, fontsize=8, ha="right",
    )  # fmt: skip
    return figure
