"""OME-Zarr images (.zarr), versions 0.1 to 0.6, in zarr stores of version 2 or 3.

The package zarr reads the arrays; the few metadata of OME-Zarr that matter here are read as they
stand in the specification, which costs less to start than a package for them.
"""

import re
import warnings
from dataclasses import replace
from functools import cache
from math import prod
from os import PathLike, fspath
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

from ..errors import ClearfieldError
from .length_units import micrometres
from .parts import Parts, plane_reader
from .remote import is_remote
from .remote_store import is_nested, open_store, read_bytes
from .series import Series
from .thirdparty import check_claim, explained, import_reader
from .zarr_chunks import find_chunks
from .zarr_places import find_places

_KIND = "an OME-Zarr image"
_MOST_UNCHECKED_BYTES = 1 << 36
_TYPES = {"time": "T", "channel": "C"}
_LETTERS = {"lambda": "E", "wavelength": "E", "phase": "H", "angle": "A", "view": "V", "tile": "M"}
_METADATA = {".zarray", ".zattrs", ".zgroup", "zarr.json"}


def open_series(path: str | PathLike) -> list[Series]:
    """Describe the images of an OME-Zarr store: one, those of bioformats2raw, or of a plate.

    Parameters
    ----------
    path : path
        A folder; also that of one image within a store, or of a plain zarr array. Or the address
        of one on a server, of which each chunk is fetched when a plane needs it.

    Returns
    -------
    list of Series
        At full resolution, named by their own name or by their path in the store. Label images
        are left out. A chunk that is not in the store holds the fill value, as zarr defines.

    Raises
    ------
    ClearfieldError
        No zarr store, no image in it, damaged metadata, or an array without any pixels.
    """
    remote = is_remote(fspath(path))
    if not (remote or Path(path).is_dir()):
        raise ClearfieldError(
            f"{path} is not a folder, as an OME-Zarr image is; unpack it, or give it the suffix "
            "of what it is"
        )
    if not remote and not any((Path(path) / n).exists() for n in _METADATA - {".zattrs"}):
        raise ClearfieldError(
            f"{path} holds no zarr metadata (.zgroup, .zarray or zarr.json); it was copied in "
            "part: copy it again from its source"
        )
    package = import_reader("zarr", "zarr", path)
    with explained(path, _KIND), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        node = package.open(open_store(path), mode="r")
        if isinstance(node, package.Array):
            level = None if remote else _find_level(package, Path(path).absolute())
            return [_describe(*level, None) if level else _describe_array(path, "", node)]
        images = list(_find_images(path, node, ""))
        if not images:
            inside = ", ".join(sorted(node)[:8]) or "nothing"
            raise ClearfieldError(
                f"{path} is a zarr group without an OME-Zarr image (no multiscales in its "
                f"metadata); choose one of what it holds: {inside}"
            )
        pixels = _read_ome_xml(path, node, [where.rstrip("/") for where, *_ in images])
        series = [
            _describe(path, *found, described)
            for found, described in zip(images, pixels, strict=True)
        ]
        if len({one.name for one in series}) < len(series):  # a writer's default, as in a plate
            for one, (where, *_) in zip(series, images, strict=True):
                one.name = where.rstrip("/") or one.name
        return series


def _find_level(package: ModuleType, array: Path) -> tuple[Path, str, object, dict] | None:
    """Find the image of which an array is one level: path, path in it, group, multiscales entry."""
    for path in array.parents[:2]:
        if not any((path / name).exists() for name in _METADATA - {".zattrs"}):
            continue
        group = package.open(fspath(path), mode="r")
        for image in _attributes(group).get("multiscales") or []:
            for level in image.get("datasets") or []:
                if path / level["path"] == array:
                    return path, "", group, {**image, "datasets": [level]}
    return None


def _find_images(path: str | PathLike, group, where: str):
    """Yield (path in the store, group, multiscales entry) of each image, plate by well by field."""
    own = _attributes(group)
    if images := own.get("multiscales"):
        for image in images:
            yield where, group, image
    elif "plate" in own:
        for well in own["plate"].get("wells", []):
            yield from _find_listed(path, group, where, well["path"])
    elif "well" in own:
        for field in own["well"].get("images", []):
            yield from _find_listed(path, group, where, field["path"])
    elif "bioformats2raw.layout" in own:
        # Without a list, images are numbered from 0 on.
        for name in _listed_images(group) or sorted((n for n in group if n.isdigit()), key=int):
            yield from _find_listed(path, group, where, name)


def _find_listed(path: str | PathLike, group, where: str, name: str):
    """Yield the images of a well, a field or a series that its group lists."""
    child = group.get(name)
    found = list(_find_images(path, child, f"{where}{name}/")) if child is not None else []
    if not found and (child is None or "well" not in _attributes(child)):  # that may be empty
        raise ClearfieldError(
            f"{path} is incomplete: it lists the image {where}{name}, which is not there; "
            "copy it again from its source"
        )
    yield from found


