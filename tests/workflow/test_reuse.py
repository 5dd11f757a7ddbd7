"""The workflow in the hands of others: as a module, through its door, from the catalog."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from runner import ROOT, Done, Runner, copy_clone, write_stack

SMALL = {"subtract_background": {"tophat": {"radius": 6}}}
LARGE = {"subtract_background": {"method": "dog", "dog": {"high_sigma": 12}}}
TABLES = {"summarize_qc", "report_run"}
# Of a module no handlers run; this file is written by one of them.
ONLY_DIRECT = "config.yaml"


class Importer:
    """A workflow of somebody else, which uses this one."""

    def __init__(self, folder: Path, text: str):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "Snakefile").write_text(text, encoding="utf-8")

    def run(self, *arguments: str, status: int = 0) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", "snakemake", "--cores", "2", *arguments], cwd=self.folder,
            capture_output=True, text=True, timeout=600, check=False,
            env={key: value for key, value in os.environ.items() if key != "CLEARFIELD"},
        )  # fmt: skip
        assert done.returncode == status, done.stdout + done.stderr
        return Done(done.returncode, done.stdout + done.stderr)


def module(
    config: dict | None = None, snakefile: str = repr(str(ROOT / "Snakefile")), *,
    name: str = "clearfield", prefix: str | None = None,
) -> str:  # fmt: skip
    lines = [f"module {name}:", f"    snakefile: {snakefile}"]
    if prefix:
        lines.append(f"    prefix: {prefix!r}")
    if config is not None:
        lines.append(f"    config: {json.dumps(config)}")
    return "\n".join([*lines, "", "", f"use rule * from {name} as {name}_*", "", ""])


def raw_stacks(folder: Path) -> str:
    for number in range(2):
        write_stack(folder / f"raw/s{number}.tif", number)
    return str(folder / "raw/*.tif")


def made_directly(folder: Path, config: dict) -> dict[str, bytes]:
    """Give what a run of the clone itself makes."""
    runner = Runner(folder)
    runner.config = config
    runner.run()
    return {name: data for name, data in runner.outputs().items() if name != ONLY_DIRECT}


@pytest.mark.parametrize("prefix", [None, "night1"])
def test_a_module_makes_the_bytes_of_a_direct_run(prefix, tmp_path):
    config = {"samples": raw_stacks(tmp_path), **SMALL}
    folder = tmp_path / "importer"
    importer = Importer(folder, module(config, prefix=prefix))
    importer.run()
    assert Runner(folder / (prefix or "")).outputs() == made_directly(tmp_path / "direct", config)
    assert "Nothing to be done" in importer.run("-n").text
    importer = Importer(folder, module({**config, **LARGE}, prefix=prefix))
    jobs = {name.removeprefix("clearfield_"): n for name, n in importer.run("-n").jobs.items()}
    assert jobs.keys() - {"all"} == {"subtract_background", "plot_qc", *TABLES}


def test_raw_files_of_the_importers_folder_get_no_prefix(tmp_path):
    raw_stacks(tmp_path / "importer")
    importer = Importer(
        tmp_path / "importer", module({"samples": "raw/*.tif", **SMALL}, prefix="out")
    )
    importer.run()
    assert sorted(p.name for p in (importer.folder / "out/results/qc").glob("*.png")) == [
        "s0.png", "s1.png",
    ]  # fmt: skip
    assert not (importer.folder / "results").exists()
    assert "Nothing to be done" in importer.run("-n").text


def test_two_modules_with_configs_of_their_own_and_a_rule_overridden(tmp_path):
    samples = raw_stacks(tmp_path)
    configs = {name: {"samples": samples, **c} for name, c in (("one", SMALL), ("two", LARGE))}
    text = "\n".join(module(c, name=name, prefix=name) for name, c in configs.items())
    # `scripts` is the name of a folder in many workflows.
    (tmp_path / "importer/scripts").mkdir(parents=True)
    (tmp_path / "importer/scripts/__init__.py").touch()
    text = f"""
