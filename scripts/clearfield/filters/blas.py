"""NumPy's linear algebra kept to one thread: its products are shared among threads of ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any

_change = Lock()
_users = 0  # calls at work, each in a thread of its own
_before: Any = None  # what the first of them found


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let each product of matrices run on the thread that asks for it.

    What the environment or the caller has set is put aside, for the whole process, and holds again
    afterwards; with calls in several threads, after the last of them. A BLAS that threadpoolctl
    does not know (Apple's Accelerate) is left as it is.

    Examples
    --------
    >>> from threadpoolctl import threadpool_info
    >>> with one_blas_thread():
    ...     {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"} <= {1}
    True
    """
    global _users, _before
    with _change:
        before = _libraries().limit(limits=1)
        if not _users:
            _before = before
        _users += 1
    try:
        yield
    finally:
        with _change:
            _users -= 1
            if not _users:
                _before.restore_original_limits()


@cache
def _libraries() -> Any:
    """Find the BLAS that this process has loaded; NumPy's is among them."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")
