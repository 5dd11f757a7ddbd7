"""How far the objects stand above the background, beside its level and beside its noise."""

from __future__ import annotations

from ..rules import Row, Rule, column

COLUMNS = {
    "signal_to_background_before": "(object mean - background median) / background median, before",
    "signal_to_background_after": "the same after",
    "contrast_to_noise_before": "the same difference / noise_before",
    "contrast_to_noise_after": "the same after",
    "contrast_to_pixel_noise": "the same after / the pixels' own noise, where that is the smaller",
}
KEPT = 0.8
"""ASSUME: where this share of the objects' intensity is left, not the subtraction made them dim."""


def measure(plane, row: dict) -> dict:
    """Compare the mean of the objects with the background that was measured before."""
    import numpy as np

    from ..measured_plane import ratio

    measured = {}
    for name, image, inside, outside in plane.sides():
        if not outside.any():
            return measured
        if inside.any():
            sign = -1 if name == "before" and plane.channel["light_background"] else 1
            level = row[f"background_median_{name}"]
            difference = sign * (float(image[inside].mean(dtype=np.float64)) - level)
            measured[f"signal_to_background_{name}"] = ratio(difference, level)
            measured[f"contrast_to_noise_{name}"] = ratio(difference, row[f"noise_{name}"])
    # The background's spread counts dim objects and texture as noise; neighbours do not differ by
    # these. It is still the least of both: neighbours in a full field differ by the objects' edges.
    noise = np.fmin(plane.sizes.noise, row["noise_after"])
    if inside.any():
        measured["contrast_to_pixel_noise"] = ratio(difference, float(noise))
    return measured


def _dim_before(row: Row) -> bool:
    return not row("signal_survived") < KEPT


RULES = {
    "contrast_to_noise": Rule(
        column("contrast_to_pixel_noise"),
        lambda row: (
            f"objects stand only {row('contrast_to_pixel_noise'):.2g} standard deviations of the "
            "noise above the background"
        ),
        warn=5,
        fail=2,
        low=True,
        acquisition=_dim_before,
    )
}
