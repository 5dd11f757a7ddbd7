"""One TIFF file for each plane: names of many programs, gaps, mismatches."""

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
import tifffile
from clearfield.errors import ClearfieldError
from clearfield.formats.axes import arrange
from clearfield.formats.plane_files import open_series, parse_name
from clearfield.stack.loading import raw_files

DATA = os.environ.get("SHARED_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="SHARED_DATA names no folder with real images")


def planes_of(series):
    shape = [series.sizes[axis] for axis in series.index_axes]
    planes = [series.read(index) for index in np.ndindex(*shape)]
    return np.array(planes).reshape(*shape, *planes[0].shape)


def planes_in_place(series):
    shape = [series.sizes[axis] for axis in series.index_axes + series.plane_axes]
    planes = [
        np.fromfile(series.files[file], series.dtype, shape[-1] * shape[-2], offset=offset)
        for file, offset in series.offsets
    ]
    return np.array(planes).reshape(shape)


def write_planes(folder, pattern, pixels, first=0, **more):
    """Write each plane of `pixels` to a name of `pattern`, which takes its index."""
    for index in np.ndindex(*pixels.shape[:-2]):
        name = pattern.format(*(number + first for number in index))
        tifffile.imwrite(folder / name, pixels[index], **more)
    return str(folder)


def counting(*shape, dtype="u2"):
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


@needs_data
def test_real_folder():
    (series,) = open_series(Path(DATA, "01_zstack_tiff/leica_stack"))
    assert (series.axes, series.shape, series.dtype) == ("ZCYX", (3, 1, 256, 256), np.dtype("u1"))
    assert series.pixel_size_um == {"x": None, "y": None, "z": None}  # 72 dpi is for printers
    for z, pixels in enumerate(planes_of(series)[:, 0]):
        name = f"01_zstack_tiff/leica_stack/leica_stack_Series014_z00{z}_ch00.tif"
        np.testing.assert_array_equal(pixels, tifffile.imread(Path(DATA, name)))


@pytest.mark.parametrize(
    ("name", "axes"),
    [
        ("img_z000_ch00.tif", {"Z": 0, "C": 0}),
        ("img_channel001_position000_time000000002_z003.tif", {"C": 1, "T": 2, "Z": 3}),
        ("a_t001_c1_z02.tif", {"T": 1, "C": 1, "Z": 2}),
        ("b_T0001_C01_Z004.tif", {"T": 1, "C": 1, "Z": 4}),
        ("b_T0001Z004C01.tif", {"T": 1, "Z": 4, "C": 1}),
        ("cell_w1DAPI_s2_t3.TIF", {"C": "DAPI", "T": 3}),
        ("cell_s2_w1E3A8D5F0-0A1B-4C2D-8E3F-123456789ABC.tif", {"C": 1}),
        ("plate_D04_T0001F006L01A02Z03C02.tif", {"T": 1, "Z": 3, "C": 2}),
        ("--W00001--P00002--Z00003--T00000--488.tif", {"Z": 3, "T": 0, "C": "488"}),
        ("A - 1(fld 1 wv DAPI - DAPI z 2).tif", {"C": "DAPI - DAPI", "Z": 2}),
        (
            "A - 1(fld 2 wv FITC - FITC z 1 time 3 - 60000ms).tif",
            {"C": "FITC - FITC", "Z": 1, "T": 3},
        ),
        ("night_w2Conf 488_BP_s1_t2.TIF", {"C": "Conf 488_BP", "T": 2}),
        ("plate_B02_s3_w1.tif", {"C": 1}),
        ("plate_B02_s3_z4_w1.tif", {"Z": 4, "C": 1}),
        ("plate_B02_s3E3A8D5F0-0A1B-4C2D-8E3F-123456789ABC.tif", {}),
        ("TimePoint_2/ZStep_3/plate_B02_s3_w1.tif", {"T": 2, "Z": 3, "C": 1}),
        ("Pos1/img_000000000_DAPI_002.tif", {"T": 0, "C": "DAPI", "Z": 2}),
        ("W1F002T0003Z04C5.tif", {"T": 3, "Z": 4, "C": 5}),
        ("a--W00001--A1--P00002--Z00003--T00004--DAPI.tif", {"Z": 3, "T": 4, "C": "DAPI"}),
        ("MFGTMP_120420130001_A01f00d2.TIF", {"C": 2}),
        ("scan_Plate_R_p00_z07_0_A01f00d1.TIF", {"Z": 7, "C": 1}),
        ("VID12_A1_1_2020y01m02d_03h30m.tif", {"T": "2020y01m02d_03h30m"}),
        ("img_000000003_GFP 2_007.tif", {"T": 3, "C": "GFP 2", "Z": 7}),
        ("r02c03f04p05-ch1sk6fk1fl1.tiff", {"Z": 5, "C": 1, "T": 6}),
        ("r02c03f04p05-ch01t06.tiff", {"Z": 5, "C": 1, "T": 6}),
        ("Fez1_slice12.tif", {"Z": 12}),
        ("time-3_z_4.tif", {"T": 3, "Z": 4}),
        ("x20_mitotic7.tif", {}),
        ("mix_phase1_angle2_z3.tif", {"H": 1, "A": 2, "Z": 3}),
    ],
)
def test_names_of_many_programs(name, axes):
    assert parse_name(name)[1] == axes


@pytest.mark.parametrize(
    ("pattern", "axes"),
    [
        ("img_z{0:03d}_ch{1:02d}.tif", "ZC"),
        ("img_channel{0:03d}_position000_time{1:09d}_z000.tif", "CTZ"),
        ("a_t{0}_c{1}.tiff", "TC"),
        ("T{0:04d}C{1:02d}.tif", "TC"),
    ],
)
@pytest.mark.parametrize("first", [0, 1, 9])
def test_stack_of_planes(tmp_path, pattern, axes, first):
    pixels = counting(3, 2, 5, 6)
    path = write_planes(tmp_path, pattern, pixels, first)
    (tmp_path / "metadata.txt").write_text("{}")
    for given in (path, f"{path}/*.tif*"):
        (series,) = open_series(given)
        assert series.axes == axes + "YX"
        np.testing.assert_array_equal(planes_of(series).reshape(pixels.shape), pixels)
        np.testing.assert_array_equal(planes_in_place(series).reshape(pixels.shape), pixels)
        assert [Path(file).parent for file in series.files] == [tmp_path] * 6


def test_compressed_planes_are_decoded(tmp_path):
    pixels = counting(3, 40, 50)
    path = write_planes(tmp_path, "z{}.tif", pixels, compression="zlib")
    (series,) = open_series(path)
    assert (series.axes, series.offsets) == ("ZYX", None)
    np.testing.assert_array_equal(planes_of(series), pixels)


def test_planes_of_both_byte_orders_are_read(tmp_path):
    pixels = counting(2, 5, 6)
    for z, order in enumerate("<>"):
        tifffile.imwrite(tmp_path / f"z{z}.tif", pixels[z], byteorder=order)
    (series,) = open_series(tmp_path)
    assert series.offsets is None
    np.testing.assert_array_equal(planes_of(series), pixels)


def test_each_position_is_a_series(tmp_path):
    pixels = counting(3, 2, 5, 6)
    write_planes(tmp_path, "img_pos{0}_z{1}.tif", pixels)
    found = open_series(tmp_path)
    assert [(series.name, series.axes) for series in found] == [
        (f"pos{p}", "ZYX") for p in range(3)
    ]
    for series, expected in zip(found, pixels, strict=True):
        np.testing.assert_array_equal(planes_of(series), expected)


def test_positions_come_in_the_order_of_their_numbers(tmp_path):
    write_planes(tmp_path, "a_s{0}_z{1}.tif", counting(11, 2, 5, 6))
    assert [series.name for series in open_series(tmp_path)] == [f"s{n}" for n in range(11)]


def test_only_the_position_that_is_taken_is_opened(tmp_path):
    write_planes(tmp_path, "a_s{0}_z{1}.tif", counting(3, 2, 5, 6))
    (tmp_path / "a_s1_z1.tif").write_bytes(b"no TIFF")
    (tmp_path / "a_s2_z0.tif").rename(tmp_path / "a_s2_z4.tif")
    found = open_series(tmp_path)
    assert (len(found), found[0].shape) == (3, (2, 5, 6))
    with pytest.raises(ClearfieldError, match=r"a_s1_z1\.tif"):
        found[1]
    with pytest.raises(ClearfieldError, match=r"a_s2_z2\.tif is missing"):
        found[2]


def test_wells_of_a_plate_are_positions_and_thumbnails_no_planes(tmp_path):
    guid = "E3A8D5F0-0A1B-4C2D-8E3F-12345678{:04d}.tif"
    pixels = counting(2, 2, 5, 6)
    for number, (well, wave) in enumerate(np.ndindex(2, 2)):
        name = f"plate_B0{well + 2}_s1_w{wave + 1}"
        tifffile.imwrite(tmp_path / (name + guid.format(number)), pixels[well, wave])
        for thumbnail in (
            name + "_thumb" + guid.format(number),
            name + "_thumb.tif",
            "thumbnail.tif",
        ):
            tifffile.imwrite(tmp_path / thumbnail, counting(2, 2))
    found = open_series(tmp_path)
    assert [series.name for series in found] == ["plate_B02_s1", "plate_B03_s1"]
    for series, expected in zip(found, pixels, strict=True):
        assert series.axes == "CYX"
        np.testing.assert_array_equal(planes_of(series), expected)


def write_metaxpress(file, pixels, method=None, name="DAPI"):
    """Write a plane as MetaXpress does; a projection says how it was made."""
    file.parent.mkdir(parents=True, exist_ok=True)
    line = f'<custom-prop id="Z Projection Method" type="string" value="{method}"/>'
    text = f'<prop id="_IllumSetting_" type="string" value="{name}"/>{line if method else ""}'
    text = f"<MetaData><PlaneInfo>{text}</PlaneInfo></MetaData>"
    tifffile.imwrite(file, pixels, metadata=None, description=text, software="MetaSeries")


@pytest.mark.parametrize("last", [False, True])
def test_a_projection_that_says_so_is_no_plane(tmp_path, last):
    """MetaXpress exports the maximum of ZStep_1, 2, ... as ZStep_0."""
    pixels = np.array([[[1, 8], [3, 3]], [[5, 2], [3, 4]]], "u2")
    for z in (0, 1):
        write_metaxpress(tmp_path / f"ZStep_{z + 1}/a_B02_s1_w1.TIF", pixels[z], "None")
    end = 3 if last else 0
    write_metaxpress(tmp_path / f"ZStep_{end}/a_B02_s1_w1.TIF", pixels.max(axis=0), "Maximum")
    (series,) = open_series(tmp_path / "ZStep_*/*.TIF")
    assert (series.axes, series.shape) == ("ZCYX", (2, 1, 2, 2))
    np.testing.assert_array_equal(planes_of(series)[:, 0], pixels)
    np.testing.assert_array_equal(planes_of(series).mean(axis=0)[0], [[3, 5], [3, 3.5]])
    assert series.notes == [
        f"left out, as computed from the planes beside: ZStep_{end}/a_B02_s1_w1.TIF"
    ]
    (alone,) = open_series(tmp_path / f"ZStep_{end}")  # where it is asked for, it is meant
    np.testing.assert_array_equal(planes_of(alone)[0], pixels.max(axis=0))
    assert alone.notes == []


def test_a_channel_that_is_a_projection_alone_is_not_lost(tmp_path):
    for z, channel, method in ((0, 1, "Maximum"), (0, 2, "Maximum"), (1, 1, None), (2, 1, None)):
        write_metaxpress(tmp_path / f"ZStep_{z}/a_B02_s1_w{channel}.TIF", counting(5, 6), method)
    with pytest.raises(ClearfieldError, match=r"_w2\.TIF says that it is a projection"):
        open_series(tmp_path / "ZStep_*/*.TIF")
    (series,) = open_series(tmp_path / "ZStep_*/*_w1.TIF")  # as the error proposes
    assert series.shape == (2, 1, 5, 6)
    (alone,) = open_series(tmp_path / "ZStep_0/a_B02_s1_w2.TIF")
    np.testing.assert_array_equal(planes_of(alone)[0], counting(5, 6))


def test_slices_that_were_not_projected_are_all_taken(tmp_path):
    for z in range(3):
        write_metaxpress(tmp_path / f"ZStep_{z}/a_B02_s1_w1.TIF", counting(5, 6) + z)
    (series,) = open_series(tmp_path / "ZStep_*/*.TIF")
    assert (series.shape, series.notes) == ((3, 1, 5, 6), [])


@pytest.mark.parametrize(
    "name",
    ["a_MIP.tif", "MAX_a.tif", "a_best focus.tif", "a_EDF.tif", "a_maxproj.tif",
     "a_z_projection.tif", "a_z0_MaxIP.tif", "a_FullFocus.tif", "a_Overlay.tif"],
)  # fmt: skip
def test_a_projection_by_its_name_is_no_plane(tmp_path, name):
    pixels = counting(3, 5, 6)
    write_planes(tmp_path, "a_z{}.tif", pixels)
    tifffile.imwrite(tmp_path / name, pixels.max(axis=0))
    (series,) = open_series(tmp_path)
    np.testing.assert_array_equal(planes_of(series), pixels)
    assert series.notes == [f"left out, as computed from the planes beside: {name}"]


def test_a_folder_of_projections_is_a_stack_of_them(tmp_path):
    pixels = counting(3, 5, 6)
    (series,) = open_series(write_planes(tmp_path, "MAX_a_t{}.tif", pixels))
    assert (series.axes, series.notes) == ("TYX", [])
    np.testing.assert_array_equal(planes_of(series), pixels)


@pytest.mark.parametrize("word", ["shrimp", "Edfu", "projector", "minute", "max"])
def test_words_that_only_look_like_projections_are_planes(tmp_path, word):
    pixels = counting(2, 5, 6)
    tifffile.imwrite(tmp_path / f"{word}_{word}_z0.tif", pixels[0])
    tifffile.imwrite(tmp_path / f"{word}_{word}_z1.tif", pixels[1])
    tifffile.imwrite(tmp_path / "b_z1.tif", pixels[1])
    with pytest.raises(ClearfieldError, match="differ in more than"):
        open_series(tmp_path)


@pytest.mark.parametrize(
    ("pattern", "wells"),
    [
        ("{}_s1.tif", ["E07", "E08"]),
        ("9987_{}.TIF", ["B02", "B04"]),
        ("plate_{}_z0.tif", ["A01", "AF48"]),
        ("{}/z3_w1.tif", ["C01", "D12"]),  # C01 may be a channel, D12 may not
    ],
)
def test_wells_are_positions(tmp_path, pattern, wells):
    """Their maximum would be one of two objects that never met."""
    for number, well in enumerate(wells):
        file = tmp_path / pattern.format(well)
        file.parent.mkdir(exist_ok=True)
        tifffile.imwrite(file, counting(5, 6) + number)
    found = open_series(tmp_path)
    assert [series.name[: len(well)] for series, well in zip(found, wells, strict=True)] == wells
    for number, series in enumerate(found):
        assert not set(series.axes) & set("QI")
        np.testing.assert_array_equal(planes_of(series).reshape(5, 6), counting(5, 6) + number)


def test_wells_beside_channels_and_slices(tmp_path):
    pixels = counting(3, 2, 2, 5, 6)
    wells = ["A01", "C01", "C02"]
    for index in np.ndindex(3, 2, 2):
        name = f"x_{wells[index[0]]}_Z{index[1] + 1:02d}_C{index[2] + 1:02d}.tif"
        tifffile.imwrite(tmp_path / name, pixels[index])
    found = open_series(tmp_path)
    assert [(series.name, series.axes) for series in found] == [(well, "ZCYX") for well in wells]
    np.testing.assert_array_equal([planes_of(series) for series in found], pixels)


@pytest.mark.parametrize(("pattern", "axes"), [("a_C{:02d}.tif", "C"), ("Z{:02d}.tif", "Z")])
def test_channels_and_slices_that_look_like_wells(tmp_path, pattern, axes):
    (series,) = open_series(write_planes(tmp_path, pattern, counting(3, 5, 6), 1))
    assert (series.axes, series.shape) == (axes + "YX", (3, 5, 6))


def test_an_unknown_number_may_tell_stacks_apart(tmp_path):
    (series,) = open_series(write_planes(tmp_path, "image{}.tif", counting(2, 5, 6)))
    with pytest.raises(ClearfieldError, match=r'"ZYX"; or where .* give a glob that matches'):
        arrange(series, None, {}, "image*.tif")
    assert arrange(series, "ZYX", {}, "image*.tif").shape == (1, 1, 2, 5, 6)


def test_a_gap_among_names_with_identifiers(tmp_path):
    """Each file of ImageXpress ends with one of its own, which may begin with a letter."""
    identifiers = iter(range(9))
    for z, channel in ((1, 1), (1, 2), (2, 1)):
        guid = f"E3A8D5F{next(identifiers)}-0A1B-4C2D-8E3F-123456789ABC"
        file = tmp_path / f"ZStep_{z}/p_B02_s1_w{channel}{guid}.tif"
        file.parent.mkdir(exist_ok=True)
        tifffile.imwrite(file, counting(5, 6))
    message = r"gap: ZStep_2/p_B02_s1_w2\*\.tif is missing \(3 planes of 4"
    with pytest.raises(ClearfieldError, match=message):
        open_series(tmp_path)


def test_channels_that_each_file_names(tmp_path):
    names = ["DAPI", "FITC", "Texas Red"]
    for z, channel in np.ndindex(2, 3):
        write_metaxpress(tmp_path / f"ZStep_{z + 1}/p_B02_s1_w{channel + 1}.TIF",
                         counting(5, 6), name=names[channel])  # fmt: skip
    (series,) = open_series(tmp_path)
    assert (series.axes, series.channel_names) == ("ZCYX", names)


@pytest.mark.parametrize(("second", "expected"), [("0.325", 0.325), ("0.65", None)])
def test_details_of_a_yokogawa(tmp_path, second, expected):
    write_planes(tmp_path, "p_B03_T0001F001L01A01Z{:02d}C{:02d}.tif", counting(2, 2, 5, 6), 1)
    channels = "".join(
        f'<bts:MeasurementChannel bts:Ch="{n + 1}" bts:HorizontalPixelDimension="{size}" '
        f'bts:VerticalPixelDimension="{size}"/>'
        for n, size in enumerate(("0.325", second))
    )
    (tmp_path / "MeasurementDetail.mrf").write_text(
        '<bts:MeasurementDetail xmlns:bts="http://www.yokogawa.co.jp/BTS/BTSSchema/1.0">'
        f"{channels}</bts:MeasurementDetail>"
    )
    (series,) = open_series(tmp_path)
    assert series.pixel_size_um == {"x": expected, "y": expected, "z": None}


@pytest.mark.parametrize(
    ("heights", "cut", "z"),
    [((-2.0, 0.5, 3.0), 0, 2.5), ((3, 2, 1), 0, 1), ((1, 1, 1), 0, None), ((1, "x", 2), 0, None),
     ((-2.0, 0.5, 3.0), 30, 2.5)],
)  # fmt: skip
def test_slices_of_a_yokogawa(tmp_path, heights, cut, z):
    """A record for each image; the second field lies elsewhere."""
    write_planes(tmp_path, "p_B03_T0001F001L01A01Z{:02d}C{:02d}.tif", counting(3, 2, 5, 6), 1)
    schema = 'xmlns:bts="http://www.yokogawa.co.jp/BTS/BTSSchema/1.0"'
    (tmp_path / "MeasurementDetail.mrf").write_text(
        f'<bts:MeasurementDetail {schema}><bts:MeasurementChannel bts:HorizontalPixelDimension="2" '
        'bts:VerticalPixelDimension="2"/></bts:MeasurementDetail>'
    )
    records = "".join(
        f'<bts:MeasurementRecord bts:Type="{kind}" bts:Row="2" bts:Column="3" bts:TimePoint="1" '
        f'bts:FieldIndex="{field}" bts:ZIndex="{number + 1}" bts:Z="{height}"/>'
        for kind, field in (("ERR", 1), ("IMG", 1), ("IMG", 2))
        for number, height in enumerate(heights if field == 1 else (9, 99, 999))
    )
    text = f"<bts:MeasurementData {schema}>{records}</bts:MeasurementData>"
    (tmp_path / "MeasurementData.mlf").write_text(text[: len(text) - cut] if cut else text)
    (series,) = open_series(tmp_path)
    assert series.pixel_size_um == {"x": 2, "y": 2, "z": z}  # what is cut is of the second field


def test_folders_may_tell_axes_and_positions(tmp_path):
    pixels = counting(2, 3, 2, 5, 6)
    for position, z, channel in np.ndindex(2, 3, 2):
        folder = tmp_path / f"Pos{position}" / f"ZStep_{z + 1}"
        folder.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(folder / f"a_w{channel + 1}.tif", pixels[position, z, channel])
    found = open_series(tmp_path / "Pos*/ZStep_*/*.tif")
    assert [(series.name, series.axes) for series in found] == [("Pos0", "ZCYX"), ("Pos1", "ZCYX")]
    for series, expected in zip(found, pixels, strict=True):
        np.testing.assert_array_equal(planes_of(series), expected)
    (tmp_path / "Pos1/ZStep_2/a_w1.tif").unlink()
    with pytest.raises(ClearfieldError, match=r"gap: ZStep_2/a_w1\.tif is missing \(5 planes of 6"):
        open_series(tmp_path / "Pos1/ZStep_*/*.tif")
    with pytest.raises(ClearfieldError, match=r"names wild/z0\.tif and wt/z0\.tif differ"):
        for folder in ("wild", "wt"):
            (tmp_path / folder).mkdir()
            tifffile.imwrite(tmp_path / folder / "z0.tif", counting(5, 6))
        open_series(tmp_path / "w*/*.tif")


@pytest.mark.parametrize(
    ("names", "axes", "channels"),
    [
        ([f"a_ch{c}.tif" for c in (405, 488, 640)], "C", ["405", "488", "640"]),
        ([f"a_angle{a}_z{z}.tif" for a in (0, 45, 180) for z in (0, 1)], "AZ", []),
        ([f"a_lambda{a}_z{z}.tif" for a in (500, 510, 530) for z in (0, 1)], "EZ", []),
        ([f"--W1--P1--Z1--T0--{c}.tif" for c in ("488", "BF")], "ZTC", ["488", "BF"]),
        ([f"x_A1_1_00d{t}m.tif" for t in ("00h00", "06h05", "12h01")], "T", []),
    ],
)
def test_names_between_which_nothing_is_missing(tmp_path, names, axes, channels):
    pixels = counting(len(names), 5, 6)
    for name, plane in zip(names, pixels, strict=True):
        tifffile.imwrite(tmp_path / name, plane)
    (series,) = open_series(tmp_path)
    assert (series.axes, series.channel_names) == (axes + "YX", channels)
    np.testing.assert_array_equal(planes_of(series).reshape(pixels.shape), pixels)


@pytest.mark.parametrize(
    ("pattern", "missing"),
    [
        ("r01c02f01p{0:02d}-ch{1}sk1fk1fl1.tiff", "r01c02f01p01-ch1sk1fk1fl1.tiff"),
        ("p_B03_T0001F001L01A01Z{0:02d}C{1:02d}.tif", "p_B03_T0001F001L01A01Z01C01.tif"),
        ("img_{1:09d}_DAPI_{0:03d}.tif", "img_000000001_DAPI_001.tif"),
        ("x_z{0:02d}_0_A01f00d{1}.TIF", "x_z01_0_A01f00d1.TIF"),
    ],
)
def test_a_gap_among_names_of_programs(tmp_path, pattern, missing):
    path = write_planes(tmp_path, pattern, counting(3, 2, 5, 6))
    (tmp_path / missing).unlink()
    with pytest.raises(
        ClearfieldError, match=rf"has a gap: {missing} is missing \(5 planes of 6\)"
    ):
        open_series(path)


def test_channels_by_name(tmp_path):
    pixels = counting(2, 3, 5, 6)
    for c, name in enumerate(("DAPI", "GFP")):
        write_planes(tmp_path, "img_000000000_" + name + "_{:03d}.tif", pixels[c])
    (series,) = open_series(tmp_path)
    assert (series.axes, series.channel_names) == ("TCZYX", ["DAPI", "GFP"])
    np.testing.assert_array_equal(planes_of(series)[0], pixels)


@pytest.mark.parametrize("cut", [0, 9])  # what a stopped recording leaves
@pytest.mark.parametrize("names", [["DAPI", "GFP"], '["DAPI","GFP"]'])
def test_metadata_of_micromanager(tmp_path, names, cut):
    pixels = counting(2, 3, 5, 6)
    write_planes(tmp_path, "img_channel{:03d}_position000_time000000000_z{:03d}.tif", pixels)
    summary = {"ChNames": names, "z-step_um": -0.5, "Slices": 3, "PixelSize_um": 0.65}
    text = json.dumps({"Summary": summary, "FrameKey-0-0-0": {"Exposure-ms": 10}})
    (tmp_path / "metadata.txt").write_text(text[: len(text) - cut])
    (series,) = open_series(tmp_path)
    assert series.pixel_size_um == {"x": 0.65, "y": 0.65, "z": 0.5}
    assert series.channel_names == ["DAPI", "GFP"]


@pytest.mark.parametrize("newer", [False, True])
@pytest.mark.parametrize("name", ["Index.idx.xml", "Index.xml"])
def test_index_of_opera_phenix(tmp_path, newer, name):
    pixels = counting(2, 3, 2, 5, 6)
    about = (
        "<ChannelName>channel {}</ChannelName><ImageResolutionX Unit='m'>2E-07</ImageResolutionX>"
        "<ImageResolutionY Unit='m'>4E-07</ImageResolutionY>"
    )
    images = ""
    for field, z, channel in np.ndindex(2, 3, 2):
        file = f"r01c01f{field + 1:02d}p{z + 1:02d}-ch{channel + 2}sk1fk1fl1.tiff"
        tifffile.imwrite(tmp_path / file, pixels[field, z, channel], metadata=None)
        images += (
            f"<Image><URL>{file}</URL><Row>1</Row><Col>1</Col><FieldID>{field + 1}</FieldID>"
            f"<PlaneID>{z + 1}</PlaneID><ChannelID>{channel + 2}</ChannelID>"
            f"<PositionZ Unit='m'>{1.5e-6 * (z - 1)}</PositionZ>"
            f"{'' if newer else about.format(channel + 2)}</Image>"
        )
    entries = "".join(f"<Entry ChannelID='{n}'>{about.format(n)}</Entry>" for n in (2, 3))
    (tmp_path / name).write_text(
        "<EvaluationInputData xmlns='http://www.perkinelmer.com/PEHH/HarmonyV6'>"
        f"<Wells><Well><Image id='1'/></Well></Wells>{f'<Map>{entries}</Map>' if newer else ''}"
        f"<Images>{images}</Images></EvaluationInputData>"
    )
    series, other = open_series(tmp_path)
    assert series.axes == other.axes == "ZCTYX"
    assert series.pixel_size_um == {"x": 0.2, "y": 0.4, "z": 1.5}
    assert series.channel_names == ["channel 2", "channel 3"]
    np.testing.assert_array_equal(planes_of(other)[:, :, 0], pixels[1])


@pytest.mark.parametrize("text", ["", "<", "<a><Image><Row>1</Row></Image></a>"])
def test_an_index_that_cannot_be_read_does_no_harm(tmp_path, text):
    write_planes(tmp_path, "z{}.tif", counting(2, 5, 6))
    (tmp_path / "Index.xml").write_text(text)
    (series,) = open_series(tmp_path)
    assert series.pixel_size_um == {"x": None, "y": None, "z": None}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"Summary": {"z-step_um": "?"}}'])
