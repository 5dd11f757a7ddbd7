"""Measure load_stack and project_stack against what no program can avoid.

    python tests/benchmark/loading.py --gigabytes 4 --threads 2 --folder /some/disk

1. An uncompressed stack of 2048 x 2048 planes: both jobs, less their start-up (the same jobs on a
   stack of one small plane), against ``cat FILE > /dev/null``, the file warm, in turns; by their
   best times, because a busy machine only ever adds time, and by medians. And the memory of
   project_stack's own (RssAnon; mapped pages of the file are not its own), in a run of its own.
2. Compressed stacks: load_stack, less its start-up, against imagecodecs alone on as many threads,
   by their best times.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import tifffile

SCRIPTS = Path(__file__).parents[2] / "scripts"
CODECS = {
    "deflate": {"compression": "zlib"},
    "lzw": {"compression": "lzw"},
    "zstd": {"compression": "zstd"},
    "zstd tiles": {"compression": "zstd", "tile": (512, 512)},
}


def planes(number: int):
    """Give planes of 2048 x 2048 that look like a camera's: an offset, a signal, noise."""
    random = np.random.default_rng(0)
    few = [random.poisson(100 + 40 * z, (2048, 2048)).astype("u2") for z in range(8)]
    for z in range(number):
        yield few[z % len(few)]


def write(path: Path, number: int, **keywords) -> None:
    """Write a stack of `number` planes."""
    data = planes(number)
    if "tile" in keywords:  # else tifffile would take each plane for a tile
        data = np.stack(list(data))
    tifffile.imwrite(
        path, data, shape=(number, 2048, 2048), dtype="u2", bigtiff=True,
        photometric="minisblack", metadata={"axes": "ZYX"}, **keywords,
    )  # fmt: skip


def run(*command: object) -> None:
    """Run a command, which has to succeed."""
    subprocess.run([str(part) for part in command], stdout=subprocess.DEVNULL, check=True)


def load(raw: Path, threads: int) -> list[object]:
    """Give the command of load_stack; no stack of an earlier run is left to be given back."""
    stack = raw.with_suffix(".stack")
    stack.unlink(missing_ok=True)
    return [
        sys.executable, SCRIPTS / "load_stack.py", "--path", raw, "--sample", "a",
        "--stack", stack, "--settings", "{}", "--threads", threads,
    ]  # fmt: skip


def project(raw: Path, threads: int) -> list[object]:
    """Give the command of project_stack; no projection of an earlier run is left either."""
    raw.with_suffix(".ome.tif").unlink(missing_ok=True)
    return [
        sys.executable, SCRIPTS / "project_stack.py", "--stack", raw.with_suffix(".stack"),
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
    run(*load(raw, threads))
    memory = own_memory(project(raw, threads))  # and all is warm
    cat, start, jobs = [], [], []
    for _ in range(repeats):
        with raw.open("rb") as file:
            cat.append(_timed(lambda file=file: subprocess.run(
                ["cat"], stdin=file, stdout=subprocess.DEVNULL, check=True
            )))  # fmt: skip
        for path, times in ((small, start), (raw, jobs)):
            times.append(sum(
                _timed(run, *command(path, threads)) for command in (load, project)
            ))  # fmt: skip
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


def compressed(folder: Path, gigabytes: float, threads: int, repeats: int) -> None:
    """Compare load_stack with the codec alone."""
    raw, small = folder / "raw.tif", folder / "small.tif"
    tifffile.imwrite(small, np.zeros((64, 64), "u2"))
    for name, keywords in CODECS.items():
        write(raw, max(1, round(gigabytes * 1e9 / 2048**2 / 2)), **keywords)
        with tifffile.TiffFile(raw) as tif:
            page = tif.pages[0]
            decode = tifffile.TIFF.DECOMPRESSORS[page.compression]
            size = int(np.prod(page.chunks)) * 2
            data = raw.read_bytes()
            parts = [
                data[offset : offset + count]
                for page in tif.pages
                for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True)
            ]
            decoded = sum(page.nbytes for page in tif.pages)

        def codec(parts=parts, decode=decode, size=size) -> None:
            with ThreadPoolExecutor(threads) as pool:
                for _ in pool.map(lambda part: decode(part, out=size) and None, parts, chunksize=8):
                    pass

        times = [
            (
                _timed(codec),
                _timed(run, *load(raw, threads)),
                _timed(run, *load(small, threads)),
            )
            for _ in range(repeats)
        ]
        alone, whole, start = (min(column) for column in zip(*times, strict=True))
        print(
            f"{name}, {decoded / 1e9:.2f} GB decoded, {threads} threads: imagecodecs alone "
            f"{decoded / alone / 1e6:.0f} MB/s, load_stack past start-up "
            f"{decoded / (whole - start) / 1e6:.0f} MB/s ({alone / (whole - start):.0%})"
        )
    raw.unlink()


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=4, help="of the uncompressed stack")
    parser.add_argument("--compressed", type=float, default=1, help="GB of each compressed stack")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--folder", type=Path, help="where to write (default: a temporary one)")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=arguments.folder))
    try:
        if arguments.gigabytes:
            uncompressed(folder, arguments.gigabytes, arguments.threads, arguments.repeats)
        if arguments.compressed:
            compressed(folder, arguments.compressed, arguments.threads, arguments.repeats)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
