"""The cards of a run's page: a sample each, with its picture, its reasons and what is advised."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from .advice import Advice
from .card_reasons import merge_reasons
from .page_template import encode, read_web, text
from .plane_file import view_file

THUMBNAIL = 440  # px wide
THUMBNAILS_BYTES = 12_000_000  # all of them together
SHOWN = 3  # reasons, and channels, before the others are folded away


def write_gallery(
    samples: dict[str, tuple[str, list[dict[str, str]]]],
    advice: dict[str, list[Advice]],
    figures: Path,
    link: str,
) -> Iterator[str]:
    """Yield a card for each sample.

    Parameters
    ----------
    samples : dict
        Status and rows by name, in the order of the cards.
    advice : dict
        By name.
    figures : path
        Folder of ``{sample}.png``, and of ``planes/{sample}/``.
    link : str
        The same, as the page links to it.
    """
    yield '<div class="gallery">\n'
    budget = THUMBNAILS_BYTES // max(1, len(samples))
    for name, (status, rows) in samples.items():
        place = f"{link}/{quote(name)}"
        views = _views(rows, figures / "planes" / name)
        planes = f"{link}/planes/{quote(name)}"
        yield (
            f'<article class="card {status}" id="s-{text(quote(name))}">'
            f'<a class="open" href="{place}.png" target="_blank" data-sample="{text(name)}"'
            f' data-planes="{planes}" data-views="{text(json.dumps(views, ensure_ascii=False))}">'
            f"{write_thumbnail(figures / f'{name}.png', budget, _worst(rows))}"
            f'<h3><span class="badge {status}">{status}</span> <b>{text(name)}</b></h3></a>'
            f"{_reasons(rows)}{_sizes(advice.get(name, []))}</article>\n"
        )
    yield "</div>\n"


def _views(rows: list[dict[str, str]], folder: Path) -> list[tuple[str, str]]:
    """List the planes that lie there at full size: titles, and names of their files."""
    several = len({row["channel"] for row in rows}) > 1, len({row["time"] for row in rows}) > 1
    found = []
    for row in rows:
        name = view_file(row["channel"], row["time"])
        if (folder / name).exists():
            parts = (row["channel_name"], f"time {row['time']}")
            kept = [part for part, one in zip(parts, several, strict=True) if one]
            found.append((", ".join(kept or parts[:1]), name))
    return found


def _reasons(rows: list[dict[str, str]]) -> str:
    reasons = merge_reasons(rows)
    if rows[0].get("series"):
        reasons.insert(0, f"series {rows[0]['series']} of its file")
    lines = [f"<li>{text(reason)}</li>" for reason in reasons]
    if not lines:
        return ""
    if len(lines) <= SHOWN + 1:
        return f"<ul>{''.join(lines)}</ul>"
    return (
        f"<ul>{''.join(lines[:SHOWN])}</ul><details><summary>… and {len(lines) - SHOWN} more"
        f"</summary><ul>{''.join(lines[SHOWN:])}</ul></details>"
    )


def _sizes(advice: list[Advice]) -> str:
    """Say for each channel what was used and what is advised."""
    if not advice:
        return ""
    lines = []
    for one in advice:
        used = f"{one.text}, {one.say(one.used)}" if one.used else one.text
        if not one.advised:
            advised = "no advice" if one.method != "none" else ""
        elif all(one.used.get(size) == number for size, number in one.advised.items()):
            advised = "as advised"
        else:
            advised = f"advised: {one.say(one.advised)}"
        if one.smoothed and one.used.get("smooth") != one.smoothed["smooth"]:
            advised += f"; or {one.say(one.smoothed)}"
        name = f"<th>{text(one.name)}</th>" if len(advice) > 1 else ""
        lines.append(
            f'<tr>{name}<td>{text(used)}</td><td class="advised">{text(advised)}</td></tr>'
        )
    if len(lines) <= SHOWN + 1:
        return f"<table>{''.join(lines)}</table>"
    return (
        f"<table>{''.join(lines[:SHOWN])}</table><details><summary>… and {len(lines) - SHOWN} "
        f"more channels</summary><table>{''.join(lines[SHOWN:])}</table></details>"
    )


def _worst(rows: list[dict[str, str]]) -> tuple[str, str]:
    """Give channel and time of the row that is flagged worst."""
    worst = min(rows, key=lambda row: ("fail", "warn", "ok").index(row["status"]))
    return worst["channel"], worst["time"]


def write_thumbnail(path: Path, budget: int, wanted: tuple[str, str]) -> str:
    """Give a small WebP of a figure as an image element, of about `budget` bytes at most.

    The figure itself says in its text where its panels lie: of those of the channel and time
    `wanted`, or else of all channels, the first that there are. A figure that is gone gives none.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            told = image.info.get("clearfield:panels")
            small = image.convert("RGB")
    except OSError:
        return '<span class="missing">no figure</span>'
    alt = f"Figure of {path.stem}"
    panels = json.loads(told) if told else []
    if panels:
        panel = min(panels, key=lambda one: (one["channel"] != wanted[0], one["time"] != wanted[1]))
        left, top, right, bottom = panel["box"]
        small = small.crop((left, top, right, bottom))
        alt = f"{path.stem}, {panel['title']}: projection, background and result"
    size = min(THUMBNAIL, small.width)
    small = small.resize(
        (size, max(1, round(small.height * size / small.width))), Image.Resampling.BOX,
        reducing_gap=2.0,
    )  # fmt: skip
    for shrink, quality in ((1, 55), (1, 25), (2, 45), (4, 45)):
        file = io.BytesIO()
        small.reduce(shrink).save(file, "WEBP", quality=quality, method=2)
        encoded = encode(file.getvalue())
        if len(encoded) <= budget:
            break
    return (
        f'<img alt="{text(alt)}" loading="lazy" decoding="async" width="{small.width}" '
        f'height="{small.height}" src="data:image/webp;base64,{encoded}">'
    )