def test_other_files_beside_planes_do_no_harm(tmp_path, text):
    write_planes(tmp_path, "c{}_z{}.tif", counting(2, 3, 5, 6))
    (tmp_path / "metadata.txt").write_text(text)
    (series,) = open_series(tmp_path)
    assert (series.pixel_size_um["z"], series.channel_names) == (None, [])


def test_a_stack_for_each_time_point(tmp_path):
    pixels = counting(2, 3, 5, 6)
    for t in range(2):
        metadata = {"axes": "ZYX", "unit": "um", "spacing": 3}
        path = tmp_path / f"t{t}.tif"
        tifffile.imwrite(path, pixels[t], imagej=True, resolution=(2, 2), metadata=metadata)
    (series,) = open_series(tmp_path)
    assert (series.axes, series.shape) == ("TZYX", pixels.shape)
    assert series.pixel_size_um == {"x": 0.5, "y": 0.5, "z": 3}
    np.testing.assert_array_equal(planes_of(series), pixels)
    np.testing.assert_array_equal(planes_in_place(series), pixels)


def test_a_number_without_a_word_is_not_guessed(tmp_path):
    pixels = counting(12, 5, 6)
    path = write_planes(tmp_path, "image{}.tif", pixels)
    (series,) = open_series(path)
    assert series.axes == "QYX"
    np.testing.assert_array_equal(planes_of(series), pixels)  # 10 comes after 9


