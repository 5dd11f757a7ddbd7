"""Two running extrema, one after the other, over planes of any size.

A plane is filtered in bands of rows and these in tiles that stay in cache, each pass of a window a
single `np.minimum` or `np.maximum` of the whole tile (see `flat_tile`). With small windows a tile
goes through both filters at once.

Outside the plane there is nothing: no pixel there enters a minimum or a maximum. A pixel that is
NaN or infinite is missing: to its neighbours it is as if it lay outside the plane.
"""

from collections.abc import Callable, Iterator

import numpy as np

from .flat_tile import Extremum, Tile, filter_tile, filter_tile_twice
from .memory import any_array
from .parallel import run_tasks
from .plane import forget_rows
from .structuring_element import Window

# None of these changes a result. Measured: a tile's three buffers should stay in the cache of one
# core, and the smaller a tile, the more of it is margin that its neighbours compute again. Threads
# wait for each other between two passes, so with several of them a tile is twice as large.
_TILE_BYTES = 2**19
_TILE_COLUMNS = 4096
_BAND_BYTES = 2**26
_REACH_AT_ONCE = 14  # of both filters: measured to be faster up to 14 to 20
# Threads wait for Python's lock between two passes. Below this share of a band for each of them,
# and this many bytes over all passes, that and their start take longer than what they save.
_THREAD_BYTES = 2**20
_THREAD_WORK = 48 * 2**20

Store = Callable[[slice, slice, np.ndarray], None]


def filtered_bands(
    image: np.ndarray,
    dtype: np.dtype,
    first: Extremum,
    second: Extremum,
    threads: int,
    store: Store,
) -> Iterator[tuple[int, int]]:
    """Filter `image` with `first` and the result with `second`, a band of rows at a time.

    Parameters
    ----------
    image : (Y, X) array, or anything with ``shape`` and ``image[first_row:last_row]``
        Each row is asked for once for a band, and again where bands overlap.
    dtype : dtype
        Of the image, in native byte order.
    first, second : Extremum
    threads : int
        At most; fewer where more would not help.
    store : function of (rows, columns, tile)
        Takes each tile of the result, from any thread and in any order; the tile is overwritten
        afterwards. Missing pixels are NaN in it.

    Yields
    ------
    top, bottom : int, int
        Rows whose tiles have all been stored, in order.
    """
    height, width = image.shape
    if not (height and width):
        return
    if first.window.covers(height, width):
        yield from _covered_bands(image, dtype, first, second, store)
        return
    if first.window.reach + second.window.reach <= _REACH_AT_ONCE:
        yield from _bands_at_once(image, dtype, first, second, threads, store)
        return
    reach = second.window.reach
    band = band_rows(height, width, dtype, second.window)
    held = min(height, band + 2 * reach)
    steps = first.window, second.window
    threads = min(threads, _useful_threads(band * width * dtype.itemsize, steps))
    length = max(_buffer_length(height, width, window.reach, dtype, threads) for window in steps)
    between = any_array((held, width), dtype)
    spare = list(any_array((threads, 3, length), dtype))
    # A missing pixel is marked in the first filter's result by what never wins in the second.
    mark = second.neutral(dtype)
    start = done = 0  # `between` holds the first filter's rows start ... done
    for top in range(0, height, band):
        bottom, keep = min(top + band, height), max(0, top - reach)
        between[: done - keep] = between[keep - start : done - start]
        start, stop = keep, min(bottom + reach, height)
        above = max(0, done - first.window.reach)
        rows = np.asarray(image[above : min(stop + first.window.reach, height)])

        def filter_first(tile, rows=rows, above=above, start=start) -> None:
            buffers = spare.pop()
            result = filter_tile(rows, above, first, None, mark, tile, buffers)
            between[tile.top - start : tile.bottom - start, tile.left : tile.right] = result
            spare.append(buffers)

        def filter_second(tile, start=start, stop=stop) -> None:
            buffers = spare.pop()
            rows = between[: stop - start]
            result = filter_tile(rows, start, second, mark, np.nan, tile, buffers)
            store(slice(tile.top, tile.bottom), slice(tile.left, tile.right), result)
            spare.append(buffers)

        run_tasks(
            filter_first, _tiles(done, stop, width, first.window.reach, dtype, threads), threads
        )
        done = stop
        run_tasks(filter_second, _tiles(top, bottom, width, reach, dtype, threads), threads)
        yield top, bottom
        forget_rows(image, top, bottom)


