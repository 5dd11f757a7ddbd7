"""Encoded parts: each is decoded once, whatever it reaches over, and the pixels are NumPy's."""

import os
import threading
import warnings

import numpy as np
import pytest
import tifffile
from clearfield.errors import ClearfieldError
from clearfield.results.ometiff import write_ome_tiff
from clearfield.stack import planes as reading
from clearfield.stack import projection as module
from clearfield.stack.loading import load
from clearfield.stack.planes import Planes
from clearfield.stack.projection import METHODS, output_dtype, project

RANDOM = np.random.default_rng(17)


@pytest.fixture
def decoded(monkeypatch):
    """Count how often each part is decoded."""
    counts: dict[int, int] = {}
    lock, plain = threading.Lock(), Planes.decode

    def decode(self, number):
        with lock:
            counts[number] = counts.get(number, 0) + 1
        return plain(self, number)

    monkeypatch.setattr(Planes, "decode", decode)
    return counts


def whole(stack, method="max", **keywords):
    times, channels, _, height, width = stack.shape
    result = np.zeros((times, channels, height, width), output_dtype(method, np.dtype(stack.dtype)))
    found = []
    for t, c, start, stop, rows in project(stack.open(), method, statistics=found, **keywords):
        result[t, c, start:stop] = rows
    return result, found


def write_zarr(path, pixels, chunks, **keywords):
    zarr = pytest.importorskip("zarr", minversion="3", reason="the package zarr is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        group = zarr.open_group(str(path), mode="w", zarr_format=3)
        array = group.create_array(
            "0", shape=pixels.shape, dtype=pixels.dtype, chunks=chunks, **keywords
        )
        array[...] = pixels
    axes = [{"name": name} for name in "tczyx"]
    entry = {"axes": axes, "datasets": [{"path": "0"}]}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [entry]}


def make(kind, folder):
    """Write 2 times, 3 channels and 5 planes of 70 x 90 pixels in parts; give path and pixels."""
    pixels = RANDOM.integers(0, 4000, (2, 3, 5, 70, 90), "u2")
    options = {
        "tiles": {"tile": (32, 48)},
        "strips": {"rowsperstrip": 13},
        "planes": {"rowsperstrip": 70},
    }
    chunks = {
        "chunks of several planes": (1, 1, 2, 70, 90),
        "chunks of several channels": (1, 2, 1, 40, 50),
        "chunks of several times": (2, 1, 3, 70, 50),
        "all in one chunk": (2, 3, 5, 70, 90),
    }
    if kind in options:
        path = folder / "a.tif"
        tifffile.imwrite(
            path, pixels, photometric="minisblack", compression="zlib",
            metadata={"axes": "TCZYX"}, **options[kind],
        )  # fmt: skip
        return path, pixels
    if kind == "interleaved":
        path = folder / "a.tif"
        tifffile.imwrite(
            path, pixels.transpose(0, 2, 3, 4, 1), photometric="rgb", planarconfig="contig",
            compression="zlib", metadata={"axes": "TZYXS"},
        )  # fmt: skip
        return path, pixels
    write_zarr(folder / "a.zarr", pixels, chunks[kind])
    return folder / "a.zarr", pixels


KINDS = [
    "tiles", "strips", "planes", "interleaved", "chunks of several planes",
    "chunks of several channels", "chunks of several times", "all in one chunk",
]  # fmt: skip


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr("clearfield.formats.tiff_places._PART_BYTES", 1)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_each_part_is_decoded_once(kind, threads, tmp_path, decoded):
    path, pixels = make(kind, tmp_path)
    settings = {"axes": "TZYXC"} if kind == "interleaved" else {}
    stack = load(str(path), tmp_path / "a.stack", settings)
    for method in METHODS:
        decoded.clear()
        result, found = whole(stack, method, threads=threads)
        assert decoded == dict.fromkeys(range(len(stack.parts)), 1)
        expected = getattr(np, method)(pixels.astype("f8"), axis=2)
        np.testing.assert_allclose(result, expected, rtol=2e-7)
        rows = pixels[..., ::16, :].astype("f8")
        steps = ((rows[..., 2:] - rows[..., :-2]) ** 2).mean(axis=(3, 4))
        for row in found:
            means = rows[row["time"], row["channel"]].mean(axis=(1, 2))
            np.testing.assert_allclose(row["plane_means"], means, rtol=1e-5)
            sharpness = steps[row["time"], row["channel"]]
            np.testing.assert_allclose(row["plane_sharpness"], sharpness, rtol=1e-4)
            assert row["maximum"] == pixels[row["time"], row["channel"]].max()
            assert row["absent_fraction"] == 0


