"""Project a stack along Z, and gather in the same pass what QC tells of the whole stack.

Every rectangle of a plane that can be had by itself (a strip, a tile, a chunk; a block of rows
where planes lie in the file as they are) is a lane: its pixels pass by its running results plane
after plane. Threads share what is to be read or decoded, each part once, and hold no more than one
part each; a result never depends on threads, lanes or blocks.
"""

from collections.abc import Callable, Iterator

import numpy as np

from ..errors import ClearfieldError
from ..filters.memory import any_array, new_array
from ..filters.parallel import run_in_turn, run_tasks
from .description import Stack
from .planes import Planes
from .running_results import RUNNING, highest_of
from .stack_statistics import SAMPLED_ROWS, SamplingSpace, StackStatistics

METHODS = ("max", "mean", "sum", "min", "std", "median")
# Of rows that are read at a time, and that pass by their results: with smaller ones, threads that
# ask for each other's lock after each call take up to twice as long.
_BLOCK_BYTES = 1 << 22
_PASSED_BYTES = 1 << 22
_FINISHED_BYTES = 1 << 19  # of rows whose result is computed at a time
_WINDOW_BYTES = 1 << 26  # of planes passed before the next block of rows begins
_LEAST_ROWS = 8 * SAMPLED_ROWS  # of a block
_WINDOW_PARTS = 4  # the same for parts
_BAND_BYTES = 1 << 27  # of results held at a time
_MEDIAN_BYTES = 1 << 25  # of all planes of some rows, for each thread
_HELD_BYTES = 1 << 28  # the same where what does not fit has to be decoded again


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
    depth, height, width = planes.stack.shape[2:]
    numbers = range(first, depth if last is None else last + 1)
    engine = _Engine(planes, method, numbers, threads)
    found: dict[tuple[int, int], StackStatistics] = {}
    for chosen, band in engine.passes():
        for index in chosen:
            if index not in found:
                found[index] = StackStatistics(
                    (len(numbers), height, width),
                    np.dtype(planes.stack.dtype),
                    planes.stack.saturation_level,
                )
        yield from engine.run(chosen, band, found)
        if band.stop == height:
            for time, channel in chosen:
                row = {"time": time, "channel": channel, **found.pop((time, channel)).summary()}
                if statistics is not None:
                    statistics.append(row)


class _Lane:
    """The results so far of a rectangle of a plane, of one time and channel."""

    def __init__(self, rectangle: "_Rectangle", held: list, found: StackStatistics) -> None:
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


class _Worker:
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


