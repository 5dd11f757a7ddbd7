"""As many threads as help, counted as they start; never more than there are CPUs."""

import threading

import numpy as np
import pytest
from clearfield import difference_of_gaussians, minmax_filter_background, white_tophat
from clearfield.filters import gaussian, running_extrema
from clearfield.filters import rolling_ball as ball
from clearfield.filters.rolling_ball import rolling_ball


@pytest.fixture
def started(monkeypatch):
    """The threads beside the caller's own of each part of the work that is shared."""
    counts = []
    for module in (running_extrema, gaussian, ball):

        def count(function, tasks, threads, run_tasks=module.run_tasks):
            counts.append(0)
            run_tasks(function, tasks, threads)

        monkeypatch.setattr(module, "run_tasks", count)

    class Counted(threading.Thread):
        def start(self):
            counts[-1] += 1
            super().start()

    monkeypatch.setattr(threading, "Thread", Counted)
    return counts


def set_cpus(number, monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(number)), raising=False)


def image(size, dtype=np.uint16):
    return np.random.default_rng(2).integers(0, 200, (size, size)).astype(dtype)


@pytest.mark.parametrize("threads", [None, 2, 16, 64])
@pytest.mark.parametrize(
    "work",
    [
        lambda threads: white_tophat(image(128), 100, threads=threads),
        lambda threads: white_tophat(image(256), 2, threads=threads),
        lambda threads: white_tophat(image(512), 3, threads=threads),
        lambda threads: minmax_filter_background(image(512), 25, 25, threads=threads),
        lambda threads: difference_of_gaussians(image(512), 1, 10, threads=threads),
        lambda threads: difference_of_gaussians(image(128), 1, 100, threads=threads),
        lambda threads: rolling_ball(image(384), 10, threads=threads),
    ],
)
def test_a_small_image_starts_none(work, threads, started, monkeypatch):
    set_cpus(64, monkeypatch)
    work(threads)
    assert started and not any(started)


@pytest.mark.parametrize("threads", [None, 4, 64])
@pytest.mark.parametrize("cpus", [1, 2, 3])
@pytest.mark.parametrize("function", [white_tophat, minmax_filter_background])
def test_a_large_image_takes_every_cpu_and_no_more(function, cpus, threads, started, monkeypatch):
    set_cpus(cpus, monkeypatch)
    sizes = (51, 51) if function is minmax_filter_background else (25,)
    function(image(2048), *sizes, threads=threads)
    assert started == [cpus - 1] * 2  # one part for the minimum, one for the maximum


@pytest.mark.parametrize("threads", [None, 2, 64])
@pytest.mark.parametrize("cpus", [1, 2])
def test_gaussians_take_every_cpu_and_no_more(cpus, threads, started, monkeypatch):
    set_cpus(cpus, monkeypatch)
    difference_of_gaussians(image(1024), 1, 100, threads=threads)
    assert set(started) == {cpus - 1}


@pytest.mark.parametrize("cpus", [1, 2])
def test_a_ball_takes_every_cpu_and_no_more(cpus, started, monkeypatch):
    set_cpus(cpus, monkeypatch)
    rolling_ball(image(600), 25, threads=64)
    assert set(started) == {cpus - 1}


def test_fewer_threads_than_cpus_where_fewer_are_asked_for(started, monkeypatch):
    set_cpus(8, monkeypatch)
    white_tophat(image(2048), 25, threads=3)
    assert started == [2, 2]


def test_shares_are_counted_in_bytes_and_in_passes(started, monkeypatch):
    """Two windows of 3 pixels a side take 8 passes, of 51 pixels 24."""
    set_cpus(64, monkeypatch)
    counts = {}
    for dtype in (np.uint8, np.uint16, np.float32):
        for size in (3, 51):
            started.clear()
            minmax_filter_background(image(1500, dtype), size, size)
            assert len(set(started)) == 1
            counts[np.dtype(dtype).itemsize, size] = 1 + started[0]
    # 2.15 MB a byte of a pixel; 48 MB of passes and 1 MB of the plane for each thread
    assert counts == {(1, 3): 1, (1, 51): 1, (2, 3): 1, (2, 51): 2, (4, 3): 1, (4, 51): 4}
