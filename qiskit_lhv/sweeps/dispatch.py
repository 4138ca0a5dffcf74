"""Tasks that are sent to workers, and what comes back of them."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Future
from typing import Any

from .._support.deadlines import Deadline
from ..exceptions import LHVError, SweepError
from .executors import Workers
from .workers import Outcome, failed, run_task, this_process

__all__ = ["Dispatch"]

Task = Mapping[str, Any]


class Dispatch:
    """The tasks that are with the workers."""

    def __init__(self, function: Callable[..., Any], tasks: Sequence[Task], workers: Workers) -> None:
        self._function = function
        self._tasks = tasks
        self._workers = workers
        self._driver = this_process()
        self._sent: dict[Future[Outcome], int] = {}
        self.lost_workers = False
        """Whether workers were lost, so that their tasks are not finished."""
        self._back: queue.SimpleQueue[Future[Outcome]] = queue.SimpleQueue()

    def run(self, left: Iterator[int], done: Callable[[int, Outcome], None], clock: Deadline) -> None:
        """Sends all tasks that are left, and hands over what comes back."""
        try:
            self._send_more(left, clock)
            while self._sent:
                future = self._back.get()
                outcome = self._outcome(future)
                if outcome.begun:
                    done(self._sent[future], outcome)
                # Only now: after an interruption, what has not been handed over is handed over again.
                del self._sent[future]
                self._send_more(left, clock)
        except BaseException:
            self._give_up(done)
            raise

    def _send_more(self, left: Iterator[int], clock: Deadline) -> None:
        while len(self._sent) < self._workers.waiting and not clock.over:
            number = next(left, None)
            if number is None:
                return
            arguments = (self._function, self._tasks[number], self._driver, self._workers.cap, clock.moment)
            try:
                future = self._workers.executor.submit(run_task, *arguments)
            except (BrokenExecutor, RuntimeError) as exc:
                raise self._gave_out(exc) from exc
            self._sent[future] = number
            future.add_done_callback(self._back.put)

    def _give_up(self, done: Callable[[int, Outcome], None]) -> None:
        """Calls back what has not begun, and keeps what has come back."""
        for future in self._sent:
            future.cancel()
        for future, number in self._sent.items():
            if future.done() and not future.cancelled() and future.exception() is None:
                # The first error is the one to be told.
                with contextlib.suppress(LHVError, OSError):
                    outcome = future.result()
                    if outcome.begun:
                        done(number, outcome)
        self._workers.stop()

    def _outcome(self, future: Future[Outcome]) -> Outcome:
        """What a task came to.

        Raises:
            SweepError: If its worker is gone and there will be no other.
        """
        try:
            return future.result()
        except (BrokenExecutor, CancelledError) as exc:
            raise self._gave_out(exc) from exc
        except Exception as exc:  # what could not be sent, or a worker that Dask has given up
            return failed(exc)

    def _gave_out(self, exc: BaseException) -> SweepError:
        self.lost_workers = True
        return SweepError(
            f"The workers gave out ({type(exc).__name__}: {exc or 'cancelled'}). What was finished before is kept in "
            "the store, if there is one. If they ended at once, guard the script by if __name__ == '__main__'; if "
            "later, they may have been short of memory: use fewer."
        )
