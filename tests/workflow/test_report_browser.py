"""The report page in a real, headless Chromium: opened from disk, without a network."""

import csv
import io
import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml
from clearfield.figures.plane_file import pack_view, write_view
from clearfield.filters.morphology import opening
from clearfield.qc.known_metrics import COLUMNS
from clearfield.qc.qc_table import KEYS, VERDICT
from clearfield.results.ometiff import write_ome_tiff
from explore_parameters import explore_parameters
from report_run import report_run

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = [
    pytest.mark.second_tier,
    pytest.mark.skipif(
        CHROMIUM is None, reason="no chromium on PATH (Debian: apt install chromium)"
    ),
]

EVIL = "<script>alert(1) <img src=x onerror=alert(2)> & \"q\" 'x' ü 細胞 50%20#?"


class Browser:
    """A page of a headless Chromium, spoken to over its DevTools pipe."""

    def __init__(self, folder: Path) -> None:
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()

        def place_pipes() -> None:  # Chromium reads descriptor 3 and writes 4
            copy_read, copy_write = os.dup(to_read), os.dup(to_write)
            os.dup2(copy_read, 3)
            os.dup2(copy_write, 4)

        self._process = subprocess.Popen(
            [
                CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
                "--no-first-run", "--disable-background-networking", "--disable-component-update",
                "--disable-sync", f"--user-data-dir={folder}", "--remote-debugging-pipe",
                "--window-size=1500,1000", "about:blank",
            ],
            pass_fds=(3, 4), preexec_fn=place_pipes, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(to_read)
        os.close(to_write)
        self._buffer, self._number, self.events = b"", 0, []
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(target for target in targets if target["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    _session = None

    def call(self, method: str, **params) -> dict:
        """Send a command and wait for its answer; events on the way are kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def _receive(self) -> dict:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], 60)
            assert ready, "Chromium did not answer within 60 s"
            data = os.read(self._read, 1 << 20)
            assert data, "Chromium ended"
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def evaluate(self, expression: str):
        """Give the value of a JavaScript expression."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait_for(self, expression: str) -> None:
        """Wait until a JavaScript expression is true."""
        end = time.monotonic() + 60
        while not self.evaluate(expression):
            assert time.monotonic() < end, f"never true: {expression}"
            time.sleep(0.02)

    def open(self, path: Path) -> None:
        """Open a file and wait until its table stands."""
        self.events.clear()
        self.call("Page.navigate", url=path.as_uri())
        self.wait_for("document.documentElement?.dataset.ready === 'true'")

    def click(self, expression: str) -> None:
        """Click the middle of an element as a person does."""
        x, y = self.evaluate(
            f"(() => {{ const e = {expression}; e.scrollIntoView({{block: 'center'}});"
            "const b = e.getBoundingClientRect();"
            "return [b.x + b.width / 2, b.y + b.height / 2] })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self.call("Input.insertText", text=text)

    def complaints(self) -> list:
        """Give console errors, exceptions and requests that left the page."""
        found = []
        for event in self.events:
            method, params = event.get("method"), event.get("params", {})
            if method == "Runtime.exceptionThrown":
                found.append(params["exceptionDetails"])
            elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
                found.append(params)
            elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
                found.append(params["entry"])
            elif method == "Network.requestWillBeSent" and not params["request"]["url"].startswith(
                ("file:", "data:", "blob:")
            ):
                found.append(params["request"]["url"])
        return found

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(20)
        os.close(self._read)
        os.close(self._write)


@pytest.fixture
def browser(tmp_path):
    one = Browser(tmp_path / "profile")
    yield one
    one.close()


def make_run(folder: Path, samples: int, *, failed: bool = False, long: bool = False) -> Path:
    """Write a metrics table, figures and the page of a run that never was."""
    from PIL import Image

    quality = folder / "results" / "qc"
    quality.mkdir(parents=True)
    rows = []
    picture = Image.effect_noise((450, 140), 60).resize((1800, 560)).convert("RGB")
    picture.save(folder / "figure.png", compress_level=1)
    for index in range(samples):
        name = EVIL if index == 3 else f"well {index:04d}"
        name += "_" + "x" * 100 if long else ""
        os.link(folder / "figure.png", quality / f"{name}.png")
        for channel in range(2):
            row = dict.fromkeys([*KEYS, *VERDICT, *COLUMNS], "0.5")
            row |= {
                "sample": name, "time": "0", "channel": str(channel), "reason": "",
                "channel_name": f"C<b>{channel}", "status": "ok", "method": "tophat",
                "radius_px": "25", "contrast_to_noise_after": f"{10 + index % 9 + index / 1e4:.6g}",
                "range_low": "101", "range_high": f"{2000 + index}", "sizes": "radius 25 px",
                "recommended_radius_px": "31", "unit": "px", "series": "",
            }  # fmt: skip
            if index == samples - 1:
                row |= {"status": "fail", "reason": "saturated: <i>half</i> of the stack"}
            if index == samples - 2:
                row |= {"status": "warn", "reason": "dim", "contrast_to_noise_after": "900"}
            rows.append(row)
    with (quality / "metrics.tsv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    if failed:
        (quality / "failures.tsv").write_text(
            "sample\trule\treason\tremedy\n"
            f"broken\tload_stack\tends <b>early{'/x' * 100 * long}\tcopy it again\n"
        )
    return write_page(folder, [row["sample"] for row in rows])


def write_page(folder: Path, samples: list[str]) -> Path:
    """Make the page of what lies in results/qc/."""
    quality = folder / "results" / "qc"
    page = folder / "results" / "report" / "index.html"
    page.parent.mkdir()
    told = [json.dumps([name, f"raw/{name}.tif", {}]) for name in dict.fromkeys(samples)]
    stdin, sys.stdin = sys.stdin, io.StringIO("\n".join(told))
    try:
        report_run(
            str(quality / "metrics.tsv"), str(quality / "failures.tsv"), str(quality), str(page),
            {
                "samples": "raw/*.tif",
                "project_stack": {"method": "max", "first_plane": None, "last_plane": None},
                "subtract_background": {"method": "tophat", "light_background": False},
            },
            {"clearfield": "0.1.0"}, [],
        )  # fmt: skip
    finally:
        sys.stdin = stdin
    return page


ROWS = "[...document.querySelectorAll('#table tbody tr')]"
COLUMN = "[...document.querySelectorAll('.dt-scroll-head thead tr:first-child th')]"


def column(browser: Browser, name: str) -> list[str]:
    """Give what stands in a column on the screen."""
    place = browser.evaluate(
        f"{COLUMN}.findIndex(e => e.innerText.trim().startsWith({json.dumps(name)}))"
    )
    assert place >= 0, name
    return browser.evaluate(f"{ROWS}.map(r => r.children[{place}].innerText)")


def test_page_sorts_filters_and_opens_figures(browser, tmp_path):
    page = make_run(tmp_path, 40, failed=True)
    browser.open(page)

    # Flagged samples first, failed jobs before them, words of users as words.
    cards = browser.evaluate("[...document.querySelectorAll('.card b')].map(e => e.innerText)")
    assert cards[:3] == ["well 0039", "well 0038", "well 0000"]
    assert EVIL in cards
    assert len(cards) == 40
    assert "ends <b>early" in browser.evaluate("document.querySelector('#failures').innerText")
    assert "<i>half</i>" in browser.evaluate("document.querySelector('.card.fail').innerText")

    # Sort: a click on a heading, and a second one.
    heading = f"{COLUMN}.find(e => e.innerText.trim().startsWith('contrast to noise after'))"
    browser.click(heading)
    browser.wait_for("document.querySelector('[aria-sort=ascending]') !== null")
    values = [float(value) for value in column(browser, "contrast to noise after")]
    assert values == sorted(values)
    browser.click(heading)
    browser.wait_for("document.querySelector('[aria-sort=descending]') !== null")
    assert column(browser, "contrast to noise after")[0] == "900"

    # Filter: the whole table, then one column.
    assert browser.evaluate(f"{ROWS}.length") == 25
    browser.click("document.querySelector('input[type=search]')")
    browser.type("0017")
    browser.wait_for(f"{ROWS}.length === 2")
    assert set(column(browser, "sample")) == {"well 0017"}
    browser.evaluate(
        "(() => { const e = document.querySelector('input[type=search]'); e.value = '';"
        "e.dispatchEvent(new Event('input', {bubbles: true})) })()"
    )
    browser.wait_for(f"{ROWS}.length === 25")
    place = browser.evaluate(f"{COLUMN}.findIndex(e => e.innerText.trim() === 'status')")
    browser.click(
        f"document.querySelector('.dt-scroll-head thead tr:nth-child(2)').children[{place}]"
        ".querySelector('input')"
    )
    browser.type("warn")
    browser.wait_for(f"{ROWS}.length === 2")
    assert set(column(browser, "sample")) == {"well 0038"}

    # A filter of numbers finds what is at least as large.
    column_of = f"{COLUMN}.findIndex(e => e.innerText.trim() === 'contrast to noise after')"
    browser.evaluate(
        "document.querySelectorAll('.dt-scroll-head input').forEach(e => { e.value = '';"
        "e.dispatchEvent(new Event('input', {bubbles: true})) })"
    )
    browser.wait_for(f"{ROWS}.length === 25")
    browser.click(
        "document.querySelector('.dt-scroll-head thead tr:nth-child(2)')"
        f".children[{column_of}].querySelector('input')"
    )
    browser.type("18")
    browser.wait_for(f"{ROWS}.length < 25")
    found = [float(value) for value in column(browser, "contrast to noise after")]
    assert sorted(found) == [18.0] * 8 + [900.0] * 2

    # Every link leads to a figure, also that of the name full of traps.
    assert browser.evaluate(
        "Promise.all([...document.querySelectorAll('a.open')].map(a => new Promise(done => {"
        "const i = new Image(); i.onload = () => done(i.naturalWidth); i.onerror = () => done(0);"
        "i.src = a.href }))).then(w => w.every(x => x === 1800))"
    )
    # A sample in the table leads to its card, also that one.
    assert browser.evaluate(
        "[...document.querySelectorAll('.card')].every(e => document.getElementById(e.id) === e)"
    )
    browser.evaluate(
        "location.hash = [...document.querySelectorAll('.card')]"
        ".find(e => e.textContent.includes('alert(1)')).id"
    )
    assert "alert(1)" in browser.evaluate("document.querySelector(':target').innerText")
    # A click opens a sample in place; without its planes that is its figure. Esc closes it.
    browser.click("document.querySelector('.card.fail a.open img')")
    browser.wait_for("document.querySelector('#viewer img')?.naturalWidth === 1800")
    browser.call("Input.dispatchKeyEvent", type="keyDown", key="Escape", windowsVirtualKeyCode=27)
    browser.wait_for("!document.getElementById('viewer').open")
    assert browser.evaluate("document.activeElement.matches('.card.fail a.open')")
    assert browser.complaints() == []


@pytest.mark.parametrize("width", [600, 1280, 2560])
def test_wide_tables_scroll_in_frames_of_their_own(browser, tmp_path, width):
    # Names and paths as long as a file system allows, and values far from all others.
    page = make_run(tmp_path, 12, failed=True, long=True)
    browser.call(
        "Emulation.setDeviceMetricsOverride",
        width=width, height=900, deviceScaleFactor=1, mobile=False,
    )  # fmt: skip
    browser.open(page)
    browser.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
    assert browser.evaluate(
        "[...document.querySelectorAll('table')].filter(e => !e.closest('.dt-scroll, .card'))"
        ".every(e => e.parentElement.matches('.frame[tabindex=\"0\"][aria-label]'))"
    )
    assert browser.evaluate("document.querySelectorAll('.frame').length") == 3
    # What is wrong with a job stays in sight, however long the name before it.
    assert browser.evaluate(
        "[...document.querySelectorAll('#failures td')].every(e => e.scrollWidth <= e.clientWidth)"
    )
    wide, visible = browser.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert wide <= visible
    # The first column stays where a frame is scrolled to its end.
    for frame, cell in (
        ("#failures .frame", "#failures tbody td"),
        (".dt-scroll-body", ".dt-scroll-body tbody td"),
    ):
        moved = browser.evaluate(
            f"(() => {{ const f = document.querySelector('{frame}');"
            f"const c = document.querySelector('{cell}'); f.scrollLeft = 1e6;"
            "return [f.scrollLeft, c.getBoundingClientRect().x - f.getBoundingClientRect().x] })()"
        )
        if width == 600:
            assert moved[0] > 0
        assert 0 <= moved[1] <= 2
    # A long name breaks into lines, and runs over no other column.
    assert browser.evaluate(
        f"{ROWS}.every(r => r.querySelector('a').getBoundingClientRect().right"
        " <= r.children[0].getBoundingClientRect().right)"
    )
    assert browser.complaints() == []


def test_page_of_a_thousand_samples_is_small_and_opens_fast(browser, tmp_path):
    page = make_run(tmp_path, 1000)
    assert page.stat().st_size < 20e6
    browser.open(page)
    assert browser.evaluate("document.querySelectorAll('.card').length") == 1000
    browser.wait_for(
        "[...document.querySelectorAll('.card')].slice(0, 4).every(e => "
        "e.querySelector('img').naturalWidth > 0 && "
        "e.querySelector('b').checkVisibility({contentVisibilityAuto: true}))"
    )
    assert "of 2,000 entries" in browser.evaluate("document.body.innerText")
    timing = browser.evaluate("JSON.stringify(performance.getEntriesByType('navigation')[0])")
    print(f"{page.stat().st_size / 1e6:.1f} MB, loaded in {json.loads(timing)['duration']:.0f} ms")
    assert browser.complaints() == []


def show(browser: Browser, width: int, height: int) -> None:
    browser.call(
        "Emulation.setDeviceMetricsOverride",
        width=width, height=height, deviceScaleFactor=1, mobile=False,
    )  # fmt: skip


def set_input(browser: Browser, name: str, value: float | bool) -> None:
    """Set a control of the viewer as a person's hand does."""
    browser.evaluate(
        f"(() => {{ const e = document.querySelector('[data-part={name}]');"
        f"e.type === 'checkbox' ? e.checked = {json.dumps(value)} : e.value = {json.dumps(value)};"
        "e.dispatchEvent(new Event('input', {bubbles: true})) })()"
    )


def grey_of(browser: Browser, panel: int) -> np.ndarray:
    """Give the grey levels that a panel of the viewer has been drawn with."""
    text = browser.evaluate(
        "(() => { const c = document.querySelectorAll('#viewer canvas')"
        f"[{panel}]; const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        "return JSON.stringify([c.height, c.width, [...d].filter((_, i) => i % 4 === 0)]) })()"
    )
    rows, columns, levels = json.loads(text)
    return np.array(levels).reshape(rows, columns)


@pytest.mark.parametrize("exact", [True, False])
def test_a_sample_opens_in_place_at_full_size(browser, tmp_path, exact):
    """Planes are drawn as they were written; panels move together; before and after in one."""
    page = make_run(tmp_path, 3)
    shutil.rmtree(page.parent)
    random = np.random.default_rng(3)
    projection = random.integers(90, 1500, (150, 233)).astype(np.uint16)
    background = np.minimum(projection, 400 - np.arange(233, dtype=np.uint16))
    result = projection - background
    planes = {"projection": projection, "background": background}
    if not exact:
        projection = projection.astype(np.float32) / 7
        planes = {"projection": projection, "background": background / np.float32(7)}
        result = planes["result"] = projection - planes["background"]
    folder = tmp_path / "results/qc/planes/well 0002"
    folder.mkdir(parents=True)
    for channel in range(2):
        write_view(
            folder / f"c{channel}_t0.js",
            pack_view(planes)
            | {
                "title": f"C{channel}",
                "range": (100.0, 1000.0),
                "background_range": (50.0, 400.0),
                "result_range": (0.0, 500.0),
                "light": False,
                "offset": 0,
            },
        )
    page = write_page(tmp_path, [f"well {k:04d}" for k in range(3)])
    show(browser, 1400, 900)
    browser.open(page)
    browser.click("document.querySelector('.card.fail a.open img')")
    browser.wait_for("document.querySelectorAll('#viewer canvas').length === 3")
    assert browser.evaluate("document.querySelectorAll('[data-part=view] option').length") == 2

    def drawn(plane: np.ndarray, low: float, high: float) -> np.ndarray:
        return np.clip(np.floor((plane.astype(float) - low) * 255 / (high - low) + 0.5), 0, 255)

    near = 0 if exact else 1
    for panel, (plane, limits) in enumerate(
        [(projection, (100, 1000)), (planes["background"], (50, 400)), (result, (0, 500))]
    ):
        assert np.abs(grey_of(browser, panel) - drawn(plane, *limits)).max() <= near
    # The grey range by hand, of the result alone.
    set_input(browser, "result-high", 100)
    browser.wait_for("true")
    browser.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done, 50)))")
    assert np.abs(grey_of(browser, 2) - drawn(result, 0, 100)).max() <= 1 + near  # halves
    assert np.abs(grey_of(browser, 0) - drawn(projection, 100, 1000)).max() <= near

    # A key moves and zooms all three.
    places = (
        "JSON.stringify([...document.querySelectorAll('#viewer canvas')].map(c => {"
        "const b = c.getBoundingClientRect(), m = c.closest('.leaflet-container')"
        ".getBoundingClientRect(); return [b.x - m.x, b.y - m.y, b.width].map(Math.round) }))"
    )
    before = json.loads(browser.evaluate(places))
    browser.click("document.querySelector('#viewer .leaflet-container')")
    for key, code in (("+", 187), ("ArrowLeft", 37)):
        browser.call("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code)
        browser.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)
    browser.wait_for(f"{places} !== {json.dumps(json.dumps(before, separators=(',', ':')))}")
    browser.evaluate("new Promise(done => setTimeout(done, 400))")
    after = json.loads(browser.evaluate(places))
    assert after[0][2] > before[0][2] and after[0] != before[0]
    # The second and third panel may be narrower by a pixel.
    assert all(max(abs(a - b) for a, b in zip(one, after[0], strict=True)) <= 2 for one in after)

    # The pointer tells the levels below it, of all three.
    box = browser.evaluate(
        "(() => { const b = document.querySelector('#viewer .leaflet-container')"
        ".getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2] })()"
    )
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=box[0], y=box[1])
    browser.wait_for("document.querySelector('[data-part=levels]').textContent.includes('row')")
    told = browser.evaluate("document.querySelector('[data-part=levels]').textContent").replace(
        ",", ""
    ).replace(":", "").split()  # fmt: skip
    row, column_ = int(told[1]), int(told[3])
    levels = [float(told[place]) for place in (5, 7, 9)]
    expected = [plane[row, column_] for plane in (projection, planes["background"], result)]
    np.testing.assert_allclose(levels, expected, atol=0 if exact else 0.01)

    # Before and after in one image: right of the slider is the result, and nothing of it left.
    set_input(browser, "compare", True)
    browser.wait_for("document.querySelectorAll('#viewer canvas').length === 2")
    for share in (25, 75):
        set_input(browser, "swipe", share)
        edge = browser.evaluate(
            "(() => { const m = document.querySelector('#viewer .leaflet-container');"
            "const p = m.querySelector('.leaflet-after-pane');"
            "const r = p.style.clip.match(/-?[\\d.]+/g);"
            "const at = new DOMMatrix(getComputedStyle(m.querySelector('.leaflet-map-pane'))"
            ".transform).m41; return [(Number(r[3]) + at) / m.clientWidth,"
            "(Number(r[1]) + at) / m.clientWidth] })()"
        )
        assert abs(edge[0] - share / 100) < 0.01 and edge[1] >= 0.99
    assert browser.complaints() == []