def write_viewer() -> str:
    """Give the element in which a sample opens."""
    return f"""<dialog id="viewer" aria-labelledby="viewer-name">
<header><h2 id="viewer-name" data-part="name"></h2>
<select data-part="view" aria-label="Channel and time"></select>
<button data-part="previous" title="Previous sample (p)">Previous</button>
<button data-part="next" title="Next sample (n)">Next</button>
<a data-part="figure" target="_blank">Figure</a>
<button data-part="close" title="Close (Esc)">Close</button></header>
<div data-part="tools" hidden>
{_range("projection", "Projection")}{_range("background", "Background")}{_range("result", "Result")}
<button data-part="reset">Grey levels of the figure</button>
<button data-part="whole">Whole image</button>
<label><input type="checkbox" data-part="compare"> Before and after in one</label></div>
<label class="swipe-row" data-part="swipe-row" hidden>before
<input type="range" data-part="swipe" min="0" max="100" step="0.5" value="50"
aria-label="Where the projection ends and the result begins"> after</label>
<div data-part="body"></div>
<div class="said" data-part="levels" role="status">&nbsp;</div>
<div data-part="message" role="status"></div>
</dialog>
"""


def _range(name: str, caption: str) -> str:
    parts = "".join(
        f'<input type="number" step="any" data-part="{name}-{end}" aria-label="{caption}: {shade}">'
        f'<input type="range" data-part="{name}-{end}-slider" aria-label="{caption}: {shade}">'
        for end, shade in (("low", "black"), ("high", "white"))
    )
    return f"<fieldset><legend>{caption}</legend>{parts}</fieldset>\n"


def viewer_styles() -> list[str]:
    """Give the styles of the viewer."""
    return [read_web("web/leaflet.css"), read_web("web/viewer.css")]
