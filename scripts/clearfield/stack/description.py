"""The description of a stack that load_stack hands on: where each plane lies, and what it means."""

import json
import mmap
import os
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from weakref import WeakValueDictionary

import numpy as np

from ..errors import ClearfieldError
from ..filters.memory import new_array
from ..formats.remote import is_remote, look_up

_PAGE = 4096  # bytes of memory; decoded pixels in a .stack file begin at one
_CACHE_LINE = 64
_OPEN_FILES = 64
_LARGE_PAGE = 1 << 21
_PART_BYTES = 1 << 28  # of a file that are mapped at a time; whole large pages
_MAPPED_BYTES = 3 * (_PART_BYTES + (1 << 22))  # in all, at most
_WORTH_BYTES = 1 << 26  # of a stack: below, to find out whether maps are fast costs what they save
_PLACES = 8  # where it is found out whether maps are fast
_FAULT_AROUND = 1 << 16  # bytes that one page fault maps at least
_FAULT_BYTES = 5 << 16  # that it has to map, or a copy costs less
_NO_MAP = (OSError, ValueError, OverflowError)  # why a file is read: not in memory, no room, cut
_NOTHING = np.empty(0, np.uint8)


@dataclass
class Stack:
    """A stack of planes, T, C, Z, Y, X, each plane uncompressed in a file.

    Attributes
    ----------
    shape : tuple of int
        T, C, Z, Y, X.
    dtype : str
        As numpy writes it, byte order included, e.g. ">u2".
    files : list of str
        Paths as written; "" is the .stack file itself, whose pixels follow its header.
    offsets : list of [int, int]
        Index into `files` and byte offset of each plane, in T, C, Z order.
    pixel_size_um : dict
        "x", "y", "z": micrometres or None.
    channel_names : list of str
        One for each channel.
    saturation_level : int or None
        The largest grey level of the detector, where the file's metadata say it.
    source : dict
        "name" (file name without folder), "bytes", "series".
    settings : dict
        Those of load_stack, for provenance.
    fingerprints : list of [int, int]
        Size in bytes and modification time in ns of each of `files`; [0, 0] for "".
    watched : dict of str
        The same of the raw files of a decoded stack, by path.
    boot : str
        In which start of which machine a decoded stack was written (`this_boot`), where the pixels
        may not be on the disk yet; else empty.
    """

    shape: tuple[int, int, int, int, int]
    dtype: str
    files: list[str]
    offsets: list[list[int]]
    pixel_size_um: dict[str, float | None]
    channel_names: list[str]
    saturation_level: int | None
    source: dict
    settings: dict
    fingerprints: list[list[int]] = field(default_factory=list)
    watched: dict[str, list[int]] = field(default_factory=dict)
    boot: str = ""

    @property
    def plane_bytes(self) -> int:
        """Bytes of one plane."""
        return self.shape[3] * self.shape[4] * np.dtype(self.dtype).itemsize

    def header(self, decoded: bool = False) -> bytes:
        """Give the first line of a .stack file; with `decoded`, padded so that pixels follow it.

        With `decoded`, `files`, `offsets` and `fingerprints` are set to say so.
        """
        if not decoded:
            return json.dumps(vars(self)).encode() + b"\n"
        planes = self.shape[0] * self.shape[1] * self.shape[2]
        # 32 bytes are more than an offset takes.
        room = len(json.dumps(vars(self))) + 32 * (planes + 4)
        start = -(-room // _PAGE) * _PAGE
        self.files, self.fingerprints = [""], [[0, 0]]
        self.offsets = [[0, start + plane * self.plane_bytes] for plane in range(planes)]
        line = json.dumps({**vars(self), "data_offset": start}).encode()
        return line.ljust(start - 1) + b"\n"

    def open(self, path: str | Path) -> "Planes":
        """Give the planes, to be read; `path` is the .stack file itself.

        Raises
        ------
        ClearfieldError
            Where a file is gone or has changed since the description was written.
        """
        return Planes(self, [file or os.fspath(path) for file in self.files])


class Planes:
    """The planes of a `Stack`; ``planes[t, c, z]`` reads one, a (Y, X) array."""

    def __init__(self, stack: Stack, paths: list[str]) -> None:
        self.stack, self.paths = stack, paths
        self._dtype = np.dtype(stack.dtype)  # each block of rows asks for these
        self._row_bytes = stack.shape[4] * self._dtype.itemsize
        self._opened: set[int] = set()
        self._parts: WeakValueDictionary = WeakValueDictionary()
        self._open = lru_cache(_OPEN_FILES)(self._open_file)  # a plane may be a file of its own

    def __getitem__(self, index: tuple[int, int, int]) -> np.ndarray:
        return self.rows(index, 0, self.stack.shape[3])

    def rows(
        self, index: tuple[int, int, int], first: int, last: int, space: np.ndarray | None = None
    ) -> np.ndarray:
        """Read some rows of a plane; from any thread.

        Parameters
        ----------
        index : t, c, z
        first, last : int
            Rows, the last one excluded.
        space : array, optional
            Of `reading_space` for as many bytes, where the rows will lie; else new memory is taken.
        """
        file, start, size = self._place(index, first, last)
        if space is None:
            space = reading_space(size)
        # A page of the file goes to a page of memory: other copies took 12 % more of a whole
        # projection. To whole cache lines, which is what the processor computes with.
        begin = start % _PAGE // _CACHE_LINE * _CACHE_LINE
        raw, opened, done = space[begin : begin + size], self._open(file), 0
        while done < size:
            count = os.preadv(opened.descriptor, [raw[done:]], start + done)
            if not count:
                self.check(file)
                raise ClearfieldError(_cut(self.paths[file]))
            done += count
        return self._shaped(raw, last - first)

    def _place(self, index: tuple[int, int, int], first: int, last: int) -> tuple[int, int, int]:
        """Give file, byte offset and bytes of some rows."""
        (time, channel, z), (_, channels, depth, _, _) = index, self.stack.shape
        file, start = self.stack.offsets[(time * channels + channel) * depth + z]
        return file, start + first * self._row_bytes, (last - first) * self._row_bytes

    def is_mapped_fast(self) -> bool:
        """Tell whether a map of the files costs less than to read them.

        It saves a copy, and with it a fifth of a projection, where the system holds the files in
        large pages; in pages of 4 KB, each touch of 64 KB is a page fault, and it takes twice as
        long. So page faults are counted in some places. Files that are not in memory are read, and
        so are those whose file system (a network's, for one) does not tell: there, a page fault may
        find the file cut or its server gone, which ends a process without a word.
        """
        stack, faults, touched = self.stack, 0, 0
        if len(stack.offsets) * stack.plane_bytes < _WORTH_BYTES or not _may_map():
            return False
        size = min(stack.plane_bytes, _LARGE_PAGE)
        for place in range(_PLACES):  # in other planes, and in other rows of these
            file, start = stack.offsets[(2 * place + 1) * len(stack.offsets) // (2 * _PLACES)]
            start += (stack.plane_bytes - size) * place // _PLACES
            begin = start // _LARGE_PAGE * _LARGE_PAGE
            end = -(-(start + size) // _LARGE_PAGE) * _LARGE_PAGE
            try:
                mapped = self._open(file).map(begin, end, start, size)
            except _NO_MAP:
                return False
            before = _page_faults()
            mapped[start - begin :][:size:_FAULT_AROUND].max()
            faults += _page_faults() - before
            touched += size
        return faults * _FAULT_BYTES <= touched

    def _part(self, file: int, number: int, block_bytes: int, *needed: int) -> np.ndarray:
        """Map a part of a file and a block more; the same for every thread that is there.

        An OSError where `_MAPPED_BYTES` are mapped: threads that are far from each other shall not
        take more memory.
        """
        part = self._parts.get((file, number))
        if part is None:
            begin, size = number * _PART_BYTES, _PART_BYTES + block_bytes
            parts = [part() for part in self._parts.valuerefs()]  # safe while others add some
            if sum(len(part) for part in parts if part is not None) + size > _MAPPED_BYTES:
                raise OSError("enough is mapped")
            part = self._open(file).map(begin, begin + size, *needed)
            self._parts[file, number] = part
        return part

    def _shaped(self, raw: np.ndarray, rows: int) -> np.ndarray:
        return raw.view(self._dtype).reshape(rows, -1)

    def _open_file(self, file: int) -> "_OpenFile":
        self.check(file)
        self._opened.add(file)
        return _OpenFile(self.paths[file])

    def check(self, file: int | None = None) -> None:
        """Raise where a raw file (default: any that was used) is not the one that was loaded.

        What was decoded is whole, but a raw file that is newer than it and older than the results
        would look as if the results were up to date.
        """
        stack = self.stack
        for number in self._opened if file is None else [file]:
            path = self.paths[number]
            if stack.files[number]:
                check_raw(path, stack.fingerprints[number])
                continue
            end = max(at for index, at in stack.offsets if index == number) + stack.plane_bytes
            if Path(path).stat().st_size != end:
                raise ClearfieldError(_cut(path))
        if file is None:
            for path, known in stack.watched.items():
                check_raw(path, known)


def reading_space(size: int) -> np.ndarray:
    """Take memory for `Planes.rows` to read up to `size` bytes into: (size + 4096) uint8."""
    return new_array((size + _PAGE,), np.uint8)


class RowReader:
    """Gives rows of planes to one thread, of a map of the file or by `Planes.rows`.

    Parameters
    ----------
    planes : Planes
    block_bytes : int
        Of the rows asked for at a time, at most; the same for all readers of the planes.
    maps : bool
        Whether to map (`Planes.is_mapped_fast`).
    """

    def __init__(self, planes: Planes, block_bytes: int, *, maps: bool) -> None:
        self._planes, self._block_bytes, self._maps = planes, block_bytes, maps
        self._space = reading_space(block_bytes)
        self._file, self._begin, self._map = -1, 0, _NOTHING

    def rows(self, index: tuple[int, int, int], first: int, last: int) -> np.ndarray:
        """Give some rows of a plane, the last one excluded, to be used before the next call."""
        if self._maps:
            file, start, size = self._planes._place(index, first, last)
            if self._is_mapped(file, start, size) or self._map_part(file, start, size):
                begin = start - self._begin
                return self._planes._shaped(self._map[begin : begin + size], last - first)
        return self._planes.rows(index, first, last, self._space)

    def _is_mapped(self, file: int, start: int, size: int) -> bool:
        return file == self._file and 0 <= start - self._begin <= len(self._map) - size

    def _map_part(self, file: int, start: int, size: int) -> bool:
        """Map the part of a file where so many bytes begin, if that is possible."""
        self._map = _NOTHING  # the part before is given back once no other thread holds it
        number = start // _PART_BYTES
        self._file, self._begin = file, number * _PART_BYTES
        with suppress(*_NO_MAP):
            self._map = self._planes._part(file, number, self._block_bytes, start, size)
        return self._is_mapped(file, start, size)


def _may_map() -> bool:
    """Tell whether there is Linux, and no limit to addresses, in which maps leave no room."""
    import resource

    unlimited = resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY
    return unlimited and hasattr(os, "RWF_NOWAIT")


def _page_faults() -> int:
    """Count the page faults of this thread that the disk had no part in."""
    import resource

    return resource.getrusage(resource.RUSAGE_THREAD).ru_minflt


class _OpenFile:
    """A file that is closed when nobody reads from it any more."""

    def __init__(self, path: str) -> None:
        self.descriptor = os.open(path, os.O_RDONLY)

    def map(self, begin: int, end: int, start: int, size: int) -> np.ndarray:
        """Map bytes from `begin`, a multiple of the page size, to `end` or the file's end.

        An error of `_NO_MAP` where `size` bytes from `start` are not all in the file, or the system
        does not say that it holds them in memory.
        """
        for offset in (start, start + size - 1):
            if not os.preadv(self.descriptor, [bytearray(1)], offset, os.RWF_NOWAIT):
                raise OSError("the file ends before")
        length = min(end, os.fstat(self.descriptor).st_size) - begin
        mapped = mmap.mmap(self.descriptor, length, mmap.MAP_SHARED, mmap.PROT_READ, offset=begin)
        return np.frombuffer(mapped, np.uint8)

    def __del__(self) -> None:
        with suppress(AttributeError):  # it could not be opened
            os.close(self.descriptor)


def _cut(path: str) -> str:
    return f"{path} has changed or was cut; remove it and run again"


def check_raw(path: str, known: list[int]) -> None:
    """Raise where a raw file is gone, or has another fingerprint than it had."""
    try:
        now = fingerprint(path)
    except FileNotFoundError:
        raise ClearfieldError(
            f"{path} is gone since it was loaded; put it back, and run the same command again"
        ) from None
    if now != known:
        raise ClearfieldError(
            f"{path} has changed since it was loaded; run the same command again once nothing "
            "writes to it any more"
        )


def fingerprint(path: str) -> list[int]:
    """Size in bytes and modification time in ns: what tells that a file is another one.

    Of a store on a server it is what `look_up` gives as its version.
    """
    if is_remote(path):
        return [look_up(path).version]
    status = Path(path).stat()
    return [status.st_size, status.st_mtime_ns]


def this_boot() -> str:
    """Name this machine and its last start; empty where the system does not tell it."""
    try:
        start = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
    return f"{os.uname().nodename} {start}"


def read_stack(path: str | Path) -> Stack:
    """Read the description from the first line of a .stack file.

    Raises
    ------
    ClearfieldError
        Where it is none, or the machine has started anew since it decoded the pixels, which may not
        all have reached the disk. The file is then removed: it is made again from the raw one.
    """
    with Path(path).open("rb") as file:
        line = file.readline()
    try:
        header = json.loads(line)
        header.pop("data_offset", None)
        stack = Stack(**{**header, "shape": tuple(header["shape"])})
    except (ValueError, TypeError, KeyError):
        Path(path).unlink()
        raise ClearfieldError(
            f"{path} is no stack description (did the power fail?) and has been removed; run the "
            "same command again"
        ) from None
    now = this_boot()
    if stack.boot and stack.boot != now and stack.boot.split()[0] == now.split()[0]:
        Path(path).unlink()
        raise ClearfieldError(
            f"{path} was decoded before this machine started anew and may lack pixels, so it has "
            "been removed; run the same command again"
        )
    return stack
