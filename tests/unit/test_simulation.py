"""The simulation against geometry, against statistics of a camera, and against its own files."""

import csv
from pathlib import Path

import numpy as np
import pytest
import tifffile
from clearfield import simulation

EXAMPLE = Path(__file__).parents[2] / "resources" / "example"


@pytest.mark.parametrize("sample", simulation.SAMPLES, ids=lambda sample: sample.file)
def test_example_is_what_its_seed_makes(sample):
    stack, objects, _, places = simulation.simulate(sample)
    with tifffile.TiffFile(EXAMPLE / sample.file) as tif:
        series = tif.series[0]
        order = [axis for axis in "TCZYX" if axis in series.axes]
        pixels = series.asarray().transpose([series.axes.index(axis) for axis in order])
    np.testing.assert_array_equal(pixels.reshape(stack.shape), stack)

    name = sample.file.removesuffix(".tif").removesuffix(".ome")
    truth = tifffile.imread(EXAMPLE / "truth" / f"{name}.tif").reshape(objects.max(axis=2).shape)
    np.testing.assert_allclose(truth, objects.max(axis=2), atol=0.51)

    with (EXAMPLE / "truth" / "objects.tsv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["sample"] == name]
    for channel, spheres in zip(sample.channels, places, strict=True):
        read = [
            [float(row[key]) for key in ("z_um", "y_um", "x_um", "radius_um")]
            for row in rows
            if row["channel"] == channel.name
        ]
        np.testing.assert_allclose(read, spheres)


def test_example_stays_small_and_its_truth_apart():
    files = [path for path in EXAMPLE.rglob("*") if path.is_file()]
    assert all(path.stat().st_size < 1_000_000 for path in files)
    names = {path.name for path in EXAMPLE.glob("*.tif")}
    assert names == {sample.file for sample in simulation.SAMPLES}


def test_writing_twice_gives_the_same_bytes(tmp_path):
    for folder in ("a", "b"):
        simulation.write_example(tmp_path / folder)
    for path in (tmp_path / "a").rglob("*"):
        if path.is_file():
            twin = tmp_path / "b" / path.relative_to(tmp_path / "a")
            assert path.read_bytes() == twin.read_bytes()


def test_a_sphere_has_the_volume_of_a_sphere():
    volume = simulation.render_spheres(np.array([[12.0, 7.0, 7.0, 4.0]]), (25, 41, 41))
    voxel = np.prod(list(simulation.PIXEL_SIZE_UM.values()))
    # 1 µm planes cut a sphere of 8 µm into 7 slices: the sum of discs is within 2 % of 4/3 π r³
    assert volume.sum() * voxel == pytest.approx(4 / 3 * np.pi * 4.0**3, rel=0.02)


def test_blur_keeps_the_light_and_has_the_stated_width():
    volume = np.zeros((21, 41, 41), np.float32)
    volume[10, 20, 20] = 1000
    blurred = simulation.blur(volume)
    # a Gaussian of one plane's width rings by exp(-pi²/2) = 0.7 % where it is cut off at Nyquist
    assert blurred.sum() == pytest.approx(1000, rel=7e-3)
    for axis, width in enumerate(("axial", "lateral", "lateral")):
        line = blurred.sum(axis=tuple({0, 1, 2} - {axis}))
        place = np.arange(len(line)) * simulation.PIXEL_SIZE_UM["zyx"[axis]]
        centre = (line * place).sum() / line.sum()
        sigma = np.sqrt((line * (place - centre) ** 2).sum() / line.sum())
        assert sigma == pytest.approx(simulation.PSF_SIGMA_UM[width], rel=0.02)


def test_haze_has_the_stated_level_and_unevenness():
    haze = simulation.make_haze(np.random.RandomState(5), (7, 60, 60), 400, 0.8)
    assert haze[3].mean() == pytest.approx(400, rel=1e-3)
    assert np.ptp(haze[3]) / haze[3].mean() == pytest.approx(0.8, rel=1e-3)


def test_camera_noise_is_poisson_and_read_noise():
    photons = np.full((200, 200), 100.0, np.float32)
    image = simulation.photograph(photons, np.random.RandomState(0))
    variance = 100 + simulation.READ_NOISE**2 + 1 / 12  # photons, read noise, rounding
    # standard errors: of the mean sqrt(109 / 40000) = 0.05; of the variance 109 sqrt(2 / 40000)
    assert image.mean() == pytest.approx(100 + simulation.OFFSET, abs=5 * 0.05)
    assert image.var() == pytest.approx(variance, abs=5 * 0.77)
    assert simulation.photograph(photons, np.random.RandomState(0), 180).max() == 180


def test_spheres_do_not_touch_and_lie_inside():
    spheres = simulation.place_spheres(np.random.RandomState(1), 30, (8, 176, 176), (3.0, 4.0))
    assert len(spheres) > 10
    for k, (_, y, x, radius) in enumerate(spheres):
        others = np.delete(spheres, k, axis=0)
        gap = np.hypot(others[:, 1] - y, others[:, 2] - x) - others[:, 3] - radius
        assert gap.min() > 1.49
        assert radius < min(y, x) and max(y, x) + radius < 176 * 0.35


def test_benchmark_stacks_differ_and_keep_their_pixels():
    stacks = list(simulation.benchmark_stacks(3, (3, 64, 96), seed=1))
    assert {stack.shape for stack in stacks} == {(3, 64, 96)}
    assert not np.array_equal(stacks[0], stacks[1])
    np.testing.assert_array_equal(np.sort(stacks[0], axis=None), np.sort(stacks[2], axis=None))
