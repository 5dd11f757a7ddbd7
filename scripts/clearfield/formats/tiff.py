"""The series of a TIFF file, and where their pixels lie: in place, or in parts to be decoded."""

import logging
import math
import mmap
import os
import struct
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO, NamedTuple
from xml.etree import ElementTree

import numpy as np
import tifffile

from ..errors import ClearfieldError
from .omexml import check_description, read_companion
from .series import Series, split_positions
from .tiffmeta import check_planes, describe, scanimage_axes, stk_axis

# Bytes that one byte of a codec can stand for at most, rounded up; what claims more is damaged or
# made to exhaust memory. Deflate: 258 bytes in 2 bits (RFC 1951). PackBits: 128 in 2. LZW: a
# string of at most 3837 in 9 bits (TIFF 6.0). Others repeat blocks of up to 128 KB in a few bytes.
_EXPANSION = {1: 1, 5: 4000, 8: 1040, 32946: 1040, 50013: 1040, 32773: 64}
_EXPANSION_ELSE = 50_000
_VALUE_BYTES = {
    1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8,
    18: 8,
}  # fmt: skip
# Where tifffile means something else by a letter than clearfield does: phases, lifetimes and tiles
# of OME-TIFF, positions of Micro-Manager and FluoView.
_LETTERS = {"ome": {"P": "H", "H": "L", "R": "M"}, "ndtiff": {"R": "P"}, "mmstack": {"R": "P"},
            "fluoview": {"R": "P"}}  # fmt: skip
_OF_POSITIONS = {"lsm", "mmstack", "ndtiff", "fluoview"}
# Tags that say how the pixels of a page are to be understood, and what they are where not written.
_LAYOUT = {256: 0, 257: 0, 258: 1, 259: 1, 266: 1, 277: 1, 278: 2**32, 284: 1, 317: 1, 322: 0,
           323: 0, 339: 1}  # fmt: skip
_UNLIKE = (
    "cannot be read as one stack: its pages differ in size, type or compression; save it again"
)
_DIRECTORY_BYTES = 512  # that most directories fit in
_BAND_BYTES = 1 << 20  # worth a task of its own when decoding


class _Directory(NamedTuple):
    """What is wanted of the directory (IFD) of a page.

    Attributes
    ----------
    start : int or None
        Where its pixels begin, if the directory says it itself.
    layout : tuple
        The file's byte order and the values of `_LAYOUT`.
    """

    start: int | None
    layout: tuple


def open_series(path: str) -> list[Series]:
    """List the series of a TIFF: plain, ImageJ, OME, STK, LSM, NDTiff, ...; full resolution only.

    Raises
    ------
    ClearfieldError
        Where the file is empty, no TIFF, cut short, damaged, or claims more than it can hold.
    """
    name = Path(path).name
    with _quiet() as messages:
        try:
            file, xml = path, None
            if path.lower().endswith(".ome"):
                file, xml = read_companion(path)
            directories = _check_directories(file, Path(file).name)
            with _open(file, xml) as tif:
                check_planes(tif, Path(file).name)
                _check_first_page(tif, Path(file).name)
                _check_all_described(tif, directories, Path(file).name)
                every = list(enumerate(_join_pages(tif.series)))
                whole = [one for one in every if not one[1].keyframe.is_reduced]
                found = [
                    part
                    for number, series in whole or every  # some call all pages reduced
                    for part in _split(
                        _series(tif, series, number, file, directories), series.kind, file
                    )
                ]
        except (ClearfieldError, MemoryError, OSError):
            raise
        except Exception as error:
            cause = messages[-1] if messages else f"{type(error).__name__}: {error}"
            if "incompatible keyframe" in str(error):
                raise ClearfieldError(f"{name} {_UNLIKE}") from None
            if "index" in cause and "out of range" in cause:
                cause = "its description promises pages that are not there"
            raise ClearfieldError(f"{name} is a damaged TIFF file ({cause:.200})") from error
    if any("ndtiff_index" in message for message in messages):
        raise ClearfieldError(f"{name} lies beside an NDTiff.index that is cut short or damaged")
    if not found:
        raise ClearfieldError(f"{name} holds no image")
    return found


