"""Which rows of the QC table to trust: ok, warn or fail, and why in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

LEVELS = ("ok", "warn", "fail")


class Row(NamedTuple):
    """A row of a sample's table, its cells read as numbers on demand."""

    cells: dict[str, str]

    def __call__(self, column: str) -> float:
        """Give the number in a column, NaN where it is empty or missing."""
        text = self.cells.get(column, "")
        return float(text) if text else math.nan


def judge(cells: dict[str, str], settings: dict) -> tuple[str, str]:
    """Judge a row by the thresholds of `summarize_qc`.

    Parameters
    ----------
    cells : dict of str
        A row of a sample's table.
    settings : dict
        Under each rule's name ``{"warn": number or None, "fail": number or None}``: a value
        beyond it is flagged; None never is. ``no_objects`` and ``focus_at_edge`` are one of
        ok, warn, fail: what that finding means.

    Returns
    -------
    status : str
        ok, warn or fail: the worst of the rules.
    reason : str
        What the rules say, the worst first, joined by "; "; empty where all is well.

    Examples
    --------
    >>> judge({"saturated_fraction": "0.02"}, {"saturated_fraction": {"warn": 0.001, "fail": 0.01}})
    ('fail', 'acquisition: 2 % of the pixels of the stack are saturated')
    """
    row = Row(cells)
    findings = sorted(_findings(row, settings), key=lambda finding: -LEVELS.index(finding[0]))
    if not findings:
        return "ok", ""
    return findings[0][0], "; ".join(reason for _, reason in findings)


def _findings(row: Row, settings: dict) -> Iterator[tuple[str, str]]:
    for name, (value, sign, say) in RULES.items():
        level = _level(sign * value(row), sign, settings.get(name, {}))
        if level != "ok":
            yield level, _whose(name, row) + say(row)
    for name, (found, say) in FINDINGS.items():
        level = settings.get(name, "ok")
        if level != "ok" and found(row):
            yield level, _whose(name, row) + say(row)


ACQUISITION = {
    "saturated_fraction", "nonfinite_fraction", "drift_z", "flicker_z", "drift_t",
    "signal_drift_t", "flicker_t", "focus_at_edge",
}  # fmt: skip
"""What no setting of the subtraction mends. A field without objects may be empty or full."""
KEPT = 0.8
"""ASSUME: where this share of the objects' intensity is left, not the subtraction made them dim."""


def _whose(name: str, row: Row) -> str:
    """Say before a reason whether the microscope is its cause, rather than the config."""
    dim = name == "contrast_to_noise" and not row("signal_survived") < KEPT
    return "acquisition: " if dim or name in ACQUISITION else ""


def _level(value: float, sign: int, thresholds: dict) -> str:
    """Compare; a NaN is beyond no threshold."""
    for level in ("fail", "warn"):
        threshold = thresholds.get(level)
        if threshold is not None and value > sign * threshold:
            return level
    return "ok"


def _percent(fraction: float) -> str:
    """Give a fraction in percent with two digits.

    Examples
    --------
    >>> _percent(0.6), _percent(0.00123), _percent(1.5)
    ('60 %', '0.12 %', '150 %')
    """
    percent = 100 * fraction
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.2g} %"


def _grey(level: float) -> str:
    """Give grey levels with three digits, large ones whole.

    Examples
    --------
    >>> _grey(1063.2), _grey(12.64), _grey(0.00223)
    ('1063', '12.6', '0.00223')
    """
    return f"{level:.0f}" if abs(level) >= 1000 else f"{level:.3g}"


def _column(name: str) -> Callable[[Row], float]:
    return lambda row: row(name)


def _size(name: str) -> Callable[[Row], float]:
    return lambda row: abs(row(name))


def _unevenness(column: str) -> Callable[[Row], float]:
    """Give what a column tells of the unevenness; NaN where it is hidden in the noise."""

    def value(row: Row) -> float:
        # ASSUME: a range of less than two standard deviations of the noise cannot be seen.
        if row.cells.get("method") == "none" or row("unevenness_after") <= 2 * row("noise_after"):
            return math.nan
        return row(column)

    return value


def _say_uneven(row: Row) -> str:
    text = (
        f"{_percent(row('unevenness_ratio'))} of the background's unevenness remain "
        f"({_grey(row('unevenness_after'))} of {_grey(row('unevenness_before'))} grey levels)"
    )
    return text + _advice(row, row("radius_px") > row("recommended_radius_px"))


def _say_uneven_beside_signal(row: Row) -> str:
    text = (
        f"the background still varies by {_grey(row('unevenness_after'))} grey levels, "
        f"{_percent(row('unevenness_to_signal'))} of the objects' signal"
    )
    return text + _advice(row, row("radius_px") > row("recommended_radius_px"))


def _background_left(row: Row) -> float:
    # A constant is no less for being below the noise: an object's many pixels all have it.
    return math.nan if row.cells.get("method") == "none" else abs(row("background_left_to_signal"))


def _say_left(row: Row) -> str:
    left, wide = row("background_median_after"), row("radius_px") > row("recommended_radius_px")
    text = (
        f"{_grey(left)} grey levels ({row('background_left_sigma'):.2g} standard deviations) are "
        f"left in the background, {_percent(abs(row('background_left_to_signal')))} of the "
        "objects' signal: "
    )
    remedy = "choose a smaller radius" if wide else "take them off what you measure"
    return text + remedy + _advice(row, wide)


