"""Two running extrema, one after the other, over planes of any size.

A plane is filtered in bands of rows and these in tiles. A tile with its margin is one flat buffer
in which a shifted copy of the whole tile is a slice, so that each pass of a window (see
`structuring_element`) is a single `np.minimum` or `np.maximum` of two slices that stay in cache.

Outside the plane there is nothing: no pixel there enters a minimum or a maximum. A pixel that is
NaN or infinite is missing: to its neighbours it is as if it lay outside the plane.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

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
# Threads wait for Python's lock between two passes. Below this share of a band for each of them,
# and this many bytes over all passes, that and their start take longer than what they save.
_THREAD_BYTES = 2**20
_THREAD_WORK = 48 * 2**20

Store = Callable[[slice, slice, np.ndarray], None]


class Extremum(NamedTuple):
    """The running minimum (or maximum) over a window."""

    ufunc: np.ufunc
    window: Window

    def neutral(self, dtype: np.dtype) -> Any:
        """Give the value that never wins, for what lies outside or is missing."""
        highest = self.ufunc is np.minimum
        if dtype.kind == "f":
            return np.inf if highest else -np.inf
        limits = np.iinfo(dtype)
        return limits.max if highest else limits.min


class _Tile(NamedTuple):
    top: int
    bottom: int
    left: int
    right: int


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
    reach = second.window.reach
    band = band_rows(height, width, dtype, second.window)
    held = min(height, band + 2 * reach)
    steps = first.window, second.window
    threads = min(threads, _useful_threads(band * width * dtype.itemsize, steps))
    length = max(_buffer_length(height, width, window, dtype, threads) for window in steps)
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
            result = _filter_tile(rows, above, first, None, mark, tile, buffers)
            between[tile.top - start : tile.bottom - start, tile.left : tile.right] = result
            spare.append(buffers)

        def filter_second(tile, start=start, stop=stop) -> None:
            buffers = spare.pop()
            rows = between[: stop - start]
            result = _filter_tile(rows, start, second, mark, np.nan, tile, buffers)
            store(slice(tile.top, tile.bottom), slice(tile.left, tile.right), result)
            spare.append(buffers)

        run_tasks(filter_first, _tiles(done, stop, width, first.window, dtype, threads), threads)
        done = stop
        run_tasks(filter_second, _tiles(top, bottom, width, second.window, dtype, threads), threads)
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
    passes = sum(len(window.moves) + len(window.points) for window in windows)
    return max(1, min(size // _THREAD_BYTES, size * passes // _THREAD_WORK))


def band_rows(height: int, width: int, dtype: np.dtype, window: Window) -> int:
    """Give the rows of a band, all but the last one; it follows from shape and window alone."""
    rows = _BAND_BYTES // max(1, width * dtype.itemsize)
    return max(1, min(height, max(rows, 2 * window.reach)))


def _tile_limits(width: int, window: Window, dtype: np.dtype, threads: int) -> tuple[int, int]:
    """Give the largest height and the width of a tile."""
    margin = 2 * window.reach
    columns = max(_TILE_COLUMNS, 2 * margin)
    columns = -(-width // -(-width // columns))
    pixels = _TILE_BYTES * min(threads, 2) // dtype.itemsize
    return max(pixels // (columns + margin) - margin, margin, 1), columns


def _tiles(
    top: int, bottom: int, width: int, window: Window, dtype: np.dtype, threads: int
) -> list[tuple[_Tile]]:
    """Cut rows `top` to `bottom` into tiles, the same number of rows for every thread."""
    if top >= bottom:
        return []
    rows, columns = _tile_limits(width, window, dtype, threads)
    count = -(-(bottom - top) // (rows * threads)) * threads
    rows = -(-(bottom - top) // count)
    return [
        (_Tile(y, min(y + rows, bottom), x, min(x + columns, width)),)
        for y in range(top, bottom, rows)
        for x in range(0, width, columns)
    ]


def _buffer_length(height: int, width: int, window: Window, dtype: np.dtype, threads: int) -> int:
    """Give the pixels of the largest tile and its margin, in whole cache lines."""
    rows, columns = _tile_limits(width, window, dtype, threads)
    margin = 2 * window.reach
    length = (min(rows, height) + margin) * (columns + margin) + 2 * margin
    return -(-length // 64) * 64


def _filter_tile(
    source: np.ndarray,
    origin: int,
    extremum: Extremum,
    mark: Any,
    fill: Any,
    tile: _Tile,
    buffers: np.ndarray,
) -> np.ndarray:
    """Filter a tile of a plane of which `source` holds the rows from `origin` on.

    Missing pixels equal `mark`, or if that is None are those not finite; they become `fill`.
    """
    ufunc, window = extremum
    reach, neutral = window.reach, extremum.neutral(buffers.dtype)
    top, bottom = max(origin, tile.top - reach), min(origin + len(source), tile.bottom + reach)
    left, right = max(0, tile.left - reach), min(source.shape[1], tile.right + reach)
    # Padding at the end of a row also serves as padding before the next row.
    inner = left == tile.left - reach and right == tile.right + reach
    stride = right - left + (0 if inner else reach)
    rows = tile.bottom - tile.top + 2 * reach
    end = reach + rows * stride
    buffer = buffers[0]
    buffer[:reach] = neutral
    buffer[end : end + 2 * reach] = neutral
    grid = buffer[reach:end].reshape(rows, stride)
    grid[: top - tile.top + reach] = neutral
    grid[bottom - tile.top + reach :] = neutral
    grid[:, right - left :] = neutral
    inside = grid[top - tile.top + reach : bottom - tile.top + reach, : right - left]
    pixels = source[top - origin : bottom - origin, left:right]
    missing = None
    if buffers.dtype.kind == "f":
        np.add(pixels, 0.0, out=inside)  # -0.0 becomes 0.0: zeros of one sign, whatever the order
        found = ~np.isfinite(inside) if mark is None else inside == mark
        if found.any():
            inside[found] = neutral
            missing = found[tile.top - top : tile.bottom - top, tile.left - left :]
            missing = missing[:, : tile.right - tile.left]
    else:
        inside[...] = pixels

    # In the flat buffer a window is a set of distances. The sum of pairs {0, move} begins half
    # the sum of all moves before the middle.
    moves = [dy * stride + dx for dy, dx in window.moves]
    middle = reach + reach * stride + tile.left - left
    count = (tile.bottom - tile.top) * stride
    length = count + sum(moves)
    current = buffer[middle - sum(moves) // 2 :][:length]
    free = buffers[1:]
    for move in moves:
        length -= move
        target = free[0, :length]
        ufunc(current[:length], current[move : move + length], out=target)
        free = free[::-1]
        current = target
    for dy, dx in window.points:
        target = current if window.moves else free[0, :count]
        place = middle + dy * stride + dx
        ufunc(current, buffer[place : place + count], out=target)
        current = target
    result = current.reshape(-1, stride)[:, : tile.right - tile.left]
    if missing is not None:
        result[missing] = fill
    return result
