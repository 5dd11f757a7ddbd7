"""Projections equal NumPy's; their statistics equal what a person would count."""

import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import tifffile
from clearfield.errors import ClearfieldError
from clearfield.results.ometiff import read_ome_tiff
from clearfield.stack import projection as module
from clearfield.stack.description import read_stack
from clearfield.stack.loading import load
from clearfield.stack.projection import METHODS, output_dtype, plane_range, project

SCRIPTS = Path(__file__).parents[3] / "scripts"


def stack_of(pixels, folder, **keywords):
    """Load a TCZYX array from a TIFF; give the stack's mapped planes."""
    path = folder / "a.tif"
    tifffile.imwrite(
        path,
        pixels,
        metadata={"axes": "TCZYX"},
        photometric="minisblack",
        **keywords,
    )
    return load(str(path), folder / "a.stack", {}).open()


def whole(planes, method, first=0, last=None, threads=1):
    times, channels, _, height, width = planes.stack.shape
    result = np.zeros(
        (times, channels, height, width), output_dtype(method, np.dtype(planes.stack.dtype))
    )
    found = []
    for t, c, start, stop, rows in project(
        planes, method, first, last, threads=threads, statistics=found
    ):
        result[t, c, start:stop] = rows
    return result, found


def by_numpy(pixels, method):
    if pixels.dtype.kind == "f":
        pixels = np.where(np.isfinite(pixels), pixels.astype("f8"), np.nan)
        there = np.isfinite(pixels).any(axis=2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # nanmax warns of pixels that are missing everywhere
            return np.where(there, getattr(np, f"nan{method}")(pixels, axis=2), np.nan)
    return getattr(np, method)(pixels.astype("f8"), axis=2)


DTYPES = ["u1", "i1", "<u2", ">u2", "<i2", ">i2", "<u4", ">i4", "<f4", ">f4", "<f8"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_projections_equal_numpy(method, dtype, tmp_path):
    random = np.random.default_rng(1)
    dtype = np.dtype(dtype)
    limits = np.iinfo(dtype) if dtype.kind in "iu" else np.iinfo("i2")
    pixels = random.integers(limits.min, limits.max, (2, 2, 6, 37, 23), endpoint=True).astype(dtype)
    planes = stack_of(pixels, tmp_path, byteorder=dtype.byteorder if dtype.itemsize > 1 else None)
    result, _ = whole(planes, method)
    expected = by_numpy(pixels, method)
    assert result.dtype == output_dtype(method, dtype)
    if method in ("max", "min", "sum"):
        assert np.array_equal(result, expected.astype(result.dtype))
    else:
        np.testing.assert_allclose(result, expected, rtol=2e-7)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", ["<f4", ">f8"])
def test_missing_pixels_are_ignored(method, dtype, tmp_path):
    pixels = np.random.default_rng(2).normal(100, 30, (1, 2, 5, 33, 20)).astype(dtype)
    pixels[0, 0, 0, :3] = np.nan
    pixels[0, 0, 2, 1] = np.inf
    pixels[0, 0, 3, 1] = -np.inf
    pixels[0, 0, :, 30, 4] = np.nan  # missing in every plane
    result, found = whole(stack_of(pixels, tmp_path), method)
    np.testing.assert_allclose(result, by_numpy(pixels, method), rtol=1e-5)
    assert np.isnan(result[0, 0, 30, 4])
    missing = np.count_nonzero(~np.isfinite(pixels[0, 0])) / pixels[0, 0].size
    assert found[0]["nonfinite_fraction"] == pytest.approx(missing, rel=1e-5)
    assert found[1]["nonfinite_fraction"] == 0
    assert found[0]["maximum"] == pytest.approx(np.nanmax(pixels[0, 0][np.isfinite(pixels[0, 0])]))
    assert found[0]["saturation_level"] is found[0]["saturated_fraction"] is None


@pytest.mark.parametrize("method", METHODS)
def test_blocks_and_threads_do_not_show(method, tmp_path, monkeypatch):
    pixels = np.random.default_rng(3).integers(0, 4096, (1, 1, 9, 203, 31), dtype="u2")
    pixels[0, 0, 4, 100:120] = 4095
    planes = stack_of(pixels, tmp_path)
    expected = whole(planes, method)
    monkeypatch.setattr(module, "_BLOCK_BYTES", 31 * 2 * 16)
    monkeypatch.setattr(module, "_BAND_BYTES", 31 * 2 * 64)
    monkeypatch.setattr(module, "_WINDOW_BYTES", 31 * 2 * 200)
    monkeypatch.setattr(module, "_MEDIAN_BYTES", 31 * 2 * 9 * 16)
    for threads in (1, 2, 3):
        result, found = whole(planes, method, threads=threads)
        assert np.array_equal(result, expected[0])
        assert found == expected[1]


@pytest.mark.parametrize("method", METHODS)
def test_saturation_is_counted_in_every_method(method, tmp_path):
    pixels = np.full((1, 2, 4, 40, 10), 100, "u2")
    pixels[0, 0, 1, :4] = 4095  # 40 of 1600 pixels of a 12-bit camera
    pixels[0, 1, 3, 39, 9] = 65535
    pixels[0, 1, 2, 0] = 4095  # not the largest value of its channel
    _, found = whole(stack_of(pixels, tmp_path), method)
    assert (found[0]["saturation_level"], found[0]["saturated_fraction"]) == (4095, 0.025)
    assert (found[1]["saturation_level"], found[1]["saturated_fraction"]) == (65535, 1 / 1600)
    assert [row["maximum"] for row in found] == [4095, 65535]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("method", METHODS)
def test_saturated_pixels_are_counted_wherever_they_lie(method, threads, tmp_path, monkeypatch):
    random = np.random.default_rng(9)
    pixels = random.integers(0, 4000, (1, 1, 9, 301, 31), dtype="u2")
    for z, row, column in random.integers(0, (9, 301, 31), (40, 3)):
        pixels[0, 0, z, row, column] = 4095
    pixels[0, 0, 2:5, 250:270] = 4095
    monkeypatch.setattr(module, "_BLOCK_BYTES", 31 * 2 * 100)
    _, found = whole(stack_of(pixels, tmp_path), method, threads=threads)
    expected = np.count_nonzero(pixels == 4095) / pixels.size
    assert found[0]["saturated_fraction"] == pytest.approx(expected, rel=1e-5)


def test_the_level_of_the_metadata_goes_first_unless_pixels_exceed_it(tmp_path):
    pixels = np.full((1, 1, 4, 40, 10), 4095, "u2")
    planes = stack_of(pixels, tmp_path)
    planes.stack.saturation_level = 16383
    assert whole(planes, "max")[1][0]["saturated_fraction"] == 0
    planes.stack.saturation_level = 4000  # which the pixels disprove
    found = whole(planes, "max")[1][0]
    assert (found["saturation_level"], found["saturated_fraction"]) == (4095, 1)


def test_means_and_sharpness_by_hand(tmp_path):
    pixels = np.zeros((1, 1, 2, 33, 4), "u1")
    pixels[0, 0, 0, [0, 16, 32]] = [1, 2, 3, 6]  # the sampled rows; differences two apart 2 and 4
    pixels[0, 0, 0, 5] = 200  # not sampled
    found = whole(stack_of(pixels, tmp_path), "max")[1][0]
    assert found["plane_means"] == [3, 0]
    assert found["plane_sharpness"] == [10, 0]


def test_a_plane_of_one_pixel(tmp_path):
    result, found = whole(stack_of(np.full((1, 1, 1, 1, 1), 7, "u2"), tmp_path), "max")
    assert result.item() == 7
    assert found[0]["plane_sharpness"] == [None]


def test_a_range_of_planes_includes_its_last(tmp_path):
    pixels = np.arange(5, dtype="u1")[None, None, :, None, None] * np.ones((1, 1, 5, 3, 3), "u1")
    planes = stack_of(pixels, tmp_path)
    result, found = whole(planes, "sum", 1, 3)
    assert np.all(result == 1 + 2 + 3)
    assert found[0]["plane_means"] == [1, 2, 3]
    assert plane_range(planes.stack, None, None) == (0, 4)
    assert plane_range(planes.stack, 2, None) == (2, 4)
    for first, last in ((5, None), (None, 5), (-1, None), (None, -1)):
        with pytest.raises(ClearfieldError, match=r"a.tif has 5 planes, 0 to 4"):
            plane_range(planes.stack, first, last)
    with pytest.raises(ClearfieldError, match="behind"):
        plane_range(planes.stack, 3, 2)


def test_an_unknown_method_is_named(tmp_path):
    with pytest.raises(ClearfieldError, match=r"allowed are max, mean"):
        next(project(stack_of(np.zeros((1, 1, 2, 3, 3), "u1"), tmp_path), "maximum"))


def test_planes_that_start_on_odd_bytes(tmp_path):
    pixels = np.random.default_rng(4).integers(0, 60000, (3, 20, 30), dtype="u2")
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels, photometric="minisblack", metadata={"axes": "ZYX"})
    stack = load(str(path), tmp_path / "a.stack", {})
    data = path.read_bytes()
    path.write_bytes(b"x" + data)
    stack.offsets = [[0, at + 1] for _, at in stack.offsets]
    stack.fingerprints = [[path.stat().st_size, path.stat().st_mtime_ns]]
    for method in METHODS:
        result, _ = whole(stack.open(), method)
        np.testing.assert_allclose(
            result[0, 0], by_numpy(pixels[None, None], method)[0, 0], rtol=1e-6
        )


def run(script, **values):
    arguments = [part for key, value in values.items() for part in (f"--{key}", str(value))]
    return subprocess.run(
        [sys.executable, SCRIPTS / f"{script}.py", *arguments], text=True, capture_output=True
    )


def test_the_jobs_by_their_command_lines(tmp_path):
    pixels = np.random.default_rng(5).integers(0, 900, (4, 2, 30, 40), dtype="u2")
    raw = tmp_path / "Ä b.1.tif"
    tifffile.imwrite(
        raw, pixels, imagej=True, resolution=(4, 4), metadata={"axes": "ZCYX", "unit": "um"}
    )
    stack, out = tmp_path / "a.stack", tmp_path / "out" / "a.ome.tif"
    done = run("load_stack", path=raw, sample="a", stack=stack, settings="{}")
    assert (done.returncode, done.stderr) == (0, "")
    settings = json.dumps({"method": "max", "first_plane": 1, "last_plane": None})
    done = run("project_stack", stack=stack, projection=out, statistics=tmp_path / "a.json",
               settings=settings, threads=2)  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    image = read_ome_tiff(out)
    assert np.array_equal([image.plane(0, c) for c in (0, 1)], pixels[1:].max(axis=0))
    assert image.pixel_size_um == {"x": 0.25, "y": 0.25, "z": None}
    written = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert written["planes"] == [1, 3]
    assert written["source"] == {"name": "Ä b.1.tif", "bytes": raw.stat().st_size, "series": 0}
    assert len(written["statistics"]) == 2
    assert str(tmp_path) not in (tmp_path / "a.json").read_text() + out.read_bytes().decode(
        "latin-1"
    )
    kept = tmp_path / "kept.ome.tif"
    done = run("keep_stack", stack=stack, kept=kept, threads=1)
    assert (done.returncode, done.stderr) == (0, "")
    with tifffile.TiffFile(kept) as tif:
        assert tif.series[0].axes == "CZYX"
        assert np.array_equal(tif.asarray(), pixels.transpose(1, 0, 2, 3))


def test_all_missing_is_one_sentence(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif",
        np.full((3, 8, 8), np.nan, "f4"),
        photometric="minisblack",
        metadata={"axes": "ZYX"},
    )
    run(
        "load_stack",
        path=tmp_path / "a.tif",
        sample="a",
        stack=tmp_path / "a.stack",
        settings="{}",
    )
    done = run("project_stack", stack=tmp_path / "a.stack", projection=tmp_path / "a.ome.tif",
               statistics=tmp_path / "a.json", settings="{}", threads=1)  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "error: a.tif has no finite pixel: all are NaN or infinite\n"
    assert not (tmp_path / "a.ome.tif").exists()


def test_a_plane_larger_than_a_band_becomes_tiles(tmp_path, monkeypatch):
    from clearfield.results import ometiff

    monkeypatch.setattr(ometiff, "_TILED_FROM", 1)
    monkeypatch.setattr(module, "_BAND_BYTES", 1 << 16)
    pixels = np.random.default_rng(6).integers(0, 60000, (1, 1, 3, 1100, 600), dtype="u2")
    planes = stack_of(pixels, tmp_path)
    for method in ("max", "std"):
        ometiff.write_ome_tiff(
            tmp_path / "p.ome.tif", project(planes, method), shape=(1, 1, 1100, 600),
            dtype=output_dtype(method, pixels.dtype), pixel_size_um={}, channel_names=["a"],
            provenance={},
        )  # fmt: skip
        with tifffile.TiffFile(tmp_path / "p.ome.tif") as tif:
            assert tif.is_bigtiff and tif.pages[0].is_tiled
            np.testing.assert_allclose(tif.asarray(), by_numpy(pixels, method)[0, 0], rtol=1e-6)


def test_the_description_is_read_back(tmp_path):
    planes = stack_of(np.zeros((1, 1, 2, 3, 3), "u1"), tmp_path)
    assert read_stack(tmp_path / "a.stack") == planes.stack
