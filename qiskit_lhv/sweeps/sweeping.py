"""The verb for many tasks: one function, many sets of keywords, any kind of workers."""

from __future__ import annotations

import contextlib
import inspect
import os
import queue
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Future
from typing import Any

from .._support.deadlines import NO_LIMIT, Deadline
from .._support.interruptions import ended_by_sigterm
from .._support.progress import ProgressBar
from .._support.validation import shown, truth_value
from ..exceptions import LHVError, SweepError
from .executors import Workers, require_sendable, workers_of
from .results import FailedTask, UnfinishedTask
from .stores import SweepStore
from .workers import Outcome, failed, run_task, this_process

__all__ = ["run_all", "sweep"]

Task = Mapping[str, Any]


def sweep(
    function: Callable[..., Any],
    grid: Sequence[Mapping[str, Any]],
    *,
    executor: Any = None,
    store: str | os.PathLike[str] | None = None,
    resume: bool = True,
    time_limit: float | None = None,
    progress: bool | None = None,
) -> list[Any]:
    """Returns what a function gives for each of many sets of keywords, in their order.

    Tasks run one after another, or spread over workers. With a store, each result is kept as soon as it is there; if
    the run is interrupted, even killed, the same call goes on from there. An error of the function does not end the
    sweep: its text stands in the results. A task that needs random numbers takes its seed as one of its keywords.

    Args:
        function: What is called, ``function(**keywords)``. For other processes it is defined at the top level of a
            file (Dask takes any function).
        grid: The keywords of each task, a list of dictionaries.
        executor: Where tasks run. ``None``: in this process, one after another; a number: so many processes on this
            machine; ``"dask"``: the Dask client in use, or else all cores of this machine; a
            ``dask.distributed.Client``; or any executor with the interface of ``concurrent.futures``, such as that of
            ``mpi4py.futures``. Workers use one thread for linear algebra.
        store: Folder that keeps the results: one file per task, ``.json`` or ``.npz``. Values come back as the files
            hold them: lists as tuples, keys of dictionaries as texts, members of enumerations as their values.
        resume: Whether to go on with what the store holds. If ``False``, a store with finished tasks is refused. Tasks
            that failed are tried again.
        time_limit: No task is started after this many seconds; those that run are finished. Default: no limit.
        progress: Whether to show a progress bar; default: on a terminal and in a notebook.

    Returns:
        One entry per task: what the function returned; a :class:`FailedTask` if it raised an error; or an
        :class:`UnfinishedTask` if the time was over before.

    Raises:
        LHVError: If an argument cannot be used, or if the function or a keyword cannot be sent to the workers.
        CertificateError: If the store holds another sweep or a damaged file, or if a result is of a kind that no file
            can hold.
        SweepError: If the workers or the store give out. What is finished is kept.
    """
    clock = Deadline(time_limit)
    tasks = _checked_grid(function, grid)
    truth_value(resume, "resume", LHVError)
    require_sendable(executor, function, tasks)
    if store is None:
        results: dict[int, Any] = {}
        _run(function, tasks, executor, range(len(tasks)), results.__setitem__, clock, progress)
        return [
            _entry(number, results[number]) if number in results else UnfinishedTask(number)
            for number in range(len(tasks))
        ]
    with SweepStore.opened(store, function, tasks, resume) as kept:
        finished = kept.finished

        def keep(number: int, outcome: Outcome) -> None:
            if outcome.error is None:
                kept.keep(number, outcome.value)
            else:
                kept.keep_failure(FailedTask(number, *outcome.error))

        left = [number for number in range(len(tasks)) if number not in finished]
        _run(function, tasks, executor, left, keep, clock, progress)
        return [kept.value(number) for number in range(len(tasks))]


def run_all(
    function: Callable[..., Any], grid: Sequence[Task], executor: Any, *, progress: bool | None = False
) -> list[Any]:
    """Returns what a function gives for each set of keywords, for the package's own loops.

    Args:
        function: The function.
        grid: The keywords.
        executor: As for :func:`sweep`.
        progress: Whether to show a progress bar.

    Raises:
        SweepError: If a task fails; without an executor its own error.
    """
    if executor is None:
        with ProgressBar(len(grid), progress, "task") as bar:
            results = []
            for keywords in grid:
                results.append(function(**keywords))
                bar.update(1, "")
            return results
    results = sweep(function, grid, executor=executor, progress=progress)
    for result in results:
        if isinstance(result, FailedTask):
            raise SweepError(f"{result}\n{result.traceback}")
    return results


