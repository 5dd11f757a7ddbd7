"""The profiles of a group in; out comes a figure of them, with cross sections."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .canvas import (
    BLUE,
    GREY,
    VERMILLION,
    add_axes,
    add_pixels,
    add_text,
    new_figure,
    shorten,
    ticks,
)  # fmt: skip
from .grey_image import fit, to_grey

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..light.group import Channel, Group

_WIDTH, _ROW, _TOP, _PANEL = 1180, 300, 70, 240
_POINTS = 1024  # of a cross section
_MOST_ROWS = 12


def draw_light(group: str, found: Group, channels: list[Channel]) -> Figure:
    """Draw a row for each channel: its profile as an image, and its middle row and column.

    Parameters
    ----------
    group : str
    found : Group
        Where the images are from.
    channels : list of Channel
        At most `_MOST_ROWS` are drawn.
    """
    shown = channels[:_MOST_ROWS]
    figure = new_figure(_WIDTH, _TOP + _ROW * len(shown))
    add_text(figure, 20, 24, f"The light of {shorten(group, 60)}", size=14, weight="bold")
    height, width = found.shape
    text = f"{width} × {height} px; 1 is the mean light"
    if len(channels) > len(shown):
        text += f"; {len(channels) - len(shown)} more channels are in the files"
    add_text(figure, 20, 48, text, color=GREY)
    for row, channel in enumerate(shown):
        _draw_channel(figure, _TOP + row * _ROW, channel)
    return figure


def _draw_channel(figure: Figure, top: int, channel: Channel) -> None:
    facts, gain = channel.facts, channel.gain
    colour = BLUE if facts["applied"] else VERMILLION
    add_text(figure, 20, top + 8, shorten(channel.name, 40), weight="bold")
    size = _panel(gain.shape)
    low, high = _limits(gain)
    add_pixels(figure, to_grey(fit(gain, size), (low, high)), 20, top + 24)
    add_text(
        figure, 20, top + 34 + size[0], f"black {low:.3g}, white {high:.3g}", size=8, color=GREY
    )
    uncertainty = facts.get("uncertainty")
    middle = [n // 2 for n in gain.shape]
    lines = ((gain[middle[0]], "middle row, px"), (gain[:, middle[1]], "middle column, px"))
    for place, (line, label) in enumerate(lines):
        axes = add_axes(figure, 330 + 290 * place, top + 24, 240, 190)
        _draw_section(axes, line, (low, high), uncertainty or 0.0, colour)
        add_text(figure, 450 + 290 * place, top + 244, label, size=8, color=GREY, ha="center")
    words = _words(facts)
    for number, (text, style) in enumerate(words):
        add_text(figure, 890, top + 34 + 18 * number, text, **style)


def _draw_section(axes, line: np.ndarray, limits: tuple, uncertainty: float, colour: str) -> None:
    step = max(1, len(line) // _POINTS)
    place, values = np.arange(len(line))[::step], line[::step]
    axes.axhline(1, color=GREY, linewidth=0.6, linestyle=":")
    if uncertainty:
        axes.fill_between(
            place, values - uncertainty, values + uncertainty, color=colour, alpha=0.25, linewidth=0
        )
    axes.plot(place, values, color=colour, linewidth=1.4)
    axes.set_xlim(0, max(1, len(line) - 1))
    axes.set_ylim(*limits)
    axes.set_xticks(*ticks(0, len(line) - 1))
    axes.set_yticks(*ticks(*limits))


def _limits(gain: np.ndarray) -> tuple[float, float]:
    """Give a range that holds the profile, and at least 5 % on each side of 1."""
    low, high = min(float(gain.min()), 0.95), max(float(gain.max()), 1.05)
    return low - 0.02 * (high - low), high + 0.02 * (high - low)


def _panel(shape: tuple[int, int]) -> tuple[int, int]:
    scale = _PANEL / max(shape)
    return tuple(max(1, round(n * scale)) for n in shape)


def _words(facts: dict) -> list[tuple[str, dict]]:
    """Say what is known of a profile, a line each."""
    plain, quiet = {"size": 9}, {"size": 9, "color": GREY}
    lines = [
        ("applied", {"size": 10, "weight": "bold", "color": BLUE})
        if facts["applied"]
        else ("not applied", {"size": 10, "weight": "bold", "color": VERMILLION})
    ]
    used = f"{facts['images']} of {facts['of']} images"
    lines.append((used + (f", {facts['left_out']} left out" * bool(facts["left_out"])), quiet))
    if "uncertainty" in facts:
        lines.append((f"unevenness before: {100 * facts['before']:.1f} % RMS", plain))
        if facts["applied"]:
            lines.append((f"unevenness after: {100 * facts['after']:.1f} % RMS", plain))
        lines.append((f"known to {100 * facts['uncertainty']:.1f} % RMS (two halves)", plain))
        lines.append((f"least {facts['least']:.3g}, most {facts['most']:.3g}", plain))
    lines += [(line, quiet) for line in _wrap(facts["reason"], 42)]
    return lines


def _wrap(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, width)
