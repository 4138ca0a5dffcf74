"""Local bounds of chains that repeat the same terms, proven site by site, or in the limit by potentials."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .rationals import binary_integers
from .remembered_checks import remembered
from .result import Verification

__all__ = ["prove_by_steps", "prove_per_site", "value_of_sites"]

_MAX_WORK = 1 << 32
_MAX_STEPS = 1 << 20
_MAX_WORDS = 1 << 14


def prove_by_steps(
    pattern: NDArray[np.int8],
    coefficients: NDArray[np.float64],
    num_settings: int,
    num_sites: int,
    periodic: bool,
    claim: Fraction,
) -> Verification:
    """Proves that no deterministic strategy of a chain exceeds a value, which settles all local models.

    The best value of the sites so far, for all answers of the last of them (and of the first, for a ring), is continued
    from site to site.

    Args:
        pattern: Shape ``(T, R)``: the terms that begin at a site: settings of R neighbors, -1 if one is absent.
        coefficients: Shape ``(T,)``.
        num_settings: Number of settings of every site.
        num_sites: Number of sites, at least R; of a ring at least 2 R - 1.
        periodic: Whether the chain is a ring.
        claim: The value.
    """
    terms = _Terms(pattern, coefficients, num_settings)
    starts = terms.num_states if periodic else 1
    work = num_sites * starts * terms.num_words * (1 if terms.fits(num_sites) else 50)
    if terms.num_words > _MAX_WORDS or work > _MAX_WORK or num_sites > _MAX_STEPS:
        return Verification.unproven("a proof site by site would take too long", cost=float(min(work, 10**300)))
    content = ("chain", pattern, coefficients, num_settings, num_sites, periodic)
    largest = remembered(lambda: terms.largest(num_sites, periodic), *content)
    if largest <= claim:
        return Verification(True, f"no strategy exceeds {float(claim):.9g}, site by site")
    reached = f"a strategy reaches {float(largest):.12g}, the claimed bound is {float(claim):.12g}"
    return Verification(False, reached, float(largest - claim))


def value_of_sites(
    pattern: NDArray[np.int8], coefficients: NDArray[np.float64], outcomes: NDArray[np.int64], periodic: bool
) -> Fraction:
    """The exact value of a deterministic strategy of a chain.

    Args:
        pattern: See :func:`prove_by_steps`.
        coefficients: Shape ``(T,)``.
        outcomes: Shape ``(num_sites, m)``: outcomes of each site by setting.
        periodic: Whether the chain is a ring.
    """
    return _Terms(pattern, coefficients, outcomes.shape[1]).value(outcomes, periodic)


def prove_per_site(
    pattern: NDArray[np.int8],
    coefficients: NDArray[np.float64],
    num_settings: int,
    claim: Fraction,
    outcomes: NDArray[np.int64],
) -> Verification:
    """Proves the local bound per site of an infinite chain.

    With potentials of the answers of R - 1 neighbors, no site gains more than the bound plus what the potential falls;
    a strategy that repeats itself reaches the bound.

    Args:
        pattern: See :func:`prove_by_steps`.
        coefficients: Shape ``(T,)``.
        num_settings: Number of settings of every site.
        claim: The bound per site.
        outcomes: Shape ``(P, m)``: outcomes of P sites that are repeated, which reach it.
    """
    terms = _Terms(pattern, coefficients, num_settings)
    fits = outcomes.ndim == 2 and outcomes.shape[1] == num_settings and len(outcomes)
    if not fits or not np.isin(outcomes, (0, 1)).all():
        return Verification(False, "the strategy is none of the chain", float("inf"))
    if terms.num_words > _MAX_WORDS:
        return Verification.unproven("there are too many strategies of neighbors", cost=terms.num_words)
    reached = terms.value(np.tile(outcomes, (terms.reach, 1)), periodic=True) / (terms.reach * len(outcomes))
    if reached != claim:
        shown = f"the strategy reaches {float(reached):.12g} per site, the claimed bound is {float(claim):.12g}"
        return Verification(False, shown, abs(float(reached - claim)))
    if terms.exceeds_per_site(claim):
        return Verification(False, f"a strategy exceeds {float(claim):.12g} per site")
    return Verification(True, f"no strategy exceeds {float(claim):.9g} per site, by potentials, and one reaches it")


class _Terms:
    """Terms on R neighbors, at least 2, and their values for all words: the answers of R neighbors, first site last."""

    def __init__(self, pattern: NDArray[np.int8], coefficients: NDArray[np.float64], num_settings: int) -> None:
        integers, self.exponent = binary_integers(coefficients)
        self.integers = integers.tolist()
        self.rows = [[(i, x) for i, x in enumerate(row) if x >= 0] for row in pattern.tolist()]
        self.m, self.reach = num_settings, max(2, pattern.shape[1])
        self.num_states = 1 << (self.m * (self.reach - 1))
        self.num_words = 1 << (self.m * self.reach)

    def fits(self, num_sites: int) -> bool:
        """Whether no sum leaves int64."""
        return sum(map(abs, self.integers)) * (num_sites + self.reach) < 2**60

    def values(self, shift: int, num_sites: int, dtype: Any) -> NDArray[Any]:
        """Value of the terms that begin at site ``shift`` of a word of so many sites, and fit into it."""
        words = np.arange(1 << (self.m * num_sites))
        total = np.zeros(len(words), dtype=dtype)
        for row, value in zip(self.rows, self.integers, strict=True):
            if all(shift + i < num_sites for i, _ in row):
                negative = np.zeros(len(words), dtype=np.int64)
                for i, x in row:
                    negative += words >> (self.m * (shift + i) + x) & 1
                total = total + np.array([value, -value], dtype=dtype)[negative % 2]
        return total

    def largest(self, num_sites: int, periodic: bool) -> Fraction:
        """The largest value of a strategy."""
        dtype: Any = np.int64 if self.fits(num_sites) else object
        ways, count = 1 << self.m, self.num_states
        # A word is a state, which is R - 1 sites, and a new site, whose bits are the highest.
        gains = self.values(0, self.reach, dtype).reshape(ways, count)
        limit = 1 << 60 if dtype is np.int64 else sum(map(abs, self.integers)) * (num_sites + self.reach) + 1
        none = -2 * limit
        best = np.zeros((1, count), dtype=dtype)
        if periodic:
            best = np.full((count, count), none, dtype=dtype)
            np.fill_diagonal(best, 0)
        for _ in range(num_sites if periodic else num_sites - self.reach + 1):
            # The oldest site of a state is dropped: it has the lowest bits.
            best = (best[:, None, :] + gains).reshape(len(best), count, ways).max(axis=2)
            best[best < -limit] = none
        if periodic:
            top = max(int(best[s, s]) for s in range(count))
        else:
            ends = sum(self.values(i, self.reach - 1, dtype) for i in range(self.reach - 1))
            top = max((best[0] + ends).tolist())
        return Fraction(top, 2**self.exponent)

    def value(self, outcomes: NDArray[np.int64], periodic: bool) -> Fraction:
        """The value of a strategy, shape ``(num_sites, m)``."""
        total, length = 0, len(outcomes)
        for row, value in zip(self.rows, self.integers, strict=True):
            places = length if periodic else max(0, length - max((i for i, _ in row), default=0))
            negative = np.zeros(places, dtype=np.int64)
            for i, x in row:
                negative += np.roll(outcomes[:, x], -i)[:places]
            total += value * (places - 2 * int(np.count_nonzero(negative % 2)))
        return Fraction(total, 2**self.exponent)

    def exceeds_per_site(self, claim: Fraction) -> bool:
        """Whether some cycle of states gains more than the claim per step."""
        scaled = claim * 2**self.exponent
        gains = (self.values(0, self.reach, object) * scaled.denominator - scaled.numerator).reshape(
            1 << self.m, self.num_states
        )
        potentials = np.zeros(self.num_states, dtype=object)
        for _ in range(self.num_states + 1):
            grown = (potentials + gains).reshape(self.num_states, 1 << self.m).max(axis=1)
            better = np.maximum(potentials, grown)
            if all(a == b for a, b in zip(better.tolist(), potentials.tolist(), strict=True)):
                return False
            potentials = better
        return True
