"""Each method at the sizes that QC recommends for a plane, to set side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .granulometry import Granulometry


def recommended_methods(sizes: Granulometry, otherwise: int | None = None) -> dict[str, dict]:
    """Give label and settings of each method, as `subtract_background` takes them.

    Parameters
    ----------
    sizes : Granulometry
        Of the plane.
    otherwise : int, optional
        Radius in px where none is recommended.

    Returns
    -------
    dict
        Empty where no radius is recommended and none is given. The Gaussian is twice as wide as
        the disk, since it has no flat top.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> sizes = SimpleNamespace(recommended_radius_px=4, smoothing=None)
    >>> list(recommended_methods(sizes).values())[:2]
    [{'method': 'tophat', 'radius': 4}, {'method': 'minmax', 'min_size': 9, 'max_size': 9}]
    """
    radius = sizes.recommended_radius_px or otherwise
    if radius is None:
        return {}
    smooth, wide = 0.0, radius
    if sizes.smoothing is not None:
        smooth, wide = sizes.smoothing.sigma_px, sizes.smoothing.radius_px
    blur = {"smooth": smooth}
    methods = {
        "top-hat": {"method": "tophat", "radius": radius},
        "top-hat, smoothed": {"method": "tophat", "radius": wide, **blur},
        "minimum–maximum": {"method": "minmax", **_windows(radius)},
        "minimum–maximum, smoothed": {"method": "minmax", **_windows(wide), **blur},
        "difference of Gaussians": {"method": "dog", "low_sigma": 1, "high_sigma": 2 * radius},
        "rolling ball": {
            "method": "rolling_ball", "radius": radius, "smooth": True, "paraboloid": False
        },
        "sliding paraboloid": {
            "method": "rolling_ball", "radius": radius, "smooth": True, "paraboloid": True
        },
    }  # fmt: skip
    return {label: own for label, own in methods.items() if own.get("smooth", 1)}


def _windows(radius: int) -> dict[str, int]:
    return {"min_size": 2 * radius + 1, "max_size": 2 * radius + 1}
