"""The steps of a method, one image each, as the original tutorial shows them."""

from __future__ import annotations

import numpy as np

from ..methods.known_methods import method_of
from .grey_image import shrink


def list_steps(
    projection: np.ndarray, result: np.ndarray, channel: dict, size: tuple[int, int]
) -> list[tuple[str, np.ndarray, bool]]:
    """Compute the steps of a channel's method.

    Parameters
    ----------
    projection, result : (Y, X)
        Before and after. The whole plane is held in memory.
    channel : dict
        Method, light_background and sizes in px.
    size : (int, int)
        Rows and columns of the screen.

    Returns
    -------
    list of (caption, (y, x) float32, bool)
        Small copies as `display.shrink` makes them; true for those on the result's grey scale.

    Examples
    --------
    >>> channel = {"method": "minmax", "light_background": False, "min_size": 3, "max_size": 3}
    >>> image = np.array([[5, 5, 9, 5, 5]], np.uint8)
    >>> for caption, step, _ in list_steps(image, image - 5, channel, (1, 5)):
    ...     print(caption, step[0].astype(int).tolist())
    Original [5, 5, 9, 5, 5]
    Minimum, 3 px [5, 5, 5, 5, 5]
    Maximum of the minimum, 3 px [5, 5, 5, 5, 5]
    Result [0, 0, 4, 0, 0]
    """
    image = np.asarray(projection[0 : projection.shape[0]])
    steps = [(caption, step, False) for caption, step in method_of(channel).steps(image, channel)]
    steps = [("Original", image, False), *steps, ("Result", result, True)]
    return [(caption, shrink(step, size), scale) for caption, step, scale in steps]
