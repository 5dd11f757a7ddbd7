"""The QC numbers against planes whose truth is known by construction."""

import warnings

import numpy as np
import pytest
from clearfield import simulation
from clearfield.qc.granulometry import measure_sizes
from clearfield.qc.known_metrics import COLUMNS
from clearfield.qc.measurement import measure_plane
from clearfield.qc.metrics.along_time import add_time_drift
from scipy.ndimage import gaussian_filter
from skimage.morphology import disk, white_tophat

OFFSET_OFF = {"negative": "keep", "offset": 1000}
PIXEL = {"x": 0.5, "y": 0.5, "z": 1.0}


def measure(
    before, after, *, light=False, output=OFFSET_OFF, pixel=PIXEL, clipped=0, original=None,
    **statistics,
):  # fmt: skip
    return measure_plane(
        after,
        measure_sizes(before, light),
        original=original,
        channel={"method": "tophat", "radius": 10, "light_background": light},
        output=output,
        statistics=statistics,
        clipped={"clipped_low": clipped, "clipped_high": 0},
        pixel_size_um=pixel,
    )


def scene(size=240, step=48, radius=8):
    """Discs of 1 on 0."""
    y, x = np.mgrid[:size, :size] % step - step // 2
    return (y**2 + x**2 <= radius**2).astype(np.float32)


def noise(sigma, size=240, seed=0):
    return np.random.default_rng(seed).normal(0, sigma, (size, size)).astype(np.float32)


def test_flat_background_and_contrast():
    objects, sigma = scene(), 5.0
    before = 200 + 600 * objects + noise(sigma)
    after = 10 + 300 * objects + noise(2 * sigma, seed=1)
    row = measure(before, after)
    n = 240 * 240 * 0.85
    error = 5 * 1.25 * sigma / np.sqrt(n)  # five standard errors of a median
    # background pixels end at 3 sigma of the smoothed top-hat: a median of them is hardly lower
    assert row["background_median_before"] == pytest.approx(200, abs=error + 0.05 * sigma)
    assert row["background_median_after"] == pytest.approx(10, abs=2 * (error + 0.05 * sigma))
    assert 1.4826 * row["background_mad_before"] == pytest.approx(sigma, rel=0.05)
    assert 1.4826 * row["background_mad_after"] == pytest.approx(2 * sigma, rel=0.05)
    assert row["object_fraction"] == pytest.approx(objects.mean(), rel=0.1)
    assert row["signal_to_background_before"] == pytest.approx(600 / 200, rel=0.02)
    assert row["signal_to_background_after"] == pytest.approx(300 / 10, rel=0.05)
    assert row["contrast_to_noise_before"] == pytest.approx(600 / sigma, rel=0.06)
    assert row["contrast_to_noise_after"] == pytest.approx(300 / (2 * sigma), rel=0.06)
    assert row["signal_survived"] == pytest.approx(0.5, rel=0.01)


@pytest.mark.parametrize("survived", [0.1, 0.5, 1.0])
def test_signal_survived_on_an_uneven_background(survived):
    y, x = np.mgrid[-1:1:240j, -1:1:240j]
    haze = 500 + 100 * x - 50 * x * y + 80 * y**2
    objects = scene()
    row = measure(
        (haze + 400 * objects).astype(np.float32), (survived * 400 * objects).astype(np.float32)
    )
    # an opening lies below a slope by the slope's rise over its disk, here a hundredth of a disc
    assert row["signal_survived"] == pytest.approx(survived, rel=0.02)


def test_unevenness_is_the_range_of_the_background():
    y, x = np.mgrid[-1:1:240j, -1:1:240j]
    slope, bowl = 300 + 100 * x, 300 + 40 * (x**2 + y**2)
    objects = 400 * scene() + noise(5)
    row = measure(
        (slope + objects).astype(np.float32), (bowl + noise(5, seed=1)).astype(np.float32)
    )
    # a pixel at the very rim or in a corner may not count as background: some 2 % of the range
    assert row["unevenness_before"] == pytest.approx(200, rel=0.05)
    assert row["unevenness_after"] == pytest.approx(80, rel=0.1)
    assert row["unevenness_ratio"] == pytest.approx(0.4, rel=0.1)


