"""Write planes as OME-TIFF with deterministic bytes, and read such files back.

A plane of ordinary size is one strip, so that every program down to plain ImageJ opens it; from
`_TILED_FROM` bytes on, planes are tiled BigTIFF. Both are uncompressed and little-endian, with
axes T, C, Z, Y, X in the order of the file.

Layout: TIFF 6.0 (Adobe, 1992), BigTIFF, OME-TIFF 2016-06 (schema ome.xsd, Goldberg et al. 2005,
doi:10.1186/gb-2005-6-5-r47).
"""

import hashlib
import json
import mmap
import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from .errors import ClearfieldError
from .files import replacing

_SCHEMA = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
_NAMESPACE = "clearfield/provenance"  # of the annotation that holds what we need to read back
_PIXEL_TYPES = {
    "i1": "int8", "i2": "int16", "i4": "int32", "u1": "uint8", "u2": "uint16", "u4": "uint32",
    "f4": "float", "f8": "double",
}  # fmt: skip
_TILE = 512  # pixels; a row of tiles of the widest plane (65,536 px of 8 bytes) takes 256 MB
_TILED_FROM = 1 << 28  # bytes of a plane
_CLASSIC_BELOW = 4_000_000_000  # bytes of a file; classic TIFF has 32-bit offsets


def write_ome_tiff(
    path: str | Path,
    blocks: Iterable[tuple[int, int, int, int, np.ndarray]],
    *,
    shape: tuple[int, ...],
    dtype: np.dtype | str,
    pixel_size_um: dict[str, float | None],
    channel_names: list[str],
    provenance: dict,
) -> None:
    """Write planes, given in blocks of rows, as one OME-TIFF.

    Parameters
    ----------
    path : path
        Appears only when the file is complete.
    blocks : iterable of (t, c, first_row, last_row, array)
        In T, C, Y order, or (t, c, z, first_row, last_row, array) in T, C, Z, Y order; rows from
        `first_row` to `last_row` (excluded), every row of every plane once.
    shape : tuple
        T, C, Y, X, or T, C, Z, Y, X.
    dtype : dtype
        An integer of up to 32 bits or a float; arrays are converted to it.
    pixel_size_um : dict
        "x", "y", "z" in µm, or None where unknown.
    channel_names : list of str
        C names.
    provenance : dict
        Written as JSON into an annotation.

    Raises
    ------
    ClearfieldError
        Where OME-TIFF has no pixel type for `dtype`.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.ome.tif"
    >>> plane = np.array([[1, 2], [3, 4]], "u1")
    >>> size = {"x": 0.5, "y": 0.5, "z": None}
    >>> write_ome_tiff(path, [(0, 0, 0, 2, plane)], shape=(1, 1, 2, 2), dtype="u1",
    ...                pixel_size_um=size, channel_names=["DAPI"], provenance={"a": 1})
    >>> image = read_ome_tiff(path)
    >>> image.plane(0, 0).tolist(), image.pixel_size_um["x"], image.channel_names
    ([[1, 2], [3, 4]], 0.5, ['DAPI'])
    """
    dtype = np.dtype(dtype).newbyteorder("<")
    if dtype.str[1:] not in _PIXEL_TYPES:
        raise ClearfieldError(f"{path}: an OME-TIFF has no pixels of type {dtype.name}")
    times, channels, *depth, height, width = (int(length) for length in shape)
    slices = depth[0] if depth else 1
    planes = times * channels * slices
    plane_bytes = height * width * dtype.itemsize
    tiled = plane_bytes >= _TILED_FROM
    stored = _tiled_bytes(height, width, dtype.itemsize) if tiled else plane_bytes
    big = tiled or planes * (stored + 1024) + (1 << 20) > _CLASSIC_BELOW
    start = 16 if big else 8  # pixels follow the TIFF header

    digest = hashlib.blake2b(digest_size=16)
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(bytes(start))
        bands = _bands(blocks, height, _TILE) if tiled else blocks
        for *_, first, last, rows in bands:
            rows = np.ascontiguousarray(rows, dtype)
            if rows.shape != (last - first, width):
                raise ValueError(f"rows {first} to {last} have the shape {rows.shape}")
            digest.update(rows)
            if tiled:
                _write_tiles(file, rows)
            else:
                file.write(rows)
        if file.tell() != start + planes * stored:
            raise ValueError("the blocks do not make up the planes")
        sizes = (times, channels, slices, height, width)
        text = _describe(sizes, dtype, pixel_size_um, channel_names, provenance)
        digest.update(text)
        text = text.replace(b"urn:uuid:", b"urn:uuid:" + _uuid(digest.digest()))
        _write_directories(
            file, text, planes=planes, height=height, width=width, dtype=dtype, start=start,
            stored=stored, tiled=tiled, big=big, pixel_size_um=pixel_size_um,
        )  # fmt: skip


