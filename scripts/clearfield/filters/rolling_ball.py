"""The background that a rolling ball finds, as ImageJ's "Subtract Background…" estimates it.

A ball rolls below the image, whose grey levels are heights. What its surface reaches is the
background (S. R. Sternberg, "Biomedical image processing", IEEE Computer 16, 1983). ImageJ rolls
a smaller, trimmed ball below a shrunk image and enlarges the result. Its numbers follow from each
of these steps, and all are taken here in its order and in single precision, as ImageJ does.
"""

import math
from collections.abc import Iterator

import numpy as np

from ..errors import ClearfieldError
from .block_minima import LARGEST, enlarged, neighbours, run_quietly, shrunk
from .memory import any_array
from .parallel import thread_count
from .plane import check_plane, forget_rows
from .sliding_paraboloid import maximum_and_shift, slide

DTYPES = ("uint8", "uint16", "float32")  # the grey levels that ImageJ knows

# Up to this radius: the image is shrunk by so much, and so many percent of the ball are trimmed.
_SHRINKING = ((10, 1, 24), (30, 2, 24), (100, 4, 32), (math.inf, 8, 40))
_THIRD = np.float32(0.33333333)
_BLOCK_PIXELS = 2**22
_TILE_ROWS, _TILE_COLUMNS = 128, 512  # of 32 x 512 to 256 x 2100, measured to be fast
_THREAD_PIXELS = 2**17  # for each thread; with fewer, to start one takes longer than it saves


def rolling_ball(
    image: np.ndarray,
    radius: float,
    *,
    light_background: bool = False,
    smooth: bool = True,
    paraboloid: bool = False,
    threads: int | None = None,
) -> np.ndarray:
    """Give the background that a ball of a radius finds below an image.

    The steps:

    1. `light_background`: the image is negated, here and again at the end.
    2. `smooth`: each pixel becomes the mean of itself and its two neighbours, along x, then along
       y. Beyond the edge stands the edge's own pixel.
    3. The image is shrunk by 1, 2, 4 or 8 (radius up to 10, 30, 100, above): each block becomes
       its minimum. The radius shrinks with it, to 1 pixel at least.
    4. The ball is a square patch of heights, ``sqrt(r² - dx² - dy²)``, and 0 where there is no
       ball. 24, 24, 32 or 40 % of its radius are trimmed off its sides. Centred on each pixel,
       also on those beyond the edge from which it reaches into the image, it is raised until it
       touches. The background of a pixel is the highest point of any of these balls there.
    5. The background is enlarged by bilinear interpolation between the centres of the blocks, and
       by extrapolation beyond the outermost. Where all rows are in one row of blocks, ImageJ
       interpolates between zeros and that row, and so does this: the background is too low.

    `paraboloid`: between steps 1 and 2, with `smooth`, each pixel becomes the maximum of itself and
    its eight neighbours. `sliding_paraboloid.slide` stands in for steps 3 to 5. By how much that
    maximum raised the image's mean is subtracted at the end.

    Parameters
    ----------
    image : (Y, X) array, uint8, uint16 or float32
        The ball skips a NaN; with `smooth`, also its eight neighbours. It gives a background
        there all the same.
    radius : float
        Of the ball, in pixels and in grey levels alike; above 0.
    light_background : bool
        Whether objects are dark.
    smooth : bool
        False is "Disable smoothing" in ImageJ.
    paraboloid : bool
        Whether to slide a paraboloid of the ball's curvature at its top instead. It is slower here
        than in ImageJ: its lines go in lockstep.
    threads : int, optional
        At most; default: the CPUs that this process may use. Fewer work where more would not
        help. The result has the same bits on any number.

    Returns
    -------
    (Y, X) float32 array
        Grey levels, not rounded. `created_background` and `subtracted` give ImageJ's two images.

    Raises
    ------
    ClearfieldError
        If the image is not a plane of one of these dtypes or has no pixel, or the radius is not
        above 0. Also if the image is shrunk to one column: there ImageJ ends with an error. Also,
        with `paraboloid`, if a pixel is NaN or infinite: there ImageJ may not come to an end.

    Examples
    --------
    A ball of radius 1 is a patch of 3 x 3: 1 high in the middle, 0 around. Below a peak of one
    pixel it is raised until its rim touches 5, and so it reaches 6 in the peak.

    >>> image = np.array([[5, 5, 5], [5, 9, 5], [5, 5, 5]], "uint8")
    >>> rolling_ball(image, 1, smooth=False).tolist()
    [[5.0, 5.0, 5.0], [5.0, 6.0, 5.0], [5.0, 5.0, 5.0]]
    """
    blocks = rolling_ball_blocks(
        image, radius, light_background=light_background, smooth=smooth, paraboloid=paraboloid,
        threads=threads,
    )  # fmt: skip
    result = any_array(image.shape, np.float32)
    for first, last, background in blocks:
        result[first:last] = background
    return result


