"""Planes of any size made ready for a screen: smaller, in grey levels, with pixels marked."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

STRETCH = 4  # an image longer than this times its width is stretched: else nothing could be seen


def panel_size(shape: tuple[int, int], limit: int) -> tuple[int, int]:
    """Choose rows and columns of the screen for a plane, at most `limit` each.

    Small planes are enlarged by a whole number. Beyond 1 : `STRETCH` a plane is stretched.

    Examples
    --------
    >>> panel_size((1024, 512), 400), panel_size((90, 120), 400), panel_size((1, 2000), 400)
    ((400, 200), (270, 360), (100, 400))
    """
    rows, columns = shape
    if max(rows, columns) > STRETCH * min(rows, columns):
        return (limit // STRETCH, limit) if rows < columns else (limit, limit // STRETCH)
    scale = limit / max(rows, columns)
    if scale >= 2:
        scale = int(scale)
    return round(rows * scale), round(columns * scale)


def is_stretched(shape: tuple[int, int]) -> bool:
    """Tell whether `panel_size` changes the proportions of a plane."""
    return max(shape) > STRETCH * min(shape)


def shrink(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Average whole blocks of a plane, so that it stays at least as large as `size`.

    Parameters
    ----------
    image : (Y, X)
        Anything with a shape whose rows can be sliced; read in blocks of rows.
    size : (int, int)
        Rows and columns wanted.

    Returns
    -------
    (y, x) float32
        Less than twice `size`; what is left over at the far edges is dropped; NaN where a block
        holds a NaN or an infinite pixel.

    Examples
    --------
    >>> shrink(np.array([[1, 3, 9], [5, 7, 9]], np.uint8), (1, 1))
    array([[5.6666665]], dtype=float32)
    """
    return _by_blocks(image, size, np.add, np.float32)


def shrink_marks(
    image: np.ndarray, size: tuple[int, int], marked: Callable[[slice], np.ndarray]
) -> np.ndarray:
    """Tell which blocks of `shrink` hold a marked pixel.

    Parameters
    ----------
    image : (Y, X)
        Only for its shape.
    size : (int, int)
        As for `shrink`.
    marked : function
        Gives a boolean array for a slice of rows.

    Returns
    -------
    (y, x) bool
    """

    class Marks:
        shape = image.shape

        def __getitem__(self, rows: slice) -> np.ndarray:
            return marked(rows)

    return _by_blocks(Marks(), size, np.logical_or, bool)


