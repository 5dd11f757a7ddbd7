"""Planes of HDF5 datasets: the package h5py reads them, a chunk's depth at a time.

Imaris and BigDataViewer keep each time point and channel as a dataset of its own, Z, Y, X.
"""

import threading
from collections.abc import Iterator
from itertools import product
from math import prod
from os import PathLike, fspath
from pathlib import Path

import numpy as np

from ..errors import ClearfieldError
from .thirdparty import check_claim, check_size, explained, import_reader

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_MOST_SLAB_BYTES = 1 << 27  # two are kept: threads do not cross from one to the next at once
# Numbers of filters. LZ4 has its number from the HDF Group; h5py comes without it.
_DEFLATE, _SHUFFLE, _LZ4 = 1, 2, 32004


def open_hdf5(path: str | PathLike, kind: str, otherwise: str):
    """Open a file; it is closed when nothing of it is held any more.

    Parameters
    ----------
    path : path
    kind : str
        "an Imaris file", for errors.
    otherwise : str
        What to do with a file of that suffix that is no HDF5, for the error.

    Returns
    -------
    h5py.File
    """
    check_size(path, kind)
    with explained(path, kind), Path(path).open("rb") as file:
        if file.read(8) != _SIGNATURE:
            raise ClearfieldError(f"{path} is no HDF5 file, which {kind} has to be; {otherwise}")
    package = import_reader("h5py", "h5py", path)
    with explained(path, kind):
        # Jobs only read, and some file systems of clusters know no locks.
        return package.File(fspath(path), "r", locking=False)


