"""The QC figure: what it shows, for any shape of image and any name."""

import gc
import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from clearfield.errors import ClearfieldError
from clearfield.figures.canvas import BLUE, ORANGE, new_figure, save_png, write_png
from clearfield.figures.figure_settings import check_row
from clearfield.figures.grey_image import fit, grey_range, panel_size, shrink, shrink_marks, to_grey
from clearfield.figures.plane_view import find_background, make_view, share_ranges
from clearfield.figures.qc_figure import draw_figure
from clearfield.methods.subtraction import output_dtype, subtract_blocks
from clearfield.qc.qc_table import read_table
from clearfield.results.ometiff import write_ome_tiff
from PIL import Image
from plot_qc import plot_qc

TOPHAT = {"method": "tophat", "light_background": False, "radius": 5}
MINMAX = {"method": "minmax", "light_background": False, "min_size": 5, "max_size": 9}
DOG = {"method": "dog", "light_background": False, "low_sigma": 1, "high_sigma": 8}
KEEP = {"negative": "keep"}
NOTHING = {"clipped_low": 0, "clipped_high": 0, "nonfinite": 0}
SIZES = ("radius", "min_size", "max_size", "low_sigma", "high_sigma")


def spots(shape, seed=0):
    image = np.random.RandomState(seed).poisson(100, shape)
    image[..., ::7, ::9] += 900
    return image.astype(np.uint16)


def subtract(image, channel, output=KEEP, dtype="auto"):
    """Give the result and the counts as subtract_background.py does."""
    target = output_dtype(image.dtype, [channel], dtype=dtype, negative=output["negative"])
    result, counts = np.empty(image.shape, target), dict(NOTHING)
    for block in subtract_blocks(image, channel, dtype=target, threads=1, **output):
        result[block.first : block.last] = block.result
        for name in counts:
            counts[name] += getattr(block, name)
    return result, counts


def write_sample(folder: Path, stack: np.ndarray, channels: list[dict], output=KEEP, dtype="auto",
                 pixel_um=0.35, names=None, **settings) -> dict:  # fmt: skip
    """Write what plot_qc reads for a (T, C, Y, X) stack; give its arguments."""
    names = names or [f"C{index}" for index in range(stack.shape[1])]
    size = {"x": pixel_um, "y": pixel_um, "z": None}
    planes = [(t, c) for t in range(stack.shape[0]) for c in range(stack.shape[1])]
    channels = [
        channel
        | {"name": name, "sizes_um": {s: channel[s] * pixel_um for s in SIZES if s in channel}
           if pixel_um else None}
        for channel, name in zip(channels, names, strict=True)
    ]  # fmt: skip
    done = {place: subtract(stack[place], channels[place[1]], output, dtype) for place in planes}
    for name, arrays in (
        ("projection", {place: stack[place] for place in planes}),
        ("subtracted", {place: done[place][0] for place in planes}),
    ):
        first = arrays[planes[0]]
        write_ome_tiff(
            folder / f"{name}.ome.tif", ((*p, 0, first.shape[0], arrays[p]) for p in planes),
            shape=stack.shape, dtype=first.dtype, pixel_size_um=size, channel_names=names,
            provenance={},
        )  # fmt: skip
    level = 1000 if stack.dtype.kind == "u" else None
    statistics = [
        {
            "time": t, "channel": c, "saturation_level": level,
            "saturated_fraction": float((stack[t, c] >= level).mean()) if level else None,
            "nonfinite_fraction": 0.0, "plane_means": [1.0], "plane_sharpness": [1.0],
        }
        for t, c in planes
    ]  # fmt: skip
    (folder / "projection.json").write_text(
        json.dumps(
            {
                "statistics": statistics,
                "planes": [0, 0],
                "depth": 1,
                "source": {},
                "project_stack": {"method": "max"},
            }
        )
    )
    summary = {
        "channels": channels,
        "output": {"dtype": done[planes[0]][0].dtype.name, "offset": 1000, **output},
        "clipped": [{"time": t, "channel": c, **done[t, c][1]} for t, c in planes],
    }
    (folder / "subtracted.json").write_text(json.dumps(summary))
    return {
        "projection": str(folder / "projection.ome.tif"),
        "statistics": str(folder / "projection.json"),
        "subtracted": str(folder / "subtracted.ome.tif"),
        "summary": str(folder / "subtracted.json"),
        "figure": str(folder / "qc.png"),
        "table": str(folder / "qc.tsv"),
        "planes": str(folder / "planes"),
        "sample": "a sample",
        "settings": {
            "range": "auto",
            "steps": False,
            "profile": "auto",
            "planes": True,
            "unit": "px",
            "judge": {},
        }
        | settings,
    }


