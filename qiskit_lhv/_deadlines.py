"""One clock for the time limits of callers."""

from __future__ import annotations

import math
import time

from ._validation import positive_number
from .exceptions import LHVError

__all__ = ["Deadline"]


class Deadline:
    """The end of the seconds that a caller allows.

    Args:
        seconds: How many; ``None``: without end.

    Raises:
        LHVError: If they are not positive.
    """

    def __init__(self, seconds: float | None) -> None:
        allowed = math.inf if seconds is None else positive_number(seconds, "time_limit", LHVError)
        self._end = time.monotonic() + allowed

    @property
    def end(self) -> float:
        """When it is, on the clock of ``time.monotonic``; infinite without end."""
        return self._end

    def after(self, share: float) -> float:
        """When this share of the time that is left will be over, on the same clock."""
        now = time.monotonic()
        return now + share * (self._end - now)

    @property
    def left(self) -> float | None:
        """Seconds left, at least a millisecond; ``None`` without end."""
        return None if math.isinf(self._end) else max(1e-3, self._end - time.monotonic())

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self._end
