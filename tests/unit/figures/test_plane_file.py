"""Planes for the page: unpacked as its script does, they are the planes again."""

import base64
import json
import zlib

import numpy as np
import pytest
from clearfield.figures.plane_file import BLOCK, pack_plane, pack_view, write_view

RANDOM = np.random.default_rng(4)


def unpack(packed: dict, shape: tuple[int, int]) -> np.ndarray:
    """Do what web/planes.js does."""
    raw = np.frombuffer(zlib.decompress(base64.b64decode(packed["data"])), np.uint8)
    bits, rows, at = 8 * packed["bytes"], [], 0
    for first in range(0, shape[0], packed["block"]):
        count = min(packed["block"], shape[0] - first) * shape[1]
        coded = raw[at : at + count].astype(np.int64)
        if packed["bytes"] == 2:
            coded |= raw[at + count : at + 2 * count].astype(np.int64) << 8
        change = (coded >> 1) ^ -(coded & 1)
        rows.append(np.cumsum(change.reshape(-1, shape[1]), axis=1) % 2**bits)
        at += count * packed["bytes"]
    assert at == raw.size
    level = np.concatenate(rows)
    return np.where(level == packed["empty"], np.nan, packed["zero"] + packed["step"] * level)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "i4"])
@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (2 * BLOCK + 5, 7)])
def test_integers_stay_exact(dtype, shape):
    low, high = (np.iinfo(dtype).min, np.iinfo(dtype).max) if dtype != "i4" else (-900, 60000)
    plane = RANDOM.integers(low, high, shape, dtype=dtype)
    np.testing.assert_array_equal(unpack(pack_plane(plane), shape), plane)


def test_the_whole_range_of_16_bits_is_rounded_to_two_levels():
    plane = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    assert np.abs(unpack(pack_plane(plane), plane.shape) - plane).max() <= 1


def test_floats_are_rounded_and_keep_what_is_no_number():
    plane = RANDOM.normal(1e4, 300, (150, 40)).astype(np.float32)
    plane[3, 5], plane[140, 0] = np.nan, np.inf
    found = unpack(pack_plane(plane), plane.shape)
    finite = np.isfinite(plane)
    assert np.isnan(found[~finite]).all()
    step = np.ptp(plane[finite]) / 65534
    assert np.abs(found - plane)[finite].max() <= step / 2 + 1e-3
    assert np.abs(unpack(pack_plane(plane, 8.0), plane.shape) - plane)[finite].max() <= 4.001
    empty = np.full((2, 3), np.nan, np.float32)
    assert np.isnan(unpack(pack_plane(empty), empty.shape)).all()
    flat = np.full((2, 3), 7.5, np.float32)
    np.testing.assert_array_equal(unpack(pack_plane(flat), flat.shape), flat)


def test_a_plane_too_large_for_a_browser_is_made_smaller(monkeypatch):
    plane = RANDOM.integers(0, 999, (301, 202), dtype="u2")
    monkeypatch.setattr("clearfield.figures.plane_file.shrink_factor", lambda shape: 2)
    view = pack_view({"projection": plane, "background": plane // 2})
    assert (view["factor"], view["shape"]) == (2, [150, 101])
    expected = plane[:300].reshape(150, 2, 101, 2).mean(axis=(1, 3))
    found = unpack(view["planes"]["projection"], (150, 101))
    np.testing.assert_allclose(found, expected, atol=0.01)


def test_a_view_is_a_script_whatever_its_title_holds(tmp_path):
    view = pack_view({"projection": np.zeros((2, 2), np.uint8), "background": np.ones((2, 2))})
    write_view(tmp_path / "c0_t0.js", view | {"title": "</script>\u2028'\"", "light": False})
    text = (tmp_path / "c0_t0.js").read_text(encoding="utf-8")
    assert text.isascii() and text.startswith("clearfieldPlanes(") and text.endswith(");\n")
    assert json.loads(text[17:-3])["title"] == "</script>\u2028'\""
