"""The page of explore_parameters: sliders over what was computed, curves, and the YAML for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ..methods.known_methods import METHODS
from .grey_image import grey_range
from .page_template import CHART, LEAFLET, data, read_web, text, write_head, write_scripts
from .plane_file import pack_plane
from .trials import IN_SIGMA, MERIT, Trial

if TYPE_CHECKING:
    from ..qc.granulometry import Granulometry

MERIT_TEXT = {
    "signal_survived": "signal of the objects that is kept, %",
    "unevenness_to_signal": "unevenness of the background left, % of that signal",
    "negative_fraction": "negative pixels, %",
    "background_left_sigma": "background left, standard deviations of its noise",
    "contrast_to_noise_after": "contrast-to-noise",
}


def pack_trial(
    image: np.ndarray,
    trial: Trial,
    result: np.ndarray,
    background: np.ndarray,
    sizes: Granulometry,
) -> dict:
    """Pack a trial for the page.

    Parameters
    ----------
    image, result, background : (Y, X)
    trial : Trial
    sizes : Granulometry
        Of the image; what is finer than a sixteenth of its noise is not kept of floats.

    Returns
    -------
    dict
        ``method, sizes, alike, marks, merit``, and ``planes``: the background, and the result where
        it is not image - background (background - image) to the last bit.
    """
    wide = np.float64
    plain = image.astype(wide) - background.astype(wide)
    outside = image[:: sizes.factor, :: sizes.factor]
    middle = float(np.median(outside[np.isfinite(outside)])) if outside.size else 0.0
    noise = 1.4826 * float(np.nanmedian(np.abs(outside - middle))) if outside.size else 0.0
    planes = {}
    if not any(np.array_equal(sign * plain, result) for sign in (1, -1)):
        planes["result"] = pack_plane(result, noise / 16)
    planes["background"] = pack_plane(background, noise / 16)
    return {
        "method": trial.method, "sizes": trial.sizes, "alike": trial.alike, "marks": trial.marks,
        "merit": {
            name: round(float(value), 5) if np.isfinite(value) else None
            for name, value in trial.merit.items()
        },
        "high": max(grey_range([trial.image])[1], 1e-12),
        "planes": planes,
    }  # fmt: skip


def write_explore_page(
    title: str,
    subtitle: str,
    image: np.ndarray,
    trials: list[dict],
    sizes: Granulometry,
    *,
    unit: str,
    pixel_um: float | None,
    channel: str | None,
    light: bool,
) -> Iterator[str]:
    """Yield the page in pieces.

    Parameters
    ----------
    title, subtitle : str
        Sample; channel, time, and what is configured.
    image : (Y, X)
        The plane before subtraction.
    trials : list of dict
        Of `pack_trial`.
    sizes : Granulometry
        Of the image.
    unit : str
        ``px`` or ``um``: of all that a person reads, and of the YAML.
    pixel_um : float or None
        Size of a pixel.
    channel : str or None
        What the config calls the channel; None where the sample has only this one.
    light : bool
        Dark objects on a light background.

    Yields
    ------
    str
        HTML, UTF-8; no file beside it is needed.
    """
    yield from write_head(
        f"{title}: methods and sizes",
        (read_web("web/page.css"), read_web(LEAFLET[0]), read_web("web/explore.css")),
    )
    yield (
        f'<main><h1>{text(title)}</h1>\n<p class="about">{text(subtitle)}</p>\n'
        '<div class="tools"><label>Method <select id="method"></select></label>'
        '<span id="sliders"></span><button id="to-advised">Advised</button>'
        '<button id="to-configured">Configured</button>'
        '<label>White at <input id="high" type="number" step="any"> grey levels</label></div>\n'
        '<p id="said" role="status"></p>\n<div id="maps"></div>\n<p class="said" id="levels" '
        'role="status">&nbsp;</p>\n'
        '<div class="explained"><section><h2>Figures of merit</h2><p>Along the size that was moved '
        "last, the others as they are. Green: advised; orange: configured; the large point: on "
        'screen.</p><div class="plots" id="curves"></div></section>\n'
        "<section><h2>For the config</h2><p>What is on screen; it takes the place of these keys in "
        'your config.</p><div class="tools"><button data-of="yaml">Copy</button>'
        '<button data-of="yaml" data-file="explored.yaml">Save as explored.yaml</button>'
        '<span class="said" role="status"></span></div>'
        '<pre id="yaml" tabindex="0"></pre></section></div>\n'
    )
    yield data(
        "told",
        {
            "title": title, "shape": list(image.shape), "unit": unit, "pixel_um": pixel_um,
            "channel": channel, "light": light, "range": list(grey_range([image])),
            "methods": {
                method.NAME: {
                    "text": method.TEXT, "options": list(method.OPTIONS),
                    "sizes": method.SIZES | {name: name for name in method.OPTIONS},
                }
                for method in METHODS
                if any(trial["method"] == method.NAME for trial in trials)
            },
            "merit": {name: MERIT_TEXT[name] for name in MERIT}, "in_sigma": IN_SIGMA,
            "projection": pack_plane(image),
        },
    )  # fmt: skip
    yield '<script type="application/json" id="trials">['
    for index, trial in enumerate(trials):
        yield ("," if index else "") + json_line(trial)
    yield "]</script>\n</main>\n"
    yield from write_scripts(
        (LEAFLET[1], CHART), ("web/planes.js", "web/blocks.js", "web/explore.js")
    )
    yield "</body>\n</html>\n"


def json_line(trial: dict) -> str:
    """Write a trial as JSON on a line of its own."""
    from .page_template import json_text

    return json_text(trial) + "\n"