@pytest.mark.parametrize("word", ["", "p000_"])
def test_a_number_that_counts_all_files_is_no_axis(tmp_path, word):
    pixels = counting(2, 3, 4, 5, 6)
    for number, index in enumerate(np.ndindex(2, 3, 4)):
        name = f"day1-{number:05}_t{index[0]:04}_{word}c{index[1]:02}_z{index[2]:03}.tif"
        tifffile.imwrite(tmp_path / name, pixels[index])
    (series,) = open_series(tmp_path)
    assert (series.axes, series.shape) == ("TCZYX", pixels.shape)
    assert np.array_equal(planes_of(series), pixels)


def test_one_file_alone(tmp_path):
    path = write_planes(tmp_path, "image.tif", counting(5, 6))
    (series,) = open_series(path)
    np.testing.assert_array_equal(series.read(()), counting(5, 6))


def test_metamorph_names_channels(tmp_path):
    for channel, name in enumerate(("w1GFP", "w2DAPI")):
        for time in (1, 2):
            tifffile.imwrite(tmp_path / f"a_{name}_s1_t{time}.TIF", counting(5, 6) + channel)
    (series,) = open_series(tmp_path)
    assert (series.axes, series.channel_names) == ("CTYX", ["DAPI", "GFP"])
    np.testing.assert_array_equal(planes_of(series)[:, 0], [counting(5, 6) + 1, counting(5, 6)])
    (tmp_path / "a_w1GFP_s1_t2.TIF").unlink()
    with pytest.raises(ClearfieldError, match=r"a_w1GFP_s1_t2\.TIF is missing"):
        open_series(tmp_path)


