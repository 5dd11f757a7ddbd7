"""One self-contained page for a whole run: what to trust, what not, and why.

The table is DataTables (its bundle comes with the package itables), the plots are matplotlib's.
Pieces are yielded as they are made, so that memory grows with neither pixels nor samples.
"""

from __future__ import annotations

import base64
import html
import io
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from ..qc.series_taken import one_of_several
from .card_reasons import merge_reasons
from .cohort_plot import SHOWN, draw_cohort, find_outliers, to_number
from .light_section import say_light, write_light
from .methods_paragraph import write_methods
from .page_template import HEAD, SCRIPT, STYLE

WORST_FIRST = ("fail", "warn", "ok")
THUMBNAIL = 360  # px wide
THUMBNAILS_BYTES = 12_000_000  # all of them together
FIRST_COLUMNS = ("sample", "time", "channel", "channel_name", "status", "reason")
OPEN_COLUMNS = (
    *FIRST_COLUMNS, "radius_px", "recommended_radius_px", "recommended_smooth_px",
    "saturated_fraction", "unevenness_ratio", "contrast_to_noise_after", "signal_survived",
)  # fmt: skip
"""Columns that the table shows at first; the others wait behind a button."""


def write_page(
    rows: list[dict[str, str]],
    columns: list[str],
    descriptions: dict[str, str],
    failures: list[dict[str, str]],
    *,
    config: dict,
    versions: dict[str, str],
    figures: Path,
    page: Path,
    light: Sequence[dict] = (),
) -> Iterator[str]:
    """Yield the page in pieces.

    Parameters
    ----------
    rows : list of dict
        The metrics table, as text; all of them user's words until escaped.
    columns : list of str
        Its header.
    descriptions : dict
        What a column is.
    failures : list of dict
        ``sample, rule, reason, remedy`` of jobs that failed.
    config : dict
        The resolved config.
    versions : dict
        Program to version.
    figures : path
        Folder of ``{sample}.png``, for the thumbnails; figures are linked relative to `page`.
    page : path
        Where the page will stand.
    light : sequence of dict
        What is known of the light of each group; see `light_section`.

    Yields
    ------
    str
        HTML, UTF-8.
    """
    samples = group_by_sample(rows)
    link = quote(Path(os.path.relpath(figures, page.parent)).as_posix())
    yield HEAD.format(
        title="clearfield: quality of a run", css=_bundle("dt_bundle.css"), style=STYLE
    )
    yield "<h1>Quality of the run</h1>\n"
    yield _totals(samples, rows, failures)
    yield _series(rows, config)
    yield _failures(failures)
    yield '<h2 id="samples">Samples, flagged first</h2>\n<p>A click opens the full figure.</p>\n'
    yield from _gallery(samples, figures, link)
    ranked = [row for _, own in samples.values() for row in own]
    yield from _table(ranked, columns, descriptions, link)
    yield from write_light(
        light, quote(Path(os.path.relpath(figures.parent, page.parent)).as_posix())
    )
    yield from _distributions(rows)
    yield _ranges(rows)
    yield _settings(rows, config, versions, say_light(config.get("correct_light"), light))
    yield SCRIPT.format(bundle=_encode(_bundle("dt_bundle.js").encode()))
    yield "</main>\n</body>\n</html>\n"


def group_by_sample(rows: list[dict[str, str]]) -> dict[str, tuple[str, list[dict[str, str]]]]:
    """Give each sample's worst status and rows, the worst samples first.

    Examples
    --------
    >>> rows = [{"sample": "a", "status": "ok"}, {"sample": "b", "status": "ok"},
    ...         {"sample": "b", "status": "fail"}]
    >>> [(name, status, len(own)) for name, (status, own) in group_by_sample(rows).items()]
    [('b', 'fail', 2), ('a', 'ok', 1)]
    """
    groups: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        groups.setdefault(row["sample"], []).append(row)

    def rank(own: list[dict[str, str]]) -> int:
        return min(WORST_FIRST.index(row["status"]) for row in own)

    ranked = sorted(groups.items(), key=lambda item: rank(item[1]))  # stable: else as they came
    return {name: (WORST_FIRST[rank(own)], own) for name, own in ranked}


def suggest_range(rows: Iterable[dict[str, str]]) -> tuple[float, float] | None:
    """Give one grey range that holds those of all rows, rounded outwards to 2 digits.

    Examples
    --------
    >>> suggest_range([{"range_low": "105", "range_high": "1490"},
    ...                {"range_low": "98", "range_high": "2210"}])
    (98.0, 2300.0)
    """
    lows, highs = [], []
    for row in rows:
        low, high = to_number(row.get("range_low")), to_number(row.get("range_high"))
        if low == low and high == high:
            lows.append(low)
            highs.append(high)
    if not lows:
        return None
    return _round_outwards(min(lows), -1), _round_outwards(max(highs), 1)


