"""What single pixels tell: their noise, those that are stuck, and how sharp the plane is."""

from __future__ import annotations

import math

from ..rules import Row, Rule, always, column, percent

COLUMNS = {
    "pixel_noise": "standard deviation of a pixel's noise in the projection, told by neighbours",
    "stuck_fraction": "fraction of the projection's pixels that differ from all their neighbours",
    "sharpest_edge_px": "blur of the sharpest edges of the result, sigma of a Gaussian, px",
}
WINDOW = 256
"""Side in px: enough for some objects, and a quarter of the time that 512 take."""


def measure(plane, row: dict) -> dict:
    """Look at some rows of the plane before, and at the part of the result with most objects."""
    import numpy as np

    from ..edges import sharpest_edge
    from ..pixel_noise import pixel_noise, rounding_noise, sample_strips, stuck_fraction

    if plane.original is None or not plane.sizes.objects.size:
        return {}
    strips = sample_strips(plane.original)
    least = max(plane.sizes.rounding, rounding_noise(strips))
    noise = pixel_noise(strips, least)
    # Of the window with most objects: elsewhere there may be no edge at all.
    side = max(1, WINDOW // plane.sizes.factor)
    objects = plane.sizes.objects
    starts = [
        (rows, columns)
        for rows in range(0, objects.shape[0], side)
        for columns in range(0, objects.shape[1], side)
    ]
    rows, columns = max(
        starts, key=lambda at: np.count_nonzero(objects[at[0] : at[0] + side, at[1] : at[1] + side])
    )
    first, left = rows * plane.sizes.factor, columns * plane.sizes.factor
    window = np.asarray(plane.result[first : first + WINDOW])[:, left : left + WINDOW]
    return {
        "pixel_noise": noise,
        "stuck_fraction": stuck_fraction(strips, least),
        "sharpest_edge_px": sharpest_edge(window, row["object_signal"]),
    }


def _say_blurred(row: Row) -> str:
    return (
        f"nothing is sharper than {row('sharpest_edge_px'):.2g} px (standard deviation of its "
        "blur): out of focus, or sampled far finer than the microscope sees"
    )


def _blur(row: Row) -> float:
    return row("sharpest_edge_px") if row("object_fraction") > 0 else math.nan


RULES = {
    "stuck_pixels": Rule(
        column("stuck_fraction"),
        lambda row: (
            f"{percent(row('stuck_fraction'))} of the pixels are far from all their neighbours: "
            "dead or hot pixels of the detector, or dust of one pixel"
        ),
        warn=0.0001,
        fail=0.01,
        acquisition=always,
    ),
    "sharpest_edge": Rule(_blur, _say_blurred, warn=4, acquisition=always),
}
