"""Nikon images (.nd2): the package nd2 reads the metadata, and the frames of JPEG 2000 files.

The file's own map of its chunks is read here: it tells where frames lie, so that uncompressed ones
of one channel are used in place, and which were never recorded (an acquisition that was stopped;
the package gives zeros for them).
"""

import struct
from math import prod
from os import PathLike, fspath
from pathlib import Path
from types import ModuleType, TracebackType

import numpy as np

from ..errors import ClearfieldError
from .nd2_frames import describe_codec, frame_bytes
from .parts import Parts, plane_reader
from .series import Series
from .thirdparty import check_claim, check_size, explained, import_reader

_KIND = "an ND2 file"
_MAP_SIGNATURE = b"ND2 CHUNK MAP SIGNATURE 0000001!"
_CHUNK_MAGIC = 0x0ABECEDA
_CHUNK_HEADER_BYTES = 16
_TIME_STAMP_BYTES = 8  # in front of the pixels of a frame


def open_series(path: str | PathLike) -> list[Series]:
    """Describe the positions of an ND2 file.

    Parameters
    ----------
    path : path

    Returns
    -------
    list of Series
        One for each XY position. Axes are the loops of the acquisition, slowest first (Q frames of
        which the file does not say what they are), then C (where there are several), Y, X and S
        for RGB.

    Raises
    ------
    ClearfieldError
        Not an ND2 file, truncated, with frames beyond its loops; or, when the frame is read:
        never recorded.
    """
    size = check_size(path, _KIND)
    package = import_reader("nd2", "nd2", path)
    with explained(path, _KIND):
        places = _find_frames(path, size)  # first: the package would take any length's memory
    with explained(path, _KIND), _Opened(package, path) as opened:
        file = opened.file
        if file.is_legacy:
            _mend_experiment(file)
        sizes = dict(file.sizes)
        loops = [axis for axis in sizes if axis not in "CYXS"]
        positions = sizes.get("P", 1)
        if prod(sizes[axis] for axis in loops) != max(len(file.loop_indices), 1):
            raise ClearfieldError(
                f"{path} was recorded in nested loops of one kind, which clearfield cannot tell "
                "apart; split it in NIS-Elements (File > Export > Split multipoint)"
            )
        indices = file.loop_indices or ({},)
        recorded = file.attributes.sequenceCount
        if places is not None:
            recorded = min(recorded, len(places))
        if recorded > 1 and not loops:
            loops, sizes["Q"] = ["Q"], recorded
            indices = [{"Q": number} for number in range(recorded)]
        elif recorded >= 2 * len(indices):  # fewer are what is left of a last, stopped round
            raise ClearfieldError(
                f"{path} has {recorded} frames, but its loops account for {len(indices)}; "
                "save it again in NIS-Elements, or export it as OME-TIFF"
            )
        frames = {
            tuple(place[axis] for axis in loops): number for number, place in enumerate(indices)
        }
        _check_frames(path, size, file, places)
        return [
            _describe(path, opened, sizes, loops, frames, places, position)
            for position in range(positions)
        ]


def _mend_experiment(file) -> None:
    """Let an old file without a list of loops have none: the package fails on it."""
    try:
        file.experiment  # noqa: B018
    except Exception:
        file.experiment = []


class _Opened:
    """An open file of the package nd2, closed with the last series that reads from it."""

    def __init__(self, package: ModuleType, path: str | PathLike) -> None:
        self.file = None
        self.file = package.ND2File(fspath(path))

    def __enter__(self) -> "_Opened":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            self.__del__()

    def __del__(self) -> None:
        if self.file is not None and not self.file.closed:
            self.file.close()


