"""Floats as the rational numbers that they are, or as integers over a common power of two."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["binary_integers", "rational", "scaled_to_integers"]

# Bits of a float's mantissa.
_MANTISSA = 53


def scaled_to_integers(array: NDArray[np.float64], max_bits: int = 62) -> tuple[NDArray[Any], int] | None:
    """Finds k such that ``array * 2**k`` holds integers, if their absolute sum stays below ``2**max_bits``.

    Args:
        array: Finite floats.
        max_bits: Limit of the integers' absolute sum.

    Returns:
        The integers (int64) and k, or ``None`` if there is no such k.
    """
    integers, exponent = binary_integers(array)
    surely_small = integers.dtype != object and integers.size * int(np.abs(integers).max(initial=0)) < 2**max_bits
    # Python integers: their sum cannot wrap.
    if not surely_small and sum(abs(value) for value in integers.ravel().tolist()) >= 2**max_bits:
        return None
    return integers.astype(np.int64), exponent


def binary_integers(array: NDArray[np.float64]) -> tuple[NDArray[Any], int]:
    """Finds integers n and the smallest k of at least 0 such that ``array`` is ``n / 2**k``, exactly.

    Args:
        array: Finite floats.

    Returns:
        The integers and k; int64 if each is smaller than 2**62 in absolute value, else an array of Python's integers.

    Raises:
        ValueError: If a number is not finite.
    """
    floats = np.asarray(array, dtype=np.float64)
    if not np.isfinite(floats).all():
        raise ValueError("floats that are not finite are no rational numbers")
    mantissas, exponents = np.frexp(floats)
    # The float is odd * 2**power; zeros have power 0.
    whole = np.ldexp(mantissas, _MANTISSA).astype(np.int64)
    zeros = np.frexp((whole & -whole).astype(np.float64))[1] - 1
    zeros = np.where(whole == 0, 0, zeros)
    powers = np.where(whole == 0, 0, exponents - _MANTISSA + zeros).astype(np.int64)
    odd = whole >> zeros
    common = max(0, -int(powers.min(initial=0)))
    shifts = np.where(whole == 0, 0, powers + common)
    if int((np.frexp(np.abs(odd).astype(np.float64))[1] + shifts).max(initial=0)) <= 62:
        return odd << shifts, common
    integers = np.empty(floats.size, dtype=object)
    pairs = zip(odd.ravel().tolist(), shifts.ravel().tolist(), strict=True)
    integers[:] = [value << shift for value, shift in pairs]
    return integers.reshape(floats.shape), common


def rational(array: NDArray[np.float64]) -> Any:
    """An object array of the rationals that the floats are."""
    flat = np.array([Fraction(float(value)) for value in np.asarray(array).flat], dtype=object)
    return flat.reshape(np.shape(array))