def test_a_point_of_the_cohort_names_its_sample_and_leads_to_its_card(browser, tmp_path):
    page = make_run(tmp_path, 12)
    show(browser, 1400, 900)
    browser.open(page)
    canvas = "document.querySelector('canvas[data-column=contrast_to_noise_after]')"
    browser.evaluate(f"{canvas}.scrollIntoView({{block: 'center'}})")
    browser.wait_for(f"Boolean(Chart.getChart({canvas}))")
    place = browser.evaluate(
        f"(() => {{ const c = Chart.getChart({canvas}), b = {canvas}.getBoundingClientRect();"
        "const i = c.data.datasets[0].data.findIndex(p => p.sample === 'well 0010');"
        "const p = c.getDatasetMeta(0).data[i]; return [b.x + p.x, b.y + p.y] })()"
    )
    for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
        browser.call(
            "Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], clickCount=1,
            button="none" if kind == "mouseMoved" else "left",
        )  # fmt: skip
    browser.wait_for("location.hash === '#s-well%200010'")
    assert "well 0010" in browser.evaluate("document.querySelector(':target').innerText")
    assert "well 0010, C<b>" in browser.evaluate(
        f"Chart.getChart({canvas}).tooltip.body.map(b => b.lines.join(' ')).join(' ')"
    )
    assert browser.complaints() == []


