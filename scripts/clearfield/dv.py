"""DeltaVision files (.dv, .r3d): a header of 1024 bytes, then planes as they are.

The header is short and its layout public (an MRC header with the fields of Applied Precision), so
it is read here: no package gives the place of each plane, which is all that is needed to use the
file where it lies. The tests compare with the package mrc.
"""

import struct
from math import prod
from os import PathLike, fspath
from pathlib import Path

import numpy as np

from .errors import ClearfieldError
from .series import Series
from .thirdparty import check_size, explained

_HEADER_BYTES = 1024
_MAGIC = -16224
# Of the number "mode"; 3 and 4 are complex (Fourier transforms, not images).
_DTYPES = {0: "u1", 1: "i2", 2: "f4", 5: "i2", 6: "u2", 7: "i4"}
# Of the number "sequence", slowest axis first: the format's own names begin with the fastest.
_ORDERS = {0: "CTZ", 1: "TZC", 2: "TCZ"}


def open_series(path: str | PathLike) -> list[Series]:
    """Describe the one image of a DeltaVision file, to be used where it lies.

    Parameters
    ----------
    path : path

    Returns
    -------
    list of one Series
        Axes are C, T, Z in the file's order, then Y, X. Channels have the name of their emission
        wavelength, e.g. "528 nm".

    Raises
    ------
    ClearfieldError
        Not a DeltaVision file, truncated, or of complex numbers.
    """
    size = check_size(path, "a DeltaVision file")
    with explained(path, "a DeltaVision file"), Path(path).open("rb") as file:
        header = file.read(_HEADER_BYTES)
    if len(header) < _HEADER_BYTES:
        raise ClearfieldError(
            f"{path} has {size} bytes, less than the header of a DeltaVision file; "
            "copy it again from its source"
        )
    order = next((o for o in "<>" if struct.unpack_from(o + "h", header, 96)[0] == _MAGIC), None)
    if order is None:
        raise ClearfieldError(
            f"{path} is not a DeltaVision file (no {_MAGIC} at byte 96); "
            "give it the suffix of what it is"
        )

    def field(form: str, at: int) -> tuple:
        return struct.unpack_from(order + form, header, at)

    columns, rows, planes, mode = field("4i", 0)
    (extended,) = field("i", 92)
    times, sequence = field("2h", 180)
    (channels,) = field("h", 196)
    times, channels = max(times, 1), max(channels, 1)
    if mode not in _DTYPES or sequence not in _ORDERS:
        raise ClearfieldError(
            f"{path} has pixels of mode {mode} in sequence {sequence}, where clearfield reads "
            f"modes {sorted(_DTYPES)} and sequences {sorted(_ORDERS)}; export it as OME-TIFF"
        )
    if min(columns, rows, planes) < 1 or extended < 0 or planes % (times * channels):
        raise ClearfieldError(
            f"{path} claims {planes} planes of {columns} x {rows} in {times} times and "
            f"{channels} channels, which cannot be; copy it again from its source"
        )
    dtype = np.dtype(order + _DTYPES[mode])
    sizes = {"T": times, "C": channels, "Z": planes // (times * channels), "Y": rows, "X": columns}
    axes = _ORDERS[sequence] + "YX"
    shape = tuple(sizes[axis] for axis in axes)
    start, plane_bytes = _HEADER_BYTES + extended, rows * columns * dtype.itemsize
    if size < start + planes * plane_bytes:
        raise ClearfieldError(
            f"{path} is truncated: it has {size} bytes of {start + planes * plane_bytes}; "
            "copy it again from its source"
        )

    def read(index: tuple[int, ...]) -> np.ndarray:
        number = int(np.ravel_multi_index(index, shape[:-2])) if prod(shape[:-2]) > 1 else 0
        with explained(path, "a DeltaVision file"), Path(path).open("rb") as file:
            plane = np.fromfile(file, dtype, rows * columns, offset=start + number * plane_bytes)
        return plane.reshape(rows, columns)

    offsets = np.zeros((planes, 2), np.int64)
    offsets[:, 1] = start + plane_bytes * np.arange(planes)
    return [
        Series(
            name="",
            axes=axes,
            shape=shape,
            dtype=dtype,
            read=read,
            pixel_size_um=_pixel_size(field("3f", 40)),
            channel_names=_channel_names(field(f"{min(channels, 5)}h", 198), channels),
            files=[fspath(path)],
            offsets=offsets,
        )
    ]


def _pixel_size(spacing: tuple[float, ...]) -> dict[str, float | None]:
    """Read the spacing; a float32 such as 0.13262 is meant as these digits."""
    # ASSUME: 1, 1, 1 is the default of a writer that knew nothing, as 0 is.
    if spacing == (1.0, 1.0, 1.0):
        spacing = (0.0, 0.0, 0.0)
    sizes = [float(str(np.float32(value))) for value in spacing]
    return {
        axis: size if size > 0 and np.isfinite(size) else None
        for axis, size in zip("xyz", sizes, strict=True)
    }


def _channel_names(wavelengths: tuple[int, ...], channels: int) -> list[str]:
    """Name channels after their wavelengths, where these tell them apart."""
    if len(set(wavelengths)) < channels or min(wavelengths) <= 0:
        return []
    return [f"{wavelength} nm" for wavelength in wavelengths]
