"""The rooms of the shared module: who may import whom, how large a module may be."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from runner import ROOT

PACKAGE = ROOT / "scripts/clearfield"
ROOMS = sorted(path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file())


def lint(root: Path) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": str(root / "scripts"), "COLUMNS": "200"}
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    return subprocess.run(
        command, cwd=root, capture_output=True, text=True, check=False, env=environment
    )


def test_imports_keep_the_contracts():
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout
    assert "Contracts: 4 kept, 0 broken." in done.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("filters/blurs.py", "from ..results import ometiff", "Filters know planes"),
        ("filters/blurs.py", "from pathlib import Path", "Filters know planes"),
        ("formats/raw.py", "from ..filters import gaussian", "A room imports only"),
        ("qc/sizes.py", "from ..figures import canvas", "A room imports only"),
        ("workflow/means.py", "import numpy as np", "Snakemake's own process"),
        ("stack/whole.py", "import snakemake", "Arithmetic knows nothing"),
    ],
)
def test_a_wrong_import_breaks_a_contract(tmp_path, module, line, contract):
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    for path in PACKAGE.rglob("*.py"):
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    (tmp_path / "scripts/clearfield" / module).write_text(f'"""Wrong."""\n\n{line}\n')
    done = lint(tmp_path)
    assert done.returncode == 1
    assert any(
        text.startswith(contract) and "BROKEN" in text for text in done.stdout.splitlines()
    ), done.stdout


def test_no_module_has_more_than_400_lines():
    lines = {path: len(path.read_text("utf-8").splitlines()) for path in PACKAGE.rglob("*.py")}
    assert {path.name: count for path, count in lines.items() if count > 400} == {}


def test_the_tests_have_the_same_rooms():
    assert {path.name for path in (ROOT / "tests/unit").iterdir() if path.is_dir()} - {
        "__pycache__"
    } == set(ROOMS)


def test_contributing_and_the_architecture_name_each_room():
    for page in ("CONTRIBUTING.md", "docs/architecture.md"):
        text = (ROOT / page).read_text("utf-8")
        assert [room for room in ROOMS if f"`{room}/`" not in text] == [], page


@pytest.mark.parametrize("room", ["workflow", "methods"])
def test_snakemakes_own_process_gets_no_numpy(room):
    modules = [f"clearfield.{room}.{path.stem}" for path in sorted((PACKAGE / room).glob("*.py"))]
    own = {"methods": {"subtraction", "difference"}}.get(room, set())
    names = [name for name in modules if name.rpartition(".")[2] not in {"__init__", *own}]
    code = f"import sys\nfor name in {names}:\n    __import__(name)\nprint('numpy' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT / "scripts")},
    )  # fmt: skip
    assert done.stdout == "False\n"
