"""How near the estimated light is to the truth and to BaSiC, and what it does and costs.

``python tests/benchmark/flatfield.py [published] [simulated] [objects] [cost]`` prints the tables
of docs/light.md; without a word, all of them. The published images are read from the folder that
SHARED_DATA names.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from clearfield.light.choice import judge  # noqa: E402
from clearfield.light.flatfield import coarsen, estimate_gain, expand_gain  # noqa: E402
from clearfield.results.ometiff import write_ome_tiff  # noqa: E402
from clearfield.simulation import (  # noqa: E402
    OFFSET,
    blur,
    make_haze,
    photograph,
    place_spheres,
    render_spheres,
)

SIDE = 256
# spheres, haze in photons, its unevenness: of scenes that are cut out of larger ones
SCENES = {
    "sparse": (24, 150, 0.0),  # a tenth of the field
    "dense": (190, 150, 0.0),  # half of it
    "dark": (24, 3, 0.0),  # 3 photons of background
    "hazy": (24, 150, 0.5),
}
PROFILES = ("flat", "radial", "off-centre", "fringe", "step")
COUNTS = (4, 8, 12, 25, 50, 100, 200)


def rms(values: np.ndarray) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(values))))


def make_profile(kind: str, side: int = SIDE) -> np.ndarray:
    """Give a vignette of mean 1; its darkest corner has about half of the light."""
    y, x = (np.mgrid[:side, :side] + 0.5) / side - 0.5
    radius = (x**2 + y**2) / 0.5
    gain = {
        "flat": np.ones_like(x),
        "radial": 1 - 0.5 * radius,
        "off-centre": np.exp(-((x - 0.2) ** 2 + (y + 0.15) ** 2) / (2 * 0.6**2)),
        "fringe": (1 - 0.4 * radius) * (1 + 0.03 * np.sin(2 * np.pi * (6 * x + 3 * y))),
        "step": (1 - 0.3 * radius) * np.where(x < 0.06, 1, 0.85),  # two cameras side by side
    }[kind]
    return gain / gain.mean()


def make_scenes(scene: str, count: int, seed: int = 0) -> np.ndarray:
    """Draw expected photons of projections; objects also lie across the border."""
    number, haze, unevenness = SCENES[scene]
    side, margin = SIDE + 64, slice(32, SIDE + 32)
    found = []
    for index in range(count):
        random = np.random.RandomState(1000 * seed + index)
        wanted = random.randint(number // 2, number * 3 // 2 + 1)
        spheres = place_spheres(random, wanted, (3, side, side), (3.0, 4.0), gap_um=0.5)
        objects = 600 * blur(render_spheres(spheres, (3, side, side))).max(0)
        field = objects + make_haze(random, (3, side, side), haze, unevenness).max(0)
        found.append(random.uniform(0.5, 1.5) * field[margin, margin])  # the stain differs
    return np.array(found)


def see(scenes: np.ndarray, gain: np.ndarray, seed: int = 7) -> np.ndarray:
    """Photograph scenes in uneven light; give the cells, without the offset."""
    random = np.random.RandomState(seed)
    return np.array([coarsen(photograph(scene * gain, random)) - OFFSET for scene in scenes])


def alternate(count: int) -> np.ndarray:
    """Put every second image into the other half."""
    return np.arange(count) % 2 == 1


def basic(cells: np.ndarray) -> np.ndarray:
    """BaSiC (Peng et al. 2017) without a dark field, from its paper, for comparison.

    Low rank plus reweighted sparse, by an inexact augmented Lagrangian, of images sorted pixel by
    pixel; the profile is sparse in its cosines.
    """
    images = np.sort(cells.astype(float), axis=0)
    cosines = [_dct(length) for length in images.shape[1:]]
    mean = images.mean(0) / images.mean()
    sparsity = np.abs(cosines[0] @ mean @ cosines[1].T).sum() / 800
    weight, last = np.ones_like(images), np.ones(images.shape[1:])
    for _ in range(11):
        profile, level, rest = _low_rank(images, cosines, sparsity, weight)
        weight = 1 / (np.abs(rest) / (level * profile.mean() + 1e-6)[:, None, None] + 0.1)
        weight /= weight.mean()
        profile = profile / profile.mean()
        if np.abs(profile - last).sum() <= 1e-3 * np.abs(last).sum():
            break
        last = profile
    return profile


def _low_rank(images, cosines, sparsity, weight):
    norm = np.linalg.norm(images)
    step = 12.5 / np.linalg.norm(images.reshape(len(images), -1), 2)
    largest = 1e7 * step
    dual, rest = np.zeros_like(images), np.zeros_like(images)
    factors, level = np.zeros(images.shape[1:]), np.ones(len(images))
    for _ in range(500):
        low = level[:, None, None] * (cosines[0].T @ factors @ cosines[1])
        mean = (images - low - rest + dual / step).mean(0)
        factors = _shrink(factors + cosines[0] @ mean @ cosines[1].T, sparsity / step)
        profile = cosines[0].T @ factors @ cosines[1]
        low = level[:, None, None] * profile
        rest = _shrink(images - low + dual / step, weight / step)
        level = (images - rest).mean((1, 2))
        level = np.maximum(level / level.mean(), 0)
        error = images - low - rest
        dual += step * error
        step = min(1.5 * step, largest)
        if np.linalg.norm(error) < 1e-6 * norm:
            break
    return profile, level, rest


def _shrink(values, by):
    return np.sign(values) * np.maximum(np.abs(values) - by, 0)


def _dct(length):
    place = (np.arange(length) + 0.5) / length
    cosines = np.sqrt(2 / length) * np.cos(np.pi * np.arange(length)[:, None] * place)
    cosines[0] /= np.sqrt(2)
    return cosines


def published() -> None:
    """Compare with the reference implementation of BaSiC on its own images."""
    folder = Path(os.environ["SHARED_DATA"]) / "13_flatfield"
    print("\nPublished images: RMS distance from BaSiC's reference, and unevenness left, % RMS")
    print(
        "images", "n", "ours", "BaSiC here", "left uncorrected", "by the reference", "by ours",
        "by ours of the other half", "uncertainty", "uncertainty in time", "applied", sep="\t",
    )  # fmt: skip
    for name in ("wsi_brain", "timelapse_nanog", "timelapse_brightfield"):
        images = np.load(folder / f"{name}.npz")["images"]
        cells = np.array([_squeeze(image) for image in images])
        reference = np.load(folder / f"reference_{name}.npz")["flatfield-flatonly"]
        halves = alternate(len(cells))
        found = estimate_gain(cells, halves)
        parts = cells[~halves], cells[halves]
        swapped = [estimate_gain(part, alternate(len(part))).gain for part in parts[::-1]]
        left = np.mean([_left(part, gain) for part, gain in zip(parts, swapped, strict=True)])
        # As a run judges it: the movies are one sample, so their first times are a half.
        movie = name.startswith("timelapse")
        judged = estimate_gain(cells, np.arange(len(cells)) >= len(cells) // 2) if movie else found
        numbers = [
            rms(found.gain - reference), rms(basic(cells) - reference),
            _left(cells, np.ones_like(reference)), _left(cells, reference),
            _left(cells, found.gain), left, found.uncertainty, judged.uncertainty,
        ]  # fmt: skip
        verdict = judge(judged, len(cells), float(judged.gain.min()))
        print(name, len(cells), *(f"{100 * number:.2f}" for number in numbers), sep="\t", end="\t")
        print(verdict.applied, verdict.reason, flush=True)


def _squeeze(image: np.ndarray) -> np.ndarray:
    """Bring an image of 128 rows to 128 columns by straight lines, as the reference was made."""
    width = image.shape[1]
    place = np.clip((np.arange(128) + 0.5) * width / 128 - 0.5, 0, width - 1)
    left = np.minimum(place.astype(int), width - 2)
    part = place - left
    return image[:, left] * (1 - part) + image[:, left + 1] * part


def _left(cells: np.ndarray, gain: np.ndarray) -> float:
    """Median over images of the unevenness of their background, from medians of 16 × 16 fields."""
    fields = (cells / gain).reshape(len(cells), 16, 8, 16, 8)
    fields = np.median(fields, axis=(2, 4)).reshape(len(cells), -1)
    middle = np.median(fields, axis=1)
    return float(np.median(1.4826 * np.median(np.abs(fields / middle[:, None] - 1), axis=1)))


def simulated() -> None:
    """Print the error of the profile by number of images, for each vignette and scene."""
    print("\nError of the profile, % RMS (with ×: the gate refuses; BaSiC in brackets)")
    print("scene", "profile", *COUNTS, sep="\t")
    for scene in SCENES:
        scenes = make_scenes(scene, max(COUNTS))
        for kind in PROFILES if scene == "sparse" else ("flat", "radial"):
            gain = make_profile(kind)
            cells, truth = see(scenes, gain), coarsen(gain)
            cells_shown = []
            for count in COUNTS:
                found = estimate_gain(cells[:count], alternate(count))
                text = f"{100 * rms(found.gain / truth - 1):.2f}"
                if not judge(found, count, float(found.gain.min())).applied:
                    text += "×"
                if count in (12, 50) and kind == "radial":
                    text += f" ({100 * rms(basic(cells[:count]) / truth - 1):.2f})"
                cells_shown.append(text)
            print(scene, kind, *cells_shown, sep="\t", flush=True)


def objects() -> None:
    """Print what the light does to objects' intensities, with and without the correction."""
    print("\nObjects: error of their intensity and CV of one object moved over the field, %")
    print("profile\timages\terror before\tafter\tCV before\tCV after")
    y, x = np.mgrid[:SIDE, :SIDE]
    places = [(row, col) for row in range(20, SIDE, 24) for col in range(20, SIDE, 24)]
    scenes = make_scenes("sparse", 50)
    for kind in PROFILES[1:]:
        gain = make_profile(kind)
        cells = see(scenes, gain)
        for count in (12, 50):
            found = expand_gain(estimate_gain(cells[:count], alternate(count)).gain, gain.shape)
            raw, mended = [], []
            for row, col in places:
                spot = 600 * np.exp(-((y - row) ** 2 + (x - col) ** 2) / (2 * 4**2))
                near = (abs(y - row) < 13) & (abs(x - col) < 13)
                # Without noise: what is left is the light's alone.
                raw.append((spot * gain)[near].sum() / spot[near].sum())
                mended.append((spot * gain / found)[near].sum() / spot[near].sum())
            numbers = (rms(np.array(raw) - 1), rms(np.array(mended) - 1),
                       np.std(raw) / np.mean(raw), np.std(mended) / np.mean(mended))  # fmt: skip
            print(kind, count, *(f"{100 * number:.2f}" for number in numbers), sep="\t", flush=True)


