"""Bring the axes of a series to T, C, Z, Y, X: relabel, select, and never guess."""

import math
from typing import NamedTuple

import numpy as np

from ..errors import ClearfieldError
from .series import Series

_UNKNOWN = "QI"  # tifffile's letters for an axis that the file does not explain
_MEANINGS = {
    "V": "views", "H": "phases", "A": "angles", "R": "rotations", "E": "wavelengths (lambda)",
    "P": "positions", "M": "mosaic tiles", "B": "blocks",
    "L": "excitation wavelengths (LIF), exposures or lifetimes",
}  # fmt: skip
_SOME = "correct it, or give it in a sample sheet to the samples that need it"


class Arrangement(NamedTuple):
    """Which planes of a series make up a stack, and where their pixels go.

    Attributes
    ----------
    shape : tuple of int
        T, C, Z, Y, X.
    numbers : int array
        C-order numbers of the series' planes, an axis for each letter of `index_axes`.
    index_axes, plane_axes : str
        The stack's axes over which `numbers` and the pixels of a read plane run. Usually
        `plane_axes` is "YX"; a user may call any axis of the file Y or X.
    taken : list
        For each axis of the series, in its `order`: the stack's letter, or the index that is taken.
    """

    shape: tuple[int, int, int, int, int]
    numbers: np.ndarray
    index_axes: str
    plane_axes: str
    taken: list[str | int]


def arrange(series: Series, axes: str | None, select: dict[str, int], name: str) -> Arrangement:
    """Choose the planes of a stack.

    Parameters
    ----------
    series : Series
    axes : str or None
        ``load_stack.axes``: a letter for each of the series' axes, in their order.
    select : dict
        ``load_stack.select``: the index to take, for axes other than Y and X.
    name : str
        The file, for the errors.

    Raises
    ------
    ClearfieldError
        For axes that are unknown, or have no place in a stack and are not selected, with the
        setting that mends it.

    Examples
    --------
    >>> series = Series("", "ZCYX", (2, 3, 5, 4), np.dtype("u1"), None)
    >>> arranged = arrange(series, None, {}, "a.tif")
    >>> arranged.shape, arranged.index_axes, arranged.numbers.tolist()
    ((1, 3, 2, 5, 4), 'ZC', [[0, 1, 2], [3, 4, 5]])
    >>> arrange(series, "ZVYX", {"V": 1}, "a.tif").numbers.tolist()
    [1, 4]
    """
    if len(series.axes) < 2:
        raise ClearfieldError(
            f"{name} holds {series.shape[0]} numbers in a row, not an image in X and Y"
        )
    letters = _relabel(series, axes, name)
    order = series.order
    sizes = dict(zip(letters, series.shape, strict=True))
    index_axes = "".join(letters[place] for place in order[:-2])
    plane_axes = "".join(letters[place] for place in order[-2:])
    for axis in select:
        if letters.count(axis) > 1:
            raise ClearfieldError(
                f"{name}: load_stack.select has {axis}, which stands more than once in {letters}; "
                f"name the axes first, with {_propose(letters, letters, series.shape)}"
            )
        if axis not in index_axes or axis in "YX":
            raise ClearfieldError(
                f"{name}: load_stack.select has {axis}, but the axes to select from are "
                f"{_list(index_axes, sizes) or 'none'}; {_SOME}"
            )
    numbers = np.arange(math.prod(series.index_shape)).reshape(series.index_shape)
    remaining, taken = "", []
    for axis in index_axes:
        place = len(remaining)
        taken.append(axis)
        if axis in select:
            if not 0 <= select[axis] < sizes[axis]:
                raise ClearfieldError(
                    f"{name}: load_stack.select has {axis}: {select[axis]}, but axis {axis} has "
                    f"{sizes[axis]} entries, 0 to {sizes[axis] - 1}"
                )
            numbers = numbers.take(select[axis], axis=place)
            taken[-1] = select[axis]
        elif axis not in "TCZYX" and numbers.shape[place] == 1:
            numbers = numbers.take(0, axis=place)
            taken[-1] = 0
        else:
            remaining += axis
    index_axes = remaining
    _check(letters, index_axes + plane_axes, sizes, series, name)
    lengths = {a: sizes[a] for a in index_axes + plane_axes}
    shape = tuple(lengths.get(a, 1) for a in "TCZYX")
    return Arrangement(shape, numbers, index_axes, plane_axes, [*taken, *plane_axes])


