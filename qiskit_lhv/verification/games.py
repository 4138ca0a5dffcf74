"""Checks of tests of declared Bell expressions, which share no code with the statistics that found them."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .local_bounds import exact_local_bound
from .mean_bounds import exact_mean_bounds
from .padding import Outcomes, filled_padding
from .result import Verification

__all__ = ["check_log10_p", "exact_score", "precise_log10_excess", "precise_log10_tail", "proven_mean", "proven_wins"]

_DIGITS = 60
_LOG10_P_TOLERANCE = 1e-9
_MAX_SUMMED_TERMS = 20_000


def exact_score(tested: NDArray[np.int64], scores: NDArray[np.float64]) -> Fraction:
    """The sum of the scores of all trials.

    Args:
        tested: How often each cell was seen.
        scores: The score of each cell, same shape.
    """
    seen = zip(tested.flat, scores.flat, strict=True)
    return sum((int(count) * Fraction(float(score)) for count, score in seen if count), Fraction(0))


def proven_wins(won: NDArray[np.bool_], shots: NDArray[np.int64], num_outcomes: Outcomes | None = None) -> int:
    """The largest number of wins that a deterministic strategy can have in all trials.

    Args:
        won: Which cells win, shape ``(m_1, ..., m_N, d_1, ..., d_N)``.
        shots: Trials of each setting combination, shape ``(m_1, ..., m_N)``.
        num_outcomes: Number of outcomes of every setting, where tables are padded; default: nothing is.
    """
    wins = np.where(won, shots.reshape(shots.shape + (1,) * shots.ndim), 0).astype(np.float64)
    return int(exact_local_bound(wins, (), num_outcomes))


def proven_mean(
    scores: NDArray[np.float64],
    weights: NDArray[np.float64],
    predictability: float,
    num_outcomes: Outcomes | None = None,
) -> float:
    """The largest mean score of a local model, rounded up.

    Args:
        scores: From 0 to 1, shape ``(m_1, ..., m_N, d_1, ..., d_N)``.
        weights: Share or probability of each setting combination, shape ``(m_1, ..., m_N)``.
        predictability: How far the probability of a party's setting may be from its weight.
        num_outcomes: Number of outcomes of every setting, where tables are padded; default: nothing is.
    """
    filled = filled_padding(scores, num_outcomes)
    (bound,) = exact_mean_bounds(filled[None], weights[None], predictability, num_outcomes=num_outcomes)
    result = float(bound)
    return result if Fraction(result) >= bound else math.nextafter(result, math.inf)


def check_log10_p(claimed: float, score: float, total: int, mean: float, knot: int | None) -> Verification:
    """Whether a claimed log10 of a p-value is that of the score, and not below it.

    Args:
        claimed: The claim.
        score: Sum of the scores, whole for a game.
        total: Number of trials.
        mean: Largest mean score of a local model.
        knot: ``None`` if the p-value is P(Bin(total, mean) >= score); or a whole number h, at least 0 and below the
            score, if it is ``E[max(B - h, 0)] / (score - h)``, at most 1.
    """
    import mpmath

    with mpmath.workdps(_DIGITS):
        if knot is None:
            kind, value = "binomial tail", precise_log10_tail(round(score), total, mean)
        else:
            kind = "bound of the tail"
            value = precise_log10_excess(knot, total, mean) - mpmath.log10(mpmath.mpf(score) - knot)
            value = min(value, mpmath.mpf(0))
        # Signed: a claim may be a little too large, never too small.
        error = 0.0 if value == claimed else float(mpmath.mpf(claimed) - value)
        passed = 0 <= error <= _LOG10_P_TOLERANCE * max(1.0, abs(float(value)))
        return Verification(passed, f"the {kind} is 10^{float(value):.9g}", abs(error))


def precise_log10_tail(wins: int, total: int, p: float) -> Any:
    """log10 of P(Bin(total, p) >= wins) with some 30 digits, as a number of mpmath.

    If few terms count, they are added one by one; otherwise the mass is integrated over the probability.
    """
    import mpmath

    with mpmath.workdps(_DIGITS):
        if wins <= 0 or p >= 1:
            return mpmath.mpf(0)
        if p <= 0 or wins > total:
            return mpmath.mpf("-inf")
        exact = mpmath.mpf(p)
        if wins - 1 >= total * exact:
            return mpmath.log10(_sum(wins, total, exact, 0, False))
        return mpmath.log10(1 - _sum(total - wins + 1, total, 1 - exact, 0, False))


def precise_log10_excess(knot: int, total: int, p: float) -> Any:
    """log10 of E[max(Bin(total, p) - knot, 0)] with some 30 digits, as a number of mpmath."""
    import mpmath

    with mpmath.workdps(_DIGITS):
        exact = mpmath.mpf(p)
        if knot <= 0:
            return mpmath.log10(total * exact)
        if knot >= total * exact:
            return mpmath.log10(_sum(knot + 1, total, exact, knot, True))
        # E[max(B - h, 0)] = E[B] - h + E[max(h - B, 0)].
        below = _sum(total - knot + 1, total, 1 - exact, total - knot, True)
        return mpmath.log10(total * exact - knot + below)


def _sum(first: int, total: int, p: Any, knot: int, weighted: bool) -> Any:
    """The sum of P(Bin(total, p) = k) over k >= first, above the mean; each times k - knot if weighted."""
    import mpmath

    spread = 12 * math.sqrt(total * float(p * (1 - p))) + 100
    if min(spread, total - first) > _MAX_SUMMED_TERMS:
        return _integral(first, total, p, weighted)
    mass = mpmath.binomial(total, first) * p**first * (1 - p) ** (total - first)
    odds = p / (1 - p)
    result = mpmath.mpf(0)
    for k in range(first, total + 1):
        term = mass * (k - knot) if weighted else mass
        result += term
        if term <= result * mpmath.mpf(10) ** -32:
            break
        mass *= odds * (total - k) / (k + 1)
    return result


def _integral(first: int, total: int, p: Any, weighted: bool) -> Any:
    """The same sum as an integral over the probability, for large numbers."""
    import mpmath

    # n P(Bin(n - 1, t) = k - 1) is the derivative of P(Bin(n, t) >= k), and n P(Bin(n - 1, t) >= h) that of
    # E[max(Bin(n, t) - h, 0)].
    j, m = (first - 2, total - 2) if weighted else (first - 1, total - 1)
    factor = mpmath.mpf(total) * (total - 1 if weighted else 1)
    q = 1 - p
    mass = mpmath.binomial(m, j) * p**j * q ** (m - j)

    def integrand(s: Any) -> Any:
        ratio = mpmath.exp(j * mpmath.log1p(-s / p) + (m - j) * mpmath.log1p(s / q))
        return s * ratio if weighted else ratio

    # Panels that double, in units of the distance over which the mass falls.
    slope = max(j - m * p, 0) / (p * q)
    unit = 1 / (slope + mpmath.sqrt(m / (p * q)))
    ends = [mpmath.mpf(0)]
    while ends[-1] < p and (len(ends) == 1 or integrand(ends[-1]) > mpmath.mpf(10) ** -32 * unit):
        ends.append(min(p, unit * 2 ** (len(ends) - 2)))
    return factor * mass * mpmath.quad(integrand, ends, method="gauss-legendre")
