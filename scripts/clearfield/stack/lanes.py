"""A rectangle of a plane, what its projection is so far, and the memory of the threads."""

import numpy as np

from ..filters.memory import new_array
from .running_results import highest_of
from .stack_statistics import SamplingSpace, StackStatistics

Rectangle = tuple[range, range]  # rows, columns


class Lane:
    """The results so far of a rectangle of a plane, of one time and channel."""

    def __init__(self, rectangle: Rectangle, held: list, found: StackStatistics) -> None:
        self.rows, self.columns = rectangle
        self.held, self.found = held, found
        self.highest, self.saturated = None, 0

    def note_highest(self, rows: np.ndarray) -> None:
        """Keep the largest value; how many pixels have it where a detector may be full there."""
        value = highest_of(rows)
        if self.highest is None or np.isnan(self.highest) or value > self.highest:
            self.highest, self.saturated = value, 0
        if value == self.highest and self.found.is_level(value):
            self.saturated += int(np.count_nonzero(rows == value))


class Worker:
    """Memory of one thread."""

    def __init__(self, width: int, dtype: np.dtype) -> None:
        self.sampling = SamplingSpace(width, dtype)
        self._dtype = dtype
        self._spaces = {name: np.empty(0, np.uint8) for name in ("read", "native")}

    def space(self, name: str, size: int) -> np.ndarray:
        """Give the same memory again, or more: uint8."""
        if len(self._spaces[name]) < size:
            self._spaces[name] = new_array((size,), np.uint8)
        return self._spaces[name][:size]

    def native(self, rows: np.ndarray) -> np.ndarray:
        """Copy rows if the processor cannot work with their type, byte order or address."""
        if rows.dtype == self._dtype and rows.flags.aligned:
            return rows
        space = self.space("native", rows.size * self._dtype.itemsize)
        copied = space.view(self._dtype).reshape(rows.shape)
        np.copyto(copied, rows)
        return copied


def mark_missing(rows: np.ndarray, statistics: StackStatistics) -> np.ndarray:
    """Count pixels that are NaN or infinite; make all of them NaN."""
    finite = np.isfinite(rows)
    if finite.all():
        return rows
    statistics.count_missing(rows.size - int(np.count_nonzero(finite)))
    return np.where(finite, rows, rows.dtype.type(np.nan))
