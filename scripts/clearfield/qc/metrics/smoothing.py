"""How much to smooth before the background is estimated, what that brings, and what it costs."""

from __future__ import annotations

COLUMNS = {
    "recommended_smooth_px": "sigma of `smooth` that takes what noise leaves; 0: no need, px",
    "recommended_smooth_um": "the same in µm, where the calibration is known",
    "recommended_smooth_radius_px": "top-hat radius to go with it, px",
    "left_without_smooth_sigma": "background left by a top-hat of recommended_radius_px / noise",
    "left_with_smooth_sigma": "the same with the recommended smooth and the radius to go with it",
    "signal_kept_with_smooth": "contrast of the objects with that smooth / without",
}
RULES: dict = {}


def measure(plane, row: dict) -> dict:
    """Read the advice off the granulometry of the plane before."""
    advice = plane.sizes.smoothing
    if advice is None:
        return {}
    return {
        "recommended_smooth_px": advice.sigma_px,
        "recommended_smooth_um": advice.sigma_px * plane.pixel_um,
        "recommended_smooth_radius_px": advice.radius_px,
        "left_without_smooth_sigma": advice.left,
        "left_with_smooth_sigma": advice.left_smoothed,
        "signal_kept_with_smooth": advice.kept,
    }
