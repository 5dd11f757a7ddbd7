"""Every file of the shared data through the whole workflow, or to its stated error."""

import csv
from pathlib import Path

import numpy as np
import pytest
import tifffile
from runner import Runner

pytestmark = pytest.mark.second_tier

DAMAGED = {
    "tiff_wrong_bits_per_sample.tiff": "BitsPerSample has 1 value for 4 samples per pixel",
    "multipage_single_frame_loop.tiff": "its list of pages runs in a circle",
    "libtiff_segfault.tif": "3865352602500 bytes",
    "seek_too_large.tif": "cut short or damaged",
    "golgi_truncated60.tif": "cut short or damaged",
}
OTHERWISE = {  # what is no stack of images in X and Y as it is, and the axes that make it one
    "xy_rgb__cells_of_02_other_axes": "YXC",
    "testdata_2channel_xz_of_05_lif__xzt": "TCYX",
    "testdata_2channel_xz_of_05_lif__xz": "CYX",
}

MITOTIC = "xyz_8bit__mitotic_plate_calibrated"
TWINS = [  # one image in two formats
    (f"01_zstack_tiff/{MITOTIC}.tif", f"07_zarr/{MITOTIC}.ome.zarr"),
    ("01_zstack_tiff/xyz_calibrated_16bit__golgi_bfa.tif", "12_derived/two_series.ome.tif"),
    (
        "01_zstack_tiff/xyz_calibrated_16bit__golgi_bfa.tif",
        "12_derived/golgi_pyramid_bigtiff.ome.tif",
    ),
]


def read_tsv(path, **options):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", **options))


def name_of(path):
    return Path(path).name.split(".", 1)[0] + "_of_" + Path(path).parent.name


def sizes_of(row):
    found = dict(zip(row["axes"], map(int, row["shape"].split("x")), strict=True))
    return tuple(found.get(axis, 1) for axis in "TCYX")


def maximum_of(row):
    """Project as tifffile reads it; axes in the order T, C, Y, X."""
    pixels = tifffile.imread(row["path"], series=int(row["load_stack.series"]))
    axes = row["axes"]
    if "Z" in axes:
        pixels = pixels.max(axis=axes.index("Z"))
        axes = axes.replace("Z", "")
    return pixels.transpose([axes.index(axis) for axis in "TCYX" if axis in axes])


def test_every_file_goes_through_or_to_its_error(shared_data, tmp_path):
    from ome_types import from_tiff

    runner = Runner(tmp_path / "run")
    manifest = read_tsv(shared_data / "MANIFEST.tsv", quoting=csv.QUOTE_NONE)
    # Archives of NumPy arrays are no files of a microscope.
    manifest = [row for row in manifest if not row["path"].endswith(".npz")]
    files = [str(shared_data / row["path"]) for row in manifest]
    files.append(str(shared_data / "01_zstack_tiff/leica_stack"))
    sheet = "sample\tpath\n" + "".join(f"{name_of(path)}\t{path}\n" for path in files)
    (runner.folder / "all.tsv").write_text(sheet, encoding="utf-8")
    runner.config = {"samples": "all.tsv", "subtract_background": {"method": "none"}}
    said = runner.run("--nolock", "list_inputs").text
    for name, reason in DAMAGED.items():
        assert any(name in line and reason in line for line in said.splitlines()), name

    table = runner.folder / "results/inputs.tsv"
    rows = {row["sample"]: row for row in read_tsv(table)}
    first = {row["path"]: row for row in rows.values() if row["load_stack.series"] == "0"}
    assert set(first) == {path for path in files if Path(path).name not in DAMAGED}
    for row in manifest:
        if Path(row["path"]).name not in DAMAGED:
            found = first[str(shared_data / row["path"])]
            assert found["dtype"] == row["dtype"], row["path"]
            long = [size for size in row["shape"].split("x") if size != "1"]
            assert [size for size in found["shape"].split("x") if size != "1"] == long, row["path"]

    # The table is the sample sheet of the run, with the damaged ones put back.
    with table.open("a", encoding="utf-8") as file:
        file.writelines(f"{name_of(path)}\t{path}\n" for path in files if path not in first)
    table.rename(runner.folder / "sheet.tsv")
    runner.config["samples"] = "sheet.tsv"
    runner.run(status=1)
    failures = {row["sample"]: row for row in read_tsv(runner.folder / "results/qc/failures.tsv")}
    for name, axes in OTHERWISE.items():
        del rows[name]
        assert failures.pop(name)["remedy"].endswith(f'load_stack.axes: "{axes}"')
    assert set(failures) == {name_of(path) for path in files if path not in first}
    for row in failures.values():
        assert row["rule"] == "load_stack" and "Traceback" not in row["reason"]

    for name, row in rows.items():
        result = runner.folder / f"results/subtracted/{name}.ome.tif"
        image = from_tiff(result).images[0].pixels
        assert (image.size_t, image.size_c, image.size_y, image.size_x) == sizes_of(row), name
        for axis in "xyz":
            size = getattr(image, f"physical_size_{axis}")
            assert size == pytest.approx(float(row[f"pixel_size_{axis}_um"] or "nan")) or (
                size is None and not row[f"pixel_size_{axis}_um"]
            ), name
        if row["channel_names"]:
            assert ", ".join(channel.name for channel in image.channels) == row["channel_names"]
        if Path(row["path"]).suffix in (".tif", ".tiff", ".stk"):
            assert np.array_equal(tifffile.imread(result), maximum_of(row)), name

    for twins in TWINS:
        one, other = (first[str(shared_data / path)] for path in twins)
        pixels, same = (
            tifffile.imread(runner.folder / f"results/subtracted/{row['sample']}.ome.tif")
            for row in (one, other)
        )
        assert np.array_equal(pixels, same), twins
        for axis in "xyz":
            sizes = (float(row[f"pixel_size_{axis}_um"]) for row in (one, other))
            assert next(sizes) == pytest.approx(next(sizes), rel=1e-5), twins
