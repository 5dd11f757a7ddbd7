"""What the stack does not tell: its saturated, NaN, infinite and never stored pixels."""

from __future__ import annotations

import math

from ..rules import Rule, always, column, percent

COLUMNS = {
    "saturation_level": "grey level at which the detector is full",
    "saturated_fraction": "fraction of the pixels of the stack at that level or above",
    "nonfinite_fraction": "fraction of the pixels of the stack that are NaN or infinite",
    "absent_fraction": "fraction of the pixels of the stack that were never stored",
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
    # Zarr defines a chunk that is not there as its fill value. A chunk that holds nothing else may
    # be left out on purpose; one that a copy lost looks the same.
    "absent_fraction": Rule(
        column("absent_fraction"),
        lambda row: (
            f"{percent(row('absent_fraction'))} of the pixels of the stack were never stored "
            "(absent chunks of a zarr)"
        ),
        warn=0,
        fail=0.5,
        acquisition=always,
    ),
}
