"""What a family of metrics says of its flags: a value, its thresholds, the words of the reason."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple


class Row(NamedTuple):
    """A row of a sample's table, its cells read as numbers on demand."""

    cells: dict[str, str]

    def __call__(self, column: str) -> float:
        """Give the number in a column, NaN where it is empty or missing."""
        text = self.cells.get(column, "")
        return float(text) if text else math.nan

    @property
    def subtracted(self) -> bool:
        """Whether a background was subtracted at all."""
        return self.cells.get("method") != "none"


def always(row: Row) -> bool:
    """Say of every row that its reason is true of it."""
    return True


class Rule(NamedTuple):
    """A number that is flagged beyond a threshold.

    Attributes
    ----------
    value : function of Row
        The number that is judged; NaN is beyond no threshold.
    say : function of Row
        The reason in words.
    warn, fail : float or None
        The thresholds as config.yaml has them; None: never.
    low : bool
        Whether too little is bad, rather than too much.
    acquisition : function of Row, optional
        Whether the microscope is the cause, so that no setting of the config mends it.
    """

    value: Callable[[Row], float]
    say: Callable[[Row], str]
    warn: float | None = None
    fail: float | None = None
    low: bool = False
    acquisition: Callable[[Row], bool] | None = None

    @property
    def default(self) -> dict[str, float | None]:
        """The thresholds as the config writes them."""
        return {"warn": self.warn, "fail": self.fail}

    def level(self, row: Row, thresholds: dict) -> str:
        """Compare with the thresholds of the config: ok, warn or fail."""
        sign = -1 if self.low else 1
        value = sign * self.value(row)
        for level in ("fail", "warn"):
            threshold = thresholds.get(level)
            if threshold is not None and value > sign * threshold:
                return level
        return "ok"


class Finding(NamedTuple):
    """Something that is so or not, and what the config says that it means.

    Attributes
    ----------
    found : function of Row
    say : function of Row
        The reason in words.
    default : str
        ok, warn or fail, as config.yaml has it.
    acquisition : function of Row, optional
        As of `Rule`.
    """

    found: Callable[[Row], bool]
    say: Callable[[Row], str]
    default: str = "warn"
    acquisition: Callable[[Row], bool] | None = None

    def level(self, row: Row, meaning: str) -> str:
        """Give what the config says that the finding means, or ok where it is not found."""
        return meaning if meaning != "ok" and self.found(row) else "ok"


def column(name: str) -> Callable[[Row], float]:
    """Judge the number in a column."""
    return lambda row: row(name)


def size_of(name: str) -> Callable[[Row], float]:
    """Judge the number in a column without its sign."""
    return lambda row: abs(row(name))


def percent(fraction: float) -> str:
    """Give a fraction in percent with two digits.

    Examples
    --------
    >>> percent(0.6), percent(0.00123), percent(1.5)
    ('60 %', '0.12 %', '150 %')
    """
    value = 100 * fraction
    return f"{value:.0f} %" if value >= 10 else f"{value:.2g} %"


def grey(level: float) -> str:
    """Give grey levels with three digits, large ones whole.

    Examples
    --------
    >>> grey(1063.2), grey(12.64), grey(0.00223)
    ('1063', '12.6', '0.00223')
    """
    return f"{level:.0f}" if abs(level) >= 1000 else f"{level:.3g}"


def advice(row: Row, wanted: bool) -> str:
    """Name the recommended radius and smoothing, in the unit of the config, where they would help.

    Examples
    --------
    >>> cells = {"recommended_radius_px": "9", "recommended_radius_um": "3.15"}
    >>> advice(Row(cells), True), advice(Row(cells | {"unit": "um"}), True)
    (' (recommended top-hat radius 9 px)', ' (recommended top-hat radius 3.15 µm)')
    """
    recommended = row("recommended_radius_px")
    if not wanted or math.isnan(recommended):
        return ""
    text = f" (recommended top-hat radius {length(row, recommended, 4)}"
    smooth, wide = row("recommended_smooth_px"), row("recommended_smooth_radius_px")
    if smooth > 0:
        text += f", or {length(row, wide, 4)}" * (wide != recommended)
        text += f" with smooth {length(row, smooth, 4)}"
    return text + ")"


def length(row: Row, px: float, digits: int = 3) -> str:
    """Write a length in the unit that the config gives sizes in: px, or µm."""
    if row.cells.get("unit") != "um":
        return f"{px:g} px" if float(px).is_integer() else f"{px:.{digits}g} px"
    pixel = row("radius_um") / row("radius_px")
    if math.isnan(pixel):
        pixel = row("recommended_radius_um") / row("recommended_radius_px")
    return f"{px * pixel:.{digits}g} µm"


def change(name: str, along: str) -> Callable[[Row], str]:
    """Say how much the intensity in a column rises or falls."""

    def say(row: Row) -> str:
        value = row(name)
        if value <= -1:  # a straight line may lead below 0
            return f"intensity falls to nothing {along}"
        return f"intensity {'rises' if value > 0 else 'falls'} by {percent(abs(value))} {along}"

    return say
