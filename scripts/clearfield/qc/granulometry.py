"""How large the objects of a plane are, and which top-hat radius keeps them.

Openings by disks of growing radius take away first the noise, then the objects, last the haze
(Matheron, "Random sets and integral geometry", 1975; Maragos, "Pattern spectrum", IEEE PAMI 1989).
Every octave of radii works on a copy of half the size, so that all of them cost little more than
the first. The objects are what a top-hat just below the haze's size leaves above the noise; the
share of their intensity that smaller disks keep is both their size distribution and the evidence
for a radius. Large planes are binned; where their objects turn out too small for that, the fullest
window is measured at full resolution.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from .binning import bin_factor, bin_plane, enlarge, halve, smooth
from .pixel_noise import ROUNDING, grain_of, pixel_noise
from .separation import is_grain, separate
from .smoothing_advice import Smoothing, advise_on_part

KEEP = 0.95
"""ASSUME: a radius that keeps 95 % of the objects' intensity is large enough."""
VALLEY = 1.5
"""ASSUME: sizes on both sides of a valley are at least 1.5 times as frequent as in it."""
MARGIN = 1.5
"""ASSUME: a disk 1.5 times as wide as the largest objects is wide enough to tell them apart."""
LIMIT = 512
WIDEST = 0.75
"""ASSUME: an object wider than this share of the plane cannot be told from uneven light."""
RESOLVED = 4
"""ASSUME: objects under 4 pixels of the binned copy are measured anew in a window of the image."""


@dataclass(frozen=True)
class Granulometry:
    """Sizes in px of the full image; planes in the pixels of the binned copy, `factor` px each.

    Attributes
    ----------
    factor : int
        Pixels of the image along a pixel of the copy.
    image : (Y, X) float32
        The copy, objects bright (negated where they were dark).
    background_radius_px : float
        Radius of the top-hat that told objects from haze.
    reference : (int, int)
        The same disk as made: by how much the copy is made smaller, and the radius there.
    objects, background : (Y, X) bool
        Pixels that surely belong to either.
    radii_px : (n,) float
        Radii tried, in px.
    spectrum : (n,) float
        Mean intensity that vanishes between the radius before and this one, for each unit of
        ln(diameter), grey levels: the pattern spectrum.
    kept : (n,) float
        Share of the objects' intensity that a top-hat of this radius keeps, 0 to 1; NaN without
        objects.
    median_diameter_px, largest_diameter_px : float
        Diameters below which half, and 95 %, of the objects' intensity lies; NaN without objects.
    recommended_radius_px : int or None
        Smallest radius that keeps 95 % of the objects' intensity; None where there are no objects,
        or where their sizes still grow at the largest radius tried.
    rounding : float
        Standard deviation in grey levels that rounding leaves: `ROUNDING` for integers, else 0.
    noise : float
        Standard deviation of the noise of a pixel of the copy, told by its neighbours.
    smoothing : Smoothing or None
        How much to smooth before the background is estimated; None where no radius is recommended.
    """

    factor: int
    image: np.ndarray
    background_radius_px: float
    reference: tuple[int, int]
    objects: np.ndarray
    background: np.ndarray
    radii_px: np.ndarray
    spectrum: np.ndarray
    kept: np.ndarray
    median_diameter_px: float
    largest_diameter_px: float
    recommended_radius_px: int | None
    rounding: float = 0.0
    noise: float = np.nan
    smoothing: Smoothing | None = None

    def kept_at(self, radius_px: float) -> float:
        """Share of the objects' intensity that a top-hat of this radius keeps, 0 to 1 or NaN."""
        if not np.isfinite(radius_px) or not len(self.radii_px):
            return float("nan")
        diameters = np.concatenate([[0], np.log(2 * self.radii_px + 1)])
        kept = np.concatenate([[0], self.kept])
        return float(np.interp(np.log(2 * radius_px + 1), diameters, kept))


