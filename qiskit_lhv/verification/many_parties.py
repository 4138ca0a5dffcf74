"""Checks of tests of many parties, which share no code with the statistics that found them.

Products of outcomes are multiplied out of unpacked bits, sums are added up as rational numbers, and e-values are
computed with 60 digits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .result import Verification

__all__ = [
    "block_products",
    "check_block_score",
    "check_log_e",
    "check_run_score",
    "drawn_wins",
    "fewest_variables",
]

_DIGITS = 60
_LOG_E_TOLERANCE, _FACTOR_TOLERANCE = 1e-9, 1e-14
_BITS_AT_ONCE = 1 << 24
# Bets whose logarithm is smaller by as much add nothing that can be seen.
_NEGLIGIBLE_LOG = 60.0
# How much a score may be below the precise one, and its bound above, per variable; and the error of 60 digits.
_SCORE_TOLERANCE, _NOTHING = 1e-9, 1e-40


def drawn_wins(
    packed: NDArray[np.uint8], shots: NDArray[np.int64], terms: NDArray[np.int8], signs: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Number of shots of each run in which the product of the outcomes has the wanted sign, shape ``(R,)``.

    Args:
        packed: Bits of the outcomes of all shots, shape ``(S, B)``.
        shots: Number of shots of each run.
        terms: The drawn term of each run, shape ``(R, N)``, -1 where a party does not take part.
        signs: The wanted sign of each run, +1 or -1.
    """
    n = terms.shape[1]
    wins = np.zeros(len(shots), dtype=np.int64)
    run = np.repeat(np.arange(len(shots)), shots)
    step = max(1, _BITS_AT_ONCE // n)
    for first in range(0, len(run), step):
        here = run[first : first + step]
        minus = np.zeros(len(here), dtype=bool)
        block, drawn = packed[first : first + step], terms[here]
        for party in range(n):
            bit = (block[:, party // 8] >> np.uint8(party % 8)) & 1
            minus ^= (bit == 1) & (drawn[:, party] >= 0)
        np.add.at(wins, here, np.where(minus, -1, 1) == signs[here])
    return wins


def block_products(
    packed: NDArray[np.uint8], settings: NDArray[np.int8], terms: NDArray[np.int8]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sum of the products of outcomes of each term, and number of its shots, over all shots whose settings agree.

    Args:
        packed: Bits of the outcomes of all shots, shape ``(S, B)``.
        settings: Setting of each party in each shot, shape ``(S, N)``.
        terms: Terms, shape ``(T, N)``, -1 where a party does not take part.
    """
    sums, numbers = np.zeros(len(terms), dtype=np.int64), np.zeros(len(terms), dtype=np.int64)
    for t, term in enumerate(terms):
        parties = [k for k in range(len(term)) if term[k] >= 0]
        agrees = np.ones(len(packed), dtype=bool)
        for k in parties:
            agrees &= settings[:, k] == term[k]
        product = np.ones(int(agrees.sum()), dtype=np.int64)
        for k in parties:
            product *= 1 - 2 * ((packed[agrees, k // 8] >> np.uint8(k % 8)) & 1).astype(np.int64)
        sums[t], numbers[t] = int(product.sum()), len(product)
    return sums, numbers


def fewest_variables(sizes: Sequence[Fraction], shots: Sequence[int]) -> int:
    """How many variables from 0 to 1 stand for shots whose scores lie between 0 and ``2 size`` of their settings.

    Args:
        sizes: The largest size of a shot's score, by setting combination.
        shots: Number of shots of each.
    """
    largest = max(sizes)
    # Sizes are rounded numbers; one variable more is always allowed.
    more = 1 + Fraction(1, 10**12)
    return sum(
        int(n) if size == largest else math.ceil(size / largest * more * n)
        for size, n in zip(sizes, shots, strict=True)
    )


def check_log_e(claimed: float, factors: Sequence[tuple[float, float]], bets: Sequence[float]) -> Verification:
    """Whether a claimed logarithm of an e-value is that of a mixture of bets, and not above it.

    Args:
        claimed: The claim.
        factors: For each kind of score, its size relative to the largest mean of a local model, and how often it came.
        bets: The bets, from 0 to 1, each with the same weight; a bet multiplies by ``1 - bet + bet * size``.
    """
    import mpmath

    with mpmath.workdps(_DIGITS):
        logs = []
        for bet in _bets_that_count(factors, bets):
            share = mpmath.mpf(bet)
            terms = [mpmath.mpf(number) * mpmath.log(1 - share + share * mpmath.mpf(size)) for size, number in factors]
            logs.append(mpmath.fsum(terms))
        largest = max(logs)
        total = largest + mpmath.log(mpmath.fsum(mpmath.exp(log - largest) for log in logs) / len(bets))
        # Signed: a claim may be a little too small, never too large.
        error = float(total - mpmath.mpf(claimed))
        allowed = _LOG_E_TOLERANCE * max(1.0, abs(float(total))) + _FACTOR_TOLERANCE * sum(n for _, n in factors)
        passed = 0 <= error <= allowed
        return Verification(passed, f"the e-value is e^{float(total):.9g}", abs(error))


def _bets_that_count(factors: Sequence[tuple[float, float]], bets: Sequence[float]) -> list[float]:
    """The bets without those that add a negligible part to the mean: what is left out makes it smaller, if at all."""
    sizes, numbers = np.array(factors, dtype=np.float64).reshape(-1, 2).T
    rough = np.array([float(np.sum(numbers * np.log1p(bet * (sizes - 1)))) for bet in bets])
    return [bet for bet, log in zip(bets, rough, strict=True) if not log < rough.max() - _NEGLIGIBLE_LOG]


def check_run_score(
    score: float,
    mean: float,
    runs: NDArray[np.int64],
    ratios: NDArray[np.float64],
    largest_ratio: float,
    excess: Fraction,
    weight: Fraction,
) -> Verification:
    """Whether the score of runs with drawn terms is not above the precise one, and its bound not below.

    Args:
        score: The sum of the runs' scores, each shifted and scaled to lie between 0 and 1.
        mean: The largest mean of such a score.
        runs: Shape ``(U, 4)``: number of the ratio, shots, shots won, and how many such runs there are.
        ratios: The ratios of declared to drawn probability.
        largest_ratio: The largest ratio of any term.
        excess: The local bound without the constant.
        weight: The sum of the sizes of all coefficients without the constant.
    """
    import mpmath

    with mpmath.workdps(_DIGITS):
        largest = mpmath.mpf(largest_ratio)
        parts = [
            number * (1 + mpmath.mpf(float(ratios[kind])) / largest * (mpmath.mpf(2 * won) / shots - 1)) / 2
            for kind, shots, won, number in runs.tolist()
        ]
        share = _precise(excess) / _precise(weight) / largest
        return _check_score(score, mean, mpmath.fsum(parts), (1 + share) / 2, int(runs[:, 3].sum()))


def check_block_score(
    score: float,
    mean: float,
    size: int,
    coefficients: Sequence[float],
    pairs: NDArray[np.int64],
    shots: NDArray[np.int64],
    excess: Fraction,
) -> Verification:
    """Whether the score of shots in blocks is not above the precise one, and its bound not below.

    Args:
        score: The sum of the scores, each from 0 to the largest size of its block relative to that of all.
        mean: The largest mean of the variables from 0 to 1 that stand for the shots.
        size: The number of these variables.
        coefficients: Coefficient of each term without the constant.
        pairs: Shape ``(P, 3)``: a block, a term that agrees with it, and the sum of the products of outcomes.
        shots: Number of shots of each block.
        excess: The local bound without the constant.
    """
    import mpmath

    with mpmath.workdps(_DIGITS):
        numbers = [0] * len(coefficients)
        for block, term, _ in pairs.tolist():
            numbers[term] += int(shots[block])
        parts = [mpmath.mpf(float(c)) / number for c, number in zip(coefficients, numbers, strict=True)]
        sizes, totals = [abs(part) for part in parts], [0] * len(parts)
        reach = [mpmath.mpf(0)] * len(shots)
        for block, term, total in pairs.tolist():
            reach[block] += sizes[term]
            totals[term] += total
        value = mpmath.fsum(part * total for part, total in zip(parts, totals, strict=True))
        weight = mpmath.fsum(abs(mpmath.mpf(float(c))) for c in coefficients)
        largest = max(reach)
        fewest = mpmath.fsum(r / largest * int(n) for r, n in zip(reach, shots, strict=True))
        if fewest > size * (1 + mpmath.mpf(10) ** -11):
            return Verification(False, f"{size} variables are fewer than the shots need", float(fewest - size))
        precise = (value + weight) / (2 * largest), (_precise(excess) + weight) / (2 * largest) / size
        return _check_score(score, mean, *precise, size)


def _precise(value: Fraction) -> Any:
    import mpmath

    return mpmath.mpf(value.numerator) / value.denominator


def _check_score(score: float, mean: float, precise_score: Any, precise_mean: Any, size: int) -> Verification:
    too_high, too_low = float(score - precise_score), float(precise_mean - mean)
    # A mean of at least 1 is no bound at all.
    passed = -_SCORE_TOLERANCE * size <= too_high <= _NOTHING * size and (
        -_SCORE_TOLERANCE <= too_low <= _NOTHING or mean >= 1
    )
    reason = f"the score is {float(precise_score):.12g}, and local models have at most {float(precise_mean):.12g} each"
    return Verification(passed, reason, max(abs(too_high), abs(too_low)))
