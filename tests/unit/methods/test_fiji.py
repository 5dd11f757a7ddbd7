"""Each row of docs/fiji.md beside ImageJ 1.53t: what is equal, and how the rest differs."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import skimage.morphology
import skimage.restoration
import tifffile
from clearfield import subtract_background, white_tophat
from clearfield.filters.gaussian import gaussian
from clearfield.methods.subtraction import estimate_background
from clearfield.stack.loading import load
from clearfield.stack.projection import output_dtype, project
from scipy import ndimage

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs/fiji.md").read_text(encoding="utf-8")
JAR = Path("/usr/share/java/ij.jar")
MINIMUM, MAXIMUM, TOP_HAT = 1, 2, 10  # ImageJ's RankFilters
RADIUS = 7


def scene(dtype):
    """Draw a slope, noise and a few discs."""
    y, x = np.mgrid[:60, :70]
    image = 40 + x / 2 + np.random.default_rng(1).random((60, 70)) * 20
    for row, column in ((15, 15), (40, 50), (30, 28)):
        image += 90 * ((y - row) ** 2 + (x - column) ** 2 <= 16)
    return (image * (200 if dtype == "uint16" else 1)).astype(dtype)


def column(values, dtype="uint16"):
    return np.array(values, dtype).reshape(-1, 1, 1)


TWO_LEVELS = column([65535, 65534] * 150)
WITH_NAN = column([10, np.nan, 30, 50], "float32")
POINT = np.pad(np.array([[200]], "uint8"), 4)
PLANES = np.stack([scene("uint16"), scene("uint16")[::-1], scene("uint16")[:, ::-1]])
CASES = {
    **{f"{kind} {dtype}": (scene(dtype), f"rank-{number}", RADIUS)
       for kind, number in (("minimum", MINIMUM), ("maximum", MAXIMUM), ("top-hat", TOP_HAT))
       for dtype in ("uint8", "uint16")},
    **{f"point {radius}": (POINT, f"rank-{MAXIMUM}", radius) for radius in (1, 2, 3)},
    **{f"blur {dtype}": (scene(dtype), "blur", 2) for dtype in ("uint8", "uint16", "float32")},
    **{f"{kind} of planes": (PLANES, f"project-{kind}", 0)
       for kind in ("max", "min", "median", "avg")},
    "mean of 2 and 3": (column([2, 3]), "project-avg", 0),
    "sum of 300": (TWO_LEVELS, "project-sum", 0),
    "deviation": (column([1, 2, 3, 4]), "project-sd", 0),
    **{f"NaN {kind}": (WITH_NAN, f"project-{kind}", 0) for kind in ("avg", "median", "sum", "sd")},
    "scale": (scene("uint16"), "scale", 0.35),
    "brightness": (scene("uint16"), "brightness", 4000),
}  # fmt: skip


@pytest.fixture(scope="module")
def imagej(tmp_path_factory):
    """Let one ImageJ do all cases: name to bits a pixel and pixels."""
    if not (JAR.exists() and shutil.which("javac")):
        pytest.skip("needs imagej and a JDK (Debian's imagej, default-jdk)")
    folder = tmp_path_factory.mktemp("fiji")
    lines = []
    for number, (image, entry, argument) in enumerate(CASES.values()):
        planes = image if image.ndim == 3 else image[None]
        planes.astype(planes.dtype.newbyteorder("<")).tofile(folder / f"{number}.in")
        shape = " ".join(str(length) for length in planes.shape)
        lines.append(f"{number} {planes.dtype.name} {shape} {entry} {argument}\n")
    (folder / "cases.txt").write_text("".join(lines))
    source = Path(__file__).with_name("FijiMenu.java")
    done = subprocess.run(
        ["java", "-Djava.awt.headless=true", "-cp", str(JAR), str(source), str(folder)],
        text=True, capture_output=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    version, *bits = done.stdout.split()
    assert version == "1.53t"
    return {
        name: (
            int(own),
            np.fromfile(folder / f"{number}.out", "<f4").reshape(CASES[name][0].shape[-2:]),
        )
        for number, (name, own) in enumerate(zip(CASES, bits, strict=True))
    }


def projected(planes, method, folder):
    """Project a stack as the workflow does."""
    tifffile.imwrite(folder / "a.tif", planes, metadata={"axes": "ZYX"}, photometric="minisblack")
    stack = load(str(folder / "a.tif"), folder / "a.stack", {}).open()
    result = np.zeros(planes.shape[1:], output_dtype(method, planes.dtype))
    for _, _, first, last, rows in project(stack, method, 0, None, threads=1, statistics=[]):
        result[first:last] = rows
    return result


def imagejs_disk(radius):
    reach = int(np.sqrt(radius**2 + 1))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return (x**2 + y**2 <= radius**2 + 1).astype(np.uint8)


@pytest.mark.second_tier
@pytest.mark.parametrize("radius", [1, 2, 3])
def test_imagejs_disk(imagej, radius):
    np.testing.assert_array_equal(
        imagej[f"point {radius}"][1] > 0, np.pad(imagejs_disk(radius), 4 - radius)
    )
    if radius == 2:
        assert imagejs_disk(2).sum() == 21 and skimage.morphology.disk(2).sum() == 13
        assert "they have 21 and 13 pixels" in TEXT


@pytest.mark.second_tier
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_top_hat_minimum_and_maximum(imagej, dtype):
    image, disk = scene(dtype), imagejs_disk(RADIUS)
    bits, found = imagej[f"top-hat {dtype}"]
    assert bits == 8 * image.dtype.itemsize
    expected = skimage.morphology.white_tophat(image, disk, mode="reflect")
    np.testing.assert_array_equal(found, expected)
    ours = white_tophat(image, RADIUS)
    assert 0 < np.mean(ours != found) < 0.9
    for kind, extremum in (
        ("minimum", ndimage.minimum_filter),
        ("maximum", ndimage.maximum_filter),
    ):
        expected = extremum(image, footprint=disk, mode="nearest")
        np.testing.assert_array_equal(imagej[f"{kind} {dtype}"][1], expected)


@pytest.mark.second_tier
def test_gaussian_blur(imagej):
    for dtype in ("uint8", "uint16"):
        bits, found = imagej[f"blur {dtype}"]
        assert bits == 8 * np.dtype(dtype).itemsize
        assert np.array_equal(found, np.rint(found))
        exact = gaussian(scene(dtype), 2)
        assert np.abs(found - exact).max() < 1.0
        assert np.abs(exact - np.rint(exact)).max() > 0.4
    np.testing.assert_allclose(imagej["blur float32"][1], gaussian(scene("float32"), 2), rtol=1e-3)


@pytest.mark.second_tier
@pytest.mark.parametrize(("kind", "method"), [("max", "max"), ("min", "min"), ("median", "median")])
def test_projections_that_are_the_same(imagej, kind, method, tmp_path):
    result = projected(CASES[f"{kind} of planes"][0], method, tmp_path)
    np.testing.assert_array_equal(imagej[f"{kind} of planes"][1], result)


@pytest.mark.second_tier
def test_averages_are_rounded(imagej, tmp_path):
    planes = CASES["avg of planes"][0]
    exact = projected(planes, "mean", tmp_path)
    bits, found = imagej["avg of planes"]
    assert bits == 16
    np.testing.assert_array_equal(found, np.floor(exact + 0.5))
    assert imagej["mean of 2 and 3"][1] == 3
    assert projected(CASES["mean of 2 and 3"][0], "mean", tmp_path) == 2.5


@pytest.mark.second_tier
def test_sums_and_deviations(imagej, tmp_path):
    assert imagej["sum of 300"][1] == 19_660_330
    assert projected(TWO_LEVELS, "sum", tmp_path) == 19_660_350
    assert "19,660,330. Here they give 19,660,350" in TEXT
    assert imagej["deviation"][1] == pytest.approx(1.291, abs=5e-4)
    result = projected(CASES["deviation"][0], "std", tmp_path)
    assert result == pytest.approx(1.118, abs=5e-4)


@pytest.mark.second_tier
@pytest.mark.parametrize(
    ("kind", "method", "theirs", "ours"),
    [("avg", "mean", 20, 30), ("median", "median", 40, 30), ("sum", "sum", np.nan, 90),
     ("sd", "std", 0, 16.33)],
)  # fmt: skip
def test_a_missing_pixel(imagej, kind, method, theirs, ours, tmp_path):
    np.testing.assert_array_equal(imagej[f"NaN {kind}"][1], [[theirs]])
    assert projected(WITH_NAN, method, tmp_path) == pytest.approx(ours, abs=5e-3)


@pytest.mark.second_tier
@pytest.mark.parametrize("case", ["scale", "brightness"])
def test_what_changes_no_pixel(imagej, case):
    np.testing.assert_array_equal(imagej[case][1], scene("uint16"))


@pytest.fixture(scope="module")
def subtract(tmp_path_factory):
    """Let ImageJ's Subtract Background work on a scene: its two images for each case."""
    if not (JAR.exists() and shutil.which("javac")):
        pytest.skip("needs imagej and a JDK (Debian's imagej, default-jdk)")
    folder, lines, names = tmp_path_factory.mktemp("subtract"), [], {}
    for dtype in ("uint8", "uint16", "float32"):
        for case in ((0, 0, 1), (1, 0, 1), (0, 1, 1), (0, 0, 0)):
            names[dtype, *case] = number = len(lines)
            image = scene(dtype)
            image.astype(image.dtype.newbyteorder("<")).tofile(folder / f"{number}.in")
            options = " ".join(str(option) for option in case)
            lines.append(f"{number} {dtype} 60 70 50 {options}\n")
    (folder / "cases.txt").write_text("".join(lines))
    source = ROOT / "tests/unit/filters/ImageJBackground.java"
    subprocess.run(
        ["java", "-Djava.awt.headless=true", "-cp", str(JAR), str(source), str(folder)],
        check=True, capture_output=True, timeout=300,
    )  # fmt: skip

    def read(*case):
        return [
            np.fromfile(folder / f"{names[case]}.{kind}", "<f4").reshape(60, 70)
            for kind in ("created", "subtracted")
        ]

    return read


