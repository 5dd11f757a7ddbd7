"""A background that is estimated on a blurred copy, against SciPy and scikit-image in float64."""

import numpy as np
import pytest
import skimage.morphology
from clearfield import black_tophat, minmax_filter_background, white_tophat
from clearfield.errors import ClearfieldError
from clearfield.filters import gaussian as gaussians
from clearfield.filters import morphology, running_extrema
from clearfield.filters.smoothed_rows import SmoothedRows, smoothed
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

DTYPES = ["uint8", "uint16", "int16", "uint32", "float32", "float64", ">u2"]


def scene(dtype, shape, seed=0):
    generator = np.random.default_rng(seed)
    return (generator.random(shape) * 250).astype(dtype)


def blurred(image, sigma):
    return ndimage.gaussian_filter(image.astype(np.float64), sigma, mode="nearest", truncate=4)


def assert_close(result, expected, image):
    largest = max(1e-30, np.abs(image.astype(np.float64)).max())
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-6 * largest)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(DTYPES), st.integers(1, 30), st.integers(1, 30), st.integers(0, 9),
    st.one_of(st.sampled_from([0.5, 1, 2]), st.floats(0.01, 20)), st.integers(0, 99),
)  # fmt: skip
def test_it_is_scipys_blur_and_scikit_images_opening(dtype, rows, columns, radius, sigma, seed):
    # SciPy's filters give values that are not in the image for windows much larger than it is.
    radius = min(radius, rows, columns)
    image = scene(dtype, (rows, columns), seed)
    smooth, disk = blurred(image, sigma), skimage.morphology.disk(radius)
    exact = image.astype(np.float64)
    opened = skimage.morphology.opening(smooth, disk, mode="reflect")
    closed = skimage.morphology.closing(smooth, disk, mode="reflect")
    assert_close(white_tophat(image, radius, smooth=sigma), exact - opened, image)
    assert_close(black_tophat(image, radius, smooth=sigma), closed - exact, image)
    lowest = ndimage.minimum_filter(smooth, 5, mode="nearest")
    expected = ndimage.maximum_filter(lowest, 3, mode="nearest")
    assert_close(minmax_filter_background(image, 5, 3, smooth=sigma), expected, image)


@pytest.mark.parametrize(
    ("dtype", "result"),
    [("uint8", "f4"), ("int16", "f4"), ("float32", "f4"), ("uint32", "f8"), ("float64", "f8")],
)
def test_a_difference_has_room_for_its_sign(dtype, result):
    image = scene(dtype, (20, 30))
    assert white_tophat(image, 3, smooth=1).dtype == result
    assert white_tophat(image, 3, smooth=1).min() < 0
    assert minmax_filter_background(image, 3, 3, smooth=1).dtype == np.float32


def test_by_hand():
    """A Gaussian of sigma 0.5 gives its two neighbours exp(-2) = 0.135 of the middle's weight."""
    image = np.array([[0, 0, 100, 0, 0]], np.uint8)
    side = 100 * np.exp(-2) / (1 + 2 * np.exp(-2) + 2 * np.exp(-8))
    far = 100 * np.exp(-8) / (1 + 2 * np.exp(-2) + 2 * np.exp(-8))
    opened = white_tophat(image, 1, smooth=0.5)
    # The minima over three are far, far, side, far, far (beyond the edge there is nothing); their
    # maxima far, side, side, side, far.
    np.testing.assert_allclose(opened, [[-far, -side, 100 - side, -side, -far]], rtol=1e-6)


@pytest.mark.parametrize("radius", [1, 7, 40])
def test_bands_and_threads_leave_no_seams(radius, monkeypatch):
    image = scene("uint16", (300, 61))
    whole = white_tophat(image, radius, smooth=2.5, threads=1)
    dark = minmax_filter_background(image, 9, 31, True, smooth=2.5, threads=1)
    monkeypatch.setattr(running_extrema, "_BAND_BYTES", 61 * 4 * 20)
    monkeypatch.setattr(gaussians, "_RESULT_ROWS", 32)
    monkeypatch.setattr(gaussians, "_TILE_ROWS", 32)
    monkeypatch.setattr(gaussians, "_BAND_PIXELS", 61 * 64)
    np.testing.assert_allclose(white_tophat(image, radius, smooth=2.5, threads=2), whole, atol=1e-4)
    again = minmax_filter_background(image, 9, 31, True, smooth=2.5, threads=2)
    np.testing.assert_allclose(again, dark, atol=1e-4)
    blocks = list(
        (first, last, block.copy())
        for first, last, block in morphology.opening_blocks(image, radius, smooth=2.5)
    )
    assert [first for first, _, _ in blocks[1:]] == [last for _, last, _ in blocks[:-1]]
    np.testing.assert_allclose(
        image - np.concatenate([block for _, _, block in blocks]), whole, atol=1e-4
    )


def test_a_missing_pixel_is_none_of_its_neighbours_business():
    image = scene("float32", (40, 50))
    image[10, 20] = np.nan
    result = white_tophat(image, 3, smooth=1)
    assert np.isnan(result).sum() == 1 and np.isnan(result[10, 20])


def test_no_blur_is_the_filter_of_before_to_the_last_bit():
    image = scene("int16", (40, 50))
    assert smoothed(image, 0) is image
    expected = white_tophat(image, 3)
    assert np.array_equal(white_tophat(image, 3, smooth=0.0), expected)
    assert white_tophat(image, 3, smooth=0).dtype == np.uint16


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 600), st.integers(0, 600)), min_size=1, max_size=9))
def test_rows_are_the_same_in_whatever_order_they_are_asked_for(slices):
    image = scene("uint8", (600, 3))
    whole = gaussians.gaussian(image, 1.5)
    rows = SmoothedRows(image, 1.5, 1)
    for first, last in slices:
        assert np.array_equal(rows[first:last], whole[first:last])


@pytest.mark.parametrize("sigma", [-1, np.nan, np.inf, True, "1", None])
def test_what_is_no_standard_deviation(sigma):
    with pytest.raises(ClearfieldError, match="smooth is"):
        white_tophat(scene("uint8", (4, 4)), 1, smooth=sigma)
