"""How long runs end when the system asks them to."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["ended_by_sigterm"]


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


def _exit(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
