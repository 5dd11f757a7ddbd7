"""Axes in any order become T, C, Z, Y, X; what is unknown is asked for, never guessed."""

import itertools
import re

import numpy as np
import pytest
from clearfield.errors import ClearfieldError
from clearfield.formats.axes import arrange, suggest
from clearfield.formats.series import Series
from clearfield.stack.loading import load

SIZES = {"T": 2, "C": 3, "Z": 4, "Y": 5, "X": 6}


def series(axes, shape):
    return Series("", axes, shape, np.dtype("u1"), None)


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_planes_of_any_order_are_found(count):
    for chosen in itertools.combinations("TCZ", count - 2):
        for axes in itertools.permutations((*chosen, "Y", "X")):
            axes = "".join(axes)
            made = series(axes, tuple(SIZES[a] for a in axes))
            arranged = arrange(made, None, {}, "a.tif")
            assert arranged.shape == tuple(SIZES[a] if a in axes else 1 for a in "TCZYX")
            assert arranged.plane_axes == "YX"
            assert set(arranged.index_axes) == set(chosen)
            # Plane numbers count the file's own order.
            assert arranged.numbers.ravel().tolist() == list(range(arranged.numbers.size))


def test_singleton_axes_of_any_letter_are_dropped():
    arranged = arrange(series("VQZSYX", (1, 1, 4, 1, 5, 6)), None, {}, "a.tif")
    assert arranged.shape == (1, 1, 4, 5, 6)


@pytest.mark.parametrize(
    ("axes", "proposal"),
    [("QYX", "ZYX"), ("IYX", "ZYX"), ("QQYX", "TZYX"), ("CQYX", "CZYX"), ("ZQYX", "ZTYX"),
     ("YXS", "YXC"), ("ZYXS", "ZYXC"), ("TZX", "TYX"), ("ZX", "YX"), ("TX", "YX"), ("CX", "YX"),
     ("TCX", "YCX"), ("QX", "YX"), ("QQ", "YX"), ("QQQ", "ZYX"), ("XZS", "XYC")],
)  # fmt: skip
def test_the_error_proposes_letters_that_work(axes, proposal, tmp_path):
    shape = tuple(range(2, 2 + len(axes)))
    with pytest.raises(ClearfieldError, match=f'load_stack.axes: "{proposal}"'):
        arrange(series(axes, shape), None, {}, "a.tif")
    assert suggest(axes) == proposal
    arranged = arrange(series(axes, shape), proposal, {}, "a.tif")
    assert sorted(arranged.index_axes + arranged.plane_axes) == sorted(proposal)


@pytest.mark.parametrize(
    ("axes", "shape", "words"),
    [("TCZYXS", (2, 1, 4, 5, 6, 3), 'load_stack.axes: "TVZYXC"'),
     ("CYXS", (2, 5, 6, 3), 'load_stack.axes: "VYXC" and load_stack.select: {V: 0}'),
     ("QVYX", (4, 2, 5, 6), 'load_stack.axes: "ZVYX" and load_stack.select: {V: 0}'),
     ("QQQQYX", (2, 3, 4, 2, 5, 6), 'load_stack.axes: "QCTZYX" and load_stack.select: {Q: 0}'),
     ("XEZ", (5, 3, 6), 'load_stack.axes: "XEY" and load_stack.select: {E: 0}'),
     ("LTX", (3, 5, 6), 'load_stack.axes: "LYX" and load_stack.select: {L: 0}')],
)  # fmt: skip
def test_the_error_proposes_all_that_is_needed(axes, shape, words):
    import yaml

    with pytest.raises(ClearfieldError, match=re.escape(words)):
        arrange(series(axes, shape), None, {}, "a.tif")
    settings = [yaml.safe_load(part) for part in words.split(" and ")]
    values = [next(iter(found.values())) for found in settings]
    arranged = arrange(series(axes, shape), *values, *[{}][: 2 - len(values)], "a.tif")
    assert sorted(arranged.shape[-2:]) == [5, 6]