def _relabel(series: Series, axes: str | None, name: str) -> str:
    if axes is None:
        return series.axes
    if len(axes) != len(series.axes):
        sizes = " x ".join(map(str, series.shape))
        raise ClearfieldError(
            f"{name} has the {len(series.axes)} axes {series.axes} ({sizes}), so load_stack.axes "
            f'must have {len(series.axes)} letters, not "{axes}"; {_SOME}'
        )
    if len(set(axes)) != len(axes):
        raise ClearfieldError(f'load_stack.axes "{axes}" has a letter twice')
    return axes


def _check(letters: str, remaining: str, sizes: dict[str, int], series: Series, name: str) -> None:
    """Raise where `remaining` axes have no place in a stack, or Y or X is not among them."""
    shape = f"the axes {series.axes} ({' x '.join(map(str, series.shape))})"
    proposal = _propose(letters, remaining, series.shape)
    if unknown := _unknown(remaining):
        stand = "stand" if len(unknown) > 1 else "stands"
        raise ClearfieldError(
            f"{name} has {shape} and does not say what {' and '.join(unknown)} {stand} for; "
            f"say it with {proposal}{series.advice}"
        )
    if "S" in remaining:
        reason = f"is a colour (RGB) image with {shape}, and colours are not fluorescence channels"
        if sizes["S"] not in (3, 4):
            reason = (
                f"has {shape}: {sizes['S']} samples a pixel, be they channels or something else"
            )
        raise ClearfieldError(f"{name} {reason}; to take each as a channel set {proposal}")
    for axis in "YX":
        if axis not in remaining:
            raise ClearfieldError(
                f"{name} has {shape} and no {axis}: its planes are not images in X and Y; "
                f"if they are to be treated so, name them with {proposal}"
            )
    strange = [axis for axis in remaining if axis not in "TCZYX"]
    if strange:
        raise ClearfieldError(
            f"{name} has {shape}, and {_list(strange, sizes)} has no place in a stack; take one "
            f"with load_stack.select: {_first(strange)} "
            "(counted from 0), or rename the axis with load_stack.axes"
        )


def _propose(letters: str, remaining: str, shape: tuple[int, ...]) -> str:
    """Say which settings mend the axes."""
    named = suggest(letters)
    settings = [f'load_stack.axes: "{named}"'] if named != letters else []
    places = zip(letters, named, shape, strict=True)
    strange = [n for old, n, size in places if old in remaining and n not in "TCZYX" and size > 1]
    if strange:
        settings.append(f"load_stack.select: {_first(strange)} (counted from 0)")
    return " and ".join(settings)


def suggest(axes: str) -> str:
    """Propose letters, as many as the file has axes: X and Y, and what T, C and Z hold.

    Examples
    --------
    >>> [suggest(axes) for axes in ("QYX", "IYX", "QQYX", "YXS", "ZYXS", "TZX", "CTX", "CQYX")]
    ['ZYX', 'ZYX', 'TZYX', 'YXC', 'ZYXC', 'TYX', 'CYX', 'CZYX']
    >>> [suggest(axes) for axes in ("QQQ", "TX", "CYXS")]  # V: one of the old channels
    ['ZYX', 'YX', 'VYXC']
    """
    result = list(axes)
    for axis in "XY":
        if axis not in result:
            result[_likeliest(result)] = axis
    if "S" in result:
        if "C" in result:
            unused = (axis for axis in _MEANINGS if axis not in result)
            result[result.index("C")] = next(unused, "C")
        result[result.index("S")] = "C"
    free = [a for a in "ZTC" if a not in result]
    for index in reversed(range(len(result))):
        if result[index] in _UNKNOWN and free:
            result[index] = free.pop(0)
    return "".join(result)


def _likeliest(axes: list[str]) -> int:
    """Choose the axis to be called Y or X: the last unknown one, else Z, T, C or the last."""
    places = [place for place, axis in enumerate(axes) if axis not in "YX"]
    return max(
        places,
        key=lambda at: (axes[at] in _UNKNOWN, axes[at] != "S", "CTZ".find(axes[at]), at),
    )


def _unknown(axes: str) -> list[str]:
    return sorted({axis for axis in axes if axis in _UNKNOWN})


def _first(axes: list[str]) -> str:
    return "{" + ", ".join(f"{axis}: 0" for axis in axes) + "}"


def _list(axes: str | list[str], sizes: dict[str, int]) -> str:
    """Name axes for a person.

    Examples
    --------
    >>> _list("VT", {"V": 3, "T": 2})
    'V (views, 3 of them), T (2 of them)'
    """
    return ", ".join(
        f"{a} ({_MEANINGS[a]}, {sizes[a]} of them)"
        if a in _MEANINGS
        else f"{a} ({sizes[a]} of them)"
        for a in axes
    )
