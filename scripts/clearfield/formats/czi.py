"""Carl Zeiss images (.czi).

Which planes a file holds is read from its directory: scenes of different shape, planes that were
never recorded and tiles that lie far apart have to be told from one another, the place of an
uncompressed plane lets it be used where it lies, and compressed tiles are decoded on all threads.
No package offers all that for every Python that clearfield supports; the tests compare with
ZEISS's own, pylibCZIrw.
"""

from collections import defaultdict
from itertools import pairwise
from math import gcd, prod
from os import PathLike, fspath
from pathlib import Path

import numpy as np

from .czi_directory import PIXEL_TYPES, Tile, read_directory
from .czi_metadata import CziMetadata
from .parts import Parts, plane_reader
from .series import Series
from .thirdparty import check_claim, check_size, explained

_KIND = "a CZI file"
# Dimensions that number neither pixels, nor scenes, nor tiles; slowest first.
_AXES = "VHIRBTCZ"
# ASSUME: a mosaic that fills less of its bounding box is several regions, not one.
_LEAST_COVERED = 0.25


def open_series(path: str | PathLike) -> list[Series]:
    """Describe the scenes of a CZI file.

    Parameters
    ----------
    path : path

    Returns
    -------
    list of Series
        One for each scene, and for each view of a scene where views differ in their planes or
        place, as those of a light-sheet microscope may. Axes are those of V views, H phases, I
        illuminations, R rotations, B blocks that have more than one value, then T, C, Z (where
        present), Y, X and S for RGB (which comes as red, green, blue). Tiles are put where the
        file says, later ones above earlier ones as in ZEN; pixels that no tile covers are 0.

    Raises
    ------
    ClearfieldError
        Not a CZI file, or truncated; or, when a plane is read: never recorded, of tiles that lie
        far apart, or of a pixel type that is not known here.
    """
    size = check_size(path, _KIND)
    with explained(path, _KIND), Path(path).open("rb") as file:
        tiles, xml = read_directory(file, path, size)
    scenes = defaultdict(list)
    for tile in tiles:
        scenes[tile.place.get("S", (0, 1))[0]].append(tile)
    metadata = CziMetadata(xml)
    return [
        _describe(path, size, scene, view, tiles, metadata)
        for scene in sorted(scenes)
        for view, tiles in _split_views(scenes[scene])
    ]


def _split_views(tiles: list[Tile]) -> list[tuple[str, list[Tile]]]:
    """Take views apart, and name them, where they do not make up an axis."""
    views = defaultdict(list)
    for tile in tiles:
        views[tile.place.get("V", (0, 1))[0]].append(tile)
    if len(views) == 1 or len({_held(some) for some in views.values()}) == 1:
        return [("", tiles)]
    return [(f"view {view}", views[view]) for view in sorted(views)]


def _held(tiles: list[Tile]) -> tuple:
    """Give the place of a view, and the numbers of its planes."""
    numbers = {
        frozenset((axis, start) for axis, (start, _) in tile.place.items() if axis not in "VMYX")
        for tile in tiles
    }
    return _bounds(tiles), frozenset(numbers)


def _describe(
    path: str | PathLike,
    size: int,
    scene: int,
    view: str,
    tiles: list[Tile],
    metadata: CziMetadata,
) -> Series:
    dtype, samples = _pixel_type({tile.pixel_type for tile in tiles})
    present = set().union(*(tile.place for tile in tiles))
    known = "".join(sorted(present - set(_AXES + "SMYX"))) + _AXES
    values = {axis: sorted({tile.place.get(axis, (0, 1))[0] for tile in tiles}) for axis in known}
    values |= {axis: _fill_gaps(values[axis]) for axis in "TZ"}
    axes = "".join(a for a in known if len(values[a]) > 1 or (a in "TCZ" and a in present))
    left, top, width, height = _bounds(tiles)
    shape = (*(len(values[axis]) for axis in axes), height, width)
    check_claim(path, size, shape, dtype.itemsize)
    numbers = {axis: {value: n for n, value in enumerate(values[axis])} for axis in axes}
    planes: dict[tuple[int, ...], list[Tile]] = defaultdict(list)
    for tile in tiles:
        planes[tuple(numbers[axis][tile.place.get(axis, (0, 1))[0]] for axis in axes)].append(tile)

    most = max(map(len, planes.values()))

    def fault(place: tuple[int, ...]) -> str:
        """Say why a plane cannot be had; empty where it can."""
        where = " ".join(f"{axis}={number}" for axis, number in zip(axes, place, strict=True))
        if place not in planes:
            return (
                f"{path}, scene {scene}, was recorded without the plane {where} (it has "
                f"{len(planes)} of {prod(shape[:-2])}); choose what is complete with "
                'load_stack.select, e.g. {"C": 0}, or save that part in ZEN as a file of its own'
            )
        kinds = {tile.pixel_type for tile in planes[place]}
        if any(_samples(kind) != samples for kind in kinds):
            return (
                f"{path}, scene {scene}, has pixels of the CZI types {sorted(kinds)} in the plane "
                f"{where}: complex numbers, transparent colours, or colours beside grey levels; "
                'take other channels with load_stack.select, e.g. {"C": 0}, or save this one in '
                "ZEN as a file of its own"
            )
        if len(planes[place]) < most:
            return (
                f"{path}, scene {scene}, was recorded with {len(planes[place])} of {most} tiles in "
                "one of its planes; save the complete part in ZEN as a file of its own"
            )
        return _coverage_fault(path, scene, planes[place], shape[-2:])

    # A plane is one part, of one tile or of several that may overlap.
    places = list(np.ndindex(*shape[:-2]))
    colours = (0,) if samples > 1 else ()
    parts = Parts(
        {"name": "czi", "dtype": dtype.str, "samples": samples, "shape": shape[-2:]},
        (1,) * len(axes) + ((samples,) if colours else ()) + shape[-2:],
        [(*place, *colours, 0, 0) for place in places],
        [fault(place) or [0, *_pieces(planes[place], (top, left))] for place in places],
        [fspath(path)],
    )
    sizes = shape[:-2] + ((samples,) if colours else ()) + shape[-2:]
    offsets = None
    if samples == 1:
        offsets = _offsets(planes, shape, dtype)
    return Series(
        name=f"{metadata.scene_name(scene)} {view}".strip(),
        axes=axes + "YX" + ("S" if samples > 1 else ""),
        shape=shape + ((samples,) if samples > 1 else ()),
        dtype=dtype,
        read=plane_reader(parts, sizes, dtype),
        pixel_size_um=metadata.pixel_size_um(),
        channel_names=metadata.channel_names(values["C"]),
        saturation_level=metadata.saturation_level(dtype),
        files=[fspath(path)] if offsets is not None else [],
        offsets=offsets,
        parts=lambda: parts,
    )


