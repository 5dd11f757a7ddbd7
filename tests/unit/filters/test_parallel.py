"""Work is shared so that nothing is left out, done twice or out of order."""

import threading

import pytest
from clearfield.filters.parallel import run_in_turn, run_tasks, thread_count


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("lanes", [1, 2, 7])
def test_each_lane_has_its_tasks_once_and_in_order(lanes, threads):
    order = [[] for _ in range(lanes)]
    under_way, most = [], []

    def work(thread, wait, lane, number):
        assert 0 <= thread < threads
        under_way.append(number)
        most.append(len(under_way))
        wait()
        order[lane].append(number)
        under_way.remove(number)

    run_in_turn(work, [(number % lanes, number) for number in range(200)], threads=threads)
    assert order == [list(range(lane, 200, lanes)) for lane in range(lanes)]
    assert max(most) <= threads


def test_what_comes_before_the_wait_runs_beside_the_lanes_other_tasks():
    together = threading.Barrier(2, timeout=20)

    def work(thread, wait, lane, number):
        together.wait()  # breaks where one task has to end before the next begins
        wait()

    run_in_turn(work, [("one", 0), ("one", 1)], threads=2)


@pytest.mark.parametrize("failing", [0, 40])
@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_ends_the_work_of_all_threads(failing, threads):
    done = []

    def work(thread, wait, lane, number):
        wait()
        if number == failing:
            raise OSError("the disk")
        done.append(number)

    with pytest.raises(OSError, match="the disk"):
        run_in_turn(work, [(0, number) for number in range(100_000)], threads=threads)
    assert done == list(range(failing))


def test_the_first_error_of_a_task_is_raised():
    def work(number):
        raise ValueError(number)

    with pytest.raises(ValueError, match=r"[01]"):
        run_tasks(work, [(number,) for number in range(100)], threads=2)


def test_no_more_threads_than_cpus_are_started(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {0, 1, 5}, raising=False)
    assert [thread_count(n) for n in (1, 2, 3, 4, 64, None)] == [1, 2, 3, 3, 3, 3]
