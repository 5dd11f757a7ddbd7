"""Giving the memory of read rows back changes no pixel, whatever kind of array they are in."""

import numpy as np
import pytest
from clearfield.filters.morphology import white_tophat
from clearfield.filters.plane import forget_rows


@pytest.mark.parametrize("mode", ["r", "c", "r+"])
@pytest.mark.parametrize("offset", [0, 10, 5000])
def test_forgotten_rows_read_the_same_again(tmp_path, mode, offset):
    path = tmp_path / "plane.raw"
    pixels = np.random.default_rng(0).integers(0, 60_000, (300, 77)).astype("<u2")
    path.write_bytes(bytes(offset) + pixels.tobytes())
    image = np.memmap(path, "<u2", mode, offset, (300, 77))
    if mode != "r":
        image[7, 7] = pixels[7, 7] = 1
    for first, last in ((0, 1), (0, 300), (137, 138), (290, 300)):
        forget_rows(image, first, last)
        np.testing.assert_array_equal(image, pixels)
        forget_rows(image[10:], first, last)
        np.testing.assert_array_equal(image, pixels)
    forget_rows(image[:, ::2], 0, 300)
    np.testing.assert_array_equal(image, pixels)
    np.testing.assert_array_equal(white_tophat(image, 9), white_tophat(pixels, 9))
