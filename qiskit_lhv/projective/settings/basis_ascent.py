"""Ascent to bases that maximize a Bell expression, for parties of any dimensions and from many starts at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..._support.deadlines import NO_LIMIT, Deadline
from ..._support.types import ComplexArray, FloatArray
from .alternating_ascent import Measured, ascend_in_turn, coordinates_of_rows

__all__ = ["ascend_bases"]

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
    return ascend_in_turn(_BASES, tensor, coefficients, starts, deadline)


def _coordinates(bases: ComplexArray, dimension: int) -> FloatArray:
    """Returns the coordinates of the projectors on all basis vectors, shape ``(B, m * D, D**2)``."""
    vectors = bases.swapaxes(2, 3).reshape(len(bases), -1, dimension)
    projectors = (vectors[..., :, None] * vectors[..., None, :].conj()).reshape(*vectors.shape[:2], -1)
    coordinates = coordinates_of_rows(projectors, dimension)
    coordinates[..., 0] = 1 / dimension
    return coordinates


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


_BASES = Measured(_coordinates, _improved, max_sweeps=400, converged=1e-11)
