"""Operators and measurements of any dimension in exact arithmetic, by their coordinates in the Gell-Mann matrices.

The diagonal Gell-Mann matrices hold square roots. These are replaced by rational numbers that differ from them by less
than ``BASIS_ERROR``, and each check adds what that can change to the rounding that it allows for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np

from .positivity import is_positive_semidefinite
from .rationals import rational

__all__ = [
    "BASIS_ERROR",
    "basis_norms",
    "coordinates_of_bases",
    "coordinates_of_effects",
    "coordinates_of_vector",
    "is_positive_operator",
    "operator_of",
    "transposed_signs",
]

BASIS_ERROR = Fraction(1, 2**100)
"""Largest difference of an entry from that of the true matrix, and of a coordinate from the true one."""

_BITS = 100
# Weight of the measurement whose outcome is random, with which rounding errors of effects are covered.
_RANDOM_WEIGHT = Fraction(1, 2**30)
_ENTRY_BITS = 64


@cache
def _entries(dimension: int) -> tuple[tuple[tuple[int, int, Fraction, Fraction], ...], ...]:
    """Non-zero entries of the identity and of each Gell-Mann matrix: row, column, real and imaginary part."""
    one, zero = Fraction(1), Fraction(0)
    pairs = [(j, k) for j in range(dimension) for k in range(j + 1, dimension)]
    matrices = [tuple((j, j, one, zero) for j in range(dimension))]
    matrices += [((j, k, one, zero), (k, j, one, zero)) for j, k in pairs]
    matrices += [((j, k, zero, -one), (k, j, zero, one)) for j, k in pairs]
    for level in range(1, dimension):
        root = _root(level)
        diagonal = [root] * level + [-level * root]
        matrices.append(tuple((j, j, value, zero) for j, value in enumerate(diagonal)))
    return tuple(matrices)


@cache
def _root(level: int) -> Fraction:
    """The square root of ``2 / (level (level + 1))``, from below, to 120 bits."""
    return Fraction(math.isqrt((2 << 240) // (level * (level + 1))), 1 << 120)


def basis_norms(dimension: int) -> list[Fraction]:
    """Returns ``tr(G_i G_i)`` of the true matrices: D for the identity, 2 for the others."""
    return [Fraction(dimension)] + [Fraction(2)] * (dimension**2 - 1)


def transposed_signs(dimension: int) -> np.ndarray:
    """Returns the signs of the basis matrices under transposition, shape ``(D**2,)``: -1 for the antisymmetric ones."""
    signs = np.ones(dimension**2, dtype=int)
    pairs = dimension * (dimension - 1) // 2
    signs[1 + pairs : 1 + 2 * pairs] = -1
    return signs


def operator_of(coefficients: Any) -> tuple[list[list[Fraction]], list[list[Fraction]]]:
    """Returns the real and imaginary parts of ``sum_i c_i G_(i_1) (x) ... (x) G_(i_N)``, party 0 most significant.

    Args:
        coefficients: Rational, shape ``(D_1**2, ..., D_N**2)``.
    """
    dimensions = [math.isqrt(size) for size in coefficients.shape]
    size = math.prod(dimensions)
    parts = [[[Fraction(0)] * size for _ in range(size)] for _ in range(2)]
    bases = [_entries(dimension) for dimension in dimensions]
    for index in np.ndindex(coefficients.shape):
        value = coefficients[index]
        if not value:
            continue
        terms = [(0, 0, Fraction(value), Fraction(0))]
        for i, basis, dimension in zip(index, bases, dimensions, strict=True):
            terms = [
                (row * dimension + r, column * dimension + c, re * x - im * y, re * y + im * x)
                for row, column, re, im in terms
                for r, c, x, y in basis[i]
            ]
        for row, column, re, im in terms:
            parts[0][row][column] += re
            parts[1][row][column] += im
    return parts[0], parts[1]


def is_positive_operator(coefficients: Any) -> bool:
    """Whether ``sum_i c_i G_(i_1) (x) ... (x) G_(i_N)`` surely has no negative eigenvalue.

    The entries are rounded to 64 bits, and a multiple of the identity is subtracted that makes up for this and for the
    rational basis. So operators with an eigenvalue that is zero need a little white noise.

    Args:
        coefficients: Rational, shape ``(D_1**2, ..., D_N**2)``.
    """
    real, imaginary = operator_of(coefficients)
    size, scale = len(real), 1 << _ENTRY_BITS
    # Each entry of a product of N basis matrices is off by at most N sqrt(2)**N times the error of one entry.
    n = coefficients.ndim
    total = sum((abs(Fraction(value)) for value in coefficients.flat), Fraction(0))
    off = Fraction(1, scale) + total * n * 2**n * BASIS_ERROR
    # A Hermitian matrix whose parts are below ``off`` has eigenvalues below twice its size times ``off``.
    shift = math.ceil(2 * size * off * scale)
    rounded = [[[round(value * scale) for value in row] for row in part] for part in (real, imaginary)]
    for i in range(size):
        rounded[0][i][i] -= shift
        for j in range(i):
            # Rounding is symmetric, so the matrix stays Hermitian.
            rounded[0][i][j], rounded[1][i][j] = rounded[0][j][i], -rounded[1][j][i]
        rounded[1][i][i] = 0
    return is_positive_semidefinite(rounded[0], rounded[1])


def coordinates_of_bases(bases: Any) -> Any:
    """Returns the coordinates of the projectors on basis vectors, with errors below ``BASIS_ERROR``.

    The columns of each matrix are made orthogonal in exact arithmetic, the first one first, and the projectors on them
    are exact; so every invertible matrix stands for a projective measurement.

    Args:
        bases: Complex, shape ``(m, D, D)``; column a is the vector of outcome a.

    Returns:
        Rational, shape ``(m, D, D**2)``: the probability of outcome a is the contraction with the tensor of a state.

    Raises:
        ValueError: If the columns of a matrix are linearly dependent.
    """
    count, dimension = bases.shape[:2]
    result = np.empty((count, dimension, dimension**2), dtype=object)
    for x in range(count):
        earlier: list[tuple[list[Fraction], list[Fraction], Fraction]] = []
        for a in range(dimension):
            vector = _orthogonal(bases[x, :, a], earlier)
            earlier.append(vector)
            result[x, a] = _coordinates_of_vector(*vector)
    return result


def coordinates_of_effects(effects: Any) -> Any:
    """Returns the coordinates of the effects of POVMs, with errors below ``BASIS_ERROR``.

    Effects whose entries are rounded sum to the identity only roughly, and may have small negative eigenvalues. They
    stand for a POVM that is made of them in exact arithmetic: the part of the identity that is missing is shared out
    evenly, and with probability ``2**-30`` the outcome is a random one. Then the effects sum to the identity exactly,
    and it is proven that none has a negative eigenvalue.

    Args:
        effects: Complex, shape ``(m, num_outcomes, D, D)``; the Hermitian part of each matrix counts.

    Returns:
        Rational, shape ``(m, num_outcomes, D**2)``: the probability of outcome a is the contraction with the tensor of
        a state.

    Raises:
        ValueError: If an effect of that POVM has a negative eigenvalue.
    """
    count, outcomes, dimension = effects.shape[:3]
    result = np.empty((count, outcomes, dimension**2), dtype=object)
    weight = _RANDOM_WEIGHT
    diagonal = np.eye(dimension, dtype=int)
    for x in range(count):
        real, imaginary = rational(effects[x].real), rational(effects[x].imag)
        real, imaginary = (real + real.swapaxes(1, 2)) / 2, (imaginary - imaginary.swapaxes(1, 2)) / 2
        # With the parts of the identity that are missing, the effects sum to it exactly.
        real = real + (diagonal - real.sum(axis=0)) / outcomes
        imaginary = imaginary - imaginary.sum(axis=0) / outcomes
        real = real * (1 - weight) + diagonal * (weight / outcomes)
        imaginary = imaginary * (1 - weight)
        for a in range(outcomes):
            if not is_positive_semidefinite(real[a].tolist(), imaginary[a].tolist()):
                raise ValueError(f"effect {a} of measurement {x} has a negative eigenvalue")
            result[x, a] = _coordinates_of_operator(real[a], imaginary[a])
    return result


def coordinates_of_vector(vector: Any) -> list[Fraction]:
    """Returns the coordinates of the projector on a vector, times ``tr(G_i G_i)``: its correlations.

    Args:
        vector: Complex, shape ``(D,)``, of any length above zero.

    Returns:
        ``tr(P G_i)`` with errors below ``2 BASIS_ERROR``.
    """
    norms = basis_norms(len(vector))
    coordinates = _coordinates_of_vector(*_orthogonal(vector, []))
    return [value * norm for value, norm in zip(coordinates, norms, strict=True)]


def _orthogonal(
    vector: Any, earlier: Sequence[tuple[list[Fraction], list[Fraction], Fraction]]
) -> tuple[list[Fraction], list[Fraction], Fraction]:
    """Returns the part of a vector that is orthogonal to earlier ones: real, imaginary part and squared length."""
    re = [Fraction(float(value)) for value in np.real(vector)]
    im = [Fraction(float(value)) for value in np.imag(vector)]
    for other_re, other_im, squared in earlier:
        # The overlap <other|vector>, divided by the squared length of the other one.
        x = sum((a * c + b * d for a, b, c, d in zip(other_re, other_im, re, im, strict=True)), Fraction(0)) / squared
        y = sum((a * d - b * c for a, b, c, d in zip(other_re, other_im, re, im, strict=True)), Fraction(0)) / squared
        re, im = (
            [c - x * a + y * b for a, b, c in zip(other_re, other_im, re, strict=True)],
            [d - x * b - y * a for a, b, d in zip(other_re, other_im, im, strict=True)],
        )
    squared = sum((value * value for value in re + im), Fraction(0))
    if not squared:
        raise ValueError("the columns are linearly dependent")
    return re, im, squared


def _coordinates_of_operator(re: Any, im: Any) -> list[Fraction]:
    """Returns ``tr(E G_i) / tr(G_i G_i)`` of a Hermitian matrix E, rounded to 110 bits."""
    dimension = len(re)
    pairs = [(j, k) for j in range(dimension) for k in range(j + 1, dimension)]
    trace = sum((re[j, j] for j in range(dimension)), Fraction(0))
    # tr(E G) / 2 is the real part of E_jk, and minus the imaginary part for the antisymmetric matrices.
    values = [trace / dimension, *(re[j, k] for j, k in pairs), *(-im[j, k] for j, k in pairs)]
    for level in range(1, dimension):
        before = sum((re[j, j] for j in range(level)), Fraction(0))
        values.append(_root(level) * (before - level * re[level, level]) / 2)
    return [_rounded(value) for value in values]


def _rounded(value: Fraction) -> Fraction:
    """Returns a coordinate rounded to 110 bits."""
    return Fraction(round(value * (1 << (_BITS + 10))), 1 << (_BITS + 10))


def _coordinates_of_vector(re: list[Fraction], im: list[Fraction], squared: Fraction) -> list[Fraction]:
    """Returns ``tr(P G_i) / tr(G_i G_i)`` of the projector P on a vector, rounded to 100 bits."""
    dimension = len(re)
    pairs = [(j, k) for j in range(dimension) for k in range(j + 1, dimension)]
    # <v|G|v> / 2 is the real part of conj(v_j) v_k, and the imaginary part for the antisymmetric matrices.
    values = [(re[j] * re[k] + im[j] * im[k]) / squared for j, k in pairs]
    values += [(re[j] * im[k] - im[j] * re[k]) / squared for j, k in pairs]
    weights = [(x * x + y * y) / squared for x, y in zip(re, im, strict=True)]
    for level in range(1, dimension):
        values.append(_root(level) * (sum(weights[:level], Fraction(0)) - level * weights[level]) / 2)
    return [Fraction(1, dimension), *(_rounded(value) for value in values)]
