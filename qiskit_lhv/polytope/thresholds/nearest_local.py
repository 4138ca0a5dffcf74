"""The local behavior nearest to given numbers, in the largest difference of a probability."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from ..._support.highs import simplex_solver
from ..._support.rounding import small_integers
from ..._support.types import FloatArray, IntArray
from ...exceptions import SolverError
from ...models.deterministic import DeterministicModel, constant_strategies, enumerate_strategies, strategy_tables
from ...targets.behaviors import Behavior
from ...targets.scenario import BellScenario
from ..bounds.local_bounds import best_strategies, enumeration_size, local_bound
from ..expressions.expression import BellExpression
from ..inequalities.bell_inequality import BellInequality

__all__ = ["NearestLocal", "can_find_nearest", "nearest_local", "sum_of_coefficients", "violation_beyond_errors"]


_ALL_COLUMNS = 300
_COLUMNS_PER_ROUND = 60
_PRICE_TOLERANCE = 1e-9
_FEASIBILITY = 1e-10
_FINE_BITS = 44
# Larger programs take minutes.
_MAX_CELLS = 1024
_MAX_ENUMERATED = 1 << 16


@dataclass(frozen=True)
class NearestLocal:
    """The nearest local behavior, and the inequality that separates what is nearer."""

    distance: float
    """Largest difference of a probability, as the solver has it."""
    model: DeterministicModel
    """The model."""
    inequality: BellInequality | None
    """Its violation over the sum of the absolute coefficients is the distance, up to rounding; ``None``: local."""


def violation_beyond_errors(inequality: BellInequality, behavior: Behavior, tolerance: float) -> Fraction:
    """How much is left of a violation, at least, when every probability may be wrong by the tolerance.

    In rational arithmetic. The true probabilities of each setting combination add up to 1; so a number may be
    subtracted from its coefficients, and from the bound. The median leaves the least sum of absolute coefficients.

    Args:
        inequality: The inequality.
        behavior: The behavior, of the same scenario.
        tolerance: Largest error of a probability.
    """
    left, error = -Fraction(inequality.bound.value), Fraction(tolerance)
    rows = zip(
        _real_rows(inequality.expression.coefficients, behavior.scenario),
        _real_rows(behavior.array, behavior.scenario),
        strict=True,
    )
    for coefficients, probabilities in rows:
        middle = Fraction(sorted(coefficients)[len(coefficients) // 2])
        left += middle
        for coefficient, number in zip(coefficients, probabilities, strict=True):
            shifted = Fraction(coefficient) - middle
            if shifted:
                left += shifted * Fraction(number) - error * abs(shifted)
    return left


def _real_rows(table: FloatArray, scenario: BellScenario) -> list[list[float]]:
    """The real entries of a table, setting combination by setting combination."""
    shape = (scenario.num_setting_combinations, -1)
    return [row[real].tolist() for row, real in zip(table.reshape(shape), scenario.mask.reshape(shape), strict=True)]


def sum_of_coefficients(inequality: BellInequality) -> float:
    """How much a violation changes, at most, per error of every probability: see :func:`violation_beyond_errors`."""
    coefficients, scenario = inequality.expression.coefficients, inequality.expression.scenario
    if not scenario.has_equal_outcomes:
        real = [np.sort(row) for row in _real_rows(coefficients, scenario)]
        return float(sum(np.abs(row - row[len(row) // 2]).sum() for row in real))
    rows = np.sort(coefficients.reshape(scenario.num_setting_combinations, -1), axis=1)
    return float(np.abs(rows - rows[:, rows.shape[1] // 2, None]).sum())


def can_find_nearest(scenario: BellScenario) -> bool:
    """Whether :func:`nearest_local` takes seconds."""
    return scenario.num_cells <= _MAX_CELLS and enumeration_size(scenario) <= _MAX_ENUMERATED


def nearest_local(
    behavior: Behavior, *, start: IntArray | None = None, time_limit: float | None = None
) -> NearestLocal:
    """Finds the local behavior with the least largest difference of a probability: a linear program and its dual.

    Args:
        behavior: The numbers; they may be signaling.
        start: Strategies that are likely to be needed, shape ``(K, m_1 + ... + m_N)``.
        time_limit: Seconds after which the best found so far is returned; default: none.

    Raises:
        SolverError: If the linear program fails.
        ScenarioError: If there are too many strategies to enumerate those of all parties but one.
    """
    scenario = behavior.scenario
    deadline = math.inf if time_limit is None else time.monotonic() + time_limit
    small = scenario.num_strategies <= _ALL_COLUMNS
    strategies = enumerate_strategies(scenario) if small else constant_strategies(scenario)
    if start is not None and not small:
        strategies = np.unique(np.concatenate([strategies, start]), axis=0)
    program = _DistanceProgram(behavior.array.ravel())
    program.add(strategy_tables(strategies, scenario))
    while True:
        distance, weights, bound, prices = program.solve()
        # What padding costs means nothing.
        prices = np.where(scenario.mask.ravel(), prices, 0.0)
        values, found = best_strategies(prices.reshape(scenario.shape), scenario, _COLUMNS_PER_ROUND)
        new = values > bound + _PRICE_TOLERANCE
        if not new.any() or time.monotonic() > deadline:
            break
        strategies = np.concatenate([strategies, found[new]])
        program.add(strategy_tables(found[new], scenario))
    model = DeterministicModel.from_weights(weights, strategies, scenario, cutoff=1e-13)
    return NearestLocal(distance, model, _separation(prices.reshape(scenario.shape), behavior))


class _DistanceProgram:
    """Minimizes e subject to ``-e <= sum_h w_h table_h - target <= e``, ``sum_h w_h = 1``, w >= 0."""

    def __init__(self, target: FloatArray) -> None:
        import highspy

        self._highs = simplex_solver(_FEASIBILITY)
        self._optimal = highspy.HighsModelStatus.kOptimal
        self._target = target
        size = target.size
        nothing = np.empty(0, dtype=np.int32)
        self._highs.addRow(1.0, 1.0, 0, nothing, np.empty(0))
        for value in target:
            self._highs.addRow(-np.inf, value, 0, nothing, np.empty(0))
        for value in target:
            self._highs.addRow(value, np.inf, 0, nothing, np.empty(0))
        rows = np.arange(1, 2 * size + 1, dtype=np.int32)
        self._highs.addCol(1.0, 0.0, np.inf, 2 * size, rows, np.repeat([-1.0, 1.0], size))

    def add(self, tables: FloatArray) -> None:
        """Adds strategies, one flattened table of zeros and ones each."""
        count = len(tables)
        columns = np.hstack([np.ones((count, 1)), tables, tables])
        which, rows = np.nonzero(columns)
        self._highs.addCols(
            count,
            np.zeros(count),
            np.zeros(count),
            np.full(count, np.inf),
            len(rows),
            np.searchsorted(which, np.arange(count)).astype(np.int32),
            rows.astype(np.int32),
            np.ones(len(rows)),
        )

    def solve(self) -> tuple[float, FloatArray, float, FloatArray]:
        """Distance, weights, and prices of the cells with the bound that no known strategy exceeds."""
        self._highs.run()
        status = self._highs.getModelStatus()
        if status != self._optimal:
            raise SolverError(f"nearest_local: HiGHS stopped with {self._highs.modelStatusToString(status)!r}.")
        solution: Any = self._highs.getSolution()
        values, duals = np.array(solution.col_value), np.array(solution.row_dual)
        size = self._target.size
        return float(values[0]), np.maximum(values[1:], 0), -float(duals[0]), duals[1 : size + 1] + duals[size + 1 :]


def _separation(prices: FloatArray, behavior: Behavior) -> BellInequality | None:
    """The inequality of the prices with the exact bound: of small and of fine integers the one that tells more."""
    largest = float(np.abs(prices).max())
    if largest < _PRICE_TOLERANCE:
        return None
    numbers = prices / largest
    fine = np.rint(numbers * 2.0 ** (_FINE_BITS - math.ceil(math.log2(np.abs(numbers).sum()))))
    best: tuple[float, BellInequality] | None = None
    for integers in (small_integers(numbers), fine):
        if integers is None:
            continue
        expression = BellExpression(integers, behavior.scenario)
        inequality = BellInequality(expression, local_bound(expression))
        reached = inequality.violation(behavior) / sum_of_coefficients(inequality)
        # Small integers are the tidy form, unless they only happen to lie near.
        if best is None or reached > best[0] + _PRICE_TOLERANCE:
            best = reached, inequality
    return None if best is None or best[0] <= 0 else best[1]
