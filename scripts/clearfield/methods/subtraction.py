"""Background estimation and subtraction of one plane: methods, signs and dtypes.

Sizes are in pixels, grey levels keep their scale, integers never wrap round.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..errors import ClearfieldError
from ..filters.memory import new_array
from ..filters.plane import check_plane
from .known_methods import method_of


class Block(NamedTuple):
    """Rows `first` to `last` (excluded) of a subtracted plane, and what it took to write them."""

    first: int
    last: int
    result: np.ndarray
    background: np.ndarray
    clipped_low: int
    clipped_high: int
    nonfinite: int


def subtract_background(
    image: np.ndarray,
    method: str = "tophat",
    radius: int = 25,
    light_background: bool = False,
    *,
    min_size: int = 25,
    max_size: int = 25,
    low_sigma: float = 1,
    high_sigma: float = 100,
    smooth: float | bool | None = None,
    paraboloid: bool = False,
    dtype: str = "auto",
    negative: str = "keep",
    offset: float = 1000,
    threads: int | None = None,
) -> np.ndarray:
    """Subtract the background from a plane.

    Parameters
    ----------
    image : (Y, X) array, integer or float
        Bright objects on a dark background, or dark on bright with `light_background`.
    method : {"tophat", "minmax", "dog", "rolling_ball", "none"}
        "tophat": image − opening by a disk of `radius` px (Soille, "Morphological Image
        Analysis", 2004, section 4.5.1); "minmax": image − maximum filter of the minimum filter,
        square windows of odd `min_size` and `max_size` px; "dog": Gaussian of `low_sigma` px −
        Gaussian of `high_sigma` px; "rolling_ball": image − what a ball of `radius` finds below it,
        as ImageJ does, of uint8, uint16 and float32 images; "none": the image as it is.
    smooth : float or bool, optional
        Of "tophat" and "minmax": standard deviation in px of a Gaussian; the background is
        estimated on a copy that it blurs, and subtracted from the image as it is. Default: 0,
        none. Of the rolling ball: whether it rolls below a 3 × 3 mean. Default: True.
    paraboloid : bool
        Of the rolling ball: take a sliding paraboloid.
    light_background : bool
        Take closing − image, (minimum of the maximum) − image, or large − small Gaussian instead.
    dtype : {"auto", "uint8", "uint16", "float32"}
        "auto" is the image's dtype where no value can be negative or too large for it, else
        float32 (float64 for 32-bit integers); a top-hat of signed integers is unsigned.
    negative : {"keep", "clip", "offset"}
        Keep negative values, set them to 0, or add the constant `offset` to every pixel.
    threads : int, optional
        At most; default: the CPUs that this process may use. Fewer work where more would not
        help. The result does not depend on it.

    Returns
    -------
    (Y, X) array
        Grey levels of the image. Values outside the dtype take its nearest value.

    Raises
    ------
    ClearfieldError
        For an unknown method, impossible sizes, or a dtype that cannot hold what is to be kept.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.array([[5, 5, 9, 5, 5]], np.uint8)
    >>> subtract_background(image, radius=1)
    array([[0, 0, 4, 0, 0]], dtype=uint8)
    """
    check_plane(image)
    settings = {
        "method": method, "radius": radius, "light_background": light_background,
        "min_size": min_size, "max_size": max_size,
        "low_sigma": low_sigma, "high_sigma": high_sigma,
        "paraboloid": paraboloid,
    } | ({} if smooth is None else {"smooth": smooth})  # fmt: skip
    target = output_dtype(image.dtype, [settings], dtype=dtype, negative=negative)
    result = new_array(image.shape, target)
    for block in subtract_blocks(
        image, settings, dtype=target, negative=negative, offset=offset, threads=threads
    ):
        result[block.first : block.last] = block.result
    return result


def estimate_background(
    image: np.ndarray,
    *,
    method: str,
    light_background: bool = False,
    threads: int | None = None,
    **sizes: float,
) -> np.ndarray:
    """Give what `subtract_background` would subtract from a plane.

    Parameters and errors are those of `subtract_background`.

    Returns
    -------
    (Y, X) array
        Opening (closing), maximum of the minimum (minimum of the maximum) in the image's dtype,
        of a smoothed copy in float32; large Gaussian or the ball's background in float32, or zeros
        for "none".

    Examples
    --------
    >>> import numpy as np
    >>> image = np.array([[5, 5, 9, 5, 5]], np.uint8)
    >>> estimate_background(image, method="tophat", radius=1)
    array([[5, 5, 5, 5, 5]], dtype=uint8)
    """
    check_plane(image)
    settings = {"method": method, "light_background": light_background, **sizes}
    result = new_array(image.shape, background_dtype(image.dtype, [settings]))
    for first, last, background in background_blocks(image, settings, threads=threads):
        result[first:last] = background
    return result


def background_blocks(
    image: np.ndarray, channel: dict, *, threads: int | None = None
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yield first row, last row (excluded) and background of a plane of any size, in row order.

    Parameters are those of `subtract_blocks`.
    """
    for first, last, _, background in method_of(channel).blocks(image, channel, threads):
        yield first, last, background


def output_dtype(image: np.dtype, channels: list[dict], *, dtype: str, negative: str) -> np.dtype:
    """Choose the dtype of a file of subtracted planes.

    Parameters
    ----------
    image : dtype
        That of the projection.
    channels : list of dict
        Method and sizes of each channel, as `subtract_background` takes them.
    dtype, negative : str
        As in `subtract_background`.

    Raises
    ------
    ClearfieldError
        Where an integer dtype is to keep negative values.

    Examples
    --------
    >>> tophat, dog = {"method": "tophat"}, {"method": "dog"}
    >>> str(output_dtype(np.dtype("int16"), [tophat], dtype="auto", negative="keep"))
    'uint16'
    >>> str(output_dtype(np.dtype("uint16"), [tophat, dog], dtype="auto", negative="keep"))
    'float32'
    """
    image = image.newbyteorder("=")
    if dtype == "auto":
        return np.result_type(*(_natural_dtype(image, channel, negative) for channel in channels))
    target = np.dtype(dtype)
    if target.kind == "u" and negative == "keep":
        for channel in channels:
            if _may_be_negative(image, channel):
                raise ClearfieldError(
                    f"output.dtype {dtype} cannot keep the negative values of method "
                    f"{channel['method']}; set output.negative to clip or offset, "
                    "or output.dtype to auto or float32"
                )
    return target


def background_dtype(image: np.dtype, channels: list[dict]) -> np.dtype:
    """Choose the dtype of a file of backgrounds: the image's, or float32 where a blur or a ball is.

    Examples
    --------
    >>> str(background_dtype(np.dtype(">u2"), [{"method": "tophat"}]))
    'uint16'
    """
    image = image.newbyteorder("=")
    float32 = np.dtype("float32")
    floats = (method_of(channel).has_float_background(channel) for channel in channels)
    return np.result_type(*(float32 if is_float else image for is_float in floats))


def _natural_dtype(image: np.dtype, channel: dict, negative: str) -> np.dtype:
    wide = np.dtype("float64" if image.kind in "iu" and image.itemsize > 2 else "float32")
    if method_of(channel).COMPUTES_IN_FLOAT:
        return np.dtype("float32")
    if image.kind == "f":
        return image
    if negative == "offset":
        return wide  # the largest grey level plus the offset does not fit
    if channel["method"] == "none":
        return image
    if negative == "keep" and _may_be_negative(image, channel):
        return wide
    return np.dtype(f"uint{8 * image.itemsize}")


def _may_be_negative(image: np.dtype, channel: dict) -> bool:
    if channel["method"] == "none":
        return image.kind != "u"  # what is negative before stays so
    return method_of(channel).may_be_negative(channel)


def subtract_blocks(
    image: np.ndarray,
    channel: dict,
    *,
    dtype: np.dtype,
    negative: str = "keep",
    offset: float = 1000,
    threads: int | None = None,
) -> Iterator[Block]:
    """Subtract the background of a plane of any size, a block of rows at a time.

    Parameters
    ----------
    image : (Y, X) array, or anything with shape, dtype and slices of rows
    channel : dict
        ``method``, ``light_background`` and the sizes in px that the method takes.
    dtype : dtype
        Of the result; see `output_dtype`.
    negative, offset, threads
        As in `subtract_background`.

    Yields
    ------
    Block
        In the order of the rows.
    """
    shift = offset if negative == "offset" else 0
    floor = 0 if negative == "clip" else None
    for first, last, difference, background in method_of(channel).blocks(image, channel, threads):
        yield Block(first, last, *_fit(difference, background, dtype, shift, floor))


def _fit(
    difference: np.ndarray,
    background: np.ndarray,
    dtype: np.dtype,
    shift: float,
    floor: float | None,
) -> tuple[np.ndarray, np.ndarray, int, int, int]:
    """Shift, clip and cast a difference; count what did not fit."""
    nonfinite = 0
    if difference.dtype.kind == "f":
        nonfinite = difference.size - int(np.count_nonzero(np.isfinite(difference)))
    if difference.dtype == dtype and not shift and (floor is None or dtype.kind == "u"):
        return difference, background, 0, 0, nonfinite
    if shift:
        wide = "float64" if dtype.kind == "f" and dtype.itemsize == 8 else "float32"
        exact = "int64" if float(shift).is_integer() and dtype.kind == "u" else wide
        if difference.dtype.kind == "f":
            exact = difference.dtype
        difference = difference.astype(exact) + np.dtype(exact).type(shift)
    if dtype.kind == "f":
        low = 0 if floor is None else int(np.count_nonzero(difference < floor))
        result = difference.astype(dtype, copy=False)
        return (np.maximum(result, 0) if low else result), background, low, 0, nonfinite
    if difference.dtype.kind == "f":
        difference = np.rint(difference)
    limits = np.iinfo(dtype)
    low_limit = limits.min if floor is None else max(limits.min, 0)
    low = int(np.count_nonzero(difference < low_limit))
    high = int(np.count_nonzero(difference > limits.max))
    if nonfinite:
        difference = np.nan_to_num(difference, nan=0.0)
    if low or high:
        difference = np.clip(difference, low_limit, limits.max)
    return difference.astype(dtype), background, low, high, nonfinite
