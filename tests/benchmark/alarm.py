"""How well does QC's alarm ring? Good images, and each broken in one known way, judged by default.

``PYTHONPATH=scripts python tests/benchmark/alarm.py`` simulates and prints Markdown tables:
plain scenes (all of one size and brightness), and varied ones, in which size, number, brightness,
texture, depth, light from other planes, haze, plane and lamp are drawn at random. ``--seed N``
draws others, ``--small`` takes a seventh, ``--every N`` breaks each N-th good scene only;
``--real FOLDER`` judges the files of a folder at the radius that QC recommends for each channel.
Nothing is timed.

A fault counts as found if the row is not ok **and** one of its reasons holds a word that belongs
to the fault.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from multiprocessing import Pool
from pathlib import Path

import numpy as np
import yaml
from alarm_files import LABELS, find_images, project
from alarm_scenes import FAULTS, STRENGTHS, Scene, broken_scenes, good_scenes, photograph, vary

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from clearfield.errors import ClearfieldError
from clearfield.methods.subtraction import output_dtype, subtract_blocks
from clearfield.qc.granulometry import measure_sizes
from clearfield.qc.measurement import measure_plane
from clearfield.qc.metrics.along_time import add_time_drift
from clearfield.qc.qc_table import format_value
from clearfield.qc.verdict import judge

ROOT = Path(__file__).parents[2]
CONFIG = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
SETTINGS = CONFIG["summarize_qc"]
RADIUS = CONFIG["subtract_background"]["tophat"]["radius"]  # where QC recommends none


def statistics_of(stack: np.ndarray, level: int | None) -> dict:
    """Give what `project_stack` tells of a stack (Z, Y, X)."""
    finite = np.isfinite(stack)
    means = [float(np.nanmean(plane)) for plane in stack]
    steps = (plane[:, 2:] - plane[:, :-2].astype(float) for plane in stack)
    sharpness = [float(np.nanmean(step**2)) for step in steps]
    return {
        "saturation_level": level,
        "saturated_fraction": None if level is None else float((stack == level).mean()),
        "nonfinite_fraction": float((~finite).mean()),
        "plane_means": means,
        "plane_sharpness": sharpness,
    }


def judge_channel(
    planes: list[np.ndarray],
    statistics: list[dict],
    *,
    radius: float = 1.0,
    light: bool = False,
    clip: float = 0.0,
) -> list[tuple[str, str]]:
    """Judge the projections of one channel, one a time point, at one radius.

    Parameters
    ----------
    planes : list of (Y, X)
    statistics : list of dict
    radius : float
        Times the largest recommended one; above 50: px.
    light : bool
    clip : float
        Fraction of the first result's pixels above what the output is made to hold.

    Returns
    -------
    list of (str, str)
        Status and reason.
    """
    found = [measure_sizes(plane, light) for plane in planes]
    known = [s.recommended_radius_px for s in found if s.recommended_radius_px is not None]
    pixels = round(radius) if radius > 50 else max(1, round(radius * max(known, default=RADIUS)))
    channel = {"method": "tophat", "radius": pixels, "light_background": light, "name": "0"}
    dtype = output_dtype(planes[0].dtype, [channel], dtype="auto", negative="keep")
    output = {"dtype": "auto", "negative": "keep", "offset": 0}
    rows = []
    for plane, sizes, seen in zip(planes, found, statistics, strict=True):
        blocks = list(subtract_blocks(plane, channel, dtype=dtype, threads=1, negative="keep"))
        result = np.concatenate([np.array(block.result) for block in blocks])
        lost = 0
        if clip:
            most = np.nanquantile(result, 1 - clip)
            lost = int((result > most).sum())
            result = np.minimum(result, most.astype(result.dtype))
        rows.append(
            measure_plane(
                result, sizes, original=plane, channel=channel, output=output, statistics=seen,
                clipped={"clipped_low": 0, "clipped_high": lost},
                pixel_size_um={"x": None, "y": None, "z": None},
            )
        )  # fmt: skip
    add_time_drift(rows)
    return [judge({key: format_value(cell) for key, cell in row.items()}, SETTINGS) for row in rows]


def judge_scene(scene: Scene) -> tuple[str, str]:
    """Give the worst status of a scene's time points, and all of their reasons."""
    stack, level = photograph(scene)
    verdicts = judge_channel(
        [volume.max(axis=0) for volume in stack],
        [statistics_of(volume, level) for volume in stack],
        radius=scene.radius if scene.radius > 0 else max(51, -scene.radius * scene.side),
        clip=scene.clip,
    )
    worst = max((status for status, _ in verdicts), key=("ok", "warn", "fail").index)
    return worst, "; ".join(reason for _, reason in verdicts if reason)


