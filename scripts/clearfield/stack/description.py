"""The description of a stack that load_stack hands on: where each plane lies, and what it means."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ClearfieldError

if TYPE_CHECKING:
    from .planes import Planes


@dataclass
class Stack:
    """A stack of planes, T, C, Z, Y, X, in raw files: whole and as they are, or in encoded parts.

    Attributes
    ----------
    shape : tuple of int
        T, C, Z, Y, X.
    dtype : str
        Of the stack as numpy writes it, byte order included, e.g. ">u2".
    stored : str
        That of the pixels in the files; another one for truth values and half floats alone.
    files : list of str
        Paths as written.
    fingerprints : list of [int, int]
        Size in bytes and modification time in ns of each of `files`. Of a copy that the workflow
        made itself the size alone.
    offsets : list of [int, int]
        Index into `files` and byte offset of each plane, in T, C, Z order; empty where the stack
        consists of parts.
    codec : dict
        How parts are encoded (`clearfield.formats.parts`).
    part_shape : tuple of int
        T, C, Z, Y, X that each part reaches over; less at the ends of the stack.
    decoded_shape, part_axes : list
        Of a part as its decoder gives it; what each axis is: a letter, or the index that is meant.
    parts : list of list
        T, C, Z, Y, X where each part begins, then a list that tells its decoder where it lies.
    pixel_size_um : dict
        "x", "y", "z": micrometres or None.
    channel_names : list of str
        One for each channel.
    saturation_level : int or None
        The largest grey level of the detector, where the file's metadata say it.
    source : dict
        "name" (file name without folder), "bytes", "series".
    settings : dict
        Those of load_stack, for provenance.
    watched : dict of str
        Fingerprints of further raw files, by path.
    """

    shape: tuple[int, int, int, int, int]
    dtype: str
    stored: str
    pixel_size_um: dict[str, float | None]
    channel_names: list[str]
    saturation_level: int | None
    source: dict
    settings: dict
    files: list[str] = field(default_factory=list)
    fingerprints: list[list[int]] = field(default_factory=list)
    offsets: list[list[int]] = field(default_factory=list)
    codec: dict = field(default_factory=dict)
    part_shape: tuple[int, ...] = ()
    decoded_shape: list[int] = field(default_factory=list)
    part_axes: list = field(default_factory=list)
    parts: list[list] = field(default_factory=list)
    watched: dict[str, list[int]] = field(default_factory=dict)

    @property
    def plane_bytes(self) -> int:
        """Bytes of one plane."""
        return self.shape[3] * self.shape[4] * np.dtype(self.dtype).itemsize

    def text(self) -> bytes:
        """Give what a .stack file holds."""
        return json.dumps(vars(self)).encode() + b"\n"

    def open(self) -> "Planes":
        """Give the planes, to be read or decoded.

        Raises
        ------
        ClearfieldError
            Also when they are read: where a file is gone or has changed since it was described.
        """
        from .planes import Planes  # which knows this module

        return Planes(self)


def read_stack(path: str | Path) -> Stack:
    """Read a description.

    Raises
    ------
    ClearfieldError
        Where it is none; the file is then removed, to be made again from the raw one.
    """
    try:
        header = json.loads(Path(path).read_bytes())
        shapes = {key: tuple(header[key]) for key in ("shape", "part_shape")}
        return Stack(**{**header, **shapes})
    except (ValueError, TypeError, KeyError):
        Path(path).unlink()
        raise ClearfieldError(
            f"{path} is no stack description (did the power fail?) and has been removed; run the "
            "same command again"
        ) from None
