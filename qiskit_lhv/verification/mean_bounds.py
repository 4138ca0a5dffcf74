"""Exact checks of the bounds behind e-values, which share no code with the statistics that found them.

All numbers are floats, which are whole numbers times a power of two, so they are added up as whole numbers.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exceptions import ScenarioError
from .local_bounds import exact_local_bound, local_bound_cost
from .padding import Outcomes, all_outcomes
from .rationals import rational

__all__ = ["exact_mean_bounds", "mean_bounds_cost"]

# Together below 2**61 the numbers do not overflow, and each below 2**52 is a float.
_TOTAL_BITS = 61
_FEWER_TOTAL_BITS = 52
# Partial sums that are held at once, and up to how many one set of coefficients is listed at all.
_BATCH_ENTRIES = 1 << 22
_MAX_LISTED = 1 << 26


def mean_bounds_cost(shape: tuple[int, ...], null: str) -> int:
    """How many strategies :func:`exact_mean_bounds` lists, in all stages together; none for no-signaling behaviors.

    Args:
        shape: Shape of the factors, ``(K, m_1, ..., m_N, d_1, ..., d_N)``.
        null: ``"local"`` or ``"no-signaling"``.
    """
    return shape[0] * local_bound_cost(shape[1:]) if null == "local" else 0


def exact_mean_bounds(
    factors: NDArray[np.float64],
    weights: NDArray[np.float64],
    predictability: float = 0.0,
    multipliers: NDArray[np.float64] | None = None,
    num_outcomes: Outcomes | None = None,
) -> list[Fraction]:
    """The largest weighted means of factors over all local or all no-signaling behaviors, rounded up.

    Args:
        factors: Positive, shape ``(K, m_1, ..., m_N, d_1, ..., d_N)``.
        weights: Weights of the setting combinations, shape ``(K, m_1, ..., m_N)``.
        predictability: How far the probability of a party's setting may be from its weight.
        multipliers: If given, the means are over no-signaling behaviors, and these numbers prove their bounds, shape
            of ``factors``.
        num_outcomes: Number of outcomes of every setting, where tables are padded; then padding repeats the last
            outcome of its setting. Default: nothing is padded.

    Returns:
        The bounds, with coefficients rounded up to 15 digits or more.

    Raises:
        ScenarioError: If there are too many strategies to list, or a multiplier is negative.
    """
    values, unit = _whole(factors)
    outcomes = all_outcomes(factors.shape[1:], num_outcomes)
    shape = weights.shape + (1,) * (weights.ndim - 1)
    if multipliers is not None:
        if not multipliers.min() >= 0:
            raise ScenarioError.bad_argument("multipliers", expected="numbers of at least 0", got="others")
        wide, unit_of_weights = _whole(weights)
        extra, unit_of_extra = _whole(multipliers)
        return _no_signaling_bounds(wide.reshape(shape) * values, unit * unit_of_weights, extra, unit_of_extra)
    if predictability == 0:
        wide, unit_of_weights = _whole(weights)
        return _local_bounds(wide.reshape(shape) * values, unit * unit_of_weights, outcomes)
    bounds = []
    for number, table in zip(values, weights, strict=True):
        lower, upper = _limits(rational(table), Fraction(predictability))
        largest, rest = max(number.flat) * unit, max(1 - sum(lower.flat), Fraction(0))
        both = []
        for limits in (upper, lower):
            common = math.lcm(*(limit.denominator for limit in limits.flat))
            wide = np.array([int(limit * common) for limit in limits.flat], dtype=object).reshape(shape[1:])
            both.append(_local_bounds((wide * number)[None], unit / common, outcomes)[0])
        bounds.append(min(both[0], both[1] + largest * rest))
    return bounds


def _whole(array: NDArray[np.float64]) -> tuple[Any, Fraction]:
    """Whole numbers (of Python) and the unit that they are multiples of."""
    mantissas, exponents = np.frexp(array)
    lowest = int(exponents[array != 0].min(initial=0))
    shifts = np.where(array != 0, exponents - lowest, 0)
    whole = (mantissas * 2.0**53).astype(np.int64).astype(object) * 2 ** shifts.astype(object)
    return whole, Fraction(2) ** (lowest - 53)


def _local_bounds(coefficients: Any, unit: Fraction, num_outcomes: list[list[int]]) -> list[Fraction]:
    """Bounds of whole coefficients, at least 0, shape ``(K, m_1, ..., m_N, d_1, ..., d_N)``, in their unit."""
    n = (coefficients.ndim - 1) // 2
    settings, outcomes = coefficients.shape[1 : 1 + n], coefficients.shape[1 + n :]
    sizes = [math.prod(party) for party in num_outcomes]
    order = sorted(range(n), key=lambda k: sizes[k])
    responses = math.prod(sizes) // sizes[order[-1]] * settings[order[-1]] * outcomes[order[-1]]
    bits = _TOTAL_BITS if responses <= _MAX_LISTED else _FEWER_TOTAL_BITS
    largest = max(1, *(int(sum(table.flat)) for table in coefficients))
    shift = max(0, (largest + coefficients[0].size).bit_length() - bits)
    # Rounded up, and together below 2**bits: no sum of some of them overflows.
    rounded = (-((-coefficients) // 2**shift)).astype(np.int64)
    axes = [0, *(axis for k in order for axis in (1 + k, 1 + n + k))]
    tensor = rounded.transpose(axes)
    if responses <= _MAX_LISTED:
        rows = max(1, _BATCH_ENTRIES // responses)
        ordered = [num_outcomes[k] for k in order]
        found = [_largest(tensor[i : i + rows], ordered) for i in range(0, len(tensor), rows)]
        return [int(value) * 2**shift * unit for value in np.concatenate(found)]
    if responses // max(1, settings[order[-1]] * outcomes[order[-1]]) > 1 << 36:
        raise ScenarioError.bad_argument("factors", expected="at most 2**36 strategies", got=f"{responses:.3g}")
    return [exact_local_bound(table.astype(np.float64), (), num_outcomes) * 2**shift * unit for table in rounded]


def _largest(tensor: NDArray[np.int64], outcomes: list[list[int]]) -> NDArray[np.int64]:
    """Largest sums over strategies of whole tables with axes ``(K, m_1, d_1, ..., m_N, d_N)``.

    The parties whose strategies are listed play the outcomes that their settings have; the last one may answer with
    any, as padding repeats another.
    """
    while tensor.ndim > 3:
        # The first party's strategies, setting by setting, each with all outcomes.
        count, m = tensor.shape[:2]
        rest = tensor.shape[3:]
        sums = tensor[:, 0, : outcomes[0][0]]
        for x in range(1, m):
            sums = (sums[:, :, None] + tensor[:, None, x, : outcomes[0][x]]).reshape(count, -1, *rest)
        if len(rest) == 2:
            return _best_answers(sums).max(axis=1)
        # Each strategy is a table of the other parties.
        values = _largest(sums.reshape(-1, *rest), outcomes[1:])
        return values.reshape(count, -1).max(axis=1)
    return _best_answers(tensor)


def _best_answers(tensor: NDArray[np.int64]) -> NDArray[np.int64]:
    """The best answer to every setting, added up; axes ``(..., m, d)``."""
    best: NDArray[np.int64] = tensor.max(axis=-1).sum(axis=-1)
    return best


def _limits(probabilities: Any, predictability: Fraction) -> tuple[Any, Any]:
    """Limits of each setting combination's probability, by the chain rule, party after party."""
    lower, upper = np.empty_like(probabilities), np.empty_like(probabilities)
    for setting in np.ndindex(probabilities.shape):
        low = high = Fraction(1)
        for k in range(len(setting)):
            # Probability of this party's setting, given those of the parties before it.
            given = probabilities[setting[:k]]
            with_own = probabilities[setting[: k + 1]]
            before = _total(given)
            if before == 0:
                # Given settings that should never come, nothing is declared.
                low = Fraction(0)
                continue
            conditional = _total(with_own) / before
            low *= max(conditional - predictability, Fraction(0))
            high *= min(conditional + predictability, Fraction(1))
        lower[setting], upper[setting] = low, high
    return lower, upper


