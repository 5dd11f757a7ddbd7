"""Frames of an ND2 file in; out come their pixels.

The package nd2 takes the components of the second colour image of a frame from wrong places where
rows are padded, so frames are read by their place in the file.
"""

import zlib

import numpy as np

from .parts import Decode, ReadBytes
from .thirdparty import explained


def frame_bytes(attributes, itemsize: int) -> tuple[int, int]:
    """Give the bytes from row to row, where rows may be padded, and those of a frame."""
    row_bytes = attributes.widthPx * attributes.componentCount * itemsize
    step = max(attributes.widthBytes or 0, row_bytes)
    return step, (attributes.heightPx - 1) * step + row_bytes


def describe_codec(attributes, dtype: np.dtype) -> dict:
    """Give what `make_decoder` needs, by the "attributes" of the package nd2."""
    step, size = frame_bytes(attributes, dtype.itemsize)
    return {
        "name": "nd2",
        "dtype": dtype.str,
        "shape": [attributes.heightPx, attributes.widthPx, attributes.componentCount],
        "step": step,
        "bytes": size,
        "lossless": attributes.compressionType == "lossless",
    }


def make_decoder(codec: dict, files: list[str], read: ReadBytes) -> Decode:
    """Give the function that reads a frame: components (channels, samples), Y, X.

    It takes [file, offset, length].
    """
    dtype, size = np.dtype(codec["dtype"]), codec["bytes"]
    components = codec["shape"][2]

    def decode(where: list[int]) -> np.ndarray:
        data = read(*where)
        with explained(files[where[0]], "an ND2 file"):
            if codec["lossless"]:
                data = zlib.decompressobj().decompress(data, size)
            strides = codec["step"], components * dtype.itemsize, dtype.itemsize
            return np.ndarray(codec["shape"], dtype, data, 0, strides).transpose(2, 0, 1)

    return decode
