"""Share independent tasks among threads (NumPy releases the lock while it computes)."""

import os
from collections.abc import Callable, Iterable

from .errors import ClearfieldError


def thread_count(threads: int | None) -> int:
    """Give the number of threads to use: `threads`, or the CPUs this process may use.

    Examples
    --------
    >>> thread_count(3)
    3
    """
    if threads is None:
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1
    if threads < 1:
        raise ClearfieldError(f"threads is {threads}; give at least 1, or None for every CPU")
    return int(threads)


def run_tasks(function: Callable[..., None], tasks: Iterable[tuple], threads: int) -> None:
    """Call ``function(*task)`` for each task, on `threads` threads, and wait for all.

    The first exception ends the work and is raised here. `concurrent.futures` would do, but its
    import takes as long as filtering a small image.

    Examples
    --------
    >>> squares = [0, 0, 0]
    >>> run_tasks(lambda i: squares.__setitem__(i, i * i), [(0,), (1,), (2,)], threads=2)
    >>> squares
    [0, 1, 4]
    """
    tasks = list(tasks)
    threads = min(threads, len(tasks))
    if threads <= 1:
        for task in tasks:
            function(*task)
        return

    import threading

    queue, lock = iter(tasks), threading.Lock()
    errors: list[BaseException] = []

    def work() -> None:
        while not errors:
            with lock:
                task = next(queue, None)
            if task is None:
                return
            try:
                function(*task)
            except BaseException as error:
                errors.append(error)

    helpers = [threading.Thread(target=work, daemon=True) for _ in range(threads - 1)]
    for helper in helpers:
        helper.start()
    work()
    for helper in helpers:
        helper.join()
    if errors:
        raise errors[0]