def _pixel_type(kinds: set[int]) -> tuple[np.dtype, int]:
    """Give the dtype that holds the pixels of all channels, grey ones if there are, and samples."""
    known = [PIXEL_TYPES[kind] for kind in kinds if kind in PIXEL_TYPES] or [("u1", 1)]
    samples = min(count for _, count in known)
    names = [name for name, count in known if count == samples]
    return np.result_type(*names).newbyteorder("<"), samples


def _fill_gaps(values: list[int]) -> range:
    """Count on where numbers are left out, so that their planes are missed.

    A part of a file may begin at any number, and have every second plane, or tenth time point.

    Examples
    --------
    >>> list(_fill_gaps([3, 4, 6])), list(_fill_gaps([0, 10, 20])), list(_fill_gaps([7]))
    ([3, 4, 5, 6], [0, 10, 20], [7])
    """
    step = gcd(*(second - first for first, second in pairwise(values))) or 1
    return range(values[0], values[-1] + 1, step)


def _samples(kind: int) -> int:
    return PIXEL_TYPES.get(kind, ("", 0))[1]


def _bounds(tiles: list[Tile]) -> tuple[int, int, int, int]:
    left, top = (min(tile.place[axis][0] for tile in tiles) for axis in "XY")
    right, bottom = (max(sum(tile.place[axis]) for tile in tiles) for axis in "XY")
    return left, top, right - left, bottom - top


def _offsets(
    planes: dict[tuple[int, ...], list[Tile]], shape: tuple[int, ...], dtype: np.dtype
) -> np.ndarray | None:
    """Give the place of each plane, if all lie in the file as one uncompressed run."""
    plane_bytes = prod(shape[-2:]) * dtype.itemsize
    if len(planes) != prod(shape[:-2]) or any(
        len(tiles) > 1
        or tiles[0].shape != shape[-2:]
        or tiles[0].compression
        or _samples(tiles[0].pixel_type) != 1
        or tiles[0].length != plane_bytes
        for tiles in planes.values()
    ):
        return None
    places = [(0, planes[index][0].start) for index in np.ndindex(*shape[:-2])]
    return np.array(places, np.int64)


def _coverage_fault(
    path: str | PathLike, scene: int, tiles: list[Tile], shape: tuple[int, int]
) -> str:
    covered = sum(prod(tile.shape) for tile in tiles) / prod(shape)
    if covered >= _LEAST_COVERED:
        return ""
    return (
        f"{path}, scene {scene}, has tiles far apart: they cover {100 * covered:.0f} % of a "
        f"plane of {shape[1]} x {shape[0]}; save its regions as scenes or files of their own "
        "in ZEN (Split Scenes)"
    )


def _pieces(tiles: list[Tile], origin: tuple[int, int]) -> list[list[int]]:
    """Say where the tiles of a plane lie, a higher number (M) behind, as it lies on top in ZEN."""
    return [
        [
            tile.start, tile.length, tile.compression, tile.pixel_type,
            *(tile.place[axis][0] - first for axis, first in zip("YX", origin, strict=True)),
            *tile.shape,
        ]
        for tile in sorted(tiles, key=lambda tile: tile.place.get("M", (-1, 1))[0])
    ]  # fmt: skip
