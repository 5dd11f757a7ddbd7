"""What changes from plane to plane of the stack: brightness, flicker, sharpness."""

from __future__ import annotations

import math

from ..rules import Finding, Row, Rule, always, change, percent

COLUMNS = {
    "sharpest_plane": "index along Z, from 0, of the plane with the strongest local contrast",
    "least_sharpness": "sharpness of the least sharp plane / that of the sharpest",
    "median_sharpness": "median of the planes' sharpness / that of the sharpest",
    "planes": "number of planes that were projected",
    "drift_z": "change of the plane means along Z (robust line), relative to the first plane",
    "flicker_z": "largest deviation of a plane's mean from its two neighbours' / median",
    "stack_mean": "mean grey level of the stack (every 16th row)",
}


def measure(plane, row: dict) -> dict:
    """Compare the planes by their means and their sharpness."""
    import numpy as np

    from ..measured_plane import ratio, straight_line

    means = np.array(plane.statistics.get("plane_means", []), dtype=float)
    sharpness = np.array(plane.statistics.get("plane_sharpness", []), dtype=float)
    measured: dict[str, float | int] = {"planes": len(means)}
    if np.isfinite(sharpness).any():
        measured["sharpest_plane"] = int(np.nanargmax(sharpness))
        highest = float(np.nanmax(sharpness))
        measured["least_sharpness"] = ratio(float(np.nanmin(sharpness)), highest)
        measured["median_sharpness"] = ratio(float(np.nanmedian(sharpness)), highest)
    means = means[np.isfinite(means)]
    if len(means):
        measured["stack_mean"] = float(means.mean())
    if len(means) > 1:
        slope, start = straight_line(means)
        measured["drift_z"] = ratio(slope * (len(means) - 1), start)
    if len(means) > 2:
        jumps = np.abs(means[1:-1] - (means[:-2] + means[2:]) / 2)
        measured["flicker_z"] = ratio(float(jumps.max()), float(np.median(means)))
    return measured


def _deep(row: Row, name: str) -> float:
    """Judge a change along Z only where five planes or more tell it from a thin object."""
    return abs(row(name)) if row("planes") >= 5 else math.nan


FLAT = 0.25
"""ASSUME: a stack shows a focus where the sharpness of most planes lies in the lowest quarter
between the least sharp plane and the sharpest: these planes show noise and blur alone, and the peak
stands over them. (A parabola from end to end just meets that.) A stack of even or slowly rising
sharpness lies within the objects, and does not tell what lies beyond it."""
PEAK = 0.8
"""ASSUME: a peak less than a quarter above most planes is chance."""


def _focus_at_edge(row: Row) -> bool:
    at_edge = row("planes") >= 3 and row("sharpest_plane") in (0, row("planes") - 1)
    least, median = row("least_sharpness"), row("median_sharpness")
    return at_edge and median < min(PEAK, least + FLAT * (1 - least))


RULES = {
    "drift_z": Rule(
        lambda row: _deep(row, "drift_z"),
        change("drift_z", "from the first plane to the last"),
        acquisition=always,
    ),
    "flicker_z": Rule(
        lambda row: _deep(row, "flicker_z"),
        lambda row: f"a plane differs by {percent(row('flicker_z'))} from its neighbours",
        acquisition=always,
    ),
    "focus_at_edge": Finding(
        _focus_at_edge,
        lambda row: (
            f"the sharpest plane is the {'first' if row('sharpest_plane') == 0 else 'last'}"
            f" of {row('planes'):.0f}: the objects may reach beyond the stack"
        ),
        acquisition=always,
    ),
}
