"""Run one job of the workflow with timers inside: seconds of CPU by part, as JSON.

Through a fork server, where the environment names one, as the jobs of a run do.
"""

# First and light: what is imported before the clock starts counts as the interpreter's.
import os
import sys
import time

START = time.process_time()
# ruff: noqa: E402

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../scripts"))  # noqa: PTH118, PTH120
from clearfield.jobs.forkserver import run_forked

if __name__ == "__main__" and (status := run_forked()) is not None:
    os._exit(status)

import builtins
import importlib
import json
from contextlib import contextmanager

PARTS = ("interpreter", "imports", "reading", "computing", "writing", "figure")
# Where each script spends its time: functions of clearfield, and what they stand for. What is
# not named here is computing; imports count as imports wherever they happen.
PHASES = {
    "load_stack": {"reading.load": "reading", "reading.replacing": "writing"},
    "project_stack": {
        "stack.read_stack": "reading",
        "stack.Planes.rows": "reading",
        "ometiff.write_ome_tiff": "writing",
        "files.replacing": "writing",
    },
    "subtract_background": {
        "ometiff.read_ome_tiff": "reading",
        "ometiff.write_ome_tiff": "writing",
        "files.replacing": "writing",
    },
    "plot_qc": {
        "ometiff.read_ome_tiff": "reading",
        "qc_table.write_table": "writing",
        "figure.draw_figure": "figure",
        "canvas.save_png": "figure",
    },
}


class Clock:
    """CPU time of this process by part; a part within a part pauses the outer one."""

    def __init__(self) -> None:
        self.parts = dict.fromkeys(PARTS, 0.0)
        self._open = ["imports"]
        self._since = START

    def switch(self) -> None:
        """Add the time since the last switch to the innermost open part."""
        now = time.process_time()
        self.parts[self._open[-1]] += now - self._since
        self._since = now

    def enter(self, part: str) -> None:
        """Begin a part."""
        self.switch()
        self._open.append(part)

    def leave(self) -> None:
        """End the innermost part."""
        self.switch()
        self._open.pop()

    def timed(self, part: str, function):
        """Wrap a function; of a generator that it takes or gives, each step counts as computing."""

        def wrapper(*arguments, **named):
            self.enter(part)
            try:
                arguments = [self.steps(a) if hasattr(a, "send") else a for a in arguments]
                return function(*arguments, **named)
            finally:
                self.leave()

        return wrapper

    def steps(self, generator):
        """Count what a generator does as computing, not as the part that asks for it."""
        while True:
            self.enter("computing")
            try:
                item = next(generator)
            except StopIteration:
                return
            finally:
                self.leave()
            yield item

    def timed_import(self, function):
        """Wrap `__import__`; what is imported already costs next to nothing."""

        def wrapper(name, *arguments, **named):
            if self._open[-1] == "imports":
                return function(name, *arguments, **named)
            self.enter("imports")
            try:
                return function(name, *arguments, **named)
            finally:
                self.leave()

        return wrapper


def parts_of(script: str, values: dict) -> None:
    """Run one script's function with timers in it; print seconds of CPU for each part."""
    clock = Clock()
    builtins.__import__ = clock.timed_import(builtins.__import__)
    function = getattr(importlib.import_module(script), script)
    for name, part in PHASES[script].items():
        module, *path, last = name.split(".")
        owner = importlib.import_module(f"clearfield.{module}")
        for attribute in path:
            owner = getattr(owner, attribute)
        if last == "replacing":
            setattr(owner, last, timed_context(clock, part, getattr(owner, last)))
        else:
            setattr(owner, last, clock.timed(part, getattr(owner, last)))
    annotations = function.__annotations__
    used = {
        name: text if annotations[name] is str or annotations[name] == "str" else json.loads(text)
        for name, text in values.items()
        if name in annotations
    }
    clock.enter("computing")
    function(**used)
    clock.leave()
    clock.parts["interpreter"] = START  # of the fork; that of who asked for it comes on top
    print(json.dumps(clock.parts), flush=True)
    os._exit(0)  # as run_job ends


def timed_context(clock: Clock, part: str, function):
    """Wrap a context manager."""

    @contextmanager
    def wrapper(*arguments, **named):
        clock.enter(part)
        try:
            with function(*arguments, **named) as value:
                yield value
        finally:
            clock.leave()

    return wrapper


if __name__ == "__main__":
    parts_of(sys.argv[1], json.loads(sys.argv[2]))
