"""The estimated light against light that is known."""

import numpy as np
import pytest
from clearfield.light.choice import choose_planes, judge, split_halves, why_left_out
from clearfield.light.flatfield import Estimate, coarsen, estimate_gain, expand_gain


def vignette(height=48, width=64):
    y, x = np.mgrid[:height, :width]
    gain = 1 - 0.4 * (((y / height - 0.4) ** 2 + (x / width - 0.6) ** 2) / 0.5)
    return gain / gain.mean()


def fields(gain, count, seed=1, objects=6):
    """Poisson images of an even ground of changing brightness with bright squares."""
    random = np.random.RandomState(seed)
    images = []
    for _ in range(count):
        truth = np.full(gain.shape, 400 * random.uniform(0.5, 2))
        for y, x in random.randint(0, (44, 60), (objects, 2)):
            truth[y : y + 6, x : x + 6] += 900
        images.append(random.poisson(truth * gain))
    return np.array(images, float)


def error(found, gain):
    return float(np.sqrt(np.mean((found / gain - 1) ** 2)))


@pytest.mark.parametrize(("count", "allowed"), [(6, 0.03), (12, 0.02), (50, 0.01)])
def test_light_is_found_below_objects_from_few_images(count, allowed):
    gain = vignette()
    found = estimate_gain(fields(gain, count), np.arange(count) % 2 == 0)
    assert error(found.gain, gain) < allowed
    assert judge(found, count, found.gain.min()).applied
    assert found.after < found.before / 3


def test_even_light_is_left_alone_and_nothing_changes_by_a_percent():
    found = estimate_gain(fields(np.ones((48, 64)), 30), np.arange(30) % 2 == 0)
    assert abs(found.gain - 1).max() < 0.01
    verdict = judge(found, 30, found.gain.min())
    assert not verdict.applied
    assert "even" in verdict.reason


def test_a_sharp_step_between_two_cameras_stays_sharp():
    gain = np.where(np.arange(64) < 40, 1.2, 0.8) * np.ones((48, 1))
    gain /= gain.mean()
    found = estimate_gain(fields(gain, 40), np.arange(40) % 2 == 0)
    assert error(found.gain, gain) < 0.02
    assert (found.gain[:, 39] / found.gain[:, 40]).mean() > 1.3  # of 1.5


def test_a_dark_corner_that_no_smooth_light_has_is_found():
    gain = np.ones((48, 64))
    gain[:12, :12] = 0.2
    gain /= gain.mean()
    found = estimate_gain(fields(gain, 40), np.arange(40) % 2 == 0)
    assert found.gain[2:10, 2:10].mean() == pytest.approx(gain[0, 0], rel=0.1)


def test_dark_objects_on_a_bright_field_are_no_light_either():
    gain = vignette()
    random = np.random.RandomState(3)
    images = []
    for _ in range(30):
        truth = np.full(gain.shape, 2000.0)
        for y, x in random.randint(0, 40, (5, 2)):
            truth[y : y + 7, x : x + 7] *= 0.3
        images.append(random.poisson(truth * gain))
    found = estimate_gain(np.array(images, float), np.arange(30) % 2 == 0)
    assert error(found.gain, gain) < 0.01


def test_noise_alone_is_too_uncertain_or_left_alone():
    random = np.random.RandomState(4)
    images = random.exponential(100, (4, 48, 64))
    found = estimate_gain(images, np.arange(4) % 2 == 0)
    assert not judge(found, 4, found.gain.min()).applied


def test_threads_and_order_change_nothing_that_counts():
    images, halves = fields(vignette(), 12), np.arange(12) % 2 == 0
    one = estimate_gain(images, halves)
    assert np.array_equal(one.gain, estimate_gain(images, halves, threads=3).gain)
    order = np.random.RandomState(0).permutation(12)
    other = estimate_gain(images[order], halves[order])
    assert np.allclose(one.gain, other.gain, atol=1e-4)


