"""What was done: method, sizes, projection, and whether the filter fits into the plane."""

from __future__ import annotations

from ...methods.channels import MEANT
from ...methods.known_methods import method_of, used_sizes
from ..rules import Finding, Row, advice

COLUMNS = {
    "method": "the method that subtracted the background",
    "radius_px": "half-width of its filter: disk radius, (min_size - 1) / 2, or high_sigma, px",
    "radius_um": "the same in µm, where the calibration is known",
    "range_low": "grey level shown black in the figure (projection and background)",
    "range_high": "grey level shown white in the figure",
    "plane_height_px": "rows of the plane",
    "plane_width_px": "columns of the plane",
    "projection": "the method of the projection, and its planes where not all were taken",
    "light_background": "1 where dark objects on a light background were looked for, else 0",
    "sizes": "the sizes of the method by name, px and, where the calibration is known, µm",
    "unit": "how sizes are given in the config, px or um",
    "series": "which series, from 0, of a file that holds several",
    "unused_channels": "channels that the config has settings for, and the file has not",
}


def measure(plane, row: dict) -> dict:
    """Write down the settings; what only the script knows, such as the series, comes from there."""
    radius = method_of(plane.channel).qc_radius(plane.channel)
    return {
        "method": plane.channel["method"],
        "light_background": int(plane.channel["light_background"]),
        "sizes": describe_sizes(plane.channel),
        "radius_px": radius,
        "radius_um": radius * plane.pixel_um,
        "plane_height_px": plane.result.shape[0],
        "plane_width_px": plane.result.shape[1],
    }


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


def _beyond(row: Row) -> bool:
    sides = row("plane_height_px"), row("plane_width_px")
    return row.subtracted and row("radius_px") > max(sides)


def _say_beyond(row: Row) -> str:
    text = (
        f"the filter's half-width, {row('radius_px'):g} px, is larger than the plane "
        f"({row('plane_width_px'):g} × {row('plane_height_px'):g} px): its background is little "
        "more than one number"
    )
    return text + advice(row, True)


def _misspelt(row: Row) -> bool:
    return MEANT in row.cells.get("unused_channels", "")


RULES = {
    "radius_beyond_plane": Finding(_beyond, _say_beyond),
    "channel_misspelt": Finding(
        _misspelt,
        lambda row: (
            "settings of subtract_background.channels were not used, since the file has no such "
            f"channel: {row.cells['unused_channels']}"
        ),
    ),
}
