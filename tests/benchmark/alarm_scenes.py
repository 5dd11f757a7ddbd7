"""The scenes of `alarm.py`: good images over the range that users have, each broken in known ways.

The strengths of a fault are set by what it does to a measurement, see `FAULTS`.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from clearfield import simulation
from scipy.ndimage import gaussian_filter

SIDE = 192  # px
KINDS = ("nuclei", "spots", "membranes", "filaments", "tissue")
BITS = ("8", "12", "16", "float")
PLANES = (1, 9, 100)
SIGNAL = 400  # photons of an object's brightest pixels
HAZE = 200  # photons of the haze's mean
STRENGTHS = ("weak", "middle", "strong")


@dataclass(frozen=True)
class Scene:
    """What is simulated, and in which way it is broken; the defaults are good."""

    kind: str
    bits: str
    haze: bool
    planes: int
    seed: int = 0
    signal: float = SIGNAL
    haze_level: float = HAZE
    full: float = 0.7  # of the detector's range, where the brightest object lies
    radius: float = 1.0  # times the recommended one; above 50: px; below 0: sides of the plane
    centre: float = 0.5  # of the stack, where the objects lie
    blur: float = 0.0  # px, beyond the microscope's own
    lamp: tuple[float, ...] = (1.0,)  # of each time point
    bleached: tuple[float, ...] = (1.0,)
    dead: float = 0.0  # fraction of the pixels
    dead_level: float = 1.0  # of the range; what has none shows NaN
    clip: float = 0.0  # fraction of the pixels that the output cannot hold
    side: int = SIDE
    scale: float = 1.0  # of the objects
    number: float = 1.0  # of the objects, beside the usual one
    unlike: float = 0.0  # lognormal spread of the objects' brightness
    texture: float = 0.0  # standard deviation within objects
    glow: float = 0.0  # share of the objects' light that comes from other planes
    depth: float = 0.18  # of the stack that the objects take up, standard deviation
    uneven: float = 1.0  # of the haze
    found_by: tuple[str, ...] = field(default=(), compare=False)


# Fault: the words of its reason, what it needs, and what it changes at the three strengths.
FAULTS = {
    # the brightest objects reach 1.3, 2 and 5 times what the detector holds
    "saturated": (("saturated",), {}, [{"full": 1.3}, {"full": 2.0}, {"full": 5.0}]),
    "clipped": (("clipped",), {}, [{"clip": 0.005}, {"clip": 0.03}, {"clip": 0.1}]),
    "radius too small": (
        ("lose", "is left of the objects"), {}, [{"radius": 0.7}, {"radius": 0.4}, {"radius": 0.2}],
    ),
    "radius too large": (
        ("larger than the plane", "background still varies", "left in the background"),
        {"haze": True, "haze_level": -0.5, "uneven": 1.0},
        [{"radius": -0.5}, {"radius": -2.0}, {"radius": 5000}],
    ),
    "haze left": (
        ("background still varies", "left in the background"), {"haze": True, "uneven": 1.0},
        [{"radius": -0.4, "haze_level": -level} for level in (0.5, 2, 8)],  # times the signal
    ),
    "out of focus": (
        ("out of focus", "no objects", "stand only"), {},
        [{"blur": 3.0}, {"blur": 8.0}, {"blur": 24.0}],
    ),
    "stack cut off": (
        ("beyond the stack",), {"planes": 9}, [{"centre": 0.15}, {"centre": 0.0}, {"centre": -0.1}],
    ),
    "bleached": (
        ("falls by",), {}, [{"bleached": (1, a, a**2, a**3)} for a in (0.96, 0.88, 0.7)],
    ),
    "flicker": (
        ("darker", "brighter"), {}, [{"lamp": (1, 1, a, 1, 1)} for a in (0.92, 0.75, 0.4)],
    ),
    "empty": (
        ("no objects", "stand only"), {}, [{"signal": s} for s in (12.0, 5.0, 0.0)],
    ),
    "full pixels": (
        ("saturated", "NaN", "dead"), {}, [{"dead": d} for d in (3e-4, 3e-3, 3e-2)],
    ),
    "hot pixels": (
        ("dead",), {}, [{"dead": d, "dead_level": 0.6} for d in (3e-4, 3e-3, 3e-2)],
    ),
    "dark pixels": (
        ("dead",), {"haze": True, "bits": "16"},
        [{"dead": d, "dead_level": 0.0} for d in (3e-4, 3e-3, 3e-2)],
    ),
}  # fmt: skip


def draw_objects(scene: Scene, random: np.random.RandomState) -> np.ndarray:
    """Draw objects whose brightest pixels are 1: (Z, Y, X) float32."""
    depth = (np.arange(scene.planes) + 0.5) / scene.planes - scene.centre
    if scene.planes == 1:
        depth = np.zeros(1)
    profile = np.exp(-(depth**2) / (2 * scene.depth**2)).astype(np.float32)
    pixel = simulation.PIXEL_SIZE_UM["x"]
    if scene.kind in ("membranes", "filaments"):
        plane = draw_lines(scene, random)
    else:
        count, radii, gap = {
            "nuclei": (14, (3.0, 4.5), 1.5), "spots": (60, (0.5, 0.7), 1.5),
            "tissue": (110, (2.2, 3.2), 0.2),
        }[scene.kind]  # fmt: skip
        scale = min(scene.scale, 1.5) if scene.kind == "spots" else scene.scale
        count *= scene.number * (scene.side / SIDE) ** 2 / scale**2
        size = (1, scene.side, scene.side)
        radii = tuple(scale * radius for radius in radii)
        spheres = simulation.place_spheres(random, max(3, round(count)), size, radii, gap)
        spheres[:, 0] = 0
        plane = np.zeros(size[1:], np.float32)
        for sphere, height in zip(
            spheres, random.lognormal(0, scene.unlike, len(spheres)), strict=True
        ):
            plane = np.maximum(plane, height * simulation.render_spheres(sphere[None], size)[0])
    if scene.texture:
        grain = gaussian_filter(random.normal(size=plane.shape), 1.5)
        plane *= np.maximum(1 + scene.texture * grain / grain.std(), 0.1)
    plane = gaussian_filter(plane, np.hypot(simulation.PSF_SIGMA_UM["lateral"] / pixel, scene.blur))
    if not scene.blur:
        plane /= np.quantile(plane, 0.999) if scene.unlike else plane.max()
    if scene.glow:
        wide = gaussian_filter(plane, 12 * scene.scale)
        plane = plane + scene.glow * wide / wide.max()
    return profile[:, None, None] * plane


def draw_lines(scene: Scene, random: np.random.RandomState) -> np.ndarray:
    """Draw borders between random cells, or curves; 1 on 0, (Y, X) float32."""
    side = scene.side
    y, x = np.mgrid[:side, :side]
    plane = np.zeros((side, side), np.float32)
    area = scene.number * (side / SIDE) ** 2
    if scene.kind == "membranes":
        seeds = random.uniform(0, side, (max(6, round(45 * area / scene.scale**2)), 2))
        first = second = np.full(plane.shape, np.inf)
        for row, column in seeds:
            distance = np.hypot(y - row, x - column)
            second = np.minimum(second, np.maximum(first, distance))
            first = np.minimum(first, distance)
        plane[second - first < 1.5] = 1
        return plane
    for _ in range(max(3, round(14 * area))):
        (row, column), angle = random.uniform(0, side, 2), random.uniform(0, 2 * np.pi)
        for _ in range(160):
            angle += random.normal(0, 0.06)
            row, column = row + np.sin(angle), column + np.cos(angle)
            if 0 <= row < side and 0 <= column < side:
                plane[int(row), int(column)] = 1
    return plane


def photograph(scene: Scene) -> tuple[np.ndarray, int | None]:
    """Simulate (T, Z, Y, X), and the detector's largest grey level."""
    random = np.random.RandomState(scene.seed)
    objects = scene.signal * draw_objects(scene, random)
    level = scene.haze_level if scene.haze_level >= 0 else -scene.haze_level * scene.signal
    level = level if scene.haze else 5
    haze = simulation.make_haze(random, objects.shape, level, scene.uneven)
    times = max(len(scene.lamp), len(scene.bleached))
    lamp = np.resize(scene.lamp, times)
    bleached = np.resize(scene.bleached, times)
    counts = np.stack([
        random.poisson(a * (b * objects + haze)).astype(np.float32)
        for a, b in zip(lamp, bleached, strict=True)
    ])  # fmt: skip
    counts += random.normal(0, simulation.READ_NOISE, counts.shape)
    # The brightest object of a good scene lies at `full` of the range; an empty one is not
    # amplified to it.
    top = max(SIGNAL, float(objects.max())) + 1.5 * (level if scene.haze else 0)
    largest = {"8": 255, "12": 4095, "16": 65535, "float": None}[scene.bits]
    # Confocal microscopes cut off at 0; cameras have an offset.
    offset = {"8": 0, "12": 100, "16": 400, "float": 0}[scene.bits]
    scale = 1 / 1000 if largest is None else (largest - offset) * scene.full / top
    image = counts * scale + offset
    if scene.dead:
        dead = random.uniform(size=image.shape[2:]) < scene.dead
        full = scene.dead_level == 1
        highest = top * scale if largest is None else largest
        image[..., dead] = np.nan if largest is None and full else scene.dead_level * highest
    if largest is None:
        return image.astype(np.float32), None
    return np.clip(np.rint(image), 0, largest).astype(f"u{1 if largest < 256 else 2}"), largest


