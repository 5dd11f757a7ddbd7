"""Exact morphological filters with disks and squares, on planes of any size.

A filter here is two running extrema, one after the other (minimum then maximum, or the other
way). Each goes over a plane in tiles that stay in cache; a tile with its margin is one flat
buffer, in which a shifted copy of the whole tile is a slice, so each pass of a window
(see `clearfield.disk`) is a single `np.minimum` of two slices.

Outside the plane there is nothing: no pixel there enters a minimum or a maximum. For windows
that are convex and symmetric this equals SciPy's mode "reflect", scikit-image's default.
A pixel that is NaN or infinite is missing: to its neighbours it is as if it lay outside the
plane, and it is NaN in the result.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from .disk import Window, disk, square
from .errors import ClearfieldError
from .parallel import run_tasks, thread_count
from .plane import check_plane

# Neither changes a result. Measured: a tile's three buffers should fit in the last-level cache
# beside those of the other threads, and the shorter a tile, the more of it is margin.
_TILE_BYTES = 2**20
_TILE_COLUMNS = 2048
_BAND_BYTES = 2**26


class _Extremum(NamedTuple):
    """A running minimum or maximum: its ufunc, and the value that never wins."""

    ufunc: np.ufunc
    highest: bool

    def neutral(self, dtype: np.dtype) -> Any:
        if dtype.kind == "f":
            return np.inf if self.highest else -np.inf
        limits = np.iinfo(dtype)
        return limits.max if self.highest else limits.min


_MINIMUM = _Extremum(np.minimum, highest=True)
_MAXIMUM = _Extremum(np.maximum, highest=False)


def white_tophat(image: np.ndarray, radius: int, *, threads: int | None = None) -> np.ndarray:
    """Subtract from an image its opening by a disk: keep what is bright and narrower than that.

    Parameters
    ----------
    image : (Y, X) array, integer or float
        Any byte order and layout. Read row by row, so a memory map will do.
    radius : int
        Of the disk dx² + dy² <= radius², in pixels.
    threads : int, optional
        Default: the CPUs that this process may use. The result does not depend on it.

    Returns
    -------
    (Y, X) array
        Grey levels, in the image's dtype (native byte order), for signed integers in the
        unsigned dtype of the same width, which holds every difference. NaN where the image is
        NaN or infinite.

    Raises
    ------
    ClearfieldError
        If the image is not a plane of numbers or the radius is not a whole number >= 0.

    References
    ----------
    P. Soille, "Morphological Image Analysis", 2nd ed., Springer 2004, section 4.5.1.

    Examples
    --------
    >>> import numpy as np
    >>> white_tophat(np.array([[5, 5, 9, 5, 5]], np.uint8), radius=1)
    array([[0, 0, 4, 0, 0]], dtype=uint8)
    """
    return _residue(image, opening_blocks(image, radius, threads=threads), sign=1)


def black_tophat(image: np.ndarray, radius: int, *, threads: int | None = None) -> np.ndarray:
    """Subtract an image from its closing by a disk: keep what is dark and narrower than that.

    Parameters, result and errors are those of `white_tophat`.

    Examples
    --------
    >>> import numpy as np
    >>> black_tophat(np.array([[5, 5, 1, 5, 5]], np.uint8), radius=1)
    array([[0, 0, 4, 0, 0]], dtype=uint8)
    """
    return _residue(image, closing_blocks(image, radius, threads=threads), sign=-1)


def opening(image: np.ndarray, radius: int, *, threads: int | None = None) -> np.ndarray:
    """Open an image by a disk: the maximum over it of the minimum over it.

    Parameters and errors are those of `white_tophat`. The result has the image's dtype.

    Examples
    --------
    >>> import numpy as np
    >>> opening(np.array([[5, 5, 9, 5, 5]], np.uint8), radius=1)
    array([[5, 5, 5, 5, 5]], dtype=uint8)
    """
    return _assemble(image, opening_blocks(image, radius, threads=threads))


def closing(image: np.ndarray, radius: int, *, threads: int | None = None) -> np.ndarray:
    """Close an image by a disk: the minimum over it of the maximum over it.

    Parameters and errors are those of `white_tophat`. The result has the image's dtype.

    Examples
    --------
    >>> import numpy as np
    >>> closing(np.array([[5, 5, 1, 5, 5]], np.uint8), radius=1)
    array([[5, 5, 5, 5, 5]], dtype=uint8)
    """
    return _assemble(image, closing_blocks(image, radius, threads=threads))


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
    return _assemble(image, minmax_blocks(image, size, 1, threads=threads))


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
    return _assemble(image, minmax_blocks(image, 1, size, threads=threads))


def minmax_filter_background(
    image: np.ndarray,
    min_size: int = 25,
    max_size: int = 25,
    light_background: bool = False,
    *,
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
    threads : int, optional
        Default: the CPUs that this process may use. The result does not depend on it.

    Returns
    -------
    (Y, X) array
        Of the image's dtype; NaN where the image is NaN or infinite. With `max_size` larger
        than `min_size` it lies above the image in places: an unsigned difference would wrap.

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
    blocks = minmax_blocks(image, min_size, max_size, light_background, threads=threads)
    return _assemble(image, blocks)


def opening_blocks(
    image: np.ndarray, radius: int, *, threads: int | None = None
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Open a plane of any size by a disk, a block of rows at a time.

    Parameters
    ----------
    image : (Y, X) array, or anything with ``shape``, ``dtype`` and ``image[first:last]``
    radius, threads
        As in `white_tophat`.

    Yields
    ------
    first, last, block : int, int, (last - first, X) array
        In the order of the rows. A block is valid until the next one is asked for.
    """
    window = disk(_checked_radius(radius))
    return _two_filters(image, (_MINIMUM, window), (_MAXIMUM, window), threads)