def cost(count: int = 500, side: int = 2048) -> None:
    """Time the rule's own process on projections of `side`² px, two threads."""
    random = np.random.RandomState(0)
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        gain = make_profile("radial", side)
        provenance = {"project_stack": {"method": "max", "first_plane": 0, "last_plane": 9}}
        files = []
        for number in range(20):
            plane = 150 * random.uniform(0.5, 1.5) * gain
            for row, col in random.randint(0, side - 40, (300, 2)):
                plane[row : row + 30, col : col + 30] += 600
            plane = photograph(plane, random)
            files.append(Path(folder) / f"file{number}.tif")
            write_ome_tiff(
                files[-1], [(0, 0, 0, side, plane)], shape=(1, 1, side, side), dtype="u2",
                pixel_size_um={"x": None, "y": None, "z": None}, channel_names=["DAPI"],
                provenance=provenance,
            )  # fmt: skip
        for number in range(count):  # links, so that a disk of 4 GB is not needed
            paths.append(Path(folder) / f"s{number:05d}.ome.tif")
            paths[-1].symlink_to(files[number % len(files)])
        command = [sys.executable, ROOT / "scripts/estimate_flatfield.py"]
        values = {"profile": "p.ome.tif", "facts": "f.json", "figure": "f.png", "folder": ""}
        for key, value in values.items():
            command += [f"--{key}", str(Path(folder) / value)]
        command += ["--group", "all", "--settings", json.dumps({"offset": OFFSET})]
        begin = time.perf_counter()
        done = subprocess.run(
            [*command, "--threads", "2"], input="\n".join(map(str, paths)), text=True,
            capture_output=True, check=False,
        )  # fmt: skip
        seconds = time.perf_counter() - begin
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"\n{count} projections of {side} x {side} px: {seconds:.1f} s, {peak:.0f} MB")
        print(done.stdout.strip(), done.stderr.strip())
        from clearfield.light.group import Group

        begin = time.perf_counter()
        group = Group([str(path) for path in paths], OFFSET)
        print(f"  headers: {time.perf_counter() - begin:.1f} s")
        begin = time.perf_counter()
        images = np.array([group._read(f"s{n:05d}", 0, "DAPI")[0] for n in range(64)])
        print(
            f"  256 planes, read and binned: {4 * (time.perf_counter() - begin):.1f} s (1 thread)"
        )
        images = np.concatenate([images] * 4)
        begin = time.perf_counter()
        estimate_gain(images, alternate(256), threads=2)
        print(f"  fit: {time.perf_counter() - begin:.1f} s")


if __name__ == "__main__":
    tables = {f.__name__: f for f in (published, simulated, objects, cost)}
    for wanted in sys.argv[1:] or tables:
        tables[wanted]()