def test_an_integer_background_without_spread_has_the_noise_of_rounding():
    objects = (60 * scene()).astype(np.uint8)
    row = measure(7 + objects, objects)
    assert row["background_mad_after"] == 0
    assert row["noise_before"] == row["noise_after"] == pytest.approx(12**-0.5)
    # 60 grey levels over 0.2887
    assert row["contrast_to_noise_after"] == pytest.approx(60 * 12**0.5, rel=0.01)
    assert row["unevenness_after"] <= 2 * row["noise_after"]
    # rounding the values of an even distribution: the definition, tried
    errors = np.random.default_rng(0).uniform(0, 100, 100_000)
    assert np.std(errors - np.rint(errors)) == pytest.approx(row["noise_after"], rel=0.01)
    # a float image has none that is known
    assert np.isnan(measure(7.0 + objects, 1.0 * objects)["contrast_to_noise_after"])
    # noise that is larger stays what it is
    loud = np.rint(100 + 50 * scene() + noise(5)).astype(np.uint16)
    row = measure(loud, loud)
    assert row["noise_after"] == pytest.approx(1.4826 * row["background_mad_after"])


def test_unevenness_in_units_of_the_objects():
    x = np.linspace(-1, 1, 240)[None, :]
    image = 300 + 400 * scene() + noise(5)
    row = measure(image.astype(np.float32), (100 * x + 400 * scene() + noise(5)).astype(np.float32))
    # the discs' shaded rims count as objects: their mean is some 7 % below 400
    assert row["object_signal"] == pytest.approx(400, rel=0.1)
    assert row["unevenness_to_signal"] == pytest.approx(200 / 400, rel=0.1)


def test_what_is_left_in_the_background():
    before = 200 + 600 * scene() + noise(5)
    row = measure(before, 15 + 600 * scene() + noise(5))
    assert row["background_left_sigma"] == pytest.approx(3, rel=0.06)
    assert row["background_left_to_signal"] == pytest.approx(15 / row["object_signal"], rel=0.02)
    assert (row["plane_height_px"], row["plane_width_px"]) == (240, 240)


def test_unevenness_of_noise_alone_is_small():
    row = measure(500 * scene() + noise(10) + 100, noise(10))
    # six coefficients from some 12,000 pixels: each errs by about 10 / sqrt(12000 / 5) = 0.2
    assert row["unevenness_before"] < 3
    assert row["unevenness_after"] < 3


def test_dark_objects():
    before = 1000 - 400 * scene() + noise(4)
    row = measure(before, 200 * scene() + noise(4, seed=1), light=True)
    assert row["background_median_before"] == pytest.approx(1000, abs=1)
    assert row["signal_to_background_before"] == pytest.approx(0.4, rel=0.02)
    assert row["contrast_to_noise_before"] == pytest.approx(100, rel=0.06)
    assert row["signal_survived"] == pytest.approx(0.5, rel=0.02)


@pytest.mark.parametrize("radius", [4, 7, 20])
@pytest.mark.parametrize("sample", simulation.SAMPLES, ids=lambda sample: sample.file)
def test_signal_survived_on_the_simulated_nuclei(sample, radius):
    stack, objects, haze, _ = simulation.simulate(sample)
    image = stack[0, 0].max(axis=0)
    row = measure(image, white_tophat(image, disk(radius)))
    truth = objects[0, 0].max(axis=0)
    clean = (objects[0, 0] + haze[0, 0]).max(axis=0)
    inside = truth > truth.max() / 2
    # what the filter would leave of the objects without noise, without the haze's own share
    alone = white_tophat(clean, disk(radius)) - white_tophat(haze[0, 0].max(axis=0), disk(radius))
    survived = alone[inside].mean() / truth[inside].mean()
    # the nuclei's rims, half in and half out of the mask, and the noise at the openings' edges
    assert row["signal_survived"] == pytest.approx(survived, abs=0.06)


@pytest.mark.parametrize("sample", simulation.SAMPLES, ids=lambda sample: sample.file)
def test_background_of_the_simulated_nuclei(sample):
    stack, objects, haze, _ = simulation.simulate(sample)
    image = stack[0, 0].max(axis=0)
    row = measure(image, white_tophat(image, disk(20)))
    free = objects[0, 0].max(axis=0) < 1
    level = np.median(haze[0, 0].max(axis=0)[free]) + simulation.OFFSET
    # of n noisy planes the largest is seen: between 0 and 2 sigma above the mean
    sigma = np.sqrt(level - simulation.OFFSET + simulation.READ_NOISE**2)
    assert level <= row["background_median_before"] <= level + 2 * sigma + 0.02 * level
    extent = np.ptp(haze[0, 0].max(axis=0)[free])
    # a surface of second order cuts off a cloud's top and overshoots in the corners
    assert 0.6 * extent < row["unevenness_before"] < 1.4 * extent
    assert row["unevenness_ratio"] < 0.15