@pytest.mark.parametrize("pattern", ["C3_mouse_z{1}_c{0}.tif", "mouse_w2weeks_z{1}_ch{0}.tif"])
def test_a_word_that_never_changes_is_part_of_the_name(tmp_path, pattern):
    pixels = counting(2, 3, 5, 6)
    (series,) = open_series(write_planes(tmp_path, pattern, pixels))
    assert (series.axes, series.shape) == ("ZCYX", (3, 2, 5, 6))


@pytest.mark.parametrize("pattern", ["c{0}/c3_z{1}.tif", "c3_t{1}/c{0}_z1.tif"])
def test_a_word_that_never_changes_in_folders_and_names(tmp_path, pattern):
    pixels = counting(2, 3, 5, 6)
    for number in np.ndindex(2, 3):
        file = tmp_path / pattern.format(*number)
        file.parent.mkdir(exist_ok=True)
        tifffile.imwrite(file, pixels[number])
    (series,) = open_series(tmp_path / "*/*.tif")
    assert set(series.axes) >= set("CYX")
    assert "Q" not in series.axes
    found = planes_of(series).reshape((*series.index_shape, 5, 6))
    found = np.moveaxis(found, series.axes.index("C"), 0)
    np.testing.assert_array_equal(found.reshape(pixels.shape), pixels)


