"""The real files of `alarm.py`: those of the shared data, sorted by eye.

Each series was looked at (projection, background and result at the recommended radius, 25 px where
there is none) before it was judged. Good is one whose objects one could measure in the result.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))


LABELS = {
    "xyz_calibrated_16bit__golgi_bfa.tif": (True, "Golgi stacks, sharp on a dark cell"),
    "xyzc_16bit__spots.tif": (True, "spots well above an even haze, both channels"),
    "xyz_8bit__mitotic_plate_calibrated.tif": (True, "one plate of chromosomes, dark around it"),
    "xyz_8bit__mitotic_plate_badZcalibrated.tif": (True, "the same pixels"),
    "xyz_8bit__mitotic_plate_calibrated.ome.zarr": (True, "the same pixels"),
    "xyzc_8bit_spheres.tif": (True, "a sphere in each channel, nothing else"),
    "confocal-series-both-channels.tiff": (True, "a cell and its nucleus, dark around them"),
    "multi-channel-z-series.ome.tif": (False, "a test chart: writing on a ramp of grey"),
    "leica_stack": (False, "a drawing, a fifth of it saturated"),
    "xyt_8bit_polyp.tif": (False, "a dark animal in transmitted light, taken for bright objects"),
    "xyc_16bit__cell_dna_mts_actin.tif": (True, "chromatin, microtubules, actin: sharp"),
    "xyz__multiple_images.czi": (True, "an epithelium, every cell border to be seen"),
    "CellDivision_T3_Z5_CH2_X240_Y170.czi": (True, "chromosomes and spindle, sharp at all times"),
    "example-zstack.nd2": (True, "cell borders on a dark ground"),
    "testdata_2channel_xz.lif": (False, "128 planes in one: channel 1 is full of what overlaps"),
    "xz_c0_t0.tif": (True, "spots on black"),
    "test.oib": (False, "channel 2 is transmitted light (DIC); 0 and 1 are good"),
    "toxo.dv": (True, "spots and outlines of parasites, little haze"),
    "movie.stk": (False, "20 × 20 px of noise"),
    "MAX_Lund_18.0_22.0_Hours Z-projection t1.tif": (True, "nuclei of an embryo, its glow gone"),
    "xy_12bit__saturated_plant.tif": (False, "0.9 % saturated"),
    "xy_16bit__nuclei_with_background.tif": (True, "three nuclei on an even ground"),
    "xy_8bit__some_spots_with_uneven_bg.tif": (True, "four spots, the large glow gone"),
    "xy_16bit__embryo_transmission.tif": (False, "transmitted light, as dim as the noise"),
    "input3_uint8.tiff": (True, "one large nucleus, dark around it"),
    "input3_output_tophat.tiff": (True, "its chromatin after a top-hat"),
    "golgi_pyramid_bigtiff.ome.tif": (True, "the Golgi stacks of above"),
    "two_series.ome.tif": (True, "the Golgi stacks and the spots of above"),
}
"""Name of a file of the shared data: whether it is good, and why."""


def find_images(folder: Path) -> Iterator[Path]:
    """Give files, and folders that are a Zarr store or hold a plane a file."""
    for path in folder.iterdir():
        if path.is_dir() and not (path.suffix == ".zarr" or path.name == "leica_stack"):
            yield from find_images(path)
        elif path.suffix not in (".tsv", ".npz", ".md"):
            yield path


def project(stack: Path, statistics: list[dict]) -> tuple[np.ndarray, int]:
    """Give the maximum projections, (T × C, Y, X), and the number of channels."""
    from clearfield.stack import projection as along_z
    from clearfield.stack.description import read_stack

    description = read_stack(stack)
    first, last = along_z.plane_range(description, None, None)
    times, channels, _, height, width = description.shape
    planes = description.open(stack)
    out = np.empty((times, channels, height, width), np.dtype(description.dtype))
    for time, channel, top, bottom, rows in along_z.project(
        planes, "max", first, last, threads=1, statistics=statistics
    ):
        out[time, channel, top:bottom] = rows
    return out.reshape(-1, height, width), channels
