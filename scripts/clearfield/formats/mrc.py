"""MRC images (.mrc, .st, .rec, ...) of electron microscopes: 1024 bytes of header, then planes.

The header is short and its layout public (MRC2014), so it is read here, as that of DeltaVision's
dialect: all that is needed is where the planes lie. The tests compare with the package mrcfile.
"""

import struct
from math import prod
from os import PathLike, fspath
from pathlib import Path

import numpy as np

from ..errors import ClearfieldError
from . import dv
from .length_units import micrometres, shortest
from .series import Series
from .thirdparty import check_size, explained

_KIND = "an MRC file"
_HEADER_BYTES = 1024
_DTYPES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}
_KNOWN_MODES = {*_DTYPES, 3, 4, 101}  # complex, and two values in a byte
_IMOD_STAMP, _IMOD_SIGNED = 1146047817, 1
_FIRST_VOLUME_STACK = 401  # space groups: 0 images side by side, 1 a volume
_LETTERS = {1: "X", 2: "Y", 3: "Z"}
_ORDERS = {0x44: "<", 0x41: "<", 0x11: ">"}  # the machine stamp's first byte


def open_series(path: str | PathLike) -> list[Series]:
    """Describe the image of an MRC file, to be used where it lies.

    Parameters
    ----------
    path : path

    Returns
    -------
    list of Series
        One, with the axes Z, Y, X of a volume. A file that calls itself images side by side (space
        group 0: a tilt series, particles) has Q in place of Z, and one of several volumes Q before
        Z. Rows are in the file's order, the lowest first.

    Raises
    ------
    ClearfieldError
        Not an MRC file, cut short, or of complex or 4-bit numbers.
    """
    size = check_size(path, _KIND)
    with explained(path, _KIND), Path(path).open("rb") as file:
        header = file.read(_HEADER_BYTES)
    if len(header) < _HEADER_BYTES:
        raise ClearfieldError(
            f"{path} has {size} bytes, less than the header of an MRC file; "
            "copy it again from its source"
        )
    if dv.is_deltavision(header):
        return dv.open_series(path)
    order = _byte_order(header)
    if order is None:
        raise ClearfieldError(
            f"{path} is not an MRC file (its header makes no sense in either byte order); "
            "give it the suffix of what it is"
        )

    def field(form: str, at: int) -> tuple:
        return struct.unpack_from(order + form, header, at)

    columns, rows, sections, mode = field("4i", 0)
    (group,), (extended,) = field("i", 88), field("i", 92)
    if mode not in _DTYPES:
        kinds = {3: "complex numbers", 4: "complex numbers", 101: "numbers of 4 bits"}
        raise ClearfieldError(
            f"{path} has {kinds[mode]} (mode {mode}), which are not read here; save it as 8, 16 or "
            "32-bit grey levels, for example with newstack of IMOD"
        )
    stamp, flags = field("2i", 152)
    unsigned = stamp == _IMOD_STAMP and not flags & _IMOD_SIGNED
    dtype = np.dtype("u1" if mode == 0 and unsigned else order + _DTYPES[mode])
    start = _HEADER_BYTES + max(extended, 0)
    needed = start + sections * rows * columns * dtype.itemsize
    if size < needed:
        raise ClearfieldError(
            f"{path} is cut short: it has {size} bytes of {needed}; copy it again from its source"
        )
    intervals, cell, places = field("3i", 28), field("3f", 40), field("3i", 64)
    axes, shape = _axes(path, group, places, (sections, rows, columns), intervals[2])

    def read(index: tuple[int, ...]) -> np.ndarray:
        with explained(path, _KIND):
            pixels = np.memmap(path, dtype, "r", start, shape)
            return np.array(pixels.transpose(series.order)[tuple(map(int, index))])

    series = Series(
        name="", axes=axes, shape=shape, dtype=dtype, read=read,
        pixel_size_um=_pixel_size(intervals, cell),
    )  # fmt: skip
    if series.order == list(range(len(axes))):
        plane_bytes = prod(series.plane_shape) * dtype.itemsize
        planes = prod(series.index_shape)
        series.files, series.offsets = [fspath(path)], np.zeros((planes, 2), np.int64)
        series.offsets[:, 1] = start + plane_bytes * np.arange(planes)
    return [series]


def _byte_order(header: bytes) -> str | None:
    """Find the byte order: by the stamp, or where that is missing by what makes sense."""
    stamped = _ORDERS.get(header[212]) if header[208:212] == b"MAP " else None
    for order in filter(None, (stamped, "<", ">")):
        *lengths, mode = struct.unpack_from(order + "4i", header)
        (extended,) = struct.unpack_from(order + "i", header, 92)
        places = struct.unpack_from(order + "3i", header, 64)
        if (
            all(0 < length < 1 << 24 for length in lengths)
            and mode in _KNOWN_MODES
            and 0 <= extended < 1 << 30
            and sorted(places) in ([1, 2, 3], [0, 0, 0])
        ):
            return order
    return None


def _axes(
    path: str | PathLike,
    group: int,
    places: tuple[int, ...],
    shape: tuple[int, int, int],
    deep: int,
) -> tuple[str, tuple[int, ...]]:
    """Name the axes, the slowest first.

    Examples
    --------
    >>> _axes("a.mrc", 1, (1, 2, 3), (5, 4, 3), 5), _axes("a.mrc", 401, (1, 2, 3), (6, 4, 3), 2)
    (('ZYX', (5, 4, 3)), ('QZYX', (3, 2, 4, 3)))
    """
    letters = "".join(_LETTERS.get(place, "") for place in reversed(places)) or "ZYX"
    if group >= _FIRST_VOLUME_STACK:
        if deep < 1 or shape[0] % deep:
            raise ClearfieldError(
                f"{path} is damaged: it has {shape[0]} sections in volumes of {deep}; "
                "copy it again from its source"
            )
        return f"Q{letters}", (shape[0] // deep, deep, *shape[1:])
    if group == 0 and Path(path).suffix.lower() != ".rec" and letters == "ZYX" and shape[0] > 1:
        return "QYX", shape
    return letters, shape


def _pixel_size(intervals: tuple[int, ...], cell: tuple[float, ...]) -> dict[str, float | None]:
    """Read the size of the cell in ångström, and into how many intervals it is cut."""
    sizes = [
        shortest(length / count, length / count * 2**-23) if count > 0 and length > 0 else 0.0
        for count, length in zip(intervals, cell, strict=True)
    ]
    # ASSUME: 1 x 1 x 1 is the default of a writer that knew nothing, as 0 is.
    if sizes == [1.0, 1.0, 1.0]:
        sizes = [0.0, 0.0, 0.0]
    return {axis: micrometres(size, "Å") for axis, size in zip("xyz", sizes, strict=True)}