def _bands(blocks: Iterable[tuple], height: int, step: int) -> Iterator[tuple]:
    """Cut or join blocks of rows, so that each but a plane's last has `step` rows.

    Examples
    --------
    >>> rows = np.arange(5)[:, None]
    >>> [(a, b) for a, b, _ in _bands([(0, 1, rows[:1]), (1, 5, rows[1:])], 5, 2)]
    [(0, 2), (2, 4), (4, 5)]
    """
    parts: list[np.ndarray] = []
    start, stop = 0, min(step, height)
    for *index, first, last, rows in blocks:
        while first < last:
            take = min(last, stop) - first
            # A block may be used again by its maker: only a whole band goes on as it is.
            parts.append(rows[:take] if take == stop - start else rows[:take].copy())
            first, rows = first + take, rows[take:]
            if first == stop:
                yield *index, start, stop, parts[0] if len(parts) == 1 else np.concatenate(parts)
                parts, start = [], stop % height
                stop = min(start + step, height)


def _write_tiles(file, rows: np.ndarray) -> None:
    """Write a band of up to `_TILE` rows as tiles, edges filled with zeros."""
    tile = np.zeros((_TILE, _TILE), rows.dtype)
    for left in range(0, rows.shape[1], _TILE):
        part = rows[:, left : left + _TILE]
        if part.shape != tile.shape:
            tile[:] = 0
        tile[: part.shape[0], : part.shape[1]] = part
        file.write(tile)


def _tiled_bytes(height: int, width: int, itemsize: int) -> int:
    return -(-height // _TILE) * -(-width // _TILE) * _TILE * _TILE * itemsize


def _uuid(digest: bytes) -> bytes:
    """Format 16 bytes as a UUID of version 8 (RFC 9562: content of one's own making)."""
    number = bytearray(digest)
    number[6] = number[6] & 0x0F | 0x80
    number[8] = number[8] & 0x3F | 0x80
    text = number.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:])).encode()


def _describe(
    shape: tuple[int, ...],
    dtype: np.dtype,
    pixel_size_um: dict[str, float | None],
    channel_names: list[str],
    provenance: dict,
) -> bytes:
    """Give the OME-XML, in which the text "urn:uuid:" still lacks its number."""
    times, channels, slices, height, width = shape
    sizes = "".join(
        f' PhysicalSize{axis.upper()}="{size!r}" PhysicalSize{axis.upper()}Unit="µm"'
        for axis, size in ((axis, pixel_size_um.get(axis)) for axis in "xyz")
        if size is not None
    )
    bits = 8 * dtype.itemsize
    names = "".join(
        f'<Channel ID="Channel:0:{index}" Name="{_escape(name)}" SamplesPerPixel="1"/>'
        for index, name in enumerate(channel_names)
    )
    note = json.dumps(
        {
            "shape": shape,
            "dtype": dtype.str,
            "pixel_size_um": pixel_size_um,
            "channel_names": channel_names,
            "provenance": provenance,
        },
        ensure_ascii=False,
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<OME xmlns="{_SCHEMA}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        f'xsi:schemaLocation="{_SCHEMA} {_SCHEMA}/ome.xsd" '
        f'UUID="urn:uuid:" Creator="clearfield">'
        f'<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" '
        f'Type="{_PIXEL_TYPES[dtype.str[1:]]}" SignificantBits="{bits}" '
        f'SizeX="{width}" SizeY="{height}" SizeZ="{slices}" SizeC="{channels}" SizeT="{times}" '
        f'BigEndian="false" Interleaved="false"{sizes}>{names}'
        f'<TiffData IFD="0" PlaneCount="{times * channels * slices}"/></Pixels></Image>'
        f'<StructuredAnnotations><CommentAnnotation ID="Annotation:0" Namespace="{_NAMESPACE}">'
        f"<Value>{_escape(note)}</Value></CommentAnnotation></StructuredAnnotations></OME>"
    ).encode()


