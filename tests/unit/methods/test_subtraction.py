"""Subtraction: exactness, signs, dtypes, and the tutorial's calls."""

import re
from pathlib import Path
from types import SimpleNamespace

import clearfield
import numpy as np
import pytest
import skimage.filters
import skimage.morphology
from clearfield import subtract_background
from clearfield.errors import ClearfieldError
from clearfield.methods.subtraction import (
    background_dtype,
    estimate_background,
    output_dtype,
    subtract_blocks,
)
from scipy import ndimage

METHODS = [
    {"method": "tophat", "radius": 4},
    {"method": "minmax", "min_size": 5, "max_size": 5},
    {"method": "minmax", "min_size": 3, "max_size": 7},
    {"method": "minmax", "min_size": 7, "max_size": 3},
    {"method": "none"},
]


def image(dtype="uint16", shape=(40, 53), seed=0):
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return rng.normal(100, 30, shape).astype(dtype)
    info = np.iinfo(dtype)
    native = dtype.newbyteorder("=")
    return rng.integers(info.min, info.max, shape, native, endpoint=True).astype(dtype)


def channel(settings, light):
    return {**settings, "light_background": light}


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "int8", "int16", "int32", ">u2"])
@pytest.mark.parametrize("light", [False, True])
@pytest.mark.parametrize("settings", METHODS)
def test_projection_minus_background_is_the_result_to_the_last_bit(settings, light, dtype):
    plane = image(dtype)
    result = subtract_background(plane, **settings, light_background=light)
    background = estimate_background(plane, **settings, light_background=light)
    sign = -1 if light and settings["method"] != "none" else 1
    exact = sign * (plane.astype(object) - background.astype(object))
    assert np.array_equal(result.astype(object), exact)
    assert result.dtype.isnative


@pytest.mark.parametrize("light", [False, True])
def test_small_minus_large_gaussian_is_the_result(light):
    plane = image("uint16")
    result = subtract_background(plane, "dog", low_sigma=1, high_sigma=9, light_background=light)
    small = ndimage.gaussian_filter(plane.astype(float), 1, mode="nearest")
    background = estimate_background(
        plane, method="dog", low_sigma=1, high_sigma=9, light_background=light
    )
    exact = background - small if light else small - background
    assert result.dtype == np.float32
    assert np.abs(result - exact).max() <= 1e-6 * plane.max()


def test_minus_the_maximum_of_the_minimum_does_not_wrap_round():
    plane = np.array([[0, 0, 0, 9, 9, 9, 0]], np.uint16)
    result = subtract_background(plane, "minmax", min_size=1, max_size=3)
    assert result.dtype == np.float32
    assert result.tolist() == [[0, 0, -9, 0, 0, 0, -9]]


def test_a_bright_peak_on_signed_pixels_does_not_wrap_round():
    plane = np.full((9, 9), -30000, np.int16)
    plane[4, 4] = 30000
    result = subtract_background(plane, radius=2)
    assert result.dtype == np.uint16
    assert result.max() == 60000


@pytest.mark.parametrize(
    ("dtype", "settings", "negative", "expected"),
    [
        ("uint16", [METHODS[0]], "keep", "uint16"),
        ("uint16", [METHODS[1]], "keep", "uint16"),
        ("uint16", [METHODS[2]], "keep", "float32"),
        ("uint32", [METHODS[2]], "keep", "float64"),
        ("uint16", [METHODS[2]], "clip", "uint16"),
        ("uint16", [METHODS[0]], "offset", "float32"),
        ("uint16", [{"method": "dog"}], "keep", "float32"),
        ("uint16", [METHODS[0], {"method": "dog"}], "keep", "float32"),
        ("int16", [METHODS[0]], "keep", "uint16"),
        ("int16", [METHODS[4]], "keep", "int16"),
        ("int16", [METHODS[4]], "clip", "int16"),
        ("float64", [METHODS[0]], "keep", "float64"),
    ],
)
def test_auto_is_the_dtype_that_holds_every_value(dtype, settings, negative, expected):
    chosen = output_dtype(np.dtype(dtype), settings, dtype="auto", negative=negative)
    assert chosen == np.dtype(expected)


@pytest.mark.parametrize("settings", [METHODS[2], {"method": "dog"}])
def test_a_dtype_that_would_lose_negative_values_silently_is_refused(settings):
    with pytest.raises(ClearfieldError, match="clip or offset"):
        output_dtype(np.dtype("uint16"), [settings], dtype="uint16", negative="keep")


def block(plane, settings, **options):
    (one,) = subtract_blocks(np.asarray(plane), settings, **options)
    return one


def test_what_is_clipped_is_counted():
    plane = np.array([[0, 0, 0, 300, 300, 300, 0]], np.uint16)
    settings = {"method": "minmax", "min_size": 1, "max_size": 3}
    clipped = block(plane, settings, dtype=np.dtype("uint16"), negative="clip")
    assert clipped.result.tolist() == [[0, 0, 0, 0, 0, 0, 0]]
    assert (clipped.clipped_low, clipped.clipped_high) == (2, 0)
    shifted = block(plane, settings, dtype=np.dtype("uint16"), negative="offset", offset=100)
    assert shifted.result.tolist() == [[100, 100, 0, 100, 100, 100, 0]]
    assert (shifted.clipped_low, shifted.clipped_high) == (2, 0)
    narrow = block([[0, 999, 0]], {"method": "none"}, dtype=np.dtype("uint8"))
    assert narrow.result.tolist() == [[0, 255, 0]]
    assert (narrow.clipped_low, narrow.clipped_high) == (0, 1)


