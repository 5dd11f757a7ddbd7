"""The loops that `whole_job.py` compares the workflow with: one process, all stacks."""

import json
import sys
import time
from itertools import islice
from pathlib import Path

PIXEL_UM = 0.35


def run(way: str, raw: str, folder: str, radius: int, count: int) -> None:
    """Be the loop: print wall and CPU seconds without the imports."""
    import matplotlib.pyplot as plt
    import numpy as np
    import tifffile

    if way == "tutorial":
        from skimage.morphology import disk, white_tophat

        kernel = disk(radius)

        def subtract(image):
            return white_tophat(image, kernel)
    else:
        import cv2

        y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
        kernel = (x * x + y * y <= radius * radius).astype(np.uint8)

        def subtract(image):
            return cv2.morphologyEx(image, cv2.MORPH_TOPHAT, kernel)

    Path(folder).mkdir(parents=True, exist_ok=True)
    started, cpu = time.perf_counter(), time.process_time()
    for path in islice(sorted(Path(raw).glob("*.tif")), count):
        projection = tifffile.imread(path).max(axis=0)
        result = subtract(projection)
        draw = draw_all if way == "opencv_qc" else draw_three
        figure = draw(plt, projection, projection - result, result, path.stem, radius)
        figure.savefig(Path(folder) / f"{path.stem}.png")
        plt.close(figure)
    print(json.dumps([time.perf_counter() - started, time.process_time() - cpu]))


def draw_three(plt, projection, background, result, name, radius):
    """Draw three panels with titles, as the tutorial does."""
    figure, axes = plt.subplots(1, 3, figsize=(15, 5))
    panels = ("Projection", projection), ("Background", background), ("Result", result)
    for axis, (title, image) in zip(axes, panels, strict=True):
        axis.imshow(image, cmap="gray")
        axis.set_title(title)
        axis.axis("off")
    return figure


def draw_all(plt, projection, background, result, name, radius):
    """Draw what the workflow's figure has: also colour bars, a scale bar, profiles, parameters."""
    figure, axes = plt.subplots(1, 4, figsize=(18, 5))
    figure.suptitle(f"{name}: top-hat, disk radius {radius} px = {radius * PIXEL_UM:.4g} µm")
    low, high = projection.min(), projection.max()
    row = int(result.sum(axis=1).argmax())
    panels = ("Projection", projection), ("Background", background), ("Result", result)
    for axis, (title, image) in zip(axes, panels, strict=False):
        shared = {} if title == "Result" else {"vmin": low, "vmax": high}
        shown = axis.imshow(image, cmap="gray", **shared)
        axis.set_title(title)
        axis.axis("off")
        if title != "Projection":
            figure.colorbar(shown, ax=axis, fraction=0.046)
        axes[3].plot(image[row], label=title)
    length = 100 / PIXEL_UM
    axes[0].plot([40, 40 + length], [990, 990], color="white", linewidth=4)
    axes[0].text(40 + length / 2, 970, "100 µm", color="white", ha="center")
    axes[3].set_title(f"Row {row}")
    axes[3].legend()
    return figure


if __name__ == "__main__":
    run(*sys.argv[1:4], *map(int, sys.argv[4:]))
