"""Exact morphological filters with disks and squares, on planes of any size.

Outside the plane there is nothing: no pixel there enters a minimum or a maximum. For windows
that are convex and symmetric this equals SciPy's mode "reflect", scikit-image's default.
A pixel that is NaN or infinite is missing: to its neighbours it is as if it lay outside the
plane, and it is NaN in the result.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..errors import ClearfieldError
from .memory import any_array
from .parallel import thread_count
from .plane import check_plane, forget_rows, is_number
from .running_extrema import Extremum, band_rows, filtered_bands
from .smoothed_rows import smoothed
from .structuring_element import disk, square

Bands = Iterator[tuple[int, int, np.ndarray]]


def white_tophat(
    image: np.ndarray, radius: int, *, smooth: float = 0, threads: int | None = None
) -> np.ndarray:
    """Subtract from an image its opening by a disk: keep what is bright and narrower than that.

    Parameters
    ----------
    image : (Y, X) array, integer or float
        Any byte order and layout. Read row by row, so a memory map will do.
    radius : int
        Of the disk dx² + dy² <= radius², in pixels.
    smooth : float
        Open a copy that is blurred by a Gaussian of this standard deviation in pixels, and subtract
        that from the image as it is: an opening follows the minima of the noise. 0 for none.
    threads : int, optional
        At most; default: the CPUs that this process may use. Fewer work where more would not
        help. The result does not depend on it.

    Returns
    -------
    (Y, X) array
        Grey levels, in the image's dtype (native byte order), for signed integers in the
        unsigned dtype of the same width, which holds every difference. With `smooth` of either
        sign, as float32 (float64 for images of more than 16 bits other than float32). NaN where
        the image is NaN or infinite.

    Raises
    ------
    ClearfieldError
        If the image is not a plane of numbers, the radius is not a whole number >= 0, or `smooth`
        is no number >= 0.

    References
    ----------
    P. Soille, "Morphological Image Analysis", 2nd ed., Springer 2004, section 4.5.1.

    Examples
    --------
    >>> import numpy as np
    >>> white_tophat(np.array([[5, 5, 9, 5, 5]], np.uint8), radius=1)
    array([[0, 0, 4, 0, 0]], dtype=uint8)
    """
    return _residue(image, smooth, *_opening(image, radius), threads, np.subtract)


def black_tophat(
    image: np.ndarray, radius: int, *, smooth: float = 0, threads: int | None = None
) -> np.ndarray:
    """Subtract an image from its closing by a disk: keep what is dark and narrower than that.

    Parameters, result and errors are those of `white_tophat`.

    Examples
    --------
    >>> import numpy as np
    >>> black_tophat(np.array([[5, 5, 1, 5, 5]], np.uint8), radius=1)
    array([[0, 0, 4, 0, 0]], dtype=uint8)
    """
    return _residue(image, smooth, *_opening(image, radius)[::-1], threads, _subtract_from)


def opening(image: np.ndarray, radius: int, *, threads: int | None = None) -> np.ndarray:
    """Open an image by a disk: the maximum over it of the minimum over it.

    Parameters and errors are those of `white_tophat`. The result has the image's dtype.

    Examples
    --------
    >>> import numpy as np
    >>> opening(np.array([[5, 5, 9, 5, 5]], np.uint8), radius=1)
    array([[5, 5, 5, 5, 5]], dtype=uint8)
    """
    return _whole(image, *_opening(image, radius), threads)


def closing(image: np.ndarray, radius: int, *, threads: int | None = None) -> np.ndarray:
    """Close an image by a disk: the minimum over it of the maximum over it.

    Parameters and errors are those of `white_tophat`. The result has the image's dtype.

    Examples
    --------
    >>> import numpy as np
    >>> closing(np.array([[5, 5, 1, 5, 5]], np.uint8), radius=1)
    array([[5, 5, 5, 5, 5]], dtype=uint8)
    """
    return _whole(image, *_opening(image, radius)[::-1], threads)


def minimum_filter(image: np.ndarray, size: int, *, threads: int | None = None) -> np.ndarray:
    """Take the minimum over a square window of an odd number of pixels a side.

    Equal to `scipy.ndimage.minimum_filter`. Parameters and errors are those of
    `minmax_filter_background`.

    Examples
    --------
    >>> import numpy as np
    >>> minimum_filter(np.array([[5, 5, 1, 5, 5]], np.uint8), size=3)
    array([[5, 1, 1, 1, 5]], dtype=uint8)
    """
    return _whole(image, *_minmax(image, size, 1, False), threads)


def maximum_filter(image: np.ndarray, size: int, *, threads: int | None = None) -> np.ndarray:
    """Take the maximum over a square window of an odd number of pixels a side.

    Equal to `scipy.ndimage.maximum_filter`. Parameters and errors are those of
    `minmax_filter_background`.

    Examples
    --------
    >>> import numpy as np
    >>> maximum_filter(np.array([[5, 5, 9, 5, 5]], np.uint8), size=3)
    array([[5, 9, 9, 9, 5]], dtype=uint8)
    """
    return _whole(image, *_minmax(image, 1, size, False), threads)


def minmax_filter_background(
    image: np.ndarray,
    min_size: int = 25,
    max_size: int = 25,
    light_background: bool = False,
    *,
    smooth: float = 0,
    threads: int | None = None,
) -> np.ndarray:
    """Estimate a background as the maximum filter of the minimum filter, square windows.

    Parameters
    ----------
    image : (Y, X) array, integer or float
    min_size, max_size : int
        Odd numbers of pixels; 1 leaves that filter out.
    light_background : bool
        Take the minimum filter of the maximum filter instead.
    smooth : float
        Filter a copy that is blurred by a Gaussian of this standard deviation in pixels; 0 for
        none.
    threads : int, optional
        At most; default: the CPUs that this process may use. Fewer work where more would not
        help. The result does not depend on it.

    Returns
    -------
    (Y, X) array
        Of the image's dtype, with `smooth` float32; NaN where the image is NaN or infinite. With
        `smooth`, or `max_size` larger than `min_size`, it lies above the image in places: an
        unsigned difference would wrap.

    Raises
    ------
    ClearfieldError
        If the image is not a plane of numbers or a size is not an odd number >= 1.

    Examples
    --------
    >>> import numpy as np
    >>> minmax_filter_background(np.array([[5, 5, 9, 5, 5]], np.uint8), 3, 3)
    array([[5, 5, 5, 5, 5]], dtype=uint8)
    """
    filters = _minmax(image, min_size, max_size, light_background)
    return _whole(smoothed(image, smooth, threads), *filters, threads)


def opening_blocks(
    image: np.ndarray, radius: int, *, smooth: float = 0, threads: int | None = None
) -> Bands:
    """Open a plane of any size by a disk, a block of rows at a time.

    Parameters
    ----------
    image : (Y, X) array, or anything with ``shape``, ``dtype`` and ``image[first:last]``
    radius, smooth, threads
        As in `white_tophat`.

    Yields
    ------
    first, last, block : int, int, (last - first, X) array
        In the order of the rows, with `smooth` float32. A block is valid until the next one is
        asked for.
    """
    return _blocks(image, smooth, *_opening(image, radius), threads)


def closing_blocks(
    image: np.ndarray, radius: int, *, smooth: float = 0, threads: int | None = None
) -> Bands:
    """Close a plane of any size by a disk, a block of rows at a time; see `opening_blocks`."""
    return _blocks(image, smooth, *_opening(image, radius)[::-1], threads)


def minmax_blocks(
    image: np.ndarray,
    min_size: int,
    max_size: int,
    light_background: bool = False,
    *,
    smooth: float = 0,
    threads: int | None = None,
) -> Bands:
    """Filter as `minmax_filter_background` does, a block of rows at a time.

    See `opening_blocks` for what is taken and yielded.
    """
    filters = _minmax(image, min_size, max_size, light_background)
    return _blocks(image, smooth, *filters, threads)


def _opening(image: np.ndarray, radius: int) -> tuple[Extremum, Extremum]:
    """Give minimum and maximum over a disk; the other way round they are a closing."""
    check_plane(image)
    if not is_number(radius) or not float(radius).is_integer() or radius < 0:
        raise ClearfieldError(
            f"the radius of the disk is {radius!r}; give a whole number of pixels, 0 or more"
        )
    height, width = image.shape
    # From the diagonal on, a disk around any pixel covers the plane. A square that does so too
    # gives the same values, and its cost does not grow with the radius.
    covers = int(radius) ** 2 >= (height - 1) ** 2 + (width - 1) ** 2
    window = square(_covering(image)) if covers else disk(int(radius))
    return Extremum(np.minimum, window), Extremum(np.maximum, window)


def _minmax(
    image: np.ndarray, min_size: int, max_size: int, light_background: bool
) -> tuple[Extremum, Extremum]:
    check_plane(image)
    most = _covering(image)  # larger windows give the same values
    low = Extremum(np.minimum, square(min(most, _checked_size(min_size, "min_size"))))
    high = Extremum(np.maximum, square(min(most, _checked_size(max_size, "max_size"))))
    return (high, low) if light_background else (low, high)


def _covering(image: np.ndarray) -> int:
    """Give the side of the smallest square that covers the plane around each of its pixels."""
    return max(1, 2 * max(image.shape) - 1)


def _checked_size(size: int, name: str) -> int:
    if not is_number(size) or not float(size).is_integer() or size < 1:
        raise ClearfieldError(f"{name} is {size!r}; give an odd number of pixels, 1 or more")
    if size % 2 == 0:
        raise ClearfieldError(
            f"{name} is {size}, which has no middle pixel; take {size - 1} or {size + 1}"
        )
    return int(size)


def _whole(image: np.ndarray, first: Extremum, second: Extremum, threads: int | None) -> np.ndarray:
    """Apply two filters to a whole image."""
    dtype = check_plane(image)
    result = any_array(image.shape, dtype)

    def store(rows: slice, columns: slice, tile: np.ndarray) -> None:
        result[rows, columns] = tile

    for _ in filtered_bands(image, dtype, first, second, thread_count(threads), store):
        pass
    return result


def _residue(
    image: np.ndarray,
    smooth: float,
    first: Extremum,
    second: Extremum,
    threads: int | None,
    subtract: Callable[..., Any],
) -> np.ndarray:
    """Subtract the filtered image from the image, or the image from it."""
    dtype, source = check_plane(image), smoothed(image, smooth, threads)
    # Modulo 2**bits the unsigned difference is the true one, which lies in [0, 2**bits).
    unsigned = dtype if dtype.kind == "f" else np.dtype(f"uint{8 * dtype.itemsize}")
    kind = np.result_type(dtype, np.float32) if smooth else unsigned
    result = any_array(image.shape, kind)

    def store(rows: slice, columns: slice, tile: np.ndarray) -> None:
        pixels = np.asarray(image[rows])[:, columns].astype(dtype, copy=False)
        if not smooth:
            pixels, tile = pixels.view(unsigned), tile.view(unsigned)
        subtract(pixels, tile, out=result[rows, columns], dtype=kind)

    read = source.dtype.newbyteorder("=")
    for _ in filtered_bands(source, read, first, second, thread_count(threads), store):
        pass
    return result


def _subtract_from(a: np.ndarray, b: np.ndarray, out: np.ndarray, dtype: np.dtype) -> None:
    np.subtract(b, a, out=out, dtype=dtype)


def _blocks(
    image: np.ndarray, smooth: float, first: Extremum, second: Extremum, threads: int | None
) -> Bands:
    source = smoothed(image, smooth, threads)
    return _filtered_blocks(
        image, source, check_plane(source), first, second, thread_count(threads)
    )


def _filtered_blocks(
    image: np.ndarray,
    source: np.ndarray,
    dtype: np.dtype,
    first: Extremum,
    second: Extremum,
    threads: int,
) -> Bands:
    """Filter `source`, which is the image or a blurred copy of it."""
    height, width = image.shape
    step = band_rows(height, width, dtype, second.window)
    result = any_array((step, width), dtype)

    def store(rows: slice, columns: slice, tile: np.ndarray) -> None:
        top = rows.start // step * step
        result[rows.start - top : rows.stop - top, columns] = tile

    for top, bottom in filtered_bands(source, dtype, first, second, threads, store):
        yield top, bottom, result[: bottom - top]
        if source is not image:  # whoever took the block may have read these rows of the image
            forget_rows(image, top, bottom)
