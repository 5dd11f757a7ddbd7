"""The projections, or the stacks, of a group in; out comes what each channel tells of the light.

A channel is known by its name. Only `choice.MOST_IMAGES` of the planes are read, one at a time, and
their cells are all that is held: 64 kB an image, whatever its size.
"""

import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import ClearfieldError
from ..filters.parallel import run_tasks
from ..results.ometiff import OmeTiff, read_ome_tiff
from .choice import choose_planes, judge, split_halves, why_left_out
from .correction import offsets_in
from .flatfield import FEWEST_IMAGES, Estimate, coarsen, estimate_gain, expand_gain
from .given_images import DARK, read_given, unique_names
from .stack_planes import MiddlePlanes

_SHOWN = 20  # of the planes that were left out, in the facts


class Channel(NamedTuple):
    """What is known of the light of a channel.

    Attributes
    ----------
    name, file_name : str
        As the images call it, and as a part of a file's name, without "_".
    gain : (Y, X) float32
        The profile, of the mean 1; 1 everywhere where none could be estimated.
    estimate : Estimate or None
    facts : dict
        For the page and the provenance.
    """

    name: str
    file_name: str
    gain: np.ndarray
    estimate: Estimate | None
    facts: dict

    @property
    def sentence(self) -> str:
        """Say in one sentence what becomes of it."""
        facts = self.facts
        if not facts["applied"]:
            return f"the profile of {self.name} is not applied: {facts['reason']}"
        return (
            f"the profile of {self.name} is applied: unevenness {100 * facts['before']:.1f} % RMS "
            f"before, {100 * facts['after']:.1f} % after, from {facts['images']} images, "
            f"known to {100 * facts['uncertainty']:.1f} %"
        )


class Group:
    """Images that share their light.

    Parameters
    ----------
    paths : list of str
        Projections, or .stack files, of which the middle planes are taken.
    offset : float or str
        Grey levels, or the path of dark frames.

    Attributes
    ----------
    shape : tuple
        Y, X of most of the images.
    pixel_size_um : dict
    channel_names : list of str
        Of all samples, in their order.
    left_out : dict of str
        Why a sample, or a plane of it, is not in the estimate.
    """

    def __init__(self, paths: list[str], offset: float | str) -> None:
        self._files: dict[str, OmeTiff | MiddlePlanes] = {}
        for path in sorted(paths):
            name = Path(path).name
            if name.endswith(".stack"):
                self._files[name.removesuffix(".stack")] = MiddlePlanes(path)
            else:
                self._files[name.removesuffix(".ome.tif")] = read_ome_tiff(path)
        if not self._files:
            raise ClearfieldError("estimate_flatfield has no projections; name some samples")
        shapes = Counter(tuple(file.shape[2:]) for file in self._files.values())
        # Most of the images; of as many the larger, so that no order plays a part.
        self.shape = max(shapes, key=lambda shape: (shapes[shape], shape))
        self.left_out: dict[str, str] = {}
        for name in list(self._files):
            height, width = self._files[name].shape[2:]
            if (height, width) != self.shape:
                del self._files[name]
                self.left_out[name] = (
                    f"it has {width} × {height} pixels, and most of its group have "
                    f"{self.shape[1]} × {self.shape[0]}"
                )
        self.pixel_size_um = next(iter(self._files.values())).pixel_size_um
        self.channel_names = list(
            dict.fromkeys(
                name for file in self._files.values() for name in unique_names(file.channel_names)
            )
        )
        self._dark = read_given(offset, DARK) if _is_path(offset) else None
        self._offset = 0.0 if self._dark else float(offset)

    def estimate(self, channel: str, threads: int = 1) -> Channel:
        """Estimate the light of a channel and judge the estimate."""
        times = {
            name: file.shape[0]
            for name, file in self._files.items()
            if channel in unique_names(file.channel_names)
        }
        chosen = choose_planes(times)
        cells: dict[int, np.ndarray] = {}
        reasons: dict[int, str] = {}

        def work(number: int) -> None:
            cells[number], reasons[number] = self._read(*chosen[number], channel)

        run_tasks(work, [(number,) for number in range(len(chosen))], threads)
        unused = [number for number in range(len(chosen)) if reasons[number]]
        used = [number for number in range(len(chosen)) if not reasons[number]]
        for number in unused[:_SHOWN]:
            sample, time = chosen[number]
            at = f"{sample}, time {time}" if times[sample] > 1 else sample
            self.left_out[f"{at}, {channel}"] = reasons[number]
        if len(unused) > _SHOWN:
            self.left_out[f"{len(unused) - _SHOWN} more of {channel}"] = "for such reasons"
        estimate = None
        gain = np.ones(self.shape, "f4")
        if len(used) >= FEWEST_IMAGES:
            halves = split_halves([chosen[number] for number in used])
            images = np.stack([cells[number] for number in used]).astype("f4")
            cells.clear()
            estimate = estimate_gain(images, halves, threads=threads)
            gain = expand_gain(estimate.gain, self.shape)
        verdict = judge(estimate, len(used), float(gain.min()))
        facts = {
            "channel": channel,
            "images": len(used),
            "of": sum(times.values()),
            "left_out": len(unused),
            "applied": verdict.applied,
            "reason": verdict.reason,
        }
        if estimate:
            facts |= {
                "uncertainty": round(estimate.uncertainty, 5),
                "unevenness": round(estimate.unevenness, 5),
                "before": round(estimate.before, 5),
                "after": round(estimate.after if verdict.applied else estimate.before, 5),
                "least": round(float(gain.min()), 4),
                "most": round(float(gain.max()), 4),
            }
        return Channel(channel, self._file_name(channel), gain, estimate, facts)

    def _read(self, sample: str, time: int, channel: str) -> tuple[np.ndarray, str]:
        """Read a plane; give its cells and why it is left out, if it is."""
        file = self._files[sample]
        number = unique_names(file.channel_names).index(channel)
        plane = file.plane(time, number)
        how = file.provenance["project_stack"]
        count = offsets_in(how["method"], how["last_plane"] - how["first_plane"] + 1)
        offset = self._offset
        if self._dark:
            offset = coarsen(self._dark.of_channel(file.channel_names, number, self.shape))
        cells = coarsen(plane) - count * offset
        return cells, why_left_out(plane, cells)

    def _file_name(self, channel: str) -> str:
        """Name a channel in a file's name, each its own."""
        names = [safe_name(name) for name in self.channel_names]
        number = self.channel_names.index(channel)
        alike = names.count(names[number]) > 1
        return f"{names[number]}-{number}" if alike else names[number]


def _is_path(offset: float | str) -> bool:
    return isinstance(offset, str)


def safe_name(name: str) -> str:
    """Make a name part of a file's name; "_" stands between group and channel alone.

    Examples
    --------
    >>> [safe_name(name) for name in ("DAPI", "Alexa_488 / em", "")]
    ['DAPI', 'Alexa-488-em', 'channel']
    """
    return re.sub(r"[^\w.+]+|_+", "-", name).strip("-.")[:80] or "channel"
