"""Local fits where the strategies of all parties but one are too many to hold: those that matter are generated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..models.deterministic import constant_strategies
from ..polytope.alternation import Alternation
from ..polytope.bounds import local_bound
from ..polytope.inequalities import BellExpression
from ..targets.scenario import BellScenario
from .quick_fits import fit_responses
from .responses import ResponseMaps

__all__ = ["GeneratedFits", "PooledMaps", "exact_largest_sum"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_MAX_ROUNDS = 12
_STARTS = 200
_BITS = 50


@dataclass(frozen=True)
class PooledMaps(ResponseMaps):
    """Like its base, with some strategies of the listed parties instead of all."""

    pool: IntArray
    """The strategies, shape ``(H, m_1 + ... + m_N)``; what the last party does there is not used."""

    @cached_property
    def num_listed(self) -> int:
        """Number of strategies in the pool."""
        return len(self.pool)

    def sums(self, cells: FloatArray) -> FloatArray:
        """For each strategy of the pool and answer of the last party, the sum of the cells that they play."""
        m, d = self.last_shape
        tensor = cells[self._places].reshape(d, -1, m * cells.shape[-1])
        return np.matmul(self._joint_plays, tensor).reshape(d, self.num_listed, m, -1)

    def mixture(self, responses: FloatArray) -> FloatArray:
        """The cells that responses produce, each weighted with the probability of its strategy."""
        batch = responses.shape[-1]
        tensor = responses.reshape(self.last_shape[1], self.num_listed, -1)
        return np.matmul(self._joint_plays.T, tensor).reshape(-1, batch)[self._back]

    @cached_property
    def _joint_plays(self) -> FloatArray:
        """Which cells of the listed parties each strategy plays, shape ``(H, product of m_k d_k)``."""
        starts = np.concatenate([[0], np.cumsum(self.scenario.num_settings)])
        joint = np.ones((self.num_listed, 1))
        for k in self.order[:-1]:
            own = np.eye(self.scenario.max_outcomes[k])[self.pool[:, starts[k] : starts[k + 1]]]
            joint = (joint[:, :, None] * own.reshape(self.num_listed, 1, -1)).reshape(self.num_listed, -1)
        return joint


class GeneratedFits:
    """Fits of one set of data, stage after stage: strategies found for earlier stages serve later ones.

    Args:
        scenario: The scenario.
    """

    def __init__(self, scenario: BellScenario) -> None:
        self._scenario = scenario
        self._oracle = Alternation(scenario)
        self._pool = constant_strategies(scenario)
        self._rng = np.random.default_rng(0)

    def fit(self, cells: FloatArray, weights: FloatArray, gap_share: float, least_gap: FloatArray) -> FloatArray:
        """A local behavior near one table of cells; see :func:`~qiskit_lhv.statistics.quick_fits.fit_responses`.

        The search for strategies is heuristic: the gap is not proven, and need not be.

        Args:
            cells: Shape ``(num_cells, 1)``.
            weights: Shape ``(num_cells, 1)``.
            gap_share: Share of the divergence that the gap may reach.
            least_gap: Gap that is always small enough, shape ``(1,)``.
        """
        q = np.ones_like(cells)
        for _ in range(_MAX_ROUNDS):
            q, _ = fit_responses(PooledMaps(self._scenario, self._pool), cells, weights, gap_share, least_gap)
            divergence = float(np.sum(cells * np.log(cells / (q * weights))))
            ratio = (cells / q).reshape(self._scenario.shape)
            starts = np.concatenate(
                [
                    self._oracle.random_starts(_STARTS, self._rng),
                    self._oracle.perturbed(self._pool[:_STARTS], 0.2, self._rng),
                ]
            )
            values, strategies = self._oracle.improve(self._oracle.tensor_of(ratio), starts)
            enough = 1 + max(gap_share * divergence, float(least_gap[0]))
            better = strategies[values > enough]
            grown = _distinct(np.concatenate([better, self._pool]))
            if not len(better) or len(grown) == len(self._pool):
                break
            self._pool = grown
        return q


def _distinct(strategies: IntArray) -> IntArray:
    """The different rows, in the order in which they come first."""
    _, first = np.unique(strategies, axis=0, return_index=True)
    return strategies[np.sort(first)]


def exact_largest_sum(coefficients: FloatArray, scenario: BellScenario) -> float:
    """The largest sum of coefficients that a strategy collects, rounded up: exact, in integers.

    Args:
        coefficients: Positive, of the real cells, shape ``(num_cells,)``.
        scenario: The scenario.
    """
    scale = 2.0 ** (_BITS - math.ceil(math.log2(float(coefficients.sum()) + 1)))
    rounded = (np.ceil(coefficients * scale) + 1) / scale
    table = np.zeros(scenario.shape)
    table[scenario.mask] = rounded
    return local_bound(BellExpression(table, scenario)).value