def _open(path: str, xml: str | None) -> tifffile.TiffFile:
    """Open a TIFF, with OME-XML of another file or mended where its own will not do."""
    if xml is None:
        # For ScanImage it would count pages by the size of the file, and miss the last one.
        tif = tifffile.TiffFile(path, is_scanimage=False)
        try:
            text, size = tif.pages.first.description, tif.filehandle.size
            xml = check_description(text, path, size, needed=not tif.is_mmstack)
        except BaseException:
            tif.close()
            raise
        if xml is None:
            _prefer_ome(tif)
            return tif
        tif.close()
    tif = tifffile.TiffFile(path, omexml=xml)
    _prefer_ome(tif)
    return tif


def _prefer_ome(tif: tifffile.TiffFile) -> None:
    """Read a file by its OME-XML that has tifffile's own description, too, as nd2 exports have.

    Unless it is that of another file, which a script copied.
    """
    if tif.is_ome and tif.is_shaped:
        claimed = sum(
            math.prod(int(pixels.get(f"Size{axis}")) for axis in "XYZCT")
            for pixels in ElementTree.fromstring(tif.ome_metadata).iterfind("{*}Image/{*}Pixels")
        )
        tif.is_shaped = claimed != len(tif.pages) * tif.pages.first.size


def _join_pages(found: list[tifffile.TiffPageSeries]) -> list[tifffile.TiffPageSeries]:
    """Take pages for one stack that were written one by one: tifffile makes each a series."""
    if len(found) < 2:
        return found
    first, page = found[0], found[0].keyframe
    if any(
        (one.kind, one.name, one.shape, one.keyframe.hash)
        != ("shaped", first.name, page.shape, page.hash)
        for one in found
    ):
        return found
    pages, shape = [one.keyframe for one in found], (len(found), *page.shape)
    return [tifffile.TiffPageSeries(pages, shape, page.dtype, f"I{page.axes}", kind="shaped")]


def _split(series: Series, kind: str, path: str) -> list[Series]:
    """Make positions series; of Micro-Manager's those in this file, as each may have its own."""
    if kind not in _OF_POSITIONS:
        return [series]
    parts = split_positions(series)
    if kind == "mmstack" and series.offsets is not None:
        own = [Path(file).name == Path(path).name for file in series.files]
        parts = [part for part in parts if any(own[file] for file in part.offsets[:, 0].tolist())]
    return parts


@contextmanager
def _quiet() -> Iterator[list[str]]:
    """Keep tifffile's log and warnings from the user; give its messages instead."""
    messages: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    logger = logging.getLogger("tifffile")
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield messages
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate


def _check_directories(path: str, name: str) -> dict[int, _Directory]:
    """Follow the chain of directories (IFDs); raise where it leaves the file or runs in a circle.

    tifffile would take what it finds up to there for the whole file.

    Returns
    -------
    dict
        The directories by their place, in their order.
    """
    size = Path(path).stat().st_size
    if size == 0:
        raise ClearfieldError(f"{name} is empty (0 bytes)")
    with Path(path).open("rb", buffering=0) as file:
        head = file.read(16)
        order = {b"II": "<", b"MM": ">"}.get(head[:2])
        version = struct.unpack(order + "H", head[2:4])[0] if order and len(head) >= 8 else 0
        if version not in (42, 43) or (version == 43 and len(head) < 16):
            start = head[:8].decode("latin-1").encode("unicode_escape").decode()
            raise ClearfieldError(f'{name} is no TIFF file: it begins with "{start}"')
        big = version == 43
        count_format, link_format, entry = ("Q", "Q", 20) if big else ("H", "I", 12)
        count_size, link_size = struct.calcsize(count_format), struct.calcsize(link_format)
        at = struct.unpack_from(order + link_format, head, 8 if big else 4)[0]
        found: dict[int, _Directory] = {}
        read_directory = _DirectoryReader(order, big).read
        while at:
            number = len(found) + 1
            if at in found:
                raise ClearfieldError(
                    f"{name} is damaged: its list of pages runs in a circle after page {number - 1}"
                )
            body = link = b""
            file.seek(min(at, size))
            read = file.read(_DIRECTORY_BYTES)
            if len(read) >= count_size:
                entries = struct.unpack_from(order + count_format, read)[0]
                if entries <= 4096:
                    end = count_size + entries * entry
                    if len(read) < end + link_size:
                        read += file.read(end + link_size - len(read))
                    body, link = read[count_size:end], read[end : end + link_size]
            if len(link) < link_size:
                raise ClearfieldError(
                    f"{name} is cut short or damaged: page {number} should be described at byte "
                    f"{at}, and the file has {size} bytes"
                )
            if number == 1:
                _check_values(file, at + count_size, entries, order, big, size, name)
            found[at] = read_directory(body)
            at = struct.unpack(order + link_format, link)[0]
        if not found:
            raise ClearfieldError(f"{name} holds no image")
    return found


