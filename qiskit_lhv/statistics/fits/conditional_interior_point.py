"""The interior-point method behind conditional fits, with two ways to solve its linear systems.

Variables are ``v(l, y, b)``: the weight of the listed strategy l, and how the last party answers b to y beside it. A
step is found in the cells by conjugate gradients, or, where no-signaling tables have few coordinates, in these at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._support.deadlines import NO_LIMIT, Deadline
from ..._support.types import FloatArray

if TYPE_CHECKING:
    from .conditional_fits import ConditionalProblem

__all__ = ["ConditionalSearch", "Coordinates"]


_MAX_STEPS = 100
# Steps in which the gap may fail to fall, after which only rounding errors would change.
_PATIENCE = 6
# As many such steps, and systems in coordinates, which lose digits first, are given up.
_STUCK_STEPS = 2
_LEAST_COMPLEMENTARITY = 1e-14
# Share of the way to the boundary that a step may go.
_REACH = 0.95
# Steps of expectation and maximization before the first step, and the share of white noise that is added then; for a
# model of similar cells that is known, too.
_FIRST_STEPS, _WHITE_NOISE_SHARE = 30, 0.05
_FIRST_STEPS_KNOWN, _WHITE_NOISE_SHARE_KNOWN = 10, 1e-2
# Relative accuracy of a step, and what it is times the complementarity.
_ACCURACY, _ACCURACY_SLOPE, _BEST_ACCURACY = 1e-5, 1e-2, 1e-9


@dataclass(frozen=True)
class Coordinates:
    """The coordinates of no-signaling tables, for systems of their size.

    Strategies have coordinates by party: 1, and whether it answers a to x for all a but the last. A table's are one for
    each combination of theirs.
    """

    strategies: FloatArray
    """Of the listed strategies, in coordinates of the listed parties, shape ``(L, r_1)``."""
    cells: Any
    """Sparse matrix from coordinates to cells, flattened from ``(listed cells, m d)``, shape ``(C, r_1 r_2)``."""
    answers: tuple[int, int]
    """Settings and outcomes of the party that answers: ``r_2 = 1 + m (d - 1)``."""

    def of_model(self, v: FloatArray) -> FloatArray:
        """Coordinates of the table of weights ``(L, m, d)`` that sum to the same for all settings."""
        m, d = self.answers
        shown = np.column_stack([v[:, 0].sum(axis=1), v[:, :, : d - 1].reshape(-1, m * (d - 1))])
        return (self.strategies.T @ shown).ravel()

    def responses(self, scale: FloatArray, part: FloatArray, inverse: FloatArray) -> FloatArray:
        """How the table moves with prices of cells, in coordinates: a symmetric matrix.

        Args:
            scale: ``v / slack``, shape ``(L, m, d)``.
            part: The shares of ``scale`` in its sum over outcomes, same shape.
            inverse: The inverse of that sum, shape ``(L, m)``.
        """
        m, d = self.answers
        a = self.strategies
        width, own = a.shape[1], 1 + m * (d - 1)
        shown = np.column_stack([np.ones(len(a)), part[:, :, : d - 1].reshape(len(a), -1)])
        shown /= np.sqrt(inverse.sum(axis=1))[:, None]
        lifted = (a[:, :, None] * shown[:, None, :]).reshape(len(a), -1)
        # A product with its own transpose is symmetric, of which the library computes one half.
        moved = (lifted.T @ lifted).reshape(width, own, width, own)
        free, kept = scale[:, :, : d - 1], part[:, :, : d - 1]
        for y in range(m):
            for b in range(d - 1):
                for other in range(b, d - 1):
                    bend = -free[:, y, b] * kept[:, y, other] + (free[:, y, b] if b == other else 0.0)
                    block = (a.T * bend) @ a
                    i, j = 1 + y * (d - 1) + b, 1 + y * (d - 1) + other
                    moved[:, i, :, j] += block
                    if i != j:
                        moved[:, j, :, i] += block
        return moved.reshape(width * own, width * own)


class ConditionalSearch:
    """The interior-point method for one target.

    Args:
        problem: The listed strategies.
        target: Weights of cells, shape ``(listed cells, m d)``, summing to 1.
        max_products: Products with the map that conjugate gradients may take.
        deadline: When to end with what was found.
    """

    def __init__(
        self, problem: ConditionalProblem, target: FloatArray, max_products: int, deadline: Deadline = NO_LIMIT
    ) -> None:
        self._m, self._d = problem.num_answers
        self._listed, self._summed = problem.members, problem.members_transposed
        self._coordinates = problem.coordinates
        self._target = target
        self._seen = target > 0
        count = len(problem.listed)
        self._shape = (count, self._m, self._d)
        self._products = max_products
        self._deadline = deadline
        # What the log-likelihood of the frequencies themselves is, with the shares of settings in it.
        shares = problem.cells_of(target).reshape(problem.scenario.shape).sum(axis=problem.scenario.outcome_axes)
        self._entropy = float(np.sum(target[self._seen] * np.log(target[self._seen]))) - float(
            np.sum(shares[shares > 0] * np.log(shares[shares > 0]))
        )
        self.divergence = np.inf
        """Of the best model so far from the target."""

    def _ratios(self, v: FloatArray) -> tuple[FloatArray, FloatArray]:
        q = self._summed @ v
        return q, np.divide(self._target, q, out=np.zeros_like(q), where=self._seen)

    def gap_of(self, v: FloatArray) -> float:
        """The duality gap of a model whose weights sum to 1, shape ``(L, m d)``."""
        with np.errstate(divide="ignore"):
            return self._gap(self._listed @ self._ratios(v)[1])

    def _gap(self, sums: FloatArray) -> float:
        return float(sums.reshape(self._shape).max(axis=2).sum(axis=1).max()) - 1

    def _maximized(self, v: FloatArray) -> FloatArray:
        """The model after one step of expectation and maximization."""
        counts = (v * (self._listed @ self._ratios(v)[1])).reshape(self._shape)
        totals = counts.sum(axis=2, keepdims=True)
        weights = totals.sum(axis=1, keepdims=True)
        return (counts * np.divide(weights, totals, out=np.zeros_like(totals), where=totals > 0)).reshape(v.shape)

    def _start(self, known: FloatArray | None) -> tuple[FloatArray, FloatArray, FloatArray]:
        """A model, shape ``(L, m d)``, its slack and its shares."""
        count, m, d = self._shape
        v = np.full((count, m * d), 1 / (count * d)) if known is None else known.reshape(count, -1)
        white = _WHITE_NOISE_SHARE if known is None else _WHITE_NOISE_SHARE_KNOWN
        for _ in range(_FIRST_STEPS if known is None else _FIRST_STEPS_KNOWN):
            v = self._maximized(v)
        v = (1 - white) * v + white / (count * d)
        # Multipliers: one number for each strategy and setting, which sum to 1 over settings, and slack of v >= 0.
        sums = (self._listed @ self._ratios(v)[1]).reshape(self._shape)
        level = self._gap(sums) / m
        most = sums.max(axis=2)
        shares = most + (1 - most.sum(axis=1, keepdims=True)) / m
        slack = np.maximum(shares[:, :, None] - sums, max(level, 1e-12))
        # All products of the two alike, as far as that goes.
        wide = np.maximum(v.reshape(self._shape), level / (count * d) / slack)
        totals = wide.sum(axis=2, keepdims=True)
        wide *= totals.max(axis=1, keepdims=True) / totals
        return (wide / wide[:, 0].sum()).reshape(count, -1), slack.reshape(count, -1), shares

    def run(self, tolerance: float, relative_tolerance: float, known: FloatArray | None) -> tuple[FloatArray, float]:
        """The best model found, shape ``(L, m d)``, and its gap.

        Args:
            tolerance: Gap to reach.
            relative_tolerance: The gap may also be this share of the divergence.
            known: A model of a similar target, shape ``(L, m, d)``.
        """
        _, m, _ = self._shape
        v, slack, shares = self._start(known)
        best, best_gap, since, length = v, np.inf, 0, 1.0
        solve = self._solve_by_products if self._coordinates is None else self._solve_in_coordinates
        for _ in range(_MAX_STEPS):
            q, ratio = self._ratios(v)
            sums = self._listed @ ratio
            total = float(v.sum()) / m
            # As for a model whose weights sum to 1.
            gap = self._gap(sums) * total + total - 1
            since += 1
            if gap < best_gap:
                best, best_gap, since = v / total, gap, 0
                logs = np.log(q[self._seen] / total)
                self.divergence = self._entropy - float(np.sum(self._target[self._seen] * logs))
            complementarity = float(np.sum(v * slack))
            done = gap <= max(tolerance, relative_tolerance * (self.divergence - gap))
            if done or since >= _PATIENCE or complementarity < _LEAST_COMPLEMENTARITY or self._products <= 0:
                break
            if self._deadline.over:
                break
            if since >= _STUCK_STEPS:
                solve = self._solve_by_products
            # The shorter the last step, the more the next one is kept to the center.
            center = 0.1 if length > 0.7 else (0.3 if length > 0.3 else 0.6)
            aim = center * complementarity / v.size
            # The systems need not be solved more exactly than the multipliers are known.
            accuracy = min(_ACCURACY, max(_BEST_ACCURACY, _ACCURACY_SLOPE * complementarity))
            step = self._step(v, slack, shares, q, ratio, sums, aim, accuracy, solve)
            if step is None:
                if solve == self._solve_by_products:
                    break
                solve, since = self._solve_by_products, 0
                continue
            length = min(1.0, _room(v, step[0]), _room(slack, step[1]))
            v, slack, shares = v + length * step[0], slack + length * step[1], shares + length * step[2]
        return best, best_gap

    def _step(
        self,
        v: FloatArray,
        slack: FloatArray,
        shares: FloatArray,
        q: FloatArray,
        ratio: FloatArray,
        sums: FloatArray,
        aim: float,
        accuracy: float,
        solve: Callable[..., FloatArray],
    ) -> tuple[FloatArray, FloatArray, FloatArray] | None:
        """One Newton step of all conditions: of v, of its slack, and of the shares; ``None`` where that fails."""
        curvature = np.divide(ratio, q, out=np.zeros_like(q), where=self._seen)
        move = _Moves(v, slack, self._shape)
        excess = shares.sum(axis=1) - 1
        right = aim / v - (np.repeat(shares, self._d, axis=1) - sums)
        try:
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                prices = solve(move, move(right, excess)[0], curvature, accuracy)
                step, shares_step = move(right - self._listed @ prices, excess)
                slack_step = aim / v - slack - step / move.scale
        except np.linalg.LinAlgError:
            return None
        sound = np.isfinite(step).all() and np.isfinite(slack_step).all()
        return (step, slack_step, shares_step) if sound else None

    def _solve_in_coordinates(
        self, move: _Moves, first: FloatArray, curvature: FloatArray, accuracy: float
    ) -> FloatArray:
        """The prices ``curvature * (cells of the step)``, by a system in coordinates."""
        from scipy.sparse import diags_array

        assert self._coordinates is not None
        cells = self._coordinates.cells
        bend = (cells.T @ (diags_array(curvature.ravel()) @ cells)).tocsr()
        wide, part = (vector.reshape(self._shape) for vector in (move.scale, move.part))
        system = (bend.T @ self._coordinates.responses(wide, part, move.inverse)).T
        system[np.diag_indices(len(system))] += 1
        found = np.linalg.solve(system, self._coordinates.of_model(first.reshape(self._shape)))
        return curvature * (cells @ found).reshape(curvature.shape)

    def _solve_by_products(self, move: _Moves, first: FloatArray, curvature: FloatArray, accuracy: float) -> FloatArray:
        """The same by conjugate gradients in the cells."""
        # There the system is 1 + root A move A^T root, whose diagonal is the preconditioner.
        root = np.sqrt(curvature)
        precondition = 1 / (1 + curvature * (self._summed @ move.diagonal))
        residual = root * (self._summed @ first)
        found = np.zeros_like(residual)
        reduced = precondition * residual
        direction = reduced.copy()
        size = float(np.sum(residual * reduced))
        enough = accuracy**2 * size
        while size > enough and self._products > 0:
            product = direction + root * (self._summed @ move(self._listed @ (root * direction), 0.0)[0])
            self._products -= 1
            ahead = size / float(np.sum(direction * product))
            found += ahead * direction
            residual -= ahead * product
            reduced = precondition * residual
            size, before = float(np.sum(residual * reduced)), size
            direction = reduced + (size / before) * direction
        return root * found


class _Moves:
    """How a model moves with a change of its prices, at the same weight for all settings."""

    def __init__(self, v: FloatArray, slack: FloatArray, shape: tuple[int, int, int]) -> None:
        self._shape = shape
        self.scale = v / slack
        wide = self.scale.reshape(shape)
        self.inverse = 1 / wide.sum(axis=2)
        self.part = (wide * self.inverse[:, :, None]).reshape(len(v), -1)
        self._all_inverse = self.inverse.sum(axis=1)

    @property
    def diagonal(self) -> FloatArray:
        """The diagonal of the map."""
        return self.scale - self.scale * self.part + self.part**2 / self._all_inverse[:, None]

    def __call__(self, right: FloatArray, excess: FloatArray | float) -> tuple[FloatArray, FloatArray]:
        """The v that ``v / scale + shares = right`` gives, and the shares."""
        scaled = self.scale * right
        lead = scaled.reshape(self._shape).sum(axis=2)
        weight = (np.sum(lead * self.inverse, axis=1) + excess) / self._all_inverse
        rest = lead - weight[:, None]
        scaled -= self.part * np.repeat(rest, self._shape[2], axis=1)
        return scaled, rest * self.inverse


def _room(values: FloatArray, step: FloatArray) -> float:
    """The longest step that keeps all values positive."""
    return _REACH / max(float(np.max(-step / values)), 1e-12)