def _listed_images(group) -> list[str]:
    return _attributes(group["OME"]).get("series", []) if "OME" in group else []


def _attributes(group) -> dict:
    """Give the OME metadata of a group, which version 0.5 moved under "ome"."""
    attributes = dict(group.attrs)
    return {**attributes, **attributes["ome"]} if "ome" in attributes else attributes


def _describe(
    path: str | PathLike, where: str, group, image: dict, pixels: ElementTree.Element | None
) -> Series:
    level = _largest_level(path, where, image)
    try:
        array = group[level["path"]]
    except KeyError:
        raise ClearfieldError(
            f"{path} is incomplete: image {where or '/'} lists the level {level['path']}, which is "
            "not there; copy it again from its source"
        ) from None
    axes, units = _axes(_listed_axes(image, level), array.ndim)
    if len(axes) != array.ndim:
        raise ClearfieldError(
            f"{path}: image {where or '/'} names {len(axes)} axes of an array that has "
            f"{array.ndim}; its writer left it broken"
        )
    series = _describe_array(path, where, array, axes)
    series.name = str(image.get("name") or "").strip("/") or where.rstrip("/")
    scale = _scale(level, array.ndim)
    if "coordinateSystems" not in image:  # in version 0.6 these lead on, to other systems
        scale = [a * b for a, b in zip(scale, _scale(image, array.ndim), strict=True)]
    for axis, size, unit in zip(axes, scale, units, strict=True):
        # A scale without a unit is not a calibration, and 1 is only what such axes default to.
        if axis in "XYZ":
            series.pixel_size_um[axis.lower()] = micrometres(size, unit)
    channels = (_attributes(group).get("omero") or {}).get("channels") or []
    names = [str(channel.get("label") or "") for channel in channels]
    if len(names) == series.sizes.get("C", 1) and all(names):
        series.channel_names = names
    if pixels is not None:
        _add_ome_xml(series, pixels)
    return series


def _add_ome_xml(series: Series, pixels: ElementTree.Element) -> None:
    """Take from OME-XML what versions before 0.4 have nowhere else."""
    # What describes an image of another size is a leftover of its copies.
    if any(pixels.get(f"Size{axis}") != str(series.sizes[axis]) for axis in series.plane_axes):
        return
    for axis, known in series.pixel_size_um.items():
        name = f"PhysicalSize{axis.upper()}"
        if known is None and axis.upper() in series.axes:
            unit = pixels.get(f"{name}Unit", "µm")
            series.pixel_size_um[axis] = micrometres(pixels.get(name), unit)
    names = [channel.get("Name", "") for channel in pixels.iterfind("{*}Channel")]
    if not series.channel_names and len(names) == series.sizes.get("C", 1) and any(names):
        series.channel_names = names
    bits = int(pixels.get("SignificantBits", 0))
    if series.dtype.kind == "u" and 0 < bits <= 8 * series.dtype.itemsize:
        series.saturation_level = 2**bits - 1


def _largest_level(path: str | PathLike, where: str, image: dict) -> dict:
    """Choose the level of the smallest pixels; the first, as is the rule, where none says."""
    levels = image.get("datasets")
    if not levels:
        raise ClearfieldError(
            f"{path}: image {where or '/'} lists no arrays (no datasets); its writer left it broken"
        )
    axes = _listed_axes(image, levels[0])
    if not axes:
        return levels[0]
    # An axis may run backwards, and 0 is unknown.
    return min(levels, key=lambda level: prod(abs(a) or 1 for a in _scale(level, len(axes))))


def _listed_axes(image: dict, level: dict) -> list | None:
    """Give the axes as they stand in the metadata; from version 0.6 on, of a level's own system."""
    systems = {system.get("name"): system for system in image.get("coordinateSystems") or []}
    if not systems:
        return image.get("axes")
    own = None
    for transformation in level.get("coordinateTransformations") or []:
        own = transformation.get("output")
        own = own.get("name") if isinstance(own, dict) else own
    return systems.get(own, next(iter(systems.values()))).get("axes")


def _axes(axes: list | None, count: int) -> tuple[str, list[str | None]]:
    """Give a letter and the unit of each axis.

    Examples
    --------
    >>> _axes([{"name": "t", "type": "time"}, {"name": "y", "unit": "nanometer"}, "x"], 3)
    ('TYX', [None, 'nanometer', None])
    >>> _axes(None, 5)  # versions 0.1 and 0.2 have all five
    ('TCZYX', [None, None, None, None, None])
    """
    if axes is None:
        return "TCZYX" if count == 5 else "Q" * (count - 2) + "YX", [None] * count
    letters, units = [], []
    for axis in axes:
        axis = {"name": axis} if isinstance(axis, str) else axis
        name = str(axis.get("name", "")).lower()
        letter = name.upper() if name in ("t", "c", "z", "y", "x") else None
        letter = letter or _TYPES.get(axis.get("type")) or _LETTERS.get(name)
        letters.append(letter if letter and letter not in letters else "Q")
        units.append(axis.get("unit"))
    if not set("YX") & set(letters) and letters[-2:] == ["Q", "Q"]:
        letters[-2:] = "YX"  # a plane has to be something
    return "".join(letters), units


