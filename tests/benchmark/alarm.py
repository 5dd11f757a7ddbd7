"""How well does QC's alarm ring? Good images, and each broken in one known way, judged by default.

``PYTHONPATH=scripts python tests/benchmark/alarm.py`` simulates and prints Markdown tables:
plain scenes (all of one size and brightness), and varied ones, in which size, number, brightness,
texture, depth, light from other planes, haze, plane and lamp are drawn at random. ``--seed N``
draws others, ``--small`` takes a seventh, ``--real FOLDER`` judges the files of a folder at the
radius that QC recommends for each channel. Nothing is timed.

A fault counts as found if the row is not ok **and** one of its reasons holds a word that belongs
to the fault. The strengths of a fault are set by what it does to a measurement, see `FAULTS`.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from multiprocessing import Pool
from pathlib import Path

import numpy as np
import yaml

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from clearfield import simulation
from clearfield.errors import ClearfieldError
from clearfield.methods.subtraction import output_dtype, subtract_blocks
from clearfield.qc.granulometry import measure_sizes
from clearfield.qc.measurement import measure_plane
from clearfield.qc.metrics.along_time import add_time_drift
from clearfield.qc.qc_table import format_value
from clearfield.qc.verdict import judge
from scipy.ndimage import gaussian_filter

ROOT = Path(__file__).parents[2]
CONFIG = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
SETTINGS = CONFIG["summarize_qc"]
RADIUS = CONFIG["subtract_background"]["tophat"]["radius"]  # where QC recommends none
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


def statistics_of(stack: np.ndarray, level: int | None) -> dict:
    """Give what `project_stack` tells of a stack (Z, Y, X)."""
    finite = np.isfinite(stack)
    means = [float(np.nanmean(plane)) for plane in stack]
    steps = (plane[:, 2:] - plane[:, :-2].astype(float) for plane in stack)
    sharpness = [float(np.nanmean(step**2)) for step in steps]
    return {
        "saturation_level": level,
        "saturated_fraction": None if level is None else float((stack == level).mean()),
        "nonfinite_fraction": float((~finite).mean()),
        "plane_means": means,
        "plane_sharpness": sharpness,
    }


def judge_channel(
    planes: list[np.ndarray],
    statistics: list[dict],
    *,
    radius: float = 1.0,
    light: bool = False,
    clip: float = 0.0,
) -> list[tuple[str, str]]:
    """Judge the projections of one channel, one a time point, at one radius.

    Parameters
    ----------
    planes : list of (Y, X)
    statistics : list of dict
    radius : float
        Times the largest recommended one; above 50: px.
    light : bool
    clip : float
        Fraction of the first result's pixels above what the output is made to hold.

    Returns
    -------
    list of (str, str)
        Status and reason.
    """
    found = [measure_sizes(plane, light) for plane in planes]
    known = [s.recommended_radius_px for s in found if s.recommended_radius_px is not None]
    pixels = round(radius) if radius > 50 else max(1, round(radius * max(known, default=RADIUS)))
    channel = {"method": "tophat", "radius": pixels, "light_background": light, "name": "0"}
    dtype = output_dtype(planes[0].dtype, [channel], dtype="auto", negative="keep")
    output = {"dtype": "auto", "negative": "keep", "offset": 0}
    rows = []
    for plane, sizes, seen in zip(planes, found, statistics, strict=True):
        blocks = list(subtract_blocks(plane, channel, dtype=dtype, threads=1, negative="keep"))
        result = np.concatenate([np.array(block.result) for block in blocks])
        lost = 0
        if clip:
            most = np.nanquantile(result, 1 - clip)
            lost = int((result > most).sum())
            result = np.minimum(result, most.astype(result.dtype))
        rows.append(
            measure_plane(
                result, sizes, original=plane, channel=channel, output=output, statistics=seen,
                clipped={"clipped_low": 0, "clipped_high": lost},
                pixel_size_um={"x": None, "y": None, "z": None},
            )
        )  # fmt: skip
    add_time_drift(rows)
    return [judge({key: format_value(cell) for key, cell in row.items()}, SETTINGS) for row in rows]


def judge_scene(scene: Scene) -> tuple[str, str]:
    """Give the worst status of a scene's time points, and all of their reasons."""
    stack, level = photograph(scene)
    verdicts = judge_channel(
        [volume.max(axis=0) for volume in stack],
        [statistics_of(volume, level) for volume in stack],
        radius=scene.radius if scene.radius > 0 else max(51, -scene.radius * scene.side),
        clip=scene.clip,
    )
    worst = max((status for status, _ in verdicts), key=("ok", "warn", "fail").index)
    return worst, "; ".join(reason for _, reason in verdicts if reason)


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


def kinds_of(reason: str) -> list[str]:
    """Give the reasons without their numbers, so that they can be counted."""
    import re

    parts = (re.sub(r"[-\d.e+]*\d", "N", part) for part in reason.split("; ") if part)
    return sorted({part.split(" (")[0] for part in parts})


