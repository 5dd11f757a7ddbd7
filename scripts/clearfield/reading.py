"""From a file of any known format to a stack: pick the series, order its axes, write it down."""

FORMATS = {
    ".tif": "tiff",
    ".tiff": "tiff",
    ".btf": "tiff",
    ".tf2": "tiff",
    ".tf8": "tiff",
    ".lsm": "tiff",
    ".stk": "tiff",
    ".czi": "czi",
    ".nd2": "nd2",
    ".lif": "lif",
    ".oib": "oib",
    ".oif": "oib",
    ".dv": "dv",
    ".r3d": "dv",
    ".zarr": "zarr",
}
"""The module that has `open_series` for a suffix; folders and globs of planes are "planes"."""
