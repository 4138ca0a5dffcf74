"""The largest value of an expression of a chain that repeats the same terms, by powers of a max-plus matrix.

A state is how R - 1 neighbors answer to all settings. One more site adds what the terms on R neighbors give; so the
value of a strategy is the weight of a walk of as many steps as there are sites, closed for a ring. The best weights
between all states, for 1, 2, 4, ... steps, are powers of a matrix in which numbers are added instead of multiplied and
compared instead of added. In the limit of many sites, the best weight per site is that of the best cycle.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ....verification.rationals import binary_integers
from ...expressions.many_parties.base import ABSENT, ManyPartyExpression

__all__ = ["ChainTerms", "RepeatingTerms", "best_cycle", "best_walk", "chain_terms"]

_MAX_STATES = 256
_MAX_STATES_OF_OBJECTS = 64
_MAX_STRATEGY = 1 << 20

Matrix = NDArray[Any]


@runtime_checkable
class RepeatingTerms(Protocol):
    """An expression of a chain that gives the terms that begin at a site."""

    pattern: NDArray[np.int8]
    coefficients: NDArray[np.float64]
    periodic: bool


@dataclass(frozen=True)
class ChainTerms:
    """The terms of a chain that begin at a site, in whole numbers, and what they give to R neighbors."""

    pattern: NDArray[np.int8]
    """Shape ``(T, R)`` with R of at least 2: the settings of the site and its right neighbors, -1 where one is
    absent."""
    integers: tuple[int, ...]
    """The coefficient of each term, times ``2**exponent``."""
    exponent: int
    """See ``integers``."""
    num_settings: int
    """Number of settings of each site."""

    @classmethod
    def of(cls, pattern: NDArray[np.int8], coefficients: NDArray[np.float64], num_settings: int) -> ChainTerms:
        """The terms with these coefficients."""
        integers, exponent = binary_integers(coefficients)
        padded = np.pad(pattern, [(0, 0), (0, max(0, 2 - pattern.shape[1]))], constant_values=ABSENT)
        return cls(padded, tuple(integers.tolist()), exponent, num_settings)

    @property
    def reach(self) -> int:
        """R, the number of neighbors on which terms act."""
        return int(self.pattern.shape[1])

    @property
    def num_states(self) -> int:
        """Number of ways in which R - 1 neighbors answer."""
        return 1 << (self.num_settings * (self.reach - 1))

    @property
    def weight(self) -> int:
        """Sum of the sizes of the coefficients."""
        return sum(map(abs, self.integers))

    def values(self, num_sites: int, begins: int, dtype: Any) -> NDArray[Any]:
        """What the terms that begin at a site and end before ``num_sites`` give, for all answers of so many sites.

        Args:
            num_sites: Number of sites; bit ``m * (num_sites - 1 - i) + x`` of an index is the outcome of setting x at
                site i.
            begins: The site at which the terms begin.
            dtype: Type of the result.
        """
        answers = np.arange(1 << (self.num_settings * num_sites))
        total = np.zeros(len(answers), dtype=dtype)
        for row, value in zip(self.pattern.tolist(), self.integers, strict=True):
            taken = [(begins + i, x) for i, x in enumerate(row) if x != ABSENT]
            if all(site < num_sites for site, _ in taken):
                odd = np.zeros(len(answers), dtype=np.int64)
                for site, x in taken:
                    odd ^= answers >> (self.num_settings * (num_sites - 1 - site) + x) & 1
                total += np.array([value, -value], dtype=dtype)[odd]
        return total

    def matrix(self, dtype: Any, impossible: int) -> Matrix:
        """The weight of a step from state to state, shape ``(S, S)``."""
        words, ways = self.values(self.reach, 0, dtype), 1 << self.num_settings
        matrix = np.full((self.num_states, self.num_states), impossible, dtype=dtype)
        numbers = np.arange(len(words))
        matrix[numbers // ways, numbers % self.num_states] = words
        return matrix


def chain_terms(expression: ManyPartyExpression) -> ChainTerms | None:
    """Returns the terms of an expression that repeats them along a chain; ``None`` if it does not, or has too many."""
    if not isinstance(expression, RepeatingTerms):
        return None
    terms = ChainTerms.of(expression.pattern, expression.coefficients, expression.scenario.num_settings[0])
    return terms if terms.num_settings * (terms.reach - 1) <= math.log2(_MAX_STATES) else None


def best_walk(terms: ChainTerms, num_sites: int, periodic: bool) -> tuple[Fraction, NDArray[np.int64] | None] | None:
    """Returns the local bound of a chain and a strategy that reaches it; ``None`` if it takes too long.

    Args:
        terms: The terms that begin at a site.
        num_sites: Number of sites; of a ring, at least R.
        periodic: Whether the chain is a ring.

    Returns:
        The bound, and the outcome of each setting of each site, shape ``(num_sites * m,)``; ``None`` instead of the
        outcomes for more than a million.
    """
    limit = terms.weight * (num_sites + 1)
    dtype: Any = np.int64 if limit < 1 << 59 else object
    if dtype is object and terms.num_states > _MAX_STATES_OF_OBJECTS:
        return None
    impossible = -4 * limit - 1
    steps = num_sites if periodic else num_sites - terms.reach + 1
    powers = [terms.matrix(dtype, impossible)]
    while 2 << (len(powers) - 1) <= steps:
        powers.append(_product(powers[-1], powers[-1], impossible))
    chosen = [k for k in reversed(range(len(powers))) if steps >> k & 1]
    partial = [_identity(terms.num_states, dtype, impossible)]
    for k in chosen:
        partial.append(_product(partial[-1], powers[k], impossible))
    if periodic:
        finals = np.diagonal(partial[-1])
        first = last = int(finals.argmax())
        best = int(finals[first])
    else:
        ends = sum(terms.values(terms.reach - 1, begins, dtype) for begins in range(terms.reach - 1))
        finals = partial[-1] + ends
        first, last = divmod(int(finals.argmax()), terms.num_states)
        best = int(finals[first, last])
    bound = Fraction(best, 2**terms.exponent)
    if num_sites * terms.num_settings > _MAX_STRATEGY:
        return bound, None
    states = [last]
    for k, before in zip(reversed(chosen), reversed(partial[:-1]), strict=True):
        middle = int((before[first] + powers[k][:, states[0]]).argmax())
        states = _path(powers, k, middle, states[0])[:-1] + states
    return bound, _outcomes(terms, states, num_sites)


def best_cycle(terms: ChainTerms) -> tuple[Fraction, NDArray[np.int64]]:
    """Returns the bound per site of an infinite chain, and a periodic strategy that reaches it.

    This is the largest mean weight of a cycle, by Karp's algorithm.

    Args:
        terms: The terms that begin at a site.

    Returns:
        The bound per site, exactly, and outcomes, shape ``(P, m)``: of P sites that are repeated.
    """
    count = terms.num_states
    matrix = terms.matrix(object, 0)
    ways = 1 << terms.num_settings
    # All states lead to each other, so that walks may begin anywhere: best[k][t] is the best of k steps to t.
    sources = [[(p * count + t) // ways for p in range(ways)] for t in range(count)]
    best: list[list[int | None]] = [[None] * count for _ in range(count + 1)]
    before: list[list[int]] = [[0] * count for _ in range(count + 1)]
    best[0][0] = 0
    for k in range(count):
        for t in range(count):
            for s in sources[t]:
                reached = best[k][s]
                if reached is not None and (best[k + 1][t] is None or reached + matrix[s, t] > best[k + 1][t]):
                    best[k + 1][t], before[k + 1][t] = reached + matrix[s, t], s
    means = {}
    for t, end in enumerate(best[count]):
        if end is not None:
            means[t] = min(Fraction(end - one, count - k) for k in range(count) if (one := best[k][t]) is not None)
    final = max(means, key=lambda t: means[t])
    walk = [final]
    for k in range(count, 0, -1):
        walk.append(before[k][walk[-1]])
    walk.reverse()
    # The walk holds a cycle of this mean.
    sums = [0]
    for s, t in itertools.pairwise(walk):
        sums.append(sums[-1] + matrix[s, t])
    cycle = next(
        walk[i:j]
        for i, j in itertools.combinations(range(count + 1), 2)
        if walk[i] == walk[j] and Fraction(sums[j] - sums[i], j - i) == means[final]
    )
    shift = terms.num_settings * (terms.reach - 2)
    sites = [state >> shift for state in cycle]
    outcomes = np.array([[site >> x & 1 for x in range(terms.num_settings)] for site in sites], dtype=np.int64)
    return means[final] / 2**terms.exponent, outcomes


def _product(a: Matrix, b: Matrix, impossible: int) -> Matrix:
    """Best weights of two walks, one after the other."""
    result = np.stack([(row[:, None] + b).max(axis=0) for row in a])
    return np.maximum(result, impossible)


def _identity(count: int, dtype: Any, impossible: int) -> Matrix:
    matrix = np.full((count, count), impossible, dtype=dtype)
    np.fill_diagonal(matrix, 0)
    return matrix


def _path(powers: list[Matrix], k: int, first: int, last: int) -> list[int]:
    """The states of a best walk of ``2**k`` steps, both ends included."""
    if k == 0:
        return [first, last]
    middle = int((powers[k - 1][first] + powers[k - 1][:, last]).argmax())
    return _path(powers, k - 1, first, middle)[:-1] + _path(powers, k - 1, middle, last)


def _outcomes(terms: ChainTerms, states: list[int], num_sites: int) -> NDArray[np.int64]:
    """The outcomes of all sites: the first of each state, and of the last state all."""
    m, length = terms.num_settings, terms.reach - 1
    sites = [state >> (m * (length - 1)) for state in states[:-1]]
    sites += [states[-1] >> (m * (length - 1 - i)) & ((1 << m) - 1) for i in range(length)]
    return np.array([site >> x & 1 for site in sites[:num_sites] for x in range(m)], dtype=np.int64)