def simulate(scenes: list[Scene]) -> None:
    """Print the tables of a simulated set."""
    with Pool(2) as pool:
        good = list(zip(scenes, *zip(*pool.map(judge_scene, scenes, 1), strict=True), strict=True))
        broken = list(broken_scenes(scenes))
        verdicts = pool.map(judge_scene, [scene for _, _, scene in broken], 8)
    counts = Counter(status for _, status, _ in good)
    print(f"good: {len(good)}: " + ", ".join(f"{counts[s]} {s}" for s in ("ok", "warn", "fail")))
    print("\n| good, but flagged: the reason | scenes |\n|---|---|")
    reasons = Counter(kind for _, _, reason in good for kind in kinds_of(reason))
    for reason, count in reasons.most_common():
        print(f"| {reason} | {count} |")
    for scene, status, reason in good:
        if status != "ok":
            print(f"<!-- {scene.kind} {scene.bits} haze={scene.haze} Z={scene.planes} "
                  f"seed={scene.seed} {status}: {reason} -->")  # fmt: skip
    found: dict[str, list[Counter]] = {name: [Counter() for _ in STRENGTHS] for name in FAULTS}
    for (name, strength, scene), (status, reason) in zip(broken, verdicts, strict=True):
        right = status != "ok" and any(word in reason for word in scene.found_by)
        found[name][strength].update(["all"] + ["flagged"] * (status != "ok") + ["right"] * right)
        if strength and not right:
            print(
                f"<!-- missed: {name} {STRENGTHS[strength]}: {scene.kind} {scene.bits} "
                f"haze={scene.haze} Z={scene.planes} seed={scene.seed} {status}: {reason} -->"
            )
    print("\nflagged for the right reason / flagged at all / broken scenes\n")
    print("| fault | " + " | ".join(STRENGTHS) + " |\n|---|---|---|---|")
    totals = [sum(column, Counter()) for column in zip(*found.values(), strict=True)]
    for name, cells in [*found.items(), ("all", totals)]:
        text = (f"{c['right']} / {c['flagged']} / {c['all']}" for c in cells)
        print(f"| {name} | " + " | ".join(text) + " |")


def judge_real(folder: Path) -> None:
    """Print the verdict on each series of each file of a folder that can be read as it is."""
    from clearfield.formats.known_formats import open_series
    from clearfield.stack.loading import load

    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for path in sorted(find_images(folder)):
        try:
            series = range(len(open_series(str(path))))
        except (ClearfieldError, OSError):
            continue
        for number in series:
            with tempfile.TemporaryDirectory() as scratch:
                stack = Path(scratch) / "stack"
                try:
                    load(str(path), stack, {"series": number})
                    statistics: list[dict] = []
                    planes, channels = project(stack, statistics)
                except (ClearfieldError, OSError):
                    continue
            status, reason = "ok", []
            light = "brightfield" in str(path)
            for channel in range(channels):
                own = slice(channel, None, channels)
                try:
                    verdicts = judge_channel(list(planes[own]), statistics[own], light=light)
                except ClearfieldError as error:
                    verdicts = [("fail", str(error))]
                status = max([status, *(v for v, _ in verdicts)], key=("ok", "warn", "fail").index)
                reason += dict.fromkeys(f"C{channel}: {text}" for _, text in verdicts if text)
                reasons.update(k for _, text in verdicts for k in kinds_of(text))
            counts[status] += 1
            print(f"{status}\t{path.relative_to(folder)} #{number}\t" + " | ".join(reason[:4]))
    total = ", ".join(f"{counts[status]} {status}" for status in ("ok", "warn", "fail"))
    print(f"{counts.total()} series: {total}")
    for text, count in reasons.most_common():
        print(f"{count} rows: {text}")


def find_images(folder: Path) -> Iterator[Path]:
    """Give files, and folders that are a Zarr store or hold a plane a file."""
    for path in folder.iterdir():
        if path.is_dir() and not (path.suffix == ".zarr" or path.name == "leica_stack"):
            yield from find_images(path)
        elif path.suffix not in (".tsv", ".npz", ".md"):
            yield path


def project(stack: Path, statistics: list[dict]) -> tuple[np.ndarray, int]:
    """Give the maximum projections, (T × C, Y, X), and the number of channels."""
    from clearfield.stack import projection as along_z
    from clearfield.stack.description import read_stack

    description = read_stack(stack)
    first, last = along_z.plane_range(description, None, None)
    times, channels, _, height, width = description.shape
    planes = description.open(stack)
    out = np.empty((times, channels, height, width), np.dtype(description.dtype))
    for time, channel, top, bottom, rows in along_z.project(
        planes, "max", first, last, threads=1, statistics=statistics
    ):
        out[time, channel, top:bottom] = rows
    return out.reshape(-1, height, width), channels


def main() -> None:
    """Simulate, or judge the files of a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--real", type=Path, metavar="FOLDER")
    arguments = parser.parse_args()
    if arguments.real:
        judge_real(arguments.real)
        return
    scenes = good_scenes(arguments.seed)[:: 7 if arguments.small else 1]
    print("## Plain")
    simulate(scenes)
    print("\n## Varied")
    simulate([vary(scene) for scene in scenes])


if __name__ == "__main__":
    main()