class Planes:
    """The planes of datasets of one shape, each Z, Y, X, of which a part may be padding.

    Parameters
    ----------
    path, kind
        For errors.
    datasets : list of h5py.Dataset
    shape : tuple of int
        Z, Y, X of the image, which begins at the first voxel of each dataset.

    Raises
    ------
    ClearfieldError
        Where the datasets differ, or cannot hold the image.
    """

    def __init__(
        self, path: str | PathLike, kind: str, datasets: list, shape: tuple[int, int, int]
    ) -> None:
        self._path, self._kind = path, kind
        self._datasets, self._shape = datasets, shape
        self._lock = threading.Lock()
        self._slabs: dict[tuple[int, int], np.ndarray] = {}
        self._whole: set[int] = set()
        first = datasets[0]
        for one in datasets:
            if one.ndim != 3 or one.dtype != first.dtype:
                raise ClearfieldError(
                    f"{path} is damaged: {one.name} has {one.ndim} axes of {one.dtype}, where 3 "
                    f"of {first.dtype} are expected"
                )
            if any(want > have for want, have in zip(shape, one.shape, strict=True)):
                raise ClearfieldError(
                    f"{path} is cut short or damaged: its image has Z x Y x X = "
                    f"{' x '.join(map(str, shape))} pixels, and {one.name} "
                    f"{' x '.join(map(str, one.shape))}"
                )
        size = Path(path).stat().st_size
        check_claim(path, size, (len(datasets), *shape), first.dtype.itemsize)

    def read(self, number: int, z: int) -> np.ndarray:
        """Give a plane of one of the datasets; the others of its chunks are decoded with it."""
        dataset = self._datasets[number]
        depth = self._depth(dataset)
        start = z // depth * depth
        with self._lock:
            if (number, start) not in self._slabs:
                if len(self._slabs) > 1:
                    self._slabs.pop(next(iter(self._slabs)))
                with explained(self._path, self._kind):
                    self._check_written(number)
                    slab = _load(dataset, (start, min(start + depth, self._shape[0])), self._shape)
                self._slabs[number, start] = slab
            return self._slabs[number, start][z - start]

    def _depth(self, dataset) -> int:
        depth = min(dataset.chunks[0] if dataset.chunks else 1, self._shape[0])
        plane_bytes = prod(self._shape[1:]) * dataset.dtype.itemsize
        while depth > 1 and depth * plane_bytes > _MOST_SLAB_BYTES:
            depth = -(-depth // 2)
        return depth

    def _check_written(self, number: int) -> None:
        """Raise where a part was never written: HDF5 has zeros for it."""
        dataset = self._datasets[number]
        if number in self._whole:
            return
        bounds = [(0, length) for length in self._shape]
        missing = 0
        if not dataset.chunks:
            missing = int(dataset.id.get_offset() is None and dataset.id.get_storage_size() == 0)
        elif dataset.id.get_num_chunks() < prod(
            -(-length // step) for length, step in zip(dataset.shape, dataset.chunks, strict=True)
        ):
            found = set()
            dataset.id.chunk_iter(lambda chunk: found.add(tuple(chunk.chunk_offset)))
            missing = len(set(_places(dataset, bounds)) - found)
        if missing:
            raise ClearfieldError(
                f"{self._path} was written in part: {missing} blocks of {dataset.name} are not in "
                "it (was its recording or conversion stopped?); convert or copy it again"
            )
        self._whole.add(number)


def _places(dataset, bounds: list[tuple[int, int]]) -> Iterator[tuple[int, ...]]:
    """Give the first voxel of each chunk that has a part within the bounds."""
    return product(
        *(
            range(low // step * step, high, step)
            for (low, high), step in zip(bounds, dataset.chunks, strict=True)
        )
    )


def _load(dataset, depth: tuple[int, int], shape: tuple[int, int, int]) -> np.ndarray:
    """Read some planes whole, Z, Y, X."""
    import h5py

    settings = dataset.id.get_create_plist()
    filters = [settings.get_filter(number)[0] for number in range(settings.get_nfilters())]
    if all(map(h5py.h5z.filter_avail, filters)):
        return dataset[slice(*depth), : shape[1], : shape[2]]
    bounds = [depth, (0, shape[1]), (0, shape[2])]
    slab = np.empty([high - low for low, high in bounds], dataset.dtype)
    for place in _places(dataset, bounds):
        mask, data = dataset.id.read_direct_chunk(place)
        chunk = _decode(data, mask, filters, dataset)
        to, of = [], []
        for at, step, (low, high) in zip(place, dataset.chunks, bounds, strict=True):
            begin, end = max(at, low), min(at + step, high)
            to.append(slice(begin - low, end - low))
            of.append(slice(begin - at, end - at))
        slab[tuple(to)] = chunk[tuple(of)]
    return slab


def _decode(data: bytes, mask: int, filters: list[int], dataset) -> np.ndarray:
    """Undo the filters of a chunk, the last one first; `mask` has a bit for each left out."""
    import imagecodecs

    undo = {
        _DEFLATE: imagecodecs.zlib_decode,
        _SHUFFLE: lambda data: imagecodecs.byteshuffle_decode(
            np.frombuffer(data, dataset.dtype).reshape(1, -1), axis=-1
        ),
        _LZ4: imagecodecs.lz4h5_decode,
    }
    for number, code in reversed(list(enumerate(filters))):
        if mask >> number & 1:
            continue
        if code not in undo:
            raise ClearfieldError(
                f"{dataset.file.filename} is compressed in a way that is not read here (HDF5 "
                f"filter {code}); save it with gzip compression"
            )
        data = undo[code](data)
    return np.frombuffer(data, dataset.dtype, prod(dataset.chunks)).reshape(dataset.chunks)


def text(attribute) -> str:
    """Read text from an attribute: of Imaris, an array of characters.

    Examples
    --------
    >>> text(np.array([b"2", b".", b"5"])), text("DAPI "), text(np.array([7])), text(None)
    ('2.5', 'DAPI', '7', '')
    """
    if attribute is None:
        return ""
    values = np.asarray(attribute).ravel().tolist()
    if all(isinstance(value, bytes) for value in values):
        return b"".join(values).decode("utf-8", "replace").strip("\0 ")
    return "".join(map(str, values)).strip("\0 ")
