"""How much of the objects there is, and how much of them the subtraction left."""

from __future__ import annotations

from ...methods.known_methods import METHODS
from ..rules import Finding, Row, Rule, advice, column, length, percent

COLUMNS = {
    "object_fraction": "fraction of the pixels that belong to objects",
    "signal_survived": "contrast of the objects with their surroundings: after / before",
    "object_signal": "contrast of the objects with their surroundings before, grey levels",
}
RADIUS_NAMES = {method.NAME: method.QC_RADIUS for method in METHODS}


def measure(plane, row: dict) -> dict:
    """Measure the contrast of the objects with what surrounds them, before and after."""
    import numpy as np

    from ..granulometry import measure_contrast
    from ..measured_plane import ratio

    objects, signal = plane.sizes.objects, measure_contrast(plane.sizes.image, plane.sizes)
    return {
        "object_fraction": ratio(np.count_nonzero(objects), objects.size),
        "object_signal": signal,
        "signal_survived": ratio(measure_contrast(plane.after, plane.sizes), signal),
    }


def _say_lost(row: Row) -> str:
    survived = row("signal_survived")
    lost = f"objects lose {percent(1 - survived)} of their intensity"
    if survived <= 0:
        lost = "nothing is left of the objects' intensity"
    radius, diameter = row("radius_px"), row("object_diameter_px")
    small = radius < row("largest_diameter_px") / 2
    if small:
        sizes = f"the objects (median diameter {length(row, diameter)})"
        if radius >= diameter / 2:
            largest = length(row, row("largest_diameter_px"))
            sizes = f"the largest objects (diameter {largest})"
        name = RADIUS_NAMES.get(row.cells.get("method", ""), "radius")
        lost = f"{name} {length(row, radius, 4)} is smaller than {sizes}: {lost}"
    return lost + advice(row, small)


RULES = {
    "signal_survived": Rule(column("signal_survived"), _say_lost, warn=0.8, fail=0.5, low=True),
    "no_objects": Finding(
        lambda row: row("object_fraction") == 0,
        lambda row: (
            "no objects stand out from the noise (an empty field, or a full one: choose the size "
            "by eye, with explore_parameters)"
        ),
    ),
}
