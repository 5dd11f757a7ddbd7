"""Work is shared so that nothing is left out, done twice or out of order."""

import threading

import pytest
from clearfield.filters.parallel import run_rows, run_tasks, thread_count


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize(("rows", "least"), [(1, 1), (7, 1), (100, 16), (100, 128)])
def test_each_row_has_each_step_once_and_in_order(rows, least, threads):
    order = [[] for _ in range(rows)]

    def work(thread, part, step):
        assert 0 <= thread < threads
        assert part.start % least == 0
        for row in part:
            order[row].append(step)

    run_rows(work, range(rows), 5, least=least, threads=threads)
    assert order == [list(range(5))] * rows


def test_rows_need_not_begin_at_0():
    seen = []
    run_rows(lambda _, part, step: seen.append((part, step)), range(64, 70), 1, least=8, threads=4)
    assert seen == [(range(64, 70), 0)]


def test_a_thread_that_is_through_takes_half_of_what_another_has_left():
    through, together = threading.Event(), threading.Barrier(2, timeout=20)
    done = []

    def work(thread, part, step):
        if part.start >= 4 and step == 2:
            through.set()
        elif part == range(4):
            assert through.wait(20)
            threading.Event().wait(0.2)  # the other thread comes to ask for more
        elif part.start < 4:
            together.wait()  # breaks where one thread has to do both halves
            done.append((part, step))

    run_rows(work, range(8), 3, least=1, threads=2)
    assert sorted(done, key=str) == [
        (range(0, 2), 1),
        (range(0, 2), 2),
        (range(2, 4), 1),
        (range(2, 4), 2),
    ]


@pytest.mark.parametrize("failing", [0, 4])
def test_an_error_ends_the_work_of_all_threads(failing):
    def work(thread, part, step):
        if step == 1 and failing in part:
            raise OSError("the disk")

    with pytest.raises(OSError, match="the disk"):
        run_rows(work, range(8), 1_000_000_000, least=1, threads=2)


def test_the_first_error_of_a_task_is_raised():
    def work(number):
        raise ValueError(number)

    with pytest.raises(ValueError, match=r"[01]"):
        run_tasks(work, [(number,) for number in range(100)], threads=2)


def test_no_more_threads_than_cpus_are_started(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {0, 1, 5}, raising=False)
    assert [thread_count(n) for n in (1, 2, 3, 4, 64, None)] == [1, 2, 3, 3, 3, 3]
