"""Gaussian blur and difference of Gaussians, in grey levels, on planes of any size.

Equal to scikit-image's `gaussian` and `difference_of_gaussians` of the image as float64 (kernel
cut off at four sigma, mode "nearest"). Computed in double precision, so that a faint signal on a
large offset or a steep ramp survives the subtraction, and given back as float32.

A pixel that is NaN or infinite is missing: it is NaN in the result, and its neighbours are
averaged over the pixels that are there (normalised convolution: Knutsson and Westin, CVPR 1993).
Only there does the time grow with sigma: far from any pixel that is there, each counts.
"""

from collections.abc import Callable, Iterator

import numpy as np

from ..errors import ClearfieldError
from .blas import one_blas_thread
from .gaussian_matrices import (
    BLOCK,
    Block,
    Kernel,
    Nodes,
    banded,
    blur_near,
    gaussian_kernel,
    gaussian_tail,
)
from .memory import any_array
from .parallel import run_tasks, thread_count
from .plane import check_plane, forget_rows, is_number

# The layout of the blocks follows from the image's shape and sigma alone, never from the number
# of threads, so that rounding is the same everywhere.
_BAND_PIXELS = 2**25
_RESULT_ROWS = 256
_TILE_ROWS, _TILE_COLUMNS = 128, 1024  # rows: no more than the least step of `Nodes`
_NEAR_COST = 272  # products a pixel, beyond which a kernel is a far one: measured
_THREAD_PIXELS = 2**18  # for each thread; with fewer, to start one takes longer than it saves
_CLOSE = 1.25  # two sigmas of less than this ratio leave so little that both blurs must be exact


def gaussian(image: np.ndarray, sigma: float, *, threads: int | None = None) -> np.ndarray:
    """Blur an image with a Gaussian.

    Parameters
    ----------
    image : (Y, X) array, integer or float
    sigma : float
        Standard deviation in pixels, 0 or more.
    threads : int, optional
        At most; default: the CPUs that this process may use. Fewer work where more would not
        help. The result has the same bits on any number.

    Returns
    -------
    (Y, X) float32 array
        Grey levels; NaN where the image is NaN or infinite.

    Raises
    ------
    ClearfieldError
        If the image is not a plane of numbers or sigma is negative.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.array([[0, 0, 100, 0, 0]], np.uint8)
    >>> gaussian(image, 0.5).round().astype(int)
    array([[ 0, 11, 79, 11,  0]])
    """
    blocks = gaussian_blocks(image, sigma, threads=threads)
    result = any_array(image.shape, np.float32)
    for first, last, blurred in blocks:
        result[first:last] = blurred
    return result


