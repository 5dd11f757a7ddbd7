"""Convolution with a Gaussian as products of matrices: exact at any sigma, at a cost that stays.

The kernel is SciPy's and scikit-image's: sampled, cut off at four sigma, its sum 1; beyond an
end of a line the line's last pixel goes on for ever (mode "nearest").

A kernel of short reach is a banded matrix T for each axis. A long one is first taken as G, the
same Gaussian without the cut at four sigma: G is two Gaussians of sigma / sqrt(2) in a row, and
what lies between them is so smooth that it is known from one value every half sigma, a node. So
G = S · C, where C collects pixels to few nodes and S spreads nodes to pixels. Of T = G - tail
along both axes

    T_y T_x = T_y G_x - T_y tail_x,    about    (T_y C_x) S_x - S_y (C_y tail_x) / sum(G),

each factor in brackets is narrow: the cut is exact along the one axis, and along the other, where
the tail has 6e-5 of the weight, T_y is as good as G_y. The nodes' spacing, where they end, and that
last step each err by some 1e-9 of the largest pixel or less.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

_TRUNCATE = 4.0  # sigma
_SPACING = 0.5  # sigma, at most: sampling leaves 2 exp(-2 pi²) = 5e-9 of a pixel
_DECAY = 4.7  # sigma: exp(-4.7²) = 3e-10 of a node's weight
_TAIL = 6.5  # sigma: 8e-11 of a Gaussian lies beyond
BLOCK = 64  # outputs of a banded matrix in one product
_OFF_BEAT = 8  # pixels
_NODES = 24  # collected in one product


class Kernel(NamedTuple):
    """A Gaussian: its sigma, its reach in pixels, and its weights from the middle outwards."""

    sigma: float
    reach: int
    half: np.ndarray


class Block(NamedTuple):
    """A part of a banded matrix: ``outputs[first:last] = weights @ inputs[low:high]``."""

    first: int
    last: int
    low: int
    high: int
    weights: np.ndarray


@lru_cache(maxsize=16)
def gaussian_kernel(sigma: float) -> Kernel:
    """Sample a Gaussian of standard deviation `sigma` pixels.

    Examples
    --------
    For sigma 0 it is a single pixel; for sigma 0.5 the neighbours weigh exp(-2) of the middle.

    >>> gaussian_kernel(0.0)
    Kernel(sigma=0.0, reach=0, half=array([1.]))
    >>> gaussian_kernel(0.5).half.round(4)
    array([7.866e-01, 1.065e-01, 3.000e-04])
    """
    reach = int(_TRUNCATE * sigma + 0.5) if sigma else 0
    half = np.exp(-0.5 * (np.arange(reach + 1) / (sigma or 1.0)) ** 2)
    return Kernel(sigma, reach, half / (2 * half.sum() - half[0]))


def shifted_kernels(half: np.ndarray, count: int, dtype: type = np.float64) -> np.ndarray:
    """Give a symmetric kernel `count` times, each a column further than the one before.

    Parameters
    ----------
    half : (reach + 1,) float64 array
        Weights from the middle outwards.

    Returns
    -------
    (count, count + 2 reach) array
        Times so many neighbouring pixels it is their convolution, without `reach` at either end.

    Examples
    --------
    >>> shifted_kernels(np.array([0.5, 0.25]), 2)
    array([[0.25, 0.5 , 0.25, 0.  ],
           [0.  , 0.25, 0.5 , 0.25]])
    """
    reach = len(half) - 1
    line = np.zeros(2 * (reach + count) - 1)
    line[count - 1 : count + 2 * reach] = np.concatenate([half[:0:-1], half])
    rows = np.lib.stride_tricks.sliding_window_view(line, count + 2 * reach)[::-1]
    return rows.astype(dtype, order="C")


def blur_near(padded: np.ndarray, kernel: Kernel, step: int) -> np.ndarray:
    """Convolve a tile along y and x, `step` pixels in one product.

    Parameters
    ----------
    padded : (Y + 2 reach, X + 2 reach) float64 array
        A tile and the `kernel.reach` pixels around it; Y and X are multiples of `step`.

    Returns
    -------
    (Y, X) float64 array

    Examples
    --------
    >>> peak = np.zeros((4, 4))
    >>> peak[2, 2] = 16
    >>> blur_near(peak, Kernel(0.0, 1, np.array([0.5, 0.25])), 2)
    array([[1., 2.],
           [2., 4.]])
    """
    reach = kernel.reach
    weights = shifted_kernels(kernel.half, step)
    height, width = (length - 2 * reach for length in padded.shape)
    size, at_once = padded.itemsize, np.lib.stride_tricks.as_strided
    down, long = height // step, step + 2 * reach
    bands = at_once(
        padded, (down, long, padded.shape[1]), (step * padded.strides[0], *padded.strides)
    )
    once = np.matmul(weights, bands).reshape(height, -1)
    # Rows a power of two long would meet in the same few places of the cache.
    result = np.empty((height, width + _OFF_BEAT))
    across = width // step
    np.matmul(
        at_once(once, (across, height, long), (step * size, *once.strides)), weights.T,
        out=at_once(result, (across, height, step), (step * size, *result.strides)),
    )  # fmt: skip
    return result[:, :width]


def banded(half: np.ndarray, length: int, dtype: type = np.float64) -> list[Block]:
    """Give the matrix that convolves a line with a symmetric kernel.

    Parameters
    ----------
    half : (reach + 1,) float64 array
        Weights from the middle outwards.
    length : int
        Of the line; beyond its ends its last pixels go on for ever.
    dtype : dtype
        Of the weights.

    Examples
    --------
    >>> (block,) = banded(np.array([0.5, 0.25]), 3)
    >>> block.weights
    array([[0.75, 0.25, 0.  ],
           [0.25, 0.5 , 0.25],
           [0.  , 0.25, 0.75]])
    """
    reach, block = len(half) - 1, min(BLOCK, length)
    rows = shifted_kernels(half, block, dtype)
    blocks = []
    for first in range(0, length, block):
        last = min(first + block, length)
        weights = rows[: last - first, : last - first + 2 * reach]
        blocks.append(Block(first, last, *_fold(weights, first - reach, length)))
    return blocks


def _fold(weights: np.ndarray, low: int, length: int) -> tuple[int, int, np.ndarray]:
    """Add the weights of columns beyond an end of the line to those of its last pixel."""
    high = low + weights.shape[1]
    start, stop = min(max(low, 0), length - 1), max(min(high, length), 1)
    if stop - start == 1:
        return start, stop, weights.sum(axis=1, keepdims=True)
    folded = weights[:, start - low : stop - low]
    if (start, stop) != (low, high):
        folded = folded.copy()
        folded[:, 0] = weights[:, : start - low + 1].sum(axis=1)
        folded[:, -1] = weights[:, stop - low - 1 :].sum(axis=1)
    return start, stop, folded


class Nodes:
    """How a long Gaussian without a cut is collected to nodes and spread from them.

    Along a line of pixels, every `step` pixels begin a tile with `count` nodes, the first on the
    tile's first pixel; the pixels of a tile know `margin` nodes more on either side.

    Attributes
    ----------
    step, count, margin : int
    spread : (step, count + 2 margin) float64 array
        Gives a tile's pixels from its nodes.

    Examples
    --------
    A single pixel of 1 in the middle of a tile becomes the Gaussian.

    >>> kernel = gaussian_kernel(50.0)
    >>> nodes = Nodes(kernel)
    >>> line = np.zeros(nodes.step)
    >>> line[60] = 1
    >>> held = np.empty(nodes.count + 2 * nodes.margin)
    >>> for block in nodes.collect(0, 1, len(line)):
    ...     held[block.first : block.last] = block.weights @ line[block.low : block.high]
    >>> expected = kernel.half[0] * np.exp(-0.5 * ((np.arange(nodes.step) - 60) / 50) ** 2)
    >>> bool(np.abs(nodes.spread @ held - expected).max() < 1e-8 * kernel.half[0])
    True
    """

    def __init__(self, kernel: Kernel) -> None:
        self._sigma = sigma = kernel.sigma
        self.step = 128
        while self.step < 2.5 * sigma:
            self.step *= 2
        self.count = int(np.ceil(self.step / (_SPACING * sigma)))
        self._spacing = self.step / self.count
        self.reach = int(np.ceil(_DECAY * sigma))
        self.margin = int(np.ceil(self.reach / self._spacing))
        places = np.arange(-self.margin, self.count + self.margin) * self._spacing
        distance = np.arange(self.step)[:, None] - places
        # The sum of exp(-2 (i spacing / sigma)²) over all i is sigma sqrt(pi / 2) / spacing.
        scale = kernel.half[0] * self._spacing / (sigma * np.sqrt(np.pi / 2))
        self.spread = scale * np.exp(-((distance / sigma) ** 2))

    def collect(
        self, first: int, last: int, length: int, start: int = 0, stop: int | None = None,
        dtype: type = np.float64,
    ) -> list[Block]:  # fmt: skip
        """Give the matrix from a line's pixels to the nodes of some of its tiles.

        Parameters
        ----------
        first, last : int
            Tiles, the last one excluded. Output 0 is the first margin node of the first tile.
        length : int
            Of the line; beyond its ends its last pixels go on for ever.
        start, stop : int, optional
            Take pixels outside of these for zero.
        """
        stop = length if stop is None else stop
        begin, total = first * self.count - self.margin, (last - first) * self.count
        blocks = []
        for done in range(0, total + 2 * self.margin, _NODES):
            until = min(done + _NODES, total + 2 * self.margin)
            places = np.arange(begin + done, begin + until) * self._spacing
            pixels = np.arange(int(places[0]) - self.reach, int(places[-1]) + self.reach + 2)
            weights = np.exp(-(((places[:, None] - pixels) / self._sigma) ** 2))
            low, high, weights = _fold(weights, int(pixels[0]), length)
            lower = min(max(low, start), stop)
            upper = max(min(high, stop), lower)
            weights = weights[:, lower - low : upper - low].astype(dtype)
            blocks.append(Block(done, until, lower, upper, weights))
        return blocks


def gaussian_tail(kernel: Kernel) -> np.ndarray:
    """Give the weights that a Gaussian without a cut has beyond the kernel's, over its sum.

    Examples
    --------
    >>> tail = gaussian_tail(gaussian_kernel(50.0))
    >>> len(tail), float(tail[200]), float((2 * tail.sum()).round(7))
    (326, 0.0, 6.07e-05)
    """
    distance = np.arange(int(_TAIL * kernel.sigma) + 1)
    tail = kernel.half[0] * np.exp(-0.5 * (distance / kernel.sigma) ** 2)
    tail[: kernel.reach + 1] = 0
    return tail / (1 + 2 * tail.sum())
