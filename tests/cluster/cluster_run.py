"""Runs of the real workflow through a real scheduler."""

import os
import re
import subprocess
import sys
from pathlib import Path

import grid_engine as sge_stand
import slurm as slurm_stand
import yaml
from stand import end, wait_for

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
EXAMPLE = ROOT / "resources/example"
PROFILES = ROOT / "workflow/profiles"

# The profiles are made for nights, not for tests of a minute; and the stand has no accounting
# database that knows its jobs.
HASTE = {
    "slurm": ["--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "1"],
    "slurm-grouped": ["--seconds-between-status-checks", "1"],
    "sge": ["--seconds-between-status-checks", "1"],
}
for options in HASTE.values():
    options += ["--max-jobs-per-timespan", "20/1s"]  # a run ends up to one timespan late
HASTE["slurm-grouped"] += ["--group-components", "sample=1"]  # as the others have it
PLUGINS = {"slurm": "slurm", "slurm-grouped": "cluster_generic", "sge": "cluster_generic"}
STANDS = {"slurm": slurm_stand, "slurm-grouped": slurm_stand, "sge": sge_stand}
STARTS = {
    "slurm": slurm_stand.slurm,
    "slurm-grouped": slurm_stand.slurm,
    "sge": sge_stand.grid_engine,
}
# A cluster's python has its bytecode; without it, each start of Snakemake takes seconds more.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


class ClusterRun:
    """The workflow in one folder, run through a scheduler with its profile, unless told else."""

    def __init__(self, folder: Path, stand=None):
        self.folder, self.stand = folder, stand
        self.config: dict = {}
        self.options = HASTE
        self.drivers: list[subprocess.Popen] = []
        self.faults = folder / "faults"
        self.faults.mkdir(parents=True)
        self.environment = ENVIRONMENT | (stand.environment if stand else {}) | {"COLUMNS": "200"}
        self.environment.pop("PYTHONDONTWRITEBYTECODE", None)
        self.environment["CLEARFIELD_FAULTS"] = str(self.faults)
        self.environment["PYTHONPATH"] = str(HERE / "faults")

    def command(self, *arguments: str, profile: str | None = None) -> list[str]:
        profile = profile or (self.stand.name if self.stand else "workstation")
        command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile")]
        command += ["--directory", str(self.folder), "--profile", str(PROFILES / profile)]
        command += [*self.options.get(profile, ["--cores", "2"]), "--latency-wait", "5"]
        if self.config:
            file = self.folder / "config.yaml"
            file.write_text(yaml.safe_dump(self.config), encoding="utf-8")
            command += ["--configfile", str(file)]
        return [*command, *arguments]

    def run(self, *arguments: str, status: int = 0, profile: str | None = None) -> str:
        done = subprocess.run(
            self.command(*arguments, profile=profile), env=self.environment,
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        text = done.stdout + done.stderr
        assert done.returncode == status, text
        return text

    def start(self, *arguments: str) -> subprocess.Popen:
        """Start a run and leave it to itself; what it says goes to `run.log`."""
        with (self.folder / "run.log").open("a") as log:
            driver = subprocess.Popen(
                self.command(*arguments), env=self.environment, stdout=log, stderr=log
            )
        self.drivers.append(driver)
        return driver

    def close(self) -> None:
        """End what a failed test has left running."""
        (self.faults / "hold").unlink(missing_ok=True)
        end([driver.pid for driver in self.drivers if driver.poll() is None])
        for job in self.stand.running():
            self.stand.cancel(job)

    def finish(self, driver: subprocess.Popen, status: int = 0) -> str:
        try:
            driver.wait(240)
        finally:
            end([driver.pid] if driver.poll() is None else [])
        text = (self.folder / "run.log").read_text()
        assert driver.returncode == status, text
        return text

    def hold(self, driver: subprocess.Popen, fault: str = "hold") -> str:
        """Wait until a job stands still in the middle of writing; give its number."""
        wait_for("a job in the middle of writing", lambda: self.held() or driver.poll(), 120)
        assert driver.poll() is None, (self.folder / "run.log").read_text()
        # Grid Engine calls a job running once the node has reported it, up to a second later.
        return max(wait_for("the scheduler's word of the job", self.stand.running), key=int)

    def held(self) -> list[Path]:
        return sorted(self.faults.glob("held.*"))

    def outputs(self, sample: str = "") -> dict[str, bytes]:
        """Give every file under results/ but the logs, or those of one sample."""
        results = self.folder / "results"
        return {
            str(path.relative_to(results)): path.read_bytes()
            for path in sorted(results.rglob("*"))
            if path.is_file()
            and "logs" not in path.relative_to(results).parts
            and path.name.startswith(sample)
        }

    def unfinished(self) -> list[str]:
        """Files that are under a temporary name."""
        return [str(path) for path in (self.folder / "results").rglob(".*.tmp")]

    def submissions(self, text: str) -> int:
        """Count what a run handed to the scheduler."""
        return len(
            re.findall(r"submitted with SLURM jobid|^Submitted .* with external", text, re.M)
        )
