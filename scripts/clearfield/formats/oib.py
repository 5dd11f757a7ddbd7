"""Olympus FluoView images (.oib, .oif): planes in TIFF files, unpacked by the package oiffile."""

import re
import threading
import traceback
import warnings
from collections import defaultdict
from io import BytesIO
from os import PathLike, fspath
from pathlib import Path
from types import ModuleType

import numpy as np
import tifffile

from ..errors import ClearfieldError
from .compound_file import check_chains
from .length_units import micrometres
from .series import Series
from .thirdparty import check_size, explained, import_reader

_KIND = "an Olympus FluoView file"
# "s_C001Z002"; "s_C001-R001" is a reference image, taken before or after the others.
_NAME = re.compile(r"(?P<prefix>.*?)_?(?P<axes>(?:[A-Z]\d{2,})*)(?P<reference>-R\d{3})?")
_LETTERS = {"L": "E"}  # the file's L is an emission wavelength (lambda)


def open_series(path: str | PathLike) -> list[Series]:
    """Describe the image of an .oib file, or of an .oif file with its folder ``.oif.files``.

    Parameters
    ----------
    path : path

    Returns
    -------
    list of Series
        The image; then what other sequences of planes (reference images) the file holds. Axes are
        those in the names of the planes (C, Z, T; A angles, P points, E wavelengths), then those
        of a plane: YX, or ZX, TX of such scans.

    Raises
    ------
    ClearfieldError
        Not a FluoView file, truncated, or a plane is missing, which is named.
    """
    check_size(path, _KIND)
    package = import_reader("oiffile", "oiffile", path)
    with explained(path, _KIND):
        check_chains(path)
        opened = _Opened(package, path)
        sequences = _find_sequences(
            [name for name in opened.names if name.lower().endswith(".tif")]
        )
        if not sequences:
            raise ClearfieldError(
                f"{path} has no planes beside it (its folder .files was left behind); "
                "copy the file together with its folder"
            )
        return [
            _describe(path, opened, reference, letters, planes)
            for (_, letters, reference), planes in sequences
        ]


class _Opened:
    """An open file of the package oiffile, closed with the last series that reads from it.

    Attributes
    ----------
    main : dict
        The settings: section -> key -> value.
    names : list of str
        The files within, or those in the folder beside.
    """

    def __init__(self, package: ModuleType, path: str | PathLike) -> None:
        self.file, self.folder, self.lock = None, None, threading.Lock()
        if Path(path).suffix.lower() == ".oif":
            self.main = package.SettingsFile(fspath(path))
            self.folder = _find_folder(Path(path), self.main)
            self.names = [file.name for file in self.folder.iterdir()]
            return
        try:
            self.file = package.OifFile(fspath(path))
        except Exception as error:
            # The package leaves the file open; free it here, without its warning.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)
                traceback.clear_frames(error.__traceback__)
            raise
        self.main, self.names = self.file.mainfile, list(self.file.glob())

    def read(self, name: str) -> np.ndarray:
        if self.folder:
            content = (self.folder / name).read_bytes()
        else:
            with self.lock, self.file.open_file(name) as file:
                content = file.read()
        with tifffile.TiffFile(BytesIO(content)) as tif:
            if len(tif.pages) != 1:
                raise ValueError(f"{name} has {len(tif.pages)} pages instead of one")
            return tif.pages.first.asarray()

    def __del__(self) -> None:
        if self.file is not None:
            self.file.close()


def _find_folder(path: Path, main: dict) -> Path:
    """Find the folder of an .oif file: by its name, in any case, or by what it was named before."""
    listed = [value.replace("\\", "/").split("/") for value in _listed(main)]
    before = [parts[-2] for parts in listed if len(parts) > 1]
    for wanted in (path.name + ".files", *before[:1]):
        for folder in path.absolute().parent.iterdir():
            if folder.name.casefold() == wanted.casefold() and folder.is_dir():
                return folder
    raise ClearfieldError(
        f"{path} has no planes beside it (its folder {path.name}.files was left behind); "
        "copy the file together with its folder"
    )


def _listed(main: dict) -> list[str]:
    """Give the files that the settings name for planes: all, or the first and the last."""
    saved = main.get("ProfileSaveInfo", {}).values()
    return [value for value in saved if isinstance(value, str) and value.endswith(".pty")]


