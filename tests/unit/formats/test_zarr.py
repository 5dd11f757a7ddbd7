"""OME-Zarr: stores written with zarr, and a real one (SHARED_DATA) with its twin in TIFF."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

zarr = pytest.importorskip("zarr", minversion="3", reason="the package zarr is not installed")

from clearfield.errors import ClearfieldError  # noqa: E402
from clearfield.formats.zarr import open_series  # noqa: E402

DATA = os.environ.get("SHARED_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="SHARED_DATA names no folder with real images")
TYPES = {"t": "time", "c": "channel"}
pytestmark = pytest.mark.filterwarnings("ignore:::zarr")
both_versions = pytest.mark.parametrize("version", [2, 3])


def write_image(group, version, axes, pixels, scale=None, units=None, name="", chunks=None, **more):
    """Add a multiscales image with one level to a group."""
    array = group.create_array(
        "0", shape=pixels.shape, dtype=pixels.dtype, chunks=chunks or pixels.shape, **more
    )
    array[...] = pixels
    units = units or {}
    entry = {
        "name": name,
        "axes": [
            {"name": a, "type": TYPES.get(a, "space"), **({"unit": units[a]} if a in units else {})}
            for a in axes
        ],
        "datasets": [{"path": "0"}],
    }
    if scale:
        transformations = [{"type": "scale", "scale": scale}]
        entry["datasets"][0]["coordinateTransformations"] = transformations
    set_attributes(group, version, multiscales=[entry])
    return entry


def set_attributes(group, version, **attributes):
    """Put OME metadata where version 0.4 or 0.5 has them."""
    if version == 2:
        group.attrs.update(attributes)
    else:
        group.attrs["ome"] = {**group.attrs.get("ome", {}), "version": "0.5", **attributes}


def store(path, version):
    return zarr.open_group(str(path), mode="w", zarr_format=version)


def planes_of(series):
    shape = [series.sizes[axis] for axis in series.index_axes]
    planes = [series.read(index) for index in np.ndindex(*shape)]
    return np.array(planes).reshape(*shape, *planes[0].shape)


def counting(*shape, dtype="u2"):
    return np.arange(1, 1 + np.prod(shape)).reshape(shape).astype(dtype)


@needs_data
def test_real_file_equals_its_twin_in_tiff():
    from clearfield.formats import tiff

    name = "xyz_8bit__mitotic_plate_calibrated"
    (series,) = open_series(Path(DATA, f"07_zarr/{name}.ome.zarr"))
    (twin,) = tiff.open_series(str(Path(DATA, f"01_zstack_tiff/{name}.tif")))
    assert (series.axes, series.shape) == ("TCZYX", (1, 1, 6, 263, 263))
    assert series.dtype == twin.dtype == np.dtype("u1")
    assert series.pixel_size_um == pytest.approx(twin.pixel_size_um, rel=1e-6)
    assert series.pixel_size_um["z"] == 3
    np.testing.assert_array_equal(planes_of(series)[0, 0], planes_of(twin))


@both_versions
@pytest.mark.parametrize("axes", ["yx", "zyx", "cyx", "tyx", "czyx", "tczyx", "zcyx", "zxy"])
@pytest.mark.parametrize("dtype", ["u1", "i2", "u4", "f4", "?"])
def test_axes_and_types(tmp_path, version, axes, dtype):
    pixels = counting(*(2, 3, 4, 5, 6)[-len(axes) :], dtype=dtype)
    write_image(store(tmp_path / "a.zarr", version), version, axes, pixels)
    (series,) = open_series(tmp_path / "a.zarr")
    assert (series.axes, series.shape, series.dtype) == (
        axes.upper(),
        pixels.shape,
        np.dtype(dtype),
    )
    if axes == "zxy":
        pixels = pixels.transpose(0, 2, 1)
    np.testing.assert_array_equal(planes_of(series), pixels)
    assert series.pixel_size_um == {"x": None, "y": None, "z": None}
    assert series.channel_names == []


@both_versions
def test_big_endian(tmp_path, version):
    pixels = counting(3, 5, 6).astype(">u2")
    write_image(store(tmp_path / "a.zarr", version), version, "zyx", pixels)
    (series,) = open_series(tmp_path / "a.zarr")
    np.testing.assert_array_equal(planes_of(series), pixels)


@both_versions
@pytest.mark.parametrize(
    ("unit", "factor"),
    [("micrometer", 1), ("nanometer", 1e-3), ("millimeter", 1e3), ("angstrom", 1e-4), ("µm", 1)],
)
def test_units(tmp_path, version, unit, factor):
    pixels = counting(3, 5, 6)
    units = dict.fromkeys("zyx", unit)
    write_image(store(tmp_path / "a.zarr", version), version, "zyx", pixels, [5, 1, 2], units)
    (series,) = open_series(tmp_path / "a.zarr")
    expected = {"x": 2 * factor, "y": 1 * factor, "z": 5 * factor}
    assert series.pixel_size_um == pytest.approx(expected)


@both_versions
def test_a_scale_without_unit_is_no_calibration(tmp_path, version):
    group = store(tmp_path / "a.zarr", version)
    write_image(group, version, "zyx", counting(3, 5, 6), [1, 1, 1], {"z": "micrometer"})
    (series,) = open_series(tmp_path / "a.zarr")
    assert series.pixel_size_um == {"x": None, "y": None, "z": 1.0}


@both_versions
def test_scale_of_all_levels_multiplies(tmp_path, version):
    group = store(tmp_path / "a.zarr", version)
    units = dict.fromkeys("zyx", "micrometer")
    entry = write_image(group, version, "zyx", counting(3, 5, 6), [1, 0.5, 0.5], units)
    entry["coordinateTransformations"] = [
        {"type": "translation", "translation": [9, 9, 9]},
        {"type": "scale", "scale": [2, 0.2, 0.2]},
    ]
    set_attributes(group, version, multiscales=[entry])
    (series,) = open_series(tmp_path / "a.zarr")
    assert series.pixel_size_um == pytest.approx({"x": 0.1, "y": 0.1, "z": 2})


@both_versions
@pytest.mark.parametrize(("z", "y"), [(1, 0.2), (1, -0.2), (0, 0.2)])
def test_the_largest_level_need_not_be_the_first(tmp_path, version, z, y):
    group = store(tmp_path / "a.zarr", version)
    units = dict.fromkeys("zyx", "micrometer")
    pixels = counting(3, 8, 6)
    entry = write_image(group, version, "zyx", pixels, [z, y, 0.2], units)
    small = group.create_array("1", shape=(3, 4, 3), dtype="u2", chunks=(1, 4, 3))
    small[...] = 7
    scale = [{"type": "scale", "scale": [z, 2 * y, 0.4]}]
    entry["datasets"].insert(0, {"path": "1", "coordinateTransformations": scale})
    set_attributes(group, version, multiscales=[entry])
    (series,) = open_series(tmp_path / "a.zarr")
    assert series.pixel_size_um == {"x": 0.2, "y": 0.2, "z": z or None}
    np.testing.assert_array_equal(planes_of(series), pixels)


@both_versions
def test_one_level_knows_what_its_image_says(tmp_path, version):
    group = store(tmp_path / "a.zarr", version)
    entry = write_image(group, version, "zyx", counting(3, 8, 6), [1, 0.2, 0.2])
    for axis in entry["axes"]:
        axis["unit"] = "micrometer"
    pixels = counting(3, 4, 3)
    small = group.create_array("down/1", shape=(3, 4, 3), dtype="u2", chunks=(1, 4, 3))
    small[...] = pixels
    scale = [{"type": "scale", "scale": [1, 0.4, 0.4]}]
    entry["datasets"].append({"path": "down/1", "coordinateTransformations": scale})
    set_attributes(group, version, multiscales=[entry])
    (series,) = open_series(tmp_path / "a.zarr/down/1")
    assert (series.axes, series.shape) == ("ZYX", (3, 4, 3))
    assert series.pixel_size_um == {"x": 0.4, "y": 0.4, "z": 1.0}
    np.testing.assert_array_equal(planes_of(series), pixels)
    assert open_series(f"{tmp_path}/a.zarr/0/")[0].pixel_size_um["x"] == 0.2


@pytest.mark.parametrize("output", ["physical", {"name": "physical"}])
def test_coordinate_systems_of_version_0_6(tmp_path, output):
    group = store(tmp_path / "a.zarr", 3)
    pixels = counting(2, 3, 1, 8, 6)
    units = dict.fromkeys("zyx", "nanometer")
    entry = write_image(group, 3, "czTyx", pixels, units=units)
    own = {"name": "physical", "axes": entry.pop("axes")}
    entry["coordinateSystems"] = [{"name": "world", "axes": own["axes"][::-1]}, own]
    parts = [
        {"type": "scale", "scale": [1, 500, 1, 100, 100]},
        {"type": "translation", "translation": [0, 9, 0, 9, 9]},
    ]
    entry["datasets"][0]["coordinateTransformations"] = [
        {"type": "sequence", "input": "0", "output": output, "transformations": parts}
    ]
    entry["coordinateTransformations"] = [
        {"type": "scale", "scale": [1, 7, 7, 7, 7], "input": "physical", "output": "world"}
    ]
    group.attrs["ome"] = {"version": "0.6", "multiscales": [entry]}
    (series,) = open_series(tmp_path / "a.zarr")
    assert series.axes == "CZTYX"
    assert series.pixel_size_um == {"x": 0.1, "y": 0.1, "z": 0.5}
    np.testing.assert_array_equal(planes_of(series), pixels)


@both_versions
def test_levels_that_cannot_be_read(tmp_path, version):
    for name, change, reason in (
        ("none", {"datasets": []}, r"image / lists no arrays"),
        ("gone", {"datasets": [{"path": "9"}]}, r"is incomplete: image / lists the level 9"),
        (
            "scale",
            {"coordinateTransformations": [{"type": "scale", "scale": [1, 1]}]},
            r"a scale of 2 numbers for 3 axes",
        ),
    ):
        group = store(tmp_path / f"{name}.zarr", version)
        entry = write_image(group, version, "zyx", counting(3, 8, 6))
        set_attributes(group, version, multiscales=[entry | change])
        with pytest.raises(ClearfieldError, match=rf"{name}\.zarr.*{reason}"):
            open_series(tmp_path / f"{name}.zarr")


@both_versions
def test_full_resolution_and_channel_names(tmp_path, version):
    group = store(tmp_path / "a.zarr", version)
    pixels = counting(2, 3, 8, 6)
    entry = write_image(group, version, "czyx", pixels, name="cells")
    small = group.create_array("1", shape=(2, 3, 4, 3), dtype="u2", chunks=(1, 1, 4, 3))
    small[...] = 7
    entry["datasets"].append({"path": "1"})
    labels = group.create_group("labels")
    write_image(labels.create_group("nuclei"), version, "zyx", counting(3, 8, 6))
    omero = {"channels": [{"label": "DAPI"}, {"label": "GFP"}]}
    set_attributes(group, version, multiscales=[entry], omero=omero)
    (series,) = open_series(tmp_path / "a.zarr")
    assert (series.name, series.shape, series.channel_names) == (
        "cells",
        pixels.shape,
        ["DAPI", "GFP"],
    )
    np.testing.assert_array_equal(planes_of(series), pixels)


def test_threads_read_at_once(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    pixels = counting(30, 8, 6)
    write_image(store(tmp_path / "a.zarr", 2), 2, "zyx", pixels, chunks=(4, 8, 6))
    (series,) = open_series(tmp_path / "a.zarr")
    with ThreadPoolExecutor(4) as pool:
        planes = list(pool.map(lambda z: series.read((z,)), range(30)))
    np.testing.assert_array_equal(planes, pixels)


@both_versions
@pytest.mark.parametrize("chunks", [(1, 1, 8, 6), (2, 2, 8, 6), (1, 3, 8, 6)])
@pytest.mark.parametrize("dtype", ["u1", "<u2", ">u2", "f4"])
def test_uncompressed_planes_are_used_in_place(tmp_path, version, chunks, dtype):
    pixels = counting(2, 3, 8, 6).astype(dtype)
    group = store(tmp_path / "a.zarr", version)
    write_image(group, version, "czyx", pixels, chunks=chunks, compressors=None)
    (series,) = open_series(tmp_path / "a.zarr")
    np.testing.assert_array_equal(planes_of(series), pixels)
    if version == 3 and dtype == ">u2" and series.offsets is None:
        return  # its byte order is the codec's matter there
    planes = [
        np.fromfile(series.files[file], series.dtype, 48, offset=offset)
        for file, offset in series.offsets
    ]
    np.testing.assert_array_equal(np.reshape(planes, pixels.shape), pixels)


@pytest.mark.parametrize("chunks", [(1, 1, 4, 6), (1, 1, 8, 5)])
def test_chunks_that_cut_a_plane_are_not_used_in_place(tmp_path, chunks):
    pixels = counting(2, 3, 8, 6)
    write_image(store(tmp_path / "a.zarr", 3), 3, "czyx", pixels, chunks=chunks, compressors=None)
    (series,) = open_series(tmp_path / "a.zarr")
    assert series.offsets is None
    np.testing.assert_array_equal(planes_of(series), pixels)


@both_versions
def test_an_uncompressed_array_with_a_missing_chunk_is_not_used_in_place(tmp_path, version):
    pixels = counting(3, 8, 6)
    group = store(tmp_path / "a.zarr", version)
    write_image(group, version, "zyx", pixels, chunks=(1, 8, 6), compressors=None)
    name = "0/1.0.0" if version == 2 else "0/c/1/0/0"
    (tmp_path / "a.zarr" / name).unlink()
    (series,) = open_series(tmp_path / "a.zarr")
    assert series.offsets is None
    assert [series.read((z,)).max() for z in range(3)] == [48, 0, 144]


def test_shards(tmp_path):
    pixels = counting(8, 8, 6)
    group = store(tmp_path / "a.zarr", 3)
    write_image(group, 3, "zyx", pixels, chunks=(2, 4, 6), shards=(8, 8, 6))
    (series,) = open_series(tmp_path / "a.zarr")
    np.testing.assert_array_equal(planes_of(series), pixels)


@both_versions
def test_a_chunk_that_is_not_there_holds_the_fill_value(tmp_path, version):
    pixels = counting(2, 5, 6)
    group = store(tmp_path / "a.zarr", version)
    write_image(group, version, "zyx", pixels, chunks=(1, 5, 6), fill_value=3)
    first = tmp_path / "a.zarr/0" / ("0.0.0" if version == 2 else "c/0")
    shutil.rmtree(first) if first.is_dir() else first.unlink()
    (series,) = open_series(tmp_path / "a.zarr")
    np.testing.assert_array_equal(planes_of(series), [np.full((5, 6), 3), pixels[1]])


@pytest.mark.parametrize("compressors", [None, "auto"])
def test_nested_chunks_that_the_metadata_do_not_announce(tmp_path, compressors):
    pixels = counting(2, 3, 8, 6)
    nested = {"chunk_key_encoding": {"name": "v2", "separator": "/"}, "compressors": compressors}
    group = store(tmp_path / "a.zarr", 2)
    write_image(group, 2, "czyx", pixels, chunks=(1, 1, 8, 6), **nested)
    metadata = tmp_path / "a.zarr/0/.zarray"
    lines = [line for line in metadata.read_text().splitlines() if "dimension_sep" not in line]
    metadata.write_text("\n".join(lines))
    (series,) = open_series(tmp_path / "a.zarr")
    assert (series.offsets is None) == (compressors == "auto")
    np.testing.assert_array_equal(planes_of(series), pixels)


@both_versions
def test_chunks_that_are_named_otherwise_are_not_taken_for_empty(tmp_path, version):
    group = store(tmp_path / "a.zarr", version)
    write_image(group, version, "zyx", counting(2, 5, 6), chunks=(1, 5, 6))
    for chunk in (tmp_path / "a.zarr/0").iterdir():
        if not chunk.name.startswith((".", "zarr.")):
            chunk.rename(chunk.with_name("x" + chunk.name))
    with pytest.raises(ClearfieldError, match=r"a\.zarr has no pixels"):
        open_series(tmp_path / "a.zarr")


@both_versions
def test_an_array_without_any_chunk(tmp_path, version):
    group = store(tmp_path / "a.zarr", version)
    write_image(group, version, "zyx", np.zeros((2, 5, 6), "u2"))
    with pytest.raises(ClearfieldError, match=r"a\.zarr has no pixels"):
        open_series(tmp_path / "a.zarr")


def test_an_array_that_claims_what_no_disk_holds(tmp_path):
    group = store(tmp_path / "a.zarr", 2)
    write_image(group, 2, "zyx", counting(2, 5, 6), chunks=(1, 5, 6))
    metadata = tmp_path / "a.zarr/0/.zarray"
    metadata.write_text(metadata.read_text().replace("2,\n    5,", "900000000,\n    5000,"))
    with pytest.raises(ClearfieldError, match=r"claims 900000000 x 5000 x 6 pixels"):
        open_series(tmp_path / "a.zarr")


@both_versions
@pytest.mark.parametrize("listed", [True, False])
def test_images_of_bioformats2raw(tmp_path, version, listed):
    root = store(tmp_path / "a.zarr", version)
    set_attributes(root, version, **{"bioformats2raw.layout": 3})
    images = [counting(2 + n, 5, 6) for n in range(3)]
    for number, pixels in enumerate(images):
        write_image(root.create_group(str(number)), version, "zyx", pixels, name=f"image {number}")
    ome = root.create_group("OME")
    if listed:
        set_attributes(ome, version, series=["2", "0"])
    (tmp_path / "a.zarr/OME/METADATA.ome.xml").write_text(
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        + '<Image><Pixels SizeX="6" SizeY="5" SignificantBits="12"/></Image>' * (2 if listed else 3)
        + "</OME>"
    )
    found = open_series(tmp_path / "a.zarr")
    order = [2, 0] if listed else [0, 1, 2]
    assert [series.name for series in found] == [f"image {number}" for number in order]
    assert [series.saturation_level for series in found] == [4095] * len(order)
    for series, number in zip(found, order, strict=True):
        np.testing.assert_array_equal(planes_of(series), images[number])


@pytest.mark.parametrize("plate", [True, False])
def test_ome_xml_tells_what_early_versions_do_not(tmp_path, plate):
    root = store(tmp_path / "a.zarr", 2)
    places = ["A/2/0", "A/1/0"] if plate else ["0", "1"]
    images = "<Image/>"
    for number, place in enumerate(places):
        pixels = counting(1, 2, 3, 5, 6)
        write_image(root.create_group(place), 2, "tczyx", pixels, [1, 1, 1, 1, 1])
        images += (
            f'<Image><Pixels SizeX="6" SizeY="{5 + number}" PhysicalSizeX="0.5" '
            'PhysicalSizeY="0.4" PhysicalSizeYUnit="mm" PhysicalSizeZ="70" PhysicalSizeZUnit="nm" '
            'SignificantBits="12"><Channel Name="DAPI"/><Channel/></Pixels></Image>'
        )
    if plate:
        set_attributes(root, 2, plate={"wells": [{"path": "A/1"}, {"path": "A/2"}]})
        for well in ("A/1", "A/2"):
            set_attributes(root[well], 2, well={"images": [{"path": "0"}]})
    else:
        set_attributes(root, 2, **{"bioformats2raw.layout": 3})
    set_attributes(root.create_group("OME"), 2, series=["gone", *places])
    (tmp_path / "a.zarr/OME/METADATA.ome.xml").write_text(f"<OME>{images}</OME>")
    if not plate:
        root.create_group("gone")
        write_image(root["gone"], 2, "yx", counting(5, 6))
    found = {series.name: series for series in open_series(tmp_path / "a.zarr")}
    described, other = found[places[0]], found[places[1]]  # the second is of another size
    assert described.pixel_size_um == {"x": 0.5, "y": 400, "z": 0.07}
    assert (described.channel_names, described.saturation_level) == (["DAPI", ""], 4095)
    assert other.pixel_size_um == {"x": None, "y": None, "z": None}
    assert (other.channel_names, other.saturation_level) == ([], None)


@pytest.mark.parametrize("name", ["", "image"])  # the second: ome-zarr's default for each
@both_versions
def test_fields_of_a_plate(tmp_path, version, name):
    root = store(tmp_path / "plate.zarr", version)
    wells = [{"path": "A/1"}, {"path": "B/3"}]
    set_attributes(root, version, plate={"wells": wells})
    images = {}
    for well in wells:
        group = root.create_group(well["path"])
        set_attributes(group, version, well={"images": [{"path": "0"}, {"path": "1"}]})
        for field in "01":
            place = f"{well['path']}/{field}"
            images[place] = counting(2, 5, 6) + len(images)
            write_image(group.create_group(field), version, "zyx", images[place], name=name)
    found = open_series(tmp_path / "plate.zarr")
    assert [series.name for series in found] == list(images)
    for series in found:
        np.testing.assert_array_equal(planes_of(series), images[series.name])
    for lost in ("B/3/1", "B/3/0", "B"):
        with pytest.raises(
            ClearfieldError, match=r"plate\.zarr is incomplete: it lists the .* B/3"
        ):
            shutil.rmtree(tmp_path / "plate.zarr" / lost)
            open_series(tmp_path / "plate.zarr")


@both_versions
def test_a_well_without_fields_is_not_passed_over(tmp_path, version):
    root = store(tmp_path / "plate.zarr", version)
    set_attributes(root, version, plate={"wells": [{"path": "A/1"}, {"path": "A/2"}]})
    well = root.create_group("A/1")
    set_attributes(well, version, well={"images": [{"path": "0"}]})
    write_image(well.create_group("0"), version, "zyx", counting(2, 5, 6))
    empty = root.create_group("A/2")
    set_attributes(empty, version, well={"images": []})
    assert len(open_series(tmp_path / "plate.zarr")) == 1
    root.create_group("A/2", overwrite=True)
    with pytest.raises(ClearfieldError, match=r"plate\.zarr is incomplete: it lists the .* A/2"):
        open_series(tmp_path / "plate.zarr")


@pytest.mark.parametrize("omero", [None, {"channels": None}, {"channels": [{"label": None}]}])
def test_channels_that_omero_does_not_name(tmp_path, omero):
    group = store(tmp_path / "a.zarr", 2)
    write_image(group, 2, "zyx", counting(2, 5, 6))
    group.attrs["omero"] = omero
    assert open_series(tmp_path / "a.zarr")[0].channel_names == []


@both_versions
def test_an_array_may_name_its_axes(tmp_path, version):
    named = {"dimension_names": "zyx"}
    if version == 2:
        named = {"attributes": {"_ARRAY_DIMENSIONS": ["z", "y", "x"]}}
    path = str(tmp_path / "a.zarr")
    array = zarr.create_array(path, shape=(2, 5, 6), dtype="u2", zarr_format=version, **named)
    array[...] = 1
    assert open_series(path)[0].axes == "ZYX"


def test_unknown_axes_are_not_guessed(tmp_path):
    group = store(tmp_path / "a.zarr", 2)
    write_image(group, 2, ["phase", "w", "y", "x"], counting(2, 3, 5, 6))
    assert [series.axes for series in open_series(tmp_path / "a.zarr")] == ["HQYX"]
    array = zarr.create_array(str(tmp_path / "b.zarr"), shape=(3, 5, 6), dtype="u2", zarr_format=2)
    array[...] = 1
    assert [series.axes for series in open_series(tmp_path / "b.zarr")] == ["QYX"]


def test_early_versions_name_axes_shortly_or_not(tmp_path):
    group = store(tmp_path / "a.zarr", 2)
    entry = write_image(group, 2, "tczyx", counting(1, 2, 3, 5, 6))
    for axes, expected in ((None, "TCZYX"), (list("tczyx"), "TCZYX")):
        entry["axes"] = axes
        group.attrs["multiscales"] = [{k: v for k, v in entry.items() if v is not None}]
        assert open_series(tmp_path / "a.zarr")[0].axes == expected


def test_what_is_no_image(tmp_path):
    (tmp_path / "file.zarr").write_text("text")
    (tmp_path / "empty.zarr").mkdir()
    store(tmp_path / "group.zarr", 3).create_group("other")
    write_image(store(tmp_path / "part.zarr", 2), 2, "zyx", counting(2, 5, 6))
    (tmp_path / "part.zarr/.zgroup").unlink()
    (tmp_path / "broken.zarr").mkdir()
    (tmp_path / "broken.zarr/.zgroup").write_text("{")
    for name, reason in (
        ("file", "not a folder"),
        ("empty", "holds no zarr metadata"),
        ("part", "holds no zarr metadata"),
        ("group", "without an OME-Zarr image .* other"),
        ("broken", "cannot be read"),
    ):
        with pytest.raises(ClearfieldError, match=rf"{name}\.zarr .*{reason}"):
            open_series(tmp_path / f"{name}.zarr")


def test_a_damaged_chunk_is_an_error(tmp_path):
    write_image(store(tmp_path / "a.zarr", 3), 3, "zyx", counting(3, 50, 60))
    (chunk,) = (path for path in (tmp_path / "a.zarr/0/c").rglob("*") if path.is_file())
    chunk.write_bytes(b"no zstd")
    (series,) = open_series(tmp_path / "a.zarr")
    with pytest.raises(ClearfieldError, match=r"a\.zarr cannot be read"):
        series.read((0,))


@pytest.mark.parametrize("name", ["a.zarr.zip", "a.ozx", "a.ZIP"])
def test_archives_are_refused(tmp_path, name):
    from clearfield.stack.loading import open_series as open_any

    (tmp_path / name).write_bytes(b"PK")
    with pytest.raises(ClearfieldError, match=rf"{name} is a zip archive; unpack it"):
        open_any(str(tmp_path / name))
