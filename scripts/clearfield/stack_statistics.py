"""What QC tells of all planes behind a projection, gathered while they pass by."""

import math
import threading
from collections.abc import Iterable

import numpy as np

SAMPLED_ROWS = 16  # means and sharpness are taken on every 16th row: every row would cost 2 passes


class StackStatistics:
    """Saturation, largest value, mean and sharpness along Z of one time and channel.

    Blocks may come in any order and from several threads; the result is the same.

    Parameters
    ----------
    shape : tuple of int
        Z, Y, X of the planes that are projected.
    dtype : dtype
    level : int or None
        The detector's largest grey level, where the file says it.

    Examples
    --------
    >>> image = np.array([[[0, 10, 4095]], [[0, 20, 4095]]], "u2")
    >>> statistics = StackStatistics(image.shape, image.dtype, None)
    >>> for z in (0, 1):
    ...     statistics.sample(z, 0, image[z])
    >>> statistics.count(image, 4095)
    >>> found = statistics.summary()
    >>> found["saturation_level"], found["saturated_fraction"], found["plane_means"]
    (4095, 0.333333, [1368.33, 1371.67])
    """

    def __init__(self, shape: tuple[int, int, int], dtype: np.dtype, level: int | None) -> None:
        planes, height, width = shape
        self._pixels = planes * height * width
        self._width = width
        self._dtype = dtype
        self._level = level
        # ASSUME: a stack without metadata whose largest value is 2^10 - 1, 2^12 - 1, ... comes
        # from a detector of that depth; any other stack can reach its dtype's largest value.
        self._candidates = set()
        if dtype.kind in "iu":
            depths = [k for k in (10, 12, 14, 16) if 2**k - 1 <= np.iinfo(dtype).max]
            self._candidates = {2**k - 1 for k in depths} | {int(np.iinfo(dtype).max)}
        if level is not None:
            self._candidates.add(level)
        self._ones = np.ones(width)
        self._own = threading.local()
        rows = -(-height // SAMPLED_ROWS)
        self._sums = np.zeros((planes, rows))
        self._squares = np.zeros((planes, rows))
        self._values = np.full((planes, rows), width)
        self._steps = np.full((planes, rows), max(width - 2, 0))
        self._highest: list = []
        self._saturated: list[tuple[int, int]] = []
        self._missing: list[int] = []

    def sample(self, plane: int, first_row: int, rows: np.ndarray) -> None:
        """Take mean and sharpness of every 16th row of a block (Y, X) that begins at `first_row`.

        Sharpness is Brenner's: the mean squared difference of pixels two apart along X
        (Brenner et al. 1976, doi:10.1177/24.1.1254907), in squared grey levels.
        """
        start = -first_row % SAMPLED_ROWS
        if start >= len(rows):
            return
        # In float64, sums of 16-bit integers and of their squares are exact in any order.
        sampled = rows[start::SAMPLED_ROWS]
        space = self._take_space(sampled.shape)
        values, steps = space[:, : len(sampled)]
        np.copyto(values, sampled)
        at = (first_row + start) // SAMPLED_ROWS
        place = (plane, slice(at, at + len(values)))
        # One long row is subtracted three times as fast as many; what crosses their ends is 0.
        np.subtract(values.reshape(-1)[2:], values.reshape(-1)[:-2], out=steps.reshape(-1)[:-2])
        steps[:, -2:] = 0
        if self._dtype.kind == "f":
            finite = np.isfinite(values)
            self._values[place] = finite.sum(axis=1)
            values = np.where(finite, values, 0)
            finite = np.isfinite(steps)
            self._steps[place] = finite[:, :-2].sum(axis=1)
            steps = np.where(finite, steps, 0)
        self._sums[place] = values @ self._ones
        self._squares[place] = np.vecdot(steps, steps)

    def _take_space(self, shape: tuple[int, ...]) -> np.ndarray:
        """Give a thread's own memory for two arrays.

        Memory that is new, or in another processor's cache, would cost more than the sums.
        """
        space = getattr(self._own, "space", None)
        if space is None or space.shape[1] < shape[0]:
            space = self._own.space = np.empty((2, *shape))
        return space

    def count(self, planes: Iterable[np.ndarray], highest: float) -> None:
        """Count saturated pixels of blocks (any shape) whose largest value is at most `highest`.

        The pixels are asked for only where `highest` is a level at which a detector is full.
        """
        self._highest.append(highest)
        if highest in self._candidates:
            number = sum(int(np.count_nonzero(rows == highest)) for rows in planes)
            self._saturated.append((int(highest), number))

    def count_missing(self, pixels: int) -> None:
        """Count pixels that are NaN or infinite."""
        self._missing.append(pixels)

    def summary(self) -> dict:
        """Give the numbers as they are written down, rounded to 6 digits; None: unknown."""
        finite = [value for value in self._highest if math.isfinite(value)]
        maximum = max(finite, default=None)
        level = self._level
        if level is not None and maximum is not None and maximum > level:
            level = None  # the pixels disprove what the file says of its detector
        if level is None and self._dtype.kind in "iu":
            level = int(np.iinfo(self._dtype).max)
            if int(maximum) in self._candidates:
                level = int(maximum)
        saturated = sum(number for value, number in self._saturated if value == level)
        whole = self._dtype.kind in "iu"
        return {
            "saturated_fraction": None if level is None else _digits(saturated / self._pixels),
            "saturation_level": level,
            "maximum": int(maximum) if whole else maximum if maximum is None else float(maximum),
            "nonfinite_fraction": _digits(sum(self._missing) / self._pixels),
            "plane_means": _ratios(self._sums, self._values),
            "plane_sharpness": _ratios(self._squares, self._steps),
        }


def _ratios(sums: np.ndarray, counts: np.ndarray) -> list[float | None]:
    return [
        _digits(total / number) if number else None
        for total, number in zip(sums.sum(axis=1), counts.sum(axis=1), strict=True)
    ]


def _digits(value: float) -> float:
    """Round to 6 digits, so that the processor at hand does not show in a file."""
    return float(f"{value:.6g}")
