"""What both schedulers of the stand need: bounded waits, free ports, an end by pid files."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def wait_for(what: str, condition: Callable[[], object], seconds: float = 30) -> object:
    """Poll until `condition` gives something true, and give that; fail after `seconds`."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s in vain for {what}")
        time.sleep(0.1)
    return value


def free_ports(number: int) -> int:
    """Give the first of `number` neighbouring ports that nobody listens on now."""
    for first in range(20000 + os.getpid() % 5000, 32000, number):
        with suppress(OSError):
            for port in range(first, first + number):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
            return first
    raise OSError(f"no {number} free ports")


def call(*command: str, environment: dict[str, str], seconds: float = 30) -> str:
    """Run a command, give what it prints, fail with what it says."""
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=seconds, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout


def is_running(pid: int) -> bool:
    """Tell a living process from one that is gone or only waits to be collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def parent_of(pid: int) -> int:
    """Give the process that started `pid`, or `pid` itself where that is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return pid


def pids_in(files: list[Path]) -> list[int]:
    """Read the processes that still live of those named in pid files."""
    texts = [file.read_text().strip() for file in files if file.is_file()]
    return [int(text) for text in texts if text.isdigit() and is_running(int(text))]


def pids_with(values: dict[str, str]) -> list[int]:
    """Find the processes that were started with these values in their environment."""
    wanted = {f"{name}={value}".encode() for name, value in values.items()}
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with suppress(OSError):
                if wanted <= set((entry / "environ").read_bytes().split(b"\0")):
                    found.append(int(entry.name))
    return found


def end(pids: list[int], seconds: float = 15) -> None:
    """Ask processes to end, and kill those that do not in time."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        with suppress(TimeoutError):
            wait_for("processes to end", lambda: not any(map(is_running, pids)), seconds)
            return