class _Engine:
    """Lets planes pass by their running results."""

    def __init__(self, planes: Planes, method: str, numbers: range, threads: int) -> None:
        stack = planes.stack
        *_, self._height, self._width = stack.shape
        self._planes, self._numbers, self._threads = planes, numbers, max(threads, 1)
        self._dtype = dtype = np.dtype(stack.dtype).newbyteorder("=")
        self._output = output_dtype(method, dtype)
        self._start, self._step, self._finish, kinds = RUNNING[method]
        self._kinds = [dtype if kind is None else np.dtype(kind) for kind in kinds]
        if dtype.kind == "f" and method in ("sum", "mean", "std"):
            self._kinds.append(np.dtype("u4"))  # how many planes have a pixel
        self._lead = (len(numbers),) if method == "median" else ()  # all planes are held
        pixel_bytes = sum(kind.itemsize for kind in self._kinds) * (*self._lead, 1)[0]
        self._held_row, self._read_row = (
            self._width * pixel_bytes, self._width * planes.stored.itemsize
        )  # fmt: skip
        wide = self._width if planes.in_place else min(stack.part_shape[4], self._width)
        self._passed_rows, self._finished_rows = (
            max(1, size // (wide * dtype.itemsize)) for size in (_PASSED_BYTES, _FINISHED_BYTES)
        )
        self._memory: dict[tuple, np.ndarray] = {}  # the same for each pass
        self._workers = [_Worker(self._width, dtype) for _ in range(self._threads)]

    def passes(self) -> Iterator[tuple[list[tuple[int, int]], range]]:
        """Give which times and channels are projected at once, and which of their rows.

        Parts that reach over several times or channels are decoded once for as many of these as
        `_HELD_BYTES` hold the results of; where it does not hold those of one plane, once for as
        many rows.
        """
        stack = self._planes.stack
        times, channels, *_ = stack.shape
        lines = [[(time, channel) for channel in range(channels)] for time in range(times)]
        if self._planes.in_place:
            limit = _MEDIAN_BYTES * self._threads if self._lead else _BAND_BYTES
            together, unit = 1, SAMPLED_ROWS
        else:
            limit, together, unit = _HELD_BYTES, *stack.part_shape[1:4:2]
            if stack.part_shape[0] > 1:  # results are written time after time
                lines = [[index for line in lines for index in line]]
                together = stack.part_shape[0] * channels
        if unit * self._held_row > limit:  # parts are higher than what can be held
            unit = SAMPLED_ROWS
        planes = limit // (self._height * self._held_row)
        rows = self._height if planes else max(limit // self._held_row // unit, 1) * unit
        for line in lines:
            for group in _cut(line, together):
                for chosen in _cut(group, max(planes, 1)):
                    for top in range(0, self._height, rows):
                        yield chosen, range(top, min(top + rows, self._height))

    def run(
        self, chosen: list[tuple[int, int]], band: range, found: dict
    ) -> Iterator[tuple[int, int, int, int, np.ndarray]]:
        """Give time, channel, first row, last row (excluded) and result of some rows of planes."""
        if self._planes.in_place:
            tasks, pieces = self._share_rows(band), self._read
        else:
            tasks, pieces = self._share_parts(chosen, band), self._decode
            self._planes.prepare()
        lanes: dict[tuple, _Lane] = {}
        rectangles = list(dict.fromkeys(rectangle for rectangle, _ in tasks))
        for number, rectangle in enumerate(rectangles):
            for place, index in enumerate(chosen):
                held = self._hold((place, number), rectangle)
                lanes[index, rectangle] = _Lane(rectangle, held, found[index])

        def work(thread: int, wait: Callable, rectangle: _Rectangle, some: list[int]) -> None:
            worker = self._workers[thread]
            for piece in some:
                for index, z, pixels in pieces(piece, rectangle, chosen, worker, found):
                    wait()
                    self._pass(lanes[index, rectangle], z, pixels, worker)

        run_in_turn(work, tasks, self._threads)
        results = self._give_results(lanes)
        rectangles.sort(key=lambda rectangle: (rectangle[0].start, rectangle[1].start))
        for time, channel in chosen:
            for rows in dict.fromkeys(rows for rows, _ in rectangles):
                beside = [results[(time, channel), one] for one in rectangles if one[0] == rows]
                whole = beside[0] if len(beside) == 1 else np.concatenate(beside, axis=1)
                yield time, channel, rows.start, rows.stop, whole

    def _hold(self, place: tuple[int, int], rectangle: "_Rectangle") -> list[np.ndarray]:
        shape = (*self._lead, *map(len, rectangle))
        held = []
        for number, kind in enumerate(self._kinds):
            key = (*place, number, shape)
            if key not in self._memory:
                self._memory[key] = any_array(shape, kind)
            held.append(self._memory[key])
        return held

    def _share_rows(self, band: range) -> list[tuple["_Rectangle", list[int]]]:
        """Share blocks of rows of a window of planes, so that files are read in their order."""
        least = SAMPLED_ROWS if self._lead else _LEAST_ROWS
        share = min(_BLOCK_BYTES // self._read_row, -(-len(band) // self._threads))
        step = max(share // SAMPLED_ROWS * SAMPLED_ROWS, least)
        window = max(1, _WINDOW_BYTES // (len(band) * self._read_row))
        rectangles = [
            (range(top, min(top + step, band.stop)), range(self._width))
            for top in range(band.start, band.stop, step)
        ]
        windows = _cut(list(range(len(self._numbers))), window)
        return [(rectangle, some) for some in windows for rectangle in rectangles]

    def _read(
        self, z: int, rectangle: "_Rectangle", chosen: list, worker: _Worker, found: dict
    ) -> Iterator[tuple[tuple[int, int], int, np.ndarray]]:
        rows, _ = rectangle
        space = worker.space("read", len(rows) * self._read_row)
        index = (*chosen[0], self._numbers[z])
        yield chosen[0], z, self._planes.rows(index, rows.start, rows.stop, space)

    def _share_parts(
        self, chosen: list[tuple[int, int]], band: range
    ) -> list[tuple["_Rectangle", list[int]]]:
        """Share parts, some planes' of a rectangle at a time; few rectangles: one's at a time."""
        starts, shape = self._planes.starts, self._planes.stack.part_shape
        ends = starts + shape
        needed = np.zeros(len(starts), bool)
        for index in chosen:
            needed |= ((starts[:, :2] <= index) & (index < ends[:, :2])).all(axis=1)
        for axis, wanted in ((2, self._numbers), (3, band)):
            needed &= (starts[:, axis] < wanted.stop) & (wanted.start < ends[:, axis])
        lanes: dict[_Rectangle, list[int]] = {}
        numbers = np.flatnonzero(needed)
        for number in numbers[np.lexsort(starts[numbers, 4:1:-1].T)].tolist():
            *_, y, x = starts[number].tolist()
            rows = range(max(y, band.start), min(y + shape[3], band.stop))
            rectangle = rows, range(x, min(x + shape[4], self._width))
            lanes.setdefault(rectangle, []).append(number)
        window = _WINDOW_PARTS if len(lanes) >= 2 * self._threads else 1
        some = {rectangle: _cut(numbers, window) for rectangle, numbers in lanes.items()}
        longest = max(map(len, some.values()))
        return [
            (rectangle, cut[turn])
            for turn in range(longest)
            for rectangle, cut in some.items()
            if turn < len(cut)
        ]

    def _decode(
        self, number: int, rectangle: "_Rectangle", chosen: list, worker: _Worker, found: dict
    ) -> Iterator[tuple[tuple[int, int], int, np.ndarray]]:
        pixels, absent = self._planes.decode(number)
        rows, columns = rectangle
        t, c, z, y, _ = self._planes.starts[number].tolist()
        pixels = pixels[..., rows.start - y : rows.stop - y, : len(columns)]
        times, channels, depth, *size = pixels.shape
        if size != [len(rows), len(columns)]:
            raise ClearfieldError(
                f"{self._planes.stack.source['name']} is damaged: a part of {len(rows)} x "
                f"{len(columns)} pixels has {' x '.join(map(str, size))}"
            )
        for time, channel in chosen:
            if t <= time < t + times and c <= channel < c + channels:
                for at in range(depth):
                    if z + at in self._numbers:
                        if absent:
                            found[time, channel].count_absent(len(rows) * len(columns))
                        plane = pixels[time - t, channel - c, at]
                        yield (time, channel), self._numbers.index(z + at), plane

    def _pass(self, lane: _Lane, z: int, pixels: np.ndarray, worker: _Worker) -> None:
        """Let a rectangle of a plane pass by its results."""
        for top in range(0, len(pixels), self._passed_rows):
            rows = worker.native(pixels[top : top + self._passed_rows])
            if self._dtype.kind == "f":
                rows = _mark_missing(rows, lane.found)
            held = [array[..., top : top + len(rows), :] for array in lane.held]
            (self._step if z else self._start)(held, rows, z)
            first = lane.rows.start + top
            lane.found.sample(z, first, rows, worker.sampling, lane.columns.start)
            lane.note_highest(rows)

    def _give_results(self, lanes: dict[tuple, _Lane]) -> dict[tuple, np.ndarray]:
        for lane in lanes.values():
            lane.found.count(lane.highest, lane.saturated)
        results = {key: lane.held[0] for key, lane in lanes.items()}
        if self._finish is None:
            return results
        if self._lead or self._kinds[0] != self._output:
            results = {
                key: np.empty(lane.held[0].shape[-2:], self._output) for key, lane in lanes.items()
            }

        def finish(key: tuple, top: int) -> None:
            rows = slice(top, top + self._finished_rows)
            held = [array[..., rows, :] for array in lanes[key].held]
            results[key][rows] = self._finish(held, len(self._numbers))

        tasks = [
            (key, top)
            for key, lane in lanes.items()
            for top in range(0, len(lane.rows), self._finished_rows)
        ]
        run_tasks(finish, tasks, self._threads)
        return results


_Rectangle = tuple[range, range]  # rows, columns


def _cut(values: list, length: int) -> list[list]:
    """Cut a list into pieces.

    Examples
    --------
    >>> _cut([1, 2, 3], 2)
    [[1, 2], [3]]
    """
    return [values[at : at + length] for at in range(0, len(values), length)]


def _mark_missing(rows: np.ndarray, statistics: StackStatistics) -> np.ndarray:
    finite = np.isfinite(rows)
    if finite.all():
        return rows
    statistics.count_missing(rows.size - int(np.count_nonzero(finite)))
    return np.where(finite, rows, rows.dtype.type(np.nan))