def _round_outwards(value: float, direction: int) -> float:
    import math

    if value == 0:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    rounding = math.ceil if direction > 0 else math.floor
    return round(rounding(round(value / step, 9)) * step, 12)


def _text(value: object) -> str:
    return html.escape(str(value), quote=True)


def _frame(label: str, table: str) -> str:
    """Put a table into a frame that scrolls, also by keyboard, so that the page need not."""
    return (
        f'<div class="frame" role="region" tabindex="0" aria-label="{_text(label)}">'
        f"<table>{table}</table></div>"
    )


def _bundle(name: str) -> str:
    """Read a file of DataTables from the package itables."""
    from importlib.resources import files

    return (files("itables") / "html" / name).read_text(encoding="utf-8")


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _totals(samples: dict, rows: list[dict], failures: list[dict]) -> str:
    counts = {status: 0 for status in WORST_FIRST}
    for status, _ in samples.values():
        counts[status] += 1
    lost = len({failure["sample"] for failure in failures})
    boxes = [
        ("", len(samples) + lost, "samples"), ("", len(rows), "planes"), ("ok", counts["ok"], "ok"),
        ("warn", counts["warn"], "warn"), ("fail", counts["fail"], "fail"),
    ]  # fmt: skip
    if lost:
        boxes.append(("fail", lost, "not finished"))
    items = "".join(
        f'<li class="{kind}"><b>{count}</b> {_text(name)}</li>' for kind, count, name in boxes
    )
    return f'<ul class="totals">{items}</ul>\n'


def _series(rows: list[dict], config: dict) -> str:
    """Say where a file holds more series than were taken."""
    taken = one_of_several({row["sample"]: row["series"] for row in rows if row.get("series")})
    # Where all are asked for, those that failed are named below.
    if not taken or config.get("load_stack", {}).get("series") == "all":
        return ""
    return (
        f"<p>{len(taken)} sample{'s are' if len(taken) > 1 else ' is'} one series of a file that "
        "holds several; each card says which. For all series set "
        "<code>load_stack.series: all</code>.</p>\n"
    )


def _failures(failures: list[dict]) -> str:
    if not failures:
        return ""
    body = "".join(
        "<tr>"
        + "".join(f"<td>{_text(failure.get(c, ''))}</td>" for c in _FAILURE_COLUMNS)
        + "</tr>\n"
        for failure in failures
    )
    header = "".join(f"<th>{column}</th>" for column in _FAILURE_COLUMNS)
    return (
        '<section class="lost" id="failures"><h2>Not finished</h2>\n'
        + _frame(
            "Jobs that did not finish",
            f"<thead><tr>{header}</tr></thead><tbody>\n{body}</tbody>",
        )
        + "</section>\n"
    )


_FAILURE_COLUMNS = ("sample", "rule", "reason", "remedy")


def _gallery(samples: dict, figures: Path, link: str) -> Iterator[str]:
    yield '<div class="gallery">\n'
    budget = THUMBNAILS_BYTES // max(1, len(samples))
    for name, (status, rows) in samples.items():
        reasons = merge_reasons(rows)
        if rows[0].get("series"):
            reasons.insert(0, f"series {rows[0]['series']} of its file")
        shown = "".join(f"<li>{_text(reason)}</li>" for reason in reasons[:4])
        if len(reasons) > 4:
            shown += f"<li>… and {len(reasons) - 4} more</li>"
        yield (
            f'<a class="card {status}" href="{link}/{quote(name)}.png" target="_blank">'
            f"{_thumbnail(figures / f'{name}.png', budget)}"
            f'<span class="badge">{status}</span> <b>{_text(name)}</b>'
            f"<ul>{shown}</ul></a>\n"
        )
    yield "</div>\n"