def _scale(entry: dict, count: int) -> list[float]:
    """Multiply the scales of coordinateTransformations; 0 is unknown.

    Examples
    --------
    >>> scale = {"type": "scale", "scale": [1, 0.5]}
    >>> _scale({"coordinateTransformations": [scale, {"type": "translation"}, scale]}, 2)
    [1.0, 0.25]
    """
    scale = [1.0] * count
    for transformation in entry.get("coordinateTransformations") or []:
        kind = transformation.get("type")
        if kind == "sequence":  # of version 0.6
            inner = {"coordinateTransformations": transformation.get("transformations")}
            factors = _scale(inner, count)
        elif kind in ("identity", "translation"):
            continue
        else:  # others are not lengths, as a scale given as the path of an array is not
            factors = transformation.get("scale") or [0.0] * count
        if len(factors) != count:
            raise ValueError(f"a scale of {len(factors)} numbers for {count} axes")
        scale = [a * float(b) for a, b in zip(scale, factors, strict=True)]
    return scale


def _read_ome_xml(
    path: str | PathLike, group, places: list[str]
) -> list[ElementTree.Element | None]:
    """Find what the OME-XML of bioformats2raw says about the images at these paths."""
    nothing = [None] * len(places)
    try:
        if is_remote(fspath(path)):
            if "OME" not in group:
                return nothing
            root = ElementTree.fromstring(read_bytes(path, "OME/METADATA.ome.xml") or b"")
        else:
            root = ElementTree.parse(Path(path) / "OME" / "METADATA.ome.xml").getroot()
    except (OSError, ElementTree.ParseError):
        return nothing
    found = [image.find("{*}Pixels") for image in root.iterfind("{*}Image")]
    if len(listed := _listed_images(group)) == len(found):
        described = dict(zip(listed, found, strict=True))
        return [described.get(place) for place in places]
    return found if len(found) == len(places) else nothing


def _describe_array(path: str | PathLike, where: str, array, axes: str = "") -> Series:
    """Describe an array; without `axes` by the names of its dimensions, if it has any."""
    if not axes:
        names = getattr(array.metadata, "dimension_names", None)
        names = names or array.attrs.get("_ARRAY_DIMENSIONS")  # of xarray, in version 2
        axes, _ = _axes([name or "" for name in names] if names else None, array.ndim)
    if array.ndim < 2 or 0 in array.shape:
        raise ClearfieldError(
            f"{path}: the array {where or '/'} has the shape {array.shape}, which is no image; "
            "choose another one"
        )
    array = _find_chunks(path, array)
    series = Series("", axes, tuple(array.shape), array.dtype, None)
    *index, y, x = series.order

    @cache
    def parts() -> Parts:
        with explained(path, _KIND):
            return find_chunks(path, array, [*index, y, x])

    @cache
    def read_plane():
        found = parts()
        sizes = (*series.index_shape, *series.plane_shape)
        return plane_reader(found, sizes, array.dtype, found.codec["fill"])

    series.parts, series.read = parts, lambda index: read_plane()(index)
    if not is_remote(fspath(path)) and (places := find_places(path, array, index)):
        series.files, series.offsets = places
    return series


def _find_chunks(path: str | PathLike, array):
    """Give an array as its chunks are named; raise where there are none, or far too few."""
    if is_remote(fspath(path)):
        nested = separate(array, "/") if array.metadata.zarr_format == 2 else array
        return nested if is_nested(array, nested) else array
    folder = Path(path) / array.path
    if not folder.is_dir():
        return array
    if not _has_chunks(folder, array):
        # Nested chunks are the rule from OME-Zarr 0.2 on, and early writers did not say it.
        mended = separate(array, "/") if array.metadata.zarr_format == 2 else array
        if not _has_chunks(folder, mended):
            raise ClearfieldError(
                f"{path} has no pixels: the folder {array.path or '.'} holds no chunk where its "
                "metadata have them; copy it again from its source"
            )
        array = mended
    if array.nbytes > _MOST_UNCHECKED_BYTES:  # to count the chunks of a large one takes a while
        stored = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        check_claim(path, stored, array.shape, array.dtype.itemsize)
    return array


def _has_chunks(folder: Path, array) -> bool:
    """Look for one chunk, or for one folder that may hold some."""
    key = array.metadata.encode_chunk_key((0,) * array.ndim).partition("/")[0]
    chunk = re.compile(re.escape(key).replace("0", r"\d+"))
    return any(chunk.fullmatch(entry.name) for entry in folder.iterdir())


def separate(array, separator: str):
    """Give an array of version 2 whose chunks have other names."""
    metadata = replace(array.metadata, dimension_separator=separator)
    return type(array)(type(array.async_array)(metadata, array.store_path))
