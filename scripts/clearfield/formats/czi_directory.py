"""The directory of a CZI file: which tiles it holds, and where their data lie."""

import struct
from dataclasses import dataclass
from math import prod
from os import PathLike
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ..errors import ClearfieldError
from .thirdparty import check_claim

_SEGMENT_BYTES = 32  # of the header of each segment: an id, two lengths
# dtype, samples; other types are complex numbers and rare colours.
PIXEL_TYPES = {
    0: ("u1", 1), 1: ("<u2", 1), 2: ("<f4", 1), 12: ("<u4", 1), 13: ("<f8", 1),
    3: ("u1", 3), 4: ("<u2", 3), 8: ("<f4", 3),
}  # fmt: skip


@dataclass(slots=True)
class Tile:
    """A rectangle of one plane at full resolution."""

    pixel_type: int
    compression: int
    place: dict[str, tuple[int, int]]  # dimension -> start, size
    start: int  # of the data in the file
    length: int

    @property
    def shape(self) -> tuple[int, int]:
        """Y, X."""
        return self.place["Y"][1], self.place["X"][1]


def read_directory(file: BinaryIO, path: str | PathLike, size: int) -> tuple[list[Tile], str]:
    """Read the list of tiles at full resolution, and the metadata."""
    head = file.read(_SEGMENT_BYTES + 80)
    if not head.startswith(b"ZISRAWFILE"):
        raise ClearfieldError(
            f"{path} is not a CZI file (it does not begin with ZISRAWFILE); "
            "give it the suffix of what it is"
        )
    part, directory, metadata = struct.unpack_from("<iqq", head, _SEGMENT_BYTES + 48)
    if part:
        raise ClearfieldError(
            f"{path} is part {part} of an image in several files; open its first file in ZEN and "
            "save it as one"
        )
    _check_parts(path, head[_SEGMENT_BYTES + 16 : _SEGMENT_BYTES + 32])
    if directory <= 0:
        raise ClearfieldError(
            f"{path} has no list of its tiles: it is still being written, or ZEN was ended before "
            "it was; open it in ZEN and save it"
        )
    body = _segment(file, path, size, directory, b"ZISRAWDIRECTORY")
    (count,) = struct.unpack_from("<i", body)
    found, at = [], 128
    planes: dict[bool, set] = {True: set(), False: set()}  # at full resolution, or at another
    for _ in range(count):
        schema, kind, position, _, compression, _, dimensions = struct.unpack_from(
            "<2siqiiB5xi", body, at
        )
        if schema != b"DV":
            raise ClearfieldError(
                f"{path} lists its tiles in a form that is not known here ({schema!r}); "
                "export it as OME-TIFF"
            )
        place, full = {}, True
        for number in range(dimensions):
            name, start, length, _, stored = struct.unpack_from(
                "<4siifi", body, at + 32 + 20 * number
            )
            letter = name.rstrip(b"\0").decode("ascii")
            place[letter] = start, length
            full &= letter not in "XY" or stored in (0, length)
        entry_bytes = 32 + 20 * dimensions
        at += entry_bytes
        planes[full].add(tuple(place[axis][0] if axis in place else None for axis in "TCZ"))
        if full:  # else it is of the pyramid
            if not 0 < position <= size - _SEGMENT_BYTES:
                raise _truncated(path, size)
            found.append((position, entry_bytes, Tile(kind, compression, place, 0, 0)))
    for position, entry_bytes, tile in found:
        tile.start, tile.length = _locate(file, path, size, position, entry_bytes, tile)
    for plane in planes[False] - planes[True]:
        if not any(_may_be(plane, other) for other in planes[True]):
            places = zip("TCZ", plane, strict=True)
            where = " ".join(f"{axis}={number}" for axis, number in places if number is not None)
            raise ClearfieldError(
                f"{path} has the plane {where or 'of its image'} only with pixels of another size "
                "(reduced, binned or super-resolved); export it from ZEN as a file of its own"
            )
    if not found:
        raise ClearfieldError(f"{path} holds no image; copy it again from its source")
    xml = ""
    if metadata:
        body = _segment(file, path, size, metadata, b"ZISRAWMETADATA")
        (length,) = struct.unpack_from("<i", body)
        xml = body[256 : 256 + length].decode("utf-8", errors="replace").rstrip("\0")
    return [plane for _, _, tile in found for plane in _split_planes(tile)], xml


