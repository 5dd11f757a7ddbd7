"""Memory that is cheap to take: what a job takes anew costs as much as what it computes there."""

import math
import mmap
from contextlib import suppress

import numpy as np

_LARGE = 1 << 21  # bytes of a large page


def any_array(shape: tuple[int, ...], dtype: np.dtype | str) -> np.ndarray:
    """Give an array of whatever values, for what is written before it is read.

    A small one is memory that the process holds already: to take 256 KB anew from the system costs
    as much as a top-hat of small radius over it.

    Examples
    --------
    >>> any_array((2, 3), "u2").shape
    (2, 3)
    """
    small = math.prod(shape) * np.dtype(dtype).itemsize < _LARGE
    return np.empty(shape, dtype) if small else new_array(shape, dtype)


def new_array(shape: tuple[int, ...], dtype: np.dtype | str) -> np.ndarray:
    """Give an array of zeros that begins with a memory page, in large pages where it fills one.

    The first touch of 8 MB costs 3.1 ms in pages of 4 KB and 0.2 ms in pages of 2 MB. NumPy asks
    for large pages too, from 4 MB on, but its arrays begin where only some can be.

    Examples
    --------
    >>> array = new_array((2, 3), "u2")
    >>> array.tolist(), array.__array_interface__["data"][0] % 4096
    ([[0, 0, 0], [0, 0, 0]], 0)
    """
    dtype = np.dtype(dtype)
    count = math.prod(shape)
    size = max(count * dtype.itemsize, 1)
    if size >= _LARGE:
        size = -(-size // _LARGE) * _LARGE  # the system places whole large pages as such
    memory = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if size >= _LARGE and hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):  # a system without them
            memory.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(memory, dtype, count).reshape(shape)
