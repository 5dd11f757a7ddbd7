"""The sliding paraboloid of ImageJ's "Subtract Background…": parabolas below lines of pixels.

Below each line of an image a parabola is shifted, open downwards and always of the same curvature,
wherever it stays below the pixels. What its vertex and arms reach is the new line. Lines run along
x, y and both diagonals, in single precision and in ImageJ's order, so that every bit is the same.

ImageJ walks along a line and takes from each point touched the next one by the least slope. With
the parabola's own height added, c x², these points are the corners of the line's lower convex hull.
So points that lie clearly above a chord between two others are left out, all lines at once, until
none is left out any more. Where the rest is clearly convex, it is what ImageJ touches; where
rounding may decide, the line is walked along as ImageJ does it, but on the few points left.
"""

from collections.abc import Iterator
from itertools import cycle

import numpy as np

from ..errors import ClearfieldError
from .parallel import run_tasks

_LARGEST = np.finfo(np.float32).max
_TOO_STEEP = (
    "single precision cannot hold the slopes of the paraboloid between these grey levels; "
    "scale the image down, or give a larger radius"
)
_CHUNK = 2**17  # pixels of the lines that a thread works on, which then stay in cache
_REACHES = (1, 1, 4, 16, 64, 1, 1, 1)  # between how many points chords are drawn, in turn
# How near to a chord rounding may decide. A slope is a sum of two terms with 2 and 1 roundings of
# 2^-24, and two are compared: at a distance d that is 6 · 2^-24 (height + c d²) at most, and for
# the farthest points that can matter, where c d is about sqrt(c · range), as much of that. Eight
# times so much is taken.
_ROUNDING = 48 * 2.0**-24
_SURE = 4  # times that, where the ends of a chord may be off as well


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
    along_x = [(np.arange(rows) * columns, 1, np.full(rows, columns))]
    along_y = [(np.arange(columns), columns, np.full(columns, rows))]
    falling, rising = (
        [
            (starts, columns - 1 if leftwards else columns + 1, lengths)
            for starts, lengths in _diagonals(rows, columns, leftwards)
        ]
        for leftwards in (False, True)
    )
    for groups in (along_x, along_y, along_x):
        _slide_groups(flat, groups, straight, threads)
    for groups in (falling, rising, falling):
        _slide_groups(flat, groups, diagonal, threads)


