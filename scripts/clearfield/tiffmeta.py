"""What a TIFF's metadata say of a series: µm, channel names, the detector's largest grey level."""

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tifffile

from .errors import ClearfieldError
from .micrometres import micrometres

_NOTHING = {"x": None, "y": None, "z": None}
# ASSUME: a resolution per inch or cm is meant for printing where it is coarser than this.
# 5 µm are 5,080 dots per inch.
_COARSEST_UM = 5.0


def check_planes(tif: tifffile.TiffFile, name: str) -> None:
    """Raise where Micro-Manager's index names planes that cannot be there.

    tifffile would take memory for all of them before it looks.
    """
    claimed, most = 0, tif.filehandle.size
    if tif.is_mmstack:
        index = tif.micromanager_metadata["IndexMap"][:, :4]
        claimed = math.prod((index.max(axis=0).astype(int) + 1).tolist()) if index.size else 0
    elif tif.is_ndtiff:
        places = [axes for axes, *_ in _ndtiff_index(tif)]
        values = [{place[axis] for place in places} for axis in places[0]] if places else []
        most, claimed = len(places), math.prod(_length(found) for found in values)
    if claimed > most:
        raise ClearfieldError(
            f"{name} is incomplete or damaged: its index numbers {claimed} planes, more than there "
            "are (an acquisition that was stopped?)"
        )


def _length(numbers: set) -> int:
    if all(isinstance(number, int) for number in numbers):
        return max(numbers) - min(numbers) + 1
    return len(numbers)


def _ndtiff_index(tif: tifffile.TiffFile) -> Iterator[tuple]:
    return tifffile.read_ndtiff_index(Path(tif.filehandle.dirname, "NDTiff.index"))


def describe(tif: tifffile.TiffFile, series: tifffile.TiffPageSeries, number: int) -> dict:
    """Give `pixel_size_um`, `channel_names` and `saturation_level` of a series."""
    kind = series.kind
    found = {"pixel_size_um": dict(_NOTHING), "channel_names": [], "saturation_level": None}
    reader = {
        "ome": lambda: _ome(tif, series, number),
        "imagej": lambda: _imagej(tif, series),
        "lsm": lambda: _lsm(tif),
        "stk": lambda: _stk(tif),
        "shaped": lambda: _shaped(series),
        "fluoview": lambda: _fluoview(tif),
        "mmstack": lambda: _micromanager(tif),
        "ndtiff": lambda: _ndtiff(tif),
        "sis": lambda: _sis(tif),
        "svs": lambda: _svs(series),
    }.get(kind)
    if reader is None and tif.is_metaseries:
        reader = lambda: _metaseries(tif)  # noqa: E731
    if reader is None and tif.is_micromanager:
        reader = lambda: _micromanager(tif)  # noqa: E731
    if reader is not None:
        found |= reader()
    sizes = found["pixel_size_um"]
    named = kind == "imagej" and (tif.imagej_metadata or {}).get("unit")
    if not named and sizes["x"] is None and sizes["y"] is None:
        sizes |= _resolution(series.keyframe)
    channels = dict(zip(series.axes, series.shape, strict=True)).get("C", 1)
    if len(found["channel_names"]) != channels or not any(found["channel_names"]):
        found["channel_names"] = []
    level = found["saturation_level"]
    if level is not None and not (
        series.dtype.kind == "u" and 1 <= level < 2 ** (8 * series.dtype.itemsize)
    ):
        found["saturation_level"] = None
    return found


