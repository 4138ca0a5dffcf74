"""Maximum-likelihood mixtures of deterministic strategies, for many tables at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..models.deterministic import strategy_tables
from ..targets.coordinates import cells_from_collins_gisin, collins_gisin_from_cells
from ..targets.scenario import BellScenario

__all__ = ["MixtureProblem"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_MAX_STEPS = 200
_LEAST_COMPLEMENTARITY = 1e-14
# From this curvature of the likelihood on, in a cell, the small system would lose too many digits.
_STEEP = 1e8
# Numbers that one batch of linear systems may take.
_BATCH_ENTRIES = 1 << 23


@dataclass(frozen=True)
class MixtureProblem:
    """Strategies that are mixed, with their tables in the few coordinates that no-signaling leaves."""

    tables: FloatArray
    """Tables of the strategies, flattened, shape ``(S, C)``."""
    coordinates: FloatArray
    """The same in Collins-Gisin coordinates, shape ``(S, r)``."""
    cells: FloatArray
    """From coordinates to cells, shape ``(C, r)``: ``tables = coordinates @ cells.T``."""

    @classmethod
    def of(cls, strategies: IntArray, scenario: BellScenario) -> MixtureProblem:
        """The problem of given strategies, shape ``(S, m_1 + ... + m_N)``."""
        tables = strategy_tables(strategies, scenario)
        return cls(tables, tables @ collins_gisin_from_cells(scenario).T, cells_from_collins_gisin(scenario))

    def fit(self, targets: FloatArray, tolerance: float = 1e-10) -> tuple[FloatArray, FloatArray]:
        """Minimizes ``-sum target log(w @ tables) + sum w`` over w >= 0 for every row of targets.

        A primal-dual interior-point method; where the targets sum to 1, so do the optimal weights.

        Args:
            targets: Weights of cells, at least 0, shape ``(B, C)``, each row summing to 1.
            tolerance: Duality gap to reach among these strategies, in nats.

        Returns:
            Weights, shape ``(B, S)``, rows summing to 1, and gaps, shape ``(B,)``.
        """
        size = targets.shape[1] * self.coordinates.shape[1] + self.coordinates.size
        rows = max(1, _BATCH_ENTRIES // size)
        parts = [self._fit(targets[i : i + rows], tolerance) for i in range(0, len(targets), rows)]
        return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])

    def _fit(self, targets: FloatArray, tolerance: float) -> tuple[FloatArray, FloatArray]:
        batch, count = len(targets), len(self.coordinates)
        w = np.full((batch, count), 1 / count)
        slack = np.ones((batch, count))
        best, best_gap = w.copy(), np.full(batch, np.inf)
        active = np.arange(batch)
        for _ in range(_MAX_STEPS):
            target, mixture, bound = targets[active], w[active], slack[active]
            # A sum of positive numbers, so that even the smallest probability keeps its digits.
            q = mixture @ self.tables
            seen = target > 0
            # Where nothing was seen, q may reach zero.
            ratio = np.divide(target, q, out=np.zeros_like(q), where=seen)
            gradient = 1 - ratio @ self.tables.T
            gap = (1 - gradient.min(axis=1)) * mixture.sum(axis=1) - 1
            better = gap < best_gap[active]
            best[active[better]], best_gap[active[better]] = mixture[better], gap[better]
            average = np.sum(mixture * bound, axis=1) / count
            # Past the second limit only rounding errors would change.
            going = (gap > 0.5 * tolerance) & (average * count >= _LEAST_COMPLEMENTARITY)
            active = active[going]
            if not active.size:
                break
            mixture, bound, gradient, average = mixture[going], bound[going], gradient[going], average[going]
            curvature = np.divide(ratio, q, out=np.zeros_like(q), where=seen)[going]
            infeasibility = np.abs(gradient - bound).max(axis=1)
            # The further the iterate is from feasibility of the dual, the more it is kept to the center.
            aim = (average * np.where(infeasibility < 100 * average, 0.1, 0.5))[:, None]
            step = self._newton_step(curvature, mixture / bound, aim / mixture - gradient)
            slack_step = aim / mixture - bound - bound / mixture * step
            w[active] = mixture + _step_length(mixture, step) * step
            slack[active] = bound + _step_length(bound, slack_step) * slack_step
        return best / best.sum(axis=1, keepdims=True), best_gap

    def _newton_step(self, curvature: FloatArray, scale: FloatArray, right: FloatArray) -> FloatArray:
        """Solves ``(T diag(curvature) T^T + diag(1 / scale)) step = right`` for every row."""
        step = np.empty_like(right)
        steep = curvature.max(axis=1) > _STEEP
        if not steep.all():
            step[~steep] = self._step_in_coordinates(curvature[~steep], scale[~steep], right[~steep])
        if steep.any():
            step[steep] = self._step_by_roots(curvature[steep], scale[steep], right[steep])
        return step

    def _step_in_coordinates(self, curvature: FloatArray, scale: FloatArray, right: FloatArray) -> FloatArray:
        """With ``T = A Z^T`` the system has the size r of the coordinates: fast."""
        a, z = self.coordinates, self.cells
        inner = np.matmul(z.T * curvature[:, None, :], z)
        outer = np.matmul(a.T * scale[:, None, :], a)
        system = np.matmul(outer, inner)
        diagonal = np.arange(system.shape[1])
        system[:, diagonal, diagonal] += 1
        moved = np.linalg.solve(system, ((scale * right) @ a)[:, :, None])
        return scale * (right - np.matmul(inner, moved)[:, :, 0] @ a.T)

    def _step_by_roots(self, curvature: FloatArray, scale: FloatArray, right: FloatArray) -> FloatArray:
        """By a symmetric system whose eigenvalues are at least 1: safe where cells are nearly empty."""
        half = np.sqrt(scale)
        root = self.tables * half[:, :, None] * np.sqrt(curvature)[:, None, :]
        if self.tables.shape[0] <= self.tables.shape[1]:
            system = np.matmul(root, root.swapaxes(1, 2)) + np.eye(len(self.tables))
            return half * np.linalg.solve(system, (half * right)[:, :, None])[:, :, 0]
        # Fewer cells than strategies: the Woodbury identity leaves a system of the cells' size.
        system = np.matmul(root.swapaxes(1, 2), root) + np.eye(self.tables.shape[1])
        moved = np.linalg.solve(system, np.matmul(root.swapaxes(1, 2), (half * right)[:, :, None]))
        return half * (half * right - np.matmul(root, moved)[:, :, 0])


def _step_length(values: FloatArray, step: FloatArray) -> FloatArray:
    shrink = np.max(-step / values, axis=1, keepdims=True)
    return np.where(shrink > 0.99, 0.99 / np.maximum(shrink, 0.99), 1.0)
