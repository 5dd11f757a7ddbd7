"""Smaller copies of planes by block means, and back again by linear interpolation."""

from __future__ import annotations

import numpy as np

LARGEST = 1e30
"""ASSUME: no grey level is larger; sums of float32 pixels stay finite below it."""


def bin_factor(shape: tuple[int, int], limit: int = 512) -> int:
    """Give the smallest factor by which blocks of a plane leave at most `limit` rows and columns.

    Examples
    --------
    >>> bin_factor((1024, 700)), bin_factor((1025, 700)), bin_factor((1, 5))
    (2, 3, 1)
    """
    return max(1, -(-max(shape) // limit))


def bin_plane(image: np.ndarray, factor: int) -> np.ndarray:
    """Average `factor` × `factor` blocks; what is left over at the far edges is dropped.

    Parameters
    ----------
    image : (Y, X), integer or float
        Anything with a shape whose rows can be sliced; read in blocks of rows.
    factor : int
        At least 1.

    Returns
    -------
    numpy.ndarray
        float32, grey levels; NaN where a block holds a NaN or an infinite pixel (or
        one beyond `LARGEST`).

    Examples
    --------
    >>> bin_plane(np.array([[1, 3, 9], [5, 7, 9]], np.uint8), 2)
    array([[4.]], dtype=float32)
    """
    rows, columns = (length // factor for length in image.shape)
    binned = np.empty((rows, columns), np.float32)
    step = max(1, 2**20 // max(1, factor * image.shape[1]))  # blocks of about a million pixels
    for first in range(0, rows, step):
        last = min(rows, first + step)
        block = image[first * factor : last * factor]
        if factor > 1:
            # float64 from the start: float32 would lose the last bits of a large offset
            block = np.add.reduce(
                block.reshape(last - first, factor, -1), axis=1, dtype=np.float64
            )[:, : columns * factor]
            block = sum(block[:, k::factor] for k in range(factor)) / factor**2
        with np.errstate(over="ignore"):
            binned[first:last] = block
    if np.dtype(image.dtype).kind == "f":
        binned[~(np.abs(binned) < LARGEST)] = np.nan
    return binned


def halve(image: np.ndarray) -> np.ndarray:
    """Average 2 × 2 blocks of a float plane, dropping an odd last row or column.

    Examples
    --------
    >>> halve(np.array([[0.0, 2.0], [4.0, 6.0]]))
    array([[3.]])
    """
    rows, columns = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
    pairs = image[0:rows:2, :columns] + image[1:rows:2, :columns]
    return (pairs[:, 0::2] + pairs[:, 1::2]) * np.float32(0.25)


def smooth(image: np.ndarray) -> np.ndarray:
    """Average 3 × 3 pixels with weights 1 2 1: an opening follows the noise's lower edge."""
    for axis in (0, 1):
        if image.shape[axis] > 2:
            padded = np.pad(image, [(1, 1) if k == axis else (0, 0) for k in (0, 1)], "edge")
            low, middle, high = (
                padded[tuple(slice(k, k + image.shape[axis]) if a == axis else slice(None)
                             for a in (0, 1))]
                for k in range(3)
            )  # fmt: skip
            image = (low + high) * np.float32(0.25) + middle * np.float32(0.5)
    return image


def enlarge(image: np.ndarray, factor: int, shape: tuple[int, int]) -> np.ndarray:
    """Interpolate a binned plane linearly back to `shape`; beyond the outer centres it is constant.

    Parameters
    ----------
    image : (Y, X) float
        Block means.
    factor : int
        Pixels of the result along a block.
    shape : (int, int)
        Of the result, at least `factor` times that of `image`.

    Examples
    --------
    >>> enlarge(np.array([[0.0, 4.0]]), 2, (2, 4))[0]
    array([0., 1., 3., 4.])
    """
    if factor == 1 and image.shape == tuple(shape):
        return image
    for axis, length in enumerate(shape):
        place = (np.arange(length) + 0.5) / factor - 0.5
        place = np.clip(place, 0, image.shape[axis] - 1)
        low = place.astype(int)
        high = np.minimum(low + 1, image.shape[axis] - 1)
        weight = (place - low).astype(image.dtype)
        if axis == 0:
            weight = weight[:, None]
        image = image.take(low, axis) * (1 - weight) + image.take(high, axis) * weight
    return image
