"""The rolling ball as a method: its clipped result is ImageJ's, and nothing is lost on the way."""

from pathlib import Path

import clearfield
import numpy as np
import pytest
from clearfield.filters.rolling_ball import rolling_ball, subtracted
from clearfield.methods.subtraction import estimate_background

SETTINGS = [
    {"radius": radius, "smooth": smooth, "paraboloid": paraboloid}
    for radius in (2.5, 11, 50)
    for smooth in (True, False)
    for paraboloid in (False, True)
]


def scene(dtype) -> np.ndarray:
    y, x = np.mgrid[:67, :71]
    random = np.random.default_rng(9)
    image = 60 + x + 90 * ((y % 23 < 6) & (x % 19 < 7)) + random.normal(0, 4, y.shape)
    return image.astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_clipped_at_zero_it_is_imagejs_result(dtype, settings):
    """`subtracted` is equal to ImageJ in every pixel: tests/unit/filters/test_rolling_ball.py."""
    image = scene(dtype)
    result = clearfield.subtract_background(image, "rolling_ball", negative="clip", **settings)
    expected = np.maximum(subtracted(image, rolling_ball(image, **settings)), 0)
    assert result.dtype == image.dtype
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_on_a_light_background_it_is_what_imagej_counts_from_the_largest_value(settings):
    image = 255 - scene("uint8")
    result = clearfield.subtract_background(
        image, "rolling_ball", light_background=True, negative="clip", **settings
    )
    background = rolling_ball(image, light_background=True, **settings)
    expected = 255 - subtracted(image, background, light_background=True)
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("light", [False, True])
def test_image_minus_background_is_the_result_exactly(light):
    image = scene("uint16")
    settings = {"radius": 11, "smooth": True, "paraboloid": False}
    result = clearfield.subtract_background(
        image, "rolling_ball", light_background=light, **settings
    )
    background = estimate_background(
        image, method="rolling_ball", light_background=light, **settings
    )
    assert result.dtype == background.dtype == np.float32
    assert (background % 1 == 0).all() and result.min() < 0
    np.testing.assert_array_equal(result, background - image if light else image - background)


@pytest.mark.parametrize(("slope", "ball", "paraboloid"), [(1, 1.5, 0), (10, 15, 0), (100, 150, 0)])
def test_a_ball_stays_below_a_slope_by_a_share_of_it(slope, ball, paraboloid):
    """The table of config/README.md, radius 50, in the middle of a noise-free slope."""
    image = (slope * np.arange(401, dtype=np.float32)) * np.ones((9, 1), np.float32)
    middle = {}
    for which in (False, True):
        background = estimate_background(
            image, method="rolling_ball", radius=50, smooth=False, paraboloid=which
        )
        middle[which] = float(image[4, 200] - background[4, 200])
    assert middle[False] == pytest.approx(ball, rel=0.02)
    assert middle[True] == pytest.approx(paraboloid, abs=1e-3 * slope)
    text = Path(__file__).parents[3] / "config/README.md"
    assert "1.5, 15, 150 grey levels below it" in text.read_text("utf-8")


def test_other_types_are_refused_in_one_sentence():
    with pytest.raises(clearfield.ClearfieldError, match="int16, and ImageJ's rolling ball knows"):
        clearfield.subtract_background(scene("int16"), "rolling_ball", radius=5)
