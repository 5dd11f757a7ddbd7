"""BigDataViewer images (.h5, beside an .xml), as BigStitcher and many light sheets write them.

t00003/s01/0/cells holds Z, Y, X of a time point and a setup in full resolution; the XML says what
the setups are: channels, angles, tiles, illuminations.
"""

import re
from collections import defaultdict
from os import PathLike
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np

from ..errors import ClearfieldError
from .hdf5 import describe, open_hdf5
from .length_units import micrometres
from .series import Series
from .thirdparty import explained

_KIND = "a file of BigDataViewer"
_OTHERWISE = "give it the suffix of what it is"


class _Setup(NamedTuple):
    """What the XML says of one setup; `kinds` has the number of each attribute but the channel."""

    number: int
    name: str
    channel: int
    kinds: tuple[tuple[str, str], ...]
    pixel_size_um: tuple[float | None, ...]


def open_series(path: str | PathLike) -> list[Series]:
    """Describe the images of BigDataViewer.

    Parameters
    ----------
    path : path
        The .h5 file; the .xml of the same name is read where it is there.

    Returns
    -------
    list of Series
        Setups that differ in their channel alone are one series, with the axis C; each other setup
        (angle, tile, illumination) is a series of its own. Their places to one another are not
        used. Integers of 16 bits with a sign are read without it, as BigDataViewer does.

    Raises
    ------
    ClearfieldError
        No HDF5, none of BigDataViewer, or with setups missing at some time points.
    """
    part = re.fullmatch(r"(.+)-\d\d-\d\d(\.\w+)", Path(path).name)
    if part and Path(path).with_name(part[1] + part[2]).exists():
        raise ClearfieldError(
            f"{path} is a part of {part[1] + part[2]}, which lies beside it; give that"
        )
    file = open_hdf5(path, _KIND, _OTHERWISE)
    with explained(path, _KIND):
        times = sorted(name for name in file if re.fullmatch(r"t\d{5,}", name))
        found = [
            {int(name[1:]) for name in file[time] if re.fullmatch(r"s\d{2,}", name)}
            for time in times
        ]
        if not times or not found[0]:
            raise ClearfieldError(
                f"{path} is HDF5, and not of BigDataViewer (it has no t00000/s00/0/cells); open "
                "it with the Fiji plugin of what wrote it (HDF5) and save it as TIFF"
            )
        for time, setups in zip(times, found, strict=True):
            if setups != found[0]:
                first = min(setups ^ found[0])
                raise ClearfieldError(
                    f"{path} is incomplete: setup {first} is not there at each time point (look at "
                    f"{time} and {times[0]}); copy it again, or save in Fiji what is complete"
                )
        names, setups = _read_xml(path, sorted(found[0]))
        return [
            _describe(path, file, times, name, group, names)
            for name, group in _group(file[times[0]], setups)
        ]


def _group(first, setups: list[_Setup]) -> list[tuple[str, list[_Setup]]]:
    """Put setups together that differ in their channel alone, and name each group."""
    groups: dict[tuple, list[_Setup]] = defaultdict(list)
    for setup in setups:
        cells = first[f"s{setup.number:02d}/0/cells"]
        groups[setup.kinds, setup.pixel_size_um, cells.shape, str(cells.dtype)].append(setup)
    if any(len({s.channel for s in group}) < len(group) for group in groups.values()):
        return [(setup.name, [setup]) for setup in setups]
    values = defaultdict(set)
    for kinds, *_ in groups:
        for kind, number in kinds:
            values[kind].add(number)
    named = [
        (
            " ".join(f"{kind} {number}" for kind, number in kinds if len(values[kind]) > 1),
            sorted(group, key=lambda setup: setup.channel),
        )
        for (kinds, *_), group in groups.items()
    ]
    if len({name for name, _ in named}) < len(named):
        return [(group[0].name, group) for _, group in named]
    return named


def _describe(
    path: str | PathLike,
    file,
    times: list[str],
    name: str,
    setups: list[_Setup],
    channels: dict[int, str],
) -> Series:
    datasets = [file[f"{time}/s{one.number:02d}/0/cells"] for time in times for one in setups]
    dtype = datasets[0].dtype
    # Java has no unsigned integers of 16 bits: the program means these.
    meant = np.dtype("u2").newbyteorder(dtype.byteorder) if dtype.str[1:] == "i2" else dtype
    lengths = {"T": len(times), "C": len(setups)}
    lengths |= dict(zip("ZYX", datasets[0].shape, strict=True))
    series = describe(path, _KIND, datasets, lengths, meant)
    series.name = name
    series.pixel_size_um = dict(zip("xyz", setups[0].pixel_size_um, strict=True))
    names = [channels.get(setup.channel, "") for setup in setups]
    series.channel_names = names if any(names) else []
    return series


def _read_xml(path: str | PathLike, numbers: list[int]) -> tuple[dict[int, str], list[_Setup]]:
    """Give the names of channels, and the setups; without an XML each is only numbered."""
    bare = {n: _Setup(n, f"setup {n}", 0, (("setup", str(n)),), (None,) * 3) for n in numbers}
    beside = Path(path).with_suffix(".xml")
    if not beside.is_file():
        return {}, list(bare.values())
    with explained(beside, "the XML of BigDataViewer"):
        text = beside.read_bytes()
        if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
            raise ClearfieldError(
                f"{beside} is refused: it declares a document type or entities, which can be made "
                "to exhaust memory; take them out"
            )
        root = ElementTree.fromstring(text)
        names = {
            int(channel.findtext("id")): (channel.findtext("name") or "").strip()
            for channel in root.iterfind(".//ViewSetups/Attributes[@name='channel']/Channel")
        }
        for element in root.iterfind(".//ViewSetups/ViewSetup"):
            setup = _read_setup(element)
            if setup.number in bare:
                bare[setup.number] = setup
    # A number in place of a name is what BigDataViewer writes.
    return {n: name for n, name in names.items() if name != str(n)}, list(bare.values())


def _read_setup(element: ElementTree.Element) -> _Setup:
    number = int(element.findtext("id"))
    kinds = {kind.tag: (kind.text or "").strip() for kind in element.iterfind("attributes/*")}
    channel = int(kinds.pop("channel", 0))
    unit = element.findtext("voxelSize/unit")
    sizes = (element.findtext("voxelSize/size") or "").split()
    sizes = sizes if len(sizes) == 3 else [None] * 3
    # ASSUME: 1 x 1 x 1 is what writers leave that know no size, as in other formats.
    if sizes.count(None) or {float(size) for size in sizes} == {1.0}:
        sizes = [None] * 3
    return _Setup(
        number,
        (element.findtext("name") or f"setup {number}").strip(),
        channel,
        tuple(sorted(kinds.items())),
        tuple(micrometres(size, unit) for size in sizes),
    )