def _slide_groups(flat: np.ndarray, groups: list, curvature: np.float32, threads: int) -> None:
    """Slide parabolas along all lines of a direction, some at a time; they share no pixel."""
    tasks = []
    for starts, step, lengths in groups:
        count = max(1, _CHUNK // max(1, int(lengths.max(initial=1))))
        for first in range(0, len(starts), count):
            part = slice(first, first + count)
            tasks.append((flat, starts[part], step, lengths[part], curvature))

    def work(*task) -> None:
        with np.errstate(all="ignore"):
            _slide_lines(*task)

    run_tasks(work, tasks, threads)


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
    row, place = np.nonzero(touched)
    after = np.append(place[1:], 0)
    pixels = np.where(np.append(row[1:] == row[:-1], False), after, lengths[row]) - place
    # Of each pixel: how far behind it the last point touched lies, its height and its slope.
    distance = (places[None] + 0 * starts[:, None])[inside] - np.repeat(place, pixels)
    distance = distance.astype(np.float32)
    height, slope = (np.repeat(values[touched], pixels) for values in (lines, slopes))
    flat[index[inside]] = height + distance * (slope - distance * curvature)
    return lines, touched


def _touch(
    lines: np.ndarray, inside: np.ndarray, lengths: np.ndarray, curvature: np.float32
) -> tuple[np.ndarray, np.ndarray]:
    """Find where a parabola touches each line, and its slope where it leaves each such point."""
    count, longest = lines.shape
    ends = lengths - 1
    # Only where a line bends more than the parabola can a parabola touch it, and at its ends.
    points = np.zeros(lines.shape, bool)
    if longest > 2:
        middle = lines[:, 1:-1]
        bend = middle + middle - lines[:, :-2] - lines[:, 2:]
        points[:, 1:-1] = (bend < np.float32(1.999) * curvature) & inside[:, 2:]
    points[:, 0] = points[np.arange(count), ends] = True
    high = np.where(inside, lines, -_LARGEST).max(axis=1).astype(np.float64)
    low = np.where(inside, lines, _LARGEST).min(axis=1)
    steep = 2 * np.sqrt(np.float64(curvature) * (high - low))
    row, place, certain = _leave_out(lines, points, ends, steep, curvature)
    order = np.cumsum(points, axis=1)[row, place]
    touched, slopes = np.zeros(lines.shape, bool), np.zeros(lines.shape, np.float32)
    kept, slope = _walk(row, place, order, lines[row, place], low[row], certain, curvature)
    touched[row[kept], place[kept]] = True
    slopes[row[kept], place[kept]] = slope[kept]
    return touched, slopes


def _leave_out(
    lines: np.ndarray,
    points: np.ndarray,
    ends: np.ndarray,
    steep: np.ndarray,
    curvature: np.float32,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Leave out points above a chord; give row and place of the others, and which surely touch."""
    row, place = np.nonzero(points)
    height, far = lines[points].astype(np.float64), place.astype(np.float64)
    steep = steep[row]
    inner = (place > 0) & (place < ends[row])
    for reach in cycle(_REACHES):
        above, rounding = _above_chords(row, far, height, steep, np.float64(curvature), reach)
        out = inner[reach:-reach] & (above > rounding)
        if out.any():
            keep = np.ones(len(row), bool)
            keep[reach:-reach] = ~out
            row, far, height, steep, inner = (v[keep] for v in (row, far, height, steep, inner))
        elif reach == 1:
            break
    # Certain is what lies clearly below the chords near and far, and then below those between what
    # is certain: a chord may end in points that are themselves above what is touched.
    certain = np.ones(len(row), bool)
    for reach in (1, 2, 3, 4, 8, 16, 32, 64):
        above, rounding = _above_chords(row, far, height, steep, np.float64(curvature), reach)
        rounding[np.isinf(rounding)] = -np.inf
        certain[reach:-reach] &= above < -_SURE * rounding
    certain |= ~inner
    while True:
        known = np.flatnonzero(certain)
        own = (values[known] for values in (row, far, height, steep))
        above, rounding = _above_chords(*own, np.float64(curvature), 1)
        doubtful = inner[known[1:-1]] & (above >= -_SURE * rounding)
        if not doubtful.any():
            break
        certain[known[1:-1][doubtful]] = False
    return row, far.astype(np.int64), certain


def _walk(
    row: np.ndarray,
    place: np.ndarray,
    order: np.ndarray,
    height: np.ndarray,
    lowest: np.ndarray,
    certain: np.ndarray,
    curvature: np.float32,
) -> tuple[np.ndarray, np.ndarray]:
    """Say which points are touched, and the slope from each to the next one.

    From one certain point to the next ImageJ's walk is taken, all at once: the next point touched
    is the first that has the least slope. Three points after the last that had a lesser one, ImageJ
    looks where the parabola falls below the lowest point of the line, and looks no further than
    that. Rounding decides there, so the points left out are counted (`order`).
    """
    touched, slopes = certain.copy(), np.zeros(len(row), np.float32)
    known = np.flatnonzero(certain)
    same = row[known[:-1]] == row[known[1:]]
    first, end = known[:-1][same], known[1:][same]
    second, here = first + 1, first + 1
    best = np.full(len(first), _LARGEST)
    half = np.float32(0.5)
    while len(first):
        vertex = (half * best / curvature).astype(np.float64)
        drop = ((height[first] - lowest[first]) / curvature).astype(np.float64)
        until = place[first] + np.floor(vertex + np.sqrt(vertex * vertex + drop) + 1)
        past = (order[here] > order[second] + 3) & (place[here] >= until) & (best < _LARGEST)
        distance = (place[here] - place[first]).astype(np.float32)
        slope = (height[here] - height[first]) / distance + curvature * distance
        lower = (slope < best) & ~past
        second, best = np.where(lower, here, second), np.where(lower, slope, best)
        here = here + 1
        ready = np.flatnonzero((here > end) | past)
        if not len(ready):
            continue
        if not (best[ready] < _LARGEST).all():
            raise ClearfieldError(_TOO_STEEP)
        slopes[first[ready]] = best[ready]
        touched[second[ready]] = True
        first[ready], here[ready], best[ready] = second[ready], second[ready] + 1, _LARGEST
        going = first < end
        first, end, second, here, best = (v[going] for v in (first, end, second, here, best))
    return touched, slopes


def _above_chords(
    row: np.ndarray,
    far: np.ndarray,
    height: np.ndarray,
    steep: np.ndarray,
    curvature: np.float64,
    reach: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Give how far each point, with c x² added, lies above the chord `reach` points to both sides.

    Times the chord's length; and how much of it may be rounding.
    """
    before, here, behind = slice(None, -2 * reach), slice(reach, -reach), slice(2 * reach, None)
    first, second = far[here] - far[before], far[behind] - far[here]
    rise, whole = height[here] - height[before], height[behind] - height[before]
    length = first + second
    bend = curvature * length
    above = rise * length - whole * first - bend * first * second
    rounding = (3 * bend + steep[here]) * length + 3 * (abs(rise) + abs(whole))
    rounding *= _ROUNDING * length
    if reach > 1:
        rounding[row[before] != row[behind]] = np.inf  # ends of two lines
    return above, rounding


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
