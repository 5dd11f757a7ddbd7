"""The description of a stack that load_stack hands on: where each plane lies, and what it means."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .errors import ClearfieldError

_ALIGNMENT = 4096  # of decoded pixels in a .stack file: a memory page


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
        start = -(-room // _ALIGNMENT) * _ALIGNMENT
        self.files, self.fingerprints = [""], [[0, 0]]
        self.offsets = [[0, start + plane * self.plane_bytes] for plane in range(planes)]
        line = json.dumps({**vars(self), "data_offset": start}).encode()
        return line.ljust(start - 1) + b"\n"

    def open(self, path: str | Path) -> "Planes":
        """Map the planes; `path` is the .stack file itself.

        Raises
        ------
        ClearfieldError
            Where a file is gone or has changed since the description was written.
        """
        return Planes(self, [file or os.fspath(path) for file in self.files])


class Planes:
    """The planes of a `Stack`, mapped: ``planes[t, c, z]`` is a read-only (Y, X) array."""

    def __init__(self, stack: Stack, paths: list[str]) -> None:
        self.stack, self.paths = stack, paths
        self._opened: set[int] = set()

    def __getitem__(self, index: tuple[int, int, int]) -> np.ndarray:
        stack = self.stack
        file, start = stack.offsets[int(np.ravel_multi_index(index, stack.shape[:3]))]
        if file not in self._opened:
            self.check(file)
            self._opened.add(file)
        # Each plane by itself: what is mapped counts as the job's memory where a scheduler watches
        # it, and a file may be larger than that.
        pixels = np.memmap(self.paths[file], np.uint8, "r", start, (stack.plane_bytes,))
        return pixels.view(np.ndarray).view(stack.dtype).reshape(stack.shape[3:])

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
                raise ClearfieldError(f"{path} has changed or was cut; remove it and run again")
        if file is None:
            for path, known in stack.watched.items():
                check_raw(path, known)


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
    """Size in bytes and modification time in ns: what tells that a file is another one."""
    status = Path(path).stat()
    return [status.st_size, status.st_mtime_ns]


def read_stack(path: str | Path) -> Stack:
    """Read the description from the first line of a .stack file."""
    with Path(path).open("rb") as file:
        line = file.readline()
    try:
        header = json.loads(line)
        header.pop("data_offset", None)
        return Stack(**{**header, "shape": tuple(header["shape"])})
    except (ValueError, TypeError, KeyError):
        raise ClearfieldError(f"{path} is no stack description; remove it and run again") from None
