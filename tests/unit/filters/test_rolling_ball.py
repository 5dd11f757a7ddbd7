"""The rolling ball against ImageJ 1.53t: numbers that it gave, and every case beside it."""

import itertools
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from clearfield.errors import ClearfieldError
from clearfield.filters import rolling_ball as balls
from clearfield.filters.rolling_ball import created_background, rolling_ball, subtracted

JAR = Path("/usr/share/java/ij.jar")
IMAGE = np.array([[9, 7, 8, 40, 6], [6, 50, 7, 8, 30], [5, 8, 9, 7, 6], [7, 6, 90, 8, 5]])
# What ImageJ 1.53t created of IMAGE as float32: radius, light background, smooth, paraboloid
CREATED = {
    (2.5, False, False, False): [
        [9.0, 7.0, 7.381966, 7.0, 6.0],
        [6.0, 6.561553, 6.791288, 6.561553, 6.381966],
        [5.0, 5.9435186, 6.173254, 6.173254, 6.0],
        [7.0, 6.0, 6.381966, 6.0, 5.0],
    ],
    (2.5, False, True, False): [
        [12.444447, 12.333334, 17.0, 17.0, 19.111113],
        [11.666667, 12.111111, 13.444445, 13.444445, 15.444445],
        [11.111113, 11.666667, 11.666667, 11.666667, 11.666667],
        [6.4444447, 7.2291455, 7.6111116, 7.2291455, 6.1111116],
    ],
    (5, True, False, False): [
        [9.0, 9.0, 11.236068, 40.0, 6.0],
        [7.763932, 50.0, 42.645752, 30.0, 30.0],
        [7.0, 9.645751, 43.4641, 8.0, 6.0],
        [7.0, 7.0, 90.0, 8.0, 5.0],
    ],
    (11, False, False, False): [
        [6.192566, 6.307434, 6.4223013, 6.4223013, 6.307434],
        [5.692566, 5.807434, 5.9223013, 5.9223013, 5.807434],
        [5.192566, 5.307434, 5.4223013, 5.4223013, 5.307434],
        [4.692566, 4.807434, 4.9223013, 4.9223013, 4.807434],
    ],
    (31, False, True, False): [
        [4.1059027, 4.0538197, 4.001736, 3.949653, 3.8975697],
        [5.7482643, 5.6753473, 5.602431, 5.5295143, 5.456598],
        [7.390625, 7.296875, 7.2031255, 7.109375, 7.0156255],
        [9.032987, 8.918403, 8.80382, 8.689237, 8.574654],
    ],
    (2.5, False, False, True): [
        [8.511111, 7.0, 7.0666666, 6.7333336, 6.0],
        [6.0, 6.4333334, 6.6583333, 6.4833336, 6.0666666],
        [5.0, 5.7833333, 6.166667, 6.15, 5.7333336],
        [6.8444443, 6.0, 6.0666666, 5.7333336, 5.0],
    ],
    (5, False, True, True): [
        [11.299999, 9.099998, 6.700001, 4.0999985, 1.2999992],
        [9.722221, 7.5222244, 5.122223, 2.9851837, 1.5740738],
        [7.9444466, 5.744446, 4.2703705, 3.0592613, 1.6481476],
        [5.966667, 5.1555557, 4.1444473, 2.9333344, 1.5222244],
    ],
    (5, True, True, True): [
        [16.244444, 16.61111, 16.722223, 16.833334, 16.614815],
        [15.833334, 16.277779, 16.38889, 16.5, 16.166668],
        [15.605556, 15.955556, 16.055557, 16.166668, 15.833334],
        [15.577778, 15.833334, 15.833334, 15.833334, 15.577778],
    ],
}

DTYPES = ["uint8", "uint16", "float32"]
RADII = [1, 2.5, 5, 10, 11, 25, 30, 31, 50, 100, 101, 200]
SHAPES = [
    (64, 64), (97, 83), (53, 101), (40, 1061), (33, 17), (9, 9), (9, 40), (40, 9), (5, 7), (3, 3),
    (4, 50), (50, 4), (2, 9), (1, 50), (50, 1), (1, 9), (1, 1),
]  # fmt: skip
CASES = list(itertools.product(SHAPES, [False, True], [False, True]))  # shape, light, smooth


def _fails_in_imagej(shape, radius, paraboloid):
    """Whether the image is shrunk to one column, where ImageJ reads before its first."""
    shrink = 1 if radius <= 10 else 2 if radius <= 30 else 4 if radius <= 100 else 8
    return not paraboloid and shrink > 1 and shape[1] <= shrink


