"""What a folder of stacks costs: the tutorial's loop, a hand-written loop, and this workflow.

    python tests/benchmark/whole_job.py [--stacks 200] [--radius 25 50] [--cores 2]

simulates a folder of stacks of 15 × 1024 × 1024 uint16, takes it through all three in turn, and
prints Markdown: wall and CPU time a stack, and where the workflow's CPU time goes. Files are read
from a warm cache. Needs, beside the workflow's packages, scikit-image and opencv-python-headless.

The loops read, project, subtract and draw; they write no image, no metrics and no provenance.

With `--beside CLONE`, the workflow of another clone of this repository takes turns with this one's,
without the loops, and the ratios of their times are printed.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SCRIPTS = ROOT / "scripts"
PIXEL_UM = 0.35
JOBS = ("load_stack", "project_stack", "subtract_background", "plot_qc")
PARTS = ("interpreter", "imports", "reading", "computing", "writing", "figure")


def main() -> None:
    """Read the command line, run everything and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--stacks", type=int, default=200, help="in the folder")
    parser.add_argument("--different", type=int, default=200, help="further ones are links")
    parser.add_argument("--radius", type=int, nargs="+", default=[25, 50], help="of the disk, px")
    parser.add_argument("--tutorial", type=int, default=2, help="stacks through its loop")
    parser.add_argument("--repeats", type=int, default=1, help="in turn; the medians are printed")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="to work in; default: a temporary one")
    parser.add_argument("--beside", type=Path, help="another clone, to compare both workflows")
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    compileall.compile_dir(SCRIPTS, quiet=1)  # as at set-up
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.folder or Path(temporary)).resolve()
        make_stacks(folder / "raw", options.stacks, options.different)
        if options.beside:
            compileall.compile_dir(options.beside / "scripts", quiet=1)
            for radius in options.radius:
                print_clones(folder, radius, options)
            return
        tables = [compare(folder, radius, options) for radius in options.radius]
        print_comparison(tables, options)
        parts = measure_parts(folder / "raw", folder, options.radius[0])
        print_parts(tables[0]["workflow"], parts, options)


def make_stacks(folder: Path, count: int, different: int) -> None:
    """Write simulated stacks as ImageJ does; keep those that a former run left."""
    import tifffile

    sys.path.insert(0, str(SCRIPTS))
    from clearfield.simulation import benchmark_stacks

    folder.mkdir(parents=True, exist_ok=True)
    names = [folder / f"stack_{number:05}.tif" for number in range(count)]
    for name in set(folder.glob("stack_*.tif")) - set(names):
        name.unlink()
    originals = names[:different]
    if not all(name.exists() for name in originals):
        for name, stack in zip(originals, benchmark_stacks(len(originals)), strict=True):
            tifffile.imwrite(
                name, stack, imagej=True, resolution=(1 / PIXEL_UM, 1 / PIXEL_UM),
                metadata={"axes": "ZYX", "unit": "um"},
            )  # fmt: skip
    for number, name in enumerate(names[different:]):
        if not name.exists():
            name.hardlink_to(originals[number % different])
    for name in originals:
        name.read_bytes()  # into the cache


def compare(folder: Path, radius: int, options: argparse.Namespace) -> dict:
    """Take the folder through each way in turn; give seconds a stack."""
    raw = folder / "raw"
    ways = {
        "tutorial": lambda: run_loop("tutorial", raw, folder, radius, options.tutorial),
        "opencv": lambda: run_loop("opencv", raw, folder, radius, options.stacks),
        "opencv_qc": lambda: run_loop("opencv_qc", raw, folder, radius, options.stacks),
        "workflow": lambda: run_workflow(raw, folder, radius, options),
    }
    runs: dict[str, list[dict]] = {way: [] for way in ways}
    for repeat in range(options.repeats):
        for way, run in ways.items():
            if way != "tutorial" or repeat == 0:
                print(f"radius {radius}, {way} ...", file=sys.stderr, flush=True)
                runs[way].append(run())
    return {
        way: {key: statistics.median(run[key] for run in found) for key in found[0]}
        for way, found in runs.items()
    }


