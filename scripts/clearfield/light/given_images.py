"""A TIFF of the user's in; out come its images, one for each channel: dark frames, or a profile."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import ClearfieldError
from ..formats.git_lfs import check_pointer
from ..formats.tiff import open_series

DARK, FLAT = "correct_light.offset", "correct_light.flatfield"


class Given(NamedTuple):
    """Images of a file by channel.

    Attributes
    ----------
    name : str
        Of the file.
    key : str
        The key of the config that names it.
    channel_names : list of str
        Empty where the file names none.
    images : (C, Y, X) float64
    """

    name: str
    key: str
    channel_names: list[str]
    images: np.ndarray

    def of_channel(self, names: list[str], number: int, shape: tuple[int, int]) -> np.ndarray:
        """Give the image for a channel of a sample: by its name, else by its number.

        Parameters
        ----------
        names : list of str
            Of the sample's channels.
        number : int
            Of the channel wanted.
        shape : tuple
            Y, X of the sample.

        Raises
        ------
        ClearfieldError
            Where it has no such channel, or has another shape.

        Examples
        --------
        >>> given = Given("a.tif", "correct_light.flatfield", ["GFP"], np.ones((1, 2, 2)))
        >>> given.of_channel(["DAPI", "GFP"], 1, (2, 2)).shape
        (2, 2)
        """
        known, wanted = unique_names(self.channel_names), unique_names(names)[number]
        if wanted in known:
            image = self.images[known.index(wanted)]
        elif self.key == DARK and len(self.images) == 1:  # one camera for all channels
            image = self.images[0]
        elif len(self.images) == len(names):
            image = self.images[number]
        else:
            listed = f" ({', '.join(self.channel_names)})" if self.channel_names else ""
            raise ClearfieldError(
                f"{self.key}: {self.name} has {_count(len(self.images), 'channel')}{listed} and "
                f"none for channel {number} ({names[number]}); give a file with one plane for each "
                "channel, in their order or with their names"
            )
        if image.shape != tuple(shape):
            raise ClearfieldError(
                f"{self.key}: {self.name} has {image.shape[1]} × {image.shape[0]} pixels, but the "
                f"images have {shape[1]} × {shape[0]}; give them a group of their own "
                "(correct_light.group), or a file of the same camera and binning"
            )
        return image


def unique_names(names: list[str]) -> list[str]:
    """Tell channels of one name apart by their order.

    Examples
    --------
    >>> unique_names(["GFP", "DAPI", "GFP"])
    ['GFP', 'DAPI', 'GFP (2)']
    """
    before = [names[:number].count(name) for number, name in enumerate(names)]
    return [f"{name} ({n + 1})" if n else name for name, n in zip(names, before, strict=True)]


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'s' * (number != 1)}"


def read_given(path: str, key: str) -> Given:
    """Read a TIFF with an image for each channel; whatever other axes it has are averaged.

    Raises
    ------
    ClearfieldError
        Where it is no TIFF of grey images.
    """
    name = Path(path).name
    if not Path(path).is_file() or Path(path).suffix.lower() not in (".tif", ".tiff"):
        raise ClearfieldError(f"{key}: {path} is no TIFF file; give a .tif, or save one in Fiji")
    check_pointer(path)
    series = open_series(path)[0]
    if "S" in series.axes or series.plane_axes != "YX":
        raise ClearfieldError(
            f"{key}: {name} has the axes {series.axes}, but must hold grey images (YX), one for "
            "each channel"
        )
    place = series.index_axes.find("C")
    channels = series.index_shape[place] if place >= 0 else 1
    images = np.zeros((channels, *series.plane_shape))
    for index in np.ndindex(series.index_shape):
        images[index[place] if place >= 0 else 0] += series.read(index)
    images /= np.prod(series.index_shape, dtype=int) // channels
    return Given(name, key, list(series.channel_names), images)
