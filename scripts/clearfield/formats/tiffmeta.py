"""What a TIFF's metadata say of a series: µm, channel names, the detector's largest grey level."""

import json
import math
import re

import numpy as np
import tifffile

from .length_units import micrometres
from .micromanager_index import name_ndtiff_axis
from .tiff_resolution import COARSEST_UM, UNKNOWN, inverse_of, resolution

# What ScanImage calls how many channels, slices, and frames of a slice, from the newest to 3.
_SCANIMAGE = {
    "channels": ("SI.hChannels.channelSave", "SI5.channelsSave", "SI4.channelsSave",
                 "state.acq.numberOfChannelsSave"),
    "slices": ("SI.hStackManager.actualNumSlices", "SI.hStackManager.numSlices",
               "SI5.stackNumSlices", "SI4.stackNumSlices", "state.acq.numberOfZSlices"),
    "frames": ("SI.hStackManager.framesPerSlice", "SI5.acqNumFrames", "SI4.acqNumFrames",
               "state.acq.numberOfFrames"),
    "averaged": ("SI.hScan2D.logAverageFactor", "SI5.acqNumAveragedFrames",
                 "SI4.acqNumAveragedFrames"),
    "step": ("SI.hStackManager.actualStackZStepSize", "SI.hStackManager.stackZStepSize",
             "SI5.stackZStepSize", "SI4.stackZStepSize", "state.acq.zStepSize"),
}  # fmt: skip


def describe(
    tif: tifffile.TiffFile, series: tifffile.TiffPageSeries, number: int, channels: int
) -> dict:
    """Give `pixel_size_um`, `channel_names` and `saturation_level` of a series.

    Names are left out where they are not as many as the `channels`.
    """
    kind = series.kind
    found = {"pixel_size_um": dict(UNKNOWN), "channel_names": [], "saturation_level": None}
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
        "qpi": lambda: _qpi(series),
    }.get(kind)
    if reader is None and (series.keyframe.is_fei or series.keyframe.is_sem):
        reader = lambda: _electron(tif)  # noqa: E731
    if reader is None and series.keyframe.is_scanimage:
        reader = lambda: _scanimage(tif)  # noqa: E731
    if reader is None and tif.is_metaseries:
        reader = lambda: _metaseries(tif)  # noqa: E731
    if reader is None and tif.is_micromanager:
        reader = lambda: _micromanager(tif)  # noqa: E731
    if reader is not None:
        found |= reader()
    sizes = found["pixel_size_um"]
    named = kind == "imagej" and (tif.imagej_metadata or {}).get("unit")
    if not named and sizes["x"] is None and sizes["y"] is None:
        sizes |= resolution(series.keyframe)
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
        page = series.keyframe
        known = [series.name, str(page.imagewidth), str(page.imagelength)]
        alike = [
            image
            for image in images
            if (pixels := image.find("{*}Pixels")) is not None
            and [image.get("Name") or "", pixels.get("SizeX"), pixels.get("SizeY")] == known
        ]
        images = alike or images
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
    count = int(pixels.get("SizeC")) // series.keyframe.samplesperpixel
    names += [""] * (count - len(names))  # the last ones may be left out
    bits = pixels.get("SignificantBits", "")
    level = 2 ** int(bits) - 1 if bits.isdigit() and 0 < int(bits) <= 32 else None
    return {"pixel_size_um": sizes, "channel_names": names, "saturation_level": level}