def _entry(number: int, outcome: Outcome) -> Any:
    return outcome.value if outcome.error is None else FailedTask(number, *outcome.error)


def _checked_grid(function: Any, grid: Any) -> list[Task]:
    """Returns the tasks after checking that the function takes them."""
    if not callable(function):
        raise LHVError.bad_argument("function", expected="a function", got=shown(function))
    expected = "a list of dictionaries, the keywords of each task"
    if isinstance(grid, Mapping | str | bytes):
        raise LHVError.bad_argument("grid", expected=expected, got=shown(grid))
    try:
        tasks = list(grid)
    except TypeError as exc:
        raise LHVError.bad_argument("grid", expected=expected, got=shown(grid)) from exc
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # of some functions in C
        signature = None
    for number, keywords in enumerate(tasks):
        if not isinstance(keywords, Mapping) or not all(isinstance(name, str) for name in keywords):
            raise LHVError.bad_argument("grid", expected=expected, got=f"{shown(keywords)} as task {number}")
        if signature is not None:
            try:
                signature.bind(**keywords)
            except TypeError as exc:
                raise LHVError.bad_argument(
                    "grid",
                    expected="keywords that the function takes",
                    got=f"{shown(keywords)} as task {number} ({exc})",
                ) from exc
    return tasks


def _run(
    function: Callable[..., Any],
    tasks: Sequence[Task],
    executor: Any,
    left: Sequence[int],
    keep: Callable[[int, Outcome], None],
    clock: Deadline = NO_LIMIT,
    progress: bool | None = False,
) -> None:
    """Does the tasks that are left and hands over each outcome as it comes."""
    failures = 0
    with ended_by_sigterm(), ProgressBar(len(tasks), progress, "task") as bar:
        bar.update(len(tasks) - len(left), "")

        def done(number: int, outcome: Outcome) -> None:
            nonlocal failures
            keep(number, outcome)
            failures += outcome.error is not None
            bar.update(1, f"{failures} failed" if failures else "")

        if executor is None:
            driver = this_process()
            for number in left:
                if clock.over:
                    break
                done(number, run_task(function, tasks[number], driver, False))
        elif left:
            with workers_of(executor) as workers:
                _Dispatch(function, tasks, workers).run(iter(left), done, clock)


class _Dispatch:
    """The tasks that are with the workers."""

    def __init__(self, function: Callable[..., Any], tasks: Sequence[Task], workers: Workers) -> None:
        self._function = function
        self._tasks = tasks
        self._workers = workers
        self._driver = this_process()
        self._sent: dict[Future[Outcome], int] = {}
        self._back: queue.SimpleQueue[Future[Outcome]] = queue.SimpleQueue()

    def run(self, left: Iterator[int], done: Callable[[int, Outcome], None], clock: Deadline) -> None:
        """Sends all tasks that are left, and hands over what comes back."""
        try:
            self._send_more(left, clock)
            while self._sent:
                future = self._back.get()
                done(self._sent[future], _outcome(future))
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
            arguments = (self._function, self._tasks[number], self._driver, self._workers.cap)
            try:
                future = self._workers.executor.submit(run_task, *arguments)
            except (BrokenExecutor, RuntimeError) as exc:
                raise _workers_gave_out(exc) from exc
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
                    done(number, future.result())
        self._workers.stop()


def _outcome(future: Future[Outcome]) -> Outcome:
    """What a task came to.

    Raises:
        SweepError: If its worker is gone and there will be no other.
    """
    try:
        return future.result()
    except (BrokenExecutor, CancelledError) as exc:
        raise _workers_gave_out(exc) from exc
    except Exception as exc:  # what could not be sent, or a worker that Dask has given up
        return failed(exc)


def _workers_gave_out(exc: BaseException) -> SweepError:
    return SweepError(
        f"The workers gave out ({type(exc).__name__}: {exc or 'cancelled'}). What was finished before is kept in the "
        "store, if there is one. If they ended at once, guard the script by if __name__ == '__main__'; if later, they "
        "may have been short of memory: use fewer."
    )
