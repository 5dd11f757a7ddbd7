"""The driver's estimates against the peaks that real jobs reach."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml
from clearfield.workflow.resources import (
    SNAKEMAKE_MB,
    job_disk_mb,
    job_memory_mb,
    job_threads,
    measure,
)
from clearfield.workflow.settings import rule_settings

pytestmark = pytest.mark.second_tier
ROOT = Path(__file__).parents[2]
RULES = ("load_stack", "project_stack", "subtract_background", "save_background", "plot_qc")
# A process inherits the peak of the one that it is forked from: a lean one has to start the job.
# It gets no more addresses than MB were asked for: that is what Grid Engine's h_vmem limits.
LAUNCHER = """
import os, resource, sys
limit = int(sys.argv.pop(1)) << 20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
job = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(job, 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status) != 0)
"""


def write_stack(path: Path, shape: tuple[int, int, int], dtype: str, compression: str | None):
    plane = np.random.default_rng(0).poisson(150, shape[1:]).astype(dtype)
    planes = (np.roll(plane, 17 * z, 1) for z in range(shape[0]))
    tifffile.imwrite(
        path, planes, shape=shape, dtype=dtype, compression=compression, ome=True,
        metadata={"axes": "ZYX"},
    )  # fmt: skip


def bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def run_job(
    rule: str, folder: Path, raw: Path, config: dict, threads: int, limit: int
) -> tuple[float, float]:
    """Run one job; give its peak of resident memory and what it wrote, both in MB."""
    files = {
        "load_stack": {"path": raw, "stack": folder / "x.stack"},
        "project_stack": {
            "stack": folder / "x.stack", "projection": folder / "p.tif", "statistics": folder / "p",
        },
        "subtract_background": {
            "projection": folder / "p.tif", "subtracted": folder / "s.tif", "summary": folder / "s",
        },
        "save_background": {"projection": folder / "p.tif", "background": folder / "b.tif"},
        "plot_qc": {
            "projection": folder / "p.tif", "statistics": folder / "p",
            "subtracted": folder / "s.tif", "summary": folder / "s",
            "figure": folder / "q.png", "table": folder / "q.tsv", "planes": folder / "planes",
        },
    }[rule]  # fmt: skip
    section = "subtract_background" if rule == "save_background" else rule
    values = {**files, "settings": rule_settings(config)[section]}
    if rule != "project_stack":
        values["sample"] = "x"
    if rule not in ("load_stack", "plot_qc"):
        values["threads"] = threads
    before = bytes_in(folder)
    arguments = [str(ROOT / f"scripts/{rule}.py")]
    for name, value in values.items():
        arguments += [f"--{name}", str(value)]
    done = subprocess.run(
        [sys.executable, "-S", "-c", LAUNCHER, str(limit), sys.executable, *arguments],
        capture_output=True, text=True, check=False, timeout=300,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        | {"MALLOC_ARENA_MAX": "1"},  # as the profile sge sets it
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    written = bytes_in(folder) - before
    return int(done.stdout.split()[-1]) / 1024, written / 2**20


@pytest.mark.parametrize(
    ("shape", "dtype", "compression", "projection", "method"),
    [
        ((8, 256, 256), "uint16", None, "max", "tophat"),
        ((12, 2048, 2048), "uint16", None, "max", "tophat"),
        ((12, 2048, 2048), "uint16", "zlib", "std", "dog"),
        ((3, 4096, 4096), "uint8", None, "mean", "minmax"),
        ((5, 4096, 4096), "float32", None, "median", "dog"),
        ((2, 8192, 8192), "uint16", None, "max", "tophat"),
        ((2, 8192, 8192), "float32", None, "max", "dog"),
        ((2, 12288, 12288), "uint16", None, "max", "tophat"),
        ((12, 2048, 2048), "uint16", None, "max", "tophat, smooth"),
        ((2, 8192, 8192), "uint16", None, "max", "tophat, smooth"),
    ],
)
def test_estimates_lie_within_a_factor_of_two(
    shape, dtype, compression, projection, method, tmp_path
):
    raw = tmp_path / "raw.ome.tif"
    write_stack(raw, shape, dtype, compression)
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
    config["project_stack"]["method"] = projection
    config["subtract_background"]["method"], _, smooth = method.partition(", ")
    config["subtract_background"]["tophat"]["smooth"] = int(bool(smooth))
    geometry = measure((str(raw),))
    assert geometry.depth == shape[0]
    assert geometry.plane_pixels == shape[1] * shape[2]
    folder = tmp_path / "made"
    folder.mkdir()
    for rule in RULES:
        granted = job_memory_mb(rule, geometry, config)
        peak, written = run_job(rule, folder, raw, config, job_threads(geometry), granted)
        estimate = granted - SNAKEMAKE_MB
        # Rounded up to 50 MB: small jobs may be given that much more.
        assert peak <= estimate <= 2 * peak + 50, (rule, peak, estimate)
        disk = job_disk_mb(rule, geometry, config)
        # How far a stack was compressed and whether values need a float the header does not say.
        assert written <= disk <= 4 * written + 2, (rule, written, disk)