def _bands_at_once(
    image: np.ndarray,
    dtype: np.dtype,
    first: Extremum,
    second: Extremum,
    threads: int,
    store: Store,
) -> Iterator[tuple[int, int]]:
    """Filter as `filtered_bands` does, a tile with both filters while it is in cache.

    Around a tile the first filter does work that its neighbours do again, so this pays for small
    windows.
    """
    height, width = image.shape
    band = band_rows(height, width, dtype, second.window)
    windows = first.window, second.window
    threads = min(threads, _useful_threads(band * width * dtype.itemsize, windows))
    margin = sum(window.reach for window in windows)
    length = _buffer_length(height, width, margin, dtype, threads)
    spare = list(any_array((threads, 3, length), dtype))
    for top in range(0, height, band):
        bottom, above = min(top + band, height), max(0, top - margin)
        rows = np.asarray(image[above : bottom + margin])

        def filter_both(tile, rows=rows, above=above) -> None:
            buffers = spare.pop()
            result = filter_tile_twice(rows, above, first, second, tile, buffers, height)
            store(slice(tile.top, tile.bottom), slice(tile.left, tile.right), result)
            spare.append(buffers)

        run_tasks(filter_both, _tiles(top, bottom, width, margin, dtype, threads), threads)
        yield top, bottom
        forget_rows(image, top, bottom)


def _covered_bands(
    image: np.ndarray, dtype: np.dtype, first: Extremum, second: Extremum, store: Store
) -> Iterator[tuple[int, int]]:
    """Filter as `filtered_bands` does where the first window covers the plane: to one number.

    The second filter, of whatever window, leaves one number as it is.
    """
    height, width = image.shape
    band = band_rows(height, width, dtype, second.window)
    extreme = first.neutral(dtype)
    for top in range(0, height, band):
        rows = np.asarray(image[top : top + band]).astype(dtype, copy=False)
        if dtype.kind == "f":
            rows = rows[np.isfinite(rows)] + dtype.type(0)  # no -0.0, as in a tile
        extreme = first.ufunc.reduce(rows, axis=None, initial=extreme)
        forget_rows(image, top, min(top + band, height))
    for top in range(0, height, band):
        bottom = min(top + band, height)
        tile = np.full((bottom - top, width), extreme, dtype)
        if dtype.kind == "f":
            tile[~np.isfinite(np.asarray(image[top:bottom]))] = np.nan
        store(slice(top, bottom), slice(0, width), tile)
        yield top, bottom
        forget_rows(image, top, bottom)


def _useful_threads(size: int, windows: tuple[Window, Window]) -> int:
    """Give how many threads at most end a band of so many bytes sooner than fewer would."""
    passes = sum(window.passes for window in windows)
    return max(1, min(size // _THREAD_BYTES, size * passes // _THREAD_WORK))


def band_rows(height: int, width: int, dtype: np.dtype, window: Window) -> int:
    """Give the rows of a band, all but the last one; it follows from shape and window alone."""
    rows = _BAND_BYTES // max(1, width * dtype.itemsize)
    return max(1, min(height, max(rows, 2 * window.reach)))


def _tile_limits(width: int, reach: int, dtype: np.dtype, threads: int) -> tuple[int, int]:
    """Give the largest height and the width of a tile."""
    margin = 2 * reach
    columns = max(_TILE_COLUMNS, 2 * margin)
    columns = -(-width // -(-width // columns))
    pixels = _TILE_BYTES * min(threads, 2) // dtype.itemsize
    return max(pixels // (columns + margin) - margin, margin, 1), columns


def _tiles(
    top: int, bottom: int, width: int, reach: int, dtype: np.dtype, threads: int
) -> list[tuple[Tile]]:
    """Cut rows `top` to `bottom` into tiles, the same number of rows for every thread."""
    if top >= bottom:
        return []
    rows, columns = _tile_limits(width, reach, dtype, threads)
    count = -(-(bottom - top) // (rows * threads)) * threads
    rows = -(-(bottom - top) // count)
    return [
        (Tile(y, min(y + rows, bottom), x, min(x + columns, width)),)
        for y in range(top, bottom, rows)
        for x in range(0, width, columns)
    ]


def _buffer_length(height: int, width: int, reach: int, dtype: np.dtype, threads: int) -> int:
    """Give the pixels of the largest tile and its margin, in whole cache lines."""
    rows, columns = _tile_limits(width, reach, dtype, threads)
    margin = 2 * reach
    length = (min(rows, height) + margin) * (columns + margin + reach) + 2 * margin
    return -(-length // 64) * 64
