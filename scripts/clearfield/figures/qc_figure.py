"""The QC figure of a sample: projection, background and result of each channel side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..methods.known_methods import method_of, used_sizes
from .canvas import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    VERMILLION,
    Plot,
    add_lines,
    add_pixels,
    add_rectangle,
    add_text,
    new_figure,
    shorten,
    ticks,
)
from .grey_image import fit, grey_wedge, is_stretched, paint, panel_size, scale_bar, to_grey

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .plane_view import View

SATURATED, CLIPPED_LOW, CLIPPED_HIGH, NONFINITE = ORANGE, BLUE, VERMILLION, PURPLE

# Pixels of the figure.
WIDTH = 1880
HALF = 1410  # one of two columns of rows
MARGIN = 28
GAP = 18
BAR = 14
BAR_LABELS = 74
TITLE = 66
ROW_TITLE = 78  # with the verdict and the captions of the panels
ROW_FOOT = 50  # tick labels and two notes
STEPS_TITLE = 24
PLOTS_LEAST = 240
PLOTS_FROM = 56  # from the last colour bar to the plots: their own tick labels


def panel_limit(rows: int) -> int:
    """Choose the longer side of an image panel, px, for a figure of so many rows."""
    return 400 if rows <= 2 else 320 if rows <= 3 else 240


def describe_settings(channel: dict) -> str:
    """Say what a channel's background was subtracted with, in px and in µm.

    Examples
    --------
    >>> describe_settings({"method": "tophat", "light_background": False, "radius": 25,
    ...                    "sizes_um": {"radius": 8.75}})
    'top-hat, disk radius 25 px = 8.75 µm'
    """
    method = method_of(channel)
    parts = [method.TEXT]
    for size, name in used_sizes(channel).items():
        text = f"{name} {channel[size]:g} px"
        if channel.get("sizes_um"):
            text += f" = {channel['sizes_um'][size]:.4g} µm"
        parts.append(text)
    parts += [f"{name}: {'on' if channel[name] else 'off'}" for name in method.OPTIONS]
    if channel["light_background"] and channel["method"] != "none":
        parts.append("dark objects on light background")
    return ", ".join(parts)


def level(value: float) -> str:
    """Write a grey level with as many digits as matter.

    Examples
    --------
    >>> level(12345.6), level(352.468), level(-0.5)
    ('12346', '352.5', '−0.5')
    """
    return (f"{value:.0f}" if abs(value) >= 1e4 else f"{value:.4g}").replace("-", "−")


def draw_figure(
    sample: str, subtitle: str, views: list[View], *, pixel_um: float | None, projection_name: str
) -> Figure:
    """Draw one row of panels for each view.

    Parameters
    ----------
    sample : str
        Any text; a long one loses its middle.
    subtitle : str
        What holds for all rows.
    views : list of View
        In the order of the rows.
    pixel_um : float or None
        Size of a pixel along x in µm, for the scale bar.
    projection_name : str
        Caption of the first panel.

    Returns
    -------
    matplotlib.figure.Figure
        Wider than high: more than three rows stand in two columns.
    """
    size = panel_size(views[0].shape, panel_limit(len(views)))
    columns = 1 if len(views) <= 3 else 2
    down = -(-len(views) // columns)
    row = ROW_TITLE + max(size[0], PLOTS_LEAST) + ROW_FOOT
    if views[0].steps:
        row += STEPS_TITLE + size[0] + GAP
    width = WIDTH if columns == 1 else columns * HALF
    figure = new_figure(width, TITLE + down * row)
    add_text(figure, MARGIN, 26, shorten(sample, 120), fontsize=14, fontweight="bold")
    add_text(figure, MARGIN, 52, shorten(subtitle, 220), color=GREY)
    if is_stretched(views[0].shape):
        add_text(
            figure, width - MARGIN, 52, "Stretched, not to scale", color=VERMILLION, ha="right"
        )
    for index, view in enumerate(views):
        place = index // down * HALF, TITLE + index % down * row
        _draw_row(figure, view, *place, width // columns, size, pixel_um, projection_name)
    return figure


def _draw_row(
    figure: Figure,
    view: View,
    x: int,
    y: int,
    width: int,
    size: tuple[int, int],
    pixel_um: float | None,
    projection_name: str,
) -> None:
    """Draw the panels of a view into a row with its upper left corner at (x, y)."""
    rows, columns = size
    right = x + width - MARGIN
    x += MARGIN
    add_text(figure, x, y + 14, shorten(view.title, width // 9), fontsize=11, fontweight="bold")
    if view.verdict:
        colour = VERDICTS[view.verdict.partition(":")[0]]
        add_text(figure, x, y + 36, shorten(view.verdict, width // 7), color=colour)
    captions, top = y + ROW_TITLE - 14, y + ROW_TITLE
    notes = top + rows + 16
    nonfinite = ~np.isfinite(view.panels["projection"])
    nonfinite = nonfinite if nonfinite.any() else None
    line = round((view.row + 0.5) / view.shape[0] * rows)
    left = x
    cut = (view.clipped_low, CLIPPED_LOW), (view.clipped_high, CLIPPED_HIGH)
    panels = (
        ("projection", projection_name, view.raw_range, ((view.saturated, SATURATED),)),
        ("background", "Background", view.background_limits, ()),
        ("result", "Result", view.result_range, cut),
    )
    for name, caption, limits, own in panels:
        add_text(figure, left, captions, caption)
        rgba = to_grey(fit(view.panels[name], size), limits)
        for marks, colour in (*own, (nonfinite, NONFINITE)):
            if marks is not None:
                paint(rgba, fit(marks, size), colour)
        add_pixels(figure, rgba, left, top)
        add_rectangle(figure, left - 10, top + line - 1, 8, 3, color=BLACK)
        if name == "projection":
            _draw_scale_bar(figure, left, top, size, view.shape, pixel_um)
            if view.saturated_fraction > 0:
                note = f"■ {100 * view.saturated_fraction:.2g} % saturated"
                add_text(figure, left, notes, note, color=SATURATED_TEXT)
        elif name == "background":
            low, high = view.background_range
            note = f"{level(low)} to {level(high)}" if low < high else f"{level(low)} everywhere"
            add_text(figure, left, notes, note if low <= high else "", color=GREY)
        elif view.clipped_fraction > 0:
            note = f"■ {100 * view.clipped_fraction:.2g} % clipped"
            add_text(figure, left, notes, note, color=CLIPPED_LOW)
            if view.clipped_high is not None:
                note = "■ at the upper end"
                add_text(figure, left + 118, notes, note, color=CLIPPED_HIGH)
        left += columns + 8
        _draw_grey_bar(figure, left, top, rows, limits)
        add_text(figure, left - 4, captions, "grey levels", fontsize=8, color=GREY)
        left += BAR + BAR_LABELS
    view.box = x, top, left - BAR_LABELS + 40, top + rows
    if nonfinite is not None:
        add_text(figure, x, notes + 18, "■ NaN or infinite", color=NONFINITE_TEXT)
    left += PLOTS_FROM - 24
    _draw_plots(figure, view, left, captions, right - left, max(rows, PLOTS_LEAST))
    if view.steps:
        _draw_steps(figure, view, x, top + max(rows, PLOTS_LEAST) + ROW_FOOT, size)


VERDICTS = {"ok": "#007A59", "warn": "#8A5A00", "fail": "#B03A00"}
# The marks' own colours, darkened to be read on white.
SATURATED_TEXT, NONFINITE_TEXT = "#A86F00", "#A0457A"


def _draw_grey_bar(
    figure: Figure, x: int, top: int, rows: int, limits: tuple[float, float]
) -> None:
    add_pixels(figure, grey_wedge(BAR, rows), x, top)
    corners = [(x, top), (x + BAR, top), (x + BAR, top + rows), (x, top + rows)]
    add_lines(figure, [[corners[side - 1], corners[side]] for side in (0, 1, 3)])
    Plot(figure, x, top, BAR, rows, (0, 1), limits).scale("right", *ticks(*limits, 4))


def _draw_scale_bar(
    figure: Figure,
    x: int,
    top: int,
    size: tuple[int, int],
    shape: tuple[int, int],
    pixel_um: float | None,
) -> None:
    rows, columns = size
    length, label = scale_bar(pixel_um, shape[1])
    width = max(2, round(length * columns / shape[1]))
    box = max(width, 8 * len(label)) + 16
    if box > columns - 12:
        return
    left, lower = x + columns - box - 6, top + rows - 6
    add_rectangle(figure, left, lower - 32, box, 32, color=BLACK, alpha=0.6)
    add_rectangle(figure, left + (box - width) / 2, lower - 9, width, 4, color="white")
    add_text(figure, left + box / 2, lower - 20, label, color="white", ha="center")


def _draw_plots(figure: Figure, view: View, x: int, y: int, width: int, height: int) -> None:
    """Draw the profile and the sizes, one above the other or side by side."""
    beside = width > 640
    if beside:
        width = (width - PLOTS_FROM) // 2
    tall = height if beside else (height - 66) // 2
    _draw_profile(figure, view, x, y, width, tall)
    if view.sizes is not None:
        place = (x + width + PLOTS_FROM, y) if beside else (x, y + tall + 66)
        _draw_sizes(figure, view, *place, width, tall)


def _draw_profile(figure: Figure, view: View, x: int, y: int, width: int, height: int) -> None:
    raw, result = _limits(view.profile[:2]), _limits(view.profile[2:])
    # A small difference of large grey levels would be a flat line on their scale.
    apart = raw[0] > 2 * (raw[1] - raw[0])
    add_text(figure, x, y, f"Row {view.row}")
    names = "projection", "background", "result →" if apart else "result"
    width -= 20 if apart else 0  # for the labels of a second axis
    for name, offset, colour in zip(
        names, (178, 98, 22) if apart else (194, 108, 26), _PROFILE_COLOURS, strict=True
    ):
        add_text(figure, x + width - offset, y, name, color=colour, ha="center", fontsize=8.5)
    place, across = (figure, x, y + 14, width, height), (-0.5, view.shape[1] - 0.5)
    both = raw if apart else (min(0.0, raw[0], result[0]), max(raw[1], result[1]))
    plot = Plot(*place, across, _padded(both))
    plot.scale("left", *ticks(*plot.up, 3))
    plot.scale("bottom", *ticks(0, view.shape[1] - 1, 4, whole=True))
    plots = [plot] * 3
    if apart:
        plots[2] = Plot(*place, across, _padded((min(0.0, result[0]), result[1])))
        plots[2].scale("right", *ticks(*plots[2].up, 3))
    for plot, (columns, levels), colour in zip(plots, view.profile, _PROFILE_COLOURS, strict=True):
        marker = "." if len(columns) == 1 else None
        # Where the background is 0, the result lies on the projection, which is seen below it.
        wide, alpha = (3, 0.4) if colour == _PROFILE_COLOURS[0] else (1.1, 1)
        plot.line(columns, levels, color=colour, linewidth=wide, alpha=alpha, marker=marker)
    note = "column, px; the row is marked beside the images"
    add_text(figure, x + width, y + height + 44, note, color=GREY, fontsize=8, ha="right")


def _limits(profiles: list[tuple[np.ndarray, np.ndarray]]) -> tuple[float, float]:
    levels = np.concatenate([levels[np.isfinite(levels)] for _, levels in profiles])
    return (float(levels.min()), float(levels.max())) if levels.size else (0.0, 1.0)


def _padded(limits: tuple[float, float]) -> tuple[float, float]:
    low, high = limits
    pad = 0.04 * (high - low) or 1.0
    return low - pad if low else low, high + pad


_PROFILE_COLOURS = (BLACK, BLUE, VERMILLION)


def _draw_sizes(figure: Figure, view: View, x: int, y: int, width: int, height: int) -> None:
    sizes = view.sizes
    if not len(sizes.radii_px) or np.isnan(sizes.median_diameter_px):
        add_text(figure, x, y, "Object sizes: no objects found", color=GREY)
        return
    radii, used = sizes.radii_px, np.isfinite(view.radius_px) and view.radius_px > 0
    low, high = float(radii[0]), float(radii[-1])
    if used:
        low, high = min(low, view.radius_px), max(high, view.radius_px)
    low, high = low / 1.1, high * 1.1
    plot = Plot(figure, x, y + 14, width, height, (low, high), (0, 104), logarithmic=True)
    scale = 100 / max(float(sizes.spectrum.max()), 1e-12)
    plot.area(radii, sizes.spectrum * scale, color="#D0D0D0")
    plot.line(radii, 100 * sizes.kept, color=BLACK, linewidth=1.1)
    advice = "none"
    if sizes.recommended_radius_px is not None:
        plot.upright(sizes.recommended_radius_px, color=GREEN, linewidth=1.6)
        advice = _length(view, sizes.recommended_radius_px)
        smoothing = sizes.smoothing
        if smoothing is not None and smoothing.sigma_px > 0:
            brings = (
                f"advised with smooth {_length(view, smoothing.sigma_px)}: "
                f"radius {_length(view, smoothing.radius_px)}. "
                f"Left in the background {smoothing.left_smoothed:.1f} σ, not {smoothing.left:.1f}"
                f"; objects keep {100 * smoothing.kept:.0f} %"
            )
            place = y + height + 58
            add_text(figure, x + width, place, brings, color=GREEN, fontsize=8, ha="right")
    if used:
        plot.upright(view.radius_px, color=VERMILLION, linewidth=1.6, linestyle=(0, (4, 2)))
        text = f"used {_length(view, view.radius_px)}"
        add_text(figure, x + width, y, text, color=VERMILLION, ha="right")
    add_text(figure, x + width - 90 * used, y, f"advised {advice}", color=GREEN, ha="right")
    marks = [r for r in (1, 2, 5, 10, 20, 50, 100, 200, 500) if low <= r <= high]
    plot.scale("bottom", marks, [str(mark) for mark in marks])
    plot.scale("left", [0, 50, 100], ["0", "50", "100 %"])
    add_text(figure, x, y, "Intensity kept")
    note = "by a top-hat of this radius, px; grey: sizes found"
    add_text(figure, x + width, y + height + 44, note, color=GREY, fontsize=8, ha="right")


def _length(view: View, px: float) -> str:
    """Write a length in the unit of the config."""
    if view.unit == "um" and view.pixel_um:
        return f"{px * view.pixel_um:.4g} µm"
    return f"{px:g} px"


def _draw_steps(figure: Figure, view: View, x: int, y: int, size: tuple[int, int]) -> None:
    for caption, image, on_result_scale in view.steps:
        limits = view.result_range if on_result_scale else view.raw_range
        add_text(figure, x, y + STEPS_TITLE - 14, caption)
        add_pixels(figure, to_grey(fit(image, size), limits), x, y + STEPS_TITLE)
        x += size[1] + GAP
