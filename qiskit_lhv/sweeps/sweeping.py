"""The verb for many tasks: one function, many sets of keywords, any kind of workers."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .._support.deadlines import NO_LIMIT, Deadline
from .._support.interruptions import ended_by_sigterm
from .._support.progress import ProgressBar
from .._support.validation import shown, truth_value
from ..exceptions import LHVError
from .dispatch import Dispatch
from .executors import require_executor, require_sendable, workers_of
from .pools import TaskPool
from .results import FailedTask, UnfinishedTask
from .stores import SweepStore
from .workers import Outcome, run_task, this_process

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
            hold them: lists as tuples, keys of dictionaries as texts, members of enumerations as their values. The
            store is known by the name of the function, with what it brings along, and by all keywords, not by code.
        resume: Whether to go on with what the store holds. If ``False``, a store with finished tasks is refused. Tasks
            that failed are tried again.
        time_limit: No task is started after this many seconds; those that run are finished. Default: no limit.
        progress: Whether to show a progress bar; default: on a terminal and in a notebook.

    Returns:
        One entry per task: what the function returned; a :class:`FailedTask` if it raised an error; or an
        :class:`UnfinishedTask` if the time was over before.

    Raises:
        LHVError: If an argument cannot be used, or if the function or a keyword cannot be sent to the workers.
        CertificateError: If the store holds another sweep or a damaged file, or is in use by one, or if a result is of
            a kind that no file can hold.
        SweepError: If the workers or the store give out. What is finished is kept.

    Examples:
        Which mixtures of a Bell pair and white noise have a local model for the settings of CHSH?

        >>> from qiskit_lhv import Behavior, nonlocality_threshold, werner_state
        >>> def threshold(visibility):
        ...     return nonlocality_threshold(Behavior.from_state(werner_state(visibility), "chsh")).estimate
        >>> grid = [{"visibility": v} for v in (0.8, 0.9, 1.0)]
        >>> [round(value, 4) for value in sweep(threshold, grid, progress=False)]
        [0.8839, 0.7857, 0.7071]
    """
    clock = Deadline(time_limit)
    tasks = _checked_grid(function, grid)
    truth_value(resume, "resume", LHVError)
    require_executor(executor)
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
    with TaskPool(executor) as pool:
        return pool.map(function, grid, progress)


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
                Dispatch(function, tasks, workers).run(iter(left), done, clock)
