"""A check of the p-value of setting numbers, which shares no code with the statistics that found it."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["precise_log10_numbers_p"]

_DIGITS = 40


def precise_log10_numbers_p(
    numbers: NDArray[np.int64], probabilities: NDArray[np.float64], predictability: float
) -> float:
    """Base-10 logarithm of the p-value of the numbers of trials of each setting combination.

    Tails of binomial distributions are summed term by term, from a first term that has 40 digits. The probability of
    the numbers under a Dirichlet prior is computed with 40 digits.

    Args:
        numbers: Number of trials of each setting combination, shape ``(m_1, ..., m_N)``.
        probabilities: Their declared probabilities.
        predictability: How far the probability of a party's setting may be from the one declared.
    """
    import mpmath

    with mpmath.workdps(_DIGITS):
        total = int(numbers.sum())
        declared = {x: mpmath.mpf(float(probabilities[x])) for x in np.ndindex(numbers.shape)}
        scale = mpmath.fsum(declared.values())
        declared = {x: p / scale for x, p in declared.items()}
        limits = _cell_limits(declared, numbers.shape, mpmath.mpf(predictability))
        statements = [(int(numbers[x]), *limits[x]) for x in limits]
        for k in range(numbers.ndim if numbers.ndim > 1 else 0):
            statements += _party_statements(numbers, declared, limits, mpmath.mpf(predictability), k)
        logs = [mpmath.mpf(0)]
        for seen, lower, upper in statements:
            logs += [_log_tail(seen, total, upper), _log_tail(total - seen, total, 1 - lower)]
        log_tail = min(logs) + mpmath.log(2 * len(statements))
        log_e = _log_dirichlet_e(numbers, declared, {x: upper for x, (_, upper) in limits.items()})
        return min(0.0, float((min(log_tail, -log_e) + mpmath.log(2)) / mpmath.log(10)))


def _given(declared: dict[Any, Any], x: tuple[int, ...], party: int) -> Any:
    """Probability of a party's setting given the settings of the parties before it; ``None`` if those never come."""
    import mpmath

    same = mpmath.fsum(p for y, p in declared.items() if y[: party + 1] == x[: party + 1])
    before = mpmath.fsum(p for y, p in declared.items() if y[:party] == x[:party])
    return same / before if before > 0 else None


def _cell_limits(declared: dict[Any, Any], shape: tuple[int, ...], predictability: Any) -> dict[Any, Any]:
    import mpmath

    given: dict[tuple[int, ...], Any] = {}
    for party in range(len(shape)):
        for x in product(*(range(m) for m in shape[: party + 1])):
            given[x] = _given(declared, x, party)
    limits = {}
    for x in declared:
        factors = [given[x[: k + 1]] for k in range(len(x))]
        zero, one = mpmath.mpf(0), mpmath.mpf(1)
        lower = mpmath.fprod(zero if factor is None else max(factor - predictability, zero) for factor in factors)
        upper = mpmath.fprod(one if factor is None else min(factor + predictability, one) for factor in factors)
        limits[x] = (lower, upper)
    return limits


def _party_statements(
    numbers: NDArray[np.int64], declared: dict[Any, Any], limits: dict[Any, Any], predictability: Any, party: int
) -> list[tuple[int, Any, Any]]:
    import mpmath

    statements = []
    for j in range(numbers.shape[party]):
        cells = [x for x in declared if x[party] == j]
        lower = mpmath.fsum(limits[x][0] for x in cells)
        upper = mpmath.fsum(limits[x][1] for x in cells)
        if predictability > 0:
            given = [_given(declared, x, party) for x in {x[: party + 1]: x for x in cells}.values()]
            if all(_given(declared, x, party) is not None for x in declared):
                lower = max(lower, min(given) - predictability)
                upper = min(upper, max(given) + predictability)
        statements.append((sum(int(numbers[x]) for x in cells), lower, upper))
    return statements


def _log_tail(seen: int, total: int, probability: Any) -> Any:
    """Logarithm of P(Bin(total, probability) >= seen); 0 up to the mean."""
    import mpmath

    if seen <= total * probability * (1 + mpmath.mpf(10) ** -14):
        return mpmath.mpf(0)
    log_mass = mpmath.loggamma(total + 1) - mpmath.loggamma(seen + 1) - mpmath.loggamma(total - seen + 1)
    log_mass += seen * mpmath.log(probability)
    if total > seen:
        log_mass += (total - seen) * mpmath.log(1 - probability)
    odds = float(probability / (1 - probability)) if probability < 1 else math.inf
    # Each term over the one before it; they fall, so the sum ends when a term is negligible.
    result, term, k = 1.0, 1.0, seen
    while k < total and term > 1e-17 * result:
        steps = np.arange(k, min(total, k + 100_000))
        terms = term * np.cumprod((total - steps) / (steps + 1.0) * odds)
        result, term, k = result + float(terms.sum()), float(terms[-1]), int(steps[-1]) + 1
    return log_mass + mpmath.log(result)


def _log_dirichlet_e(numbers: NDArray[np.int64], declared: dict[Any, Any], upper: dict[Any, Any]) -> Any:
    import mpmath

    total, values = int(numbers.sum()), []
    for exponent in range(6):
        weight = mpmath.mpf(10) ** exponent * numbers.size
        log = mpmath.loggamma(weight) - mpmath.loggamma(weight + total)
        for x, p in declared.items():
            if p == 0:
                continue
            log += mpmath.loggamma(weight * p + int(numbers[x])) - mpmath.loggamma(weight * p)
            log -= int(numbers[x]) * mpmath.log(upper[x])
        values.append(log)
    largest = max(values)
    return largest + mpmath.log(mpmath.fsum(mpmath.exp(value - largest) for value in values) / len(values))
