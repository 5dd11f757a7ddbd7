"""How a script becomes a job: values from the command line, one sentence on failure."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # typing's own would cost each job an import
if TYPE_CHECKING:
    from collections.abc import Callable

# No linear algebra is done here; numpy's idle BLAS threads would cost 0.1 s CPU a job.
os.environ["OPENBLAS_NUM_THREADS"] = "1"


def run_job(function: Callable[..., None]) -> None:
    """Call `function` with the ``--name value`` pairs of the command line.

    A parameter annotated `str` takes its value as it stands, any other reads it as JSON.
    A user's mistake, a full disk or a lack of memory ends the process with status 1 and one
    sentence on standard error; anything else is a bug and keeps its traceback. This function does
    not return: the process ends here.
    """
    try:
        from .forkserver import run_forked

        status = run_forked()  # before anything else is imported
        if status is not None:
            os._exit(status)
        _run(function)
    except KeyboardInterrupt:
        from .joblog import INTERRUPTED

        sys.exit(INTERRUPTED.strip())


def _run(function: Callable[..., None]) -> None:
    from .joblog import clear_log, open_log

    open_log()
    try:
        _call(function)
    finally:
        clear_log()
    end_process()


def end_process() -> None:
    """End this process with status 0, without taking its modules apart one by one.

    A run of 100 small stacks took 32 s CPU, and 46 where each job ended as Python does by itself:
    a fork then also copies what it shares with its server. Without a server, the four jobs of a
    stack took 0.73 and 0.84 s (two shared cores of an Intel Xeon, medians in turns).

    It relies on every file being synced and renamed by now, and on no library having left anything
    to its end (`tests/unit/jobs/test_job.py` names those that ask for one, and why it is not
    missed; it fails when there is one more).
    """
    sys.stdout.flush()
    os._exit(0)


def _call(function: Callable[..., None]) -> None:
    import errno

    from ..errors import ClearfieldError
    from .joblog import MEND_AND_REPEAT, OUT_OF_MEMORY

    names = [argument.removeprefix("--").replace("-", "_") for argument in sys.argv[1::2]]
    try:
        function(
            **{
                name: _read(value, function.__annotations__[name])
                for name, value in zip(names, sys.argv[2::2], strict=True)
            }
        )
    except ClearfieldError as error:
        sys.exit(f"error: {error}")
    except (MemoryError, OSError, RuntimeError) as error:
        # A map of a file, or a thread, that finds no memory is no MemoryError.
        if (
            isinstance(error, MemoryError)
            or getattr(error, "errno", None) == errno.ENOMEM
            or "can't start new thread" in str(error)
        ):
            sys.exit(
                f"error: {OUT_OF_MEMORY}; give it more with "
                f"--set-resources {function.__name__}:mem_mb=N, or run fewer jobs at once"
            )
        if not isinstance(error, OSError):
            raise
        sys.exit(
            f"error: {error.strerror or error}: {error.filename or 'while writing results'}; "
            f"{MEND_AND_REPEAT} and run the same command again"
        )


def _read(value: str, annotation: object) -> object:
    if annotation is str:
        return value
    import json

    return json.loads(value)