def test_suffixes_in_any_case(tmp_path):
    for z, suffix in enumerate(("tif", "TIF", "tiff")):
        tifffile.imwrite(tmp_path / f"a_z{z}.{suffix}", counting(5, 6))
    (series,) = open_series(tmp_path)
    assert (series.axes, series.shape) == ("ZYX", (3, 5, 6))


def test_numbers_may_count_in_steps(tmp_path):
    for time in (0, 10, 20):
        tifffile.imwrite(tmp_path / f"a_t{time:04d}.tif", counting(5, 6))
    (series,) = open_series(tmp_path)
    assert (series.axes, series.shape) == ("TYX", (3, 5, 6))


@pytest.mark.parametrize("far", [10**15, 10**25])
def test_a_number_that_is_far_off_takes_no_memory(tmp_path, far):
    for z in (0, far):
        tifffile.imwrite(tmp_path / f"a_z{z}.tif", counting(5, 6))
    with pytest.raises(ClearfieldError, match=r"has a gap: a_z1\.tif is missing"):
        open_series(tmp_path)


@pytest.mark.parametrize(
    ("pattern", "missing"),
    [
        ("a_z{1:03d}_ch{0:02d}.tif", "a_z002_ch00.tif"),
        ("b{0:d}_z{1:d}.tif", "b0_z2.tif"),
        ("T{0:04d}Z{1:02d}.tif", "T0000Z02.tif"),
    ],
)
def test_a_gap_names_the_first_missing_file(tmp_path, pattern, missing):
    path = write_planes(tmp_path, pattern, counting(2, 4, 5, 6))
    (tmp_path / missing).unlink()
    with pytest.raises(
        ClearfieldError, match=rf"has a gap: {missing} is missing \(7 planes of 8\)"
    ):
        open_series(path)


