"""What the filters ask of an image: one plane of numbers."""

import numpy as np

from .errors import ClearfieldError


def check_plane(image: np.ndarray) -> np.dtype:
    """Give the dtype of a plane in native byte order.

    Parameters
    ----------
    image : (Y, X) array, or anything with ``shape`` and ``dtype``

    Raises
    ------
    ClearfieldError
        If it has another number of axes, or values that are not integers or floats.

    Examples
    --------
    >>> check_plane(np.zeros((2, 3), ">u2"))
    dtype('uint16')
    """
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
