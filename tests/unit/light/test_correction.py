"""Planes in even light: exact, in float, before or after the projection."""

import numpy as np
import pytest
import tifffile
from clearfield.errors import ClearfieldError
from clearfield.light.correction import check_gain, correct_blocks, corrected_dtype, offsets_in
from clearfield.light.given_images import read_given
from clearfield.light.group import Group, safe_name
from clearfield.results.ometiff import write_ome_tiff

NAMES = ["DAPI", "GFP"]


def correct(plane, offset, gain):
    return np.concatenate([block for _, _, block in correct_blocks(plane, offset, gain)])


def stack(seed=0, depth=7):
    random = np.random.RandomState(seed)
    gain = random.uniform(0.3, 2, (9, 11)).astype("f4")
    return random.randint(90, 4000, (depth, 9, 11)).astype("u2"), gain


@pytest.mark.parametrize("method", ["max", "min", "mean", "median", "sum", "std"])
@pytest.mark.parametrize("offset", [0, 100])
def test_the_projection_corrected_is_the_projection_of_corrected_planes(method, offset):
    """Also for an offset: a sum holds it once for each plane, a standard deviation not at all."""
    planes, gain = stack()
    project = getattr(np, method)
    exact = project((planes.astype(float) - offset) / gain, axis=0)
    projected = project(planes.astype("f8"), axis=0)
    count = offsets_in(method, len(planes))
    assert np.allclose(correct(projected, count * offset, gain), exact, rtol=1e-6, atol=1e-6)


def test_an_offset_left_in_is_no_pure_gain():
    planes, gain = stack()
    exact = (planes.max(0) - 100.0) / gain
    assert abs(correct(planes.max(0), 0, gain) - 100 - exact).max() > 10


def test_nothing_wraps_and_an_offset_by_pixel_is_taken_off():
    plane = np.array([[0, 65535], [100, 90]], "u2")
    dark = np.array([[100.0, 0], [100, 100]], "f4")
    gain = np.array([[1, 0.5], [1, 2]], "f4")
    assert correct(plane, dark, gain).tolist() == [[-100, 131070], [0, -5]]
    assert corrected_dtype(plane.dtype) == "f4"


def test_blocks_make_up_a_plane_of_any_height():
    plane = np.arange(3000 * 1500, dtype="u4").reshape(3000, 1500)
    blocks = list(correct_blocks(plane, 1, None))
    assert len(blocks) > 1
    assert np.array_equal(np.concatenate([block for *_, block in blocks]), plane.astype("f8") - 1)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf, 0.05])
def test_a_profile_that_nothing_can_be_divided_by_is_refused(bad):
    gain = np.ones((10, 10))
    gain[3, 4] = bad
    with pytest.raises(ClearfieldError, match=r"flat\.tif has 1 pixels"):
        check_gain(gain, "flat.tif")
    with pytest.raises(ClearfieldError, match="100 pixels"):
        check_gain(np.zeros((10, 10)), "flat.tif")


def write_given(path, images, **metadata):
    tifffile.imwrite(path, images, photometric="minisblack", metadata=metadata)
    return read_given(str(path), "correct_light.flatfield")


def test_a_given_profile_goes_by_name_then_by_number(tmp_path):
    images = np.stack([np.full((4, 5), 1.0), np.full((4, 5), 3.0)]).astype("f4")
    named = write_given(
        tmp_path / "a.ome.tif", images, axes="CYX", Channel={"Name": ["GFP", "DAPI"]}
    )
    assert named.of_channel(NAMES, 0, (4, 5)).mean() == 3
    plain = write_given(tmp_path / "b.tif", images, axes="CYX")
    assert plain.of_channel(NAMES, 0, (4, 5)).mean() == 1
    with pytest.raises(ClearfieldError, match=r"2 channels.* and none for channel 2 \(Cy5\)"):
        plain.of_channel([*NAMES, "Cy5"], 2, (4, 5))
    with pytest.raises(ClearfieldError, match="5 × 4 pixels, but the images have 6 × 4"):
        plain.of_channel(NAMES, 0, (4, 6))


def test_channels_of_one_name_are_told_apart(tmp_path):
    images = np.stack([np.full((4, 5), 1.0), np.full((4, 5), 3.0)]).astype("f4")
    given = write_given(tmp_path / "a.ome.tif", images, axes="CYX", Channel={"Name": ["A", "A"]})
    assert given.of_channel(["A", "A"], 1, (4, 5)).mean() == 3