def _ome(tif: tifffile.TiffFile, series: tifffile.TiffPageSeries, number: int) -> dict:
    from xml.etree import ElementTree

    root = ElementTree.fromstring(tif.ome_metadata)
    images = root.findall("{*}Image")
    if len(images) != len(tif.series):  # tifffile leaves out images without pixels
        images = [image for image in images if (image.get("Name") or "") == series.name] or images
        number = min(number, len(images) - 1) if len(images) > 1 else 0
    image = images[number]
    pixels = image.find("{*}Pixels")
    sizes = {
        axis: micrometres(
            pixels.get(f"PhysicalSize{axis.upper()}"),
            pixels.get(f"PhysicalSize{axis.upper()}Unit", "µm"),
        )
        for axis in "xyz"
    }
    names = [element.get("Name") or "" for element in pixels.iterfind("{*}Channel")]
    bits = pixels.get("SignificantBits", "")
    level = 2 ** int(bits) - 1 if bits.isdigit() and 0 < int(bits) <= 32 else None
    return {"pixel_size_um": sizes, "channel_names": names, "saturation_level": level}


def _imagej(tif: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> dict:
    """ImageJ writes pixels per unit as the resolution, and the unit in words."""
    meta = tif.imagej_metadata or {}
    unit = meta.get("unit")
    page = series.keyframe
    sizes = {
        "x": micrometres(_inverse(page, 282), unit),
        "y": micrometres(_inverse(page, 283), meta.get("yunit", unit)),
        "z": micrometres(meta.get("spacing"), meta.get("zunit", unit)),
    }
    # ImageJ takes the print resolution of an image that it opens for its scale, and saves it so.
    if str(unit).strip().lower() in ("inch", "cm") and (sizes["x"] or 0) > _COARSEST_UM:
        sizes = dict(_NOTHING)
    return {"pixel_size_um": sizes, "channel_names": _labels(meta.get("Labels"), series)}


def _labels(labels: list[str] | None, series: tifffile.TiffPageSeries) -> list[str]:
    """Take slice labels for channel names where each channel has one of its own."""
    sizes = dict(zip(series.axes, series.shape, strict=True))
    channels = sizes.get("C", 1)
    planes = [sizes[axis] for axis in series.axes if axis in "TZC"]
    if not labels or channels < 2 or series.axes.find("C") > series.axes.find("Y"):
        return []
    if len(labels) == channels:
        names = [label.strip() for label in labels]
    elif len(labels) == math.prod(planes):
        order = [axis for axis in series.axes if axis in "TZC"]
        table = np.array(labels, object).reshape(planes)
        table = np.moveaxis(table, order.index("C"), 0).reshape(channels, -1)
        if any(len(set(row)) > 1 for row in table):
            return []
        names = [str(row[0]).strip() for row in table]
    else:
        return []
    return names if all(names) and len(set(names)) == channels else []


def _inverse(page: tifffile.TiffPage, code: int) -> float | None:
    tag = page.tags.get(code)
    try:
        numerator, denominator = tag.value
        return denominator / numerator
    except (AttributeError, TypeError, ValueError, ZeroDivisionError):
        return None


def _resolution(page: tifffile.TiffPage) -> dict[str, float | None]:
    """Take a resolution per inch or cm where it is too fine to be meant for a printer."""
    unit = {2: "inch", 3: "cm"}.get(int(page.resolutionunit))
    sizes = [micrometres(_inverse(page, code), unit) for code in (282, 283)]
    if None in sizes or max(sizes) > _COARSEST_UM:
        return {}
    # A fraction of 32-bit integers is exact to about 9 digits.
    return {axis: float(f"{size:.9g}") for axis, size in zip("xy", sizes, strict=True)}


def _shaped(series: tifffile.TiffPageSeries) -> dict:
    """Read tifffile's own description: JSON, with whatever its caller put in."""
    try:
        meta = json.loads(series.keyframe.description)
    except ValueError:
        return {}
    if not isinstance(meta, dict):
        return {}
    unit, page = meta.get("unit"), series.keyframe
    sizes = {}
    for axis, code in (("x", 282), ("y", 283), ("z", None)):
        key = f"PhysicalSize{axis.upper()}"
        if key in meta:
            sizes[axis] = micrometres(meta[key], meta.get(f"{key}Unit", "µm"))
        elif code is None:
            sizes[axis] = micrometres(meta.get("spacing"), unit)
        else:
            sizes[axis] = micrometres(_inverse(page, code), unit) if page.tags.get(code) else None
    names = meta.get("Channel", {})
    names = names.get("Name", []) if isinstance(names, dict) else []
    return {
        "pixel_size_um": sizes,
        "channel_names": [str(name) for name in names] if isinstance(names, list) else [],
    }


def _lsm(tif: tifffile.TiffFile) -> dict:
    meta = tif.lsm_metadata or {}
    names = (meta.get("ChannelColors") or {}).get("ColorNames") or []
    return {
        "pixel_size_um": {a: micrometres(meta.get(f"VoxelSize{a.upper()}"), "m") for a in "xyz"},
        "channel_names": [str(name).strip() for name in names],
    }


def _stk(tif: tifffile.TiffFile) -> dict:
    meta = tif.stk_metadata or {}
    unit = meta.get("CalibrationUnits")
    spacing = np.atleast_1d(meta.get("ZDistance", 0))
    return {
        "pixel_size_um": {
            "x": micrometres(meta.get("XCalibration"), unit),
            "y": micrometres(meta.get("YCalibration"), unit),
            "z": micrometres(spacing[-1], unit) if spacing.size else None,
        }
    }


def _metaseries(tif: tifffile.TiffFile) -> dict:
    meta = (tif.metaseries_metadata or {}).get("PlaneInfo", {})
    if not meta.get("spatial-calibration-state", True):
        return {}
    unit = meta.get("spatial-calibration-units")
    sizes = {a: micrometres(meta.get(f"spatial-calibration-{a}"), unit) for a in "xy"}
    return {"pixel_size_um": {**sizes, "z": None}}


def _fluoview(tif: tifffile.TiffFile) -> dict:
    sizes = dict(_NOTHING)
    for dimension in (tif.fluoview_metadata or {}).get("Dimensions", ()):
        axis, _, _, resolution, unit = (*dimension, None, None, None, None)[:5]
        if str(axis).strip().lower() in sizes:
            sizes[str(axis).strip().lower()] = micrometres(resolution, unit)
    return {"pixel_size_um": sizes}


def _sis(tif: tifffile.TiffFile) -> dict:
    meta = tif.sis_metadata or {}
    sizes = {a: micrometres(meta.get(f"pixelsize{a}"), "m") for a in "xy"}
    return {"pixel_size_um": {**sizes, "z": None}}


def _svs(series: tifffile.TiffPageSeries) -> dict:
    """Read Aperio's µm a pixel, which are those of the baseline image alone."""
    found = re.search(r"\|\s*MPP\s*=\s*([0-9.]+)", series.keyframe.description)
    size = micrometres(found[1], "µm") if found and series.name == "Baseline" else None
    return {"pixel_size_um": {"x": size, "y": size, "z": None}}


def _ndtiff(tif: tifffile.TiffFile) -> dict:
    """Take channels' names from the index, where each plane has its own, in their order there."""
    found = _micromanager(tif)
    channels = [axes.get("channel") for axes, *_ in _ndtiff_index(tif)]
    names = [name for name in dict.fromkeys(channels) if isinstance(name, str)]
    return {**found, "channel_names": names or found["channel_names"]}


def _micromanager(tif: tifffile.TiffFile) -> dict:
    summary = (tif.micromanager_metadata or {}).get("Summary", {})
    tag = tif.pages.first.tags.get(51123)
    plane = tag.value if tag is not None and isinstance(tag.value, dict) else {}
    meta = {**summary, **plane}
    size = micrometres(meta.get("PixelSizeUm", meta.get("PixelSize_um")), "µm")
    names = summary.get("ChNames") or []
    bits = meta.get("BitDepth")
    return {
        "pixel_size_um": {"x": size, "y": size, "z": micrometres(summary.get("z-step_um"), "µm")},
        "channel_names": [str(name) for name in names] if isinstance(names, list) else [],
        "saturation_level": 2**bits - 1 if isinstance(bits, int) and 0 < bits <= 32 else None,
    }
