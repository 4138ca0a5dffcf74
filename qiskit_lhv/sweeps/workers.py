"""What happens in a worker: one task, with one thread for linear algebra, and its error as text."""

from __future__ import annotations

import os
import signal
import socket
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import Any

from .._support.deadlines import Deadline
from .._support.interruptions import one_of_many
from .._support.threads import one_blas_thread

__all__ = ["Outcome", "begin_worker", "failed", "limit_threads", "run_task", "this_process"]

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NPROC")
_ENDED_BY_SIGTERM = 128 + signal.SIGTERM
_ONE_THREAD_OF_XLA = "--xla_cpu_multi_thread_eigen=false"

# Whether this package has started this process.
_started_here = False


@dataclass(frozen=True)
class Outcome:
    """What a task came to. It is sent from the worker, so it holds the error as text."""

    value: Any = None
    """What the function returned."""
    error: tuple[str, str, str] | None = None
    """Class, message and traceback of the error that it raised instead."""
    begun: bool = True
    """Whether the function was called: not if the time was over before."""


def run_task(
    function: Callable[..., Any], keywords: Mapping[str, Any], driver: str, cap: bool, end: float | None = None
) -> Outcome:
    """Returns what a function returns, or the error that it raises.

    Args:
        function: The function.
        keywords: Its arguments.
        driver: The process that sent the task, as :func:`this_process` named it there.
        cap: Whether to hold linear algebra to one thread, because other workers need the other cores.
        end: The moment from which on it is not begun.
    """
    if end is not None and Deadline.until(end).over:
        return Outcome(begun=False)
    own_process = this_process() == driver
    if cap and not own_process:
        limit_threads()
    with one_of_many(), one_blas_thread() if cap else nullcontext():
        try:
            return Outcome(function(**keywords))
        except Exception as exc:
            return failed(exc)
        except BaseException as exc:
            # Such as SystemExit: in the main thread it is for the caller, elsewhere it would end the wrong process.
            if own_process and threading.current_thread() is threading.main_thread():
                raise
            if _started_here and isinstance(exc, SystemExit) and exc.code == _ENDED_BY_SIGTERM:
                # The task has kept its state. This process is not to take the next one.
                os._exit(_ENDED_BY_SIGTERM)
            return failed(exc)


def failed(exc: BaseException) -> Outcome:
    """The outcome of a task that ended with an error."""
    message = "an error without a message"
    # An error of a user's own may fail to say what it is.
    with suppress(Exception):
        message = str(exc)
    return Outcome(error=(type(exc).__name__, message, "".join(traceback.format_exception(exc))))


def this_process() -> str:
    """A name of this process that no other one has at the same time, on any machine."""
    return f"{socket.gethostname()}:{os.getpid()}"


def limit_threads() -> None:
    """Sets one thread per process for the libraries that have not been loaded yet.

    JAX reads its flags and the number of processors when it is first used.
    """
    for name in _THREADS:
        os.environ[name] = "1"
    flags = os.environ.get("XLA_FLAGS", "")
    if "xla_cpu_multi_thread_eigen" not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {_ONE_THREAD_OF_XLA}".strip()


def begin_worker(cap: bool) -> None:
    """Prepares a process that this package started: it ends with its parent, and leaves Ctrl-C to it."""
    global _started_here
    _started_here = True
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if cap:
        limit_threads()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    from multiprocessing import parent_process

    parent = parent_process()
    if parent is not None:
        parent.join()
        # A killed parent has nobody to send results to.
        os._exit(1)
