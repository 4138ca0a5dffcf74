"""Exact checks that two-qubit operators, and Hermitian matrices of rational numbers, have no negative eigenvalue."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

__all__ = ["TRANSPOSED", "is_positive", "is_positive_matrix"]

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
    """Whether a Hermitian matrix of rational numbers, as pairs of real and imaginary parts, has no negative eigenvalue.

    It has none if and only if no coefficient of its characteristic polynomial, with alternating signs, is negative.

    Args:
        matrix: Rows of pairs; taken as it is, so it must be Hermitian.
    """
    from sympy import ZZ_I
    from sympy.polys.matrices import DomainMatrix

    # In Gaussian integers, without a division: a positive factor changes no sign of an eigenvalue.
    denominator = math.lcm(*(part.denominator for row in matrix for pair in row for part in pair))
    rows = [[ZZ_I(int(re * denominator), int(im * denominator)) for re, im in row] for row in matrix]
    polynomial = DomainMatrix(rows, (len(rows), len(rows)), ZZ_I).charpoly()
    return all((-coefficient.x if k % 2 else coefficient.x) >= 0 for k, coefficient in enumerate(polynomial))


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
