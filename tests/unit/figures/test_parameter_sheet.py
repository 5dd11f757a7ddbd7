"""The sheet of filter sizes: each panel is what its sizes give, without wrap-around."""

import json

import numpy as np
import pytest
from clearfield.errors import ClearfieldError
from clearfield.figures.parameter_sheet import cut_window, list_trials
from clearfield.qc.granulometry import measure_sizes
from clearfield.results.ometiff import write_ome_tiff
from explore_parameters import explore_parameters
from PIL import Image
from scipy import ndimage

SETTINGS = {
    "channel": 0, "time": 0, "window": 2048, "light_background": False,
    "min_sizes": [5, 25], "max_sizes": [5, 45, 65], "radii": [3, 8],
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
    assert len(trials) == 2 + 2 * 3 + 2 * 2
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
        else:
            assert result.min() >= 0


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
