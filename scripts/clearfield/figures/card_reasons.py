"""What a sample's card says: each finding once, with the channel and the times that it is about."""

from __future__ import annotations

import re

NUMBER = re.compile(r"\d[\d.]*(?:e[+-]?\d+)?(?: %)?")
WORST_FIRST = ("fail", "warn", "ok")
LISTED = 4  # so many differing numbers are named one by one


def merge_reasons(rows: list[dict[str, str]]) -> list[str]:
    """Merge the reasons of a sample's rows, those of the worst rows first.

    Parameters
    ----------
    rows : list of dict
        Of one sample: ``time, channel, channel_name, status, reason`` as text.

    Returns
    -------
    list of str
        A reason for each finding and channel. Reasons that differ in their numbers alone are one.
        The channel stands before it where the sample has several; times, behind it where the
        finding does not hold at all of them alike.

    Examples
    --------
    >>> rows = [{"time": str(time), "channel": "0", "channel_name": "spots", "status": "warn",
    ...          "reason": f"{share} % are saturated"} for time, share in enumerate((0.7, 0.2, 7))]
    >>> merge_reasons(rows)
    ['0.7 %, 0.2 % and 7 % are saturated at times 0, 1, 2']
    >>> merge_reasons(rows[:1] + [{**rows[1], "reason": "", "status": "ok"}])
    ['0.7 % are saturated at time 0']
    """
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    ranks: dict[tuple[str, str], tuple[int, int]] = {}
    times: dict[str, list[str]] = {}
    for row in rows:
        times.setdefault(row["channel"], []).append(row["time"])
        parts = row["reason"].split("; ") if row["status"] != "ok" and row["reason"] else []
        for place, part in enumerate(parts):
            key = row["channel"], NUMBER.sub("#", part)
            found.setdefault(key, []).append((row["time"], part))
            rank = place, WORST_FIRST.index(row["status"])
            ranks[key] = min(rank, ranks.get(key, rank))
    names = {row["channel"]: row["channel_name"] for row in rows}
    merged = []
    for key in sorted(found, key=lambda one: ranks[one][::-1]):  # stable: else as they came
        channel, own = key[0], found[key]
        text = _join([part for _, part in own])
        whole = len(own) == len(times[channel])
        if not (whole and len({part for _, part in own}) == 1):
            seen = [time for time, _ in own]
            text += f" at time{'s' if len(seen) > 1 else ''} {_list_times(seen)}"
        merged.append(f"{names[channel]}: {text}" if len(names) > 1 else text)
    return merged


def _join(texts: list[str]) -> str:
    """Make one text of some that differ in their numbers alone.

    Examples
    --------
    >>> _join(["5 of 9 px", "7 of 9 px"])
    '5 and 7 of 9 px'
    >>> _join(["5 % of 9 px", "7 % of 8 px"])  # several differ: from the least to the most
    '5 % to 7 % of 8 to 9 px'
    """
    numbers = [NUMBER.findall(text) for text in texts]
    columns = list(zip(*numbers, strict=True))
    differing = sum(len(set(column)) > 1 for column in columns)
    said = iter(_say(column, differing == 1 and len(texts) <= LISTED) for column in columns)
    return NUMBER.sub(lambda _: next(said), texts[0])


def _say(column: tuple[str, ...], one_by_one: bool) -> str:
    if len(set(column)) == 1:
        return column[0]
    if one_by_one:
        return ", ".join(column[:-1]) + " and " + column[-1]
    ordered = sorted(column, key=lambda number: float(number.removesuffix(" %").rstrip(".")))
    return f"{ordered[0]} to {ordered[-1]}"


def _list_times(times: list[str]) -> str:
    """Name times; of many, runs by their ends.

    Examples
    --------
    >>> _list_times(["0", "2"]), _list_times(["0", "1", "2", "3", "4", "7"])
    ('0, 2', '0–4, 7')
    """
    if len(times) <= LISTED:
        return ", ".join(times)
    runs: list[list[int]] = []
    for time in map(int, times):
        if runs and time == runs[-1][1] + 1:
            runs[-1][1] = time
        else:
            runs.append([time, time])
    return ", ".join(f"{a}" if a == b else f"{a}–{b}" for a, b in runs)
