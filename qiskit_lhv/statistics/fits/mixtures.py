"""Maximum-likelihood mixtures of deterministic strategies, for many tables at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from ..._support.threads import one_blas_thread
from ..._support.types import FloatArray, IntArray
from ...models.deterministic import enumerate_strategies, strategy_tables
from ...targets.coordinates import cells_from_collins_gisin, collins_gisin_from_cells
from ...targets.scenario import BellScenario

__all__ = ["MixtureProblem", "listed_problem"]


_MAX_STEPS = 200
_LEAST_COMPLEMENTARITY = 1e-14
# Steps in which the gap may fail to fall, after which only rounding errors would change.
_PATIENCE = 30
# Before that, the slower form of the system that keeps more digits is tried.
_STUCK_STEPS = 4
# Share of white noise that is added to known weights, so that no strategy is left out for good.
_WHITE_NOISE_SHARE = 0.05
# From this curvature of the likelihood on, in a cell, the small system would lose too many digits.
_STEEP_CURVATURE = 1e8
# Products of two coordinates, in all rows, that are kept.
_MAX_SQUARES = 1 << 18
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
    num_setting_combinations: int
    """Number of setting combinations; each has as many cells."""

    @classmethod
    def of(cls, strategies: IntArray, scenario: BellScenario) -> MixtureProblem:
        """The problem of given strategies, shape ``(S, m_1 + ... + m_N)``."""
        tables = strategy_tables(strategies, scenario)
        coordinates = tables @ collins_gisin_from_cells(scenario).T
        return cls(tables, coordinates, cells_from_collins_gisin(scenario), scenario.num_setting_combinations)

    @one_blas_thread()
    def fit(
        self,
        targets: FloatArray,
        tolerance: float | FloatArray = 1e-10,
        relative_tolerance: float = 0.0,
        *,
        start: FloatArray | None = None,
    ) -> tuple[FloatArray, FloatArray]:
        """Minimizes ``-sum target log(w @ tables) + sum w`` over w >= 0 for every row of targets.

        The method is a primal-dual interior-point method. Where the targets sum to 1, so do the optimal weights. It
        ends at the latest where only rounding errors would change; the gaps say how far each row came.

        Args:
            targets: Weights of cells, at least 0, shape ``(B, C)``, each row summing to 1.
            tolerance: Duality gap to reach among these strategies, in nats; one number, or one per row.
            relative_tolerance: The gap may also be this share of the row's divergence.
            start: Weights of similar targets to start from, shape ``(B, S)``, rows summing to 1; default: all equal.

        Returns:
            Weights, shape ``(B, S)``, rows summing to 1, and gaps, shape ``(B,)``.
        """
        size = targets.shape[1] * self.coordinates.shape[1] + self.coordinates.size
        rows = max(1, _BATCH_ENTRIES // size)
        wishes = np.broadcast_to(np.asarray(tolerance, dtype=float), (len(targets),))
        parts = []
        for i in range(0, len(targets), rows):
            part = slice(i, i + rows)
            known = None if start is None else start[part]
            parts.append(self._fit(targets[part], wishes[part], relative_tolerance, known))
        return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])

    def _start(self, targets: FloatArray, known: FloatArray | None) -> tuple[FloatArray, FloatArray]:
        """Weights and their slack to start from."""
        shape = (len(targets), len(self.coordinates))
        if known is None:
            return np.full(shape, 1 / shape[1]), np.ones(shape)
        w = (1 - _WHITE_NOISE_SHARE) * known + _WHITE_NOISE_SHARE / shape[1]
        q = w @ self.tables
        # Where nothing was seen, q may be zero.
        sums = np.divide(targets, q, out=np.zeros_like(q), where=targets > 0) @ self.tables.T
        level = np.maximum(sums.max(axis=1, keepdims=True) - 1, 1e-9)
        slack = np.maximum(1 - sums, level)
        # All products of the two alike, as far as that goes.
        return np.maximum(w, level / shape[1] / slack), slack

    def _fit(
        self, targets: FloatArray, tolerance: FloatArray, relative_tolerance: float, known: FloatArray | None
    ) -> tuple[FloatArray, FloatArray]:
        batch, count = len(targets), len(self.coordinates)
        w, slack = self._start(targets, known)
        entropy = _negative_entropy(targets) - _negative_entropy(
            targets.reshape(batch, self.num_setting_combinations, -1).sum(axis=2)
        )
        best, best_gap, since = w.copy(), np.full(batch, np.inf), np.zeros(batch, dtype=int)
        active = np.arange(batch)
        for _ in range(_MAX_STEPS):
            target, mixture, bound = targets[active], w[active], slack[active]
            # A sum of positive numbers, so that even the smallest probability keeps its digits.
            q = mixture @ self.tables
            seen = target > 0
            # Where nothing was seen, q may reach zero.
            ratio = np.divide(target, q, out=np.zeros_like(q), where=seen)
            gradient = 1 - ratio @ self.tables.T
            total = mixture.sum(axis=1)
            gap = (1 - gradient.min(axis=1)) * total - 1
            better = gap < best_gap[active]
            best[active[better]], best_gap[active[better]] = mixture[better], gap[better]
            since[active] = np.where(better, 0, since[active] + 1)
            average = np.sum(mixture * bound, axis=1) / count
            wish = 0.5 * tolerance[active]
            if relative_tolerance > 0:
                logs = np.log(np.where(seen, q / total[:, None], 1.0))
                wish = np.maximum(wish, relative_tolerance * (entropy[active] - np.sum(target * logs, axis=1) - gap))
            # Past the last two limits only rounding errors would change.
            going = (gap > wish) & (average * count >= _LEAST_COMPLEMENTARITY) & (since[active] < _PATIENCE)
            active = active[going]
            if not active.size:
                break
            mixture, bound, gradient, average = mixture[going], bound[going], gradient[going], average[going]
            curvature = np.divide(ratio, q, out=np.zeros_like(q), where=seen)[going]
            infeasibility = np.abs(gradient - bound).max(axis=1)
            # The further the iterate is from feasibility of the dual, the more it is kept to the center.
            stuck = since[active] >= _STUCK_STEPS
            aim = (average * np.where((infeasibility < 100 * average) & ~stuck, 0.1, 0.5))[:, None]
            steep = stuck | (curvature.max(axis=1) > _STEEP_CURVATURE)
            step = self._newton_step(curvature, mixture / bound, aim / mixture - gradient, steep)
            slack_step = aim / mixture - bound - bound / mixture * step
            # A step that no solver could find is left out: the row ends with what it has.
            sound = np.isfinite(step).all(axis=1) & np.isfinite(slack_step).all(axis=1)
            active, step, slack_step = active[sound], step[sound], slack_step[sound]
            mixture, bound = mixture[sound], bound[sound]
            w[active] = mixture + _step_length(mixture, step) * step
            slack[active] = bound + _step_length(bound, slack_step) * slack_step
        return best / best.sum(axis=1, keepdims=True), best_gap

    def _newton_step(
        self, curvature: FloatArray, scale: FloatArray, right: FloatArray, steep: NDArray[np.bool_]
    ) -> FloatArray:
        """Solves ``(T diag(curvature) T^T + diag(1 / scale)) step = right`` for every row; NaN where that fails."""
        step = np.full_like(right, np.nan)
        for rows in (np.flatnonzero(~steep), np.flatnonzero(steep)):
            if rows.size:
                solve = self._step_by_roots if steep[rows[0]] else self._step_in_coordinates
                step[rows] = _each_alone(solve, curvature[rows], scale[rows], right[rows])
        failed = np.flatnonzero(~np.isfinite(step).all(axis=1) & ~steep)
        if failed.size:
            step[failed] = _each_alone(self._step_by_roots, curvature[failed], scale[failed], right[failed])
        return step

    def _step_in_coordinates(self, curvature: FloatArray, scale: FloatArray, right: FloatArray) -> FloatArray:
        """With ``T = A Z^T`` the system has the size r of the coordinates: fast."""
        a, z = self.coordinates, self.cells
        inner = _weighted_squares(curvature, z, self._cell_squares)
        outer = _weighted_squares(scale, a, self._strategy_squares)
        system = np.matmul(outer, inner)
        diagonal = np.arange(system.shape[1])
        system[:, diagonal, diagonal] += 1
        moved = np.linalg.solve(system, ((scale * right) @ a)[:, :, None])
        return scale * (right - np.matmul(inner, moved)[:, :, 0] @ a.T)

    @cached_property
    def _cell_squares(self) -> FloatArray | None:
        return _squares(self.cells)

    @cached_property
    def _strategy_squares(self) -> FloatArray | None:
        return _squares(self.coordinates)

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


@lru_cache(maxsize=2)
def listed_problem(scenario: BellScenario) -> MixtureProblem:
    """The problem of all strategies of a scenario, in their order, kept for the next time."""
    return MixtureProblem.of(enumerate_strategies(scenario), scenario)


def _squares(rows: FloatArray) -> FloatArray | None:
    """The outer product of each row with itself, flattened, where that is little to keep."""
    if rows.size * rows.shape[1] > _MAX_SQUARES:
        return None
    return np.asarray((rows[:, :, None] * rows[:, None, :]).reshape(len(rows), -1))


def _weighted_squares(weights: FloatArray, rows: FloatArray, squares: FloatArray | None) -> FloatArray:
    """``rows^T diag(w) rows`` for every row w of weights, shape ``(B, r, r)``."""
    if squares is None:
        return np.matmul(rows.T * weights[:, None, :], rows)
    size = rows.shape[1]
    return (weights @ squares).reshape(-1, size, size)


def _each_alone(solve: Callable[..., FloatArray], *rows: FloatArray) -> FloatArray:
    """Solves all rows at once, or, if one of them is singular, one after the other: NaN for those."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        try:
            return solve(*rows)
        except np.linalg.LinAlgError:
            if len(rows[0]) == 1:
                return np.full_like(rows[-1], np.nan)
        return np.concatenate([_each_alone(solve, *(part[i : i + 1] for part in rows)) for i in range(len(rows[0]))])


def _negative_entropy(values: FloatArray) -> FloatArray:
    """``sum v log v`` of every row."""
    return np.sum(values * np.log(np.where(values > 0, values, 1.0)), axis=1)


def _step_length(values: FloatArray, step: FloatArray) -> FloatArray:
    shrink = np.max(-step / values, axis=1, keepdims=True)
    return np.where(shrink > 0.99, 0.99 / np.maximum(shrink, 0.99), 1.0)
