"""OME-XML as it comes: what is hostile, cut or contradictory never gets to tifffile."""

import re
from pathlib import Path
from xml.etree import ElementTree

from ..errors import ClearfieldError

_ROOT = re.compile(r"\s*(<\?.*?\?>|<!--.*?-->|\s)*<(\w+:)?OME[\s>]", re.DOTALL)
_CONTROL = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f]")  # in names of instruments; no XML has them
_AXES = "XYZCT"


def check_description(text: str, path: str, size: int, *, needed: bool = True) -> str | None:
    """Raise where a TIFF's description is OME-XML that cannot be followed.

    Parameters
    ----------
    text : str
        The description, whatever it is.
    path : str
        The file that holds it.
    size : int
        Bytes of that file.
    needed : bool
        Whether the file says nowhere else what its pages mean.

    Returns
    -------
    str or None
        OME-XML to take instead, where tifffile would not understand the file's own.

    Raises
    ------
    ClearfieldError
        Entities, which can grow without bound or name files of this machine, and of which OME-XML
        needs none; XML that is cut; more planes than bytes; files that are not there.
    """
    if not text or ("<OME" not in text[:4096] and "<!" not in text[:4096] and ":OME" not in text):
        return None
    name = Path(path).name
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ClearfieldError(
            f"{name} is refused: its OME-XML declares a document type or entities, which OME-TIFF "
            "has no use for and which can be made to exhaust memory"
        )
    if not _ROOT.match(text):
        return None
    clean = _CONTROL.sub(" ", text)
    try:
        root = ElementTree.fromstring(clean)
    except ElementTree.ParseError as error:
        raise ClearfieldError(f"{name} is damaged: its OME-XML is cut or wrong ({error})") from None
    if (part := root.find("{*}BinaryOnly")) is not None:
        if not needed:
            return None
        raise ClearfieldError(
            f"{name} is one part of an OME-TIFF whose description is in "
            f"{part.get('MetadataFile')}; give the file that holds the description"
        )
    mended = clean != text
    mended |= (
        _tell_files_apart(root, name)
        | _drop_old_name(root, Path(path))
        | _keep_own_images(root, name)
    )
    files = find_files(root, path)
    for pixels in root.iterfind("{*}Image/{*}Pixels"):
        _check_claim(pixels, name, size + sum(file.stat().st_size for file in files))
    mended |= _add_planes(root)
    return None if text.rstrip().endswith("OME>") and not mended else _text(root)


def find_files(root: ElementTree.Element, path: str) -> list[Path]:
    """Give the other files that an OME-TIFF names, having checked that they are there."""
    name, folder = Path(path).name, Path(path).parent
    others = sorted(_other_names(root, root, name))
    for file in others:
        if Path(file).is_absolute() or not (folder / file).is_file():
            raise ClearfieldError(
                f"{name} is one part of an OME-TIFF of several files, and {file} is not beside it; "
                "put it there"
            )
    return [folder / file for file in others]


def _other_names(root: ElementTree.Element, part: ElementTree.Element, name: str) -> set[str]:
    """Names of the files, other than this one, that hold planes of a part of the XML."""
    return {
        element.get("FileName")
        for element in part.iterfind(".//{*}TiffData/{*}UUID")
        if element.text != root.get("UUID")
    } - {None, name}


def _tell_files_apart(root: ElementTree.Element, name: str) -> bool:
    """Go by the names of files where one UUID stands for several."""
    found = root.findall(".//{*}TiffData/{*}UUID")
    names = {element.get("FileName") for element in found}
    if None in names or len({element.text for element in found}) >= len(names):
        return False
    for element in found:
        element.text = element.get("FileName")
    root.set("UUID", name)
    return True


def _drop_old_name(root: ElementTree.Element, path: Path) -> bool:
    """Take a file that was renamed for the only one that its XML names, which is not there."""
    others = _other_names(root, root, path.name)
    parts = root.findall("{*}Image/{*}Pixels/{*}TiffData")
    found = [part.find("{*}UUID") for part in parts]
    own = any(uuid is None or uuid.get("FileName") not in others for uuid in found)
    if own or len(others) != 1 or path.suffix == ".ome" or (path.parent / min(others)).exists():
        return False
    for part, uuid in zip(parts, found, strict=True):
        part.remove(uuid)
    return True


def _keep_own_images(root: ElementTree.Element, name: str) -> bool:
    """Leave out images with no plane in this file, if any has: each file of a set is a stack."""
    images = root.findall("{*}Image")
    own = []
    for image in images:
        parts = image.findall("{*}Pixels/{*}TiffData")
        found = [part.find("{*}UUID") for part in parts]
        others = _other_names(root, image, name)
        if any(uuid is None or uuid.get("FileName") not in others for uuid in found):
            own.append(image)
    if not own or len(own) == len(images):
        return False
    for image in images:
        if image not in own:
            root.remove(image)
    return True


