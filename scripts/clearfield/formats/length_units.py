"""Lengths in the units that microscopes write, as micrometres."""

import math
import re

# Spelt without case, with every micro sign as "u".
_UNITS = {
    1.0: ("um", "micron", "microns", "micrometer", "micrometers", "micrometre", "micrometres"),
    1e-3: ("nm", "nanometer", "nanometers", "nanometre", "nanometres"),
    1e3: ("mm", "millimeter", "millimeters", "millimetre", "millimetres"),
    1e4: ("cm", "centimeter", "centimeters", "centimetre", "centimetres"),
    1e6: ("m", "meter", "meters", "metre", "metres"),
    1e-6: ("pm", "picometer", "picometers", "picometre", "picometres"),
    1e-4: ("å", "angstrom", "angstroms", "ångström", "ångstrom", "a"),
    25400.0: ("in", "inch", "inches"),
}
_FACTORS = {name: factor for factor, names in _UNITS.items() for name in names}


def micrometres(size: object, unit: str | None) -> float | None:
    r"""Convert a length to µm; None where it is no length, or not a positive finite number.

    Parameters
    ----------
    size : number or text
        The sign is dropped: ImageJ writes negative spacings for stacks recorded downwards.
    unit : str or None
        µm, um, \u00B5m (escaped, as ImageJ writes it), micron, nm, mm, ...

    Examples
    --------
    >>> micrometres(250, "nm"), micrometres("2", "\\u00B5m"), micrometres(1, "pixel")
    (0.25, 2.0, None)
    """
    factor = unit_factor(unit)
    try:
        length = abs(float(size))
    except (TypeError, ValueError):
        return None
    if factor is None or length == 0 or not math.isfinite(length):
        return None
    # 250 nm are 0.25 µm, not 250 * 0.001 = 0.25000000000000006
    length = length / round(1 / factor) if factor < 1 else length * factor
    return length if factor == 1 else float(f"{length:.14g}")


def unit_factor(unit: str | None) -> float | None:
    """Give the µm in a unit; None where it is no length ("pixel", "", ...).

    Examples
    --------
    >>> unit_factor("Micron"), unit_factor("pixel")
    (1.0, None)
    """
    if not unit:
        return None
    text = str(unit).strip().strip("\0").strip()
    # ImageJ escapes what is not ASCII, be it read in a wrong encoding before ("Âµ") or not.
    text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), text)
    for micro in ("Âµ", "Î¼", "µ", "μ", "&micro;"):
        text = text.replace(micro, "u")
    return _FACTORS.get(text.casefold())


def shortest(size: float, error: float) -> float:
    """Give the number of the fewest digits that lies within `error` of a size.

    Examples
    --------
    >>> shortest(0.108000002, 1e-8), shortest(1 / 3, 1e-6)
    (0.108, 0.333333)
    """
    rounded = (float(f"{size:.{digits}g}") for digits in range(1, 17))
    return next((one for one in rounded if abs(one - size) <= error), size)
