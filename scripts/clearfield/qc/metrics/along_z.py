"""What changes from plane to plane of the stack: brightness, flicker, sharpness."""

from __future__ import annotations

import math

from ..rules import Finding, Row, Rule, always, change, percent

COLUMNS = {
    "sharpest_plane": "index along Z, from 0, of the plane with the strongest local contrast",
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


def _focus_at_edge(row: Row) -> bool:
    return row("planes") >= 3 and row("sharpest_plane") in (0, row("planes") - 1)


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
