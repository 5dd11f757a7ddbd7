"""The report page in a real, headless Chromium: opened from disk, without a network."""

import csv
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from clearfield.qc.known_metrics import COLUMNS
from clearfield.qc.qc_table import KEYS, VERDICT
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
                "range_low": "101", "range_high": f"{2000 + index}",
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
    page = folder / "results" / "report" / "index.html"
    page.parent.mkdir()
    report_run(
        str(quality / "metrics.tsv"), str(quality / "failures.tsv"), str(quality), str(page),
        {
            "project_stack": {"method": "max", "first_plane": None, "last_plane": None},
            "subtract_background": {"method": "tophat", "light_background": False},
        },
        {"clearfield": "0.1.0"},
    )  # fmt: skip
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

    # Every link leads to a figure, also that of the name full of traps; a click opens it.
    assert browser.evaluate(
        "Promise.all([...document.querySelectorAll('.card')].map(a => new Promise(done => {"
        "const i = new Image(); i.onload = () => done(i.naturalWidth); i.onerror = () => done(0);"
        "i.src = a.href }))).then(w => w.every(x => x === 1800))"
    )
    browser.click("document.querySelector('.card.fail')")
    opened = []
    end = time.monotonic() + 20
    while not opened and time.monotonic() < end:
        opened = [
            target for target in browser.call("Target.getTargets")["targetInfos"]
            if target["url"].endswith("/results/qc/well%200039.png")
        ]  # fmt: skip
    assert opened
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
        "[...document.querySelectorAll('table')].filter(e => !e.closest('.dt-scroll'))"
        ".every(e => e.parentElement.matches('.frame[tabindex=\"0\"][aria-label]'))"
    )
    assert browser.evaluate("document.querySelectorAll('.frame').length") == 3
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
