"""A second family of scenes whose truth is known, for `accuracy.py`; nothing was chosen by them.

Cells of irregular outline lie in layers, some above and below the imaged stack. Each layer is seen
in every plane through a modelled widefield PSF, whose width grows with the distance from focus.
What arrives blurred by more than a scene's `sharp` px, and what comes from outside the stack, is
haze; the rest is the object. Then the illumination falls off towards the corners (cos to the fourth
power), and an sCMOS camera adds an offset of its own to each pixel, noise and a gain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

SIZE = 256
STEP_UM, PIXEL_UM = 1.0, 0.16
FOCUS_PX = 1.2  # sigma in focus: about 0.45 µm full width, an air objective
CONE = 0.45  # sigma in µm for each µm out of focus: the half-angle of NA 0.6
PLANES = 7
GREY_LEVELS_PER_PHOTON = 0.46
OFFSET, READ_NOISE = 100.0, 1.6  # grey levels, photo-electrons


@dataclass(frozen=True)
class CellScene:
    """So many cells in the stack and beyond it; objects are the cells, or vesicles in dim cells."""

    seed: int
    cells: int
    beyond: int  # cells in each of the layers above and below the stack
    layers_beyond: int
    brightness: float  # photons
    sharp: float  # px: blurred by more, an object's light is haze
    vesicles: int = 0  # in each cell
    falloff: float = 0.35  # of the illumination in the corners


SCENES = {
    "cells, thin": CellScene(11, 14, beyond=4, layers_beyond=2, brightness=500, sharp=8),
    "cells, thick": CellScene(12, 14, beyond=5, layers_beyond=7, brightness=300, sharp=8),
    "vesicles, thin": CellScene(13, 14, 6, 2, brightness=800, sharp=3, vesicles=10),
    "vesicles, thick": CellScene(14, 14, 8, 7, brightness=800, sharp=3, vesicles=10),
}


def simulate(scene: CellScene) -> tuple[np.ndarray, np.ndarray, list[np.ndarray], np.ndarray]:
    """Give objects and haze in photons, (Z, Y, X) each, each object's pixels, and the offsets."""
    random = np.random.RandomState(scene.seed)
    depth = PLANES + 2 * scene.layers_beyond
    sources = np.zeros((2, depth, SIZE, SIZE))  # what is sought, and what is not
    masks = []
    for layer in range(depth):
        inside = scene.layers_beyond <= layer < depth - scene.layers_beyond
        count = scene.cells / PLANES if inside else scene.beyond / 2
        for _ in range(random.poisson(count)):
            cell = draw_cell(random)
            body = cell * random.uniform(0.6, 1.4) * scene.brightness
            if not scene.vesicles:
                sources[0 if inside else 1, layer] += body
                if inside:
                    masks.append(cell > 0.3)
                continue
            sources[1, layer] += 0.03 * body
            places = np.argwhere(cell > 0.5)
            for y, x in places[random.randint(len(places), size=scene.vesicles)]:
                rows, columns = np.ogrid[-y : SIZE - y, -x : SIZE - x]
                spot = np.exp(-(rows**2 + columns**2) / (2 * 1.3**2))
                sources[0 if inside else 1, layer] += scene.brightness * spot
                if inside:
                    masks.append(np.hypot(rows, columns) < 4)
    objects, haze = np.zeros((2, PLANES, SIZE, SIZE))
    for plane in range(PLANES):
        for layer in range(depth):
            away = abs(layer - scene.layers_beyond - plane) * STEP_UM
            sigma = np.hypot(FOCUS_PX, CONE * away / PIXEL_UM)
            sought, other = (
                ndimage.gaussian_filter(source[layer], sigma, mode="constant", truncate=3)
                for source in sources
            )
            haze[plane] += other
            (objects if sigma <= scene.sharp else haze)[plane] += sought
    y, x = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    light = (1 + ((1 - scene.falloff) ** -0.5 - 1) * (x**2 + y**2) / 2) ** -2  # cos to the fourth
    offsets = OFFSET + random.normal(0, 1.0, (SIZE, SIZE)) + random.normal(0, 0.7, SIZE)
    return objects * light, (haze + 20) * light, masks, offsets


def draw_cell(random: np.random.RandomState) -> np.ndarray:
    """Draw a blob of radius 10 to 16 px with lobes and an uneven inside, 0 to about 1."""
    y0, x0 = random.uniform(20, SIZE - 20, 2)
    y, x = np.ogrid[:SIZE, :SIZE]
    angle, distance = np.arctan2(y - y0, x - x0), np.hypot(y - y0, x - x0)
    outline = random.uniform(10, 16)
    for lobes in (2, 3, 5):
        outline = outline * (
            1 + random.uniform(0, 0.15) * np.cos(lobes * angle + random.rand() * 6)
        )
    inside = 1 / (1 + np.exp((distance - outline) / 0.7))
    texture = ndimage.gaussian_filter(random.normal(size=(SIZE, SIZE)), 3)
    return inside * np.clip(1 + 0.25 * texture / texture.std(), 0.2, None)


def photograph(
    photons: np.ndarray, offsets: np.ndarray, random: np.random.RandomState
) -> np.ndarray:
    """See expected photons through the camera: Poisson and read noise, gain, offsets, rounding."""
    electrons = random.poisson(photons) + random.normal(0, READ_NOISE, photons.shape)
    grey = np.rint(electrons * GREY_LEVELS_PER_PHOTON + offsets)
    return np.clip(grey, 0, 65535).astype(np.uint16)
