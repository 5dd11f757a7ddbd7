"""Each method is one file that says all of itself; config, schema and reference agree with it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from clearfield.methods.known_methods import METHODS, SIZES, method_of

ROOT = Path(__file__).parents[3]
CONFIG = yaml.safe_load((ROOT / "config/config.yaml").read_text("utf-8"))
SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text("utf-8"))
SUBTRACT = SCHEMA["properties"]["subtract_background"]["properties"]
CHANNEL = SUBTRACT["channels"]["additionalProperties"]["properties"]
each_method = pytest.mark.parametrize("method", METHODS, ids=lambda method: method.NAME)
with_sizes = pytest.mark.parametrize(
    "method", [method for method in METHODS if method.SIZES], ids=lambda method: method.NAME
)


def channel(method, light: bool = False, **sizes) -> dict:
    values = dict(zip(method.SIZES, (3, 5), strict=False)) | sizes
    return {"method": method.NAME, "light_background": light, **method.OPTIONS, **values}


def test_the_schema_lists_the_methods_in_their_order():
    assert SUBTRACT["method"]["enum"] == list(SIZES)
    assert CHANNEL["method"]["enum"] == list(SIZES)


@with_sizes
def test_config_and_schema_have_the_sizes_of_a_method(method):
    assert list(CONFIG["subtract_background"][method.NAME]) == [*method.SIZES, *method.OPTIONS]
    for schema in (SUBTRACT, CHANNEL):
        assert list(schema[method.NAME]["properties"]) == [*method.SIZES, *method.OPTIONS]
    options = {name: CONFIG["subtract_background"][method.NAME][name] for name in method.OPTIONS}
    assert options == method.OPTIONS


@with_sizes
def test_the_reference_explains_each_size(method):
    reference = (ROOT / "config/README.md").read_text("utf-8")
    for size in (*method.SIZES, *method.OPTIONS):
        assert f"{method.NAME}.{size}" in reference or f"`{size}`" in reference, size


@each_method
@pytest.mark.parametrize("light", [False, True])
def test_a_result_is_negative_only_where_its_method_says_so(method, light):
    dtype = np.uint16 if method.NAME == "rolling_ball" else np.int16
    image = np.random.default_rng(5).integers(0, 99, (40, 30)).astype(dtype)
    for sizes in ({}, {"min_size": 5, "max_size": 3}):
        settings = channel(method, light, **(sizes if method.NAME == "minmax" else {}))
        blocks = list(method.blocks(image, settings, 1))
        difference = np.concatenate([block[2] for block in blocks])
        assert difference.shape == image.shape
        assert (difference.min() < 0) == method.may_be_negative(settings)


@each_method
@pytest.mark.parametrize("light", [False, True])
def test_the_last_step_is_the_background_that_is_subtracted(method, light):
    image = np.random.default_rng(6).integers(0, 99, (40, 30)).astype(np.uint16)
    settings = channel(method, light)
    background = np.concatenate([block[3] for block in method.blocks(image, settings, 1)])
    steps = method.steps(image, settings)
    last = steps[-1][1] if steps else np.zeros_like(image)
    np.testing.assert_array_equal(last, background)


@each_method
def test_a_sentence_names_each_size_and_its_sign_once(method):
    size = {name: f"{number} px" for number, name in enumerate(method.SIZES, 11)}
    dark, light = (method.sentence(channel(method, light), size) for light in (False, True))
    assert all(text in dark and text in light for text in size.values())
    assert (dark == light) == (method.NAME == "none")


@with_sizes
def test_what_qc_takes_as_the_radius_is_a_half_width(method):
    """A window of 3 px reaches 1 px from its middle; a disk and a sigma are half-widths already."""
    expected = {"tophat": 3, "minmax": 1, "dog": 5, "rolling_ball": 3}
    assert method.qc_radius(channel(method)) == expected[method.NAME]


def test_snakemakes_process_imports_the_methods_without_numpy():
    code = "import sys, clearfield.methods.known_methods; print('numpy' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, check=True, env={"PYTHONPATH": str(ROOT / "scripts")},
    )  # fmt: skip
    assert done.stdout == "False\n"


def test_an_unknown_method_is_named_beside_the_known_ones():
    with pytest.raises(Exception, match=r"'ball' is unknown; choose one of tophat, minmax"):
        method_of({"method": "ball"})
