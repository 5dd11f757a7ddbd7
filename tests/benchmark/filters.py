"""Time the filters beside other tools on this machine, and compare what they give.

python tests/benchmark/filters.py [--rounds 5] [--image FILE] [--quick]
python tests/benchmark/filters.py --threads [--rounds 5] [--image FILE] [--quick]

Peers take turns with clearfield in one run; the table holds medians. ImageJ (Debian's package
``imagej``, under ``xvfb-run`` where there is no display), OpenCV and DIPlib (PyPI: ``diplib``) take
part where installed.
A peer whose result is not the same is marked. All use as many threads as they like, clearfield
as many as this process has CPUs.

With ``--threads``, each filter takes turns with itself on other numbers of threads, the last of
them as many as there are CPUs even where the filter would not start them.
"""

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from clearfield import difference_of_gaussians, minmax_filter_background, white_tophat
from clearfield.filters import gaussian, running_extrema
from clearfield.filters.parallel import thread_count

SLOW = 3.0  # seconds; a peer that takes longer runs twice, for more than a minute once
IMAGEJ_JAR = Path("/usr/share/java/ij.jar")


class Line(NamedTuple):
    """One line of the table."""

    work: str
    ours: float
    peer: str
    theirs: float | None
    cpu_ratio: float | None
    aim: str
    remark: str


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--image", help="a 2-D image to tile to size, else one is made")
    parser.add_argument("--quick", action="store_true", help="leave out peers that take minutes")
    parser.add_argument("--threads", action="store_true", help="compare numbers of threads")
    options = parser.parse_args()
    if options.threads:
        _print_threads(options.rounds, options.image, 2048 if options.quick else 8192)
        return
    images = {size: _image(size, options.image) for size in (512, 1024, 2048, 4096, 8192)}
    print(
        f"{_machine()}, {thread_count(None)} CPUs, NumPy {np.__version__}; medians of wall time\n"
    )
    print("| work | clearfield | beside | takes | ratio | aim | CPU time's ratio | result |")
    print("|---|---|---|---|---|---|---|---|")
    for size, radius, aims in _tophats():
        if options.quick:
            if size > 4096:
                continue
            aims = {name: aim for name, aim in aims.items() if name != "scikit-image"}
        if not aims:
            continue
        image = images[size]
        _print_lines(
            _compare(
                f"white top-hat, r = {radius}, {size}²",
                lambda image=image, radius=radius: white_tophat(image, radius),
                {name: TOPHATS[name](image, radius) for name in aims},
                aims,
                options.rounds,
                exact=True,
            )
        )
    _print_lines(
        _compare(
            "DoG 1 / 100, 2048²",
            lambda: difference_of_gaussians(images[2048], 1, 100),
            {"OpenCV": _opencv_dog(images[2048]), "scikit-image": _skimage_dog(images[2048])},
            {"OpenCV": "20", "scikit-image": "30"},
            options.rounds,
            exact=False,
        )
    )
    image = images[2048]
    _print_lines(
        _scaling(
            "top-hat, 2048²: time(r = 200) / time(r = 50)",
            lambda: white_tophat(image, 200),
            lambda: white_tophat(image, 50),
            "5",
            options.rounds,
        )
    )
    _print_lines(
        _scaling(
            "DoG, 2048²: time(1 / 200) / time(1 / 25)",
            lambda: difference_of_gaussians(image, 1, 200),
            lambda: difference_of_gaussians(image, 1, 25),
            "1.5",
            options.rounds,
        )
    )


def _print_lines(lines: list[Line]) -> None:
    for line in lines:
        ratio = f"{line.theirs / line.ours:,.2f} ×" if line.theirs else ""
        if "/ time" in line.work:
            ratio = f"{line.ours / line.theirs:.2f}"
        cpu = f"{line.cpu_ratio:,.2f} ×" if line.cpu_ratio else ""
        theirs = f"{line.theirs * 1e3:,.2f} ms" if line.theirs else ""
        print(
            f"| {line.work} | {line.ours * 1e3:,.2f} ms | {line.peer} | {theirs} | {ratio} "
            f"| {line.aim} | {cpu} | {line.remark} |",
            flush=True,
        )


def _tophats() -> list[tuple[int, int, dict[str, str]]]:
    """List sizes and radii, and beside whom: name to the ratio that is aimed at."""
    found = []
    for size in (512, 1024, 2048, 4096):
        radii = (1, 2, 3, 5, 7, 10, 15, 25) + ((50,) if size >= 2048 else ())
        found += [(size, radius, {"OpenCV": "0.5" if radius < 5 else "1"}) for radius in radii]
    aims = {(2048, 25): "6", (2048, 50): "15"}
    found = [
        (size, radius, {"OpenCV": aims[size, radius]} if (size, radius) in aims else peers)
        for size, radius, peers in found
    ]
    found += [(8192, radius, {"OpenCV": "1"}) for radius in (5, 25)]
    found += [(2048, radius, {"DIPlib": ""}) for radius in (5, 25, 50)]
    return [*found, (2048, 50, {"scikit-image": "600"}), (1024, 50, {"ImageJ": "400"})]


