"""Gaussians keep NumPy's BLAS to one thread, whatever was set, and leave it as it was."""

import threading

import numpy as np
import pytest
from clearfield import difference_of_gaussians
from clearfield.filters.blas import one_blas_thread
from clearfield.filters.gaussian import difference_of_gaussians_blocks, gaussian
from threadpoolctl import threadpool_info, threadpool_limits

IMAGE = np.random.default_rng(0).integers(0, 60_000, (600, 300)).astype(np.uint16)


def blas_threads() -> set[int]:
    return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}


@pytest.fixture(autouse=True)
def two_threads():
    if not blas_threads():
        pytest.skip("threadpoolctl does not know this BLAS")
    with threadpool_limits(2, user_api="blas"):
        assert blas_threads() == {2}
        yield


@pytest.fixture
def seen(monkeypatch):
    """The threads that BLAS may use at each product."""
    found, product = [], np.matmul

    def watched(*arrays, **options):
        found.append(blas_threads())
        return product(*arrays, **options)

    monkeypatch.setattr(np, "matmul", watched)
    return found


@pytest.mark.parametrize("threads", [None, 1, 2])
@pytest.mark.parametrize(("low", "high"), [(1, 3), (1, 60)])
def test_products_take_one_thread_and_then_the_callers_number_holds_again(
    low, high, threads, seen, monkeypatch
):
    result = difference_of_gaussians(IMAGE, low, high, threads=threads)
    assert seen and all(found == {1} for found in seen)
    assert blas_threads() == {2}
    with threadpool_limits(1, user_api="blas"):
        np.testing.assert_array_equal(difference_of_gaussians(IMAGE, low, high, threads=1), result)


def test_a_single_gaussian_does_the_same(seen):
    gaussian(IMAGE, 60)
    assert seen and all(found == {1} for found in seen)
    assert blas_threads() == {2}


def test_between_two_blocks_the_callers_number_holds():
    blocks = difference_of_gaussians_blocks(IMAGE, 1, 60)
    held = [blas_threads() for _ in blocks]
    assert held == [{2}] * 3


def test_an_error_leaves_the_number_as_it_was(monkeypatch):
    def broken(*_, **__):
        raise MemoryError

    monkeypatch.setattr(np, "matmul", broken)
    with pytest.raises(MemoryError):
        difference_of_gaussians(IMAGE, 1, 60)
    assert blas_threads() == {2}


def test_calls_that_overlap_leave_the_number_as_the_first_found_it():
    entered, leave = threading.Event(), threading.Event()

    def first():
        with one_blas_thread():
            entered.set()
            assert leave.wait(20)

    other = threading.Thread(target=first)
    other.start()
    assert entered.wait(20)
    with one_blas_thread():
        leave.set()
        other.join()
        assert blas_threads() == {1}
    assert blas_threads() == {2}
