"""How large the objects are, and the radius that keeps them."""

from __future__ import annotations

import math

COLUMNS = {
    "object_diameter_px": "diameter below which half of the objects' intensity lies, px",
    "object_diameter_um": "the same in µm, where the calibration is known",
    "largest_diameter_px": "diameter below which 95 % of the objects' intensity lies, px",
    "recommended_radius_px": "smallest top-hat radius that keeps the objects, px",
    "recommended_radius_um": "the same in µm, where the calibration is known",
    "signal_kept_at_radius": "fraction of object intensity that a top-hat of radius_px keeps",
    "signal_kept_at_recommended": "the same at recommended_radius_px",
}
RULES: dict = {}


def measure(plane, row: dict) -> dict:
    """Read the sizes off the granulometry of the plane before."""
    sizes, tophat = plane.sizes, plane.channel["method"] == "tophat"
    measured = {
        "object_diameter_px": sizes.median_diameter_px,
        "object_diameter_um": sizes.median_diameter_px * plane.pixel_um,
        "largest_diameter_px": sizes.largest_diameter_px,
        "signal_kept_at_radius": sizes.kept_at(row["radius_px"]) if tophat else math.nan,
    }
    recommended = sizes.recommended_radius_px
    if recommended is not None:
        measured["recommended_radius_px"] = recommended
        measured["recommended_radius_um"] = recommended * plane.pixel_um
        measured["signal_kept_at_recommended"] = sizes.kept_at(recommended)
    return measured