def test_an_offset_is_exact_in_floats():
    plane = image("uint16")
    moved = subtract_background(plane, radius=4, negative="offset", offset=1000)
    assert np.array_equal(moved, subtract_background(plane, radius=4).astype(float) + 1000)


def test_negative_floats_are_clipped_and_counted():
    plane = np.array([[-2.0, 0.0, 3.0]], np.float32)
    one = block(plane, {"method": "none"}, dtype=np.dtype("float32"), negative="clip")
    assert one.result.tolist() == [[0, 0, 3]]
    assert one.clipped_low == 1


def test_missing_pixels_are_counted_and_stay_missing():
    plane = np.full((5, 5), 7, np.float32)
    plane[2, 2] = np.nan
    one = block(plane, {"method": "tophat", "radius": 1}, dtype=np.dtype("float32"))
    assert one.nonfinite == 1
    assert np.isnan(one.result[2, 2])
    whole = block(plane, {"method": "tophat", "radius": 1}, dtype=np.dtype("uint8"))
    assert (whole.result[2, 2], whole.nonfinite) == (0, 1)


def test_mixed_methods_share_a_background_dtype():
    mixed = [{"method": "dog"}, {"method": "tophat"}]
    assert background_dtype(np.dtype("uint16"), mixed) == np.float32


def test_an_unknown_method_and_a_stack_are_refused():
    with pytest.raises(ClearfieldError, match="rolling"):
        subtract_background(image(), "rolling")
    with pytest.raises(ClearfieldError, match="plane"):
        subtract_background(np.zeros((2, 3, 4)))


def tutorial_rows():
    """The README's table: the tutorial's snippet and clearfield's call, both as code."""
    text = (Path(__file__).parents[3] / "README.md").read_text("utf-8")
    table = text.partition("| the tutorial | clearfield |")[2].partition("\n\n")[0]
    for line in table.splitlines()[2:]:
        yield tuple(re.search("`(.*?)`", cell).group(1) for cell in line.split(" | "))


# The tutorial's functions on widened grey levels, where nothing wraps round or is rescaled.
TUTORIAL = {
    "minimum_filter": ndimage.minimum_filter,
    "maximum_filter": ndimage.maximum_filter,
    "diytophat": lambda image, low, high: (
        image - ndimage.maximum_filter(ndimage.minimum_filter(image, low), high)
    ),
    "disk": skimage.morphology.disk,
    "white_tophat": skimage.morphology.white_tophat,
    "black_tophat": skimage.morphology.black_tophat,
    "subtract_background": lambda image, radius, light_bg: (
        skimage.morphology.black_tophat if light_bg else skimage.morphology.white_tophat
    )(image, skimage.morphology.disk(radius)),
    "gaussian": lambda image, sigma: skimage.filters.gaussian(
        image.astype(float), sigma, mode="nearest"
    ),
    "difference_of_gaussians": lambda image, low, high: skimage.filters.difference_of_gaussians(
        image.astype(float), low, high
    ),
}


def test_the_readme_maps_every_step_of_the_tutorial():
    assert len(list(tutorial_rows())) == 10


@pytest.mark.parametrize(("snippet", "call"), list(tutorial_rows()))
def test_every_snippet_of_the_tutorial_has_its_call(snippet, call):
    plane = image("uint16", (120, 90))
    ours = eval(call, {**vars(clearfield_functions()), "image": plane})
    theirs = eval(snippet, {**TUTORIAL, "image": plane.astype(int)})
    if "ussian" in snippet:
        assert np.abs(ours - theirs).max() <= 1e-6 * plane.max()
    else:
        assert np.array_equal(ours, theirs)


def clearfield_functions():
    return SimpleNamespace(**{name: getattr(clearfield, name) for name in clearfield.__all__})


EACH = {
    "white_tophat": lambda image, size=1: clearfield.white_tophat(image, size),
    "black_tophat": lambda image, size=1: clearfield.black_tophat(image, size),
    "minmax": lambda image, size=3: clearfield.minmax_filter_background(image, size, 3),
    "dog": lambda image, size=1: clearfield.difference_of_gaussians(image, size, 3),
    "tophat": lambda image, size=1: subtract_background(image, radius=size),
    "none": lambda image, size=1: subtract_background(image, "none"),
}


@pytest.mark.parametrize("name", EACH)
@pytest.mark.parametrize(
    ("image", "said"),
    [
        ([[1, 2], [3, 4]], "the image is a list, not an array"),
        ("a.tif", "the image is a str, not an array"),
        (np.zeros((3, 3), complex), "complex128, which is not a grey level"),
        (np.ma.masked_equal(np.eye(3), 0), "masked array, whose mask a filter would lose"),
        (np.zeros((2, 3, 3)), "call it for each plane"),
    ],
    ids=["list", "path", "complex", "masked", "stack"],
)
def test_every_function_refuses_the_same_images(name, image, said):
    with pytest.raises(clearfield.ClearfieldError, match=said):
        EACH[name](image)


@pytest.mark.parametrize("name", [name for name in EACH if name != "none"])
@pytest.mark.parametrize("size", ["5", None, [5], True])
def test_a_size_that_is_no_number_is_named(name, size):
    if name == "dog" and size is True:
        size = {}
    with pytest.raises(clearfield.ClearfieldError, match="give a"):
        EACH[name](np.zeros((9, 9)), size)


def test_a_masked_array_that_hides_nothing_is_an_array():
    image = np.ma.masked_array(np.arange(9.0).reshape(3, 3))
    assert (subtract_background(image, radius=1) == subtract_background(image.data, radius=1)).all()
