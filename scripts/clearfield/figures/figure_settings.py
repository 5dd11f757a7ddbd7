"""What the figure reads from its settings: a row, a grey range, the name of a channel."""

from __future__ import annotations


def check_row(profile: int | str, rows: int, sample: str) -> int | None:
    """Give the row of the profile, or None for "auto".

    Raises
    ------
    ClearfieldError
        Where the image has no such row.

    Examples
    --------
    >>> check_row("auto", 10, "a"), check_row(9, 10, "a")
    (None, 9)
    """
    if profile == "auto":
        return None
    if not 0 <= profile < rows:
        from ..errors import ClearfieldError

        raise ClearfieldError(
            f"plot_qc.profile is {profile}, but the rows of {sample} are 0 to {rows - 1}; "
            "give one of these, or auto"
        )
    return profile


def channel_range(given: str | list | dict, name: str, index: int) -> list[float] | None:
    """Give the grey range of a channel, or None for one of its own.

    Examples
    --------
    >>> channel_range({"GFP": [0, 9]}, "GFP", 1), channel_range({"1": [0, 9]}, "GFP", 1)
    ([0, 9], [0, 9])
    >>> channel_range({"GFP": [0, 9]}, "DAPI", 0), channel_range([0, 5], "DAPI", 0)
    (None, [0, 5])
    """
    if isinstance(given, dict):
        return given.get(name, given.get(str(index)))
    return None if given == "auto" else given


def name_channel(name: str, index: int) -> str:
    """Name a channel and its index, once.

    Examples
    --------
    >>> name_channel("DAPI", 0), name_channel("channel 1", 1)
    ('DAPI (channel 0)', 'channel 1')
    """
    return name if name == f"channel {index}" else f"{name} (channel {index})"
