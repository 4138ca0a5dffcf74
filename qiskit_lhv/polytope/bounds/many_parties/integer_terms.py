"""Terms of many parties as products of signs, with coefficients in whole numbers.

The outcome of party k for setting x, +1 or -1, is a sign of its own in a deterministic strategy. So a Bell expression
is a polynomial of independent signs, one per pair (party, setting), and its local bound is the polynomial's largest
value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....exceptions import ScenarioError
from ....verification.rationals import binary_integers
from ...expressions.many_parties.base import ABSENT, ManyPartyExpression

__all__ = ["IntegerTerms", "integer_terms"]

_INT64_BITS = 61
"""Sums of at most so many bits are formed in int64."""


@dataclass(frozen=True)
class IntegerTerms:
    """A polynomial of signs: ``(constant + sum_t coefficients[t] * prod of the signs in scopes[t]) / 2**exponent``."""

    scopes: tuple[tuple[int, ...], ...]
    """The signs of each term, ascending. Sign number v belongs to setting x of party k, ``v = first[k] + x``."""
    coefficients: tuple[int, ...]
    """The coefficient of each term."""
    constant: int
    """The coefficient of the term without signs."""
    exponent: int
    """The power of two that divides all."""
    error: Fraction
    """The sum of what coefficients were rounded by, in units of the expression; 0 if none was."""
    num_signs: int
    """Number of pairs (party, setting), those that no term has included."""

    @property
    def weight(self) -> int:
        """Sum of the sizes of all coefficients but the constant's."""
        return sum(map(abs, self.coefficients))

    @property
    def dtype(self) -> Any:
        """The smallest type of integers in which no sum overflows; Python's integers if there is none."""
        return next((t for t in (np.int16, np.int32, np.int64) if self.weight < np.iinfo(t).max // 2), object)

    def value(self, largest: int) -> Fraction:
        """The bound of the expression for a largest value of the terms without the constant."""
        return Fraction(self.constant + largest) / Fraction(2) ** self.exponent + self.error

    def rounded(self) -> IntegerTerms:
        """The polynomial with coefficients so rounded that all sums fit into int64; ``error`` says by how much."""
        excess = self.weight.bit_length() - _INT64_BITS
        if excess <= 0:
            return self
        divisor, half = 1 << excess, 1 << (excess - 1)
        coefficients = tuple((value + half) // divisor for value in self.coefficients)
        off = sum(abs(value - divisor * new) for value, new in zip(self.coefficients, coefficients, strict=True))
        # The constant is rounded up, which only raises the bound.
        constant = -(-self.constant // divisor)
        error = self.error + Fraction(off) / Fraction(2) ** self.exponent
        return IntegerTerms(self.scopes, coefficients, constant, self.exponent - excess, error, self.num_signs)


def integer_terms(expression: ManyPartyExpression) -> IntegerTerms:
    """Returns the terms of an expression as a polynomial of signs with whole-number coefficients, without rounding.

    Raises:
        ScenarioError: If there are too many terms to list.
    """
    first = np.concatenate([[0], np.cumsum(expression.scenario.num_settings)])
    scopes: list[tuple[int, ...]] = []
    values: list[NDArray[np.float64]] = []
    for rows, coefficients in expression.blocks():
        if not np.isfinite(math.fsum(np.abs(coefficients).tolist())):
            raise ScenarioError.bad_argument("expression", expected="finite coefficients", got="larger ones")
        signs = rows.astype(np.int64) + first[:-1]
        scopes += [tuple(row[taken].tolist()) for row, taken in zip(signs, rows != ABSENT, strict=True)]
        values.append(coefficients)
    integers, exponent = binary_integers(np.concatenate(values) if values else np.zeros(0))
    pairs = [(scope, int(value)) for scope, value in zip(scopes, integers.tolist(), strict=True)]
    constant = sum(value for scope, value in pairs if not scope)
    kept = [(scope, value) for scope, value in pairs if scope and value]
    return IntegerTerms(
        tuple(scope for scope, _ in kept),
        tuple(value for _, value in kept),
        constant,
        exponent,
        Fraction(0),
        int(first[-1]),
    )
