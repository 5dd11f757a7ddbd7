"""Which method and which sizes, in pixels, each channel of an image gets."""

import math
from difflib import get_close_matches
from itertools import pairwise
from types import ModuleType

from ..errors import ClearfieldError
from .known_methods import method_of, used_sizes

# ASSUME: x and y that differ by less than this ratio are one pixel size, rounded differently.
SQUARE_TOLERANCE = 1e-3


def resolve_channels(
    settings: dict, channel_names: list[str], pixel_size_um: dict[str, float | None], sample: str
) -> list[dict]:
    """Give method, sign and sizes of each channel.

    Parameters
    ----------
    settings : dict
        ``unit``, ``method``, ``light_background``, a table of sizes for that method, and
        ``channels``: the same keys, complete, by channel name or index counted from 0.
    channel_names : list of str
        Of the image, in its order.
    pixel_size_um : dict
        ``x``, ``y`` in µm, or None where unknown.
    sample : str
        For messages.

    Returns
    -------
    list of dict
        ``name, method, light_background``, the sizes in px by name (without a `smooth` of 0), and
        ``sizes_um``: the same sizes in µm after rounding, None where the calibration is unknown.

    Raises
    ------
    ClearfieldError
        For a channel that is named twice, and for µm without one pixel size. A channel that the
        image does not have is none: files of one run may differ.

    Examples
    --------
    >>> settings = {"unit": "um", "method": "tophat", "light_background": False,
    ...             "tophat": {"radius": 2.6}, "channels": {}}
    >>> resolve_channels(settings, ["DAPI"], {"x": 0.5, "y": 0.5}, "a")[0]["radius"]
    5
    """
    chosen: list[dict] = [settings] * len(channel_names)
    keys: dict[int, str] = {}
    for key, override in settings["channels"].items():
        index = _find_channel(key, channel_names, sample)
        if index is None:
            continue  # `unused_channels` tells of it
        if index in keys:
            raise ClearfieldError(
                f"subtract_background.channels names channel {index} of {sample} twice, as "
                f"{keys[index]!r} and as {key!r}; keep one of them"
            )
        keys[index], chosen[index] = key, override
    pixel = _square_pixel(pixel_size_um)
    if settings["unit"] == "um":
        _require_pixel(pixel, pixel_size_um, sample)
    resolved = []
    for name, choice in zip(channel_names, chosen, strict=True):
        method = method_of(choice)
        given = choice[method.NAME]
        sizes = {size: given[size] for size in used_sizes({**given, "method": method.NAME})}
        if settings["unit"] == "um":
            sizes = {
                size: _to_pixels(method, size, um, pixel, sample) for size, um in sizes.items()
            }
        _check_sizes(method, sizes, sample)
        sizes_um = {size: round(px * pixel, 6) for size, px in sizes.items()} if pixel else None
        resolved.append(
            {
                "name": name,
                "method": method.NAME,
                "light_background": choice["light_background"],
                **sizes,
                **{option: choice[method.NAME][option] for option in method.OPTIONS},
                "sizes_um": sizes_um,
            }
        )
    return resolved


def unused_channels(settings: dict, channel_names: list[str]) -> list[str]:
    """Name the keys of ``channels`` that an image has no channel for, and what may be meant.

    Examples
    --------
    >>> unused_channels({"channels": {"DAPPI": {}, "GFP": {}, "Cy5": {}}}, ["DAPI", "GFP"])
    ['DAPPI (did you mean DAPI?)', 'Cy5']
    """
    keys = settings["channels"]
    free = [name for index, name in enumerate(channel_names) if not {name, str(index)} & set(keys)]
    told = []
    for key in keys:
        if _find_channel(key, channel_names, "the image") is None:
            near = get_close_matches(key, free, n=1, cutoff=0.75)
            told.append(f"{key} ({MEANT} {near[0]}?)" if near else key)
    return told


MEANT = "did you mean"


def _find_channel(key: str, channel_names: list[str], sample: str) -> int | None:
    if channel_names.count(key) == 1:
        return channel_names.index(key)
    if key.isdecimal() and int(key) < len(channel_names):
        return int(key)
    if key not in channel_names:
        return None
    known = ", ".join(f"{index}: {name!r}" for index, name in enumerate(channel_names))
    raise ClearfieldError(
        f"subtract_background.channels names {key!r}, which {sample} has more than once; its "
        f"channels are {known}: name one by its number"
    )


def _square_pixel(pixel_size_um: dict[str, float | None]) -> float | None:
    """Give the one pixel size in µm, or None where it is unknown or x and y differ."""
    x, y = pixel_size_um.get("x"), pixel_size_um.get("y")
    if x and y and math.isclose(x, y, rel_tol=SQUARE_TOLERANCE):
        return x
    return None


def _require_pixel(
    pixel: float | None, pixel_size_um: dict[str, float | None], sample: str
) -> None:
    if pixel is not None:
        return
    x, y = pixel_size_um.get("x"), pixel_size_um.get("y")
    if x and y:
        raise ClearfieldError(
            f"subtract_background.unit is um, but the pixels of {sample} are not square "
            f"({x:g} × {y:g} µm); give the sizes in px, or load_stack.pixel_size_um if they are"
        )
    raise ClearfieldError(
        f"subtract_background.unit is um, but {sample} does not say how large its pixels are; "
        "give load_stack.pixel_size_um, or the sizes in px"
    )


def _to_pixels(method: ModuleType, size: str, um: float, pixel: float, sample: str) -> float:
    """Round to whole pixels; a square window to the nearest odd number of them, a blur not at all.

    Examples
    --------
    >>> tophat, minmax = method_of({"method": "tophat"}), method_of({"method": "minmax"})
    >>> _to_pixels(tophat, "radius", 2.6, 0.5, "a"), _to_pixels(minmax, "min_size", 2.0, 0.5, "a")
    (5, 5)
    >>> _to_pixels(tophat, "smooth", 0.6, 0.5, "a")
    1.2
    """
    exact = um / pixel
    if size in method.SMOOTHING:
        return round(exact, 4)
    pixels = 2 * math.floor(exact / 2) + 1 if method.ODD else math.floor(exact + 0.5)
    if exact < 0.5 and size not in method.MAY_VANISH:
        raise ClearfieldError(
            f"subtract_background: {size} {um:g} µm is less than half a pixel of {sample} "
            f"({pixel:g} µm); choose a larger one"
        )
    return pixels


def _check_sizes(method: ModuleType, sizes: dict[str, float], sample: str) -> None:
    for small, large in pairwise(method.INCREASING):
        if sizes[small] >= sizes[large]:
            raise ClearfieldError(
                f"subtract_background.{method.NAME}: {small} {sizes[small]:g} px must be smaller "
                f"than {large} {sizes[large]:g} px ({sample})"
            )
