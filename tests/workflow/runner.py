"""Runs of the real workflow in folders of their own."""

import copy
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
import yaml

ROOT = Path(__file__).parents[2]
PROFILE = ROOT / "workflow/profiles/workstation"


@dataclass
class Done:
    """A finished run: exit status, what it printed, and which jobs it ran."""

    status: int
    text: str

    @property
    def jobs(self) -> dict[str, int]:
        """Number of jobs of each rule that this run had to do."""
        table = re.search(r"^Job stats:\n.*?\n-+ .*?\n(.*?)\n\n", self.text, re.S | re.M)
        rows = [line.split() for line in table.group(1).splitlines()] if table else []
        return {row[0]: int(row[1]) for row in rows if row[0] not in ("all", "total")}

    @property
    def samples(self) -> dict[str, list[str]]:
        """The samples of which this run started a job, by rule; [""] for a rule of the run."""
        found = defaultdict(list)
        for rule, job in re.findall(r"^(?:local)?rule (\w+):\n((?: .*\n)*)", self.text, re.M):
            sample = re.search(r"wildcards: sample=(.*)", job)
            found[rule].append(sample[1] if sample else "")
        return {rule: sorted(names) for rule, names in found.items() if rule != "all"}


class Runner:
    """Runs the workflow in one folder with one config, changed at will between runs."""

    def __init__(self, folder: Path, snakefile: Path = ROOT / "Snakefile"):
        self.folder, self.snakefile = folder, snakefile
        self.config: dict = {}
        folder.mkdir(parents=True, exist_ok=True)

    def command(self, *arguments: str, cores: int = 2, profile: Path = PROFILE) -> list[str]:
        """Give the command line, and write the config that it names."""
        command = [sys.executable, "-m", "snakemake", "-s", str(self.snakefile)]
        command += ["--profile", str(profile), "--directory", str(self.folder)]
        command += ["--cores", str(cores)]
        if self.config:
            file = self.folder / "config.yaml"
            file.write_text(yaml.safe_dump(self.config, sort_keys=False), encoding="utf-8")
            command += ["--configfile", str(file)]
        return [*command, *arguments]

    def run(
        self, *arguments: str, status: int = 0, environment: dict | None = None, **options
    ) -> Done:
        """Run and check the exit status."""
        environment = os.environ | {"COLUMNS": "200"} | (environment or {})
        done = subprocess.run(
            self.command(*arguments, **options),
            capture_output=True, text=True, timeout=600, check=False, env=environment,
        )  # fmt: skip
        text = done.stdout + done.stderr
        assert done.returncode == status, text
        return Done(done.returncode, text)

    def outputs(self) -> dict[str, bytes]:
        """Give every file under results/ but the logs, by its relative path."""
        results = self.folder / "results"
        return {
            str(path.relative_to(results)): path.read_bytes()
            for path in sorted(results.rglob("*"))
            if path.is_file() and "logs" not in path.relative_to(results).parts
        }

    def copy(self, folder: Path, snakefile: Path | None = None) -> "Runner":
        """Copy the folder, times and all, and go on there."""
        shutil.copytree(self.folder, folder, symlinks=True)
        other = Runner(folder, snakefile or self.snakefile)
        other.config = copy.deepcopy(self.config)
        return other


def write_stack(path: Path, seed: int = 0, shape: tuple = (3, 32, 32), **options) -> Path:
    """Write a small stack, some squares on an uneven ground; its pixels depend on the seed."""
    random = np.random.default_rng(seed)
    stack = random.poisson(100 + np.arange(shape[-1]), shape).astype("u2")
    for y, x in random.integers(4, 24, (4, 2)):
        stack[..., y : y + 5, x : x + 5] += 700
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"metadata": {"axes": "CZYX"[-len(shape) :]}} | options
    tifffile.imwrite(path, stack, photometric="minisblack", **options)
    return path


def _not_of_the_project(folder: str, names: list[str]) -> set[str]:
    """Leave out what a run makes; `results` is such a folder only at the top."""
    made = shutil.ignore_patterns(".*", "__pycache__", "tests", "*.egg-info")(folder, names)
    return made | ({"results"} if Path(folder) == ROOT else set())


def copy_clone(folder: Path) -> Path:
    """Copy the repository as a fresh checkout has it, all times new; give its Snakefile."""
    shutil.copytree(
        ROOT, folder, copy_function=shutil.copyfile,
        ignore=_not_of_the_project,
    )  # fmt: skip
    return folder / "Snakefile"
