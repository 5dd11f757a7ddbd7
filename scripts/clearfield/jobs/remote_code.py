"""The code of a workflow that lies in a remote repository, brought into one folder of this disk.

Of such a workflow only the files that are asked for reach the machine. This file is read alone,
before the rest of the package is there: it imports nothing of it.
"""

import hashlib
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from shutil import rmtree

SCRIPTS = (
    "fetch_stack",
    "load_stack",
    "keep_stack",
    "project_stack",
    "estimate_flatfield",
    "correct_light",
    "subtract_background",
    "save_background",
    "plot_qc",
    "summarize_qc",
    "report_run",
    "list_inputs",
    "explore_parameters",
    "clearfield/jobs/serve_jobs",
)
"""What needs the code, wherever the workflow itself lies; what these import comes with them."""
STATUS_COMMANDS = tuple(
    f"workflow/profiles/{profile}/status.sh" for profile in ("slurm-grouped", "sge", "generic")
)
SETTINGS = (
    "config/config.yaml",
    "workflow/schemas/config.schema.yaml",
    "workflow/schemas/samples.schema.yaml",
)


def list_scripts(rules: str) -> tuple[str, ...]:
    """Name the scripts, and the modules that the text of a rules file imports.

    Examples
    --------
    >>> list_scripts("from clearfield.workflow.run import Run")[-1]
    'clearfield/workflow/run'
    """
    imported = re.findall(r"^from (clearfield[.\w]*) import", rules, re.MULTILINE)
    return (*SCRIPTS, *(name.replace(".", "/") for name in imported))


def collect_code(
    fetch: Callable[[str, Path], bool],
    rules: str,
    home: Path,
    code_files: Callable,
) -> Path:
    """Bring the code of a workflow that lies elsewhere into one folder, with its structure.

    Parameters
    ----------
    fetch : callable
        Takes the path of a file in the repository and where to copy it; tells whether there is one.
    rules : str
        Text of the rules file that imports modules of the package.
    home : Path
        Where the folder is made; its name is a hash of what it holds, so that the same code has
        the same folder and the code of another version does not take its place.
    code_files : callable
        That of `codehash`, which follows imports.

    Raises
    ------
    FileNotFoundError
        Names a script or a file that the repository does not have.
    """
    scripts = list_scripts(rules)
    home.mkdir(parents=True, exist_ok=True)
    new = Path(tempfile.mkdtemp(prefix="new-", dir=home))
    tried: dict[Path, bool] = {}

    def exists(path: Path) -> bool:
        if path not in tried:
            path.parent.mkdir(parents=True, exist_ok=True)
            tried[path] = fetch(str(path.relative_to(new)), path)
        return tried[path]

    try:
        for name in (*(f"scripts/{name}.py" for name in scripts), *STATUS_COMMANDS, *SETTINGS):
            if not exists(new / name):
                raise FileNotFoundError(name)
        for other in STATUS_COMMANDS:
            (new / other).chmod(0o755)
        for script in scripts:
            code_files(str(new / "scripts"), script, exists)
        for path in [path for path, found in tried.items() if found and path.suffix == ".py"]:
            for room in path.relative_to(new / "scripts").parents[:-1]:
                exists(new / "scripts" / room / "__init__.py")
        digest = hashlib.sha256()
        for path in sorted(path for path, found in tried.items() if found):
            digest.update(f"{path.relative_to(new)}\0".encode() + path.read_bytes() + b"\0")
        final = home / digest.hexdigest()[:16]
        if not final.exists():
            try:
                os.rename(new, final)  # noqa: PTH104  (to a name that may be taken meanwhile)
            except OSError:
                if not final.exists():
                    raise
        return final
    finally:
        rmtree(new, ignore_errors=True)
