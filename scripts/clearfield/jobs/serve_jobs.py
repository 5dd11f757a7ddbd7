"""The fork server of a run (`forkserver.py`): it imports what jobs need, and forks for each."""

import gc
import io
import marshal
import os
import runpy
import select
import shutil
import signal
import socket
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from . import job  # noqa: F401  (first: it limits numpy's threads)
from .codehash import code_files


class Job(NamedTuple):
    """A fork at work."""

    process: int
    client: socket.socket  # of the command that waits for it
    ended: int  # of a pipe that it holds open until it ends


def serve_jobs(address: str) -> bool:
    """Fork for each connection to `address` until standard input ends.

    Standard input is a pipe from the run's Snakemake, and ends when that ends, however it ends.
    SIGINT is blocked (`clearfield.jobs.forkserver.start_server`), but in the forks.

    Parameters
    ----------
    address : str
        Path of the socket to make; its folder is removed at the end.

    Returns
    -------
    bool
        True in a fork, which is now the process that was asked for, its script still to be run;
        False in the server, once all forks have ended.
    """
    import_what_jobs_need()
    gc.freeze()  # a look for garbage would write to all objects, and so copy what forks share
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(address)
    except OSError:  # too long a path for a socket: jobs do without
        shutil.rmtree(Path(address).parent, ignore_errors=True)
        return False
    listener.listen(128)
    poll = select.poll()
    poll.register(0, 0)  # 0: tells only that the other end is closed
    poll.register(listener, select.POLLIN)
    jobs: dict[int, Job] = {}  # by either descriptor
    while jobs or listener.fileno() >= 0:
        descriptor = poll.poll()[0][0]  # one at a time: it may close what the next is about
        if descriptor == 0:
            poll.unregister(0)
            poll.unregister(listener)
            listener.close()
            shutil.rmtree(Path(address).parent, ignore_errors=True)
        elif descriptor == listener.fileno():
            client, _ = listener.accept()
            ended, held = os.pipe()
            try:
                process = os.fork()
            except OSError:  # no room for one more: whoever asked does it alone
                client.close()
                os.close(ended)
            else:
                if not process:
                    listener.close()
                    for other in jobs.values():
                        other.client.close()
                    become_job(client)
                    return True
                for end in (ended, client.fileno()):
                    jobs[end] = Job(process, client, ended)
                    poll.register(end, 0)
            os.close(held)
        elif descriptor == jobs[descriptor].ended:
            ended_job = jobs.pop(descriptor)
            poll.unregister(descriptor)
            os.close(descriptor)
            status = os.waitstatus_to_exitcode(os.waitpid(ended_job.process, 0)[1])
            with suppress(OSError):  # nobody waits for it any more
                ended_job.client.sendall(bytes([status if status >= 0 else 128 - status]))
            if jobs.pop(ended_job.client.fileno(), None):
                poll.unregister(ended_job.client)
            ended_job.client.close()
        else:
            poll.unregister(descriptor)
            os.kill(jobs.pop(descriptor).process, signal.SIGKILL)
    return False


def import_what_jobs_need() -> None:
    """Import what the jobs of a TIFF do; the readers of other formats come in where needed."""
    from ..figures.canvas import new_figure, write_png

    import_module("clearfield.formats.tiff")
    package = Path(__file__).parents[1]
    for script in ("project_stack", "subtract_background", "plot_qc"):
        for file in code_files(str(package.parent), script):
            if package in file.parents and file.stem != "__init__":
                import_module(".".join(file.relative_to(package.parent).with_suffix("").parts))
    write_png(new_figure(1, 1), io.BytesIO())  # matplotlib and Pillow import as they draw


def become_job(client: socket.socket) -> None:
    """Take over from the process that asked; its socket stays open until this one ends."""
    message, streams, _, _ = socket.recv_fds(client, 1 << 16, 3)
    length = int.from_bytes(message[:8], sys.byteorder)
    while len(message) < 8 + length:
        part = client.recv(1 << 16)
        if not part:
            os._exit(1)  # it was killed while it asked
        message += part
    sys.argv[:], folder, environment = marshal.loads(message[8:])
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    Path("/proc/self/comm").write_text(Path(sys.argv[0]).stem)  # what `top` shows
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


if __name__ == "__main__" and serve_jobs(sys.argv[1]):
    runpy.run_path(sys.argv[0], run_name="__main__")
