"""Checks of the local bounds of infinite chains, by potentials, in integers.

The strategies along an infinite chain are a walk on the graph of short sequences of strategies. If a number per vertex
can be found such that no word's weight exceeds the bound by more than the number rises along it, then no walk's mean
exceeds the bound in the long run. Such numbers exist exactly if no cycle has a larger mean.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np

from .._support.types import IntArray
from .result import Verification

__all__ = ["check_chain_bound"]

_MAX_WORDS = 1 << 14
_LIMIT = 1 << 61


def check_chain_bound(singles: IntArray, pairs: IntArray, bound: float, cycle: IntArray) -> Verification:
    """Checks that no local model of an infinite chain exceeds a bound per site, and that one reaches it.

    Args:
        singles: Coefficients of the outcomes, shape ``(period, m)``.
        pairs: Coefficients of the products, shape ``(period, reach, m, m)``.
        bound: The bound of the sum over all terms that begin at a site, on average over the sites.
        cycle: Strategies of a periodic sequence that reaches it, from sublattice 0 on.
    """
    period, reach, m, _ = pairs.shape
    if singles.shape != (period, m) or period << (m * (reach + 1)) > _MAX_WORDS:
        return Verification(False, "the coefficients do not fit together, or are too many to check", np.inf)
    if len(cycle) == 0 or len(cycle) % period or cycle.min() < 0 or cycle.max() >= 1 << m:
        return Verification(False, "the sequence of strategies is none of this chain", np.inf)
    outcomes = [[-1 if strategy >> x & 1 else 1 for x in range(m)] for strategy in range(1 << m)]

    def weight(s: int, strategies: tuple[int, ...]) -> int:
        first, *others = (outcomes[strategy] for strategy in strategies)
        total = sum(int(singles[s, x]) * first[x] for x in range(m))
        for r, other in enumerate(others):
            total += sum(int(pairs[s, r, x, y]) * first[x] * other[y] for x in range(m) for y in range(m))
        return total

    n = len(cycle)
    repeated = [int(cycle[i % n]) for i in range(n + reach)]
    reached = Fraction(sum(weight(i % period, tuple(repeated[i : i + reach + 1])) for i in range(n)), n)
    stated = Fraction(float(bound))
    if stated < reached:
        return Verification(False, f"a sequence of strategies reaches {float(reached):.9g}", float(reached - stated))
    if stated - reached > Fraction(1, 2**40) * max(Fraction(1), abs(reached)):
        return Verification(False, f"the sequence of strategies reaches {float(reached):.9g} only", np.inf)
    largest = int(np.abs(singles).sum()) + int(np.abs(pairs).sum())
    if 4 * (largest + 1) * reached.denominator * (period << (m * reach)) >= _LIMIT:
        return Verification.unproven("the coefficients are too large for sums in 64 bits")
    q, p = reached.denominator, reached.numerator
    slacks = np.array(
        [[q * weight(s, word) - p for word in product(range(1 << m), repeat=reach + 1)] for s in range(period)]
    ).reshape(period, 1 << m, -1)
    # Potentials of sequences of `reach` strategies: numbers of words in the order of `product`.
    potentials = np.zeros((period, 1 << (m * reach)), dtype=np.int64)
    for _ in range((period << (m * reach)) + 1):
        before = potentials.copy()
        for s in range(period):
            following = (s + 1) % period
            rises = potentials[s].reshape(1 << m, -1, 1) + slacks[s].reshape(1 << m, -1, 1 << m)
            potentials[following] = np.maximum(potentials[following], rises.max(axis=0).reshape(-1))
        if np.array_equal(before, potentials):
            return Verification(True, f"no sequence of strategies exceeds {float(reached):.9g} per site", 0.0)
    return Verification(False, f"a sequence of strategies exceeds {float(reached):.9g} per site", np.inf)
