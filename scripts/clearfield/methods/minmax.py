"""Minimum filter, then maximum filter, in square windows: the tutorial's own top-hat."""

from __future__ import annotations

NAME = "minmax"
TEXT = "minimum–maximum filter"
REFERENCE = ""
SIZES = {
    "min_size": "minimum window",
    "max_size": "maximum window",
    "smooth": "smoothing sigma",
}
"""Name in the config: what figures call it."""
OPTIONS: dict[str, bool] = {}
"""Name in the config of what is on or off, and its default."""
QC_RADIUS = "half the window,"
"""What the reasons of QC call the size that `qc_radius` gives."""
WHOLE, ODD = True, True
"""Whether sizes in px are whole numbers, and odd ones: those of a window have a middle pixel."""
MAY_VANISH: tuple[str, ...] = ("max_size",)
"""Sizes that may be less than half a pixel: that small they do nothing."""
SMOOTHING: tuple[str, ...] = ("smooth",)
"""Sizes of a blur that 0 turns off: they may lie between whole pixels, and are named if on."""
INCREASING: tuple[str, ...] = ()
"""Sizes of which each must be larger than the one before."""
COMPUTES_IN_FLOAT = False
FOLLOWS_LOWER_EDGE = True


def may_be_negative(channel: dict) -> bool:
    """Say whether a pixel of the result can be below 0: where the second window is the larger.

    Up to the size of the first, each window within the second filter's holds the pixel.
    """
    if channel.get("smooth"):
        return True
    first, second = channel["min_size"], channel["max_size"]
    return first > second if channel.get("light_background", False) else second > first


def has_float_background(channel: dict) -> bool:
    """Say whether the background is no longer of the plane's dtype."""
    return bool(channel.get("smooth"))


def held_mb(options: dict, pixels: float) -> float:
    """Give what it holds of a plane of so many 2**20 pixels beside what all hold, in MB."""
    return 0  # a block of rows at a time


def qc_radius(channel: dict) -> float:
    """Give the size that QC compares with the objects' radius, px."""
    return (channel["min_size"] - 1) / 2


def advise(radius: int, used: dict) -> dict:
    """Give the sizes, px, that keep objects for which a disk of `radius` px is large enough.

    A square of the disk's diameter holds the disk. A maximum filter that was left out stays so.

    Examples
    --------
    >>> advise(5, {"min_size": 25, "max_size": 25}), advise(5, {"min_size": 25, "max_size": 1})
    ({'min_size': 11, 'max_size': 11}, {'min_size': 11, 'max_size': 1})
    """
    window = 2 * radius + 1
    return {"min_size": window, "max_size": window if used.get("max_size") != 1 else 1}


def blocks(image, channel: dict, threads: int | None):
    """Yield first row, last row (excluded), exact difference and background of a plane."""
    from ..filters.morphology import minmax_blocks
    from .difference import differences

    light, smooth = channel.get("light_background", False), channel.get("smooth", 0)
    found = minmax_blocks(
        image, channel["min_size"], channel["max_size"], light, smooth=smooth, threads=threads
    )
    return differences(image, found, light=light, signed=may_be_negative(channel))


def steps(image, channel: dict) -> list:
    """Compute the steps between the plane and the result: captions and planes."""
    from ..filters.morphology import maximum_filter, minimum_filter
    from .difference import smoothing_step

    both = [("Minimum", "min_size", minimum_filter), ("Maximum", "max_size", maximum_filter)]
    (name, key, first), (then, key_then, second) = (
        reversed(both) if channel["light_background"] else both
    )
    smoothing, image = smoothing_step(image, channel)
    once = first(image, channel[key])
    twice = second(once, channel[key_then])
    return [
        *smoothing,
        (f"{name}{' of the smoothed' if smoothing else ''}, {channel[key]} px", once),
        (f"{then} of the {name.lower()}, {channel[key_then]} px", twice),
    ]


def sentence(channel: dict, size: dict[str, str]) -> str:
    """Say in a methods section what was done; `size` has each size with its unit."""
    both = [("minimum", "min_size"), ("maximum", "max_size")]
    (first, key), (second, key_then) = reversed(both) if channel["light_background"] else both
    text = (
        f"subtracting a {first} filter (square windows of {size[key]}) "
        f"followed by a {second} filter ({size[key_then]})"
    )
    if "smooth" in size:
        text += f" of a copy smoothed by a Gaussian of standard deviation {size['smooth']}"
    return text
