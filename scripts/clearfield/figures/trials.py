"""One plane under many methods and sizes, each with its figures of merit.

Which sizes of which methods are tried stands in `GRIDS`; all else is asked of the methods and
of QC. What is advised and what is configured is tried too.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ClearfieldError
from ..methods.channels import resolve_channels
from ..methods.known_methods import METHODS, method_of
from ..qc.measurement import measure_plane
from ..qc.recommended_methods import recommended_methods
from .grey_image import fit, shrink

if TYPE_CHECKING:
    from ..qc.granulometry import Granulometry

GRIDS = {
    "tophat": {"radius": "radii", "smooth": "smooths"},
    "minmax": {"min_size": "min_sizes", "max_size": "max_sizes"},
    "dog": {"high_sigma": "high_sigmas", "low_sigma": "low_sigmas"},
    "rolling_ball": {"radius": "ball_radii", "paraboloid": (False, True)},
}
"""Method: its sizes and options, those of a sheet's rows first, and the key of the config that has
their values, or the values."""
KNOWN_TO_IMAGEJ = ("uint8", "uint16", "float32")
"""Pixel types that ImageJ, and so its ball, knows."""
NOTHING_CLIPPED = {"clipped_low": 0, "clipped_high": 0}
MERIT = {
    "signal_survived": "kept",
    "unevenness_to_signal": "uneven",
    "negative_fraction": "negative",
    "background_left_sigma": "left",
    "contrast_to_noise_after": "CNR",
}
"""Columns of the QC table that tell good sizes from bad ones, and what they are called here."""

IN_SIGMA = ("contrast_to_noise_after", "background_left_sigma")
"""Those that are standard deviations of the noise; the others are fractions."""


@dataclass
class Trial:
    """One method with one set of sizes.

    Attributes
    ----------
    method : str
        Its name in the config.
    sizes : dict
        All sizes, px, and options of the method, by name; those of `GRIDS` first, in its order.
    label : str
        What `recommended_methods` calls it; empty for others.
    marks : dict
        "advised" and "configured": those sizes, where they are these, or among those alike.
    merit : dict
        The columns of `MERIT`.
    image : (y, x) float32
        The result made small.
    in_grid : bool
        Whether the lists of the config name it.
    alike : list of dict
        Further sizes whose result is the same to the last bit.
    """

    method: str
    sizes: dict[str, float]
    label: str
    marks: dict[str, dict[str, float]]
    merit: dict[str, float]
    image: np.ndarray
    in_grid: bool
    alike: list[dict[str, float]] = field(default_factory=list)


def list_trials(
    image: np.ndarray,
    sizes: Granulometry,
    settings: dict,
    *,
    configured: dict,
    pixel_size_um: dict[str, float | None],
    panel: tuple[int, int],
    threads: int | None = None,
) -> Iterator[tuple[Trial, np.ndarray, np.ndarray]]:
    """Subtract the background in every way.

    Parameters
    ----------
    image : (Y, X), integer or float
    sizes : Granulometry
        Of the same plane.
    settings : dict
        ``unit``, and the lists that `GRIDS` names, in that unit; any of them may be empty.
        ``recommended``: whether each method at the sizes that are recommended is among them.
    configured : dict
        The channel as `resolve_channels` gives it.
    pixel_size_um : dict
        ``x``, ``y`` in µm, or None.
    panel : (int, int)
        Rows and columns of a small image.
    threads : int, optional

    Yields
    ------
    Trial, result (Y, X), background (Y, X)
        A result that an earlier trial had is not yielded, but added to that trial's `alike`.

    Raises
    ------
    ClearfieldError
        For sizes that the filters do not take.
    """
    light = configured["light_background"]
    for method in METHODS:
        grid = GRIDS.get(method.NAME)
        if not grid:
            continue
        if method.NAME == "rolling_ball" and image.dtype.name not in KNOWN_TO_IMAGEJ:
            continue
        seen: dict[bytes, Trial] = {}
        for tried, label, mark in _wanted(method, grid, sizes, settings, configured, pixel_size_um):
            same = next((one for one in seen.values() if tried in (one.sizes, *one.alike)), None)
            if same is None:
                channel = {"method": method.NAME, "light_background": light, **tried}
                blocks = [block[2:4] for block in method.blocks(image, channel, threads)]
                result = np.concatenate([block[0] for block in blocks])
                background = np.concatenate([block[1] for block in blocks])
                digest = hashlib.blake2b(np.ascontiguousarray(result)).digest()
                same = seen.get(digest)
            if same is not None:
                if tried not in (same.sizes, *same.alike):
                    same.alike.append(tried)
                same.label = same.label or label
                same.in_grid |= mark == "grid"
                if mark != "grid":
                    same.marks.setdefault(mark, tried)
                continue
            row = measure_plane(
                result, sizes, channel=channel, output={"negative": "keep"}, statistics={},
                clipped=NOTHING_CLIPPED, pixel_size_um=pixel_size_um,
            )  # fmt: skip
            merit = {name: float(row[name]) for name in MERIT}
            small = fit(shrink(result, panel), panel)
            marks = {} if mark == "grid" else {mark: tried}
            trial = Trial(method.NAME, tried, label, marks, merit, small, mark == "grid")
            seen[digest] = trial
            yield trial, result, background


def _wanted(
    method, grid: dict, sizes: Granulometry, settings: dict, configured: dict, pixel_size_um: dict
) -> Iterator[tuple[dict, str, str]]:
    """Yield sizes of a method, a label, and "grid", "advised" or "configured".

    The grid comes first: what is advised or configured is mostly a panel of it.
    """
    names = (*grid, *(name for name in (*method.SIZES, *method.OPTIONS) if name not in grid))
    plain = dict.fromkeys(method.SIZES, 0) | method.OPTIONS
    lists = {
        size: key if isinstance(key, tuple) else settings.get(key) for size, key in grid.items()
    }
    if all(lists.values()):
        _check_order(method, grid, lists)
        steps = [
            sorted(
                value if isinstance(value, bool)
                else _pixels(method, size, value, settings["unit"], pixel_size_um)
                for value in dict.fromkeys(values)
            )
            for size, values in lists.items()
        ]  # fmt: skip
        for values in itertools.product(*steps):
            tried = plain | dict(zip(grid, values, strict=True))
            yield {name: tried[name] for name in names}, "", "grid"
    if settings.get("recommended"):
        for label, chosen in recommended_methods(sizes).items():
            if chosen["method"] == method.NAME:
                tried = plain | {name: chosen[name] for name in names if name in chosen}
                if method.NAME == "dog":  # as the page of the run advises
                    used = configured if configured["method"] == method.NAME else {}
                    tried |= method.advise(sizes.recommended_radius_px, used)
                yield {name: tried[name] for name in names}, label, "advised"
    if configured["method"] == method.NAME:
        tried = {name: configured.get(name, plain[name]) for name in names}
        yield tried, "", "configured"


def _check_order(method, grid: dict, lists: dict) -> None:
    for small, large in itertools.pairwise(method.INCREASING):
        if small in grid and large in grid:
            low, high = max(lists[small]), min(lists[large])
            if low >= high:
                raise ClearfieldError(
                    f"explore_parameters.{grid[small]} holds {low:g}, which is not smaller than "
                    f"{high:g} in {grid[large]}; every {small} must be smaller than every {large}"
                )


def _pixels(method, size: str, value: float, unit: str, pixel_size_um: dict) -> float:
    """Turn one size into px, as the config's own sizes are."""
    if unit == "px" or not value:
        return value
    sizes = dict.fromkeys(method.SIZES, value)
    if size in method.INCREASING:  # the others are chosen so that they do
        place = method.INCREASING.index(size)
        for other, name in enumerate(method.INCREASING):
            sizes[name] = value if other == place else 0 if other < place else 9 * value + 9
    table = {"unit": unit, "method": method.NAME, "light_background": False, "channels": {}}
    table[method.NAME] = sizes | method.OPTIONS
    return resolve_channels(table, ["explored"], pixel_size_um, "the explored sample")[0][size]


def describe(trial_sizes: dict[str, float], unit: str, pixel_um: float | None) -> str:
    """Write the sizes of a trial in the unit of the config; what is off is left out.

    Examples
    --------
    >>> describe({"min_size": 5, "max_size": 25, "smooth": 0}, "px", None)
    'min 5, max 25 px'
    >>> describe({"radius": 5, "paraboloid": True}, "um", 0.35)
    'radius 1.75 µm, paraboloid'
    """
    scale = pixel_um if unit == "um" and pixel_um else 1
    parts = [
        f"{name.removesuffix('_size').removesuffix('_sigma')} {px * scale:.4g}"
        for name, px in trial_sizes.items()
        if not isinstance(px, bool) and (px or name != "smooth")
    ]
    options = [name for name, on in trial_sizes.items() if on is True and name != "smooth"]
    return ", ".join([f"{', '.join(parts)} {'µm' if scale != 1 else 'px'}", *options])


def text_of(method: str) -> str:
    """Give what a method is called in figures."""
    return method_of({"method": method}).TEXT
