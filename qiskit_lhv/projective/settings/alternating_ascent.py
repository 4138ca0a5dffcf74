"""Ascent of a Bell expression in the measurements of one party after the other, from many starts at once.

What changes with the kind of measurement, bases or POVMs, is how effects follow from it and how it is improved.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..._support.deadlines import Deadline
from ..._support.types import ComplexArray, FloatArray
from ...targets.operator_basis import hermitian_basis

__all__ = ["Measured", "ascend_in_turn", "coordinates_of_rows", "slopes_of_party", "values_of_effects"]


@dataclass(frozen=True)
class Measured:
    """A kind of measurement, and how long its ascent goes on."""

    coordinates: Callable[[ComplexArray, int], FloatArray]
    """Coordinates of all effects of a party of some dimension, shape ``(B, m * d, D**2)``."""
    improved: Callable[[ComplexArray, ComplexArray], ComplexArray]
    """From measurements, shape ``(B, m, ...)``, and operators X_a, shape ``(B, m, d, D, D)``, to measurements with a
    value ``sum_a tr(E_a X_a)`` that is not lower."""
    max_sweeps: int
    """Most rounds over all parties."""
    converged: float
    """A start is at its end once a round raises its value by no more than this, relative to values above 1."""


def ascend_in_turn(
    kind: Measured, tensor: FloatArray, coefficients: FloatArray, starts: Sequence[ComplexArray], deadline: Deadline
) -> tuple[list[ComplexArray], FloatArray]:
    """Maximizes the value of an expression, party by party. No step lowers it.

    Args:
        kind: The kind of measurement.
        tensor: Correlations, shape ``(D_1**2, ..., D_N**2)``.
        coefficients: Coefficients of the expression, shape ``(m_1, ..., m_N, d_1, ..., d_N)``.
        starts: Measurements of each party, shape ``(B, m_k, ...)``.
        deadline: When to stop.

    Returns:
        The measurements that each start reached, in the same shapes, and the values, shape ``(B,)``.
    """
    weights = _by_cells(coefficients)
    dimensions = [math.isqrt(size) for size in tensor.shape]
    reached_by = [np.array(own, dtype=complex) for own in starts]
    values = np.full(len(starts[0]), -np.inf)
    active = np.arange(len(values))
    for _ in range(kind.max_sweeps):
        moving = [own[active] for own in reached_by]
        effects = [kind.coordinates(own, d) for own, d in zip(moving, dimensions, strict=True)]
        reached = values[active]
        for k, dimension in enumerate(dimensions):
            slopes = slopes_of_party(tensor, weights, effects, k)
            operators = _operators(slopes, dimension).reshape(*moving[k].shape[:2], -1, dimension, dimension)
            moving[k] = kind.improved(moving[k], operators)
            effects[k] = kind.coordinates(moving[k], dimension)
            reached = _values(slopes, effects[k])
        for own, moved in zip(reached_by, moving, strict=True):
            own[active] = moved
        still = reached - values[active] > kind.converged * np.maximum(1, np.abs(reached))
        values[active] = reached
        active = active[still]
        if not len(active) or deadline.over:
            break
    return reached_by, values


def values_of_effects(tensor: FloatArray, coefficients: FloatArray, effects: list[FloatArray]) -> FloatArray:
    """Returns the value of an expression for each of several sets of measurements, shape ``(B,)``.

    Args:
        tensor: Correlations, shape ``(D_1**2, ..., D_N**2)``.
        coefficients: Coefficients of the expression, shape ``(m_1, ..., m_N, d_1, ..., d_N)``.
        effects: Coordinates of the effects of each party, shape ``(B, m_k * d_k, D_k**2)``.
    """
    return _values(slopes_of_party(tensor, _by_cells(coefficients), effects, 0), effects[0])


def coordinates_of_rows(rows: ComplexArray, dimension: int) -> FloatArray:
    """Returns ``tr(E G) / 2`` for operators E and all matrices G of the basis, the first of which is the identity.

    Args:
        rows: Operators row by row, shape ``(B, number, D**2)``.
        dimension: Dimension D.
    """
    basis = hermitian_basis(dimension)
    # tr(E G) with the row of E first.
    return np.asarray((rows @ basis.transpose(0, 2, 1).reshape(len(basis), -1).T).real / 2)


def _by_cells(coefficients: FloatArray) -> FloatArray:
    """Returns the coefficients with one axis per party, of its settings and outcomes."""
    n = coefficients.ndim // 2
    cells = [coefficients.shape[k] * coefficients.shape[n + k] for k in range(n)]
    return coefficients.transpose([axis for k in range(n) for axis in (k, n + k)]).reshape(cells)


def _values(slopes: FloatArray, effects: FloatArray) -> FloatArray:
    return np.asarray(np.einsum("bci,bci->b", slopes, effects))


def _operators(slopes: FloatArray, dimension: int) -> ComplexArray:
    """Returns the operators X with ``tr(E X)`` equal to the contraction of slopes and coordinates of E."""
    scales = np.full(dimension**2, 0.5)
    scales[0] = 1 / dimension
    return np.tensordot(slopes * scales, hermitian_basis(dimension), axes=(2, 0))


def slopes_of_party(tensor: FloatArray, weights: FloatArray, effects: list[FloatArray], k: int) -> FloatArray:
    """Returns the derivatives of the value by party k's coordinates, shape ``(B, cells of party k, D_k**2)``.

    Args:
        tensor: Correlations, shape ``(D_1**2, ..., D_N**2)``.
        weights: Coefficients of the expression with one axis per party: for its settings, or settings and outcomes.
        effects: Coordinates of each party's cells, shape ``(B, cells, D**2)``.
        k: Number of the party.
    """
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
