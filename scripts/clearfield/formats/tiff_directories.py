"""The directories of a TIFF file in; out come what they say, or why the file is damaged."""

import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ..errors import ClearfieldError
from .git_lfs import check_pointer

_VALUE_BYTES = {
    1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8,
    18: 8,
}  # fmt: skip


# Tags that say how the pixels of a page are to be understood, and what they are where not written.
_LAYOUT = {256: 0, 257: 0, 258: 1, 259: 1, 266: 1, 277: 1, 278: 2**32, 284: 1, 317: 1, 322: 0,
           323: 0, 339: 1}  # fmt: skip


_DIRECTORY_BYTES = 512  # that most directories fit in


class Directory(NamedTuple):
    """What is wanted of the directory (IFD) of a page.

    Attributes
    ----------
    start : int or None
        Where its pixels begin, if the directory says it itself.
    layout : tuple
        The file's byte order and the values of `_LAYOUT`.
    """

    start: int | None
    layout: tuple


def check_directories(path: str, name: str) -> dict[int, Directory]:
    """Follow the chain of directories (IFDs); raise where it leaves the file or runs in a circle.

    tifffile would take what it finds up to there for the whole file.

    Returns
    -------
    dict
        The directories by their place, in their order.
    """
    size = Path(path).stat().st_size
    if size == 0:
        raise ClearfieldError(f"{name} is empty (0 bytes)")
    with Path(path).open("rb", buffering=0) as file:
        head = file.read(16)
        order = {b"II": "<", b"MM": ">"}.get(head[:2])
        version = struct.unpack(order + "H", head[2:4])[0] if order and len(head) >= 8 else 0
        if version not in (42, 43) or (version == 43 and len(head) < 16):
            check_pointer(path)
            start = head[:8].decode("latin-1").encode("unicode_escape").decode()
            raise ClearfieldError(f'{name} is no TIFF file: it begins with "{start}"')
        big = version == 43
        count_format, link_format, entry = ("Q", "Q", 20) if big else ("H", "I", 12)
        count_size, link_size = struct.calcsize(count_format), struct.calcsize(link_format)
        at = struct.unpack_from(order + link_format, head, 8 if big else 4)[0]
        found: dict[int, Directory] = {}
        read_directory = _DirectoryReader(order, big).read
        while at:
            number = len(found) + 1
            if at in found:
                raise ClearfieldError(
                    f"{name} is damaged: its list of pages runs in a circle after page {number - 1}"
                )
            body = link = b""
            file.seek(min(at, size))
            read = file.read(_DIRECTORY_BYTES)
            if len(read) >= count_size:
                entries = struct.unpack_from(order + count_format, read)[0]
                if entries <= 4096:
                    end = count_size + entries * entry
                    if len(read) < end + link_size:
                        read += file.read(end + link_size - len(read))
                    body, link = read[count_size:end], read[end : end + link_size]
            if len(link) < link_size:
                raise ClearfieldError(
                    f"{name} is cut short or damaged: page {number} should be described at byte "
                    f"{at}, and the file has {size} bytes"
                )
            if number == 1:
                _check_values(file, at + count_size, entries, order, big, size, name)
            found[at] = read_directory(body)
            at = struct.unpack(order + link_format, link)[0]
        if not found:
            raise ClearfieldError(f"{name} holds no image")
    return found


class _DirectoryReader:
    """Reads directories; most differ from the one before only in where the pixels begin."""

    def __init__(self, order: str, big: bool) -> None:
        self._order, self._entry = order, struct.Struct(order + ("HHQ8s" if big else "HHI4s"))
        self._body, self._place, self._form = b"", 0, ""  # of the one before; where its start is
        self._layout: tuple = ()

    def read(self, body: bytes) -> Directory:
        place, before = self._place, self._body
        end = place + struct.calcsize(self._form)
        if place and body[:place] == before[:place] and body[end:] == before[end:]:
            return Directory(struct.unpack_from(self._form, body, place)[0], self._layout)
        values, start, self._place = dict(_LAYOUT), None, 0
        for index, (code, kind, count, value) in enumerate(self._entry.iter_unpack(body)):
            if code in values or code == 273:
                form = {3: "H", 4: "I", 16: "Q"}.get(kind)
                number = None
                if form and count == 1:
                    number = struct.unpack_from(self._order + form, value)[0]
                if code != 273:
                    values[code] = -count if number is None else number
                elif number is not None and kind != 3:
                    start, self._form = number, self._order + form
                    self._place = (index + 1) * self._entry.size - len(value)
        values[278] = min(values[278], values[257])  # one strip is as high as it says or higher
        self._body, self._layout = body, (self._order, *values.values())
        return Directory(start, self._layout)


def _check_values(
    file: BinaryIO, at: int, entries: int, order: str, big: bool, size: int, name: str
) -> None:
    """Raise where the values of a directory lie beyond the end of the file."""
    entry = struct.Struct(order + ("HHQQ" if big else "HHII"))
    file.seek(at)
    for code, kind, count, offset in entry.iter_unpack(file.read(entries * entry.size)):
        length = count * _VALUE_BYTES.get(kind, 0)
        if length > (8 if big else 4) and offset + length > size:
            raise ClearfieldError(
                f"{name} is cut short or damaged: tag {code} lies at byte {offset}, and the file "
                f"has {size} bytes"
            )