def _find_frames(path: str | PathLike, size: int) -> dict[int, tuple[int, int]] | None:
    """Read from the chunk map where the pixels of each frame begin, and how many bytes they take.

    The layout is that of the files of NIS-Elements 3 and later: the map stands at the end, and
    each entry is a name that ends in "!", an offset and a length. A chunk begins with a magic
    number, the length of its name and that of its data. None for files of JPEG 2000, and others.
    """
    frames = {}
    with Path(path).open("rb") as file:
        if file.read(4) != _CHUNK_MAGIC.to_bytes(4, "little"):
            return None
        file.seek(max(size - 40, 0))
        signature, start = struct.unpack("<32sQ", file.read(40).rjust(40))
        if signature != _MAP_SIGNATURE:
            raise ClearfieldError(
                f"{path} is truncated: the map of its chunks is not at its end; "
                "copy it again from its source"
            )
        entries = _chunk(file.seek(start) and file.read(size - start))
        at = 0
        while (end := entries.find(b"!", at)) >= 0 and end + 17 <= len(entries):
            name = entries[at : end + 1]
            at = end + 17
            (offset,) = struct.unpack_from("<Q", entries, end + 1)
            file.seek(offset)
            head = file.read(_CHUNK_HEADER_BYTES)
            magic, name_bytes, length = struct.unpack("<IIQ", head.ljust(16, b"\0"))
            begin = offset + _CHUNK_HEADER_BYTES + name_bytes
            frame = name.startswith(b"ImageDataSeq|")
            lost = begin + length > size if magic == _CHUNK_MAGIC else frame
            if lost:
                raise ClearfieldError(
                    f"{path} is damaged: {name.decode('ascii', 'replace')[:-1]} is not where its "
                    "map says; copy it again from its source"
                )
            if frame:
                frames[int(name[13:-1])] = begin + _TIME_STAMP_BYTES, length - _TIME_STAMP_BYTES
    return frames


def _check_frames(path: str | PathLike, size: int, file, places: dict | None) -> None:
    """Raise where frames are larger than what the file holds of them; the package gives zeros."""
    attributes = file.attributes
    frames = max(len(file.loop_indices), 1)
    shape = (frames, attributes.heightPx, attributes.widthPx, attributes.componentCount)
    check_claim(path, size, shape, file.dtype.itemsize)
    if places and attributes.compressionType != "lossless":
        _, needed = frame_bytes(attributes, file.dtype.itemsize)
        short = sum(length < needed for _, length in places.values())
        if short and attributes.compressionType:
            raise ClearfieldError(
                f"{path} is compressed with loss, in a way that is not known here; "
                "save it in NIS-Elements without compression"
            )
        if short:
            raise ClearfieldError(
                f"{path} is damaged: {short} of its {len(places)} frames hold fewer bytes than "
                f"the {needed} of an image; copy it again from its source"
            )


def _chunk(data: bytes) -> bytes:
    magic, name_bytes, length = struct.unpack_from("<IIQ", data)
    begin = _CHUNK_HEADER_BYTES + name_bytes
    if magic != _CHUNK_MAGIC or begin + length > len(data):
        raise ValueError("its chunk map is damaged")
    return data[begin : begin + length]


