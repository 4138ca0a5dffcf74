"""The base of all evidence. It may have been edited by hand, so whatever cannot be read is refuted without an error."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from dataclasses import fields
from numbers import Real
from typing import Any, TypeVar

import numpy as np

from .._support.records import Record
from ..exceptions import LHVError, SolverError
from .result import Verification

__all__ = ["Evidence", "agree", "positive_and_finite", "readable", "verify_piece", "verify_shown"]

T = TypeVar("T")

# What arithmetic on fields of the wrong type or value can raise.
_UNREADABLE = (LHVError, ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)


class Evidence(Record):
    """Base of the records that can be re-checked. Their ``verify`` refutes what it cannot read, and raises no error."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "verify" in cls.__dict__:
            cls.verify = _never_raising(cls.__dict__["verify"])  # type: ignore[attr-defined]


def readable(claim: Callable[[], T], otherwise: T) -> T:
    """Returns what ``claim()`` returns, or ``otherwise`` if the evidence cannot be read."""
    try:
        return claim()
    except _UNREADABLE:
        return otherwise


def verify_piece(piece: Any, prove_bound: bool | None) -> Verification:
    """Verifies a piece of evidence, and passes ``prove_bound`` on if it holds a local bound.

    Args:
        piece: A record with a ``verify`` that needs no arguments.
        prove_bound: Whether to prove local bounds again; see ``BellInequality.verify``.
    """
    if "prove_bound" in inspect.signature(piece.verify).parameters:
        return piece.verify(prove_bound=prove_bound)
    return piece.verify()


def verify_shown(inequality: Any, prove_bound: bool | None) -> tuple[Verification, ...]:
    """Verifies an inequality that a report shows but no verdict rests on. Only an exact bound is checked.

    Args:
        inequality: A ``BellInequality``, or ``None``.
        prove_bound: Whether to prove its local bound again; see ``BellInequality.verify``.
    """
    if inequality is None or not inequality.bound.exact:
        return ()
    return (inequality.verify(prove_bound=prove_bound),)


def positive_and_finite(value: object) -> bool:
    """Whether a field holds a positive, finite number."""
    # A truth value is a number to Python, but not to people.
    return not isinstance(value, bool) and isinstance(value, Real) and 0 < float(value) < math.inf


def agree(a: Any, b: Any, relative: float = 1e-6, absolute: float = 1e-12) -> bool:
    """Whether two results are the same up to rounding.

    Args:
        a: A record, an array, a number, or whatever else may stand in a field of a record.
        b: What it is compared with.
        relative: Difference of numbers, as a share of the larger one.
        absolute: Difference of numbers that is allowed in any case.
    """
    if a is b:
        return True
    if isinstance(a, Record):
        if type(a) is not type(b):
            return False
        names = (field.name for field in fields(a))  # type: ignore[arg-type]
        return all(agree(getattr(a, name), getattr(b, name), relative, absolute) for name in names)
    if isinstance(a, tuple | list):
        same = type(a) is type(b) and len(a) == len(b)
        return same and all(agree(x, y, relative, absolute) for x, y in zip(a, b, strict=True))
    if isinstance(a, np.ndarray):
        if not isinstance(b, np.ndarray) or a.shape != b.shape or a.dtype != b.dtype:
            return False
        if a.dtype.kind != "f":
            return bool(np.array_equal(a, b))
        return bool(np.allclose(a, b, rtol=relative, atol=absolute, equal_nan=True))
    if isinstance(a, float):
        if not isinstance(b, float | int) or isinstance(b, bool):
            return False
        return math.isclose(a, b, rel_tol=relative, abs_tol=absolute) or (math.isnan(a) and math.isnan(b))
    if isinstance(a, int) and not isinstance(a, bool):
        return isinstance(b, int | float) and not isinstance(b, bool) and a == b
    return type(a) is type(b) and bool(a == b)


def _never_raising(verify: Callable[..., Any]) -> Callable[..., Any]:
    """A class's own ``verify``, which refutes what it cannot check; only its caller's arguments may raise."""
    parameters = list(inspect.signature(verify).parameters.values())[1:]
    needs_arguments = any(
        parameter.default is inspect.Parameter.empty
        and parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        for parameter in parameters
    )

    @functools.wraps(verify)
    def guarded(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            # Numbers out of range are told by the comparisons that they fail.
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                return verify(self, *args, **kwargs)
        except (MemoryError, ImportError, SolverError) as exc:
            return Verification.unproven(f"this machine could not check it: {exc}")
        except Exception as exc:
            if needs_arguments and isinstance(exc, LHVError | TypeError):
                raise
            # If the record alone can be checked, the fault is with the arguments.
            if (args or kwargs) and not needs_arguments and _can_be_checked(self, verify):
                raise
            return Verification(False, f"it could not be checked: {type(exc).__name__}: {exc}", math.inf)

    return guarded


def _can_be_checked(record: Any, verify: Callable[..., Any]) -> bool:
    try:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            verify(record)
    except Exception:
        return False
    return True
