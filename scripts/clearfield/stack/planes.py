"""A described stack in; out come its pixels, read or decoded from the raw files."""

import os
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property, lru_cache

import numpy as np

from ..errors import ClearfieldError
from ..filters.parallel import run_tasks
from ..formats.same_file import check_raw
from .description import Stack

_OPEN_FILES = 64
_BLOCK_BYTES = 1 << 24  # of rows that are read at a time
_SLAB_BYTES = 1 << 28  # of planes that are put together from parts at a time


class Planes:
    """The planes of a `Stack`; ``planes[t, c, z]`` gives one, a (Y, X) array."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.stored = np.dtype(stack.stored)
        self._row_bytes = stack.shape[4] * self.stored.itemsize
        self._opened: set[int] = set()
        self._open = lru_cache(_OPEN_FILES)(self._open_file)  # a plane may be a file of its own

    def __getitem__(self, index: tuple[int, int, int]) -> np.ndarray:
        height = self.stack.shape[3]
        if self.in_place:
            return self.rows(index, 0, height)
        return self._join([index], range(height), 1)[0]

    @property
    def in_place(self) -> bool:
        """Whether the planes lie in the files as they are."""
        return bool(self.stack.offsets)

    # ---- planes that lie in the files as they are ----

    def rows(
        self, index: tuple[int, int, int], first: int, last: int, space: np.ndarray | None = None
    ) -> np.ndarray:
        """Read some rows of a plane that lies in its file as it is; from any thread.

        Parameters
        ----------
        index : t, c, z
        first, last : int
            Rows, the last one excluded.
        space : uint8 array, optional
            Of as many bytes or more, where the rows will lie; else new memory is taken.
        """
        (time, channel, z), (_, channels, depth, _, _) = index, self.stack.shape
        file, start = self.stack.offsets[(time * channels + channel) * depth + z]
        size = (last - first) * self._row_bytes
        raw = np.empty(size, np.uint8) if space is None else space[:size]
        self._read_into(raw, file, start + first * self._row_bytes)
        return raw.view(self.stored).reshape(last - first, -1)

    # ---- encoded parts ----

    @cached_property
    def starts(self) -> np.ndarray:
        """T, C, Z, Y, X where each part begins: int64 (parts, 5)."""
        return np.array([part[:5] for part in self.stack.parts], np.int64).reshape(-1, 5)

    @cached_property
    def _decode(self):
        from ..formats.parts import open_decoder

        stack = self.stack
        for path, known in stack.watched.items():
            check_raw(path, known)
        if "file" in stack.codec:
            self._open(stack.codec["file"])
        try:
            return open_decoder(stack.codec, stack.files, self._read_bytes)
        except Exception:  # the likelier reason for whatever went wrong
            for number in range(len(stack.files)):
                self.check(number)
            raise

    def prepare(self) -> None:
        """Open what decodes the parts, before threads ask for them."""
        if not self.in_place:
            self._decode  # noqa: B018

    def decode(self, number: int) -> tuple[np.ndarray, bool]:
        """Decode a part; from any thread.

        Returns
        -------
        array
            T, C, Z, Y, X, of the file's dtype in any byte order; it may reach beyond the stack.
        absent : bool
            Whether it was never stored, and holds what its format then means.
        """
        stack = self.stack
        pixels = self._decode(stack.parts[number][5])
        if pixels is None:
            return np.broadcast_to(self.stored.type(stack.codec["fill"]), stack.part_shape), True
        return self._in_order(pixels), False

    def _in_order(self, pixels: np.ndarray) -> np.ndarray:
        """Bring a decoded part to T, C, Z, Y, X."""
        axes = self.stack.part_axes
        letters = [axis for axis in axes if isinstance(axis, str)]
        inner = pixels.reshape(*self.stack.decoded_shape[:-2], *pixels.shape[-2:])
        inner = inner[tuple(slice(None) if isinstance(axis, str) else axis for axis in axes)]
        inner = inner.transpose([letters.index(axis) for axis in "TCZYX" if axis in letters])
        lengths = iter(inner.shape)
        return inner.reshape([next(lengths) if axis in letters else 1 for axis in "TCZYX"])

    def _join(self, indices: list[tuple[int, int, int]], rows: range, threads: int) -> np.ndarray:
        """Decode what some rows of some planes consist of: (planes, rows, X)."""
        shape = self.stack.part_shape
        result = np.empty((len(indices), len(rows), self.stack.shape[4]), self.stored)
        wanted = np.array(indices)
        first, height = self.starts[:, :3], self.starts[:, 3]
        near = (height < rows.stop) & (rows.start < height + shape[3])
        for axis in range(3):
            near &= first[:, axis] <= wanted[:, axis].max()
            near &= wanted[:, axis].min() < first[:, axis] + shape[axis]

        def place(number: int) -> None:
            inside = wanted - self.starts[number, :3]
            held = np.flatnonzero(np.all((inside >= 0) & (inside < shape[:3]), axis=1))
            if not len(held):
                return
            pixels, _ = self.decode(number)
            y, x = self.starts[number, 3:].tolist()
            top, bottom = max(y, rows.start), min(y + pixels.shape[3], rows.stop)
            for plane in held.tolist():
                target = result[plane, top - rows.start : bottom - rows.start, x:]
                part = pixels[tuple(inside[plane])][top - y : bottom - y, : target.shape[1]]
                target[:, : part.shape[1]] = part

        self.prepare()
        run_tasks(place, [(number,) for number in np.flatnonzero(near).tolist()], threads)
        return result

    # ---- all of it, in order ----

    def blocks(self, threads: int) -> Iterator[tuple[int, int, int, int, int, np.ndarray]]:
        """Give all planes as t, c, z, first row, last row (excluded), rows; in T, C, Z, Y order.

        Parts that reach over more planes than 256 MB hold are decoded again for each so many.
        """
        times, channels, depth, height, _ = self.stack.shape
        indices = list(np.ndindex(times, channels, depth))
        step = max(1, _BLOCK_BYTES // self._row_bytes)
        together = 1
        if not self.in_place:
            together = max(1, _SLAB_BYTES // (height * self._row_bytes))
            deep = self.stack.part_shape[2]
            together = min(together // deep * deep or together, len(indices))
            # So many rows of parts as there may be in memory, where one plane is too large.
            high = self.stack.part_shape[3]
            step = height if together > 1 else max(1, _SLAB_BYTES // self._row_bytes // high) * high
        for number in range(0, len(indices), together):
            some = indices[number : number + together]
            for first in range(0, height, step):
                last = min(first + step, height)
                if self.in_place:
                    yield *some[0], first, last, self.rows(some[0], first, last)
                else:
                    joined = self._join(some, range(first, last), threads)
                    for index, rows in zip(some, joined, strict=True):
                        yield *index, first, last, rows
        self.check()

    # ---- the files ----

    def _read_bytes(self, file: int, start: int, size: int) -> bytes:
        opened = self._open(file)  # held: what no one holds is closed
        data = os.pread(opened.descriptor, size, start)
        if len(data) == size:
            return data
        raw = np.empty(size, np.uint8)  # more than the system gives at a time, or cut
        self._read_into(raw, file, start)
        return raw.tobytes()

    def _read_into(self, raw: np.ndarray, file: int, start: int) -> None:
        opened, done = self._open(file), 0
        while done < len(raw):
            count = os.preadv(opened.descriptor, [raw[done:]], start + done)
            if not count:
                self.check(file)
                raise ClearfieldError(
                    f"{self.stack.files[file]} has changed or was cut; remove it and run again"
                )
            done += count

    def _open_file(self, file: int) -> "_OpenFile":
        self.check(file)
        self._opened.add(file)
        return _OpenFile(self.stack.files[file])

    def check(self, file: int | None = None) -> None:
        """Raise where a raw file (default: any that was used) is not the one that was loaded."""
        stack = self.stack
        for number in self._opened if file is None else [file]:
            check_raw(stack.files[number], stack.fingerprints[number])
        if file is None:
            for path, known in stack.watched.items():
                check_raw(path, known)


class _OpenFile:
    """A file that is closed when nobody reads from it any more."""

    def __init__(self, path: str) -> None:
        self.descriptor = os.open(path, os.O_RDONLY)

    def __del__(self) -> None:
        with suppress(AttributeError):  # it could not be opened
            os.close(self.descriptor)
