"""Carl Zeiss images (.czi).

Which planes a file holds is read from its directory here: scenes of different shape, planes that
were never recorded and tiles that lie far apart have to be told from one another, and the place
of an uncompressed plane lets it be used where it lies. Compressed planes of one tile are decoded
by imagecodecs, on all threads; mosaics, colours and the rest are composed by ZEISS's own
pylibCZIrw, which is imported only for these.
"""

import struct
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from os import PathLike, fspath
from pathlib import Path
from typing import BinaryIO
from xml.etree import ElementTree

import numpy as np

from .czi_codecs import DECODED, tile_decoder
from .errors import ClearfieldError
from .series import Series
from .thirdparty import check_claim, check_size, explained, import_reader

_KIND = "a CZI file"
_SEGMENT_BYTES = 32  # of the header of each segment: an id, two lengths
_UNCOMPRESSED = 0
# dtype, samples; other types are complex numbers and rare colours.
_PIXEL_TYPES = {
    0: ("u1", 1), 1: ("<u2", 1), 2: ("<f4", 1), 12: ("<u4", 1), 13: ("<f8", 1),
    3: ("u1", 3), 4: ("<u2", 3),
}  # fmt: skip
_COMPOSED_TYPES = {0: "Gray8", 1: "Gray16", 2: "Gray32Float", 3: "Bgr24", 4: "Bgr48"}
# Dimensions that number neither pixels, nor scenes, nor tiles; slowest first.
_AXES = "VHIRBTCZ"
_IMAGE = "./Metadata/Information/Image"
# ASSUME: a mosaic that fills less of its bounding box is several regions, not one.
_LEAST_COVERED = 0.25


@dataclass(slots=True)
class _Tile:
    """A rectangle of one plane, as the directory lists it."""

    position: int  # of its segment in the file
    entry_bytes: int
    pixel_type: int
    compression: int
    place: dict[str, tuple[int, int]]  # dimension -> start, size


def open_series(path: str | PathLike) -> list[Series]:
    """Describe the scenes of a CZI file.

    Parameters
    ----------
    path : path

    Returns
    -------
    list of Series
        One for each scene. Axes are those of V views, H phases, I illuminations, R rotations,
        B blocks that have more than one value, then T, C, Z (where present), Y, X and S for RGB
        (which comes as red, green, blue). Tiles are put where the file says, later ones above
        earlier ones as in ZEN; pixels that no tile covers are 0.

    Raises
    ------
    ClearfieldError
        Not a CZI file, or truncated; or, when a plane is read: never recorded, of tiles that lie
        far apart, or of a pixel type that is not known here.
    """
    size = check_size(path, _KIND)
    with explained(path, _KIND), Path(path).open("rb") as file:
        tiles, xml = _read_directory(file, path, size)
        scenes = defaultdict(list)
        for tile in tiles:
            scenes[tile.place.get("S", (0, 1))[0]].append(tile)
        composer = _Composer(path)
        meaning = _Meaning(xml)
        return [
            _describe(path, file, size, scene, scenes[scene], meaning, composer)
            for scene in sorted(scenes)
        ]


def _read_directory(file: BinaryIO, path: str | PathLike, size: int) -> tuple[list[_Tile], str]:
    """Read the list of tiles at full resolution, and the metadata."""
    head = file.read(_SEGMENT_BYTES + 80)
    if not head.startswith(b"ZISRAWFILE"):
        raise ClearfieldError(
            f"{path} is not a CZI file (it does not begin with ZISRAWFILE); "
            "give it the suffix of what it is"
        )
    part, directory, metadata = struct.unpack_from("<iqq", head, _SEGMENT_BYTES + 48)
    if part:
        raise ClearfieldError(
            f"{path} is part {part} of an image in several files; open its first file in ZEN and "
            "save it as one"
        )
    body = _segment(file, path, size, directory, b"ZISRAWDIRECTORY")
    (count,) = struct.unpack_from("<i", body)
    tiles, at = [], 128
    for _ in range(count):
        schema, kind, position, _, compression, _, dimensions = struct.unpack_from(
            "<2siqiiB5xi", body, at
        )
        if schema != b"DV":
            raise ClearfieldError(
                f"{path} lists its tiles in a form that is not known here ({schema!r}); "
                "export it as OME-TIFF"
            )
        place, full = {}, True
        for number in range(dimensions):
            name, start, length, _, stored = struct.unpack_from(
                "<4siifi", body, at + 32 + 20 * number
            )
            letter = name.rstrip(b"\0").decode("ascii")
            place[letter] = start, length
            full &= letter not in "XY" or stored in (0, length)
        entry_bytes = 32 + 20 * dimensions
        at += entry_bytes
        if full:  # else it is of the pyramid
            if not 0 < position <= size - _SEGMENT_BYTES:
                raise _truncated(path, size)
            tiles.append(_Tile(position, entry_bytes, kind, compression, place))
    if not tiles:
        raise ClearfieldError(f"{path} holds no image; copy it again from its source")
    xml = ""
    if metadata:
        body = _segment(file, path, size, metadata, b"ZISRAWMETADATA")
        (length,) = struct.unpack_from("<i", body)
        xml = body[256 : 256 + length].decode("utf-8", errors="replace").rstrip("\0")
    return tiles, xml