def measure_contrast(image: np.ndarray, sizes: Granulometry) -> float:
    """Measure how much brighter the objects are than their surroundings, whatever haze lies there.

    Parameters
    ----------
    image : (Y, X) float
        A plane binned like `sizes.image`, objects bright; NaN is missing.
    sizes : Granulometry
        Says where the objects are and which disk is wider than they are.

    Returns
    -------
    float
        Grey levels: mean of the objects' pixels in the top-hat by that disk, less the mean of the
        background's; NaN without objects or without background.
    """
    from ..filters.morphology import opening

    scale, radius = sizes.reference
    valid = np.isfinite(image)
    inside, outside = sizes.objects & valid, sizes.background & valid
    if not inside.any() or not outside.any():
        return float("nan")
    image = smooth(image if valid.all() else np.where(valid, image, np.median(image[valid])))
    coarse = image
    for _ in range(scale.bit_length() - 1):
        coarse = halve(coarse)
    opened = opening(coarse, radius, threads=1)
    return _signals(image, [opened], inside, outside)[0]


def measure_sizes(image: np.ndarray, light_background: bool = False) -> Granulometry:
    """Measure the sizes of a plane's objects and recommend a top-hat radius.

    Parameters
    ----------
    image : (Y, X), integer or float
        A plane; only its rows are sliced, so it may lie on disk. NaN counts as background.
    light_background : bool
        Objects are dark.

    Returns
    -------
    Granulometry

    Examples
    --------
    >>> y, x = np.ogrid[:200, :200]
    >>> discs = (y % 50 - 25) ** 2 + (x % 50 - 25) ** 2 <= 10**2  # 21 px across at most
    >>> sizes = measure_sizes(1000 * discs.astype(np.uint16) + 100)
    >>> 18 <= sizes.median_diameter_px <= 22, 10 <= sizes.recommended_radius_px <= 14
    (True, True)
    """
    factor = bin_factor(image.shape, LIMIT)
    rounding = ROUNDING if np.dtype(image.dtype).kind in "iu" else 0.0
    copy = bin_plane(image, factor)
    if light_background:
        copy = -copy
    missing = np.isnan(copy)
    if missing.any():
        copy[missing] = np.nan if missing.all() else np.median(copy[~missing])
    noise, grain = pixel_noise([copy], rounding), grain_of(copy)
    steps = [] if missing.all() else _open_by_octaves(smooth(copy))
    empty = np.zeros(copy.shape, bool)
    nothing = Granulometry(
        factor, copy, np.nan, (1, 0), empty, ~missing, np.empty(0), np.empty(0), np.empty(0),
        np.nan, np.nan, None, rounding, noise,
    )  # fmt: skip
    if not steps:
        return nothing
    reference, resolved = _end_of_objects(_pattern_spectrum(steps))
    found = _find_objects(steps, reference, missing, noise, grain)
    if not found.objects.any():  # it was noise on something that is no haze, but a large object
        reference, resolved = len(steps) - 1, False
        found = _find_objects(steps, reference, missing, noise, grain)
    if not resolved and not found.left <= 1 - KEEP:
        steps = _open_by_octaves(steps[0].image, WIDEST)
        if not found.objects.any():
            reference = len(steps) - 1
        found = _find_objects(steps, reference, missing, noise, grain, len(steps) - 1)
    # The spectrum may stand high at the widest disks for want of wider ones; but where these hold
    # nothing of the objects any more, the objects have ended.
    resolved = found.objects.any() and (resolved or found.left <= 1 - KEEP)
    radii = np.array([((2 * step.radius + 1) * step.scale * factor - 1) / 2 for step in steps])
    median, largest = (_diameter(radii, found.kept, share) for share in (0.5, KEEP))
    # A slope fills wide disks at its upper rim: look again with one not much wider than needed.
    closer = int(np.argmax(radii >= MARGIN * largest / 2)) if resolved else 0
    if 0 < closer < reference:
        reference = closer
        found = _find_objects(steps, reference, missing, noise, grain)
        median, largest = (_diameter(radii, found.kept, share) for share in (0.5, KEEP))
    recommended = int(np.ceil((largest - 1) / 2)) if resolved and found.objects.any() else None
    objects, background = found.objects, found.background
    sizes = Granulometry(
        factor, copy, float(radii[reference]), (steps[reference].scale, steps[reference].radius),
        objects, background, radii, _pattern_spectrum(steps), found.kept,
        median, largest, recommended, rounding, noise,
    )  # fmt: skip
    window = _fullest_window(found.tophat, factor)
    if factor > 1 and not median > RESOLVED * factor:
        close = measure_sizes(_cut(image, window), light_background)
        if close.objects.any():
            return replace(
                close,
                factor=factor,
                image=copy,
                reference=sizes.reference,
                objects=objects,
                background=background,
                noise=noise,
            )
    if recommended is None:
        return sizes
    part = copy
    if factor > 1:  # binning takes the noise away
        part = bin_plane(_cut(image, window), 1) * (-1 if light_background else 1)
    masks = (_cut(mask, tuple(at // factor for at in window)) for mask in (objects, background))
    return replace(sizes, smoothing=advise_on_part(part, *masks, factor, recommended, rounding))


class _Found(NamedTuple):
    """What a step tells apart: `left` is the share of the objects' contrast in its opening."""

    tophat: np.ndarray
    objects: np.ndarray
    background: np.ndarray
    kept: np.ndarray
    left: float


def _find_objects(
    steps: list[_Step],
    reference: int,
    missing: np.ndarray,
    noise: float,
    grain: np.ndarray,
    whole: int | None = None,
) -> _Found:
    """Give the top-hat of a step, objects, background, and what each step keeps of the objects.

    The step `whole`, else the same, is taken to keep all of them.
    """
    step = steps[reference]
    image = steps[0].image
    tophat = image - enlarge(step.opened, step.scale, image.shape)
    objects, background = separate(tophat, noise)
    background &= ~missing
    objects &= ~missing
    if is_grain(tophat, objects, grain):
        objects[:] = False
    contrast, *signals = _signals(
        image, [np.zeros_like(image), *(step.opened for step in steps)], objects, background
    )
    most = signals[reference if whole is None else whole]
    if not objects.any() or not most > 0:
        objects[:] = False
        return _Found(tophat, objects, background, np.full(len(steps), np.nan), np.nan)
    kept = np.maximum.accumulate(np.maximum(signals, 0)) / most
    left = 1 - most / contrast
    return _Found(tophat, objects, background, np.minimum(kept, 1), left)


def _fullest_window(tophat: np.ndarray, factor: int) -> tuple[int, int]:
    """Give row and column where the strongest top-hat begins, in `LIMIT` px of the image."""
    side = LIMIT // factor
    strength = bin_plane(np.nan_to_num(tophat), min(side, *tophat.shape))
    row, column = np.unravel_index(strength.argmax(), strength.shape)
    return int(row) * side * factor, int(column) * side * factor


def _cut(image: np.ndarray, window: tuple[int, int]) -> np.ndarray:
    """Cut out a window of at most `LIMIT` px."""
    row, column = window
    return np.asarray(image[row : row + LIMIT])[:, column : column + LIMIT]


@dataclass(frozen=True)
class _Step:
    """An opening by a disk of `radius` pixels of a copy that is `scale` times smaller."""

    scale: int
    radius: int
    image: np.ndarray
    opened: np.ndarray
    before: np.ndarray  # the opening by the next smaller disk, at the same scale


def _open_by_octaves(image: np.ndarray, widest: float = 0.5) -> list[_Step]:
    """Open by disks of 1 to 8 px, then of 5 to 8 px of copies of a half, a quarter, ... the size.

    The largest disk's diameter is at most this share of the shorter side: beyond half of it, few
    positions are left where it fits.
    """
    from ..filters.morphology import opening

    steps = []
    scale = 1
    while True:
        before = image if scale == 1 else None
        for radius in range(1 if scale == 1 else 4, 9):
            if 2 * radius + 1 > widest * min(image.shape):
                return steps
            opened = opening(image, radius, threads=1)
            if before is not None:
                steps.append(_Step(scale, radius, image, opened, before))
            before = opened
        image = halve(image)
        scale *= 2


def _pattern_spectrum(steps: list[_Step]) -> np.ndarray:
    def density(step: _Step) -> float:
        smaller = 1 if step.before is step.image else 2 * step.radius - 1
        width = np.log((2 * step.radius + 1) / smaller)
        return (
            float(step.before.mean(dtype=np.float64) - step.opened.mean(dtype=np.float64)) / width
        )

    return np.maximum([density(step) for step in steps], 0)


def _end_of_objects(spectrum: np.ndarray) -> tuple[int, bool]:
    """Find the last size before the spectrum rises towards the haze, and whether it is an end.

    ASSUME: where the spectrum still stands high at the largest disks, that is haze if a valley
    separates it from smaller sizes; otherwise the objects are larger than the disks that fit.

    Examples
    --------
    >>> _end_of_objects(np.array([1.0, 1, 9, 9, 1, 1, 1, 5, 9, 9]))  # objects, valley, haze
    (5, True)
    >>> _end_of_objects(np.array([1.0, 1, 9, 9, 1, 1, 1, 1]))  # no haze
    (7, True)
    >>> _end_of_objects(np.array([1.0, 1, 2, 4, 9, 9]))  # larger than the disks
    (5, False)
    """
    last = len(spectrum) - 1
    padded = np.pad(spectrum, 1, "edge")
    spectrum = (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
    depth = np.zeros(len(spectrum))
    for k in range(1, last):
        left, right = spectrum[:k].max(), spectrum[k + 1 :].max()
        if spectrum[last] >= 0.5 * right:  # still high at the end, else it is a class of objects
            depth[k] = min(left, right, spectrum[last]) / max(spectrum[k], 1e-12)
    valley = int(depth.argmax()) if last > 0 else 0
    if depth[valley] >= VALLEY:
        return valley, True
    return last, bool(spectrum[last] < 0.5 * spectrum.max())


def _signals(
    image: np.ndarray, opened: list[np.ndarray], inside: np.ndarray, outside: np.ndarray
) -> list[float]:
    """Mean over the objects of image - opened, above its mean over the background.

    The image is taken at full scale: on a coarse copy, small objects run into their surroundings.
    The opened images may be ever coarser: what they hold is wide.
    """
    weight = _difference(inside.astype(np.float32), outside.astype(np.float32))
    contrast = _weigh(image, weight)
    signals = []
    for plane in opened:
        if weight.shape != plane.shape:
            while inside.shape != plane.shape:
                inside, outside = (halve(mask.astype(np.float32)) for mask in (inside, outside))
            weight = _difference(inside, outside)
        signals.append(contrast - _weigh(plane, weight))
    return signals


def _difference(inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """Give the weights whose sum over a plane is its mean inside less its mean outside."""
    totals = (max(float(mask.sum(dtype=np.float64)), 1e-9) for mask in (inside, outside))
    return inside / np.float32(next(totals)) - outside / np.float32(next(totals))


def _weigh(image: np.ndarray, weight: np.ndarray) -> float:
    return float(np.einsum("ij,ij->i", image, weight).sum(dtype=np.float64))


def _diameter(radii: np.ndarray, kept: np.ndarray, share: float) -> float:
    """Interpolate the diameter at which `kept` reaches `share`, linearly in its logarithm."""
    if np.isnan(kept).any():
        return float("nan")
    diameters = np.concatenate([[0], np.log(2 * radii + 1)])
    shares = np.concatenate([[0], kept])
    after = int(np.argmax(shares >= share))
    weight = (share - shares[after - 1]) / (shares[after] - shares[after - 1])
    low, high = diameters[after - 1 : after + 1]
    return float(np.exp(low + weight * (high - low)))
