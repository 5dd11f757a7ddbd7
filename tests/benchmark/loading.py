"""Measure load_stack and project_stack against what no program can avoid.

    python tests/benchmark/loading.py --gigabytes 4 --threads 2 --folder /some/disk

1. An uncompressed stack of 2048 x 2048 planes: both jobs, less their start-up (the same jobs on a
   stack of one small plane), against ``cat FILE > /dev/null``, the file warm, in turns; by their
   best times, because a busy machine only ever adds time, and by medians. And the memory of
   project_stack's own (RssAnon; mapped pages of the file are not its own), in a run of its own.
2. Encoded stacks of 40 planes: both jobs with their start-up, against the few lines that a person
   writes with the format's own library (read, maximum, write), in turns: medians of wall time, CPU
   and peak of resident memory, and the bytes of the description, which is all that is written
   beside the results. ``--before CLONE`` measures the jobs of another clone beside these.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile

SCRIPTS = Path(__file__).parents[2] / "scripts"
DEPTH = 40
# By hand: the file is argv[1], the result argv[2].
TIFF = "import sys, tifffile; tifffile.imwrite(sys.argv[2], tifffile.imread(sys.argv[1]).max(0))"
ZARR = (
    "import sys, tifffile, zarr; "
    "tifffile.imwrite(sys.argv[2], zarr.open(sys.argv[1], mode='r')['0'][:].max(0))"
)
CZI = """
import sys, numpy, tifffile
from pylibCZIrw import czi
with czi.open_czi(sys.argv[1]) as file:
    result = file.read(plane={"Z": 0})[..., 0]
    for z in range(1, file.total_bounding_box["Z"][1]):
        numpy.maximum(result, file.read(plane={"Z": z})[..., 0], out=result)
tifffile.imwrite(sys.argv[2], result)
"""
LIF = (
    "import sys, tifffile, liffile; "
    "tifffile.imwrite(sys.argv[2], liffile.imread(sys.argv[1]).max(0))"
)
ND2 = "import sys, tifffile, nd2; tifffile.imwrite(sys.argv[2], nd2.imread(sys.argv[1]).max(0))"
BY_HAND = {".tif": TIFF, ".zarr": ZARR, ".czi": CZI, ".lif": LIF, ".nd2": ND2}


def planes(number: int):
    """Give planes of 2048 x 2048 that look like a camera's: an offset, a signal, noise."""
    random = np.random.default_rng(0)
    few = [random.poisson(100 + 40 * z, (2048, 2048)).astype("u2") for z in range(8)]
    for z in range(number):
        yield few[z % len(few)]


def write(path: Path, number: int, **keywords) -> None:
    """Write a stack of `number` planes."""
    data = planes(number)
    tifffile.imwrite(
        path, data, shape=(number, 2048, 2048), dtype="u2", bigtiff=True,
        photometric="minisblack", metadata={"axes": "ZYX"}, **keywords,
    )  # fmt: skip


def run(*command: object) -> None:
    """Run a command, which has to succeed."""
    subprocess.run([str(part) for part in command], stdout=subprocess.DEVNULL, check=True)


def load(raw: Path, scripts: Path = SCRIPTS) -> list[object]:
    """Give the command of load_stack; no stack of an earlier run is left to be given back."""
    stack = raw.with_suffix(".stack")
    stack.unlink(missing_ok=True)
    return [
        sys.executable, scripts / "load_stack.py", "--path", raw, "--sample", "a",
        "--stack", stack, "--settings", "{}",
        *(("--threads", 2) if "threads: int" in (scripts / "load_stack.py").read_text() else ()),
    ]  # fmt: skip


def project(raw: Path, threads: int, scripts: Path = SCRIPTS) -> list[object]:
    """Give the command of project_stack; no projection of an earlier run is left either."""
    raw.with_suffix(".ome.tif").unlink(missing_ok=True)
    return [
        sys.executable, scripts / "project_stack.py", "--stack", raw.with_suffix(".stack"),
        "--projection", raw.with_suffix(".ome.tif"), "--statistics", raw.with_suffix(".json"),
        "--settings", "{}", "--threads", threads,
    ]  # fmt: skip


def own_memory(command: list[object]) -> int:
    """Run a command; give the most memory of its own that was seen, in bytes."""
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)
    most = 0
    while process.poll() is None:
        try:
            text = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
        except (FileNotFoundError, ProcessLookupError):
            break
        if "RssAnon:" in text:
            most = max(most, 1024 * int(text.split("RssAnon:")[1].split()[0]))
        time.sleep(0.001)
    if process.wait():
        raise SystemExit(f"failed: {command}")
    return most


