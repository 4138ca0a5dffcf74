"""Workers that take batch after batch of tasks, for the package's own loops."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from .._support.deadlines import NO_LIMIT
from .._support.interruptions import one_of_many
from .._support.progress import ProgressBar
from .._support.validation import is_whole_number
from ..exceptions import SweepError
from .dispatch import Dispatch
from .executors import Workers, require_sendable, workers_of
from .results import FailedTask
from .workers import Outcome

__all__ = ["TaskPool"]

_ATTEMPTS = 3


class TaskPool:
    """Workers that stay between batches. A worker that is lost costs its own tasks only, which others do again.

    Dask sends them to other workers itself. Processes that this package started are started anew, and then do the
    tasks that were not finished. An executor of the caller's cannot be mended.

    Args:
        executor: As for :func:`qiskit_lhv.sweeps.sweep`. With ``None``, tasks run in this process.
    """

    def __init__(self, executor: Any) -> None:
        self._executor = executor
        self._stack = ExitStack()
        self._workers: Workers | None = None

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _open(self) -> None:
        if self._executor is not None:
            self._workers = self._stack.enter_context(workers_of(self._executor))

    @property
    def waiting(self) -> int:
        """A number of tasks that keeps all workers busy; 1 without workers."""
        return 1 if self._workers is None else self._workers.waiting

    def map(
        self, function: Callable[..., Any], grid: Sequence[Mapping[str, Any]], progress: bool | None = False
    ) -> list[Any]:
        """Returns what a function gives for each set of keywords, in their order.

        Args:
            function: The function.
            grid: The keywords.
            progress: Whether to show a progress bar.

        Raises:
            SweepError: If a task fails on a worker, or if the workers give out; in this process, a task's own error.
        """
        results: dict[int, Any] = {}
        with ProgressBar(len(grid), progress, "task") as bar:
            if self._workers is None:
                for number, keywords in enumerate(grid):
                    with one_of_many():
                        results[number] = function(**keywords)
                    bar.update(1, "")
                return [results[number] for number in range(len(grid))]
            require_sendable(self._executor, function, list(grid))

            def done(number: int, outcome: Outcome) -> None:
                if outcome.error is not None:
                    failure = FailedTask(number, *outcome.error)
                    raise SweepError(f"{failure}\n{failure.traceback}")
                if number not in results:
                    bar.update(1, "")
                results[number] = outcome.value

            for attempt in range(1, _ATTEMPTS + 1):
                left = [number for number in range(len(grid)) if number not in results]
                dispatch = Dispatch(function, grid, self._workers)
                try:
                    dispatch.run(iter(left), done, NO_LIMIT)
                except SweepError:
                    mendable = dispatch.lost_workers and is_whole_number(self._executor)
                    if attempt == _ATTEMPTS or not mendable:
                        raise
                    self._stack.close()
                    self._open()
                else:
                    break
        return [results[number] for number in range(len(grid))]
