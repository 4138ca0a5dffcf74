"""How long runs end when the system asks them to."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType
from typing import Any

__all__ = ["Interruption", "ended_by_sigterm", "is_one_of_many", "one_of_many", "postponed_interruptions"]

_one_of_many: ContextVar[bool] = ContextVar("one_of_many", default=False)


class Interruption:
    """A signal that has come while a run was not ready to end."""

    def __init__(self) -> None:
        self._signal: int | None = None
        self._at_once = False

    @property
    def pending(self) -> bool:
        """Whether the run has been asked to end."""
        return self._signal is not None

    def end_if_pending(self) -> None:
        """Ends the run as the signal would have, by KeyboardInterrupt or SystemExit, if one has come."""
        if self._signal == signal.SIGINT:
            raise KeyboardInterrupt
        if self._signal is not None:
            raise SystemExit(128 + self._signal)

    def note(self, number: int, frame: FrameType | None) -> None:
        """Takes note of a signal; a second one ends the run where it is."""
        again, self._signal = self.pending, number
        if again or self._at_once:
            self.end_if_pending()

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """A context in which the run, which waits while its state is whole, ends as soon as a signal comes."""
        self._at_once = True
        try:
            self.end_if_pending()
            yield
        finally:
            self._at_once = False


@contextmanager
def postponed_interruptions() -> Iterator[Interruption]:
    """A context in which SIGINT and SIGTERM wait until the run, whose state is then whole, looks at them.

    Where the caller has handlers of its own, or outside the main thread, nothing changes.
    """
    interruption = Interruption()
    main = threading.current_thread() is threading.main_thread()
    defaults: dict[int, Any] = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    taken = [number for number, handler in defaults.items() if main and signal.getsignal(number) is handler]
    for number in taken:
        signal.signal(number, interruption.note)
    try:
        yield interruption
    finally:
        for number in taken:
            signal.signal(number, defaults[number])


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """A context in which SIGTERM raises SystemExit, so that what is finished is kept before the process ends.

    Queues of clusters send SIGTERM some time before they kill a job. Where the caller has a handler of its own, or
    outside the main thread, nothing changes. The exit status is the one of a process that SIGTERM has ended.
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def one_of_many() -> Iterator[None]:
    """A context of one task of several: an interruption is to end all of them, and not to return a result."""
    token = _one_of_many.set(True)
    try:
        yield
    finally:
        _one_of_many.reset(token)


def is_one_of_many() -> bool:
    """Whether this is a task of several, whose result would pass for a finished one."""
    return _one_of_many.get()


def _exit(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
