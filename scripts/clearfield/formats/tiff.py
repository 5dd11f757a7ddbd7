"""The series of a TIFF file, and where their pixels lie: in place, or in parts to be decoded."""

import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import tifffile

from ..errors import ClearfieldError
from .micromanager_index import check_planes, name_positions
from .omexml import check_description, name_images, read_companion
from .series import Series, split_positions
from .tiff_directories import Directory, check_directories
from .tiff_places import expansion, files_of, set_contiguous, set_pages
from .tiff_refusals import check_first_page, drop_attached, list_reduced, say_palette
from .tiffmeta import describe, scanimage_axes, stk_axis

# Where tifffile means something else by a letter than clearfield does: phases, lifetimes and tiles
# of OME-TIFF, positions of Micro-Manager and FluoView.
_LETTERS = {"ome": {"P": "H", "H": "L", "R": "M"}, "ndtiff": {"R": "P"}, "mmstack": {"R": "P"},
            "fluoview": {"R": "P"}}  # fmt: skip
_OF_POSITIONS = {"lsm", "mmstack", "ndtiff", "fluoview"}
_UNLIKE = (
    "cannot be read as one stack: its pages differ in size, type or compression; save it again"
)


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
            directories = check_directories(file, Path(file).name)
            with _open(file, xml) as tif:
                check_planes(tif, Path(file).name)
                check_first_page(tif, Path(file).name)
                _check_all_described(tif, directories, Path(file).name)
                every = list(enumerate(drop_attached(_join_pages(tif.series))))
                whole = [one for one in every if not one[1].keyframe.is_reduced]
                found = [
                    part
                    for number, series in whole or every  # some call all pages reduced
                    for part in _split(
                        _series(tif, series, number, file, directories), series.kind, file, tif
                    )
                ]
                if tif.is_ome:
                    _name_by_places(found, tif.ome_metadata)
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


def _split(series: Series, kind: str, path: str, tif: tifffile.TiffFile) -> list[Series]:
    """Make positions series; of Micro-Manager's those in this file, as each may have its own."""
    if kind not in _OF_POSITIONS:
        return [series]
    names = name_positions(tif, kind, series.sizes.get("P", 1))
    if names and "P" not in series.axes:
        series.name = f"{series.name} {names[0]}".strip()
    parts = split_positions(series, names)
    if kind == "mmstack" and series.offsets is not None:
        own = [Path(file).name == Path(path).name for file in series.files]
        parts = [part for part in parts if any(own[file] for file in part.offsets[:, 0].tolist())]
    return parts


def _name_by_places(found: list[Series], xml: str) -> None:
    """Name images by well or stage where they have no names of their own, or two of them one."""
    names = [series.name for series in found]
    if all(names) and len(set(names)) == len(names):
        return
    try:
        places = name_images(xml)
    except ValueError:  # of a number that is none
        return
    if len(places) == len(found):
        for series, place in zip(found, places, strict=True):
            series.name = place or series.name


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


def _series(
    tif: tifffile.TiffFile,
    series: tifffile.TiffPageSeries,
    number: int,
    path: str,
    directories: dict[int, Directory],
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
        available = sum(Path(file).stat().st_size for file in files_of(series))
    if 0 in shape or claimed > available * expansion(keyframe):
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
        notes=[*list_reduced(series), *say_palette(tif, series)],
        **describe(tif, series, number, dict(zip(axes, shape, strict=True)).get("C", 1)),
    )  # fmt: skip
    pages = _scattered_pages(tif, series, starts, name)
    if pages is None and series.dataoffset is not None and here:
        set_contiguous(result, series.dataoffset, tif, path)
    else:
        pages = pages or list(series)
        _check_alike(pages, directories if here else None, name)
        set_pages(result, pages, keyframe, path)
    return result


def _check_alike(pages: list, directories: dict[int, Directory] | None, name: str) -> None:
    """Raise where pages differ in what tifffile takes from the first one for all of them."""
    found: dict[str, dict[int, Directory]] = {}
    layouts = set()
    for page in pages:
        if page is not None and page.offset:
            path = page.parent.filehandle.path
            if path not in found:
                found[path] = directories or check_directories(path, Path(path).name)
            if page.offset in found[path]:
                layouts.add(found[path][page.offset].layout)
    if len(layouts) > 1:
        raise ClearfieldError(f"{name} {_UNLIKE}")


def _check_all_described(
    tif: tifffile.TiffFile, directories: dict[int, Directory], name: str
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
    several = [axis for axis in "CZT" if sizes.get(axis, 1) > 1]
    if "Bio-Formats" in tif.pages.first.software and len(several) > 1:
        words = {"C": "channels", "Z": "slices", "T": "frames"}
        raise ClearfieldError(
            f"{name} does not say in which order its {' and '.join(words[a] for a in several)} "
            "follow one another, as Bio-Formats writes plain TIFFs; convert the original again, "
            "to .ome.tiff, or where ImageJ shows them rightly save it from there"
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
