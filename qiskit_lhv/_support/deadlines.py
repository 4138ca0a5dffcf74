"""The one clock of the package, and what a ``time_limit`` means.

Everywhere ``time_limit`` is a positive number of seconds, or ``None`` for no limit (for users: "Time limits" in the
guide's sharp bits):

- A search with a limit ends soon after it and returns what it has found; the field ``timed_out`` of the result says
  so. If there is nothing to return, it raises a :class:`SolverError`.
- Without a limit the clock decides nothing. Every search then ends by a budget of work (rounds, calls of an oracle,
  steps or additions), so that its answer is the same on every machine.
- Zero, negative numbers, NaN, infinity and values that are not numbers are refused with the same error, before any
  work is done.

A public function makes one :class:`Deadline` of its ``time_limit`` and passes that down. No other module looks at a
clock.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from ..exceptions import LHVError
from .validation import real_number, shown

__all__ = ["NO_LIMIT", "Deadline", "checks_within", "time_for_check"]

_EXPECTED_LIMIT = "a positive number of seconds, or None for no limit"
# A step gets at least this many seconds: too few for most steps, but a valid limit.
_LEAST_SECONDS = 1e-3
# A check that the answer depends on gets at least this many seconds.
_LEAST_SECONDS_FOR_CHECKS = 3.0


class Deadline:
    """The end of the time that a caller allows, which can be divided among several steps.

    Args:
        time_limit: Seconds from now, or ``None`` for no limit.

    Raises:
        LHVError: If the limit is not a positive, finite number.
    """

    def __init__(self, time_limit: float | None) -> None:
        self._end = math.inf if time_limit is None else _checked(time_limit) + time.monotonic()
        self._cut = False
        self._parts: list[Deadline] = []

    @property
    def limited(self) -> bool:
        """Whether there is a limit at all."""
        return math.isfinite(self._end)

    @property
    def left(self) -> float | None:
        """Seconds that are left, at least 0.001, as the time limit of a step; ``None`` without a limit."""
        return max(_LEAST_SECONDS, self._end - time.monotonic()) if self.limited else None

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return not self.allows()

    @property
    def ran_out(self) -> bool:
        """Whether a step was left out or cut short for want of time, as :meth:`has` has found."""
        return self._cut or any(part.ran_out for part in self._parts)

    @property
    def moment(self) -> float | None:
        """The end in seconds since 1970, by which other processes know it; ``None`` without a limit."""
        return time.time() + self._end - time.monotonic() if self.limited else None

    @classmethod
    def until(cls, moment: float) -> Deadline:
        """The deadline of another process, from its :attr:`moment`. Clocks of machines may differ by a little."""
        deadline = cls(None)
        deadline._end = moment - time.time() + time.monotonic()
        return deadline

    def allows(self, seconds: float = 0.0) -> bool:
        """Whether more than so many seconds are left."""
        return self._end - time.monotonic() > seconds

    def has(self, seconds: float = 0.0) -> bool:
        """Whether more than so many seconds are left. If not, a step is left out, which :attr:`ran_out` reports."""
        if self.allows(seconds):
            return True
        self._cut = True
        return False

    def part(self, share: float = 1.0, *, least: float = _LEAST_SECONDS) -> Deadline:
        """The deadline of a step that may take a share of the time left.

        If the step is cut short, :attr:`ran_out` of this deadline reports it, too.

        Args:
            share: The share.
            least: Seconds that the step gets in any case.
        """
        if not self.limited:
            return self
        now = time.monotonic()
        part = Deadline(None)
        part._end = now + max(least, share * (self._end - now))
        self._parts.append(part)
        return part

    @contextmanager
    def step(self, share: float = 1.0) -> Iterator[float | None]:
        """The time limit of one step: a share of what is left; ``None`` without a limit."""
        part = self.part(share)
        yield part.left
        part.has()


NO_LIMIT = Deadline(None)
"""The deadline that never comes."""


def _checked(time_limit: object) -> float:
    seconds = real_number(time_limit, "time_limit", LHVError, expected=_EXPECTED_LIMIT)
    if seconds <= 0:
        raise LHVError.bad_argument("time_limit", expected=_EXPECTED_LIMIT, got=shown(time_limit))
    return seconds


_deadline_of_checks: ContextVar[Deadline] = ContextVar("deadline_of_checks", default=NO_LIMIT)


@contextmanager
def checks_within(deadline: Deadline) -> Iterator[None]:
    """A context in which bounds that take long to prove again stay unproven once the time of the search is over.

    A check that begins in the last seconds still gets three, because the answer may depend on it. Without a limit
    nothing changes.

    Args:
        deadline: The end of the search. Its :attr:`~Deadline.ran_out` reports checks that were left out.
    """
    token = _deadline_of_checks.set(deadline)
    try:
        yield
    finally:
        _deadline_of_checks.reset(token)


def time_for_check() -> Deadline:
    """The deadline of a check that begins now: that of the search it is part of, if that has a limit."""
    return _deadline_of_checks.get().part(least=_LEAST_SECONDS_FOR_CHECKS)
