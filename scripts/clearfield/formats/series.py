"""What a reader of any format tells about one image of a file."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import prod

import numpy as np

from .parts import Parts


@dataclass
class Series:
    """One image (series, scene, position) of a file, as the file describes it.

    Every format module has one function, ``open_series(path) -> list[Series]``; `loading` picks
    it by suffix, puts the axes in order and writes the stack that later steps read.

    Attributes
    ----------
    name : str
        As the file names it, or "".
    axes : str
        A letter for each axis of `shape`: T, C, Z, Y, X; S samples (RGB); Q, I unknown; anything
        else (H phase, A angle, V view, E lambda, ...) is for ``load_stack.select``.
    shape : tuple of int
    dtype : dtype
        As stored, byte order included.
    read : function
        Takes an index over `index_axes` and gives that plane, a 2-D array over `plane_axes`, of
        `dtype` in any byte order. It is called from several threads at once, and opens and
        closes its file by itself, or holds it until the series is dropped.
    pixel_size_um : dict
        "x", "y", "z": micrometres, or None where the file does not say. Never a guess.
    channel_names : list of str
        Empty where the file names none.
    saturation_level : int or None
        Largest grey level that the detector can give, where the file says it.
    files, offsets
        Only where every plane lies in a file uncompressed, as one run of ``Y * X`` values in C
        order: the paths, and an int64 array (planes, 2) of file index and byte offset, planes
        in C order over `index_axes`. The stack is then used where it is.
    notes : list of str
        A sentence for each thing that was left out or taken for another, for the log.
    advice : str
        What else than naming its axes may mend a series with an unknown one, for the error.
    parts : function or None
        Only where the file holds the pixels in parts (strips, tiles, chunks, frames) that can be
        decoded by themselves: gives their `Parts`. What has neither `offsets` nor `parts` is read
        plane by plane.

    Examples
    --------
    >>> image = np.arange(12, dtype="u1").reshape(3, 2, 2)
    >>> series = Series("", "ZYX", image.shape, image.dtype, image.__getitem__)
    >>> series.index_axes, series.plane_axes
    ('Z', 'YX')
    >>> series.read((1,)).tolist()
    [[4, 5], [6, 7]]
    """

    name: str
    axes: str
    shape: tuple[int, ...]
    dtype: np.dtype
    read: Callable[[tuple[int, ...]], np.ndarray]
    pixel_size_um: dict[str, float | None] = field(
        default_factory=lambda: {"x": None, "y": None, "z": None}
    )
    channel_names: list[str] = field(default_factory=list)
    saturation_level: int | None = None
    files: list[str] = field(default_factory=list)
    offsets: np.ndarray | None = None
    notes: list[str] = field(default_factory=list)
    advice: str = ""
    parts: Callable[[], Parts] | None = None

    @property
    def order(self) -> list[int]:
        """Positions of the axes, those of planes behind those of the index.

        Planes have the last two axes once Y, then X, have moved to the end.

        Examples
        --------
        >>> [Series("", a, (1,) * len(a), None, None).order for a in ("YXS", "TZX", "QQYX")]
        [[2, 0, 1], [0, 1, 2], [0, 1, 2, 3]]
        """
        places = range(len(self.axes))
        return sorted(places, key=lambda place: "YX".find(self.axes[place]))

    @property
    def plane_axes(self) -> str:
        """The axes of a plane, usually "YX"."""
        return "".join(self.axes[place] for place in self.order[-2:])

    @property
    def index_axes(self) -> str:
        """All other axes, in the file's order."""
        return "".join(self.axes[place] for place in self.order[:-2])

    @property
    def plane_shape(self) -> tuple[int, ...]:
        """The lengths of `plane_axes`."""
        return tuple(self.shape[place] for place in self.order[-2:])

    @property
    def index_shape(self) -> tuple[int, ...]:
        """The lengths of `index_axes`."""
        return tuple(self.shape[place] for place in self.order[:-2])

    @property
    def sizes(self) -> dict[str, int]:
        """The length of each axis; of the last one where a letter stands twice."""
        return dict(zip(self.axes, self.shape, strict=True))


def split_positions(series: Series, names: list[str] | None = None) -> list[Series]:
    """Make each position (P) of a series a series of its own, with the name that the file has.

    Examples
    --------
    >>> image = np.arange(12, dtype="u1").reshape(2, 3, 1, 2)
    >>> both = split_positions(Series("", "PZYX", image.shape, image.dtype, image.__getitem__))
    >>> [(one.name, one.axes, one.read((0,)).tolist()) for one in both]
    [('position 0', 'ZYX', [[0, 1]]), ('position 1', 'ZYX', [[6, 7]])]
    """
    if "P" not in series.index_axes:
        return [series]
    names = names or [f"position {number}" for number in range(series.sizes["P"])]
    return [_take_position(series, number, name) for number, name in enumerate(names)]


def _take_position(series: Series, number: int, name: str) -> Series:
    place, at = series.index_axes.index("P"), series.axes.index("P")
    lengths = series.index_shape
    planes = np.arange(prod(lengths)).reshape(lengths).take(number, axis=place).ravel()
    offsets = series.offsets
    return replace(
        series,
        name=f"{series.name} {name}".strip(),
        axes=series.axes[:at] + series.axes[at + 1 :],
        shape=series.shape[:at] + series.shape[at + 1 :],
        read=lambda index: series.read((*index[:place], number, *index[place:])),
        offsets=None if offsets is None else offsets[planes],
        parts=None if series.parts is None else lambda: series.parts().take(place, number),
    )
