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
from .grey_image import fit, shrink

if TYPE_CHECKING:
    from ..qc.granulometry import Granulometry

GRIDS = {
    "tophat": {"radius": "radii"},
    "minmax": {"min_size": "min_sizes", "max_size": "max_sizes"},
    "dog": {"high_sigma": "high_sigmas", "low_sigma": "low_sigmas"},
    "rolling_ball": {"radius": "ball_radii"},
}
"""Method: its sizes, those of a sheet's rows first, and the key of the config that lists them."""
NOTHING_CLIPPED = {"clipped_low": 0, "clipped_high": 0}
MERIT = {
    "signal_survived": "kept",
    "unevenness_to_signal": "uneven",
    "negative_fraction": "negative",
    "contrast_to_noise_after": "CNR",
}
"""Columns of the QC table that tell good sizes from bad ones, and what they are called here."""


@dataclass
class Trial:
    """One method with one set of sizes.

    Attributes
    ----------
    method : str
        Its name in the config.
    sizes : dict
        Px, by name; those of `GRIDS` in its order.
    marks : dict
        "advised" and "configured": those sizes, where they are these, or among those alike.
    alike : list of dict
        Larger sizes whose result is the same to the last bit.
    merit : dict
        The columns of `MERIT`.
    image : (y, x) float32
        The result made small.
    """

    method: str
    sizes: dict[str, float]
    marks: dict[str, dict[str, float]]
    merit: dict[str, float]
    image: np.ndarray
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
        if not grid or not all(settings.get(key) for key in grid.values()):
            continue
        _check_order(method, grid, settings)
        special = _special(method, grid, sizes, configured)
        steps = [
            sorted(
                {
                    _pixels(method, size, value, settings["unit"], pixel_size_um)
                    for value in settings[key]
                }
                | {chosen[size] for chosen in special.values()}
            )
            for size, key in grid.items()
        ]
        seen: dict[bytes, Trial] = {}
        for values in itertools.product(*steps):
            tried = dict(zip(grid, values, strict=True))
            if any(tried[a] >= tried[b] for a, b in itertools.pairwise(method.INCREASING)
                   if a in tried and b in tried):  # fmt: skip
                continue
            channel = dict.fromkeys(method.SIZES, 0) | method.OPTIONS
            channel |= {"method": method.NAME, "light_background": light, **tried}
            blocks = [block[2:4] for block in method.blocks(image, channel, threads)]
            result = np.concatenate([block[0] for block in blocks])
            background = np.concatenate([block[1] for block in blocks])
            marks = {name: chosen for name, chosen in special.items() if chosen == tried}
            digest = hashlib.blake2b(np.ascontiguousarray(result)).digest()
            if digest in seen:
                seen[digest].alike.append(tried)
                seen[digest].marks |= marks
                continue
            row = measure_plane(
                result, sizes, channel=channel, output={"negative": "keep"}, statistics={},
                clipped=NOTHING_CLIPPED, pixel_size_um=pixel_size_um,
            )  # fmt: skip
            merit = {name: float(row[name]) for name in MERIT}
            trial = Trial(method.NAME, tried, marks, merit, fit(shrink(result, panel), panel))
            seen[digest] = trial
            yield trial, result, background


def _special(method, grid: dict, sizes: Granulometry, configured: dict) -> dict[str, dict]:
    """Give the advised and the configured sizes of a method."""
    found = {}
    if sizes.recommended_radius_px is not None:
        used = configured if configured["method"] == method.NAME else {}
        advised = method.advise(sizes.recommended_radius_px, used)
        found["advised"] = {size: advised[size] for size in grid}
    if configured["method"] == method.NAME:
        found["configured"] = {size: configured[size] for size in grid}
    return found


def _check_order(method, grid: dict, settings: dict) -> None:
    for small, large in itertools.pairwise(method.INCREASING):
        if small in grid and large in grid:
            low, high = max(settings[grid[small]]), min(settings[grid[large]])
            if low >= high:
                raise ClearfieldError(
                    f"explore_parameters.{grid[small]} holds {low:g}, which is not smaller than "
                    f"{high:g} in {grid[large]}; every {small} must be smaller than every {large}"
                )


def _pixels(method, size: str, value: float, unit: str, pixel_size_um: dict) -> float:
    """Turn one size into px, as the config's own sizes are."""
    if unit == "px":
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
    """Write the sizes of a trial in the unit of the config.

    Examples
    --------
    >>> describe({"min_size": 5, "max_size": 25}, "px", None)
    'min 5, max 25 px'
    >>> describe({"radius": 5}, "um", 0.35)
    'radius 1.75 µm'
    """
    scale = pixel_um if unit == "um" and pixel_um else 1
    parts = [
        f"{name.removesuffix('_size').removesuffix('_sigma')} {px * scale:.4g}"
        for name, px in trial_sizes.items()
    ]
    return f"{', '.join(parts)} {'µm' if scale != 1 or unit == 'um' else 'px'}"


def text_of(method: str) -> str:
    """Give what a method is called in figures."""
    return method_of({"method": method}).TEXT