def _describe(
    path: str | PathLike,
    opened: _Opened,
    sizes: dict[str, int],
    loops: list[str],
    frames: dict[tuple[int, ...], int],
    places: dict[int, tuple[int, int]] | None,
    position: int,
) -> Series:
    file = opened.file
    channels, samples = sizes.get("C", 1), sizes.get("S", 1)
    own = [axis for axis in loops if axis != "P"]
    axes = "".join(own) + ("C" if channels > 1 else "")
    shape = tuple(sizes[axis] for axis in axes)
    plane = file.attributes.heightPx, file.attributes.widthPx
    components = file.components_per_channel
    # Files of JPEG 2000 say how many bits their pixels have, be they whole bytes or not.
    dtype = np.dtype(f"<{file.dtype.kind}{-(-file.attributes.bitsPerComponentInMemory // 8)}")

    def number(index: tuple[int, ...]) -> int:
        """Give the number of the frame that holds a plane."""
        place = dict(zip(own, index, strict=False)) | {"P": position}
        frame = frames[tuple(int(place[axis]) for axis in loops)]
        if places is not None and frame not in places:
            where = " ".join(f"{axis}={place[axis]}" for axis in loops)
            raise ClearfieldError(
                f"{path} was recorded without the frame {where} (it has {len(places)} of "
                f"{len(frames)}: the acquisition was stopped); take what is complete with "
                'load_stack.select, e.g. {"T": 0}, or crop it in NIS-Elements'
            )
        return frame

    def read(index: tuple[int, ...]) -> np.ndarray:
        frame = number(index)
        channel = index[len(own)] if channels > 1 else 0
        component = channel * samples + (index[-1] if samples > 1 else 0)
        with explained(path, _KIND):
            pixels = opened.file.read_frame(frame).reshape(-1, *plane, components)
            pixels = pixels[component // components, ..., component % components]
        return np.ascontiguousarray(pixels, dtype)

    parts = None
    if places is not None:
        several = ((channels,) if channels > 1 else ()) + ((samples,) if samples > 1 else ())
        parts = _frames(path, file.attributes, dtype, shape[: len(own)], several, number, places)
        read = plane_reader(parts, shape[: len(own)] + several + plane, dtype)

    offsets = None
    if channels * samples == 1 and places and file.attributes.compressionType != "lossless":
        offsets = _offsets(shape, number, places, prod(plane) * dtype.itemsize)
    return Series(
        name=_position_name(file, position),
        axes=axes + "YX" + ("S" if samples > 1 else ""),
        shape=(*shape, *plane) + ((samples,) if samples > 1 else ()),
        dtype=dtype,
        read=read,
        pixel_size_um=_pixel_size_um(file),
        channel_names=_channel_names(file, 1 if samples > 1 else channels),
        saturation_level=_saturation_level(file),
        files=[fspath(path)] if offsets is not None else [],
        offsets=offsets,
        parts=parts and (lambda: parts),
    )


def _frames(
    path: str | PathLike,
    attributes,
    dtype: np.dtype,
    loops: tuple[int, ...],
    several: tuple[int, ...],
    number,
    places: dict[int, tuple[int, int]],
) -> Parts:
    """Describe frames as parts: each holds all channels and samples of its place in the loops."""
    where: list = []
    for index in np.ndindex(*loops):
        try:
            where.append([0, *places[number(index)]])
        except ClearfieldError as error:
            where.append(str(error))
    starts = [(*index, *(0 for _ in several), 0, 0) for index in np.ndindex(*loops)]
    shape = (1,) * len(loops) + several + (attributes.heightPx, attributes.widthPx)
    return Parts(describe_codec(attributes, dtype), shape, starts, where, [fspath(path)])


def _offsets(
    shape: tuple[int, ...], number, places: dict[int, tuple[int, int]], plane_bytes: int
) -> np.ndarray | None:
    """Find where each frame lies, if all are there, uncompressed and without padded rows."""
    offsets = np.zeros((prod(shape), 2), np.int64)
    for plane, index in enumerate(np.ndindex(*shape)):
        try:
            offsets[plane, 1], length = places[number(index)]
        except ClearfieldError:
            return None
        if length != plane_bytes:
            return None
    return offsets


def _position_name(file, position: int) -> str:
    for loop in file.experiment:
        if loop.type == "XYPosLoop" and position < len(loop.parameters.points):
            return loop.parameters.points[position].name or ""
    return ""


def _pixel_size_um(file) -> dict[str, float | None]:
    sizes: dict[str, float | None] = {"x": None, "y": None, "z": None}
    channels = _channels(file)
    if channels:
        volume = channels[0].volume
        for axis, size, known, meaning in zip(
            "xyz",
            volume.axesCalibration,
            volume.axesCalibrated,
            volume.axesInterpretation,
            strict=True,
        ):
            # An uncalibrated axis has the size 1 there, and in old files is not told from others;
            # the rows of a line scan are time.
            if known and size > 0 and meaning == "distance" and not (file.is_legacy and size == 1):
                sizes[axis] = float(size)
    loops = [loop for loop in file.experiment if loop.type == "ZStackLoop"]
    if not loops:
        sizes["z"] = None
    elif sizes["z"] is None and loops[0].parameters.stepUm:
        sizes["z"] = abs(float(loops[0].parameters.stepUm))
    return sizes


def _channels(file) -> list:
    """Give the channels' metadata; none where the package fails on them: the pixels are good."""
    try:
        return getattr(file.metadata, "channels", None) or []
    except Exception:
        return []


def _channel_names(file, channels: int) -> list[str]:
    names = [item.channel.name or "" for item in _channels(file)]
    return names if len(names) == channels and any(names) else []


def _saturation_level(file) -> int | None:
    bits = file.attributes.bitsPerComponentSignificant
    return 2**bits - 1 if file.dtype.kind == "u" and bits and bits > 0 else None
