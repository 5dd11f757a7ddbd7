"""Memory that has been used before shows in no result."""

import math

import numpy as np
import pytest
from clearfield import difference_of_gaussians, white_tophat
from clearfield.filters import gaussian, morphology, running_extrema


def used(shape, dtype):
    """Give an array whose bits are all set: the largest value, -1, or NaN."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    return np.full(size, 255, np.uint8).view(dtype).reshape(shape)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
@pytest.mark.parametrize(
    ("function", "sizes"),
    [
        *((white_tophat, (radius,)) for radius in (0, 1, 2, 9)),
        (morphology.closing, (5,)),
        (morphology.minmax_filter_background, (3, 5)),
        *((difference_of_gaussians, (1, sigma)) for sigma in (3, 40)),
    ],
)
def test_what_lay_in_memory_before_does_not_matter(function, sizes, dtype, monkeypatch):
    image = np.random.default_rng(6).integers(0, 120, (40, 50)).astype(dtype)
    expected = function(image, *sizes)
    for module in (gaussian, morphology, running_extrema):
        monkeypatch.setattr(module, "any_array", used)
    np.testing.assert_array_equal(function(image, *sizes), expected)


def test_blocks_too(monkeypatch):
    image = np.random.default_rng(6).integers(0, 120, (40, 50)).astype(np.uint8)
    monkeypatch.setattr(running_extrema, "_BAND_BYTES", 400)
    expected = [block.copy() for *_, block in morphology.opening_blocks(image, 3)]
    for module in (morphology, running_extrema):
        monkeypatch.setattr(module, "any_array", used)
    found = [block.copy() for *_, block in morphology.opening_blocks(image, 3)]
    assert len(found) > 1
    np.testing.assert_array_equal(np.concatenate(found), np.concatenate(expected))
