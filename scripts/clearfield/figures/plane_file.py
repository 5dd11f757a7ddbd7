"""Planes at full size for the page: a view of a sample in, a script that a page can load out.

A page that was opened from disk may read no file beside it, except by loading it as a script. So a
view is a script that calls one function with JSON. Its planes are whole numbers, as differences
along a row, compressed; integers stay exact. ``web/planes.js`` reads them.
"""

from __future__ import annotations

import base64
import json
import math
import zlib
from pathlib import Path

import numpy as np

from ..results.whole_files import replacing

BLOCK = 128  # rows packed at a time
PIXELS = 1 << 24  # of a plane; a larger one is shown smaller, since a browser holds it in memory


def view_file(channel: int | str, time: int | str) -> str:
    """Name the file of a view.

    Examples
    --------
    >>> view_file(0, 2)
    'c0_t2.js'
    """
    return f"c{channel}_t{time}.js"


def shrink_factor(shape: tuple[int, int], pixels: int = PIXELS) -> int:
    """Give the whole number of pixels that become one, so that a plane has at most `pixels`.

    Examples
    --------
    >>> shrink_factor((2048, 2048)), shrink_factor((5000, 10000))
    (1, 2)
    """
    return max(1, math.ceil(math.sqrt(shape[0] * shape[1] / pixels)))


def pack_plane(plane: np.ndarray, finest: float = 0.0) -> dict:
    """Pack a plane.

    Parameters
    ----------
    plane : (Y, X), integer or float
        Anything with a shape and a dtype whose rows can be sliced; read twice, in blocks of rows.
    finest : float, optional
        The smallest step for floats: where noise is larger, finer ones would only take room.

    Returns
    -------
    dict
        ``data``: base64 of a zlib stream; for each `block` rows the low bytes of all values, then,
        where ``bytes`` is 2, the high ones. A value is the difference to its left neighbour (the
        first of a row: to 0) modulo 256 or 65,536, its sign moved to the last bit. The grey level
        is ``zero + step * value``; ``empty`` is the value of what is no number. Integers that span
        less than 65,535 grey levels have a step of 1; others, and floats, are rounded to 1/65,534
        of their range.

    Examples
    --------
    >>> packed = pack_plane(np.array([[5, 7, 6]], np.uint8))
    >>> packed["zero"], packed["step"], packed["bytes"]
    (5.0, 1.0, 1)
    >>> list(zlib.decompress(base64.b64decode(packed["data"])))  # 0, +2, -1
    [0, 4, 1]
    """
    rows = plane.shape[0]
    low, high = _extremes(plane)
    if plane.dtype.kind == "f":
        step = max((high - low) / 65534, finest) or 1.0
    else:
        step = float(max(1, math.ceil((high - low) / 65534)))
    span = round((high - low) / step)
    wide, signed = (np.uint8, np.int8) if span <= 254 else (np.uint16, np.int16)
    bits = 8 * np.dtype(wide).itemsize
    empty = 2**bits - 1
    packer, parts = zlib.compressobj(1, strategy=zlib.Z_RLE), []
    for first in range(0, rows, BLOCK):
        part = np.asarray(plane[first : first + BLOCK])
        if part.dtype.kind != "f" and step == 1:
            level = (part.astype(np.int64) - int(low)).astype(wide)
        else:
            scaled = np.rint((part.astype(np.float64) - low) / step)
            level = np.where(np.isfinite(scaled), scaled, empty).astype(wide)
        change = level.copy()
        change[:, 1:] -= level[:, :-1]
        number = change.view(signed)
        coded = ((number << 1) ^ (number >> (bits - 1))).view(wide)
        parts.append(packer.compress(coded.astype(np.uint8).tobytes()))
        if bits == 16:
            parts.append(packer.compress((coded >> 8).astype(np.uint8).tobytes()))
    parts.append(packer.flush())
    packed = b"".join(parts)
    del parts  # a large plane is not to be held more often than it has to be
    return {
        "data": base64.b64encode(packed).decode("ascii"), "zero": float(low),
        "step": float(step), "bytes": bits // 8, "block": BLOCK, "empty": empty,
    }  # fmt: skip


def _extremes(plane: np.ndarray) -> tuple[float, float]:
    """Give the smallest and the largest finite level, zeros where there is none."""
    low, high = math.inf, -math.inf
    for first in range(0, plane.shape[0], BLOCK):
        part = np.asarray(plane[first : first + BLOCK])
        if part.dtype.kind == "f":
            part = part[np.isfinite(part)]
        if part.size:
            low, high = min(low, float(part.min())), max(high, float(part.max()))
    return (low, high) if low <= high else (0.0, 0.0)


class Averaged:
    """A plane whose pixels are means of `factor` × `factor` pixels; of what is left over, none."""

    dtype = np.dtype(np.float32)

    def __init__(self, plane: np.ndarray, factor: int) -> None:
        self._plane, self._factor = plane, factor
        self.shape = tuple(max(1, length // factor) for length in plane.shape)

    def __getitem__(self, rows: slice) -> np.ndarray:
        from .grey_image import shrink

        first, last, _ = rows.indices(self.shape[0])
        factor = self._factor
        part = np.asarray(self._plane[first * factor : last * factor])
        return shrink(part, (last - first, self.shape[1]))


def pack_view(planes: dict[str, np.ndarray]) -> dict:
    """Pack the planes of a view.

    Parameters
    ----------
    planes : dict
        ``projection`` and ``background``, and ``result`` where it is not their difference to the
        last bit.

    Returns
    -------
    dict
        ``shape``, ``factor`` by which it is smaller, and ``planes``, packed.
    """
    factor = shrink_factor(planes["projection"].shape)
    if factor > 1:
        planes = {name: Averaged(plane, factor) for name, plane in planes.items()}
    packed = {name: pack_plane(plane) for name, plane in planes.items()}
    return {"shape": list(planes["projection"].shape), "factor": factor, "planes": packed}


def write_view(path: str | Path, view: dict) -> None:
    """Write a view as a script.

    Parameters
    ----------
    path : path
        Whole or absent.
    view : dict
        Of `pack_view`, and ``title``; ``range`` and ``result_range``, grey levels shown black and
        white; ``light``, whether the result is background - projection; ``offset``, what was added
        to it.
    """
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write("clearfieldPlanes(")
        json.dump(view, file, allow_nan=False)  # a plane at a time, not the whole text
        file.write(");\n")
