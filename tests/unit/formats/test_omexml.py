"""OME-XML in every form that its schema or a careless writer allows, and what it may not claim."""

import numpy as np
import pytest
import tifffile
from clearfield.errors import ClearfieldError
from clearfield.stack.description import read_stack
from clearfield.stack.loading import load, open_series
from clearfield.workflow.samples import sample_name

PIXELS = np.arange(12 * 8 * 9, dtype="u2").reshape(2, 2, 3, 8, 9)  # T, C, Z, Y, X
SIZES = 'SizeX="9" SizeY="8" SizeZ="3" SizeC="2" SizeT="2"'
NAMESPACE = 'xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"'


def ome(parts="<TiffData/>", sizes=SIZES, order="XYZCT", namespace=NAMESPACE, more=""):
    return (
        f'<OME {namespace} UUID="urn:uuid:0"><Image ID="Image:0" Name="cell">'
        f'<Pixels ID="Pixels:0" DimensionOrder="{order}" Type="uint16" {sizes} '
        'PhysicalSizeX="250" PhysicalSizeXUnit="nm">'
        '<Channel ID="Channel:0:0" Name="DAPI"/><Channel ID="Channel:0:1" Name="GFP"/>'
        f'{parts}</Pixels><AnnotationRef ID="Annotation:0"/></Image>{more}</OME>'
    )


def write(path, text, pixels=PIXELS):
    with tifffile.TiffWriter(path) as writer:
        for number, plane in enumerate(pixels.reshape(-1, 8, 9)):
            writer.write(plane, description="" if number else text, metadata=None,
                         contiguous=False, photometric="minisblack")  # fmt: skip
    return str(path)


def read(path, tmp_path):
    target = tmp_path / "a.stack"
    load(path, target, {})
    stack = read_stack(target)
    planes = stack.open()
    pixels = np.stack([planes[index] for index in np.ndindex(stack.shape[:3])])
    return stack, pixels.reshape(stack.shape)


@pytest.mark.parametrize(
    "text",
    [
        ome(""),
        ome(namespace=""),
        ome() + "<!-- kept by a careful writer -->",
        ome().replace('"cell"', '"cell \x01 \x1f"'),
        '<?xml version="1.0"?>\n<!-- do not edit -->\n' + ome(),
        ome("".join(f'<TiffData FirstC="{c}" FirstT="{t}" IFD="{6 * t + 3 * c}" PlaneCount="3"/>'
                    for c in (1, 0) for t in (1, 0))),
    ],
    ids=["no TiffData", "no namespace", "comment behind", "control characters", "comment before",
         "blocks"],
)  # fmt: skip
def test_forms_that_mean_the_same(text, tmp_path):
    stack, found = read(write(tmp_path / "a.ome.tif", text), tmp_path)
    assert np.array_equal(found, PIXELS)
    assert stack.pixel_size_um == {"x": 0.25, "y": None, "z": None}
    assert stack.channel_names == ["DAPI", "GFP"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (ome(sizes=SIZES.replace("3", "2000000000")), "promises 8000000000 planes"),
        (ome('<TiffData IFD="0" PlaneCount="2000000000"/>'), "promises 2000000000 planes"),
        (ome(sizes=SIZES.replace("3", "0")), "Z=0"),
        (ome(sizes=SIZES.replace("3", "three")), "Z=three"),
        (ome(order="XYZ"), "in the order 'XYZ'"),
        (ome()[:300], "OME-XML is cut or wrong"),
    ],
)
def test_claims_that_cannot_be(text, reason, tmp_path):
    path = write(tmp_path / "a.ome.tif", text)
    with pytest.raises(ClearfieldError, match=reason) as caught:
        open_series(path)
    assert str(caught.value).startswith("a.ome.tif ")


@pytest.mark.parametrize(
    ("kind", "axis"),
    [("phase", "H"), ("lifetime", "L"), ("tile", "M"), ("angle", "A"), ("lambda", "E")],
)
def test_modulo_axes_keep_their_meaning(kind, axis, tmp_path):
    more = (
        '<StructuredAnnotations><XMLAnnotation ID="Annotation:0" Namespace="dimension/modulo">'
        f'<Value><Modulo><ModuloAlongT Type="{kind}" Start="0" End="1"/></Modulo></Value>'
        "</XMLAnnotation></StructuredAnnotations>"
    )
    (series,) = open_series(write(tmp_path / "a.ome.tif", ome(more=more)))
    assert series.axes == f"{axis}CZYX"


def part(time):
    return (
        f'<TiffData FirstT="{time}" IFD="0" PlaneCount="6">'
        f'<UUID FileName="t{time}.ome.tif">urn:uuid:{time + 1}</UUID></TiffData>'
    )


