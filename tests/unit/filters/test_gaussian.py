"""Gaussian blur and difference of Gaussians against scikit-image and SciPy in double precision."""

import numpy as np
import pytest
from clearfield.errors import ClearfieldError
from clearfield.filters import gaussian as gaussians
from clearfield.filters.gaussian import (
    difference_of_gaussians,
    difference_of_gaussians_blocks,
    gaussian,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from skimage import filters as reference

DTYPES = ["uint8", "uint16", "int16", "uint32", "float32", "float64"]


def _values(dtype):
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return st.floats(-1e5, 1e5, width=32)
    limits = np.iinfo(dtype)
    return st.integers(limits.min, limits.max)


IMAGES = st.sampled_from(DTYPES).flatmap(
    lambda dtype: hnp.arrays(
        dtype,
        st.tuples(st.integers(1, 30), st.integers(1, 30)),
        elements=_values(dtype),
        fill=_values(dtype),
    )
)
SIGMAS = st.one_of(st.sampled_from([0, 0.5, 1, 2, 2.5, 2.75, 3, 10, 100]), st.floats(0, 40))


def _assert_close(image, low, high):
    """Compare with scikit-image, to 1e-6 of its largest value.

    What scikit-image itself rounds away in double precision (a constant image gives it
    differences of some 1e-16 of the grey level) is left aside, and what float32 cannot hold.
    """
    expected = reference.difference_of_gaussians(image.astype(np.float64), low, high)
    result = difference_of_gaussians(image, low, high)
    assert result.dtype == np.float32
    rounding = 1e-13 * np.abs(image.astype(np.float64)).max() + np.finfo(np.float32).tiny
    np.testing.assert_allclose(
        result, expected, rtol=0, atol=1e-6 * np.abs(expected).max() + rounding
    )


@settings(max_examples=100, deadline=None)
@given(image=IMAGES, low=SIGMAS, high=SIGMAS)
def test_difference_equals_scikit_image_edges_included(image, low, high):
    low, high = sorted((low, high))
    if low < high:
        _assert_close(image, low, high)


@settings(max_examples=40, deadline=None)
@given(image=IMAGES, sigma=SIGMAS)
def test_blur_equals_scipy(image, sigma):
    expected = ndimage.gaussian_filter(image.astype(np.float64), sigma, mode="nearest", truncate=4)
    np.testing.assert_allclose(
        gaussian(image, sigma),
        expected,
        rtol=1e-6,
        atol=1e-7 * np.abs(expected).max() + np.finfo(np.float32).tiny,
    )


@pytest.mark.parametrize("low, high", [(0, 1), (1, 2), (1, 25), (1, 100), (3, 3.5), (20, 200)])
@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_a_faint_signal_on_a_large_offset_survives(low, high, dtype):
    image = np.random.default_rng(0).normal(10_000, 100, (300, 210)).astype(dtype)
    _assert_close(image, low, high)


@pytest.mark.parametrize("low, high", [(1, 2), (1, 100), (90, 100)])
def test_a_steep_ramp_survives(low, high):
    image = np.add.outer(np.arange(400) * 90, np.arange(310) * 90).astype(np.uint16)
    _assert_close(image, low, high)


def test_a_constant_image_has_no_difference():
    image = np.full((60, 70), 65535, np.uint16)
    np.testing.assert_allclose(difference_of_gaussians(image, 1, 30), 0, atol=1e-9 * 65535)


def test_a_single_pixel_spreads_as_the_kernel_and_keeps_its_sum():
    image = np.zeros((101, 101), np.uint16)
    image[50, 50] = 60_000
    blurred = gaussian(image, 5)
    assert blurred.sum(dtype=np.float64) == pytest.approx(60_000, rel=1e-6)
    # A product of two sampled normal densities: exp(-(3² + 4²) / (2 · 5²)) of the middle.
    assert blurred[53, 54] / blurred[50, 50] == pytest.approx(np.exp(-0.5), rel=1e-6)


def _stripes(shape, sigma):
    """The pattern that nodes every half sigma are the worst for: its period is sigma."""
    waves = [np.cos(2 * np.pi * np.arange(length) / sigma) for length in shape]
    return 30_000 * np.multiply.outer(*waves)


def _edges(shape, sigma):
    """Steps between black and white, and single bright pixels, also in a corner."""
    image = np.zeros(shape, np.uint16)
    image[shape[0] // 3 :, shape[1] // 2 :] = 65535
    image[0, 0] = image[100, 100] = image[-1, 7] = 65535
    return image


def _noise(shape, sigma):
    return np.random.default_rng(0).normal(10_000, 100, shape).astype(np.float32)


@pytest.mark.parametrize("pattern", [_stripes, _edges, _noise])
@pytest.mark.parametrize(
    "low, high", [(1, 12), (1, 100), (12, 15), (16, 20), (20, 24.9), (30, 200), (79, 99)]
)
def test_long_gaussians_equal_scikit_image(pattern, low, high):
    _assert_close(pattern((333, 1100), high), low, high)


@pytest.mark.parametrize("low, high", [(1, 9), (4, 25), (0, 60)])
def test_bands_and_threads_do_not_matter(low, high, monkeypatch, many_threads):
    image = np.random.default_rng(1).integers(0, 60_000, (333, 390)).astype(np.uint16)
    whole = difference_of_gaussians(image, low, high, threads=1)
    np.testing.assert_array_equal(difference_of_gaussians(image, low, high, threads=2), whole)
    monkeypatch.setattr(gaussians, "_BAND_PIXELS", 0)
    banded = difference_of_gaussians(image, low, high, threads=1)
    np.testing.assert_allclose(banded, whole, rtol=0, atol=1e-7 * np.abs(whole).max())
    for name in ("_RESULT_ROWS", "_TILE_ROWS", "_TILE_COLUMNS"):
        monkeypatch.setattr(gaussians, name, 64)
    bands = list(difference_of_gaussians_blocks(image, low, high))
    assert len(bands) > 1
    pieces = difference_of_gaussians(image, low, high, threads=3)
    np.testing.assert_allclose(pieces, whole, rtol=0, atol=1e-7 * np.abs(whole).max())
    again = difference_of_gaussians(image, low, high, threads=1)
    np.testing.assert_array_equal(again, pieces)


class _Rows:
    """The least that a filter may ask of an image: shape, dtype and slices of rows."""

    def __init__(self, array):
        self._array, self.shape, self.dtype = array, array.shape, array.dtype

    def __getitem__(self, rows):
        assert isinstance(rows, slice)
        return self._array[rows].copy()


def test_blocks_give_difference_and_large_gaussian_in_order():
    image = np.random.default_rng(2).integers(0, 250, (700, 40)).astype(">u2")
    image.flags.writeable = False
    row = 0
    for first, last, difference, large in difference_of_gaussians_blocks(_Rows(image), 1, 8):
        assert first == row
        row = last
        np.testing.assert_array_equal(large, gaussian(image, 8)[first:last])
        np.testing.assert_array_equal(difference, difference_of_gaussians(image, 1, 8)[first:last])
        np.testing.assert_allclose(gaussian(image, 1)[first:last] - large, difference, atol=1e-4)
    assert row == 700


@pytest.mark.parametrize("sigma", [0, 0.8, 2, 7, 19])
@pytest.mark.parametrize("band", [0, 2**25])
def test_missing_pixels_are_averaged_over(sigma, band, monkeypatch):
    monkeypatch.setattr(gaussians, "_BAND_PIXELS", band)
    image = np.random.default_rng(3).normal(1000, 50, (300, 60)).astype(np.float32)
    for value, (y, x) in zip((np.nan, np.inf, -np.inf), ((0, 0), (40, 30), (41, 31)), strict=True):
        image[y, x] = value
    image[120:, :7] = np.nan
    there = np.isfinite(image)

    def blur(plane):
        return ndimage.gaussian_filter(plane.astype(np.float64), sigma, mode="nearest")

    weight = np.where(there, blur(there), np.nan)
    expected = blur(np.where(there, image, 0)) / weight
    np.testing.assert_allclose(gaussian(image, sigma), expected, rtol=2e-7)
    flat = np.where(there, np.float32(7), np.nan)
    np.testing.assert_allclose(gaussian(flat, sigma), flat, rtol=1e-7)
    assert (np.isnan(difference_of_gaussians(image, sigma, 20)) == ~there).all()


def test_an_image_with_nothing_in_it():
    assert np.isnan(gaussian(np.full((5, 6), np.nan), 2)).all()
    assert gaussian(np.zeros((0, 4)), 2).shape == (0, 4)
    assert difference_of_gaussians(np.zeros((4, 0)), 1, 2).shape == (4, 0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((np.zeros((4, 4)), 5, 5), "low_sigma must be the smaller"),
        ((np.zeros((4, 4)), 6, 5), "low_sigma must be the smaller"),
        ((np.zeros((4, 4)), -1, 5), "low_sigma is -1"),
        ((np.zeros((4, 4)), 1, float("nan")), "high_sigma is nan"),
        ((np.zeros((4, 4)), 1, float("inf")), "high_sigma is inf"),
        ((np.zeros((2, 4, 4)), 1, 5), "one plane"),
        ((np.zeros((4, 4), complex), 1, 5), "dtype complex128"),
    ],
)
def test_what_cannot_be_filtered_is_said_at_once(arguments, words):
    with pytest.raises(ClearfieldError, match=words):
        difference_of_gaussians_blocks(*arguments)
