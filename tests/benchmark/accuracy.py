"""How good is the subtraction? Each method on simulated projections whose truth is known.

``PYTHONPATH=scripts python tests/benchmark/accuracy.py`` prints a Markdown table. Nothing is timed.

The truth of a maximum projection with noise is itself a maximum of noise: the true background is
the mean projection of many exposures of the haze alone, the true objects are what the mean
projection of haze and objects has above it.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from clearfield import simulation
from clearfield.methods.subtraction import estimate_background, subtract_background
from clearfield.qc.granulometry import measure_sizes
from skimage.filters import threshold_otsu

SEEDS = range(5)
EXPOSURES = 12
SCENES = {
    "nuclei, low haze": (simulation.SAMPLES[0], 0),
    "nuclei, high haze": (simulation.SAMPLES[1], 0),
    "spots, low haze": (simulation.SAMPLES[0], 1),
    "spots, high haze": (simulation.SAMPLES[1], 1),
}
METHODS = ("none", "tophat", "minmax", "dog")


def recommended_sizes(image: np.ndarray) -> dict[str, float]:
    """Give each method's sizes as granulometry and the README recommend them."""
    radius = measure_sizes(image).recommended_radius_px
    return {
        "radius": radius,
        "min_size": 2 * radius + 1,
        "max_size": 2 * radius + 1,
        "low_sigma": 1,
        "high_sigma": 2 * radius,  # a Gaussian must be wider: it has no flat top
    }


def mean_projection(photons: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    """Average the maximum projections of many exposures."""
    shots = (simulation.photograph(photons, random).max(axis=0) for _ in range(EXPOSURES))
    return sum(shot.astype(float) for shot in shots) / EXPOSURES


def outlines(bright: np.ndarray, spheres: np.ndarray) -> np.ndarray:
    """Mark what is brighter than half of its own object's maximum: the width at half maximum."""
    pixel = simulation.PIXEL_SIZE_UM["x"]
    rows, columns = np.ogrid[: bright.shape[0], : bright.shape[1]]
    truth = np.zeros(bright.shape, bool)
    for _, y, x, radius in spheres:
        near = np.hypot(rows * pixel - y, columns * pixel - x) < radius + 0.7
        truth |= near & (bright > bright[near].max() / 2)
    return truth


def overlap(mask: np.ndarray, truth: np.ndarray) -> float:
    """Dice: twice the common area over the sum of both areas."""
    return 2 * (mask & truth).sum() / max(1, mask.sum() + truth.sum())


def measure(sample: simulation.Sample, channel: int) -> dict[str, list[float]]:
    """Give, for each method, background error, object bias and overlap on one simulated sample."""
    stack, objects, haze, places = simulation.simulate(sample)
    image = stack[0, channel].max(axis=0)
    objects, haze = objects[0, channel], haze[0, channel]
    random = np.random.RandomState(1000 + sample.seed)
    background = mean_projection(haze, random)
    net = mean_projection(haze + objects, random) - background
    bright = objects.max(axis=0)
    truth = outlines(bright, places[channel])
    free = bright < bright.max() / 100
    sizes = recommended_sizes(image)
    rows = {}
    for method in METHODS:
        settings = {"method": method, **sizes}
        result = subtract_background(image, **settings).astype(float)
        if method == "none":
            # what one does without a method: a constant, the median of the image
            estimate = np.full(image.shape, np.median(image))
            result = result - estimate
        else:
            estimate = estimate_background(image, **settings).astype(float)
        floor = np.median(result[free])  # what the noise leaves, which a reader would take off
        rows[method] = [
            np.sqrt(np.mean((estimate - background) ** 2)),
            100 * ((result[truth] - floor).sum() / net[truth].sum() - 1),
            overlap(result > threshold_otsu(result), truth),
        ]
    return rows


def main() -> None:
    """Print the table: means over the seeds."""
    print(
        "| image | method | error of the background (RMSE, grey levels) "
        "| bias of object intensity | Otsu against the truth (Dice) |"
    )
    print("|---|---|---|---|---|")
    for name, (sample, channel) in SCENES.items():
        runs = [measure(replace(sample, seed=100 * seed + sample.seed), channel) for seed in SEEDS]
        for method in METHODS:
            error, bias, dice = np.mean([run[method] for run in runs], axis=0)
            label = "a constant (median)" if method == "none" else method
            print(f"| {name} | {label} | {error:.0f} | {bias:+.0f} % | {dice:.2f} |")


if __name__ == "__main__":
    main()
