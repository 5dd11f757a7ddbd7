"""A suffix in; out comes the name of the module that reads such files.

Snakemake's own process reads this table: nothing is imported with it.
"""

from importlib import import_module
from types import ModuleType

FORMATS = {
    ".tif": "tiff",
    ".tiff": "tiff",
    ".btf": "tiff",
    ".tf2": "tiff",
    ".tf8": "tiff",
    ".lsm": "tiff",
    ".stk": "tiff",
    ".ome": "tiff",
    ".svs": "tiff",
    ".qptiff": "tiff",
    ".czi": "czi",
    ".nd2": "nd2",
    ".lif": "lif",
    ".oib": "oib",
    ".oif": "oib",
    ".dv": "dv",
    ".r3d": "dv",
    ".r3d_d3d": "dv",
    ".mrc": "mrc",
    ".mrcs": "mrc",
    ".st": "mrc",
    ".rec": "mrc",
    ".ali": "mrc",
    ".ims": "imaris",
    ".h5": "bdv",
    ".hdf5": "bdv",
    ".zarr": "zarr",
}
"""The module that has `open_series` for a suffix; folders and globs of planes are "plane_files"."""
PLANES = "plane_files"
"""The module that reads folders and globs of single planes."""
_COMPOUND = (".companion.ome", ".ome.tiff", ".ome.tif", ".ome.btf", ".ome.zarr")
SUFFIXES = tuple(sorted((*_COMPOUND, *FORMATS), key=len, reverse=True))
"""All that a name may end in, longest first, so that "a.ome.tif" is "a"."""


def reader(module: str) -> ModuleType:
    """Import the module of a format (the hash of code follows all that the table names)."""
    return import_module(f".{module}", __package__)
