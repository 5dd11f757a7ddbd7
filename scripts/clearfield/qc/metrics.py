"""The QC numbers of one projected plane, before and after its background was subtracted."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..methods.known_methods import method_of, used_sizes
from .binning import bin_plane
from .granulometry import Granulometry, measure_contrast
from .qc_table import COLUMNS


def measure_plane(
    result: np.ndarray,
    sizes: Granulometry,
    *,
    channel: dict,
    output: dict,
    statistics: dict,
    clipped: dict,
    pixel_size_um: dict[str, float | None],
) -> dict[str, float | int | str]:
    """Measure one plane before and after; drift over time comes from `add_time_drift`.

    Parameters
    ----------
    result : (Y, X), integer or float
        The plane after subtraction; only its rows are sliced.
    sizes : Granulometry
        Of the same plane before (`clearfield.qc.granulometry.measure_sizes`).
    channel : dict
        Method, light_background and sizes in px, as `clearfield.methods.channels` resolves them.
    output : dict
        ``negative`` and ``offset`` as in the config.
    statistics : dict
        Of the stack at this time and channel, as `project_stack` writes them.
    clipped : dict
        ``clipped_low``, ``clipped_high``: counts of pixels, as `subtract_background` writes them.
    pixel_size_um : dict
        ``x``, ``y`` in µm, None where unknown.

    Returns
    -------
    dict
        A value for each of `COLUMNS`; NaN where it cannot be known.
    """
    offset = output["offset"] if output["negative"] == "offset" else 0
    light = channel["light_background"]
    pixels = max(1, result.shape[0] * result.shape[1])
    pixel_um = _square_pixel(pixel_size_um)
    radius = method_of(channel).qc_radius(channel)
    row = dict.fromkeys(COLUMNS, math.nan)
    row |= {
        "method": channel["method"],
        "light_background": int(light),
        "sizes": describe_sizes(channel),
        "radius_px": radius,
        "radius_um": radius * pixel_um,
        "saturation_level": _number(statistics.get("saturation_level")),
        "saturated_fraction": _number(statistics.get("saturated_fraction")),
        "nonfinite_fraction": _number(statistics.get("nonfinite_fraction")),
        "clipped_fraction": (clipped["clipped_low"] + clipped["clipped_high"]) / pixels,
        "negative_fraction": (clipped["clipped_low"] + _count_below(result, offset)) / pixels,
        "offset": offset,
        "plane_height_px": result.shape[0],
        "plane_width_px": result.shape[1],
        "object_diameter_px": sizes.median_diameter_px,
        "object_diameter_um": sizes.median_diameter_px * pixel_um,
        "largest_diameter_px": sizes.largest_diameter_px,
        "signal_kept_at_radius": sizes.kept_at(radius)
        if channel["method"] == "tophat"
        else math.nan,
    }
    if sizes.recommended_radius_px is not None:
        row["recommended_radius_px"] = sizes.recommended_radius_px
        row["recommended_radius_um"] = sizes.recommended_radius_px * pixel_um
        row["signal_kept_at_recommended"] = sizes.kept_at(sizes.recommended_radius_px)
    before = -sizes.image if light else sizes.image
    after = bin_plane(result, sizes.factor) - np.float32(offset)
    row |= _compare(before, after, sizes, light)
    row["object_signal"] = measure_contrast(sizes.image, sizes)
    row["unevenness_to_signal"] = _ratio(row["unevenness_after"], row["object_signal"])
    left = row["background_median_after"]
    row["background_left_sigma"] = _ratio(left, row["noise_after"])
    row["background_left_to_signal"] = _ratio(left, row["object_signal"])
    row["signal_survived"] = _ratio(measure_contrast(after, sizes), row["object_signal"])
    row |= _along_z(statistics)
    return row


def describe_sizes(channel: dict) -> str:
    """Write the sizes of a channel's method, px and µm.

    Examples
    --------
    >>> describe_sizes({"method": "dog", "low_sigma": 1, "high_sigma": 100,
    ...                 "sizes_um": {"low_sigma": 0.35, "high_sigma": 35.0}})
    'low_sigma 1 px (0.35 µm); high_sigma 100 px (35 µm)'
    """
    micrometres = channel.get("sizes_um") or {}
    sizes = [
        f"{size} {channel[size]:g} px"
        + (f" ({micrometres[size]:.4g} µm)" if size in micrometres else "")
        for size in used_sizes(channel)
    ]
    options = [f"{name} {'on' if channel[name] else 'off'}" for name in method_of(channel).OPTIONS]
    return "; ".join([*sizes, *options])


def _compare(
    before: np.ndarray, after: np.ndarray, sizes: Granulometry, light: bool
) -> dict[str, float]:
    """Measure background, unevenness and contrast of a plane before and after."""
    objects, background = sizes.objects, sizes.background
    row = {"object_fraction": _ratio(np.count_nonzero(objects), objects.size)}
    for name, image, sign in (("before", before, -1 if light else 1), ("after", after, 1)):
        valid = np.isfinite(image)
        outside, inside = background & valid, objects & valid
        if not outside.any():
            return row
        values = image[outside]
        level = float(np.median(values))
        mad = float(np.median(np.abs(values - level)))
        # What rounding did to the image stays in the result, whatever the result's dtype.
        noise = max(1.4826 * mad, sizes.rounding)
        surface = _fit_surface(image, outside)
        row |= {
            f"background_median_{name}": level,
            f"background_mad_{name}": mad,
            f"noise_{name}": noise,
            f"unevenness_{name}": float(np.ptp(surface(*np.nonzero(_thin(outside))))),
        }
        if inside.any():
            contrast = sign * (float(image[inside].mean(dtype=np.float64)) - level)
            row[f"signal_to_background_{name}"] = _ratio(contrast, level)
            row[f"contrast_to_noise_{name}"] = _ratio(contrast, noise)
    row["unevenness_ratio"] = _ratio(row["unevenness_after"], row["unevenness_before"])
    return row


def _fit_surface(image: np.ndarray, mask: np.ndarray) -> Callable[..., np.ndarray]:
    """Fit 1, x, y, x², xy, y² to the masked pixels by least squares; give it as a function."""
    height, width = (max(1, length - 1) for length in image.shape)

    def terms(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        y, x = 2 * rows / height - 1, 2 * columns / width - 1
        return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)

    mask = _thin(mask)
    design = terms(*np.nonzero(mask))
    # The normal equations: 6 × 6, well-conditioned on -1 to 1; least norm where pixels are few.
    weights = np.linalg.lstsq(design.T @ design, design.T @ image[mask], rcond=1e-10)[0]
    return lambda rows, columns: terms(rows, columns) @ weights


def _thin(mask: np.ndarray) -> np.ndarray:
    """Keep every n-th row and column of a mask, so that some 16,000 places of it remain."""
    step = max(1, math.isqrt(np.count_nonzero(mask) // 2**14))
    thinned = np.zeros_like(mask)
    thinned[::step, ::step] = mask[::step, ::step]
    return thinned if thinned.any() else mask


def _along_z(statistics: dict) -> dict[str, float | int]:
    means = np.array(statistics.get("plane_means", []), dtype=float)
    sharpness = np.array(statistics.get("plane_sharpness", []), dtype=float)
    row: dict[str, float | int] = {"planes": len(means)}
    if np.isfinite(sharpness).any():
        row["sharpest_plane"] = int(np.nanargmax(sharpness))
    means = means[np.isfinite(means)]
    if len(means):
        row["stack_mean"] = float(means.mean())
    if len(means) > 1:
        slope, start = _straight_line(means)
        row["drift_z"] = _ratio(slope * (len(means) - 1), start)
    if len(means) > 2:
        jumps = np.abs(means[1:-1] - (means[:-2] + means[2:]) / 2)
        row["flicker_z"] = _ratio(float(jumps.max()), float(np.median(means)))
    return row


def add_time_drift(rows: list[dict]) -> None:
    """Fill drift_t, flicker_t and signal_drift_t of all rows of one channel, in the order of time.

    The mean of the stack shows a lamp's flicker; the objects' own signal shows them bleach, also
    where haze and camera offset make up most of the mean.

    The straight line is that of Theil and Sen (the median of the slopes of all pairs; Sen, J. Am.
    Stat. Assoc. 1968), which one odd frame does not bend.

    Examples
    --------
    >>> means = (100.0, 90.0, 40.0, 70.0, 60.0)
    >>> rows = [{"stack_mean": mean, "object_signal": 8.0} for mean in means]
    >>> add_time_drift(rows)
    >>> round(rows[0]["drift_t"], 2)  # the line falls from 100 to 60
    -0.4
    >>> [round(row["flicker_t"], 2) for row in rows]  # the line says 80 where 40 was seen
    [0.0, 0.0, -0.5, 0.0, 0.0]
    """
    for row in rows:
        row["drift_t"] = row["flicker_t"] = row["signal_drift_t"] = math.nan
    for column, drift in (("stack_mean", "drift_t"), ("object_signal", "signal_drift_t")):
        values = np.array([row[column] for row in rows], dtype=float)
        known = np.isfinite(values)
        if known.sum() < 2:
            continue
        slope, start = _straight_line(values[known], np.nonzero(known)[0])
        change = _ratio(slope * (len(rows) - 1), start)
        line = start + slope * np.arange(len(rows))
        for row, value, expected in zip(rows, values, line, strict=True):
            row[drift] = change
            if column == "stack_mean" and known.sum() > 2:
                row["flicker_t"] = _ratio(float(value - expected), float(expected))


def _straight_line(values: np.ndarray, places: np.ndarray | None = None) -> tuple[float, float]:
    """Give slope and start of the line of Theil and Sen; long series are thinned to 500 values."""
    places = np.arange(len(values)) if places is None else places
    step = -(-len(values) // 500)
    values, places = values[::step], places[::step]
    first, second = np.triu_indices(len(values), 1)
    slope = float(np.median((values[second] - values[first]) / (places[second] - places[first])))
    return slope, float(np.median(values - slope * places))


def _square_pixel(pixel_size_um: dict[str, float | None]) -> float:
    x, y = pixel_size_um.get("x"), pixel_size_um.get("y")
    return x if x and y and math.isclose(x, y, rel_tol=1e-3) else math.nan


def _count_below(result: np.ndarray, level: float) -> int:
    """Count pixels below `level`, in blocks of rows."""
    if np.dtype(result.dtype).kind == "u" and level <= 0:
        return 0
    step = max(1, 2**20 // max(1, result.shape[1]))
    return sum(
        int(np.count_nonzero(result[first : first + step] < level))
        for first in range(0, result.shape[0], step)
    )


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _ratio(above: float, below: float) -> float:
    return above / below if below > 0 else math.nan