def _split_planes(tile: Tile) -> list[Tile]:
    """Take a block of several planes apart; its first dimension counts fastest."""
    sizes = {axis: size for axis, (_, size) in tile.place.items() if size > 1 and axis not in "XY"}
    name, samples = PIXEL_TYPES.get(tile.pixel_type, ("u1", 1))
    plane_bytes = prod(tile.shape) * samples * np.dtype(name).itemsize
    if not sizes or tile.compression or tile.length != plane_bytes * prod(sizes.values()):
        return [tile]
    axes = list(sizes)[::-1]
    return [
        Tile(
            tile.pixel_type,
            tile.compression,
            tile.place | {a: (tile.place[a][0] + n, 1) for a, n in zip(axes, numbers, strict=True)},
            tile.start + count * plane_bytes,
            plane_bytes,
        )
        for count, numbers in enumerate(np.ndindex(*(sizes[axis] for axis in axes)))
    ]


def _may_be(plane: tuple, other: tuple) -> bool:
    """Tell whether two planes have no number that differs; tiles may leave dimensions out."""
    return all(a == b or a is None or b is None for a, b in zip(plane, other, strict=True))


def _check_parts(path: str | PathLike, identity: bytes) -> None:
    """Raise where a file beside is part of this image; how parts are named is fixed."""
    here = Path(path)
    for space in (" ", ""):
        beside = here.with_name(f"{here.stem}{space}(1){here.suffix}")
        if beside.is_file():
            with beside.open("rb") as file:
                head = file.read(_SEGMENT_BYTES + 52)
            if head.startswith(b"ZISRAWFILE") and head[48:64] == identity and any(head[80:84]):
                raise ClearfieldError(
                    f"{path} is an image in several files ({beside.name} is its next part); "
                    "open it in ZEN and save it as one"
                )


def _segment(file: BinaryIO, path: str | PathLike, size: int, position: int, name: bytes) -> bytes:
    """Read the body of a segment."""
    file.seek(max(position, 0))
    head = file.read(_SEGMENT_BYTES)
    if len(head) < _SEGMENT_BYTES or head[:16].rstrip(b"\0") != name:
        raise _truncated(path, size)
    allocated, used = struct.unpack_from("<qq", head, 16)
    length = used or allocated
    if not 0 <= length <= size - position - _SEGMENT_BYTES:
        raise _truncated(path, size)
    return file.read(length)


def _truncated(path: str | PathLike, size: int) -> ClearfieldError:
    return ClearfieldError(
        f"{path} is truncated or damaged: what its {size} bytes refer to is not there; "
        "copy it again from its source"
    )


def _locate(
    file: BinaryIO,
    path: str | PathLike,
    size: int,
    position: int,
    entry_bytes: int,
    tile: Tile,
) -> tuple[int, int]:
    """Find offset and length of a tile's data."""
    file.seek(position)
    head = file.read(_SEGMENT_BYTES + 16)
    if len(head) < _SEGMENT_BYTES + 16 or not head.startswith(b"ZISRAWSUBBLOCK"):
        raise _truncated(path, size)
    metadata, attachment, length = struct.unpack_from("<iiq", head, _SEGMENT_BYTES)
    start = position + _SEGMENT_BYTES + max(256, 16 + entry_bytes) + metadata
    if min(metadata, attachment, length) < 0 or start + length + attachment > size:
        raise _truncated(path, size)
    name, samples = PIXEL_TYPES.get(tile.pixel_type, ("u1", 1))
    check_claim(path, length, (*tile.shape, samples), np.dtype(name).itemsize)
    return start, length
