"""The chunks of a zarr array: where they are stored, and their pixels.

The codecs that OME-Zarr files have are decoded by imagecodecs, so that a job that decodes need not
import zarr, which takes longer than to decode 300 MB; whatever else there is, zarr decodes.
"""

import os
from collections.abc import Iterator
from math import prod
from pathlib import Path

import numpy as np

from ..errors import ClearfieldError
from .parts import Decode, Parts, ReadBytes, Spaces, grid
from .remote import is_remote
from .same_file import changed, check_raw, fingerprint
from .thirdparty import explained, import_reader

_KIND = "an OME-Zarr image"
_MOST_FETCHED_BYTES = 1 << 27
_ABSENT = [-1, 0]  # in place of a fingerprint
_ELSEWHERE = ["", 0, 0, 0, 0]  # in place of key, fingerprint, offset and length
_NOWHERE = 2**64 - 1  # in the index of a shard
_INDEX = ({"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"})
# In imagecodecs each is NAME_decode.
_COMPRESSORS = {"blosc", "zstd", "gzip", "zlib"}


def find_chunks(path: str | os.PathLike, array, axes: list[int]) -> Parts:
    """Describe the chunks of an array, also those within shards.

    Parameters
    ----------
    path : path
        Of the store, a folder.
    array : zarr.Array
    axes : list of int
        The array's axes in the order of the series: those of planes last.
    """
    remote = is_remote(os.fspath(path))
    folder = Path(path) / array.path
    chunks, shape = array.chunks, array.shape
    if remote:
        chunks = _fetched_at_once(array, axes)
    fill = array.fill_value
    codec = {
        "name": "zarr",
        "store": os.fspath(path),
        "folder": array.path if remote else str(folder),
        "axes": axes,
        "shape": list(chunks),
        "fill": 0 if fill is None else fill.item() if hasattr(fill, "item") else fill,
        **(_by_zarr_alone(array) if remote else _decoding(array)),
    }
    starts, where = [], []
    if remote:
        found = ((place, _ELSEWHERE) for place in grid(shape, chunks))
    elif array.shards:
        found = _in_shards(array, folder, codec)
    else:
        found = ((place, _stored(array, folder, place)) for place in grid(shape, chunks))
    for place, here in found:
        starts.append([place[axis] * chunks[axis] for axis in axes])
        where.append([*here, *place] if codec["compressor"] is None else here)
    return Parts(codec, tuple(chunks[axis] for axis in axes), starts, where)


