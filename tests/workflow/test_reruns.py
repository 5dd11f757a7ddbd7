"""Which jobs run again after an edit, seen in real runs."""

import os
import shutil
from pathlib import Path

import pytest
import tifffile
from clearfield.jobs.codehash import code_files
from runner import ROOT, Runner, copy_clone, write_stack

CHAIN = ("load_stack", "project_stack", "subtract_background", "plot_qc")
SUMMARY = {"summarize_qc": [""], "report_run": [""]}
BOTH = ["a", "b"]


def jobs(rules, samples) -> dict:
    """The jobs of `rules` on `samples`, and what a run has once."""
    return {rule: list(samples) for rule in rules} | SUMMARY


def write_sheet(runner: Runner, **radius) -> None:
    """Write the sample sheet; `radius` by sample, "" for that of the config."""
    rows = ["sample\tpath\tsubtract_background.tophat.radius"]
    rows += [f"{name}\traw/{name}.tif\t{radius[name]}" for name in radius]
    (runner.folder / "samples.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Runner:
    """A finished run of two stacks, one used in place, one that has to be decoded."""
    runner = Runner(tmp_path_factory.mktemp("finished") / "run")
    write_stack(runner.folder / "raw/a.tif", 1)
    write_stack(runner.folder / "raw/b.tif", 2, compression="zlib")
    write_sheet(runner, a="", b="")
    runner.config = {
        "samples": "samples.tsv",
        "subtract_background": {"tophat": {"radius": 3}},
    }
    assert runner.run().samples == jobs(CHAIN, BOTH)
    return runner


@pytest.fixture
def again(finished, tmp_path) -> Runner:
    """The finished run, to be edited."""
    return finished.copy(tmp_path / "run")


def sheet_radius(runner):
    write_sheet(runner, a="5", b="")


def channel_radius(runner):
    runner.config["subtract_background"]["channels"] = {"channel 0": {"tophat": {"radius": 4}}}


def load_key(runner):
    assert not list((runner.folder / "results/stacks").glob("*"))
    runner.config["load_stack"] = {"pixel_size_um": 0.5}


def other_method(runner):
    runner.config["subtract_background"]["method"] = "dog"


def unused_method(runner):
    runner.config["subtract_background"]["dog"] = {"low_sigma": 3}


def default_value(runner):
    runner.config["project_stack"] = {"method": "max", "last_plane": None}
    runner.config["plot_qc"] = {"steps": False}
    runner.config["subtract_background"]["tophat"]["radius"] = 3.0


def qc_key(runner):
    runner.config["plot_qc"] = {"profile": 7}


def projection(runner):
    runner.config["project_stack"] = {"method": "mean"}


def threshold(runner):
    runner.config["summarize_qc"] = {"drift_z": {"warn": 0.3}}


def add_sample(runner):
    write_stack(runner.folder / "raw/c.tif", 3)
    write_sheet(runner, a="", b="", c="")


def remove_sample(runner):
    write_sheet(runner, a="")


def touch_raw(runner):
    os.utime(runner.folder / "raw/a.tif")


def change_raw(runner):
    write_stack(runner.folder / "raw/a.tif", 9)


def revert(runner):
    """An edit that a dry run sees, and that is gone before the next run."""
    qc_key(runner)
    assert runner.run("-n").jobs == {"plot_qc": 2, "summarize_qc": 1, "report_run": 1}
    del runner.config["plot_qc"]


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (sheet_radius, jobs(CHAIN[2:], ["a"])),
        (channel_radius, jobs(CHAIN[2:], BOTH)),
        (load_key, jobs(CHAIN, BOTH)),
        (other_method, jobs(CHAIN[2:], BOTH)),
        (unused_method, {}),
        (default_value, {}),
        (qc_key, jobs(CHAIN[3:], BOTH)),
        (projection, jobs(CHAIN, BOTH)),
        (threshold, jobs(CHAIN[3:], BOTH)),  # the figure says what it is judged
        (add_sample, jobs(CHAIN, ["c"])),
        (remove_sample, SUMMARY),
        (touch_raw, {}),
        (change_raw, jobs(CHAIN, ["a"])),
        (revert, {}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_an_edit_runs_again_what_depends_on_it_and_nothing_else(again, edit, expected):
    edit(again)
    assert again.run().samples == expected


def test_comments_and_the_order_of_keys_run_nothing_again(again):
    again.command()
    (again.folder / "config.yaml").write_text(
        "# a comment\nsubtract_background:\n  tophat: {radius: 3}  # px\n\nsamples: samples.tsv\n"
    )
    again.config = {}
    assert again.run("--configfile", str(again.folder / "config.yaml")).samples == {}


def test_results_of_a_removed_sample_stay_and_are_named(again):
    before = again.outputs()
    remove_sample(again)
    again.run()
    after = again.outputs()
    assert before.keys() == after.keys()
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"config.yaml", "qc/metrics.tsv", "report/index.html"} - {
        name for name in before if before[name] == after[name]
    }
    log = (again.folder / "results/logs/summarize_qc.log").read_text()
    assert "not in this run (1): b" in log


def test_a_touched_raw_file_above_the_checksum_limit_gives_the_same_bytes_again(tmp_path, finished):
    runner = Runner(tmp_path / "run")
    shutil.copytree(finished.folder / "raw", runner.folder / "raw")
    shutil.copyfile(finished.folder / "samples.tsv", runner.folder / "samples.tsv")
    runner.config = finished.config
    limit = ("--max-checksum-file-size", "1000")
    runner.run(*limit)
    before = runner.outputs()
    touch_raw(runner)
    assert runner.run(*limit).samples == jobs(CHAIN, ["a"])
    assert runner.outputs() == before
    # What one types to avoid it.
    touch_raw(runner)
    assert runner.run(*limit, "-n").jobs == dict.fromkeys((*CHAIN, *SUMMARY), 1)
    runner.run(*limit, "--touch")
    assert "Nothing to be done" in runner.run(*limit).text
    assert runner.outputs() == before


# ---- the code ----


def edit_module(clone: Path, module: str) -> None:
    """Change what the first function of a module has in its body."""
    (path,) = (clone / "scripts/clearfield").glob(f"**/{module}.py")
    lines = path.read_text(encoding="utf-8").splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("def "))
    end = next(n for n in range(first, len(lines)) if lines[n].endswith(":"))
    lines.insert(end + 1, "    0")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


