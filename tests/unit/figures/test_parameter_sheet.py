"""The sheet of filter sizes: each panel is what its sizes give, without wrap-around."""

import json

import numpy as np
import pytest
from clearfield.errors import ClearfieldError
from clearfield.figures.parameter_sheet import cut_window, list_trials
from clearfield.methods.subtraction import subtract_background
from clearfield.qc.granulometry import measure_sizes
from clearfield.qc.recommended_methods import recommended_methods
from clearfield.results.ometiff import write_ome_tiff
from explore_parameters import explore_parameters
from PIL import Image
from scipy import ndimage

SETTINGS = {
    "channel": 0, "time": 0, "window": 2048, "light_background": False,
    "min_sizes": [5, 25], "max_sizes": [5, 45, 65], "radii": [3, 8],
    "smooths": [0, 1], "ball_radii": [5], "recommended": True,
    "low_sigmas": [0.5, 1], "high_sigmas": [10, 25],
}  # fmt: skip
UNKNOWN = {"x": None, "y": None, "z": None}


def spots():
    image = np.random.RandomState(1).poisson(100, (70, 90))
    y, x = np.ogrid[:70, :90]
    for row, column in ((20, 20), (50, 60), (30, 75)):
        image[(y - row) ** 2 + (x - column) ** 2 <= 25] += 600
    return image.astype(np.uint16)


@pytest.mark.parametrize("light", [False, True])
def test_every_panel_is_what_its_sizes_give(light):
    image = spots()
    settings = SETTINGS | {"light_background": light}
    trials = list(
        list_trials(image, measure_sizes(image, light), settings, pixel_size_um=UNKNOWN, threads=1)
    )
    beside = [trial for trial in trials if trial.method == "recommended"]
    assert len(beside) == (0 if light else 7)  # in bright spots, no dark size is advised
    assert len(trials) == len(beside) + 2 * 2 + 2 * 3 + 2 * 2 + 2
    wide = image.astype(float)
    for trial in trials:
        result = trial.image[::2, ::2]  # 90 columns are drawn on 180 px
        if trial.method == "minmax":
            low, high = SETTINGS["min_sizes"][trial.row], SETTINGS["max_sizes"][trial.column]
            if light:
                background = ndimage.minimum_filter(ndimage.maximum_filter(wide, high), low)
            else:
                background = ndimage.maximum_filter(ndimage.minimum_filter(wide, low), high)
            expected = background - wide if light else wide - background
            np.testing.assert_array_equal(result, expected)
            assert trial.merit["negative_fraction"] == np.mean(expected < 0)
            assert trial.caption == f"min {low}, max {high}"
        elif trial.method == "dog":
            low, high = SETTINGS["low_sigmas"][trial.column], SETTINGS["high_sigmas"][trial.row]
            small, large = (
                ndimage.gaussian_filter(wide, sigma, mode="nearest", truncate=4)
                for sigma in (low, high)
            )
            expected = large - small if light else small - large
            np.testing.assert_allclose(result, expected, atol=1e-2)
        elif trial.method == "tophat":
            radius, smooth = SETTINGS["radii"][trial.row], SETTINGS["smooths"][trial.column]
            expected = subtract_background(
                image, radius=radius, smooth=smooth, light_background=light
            )
            np.testing.assert_allclose(result, expected, atol=1e-2)
            assert trial.caption == f"radius {radius}" + ", smooth 1" * smooth
        elif trial.method == "rolling_ball":
            expected = subtract_background(
                image, "rolling_ball", 5, light, paraboloid=bool(trial.column)
            )
            np.testing.assert_allclose(result, expected, atol=1e-2)


def test_each_method_at_its_advised_size():
    image = spots()
    sizes = measure_sizes(image)
    settings = SETTINGS | {"radii": [], "min_sizes": [], "low_sigmas": [], "ball_radii": []}
    trials = list(list_trials(image, sizes, settings, pixel_size_um=UNKNOWN, threads=1))
    chosen = recommended_methods(sizes)
    assert [trial.caption.split("\n")[0] for trial in trials] == list(chosen)
    advice = sizes.smoothing
    assert chosen["top-hat, smoothed"] == {
        "method": "tophat", "radius": advice.radius_px, "smooth": advice.sigma_px,
    }  # fmt: skip
    for trial, own in zip(trials, chosen.values(), strict=True):
        result = subtract_background(image, **own)
        np.testing.assert_allclose(trial.image[::2, ::2], result, atol=0.51)
    assert f"radius {advice.radius_px}, smooth {advice.sigma_px:g}" in trials[1].caption
    other = list(
        list_trials(image.astype("int16"), sizes, settings, pixel_size_um=UNKNOWN, threads=1)
    )
    assert len(other) == 5  # ImageJ's two know no int16


def test_nothing_stands_side_by_side_where_no_size_is_advised():
    image = np.random.RandomState(1).poisson(100, (70, 90)).astype("uint16")
    settings = SETTINGS | {"radii": [3], "min_sizes": [], "low_sigmas": [], "ball_radii": []}
    trials = list(
        list_trials(image, measure_sizes(image), settings, pixel_size_um=UNKNOWN, threads=1)
    )
    assert [trial.method for trial in trials] == ["tophat", "tophat"]


def test_sheet_is_written(tmp_path):
    image = spots()
    write_ome_tiff(
        tmp_path / "a.ome.tif", [(0, 0, 0, 70, image)], shape=(1, 1, 70, 90), dtype="u2",
        pixel_size_um=UNKNOWN | {"x": 0.2, "y": 0.2}, channel_names=["$x"], provenance={},
    )  # fmt: skip
    arguments = str(tmp_path / "a.ome.tif"), str(tmp_path / "a.png"), "<a> $b$ 細", SETTINGS, 1
    explore_parameters(*arguments)
    with Image.open(tmp_path / "a.png") as sheet:
        assert sheet.width > sheet.height
    first = (tmp_path / "a.png").read_bytes()
    explore_parameters(*arguments)
    assert (tmp_path / "a.png").read_bytes() == first
    for change, message in (
        ({"channel": 1}, r"explore_parameters\.channel is 1, but a has channels 0 to 0"),
        ({"time": 2}, r"explore_parameters\.time is 2"),
        ({"low_sigmas": [30]}, r"explore_parameters\.low_sigmas holds 30"),
        ({"min_sizes": [4]}, "take 3 or 5"),
    ):
        with pytest.raises(ClearfieldError, match=message):
            explore_parameters(*arguments[:2], "a", json.loads(json.dumps(SETTINGS | change)), 1)


def test_window_is_the_middle():
    image = np.arange(100).reshape(10, 10)
    np.testing.assert_array_equal(cut_window(image, 4), image[3:7, 3:7])
    np.testing.assert_array_equal(cut_window(image, 10), image)
