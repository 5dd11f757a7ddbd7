"""Leica images (.lif): the package liffile reads the header, the pixels are used where they lie.

LIF pixels are never compressed, and the header gives the step in bytes of each axis.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike, fspath
from xml.etree import ElementTree

import numpy as np

from ..errors import ClearfieldError
from .length_units import micrometres
from .series import Series
from .thirdparty import check_size, explained, import_reader

_KIND = "a LIF file"
# Of DimID; the last are slices of XT and T, mosaic tiles and loops.
_LETTERS = dict(enumerate("XYZTEANGLMO", 1))
_COLOURS = {1: 0, 2: 1, 3: 2}  # ChannelTag of red, green, blue -> sample


@dataclass(slots=True)
class _Axis:
    letter: str
    length: int
    step_bytes: int
    pixel_size_um: float | None


@dataclass(slots=True)
class _Channel:
    step_bytes: int
    dtype: np.dtype
    bits: int
    tag: int
    name: str


def open_series(path: str | PathLike) -> list[Series]:
    """Describe the images of a LIF file.

    Parameters
    ----------
    path : path

    Returns
    -------
    list of Series
        One for each image that has pixels, named by its path in the file's tree. Axes stand in
        the order in which they are stored, e.g. "TCZX" of an XZT scan; M are the tiles of a scan
        that was not merged, E emission wavelengths (lambda), L excitation wavelengths, A angles,
        S red, green, blue.
        Lifetimes (FLIM) are no images and left out.

    Raises
    ------
    ClearfieldError
        Not a LIF file, truncated, or without images; or, when an image is read: incomplete, or
        with channels of different types.
    """
    size = check_size(path, _KIND)
    package = import_reader("liffile", "liffile", path)
    with explained(path, _KIND), package.LifFile(fspath(path)) as file:
        # The package's own list has one image of each path, and a path may stand there twice.
        found = [
            _describe(path, size, name, element, file.memory_blocks)
            for root in file.xml_element.iterfind("./Element")
            for name, element in ((root.get("Name", ""), root), *_below(root))
            if _has_pixels(element)
        ]
    if not found:
        raise ClearfieldError(
            f"{path} holds no images, or only lifetimes (FLIM); export images from LAS X"
        )
    return found


def _below(
    element: ElementTree.Element, path: str = ""
) -> Iterator[tuple[str, ElementTree.Element]]:
    """List the elements below one, in the file's order, with their paths from there."""
    for child in element.iterfind("./Children/Element"):
        name = path + child.get("Name", "")
        yield name, child
        yield from _below(child, name + "/")


def _has_pixels(element: ElementTree.Element) -> bool:
    description = element.find("./Data/Image/ImageDescription")
    if description is None or description.find("./Channels/ChannelDescription") is None:
        return False
    lengths = [
        int(item.get("NumberOfElements"))
        for item in description.iterfind("./Dimensions/DimensionDescription")
    ]
    return len(lengths) > 1 and min(lengths) > 0


