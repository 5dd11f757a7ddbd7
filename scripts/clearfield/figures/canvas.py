"""Matplotlib, started and drawn cheaply: a figure is most of what a short job costs.

Only `matplotlib.figure` and the Agg canvas are imported, never pyplot; places are in pixels of
the figure, from its upper left corner; nothing is laid out by measuring text.
"""

from __future__ import annotations

import gc
import math
import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from ..results.whole_files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

DPI = 100

# Okabe and Ito, "Color Universal Design" (2008): told apart by colour-blind readers, also on grey.
BLACK, ORANGE, SKY, GREEN, BLUE, VERMILLION, PURPLE = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7",
)  # fmt: skip
GREY = "#555555"


def new_figure(width: int, height: int) -> Figure:
    """Start an empty white figure of `width` × `height` px."""
    with _quick_import():
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    matplotlib.rcParams.update(_STYLE)
    figure = Figure(figsize=(inches(width), inches(height)), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def inches(pixels: int) -> float:
    """Give a length of which every matplotlib makes so many pixels.

    16.08 × 100 is 1607.9999999999998 as a float, of which matplotlib 3.11.0 makes 1607 pixels and
    3.11.2 makes 1608.

    Examples
    --------
    >>> int(16.08 * 100), int(inches(1608) * 100)
    (1607, 1608)
    """
    length = pixels / DPI
    return length if int(length * DPI) == pixels else math.nextafter(length, math.inf)


# Whatever a person's own matplotlibrc says, the figures look the same.
_STYLE = {
    "agg.path.chunksize": 0,
    "axes.edgecolor": GREY,
    "axes.facecolor": "white",
    "axes.grid": False,
    "axes.labelcolor": BLACK,
    "axes.linewidth": 0.8,
    "axes.unicode_minus": True,
    "font.family": ["DejaVu Sans"],
    "font.size": 9.0,
    "path.simplify": True,
    "text.color": BLACK,
    "text.parse_math": False,  # a "$" in a sample's name is a "$"
    "text.usetex": False,
    "xtick.color": GREY,
    "xtick.direction": "out",
    "xtick.labelcolor": BLACK,
    "xtick.major.pad": 3.0,
    "xtick.major.size": 3.0,
    "ytick.color": GREY,
    "ytick.direction": "out",
    "ytick.labelcolor": BLACK,
    "ytick.major.pad": 3.0,
    "ytick.major.size": 3.0,
}


@contextmanager
def _quick_import() -> Iterator[None]:
    """Import matplotlib without the docstrings that it makes up as it goes.

    Half of its import time goes into inspecting every artist to write the help of ``set``, which
    no job reads; a tenth into looking for cycles of garbage among objects that all stay. Where no
    server has done the imports (on a cluster), the four jobs of a stack take 0.73 s CPU with this
    and 0.88 without, the figure's 0.39 and 0.54 (an Intel Xeon, medians in turns).

    It relies on two names of `matplotlib.artist`, as of 3.10. Where a release has no such names,
    this changes nothing but the time, and `test_quick_import_draws_the_same` fails.
    """
    collects = gc.isenabled()
    gc.disable()
    from matplotlib import artist

    original = artist.kwdoc, artist.Artist.__dict__.get("_update_set_signature_and_docstring")
    if original[1] is not None:
        artist.kwdoc = lambda _: ""
        artist.Artist._update_set_signature_and_docstring = classmethod(lambda _: None)
    try:
        yield
    finally:
        if original[1] is not None:
            artist.kwdoc, artist.Artist._update_set_signature_and_docstring = original
        gc.freeze()
        if collects:
            gc.enable()


def save_png(figure: Figure, path: str | Path, told: dict[str, object] | None = None) -> None:
    """Draw a figure and write it as PNG: the same figure gives the same bytes.

    Parameters
    ----------
    figure, path
        What, and where.
    told : dict, optional
        What the file says of itself: its text by keyword, as JSON where it is no text.
    """
    with replacing(path) as temporary, temporary.open("wb") as file:
        write_png(figure, file, told)


def write_png(figure: Figure, file: BinaryIO, told: dict[str, object] | None = None) -> None:
    """Draw a figure into an open file."""
    import json

    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    for keyword, value in (told or {}).items():
        text.add_itxt(
            keyword, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        )

    with warnings.catch_warnings():
        # A glyph that no font here has is drawn as a box; the name stands in the table anyway.
        warnings.filterwarnings("ignore", message="Glyph ")
        figure.canvas.draw()
    pixels = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB")
    # Level 1 takes half the time of the default 6, and the file is no larger.
    pixels.save(file, "PNG", compress_level=1, dpi=(DPI, DPI), pnginfo=text)


def add_pixels(figure: Figure, rgba: np.ndarray, x: int, y: int) -> None:
    """Put an image into the figure, pixel on pixel, its upper left corner at (x, y).

    `Figure.figimage` would resample it, a third of the time of drawing all else.

    Parameters
    ----------
    figure
        To draw into.
    rgba : (Y, X, 4) uint8
    x, y : int
        Pixels of the figure from its upper left corner.
    """
    bottom = round(figure.bbox.height) - y - len(rgba)
    artist = figure.figimage(rgba, x, bottom, origin="upper")
    upwards = np.ascontiguousarray(rgba[::-1])  # the renderer's first row is the lowest
    artist.make_image = lambda *_, **__: (upwards, x, bottom, None)


def add_axes(figure: Figure, x: int, y: int, width: int, height: int, **settings) -> Axes:
    """Add axes at a place in pixels of the figure, (x, y) their upper left corner."""
    full_width, full_height = figure.bbox.width, figure.bbox.height
    left, bottom = x / full_width, 1 - (y + height) / full_height
    axes = figure.add_axes((left, bottom, width / full_width, height / full_height), **settings)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_label_coords(0, 0)  # else every tick label is measured to place an empty label
    return axes


def add_text(figure: Figure, x: float, y: float, text: str, **style) -> None:
    """Write text at pixels (x, y) of the figure; y is the middle of the line."""
    figure.text(
        x / figure.bbox.width, 1 - y / figure.bbox.height, text,
        **{"va": "center_baseline", **style},
    )  # fmt: skip


def add_rectangle(figure: Figure, x: float, y: float, width: float, height: float, **style) -> None:
    """Fill a rectangle at pixels of the figure, (x, y) its upper left corner."""
    from matplotlib.patches import Rectangle

    full_width, full_height = figure.bbox.width, figure.bbox.height
    figure.add_artist(
        Rectangle(
            (x / full_width, 1 - (y + height) / full_height), width / full_width,
            height / full_height, linewidth=0, antialiased=False, transform=figure.transFigure,
            **style,
        )
    )  # fmt: skip


@dataclass(frozen=True)
class Plot:
    """A plot drawn as lines and texts, its upper left corner at pixel (x, y) of the figure.

    Matplotlib's own axes are made of many more artists: a figure with four of them took half as
    much time again.

    Attributes
    ----------
    figure : Figure
    x, y, width, height : float
        Pixels of the figure.
    across, up : (low, high)
        The values at the left and the right end, at the lower and the upper end. Equal ones are
        drawn in the middle.
    logarithmic : bool
        Whether `across` has a logarithmic scale.
    """

    figure: Figure
    x: float
    y: float
    width: float
    height: float
    across: tuple[float, float]
    up: tuple[float, float]
    logarithmic: bool = False

    def columns(self, values: ArrayLike) -> np.ndarray:
        """Give the pixels of the figure, from its left side, of values across."""
        if self.logarithmic:
            return self.x + self.width * _share(np.log(values), np.log(self.across))
        return self.x + self.width * _share(values, self.across)

    def rows(self, values: ArrayLike) -> np.ndarray:
        """Give the pixels of the figure, from its upper side, of values upwards."""
        return self.y + self.height * (1 - _share(values, self.up))

    def line(self, across: ArrayLike, up: ArrayLike, **style) -> None:
        """Draw a line through points."""
        from matplotlib.lines import Line2D

        places = _fractions(self.figure, self.columns(across), self.rows(up))
        self.figure.add_artist(Line2D(*places, transform=self.figure.transFigure, **style))

    def area(self, across: ArrayLike, up: ArrayLike, **style) -> None:
        """Fill what lies between points and the lower end."""
        from matplotlib.patches import Polygon

        columns, rows = self.columns(across), self.rows(up)
        columns = np.concatenate([columns[:1], columns, columns[-1:]])
        rows = np.concatenate([[self.y + self.height], rows, [self.y + self.height]])
        places = np.transpose(_fractions(self.figure, columns, rows))
        self.figure.add_artist(
            Polygon(places, linewidth=0, transform=self.figure.transFigure, **style)
        )

    def upright(self, value: float, **style) -> None:
        """Draw a line from the lower to the upper end."""
        self.line([value, value], self.up, solid_capstyle="butt", **style)

    def scale(self, side: str, values: ArrayLike, labels: list[str]) -> None:
        """Draw the "left", "right" or "bottom" side, with a mark and a label at each value."""
        low, right = self.y + self.height, self.x + self.width
        if side == "bottom":
            ends = [(self.x, low), (right, low)]
            marks = [(column, low, 0, 1) for column in self.columns(values)]
            align = {"ha": "center", "va": "top"}
        else:
            edge, way = (self.x, -1) if side == "left" else (right, 1)
            ends = [(edge, self.y), (edge, low)]
            marks = [(edge, row, way, 0) for row in self.rows(values)]
            align = {"ha": "right" if side == "left" else "left"}
        pieces = [ends, *([(x, y), (x + MARK * dx, y + MARK * dy)] for x, y, dx, dy in marks)]
        add_lines(self.figure, pieces)
        for (x, y, dx, dy), label in zip(marks, labels, strict=True):
            add_text(self.figure, x + 2 * MARK * dx, y + 2 * MARK * dy, label, **align)


MARK = 3 * DPI / 72
"""Pixels of a mark on a scale, and from there to its label."""


def _share(values: ArrayLike, limits: ArrayLike) -> np.ndarray:
    low, high = (float(limit) for limit in limits)
    values = np.asarray(values, np.float64)
    return (values - low) / (high - low) if high != low else np.full(values.shape, 0.5)


def _fractions(figure: Figure, x: ArrayLike, y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(x) / figure.bbox.width, 1 - np.asarray(y) / figure.bbox.height


def add_lines(figure: Figure, pieces: list[list[tuple[float, float]]]) -> None:
    """Draw thin grey lines, each from one pixel of the figure to another."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Outline

    x, y = np.transpose([place for piece in pieces for place in piece])
    outline = Outline(
        np.transpose(_fractions(figure, x, y)), [Outline.MOVETO, Outline.LINETO] * len(pieces)
    )
    figure.add_artist(
        PathPatch(
            outline, facecolor="none", edgecolor=GREY, linewidth=0.8, zorder=2.5,
            transform=figure.transFigure,
        )
    )  # fmt: skip


def shorten(text: str, width: int) -> str:
    """Cut the middle out of a text that is wider than `width` letters; control marks become "�".

    Examples
    --------
    >>> shorten("a_rather_long_name.tif", 11)
    'a_rat…e.tif'
    >>> shorten("細胞核細胞核", 8)  # an East Asian letter is as wide as two
    '細胞…核'
    """
    text = "".join("�" if unicodedata.category(c) in ("Cc", "Cs", "Cf") else c for c in text)
    if _columns(text) <= width:
        return text
    start, end = "", ""
    for letter in text:
        if _columns(start + letter) > width // 2:
            break
        start += letter
    for letter in reversed(text):
        if _columns(letter + end) > width - 1 - width // 2:
            break
        end = letter + end
    return f"{start}…{end}"


def _columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def ticks(
    low: float, high: float, count: int = 4, *, whole: bool = False
) -> tuple[list[float], list[str]]:
    """Give at most `count` + 1 round values from `low` to `high`, and their labels.

    With `whole`, whole numbers only.

    Examples
    --------
    >>> ticks(0, 100, 2)
    ([0.0, 50.0, 100.0], ['0', '50', '100'])
    """
    from matplotlib.ticker import MaxNLocator

    values = [
        float(value)
        for value in MaxNLocator(count, steps=[1, 2, 2.5, 5, 10], integer=whole).tick_values(
            low, high
        )
        if low <= value <= high
    ]
    return values, [f"{value:.6g}".replace("-", "−") for value in values]
