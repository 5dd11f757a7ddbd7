"""Pixels of one tile of a CZI file; what is compressed is decoded by imagecodecs."""

import re
from collections.abc import Callable
from os import PathLike

import numpy as np

from ..errors import ClearfieldError
from .czi_directory import PIXEL_TYPES
from .parts import Decode, ReadBytes, Spaces
from .thirdparty import explained, import_reader

# Of JPEG, JPEG XR and zstd, the last behind one to three bytes of its own.
_BEGINNINGS = re.compile(rb"^\xff\xd8\xff|^II\xbc|\x28\xb5\x2f\xfd")
_UNCOMPRESSED, _JPEG, _LZW, _JPEG_XR, _ZSTD_0, _ZSTD_1 = 0, 1, 2, 4, 5, 6


def make_decoder(codec: dict, files: list[str], read: ReadBytes) -> Decode:
    """Give the function that puts the tiles of a plane where they belong.

    It takes [file, tile, tile, ...], each tile [start, length, compression, pixel type, y, x,
    height, width], a later one above the earlier ones, and gives an array Y, X, or S, Y, X. Pixels
    that no tile covers are 0.
    """
    dtype, samples, shape = np.dtype(codec["dtype"]), codec["samples"], tuple(codec["shape"])
    spaces = Spaces()

    def decode(where: list) -> np.ndarray:
        file, *tiles = where
        plane = None
        for start, length, compression, kind, y, x, height, width in tiles:
            data = read(file, start, length)
            own = np.dtype(PIXEL_TYPES[kind][0])
            with explained(files[file], "a CZI file"):
                size = height, width
                pixels = decode_tile(files[file], data, compression, own, size, samples, spaces)
            if len(tiles) == 1 and size == shape:
                plane = pixels.astype(dtype, copy=False)
                break
            if plane is None:
                plane = np.zeros(shape if samples == 1 else (*shape, samples), dtype)
            plane[y : y + height, x : x + width] = pixels
        return plane if samples == 1 else plane.transpose(2, 0, 1)

    return decode


def decode_tile(
    path: str | PathLike,
    data: bytes,
    compression: int,
    dtype: np.dtype,
    shape: tuple[int, int],
    samples: int,
    spaces: Spaces,
) -> np.ndarray:
    """Decode a tile.

    Parameters
    ----------
    path : path
        The file, for errors.
    data : bytes
    compression : int
        As the directory of the file numbers it.
    dtype : dtype
    shape : tuple of int
        Y, X.
    samples : int
        1, or 3 for colours, which the file stores blue first.
    spaces : Spaces
        Where the pixels will lie, until the next call of the same thread.

    Returns
    -------
    array
        Y, X; or Y, X and red, green, blue.

    Raises
    ------
    ClearfieldError
        A compression that is not known here, or imagecodecs is missing.
    """
    full = shape if samples == 1 else (*shape, samples)
    as_it_is = len(data) == np.prod(full) * dtype.itemsize and not _BEGINNINGS.search(data[:8])
    if compression == _UNCOMPRESSED or as_it_is:
        # Some writers leave tiles as they are that would have grown.
        pixels = np.frombuffer(data, dtype)
    else:
        try:
            import imagecodecs as codecs
        except ImportError:
            import_reader("imagecodecs", "imagecodecs", path)  # says what to install
        # Into memory of the right size: what damaged data claim is not taken.
        size = int(np.prod(full)) * dtype.itemsize
        out = spaces.give("decoded", size).view(dtype).reshape(full)
        if compression in (_JPEG, _JPEG_XR):  # red comes first out of these
            decode = codecs.jpeg_decode if compression == _JPEG else codecs.jpegxr_decode
            return _decode_image(decode, data, out)
        if compression in (_ZSTD_0, _ZSTD_1):
            skip, packed = read_zstd_header(data) if compression == _ZSTD_1 else (0, False)
            if packed and dtype.itemsize != 2:
                raise ValueError(f"a tile of {dtype.name} whose bytes were put apart")
            raw = codecs.zstd_decode(memoryview(data)[skip:], out=out.reshape(-1).view(np.uint8))
            if raw.size != size:
                raise ValueError(f"a tile of {raw.size} bytes instead of {size}")
            if packed:
                raw = unpack_bytes(raw, spaces.give("unpacked", size))
            pixels = raw.view(dtype)
        elif compression == _LZW:
            pixels = np.frombuffer(codecs.lzw_decode(data), dtype)
        else:
            raise ClearfieldError(
                f"{path} has pixels in the CZI compression {compression}, which is not known here; "
                "save it in ZEN without compression"
            )
    pixels = pixels.reshape(full)
    return pixels if samples == 1 else pixels[..., ::-1]


def _decode_image(decode: Callable, data: bytes, out: np.ndarray) -> np.ndarray:
    """Decode what knows its own size, which may be a row and a column more than the tile has."""
    height, width, *samples = out.shape
    for rows, columns in ((1, 1), (0, 1), (1, 0)):
        try:
            return decode(data, out=out)[:height, :width]
        except ValueError:
            out = np.empty((height + rows, width + columns, *samples), out.dtype)
    return decode(data, out=out)[:height, :width]


def read_zstd_header(data: bytes) -> tuple[int, bool]:
    """Read the header in front of a "zstd1" tile.

    Its first byte is its length: 1, nothing else follows; 3, a chunk of type 1 whose lowest bit
    says that the bytes of each 16-bit value were put apart (ZISRAW file format, "zstd1").

    Returns
    -------
    length : int
    packed : bool

    Examples
    --------
    >>> read_zstd_header(bytes([1, 40])), read_zstd_header(bytes([3, 1, 1, 40]))
    ((1, False), (3, True))
    """
    if data[:1] == b"\x01":
        return 1, False
    if data[:2] == b"\x03\x01" and len(data) > 2:
        return 3, bool(data[2] & 1)
    raise ValueError(f"a zstd1 tile begins with {data[:3].hex(' ')}")


def unpack_bytes(raw: np.ndarray, space: np.ndarray) -> np.ndarray:
    """Put bytes together again, in `space`: all low ones came first, then all high ones.

    Examples
    --------
    >>> unpack_bytes(np.array([1, 2, 3, 0, 1, 0], "u1"), np.empty(6, "u1")).view("<u2").tolist()
    [1, 258, 3]
    """
    low, high = raw[: raw.size // 2], raw[raw.size // 2 :]
    # Whole planes: threads that ask for each other's lock 200 times a plane only wait.
    values = space.view("<u2")
    np.copyto(values, high)
    np.left_shift(values, 8, out=values)
    np.bitwise_or(values, low, out=values)
    return space
