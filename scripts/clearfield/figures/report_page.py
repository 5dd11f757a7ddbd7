"""One self-contained page for a whole run: what to trust, what not, why, and what to do about it.

Pieces are yielded as they are made, so that memory grows with neither pixels nor samples.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from ..qc.qc_table import KEYS, VERDICT
from ..qc.series_taken import one_of_several
from .advice import Advice, Told, advise, write_sheet, write_yaml
from .cohort_plot import to_number
from .light_section import say_light, write_light
from .methods_paragraph import write_methods
from .page_cards import viewer_styles, write_gallery, write_viewer
from .page_tables import frame, write_cohort, write_failures, write_overrides, write_table
from .page_template import (
    CHART,
    LEAFLET,
    data,
    encode,
    read_bundle,
    read_web,
    text,
    write_head,
    write_scripts,
)

WORST_FIRST = ("fail", "warn", "ok")
_ANY_DATA = {"raw", "data", "images", "stacks", "input", "inputs", "samples", "tif", "tiff"}
"""Names of folders and sheets that tell nothing: that of the folder above is taken."""
NAV = """<nav class="top" aria-label="Sections"><b>clearfield</b> <a href="#samples">Samples</a>
<a href="#advice">Advised settings</a> <a href="#metrics">Metrics</a>
<a href="#distributions">Cohort</a> <a href="#range">Grey range</a> <a href="#methods">Methods</a>
<a href="#settings">Settings</a> <a href="#versions">Software</a></nav>
<main>
"""


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
    told: dict[str, Told],
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
    told : dict
        By sample: its path and its cells of the sheet. One that is missing has neither.
    light : sequence of dict
        What is known of the light of each group; see `light_section`.

    Yields
    ------
    str
        HTML, UTF-8.
    """
    samples = group_by_sample(rows)
    link = quote(Path(os.path.relpath(figures, page.parent)).as_posix())
    subtract = config.get("subtract_background", {})
    advice = {
        name: advise(own, told.get(name, Told(name, "", {})), subtract)
        for name, (_, own) in samples.items()
    }
    name, about = name_data(config, told)
    styles = [read_bundle("dt_bundle.css"), read_web("web/page.css"), *viewer_styles()]
    yield from write_head(f"{name or 'clearfield'}: quality of the run", styles)
    # Without a name the page takes that of its own folder when it is opened, not when it is made:
    # a run in another folder has the same bytes.
    title = text(name) if name else '<span id="data">clearfield</span>'
    yield f'{NAV}<h1>{title}: quality of the run</h1>\n<p class="about">{text(about)}</p>\n'
    yield _totals(samples, rows, failures)
    yield _series(rows, config)
    yield write_failures(failures)
    yield (
        '<h2 id="samples">Samples, flagged first</h2>\n<p>A click opens the sample here at full '
        "size, with Ctrl its figure in a tab of its own.</p>\n"
    )
    yield from write_gallery(samples, advice, figures, link)
    own = [column for column in columns if column not in (*descriptions, *KEYS, *VERDICT)]
    groups = {name: {key: rows[0][key] for key in own} for name, (_, rows) in samples.items()}
    yield _advised(advice, told, groups, subtract)
    ranked = [row for _, own in samples.values() for row in own]
    yield from write_table(ranked, columns, descriptions)
    yield from write_light(
        light, quote(Path(os.path.relpath(figures.parent, page.parent)).as_posix())
    )
    yield from write_cohort(rows)
    yield _ranges(rows)
    yield _settings(rows, config, versions, told, say_light(config.get("correct_light"), light))
    yield "</main>\n" + write_viewer()
    yield data("bundle", encode(read_bundle("dt_bundle.js").encode()))
    scripts = ("web/planes.js", "web/viewer.js", "web/blocks.js", "web/page.js")
    yield from write_scripts((LEAFLET[1], CHART), scripts)
    yield "</body>\n</html>\n"


def name_data(config: dict, told: dict[str, Told]) -> tuple[str, str]:
    """Name the data of a run by the config, and say where they lie and of when they are.

    The name is empty where the config has none that tells anything, such as ``raw/*.tif``.

    Examples
    --------
    >>> name_data({"samples": "raw/night 1/*.tif"}, {})
    ('night 1', 'raw/night 1/*.tif')
    """
    import datetime

    source = str(config.get("samples", ""))
    path = Path(source)
    sheet = path.suffix.lower() in (".tsv", ".csv")
    plain = [part for part in path.parent.parts if not set(part) & set("*?[")]
    names = [part for part in plain + [path.stem] * sheet if part.lower() not in _ANY_DATA]
    name = names[-1] if names else ""
    days = set()
    for one in told.values():
        if not one.path:
            continue
        try:
            time = Path(one.path).stat().st_mtime
        except (OSError, ValueError):
            continue
        days.add(datetime.datetime.fromtimestamp(time, datetime.UTC).date().isoformat())
    about = source
    if days:
        first, last = min(days), max(days)
        about += f", files of {first}" + (f" to {last}" if last != first else "")
    return name, about


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