def _check_claim(pixels: ElementTree.Element, name: str, available: int) -> None:
    """Raise for axes that are not all there, and before memory is taken for planes that are not."""
    order = pixels.get("DimensionOrder", "")
    try:
        sizes = [int(pixels.get(f"Size{axis}", "")) for axis in _AXES]
        counts = [
            int(part.get("PlaneCount", part.get("NumPlanes", 0)))
            for part in pixels.iterfind("{*}TiffData")
        ]
    except ValueError:
        sizes, counts = [0], []
    if sorted(order) != sorted(_AXES) or min(sizes) < 1:
        claim = " ".join(f"{axis}={pixels.get(f'Size{axis}')}" for axis in _AXES)
        raise ClearfieldError(
            f"{name} is damaged: its OME-XML has the sizes {claim} in the order {order!r}"
        )
    planes = sizes[2] * sizes[3] * sizes[4]
    if max(planes, *counts, 0) > available:
        raise ClearfieldError(
            f"{name} is damaged: its OME-XML promises {max(planes, *counts, 0)} planes, more than "
            f"its {available} bytes can hold"
        )


def _add_planes(root: ElementTree.Element) -> bool:
    """Let an image that does not say where its planes are have all pages, in its own order."""
    found = root.findall("{*}Image/{*}Pixels")
    parts = {"TiffData", "BinData", "MetadataOnly"}
    if len(found) != 1 or parts & {part.tag.rpartition("}")[2] for part in found[0]}:
        return False
    ElementTree.SubElement(found[0], found[0].tag.replace("Pixels", "TiffData"))
    return True


def _text(root: ElementTree.Element) -> str:
    return ElementTree.tostring(root, encoding="unicode")


def name_images(text: str) -> list[str]:
    """Name the images of OME-XML by their wells, or else by the positions of their stage.

    Parameters
    ----------
    text : str
        OME-XML.

    Returns
    -------
    list of str
        For each image, in the order of the XML: its well ("B03"), with its field, counted from 0,
        where the well has several ("B03 field 1"), behind the plate's name or number where there
        are several plates; or the name of its StageLabel; or "".

    Examples
    --------
    >>> plate = "<Plate><Well Row='1' Column='2'>{}</Well></Plate>".format(
    ...     "".join(f"<WellSample><ImageRef ID='i{n}'/></WellSample>" for n in (0, 1)))
    >>> name_images(f"<OME>{plate}<Image ID='i1'/><Image ID='i0'/><Image ID='i2'/></OME>")
    ['B03 field 1', 'B03 field 0', '']
    """
    root = ElementTree.fromstring(text)
    plates, names = root.findall("{*}Plate"), {}
    for number, plate in enumerate(plates):
        before = f"{plate.get('Name') or f'plate {number}'} " if len(plates) > 1 else ""
        for well in plate.iterfind("{*}Well"):
            images = [sample.find("{*}ImageRef") for sample in well.iterfind("{*}WellSample")]
            for field, image in enumerate(images):
                if image is not None:
                    name = _well(well, plate) + (f" field {field}" if len(images) > 1 else "")
                    names[image.get("ID")] = before + name
    found = []
    for image in root.iterfind("{*}Image"):
        label = image.find("{*}StageLabel")
        found.append(names.get(image.get("ID")) or ("" if label is None else label.get("Name", "")))
    return found


def _well(well: ElementTree.Element, plate: ElementTree.Element) -> str:
    """Give the label of a well: a letter and a number, unless its plate counts otherwise."""
    parts = []
    for axis, usual in (("Row", "letter"), ("Column", "number")):
        index = abs(int(well.get(axis, 0)))
        letters = (plate.get(f"{axis}NamingConvention") or usual) == "letter" and index < 26 * 27
        first = chr(ord("A") + index // 26 - 1) if letters and index >= 26 else ""
        parts.append(first + chr(ord("A") + index % 26) if letters else f"{index + 1:02d}")
    return "".join(parts)


def read_companion(path: str) -> tuple[str, str]:
    """Read OME-XML that lies beside its TIFFs (.companion.ome).

    Returns
    -------
    file : str
        The first of its TIFFs.
    text : str
    """
    name = Path(path).name
    text = Path(path).read_bytes().decode("utf-8-sig", errors="replace")
    if not _ROOT.match(text):
        raise ClearfieldError(f"{name} is no OME-XML; give it the suffix of what it is")
    text = check_description(text, path, Path(path).stat().st_size) or text
    root = ElementTree.fromstring(text)
    files = find_files(root, path)
    if not files and root.find(".//{*}BinData") is not None:
        raise ClearfieldError(
            f"{name} has its pixels in its XML (BinData), which is not read here; convert it with "
            f"Bio-Formats (bfconvert '{name}' '{Path(path).stem}.ome.tiff') or Fiji"
        )
    if not files:
        raise ClearfieldError(f"{name} names no TIFF files that hold its pixels")
    return str(files[0]), text
