"""The tables and plots of a run's page: the metrics, the cohort, what did not finish."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import quote

from .cohort_plot import SHOWN, find_outliers, plot_points, to_number
from .page_template import data, json_text, text

FIRST_COLUMNS = ("sample", "time", "channel", "channel_name", "status", "reason")
OPEN_COLUMNS = (
    *FIRST_COLUMNS, "radius_px", "recommended_radius_px", "recommended_smooth_px",
    "saturated_fraction", "unevenness_ratio", "contrast_to_noise_after", "signal_survived",
)  # fmt: skip
"""Columns that the table shows at first; the others wait behind a button."""
NEIGHBOURS = ("the same", "the difference", "as above")


def frame(label: str, table: str) -> str:
    """Put a table into a frame that scrolls, also by keyboard, so that the page need not."""
    return (
        f'<div class="frame" role="region" tabindex="0" aria-label="{text(label)}">'
        f"<table>{table}</table></div>"
    )


def write_failures(failures: list[dict[str, str]]) -> str:
    """Give the table of jobs that failed."""
    if not failures:
        return ""
    columns = ("sample", "rule", "reason", "remedy")
    body = "".join(
        "<tr>" + "".join(f"<td>{text(failure.get(c, ''))}</td>" for c in columns) + "</tr>\n"
        for failure in failures
    )
    header = "".join(f"<th>{column}</th>" for column in columns)
    table = f"<thead><tr>{header}</tr></thead><tbody>\n{body}</tbody>"
    return (
        '<section class="lost" id="failures"><h2>Not finished</h2>\n'
        + frame("Jobs that did not finish", table)
        + "</section>\n"
    )


def write_table(
    rows: list[dict[str, str]], columns: list[str], descriptions: dict[str, str]
) -> Iterator[str]:
    """Yield the metrics as data; each sample leads to its card.

    Parameters
    ----------
    rows, columns, descriptions
        As in `report_page.write_page`.
    """
    head = "".join(
        f'<th title="{text(explain(column, descriptions))}">{text(column.replace("_", " "))}</th>'
        for column in columns
    )
    numeric = {
        column
        for column in columns
        if column in descriptions and any(row.get(column) for row in rows[:1000])
        if all(to_number(row.get(column)) == to_number(row.get(column)) or not row.get(column)
               for row in rows[:1000])
    }  # fmt: skip
    told = {
        # A column without a description is one of the user's sheet.
        "hidden": [
            place
            for place, column in enumerate(columns)
            if column in descriptions and column not in OPEN_COLUMNS
        ],
        "numbers": [place for place, column in enumerate(columns) if column in numeric],
    }
    yield (
        '<h2 id="metrics">Metrics</h2>\n<p>A row for each sample, time point and channel. Click a '
        "heading to sort, type below it to filter: a number finds what is at least as large, and "
        "the sign beside it turns that round. Every column is explained where the pointer rests on "
        "it. The whole table is results/qc/metrics.tsv.</p>\n"
        f'<table id="table" class="display compact nowrap"><thead><tr>{head}</tr></thead></table>\n'
        + data("columns", told)
        + '<script type="application/json" id="rows">[\n'
    )
    for index, row in enumerate(rows):
        cells = [_cell(column, row) for column in columns]
        yield json_text(cells) + ("\n" if index == len(rows) - 1 else ",\n")
    yield "]</script>\n"


def explain(column: str, descriptions: dict[str, str]) -> str:
    """Explain a column by itself, also where the table's own words lean on the column before.

    Examples
    --------
    >>> explain("b", {"a": "median of the image", "b": "the same of the result"})
    'median of the image; here: the same of the result'
    """
    own = descriptions.get(column, "")
    if not own.startswith(NEIGHBOURS):
        return own
    before = ""
    for name, words in descriptions.items():
        if name == column:
            break
        if not words.startswith(NEIGHBOURS):
            before = words
    return f"{before}; here: {own}"


def _cell(column: str, row: dict) -> str | float | int | None:
    value = row.get(column, "")
    if column == "sample":
        return f'<a href="#s-{text(quote(value))}">{text(value)}</a>'
    if column == "status":
        return f'<span class="badge {text(value)}">{text(value)}</span>'
    if column in FIRST_COLUMNS and column not in ("time", "channel"):
        return text(value)
    number = to_number(value)
    if number != number:
        return text(value) if value else None
    return int(number) if number == int(number) and abs(number) < 1e15 else float(f"{number:.4g}")


def write_cohort(rows: list[dict]) -> Iterator[str]:
    """Yield a plot for each metric, and a table of the values that stand apart."""
    outliers = find_outliers(rows)
    plots = plot_points(rows, outliers)
    if not plots:
        return
    yield (
        '<h2 id="distributions">The cohort</h2>\n<p>A point for each sample, channel and time; '
        "black: the median; orange: far from the others (modified z-score above 3.5). A point "
        "names its sample where the pointer rests on it, and a click leads to its card.</p>\n"
        '<div class="plots">\n'
    )
    for column, plot in plots.items():
        far = sum(point[2] for point in plot["points"])
        about = f"{len(plot['points'])} values in {len(plot['channels'])} channels, {far} outliers"
        yield (
            f'<figure><figcaption>{SHOWN[column]}</figcaption><div class="plot">'
            f'<canvas data-column="{column}" role="img" aria-label="{SHOWN[column]}: {about}; '
            'the outliers are in the table below"></canvas></div></figure>\n'
        )
    yield "</div>\n" + data("cohort", plots)
    if not outliers:
        yield "<p>No outliers (modified z-score above 3.5 among at least 8 values).</p>\n"
        return
    body = "".join(
        f"<tr><td>{text(SHOWN[o['column']])}</td>"
        f'<td><a href="#s-{text(quote(o["sample"]))}">{text(o["sample"])}</a></td>'
        f"<td>{text(o['time'])}</td><td>{text(o['channel_name'])}</td>"
        f"<td>{o['value']:.4g}</td><td>{o['median']:.4g}</td><td>{o['score']:.1f}</td></tr>\n"
        for o in outliers[:100]
    )
    more = f"<p>… and {len(outliers) - 100} more.</p>" if len(outliers) > 100 else ""
    head = "".join(
        f"<th>{name}</th>"
        for name in (
            "metric", "sample", "time", "channel", "value", "median of channel",
            "modified z-score",
        )
    )  # fmt: skip
    yield (
        f"<details{' open' if len(outliers) <= 12 else ''}><summary>{len(outliers)} outliers"
        "</summary>\n"
        + frame("Outliers", f"<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody>")
        + f"{more}</details>\n"
    )


def write_overrides(cells: dict[str, dict[str, object]]) -> str:
    """Give the sample sheet's own settings: each key and value with the samples that have it.

    Examples
    --------
    >>> write_overrides({"a": {}, "b": {}})
    ''
    """
    groups: dict[tuple[str, str], list[str]] = {}
    for sample, own in cells.items():
        for key, value in own.items():
            shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            groups.setdefault((key, shown), []).append(sample)
    if not groups:
        return ""
    body = ""
    for (key, value), samples in sorted(groups.items()):
        names = ", ".join(samples[:8]) + (", …" if len(samples) > 8 else "")
        body += (
            f"<tr><td>{text(key)}</td><td>{text(value)}</td>"
            f"<td>{len(samples)} of {len(cells)}: {text(names)}</td></tr>\n"
        )
    head = "<thead><tr><th>key</th><th>value</th><th>samples</th></tr></thead>"
    return "<p>The sample sheet sets for single samples:</p>\n" + frame(
        "Settings of the sample sheet", f"{head}<tbody>{body}</tbody>"
    )