@pytest.mark.parametrize("kind", KINDS)
def test_planes_that_are_not_projected_are_not_decoded(kind, tmp_path, decoded):
    path, pixels = make(kind, tmp_path)
    settings = {"axes": "TZYXC"} if kind == "interleaved" else {}
    stack = load(str(path), tmp_path / "a.stack", settings)
    result, _ = whole(stack, first=1, last=2, threads=2)
    assert np.array_equal(result, pixels[:, :, 1:3].max(axis=2))
    beyond = [n for n, part in enumerate(stack.parts) if part[2] > 2]
    assert not set(beyond) & set(decoded)
    assert max(decoded.values()) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_stack_is_kept_with_each_part_decoded_once(kind, tmp_path, decoded):
    path, pixels = make(kind, tmp_path)
    settings = {"axes": "TZYXC"} if kind == "interleaved" else {}
    stack = load(str(path), tmp_path / "a.stack", settings)
    write_ome_tiff(
        tmp_path / "kept.ome.tif", stack.open().blocks(2), shape=stack.shape, dtype=stack.dtype,
        pixel_size_um={}, channel_names=["a", "b", "c"], provenance={},
    )  # fmt: skip
    assert np.array_equal(tifffile.imread(tmp_path / "kept.ome.tif"), pixels)
    assert decoded == dict.fromkeys(range(len(stack.parts)), 1)


@pytest.mark.parametrize("kind", KINDS)
def test_where_memory_does_not_suffice_parts_are_decoded_again(
    kind, tmp_path, decoded, monkeypatch
):
    """A median holds all planes of the rows that it takes: so many rows as there may be held."""
    path, pixels = make(kind, tmp_path)
    settings = {"axes": "TZYXC"} if kind == "interleaved" else {}
    stack = load(str(path), tmp_path / "a.stack", settings)
    expected = whole(stack, "median")
    rows = 32  # of five planes
    monkeypatch.setattr(module, "_HELD_BYTES", rows * 90 * 2 * 5)
    decoded.clear()
    result, found = whole(stack, "median", threads=2)
    assert np.array_equal(result, np.median(pixels, axis=2).astype("f4"))
    assert np.array_equal(result, expected[0])
    assert found == expected[1]
    bands = {"tiles": 1, "strips": 1, "interleaved": 9}.get(kind)
    if bands is None:  # three bands of rows for each time and channel that a part reaches over
        times, channels, *_ = np.minimum(stack.part_shape, stack.shape)
        high = stack.part_shape[3]
        bands = int(times * channels * (3 if high == 70 else 2))
    assert max(decoded.values()) == bands
    monkeypatch.setattr(reading, "_SLAB_BYTES", 70 * 90 * 2 * 2)
    kept = np.zeros(stack.shape, "u2")
    for t, c, z, first, last, block in stack.open().blocks(2):
        kept[t, c, z, first:last] = block
    assert np.array_equal(kept, pixels)


@pytest.mark.parametrize("threads", [1, 3])
def test_no_more_parts_are_held_than_threads(threads, tmp_path, monkeypatch):
    path, _ = make("planes", tmp_path)
    stack = load(str(path), tmp_path / "a.stack", {})
    held, most, lock = [0], [0], threading.Lock()
    plain_decode, plain_pass = Planes.decode, module._Engine._pass

    def decode(self, number):
        with lock:
            held[0] += 1
            most[0] = max(most[0], held[0])
        return plain_decode(self, number)

    def let_pass(self, *values):
        plain_pass(self, *values)
        with lock:
            held[0] -= 1

    monkeypatch.setattr(Planes, "decode", decode)
    monkeypatch.setattr(module._Engine, "_pass", let_pass)
    whole(stack, threads=threads)
    assert held == [0]
    assert 1 <= most[0] <= threads


@pytest.mark.parametrize("axes", ["TCZXY", "TCYZX", "YCTXZ", "ZCTYX"])
@pytest.mark.parametrize("kind", ["tiles", "all in one chunk"])
def test_axes_in_another_order(axes, kind, tmp_path):
    """Planes of the file lie across those of the stack, as in an XZ scan."""
    path, pixels = make(kind, tmp_path)
    stack = load(str(path), tmp_path / "a.stack", {"axes": axes})
    pixels = pixels.transpose([axes.index(axis) for axis in "TCZYX"])
    assert stack.shape == pixels.shape
    result, found = whole(stack, threads=2)
    assert np.array_equal(result, pixels.max(axis=2))
    assert len(found) == pixels.shape[0] * pixels.shape[1]
    opened = stack.open()
    assert all(np.array_equal(opened[i], pixels[i]) for i in np.ndindex(pixels.shape[:3]))


def test_one_of_several_is_selected_from_parts_that_hold_all(tmp_path):
    path, pixels = make("chunks of several channels", tmp_path)
    stack = load(str(path), tmp_path / "a.stack", {"select": {"C": 1, "T": 1}})
    assert np.array_equal(whole(stack)[0][0, 0], pixels[1, 1].max(axis=0))
    assert len(stack.parts) == 5 * 4


