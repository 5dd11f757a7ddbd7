"""Files that are whole or absent, never half-written."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path: str | Path, *, sync: bool = True) -> Iterator[Path]:
    """Give a temporary name beside `path`; on success sync it and rename it to `path`.

    The name holds host and process, because two tries of one job may run at once on a cluster.
    A failing block removes its own file; what a killed process leaves is removed when a run
    starts or ends (`remove_orphans`).

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
    temporary = path.with_name(f".{path.name}.{os.uname().nodename}.{os.getpid()}.tmp")
    try:
        yield temporary
        if sync:  # else a power cut may leave the new name on empty blocks
            descriptor = os.open(temporary, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):  # the first error is the one to tell
            temporary.unlink()
        raise


def remove_orphans(folder: str | Path) -> None:
    """Remove temporary files below `folder`, but those of a living process of this host.

    For the moments when no job of this folder is at work. A process of another host that still
    writes (its run was killed, its cluster job was not) then fails to rename, as it should.
    """
    host = os.uname().nodename
    for path in Path(folder).rglob(".*.tmp"):
        rest, _, process = path.name.removesuffix(".tmp").rpartition(".")
        alive = rest.endswith(f".{host}") and _is_alive(process)
        if process.isdigit() and not alive:
            with suppress(FileNotFoundError):
                path.unlink()


def _is_alive(process: str) -> bool:
    """Tell whether a process of this host still runs; a zombie's work has ended."""
    try:
        state = Path(f"/proc/{process}/stat").read_text(errors="replace")
    except OSError:
        return False
    return state.rpartition(")")[2].split()[0] not in "ZX"