def test_a_companion_file_stands_for_its_tiffs(tmp_path):
    here = tmp_path / "set.companion.ome"
    here.write_text(ome(part(0) + part(1)), encoding="utf-8")
    note = f'<OME {NAMESPACE}><BinaryOnly MetadataFile="set.companion.ome"/></OME>'
    files = [write(tmp_path / f"t{time}.ome.tif", note, PIXELS[time]) for time in (0, 1)]
    stack, found = read(str(here), tmp_path)
    assert np.array_equal(found, PIXELS)
    assert stack.files == files
    assert sample_name(str(here), str(here)) == "set"
    with pytest.raises(ClearfieldError, match=r"t0.ome.tif .* description is in set.companion.ome"):
        open_series(files[0])
    (tmp_path / "t1.ome.tif").unlink()
    with pytest.raises(ClearfieldError, match=r"t1.ome.tif is not beside it"):
        open_series(str(here))


@pytest.mark.parametrize("text", ["", "notes", "<a/>", ome(""), ome()[:200]])
def test_companion_files_without_pixels(text, tmp_path):
    here = tmp_path / "set.companion.ome"
    here.write_text(text, encoding="utf-8")
    with pytest.raises(ClearfieldError, match=r"^set.companion.ome "):
        open_series(str(here))


def planes(image, count, name, uuid):
    """Say where the planes of an image are; `uuid` is that of the file `name`."""
    return (
        f'<Image ID="Image:{image}" Name="cell {image}"><Pixels ID="Pixels:{image}" '
        f'DimensionOrder="XYZCT" Type="uint16" SizeX="9" SizeY="8" SizeZ="{count}" SizeC="1" '
        f'SizeT="1" PhysicalSizeX="{image + 1}"><TiffData IFD="0" PlaneCount="{count}">'
        f'<UUID FileName="{name}">urn:uuid:{uuid}</UUID></TiffData></Pixels></Image>'
    )


@pytest.mark.parametrize("siblings", [True, False])
def test_each_file_of_a_set_is_its_own_image(siblings, tmp_path):
    """As bfconvert writes them by the pattern %s: each file describes all images."""
    images = "".join(planes(n, n + 2, f"s{n}.ome.tif", n) for n in range(3))
    for number in range(3):
        text = f'<OME {NAMESPACE} UUID="urn:uuid:{number}">{images}</OME>'
        path = tmp_path / f"s{number}.ome.tif"
        write(path, text, PIXELS.reshape(-1, 8, 9)[number : 2 * number + 2])
        if not siblings:
            path = path.rename(tmp_path / f"renamed {number}.tif")
        stack, found = read(str(path), tmp_path)
        assert np.array_equal(found[0, 0], PIXELS.reshape(-1, 8, 9)[number : 2 * number + 2])
        assert [series.name for series in open_series(str(path))] == [f"cell {number}"]
        assert stack.files == [str(path)]
        assert stack.pixel_size_um["x"] == number + 1


def test_images_of_a_companion_file_lie_in_files_of_their_own(tmp_path):
    here = tmp_path / "set.companion.ome"
    images = "".join(planes(n, 3, f"s{n}.ome.tif", n + 1) for n in range(2))
    here.write_text(f'<OME {NAMESPACE} UUID="urn:uuid:0">{images}</OME>', encoding="utf-8")
    note = f'<OME {NAMESPACE}><BinaryOnly MetadataFile="set.companion.ome"/></OME>'
    for number in range(2):
        write(tmp_path / f"s{number}.ome.tif", note, PIXELS[number, 0])
    found = open_series(str(here))
    assert [series.files for series in found] == [[str(tmp_path / f"s{n}.ome.tif")] for n in (0, 1)]
    for number, series in enumerate(found):
        assert np.array_equal([series.read((z,)) for z in range(3)], PIXELS[number, 0])


@pytest.mark.parametrize("uuid", ['UUID="urn:uuid:5"', ""])
def test_a_file_that_was_renamed(uuid, tmp_path):
    text = f"<OME {NAMESPACE} {uuid}>{planes(0, 12, 'old.ome.tif', 7)}</OME>"
    _, found = read(write(tmp_path / "new.ome.tif", text), tmp_path)
    assert np.array_equal(found[0, 0], PIXELS.reshape(-1, 8, 9))
    path = write(tmp_path / "new.ome.tif", text, PIXELS[0])  # too few pages to be that file
    with pytest.raises(ClearfieldError, match="6 of the 12 pages"):
        open_series(path)
    write(tmp_path / "old.ome.tif", "")  # the file that is meant
    assert read(path, tmp_path)[0].files == [str(tmp_path / "old.ome.tif")]


