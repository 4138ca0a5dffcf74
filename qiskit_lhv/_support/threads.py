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
_MODULES_WITH_BLAS = ("scipy.linalg", "scipy.sparse.linalg", "sklearn", "torch")

_libraries_by_modules: dict[tuple[str, ...], list[Any]] = {}
_lock = threading.Lock()
# How many sections hold the cap now, and the numbers of threads before the first of them, by library.
_holders = 0
_before: list[tuple[Any, int]] = []


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limits BLAS to one thread, as a context manager or as a decorator.

    The number of threads belongs to the process. The first section that asks for one thread sets it, and the last one
    that ends restores the old number, even if sections of several Python threads overlap.
    """
    global _holders
    with _lock:
        if _holders == 0:
            _before[:] = [(library, library.num_threads) for library in _libraries()]
            for library, _ in _before:
                library.set_num_threads(1)
        _holders += 1
    try:
        yield
    finally:
        with _lock:
            _holders -= 1
            if _holders == 0:
                for library, threads in _before:
                    library.set_num_threads(threads)


def _libraries() -> list[Any]:
    """The BLAS libraries that are loaded; looking for them takes long, so it is done when there may be new ones."""
    owners = tuple(name for name in _MODULES_WITH_BLAS if name in sys.modules)
    if owners not in _libraries_by_modules:
        from threadpoolctl import ThreadpoolController

        _libraries_by_modules[owners] = ThreadpoolController().select(user_api="blas").lib_controllers
    return _libraries_by_modules[owners]
