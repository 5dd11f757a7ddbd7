"""One bad file does not stop the night: 20 stacks, of which three are broken."""

import csv
import html
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from clearfield.jobs.joblog import INTERRUPTED, UNFINISHED
from clearfield.workflow import failures
from clearfield.workflow.submissions import Failed
from runner import Runner, write_stack

CHAIN = ("load_stack", "project_stack", "subtract_background", "plot_qc")
BROKEN = ("s03", "s07", "s11")
NAMES = [f"s{number:02d}" for number in range(20)]


def read_tsv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


@pytest.fixture(scope="module")
def night(tmp_path_factory) -> tuple[Runner, str]:
    """A run of 20 stacks, one truncated, one empty, one with axes that its settings contradict."""
    runner = Runner(tmp_path_factory.mktemp("night") / "run")
    raw = runner.folder / "raw"
    for number, name in enumerate(NAMES):
        write_stack(raw / f"{name}.tif", number, (2, 16, 16))
    whole = (raw / "s03.tif").read_bytes()
    (raw / "s03.tif").write_bytes(whole[: len(whole) // 2])
    (raw / "s07.tif").write_bytes(b"")
    write_stack(raw / "s11.tif", 11, (16, 16))  # a plane, where ZYX is said to be
    runner.config = {
        "samples": "raw/*.tif",
        "load_stack": {"axes": "ZYX"},
        "subtract_background": {"tophat": {"radius": 2}},
    }
    return runner, runner.run(status=1).text


def test_the_other_seventeen_are_finished(night):
    results = night[0].folder / "results"
    for name in NAMES:
        there = [
            (results / path).exists()
            for path in (
                f"projections/{name}.ome.tif", f"projections/{name}.json",
                f"subtracted/{name}.ome.tif", f"subtracted/{name}.json",
                f"qc/{name}.png", f"qc/samples/{name}.tsv",
            )
        ]  # fmt: skip
        assert all(there) if name not in BROKEN else not any(there), name
    assert list(results.glob("stacks/*")) == []


def test_the_table_of_failures_names_the_three(night):
    rows = read_tsv(night[0].folder / "results/qc/failures.tsv")
    assert [row["sample"] for row in rows] == list(BROKEN)
    for row in rows:
        assert row["rule"] == "load_stack"
        assert f"{row['sample']}.tif" in row["reason"]
        assert len(row["remedy"]) > 10
    for row, word in zip(rows, ("cut short", "empty", "axes"), strict=True):
        assert word in row["reason"]


def test_the_last_lines_on_the_terminal_name_the_three(night):
    runner, text = night
    last = text.splitlines()[-17:]
    rows = read_tsv(runner.folder / "results/qc/failures.tsv")
    assert any("3 of 20 samples failed (also in results/qc/failures.tsv)" in line for line in last)
    for row in rows:
        told = f"  {row['sample']}, {row['rule']}: {row['reason']}"
        assert told in last
        assert last[last.index(told) + 1] == f"    → {row['remedy']}"
    finished = next(line for line in last if line.startswith("Finished: 17 samples: "))
    after = last[last.index(finished) + 1 :]
    assert after[:2] == [
        "Not finished: 3", "The page of what is finished: results/report/index.html",
    ]  # fmt: skip
    assert "Traceback" not in text


def test_the_page_and_the_partial_summary_tell_of_both(night):
    results = night[0].folder / "results"
    assert not (results / "qc/metrics.tsv").exists()
    rows = read_tsv(results / "qc/metrics_partial.tsv")
    assert [row["sample"] for row in rows] == [name for name in NAMES if name not in BROKEN]
    text = html.unescape((results / "report/index.html").read_text(encoding="utf-8"))
    for name in NAMES:
        assert name in text
    for row in read_tsv(results / "qc/failures.tsv"):
        for cell in row.values():
            assert cell in text


def test_a_log_is_the_one_sentence(night):
    for name in BROKEN:
        log = (night[0].folder / f"results/logs/load_stack/{name}.log").read_text("utf-8")
        assert log.startswith("error: ")
        assert log.count("\n") == 1


def test_mended_the_same_command_does_only_what_is_missing(night, tmp_path):
    runner = night[0].copy(tmp_path / "run")
    results = runner.folder / "results"
    write_stack(runner.folder / "raw/s03.tif", 3, (2, 16, 16))
    write_stack(runner.folder / "raw/s07.tif", 7, (2, 16, 16))
    ran = runner.run(status=1).samples
    assert ran == {"load_stack": list(BROKEN)} | {rule: ["s03", "s07"] for rule in CHAIN[1:]}
    assert [row["sample"] for row in read_tsv(results / "qc/failures.tsv")] == ["s11"]

    write_stack(runner.folder / "raw/s11.tif", 11, (2, 16, 16))
    ran = runner.run().samples
    assert ran == {rule: ["s11"] for rule in CHAIN} | {"summarize_qc": [""], "report_run": [""]}
    assert [row["sample"] for row in read_tsv(results / "qc/metrics.tsv")] == NAMES
    for gone in ("failures.tsv", "metrics_partial.tsv"):
        assert not (results / "qc" / gone).exists()
    assert "cut short" not in (results / "report/index.html").read_text(encoding="utf-8")
    assert "Nothing to be done" in runner.run().text


@pytest.mark.parametrize(
    ("target", "sample", "status"),
    [("explore_parameters", "s00", 0), ("explore_parameters", "s03", 1), ("list_inputs", "s00", 0)],
)
def test_a_look_beside_the_run_keeps_its_report(night, tmp_path, target, sample, status):
    runner = night[0].copy(tmp_path / "run")
    report = ("qc/failures.tsv", "qc/metrics_partial.tsv", "report/index.html", "config.yaml")
    before = {name: (runner.folder / "results" / name).read_bytes() for name in report}
    runner.config["explore_parameters"] = {"radii": [2], "sample": sample}
    done = runner.run("--nolock", target, status=status)
    assert target in done.samples if status == 0 else "cut short or damaged" in done.text
    assert before == {name: (runner.folder / "results" / name).read_bytes() for name in report}


def test_failed_samples_taken_from_the_run_leave_a_complete_summary(night, tmp_path):
    runner = night[0].copy(tmp_path / "run")
    for name in BROKEN:
        (runner.folder / f"raw/{name}.tif").unlink()
    ran = runner.run().samples
    assert ran == {"summarize_qc": [""], "report_run": [""]}
    results = runner.folder / "results"
    assert not (results / "qc/failures.tsv").exists()
    assert len(read_tsv(results / "qc/metrics.tsv")) == 17
    page = (results / "report/index.html").read_text(encoding="utf-8")
    assert "s03.tif" not in page


def test_a_sample_that_fails_later_is_named_as_such(tmp_path):
    runner = Runner(tmp_path / "run")
    for number, name in enumerate("ab"):
        write_stack(runner.folder / f"raw/{name}.tif", number, (2, 16, 16))
    runner.config = {"samples": "raw/*.tif", "subtract_background": {"tophat": {"radius": 2}}}
    runner.run()
    page = runner.folder / "results/report/index.html"
    before = page.read_bytes()
    (runner.folder / "raw/a.tif").write_bytes(b"II*\0")
    runner.run(status=1)
    (row,) = read_tsv(runner.folder / "results/qc/failures.tsv")
    assert row["sample"] == "a"
    assert "earlier run" in row["reason"]
    assert page.read_bytes() != before
    (only,) = read_tsv(runner.folder / "results/qc/metrics_partial.tsv")
    assert only["sample"] == "b"


# ---- what a log says ----


@pytest.fixture
def logs(tmp_path, monkeypatch):
    """A results folder in the working directory, and a function that writes a log in it."""
    monkeypatch.chdir(tmp_path)

    def write(rule: str, sample: str, text: str, age: float = 0) -> None:
        path = Path(f"results/logs/{rule}/{sample}.log")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        then = time.time() - age
        os.utime(path, (then, then))

    return write


def test_what_a_log_tells(logs, monkeypatch):
    logs("load_stack", "fine", "fine: TCZYX 1 x 1 x 3 x 32 x 32 of <u2, used in place\n")
    logs("load_stack", "interrupted", INTERRUPTED)
    logs("load_stack", "early", "Traceback (most recent call last):\nKeyboardInterrupt\n")
    logs("load_stack", "bad", "error: bad.tif is empty; mend it\n")
    logs("load_stack", "killed", UNFINISHED)
    logs("project_stack", "mute", "")
    logs("plot_qc", "bug", "Traceback (most recent call last):\nValueError: a\n")
    names = ["fine", "interrupted", "early", "bad", "killed", "mute", "bug", "never"]
    found = {row["sample"]: row for row in failures.find_failures(names)}
    assert list(found) == ["bad", "killed", "mute", "bug"]
    assert found["bad"]["reason"] == "bad.tif is empty"
    assert found["bad"]["remedy"] == "mend it"
    assert "killed" in found["killed"]["reason"]
    assert found["mute"]["reason"] == found["killed"]["reason"]
    assert "report" in found["bug"]["remedy"]
    # Where the run was stopped by hand, its jobs were; only what tells a reason is a failure.
    monkeypatch.setattr(failures, "_stops", [signal.SIGINT])
    assert [row["sample"] for row in failures.find_failures(names)] == ["bad"]


def test_what_a_failed_submission_tells(logs, monkeypatch):
    """On a cluster: one that nobody took, one with a broken file, one that was ended."""
    refused = Failed(("a", "b"), "sbatch failed, no such partition", refused=True, log="")
    broken = Failed(("c", "d"), "", refused=False, log="")
    killed = Failed(("e",), "OUT_OF_MEMORY", refused=False, log="")
    ended = Failed(("f",), "CANCELLED", refused=False, log="slurm_logs/7.log")
    again = Failed(("g",), "NODE_FAIL", refused=False, log="")
    groups = (refused, broken, killed, ended, again)
    last_of = {name: group for group in groups for name in group.samples}
    monkeypatch.setattr(failures, "last_of", last_of)
    failures.start_run("samples: x\n")
    for name in last_of:
        for rule in CHAIN:
            logs(rule, name, "", age=-1)  # as Snakemake leaves them
    logs("load_stack", "c", "error: c.tif is empty; mend it\n", age=-1)
    logs("load_stack", "d", "d: used in place\n", age=-1)
    logs("plot_qc", "e", UNFINISHED, age=-1)
    Path("results/qc/g.png").parent.mkdir()
    Path("results/qc/g.png").touch()  # its next submission went well

    found = {row["sample"]: row for row in failures.find_failures([*last_of, "not submitted"])}
    assert list(found) == ["a", "b", "c", "d", "e", "f"]
    for name in "ab":
        assert "nothing was submitted" in found[name]["reason"]
        assert refused.said in found[name]["reason"]
        assert "cores and mem_mb" in found[name]["remedy"]
    assert found["c"]["reason"] == "c.tif is empty"
    assert "in which c failed" in found["d"]["reason"]
    assert "--group-components sample=1" in found["d"]["remedy"]
    assert found["e"]["rule"] == "plot_qc"
    assert "killed" in found["e"]["reason"] and "OUT_OF_MEMORY" in found["e"]["reason"]
    assert "--set-resources plot_qc:mem_mb=N" in found["e"]["remedy"]
    assert "CANCELLED" in found["f"]["reason"] and "slurm_logs/7.log" in found["f"]["remedy"]
    for name in "abdf":
        assert "killed" not in found[name]["reason"]
    # Where the run was stopped by hand, its submissions were, too.
    monkeypatch.setattr(failures, "_stops", [signal.SIGINT])
    assert [row["sample"] for row in failures.find_failures(list(last_of))] == ["c"]


def test_failures_that_are_alike_are_told_once(capsys):
    why = {"rule": "load_stack", "reason": "no", "remedy": "mend"}
    rows = [{"sample": name, **why} for name in ("a", "b", "c")]
    failures._print_failures([*rows, {"sample": "d", **why, "reason": "not"}], 9)
    lines = capsys.readouterr().err.splitlines()
    assert lines[1].startswith("4 of 9 samples failed")
    assert lines[2:6] == [
        "  a and 2 more, load_stack: no", "    → mend", "  d, load_stack: not", "    → mend",
    ]  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_is_noted_and_goes_on_to_whom_it_concerns(number, logs, monkeypatch):
    monkeypatch.setattr(failures, "_stops", [])
    handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    seen = []
    try:
        signal.signal(number, lambda *_: seen.append(number))
        failures.start_run("samples: x\n")
        signal.raise_signal(number)
        assert failures._stops == seen == [number]
    finally:
        for n, handler in handlers.items():
            signal.signal(n, handler)


def test_a_failure_of_an_earlier_run_is_not_one_of_this(logs):
    logs("load_stack", "old", "error: a; b\n", age=60)
    failures.start_run("samples: x\n")
    assert failures.find_failures(["old"]) == []
    logs("load_stack", "old", "error: a; b\n", age=-1)
    assert len(failures.find_failures(["old"])) == 1


def test_the_end_of_a_run_says_how_it_went_and_which_series_were_taken(tmp_path):
    """A file of two series gives its first; log, terminal, card and page say so."""
    runner = Runner(tmp_path / "run")
    write_stack(runner.folder / "raw/one.tif", 1, (3, 32, 32))
    two = write_stack(runner.folder / "raw/two.ome.tif", 2, (3, 32, 32))
    with tifffile.TiffWriter(two, ome=True) as writer:
        for seed in (3, 4):
            plane = np.random.default_rng(seed).integers(0, 99, (3, 32, 32 + seed), np.uint16)
            writer.write(plane, metadata={"axes": "ZYX"}, photometric="minisblack")
    runner.config = {"samples": "raw/*.tif", "subtract_background": {"tophat": {"radius": 4}}}
    text = runner.run().text
    results = runner.folder / "results"
    rows = {row["sample"]: row for row in read_tsv(results / "qc/metrics.tsv")}
    assert {name: row["series"] for name, row in rows.items()} == {"one": "", "two": "0 of 2"}
    assert {row["projection"] for row in rows.values()} == {"max"}
    counts = [[row["status"] for row in rows.values()].count(s) for s in ("ok", "warn", "fail")]
    assert "2 samples: {} ok, {} warn, {} fail\n".format(*counts) in text
    assert "1 of them is series 0 of 2 of its file" in text
    assert "The page of the run: results/report/index.html" in text
    log = (results / "logs/load_stack/two.log").read_text("utf-8")
    assert "two: series 0 of 2, counted from 0" in log and "load_stack.series: all" in log
    assert "series" not in (results / "logs/load_stack/one.log").read_text("utf-8")
    page = (results / "report/index.html").read_text("utf-8")
    assert "1 sample is one series of a file that holds several" in page
    assert "<li>series 0 of 2 of its file</li>" in page


@pytest.mark.second_tier
def test_all_series_of_each_file_are_samples(tmp_path):
    """Listed first, then taken: a file of two series, one of one, and one that is cut short."""
    runner = Runner(tmp_path / "run")
    write_stack(runner.folder / "raw/one.tif", 1, (3, 32, 32))
    with tifffile.TiffWriter(runner.folder / "raw/two.ome.tif", ome=True) as writer:
        for seed, name in ((3, "left"), (4, "right")):
            plane = np.random.default_rng(seed).integers(0, 99, (3, 32, 32 + seed), np.uint16)
            writer.write(plane, metadata={"axes": "ZYX", "Name": name}, photometric="minisblack")
    broken = write_stack(runner.folder / "raw/bad.tif", 2, (3, 32, 32))
    whole = broken.read_bytes()
    broken.write_bytes(whole[:500])
    runner.config = {"samples": "raw/*.tif", "subtract_background": {"tophat": {"radius": 4}}}
    runner.run(status=1)
    runner.config["load_stack"] = {"series": "all"}
    results = runner.folder / "results"
    said = runner.run(status=1).text
    assert "results/inputs.tsv does not list raw/bad.tif as it is now" in said
    assert "snakemake list_inputs --force" in said
    assert runner.run("--nolock", "list_inputs").samples == {"list_inputs": [""]}
    ran = runner.run(status=1).samples
    assert ran["load_stack"] == ["bad", "two__left", "two__right"]  # "one" is as it was
    assert [row["sample"] for row in read_tsv(results / "qc/failures.tsv")] == ["bad"]

    broken.write_bytes(whole)
    assert "does not list raw/bad.tif as it is now" in runner.run(status=1).text
    runner.run("--nolock", "list_inputs")
    done = runner.run()
    assert done.samples["load_stack"] == ["bad"]
    assert "series 0 of 2" not in done.text
    rows = {row["sample"]: row for row in read_tsv(results / "qc/metrics.tsv")}
    assert {name: row["series"] for name, row in rows.items()} == {
        "bad": "", "one": "", "two__left": "0 of 2", "two__right": "1 of 2",
    }  # fmt: skip
    page = (results / "report/index.html").read_text("utf-8")
    assert "For all series set" not in page
    assert "Nothing to be done" in runner.run().text
    sheet = runner.folder / "sheet.tsv"
    sheet.write_bytes((results / "inputs.tsv").read_bytes())
    runner.config |= {"samples": "sheet.tsv", "load_stack": {"series": 0}}
    assert set(runner.run().samples) <= {
        "report_run"
    }  # by hand, the same: the page shows the config


def test_the_example_in_a_folder_of_its_own_says_that_it_is_the_example(tmp_path):
    said = "No samples are named, so these are the simulated stacks of the example, not yours."
    text = Runner(tmp_path / "example").run().text
    assert text.count(said) == 2  # at the start and at the end
    own = Runner(tmp_path / "own")
    write_stack(own.folder / "raw/a.tif", 1, (3, 32, 32))
    own.config = {"samples": "raw/*.tif"}
    assert said not in own.run().text


def test_columns_of_the_users_own_reach_the_table_and_the_page_also_of_a_failed_run(tmp_path):
    runner = Runner(tmp_path / "run")
    for name in ("a", "b"):
        write_stack(runner.folder / f"raw/{name}.tif", 1, (3, 32, 32))
    sheet = runner.folder / "s.tsv"
    rows = ["sample\tpath\tcondition\tnotes", "a\traw/a.tif\tcontrol\t<b>5'</b>", "b\traw/b.tif"]
    sheet.write_text("\n".join(rows) + "\n", "utf-8")
    runner.config = {"samples": "s.tsv"}
    assert runner.run().samples["plot_qc"] == ["a", "b"]
    results = runner.folder / "results"
    own = [(row["condition"], row["notes"]) for row in read_tsv(results / "qc/metrics.tsv")]
    assert own == [("control", "<b>5'</b>"), ("", "")]
    page = (results / "report/index.html").read_text("utf-8")
    assert ">condition</th>" in page and "control" in page and "<b>5'</b>" not in page
    # An edit of such a column makes the summary anew, and nothing else.
    sheet.write_text("\n".join(rows).replace("control", "treated") + "\n", "utf-8")
    assert runner.run().samples == {"summarize_qc": [""], "report_run": [""]}
    assert read_tsv(results / "qc/metrics.tsv")[0]["condition"] == "treated"
    (runner.folder / "raw/b.tif").write_bytes(b"")
    runner.run(status=1)
    (row,) = read_tsv(results / "qc/metrics_partial.tsv")
    assert row["condition"] == "treated"
