"""The workflow in the hands of others: as a module, through its door, from the catalog."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import yaml
from clearfield.jobs.codehash import hash_code
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

    def run(
        self, *arguments: str, status: int = 0, environment: dict[str, str] | None = None
    ) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", "snakemake", "--cores", "2", *arguments], cwd=self.folder,
            capture_output=True, text=True, timeout=600, check=False,
            env={k: v for k, v in os.environ.items() if k != "CLEARFIELD"} | (environment or {}),
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
    sheet = "sample\tpath\tcondition\ns0\traw/s0.tif\tcontrol\ns1\traw/s1.tif\tdrug\n"
    (tmp_path / "importer/sheet.tsv").write_text(sheet)
    importer = Importer(
        tmp_path / "importer", module({"samples": "sheet.tsv", **SMALL}, prefix="out")
    )
    importer.run()
    table = (importer.folder / "out/results/qc/metrics.tsv").read_text().splitlines()
    assert [row.split("\t")[-1] for row in table] == ["condition", "control", "drug"]
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
    assert done.text.count("these are the simulated stacks of the example, not yours") == 1


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


@pytest.mark.parametrize("direct", [True, False])
def test_an_old_snakemake_is_one_sentence(direct, tmp_path):
    Importer(tmp_path, module({}))
    snakefile = ROOT / "Snakefile" if direct else tmp_path / "Snakefile"
    code = f"""if True:
        import snakemake.common
        snakemake.common.__version__ = "8.30.0"
        from snakemake.cli import main
        main(["-s", {str(snakefile)!r}, "-n"])
    """
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    text = done.stdout + done.stderr
    assert "Expecting Snakemake version 9.20 or higher (you are currently using 8.30.0)" in text
    assert "Traceback" not in text


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    """A Git repository that holds this version, with the tag v1, and no files outside of Git."""
    folder = copy_clone(tmp_path_factory.mktemp("git") / "clone").parent
    bare = folder.parent / "host/somebody/clearfield"
    for command in (
        ["init", "-q"],
        ["add", "-A"],
        ["-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-q", "-m", "x"],
        ["tag", "v1"],
        ["clone", "-q", "--no-checkout", ".", str(bare)],
    ):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return bare


def from_git(repository: Path, path: str = "Snakefile", tag: str = "v1") -> str:
    return f"gitfile({str(repository)!r}, path={path!r}, tag={tag!r})"


def test_a_module_from_git_makes_the_bytes_of_a_direct_run(repository, tmp_path):
    config = {"samples": raw_stacks(tmp_path), **SMALL}
    folder = tmp_path / "importer"
    importer = Importer(folder, module(config, from_git(repository)))
    done = importer.run()
    assert str(ROOT) not in done.text.replace(sys.prefix, "")  # whose packages may lie below it
    assert Runner(folder).outputs() == made_directly(tmp_path / "direct", config)
    assert "Nothing to be done" in importer.run("-n").text
    # The code has the hashes of the clone: to go from one to the other repeats nothing.
    importer = Importer(folder, module(config))
    assert "Nothing to be done" in importer.run("-n").text


def test_a_module_by_the_name_of_github_brings_all_its_code(repository, tmp_path):
    config = {"samples": raw_stacks(tmp_path), **SMALL}
    folder = tmp_path / "importer"
    name = 'github("somebody/clearfield", path="workflow/Snakefile", tag="v1")'
    environment = as_github(repository, tmp_path)
    importer = Importer(folder, module(config, name, prefix="night1"))
    importer.run(environment=environment)
    assert Runner(folder / "night1").outputs() == made_directly(tmp_path / "direct", config)
    assert "Nothing to be done" in importer.run("-n", environment=environment).text
    (copied,) = (folder / ".snakemake/clearfield").iterdir()
    scripts = sorted(path.name for path in (ROOT / "scripts").glob("*.py"))
    assert scripts == sorted(path.name for path in (copied / "scripts").glob("*.py"))
    for script in scripts:
        hashes = {hash_code(str(top / "scripts"), script[:-3]) for top in (ROOT, copied)}
        assert len(hashes) == 1, script
    # What the driver's side imports, and the status commands of the profiles.
    done = subprocess.run(
        [sys.executable, "-c", "import clearfield.jobs.serve_jobs as s; s.import_what_jobs_need()"],
        cwd=copied / "scripts", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for status in (ROOT / "workflow/profiles").glob("*/status.sh"):
        other = copied / status.relative_to(ROOT)
        assert other.read_bytes() == status.read_bytes() and os.access(other, os.X_OK)


@pytest.mark.parametrize(
    ("config", "options", "sentence"),
    [
        ({"samples": "x"}, {"tag": "v9"}, "Failed to get local git source file"),
        ({"samples": "x"}, {"path": "Snakefiel"}, "Failed to get local git source file"),
        ({"samples": "x.tif"}, {}, "samples: no file matches x.tif"),
    ],
)
def test_a_mistake_with_a_remote_module_is_one_sentence(
    config, options, sentence, repository, tmp_path
):
    text = module(config, from_git(repository, **options))
    done = Importer(tmp_path, text).run("-n", status=1)
    assert sentence in done.text
    assert "Traceback" not in done.text


def test_two_versions_in_one_workflow_are_refused(tmp_path):
    other = copy_clone(tmp_path / "clone")
    config = {"samples": raw_stacks(tmp_path)}
    text = module(config, prefix="one") + module(config, repr(str(other)), name="b", prefix="two")
    done = Importer(tmp_path / "importer", text).run("-n", status=1)
    assert "take all modules of it from one place and one version" in done.text
    assert "Traceback" not in done.text


EXAMPLES = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs/reuse.md").read_text(), re.S | re.M)


@pytest.mark.parametrize(
    ("number", "pages"), [(0, [""]), (1, [""]), (2, ["small", "large"])], ids=["path", "git", "two"]
)
def test_the_examples_of_the_docs_run(number, pages, repository, tmp_path):
    assert len(EXAMPLES) == 3
    raw_stacks(tmp_path)
    text = EXAMPLES[number].replace("CLONE", str(ROOT)).replace("REPOSITORY", str(repository))
    importer = Importer(tmp_path, text.replace("v0.2.0", "v1"))
    importer.run()
    for page in pages:
        assert (tmp_path / page / "results/report/index.html").is_file()
        assert len(list((tmp_path / page / "results/qc").glob("*.png"))) == 2
    assert "Nothing to be done" in importer.run("-n").text


def as_github(repository: Path, folder: Path) -> dict[str, str]:
    """Let Git take a local repository for GitHub's: there is no network here."""
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{repository.parents[1]}/.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/",
        "XDG_CACHE_HOME": str(folder / "cache"),
    }