def _print_threads(rounds: int, path: str | None, largest: int) -> None:
    """Print what each number of threads takes, and the default beside the best and the worst."""
    limits = {
        (running_extrema, "_THREAD_BYTES"): running_extrema._THREAD_BYTES,
        (running_extrema, "_THREAD_WORK"): running_extrema._THREAD_WORK,
        (gaussian, "_THREAD_PIXELS"): gaussian._THREAD_PIXELS,
    }
    filters = [
        ("top-hat, r = {}", (1, 2, 5, 10, 25, 50, 100, 200), white_tophat),
        ("minmax, size {}", (3, 25, 101, 401), _minmax),
        ("DoG 1 / {}", (3, 25, 100, 200), _dog),
    ]
    numbers = (1, 2, 4, 16, 64)
    print(f"{_machine()}, {thread_count(None)} CPUs, NumPy {np.__version__}; medians in ms\n")
    heads = ["work", *map(str, numbers), "default", "every CPU"]
    print(
        "|", " | ".join([*heads, "default / best of 1, 2, 4, every CPU", "16, 64 / default"]), "|"
    )
    print("|---" * (len(heads) + 2) + "|")
    for size in (size for size in (128, 256, 512, 1024, 2048, 4096, 8192) if size <= largest):
        image = _image(size, path)
        for name, values, function in filters:
            for value in values:
                times: dict[str, list[float]] = {head: [] for head in heads[1:]}
                for turn in range(rounds * max(1, 1024 // size) + 1):
                    for head, seconds in times.items():
                        for (module, limit), usual in limits.items():
                            setattr(module, limit, 1 if head == "every CPU" else usual)
                        threads = int(head) if head.isdigit() else None
                        start = time.perf_counter()
                        function(image, value, threads=threads)
                        if turn:  # the first one finds its windows and memory
                            seconds.append(time.perf_counter() - start)
                median = {head: 1e3 * statistics.median(times[head]) for head in times}
                best = min(median[head] for head in ("1", "2", "4", "every CPU"))
                worst = max(median["16"], median["64"])
                cells = [f"{median[head]:.2f}" for head in times]
                ratios = f"{median['default'] / best:.2f} | {worst / median['default']:.2f}"
                work = f"{name.format(value)}, {size}²"
                print(f"| {work} | {' | '.join(cells)} | {ratios} |", flush=True)


def _minmax(image: np.ndarray, size: int, *, threads: int | None) -> np.ndarray:
    return minmax_filter_background(image, size, size, threads=threads)


def _dog(image: np.ndarray, sigma: float, *, threads: int | None) -> np.ndarray:
    return difference_of_gaussians(image, 1, sigma, threads=threads)


def _compare(
    work: str,
    ours: Callable[[], np.ndarray],
    peers: dict[str, Callable | None],
    aims: dict[str, str],
    rounds: int,
    exact: bool,
) -> list[Line]:
    """Let clearfield and the peers take turns; a peer gives (result, seconds) or is None."""
    expected = ours()
    times: dict[str, list[float]] = {name: [] for name in ("clearfield", *peers)}
    cpu: dict[str, list[float]] = {name: [] for name in times}
    remarks = {}
    for turn in range(rounds):
        for name, peer in peers.items():
            ours()  # a peer leaves the caches full of its own
            start, used = time.perf_counter(), time.process_time()
            ours()
            times["clearfield"].append(time.perf_counter() - start)
            cpu["clearfield"].append(time.process_time() - used)
            if peer is None or (turn > 0 and times[name][0] > 60):
                continue
            if turn > 1 and times[name][0] > SLOW:
                continue
            start, used = time.perf_counter(), time.process_time()
            answer = peer()
            seconds, used = time.perf_counter() - start, time.process_time() - used
            if isinstance(answer, tuple):  # another process, which took its own time
                result, seconds = answer
            else:
                result = answer
                cpu[name].append(used)
            times[name].append(seconds)
            remarks[name] = _agreement(expected, result, exact)
    median = statistics.median(times["clearfield"])
    return [
        Line(
            work,
            median,
            name,
            statistics.median(times[name]) if times[name] else None,
            statistics.median(cpu[name]) / statistics.median(cpu["clearfield"])
            if cpu[name]
            else None,
            f"{aims[name]} ×" if aims.get(name) else "",
            remarks.get(name, "not installed"),
        )
        for name in peers
    ]


def _agreement(ours: np.ndarray, theirs: np.ndarray, exact: bool) -> str:
    if exact:
        differ = np.mean(ours != theirs)
        return "identical" if differ == 0 else f"DIFFERS in {100 * differ:.1f} % of the pixels"
    error = np.abs(ours - theirs).max() / np.abs(ours).max()
    return f"{'equal' if error <= 1e-6 else 'DIFFERS'}: {error:.1e} of the largest value"


def _scaling(work: str, more: Callable, less: Callable, aim: str, rounds: int) -> list[Line]:
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds + 1):
        for function, seconds in zip((more, less), times, strict=True):
            start = time.perf_counter()
            function()
            seconds.append(time.perf_counter() - start)
    slow, fast = (statistics.median(seconds[1:]) for seconds in times)
    return [Line(work, slow, "itself", fast, None, f"at most {aim}", "")]


def _image(size: int, path: str | None) -> np.ndarray:
    """Give a 16-bit image of `size`² pixels: uneven haze, noise and spots; or a file, tiled."""
    if path:
        import tifffile

        image = tifffile.imread(path)
        times = [-(-size // length) for length in image.shape]
        return np.ascontiguousarray(np.tile(image, times)[:size, :size])
    random = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size].astype(np.float32)
    image = 2000 + 1000 * np.sin(x / 300) * np.cos(y / 400) + random.normal(0, 50, (size, size))
    for cy, cx in random.integers(20, size - 20, (size * size // 4000, 2)):
        image[cy - 6 : cy + 7, cx - 6 : cx + 7] += random.integers(200, 3000)
    return image.clip(0, 65535).astype(np.uint16)


def _ellipse(radius: int) -> np.ndarray:
    d = np.arange(-radius, radius + 1)
    return (d[:, None] ** 2 + d**2 <= radius**2).astype(np.uint8)


def _opencv_tophat(image: np.ndarray, radius: int) -> Callable | None:
    try:
        import cv2
    except ImportError:
        return None
    footprint = _ellipse(radius)
    return lambda: cv2.morphologyEx(image, cv2.MORPH_TOPHAT, footprint)


def _diplib_tophat(image: np.ndarray, radius: int) -> Callable | None:
    """Hand the disk over as an array: its own "elliptic" of size 11 has 97 pixels, this one 81.

    By its default, an opening by an array reads beyond the edge of the image; mirrored there, it is
    the maximum of the minimum.
    """
    try:
        import diplib
    except ImportError:
        return None
    disk = diplib.SE(diplib.Image(_ellipse(radius).astype(bool)))
    return lambda: np.asarray(diplib.Tophat(image, disk, "texture", "white", ["mirror"]))


def _opencv_dog(image: np.ndarray) -> Callable | None:
    try:
        import cv2
    except ImportError:
        return None

    def difference() -> np.ndarray:
        plane = image.astype(np.float32)
        small, large = (
            cv2.GaussianBlur(plane, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
            for sigma in (1, 100)
        )
        return small - large

    return difference


def _skimage_tophat(image: np.ndarray, radius: int) -> Callable | None:
    try:
        from skimage import morphology
    except ImportError:
        return None
    return lambda: morphology.white_tophat(image, _ellipse(radius))


def _skimage_dog(image: np.ndarray) -> Callable | None:
    try:
        from skimage import filters
    except ImportError:
        return None
    return lambda: filters.difference_of_gaussians(image.astype(np.float64), 1, 100)


def _imagej(image: np.ndarray, radius: int) -> Callable | None:
    """Run ImageJ's "Top Hat…" twice; the second run, compiled, counts, by its own clock.

    Its disk is another one: dx² + dy² <= r² + 1.
    """
    if not (IMAGEJ_JAR.exists() and shutil.which("java")):
        return None
    display = [] if os.environ.get("DISPLAY") else ["xvfb-run", "-a"]
    if display and not shutil.which("xvfb-run"):
        return None
    import tifffile

    def tophat() -> tuple[np.ndarray, float]:
        with tempfile.TemporaryDirectory() as folder:
            source, target = f"{folder}/in.tif", f"{folder}/out.tif"
            tifffile.imwrite(source, image)
            macro = Path(folder, "tophat.ijm")
            macro.write_text(
                f'open("{source}"); run("Top Hat...", "radius={radius}"); close();\n'
                f'open("{source}"); start = getTime();\n'
                f'run("Top Hat...", "radius={radius}");\n'
                f'File.saveString(getTime() - start, "{folder}/ms.txt");\n'
                f'saveAs("Tiff", "{target}"); run("Quit");\n'
            )
            command = [*display, "java", "-jar", str(IMAGEJ_JAR), "-batch", str(macro)]
            subprocess.run(command, check=True, capture_output=True, timeout=900)
            return tifffile.imread(target), float(Path(folder, "ms.txt").read_text()) / 1e3

    return tophat


TOPHATS = {
    "OpenCV": _opencv_tophat,
    "DIPlib": _diplib_tophat,
    "scikit-image": _skimage_tophat,
    "ImageJ": _imagej,
}


def _machine() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
        return next(
            line.split(":")[1].strip() for line in text.splitlines() if "model name" in line
        )
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