def _total(part: Any) -> Fraction:
    return sum(part.flat, Fraction(0)) if isinstance(part, np.ndarray) else part


def _no_signaling_bounds(coefficients: Any, unit: Fraction, extra: Any, unit_of_extra: Fraction) -> list[Fraction]:
    """Bounds of coefficients, by those of coefficients + multipliers on the probabilities that determine the others.

    A no-signaling behavior is a combination of the probabilities of some parties' outcomes, all but their last:
    every cell is such a product or, for a last outcome, the difference that normalization leaves.
    """
    common = min(unit, unit_of_extra)
    total = coefficients * int(unit / common) + extra * int(unit_of_extra / common)
    n = (total.ndim - 1) // 2
    tensor = total.transpose([0, *(axis for k in range(n) for axis in (1 + k, 1 + n + k))])
    for _ in range(n):
        # The next party's settings and outcomes come second and third; its probabilities go to the end.
        last = tensor[:, :, -1]
        gains = tensor[:, :, :-1] - last[:, :, None]
        gains = gains.reshape(len(tensor), -1, *tensor.shape[3:])
        tensor = np.moveaxis(np.concatenate([last.sum(axis=1)[:, None], gains], axis=1), 1, -1)
    flat = tensor.reshape(len(tensor), -1)
    # The first stands for 1; a probability is between 0 and 1.
    return [common * (row[0] + sum((value for value in row[1:] if value > 0), 0)) for row in flat]
