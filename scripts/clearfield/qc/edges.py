"""How sharp the sharpest edges of a plane are, whatever its brightness and noise."""

from __future__ import annotations

import numpy as np

from .binning import halve, smooth
from .pixel_noise import pixel_noise

REACH = 10
"""Half-width, in pixels of the copy at hand, of the window that tells an edge's height."""
CLEAR = 12
"""ASSUME: an edge so many standard deviations of the pixels' noise high shows its true steepness:
noise adds to it less than what an edge of 5 px has."""
LEVELS = 4
ENOUGH = 30
"""ASSUME: fewer steep pixels may be dust."""
SHARPEST = 0.98


def sharpest_edge(window: np.ndarray, signal: float) -> float:
    """Give the blur of the sharpest edges, as the standard deviation of a Gaussian in px.

    An edge of height h, blurred by a Gaussian, has its steepest slope h / (sqrt(2π) sigma). Of all
    pixels with objects within reach, the slope beside the range around it is taken, in the finest
    of some copies, each half as large, that noise lets one see; smoothing and copying are
    taken off. A point is found 1.5 times as sharp as an edge.

    Parameters
    ----------
    window : (Y, X) float
        A part of a plane at full resolution, not binned; NaN is missing.
    signal : float
        Contrast of the objects with their surroundings: heights below half of it are no edge.

    Returns
    -------
    float
        px; NaN where no edge stands clear of the noise.

    Examples
    --------
    >>> from math import erf
    >>> profile = [50 + 50 * erf((x - 32) / (3 * 2**0.5)) for x in range(64)]  # sigma 3 px
    >>> round(sharpest_edge(np.tile(profile, (64, 1)), 100.0), 1)
    3.0
    """
    from ..filters.morphology import maximum_filter, minimum_filter

    image = np.asarray(window, np.float32)
    valid = np.isfinite(image)
    if not valid.any() or not signal > 0:
        return float("nan")
    image = np.where(valid, image, np.median(image[valid]))
    for level in range(LEVELS):
        if min(image.shape) < 2 * REACH + 1:
            break
        noise = pixel_noise([image])
        soft = smooth(smooth(image))
        height = maximum_filter(soft, 2 * REACH + 1, threads=1)
        height = height - minimum_filter(soft, 2 * REACH + 1, threads=1)
        inner = slice(1, -1), slice(1, -1)
        slope = np.hypot(soft[2:, 1:-1] - soft[:-2, 1:-1], soft[1:-1, 2:] - soft[1:-1, :-2])
        clear = height[inner] > max(CLEAR * noise, 0.5 * signal)
        if np.count_nonzero(clear) >= ENOUGH:
            steepness = float(np.quantile(slope[clear] / 2 / height[inner][clear], SHARPEST))
            if not steepness > 0:
                return float("nan")
            blur = 1 / (np.sqrt(2 * np.pi) * steepness)
            # Two 1 2 1 averages have a variance of 1; a central difference adds 1/3, and a pixel's
            # own width 1/12.
            return float(2**level * np.sqrt(max(blur**2 - 1 - 1 / 3 - 1 / 12, 0)))
        image = halve(image)
    return float("nan")
