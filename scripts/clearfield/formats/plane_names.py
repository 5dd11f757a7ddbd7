"""The name of a file of one plane in; out come the indices that it tells, and its position."""

import re
from collections import Counter, defaultdict
from collections.abc import Collection

# What stands in front of a number, and the axis that it counts. P is not an axis of a stack: each
# position is a series.
WORDS = {
    "z": "Z", "slice": "Z", "plane": "Z", "zslice": "Z", "zstep": "Z",
    "t": "T", "time": "T", "timepoint": "T", "tp": "T", "frame": "T",
    "c": "C", "ch": "C", "chan": "C", "channel": "C", "w": "C", "wave": "C",
    "s": "P", "p": "P", "pos": "P", "position": "P", "series": "P", "scene": "P", "xy": "P",
    "f": "P", "field": "P", "fov": "P", "site": "P", "well": "P",
    "angle": "A", "phase": "H", "view": "V", "tile": "M", "lambda": "E",
}  # fmt: skip


# A word and its number: "_z000", "Z001C01", "channel000", "pos_3", "z 1"; not the "z1" of "Fez1".
_TOKEN = re.compile(
    rf"(?<![A-Za-z])({'|'.join(sorted(WORDS, key=len, reverse=True))})[_= -]?(\d+)", re.IGNORECASE
)


# ImageXpress ends each name with one of its own: "_s2_w1E3A8D5F0-....tif", "_s2_thumbE3A8....tif".
GUID = re.compile(r"[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}", re.IGNORECASE)


# Programs with rules of their own, tried first. Their groups: an axis, or P, P2 for parts of a
# position; c_ is a channel that has a name instead of a number, t_ a time that has.
PROGRAMS = tuple(
    re.compile(name + r"\.(tiff?|stk)", re.IGNORECASE)
    for name in (
        # Micro-Manager 1: img_000000000_DAPI_000.tif
        r"img_(?P<T>\d{9})_(?P<c_>.+)_(?P<Z>\d{3})",
        # MetaMorph: night_w1DAPI_s2_t3.TIF; no number of another kind is part of a channel's name
        r"(?P<P>.+)_w\d(?P<c_>[A-Z]((?!_[A-Z]+\d).)*?)(?P<P2>_s\d+)?(_z(?P<Z>\d+))?(_t(?P<T>\d+))?",
        # ImageXpress: plate_B02_s3_w1.tif
        r"(?P<P>.+_[A-P]\d\d(_s\d+)?)(_z(?P<Z>\d+))?_w(?P<C>\d)(_t(?P<T>\d+))?",
        # Yokogawa: plate_B03_T0001F001L01A01Z01C01.tif (L and A: of the protocol),
        # W1F001T0001Z01C1.tif
        r"(?P<P>.+)_T(?P<T>\d{4})(?P<P2>F\d{3})L\d\dA\d\dZ(?P<Z>\d\d)C(?P<C>\d\d)",
        r"(?P<P>.*W\d+F\d+)T(?P<T>\d+)Z(?P<Z>\d+)C(?P<C>\d+)",
        # scanR: night--W00001--P00002--Z00000--T00000--DAPI.tif
        r"(?P<P>.*--W\d+(--[A-Z]+\d+)?--P\d+)--Z(?P<Z>\d+)--T(?P<T>\d+)--(?P<c_>.+)",
        # Opera and Operetta: r02c03f04p05-ch1sk1fk1fl1.tiff, r02c03f04p05-ch01t01.tiff (row,
        # column, field, plane)
        r"(?P<P>r\d+c\d+f\d+)p(?P<Z>\d+)-?ch(?P<C>\d+)(sk|t)(?P<T>\d+)\w*",
        # In Cell: A - 1(fld 1 wv DAPI - DAPI z 2).tif
        r"(?P<P>[A-P] - \d+\(fld \d+) wv (?P<c_>.+?)( z (?P<Z>\d+))?( time (?P<T>\d+)[^)]*)?\)",
        # Cellomics, EVOS: MFGTMP_120420_A01f00d0.TIF, scan_p00_z00_0_A01f00d0.TIF
        r"(?P<P>.+?)(_z(?P<Z>\d+))?(?P<P2>(_\d+)?_[A-P]\d\df\d+)d(?P<C>\d)",
        # Incucyte: VID12_A1_1_2020y01m02d_03h30m.tif, VID12_A1_1_00d03h30m.tif
        r"(?P<P>.+)_(?P<t_>(\d+y\d+m)?\d+d_?\d+h\d+m)",
    )
)


# A well of a plate with up to 1,536: A01 to AF48.
WELL = re.compile(r"(?:[A-Z]|A[A-F])(?:0[1-9]|[1-3]\d|4[0-8])")
_NAME_PART = re.compile(r"[A-Za-z0-9]+")


MOST_IN_STEPS = 10**9


WAVELENGTH_NM = 200  # numbers of channels are smaller


