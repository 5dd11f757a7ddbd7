"""A check of compound files (OLE, as .oib is one): damaged ones make readers run for ever."""

import struct
from os import PathLike
from pathlib import Path

import numpy as np

from ..errors import ClearfieldError

_SIGNATURE = bytes.fromhex("d0cf11e0a1b11ae1")
_HEADER_BYTES = 512
_LAST_SECTOR = 0xFFFFFFFA  # larger numbers end a chain


def check_chains(path: str | PathLike) -> None:
    """Raise where sectors of a compound file follow one another in a circle.

    Files that do not begin as compound files pass: their readers say what is wrong.
    """
    with Path(path).open("rb") as file:
        header = file.read(_HEADER_BYTES)
        if len(header) < _HEADER_BYTES or not header.startswith(_SIGNATURE):
            return
        (shift,) = struct.unpack_from("<H", header, 30)
        if not 7 <= shift <= 16:
            raise _damaged(path)
        size = 1 << shift

        def sector(number: int) -> np.ndarray:
            file.seek((number + 1) << shift)
            return np.frombuffer(file.read(size).ljust(size, b"\xff"), "<u4")

        count, short, extra, extras = (
            struct.unpack_from("<I", header, at)[0] for at in (44, 60, 68, 72)
        )
        numbers = list(struct.unpack_from("<109I", header, 76))
        for _ in range(min(extras, Path(path).stat().st_size >> shift)):
            if extra > _LAST_SECTOR:
                break
            *more, extra = sector(extra).tolist()
            numbers += more
        sectors = [number for number in numbers[:count] if number <= _LAST_SECTOR]
        following = np.concatenate([sector(n) for n in sectors] or [np.zeros(0, "<u4")])
        if runs_in_circles(following):
            raise _damaged(path)
        parts = []
        while short < following.size:
            parts.append(sector(short))
            short = int(following[short])
        if parts and runs_in_circles(np.concatenate(parts)):
            raise _damaged(path)


def runs_in_circles(following: np.ndarray) -> bool:
    """Tell whether a chain, each entry the number of the next, never ends.

    Examples
    --------
    >>> end = 0xFFFFFFFE
    >>> runs_in_circles(np.array([1, 2, end])), runs_in_circles(np.array([1, 0, end]))
    (False, True)
    """
    size = following.size
    step = np.append(np.minimum(following, size).astype(np.int64), size)  # beyond: the end
    for _ in range(max(size, 1).bit_length()):
        step = step[step]  # twice as far as before
    return bool((step != size).any())


def _damaged(path: str | PathLike) -> ClearfieldError:
    return ClearfieldError(
        f"{path} is damaged: the chain of its sectors has no end; copy it again from its source"
    )
