"""Threads for small images, too, on any machine."""

import pytest
from clearfield.filters import gaussian, rolling_ball, running_extrema


@pytest.fixture
def many_threads(monkeypatch):
    """As many threads as a call asks for, as if they helped and there were 64 CPUs."""
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(64)), raising=False)
    monkeypatch.setattr(running_extrema, "_THREAD_BYTES", 1)
    monkeypatch.setattr(running_extrema, "_THREAD_WORK", 1)
    for module in (gaussian, rolling_ball):
        monkeypatch.setattr(module, "_THREAD_PIXELS", 1)
