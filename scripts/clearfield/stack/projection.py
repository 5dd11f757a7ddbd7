"""Project a stack along Z, and gather in the same pass what QC tells of the whole stack.

Each thread has a share of the rows, and goes through the planes in their order in the file, a
window of them at a time: first with one block of rows, which stays in its cache, then with the
next. No plane is ever held as a whole, and a result never depends on the shares, the windows or the
blocks.
"""

from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from ..errors import ClearfieldError
from ..filters.memory import new_array
from ..filters.parallel import run_rows, run_tasks
from .description import Planes, RowReader, Stack
from .running_results import RUNNING, highest_of, keep_largest, set_first
from .stack_statistics import SAMPLED_ROWS, SamplingSpace, StackStatistics

METHODS = ("max", "mean", "sum", "min", "std", "median")
_BLOCK_BYTES = 1 << 23  # of one plane's rows and their results: in cache, and more than the calls
_WINDOW_BYTES = 1 << 26  # of planes passed before the next block of rows begins
_SHARED_ROWS = 8 * SAMPLED_ROWS  # of a thread's share at least
_GAP_ROWS = 16  # that cost no more to read than another call
_BAND_BYTES = 1 << 27  # of running results held at a time
_MEDIAN_BYTES = 1 << 25  # of all planes of the rows that a thread takes at a time


def output_dtype(method: str, dtype: np.dtype) -> np.dtype:
    """Give the dtype of a projection: max and min keep it, sum is exact, the others are float32.

    Examples
    --------
    >>> [str(output_dtype(m, np.dtype(">u2"))) for m in ("max", "mean", "sum")]
    ['uint16', 'float32', 'float64']
    """
    if method in ("max", "min"):
        return dtype.newbyteorder("=")
    return np.dtype("f8" if method == "sum" else "f4")


def plane_range(stack: Stack, first: int | None, last: int | None) -> tuple[int, int]:
    """Give the first and the last plane (included, counted from 0) of a projection.

    Raises
    ------
    ClearfieldError
        Where the stack does not have them.
    """
    planes = stack.shape[2]
    first = 0 if first is None else first
    last = planes - 1 if last is None else last
    for key, value in (("first_plane", first), ("last_plane", last)):
        if not 0 <= value < planes:
            few = f"{planes} planes, 0 to {planes - 1}" if planes > 1 else "1 plane, number 0"
            raise ClearfieldError(
                f"project_stack.{key} is {value}, but {stack.source['name']} has {few} "
                "(counted from 0)"
            )
    if first > last:
        raise ClearfieldError(
            f"project_stack.first_plane {first} lies behind project_stack.last_plane {last}"
        )
    return first, last


def project(
    planes: Planes,
    method: str = "max",
    first: int = 0,
    last: int | None = None,
    *,
    threads: int = 1,
    statistics: list[dict] | None = None,
) -> Iterator[tuple[int, int, int, int, np.ndarray]]:
    """Project each time and channel of a stack along Z, a block of rows at a time.

    Pixels that are NaN or infinite are missing: ignored, and NaN where every plane misses them.

    Parameters
    ----------
    planes : Planes
        See `clearfield.stack.description.Stack.open`.
    method : {"max", "mean", "sum", "min", "std", "median"}
        "std" is that of the planes themselves, divided by their number, as numpy's (ImageJ
        divides by one less).
    first, last : int
        Planes to take, both included, counted from 0.
    threads : int
        The result does not depend on it.
    statistics : list, optional
        A dict for each time and channel is appended once all its rows were given.

    Yields
    ------
    time, channel, first row, last row (excluded), (rows, X) array
        In order; of `output_dtype`. The array is used again for the next block.
    """
    if method not in METHODS:
        raise ClearfieldError(f"project_stack.method is {method}; allowed are {', '.join(METHODS)}")
    stack = planes.stack
    times, channels, depth, height, width = stack.shape
    numbers = range(first, depth if last is None else last + 1)
    if method == "median":
        run = partial(_median, threads=threads)
    else:
        run = _Running(planes, len(numbers), method, threads).run
    for time in range(times):
        for channel in range(channels):
            found = StackStatistics(
                (len(numbers), height, width), np.dtype(stack.dtype), stack.saturation_level
            )
            for start, stop, block in run(_Source(planes, time, channel, numbers), found):
                yield time, channel, start, stop, block
            if statistics is not None:
                statistics.append({"time": time, "channel": channel, **found.summary()})


