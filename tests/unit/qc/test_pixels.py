"""Noise, stuck pixels and sharpness: images whose truth is known by construction."""

import numpy as np
import pytest
from clearfield.qc.edges import sharpest_edge
from clearfield.qc.pixel_noise import (
    ROUNDING,
    SAMPLED,
    STRIP,
    pixel_noise,
    rounding_noise,
    sample_strips,
    stuck_fraction,
)
from scipy.ndimage import gaussian_filter


def noisy(sigma: float, shape=(256, 256), seed: int = 0) -> np.ndarray:
    return np.random.RandomState(seed).normal(0, sigma, shape)


def discs(radius: int = 15, side: int = 256, pitch: int = 64) -> np.ndarray:
    y, x = np.ogrid[:side, :side]
    return ((y % pitch - pitch // 2) ** 2 + (x % pitch - pitch // 2) ** 2 <= radius**2) * 1.0


def test_the_noise_is_that_of_the_pixels_whatever_lies_under_them():
    slope = np.add.outer(np.arange(256), 2.0 * np.arange(256))
    for image in (noisy(7), noisy(7) + slope, noisy(7) + gaussian_filter(300 * discs(), 3)):
        assert pixel_noise([image]) == pytest.approx(7, rel=0.05)


@pytest.mark.parametrize("sigma", [0.5, 0.7, 1.0])
def test_noise_that_neighbours_share_is_found(sigma):
    shared = gaussian_filter(noisy(10), sigma)
    assert pixel_noise([shared]) > 0.7 * shared.std()
    assert pixel_noise([shared], shared=False) < pixel_noise([shared])


def test_rounding_is_the_least_noise_of_integers():
    assert pixel_noise([np.zeros((64, 64))], ROUNDING) == ROUNDING
    assert np.isnan(pixel_noise([]))


def test_missing_pixels_are_no_noise():
    image = noisy(7)
    image[::9, ::9] = np.nan
    assert pixel_noise([image]) == pytest.approx(7, rel=0.1)


def test_large_planes_are_sampled_evenly_and_small_ones_whole():
    small = np.arange(500 * 400, dtype=np.uint16).reshape(500, 400)
    (strip,) = sample_strips(small)
    assert np.array_equal(strip, small)
    rows = np.repeat(np.arange(4096, dtype=np.float32)[:, None], 1024, axis=1)
    strips = sample_strips(rows)
    assert sum(strip.size for strip in strips) <= SAMPLED
    firsts = [strip[0, 0] for strip in strips]
    assert firsts[0] == 0
    assert firsts[-1] >= 4096 - 4096 / len(strips) - STRIP
    assert sample_strips(np.zeros((4, 100))) == []


@pytest.mark.parametrize("level", [0, 100, 400, 4095])
def test_stuck_pixels_are_counted_whether_dark_or_bright(level):
    image = 200 + noisy(3)
    image[5::16, 5::16] = level
    assert stuck_fraction([image]) == pytest.approx(1 / 256, rel=0.02)


def test_three_in_a_hundred_stuck_pixels_do_not_hide_in_the_noise_that_they_make():
    random = np.random.RandomState(4)
    image = random.poisson(200.0, (256, 256)).astype(float)
    stuck = random.uniform(size=image.shape) < 0.03
    image[stuck] = 0  # 14 standard deviations below
    assert stuck_fraction([image]) > 0.02


def test_points_of_light_and_photon_noise_are_not_stuck():
    points = np.zeros((256, 256))
    points[7::16, 9::16] = 1000
    blurred = gaussian_filter(points, 0.8) + noisy(1)  # sampled as coarsely as Nyquist allows
    assert stuck_fraction([blurred]) == 0
    photons = 16.0 * np.random.RandomState(2).poisson(0.02, (256, 256))  # 16 levels each
    noise = rounding_noise([photons])
    assert noise == 16 * ROUNDING
    assert stuck_fraction([photons], noise) == 0
    assert stuck_fraction([photons]) > 0.01  # if one took each level for a step
    tail = noisy(1) + np.random.RandomState(3).exponential(1, (256, 256)) ** 1.5
    assert stuck_fraction([tail]) == 0


def test_one_odd_pixel_is_no_fault_of_a_detector():
    image = noisy(1)
    image[100, 100] = 1000
    assert stuck_fraction([image]) == 0


@pytest.mark.parametrize("sigma", [1, 2, 3])
@pytest.mark.parametrize("noise", [0, 5])
def test_the_blur_of_an_edge_is_found_in_noise(sigma, noise):
    image = gaussian_filter(100 * discs(), sigma) + noisy(noise)
    assert sharpest_edge(image, 90.0) == pytest.approx(sigma, rel=0.25, abs=0.2)


def test_an_image_out_of_focus_is_blunt_and_a_bright_one_is_not():
    sharp, blunt = (gaussian_filter(100 * discs(), sigma) for sigma in (1.2, 8))
    assert sharpest_edge(blunt, 40.0) > 4 > sharpest_edge(sharp, 90.0)
    assert sharpest_edge(1000 * sharp, 90000.0) == pytest.approx(sharpest_edge(sharp, 90.0))


def test_where_nothing_stands_out_no_sharpness_is_told():
    assert np.isnan(sharpest_edge(noisy(5), 5.0))
    assert np.isnan(sharpest_edge(np.full((64, 64), np.nan), 5.0))
    assert np.isnan(sharpest_edge(noisy(5), float("nan")))
    assert np.isnan(sharpest_edge(noisy(5, (8, 8)), 5.0))
