"""What the output could not hold: clipped and negative pixels, and the offset against them."""

from __future__ import annotations

from ..rules import Rule, column, percent

COLUMNS = {
    "clipped_fraction": "fraction of the pixels of the result that were cut to fit its dtype",
    "negative_fraction": "fraction of the pixels below zero before clipping or offsetting",
    "offset": "constant that was added to the result, grey levels",
}


def measure(plane, row: dict) -> dict:
    """Count what was cut, and what is below 0 without the offset."""
    low, high = plane.clipped["clipped_low"], plane.clipped["clipped_high"]
    return {
        "clipped_fraction": (low + high) / plane.pixels,
        "negative_fraction": (low + _count_below(plane.result, plane.offset)) / plane.pixels,
        "offset": plane.offset,
    }


def _count_below(result, level: float) -> int:
    """Count pixels below `level`, in blocks of rows."""
    import numpy as np

    if np.dtype(result.dtype).kind == "u" and level <= 0:
        return 0
    step = max(1, 2**20 // max(1, result.shape[1]))
    return sum(
        int(np.count_nonzero(result[first : first + step] < level))
        for first in range(0, result.shape[0], step)
    )


RULES = {
    "clipped_fraction": Rule(
        column("clipped_fraction"),
        lambda row: f"{percent(row('clipped_fraction'))} of the result's pixels were clipped",
        warn=0.01,
    )
}
