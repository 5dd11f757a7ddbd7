"""One plane under many methods and sizes at once, on one sheet, to choose by eye and by number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..methods.known_methods import METHODS
from .canvas import (
    BLUE,
    GREEN,
    GREY,
    SKY,
    VERMILLION,
    add_pixels,
    add_text,
    new_figure,
    shorten,
)
from .grey_image import fit, grey_range, panel_size, shrink, to_grey
from .trials import GRIDS, IN_SIGMA, MERIT, Trial, describe, text_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..qc.granulometry import Granulometry

PANEL, GAP, CAPTION, MARGIN, TOP = 190, 16, 72, 28, 122
MARKS = {"advised": GREEN, "configured": VERMILLION}


def cut_window(image: np.ndarray, longest: int | None) -> np.ndarray:
    """Cut the middle out of a plane with a side longer than `longest` px; None: all of it.

    Examples
    --------
    >>> cut_window(np.arange(5)[None], 3)
    array([[1, 2, 3]])
    """
    rows, columns = image.shape
    longest = longest or max(rows, columns)
    top, left = max(0, rows - longest) // 2, max(0, columns - longest) // 2
    return np.ascontiguousarray(image[top : top + longest][:, left : left + longest])


def sheet_panel(shape: tuple[int, int]) -> tuple[int, int]:
    """Give rows and columns of a panel of the sheet."""
    return panel_size(shape, PANEL)


def draw_trials(
    title: str,
    subtitle: str,
    image: np.ndarray,
    trials: list[Trial],
    sizes: Granulometry,
    *,
    unit: str,
    pixel_um: float | None,
) -> Figure:
    """Draw the plane, each method at its advised sizes side by side, and all trials.

    Parameters
    ----------
    title, subtitle : str
        Sample; channel and time.
    image : (Y, X)
        The plane before subtraction.
    trials : list of Trial
        As `list_trials` gives them.
    sizes : Granulometry
        Of the plane, for the advised radius.
    unit : str
        ``px`` or ``um``: how sizes are written.
    pixel_um : float or None
        Size of a pixel.

    Returns
    -------
    matplotlib.figure.Figure
    """
    size = sheet_panel(image.shape)
    across, down = size[1] + GAP, size[0] + CAPTION + GAP
    # Captions need their width, however narrow the image.
    across = max(across, 176)
    beside = [trial for trial in trials if trial.label or (trial.marks and not trial.in_grid)]
    blocks = []
    if beside:
        places = {id(trial): (index % 4, index // 4) for index, trial in enumerate(beside)}
        blocks.append(("At advised sizes", "", beside, places))
    for method in METHODS:
        own = [trial for trial in trials if trial.method == method.NAME and trial.in_grid]
        if own:
            what = ", ".join(method.SIZES.get(name, name) for name in GRIDS[method.NAME])
            name = method.TEXT[0].upper() + method.TEXT[1:]
            blocks.append((name, what, own, _places(own)))
    wide = [1 + max(column for _, column in places.values()) for *_, places in blocks]
    tall = [1 + max(row for row, _ in places.values()) for *_, places in blocks]
    width = max(900, 2 * MARGIN + (1 + sum(wide)) * across + (len(blocks) + 1) * 2 * GAP)
    height = TOP + max([2, *tall]) * down + GAP
    figure = new_figure(width, height)
    add_text(figure, MARGIN, 26, shorten(title, width // 13), fontsize=14, fontweight="bold")
    add_text(figure, MARGIN, 52, shorten(subtitle, width // 7), color=GREY)

    add_text(figure, MARGIN, TOP - 38, "Before", fontsize=11, fontweight="bold")
    before = fit(shrink(image, size), size)
    add_pixels(figure, to_grey(before, grey_range([before])), MARGIN, TOP)
    scale, name = (pixel_um, "µm") if unit == "um" and pixel_um else (1, "px")
    lines = ["Sizes found:"]
    if sizes.recommended_radius_px is None:
        lines += ["no radius can be advised"]
    else:
        lines += [
            f"median diameter {sizes.median_diameter_px * scale:.3g} {name}",
            f"largest {sizes.largest_diameter_px * scale:.3g} {name}",
            f"advised radius {sizes.recommended_radius_px * scale:.4g} {name}",
        ]
        if sizes.smoothing is not None and sizes.smoothing.sigma_px > 0:
            smooth = sizes.smoothing.sigma_px * scale
            lines += [f"or {sizes.smoothing.radius_px * scale:.4g}, smooth {smooth:.3g} {name}"]
    lines += [
        "", "kept: signal of the objects", "uneven: background left,", "of that signal",
        "CNR: contrast-to-noise", "negative: pixels below 0",
        "left: in the background, of its noise",
    ]  # fmt: skip
    for index, line in enumerate(lines):
        add_text(figure, MARGIN, TOP + size[0] + 20 + 17 * index, line, fontsize=8.5, color=GREY)

    x = MARGIN + across + 2 * GAP
    for (name, what, own, places), columns in zip(blocks, wide, strict=True):
        high = max(grey_range([trial.image for trial in own])[1], 1e-12)
        room = columns * across // 6
        add_text(figure, x, TOP - 38, shorten(name, max(30, room)), fontsize=11, fontweight="bold")
        scaled = f"black 0, white {high:.4g}, blue negative"
        note = f"{what}; {scaled}".lstrip("; ") if columns > 1 else what
        add_text(figure, x, TOP - 18, note, fontsize=8, color=GREY)
        for trial in own:
            row, column = places[id(trial)]
            left, top = x + column * across, TOP + row * down
            add_pixels(figure, _signed(trial.image, high), left, top)
            for mark in trial.marks:
                _frame(figure, left, top, size, MARKS[mark])
            top += size[0]
            caption = describe(trial.sizes, unit, pixel_um)
            add_text(figure, left, top + 12, shorten(caption, across // 6), fontsize=8.5)
            notes = list(trial.marks)
            if trial.alike:
                notes.append(f"the same up to {describe(trial.alike[-1], unit, pixel_um)}")
            note, colour = ", ".join(notes), MARKS.get(next(iter(trial.marks), ""), GREY)
            if what == "":  # several methods in one block
                note = trial.label or ", ".join([text_of(trial.method), *notes])
            add_text(figure, left, top + 26, shorten(note, across // 5), fontsize=8, color=colour)
            for line, text in enumerate(_merit(trial.merit)):
                add_text(figure, left, top + 40 + 14 * line, text, fontsize=8, color=BLUE)
        x += columns * across + 2 * GAP
    return figure


def _frame(figure: Figure, left: int, top: int, size: tuple[int, int], colour: str) -> None:
    rows, columns = size
    strip = np.array([*bytes.fromhex(colour[1:]), 255], np.uint8)
    for x, y, wide, tall in (
        (left - 6, top - 6, columns + 12, 4), (left - 6, top + rows + 2, columns + 12, 4),
        (left - 6, top - 6, 4, rows + 12), (left + columns + 2, top - 6, 4, rows + 12),
    ):  # fmt: skip
        add_pixels(figure, np.broadcast_to(strip, (tall, wide, 4)), x, y)


def _places(trials: list[Trial]) -> dict[int, tuple[int, int]]:
    """Give each trial's row and column: its first size goes down, its second across."""
    names = list(GRIDS[trials[0].method])
    steps = [sorted({trial.sizes[name] for trial in trials}) for name in names]
    found = {}
    for trial in trials:
        place = [own.index(trial.sizes[name]) for own, name in zip(steps, names, strict=True)]
        found[id(trial)] = (place[0], place[1] if len(place) > 1 else 0)
    return found


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
    >>> _merit({"signal_survived": 0.5, "unevenness_to_signal": 0.104, "negative_fraction": 0.0,
    ...         "background_left_sigma": 1.23, "contrast_to_noise_after": 12.34})
    ('kept 50 %, uneven 10 %', 'negative 0 %, left 1.2 σ, CNR 12')
    """
    texts = [f"{name} {say_merit(column, merit[column])}" for column, name in MERIT.items()]
    return ", ".join(texts[:2]), ", ".join(texts[2:])


def say_merit(column: str, value: float) -> str:
    """Write one figure of merit; beyond ten times the signal its size tells nothing more.

    Examples
    --------
    >>> say_merit("unevenness_to_signal", 31.5), say_merit("contrast_to_noise_after", 3.21)
    ('> 1000 %', '3.2')
    """
    if not np.isfinite(value):
        return "–"
    if column in IN_SIGMA:
        unit = " σ" if column == "background_left_sigma" else ""
        return f"{value:.{1 if abs(value) < 10 else 0}f}{unit}"
    return f"{100 * value:.0f} %" if value <= 10 else "> 1000 %"
