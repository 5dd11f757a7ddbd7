"""Sizes and recommended radii against discs of known size."""

import numpy as np
import pytest
from clearfield import simulation
from clearfield.filters.morphology import opening
from clearfield.qc.binning import bin_plane, enlarge
from clearfield.qc.granulometry import measure_sizes
from clearfield.qc.separation import otsu_threshold
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.ndimage import gaussian_filter
from skimage.filters import threshold_otsu
from skimage.morphology import disk, white_tophat

# The diameters tried are 3, 5, ... 17, then 18, 22, 26, 30, 34, 36, 44, ...: neighbours differ by
# up to 22 %, and between them the estimate is interpolated.
STEP = 0.22


def discs(diameters, size=256, cell=64, brightness=500):
    """A grid of discs, one in each cell, of the given diameters in turn."""
    image = np.zeros((size, size), np.float32)
    y, x = np.mgrid[:cell, :cell] - (cell - 1) / 2
    cells = [(r, c) for r in range(0, size, cell) for c in range(0, size, cell)]
    for k, (row, column) in enumerate(cells):
        diameter = diameters[k % len(diameters)]
        image[row : row + cell, column : column + cell] = brightness * (
            np.hypot(x, y) <= diameter / 2
        )
    return image


def haze(size=256, level=400):
    y, x = np.mgrid[:size, :size] / size
    return level * (0.5 + x * y + np.exp(-((x - 0.3) ** 2 + (y - 0.6) ** 2) / 0.1))


@pytest.mark.parametrize("diameter", [6, 10, 16, 24, 34, 48])
@pytest.mark.parametrize("scene", ["clean", "noise", "haze"])
def test_size_of_discs(diameter, scene):
    random = np.random.default_rng(diameter)
    image = discs([diameter])
    if scene == "haze":
        image = image + haze()
    if scene != "clean":
        image = image + random.normal(100, 20, image.shape)
    sizes = measure_sizes(image.astype(np.float32))
    # the 1 2 1 smoothing widens a rim by less than a pixel on each side
    tolerance = STEP * diameter + 1.5
    assert sizes.median_diameter_px == pytest.approx(diameter, abs=tolerance)
    assert sizes.recommended_radius_px is not None
    assert diameter / 2 - 1 <= sizes.recommended_radius_px <= (1 + STEP) * diameter / 2 + 2


@pytest.mark.parametrize("diameter", [6, 10, 16, 24, 34, 48])
def test_a_tophat_of_the_recommended_radius_keeps_the_discs(diameter):
    image = discs([diameter])
    radius = measure_sizes(image).recommended_radius_px
    assert white_tophat(image, disk(radius)).sum() >= 0.95 * image.sum()
    assert white_tophat(image, disk(int(radius / 2))).sum() < 0.5 * image.sum()


def test_two_sizes_are_told_apart():
    image = discs([12, 36])
    sizes = measure_sizes(image)
    # the share of the large discs in the intensity is 36² / (12² + 36²) = 0.9
    assert sizes.median_diameter_px == pytest.approx(36, rel=STEP)
    assert sizes.kept_at(9) == pytest.approx(0.1, abs=0.05)
    assert sizes.kept_at(30) == pytest.approx(1)
    assert sizes.recommended_radius_px >= 17
    small = np.abs(2 * sizes.radii_px + 1 - 12) < 4
    large = np.abs(2 * sizes.radii_px + 1 - 36) < 9
    between = (2 * sizes.radii_px > 18) & (2 * sizes.radii_px < 27)
    assert min(sizes.spectrum[small].max(), sizes.spectrum[large].max()) > 2 * (
        sizes.spectrum[between].max()
    )


