"""Filter a plane larger than the memory it is given; print time and peak resident memory.

python tests/benchmark/large_plane.py [--rows 8192] [--columns 32768]

The plane, 16 bit, is written to a temporary folder and removed. Each filter runs in a process of
its own on a read-only memory map and writes its blocks to a file, as the workflow does; then
pieces of the result are compared with the filter applied to that piece and its surroundings.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

FILTERS = {"tophat r = 50": ("uint16", 200), "dog 1 / 100": ("float32", 401)}  # dtype, surroundings


def main() -> None:
    """Write the plane, run each filter in a process, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=8192)
    parser.add_argument("--columns", type=int, default=32768)
    parser.add_argument("--run", help=argparse.SUPPRESS, nargs=3)
    options = parser.parse_args()
    shape = options.rows, options.columns
    if options.run:
        _run(*options.run, shape)
        return
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "plane.raw"
        _write_plane(source, shape)
        print(f"{shape[0]} x {shape[1]} uint16, {source.stat().st_size / 2**20:.0f} MB")
        for name in FILTERS:
            target = Path(folder) / "result.raw"
            command = [sys.executable, __file__, "--rows", str(shape[0]), "--columns",
                       str(shape[1]), "--run", name, str(source), str(target)]  # fmt: skip
            subprocess.run(command, check=True)
            _compare(name, source, target, shape)


def _write_plane(path: Path, shape: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    noise = random.integers(0, 400, (1 << 20) + shape[1], np.uint16)
    x = np.arange(shape[1])
    with path.open("wb") as file:
        for y in range(shape[0]):
            start = int(random.integers(1 << 20))
            haze = 2000 + 1500 * np.sin(x / 700 + y / 900)
            spots = np.where((x % 97 < 12) & (y % 89 < 12), 3000, 0)
            file.write((haze + spots + noise[start : start + shape[1]]).astype("<u2").tobytes())


def _blocks(name: str, image: np.ndarray):
    if name.startswith("tophat"):
        from clearfield.filters.morphology import opening_blocks

        for first, last, background in opening_blocks(image, 50):
            yield first, last, image[first:last] - background
    else:
        from clearfield.filters.gaussian import difference_of_gaussians_blocks

        for first, last, difference, _ in difference_of_gaussians_blocks(image, 1, 100):
            yield first, last, difference


def _run(name: str, source: str, target: str, shape: tuple[int, int]) -> None:
    import resource

    image = np.memmap(source, "<u2", "r", shape=shape)
    wall, cpu = time.perf_counter(), time.process_time()
    with Path(target).open("wb") as file:
        for _, _, block in _blocks(name, image):
            file.write(block.data)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{name}: {wall:.1f} s, {cpu:.1f} s CPU, peak resident {peak:.0f} MB", flush=True)


def _compare(name: str, source: Path, target: Path, shape: tuple[int, int]) -> None:
    from clearfield import difference_of_gaussians, white_tophat

    dtype, around = FILTERS[name]
    image = np.memmap(source, "<u2", "r", shape=shape)
    result = np.memmap(target, dtype, "r", shape=shape)
    worst = 0.0
    for part in range(5):
        y = part * (shape[0] - 512) // 4
        x = part * (shape[1] - 512) // 4
        y0, x0 = max(0, y - around), max(0, x - around)
        piece = image[y0 : y + 512 + around, x0 : x + 512 + around]
        if name.startswith("tophat"):
            expected = white_tophat(piece, 50)
        else:
            expected = difference_of_gaussians(piece, 1, 100)
        inside = expected[y - y0 : y - y0 + 512, x - x0 : x - x0 + 512].astype(float)
        error = np.abs(inside - result[y : y + 512, x : x + 512]).max() / np.abs(inside).max()
        worst = max(worst, error)
    print(f"  pieces filtered alone: largest difference {worst:.1e} of the largest value")


if __name__ == "__main__":
    main()
