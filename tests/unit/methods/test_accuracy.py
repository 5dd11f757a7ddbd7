"""How close each method comes to the truth that lies beside the example."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from clearfield.methods.subtraction import subtract_background
from clearfield.qc.granulometry import measure_sizes
from skimage.filters import threshold_otsu

EXAMPLE = Path(__file__).parents[3] / "resources" / "example"
CHANNELS = {"nuclei": 0, "spots": 1}


def read(sample: str, channel: str) -> tuple[np.ndarray, np.ndarray]:
    """Give the maximum projection and the truth of one channel."""
    with tifffile.TiffFile(next(EXAMPLE.glob(f"{sample}.*"))) as tif:
        series = tif.series[0]
        stack = series.asarray().transpose([series.axes.index(axis) for axis in "CZYX"])
    truth = tifffile.imread(EXAMPLE / "truth" / f"{sample}.tif")
    return stack[CHANNELS[channel]].max(axis=0), truth[CHANNELS[channel]].astype(float)


def overlap(mask: np.ndarray, truth: np.ndarray) -> float:
    """Dice."""
    return 2 * (mask & truth).sum() / (mask.sum() + truth.sum())


@pytest.mark.parametrize("sample", ["nuclei_low_haze", "nuclei_high_haze"])
@pytest.mark.parametrize("method", ["tophat", "minmax", "dog"])
def test_nuclei_come_out_of_the_haze(sample, method):
    image, truth = read(sample, "nuclei")
    radius = measure_sizes(image).recommended_radius_px
    size = 2 * radius + 1
    result = subtract_background(
        image, method, radius, min_size=size, max_size=size, high_sigma=2 * radius
    ).astype(float)
    nuclei, free = truth > truth.max() / 2, truth < truth.max() / 100
    # The haze may leak into a nucleus, or the nucleus into its background, by a tenth of its light
    survived = result[nuclei].mean() - np.median(result[free])
    assert survived == pytest.approx(truth[nuclei].mean(), rel=0.12)
    assert overlap(result > threshold_otsu(result), nuclei) > 0.93


def test_a_threshold_alone_loses_the_nuclei_in_the_haze():
    image, truth = read("nuclei_high_haze", "nuclei")
    assert overlap(image > threshold_otsu(image), truth > truth.max() / 2) < 0.7


def test_spots_come_out_of_the_haze():
    image, truth = read("nuclei_high_haze", "spots")
    radius = measure_sizes(image).recommended_radius_px
    result = subtract_background(image, "tophat", radius).astype(float)
    spots, free = truth > truth.max() / 2, truth < truth.max() / 100
    # Of the 8 planes' noise the background shows the largest, 1.42 sigma (the mean of the largest
    # of 8 normal values) above its mean; a spot shows its own brightest plane. So much is lost.
    sigma = np.sqrt(np.median(image[free]) - 100)
    survived = result[spots].mean() - np.median(result[free])
    assert truth[spots].mean() - 1.42 * sigma < survived < truth[spots].mean()
