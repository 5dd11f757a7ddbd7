"""How good is the subtraction? Each method on simulated projections whose truth is known.

``PYTHONPATH=scripts python tests/benchmark/accuracy.py`` prints a Markdown table for the scenes of
the example, one for `cell_scenes.py`, by which nothing was chosen, and with ``--real FOLDER`` what
is left in the background of real files. Nothing is timed. ImageJ's own subtraction stands beside
where Debian's `imagej` and a JDK are installed.

The truth of a maximum projection with noise is itself a maximum of noise: the true background is
the mean projection of many exposures of the haze alone, the true objects are what the mean
projection of haze and objects has above it.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

import cell_scenes
from clearfield import simulation
from clearfield.errors import ClearfieldError
from clearfield.methods.subtraction import estimate_background, subtract_background
from clearfield.qc.granulometry import Granulometry, measure_sizes
from clearfield.qc.measurement import measure_plane
from clearfield.qc.recommended_methods import recommended_methods
from skimage.filters import threshold_otsu

SEEDS = range(5)
EXPOSURES = 12
SCENES = {
    "nuclei, low haze": (simulation.SAMPLES[0], 0),
    "nuclei, high haze": (simulation.SAMPLES[1], 0),
    "spots, low haze": (simulation.SAMPLES[0], 1),
    "spots, high haze": (simulation.SAMPLES[1], 1),
}
JAR = Path("/usr/share/java/ij.jar")
JAVA = Path(__file__).parents[1] / "unit/filters/ImageJBackground.java"
DEFAULT_RADIUS = 25  # px, where QC recommends none


class Truth(NamedTuple):
    """One simulated image, and what one would like to know of it."""

    image: np.ndarray
    background: np.ndarray
    net: np.ndarray  # what the objects add
    objects: np.ndarray  # their pixels
    free: np.ndarray  # pixels without objects


def apply_methods(image: np.ndarray, sizes: Granulometry) -> Iterator[tuple]:
    """Yield label, background and result of a constant, of each method, and of ImageJ."""
    # what one does without a method: a constant, the median of the image
    constant = np.full(image.shape, np.median(image), float)
    yield "a constant (median)", constant, image - constant
    for label, settings in recommended_methods(sizes, DEFAULT_RADIUS).items():
        estimate = estimate_background(image, **settings).astype(float)
        yield label, estimate, subtract_background(image, **settings).astype(float)
    if JAR.exists() and shutil.which("javac"):
        radii = (sizes.recommended_radius_px or DEFAULT_RADIUS, 50)
        labels = "same radius", "radius 50, its default"
        for label, pair in zip(labels, imagej(image, radii), strict=True):
            yield f"ImageJ 1.53t, {label}", *pair


@cache
def java_classes() -> tempfile.TemporaryDirectory:
    """Compile what asks ImageJ, once."""
    folder = tempfile.TemporaryDirectory()
    subprocess.run(["javac", "-cp", str(JAR), "-d", folder.name, str(JAVA)], check=True)
    return folder


def imagej(image: np.ndarray, radii: tuple[float, ...]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Let ImageJ subtract by balls: the background that it creates, and its clipped result."""
    with tempfile.TemporaryDirectory() as folder:
        shape = f"{image.dtype.name} {image.shape[0]} {image.shape[1]}"
        lines = [f"{number} {shape} {radius} 0 0 1" for number, radius in enumerate(radii)]
        Path(folder, "cases.txt").write_text("\n".join(lines) + "\n")
        for number in range(len(radii)):
            image.astype(image.dtype.newbyteorder("<")).tofile(Path(folder, f"{number}.in"))
        path = f"{JAR}:{java_classes().name}"
        subprocess.run(
            ["java", "-Djava.awt.headless=true", "-cp", path, "ImageJBackground", folder],
            check=True, capture_output=True,
        )  # fmt: skip
        for number in range(len(radii)):
            yield tuple(
                np.fromfile(Path(folder, f"{number}.{kind}"), "<f4").reshape(image.shape) + 0.0
                for kind in ("created", "subtracted")
            )


def mean_projection(photograph: Callable[[], np.ndarray]) -> np.ndarray:
    """Average the maximum projections of many exposures."""
    return sum(photograph().max(axis=0).astype(float) for _ in range(EXPOSURES)) / EXPOSURES


def outlines(bright: np.ndarray, places: list[np.ndarray]) -> np.ndarray:
    """Mark what is brighter than half of its own object's maximum: the width at half maximum."""
    truth = np.zeros(bright.shape, bool)
    for near in places:
        truth |= near & (bright > bright[near].max() / 2)
    return truth


def example_scene(sample: simulation.Sample, channel: int) -> Truth:
    """Simulate one channel of a sample of the example."""
    stack, objects, haze, spheres = simulation.simulate(sample)
    objects, haze = objects[0, channel], haze[0, channel]
    random = np.random.RandomState(1000 + sample.seed)
    background = mean_projection(lambda: simulation.photograph(haze, random))
    net = mean_projection(lambda: simulation.photograph(haze + objects, random)) - background
    bright = objects.max(axis=0)
    pixel = simulation.PIXEL_SIZE_UM["x"]
    rows, columns = np.ogrid[: bright.shape[0], : bright.shape[1]]
    places = [
        np.hypot(rows * pixel - y, columns * pixel - x) < radius + 0.7
        for _, y, x, radius in spheres[channel]
    ]
    return Truth(
        stack[0, channel].max(axis=0), background, net,
        outlines(bright, places), bright < bright.max() / 100,
    )  # fmt: skip


