"""Local fits where the strategies of all parties but one are too many to hold: those that matter are generated."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..._support.deadlines import NO_LIMIT, Deadline
from ..._support.threads import one_blas_thread
from ..._support.types import FloatArray, IntArray
from ...models.deterministic import constant_strategies
from ...polytope.bounds.alternation import Alternation
from ...polytope.bounds.local_bounds import local_bound
from ...polytope.expressions.expression import BellExpression
from ...targets.scenario import BellScenario
from .conditional_fits import ConditionalProblem, party_order
from .conditional_interior_point import ConditionalSearch

__all__ = ["GeneratedFits", "exact_largest_sum"]


_MAX_ROUNDS = 60
_NUM_STARTS, _FIRST_POOL = 300, 60
# A round's own gap is this share of what is wished for, or of the gap to strategies that are not in the pool.
_OWN_SHARE, _ROUND_SHARE = 0.3, 0.03
_PERTURBED_SHARE = 0.1
# Strategies of less weight than this leave the pool; those that come back in the same fit stay.
_LEAST_WEIGHT = 3e-5
_MAX_PRODUCTS = 3000
_SINGLE_PRECISION = 1e-5
_TOTAL_BITS = 50


class GeneratedFits:
    """Fits of one set of data, stage after stage: strategies found for earlier stages serve later ones.

    The strategies of all parties but the one that answers are generated: those that improve a fit most are added to a
    pool, until none does.

    Args:
        scenario: The scenario.
    """

    def __init__(self, scenario: BellScenario) -> None:
        self._scenario = scenario
        self._oracle = Alternation(scenario)
        self._order = party_order(scenario)
        starts = np.concatenate([[0], np.cumsum(scenario.num_settings)])
        self._columns = [np.arange(starts[k], starts[k + 1]) for k in self._order]
        self._listed_columns = np.concatenate([np.empty(0, dtype=np.int64), *self._columns[:-1]])
        # In the pool for good, so that no cell is impossible.
        self._basis = _distinct(self._listed(constant_strategies(scenario)))
        self._rng = np.random.default_rng(0)
        self._problem: ConditionalProblem | None = None
        self._model: FloatArray = np.empty(0)
        self._dropped: set[bytes] = set()
        self.own_gap = math.inf
        """The gap of the last fit among the strategies of its pool."""

    @property
    def problem(self) -> ConditionalProblem:
        """The pool of the last fit."""
        assert self._problem is not None
        return self._problem

    @one_blas_thread()
    def fit(
        self,
        cells: FloatArray,
        gap_share: float,
        least_gap: float,
        *,
        exact: bool = False,
        deadline: Deadline = NO_LIMIT,
    ) -> FloatArray:
        """A local behavior near a table of cells.

        The search for strategies is heuristic, unless ``exact`` is asked for: then the gap is not proven, and need not
        be.

        Args:
            cells: ``w_x f(a|x)``, at least 0, summing to 1, shape ``(num_cells,)``.
            gap_share: Share of the divergence that the gap may reach.
            least_gap: Gap that is always small enough.
            exact: Whether no strategy at all may improve the fit by more.
            deadline: When to end with what was found; default: never.

        Returns:
            The model of the strategies of :attr:`problem`, shape ``(L, m, d)``; the behavior is that of
            :meth:`behavior_of`.
        """
        if self._problem is None:
            uniform = cells * math.prod(self._scenario.max_outcomes)
            strategies, _ = self._improving(uniform, -math.inf)
            pool = _distinct(np.concatenate([self._basis, strategies[:_FIRST_POOL]]))
            self._problem, known = ConditionalProblem.of(self._scenario, pool), None
        else:
            kept = self._kept()
            known = self._model[kept]
            self._problem = ConditionalProblem.of(self._scenario, self._problem.listed[kept])
        self._dropped = set()
        gap, final = math.inf, False
        for turn in range(_MAX_ROUNDS):
            problem = self._problem
            m, d = problem.num_answers
            search = ConditionalSearch(problem, problem.matrix_of(cells), _MAX_PRODUCTS, deadline)
            own = _OWN_SHARE * least_gap
            if not final and math.isfinite(gap):
                own = max(own, _ROUND_SHARE * gap)
            elif not final:
                own = max(own, _ROUND_SHARE)
            found, self.own_gap = search.run(own, _OWN_SHARE * gap_share, known)
            self._model = found.reshape(-1, m, d)
            if deadline.over:
                break
            enough = max(least_gap, gap_share * search.divergence)
            if search.divergence <= least_gap and not exact:
                break
            q = self.behavior_of(self._model)
            ratio = np.divide(cells, q, out=np.zeros_like(cells), where=cells > 0)
            listed, gap = self._improving(ratio, enough)
            if gap <= enough and exact:
                listed, gap = self._best(ratio, deadline)
            if gap <= enough or turn == _MAX_ROUNDS - 1:
                break
            listed = _distinct(listed, problem.listed)
            if not len(listed):
                if final:
                    break
                final = True
                known = self._model
                continue
            final = False
            kept = self._kept()
            self._problem = ConditionalProblem.of(self._scenario, np.concatenate([problem.listed[kept], listed]))
            known = np.concatenate([self._model[kept], np.zeros((len(listed), m, d))])
        return self._model

    def _kept(self) -> NDArray[np.bool_]:
        """Which strategies of the pool stay in it."""
        weights = self._model[:, 0].sum(axis=1)
        kept: NDArray[np.bool_] = weights > _LEAST_WEIGHT
        kept[: len(self._basis)] = True
        for i in np.flatnonzero(~kept):
            row = self.problem.listed[i].tobytes()
            if row in self._dropped:
                kept[i] = True
            self._dropped.add(row)
        return kept

    def behavior_of(self, model: FloatArray) -> FloatArray:
        """The behavior of a model of the last fit, shape ``(num_cells,)``."""
        return self.problem.cells_of(self.problem.members_transposed @ model.reshape(len(model), -1))

    def _listed(self, strategies: IntArray) -> IntArray:
        return np.hstack(
            [np.empty((len(strategies), 0), dtype=np.int64), *(strategies[:, c] for c in self._columns[:-1])]
        )

    def _improving(self, ratio: FloatArray, least: float) -> tuple[IntArray, float]:
        """Listed strategies whose sum exceeds 1 by more than a number, best first, and by how much the best does."""
        starts = [self._oracle.random_starts(_NUM_STARTS, self._rng)]
        if self._problem is not None and len(self._model) == len(self._problem.listed):
            heaviest = np.argsort(-self._model[:, 0].sum(axis=1), kind="stable")[:_NUM_STARTS]
            known = np.empty((len(heaviest), sum(self._scenario.num_settings)), dtype=np.int64)
            known[:, np.concatenate(self._columns)] = np.hstack(
                [self._problem.listed[heaviest], self._model[heaviest].argmax(axis=2)]
            )
            starts.append(self._oracle.perturbed(known, _PERTURBED_SHARE, self._rng))
        matrix = self._oracle.tensor_of(ratio.reshape(self._scenario.shape))
        values, strategies = self._oracle.improve(matrix, np.concatenate(starts))
        best_first = np.argsort(-values, kind="stable")
        near = best_first[values[best_first] > 1 + least - _SINGLE_PRECISION * abs(float(values.max()))]
        listed = _distinct(self._listed(strategies[near]))
        if not len(listed):
            return listed, float(values.max()) - 1
        # The search is in single precision.
        gains = ConditionalProblem.of(self._scenario, listed).largest_sums(ratio) - 1
        best_first = np.argsort(-gains, kind="stable")
        return listed[best_first][gains[best_first] > least], float(gains.max())

    def _best(self, ratio: FloatArray, deadline: Deadline) -> tuple[IntArray, float]:
        """The best strategy of all, and by how much its sum exceeds 1."""
        expression = BellExpression(ratio.reshape(self._scenario.shape), self._scenario)
        bound = local_bound(expression, time_limit=deadline.left)
        return self._listed(bound.strategy[None]), bound.value - 1


def _distinct(rows: IntArray, known: IntArray | None = None) -> IntArray:
    """The different rows, in the order in which they come first, without those that are known."""
    seen = set() if known is None else {row.tobytes() for row in known}
    kept = []
    for i, row in enumerate(rows):
        key = row.tobytes()
        if key not in seen:
            seen.add(key)
            kept.append(i)
    return rows[kept]


def exact_largest_sum(coefficients: FloatArray, scenario: BellScenario) -> float:
    """The largest sum of coefficients that a strategy collects, rounded up: exact, in integers.

    Args:
        coefficients: Positive, of the real cells, shape ``(num_cells,)``.
        scenario: The scenario.
    """
    scale = 2.0 ** (_TOTAL_BITS - math.ceil(math.log2(float(coefficients.sum()) + 1)))
    rounded = (np.ceil(coefficients * scale) + 1) / scale
    table = np.zeros(scenario.shape)
    table[scenario.mask] = rounded
    return local_bound(BellExpression(table, scenario)).value
