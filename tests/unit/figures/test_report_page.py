"""The page of a run: what stands in it, whatever users' words hold."""

import base64
import csv
import io
import json
import os
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from clearfield.figures.cohort_plot import find_outliers, modified_scores
from clearfield.figures.methods_paragraph import write_methods
from clearfield.figures.report_page import suggest_range
from clearfield.qc.known_metrics import COLUMNS
from clearfield.qc.qc_table import KEYS, VERDICT
from PIL import Image
from report_run import report_run

CONFIG = {
    "project_stack": {"method": "max", "first_plane": None, "last_plane": None},
    "subtract_background": {"method": "tophat", "light_background": False, "unit": "px"},
    "note": "</pre><script>alert(3)</script>",
}
EVIL = "</script><script>alert(1)</script>&\"'"


def make_row(sample, **values):
    row = dict.fromkeys([*KEYS, *VERDICT, *COLUMNS], "")
    return row | {
        "sample": sample, "time": "0", "channel": "0", "channel_name": "DAPI", "status": "ok",
        "method": "tophat", "radius_px": "25", "radius_um": "8.75", "planes": "9",
        "projection": "max", "light_background": "0", "sizes": "radius 25 px (8.75 µm)",
        "range_low": "98",
        "range_high": "1490", "contrast_to_noise_after": "10",
    } | values  # fmt: skip