def closing_blocks(
    image: np.ndarray, radius: int, *, threads: int | None = None
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Close a plane of any size by a disk, a block of rows at a time; see `opening_blocks`."""
    window = disk(_checked_radius(radius))
    return _two_filters(image, (_MAXIMUM, window), (_MINIMUM, window), threads)


def minmax_blocks(
    image: np.ndarray,
    min_size: int,
    max_size: int,
    light_background: bool = False,
    *,
    threads: int | None = None,
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Filter as `minmax_filter_background` does, a block of rows at a time.

    See `opening_blocks` for what is taken and yielded.
    """
    first = _MINIMUM, square(_checked_size(min_size, "min_size"))
    second = _MAXIMUM, square(_checked_size(max_size, "max_size"))
    if light_background:
        first, second = second, first
    return _two_filters(image, first, second, threads)


def _checked_radius(radius: int) -> int:
    if isinstance(radius, bool) or not float(radius).is_integer() or radius < 0:
        raise ClearfieldError(
            f"the radius of the disk is {radius}; give a whole number of pixels, 0 or more"
        )
    return int(radius)


def _checked_size(size: int, name: str) -> int:
    if isinstance(size, bool) or not float(size).is_integer() or size < 1:
        raise ClearfieldError(f"{name} is {size}; give an odd number of pixels, 1 or more")
    if size % 2 == 0:
        raise ClearfieldError(
            f"{name} is {size}, which has no middle pixel; take {size - 1} or {size + 1}"
        )
    return int(size)


def _assemble(image: np.ndarray, blocks: Iterator) -> np.ndarray:
    result = np.empty(image.shape, image.dtype.newbyteorder("="))
    for first, last, block in blocks:
        result[first:last] = block
    return result


def _residue(image: np.ndarray, blocks: Iterator, sign: int) -> np.ndarray:
    """Subtract blocks from the image (sign 1) or the image from blocks (sign -1)."""
    dtype = image.dtype.newbyteorder("=")
    # Modulo 2**bits the unsigned difference is the true one, which lies in [0, 2**bits).
    unsigned = dtype if dtype.kind == "f" else np.dtype(f"uint{8 * dtype.itemsize}")
    result = np.empty(image.shape, unsigned)
    for first, last, block in blocks:
        rows = np.asarray(image[first:last]).astype(dtype, copy=False).view(unsigned)
        pair = (rows, block.view(unsigned)) if sign == 1 else (block.view(unsigned), rows)
        np.subtract(*pair, out=result[first:last])
    return result


def _two_filters(
    image: np.ndarray,
    first: tuple[_Extremum, Window],
    second: tuple[_Extremum, Window],
    threads: int | None,
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Check at once, then yield the blocks of the second filter of the first filter."""
    dtype = check_plane(image)
    return _filtered_bands(image, dtype, first, second, thread_count(threads))


def _filtered_bands(image, dtype, first, second, threads):
    height, width = image.shape
    (extremum1, window1), (extremum2, window2) = first, second
    # A missing pixel is marked in the first filter's result by what never wins in the second.
    missing = extremum2.neutral(dtype)
    reach = window2.reach
    row_bytes = max(1, width * dtype.itemsize)
    band = max(_BAND_BYTES // row_bytes, 2 * reach, 1)
    between = np.empty((min(height, band + 2 * reach), width), dtype)
    start = done = 0  # `between` holds the first filter's rows start ... done
    result = np.empty((min(height, band), width), dtype)
    for top in range(0, height if width else 0, band):
        bottom = min(top + band, height)
        keep = max(0, top - reach)
        between[: done - keep] = between[keep - start : done - start]
        start = keep
        stop = min(bottom + reach, height)

        def filter_first(y0, y1, x0, x1, start=start):
            tile, bad = _filter_tile(image, 0, dtype, extremum1, window1, None, y0, y1, x0, x1)
            target = between[y0 - start : y1 - start, x0:x1]
            target[...] = tile
            if bad is not None:
                target[bad] = missing

        run_tasks(filter_first, _tiles(done, stop, width, window1.reach, dtype), threads)
        done = stop

        rows = between[: done - start]

        def filter_second(y0, y1, x0, x1, start=start, top=top, rows=rows):
            tile, bad = _filter_tile(
                rows, start, dtype, extremum2, window2, missing, y0, y1, x0, x1
            )
            target = result[y0 - top : y1 - top, x0:x1]
            target[...] = tile
            if bad is not None:
                target[bad] = np.nan

        run_tasks(filter_second, _tiles(top, bottom, width, reach, dtype), threads)
        yield top, bottom, result[: bottom - top]


def _tiles(top: int, bottom: int, width: int, reach: int, dtype: np.dtype) -> list[tuple]:
    """Cut rows `top` to `bottom` into tiles whose buffers stay in cache."""
    if top >= bottom or not width:
        return []
    pixels = _TILE_BYTES // dtype.itemsize
    columns = max(_TILE_COLUMNS, 4 * reach)
    columns = -(-width // -(-width // columns))
    height = max(pixels // (columns + 2 * reach) - 2 * reach, 2 * reach, 1)
    count = -(-(bottom - top) // height)
    height = -(-(bottom - top) // count)
    return [
        (y, min(y + height, bottom), x, min(x + columns, width))
        for y in range(top, bottom, height)
        for x in range(0, width, columns)
    ]


def _filter_tile(source, origin, dtype, extremum, window, missing, y0, y1, x0, x1):
    """Filter rows y0 ... y1, columns x0 ... x1 of a plane whose row `origin` is source[0].

    Gives the tile, and where its pixels are missing (None if none are).
    """
    reach, neutral = window.reach, extremum.neutral(dtype)
    height = origin + source.shape[0]
    top, bottom = max(origin, y0 - reach), min(height, y1 + reach)
    left, right = max(0, x0 - reach), min(source.shape[1], x1 + reach)
    # Columns of padding at a row's end also serve as those before the next row.
    stride = right - left + (reach if left > x0 - reach or right < x1 + reach else 0)
    rows = y1 - y0 + 2 * reach
    lead = reach  # before the first row
    buffer = np.empty(lead + rows * stride + 2 * reach, dtype)
    buffer[:lead] = neutral
    buffer[lead + rows * stride :] = neutral
    grid = buffer[lead : lead + rows * stride].reshape(rows, stride)
    above, below = top - (y0 - reach), y1 + reach - bottom
    grid[:above] = neutral
    grid[rows - below :] = neutral
    grid[above : rows - below, right - left :] = neutral
    inside = grid[above : rows - below, : right - left]
    inside[...] = source[top - origin : bottom - origin][:, left:right]
    bad = None
    if dtype.kind == "f":
        if missing is None:
            bad = ~np.isfinite(inside)
            inside[bad] = neutral
        else:
            bad = inside == missing
        bad = bad[y0 - top : y1 - top, x0 - left : x1 - left]
        if not bad.any():
            bad = None
    offsets = [dy * stride + dx for dy, dx in window.moves]
    centre = lead + reach * stride + (x0 - left)
    begin = centre - sum(offsets) // 2
    count = (y1 - y0) * stride
    length = count + sum(offsets)
    current = buffer[begin : begin + length]
    spare = [np.empty(length, dtype), np.empty(length, dtype)]
    for offset in offsets:
        length -= offset
        target = spare[0][:length]
        extremum.ufunc(current[:length], current[offset : offset + length], out=target)
        spare.reverse()
        current = target
    for dy, dx in window.points:
        place = centre + dy * stride + dx
        target = current if window.moves else spare[0]
        extremum.ufunc(current, buffer[place : place + count], out=target)
        current = target
    return current.reshape(y1 - y0, stride)[:, : x1 - x0], bad