def pixels_of(path: str, colour: str) -> int:
    image = np.asarray(Image.open(path).convert("RGB"))
    return int((image == tuple(bytes.fromhex(colour[1:]))).all(axis=-1).sum())


@pytest.mark.parametrize("shape", [(1, 1), (1, 2000), (2000, 1), (3, 40), (301, 299), (40, 161)])
def test_any_shape_is_drawn(tmp_path, shape):
    arguments = write_sample(tmp_path, spots(shape)[None, None], [TOPHAT])
    plot_qc(**arguments)
    with Image.open(arguments["figure"]) as image:
        assert image.width == 1880
        assert image.width > image.height
    rows = list(read_table(arguments["table"]))
    assert [(r["sample"], r["time"], r["channel"], r["channel_name"]) for r in rows] == [
        ("a sample", "0", "0", "C0")
    ]


@pytest.mark.parametrize("channel", [TOPHAT, MINMAX, DOG, {**TOPHAT, "method": "none"}])
@pytest.mark.parametrize("light", [False, True])
def test_any_method_is_drawn_with_its_steps(tmp_path, channel, light):
    channel = channel | {"light_background": light}
    arguments = write_sample(
        tmp_path, spots((60, 50))[None, None], [channel], steps=True, pixel_um=None
    )
    plot_qc(**arguments)
    with Image.open(arguments["figure"]) as with_steps:
        height = with_steps.height
    plot_qc(**arguments | {"settings": arguments["settings"] | {"steps": False}})
    with Image.open(arguments["figure"]) as without:
        assert height > without.height


@pytest.mark.parametrize("stack", [(3, 2), (7, 1), (1, 8)])
def test_channels_and_times_make_a_landscape(tmp_path, stack):
    arguments = write_sample(
        tmp_path, spots((*stack, 64, 64)),
        [TOPHAT] * stack[1],
    )  # fmt: skip
    plot_qc(**arguments)
    with Image.open(arguments["figure"]) as image:
        assert image.width > image.height
    assert len(list(read_table(arguments["table"]))) == np.prod(stack)


def test_nothing_finite_is_drawn(tmp_path):
    plot_qc(**write_sample(tmp_path, np.full((1, 1, 40, 30), np.nan, np.float32), [TOPHAT]))


def test_names_are_drawn_as_they_stand(tmp_path):
    arguments = write_sample(
        tmp_path, spots((40, 40))[None, None], [TOPHAT], names=["$\\frac{a}{$ $x_2$"]
    )
    arguments["sample"] = "$\\notacommand{$ 細胞 é \n\t\x00 " + "long " * 100
    plot_qc(**arguments)


def test_same_figure_same_bytes(tmp_path):
    arguments = write_sample(tmp_path, spots((80, 70))[None, None], [DOG])
    plot_qc(**arguments)
    first = Path(arguments["figure"]).read_bytes()
    plot_qc(**arguments)
    assert Path(arguments["figure"]).read_bytes() == first


