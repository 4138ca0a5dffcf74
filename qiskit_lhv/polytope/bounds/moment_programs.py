"""Dual solutions of the programs over moment matrices, each in the smallest form that has the same value."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._support.conic import Cone, ConicRows, minimize_over_cones, symmetric_matrix, triangle_places
from ..._support.types import FloatArray, IntArray
from ...exceptions import ScenarioError
from .correlation_matrices import correlation_matrix_dual
from .moment_matrices import MomentMatrix

__all__ = ["dual_of_moments"]


_CALLER = "quantum_bound"


def dual_of_moments(
    moments: MomentMatrix, costs: FloatArray, seconds: float | None = None
) -> tuple[FloatArray, FloatArray | None]:
    """The dual of: maximize ``costs . y`` over moments y whose matrix and probabilities are positive.

    1. For full correlators of two parties with two outcomes, level 1 has the same value as all levels (Tsirelson), so
       rows of products are left out.
    2. If every moment has one place of its own, the moment matrices are exactly the correlation matrices, and the dual
       program has one variable per row.
    3. Otherwise, swaps of outcomes that leave the expression unchanged are used: all moments whose sign they change can
       be set to 0, so the matrix splits into blocks.

    Args:
        moments: The moment matrix.
        costs: The expression's coefficient of each moment, shape ``(num_moments,)``; the identity's does not matter.
        seconds: Time after which a semidefinite program is given up, or ``None``.

    Returns:
        A matrix without negative eigenvalues, shape ``(n, n)``, and the multipliers of the probabilities, one axis for
        settings and outcomes of each party; ``None`` if they are all 0.

    Raises:
        ScenarioError: If the level's matrix lacks probabilities that have to be positive.
        ImportError: If Clarabel is needed and not installed.
        SolverError: If the solver stops without an optimum.

    References:
        B. S. Cirel'son, Lett. Math. Phys. 4, 93 (1980).
    """
    if moments.positivity and moments.behavior.min() < 0:
        raise ScenarioError.bad_argument(
            "level",
            expected="a level whose matrix holds all probabilities, for '+P'",
            got=f"level {moments.name}, too low for products of {moments.scenario.num_parties} parties",
            remedy="Take '1+AB+P' or '2+P' for up to four parties.",
        )
    size = len(moments.entries)
    only_correlators = _has_only_correlators(moments, costs)
    kept = 1 + moments.row_parities.shape[1] if only_correlators else size
    entries = moments.entries[:kept, :kept]
    if (only_correlators or not moments.positivity) and _is_free(entries):
        dual = np.zeros((size, size))
        # Every moment stands in two places.
        shares = costs[entries] / 2
        np.fill_diagonal(shares, 0)
        dual[:kept, :kept] = correlation_matrix_dual(_CALLER, shares)
        return dual, None
    return _dual_by_blocks(moments, costs, seconds)


def _has_only_correlators(moments: MomentMatrix, costs: FloatArray) -> bool:
    """Whether the expression has full correlators of two parties with two outcomes alone."""
    if moments.behavior.ndim != 2 or max(moments.scenario.max_outcomes) > 2:
        return False
    marginals = np.concatenate([moments.behavior[0, 1:], moments.behavior[1:, 0]])
    return not np.any(costs[marginals])


def _is_free(entries: IntArray) -> bool:
    """Whether the diagonal is 1 and each other moment has one place above it."""
    above = entries[np.triu_indices(len(entries), 1)]
    return not entries.diagonal().any() and above.min(initial=1) > 0 and len(np.unique(above)) == len(above)


def _dual_by_blocks(
    moments: MomentMatrix, costs: FloatArray, seconds: float | None
) -> tuple[FloatArray, FloatArray | None]:
    parities = _moment_parities(moments)
    span = _Span([parities[number] for number in np.flatnonzero(costs)])
    rows = [_bits(row) for row in moments.row_parities]
    labels = np.array([span.rest(row) for row in rows], dtype=object)
    blocks = [np.flatnonzero(labels == label) for label in dict.fromkeys(labels.tolist())]
    used = np.unique(np.concatenate([moments.entries[np.ix_(block, block)].ravel() for block in blocks]))
    used = used[used > 0]
    place = np.full(moments.num_moments, -1)
    place[used] = np.arange(len(used))
    constraints = [_positive_rows(moments.entries[np.ix_(block, block)], place, len(used)) for block in blocks]
    owners = None
    if moments.positivity:
        probabilities, owners = _probability_rows(moments, used)
        constraints.append(probabilities)
    solution = minimize_over_cones(_CALLER, -costs[used], constraints, seconds=seconds)
    dual = np.zeros(moments.entries.shape)
    for block, vector in zip(blocks, solution.duals, strict=False):
        dual[np.ix_(block, block)] = symmetric_matrix(vector, len(block))
    if owners is None:
        return dual, None
    # Equal probabilities share what belongs to them together.
    return dual, (solution.duals[-1] / np.bincount(owners))[owners]


def _positive_rows(entries: IntArray, place: IntArray, num_variables: int) -> ConicRows:
    """A block of the moment matrix is positive."""
    from scipy import sparse

    rows, columns = triangle_places(len(entries))
    numbers = entries[rows, columns]
    weights = np.where(rows == columns, 1.0, np.sqrt(2))
    variable = np.flatnonzero(numbers > 0)
    index = variable, place[numbers[variable]]
    matrix = sparse.coo_array((-weights[variable], index), shape=(len(numbers), num_variables))
    return ConicRows(Cone.POSITIVE, matrix, np.where(numbers == 0, weights, 0.0), size=len(entries))


def _probability_rows(moments: MomentMatrix, used: IntArray) -> tuple[ConicRows, IntArray]:
    """The probabilities that differ are not negative; and which of these each one is."""
    tables: NDArray[Any] = np.eye(1)
    for table in moments.tables:
        tables = np.kron(tables, table)
    numbers = moments.behavior.ravel()
    # One column per moment of the behavior; the moments that are not used vanish.
    kept = np.flatnonzero(np.isin(numbers, used))
    by_moment = np.zeros((len(tables), 1 + len(used)))
    by_moment[:, 0] = tables[:, numbers == 0].sum(axis=1)
    by_moment[:, 1 + np.searchsorted(used, numbers[kept])] = tables[:, kept]
    distinct, owners = np.unique(by_moment, axis=0, return_inverse=True)
    return ConicRows(Cone.NONNEGATIVE, -distinct[:, 1:], distinct[:, 0].copy()), owners.ravel()


def _moment_parities(moments: MomentMatrix) -> list[int]:
    """For each moment the observables that occur in it an odd number of times, as the bits of an integer."""
    rows, columns = np.nonzero(moments.entries >= 0)
    parities = np.zeros((moments.num_moments, moments.row_parities.shape[1]), dtype=bool)
    parities[moments.entries[rows, columns]] = moments.row_parities[rows] ^ moments.row_parities[columns]
    return [_bits(row) for row in parities]


def _bits(row: IntArray) -> int:
    return int("1" + "".join("1" if bit else "0" for bit in row.tolist()), 2) - (1 << len(row))


class _Span:
    """The span of bit vectors under exclusive or."""

    def __init__(self, vectors: list[int]) -> None:
        self._by_length: dict[int, int] = {}
        for vector in dict.fromkeys(vectors):
            rest = self.rest(vector)
            if rest:
                self._by_length[rest.bit_length()] = rest

    def rest(self, vector: int) -> int:
        """What is left of a vector modulo the span: 0 for what is in it, equal for vectors of one class."""
        for length in range(vector.bit_length(), 0, -1):
            if vector >> (length - 1) & 1 and length in self._by_length:
                vector ^= self._by_length[length]
        return vector
