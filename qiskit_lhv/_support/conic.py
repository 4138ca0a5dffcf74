"""Conic programs solved by Clarabel, from their sparse matrices, with dual solutions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from ..exceptions import SolverError
from .types import FloatArray, IntArray

__all__ = [
    "Cone",
    "ConicRows",
    "ConicSolution",
    "minimize_over_cones",
    "symmetric_matrix",
    "triangle",
    "triangle_places",
]


class Cone(Enum):
    """What ``limits - matrix @ x`` has to be in."""

    ZERO = "zero"
    """All of them are 0."""
    NONNEGATIVE = "nonnegative"
    """All of them are at least 0."""
    SECOND_ORDER = "second order"
    """The first of each ``size`` rows is at least the length of the vector of the others."""
    POSITIVE = "positive"
    """The rows are triangles, see :func:`triangle`, of matrices of ``size`` rows without negative eigenvalues."""


@dataclass(frozen=True)
class ConicRows:
    """Rows of a conic program: ``limits - matrix @ x`` is in a cone, or in several of one kind and size."""

    cone: Cone
    """The kind of cone."""
    matrix: Any
    """Shape ``(K, number of variables)``, an array or any sparse array of SciPy."""
    limits: FloatArray
    """Shape ``(K,)``."""
    size: int = 1
    """Rows of each second-order cone, or of each positive matrix."""

    def cones(self, clarabel: Any) -> list[Any]:
        """The cones as Clarabel takes them.

        Args:
            clarabel: The module.
        """
        count = len(self.limits)
        if self.cone is Cone.ZERO:
            return [clarabel.ZeroConeT(count)]
        if self.cone is Cone.NONNEGATIVE:
            return [clarabel.NonnegativeConeT(count)]
        if self.cone is Cone.SECOND_ORDER:
            return [clarabel.SecondOrderConeT(self.size)] * (count // self.size)
        return [clarabel.PSDTriangleConeT(self.size)] * (count // (self.size * (self.size + 1) // 2))


@dataclass(frozen=True)
class ConicSolution:
    """An optimum of a conic program."""

    values: FloatArray
    """The value of each variable."""
    duals: tuple[FloatArray, ...]
    """For each block of rows its dual values y, in the dual cone: ``costs + sum of matrix.T @ y`` is 0."""


def minimize_over_cones(
    caller: str, costs: FloatArray, blocks: Sequence[ConicRows], *, seconds: float | None = None
) -> ConicSolution:
    """Minimizes ``costs . x`` over all x for which every block of rows is in its cone.

    Solutions of lower accuracy are taken too: whatever comes out is rounded and proven anew by its user.

    Args:
        caller: The public function that solves it, for messages.
        costs: Shape ``(number of variables,)``.
        blocks: The constraints.
        seconds: Time after which Clarabel stops without a solution, or ``None``.

    Returns:
        The solution.

    Raises:
        ImportError: If Clarabel is not installed (extra ``sdp``).
        SolverError: If Clarabel stops without an optimum, or its time is over.
    """
    try:
        import clarabel
    except ImportError as exc:
        raise ImportError(
            f"{caller}: this takes Clarabel, which is not installed. Install the extra: pip install 'qiskit-lhv[sdp]'."
        ) from exc
    from scipy import sparse

    matrix = _stacked([block.matrix for block in blocks], len(costs), sparse)
    limits = np.concatenate([block.limits for block in blocks])
    cones = [cone for block in blocks for cone in block.cones(clarabel)]
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    if seconds is not None:
        settings.time_limit = seconds
    no_squares = sparse.csc_matrix((len(costs), len(costs)))
    solution = clarabel.DefaultSolver(no_squares, costs, matrix, limits, cones, settings).solve()
    status = str(solution.status)
    if status == "MaxTime":
        raise SolverError(f"{caller}: the time limit is over, and there is no bound yet. Allow more time.")
    if status not in {"Solved", "AlmostSolved"}:
        raise SolverError(f"{caller}: Clarabel stopped with {status!r}.")
    ends = np.cumsum([len(block.limits) for block in blocks])[:-1]
    return ConicSolution(np.array(solution.x), tuple(np.split(np.array(solution.z), ends)))


def _stacked(matrices: Sequence[Any], num_columns: int, sparse: Any) -> Any:
    """All rows as one sparse matrix by columns."""
    rows, columns, values, start = [], [], [], 0
    for matrix in matrices:
        if isinstance(matrix, np.ndarray):
            own_rows, own_columns = np.nonzero(matrix)
            own_values = matrix[own_rows, own_columns]
        else:
            entries = matrix.tocoo()
            own_rows, own_columns, own_values = entries.row, entries.col, entries.data
        rows.append(own_rows + start)
        columns.append(own_columns)
        values.append(own_values)
        start += matrix.shape[0]
    index = np.concatenate(rows), np.concatenate(columns)
    return sparse.csc_matrix((np.concatenate(values), index), shape=(start, num_columns))


def triangle_places(size: int) -> tuple[IntArray, IntArray]:
    """Rows and columns of a matrix's upper triangle in Clarabel's order, one column after the other.

    Args:
        size: Number of the matrix's rows.
    """
    columns, rows = np.tril_indices(size)
    return rows.astype(np.int64), columns.astype(np.int64)


def triangle(matrices: FloatArray) -> FloatArray:
    """Symmetric matrices as vectors with the same scalar products: the upper triangle, with sqrt(2) off the diagonal.

    Args:
        matrices: Shape ``(..., n, n)``.

    Returns:
        Shape ``(..., n (n + 1) / 2)``.
    """
    rows, columns = triangle_places(matrices.shape[-1])
    return matrices[..., rows, columns] * np.where(rows == columns, 1.0, math.sqrt(2))


def symmetric_matrix(vector: FloatArray, size: int) -> FloatArray:
    """Inverse of :func:`triangle` for one matrix, shape ``(size, size)``."""
    rows, columns = triangle_places(size)
    matrix = np.empty((size, size))
    matrix[rows, columns] = matrix[columns, rows] = vector / np.where(rows == columns, 1.0, math.sqrt(2))
    return matrix
