"""Difference of Gaussians: a small blur of the plane minus a large one."""

from __future__ import annotations

NAME = "dog"
TEXT = "difference of Gaussians"
REFERENCE = ""
SIZES = {"low_sigma": "low sigma", "high_sigma": "high sigma"}
"""Name in the config: what figures call it."""
OPTIONS: dict[str, bool] = {}
"""Name in the config of what is on or off, and its default."""
QC_RADIUS = "high_sigma"
"""What the reasons of QC call the size that `qc_radius` gives."""
WHOLE, ODD = False, False
"""Whether sizes in px are whole numbers, and odd ones: those of a window have a middle pixel."""
MAY_VANISH: tuple[str, ...] = ("low_sigma",)
"""Sizes that may be less than half a pixel: that small they do nothing."""
SMOOTHING: tuple[str, ...] = ()
"""Sizes of a blur that 0 turns off: they may lie between whole pixels, and are named if on."""
INCREASING: tuple[str, ...] = ("low_sigma", "high_sigma")
"""Sizes of which each must be larger than the one before."""
COMPUTES_IN_FLOAT = True
FOLLOWS_LOWER_EDGE = False


def may_be_negative(channel: dict) -> bool:
    """Say whether a pixel of the result can be below 0."""
    return True


def has_float_background(channel: dict) -> bool:
    """Say whether the background is no longer of the plane's dtype."""
    return True


def held_mb(options: dict, pixels: float) -> float:
    """Give what it holds of a plane of so many 2**20 pixels beside what all hold, in MB."""
    return 0  # a block of rows at a time


def qc_radius(channel: dict) -> float:
    """Give the size that QC compares with the objects' radius, px."""
    return channel["high_sigma"]


def advise(radius: int, used: dict) -> dict:
    """Give the sizes, px, that keep objects for which a disk of `radius` px is large enough.

    In the middle of a disk, a Gaussian of sigma s has 1 - exp(-radius² / 2 s²) of its height: with
    s = 2 radius, 12 % are taken away. A wider one would leave more of the haze.

    Examples
    --------
    >>> advise(5, {"low_sigma": 1, "high_sigma": 8})
    {'low_sigma': 1, 'high_sigma': 10}
    """
    return {"low_sigma": min(used.get("low_sigma", 1), radius), "high_sigma": 2 * radius}


def blocks(image, channel: dict, threads: int | None):
    """Yield first row, last row (excluded), difference and background of a plane."""
    from ..filters.gaussian import difference_of_gaussians_blocks

    light = channel.get("light_background", False)
    for first, last, difference, large in difference_of_gaussians_blocks(
        image, channel["low_sigma"], channel["high_sigma"], threads=threads
    ):
        yield first, last, -difference if light else difference, large


def steps(image, channel: dict) -> list:
    """Compute the steps between the plane and the result: captions and planes."""
    from ..filters.gaussian import gaussian

    return [
        (f"Gaussian, sigma {channel[key]:g} px", gaussian(image, channel[key])) for key in SIZES
    ]


def sentence(channel: dict, size: dict[str, str]) -> str:
    """Say in a methods section what was done; `size` has each size with its unit."""
    return (
        f"a difference of Gaussians with sigmas of {size['low_sigma']} and {size['high_sigma']}"
        + (", the smaller subtracted from the larger" if channel["light_background"] else "")
    )
