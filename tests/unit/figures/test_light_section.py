"""The light on the page, in the methods paragraph and in its figure."""

import numpy as np
from clearfield.figures.canvas import save_png
from clearfield.figures.light_figure import draw_light
from clearfield.figures.light_section import say_light, write_light
from clearfield.figures.methods_paragraph import write_methods
from clearfield.light.group import Channel


def facts(channel="<b>", **changed):
    return {
        "channel": channel, "images": 12, "of": 13, "left_out": 1, "applied": True, "reason": "",
        "before": 0.123, "after": 0.004, "uncertainty": 0.002, "least": 0.5, "most": 1.4,
    } | changed  # fmt: skip


def group(*channels, left_out=None):
    return {"group": "p 1", "samples": 13, "left_out": left_out or {}, "channels": list(channels)}


def test_the_page_tells_each_channel_before_and_after_and_why_not():
    page = "".join(
        write_light([group(facts(), facts("GFP", applied=False, reason="a < b"))], "../x")
    )
    assert "<td>12.3</td><td>0.4</td><td>0.2</td><td>yes</td>" in page
    assert "&lt;b&gt;" in page  # a user's words are no HTML
    assert "<td>no</td><td>a &lt; b</td>" in page
    assert 'href="../x/light/p%201.png"' in page


def test_images_that_were_left_out_are_named():
    page = "".join(write_light([group(facts(), left_out={"s<1": "it is empty"})], ".."))
    assert "s&lt;1: it is empty" in page


def test_a_paper_reads_what_was_done_to_the_light():
    settings = {"offset": 100, "flatfield": "estimate"}
    said = say_light(settings, [group(facts(), facts("GFP", applied=False))])
    assert "offset (100 grey levels) was subtracted, and images were divided" in said
    assert "not so GFP of p 1" in said
    assert "given profile of the light (flat.tif)" in say_light(
        {"offset": 0, "flatfield": "flat.tif"}, []
    )
    assert said in write_methods([], {}, said)
    assert "not rescaled otherwise" in write_methods([], {}, said)
    assert "not rescaled." in write_methods([], {})


def test_the_figure_draws_any_shape_with_and_without_an_estimate(tmp_path):
    class Found:
        shape = (3, 700)

    gain = np.linspace(0.5, 1.5, 700, dtype="f4") * np.ones((3, 1), "f4")
    bare = {key: facts()[key] for key in ("images", "of", "left_out")}
    bare |= {"channel": "a" * 90, "applied": False, "reason": "there is 1 image " * 9}
    channels = [
        Channel("细胞 $x$", "x", gain, None, facts()),
        Channel("a" * 90, "a", np.ones_like(gain), None, bare),
    ]
    save_png(draw_light("g" * 90, Found, channels), tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 1000
