"""Rounding of solvers' numbers to numbers that proofs can use."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from .types import FloatArray

__all__ = ["round_up", "small_integers"]


def round_up(number: Fraction) -> float:
    """The smallest float that is not below a rational number, or the next one."""
    value = float(number)
    return value if Fraction(value) >= number else math.nextafter(value, math.inf)


def small_integers(numbers: FloatArray) -> FloatArray | None:
    """Integers proportional to the numbers within 1e-7, if small ones exist."""
    for scale in range(1, 61):
        scaled = numbers * scale
        if np.abs(scaled - np.rint(scaled)).max() < 1e-7 * scale:
            return np.rint(scaled)
    return None
