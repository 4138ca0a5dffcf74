"""Exact checks that matrices of rational numbers, and two-qubit operators, have no negative eigenvalue."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

__all__ = ["TRANSPOSED", "is_positive", "is_positive_matrix", "is_positive_semidefinite"]

# Signs of the Pauli matrices under transposition.
TRANSPOSED = np.array([1, 1, -1, 1])

Complex = tuple[Fraction, Fraction]
_ZERO = Fraction(0)


def is_positive(coefficients: Any) -> bool:
    """Whether ``sum_ij c_ij sigma_i (x) sigma_j`` has no negative eigenvalue.

    Args:
        coefficients: Rational, shape ``(4, 4)``, indices in the order I, X, Y, Z.
    """
    return is_positive_matrix(_matrix(coefficients))


def is_positive_matrix(matrix: list[list[Complex]]) -> bool:
    """Whether a matrix of rational numbers, as pairs of real and imaginary parts, has no negative eigenvalue.

    Args:
        matrix: Rows of pairs; the answer is no where it is not Hermitian.
    """
    parts = ([[pair[k] for pair in row] for row in matrix] for k in (0, 1))
    return is_positive_semidefinite(*parts)


def is_positive_semidefinite(real: Any, imaginary: Any = None) -> bool:
    """Whether a Hermitian matrix of rational numbers has no negative eigenvalue, by elimination without fractions.

    Args:
        real: Rows of real parts.
        imaginary: Rows of imaginary parts; ``None``: all zero.
    """
    size = len(real)
    entries = [Fraction(value) for row in real for value in row]
    others = [Fraction(0)] * len(entries) if imaginary is None else [Fraction(v) for row in imaginary for v in row]
    scale = 1
    for value in (*entries, *others):
        scale = math.lcm(scale, value.denominator)
    matrix = [
        [(int(entries[i * size + j] * scale), int(others[i * size + j] * scale)) for j in range(size)]
        for i in range(size)
    ]
    if any(matrix[i][j] != (matrix[j][i][0], -matrix[j][i][1]) for i in range(size) for j in range(size)):
        return False
    before = 1
    for k in range(size):
        pivot = matrix[k][k][0]
        if pivot < 0:
            return False
        if pivot == 0:
            if any(entry != (0, 0) for entry in matrix[k][k:]):
                return False
            continue
        for i in range(k + 1, size):
            left = matrix[i][k]
            for j in range(i, size):
                entry, up = matrix[i][j], matrix[k][j]
                matrix[i][j] = (
                    (entry[0] * pivot - left[0] * up[0] + left[1] * up[1]) // before,
                    (entry[1] * pivot - left[0] * up[1] - left[1] * up[0]) // before,
                )
                matrix[j][i] = (matrix[i][j][0], -matrix[i][j][1])
        before = pivot
    return True


def _matrix(coefficients: Any) -> list[list[Complex]]:
    paulis = _pauli_entries()
    matrix = [[(_ZERO, _ZERO) for _ in range(4)] for _ in range(4)]
    for i in range(4):
        for j in range(4):
            value = Fraction(coefficients[i, j])
            if not value:
                continue
            for row, column, re, im in _product(paulis[i], paulis[j]):
                old = matrix[row][column]
                matrix[row][column] = (old[0] + re * value, old[1] + im * value)
    return matrix


def _pauli_entries() -> list[list[tuple[int, int, int, int]]]:
    """Non-zero entries of I, X, Y, Z: row, column, real and imaginary part."""
    return [
        [(0, 0, 1, 0), (1, 1, 1, 0)],
        [(0, 1, 1, 0), (1, 0, 1, 0)],
        [(0, 1, 0, -1), (1, 0, 0, 1)],
        [(0, 0, 1, 0), (1, 1, -1, 0)],
    ]


def _product(
    first: list[tuple[int, int, int, int]], second: list[tuple[int, int, int, int]]
) -> list[tuple[int, int, int, int]]:
    return [(2 * a + c, 2 * b + d, re * x - im * y, re * y + im * x) for a, b, re, im in first for c, d, x, y in second]