import scripts


rule all:
    input:
        "one/results/report/index.html",
        "two/results/report/index.html",


{text}
use rule plot_qc from two as two_plot_qc with:
    threads: 2
"""
    importer = Importer(tmp_path / "importer", text)
    done = importer.run()
    assert re.search(r"rule two_plot_qc:(\n    .*)*\n    threads: 2\n", done.text)
    for name, config in configs.items():
        made = made_directly(tmp_path / f"direct_{name}", config)
        assert Runner(importer.folder / name).outputs() == made
    assert "Nothing to be done" in importer.run("-n").text


@pytest.mark.parametrize("snakefile", ["Snakefile", "workflow/Snakefile"])
def test_a_module_without_config_is_the_example(snakefile, tmp_path):
    done = Importer(tmp_path, module(snakefile=repr(str(ROOT / snakefile)))).run("-n")
    assert done.jobs["clearfield_plot_qc"] == 3


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"samplse": "raw/*.tif"}, "samplse is not a key; did you mean samples?"),
        ({"samples": "raw/*.tif"}, "samples: no file matches raw/*.tif"),
    ],
)
def test_a_mistake_in_a_modules_config_is_one_sentence(config, sentence, tmp_path):
    done = Importer(tmp_path, module(config)).run("-n", status=1)
    assert sentence in done.text
    assert "Traceback" not in done.text


def test_two_versions_in_one_workflow_are_refused(tmp_path):
    other = copy_clone(tmp_path / "clone")
    config = {"samples": raw_stacks(tmp_path)}
    text = module(config, prefix="one") + module(config, repr(str(other)), name="b", prefix="two")
    done = Importer(tmp_path / "importer", text).run("-n", status=1)
    assert "take all modules of it from one place and one version" in done.text
    assert "Traceback" not in done.text


def test_the_door_of_the_catalog_leads_to_the_same_workflow(tmp_path):
    config = {"samples": raw_stacks(tmp_path), **SMALL}
    runner = Runner(tmp_path / "door", ROOT / "workflow/Snakefile")
    runner.config = config
    runner.run()
    assert (runner.folder / "results" / ONLY_DIRECT).exists()
    made = {name: data for name, data in runner.outputs().items() if name != ONLY_DIRECT}
    assert made == made_directly(tmp_path / "direct", config)


def test_the_catalog_finds_what_it_looks_for():
    """The checks of the catalog: https://snakemake.github.io/snakemake-workflow-catalog."""
    assert (ROOT / "workflow/Snakefile").is_file()
    assert (ROOT / "config/README.md").is_file()
    assert (ROOT / "README.md").is_file() and (ROOT / "LICENSE").is_file()
    settings = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())
    usage = settings["usage"]
    assert usage["mandatory-flags"].keys() == {"desc", "flags"}
    deployment = usage["software-stack-deployment"]
    assert deployment["conda"] is True
    assert not (deployment["apptainer"] or deployment["apptainer+conda"])
    # Every rule names an environment: `conda: true` is a promise.
    for file in (ROOT / "workflow/rules").glob("*.smk"):
        text = file.read_text()
        assert text.count("\n    conda:") == len(re.findall(r"^rule ", text, re.M)), file
    assert (
        usage["report"] is True and "report(" in (ROOT / "workflow/rules/plot_qc.smk").read_text()
    )


def test_the_catalogs_linters_are_content(tmp_path):
    folder = copy_clone(tmp_path / "clone").parent
    snakemake = [sys.executable, "-m", "snakemake", "-s", "workflow/Snakefile", "--lint"]
    snakefmt = [Path(sys.executable).with_name("snakefmt"), "--check", "workflow", "Snakefile"]
    if not snakefmt[0].exists():
        pytest.skip("needs snakefmt")
    for command in (snakemake, snakefmt):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
