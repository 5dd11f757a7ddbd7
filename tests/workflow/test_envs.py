"""The environments and the locks: what each rule, a run and the tests need, and no more."""

import ast
import io
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from clearfield.formats.remote import look_up
from clearfield.jobs.codehash import code_files
from clearfield.workflow.settings import json_text, rule_settings
from PIL import Image
from runner import ROOT, copy_clone
from servers import static_server

ENVS = {path.stem: path for path in sorted((ROOT / "envs").glob("*.yaml"))}
# Distribution (as conda-forge names it) of each module whose name differs from it.
DISTRIBUTIONS = {
    "matplotlib": "matplotlib-base",
    "PIL": "pillow",
    "yaml": "pyyaml",
}
# The releases that conda-forge was seen to have: CONTRIBUTING.md says how to renew them.
ON_CONDA_FORGE = {
    "aiohttp": "3.14.4",
    "fsspec": "2026.4.0",
    "h5py": "3.15.1",
    "imagecodecs": "2026.6.26",
    "itables": "2.9.1",
    "liffile": "2026.7.14",
    "matplotlib-base": "3.11.0",
    "nd2": "0.11.1",
    "numpy": "2.5.1",
    "oiffile": "2025.5.10",
    "pillow": "12.0.0",
    "pyyaml": "6.0.3",
    "s3fs": "2026.4.0",
    "threadpoolctl": "3.6.0",
    "tifffile": "2026.5.15",
    "zarr": "3.2.1",
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
def test_pins_are_releases_that_conda_forge_has(rule):
    """Not the lock's: conda-forge follows PyPI by weeks, and one pin that it lacks ends all."""
    for name, pin in packages(rule).items():
        assert pin == ON_CONDA_FORGE[name], name


def locked(name: str) -> dict[str, list[str]]:
    """Hashes of each line ``package==version ; marker`` of a lock."""
    found: dict[str, list[str]] = {}
    for line in (ROOT / "envs" / name).read_text("utf-8").splitlines():
        if re.match(r"[\w.-]+==", line):
            hashes = found[line.removesuffix(" \\")] = []
        elif line.startswith("    --hash="):
            hashes.append(line.strip(" \\"))
    return found


def test_the_lock_of_a_run_is_a_part_of_the_lock_of_the_tests():
    run, tests = locked("lock.txt"), locked("lock_tests.txt")
    assert run.items() < tests.items()
    assert all(tests.values())  # each has hashes
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    names = {
        extra: {re.match(r"[\w-]+", entry)[0].lower() for entry in entries}
        for extra, entries in extras["optional-dependencies"].items()
    }
    in_run, in_tests = ({re.match(r"[\w.-]+", line)[0] for line in lock} for lock in (run, tests))
    assert names["workflow"] <= in_run
    assert names["tests"] <= in_tests
    assert names["tests"] & in_run <= {"ome-types"}  # which nd2 needs


@pytest.mark.parametrize("name", ["lock.txt", "lock_tests.txt"])
def test_a_lock_names_no_address(name):
    text = (ROOT / "envs" / name).read_text("utf-8")
    assert "://" not in text
    assert not re.search("^-", text, re.M)  # no --index-url, no -e


def test_the_first_command_of_the_readme_brings_a_run_and_the_second_the_tests():
    commands = re.findall(
        r"^```sh\n(.*?)\n```", (ROOT / "README.md").read_text("utf-8"), re.S | re.M
    )
    for command, lock in zip(commands, ("lock.txt", "lock_tests.txt"), strict=False):
        assert re.findall(r"--require-hashes -r envs/(\S+)", command) == [lock]


def find_python(version: str) -> str:
    """Give a Python of this version, or skip."""
    pyenv = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}"))
    for python in (shutil.which(f"python{version}"), *pyenv):
        if python and not subprocess.run([python, "-c", ""], capture_output=True).returncode:
            return str(python)
    pytest.skip(f"needs Python {version}, which is not here")


def make_environment(python: str, folder: Path, packages: list[str]) -> Path:
    """Make a virtual environment of another Python with these packages; give its Python."""
    own = folder / "bin/python"
    install = [sys.executable, "-m", "pip", "--python", own, "install", "-q", *packages]
    for command in ([python, "-m", "venv", "--without-pip", folder], install if packages else []):
        if command:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
            assert done.returncode == 0, done.stderr
    return own


