"""What programs write beside the planes of a folder: sizes in µm, and names of channels."""

import json
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree

from .length_units import micrometres

# What is wrong with such a file is no reason to refuse the planes.
_UNREADABLE = (OSError, ValueError, TypeError, KeyError, AttributeError, ElementTree.ParseError)


def read_beside(folder: Path) -> tuple[dict[str, float | None], dict[int, str]]:
    """Read what programs write beside planes: sizes in µm, channels' names by their numbers."""
    for file, read in (
        ("metadata.txt", _read_micromanager),
        ("Index.idx.xml", _read_harmony),
        ("Index.xml", _read_harmony),
        ("MeasurementDetail.mrf", _read_yokogawa),
    ):
        try:
            if (folder / file).is_file():
                return read(folder / file)
        except _UNREADABLE:
            pass
    return {}, {}


def _read_micromanager(file: Path) -> tuple[dict[str, float | None], dict[int, str]]:
    text = file.read_text("utf-8")
    # What follows describes each plane, and has no end where a recording was stopped.
    start = text.index("{", text.index('"Summary"'))
    summary, _ = json.JSONDecoder().raw_decode(text, start)
    names = summary.get("ChNames") or []
    # Version 1 writes the list as text.
    names = json.loads(names) if isinstance(names, str) else names
    keys = {"x": "PixelSize_um", "y": "PixelSize_um", "z": "z-step_um"}
    sizes = {axis: micrometres(summary.get(key), "µm") for axis, key in keys.items()}
    return sizes, dict(enumerate(map(str, names)))


def _read_harmony(file: Path) -> tuple[dict[str, float | None], dict[int, str]]:
    """Read the index of an Opera Phenix or Operetta, as far as its first field goes."""
    sizes, names, heights, first = {}, {}, {}, None
    for _, element in ElementTree.iterparse(file):
        part = {child.tag.rpartition("}")[2]: child for child in element}
        kind = element.tag.rpartition("}")[2]
        if kind not in ("Image", "Entry") or not part:
            continue
        if kind == "Image":
            field = [part[name].text for name in ("Row", "Col", "FieldID")]
            first = first or field
            # ASSUME: all fields of a plate were recorded with the same steps.
            if field != first:
                break
            heights[int(part["PlaneID"].text)] = float(part["PositionZ"].text)
        # Older versions describe each image, newer ones each channel.
        if "ChannelName" in part:
            number = element.get("ChannelID") or part["ChannelID"].text
            names[int(number)] = part["ChannelName"].text or ""
        for axis in "xy":
            if (size := part.get(f"ImageResolution{axis.upper()}")) is not None:
                sizes[axis] = micrometres(size.text, size.get("Unit"))
    if len(heights) > 1:
        steps = (max(heights.values()) - min(heights.values())) / (len(heights) - 1)
        sizes["z"] = micrometres(steps, "m")
    return sizes, names


def _read_yokogawa(file: Path) -> tuple[dict[str, float | None], dict[int, str]]:
    """Read the details of a CellVoyager's measurement: µm of a pixel, for each channel."""
    keys = {"x": "HorizontalPixelDimension", "y": "VerticalPixelDimension"}
    found: dict[str, set] = {axis: set() for axis in keys}
    for element in ElementTree.parse(file).iter():
        values = _plain(element)
        if element.tag.rpartition("}")[2] == "MeasurementChannel":
            for axis, key in keys.items():
                found[axis].add(micrometres(values.get(key), "µm"))
    # Channels of cameras with pixels of different sizes have no size together.
    sizes = {axis: one.pop() if len(one) == 1 else None for axis, one in found.items()}
    with suppress(*_UNREADABLE):
        sizes["z"] = _step(file.with_name("MeasurementData.mlf"))
    return sizes, {}


def _step(records: Path) -> float | None:
    """Read from a CellVoyager's list of images the µm from slice to slice, as its first field has.

    ASSUME: all fields of a plate were recorded with the same steps.
    """
    heights, first = {}, None
    for _, element in ElementTree.iterparse(records):
        values = _plain(element)
        if values.get("Type") != "IMG":
            continue
        field = [values.get(key) for key in ("Row", "Column", "FieldIndex", "TimePoint")]
        first = first or field
        if field != first and len(heights) > 1:
            break
        if field == first:
            heights.setdefault(int(values["ZIndex"]), float(values["Z"]))
        element.clear()
    if len(heights) < 2:
        return None
    lowest, highest = min(heights), max(heights)
    return micrometres((heights[highest] - heights[lowest]) / (highest - lowest), "µm")


def _plain(element: ElementTree.Element) -> dict[str, str]:
    """Give the attributes without their namespaces."""
    return {key.rpartition("}")[2]: value for key, value in element.attrib.items()}
