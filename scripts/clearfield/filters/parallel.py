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


class _OthersFailedError(Exception):
    """Ends a thread that waits in vain."""


def run_in_turn(function: Callable[..., None], tasks: Iterable[tuple], threads: int) -> None:
    """Call ``function(thread, wait, lane, *rest)`` for tasks ``(lane, *rest)``, and wait for all.

    Threads take tasks in their order. What a function does before it calls ``wait()`` runs beside
    anything else; what follows runs once the earlier tasks of its lane have ended. So a lane sees
    its tasks in order, however many threads there are, and no more than one task of each thread is
    under way.

    Parameters
    ----------
    function : callable
        Its `thread` counts from 0, so that each thread may have memory of its own.
    tasks : iterable of tuple
        The first of each names its lane.
    threads : int

    Examples
    --------
    >>> order = {"a": [], "b": []}
    >>> def work(thread, wait, lane, number):
    ...     wait()
    ...     order[lane].append(number)
    >>> run_in_turn(work, [("a", 0), ("b", 1), ("a", 2), ("a", 3)], threads=2)
    >>> order
    {'a': [0, 2, 3], 'b': [1]}
    """
    from itertools import count

    numbered, begun = [], {}
    for task in tasks:
        numbered.append((begun.get(task[0], 0), task))
        begun[task[0]] = numbered[-1][0] + 1
    ended = dict.fromkeys(begun, 0)
    names = count()
    threads = max(1, min(threads, len(numbered)))
    if threads > 1:
        import threading

        change, local = threading.Condition(), threading.local()
    failed = False

    def run(turn: int, task: tuple) -> None:
        nonlocal failed
        lane = task[0]
        if threads == 1:
            function(0, lambda: None, *task)
            return
        if not hasattr(local, "name"):
            local.name = next(names)

        def wait() -> None:
            if ended[lane] != turn:
                with change:
                    change.wait_for(lambda: failed or ended[lane] == turn)
            if failed:
                raise _OthersFailedError

        try:
            function(local.name, wait, *task)
            wait()
        except _OthersFailedError:
            return
        except BaseException:
            with change:
                failed = True
                change.notify_all()
            raise
        with change:
            ended[lane] += 1
            change.notify_all()

    run_tasks(run, numbered, threads)
