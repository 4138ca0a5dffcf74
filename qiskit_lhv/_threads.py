"""One BLAS thread for small linear algebra.

Threads that work on one small system wait for each other. On idle cores that costs little and gains nothing; beside
other busy processes every wait may last as long as the scheduler likes, and batches of small systems become many times
slower.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["one_blas_thread"]

# Modules with which another BLAS library may come.
_OWNERS = ("scipy.linalg", "scipy.sparse.linalg", "sklearn", "torch")

_held = threading.local()
_found: dict[tuple[str, ...], list[Any]] = {}


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Holds BLAS to one thread, as a context or as a decorator; cheap where this Python thread holds it already.

    The number belongs to the process; where several Python threads ask, the first one decides (see threadpoolctl).
    """
    if getattr(_held, "inside", False):
        yield
        return
    _held.inside = True
    before = [(library, library.num_threads) for library in _libraries()]
    try:
        for library, _ in before:
            library.set_num_threads(1)
        yield
    finally:
        for library, threads in before:
            library.set_num_threads(threads)
        _held.inside = False


def _libraries() -> list[Any]:
    """The BLAS libraries that are loaded; looking for them takes long, so it is done when there may be new ones."""
    owners = tuple(name for name in _OWNERS if name in sys.modules)
    if owners not in _found:
        from threadpoolctl import ThreadpoolController

        _found[owners] = ThreadpoolController().select(user_api="blas").lib_controllers
    return _found[owners]