def run_loop(way: str, raw: Path, folder: Path, radius: int, count: int) -> dict:
    """Run a loop in a process of its own."""
    environment = os.environ | {"MPLBACKEND": "agg"}
    command = [sys.executable, HERE / "loops.py", way, raw, folder / way, radius, count]
    started, before = time.perf_counter(), children_cpu()
    text = subprocess.run(
        [str(word) for word in command], check=True, capture_output=True, text=True,
        env=environment,
    ).stdout  # fmt: skip
    wall, cpu = time.perf_counter() - started, children_cpu() - before
    if way == "tutorial":  # extrapolated: its imports are paid once, however many stacks
        wall, cpu = json.loads(text)
    return {"wall": wall / count, "cpu": cpu / count}


def print_clones(folder: Path, radius: int, options: argparse.Namespace) -> None:
    """Take the folder through both clones' workflows in turn; print medians and their ratio."""
    clones = [options.beside.resolve(), ROOT]
    runs: dict[Path, list[dict]] = {clone: [] for clone in clones}
    for repeat in range(options.repeats):
        for clone in clones[:: -1 if repeat % 2 else 1]:
            runs[clone].append(run_workflow(folder / "raw", folder, radius, options, clone))
            print(f"{clone}: {runs[clone][-1]}", file=sys.stderr, flush=True)
    print(f"\n| ms a stack, {options.stacks} stacks, r = {radius} | beside | this | ratio |")
    print("|---|---|---|---|")
    for key in ("wall", "cpu", "jobs", "driver"):
        other, own = (1e3 * statistics.median(run[key] for run in runs[clone]) for clone in clones)
        print(f"| {key} | {other:.0f} | {own:.0f} | {own / other:.2f} |")


def run_workflow(
    raw: Path, folder: Path, radius: int, options: argparse.Namespace, clone: Path = ROOT
) -> dict:
    """Run the workflow anew on the whole folder, then once more with nothing to do."""
    work = folder / f"workflow_{radius}"
    subprocess.run(["rm", "-rf", work], check=True)
    work.mkdir()
    config = {"samples": f"{raw}/*.tif", "subtract_background": {"tophat": {"radius": radius}}}
    (work / "settings.yaml").write_text(json.dumps(config))  # JSON is YAML
    arguments = ["-s", clone / "Snakefile", "--profile", clone / "workflow/profiles/workstation"]
    arguments += ["--directory", work, "--cores", options.cores]
    arguments += ["--configfile", work / "settings.yaml"]
    first, again = drive(arguments), drive(arguments)
    jobs = 4 * options.stacks + 2
    return {
        "wall": first["wall"] / options.stacks,
        "cpu": (first["driver"] + first["jobs"]) / options.stacks,
        "driver": first["driver"] / options.stacks,
        "jobs": first["jobs"] / options.stacks,
        "driver_job": (first["driver"] - again["driver"]) / jobs,
        "nothing_to_do": again["wall"],
    }


def drive(arguments: list) -> dict:
    """Run Snakemake; tell its own CPU time from that of its jobs."""
    code = (
        "import atexit, resource, sys\n"
        "from snakemake.cli import main\n"
        "def report():\n"
        "    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):\n"
        "        used = resource.getrusage(who)\n"
        "        print(used.ru_utime + used.ru_stime)\n"
        "atexit.register(report)\n"
        "main()\n"
    )
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    wall = time.perf_counter() - started
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    driver, jobs = map(float, done.stdout.split()[-2:])
    return {"wall": wall, "driver": driver, "jobs": jobs}


