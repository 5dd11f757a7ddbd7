"""Where the planes of an uncompressed zarr array lie, so that they are used in place."""

from os import PathLike
from pathlib import Path

import numpy as np


def find_places(
    path: str | PathLike, array, index: list[int]
) -> tuple[list[str], np.ndarray] | None:
    """Find the chunk file and the byte offset of each plane.

    Parameters
    ----------
    path : path
        Of the store, a folder.
    array : zarr.Array
    index : list of int
        The axes other than those of a plane.

    Returns
    -------
    files, offsets
        As `Series` has them; None where chunks are compressed, cut a plane, or are not all there.
    """
    plane = [axis for axis in range(array.ndim) if axis not in index]
    chunks, shape = array.chunks, array.shape
    if (
        plane != [array.ndim - 2, array.ndim - 1]
        or any(chunks[axis] != shape[axis] for axis in plane)
        or not _is_plain(array)
    ):
        return None
    depth = [chunks[axis] for axis in index]
    plane_bytes = shape[-2] * shape[-1] * array.dtype.itemsize
    chunk_bytes = int(np.prod(depth, dtype=np.int64)) * plane_bytes
    folder = Path(path) / array.path
    files: dict[str, int] = {}
    offsets = []
    for place in np.ndindex(*(shape[axis] for axis in index)):
        chunk = [number // size for number, size in zip(place, depth, strict=True)]
        file = str(folder / array.metadata.encode_chunk_key((*chunk, 0, 0)))
        if file not in files:
            here = Path(file)
            if not here.is_file() or here.stat().st_size != chunk_bytes:
                return None
            files[file] = len(files)
        inside = [number % size for number, size in zip(place, depth, strict=True)]
        number = int(np.ravel_multi_index(inside, depth)) if depth else 0
        offsets.append((files[file], number * plane_bytes))
    return list(files), np.array(offsets, np.int64).reshape(-1, 2)


def _is_plain(array) -> bool:
    """Whether a chunk is its values in C order and in the byte order of the array's dtype."""
    if array.compressors or array.filters or array.shards or array.order != "C":
        return False
    if array.metadata.zarr_format == 2:
        return True
    codec = array.serializer
    if type(codec).__name__ != "BytesCodec":
        return False
    order = getattr(codec.endian, "value", codec.endian)  # an enumeration in some versions
    return array.dtype.itemsize == 1 or (order == "little" and array.dtype.byteorder in "<=|")
