"""Images of which HDF5 keeps each time point and channel as a dataset of its own, Z, Y, X."""

from functools import cache
from math import prod
from os import PathLike, fspath
from pathlib import Path

import numpy as np

from ..errors import ClearfieldError
from .hdf5_chunks import are_chunks_known, filters_of, find_chunks, never_written
from .parts import plane_reader
from .series import Series
from .thirdparty import check_claim, check_size, explained, import_reader

_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def open_hdf5(path: str | PathLike, kind: str, otherwise: str):
    """Open a file; it is closed when nothing of it is held any more.

    Parameters
    ----------
    path : path
    kind : str
        "an Imaris file", for errors.
    otherwise : str
        What to do with a file of that suffix that is no HDF5, for the error.

    Returns
    -------
    h5py.File
    """
    check_size(path, kind)
    with explained(path, kind), Path(path).open("rb") as file:
        if file.read(8) != _SIGNATURE:
            raise ClearfieldError(f"{path} is no HDF5 file, which {kind} has to be; {otherwise}")
    package = import_reader("h5py", "h5py", path)
    with explained(path, kind):
        # Jobs only read, and some file systems of clusters know no locks.
        return package.File(fspath(path), "r", locking=False)


def describe(
    path: str | PathLike,
    kind: str,
    datasets: list,
    lengths: dict[str, int],
    dtype: np.dtype | None = None,
) -> Series:
    """Make a series of datasets.

    Parameters
    ----------
    path, kind
        As for `open_hdf5`.
    datasets : list of h5py.Dataset
        Each Z, Y, X, of which what is beyond the image is padding; T by T, in it C by C.
    lengths : dict of int
        Of T, C, Z, Y and X. T and C are axes where there are several.
    dtype : dtype, optional
        What the pixels mean, if not the type that they are stored as.

    Raises
    ------
    ClearfieldError
        Where the datasets differ, or cannot hold the image.
    """
    shape = tuple(lengths[axis] for axis in "ZYX")
    _check(path, datasets, shape)
    dtype = dtype or datasets[0].dtype
    lead = "".join(axis for axis in "TC" if lengths[axis] > 1)
    sizes = tuple(lengths[axis] for axis in lead)

    with explained(path, kind):
        in_parts = are_chunks_known(datasets)

    @cache
    def parts():
        with explained(path, kind):
            return find_chunks(path, kind, datasets, sizes, shape, dtype)

    @cache
    def read_parts():
        return plane_reader(parts(), (*sizes, *shape), dtype)

    def read(index: tuple[int, ...]) -> np.ndarray:
        if in_parts:
            return read_parts()(index)
        *place, z = map(int, index)
        dataset = datasets[int(np.ravel_multi_index(place, sizes)) if place else 0]
        with explained(path, kind):
            _check_readable(path, dataset)
            return dataset[z, : shape[1], : shape[2]].view(dtype)

    return Series(
        name="",
        axes=f"{lead}ZYX",
        shape=(*sizes, *shape),
        dtype=dtype,
        read=read,
        parts=parts if in_parts else None,
    )


def _check_readable(path: str | PathLike, dataset) -> None:
    """Raise where h5py lacks a filter, or would give zeros for what is not there."""
    from h5py.h5z import filter_avail

    for code in filters_of(dataset):
        if not filter_avail(code):
            raise ClearfieldError(
                f"{path} is compressed in a way that is not read here (HDF5 filter {code}); save "
                "it with gzip compression"
            )
    if dataset.chunks:
        steps = zip(dataset.shape, dataset.chunks, strict=True)
        whole = dataset.id.get_num_chunks() >= prod(-(-length // step) for length, step in steps)
    else:
        whole = dataset.id.get_storage_size() > 0
    if not whole:
        raise ClearfieldError(never_written(path, dataset))


def _check(path: str | PathLike, datasets: list, shape: tuple[int, int, int]) -> None:
    first = datasets[0]
    for one in datasets:
        if one.ndim != 3 or one.dtype != first.dtype:
            raise ClearfieldError(
                f"{path} is damaged: {one.name} has {one.ndim} axes of {one.dtype}, where 3 "
                f"of {first.dtype} are expected"
            )
        if any(want > have for want, have in zip(shape, one.shape, strict=True)):
            raise ClearfieldError(
                f"{path} is cut short or damaged: its image has Z x Y x X = "
                f"{' x '.join(map(str, shape))} pixels, and {one.name} "
                f"{' x '.join(map(str, one.shape))}"
            )
    stored = sum(Path(file).stat().st_size for file in {one.file.filename for one in datasets})
    check_claim(path, stored, (len(datasets), *shape), first.dtype.itemsize)


def text(attribute) -> str:
    """Read text from an attribute: of Imaris, an array of characters.

    Examples
    --------
    >>> text(np.array([b"2", b".", b"5"])), text("DAPI "), text(np.array([7])), text(None)
    ('2.5', 'DAPI', '7', '')
    """
    if attribute is None:
        return ""
    values = np.asarray(attribute).ravel().tolist()
    if all(isinstance(value, bytes) for value in values):
        return b"".join(values).decode("utf-8", "replace").strip("\0 ")
    return "".join(map(str, values)).strip("\0 ")
