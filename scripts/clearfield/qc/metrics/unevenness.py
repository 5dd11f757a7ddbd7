"""How much the background varies over the plane, beside what it was and beside the objects."""

from __future__ import annotations

import math
from collections.abc import Callable

from ..rules import Row, Rule, advice, grey, percent

COLUMNS = {
    "unevenness_before": "range of a 2nd-order surface fitted to the background, grey levels",
    "unevenness_after": "the same after",
    "unevenness_ratio": "unevenness_after / unevenness_before",
    "unevenness_to_signal": "unevenness_after / object_signal",
}


def measure(plane, row: dict) -> dict:
    """Fit a surface of second order to the background, and take its range."""
    import numpy as np

    from ..measured_plane import ratio

    measured = {}
    for name, image, _, outside in plane.sides():
        if not outside.any():
            return measured
        surface = fit_surface(image, outside)
        measured[f"unevenness_{name}"] = float(np.ptp(surface(*np.nonzero(_thin(outside)))))
    after = measured["unevenness_after"]
    return measured | {
        "unevenness_ratio": ratio(after, measured["unevenness_before"]),
        "unevenness_to_signal": ratio(after, row["object_signal"]),
    }


def fit_surface(image, mask) -> Callable:
    """Fit 1, x, y, x², xy, y² to the masked pixels by least squares; give it as a function."""
    import numpy as np

    height, width = (max(1, length - 1) for length in image.shape)

    def terms(rows, columns):
        y, x = 2 * rows / height - 1, 2 * columns / width - 1
        return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)

    mask = _thin(mask)
    design = terms(*np.nonzero(mask))
    # The normal equations: 6 × 6, well-conditioned on -1 to 1; least norm where pixels are few.
    weights = np.linalg.lstsq(design.T @ design, design.T @ image[mask], rcond=1e-10)[0]
    return lambda rows, columns: terms(rows, columns) @ weights


def _thin(mask):
    """Keep every n-th row and column of a mask, so that some 16,000 places of it remain."""
    import numpy as np

    step = max(1, math.isqrt(np.count_nonzero(mask) // 2**14))
    thinned = np.zeros_like(mask)
    thinned[::step, ::step] = mask[::step, ::step]
    return thinned if thinned.any() else mask


def _seen(name: str) -> Callable[[Row], float]:
    """Judge a column of the unevenness; NaN where it is hidden in the noise."""

    def value(row: Row) -> float:
        # ASSUME: a range of less than two standard deviations of the noise cannot be seen.
        if not row.subtracted or row("unevenness_after") <= 2 * row("noise_after"):
            return math.nan
        return row(name)

    return value


def _too_wide(row: Row) -> str:
    return advice(row, row("radius_px") > row("recommended_radius_px"))


def _say_beside_signal(row: Row) -> str:
    return (
        f"the background still varies by {grey(row('unevenness_after'))} grey levels, "
        f"{percent(row('unevenness_to_signal'))} of the objects' signal{_too_wide(row)}"
    )


def _say_share(row: Row) -> str:
    return (
        f"{percent(row('unevenness_ratio'))} of the background's unevenness remain "
        f"({grey(row('unevenness_after'))} of {grey(row('unevenness_before'))} grey levels)"
        f"{_too_wide(row)}"
    )


RULES = {
    "unevenness_to_signal": Rule(
        _seen("unevenness_to_signal"), _say_beside_signal, warn=0.4, fail=1
    ),
    "unevenness_ratio": Rule(_seen("unevenness_ratio"), _say_share),
}
