"""The QC figure of a sample: projection, background and result of each channel side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .canvas import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILLION,
    add_axes,
    add_pixels,
    add_rectangle,
    add_text,
    new_figure,
    shorten,
    ticks,
)
from .display import fit, grey_wedge, is_stretched, paint, profile_of, scale_bar, to_grey

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .view import View

SATURATED, CLIPPED, NONFINITE = ORANGE, SKY, PURPLE

# Pixels of the figure.
WIDTH = 1800
MARGIN = 28
GAP = 18
BAR = 14
BAR_LABELS = 74
TITLE = 66
ROW_TITLE = 56
ROW_FOOT = 34
PLOTS_FROM = 70  # from the last colour bar to the plots: their own tick labels

METHOD_NAMES = {
    "tophat": "top-hat",
    "minmax": "minimum–maximum filter",
    "dog": "difference of Gaussians",
    "none": "no subtraction",
}
SIZE_NAMES = {
    "radius": "disk radius",
    "min_size": "minimum window",
    "max_size": "maximum window",
    "low_sigma": "low sigma",
    "high_sigma": "high sigma",
}


def panel_limit(rows: int) -> int:
    """Choose the longer side of an image panel, px, for a figure of so many rows."""
    return 400 if rows <= 2 else 320 if rows <= 4 else 260


def describe_settings(channel: dict) -> str:
    """Say what a channel's background was subtracted with, in px and in µm.

    Examples
    --------
    >>> describe_settings({"method": "tophat", "light_background": False, "radius": 25,
    ...                    "sizes_um": {"radius": 8.75}})
    'top-hat, disk radius 25 px = 8.75 µm'
    """
    parts = [METHOD_NAMES[channel["method"]]]
    for size, name in SIZE_NAMES.items():
        if size in channel:
            text = f"{name} {channel[size]:g} px"
            if channel.get("sizes_um"):
                text += f" = {channel['sizes_um'][size]:.4g} µm"
            parts.append(text)
    if channel["light_background"] and channel["method"] != "none":
        parts.append("dark objects on light background")
    return ", ".join(parts)


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
        `WIDTH` px wide.
    """
    from .display import panel_size

    limit = panel_limit(len(views))
    sizes = [panel_size(view.shape, limit) for view in views]
    height = TITLE + sum(
        (ROW_TITLE + max(rows, 240) + ROW_FOOT) + (ROW_TITLE // 2 + rows if view.steps else 0)
        for view, (rows, _) in zip(views, sizes, strict=True)
    )
    figure = new_figure(WIDTH, height)
    add_text(figure, MARGIN, 26, shorten(sample, 120), fontsize=14, fontweight="bold")
    add_text(figure, MARGIN, 52, shorten(subtitle, 220), color=GREY)
    y = TITLE
    for view, size in zip(views, sizes, strict=True):
        y = _draw_row(figure, view, y, size, pixel_um, projection_name)
    return figure


def _draw_row(
    figure: Figure,
    view: View,
    y: int,
    size: tuple[int, int],
    pixel_um: float | None,
    projection_name: str,
) -> int:
    """Draw one row with its upper edge at y; give its lower edge."""
    rows, columns = size
    add_text(figure, MARGIN, y + 14, shorten(view.title, 190), fontsize=11, fontweight="bold")
    captions, top = y + ROW_TITLE - 14, y + ROW_TITLE
    x = MARGIN
    nonfinite = ~np.isfinite(view.panels["projection"])
    nonfinite = nonfinite if nonfinite.any() else None
    line = round((view.row + 0.5) / view.shape[0] * rows)
    for name, caption, limits, marks in (
        ("projection", projection_name, view.raw_range, ((view.saturated, SATURATED),)),
        ("background", "Estimated background", view.raw_range, ()),
        ("result", "Result", view.result_range, ((view.clipped, CLIPPED),)),
    ):
        add_text(figure, x, captions, caption)
        rgba = to_grey(fit(view.panels[name], size), limits)
        for mark, colour in (*marks, (nonfinite, NONFINITE)):
            if mark is not None:
                paint(rgba, fit(mark, size), colour)
        add_pixels(figure, rgba, x, top)
        add_rectangle(figure, x - 10, top + line - 1, 8, 3, color=BLACK)
        if name == "projection":
            _draw_scale_bar(figure, x, top, size, view.shape, pixel_um)
            note = _note(view.saturated_fraction, "saturated", "of the stack")
            add_text(figure, x + columns, captions, note, color=SATURATED_TEXT, ha="right")
            x += columns + GAP
            continue
        if name == "result":
            note = _note(view.clipped_fraction, "clipped", "")
            add_text(figure, x + columns, captions, note, color=BLUE, ha="right")
        x += columns + 8
        _draw_grey_bar(figure, x, top, rows, limits)
        add_text(figure, x, captions, "grey levels", fontsize=8, color=GREY)
        x += BAR + BAR_LABELS
    if nonfinite is not None:
        add_text(figure, x, y + 14, "NaN or infinite", color=NONFINITE, ha="right")
    space = max(rows, 240)
    _draw_plots(figure, view, x + PLOTS_FROM - BAR_LABELS // 3, captions, space)
    bottom = top + space + ROW_FOOT
    if view.steps:
        bottom = _draw_steps(figure, view, bottom, size)
    if is_stretched(view.shape):
        text = f"stretched, not to scale: {view.shape[0]} × {view.shape[1]} px"
        add_text(figure, MARGIN, top + rows + 14, text, color=GREY)
    return bottom


SATURATED_TEXT = "#B37700"  # the orange of the marks, darkened to be read on white


def _note(fraction: float, what: str, where: str) -> str:
    """Say how much is marked.

    Examples
    --------
    >>> _note(0.009, "saturated", "of the stack"), _note(0.0, "clipped", "")
    ('■ saturated: 0.9 % of the stack', '')
    """
    return f"■ {what}: {100 * fraction:.2g} % {where}".rstrip() if fraction > 0 else ""


def _draw_grey_bar(
    figure: Figure, x: int, top: int, rows: int, limits: tuple[float, float]
) -> None:
    add_pixels(figure, grey_wedge(BAR, rows), x, top)
    axes = add_axes(figure, x, top, BAR, rows, facecolor="none")
    axes.xaxis.set_visible(False)
    axes.yaxis.tick_right()
    axes.set_ylim(*limits)
    axes.set_yticks(*ticks(*limits, 4))


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
    if is_stretched(shape) and shape[0] > shape[1]:
        return  # along the short side of a stretched image it would mislead
    left, lower = x + columns - box - 6, top + rows - 6
    add_rectangle(figure, left, lower - 32, box, 32, color=BLACK, alpha=0.6)
    add_rectangle(figure, left + (box - width) / 2, lower - 9, width, 4, color="white")
    add_text(figure, left + box / 2, lower - 20, label, color="white", ha="center")


def _draw_plots(figure: Figure, view: View, x: int, y: int, height: int) -> None:
    """Draw the profile and the sizes, one above the other or side by side."""
    width = WIDTH - MARGIN - x
    beside = width > 640
    if beside:
        width = (width - PLOTS_FROM) // 2
    tall = height if beside else (height - 84) // 2
    _draw_profile(figure, view, x, y, width, tall)
    if view.sizes is not None:
        place = (x + width + PLOTS_FROM, y) if beside else (x, y + tall + 70)
        _draw_sizes(figure, view, *place, width, tall + (14 if not beside else 0))


def _draw_profile(figure: Figure, view: View, x: int, y: int, width: int, height: int) -> None:
    add_text(figure, x, y, f"Row {view.row} (from 0)")
    for name, offset, colour in zip(
        ("projection", "background", "result"), (214, 128, 42), _PROFILE_COLOURS, strict=True
    ):
        add_text(figure, x + width - offset, y, name, color=colour, ha="center", fontsize=8.5)
    axes = add_axes(figure, x, y + 14, width, height)
    low, high = np.inf, -np.inf
    for (columns, levels), colour in zip(view.profile, _PROFILE_COLOURS, strict=True):
        axes.plot(columns, levels, color=colour, linewidth=1.1)
        finite = levels[np.isfinite(levels)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    if not low <= high:
        low, high = 0.0, 1.0
    low, high = min(low, 0.0), max(high, 0.0)
    pad = 0.04 * (high - low) or 1.0
    limits = (low - pad if low < 0 else low, high + pad)
    columns = view.shape[1]
    axes.set(xlim=(-0.5, columns - 0.5), ylim=limits)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xticks(*ticks(0, max(1, columns - 1), 4))
    axes.set_yticks(*ticks(*limits, 3))
    add_text(
        figure, x + width, y + 14 + height + 30, "column, px; grey levels upwards",
        color=GREY, fontsize=8, ha="right",
    )  # fmt: skip


_PROFILE_COLOURS = (BLACK, BLUE, VERMILLION)


def _draw_sizes(figure: Figure, view: View, x: int, y: int, width: int, height: int) -> None:
    sizes = view.sizes
    if not len(sizes.radii_px) or np.isnan(sizes.median_diameter_px):
        add_text(figure, x, y, "Object sizes: no objects found", color=GREY)
        return
    axes = add_axes(figure, x, y + 14, width, height)
    radii = sizes.radii_px
    scale = 100 / max(float(sizes.spectrum.max()), 1e-12)
    axes.fill_between(radii, sizes.spectrum * scale, color="#D0D0D0", linewidth=0)
    axes.plot(radii, 100 * sizes.kept, color=BLACK, linewidth=1.1)
    advice = "none"
    if sizes.recommended_radius_px is not None:
        axes.axvline(sizes.recommended_radius_px, color=GREEN, linewidth=1.6)
        advice = f"{sizes.recommended_radius_px} px"
    low, high = float(radii[0]), float(radii[-1])
    if np.isfinite(view.radius_px) and view.radius_px > 0:
        axes.axvline(view.radius_px, color=VERMILLION, linewidth=1.6, linestyle=(0, (4, 2)))
        low, high = min(low, view.radius_px), max(high, view.radius_px)
    axes.set_xscale("log")
    axes.set(xlim=(low / 1.1, high * 1.1), ylim=(0, 104))
    marks = [r for r in (1, 2, 5, 10, 20, 50, 100, 200, 500) if low / 1.1 <= r <= high * 1.1]
    axes.set_xticks(marks, [str(mark) for mark in marks])
    axes.set_xticks([], minor=True)
    axes.set_yticks([0, 50, 100], ["0", "50", "100 %"])
    axes.spines[["top", "right"]].set_visible(False)
    add_text(figure, x, y, "Intensity kept, by radius")
    used = f"used {view.radius_px:g} px" if np.isfinite(view.radius_px) else ""
    add_text(figure, x + width, y, used, color=VERMILLION, ha="right")
    add_text(figure, x + width - 90, y, f"advised {advice}", color=GREEN, ha="right")
    add_text(
        figure, x + width, y + 14 + height + 30, "top-hat radius, px; grey: object sizes",
        color=GREY, fontsize=8, ha="right",
    )  # fmt: skip


def _draw_steps(figure: Figure, view: View, y: int, size: tuple[int, int]) -> int:
    rows, columns = size
    x = MARGIN
    for caption, image, on_result_scale in view.steps:
        limits = view.result_range if on_result_scale else view.raw_range
        add_text(figure, x, y, caption)
        add_pixels(figure, to_grey(fit(image, size), limits), x, y + 14)
        x += columns + GAP
    return y + ROW_TITLE // 2 + rows