def _escape(text: str) -> str:
    """Escape for XML; characters that XML 1.0 cannot hold become U+FFFD.

    Examples
    --------
    >>> _escape('a<b & "c"')
    'a&lt;b &amp; &quot;c&quot;'
    """
    for mark, name in _MARKS:
        text = text.replace(mark, name)
    return "".join(c if c >= " " and not "\ud800" <= c < "\ue000" else "\ufffd" for c in text)


def _unescape(text: str) -> str:
    for mark, name in reversed(_MARKS):
        text = text.replace(name, mark)
    return text


_MARKS = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"))


def _write_directories(
    file, text: bytes, *, planes: int, height: int, width: int, dtype: np.dtype, start: int,
    stored: int, tiled: bool, big: bool, pixel_size_um: dict[str, float | None],
) -> None:  # fmt: skip
    """Write one directory (IFD) for each plane behind the pixels, and the header before them."""
    pointer, entry = ("Q", "<HHQ8s") if big else ("I", "<HHI4s")
    room = 8 if big else 4  # a value of up to this many bytes stands in the entry itself

    def put(data: bytes) -> int:
        """Write `data` on an even offset, as TIFF wants it; give the offset."""
        file.write(bytes(file.tell() % 2))
        at = file.tell()
        file.write(data)
        return at

    def tag(code: int, kind: str, *values: int) -> bytes:
        number = {"H": 3, "I": 4, "Q": 16, "s": 2, "R": 5}[kind]
        if kind == "s":
            data, count = values[0] + b"\0", len(values[0]) + 1
        elif kind == "R":
            data, count = struct.pack(f"<{2 * len(values)}I", *sum(values, ())), len(values)
        else:
            data, count = struct.pack(f"<{len(values)}{kind}", *values), len(values)
        if len(data) > room:
            data = struct.pack(f"<{pointer}", put(data))
        return struct.pack(entry, code, number, count, data.ljust(room, b"\0"))

    resolution = [_pixels_per_cm(pixel_size_um.get(axis)) for axis in "xy"]
    sample_format = {"u": 1, "i": 2, "f": 3}[dtype.kind]
    first_directory = previous_link = 0
    for plane in range(planes):
        at = start + plane * stored
        tags = [tag(256, "I", width), tag(257, "I", height), tag(258, "H", 8 * dtype.itemsize)]
        tags += [tag(259, "H", 1), tag(262, "H", 1)]
        if plane == 0:
            tags.append(tag(270, "s", text))
        if not tiled:
            tags.append(tag(273, pointer, at))
        tags.append(tag(277, "H", 1))
        if not tiled:
            tags += [tag(278, "I", height), tag(279, pointer, stored)]
        if None not in resolution:
            tags += [tag(282, "R", resolution[0]), tag(283, "R", resolution[1])]
            tags.append(tag(296, "H", 3))  # per centimetre
        tags.append(tag(305, "s", b"clearfield"))
        if tiled:
            size = _TILE * _TILE * dtype.itemsize
            offsets = range(at, at + stored, size)
            tags += [tag(322, "I", _TILE), tag(323, "I", _TILE), tag(324, "Q", *offsets)]
            tags.append(tag(325, "Q", *[size] * len(offsets)))
        tags.append(tag(339, "H", sample_format))
        data = struct.pack("<Q" if big else "<H", len(tags)) + b"".join(tags)
        directory = put(data + struct.pack(f"<{pointer}", 0))
        if previous_link:
            file.seek(previous_link)
            file.write(struct.pack(f"<{pointer}", directory))
            file.seek(0, os.SEEK_END)
        else:
            first_directory = directory
        previous_link = directory + len(data)
    file.seek(0)
    file.write(struct.pack("<2sHHHQ", b"II", 43, 8, 0, first_directory) if big else
               struct.pack("<2sHI", b"II", 42, first_directory))  # fmt: skip


def _pixels_per_cm(size_um: float | None) -> tuple[int, int] | None:
    """Give the resolution as a fraction of 32-bit integers.

    Examples
    --------
    >>> _pixels_per_cm(0.5)
    (20000, 1)
    """
    if not size_um:
        return None
    from fractions import Fraction

    fraction = (10_000 / Fraction(size_um)).limit_denominator(1 << 20)
    if not 0 < fraction.numerator < 1 << 32:
        return None
    return fraction.numerator, fraction.denominator


