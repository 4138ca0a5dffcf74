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

# Modules with which a BLAS library comes.
_OWNERS = ("scipy.linalg", "scipy.linalg.blas", "scipy.sparse.linalg", "sklearn", "torch")


class _Cap:
    """The cap of this process: how many sections are inside of it, and what the libraries had before."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.depth = 0
        self.controller: Any = None
        self.seen: list[str] = []
        self.before: list[tuple[Any, int]] = []

    def enter(self) -> None:
        with self.lock:
            self.depth += 1
            if self.depth > 1:
                return
            try:
                self.before = [(one, int(one.num_threads)) for one in self.libraries()]
                for library, _ in self.before:
                    library.set_num_threads(1)
            except BaseException:
                self.depth = 0
                raise

    def leave(self) -> None:
        with self.lock:
            self.depth -= 1
            if self.depth == 0:
                for library, threads in self.before:
                    library.set_num_threads(threads)
                self.before = []

    def libraries(self) -> list[Any]:
        """The BLAS libraries that are loaded; looking for them takes long, so it is done when there may be new ones."""
        # SciPy brings a BLAS of its own, which is loaded when it is first needed.
        present = [name for name in _OWNERS if name in sys.modules]
        if self.controller is None or present != self.seen:
            from threadpoolctl import ThreadpoolController

            self.controller, self.seen = ThreadpoolController().select(user_api="blas"), present
        return list(self.controller.lib_controllers)


_cap = _Cap()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Holds BLAS to one thread, as a context or as a decorator; cheap where it is held already.

    The number belongs to the process: sections of several threads may overlap, and the last one to end restores it.
    """
    _cap.enter()
    try:
        yield
    finally:
        _cap.leave()
