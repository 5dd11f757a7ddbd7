"""What makes a sample unlike the others of the run, where no fixed threshold fits all runs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import median

from ..rules import Row, Rule, always, grey

COLUMNS = {
    "cohort_score": "how far the sample's most unusual number lies from the others, robust z",
    "cohort_metric": "the column of that number",
    "cohort_value": "the sample's number there, the median over time",
    "cohort_median": "the median of all samples there",
}
COMPARED = {
    "object_signal": "the objects' signal",
    "background_median_before": "the background before",
    "sharpest_edge_px": "the blur of the sharpest edges in px",
    "drift_z": "the change along Z",
}
"""What should be alike in samples taken alike, and how a reason calls it."""
DIFFERENCES = {"background_median_before", "drift_z"}
"""Compared by differences, since they may be 0 or negative; the others by ratios."""
SAMPLES = 10
"""ASSUME: so many samples tell what is usual. Of normal values, one in 800 is then flagged at 6."""
LEAST_SPREAD = 0.1
"""ASSUME: samples that differ by a tenth are alike, however alike the others are."""


def measure(plane, row: dict) -> dict:
    """Leave all to `find_outliers`: one sample knows no other."""
    return {}


class Cohort:
    """The numbers of all samples of a run, a few for each, by channel.

    Examples
    --------
    >>> cohort = Cohort()
    >>> for number in range(12):
    ...     signal = 20.0 if number == 3 else 200.0 + number
    ...     cohort.add([{"sample": f"s{number}", "channel": "0", "object_signal": str(signal)}])
    >>> found = cohort.outliers()
    >>> found["s3", "0"]["cohort_metric"], found["s3", "0"]["cohort_value"]
    ('object_signal', '20')
    >>> float(found["s3", "0"]["cohort_score"]) < -20 < 2 > float(found["s4", "0"]["cohort_score"])
    True
    """

    def __init__(self) -> None:
        self._values: dict[str, dict[str, dict[str, float]]] = {}

    def add(self, rows: Iterable[dict[str, str]]) -> None:
        """Take the medians over time of one sample's rows."""
        found: dict[tuple[str, str, str], list[float]] = {}
        for cells in rows:
            for name in COMPARED:
                value = Row(cells)(name)
                if math.isfinite(value):
                    found.setdefault((cells["channel"], name, cells["sample"]), []).append(value)
        for (channel, name, sample), values in found.items():
            self._values.setdefault(channel, {}).setdefault(name, {})[sample] = median(values)

    def outliers(self) -> dict[tuple[str, str], dict[str, str]]:
        """Give for each sample and channel the cells of `COLUMNS`; nothing in a small run."""
        worst: dict[tuple[str, str], tuple[float, str, float, float]] = {}
        for channel, metrics in self._values.items():
            for name, values in metrics.items():
                if len(values) < SAMPLES:
                    continue
                least = LEAST_SPREAD
                if name == "background_median_before":
                    # Beside what is measured on it; a float image has levels of any size.
                    signals = metrics.get("object_signal", values).values()
                    least *= median(abs(signal) for signal in signals)
                middle, scores = _scores(values, name in DIFFERENCES, least)
                for sample, score in scores.items():
                    key = sample, channel
                    if key not in worst or abs(score) > abs(worst[key][0]):
                        worst[key] = score, name, values[sample], middle
        return {
            key: {
                "cohort_score": f"{score:.6g}",
                "cohort_metric": name,
                "cohort_value": f"{value:.6g}",
                "cohort_median": f"{middle:.6g}",
            }
            for key, (score, name, value, middle) in worst.items()
        }


def _scores(
    values: dict[str, float], differences: bool, least: float
) -> tuple[float, dict[str, float]]:
    """Give the median, and how many robust standard deviations each value lies from it."""
    middle = median(values.values())
    placed = values
    if not differences:
        lowest = abs(middle) / 1000 or 1e-9
        placed = {sample: math.log(max(value, lowest)) for sample, value in values.items()}
    centre = median(placed.values())
    spread = 1.4826 * median(abs(value - centre) for value in placed.values())
    spread = max(spread, least) or math.inf
    return middle, {sample: (value - centre) / spread for sample, value in placed.items()}


def _say(row: Row) -> str:
    name = row.cells.get("cohort_metric", "")
    value, middle = row("cohort_value"), row("cohort_median")
    text = f"{grey(value)}, and the median of this run is {grey(middle)}"
    if name == "drift_z":
        text = f"{value:+.0%}, and the median of this run is {middle:+.0%}".replace("%", " %")
    return f"{COMPARED.get(name, name)} is unlike the others': {text}"


RULES = {
    "cohort_score": Rule(lambda row: abs(row("cohort_score")), _say, warn=6, acquisition=always)
}