def test_the_spectrum_adds_up_to_the_intensity():
    image = discs([10, 20])
    sizes = measure_sizes(image)
    diameters = np.array([1, 3, 5, 7, 9, 11, 13, 15, 17])
    total = (sizes.spectrum[:8] * np.diff(np.log(diameters))).sum()
    opened = total + (sizes.spectrum[8:] * np.log([11 / 9, 13 / 11, 15 / 13, 17 / 15] * 3)[
        : len(sizes.spectrum) - 8
    ]).sum()  # fmt: skip
    # a rim is blurred anew at each scale: a tenth of the intensity may be counted twice or never
    assert opened == pytest.approx(image.mean(), rel=0.1)


def test_dark_objects_are_bright_ones_upside_down():
    image = discs([16]) + haze() + 1000
    bright = measure_sizes(image)
    dark = measure_sizes(-image, light_background=True)
    assert dark.recommended_radius_px == bright.recommended_radius_px
    np.testing.assert_array_equal(dark.objects, bright.objects)


@pytest.mark.parametrize("sample", simulation.SAMPLES, ids=lambda sample: sample.file)
def test_size_of_the_simulated_objects(sample):
    stack, _, _, places = simulation.simulate(sample)
    psf = 2.355 * simulation.PSF_SIGMA_UM["lateral"]
    for channel, spheres in enumerate(places):
        image = stack[0, channel].max(axis=0)
        if image.max() == sample.saturation_level:
            continue  # a spot cut off at its top is wider than it was
        sizes = measure_sizes(image)
        radii = spheres[:, 3] / 0.35
        diameter = 2 * np.sqrt(np.median(radii) ** 2 + (psf / 2 / 0.35) ** 2)  # blurred
        assert sizes.median_diameter_px == pytest.approx(diameter, rel=STEP)
        assert sizes.recommended_radius_px >= np.floor(np.median(radii))
        assert sizes.recommended_radius_px <= 1.3 * (radii.max() + psf / 0.35)


def test_large_planes_are_binned_and_sizes_stay_in_pixels():
    image = discs([40], size=1024, cell=128)
    sizes = measure_sizes(image.astype(np.uint16))
    assert sizes.factor == 2
    assert sizes.image.shape == sizes.objects.shape == (512, 512)
    assert sizes.median_diameter_px == pytest.approx(40, rel=STEP)


def test_small_objects_of_large_planes_are_measured_at_full_resolution():
    image = discs([5], size=2048, cell=32) + np.random.default_rng(0).normal(200, 20, (2048, 2048))
    sizes = measure_sizes(image.astype(np.uint16))
    assert sizes.factor == 4
    assert sizes.median_diameter_px == pytest.approx(5, abs=1.5)
    assert sizes.recommended_radius_px <= 5


def test_noise_alone_has_no_objects():
    for seed in range(5):
        stack = np.random.default_rng(seed).poisson(100, (9, 200, 200))
        sizes = measure_sizes(stack.max(axis=0))
        assert not sizes.objects.any()
        assert sizes.recommended_radius_px is None
        assert np.isnan(sizes.median_diameter_px)


def test_single_precision_without_room_for_the_bins_is_flat():
    for low, high in ((0, 16 * 2.0**-149), (2.0**24, 2.0**24 + 64)):
        values = np.array([low, low, high], np.float32)
        assert otsu_threshold(values) == high
    plane = np.zeros((6, 6), np.float32)
    plane[0, 0] = 16 * 2.0**-149
    assert not measure_sizes(plane).objects.any()


def test_an_object_of_half_the_plane_gets_a_radius_that_keeps_it():
    random = np.random.RandomState(0)
    y, x = np.ogrid[:256, :256]
    nucleus = 1.0 * ((y - 130) ** 2 + (x - 120) ** 2 <= 70**2)  # 141 of 256 px
    image = random.poisson(100 + 500 * gaussian_filter(nucleus, 2)).astype(np.uint16)
    recommended = measure_sizes(image).recommended_radius_px
    assert 66 <= recommended <= 90
    kept = image - opening(image, recommended)
    assert kept[nucleus > 0].mean() > 0.9 * (image[nucleus > 0].mean() - 100)


