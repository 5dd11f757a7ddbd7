"""The environments: each holds exactly what its rule's script imports, and suffices to run it."""

import ast
import json
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest
import yaml
from clearfield.jobs.codehash import code_files
from clearfield.workflow.settings import json_text, rule_settings
from runner import ROOT

ENVS = {path.stem: path for path in sorted((ROOT / "envs").glob("*.yaml"))}
# Distribution (as conda-forge names it) of each module whose name differs from it.
DISTRIBUTIONS = {
    "matplotlib": "matplotlib-base",
    "PIL": "pillow",
    "yaml": "pyyaml",
}
# What conda-forge calls otherwise than PyPI.
ON_PYPI = {"matplotlib-base": "matplotlib"}
# Used without an import statement: tifffile decodes with it, the page takes its files.
SILENT = {"load_stack": {"imagecodecs"}, "list_inputs": {"imagecodecs"}, "report_run": {"itables"}}


def packages(rule: str) -> dict[str, str]:
    """Name and pin of what an environment holds besides Python."""
    listed = yaml.safe_load(ENVS[rule].read_text("utf-8"))["dependencies"]
    pins = dict(re.fullmatch(r"([\w-]+) =([\w.]+)", entry).groups() for entry in listed)
    assert pins.pop("python")
    return pins


def imported(rule: str) -> set[str]:
    """Distributions that a rule's script and its modules import anywhere."""
    found = set()
    for path in code_files(str(ROOT / "scripts"), rule):
        if path.suffix != ".py":  # what a page holds
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add(node.module)
            elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "import_reader":
                found.add(node.args[0].value)
    modules = {name.partition(".")[0] for name in found} - set(sys.stdlib_module_names)
    return {DISTRIBUTIONS.get(name, name) for name in modules - {"clearfield"}}


def test_every_rule_with_a_script_has_an_environment_and_the_other_way_round():
    scripts = {path.stem for path in (ROOT / "scripts").glob("[a-z]*.py")}
    rules = set()
    for path in (ROOT / "workflow/rules").glob("*.smk"):
        rules |= set(re.findall(r"^rule (\w+):", path.read_text("utf-8"), re.M))
    assert set(ENVS) == scripts == rules


@pytest.mark.parametrize("rule", ENVS)
def test_an_environment_holds_exactly_what_its_script_imports(rule):
    assert set(packages(rule)) == imported(rule) | SILENT.get(rule, set())


@pytest.mark.parametrize("rule", ENVS)
def test_pins_agree_with_the_lock(rule):
    lock = (ROOT / "envs/lock.txt").read_text("utf-8")
    for name, pin in packages(rule).items():
        assert f"{ON_PYPI.get(name, name)}=={pin}" in lock, name


@pytest.mark.second_tier
def test_each_script_runs_in_an_environment_with_nothing_else(tmp_path):
    """The example, each rule with a fresh virtual environment of what its file names."""
    locked = {}
    for line in (ROOT / "envs/lock.txt").read_text("utf-8").splitlines():
        if match := re.match(r"([\w.-]+)==(\S+)(?: ; (.*?))? ?\\?$", line):
            locked.setdefault(match[1], []).append((match[2], match[3] or ""))
    pythons = {}
    constraints = tmp_path / "constraints.txt"
    constraints.write_text(
        "\n".join(
            f"{name}=={version}" + (f" ; {marker}" if marker else "")
            for name, versions in locked.items()
            for version, marker in versions
        )
    )

    def python(rule: str) -> Path:
        wanted = frozenset(ON_PYPI.get(name, name) for name in packages(rule))
        if wanted not in pythons:
            folder = tmp_path / f"venv{len(pythons)}"
            venv.create(folder, with_pip=True)
            pythons[wanted] = folder / "bin/python"
            install = [pythons[wanted], "-m", "pip", "install", "-q", "-c", constraints, *wanted]
            if wanted:
                subprocess.run(install, check=True, timeout=600)
        return pythons[wanted]

    ran = set()

    def run(rule: str, stdin: str = "", **values: str) -> None:
        ran.add(rule)
        arguments = [part for name, value in values.items() for part in (f"--{name}", value)]
        script = ROOT / f"scripts/{rule}.py"
        done = subprocess.run(
            [python(rule), script, *arguments],
            input=stdin, capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    config = yaml.safe_load((ROOT / "config/config.yaml").read_text("utf-8"))
    settings = rule_settings(config)
    raw = str(ROOT / "resources/example/nuclei_low_haze.tif")
    for rule, values in {
        "list_inputs": {"table": "inputs.tsv", "unread": "inputs_unread.tsv"},
        "load_stack": {"path": raw, "sample": "s", "stack": "s.stack", "threads": "1"},
        "keep_stack": {"stack": "s.stack", "kept": "kept.ome.tif", "threads": "1"},
        "project_stack": {
            "stack": "s.stack", "projection": "p.ome.tif", "statistics": "p.json", "threads": "1",
        },
        "subtract_background": {
            "projection": "p.ome.tif", "sample": "s", "subtracted": "r.ome.tif",
            "summary": "r.json", "threads": "1",
        },
        "save_background": {
            "projection": "p.ome.tif", "sample": "s", "background": "b.ome.tif", "threads": "1",
        },
        "plot_qc": {
            "projection": "p.ome.tif", "statistics": "p.json", "subtracted": "r.ome.tif",
            "summary": "r.json", "figure": "qc/s.png", "table": "qc/samples/s.tsv", "sample": "s",
            "planes": "qc/planes/s",
        },
        "explore_parameters": {
            "projection": "p.ome.tif", "figure": "e.png", "page": "e.html", "sample": "s",
            "threads": "1",
        },
        "summarize_qc": {"folder": "qc/samples", "metrics": "qc/metrics.tsv"},
        "report_run": {
            "metrics": "qc/metrics.tsv", "failures": "", "figures": "qc", "page": "page.html",
            "config": json_text(config), "versions": json_text({"clearfield": "0"}),
        },
    }.items():  # fmt: skip
        if rule == "save_background":
            values["settings"] = settings["subtract_background"]
        elif rule == "explore_parameters":
            values["settings"] = json_text(
                config[rule] | {"subtract_background": json.loads(settings["subtract_background"])}
            )
        elif rule not in ("keep_stack", "list_inputs", "report_run"):
            values["settings"] = settings.get(rule) or json_text(config[rule])
        stdin = {"list_inputs": f"s\t{raw}\n", "summarize_qc": "qc/samples/s.tsv\n"}
        run(rule, stdin.get(rule, ""), **values)
    assert (tmp_path / "page.html").stat().st_size > 0
    assert set(ENVS) == ran
