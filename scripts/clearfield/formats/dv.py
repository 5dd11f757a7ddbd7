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

from ..errors import ClearfieldError
from .length_units import micrometres
from .series import Series, split_positions
from .thirdparty import check_size, explained

_HEADER_BYTES = 1024
_MAGIC = -16224
# Of the number "mode"; 3 and 4 are complex (Fourier transforms, not images).
_DTYPES = {0: "u1", 1: "i2", 2: "f4", 5: "i2", 6: "u2", 7: "i4", 8: "f8"}
# By the number "sequence", slowest axis first: the format's own names begin with the fastest. P is
# a panel, a position of the stage.
_ORDERS = (
    "PCTZ", "PTZC", "PTCZ", "TCPZ", "TPCZ", "TPZC", "ZTPC", "ZTCP",
    "ZCTP", "TCZP", "TZCP", "TZPC", "ZPTC", "ZPCT", "ZCPT",
)  # fmt: skip
_NEW_TYPE = 100  # of softWoRx since about 2019: it counts panels


def open_series(path: str | PathLike) -> list[Series]:
    """Describe the image of a DeltaVision file, one for each panel, to be used where it lies.

    Parameters
    ----------
    path : path

    Returns
    -------
    list of Series
        Axes are C, T, Z in the file's order, then Y, X; rows are in the file's order too, which
        Bio-Formats turns upside down. Channels have the name of their emission wavelength, e.g.
        "528 nm".

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
    order = _byte_order(header)
    if order is None:
        raise ClearfieldError(
            f"{path} is not a DeltaVision file (no {_MAGIC} at byte 96); "
            "give it the suffix of what it is"
        )

    def field(form: str, at: int) -> tuple:
        return struct.unpack_from(order + form, header, at)

    columns, rows, planes, mode = field("4i", 0)
    (extended,) = field("i", 92)
    times, sequence = field("2H", 180)
    (channels,) = field("h", 196)
    (kind,), (more_times,), (panels,) = field("h", 160), field("i", 852), field("i", 880)
    # Programs that process such a file may leave text in these two places.
    if kind == _NEW_TYPE and 0 <= panels <= planes:
        times = more_times if times in (0, 0xFFFF) and more_times > 0 else times
    else:
        panels = 1
    times, channels, panels = times or 1, channels or 1, panels or 1
    if mode not in _DTYPES or sequence >= len(_ORDERS):
        raise ClearfieldError(
            f"{path} has pixels of mode {mode} in sequence {sequence}, where clearfield reads "
            f"modes {sorted(_DTYPES)} and sequences up to {len(_ORDERS) - 1}; export it as OME-TIFF"
        )
    if (
        min(columns, rows, planes, channels) < 1
        or extended < 0
        or planes % (times * channels * panels)
    ):
        raise ClearfieldError(
            f"{path} claims {planes} planes of {columns} x {rows} in {times} times, {channels} "
            f"channels and {panels} panels, which cannot be; copy it again from its source"
        )
    dtype = np.dtype(order + _DTYPES[mode])
    sizes = {"T": times, "C": channels, "P": panels, "Y": rows, "X": columns}
    sizes["Z"] = planes // (times * channels * panels)
    axes = _ORDERS[sequence].replace("P", "P" if panels > 1 else "") + "YX"
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
    series = Series(
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
    return split_positions(series)


def is_deltavision(header: bytes) -> bool:
    """Tell DeltaVision's dialect from other MRC files, which may have the same suffix."""
    return _byte_order(header) is not None


def _byte_order(header: bytes) -> str | None:
    return next((o for o in "<>" if struct.unpack_from(o + "h", header, 96)[0] == _MAGIC), None)


def _pixel_size(spacing: tuple[float, ...]) -> dict[str, float | None]:
    """Read the spacing; a float32 such as 0.13262 is meant as these digits."""
    # ASSUME: 1, 1, 1 is the default of a writer that knew nothing, as 0 is.
    if spacing == (1.0, 1.0, 1.0):
        spacing = (0.0, 0.0, 0.0)
    sizes = [float(str(np.float32(value))) for value in spacing]
    return {axis: micrometres(size, "um") for axis, size in zip("xyz", sizes, strict=True)}


def _channel_names(wavelengths: tuple[int, ...], channels: int) -> list[str]:
    """Name channels after their wavelengths, where these tell them apart.

    Examples
    --------
    >>> _channel_names((457, 0, -50), 3)  # unknown; transmitted light
    ['457 nm', '', '']
    """
    known = [wavelength for wavelength in wavelengths if wavelength > 0]
    if not known or len(wavelengths) < channels or len(set(known)) < len(known):
        return []
    return [f"{wavelength} nm" if wavelength > 0 else "" for wavelength in wavelengths]
