"""Pixels of a compressed tile of a CZI file, decoded by imagecodecs, which frees other threads."""

from collections.abc import Callable

import numpy as np

JPEG_XR, ZSTD_0, ZSTD_1 = 4, 5, 6
DECODED = (JPEG_XR, ZSTD_0, ZSTD_1)


def tile_decoder(
    compression: int,
) -> Callable[[bytes, np.dtype, tuple[int, int]], np.ndarray] | None:
    """Give the function that decodes tiles of one compression; None where imagecodecs is missing.

    Parameters
    ----------
    compression : int
        As the directory of the file numbers it; one of `DECODED`.
    """
    try:
        import imagecodecs
    except ImportError:
        return None

    def decode(data: bytes, dtype: np.dtype, shape: tuple[int, int]) -> np.ndarray:
        if compression == JPEG_XR:
            return imagecodecs.jpegxr_decode(data).astype(dtype, copy=False).reshape(shape)
        skip, packed = read_zstd_header(data) if compression == ZSTD_1 else (0, False)
        raw = np.frombuffer(imagecodecs.zstd_decode(data[skip:]), np.uint8)
        return (unpack_bytes(raw) if packed else raw).view(dtype).reshape(shape)

    return decode


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
    if data[0] == 1:
        return 1, False
    if data[0] == 3 and data[1] == 1:
        return 3, bool(data[2] & 1)
    raise ValueError(f"a zstd1 tile begins with {data[:3].hex(' ')}")


def unpack_bytes(raw: np.ndarray) -> np.ndarray:
    """Put bytes together again: all low ones came first, then all high ones.

    Examples
    --------
    >>> unpack_bytes(np.array([1, 2, 3, 0, 1, 0], "u1")).view("<u2").tolist()
    [1, 258, 3]
    """
    return np.ascontiguousarray(raw.reshape(2, -1).T).ravel()
