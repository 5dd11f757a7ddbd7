"""What QC tells of all planes behind a projection, gathered while they pass by."""

import math
from threading import Lock
from typing import NamedTuple

import numpy as np

SAMPLED_ROWS = 16  # means and sharpness are taken on every 16th row: every row would cost 2 passes

_EXACT = 256  # integers of 16 bits whose sum float32 holds exactly, in whichever order


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
    >>> space = SamplingSpace(3, image.dtype)
    >>> for z in (0, 1):
    ...     statistics.sample(z, 0, image[z], space)
    >>> statistics.count(4095, 2)
    >>> found = statistics.summary()
    >>> found["saturation_level"], found["saturated_fraction"], found["plane_means"]
    (4095, 0.333333, [1368.33, 1371.67])
    """

    def __init__(self, shape: tuple[int, int, int], dtype: np.dtype, level: int | None) -> None:
        planes, height, width = shape
        self._pixels = planes * height * width
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
        rows = -(-height // SAMPLED_ROWS)
        # float32 holds what 256 integers of 16 bits sum to; float64 their total.
        small = dtype.kind in "iu" and dtype.itemsize <= 2
        parts = -(-width // _EXACT)
        self._sums = np.zeros((planes, rows * parts), "f4" if small else "f8")
        self._parts = parts
        self._squares = np.zeros((planes, rows))
        self._values = np.full((planes, rows), width)
        self._steps = np.full((planes, rows), max(width - 2, 0))
        self._width = width
        self._gathered: dict[tuple[int, int], list] = {}
        self._lock = Lock()
        self._highest: list = []
        self._saturated: list[tuple[int, int]] = []
        self._missing: list[int] = []
        self._absent: list[int] = []

    def sample(
        self,
        plane: int,
        first_row: int,
        rows: np.ndarray,
        space: "SamplingSpace",
        first_column: int = 0,
    ) -> None:
        """Take mean and sharpness of every 16th row of a block (Y, X) that begins at `first_row`.

        Sharpness is Brenner's: the mean squared difference of pixels two apart along X
        (Brenner et al. 1976, doi:10.1177/24.1.1254907), in squared grey levels. Blocks that are
        narrower than the plane are gathered until their rows are complete; those beside each other
        have the same rows.
        """
        start = -first_row % SAMPLED_ROWS
        if start >= len(rows):
            return
        sampled = rows[start::SAMPLED_ROWS]
        at = (first_row + start) // SAMPLED_ROWS
        if sampled.shape[1] < self._width:
            sampled = self._gather((plane, at), sampled, first_column)
            if sampled is None:
                return
        number = len(sampled)
        place = (plane, slice(at, at + number))
        views = space.views(number)
        np.copyto(views.values, sampled)
        np.subtract(views.later, views.earlier, out=views.differences)
        if self._dtype.kind == "f":
            self._values[place] = _drop_missing(views.values)
            self._steps[place] = _drop_missing(views.steps)
        parts = self._parts
        np.matmul(views.parts, space.ones, self._sums[plane, at * parts : (at + number) * parts])
        np.vecdot(views.steps, views.steps, self._squares[place])

    def _gather(self, place: tuple[int, int], sampled: np.ndarray, left: int) -> np.ndarray | None:
        """Put a piece of sampled rows beside the others; give the rows once they are complete."""
        with self._lock:
            if place not in self._gathered:
                whole = np.empty((len(sampled), self._width), sampled.dtype)
                self._gathered[place] = [whole, whole.size]
            found = self._gathered[place]
        found[0][:, left : left + sampled.shape[1]] = sampled
        with self._lock:
            found[1] -= sampled.size
            if found[1]:
                return None
            del self._gathered[place]
        return found[0]

    def is_level(self, value: float) -> bool:
        """Tell whether a detector may be full at this value."""
        return value in self._candidates

    def count(self, highest: float, pixels: int) -> None:
        """Note the largest value of some pixels, and if it is a level how many have it."""
        self._highest.append(highest)
        if self.is_level(highest):
            self._saturated.append((int(highest), pixels))

    def count_absent(self, pixels: int) -> None:
        """Count pixels that were never stored."""
        self._absent.append(pixels)

    def count_missing(self, pixels: int) -> None:
        """Count pixels that are NaN or infinite."""
        self._missing.append(pixels)

    def summary(self) -> dict:
        """Give the numbers as they are written down, rounded to 6 digits or 5; None: unknown."""
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
            "absent_fraction": _digits(sum(self._absent) / self._pixels),
            "plane_means": _ratios(self._sums, self._values),
            "plane_sharpness": _ratios(self._squares, self._steps, 5),
        }


class SamplingSpace:
    """Memory for `StackStatistics.sample`, for one thread, used again for each block.

    Parameters
    ----------
    width : int
    dtype : dtype
        Of the stack.
    """

    def __init__(self, width: int, dtype: np.dtype) -> None:
        # float32 holds the steps of integers of 16 bits exactly, and costs half of float64.
        small = dtype.kind in "iu" and dtype.itemsize <= 2
        kind = np.dtype("f4" if small else "f8")
        self.ones = np.ones(_EXACT, kind)
        self._width = width
        self._memory = np.zeros((2, 0, -(-width // _EXACT) * _EXACT), kind)
        self._views: dict[int, _Views] = {}  # to make them anew would cost as much as the sums

    def views(self, rows: int) -> "_Views":
        """Give the memory of so many rows; behind the width of a row, values are 0."""
        if rows not in self._views:
            if rows > self._memory.shape[1]:
                self._memory = np.zeros((2, rows, self._memory.shape[2]), self._memory.dtype)
                self._views.clear()
            values, steps = self._memory[:, :rows]
            self._views[rows] = _Views(
                values=values[:, : self._width],
                parts=values.reshape(-1, _EXACT),
                # One long row is subtracted three times as fast as many; what crosses their ends
                # is left.
                later=values.reshape(-1)[2:],
                earlier=values.reshape(-1)[:-2],
                differences=steps.reshape(-1)[:-2],
                steps=steps[:, : max(self._width - 2, 0)],
            )
        return self._views[rows]


class _Views(NamedTuple):
    values: np.ndarray
    parts: np.ndarray
    later: np.ndarray
    earlier: np.ndarray
    differences: np.ndarray
    steps: np.ndarray


def _drop_missing(values: np.ndarray) -> np.ndarray:
    """Set what is not finite to 0, in place; give how many are finite in each row."""
    finite = np.isfinite(values)
    values[~finite] = 0
    return finite.sum(axis=1)


def _ratios(sums: np.ndarray, counts: np.ndarray, digits: int = 6) -> list[float | None]:
    return [
        _digits(total / number, digits) if number else None
        for total, number in zip(sums.sum(axis=1, dtype="f8"), counts.sum(axis=1), strict=True)
    ]


def _digits(value: float, digits: int = 6) -> float:
    """Round to so many digits that the processor at hand does not show in a file.

    The squares of `sample` differ by 1e-7 between processors, that is in the sixth digit.
    """
    return float(f"{value:.{digits}g}")
