"""One plane under many filter sizes at once, to choose by eye and by number.

The grid of minimum and maximum filters is the original tutorial's, without its wrap-around: what
is negative stays negative. Filters shared by several panels run once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ClearfieldError
from ..methods.known_methods import used_sizes
from ..qc.measurement import measure_plane
from ..qc.recommended_methods import recommended_methods
from .canvas import BLUE, GREY, SKY, add_pixels, add_text, new_figure, shorten
from .grey_image import fit, grey_range, panel_size, shrink, to_grey

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..qc.granulometry import Granulometry

PANEL, GAP, CAPTION, MARGIN, TOP = 190, 16, 68, 28, 122
NOTHING_CLIPPED = {"clipped_low": 0, "clipped_high": 0}


@dataclass
class Trial:
    """One panel: where it stands, its sizes, its small image and its figures of merit."""

    method: str
    row: int
    column: int
    caption: str
    image: np.ndarray
    merit: dict[str, float]


def cut_window(image: np.ndarray, longest: int) -> np.ndarray:
    """Cut the middle out of a plane with a side longer than `longest` px.

    Examples
    --------
    >>> cut_window(np.arange(5)[None], 3)
    array([[1, 2, 3]])
    """
    rows, columns = image.shape
    top, left = max(0, rows - longest) // 2, max(0, columns - longest) // 2
    return np.ascontiguousarray(image[top : top + longest][:, left : left + longest])


def list_trials(
    image: np.ndarray,
    sizes: Granulometry,
    settings: dict,
    *,
    pixel_size_um: dict[str, float | None],
    threads: int | None = None,
) -> Iterator[Trial]:
    """Subtract the background with every combination of sizes.

    Parameters
    ----------
    image : (Y, X), integer or float
    sizes : Granulometry
        Of the same plane.
    settings : dict
        ``light_background``; ``recommended``: whether to begin with each method at the sizes that
        are recommended; ``radii`` and ``smooths``, ``min_sizes`` and ``max_sizes`` (odd),
        ``low_sigmas`` and ``high_sigmas``, ``ball_radii``: lists in px that may be empty.
    pixel_size_um : dict
        ``x``, ``y`` in µm, or None.
    threads : int, optional

    Yields
    ------
    Trial
        Those of `recommended` have its name as their method. Rows of the grids are minimum sizes,
        radii and high sigmas.

    Raises
    ------
    ClearfieldError
        For sizes that the filters do not take.
    """
    from ..filters.gaussian import gaussian
    from ..methods.subtraction import estimate_background

    light = settings["light_background"]
    wide = np.float32 if image.dtype.itemsize <= 2 or image.dtype == np.float32 else np.float64

    def trial(
        method: str, row: int, column: int, caption: str, result: np.ndarray, **used
    ) -> Trial:
        merit = measure_plane(
            result, sizes, channel={"method": method, "light_background": light, **used},
            output={"negative": "keep"}, statistics={}, clipped=NOTHING_CLIPPED,
            pixel_size_um=pixel_size_um,
        )  # fmt: skip
        small = fit(shrink(result, size), size)
        return Trial(method, row, column, caption, small, merit)

    def subtract(background: np.ndarray) -> np.ndarray:
        pair = (background, image) if light else (image, background)
        return np.subtract(*pair, dtype=wide)

    size = panel_size(image.shape, PANEL)
    known = image.dtype.name in ("uint8", "uint16", "float32")  # to ImageJ, and so to its ball

    def apply(block: str, row: int, column: int, caption: str, used: dict) -> Trial:
        background = estimate_background(image, light_background=light, threads=threads, **used)
        if used["method"] == "dog":
            small = gaussian(image, used["low_sigma"], threads=threads)
            result = background - small if light else small - background
        else:
            result = subtract(background)
        own = trial(used["method"], row, column, caption, result, **_without(used, "method"))
        return replace(own, method=block)

    if settings["recommended"]:
        chosen = recommended_methods(sizes).items()
        for column, (label, used) in enumerate(
            (label, used) for label, used in chosen if known or used["method"] != "rolling_ball"
        ):
            yield apply("recommended", 0, column, label + "\n" + _caption(used), used)
    for row, radius in enumerate(settings["radii"]):
        for column, smooth in enumerate(settings["smooths"]):
            used = {"method": "tophat", "radius": radius, "smooth": smooth}
            yield apply("tophat", row, column, _caption(used), used)
    for row, radius in enumerate(settings["ball_radii"] if known else ()):
        for column, paraboloid in enumerate((False, True)):
            used = {"method": "rolling_ball", "radius": radius, "smooth": True}
            used["paraboloid"] = paraboloid
            yield apply("rolling_ball", row, column, _caption(used), used)
    if settings["min_sizes"] and settings["max_sizes"]:
        from ..filters.morphology import maximum_filter, minimum_filter

        # With a light background the maximum filter comes first and serves a whole column.
        first, second = (maximum_filter, minimum_filter)
        outer, inner = settings["max_sizes"], settings["min_sizes"]
        if not light:
            first, second, outer, inner = second, first, inner, outer
        for i, outer_size in enumerate(outer):
            once = first(image, outer_size, threads=threads)
            for j, inner_size in enumerate(inner):
                (row, low), (column, high) = (i, outer_size), (j, inner_size)
                if light:
                    (row, low), (column, high) = (column, high), (row, low)
                yield trial(
                    "minmax", row, column, f"min {low}, max {high}",
                    subtract(second(once, inner_size, threads=threads)),
                    min_size=low, max_size=high,
                )  # fmt: skip
    if settings["low_sigmas"] and settings["high_sigmas"]:
        small = [gaussian(image, sigma, threads=threads) for sigma in settings["low_sigmas"]]
        for row, high in enumerate(settings["high_sigmas"]):
            large = gaussian(image, high, threads=threads)
            for column, low in enumerate(settings["low_sigmas"]):
                if low >= high:
                    raise ClearfieldError(
                        f"explore_parameters.low_sigmas holds {low:g}, which is not smaller than "
                        f"{high:g} in high_sigmas; every low sigma must be smaller than every high"
                    )
                difference = large - small[column] if light else small[column] - large
                yield trial(
                    "dog", row, column, f"sigma {low:g}, {high:g}", difference,
                    low_sigma=low, high_sigma=high,
                )  # fmt: skip


def draw_trials(
    title: str,
    subtitle: str,
    image: np.ndarray,
    trials: list[Trial],
    sizes: Granulometry,
    settings: dict,
) -> Figure:
    """Draw the plane and all its trials on one sheet.

    Parameters
    ----------
    title, subtitle : str
        Sample; channel and time.
    image : (Y, X)
        The plane before subtraction.
    trials : list of Trial
        As `list_trials` gives them.
    sizes : Granulometry
        Of the plane, for the recommended radius.
    settings : dict
        As in `list_trials`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    size = panel_size(image.shape, PANEL)
    across, down = size[1] + GAP, size[0] + CAPTION + GAP
    # Captions need their width, however narrow the image.
    across = max(across, 150)
    blocks = [
        (
            "tophat", "Top-hat", "disk radius, smooth, px",
            len(settings["smooths"]), len(settings["radii"]),
        ),
        (
            "minmax",
            "Minimum, then maximum filter" if not settings["light_background"]
            else "Maximum, then minimum filter",
            "sizes of the square windows, px",
            len(settings["max_sizes"]),
            len(settings["min_sizes"]),
        ),
        (
            "dog", "Difference of Gaussians", "sigmas, px",
            len(settings["low_sigmas"]), len(settings["high_sigmas"]),
        ),
        (
            "rolling_ball", "Rolling ball, sliding paraboloid", "radius, px", 2,
            len(settings["ball_radii"]),
        ),
    ]  # fmt: skip
    shown = {trial.method for trial in trials}
    blocks = [block for block in blocks if block[0] in shown]
    columns = 1 + sum(block[3] for block in blocks)
    beside = [trial for trial in trials if trial.method == "recommended"]
    first = TOP + bool(beside) * (down + CAPTION + GAP)  # below the methods side by side
    width = max(
        900,
        2 * MARGIN + columns * across + len(blocks) * 2 * GAP,
        2 * MARGIN + 2 * GAP + (1 + len(beside)) * across,
    )
    height = first + max([2, *(block[4] for block in blocks)]) * down + GAP
    figure = new_figure(width, height)
    add_text(figure, MARGIN, 26, shorten(title, width // 13), fontsize=14, fontweight="bold")
    add_text(figure, MARGIN, 52, shorten(subtitle, width // 7), color=GREY)

    add_text(figure, MARGIN, TOP - 38, "Before", fontsize=11, fontweight="bold")
    before = fit(shrink(image, size), size)
    add_pixels(figure, to_grey(before, grey_range([before])), MARGIN, TOP)
    lines = ["Sizes found:"]
    if sizes.recommended_radius_px is None:
        lines += ["no radius can be advised"]
    else:
        lines += [
            f"median diameter {sizes.median_diameter_px:.3g} px",
            f"largest {sizes.largest_diameter_px:.3g} px",
            f"advised radius {sizes.recommended_radius_px} px",
        ]
        if sizes.smoothing is not None and sizes.smoothing.sigma_px > 0:
            lines += [f"or {sizes.smoothing.radius_px} px, smooth {sizes.smoothing.sigma_px:g} px"]
    lines += [
        "", "kept: signal of the objects", "uneven: background, of before",
        "CNR: contrast-to-noise", "negative: pixels below 0",
        "left: in the background, of its noise",
    ]  # fmt: skip
    for index, line in enumerate(lines):
        add_text(figure, MARGIN, TOP + size[0] + 20 + 17 * index, line, fontsize=8.5, color=GREY)

    x = MARGIN + across + 2 * GAP
    if beside:
        high = max(grey_range([trial.image for trial in beside])[1], 1e-12)
        add_text(figure, x, TOP - 38, "Each method at its advised size", fontsize=11,
                 fontweight="bold")  # fmt: skip
        add_text(figure, x, TOP - 20, _scale(high), fontsize=8, color=GREY)
        for trial in beside:
            _draw_trial(figure, trial, x + trial.column * across, TOP, size[0], high)
    for method, name, what, wide, _ in blocks:
        own = [trial for trial in trials if trial.method == method]
        high = max(grey_range([trial.image for trial in own])[1], 1e-12)
        add_text(figure, x, first - 38, name, fontsize=11, fontweight="bold")
        add_text(figure, x, first - 20, what, fontsize=8, color=GREY)
        if wide > 1:
            add_text(figure, x + 200, first - 20, _scale(high), fontsize=8, color=GREY)
        for trial in own:
            left, top = x + trial.column * across, first + trial.row * down
            _draw_trial(figure, trial, left, top, size[0], high)
        x += wide * across + 2 * GAP
    return figure


def _scale(high: float) -> str:
    return f"black 0, white {high:.4g}, blue negative"


def _draw_trial(figure: Figure, trial: Trial, left: int, top: int, tall: int, high: float) -> None:
    """Draw a panel, and below it its sizes and its figures of merit."""
    add_pixels(figure, _signed(trial.image, high), left, top)
    top += tall
    for line in trial.caption.split("\n"):
        add_text(figure, left, top + 10, line, fontsize=8.5)
        top += 16
    for text in _merit(trial.merit):
        add_text(figure, left, top + 10, text, fontsize=8, color=BLUE)
        top += 14


def _without(settings: dict, name: str) -> dict:
    return {key: value for key, value in settings.items() if key != name}


def _caption(channel: dict) -> str:
    """Write the sizes of a channel in a few words.

    Examples
    --------
    >>> _caption({"method": "tophat", "radius": 9, "smooth": 1.0})
    'radius 9, smooth 1'
    >>> _caption({"method": "rolling_ball", "radius": 9, "smooth": True, "paraboloid": True})
    'paraboloid, radius 9'
    """
    sizes = used_sizes(channel)
    if channel["method"] == "minmax":
        text = f"windows {channel['min_size']}"
        return text + (f", smooth {channel['smooth']:g}" if "smooth" in sizes else "")
    if channel["method"] == "dog":
        return f"sigma {channel['low_sigma']:g}, {channel['high_sigma']:g}"
    text = ", ".join(f"{size} {channel[size]:g}" for size in sizes)
    return "paraboloid, " * bool(channel.get("paraboloid")) + text


def _signed(image: np.ndarray, high: float) -> np.ndarray:
    """Colour grey levels: black at 0, white at `high`, and as bright a blue below zero.

    Examples
    --------
    >>> _signed(np.array([[10.0, 0, -10]], np.float32), 10)[0, :, :3].tolist()
    [[255, 255, 255], [0, 0, 0], [86, 180, 233]]
    """
    rgba = to_grey(np.abs(image), (0.0, high))
    below = image < 0
    colour = np.array(list(bytes.fromhex(SKY[1:])), np.float32) / 255
    rgba[below, :3] = np.rint(rgba[below, :3] * colour)
    return rgba


def _merit(merit: dict[str, float]) -> tuple[str, str, str]:
    """Write the figures of merit in three lines.

    Examples
    --------
    >>> _merit({"signal_survived": 0.5, "unevenness_ratio": 0.104, "negative_fraction": 0.0,
    ...         "contrast_to_noise_after": 12.34, "background_left_sigma": 1.44})
    ('kept 50 %, uneven 10 %', 'CNR 12, negative 0 %', 'left 1.4 σ')
    """

    def percent(name: str) -> str:
        return f"{100 * merit[name]:.0f} %" if np.isfinite(merit[name]) else "–"

    contrast, left = merit["contrast_to_noise_after"], merit["background_left_sigma"]
    shown = "–" if np.isnan(contrast) else f"{contrast:.{1 if contrast < 10 else 0}f}"
    return (
        f"kept {percent('signal_survived')}, uneven {percent('unevenness_ratio')}",
        f"CNR {shown}, negative {percent('negative_fraction')}",
        f"left {left:.1f} σ" if np.isfinite(left) else "left –",
    )
