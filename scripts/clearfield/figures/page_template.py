"""What pages have around their content: head, styles, scripts, all of it in the one file.

The table is DataTables (its bundle comes with the package itables). Leaflet shows planes and
Chart.js draws plots; both lie in ``web/`` as their makers published them, beside styles and
scripts of ours.
"""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

LEAFLET = ("web/leaflet.css", "web/leaflet.js")  # 1.9.4, BSD 2-clause, leafletjs.com
CHART = "web/chart.js"  # 4.6.1, MIT, chartjs.org


def text(value: object) -> str:
    """Escape a user's words for HTML.

    Examples
    --------
    >>> text("<b>")
    '&lt;b&gt;'
    """
    return html.escape(str(value), quote=True)


def data(name: str, value: object) -> str:
    r"""Give a script element with data for the page's own scripts.

    Examples
    --------
    >>> data("rows", ["</script>"])
    '<script type="application/json" id="rows">["\\u003c/script>"]</script>\n'
    """
    return f'<script type="application/json" id="{name}">{json_text(value)}</script>\n'


def json_text(value: object) -> str:
    """Write JSON that no element can end: "<" inside a script element could."""
    dumped = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return dumped.replace("<", "\\u003c")


def read_web(name: str) -> str:
    """Read one of the files of ``web/``."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def read_bundle(name: str) -> str:
    """Read a file of DataTables from the package itables."""
    from importlib.resources import files

    return (files("itables") / "html" / name).read_text(encoding="utf-8")


def encode(content: bytes) -> str:
    """Write bytes as base64."""
    return base64.b64encode(content).decode("ascii")


def write_head(title: str, styles: Iterable[str]) -> Iterator[str]:
    """Yield all up to the body's beginning."""
    yield (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<title>{text(title)}</title>\n<link rel="icon" href="data:,">\n'
    )
    for style in styles:
        yield f"<style>{style}</style>\n"
    yield "</head>\n<body>\n"


def write_scripts(libraries: Iterable[str], own: Iterable[str]) -> Iterator[str]:
    """Yield scripts: libraries by themselves, the page's own as one module."""
    for library in libraries:
        yield f"<script>{read_web(library)}</script>\n"
    yield '<script type="module">\n'
    for script in own:
        yield read_web(script)
    yield "</script>\n"
