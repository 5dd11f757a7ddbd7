"""The sliding paraboloid of ImageJ's "Subtract Background…": parabolas below lines of pixels.

Below each line of an image a parabola is shifted, open downwards and always of the same curvature,
wherever it stays below the pixels. What its vertex and arms reach is the new line. Lines run along
x, y and both diagonals. All lines of a direction are done at once, each at its own pixel, in single
precision and in ImageJ's order, so that every bit is the same.
"""

from collections.abc import Iterator

import numpy as np

from ..errors import ClearfieldError

_LARGEST = np.finfo(np.float32).max
_FAR = np.iinfo(np.int32).max
_CHUNK = 2**17  # pixels of which a maximum is taken at once
_PART_PIXELS = 2**22  # of the lines that go in lockstep: the more lines, the faster


def maximum_and_shift(pixels: np.ndarray) -> tuple[np.ndarray, np.float32]:
    """Give the maximum of each pixel and its eight neighbours, and by how much the mean rose.

    Examples
    --------
    >>> highest, shift = maximum_and_shift(np.array([[0, 0, 3, 0]], "float32"))
    >>> highest.tolist(), float(shift)
    ([[0.0, 3.0, 3.0, 3.0]], 1.5)
    """
    totals = []
    for axis in (1, 0):
        highest = np.empty_like(pixels)
        lines, target = (pixels, highest) if axis == 1 else (pixels.T, highest.T)
        count = max(1, _CHUNK // max(1, lines.shape[1]))
        for first in range(0, len(lines), count):
            part = lines[first : first + count]
            wide = np.pad(part, ((0, 0), (1, 1)), mode="edge")
            most = np.maximum(np.maximum(wide[:, :-2], wide[:, 2:]), part)
            target[first : first + count] = most
            # A cumulated sum is added in ImageJ's order, which a sum of NumPy's is not.
            totals.append(np.cumsum(most - part, axis=1, dtype=np.float64)[:, -1])
        pixels = highest
    shift = np.cumsum(np.concatenate(totals))[-1] / pixels.shape[1] / pixels.shape[0]
    return pixels, np.float32(shift)


def slide(pixels: np.ndarray, radius: float, threads: int = 1) -> None:
    """Change an image (Y, X), float32 and finite, into what the parabolas reach below it.

    Corners that an object may hide are lowered first. Then parabolas are slid along x, y, x again,
    both diagonals, and the first of these again.

    Raises
    ------
    ClearfieldError
        If a slope between two pixels is more than single precision holds.

    Examples
    --------
    A parabola of radius 1 falls by 1/2 one pixel beside its vertex, by 2 two pixels beside.

    >>> image = np.array([[0, 0, 0, 9, 0, 0, 0]], "float32")
    >>> slide(image, 1)
    >>> image.tolist()
    [[0.0, 0.0, 0.0, 0.5, 0.0, 0.0, 0.0]]
    """
    straight = np.float32(0.5) / np.float32(radius)
    diagonal = np.float32(1) / np.float32(radius)
    rows, columns = pixels.shape
    flat = pixels.reshape(-1)
    _lower_corners(flat, rows, columns, straight)
    along_x = np.arange(rows) * columns, 1, np.full(rows, columns)
    along_y = np.arange(columns), columns, np.full(columns, rows)
    with np.errstate(all="ignore"):
        for lines in (along_x, along_y, along_x):
            _slide_in_parts(flat, *lines, straight)
        for leftwards in (False, True, False):
            for starts, lengths in _diagonals(rows, columns, leftwards):
                step = columns - 1 if leftwards else columns + 1
                _slide_in_parts(flat, starts, step, lengths, diagonal)


def _slide_in_parts(
    flat: np.ndarray, starts: np.ndarray, step: int, lengths: np.ndarray, curvature: np.float32
) -> None:
    """Slide parabolas along lines that share no pixel, as many at a time as memory is meant for."""
    count = max(1, _PART_PIXELS // max(1, int(lengths.max(initial=1))))
    for first in range(0, len(starts), count):
        part = slice(first, first + count)
        _slide_lines(flat, starts[part], step, lengths[part], curvature)


def _diagonals(rows: int, columns: int, leftwards: bool) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Give where diagonals of three pixels or more start, on the first row and on a side."""
    y = np.arange(0 if leftwards else 1, max(rows - 2, 0))
    if leftwards:
        x = np.arange(2, columns)
        yield x, np.minimum(rows, x + 1)
        yield y * columns + columns - 1, np.minimum(columns, rows - y)
    else:
        x = np.arange(max(columns - 2, 0))
        yield x, np.minimum(rows, columns - x)
        yield y * columns, np.minimum(columns, rows - y)


def _slide_lines(
    flat: np.ndarray, starts: np.ndarray, step: int, lengths: np.ndarray, curvature: np.float32
) -> tuple[np.ndarray, np.ndarray] | None:
    """Slide parabolas along lines that share no pixel; give the lines before and where touched."""
    if not len(starts):
        return None
    longest = int(lengths.max())
    places = np.arange(longest, dtype=np.int64)
    inside = places < lengths[:, None]
    index = starts[:, None] + np.where(inside, places * step, 0)
    lines = flat[index]
    touched, slopes = _touch(lines, inside, lengths, curvature)
    last = np.maximum.accumulate(np.where(touched, places, 0), axis=1)
    row = np.arange(len(lines))[:, None]
    distance = (places - last).astype(np.float32)
    between = lines[row, last] + distance * (slopes[row, last] - distance * curvature)
    change = inside & ~touched
    flat[index[change]] = between[change]
    return lines, touched


def _touch(
    lines: np.ndarray, inside: np.ndarray, lengths: np.ndarray, curvature: np.float32
) -> tuple[np.ndarray, np.ndarray]:
    """Find where a parabola touches each line, and its slope where it leaves each such point."""
    count, longest = lines.shape
    touched = np.zeros(lines.shape, bool)
    touched[:, 0] = True
    slopes = np.zeros(lines.shape, np.float32)
    ends = lengths - 1
    # Only where a line bends more than the parabola can a parabola touch it, and at its ends.
    candidate = np.zeros(lines.shape, bool)
    middle = lines[:, 1:-1]
    if longest > 2:
        bend = middle + middle - lines[:, :-2] - lines[:, 2:]
        candidate[:, 1:-1] = (bend < np.float32(1.999) * curvature) & inside[:, 2:]
    candidate[np.arange(count), ends] = True
    after = np.where(candidate, np.arange(longest), longest - 1)
    after = np.minimum.accumulate(after[:, ::-1], axis=1)[:, ::-1]
    following = np.full(lines.shape, _FAR, np.int64)
    following[:, :-1] = after[:, 1:]
    following[np.arange(count), ends] = _FAR

    line = np.flatnonzero(ends > 0)
    base = line * longest
    flat, following, slopes_flat = lines.ravel(), following.ravel(), slopes.ravel()
    touched_flat = touched.ravel()
    lowest = np.where(inside, lines, _LARGEST).min(axis=1)[line]
    end, limit = ends[line], lengths[line]
    first = np.zeros(len(line), np.int64)
    start = flat[base]
    here = following[base]
    best = np.full(len(line), _LARGEST)
    second = np.zeros(len(line), np.int64)
    until = limit.copy()
    wait = np.zeros(len(line), np.int64)
    half = np.float32(0.5)
    while len(line):
        distance = (here - first).astype(np.float32)
        slope = (flat[base + here] - start) / distance + curvature * distance
        lower = slope < best
        best = np.where(lower, slope, best)
        second = np.where(lower, here, second)
        wait[lower] = -3
        (due,) = np.nonzero(wait == 0)
        if len(due):
            vertex = (half * best[due] / curvature).astype(np.float64)
            height = ((start[due] - lowest[due]) / curvature).astype(np.float64)
            reach = vertex + np.sqrt(vertex * vertex + height) + 1
            reach = np.where(reach < longest, reach, longest).astype(np.int64)
            until[due] = np.minimum(until[due], first[due] + reach)
        here = following[base + here]
        wait += 1
        (ready,) = np.nonzero(here >= until)
        if not len(ready):
            continue
        at = base[ready]
        slopes_flat[at + first[ready]] = best[ready]
        new = second[ready]
        if (new <= first[ready]).any():
            raise ClearfieldError(
                "single precision cannot hold the slopes of the paraboloid between these grey "
                "levels; scale the image down, or give a larger radius"
            )
        touched_flat[at + new] = True
        first[ready] = new
        start[ready] = flat[at + new]
        here[ready] = following[at + new]
        best[ready] = _LARGEST
        second[ready] = 0
        until[ready] = limit[ready]
        wait[ready] = 0
        over = new >= end[ready]
        if over.any():
            keep = np.ones(len(line), bool)
            keep[ready[over]] = False
            line, base, lowest, end, limit, first, start, here, best, second, until, wait = (
                values[keep]
                for values in (
                    line, base, lowest, end, limit, first, start, here, best, second, until, wait,
                )
            )  # fmt: skip
    return touched, slopes


def _lower_corners(flat: np.ndarray, rows: int, columns: int, curvature: np.float32) -> None:
    """Lower each corner to what the mean of its three lines says, as objects may cover it."""
    last = rows * columns - 1
    below = (rows - 1) * columns
    diagonal = min(rows, columns)
    corners = np.zeros(4, np.float32)
    twice = np.float32(2) * curvature
    with np.errstate(all="ignore"):
        for start, step, length, bend, ends in (
            (0, 1, columns, curvature, (0, 1)),
            (below, 1, columns, curvature, (2, 3)),
            (0, columns, rows, curvature, (0, 2)),
            (columns - 1, columns, rows, curvature, (1, 3)),
            (0, columns + 1, diagonal, twice, (0,)),
            (columns - 1, columns - 1, diagonal, twice, (1,)),
            (below, 1 - columns, diagonal, twice, (2,)),
            (last, -1 - columns, diagonal, twice, (3,)),
        ):
            lines, touched = _slide_lines(flat, np.array([start]), step, np.array([length]), bend)
            values = _ends_without_objects(lines[0], np.flatnonzero(touched[0]), bend)
            for corner, value in zip(ends, values, strict=False):
                corners[corner] += value
        for place, value in zip((0, columns - 1, below, last), corners, strict=True):
            if flat[place] > value / np.float32(3):
                flat[place] = value / np.float32(3)


def _ends_without_objects(
    line: np.ndarray, touched: np.ndarray, curvature: np.float32
) -> tuple[np.float32, np.float32]:
    """Extrapolate a line to its two ends from the outermost points touched within it.

    A polynomial of the sixth order is added where the line sags in its middle third, as it does
    with vignetting.
    """
    length = len(line)
    first = int(touched[1]) if len(touched) > 1 else length - 1
    last = int(touched[-2]) if len(touched) > 1 else 0
    if 4 * first >= length:
        first = 0
    if 4 * (length - 1 - last) >= length:
        last = length - 1
    number = np.float32
    span = number(last - first)
    slope = (line[last] - line[first]) / span
    offset = line[first] - slope * number(first)
    middle = number(0.5) * number(last + first)

    def sixth(place: int) -> np.float32:
        x = (number(place) - middle) * number(2) / span
        return x * x * x * x * x * x - number(1)

    sag = number(0)
    for place in range((length + 2) // 3, 2 * length // 3 + 1):
        straight = offset + slope * number(place)
        if place < length and line[place] < straight + sag * sixth(place):
            sag = -(straight - line[place]) / sixth(place)
    rest = number(length - 1 - last)
    return (
        offset + sag * sixth(first) + curvature * number(first) * number(first),
        offset + number(length - 1) * slope + sag * sixth(last) + curvature * rest * rest,
    )
