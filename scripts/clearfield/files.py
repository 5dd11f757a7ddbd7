"""Files that are whole or absent, never half-written."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; on success sync it and rename it to `path`.

    The name holds host and process, because two tries of one job may run at once on a cluster.
    A failing block removes its own file; what a killed process leaves (``.*.tmp``) is removed
    by the next try of the same job here, once it can no longer belong to a living process.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with replacing(folder / "a.txt") as temporary:
    ...     _ = temporary.write_text("whole")
    >>> (folder / "a.txt").read_text()
    'whole'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_orphans(path)
    temporary = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.tmp")
    try:
        yield temporary
        descriptor = os.open(temporary, os.O_RDONLY)
        try:
            os.fsync(descriptor)  # else a power cut may leave the new name on empty blocks
        finally:
            os.close(descriptor)
        temporary.replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise


def _remove_orphans(path: Path) -> None:
    """Remove temporary files of `path` whose process on this host is gone."""
    start = f".{path.name}.{socket.gethostname()}."
    for name in os.listdir(path.parent):
        if name.startswith(start) and name.endswith(".tmp"):
            process = name[len(start) : -len(".tmp")]
            if process.isdigit() and not Path(f"/proc/{process}").exists():
                with suppress(FileNotFoundError):
                    (path.parent / name).unlink()
