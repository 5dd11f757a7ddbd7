"""What the QC figure shows of one plane: small copies of any size of image, marks, a profile."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..methods.known_methods import method_of
from .grey_image import grey_range, profile_of, shrink, shrink_marks

if TYPE_CHECKING:
    from pathlib import Path

    from ..qc.granulometry import Granulometry

_LARGE = 1 << 28  # bytes of a background that is kept on disk instead of in memory


@dataclass
class View:
    """One plane as the figure shows it.

    Attributes
    ----------
    title : str
        Channel, time point and parameters.
    shape : (int, int)
        Rows and columns of the full plane.
    panels : dict of str to (y, x) float32
        "projection", "background" and "result", as `display.shrink` leaves them; NaN is marked.
    saturated, clipped_low, clipped_high : (y, x) bool or None
        Marks of the projection, and of the result; None where there are none.
    saturated_fraction, clipped_fraction : float
        Of the stack, and of the result.
    row : int
        Of the profile, from 0.
    profile : list of (columns, levels)
        Of projection, background and result.
    raw_range, result_range : (low, high)
        Grey levels shown black and white.
    background_range : (low, high)
        Grey levels that the shown background has.
    background_limits : (low, high)
        Grey levels of the background shown black and white: its own, as it is dark beside objects.
    verdict : str
        ok, warn or fail, and why; empty where it was not judged.
    unit : str
        ``px`` or ``um``: how the sizes were given.
    pixel_um : float or None
        Size of a square pixel, for sizes in µm.
    box : (left, top, right, bottom)
        Where the figure shows its three panels, px; set by whoever draws it.
    sizes : Granulometry or None
        Evidence for a radius.
    radius_px : float
        Radius used, or NaN.
    steps : list of (str, (y, x) float32, on the scale of the result)
        The steps of the method, where they are wanted.
    """

    title: str
    shape: tuple[int, int]
    panels: dict[str, np.ndarray]
    saturated: np.ndarray | None
    clipped_low: np.ndarray | None
    clipped_high: np.ndarray | None
    saturated_fraction: float
    clipped_fraction: float
    row: int
    profile: list[tuple[np.ndarray, np.ndarray]]
    raw_range: tuple[float, float]
    result_range: tuple[float, float]
    background_range: tuple[float, float]
    background_limits: tuple[float, float]
    sizes: Granulometry | None = None
    radius_px: float = float("nan")
    steps: list[tuple[str, np.ndarray, bool]] = field(default_factory=list)
    verdict: str = ""
    unit: str = "px"
    pixel_um: float | None = None
    box: tuple[int, int, int, int] = (0, 0, 0, 0)


def make_view(
    projection: np.ndarray,
    result: np.ndarray,
    *,
    channel: dict,
    output: dict,
    statistics: dict,
    clipped: dict,
    profile: int | None,
    size: tuple[int, int],
    background: np.ndarray | None = None,
) -> View:
    """Prepare one plane for the figure.

    Parameters
    ----------
    projection, result : (Y, X)
        Before and after; only their rows are sliced.
    channel : dict
        Method, light_background and sizes in px.
    output : dict
        ``negative`` and ``offset``.
    statistics : dict
        ``saturation_level`` and ``saturated_fraction`` of the stack.
    clipped : dict
        ``clipped_low, clipped_high, nonfinite``: counts of pixels of the result.
    profile : int or None
        Row from 0; None for the row with the largest summed result.
    size : (int, int)
        Rows and columns of the screen, from `display.panel_size`.
    background : (Y, X), optional
        What `find_background` gives.

    Returns
    -------
    View
        With the ranges of grey levels that suit this plane alone.
    """
    if background is None:
        background = find_background(projection, result, channel, output, clipped)
    row = _brightest_row(result) if profile is None else profile
    panels = {
        "projection": shrink(projection, size),
        "background": shrink(background, size),
        "result": shrink(result, size),
    }
    saturated, level = None, statistics.get("saturation_level")
    if level is not None and statistics.get("saturated_fraction"):
        saturated = shrink_marks(projection, size, lambda rows: projection[rows] >= level)
    cut = clipped["clipped_low"] + clipped["clipped_high"]
    pixels = result.shape[0] * result.shape[1]
    return View(
        title="",
        shape=tuple(projection.shape),
        panels=panels,
        saturated=saturated,
        **_clipped_marks(projection, background, result, channel, output, clipped, size),
        saturated_fraction=statistics.get("saturated_fraction") or 0.0,
        clipped_fraction=cut / pixels,
        row=row,
        profile=[
            profile_of(np.asarray(plane[row : row + 1])[0])
            for plane in (projection, background, result)
        ],
        raw_range=grey_range([panels["projection"], panels["background"]]),
        result_range=result_range([panels["result"]], output),
        background_range=_extremes(panels["background"]),
        background_limits=_limits([_extremes(panels["background"])]),
    )


def _extremes(image: np.ndarray) -> tuple[float, float]:
    """Give the smallest and largest finite grey level, NaN without any.

    Examples
    --------
    >>> _extremes(np.array([[5.0, np.nan]])), _extremes(np.array([[np.nan]]))
    ((5.0, 5.0), (nan, nan))
    """
    finite = image[np.isfinite(image)]
    return (float(finite.min()), float(finite.max())) if finite.size else (np.nan, np.nan)


def _limits(extremes: list[tuple[float, float]]) -> tuple[float, float]:
    """Join ranges; a background of one level is shown grey.

    Examples
    --------
    >>> _limits([(5.0, 8.0), (4.0, 6.0)]), _limits([(7.0, 7.0)])
    ((4.0, 8.0), (6.0, 8.0))
    """
    known = [pair for pair in extremes if pair[0] <= pair[1]]
    low, high = min((a for a, _ in known), default=0.0), max((b for _, b in known), default=1.0)
    return (low, high) if low < high else (low - 1.0, high + 1.0)


def result_range(results: list[np.ndarray], output: dict) -> tuple[float, float]:
    """Give the range of grey levels for results: from what was zero, or from below that.

    Examples
    --------
    >>> result_range([np.array([[0.0, 4.0]])], {"negative": "keep"})
    (0.0, 4.0)
    """
    low, high = grey_range(results)
    zero = float(output.get("offset", 0)) if output["negative"] == "offset" else 0.0
    low = min(low, zero)
    return low, high if high > low else low + 1.0


def find_background(
    projection: np.ndarray,
    result: np.ndarray,
    channel: dict,
    output: dict,
    clipped: dict,
    *,
    folder: str | Path | None = None,
    threads: int | None = None,
) -> np.ndarray:
    """Give what was subtracted, as an array or as something whose rows can be sliced.

    Where nothing was lost, it is projection − result, to the last bit; else it is estimated anew.

    Parameters
    ----------
    projection, result, channel, output, clipped
        As in `make_view`.
    folder : path, optional
        Where a background too large for memory may lie while this runs.
    threads : int, optional
        For a background that has to be estimated anew.

    Examples
    --------
    >>> image, result = np.array([[5, 9]], np.uint8), np.array([[0, 4]], np.uint8)
    >>> channel = {"method": "tophat", "light_background": False, "radius": 1}
    >>> lost = {"clipped_low": 0, "clipped_high": 0, "nonfinite": 0}
    >>> find_background(image, result, channel, {"negative": "keep"}, lost)[0:1]
    array([[5, 5]], dtype=uint8)
    """
    if channel["method"] == "none":
        return np.broadcast_to(np.zeros((), projection.dtype), projection.shape)
    if is_difference(channel, clipped):
        offset = output.get("offset", 0) if output["negative"] == "offset" else 0
        return _Difference(projection, result, offset, channel["light_background"])
    from ..methods.subtraction import subtract_blocks

    shape = tuple(projection.shape)
    if shape[0] * shape[1] * 4 < _LARGE:
        background = np.empty(shape, np.float32)
    else:
        background = _OnDisk(shape, folder)
    for block in subtract_blocks(projection, channel, dtype=np.dtype("float32"), threads=threads):
        background[block.first : block.last] = block.background
    return background


def is_difference(channel: dict, clipped: dict) -> bool:
    """Tell whether the background is the difference of projection and result, to the last bit."""
    lost = any(clipped[count] for count in ("clipped_low", "clipped_high", "nonfinite"))
    return not method_of(channel).has_float_background(channel) and not lost


class _OnDisk:
    """A float32 plane in an unnamed file, written and read by rows; a map would count as memory."""

    def __init__(self, shape: tuple[int, int], folder: str | Path | None) -> None:
        self.shape, self.dtype = shape, np.dtype(np.float32)
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115
        # A full disk must be an error here, not halfway.
        os.posix_fallocate(self._file.fileno(), 0, max(1, shape[0] * shape[1] * 4))

    def __del__(self) -> None:
        self._file.close()

    def __setitem__(self, rows: slice, values: np.ndarray) -> None:
        self._file.seek(rows.start * self.shape[1] * 4)
        missing = memoryview(np.ascontiguousarray(values, self.dtype)).cast("B")
        while len(missing):
            missing = missing[self._file.write(missing) :]

    def __getitem__(self, rows: slice) -> np.ndarray:
        first, last, _ = rows.indices(self.shape[0])
        result = np.empty((max(last - first, 0), self.shape[1]), self.dtype)
        self._file.seek(first * self.shape[1] * 4)
        missing = memoryview(result).cast("B") if result.size else b""
        while len(missing):  # a read gives up to 2 GB
            missing = missing[self._file.readinto(missing) :]
        return result


class _Difference:
    """Projection − result, or projection + result for a light background, by slices of rows."""

    def __init__(
        self, projection: np.ndarray, result: np.ndarray, offset: float, light: bool
    ) -> None:
        self.shape, self.dtype = tuple(projection.shape), np.dtype(projection.dtype)
        self._planes = projection, result
        self._offset, self._combine = offset, np.add if light else np.subtract

    def __getitem__(self, rows: slice) -> np.ndarray:
        projection, result = (np.asarray(plane[rows]) for plane in self._planes)
        if projection.dtype.kind == "u" and projection.dtype == result.dtype and not self._offset:
            return self._combine(projection, result)  # a background has the image's own range
        wide = np.float32 if projection.dtype.itemsize <= 2 else np.float64
        return self._combine(projection, result.astype(wide) - wide(self._offset), dtype=wide)


def _clipped_marks(
    projection: np.ndarray,
    background: np.ndarray,
    result: np.ndarray,
    channel: dict,
    output: dict,
    clipped: dict,
    size: tuple[int, int],
) -> dict[str, np.ndarray | None]:
    """Mark the pixels that the result's dtype, or `negative: clip`, cut at either end."""
    dtype = np.dtype(result.dtype)
    unsigned = dtype.kind == "u"
    low = 0.0 if unsigned or output["negative"] == "clip" else -np.inf
    high = float(np.iinfo(dtype).max) if unsigned else np.inf
    offset = output.get("offset", 0) if output["negative"] == "offset" else 0

    inexact = method_of(channel).COMPUTES_IN_FLOAT

    def difference(rows: slice) -> np.ndarray:
        image = np.asarray(projection[rows]).astype(np.float64)
        estimate = np.asarray(background[rows])
        return (estimate - image if channel["light_background"] else image - estimate) + offset

    def below(rows: slice) -> np.ndarray:
        # An exact 0 of a difference of Gaussians is next to none.
        return result[rows] <= low if inexact else difference(rows) < low

    def above(rows: slice) -> np.ndarray:
        return result[rows] >= high if inexact else difference(rows) > high

    return {
        name: shrink_marks(result, size, cut) if clipped[name] else None
        for name, cut in (("clipped_low", below), ("clipped_high", above))
    }


