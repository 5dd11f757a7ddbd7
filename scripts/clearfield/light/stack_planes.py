"""A stack in; out comes an image of it for each time and channel, with nothing projected yet."""

import numpy as np

from ..stack.description import read_stack


class MiddlePlanes:
    """The middle planes of a stack, which stand for the light of all of them.

    A maximum of noisy planes lies above their mean, and the more so the brighter they are; a single
    plane is gain times light, and nothing else. It looks like an image of `read_ome_tiff`.

    Parameters
    ----------
    path : str
        Of the .stack file.
    """

    def __init__(self, path: str) -> None:
        self._stack = stack = read_stack(path)
        times, channels, self._depth, height, width = stack.shape
        self.shape = (times, channels, height, width)
        self.dtype = np.dtype(stack.dtype)
        self.pixel_size_um, self.channel_names = stack.pixel_size_um, stack.channel_names
        # One plane holds the offset once, whatever becomes of it later.
        self.provenance = {"project_stack": {"method": "max", "first_plane": 0, "last_plane": 0}}

    def plane(self, time: int, channel: int) -> np.ndarray:
        """Read the middle plane of a time and channel."""
        planes = self._stack.open()
        plane = planes[time, channel, self._depth // 2]
        planes.check()
        return plane
