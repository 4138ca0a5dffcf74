"""Checks of the arguments of public functions: arrays, numbers, seeds and types."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any, TypeGuard, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..exceptions import LHVError

__all__ = [
    "at_most",
    "checked_seed",
    "fresh_seed",
    "frozen",
    "generator",
    "instance",
    "is_whole_number",
    "positive_number",
    "probability",
    "real_array",
    "real_number",
    "seed_or_fresh",
    "shown",
    "truth_value",
    "whole_array",
    "whole_number",
    "whole_numbers",
]

T = TypeVar("T")

_LONGEST_SHOWN = 80
# Above this, not every whole number is a float.
_LARGEST_WHOLE = 2**53


def shown(value: object) -> str:
    """Returns what a message shows of an argument: its ``repr`` on one line, cut off where it is long."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # whatever a foreign __repr__ raises; Python's own refuses integers of many digits
        return f"a value of type {type(value).__name__}"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}... ({type(value).__name__})"


def instance(
    value: object, kinds: type[T] | tuple[type[T], ...], name: str, error: type[LHVError], remedy: str = ""
) -> T:
    """Returns ``value`` if it is of one of the kinds.

    Args:
        value: What the caller passed.
        kinds: One class or several.
        name: Name of the argument, for the message.
        error: Class of the error to raise.
        remedy: What the caller can do about it.

    Raises:
        LHVError: Of class ``error``, when ``value`` is of another kind.
    """
    listed = kinds if isinstance(kinds, tuple) else (kinds,)
    if not isinstance(value, listed):
        expected = " or ".join(kind.__name__ for kind in listed)
        got = shown(value) if value is None or isinstance(value, int | float | str) else type(value).__name__
        raise error.bad_argument(name, expected=expected, got=got, remedy=remedy)
    return value


def truth_value(value: object, name: str, error: type[LHVError]) -> bool:
    """Returns ``value`` as a Python truth value.

    Raises:
        LHVError: Of class ``error``, when ``value`` is not True or False.
    """
    if not isinstance(value, bool | np.bool_):
        raise error.bad_argument(name, expected="True or False", got=shown(value))
    return bool(value)


def is_whole_number(value: object) -> TypeGuard[int]:
    """Whether ``value`` is a whole number (Python's or NumPy's, but no truth value)."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Returns a read-only, contiguous copy of ``array``, or the array itself if it is already one."""
    if type(array) is np.ndarray and array.base is None and array.flags.c_contiguous and not array.flags.writeable:
        return array
    result = np.array(array, order="C", copy=True)
    result.flags.writeable = False
    return result


def real_array(
    value: ArrayLike,
    name: str,
    error: type[LHVError],
    *,
    ndim: int | None = None,
    finite: bool = True,
    remedy: str = "",
) -> NDArray[np.float64]:
    """Returns ``value`` as a read-only float64 array of finite numbers.

    Args:
        value: What the caller passed.
        name: Name of the argument, for the message.
        error: Class of the error to raise.
        ndim: Required number of axes, or ``None`` for any.
        finite: Whether NaN and infinite entries are refused.
        remedy: What the caller can do about what is no array.

    Raises:
        LHVError: Of class ``error``, when ``value`` is not a real, finite array with ``ndim`` axes.
    """
    try:
        array = np.asarray(value)
        if np.iscomplexobj(array):
            raise error.bad_argument(name, expected="real numbers", got="complex numbers", remedy="")
        texts = array.dtype == object and any(isinstance(entry, str | bytes) for entry in array.flat)
        if array.dtype.kind not in "biufO" or texts:
            raise error.bad_argument(name, expected="an array of numbers", got=type(value).__name__)
        array = array.astype(np.float64, copy=False)
    except LHVError:
        raise
    # Numbers too large for floats overflow, lists that hold themselves recurse.
    except (TypeError, ValueError, OverflowError, RecursionError) as exc:
        raise error.bad_argument(name, expected="an array of numbers", got=type(value).__name__, remedy=remedy) from exc
    if ndim is not None and array.ndim != ndim:
        raise error.bad_argument(name, expected=f"an array with {ndim} axes", got=f"shape {array.shape}")
    if finite and not np.all(np.isfinite(array)):
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
    if array.size and np.abs(array).max() > _LARGEST_WHOLE:
        raise error.bad_argument(name, expected="numbers up to 2**53", got=f"{np.abs(array).max():.6g}")
    return frozen(array.astype(np.int64))


