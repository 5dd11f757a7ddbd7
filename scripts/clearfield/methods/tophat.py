"""Top-hat: the plane minus its opening by a disk; on a light background its closing minus it."""

from __future__ import annotations

NAME = "tophat"
TEXT = "top-hat"
REFERENCE = "Soille, Morphological Image Analysis, Springer 2004"
SIZES = {"radius": "disk radius"}
"""Name in the config: what figures call it."""
OPTIONS: dict[str, bool] = {}
"""Name in the config of what is on or off, and its default."""
QC_RADIUS = "radius"
"""What the reasons of QC call the size that `qc_radius` gives."""
WHOLE, ODD = True, False
"""Whether sizes in px are whole numbers, and odd ones: those of a window have a middle pixel."""
MAY_VANISH: tuple[str, ...] = ()
"""Sizes that may be less than half a pixel: that small they do nothing."""
INCREASING: tuple[str, ...] = ()
"""Sizes of which each must be larger than the one before."""
COMPUTES_IN_FLOAT = False
FLOAT_BACKGROUND = False
FOLLOWS_LOWER_EDGE = True
"""Whether the background runs along the least values, those of the noise as well."""


def may_be_negative(channel: dict) -> bool:
    """Say whether a pixel of the result can be below 0: an opening is never above the plane."""
    return False


def held_bytes(options: dict) -> int:
    """Give the bytes for each pixel of the whole plane that are held in memory."""
    return 0  # a block of rows at a time


def qc_radius(channel: dict) -> float:
    """Give the size that QC compares with the objects' radius, px."""
    return channel["radius"]


def advise(radius: int, used: dict) -> dict:
    """Give the sizes, px, that keep objects for which a disk of `radius` px is large enough."""
    return {"radius": radius}


def blocks(image, channel: dict, threads: int | None):
    """Yield first row, last row (excluded), exact difference and background of a plane."""
    from ..filters.morphology import closing_blocks, opening_blocks
    from .difference import differences

    light = channel.get("light_background", False)
    filter_blocks = closing_blocks if light else opening_blocks
    found = filter_blocks(image, channel["radius"], threads=threads)
    return differences(image, found, light=light, signed=False)


def steps(image, channel: dict) -> list:
    """Compute the steps between the plane and the result: captions and planes."""
    from ..filters.morphology import closing, opening

    light, radius = channel["light_background"], channel["radius"]
    name, filtered = ("Closing", closing) if light else ("Opening", opening)
    return [(f"{name}, disk radius {radius} px", filtered(image, radius))]


def sentence(channel: dict, size: dict[str, str]) -> str:
    """Say in a methods section what was done; `size` has each size with its unit."""
    kind = "black" if channel["light_background"] else "white"
    return f"a {kind} top-hat transform ({REFERENCE}) with a disk of radius {size['radius']}"