def _say_lost(row: Row) -> str:
    survived = row("signal_survived")
    lost = f"objects lose {_percent(1 - survived)} of their intensity"
    if survived <= 0:
        lost = "nothing is left of the objects' intensity"
    names = {"tophat": "radius", "minmax": "half the window,", "dog": "high_sigma"}
    radius, diameter = row("radius_px"), row("object_diameter_px")
    small = radius < row("largest_diameter_px") / 2
    if small:
        sizes = f"the objects (median diameter {diameter:.3g} px)"
        if radius >= diameter / 2:
            sizes = f"the largest objects (diameter {row('largest_diameter_px'):.3g} px)"
        name = names.get(row.cells.get("method", ""), "radius")
        lost = f"{name} {radius:g} px is smaller than {sizes}: {lost}"
    return lost + _advice(row, small)


def _advice(row: Row, wanted: bool) -> str:
    recommended = row("recommended_radius_px")
    if not wanted or math.isnan(recommended):
        return ""
    return f" (recommended top-hat radius {recommended:g} px)"


def _deep(row: Row, column: str) -> float:
    """Judge a change along Z only where five planes or more tell it from a thin object."""
    return abs(row(column)) if row("planes") >= 5 else math.nan


def _change(name: str, along: str) -> Callable[[Row], str]:
    def say(row: Row) -> str:
        change = row(name)
        return f"intensity {'rises' if change > 0 else 'falls'} by {_percent(abs(change))} {along}"

    return say


ALONG_TIME = "from the first time point to the last"

# Name in the config: the value, +1 where too much is bad or -1 where too little, the reason.
RULES: dict[str, tuple[Callable[[Row], float], int, Callable[[Row], str]]] = {
    "saturated_fraction": (
        _column("saturated_fraction"),
        1,
        lambda row: (
            f"{_percent(row('saturated_fraction'))} of the pixels of the stack are saturated"
        ),
    ),
    "nonfinite_fraction": (
        _column("nonfinite_fraction"),
        1,
        lambda row: f"{_percent(row('nonfinite_fraction'))} of the pixels are NaN or infinite",
    ),
    "clipped_fraction": (
        _column("clipped_fraction"),
        1,
        lambda row: f"{_percent(row('clipped_fraction'))} of the result's pixels were clipped",
    ),
    "signal_survived": (_column("signal_survived"), -1, _say_lost),
    "unevenness_to_signal": (
        _unevenness("unevenness_to_signal"),
        1,
        _say_uneven_beside_signal,
    ),
    "unevenness_ratio": (_unevenness("unevenness_ratio"), 1, _say_uneven),
    "background_left": (_background_left, 1, _say_left),
    "contrast_to_noise": (
        _column("contrast_to_noise_after"),
        -1,
        lambda row: (
            f"objects stand only {row('contrast_to_noise_after'):.2g} standard deviations "
            "above the background"
        ),
    ),
    "drift_z": (
        lambda row: _deep(row, "drift_z"),
        1,
        _change("drift_z", "from the first plane to the last"),
    ),
    "flicker_z": (
        lambda row: _deep(row, "flicker_z"),
        1,
        lambda row: f"a plane differs by {_percent(row('flicker_z'))} from its neighbours",
    ),
    "drift_t": (
        _size("drift_t"),
        1,
        _change("drift_t", ALONG_TIME),
    ),
    "signal_drift_t": (
        _size("signal_drift_t"),
        1,
        lambda row: "the objects' " + _change("signal_drift_t", ALONG_TIME)(row),
    ),
    "flicker_t": (
        _size("flicker_t"),
        1,
        lambda row: (
            f"this time point is {_percent(abs(row('flicker_t')))} "
            f"{'brighter' if row('flicker_t') > 0 else 'darker'} than the course of the others"
        ),
    ),
}


def _focus_at_edge(row: Row) -> bool:
    return row("planes") >= 3 and row("sharpest_plane") in (0, row("planes") - 1)


def _radius_beyond_plane(row: Row) -> bool:
    sides = row("plane_height_px"), row("plane_width_px")
    return row("radius_px") > max(sides) and row.cells.get("method") != "none"


def _say_beyond(row: Row) -> str:
    text = (
        f"the filter's half-width, {row('radius_px'):g} px, is larger than the plane "
        f"({row('plane_width_px'):g} × {row('plane_height_px'):g} px): its background is little "
        "more than one number"
    )
    return text + _advice(row, True)


FINDINGS: dict[str, tuple[Callable[[Row], bool], Callable[[Row], str]]] = {
    "no_objects": (
        lambda row: row("object_fraction") == 0,
        lambda row: (
            "no objects stand out from the noise (an empty field, or a full one: choose the size "
            "by eye, with explore_parameters)"
        ),
    ),
    "radius_beyond_plane": (_radius_beyond_plane, _say_beyond),
    "focus_at_edge": (
        _focus_at_edge,
        lambda row: (
            f"the sharpest plane is the {'first' if row('sharpest_plane') == 0 else 'last'}"
            f" of {row('planes'):.0f}: the objects may reach beyond the stack"
        ),
    ),
}
