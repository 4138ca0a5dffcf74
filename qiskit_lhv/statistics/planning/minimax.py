"""The local model whose largest divergence, over settings or mixtures of them, is smallest."""

from __future__ import annotations

import math

import numpy as np

from ..._support.types import FloatArray
from ...models.deterministic import DeterministicModel, strategy_tables
from ...polytope.bounds.local_bounds import best_strategies
from ...polytope.bounds.strategy_programs import COLUMNS_PER_ROUND, first_strategies
from ...targets.behaviors import Behavior

__all__ = ["MinimaxProgram", "minimize_largest"]


_ALL_STRATEGIES = 100
_MAX_ROUNDS = 300
_MAX_STEPS = 150
_LEAST_COMPLEMENTARITY = 1e-15
# Below this, in nats, a divergence is no longer distinguished from zero.
_NEGLIGIBLE_DIVERGENCE = 1e-10


class MinimaxProgram:
    """Minimizes ``max_j sum_x M_jx KL(p(.|x) || q(.|x))`` over local q.

    Its dual variables y are the shares that make ``min_q sum_j y_j sum_x M_jx KL_x`` largest. Where there are many
    strategies, those that lower the minimum are added as they are found; they serve again in the next problem.

    Args:
        behavior: The behavior p.
    """

    def __init__(self, behavior: Behavior) -> None:
        self.behavior = behavior
        self._scenario = behavior.scenario
        self._listed = self._scenario.num_strategies <= _ALL_STRATEGIES
        self._strategies = first_strategies(self._scenario, _ALL_STRATEGIES)
        self._seen = behavior.array.ravel() > 0

    def solve(self, mixing: FloatArray, tolerance: float) -> tuple[FloatArray, DeterministicModel]:
        """Solves one problem.

        Args:
            mixing: M, shape ``(J, num_setting_combinations)``, non-negative, every row of sum 1.
            tolerance: Gap to reach, as a fraction of the minimum.

        Returns:
            The shares y, shape ``(J,)``, and the model of q.
        """
        scenario, array = self._scenario, self.behavior.array
        table = array.reshape(scenario.num_setting_combinations, -1)
        cells = (mixing[:, :, None] * table).reshape(len(mixing), -1)
        wanted = tolerance if self._listed else 1e-3
        for _ in range(_MAX_ROUNDS):
            tables = strategy_tables(self._strategies, scenario)[:, self._seen]
            y, weights, value = minimize_largest(cells[:, self._seen], table.ravel()[self._seen], tables, wanted)
            if self._listed:
                break
            q = weights @ tables
            ratio = np.zeros(array.size)
            ratio[self._seen] = (y @ cells)[self._seen] / q
            values, found = best_strategies(ratio.reshape(array.shape), scenario, COLUMNS_PER_ROUND)
            missing = float(values[0]) - 1
            if missing <= 0.5 * tolerance * value or value < _NEGLIGIBLE_DIVERGENCE:
                if wanted <= tolerance:
                    break
                wanted = tolerance
                continue
            wanted = max(tolerance, min(wanted, 0.1 * missing / value))
            before = len(self._strategies)
            self._strategies = np.unique(np.concatenate([self._strategies, found[values > 1]]), axis=0)
            if len(self._strategies) == before:
                if wanted <= tolerance:
                    break
                wanted = max(tolerance, 0.01 * wanted)
        return y, DeterministicModel.from_weights(weights, self._strategies, scenario)


