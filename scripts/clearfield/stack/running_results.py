"""Rows of one plane after another in; out comes their projection."""

import numpy as np


def highest_of(rows: np.ndarray) -> float:
    """Give the largest value of some rows; a NaN counts for none."""
    return np.fmax.reduce(rows, axis=None) if rows.dtype.kind == "f" else rows.max()


def set_first(held: list[np.ndarray], rows: np.ndarray, z: int) -> None:
    """Begin with the rows of the first plane."""
    held[0][:] = rows


def keep_largest(held: list[np.ndarray], rows: np.ndarray, z: int) -> None:
    """Keep the larger of the result so far and the rows of the next plane."""
    (np.fmax if rows.dtype.kind == "f" else np.maximum)(held[0], rows, out=held[0])


def _keep_smallest(held: list[np.ndarray], rows: np.ndarray, z: int) -> None:
    (np.fmin if rows.dtype.kind == "f" else np.minimum)(held[0], rows, out=held[0])


def _start_sums(held: list[np.ndarray], rows: np.ndarray, z: int) -> None:
    for array in held:
        array[:] = 0
    _add(held, rows, z)


def _add(held: list[np.ndarray], rows: np.ndarray, z: int) -> None:
    if rows.dtype.kind == "f":
        there = ~np.isnan(rows)
        held[-1][:] += there
        rows = np.where(there, rows, rows.dtype.type(0))
    np.add(held[0], rows, out=held[0])


def _number(held: list[np.ndarray], arrays: int, depth: int) -> np.ndarray | int:
    """How many planes have a pixel: NaN where none has it, so that results become NaN."""
    if len(held) == arrays:
        return depth
    return np.where(held[-1] > 0, held[-1], np.nan)


def _total(held: list[np.ndarray], depth: int) -> np.ndarray:
    number = _number(held, 1, depth)
    return held[0] if isinstance(number, int) else np.where(np.isnan(number), np.nan, held[0])


def _mean(held: list[np.ndarray], depth: int) -> np.ndarray:
    return (held[0] / _number(held, 1, depth)).astype("f4")


def _start_squares(held: list[np.ndarray], rows: np.ndarray, z: int) -> None:
    # Sums of squares are taken about the first plane, else large grey levels would hide the spread.
    held[2][:] = np.nan_to_num(rows, nan=0.0) if rows.dtype.kind == "f" else rows
    held[0][:] = 0
    held[1][:] = 0
    if len(held) > 3:
        held[3][:] = ~np.isnan(rows)


def _add_squares(held: list[np.ndarray], rows: np.ndarray, z: int) -> None:
    distance = np.subtract(rows, held[2])
    if rows.dtype.kind == "f":
        there = ~np.isnan(rows)
        held[3][:] += there
        distance = np.where(there, distance, 0.0)
    np.add(held[0], distance, out=held[0])
    np.multiply(distance, distance, out=distance)
    np.add(held[1], distance, out=held[1])


def _deviation(held: list[np.ndarray], depth: int) -> np.ndarray:
    number = _number(held, 3, depth)
    variance = (held[1] - held[0] ** 2 / number) / number
    return np.sqrt(np.maximum(variance, 0)).astype("f4")


def _keep_all(held: list[np.ndarray], rows: np.ndarray, z: int) -> None:
    held[0][z] = rows


def middle(held: list[np.ndarray], depth: int) -> np.ndarray:
    """Give the median along the first axis, NaN ignored; what is held is sorted in place.

    Examples
    --------
    >>> middle([np.array([[3.0, np.nan], [1.0, np.nan], [np.nan, np.nan]])], 3).tolist()
    [2.0, nan]
    """
    values = held[0]
    values.sort(axis=0)  # NaN come last
    if values.dtype.kind == "f":
        number = np.count_nonzero(~np.isnan(values), axis=0)
        low, high = np.maximum(number - 1, 0) // 2, number // 2
        low = np.take_along_axis(values, low[None], axis=0)[0].astype("f8")
        high = np.take_along_axis(values, np.minimum(high, depth - 1)[None], axis=0)[0]
    else:
        low, high = values[(depth - 1) // 2].astype("f8"), values[depth // 2]
    return ((low + high) / 2).astype("f4")


# Of each method: what the first plane does, what each further one does, what gives the result
# (None: the first of what is held), and the dtypes of what is held (None: the stack's).
RUNNING = {
    "max": (set_first, keep_largest, None, [None]),
    "min": (set_first, _keep_smallest, None, [None]),
    "sum": (_start_sums, _add, _total, ["f8"]),
    "mean": (_start_sums, _add, _mean, ["f8"]),
    "std": (_start_squares, _add_squares, _deviation, ["f8", "f8", "f8"]),
    "median": (_keep_all, _keep_all, middle, [None]),  # all planes are held
}
