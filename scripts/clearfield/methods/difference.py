"""A plane and its background in; out comes their exact difference, which never wraps round."""

from collections.abc import Iterable, Iterator

import numpy as np


def differences(
    image: np.ndarray,
    backgrounds: Iterable[tuple[int, int, np.ndarray]],
    *,
    light: bool,
    signed: bool,
) -> Iterator[tuple[int, int, np.ndarray, np.ndarray]]:
    """Yield first row, last row (excluded), exact difference and background, block by block.

    Parameters
    ----------
    image : (Y, X) array, or anything with slices of rows
    backgrounds : iterable of (int, int, (y, X) array)
        First row, last row (excluded) and background in the image's dtype, or in float32.
    light : bool
        Subtract the image from the background instead.
    signed : bool
        Whether a difference can be below 0; if not, integers stay in their width.
    """
    for first, last, background in backgrounds:
        block = np.asarray(image[first:last])
        pair = (background, block) if light else (block, background)
        yield first, last, difference(*pair, signed=signed), background


def difference(a: np.ndarray, b: np.ndarray, *, signed: bool) -> np.ndarray:
    """Subtract without wrapping; an integer difference that is not `signed` is never negative.

    Where one of both is a float, so is the difference: float32, or float64 for integers of more
    than 16 bits.

    Examples
    --------
    >>> a, b = np.array([100], np.int8), np.array([-100], np.int8)
    >>> difference(a, b, signed=False)
    array([200], dtype=uint8)
    >>> difference(b, a, signed=True)
    array([-200], dtype=int16)
    """
    if "f" in (a.dtype.kind, b.dtype.kind):
        return np.subtract(a, b)  # NumPy's own rule for the dtype
    bits = 8 * a.dtype.itemsize
    if signed:
        return np.subtract(a, b, dtype=np.dtype(f"int{min(64, 2 * bits)}"))
    # Modulo 2**bits the unsigned difference is the true one, which lies in [0, 2**bits).
    unsigned = f"uint{bits}"
    return np.subtract(a.astype(unsigned, copy=False), b.astype(unsigned, copy=False))


def smoothing_step(image: np.ndarray, channel: dict) -> tuple[list, np.ndarray]:
    """Give the step of a channel's `smooth`, none where it is 0, and what the next step filters.

    Examples
    --------
    >>> image = np.array([[0, 0, 100, 0, 0]], np.uint8)
    >>> smoothing_step(image, {"smooth": 0})
    ([], array([[  0,   0, 100,   0,   0]], dtype=uint8))
    >>> smoothing_step(image, {"smooth": 0.5})[0][0][0]
    'Gaussian, sigma 0.5 px'
    """
    if not channel.get("smooth"):
        return [], image
    from ..filters.gaussian import gaussian

    smoothed = gaussian(image, channel["smooth"])
    return [(f"Gaussian, sigma {channel['smooth']:g} px", smoothed)], smoothed
