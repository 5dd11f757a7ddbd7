"""Real files with flipped bytes or cut short: an image, or one sentence; never anything else."""

import os
import random
from pathlib import Path

import numpy as np
import pytest
from clearfield.errors import ClearfieldError
from clearfield.stack.loading import open_series

DATA = os.environ.get("SHARED_DATA")
pytestmark = [
    pytest.mark.second_tier,
    pytest.mark.skipif(not DATA, reason="SHARED_DATA names no folder with real images"),
]
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


@pytest.mark.parametrize("name", NAMES)
def test_damaged_files(tmp_path, name):
    pytest.importorskip({"lif": "liffile", "oib": "oiffile", "nd2": "nd2"}.get(name[-3:], "numpy"))
    content = Path(DATA, name).read_bytes()
    chance = random.Random(name)
    path = tmp_path / Path(name).name
    for _ in range(150):
        path.write_bytes(damage(content, chance))
        try:
            for series in open_series(str(path)):
                shape = [series.sizes[axis] for axis in series.index_axes]
                for index in list(np.ndindex(*shape))[:5]:
                    plane = series.read(index)
                    assert plane.shape == tuple(series.sizes[a] for a in series.plane_axes)
                    assert plane.dtype.newbyteorder("=") == series.dtype.newbyteorder("=")
        except ClearfieldError as error:
            assert path.name in str(error)
            assert "\n" not in str(error)