def test_a_full_field_has_objects_and_noise_shared_by_neighbours_has_none():
    random = np.random.RandomState(0)
    seeds = random.uniform(0, 200, (300, 2))
    y, x = np.mgrid[:200, :200]
    distances = np.sort([np.hypot(y - row, x - column) for row, column in seeds], axis=0)
    borders = gaussian_filter((distances[1] - distances[0] < 1.5) * 3000.0, 1.2) + 10000
    full = random.normal(borders, 30).astype(np.uint16)  # an epithelium: no wide background
    sizes = measure_sizes(full)
    assert 0.05 < sizes.objects.mean() < 0.6
    assert full[sizes.objects].mean() > full[sizes.background].mean() + 800
    for sigma in (0, 0.7, 1.0):
        empty = gaussian_filter(random.normal(1000, 100, (200, 200)), sigma)
        assert not measure_sizes(empty).objects.any()


def test_an_object_larger_than_the_disks_gets_no_recommendation():
    y, x = np.ogrid[-1:1:256j, -1:1:256j]
    dome = 1000 * np.clip(1 - (y**2 + x**2) / 0.8, 0, None)
    assert measure_sizes(dome).recommended_radius_px is None


@given(
    arrays(
        st.sampled_from([np.uint8, np.uint16, np.int16, np.float32, np.float64]),
        array_shapes(min_dims=2, max_dims=2, max_side=40),
    ),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_any_plane_gives_an_answer(image, light_background):
    sizes = measure_sizes(image, light_background)
    assert sizes.objects.shape == sizes.background.shape == sizes.image.shape
    assert not (sizes.objects & sizes.background).any()
    assert np.isfinite(sizes.spectrum).all()
    assert sizes.objects.any() == np.isfinite(sizes.median_diameter_px)
    if sizes.recommended_radius_px is not None:
        assert sizes.kept_at(sizes.recommended_radius_px) >= 0.95


@given(arrays(np.float64, st.integers(2, 300), elements=st.floats(-1e6, 1e6)))
@settings(max_examples=50, deadline=None)
def test_otsu_splits_like_scikit_image(values):
    if np.ptp(values) < 1e-9 * np.abs(values).max() or np.ptp(values) < 1e-300:
        return  # scikit-image finds no edges for its bins
    ours = otsu_threshold(values)
    theirs = threshold_otsu(values.reshape(1, -1))
    # scikit-image names the centre of the bin below the split, this function its upper edge
    width = np.ptp(values) / 256
    assert ours == pytest.approx(theirs + width / 2, abs=1e-6 * np.ptp(values) + 1e-9)


@pytest.mark.parametrize("values", [[0, 5e-324], [1e6, np.nextafter(1e6, 2e6)], [3.0, 3.0]])
def test_otsu_takes_a_range_of_rounding_for_flat(values):
    assert otsu_threshold(np.array(values)) == values[1]


def test_binning_averages_blocks_of_any_layout():
    image = np.arange(7 * 9, dtype=">u2").reshape(7, 9)
    expected = image[:6, :9].astype(float).reshape(2, 3, 3, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(bin_plane(image, 3), expected)
    np.testing.assert_allclose(bin_plane(image[::-1, ::-1][1:], 3), expected[::-1, ::-1])
    image = image.astype(float)
    image[0, 0] = np.inf
    assert np.isnan(bin_plane(image, 3)[0, 0])
    assert np.isfinite(bin_plane(image, 3)).sum() == 5


def test_enlarging_a_slope_gives_the_slope():
    slope = np.add.outer(np.arange(32.0), 3 * np.arange(64.0))
    inside = (slice(2, -2), slice(2, -2))
    np.testing.assert_allclose(
        enlarge(bin_plane(slope, 4), 4, slope.shape)[inside], slope[inside], rtol=1e-6
    )