def _imagej(tif: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> dict:
    """ImageJ writes pixels per unit as the resolution, and the unit in words."""
    meta = tif.imagej_metadata or {}
    unit = meta.get("unit")
    page = series.keyframe
    sizes = {
        "x": micrometres(inverse_of(page, 282), unit),
        "y": micrometres(inverse_of(page, 283), meta.get("yunit", unit)),
        "z": micrometres(meta.get("spacing"), meta.get("zunit", unit)),
    }
    # ImageJ takes the print resolution of an image that it opens for its scale, and saves it so.
    if str(unit).strip().lower() in ("inch", "in", "cm") and (sizes["x"] or 0) > COARSEST_UM:
        sizes = dict(UNKNOWN)
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
            sizes[axis] = micrometres(inverse_of(page, code), unit) if page.tags.get(code) else None
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


def stk_axis(tif: tifffile.TiffFile) -> str:
    """Say what the planes of a STK differ in: Z, T, or Q where it is not one thing alone.

    tifffile takes wavelengths for slices, and slices for time where a first one has no distance.
    """
    meta = tif.stk_metadata or {}
    # Each distance is that from the plane before; the first has none, whatever stands there.
    moved = np.nan_to_num(np.atleast_1d(meta.get("ZDistance", 0))[1:], posinf=0) != 0
    heights = np.diff(np.atleast_1d(meta.get("AbsoluteZ", 0)))
    even = heights.any() and np.allclose(heights, heights.mean(), rtol=0.05)
    if np.unique(np.atleast_1d(meta.get("Wavelengths", 0))).size > 1:
        return "Q"
    if moved.any() or even:  # evenly spaced heights without distances may be a drift of focus
        return "Z" if moved.all() else "Q"
    times = np.atleast_1d(meta.get("TimeCreated", 0))
    # A clock may tick more slowly than a fast camera.
    return "T" if np.diff(times).any() else "I"


def _stk(tif: tifffile.TiffFile) -> dict:
    meta = tif.stk_metadata or {}
    unit = meta.get("CalibrationUnits")
    spacing = np.atleast_1d(meta.get("ZDistance", 0))[1:]
    even = spacing.size and np.allclose(spacing, spacing[0], rtol=0.05)
    return {
        "pixel_size_um": {
            "x": micrometres(meta.get("XCalibration"), unit),
            "y": micrometres(meta.get("YCalibration"), unit),
            "z": micrometres(spacing[0], unit) if even else None,
        }
    }


def _metaseries(tif: tifffile.TiffFile) -> dict:
    meta = (tif.metaseries_metadata or {}).get("PlaneInfo", {})
    name = meta.get("_IllumSetting_")
    found = {"channel_names": [str(name)] if name else []}
    if not meta.get("spatial-calibration-state", True):
        return found
    unit = meta.get("spatial-calibration-units")
    sizes = {a: micrometres(meta.get(f"spatial-calibration-{a}"), unit) for a in "xy"}
    return {**found, "pixel_size_um": {**sizes, "z": None}}


def _fluoview(tif: tifffile.TiffFile) -> dict:
    sizes = dict(UNKNOWN)
    for dimension in (tif.fluoview_metadata or {}).get("Dimensions", ()):
        axis, _, _, resolution, unit = (*dimension, None, None, None, None)[:5]
        if str(axis).strip().lower() in sizes:
            sizes[str(axis).strip().lower()] = micrometres(resolution, unit)
    return {"pixel_size_um": sizes}


def _sis(tif: tifffile.TiffFile) -> dict:
    meta = tif.sis_metadata or {}
    sizes = {a: micrometres(meta.get(f"pixelsize{a}"), "m") for a in "xy"}
    return {"pixel_size_um": {**sizes, "z": None}}


def _scanimage_values(tif: tifffile.TiffFile) -> dict:
    page = tif.pages.first
    try:
        meta, *_ = tifffile.read_scanimage_metadata(tif.filehandle)
    except ValueError:  # version 2015 and older, or no BigTIFF
        text = page.software if page.software.startswith("SI.") else page.description
        meta = tifffile.matlabstr2py(text)
    meta = {key.removeprefix("scanimage."): value for key, value in meta.items()}
    found = {
        what: next((meta[name] for name in names if name in meta), None)
        for what, names in _SCANIMAGE.items()
    }
    if "state.acq.numberOfChannelsSave" not in meta and found["channels"] is not None:
        found["channels"] = np.size(found["channels"])  # it lists them
    if meta.get("SI.hStackManager.enable") is False:  # the number is what was typed last
        found["slices"] = 1
    if meta.get("state.acq.averaging"):
        found["averaged"] = found["frames"]
    # Some write frames of the way back to the first slice, too.
    back = meta.get("SI.hFastZ.discardFlybackFrames") is False
    found["back"] = back and meta.get("SI.hFastZ.numDiscardFlybackFrames")
    names = meta.get("SI.hChannels.channelName")
    numbers = np.atleast_1d(meta.get("SI.hChannels.channelSave", 0)).ravel().tolist()
    if isinstance(names, list) and numbers and min(numbers) > 0 and max(numbers) <= len(names):
        found["names"] = [str(names[int(number) - 1]) for number in numbers]
    return found


def scanimage_axes(tif: tifffile.TiffFile, pages: int) -> tuple[str, tuple[int, ...]]:
    """Say how the pages of ScanImage are ordered: volumes, slices, frames, channels.

    tifffile takes the slices of all volumes for one stack, and leaves older versions unexplained.

    Returns
    -------
    axes : str
        Of T, Z, C; Q where the numbers leave it open.
    shape : tuple of int
    """
    found = _scanimage_values(tif)
    try:
        channels, slices, frames, averaged = (
            int(1 if found[name] is None else found[name])
            for name in ("channels", "slices", "frames", "averaged")
        )
    except (TypeError, ValueError, OverflowError):  # as many frames as there is time for: Inf
        channels, slices, frames, averaged = found["channels"] or 1, found["slices"] or 1, 0, 1
    if channels < 1 or pages % channels:
        return "Q", (pages,)
    frames, count = frames // max(averaged, 1), pages // channels
    if slices == 1:
        axes, shape = "T", (count,)
    elif count == slices * frames:
        axes, shape = "ZT", (slices, frames)
    elif frames == 1 and slices and count % slices == 0 and not found["back"]:
        axes, shape = "TZ", (count // slices, slices)
    else:
        axes, shape = "Q", (count,)
    return axes + "C", (*shape, channels)


def _scanimage(tif: tifffile.TiffFile) -> dict:
    found = _scanimage_values(tif)
    sizes = resolution(tif.pages.first)
    return {
        "pixel_size_um": {**UNKNOWN, **sizes, "z": micrometres(found["step"], "µm")},
        "channel_names": found.get("names", []),
    }


def _electron(tif: tifffile.TiffFile) -> dict:
    """Read the µm of electron microscopes: Thermo Fisher's (FEI) in metres, Zeiss's with a unit."""
    scan = (tif.fei_metadata or {}).get("Scan", {})
    sizes = {"x": scan.get("PixelWidth"), "y": scan.get("PixelHeight")}
    unit = "m"
    if tif.is_sem:
        _, size, unit = (*(tif.sem_metadata or {}).get("ap_image_pixel_size", ()), *[None] * 3)[:3]
        sizes = {"x": size, "y": size}
    return {
        "pixel_size_um": {a: micrometres(size, unit) for a, size in sizes.items()} | {"z": None}
    }


def _svs(series: tifffile.TiffPageSeries) -> dict:
    """Read Aperio's µm a pixel, which are those of the baseline image alone."""
    found = re.search(r"\|\s*MPP\s*=\s*([0-9.]+)", series.keyframe.description)
    size = micrometres(found[1], "µm") if found and series.name == "Baseline" else None
    return {"pixel_size_um": {"x": size, "y": size, "z": None}}


def _qpi(series: tifffile.TiffPageSeries) -> dict:
    """Read the channels' names of PerkinElmer's and Akoya's slides: each page has its own."""
    from html import unescape  # at the top it would cost every job 1 ms

    names = [re.search(r"<Name>(.*?)</Name>", page.description) for page in series.pages]
    return {"channel_names": [unescape(name[1]) if name else "" for name in names]}


def _ndtiff(tif: tifffile.TiffFile) -> dict:
    """Take channels' names from the index or the planes, or else from the summary."""
    found = _micromanager(tif)
    names = name_ndtiff_axis(tif, "channel", "Channel")
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