def vary(scene: Scene) -> Scene:
    """Draw what users' good images differ in. Objects stay 12 times as bright as the noise."""
    random = np.random.RandomState(scene.seed + 77)
    haze = random.uniform(20, 600)
    least = max(80, 12 * np.sqrt(1.5 * haze if scene.haze else 15))
    times = random.choice([1, 1, 2, 4])
    return replace(
        scene,
        signal=float(np.exp(random.uniform(np.log(least), np.log(max(3000, 2 * least))))),
        haze_level=haze,
        full=random.uniform(0.4, 0.8),
        centre=random.uniform(0.4, 0.6),
        depth=random.uniform(0.1, 0.3),
        lamp=tuple(random.normal(1, 0.015, times)),
        bleached=tuple(random.uniform(0.97, 1) ** np.arange(times)),
        side=int(random.choice([128, 192, 256, 384])),
        scale=random.uniform(0.7, 2.2),
        number=random.uniform(0.4, 1.3),
        unlike=random.uniform(0, 0.4),
        texture=random.uniform(0, 0.3),
        glow=random.uniform(0, 0.25),
        uneven=random.uniform(0.2, 1.2),
    )


def good_scenes(seed: int) -> list[Scene]:
    """List the good scenes: every kind, depth of bits, haze and number of planes."""
    choices = itertools.product(KINDS, BITS, (False, True), PLANES)
    return [Scene(*choice, seed=1000 * seed + k) for k, choice in enumerate(choices)]


def broken_scenes(scenes: list[Scene]) -> Iterator[tuple[str, int, Scene]]:
    """Break each scene, except those of 100 planes, in every way that it can be broken."""
    for scene, (name, (words, needs, changes)) in itertools.product(scenes, FAULTS.items()):
        if scene.planes > 9 or (scene.bits == "float" and name in ("saturated", "clipped")):
            continue
        for strength, change in enumerate(changes):
            yield name, strength, replace(scene, **{**needs, **change}, found_by=words)