def _by_blocks(
    image: np.ndarray, size: tuple[int, int], combine: np.ufunc, dtype: type
) -> np.ndarray:
    down, across = (max(1, length // want) for length, want in zip(image.shape, size, strict=True))
    rows, columns = image.shape[0] // down, image.shape[1] // across
    small = np.empty((rows, columns), dtype)
    step = max(1, 2**21 // (down * image.shape[1]))
    for first in range(0, rows, step):
        last = min(rows, first + step)
        block = np.asarray(image[first * down : last * down])
        if down > 1:  # rows first: neighbours in memory
            block = combine.reduce(block.reshape(last - first, down, -1), axis=1, dtype=dtype)
        if across > 1:
            block = block[:, : columns * across]
            total = block[:, ::across].astype(dtype)
            for k in range(1, across):
                combine(total, block[:, k::across], out=total)
            block = total
        small[first:last] = block
    if combine is np.add:
        small /= np.float32(down * across)
        small[~np.isfinite(small)] = np.nan
    return small


def fit(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a small float32 or bool plane to the pixels of the screen.

    Enlarged pixels stay squares; a mark stays visible, however small it becomes.

    Examples
    --------
    >>> fit(np.array([[0, 1]], np.float32), (2, 4)).tolist()
    [[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]]
    """
    if image.shape == tuple(size):
        return image
    if image.shape[0] <= size[0] and image.shape[1] <= size[1]:
        rows, columns = (
            np.arange(want) * have // want for want, have in zip(size, image.shape, strict=True)
        )
        return image[rows[:, None], columns]
    from PIL import Image

    if image.dtype == bool:
        resized = Image.fromarray(image.view(np.uint8) * np.uint8(255))
        return np.asarray(resized.resize(size[::-1], Image.Resampling.BOX)) > 0
    resized = Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR)
    return np.asarray(resized)


def grey_range(planes: list[np.ndarray], low: float = 0.1, high: float = 99.9) -> tuple:
    """Give the grey levels below and above which `low` and 100 − `high` per cent lie.

    Planes without a finite pixel are left out; the range is never empty.

    Examples
    --------
    >>> grey_range([np.arange(1001.0)])
    (1.0, 1000.0)
    >>> grey_range([np.full((2, 2), np.nan)]), grey_range([np.full((2, 2), 7.0)])
    ((0.0, 1.0), (7.0, 8.0))
    """
    values = np.concatenate([plane[np.isfinite(plane)] for plane in planes])
    if not values.size:
        return 0.0, 1.0
    below = int(low / 100 * (values.size - 1))
    above = int(np.ceil(high / 100 * (values.size - 1)))
    values = np.partition(values, (below, above))
    first, last = float(values[below]), float(values[above])
    return first, last if last > first else first + 1.0


def to_grey(image: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Turn grey levels into opaque grey pixels: black at the lower limit, white at the upper.

    Examples
    --------
    >>> to_grey(np.array([[0.0, 5, 10, np.nan]], np.float32), (0, 10))[0, :, 0].tolist()
    [0, 128, 255, 0]
    """
    low, high = limits
    scaled = (image - np.float32(low)) * np.float32(255 / (high - low)) + np.float32(0.5)
    grey = np.nan_to_num(np.clip(scaled, 0, 255), nan=0.0).astype(np.uint8)
    rgba = np.empty((*image.shape, 4), np.uint8)
    rgba[..., :3] = grey[..., None]
    rgba[..., 3] = 255
    return rgba


def paint(rgba: np.ndarray, marks: np.ndarray | None, colour: str) -> None:
    """Colour marked pixels in place; `colour` as "#RRGGBB"."""
    if marks is not None:
        rgba[marks, :3] = tuple(bytes.fromhex(colour[1:]))


def grey_wedge(width: int, height: int) -> np.ndarray:
    """Give the pixels of a colour bar, white at the top.

    Examples
    --------
    >>> grey_wedge(1, 3)[:, 0, 0].tolist()
    [255, 128, 0]
    """
    levels = np.linspace(1, 0, max(2, height), dtype=np.float32)[:height, None]
    return to_grey(np.repeat(levels, width, axis=1), (0.0, 1.0))


def profile_of(row: np.ndarray, points: int = 2048) -> tuple[np.ndarray, np.ndarray]:
    """Give columns and grey levels along a row, averaged to at most `points`.

    Examples
    --------
    >>> profile_of(np.array([1, 3, 5, 7]), points=2)
    (array([0.5, 2.5]), array([2., 6.], dtype=float32))
    """
    width = -(-row.size // points)
    count = row.size // width
    levels = row[: count * width].reshape(count, width).mean(axis=1, dtype=np.float32)
    return np.arange(count) * width + (width - 1) / 2, levels


def scale_bar(pixel_um: float | None, columns: int) -> tuple[float, str]:
    """Choose a round length of about a fifth of the image: in px, and as a label.

    Examples
    --------
    >>> scale_bar(0.35, 176)
    (28.571428571428573, '10 µm')
    >>> scale_bar(None, 1024), scale_bar(0.35, 1), scale_bar(5000.0, 512)
    ((200.0, '200 px'), (0.14285714285714288, '50 nm'), (100.0, '500 mm'))
    """
    target = columns / 5 * (pixel_um or 1)
    power = 10.0 ** np.floor(np.log10(target))
    step = max(s for s in (1, 2, 5) if s * power <= target * (1 + 1e-9))
    length = float(step * power)
    if not pixel_um:
        length = max(length, 1.0)
        return length, f"{length:g} px"
    for unit, size in (("mm", 1000.0), ("µm", 1.0), ("nm", 0.001)):
        if length >= size * (1 - 1e-9) or unit == "nm":
            shown = f"{length / size:.6g} {unit}"
            break
    return length / pixel_um, shown