def cell_scene(scene: cell_scenes.CellScene) -> Truth:
    """Simulate cells in thick tissue through a widefield PSF."""
    objects, haze, places, offsets = cell_scenes.simulate(scene)
    random = np.random.RandomState(1000 + scene.seed)

    def camera(photons: np.ndarray) -> np.ndarray:
        return cell_scenes.photograph(photons, offsets, random)

    background = mean_projection(lambda: camera(haze))
    net = mean_projection(lambda: camera(haze + objects)) - background
    bright = objects.max(axis=0)
    return Truth(
        camera(haze + objects).max(axis=0), background, net,
        outlines(bright, places), bright < bright.max() / 50,
    )  # fmt: skip


def overlap(mask: np.ndarray, truth: np.ndarray) -> float:
    """Dice: twice the common area over the sum of both areas."""
    return 2 * (mask & truth).sum() / max(1, mask.sum() + truth.sum())


def measure(truth: Truth) -> dict[str, list[float]]:
    """Give error of the background, bias of the objects in % and overlap, for each method."""
    rows = {}
    for label, estimate, result in apply_methods(truth.image, measure_sizes(truth.image)):
        floor = np.median(result[truth.free])  # what is left, which a reader would take off
        sums = (result[truth.objects] - floor).sum(), truth.net[truth.objects].sum()
        rows[label] = [
            np.sqrt(np.mean((estimate - truth.background) ** 2)),
            100 * (sums[0] / sums[1] - 1),
            overlap(result > threshold_otsu(result), truth.objects),
        ]
    return rows


def print_table(scenes: dict[str, list[Truth]]) -> None:
    """Print each method's means over the images of each scene."""
    print("| method | " + " | ".join(scenes) + " |\n|---" + "|---" * len(scenes) + "|")
    cells: dict[str, list[str]] = {}
    for truths in scenes.values():
        runs = [measure(truth) for truth in truths]
        for label in runs[0]:
            error, bias, dice = np.mean([run[label] for run in runs], axis=0)
            cells.setdefault(label, []).append(f"{error:.1f} / {bias:+.0f} % / {dice:.2f}")
    for label, texts in cells.items():
        print(f"| {label} | " + " | ".join(texts) + " |")


def print_real(folder: Path) -> None:
    """Print what each method leaves in the background pixels of real files."""
    from alarm import find_images, project
    from clearfield.stack.loading import load

    columns = None  # of the first image that is to be smoothed
    for path in sorted(find_images(folder)):
        with tempfile.TemporaryDirectory() as scratch:
            try:
                load(str(path), Path(scratch, "stack"), {"series": 0})
                planes, channels = project(Path(scratch, "stack"), [])
            except (ClearfieldError, OSError):
                continue
        for channel in range(channels if "brightfield" not in str(path) else 0):
            image = planes[channel].astype(planes.dtype.newbyteorder("="))
            sizes = measure_sizes(image)
            if sizes.recommended_radius_px is None or image.dtype.name not in ("uint8", "uint16"):
                continue
            cells = dict(list_left(image, sizes))
            if columns is None:
                columns = cells if sizes.smoothing and sizes.smoothing.sigma_px else None
                if columns is None:
                    continue
                print("| image | radius / smooth | " + " | ".join(columns) + " |")
                print("|---|---" + "|---" * len(columns) + "|")
            smooth = sizes.smoothing.sigma_px if sizes.smoothing else 0
            print(
                f"| {path.stem[:32]}, C{channel} | {sizes.recommended_radius_px} / {smooth:g} | "
                + " | ".join(cells.get(label, "as it is") for label in columns) + " |"
            )  # fmt: skip


def list_left(image: np.ndarray, sizes: Granulometry) -> Iterator[tuple[str, str]]:
    """Yield label and what is left in the background pixels, in grey levels and in sigma."""
    channel = {"method": "none", "light_background": False}
    for label, _, result in apply_methods(image, sizes):
        row = measure_plane(
            result, sizes, channel=channel, output={"negative": "keep"}, statistics={},
            clipped={"clipped_low": 0, "clipped_high": 0}, pixel_size_um={"x": None, "y": None},
        )  # fmt: skip
        left, sigma = row["background_median_after"], row["background_left_sigma"]
        yield label, f"{left:.1f} ({sigma:.1f} σ)"


def main() -> None:
    """Print the tables: means over the seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real", type=Path, metavar="FOLDER")
    folder = parser.parse_args().real
    if folder:
        print_real(folder)
        return
    print("Error of the background (RMSE, grey levels) / bias of the objects / Dice\n")
    print_table(
        {
            name: [
                example_scene(replace(sample, seed=100 * seed + sample.seed), channel)
                for seed in SEEDS
            ]
            for name, (sample, channel) in SCENES.items()
        }
    )
    print()
    print_table(
        {
            name: [cell_scene(replace(scene, seed=100 * seed + scene.seed)) for seed in SEEDS]
            for name, scene in cell_scenes.SCENES.items()
        }
    )


if __name__ == "__main__":
    main()
