"""Checks of arrays and numbers that cross the public surface."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .exceptions import LHVError

__all__ = [
    "frozen",
    "generator",
    "is_whole_number",
    "positive_number",
    "probability",
    "real_array",
    "whole_array",
    "whole_number",
    "whole_numbers",
]


def is_whole_number(value: object) -> TypeGuard[int]:
    """Whether ``value`` is a whole number (Python's or NumPy's, but no truth value)."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Returns a read-only, contiguous copy of ``array``."""
    result = np.array(array, order="C", copy=True)
    result.flags.writeable = False
    return result


def real_array(value: ArrayLike, name: str, error: type[LHVError], *, ndim: int | None = None) -> NDArray[np.float64]:
    """Returns ``value`` as a read-only float64 array of finite numbers.

    Args:
        value: What the caller passed.
        name: Name of the argument, for the message.
        error: Class of the error to raise.
        ndim: Required number of axes, or ``None`` for any.

    Raises:
        LHVError: Of class ``error``, when ``value`` is not a real, finite array with ``ndim`` axes.
    """
    try:
        array = np.asarray(value)
        if np.iscomplexobj(array):
            raise error.bad_argument(name, expected="real numbers", got="complex numbers", remedy="")
        if array.dtype.kind in "US":
            raise error.bad_argument(name, expected="an array of numbers", got=type(value).__name__)
        array = array.astype(np.float64)
    except (TypeError, ValueError) as exc:
        if isinstance(exc, LHVError):
            raise
        raise error.bad_argument(name, expected="an array of numbers", got=type(value).__name__) from exc
    if ndim is not None and array.ndim != ndim:
        raise error.bad_argument(name, expected=f"an array with {ndim} axes", got=f"shape {array.shape}")
    if not np.all(np.isfinite(array)):
        position = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise error.bad_argument(
            name,
            expected="finite numbers",
            got=f"{array[position]} at index {position}",
            remedy="Remove or replace NaN and infinite entries.",
        )
    return frozen(array)


def whole_array(value: ArrayLike, name: str, error: type[LHVError], *, ndim: int | None = None) -> NDArray[np.int64]:
    """Returns ``value`` as a read-only int64 array of whole numbers.

    Raises:
        LHVError: Of class ``error``, when an entry is not a whole number.
    """
    array = real_array(value, name, error, ndim=ndim)
    if np.any(array != np.rint(array)):
        raise error.bad_argument(name, expected="whole numbers", got="fractions")
    if np.any(np.abs(array) >= 2.0**63):
        raise error.bad_argument(name, expected="whole numbers below 2**63", got="larger ones")
    return frozen(array.astype(np.int64))


def whole_number(value: object, name: str, error: type[LHVError], *, minimum: int = 1) -> int:
    """Returns ``value`` as an integer.

    Raises:
        LHVError: Of class ``error``, when it is not a whole number of at least ``minimum``.
    """
    if not is_whole_number(value) or value < minimum:
        raise error.bad_argument(name, expected=f"a whole number of at least {minimum}", got=repr(value))
    return int(value)


def whole_numbers(value: int | Iterable[int], name: str, error: type[LHVError], *, minimum: int) -> tuple[int, ...]:
    """Returns ``value`` as a tuple of whole numbers that are at least ``minimum``.

    Raises:
        LHVError: Of class ``error``, when an entry is not a whole number or too small.
    """
    entries = (value,) if is_whole_number(value) else value
    expected = f"whole numbers of at least {minimum}"
    try:
        listed = list(entries)  # type: ignore[arg-type]
    except TypeError as exc:
        raise error.bad_argument(name, expected=expected, got=repr(value)) from exc
    for entry in listed:
        if not is_whole_number(entry) or entry < minimum:
            raise error.bad_argument(name, expected=expected, got=repr(entry))
    return tuple(int(entry) for entry in listed)


def probability(value: float, name: str, error: type[LHVError], *, open_interval: bool = False) -> float:
    """Returns ``value`` as a float in [0, 1], or in (0, 1) if ``open_interval``.

    Raises:
        LHVError: Of class ``error``, when it is not such a number.
    """
    expected = "a number strictly between 0 and 1" if open_interval else "a number from 0 to 1"
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError) as exc:
        raise error.bad_argument(name, expected=expected, got=repr(value)) from exc
    inside = 0 < number < 1 if open_interval else 0 <= number <= 1
    if not inside:
        raise error.bad_argument(name, expected=expected, got=repr(value))
    return number


def positive_number(value: object, name: str, error: type[LHVError], *, zero: bool = False) -> float:
    """Returns ``value`` as a finite float above 0, or 0 if ``zero``.

    Raises:
        LHVError: Of class ``error``, when it is not such a number.
    """
    number = math.nan
    # A truth value is a number to Python, but not to people.
    if not isinstance(value, bool) and isinstance(value, Real):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
    if not (0 <= number < math.inf) or (number == 0 and not zero):
        expected = "a finite number, 0 or above" if zero else "a positive number"
        raise error.bad_argument(name, expected=expected, got=repr(value))
    return number


def generator(seed: int | None) -> np.random.Generator:
    """Returns a random generator for ``seed``; ``None`` draws fresh entropy.

    Raises:
        LHVError: When ``seed`` is not ``None`` or a non-negative whole number.
    """
    if seed is not None and (not is_whole_number(seed) or seed < 0):
        raise LHVError.bad_argument("seed", expected="None or a non-negative whole number", got=repr(seed))
    return np.random.default_rng(None if seed is None else int(seed))