def measure_parts(raw: Path, folder: Path, radius: int, samples: int = 5) -> dict:
    """Run the jobs of a few stacks with timers inside; give the median CPU time of each part.

    As in a run, they are forks of a server that has done their imports.
    """
    import yaml
    from clearfield.jobs.forkserver import start_server
    from clearfield.workflow.settings import rule_settings

    forked = start_server(str(SCRIPTS))
    time.sleep(3)  # until it has imported all

    work = folder / "parts"
    work.mkdir(exist_ok=True)
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
    config["subtract_background"]["tophat"]["radius"] = radius
    settings = rule_settings(config)
    found: dict[str, list[dict]] = {script: [] for script in JOBS}
    for path in islice(sorted(raw.glob("*.tif")), samples):
        files = {
            "path": path, "sample": path.stem, "stack": work / "a.stack",
            "projection": work / "a.ome.tif", "statistics": work / "a.json",
            "subtracted": work / "b.ome.tif", "summary": work / "b.json",
            "figure": work / "a.png", "table": work / "a.tsv", "threads": 1,
        }  # fmt: skip
        for script in JOBS:
            values = {name: str(value) for name, value in files.items()}
            values["settings"] = settings[script]
            before = children_cpu()
            done = subprocess.run(
                [sys.executable, HERE / "job_parts.py", script, json.dumps(values)],
                check=True, capture_output=True, text=True,
            )  # fmt: skip
            parts = json.loads(done.stdout.splitlines()[-1])
            waited = children_cpu() - before
            parts["interpreter"] += waited if forked else waited - sum(parts.values())
            found[script].append(parts)
    return {
        script: {part: statistics.median(run[part] for run in runs) for part in PARTS}
        for script, runs in found.items()
    }


def children_cpu() -> float:
    """Seconds of CPU of all children so far that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def print_comparison(tables: list[dict], options: argparse.Namespace) -> None:
    """Print wall and CPU time a stack, one row for each way."""
    names = {
        "tutorial": f"the tutorial's loop ({options.tutorial} stacks, extrapolated)",
        "opencv": "the loop by hand with OpenCV, three panels",
        "opencv_qc": "the same, with the content of the workflow's figure",
        "workflow": f"clearfield, {options.cores} cores",
    }
    radii = "".join(f" r = {radius}: wall | CPU |" for radius in options.radius)
    print(f"\n| seconds a stack, {options.stacks} stacks |{radii}")
    print("|---|" + "---|---|" * len(tables))
    for way, name in names.items():
        cells = "".join(f" {t[way]['wall']:.2f} | {t[way]['cpu']:.2f} |" for t in tables)
        print(f"| {name} |{cells}")
    print()
    for radius, table in zip(options.radius, tables, strict=True):
        own = table["workflow"]["wall"]
        print(
            f"r = {radius}: {table['tutorial']['wall'] / own:.1f} × faster than the tutorial's "
            f"loop; {own / table['opencv_qc']['wall']:.2f} × the time of the loop by hand with "
            f"the same figure, {own / table['opencv']['wall']:.2f} × with three panels"
        )


def print_parts(run: dict, parts: dict, options: argparse.Namespace) -> None:
    """Print where the workflow's CPU time goes."""
    print(f"\n| CPU, ms a stack, r = {options.radius[0]} | {' | '.join(PARTS)} | sum |")
    print("|---" * (len(PARTS) + 2) + "|")
    for script, found in parts.items():
        cells = " | ".join(f"{1000 * found[part]:.0f}" for part in PARTS)
        print(f"| {script} | {cells} | {1000 * sum(found.values()):.0f} |")
    sums = [sum(found[part] for found in parts.values()) for part in PARTS]
    print(f"| all | {' | '.join(f'{1000 * s:.0f}' for s in sums)} | {1000 * sum(sums):.0f} |")
    print(
        f"\nAs measured in the run: jobs with their shells {1000 * run['jobs']:.0f} ms a stack, "
        f"driver {1000 * run['driver']:.0f} ms a stack ({1000 * run['driver_job']:.0f} ms a job "
        "beyond what a run with nothing to do takes); "
        f"a run with nothing to do: {run['nothing_to_do']:.1f} s"
    )


if __name__ == "__main__":
    main()
