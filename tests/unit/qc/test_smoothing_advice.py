"""How much to smooth: measured on planes whose noise is known."""

import numpy as np
import pytest
from clearfield import simulation
from clearfield.methods.subtraction import subtract_background
from clearfield.qc.granulometry import measure_sizes
from clearfield.qc.measurement import measure_plane
from clearfield.qc.rules import Row, advice
from clearfield.qc.smoothing_advice import KEPT, LEFT, advise_smoothing
from clearfield.qc.verdict import judge


def discs(noise=0.0, size=256, diameter=21, seed=0, blur=None):
    """Discs of 500 above a level of 100, and noise of a standard deviation."""
    y, x = np.mgrid[:size, :size]
    objects = np.hypot(y % 64 - 32, x % 64 - 32) < diameter / 2
    random = np.random.default_rng(seed)
    return (100 + 500 * objects + noise * random.normal(size=(size, size))).astype("float32")


def measure(image, **channel):
    channel = {"method": "tophat", "light_background": False, **channel}
    settings = {key: value for key, value in channel.items() if key != "method"}
    return measure_plane(
        subtract_background(image, channel["method"], **settings), measure_sizes(image),
        channel=channel, output={"negative": "keep"}, statistics={},
        clipped={"clipped_low": 0, "clipped_high": 0}, pixel_size_um={"x": 0.5, "y": 0.5},
    )  # fmt: skip


def test_without_noise_there_is_nothing_to_smooth():
    advice = measure_sizes(discs()).smoothing
    assert (advice.sigma_px, advice.left, advice.kept) == (0, 0, 1)
    assert advice.radius_px == measure_sizes(discs()).recommended_radius_px


@pytest.mark.parametrize("factor", [1, 3])
def test_what_it_says_is_what_one_gets(factor):
    """Also on a plane that is binned for the sizes: its noise is measured at full resolution."""
    image = discs(noise=30, size=factor * 300, diameter=21)
    sizes = measure_sizes(image)
    found = sizes.smoothing
    assert found.sigma_px >= 1 and found.left > 1.5
    assert found.left_smoothed < 0.5 and found.kept >= KEPT
    background = discs(size=len(image)) < 200
    for smooth, radius, expected in (
        (0, sizes.recommended_radius_px, found.left),
        (found.sigma_px, found.radius_px, found.left_smoothed),
    ):
        values = subtract_background(image, radius=radius, smooth=smooth)[background]
        level = np.median(values)
        noise = 1.4826 * np.median(np.abs(values - level))
        assert level / noise == pytest.approx(expected, abs=0.15)


def test_dark_objects_and_missing_pixels():
    image = discs(noise=30)
    bright, dark = measure_sizes(image), measure_sizes(1000 - image, light_background=True)
    assert dark.smoothing.sigma_px == bright.smoothing.sigma_px
    image[:20, :40] = np.nan
    assert measure_sizes(image).smoothing.sigma_px == bright.smoothing.sigma_px


def test_haze_is_no_noise():
    """Waves of 40 px leave something below every disk: a blur mends nothing."""
    objects = discs() > 300
    image = discs() + (100 * np.sin(np.arange(256) / 40 * 2 * np.pi)).astype("float32")
    found = advise_smoothing(image, objects, ~objects, 40, 0.0)
    assert found.sigma_px == 0 and found.left == found.left_smoothed > LEFT


def test_small_objects_pay_and_so_are_smoothed_less():
    y, x = np.mgrid[:128, :128]
    image = 100 + 3000 * np.exp(-(((y % 16 - 8) ** 2 + (x % 16 - 8) ** 2) / 2))
    image += np.random.default_rng(1).normal(0, 20, image.shape)
    objects = image > 1000
    found = advise_smoothing(image.astype("float32"), objects, image < 200, 2, 0.0)
    assert found.sigma_px < 1 and found.kept >= KEPT
    assert found.radius_px == 2


