"""A shrunk copy of an image, each block its minimum, and back again by interpolation, as ImageJ."""

from collections.abc import Callable, Iterable

import numpy as np

from .parallel import run_tasks

LARGEST = np.finfo(np.float32).max
_ROWS = 128  # interpolated at once


def run_quietly(function: Callable[..., None], tasks: Iterable[tuple], threads: int) -> None:
    """Share tasks among threads, each of which lets infinite grey levels pass as ImageJ does."""

    def quiet(*task: int) -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            function(*task)

    run_tasks(quiet, tasks, threads)


def shrunk(pixels: np.ndarray, shrink: int, threads: int) -> np.ndarray:
    """Give the minimum of each block, with what is NaN as high as can be."""
    if shrink == 1:
        return np.fmin(pixels, LARGEST)
    rows, columns = (-(-length // shrink) for length in pixels.shape)
    result = np.empty((rows, columns), np.float32)

    def block(row: int) -> None:
        part = pixels[row * shrink : (row + 1) * shrink]
        line = np.full(columns * shrink, LARGEST)
        for pixels_of_row in part:
            np.fmin(line[: len(pixels_of_row)], pixels_of_row, out=line[: len(pixels_of_row)])
        np.min(line.reshape(columns, shrink), axis=1, out=result[row])

    run_quietly(block, [(row,) for row in range(rows)], threads)
    return result


def enlarged(
    small: np.ndarray,
    rows: tuple[np.ndarray, np.ndarray],
    columns: tuple[np.ndarray, np.ndarray],
    threads: int,
) -> np.ndarray:
    """Interpolate along x, then along y; a single row of blocks with zeros above.

    `rows`, `columns`: of each pixel, the block before it and that block's weight.
    """
    (above, rows_weight), (left, columns_weight) = rows, columns
    shape = len(above), len(left)
    lines = np.zeros((len(small) + 1, shape[1]), np.float32)  # first what ImageJ has above a row
    np.multiply(small[:, left], columns_weight, out=lines[1:])
    lines[1:] += small[:, left + 1] * (1 - columns_weight)
    result = np.empty(shape, np.float32)

    def block(y: int) -> None:
        part = slice(y, y + _ROWS)
        weight, first = rows_weight[part, None], above[part] + 1
        np.multiply(lines[first], weight, out=result[part])
        result[part] += lines[first + 1] * (1 - weight)

    run_quietly(block, [(y,) for y in range(0, shape[0], _ROWS)], threads)
    return result


def neighbours(length: int, count: int, shrink: int) -> tuple[np.ndarray, np.ndarray]:
    """Give the block before each pixel and its weight; that of the next block is the rest to 1."""
    pixels = np.arange(length)
    before = np.maximum(pixels - shrink // 2, 0) // shrink
    before = np.minimum(before, count - 2)
    distance = (pixels + 0.5) / shrink - (before + 0.5)
    return before, (1 - distance).astype(np.float32)
