"""A plane, the camera's offset and the light's profile in; out comes the plane in even light."""

from collections.abc import Iterator

import numpy as np

from ..errors import ClearfieldError
from .choice import DARKEST

_BLOCK_BYTES = 1 << 23


def corrected_dtype(image: np.dtype) -> np.dtype:
    """Give float32, or float64 for 32-bit integers and float64.

    What was divided fits no integer type; `subtract_background.output.dtype` makes it one again,
    and counts what is clipped.

    Examples
    --------
    >>> [corrected_dtype(np.dtype(d)).name for d in ("uint8", ">u2", "int32", "float64")]
    ['float32', 'float32', 'float64', 'float64']
    """
    return np.dtype(
        "f8" if image.itemsize > 4 or (image.kind in "iu" and image.itemsize > 2) else "f4"
    )


def offsets_in(method: str, planes: int) -> int:
    """Say how many times the camera's offset is in a projection.

    Offset and light are the same for all planes of a pixel, and (x − offset) / gain grows with x:
    so max, min and median of corrected planes are those of the planes, corrected; the mean too,
    as it is linear. A sum holds the offset of each plane, a standard deviation none.

    Examples
    --------
    >>> offsets_in("max", 15), offsets_in("sum", 15), offsets_in("std", 15)
    (1, 15, 0)
    """
    return {"sum": planes, "std": 0}.get(method, 1)


def correct_blocks(
    plane: np.ndarray, offset: np.ndarray | float, gain: np.ndarray | None
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yield first row, last row (excluded) and (plane − offset) / gain, a block of rows at a time.

    Parameters
    ----------
    plane : (Y, X) array, or anything with shape, dtype and slices of rows
    offset : float, or (Y, X) array
        Grey levels.
    gain : (Y, X) array, optional
        Above 0; None for even light.

    Examples
    --------
    >>> plane, gain = np.array([[110, 90]], "u1"), np.array([[0.5, 2.0]], "f4")
    >>> [block.tolist() for _, _, block in correct_blocks(plane, 100, gain)]
    [[[20.0, -5.0]]]
    """
    dtype = corrected_dtype(plane.dtype)
    height, width = plane.shape
    step = max(1, _BLOCK_BYTES // (width * dtype.itemsize))
    for first in range(0, height, step):
        rows = slice(first, min(first + step, height))
        dark = offset[rows] if isinstance(offset, np.ndarray) else dtype.type(offset)
        block = np.subtract(plane[rows], dark, dtype=dtype)
        if gain is not None:
            block /= gain[rows]
        yield first, rows.stop, block


def check_gain(gain: np.ndarray, name: str) -> np.ndarray:
    """Give a given profile with a mean of 1.

    Raises
    ------
    ClearfieldError
        Where it has pixels that nothing can be divided by.

    Examples
    --------
    >>> check_gain(np.array([[2.0, 6.0]]), "flat.tif").tolist()
    [[0.5, 1.5]]
    """
    gain = np.asarray(gain, "f8")
    bad = gain.size - int(np.count_nonzero(np.isfinite(gain)))
    if bad:
        raise ClearfieldError(
            f"correct_light.flatfield: {name} has {bad} pixels that are NaN or infinite; give one "
            "that has a value everywhere"
        )
    mean = gain.mean()
    dark = gain.size if mean <= 0 else int(np.count_nonzero(gain < DARKEST * mean))
    if dark:
        raise ClearfieldError(
            f"correct_light.flatfield: {name} has {dark} pixels of zero or below "
            f"{100 * DARKEST:.0f} % of its mean, and nothing is divided by so little; crop the "
            "images and the profile, or give another"
        )
    return (gain / mean).astype("f4")
