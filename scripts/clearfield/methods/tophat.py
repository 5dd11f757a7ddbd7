"""Top-hat: the plane minus its opening by a disk; on a light background its closing minus it."""

from __future__ import annotations

NAME = "tophat"
TEXT = "top-hat"
REFERENCE = "Soille, Morphological Image Analysis, Springer 2004"
SIZES = {"radius": "disk radius", "smooth": "smoothing sigma"}
"""Name in the config: what figures call it."""
OPTIONS: dict[str, bool] = {}
"""Name in the config of what is on or off, and its default."""
QC_RADIUS = "radius"
"""What the reasons of QC call the size that `qc_radius` gives."""
WHOLE, ODD = True, False
"""Whether sizes in px are whole numbers, and odd ones: those of a window have a middle pixel."""
MAY_VANISH: tuple[str, ...] = ()
"""Sizes that may be less than half a pixel: that small they do nothing."""
SMOOTHING: tuple[str, ...] = ("smooth",)
"""Sizes of a blur that 0 turns off: they may lie between whole pixels, and are named if on."""
INCREASING: tuple[str, ...] = ()
"""Sizes of which each must be larger than the one before."""
COMPUTES_IN_FLOAT = False
FOLLOWS_LOWER_EDGE = True
"""Whether the background runs along the least values, those of the noise as well."""


def may_be_negative(channel: dict) -> bool:
    """Say whether a pixel of the result can be below 0: an opening is never above what it opens."""
    return bool(channel.get("smooth"))


def has_float_background(channel: dict) -> bool:
    """Say whether the background is no longer of the plane's dtype."""
    return bool(channel.get("smooth"))


def held_mb(options: dict, pixels: float) -> float:
    """Give what it holds of a plane of so many 2**20 pixels beside what all hold, in MB."""
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

    light, smooth = channel.get("light_background", False), channel.get("smooth", 0)
    filter_blocks = closing_blocks if light else opening_blocks
    found = filter_blocks(image, channel["radius"], smooth=smooth, threads=threads)
    return differences(image, found, light=light, signed=bool(smooth))


def steps(image, channel: dict) -> list:
    """Compute the steps between the plane and the result: captions and planes."""
    from ..filters.morphology import closing, opening
    from .difference import smoothing_step

    light, radius = channel["light_background"], channel["radius"]
    name, filtered = ("Closing", closing) if light else ("Opening", opening)
    first, image = smoothing_step(image, channel)
    name += " of the smoothed" if first else ""
    return [*first, (f"{name}, disk radius {radius} px", filtered(image, radius))]


def sentence(channel: dict, size: dict[str, str]) -> str:
    """Say in a methods section what was done; `size` has each size with its unit."""
    kind = "black" if channel["light_background"] else "white"
    text = f"a {kind} top-hat transform ({REFERENCE}) with a disk of radius {size['radius']}"
    if "smooth" in size:
        text += ", its background estimated on a copy smoothed by a Gaussian of standard deviation "
        text += size["smooth"]
    return text
