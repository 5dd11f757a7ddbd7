"""The description that load_stack hands on, and how it notices that a raw file is another one."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from clearfield.errors import ClearfieldError
from clearfield.jobs.joblog import UNFINISHED
from clearfield.stack import description as module
from clearfield.stack import projection
from clearfield.stack.description import Planes, RowReader, read_stack, this_boot
from clearfield.stack.loading import load

SCRIPTS = Path(__file__).parents[3] / "scripts"


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


def test_a_decoded_stack_that_was_cut_is_an_error(raw, tmp_path):
    tifffile.imwrite(
        raw,
        np.zeros((3, 8, 9), "u2"),
        photometric="minisblack",
        compression="zlib",
        metadata={"axes": "ZYX"},
    )
    stack = load(str(raw), tmp_path / "a.stack", {})
    assert stack.files == [""]
    os.truncate(tmp_path / "a.stack", 4200)
    with pytest.raises(ClearfieldError, match="has changed"):
        stack.open()[0, 0, 2]


def test_a_stack_decoded_before_a_power_cut_is_made_again(raw, tmp_path, monkeypatch):
    pixels = np.arange(216, dtype="u2").reshape(3, 8, 9)
    tifffile.imwrite(raw, pixels, photometric="minisblack", compression="zlib")
    path = tmp_path / "a.stack"
    load(str(raw), path, {"axes": "ZYX"})
    machine, boot = this_boot().split()
    assert np.array_equal(read_stack(path).open(path)[0, 0, 2], pixels[2])
    monkeypatch.setattr("clearfield.stack.description.this_boot", lambda: "node7 of-a-cluster")
    read_stack(path)  # written elsewhere, and closed there: what others see is whole
    monkeypatch.setattr("clearfield.stack.description.this_boot", lambda: f"{machine} not-{boot}")
    with pytest.raises(ClearfieldError, match="removed; run the same command again"):
        read_stack(path)
    assert not path.exists()


def test_a_stack_is_on_the_disk_where_no_start_can_be_named(raw, tmp_path, monkeypatch):
    tifffile.imwrite(raw, np.zeros((3, 8, 9), "u2"), photometric="minisblack", compression="zlib")
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)
    load(str(raw), tmp_path / "a.stack", {"axes": "ZYX"})
    assert not synced
    monkeypatch.setattr("clearfield.stack.loading.this_boot", lambda: "")
    load(str(raw), tmp_path / "a.stack", {"axes": "ZYX"})
    assert synced
    monkeypatch.setattr("clearfield.stack.description.this_boot", lambda: "")
    read_stack(tmp_path / "a.stack")


@pytest.mark.parametrize("content", [b"", b"[]", b'{"shape": 1}', b"\xff\xd8"])
def test_no_description_is_an_error(content, tmp_path):
    (tmp_path / "a.stack").write_bytes(content)
    with pytest.raises(ClearfieldError, match="is no stack description"):
        read_stack(tmp_path / "a.stack")


def test_more_files_than_can_be_mapped_at_once(tmp_path):
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


@pytest.fixture
def maps(monkeypatch):
    """Note the maps that are made, of 8 KB at a time."""
    made = []
    plain = module._OpenFile.map
    monkeypatch.setattr(
        module._OpenFile, "map", lambda *values: made.append(values[1:]) or plain(*values)
    )
    monkeypatch.setattr(module, "_PART_BYTES", 8192)
    monkeypatch.setattr(module, "_MAPPED_BYTES", 3 * (8192 + 6000))  # blocks of 15 rows
    return made


def big_planes(folder):
    """A stack of 5 planes of 60 x 200 pixels of 16 bits, whose data begin anywhere; its pixels."""
    pixels = np.random.default_rng(8).integers(0, 65536, (5, 60, 200), "u2")
    tifffile.imwrite(
        folder / "b.tif", pixels, photometric="minisblack", metadata={"axes": "ZYX"},
        description="x" * 77,
    )  # fmt: skip
    return load(str(folder / "b.tif"), folder / "b.stack", {}).open(), pixels


def read_all(planes, readers=1, rows=15, maps=True):
    """All rows of all planes by readers in turn."""
    several = [RowReader(planes, rows * 400, maps=maps) for _ in range(readers)]
    return np.array([
        [several[z % readers].rows((0, 0, z), row, row + rows).copy() for row in range(0, 60, rows)]
        for z in range(5)
    ]).reshape(5, 60, 200)  # fmt: skip


@pytest.mark.parametrize("readers", [1, 3])
def test_a_reader_gives_the_rows_of_a_map(tmp_path, maps, readers):
    planes, pixels = big_planes(tmp_path)
    assert np.array_equal(read_all(planes, readers), pixels)
    assert maps
    assert not planes._parts  # no map outlives its readers
    maps.clear()
    assert np.array_equal(read_all(planes, readers, maps=False), pixels)
    assert not maps


def test_no_more_than_three_parts_are_mapped(tmp_path, maps):
    planes, pixels = big_planes(tmp_path)
    readers = [RowReader(planes, 6000, maps=True) for _ in range(5)]
    rows = [reader.rows((0, 0, z), 0, 1) for z, reader in enumerate(readers)]
    assert len(planes._parts) == 3
    assert np.array_equal(np.array(rows)[:, 0], pixels[:, 0])


def test_threads_may_map_at_the_same_time(tmp_path, maps, monkeypatch):
    monkeypatch.setattr(module, "_MAPPED_BYTES", 6 * (8192 + 6000))
    monkeypatch.setattr(Planes, "is_mapped_fast", lambda _: True)
    monkeypatch.setattr(projection, "_BLOCK_BYTES", 12000)
    monkeypatch.setattr(projection, "_WINDOW_BYTES", 48000)
    pixels = np.random.default_rng(8).integers(0, 65536, (300, 260, 30), "u2")
    path = tmp_path / "b.tif"
    tifffile.imwrite(path, pixels, photometric="minisblack", metadata={"axes": "ZYX"})
    stack = load(str(path), tmp_path / "b.stack", {})
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(20):
            blocks = projection.project(stack.open(), threads=4)
            assert np.array_equal(np.concatenate([rows for *_, rows in blocks]), pixels.max(axis=0))
    finally:
        sys.setswitchinterval(interval)
    assert maps


@pytest.mark.parametrize(("faults", "fast"), [(1, True), (100, False)])
def test_files_are_mapped_where_page_faults_are_few(tmp_path, maps, monkeypatch, faults, fast):
    planes, _ = big_planes(tmp_path)
    monkeypatch.setattr(module, "_WORTH_BYTES", 120_000)
    monkeypatch.setattr(module, "_FAULT_BYTES", 1000)  # planes have 24,000
    count = iter(range(0, 10**9, faults))
    monkeypatch.setattr(module, "_page_faults", lambda: next(count))
    assert planes.is_mapped_fast() == fast
    for _, _, start, size in maps:
        assert (start, size) in [(offset, 24_000) for _, offset in planes.stack.offsets]


@pytest.mark.parametrize("reason", ["system", "addresses", "not in memory"])
def test_a_file_that_shall_not_be_mapped_is_read(tmp_path, monkeypatch, reason):
    def wait(descriptor, buffers, offset, flags=0):
        if flags:
            raise BlockingIOError
        return plain(descriptor, buffers, offset)

    planes, pixels = big_planes(tmp_path)
    monkeypatch.setattr(module, "_WORTH_BYTES", 120_000)
    monkeypatch.setattr(module, "_page_faults", lambda: 0)
    plain = os.preadv
    if hasattr(os, "RWF_NOWAIT"):
        assert planes.is_mapped_fast()
    if reason == "system":
        monkeypatch.delattr(os, "RWF_NOWAIT", raising=False)
    elif reason == "addresses":
        monkeypatch.setattr("resource.getrlimit", lambda _: (1 << 30, 1 << 30))
    else:
        monkeypatch.setattr(os, "preadv", wait)
        assert np.array_equal(read_all(planes), pixels)
    assert not planes.is_mapped_fast()


def test_a_file_that_is_cut_under_a_reader_is_an_error(tmp_path, maps):
    planes, pixels = big_planes(tmp_path)
    reader = RowReader(planes, 400, maps=True)
    assert np.array_equal(reader.rows((0, 0, 0), 3, 4)[0], pixels[0, 3])
    os.truncate(tmp_path / "b.tif", 60_000)
    with pytest.raises(ClearfieldError, match=r"b\.tif has changed since it was loaded"):
        reader.rows((0, 0, 4), 0, 1)
    assert not planes.is_mapped_fast()


@pytest.mark.skipif(not hasattr(os, "RWF_NOWAIT"), reason="this system's files are not mapped")
def test_a_file_that_is_cut_while_it_is_mapped_ends_in_a_sentence(tmp_path):
    big_planes(tmp_path)
    code = f"""
import os, sys
sys.path.insert(0, {str(SCRIPTS)!r})
from clearfield.stack import description as stack
from clearfield.jobs.job import run_job
from project_stack import project_stack
plain = stack.RowReader.rows
def rows(self, *values):
    given = plain(self, *values)
    os.truncate({str(tmp_path / "b.tif")!r}, 4096)
    return given
stack.RowReader.rows = rows
stack._WORTH_BYTES = 0
stack._page_faults = lambda: 0
run_job(project_stack)
"""
    values = {
        "stack": tmp_path / "b.stack", "projection": tmp_path / "b.ome.tif",
        "statistics": tmp_path / "b.json", "settings": "{}", "threads": 1,
    }  # fmt: skip
    arguments = [part for name, value in values.items() for part in (f"--{name}", str(value))]
    with (tmp_path / "log").open("w") as log:
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], stdout=log, stderr=log, check=False
        )
    assert done.returncode == -signal.SIGBUS
    assert (tmp_path / "log").read_text() == UNFINISHED
    assert not (tmp_path / "b.ome.tif").exists()