def rolling_ball_blocks(
    image: np.ndarray,
    radius: float,
    *,
    light_background: bool = False,
    smooth: bool = True,
    paraboloid: bool = False,
    threads: int | None = None,
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Give the background of a plane of any size, a block of rows at a time.

    A ball reaches so far and no further, so each block is found from its own rows and those around
    it. A paraboloid reaches along whole columns: the plane is held once, in single precision.

    Parameters
    ----------
    image : (Y, X) array, or anything with ``shape``, ``dtype`` and ``image[first:last]``
    radius, light_background, smooth, paraboloid, threads
        As in `rolling_ball`.

    Yields
    ------
    first, last, background : int, int, (last - first, X) float32 array
        In the order of the rows.
    """
    _check(image, radius, paraboloid)
    find = _paraboloid_blocks if paraboloid else _ball_blocks
    pixels = image.shape[0] * image.shape[1]
    threads = max(1, min(thread_count(threads), pixels // _THREAD_PIXELS))
    return find(image, radius, light_background, smooth, threads)


def _paraboloid_blocks(image, radius: float, light: bool, smooth: bool, threads: int):
    with np.errstate(over="ignore", invalid="ignore"):  # as in `run_quietly`
        pixels = np.array(image[0 : image.shape[0]], np.float32, order="C")
        if light:
            np.negative(pixels, out=pixels)
        shift = np.float32(0)
        if smooth:
            pixels, shift = maximum_and_shift(pixels)
            pixels = _mean(pixels, threads)
        slide(pixels, radius)
        pixels -= shift
        if light:
            np.negative(pixels, out=pixels)
    for first in range(0, len(pixels), _TILE_ROWS):
        yield first, min(first + _TILE_ROWS, len(pixels)), pixels[first : first + _TILE_ROWS]


def _ball_blocks(image, radius: float, light: bool, smooth: bool, threads: int):
    shrink, ball = _ball(radius)
    half, (height, width) = len(ball) - 1, image.shape
    count = -(-height // shrink)  # rows of blocks
    rows = neighbours(height, count, shrink)
    columns = neighbours(width, -(-width // shrink), shrink)
    step = max(_BLOCK_PIXELS // width, 4 * half * shrink, 1)
    for first in range(0, height, step):
        last = min(first + step, height)
        # The blocks of pixels that are interpolated between, and those that a ball reaches there.
        low, high = max(int(rows[0][first]), 0), min(int(rows[0][last - 1]) + 2, count)
        if shrink == 1:
            low, high = first, last
        top, bottom = max(low - 2 * half, 0), min(high + 2 * half, count)
        with np.errstate(over="ignore", invalid="ignore"):  # as in `run_quietly`
            pixels = _rows(
                image, top * shrink, min(bottom * shrink, height), light, smooth, threads
            )
            beyond = 2 * half - (low - top), 2 * half - (bottom - high)
            background = _roll(shrunk(pixels, shrink, threads), ball, beyond, threads)
            if shrink > 1:
                part = rows[0][first:last] - low, rows[1][first:last]
                background = enlarged(background, part, columns, threads)
            if light:
                np.negative(background, out=background)
        yield first, last, background
        forget_rows(image, max(first - 2 * half * shrink, 0), last)


def _rows(image, first: int, last: int, light: bool, smooth: bool, threads: int) -> np.ndarray:
    """Read rows, and where they are to be smoothed also the one above and below."""
    above, below = (max(first - 1, 0), min(last + 1, image.shape[0])) if smooth else (first, last)
    pixels = np.array(image[above:below], np.float32, order="C")
    if light:
        np.negative(pixels, out=pixels)
    if smooth:
        pixels = _mean(pixels, threads)
    return pixels[first - above : last - above]


def shrinking(radius: float) -> int:
    """Give by how much the image is shrunk before the ball rolls below it.

    Examples
    --------
    >>> shrinking(10), shrinking(25), shrinking(50), shrinking(100.5)
    (1, 2, 4, 8)
    """
    return next(shrink for largest, shrink, _ in _SHRINKING if radius <= largest)


def _ball(radius: float) -> tuple[int, np.ndarray]:
    """Give by how much to shrink the image, and the heights of the ball's quadrant dy, dx >= 0."""
    shrink, percent = next(row[1:] for row in _SHRINKING if radius <= row[0])
    small = max(radius / shrink, 1.0)
    trim = int(percent * small) // 100
    half = math.floor(small - trim + 0.5)
    offsets = np.arange(half + 1, dtype=np.float64)
    square = small * small - offsets**2 - offsets[:, None] ** 2
    return shrink, np.sqrt(np.maximum(square, 0)).astype(np.float32)


def _mean(pixels: np.ndarray, threads: int) -> np.ndarray:
    """Average three pixels along x, then along y, with the sums in ImageJ's order."""
    result = np.empty_like(pixels)

    def block(y: int) -> None:
        first, last = max(y - 1, 0), y + _TILE_ROWS + 1
        wide = np.pad(pixels[first:last], ((0, 0), (1, 1)), mode="edge")
        along = wide[:, :-2] + wide[:, 1:-1]
        along += wide[:, 2:]
        along *= _THIRD
        edges = (int(y == 0), int(last > len(pixels)))
        high = np.pad(along, (edges, (0, 0)), mode="edge")
        target = result[y : y + _TILE_ROWS]
        rows = len(target)
        np.add(high[:rows], high[1 : rows + 1], out=target)
        target += high[2 : rows + 2]
        target *= _THIRD

    run_quietly(block, [(y,) for y in range(0, len(pixels), _TILE_ROWS)], threads)
    return result


def _roll(
    pixels: np.ndarray, ball: np.ndarray, beyond: tuple[int, int], threads: int
) -> np.ndarray:
    """Give the highest that the ball reaches when it is raised from below.

    `beyond`: how many of the rows that it needs above and below lie beyond the image.
    """
    half = len(ball) - 1
    sides = 2 * half, 2 * half
    pixels = np.pad(pixels, (beyond, sides), constant_values=LARGEST)
    heights = _over_ball(pixels, ball, np.minimum, np.subtract, threads)
    background = _over_ball(heights, ball, np.maximum, np.add, threads)
    return np.maximum(background, -LARGEST, out=background)


def _over_ball(
    pixels: np.ndarray, ball: np.ndarray, extremum: np.ufunc, shift: np.ufunc, threads: int
) -> np.ndarray:
    """Give the extremum of shifted pixels below the ball where all of it lies in the image.

    The four points of the ball at the same distances have the same height. Their extremum is taken
    before the shift: rounding keeps order, so that the bits are the same.
    """
    half = len(ball) - 1
    rows, columns = (length - 2 * half for length in pixels.shape)
    result = np.empty((rows, columns), np.float32)

    def tile(y: int, x: int) -> None:
        target = result[y : y + _TILE_ROWS, x : x + _TILE_COLUMNS]
        height, width = target.shape
        source = pixels[y : y + height + 2 * half, x : x + width + 2 * half]
        best = part = None
        pair = np.empty((height + 2 * half, width), np.float32)
        for dx in range(half + 1):
            left, right = half - dx, half + dx
            extremum(source[:, left : left + width], source[:, right : right + width], out=pair)
            for dy in range(half + 1):
                up, down = half - dy, half + dy
                part = extremum(pair[up : up + height], pair[down : down + height], out=part)
                shift(part, ball[dy, dx], out=part)
                if best is None:
                    best, part = part, np.empty_like(part)
                else:
                    extremum(best, part, out=best)
        target[:] = best

    tiles = [(y, x) for y in range(0, rows, _TILE_ROWS) for x in range(0, columns, _TILE_COLUMNS)]
    run_quietly(tile, tiles, threads)
    return result


def created_background(background: np.ndarray, dtype: np.dtype | str) -> np.ndarray:
    """Round a background as ImageJ's "Create background" does: halves upwards, then clipped.

    Examples
    --------
    >>> created_background(np.array([[-3, 2.5, 300]], "float32"), "uint8").tolist()
    [[0, 3, 255]]
    """
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return background
    half = background + np.float32(0.5)
    return np.clip(half, 0, np.iinfo(dtype).max).astype(dtype)


def subtracted(
    image: np.ndarray, background: np.ndarray, *, light_background: bool = False
) -> np.ndarray:
    """Subtract a background as ImageJ does, in the image's dtype.

    Integers are rounded, halves upwards, and clipped. On a light background, they are counted
    from the dtype's largest value.

    Examples
    --------
    >>> image, background = np.array([[7, 5]], "uint8"), np.array([[4.5, 6]], "float32")
    >>> subtracted(image, background).tolist()
    [[3, 0]]
    >>> subtracted(image, background, light_background=True).tolist()
    [[255, 254]]
    """
    difference = np.subtract(image, background, dtype=np.float32)
    if image.dtype.kind == "f":
        return difference
    largest = np.iinfo(image.dtype).max
    difference += np.float32(0.5 + light_background * largest)
    return np.clip(difference, 0, largest).astype(image.dtype)


def _is_finite(image) -> bool:
    return all(
        np.isfinite(image[first : first + _TILE_ROWS]).all()
        for first in range(0, image.shape[0], _TILE_ROWS)
    )


def _check(image: np.ndarray, radius: float, paraboloid: bool) -> None:
    dtype = check_plane(image)
    if dtype.name not in DTYPES:
        raise ClearfieldError(
            f"the image has dtype {dtype}, and ImageJ's rolling ball knows {', '.join(DTYPES)}; "
            "convert it to one of them"
        )
    if not 0 < radius < math.inf:
        raise ClearfieldError(f"radius is {radius}; give the radius of the ball in pixels, above 0")
    if not all(image.shape):
        raise ClearfieldError(f"the image has shape {image.shape}, and so no pixel")
    if paraboloid and not _is_finite(image):
        raise ClearfieldError(
            "the image has pixels that are NaN or infinite, and a paraboloid cannot slide below "
            "them; replace them, or use the ball"
        )
    shrink = 1 if paraboloid else shrinking(radius)
    if shrink > 1 and image.shape[1] <= shrink:
        widest = max(row[0] for row in _SHRINKING if row[1] < image.shape[1] or row[1] == 1)
        raise ClearfieldError(
            f"the image has {image.shape[1]} columns, and for radius {radius} ImageJ shrinks them "
            f"by {shrink}, which leaves nothing to interpolate; give a radius of at most {widest}"
        )