def _totals(samples: dict, rows: list[dict], failures: list[dict]) -> str:
    counts = {status: 0 for status in WORST_FIRST}
    for status, _ in samples.values():
        counts[status] += 1
    lost = len({failure["sample"] for failure in failures})
    boxes = [
        ("", len(samples) + lost, "samples"), ("", len(rows), "images (channels × times)"),
        ("ok", counts["ok"], "ok"), ("warn", counts["warn"], "warn"),
        ("fail", counts["fail"], "fail"),
    ]  # fmt: skip
    if lost:
        boxes.append(("fail", lost, "not finished"))
    items = "".join(
        f'<li class="{kind}"><b>{count}</b> {text(name)}</li>' for kind, count, name in boxes
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


def _advised(
    advice: dict[str, list[Advice]], told: dict[str, Told], groups: dict, subtract: dict
) -> str:
    """Give the advised settings of all samples, as YAML and as a sheet, to copy or to save."""
    flat = [one for own in advice.values() for one in own if one.advised]
    heading = '<h2 id="advice">Advised settings</h2>\n'
    if not flat:
        return f"{heading}<p>No size can be advised for these samples.</p>\n"
    yaml = write_yaml(list(advice.values()), subtract)
    own = [one for one in told.values() if set(one.cells) & _size_keys(flat)]
    found = heading + (
        "<p>Each is the smallest size that keeps the objects that were found. Judge it by eye "
        "before you take it.</p>\n"
    )
    if yaml:
        found += (
            "<h3>One setting for all samples</h3>\n<p>The largest that is advised for a channel, "
            "so that samples stay comparable. It takes the place of the section "
            "<code>subtract_background</code> of your config; or save it and name it behind your "
            "config: <code>--configfile config.yaml advised.yaml</code>.</p>\n"
        )
        if own:
            found += (
                f"<p>{len(own)} of the samples have sizes of their own in the sample sheet, which "
                "stand above the config: take the sheet below.</p>\n"
            )
        found += _block("advised-yaml", yaml, "advised.yaml")
    if told and all(one.path for one in told.values()):
        sheet = write_sheet(told.values(), advice, groups)
        found += (
            "<h3>Each sample with its own</h3>\n<p>A sample sheet: save it where you run "
            "Snakemake, and write <code>samples: advised.tsv</code> into your config.</p>\n"
        ) + _block("advised-sheet", sheet, "advised.tsv")
    return found


def _size_keys(advice: list[Advice]) -> set[str]:
    found = set()
    for one in advice:
        for size in one.advised:
            found.add(f"subtract_background.{one.method}.{size}")
            found.add(f"subtract_background.channels.{one.key}.{one.method}.{size}")
    return found


def _block(name: str, content: str, file: str) -> str:
    return (
        f'<div class="tools"><button data-of="{name}">Copy</button>'
        f'<button data-of="{name}" data-file="{file}">Save as {file}</button>'
        '<span class="said" role="status"></span></div>\n'
        f'<pre class="long" id="{name}" tabindex="0">{text(content)}</pre>\n'
    )


def _ranges(rows: list[dict]) -> str:
    whole = suggest_range(rows)
    if whole is None:
        return ""
    import yaml

    names = list(dict.fromkeys(row["channel_name"] for row in rows))
    ranges: object = [_whole(level) for level in whole]
    if len(names) > 1:
        own = {
            name: suggest_range(row for row in rows if row["channel_name"] == name)
            for name in names
        }
        ranges = {name: [_whole(n) for n in pair] for name, pair in own.items() if pair}
    block = yaml.safe_dump(
        {"plot_qc": {"range": ranges}}, sort_keys=False, allow_unicode=True,
        default_flow_style=None,
    )  # fmt: skip
    return (
        '<h2 id="range">One grey range for all figures</h2>\n<p>To compare samples by eye, write '
        "this into your config and run again; only figures are drawn anew.</p>\n"
        + _block("grey-range", block, "range.yaml")
    )


def _whole(number: float) -> float:
    return int(number) if float(number).is_integer() else number


def _settings(
    rows: list[dict], config: dict, versions: dict[str, str], told: dict[str, Told], light: str
) -> str:
    import yaml

    dumped = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
    programs = "".join(
        f"<tr><td>{text(n)}</td><td>{text(v)}</td></tr>" for n, v in versions.items()
    )
    return (
        '<h2 id="methods">Methods, for a paper</h2>\n'
        f"<blockquote>{text(write_methods(rows, versions, light))}</blockquote>\n"
        f'<h2 id="settings">Settings</h2>\n<pre>{text(dumped)}</pre>\n'
        + write_overrides({name: one.cells for name, one in told.items()})
        + '<h2 id="versions">Software</h2>\n'
        + frame("Software and versions", f"<tbody>{programs}</tbody>")
        + "\n<p>This page also holds DataTables, Leaflet and Chart.js, as their makers published "
        "them.</p>\n"
    )
