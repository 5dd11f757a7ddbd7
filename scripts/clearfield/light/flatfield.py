"""Binned images of many fields in; out comes the profile of the light that all of them share.

The model is BaSiC's (Peng et al., Nature Communications 8, 14836, 2017): image i is b_i · g(y, x),
one profile g for all images and one brightness b_i for each, but for what is sparse: the objects.
It is fitted in another way. BaSiC takes the L1 norm of the sparse part; here a pixel that lies too
far from b_i · g to belong to the background has no weight (the biweight of Mosteller and Tukey,
"Data Analysis and Regression", 1977), which needs a twentieth of the time and has a tenth of the
error (tests/benchmark/flatfield.py).
Where BaSiC shrinks all cosines of the profile alike, each is kept or dropped by what two halves of
the images say of its noise: this is also the uncertainty that comes with the profile.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ..filters.parallel import run_tasks

CELLS = 128  # along each side at most: a lamp's, a lens's and a filter's patterns are wide
FEWEST_IMAGES = 4  # of which two halves can be made that tell anything
_ORDER = 5  # of the cosines that the first fit has: 21 of them need few images
_COARSE = 32  # cells along each side of the first fit
_ROUNDS = 30
_REWEIGHTED = 10  # of these rounds go by the sum of the distances, which finds the way from far
_FAR = 4.0  # standard deviations at which a pixel belongs to an object
_HALF_WIDTH_OF_THIRD = 0.4307  # standard deviations of a Gaussian on each side of its middle
_TRUSTED = 4.0  # standard errors above which a cosine of the profile is kept
_DOUBTED = 3.0  # the same for the halves, so that they rather differ too much
_DARKEST = 1e-3  # of the mean light: no division by less


class Estimate(NamedTuple):
    """A profile and what is known of it.

    Attributes
    ----------
    gain : (Y, X) float64
        The light in each cell; its mean is 1.
    uncertainty : float
        Root mean square error of `gain` as two halves of the images tell it, a fraction.
    unevenness : float
        Root mean square of gain − 1, as far as both halves agree on it, a fraction.
    before, after : float
        Root mean square unevenness of the light over the images, without correction and corrected
        by a profile that was estimated from the other half of them.
    """

    gain: np.ndarray
    uncertainty: float
    unevenness: float
    before: float
    after: float


def estimate_gain(cells: np.ndarray, halves: np.ndarray, *, threads: int = 1) -> Estimate:
    """Estimate the profile of the light from binned images.

    Parameters
    ----------
    cells : (N, Y, X) array
        Means of the cells of N images, without the camera's offset (`coarsen`). Each image
        has a positive median.
    halves : (N,) bool
        To which half an image belongs; images of one sample belong to the same.
    threads : int
        The result does not depend on it.

    Returns
    -------
    Estimate
        The order of the images has no effect on it but for the last bits.

    Examples
    --------
    >>> light = np.linspace(0.8, 1.2, 5) * np.ones((4, 1))
    >>> images = np.arange(10, 18)[:, None, None] * light
    >>> found = estimate_gain(images, np.arange(8) % 2 == 0)
    >>> np.round(found.gain[0], 3).tolist(), round(found.uncertainty, 4)
    ([0.8, 0.9, 1.0, 1.1, 1.2], 0.0)
    """
    cells = np.asarray(cells, np.float32)
    parts = [cells[~halves], cells[halves]]
    *fits, whole = _fit_all([*parts, cells], threads)
    gain = _keep_trusted(whole, *fits, trusted=_TRUSTED)
    smooth = [_keep_trusted(fit, *fits, trusted=_DOUBTED, share=2) for fit in fits]
    # Each half as it would be corrected by the other, which has seen none of its images.
    swapped = [np.maximum(other, _DARKEST).astype("f4") for other in reversed(smooth)]
    left = _fit_all([part / other for part, other in zip(parts, swapped, strict=True)], threads)
    common = float(np.mean((smooth[0] - 1) * (smooth[1] - 1)))
    return Estimate(
        gain=gain,
        uncertainty=float(np.sqrt(np.mean((smooth[0] - smooth[1]) ** 2)) / 2),
        unevenness=max(common, 0.0) ** 0.5,
        before=_unevenness(gain),
        after=float(np.mean([_unevenness(gain) for gain in left])),
    )


def _fit_all(groups: list[np.ndarray], threads: int) -> list[np.ndarray]:
    found: dict[int, np.ndarray] = {}

    def work(number: int) -> None:
        found[number] = _fit(groups[number])

    run_tasks(work, [(number,) for number in range(len(groups))], threads)
    return [found[number] for number in range(len(groups))]


def _unevenness(gain: np.ndarray) -> float:
    """Root mean square of gain − 1 on 8 × 8 fields, where the noise of single cells is small."""
    rows, columns = (np.linspace(0, n, min(n, 8) + 1).astype(int)[:-1] for n in gain.shape)
    fields = np.add.reduceat(np.add.reduceat(gain, rows, 0), columns, 1)
    fields /= np.add.reduceat(np.add.reduceat(np.ones_like(gain), rows, 0), columns, 1)
    return float(np.sqrt(np.mean((fields / fields.mean() - 1) ** 2)))


def _fit(cells: np.ndarray) -> np.ndarray:
    """Fit b_i · g to images: first with few cosines for g, then cell by cell."""
    return _fit_cells(cells, _fit_cosines(cells))


def _fit_cosines(cells: np.ndarray) -> np.ndarray:
    """Fit a profile of few cosines; it tells objects from light where images are few."""
    count, height, width = cells.shape
    small = np.stack([coarsen(image, _COARSE) for image in cells]).astype("f8")
    basis = _few_cosines(*small.shape[1:])
    images = small.reshape(count, -1)
    gain = np.ones(images.shape[1])
    for turn in range(_ROUNDS):
        level, spread = _densest_third(images / gain)
        distance = images / (gain * level[:, None]) - 1
        if turn < _REWEIGHTED:
            weight = 1 / (np.abs(distance) + 0.05)
        else:
            weight = _weight(distance, spread / level)
            level = (weight * images * gain).sum(1) / (weight * gain * gain).sum(1)
        total = weight.sum(0)
        normal = basis.T @ (basis * total[:, None])
        normal += 1e-6 * total.mean() * np.eye(len(normal))
        factors = np.linalg.solve(normal, basis.T @ (weight * images / level[:, None]).sum(0))
        gain = np.maximum(basis @ factors, 0.05)
        gain /= gain.mean()
    full = np.maximum(_few_cosines(height, width) @ factors, 0.05).reshape(height, width)
    return full / full.mean()


def _fit_cells(cells: np.ndarray, gain: np.ndarray) -> np.ndarray:
    """Fit every cell of the profile by itself, from a profile that is nearly right."""
    count = len(cells)
    for _ in range(10):
        level, spread = _densest_third((cells / gain.astype("f4")).reshape(count, -1))
        relative = np.asarray(cells / level[:, None, None], "f4")
        spread = np.maximum(spread / level, np.median(spread / level) / 2)
        gain = _find_lost(relative, gain, spread)
        weight = _weight(relative / gain.astype("f4") - 1, spread)
        level = (weight * relative * gain).sum((1, 2)) / (weight * gain * gain).sum((1, 2))
        relative /= np.where(level > 0, level, 1)[:, None, None].astype("f4")
        total = weight.sum(0, dtype="f8")
        # A cell that no image tells of keeps what the cosines say.
        prior = 0.1 * np.median(total) / count + 1e-12
        found = ((weight * relative).sum(0, dtype="f8") + prior * gain) / (total + prior)
        found /= found.mean()
        change = np.abs(found - gain).max()
        gain = np.maximum(found, _DARKEST)
        if change < 1e-4:
            break
    return gain


def _find_lost(relative: np.ndarray, gain: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Start anew in cells where the profile is so wrong that it takes the light for objects.

    Such a cell lies far from the profile in most images, and in most of them at the same value;
    objects do not. Where objects fill most of the images nobody can tell, and nothing is done.
    """
    count = len(relative)
    near = (np.abs(relative / gain - 1) < _FAR * spread[:, None, None]).sum(0)
    lost = near < count / 3
    usual = np.median(near)
    if count < 12 or usual <= count * 2 / 3 or not lost.any():
        return gain
    values = relative[:, lost]
    found, _ = _densest_third(values.T)
    agree = (np.abs(values / np.maximum(found, _DARKEST) - 1) < _FAR * spread[:, None]).sum(0)
    gain = gain.copy()
    gain[lost] = np.where((agree >= 0.6 * usual) & (found > _DARKEST), found, gain[lost])
    return gain


