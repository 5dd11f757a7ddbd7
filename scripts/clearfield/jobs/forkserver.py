"""Jobs without imports: a process that has done them forks itself for each job of a run.

A job takes a tenth of a second, and two thirds of that would be imports. Only these are shared:
each job is a process of its own, with the folder, environment, arguments and streams of the command
that asked for it. That command waits and ends with the job's exit status; when it is killed, so is
the job. Where no server answers, the command does the job itself. The server is `serve_jobs.py`.

`multiprocessing.forkserver` takes requests from the process that started it, no other, and its
import alone would cost a job more than the whole request here.
"""

import os
import sys

ADDRESS = "CLEARFIELD_FORKSERVER"
"""The environment variable that names the environment of a server and its socket."""


def start_server(scripts: str) -> bool:
    """Start the server of this run, which ends when this process does, however it ends.

    On Linux only: elsewhere not all that NumPy calls survives a fork. `scripts` is the folder of
    the jobs' scripts, which is the first place where they look for modules.

    Returns
    -------
    bool
        Whether there is one.
    """
    if sys.platform != "linux":
        return False
    import atexit
    import signal
    import subprocess
    import tempfile
    from contextlib import suppress

    # The server inherits this: a Ctrl-C is for the jobs. One that comes before a fork is ready for
    # it waits until it is.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        address = f"{tempfile.mkdtemp(prefix='clearfield-')}/socket"
        server = subprocess.Popen(
            [sys.executable, "-m", "clearfield.jobs.serve_jobs", address], cwd=scripts,
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        )  # fmt: skip
    except OSError:  # no room for it: jobs import for themselves
        return False
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    def stop() -> None:
        server.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            server.wait(10)

    atexit.register(stop)
    os.environ[ADDRESS] = f"{sys.prefix}{os.pathsep}{address}"
    return True


def run_forked() -> int | None:
    """Have the server do what this process was started for, and wait for it.

    Returns
    -------
    int or None
        The exit status, 128 + N after signal N; None where this process has to do it itself.
    """
    prefix, _, address = os.environ.pop(ADDRESS, "").partition(os.pathsep)
    if prefix != sys.prefix:  # no server, or one of another environment
        return None
    import marshal

    # What the module socket wraps: importing that one takes 8 ms, starting Python 12.
    from _socket import AF_UNIX, SCM_RIGHTS, SOL_SOCKET, socket

    server = socket(AF_UNIX)
    try:
        server.connect(address)
        folder = os.getcwd()  # noqa: PTH109  (before any import)
        request = marshal.dumps((sys.argv, folder, dict(os.environ)))
        message = len(request).to_bytes(8, sys.byteorder) + request
        streams = b"".join(stream.to_bytes(4, sys.byteorder) for stream in (0, 1, 2))
        sent = server.sendmsg([message], [(SOL_SOCKET, SCM_RIGHTS, streams)])
        server.sendall(message[sent:])
        while True:
            try:
                status = server.recv(1)
                return status[0] if status else None
            except KeyboardInterrupt:  # a Ctrl-C reaches the job too, which says so in its log
                continue
    except OSError:
        return None
