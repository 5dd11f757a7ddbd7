"""The Gaussians keep NumPy's BLAS to one thread while they work, and leave it as it was."""

import threading

import numpy as np
import pytest
from clearfield.filters import gaussian
from clearfield.filters.blas import one_blas_thread
from threadpoolctl import ThreadpoolController

CONTROLLER = ThreadpoolController()
IMAGE = np.random.default_rng(7).integers(0, 999, (300, 280)).astype(np.uint16)


def blas_threads() -> set[int]:
    return {library.num_threads for library in CONTROLLER.select(user_api="blas").lib_controllers}


needs_two = pytest.mark.skipif(
    not CONTROLLER.select(user_api="blas").lib_controllers, reason="NumPy has no BLAS here"
)


@needs_two
def test_blas_is_on_one_thread_within_and_as_before_outside(monkeypatch, many_threads):
    seen = []
    run_tasks = gaussian.run_tasks

    def look(*arguments):
        seen.append(blas_threads())
        run_tasks(*arguments)

    monkeypatch.setattr(gaussian, "run_tasks", look)
    with CONTROLLER.limit(limits=2, user_api="blas"):
        before = blas_threads()
        for _ in gaussian.difference_of_gaussians_blocks(IMAGE, 1, 20, threads=2):
            assert blas_threads() == before  # while the caller works with a block
        assert blas_threads() == before
    assert before == {2} and seen and all(threads == {1} for threads in seen)


@needs_two
def test_a_caller_that_stops_half_way_finds_blas_as_it_was():
    with CONTROLLER.limit(limits=2, user_api="blas"):
        blocks = gaussian.difference_of_gaussians_blocks(IMAGE, 1, 20)
        next(blocks)
        blocks.close()
        assert blas_threads() == {2}


@needs_two
def test_calls_that_overlap_leave_blas_as_the_first_of_them_found_it():
    entered, leave = threading.Event(), threading.Event()

    def first():
        with one_blas_thread():
            entered.set()
            assert leave.wait(20)

    other = threading.Thread(target=first)
    with CONTROLLER.limit(limits=2, user_api="blas"):
        other.start()
        assert entered.wait(20)
        with one_blas_thread():
            leave.set()
            other.join()
            assert blas_threads() == {1}
        assert blas_threads() == {2}


@needs_two
def test_an_error_leaves_blas_as_it_was(monkeypatch):
    def broken(*_, **__):
        raise MemoryError

    monkeypatch.setattr(np, "matmul", broken)
    with CONTROLLER.limit(limits=2, user_api="blas"):
        with pytest.raises(MemoryError):
            gaussian.difference_of_gaussians(IMAGE, 1, 20)
        assert blas_threads() == {2}


@needs_two
@pytest.mark.parametrize("sigmas", [(1, 20), (0, 3), (2, 100)])
def test_what_the_caller_set_changes_no_bit(sigmas):
    results = []
    for threads in (1, 2):
        with CONTROLLER.limit(limits=threads, user_api="blas"):
            results.append(gaussian.difference_of_gaussians(IMAGE, *sigmas))
    np.testing.assert_array_equal(*results)


def test_no_docstring_sends_the_user_to_an_environment_variable():
    for function in (gaussian.gaussian, gaussian.difference_of_gaussians):
        assert "NUM_THREADS" not in function.__doc__
