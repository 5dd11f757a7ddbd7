"""One plane under many filter sizes at once, to choose by eye and by number.

The grid of minimum and maximum filters is the original tutorial's, without its wrap-around: what
is negative stays negative. Filters shared by several panels run once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import ClearfieldError
from ..qc.measurement import measure_plane
from .canvas import BLUE, GREY, SKY, add_pixels, add_text, new_figure, shorten
from .grey_image import fit, grey_range, panel_size, shrink, to_grey

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..qc.granulometry import Granulometry

PANEL, GAP, CAPTION, MARGIN, TOP = 190, 16, 54, 28, 122
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
        ``light_background``; ``min_sizes`` and ``max_sizes`` (odd, px), ``radii`` (px),
        ``low_sigmas`` and ``high_sigmas`` (px), lists that may be empty.
    pixel_size_um : dict
        ``x``, ``y`` in µm, or None.
    threads : int, optional

    Yields
    ------
    Trial
        Rows of the grids are minimum sizes, radii and high sigmas.

    Raises
    ------
    ClearfieldError
        For sizes that the filters do not take.
    """
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
    if settings["radii"]:
        from ..filters.morphology import closing, opening

        for row, radius in enumerate(settings["radii"]):
            background = (closing if light else opening)(image, radius, threads=threads)
            yield trial("tophat", row, 0, f"radius {radius}", subtract(background), radius=radius)
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
        from ..filters.gaussian import gaussian

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
        ("tophat", "Top-hat", "disk radius, px", 1, len(settings["radii"])),
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
    ]  # fmt: skip
    shown = {trial.method for trial in trials}
    blocks = [block for block in blocks if block[0] in shown]
    columns = 1 + sum(block[3] for block in blocks)
    width = max(900, 2 * MARGIN + columns * across + len(blocks) * 2 * GAP)
    height = TOP + max([2, *(block[4] for block in blocks)]) * down + GAP
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
    lines += [
        "", "kept: signal of the objects", "uneven: background, of before",
        "CNR: contrast-to-noise", "negative: pixels below 0",
    ]  # fmt: skip
    for index, line in enumerate(lines):
        add_text(figure, MARGIN, TOP + size[0] + 20 + 17 * index, line, fontsize=8.5, color=GREY)

    x = MARGIN + across + 2 * GAP
    for method, name, what, wide, _ in blocks:
        own = [trial for trial in trials if trial.method == method]
        high = max(grey_range([trial.image for trial in own])[1], 1e-12)
        add_text(figure, x, TOP - 38, name, fontsize=11, fontweight="bold")
        add_text(figure, x, TOP - 20, what, fontsize=8, color=GREY)
        if wide > 1:
            note = f"black 0, white {high:.4g}, blue negative"
            add_text(figure, x + 240, TOP - 20, note, fontsize=8, color=GREY)
        for trial in own:
            left, top = x + trial.column * across, TOP + trial.row * down
            add_pixels(figure, _signed(trial.image, high), left, top)
            top += size[0]
            add_text(figure, left, top + 10, trial.caption, fontsize=8.5)
            for line, text in enumerate(_merit(trial.merit)):
                add_text(figure, left, top + 26 + 14 * line, text, fontsize=8, color=BLUE)
        x += wide * across + 2 * GAP
    return figure


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


def _merit(merit: dict[str, float]) -> tuple[str, str]:
    """Write the figures of merit in two lines.

    Examples
    --------
    >>> _merit({"signal_survived": 0.5, "unevenness_ratio": 0.104, "negative_fraction": 0.0,
    ...         "contrast_to_noise_after": 12.34})
    ('kept 50 %, uneven 10 %', 'CNR 12, negative 0 %')
    """

    def percent(name: str) -> str:
        return f"{100 * merit[name]:.0f} %" if np.isfinite(merit[name]) else "–"

    contrast = merit["contrast_to_noise_after"]
    shown = "–" if np.isnan(contrast) else f"{contrast:.{1 if contrast < 10 else 0}f}"
    return (
        f"kept {percent('signal_survived')}, uneven {percent('unevenness_ratio')}",
        f"CNR {shown}, negative {percent('negative_fraction')}",
    )
