"""Readers from other packages: how they come in, and how their errors reach the user."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from math import prod
from os import PathLike
from pathlib import Path
from types import ModuleType

from ..errors import ClearfieldError


def import_reader(module: str, package: str, path: str | PathLike) -> ModuleType:
    """Import the package that reads `path`, or say what to install.

    Parameters
    ----------
    module : str
        As imported, e.g. "imagecodecs".
    package : str
        As installed.
    path : path
        The file that needs it, for the error.
    """
    # What a reader says about a file goes into our own errors, not between the lines of a log.
    logging.getLogger(module.partition(".")[0]).addHandler(logging.NullHandler())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return import_module(module)
    except ImportError as error:
        raise ClearfieldError(
            f"{path} needs the Python package {package}, which cannot be imported ({error}); "
            f"run `pip install {package}`, or use the environment of load_stack (--sdm conda), "
            "which has it"
        ) from error


@contextmanager
def explained(path: str | PathLike, kind: str) -> Iterator[None]:
    """Turn whatever a reader raises into one sentence that names file and cause.

    Examples
    --------
    >>> try:
    ...     with explained("a.czi", "a CZI file"):
    ...         raise ValueError("no ZISRAWFILE")
    ... except ClearfieldError as error:
    ...     print(str(error)[:53])
    a.czi cannot be read as a CZI file (no ZISRAWFILE); i
    """
    try:
        yield
    except (ClearfieldError, MemoryError):
        raise
    except PermissionError:
        raise ClearfieldError(
            f"{path} may not be read by this user; change its permissions"
        ) from None
    except Exception as error:
        # Else it is a part of it that is not there.
        if isinstance(error, FileNotFoundError) and not Path(path).exists():
            raise ClearfieldError(f"{path} does not exist; mend the path") from None
        cause = " ".join(str(error).split()) or type(error).__name__
        raise ClearfieldError(
            f"{path} cannot be read as {kind} ({cause[:200]}); it is damaged, truncated, "
            "or of another format: copy it again from its source"
        ) from error


def check_size(path: str | PathLike, kind: str) -> int:
    """Give a file's size in bytes; an empty file is an error of its own."""
    with explained(path, kind):
        size = Path(path).stat().st_size
    if not size:
        raise ClearfieldError(f"{path} is empty (0 bytes); copy it again from its source")
    return size


def check_claim(path: str | PathLike, stored: int, shape: tuple[int, ...], itemsize: int) -> None:
    """Raise where a file claims more pixels than its bytes can stand for, before any are read.

    Parameters
    ----------
    path : path
    stored : int
        Bytes that there are.
    shape : tuple of int
        The pixels that the file claims to have.
    itemsize : int
        Bytes of one of them.
    """
    claimed = prod(shape) * itemsize
    # More than any codec here gains on an empty image.
    if claimed > stored * 50_000 or min(shape) < 1:
        raise ClearfieldError(
            f"{path} is cut short or damaged: it claims {' x '.join(map(str, shape))} pixels "
            f"({claimed} bytes), more than its {stored} bytes can hold; "
            "copy it again from its source"
        )
