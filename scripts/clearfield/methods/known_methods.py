"""The ways to subtract a background: a name in; out comes the module that says all of it.

A method is one module of this room. It has the same names as `tophat`: constants that describe it,
and the functions may_be_negative, has_float_background, held_mb, qc_radius, advise, blocks,
steps and sentence. Snakemake's own process imports the methods too, so numpy and the filters come
in only where pixels do.
"""

from types import ModuleType

from ..errors import ClearfieldError
from . import dog, minmax, none, rolling_ball, tophat

METHODS = (tophat, minmax, dog, rolling_ball, none)
SIZES = {method.NAME: tuple(method.SIZES) for method in METHODS}
"""The sizes of each method, in the order in which they are written down."""


def method_of(channel: dict) -> ModuleType:
    """Give the module of a channel's method.

    Raises
    ------
    ClearfieldError
        For an unknown name.

    Examples
    --------
    >>> method_of({"method": "dog"}).TEXT
    'difference of Gaussians'
    """
    for method in METHODS:
        if channel["method"] == method.NAME:
            return method
    raise ClearfieldError(
        f"method {channel['method']!r} is unknown; choose one of {', '.join(SIZES)}"
    )


def used_sizes(channel: dict) -> dict[str, str]:
    """Give the sizes that do something to a channel, and what figures call them.

    Examples
    --------
    >>> used_sizes({"method": "tophat", "radius": 25, "smooth": 0})
    {'radius': 'disk radius'}
    """
    method = method_of(channel)
    return {
        size: name
        for size, name in method.SIZES.items()
        if size not in method.SMOOTHING or channel.get(size)
    }