SECOND = pytest.mark.second_tier


@pytest.mark.parametrize(
    ("modules", "expected"),
    [
        (["verdict"], jobs(CHAIN[3:], BOTH)),
        (["codehash", "simulation", "settings"], {}),
        (["subtraction"], jobs(CHAIN[2:], BOTH)),
        pytest.param(["granulometry"], jobs(CHAIN[3:], BOTH), marks=SECOND),
        pytest.param(["projection"], jobs(CHAIN, BOTH), marks=SECOND),
        pytest.param(["axes"], jobs(CHAIN, BOTH), marks=SECOND),
        # Named only in a table of formats, imported only when such a file comes.
        pytest.param(["tiffmeta"], jobs(CHAIN, BOTH), marks=SECOND),
        pytest.param(["czi"], jobs(CHAIN, BOTH), marks=SECOND),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else "",
)
def test_an_edit_of_the_shared_module_runs_the_rules_that_use_it(
    again, tmp_path, modules, expected
):
    again.snakefile = copy_clone(tmp_path / "clone")
    for module in modules:
        edit_module(tmp_path / "clone", module)
    assert again.run().samples == expected


def test_a_fresh_checkout_runs_nothing(again, tmp_path):
    again.snakefile = copy_clone(tmp_path / "clone")
    again.run(status=0)
    assert again.run().samples == {}
    shutil.rmtree(tmp_path / "clone")
    copy_clone(tmp_path / "clone")
    for path in (tmp_path / "clone").rglob("*"):
        os.utime(path)
    assert again.run().samples == {}


@pytest.mark.second_tier
def test_a_fresh_checkout_of_the_example_runs_nothing(tmp_path):
    runner = Runner(tmp_path / "run", copy_clone(tmp_path / "clone"))
    assert len(runner.run().samples["plot_qc"]) > 1
    shutil.rmtree(tmp_path / "clone")
    copy_clone(tmp_path / "clone")
    assert runner.run().samples == {}


# ---- the same bytes ----


@pytest.mark.second_tier
def test_one_and_four_threads_and_another_folder_give_the_same_bytes(tmp_path):
    one = Runner(tmp_path / "one")
    write_stack(one.folder / "raw/tiled ä.tif", 3, (2, 3, 300, 290), tile=(64, 64),
                compression="zlib")  # fmt: skip
    write_stack(one.folder / "raw/in.place.tif", 4, (4, 310, 330))
    one.config = {
        "samples": "raw/*.tif",
        "load_stack": {"keep": True, "pixel_size_um": 0.2},
        "subtract_background": {"save_background": True, "channels": {0: {"method": "dog"}}},
        "plot_qc": {"steps": True},
    }
    four = one.copy(tmp_path / "a folder/deeper")
    one.run(cores=1)
    rules = ("load_stack", "keep_stack", *CHAIN[1:3], "save_background")
    four.run("--set-threads", *(f"{rule}=4" for rule in rules), cores=4)
    ours, theirs = one.outputs(), four.outputs()
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []
    assert len(ours) > 15


def test_the_tests_see_what_they_should(finished):
    """The stacks are what the tests above say: one in place, one decoded."""
    logs = finished.folder / "results/logs/load_stack"
    assert "used in place" in (logs / "a.log").read_text()
    assert "decoded" in (logs / "b.log").read_text()
    assert tifffile.imread(finished.folder / "results/projections/a.ome.tif").max() > 700
    assert (ROOT / "Snakefile").exists()


def test_the_code_of_a_rule_is_what_its_script_imports():
    def modules(script: str) -> set[str]:
        return {path.stem for path in code_files(str(ROOT / "scripts"), script)}

    assert {"loading", "tiff", "czi", "axes"} <= modules("load_stack")
    assert {"projection", "ometiff"} <= modules("project_stack")
    assert {"subtraction", "morphology", "gaussian"} <= modules("subtract_background")
    assert not {"subtraction", "morphology", "report_page"} & modules("load_stack")
    assert not {"subtraction", "morphology", "loading"} & modules("project_stack")
    assert not {"loading", "projection", "qc_figure"} & modules("subtract_background")
    assert not {"qc_figure", "subtraction", "metrics"} & modules("summarize_qc")
    # What a page holds of scripts and styles is code of it too, also where it lies elsewhere.
    web = {path.name for path in (ROOT / "scripts/clearfield/figures/web").glob("*.[jc]s*")}
    taken = {
        path.name
        for rule in ("report_run", "explore_parameters")
        for path in code_files(str(ROOT / "scripts"), rule)
        if path.suffix != ".py"
    }
    assert taken == web and len(web) >= 10


def test_a_name_taken_from_the_package_is_that_of_its_module(tmp_path):
    package = tmp_path / "clearfield"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from importlib import import_module\nV = '1'\nHOME = {'f': 'one', 'g': 'two'}\n"
    )
    (package / "one.py").write_text("from .three import x\n")
    for name in ("two", "three"):
        (package / f"{name}.py").write_text("x = 1\n")
    (tmp_path / "job.py").write_text("from clearfield import f\n")
    (tmp_path / "version.py").write_text("from clearfield import V\n")
    found = {path.stem for path in code_files(str(tmp_path), "job")}
    assert found == {"job", "__init__", "one", "three"}
    assert {path.stem for path in code_files(str(tmp_path), "version")} == {"version", "__init__"}
