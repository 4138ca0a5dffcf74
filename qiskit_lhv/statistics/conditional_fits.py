"""Maximum-likelihood local models for many outcomes: one party answers, the strategies of the others are listed.

A local model is ``q(a, b|x, y) = sum_l [l plays a at x] v(l, y, b)``: l are the joint strategies of all parties but
one, and ``sum_b v(l, y, b)`` is the weight of l for every setting y of the last party. Those are far fewer numbers than
there are strategies of all parties, and products with the matrix of this map cost next to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._threads import one_blas_thread
from ..models.deterministic import party_strategies
from ..targets.coordinates import from_party_axes, to_party_axes
from ..targets.scenario import BellScenario

__all__ = ["ConditionalProblem", "conditional_size"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_MAX_STEPS = 100
# Steps in which the gap may fail to fall, after which only rounding errors would change.
_PATIENCE = 6
# Products with the map, in all; fewer where a product is large, but never fewer than the second number.
_MAX_PRODUCTS, _LEAST_PRODUCTS = 30_000, 3_000
_MAX_WORK = 1 << 29
_LEAST_COMPLEMENTARITY = 1e-14
# Share of the way to the boundary that a step may go.
_REACH = 0.95
# Steps of expectation and maximization before the first step, and the share of white noise that is added then.
_FIRST_STEPS, _WHITE = 30, 0.05
# Relative accuracy of a step, and what it is times the complementarity.
_ACCURACY, _ACCURACY_SLOPE, _BEST_ACCURACY = 1e-5, 1e-2, 1e-9
_CHUNK_ENTRIES = 1 << 23
# A few strategies less must not cost more than this share of the gap.
_SPARSER = 0.05


def conditional_size(scenario: BellScenario) -> int:
    """How many numbers describe a local model here."""
    last = int(np.argmax(scenario.num_party_strategies))
    listed = scenario.num_strategies // scenario.num_party_strategies[last]
    return listed * scenario.num_settings[last] * scenario.max_outcomes[last]


@dataclass(frozen=True, eq=False)
class ConditionalProblem:
    """The listed strategies, and where each plays in the tables."""

    scenario: BellScenario
    """The scenario."""
    listed: IntArray
    """Joint strategies of the parties that do not answer, in their order, shape ``(L, sum of their settings)``."""
    members: Any
    """Sparse matrix of zeros and ones, shape ``(L, cells of the listed parties)``."""
    order: tuple[int, ...]
    """The parties; the one that answers is the last."""

    @classmethod
    def of(cls, scenario: BellScenario) -> ConditionalProblem:
        """The problem of a scenario; the party with the most strategies answers."""
        from scipy.sparse import csr_matrix

        last = int(np.argmax(scenario.num_party_strategies))
        others = [k for k in range(scenario.num_parties) if k != last]
        sizes = [(scenario.num_settings[k], scenario.max_outcomes[k]) for k in others]
        tables = [party_strategies(scenario.num_outcomes[k]) for k in others]
        index = (
            np.indices([len(table) for table in tables]).reshape(len(tables), -1) if tables else np.empty((0, 1), int)
        )
        count = index.shape[1]
        listed = np.hstack([np.empty((count, 0), dtype=np.int64), *(t[i] for t, i in zip(tables, index, strict=True))])
        # The cells in which a strategy plays: one for each combination of the listed parties' settings.
        cells = np.zeros((count, 1), dtype=np.int64)
        for (m, d), table, i in zip(sizes, tables, index, strict=True):
            own = table[i] + d * np.arange(m)
            cells = (cells[:, :, None] * (m * d) + own[:, None, :]).reshape(count, -1)
        width = int(np.prod([m * d for m, d in sizes]))
        rows = np.arange(0, cells.size + 1, cells.shape[1])
        members = csr_matrix((np.ones(cells.size), cells.ravel(), rows), shape=(count, width))
        return cls(scenario, listed, members, (*others, last))

    @property
    def num_answers(self) -> tuple[int, int]:
        """Number of settings and of outcomes of the party that answers."""
        last = self.order[-1]
        return self.scenario.num_settings[last], self.scenario.max_outcomes[last]

    def matrix_of(self, cells: FloatArray) -> FloatArray:
        """A flattened table as a matrix: cells of the listed parties, cells of the party that answers."""
        axes = to_party_axes(cells.reshape(self.scenario.shape), self.scenario).transpose(self.order)
        m, d = self.num_answers
        return np.ascontiguousarray(axes.reshape(-1, m * d))

    def cells_of(self, matrix: FloatArray) -> FloatArray:
        """Inverse of :meth:`matrix_of`."""
        pairs = list(zip(self.scenario.num_settings, self.scenario.max_outcomes, strict=True))
        axes = matrix.reshape([pairs[k][0] * pairs[k][1] for k in self.order]).transpose(np.argsort(self.order))
        return from_party_axes(axes, self.scenario).ravel()

    @one_blas_thread()
    def fit(
        self,
        target: FloatArray,
        tolerance: float,
        relative_tolerance: float = 0.0,
        *,
        start: FloatArray | None = None,
        max_products: int | None = None,
    ) -> tuple[FloatArray, float]:
        """Minimizes ``-sum target log q`` over all local q, until the gap is small enough or no longer falls.

        A primal-dual interior-point method, whose linear systems are solved by conjugate gradients.

        Args:
            target: Weights of cells, at least 0, summing to 1, shape ``(num_cells,)``.
            tolerance: Duality gap to reach, in nats.
            relative_tolerance: The gap may also be this share of the divergence.
            start: A model v of a similar target, to start from.
            max_products: Products with the map that may be spent; default: as many as take some seconds.

        Returns:
            The model v, shape ``(L, m, d)``, and its gap.
        """
        m, d = self.num_answers
        size = len(self.listed) * m * d
        if max_products is None:
            max_products = min(_MAX_PRODUCTS, max(_LEAST_PRODUCTS, _MAX_WORK // size))
        search = _Search(self, self.matrix_of(target), max_products)
        v, gap = search.run(tolerance, relative_tolerance, start)
        wish = max(gap * (1 + _SPARSER), tolerance, relative_tolerance * (search.divergence - gap))
        return self._sparser(v.reshape(-1, m, d), search, wish)

    def _sparser(self, v: FloatArray, search: _Search, wish: float) -> tuple[FloatArray, float]:
        """The model without the answers that an interior point only keeps for safety, while the gap stays as wished."""
        for digits in range(2, 16):
            found = np.where(v > float(v.max()) * 10.0**-digits, v, 0.0)
            # A strategy stays if it has an answer to every setting.
            found *= (found.sum(axis=2).min(axis=1) > 0)[:, None, None]
            weights = v.sum(axis=2).mean(axis=1)
            totals = found.sum(axis=2, keepdims=True)
            found = np.divide(found, totals, out=np.zeros_like(found), where=totals > 0) * weights[:, None, None]
            found /= found[:, 0].sum()
            gap = search.gap_of(found.reshape(len(found), -1))
            if gap <= wish:
                return found, gap
        return v, search.gap_of(v.reshape(len(v), -1))

    def strategies_of(self, v: FloatArray) -> tuple[FloatArray, IntArray]:
        """The model as a mixture of strategies of all parties: weights, shape ``(H,)``, and strategies.

        The answers to different settings are drawn with one number between 0 and 1, so that few strategies are needed.
        """
        m, d = self.num_answers
        kept = np.flatnonzero(v[:, 0].sum(axis=1) > 0)
        chunk = max(1, _CHUNK_ENTRIES // (m * d) ** 2)
        weights, listed, answers = [], [], []
        for start in range(0, len(kept), chunk):
            rows = kept[start : start + chunk]
            ends = np.cumsum(v[rows], axis=2)
            ends /= ends[:, :, -1:]
            cuts = np.sort(ends.reshape(len(rows), -1), axis=1)
            widths = np.diff(cuts, axis=1, prepend=0.0)
            row, piece = np.nonzero(widths > 1e-15)
            middle = cuts[row, piece] - widths[row, piece] / 2
            answers.append(np.minimum((ends[row] <= middle[:, None, None]).sum(axis=2), d - 1))
            listed.append(self.listed[rows[row]])
            weights.append(widths[row, piece] * v[rows, 0].sum(axis=1)[row])
        columns = np.hstack([np.concatenate(listed), np.concatenate(answers)])
        # Back to the parties' own order.
        starts = np.cumsum([0, *(self.scenario.num_settings[k] for k in self.order)])
        place = {k: np.arange(starts[i], starts[i + 1]) for i, k in enumerate(self.order)}
        total = np.concatenate(weights)
        strategies = columns[:, np.concatenate([place[k] for k in range(self.scenario.num_parties)])]
        if not self.scenario.has_equal_outcomes:
            # What little an interior point leaves to padding is better given to a setting's last outcome.
            strategies = np.minimum(strategies, np.concatenate(self.scenario.num_outcomes) - 1)
        return total / total.sum(), strategies

    def largest_sum(self, coefficients: FloatArray) -> float:
        """The largest sum of coefficients, shape ``(num_cells,)``, that a strategy collects."""
        m, d = self.num_answers
        sums = self.members @ self.matrix_of(coefficients)
        return float(sums.reshape(-1, m, d).max(axis=2).sum(axis=1).max())


class _Search:
    """The interior-point method for one target."""

    def __init__(self, problem: ConditionalProblem, target: FloatArray, max_products: int) -> None:
        self._m, self._d = problem.num_answers
        self._listed = problem.members
        self._summed = problem.members.T.tocsr()
        self._target = target
        self._seen = target > 0
        count = len(problem.listed)
        self._shape = (count, self._m, self._d)
        self._products = max_products
        # What the log-likelihood of the frequencies themselves is, with the shares of settings in it.
        shares = problem.cells_of(target).reshape(problem.scenario.shape).sum(axis=problem.scenario.outcome_axes)
        self._entropy = float(np.sum(target[self._seen] * np.log(target[self._seen]))) - float(
            np.sum(shares[shares > 0] * np.log(shares[shares > 0]))
        )
        self.divergence = np.inf

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

    def run(self, tolerance: float, relative_tolerance: float, start: FloatArray | None) -> tuple[FloatArray, float]:
        """The best model found, shape ``(L, m d)``, and its gap."""
        count, m, d = self._shape
        v = np.full((count, m * d), 1 / (count * d)) if start is None else start.reshape(count, -1)
        for _ in range(_FIRST_STEPS):
            v = self._maximized(v)
        v = (1 - _WHITE) * v + _WHITE / (count * d)
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
        v, slack = (wide / wide[:, 0].sum()).reshape(count, -1), slack.reshape(count, -1)
        best, best_gap, since, length = v, np.inf, 0, 1.0
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
            # The shorter the last step, the more the next one is kept to the center.
            center = 0.1 if length > 0.7 else (0.3 if length > 0.3 else 0.6)
            aim = center * complementarity / v.size
            # The systems need not be solved more exactly than the multipliers are known.
            accuracy = min(_ACCURACY, max(_BEST_ACCURACY, _ACCURACY_SLOPE * complementarity))
            step, slack_step, shares_step = self._step(v, slack, shares, q, ratio, sums, aim, accuracy)
            if not (np.isfinite(step).all() and np.isfinite(slack_step).all()):
                break
            length = min(1.0, _room(v, step), _room(slack, slack_step))
            v, slack = v + length * step, slack + length * slack_step
            shares = shares + length * shares_step
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
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """One Newton step of all conditions: of v, of its slack, and of the shares."""
        count, m, d = self._shape
        root = np.sqrt(np.divide(ratio, q, out=np.zeros_like(q), where=self._seen))
        scale = v / slack
        wide = scale.reshape(self._shape)
        inverse = 1 / wide.sum(axis=2)
        part = (wide * inverse[:, :, None]).reshape(count, -1)
        all_inverse = inverse.sum(axis=1)

        def move(right: FloatArray, excess: FloatArray | float) -> tuple[FloatArray, FloatArray]:
            """The v that ``v / scale + shares = right`` gives, with one weight for all settings."""
            scaled = scale * right
            lead = scaled.reshape(self._shape).sum(axis=2)
            weight = (np.sum(lead * inverse, axis=1) + excess) / all_inverse
            rest = lead - weight[:, None]
            scaled -= part * np.repeat(rest, d, axis=1)
            return scaled, rest * inverse

        excess = shares.sum(axis=1) - 1
        right = aim / v - (np.repeat(shares, d, axis=1) - sums)
        # In cells the system is 1 + root A move A^T root, whose diagonal is the preconditioner.
        diagonal = scale - scale * part + part**2 / np.repeat(all_inverse, m * d).reshape(count, -1)
        precondition = 1 / (1 + root**2 * (self._summed @ diagonal))
        residual = root * (self._summed @ move(right, excess)[0])
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
        step, shares_step = move(right - self._listed @ (root * found), excess)
        return step, aim / v - slack - step / scale, shares_step


def _room(values: FloatArray, step: FloatArray) -> float:
    """The longest step that keeps all values positive."""
    return _REACH / max(float(np.max(-step / values)), 1e-12)
