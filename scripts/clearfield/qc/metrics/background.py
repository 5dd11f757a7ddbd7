"""The background and its noise before and after, and what of it is left."""

from __future__ import annotations

import math

from ...methods.known_methods import METHODS, method_of
from ..rules import Row, Rule, advice, grey, percent

SMOOTHED = {method.NAME for method in METHODS if method.SMOOTHING}
COLUMNS = {
    "background_median_before": "median of the background pixels of the projection, grey levels",
    "background_median_after": "the same of the result, without the offset",
    "background_mad_before": "median absolute deviation of the background pixels before",
    "background_mad_after": "the same after",
    "noise_before": "1.4826 × background_mad_before, at least what rounding leaves, grey levels",
    "noise_after": "the same after",
    "background_left_sigma": "background_median_after / noise_after",
    "background_left_to_signal": "background_median_after / object_signal",
    "background_left_by_noise": "what of background_median_after the noise alone explains",
}


def measure(plane, row: dict) -> dict:
    """Measure the level and the spread of the background pixels."""
    import numpy as np

    from ..measured_plane import ratio

    measured = {}
    for name, image, _, outside in plane.sides():
        if not outside.any():
            return measured
        values = image[outside]
        level = float(np.median(values))
        mad = float(np.median(np.abs(values - level)))
        measured |= {
            f"background_median_{name}": level,
            f"background_mad_{name}": mad,
            # What rounding did to the image stays in the result, whatever the result's dtype.
            f"noise_{name}": max(1.4826 * mad, plane.sizes.rounding),
        }
    left = measured["background_median_after"]
    return measured | {
        "background_left_sigma": ratio(left, measured["noise_after"]),
        "background_left_to_signal": ratio(left, row["object_signal"]),
        "background_left_by_noise": row["pixel_noise"] * _lower_edge(plane, row),
    }


def _lower_edge(plane, row: dict) -> float:
    """Give how far below the level a filter runs that follows the lower edge of the noise.

    In standard deviations: the expected least of as many normal values as its disk has pixels
    (Blom, Statistical Estimates and Transformed Beta-Variables, 1958). The filter runs along the
    highest of such least values, so this is the most that noise explains. A blur follows none.
    """
    from statistics import NormalDist

    if not method_of(plane.channel).FOLLOWS_LOWER_EDGE:
        return 0.0
    pixels = min(math.pi * (row["radius_px"] + 0.5) ** 2, plane.pixels)
    if not pixels > 1:
        return 0.0
    smooth, noise = plane.channel.get("smooth", 0), 1.0
    if smooth is True:
        noise = 1 / 3  # ImageJ's mean of 3 × 3 pixels
    elif smooth > 0:
        noise = min(1, 1 / (2 * math.sqrt(math.pi) * smooth))  # what a Gaussian leaves
    return noise * NormalDist().inv_cdf((pixels - 0.375) / (pixels + 0.25))


def _left(row: Row) -> float:
    # A constant is no less for being below the noise: an object's many pixels all have it. But what
    # noise makes of it says nothing of haze or size; contrast_to_noise judges the noise.
    if not row.subtracted:
        return math.nan
    share, left = abs(row("background_left_to_signal")), abs(row("background_median_after"))
    explained = row("background_left_by_noise")
    return share * (1 - min(explained / left, 1)) if left > 0 and explained > 0 else share


def _say_left(row: Row) -> str:
    return (
        f"{grey(row('background_median_after'))} grey levels "
        f"({row('background_left_sigma'):.2g} standard deviations) are left in the background, "
        f"{percent(abs(row('background_left_to_signal')))} of the objects' signal: {_remedy(row)}"
    )


def _say_left_in_noise(row: Row) -> str:
    return (
        f"{grey(row('background_median_after'))} grey levels are left in the background, "
        f"{row('background_left_sigma'):.2g} standard deviations of its noise: {_remedy(row)}"
    )


def _remedy(row: Row) -> str:
    wide, smooth = row("radius_px") > row("recommended_radius_px"), row("recommended_smooth_px")
    method = row.cells.get("method")
    if smooth > 0 and method in SMOOTHED and "smooth" not in row.cells.get("sizes", ""):
        text = f"set {method}.smooth to {smooth:g} px"
        return text + f" and the radius to {row('recommended_smooth_radius_px'):g} px" * wide
    if wide:
        return "choose a smaller radius" + advice(row, wide)
    return "take them off what you measure"


def _in_noise(row: Row) -> float:
    return abs(row("background_left_sigma")) if row.subtracted else math.nan


RULES = {
    "background_left": Rule(_left, _say_left, warn=0.2, fail=0.5),
    "background_left_sigma": Rule(_in_noise, _say_left_in_noise),
}
