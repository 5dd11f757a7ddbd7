"""Which pixels of a top-hat surely are objects, and which surely are not."""

from __future__ import annotations

import numpy as np


def separate(tophat: np.ndarray, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Tell pixels that surely are objects from pixels that surely are not.

    The background's own spread is the measure, as long as background makes up most of what is dim.
    In a full field (a confluent epithelium, a film of cells) the dim half is objects as well, and
    their texture drowns the objects; there, it is the noise of the pixels.

    Parameters
    ----------
    tophat : (Y, X) float
        A smoothed plane without its background.
    noise : float
        Standard deviation of a pixel's noise before it was smoothed
        (`clearfield.qc.pixel_noise.pixel_noise`); NaN where unknown.

    Returns
    -------
    objects, background : (Y, X) bool
        No objects where nothing stands out.
    """
    sample = tophat[::2, ::2] if tophat.size > 2**17 else tophat
    threshold = otsu_threshold(sample)
    below = sample[sample <= threshold]
    level = np.median(below)
    spread = 1.4826 * np.median(np.abs(below - level))
    for step in (spread, noise):
        objects = tophat > max(threshold, level + 4 * step)
        # What noise alone leaves above four of its own standard deviations is no object.
        if objects.any() and tophat[objects].mean(dtype=np.float64) >= level + 5 * step:
            return objects, tophat <= level + 3 * step
    return np.zeros(tophat.shape, bool), tophat <= level + 3 * spread


SMOOTHED = 0.375
"""Of the noise's standard deviation, averages of 1 2 1 along rows and columns leave this share."""
AROUND = 5
"""ASSUME: the background beside an object begins within so many pixels, and its noise is theirs."""


def is_grain(tophat: np.ndarray, objects: np.ndarray, grain: np.ndarray) -> bool:
    """Say whether objects stand no higher above what lies next to them than noise does.

    Photons make a bright area noisier than a dark one: beside the dark background, the noise on a
    large bright object looks like small objects.

    Parameters
    ----------
    tophat : (Y, X) float
        A smoothed plane without its background.
    objects : (Y, X) bool
    grain : (Y, X) float
        Of the plane before it was smoothed (`clearfield.qc.pixel_noise.grain_of`).
    """
    from ..filters.morphology import maximum_filter

    if not objects.any():
        return False
    near = maximum_filter(objects.astype(np.uint8), 2 * AROUND + 1, threads=1) > objects
    if not near.any():
        return False
    height = tophat[objects].mean(dtype=np.float64) - np.median(tophat[near])
    return bool(height < 5 * SMOOTHED * np.median(grain[near]))


def otsu_threshold(values: np.ndarray) -> float:
    """Split values in two classes of least variance (Otsu, IEEE Trans. SMC 1979), 256 bins.

    Examples
    --------
    >>> 1 < otsu_threshold(np.array([0.0, 1.0, 9.0, 10.0])) < 9
    True
    """
    low, high = float(values.min()), float(values.max())
    largest = max(abs(low), abs(high))
    steps = np.spacing(np.asarray(largest, values.dtype)) if values.dtype.kind == "f" else 0
    if not high - low > max(512 * np.spacing(largest), 257 * float(steps)):
        return high  # flat, but for rounding: there is no room for the bins' edges
    counts, edges = np.histogram(values, 256, (low, high))
    centres = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(counts)[:-1]
    above = values.size - below
    sums = np.cumsum(counts * centres)
    means_below = sums[:-1] / np.maximum(below, 1)
    means_above = (sums[-1] - sums[:-1]) / np.maximum(above, 1)
    return float(edges[1:-1][np.argmax(below * above * (means_below - means_above) ** 2)])