def test_on_paper_status_and_reason_stay(browser, tmp_path):
    page = make_run(tmp_path, 40)
    browser.open(page)
    browser.call("Emulation.setEmulatedMedia", media="print")
    show(browser, 700, 1000)
    browser.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert browser.evaluate(f"{ROWS}.length") == 80
    right = browser.evaluate(
        "Math.max(...[...document.querySelectorAll('#table tbody tr')].map("
        "r => r.children[5].getBoundingClientRect().right))"
    )
    assert right <= 700
    assert browser.evaluate(
        "[...document.querySelectorAll('.card .badge')].every(e => e.offsetWidth > 0)"
    )
    browser.evaluate("dispatchEvent(new Event('afterprint'))")
    assert browser.evaluate(f"{ROWS}.length") == 25


def write_fields(folder: Path) -> None:
    """Two channels of disks on haze: nuclei of 12 px radius, spots of 4 px."""
    y, x = np.mgrid[:160, :200]
    for name, seed in (("one", 1), ("two", 2)):
        random = np.random.default_rng(seed)
        planes = []
        for radius in (12, 4):
            light = 200 + 60 * np.exp(-((y - 80) ** 2 + (x - 90) ** 2) / 20000)
            for row in range(25, 150, 42):
                for column_ in range(25, 190, 42):
                    at = row + random.integers(-6, 7), column_ + random.integers(-6, 7)
                    light = light + 900.0 * (np.hypot(y - at[0], x - at[1]) <= radius)
            planes.append(random.poisson(np.stack([light * 0.9, light, light * 0.9])))
        tifffile.imwrite(
            folder / f"{name}.tif", np.stack(planes, 1).astype("u2"), imagej=True,
            metadata={"axes": "ZCYX", "Labels": ["nuclei", "spots"] * 3, "unit": "um"},
            resolution=(2.0, 2.0),
        )  # fmt: skip