def gaussian_blocks(
    image: np.ndarray, sigma: float, *, threads: int | None = None
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Blur a plane of any size as `gaussian` does, a block of rows at a time.

    Parameters
    ----------
    image : (Y, X) array, or anything with ``shape``, ``dtype`` and ``image[first:last]``
    sigma, threads
        As in `gaussian`.

    Yields
    ------
    first, last, block : int, int, (last - first, X) float32 array
        In the order of the rows. A block is valid until the next one is asked for.
    """
    _check_sigma(sigma, "sigma")
    check_plane(image)
    bands = _blurred_bands(image, (float(sigma),), lambda plane: (plane,), threads)
    return ((first, last, blurred) for first, last, (blurred,) in bands)


def difference_of_gaussians(
    image: np.ndarray, low_sigma: float, high_sigma: float, *, threads: int | None = None
) -> np.ndarray:
    """Subtract from an image blurred a little the image blurred a lot.

    Parameters
    ----------
    image : (Y, X) array, integer or float
    low_sigma, high_sigma : float
        Standard deviations in pixels, 0 <= low_sigma < high_sigma.
    threads : int, optional
        At most; default: the CPUs that this process may use. Fewer work where more would not
        help. The result has the same bits on any number.

    Returns
    -------
    (Y, X) float32 array
        Grey levels, of either sign; NaN where the image is NaN or infinite.

    Raises
    ------
    ClearfieldError
        If the image is not a plane of numbers or the sigmas are not in this order.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.array([[0, 0, 100, 0, 0]], np.uint8)
    >>> difference_of_gaussians(image, 0, 0.5).round().astype(int)
    array([[  0, -11,  21, -11,   0]])
    """
    blocks = difference_of_gaussians_blocks(image, low_sigma, high_sigma, threads=threads)
    result = any_array(image.shape, np.float32)
    for first, last, difference, _ in blocks:
        result[first:last] = difference
    return result


def difference_of_gaussians_blocks(
    image: np.ndarray, low_sigma: float, high_sigma: float, *, threads: int | None = None
) -> Iterator[tuple[int, int, np.ndarray, np.ndarray]]:
    """Filter a plane of any size as `difference_of_gaussians` does, a block of rows at a time.

    Parameters
    ----------
    image : (Y, X) array, or anything with ``shape``, ``dtype`` and ``image[first:last]``
    low_sigma, high_sigma, threads
        As in `difference_of_gaussians`.

    Yields
    ------
    first, last, difference, large : int, int, two (last - first, X) float32 arrays
        In the order of the rows; `large` is the image blurred with `high_sigma`. A block is
        valid until the next one is asked for.
    """
    check_plane(image)
    _check_sigma(low_sigma, "low_sigma")
    _check_sigma(high_sigma, "high_sigma")
    if low_sigma >= high_sigma:
        raise ClearfieldError(
            f"low_sigma is {low_sigma} and high_sigma {high_sigma}; "
            "low_sigma must be the smaller one"
        )
    return _difference_bands(image, float(low_sigma), float(high_sigma), threads)


def _difference_bands(image, low, high, threads):
    def combine(small: np.ndarray, large: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return small - large, large

    for first, last, (difference, large) in _blurred_bands(image, (low, high), combine, threads):
        yield first, last, difference, large


class _Near:
    """A blur by banded matrices, each tile by itself."""

    def __init__(self, kernel: Kernel, mask: bool) -> None:
        self.reach, self._kernel, self._mask = kernel.reach, kernel, mask
        self._step = BLOCK // 2 if 4 * kernel.reach < BLOCK else BLOCK

    def start(self, top: int, bottom: int, rows: np.ndarray, first: int, threads: int) -> None:
        """Prepare nothing: each tile begins with the pixels around it."""

    def tile(self, rows: np.ndarray, first: int, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        reach = self.reach
        lines, top, bottom = self._places(y0 - first, y1 - first, len(rows))
        columns, left, right = self._places(x0, x1, rows.shape[1])
        padded = np.empty((lines, columns))
        pixels = rows[max(top, 0) : bottom, max(left, 0) : right]
        above, before = max(-top, 0), max(-left, 0)
        inside = padded[above : above + len(pixels), before : before + pixels.shape[1]]
        inside[...] = _pixels_or_mask(pixels, self._mask)
        full = padded[above : above + len(pixels)]
        full[:, :before] = inside[:, :1]
        full[:, before + pixels.shape[1] :] = inside[:, -1:]
        padded[:above] = full[0]
        padded[above + len(pixels) :] = full[-1]
        if reach == 0:
            return padded[: y1 - y0, : x1 - x0]
        return blur_near(padded, self._kernel, self._step)[: y1 - y0, : x1 - x0]

    def _places(self, first: int, last: int, length: int) -> tuple[int, int, int]:
        """Give how many lines a tile takes in all, and the first and last one to be read."""
        whole = -(-(last - first) // self._step) * self._step
        start, stop = first - self.reach, first + whole + self.reach
        return stop - start, start, min(stop, length)


def _between(blocks: list[Block], first: int, last: int) -> list[Block]:
    """Give the blocks of some outputs; all blocks but the last are of one size."""
    size = blocks[0].last
    return blocks[first // size : -(-last // size)]


class _Far:
    """A blur of long reach by way of nodes; see `clearfield.filters.gaussian_matrices`."""

    def __init__(self, kernel: Kernel, shape: tuple[int, int]) -> None:
        self._nodes = nodes = Nodes(kernel)
        self.reach = nodes.reach
        self._height, self._width = shape
        self._cut = banded(kernel.half, self._height)
        self._tail = banded(gaussian_tail(kernel), self._width, np.float32)
        self._collect_x = nodes.collect(0, -(-self._width // nodes.step), self._width)

    def start(self, top: int, bottom: int, rows: np.ndarray, first: int, threads: int) -> None:
        """Blur a band: pixels to nodes along x, cut along y; nodes along y, the tail along x."""
        nodes, width, self._top = self._nodes, self._width, top
        count, stop = self._collect_x[-1].last, first + len(rows)
        by_x = np.empty((len(rows), count))
        self._cut_by_x = np.empty((bottom - top, count))
        self._tile = top // nodes.step
        collect_y = nodes.collect(
            self._tile, -(-bottom // nodes.step), self._height, first, stop, np.float32
        )  # fmt: skip
        # What only the tail is taken from needs no double precision.
        by_y = np.empty((collect_y[-1].last, width), np.float32)
        self._tail_by_y = np.empty_like(by_y)

        def collect_along_x(y0: int, y1: int) -> None:
            pixels = rows[y0:y1].astype(np.float64)
            for block in self._collect_x:
                np.matmul(
                    pixels[:, block.low : block.high], block.weights.T,
                    out=by_x[y0:y1, block.first : block.last],
                )  # fmt: skip

        def collect_along_y(x0: int, x1: int) -> None:
            pixels = rows[:, x0:x1].astype(np.float32)
            for block in collect_y:
                np.matmul(
                    block.weights, pixels[block.low - first : block.high - first],
                    out=by_y[block.first : block.last, x0:x1],
                )  # fmt: skip

        def cut(block) -> None:
            low, high = block.low - first, block.high - first
            target = self._cut_by_x[block.first - top : block.last - top]
            np.matmul(block.weights, by_x[low:high], out=target)

        def cut_tail(block) -> None:
            target = self._tail_by_y[:, block.first : block.last]
            np.matmul(by_y[:, block.low : block.high], block.weights.T, out=target)

        run_tasks(collect_along_x, _slices(0, len(rows), width), threads)
        run_tasks(collect_along_y, _slices(0, width, len(rows)), threads)
        run_tasks(cut, [(block,) for block in _between(self._cut, top, bottom)], threads)
        run_tasks(cut_tail, [(block,) for block in self._tail], threads)

    def tile(self, rows: np.ndarray, first: int, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        nodes = self._nodes
        known = nodes.count + 2 * nodes.margin
        cut = self._cut_by_x[y0 - self._top : y1 - self._top]
        result = np.empty((y1 - y0, x1 - x0))
        for left in range(x0 - x0 % nodes.step, x1, nodes.step):
            a, b = max(left, x0), min(left + nodes.step, x1)
            at = left // nodes.step * nodes.count
            np.matmul(
                cut[:, at : at + known], nodes.spread[a - left : b - left].T,
                out=result[:, a - x0 : b - x0],
            )  # fmt: skip
        tile = y0 // nodes.step
        at = (tile - self._tile) * nodes.count
        spread = nodes.spread[y0 - tile * nodes.step : y1 - tile * nodes.step]
        result -= spread.astype(np.float32) @ self._tail_by_y[at : at + known, x0:x1]
        return result


def _blurred_bands(
    image: np.ndarray,
    sigmas: tuple[float, ...],
    combine: Callable[..., tuple[np.ndarray, ...]],
    threads: int | None,
) -> Iterator[tuple[int, int, list[np.ndarray]]]:
    """Yield what `combine` makes of the blurs of an image, as many arrays as there are sigmas."""
    threads = thread_count(threads)
    height, width = image.shape
    if not height or not width:
        return
    threads = max(1, min(threads, height * width // _THREAD_PIXELS))
    count = len(sigmas)
    missing = _has_missing(image)
    exact = missing or (count > 1 and max(sigmas) < _CLOSE * min(sigmas))
    blurs = [_blur(sigma, image.shape, exact) for sigma in sigmas]
    if missing:  # the second half blurs a mask of the pixels that are there
        blurs += [_Near(gaussian_kernel(sigma), mask=True) for sigma in sigmas]
    reach = max(blur.reach for blur in blurs)
    band = -(-max(_BAND_PIXELS // width, reach, 1) // _RESULT_ROWS) * _RESULT_ROWS
    results = [np.empty((min(height, _RESULT_ROWS), width), np.float32) for _ in sigmas]
    for top in range(0, height, band):
        bottom = min(top + band, height)
        yield from _blurred_band(
            image, blurs, reach, combine, results, missing, threads, top, bottom
        )
        forget_rows(image, max(0, top - reach), bottom)


def _blurred_band(image, blurs, reach, combine, results, missing, threads, top, bottom):
    """Yield the blocks of one band; its rows are given back before those of the next are read."""
    first, count = max(0, top - reach), len(results)
    rows = np.asarray(image[first : bottom + reach])
    with one_blas_thread():
        for blur in blurs:
            blur.start(top, bottom, rows, first, threads)

    def finish(y0: int, y1: int, x0: int, x1: int) -> None:
        tile = slice(y0 % _RESULT_ROWS, (y1 - 1) % _RESULT_ROWS + 1), slice(x0, x1)
        planes = [blur.tile(rows, first, y0, y1, x0, x1) for blur in blurs]
        if missing:
            # A pixel that is there weighs more than this itself; the others become NaN.
            weights = [np.maximum(weight, 1e-14) for weight in planes[count:]]
            planes = [value / weight for value, weight in zip(planes, weights, strict=False)]
            gone = ~np.isfinite(rows[y0 - first : y1 - first, x0:x1])
        for result, values in zip(results, combine(*planes), strict=True):
            result[tile] = values
            if missing:
                result[tile][gone] = np.nan

    for start in range(top, bottom, _RESULT_ROWS):
        stop = min(start + _RESULT_ROWS, bottom)
        with one_blas_thread():  # not while whoever asked works with the block
            run_tasks(finish, _tiles(start, stop, image.shape[1]), threads)
        yield start, stop, [result[: stop - start] for result in results]


def _blur(sigma: float, shape: tuple[int, int], exact: bool) -> _Near | _Far:
    kernel = gaussian_kernel(sigma)
    products = sum(min(BLOCK + 2 * kernel.reach, length) for length in shape)
    if exact or products <= _NEAR_COST:
        return _Near(kernel, mask=False)
    return _Far(kernel, shape)


def _pixels_or_mask(rows: np.ndarray, mask: bool) -> np.ndarray:
    """Give pixels, 0 where they are missing, or a mask of those that are there."""
    if rows.dtype.kind != "f":
        return rows
    there = np.isfinite(rows)
    return there if mask else np.where(there, rows, rows.dtype.type(0))


def _has_missing(image: np.ndarray) -> bool:
    if image.dtype.kind != "f":
        return False
    height, width = image.shape
    for first, last in _slices(0, height, width):
        finite = np.isfinite(image[first:last]).all()
        forget_rows(image, first, last)
        if not finite:
            return True
    return False


def _slices(first: int, last: int, length: int) -> list[tuple[int, int]]:
    """Cut lines `first` to `last`, each of so many pixels, into pieces that stay in cache."""
    step = min(max(2**18 // max(1, length), 64), 256)
    return [(i, min(i + step, last)) for i in range(first, last, step)]


def _tiles(top: int, bottom: int, width: int) -> list[tuple[int, int, int, int]]:
    return [
        (y, min(y + _TILE_ROWS, bottom), x, min(x + _TILE_COLUMNS, width))
        for y in range(top, bottom, _TILE_ROWS)
        for x in range(0, width, _TILE_COLUMNS)
    ]


def _check_sigma(sigma: float, name: str) -> None:
    if not is_number(sigma) or not 0 <= sigma < np.inf:
        raise ClearfieldError(f"{name} is {sigma!r}; give a number of pixels, 0 or more")
