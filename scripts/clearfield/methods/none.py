"""No subtraction: the plane as it is, for channels that need none."""

from __future__ import annotations

import math

NAME = "none"
TEXT = "no subtraction"
REFERENCE = ""
SIZES: dict[str, str] = {}
OPTIONS: dict[str, bool] = {}
"""Name in the config of what is on or off, and its default."""
QC_RADIUS = "radius"
WHOLE, ODD = False, False
"""Whether sizes in px are whole numbers, and odd ones: those of a window have a middle pixel."""
MAY_VANISH: tuple[str, ...] = ()
"""Sizes that may be less than half a pixel: that small they do nothing."""
SMOOTHING: tuple[str, ...] = ()
"""Sizes of a blur that 0 turns off: they may lie between whole pixels, and are named if on."""
INCREASING: tuple[str, ...] = ()
"""Sizes of which each must be larger than the one before."""
COMPUTES_IN_FLOAT = False
FOLLOWS_LOWER_EDGE = False


def may_be_negative(channel: dict) -> bool:
    """Say whether subtracting can make a pixel negative: nothing is subtracted."""
    return False


def has_float_background(channel: dict) -> bool:
    """Say whether the background is no longer of the plane's dtype."""
    return False


def held_mb(options: dict, pixels: float) -> float:
    """Give what it holds of a plane of so many 2**20 pixels beside what all hold, in MB."""
    return 0  # a block of rows at a time


def qc_radius(channel: dict) -> float:
    """There is no size to compare: NaN."""
    return math.nan


def advise(radius: int, used: dict) -> dict:
    """There are no sizes to advise."""
    return {}


def blocks(image, channel: dict, threads: int | None):
    """Yield first row, last row (excluded), the plane itself and a background of zeros."""
    import numpy as np

    rows = max(1, 2**22 // max(1, image.shape[1]))
    for first in range(0, image.shape[0], rows):
        block = np.asarray(image[first : first + rows])
        yield first, first + len(block), block, np.zeros_like(block)


def steps(image, channel: dict) -> list:
    """There are none between the plane and the result."""
    return []


def sentence(channel: dict, size: dict[str, str]) -> str:
    """Say in a methods section what was done."""
    return "no filter (it was left as it was)"