def _segment(file: BinaryIO, path: str | PathLike, size: int, position: int, name: bytes) -> bytes:
    """Read the body of a segment."""
    file.seek(max(position, 0))
    head = file.read(_SEGMENT_BYTES)
    if len(head) < _SEGMENT_BYTES or head[:16].rstrip(b"\0") != name:
        raise _truncated(path, size)
    allocated, used = struct.unpack_from("<qq", head, 16)
    length = used or allocated
    if not 0 <= length <= size - position - _SEGMENT_BYTES:
        raise _truncated(path, size)
    return file.read(length)


def _truncated(path: str | PathLike, size: int) -> ClearfieldError:
    return ClearfieldError(
        f"{path} is truncated or damaged: what its {size} bytes refer to is not there; "
        "copy it again from its source"
    )


def _describe(
    path: str | PathLike,
    file: BinaryIO,
    size: int,
    scene: int,
    tiles: list[_Tile],
    meaning: "_Meaning",
    composer: "_Composer",
) -> Series:
    kinds = sorted({tile.pixel_type for tile in tiles})
    dtype, samples, fault = _pixel_type(kinds)
    values = {axis: sorted({tile.place.get(axis, (0, 1))[0] for tile in tiles}) for axis in _AXES}
    present = set().union(*(tile.place for tile in tiles))
    axes = "".join(a for a in _AXES if len(values[a]) > 1 or (a in "TCZ" and a in present))
    left, top, width, height = _bounds(tiles)
    shape = (*(len(values[axis]) for axis in axes), height, width)
    check_claim(path, size, shape, dtype.itemsize)
    places = {axis: {value: n for n, value in enumerate(values[axis])} for axis in axes}
    planes: dict[tuple[int, ...], list[_Tile]] = defaultdict(list)
    for tile in tiles:
        planes[tuple(places[axis][tile.place.get(axis, (0, 1))[0]] for axis in axes)].append(tile)

    def read(index: tuple[int, ...]) -> np.ndarray:
        if fault:
            raise ClearfieldError(f"{path}, scene {scene}, has {fault}")
        sample = index[-1] if samples > 1 else 0
        index = index[: len(axes)]
        found = planes.get(tuple(int(number) for number in index))
        where = " ".join(f"{axis}={number}" for axis, number in zip(axes, index, strict=True))
        if not found:
            raise ClearfieldError(
                f"{path}, scene {scene}, was recorded without the plane {where} (it has "
                f"{len(planes)} of {prod(shape[:-2])}); choose what is complete with "
                'load_stack.select, e.g. {"C": 0}, or save that part in ZEN as a file of its own'
            )
        covered = sum(tile.place["X"][1] * tile.place["Y"][1] for tile in found)
        if covered < _LEAST_COVERED * width * height:
            raise ClearfieldError(
                f"{path}, scene {scene}, has tiles far apart: they cover "
                f"{100 * covered / (width * height):.0f} % of a plane of {width} x {height}; "
                "save its regions as scenes or files of their own in ZEN (Split Scenes)"
            )
        coordinates = {axis: values[axis][number] for axis, number in zip(axes, index, strict=True)}
        kind = found[0].pixel_type
        pixels = composer.read(scene, coordinates, (left, top, width, height), kind, "S" in present)
        # CZI stores blue first.
        return pixels[..., 2 - sample if samples > 1 else 0].astype(dtype, copy=False)

    offsets = decode = None
    places = _places(file, path, size, planes, shape) if samples == 1 and not fault else None
    if places is not None:
        compression = tiles[0].compression
        if compression in DECODED:
            decode = tile_decoder(compression)
        elif (
            compression == _UNCOMPRESSED
            and (places[:, 1] == prod(shape[-2:]) * dtype.itemsize).all()
        ):
            offsets = np.stack([np.zeros_like(places[:, 0]), places[:, 0]], axis=1)
    if offsets is not None or decode is not None:
        read = _plane_reader(path, places, shape, dtype, decode)
    elif not fault and not set(kinds) <= set(_COMPOSED_TYPES):
        fault = (
            f"tiled or compressed pixels of the CZI types {kinds}, which pylibCZIrw does not "
            "compose; export it from ZEN as OME-TIFF"
        )
    return Series(
        name=meaning.scene_name(scene),
        axes=axes + "YX" + ("S" if samples > 1 else ""),
        shape=shape + ((samples,) if samples > 1 else ()),
        dtype=dtype,
        read=read,
        pixel_size_um=meaning.pixel_size_um(),
        channel_names=meaning.channel_names(values["C"]),
        saturation_level=meaning.saturation_level(dtype),
        files=[fspath(path)] if offsets is not None else [],
        offsets=offsets,
    )


