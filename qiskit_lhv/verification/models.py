"""Exact tables, deviations and values of deterministic models, without the code that found the models.

Weights are taken as the integers that they are after scaling by a power of two, in pieces of 24 bits, so that
matrix products of floats add them up without error.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..exceptions import ScenarioError
from .padding import Outcomes, all_outcomes
from .rationals import binary_integers

__all__ = ["exact_model_deviation", "exact_model_table", "exact_strategy_value", "exact_value"]

_BITS_PER_PIECE = 24
_STRATEGIES_PER_BATCH = 2048


def exact_model_deviation(
    weights: NDArray[np.float64],
    strategies: NDArray[Any],
    target: NDArray[np.float64],
    sources: NDArray[Any] | None = None,
    outcomes: NDArray[Any] | None = None,
) -> Fraction:
    """The largest deviation of a model from a table, exactly.

    Args:
        weights: Non-negative, shape ``(H,)``; normalized here.
        strategies: Outcome of each party for each setting, shape ``(H, m_1 + ... + m_N)``.
        target: The table, shape ``(m_1, ..., m_N, d_1, ..., d_N)``.
        sources: Relabelings that the model is averaged over, shape ``(G, m_1 + ... + m_N)``: the setting whose
            place each setting takes; default: none.
        outcomes: The new name of each outcome, shape ``(G, m_1 + ... + m_N, max d)``.

    Raises:
        ScenarioError: If an outcome is out of range, or ``sources`` and ``outcomes`` are not relabelings.
    """
    n = target.ndim // 2
    sizes = list(zip(target.shape[:n], target.shape[n:], strict=True))
    starts = [0, *itertools.accumulate(m for m, _ in sizes)]
    whole: list[int] = binary_integers(weights)[0].tolist()
    total = sum(whole)
    if min(whole) < 0 or total == 0:
        raise ScenarioError.bad_argument("weights", expected="non-negative numbers, not all 0", got="others")
    limits = np.repeat([d for _, d in sizes], [m for m, _ in sizes])
    if np.any(strategies < 0) or np.any(strategies >= limits):
        raise ScenarioError.bad_argument("strategies", expected="outcomes in range", got="others")
    table: Any = 0
    group = 1 if sources is None else len(sources)
    if len(whole) * group >= 1 << 38:
        raise ScenarioError.bad_argument("strategies", expected="fewer strategies and relabelings", got="too many")
    for i, part in enumerate(_tables_of_pieces(whole, strategies, sizes, starts)):
        if sources is not None and outcomes is not None:
            part = sum(
                (_relabeled(part, s, o, sizes, starts) for s, o in zip(sources, outcomes, strict=True)),
                np.zeros_like(part),
            )
        table = table + part.astype(object) * (1 << (_BITS_PER_PIECE * i))
    # From one axis per party back to settings and outcomes.
    split = table.reshape([size for pair in sizes for size in pair])
    split = split.transpose([2 * k for k in range(n)] + [2 * k + 1 for k in range(n)])
    # Both over one denominator, total * group * 2**exponent.
    wanted, exponent = binary_integers(target)
    unit = total * group
    differences = np.abs((split << exponent) - wanted.astype(object) * unit)
    return Fraction(int(differences.max()), unit << exponent)


def _tables_of_pieces(
    whole: list[int], strategies: NDArray[Any], sizes: list[tuple[int, int]], starts: list[int]
) -> Iterator[NDArray[np.int64]]:
    """The table of :func:`_table` for each 24 bits of the weights, the lowest first."""
    mask = (1 << _BITS_PER_PIECE) - 1
    for shift in range(0, max(1, max(whole).bit_length()), _BITS_PER_PIECE):
        piece = np.array([(value >> shift) & mask for value in whole], dtype=np.float64)
        yield _table(piece, strategies, sizes, starts)


def _table(
    weights: NDArray[np.float64], strategies: NDArray[Any], sizes: list[tuple[int, int]], starts: list[int]
) -> NDArray[np.int64]:
    """Sum of the weights of the strategies that give each outcome for each setting, one axis per party."""
    shape = [m * d for m, d in sizes]
    result = np.zeros(shape, dtype=np.int64)
    for begin in range(0, len(weights), _STRATEGIES_PER_BATCH):
        rows = slice(begin, begin + _STRATEGIES_PER_BATCH)
        product = weights[rows, None]
        for k, (m, d) in enumerate(sizes[:-1]):
            answers = _answers(strategies[rows, starts[k] : starts[k + 1]], m, d)
            product = (product[:, :, None] * answers[:, None, :]).reshape(len(answers), -1)
        last = _answers(strategies[rows, starts[-2] : starts[-1]], *sizes[-1])
        result += (product.T @ last).reshape(shape).astype(np.int64)
    return result


def _answers(outcomes: NDArray[Any], m: int, d: int) -> NDArray[np.float64]:
    return (outcomes[:, :, None] == np.arange(d)).reshape(len(outcomes), m * d).astype(np.float64)


def _relabeled(
    table: NDArray[np.int64],
    source: NDArray[Any],
    outcomes: NDArray[Any],
    sizes: list[tuple[int, int]],
    starts: list[int],
) -> NDArray[np.int64]:
    """The table of the strategies that answer ``outcomes[i, b]`` where those before answered b at ``source[i]``."""
    order, index = [], []
    for k, (m, d) in enumerate(sizes):
        own = source[starts[k] : starts[k + 1]].astype(np.int64)
        names = outcomes[starts[k] : starts[k + 1], :d].astype(np.int64)
        other = next((j for j in range(len(sizes)) if starts[j] <= own[0] < starts[j + 1]), -1)
        inside = own - starts[other]
        fits = other >= 0 and sizes[other] == (m, d) and np.array_equal(np.sort(inside), np.arange(m))
        if not fits or np.any(np.sort(names, axis=1) != np.arange(d)):
            raise ScenarioError.bad_argument("symmetry", expected="relabelings of the scenario", got="another map")
        before = np.empty((m, d), dtype=np.int64)
        np.put_along_axis(before, names, np.tile(np.arange(d), (m, 1)), axis=1)
        order.append(other)
        index.append((inside[:, None] * d + before).ravel())
    if sorted(order) != list(range(len(sizes))):
        raise ScenarioError.bad_argument("symmetry", expected="relabelings of the scenario", got="another map")
    return table.transpose(order)[np.ix_(*index)]


def exact_model_table(
    weights: NDArray[np.float64], strategies: NDArray[np.int64], shape: tuple[int, ...]
) -> list[Fraction]:
    """The table p(a|x) of a mixture of deterministic strategies, in rational arithmetic.

    Args:
        weights: Non-negative, shape ``(H,)``; normalized here.
        strategies: Outcome of each party for each of its settings, shape ``(H, m_1 + ... + m_N)``.
        shape: Shape of the table, ``(m_1, ..., m_N, d_1, ..., d_N)``.

    Returns:
        The entries in the order of the flattened table.
    """
    n = len(shape) // 2
    whole = binary_integers(weights)[0].tolist()
    total = sum(whole)
    starts = np.concatenate([[0], np.cumsum(shape[:n])])
    table: dict[tuple[int, ...], int] = {}
    rows = strategies.tolist()
    for weight, row in zip(whole, rows, strict=True):
        for setting in np.ndindex(shape[:n]):
            cell = setting + tuple(row[starts[k] + x] for k, x in enumerate(setting))
            table[cell] = table.get(cell, 0) + weight
    return [Fraction(table.get(cell, 0), total) for cell in np.ndindex(shape)]


def exact_strategy_value(
    coefficients: NDArray[np.float64], strategy: NDArray[np.int64], num_outcomes: Outcomes | None = None
) -> Fraction:
    """The value of a Bell expression on a deterministic strategy, exactly.

    Args:
        coefficients: Shape ``(m_1, ..., m_N, d_1, ..., d_N)``.
        strategy: Outcome of each party for each setting, shape ``(m_1 + ... + m_N,)``.
        num_outcomes: See :func:`exact_local_bound`.

    Raises:
        ScenarioError: If the strategy does not fit the coefficients.
    """
    n = coefficients.ndim // 2
    starts = np.concatenate([[0], np.cumsum(coefficients.shape[:n])])
    limits = np.concatenate([np.array(party) for party in all_outcomes(coefficients.shape, num_outcomes)])
    if strategy.shape != limits.shape or np.any(strategy < 0) or np.any(strategy >= limits):
        raise ScenarioError.bad_argument("strategy", expected=f"outcomes of {len(limits)} settings", got="others")
    integers, exponent = binary_integers(coefficients)
    total = 0
    for setting in np.ndindex(coefficients.shape[:n]):
        outcomes = tuple(int(strategy[starts[k] + x]) for k, x in enumerate(setting))
        total += int(integers[setting + outcomes])
    return Fraction(total, 1 << exponent)


def exact_value(coefficients: NDArray[np.float64], table: NDArray[np.float64]) -> Fraction:
    """The value of a Bell expression on a table, both taken as the rationals that their floats are."""
    factors, exponent = binary_integers(coefficients)
    numbers, other = binary_integers(table)
    # Python integers: products and their sum are exact.
    pairs = zip(factors.ravel().tolist(), numbers.ravel().tolist(), strict=True)
    return Fraction(sum(factor * number for factor, number in pairs), 1 << (exponent + other))
