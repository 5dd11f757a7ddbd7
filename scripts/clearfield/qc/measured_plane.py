"""One plane before and after subtraction, with all that the families of metrics measure it by."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .granulometry import Granulometry


@dataclass(frozen=True)
class MeasuredPlane:
    """What each family of metrics is handed.

    Attributes
    ----------
    result : (Y, X), integer or float
        The plane after subtraction, as it is written.
    original : (Y, X), integer or float, or None
        The plane before, at full resolution; None where nothing is asked of single pixels.
    sizes : Granulometry
        Of the plane before; it says where objects and background are.
    before, after : (Y, X) float32
        Both planes binned like `sizes.image`, the offset taken off. Dark objects are dark in
        `before` and bright in `after`.
    channel, statistics, clipped : dict
        As `clearfield.qc.measurement.measure_plane` takes them.
    pixel_um : float
        Side of a square pixel, µm; NaN where it is unknown or not square.
    offset : float
        Constant that was added to the result, grey levels.
    """

    result: np.ndarray
    original: np.ndarray | None
    sizes: Granulometry
    before: np.ndarray
    after: np.ndarray
    channel: dict
    statistics: dict
    clipped: dict
    pixel_um: float
    offset: float

    @property
    def pixels(self) -> int:
        """Pixels of the plane, at least 1."""
        return max(1, self.result.shape[0] * self.result.shape[1])

    def sides(self):
        """Yield "before" and "after", each with its plane and the finite objects and background."""
        for name, image in (("before", self.before), ("after", self.after)):
            valid = np.isfinite(image)
            yield name, image, self.sizes.objects & valid, self.sizes.background & valid


def ratio(above: float, below: float) -> float:
    """Divide; NaN where what one divides by is not above 0."""
    return above / below if below > 0 else math.nan


def square_pixel(pixel_size_um: dict[str, float | None]) -> float:
    """Give the side of a square pixel in µm, NaN where it is unknown or not square."""
    x, y = pixel_size_um.get("x"), pixel_size_um.get("y")
    return x if x and y and math.isclose(x, y, rel_tol=1e-3) else math.nan


def straight_line(values: np.ndarray, places: np.ndarray | None = None) -> tuple[float, float]:
    """Give slope and start of the line of Theil and Sen; long series are thinned to 500 values.

    It is the median of the slopes of all pairs (Sen, J. Am. Stat. Assoc. 63, 1379, 1968), which one
    odd value does not bend.
    """
    places = np.arange(len(values)) if places is None else places
    step = -(-len(values) // 500)
    values, places = values[::step], places[::step]
    first, second = np.triu_indices(len(values), 1)
    slope = float(np.median((values[second] - values[first]) / (places[second] - places[first])))
    return slope, float(np.median(values - slope * places))