def test_nothing_to_measure():
    empty = np.zeros((9, 9), bool)
    assert advise_smoothing(np.ones((9, 9), "float32"), empty, ~empty, 3, 0.0) is None
    noise = np.random.default_rng(0).normal(100, 5, (200, 200)).astype("float32")
    assert measure_sizes(noise).smoothing is None


def test_at_most_a_little_wider():
    found = measure_sizes(discs(noise=30)).smoothing
    radius = measure_sizes(discs(noise=30)).recommended_radius_px
    assert 10 <= radius < 20 and found.radius_px == radius + 1


def test_the_columns_and_the_words():
    image = discs(noise=30)
    row = measure(image, radius=40)
    assert row["recommended_smooth_px"] == 2 * row["recommended_smooth_um"] >= 1
    assert row["left_without_smooth_sigma"] > 1 > row["left_with_smooth_sigma"]
    cells = {name: str(value) for name, value in row.items() if value == value}
    words = advice(Row(cells), True)
    sigma, wide = row["recommended_smooth_px"], row["recommended_smooth_radius_px"]
    assert f"px, or {wide} px with smooth {sigma:g} px)" in words
    thresholds = {"background_left_sigma": {"warn": 0.5, "fail": None}}
    status, reason = judge(cells, thresholds)
    assert status == "warn"
    assert reason.endswith(f"noise: set tophat.smooth to {sigma:g} px and the radius to {wide} px")


def test_smoothing_takes_the_reason_away():
    image = discs(noise=30)
    found = measure_sizes(image).smoothing
    row = measure(image, radius=found.radius_px, smooth=found.sigma_px)
    assert abs(row["background_left_sigma"]) < 0.5
    cells = {name: str(value) for name, value in row.items() if value == value}
    assert judge(cells, {"background_left_sigma": {"warn": 0.5, "fail": None}}) == ("ok", "")


@pytest.mark.parametrize(("radius", "below"), [(10, 0), (25, 0.5), (50, 1.5), (150, 3.5)])
def test_the_ball_below_a_slope(radius, below):
    """By hand: the minimum of a block of n px lies (n - 1)/2 px down a slope along x."""
    image = discs(size=400) + 7 * np.arange(400, dtype="float32")
    row = measure(image, method="rolling_ball", radius=radius, smooth=False, paraboloid=False)
    assert row["slope_before"] == pytest.approx(7, rel=0.02)
    assert row["ball_below"] == pytest.approx(7 * below, rel=0.02)
    assert row["ball_below_to_signal"] == pytest.approx(7 * below / row["object_signal"], rel=0.02)
    for other in ({"paraboloid": True}, {"method": "tophat"}):
        if other == {"method": "tophat"}:
            channel = {"radius": radius}
        else:
            channel = {"method": "rolling_ball", "radius": radius, "smooth": False, **other}
        assert np.isnan(measure(image, **channel)["ball_below"])


def test_qc_warns_where_the_slope_matters():
    thresholds = {"ball_below": {"warn": 0.05, "fail": None}}
    statuses = []
    for slope in (1, 8):
        image = 0.4 * discs() + slope * np.arange(256, dtype="float32")
        row = measure(image, method="rolling_ball", radius=50, smooth=True, paraboloid=False)
        cells = {name: str(value) for name, value in row.items() if value == value}
        statuses.append(judge(cells, thresholds))
    assert statuses[0] == ("ok", "")
    assert statuses[1][0] == "warn"
    assert "ball stays 12 " in statuses[1][1] and "paraboloid: true" in statuses[1][1]


@pytest.mark.parametrize("sample", [0, 1])
@pytest.mark.parametrize("channel", [0, 1])
def test_the_example_is_to_be_smoothed_by_a_pixel(sample, channel):
    image = simulation.simulate(simulation.SAMPLES[sample])[0][0, channel].max(axis=0)
    assert measure_sizes(image).smoothing.sigma_px == 1
