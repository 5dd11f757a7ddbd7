"""Simulated z-stacks whose truth is known: the embedded example and the benchmark's input.

Spheres of known place and size, blurred by a point-spread function, under an uneven
autofluorescent haze, seen by a camera: offset, Poisson noise, read noise, saturation.
Seeded, and the same on every machine: the noise comes from `numpy.random.RandomState`, whose
streams NumPy has frozen, and the photons are rounded before it, so that the last bit of a
Fourier transform cannot change a pixel.

``PYTHONPATH=scripts python -m clearfield.simulation resources/example`` writes the example anew.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .results.whole_files import replacing

# ASSUME: a small fluorescence microscope: 0.35 µm pixels, 1 µm steps, an electron-counting camera
# with one grey level per photon.
PIXEL_SIZE_UM = {"x": 0.35, "y": 0.35, "z": 1.0}
OFFSET = 100
READ_NOISE = 3.0
PSF_SIGMA_UM = {"lateral": 0.4, "axial": 1.0}


@dataclass(frozen=True)
class Channel:
    """What one channel shows: `count` spheres of `brightness` photons under `haze` photons."""

    name: str
    count: int
    radius_um: tuple[float, float]
    brightness: float
    haze: float
    unevenness: float


@dataclass(frozen=True)
class Sample:
    """One simulated file: its name, seed, shape (T, Z, Y, X), channels and flaws."""

    file: str
    seed: int
    shape: tuple[int, int, int, int]
    channels: tuple[Channel, ...]
    bleaching: float = 0.0
    saturation_level: int = 65535


SAMPLES = (
    Sample(
        file="nuclei_low_haze.tif",
        seed=1,
        shape=(1, 8, 176, 176),
        channels=(
            Channel("nuclei", 18, (3.0, 4.0), brightness=600, haze=150, unevenness=0.5),
            Channel("spots", 60, (0.5, 0.7), brightness=900, haze=100, unevenness=0.5),
        ),
    ),
    Sample(
        file="nuclei_high_haze.ome.tif",
        seed=2,
        shape=(1, 8, 176, 176),
        channels=(
            Channel("nuclei", 18, (3.0, 4.0), brightness=500, haze=900, unevenness=1.0),
            Channel("spots", 60, (0.5, 0.7), brightness=900, haze=500, unevenness=1.0),
        ),
    ),
    Sample(  # flawed on purpose: the nuclei bleach, the spots saturate a 12-bit camera
        file="timelapse_bleached_saturated.tif",
        seed=3,
        shape=(3, 5, 128, 128),
        channels=(
            Channel("nuclei", 9, (3.0, 4.0), brightness=600, haze=300, unevenness=0.8),
            Channel("spots", 30, (0.6, 0.8), brightness=25000, haze=300, unevenness=0.8),
        ),
        bleaching=0.3,
        saturation_level=4095,
    ),
)


def place_spheres(
    random: np.random.RandomState,
    count: int,
    shape: tuple[int, int, int],
    radius_um: tuple[float, float],
    gap_um: float = 1.5,
) -> np.ndarray:
    """Draw spheres that do not touch in the projection and lie wholly inside the plane.

    Parameters
    ----------
    random
        Source of places and sizes.
    count
        Number wanted; fewer come back where no room is left.
    shape
        Z, Y, X in pixels of `PIXEL_SIZE_UM`.
    radius_um
        Smallest and largest radius.
    gap_um
        Least distance between two outlines.

    Returns
    -------
    numpy.ndarray
        (n, 4) float64: z, y, x of the centre and the radius, in µm; pixel k has its centre at
        k times the pixel size.
    """
    size = np.array(shape) * [PIXEL_SIZE_UM[axis] for axis in "zyx"]
    spheres = np.empty((0, 4))
    for _ in range(100 * count):
        radius = random.uniform(*radius_um)
        z = random.uniform(0.35, 0.65) * size[0]  # near the middle plane, as in a thin tissue
        margin = radius + gap_um
        y, x = (random.uniform(margin, length - margin) for length in size[1:])
        distance = np.hypot(spheres[:, 1] - y, spheres[:, 2] - x)
        if (distance > spheres[:, 3] + margin).all():
            spheres = np.vstack([spheres, (z, y, x, radius)])
        if len(spheres) == count:
            break
    return np.round(spheres, 3)


def render_spheres(spheres: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Draw spheres of brightness 1, their rims shaded over one pixel, into a volume.

    Parameters
    ----------
    spheres
        (n, 4): z, y, x, radius in µm.
    shape
        Z, Y, X of the volume.

    Returns
    -------
    numpy.ndarray
        float32 volume between 0 and 1.

    Examples
    --------
    >>> render_spheres(np.array([[0.0, 0.7, 0.7, 0.35]]), (1, 5, 5))[0, 2]
    array([0. , 0.5, 1. , 0.5, 0. ], dtype=float32)
    """
    volume = np.zeros(shape, np.float32)
    dz, dy, dx = (PIXEL_SIZE_UM[axis] for axis in "zyx")
    for z, y, x, radius in spheres:
        rows = slice(max(0, int((y - radius) / dy)), int((y + radius) / dy) + 2)
        columns = slice(max(0, int((x - radius) / dx)), int((x + radius) / dx) + 2)
        box = volume[:, rows, columns]
        zz, yy, xx = np.ogrid[: shape[0], rows.start : rows.start + box.shape[1], : box.shape[2]]
        distance = np.sqrt(
            (zz * dz - z) ** 2 + (yy * dy - y) ** 2 + ((xx + columns.start) * dx - x) ** 2
        )
        np.maximum(box, np.clip((radius - distance) / dx + 0.5, 0, 1), out=box)
    return volume


