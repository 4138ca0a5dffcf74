"""Maximum-likelihood local models for many outcomes: one party answers, the strategies of the others are listed.

A local model is ``q(a, b|x, y) = sum_l [l plays a at x] v(l, y, b)``: l are the joint strategies of all parties but
one, and ``sum_b v(l, y, b)`` is the weight of l for every setting y of the last party. There are far fewer of these
numbers than strategies of all parties, and products with the matrix of this map cost very little.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..._support.deadlines import NO_LIMIT, Deadline
from ..._support.threads import one_blas_thread
from ..._support.types import FloatArray, IntArray
from ...models.deterministic import party_strategies
from ...targets.coordinates import from_party_axes, full_table_from_collins_gisin_matrices, to_party_axes
from ...targets.scenario import BellScenario
from .conditional_interior_point import ConditionalSearch, Coordinates

__all__ = ["ConditionalProblem", "conditional_size", "party_order"]


# Products with the map, in all; fewer where a product is large, but never fewer than the second number.
_MAX_PRODUCTS, _LEAST_PRODUCTS = 30_000, 3_000
_MAX_WORK = 1 << 29
_CHUNK_ENTRIES = 1 << 23
# Systems of all coordinates are solved at once up to this size, where that is quick by itself or compared with as many
# products as conjugate gradients take.
_MAX_COORDINATES, _QUICK_WORK, _PRODUCTS_PER_SYSTEM = 1500, 3e7, 2000
# A few strategies less must not cost more than this share of the gap.
_GAP_SHARE_OF_SPARSER = 0.05


def party_order(scenario: BellScenario) -> tuple[int, ...]:
    """The parties whose strategies are listed, and the one with the most strategies, which answers."""
    last = int(np.argmax(scenario.num_party_strategies))
    return (*(k for k in range(scenario.num_parties) if k != last), last)


def conditional_size(scenario: BellScenario) -> int:
    """The number of entries v(l, y, b) that describe a local model."""
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
    def of(cls, scenario: BellScenario, listed: IntArray | None = None) -> ConditionalProblem:
        """The problem of a scenario; the party with the most strategies answers.

        Args:
            scenario: The scenario.
            listed: Joint strategies of the others, shape ``(L, sum of their settings)``; default: all.
        """
        from scipy.sparse import csr_matrix

        order = party_order(scenario)
        sizes = [(scenario.num_settings[k], scenario.max_outcomes[k]) for k in order[:-1]]
        if listed is None:
            tables = [party_strategies(scenario.num_outcomes[k]) for k in order[:-1]]
            index = (
                np.indices([len(table) for table in tables]).reshape(len(tables), -1) if tables else np.empty((0, 1))
            )
            count = index.shape[1]
            rows = (table[i] for table, i in zip(tables, index, strict=True))
            listed = np.hstack([np.empty((count, 0), dtype=np.int64), *rows])
        # The cells in which a strategy plays: one for each combination of the listed parties' settings.
        cells = np.zeros((len(listed), 1), dtype=np.int64)
        for (m, d), own in zip(sizes, _by_party(listed, sizes), strict=True):
            places = own + d * np.arange(m)
            cells = (cells[:, :, None] * (m * d) + places[:, None, :]).reshape(len(listed), -1)
        width = math.prod(m * d for m, d in sizes)
        starts = np.arange(0, cells.size + 1, cells.shape[1])
        members = csr_matrix((np.ones(cells.size), cells.ravel(), starts), shape=(len(listed), width))
        return cls(scenario, listed, members, order)

    @cached_property
    def members_transposed(self) -> Any:
        """The transpose of ``members``, for quick products."""
        return self.members.T.tocsr()

    @cached_property
    def coordinates(self) -> Coordinates | None:
        """Coordinates of no-signaling tables, where systems of their size are quick; else ``None``."""
        from scipy.sparse import csr_matrix, kron

        if not self.scenario.has_equal_outcomes:
            # The table of answers is padded, and coordinates know nothing of that.
            return None
        sizes = [(self.scenario.num_settings[k], self.scenario.max_outcomes[k]) for k in self.order]
        count, size = len(self.listed), math.prod(1 + m * (d - 1) for m, d in sizes)
        product = self.members.nnz * math.prod(sizes[-1])
        if size > _MAX_COORDINATES or size**2 * (2 * count + size) > _QUICK_WORK + _PRODUCTS_PER_SYSTEM * product:
            return None
        strategies = np.ones((count, 1))
        for (m, d), own in zip(sizes[:-1], _by_party(self.listed, sizes[:-1]), strict=True):
            answers = (own[:, :, None] == np.arange(d - 1)).reshape(count, m * (d - 1))
            part = np.column_stack([np.ones(count), answers])
            strategies = (strategies[:, :, None] * part[:, None, :]).reshape(count, -1)
        cells = csr_matrix(np.ones((1, 1)))
        expand = full_table_from_collins_gisin_matrices(self.scenario)
        for k in self.order:
            cells = kron(cells, csr_matrix(expand[k]), format="csr")
        return Coordinates(strategies, cells, sizes[-1])

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
        deadline: Deadline = NO_LIMIT,
    ) -> tuple[FloatArray, float]:
        """Minimizes ``-sum target log q`` over all local q, until the gap is small enough or no longer falls.

        The method is a primal-dual interior-point method, whose linear systems are solved by conjugate gradients.

        Args:
            target: Weights of cells, at least 0, summing to 1, shape ``(num_cells,)``.
            tolerance: Duality gap to reach, in nats.
            relative_tolerance: The gap may also be this share of the divergence.
            start: A model v of a similar target, to start from.
            max_products: Products with the map that may be spent; default: as many as take some seconds.
            deadline: When to end with what was found; default: never.

        Returns:
            The model v, shape ``(L, m, d)``, and its gap.
        """
        m, d = self.num_answers
        size = len(self.listed) * m * d
        if max_products is None:
            max_products = min(_MAX_PRODUCTS, max(_LEAST_PRODUCTS, _MAX_WORK // size))
        search = ConditionalSearch(self, self.matrix_of(target), max_products, deadline)
        v, gap = search.run(tolerance, relative_tolerance, start)
        wish = max(gap * (1 + _GAP_SHARE_OF_SPARSER), tolerance, relative_tolerance * (search.divergence - gap))
        return self.sparser(v.reshape(-1, m, d), target, wish)

    def sparser(self, v: FloatArray, target: FloatArray, wish: float) -> tuple[FloatArray, float]:
        """Removes answers of tiny weight, which an interior point cannot avoid, as long as the gap stays small enough.

        Args:
            v: The model, shape ``(L, m, d)``.
            target: What it was fitted to, shape ``(num_cells,)``.
            wish: Gap that is small enough.

        Returns:
            The model and its gap.
        """
        search = ConditionalSearch(self, self.matrix_of(target), 0)
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

    def largest_sums(self, coefficients: FloatArray) -> FloatArray:
        """The largest sums of coefficients, shape ``(num_cells,)``, that are collected beside each listed strategy."""
        m, d = self.num_answers
        sums = self.members @ self.matrix_of(coefficients)
        return np.asarray(sums.reshape(-1, m, d).max(axis=2).sum(axis=1))

    def largest_sum(self, coefficients: FloatArray) -> float:
        """The largest sum of coefficients, shape ``(num_cells,)``, that a strategy collects."""
        return float(self.largest_sums(coefficients).max())


def _by_party(listed: IntArray, sizes: Sequence[tuple[int, int]]) -> list[IntArray]:
    """The columns of each listed party."""
    ends = np.cumsum([m for m, _ in sizes], dtype=np.int64)
    return np.split(listed, ends[:-1], axis=1) if sizes else []
