"""Checks of evidence that somebody may have edited: whatever cannot be read is refuted, and raises nothing."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from numbers import Real
from typing import Any, TypeVar

from .exceptions import LHVError
from .verification import Verification

__all__ = ["positive_and_finite", "readable", "refute_unreadable", "verify_piece"]

T = TypeVar("T")

# What arithmetic on fields of the wrong type or value can raise.
_UNREADABLE = (LHVError, ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)


def refute_unreadable(check: Callable[[], Verification]) -> Verification:
    """The result of a check; refuted, with the reason, if the evidence cannot be read."""
    try:
        return check()
    except _UNREADABLE as exc:
        return Verification(False, f"the evidence cannot be read: {type(exc).__name__}: {exc}", math.inf)


def readable(claim: Callable[[], T], otherwise: T) -> T:
    """What the evidence claims, or something else if it cannot be read."""
    try:
        return claim()
    except _UNREADABLE:
        return otherwise


def verify_piece(piece: Any, prove_bound: bool | None) -> Verification:
    """The check of a piece of evidence, which gets ``prove_bound`` if there is a local bound in it.

    Args:
        piece: A record with a ``verify`` that needs no arguments.
        prove_bound: Whether to prove local bounds again; see ``BellInequality.verify``.
    """
    if "prove_bound" in inspect.signature(piece.verify).parameters:
        return piece.verify(prove_bound=prove_bound)
    return piece.verify()


def positive_and_finite(value: object) -> bool:
    """Whether a field holds a positive, finite number."""
    # A truth value is a number to Python, but not to people.
    return not isinstance(value, bool) and isinstance(value, Real) and 0 < float(value) < math.inf
