"""Share independent tasks among threads (NumPy releases the lock while it computes)."""

import os
from collections.abc import Callable, Iterable

from ..errors import ClearfieldError


def thread_count(threads: int | None) -> int:
    """Give the number of threads to use: `threads`, but no more than the CPUs this process may use.

    More threads than CPUs only wait for each other.

    Examples
    --------
    >>> thread_count(1)
    1
    """
    has_affinity = hasattr(os, "sched_getaffinity")
    cpus = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    if threads is None:
        return cpus
    if threads < 1:
        raise ClearfieldError(f"threads is {threads}; give at least 1, or None for every CPU")
    return min(int(threads), cpus)


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


def run_rows(
    function: Callable[[int, range, int], None],
    rows: range,
    steps: int,
    *,
    least: int,
    threads: int,
) -> None:
    """Call ``function(thread, rows, step)`` for every row and step, and wait for all.

    Each thread has a share of the rows, and once it is through with them, half of another's that is
    not, so that all end together. The steps of a row are done in order.

    Parameters
    ----------
    function : callable
        Its `thread` counts from 0, so that each thread may have memory of its own.
    rows : range
    steps : int
    least : int
        Shares are cut at multiples of so many rows.
    threads : int

    Examples
    --------
    >>> order = [[] for row in range(8)]
    >>> def work(thread, rows, step):
    ...     for row in rows:
    ...         order[row].append(step)
    >>> run_rows(work, range(8), 3, least=1, threads=2)
    >>> order == [[0, 1, 2]] * 8
    True
    """
    share = -(-len(rows) // (max(threads, 1) * least)) * least
    free = [(0, rows[first : first + share]) for first in range(0, len(rows), share)]
    if len(free) == 1:
        for step in range(steps):
            function(0, rows, step)
        return

    import threading

    change = threading.Condition()
    working = waiting = 0
    failed = False

    def is_settled() -> bool:
        return bool(free) or not working

    def work(thread: int) -> None:
        nonlocal working, waiting, failed
        while True:
            with change:
                waiting += 1
                change.wait_for(is_settled)
                waiting -= 1
                if not free:
                    return
                step, part = free.pop(0)
                working += 1
            done = False
            try:
                function(thread, part, step)
                done = True
            finally:
                with change:
                    working -= 1
                    failed |= not done
                    if failed:
                        free.clear()
                    elif step + 1 < steps:
                        half = len(part) // 2 // least * least if waiting else 0
                        pieces = [part[:half], part[half:]] if half else [part]
                        free.extend((step + 1, piece) for piece in pieces)
                    change.notify_all()

    run_tasks(work, [(thread,) for thread in range(len(free))], threads)