class _DirectoryReader:
    """Reads directories; most differ from the one before only in where the pixels begin."""

    def __init__(self, order: str, big: bool) -> None:
        self._order, self._entry = order, struct.Struct(order + ("HHQ8s" if big else "HHI4s"))
        self._body, self._place, self._form = b"", 0, ""  # of the one before; where its start is
        self._layout: tuple = ()

    def read(self, body: bytes) -> _Directory:
        place, before = self._place, self._body
        end = place + struct.calcsize(self._form)
        if place and body[:place] == before[:place] and body[end:] == before[end:]:
            return _Directory(struct.unpack_from(self._form, body, place)[0], self._layout)
        values, start, self._place = dict(_LAYOUT), None, 0
        for index, (code, kind, count, value) in enumerate(self._entry.iter_unpack(body)):
            if code in values or code == 273:
                form = {3: "H", 4: "I", 16: "Q"}.get(kind)
                number = None
                if form and count == 1:
                    number = struct.unpack_from(self._order + form, value)[0]
                if code != 273:
                    values[code] = -count if number is None else number
                elif number is not None and kind != 3:
                    start, self._form = number, self._order + form
                    self._place = (index + 1) * self._entry.size - len(value)
        values[278] = min(values[278], values[257])  # one strip is as high as it says or higher
        self._body, self._layout = body, (self._order, *values.values())
        return _Directory(start, self._layout)


def _check_values(
    file: BinaryIO, at: int, entries: int, order: str, big: bool, size: int, name: str
) -> None:
    """Raise where the values of a directory lie beyond the end of the file."""
    entry = struct.Struct(order + ("HHQQ" if big else "HHII"))
    file.seek(at)
    for code, kind, count, offset in entry.iter_unpack(file.read(entries * entry.size)):
        length = count * _VALUE_BYTES.get(kind, 0)
        if length > (8 if big else 4) and offset + length > size:
            raise ClearfieldError(
                f"{name} is cut short or damaged: tag {code} lies at byte {offset}, and the file "
                f"has {size} bytes"
            )


def _check_first_page(tif: tifffile.TiffFile, name: str) -> None:
    """Raise where the first page contradicts itself, or ImageJ's planes are not all there."""
    page = tif.pages.first
    # tifffile takes 24 bits for packed ones; they are bytes in the file's order.
    if page.dtype is None or (_bits(page) == 24 and page.dtype.kind != "f"):
        raise ClearfieldError(
            f"{name} has pixels of {page.bitspersample} bits (sample format "
            f"{int(page.sampleformat)}), which cannot be read; save it with 8, 16 or 32 bits"
        )
    # Micro-Manager describes its files for ImageJ too, and tifffile reads its own description.
    if tif.is_imagej and tif.series[0].kind in ("generic", "uniform"):
        meta = tif.imagej_metadata or {}
        planes = math.prod(meta.get(key, 1) for key in ("frames", "slices", "channels"))
        raise ClearfieldError(
            f"{name} is cut short: ImageJ wrote {planes} planes of {page.nbytes} bytes, "
            f"and the file has {tif.filehandle.size} bytes"
        )


