"""What single pixels tell: their noise, and those that are stuck, by their neighbours."""

from __future__ import annotations

import numpy as np

from .binning import LARGEST, halve

ROUNDING = 12**-0.5
"""ASSUME: a value rounded to a whole grey level errs evenly by up to half of one, thus with a
standard deviation of 1/sqrt(12) (Bennett, Bell Syst. Tech. J. 27, 446, 1948). Averaging lessens
that only where noise spreads the values, so that it holds for binned copies too."""
SAMPLED = 2**18
"""Pixels that are looked at; beyond, strips of rows evenly over the plane."""
STRIP = 64
SPREAD = 0.15
"""ASSUME: a microscope spreads the light of a point over several pixels. Where the brightest of the
eight neighbours has less than this share of a pixel's height, no light made it: a Gaussian
point-spread function would have to be narrower than 0.5 px."""
STANDS_OUT = 10
"""ASSUME: standard deviations of the noise by which a stuck pixel stands out. That is far, because
a projection keeps the tail of the noise of all planes."""
EXTREME = 1.42
"""The expected largest of eight normal values, in standard deviations."""
MANY = 0.002
"""ASSUME: a smaller share of stuck pixels does not show in the median that tells the noise."""
CLEARLY = 3
"""ASSUME: where fewer than three times as many stand out far as stand out somewhat, it is the tail
of the noise. Noise has no such tail below: there, more are enough."""
FEW = 5
"""ASSUME: a few odd pixels are dust or cosmic rays, and no fault of a detector."""


