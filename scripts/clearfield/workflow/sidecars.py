"""What a glob finds beside the images of a microscope: notes, tables, indexes, caches."""

import os
from pathlib import Path

from ..formats.plane_folders import ZARR_METADATA
from ..formats.unread_formats import MICROSCOPES, PICTURES

# What is certainly no image. A file of another suffix is none if it is text.
_SIDECARS = frozenset((
    ".txt", ".md", ".rst", ".rtf", ".log", ".ini", ".cfg", ".conf", ".xml", ".json", ".yaml",
    ".yml", ".toml", ".csv", ".tsv", ".xls", ".xlsx", ".xlsm", ".ods", ".doc", ".docx", ".odt",
    ".pdf", ".ppt", ".pptx", ".html", ".htm", ".css", ".js", ".db", ".lnk", ".url", ".py",
    ".ipynb", ".r", ".ijm", ".sh", ".bat", ".exe", ".roi", ".tmp", ".bak", ".part", ".md5",
    ".sha1", ".sha256", ".properties", ".lock", ".swp", ".htd", ".mlf", ".mes", ".mrf", ".wpi",
    ".wpp", ".nd", ".scan", ".pos", ".stg", ".sta", ".xdce", ".lifext", ".index", ".idx",
    ".download",
))  # fmt: skip
_ARCHIVES = (".zip", ".ozx")  # may hold an OME-Zarr, and what to do is said where they are opened
_DEEPEST = 4
_NAMED_AT_MOST = 5


def split_sidecars(paths: list[str], known: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Take what is no image from what a glob found.

    Parameters
    ----------
    paths : list of str
    known : tuple of str
        Suffixes of formats that are read here, in small letters.

    Returns
    -------
    images : list of str
        Also those in formats of microscopes that are not read here, whose owner means them.
    left_out : list of str
    """
    images, left_out = [], []
    for path in paths:
        (images if _may_be_image(path, known) else left_out).append(path)
    return images, left_out


def say_left_out(left_out: list[str]) -> str:
    """Count and name what was left out.

    Examples
    --------
    >>> say_left_out(["raw/notes.txt", "raw/Thumbs.db"])
    'samples: 2 that the glob found are no images and are left out: raw/notes.txt, raw/Thumbs.db'
    """
    names = ", ".join(left_out[:_NAMED_AT_MOST])
    more = len(left_out) - _NAMED_AT_MOST
    names += f" and {more} more" if more > 0 else ""
    one = "is no image and is" if len(left_out) == 1 else "are no images and are"
    return f"samples: {len(left_out)} that the glob found {one} left out: {names}"


def _may_be_image(path: str, known: tuple[str, ...]) -> bool:
    if path.rstrip("/").lower().endswith(known):
        return True
    suffix = Path(path).suffix.lower()
    if suffix in MICROSCOPES or suffix in PICTURES:
        return True
    if Path(path).is_dir():
        return _holds_images(path, known)
    if suffix in _SIDECARS:
        return False
    return suffix in _ARCHIVES or not _is_text(path)


def _holds_images(folder: str, known: tuple[str, ...]) -> bool:
    """Tell whether anything in a folder, as deep as plates go, may be an image."""
    depth = folder.rstrip("/").count("/")
    for place, folders, files in os.walk(folder):
        if any(name in ZARR_METADATA for name in files):
            return True
        for name in (*files, *folders):
            if name.lower().endswith(known) or Path(name).suffix.lower() in MICROSCOPES:
                return True
        if place.count("/") - depth >= _DEEPEST:
            folders.clear()
    return False


def _is_text(path: str) -> bool:
    """Tell text, and nothing at all, from what may be pixels."""
    try:
        with Path(path).open("rb") as file:
            head = file.read(4096)
    except OSError:  # what is wrong with it is said elsewhere
        return False
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # not a letter that the end of the sample cut
            return False
        text = head[: error.start].decode("utf-8")
    return "\0" not in text