def minimize_largest(
    cells: FloatArray, table: FloatArray, tables: FloatArray, tolerance: float
) -> tuple[FloatArray, FloatArray, float]:
    """Minimizes ``max_j sum_c cells_jc log(table_c / (w @ tables)_c)`` over probabilities w of strategies.

    A primal-dual interior-point method for ``min t`` subject to ``G_j(w) + s_j = t`` with w, s >= 0, where G_j has
    ``sum w - 1`` added, so that w normalizes itself.

    Args:
        cells: Shape ``(J, C)``, non-negative, every row of sum 1.
        table: Shape ``(C,)``, positive.
        tables: Strategies, shape ``(S, C)``.
        tolerance: Gap to reach, as a fraction of the minimum.

    Returns:
        The multipliers y of the rows, which sum to 1, w, and the value reached by w.
    """
    count, rows = len(tables), len(cells)
    constant = cells @ np.log(table)
    w, z = np.full(count, 1 / count), np.ones(count)
    y = np.full(rows, 1 / rows)
    values = constant - cells @ np.log(w @ tables)
    t = float(values.max()) + 0.1
    s = t - values
    best, best_gap = (y, w, math.inf), math.inf
    for _ in range(_MAX_STEPS):
        q = w @ tables
        total = float(w.sum())
        values = constant - cells @ np.log(q)
        share = y / y.sum()
        largest = float((tables @ (share @ cells / q)).max()) * total
        value = float(values.max()) + math.log(total)
        gap = value - float(share @ values) - math.log(total) + largest - 1
        if gap < best_gap:
            best, best_gap = (share, w / total, value), gap
        average = float(w @ z + y @ s) / (count + rows)
        if gap <= tolerance * value or average * (count + rows) < _LEAST_COMPLEMENTARITY:
            break
        gradients = 1 - (cells / q) @ tables.T
        stationary = y @ gradients - z
        residual = values + total - 1 + s - t
        infeasible = max(float(np.abs(stationary).max()), float(np.abs(residual).max()), abs(float(y.sum()) - 1))
        # The further the iterate is from feasibility, the more it is kept to the center.
        aim = average * (0.1 if infeasible < 100 * average else 0.5)
        try:
            w_step, y_step, t_step = _newton_step(
                tables * (np.sqrt(y @ cells) / q) * np.sqrt(w / z)[:, None],
                (y[:, None] * cells) / np.sqrt(y @ cells),
                y,
                s,
                np.sqrt(w / z),
                aim / w - y @ gradients - (1 - float(y.sum())),
                aim - s * y + y * residual,
            )
        except np.linalg.LinAlgError:  # singular within rounding: nothing is left to gain
            break
        z_step = aim / w - z - z / w * w_step
        s_step = aim / y - s - s / y * y_step
        primal, dual = _step_length((w, w_step), (s, s_step)), _step_length((y, y_step), (z, z_step))
        w, s, t = w + primal * w_step, s + primal * s_step, t + primal * t_step
        y, z = y + dual * y_step, z + dual * z_step
    return best


def _newton_step(
    scaled: FloatArray,
    coupling: FloatArray,
    y: FloatArray,
    s: FloatArray,
    root: FloatArray,
    right_w: FloatArray,
    right_y: FloatArray,
) -> tuple[FloatArray, FloatArray, float]:
    """Solves the Newton equations in scaled unknowns, without eliminating any: that would cancel near the optimum.

    Args:
        scaled: Strategies times root weights of cells and of strategies, shape ``(S, C)``.
        coupling: Rows times root weights of cells, shape ``(J, C)``.
        y: Multipliers, shape ``(J,)``.
        s: Slacks, shape ``(J,)``.
        root: Root of w / z, the unit of the steps of w, shape ``(S,)``.
        right_w: Right side of the strategies' equations.
        right_y: Right side of the rows' equations.

    Returns:
        Steps of w, y and t.
    """
    count, size = scaled.shape
    first, second, third = slice(count), slice(count, count + size), slice(count + size, -1)
    matrix = np.zeros((count + size + len(y) + 1,) * 2)
    matrix[first, first] = np.eye(count)
    matrix[first, second], matrix[second, first] = scaled, scaled.T
    matrix[second, second] = -np.eye(size)
    matrix[second, third], matrix[third, second] = -coupling.T, -coupling
    matrix[third, third] = -coupling @ coupling.T - np.diag(s * y)
    matrix[third, -1] = matrix[-1, third] = -y
    right = np.concatenate([root * right_w, np.zeros(size), -right_y, [float(y.sum()) - 1]])
    solution = np.linalg.solve(matrix, right)
    w_step = root * solution[first]
    # The last unknown is the step of t, less the change of sum w that all values share.
    return w_step, y * solution[third], float(solution[-1] + w_step.sum())


def _step_length(*pairs: tuple[FloatArray, FloatArray]) -> float:
    shrink = max(float(np.max(-step / values)) for values, step in pairs)
    return min(1.0, 0.99 / shrink) if shrink > 0 else 1.0