def _describe(
    path: str | PathLike, size: int, name: str, element: ElementTree.Element, blocks: dict
) -> Series:
    description = element.find("./Data/Image/ImageDescription")
    axes = [_axis(item) for item in description.iterfind("./Dimensions/DimensionDescription")]
    channels = [_channel(item) for item in description.iterfind("./Channels/ChannelDescription")]
    memory = element.find("./Memory")
    block = blocks.get("" if memory is None else memory.get("MemoryBlockID"))
    if block is None:
        raise ClearfieldError(
            f"{path} is truncated or damaged: the pixels of image {name} are not in it; "
            "copy it again from its source"
        )
    start, dtype = block.offset, channels[0].dtype
    last = max(channel.step_bytes for channel in channels) + dtype.itemsize
    last += sum((axis.length - 1) * axis.step_bytes for axis in axes)
    if start + block.size > size:
        raise ClearfieldError(
            f"{path} is truncated: image {name} ends {start + block.size - size} bytes beyond it; "
            "copy it again from its source"
        )
    fault = ""
    if last > block.size:
        fault = f"holds {block.size} of its {last} bytes (was its scan stopped?)"
    elif any(channel.dtype != dtype for channel in channels):
        fault = "has channels of different pixel types"
    colours = _is_rgb(channels)
    if colours:
        channels = sorted(channels, key=lambda channel: _COLOURS[channel.tag])
    if len(channels) > 1:
        gap = abs(channels[1].step_bytes - channels[0].step_bytes)
        axes.append(_Axis("S" if colours else "C", len(channels), gap, None))
    axes.sort(key=lambda axis: axis.step_bytes, reverse=True)
    if colours:  # Red may lie before or after blue.
        axes.sort(key=lambda axis: axis.letter == "S")
    series = Series(
        name=name,
        axes="".join(axis.letter for axis in axes),
        shape=tuple(axis.length for axis in axes),
        dtype=dtype,
        read=None,
        channel_names=[] if colours else _names(channels, element),
        saturation_level=_saturation_level(channels),
    )
    for axis in axes:
        if axis.letter in "XYZ":
            series.pixel_size_um[axis.letter.lower()] = axis.pixel_size_um
    # By place, not by letter: that of an unknown axis may stand there twice.
    steps = [axes[number].step_bytes for number in series.order]
    starts = np.array([start + channel.step_bytes for channel in channels], np.int64)

    def place(index: tuple[int, ...]) -> int:
        """Find the first byte of a plane."""
        first = starts[0]
        for letter, number, step in zip(series.index_axes, index, steps[:-2], strict=True):
            first += starts[number] - starts[0] if letter in "CS" else int(number) * step
        return int(first)

    plane, strides = series.plane_shape, tuple(steps[-2:])

    def read(index: tuple[int, ...]) -> np.ndarray:
        if fault:
            raise ClearfieldError(
                f"{path}, image {name}, {fault}; export it from LAS X as files of its own"
            )
        with explained(path, _KIND):
            pixels = np.memmap(path, np.uint8, "r")
            view = np.ndarray(plane, dtype, pixels, place(index), strides)
            return np.array(view)

    series.read = read
    whole = strides == (plane[-1] * dtype.itemsize, dtype.itemsize)
    if len(plane) == 2 and whole and not fault:
        series.files = [fspath(path)]
        indices = np.ndindex(*series.index_shape)
        series.offsets = np.array([(0, place(index)) for index in indices], np.int64)
    return series


def _axis(element: ElementTree.Element) -> _Axis:
    """Read an axis; its Length is from the centre of the first pixel to that of the last."""
    count, length = int(element.get("NumberOfElements")), element.get("Length")
    size = micrometres(length, element.get("Unit")) if count > 1 else None
    letter = _LETTERS.get(int(element.get("DimID")), "Q")
    step = float(f"{size / (count - 1):.12g}") if size else None
    return _Axis(letter, count, int(element.get("BytesInc")), step)


def _channel(element: ElementTree.Element) -> _Channel:
    bits = int(element.get("Resolution"))
    size = next(size for size in (1, 2, 4, 8) if bits <= 8 * size)
    kind = "f" if element.get("DataType") == "1" else "u"
    name = next(
        (
            item.findtext("Value") or ""
            for item in element.iterfind("ChannelProperty")
            if item.findtext("Key") == "DyeName"
        ),
        "",
    )
    return _Channel(
        int(element.get("BytesInc")),
        np.dtype(f"<{kind}{size}"),
        bits,
        int(element.get("ChannelTag") or 0),
        name or element.get("LUTName") or "",
    )


def _is_rgb(channels: list[_Channel]) -> bool:
    """Tell samples of one colour image, side by side, from channels."""
    places = sorted(channel.step_bytes for channel in channels)
    return sorted(channel.tag for channel in channels) == [1, 2, 3] and places == [
        places[0] + number * channels[0].dtype.itemsize for number in range(3)
    ]


def _names(channels: list[_Channel], element: ElementTree.Element) -> list[str]:
    """Name channels after their dyes, or else their look-up tables, where these differ."""
    names = [channel.name for channel in channels]
    return names if all(names) and len(set(names)) == len(names) else []


def _saturation_level(channels: list[_Channel]) -> int | None:
    kinds = {channel.dtype.kind for channel in channels}
    return 2 ** max(channel.bits for channel in channels) - 1 if kinds == {"u"} else None