def sample_strips(image: np.ndarray) -> list[np.ndarray]:
    """Take strips of whole rows, evenly over a plane, of some `SAMPLED` pixels in all.

    Parameters
    ----------
    image : (Y, X), integer or float
        Only its rows are sliced, so it may lie on disk.

    Returns
    -------
    list of (Y, X) float32
        NaN where a pixel is missing or infinite.
    """
    height, width = image.shape
    strips = [slice(0, height)]
    if height * width > SAMPLED:
        wanted = max(1, SAMPLED // (STRIP * width))
        step = STRIP * -(-height // (STRIP * wanted))
        strips = [slice(first, first + STRIP) for first in range(0, height, step)]
    sampled = []
    for rows in strips:
        with np.errstate(over="ignore"):
            strip = np.asarray(image[rows]).astype(np.float32)
        if min(strip.shape) >= 5:
            strip[~(np.abs(strip) < LARGEST)] = np.nan
            sampled.append(strip)
    return sampled


def rounding_noise(strips: list[np.ndarray]) -> float:
    """Give what the steps between a plane's grey levels leave of noise: step / sqrt(12).

    A plane of photon counts that were stretched to the range of its dtype has steps of many grey
    levels, and each photon is one.

    Parameters
    ----------
    strips : list of (Y, X) float
        Parts of a plane, NaN where missing.

    Returns
    -------
    float
        Grey levels; 0 where there is one level only.

    Examples
    --------
    >>> round(rounding_noise([np.array([[0.0, 16.0], [48.0, 16.0]])]), 3)
    4.619
    """
    few = [strip.ravel()[: SAMPLED // 4 // len(strips)] for strip in strips]
    levels = np.unique(np.concatenate(few or [np.empty(0)]))
    steps = np.diff(levels[np.isfinite(levels)])
    return float(steps.min()) * ROUNDING if steps.size else 0.0


def pixel_noise(strips: list[np.ndarray], rounding: float = 0.0, shared: bool = True) -> float:
    """Estimate the standard deviation of the noise of one pixel, whatever objects there are.

    The second difference along both axes sees neither slopes nor straight edges (Immerkær, Comput.
    Vis. Image Underst. 64, 300, 1996); the median of its size sees few small objects. Noise that
    neighbours share, as after smoothing or interpolation, is found in 2 × 2 means.

    Parameters
    ----------
    strips : list of (Y, X) float
        Parts of a plane, NaN where missing.
    rounding : float
        The least that is given: `ROUNDING` for integers, else 0.
    shared : bool
        Look for noise that neighbours share. Without, stuck pixels disturb less.

    Returns
    -------
    float
        Grey levels; NaN where a plane has fewer than 5 rows or columns.

    Examples
    --------
    >>> noise = np.random.RandomState(0).normal(100, 5, (200, 200))
    >>> slope = np.add.outer(3 * np.arange(200), np.arange(200))
    >>> round(pixel_noise([noise + slope]), 1)
    5.0
    """
    found = [rounding]
    for factor in (1, 2) if shared else (1,):
        parts = [_second_differences(strip).ravel() for strip in strips if min(strip.shape) >= 3]
        values = np.concatenate(parts) if parts else np.empty(0)
        values = np.abs(values[np.isfinite(values)])
        if values.size:
            # The nine weights' squares sum to 36; a 2 × 2 mean has half of a pixel's own noise.
            found.append(float(1.4826 * np.median(values)) / 6 * factor)
        elif factor == 1:
            return float("nan")
        strips = [halve(strip) for strip in strips]
    return max(found)


def grain_of(image: np.ndarray) -> np.ndarray:
    """Give for each pixel what its second difference tells of the noise there.

    Its median over any pixels estimates their noise's standard deviation, as in `pixel_noise`.

    Parameters
    ----------
    image : (Y, X) float

    Returns
    -------
    (Y, X) float
        Grey levels; 0 at the rim.
    """
    grain = np.zeros_like(image)
    if min(image.shape) >= 3:
        grain[1:-1, 1:-1] = np.abs(_second_differences(image)) * (1.4826 / 6)
    return grain


def _second_differences(image: np.ndarray) -> np.ndarray:
    along = image[:, :-2] + image[:, 2:] - 2 * image[:, 1:-1]
    return along[:-2] + along[2:] - 2 * along[1:-1]


def stuck_fraction(strips: list[np.ndarray], rounding: float = 0.0) -> float:
    """Give the share of pixels that stand alone, far above or below all of their neighbours.

    Light cannot do that (`SPREAD`), but the noise of single photons can, and then there are always
    more small steps than large ones. So pixels count only where more of them stand out by over
    `STANDS_OUT` standard deviations than by half of that up to it (bright ones: far more).

    Parameters
    ----------
    strips : list of (Y, X) float
        Parts of a plane, NaN where missing.
    rounding : float
        Standard deviation that rounding leaves, grey levels: the least noise.

    Returns
    -------
    float
        0 to 1; NaN without pixels.

    Examples
    --------
    >>> plane = np.random.RandomState(0).normal(100, 1, (100, 100))
    >>> plane[10::20, 10::20] = 0  # 25 of 10,000
    >>> stuck_fraction([plane])
    0.0025
    """
    seen = sum(strip.size for strip in strips)
    noise = pixel_noise(strips, rounding, shared=False)
    if not seen or not np.isfinite(noise):
        return float("nan")
    lone = [_lone_pixels(strip, noise) for strip in strips]
    if sum(len(pair[side][0]) for pair in lone for side in (0, 1)) > MANY * seen:
        # So many raise the noise that they are told by: measure it without them.
        without = [strip.copy() for strip in strips]
        for strip, pair in zip(without, lone, strict=True):
            for _, places in pair:
                strip[places] = np.nan
        noise = pixel_noise(without, rounding, shared=False)
        lone = [_lone_pixels(strip, noise) for strip in strips]
    found = 0
    # Photons come one by one: in the dark, a lone pixel may be as bright as those of an object are.
    sides = (max(noise, _noise_of_bright(strips)), CLEARLY), (noise, 1)
    for side, (least, clearly) in enumerate(sides):
        heights = np.concatenate([pair[side][0] for pair in lone])
        far = int(np.count_nonzero(heights > STANDS_OUT * least))
        near = int(np.count_nonzero(heights > STANDS_OUT / 2 * least)) - far
        if far >= FEW and far > clearly * near:
            found += far
    return found / seen


def _noise_of_bright(strips: list[np.ndarray]) -> float:
    """Estimate the noise of the brightest 5 % of the pixels, lone ones aside."""
    strip = strips[len(strips) // 2]
    strip = strip[: max(5, SAMPLED // 8 // strip.shape[1])]
    inner = [
        strip[1 + y : strip.shape[0] - 1 + y, 1 + x : strip.shape[1] - 1 + x]
        for y in (-1, 0, 1)
        for x in (-1, 0, 1)
    ]
    level = np.median(inner, axis=0)  # of 3 × 3 pixels: a lone one does not show
    level[np.isnan(level)] = -np.inf
    bright = level >= np.quantile(level, 0.95)
    grain = grain_of(strip)[1:-1, 1:-1][bright]
    return float(np.nan_to_num(np.nanmedian(grain))) if np.isfinite(grain).any() else 0.0


def _lone_pixels(image: np.ndarray, noise: float) -> list[tuple[np.ndarray, tuple]]:
    """Give how far lone pixels stand above what is around them, and where they are; then below."""
    centre = image[2:-2, 2:-2]
    around = [
        image[2 + y : image.shape[0] - 2 + y, 2 + x : image.shape[1] - 2 + x]
        for y in (-1, 0, 1)
        for x in (-1, 0, 1)
        if y or x
    ]
    highest, lowest = around[0].copy(), around[0].copy()
    for shifted in around[1:]:
        np.maximum(highest, shifted, out=highest)
        np.minimum(lowest, shifted, out=lowest)
    found = []
    for sign, nearest in ((1, highest), (-1, lowest)):
        with np.errstate(invalid="ignore"):
            rows, columns = np.nonzero(sign * (centre - nearest) > STANDS_OUT / 2 * noise)
        pixel, neighbour = centre[rows, columns], nearest[rows, columns]
        ring = [
            image[rows + 2 + y, columns + 2 + x]
            for y in range(-2, 3)
            for x in range(-2, 3)
            if max(abs(y), abs(x)) == 2
        ]
        level = np.median(ring, axis=0) if len(rows) else np.empty(0)
        # The nearest of eight neighbours is, by noise alone, EXTREME standard deviations off.
        spread = sign * (neighbour - level) - EXTREME * noise
        height = sign * (pixel - level)
        # In a bright part, photons make more noise than the plane has in general.
        own = 1.4826 * np.median(np.abs(ring - level), axis=0) if len(rows) else level
        alone = (spread < SPREAD * height) & (height > STANDS_OUT / 2 * own)
        places = rows[alone] + 2, columns[alone] + 2
        found.append((height[alone], places))
    return found