def _weight(distance: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Weigh by Tukey's biweight; an image of half the spread counts four times.

    No image's spread counts as less than half of the usual one: a blank image may have none.
    """
    spread = np.maximum(spread, np.median(spread) / 2) + 1e-6
    scale = spread.reshape(len(distance), *[1] * (distance.ndim - 1)).astype(distance.dtype)
    weight = 1 - (distance / (_FAR * scale)) ** 2
    np.maximum(weight, 0, out=weight)
    weight *= weight
    weight *= (np.median(spread) / scale) ** 2
    return weight


def _densest_third(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the middle and the spread (as of a Gaussian) of each row's densest third.

    The background is where most values lie close together; objects that cover half of an image do
    not move it, whether they are brighter or darker (the shorth of Andrews et al., "Robust
    Estimates of Location", 1972, of a third instead of a half).

    Examples
    --------
    >>> middle, spread = _densest_third(np.array([[1.0, 5, 6, 7, 20, 30]]))
    >>> middle.tolist()
    [6.0]
    """
    values = np.sort(values, axis=1)
    step = max(1, values.shape[1] // 3)
    widths = values[:, step:] - values[:, :-step]
    first = widths.argmin(axis=1)
    each = np.arange(len(values))
    middle = (values[each, first].astype("f8") + values[each, first + step]) / 2
    return middle, widths[each, first].astype("f8") / (2 * _HALF_WIDTH_OF_THIRD)


def _cosines(length: int, count: int) -> np.ndarray:
    """Give the first cosines of the DCT-II, orthonormal, as the columns of (length, count)."""
    place = (np.arange(length) + 0.5) / length
    cosines = np.sqrt(2 / length) * np.cos(np.pi * place[:, None] * np.arange(count))
    cosines[:, 0] = length**-0.5
    return cosines


def _few_cosines(height: int, width: int) -> np.ndarray:
    """Give the products of cosines of low order, of mean square 1, as columns."""
    rows = _cosines(height, min(_ORDER + 1, height)) * height**0.5
    columns = _cosines(width, min(_ORDER + 1, width)) * width**0.5
    products = [
        np.outer(rows[:, i], columns[:, j]).ravel()
        for i in range(rows.shape[1])
        for j in range(columns.shape[1])
        if i + j <= _ORDER
    ]
    return np.stack(products, axis=1)


def _keep_trusted(
    gain: np.ndarray, half: np.ndarray, other: np.ndarray, *, trusted: float, share: int = 1
) -> np.ndarray:
    """Keep the cosines of a profile that stand out from the difference of two halves.

    Half of that difference has the noise of the profile of all images, for each range of
    frequencies; a profile of one of `share` parts of them has that many times its variance.
    """
    rows, columns = (_cosines(length, length) for length in gain.shape)
    factors = rows.T @ gain @ columns
    noise = rows.T @ ((half - other) / 2) @ columns
    frequency = np.hypot(*np.ogrid[: gain.shape[0], : gain.shape[1]])
    band = np.round(3 * np.log2(1 + frequency)).astype(int)
    count = np.maximum(np.bincount(band.ravel()), 1)
    variance = share * (np.bincount(band.ravel(), (noise**2).ravel()) / count)[band]
    kept = factors**2 > trusted**2 * variance
    kept[0, 0] = True
    smooth = rows @ np.where(kept, factors, 0) @ columns.T
    return smooth / smooth.mean()


def coarsen(plane: np.ndarray, cells: int = CELLS) -> np.ndarray:
    """Give the means of a plane's cells, at most `cells` along each side, nearly equal in size.

    Parameters
    ----------
    plane : (Y, X) array, or anything with shape and slices of rows

    Returns
    -------
    (y, x) float64
        A pixel that is NaN or infinite is missing; NaN where all of a cell are.

    Examples
    --------
    >>> coarsen(np.arange(6.0).reshape(2, 3), 2).tolist()
    [[0.0, 1.5], [3.0, 4.5]]
    """
    rows, columns = (edges(length, cells) for length in plane.shape)
    result = np.empty((len(rows) - 1, len(columns) - 1))
    for row, (first, last) in enumerate(pairwise(rows)):
        part = np.asarray(plane[int(first) : int(last)])
        count = (last - first) * np.diff(columns)
        if part.dtype.kind == "f" and not (finite := np.isfinite(part)).all():
            part = np.where(finite, part, 0)
            count = np.add.reduceat(finite.sum(0), columns[:-1])
        sums = np.add.reduceat(part.sum(0, dtype="f8"), columns[:-1])
        result[row] = np.divide(sums, count, out=np.full(len(sums), np.nan), where=count > 0)
    return result


def edges(length: int, cells: int = CELLS) -> np.ndarray:
    """Give the first pixel of each cell along a side, and the side's end."""
    count = min(length, cells)
    return np.arange(count + 1) * length // count


def expand_gain(gain: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Draw a profile of cells at every pixel, straight from the middle of one cell to the next.

    Parameters
    ----------
    gain : (y, x) array
        Of `estimate_gain`.
    shape : tuple
        Y, X of the images, the cells of which are those of `coarsen`.

    Returns
    -------
    (Y, X) float32
        Its mean is 1.

    Examples
    --------
    >>> expand_gain(np.array([[0.5, 1.5]]), (1, 4)).tolist()
    [[0.25, 0.75, 1.25, 1.75]]
    """
    full = np.asarray(gain, "f8")
    for axis, length in enumerate(shape):
        cells = full.shape[axis]
        bounds = edges(length, cells)
        middles = (bounds[:-1] + bounds[1:] - 1) / 2
        full = np.moveaxis(full, axis, 0)
        if cells > 1:
            place = np.arange(length)
            left = np.clip(np.searchsorted(middles, place, "right") - 1, 0, cells - 2)
            # Beyond the outer middles the line goes on, half a cell at most.
            part = (place - middles[left]) / np.diff(middles)[left]
            part = part.reshape(-1, *[1] * (full.ndim - 1))
            full = full[left] * (1 - part) + full[left + 1] * part
        else:
            full = full.repeat(length, axis=0)
        full = np.moveaxis(full, 0, axis)
    return (full / full.mean()).astype("f4")