def test_negative_and_clipped_pixels_are_counted_whatever_the_policy():
    before = 100 + 50 * scene()
    signed = before - 120  # negative wherever there is no disc
    share = 1 - scene().mean()
    kept = measure(before, signed)
    clipped = measure(
        before, np.maximum(signed, 0).astype(np.uint16), clipped=int(share * 240 * 240),
        output={"negative": "clip", "offset": 1000},
    )  # fmt: skip
    moved = measure(
        before, (signed + 1000).astype(np.uint16), output={"negative": "offset", "offset": 1000}
    )
    for row in (kept, clipped, moved):
        assert row["negative_fraction"] == pytest.approx(share, abs=1e-4)
    assert [row["clipped_fraction"] for row in (kept, moved)] == [0, 0]
    assert clipped["clipped_fraction"] == pytest.approx(share, abs=1e-4)
    assert [row["offset"] for row in (kept, clipped, moved)] == [0, 0, 1000]
    assert moved["background_median_after"] == kept["background_median_after"] == -20


def test_sizes_carry_their_units():
    row = measure(100 + 500 * scene(), 500 * scene())
    assert row["radius_um"] == 5
    assert row["object_diameter_um"] == row["object_diameter_px"] / 2
    assert row["recommended_radius_um"] == row["recommended_radius_px"] / 2
    for pixel in ({"x": None, "y": None}, {"x": 0.5, "y": 0.7}):
        row = measure(100 + 500 * scene(), 500 * scene(), pixel=pixel)
        assert np.isnan(row["radius_um"])
        assert row["radius_px"] == 10


@pytest.mark.parametrize(
    ("channel", "radius"),
    [
        ({"method": "minmax", "min_size": 25, "max_size": 1}, 12),
        ({"method": "dog", "low_sigma": 1, "high_sigma": 40}, 40),
        ({"method": "none"}, np.nan),
    ],
)
def test_the_radius_of_other_filters(channel, radius):
    image = 100 + 500 * scene()
    row = measure_plane(
        image, measure_sizes(image), channel=channel | {"light_background": False},
        output=OFFSET_OFF, statistics={}, clipped={"clipped_low": 0, "clipped_high": 0},
        pixel_size_um=PIXEL,
    )  # fmt: skip
    assert row["radius_px"] == pytest.approx(radius, nan_ok=True)
    assert np.isnan(row["signal_kept_at_radius"])


def test_along_z_by_hand():
    row = measure(
        scene(), scene(), plane_means=[100, 110, 190, 130, 140], plane_sharpness=[1, 2, 5, None, 3]
    )
    assert row["planes"] == 5
    assert row["sharpest_plane"] == 2
    assert row["stack_mean"] == 134
    # slopes of all pairs: 10 80 -60 10 | 45 10 -25 | 10 10 | 10: their median is 10
    # and the line starts at the median of 100 100 170 100 100
    assert row["drift_z"] == pytest.approx(10 * 4 / 100)
    assert row["flicker_z"] == pytest.approx((190 - (110 + 130) / 2) / 130)


def test_sharpness_along_z_by_hand():
    plane = scene()
    row = measure(plane, plane, plane_means=[1, 1, 1, 1], plane_sharpness=[2, 4, 10, 3])
    assert (row["sharpest_plane"], row["least_sharpness"]) == (2, 0.2)
    assert row["median_sharpness"] == pytest.approx(0.35)


def test_what_single_pixels_tell_is_asked_of_the_plane_before():
    before = gaussian_filter(200 + 600 * scene(), 1.5) + noise(5.0)
    before[7::30, 11::30] = 0  # 64 of 57,600 pixels
    row = measure(before, before, original=before)
    assert 5 <= row["pixel_noise"] <= 7  # the discs' rims in 2 × 2 means add to it
    assert row["stuck_fraction"] == pytest.approx(64 / 240**2, rel=0.1)  # but those on rims
    assert row["sharpest_edge_px"] == pytest.approx(1.5, rel=0.25)
    assert row["contrast_to_pixel_noise"] >= row["contrast_to_noise_after"]
    without = measure(before, before)
    assert all(np.isnan(without[name]) for name in ("pixel_noise", "stuck_fraction"))