def _series(
    tif: tifffile.TiffFile,
    series: tifffile.TiffPageSeries,
    number: int,
    path: str,
    directories: dict[int, _Directory],
) -> Series:
    name = Path(path).name
    starts = [directory.start for directory in directories.values()]
    keyframe = series.keyframe
    if series.transform is not None:
        raise ClearfieldError(
            f"{name} is a scan of a gel, whose pixels are not intensities but stand for them (as "
            "square roots); open it in ImageJ and save it as TIFF"
        )
    dtype = np.dtype(series.dtype)
    if tif.is_lsm and dtype == np.uint32:  # SampleFormat is missing; LSM has no such integers
        dtype = np.dtype("f4")
    shape = tuple(int(length) for length in series.shape)
    letters = _LETTERS.get(series.kind, {})
    axes = "".join(letters.get(axis, axis) for axis in series.axes.upper())
    if series.kind == "stk" and len(axes) == len(keyframe.axes) + 1:
        axes = stk_axis(tif) + keyframe.axes
    elif series.kind == "stk" and len(starts) > 1:  # a page for each plane; tifffile has the first
        shape, axes = (len(starts), *shape), f"I{axes}"
    if series.kind == "imagej":
        _check_order(tif, dict(zip(axes, shape, strict=True)), name)
    if series.kind == "imagej" and len(starts) == 1 and keyframe.is_final:
        shape, axes = _count_images(tif, shape, axes, name)
    if keyframe.is_scanimage and series.kind == "uniform" and len(series) > 1:
        lead, lengths = scanimage_axes(tif, len(series))
        shape, axes = (*lengths, *keyframe.shape), lead + keyframe.axes
    claimed = math.prod(shape) * dtype.itemsize
    available = tif.filehandle.size
    here = keyframe.parent is tif and not series.is_multifile
    if not here:
        available = sum(Path(file).stat().st_size for file in _files(series))
    if 0 in shape or claimed > available * _expansion(keyframe):
        raise ClearfieldError(
            f"{name} is cut short or damaged: it claims {' x '.join(map(str, shape))} pixels "
            f"({claimed} bytes), more than its {available} bytes can hold"
        )
    values = keyframe.tags.get(258)  # BitsPerSample
    samples = keyframe.samplesperpixel
    if values is not None and values.count != samples and not (tif.is_lsm or tif.is_stk):
        raise ClearfieldError(
            f"{name} is damaged: BitsPerSample has {values.count} "
            f"value{'s' * (values.count != 1)} for {samples} samples per pixel"
        )
    result = Series(
        name=series.name or "", axes=axes, shape=shape, dtype=dtype, read=None,
        **describe(tif, series, number, dict(zip(axes, shape, strict=True)).get("C", 1)),
    )  # fmt: skip
    pages = _scattered_pages(tif, series, starts, name)
    if pages is None and series.dataoffset is not None and here:
        _set_contiguous(result, series.dataoffset, tif, path)
    else:
        pages = pages or list(series)
        _check_alike(pages, directories if here else None, name)
        _set_pages(result, pages, keyframe, path)
    return result


def _check_alike(pages: list, directories: dict[int, _Directory] | None, name: str) -> None:
    """Raise where pages differ in what tifffile takes from the first one for all of them."""
    found: dict[str, dict[int, _Directory]] = {}
    layouts = set()
    for page in pages:
        if page is not None and page.offset:
            path = page.parent.filehandle.path
            if path not in found:
                found[path] = directories or _check_directories(path, Path(path).name)
            if page.offset in found[path]:
                layouts.add(found[path][page.offset].layout)
    if len(layouts) > 1:
        raise ClearfieldError(f"{name} {_UNLIKE}")


