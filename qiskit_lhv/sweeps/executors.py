"""The kinds of executors that a sweep takes, all used as a ``concurrent.futures.Executor``."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .._support.validation import is_whole_number, shown
from ..exceptions import LHVError
from .workers import begin_worker

__all__ = ["Workers", "require_executor", "require_sendable", "workers_of"]

_EXPECTED = (
    "None, a number of processes, 'dask', a dask.distributed.Client, or an executor with the interface of "
    "concurrent.futures"
)
# Enough for schedulers that start workers when tasks are waiting.
_MOST_WAITING = 256
_TASKS_PER_PROCESS = 4


@dataclass(frozen=True)
class Workers:
    """Where the tasks of a sweep run."""

    executor: Executor
    """What takes the tasks."""
    cap: bool
    """Whether each task may use one thread only."""
    waiting: int
    """How many tasks are sent before the first of them has come back."""
    stop: Callable[[], None]
    """Ends what is running at once, where that may be done."""


def require_executor(executor: Any) -> None:
    """Checks an argument ``executor``, also where there is nothing to send.

    Raises:
        LHVError: If it is none of the kinds.
    """
    number = is_whole_number(executor) and executor >= 1
    name = isinstance(executor, str) and executor == "dask"
    if not (executor is None or number or name or isinstance(executor, Executor) or _is_client(executor)):
        raise LHVError.bad_argument("executor", expected=_EXPECTED, got=shown(executor))


def _is_client(executor: Any) -> bool:
    return hasattr(executor, "get_executor") and hasattr(executor, "scheduler")


def require_sendable(executor: Any, function: Callable[..., Any], tasks: list[Mapping[str, Any]]) -> None:
    """Checks, before any work, that another process can take a function and its arguments.

    Only Python's own processes are checked: others, such as those of Dask, can take any function.

    Raises:
        LHVError: If it cannot.
    """
    if not (is_whole_number(executor) or isinstance(executor, ProcessPoolExecutor)):
        return
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise LHVError.bad_argument(
            "executor",
            expected="processes that are started by the script itself",
            got="the script, run again by one of them to find its functions",
            remedy="Guard what starts them by if __name__ == '__main__'.",
        )
    remedy = "Define it with def at the top level of a file, bind arguments with functools.partial, or use Dask."
    # What was defined in a notebook or at the prompt, and what is made of it.
    unknown = None if hasattr(sys.modules.get("__main__"), "__file__") else b"__main__"
    try:
        sent = pickle.dumps(function)
    except Exception as exc:  # what an object's own reduction raises
        raise LHVError.bad_argument(
            "function", expected="a function that another process can import", got=shown(function), remedy=remedy
        ) from exc
    if unknown is not None and unknown in sent:
        raise LHVError.bad_argument(
            "function",
            expected="a function in a file, which other processes can import",
            got=f"{shown(function)}, defined in this session",
            remedy=remedy,
        )
    known: dict[int, Any] = {}
    for number, task in enumerate(tasks):
        for name, value in task.items():
            if id(value) in known:
                continue
            try:
                sent = pickle.dumps(value)
            except Exception as exc:  # what an object's own reduction raises
                raise LHVError.bad_argument(
                    "grid",
                    expected="values that can be sent to another process",
                    got=f"{shown(value)} for {name} of task {number}",
                    remedy="Pass what it is made from, and make it inside the function.",
                ) from exc
            if unknown is not None and unknown in sent:
                raise LHVError.bad_argument(
                    "grid",
                    expected="values of classes in a file, which other processes can import",
                    got=f"{shown(value)} for {name} of task {number}, whose class was defined in this session",
                    remedy="Define the class in a file, or use Dask.",
                )
            # Kept, so that its id stays its own.
            known[id(value)] = value


@contextmanager
def workers_of(executor: Any) -> Iterator[Workers]:
    """The workers that an argument ``executor`` stands for. Those that are started here end here, too.

    Args:
        executor: The argument, which is not ``None``.

    Raises:
        LHVError: If it is none of the kinds, or if Dask is not installed.
    """
    require_executor(executor)
    if is_whole_number(executor):
        with _own_processes(int(executor)) as workers:
            yield workers
    elif isinstance(executor, str):
        with _dask_client() as client:
            yield _of_client(client)
    elif isinstance(executor, Executor):
        number = getattr(executor, "_max_workers", None)
        waiting = _TASKS_PER_PROCESS * number if is_whole_number(number) else _MOST_WAITING
        yield Workers(executor, number != 1, max(waiting, 1), _nothing)
    else:
        yield _of_client(executor)


def _nothing() -> None:
    """Leaves alone what the caller has made."""


@contextmanager
def _own_processes(number: int) -> Iterator[Workers]:
    # Forked processes inherit locks that other threads of JAX may hold.
    context = multiprocessing.get_context("spawn")
    cap = number > 1
    pool = ProcessPoolExecutor(number, mp_context=context, initializer=begin_worker, initargs=(cap,))

    def stop() -> None:
        for process in list((getattr(pool, "_processes", None) or {}).values()):
            process.terminate()

    try:
        yield Workers(pool, cap, _TASKS_PER_PROCESS * number, stop)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _dask_client() -> Iterator[Any]:
    """The client that is in use, or one of a cluster on this machine that ends with the sweep."""
    try:
        from distributed import Client
        from distributed.client import default_client
    except ImportError as exc:
        raise LHVError.bad_argument(
            "executor",
            expected="an installed Dask",
            got=f"'dask' ({exc})",
            remedy="pip install 'qiskit-lhv[distributed]' installs it.",
        ) from exc
    try:
        client = default_client()
    except ValueError:
        with Client(n_workers=os.cpu_count(), threads_per_worker=1, dashboard_address=None) as client:
            yield client
        return
    yield client


def _of_client(client: Any) -> Workers:
    # Equal tasks are tasks of their own: a function may draw random numbers.
    return Workers(client.get_executor(pure=False), True, _MOST_WAITING, _nothing)