def _fetched_at_once(array, axes: list[int]) -> tuple[int, ...]:
    """Give what to ask a server for at a time: the chunks of whole planes, as few as reach over Z.

    zarr asks for several chunks at once, so that the way to the server is waited for once. Where
    the chunks of a plane reach over more planes than 128 MB hold, they are asked for again.
    """
    *index, y, x = axes
    shape = [min(size, end) for size, end in zip(array.chunks, array.shape, strict=True)]
    shape[y], shape[x] = array.shape[y], array.shape[x]
    while index and prod(shape) * array.dtype.itemsize > _MOST_FETCHED_BYTES:
        deepest = max(index, key=lambda axis: shape[axis])
        if shape[deepest] == 1:
            break
        shape[deepest] = -(-shape[deepest] // 2)
    return tuple(shape)


def _stored(array, folder: Path, place: tuple[int, ...]) -> list:
    """Give the key of a chunk or a shard, its fingerprint, and where in it all its bytes are."""
    key = array.metadata.encode_chunk_key(place)
    try:
        known = fingerprint(folder / key)
    except FileNotFoundError:
        known = _ABSENT
    return [key, *known, 0, max(known[0], 0)]


def _in_shards(array, folder: Path, codec: dict) -> Iterator[tuple[tuple[int, ...], list]]:
    """Give the place of each chunk, and its bytes by the index at the end of its shard."""
    inside = [shard // chunk for shard, chunk in zip(array.shards, array.chunks, strict=True)]
    last = [-(-size // chunk) for size, chunk in zip(array.shape, array.chunks, strict=True)]
    for shard in grid(array.shape, array.shards):
        key, *known, _, size = _stored(array, folder, shard)
        index = None
        if known != _ABSENT and codec["compressor"] is not None:
            length = 16 * prod(inside)
            with (folder / key).open("rb") as file:
                file.seek(size - length - 4)
                index = np.frombuffer(file.read(length), "<u8").reshape(*inside, 2)
        for inner in np.ndindex(*inside):
            place = tuple(s * n + i for s, n, i in zip(shard, inside, inner, strict=True))
            if any(number >= end for number, end in zip(place, last, strict=True)):
                continue
            offset, length = (0, 0) if index is None else map(int, index[inner])
            yield place, [key, *(_ABSENT if offset == _NOWHERE else known), offset, length]


def _decoding(array) -> dict:
    """Say how chunks are encoded, where imagecodecs can decode them; "compressor" None: else."""
    metadata, other, dtype = array.metadata.to_dict(), _by_zarr_alone(array), array.dtype
    if metadata["zarr_format"] == 2:
        name = (metadata["compressor"] or {"id": ""})["id"]
        if metadata["filters"] or name not in _COMPRESSORS | {""} or dtype.kind not in "biuf":
            return other
        transposed = range(array.ndim)[:: 1 if metadata["order"] == "C" else -1]
        return {"compressor": name, "dtype": dtype.str, "transposed": list(transposed)}
    codecs = list(metadata["codecs"])
    if codecs[0]["name"] == "sharding_indexed":
        shards = codecs[0]["configuration"]
        at_end = shards.get("index_location", "end") == "end"
        if len(codecs) > 1 or not at_end or tuple(shards["index_codecs"]) != _INDEX:
            return other
        codecs = list(shards["codecs"])
    transposed = list(range(array.ndim))
    if codecs[0]["name"] == "transpose":
        transposed = list(codecs.pop(0)["configuration"]["order"])
    first, *rest = codecs
    names = [codec["name"] for codec in rest]
    if first["name"] != "bytes" or len(names) > 1 or not set(names) <= _COMPRESSORS:
        return other
    order = "<" if first.get("configuration", {}).get("endian", "little") == "little" else ">"
    return {
        "compressor": "".join(names),
        "dtype": dtype.newbyteorder(order).str,
        "transposed": transposed,
    }


def _by_zarr_alone(array) -> dict:
    return {"compressor": None, "separator": array.metadata.to_dict().get("dimension_separator")}


def make_decoder(codec: dict, files: list[str], read: ReadBytes) -> Decode:
    """Give the function that decodes a chunk over the axes of the series; None for an absent one.

    It takes [key, bytes and time of its file, offset, length], and where zarr decodes the place of
    the chunk.
    """
    folder, axes = codec["folder"], codec["axes"]
    decode_bytes = _by_zarr(codec) if codec["compressor"] is None else _by_imagecodecs(codec)

    def decode(where: list) -> np.ndarray | None:
        if where[:5] == _ELSEWHERE:
            with explained(codec["store"], _KIND):
                return decode_bytes(where[5:]).transpose(axes)
        key, *known, offset, length = where[:5]
        file = f"{folder}/{key}"
        if known == _ABSENT:
            if not length and os.path.exists(file):  # noqa: PTH110  (a Zarr has many)
                raise ClearfieldError(changed(file))
            return None
        with explained(codec["store"], _KIND):
            if codec["compressor"] is None:
                check_raw(file, known)
                pixels = decode_bytes(where[5:])
                check_raw(file, known)
            else:
                pixels = decode_bytes(_read(file, known, offset, length))
        return pixels.transpose(axes)

    return decode


def _read(file: str, known: list[int], offset: int, length: int) -> bytes:
    """Read from the file of a chunk, which has to be the one that was described."""
    try:
        descriptor = os.open(file, os.O_RDONLY)
    except FileNotFoundError:
        check_raw(file, known)  # says that it is gone
        raise
    try:
        data = os.pread(descriptor, length, offset)
        status = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    if [status.st_size, status.st_mtime_ns] != known:
        raise ClearfieldError(changed(file))
    return data


def _by_imagecodecs(codec: dict):
    dtype, transposed = np.dtype(codec["dtype"]), codec["transposed"]
    stored = [codec["shape"][axis] for axis in transposed]
    size = prod(stored) * dtype.itemsize
    back = np.argsort(transposed)
    spaces = Spaces()
    name = codec["compressor"]
    decompress = name and getattr(
        import_reader("imagecodecs", "imagecodecs", codec["store"]), f"{name}_decode"
    )

    def decode(data: bytes) -> np.ndarray:
        if name:
            # Into memory of the right size: what damaged data claim is not taken.
            found = decompress(data, out=spaces.give("decoded", size))
            if name == "gzip" and len(found) < size:  # it gives the first member alone
                import gzip

                found = gzip.decompress(data)
            data = found
        return np.frombuffer(data, dtype).reshape(stored).transpose(back)

    return decode


def _by_zarr(codec: dict):
    import_reader("zarr", "zarr", codec["store"])
    import zarr

    from .remote_store import open_store
    from .zarr import separate

    if is_remote(codec["store"]):
        array = zarr.open_array(open_store(codec["store"]), path=codec["folder"], mode="r")
    else:
        array = zarr.open_array(codec["folder"], mode="r")
    if codec["separator"]:
        array = separate(array, codec["separator"])

    def decode(place: list[int]) -> np.ndarray:
        starts = [number * size for number, size in zip(place, codec["shape"], strict=True)]
        box = zip(starts, codec["shape"], strict=True)
        pixels = np.asarray(array[tuple(slice(start, start + size) for start, size in box)])
        beyond = [(0, size - n) for size, n in zip(codec["shape"], pixels.shape, strict=True)]
        return np.pad(pixels, beyond) if np.any(beyond) else pixels

    return decode