@pytest.mark.parametrize(("method", "unit"), [("tophat", "um"), ("dog", "px")])
def test_the_advised_settings_pasted_as_they_are_mend_the_flags_of_size(
    browser, runner, method, unit
):
    """Too small a size is flagged; the next run takes what the page saves, and is not."""
    folder = runner.folder / "raw"
    folder.mkdir()
    write_fields(folder)
    sizes = {"tophat": {"radius": 1.5}, "dog": {"low_sigma": 1, "high_sigma": 3}}[method]
    runner.config = {
        "samples": "raw/*.tif",
        "subtract_background": {"method": method, "unit": unit, method: sizes},
    }
    runner.run()

    def table() -> list[dict[str, str]]:
        with (runner.folder / "results/qc/metrics.tsv").open(encoding="utf-8") as file:
            return list(csv.DictReader(file, delimiter="\t"))

    before = table()
    assert any("is smaller than" in row["reason"] and " recommended " in
               row["reason"].replace("(", " ") for row in before)  # fmt: skip
    browser.open(runner.folder / "results/report/index.html")
    downloads = runner.folder / "downloads"
    browser.call(
        "Browser.setDownloadBehavior", behavior="allow", downloadPath=str(downloads)
    )  # fmt: skip
    for name in ("advised.yaml", "advised.tsv"):
        browser.click(f"document.querySelector('button[data-file=\"{name}\"]')")
        end = time.monotonic() + 30
        while not (downloads / name).exists() and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(0.2)

    first = yaml.safe_dump(runner.config)
    advised = (downloads / "advised.yaml").read_text("utf-8")
    shutil.copy(downloads / "advised.tsv", runner.folder / "advised.tsv")
    sheet = yaml.safe_load(first) | {"samples": "advised.tsv"}
    for config in (yaml.safe_load(first + advised), sheet):
        runner.config = config
        runner.run()
        after = table()
        wide = {row["channel"]: float(row["radius_px"]) for row in after}
        assert wide["0"] > wide["1"] > 3  # channels have sizes of their own
        for row in after:
            assert "smaller than" not in row["reason"], row["reason"]
            assert "recommended" not in row["reason"], row["reason"]
            assert float(row["signal_survived"]) > 0.8
    assert browser.complaints() == []