def _check_all_described(
    tif: tifffile.TiffFile, directories: dict[int, _Directory], name: str
) -> None:
    """Raise where OME-XML has fewer planes than the file, which would be lost.

    Pages unlike the first are thumbnails, labels or other images, and may be more.
    """
    if any(series.kind != "ome" or series.is_multifile for series in tif.series):
        return
    layouts = [directory.layout for directory in directories.values()]
    pages, described = layouts.count(layouts[0]), sum(len(series) for series in tif.series)
    if pages > described:
        raise ClearfieldError(
            f"{name} contradicts itself: its OME-XML describes {described} "
            f"plane{'s' * (described != 1)} and it has {pages} (was the XML copied from another "
            "file?); save it again from its source"
        )


def _check_order(tif: tifffile.TiffFile, sizes: dict[str, int], name: str) -> None:
    """Raise where the planes may be in another order than an ImageJ description implies.

    Bio-Formats writes one into plain TIFFs, and the planes in whatever order its source had.
    """
    others = sizes.get("Z", 1) * sizes.get("T", 1)
    if "Bio-Formats" in tif.pages.first.software and sizes.get("C", 1) > 1 and others > 1:
        raise ClearfieldError(
            f"{name} does not say whether its channels or its slices and frames come first, as "
            "Bio-Formats writes plain TIFFs; convert the original again, to .ome.tiff, or where "
            "ImageJ shows the channels rightly save it from there"
        )


def _count_images(
    tif: tifffile.TiffFile, shape: tuple[int, ...], axes: str, name: str
) -> tuple[tuple[int, ...], str]:
    """Compare the planes behind ImageJ's only directory with their axes, which tifffile goes by."""
    images, planes = tif.imagej_metadata.get("images", 1), math.prod(shape) // tif.pages.first.size
    if planes == 1 < images:
        return (images, *shape), f"I{axes}"
    if images > planes and tif.filehandle.size > images * tif.pages.first.nbytes:
        raise ClearfieldError(
            f"{name} contradicts itself: ImageJ's description has {images} images, and axes for "
            f"{planes} of them; open it in ImageJ, set its dimensions and save it again"
        )
    return shape, axes


def _scattered_pages(
    tif: tifffile.TiffFile, series: tifffile.TiffPageSeries, starts: list[int | None], name: str
) -> list | None:
    """Give the pages of an ImageJ file whose planes do not follow one another, else None.

    tifffile takes them to do so wherever there is room for them; a program that wrote the file
    anew may have put them elsewhere. Also those of MetaMorph where a page is a plane.
    """
    if series.kind == "stk" and len(starts) > 1 and series.size == series.keyframe.size:
        return list(tif.pages)
    if series.kind != "imagej" or len(starts) == 1:
        return None
    page = series.keyframe
    planes = math.prod(series.shape) // page.size
    if len(starts) != planes:
        raise ClearfieldError(
            f"{name} contradicts itself: ImageJ's description has {planes} planes and the file "
            f"{len(starts)} pages; save it in ImageJ again"
        )
    if starts == [page.dataoffsets[0] + number * page.nbytes for number in range(planes)]:
        return None
    return list(tif.pages)


def _bits(page: tifffile.TiffPage) -> int:
    bits = page.bitspersample
    return min(bits) if isinstance(bits, tuple) else bits


def _set_contiguous(series: Series, offset: int, tif: tifffile.TiffFile, path: str) -> None:
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


