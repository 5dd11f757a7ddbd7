"""Samples on servers: what is fetched, what is made of it, and what is said where it fails."""

import os
import socket

import numpy as np
import pytest
import zarr
from clearfield.errors import ClearfieldError
from clearfield.formats import remote
from clearfield.formats.known_formats import open_series
from clearfield.stack.loading import load
from runner import write_stack
from servers import s3_server, static_server

pytestmark = pytest.mark.second_tier
SHAPE = (2, 6, 64, 64)


def write_zarr(path, version=3, **options):
    """Write an OME-Zarr image of two channels in two levels; one of its chunks is all zeros."""
    group = zarr.open_group(path, mode="w", zarr_format=version)
    pixels = np.random.default_rng(0).poisson(100, SHAPE).astype("u2")
    pixels[0, :2, :32, :32] = 0
    levels = []
    for number in range(2):
        array = group.create_array(
            str(number), shape=SHAPE, dtype="u2", chunks=(1, 2, 32, 32), **options
        )
        array[:] = pixels
        scale = {"type": "scale", "scale": [1, 1, 2**number, 2**number]}
        levels.append({"path": str(number), "coordinateTransformations": [scale]})
    axes = [{"name": "c", "type": "channel"}] + [{"name": n, "type": "space"} for n in "zyx"]
    image = {"multiscales": [{"axes": axes, "datasets": levels}]}
    group.attrs.update({"ome": {"version": "0.5", **image}} if version == 3 else image)
    return pixels


@pytest.fixture
def server(tmp_path):
    (tmp_path / "served").mkdir()
    with static_server(tmp_path / "served") as server:
        yield server


@pytest.fixture(scope="module")
def s3():
    with s3_server() as environment, pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield remote.filesystem("s3")


def one_sentence(error: ClearfieldError, url: str) -> str:
    text = str(error)
    assert text.startswith(url) and ";" in text and "\n" not in text and "Traceback" not in text
    return text


@pytest.mark.parametrize("version", [2, 3])
def test_of_a_store_only_the_chunks_of_the_level_and_channel_in_use_are_fetched(
    version, server, tmp_path
):
    pixels = write_zarr(server.folder / "a.zarr", version)
    stack = load(f"{server.url}/a.zarr", tmp_path / "a.stack", {"select": {"C": 1}})
    planes = stack.open(tmp_path / "a.stack")
    for z in range(6):
        assert (planes[0, 0, z] == pixels[1, z]).all()
    first = "c/1/" if version == 3 else "1."
    used = {
        f"/{path.relative_to(server.folder)}": path.stat().st_size
        for path in (server.folder / "a.zarr/0").rglob("*")
        if path.is_file() and str(path.relative_to(server.folder / "a.zarr/0")).startswith(first)
    }
    assert len(used) == 12
    given = [(path, size) for path, size in server.given if path.rpartition("/")[2][0] not in "z."]
    assert sorted(given) == sorted(used.items())  # each once
    metadata = sum(size for path, size in server.given) - sum(used.values())
    assert metadata < 10_000


def test_of_shards_only_the_parts_in_use_are_fetched(server):
    pixels = write_zarr(server.folder / "a.zarr", shards=(2, 6, 64, 64))
    (series,) = open_series(f"{server.url}/a.zarr")
    assert (series.read((1, 0)) == pixels[1, 0]).all()
    shard = server.folder / "a.zarr/0/c/0/0/0/0"
    given = sum(size for path, size in server.given if path.endswith("c/0/0/0/0"))
    assert given < shard.stat().st_size / 3  # an index and 4 of 24 chunks
    server.ranges = False
    with pytest.raises(ClearfieldError) as error:
        open_series(f"{server.url}/a.zarr")[0].read((1, 0))
    assert "its server gives whole files" in one_sentence(error.value, server.url)


