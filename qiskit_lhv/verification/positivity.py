"""Exact checks of decompositions of two-qubit states, in the rational arithmetic of their Pauli coefficients."""

from __future__ import annotations

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

    A Hermitian matrix has none if and only if no coefficient of its characteristic polynomial, with alternating signs,
    is negative; the coefficients come from the traces of its powers.

    Args:
        coefficients: Rational, shape ``(4, 4)``, indices in the order I, X, Y, Z.
    """
    return is_positive_matrix(_matrix(coefficients))


def is_positive_matrix(matrix: list[list[Complex]]) -> bool:
    """Whether a Hermitian matrix of rational numbers, as pairs of real and imaginary parts, has no negative eigenvalue.

    Args:
        matrix: Rows of pairs; taken as it is, so it must be Hermitian.
    """
    size = len(matrix)
    # The Faddeev-LeVerrier recursion: M_k = A M_(k-1) + c I, with the elementary symmetric polynomials e_k.
    power = [[(Fraction(int(i == j)), _ZERO) for j in range(size)] for i in range(size)]
    for k in range(1, size + 1):
        product = _multiply(matrix, power)
        trace = sum((product[i][i][0] for i in range(size)), _ZERO) / k
        # trace equals (-1)**(k - 1) e_k.
        if (trace if k % 2 else -trace) < 0:
            return False
        power = [
            [(re - trace if i == j else re, im) for j, (re, im) in enumerate(row)] for i, row in enumerate(product)
        ]
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


def _multiply(first: list[list[Complex]], second: list[list[Complex]]) -> list[list[Complex]]:
    size = len(first)
    result = []
    for i in range(size):
        row: list[Complex] = []
        for j in range(size):
            re = im = _ZERO
            for k in range(size):
                a, b = first[i][k]
                c, d = second[k][j]
                re += a * c - b * d
                im += a * d + b * c
            row.append((re, im))
        result.append(row)
    return result