def write_run(folder: Path, rows, failures=(), told=(), config=CONFIG):
    quality = folder / "qc"
    quality.mkdir(exist_ok=True)
    with (quality / "metrics.tsv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    with (quality / "failures.tsv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerows([("sample", "rule", "reason", "remedy"), *failures])
    page = folder / "report" / "index.html"
    stdin, sys.stdin = sys.stdin, io.StringIO("".join(f"{json.dumps(one)}\n" for one in told))
    try:
        report_run(
            str(quality / "metrics.tsv"), str(quality / "failures.tsv"), str(quality), str(page),
            config, {"clearfield": "0.1.0", "numpy": "2.4"}, [],
        )  # fmt: skip
    finally:
        sys.stdin = stdin
    return page.read_text(encoding="utf-8")


class Elements(HTMLParser):
    """Count the elements of a page and gather its links and visible text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.sources, self.text = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        attributes = dict(attributes)
        self.links += [attributes[name] for name in ("href",) if name in attributes]
        self.sources += [attributes[name] for name in ("src",) if name in attributes]

    def handle_data(self, data):
        self.text.append(data)


def test_words_of_users_stay_words(tmp_path):
    name = EVIL.replace("/", "")
    rows = [make_row(name, channel_name=EVIL, status="warn", reason=EVIL), make_row("b")]
    page = Elements(write_run(tmp_path, rows, [(EVIL, "load_stack", EVIL, EVIL)]))
    assert page.tags.count("script") == 7  # four of data, two libraries, and the page's own
    text = "".join(page.text)
    assert text.count(EVIL) >= 4
    assert CONFIG["note"] in text


def test_page_needs_no_network(tmp_path):
    page = Elements(write_run(tmp_path, [make_row("a b")]))
    assert all(source.startswith("data:") for source in page.sources)
    assert "link" in page.tags  # an empty icon, else the browser asks for one
    assert {link for link in page.links if not link.startswith("#")} == {
        "data:,", "../qc/a%20b.png",
    }  # fmt: skip


def test_same_run_same_bytes_wherever_it_lies(tmp_path):
    pages = []
    for name in ("one", "another place"):
        folder = tmp_path / name
        folder.mkdir()
        rows = [make_row(f"s{k}", contrast_to_noise_after=f"{k % 5}") for k in range(20)]
        (folder / "qc").mkdir()
        Image.effect_noise((1800, 500), 50).point(lambda v: 128).save(folder / "qc" / "s1.png")
        pages.append(write_run(folder, rows))
    assert pages[0] == pages[1]


def test_flagged_samples_come_first(tmp_path):
    rows = [
        make_row("a"), make_row("b", status="warn", reason="dim"),
        make_row("c", status="fail", reason="saturated"), make_row("d"),
    ]  # fmt: skip
    text = write_run(tmp_path, rows, [("e", "load_stack", "cut short", "copy again")])
    cards = re.findall(r'class="card (\w+)".*?<b>(\w+)</b>', text, re.S)
    assert cards == [("fail", "c"), ("warn", "b"), ("ok", "a"), ("ok", "d")]
    assert "<b>5</b> samples" in text
    assert text.index("cut short") < text.index('class="card')


@pytest.mark.parametrize(
    ("series", "wanted", "said"),
    [(("0 of 2", ""), 0, 1), (("0 of 2", "1 of 2"), 0, 0), (("0 of 3", "1 of 3"), 0, 2),
     (("0 of 3", "1 of 3"), "all", 0)],
)  # fmt: skip
def test_series_that_were_not_taken(tmp_path, monkeypatch, series, wanted, said):
    """Silent where all were; where all were asked for, those that are missing have failed."""
    monkeypatch.setitem(CONFIG, "load_stack", {"series": wanted})
    rows = [make_row(f"s{n}", series=text) for n, text in enumerate(series)]
    found = re.search(r"<p>(\d) samples? (are|is) one series", write_run(tmp_path, rows))
    assert int(found[1] if found else 0) == said


def test_thumbnails_of_many_samples_stay_small(tmp_path):
    from clearfield.figures.page_cards import THUMBNAILS_BYTES, write_thumbnail

    Image.effect_noise((1800, 560), 90).convert("RGB").save(tmp_path / "a.png")
    for samples in (10, 1000, 4000):
        budget = THUMBNAILS_BYTES // samples
        assert len(write_thumbnail(tmp_path / "a.png", budget, ("0", "0"))) <= budget + 200


def test_outliers_are_named():
    values = np.random.RandomState(0).normal(10, 1, 30)
    rows = [make_row(f"s{k}", contrast_to_noise_after=f"{v}") for k, v in enumerate(values)]
    rows[17]["contrast_to_noise_after"] = "40"
    rows += [
        make_row("few", channel_name="GFP", contrast_to_noise_after="99")
    ]  # nothing to compare
    found = find_outliers(rows)
    assert [(one["sample"], one["column"]) for one in found] == [("s17", "contrast_to_noise_after")]
    assert found[0]["value"] == 40


def test_scores_of_a_normal_sample_are_its_standard_scores():
    values = np.random.RandomState(0).normal(5, 2, 100_000)
    np.testing.assert_allclose(modified_scores(values), (values - 5) / 2, atol=0.05)
    assert (modified_scores(np.full(10, 3.0)) == 0).all()
    assert np.argmax(modified_scores(np.array([0.0] * 9 + [1]))) == 9


def test_suggested_range_holds_all():
    rows = [make_row("a"), make_row("b", range_low="101.7", range_high="2211")]
    low, high = suggest_range(rows)
    assert (low, high) == (98, 2300)
    assert suggest_range([make_row("a", range_low="", range_high="")]) is None
    assert suggest_range([make_row("a", range_low="-0.0123", range_high="0")]) == (-0.013, 0)


SIZES = {
    "tophat": "radius 25 px", "minmax": "min_size 25 px; max_size 27 px",
    "dog": "low_sigma 1 px; high_sigma 25 px", "none": "",
}  # fmt: skip


@pytest.mark.parametrize("method", SIZES)
@pytest.mark.parametrize("light", [False, True])
def test_methods_paragraph_tells_what_was_done(method, light):
    rows = [make_row("a", method=method, sizes=SIZES[method], light_background=str(int(light)))]
    text = write_methods(rows, {"clearfield": "0.1.0", "numpy": "2.4"})
    words = {
        "tophat": ("white top-hat", "black top-hat"),
        "minmax": (
            "minimum filter (square windows of 25 px) followed by a maximum filter (27 px)",
            "maximum filter (square windows of 27 px) followed by a minimum filter (25 px)",
        ),
        "dog": ("sigmas of 1 px and 25 px", "the smaller subtracted from the larger"),
        "none": ("left as it was",) * 2,
    }  # fmt: skip
    assert words[method][light] in text
    assert ("25 px" in text) == (method != "none")
    assert text.endswith("clearfield 0.1.0 (numpy 2.4).")


def test_methods_paragraph_tells_overrides_apart():
    rows = [make_row("a"), make_row("b", sizes="radius 10 px (3.5 µm)")]
    text = write_methods(rows, {"clearfield": "0.1.0"})
    assert "25 px (8.75 µm) [DAPI; 1 of 2 samples (a)]" in text
    assert "10 px (3.5 µm) [DAPI; 1 of 2 samples (b)]" in text
    assert text.count("Soille") == 1


def test_methods_paragraph_gives_each_sample_its_own_projection_and_sign():
    """A sheet that differs by sample, a channel with a light background, and a plane."""
    rows = [
        make_row("A", method="dog", sizes=SIZES["dog"], projection="mean of planes 2 to 5"),
        make_row("B", method="minmax", sizes=SIZES["minmax"], projection="sum",
                 light_background="1"),
        make_row("C", planes="1"),
        make_row("C", planes="1", channel="1", channel_name="BF", light_background="1"),
    ]  # fmt: skip
    text = write_methods(rows, {"clearfield": "0.1.0"})
    assert "Z-stacks (n = 2; channel DAPI) were reduced" in text
    assert "mean intensity projection of planes 2 to 5 [DAPI; 1 of 2 samples (A)]" in text
    assert "sum projection [DAPI; 1 of 2 samples (B)]" in text
    assert "Two-dimensional images (n = 1; channels DAPI, BF) were taken as they are" in text
    assert "sigmas of 1 px and 25 px [DAPI; 1 of 3 samples (A)]" in text
    assert "followed by a minimum filter (25 px) [DAPI; 1 of 3 samples (B)]" in text
    assert "black top-hat transform with a disk of radius 25 px (8.75 µm) [BF;" in text
    assert "maximum intensity projection" not in text


def test_a_size_that_was_set_in_micrometres_is_one_setting():
    rows = [make_row("a", sizes="radius 25 px (8.75 µm)"),
            make_row("b", sizes="radius 50 px (8.75 µm)")]  # fmt: skip
    text = write_methods(rows, {"clearfield": "0.1.0"})
    assert "a disk of radius 25 to 50 px (8.75 µm). Grey" in text


def card_of(page: str, name: str) -> str:
    return re.search(rf'<article class="card[^>]*id="s-{name}".*?</article>', page, re.S)[0]


def test_a_card_says_what_was_used_and_what_is_advised_in_the_unit_of_the_config(tmp_path):
    two = {"channel": "1", "channel_name": "<GFP>"}
    rows = [
        make_row("a", recommended_radius_px="31", recommended_radius_um="10.85"),
        make_row("a", **two, recommended_radius_px="25", recommended_radius_um="8.75"),
        make_row("b"),
    ]
    config = CONFIG | {"subtract_background": CONFIG["subtract_background"] | {"unit": "um"}}
    page = write_run(tmp_path, rows, told=[("a", "a.tif", {}), ("b", "b.tif", {})], config=config)
    card = card_of(page, "a")
    assert "DAPI</th><td>top-hat, radius 8.75 µm</td><td" in card
    assert "advised: radius 10.85 µm" in card
    assert '&lt;GFP&gt;</th><td>top-hat, radius 8.75 µm</td><td class="advised">as advised' in card
    assert "no advice" in card_of(page, "b")
    assert " px" not in card


def test_settings_show_what_the_sheet_sets_for_single_samples(tmp_path):
    told = [
        ("a", "raw/a.tif", {"project_stack.method": "mean", "plot_qc.range": [0, 5]}),
        ("b", "raw/b.tif", {"project_stack.method": "mean"}), ("c", "raw/c.tif", {}),
    ]  # fmt: skip
    page = write_run(tmp_path, [make_row("a"), make_row("b"), make_row("c")], told=told)
    assert "<td>project_stack.method</td><td>mean</td><td>2 of 3: a, b</td>" in page
    assert "<td>plot_qc.range</td><td>[0, 5]</td><td>1 of 3: a</td>" in page


def test_the_page_names_its_data_and_their_days(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = []
    for name, time in (("a", 1709294400), ("b", 1709467200)):  # 1 and 3 March 2024, noon
        Path(f"{name}.tif").touch()
        os.utime(f"{name}.tif", (time, time))
        told.append((name, f"{name}.tif", {}))
    config = CONFIG | {"samples": "raw/night <1>/*.tif"}
    page = write_run(tmp_path, [make_row("a")], told=told, config=config)
    assert "<h1>night &lt;1&gt;: quality of the run</h1>" in page
    assert "raw/night &lt;1&gt;/*.tif, files of 2024-03-01 to 2024-03-03" in page
    page = write_run(tmp_path, [make_row("a")], config=CONFIG | {"samples": "lists/plate 7.tsv"})
    assert "<title>plate 7: quality of the run</title>" in page
    page = write_run(tmp_path, [make_row("a")], config=CONFIG | {"samples": "raw/*.tif"})
    assert tmp_path.name not in page  # a run in another folder has the same bytes
    assert '<h1><span id="data">clearfield</span>: quality of the run</h1>' in page


def test_a_tooltip_needs_no_neighbour():
    from clearfield.figures.page_tables import explain

    for column, words in COLUMNS.items():
        told = explain(column, COLUMNS)
        assert not told.startswith("the same"), column
        assert words in told


def test_a_thumbnail_is_the_panels_of_the_channel_that_is_flagged(tmp_path):
    from clearfield.figures.page_cards import write_thumbnail
    from PIL.PngImagePlugin import PngInfo

    image = np.zeros((300, 1000, 3), np.uint8)
    image[100:200, 50:850] = (200, 0, 0)
    image[200:300, 50:850] = (0, 200, 0)
    panels = [
        {"channel": "0", "time": "0", "title": "DAPI", "box": [50, 100, 850, 200]},
        {"channel": "1", "time": "0", "title": "<GFP>", "box": [50, 200, 850, 300]},
    ]
    told = PngInfo()
    told.add_itxt("clearfield:panels", json.dumps(panels))
    Image.fromarray(image).save(tmp_path / "a.png", pnginfo=told)
    for channel, colour in (("0", 0), ("1", 1), ("7", 0)):
        element = write_thumbnail(tmp_path / "a.png", 10**6, (channel, "0"))
        data = base64.b64decode(re.search('base64,([^"]*)', element)[1])
        small = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        assert small.shape[:2] == (55, 440)  # none of its sides is cut
        assert (small.argmax(axis=-1) == colour).all()
    assert 'alt="a, &lt;GFP&gt;: projection' in write_thumbnail(
        tmp_path / "a.png", 9**9, ("1", "0")
    )