def _brightest_row(result: np.ndarray) -> int:
    """Give the row with the largest sum of finite values."""
    best, row = -np.inf, 0
    step = max(1, 2**20 // result.shape[1])
    for first in range(0, result.shape[0], step):
        block = np.asarray(result[first : first + step])
        if block.dtype.kind == "f":
            sums = np.where(np.isfinite(block), block, 0).sum(axis=1, dtype=np.float64)
        else:
            sums = block.sum(axis=1)
        index = int(sums.argmax())
        if sums[index] > best:
            best, row = float(sums[index]), first + index
    return row


def share_ranges(views: list[View], fixed: list[float] | None, output: dict) -> None:
    """Give the views of one channel the same ranges of grey levels, in place.

    Parameters
    ----------
    views
        Time points of a channel.
    fixed : [low, high] or None
        ``plot_qc.range``: for projection and background, which else has a range of its own. The
        result, whose background is gone, is shown over as many grey levels, from zero. None:
        what suits all views.
    output : dict
        ``negative`` and ``offset``.
    """
    if fixed is not None:
        if not fixed[0] < fixed[1]:
            from ..errors import ClearfieldError

            raise ClearfieldError(
                f"plot_qc.range is [{fixed[0]:g}, {fixed[1]:g}]; "
                "the first grey level must be below the second"
            )
        zero = float(output.get("offset", 0)) if output["negative"] == "offset" else 0.0
        background = raw = float(fixed[0]), float(fixed[1])
        result = zero, zero + raw[1] - raw[0]
    else:
        raw = grey_range([v.panels[name] for v in views for name in ("projection", "background")])
        background = _limits([view.background_range for view in views])
        result = result_range([view.panels["result"] for view in views], output)
    for view in views:
        view.raw_range, view.result_range, view.background_limits = raw, result, background
