"""Largest values of few terms of any number of parties, by all patterns of signs that the terms can have together.

Given a deterministic strategy, every term is +1 or -1 times its coefficient. The exponents of these signs are linear
functions, modulo 2, of the outcomes. So with r linearly independent terms there are ``2**r`` patterns, whatever the
number of parties, and a Walsh-Hadamard transform gives the values of all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .integer_terms import IntegerTerms

__all__ = ["SignPatterns", "largest_of_patterns", "sign_patterns"]


@dataclass(frozen=True)
class SignPatterns:
    """The patterns of signs of some terms, as the values of r independent bits."""

    exponents: tuple[int, ...]
    """For each term, the bits whose sum modulo 2 is the exponent of its sign, as a number."""
    solutions: tuple[tuple[int, int], ...]
    """Pairs of an outcome, by its number, and the bits whose sum modulo 2 it is; all other outcomes are 0."""

    @property
    def rank(self) -> int:
        """Number of independent terms r."""
        return len(self.solutions)


def sign_patterns(terms: IntegerTerms, max_rank: int) -> SignPatterns | None:
    """Returns the patterns of signs of terms; ``None`` if there are more than ``max_rank`` independent ones.

    Args:
        terms: The terms.
        max_rank: Largest number of independent terms.
    """
    # Rows with one leading outcome each, that no other row has, and the independent terms whose sum each row is.
    rows: dict[int, tuple[int, int]] = {}
    exponents: list[int] = []
    for scope in terms.scopes:
        rest, bits = sum(1 << v for v in scope), 0
        for lead, (row, own) in rows.items():
            if rest >> lead & 1:
                rest, bits = rest ^ row, bits ^ own
        if not rest:
            exponents.append(bits)
            continue
        if len(rows) == max_rank:
            return None
        new = 1 << len(rows)
        exponents.append(new)
        lead, own = rest.bit_length() - 1, bits ^ new
        for other, (row, others) in rows.items():
            if row >> lead & 1:
                rows[other] = row ^ rest, others ^ own
        rows[lead] = rest, own
    return SignPatterns(tuple(exponents), tuple((lead, own) for lead, (_, own) in rows.items()))


def largest_of_patterns(terms: IntegerTerms, patterns: SignPatterns) -> tuple[int, NDArray[np.int64]]:
    """Returns the largest value of terms, without the constant, and outcomes that reach it, shape ``(num_signs,)``.

    Args:
        terms: The terms.
        patterns: Their patterns.
    """
    values = np.zeros(1 << patterns.rank, dtype=terms.dtype)
    for bits, coefficient in zip(patterns.exponents, terms.coefficients, strict=True):
        values[bits] += coefficient
    for step in range(patterns.rank):
        pairs = values.reshape(-1, 2, 1 << step)
        pairs[:, 0], pairs[:, 1] = pairs[:, 0] + pairs[:, 1], pairs[:, 0] - pairs[:, 1]
    best = int(np.argmax(values))
    outcomes = np.zeros(terms.num_signs, dtype=np.int64)
    for place, bits in patterns.solutions:
        outcomes[place] = (bits & best).bit_count() % 2
    return int(values[best]), outcomes
