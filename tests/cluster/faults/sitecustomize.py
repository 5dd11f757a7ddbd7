# ruff: noqa: PTH110, PTH118, PTH119, PTH123
"""Faults at a chosen moment of a real job, and haste; python imports this file when it starts.

A job on a cluster inherits PYTHONPATH and CLEARFIELD_FAULTS from the test. Files in that folder
say what is to happen to the jobs of project_stack: `hold` stops them between the last byte
written and the renaming of the file, `ballast` makes them take that many MB.
"""

import os
import sys
import time


def _matters(name: str) -> str | None:
    path = os.path.join(os.environ["CLEARFIELD_FAULTS"], name)
    script = os.path.basename(sys.argv[0]) if getattr(sys, "argv", None) else ""
    return path if script == "project_stack.py" and os.path.exists(path) else None


def _sync(descriptor, _sync=os.fsync):
    _sync(descriptor)
    if hold := _matters("hold"):
        with open(os.path.join(os.environ["CLEARFIELD_FAULTS"], f"held.{os.getpid()}"), "w"):
            pass
        end = time.monotonic() + 120
        while os.path.exists(hold) and time.monotonic() < end:
            time.sleep(0.05)
    if ballast := _matters("ballast"):
        with open(ballast) as file:
            weight = bytearray(int(file.read()) << 20)
        time.sleep(3)  # a scheduler without cgroups looks once a second
        del weight


def _hurry() -> None:
    """Bound the time between two looks at the jobs.

    The Slurm plugin looks 10 s later each time that it looked in vain, and no setting stops that:
    right for a night of work, but most of the time of a test.
    """
    import asyncio

    async def sleep(delay, result=None, _sleep=asyncio.sleep):
        return await _sleep(min(delay, 2), result)

    asyncio.sleep = sleep


if "CLEARFIELD_FAULTS" in os.environ:
    os.fsync = _sync
    if "snakemake" in sys.orig_argv:
        _hurry()
