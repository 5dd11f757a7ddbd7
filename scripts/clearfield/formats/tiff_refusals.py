"""Whole TIFF files that cannot be read as grey levels: what they are, and what to do."""

import math

import numpy as np
import tifffile

from ..errors import ClearfieldError
from .tiff_places import bits_of

_PALETTE, _YCBCR, _OLD_JPEG, _JPEG = 3, 6, 6, 7
_SUBSAMPLING, _JPEG_START = 530, 513


def check_first_page(tif: tifffile.TiffFile, name: str) -> None:
    """Raise where the first page is of a kind that is not read, or contradicts itself.

    Also where ImageJ's planes are not all there.
    """
    page = tif.pages.first
    if 0 in (page.imagewidth, page.imagelength):
        raise ClearfieldError(
            f"{name} has an image of {page.imagewidth} x {page.imagelength} pixels, which are "
            "none; take it out of the samples, or export it again"
        )
    _check_photograph(page, name)
    # tifffile takes 24 bits for packed ones; they are bytes in the file's order.
    if page.dtype is None or (bits_of(page) == 24 and page.dtype.kind != "f"):
        raise ClearfieldError(
            f"{name} has pixels of {page.bitspersample} bits (sample format "
            f"{int(page.sampleformat)}), which cannot be read; save it with 8, 16 or 32 bits"
        )
    if not tif.is_imagej:
        return
    meta = tif.imagej_metadata or {}
    planes = math.prod(meta.get(key, 1) for key in ("frames", "slices", "channels"))
    colours, images = page.samplesperpixel, meta.get("images", planes)
    if colours > 1 and int(page.planarconfig) == 1 and images == len(tif.pages) * colours:
        raise ClearfieldError(
            f"{name} is a colour image (RGB) whose description counts each colour as an image, as "
            "Bio-Formats writes plain TIFFs; convert the original again, to .ome.tiff"
        )
    # Micro-Manager describes its files for ImageJ too, and tifffile reads its own description.
    if tif.series[0].kind in ("generic", "uniform"):
        raise ClearfieldError(
            f"{name} is cut short: ImageJ wrote {planes} planes of {page.nbytes} bytes, "
            f"and the file has {tif.filehandle.size} bytes"
        )


def _check_photograph(page: tifffile.TiffPage, name: str) -> None:
    codec = int(page.compression)
    # Its pixels lie where other tags say, or its tables are not in the page.
    if codec == _OLD_JPEG and (page.tags.get(_JPEG_START) is not None or not page.databytecounts):
        raise ClearfieldError(
            f"{name} is compressed with the JPEG of TIFF 6.0 (old-style), which no program writes "
            "any more and which is not read here; open it in Fiji and save it as TIFF"
        )
    if page.photometric is not None and int(page.photometric) == _YCBCR and codec != _JPEG:
        tag = page.tags.get(_SUBSAMPLING)
        steps = tuple(tag.value) if tag is not None else (2, 2)  # as TIFF 6.0 has it
        if steps != (1, 1):
            raise ClearfieldError(
                f"{name} is a photograph: its colours (YCbCr) have a lower resolution than its "
                "brightness, which is not read here; open it in Fiji and save it as TIFF"
            )


def list_reduced(series: tifffile.TiffPageSeries) -> list[str]:
    """Say which pages are taken for a reduced copy by their size alone.

    A second image of half the size in both directions looks the same.
    """
    if series.kind != "generic":
        return []
    return [
        f"page {page.index} (counted from 0) of {page.imagewidth} x {page.imagelength} pixels is "
        "taken for a reduced copy and left out; where it is an image of its own, save it as a "
        "file of its own"
        for level in series.levels[1:]
        for page in level.pages
        if not page.is_reduced and not page.is_subifd
    ]


def say_palette(tif: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> list[str]:
    """Say that pixels are numbers of colours, where brighter ones are not larger.

    ImageJ writes its look-up tables there, whose numbers are the intensities.
    """
    page = series.keyframe
    if page.photometric is None or int(page.photometric) != _PALETTE or tif.is_imagej:
        return []
    table = page.colormap
    if table is None or table.ndim != 2:
        return []
    steps = np.diff(table.astype(np.int64).sum(axis=0))
    if (steps >= 0).all() or (steps <= 0).all():
        return []
    return [
        "its pixels are numbers of a table of colours (a palette), which do not grow with "
        "brightness; where it is no look-up table of a microscope, convert it to grey levels"
    ]


def drop_attached(found: list[tifffile.TiffPageSeries]) -> list[tifffile.TiffPageSeries]:
    """Take only pages for planes, and no images that are attached to them (SubIFDs)."""
    kept = []
    for series in found:
        pages = [page for page in series.pages if page is not None]
        own = [page for page in pages if not getattr(page, "is_subifd", False)]
        if series.kind != "generic" or len(own) == len(series.pages):
            kept.append(series)
        elif own:
            page = own[0]
            kept.append(
                tifffile.TiffPageSeries(
                    own, (len(own), *page.shape), page.dtype, f"I{page.axes}", kind="generic"
                )
            )
    return kept or found
