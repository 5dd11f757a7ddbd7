"""What tells that a raw file is still the one that was loaded."""

import os

from ..errors import ClearfieldError


def fingerprint(path: str | os.PathLike) -> list:
    """Size in bytes and modification time in ns: what tells that a file is another one.

    Of a store on a server it is what `look_up` gives as its version.
    """
    if "://" in os.fspath(path):
        from .remote import is_remote, look_up  # here: its import would cost each job 1 ms

        if is_remote(path):
            return [look_up(path).version]
    status = os.stat(path)  # noqa: PTH116  (a Zarr has many)
    return [status.st_size, status.st_mtime_ns]


def check_raw(path: str, known: list[int]) -> None:
    """Raise where a raw file is gone, or its fingerprint does not begin as what is known of it."""
    try:
        now = fingerprint(path)
    except FileNotFoundError:
        raise ClearfieldError(
            f"{path} is gone since it was loaded; put it back, and run the same command again"
        ) from None
    if now[: len(known)] != known:
        raise ClearfieldError(changed(path))


def changed(path: str) -> str:
    """Say that a raw file is another one now."""
    return (
        f"{path} has changed since it was loaded; run the same command again once nothing "
        "writes to it any more"
    )
