"""How much to smooth before a background is estimated, from the noise that a plane has.

An opening follows the minima of the noise, so that it leaves a constant in all background pixels.
It is measured, not modelled: the plane is opened, once as it is and then below ever wider
Gaussians, until what is left lies well within the noise, or until the objects would pay for it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

SIGMAS = (1.0, 1.5, 2.0, 3.0)
"""Standard deviations in px that are tried. In tests/benchmark/accuracy.py's scenes 1 px leaves
less than a Gaussian of 0.7 px or a 3 × 3 mean does, and takes less of the objects than 1.4 px."""
LEFT = 0.33
"""ASSUME: a constant of a third of the noise's standard deviation does no harm."""
GAIN = 0.5
"""ASSUME: what smoothing does not make half as small is haze rather than noise."""
LEAST = 0.7
"""Standard deviation in px that is tried where the first of `SIGMAS` takes too much of objects."""
KEPT = 0.95
"""ASSUME: to smooth may cost 5 % of the objects' intensity, no more."""
WIDENED = 10
"""ASSUME: a blur widens the foot of an object by about its standard deviation, but that of small
ones, which have no flat top, by less: the disk grows by at most a tenth."""

SIDE = 256
"""Pixels along the square that is measured, unless the disk is wide: noise is everywhere."""
LARGEST_RADIUS = 64
"""ASSUME: in wider disks the minima of the noise lie hardly lower, and a part holds few of them."""


@dataclass(frozen=True)
class Smoothing:
    """What to set, and what it brings and costs.

    Attributes
    ----------
    sigma_px : float
        Standard deviation of the Gaussian: `smooth`; 0 where there is no need.
    radius_px : int
        Radius of the top-hat to go with it.
    left, left_smoothed : float
        Median of the background pixels of the result without and with smoothing, in standard
        deviations of its noise.
    kept : float
        Contrast of the objects in the smoothed background's result / in the other's.
    """

    sigma_px: float
    radius_px: int
    left: float
    left_smoothed: float
    kept: float


def advise_on_part(
    part: np.ndarray,
    objects: np.ndarray,
    background: np.ndarray,
    scale: int,
    radius: int,
    least: float,
) -> Smoothing | None:
    """Advise as `advise_smoothing` does, with masks whose pixels are `scale` px of the part each.

    Missing pixels of the part are NaN. They and what the masks do not reach are left out.
    """
    rows, columns = (
        min(length, scale * known)
        for length, known in zip(part.shape, objects.shape, strict=True)
    )  # fmt: skip
    part = part[:rows, :columns]
    missing = np.isnan(part)
    if missing.any():
        part = np.where(missing, np.float32(0 if missing.all() else np.nanmedian(part)), part)
    masks = []
    for mask in (objects, background):
        mask = mask[: -(-rows // scale), : -(-columns // scale)]
        mask = mask.repeat(scale, 0).repeat(scale, 1)[:rows, :columns]
        masks.append(mask & ~missing)
    near = min(radius, LARGEST_RADIUS)
    rows, columns = _busiest(*masks, max(SIDE, 8 * near))
    advice = advise_smoothing(
        part[rows, columns], *(mask[rows, columns] for mask in masks), near, least
    )
    if advice is None or near == radius:
        return advice
    return replace(advice, radius_px=radius + advice.radius_px - near)


def _busiest(objects: np.ndarray, background: np.ndarray, side: int) -> tuple[slice, slice]:
    """Give the square of a plane with the most pixels of the rarer kind, objects or background."""
    squares = [
        (slice(row, row + side), slice(column, column + side))
        for row in range(0, max(1, objects.shape[0] - side // 2), side)
        for column in range(0, max(1, objects.shape[1] - side // 2), side)
    ]
    return max(
        squares,
        key=lambda at: min(np.count_nonzero(objects[at]), np.count_nonzero(background[at])),
    )


def advise_smoothing(
    image: np.ndarray, objects: np.ndarray, background: np.ndarray, radius: int, least: float
) -> Smoothing | None:
    """Find the least smoothing that takes away what noise leaves in the background.

    Parameters
    ----------
    image : (Y, X) float32
        A plane or a part of one at full resolution, objects bright, nothing missing.
    objects, background : (Y, X) bool
        Pixels that surely belong to either.
    radius : int
        Of the top-hat that keeps the objects, px.
    least : float
        Standard deviation in grey levels that the noise has at least.

    Returns
    -------
    Smoothing or None
        None where there is no background or no object to measure.

    Examples
    --------
    >>> random = np.random.default_rng(0)
    >>> image = random.normal(100, 9, (99, 99)).astype("float32")
    >>> image[40:50, 40:50] += 200
    >>> objects = image > 200
    >>> advice = advise_smoothing(image, objects, ~objects, 8, 0)
    >>> advice.sigma_px, advice.radius_px, advice.left > 2, advice.left_smoothed < 0.5
    (1.5, 8, True, True)
    """
    if not objects.any() or not background.any():
        return None
    without, signal = _left(image, 0, radius, objects, background, least)
    best = Smoothing(0.0, radius, without, without, 1.0)
    if without <= LEFT or not signal > 0:
        return best
    sigmas = list(SIGMAS)
    while sigmas:
        sigma = sigmas.pop(0)
        wide = radius + min(round(sigma), radius // WIDENED)
        left, contrast = _left(image, sigma, wide, objects, background, least)
        kept = contrast / signal
        if kept < KEPT:
            sigmas = [LEAST] if sigma == SIGMAS[0] else []
            continue
        if abs(left) < abs(best.left_smoothed):
            best = Smoothing(sigma, wide, without, left, kept)
        if left <= LEFT or sigma == LEAST:
            break
    if abs(best.left_smoothed) > GAIN * without:
        return Smoothing(0.0, radius, without, without, 1.0)
    return best


def _left(
    image: np.ndarray,
    sigma: float,
    radius: int,
    objects: np.ndarray,
    background: np.ndarray,
    least: float,
) -> tuple[float, float]:
    """Give the background's level in the result, in its own noise, and the objects' height above.

    Where there is no noise, the level is 0: nothing that a blur could mend.
    """
    from ..filters.morphology import opening
    from ..filters.smoothed_rows import smoothed

    rows = smoothed(image, sigma, 1)[0 : len(image)]
    result = image - opening(rows, radius, threads=1)
    values = result[background]
    level = float(np.median(values))
    noise = max(1.4826 * float(np.median(np.abs(values - level))), least)
    contrast = float(result[objects].mean(dtype=np.float64)) - level
    return (level / noise if noise > 0 else 0.0), contrast
