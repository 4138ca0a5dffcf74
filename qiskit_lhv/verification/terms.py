"""Correlators that local models of many parties predict, and tails of their errors, without the code of the searches.

Deterministic models are added up in integers. Ensembles of response functions are multiplied party by party and added
up with exact rounding. Tails are summed term by term from the probability of what was seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .rationals import binary_integers

__all__ = ["deterministic_terms", "ensemble_terms", "joint_p_value", "log_binomial_p_value", "log_normal_p_value"]

# Terms of a tail that are summed at once.
_TAIL_BLOCK = 4096


def deterministic_terms(
    weights: NDArray[np.float64], strategies: NDArray[Any], num_settings: Sequence[int], rows: NDArray[Any]
) -> list[Fraction]:
    """The values of terms for a mixture of deterministic strategies, exactly.

    Args:
        weights: Non-negative, shape ``(H,)``; normalized here.
        strategies: Outcome of each party for each setting, 0 or 1, shape ``(H, m_1 + ... + m_N)``.
        num_settings: Number of settings of each party.
        rows: Setting of each party in each term, shape ``(T, N)``, negative if it does not take part.
    """
    whole = np.array(binary_integers(weights)[0].tolist(), dtype=object)
    total = int(whole.sum())
    starts = np.concatenate([[0], np.cumsum(num_settings)[:-1]])
    values = []
    for row in rows:
        columns = [int(start + x) for start, x in zip(starts, row, strict=True) if x >= 0]
        odd = strategies[:, columns].sum(axis=1) % 2 == 1
        values.append(Fraction(total - 2 * int(whole[odd].sum()), total))
    return values


def ensemble_terms(
    weights: NDArray[np.float64], probabilities: Sequence[Sequence[NDArray[np.float64]]], rows: NDArray[Any]
) -> list[float]:
    """The values of terms for an ensemble of hidden variables; sums are exactly rounded.

    Args:
        weights: Probability of each hidden variable, shape ``(H,)``.
        probabilities: Probabilities of outcome 0 of each party and setting, each of shape ``(H,)``.
        rows: Setting of each party in each term, shape ``(T, N)``, negative if it does not take part.
    """
    total, values = math.fsum(weights), []
    for row in rows:
        product = np.array(weights, dtype=np.float64)
        for own, x in zip(probabilities, row.tolist(), strict=True):
            if x >= 0:
                product = product * (2 * own[x] - 1)
        values.append(math.fsum(product) / total)
    return values


def log_binomial_p_value(plus: int, shots: int, chance: float) -> float:
    """Natural logarithm of twice the tail of a binomial variable, on the side of its mean where it was seen.

    Args:
        plus: How often the outcome was seen.
        shots: Number of shots.
        chance: Probability of the outcome.
    """
    if not 0 < chance < 1:
        return 0.0 if plus == shots * chance else -math.inf
    # The lower tail of the other outcome is the upper tail of this one.
    if plus >= shots * chance:
        plus, log_chance, log_other = shots - plus, math.log1p(-chance), math.log(chance)
    else:
        log_chance, log_other = math.log(chance), math.log1p(-chance)
    first = (
        math.lgamma(shots + 1)
        - math.lgamma(plus + 1)
        - math.lgamma(shots - plus + 1)
        + plus * log_chance
        + (shots - plus) * log_other
    )
    # Below the mean, each probability is that above it times a ratio below 1 that falls.
    odds, total, last = math.exp(log_other - log_chance), 1.0, 1.0
    for start in range(plus, 0, -_TAIL_BLOCK):
        numbers = np.arange(start, max(start - _TAIL_BLOCK, 0), -1, dtype=np.float64)
        ratios = last * np.cumprod(numbers / (shots - numbers + 1) * odds)
        total, last = total + float(ratios.sum()), float(ratios[-1])
        if last < 1e-18 * total:
            break
    return min(0.0, math.log(2) + first + math.log(total))


def log_normal_p_value(distance: float) -> float:
    """Natural logarithm of the probability that a normal variable is as far from its mean, in standard errors."""
    size = abs(distance)
    if size < 30:
        return math.log(math.erfc(size / math.sqrt(2)))
    # Mills' ratio: an upper limit of the tail.
    return -(size**2) / 2 + math.log(2 / math.sqrt(2 * math.pi) / size)


def joint_p_value(logarithms: Sequence[float], *, independent: bool) -> float:
    """A p-value of several, whose natural logarithms are given.

    Twice the smaller one of Bonferroni's and a merged one: Fisher's for independent p-values, else e times their
    geometric mean (arXiv:1212.4966).

    Args:
        logarithms: Logarithms of the p-values.
        independent: Whether they are independent.
    """
    count, total = len(logarithms), math.fsum(logarithms)
    bonferroni = min(logarithms) + math.log(count)
    if not independent:
        merged = 1 + total / count
    elif total == 0:
        merged = 0.0
    elif total == -math.inf:
        merged = -math.inf
    else:
        # Minus the sum is larger than this if a Poisson process has fewer than ``count`` events by then.
        events = np.arange(count)
        factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, count)))])
        exponents = total + events * math.log(-total) - factorials
        merged = float(exponents.max() + np.log(np.exp(exponents - exponents.max()).sum()))
    return min(1.0, 2 * math.exp(min(0.0, bonferroni, merged)))
