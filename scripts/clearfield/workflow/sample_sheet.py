"""A sample sheet in; out come its rows: name, path, settings and the user's own columns.

This is the side of the workflow that runs in Snakemake's own process: no numpy here.
"""

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from ..errors import ClearfieldError
from ..qc.known_metrics import COLUMNS
from ..qc.qc_table import KEYS, VERDICT
from .settings import read_cell

SHEETS = (".tsv", ".csv")
_SPREADSHEETS = (".xlsx", ".xls", ".xlsm", ".ods", ".numbers")
INFORMATION = (
    "series_name", "axes", "shape", "dtype", "pixel_size_x_um", "pixel_size_y_um",
    "pixel_size_z_um", "channel_names",
)  # fmt: skip
WHOLE_RUN = ("samples", "correct_light", "summarize_qc", "explore_parameters")
"""Keys that no sample has of its own."""


def is_other_table(source: str) -> bool:
    """Tell a sample sheet that is a spreadsheet, or text with another suffix."""
    if source.lower().endswith(_SPREADSHEETS):
        return True
    if not source.lower().endswith((".txt", ".tab")):
        return False
    try:
        with Path(source).open(encoding="utf-8-sig") as file:
            return {"sample", "path"} <= set(re.split(r"[\t,;]", file.readline(10_000).strip()))
    except (OSError, UnicodeDecodeError):
        return False


def read_sheet(path: str, schema: dict) -> tuple[list[tuple[str, str, tuple, tuple]], list[str]]:
    """Give name, path, cells and own columns of each row, and what is wrong in any."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ClearfieldError(
            f"samples: the sample sheet {path} does not exist (seen from {Path.cwd()})"
        ) from None
    except UnicodeDecodeError as error:
        raise ClearfieldError(
            f"samples: {path} is not UTF-8 text (byte {error.start}); save it as UTF-8"
        ) from None
    except OSError as error:
        raise ClearfieldError(
            f"samples: {path} cannot be read ({error.strerror}); name a sample sheet, or a glob"
        ) from None
    lines = re.split("\r\n|\n|\r", text)
    lines = [line for line in lines if line.strip() and not line.startswith("#")]
    if not lines:
        raise ClearfieldError(f"samples: {path} is empty; its first line names the columns")
    separator = _separator(path, lines[0])
    try:
        header, *rows = csv.reader(lines, delimiter=separator)
    except csv.Error as error:
        raise ClearfieldError(
            f"samples: {path} is no table ({error}); save it as tab- or comma-separated text"
        ) from None
    header = _cells(header)
    problems = _header_problems(header, schema)
    if problems:
        return [], problems
    rows = [(number, _cells(row)) for number, row in enumerate(rows, 2)]
    rows = [(number, cells) for number, cells in rows if cells]
    if not rows:
        problems.append("it has a header but no samples")
    known: dict[tuple[str, str], object] = {}
    found = []
    for number, cells in rows:
        if len(cells) > len(header):
            problems.append(f"row {number} has {len(cells)} cells for {len(header)} columns")
            continue
        values = dict(zip(header, cells, strict=False))
        name, stack = values.pop("sample", ""), values.pop("path", "")
        if not name or not stack:
            problems.append(f"row {number} lacks a {'path' if name else 'sample'}")
            continue
        overrides = []
        groups = tuple((key, values.pop(key, "")) for key in header if _is_group(key))
        for key, cell in values.items():
            if not cell or key in INFORMATION:
                continue
            if (key, cell) not in known:
                try:
                    known[key, cell] = read_cell(key, cell, schema)
                except ClearfieldError as error:
                    problems.append(f"row {number} ({name}): {error}")
                    known[key, cell] = None
            overrides.append((key, known[key, cell]))
        found.append((name, stack, tuple(overrides), groups))
    return found, problems


def _cells(row: list[str]) -> list[str]:
    """Give the cells of a row without the empty ones that spreadsheets put behind the last."""
    cells = [cell.strip() for cell in row]
    while cells and not cells[-1]:
        del cells[-1]
    return cells


def _separator(path: str, header: str) -> str:
    """Tab for .tsv; for .csv what stands in the header, as spreadsheets differ by country."""
    if path.lower().endswith(".tsv"):
        return "\t"
    return ";" if header.count(";") > header.count(",") else ","


def _is_group(name: str) -> bool:
    """Tell a column of the user's own: all keys have a dot, but for those of the whole config."""
    return bool(name) and "." not in name and name not in ("sample", "path", *INFORMATION)


def _group_problems(name: str, schema: dict) -> list[str]:
    if name in schema["properties"]:
        if name in WHOLE_RUN:
            return [f"column {name} holds for the whole run; set it in the config"]
        return [f"column {name} is a table of keys; name one, such as {_a_key(name, schema)}"]
    # What looks like a key would do nothing here, and its user would not know.
    for rule in ("load_stack", "project_stack", "subtract_background", "plot_qc"):
        for key in _keys(rule, schema["properties"][rule]):
            if key.rpartition(".")[2] == name.lower():
                return [f"column {name} is not a key; write {key}, or give the column another name"]
    if name in (*KEYS, *VERDICT, *COLUMNS):
        return [f"column {name} has the name of a column of metrics.tsv; give it another name"]
    return []


def _keys(name: str, schema: dict) -> Iterator[str]:
    yield name
    for key, inner in schema.get("properties", {}).items():
        yield from _keys(f"{name}.{key}", inner)


def _a_key(name: str, schema: dict) -> str:
    return list(_keys(name, schema["properties"][name]))[-1]


def _header_problems(header: list[str], schema: dict) -> list[str]:
    problems = [
        f"the column {name} is missing" for name in ("sample", "path") if name not in header
    ]
    problems += [
        f"the column {name} stands twice"
        for name in sorted({*header} - {""})
        if header.count(name) > 1
    ]
    if "" in header:
        problems.append(f"column {header.index('') + 1} has no name in the first line")
    for name in filter(None, header):
        if name in ("sample", "path", *INFORMATION):
            continue
        if _is_group(name):
            problems += _group_problems(name, schema)
            continue
        if name.split(".")[0] in WHOLE_RUN:
            problems.append(f"column {name} holds for the whole run; set it in the config")
            continue
        try:
            read_cell(name, "", schema)
        except ClearfieldError as error:
            if "is not a key" in str(error):
                problems.append(str(error))
    return problems