class OmeTiff:
    """An OME-TIFF of `write_ome_tiff`, mapped.

    Attributes
    ----------
    shape : tuple
        T, C, Y, X.
    dtype, pixel_size_um, channel_names, provenance
        As they were written.
    """

    def __init__(self, pixels: np.ndarray, description: dict, tiled: bool) -> None:
        times, channels, slices, height, width = description["shape"]
        self.shape = (times, channels, height, width)
        self.dtype = np.dtype(description["dtype"])
        self.pixel_size_um: dict[str, float | None] = description["pixel_size_um"]
        self.channel_names: list[str] = description["channel_names"]
        self.provenance: dict = description["provenance"]
        if tiled:
            down, across = -(-height // _TILE), -(-width // _TILE)
            planes = pixels.view(self.dtype).reshape(-1, down, across, _TILE, _TILE)
            self._planes = [TiledPlane(tiles, (height, width)) for tiles in planes]
        else:
            self._planes = pixels.view(self.dtype).reshape(-1, height, width)
        self._slices = slices

    def plane(self, time: int, channel: int) -> "np.ndarray | TiledPlane":
        """Give the first plane (Z) of a time and channel: an array, or rows to be sliced."""
        return self._planes[(time * self.shape[1] + channel) * self._slices]


class TiledPlane:
    """A tiled plane as something with `shape`, `dtype` and slices of rows.

    Examples
    --------
    >>> tiles = np.zeros((1, 2, _TILE, _TILE), "u1")
    >>> tiles[0, 1, 5, 0] = 7
    >>> plane = TiledPlane(tiles, (10, 600))
    >>> plane[5:6].shape, int(plane[5:6][0, 512])
    ((1, 600), 7)
    """

    ndim = 2

    def __init__(self, tiles: np.ndarray, shape: tuple[int, int]) -> None:
        self._tiles, self.shape, self.dtype = tiles, shape, tiles.dtype

    def __getitem__(self, rows: slice) -> np.ndarray:
        first, last, step = rows.indices(self.shape[0])
        if step != 1:
            raise ValueError("a tiled plane gives consecutive rows only")
        result = np.empty((max(last - first, 0), self.shape[1]), self.dtype)
        for row in range(first // _TILE, -(-last // _TILE) if last > first else 0):
            top, bottom = max(first, row * _TILE), min(last, (row + 1) * _TILE)
            for column, tile in enumerate(self._tiles[row]):
                part = result[top - first : bottom - first, column * _TILE :][:, :_TILE]
                part[:] = tile[top - row * _TILE : bottom - row * _TILE, : part.shape[1]]
        mapping = getattr(self._tiles, "_mmap", None)
        if mapping is not None:  # else pages once read count as this process's memory
            mapping.madvise(mmap.MADV_DONTNEED)
        return result


def read_ome_tiff(path: str | Path) -> OmeTiff:
    """Map an OME-TIFF that `write_ome_tiff` has written.

    Raises
    ------
    ClearfieldError
        For any other file, and for one that was cut short or changed by another program.
    """
    with Path(path).open("rb") as file:
        head = file.read(16)
        try:
            big = head[:4] == b"II\x2b\0"
            if not big and head[:4] != b"II\x2a\0":
                raise ValueError
            at = struct.unpack_from("<Q" if big else "<I", head, 8 if big else 4)[0]
            file.seek(at)
            count = struct.unpack("<Q" if big else "<H", file.read(8 if big else 2))[0]
            entry = struct.Struct("<HHQQ" if big else "<HHII")
            tags = {}
            for values in entry.iter_unpack(file.read(min(count, 64) * entry.size)):
                tags[values[0]] = values[2:]
            length, at = tags[270]
            file.seek(at)
            text = file.read(length).decode()
            start = text.index("<Value>", text.index(_NAMESPACE)) + len("<Value>")
            description = json.loads(_unescape(text[start : text.index("</Value>", start)]))
            tiled = 322 in tags
            times, channels, slices, height, width = description["shape"]
            itemsize = np.dtype(description["dtype"]).itemsize
            size = _tiled_bytes(height, width, itemsize) if tiled else height * width * itemsize
            pixels = np.memmap(
                path, np.uint8, "r", 16 if big else 8, (times * channels * slices * size,)
            )
        except (ValueError, KeyError, struct.error):
            raise ClearfieldError(
                f"{path} is no complete OME-TIFF of clearfield; remove it and run again"
            ) from None
    return OmeTiff(pixels, description, tiled)
