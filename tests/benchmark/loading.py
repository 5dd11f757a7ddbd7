"""Measure load_stack and project_stack against what no program can avoid.

    python tests/benchmark/loading.py --gigabytes 4 --threads 2 --folder /some/disk

1. An uncompressed stack of 2048 x 2048 planes: both jobs, less their start-up (the same jobs on a
   stack of one small plane), against ``cat FILE > /dev/null``, the file warm, in turns; and the
   memory of project_stack's own (RssAnon; mapped pages of the file are not its own).
2. Compressed stacks: load_stack, less its start-up, against imagecodecs alone on as many threads.

The best of each is compared, because a busy machine only ever adds time.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import threading
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


def seconds(*command: object) -> tuple[float, int]:
    """Run a command; give its wall time and the most memory of its own that was seen, in bytes."""
    start = time.perf_counter()
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)
    most = 0

    def watch() -> None:
        nonlocal most
        while process.poll() is None:
            try:
                text = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
            except (FileNotFoundError, ProcessLookupError):
                return
            if "RssAnon:" in text:
                most = max(most, 1024 * int(text.split("RssAnon:")[1].split()[0]))
            time.sleep(0.01)

    watcher = threading.Thread(target=watch)
    watcher.start()
    status = process.wait()
    taken = time.perf_counter() - start
    watcher.join()
    if status:
        raise SystemExit(f"failed: {command}")
    return taken, most


def load(raw: Path, threads: int) -> tuple[float, int]:
    """Run load_stack, where no stack of an earlier run has to be given back to the disk."""
    stack = raw.with_suffix(".stack")
    stack.unlink(missing_ok=True)
    return seconds(
        sys.executable, SCRIPTS / "load_stack.py", "--path", raw, "--sample", "a",
        "--stack", stack, "--settings", "{}", "--threads", threads,
    )  # fmt: skip


def project(raw: Path, threads: int) -> tuple[float, int]:
    """Run project_stack, where no projection of an earlier run has to be given back either."""
    raw.with_suffix(".ome.tif").unlink(missing_ok=True)
    return seconds(
        sys.executable, SCRIPTS / "project_stack.py", "--stack", raw.with_suffix(".stack"),
        "--projection", raw.with_suffix(".ome.tif"), "--statistics", raw.with_suffix(".json"),
        "--settings", "{}", "--threads", threads,
    )  # fmt: skip


def uncompressed(folder: Path, gigabytes: float, threads: int, repeats: int) -> None:
    """Compare both jobs with cat."""
    raw, small = folder / "raw.tif", folder / "small.tif"
    write(raw, max(1, round(gigabytes * 1e9 / 2048**2 / 2)))
    tifffile.imwrite(small, np.zeros((64, 64), "u2"))
    cat, start, jobs, memory = [], [], [], 0
    for _ in range(repeats + 1):  # the first round warms everything up
        with raw.open("rb") as file:
            cat.append(_timed(lambda file=file: subprocess.run(
                ["cat"], stdin=file, stdout=subprocess.DEVNULL, check=True
            )))  # fmt: skip
        start.append(load(small, threads)[0] + project(small, threads)[0])
        loaded, _ = load(raw, threads)
        projected, most = project(raw, threads)
        jobs.append(loaded + projected)
        memory = max(memory, most)
    best_cat, net = min(cat[1:]), min(jobs[1:]) - min(start[1:])
    print(
        f"uncompressed, {raw.stat().st_size / 1e9:.2f} GB, {threads} threads: "
        f"cat {best_cat:.2f} s, both jobs past start-up {net:.2f} s ({net / best_cat:.2f} of cat), "
        f"start-up {min(start[1:]):.2f} s, own memory of project_stack {memory / 1e6:.0f} MB"
    )
    raw.unlink()


def _timed(function) -> float:
    start = time.perf_counter()
    function()
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
            (_timed(codec), load(raw, threads)[0], load(small, threads)[0]) for _ in range(repeats)
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
    parser.add_argument("--repeats", type=int, default=5)
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