def test_explore_shows_what_its_sliders_say(browser, tmp_path):
    """Sizes and methods by keyboard; the image, the numbers and the YAML are of what is shown."""
    y, x = np.mgrid[:90, :120]
    image = np.random.default_rng(2).poisson(150 + x / 2)
    for row, column_ in ((20, 25), (60, 40), (40, 90)):
        image[np.hypot(y - row, x - column_) <= 6] += 800
    image = image.astype(np.uint16)
    write_ome_tiff(
        tmp_path / "a.ome.tif", [(0, c, 0, 90, image) for c in range(2)], shape=(1, 2, 90, 120),
        dtype="u2", pixel_size_um={"x": 0.5, "y": 0.5, "z": None}, channel_names=["D: 1", "G"],
        provenance={},
    )  # fmt: skip
    settings = {
        "channel": 0, "time": 0, "window": None, "radii": [2, 8, 2000, 4000], "min_sizes": [],
        "max_sizes": [], "low_sigmas": [0.5], "high_sigmas": [5, 20], "ball_radii": [],
        "smooths": [0], "recommended": True,
        "subtract_background": {
            "method": "tophat", "light_background": False, "tophat": {"radius": 5}, "unit": "um",
            "channels": {},
        },
    }  # fmt: skip
    page = tmp_path / "a.html"
    explore_parameters(
        str(tmp_path / "a.ome.tif"), str(tmp_path / "a.png"), str(page), "a", settings, 1
    )
    show(browser, 1400, 900)
    browser.open(page)
    browser.wait_for("document.documentElement.dataset.shown === 'tophat|10|0'")

    def shown() -> dict:
        return yaml.safe_load(browser.evaluate("document.getElementById('yaml').textContent"))

    def result() -> np.ndarray:
        text = browser.evaluate(
            "(() => { const c = document.querySelectorAll('#maps canvas')[2];"
            "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
            "return JSON.stringify([...d].filter((_, i) => i % 4 === 0)) })()"
        )
        return np.array(json.loads(text)).reshape(image.shape)

    assert shown() == {
        "subtract_background": {
            "unit": "um",
            "channels": {
                "D: 1": {
                    "method": "tophat",
                    "light_background": False,
                    "tophat": {"radius": 5, "smooth": 0},
                }
            },
        }
    }
    # One step to the right: 8 µm, which are 16 px.
    browser.evaluate("document.querySelector('#sliders input').focus()")
    browser.call("Input.dispatchKeyEvent", type="keyDown", key="ArrowRight",
                 windowsVirtualKeyCode=39)  # fmt: skip
    browser.wait_for("document.documentElement.dataset.shown === 'tophat|16|0'")
    assert shown()["subtract_background"]["channels"]["D: 1"]["tophat"]["radius"] == 8
    white = browser.evaluate("document.getElementById('high').valueAsNumber")
    expected = np.clip(np.floor((image - opening(image, 16)) * 255.0 / white + 0.5), 0, 255)
    assert np.abs(result() - expected).max() <= 1
    # Radii beyond the image give one and the same, and their images are there once.
    assert browser.evaluate(
        "JSON.parse(document.getElementById('trials').textContent)"
        ".filter(t => t.method === 'tophat').length"
    ) in (4, 5, 6)  # fmt: skip
    # Another method begins at its advised sizes; one button leads back to what is configured.
    browser.evaluate(
        "(() => { const e = document.getElementById('method'); e.value = 'dog';"
        "e.dispatchEvent(new Event('change', {bubbles: true})) })()"
    )
    browser.wait_for("document.documentElement.dataset.shown.startsWith('dog')")
    assert "(advised)" in browser.evaluate("document.getElementById('said').textContent")
    points = browser.evaluate(
        "Chart.getChart(document.querySelector('#curves canvas')).data.datasets[0].data.length"
    )
    assert points == 3  # 5 and 20 µm, and what is advised
    browser.click("document.getElementById('to-configured')")
    browser.wait_for("document.documentElement.dataset.shown === 'tophat|10|0'")
    assert "(configured)" in browser.evaluate("document.getElementById('said').textContent")
    assert browser.complaints() == []
