"""Upper bounds of few terms of any number of parties, proven by adding them up for all patterns of their signs."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from .rationals import binary_integers
from .result import Verification

__all__ = ["prove_by_patterns"]

_MAX_WORK = 1 << 35
_MAX_OBJECTS = 1 << 22
_AT_ONCE = 1 << 22
_EXACT = 1 << 53


def prove_by_patterns(rows: NDArray[np.int8], coefficients: NDArray[np.float64], claim: Fraction) -> Verification:
    """Proves that no deterministic strategy gives terms a larger value than claimed.

    The outcomes of a strategy are eliminated modulo 2, column by column, until the signs of the terms are given by
    independent bits. For all values of the bits, the terms are added up as a product of two matrices of signs.

    Args:
        rows: Shape ``(T, N)``: the setting of each party in each term, -1 if it does not take part.
        coefficients: Shape ``(T,)``.
        claim: The bound.
    """
    integers, exponent = binary_integers(coefficients)
    weights = [int(value) for value in integers.tolist()]
    limit = claim * Fraction(2) ** exponent
    basis = _independent_columns(rows)
    r = basis.shape[1]
    # Whole numbers below 2**53: sums of floats are exact. Larger ones are added up as Python's integers.
    small = sum(map(abs, weights)) < _EXACT
    if (len(rows) << r) > (_MAX_WORK if small else _MAX_OBJECTS):
        return Verification.unproven(f"the signs of the terms have 2**{r} patterns, too many to be added up again")
    first = r // 2
    kind = np.float64 if small else object
    low, high = (_signs(part).astype(kind) for part in (basis[:, :first], basis[:, first:]))
    weighted = low * np.array(weights, dtype=kind)
    step = max(1, _AT_ONCE // len(weighted))
    blocks = (weighted @ high[start : start + step].T for start in range(0, len(high), step))
    found = Fraction(max(int(block.max()) for block in blocks))
    if found > limit:
        excess = float((found - limit) / Fraction(2) ** exponent)
        return Verification(False, f"a strategy exceeds the bound by {excess:.6g}", excess)
    return Verification(True, f"none of 2**{r} patterns of signs exceeds the bound")


def _independent_columns(rows: NDArray[np.int8]) -> NDArray[np.bool_]:
    """A basis, modulo 2, of the patterns of exponents that single outcomes give the terms, shape ``(T, r)``."""
    columns: list[tuple[NDArray[np.bool_], int]] = []
    for party in range(rows.shape[1]):
        for setting in range(int(rows[:, party].max(initial=-1)) + 1):
            column = rows[:, party] == setting
            for other, place in columns:
                if column[place]:
                    column = column ^ other
            places = np.flatnonzero(column)
            if len(places):
                columns.append((column, int(places[0])))
    return np.stack([column for column, _ in columns], axis=1) if columns else np.zeros((len(rows), 0), dtype=bool)


def _signs(basis: NDArray[np.bool_]) -> NDArray[np.int8]:
    """The signs of all terms for all values of some bits, shape ``(2**r, T)``."""
    signs = np.ones((1, len(basis)), dtype=np.int8)
    for column in basis.T:
        signs = np.concatenate([signs, signs * np.where(column, -1, 1).astype(np.int8)])
    return signs