def test_a_chunk_that_was_never_written_holds_the_fill_value_where_the_server_lists(server):
    pixels = write_zarr(server.folder / "a.zarr")
    assert not (server.folder / "a.zarr/0/c/0/0/0/0").exists()
    (series,) = open_series(f"{server.url}/a.zarr")
    assert (series.read((0, 0)) == pixels[0, 0]).all()


CHUNK = "/a.zarr/0/c/1/0/0/0"


@pytest.mark.parametrize(
    ("faults", "lists", "sentence"),
    [
        ({CHUNK: 404}, True, "lists this chunk and answers that it is not there"),
        ({}, False, "a chunk which is lost cannot be told from one which was never written"),
        ({CHUNK: "cut"}, True, "broke off while it was read"),
        ({CHUNK: 403}, True, "was refused: its server answers 403; put your login into ~/.netrc"),
        ({CHUNK: 401}, True, "was refused: its server answers 401"),
        ({CHUNK: 503}, True, "its server fails (503); run the same command again later"),
        ({CHUNK: 418}, True, "cannot be read (418"),
    ],
)
def test_a_chunk_that_cannot_be_had_is_one_sentence_and_no_fill_value(
    faults, lists, sentence, server, tmp_path, monkeypatch
):
    write_zarr(server.folder / "a.zarr")
    if not faults:
        (server.folder / CHUNK[1:]).unlink()
    server.faults, server.lists = faults, lists
    with pytest.raises(ClearfieldError) as error:
        load(f"{server.url}/a.zarr", tmp_path / "a.stack", {"select": {"C": 1}})
    assert sentence in one_sentence(error.value, f"{server.url}{CHUNK}")
    assert not (tmp_path / "a.stack").exists()


def test_metadata_that_a_server_forbids_instead_of_missing_them_do_not_matter(server):
    """As S3 answers for what is not there to those who may not list."""
    pixels = write_zarr(server.folder / "a.zarr", version=2)
    server.faults = {"/a.zarr/zarr.json": 403, "/a.zarr/0/zarr.json": 403}
    (series,) = open_series(f"{server.url}/a.zarr")
    assert (series.read((1, 0)) == pixels[1, 0]).all()
    assert remote.look_up(f"{server.url}/a.zarr").version


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (404, "is not on its server (404); mend the path"),
        (403, "was refused: its server answers 403; put your login into ~/.netrc"),
        (500, "its server fails (500); run the same command again later"),
        ("cut", "broke off while it was read"),
        ("HEAD only", "was refused: its server answers 403"),
    ],
)
def test_a_file_that_cannot_be_had_is_one_sentence_and_no_file(fault, sentence, server, tmp_path):
    write_stack(server.folder / "a.tif")
    version = remote.look_up(f"{server.url}/a.tif").version
    server.faults = {"/a.tif": fault}
    with pytest.raises(ClearfieldError) as error:
        remote.fetch(f"{server.url}/a.tif", tmp_path / "got/a.tif", version)
    assert sentence in one_sentence(error.value, server.url)
    assert not list(tmp_path.glob("got/*"))


@pytest.mark.parametrize("etags", [False, True])
def test_a_file_that_changes_in_a_run_is_refused(etags, server, tmp_path):
    write_stack(server.folder / "a.tif")
    server.etags = etags
    version = remote.look_up(f"{server.url}/a.tif").version
    os.utime(server.folder / "a.tif", (1, 1))
    if etags:  # the time alone does not matter
        assert remote.fetch(f"{server.url}/a.tif", tmp_path / "a.tif", version)
        write_stack(server.folder / "a.tif", 1)
    with pytest.raises(ClearfieldError, match="has changed since this run began"):
        remote.fetch(f"{server.url}/a.tif", tmp_path / "b.tif", version)
    assert not (tmp_path / "b.tif").exists()


def test_a_server_that_is_not_there_is_one_sentence():
    with pytest.raises(ClearfieldError, match=r"the name host\.invalid does not resolve"):
        remote.look_up("https://host.invalid/a.tif")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(ClearfieldError, match="cannot be reached"):
        remote.look_up(f"{url}/a.zarr")
