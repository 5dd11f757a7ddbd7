"""Files with flipped bytes or cut short: an image, or one sentence; never anything else."""

import lzma
import os
import random
from pathlib import Path

import numpy as np
import pytest
from clearfield.errors import ClearfieldError
from clearfield.stack.loading import open_series

DATA = os.environ.get("SHARED_DATA")
MADE = Path(__file__).parent / "data"
pytestmark = pytest.mark.second_tier
NAMES = (
    "03_czi/xyz__multiple_images.czi",
    "04_nd2/example-zstack.nd2",
    "05_lif/testdata_2channel_xz.lif",
    "06_oib_dv_stk/test.oib",
    "06_oib_dv_stk/toxo.dv",
)


def damage(content, chance):
    if chance.random() < 0.3:
        return content[: chance.randrange(len(content))]
    result = bytearray(content)
    for _ in range(chance.choice([1, 3, 30])):
        # Headers stand at the beginning, maps of chunks at the end.
        near = chance.choice([2048, 4096, len(content)])
        place = chance.randrange(min(near, len(content)))
        place = len(content) - 1 - place if near == 4096 else place
        result[place] = chance.choice([0, 255, chance.randrange(256)])
    return bytes(result)


def try_damaged(path, content, chance, tries, beside=()):
    for _ in range(tries):
        path.write_bytes(damage(content, chance))
        for name, text in beside:
            damaged = damage(text, chance) if chance.random() < 0.5 else text
            (path.parent / name).write_bytes(damaged)
        try:
            for series in open_series(str(path)):
                shape = [series.sizes[axis] for axis in series.index_axes]
                for index in list(np.ndindex(*shape))[:5]:
                    plane = series.read(index)
                    assert plane.shape == tuple(series.sizes[a] for a in series.plane_axes)
                    assert plane.dtype.newbyteorder("=") == series.dtype.newbyteorder("=")
        except ClearfieldError as error:
            assert path.stem in str(error)
            assert "\n" not in str(error)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.skipif(not DATA, reason="SHARED_DATA names no folder with real images")
def test_damaged_files(tmp_path, name):
    pytest.importorskip({"lif": "liffile", "oib": "oiffile", "nd2": "nd2"}.get(name[-3:], "numpy"))
    content = Path(DATA, name).read_bytes()
    try_damaged(tmp_path / Path(name).name, content, random.Random(name), 150)


@pytest.mark.parametrize("path", sorted(MADE.glob("[!R]*.*[!l]")), ids=lambda path: path.stem)
def test_damaged_files_of_other_programs(tmp_path, path):
    content, name = path.read_bytes(), path.name
    if path.suffix == ".xz":
        pytest.importorskip("h5py")
        content, name = lzma.decompress(content), path.stem
    xml = path.with_name(Path(name).stem + ".xml")
    beside = [(xml.name, xml.read_bytes())] if xml.exists() else []
    try_damaged(tmp_path / name, content, random.Random(name), 300, beside)
