"""Matrix products in; out they come on one thread each, since the threads here are ours."""

from collections.abc import Callable
from contextlib import AbstractContextManager


def one_thread_products() -> Callable[[], AbstractContextManager]:
    """Give the context in which a product of NumPy takes one thread.

    NumPy's BLAS starts threads of its own in each of ours: on two cores with four threads that was
    16 times slower than one product for each thread. Nothing that the environment or the caller has
    set changes this, and after the context all is as it was.

    Returns
    -------
    callable
        Without arguments; each call gives a context for a ``with`` statement.
    """
    # Imported here: only the Gaussians need it.
    from threadpoolctl import ThreadpoolController

    controller = ThreadpoolController()  # looks through all loaded libraries, once
    return lambda: controller.limit(limits=1, user_api="blas")
