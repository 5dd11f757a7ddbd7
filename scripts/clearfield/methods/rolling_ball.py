"""Rolling ball: the plane minus the background that ImageJ's "Subtract Background…" finds."""

from __future__ import annotations

NAME = "rolling_ball"
TEXT = "rolling ball"
REFERENCE = "Sternberg, IEEE Computer 16, 1983"
SIZES = {"radius": "ball radius"}
"""Name in the config: what figures call it."""
OPTIONS = {"smooth": True, "paraboloid": False}
"""Name in the config of what is on or off, and its default."""
QC_RADIUS = "radius"
"""What the reasons of QC call the size that `qc_radius` gives."""
WHOLE, ODD = False, False
"""Whether sizes in px are whole numbers, and odd ones: those of a window have a middle pixel."""
MAY_VANISH: tuple[str, ...] = ()
"""Sizes that may be less than half a pixel: that small they do nothing."""
SMOOTHING: tuple[str, ...] = ()
"""Sizes of a blur that 0 turns off: they may lie between whole pixels, and are named if on."""
INCREASING: tuple[str, ...] = ()
"""Sizes of which each must be larger than the one before."""
COMPUTES_IN_FLOAT = False
FOLLOWS_LOWER_EDGE = True


def may_be_negative(channel: dict) -> bool:
    """Say whether a pixel of the result can be below 0: the ball rolls below a smoothed plane."""
    return True


def has_float_background(channel: dict) -> bool:
    """Say whether the background is no longer of the plane's dtype."""
    return True


def held_mb(options: dict, pixels: float) -> float:
    """Give what it holds of a plane of so many 2**20 pixels, beside what all methods hold, in MB.

    Measured on 1 to 16: the ball takes blocks of rows. The paraboloid takes the plane, and lines of
    4 * 2**20 pixels at a time.
    """
    if options.get("paraboloid"):
        return min(60 * pixels, 190 + 14 * pixels)
    return min(27 * pixels, 200)


def qc_radius(channel: dict) -> float:
    """Give the size that QC compares with the objects' radius, px."""
    return channel["radius"]


def advise(radius: int, used: dict) -> dict:
    """Give the sizes, px, that keep objects for which a disk of `radius` px is large enough."""
    return {"radius": radius}


def blocks(image, channel: dict, threads: int | None):
    """Yield first row, last row (excluded), difference and background of a plane.

    Of integers both are whole numbers, rounded so that a difference that is clipped at 0 is
    ImageJ's own result to the last bit.
    """
    import numpy as np

    light = channel.get("light_background", False)
    for first, last, background in _background(image, channel, threads):
        block = np.asarray(image[first:last])
        if block.dtype.kind == "f":
            under, signed = background, block
        else:
            # ImageJ rounds the difference, halves upwards, and so the background downwards.
            background = np.ceil(background - np.float32(0.5))
            under, signed = background.astype(np.int32), block.astype(np.int32)
        yield first, last, under - signed if light else signed - under, background


def _background(image, channel: dict, threads: int | None):
    from ..errors import ClearfieldError
    from ..filters.rolling_ball import rolling_ball_blocks

    smooth = channel.get("smooth", OPTIONS["smooth"])
    if smooth not in (True, False):
        raise ClearfieldError(
            f"smooth of the rolling ball is {smooth!r}; give True for a 3 × 3 mean, or False"
        )
    return rolling_ball_blocks(
        image,
        channel["radius"],
        light_background=channel.get("light_background", False),
        smooth=bool(smooth),
        paraboloid=channel.get("paraboloid", OPTIONS["paraboloid"]),
        threads=threads,
    )


def steps(image, channel: dict) -> list:
    """Compute the steps between the plane and the result: captions and planes."""
    import numpy as np

    what = "paraboloid" if channel.get("paraboloid") else "ball"
    caption = f"Background of the {what}, radius {channel['radius']:g} px"
    background = np.concatenate([block[3] for block in blocks(image, channel, None)])
    return [(caption, background)]


def sentence(channel: dict, size: dict[str, str]) -> str:
    """Say in a methods section what was done; `size` has each size with its unit."""
    what = "sliding paraboloid" if channel.get("paraboloid") else "rolling ball"
    text = f"a {what} ({REFERENCE}) of radius {size['radius']}, computed as ImageJ 1.53t does"
    if channel.get("smooth", OPTIONS["smooth"]):
        text += ", below the image smoothed by a 3 × 3 mean"
    return text + (", on a light background" if channel["light_background"] else "")