def test_truth_values_and_half_floats(tmp_path):
    for dtype in ("?", "f2"):
        pixels = RANDOM.integers(0, 2, (1, 1, 4, 33, 20)).astype(dtype)
        write_zarr(tmp_path / "a.zarr", pixels, (1, 1, 1, 20, 20))
        stack = load(str(tmp_path / "a.zarr"), tmp_path / "a.stack", {})
        for method in METHODS:
            expected = getattr(np, method)(pixels.astype("f8"), axis=2)
            np.testing.assert_allclose(whole(stack, method)[0], expected, rtol=1e-6)


# ---- what was never stored ----


@pytest.mark.parametrize("shards", [None, (1, 1, 4, 64, 64)])
def test_absent_chunks_hold_the_fill_value_and_are_counted(tmp_path, shards):
    pixels = RANDOM.integers(1, 4000, (1, 2, 4, 64, 64), "u2")
    pixels[0, 1, :2, :32] = 7  # chunks of the fill value alone are not stored
    pixels[0, 1, 3] = 7
    write_zarr(tmp_path / "a.zarr", pixels, (1, 1, 2, 32, 64), fill_value=7, shards=shards)
    stack = load(str(tmp_path / "a.zarr"), tmp_path / "a.stack", {})
    result, found = whole(stack, "mean", threads=2)
    np.testing.assert_allclose(result, pixels.mean(axis=2), rtol=1e-6)
    assert [row["absent_fraction"] for row in found] == [0, 0.25]
    _, found = whole(stack, first=1, last=3)  # of three planes half of one was never stored
    assert [row["absent_fraction"] for row in found] == [0, pytest.approx(1 / 6, rel=1e-5)]


@pytest.mark.parametrize("what", ["removed", "changed", "new"])
def test_a_chunk_that_is_another_one_than_at_loading_is_an_error(tmp_path, what):
    pixels = RANDOM.integers(1, 4000, (1, 1, 4, 20, 30), "u2")
    pixels[0, 0, 2] = 0
    write_zarr(tmp_path / "a.zarr", pixels, (1, 1, 1, 20, 30))
    stack = load(str(tmp_path / "a.zarr"), tmp_path / "a.stack", {})
    assert whole(stack)[1][0]["absent_fraction"] == 0.25
    chunk = tmp_path / "a.zarr/0/c/0/0/1/0/0"
    if what == "removed":
        chunk.unlink()
    elif what == "changed":
        os.utime(chunk, ns=(1, 1))
    else:
        new = tmp_path / "a.zarr/0/c/0/0/2/0/0"
        new.parent.mkdir(parents=True)
        new.write_bytes(chunk.read_bytes())
    with pytest.raises(ClearfieldError, match=r"has changed since it was loaded|is gone since"):
        whole(stack)


def test_a_damaged_part_is_one_sentence(tmp_path):
    pixels = RANDOM.integers(1, 4000, (1, 1, 4, 20, 30), "u2")
    write_zarr(tmp_path / "a.zarr", pixels, (1, 1, 1, 20, 30))
    chunk = tmp_path / "a.zarr/0/c/0/0/1/0/0"
    for content in (b"no zstd", b"", chunk.read_bytes()[:100]):
        chunk.write_bytes(content)
        stack = load(str(tmp_path / "a.zarr"), tmp_path / "a.stack", {})
        for threads in (1, 3):
            with pytest.raises(ClearfieldError, match=r"a\.zarr cannot be read as an OME-Zarr"):
                whole(stack, threads=threads)


def test_a_gzip_chunk_of_several_members(tmp_path):
    """imagecodecs gives the first member alone."""
    import gzip

    zarr = pytest.importorskip("zarr", minversion="3", reason="the package zarr is not installed")
    pixels = RANDOM.integers(1, 4000, (1, 1, 2, 20, 30), "u2")
    write_zarr(tmp_path / "a.zarr", pixels, (1, 1, 1, 20, 30), compressors=zarr.codecs.GzipCodec())
    raw = pixels[0, 0, 1].tobytes()
    members = gzip.compress(raw[:500]) + gzip.compress(raw[500:])
    (tmp_path / "a.zarr/0/c/0/0/1/0/0").write_bytes(members)
    stack = load(str(tmp_path / "a.zarr"), tmp_path / "a.stack", {})
    assert np.array_equal(whole(stack)[0][0, 0], pixels.max(axis=(0, 1, 2)))


def test_a_file_that_is_cut_while_it_is_opened_is_one_sentence(tmp_path, monkeypatch):
    path, _ = make("tiles", tmp_path)
    stack = load(str(path), tmp_path / "a.stack", {})
    plain = tifffile.TiffFile

    def cut(*values, **keywords):
        os.truncate(path, 6)
        return plain(*values, **keywords)

    monkeypatch.setattr(tifffile, "TiffFile", cut)
    with pytest.raises(ClearfieldError, match=r"a\.tif has changed since it was loaded"):
        whole(stack)
