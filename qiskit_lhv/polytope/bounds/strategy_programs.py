"""Linear programs over deterministic strategies, which are generated as they are needed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..._support.deadlines import NO_LIMIT, Deadline
from ..._support.highs import LinearProgram, LinearSolution
from ..._support.types import FloatArray, IntArray
from ...models.deterministic import constant_strategies, enumerate_strategies
from ...targets.scenario import BellScenario
from .local_bounds import best_strategies

__all__ = ["COLUMNS_PER_ROUND", "PRICE_TOLERANCE", "StrategyProgram", "first_strategies", "improving_strategies"]


PRICE_TOLERANCE = 1e-9
"""By how much a strategy must improve a program to become a column of it."""
COLUMNS_PER_ROUND = 60
"""Largest number of strategies that are added after one solution."""
# Programs that end by themselves take some dozens of rounds.
_MAX_ROUNDS = 5000


class StrategyProgram(LinearProgram):
    """A linear program that has a column for each of some deterministic strategies.

    Args:
        caller: The public function that solves it, for messages.
        feasibility: Tolerance of primal and dual feasibility.
        columns: The entries of strategies, shape ``(K, number of rows)``, from strategies, shape
            ``(K, m_1 + ... + m_N)``.
        cost: The cost of each strategy.
    """

    def __init__(
        self, caller: str, feasibility: float, columns: Callable[[IntArray], FloatArray], cost: float = 0.0
    ) -> None:
        super().__init__(caller, feasibility)
        self._columns, self._cost = columns, cost
        self._added: list[IntArray] = []

    @property
    def strategies(self) -> IntArray:
        """The strategies added so far, in the order of their columns, shape ``(H, m_1 + ... + m_N)``."""
        return np.concatenate(self._added)

    def add_strategies(self, strategies: IntArray) -> None:
        """Adds strategies, shape ``(K, m_1 + ... + m_N)``."""
        self._added.append(strategies)
        self.add_columns(self._cost, self._columns(strategies))

    def generate(
        self, improving: Callable[[LinearSolution], IntArray], deadline: Deadline = NO_LIMIT
    ) -> tuple[LinearSolution, bool]:
        """Column generation: solves the program and adds strategies that improve it, until none does.

        The budget of work is 5000 solutions.

        Args:
            improving: The oracle: strategies that improve a solution, shape ``(K, m_1 + ... + m_N)``; none if K is 0.
            deadline: Time at which to stop.

        Returns:
            The last solution, and whether no strategy improves it.

        Raises:
            SolverError: If the linear program fails.
        """

        def grow(solution: LinearSolution) -> bool:
            strategies = improving(solution)
            if not len(strategies):
                return False
            self.add_strategies(strategies)
            return True

        return self.solve_growing(grow, _MAX_ROUNDS, deadline)


def first_strategies(scenario: BellScenario, most: int) -> IntArray:
    """All deterministic strategies of a scenario if they are at most ``most``, else the constant ones."""
    return enumerate_strategies(scenario) if scenario.num_strategies <= most else constant_strategies(scenario)


def improving_strategies(prices: FloatArray, scenario: BellScenario, least: float = 0.0) -> IntArray:
    """The strategies with the largest sums of the prices of their cells, by an exact search, best first.

    Args:
        prices: Shape ``(m_1, ..., m_N, d_1, ..., d_N)``.
        scenario: The scenario.
        least: Value that a strategy must exceed by more than ``PRICE_TOLERANCE``.

    Raises:
        ScenarioError: If the scenario is too large to enumerate all parties but one.
    """
    values, strategies = best_strategies(prices, scenario, COLUMNS_PER_ROUND)
    return strategies[values > least + PRICE_TOLERANCE]
