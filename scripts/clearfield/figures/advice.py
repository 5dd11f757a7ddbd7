"""Rows of the metrics table in; out come the advised sizes, as words, as YAML and as a sheet."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..methods.known_methods import METHODS

SIZE = re.compile(r"(\w+) ([^ ;]+) px(?: \(([^ ;]+) µm\))?")
"""A size as `qc.metrics.describe_sizes` writes it: name, px and, where known, µm."""
CHANNELS = "subtract_background.channels."
UNIT = "subtract_background.unit"
_METHODS = {method.NAME: method for method in METHODS}
_ORDER = ("method", "unit", "light_background", *_METHODS, "output", "save_background", "channels")


@dataclass(frozen=True)
class Advice:
    """What one channel of one sample was done with, and what is advised.

    Attributes
    ----------
    channel : str
        Its index, from 0.
    name : str
        Its name.
    key : str
        What the config calls it: a key that is there already, or its name, or its index.
    method, text : str
        Of subtraction: its name in the config, and in words.
    unit : str
        ``px`` or ``um``, as configured.
    used, advised : dict
        Sizes in that unit by their names in the config; `advised` is empty where there is no
        advice.
    smoothed : dict
        What is advised with a blur before the filter; empty where that gains nothing.
    """

    channel: str
    name: str
    key: str
    method: str
    text: str
    unit: str
    used: dict[str, float]
    advised: dict[str, float]
    smoothed: dict[str, float] = field(default_factory=dict)

    def say(self, sizes: dict[str, float]) -> str:
        """Write sizes with their unit.

        Examples
        --------
        >>> Advice("0", "DAPI", "DAPI", "tophat", "top-hat", "um", {}, {}).say({"radius": 8.75})
        'radius 8.75 µm'
        """
        unit = "µm" if self.unit == "um" else "px"
        return ", ".join(f"{name} {size:g} {unit}" for name, size in sizes.items())


@dataclass(frozen=True)
class Told:
    """What the workflow tells of a sample: name, path, and cells of the sheet by key."""

    name: str
    path: str
    cells: dict[str, object]


def read_told(lines: Iterable[str]) -> dict[str, Told]:
    """Read what the workflow tells of samples, a JSON list a line.

    Examples
    --------
    >>> read_told(['["a", "raw/a.tif", {"subtract_background.unit": "um"}]'])["a"].path
    'raw/a.tif'
    """
    told = (Told(*json.loads(line)) for line in lines)
    return {one.name: one for one in told}


def advise(rows: list[dict[str, str]], told: Told, subtract: dict) -> list[Advice]:
    """Advise on each channel of one sample.

    Parameters
    ----------
    rows : list of dict
        Of the sample, as text.
    told : Told
        Its cells say the unit, and what its channels are called.
    subtract : dict
        ``subtract_background`` of the run's config.

    Returns
    -------
    list of Advice
        In the order of the channels. The advised radius is the largest of all times.

    Examples
    --------
    >>> row = {"channel": "0", "channel_name": "DAPI", "method": "tophat",
    ...        "sizes": "radius 5 px (1.75 µm)", "recommended_radius_px": "9",
    ...        "recommended_radius_um": "3.15"}
    >>> one, = advise([row], Told("a", "a.tif", {}), {"unit": "um"})
    >>> one.say(one.used), one.say(one.advised)
    ('radius 1.75 µm', 'radius 3.15 µm')
    """
    unit = told.cells.get(UNIT, subtract.get("unit", "px"))
    keys = list(subtract.get("channels", {}))
    keys += [key[len(CHANNELS) :] for key in told.cells if key.startswith(CHANNELS)]
    channels: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        channels.setdefault(row["channel"], []).append(row)
    names = [own[0]["channel_name"] for own in channels.values()]
    found = []
    for channel, own in channels.items():
        name = own[0]["channel_name"]
        method = _METHODS.get(own[0].get("method", ""))
        if method is None:
            continue
        sizes = SIZE.findall(own[0].get("sizes", ""))
        px = {size: float(number) for size, number, _ in sizes}
        um = {size: float(number) for size, _, number in sizes if number}
        # A time without a radius is no wider than others: its NaN compares with nothing.
        widest = max(own, key=lambda row: float(row.get("recommended_radius_px") or 0))
        radius, pixel = _number(widest, "recommended_radius_px"), 1.0
        if unit == "um":
            pixel = _number(widest, "recommended_radius_um") / radius
        advised, smoothed = {}, {}
        if radius > 0 and pixel > 0:
            advised = _in_unit(method.advise(math.ceil(radius), px), pixel)
            blur = _number(widest, "recommended_smooth_px")
            if blur > 0 and "smooth" in method.SMOOTHING:
                wide = math.ceil(_number(widest, "recommended_smooth_radius_px"))
                smoothed = _in_unit(method.advise(wide, px) | {"smooth": blur}, pixel)
        found.append(
            Advice(
                channel=channel, name=name, key=_key_of(channel, name, names, keys),
                method=method.NAME, text=method.TEXT, unit=unit,
                used=um if unit == "um" else px,
                advised=advised, smoothed=smoothed,
            )
        )  # fmt: skip
    return found


def _number(row: dict[str, str], column: str) -> float:
    text = row.get(column, "")
    return float(text) if text else math.nan


def _in_unit(sizes: dict[str, float], pixel: float) -> dict[str, float]:
    """Turn px into a unit; four digits give the same number of pixels back."""
    found = {size: float(f"{number * pixel:.4g}") for size, number in sizes.items()}
    return {size: int(n) if n.is_integer() else n for size, n in found.items()}


def _key_of(channel: str, name: str, names: list[str], keys: list[str]) -> str:
    """Choose what a channel is called in the config: two keys for one channel are refused there.

    Examples
    --------
    >>> _key_of("1", "GFP", ["DAPI", "GFP"], ["1.tophat.radius"]), _key_of("0", "x", ["x", "x"], [])
    ('1', '0')
    """
    for own in (name, channel):
        if any(key == own or key.startswith(f"{own}.") for key in keys):
            return own
    return name if names.count(name) == 1 and name else channel


def write_yaml(advice: list[list[Advice]], subtract: dict) -> str:
    """Write one section `subtract_background` with the advice for all samples.

    Each channel gets the largest of its samples' sizes. A channel that not all samples have cannot
    be named there; the sizes of all channels are at least large enough for it.

    Parameters
    ----------
    advice : list of list of Advice
        Of each sample.
    subtract : dict
        ``subtract_background`` of the run's config: all else stays as it is there.

    Returns
    -------
    str
        YAML; empty where there is no advice, and where samples differ in their unit.

    Examples
    --------
    >>> one = Advice("0", "DAPI", "DAPI", "tophat", "top-hat", "px", {}, {"radius": 9})
    >>> config = {"method": "tophat", "unit": "px", "tophat": {"radius": 25}, "channels": {}}
    >>> print(write_yaml([[one]], config), end="")
    subtract_background:
      method: tophat
      unit: px
      tophat:
        radius: 9
      channels: {}
    """
    import yaml

    advice = [own for own in advice if own]
    flat = [one for own in advice for one in own if one.advised]
    if len({one.unit for one in flat}) != 1:
        return ""
    section = json.loads(json.dumps(subtract))  # a copy
    section["unit"] = flat[0].unit
    for method in dict.fromkeys(one.method for one in flat):
        section[method] = section.get(method, {}) | _largest(flat, method)
    channels = section.setdefault("channels", {})
    keys = [{one.key for one in own} for own in advice]
    shared = set.intersection(*keys)
    several = any(len(own) > 1 for own in advice)
    for key in dict.fromkeys(one.key for one in flat):
        if key not in channels and not (several and key in shared):
            continue
        own = [one for one in flat if one.key == key]
        table = dict(channels.get(key, {}))
        for method in dict.fromkeys(one.method for one in own):
            table[method] = table.get(method, {}) | _largest(own, method)
        channels[key] = table
    ordered = {key: section.pop(key) for key in _ORDER if key in section} | section
    return yaml.safe_dump(
        {"subtract_background": ordered}, sort_keys=False, allow_unicode=True, width=96
    )


def _largest(advice: list[Advice], method: str) -> dict[str, float]:
    sizes: dict[str, float] = {}
    for one in advice:
        if one.method == method:
            for name, size in one.advised.items():
                sizes[name] = max(size, sizes.get(name, size))
    return sizes


def write_sheet(
    told: Iterable[Told], advice: dict[str, list[Advice]], groups: dict[str, dict[str, str]]
) -> str:
    r"""Write a sample sheet that gives each sample its own advised sizes, tab-separated.

    Parameters
    ----------
    told : iterable of Told
        Of all samples; their cells stay, but for those of the advised sizes.
    advice : dict
        By sample; one without advice stays as it was.
    groups : dict
        By sample: the columns of the user's own.

    Examples
    --------
    >>> one = Advice("0", "DAPI", "DAPI", "tophat", "top-hat", "px", {}, {"radius": 9})
    >>> write_sheet([Told("a", "a.tif", {})], {"a": [one]}, {})
    'sample\tpath\tsubtract_background.tophat.radius\na\ta.tif\t9\n'
    """
    told = list(told)
    plain = all(len(own) == 1 for own in advice.values()) and not any(
        key.startswith(CHANNELS) for one in told for key in one.cells
    )
    lines = []
    for one in told:
        line = {"sample": one.name, "path": one.path, **groups.get(one.name, {})}
        line |= {key: _cell(value) for key, value in one.cells.items()}
        for channel in advice.get(one.name, []):
            place = "subtract_background." if plain else f"{CHANNELS}{channel.key}."
            for size, number in channel.advised.items():
                line[f"{place}{channel.method}.{size}"] = f"{number:g}"
        lines.append(line)
    columns = dict.fromkeys(column for line in lines for column in line)
    file = io.StringIO()
    for line in [dict(zip(columns, columns, strict=True)), *lines]:
        # A line that begins with "#" would be a remark.
        quoting = csv.QUOTE_ALL if line["sample"].startswith("#") else csv.QUOTE_MINIMAL
        writer = csv.writer(file, delimiter="\t", lineterminator="\n", quoting=quoting)
        writer.writerow([line.get(column, "") for column in columns])
    return file.getvalue()


def _cell(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