class _Source(NamedTuple):
    """The planes to be projected onto one."""

    planes: Planes
    time: int
    channel: int
    numbers: range

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(self.planes.stack.dtype)

    @property
    def shape(self) -> tuple[int, int, int]:
        return (len(self.numbers), *self.planes.stack.shape[3:])

    def index(self, z: int) -> tuple[int, int, int]:
        return self.time, self.channel, self.numbers[z]


def _native(rows: np.ndarray, space: np.ndarray) -> np.ndarray:
    """Copy rows to `space` if the processor cannot work with their byte order or address."""
    if rows.dtype.isnative and rows.flags.aligned:
        return rows
    np.copyto(space[: len(rows)], rows)
    return space[: len(rows)]


class _Running:
    """Keeps running results of a band of rows while the planes of a time and channel pass by."""

    def __init__(self, planes: Planes, depth: int, method: str, threads: int) -> None:
        stack = planes.stack
        *_, height, width = stack.shape
        self._dtype = dtype = np.dtype(stack.dtype).newbyteorder("=")
        self._is_max = method == "max"
        self._start, self._step, self._finish, kinds = RUNNING[method]
        kinds = [dtype if kind is None else np.dtype(kind) for kind in kinds]
        if dtype.kind == "f" and method not in ("max", "min"):
            kinds.append(np.dtype("u4"))  # how many planes have a pixel
        row_bytes, result_bytes = width * dtype.itemsize, width * sum(k.itemsize for k in kinds)
        band = _multiple(_BAND_BYTES // result_bytes, height)
        self._threads = max(threads, 1)
        share = -(-band // (self._threads * SAMPLED_ROWS)) * SAMPLED_ROWS
        self._rows = _multiple(_BLOCK_BYTES // (row_bytes + result_bytes), share)  # of a block
        self._window = max(1, _WINDOW_BYTES // (band * row_bytes))
        self._bands = [range(top, min(top + band, height)) for top in range(0, height, band)]
        self._depth = depth
        self._results = [new_array((band, width), kind) for kind in kinds]
        self._highest = np.zeros(band, dtype)  # that a row may have, in all planes
        # Where a block is passed over once; for sums, it is read again and again, best from a copy.
        maps = method in ("max", "min") and planes.is_mapped_fast()
        self._workers = [
            _Worker(
                reader=RowReader(planes, self._rows * row_bytes, maps=maps),
                native=new_array((self._rows, width), dtype),
                sampling=SamplingSpace(-(-self._rows // SAMPLED_ROWS), width, dtype),
            )
            for _ in range(self._threads)
        ]

    def run(
        self, source: _Source, statistics: StackStatistics
    ) -> Iterator[tuple[int, int, np.ndarray]]:
        """Give first row, last row (excluded) and result of each band."""
        steps = -(-self._depth // self._window)
        for band in self._bands:

            def work(thread: int, part: range, step: int, top: int = band.start) -> None:
                worker, first = self._workers[thread], step * self._window
                planes = range(first, min(first + self._window, self._depth))
                for row in range(part.start, part.stop, self._rows):
                    rows = range(row, min(row + self._rows, part.stop))
                    at = slice(row - top, rows.stop - top)
                    held = [result[at] for result in self._results]
                    highest = self._highest[at]
                    self._pass(source, statistics, planes, rows, held, highest, worker)
                    if planes.stop == self._depth:
                        self._count(source, statistics, rows, held, highest, worker)

            run_rows(work, band, steps, least=_SHARED_ROWS, threads=self._threads)
            held = [result[: len(band)] for result in self._results]
            yield band.start, band.stop, self._finish(held, self._depth)

    def _pass(
        self,
        source: _Source,
        statistics: StackStatistics,
        planes: range,
        rows: range,
        held: list[np.ndarray],
        highest: np.ndarray,
        worker: "_Worker",
    ) -> None:
        """Let a block of rows of some planes pass by its running results."""
        for z in planes:
            block = worker.reader.rows(source.index(z), rows.start, rows.stop)
            block = _native(block, worker.native)
            if self._dtype.kind == "f":
                block = _mark_missing(block, statistics)
            (self._step if z else self._start)(held, block)
            statistics.sample(z, rows.start, block, worker.sampling)  # it is in the cache now
            if not self._is_max:
                # Of the block, not of each of its rows: that would take twice as long.
                (keep_largest if z else set_first)([highest], highest_of(block))

    def _count(
        self,
        source: _Source,
        statistics: StackStatistics,
        rows: range,
        held: list[np.ndarray],
        highest: np.ndarray,
        worker: "_Worker",
    ) -> None:
        """Count saturated pixels, in those rows alone that may have the block's largest value."""
        if self._is_max:
            highest = (np.fmax if self._dtype.kind == "f" else np.maximum).reduce(held[0], axis=1)
        level = highest_of(highest)

        def reached() -> Iterator[np.ndarray]:
            parts = _runs(highest == level)
            for z in range(self._depth):
                for first, last in parts:
                    at = rows[first:last]
                    block = worker.reader.rows(source.index(z), at.start, at.stop)
                    yield _native(block, worker.native)

        statistics.count(reached(), level)


class _Worker(NamedTuple):
    """Memory of one thread, the same for each time and channel."""

    reader: RowReader
    native: np.ndarray
    sampling: SamplingSpace


def _multiple(rows: int, height: int) -> int:
    """Round a number of rows down to whole samples and tiles, within the height.

    Examples
    --------
    >>> _multiple(700, 2048), _multiple(100, 2048), _multiple(5, 9), _multiple(100, 70)
    (512, 96, 9, 70)
    """
    unit = 512 if rows >= 512 else SAMPLED_ROWS
    return min(max(rows // unit, 1) * unit, height)


def _mark_missing(rows: np.ndarray, statistics: StackStatistics) -> np.ndarray:
    finite = np.isfinite(rows)
    if finite.all():
        return rows
    statistics.count_missing(rows.size - int(np.count_nonzero(finite)))
    return np.where(finite, rows, rows.dtype.type(np.nan))


def _runs(chosen: np.ndarray) -> list[tuple[int, int]]:
    """Give first and last (excluded) of each run of True; short gaps are no gaps.

    Examples
    --------
    >>> chosen = np.zeros(100, bool)
    >>> chosen[[3, 4, 9, 70]] = True
    >>> _runs(chosen)
    [(3, 10), (70, 71)]
    """
    at = np.flatnonzero(chosen)
    gaps = np.flatnonzero(np.diff(at) > _GAP_ROWS)
    firsts, lasts = at[np.r_[0, gaps + 1]], at[np.r_[gaps, -1]]
    return [(int(first), int(last) + 1) for first, last in zip(firsts, lasts, strict=True)]


def _median(
    source: _Source, statistics: StackStatistics, threads: int
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Gather all planes of a few rows at a time."""
    depth, height, width = source.shape
    dtype = source.dtype.newbyteorder("=")
    rows_at_once = _multiple(_MEDIAN_BYTES // (depth * width * dtype.itemsize), height)
    band = rows_at_once * max(threads, 1)
    result = np.empty((min(band, height), width), "f4")

    def work(row: int, top: int) -> None:
        end = min(row + rows_at_once, height)
        values = np.empty((depth, end - row, width), dtype)
        sampling = SamplingSpace(-(-rows_at_once // SAMPLED_ROWS), width, dtype)
        for z in range(depth):
            values[z] = source.planes.rows(source.index(z), row, end)
            if dtype.kind == "f":
                values[z] = _mark_missing(values[z], statistics)
            statistics.sample(z, row, values[z], sampling)
        statistics.count(values, highest_of(values))
        result[row - top : end - top] = _middle(values)

    for top in range(0, height, band):
        bottom = min(top + band, height)
        run_tasks(work, [(row, top) for row in range(top, bottom, rows_at_once)], threads)
        yield top, bottom, result[: bottom - top]


def _middle(values: np.ndarray) -> np.ndarray:
    """Give the median along the first axis, NaN ignored; `values` is sorted in place.

    Examples
    --------
    >>> _middle(np.array([[3.0, np.nan], [1.0, np.nan], [np.nan, np.nan]])).tolist()
    [2.0, nan]
    """
    values.sort(axis=0)  # NaN come last
    number = len(values)
    if values.dtype.kind == "f":
        number = np.count_nonzero(~np.isnan(values), axis=0)
        low, high = np.maximum(number - 1, 0) // 2, number // 2
        low = np.take_along_axis(values, low[None], axis=0)[0].astype("f8")
        high = np.take_along_axis(values, np.minimum(high, len(values) - 1)[None], axis=0)[0]
    else:
        low, high = values[(number - 1) // 2].astype("f8"), values[number // 2]
    return (low + high) / 2