def _pixel_type(kinds: list[int]) -> tuple[np.dtype, int, str]:
    """Give the dtype that holds the pixels of all channels, their samples, and what is wrong."""
    known = [_PIXEL_TYPES[kind] for kind in kinds if kind in _PIXEL_TYPES] or [("u1", 1)]
    dtype = np.result_type(*(name for name, _ in known)).newbyteorder("<")
    samples = max(count for _, count in known)
    fault = ""
    if len(known) < len(kinds) or len({count for _, count in known}) > 1:
        fault = (
            f"pixels of the CZI types {kinds}: complex numbers, or colours beside grey levels; "
            "save its channels in ZEN as files of their own"
        )
    return dtype, samples, fault


def _bounds(tiles: list[_Tile]) -> tuple[int, int, int, int]:
    left, top = (min(tile.place[axis][0] for tile in tiles) for axis in "XY")
    right, bottom = (max(sum(tile.place[axis]) for tile in tiles) for axis in "XY")
    return left, top, right - left, bottom - top


def _places(
    file: BinaryIO,
    path: str | PathLike,
    size: int,
    planes: dict[tuple[int, ...], list[_Tile]],
    shape: tuple[int, ...],
) -> np.ndarray | None:
    """Find offset and length of each plane's data, if each is one tile of one compression."""
    count = prod(shape[:-2])
    kinds = {(tile.compression, tile.pixel_type) for tiles in planes.values() for tile in tiles}
    whole = len(planes) == count and all(
        len(tiles) == 1 and (tiles[0].place["Y"][1], tiles[0].place["X"][1]) == shape[-2:]
        for tiles in planes.values()
    )
    if not whole or len(kinds) > 1:
        return None
    places = np.zeros((count, 2), np.int64)
    for number, index in enumerate(np.ndindex(*shape[:-2])):
        (tile,) = planes[index]
        file.seek(tile.position)
        head = file.read(_SEGMENT_BYTES + 16)
        if len(head) < _SEGMENT_BYTES + 16 or not head.startswith(b"ZISRAWSUBBLOCK"):
            raise _truncated(path, size)
        metadata, _, length = struct.unpack_from("<iiq", head, _SEGMENT_BYTES)
        start = tile.position + _SEGMENT_BYTES + max(256, 16 + tile.entry_bytes) + metadata
        if start + length > size:
            raise _truncated(path, size)
        places[number] = start, length
    return places


def _plane_reader(
    path: str | PathLike, places: np.ndarray, shape: tuple[int, ...], dtype: np.dtype, decode
) -> Callable[[tuple[int, ...]], np.ndarray]:
    """Give the function that reads planes which are one tile each, from any thread."""

    def read(index: tuple[int, ...]) -> np.ndarray:
        number = int(np.ravel_multi_index(index, shape[:-2])) if index else 0
        start, length = map(int, places[number])
        with explained(path, _KIND), Path(path).open("rb") as file:
            file.seek(start)
            data = file.read(length)
            if decode is None:
                return np.frombuffer(data, dtype).reshape(shape[-2:])
            return decode(data, dtype, shape[-2:])

    return read


class _Composer:
    """ZEISS's reader, opened at the first plane that needs it."""

    def __init__(self, path: str | PathLike) -> None:
        self._path, self._lock, self._reader = path, threading.Lock(), None

    def read(
        self,
        scene: int,
        coordinates: dict[str, int],
        rectangle: tuple[int, int, int, int],
        kind: int,
        has_scenes: bool,
    ) -> np.ndarray:
        with explained(self._path, _KIND), self._lock:
            if self._reader is None:
                czi = import_reader("pylibCZIrw.czi", "pylibCZIrw", self._path)
                self._reader = czi.CziReader(fspath(self._path))
            return self._reader.read(
                roi=rectangle,
                plane=coordinates,
                scene=scene if has_scenes else None,
                pixel_type=_COMPOSED_TYPES[kind],
            )

    def __del__(self) -> None:
        if self._reader is not None:
            self._reader.close()


class _Meaning:
    """What the XML of the file says of its axes."""

    def __init__(self, xml: str) -> None:
        # Empty or damaged metadata leave calibration and names unknown; the pixels are good.
        try:
            self._root = ElementTree.fromstring(xml)
        except ElementTree.ParseError:
            self._root = ElementTree.Element("ImageDocument")

    def scene_name(self, scene: int) -> str:
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
