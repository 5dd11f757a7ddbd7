"""Rows of the QC table in; out comes a paragraph for the methods section of a paper.

All that it says was recorded by the jobs. So it knows a sample sheet and settings of single
channels.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ..methods.known_methods import method_of
from .advice import SIZE

_PROJECTIONS = {
    "max": "maximum intensity projection",
    "mean": "mean intensity projection",
    "sum": "sum projection",
    "min": "minimum intensity projection",
    "std": "projection of the standard deviation",
    "median": "median projection",
}


def write_methods(rows: list[dict], versions: dict[str, str], light: str = "") -> str:
    """Write the paragraph: each group of samples and channels with its own settings.

    Parameters
    ----------
    rows : list of dict
        Of the metrics table, as text.
    versions : dict
        Program to version.
    light : str
        What was done to the light, in one sentence; "" for nothing.

    Returns
    -------
    str
        Plain text.

    Examples
    --------
    >>> row = {"sample": "a", "time": "0", "channel": "0", "channel_name": "DAPI", "planes": "9",
    ...        "projection": "max", "method": "tophat", "light_background": "0",
    ...        "sizes": "radius 25 px (8.75 µm)"}
    >>> print(write_methods([row], {"clearfield": "0.2.0", "numpy": "2.4"}))
    Z-stacks (n = 1; channel DAPI) were reduced to two dimensions by maximum intensity projection \
along the optical axis. The background of each channel was then removed by a white top-hat \
transform (Soille, Morphological Image Analysis, Springer 2004) with a disk of radius 25 px \
(8.75 µm). Grey levels were not rescaled. Processing was done with clearfield 0.2.0 \
(numpy 2.4).
    """
    stacks = [row for row in rows if not _is_flat(row)]
    images = [row for row in rows if _is_flat(row)]
    sentences = []
    if stacks:
        projected = _parts(stacks, lambda row: row.get("projection", ""), _name_projection)
        sentences.append(
            f"Z-stacks ({_count(stacks)}) were reduced to two dimensions by {projected} along the "
            "optical axis."
        )
    if images:
        sentences.append(f"Two-dimensional images ({_count(images)}) were taken as they are.")
    if light:
        sentences.append(light)
    sentences.append(
        f"The background of each channel was then removed by {_removed(rows)}."
        if rows
        else "No background was removed."
    )
    programs = ", ".join(f"{n} {v}" for n, v in versions.items() if n != "clearfield")
    done = f"Processing was done with clearfield {versions.get('clearfield', '')}".rstrip()
    done += f" ({programs})." if programs else "."
    kept = f"Grey levels were not rescaled{' otherwise' * bool(light)}."
    return " ".join([*sentences, kept, done])


def _is_flat(row: dict) -> bool:
    return row.get("planes") == "1" and " of planes " not in row.get("projection", "")


def _count(rows: list[dict]) -> str:
    """Say how many samples, channels and times some rows are about."""
    channels = list(dict.fromkeys(row["channel_name"] for row in rows))
    times = {row["time"] for row in rows}
    text = f"n = {len({row['sample'] for row in rows})}"
    if len(channels) <= 6 and channels:
        text += f"; {'channel' if len(channels) == 1 else 'channels'} {', '.join(channels)}"
    return text + (f"; up to {len(times)} time points" if len(times) > 1 else "")


def _parts(
    rows: list[dict], key: Callable[[dict], object], say: Callable[[list[dict]], str]
) -> str:
    """Say of each group of rows what was done to it, and if there are several, which they are."""
    groups: dict[object, list[dict]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    texts = []
    for own in groups.values():
        texts.append(say(own) + (f" [{_whose(own, rows)}]" if len(groups) > 1 else ""))
    return "; ".join(texts)


def _whose(own: list[dict], rows: list[dict]) -> str:
    channels = list(dict.fromkeys(row["channel_name"] for row in own))
    samples = list(dict.fromkeys(row["sample"] for row in own))
    names = f" ({', '.join(samples)})" if len(samples) <= 3 else ""
    count = f"{len(samples)} of {len({row['sample'] for row in rows})} samples{names}"
    return f"{', '.join(channels[:6])}; {count}"


def _name_projection(rows: list[dict]) -> str:
    method, _, planes = rows[0].get("projection", "").partition(" ")
    return f"{_PROJECTIONS.get(method, method)} {planes}".rstrip()


def _removed(rows: list[dict]) -> str:
    def setting(row: dict, unit: int) -> tuple:
        sizes = SIZE.findall(row.get("sizes", ""))
        options = tuple(_options(row).items())
        return row["method"], _is_light(row), tuple((s[0], s[unit]) for s in sizes), options

    # Sizes in µm differ in px between calibrations, and the other way round: what was set is the
    # same for more rows.
    unit = min((1, 2), key=lambda unit: len({setting(row, unit) for row in rows}))
    text = _parts(rows, lambda row: setting(row, unit), _name_method)
    for citation in set(re.findall(r" \([^()]*\d{4}\)", text)):  # each is given once
        first, _, rest = text.partition(citation)
        text = first + citation + rest.replace(citation, "")
    return text


def _is_light(row: dict) -> bool:
    return row.get("light_background") == "1"


def _name_method(rows: list[dict]) -> str:
    method = method_of(rows[0])
    spans: dict[str, tuple[list[str], list[str]]] = {name: ([], []) for name in method.SIZES}
    for row in rows:
        for name, px, um in SIZE.findall(row.get("sizes", "")):
            spans[name][0].append(px)
            spans[name][1].append(um)
    sizes = {}
    for name, (px, um) in spans.items():
        if not px and name in method.SMOOTHING:
            continue
        sizes[name] = _span(px, "px")
        if all(um) and um:
            sizes[name] += f" ({_span(um, 'µm')})"
    return method.sentence({"light_background": _is_light(rows[0]), **_options(rows[0])}, sizes)


def _options(row: dict) -> dict[str, bool]:
    found = re.findall(r"(\w+) (on|off)(?=;|$)", row.get("sizes", ""))
    return {name: word == "on" for name, word in found}


def _span(numbers: list[str], unit: str) -> str:
    """Write one number, or the range of several.

    Examples
    --------
    >>> _span(["25", "9"], "px"), _span(["25", "25"], "px"), _span([], "px")
    ('9 to 25 px', '25 px', 'unknown size')
    """
    if not numbers:
        return "unknown size"
    low, high = min(numbers, key=float), max(numbers, key=float)
    return f"{low} {unit}" if low == high else f"{low} to {high} {unit}"