def test_dark_frames_are_averaged(tmp_path):
    frames = np.stack([np.full((4, 5), 99), np.full((4, 5), 102)]).astype("u2")
    tifffile.imwrite(tmp_path / "dark.tif", frames, photometric="minisblack")
    given = read_given(str(tmp_path / "dark.tif"), "correct_light.offset")
    assert given.images.shape == (1, 4, 5)
    assert (given.images == 100.5).all()
    assert given.of_channel(NAMES, 1, (4, 5)).mean() == 100.5  # one camera sees all channels


def test_what_is_no_tiff_of_grey_images_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("1")
    with pytest.raises(ClearfieldError, match="is no TIFF"):
        read_given(str(tmp_path / "a.txt"), "correct_light.offset")
    tifffile.imwrite(tmp_path / "rgb.tif", np.zeros((4, 5, 3), "u1"), photometric="rgb")
    with pytest.raises(ClearfieldError, match="must hold grey images"):
        read_given(str(tmp_path / "rgb.tif"), "correct_light.offset")


def write_projection(folder, name, planes, names=NAMES):
    planes = np.asarray(planes)
    path = folder / f"{name}.ome.tif"
    write_ome_tiff(
        path, [(0, c, 0, planes.shape[1], plane) for c, plane in enumerate(planes)],
        shape=(1, *planes.shape), dtype=planes.dtype, channel_names=list(names),
        pixel_size_um={"x": None, "y": None, "z": None},
        provenance={"project_stack": {"method": "max", "first_plane": 0, "last_plane": 3}},
    )  # fmt: skip
    return str(path)


def make_group(folder, count=8, shape=(40, 50)):
    """Two channels: one under a slope, one even; the camera adds 100."""
    random = np.random.RandomState(2)
    slope = np.linspace(0.7, 1.3, shape[1]) * np.ones((shape[0], 1))
    return [
        write_projection(
            folder,
            f"s{number}",
            [(random.poisson(500 * gain) + 100).astype("u2") for gain in (slope, np.ones(shape))],
        )
        for number in range(count)
    ]


def test_a_group_finds_the_light_of_each_channel(tmp_path):
    paths = make_group(tmp_path)
    slope = np.linspace(0.7, 1.3, 50)
    group = Group(paths, 100)
    sloped, even = (group.estimate(name) for name in group.channel_names)
    assert abs(sloped.gain.mean(0) / slope - 1).max() < 0.03
    assert (sloped.facts["applied"], even.facts["applied"]) == (True, False)
    again = Group(paths[::-1], 100).estimate("DAPI", threads=3)
    assert np.array_equal(again.gain, sloped.gain)


def test_images_of_another_size_saturated_and_empty_ones_are_left_out_by_name(tmp_path):
    paths = make_group(tmp_path)
    paths.append(write_projection(tmp_path, "small", np.full((2, 30, 50), 7, "u2")))
    paths.append(write_projection(tmp_path, "empty", np.full((2, 40, 50), 300, "u2")))
    full = np.full((2, 40, 50), 65535, "u2")
    full[:, 0] = 900
    paths.append(write_projection(tmp_path, "full", full))
    group = Group(paths, 100)
    found = group.estimate("DAPI")
    assert found.facts["images"] == 8
    assert found.facts["left_out"] == 2
    assert "30" in group.left_out["small"]
    assert "empty" in group.left_out["empty, DAPI"]
    assert "saturated" in group.left_out["full, DAPI"]
    assert np.array_equal(found.gain, Group(paths[:8], 100).estimate("DAPI").gain)


@pytest.mark.parametrize("count", [1, 3])
def test_too_few_images_give_no_profile_but_a_sentence(tmp_path, count):
    found = Group(make_group(tmp_path, count), 100).estimate("DAPI")
    assert (found.gain == 1).all()
    assert "need 4" in found.sentence


def test_a_channel_that_only_some_samples_have_is_estimated_from_these(tmp_path):
    paths = make_group(tmp_path, 5)
    extra = np.random.RandomState(1).poisson(300, (1, 40, 50)).astype("u2")
    paths.append(write_projection(tmp_path, "other", extra, ["Cy5"]))
    group = Group(paths, 100)
    assert group.channel_names == ["Cy5", *NAMES]  # in the order of the samples' names
    assert group.estimate("DAPI").facts["of"] == 5


def test_names_of_channels_in_files_are_each_their_own(tmp_path):
    planes = np.random.RandomState(1).poisson(300, (2, 40, 50)).astype("u2")
    group = Group([write_projection(tmp_path, "a", planes, ["a/b", "a b"])], 0)
    files = [group.estimate(name).file_name for name in group.channel_names]
    assert len(set(files)) == 2
    assert not any("_" in name for name in files)
    assert safe_name("...") == "channel"