def blur(volume: np.ndarray) -> np.ndarray:
    """Convolve with a Gaussian point-spread function of `PSF_SIGMA_UM`; nothing lies outside.

    ASSUME: a Gaussian core stands for the whole point-spread function; its wide skirts are part
    of the simulated haze.
    """
    sigma = np.array([PSF_SIGMA_UM["axial"], PSF_SIGMA_UM["lateral"], PSF_SIGMA_UM["lateral"]])
    sigma /= [PIXEL_SIZE_UM[axis] for axis in "zyx"]
    padded = [n + int(np.ceil(4 * s)) for n, s in zip(volume.shape, sigma, strict=True)]
    spectrum = np.fft.rfftn(volume, padded, axes=(0, 1, 2))
    for axis, (length, s) in enumerate(zip(padded, sigma, strict=True)):
        frequency = (np.fft.rfftfreq if axis == 2 else np.fft.fftfreq)(length)
        gain = np.exp(-2 * (np.pi * s * frequency) ** 2)
        spectrum *= gain.reshape([-1 if k == axis else 1 for k in range(3)])
    blurred = np.fft.irfftn(spectrum, padded, axes=(0, 1, 2))[tuple(map(slice, volume.shape))]
    return np.maximum(blurred, 0).astype(np.float32)


def make_haze(
    random: np.random.RandomState, shape: tuple[int, int, int], level: float, unevenness: float
) -> np.ndarray:
    """Draw an autofluorescent haze: a slope and three wide clouds, dimmer away from the middle.

    Parameters
    ----------
    random
        Source of the slope's direction and of the clouds' places.
    shape
        Z, Y, X.
    level
        Mean photons a pixel in the brightest plane.
    unevenness
        (brightest - dimmest) / mean within that plane, 0 to 2.

    Returns
    -------
    numpy.ndarray
        float32 volume, photons.
    """
    y, x = np.ogrid[0 : 1 : shape[1] * 1j, 0 : 1 : shape[2] * 1j]
    angle = random.uniform(0, 2 * np.pi)
    pattern = 0.5 * (np.cos(angle) * x + np.sin(angle) * y)
    for _ in range(3):
        cy, cx = random.uniform(0, 1, 2)
        width = random.uniform(0.2, 0.35)
        pattern = pattern + np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * width**2))
    pattern = (pattern - pattern.mean()) / np.ptp(pattern)
    depth = np.linspace(-1, 1, shape[0]) if shape[0] > 1 else np.zeros(1)
    brightness = level * (1 - 0.2 * depth**2)[:, None, None]
    return np.maximum(brightness * (1 + unevenness * pattern), 0).astype(np.float32)


def photograph(
    photons: np.ndarray, random: np.random.RandomState, saturation_level: int = 65535
) -> np.ndarray:
    """See expected photons through the camera: Poisson noise, offset, read noise, saturation.

    Parameters
    ----------
    photons
        Expected photons a pixel, any shape.
    random
        Source of the noise.
    saturation_level
        Largest grey level.

    Returns
    -------
    numpy.ndarray
        uint16 of the same shape: `OFFSET` + photons, one grey level each.
    """
    expected = np.round(photons.astype(np.float64) * 64) / 64
    counts = random.poisson(expected) + random.normal(OFFSET, READ_NOISE, photons.shape)
    return np.clip(np.rint(counts), 0, saturation_level).astype(np.uint16)