def test_a_gap_in_all_channels(tmp_path):
    path = write_planes(tmp_path, "z{1:02d}_c{0}.tif", counting(2, 4, 5, 6))
    for c in range(2):
        (tmp_path / f"z01_c{c}.tif").unlink()
    with pytest.raises(ClearfieldError, match=r"has a gap: z01_c0\.tif is missing"):
        open_series(path)


@pytest.mark.parametrize("other", [counting(5, 7), counting(5, 6, dtype="u1"), counting(2, 5, 6)])
def test_a_plane_unlike_the_first_is_named(tmp_path, other):
    path = write_planes(tmp_path, "z{}.tif", counting(3, 5, 6))
    tifffile.imwrite(tmp_path / "z1.tif", other)
    with pytest.raises(ClearfieldError, match=r"z1\.tif is .* but the first plane of its stack is"):
        open_series(path)


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["cell1_z0.tif", "cell1_z1.tif", "cell2_z0.tif", "dish2_z1.tif"], "differ in more than"),
        (["a_z0_c0.tif", "a_z0.tif"], "have different axes"),
        (["a_z1.tif", "a_z01.tif"], "are the same plane"),
        (["a_DAPI.tif", "a_GFP.tif"], "differ in more than"),
    ],
)
def test_names_that_are_not_one_stack(tmp_path, names, reason):
    for name in names:
        tifffile.imwrite(tmp_path / name, counting(5, 6))
    with pytest.raises(ClearfieldError, match=reason):
        open_series(tmp_path)


