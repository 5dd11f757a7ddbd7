"""Imaris images (.ims) of version 5.5 and later: HDF5, read by the package h5py.

The layout is the one that the maker of Imaris publishes: DataSet/ResolutionLevel 0/TimePoint 3/
Channel 1/Data holds Z, Y, X, padded to whole blocks; numbers of the metadata are arrays of
characters; extents in space give the size of a pixel.
"""

import re
from os import PathLike

from ..errors import ClearfieldError
from .hdf5 import describe, open_hdf5, text
from .length_units import micrometres, shortest
from .series import Series
from .thirdparty import explained

_KIND = "an Imaris file (5.5 and later)"
_OTHERWISE = "open it in Imaris and save it anew, or convert it with Bio-Formats (bfconvert)"


def open_series(path: str | PathLike) -> list[Series]:
    """Describe the image of an Imaris file, or its images where it has several.

    Parameters
    ----------
    path : path

    Returns
    -------
    list of Series
        Axes are T, C (where there are several), Z, Y, X, of the full resolution.

    Raises
    ------
    ClearfieldError
        No HDF5, cut short, time points or channels missing, or without pixels.
    """
    file = open_hdf5(path, _KIND, _OTHERWISE)
    with explained(path, _KIND):
        count = int(text(file.attrs.get("NumberOfDataSets")) or 1)
        name = text(file.attrs.get("DataSetDirectoryName")) or "DataSet"
        info = text(file.attrs.get("DataSetInfoDirectoryName")) or "DataSetInfo"
        if not 1 <= count <= 10_000 or name not in file:
            raise ClearfieldError(
                f"{path} holds no image of Imaris (no group {name}): its conversion was stopped, "
                "or it is of another format; make it again, or give it the suffix of what it is"
            )
        return [
            _describe(
                path, file[name + (str(n) if n else "")], file.get(info + (str(n) if n else ""))
            )
            for n in range(count)
        ]


def _describe(path: str | PathLike, group, info) -> Series:
    times = _numbered(path, group["ResolutionLevel 0"], "TimePoint")
    channels = [_numbered(path, time, "Channel") for time in times]
    if len({len(found) for found in channels}) > 1:
        raise ClearfieldError(
            f"{path} is incomplete: its time points have {sorted({len(f) for f in channels})} "
            "channels; copy it again from its source"
        )
    about = {} if info is None else dict(info["Image"].attrs) if "Image" in info else {}
    own = channels[0][0]
    shape = tuple(
        int(text(own.attrs.get(f"ImageSize{axis}")) or text(about.get(axis)) or length)
        for axis, length in zip("ZYX", own["Data"].shape, strict=True)
    )
    lengths = {"T": len(times), "C": len(channels[0]), **dict(zip("ZYX", shape, strict=True))}
    datasets = [channel["Data"] for found in channels for channel in found]
    series = describe(path, _KIND, datasets, lengths)
    title = text(about.get("Name"))
    series.name = "" if title == "(name not specified)" else title
    series.pixel_size_um = _pixel_size(about, shape)
    series.channel_names = _channel_names(info, lengths["C"])
    return series


def _numbered(path: str | PathLike, group, word: str) -> list:
    """List the groups "Channel 0", "Channel 1", ... of a group."""
    found = {
        int(match[1]): group[name]
        for name in group
        if (match := re.fullmatch(rf"{word} (\d+)", name))
    }
    if not found or sorted(found) != list(range(len(found))):
        raise ClearfieldError(
            f"{path} is incomplete or damaged: {group.name} has {word} "
            f"{', '.join(map(str, sorted(found)[:9])) or 'none'}, where they count from 0; "
            "copy it again from its source"
        )
    return [found[number] for number in sorted(found)]


def _pixel_size(about: dict, shape: tuple[int, int, int]) -> dict[str, float | None]:
    """Read extents, which go from the outer edge of the first pixel to that of the last."""
    sizes = {}
    for axis, letter, count in zip((0, 1, 2), "xyz", reversed(shape), strict=True):
        try:
            low, high = (float(text(about.get(f"Ext{end}{axis}"))) for end in ("Min", "Max"))
        except ValueError:
            low = high = 0.0
        # They were written as float32.
        error = max(abs(low), abs(high)) * 2**-23 / count
        sizes[letter] = shortest(abs(high - low) / count, error)
    # ASSUME: 1 x 1 x 1 is what writers leave that know no size, as in other formats.
    if set(sizes.values()) == {1.0}:
        return dict.fromkeys(sizes)
    unit = text(about.get("Unit")) or "um"
    return {axis: micrometres(size, unit) for axis, size in sizes.items()}


def _channel_names(info, count: int) -> list[str]:
    groups = [
        info.get(f"Channel {number}") if info is not None else None for number in range(count)
    ]
    names = [text(one.attrs.get("Name")) if one is not None else "" for one in groups]
    names = ["" if name == "(name not specified)" else name for name in names]
    return names if any(names) else []