def simulate(sample: Sample) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[np.ndarray]]:
    """Simulate one sample.

    Parameters
    ----------
    sample
        What to simulate.

    Returns
    -------
    stack : numpy.ndarray
        uint16 (T, C, Z, Y, X): what the camera saw.
    objects : numpy.ndarray
        float32 (T, C, Z, Y, X): expected photons of the objects alone, after the blur.
    haze : numpy.ndarray
        float32 (T, C, Z, Y, X): expected photons of the haze alone.
    spheres : list of numpy.ndarray
        For each channel (n, 4): z, y, x, radius in µm.
    """
    random = np.random.RandomState(sample.seed)
    times, *volume_shape = sample.shape
    shape = (times, len(sample.channels), *volume_shape)
    objects, haze = np.empty(shape, np.float32), np.empty(shape, np.float32)
    places = []
    for c, channel in enumerate(sample.channels):
        spheres = place_spheres(random, channel.count, tuple(volume_shape), channel.radius_um)
        places.append(spheres)
        remaining = (1 - sample.bleaching) ** np.arange(times)[:, None, None, None]
        objects[:, c] = remaining * channel.brightness * blur(render_spheres(spheres, volume_shape))
        haze[:, c] = make_haze(random, tuple(volume_shape), channel.haze, channel.unevenness)
    return photograph(objects + haze, random, sample.saturation_level), objects, haze, places


def write_example(folder: str | Path) -> None:
    """Write the example's stacks into `folder` and their truth into its folder ``truth``."""
    import tifffile

    folder = Path(folder)
    rows = []
    for sample in SAMPLES:
        stack, objects, _, places = simulate(sample)
        names = [channel.name for channel in sample.channels]
        with replacing(folder / sample.file) as temporary:
            if sample.file.endswith(".ome.tif"):
                tifffile.imwrite(
                    temporary, stack, photometric="minisblack", ome=True, metadata=_ome(names)
                )
            else:
                _write_imagej(temporary, stack, "TZCYX", names)
        name = sample.file.removesuffix(".tif").removesuffix(".ome")
        with replacing(folder / "truth" / f"{name}.tif") as temporary:
            truth = np.rint(objects.max(axis=2)).astype(np.uint16)
            _write_imagej(temporary, truth[:, :, None], "TZCYX", names)
        rows += [
            [name, channel, *(f"{value:.3f}" for value in sphere)]
            for channel, spheres in zip(names, places, strict=True)
            for sphere in spheres
        ]
    with (
        replacing(folder / "truth" / "objects.tsv") as temporary,
        temporary.open("w", newline="") as file,
    ):
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(["sample", "channel", "z_um", "y_um", "x_um", "radius_um"])
        writer.writerows(rows)


def _write_imagej(path: Path, stack: np.ndarray, axes: str, names: list[str]) -> None:
    """Write TCZYX pixels as an ImageJ hyperstack, calibrated, its channels named."""
    import tifffile

    size = PIXEL_SIZE_UM
    tifffile.imwrite(
        path,
        np.ascontiguousarray(stack.swapaxes(1, 2)),
        imagej=True,
        resolution=(1 / size["x"], 1 / size["y"]),
        metadata={
            "axes": axes,
            "unit": "um",
            "spacing": size["z"],
            "mode": "composite",
            "Labels": names * (stack.shape[0] * stack.shape[2]),
        },
    )


def _ome(names: list[str]) -> dict:
    size = PIXEL_SIZE_UM
    return {
        "axes": "TCZYX",
        "Channel": {"Name": names},
        "UUID": "00000000-0000-4000-8000-000000000002",  # else a new one each time
        **{f"PhysicalSize{axis.upper()}": size[axis] for axis in "xyz"},
        **{f"PhysicalSize{axis}Unit": "µm" for axis in "XYZ"},
    }


def benchmark_stacks(
    count: int, shape: tuple[int, int, int] = (15, 1024, 1024), seed: int = 0
) -> Iterator[np.ndarray]:
    """Make many different stacks at about the cost of copying them.

    One stack is simulated in full; each further one is that stack shifted round its edges by
    another number of rows and columns, so that its pixels differ and its statistics do not.

    Parameters
    ----------
    count
        Number of stacks.
    shape
        Z, Y, X.
    seed
        Of the simulation and of the shifts.

    Yields
    ------
    numpy.ndarray
        uint16 stack of `shape`.
    """
    area_um2 = shape[1] * shape[2] * PIXEL_SIZE_UM["y"] * PIXEL_SIZE_UM["x"]
    sample = Sample(
        file="",
        seed=seed,
        shape=(1, *shape),
        channels=(Channel("nuclei", int(area_um2 / 300), (3.0, 4.0), 500, 600, 0.8),),
    )
    stack = simulate(sample)[0][0, 0]
    random = np.random.RandomState(seed)
    for _ in range(count):
        yield stack
        shift = tuple(int(random.randint(n)) for n in shape[1:])
        stack = np.roll(stack, shift, axis=(1, 2))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: PYTHONPATH=scripts python -m clearfield.simulation FOLDER")
    write_example(sys.argv[1])
