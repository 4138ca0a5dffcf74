"""Exact checks of the bounds behind e-values, which share no code with the statistics that found them."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .verification import exact_integer_bound

__all__ = ["exact_mean_bound"]

_BITS = 56


def exact_mean_bound(
    factor: NDArray[np.float64],
    weights: NDArray[np.float64],
    predictability: float = 0.0,
    multipliers: NDArray[np.float64] | None = None,
) -> float:
    """The largest weighted mean of a factor over local or no-signaling behaviors, or a little more.

    Args:
        factor: Positive, shape ``(m_1, ..., m_N, d_1, ..., d_N)``.
        weights: Weights of the setting combinations, shape ``(m_1, ..., m_N)``.
        predictability: How far the probability of a party's setting may be from its weight.
        multipliers: If given, the mean is over no-signaling behaviors, and these numbers prove its bound.

    Returns:
        The bound, with coefficients rounded up to some 17 digits. For no-signaling behaviors infinity, if a multiplier
        is negative.
    """
    values = _fractions(factor)
    exact = np.vectorize(Fraction, otypes=[object])(weights.astype(object))
    shape = weights.shape + (1,) * weights.ndim
    if multipliers is not None:
        if multipliers.min() < 0:
            return math.inf
        return _no_signaling_bound(exact.reshape(shape) * values, _fractions(multipliers))
    if predictability == 0:
        return _rounded_up(_local_bound(exact.reshape(shape) * values))
    lower, upper = _limits(exact, Fraction(predictability))
    largest = max(values.flat)
    rest = 1 - sum(lower.flat)
    return _rounded_up(
        min(
            _local_bound(upper.reshape(shape) * values),
            _local_bound(lower.reshape(shape) * values) + largest * max(rest, Fraction(0)),
        )
    )


def _fractions(array: NDArray[np.float64]) -> Any:
    return np.array([Fraction(float(v)) for v in array.flat], dtype=object).reshape(array.shape)


def _local_bound(coefficients: Any) -> Fraction:
    """The local bound of coefficients of at least 0, each rounded up to a whole number of 2**-k."""
    total = sum(coefficients.flat, Fraction(0))
    # 2**-k is so small that all coefficients together have 56 binary digits.
    scale = Fraction(2) ** (_BITS - total.numerator.bit_length() + total.denominator.bit_length() - 1)
    rounded = [math.ceil(value * scale) for value in coefficients.flat]
    return exact_integer_bound(np.array(rounded, dtype=object).reshape(coefficients.shape)) / scale


def _rounded_up(number: Fraction) -> float:
    result = float(number)
    return result if Fraction(result) >= number else math.nextafter(result, math.inf)


def _limits(probabilities: Any, predictability: Fraction) -> tuple[Any, Any]:
    """Limits of each setting combination's probability, by the chain rule, party after party."""
    lower, upper = np.empty_like(probabilities), np.empty_like(probabilities)
    for setting in np.ndindex(probabilities.shape):
        low = high = Fraction(1)
        for k in range(len(setting)):
            # Probability of this party's setting, given those of the parties before it.
            given = probabilities[setting[:k]]
            with_own = probabilities[setting[: k + 1]]
            conditional = _total(with_own) / _total(given)
            low *= max(conditional - predictability, Fraction(0))
            high *= min(conditional + predictability, Fraction(1))
        lower[setting], upper[setting] = low, high
    return lower, upper


def _total(part: Any) -> Fraction:
    return sum(part.flat, Fraction(0)) if isinstance(part, np.ndarray) else part


def _no_signaling_bound(coefficients: Any, multipliers: Any) -> float:
    """Bound of the coefficients, by those of coefficients + multipliers on the probabilities that determine the others.

    A no-signaling behavior is a combination of the probabilities of some parties' outcomes, all but their last:
    every cell is such a product or, for a last outcome, the difference that normalization leaves.
    """
    total = coefficients + multipliers
    n = total.ndim // 2
    outcomes = total.shape[n:]
    sums: dict[tuple[tuple[int, int], ...], Fraction] = {}
    for cell in np.ndindex(total.shape):
        value = total[cell]
        choices: list[list[tuple[int, tuple[int, int]]]] = []
        for k in range(n):
            x, a = cell[k], cell[n + k]
            if a < outcomes[k] - 1:
                choices.append([(1, (x, a))])
            else:
                choices.append([(1, (-1, -1)), *((-1, (x, b)) for b in range(outcomes[k] - 1))])
        for combination in product(*choices):
            sign = math.prod(part[0] for part in combination)
            key = tuple(part[1] for part in combination)
            sums[key] = sums.get(key, Fraction(0)) + sign * value
    constant = sums.pop(((-1, -1),) * n, Fraction(0))
    bound = constant + sum((max(value, Fraction(0)) for value in sums.values()), Fraction(0))
    return _rounded_up(bound)