def _parse(name: str) -> tuple[tuple[str, str, str], tuple[int, ...]]:
    """Split the name of a plane, without its folder, into its sequence and its numbers.

    Examples
    --------
    >>> _parse("s_C001Z002.tif"), _parse("s_C001-R003.tif")
    ((('s', 'CZ', ''), (1, 2)), (('s', 'C', '-R003'), (1,)))
    """
    match = _NAME.fullmatch(name.rpartition(".")[0])
    axes = re.findall(r"([A-Z])(\d+)", match["axes"])
    letters = "".join(letter for letter, _ in axes)
    reference = match["reference"] or ""
    return (match["prefix"], letters, reference), tuple(int(number) for _, number in axes)


def _find_sequences(
    names: list[str],
) -> list[tuple[tuple[str, str, str], dict[tuple[int, ...], str]]]:
    """Group planes by prefix, axes and reference: the image first, which is the longest sequence.

    Examples
    --------
    >>> [key for key, _ in _find_sequences(["a/s_C001-R001.tif", "a/s_C001.tif"])]
    [('a/s', 'C', ''), ('a/s', 'C', '-R001')]
    """
    groups: dict[tuple[str, str, str], dict[tuple[int, ...], str]] = defaultdict(dict)
    for name in sorted(names):
        key, numbers = _parse(name.replace("\\", "/"))
        groups[key][numbers] = name
    return sorted(groups.items(), key=lambda item: (item[0][2], -len(item[1])))


def _describe(
    path: str | PathLike,
    opened: _Opened,
    reference: str,
    letters: str,
    planes: dict[tuple[int, ...], str],
) -> Series:
    main = opened.main
    shape = tuple(max(numbers) for numbers in zip(*planes, strict=True))
    for name in _listed(main):  # the last ones of an axis may all be missing
        (_, *key), numbers = _parse(name)
        if key == [letters, reference]:
            shape = tuple(map(max, shape, numbers))
    for index in np.ndindex(*shape):
        number = tuple(n + 1 for n in index)
        if number not in planes:
            wanted = "".join(f"{a}{n:03d}" for a, n in zip(letters, number, strict=True))
            raise ClearfieldError(
                f"{path} has {len(planes)} planes of {int(np.prod(shape))}: {wanted}.tif is "
                "missing; copy it again from its source, or export what is complete"
            )
    first = opened.read(next(iter(planes.values())))
    order = str(main["Axis Parameter Common"]["AxisOrder"])
    # A reference image shows where a line was scanned.
    plane_axes = order[1::-1] if order[:1] == "X" and len(order) > 1 and not reference else "YX"
    axes = "".join(_LETTERS.get(letter, letter) for letter in letters)
    axes += plane_axes + "S" * (first.ndim - 2)

    def read(index: tuple[int, ...]) -> np.ndarray:
        name = planes[tuple(int(number) + 1 for number in index[: len(letters)])]
        with explained(path, _KIND):
            plane = opened.read(name)
            if plane.shape != first.shape:
                raise ValueError(f"{name} is {plane.shape}, the first plane {first.shape}")
        return plane[..., index[-1]] if first.ndim == 3 else plane

    return Series(
        name=reference.replace("-R", "reference "),
        axes=axes,
        shape=shape + first.shape,
        dtype=first.dtype,
        read=read,
        pixel_size_um=_pixel_size_um(main, axes),
        channel_names=_channel_names(main, shape[letters.index("C")] if "C" in letters else 1),
        saturation_level=_saturation_level(main, first.dtype),
    )


def _pixel_size_um(main: dict, axes: str) -> dict[str, float | None]:
    reference = main.get("Reference Image Parameter", {})
    sizes = {
        "x": micrometres(reference.get("WidthConvertValue"), reference.get("WidthUnit")),
        "y": micrometres(reference.get("HeightConvertValue"), reference.get("HeightUnit")),
        "z": None,
    }
    for number in range(9):
        axis = main.get(f"Axis {number} Parameters Common", {})
        if axis.get("AxisCode") == "Z" and "Z" in axes:
            sizes["z"] = micrometres(axis.get("Interval"), axis.get("UnitName"))
            count = int(axis.get("MaxSize") or 0)
            if sizes["z"] is None and count > 1:
                span = abs(float(axis["EndPosition"]) - float(axis["StartPosition"]))
                sizes["z"] = micrometres(span / (count - 1), axis.get("UnitName"))
    return sizes


def _channel_names(main: dict, channels: int) -> list[str]:
    names = [
        str(main.get(f"Channel {number} Parameters", {}).get("CH Name") or "")
        for number in range(1, channels + 1)
    ]
    return names if all(names) else []


def _saturation_level(main: dict, dtype: np.dtype) -> int | None:
    bits = int(main.get("Reference Image Parameter", {}).get("ValidBitCounts") or 0)
    return 2**bits - 1 if dtype.kind == "u" and 0 < bits <= 8 * dtype.itemsize else None
