"""Samples and an estimate in; out comes which images to take, and whether to trust the profile."""

import hashlib
from typing import NamedTuple

import numpy as np

from .flatfield import FEWEST_IMAGES, Estimate

MOST_IMAGES = 256  # of a channel: more would not change the profile by a tenth of a percent
MOST_UNCERTAIN = 0.03  # root mean square; the light of most microscopes is more uneven than that
FLAT = 0.01  # root mean square: a correction of less could do as much harm as good
DARKEST = 0.1  # of the mean light: a division by less makes more noise than image
_SATURATED = 0.1  # of the pixels of an image
_FULL = tuple(2**bits - 1 for bits in (8, 10, 11, 12, 14, 15, 16))


class Verdict(NamedTuple):
    """Whether a profile is applied, and why not."""

    applied: bool
    reason: str


def choose_planes(times: dict[str, int], most: int = MOST_IMAGES) -> list[tuple[str, int]]:
    """Choose sample and time of the images that a profile is estimated from.

    First one time of each sample, then another, until there are enough: samples show different
    fields, times of one sample the same field. Which ones goes by a hash of the names, so neither
    their order nor a pattern of wells plays a part.

    Parameters
    ----------
    times : dict
        The number of time points of each sample.

    Examples
    --------
    >>> choose_planes({"a": 1, "b": 2, "c": 1}, 3)
    [('a', 0), ('b', 1), ('c', 0)]
    """
    planes = []
    for sample, count in times.items():
        order = sorted(range(count), key=lambda time, sample=sample: _hash(f"{sample}/{time}"))
        planes += [(rank, _hash(sample), sample, time) for rank, time in enumerate(order)]
    return sorted((sample, time) for _, _, sample, time in sorted(planes)[:most])


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=8).digest()


def split_halves(planes: list[tuple[str, int]]) -> np.ndarray:
    """Say of each image to which half it belongs.

    Times of a sample show the same objects, so a sample is in one half; where there are fewer than
    four samples, each gives its first times to one half and its last to the other.

    Examples
    --------
    >>> split_halves([("a", 0), ("a", 1), ("b", 0), ("c", 0), ("d", 5)]).tolist()
    [False, False, True, False, True]
    >>> split_halves([("a", 0), ("a", 1), ("a", 7), ("a", 9)]).tolist()
    [False, False, True, True]
    """
    samples = sorted({sample for sample, _ in planes})
    if len(samples) >= FEWEST_IMAGES:
        odd = dict(zip(samples, np.arange(len(samples)) % 2 == 1, strict=True))
        return np.array([odd[sample] for sample, _ in planes])
    halves = np.zeros(len(planes), bool)
    turn = 0  # a sample of one time goes to the halves in turn
    for sample in samples:
        own = [index for index, plane in enumerate(planes) if plane[0] == sample]
        own.sort(key=lambda index: planes[index][1])
        first = (len(own) + turn) // 2
        turn ^= len(own) % 2
        halves[own[first:]] = True
    return halves


def why_left_out(plane: np.ndarray, cells: np.ndarray) -> str:
    """Say why an image tells nothing of the light, or nothing where it does.

    Parameters
    ----------
    plane : (Y, X) array, or anything with shape, dtype and slices of rows
    cells : (y, x) array
        Its means, without the camera's offset.

    Examples
    --------
    >>> why_left_out(np.zeros((2, 2)), np.zeros((2, 2)))
    'it is empty'
    >>> why_left_out(np.array([[255, 255], [3, 9]], "u1"), np.array([[255.0, 255], [3, 9]]))
    '50 % of its pixels are saturated (grey level 255)'
    """
    if not np.isfinite(cells).all():
        return "parts of it are NaN or infinite"
    if np.ptp(cells) == 0:
        return "it is empty"
    if np.median(cells) <= 0:
        return "it is not brighter than the camera's offset"
    if np.dtype(plane.dtype).kind == "u":
        blocks = [np.asarray(plane[row : row + 256]) for row in range(0, plane.shape[0], 256)]
        highest = int(max(block.max() for block in blocks))
        if highest in _FULL:
            full = sum(int(np.count_nonzero(block == highest)) for block in blocks)
            share = full / (plane.shape[0] * plane.shape[1])
            if share > _SATURATED:
                return f"{100 * share:.0f} % of its pixels are saturated (grey level {highest})"
    return ""


def judge(estimate: Estimate | None, images: int, darkest: float = 1.0) -> Verdict:
    """Say whether a profile is certain enough to be applied, and needed at all.

    Parameters
    ----------
    estimate : Estimate, optional
        None where there were too few images.
    images : int
        From which it was made.
    darkest : float
        The least gain of any pixel; the mean is 1.

    Examples
    --------
    >>> judge(None, 1).reason
    'there is 1 image to estimate it from, and two halves of them need 4'
    >>> judge(Estimate(np.ones((1, 1)), 0.001, 0.004, 0.004, 0.001), 50).reason
    'the light is even (0.4 % RMS, and less than 1 % is left alone)'
    """
    if estimate is None:
        are = "is 1 image" if images == 1 else f"are {images} images"
        return Verdict(
            False,
            f"there {are} to estimate it from, and two halves of them need {FEWEST_IMAGES}",
        )
    uncertain, uneven = 100 * estimate.uncertainty, 100 * estimate.unevenness
    if estimate.uncertainty > MOST_UNCERTAIN:
        return Verdict(
            False,
            f"it is too uncertain: two halves of the {images} images tell it to {uncertain:.1f} % "
            f"RMS, and {100 * MOST_UNCERTAIN:.0f} % is the most",
        )
    if estimate.unevenness < FLAT:
        return Verdict(
            False,
            f"the light is even ({uneven:.1f} % RMS, and less than {100 * FLAT:.0f} % is left "
            "alone)",
        )
    if estimate.unevenness < 2 * estimate.uncertainty:
        return Verdict(
            False,
            f"it is too uncertain ({uncertain:.1f} % RMS) for so little unevenness "
            f"({uneven:.1f} % RMS)",
        )
    if estimate.after >= estimate.before:
        return Verdict(
            False,
            f"it does not help: images that it has not seen are as uneven after it "
            f"({100 * estimate.after:.1f} % RMS) as before ({100 * estimate.before:.1f} %)",
        )
    if darkest < DARKEST:
        return Verdict(
            False,
            f"parts of the field have {100 * max(darkest, 0):.0f} % of the mean light, and less "
            f"than {100 * DARKEST:.0f} % is not divided by; crop the images",
        )
    return Verdict(True, "")
