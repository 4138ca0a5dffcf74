"""Ascent to POVMs that maximize a Bell expression, for parties of any dimensions and from many starts at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..._support.deadlines import NO_LIMIT, Deadline
from ..._support.types import ComplexArray, FloatArray
from .alternating_ascent import Measured, ascend_in_turn, coordinates_of_rows, values_of_effects

__all__ = ["ascend_povms", "values_of_povms"]

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
    return ascend_in_turn(_POVMS, tensor, coefficients, starts, deadline)


def values_of_povms(tensor: FloatArray, coefficients: FloatArray, povms: Sequence[ComplexArray]) -> FloatArray:
    """Returns the value of an expression for each of several sets of POVMs, shape ``(B,)``.

    Args:
        tensor: Correlations, shape ``(D_1**2, ..., D_N**2)``.
        coefficients: Coefficients of the expression, shape ``(m_1, ..., m_N, d_1, ..., d_N)``.
        povms: Effects of each party, shape ``(B, m_k, d_k, D_k, D_k)``.
    """
    return values_of_effects(tensor, coefficients, [_coordinates(own, own.shape[-1]) for own in povms])


def _coordinates(effects: ComplexArray, dimension: int) -> FloatArray:
    """Returns the coordinates of all effects, shape ``(B, m * d, D**2)``."""
    coordinates = coordinates_of_rows(effects.reshape(len(effects), -1, dimension**2), dimension)
    coordinates[..., 0] *= 2 / dimension
    return coordinates


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


_POVMS = Measured(_coordinates, _improved, max_sweeps=1000, converged=1e-12)
