"""A tile of a plane in; out comes its running extremum over one window or two.

A tile with its margin is one flat buffer, in which a shifted copy of the whole tile is a slice:
each pass of a window (see `structuring_element`) is one `np.minimum` or `np.maximum` of two slices.
"""

from typing import Any, NamedTuple

import numpy as np

from .structuring_element import Window


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


class Tile(NamedTuple):
    """Rows and columns of a plane."""

    top: int
    bottom: int
    left: int
    right: int


def filter_tile(
    source: np.ndarray,
    origin: int,
    extremum: Extremum,
    mark: Any,
    fill: Any,
    tile: Tile,
    buffers: np.ndarray,
) -> np.ndarray:
    """Filter a tile of a plane of which `source` holds the rows from `origin` on.

    Missing pixels equal `mark`, or if that is None are those not finite; they become `fill`.
    `buffers` are three rows of memory of the image's dtype, whose values are overwritten; the
    result lies in one of them.
    """
    place = _place(source, origin, tile, extremum.window.reach)
    missing = _copy_pixels(source, extremum.neutral(buffers.dtype), place, buffers[0], mark)
    count = place.rows * place.stride
    result, _ = _extremum(extremum, buffers, place.middle, place.stride, count)
    return _cut_out(result, place, tile, missing, fill)


def filter_tile_twice(
    source: np.ndarray,
    origin: int,
    first: Extremum,
    second: Extremum,
    tile: Tile,
    buffers: np.ndarray,
    height: int,
) -> np.ndarray:
    """Filter a tile of a plane of `height` rows with both filters, as `filter_tile` with one."""
    reach, dtype = second.window.reach, buffers.dtype
    place = _place(source, origin, tile, first.window.reach + reach)
    missing = _copy_pixels(source, first.neutral(dtype), place, buffers[0], None)
    stride, count = place.stride, place.rows * place.stride
    # The second filter also needs the first one's result in its reach around the tile.
    around = reach * (stride + 1)
    between, buffers = _extremum(first, buffers, place.middle - around, stride, count + 2 * around)
    # There, what lies outside the plane or is missing must not win. Where each run of it begins,
    # counted from the beginning of `between`, which is a pixel `start` of its row:
    neutral = second.neutral(dtype)
    start = place.middle - around - place.margin - (place.margin - reach) * stride
    padding = stride - place.columns
    if padding:
        between[: max(0, -start)] = neutral
        runs = between[place.columns - start :]
        whole = len(runs) // stride
        runs[: whole * stride].reshape(whole, stride)[:, :padding] = neutral
        runs[whole * stride :][:padding] = neutral
    above, below = reach - tile.top, height - tile.top + reach
    if above > 0:
        between[: above * stride - start] = neutral
    if below * stride - start < len(between):
        between[below * stride - start :] = neutral
    if missing is not None:
        y, x = np.nonzero(missing)
        places = (y + place.first - place.margin + reach) * stride + x - start
        between[places[(places >= 0) & (places < len(between))]] = neutral
    result, _ = _extremum(second, [between, *buffers], around, stride, count)
    return _cut_out(result, place, tile, missing, np.nan)


class _Place(NamedTuple):
    """How the pixels of a tile and its margin lie in a flat buffer."""

    margin: int  # pixels around the tile, and before the first row
    rows: int  # of the tile
    columns: int  # of each row that are in the plane
    stride: int  # from row to row: the columns and the padding, also that of the next row
    first: int  # row of the buffer that is the first one in the plane
    middle: int  # of the tile's first pixel
    pixels: tuple[slice, slice]  # of the source


def _place(source: np.ndarray, origin: int, tile: Tile, margin: int) -> _Place:
    top, bottom = max(origin, tile.top - margin), min(origin + len(source), tile.bottom + margin)
    left, right = max(0, tile.left - margin), min(source.shape[1], tile.right + margin)
    inner = left == tile.left - margin and right == tile.right + margin
    stride = right - left + (0 if inner else margin)
    return _Place(
        margin=margin, rows=tile.bottom - tile.top, columns=right - left, stride=stride,
        first=top - tile.top + margin, middle=margin + margin * stride + tile.left - left,
        pixels=(slice(top - origin, bottom - origin), slice(left, right)),
    )  # fmt: skip


def _copy_pixels(
    source: np.ndarray, neutral: Any, place: _Place, buffer: np.ndarray, mark: Any
) -> np.ndarray | None:
    """Fill the buffer; give a mask of what is missing in the source's pixels, None if nothing."""
    margin, stride, columns = place.margin, place.stride, place.columns
    pixels = source[place.pixels]
    end = margin + (place.rows + 2 * margin) * stride
    buffer[:margin] = neutral
    buffer[end : end + 2 * margin] = neutral
    grid = buffer[margin:end].reshape(-1, stride)
    last = place.first + len(pixels)
    grid[: place.first] = neutral
    grid[last:] = neutral
    grid[:, columns:] = neutral
    inside = grid[place.first : last, :columns]
    if buffer.dtype.kind != "f":
        inside[...] = pixels
        return None
    np.add(pixels, 0.0, out=inside)  # -0.0 becomes 0.0: zeros of one sign, whatever the order
    missing = ~np.isfinite(inside) if mark is None else inside == mark
    if not missing.any():
        return None
    inside[missing] = neutral
    return missing


def _extremum(
    extremum: Extremum, buffers: Any, middle: int, stride: int, count: int
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Filter `count` pixels of a flat buffer from `middle` on.

    Parameters
    ----------
    extremum : Extremum
    buffers : three arrays
        The first one holds the pixels; all are overwritten.
    middle, stride, count : int

    Returns
    -------
    result : (count,) array
        The beginning of a buffer, or where there is nothing to do a part of the first one.
    others : list of two arrays
        The buffers that the result is not in.
    """
    ufunc, window = extremum
    source, *free = buffers
    # In the flat buffer a window is a set of distances. The sum of pairs {0, move} begins half
    # the sum of all moves before the middle.
    moves = [dy * stride + dx for dy, dx in window.moves]
    length = count + sum(moves)
    held, current, joined = source, source[middle - sum(moves) // 2 :][:length], None
    for number, move in enumerate(moves, 1):
        length -= move
        target = free.pop()
        ufunc(current[:length], current[move : move + length], out=target[:length])
        if joined is not held and not (held is source and window.points):
            free.append(held)
        held, current = target, target[:length]
        if number == window.joined:
            joined = target
    if joined is not None:
        late = sum(moves[window.joined :]) // 2
        ufunc(current, joined[late : late + count], out=current)
        free.append(joined)
    for dy, dx in window.points:
        if held is source:
            held = free.pop()
        target = held[:count]
        place = middle + dy * stride + dx
        ufunc(current, source[place : place + count], out=target)
        current = target
    if window.points:
        free.append(source)
    return current, free


def _cut_out(
    result: np.ndarray, place: _Place, tile: Tile, missing: np.ndarray | None, fill: Any
) -> np.ndarray:
    """Give the tile alone, its missing pixels filled."""
    columns = tile.right - tile.left
    result = result.reshape(-1, place.stride)[:, :columns]
    if missing is not None:
        top, left = place.margin - place.first, tile.left - place.pixels[1].start
        result[missing[top : top + place.rows, left : left + columns]] = fill
    return result