@pytest.mark.second_tier
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize(
    ("case", "options"),
    [((0, 0, 1), {}), ((1, 0, 1), {"light_background": True}),
     ((0, 1, 1), {"paraboloid": True}), ((0, 0, 0), {"smooth": False})],
)  # fmt: skip
def test_subtract_background(subtract, dtype, case, options):
    image = scene(dtype)
    created, expected = subtract(dtype, *case)
    settings = {"radius": 50, **options}
    result = subtract_background(image, "rolling_ball", negative="clip", **settings)
    if dtype == "float32":
        expected = np.maximum(-expected if case[0] else expected, 0)
    elif case[0]:
        expected = np.iinfo(dtype).max - expected
    if case[0] and dtype == "uint16":  # ImageJ adds 65,535.5 in single precision
        assert np.abs(result - expected).max() == 1 and np.mean(result != expected) < 0.01
    else:
        np.testing.assert_array_equal(result, expected)
    background = estimate_background(image, method="rolling_ball", **settings)
    assert np.abs(np.clip(background, 0, None) - created).max() <= (0 if dtype == "float32" else 1)


@pytest.mark.parametrize("slope", [1, 10, 100])
def test_the_table_of_slopes(slope):
    """Of radius 50; what stands in the table is what is seen far from the edges."""
    image = np.tile(np.arange(400, dtype="float32") * slope, (240, 1))
    far = slice(100, 140), slice(180, 220)

    def below(background):
        return (image - background)[far].mean()

    ball, paraboloid = (
        below(estimate_background(image, method="rolling_ball", radius=50, smooth=False,
                                  paraboloid=which))
        for which in (False, True)
    )  # fmt: skip
    disk = below(estimate_background(image, method="tophat", radius=50))
    other = below(skimage.restoration.rolling_ball(image, radius=50))
    row = [f"{slope}", f"{ball:.3g}", f"{paraboloid:.0f}", f"{disk:.0f}", f"{other:,.0f}"]
    assert f"| {' | '.join(row)} |".replace("-0", "0") in TEXT
