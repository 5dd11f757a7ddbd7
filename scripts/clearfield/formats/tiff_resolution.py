"""The resolution tags of a TIFF page in; out come µm per pixel, where they can be believed."""

import tifffile

from .length_units import micrometres

UNKNOWN = {"x": None, "y": None, "z": None}


# ASSUME: a resolution per inch or cm is meant for printing where it is coarser than this.
# 5 µm are 5,080 dots per inch.
COARSEST_UM = 5.0


def inverse_of(page: tifffile.TiffPage, code: int) -> float | None:
    """Give 1 / the fraction in a tag, None where it is missing or no fraction above 0."""
    tag = page.tags.get(code)
    try:
        numerator, denominator = tag.value
        return denominator / numerator
    except (AttributeError, TypeError, ValueError, ZeroDivisionError):
        return None


def resolution(page: tifffile.TiffPage) -> dict[str, float | None]:
    """Take a resolution that is not meant for a printer: too fine, or per mm or µm.

    The latter two are no part of TIFF 6.0; tifffile writes them.
    """
    code = int(page.resolutionunit)
    unit = {2: "inch", 3: "cm", 4: "mm", 5: "µm"}.get(code)
    sizes = [micrometres(inverse_of(page, tag), unit) for tag in (282, 283)]
    if None in sizes or (code < 4 and max(sizes) > COARSEST_UM):
        return {}
    # A fraction of 32-bit integers is exact to about 9 digits.
    return {axis: float(f"{size:.9g}") for axis, size in zip("xy", sizes, strict=True)}
