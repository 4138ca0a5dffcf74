"""One clock for the time limits of callers."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from ..exceptions import LHVError
from .validation import positive_number

__all__ = ["CheckTime", "Deadline", "SharedTime", "checks_within"]

# What a step gets at least: too little for most, but no invalid limit.
_LEAST = 1e-3
# What a check gets at least that decides the answer.
_LEAST_FOR_CHECKS = 3.0


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


class SharedTime:
    """The seconds that a caller allows, dealt out to one step after the other.

    Args:
        seconds: How many; ``None``: no limit, so that budgets of work alone decide how far each step goes.

    Raises:
        LHVError: If they are not positive.
    """

    def __init__(self, seconds: float | None) -> None:
        allowed = math.inf if seconds is None else positive_number(seconds, "time_limit", LHVError)
        self._end = time.monotonic() + allowed
        self._cut = False
        self._parts: list[SharedTime] = []

    @property
    def limited(self) -> bool:
        """Whether there is a limit at all."""
        return math.isfinite(self._end)

    @property
    def left(self) -> float:
        """Seconds left, not below 0; infinite without a limit."""
        return max(0.0, self._end - time.monotonic())

    @property
    def ran_out(self) -> bool:
        """Whether a step was left out or cut short for want of time."""
        return self._cut or any(part.ran_out for part in self._parts)

    def has(self, seconds: float = 0.0) -> bool:
        """Whether more than so many seconds are left; if not, a step is left out for want of time."""
        if self.left > seconds:
            return True
        self._cut = True
        return False

    def part(self, share: float) -> SharedTime:
        """A share of what is left; what cuts it short counts here, too."""
        part = SharedTime(max(_LEAST, share * self.left) if self.limited else None)
        self._parts.append(part)
        return part

    @contextmanager
    def step(self, share: float = 1.0) -> Iterator[float | None]:
        """Seconds for one step: a share of what is left; ``None`` without a limit."""
        part = self.part(share)
        yield part.left or _LEAST if part.limited else None
        part.has()


_clock_of_checks: ContextVar[SharedTime | None] = ContextVar("clock_of_checks", default=None)


@contextmanager
def checks_within(clock: SharedTime) -> Iterator[None]:
    """Bounds that take long to prove again, as a part of a search, are left unproven when its time is over.

    What begins in the last seconds gets three at least, as an answer may depend on it. Without a limit nothing changes.

    Args:
        clock: The time of the search, which then counts as run out.
    """
    token = _clock_of_checks.set(clock if clock.limited else None)
    try:
        yield
    finally:
        _clock_of_checks.reset(token)


class CheckTime:
    """The time of a check that begins now: that of the search it is part of, if that has a limit."""

    def __init__(self) -> None:
        self._clock = _clock_of_checks.get()
        if self._clock is not None:
            self._end = time.monotonic() + max(self._clock.left, _LEAST_FOR_CHECKS)

    @property
    def limited(self) -> bool:
        """Whether it may be cut short."""
        return self._clock is not None

    def over(self) -> bool:
        """Whether the check is to end; the search was cut short then."""
        if self._clock is None or time.monotonic() <= self._end:
            return False
        self._clock.has()
        return True
