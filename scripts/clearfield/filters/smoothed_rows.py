"""An image blurred by a Gaussian, whose rows are made when a filter asks for them."""

from itertools import chain

import numpy as np

from ..errors import ClearfieldError
from .gaussian import gaussian_blocks
from .memory import any_array
from .plane import is_number


def smoothed(image: np.ndarray, sigma: float, threads: int | None = None) -> np.ndarray:
    """Give an image as a filter is to see it: blurred by `sigma` px, or for 0 the image itself.

    Parameters
    ----------
    image : (Y, X) array, or anything with ``shape``, ``dtype`` and ``image[first:last]``
    sigma : float
        Standard deviation in pixels, 0 or more.
    threads : int, optional

    Returns
    -------
    (Y, X) array, or something with its ``shape``, ``dtype`` and slices of rows
        float32 where it is blurred, NaN where the image is NaN or infinite.

    Raises
    ------
    ClearfieldError
        If sigma is no number of 0 or more.

    Examples
    --------
    >>> image = np.array([[0, 0, 100, 0, 0]], np.uint8)
    >>> smoothed(image, 0) is image
    True
    >>> smoothed(image, 0.5)[0:1].round().astype(int)
    array([[ 0, 11, 79, 11,  0]])
    """
    if not is_number(sigma) or not 0 <= sigma < np.inf:
        raise ClearfieldError(
            f"smooth is {sigma!r}; give the standard deviation of a Gaussian in pixels, 0 for none"
        )
    return SmoothedRows(image, sigma, threads) if sigma else image


class SmoothedRows:
    """Slices of rows of a blurred plane of any size.

    Whoever asks in the order of the rows has each row blurred once: the rows of the last slice are
    kept. Asked for earlier rows, it begins anew.
    """

    def __init__(self, image: np.ndarray, sigma: float, threads: int | None) -> None:
        self.shape, self.dtype = tuple(image.shape), np.dtype(np.float32)
        self._begin = lambda: gaussian_blocks(image, sigma, threads=threads)
        self._restart()

    def _restart(self) -> None:
        self._blocks = self._begin()
        self._first = self._made = 0
        self._rows = np.empty((0, self.shape[1]), np.float32)
        self._rest = self._rows  # of the last block, what lay beyond the slice

    def __getitem__(self, rows: slice) -> np.ndarray:
        first, last, _ = rows.indices(self.shape[0])
        last = max(first, last)
        if first < self._first:
            self._restart()
        if last <= self._first + len(self._rows):
            return self._rows[first - self._first : last - self._first]
        result = any_array((last - first, self.shape[1]), np.float32)
        kept = self._rows[first - self._first :][: len(result)]
        result[: len(kept)] = kept
        # Of the last block there may be rows left.
        rest = [(self._made, self._made + len(self._rest), self._rest)] if len(self._rest) else []
        blocks = chain(rest, self._blocks)
        while self._made < last:
            begin, end, block = next(blocks)
            skip, stop = max(first - begin, 0), min(end, last)
            if begin + skip < stop:
                result[begin + skip - first : stop - first] = block[skip : stop - begin]
            self._made, self._rest = stop, block[stop - begin :].copy()
        self._first, self._rows = first, result
        return result
