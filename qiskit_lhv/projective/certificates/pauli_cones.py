"""Rows of conic programs about two-qubit operators and maps of a qubit, in Pauli coefficients."""

from __future__ import annotations

from functools import cache

import numpy as np

from ..._support.conic import Cone, ConicRows, triangle
from ..._support.types import FloatArray
from ...targets.operator_basis import hermitian_basis
from ...verification.positivity import TRANSPOSED

__all__ = ["decomposition_rows", "images_of_werner_rows"]


def images_of_werner_rows(maps: FloatArray, werner: float) -> FloatArray:
    """Returns the Pauli coefficients of ``(A (x) id)(W) + (id (x) B)(W)`` as linear functions, with a Werner state W.

    Args:
        maps: The coordinates of A and B as linear functions of a program's variables, shape ``(2, 16, V)``.
        werner: Visibility of the Werner state.

    Returns:
        Shape ``(16, V)``.
    """
    first, second = maps.reshape(2, 4, 4, -1)
    state = np.array([1.0, *[-werner] * 3])
    images: FloatArray = first * state[:, None] + second.transpose(1, 0, 2) * state[:, None, None]
    return images.reshape(16, -1)


def decomposition_rows(rest: FloatArray, maps: FloatArray, parts: FloatArray, slack: FloatArray) -> ConicRows:
    """Returns rows that make the rest of a state, plus 1 at the identity, separable and both maps positive.

    The rest and its partial transpose have no negative eigenvalue. The same is demanded of each map's completely
    positive part, and of the part that follows a transposition.

    Args:
        rest: Pauli coefficients of the rest without the 1, as linear functions of the variables, shape ``(16, V)``.
        maps: The maps' coordinates, shape ``(2, 16, V)``.
        parts: Those of their completely positive parts, shape ``(2, 16, V)``.
        slack: Lower limit of the smallest eigenvalues, as a linear function of the variables, shape ``(V,)``.
    """
    plain, turned = _triangles(False), _triangles(True)
    least = np.outer(plain[:, 0], slack)
    blocks = [least - plain @ rest, least - turned @ rest]
    for whole, part in zip(maps, parts, strict=True):
        # A map may be zero, so a smaller slack is demanded of the maps.
        blocks += [least / 8 - turned @ part, least / 8 - plain @ (whole - part)]
    limits = np.zeros((len(blocks), len(plain)))
    limits[0], limits[1] = plain[:, 0], turned[:, 0]
    return ConicRows(Cone.POSITIVE, np.vstack(blocks), limits.ravel(), size=8)


@cache
def _triangles(transposed: bool) -> FloatArray:
    """Returns the matrix from Pauli coefficients to the triangle of the operator's real form, shape ``(36, 16)``."""
    basis = hermitian_basis(2)
    signs = TRANSPOSED if transposed else np.ones(4)
    operators = np.einsum("aij,bkl,b->abikjl", basis, basis, signs).reshape(16, 4, 4)
    real = np.block([[operators.real, -operators.imag], [operators.imag, operators.real]])
    return np.ascontiguousarray(triangle(real).T)
