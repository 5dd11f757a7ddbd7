"""Every file of the shared data set goes through the workflow, or to its stated error."""

import csv
import re

import numpy as np
import ome_types
import pytest
import tifffile
from runner import Runner

pytestmark = pytest.mark.second_tier

ERRORS = {
    "xy_rgb__cells.tif": r"colour \(RGB\)",
    "testdata_2channel_xz.lif": "no Y",
    "tiff_wrong_bits_per_sample.tiff": "BitsPerSample has 1 value for 4 samples",
    "multipage_single_frame_loop.tiff": "runs in a circle after page 1",
    "libtiff_segfault.tif": "3865352602500 bytes.*262 bytes can hold",
    "seek_too_large.tif": "page 1 .* 16 bytes",
    "golgi_truncated60.tif": "cut short or damaged.* 957567 bytes",
}
MORE = [  # further series, and what mends an error: path, load_stack.series, load_stack.axes
    ("02_other_axes/xy_rgb__cells.tif", "0", "YXC"),
    ("03_czi/xyz__multiple_images.czi", "1", ""),
    ("05_lif/testdata_2channel_xz.lif", "0", "TCYX"),
    ("05_lif/testdata_2channel_xz.lif", "1", ""),
    ("12_derived/two_series.ome.tif", "1", ""),
    ("01_zstack_tiff/leica_stack", "0", ""),
]


def read_tsv(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


@pytest.fixture(scope="module")
def whole_set(shared_data, tmp_path_factory):
    """A run of all files; the runner, the manifest's rows by sample, the text on the terminal."""
    runner = Runner(tmp_path_factory.mktemp("real") / "run")
    files = {f"s{n:02d}": row for n, row in enumerate(read_tsv(shared_data / "MANIFEST.tsv"))}
    lines = [(name, shared_data / row["path"], "", "") for name, row in files.items()]
    lines += [(f"more{n}", shared_data / path, *rest) for n, (path, *rest) in enumerate(MORE)]
    sheet = ["sample\tpath\tload_stack.series\tload_stack.axes"]
    sheet += ["\t".join(map(str, line)) for line in lines]
    (runner.folder / "samples.tsv").write_text("\n".join(sheet) + "\n", encoding="utf-8")
    runner.config = {"samples": "samples.tsv", "subtract_background": {"tophat": {"radius": 5}}}
    return runner, files, runner.run(status=1).text


def projection(runner, name):
    """Read a projection as TCYX, with its metadata, by tifffile and ome-types."""
    path = runner.folder / f"results/projections/{name}.ome.tif"
    described = ome_types.from_tiff(path).images[0].pixels
    shape = [getattr(described, f"size_{axis}") for axis in "tcyx"]
    return tifffile.imread(path).reshape(shape), described


def test_what_cannot_be_read_ends_in_its_sentence(whole_set):
    runner, files, text = whole_set
    rows = read_tsv(runner.folder / "results/qc/failures.tsv")
    failed = {row["sample"]: row["reason"] for row in rows}
    names = {name: row["path"].rpartition("/")[2] for name, row in files.items()}
    assert set(failed) == {name for name, file in names.items() if file in ERRORS}
    for name, reason in failed.items():
        assert re.search(ERRORS[names[name]], reason)
        assert names[name] in reason
    assert "Traceback" not in text


def test_what_can_be_read_has_its_axes_pixels_and_size(whole_set, shared_data):
    runner, files, _ = whole_set
    for name, row in files.items():
        file = row["path"].rpartition("/")[2]
        if file in ERRORS:
            continue
        found, described = projection(runner, name)
        sizes = dict(zip(row["axes"], map(int, row["shape"].split("x")), strict=True))
        assert found.shape == tuple(sizes.get(axis, 1) for axis in "TCYX"), file
        assert found.dtype == row["dtype"], file
        if most := re.search(r"max=(-?\d+)", row["stats"]):  # also of its projection
            assert found.max() == int(most[1]), file
        for result in ("subtracted", "qc"):
            assert list((runner.folder / "results" / result).glob(f"{name}.*")), file
        if file.endswith((".tif", ".tiff", ".stk")):
            pixels = tifffile.imread(shared_data / row["path"])
            if "Z" in row["axes"]:
                pixels = pixels.max(axis=row["axes"].index("Z"))
            assert np.array_equal(found.reshape(pixels.shape), pixels), file
        if xy := re.search(r"xy=([\d.]+) .*unit='(micron|\\\\u00B5m)'", row["pixel_size"]):
            assert described.physical_size_x == pytest.approx(float(xy[1]), rel=1e-5), file


def test_twins_come_out_equal(whole_set, shared_data):
    runner, files, _ = whole_set
    by_file = {row["path"].rpartition("/")[2]: name for name, row in files.items()}
    for one, other in (
        ("xyz_8bit__mitotic_plate_calibrated.tif", "xyz_8bit__mitotic_plate_calibrated.ome.zarr"),
        ("xyz_calibrated_16bit__golgi_bfa.tif", "golgi_pyramid_bigtiff.ome.tif"),
        ("xyz_calibrated_16bit__golgi_bfa.tif", "two_series.ome.tif"),
    ):
        (pixels, size), (twin, twin_size) = (projection(runner, by_file[n]) for n in (one, other))
        assert np.array_equal(pixels, twin)
        assert size.physical_size_x == pytest.approx(twin_size.physical_size_x, rel=1e-6)
        assert size.physical_size_y == pytest.approx(twin_size.physical_size_y, rel=1e-6)
    lif, size = projection(runner, "more2")
    export = tifffile.imread(shared_data / "05_lif/xz_c0_t0.tif")
    assert np.array_equal(lif[0, 0], export)
    with tifffile.TiffFile(shared_data / "05_lif/xz_c0_t0.tif") as tif:
        units, length = tif.pages.first.tags["XResolution"].value
    assert size.physical_size_x == pytest.approx(length / units, rel=1e-4)


def test_further_series(whole_set):
    runner, _, _ = whole_set
    shapes = [projection(runner, f"more{n}")[0].shape for n in range(len(MORE))]
    assert shapes == [
        (1, 3, 257, 280), (1, 1, 251, 251), (20, 2, 128, 128), (1, 2, 23, 128), (1, 2, 88, 89),
        (1, 1, 256, 256),
    ]  # fmt: skip
