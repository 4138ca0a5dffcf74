"""The largest value of a linear function on correlation matrices: the level of moment matrices where all is free.

A correlation matrix is symmetric, without negative eigenvalues, with ones on its diagonal. The dual program has one
variable per row, which makes an interior-point method of its own far cheaper than a general solver's.
"""

from __future__ import annotations

import numpy as np

from ..._support.types import FloatArray
from ...exceptions import SolverError

__all__ = ["correlation_matrix_dual"]


_MAX_STEPS = 100
_GAP = 1e-10
# Shares of the way to the boundary, until the matrix is positive.
_SHRINKING = 0.8
_KEPT = 0.95
_MAX_SHRINKING = 60


def correlation_matrix_dual(caller: str, costs: FloatArray) -> FloatArray:
    """The dual solution of: maximize ``<costs, X>`` over correlation matrices X.

    A primal-dual method with feasible steps: X starts at the identity, the dual solution at dominant diagonals.

    Args:
        caller: The public function that asks, for messages.
        costs: Symmetric, shape ``(n, n)``, with zeros on the diagonal and entries of order 1.

    Returns:
        ``diag(d) - costs`` with ``sum(d)`` as small as possible, a matrix without negative eigenvalues, shape
        ``(n, n)``.

    Raises:
        SolverError: If no solution is found.

    References:
        C. Helmberg, F. Rendl, R. J. Vanderbei, H. Wolkowicz, SIAM J. Optim. 6, 342 (1996).
    """
    dual = np.zeros_like(costs)
    # Rows without costs take no part, and neither do they prove anything.
    live = np.flatnonzero(costs.any(axis=1))
    if len(live):
        dual[np.ix_(live, live)] = _dual_of(caller, costs[np.ix_(live, live)])
    return dual


def _dual_of(caller: str, costs: FloatArray) -> FloatArray:
    n = len(costs)
    primal = np.eye(n)
    diagonal = 1.1 * np.abs(costs).sum(axis=1)
    slack = np.diag(diagonal) - costs
    weight = float(diagonal.sum()) / (2 * n)
    for _ in range(_MAX_STEPS):
        inverse = np.linalg.inv(slack)
        change = np.linalg.solve(inverse * primal, weight * np.diag(inverse) - 1)
        turned = weight * inverse - primal - (inverse * change) @ primal
        turned = (turned + turned.T) / 2
        primal_step = _length(primal, turned)
        dual_step = _length(slack, np.diag(change))
        primal = primal + primal_step * turned
        diagonal = diagonal + dual_step * change
        slack = np.diag(diagonal) - costs
        value = float(diagonal.sum())
        gap = float(np.einsum("ij,ij->", primal, slack))
        if gap <= _GAP * max(1.0, value):
            return slack
        if primal_step == dual_step == 0:
            break
        weight = gap / (2 * n)
        if primal_step + dual_step > 1.8:
            weight /= 5
    if gap <= 1e-6 * max(1.0, value):
        return slack
    raise SolverError(f"{caller}: the interior-point method stopped with a gap of {gap:.1e}.")


def _length(matrix: FloatArray, change: FloatArray) -> float:
    """How far a positive matrix can be changed, at most by 1, and stay positive."""
    step = 1.0
    for _ in range(_MAX_SHRINKING):
        try:
            np.linalg.cholesky(matrix + step * change)
        except np.linalg.LinAlgError:
            step *= _SHRINKING
        else:
            # Not quite to the boundary.
            return step if step == 1 else _KEPT * step
    return 0.0