@pytest.mark.second_tier
@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_the_line_for_notebooks_works(version, tmp_path):
    """README's ``pip install CLONE``, with what PyPI gives a Python of this version."""
    clone = copy_clone(tmp_path / "clone").parent
    python = make_environment(find_python(version), tmp_path / "venv", [str(clone)])
    code = """if True:
        import numpy as np
        from clearfield import subtract_background, white_tophat
        point = np.full((9, 9), 5, "u2")
        point[4, 4] = 9
        assert white_tophat(point, 1).sum() == 4
        assert (np.asarray(subtract_background(point, radius=1)) == white_tophat(point, 1)).all()
    """
    done = subprocess.run(
        [python, "-I", "-W", "error", "-c", code], cwd=tmp_path,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def _without_versions(data: bytes) -> bytes:
    """Leave out numpy's version, which every result names, and the UUID that is made of it.

    And the page's thumbnails: they are lossy, by the libwebp that comes with Pillow. Of a PNG,
    which has a checksum of the version too, the pixels and the texts count.
    """
    if data.startswith(b"\x89PNG"):
        image = Image.open(io.BytesIO(data))
        texts = "".join(f"{name} {text}" for name, text in image.info.items())
        data = f"{image.size} {texts}".encode() + image.tobytes()
    data = re.sub(rb'data:image/webp;base64,[^"]*', b"", data)
    data = re.sub(rb'("|&quot;)numpy\1: \1[\d.]+', b"", data)
    return re.sub(rb"urn:uuid:[\da-f-]{36}", b"", data)


@pytest.mark.second_tier
def test_each_script_gives_the_same_bytes_in_an_environment_with_nothing_else(tmp_path):
    """The example: here, and each rule in the releases of its file on their Python, from PyPI."""
    (version,) = {
        entry.removeprefix("python =")
        for file in ENVS.values()
        for entry in yaml.safe_load(file.read_text("utf-8"))["dependencies"]
        if entry.startswith("python =")
    }
    newer = find_python(version)
    pythons = {}

    def python(rule: str) -> Path:
        wanted = frozenset(f"{ON_PYPI.get(n, n)}=={pin}" for n, pin in packages(rule).items())
        if wanted not in pythons:
            folder = tmp_path / f"venv{len(pythons)}"
            pythons[wanted] = make_environment(newer, folder, sorted(wanted))
        return pythons[wanted]

    for folder, choose in (
        (tmp_path / "here", lambda rule: sys.executable),
        (tmp_path / "conda", python),
    ):
        folder.mkdir()
        with static_server(ROOT / "resources/example") as server:
            url = f"{server.url}/nuclei_low_haze.tif"
            assert set(ENVS) == run_each_script(folder, choose, url)
    made = {
        path.relative_to(tmp_path / "here"): path
        for path in (tmp_path / "here").rglob("*") if path.is_file()
    }  # fmt: skip
    assert len(made) >= 14
    for name, path in made.items():
        one, other = path.read_bytes(), (tmp_path / "conda" / name).read_bytes()
        assert _without_versions(one) == _without_versions(other), name


LIGHT = ("estimate_flatfield", "correct_light")


def run_each_script(folder: Path, choose_python, url: str) -> set[str]:
    """Run the example's first stack through all scripts; give the rules that ran."""
    ran = set()

    def run(rule: str, stdin: str = "", **values: str) -> None:
        ran.add(rule)
        arguments = [part for name, value in values.items() for part in (f"--{name}", value)]
        script = ROOT / f"scripts/{rule}.py"
        done = subprocess.run(
            [choose_python(rule), script, *arguments],
            input=stdin, capture_output=True, text=True, timeout=300, check=False, cwd=folder,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    config = yaml.safe_load((ROOT / "config/config.yaml").read_text("utf-8"))
    settings = rule_settings(config)
    raw = str(ROOT / "resources/example/nuclei_low_haze.tif")
    for rule, values in {
        "fetch_stack": {"url": url, "version": look_up(url).version, "fetched": "fetched.tif"},
        "list_inputs": {"table": "inputs.tsv", "unread": "inputs_unread.tsv"},
        "load_stack": {"path": raw, "sample": "s", "stack": "s.stack"},
        "keep_stack": {"stack": "s.stack", "kept": "kept.ome.tif", "threads": "1"},
        "project_stack": {
            "stack": "s.stack", "projection": "p.ome.tif", "statistics": "p.json", "threads": "1",
        },
        "estimate_flatfield": {
            "profile": "light.ome.tif", "facts": "light.json", "figure": "light.png",
            "folder": ".", "group": "all", "threads": "1", "settings": json_text({"offset": 0}),
        },
        "correct_light": {
            "projection": "p.ome.tif", "profile": json_text("light.ome.tif"), "sample": "s",
            "corrected": "c.ome.tif",
            "settings": json_text({"offset": 0, "flatfield": "estimate"}),
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
        elif rule not in ("fetch_stack", "keep_stack", "list_inputs", "report_run", *LIGHT):
            values["settings"] = settings.get(rule) or json_text(config[rule])
        stdin = {
            "list_inputs": f"s\t{raw}\n", "summarize_qc": "qc/samples/s.tsv\n",
            "estimate_flatfield": "p.ome.tif\n",
        }  # fmt: skip
        run(rule, stdin.get(rule, ""), **values)
    return ran
