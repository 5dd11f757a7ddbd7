"""What the filters ask of an image: one plane of numbers, not all of it in memory."""

import numpy as np

from ..errors import ClearfieldError


def check_plane(image: np.ndarray) -> np.dtype:
    """Give the dtype of a plane in native byte order.

    Parameters
    ----------
    image : (Y, X) array, or anything with ``shape`` and ``dtype``

    Raises
    ------
    ClearfieldError
        If it is no array, has another number of axes, values that are not integers or floats, or a
        mask that hides some of them.

    Examples
    --------
    >>> check_plane(np.zeros((2, 3), ">u2"))
    dtype('uint16')
    """
    if not hasattr(image, "shape") or not hasattr(image, "dtype"):
        raise ClearfieldError(
            f"the image is a {type(image).__name__}, not an array; read a file first, for example "
            "with tifffile.imread, and give a list as numpy.asarray(image)"
        )
    if isinstance(image, np.ma.MaskedArray) and np.ma.is_masked(image):
        raise ClearfieldError(
            "the image is a masked array, whose mask a filter would lose; give hidden pixels as "
            'NaN: image.astype("float32").filled(numpy.nan)'
        )
    if len(image.shape) != 2:
        raise ClearfieldError(
            f"the image has shape {tuple(image.shape)}, but a filter takes one plane (Y, X); "
            "call it for each plane of a stack"
        )
    if image.dtype.kind not in "iuf":
        raise ClearfieldError(
            f"the image has dtype {image.dtype}, which is not a grey level; "
            "convert it to an integer or float dtype"
        )
    return image.dtype.newbyteorder("=")


def forget_rows(image: np.ndarray, first: int, last: int) -> None:
    """Give the memory of rows of a read-only `numpy.memmap` back to the system.

    Their pages stay in the system's file cache and come back when they are read again, but no
    longer count as this process's own, which on a cluster is killed for them. Anything else than
    such a map is left alone.

    Examples
    --------
    >>> forget_rows(np.zeros((4, 4)), 0, 2)
    """
    mapping = getattr(image, "_mmap", None)
    # A changed page of a private map would be lost.
    if mapping is None or getattr(image, "mode", None) != "r" or not image.flags.c_contiguous:
        return

    import mmap

    if not hasattr(mmap, "MADV_DONTNEED"):
        return
    start = _address(image[first:]) - _address(np.frombuffer(mapping, np.uint8))
    aligned = start - start % mmap.PAGESIZE
    length = min(start + (last - first) * image.strides[0], len(mapping)) - aligned
    if length > 0:
        mapping.madvise(mmap.MADV_DONTNEED, aligned, length)


def _address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def is_number(value: object) -> bool:
    """Say whether a value is one number: no text, no list, no True.

    Examples
    --------
    >>> [is_number(value) for value in (5, 2.5, np.int16(5), "5", None, True, [5])]
    [True, True, True, False, False, False, False]
    """
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
