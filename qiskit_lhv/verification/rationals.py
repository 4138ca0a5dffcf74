"""Floats as the rational numbers that they are."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["rational", "scaled_to_integers"]


def scaled_to_integers(array: NDArray[np.float64], max_bits: int = 62) -> tuple[NDArray[Any], int] | None:
    """Finds k such that ``array * 2**k`` holds integers, if their absolute sum stays below ``2**max_bits``.

    Args:
        array: Finite floats.
        max_bits: Limit of the integers' absolute sum.

    Returns:
        The integers (int64) and k, or ``None`` if there is no such k.
    """
    values, counts = np.unique(np.abs(array), return_counts=True)
    numbers = [Fraction(float(value)) for value in values]
    exponent = max((number.denominator.bit_length() - 1 for number in numbers), default=0)
    # Rationals: floats would round the sum, or exceed their range.
    total = sum((number * int(count) for number, count in zip(numbers, counts, strict=True)), Fraction(0))
    if total * 2**exponent >= 2**max_bits:
        return None
    return np.array([int(Fraction(float(v)) * 2**exponent) for v in array.flat], dtype=np.int64).reshape(
        array.shape
    ), exponent


def rational(array: NDArray[np.float64]) -> Any:
    """An object array of the rationals that the floats are."""
    flat = np.array([Fraction(float(value)) for value in np.asarray(array).flat], dtype=object)
    return flat.reshape(np.shape(array))