def whole_number(
    value: object, name: str, error: type[LHVError], *, minimum: int = 1, maximum: int | None = None
) -> int:
    """Returns ``value`` as an integer.

    Raises:
        LHVError: Of class ``error``, when it is not a whole number of at least ``minimum`` and at most ``maximum``.
    """
    if not is_whole_number(value) or value < minimum:
        raise error.bad_argument(name, expected=f"a whole number of at least {minimum}", got=shown(value))
    if maximum is not None and value > maximum:
        remedy = "More would not fit into memory."
        raise error.bad_argument(name, expected=f"at most {maximum}", got=shown(value), remedy=remedy)
    return int(value)


def at_most(
    number: float, most: float, name: str, error: type[LHVError], *, what: str, note: str = "", remedy: str = ""
) -> None:
    """Raises an error if something is too large, before any work is done.

    Args:
        number: How much there is.
        most: How much there may be.
        name: Name of the argument, for the message.
        error: Class of the error to raise.
        what: What is counted, such as ``"parties for a table of all probabilities"``.
        note: Text that follows the number in the message.
        remedy: What the caller can do about it.

    Raises:
        LHVError: Of class ``error``, when ``number`` is above ``most``.
    """
    if number > most:
        count = f"{number}" if isinstance(number, int) and number < _LARGEST_WHOLE else f"{float(number):.3g}"
        raise error.bad_argument(name, expected=f"at most {most} {what}", got=f"{count}{note}", remedy=remedy)


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
        raise error.bad_argument(name, expected=expected, got=shown(value)) from exc
    for entry in listed:
        if not is_whole_number(entry) or entry < minimum:
            raise error.bad_argument(name, expected=expected, got=shown(entry))
    return tuple(int(entry) for entry in listed)


def real_number(value: object, name: str, error: type[LHVError], *, expected: str = "a finite number") -> float:
    """Returns ``value`` as a finite float.

    Args:
        value: What the caller passed.
        name: Name of the argument, for the message.
        error: Class of the error to raise.
        expected: What is expected, for the message.

    Raises:
        LHVError: Of class ``error``, when it is not a real number, or not finite.
    """
    number = math.nan
    # A truth value is a number to Python, but not to people.
    if not isinstance(value, bool) and isinstance(value, Real):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
    if not math.isfinite(number):
        raise error.bad_argument(name, expected=expected, got=shown(value))
    return number


def probability(value: object, name: str, error: type[LHVError], *, open_interval: bool = False) -> float:
    """Returns ``value`` as a float in [0, 1], or in (0, 1) if ``open_interval``.

    Raises:
        LHVError: Of class ``error``, when it is not such a number.
    """
    expected = "a number strictly between 0 and 1" if open_interval else "a number from 0 to 1"
    number = real_number(value, name, error, expected=expected)
    inside = 0 < number < 1 if open_interval else 0 <= number <= 1
    if not inside:
        raise error.bad_argument(name, expected=expected, got=shown(value))
    return number


def positive_number(value: object, name: str, error: type[LHVError], *, zero: bool = False) -> float:
    """Returns ``value`` as a finite float above 0, or 0 if ``zero``.

    Raises:
        LHVError: Of class ``error``, when it is not such a number.
    """
    expected = "a finite number, 0 or above" if zero else "a positive number"
    number = real_number(value, name, error, expected=expected)
    if number < 0 or (number == 0 and not zero):
        raise error.bad_argument(name, expected=expected, got=shown(value))
    return number


@overload
def checked_seed(seed: None) -> None: ...


@overload
def checked_seed(seed: int) -> int: ...


def checked_seed(seed: object) -> int | None:
    """Returns a seed as a Python integer, or ``None``.

    Raises:
        LHVError: When it is not ``None`` or a non-negative whole number.
    """
    if seed is None:
        return None
    if not is_whole_number(seed) or seed < 0:
        raise LHVError.bad_argument("seed", expected="None or a non-negative whole number", got=shown(seed))
    return int(seed)


def fresh_seed() -> int:
    """Returns a seed of 31 bits from the entropy of the system."""
    return secrets.randbits(31)


def seed_or_fresh(seed: int | None) -> int:
    """Returns the checked seed, or a fresh one for ``None``, so that a result can record it.

    Raises:
        LHVError: When it is not ``None`` or a non-negative whole number.
    """
    return fresh_seed() if seed is None else checked_seed(seed)


def generator(seed: int | None) -> np.random.Generator:
    """Returns a random generator for ``seed``; ``None`` draws fresh entropy.

    Raises:
        LHVError: When ``seed`` is not ``None`` or a non-negative whole number.
    """
    return np.random.default_rng(checked_seed(seed))