def parse_name(
    name: str, idle: Collection[tuple[str, int]] = ()
) -> tuple[str, dict[str, int | str], str]:
    """Find the axes in the name of a plane.

    Parameters
    ----------
    name : str
        With the folders in which planes differ: "TimePoint_2/a_w1.tif".
    idle : collection of (axis, int)
        Which words with a number are only part of the name: the first, second, ... of an axis.

    Returns
    -------
    rest : str
        The name, with a mark in the place of each axis.
    axes : dict
        The number for each axis, or the name of a channel.
    position : str
        What names the position, or "".

    Examples
    --------
    >>> parse_name("leica_Series014_z002_ch01.tif")
    ('leica_{P}_{Z}_{C}.tif', {'Z': 2, 'C': 1}, 'Series014')
    >>> parse_name("img_000000003_DAPI_007.tif")
    ('{T}{C}{Z}', {'T': 3, 'C': 'DAPI', 'Z': 7}, '')
    """
    return _parse_parts(GUID.sub("", name), idle, Counter())


def _parse_parts(
    name: str, idle: Collection[tuple[str, int]], seen: Counter
) -> tuple[str, dict[str, int | str], str]:
    """Find the axes in a name's folders, then in its last part; `seen` counts an axis's words."""
    folder, slash, name = name.rpartition("/")
    if slash:
        (place, outer, first), (rest, axes, second) = (
            _parse_parts(part, idle, seen) for part in (folder, name)
        )
        return f"{place}/{rest}", outer | axes, "_".join(filter(None, (first, second)))
    for program in PROGRAMS:
        if match := program.fullmatch(name):
            groups = {a: value for a, value in match.groupdict().items() if value is not None}
            position = "".join(groups.pop(part, "") for part in ("P", "P2"))
            axes = {a[0].upper(): v if a.endswith("_") else int(v) for a, v in groups.items()}
            return "{T}{C}{Z}", axes, position
    axes: dict[str, int | str] = {}
    positions = []

    def mark(match: re.Match) -> str:
        axis = WORDS[match[1].lower()]
        seen[axis] += 1
        if (axis, seen[axis]) in idle:
            return match[0]
        if axis == "P":
            positions.append(match[0])
        elif axis in axes:  # the second "c" of a name is not an axis: "c12_z3_ch1"
            return match[0]
        else:
            axes[axis] = int(match[2])
        return f"{{{axis}}}"

    rest, dot, suffix = _TOKEN.sub(mark, name).rpartition(".")
    suffix = suffix.lower().replace("tiff", "tif")
    return rest + dot + suffix, axes, "_".join(positions)


def take_wells(names: list[str]) -> list[tuple[str, str]]:
    """Take the word that names a well from each name, where all have one in the same place.

    C01, F01, P01, S01, T01, W01 and Z01 may as well be a channel, a position, a time or a slice:
    they are wells where another name has a word there that can only be one.

    Returns
    -------
    list of (name, well)
        The name with a mark in its place, and the well, or "".

    Examples
    --------
    >>> take_wells(["E07_s1.tif", "F08_s1.tif"])
    [('{P}_s1.tif', 'E07'), ('{P}_s1.tif', 'F08')]
    >>> take_wells(["a_C01.tif", "a_C02.tif"])
    [('a_C01.tif', ''), ('a_C02.tif', '')]
    """
    plain = [GUID.sub("", name) for name in names]
    kept = [(name, "") for name in names]
    if any(p.fullmatch(name.rpartition("/")[2]) for name in plain for p in PROGRAMS):
        return kept  # which say themselves where the well is
    parts = [list(_NAME_PART.finditer(name.rpartition(".")[0])) for name in plain]
    if len({len(found) for found in parts}) != 1:
        return kept
    places = [{found[place][0] for found in parts} for place in range(len(parts[0]))]
    wells = [
        place for place, words in enumerate(places)
        if all(map(WELL.fullmatch, words)) and any(w[:-2].lower() not in WORDS for w in words)
    ]  # fmt: skip
    if not wells:
        return kept
    at = max(wells, key=lambda place: len(places[place]))  # the first of those that vary most
    return [
        (f"{name[: found[at].start()]}{{P}}{name[found[at].end() :]}", found[at][0])
        for name, found in zip(plain, parts, strict=True)
    ]


def find_idle(names: list[str]) -> set[tuple[str, int]]:
    """Tell the words that never change, where another word for their axis does: "C3_z1_c2".

    Examples
    --------
    >>> find_idle(["C3_z1_c1.tif", "C3_z1_c2.tif"])
    {('C', 1)}
    """
    values: dict[tuple[str, int], set[str]] = defaultdict(set)
    for name in names:
        seen = Counter()
        for match in _TOKEN.finditer(name):
            axis = WORDS[match[1].lower()]
            seen[axis] += 1
            values[axis, seen[axis]].add(match[2])
    varying = {axis for (axis, _), found in values.items() if len(found) > 1} - {"P"}
    return {key for key, found in values.items() if key[0] in varying and len(found) == 1}


def natural(name: str) -> list[str | int]:
    """Give a key by which "s2" comes before "s10"."""
    return [int(part) if n % 2 else part for n, part in enumerate(re.split(r"(\d+)", name))]