@pytest.mark.parametrize(
    "second",
    [{"compression": "zlib"}, {"rowsperstrip": 3}, {"dtype": "u1"}, {"dtype": "i2"},
     {"compression": "zlib", "predictor": True}],
)  # fmt: skip
@pytest.mark.parametrize("first", [{}, {"compression": "zlib"}])
def test_pages_that_are_unlike_the_first_are_not_read_like_it(first, second, tmp_path):
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path) as writer:
        for number, plane in enumerate(PIXELS.reshape(-1, 8, 9)):
            keywords = dict(second if number == 7 else first)
            plane = plane.astype(keywords.pop("dtype", "u2"))
            writer.write(plane, description="" if number else ome(), metadata=None,
                         contiguous=False, photometric="minisblack", **keywords)  # fmt: skip
    if first == second:
        assert np.array_equal(read(str(path), tmp_path)[1], PIXELS)
        return
    with pytest.raises(ClearfieldError, match=r"^a.ome.tif cannot be read as one stack: its pages"):
        read(str(path), tmp_path)


@pytest.mark.parametrize("keywords", [{"byteorder": ">"}, {"compression": "zlib"}])
def test_files_of_a_set_that_are_unlike_the_first(keywords, tmp_path):
    for time in (0, 1):
        text = ome(part(0) + part(1)).replace("urn:uuid:0", f"urn:uuid:{time + 1}")
        order = {"byteorder": keywords.get("byteorder", "<") if time else "<"}
        packed = {"compression": keywords.get("compression")} if time else {}
        with tifffile.TiffWriter(tmp_path / f"t{time}.ome.tif", **order) as writer:
            for number, plane in enumerate(PIXELS[time].reshape(-1, 8, 9)):
                writer.write(plane, description="" if number else text, metadata=None,
                             contiguous=False, photometric="minisblack", **packed)  # fmt: skip
    with pytest.raises(ClearfieldError, match=r"^t0.ome.tif cannot be read as one stack"):
        read(str(tmp_path / "t0.ome.tif"), tmp_path)


def test_one_uuid_for_all_files_of_a_set(tmp_path):
    text = ome(part(0) + part(1).replace("urn:uuid:2", "urn:uuid:1")).replace("uuid:0", "uuid:1")
    for time in (0, 1):
        path = write(tmp_path / f"t{time}.ome.tif", text, PIXELS[time])
    assert np.array_equal(read(path, tmp_path)[1], PIXELS)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("", "", ""), ["B03 field 0", "B03 field 1", "AA12"]),
        (("Well", "Well", "Well"), ["B03 field 0", "B03 field 1", "AA12"]),
        (("one", "two", "three"), ["one", "two", "three"]),
    ],
    ids=["no names", "one name", "names"],
)
def test_images_of_a_plate_are_named_by_their_wells(names, expected, tmp_path):
    """Two fields of one well, and one of another; the plate names them in another order."""
    plate = (
        '<Plate ID="Plate:0"><Well ID="Well:1" Row="26" Column="11">'
        '<WellSample ID="S:2" Index="2"><ImageRef ID="Image:2"/></WellSample></Well>'
        '<Well ID="Well:0" Row="1" Column="2">'
        '<WellSample ID="S:0" Index="0"><ImageRef ID="Image:0"/></WellSample>'
        '<WellSample ID="S:1" Index="1"><ImageRef ID="Image:1"/></WellSample></Well></Plate>'
    )
    images = "".join(
        f'<Image ID="Image:{n}" Name="{name}"><Pixels ID="Pixels:{n}" DimensionOrder="XYZCT" '
        f'Type="uint16" SizeX="9" SizeY="8" SizeZ="4" SizeC="1" SizeT="1">'
        f'<Channel ID="Channel:{n}:0"/><TiffData IFD="{4 * n}" PlaneCount="4"/></Pixels></Image>'
        for n, name in enumerate(names)
    )
    text = f'<OME {NAMESPACE} UUID="urn:uuid:0">{plate}{images}</OME>'
    path = write(tmp_path / "a.ome.tif", text)
    assert [series.name for series in open_series(path)] == expected
    target = tmp_path / "a.stack"
    stack = load(path, target, {"series": expected[2]})
    assert stack.source["series"] == 2
    planes = read_stack(target).open()
    assert np.array_equal(planes[0, 0, 1], PIXELS.reshape(-1, 8, 9)[9])


def test_images_are_named_by_the_positions_of_the_stage(tmp_path):
    images = "".join(
        f'<Image ID="Image:{n}" Name="night"><StageLabel Name="{name}"/><Pixels ID="Pixels:{n}" '
        'DimensionOrder="XYZCT" Type="uint16" SizeX="9" SizeY="8" SizeZ="6" SizeC="1" SizeT="1">'
        f'<Channel ID="Channel:{n}:0"/><TiffData IFD="{6 * n}" PlaneCount="6"/></Pixels></Image>'
        for n, name in enumerate(("Pos7", "Pos3"))
    )
    path = write(tmp_path / "a.ome.tif", f'<OME {NAMESPACE} UUID="urn:uuid:0">{images}</OME>')
    assert [series.name for series in open_series(path)] == ["Pos7", "Pos3"]
