"""Scores whose sum is bounded under local models: the probability of a sum as large, and bets on it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ..._support.types import FloatArray, IntArray
from ...polytope.expressions.many_parties.base import ManyPartyExpression
from ...targets.many_parties.parities import BlockSums
from ...verification.many_parties import fewest_variables
from ..tails.binomial import convex_tail, log_tail
from .scores import exact_weight, rounded_up, run_means, won_share

__all__ = [
    "BETS",
    "BoundedScore",
    "claims_nothing",
    "log_mixture",
    "log_p_of",
    "score_of_blocks",
    "score_of_runs",
]

BETS = tuple(2.0**-k for k in range(11, 5, -1)) + tuple(i / 32 for i in range(2, 32))
"""The bets of the e-value, each with the same weight."""

# Sums of floats that are rounded once, relative to the sum of their sizes.
_ROUNDING = 1e-12
# Of the logarithm of an e-value, relative to its size and for each factor.
_E_ROUNDING, _FACTOR_ROUNDING = 1e-12, 1e-15


@dataclass(frozen=True)
class BoundedScore:
    """What the probability follows from: independent variables from 0 to 1, their sum, and its largest mean."""

    score: float
    size: int
    mean: float
    binomial: bool
    value: float
    standard_error: float
    factors: tuple[tuple[float, float], ...]
    per_flip: float


def score_of_runs(
    expression: ManyPartyExpression, beta: Fraction, table: IntArray, ratios: FloatArray, largest: float
) -> BoundedScore:
    """The score of runs with drawn terms, of which a local model has a mean of at most ``mean`` per run."""
    weight, constant = exact_weight(expression), Fraction(expression.constant)
    size = int(table[:, 3].sum())
    weighted = bool(np.any(ratios != 1)) or largest != 1
    share = (beta - constant) / weight / Fraction(largest)
    if weighted:
        share += Fraction(_ROUNDING)
    mean = min(1.0, rounded_up((1 + share) / 2))
    means, numbers = run_means(table, ratios)
    scores = (1 + means / largest) / 2
    score = math.fsum(numbers * scores) * (1 - _ROUNDING) if weighted else -rounded_up(-won_share(table))
    average = math.fsum(numbers * means) / size
    spread = math.fsum(numbers * (means - average) ** 2) / size**2
    # Runs that all agree do not say that all others would (Laplace's rule).
    least = largest**2 * (1 - (size / (size + 2)) ** 2) / size
    scale = float(weight)
    factors = tuple((float(s) / mean, float(n)) for s, n in zip(scores, numbers, strict=True))
    return BoundedScore(
        score,
        size,
        mean,
        bool(not weighted and np.all(table[:, 1] == 1)),
        expression.constant + scale * average,
        scale * math.sqrt(max(spread, least)),
        factors,
        1 / largest,
    )


def score_of_blocks(
    expression: ManyPartyExpression, beta: Fraction, sums: BlockSums, coefficients: FloatArray
) -> BoundedScore:
    """The score of shots in blocks, of which a local model has a mean of at most ``mean`` per variable."""
    g, shots = sums.blocks, sums.num_shots
    per_term = np.bincount(sums.terms, weights=shots[g])
    parts = np.abs(coefficients) / per_term[sums.terms]
    reach = np.bincount(g, weights=parts, minlength=len(shots))
    alone = np.bincount(g, minlength=len(shots)).max() == 1
    equal = bool(alone and np.ptp(reach) <= _ROUNDING * reach.max())
    weight, constant = float(exact_weight(expression)), expression.constant
    value = math.fsum(coefficients / per_term[sums.terms] * sums.sums)
    largest, total = float(reach.max()), int(shots.sum())
    excess = float(beta) - constant
    if equal:
        # A game: each shot is won or lost.
        size = total
        score = float(((np.sign(coefficients).astype(np.int64) * sums.sums + shots[g]) // 2).sum())
    else:
        size = fewest_variables([Fraction(float(r)) for r in reach], shots.tolist())
        score = (value + weight) / (2 * largest) * (1 - _ROUNDING)
    mean = min(1.0, (excess + weight) / (2 * largest) / size * (1 + _ROUNDING))
    # Within a block, the largest variance that the terms can have together; other blocks are independent.
    seen = np.minimum(np.abs(sums.sums) / shots[g], shots[g] / (shots[g] + 2))
    deviations = np.bincount(g, weights=parts * np.sqrt(shots[g] * (1 - seen**2)), minlength=len(shots))
    unit = (total * largest + excess) * (1 + _ROUNDING)
    # The weighted geometric mean over the terms of a block: how often its shots are won, on average over its terms.
    signed = np.bincount(g, weights=parts / reach[g] * np.sign(coefficients) * sums.sums, minlength=len(shots))
    factors = []
    for outcome in (1, -1):
        sizes = total * (largest + outcome * reach) / unit
        times = np.maximum(0.0, (shots + outcome * signed) / 2)
        factors += [(max(0.0, float(s)), float(n)) for s, n in zip(sizes, times, strict=True)]
    return BoundedScore(
        score,
        size,
        mean,
        equal,
        constant + value,
        math.sqrt(math.fsum(deviations**2)),
        tuple(factors),
        weight / (largest * size),
    )


def claims_nothing(found: BoundedScore, design: str) -> bool:
    """Whether the score is too small to claim anything, so that p = 1."""
    if found.mean >= 1:
        return True
    if found.binomial and design == "blocks":
        # For trials with different probabilities, Hoeffding's theorem holds from one win above the mean on.
        return Fraction(found.score) < found.size * Fraction(found.mean) + 1
    return Fraction(found.score) <= found.size * Fraction(found.mean)


def log_p_of(found: BoundedScore, design: str) -> tuple[int, float]:
    """The knot, and the natural logarithm of the p-value."""
    if claims_nothing(found, design):
        return 0, 0.0
    if found.binomial:
        return 0, log_tail(round(found.score), found.size, found.mean)
    return convex_tail(found.score, found.size, found.mean)


def log_mixture(factors: tuple[tuple[float, float], ...]) -> float:
    """The natural logarithm of the mean over the bets of the products of their factors, rounded down."""
    sizes, numbers = np.array(factors).T
    bets = np.array(BETS)
    logs = np.zeros(len(bets))
    for i, bet in enumerate(bets):
        logs[i] = math.fsum(numbers * np.log1p(bet * (sizes - 1)))
    largest = float(logs.max())
    found = largest + math.log(math.fsum(np.exp(logs - largest)) / len(bets))
    return found - _E_ROUNDING * max(1.0, abs(found)) - _FACTOR_ROUNDING * float(numbers.sum())
