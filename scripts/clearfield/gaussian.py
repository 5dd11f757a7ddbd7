"""Gaussian blur and difference of Gaussians, in grey levels, on planes of any size.

Equal to scikit-image's `gaussian` and `difference_of_gaussians` of the image as float64 (kernel
cut off at four sigma, mode "nearest"). Computed in double precision, so that a faint signal on a
large offset or a steep ramp survives the subtraction, and given back as float32.

A pixel that is NaN or infinite is missing: it is NaN in the result, and its neighbours are
averaged over the pixels that are there (normalised convolution: Knutsson and Westin, CVPR 1993).
"""

from collections.abc import Callable, Iterator

import numpy as np

from .blur import NEAR, Kernel, blur_near, blur_rows, gaussian_kernel, transform_length
from .errors import ClearfieldError
from .parallel import run_tasks, thread_count
from .plane import check_plane, forget_rows

# The layout of the blocks follows from the image's shape and sigma alone, never from the number
# of threads, so that rounding is the same everywhere.
_BAND_BYTES = 2**27
_TASK_PIXELS = 2**16
_TILE_ROWS, _TILE_COLUMNS = 32, 1024


def gaussian(image: np.ndarray, sigma: float, *, threads: int | None = None) -> np.ndarray:
    """Blur an image with a Gaussian.

    Parameters
    ----------
    image : (Y, X) array, integer or float
    sigma : float
        Standard deviation in pixels, 0 or more.
    threads : int, optional
        Default: the CPUs that this process may use. The result has the same bits on any number.

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
    _check_sigma(sigma, "sigma")
    check_plane(image)
    result = np.empty(image.shape, np.float32)
    for first, last, (blurred,) in _blurred_bands(
        image, (float(sigma),), lambda plane: (plane,), threads
    ):
        result[first:last] = blurred
    return result


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
        Default: the CPUs that this process may use. The result has the same bits on any number.

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
    result = np.empty(image.shape, np.float32)
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


class _LongBlur:
    """A blur of long reach: along x into `between`, which reaches beyond a band, then along y."""

    def __init__(self, kernel: Kernel, mask: bool, band: int, height: int, width: int) -> None:
        self.kernel, self.mask, self.height = kernel, mask, height
        held = min(height, band + 2 * kernel.reach)
        # An even number of columns, to be blurred in pairs. Rows of a length that is a power of
        # two would meet in the same few places of the cache.
        even = width + width % 2
        self.between = np.zeros((held, even + 8))[:, :even]
        self.blurred = np.empty((min(height, band), even))
        self.width = width
        self.start = self.done = 0  # the rows that `between` holds

    def run(self, top: int, bottom: int, image: np.ndarray, threads: int) -> None:
        """Blur rows `top` to `bottom` of an image; the bands must come in order."""
        between, kernel = self.between, self.kernel
        start, stop = max(0, top - kernel.reach), min(bottom + kernel.reach, self.height)
        for row in range(self.done - start):
            between[row] = between[row + start - self.start]
        done = self.done
        rows = np.asarray(image[done:stop])
        width, held = self.width, stop - start
        pairs, blurred = between.view(np.complex128), self.blurred.view(np.complex128)

        def along_x(y0: int, y1: int) -> None:
            pixels = _pixels_or_mask(rows[y0 - done : y1 - done], self.mask)
            half = (y1 - y0 + 1) // 2  # the rows above this one are paired with those below
            buffer = np.zeros((half, transform_length(width, kernel)), np.complex128)
            buffer.real[:, :width] = pixels[:half]
            buffer.imag[: y1 - y0 - half, :width] = pixels[half:]
            blur_rows(buffer, width, kernel)
            target = between[y0 - start : y1 - start, :width]
            target[:half] = buffer.real[:, :width]
            target[half:] = buffer.imag[: y1 - y0 - half, :width]

        def along_y(x0: int, x1: int) -> None:
            buffer = np.empty((x1 - x0, transform_length(held, kernel)), np.complex128)
            buffer[:, :held] = pairs[:held, x0:x1].T
            blur_rows(buffer, held, kernel)
            blurred[: bottom - top, x0:x1] = buffer[:, top - start : bottom - start].T

        run_tasks(along_x, _slices(done, stop, width), threads)
        run_tasks(along_y, _slices(0, blurred.shape[1], 2 * held), threads)
        self.start, self.done = start, stop


def _blurred_bands(
    image: np.ndarray,
    sigmas: tuple[float, ...],
    combine: Callable[..., tuple[np.ndarray, ...]],
    threads: int | None,
) -> Iterator[tuple[int, int, list[np.ndarray]]]:
    """Yield what `combine` makes of the blurs of an image, as many arrays as there are sigmas."""
    threads = thread_count(threads)
    height, width = image.shape
    count = len(sigmas)
    kernels = [gaussian_kernel(sigma) for sigma in sigmas]
    missing = _has_missing(image)
    if missing:
        kernels += kernels  # the second half blurs a mask of the pixels that are there
    long = [i for i, kernel in enumerate(kernels) if kernel.reach > NEAR]
    reach = max(kernel.reach for kernel in kernels)
    band = max(_BAND_BYTES // (8 * max(1, width) * max(1, len(long))), reach, 64)
    blurs = {i: _LongBlur(kernels[i], i >= count, band, height, width) for i in long}
    near = max([kernel.reach for kernel in kernels if kernel.reach <= NEAR], default=0)
    results = [np.empty((min(height, band), width), np.float32) for _ in sigmas]
    for top in range(0, height if width else 0, band):
        bottom = min(top + band, height)
        for blur in blurs.values():
            blur.run(top, bottom, image, threads)
        first = max(0, top - near)
        rows = np.asarray(image[first : min(height, bottom + near)])

        def finish(y0: int, y1: int, x0: int, x1: int, rows=rows, first=first, top=top) -> None:
            tile = slice(y0 - top, y1 - top), slice(x0, x1)
            planes = [
                blurs[i].blurred[tile]
                if i in blurs
                else _blur_tile(rows, first, height, kernel, i >= count, (y0, y1, x0, x1))
                for i, kernel in enumerate(kernels)
            ]
            if missing:
                # A pixel that is there weighs more than this itself; the others become NaN.
                weights = [np.maximum(weight, 1e-14) for weight in planes[count:]]
                planes = [value / weight for value, weight in zip(planes, weights, strict=False)]
                gone = ~np.isfinite(rows[y0 - first : y1 - first, x0:x1])
            for result, values in zip(results, combine(*planes), strict=True):
                result[tile] = values
                if missing:
                    result[tile][gone] = np.nan

        run_tasks(finish, _tiles(top, bottom, width), threads)
        yield top, bottom, [result[: bottom - top] for result in results]
        forget_rows(image, top, bottom)


def _pixels_or_mask(rows: np.ndarray, mask: bool) -> np.ndarray:
    """Give pixels, 0 where they are missing, or a mask of those that are there."""
    if rows.dtype.kind != "f":
        return rows
    there = np.isfinite(rows)
    return there if mask else np.where(there, rows, rows.dtype.type(0))


def _blur_tile(
    rows: np.ndarray,
    first: int,
    height: int,
    kernel: Kernel,
    mask: bool,
    tile: tuple[int, int, int, int],
) -> np.ndarray:
    """Blur a tile of an image of which `rows` holds those from `first` on, or of its mask."""
    y0, y1, x0, x1 = tile
    reach = kernel.reach
    top, bottom = max(0, y0 - reach), min(height, y1 + reach)
    left, right = max(0, x0 - reach), min(rows.shape[1], x1 + reach)
    pixels = rows[top - first : bottom - first, left:right]
    padded = np.empty((y1 - y0 + 2 * reach, x1 - x0 + 2 * reach))
    inside = padded[top - y0 + reach : bottom - y0 + reach, left - x0 + reach : right - x0 + reach]
    inside[...] = _pixels_or_mask(pixels, mask)
    above, before = top - y0 + reach, left - x0 + reach
    padded[above : above + bottom - top, :before] = inside[:, :1]
    padded[above : above + bottom - top, before + right - left :] = inside[:, -1:]
    padded[:above] = padded[above]
    padded[above + bottom - top :] = padded[above + bottom - top - 1]
    return blur_near(padded, kernel)


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
    step = max(1, _TASK_PIXELS // max(1, length))
    return [(i, min(i + step, last)) for i in range(first, last, step)]


def _tiles(top: int, bottom: int, width: int) -> list[tuple[int, int, int, int]]:
    return [
        (y, min(y + _TILE_ROWS, bottom), x, min(x + _TILE_COLUMNS, width))
        for y in range(top, bottom, _TILE_ROWS)
        for x in range(0, width, _TILE_COLUMNS)
    ]


def _check_sigma(sigma: float, name: str) -> None:
    if not 0 <= sigma < np.inf:
        raise ClearfieldError(f"{name} is {sigma}; give a number of pixels, 0 or more")
