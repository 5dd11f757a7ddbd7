"""A series of a TIFF file in; out comes where its pixels lie: in place, or in coded parts."""

import math
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import tifffile

from ..errors import ClearfieldError
from .parts import Parts, plane_reader
from .series import Series
from .tiff_segments import describe_codec, table_number

# Bytes that one byte of a codec can stand for at most, rounded up; what claims more is damaged or
# made to exhaust memory. Deflate: 258 bytes in 2 bits (RFC 1951). PackBits: 128 in 2. LZW: a
# string of at most 3837 in 9 bits (TIFF 6.0). Others repeat blocks of up to 128 KB in a few bytes.
_EXPANSION = {1: 1, 5: 4000, 8: 1040, 32946: 1040, 50013: 1040, 32773: 64}


_EXPANSION_ELSE = 50_000


_PART_BYTES = 1 << 18  # decoded, of strips or tiles that are taken together


def bits_of(page: tifffile.TiffPage) -> int:
    """Give the bits of one sample of a page."""
    bits = page.bitspersample
    return min(bits) if isinstance(bits, tuple) else bits


def set_contiguous(series: Series, offset: int, tif: tifffile.TiffFile, path: str) -> None:
    """Describe pixels that lie in the file as one array."""
    series.dtype = series.dtype.newbyteorder(tif.byteorder)
    end = offset + math.prod(series.shape) * series.dtype.itemsize
    if offset < 0 or end > tif.filehandle.size:
        raise ClearfieldError(
            f"{Path(path).name} is cut short: its {' x '.join(map(str, series.shape))} pixels end "
            f"at byte {end}, and the file has {tif.filehandle.size} bytes"
        )
    order, shape, dtype = series.order, series.shape, series.dtype

    def read(index: tuple[int, ...]) -> np.ndarray:
        pixels = np.memmap(path, dtype, "r", offset, shape)
        return pixels.transpose(order)[index]

    series.read = read
    if order == list(range(len(order))):
        planes = math.prod(shape[:-2])
        step = math.prod(shape[-2:]) * dtype.itemsize
        series.files = [path]
        series.offsets = np.stack(
            [np.zeros(planes, np.int64), offset + step * np.arange(planes)], axis=1
        )


