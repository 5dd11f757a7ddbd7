"""Write planes as OME-TIFF with deterministic bytes, and read such files back.

A plane of ordinary size is one strip, so that every program down to plain ImageJ opens it; from
`_TILED_FROM` bytes on, planes are tiled BigTIFF. Both are uncompressed and little-endian, with
axes T, C, Z, Y, X in the order of the file.
"""

import hashlib
import json
import math
import re
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np

from ..errors import ClearfieldError
from .whole_files import replacing

_NAMESPACE = "clearfield/provenance"  # of the annotation that holds what we need to read back
_TYPES = ("i1", "i2", "i4", "u1", "u2", "u4", "f4", "f8")  # of pixels, in OME
_NOT_XML = re.compile("[^ -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TILE = 512  # pixels; a row of tiles of the widest plane (65,536 px of 8 bytes) takes 256 MB
_TILED_FROM = 1 << 28  # bytes of a plane
_PIECE_BYTES = 1 << 18  # of a strip handed over at a time: each is a copy, best in the cache
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
    name: str = "",
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
    name : str, optional
        Of the image, as other programs show it.

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
    import uuid

    import tifffile

    dtype = np.dtype(dtype).newbyteorder("<")
    if dtype.str[1:] not in _TYPES:
        raise ClearfieldError(f"{path}: an OME-TIFF has no pixels of type {dtype.name}")
    times, channels, *depth, height, width = (int(length) for length in shape)
    shape = times, channels, *(depth or [1]), height, width
    planes = math.prod(shape[:3])
    tiled = height * width * dtype.itemsize >= _TILED_FROM
    checksum = 0

    def parts() -> Iterator[bytes]:
        """Give pieces of strips or tiles, as bytes: with arrays, a full disk has no errno."""
        nonlocal checksum
        missing = planes * height
        step = _TILE if tiled else max(1, _PIECE_BYTES // (width * dtype.itemsize))
        for *_, first, last, rows in _bands(blocks, height, _TILE) if tiled else blocks:
            if rows.shape != (last - first, width):
                raise ValueError(f"rows {first} to {last} have the shape {rows.shape}")
            missing -= last - first
            for top in range(0, last - first, step):
                part = np.ascontiguousarray(rows[top : top + step], dtype)
                checksum = zlib.crc32(part, checksum)  # a digest would take five times as long
                if not tiled:
                    yield part.tobytes()
                for left in range(0, width, _TILE) if tiled else ():
                    tile = part[:, left : left + _TILE]
                    yield np.pad(tile, [(0, _TILE - length) for length in tile.shape]).tobytes()
        if missing:
            raise ValueError("the blocks do not make up the planes")

    file_bytes = planes * (height * width * dtype.itemsize + 1024) + (1 << 20)
    per_cm = tuple(10_000 / (pixel_size_um.get(axis) or math.inf) for axis in "xy")
    known = all(1e-9 < value < 1 << 32 for value in per_cm)  # what a fraction of TIFF can hold
    with replacing(path) as temporary:
        data = parts()
        big = tiled or file_bytes > _CLASSIC_BELOW
        with tifffile.TiffWriter(temporary, bigtiff=big, byteorder="<") as writer:
            writer.write(
                chain(data), shape=shape, dtype=dtype, photometric="minisblack", metadata=None,
                tile=(_TILE, _TILE) if tiled else None, software="clearfield",
                description="OME-XML, once the pixels are known",
                resolution=per_cm if known else None,
                resolutionunit="centimeter" if known else None,
            )  # fmt: skip
        # tifffile stops at the last tile and closes a generator; a chain it cannot close, so that
        # the maker of the blocks comes to its end.
        for _ in data:
            pass
        with tifffile.TiffFile(temporary, mode="r+") as tif:
            note = {
                "shape": shape,
                "dtype": dtype.str,
                "pixel_size_um": pixel_size_um,
                "channel_names": channel_names,
                "provenance": provenance,
                "tiled": tiled,
                "offsets": [page.dataoffsets[0] for page in tif.pages],
            }
            text = json.dumps(note)
            digest = hashlib.blake2b(f"{checksum} {text}".encode(), digest_size=16).digest()
            xml = tifffile.OmeXml(
                Creator="clearfield", UUID=str(uuid.UUID(bytes=digest, version=5))
            )
            sizes = {axis.upper(): pixel_size_um.get(axis) for axis in "xyz"}
            xml.addimage(
                dtype, shape, (planes, 1, 1, height, width, 1), axes="TCZYX",
                SignificantBits=8 * dtype.itemsize,
                **({"Name": _NOT_XML.sub("\ufffd", name)} if name else {}),
                Channel={"Name": [_NOT_XML.sub("\ufffd", name) for name in channel_names]},
                CommentAnnotation={"Namespace": _NAMESPACE, "Value": text},
                **{f"PhysicalSize{axis}": size for axis, size in sizes.items()},
                **{f"PhysicalSize{axis}Unit": size and "µm" for axis, size in sizes.items()},
            )  # fmt: skip
            text = xml.tostring(declaration=True).encode("ascii", "xmlcharrefreplace")
            tif.pages.first.tags["ImageDescription"].overwrite(text)


def image_name(path: str | Path) -> str:
    """Name an image as its file.

    Examples
    --------
    >>> image_name("results/projections/well 1.ome.tif")
    'well 1'
    """
    return Path(path).name.removesuffix(".ome.tif")


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


class OmeTiff:
    """An OME-TIFF of `write_ome_tiff`.

    Attributes
    ----------
    shape : tuple
        T, C, Y, X.
    dtype, pixel_size_um, channel_names, provenance
        As they were written.
    """

    def __init__(self, path: str | Path, note: dict) -> None:
        times, channels, self._slices, height, width = note["shape"]
        self.shape = (times, channels, height, width)
        self.dtype = np.dtype(note["dtype"])
        self.pixel_size_um: dict[str, float | None] = note["pixel_size_um"]
        self.channel_names: list[str] = note["channel_names"]
        self.provenance: dict = note["provenance"]
        self._path, self._offsets, self._tiled = path, note["offsets"], note["tiled"]

    def plane(self, time: int, channel: int) -> "np.ndarray | TiledPlane":
        """Give the first plane (Z) of a time and channel: a map, or rows to be sliced."""
        offset = self._offsets[(time * self.shape[1] + channel) * self._slices]
        shape = self.shape[2:]
        if not self._tiled:
            return np.memmap(self._path, self.dtype, "r", offset, shape)
        return TiledPlane(self._path, offset, shape, self.dtype)


class TiledPlane:
    """A tiled plane as something with `shape`, `dtype` and slices of rows.

    Its rows are read, not mapped: Grid Engine's h_vmem would count the map of a large plane.
    """

    ndim = 2

    def __init__(
        self, path: str | Path, offset: int, shape: tuple[int, int], dtype: np.dtype
    ) -> None:
        self._path, self._offset, self.shape, self.dtype = path, offset, shape, dtype

    def __getitem__(self, rows: slice) -> np.ndarray:
        first, last, step = rows.indices(self.shape[0])
        if step != 1:
            raise ValueError("a tiled plane gives consecutive rows only")
        width, row_bytes = self.shape[1], _TILE * self.dtype.itemsize
        result = np.empty((max(last - first, 0), width), self.dtype)
        tile = np.empty((_TILE, _TILE), self.dtype)
        with open(self._path, "rb", buffering=0) as file:  # noqa: PTH123
            for top in range(first - first % _TILE, last if last > first else 0, _TILE):
                start, stop = max(first, top), min(last, top + _TILE)
                wanted = tile[: stop - start]
                for left in range(0, width, _TILE):
                    number = top // _TILE * -(-width // _TILE) + left // _TILE
                    file.seek(self._offset + (number * _TILE + start - top) * row_bytes)
                    if file.readinto(wanted) != wanted.nbytes:
                        raise ClearfieldError(_incomplete(self._path))
                    part = result[start - first : stop - first, left : left + _TILE]
                    part[:] = wanted[:, : part.shape[1]]
        return result


def _incomplete(path: str | Path) -> str:
    return f"{path} is no complete OME-TIFF of clearfield; remove it and run again"


def read_ome_tiff(path: str | Path) -> OmeTiff:
    """Open an OME-TIFF that `write_ome_tiff` has written.

    Raises
    ------
    ClearfieldError
        For any other file, and for one that was cut short or changed by another program.
    """
    from xml.etree import ElementTree  # tifffile would cost a job that only reads 50 ms

    try:
        text = _last_text(path)
        found = ElementTree.fromstring(text.rstrip(b"\0")).find(
            f".//{{*}}CommentAnnotation[@Namespace='{_NAMESPACE}']/{{*}}Value"
        )
        return OmeTiff(path, json.loads(found.text))
    except (ValueError, SyntaxError, AttributeError, LookupError):
        raise ClearfieldError(_incomplete(path)) from None


def _last_text(path: str | Path) -> bytes:
    """Give the XML that ends a file, or nothing."""
    with Path(path).open("rb") as file:
        size = file.seek(0, 2)
        for length in (1 << 16, 1 << 20, 1 << 24, 1 << 28):
            file.seek(max(0, size - length))
            end = file.read()
            if (start := end.rfind(b"<?xml")) >= 0:
                return end[start:]
            if length >= size:
                break
    return b""