@pytest.mark.second_tier
def test_snakedeploy_gives_a_folder_that_runs_the_example(repository, tmp_path):
    """With the two commands of the docs, then with samples of one's own."""
    (commands,) = re.findall(
        r"^```sh\n(snakedeploy .*?)^```", (ROOT / "docs/reuse.md").read_text(), re.S | re.M
    )
    for word, value in (("OWNER/NAME", "somebody/clearfield"), ("v0.2.0", "v1")):
        assert word in commands
        commands = commands.replace(word, value)
    environment = os.environ | as_github(repository, tmp_path)
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-euc", commands], cwd=tmp_path, env=environment,
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert str(ROOT) not in (done.stdout + done.stderr).replace(sys.prefix, "")
    assert "these are the simulated stacks of the example, not yours" in done.stderr
    deployed = tmp_path / "night1"
    assert Runner(deployed).outputs() == made_directly(tmp_path / "direct", {})

    raw_stacks(deployed)
    config = deployed / "config/config.yaml"
    config.write_text(config.read_text().replace("resources/example/*.tif", "raw/*.tif"))
    importer = Importer(deployed, "")
    (deployed / "Snakefile").unlink()  # theirs is workflow/Snakefile
    importer.run(environment=as_github(repository, tmp_path))
    assert {path.stem for path in (deployed / "results/qc").glob("*.png")} >= {"s0", "s1"}


@pytest.mark.second_tier
def test_a_wheel_gives_notebooks_every_room_without_the_clone(tmp_path):
    clone = copy_clone(tmp_path / "clone").parent
    for command in (
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path), str(clone)],
        [sys.executable, "-m", "venv", str(tmp_path / "venv")],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    python = tmp_path / "venv/bin/python"
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", wheel], check=True)
    package = ROOT / "scripts/clearfield"
    modules = {str(path.relative_to(package)) for path in package.rglob("*.py")}
    # NumPy and tifffile are those of this environment, which come last.
    code = f"""if True:
        import pathlib, sys
        import clearfield
        home = pathlib.Path(clearfield.__file__).parent
        assert home.is_relative_to({str(tmp_path / "venv")!r}), home
        found = {{str(path.relative_to(home)) for path in home.rglob("*.py")}}
        assert found == {modules!r}, found
        sys.path.append({sysconfig.get_paths()["purelib"]!r})
        import numpy as np
        point = np.zeros((5, 5), "u1")
        point[2, 2] = 9
        assert (clearfield.white_tophat(point, 1) == point).all()
        print(clearfield.__version__)
    """
    shutil.rmtree(clone)
    done = subprocess.run(
        [python, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    version = done.stdout.strip()
    assert version == yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"]
    assert f"version {version}," in (ROOT / "README.md").read_text()
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text()
    assert f'tag="v{version}"' in (ROOT / "docs/reuse.md").read_text()


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
