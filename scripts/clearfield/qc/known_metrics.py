"""The metrics of QC: the families that measure them, and the columns and rules that these have.

A family is one file of `metrics/`: COLUMNS (name and what it is), `measure`, and RULES (name in the
config, thresholds, words of the reason). Snakemake's own process imports them for the names of the
columns, so numpy comes in only where something is measured.
"""

from .metrics import (
    along_time,
    along_z,
    background,
    ball,
    clipping,
    cohort,
    contrast,
    exposure,
    object_sizes,
    objects,
    pixels,
    recorded,
    smoothing,
    unevenness,
)

FAMILIES = (
    recorded, exposure, clipping, object_sizes, objects, pixels, unevenness, background,
    contrast, smoothing, ball, along_z, along_time, cohort,
)  # fmt: skip
"""In the order in which they are measured, since some need what another found, and judged."""
ORDER = (
    "method", "radius_px", "radius_um", "saturation_level", "saturated_fraction",
    "nonfinite_fraction", "clipped_fraction", "negative_fraction", "offset",
    "background_median_before", "background_median_after", "background_mad_before",
    "background_mad_after", "unevenness_before", "unevenness_after", "unevenness_ratio",
    "object_fraction", "signal_to_background_before", "signal_to_background_after",
    "contrast_to_noise_before", "contrast_to_noise_after", "signal_survived",
    "object_diameter_px", "object_diameter_um", "largest_diameter_px", "recommended_radius_px",
    "recommended_radius_um", "signal_kept_at_radius", "signal_kept_at_recommended",
    "sharpest_plane", "planes", "drift_z", "flicker_z", "stack_mean", "drift_t", "flicker_t",
    "object_signal", "signal_drift_t", "range_low", "range_high", "noise_before", "noise_after",
    "unevenness_to_signal", "plane_height_px", "plane_width_px", "background_left_sigma",
    "background_left_to_signal", "projection", "light_background", "sizes", "series",
    "pixel_noise", "stuck_fraction", "sharpest_edge_px", "least_sharpness", "median_sharpness",
    "background_left_by_noise", "contrast_to_pixel_noise", "cohort_score", "cohort_metric",
    "cohort_value", "cohort_median",
    "unused_channels",
    "recommended_smooth_px", "recommended_smooth_um", "recommended_smooth_radius_px",
    "left_without_smooth_sigma", "left_with_smooth_sigma", "signal_kept_with_smooth",
    "slope_before", "ball_below", "ball_below_to_signal",
    "absent_fraction", "unit",
)  # fmt: skip
"""The columns of metrics.tsv. A new one comes last: whoever counts columns finds them as before."""
_MEANING = {name: text for family in FAMILIES for name, text in family.COLUMNS.items()}
COLUMNS = {name: _MEANING[name] for name in ORDER}
"""Column of the sample's table: what it is. Fractions are 0 to 1; a missing value is NaN."""
RULES = {name: rule for family in FAMILIES for name, rule in family.RULES.items()}
"""Name in `summarize_qc` of the config: what is flagged (`Rule` or `Finding`)."""
