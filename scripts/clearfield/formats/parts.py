"""Where the encoded parts (strips, tiles, chunks) of a series lie, and what each one covers."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from importlib import import_module
from math import prod

import numpy as np

from ..errors import ClearfieldError

# Of each codec the module beside this one whose `make_decoder` decodes it.
_CODECS = {
    "tiff": "tiff_segments",
    "czi": "czi_codecs",
    "nd2": "nd2_frames",
    "zarr": "zarr_chunks",
    "hdf5": "hdf5_chunks",
    "series": "series_planes",
}

ReadBytes = Callable[[int, int, int], bytes]
"""Takes a number of a file, a byte offset and a length; gives the bytes, or an error."""

Decode = Callable[[list], np.ndarray | None]
"""Takes what `Parts.where` says of a part; gives its pixels, or None for a part never stored.

Their memory may be used again by the next call of the same thread.
"""


@dataclass
class Parts:
    """The encoded parts of a series, each decoded once for all planes that it reaches over.

    Parts make up a grid: those of all planes have the same rows and columns.

    Attributes
    ----------
    codec : dict
        "name" as in the table of this module, and what else its decoder needs; goes into JSON.
    shape : tuple of int
        Of one part, over the axes of the series in their `Series.order`; at the ends of the series
        what reaches beyond it is left.
    starts : int64 array (parts, axes)
        Where each part begins.
    where : list
        For each part what its decoder takes, for JSON; a text says why the part cannot be had.
    files : list of str
        Those that the decoder reads by their numbers.
    axes : list of int
        For each axis of `shape` the number of the series' axis, or -1 - n where only index n of the
        part is meant: that of a position.

    Examples
    --------
    >>> parts = Parts({}, (2, 4, 4), np.array([[0, 0, 0], [2, 0, 0]]), [["a"], ["b"]])
    >>> one = parts.take(0, 3)
    >>> one.where, one.axes
    ([['b']], [-2, 0, 1])
    """

    codec: dict
    shape: tuple[int, ...]
    starts: np.ndarray
    where: list
    files: list[str] = field(default_factory=list)
    axes: list[int] | None = None

    def __post_init__(self) -> None:
        self.starts = np.asarray(self.starts, np.int64).reshape(-1, len(self.shape))
        if self.axes is None:
            self.axes = list(range(len(self.shape)))

    def take(self, axis: int, index: int) -> "Parts":
        """Keep what belongs to one index of a series' axis, which the series then lacks."""
        at = self.axes.index(axis)
        start = self.starts[:, at]
        kept = np.flatnonzero((start <= index) & (index < start + self.shape[at]))
        axes = [number - (number > axis) for number in self.axes]
        axes[at] = -1 - (index - int(start[kept[0]]))
        return replace(
            self, starts=self.starts[kept], where=[self.where[n] for n in kept], axes=axes
        )


class Spaces(threading.local):
    """Memory of each thread for what it decodes, used again: to take it anew costs twice as much.

    Examples
    --------
    >>> spaces = Spaces()
    >>> spaces.give("raw", 3).shape, spaces.give("raw", 2).dtype
    ((3,), dtype('uint8'))
    """

    def __init__(self) -> None:
        self._held: dict[str, np.ndarray] = {}

    def give(self, name: str, size: int) -> np.ndarray:
        """Give so many bytes."""
        if name not in self._held or self._held[name].size < size:
            self._held[name] = np.empty(size, np.uint8)
        return self._held[name][:size]


def open_decoder(codec: dict, files: list[str], read: ReadBytes) -> Decode:
    """Give the function that decodes a part, to be called from any thread.

    Parameters
    ----------
    codec : dict
        As `Parts.codec`.
    files : list of str
        As `Parts.files`.
    read : function
        Gives bytes of them.
    """
    return import_module(f".{_CODECS[codec['name']]}", __package__).make_decoder(codec, files, read)


def read_bytes(files: list[str]) -> ReadBytes:
    """Give a function that reads from files, without checks that they are still the same."""

    def read(file: int, offset: int, length: int) -> bytes:
        with open(files[file], "rb", buffering=0) as stream:  # noqa: PTH123
            stream.seek(offset)
            return stream.read(length)

    return read


def plane_reader(parts: Parts, sizes: tuple[int, ...], dtype: np.dtype, fill: object = 0):
    """Give ``read(index)`` of a series that consists of parts: each plane decodes its own.

    Parameters
    ----------
    parts : Parts
        All of them, as they were described: over the axes of the series.
    sizes : tuple of int
        Of the series, in its `order`.
    dtype : dtype
    fill : number
        The value of what was never stored.
    """
    decode = open_decoder(parts.codec, parts.files, read_bytes(parts.files))

    def read(index: tuple[int, ...]) -> np.ndarray:
        plane = np.full(sizes[-2:], fill, dtype)
        first = parts.starts[:, :-2]
        there = np.all((first <= index) & (index < first + parts.shape[:-2]), axis=1)
        for number in np.flatnonzero(there):
            if isinstance(parts.where[number], str):
                raise ClearfieldError(parts.where[number])
            pixels = decode(parts.where[number])
            if pixels is not None:
                inside = tuple(
                    int(at - start) for at, start in zip(index, first[number], strict=True)
                )
                y, x = parts.starts[number, -2:]
                part = shaped(pixels, parts.shape)[inside]
                target = plane[y : y + part.shape[0], x : x + part.shape[1]]
                target[:] = part[: target.shape[0], : target.shape[1]]
        return plane

    return read


def shaped(pixels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Give a decoded part all its axes; a last strip may have fewer rows than the others.

    Examples
    --------
    >>> shaped(np.zeros((2, 3, 4)), (1, 2, 1, 9, 4)).shape
    (1, 2, 1, 3, 4)
    """
    return pixels.reshape(*shape[:-2], *pixels.shape[-2:])


def grid(sizes: tuple[int, ...], shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Give the numbers of the parts along each axis, the last axis fastest.

    Examples
    --------
    >>> list(grid((5, 2), (3, 2)))
    [(0, 0), (1, 0)]
    """
    return np.ndindex(*(-(-size // length) for size, length in zip(sizes, shape, strict=True)))


def one_part_a_plane(codec: dict, index_shape: tuple[int, ...], plane: tuple[int, int]) -> Parts:
    """Describe planes each of which is one part, known to its decoder by its index."""
    starts = [(*index, 0, 0) for index in np.ndindex(*index_shape)]
    shape = (1,) * len(index_shape) + tuple(plane)
    if not prod(index_shape):
        starts = []
    return Parts(codec, shape, starts, [list(start[:-2]) for start in starts])
