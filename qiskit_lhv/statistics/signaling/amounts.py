"""How much signaling a local model needs to give a table, and how much of it marginals show."""

from __future__ import annotations

import numpy as np

from ..._support.highs import LinearSolution
from ..._support.types import FloatArray, IntArray
from ...exceptions import SolverError
from ...models.deterministic import strategy_tables
from ...polytope.bounds.strategy_programs import StrategyProgram, first_strategies, improving_strategies
from ...targets.coordinates import cells_from_collins_gisin
from ...targets.scenario import BellScenario

__all__ = ["hidden_signaling", "visible_signaling"]


_ALL_COLUMNS = 2048
_FEASIBILITY = 1e-9


def hidden_signaling(frequencies: FloatArray, scenario: BellScenario) -> tuple[float, FloatArray]:
    """The least amount of signaling with which a local model gives a table, and the expression that proves it.

    Args:
        frequencies: Shape ``(m_1, ..., m_N, d_1, ..., d_N)``; may be signaling.
        scenario: The scenario.

    Returns:
        The amount, and coefficients whose value on the table it is: at most 0 for every deterministic strategy, and
        changed by at most 1 when one party's outcome changes, both up to rounding.

    Raises:
        ScenarioError: If the scenario is too large to enumerate all parties but one.
        SolverError: If the linear program fails.
    """
    from scipy.sparse import csr_array

    program = StrategyProgram("hidden_signaling", _FEASIBILITY, lambda new: strategy_tables(new, scenario))
    program.add_rows(frequencies.ravel(), frequencies.ravel())
    ends = np.stack(_neighbors(scenario), axis=1)
    numbers = np.tile([-1.0, 1.0], len(ends)), ends.ravel(), np.arange(0, ends.size + 1, 2)
    program.add_columns(1.0, csr_array(numbers, shape=(len(ends), scenario.num_entries)))
    program.add_strategies(first_strategies(scenario, _ALL_COLUMNS))

    def improving(solution: LinearSolution) -> IntArray:
        if scenario.num_strategies <= _ALL_COLUMNS:
            return np.empty((0, sum(scenario.num_settings)), dtype=np.int64)
        return improving_strategies(solution.duals.reshape(scenario.shape), scenario)

    solution, finished = program.generate(improving)
    if not finished:
        raise SolverError("hidden_signaling: the linear program still improves after its budget of rounds.")
    # Prices of padding have no meaning.
    prices = np.where(scenario.mask, solution.duals.reshape(scenario.shape), 0.0)
    return max(0.0, solution.objective), prices


def _neighbors(scenario: BellScenario) -> tuple[IntArray, IntArray]:
    """Pairs of cells, both ways, that differ in one party's outcome."""
    numbers = np.arange(scenario.num_entries).reshape(scenario.shape)
    sources, targets = [], []
    for axis in scenario.outcome_axes:
        by_outcome = np.moveaxis(numbers, axis, 0)
        for a in range(len(by_outcome)):
            for b in range(len(by_outcome)):
                if a != b:
                    sources.append(by_outcome[a].ravel())
                    targets.append(by_outcome[b].ravel())
    return np.concatenate(sources), np.concatenate(targets)


def visible_signaling(frequencies: FloatArray) -> float:
    """The amount of signaling that marginals show: what is needed to change a no-signaling behavior into the table.

    For two parties it is, summed over each party's settings, the least summed distance (total variation) of the
    distributions of its outcome, for all settings of the other, from one reference. The result is exact for two
    outcomes and for two settings, and otherwise a little above the least. For more parties it is a linear program,
    since joint marginals count too.

    Args:
        frequencies: Shape ``(m_1, ..., m_N, d_1, ..., d_N)``. Padding counts as outcomes that never come, which change
            no amount.

    Raises:
        SolverError: If the linear program fails.
    """
    n = frequencies.ndim // 2
    if n > 2:
        return _distance_to_no_signaling(frequencies)
    total = 0.0
    for k in range(n):
        others = tuple(n + j for j in range(n) if j != k)
        # Setting of the party, settings of the others, outcome of the party.
        marginal = np.moveaxis(frequencies.sum(axis=others), k, 0)
        rows = marginal.reshape(marginal.shape[0], -1, marginal.shape[-1])
        median = np.median(rows, axis=1, keepdims=True)
        # Where every outcome is rare most of the time, the medians can all vanish: then the rows alone are references.
        size = median.sum(axis=2, keepdims=True)
        median = np.where(size > 0, median / np.where(size > 0, size, 1), rows[:, :1])
        candidates = np.concatenate([median, rows], axis=1)
        distances = np.abs(candidates[:, :, None] - rows[:, None]).sum(axis=3).sum(axis=2) / 2
        total += float(distances.min(axis=1).sum())
    return total


def _distance_to_no_signaling(frequencies: FloatArray) -> float:
    from scipy.optimize import linprog
    from scipy.sparse import csr_array, hstack

    scenario = BellScenario.from_shape(frequencies.shape)
    sources, targets = _neighbors(scenario)
    flows = np.arange(len(sources))
    shape = (scenario.num_entries, len(flows))
    arriving = csr_array((np.ones(len(flows)), (targets, flows)), shape=shape)
    leaving = csr_array((np.ones(len(flows)), (sources, flows)), shape=shape)
    # The reference behavior is maps @ g, and no probability may be negative.
    maps = csr_array(cells_from_collins_gisin(scenario))
    solution = linprog(
        np.concatenate([np.ones(len(flows)), np.zeros(maps.shape[1])]),
        A_eq=hstack([arriving - leaving, maps]),
        b_eq=frequencies.ravel(),
        A_ub=hstack([csr_array(shape), -maps]),
        b_ub=np.zeros(scenario.num_entries),
        bounds=[(0, None)] * len(flows) + [(None, None)] * maps.shape[1],
        method="highs",
    )
    if solution.status != 0:
        raise SolverError(f"visible_signaling: HiGHS stopped with {solution.message!r}.")
    return max(0.0, float(solution.fun))