def _thumbnail(path: Path, budget: int) -> str:
    """Give a small WebP of a figure as an image element, of about `budget` bytes at most.

    A figure that is gone gives none.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            small = image.convert("RGB").reduce(max(1, image.width // THUMBNAIL))
    except OSError:
        return '<span class="missing">no figure</span>'
    # Of a high figure the first rows are enough; the link opens it whole.
    small = small.crop((0, 0, small.width, min(small.height, small.width // 2)))
    for shrink, quality in ((1, 55), (1, 25), (2, 45), (4, 45)):
        file = io.BytesIO()
        small.reduce(shrink).save(file, "WEBP", quality=quality, method=2)
        data = _encode(file.getvalue())
        if len(data) <= budget:
            break
    return (
        f'<img alt="" loading="lazy" decoding="async" width="{small.width}" '
        f'height="{small.height}" src="data:image/webp;base64,{data}">'
    )


def _table(
    rows: list[dict], columns: list[str], descriptions: dict[str, str], link: str
) -> Iterator[str]:
    """Yield the table as data: DataTables makes elements only of the rows on screen."""
    head = "".join(
        f'<th title="{_text(descriptions.get(column, ""))}">{_text(column.replace("_", " "))}</th>'
        for column in columns
    )
    # A column without a description is one of the user's sheet.
    hidden = [
        k
        for k, column in enumerate(columns)
        if column in descriptions and column not in OPEN_COLUMNS
    ]
    yield (
        '<h2 id="metrics">Metrics</h2>\n<p>A row for each sample, time point and channel. Click a '
        "heading to sort, type below it to filter; every column is explained where the pointer "
        "rests on it. The whole table is results/qc/metrics.tsv.</p>\n"
        f'<table id="table" class="display compact nowrap"><thead><tr>{head}</tr></thead></table>\n'
        f'<script type="application/json" id="hidden">{json.dumps(hidden)}</script>\n'
        '<script type="application/json" id="rows">[\n'
    )
    for index, row in enumerate(rows):
        cells = [_cell(column, row, link) for column in columns]
        text = json.dumps(cells, ensure_ascii=False, separators=(",", ":"))
        # "<" inside a script element could end it.
        yield text.replace("<", "\\u003c") + ("\n" if index == len(rows) - 1 else ",\n")
    yield "]</script>\n"


def _cell(column: str, row: dict, link: str) -> str | float | int | None:
    value = row.get(column, "")
    if column == "sample":
        return f'<a href="{link}/{quote(value)}.png" target="_blank">{_text(value)}</a>'
    if column == "status":
        return f'<span class="badge {_text(value)}">{_text(value)}</span>'
    if column in FIRST_COLUMNS and column not in ("time", "channel"):
        return _text(value)
    number = to_number(value)
    if number != number:
        return _text(value) if value else None
    return int(number) if number == int(number) and abs(number) < 1e15 else float(f"{number:.4g}")


def _distributions(rows: list[dict]) -> Iterator[str]:
    from .canvas import write_png

    outliers = find_outliers(rows)
    figure = draw_cohort(rows, outliers)
    if figure is None:
        return
    file = io.BytesIO()
    write_png(figure, file)
    yield (
        '<h2 id="distributions">The cohort</h2>\n'
        '<img class="wide" alt="Distributions of the metrics over all samples" '
        f'src="data:image/png;base64,{_encode(file.getvalue())}">\n'
    )
    if not outliers:
        yield "<p>No outliers (modified z-score above 3.5 among at least 8 values).</p>\n"
        return
    body = "".join(
        f"<tr><td>{_text(SHOWN[o['column']])}</td><td>{_text(o['sample'])}</td>"
        f"<td>{_text(o['time'])}</td><td>{_text(o['channel_name'])}</td>"
        f"<td>{o['value']:.4g}</td><td>{o['median']:.4g}</td><td>{o['score']:.1f}</td></tr>\n"
        for o in outliers[:100]
    )
    more = f"<p>… and {len(outliers) - 100} more.</p>" if len(outliers) > 100 else ""
    yield (
        f"<details{' open' if len(outliers) <= 12 else ''}><summary>{len(outliers)} outliers"
        "</summary>\n"
        + _frame(
            "Outliers",
            "<thead><tr><th>metric</th><th>sample</th><th>time</th><th>channel</th><th>value</th>"
            "<th>median of channel</th><th>modified z-score</th></tr></thead>\n"
            f"<tbody>{body}</tbody>",
        )
        + f"{more}</details>\n"
    )


def _ranges(rows: list[dict]) -> str:
    whole = suggest_range(rows)
    if whole is None:
        return ""
    names = list(dict.fromkeys(row["channel_name"] for row in rows))
    lines = ""
    if len(names) > 1:
        for name in names:
            own = suggest_range(row for row in rows if row["channel_name"] == name)
            if own:
                lines += f"<li>{_text(name)}: [{own[0]:g}, {own[1]:g}]</li>"
    return (
        '<h2 id="range">One grey range for all figures</h2>\n<p>To compare samples by eye, write '
        f"this into your config and run again:</p>\n<pre>plot_qc:\n  range: [{whole[0]:g}, "
        f"{whole[1]:g}]</pre>\n" + (f"<p>By channel:</p><ul>{lines}</ul>\n" if lines else "")
    )


def _settings(rows: list[dict], config: dict, versions: dict[str, str], light: str) -> str:
    import yaml

    dumped = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
    programs = "".join(
        f"<tr><td>{_text(n)}</td><td>{_text(v)}</td></tr>" for n, v in versions.items()
    )
    return (
        '<h2 id="methods">Methods, for a paper</h2>\n'
        f"<blockquote>{_text(write_methods(rows, versions, light))}</blockquote>\n"
        f'<h2 id="settings">Settings</h2>\n<pre>{_text(dumped)}</pre>\n'
        f'<h2 id="versions">Software</h2>\n'
        + _frame("Software and versions", f"<tbody>{programs}</tbody>")
        + "\n"
    )