def test_quick_import_draws_the_same(tmp_path):
    """Matplotlib without its generated docstrings gives the same bytes as with them."""
    program = (
        "import sys\n{}\nfrom clearfield.figures.canvas import *\n"
        "f = new_figure(300, 200)\na = add_axes(f, 40, 20, 200, 100)\na.plot([1, 2, 3])\n"
        "add_text(f, 50, 150, 'text')\nsave_png(f, sys.argv[1])\nimport matplotlib.lines\n"
        "print('linewidth' in (matplotlib.lines.Line2D.set.__doc__ or ''))"
    )
    documented, files = [], []
    for number, first in enumerate(["import matplotlib.figure", ""]):
        file = tmp_path / f"{number}.png"
        environment = os.environ | {
            "PYTHONPATH": str(Path(__file__).parents[3] / "scripts"),
        }
        run = subprocess.run(
            [sys.executable, "-W", "error", "-c", program.format(first), str(file)],
            env=environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
        documented.append(run.stdout.strip())
        files.append(file.read_bytes())
    assert files[0] == files[1]
    assert documented == ["True", "False"], "the quick import saves nothing any more"


def test_own_matplotlibrc_changes_nothing(tmp_path, monkeypatch):
    import io

    import matplotlib

    def draw():
        file = io.BytesIO()
        figure = new_figure(200, 100)
        figure.add_axes((0.2, 0.3, 0.7, 0.6)).plot([1, 2])
        write_png(figure, file)
        return file.getvalue()

    plain = draw()
    with matplotlib.rc_context({"font.size": 20, "axes.grid": True, "axes.facecolor": "red"}):
        assert draw() == plain


def test_saturated_and_clipped_pixels_are_marked(tmp_path):
    image = spots((100, 100))
    image[80:] = np.minimum(image[80:], 999)  # where the scale bar covers the image
    arguments = write_sample(
        tmp_path, image[None, None], [MINMAX | {"max_size": 21}],
        output={"negative": "clip"}, dtype="uint16",
    )  # fmt: skip
    plot_qc(**arguments)
    saturated = pixels_of(arguments["figure"], ORANGE)
    # Drawn four times larger; the numbers below it in other colours.
    assert saturated == 16 * np.count_nonzero(image >= 1000)
    plain = write_sample(tmp_path, np.minimum(image, 999)[None, None], [TOPHAT])
    clipped = pixels_of(arguments["figure"], BLUE)
    plot_qc(**plain)
    assert pixels_of(plain["figure"], ORANGE) == 0
    # The background's line is blue too; hundreds of clipped pixels are more.
    assert clipped > pixels_of(plain["figure"], BLUE) + 1000


def test_pixels_clipped_at_either_end_are_told_apart():
    image = np.full((40, 40), 100, np.uint16)
    image[10, 10], image[30, 30] = 0, 900
    channel = MINMAX | {"min_size": 1, "max_size": 3}
    output = {"negative": "clip", "offset": 1000}
    result, counts = subtract(image, channel, output, "uint8")
    view = make_view(
        image, result, channel=channel, output=output | {"dtype": "uint8"}, statistics={},
        clipped=counts, profile=None, size=(40, 40),
    )  # fmt: skip
    assert view.clipped_fraction == (counts["clipped_low"] + counts["clipped_high"]) / 1600
    assert view.clipped_low.sum() == counts["clipped_low"] == 9  # the hole, and beside the peak
    assert view.clipped_high is None
    image[20, 20] = 500
    channel = TOPHAT | {"radius": 3}
    result, counts = subtract(image, channel, output, "uint8")
    view = make_view(
        image, result, channel=channel, output=output | {"dtype": "uint8"}, statistics={},
        clipped=counts, profile=None, size=(40, 40),
    )  # fmt: skip
    assert view.clipped_low is None
    assert np.argwhere(view.clipped_high).tolist() == [[20, 20], [30, 30]]


def test_one_marked_pixel_of_a_large_image_stays_visible():
    image = np.zeros((4000, 3000), np.uint16)
    image[1234, 2345] = 4095
    size = panel_size(image.shape, 400)
    marks = fit(shrink_marks(image, size, lambda rows: image[rows] >= 4095), size)
    assert marks.shape == size
    assert marks.sum() >= 1
    row, column = np.argwhere(marks)[0]
    assert abs(row - 1234 / 10) <= 1.5
    assert abs(column - 2345 / 10) <= 1.5


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32"])
@pytest.mark.parametrize("light", [False, True])
@pytest.mark.parametrize("negative", ["keep", "clip", "offset"])
@pytest.mark.parametrize("channel", [TOPHAT, MINMAX, DOG])
def test_background_shown_is_what_was_subtracted(channel, negative, light, dtype):
    from clearfield.methods.subtraction import estimate_background

    image = (spots((30, 40)) // 8).astype(dtype)
    channel = channel | {"light_background": light}
    output = {"negative": negative, "offset": 1000}
    result, clipped = subtract(image, channel, output)
    output["dtype"] = result.dtype.name
    found = find_background(image, result, channel, output, clipped, threads=1)
    expected = estimate_background(
        image, threads=1, **{k: v for k, v in channel.items() if k in (*SIZES, "method")},
        light_background=light,
    )  # fmt: skip
    np.testing.assert_allclose(np.asarray(found[0:30], float), expected, rtol=1e-5, atol=1e-3)


def test_fixed_range_holds_for_raw_and_result():
    image = spots((50, 50))
    result, clipped = subtract(image, TOPHAT)
    view = make_view(
        image, result, channel=TOPHAT, output=KEEP, statistics={}, clipped=clipped, profile=None,
        size=(100, 100),
    )  # fmt: skip
    share_ranges([view], [100, 600], KEEP)
    assert view.raw_range == (100.0, 600.0)
    assert view.result_range == (0.0, 500.0)  # as many grey levels, so that samples compare
    assert view.row == int(np.argmax(result.sum(axis=1)))
    columns, levels = view.profile[0]
    np.testing.assert_array_equal(levels, image[view.row])
    np.testing.assert_array_equal(columns, np.arange(50))


def test_impossible_row_and_range_are_errors(tmp_path):
    with pytest.raises(
        ClearfieldError, match=r"plot_qc\.profile is 50, but the rows of a are 0 to 49"
    ):
        check_row(50, 50, "a")
    arguments = write_sample(tmp_path, spots((20, 20))[None, None], [TOPHAT], range=[5, 5])
    with pytest.raises(ClearfieldError, match=r"plot_qc\.range"):
        plot_qc(**arguments)


def test_shrink_is_the_mean_of_blocks():
    image = spots((64, 96))
    expected = image.reshape(16, 4, 24, 4).mean(axis=(1, 3))
    np.testing.assert_allclose(shrink(image, (16, 24)), expected, rtol=1e-6)
    broken = image.astype(np.float32)
    broken[0, 0], broken[63, 95] = np.nan, np.inf
    small = shrink(broken, (16, 24))
    assert np.isnan(small[0, 0])
    assert np.isnan(small[15, 23])
    assert np.isfinite(small).sum() == small.size - 2


def test_grey_levels_span_the_range():
    image = np.arange(256, dtype=np.float32).reshape(16, 16)
    np.testing.assert_array_equal(to_grey(image, (0, 255))[..., 0], image)
    assert grey_range([image], 0, 100) == (0.0, 255.0)


def test_large_planes_need_little_memory():
    """A plane is read a few rows at a time, however large it is."""

    class Rows:
        shape, dtype = (2048, 131072), np.dtype("uint16")  # 0.5 GB

        def __getitem__(self, rows):
            first, last, _ = rows.indices(self.shape[0])
            return np.full((last - first, self.shape[1]), 7, np.uint16)

    gc.collect()
    tracemalloc.start()
    small = shrink(Rows(), panel_size(Rows.shape, 400))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (small == 7).all()
    assert peak < 50e6


def test_figure_is_as_wide_as_a_screen(tmp_path):
    image = spots((100, 100))
    result, clipped = subtract(image, TOPHAT)
    view = make_view(
        image, result, channel=TOPHAT, output=KEEP, statistics={}, clipped=clipped, profile=3,
        size=panel_size(image.shape, 400),
    )  # fmt: skip
    figure = draw_figure("a", "b", [view], pixel_um=None, projection_name="Projection")
    save_png(figure, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as file:
        assert file.size == (1880, 594)
        assert set(file.info) <= {"dpi"}  # no date, no version of any software


def test_background_of_a_large_plane_lies_on_disk(tmp_path, monkeypatch):
    from clearfield.figures import plane_view as view

    image = spots((300, 200))
    result, clipped = subtract(image, DOG)
    arguments = image, result, DOG, KEEP | {"dtype": "float32"}, clipped
    expected = find_background(*arguments, threads=1)
    monkeypatch.setattr(view, "_LARGE", 0)
    found = find_background(*arguments, threads=1, folder=tmp_path)
    np.testing.assert_array_equal(found[0:300], expected)
    np.testing.assert_array_equal(shrink(found, (30, 20)), shrink(expected, (30, 20)))
    assert not list(tmp_path.iterdir())  # nothing to be left behind


def test_the_file_says_its_settings_and_where_its_panels_lie(tmp_path):
    stack = np.stack([spots((60, 80)), spots((60, 80)) * 2])[None]
    arguments = write_sample(tmp_path, stack, [TOPHAT, TOPHAT])
    plot_qc(**arguments)
    with Image.open(arguments["figure"]) as file:
        assert file.info["Title"] == "a sample"
        settings = json.loads(file.info["clearfield:settings"])
        panels = json.loads(file.info["clearfield:panels"])
        image = np.asarray(file.convert("L"))
    assert [channel["radius"] for channel in settings["channels"]] == [TOPHAT["radius"]] * 2
    assert settings["plot_qc"]["range"] == "auto"
    assert [(one["channel"], one["time"]) for one in panels] == [("0", "0"), ("1", "0")]
    for one in panels:
        left, top, right, bottom = one["box"]
        assert 0 <= left < right <= image.shape[1] and 0 <= top < bottom <= image.shape[0]
        # Pixels of an image, not the white of the page, fill the first panel.
        assert (image[top:bottom, left : left + 80] < 255).mean() > 0.8


def test_the_figure_says_how_it_is_judged(tmp_path, monkeypatch):
    from clearfield.figures import qc_figure

    said = []
    original = qc_figure.add_text
    monkeypatch.setattr(
        qc_figure, "add_text", lambda *a, **k: (said.append(str(a[3])), original(*a, **k))
    )
    rules = {"radius_beyond_plane": "fail", "no_objects": "ok"}
    large = TOPHAT | {"radius": 500}
    arguments = write_sample(tmp_path, spots((40, 50))[None, None], [large], judge=rules)
    plot_qc(**arguments)
    assert any(text.startswith("fail: the filter's half-width, 500 px") for text in said)
    # A plane is no projection of planes 0 to 0, and a channel without a name is called once.
    assert any(text.startswith("2-D image, 50 × 40 px") for text in said)
    assert "Image" in said and not any("planes 0" in text for text in said)
    said.clear()
    plot_qc(**arguments | {"settings": arguments["settings"] | {"judge": {}}})
    assert "ok" in said


def test_the_background_has_a_scale_of_its_own(tmp_path):
    """Dark beside bright objects, it was black all over."""
    image = spots((60, 80)).astype(np.uint16) * 20
    image[:, :40] += 8
    result, clipped = subtract(image, TOPHAT)
    view = make_view(
        image, result, channel=TOPHAT, output=KEEP, statistics={}, clipped=clipped, profile=3,
        size=(60, 80),
    )  # fmt: skip
    share_ranges([view], None, KEEP)
    background = view.panels["background"]
    assert view.background_limits == (background.min(), background.max())
    assert to_grey(background, view.background_limits)[..., 0].max() == 255
    share_ranges([view], [0, 900], KEEP)
    assert view.background_limits == view.raw_range == (0, 900)


def test_each_channel_may_have_a_grey_range(tmp_path):
    stack = np.stack([spots((60, 80)), spots((60, 80)) * 2])[None]
    arguments = write_sample(tmp_path, stack, [TOPHAT, TOPHAT], range={"1": [7, 77]})
    plot_qc(**arguments)
    rows = list(read_table(arguments["table"]))
    assert [(rows[1]["range_low"], rows[1]["range_high"])] == [("7", "77")]
    assert rows[0]["range_high"] != "77"
