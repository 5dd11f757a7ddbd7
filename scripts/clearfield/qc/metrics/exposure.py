"""What the detector could not tell any more: saturated, NaN and infinite pixels of the stack."""

from __future__ import annotations

import math

from ..rules import Rule, always, column, percent

COLUMNS = {
    "saturation_level": "grey level at which the detector is full",
    "saturated_fraction": "fraction of the pixels of the stack at that level or above",
    "nonfinite_fraction": "fraction of the pixels of the stack that are NaN or infinite",
}


def measure(plane, row: dict) -> dict:
    """Take what was counted when the stack was projected."""
    counted = ((name, plane.statistics.get(name)) for name in COLUMNS)
    return {name: math.nan if value is None else value for name, value in counted}


RULES = {
    "saturated_fraction": Rule(
        column("saturated_fraction"),
        lambda row: (
            f"{percent(row('saturated_fraction'))} of the pixels of the stack are saturated"
        ),
        warn=0.0001,
        fail=0.01,
        acquisition=always,
    ),
    "nonfinite_fraction": Rule(
        column("nonfinite_fraction"),
        lambda row: f"{percent(row('nonfinite_fraction'))} of the pixels are NaN or infinite",
        warn=0,
        fail=0.01,
        acquisition=always,
    ),
}
