"""The local behavior nearest to a given behavior, in the largest difference of any probability."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ..._support.deadlines import Deadline
from ..._support.highs import LinearSolution
from ..._support.rounding import small_integers
from ..._support.types import FloatArray, IntArray
from ...models.deterministic import DeterministicModel, strategy_tables
from ...targets.behaviors import Behavior
from ...targets.scenario import BellScenario
from ..bounds.local_bounds import enumeration_size, local_bound
from ..bounds.strategy_programs import PRICE_TOLERANCE, StrategyProgram, first_strategies, improving_strategies
from ..expressions.expression import BellExpression
from ..inequalities.bell_inequality import BellInequality

__all__ = ["NearestLocal", "can_find_nearest", "nearest_local", "sum_of_coefficients", "violation_beyond_errors"]


_ALL_COLUMNS = 300
_FEASIBILITY = 1e-10
_FINE_BITS = 44
# Larger programs take minutes.
_MAX_CELLS = 1024
_MAX_ENUMERATED = 1 << 16


@dataclass(frozen=True)
class NearestLocal:
    """The nearest local behavior, and an inequality which shows that no local behavior is nearer."""

    distance: float
    """Largest difference of any probability, as computed by the solver."""
    model: DeterministicModel
    """A local model of the nearest local behavior."""
    inequality: BellInequality | None
    """Its violation over the sum of the absolute coefficients is the distance, up to rounding; ``None``: local."""


def violation_beyond_errors(inequality: BellInequality, behavior: Behavior, tolerance: float) -> Fraction:
    """Returns the smallest possible violation if every probability may be wrong by the tolerance.

    The arithmetic is rational. The true probabilities of each setting combination add up to 1; so a number may be
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
    """Returns the entries of a table without padding, one list per setting combination."""
    shape = (scenario.num_setting_combinations, -1)
    return [row[real].tolist() for row, real in zip(table.reshape(shape), scenario.mask.reshape(shape), strict=True)]


def sum_of_coefficients(inequality: BellInequality) -> float:
    """Returns the largest change of a violation per unit of error; see :func:`violation_beyond_errors`."""
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
    """Finds the local behavior that minimizes the largest difference of any probability, by a linear program.

    Args:
        behavior: The numbers; they may be signaling.
        start: Strategies that are likely to be needed, shape ``(K, m_1 + ... + m_N)``.
        time_limit: Seconds after which the best found so far is returned; default: none.

    Raises:
        SolverError: If the linear program fails.
        ScenarioError: If there are too many strategies to enumerate those of all parties but one.
    """
    scenario = behavior.scenario
    deadline = Deadline(time_limit)
    strategies = first_strategies(scenario, _ALL_COLUMNS)
    if start is not None and scenario.num_strategies > _ALL_COLUMNS:
        strategies = np.unique(np.concatenate([strategies, start]), axis=0)
    program = _DistanceProgram(behavior)
    program.add_strategies(strategies)

    def improving(solution: LinearSolution) -> IntArray:
        return improving_strategies(program.prices(solution), scenario, program.bound(solution))

    solution, _ = program.generate(improving, deadline)
    weights = np.maximum(solution.values[1:], 0)
    model = DeterministicModel.from_weights(weights, program.strategies, scenario, cutoff=1e-13)
    return NearestLocal(float(solution.values[0]), model, _separation(program.prices(solution), behavior))


class _DistanceProgram(StrategyProgram):
    """Minimizes e subject to ``-e <= sum_h w_h table_h - target <= e``, ``sum_h w_h = 1``, w >= 0."""

    def __init__(self, behavior: Behavior) -> None:
        super().__init__("nearest_local", _FEASIBILITY, self._entries)
        self._scenario = behavior.scenario
        target = behavior.array.ravel()
        free = np.full(target.size, np.inf)
        self.add_rows(np.concatenate([[1.0], -free, target]), np.concatenate([[1.0], target, free]))
        self.add_columns(1.0, np.concatenate([[0.0], np.repeat([-1.0, 1.0], target.size)])[None])

    def _entries(self, strategies: IntArray) -> FloatArray:
        tables = strategy_tables(strategies, self._scenario)
        return np.hstack([np.ones((len(tables), 1)), tables, tables])

    def prices(self, solution: LinearSolution) -> FloatArray:
        """Prices of the cells, shape ``(m_1, ..., m_N, d_1, ..., d_N)``."""
        below, above = np.split(solution.duals[1:], 2)
        # The prices of padding cells have no meaning.
        return np.where(self._scenario.mask, (below + above).reshape(self._scenario.shape), 0.0)

    def bound(self, solution: LinearSolution) -> float:
        """The bound on the prices' sum that no strategy known to the program exceeds."""
        return -float(solution.duals[0])


def _separation(prices: FloatArray, behavior: Behavior) -> BellInequality | None:
    """The inequality of the prices with the exact bound: of small and of fine integers the one that tells more."""
    largest = float(np.abs(prices).max())
    if largest < PRICE_TOLERANCE:
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
        if best is None or reached > best[0] + PRICE_TOLERANCE:
            best = reached, inequality
    return None if best is None or best[0] <= 0 else best[1]
