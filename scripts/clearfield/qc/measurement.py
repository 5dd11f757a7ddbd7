"""The QC numbers of one projected plane, before and after its background was subtracted."""

from __future__ import annotations

import math

import numpy as np

from .binning import bin_plane
from .granulometry import Granulometry
from .known_metrics import COLUMNS, FAMILIES
from .measured_plane import MeasuredPlane, square_pixel


def measure_plane(
    result: np.ndarray,
    sizes: Granulometry,
    *,
    original: np.ndarray | None = None,
    channel: dict,
    output: dict,
    statistics: dict,
    clipped: dict,
    pixel_size_um: dict[str, float | None],
) -> dict[str, float | int | str]:
    """Measure one plane before and after; drift over time comes from `along_time.add_time_drift`.

    Parameters
    ----------
    result : (Y, X), integer or float
        The plane after subtraction; only its rows are sliced.
    sizes : Granulometry
        Of the same plane before (`clearfield.qc.granulometry.measure_sizes`).
    original : (Y, X), integer or float, optional
        The plane before; only its rows are sliced. Without it, what single pixels tell is NaN.
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
    plane = MeasuredPlane(
        result=result,
        original=original,
        sizes=sizes,
        before=-sizes.image if channel["light_background"] else sizes.image,
        after=bin_plane(result, sizes.factor) - np.float32(offset),
        channel=channel,
        statistics=statistics,
        clipped=clipped,
        pixel_um=square_pixel(pixel_size_um),
        offset=offset,
    )
    row = dict.fromkeys(COLUMNS, math.nan)
    for family in FAMILIES:
        row |= family.measure(plane, row)
    return row
