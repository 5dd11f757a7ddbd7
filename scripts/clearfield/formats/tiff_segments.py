"""Strips and tiles of a TIFF in; out come their pixels, decoded by tifffile."""

import base64
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import tifffile

from ..errors import ClearfieldError
from .parts import Decode, ReadBytes


def describe_codec(keyframe: tifffile.TiffPage, file: int, dtype: np.dtype) -> dict:
    """Give what `make_decoder` needs to decode pages that are like `keyframe`.

    Parameters
    ----------
    keyframe : TiffPage
    file : int
        The number of its file.
    dtype : dtype
        Of the series; in LSM files that of the page may be another one of the same size.

    Returns
    -------
    dict
        "like" is the same for pages of other files that this page stands for, in one process.
    """
    index = keyframe.index
    return {
        "name": "tiff",
        "file": file,
        "page": keyframe.offset,
        "index": index if isinstance(index, int) else list(index),
        "dtype": dtype.str,
        "tables": [],
        "like": keyframe.hash,
    }


def table_number(codec: dict, tables: bytes | None) -> int:
    """Keep JPEG tables in a codec, once; give their number, or -1."""
    if tables is None:
        return -1
    text = base64.b64encode(tables).decode("ascii")
    if text not in codec["tables"]:
        codec["tables"].append(text)
    return codec["tables"].index(text)


def make_decoder(codec: dict, files: list[str], read: ReadBytes) -> Decode:
    """Give the function that decodes neighbouring segments of a page.

    It takes [file, page, number of JPEG tables, first segment, segments side by side, and offset
    and bytes of each], and gives an array over depth, interleaved samples, Y and X.
    """
    with tifffile.TiffFile(files[codec["file"]], is_scanimage=False) as tif:
        tif.filehandle.seek(codec["page"])
        keyframe = tifffile.TiffPage(tif, codec["index"])
        decode_segment = keyframe.decode
    tables = [base64.b64decode(text) for text in codec["tables"]]
    _, _, height, width, _ = keyframe.shaped
    rows = keyframe.tilelength if keyframe.is_tiled else keyframe.rowsperstrip
    columns = keyframe.tilewidth if keyframe.is_tiled else width
    dtype = np.dtype(codec["dtype"])

    def decode_one(where: list, number: int) -> tuple[np.ndarray, int, int]:
        file, page, table, first, _, *places = where
        data = read(file, *places[2 * number : 2 * number + 2])
        try:
            part, (_, _, y, x, _), _ = decode_segment(
                data, first + number, jpegtables=None if table < 0 else tables[table]
            )
            if dtype.kind == "f" and part.dtype.kind == "u":  # of LSM
                part = part.view(dtype)
        except MemoryError:
            raise
        except Exception as error:
            what = (
                f"page {page} (counted from 0) cannot be decoded "
                f"({type(error).__name__}: {error!s:.150})"
            )
            name = Path(files[file]).name
            if find_spec("imagecodecs") is None:  # tifffile's own codecs are not all whole
                raise ClearfieldError(
                    f"{name}: {what} without the package imagecodecs; install it into "
                    "project_stack's environment"
                ) from error
            raise ClearfieldError(f"{name} is damaged: {what}") from error
        return part[:, : height - y, : width - x].transpose(0, 3, 1, 2), y, x

    def decode(where: list) -> np.ndarray:
        part, top, left = decode_one(where, 0)
        count, across = len(where) // 2 - 2, where[4]
        if count == 1:
            return part
        shape = min(count // across * rows, height - top), min(across * columns, width - left)
        joined = np.empty(part.shape[:2] + shape, part.dtype)
        for number in range(count):
            part, y, x = decode_one(where, number) if number else (part, top, left)
            place = joined[..., y - top : y - top + part.shape[2], x - left :]
            place[..., : part.shape[3]] = part
        return joined

    return decode
