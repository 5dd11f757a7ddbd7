"""The description that load_stack hands on, and how it notices that a raw file is another one."""

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from clearfield.errors import ClearfieldError
from clearfield.stack.description import read_stack
from clearfield.stack.loading import load


@pytest.fixture
def raw(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.arange(3 * 8 * 9, dtype=">u2").reshape(3, 8, 9), imagej=True)
    return path


def test_a_description_survives_the_file(raw, tmp_path):
    written = load(str(raw), tmp_path / "a.stack", {"series": 0})
    assert read_stack(tmp_path / "a.stack") == written
    assert written.source == {"name": "a.tif", "bytes": raw.stat().st_size, "series": 0}
    assert (tmp_path / "a.stack").read_bytes().count(b"\n") == 1


def test_an_uncompressed_stack_is_not_copied(raw, tmp_path):
    stack = load(str(raw), tmp_path / "a.stack", {})
    assert stack.files == [str(raw)]
    assert (tmp_path / "a.stack").stat().st_size < 2000


def test_a_file_that_changed_is_an_error(raw, tmp_path):
    stack = load(str(raw), tmp_path / "a.stack", {})
    stack.open()[0, 0, 0]
    os.utime(raw, ns=(1, 1))
    with pytest.raises(ClearfieldError, match=r"a.tif has changed since it was loaded"):
        stack.open()[0, 0, 0]


def test_a_file_that_changes_under_the_reader_is_an_error(raw, tmp_path):
    stack = load(str(raw), tmp_path / "a.stack", {})
    planes = stack.open()
    planes[0, 0, 0]
    planes.check()
    os.utime(raw, ns=(1, 1))
    with pytest.raises(ClearfieldError, match="has changed"):
        planes.check()


def test_a_file_that_vanished_is_an_error(raw, tmp_path):
    stack = load(str(raw), tmp_path / "a.stack", {})
    raw.unlink()
    with pytest.raises(ClearfieldError, match=r"a.tif is gone since it was loaded"):
        stack.open()[0, 0, 0]


def test_an_encoded_stack_is_described_not_decoded(raw, tmp_path):
    pixels = np.arange(3 * 800 * 900, dtype="u2").reshape(3, 800, 900)
    tifffile.imwrite(raw, pixels, photometric="minisblack", compression="zlib")
    stack = load(str(raw), tmp_path / "a.stack", {"axes": "ZYX"})
    assert (stack.offsets, stack.files, len(stack.parts)) == ([], [str(raw)], 18)
    assert (tmp_path / "a.stack").stat().st_size < 4000
    read = read_stack(tmp_path / "a.stack")
    assert read == stack
    assert np.array_equal([read.open()[0, 0, z] for z in range(3)], pixels)


@pytest.mark.parametrize("what", ["changed", "cut", "gone"])
def test_an_encoded_file_that_is_another_one_is_an_error(raw, tmp_path, what):
    tifffile.imwrite(raw, np.zeros((3, 8, 9), "u2"), photometric="minisblack", compression="zlib")
    stack = load(str(raw), tmp_path / "a.stack", {"axes": "ZYX"})
    planes = stack.open()
    assert planes[0, 0, 2].max() == 0
    planes.check()
    if what == "gone":
        raw.unlink()
    elif what == "cut":
        os.truncate(raw, 300)
    else:
        os.utime(raw, ns=(1, 1))
    for action in (planes.check, lambda: stack.open()[0, 0, 0]):
        with pytest.raises(ClearfieldError, match=r"a.tif (has changed|is gone) since it was load"):
            action()


@pytest.mark.parametrize("content", [b"", b"[]", b'{"shape": 1}', b"\xff\xd8"])
def test_no_description_is_an_error(content, tmp_path):
    (tmp_path / "a.stack").write_bytes(content)
    with pytest.raises(ClearfieldError, match="is no stack description"):
        read_stack(tmp_path / "a.stack")


def test_more_files_than_can_be_open_at_once(tmp_path):
    for number in range(70):
        tifffile.imwrite(tmp_path / f"{number}.tif", np.full((2, 2), number, "u1"))
    stack = load(str(tmp_path / "0.tif"), tmp_path / "a.stack", {})
    offset = stack.offsets[0][1]
    stack.files = [str(tmp_path / f"{number}.tif") for number in range(70)]
    stack.offsets = [[number, offset] for number in range(70)]
    stack.fingerprints = [
        [s.st_size, s.st_mtime_ns] for s in (Path(file).stat() for file in stack.files)
    ]
    stack.shape = (1, 1, 70, 2, 2)
    planes = stack.open()
    assert [int(planes[0, 0, z][0, 0]) for z in range(70)] == list(range(70))
