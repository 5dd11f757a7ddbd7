"""How far a rolling ball stays below a slope, since it rolls below the minima of blocks."""

from __future__ import annotations

from ..rules import Row, Rule, column, grey, percent

COLUMNS = {
    "slope_before": "steepest slope of the surface fitted to the background, grey levels per px",
    "ball_below": "how far the ball stays below that slope, grey levels",
    "ball_below_to_signal": "ball_below / object_signal",
}


def measure(plane, row: dict) -> dict:
    """Take the steepest slope along both axes, and how much lower the minimum of a block is."""
    import numpy as np

    from ..measured_plane import ratio
    from .unevenness import fit_surface

    _, image, _, outside = next(plane.sides())
    if not outside.any():
        return {}
    surface = fit_surface(image, outside)
    rows, columns = np.nonzero(outside)
    along = [
        abs(surface(rows + down, columns + right) - surface(rows, columns))
        for down, right in ((1, 0), (0, 1))
    ]
    slope = float(np.max(along[0] + along[1])) / plane.sizes.factor
    measured = {"slope_before": slope}
    channel = plane.channel
    if channel["method"] == "rolling_ball" and not channel["paraboloid"]:
        from ...filters.rolling_ball import shrinking

        measured["ball_below"] = (shrinking(channel["radius"]) - 1) / 2 * slope
        measured["ball_below_to_signal"] = ratio(measured["ball_below"], row["object_signal"])
    return measured


def _say_below(row: Row) -> str:
    return (
        f"where the background is steepest ({grey(row('slope_before'))} grey levels a pixel) the "
        f"ball stays {grey(row('ball_below'))} grey levels below it, "
        f"{percent(row('ball_below_to_signal'))} of the objects' signal, because the image is "
        "shrunk first: take method tophat, or paraboloid: true"
    )


RULES = {"ball_below": Rule(column("ball_below_to_signal"), _say_below, warn=0.05)}