def _expansion(keyframe: tifffile.TiffPage) -> int:
    """Give how many bytes of pixels one byte of a page can stand for at most."""
    unpacked = -(-keyframe.dtype.itemsize * 8 // max(_bits(keyframe), 1))  # of packed pixels
    return _EXPANSION.get(int(keyframe.compression), _EXPANSION_ELSE) * unpacked


def _files(pages: Iterable) -> list[str]:
    return list(dict.fromkeys(page.parent.filehandle.path for page in pages if page is not None))


def _set_pages(series: Series, pages: list, keyframe: tifffile.TiffPage, path: str) -> None:
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
    absolute = _files(pages)
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
        _set_bands(series, pages, files)


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


def _set_bands(series: Series, pages: list, files: list[int]) -> None:
    """Describe pages whose strips or tiles have to be decoded or put together."""
    keyframe = pages[0].keyframe
    name = Path(series.files[0]).name
    samples, depth, height, width, interleaved = keyframe.shaped
    codec = keyframe.compression
    if codec != 1:
        try:
            tifffile.TIFF.DECOMPRESSORS[codec]
        except KeyError as error:
            # tifffile's message names the package where that would help.
            mend = (
                "needs the package imagecodecs; install it into load_stack's environment"
                if "imagecodecs" in str(error)
                else "cannot be read; save it with LZW"
            )
            raise ClearfieldError(
                f"{name} is compressed with {getattr(codec, 'name', codec)}, which {mend}"
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
    for page in pages if codec != 1 else ():
        if claimed > max(page.databytecounts) * _expansion(keyframe):
            raise ClearfieldError(
                f"{name} is damaged: page {page.index} (counted from 0) claims strips or tiles of "
                f"{claimed} bytes, more than they can hold"
            )
    row_bytes = width * interleaved * series.dtype.itemsize
    group = max(1, _BAND_BYTES // (rows * row_bytes))  # rows of segments in a band
    read_at = _reader(series.files)
    decode_segment = keyframe.decode

    def bands(plane: int) -> list[tuple[int, int, Callable[[], list[np.ndarray]]]]:
        rest, k = divmod(plane, interleaved)
        rest, layer = divmod(rest, depth)
        number, sample = divmod(rest, samples)
        page, file = pages[number], files[number]
        base = (sample * -(-depth // tile_depth) + layer // tile_depth) * down * across

        def decode(first: int, last: int) -> list[np.ndarray]:
            top, bottom = first * rows, min(last * rows, height)
            strips = []
            result = np.empty((bottom - top, width), series.dtype) if across > 1 else None
            for segment in range(base + first * across, base + last * across):
                data = read_at(file, page.dataoffsets[segment], page.databytecounts[segment])
                try:
                    part, (_, _, y, x, _), _ = decode_segment(
                        data, segment, jpegtables=page.jpegtables
                    )
                    part = part[layer % tile_depth, ..., k]
                    if series.dtype.kind == "f" and part.dtype.kind == "u":  # of LSM
                        part = part.view(series.dtype)
                except MemoryError:
                    raise
                except Exception as error:
                    what = (
                        f"page {page.index} (counted from 0) cannot be decoded "
                        f"({type(error).__name__}: {error!s:.150})"
                    )
                    name = Path(series.files[file]).name
                    if find_spec("imagecodecs") is None:  # tifffile's own codecs are not all whole
                        raise ClearfieldError(
                            f"{name}: {what} without the package imagecodecs; install it into "
                            "load_stack's environment"
                        ) from error
                    raise ClearfieldError(f"{name} is damaged: {what}") from error
                part = part[: bottom - y, : width - x]
                if result is None:
                    strips.append(part)
                else:
                    result[y - top : y - top + part.shape[0], x : x + part.shape[1]] = part
            return strips if result is None else [result]

        return [
            (first * rows, min((first + group) * rows, height),
             lambda first=first: decode(first, min(first + group, down)))
            for first in range(0, down, group)
        ]  # fmt: skip

    lengths = series.index_shape

    def read(index: tuple[int, ...]) -> np.ndarray:
        plane = int(np.ravel_multi_index(index, lengths)) if index else 0
        parts = [part for _, _, decode in bands(plane) for part in decode()]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    series.bands, series.read = bands, read


def _reader(files: list[str]) -> Callable[[int, int, int], memoryview | bytes]:
    """Give ``read(file, offset, count)``; up to 64 files stay mapped as long as it lives."""
    maps: dict[int, memoryview] = {}
    lock = threading.Lock()

    def read_at(file: int, offset: int, count: int) -> memoryview | bytes:
        with lock:
            if file not in maps and len(maps) < 64:
                with Path(files[file]).open("rb") as stream:
                    maps[file] = memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
        if file in maps:
            return maps[file][offset : offset + count]
        with Path(files[file]).open("rb", buffering=0) as stream:
            stream.seek(offset)
            return stream.read(count)

    return read_at
