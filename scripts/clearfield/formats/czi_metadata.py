"""What the XML of a CZI file says of its axes."""

import re
from xml.etree import ElementTree

import numpy as np

from .length_units import micrometres

_IMAGE = "./Metadata/Information/Image"


class CziMetadata:
    """Calibration, names and bits; unknown where the XML is empty or damaged."""

    def __init__(self, xml: str) -> None:
        # Users' comments may hold characters that XML forbids; some writers pad the text.
        text = re.sub(r"[\0-\x08\x0b\x0c\x0e-\x1f]", "", xml)
        try:
            self._root = ElementTree.fromstring(text[text.find("<") : text.rfind(">") + 1])
        except ElementTree.ParseError:
            self._root = ElementTree.Element("ImageDocument")

    def scene_name(self, scene: int) -> str:
        """Give the name of a scene, or ""."""
        for element in self._root.iterfind(f"{_IMAGE}/Dimensions/S/Scenes/Scene"):
            if element.get("Index") == str(scene):
                return element.get("Name") or ""
        return ""

    def pixel_size_um(self) -> dict[str, float | None]:
        """Read the scaling, which is in metres; z, where it lacks, as the step of a Z-stack."""
        sizes: dict[str, float | None] = {"x": None, "y": None, "z": None}
        for element in self._root.iterfind("./Metadata/Scaling/Items/Distance"):
            axis, value = element.get("Id", "").lower(), _number(element.findtext("Value"))
            # ASSUME: 1 m a pixel is what a writer without calibration leaves.
            if axis in sizes and value is not None and 0 < value < 1:
                sizes[axis] = float(f"{value * 1e6:.12g}")
        if sizes["z"] is None:  # the increment is in µm, negative where recorded downwards
            step = self._root.findtext(f"{_IMAGE}/Dimensions/Z/Positions/Interval/Increment")
            sizes["z"] = micrometres(step, "um")
        return sizes

    def channel_names(self, values: list[int]) -> list[str]:
        """Name the channels of one scene, "" for one without a name; none where all are without."""
        recorded = self._channels(f"{_IMAGE}/Dimensions/Channels/Channel", values)
        shown = self._channels("./Metadata/DisplaySetting/Channels/Channel", values)
        names = [
            one.get("Name") or other.get("Name")
            or one.findtext("Fluor") or other.findtext("DyeName") or ""
            for one, other in zip(recorded, shown, strict=True)
        ]  # fmt: skip
        return names if any(names) else []

    def _channels(self, root: str, values: list[int]) -> list[ElementTree.Element]:
        """Find the channels by their numbers: in their Id ("Channel:3"), or else by position."""
        found = self._root.findall(root)
        numbered = {element.get("Id", ""): element for element in found}
        ids = [f"Channel:{value}" for value in values]
        if all(name in numbered for name in ids):
            return [numbered[name] for name in ids]
        none = ElementTree.Element("Channel")
        return [found[value] if 0 <= value < len(found) else none for value in values]

    def saturation_level(self, dtype: np.dtype) -> int | None:
        """Largest value of ComponentBitCount bits, where these are fewer than the pixels have."""
        texts = [self._root.findtext(f"{_IMAGE}/ComponentBitCount")]
        texts += [
            element.findtext("ComponentBitCount")
            for element in self._root.iterfind(f"{_IMAGE}/Dimensions/Channels/Channel")
        ]
        bits = [int(number) for text in texts if (number := _number(text))]
        if dtype.kind != "u" or not bits or not 0 < max(bits) <= 8 * dtype.itemsize:
            return None
        return 2 ** max(bits) - 1


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