def uncompressed(folder: Path, gigabytes: float, threads: int, repeats: int) -> None:
    """Compare both jobs with cat."""
    raw, small = folder / "raw.tif", folder / "small.tif"
    write(raw, max(1, round(gigabytes * 1e9 / 2048**2 / 2)))
    tifffile.imwrite(small, np.zeros((64, 64), "u2"))
    run(*load(raw))
    memory = own_memory(project(raw, threads))  # and all is warm
    cat, start, jobs = [], [], []
    for _ in range(repeats):
        with raw.open("rb") as file:
            cat.append(_timed(lambda file=file: subprocess.run(
                ["cat"], stdin=file, stdout=subprocess.DEVNULL, check=True
            )))  # fmt: skip
        for path, times in ((small, start), (raw, jobs)):
            times.append(_timed(run, *load(path)) + _timed(run, *project(path, threads)))
    for name, take in (("best", min), ("median", statistics.median)):
        net = take(jobs) - take(start)
        print(
            f"uncompressed, {raw.stat().st_size / 1e9:.2f} GB, {threads} threads, {name} of "
            f"{repeats}: cat {1000 * take(cat):.0f} ms, both jobs past start-up "
            f"{1000 * net:.0f} ms ({net / take(cat):.2f} of cat), start-up "
            f"{1000 * take(start):.0f} ms"
        )
    print(f"own memory of project_stack {memory / 1e6:.0f} MB")
    raw.unlink()


def _timed(function, *values) -> float:
    start = time.perf_counter()
    function(*values)
    return time.perf_counter() - start


def write_encoded(folder: Path) -> list[Path]:
    """Write the same stack as each format that a package at hand writes."""
    pixels = np.stack(list(planes(DEPTH)))
    common = {"photometric": "minisblack", "metadata": {"axes": "ZYX"}}
    tiles, strips = folder / "deflate tiles.ome.tif", folder / "lzw strips.ome.tif"
    tifffile.imwrite(tiles, pixels, compression="zlib", tile=(512, 512), **common)
    tifffile.imwrite(strips, pixels, compression="lzw", **common)
    import numcodecs
    import zarr

    chunks = folder / "blosc zstd.zarr"
    group = zarr.open_group(str(chunks), mode="w", zarr_format=2)
    group.create_array(
        "0", shape=pixels.shape, chunks=(1, 512, 512), dtype="u2",
        compressors=numcodecs.Blosc("zstd", 5, numcodecs.Blosc.SHUFFLE),
    )[:] = pixels  # fmt: skip
    axes = [{"name": name, "type": "space"} for name in "zyx"]
    entry = {"version": "0.4", "axes": axes, "datasets": [{"path": "0"}]}
    group.attrs["multiscales"] = [entry]
    found = [tiles, strips, chunks]
    from pylibCZIrw import czi

    found.append(folder / "zstd1.czi")
    how = "zstd1:ExplicitLevel=2;PreProcess=HiLoByteUnpack"
    with czi.create_czi(str(found[-1]), compression_options=how) as file:
        for z, plane in enumerate(pixels):
            file.write(plane, plane={"Z": z})
    return found


def costs(*command: object) -> np.ndarray:
    """Run a command; give wall time and CPU in seconds, and peak of resident memory in MB."""
    start = time.perf_counter()
    # A lean process in between: a fork's peak begins with that of its parent.
    job = os.posix_spawn(
        "/bin/sh", ["sh", "-c", '"$@" > /dev/null', "sh", *map(str, command)], os.environ
    )
    _, status, usage = os.wait4(job, 0)
    if status:
        raise SystemExit(f"failed: {command}")
    wall = time.perf_counter() - start
    return np.array([wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024])


def encoded(files: list[Path], threads: int, repeats: int, before: Path | None) -> None:
    """Print the table of encoded stacks."""
    clones = {"clearfield": SCRIPTS} | ({"before": before / "scripts"} if before else {})
    print("| file | by | wall, s | CPU, s | peak, MB | by hand / this | description, kB |")
    print("|---|---|---|---|---|---|---|")
    for raw in files:
        found: dict[str, list] = {"hand": [], **{name: [] for name in clones}}
        for _ in range(repeats):
            by_hand = BY_HAND[raw.suffix]
            found["hand"].append(
                costs(sys.executable, "-c", by_hand, raw, raw.with_suffix(".hand.tif"))
            )
            for name, scripts in clones.items():
                first = costs(*load(raw, scripts))
                size = raw.with_suffix(".stack").stat().st_size
                second = costs(*project(raw, threads, scripts))
                peak = max(first[2], second[2])
                found[name].append(np.array([*(first + second)[:2], peak, size / 1000]))
        hand = np.median(found["hand"], axis=0)
        print(f"| {raw.name} | hand | {hand[0]:.2f} | {hand[1]:.2f} | {hand[2]:.0f} | | |")
        for name in clones:
            wall, cpu, peak, size = np.median(found[name], axis=0)
            print(
                f"| {raw.name} | {name} | {wall:.2f} | {cpu:.2f} | {peak:.0f} | "
                f"{hand[0] / wall:.2f} | {size:.0f} |",
                flush=True,
            )


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=4, help="of the uncompressed stack")
    parser.add_argument("--encoded", type=Path, nargs="*", help="files instead of those made here")
    parser.add_argument("--before", type=Path, help="another clone, to be measured beside this one")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--folder", type=Path, help="where to write (default: a temporary one)")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=arguments.folder))
    try:
        if arguments.gigabytes:
            uncompressed(folder, arguments.gigabytes, arguments.threads, arguments.repeats)
        files = arguments.encoded or write_encoded(folder)
        encoded(files, arguments.threads, arguments.repeats, arguments.before)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
