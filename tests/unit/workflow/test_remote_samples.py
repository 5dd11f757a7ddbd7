"""Addresses as samples, before any server is asked."""

import pytest
from clearfield.errors import ClearfieldError
from clearfield.formats.remote import file_name, is_store
from clearfield.workflow.all_series import take_all
from clearfield.workflow.remote_samples import is_address, what_is_wrong
from clearfield.workflow.samples import SUFFIXES, find_samples

SAMPLE = {"properties": {"sample": {"pattern": "^[^./][^/]*$"}}}
CONFIG = {"properties": {}}


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("https://me:secret@host/a.tif", "holds a login, which would stand in logs and results"),
        ("https://host/folder/", "is a folder, or no image that is read here"),
        ("https://host/notes.txt", "is a folder, or no image that is read here"),
        ("https://host/*.tif", "is a pattern, and a server is not searched"),
        ("gs://bucket/a.tif", "is an address that is not read here; give one of https://"),
        ("ftp://host/a.tif", "is an address that is not read here; give one of https://"),
        ("https://host/a.oif", "has its planes in further files; copy all of them"),
        ("https://host/a.companion.ome", "has its planes in further files"),
        ("https:///a.tif", "is no address; it has to look like https://HOST/FOLDER/NAME.tif"),
        ("https://host:port/a.tif", "is no address"),
        ("s3://bucket/{a}.tif", "has { or } in its address"),
    ],
)
def test_an_address_that_cannot_be_used_is_one_sentence(url, sentence):
    found = what_is_wrong(url, SUFFIXES)
    assert found.startswith(sentence)
    assert ";" in found
    with pytest.raises(ClearfieldError) as error:
        find_samples(url, SAMPLE, CONFIG)
    assert sentence in str(error.value) and "secret" not in sentence


def test_an_address_is_a_sample_with_the_name_of_its_file():
    (sample,) = find_samples("https://host/x/b%20c.ome.tif?download=1", SAMPLE, CONFIG).values()
    assert (sample.name, sample.files) == ("b c", ())
    (sample,) = find_samples("s3://bucket/x/plate.ome.zarr/", SAMPLE, CONFIG).values()
    assert sample.name == "plate"


def test_a_sample_sheet_on_a_server_is_refused():
    with pytest.raises(ClearfieldError, match="copy the sample sheet to this disk"):
        find_samples("https://host/sheet.tsv", SAMPLE, CONFIG)


def test_all_series_of_a_file_on_a_server_are_refused():
    samples = find_samples("https://host/a.lif", SAMPLE, CONFIG)
    with pytest.raises(ClearfieldError, match="take results/inputs"):
        take_all(samples, {"a"}, {}, "inputs.tsv", SAMPLE)


def test_addresses_are_told_from_paths():
    assert is_address("gs://bucket/a") and is_address("https:/host")
    assert not any(map(is_address, ("raw/a.tif", "C:/a.tif", "/a:b/c.tif", "a://b"[1:])))
    assert is_store("s3://b/a.ZARR/") and not is_store("s3://b/a.zarr.tif")
    assert file_name("s3://bucket/a%20b.tif") == "a%20b.tif"  # a key is no URL