def kinds_of(reason: str) -> list[str]:
    """Give the reasons without their numbers, so that they can be counted."""
    import re

    parts = (re.sub(r"[-\d.e+]*\d", "N", part) for part in reason.split("; ") if part)
    return sorted({part.split(" (")[0] for part in parts})


def simulate(scenes: list[Scene], every: int) -> None:
    """Print the tables of a simulated set, in which each n-th good scene is broken."""
    with Pool(2) as pool:
        found = pool.map(judge_scene, scenes, 1)
        good = [(scene, *verdict) for scene, verdict in zip(scenes, found, strict=True)]
        broken = list(broken_scenes(scenes[::every]))
        verdicts = pool.map(judge_scene, [scene for _, _, scene in broken], 8)
    counts = Counter(status for _, status, _ in good)
    print(f"good: {len(good)}: " + ", ".join(f"{counts[s]} {s}" for s in ("ok", "warn", "fail")))
    print("\n| good, but flagged: the reason | scenes |\n|---|---|")
    reasons = Counter(kind for _, _, reason in good for kind in kinds_of(reason))
    for reason, count in reasons.most_common():
        print(f"| {reason} | {count} |")
    for scene, status, reason in good:
        if status != "ok":
            print(f"<!-- {scene.kind} {scene.bits} haze={scene.haze} Z={scene.planes} "
                  f"seed={scene.seed} {status}: {reason} -->")  # fmt: skip
    found: dict[str, list[Counter]] = {name: [Counter() for _ in STRENGTHS] for name in FAULTS}
    for (name, strength, scene), (status, reason) in zip(broken, verdicts, strict=True):
        right = status != "ok" and any(word in reason for word in scene.found_by)
        found[name][strength].update(["all"] + ["flagged"] * (status != "ok") + ["right"] * right)
        if strength and not right:
            print(
                f"<!-- missed: {name} {STRENGTHS[strength]}: {scene.kind} {scene.bits} "
                f"haze={scene.haze} Z={scene.planes} seed={scene.seed} {status}: {reason} -->"
            )
    print("\nflagged for the right reason / flagged at all / broken scenes\n")
    print("| fault | " + " | ".join(STRENGTHS) + " |\n|---|---|---|---|")
    totals = [sum(column, Counter()) for column in zip(*found.values(), strict=True)]
    for name, cells in [*found.items(), ("all", totals)]:
        text = (f"{c['right']} / {c['flagged']} / {c['all']}" for c in cells)
        print(f"| {name} | " + " | ".join(text) + " |")


def judge_real(folder: Path) -> None:
    """Print the verdict on each series of each file of a folder that can be read as it is."""
    from clearfield.formats.known_formats import open_series
    from clearfield.stack.loading import load

    counts: Counter[str] = Counter()
    good: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for path in sorted(find_images(folder)):
        try:
            series = range(len(open_series(str(path))))
        except (ClearfieldError, OSError):
            continue
        for number in series:
            with tempfile.TemporaryDirectory() as scratch:
                stack = Path(scratch) / "stack"
                try:
                    load(str(path), stack, {"series": number})
                    statistics: list[dict] = []
                    planes, channels = project(stack, statistics)
                except (ClearfieldError, OSError):
                    continue
            status, reason = "ok", []
            light = "brightfield" in str(path)
            for channel in range(channels):
                own = slice(channel, None, channels)
                try:
                    verdicts = judge_channel(list(planes[own]), statistics[own], light=light)
                except ClearfieldError as error:
                    verdicts = [("fail", str(error))]
                status = max([status, *(v for v, _ in verdicts)], key=("ok", "warn", "fail").index)
                reason += dict.fromkeys(f"C{channel}: {text}" for _, text in verdicts if text)
                reasons.update(k for _, text in verdicts for k in kinds_of(text))
            counts[status] += 1
            label, why = LABELS.get(path.name, (None, "not sorted"))
            good.update([status] if label else [])
            eye = {True: "good", False: "not good", None: ""}[label]
            print(f"| {path.name} {number} | {eye}: {why} | {status} | {'; '.join(reason[:4])} |")
    total = ", ".join(f"{counts[status]} {status}" for status in ("ok", "warn", "fail"))
    print(f"{counts.total()} series: {total}; of {good.total()} good by eye {good['ok']} are ok")
    for text, count in reasons.most_common():
        print(f"{count} rows: {text}")


def main() -> None:
    """Simulate, or judge the files of a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--real", type=Path, metavar="FOLDER")
    arguments = parser.parse_args()
    if arguments.real:
        judge_real(arguments.real)
        return
    scenes = good_scenes(arguments.seed)[:: 7 if arguments.small else 1]
    print("## Plain")
    simulate(scenes, arguments.every)
    print("\n## Varied")
    simulate([vary(scene) for scene in scenes], arguments.every)


if __name__ == "__main__":
    main()
