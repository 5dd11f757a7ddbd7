"""Which rows of the QC table to trust: ok, warn or fail, and why in words."""

from __future__ import annotations

from .known_metrics import RULES
from .rules import Row

LEVELS = ("ok", "warn", "fail")


def judge(cells: dict[str, str], settings: dict) -> tuple[str, str]:
    """Judge a row by the thresholds of `summarize_qc`.

    Parameters
    ----------
    cells : dict of str
        A row of a sample's table.
    settings : dict
        Under the name of each `Rule` ``{"warn": number or None, "fail": number or None}``: a value
        beyond it is flagged; None never is. Under that of each `Finding` one of ok, warn, fail:
        what it means. What is not in it is not judged.

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
    flagged = []
    for name, rule in RULES.items():
        level = rule.level(row, settings[name]) if name in settings else "ok"
        if level != "ok":
            # So that one knows whether to change the config or the microscope.
            whose = "acquisition: " if rule.acquisition and rule.acquisition(row) else ""
            flagged.append((level, whose + rule.say(row)))
    if not flagged:
        return "ok", ""
    flagged.sort(key=lambda one: -LEVELS.index(one[0]))
    return flagged[0][0], "; ".join(reason for _, reason in flagged)
