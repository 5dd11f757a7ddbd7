"""Background-free projections of microscopy z-stacks: the functions behind the workflow.

Names are imported on first use, so that a job pays only for what it needs.
"""

__version__ = "0.1.0"

_HOME = {
    "ClearfieldError": "errors",
    "black_tophat": "filters.morphology",
    "difference_of_gaussians": "filters.gaussian",
    "minmax_filter_background": "filters.morphology",
    "subtract_background": "methods.subtraction",
    "white_tophat": "filters.morphology",
}

__all__ = sorted(_HOME)


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module 'clearfield' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