def _scene(dtype, shape, seed, finite=False):
    """Draw waves, noise and bright pixels; with floats, below zero and some missing or infinite."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    scene = 100 + 20 * np.sin(x / 9) + 20 * np.cos(y / 7) + 60 * random.random(shape)
    scene += 80 * (random.random(shape) > 0.97)
    if dtype == "uint16":
        scene *= random.choice([1, 20, 200])
    if dtype == "float32":
        scene = (scene - 130) * random.choice([0.01, 1, 1000])
        if seed % 4 == 0 and not finite:
            scene[random.random(shape) > 0.98] = random.choice([np.nan, np.inf, -np.inf])
    return scene.astype(dtype)


@pytest.fixture(scope="module")
def imagej(tmp_path_factory):
    """Let one ImageJ do all cases; give a function that reads its two images of one of them."""
    folder = tmp_path_factory.mktemp("imagej")
    lines, names = [], {}
    every = itertools.product([False, True], DTYPES, RADII, CASES)
    for paraboloid, dtype, radius, (shape, light, smooth) in every:
        name = str(len(names))
        names[paraboloid, dtype, radius, shape, light, smooth] = name
        pixels = _scene(dtype, shape, int(name), paraboloid)
        pixels.astype(pixels.dtype.newbyteorder("<")).tofile(folder / f"{name}.in")
        options = f"{light:d} {paraboloid:d} {smooth:d}"
        lines.append(f"{name} {dtype} {shape[0]} {shape[1]} {radius} {options}\n")
    (folder / "cases.txt").write_text("".join(lines))
    source = Path(__file__).with_name("ImageJBackground.java")
    done = subprocess.run(
        ["java", "-Djava.awt.headless=true", "-cp", str(JAR), str(source), str(folder)],
        text=True, capture_output=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1.53t"]

    def read(*case):
        path = folder / names[case]
        results = [path.with_suffix(f".{kind}") for kind in ("created", "subtracted")]
        if not any(result.exists() for result in results):
            return int(names[case]), None
        return int(names[case]), [np.fromfile(p, "<f4").reshape(case[3]) for p in results]

    return read


@pytest.mark.second_tier
@pytest.mark.skipif(not (JAR.exists() and shutil.which("java") and shutil.which("javac")),
                    reason="needs imagej and a JDK (Debian's imagej, default-jdk)")  # fmt: skip
@pytest.mark.parametrize("radius", RADII)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("paraboloid", [False, True])
def test_every_pixel_is_imagejs(paraboloid, dtype, radius, imagej):
    for shape, light, smooth in CASES:
        seed, expected = imagej(paraboloid, dtype, radius, shape, light, smooth)
        image = _scene(dtype, shape, seed, paraboloid)
        options = {"light_background": light, "smooth": smooth, "paraboloid": paraboloid}
        if expected is None:
            assert _fails_in_imagej(shape, radius, paraboloid), (shape, options)
            with pytest.raises(ClearfieldError):
                rolling_ball(image, radius, **options)
            continue
        background = rolling_ball(image, radius, **options)
        with np.errstate(invalid="ignore"):
            found = subtracted(image, background, light_background=light)
        case = str((shape, options))
        np.testing.assert_array_equal(created_background(background, dtype), expected[0], case)
        np.testing.assert_array_equal(found, expected[1], case)


@pytest.mark.parametrize("case", CREATED)
def test_numbers_of_imagej(case):
    radius, light, smooth, paraboloid = case
    image = IMAGE.astype("float32")
    background = rolling_ball(
        image, radius, light_background=light, smooth=smooth, paraboloid=paraboloid
    )
    assert background.dtype == np.float32
    assert background.tolist() == np.array(CREATED[case], "float32").tolist()


@pytest.mark.parametrize("dtype", DTYPES)
def test_integers_are_as_floats_until_they_are_rounded(dtype):
    background = rolling_ball(IMAGE.astype(dtype), 2.5)
    assert background.dtype == np.float32
    assert background.tolist() == np.array(CREATED[2.5, False, True, False], "float32").tolist()


@pytest.mark.parametrize(("radius", "below"), [(5, 0), (25, 0.5), (50, 1.5), (200, 3.5)])
@pytest.mark.parametrize("slope", [1, 8])
def test_how_far_below_a_slope_it_stays(slope, radius, below):
    """A ball touches all of a slope, but a block's minimum lies (n - 1) / 2 pixels lower."""
    image = np.tile(np.arange(400, dtype="float32") * slope, (400, 1))
    found = image - rolling_ball(image, radius, smooth=False)
    far = (slice(None), slice(200, -190))
    np.testing.assert_allclose(found[far], below * slope, atol=1e-3)