def expansion(keyframe: tifffile.TiffPage) -> int:
    """Give how many bytes of pixels one byte of a page can stand for at most."""
    unpacked = -(-keyframe.dtype.itemsize * 8 // max(bits_of(keyframe), 1))  # of packed pixels
    return _EXPANSION.get(int(keyframe.compression), _EXPANSION_ELSE) * unpacked


def files_of(pages: Iterable) -> list[str]:
    """List the files in which pages lie, each once."""
    return list(dict.fromkeys(page.parent.filehandle.path for page in pages if page is not None))


def set_pages(series: Series, pages: list, keyframe: tifffile.TiffPage, path: str) -> None:
    """Describe pixels that lie in pages, each a plane or several."""
    name = Path(path).name
    samples, depth, height, width, interleaved = keyframe.shaped
    y = series.axes.find("Y")
    missing = sum(page is None or not any(page.databytecounts) for page in pages)
    expected = math.prod(series.shape) // keyframe.size
    if len(pages) > expected:
        raise ClearfieldError(
            f"{name} contradicts itself: its description has {expected} planes of "
            f"{width} x {height} pixels and the file {len(pages)} pages"
        )
    if missing or len(pages) * keyframe.size != math.prod(series.shape):
        raise ClearfieldError(
            f"{name} is incomplete: {expected - len(pages) + missing} of the {expected} pages that "
            "its description promises are not there (an acquisition that was stopped?)"
        )
    if series.axes[y : y + 2] != "YX" or series.shape[y : y + 2] != (height, width) or (
        math.prod(series.shape[y + 2 :]) != interleaved
    ):  # fmt: skip
        raise ClearfieldError(
            f"{name} has the axes {series.axes}, which do not fit its pages of {width} x {height} "
            "pixels"
        )
    folder, here = Path(path).parent, Path(path).parent.absolute()
    absolute = files_of(pages)
    series.files = [str(folder / os.path.relpath(file, here)) for file in absolute]
    numbers = {file: number for number, file in enumerate(absolute)}
    files = [numbers[page.parent.filehandle.path] for page in pages]
    byte_orders = {page.parent.byteorder for page in pages}
    if interleaved == depth == 1 and len(byte_orders) == 1 and all(map(_is_contiguous, pages)):
        size = height * width * series.dtype.itemsize
        series.dtype = series.dtype.newbyteorder(byte_orders.pop())
        series.offsets = np.array(
            [
                (file, page.dataoffsets[0] + sample * size)
                for file, page in zip(files, pages, strict=True)
                for sample in range(samples)
            ],
            np.int64,
        ).reshape(-1, 2)
        sizes = np.array([Path(file).stat().st_size for file in series.files])
        start = series.offsets[:, 1]
        cut = (start < 0) | (start + size > sizes[series.offsets[:, 0]])
        if cut.any():
            raise ClearfieldError(
                f"{name} is cut short: {int(cut.sum())} of its {len(cut)} planes lie beyond its end"
            )
        _set_read_in_place(series)
    else:
        _set_parts(series, pages, files)


def _is_contiguous(page: tifffile.TiffPage | tifffile.TiffFrame) -> bool:
    """Whether a page's pixels are uncompressed and in one run; tifffile looks at the first only."""
    if not page.is_final:
        return False
    offsets, counts = page.dataoffsets, page.databytecounts
    if len(offsets) == 1:
        return True
    return sum(counts) == page.nbytes and all(
        offsets[i] + counts[i] == offsets[i + 1] for i in range(len(offsets) - 1)
    )


def _set_read_in_place(series: Series) -> None:
    files, offsets, dtype = series.files, series.offsets, series.dtype
    lengths = series.index_shape
    shape = series.plane_shape

    def read(index: tuple[int, ...]) -> np.ndarray:
        file, offset = offsets[int(np.ravel_multi_index(index, lengths)) if index else 0]
        return np.memmap(files[file], dtype, "r", int(offset), shape)

    series.read = read


def _set_parts(series: Series, pages: list, files: list[int]) -> None:
    """Describe pages whose strips or tiles have to be decoded or put together."""
    keyframe, paths = pages[0].keyframe, files_of(pages)
    if keyframe.parent.filehandle.path not in paths:
        keyframe = pages[0].aspage()
    name = Path(series.files[0]).name
    samples, depth, height, width, interleaved = keyframe.shaped
    compression = keyframe.compression
    if compression != 1:
        try:
            tifffile.TIFF.DECOMPRESSORS[compression]
        except KeyError as error:
            # tifffile's message names the package where that would help.
            mend = (
                "needs the package imagecodecs; install it into load_stack's environment"
                if "imagecodecs" in str(error)
                else "cannot be read; save it with LZW"
            )
            raise ClearfieldError(
                f"{name} is compressed with {getattr(compression, 'name', compression)}, which "
                f"{mend}"
            ) from None
    for page, file in zip(pages, files, strict=True):
        size = Path(series.files[file]).stat().st_size
        if min(page.databytecounts, default=0) == 0 or any(
            offset < 0 or offset + count > size or isinstance(offset + count, float)
            for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True)
        ):
            raise ClearfieldError(
                f"{Path(series.files[file]).name} is cut short or incomplete: pixels of page "
                f"{page.index} (counted from 0) are missing"
            )
    if keyframe.is_tiled:
        tile_depth, rows, across = (
            keyframe.tiledepth,
            keyframe.tilelength,
            -(-width // keyframe.tilewidth),
        )
    else:
        tile_depth, rows, across = 1, keyframe.rowsperstrip, 1
    rows = min(rows, height)
    down = -(-height // rows)
    segments = samples * -(-depth // tile_depth) * down * across
    for page in pages:
        if min(len(page.dataoffsets), len(page.databytecounts)) < segments:
            raise ClearfieldError(
                f"{name} is damaged: page {page.index} (counted from 0) of {width} x {height} "
                f"pixels has {len(page.dataoffsets)} strips or tiles instead of {segments}"
            )
    # A tile is decoded as a whole, also where it is larger than the image.
    claimed = (keyframe.tilelength * keyframe.tilewidth if keyframe.is_tiled else rows * width) * (
        tile_depth * interleaved * series.dtype.itemsize
    )
    for page in pages if compression != 1 else ():
        if claimed > max(page.databytecounts) * expansion(keyframe):
            raise ClearfieldError(
                f"{name} is damaged: page {page.index} (counted from 0) claims strips or tiles of "
                f"{claimed} bytes, more than they can hold"
            )
    codec = describe_codec(keyframe, paths.index(keyframe.parent.filehandle.path), series.dtype)
    tile_width = keyframe.tilewidth if keyframe.is_tiled else width
    shape = (1, 1, tile_depth, interleaved, rows, tile_width)
    sizes = (len(pages), samples, depth, interleaved, height, width)
    segment_bytes = math.prod(shape) * series.dtype.itemsize
    together = max(1, _PART_BYTES // segment_bytes)  # else a call costs more than what it decodes
    wide = min(together, across)
    high = min(together // across, down) if wide == across and tile_depth == 1 else 1
    starts, where = [], []
    part_shape = (*shape[:4], high * rows, wide * tile_width)
    for number, (page, file) in enumerate(zip(pages, files, strict=True)):
        table = table_number(codec, page.jpegtables)
        offsets, counts = page.dataoffsets, page.databytecounts
        layers = np.ndindex(samples, -(-depth // tile_depth))
        for plane, (sample, layer) in enumerate(layers):
            for top in range(0, down, high):
                for left in range(0, across, wide):
                    first = (plane * down + top) * across + left
                    beside = min(wide, across - left)
                    last = first + (min(high, down - top) * across if high > 1 else beside)
                    places = zip(offsets[first:last], counts[first:last], strict=True)
                    starts.append(
                        (number, sample, layer * tile_depth, 0, top * rows, left * tile_width)
                    )
                    head = [file, page.index if isinstance(page.index, int) else number, table]
                    where.append([*head, first, beside, *(int(n) for one in places for n in one)])
    parts = Parts(codec, part_shape, starts, where, series.files)
    read_plane = plane_reader(parts, sizes, series.dtype)

    def read(index: tuple[int, ...]) -> np.ndarray:
        plane = int(np.ravel_multi_index(index, series.index_shape)) if index else 0
        return read_plane(np.unravel_index(plane, sizes[:4]))

    series.read = read
    found = _over_axes(parts, sizes[:4], series.index_shape)
    series.parts = None if found is None else lambda: found


def _over_axes(
    parts: Parts, page_sizes: tuple[int, int, int, int], lengths: tuple[int, ...]
) -> Parts | None:
    """Describe parts of pages, samples, depth and interleaved samples over a series' axes.

    None where an axis of the series goes across some of these.
    """
    _, *inner = page_sizes
    split = next(
        (n for n in range(len(lengths), -1, -1) if math.prod(lengths[n:]) == math.prod(inner)), None
    )
    if split is None or [n for n in lengths[split:] if n > 1] != [n for n in inner if n > 1]:
        return None
    several = [n for n in range(3) if inner[n] > 1]
    own = [split + n for n, length in enumerate(lengths[split:]) if length > 1]
    starts = np.zeros((len(parts.starts), len(lengths) + 2), np.int64)
    shape = [1] * len(lengths) + list(parts.shape[-2:])
    if split:
        starts[:, :split] = np.transpose(np.unravel_index(parts.starts[:, 0], lengths[:split]))
    for axis, number in zip(own, several, strict=True):
        starts[:, axis] = parts.starts[:, 1 + number]
        shape[axis] = parts.shape[1 + number]
    starts[:, -2:] = parts.starts[:, -2:]
    return Parts(parts.codec, tuple(shape), starts, parts.where, parts.files)