def test_a_tophat_leaves_no_more_in_flat_noise_than_noise_explains():
    before = gaussian_filter(300 * scene(), 1.5) + 500 + noise(20.0)
    row = measure(before, white_tophat(before, disk(10)), original=before)
    left, explained = row["background_median_after"], row["background_left_by_noise"]
    # 346 pixels: the least of as many normal values lies 2.9 standard deviations below their mean
    assert explained == pytest.approx(2.9 * 20, rel=0.1)
    assert 0.5 * explained < left <= explained
    above = measure(before, white_tophat(before, disk(10)) + 100, original=before)
    assert above["background_median_after"] > above["background_left_by_noise"]


def test_over_time_by_hand():
    rows = [{"stack_mean": mean, "object_signal": np.nan} for mean in (100.0, np.nan, 80.0)]
    add_time_drift(rows)
    assert [row["drift_t"] for row in rows] == pytest.approx([-20 / 100] * 3)
    assert all(np.isnan([row["flicker_t"], row["signal_drift_t"]]).all() for row in rows)
    long = [{"stack_mean": 1000.0 - k, "object_signal": 5.0 + k} for k in range(700)]
    add_time_drift(long)
    assert long[0]["drift_t"] == pytest.approx(-699 / 1000)
    assert max(abs(row["flicker_t"]) for row in long) < 1e-9
    assert long[5]["signal_drift_t"] == pytest.approx(699 / 5)


def test_bleaching_of_the_simulated_nuclei_shows_in_their_signal():
    sample = simulation.SAMPLES[2]
    stack, objects, _, _ = simulation.simulate(sample)
    rows = []
    for time in range(3):
        image = stack[time, 0].max(axis=0)
        rows.append(measure(image, image, plane_means=list(stack[time, 0].mean(axis=(1, 2)))))
        truth = objects[time, 0].max(axis=0)
        # the mask reaches to about half the height, where a pixel more is a twentieth less light
        expected = truth[truth > truth.max() / 2].mean()
        assert rows[-1]["object_signal"] == pytest.approx(expected, rel=0.1)
    add_time_drift(rows)
    # 1, 0.7, 0.49 of the first
    assert rows[0]["signal_drift_t"] == pytest.approx(0.49 - 1, abs=0.05)
    assert abs(rows[0]["drift_t"]) < 0.2  # the haze does not bleach and hides it


@pytest.mark.parametrize(
    "shape", [(1, 1), (5, 7), (1, 300), (300, 1), (17, 2), (40, 40), (1030, 3)]
)
@pytest.mark.parametrize("fill", ["constant", "missing", "noise", "one missing", "huge"])
@pytest.mark.parametrize("light", [False, True])
def test_any_plane_gives_every_column_without_a_warning(shape, fill, light):
    image = np.random.default_rng(0).normal(100, 5, shape).astype(np.float32)
    if fill in ("constant", "missing"):
        image[:] = 7 if fill == "constant" else np.nan
    if fill == "one missing":
        image[0, 0] = np.inf
    if fill == "huge":
        image[0, 0] = 1e38
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        row = measure(image, image, light=light, plane_means=[np.nan], plane_sharpness=[np.nan])
        add_time_drift([row])
    assert set(row) == set(COLUMNS)
    if fill == "missing":
        assert np.isnan(row["background_median_before"])
    if fill == "constant":
        assert row["background_median_before"] == 7
        assert row["background_mad_after"] == 0
        assert np.isnan(row["recommended_radius_px"])


def test_planes_on_disk_need_only_slices_of_rows():
    class Rows:
        def __init__(self, array):
            self.array, self.shape, self.dtype = array, array.shape, array.dtype

        def __getitem__(self, rows):
            assert isinstance(rows, slice)
            return self.array[rows]

    before = (100 + 500 * np.tile(scene(), (5, 5))).astype(">u2")
    after = (500 * np.tile(scene(), (5, 5))).astype(np.float32)
    assert measure(Rows(before), Rows(after)) == pytest.approx(measure(before, after), nan_ok=True)