def test_a_paraboloid_stays_at_a_slope():
    image = np.tile(np.arange(60, dtype="float32") * 8, (50, 1))
    assert np.abs(image - rolling_ball(image, 50, smooth=False, paraboloid=True)).max() < 1e-3


@pytest.mark.parametrize(
    ("level", "words"), [(np.nan, "NaN or infinite"), (np.inf, "NaN"), (3e38, "single precision")]
)
def test_what_a_paraboloid_cannot_slide_below(level, words):
    """ImageJ's loop does not end where no slope is less than the largest number."""
    image = np.full((5, 6), -3e38, "float32")
    image[:, ::5] = level
    with pytest.raises(ClearfieldError, match=words):
        rolling_ball(image, 5, smooth=False, paraboloid=True)


def test_a_light_background_is_that_of_the_negative():
    image = _scene("float32", (40, 50), 1)
    light = rolling_ball(image, 11, light_background=True)
    assert light.tolist() == (-rolling_ball(-image, 11)).tolist()


@pytest.mark.parametrize("radius", [2.5, 25, 50])
def test_tiles_and_threads_leave_no_seams(radius, monkeypatch, many_threads):
    image = _scene("uint16", (131, 157), 1)
    whole = rolling_ball(image, radius, threads=1)
    monkeypatch.setattr(balls, "_TILE_ROWS", 7)
    monkeypatch.setattr(balls, "_TILE_COLUMNS", 13)
    assert np.array_equal(rolling_ball(image, radius, threads=3), whole)


@pytest.mark.parametrize("radius", [2.5, 11, 50, 150])
@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize("shape", [(300, 61), (257, 40), (13, 200), (700, 9)])
def test_blocks_of_rows_leave_no_seams(radius, smooth, shape, monkeypatch):
    image = _scene("float32", shape, 4)
    options = {"light_background": smooth, "smooth": smooth}
    whole = rolling_ball(image, radius, **options)
    monkeypatch.setattr(balls, "_BLOCK_PIXELS", 1)
    blocks = list(balls.rolling_ball_blocks(image, radius, **options))
    assert len(blocks) > 1 or shape[0] < 60 or radius == 150
    assert [first for first, _, _ in blocks] == [0, *(last for _, last, _ in blocks[:-1])]
    assert blocks[-1][1] == shape[0]
    found = np.concatenate([block for _, _, block in blocks])
    np.testing.assert_array_equal(found, whole)


def test_each_block_reads_the_rows_around_it_only():
    class Rows:
        shape, dtype, held = (3000, 50), np.dtype("uint16"), 0

        def __getitem__(self, rows):
            first, last, _ = rows.indices(self.shape[0])
            self.held = max(self.held, last - first)
            return np.random.default_rng(0).integers(0, 999, (last - first, 50)).astype("uint16")

    plane = Rows()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(balls, "_BLOCK_PIXELS", 50 * 100)
        assert sum(last - first for first, last, _ in balls.rolling_ball_blocks(plane, 25)) == 3000
    assert plane.held < 250


def test_a_view_in_another_byte_order_and_the_input_is_left_alone():
    image = _scene("uint16", (40, 50), 1)
    kept = image.copy()
    expected = rolling_ball(image, 5)
    assert np.array_equal(rolling_ball(image.astype(">u2"), 5), expected)
    assert np.array_equal(rolling_ball(np.asfortranarray(image), 5), expected)
    assert np.array_equal(image, kept)


@pytest.mark.parametrize(
    ("image", "radius", "words"),
    [
        (np.zeros((3, 4), "int32"), 5, "dtype int32"),
        (np.zeros((3, 4)), 5, "dtype float64"),
        (np.zeros((2, 3, 4), "u1"), 5, "one plane"),
        (np.zeros((0, 4), "u1"), 5, "no pixel"),
        (np.zeros((3, 4), "u1"), 0, "radius is 0"),
        (np.zeros((3, 4), "u1"), np.nan, "radius is nan"),
        (np.zeros((3, 4), "u1"), np.inf, "radius is inf"),
        (np.zeros((9, 2), "u1"), 11, "radius of at most 10"),
        (np.zeros((9, 4), "u1"), 50, "radius of at most 30"),
        (np.zeros((9, 8), "u1"), 200, "radius of at most 100"),
    ],
)
def test_what_it_cannot_take(image, radius, words):
    with pytest.raises(ClearfieldError, match=words):
        rolling_ball(image, radius)