def test_axes_both_in_the_name_and_in_the_file(tmp_path):
    for z in range(2):
        tifffile.imwrite(
            tmp_path / f"z{z}.tif", counting(3, 5, 6), imagej=True, metadata={"axes": "ZYX"}
        )
    with pytest.raises(ClearfieldError, match="has the axes ZYX itself and Z in its name"):
        open_series(tmp_path)


def test_no_planes(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    for path in (tmp_path, tmp_path / "*_z*.tif"):
        with pytest.raises(ClearfieldError, match="holds no TIFF files"):
            open_series(path)


def write_plate(folder, pixels):
    """Write T, Z, Y, X as MetaXpress does, with the maximum as slice 0."""
    for t, z in np.ndindex(*pixels.shape[:2]):
        write_metaxpress(folder / f"TimePoint_{t + 1}/ZStep_{z + 1}/p_B02_s1_w1.TIF", pixels[t, z])
    for t, planes in enumerate(pixels):
        file = folder / f"TimePoint_{t + 1}/ZStep_0/p_B02_s1_w1.TIF"
        write_metaxpress(file, planes.max(axis=0), "Maximum")


def test_a_folder_of_numbered_folders_is_a_stack(tmp_path):
    pixels = counting(2, 3, 5, 6)
    write_plate(tmp_path / "plate", pixels)
    (tmp_path / "plate/plate.HTD").write_text("x")
    (series,) = open_series(tmp_path / "plate")
    assert (series.axes, series.name) == ("TZCYX", "p_B02_s1")
    np.testing.assert_array_equal(planes_of(series)[:, :, 0], pixels)
    assert len(raw_files(str(tmp_path / "plate"))) == 9  # all are watched
    (series,) = open_series(tmp_path / "plate/TimePoint_2")
    np.testing.assert_array_equal(planes_of(series)[:, 0], pixels[1])


@pytest.mark.parametrize("depth", [1, 2])
def test_the_folder_to_give_is_named(tmp_path, depth):
    for name in ("day 1", "day two"):
        folder = tmp_path.joinpath("plate", name, *["1234"] * (depth - 1))
        folder.mkdir(parents=True)
        tifffile.imwrite(folder / "z0.tif", counting(5, 6))
    (tmp_path / "plate/logs").mkdir()
    with pytest.raises(ClearfieldError, match="but its folders day 1, day two do; give") as error:
        open_series(tmp_path / "plate")
    (given,) = re.findall(r"as a glob: (.*)$", str(error.value))
    (series,) = open_series(given)
    assert series.shape[-2:] == (5, 6)


def test_links_and_folders_among_planes(tmp_path):
    pixels = counting(2, 5, 6)
    write_planes(tmp_path, "a_z{}.tif", pixels)
    folder = tmp_path / "links"
    (folder / "more_z1.tif").mkdir(parents=True)
    for z in range(2):
        (folder / f"b_z{z}.tif").symlink_to(tmp_path / f"a_z{z}.tif")
    (series,) = open_series(folder)
    np.testing.assert_array_equal(planes_of(series), pixels)
    (tmp_path / "a_z1.tif").unlink()
    with pytest.raises(ClearfieldError, match=r"b_z1\.tif is a link to a file that is not there"):
        open_series(folder)


def test_more_files_than_can_be_open(tmp_path):
    import resource

    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    pixels = counting(80, 5, 6)
    path = write_planes(tmp_path, "z{}.tif", pixels, compression="zlib")
    highest = max(int(file.name) for file in Path("/proc/self/fd").iterdir())
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 20, limits[1]))
    try:
        (series,) = open_series(path)
        np.testing.assert_array_equal(planes_of(series), pixels)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
