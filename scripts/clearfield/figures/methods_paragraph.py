"""A paragraph for the methods section of a paper, from what a run really did."""

from __future__ import annotations

from .cohort_plot import to_number

_PROJECTIONS = {
    "max": "maximum intensity projection",
    "mean": "mean intensity projection",
    "sum": "sum projection",
    "min": "minimum intensity projection",
    "std": "projection of the standard deviation",
    "median": "median projection",
}

_CITATION = " (Soille, Morphological Image Analysis, Springer 2004)"


def write_methods(rows: list[dict], config: dict, versions: dict[str, str]) -> str:
    """Write the paragraph.

    Parameters
    ----------
    rows : list of dict
        Of the metrics table, as text: they tell what each sample got, overrides included.
    config : dict
        The resolved config of the run.
    versions : dict
        Program to version.

    Returns
    -------
    str
        Plain text.

    Examples
    --------
    >>> row = {"sample": "a", "time": "0", "channel": "0", "channel_name": "DAPI",
    ...        "method": "tophat", "radius_px": "25", "radius_um": "8.75"}
    >>> config = {"project_stack": {"method": "max", "first_plane": None, "last_plane": None},
    ...           "subtract_background": {"method": "tophat", "light_background": False}}
    >>> print(write_methods([row], config, {"clearfield": "0.1.0", "numpy": "2.4"}))
    Z-stacks (n = 1; channel DAPI) were reduced to two dimensions by maximum intensity projection \
along the optical axis. The background of each channel was then removed by a white top-hat \
transform (Soille, Morphological Image Analysis, Springer 2004) with a disk of radius 25 px \
(8.75 µm). Grey levels were not rescaled. Processing was done with clearfield 0.1.0 \
(numpy 2.4).
    """
    samples = {row["sample"] for row in rows}
    channels = list(dict.fromkeys(row["channel_name"] for row in rows))
    times = {row["time"] for row in rows}
    stacks = f"n = {len(samples)}"
    if len(channels) <= 6 and channels:
        stacks += f"; {'channel' if len(channels) == 1 else 'channels'} {', '.join(channels)}"
    if len(times) > 1:
        stacks += f"; up to {len(times)} time points"
    project = config["project_stack"]
    planes = ""
    if project["first_plane"] is not None or project["last_plane"] is not None:
        first = project["first_plane"] or 0
        last = "the last" if project["last_plane"] is None else project["last_plane"]
        planes = f" of planes {first} to {last} (counted from 0)"
    light = config["subtract_background"]["light_background"]
    in_um = config["subtract_background"].get("unit") == "um"
    used: dict[tuple[str, float], list[dict]] = {}
    for row in rows:
        radius = to_number(row.get("radius_um" if in_um else "radius_px"))
        used.setdefault((row.get("method", ""), radius if radius == radius else -1), []).append(row)
    parts = []
    for (method, _), own in used.items():
        text = _describe(method, _radius(own), light, config)
        if len(used) > 1:
            names = list(dict.fromkeys(row["channel_name"] for row in own))
            count = len({row["sample"] for row in own})
            text += f" [{', '.join(names[:6])}; {count} of {len(samples)} stacks]"
        if parts:
            text = text.replace(_CITATION, "")
        parts.append(text)
    removed = "; ".join(parts) if parts else "nothing"
    programs = ", ".join(f"{n} {v}" for n, v in versions.items() if n != "clearfield")
    return (
        f"Z-stacks ({stacks}) were reduced to two dimensions by "
        f"{_PROJECTIONS[project['method']]}{planes} along the optical axis. The background of "
        f"each channel was then removed by {removed}. Grey levels were not rescaled. "
        f"Processing was done with clearfield {versions.get('clearfield', '')}".rstrip()
        + (f" ({programs})." if programs else ".")
    )


def _radius(rows: list[dict]) -> str:
    """Write the radius of rows in px and in µm; a range where the calibrations differ."""

    def span(column: str, unit: str) -> str:
        values = [value for row in rows if (value := to_number(row.get(column))) == value]
        if not values:
            return ""
        low, high = f"{min(values):.4g}", f"{max(values):.4g}"
        return f"{low} {unit}" if low == high else f"{low} to {high} {unit}"

    px, um = span("radius_px", "px"), span("radius_um", "µm")
    return f"{px} ({um})" if um else px


def _describe(method: str, radius: str, light: bool, config: dict) -> str:
    if method == "tophat":
        kind = "black" if light else "white"
        return f"a {kind} top-hat transform{_CITATION} with a disk of radius {radius}"
    if method == "minmax":
        order = ("maximum", "minimum") if light else ("minimum", "maximum")
        return (
            f"subtracting a {order[0]} filter followed by a {order[1]} filter with square "
            f"windows, the {'second' if light else 'first'} of half-width {radius}"
        )
    if method == "dog":
        low = config["subtract_background"].get("dog", {}).get("low_sigma")
        unit = config["subtract_background"].get("unit", "px")
        small = f" and the smaller {low:g} {'µm' if unit == 'um' else 'px'}" if low else ""
        return f"a difference of Gaussians, the larger with a sigma of {radius}{small}"
    return "no filter (it was left as it was)"
