"""The tables of QC numbers: their columns, and how they are written and read.

Tab-separated, UTF-8, one header. Text stands as it is, also a sample whose name begins with "="
or "-": these tables are read by programs, which join them by that name. Whoever opens one in a
spreadsheet imports it as text.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..errors import ClearfieldError
from ..results.whole_files import replacing

KEYS = ("sample", "time", "channel", "channel_name")
VERDICT = ("status", "reason")
REMEDY = "delete it and run again to make it anew"
COLUMNS = {
    "method": "the method that subtracted the background",
    "radius_px": "half-width of its filter: disk radius, (min_size - 1) / 2, or high_sigma, px",
    "radius_um": "the same in µm, where the calibration is known",
    "saturation_level": "grey level at which the detector is full",
    "saturated_fraction": "fraction of the pixels of the stack at that level or above",
    "nonfinite_fraction": "fraction of the pixels of the stack that are NaN or infinite",
    "clipped_fraction": "fraction of the pixels of the result that were cut to fit its dtype",
    "negative_fraction": "fraction of the pixels below zero before clipping or offsetting",
    "offset": "constant that was added to the result, grey levels",
    "background_median_before": "median of the background pixels of the projection, grey levels",
    "background_median_after": "the same of the result, without the offset",
    "background_mad_before": "median absolute deviation of the background pixels before",
    "background_mad_after": "the same after",
    "unevenness_before": "range of a 2nd-order surface fitted to the background, grey levels",
    "unevenness_after": "the same after",
    "unevenness_ratio": "unevenness_after / unevenness_before",
    "object_fraction": "fraction of the pixels that belong to objects",
    "signal_to_background_before": "(object mean - background median) / background median, before",
    "signal_to_background_after": "the same after",
    "contrast_to_noise_before": "the same difference / noise_before",
    "contrast_to_noise_after": "the same after",
    "signal_survived": "contrast of the objects with their surroundings: after / before",
    "object_diameter_px": "diameter below which half of the objects' intensity lies, px",
    "object_diameter_um": "the same in µm, where the calibration is known",
    "largest_diameter_px": "diameter below which 95 % of the objects' intensity lies, px",
    "recommended_radius_px": "smallest top-hat radius that keeps the objects, px",
    "recommended_radius_um": "the same in µm, where the calibration is known",
    "signal_kept_at_radius": "fraction of object intensity that a top-hat of radius_px keeps",
    "signal_kept_at_recommended": "the same at recommended_radius_px",
    "sharpest_plane": "index along Z, from 0, of the plane with the strongest local contrast",
    "planes": "number of planes that were projected",
    "drift_z": "change of the plane means along Z (robust line), relative to the first plane",
    "flicker_z": "largest deviation of a plane's mean from its two neighbours' / median",
    "stack_mean": "mean grey level of the stack (every 16th row)",
    "drift_t": "change of stack_mean along time (robust line), relative to the first time point",
    "flicker_t": "deviation of this time point's stack_mean from that line, relative to the line",
    "object_signal": "contrast of the objects with their surroundings before, grey levels",
    "signal_drift_t": "change of object_signal along time (robust line), relative to the first",
    "range_low": "grey level shown black in the figure (projection and background)",
    "range_high": "grey level shown white in the figure",
    "noise_before": "1.4826 × background_mad_before, at least what rounding leaves, grey levels",
    "noise_after": "the same after",
    "unevenness_to_signal": "unevenness_after / object_signal",
    "plane_height_px": "rows of the plane",
    "plane_width_px": "columns of the plane",
    "background_left_sigma": "background_median_after / noise_after",
    "background_left_to_signal": "background_median_after / object_signal",
    "projection": "the method of the projection, and its planes where not all were taken",
    "light_background": "1 where dark objects on a light background were looked for, else 0",
    "sizes": "the sizes of the method by name, px and, where the calibration is known, µm",
    "series": "which series, from 0, of a file that holds several",
}
"""Column of the sample's table: what it is. Fractions are 0 to 1; a missing value is NaN."""


def write_table(path: str | Path, columns: Iterable[str], rows: Iterable[dict]) -> None:
    """Write rows as they come; a NaN or None is an empty cell, a number has 6 digits.

    Parameters
    ----------
    path : str or Path
        Whole or absent, never half-written.
    columns : iterable of str
        The header.
    rows : iterable of dict
        A row may lack columns.
    """
    columns = list(columns)
    with (
        replacing(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            writer.writerow([format_value(row.get(column)) for column in columns])


def format_value(value: object) -> str:
    """Give a cell's text.

    Examples
    --------
    >>> [format_value(value) for value in (0.123456789, 3, float("nan"), None, "DAPI")]
    ['0.123457', '3', '', '', 'DAPI']
    """
    if value is None or value != value:
        return ""
    return str(value) if isinstance(value, str | int) else f"{float(value):.6g}"


def read_table(path: str | Path, required: Iterable[str] = KEYS) -> Iterator[dict[str, str]]:
    """Yield the rows of a table as text.

    Raises
    ------
    ClearfieldError
        Where the table lacks a required column, or a row has not as many cells as the header.
    """
    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            yield from _checked_rows(path, csv.reader(file, delimiter="\t"), required)
    except (csv.Error, UnicodeDecodeError) as error:
        raise ClearfieldError(f"{path} is damaged ({error}); {REMEDY}") from error


def _checked_rows(
    path: str | Path, reader: Iterator[list[str]], required: Iterable[str]
) -> Iterator[dict[str, str]]:
    header = next(reader, [])
    missing = [column for column in required if column not in header]
    if missing:
        raise ClearfieldError(f"{path} has no column {missing[0]}; {REMEDY}")
    for number, cells in enumerate(reader, 2):
        if len(cells) != len(header):
            raise ClearfieldError(
                f"line {number} of {path} has {len(cells)} cells, not {len(header)}; {REMEDY}"
            )
        yield dict(zip(header, cells, strict=True))
