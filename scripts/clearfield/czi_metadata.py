"""What the XML of a CZI file says of its axes."""

from xml.etree import ElementTree

import numpy as np

_IMAGE = "./Metadata/Information/Image"


class CziMetadata:
    """Calibration, names and bits; unknown where the XML is empty or damaged."""

    def __init__(self, xml: str) -> None:
        try:
            self._root = ElementTree.fromstring(xml)
        except ElementTree.ParseError:
            self._root = ElementTree.Element("ImageDocument")

    def scene_name(self, scene: int) -> str:
        """Give the name of a scene, or ""."""
        for element in self._root.iterfind(f"{_IMAGE}/Dimensions/S/Scenes/Scene"):
            if element.get("Index") == str(scene):
                return element.get("Name") or ""
        return ""

    def pixel_size_um(self) -> dict[str, float | None]:
        """Read the scaling, which is in metres."""
        sizes: dict[str, float | None] = {"x": None, "y": None, "z": None}
        for element in self._root.iterfind("./Metadata/Scaling/Items/Distance"):
            axis, value = element.get("Id", "").lower(), _number(element.findtext("Value"))
            # ASSUME: 1 m a pixel is what a writer without calibration leaves.
            if axis in sizes and value is not None and 0 < value < 1:
                sizes[axis] = float(f"{value * 1e6:.12g}")
        return sizes

    def channel_names(self, values: list[int]) -> list[str]:
        """Names of the channels of one scene, or none where some have none."""
        for root in (
            f"{_IMAGE}/Dimensions/Channels/Channel",
            "./Metadata/DisplaySetting/Channels/Channel",
        ):
            names = [element.get("Name") or "" for element in self._root.iterfind(root)]
            if values[-1] < len(names) and all(names[value] for value in values):
                return [names[value] for value in values]
        return []

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
