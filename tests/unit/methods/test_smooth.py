"""`smooth` of the top-hat and the minimum–maximum filter, through all that a job does with it."""

import numpy as np
import pytest
from clearfield import subtract_background
from clearfield.errors import ClearfieldError
from clearfield.figures.method_steps import list_steps
from clearfield.figures.methods_paragraph import write_methods
from clearfield.figures.qc_figure import describe_settings
from clearfield.methods.channels import resolve_channels
from clearfield.methods.subtraction import (
    background_dtype,
    estimate_background,
    output_dtype,
    subtract_blocks,
)
from scipy import ndimage
from skimage.morphology import disk, opening

SMOOTHED = [
    {"method": "tophat", "radius": 4, "smooth": 1},
    {"method": "minmax", "min_size": 5, "max_size": 5, "smooth": 1.5},
]


def image(dtype="uint16"):
    return (np.random.default_rng(3).random((40, 53)) * 250).astype(dtype)


@pytest.mark.parametrize("settings", SMOOTHED)
@pytest.mark.parametrize("light", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "float32"])
def test_the_background_is_estimated_on_the_copy_and_taken_off_the_image(settings, light, dtype):
    plane = image(dtype)
    result = subtract_background(plane, **settings, light_background=light)
    background = estimate_background(plane, **settings, light_background=light)
    blurred = ndimage.gaussian_filter(plane.astype(float), settings["smooth"], mode="nearest")
    plain = {key: value for key, value in settings.items() if key != "smooth"}
    expected = estimate_background(blurred, **plain, light_background=light)
    assert np.abs(background - expected).max() < 1e-6 * plane.max()
    exact = (expected - plane) if light else (plane - expected)
    assert np.abs(result - exact).max() < 1e-6 * plane.max()
    assert result.dtype == ("float64" if dtype == "uint32" else "float32")
    assert background.dtype == "float32"
    assert result.min() < 0


@pytest.mark.parametrize("settings", SMOOTHED)
def test_what_is_clipped_is_counted(settings):
    plane = image()
    signed = subtract_background(plane, **settings)
    clipped = subtract_background(plane, **settings, negative="clip")
    assert clipped.dtype == np.uint16
    np.testing.assert_array_equal(clipped, np.clip(np.rint(signed), 0, None))
    blocks = list(
        subtract_blocks(plane, settings, dtype=np.dtype("uint16"), negative="clip", threads=1)
    )
    assert sum(block.clipped_low for block in blocks) == (np.rint(signed) < 0).sum() > 0
    shifted = subtract_background(plane, **settings, negative="offset", dtype="uint16")
    np.testing.assert_array_equal(shifted, np.rint(signed + 1000))
    with pytest.raises(ClearfieldError, match="cannot keep the negative values"):
        subtract_background(plane, **settings, dtype="uint16")


def test_dtypes_follow_the_channels_that_smooth():
    plain, smooth = {"method": "tophat", "radius": 4}, SMOOTHED[0]
    uint16 = np.dtype("uint16")
    assert output_dtype(uint16, [plain], dtype="auto", negative="keep") == uint16
    assert output_dtype(uint16, [plain, smooth], dtype="auto", negative="keep") == np.float32
    assert background_dtype(uint16, [plain]) == uint16
    assert background_dtype(uint16, [plain, smooth]) == np.float32


def resolved(method="tophat", unit="px", **sizes):
    settings = {"method": method, "light_background": False, method: sizes, "unit": unit}
    pixels = {"x": 0.5, "y": 0.5, "z": 2.0}
    return resolve_channels(settings | {"channels": {}}, ["a"], pixels, "s")[0]


def test_a_blur_in_micrometres_is_not_rounded_to_whole_pixels():
    channel = resolved(unit="um", radius=2.6, smooth=0.6)
    assert (channel["radius"], channel["smooth"]) == (5, 1.2)
    assert channel["sizes_um"] == {"radius": 2.5, "smooth": 0.6}
    assert describe_settings(channel) == (
        "top-hat, disk radius 5 px = 2.5 µm, smoothing sigma 1.2 px = 0.6 µm"
    )


def test_no_blur_leaves_no_trace():
    """Files of before and of now are the same bytes."""
    channel = resolved(radius=5, smooth=0)
    assert "smooth" not in channel and channel["sizes_um"] == {"radius": 2.5}
    assert describe_settings(channel) == "top-hat, disk radius 5 px = 2.5 µm"


def test_steps_show_the_blur_and_what_was_opened():
    plane, channel = image(), resolved(radius=4, smooth=1)
    result = subtract_background(plane, radius=4, smooth=1)
    steps = list_steps(plane, result, channel, plane.shape)
    assert [caption for caption, _, _ in steps] == [
        "Original", "Gaussian, sigma 1 px", "Opening of the smoothed, disk radius 4 px", "Result",
    ]  # fmt: skip
    blurred = ndimage.gaussian_filter(plane.astype(float), 1, mode="nearest")
    np.testing.assert_allclose(steps[1][1], blurred, rtol=1e-5)
    np.testing.assert_allclose(steps[2][1], opening(blurred, disk(4), mode="reflect"), rtol=1e-5)


@pytest.mark.parametrize(
    ("method", "sizes", "words"),
    [
        ("tophat", "radius 5 px (2.5 µm); smooth 1.2 px (0.6 µm)",
         "with a disk of radius 5 px (2.5 µm), its background estimated on a copy smoothed by a "
         "Gaussian of standard deviation 1.2 px (0.6 µm)"),
        ("minmax", "min_size 5 px; max_size 5 px; smooth 1 px",
         "followed by a maximum filter (5 px) of a copy smoothed by a Gaussian of standard "
         "deviation 1 px"),
        ("tophat", "radius 5 px", "with a disk of radius 5 px. Grey levels"),
    ],
)  # fmt: skip
def test_the_methods_paragraph_tells_of_it(method, sizes, words):
    row = {
        "sample": "a", "time": "0", "channel": "0", "channel_name": "DAPI", "planes": "9",
        "projection": "max", "method": method, "light_background": "0", "sizes": sizes,
    }  # fmt: skip
    assert words in write_methods([row], {"clearfield": "1"})


def test_the_two_meanings_of_smooth_are_not_mixed_up():
    plane = image()
    for wrong in (True, False):
        with pytest.raises(ClearfieldError, match="standard deviation of a Gaussian"):
            subtract_background(plane, "tophat", 3, smooth=wrong)
    with pytest.raises(ClearfieldError, match=r"rolling ball is 1\.5; give True"):
        subtract_background(plane, "rolling_ball", 3, smooth=1.5)
    default = subtract_background(plane, "rolling_ball", 3)
    assert np.array_equal(default, subtract_background(plane, "rolling_ball", 3, smooth=True))
