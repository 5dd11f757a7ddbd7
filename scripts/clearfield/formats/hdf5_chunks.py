"""The chunks of HDF5 datasets: where they lie in the file, and their pixels.

h5py says where they lie. imagecodecs decodes them, on as many threads as ask. It knows the LZ4 that
h5py comes without.
"""

from itertools import product
from math import prod
from os import PathLike, fspath

import numpy as np

from .parts import Decode, Parts, ReadBytes, Spaces
from .thirdparty import explained, import_reader

# Numbers of filters; LZ4 has its one from the HDF Group.
_DEFLATE, _SHUFFLE, _LZ4 = 1, 2, 32004


def are_chunks_known(datasets: list) -> bool:
    """Tell whether datasets are stored in chunks that are decoded here, and all of them alike."""
    first = datasets[0]
    return {_DEFLATE, _SHUFFLE, _LZ4}.issuperset(filters_of(first)) and all(
        one.chunks
        and one.chunks == first.chunks
        and not one.is_virtual
        and filters_of(one) == filters_of(first)
        for one in datasets
    )


def find_chunks(
    path: str | PathLike,
    kind: str,
    datasets: list,
    lead: tuple[int, ...],
    shape: tuple[int, int, int],
    dtype: np.dtype,
) -> Parts:
    """Describe the chunks of datasets that make up one image.

    Parameters
    ----------
    path, kind
        For errors.
    datasets : list of h5py.Dataset
        Each Z, Y, X, of which `are_chunks_known`.
    lead : tuple of int
        The axes that the datasets stand for, in C order.
    shape : tuple of int
        Z, Y, X of the image, of which a dataset may hold more.
    dtype : dtype
        What the pixels mean.
    """
    first = datasets[0]
    files: dict[str, int] = {}
    starts, where = [], []
    for index, dataset in zip(np.ndindex(*lead), datasets, strict=True):
        file = files.setdefault(fspath(dataset.file.filename), len(files))
        found = {}
        dataset.id.chunk_iter(lambda chunk, found=found: found.update({chunk.chunk_offset: chunk}))
        steps = zip(shape, first.chunks, strict=True)
        for place in product(*(range(0, length, step) for length, step in steps)):
            starts.append((*index, *place))
            where.append(
                [file, found[place].byte_offset, found[place].size, found[place].filter_mask]
                if place in found
                else never_written(path, dataset)
            )
    codec = {
        "name": "hdf5", "kind": kind, "dtype": dtype.str, "shape": list(first.chunks),
        "filters": filters_of(first),
    }  # fmt: skip
    return Parts(codec, (1,) * len(lead) + first.chunks, starts, where, list(files))


def never_written(path: str | PathLike, dataset) -> str:
    """Say that a part of a dataset is missing: HDF5 has zeros for it."""
    return (
        f"{path} was written in part: blocks of {dataset.name} are not in it (was its recording "
        "or conversion stopped?); convert or copy it again"
    )


def filters_of(dataset) -> list[int]:
    """Give the numbers of a dataset's filters, in the order in which it was written."""
    settings = dataset.id.get_create_plist()
    return [settings.get_filter(number)[0] for number in range(settings.get_nfilters())]


def make_decoder(codec: dict, files: list[str], read: ReadBytes) -> Decode:
    """Give the function that decodes a chunk; it takes [file, offset, length, filter mask]."""
    dtype, shape = np.dtype(codec["dtype"]), codec["shape"]
    size = prod(shape) * dtype.itemsize
    imagecodecs = import_reader("imagecodecs", "imagecodecs", files[0])
    spaces = Spaces()

    def shuffled(data) -> np.ndarray:
        """Undo the shuffle: the first bytes of all values came first, then the second ones."""
        plain = spaces.give("plain", size)
        plain.reshape(-1, dtype.itemsize)[:] = (
            np.frombuffer(data, np.uint8, size).reshape(dtype.itemsize, -1).T
        )
        return plain

    undo = {
        # Into memory of the right size: what damaged data claim is not taken.
        _DEFLATE: lambda data: imagecodecs.deflate_decode(data, out=spaces.give("decoded", size)),
        _LZ4: lambda data: imagecodecs.lz4h5_decode(data, out=spaces.give("decoded", size)),
        _SHUFFLE: shuffled,
    }

    def decode(where: list) -> np.ndarray:
        file, offset, length, mask = where
        data = read(file, offset, length)
        with explained(files[file], codec["kind"]):
            for number, code in reversed(list(enumerate(codec["filters"]))):
                if not mask >> number & 1:  # set for a filter that was left out
                    data = undo[code](data)
            return np.frombuffer(data, dtype, prod(shape)).reshape(shape)

    return decode
