"""Ascent to POVMs that maximize a Bell expression, for parties of any dimensions and from many starts at once."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..._support.deadlines import NO_LIMIT, Deadline
from ..._support.types import ComplexArray, FloatArray
from ...targets.operator_basis import hermitian_basis
from .basis_ascent import operators_of_slopes, slopes_of_party

__all__ = ["ascend_povms", "values_of_povms"]

_MAX_SWEEPS = 1000
_CONVERGED = 1e-12
_STEPS = 4


def ascend_povms(
    tensor: FloatArray,
    coefficients: FloatArray,
    starts: Sequence[ComplexArray],
    *,
    deadline: Deadline = NO_LIMIT,
) -> tuple[list[ComplexArray], FloatArray]:
    """Maximizes the value of an expression over the POVMs of all settings, party by party.

    For fixed measurements of all other parties, the value is ``sum_a tr(E_a X_a)`` in the effects of one setting. With
    ``E_a = V_a^+ V_a`` and after a shift that makes every ``X_a`` positive, it is convex in the isometry of all
    ``V_a``, so the isometry nearest to that of all ``V_a X_a`` has at least the same value. No step lowers the value,
    and hardly any effect gains rank: one that is zero stays zero.

    Args:
        tensor: Correlations, shape ``(D_1**2, ..., D_N**2)``.
        coefficients: Coefficients of the expression, shape ``(m_1, ..., m_N, d_1, ..., d_N)``.
        starts: Effects of each party, shape ``(B, m_k, d_k, D_k, D_k)``.
        deadline: When to stop.

    Returns:
        The effects that each start reached, in the same shapes, and the values, shape ``(B,)``.
    """
    n, weights = tensor.ndim, _by_cells(coefficients)
    dimensions = [math.isqrt(size) for size in tensor.shape]
    povms = [np.array(own, dtype=complex) for own in starts]
    values = np.full(len(starts[0]), -np.inf)
    active = np.arange(len(values))
    for _ in range(_MAX_SWEEPS):
        moving = [own[active] for own in povms]
        effects = [_coordinates(own, d) for own, d in zip(moving, dimensions, strict=True)]
        reached = values[active]
        for k in range(n):
            slopes = slopes_of_party(tensor, weights, effects, k)
            operators = operators_of_slopes(slopes, dimensions[k]).reshape(moving[k].shape)
            moving[k] = _improved(moving[k], operators)
            effects[k] = _coordinates(moving[k], dimensions[k])
            reached = np.einsum("bci,bci->b", slopes, effects[k])
        for own, moved in zip(povms, moving, strict=True):
            own[active] = moved
        still = reached - values[active] > _CONVERGED * np.maximum(1, np.abs(reached))
        values[active] = reached
        active = active[still]
        if not len(active) or deadline.over:
            break
    return povms, values


def values_of_povms(tensor: FloatArray, coefficients: FloatArray, povms: Sequence[ComplexArray]) -> FloatArray:
    """Returns the value of an expression for each of several sets of POVMs, shape ``(B,)``.

    Args:
        tensor: Correlations, shape ``(D_1**2, ..., D_N**2)``.
        coefficients: Coefficients of the expression, shape ``(m_1, ..., m_N, d_1, ..., d_N)``.
        povms: Effects of each party, shape ``(B, m_k, d_k, D_k, D_k)``.
    """
    effects = [_coordinates(own, own.shape[-1]) for own in povms]
    slopes = slopes_of_party(tensor, _by_cells(coefficients), effects, 0)
    return np.asarray(np.einsum("bci,bci->b", slopes, effects[0]))


def _by_cells(coefficients: FloatArray) -> FloatArray:
    """Returns the coefficients with one axis per party, of its settings and outcomes."""
    n = coefficients.ndim // 2
    cells = [coefficients.shape[k] * coefficients.shape[n + k] for k in range(n)]
    return coefficients.transpose([axis for k in range(n) for axis in (k, n + k)]).reshape(cells)


def _coordinates(effects: ComplexArray, dimension: int) -> FloatArray:
    """Returns the coordinates of all effects, shape ``(B, m * d, D**2)``."""
    basis = hermitian_basis(dimension)
    rows = effects.reshape(len(effects), -1, dimension**2)
    # tr(E G) with the row of E first.
    coordinates = (rows @ basis.transpose(0, 2, 1).reshape(len(basis), -1).T).real / 2
    coordinates[..., 0] *= 2 / dimension
    return np.asarray(coordinates)


def _improved(effects: ComplexArray, operators: ComplexArray) -> ComplexArray:
    """Returns POVMs with a value of at least that of the old ones, shape ``(B, m, d, D, D)``."""
    dimension = effects.shape[-1]
    lowest = np.linalg.eigvalsh(operators).min(axis=(2, 3))[..., None, None, None]
    shifted = operators - lowest * np.eye(dimension)
    values, vectors = np.linalg.eigh(effects)
    factors = np.sqrt(np.maximum(values, 0))[..., None] * vectors.conj().swapaxes(-1, -2)
    for _ in range(_STEPS):
        # All V_a X_a of a setting below each other.
        pulled = (factors @ shifted).reshape(*effects.shape[:2], -1, dimension)
        left, _, right = np.linalg.svd(pulled, full_matrices=False)
        factors = (left @ right).reshape(effects.shape)
    return np.asarray(factors.conj().swapaxes(-1, -2) @ factors)