def test_one_row_of_numbers_is_no_image():
    with pytest.raises(ClearfieldError, match="9 numbers in a row"):
        arrange(series("X", (9,)), None, {}, "a.tif")


def test_a_letter_that_stands_twice_is_not_selected():
    made = series("QQYX", (2, 7, 5, 6))
    with pytest.raises(ClearfieldError, match=r'more than once in QQYX.*load_stack.axes: "TZYX"'):
        arrange(made, None, {"Q": 5}, "a.tif")


def test_an_unknown_axis_beside_all_others_is_to_be_selected():
    made = series("TCZQYX", (2, 3, 4, 7, 5, 6))
    with pytest.raises(ClearfieldError, match=r"load_stack.select: {Q: 0}"):
        arrange(made, None, {}, "a.tif")
    assert arrange(made, None, {"Q": 6}, "a.tif").shape == (2, 3, 4, 5, 6)


def test_rgb_is_refused_with_its_reason():
    with pytest.raises(ClearfieldError, match=r"a.tif is a colour \(RGB\) image"):
        arrange(series("YXS", (5, 6, 3)), None, {}, "a.tif")


@pytest.mark.parametrize("samples", [2, 5])
def test_samples_that_are_no_colours(samples):
    with pytest.raises(ClearfieldError, match=rf'{samples} samples a pixel, .* "CYX"'):
        arrange(series("SYX", (samples, 5, 6)), None, {}, "a.tif")


@pytest.mark.parametrize("axis", "HARVEPM")
def test_an_axis_without_a_place_is_selected_never_merged(axis):
    made = series(f"Z{axis}YX", (4, 3, 5, 6))
    with pytest.raises(ClearfieldError, match=rf"load_stack.select: {{{axis}: 0}}"):
        arrange(made, None, {}, "a.tif")
    assert arrange(made, None, {axis: 2}, "a.tif").numbers.tolist() == [2, 5, 8, 11]


@pytest.mark.parametrize(
    ("axes", "select", "words"),
    [("ZY", {}, "must have 3 letters"), ("ZZX", {}, "twice"), (None, {"V": 0}, "axes to select"),
     (None, {"Z": 4}, "4 entries, 0 to 3"), (None, {"Z": -1}, "0 to 3"),
     (None, {"Y": 0}, "axes to select"), ("YXZ", {"Z": 0}, "axes to select")],
)  # fmt: skip
def test_impossible_settings_are_named(axes, select, words):
    with pytest.raises(ClearfieldError, match=words):
        arrange(series("ZYX", (4, 5, 6)), axes, select, "a.tif")


def read_back(path):
    from clearfield.stack.description import read_stack

    stack = read_stack(path)
    planes = stack.open()
    return np.stack([planes[index] for index in np.ndindex(stack.shape[:3])]).reshape(stack.shape)


@pytest.mark.parametrize("letters", ["".join(p) for p in itertools.permutations("ZYX")])
def test_any_axis_may_be_called_y_or_x(letters, tmp_path):
    import tifffile

    pixels = np.arange(4 * 5 * 6, dtype="u2").reshape(4, 5, 6)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack", metadata={"axes": "ZYX"})
    load(str(tmp_path / "a.tif"), tmp_path / "a.stack", {"axes": letters})
    order = [letters.index(axis) for axis in "ZYX"]
    assert np.array_equal(read_back(tmp_path / "a.stack")[0, 0], pixels.transpose(order))


def test_a_sweep_of_excitation_is_called_so():
    """LIF has it as L, which in OME-TIFF are lifetimes."""
    series = Series("", "LZYX", (3, 2, 5, 4), np.dtype("u1"), None)
    with pytest.raises(ClearfieldError, match=r"L \(excitation wavelengths .*, 3 of them\)"):
        arrange(series, None, {}, "a.lif")
