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
_ROWS = 256


def may_be_negative(channel: dict) -> bool:
    """Say whether a pixel of the result can be below 0: the ball rolls below a smoothed plane."""
    return True


def has_float_background(channel: dict) -> bool:
    """Say whether the background is no longer of the plane's dtype."""
    return True


def held_bytes(options: dict) -> int:
    """Give the bytes for each pixel of the whole plane that are held in memory."""
    return 52 if options.get("paraboloid") else 12  # measured on 4,096 × 4,096 px, rounded up


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

    background = _background(image, channel, threads)
    light = channel.get("light_background", False)
    for first in range(0, image.shape[0], _ROWS):
        block = np.asarray(image[first : first + _ROWS])
        below = background[first : first + len(block)]
        signed = block if block.dtype.kind == "f" else block.astype(np.int32)
        under = below if block.dtype.kind == "f" else below.astype(np.int32)
        yield first, first + len(block), under - signed if light else signed - under, below


def _background(image, channel: dict, threads: int | None):
    import numpy as np

    from ..errors import ClearfieldError
    from ..filters.rolling_ball import rolling_ball

    smooth = channel.get("smooth", OPTIONS["smooth"])
    if smooth not in (True, False):
        raise ClearfieldError(
            f"smooth of the rolling ball is {smooth!r}; give True for a 3 × 3 mean, or False"
        )
    background = rolling_ball(
        np.asarray(image[0 : image.shape[0]]),
        channel["radius"],
        light_background=channel.get("light_background", False),
        smooth=bool(smooth),
        paraboloid=channel.get("paraboloid", OPTIONS["paraboloid"]),
        threads=threads,
    )
    if image.dtype.kind != "f":
        # ImageJ rounds the difference, halves upwards, and so the background downwards.
        np.ceil(background - np.float32(0.5), out=background)
    return background


def steps(image, channel: dict) -> list:
    """Compute the steps between the plane and the result: captions and planes."""
    what = "paraboloid" if channel.get("paraboloid") else "ball"
    caption = f"Background of the {what}, radius {channel['radius']:g} px"
    return [(caption, _background(image, channel, None))]


def sentence(channel: dict, size: dict[str, str]) -> str:
    """Say in a methods section what was done; `size` has each size with its unit."""
    what = "sliding paraboloid" if channel.get("paraboloid") else "rolling ball"
    text = f"a {what} ({REFERENCE}) of radius {size['radius']}, computed as ImageJ 1.53t does"
    if channel.get("smooth", OPTIONS["smooth"]):
        text += ", below the image smoothed by a 3 × 3 mean"
    return text + (", on a light background" if channel["light_background"] else "")
