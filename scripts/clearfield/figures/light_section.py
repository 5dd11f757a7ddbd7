"""What is known of the light of each group in; out comes the page's section of it."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from urllib.parse import quote

_HEADINGS = (
    "group", "channel", "images", "unevenness before, % RMS", "after, % RMS", "known to, % RMS",
    "applied", "why not",
)  # fmt: skip
_SHOWN = 20  # of the images that were left out, of each group


def write_light(light: Sequence[dict], results: str) -> Iterator[str]:
    """Yield a table with a row for each group and channel; nothing without groups.

    Parameters
    ----------
    light : sequence of dict
        ``group, samples, left_out, channels``, as estimate_flatfield writes them.
    results : str
        Where the results lie, as the page links to them.

    Examples
    --------
    >>> list(write_light([], ".."))
    []
    """
    if not light:
        return
    head = "".join(f"<th>{heading}</th>" for heading in _HEADINGS)
    body = "".join(
        _row(one["group"], channel, results) for one in light for channel in one["channels"]
    )
    yield (
        '<h2 id="light">The light</h2>\n<p>What all images of a group share: root mean square of '
        "light − 1, before and after the correction; after, each half of the images is corrected "
        "by what the other half tells. A click on a group opens its profiles.</p>\n"
        '<div class="frame" role="region" tabindex="0" aria-label="Profiles of the light">'
        f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>\n"
    )
    left = [
        (one["group"], *item) for one in light for item in list(one["left_out"].items())[:_SHOWN]
    ]
    if left:
        items = "".join(
            f"<li>{html.escape(group)}: {html.escape(name)}: {html.escape(reason)}</li>"
            for group, name, reason in left
        )
        yield (
            f"<details><summary>{len(left)} images were left out of the estimate; they are "
            f"corrected all the same where they have the size of their group</summary><ul>{items}"
            "</ul></details>\n"
        )


def say_light(settings: dict | None, light: Sequence[dict]) -> str:
    """Say in one sentence what was done to the light, for a methods section.

    Parameters
    ----------
    settings : dict, optional
        ``correct_light`` of the config; None where nothing was corrected.
    light : sequence of dict
        As for `write_light`.

    Examples
    --------
    >>> say_light({"offset": 100, "flatfield": "none"}, [])
    "The camera's offset (100 grey levels) was subtracted."
    >>> say_light(None, [])
    ''
    """
    if not settings:
        return ""
    offset = settings["offset"]
    dark = "the mean of dark frames" if isinstance(offset, str) else f"{offset:g} grey levels"
    subtracted = f"The camera's offset ({dark}) was subtracted" if offset else ""
    if settings["flatfield"] == "none":
        return f"{subtracted}."
    if settings["flatfield"] != "estimate":
        divided = f"divided by a given profile of the light ({settings['flatfield']})"
        return f"{subtracted}, and images were {divided}." if offset else f"Images were {divided}."
    done = (
        "divided by the profile of the light that was estimated from the images of their group "
        "(the model of Peng et al., Nature Communications 8, 14836, 2017, fitted by robust weights)"
    )
    text = f"{subtracted}, and images were {done}" if offset else f"Images were {done}"
    spared = [
        (one["group"], c["channel"]) for one in light for c in one["channels"] if not c["applied"]
    ]
    if spared:
        names = ", ".join(f"{channel} of {group}" for group, channel in spared[:6])
        more = f" and {len(spared) - 6} more" if len(spared) > 6 else ""
        text += f"; not so {names}{more}, where it was even or not certain enough"
    return f"{text}."


def _row(group: str, facts: dict, results: str) -> str:
    link = f'<a href="{results}/light/{quote(group)}.png" target="_blank">{html.escape(group)}</a>'
    cells = [
        link, html.escape(facts["channel"]), f"{facts['images']} of {facts['of']}",
        *(_per_cent(facts.get(key)) for key in ("before", "after", "uncertainty")),
        "yes" if facts["applied"] else "no", html.escape(facts["reason"]),
    ]  # fmt: skip
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>\n"


def _per_cent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"
