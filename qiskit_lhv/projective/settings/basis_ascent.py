"""Ascent to bases that maximize a Bell expression, for parties of any dimensions and from many starts at once."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from ..._support.deadlines import NO_LIMIT, Deadline
from ..._support.types import ComplexArray, FloatArray
from ...targets.operator_basis import hermitian_basis

__all__ = ["ascend_bases", "operators_of_slopes", "slopes_of_party"]

_MAX_SWEEPS = 400
_CONVERGED = 1e-11
_STEPS = 3


def ascend_bases(
    tensor: FloatArray,
    coefficients: FloatArray,
    starts: Sequence[ComplexArray],
    *,
    deadline: Deadline = NO_LIMIT,
) -> tuple[list[ComplexArray], FloatArray]:
    """Maximizes the value of an expression over the bases of all settings, party by party.

    For fixed bases of all other parties, the value is ``sum_a <u_a| X_a |u_a>`` in the vectors of one setting. After a
    shift that makes every ``X_a`` positive it is convex in them, so the basis nearest to the vectors ``X_a u_a`` has at
    least the same value. No step lowers the value.

    Args:
        tensor: Correlations, shape ``(D_1**2, ..., D_N**2)``.
        coefficients: Coefficients of the expression, shape ``(m_1, ..., m_N, D_1, ..., D_N)``.
        starts: Bases of each party, shape ``(B, m_k, D_k, D_k)``; column a belongs to outcome a.
        deadline: When to stop.

    Returns:
        The bases that each start reached, in the same shapes, and the values, shape ``(B,)``.
    """
    n = tensor.ndim
    dimensions = [math.isqrt(size) for size in tensor.shape]
    count = len(starts[0])
    cells = [own.shape[1] * dimension for own, dimension in zip(starts, dimensions, strict=True)]
    order = [axis for k in range(n) for axis in (k, n + k)]
    weights = coefficients.transpose(order).reshape(cells)
    bases = [np.array(own, dtype=complex) for own in starts]
    values = np.full(count, -np.inf)
    active = np.arange(count)
    for _ in range(_MAX_SWEEPS):
        moving = [own[active] for own in bases]
        effects = [_coordinates(own, d) for own, d in zip(moving, dimensions, strict=True)]
        reached = values[active]
        for k in range(n):
            slopes = slopes_of_party(tensor, weights, effects, k)
            operators = operators_of_slopes(slopes, dimensions[k]).reshape(*moving[k].shape[:2], *(dimensions[k],) * 3)
            moving[k] = _improved(moving[k], operators)
            effects[k] = _coordinates(moving[k], dimensions[k])
            reached = np.einsum("bci,bci->b", slopes, effects[k])
        for own, moved in zip(bases, moving, strict=True):
            own[active] = moved
        still = reached - values[active] > _CONVERGED * np.maximum(1, np.abs(reached))
        values[active] = reached
        active = active[still]
        if not len(active) or deadline.over:
            break
    return bases, values


def _coordinates(bases: ComplexArray, dimension: int) -> FloatArray:
    """Returns the coordinates of the projectors on all basis vectors, shape ``(B, m * D, D**2)``."""
    basis = hermitian_basis(dimension)
    vectors = bases.swapaxes(2, 3).reshape(len(bases), -1, dimension)
    projectors = (vectors[..., :, None] * vectors[..., None, :].conj()).reshape(*vectors.shape[:2], -1)
    # tr(P G) with the row of P first.
    coordinates = (projectors @ basis.transpose(0, 2, 1).reshape(len(basis), -1).T).real / 2
    coordinates[..., 0] = 1 / dimension
    return np.asarray(coordinates)


def operators_of_slopes(slopes: FloatArray, dimension: int) -> ComplexArray:
    """Returns the operators X with ``tr(E X)`` equal to the contraction of slopes and coordinates of E."""
    scales = np.full(dimension**2, 0.5)
    scales[0] = 1 / dimension
    return np.tensordot(slopes * scales, hermitian_basis(dimension), axes=(2, 0))


def slopes_of_party(tensor: FloatArray, weights: FloatArray, effects: list[FloatArray], k: int) -> FloatArray:
    """Returns the derivatives of the value by party k's coordinates, shape ``(B, m_k * D_k, D_k**2)``."""
    n, count = tensor.ndim, len(effects[0])
    # Party k goes last; the others are contracted with the state one after the other, start by start.
    order = [j for j in range(n) if j != k] + [k]
    state = np.ascontiguousarray(tensor.transpose(order)).reshape(1, tensor.shape[order[0]], -1)
    for j, following in itertools.pairwise(order):
        # Axes: start, the party's correlations, all that follows; the party's cells go to the end.
        state = np.swapaxes(effects[j] @ state, 1, 2).reshape(count, tensor.shape[following], -1)
    # Now: party k's correlations, then the cells of the others in order.
    matrix = weights.transpose(order).reshape(-1, weights.shape[k])
    return np.swapaxes(state.reshape(count, tensor.shape[k], -1) @ matrix, 1, 2)


def _improved(bases: ComplexArray, operators: ComplexArray) -> ComplexArray:
    """Returns bases with a value of at least that of the old ones."""
    lowest = np.linalg.eigvalsh(operators).min(axis=(2, 3))[..., None, None, None]
    shifted = operators - lowest * np.eye(operators.shape[-1])
    for _ in range(_STEPS):
        # Column a is X_a u_a.
        pulled = np.einsum("bxajk,bxka->bxja", shifted, bases)
        left, _, right = np.linalg.svd(pulled)
        bases = left @ right
    return bases
