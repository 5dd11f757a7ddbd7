"""Planes that only the reader of their format can give: it opens the file again, once."""

from threading import Lock

import numpy as np

from .parts import Decode, ReadBytes


def make_decoder(codec: dict, files: list[str], read: ReadBytes) -> Decode:
    """Give the function that reads a plane by its index, by "path" and "series" of the codec."""
    from .known_formats import open_series

    opened, lock = [], Lock()

    def decode(index: list[int]) -> np.ndarray:
        with lock:
            if not opened:
                opened.append(open_series(codec["path"])[codec["series"]])
        return opened[0].read(tuple(index))

    return decode