def test_the_uncertainty_shrinks_with_the_number_of_images_and_holds_the_error():
    gain = vignette()
    few, many = (estimate_gain(fields(gain, count), np.arange(count) % 2 == 0) for count in (8, 64))
    assert many.uncertainty < few.uncertainty
    for found in (few, many):
        assert error(found.gain, gain) < 3 * found.uncertainty + 0.002


def test_cells_are_means_and_miss_what_is_missing():
    plane = np.arange(40.0).reshape(4, 10)
    means = [[block.mean() for block in np.split(rows, 2, 1)] for rows in np.split(plane, 2)]
    assert np.allclose(coarsen(plane, 2), means)
    plane[0, 0] = np.nan
    assert coarsen(plane, 2)[0, 0] == pytest.approx(np.nanmean(plane[:2, :5]))
    assert np.isnan(coarsen(np.full((2, 2), np.nan), 1)).all()


@pytest.mark.parametrize("shape", [(300, 410), (128, 128), (5, 7), (1, 300)])
def test_a_profile_drawn_at_every_pixel_is_that_of_its_cells(shape):
    y, x = np.mgrid[: shape[0], : shape[1]]
    plane = 1 + 0.3 * np.cos(y / shape[0] * 3) * np.sin(x / shape[1] * 2)
    plane /= plane.mean()
    assert np.allclose(expand_gain(coarsen(plane), shape), plane, atol=2e-3)


def test_many_planes_are_chosen_from_many_samples_before_many_times():
    times = {f"s{number}": 50 for number in range(40)}
    chosen = choose_planes(times, 60)
    assert len(chosen) == 60
    assert {sample for sample, _ in chosen} == set(times)
    backwards = dict(reversed(times.items()))
    assert choose_planes(backwards, 60) == chosen


def test_halves_share_no_sample():
    planes = [(f"s{number % 5}", number // 5) for number in range(20)]
    halves = split_halves(planes)
    for name in {name for name, _ in planes}:
        assert (
            len({half for half, plane in zip(halves, planes, strict=True) if plane[0] == name}) == 1
        )
    assert 0 < halves.sum() < 20


@pytest.mark.parametrize(("samples", "times"), [(1, 4), (2, 2), (3, 2), (3, 5), (4, 1), (2, 3)])
def test_no_half_is_empty(samples, times):
    planes = [(f"s{sample}", time) for sample in range(samples) for time in range(times)]
    halves = split_halves(planes)
    assert min(halves.sum(), (~halves).sum()) >= 2


def test_images_that_tell_nothing_are_named():
    plane = np.full((8, 8), 4095, "u2")
    plane[0] = 7
    assert "saturated (grey level 4095)" in why_left_out(plane, plane.astype(float))
    assert "empty" in why_left_out(np.full((8, 8), 3, "u2"), np.zeros((8, 8)))
    ramp = np.arange(64.0).reshape(8, 8)
    assert "offset" in why_left_out(ramp, ramp - 100)
    assert "NaN" in why_left_out(ramp, np.where(ramp == 3, np.nan, ramp))
    assert why_left_out(ramp, ramp) == ""


@pytest.mark.parametrize(
    ("estimate", "images", "darkest", "word"),
    [
        (None, 1, 1.0, "1 image to"),
        (Estimate(None, 0.05, 0.4, 0.4, 0.05), 9, 0.5, "too uncertain"),
        (Estimate(None, 0.02, 0.03, 0.03, 0.02), 9, 0.9, "so little"),
        (Estimate(None, 0.001, 0.4, 0.4, 0.01), 9, 0.02, "2 % of the mean light"),
        (Estimate(None, 0.001, 0.1, 0.1, 0.2), 9, 0.8, "does not help"),
    ],
)
def test_a_profile_that_may_do_harm_is_not_applied(estimate, images, darkest, word):
    verdict = judge(estimate, images, darkest)
    assert not verdict.applied
    assert word in verdict.reason
