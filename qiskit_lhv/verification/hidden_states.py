"""Exact checks of models in which one party's outcomes come from hidden quantum states of the other.

Floats are taken as the rational numbers that they are; there are no tolerances.

A two-qubit operator with correlations ``t`` (steering party first) is *unsteerable* from the first party if there are
hidden states ``(w_k, w_k u_k)`` of the second party (weights and Bloch vectors) such that every conditional operator
``(t_0 + x . t) / 2`` of a Bloch vector x is ``sum_k g_k(x) (w_k, w_k u_k)`` with responses between 0 and 1. All those
sums are a zonotope, centered at half the sum of the hidden states; the conditional operators are an ellipsoid around
``t_0 / 2``. So the question is whether an ellipsoid lies inside a zonotope: it does if
``|M C| <= sum_k w_k |C . (1, u_k)|`` for the normals C of all its facets, with M the rows 1 to 3 of t. In four
dimensions every facet of a full-dimensional zonotope holds three independent generators, whose normal is their cross
product.

The same holds for all POVMs of the steering party if it holds with its Bloch vectors enlarged by sqrt(3/2): a POVM
whose Bloch vectors are shrunk by sqrt(2/3) is a mixture of projective measurements (proof in :mod:`.projective`).

References:
    arXiv:1604.03815, arXiv:1808.09349 (the geometry); arXiv:1510.06721 (the closed criterion).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .remembered_checks import remembered

__all__ = [
    "STATE_BITS",
    "WEIGHT_BITS",
    "enlarged_for_povms",
    "gram_matrix",
    "hidden_states_fail",
    "steering_quartic",
]

# Bloch vectors are multiples of 2**-15 and weights of 2**-30, so that 4 x 4 determinants and their sums fit 64 bits.
STATE_BITS, WEIGHT_BITS = 15, 30
# A binary fraction just above sqrt(3/2).
_ENLARGEMENT_BITS = 20
_ENLARGEMENT = Fraction(math.isqrt(3 << (2 * _ENLARGEMENT_BITS - 1)) + 1, 1 << _ENLARGEMENT_BITS)
_MAX_STATES = 400
_HALF_BITS = 31
_NORMALS_PER_BATCH = 1 << 16


def enlarged_for_povms(tensor: Any) -> Any:
    """The tensor that must be unsteerable for projective measurements to be so for all POVMs of the first party.

    Args:
        tensor: Rational numbers or floats, shape ``(4, 4)``, the steering party's index first.
    """
    enlarged = tensor.copy()
    enlarged[1:] = enlarged[1:] * (_ENLARGEMENT if tensor.dtype == object else float(_ENLARGEMENT))
    return enlarged


def hidden_states_fail(tensor: Any, states: NDArray[np.float64], weights: NDArray[np.float64]) -> str:
    """Why hidden states do not make an operator unsteerable from its first party; empty if they do.

    Args:
        tensor: Rational, shape ``(4, 4)``, the steering party's index first.
        states: Bloch vectors of the other party's hidden states, multiples of 2**-15, shape ``(K, 3)``.
        weights: Their weights, multiples of 2**-30, shape ``(K,)``. The rest of the other party's reduced operator is
            one more hidden state, whose response is always 1/2.
    """
    content = [str(Fraction(value)) for value in np.asarray(tensor).flat]
    return remembered(lambda: _why_they_fail(tensor, states, weights), "hidden states", content, states, weights)


def _why_they_fail(tensor: Any, states: NDArray[np.float64], weights: NDArray[np.float64]) -> str:
    if not len(weights) <= _MAX_STATES:
        return f"there are more than {_MAX_STATES} hidden states"
    vectors = _whole(states, STATE_BITS)
    shares = _whole(weights, WEIGHT_BITS)
    if vectors is None or shares is None:
        return f"hidden states are not multiples of 2**-{STATE_BITS}, or weights not of 2**-{WEIGHT_BITS}"
    if np.any(shares < 0) or int(shares.astype(object).sum()) >= 1 << _HALF_BITS:
        return "a weight is negative, or they are too large"
    unit = 1 << STATE_BITS
    if np.any(np.abs(vectors) > unit) or np.any((vectors**2).sum(axis=1) > unit * unit):
        return "a hidden state is not a valid state"
    vectors, shares = vectors[shares > 0], shares[shares > 0]
    generators = np.hstack([np.full((len(vectors), 1), unit, dtype=np.int64), vectors])
    total = [Fraction(int((generators[:, j].astype(object) * shares).sum()), unit << WEIGHT_BITS) for j in range(4)]
    left = [Fraction(tensor[0, j]) - total[j] for j in range(4)]
    if left[0] < 0 or left[1] ** 2 + left[2] ** 2 + left[3] ** 2 > left[0] ** 2:
        return "the hidden states are not a part of the reduced state"
    rows, bits = _common_denominator(tensor[1:])
    full = False
    for first in range(len(generators) - 2):
        for normals in _normals(generators, first):
            products = np.abs(normals @ generators.T)
            full = full or bool(np.any(products))
            high, low = products >> _HALF_BITS, products & ((1 << _HALF_BITS) - 1)
            widths = (high @ shares).astype(object) * (1 << _HALF_BITS) + (low @ shares).astype(object)
            # Widths are in units of 2**-45 and the rows of 2**-bits.
            radii = sum((normals.astype(object) @ rows[i]) ** 2 for i in range(3))
            bad = radii * (1 << 2 * (STATE_BITS + WEIGHT_BITS)) > widths**2 * (1 << 2 * bits)
            if np.any(bad):
                return "some measurement leads out of what the hidden states allow"
    return "" if full else "the hidden states span less than four dimensions"


def _whole(array: NDArray[np.float64], bits: int) -> NDArray[np.int64] | None:
    """The array in units of 2**-bits, if these are whole numbers below 2**53."""
    scaled = np.ldexp(np.asarray(array, dtype=np.float64), bits)
    if not np.all(np.abs(scaled) < 2.0**53) or np.any(scaled != np.rint(scaled)):
        return None
    return scaled.astype(np.int64)


def _common_denominator(rows: Any) -> tuple[Any, int]:
    """Integers, as an object array, and how many bits their common denominator has."""
    bits = max(Fraction(value).denominator.bit_length() - 1 for value in rows.flat)
    scaled = [Fraction(value) * (1 << bits) for value in rows.flat]
    if any(value.denominator != 1 for value in scaled):
        # Not binary fractions: no tensor of floats leads here.
        raise ValueError("the tensor holds other than binary fractions")
    return np.array([int(value) for value in scaled], dtype=object).reshape(rows.shape), bits


def _normals(generators: NDArray[np.int64], first: int) -> Any:
    """Vectors across every three generators whose first one is given, batch by batch, shape ``(F, 4)``."""
    rest = generators[first + 1 :]
    pairs = np.array(list(itertools.combinations(range(len(rest)), 2)), dtype=np.intp).reshape(-1, 2)
    a = generators[first]
    for start in range(0, len(pairs), _NORMALS_PER_BATCH):
        b, c = (rest[pairs[start : start + _NORMALS_PER_BATCH, k]] for k in (0, 1))
        normals = np.empty((len(b), 4), dtype=np.int64)
        for k in range(4):
            i, j, m = (n for n in range(4) if n != k)
            minor = (
                a[i] * (b[:, j] * c[:, m] - b[:, m] * c[:, j])
                - a[j] * (b[:, i] * c[:, m] - b[:, m] * c[:, i])
                + a[m] * (b[:, i] * c[:, j] - b[:, j] * c[:, i])
            )
            normals[:, k] = minor if k % 2 == 0 else -minor
        yield normals


def steering_quartic(tensor: Any) -> dict[tuple[int, int, int], Fraction] | None:
    """The quartic form that is nowhere negative if uniformly distributed hidden states make an operator unsteerable.

    An invertible filter of the second party takes its reduced operator ``(1, b)`` to half the identity. Traces and
    lengths there need no square root: with the Minkowski product ``<p, q> = p_0 q_0 - p . q``, which filters only
    scale, and ``g = <t_0, t_0>``, the conditional operator of x has trace ``(1 + alpha . x) / 2``,
    ``alpha_i = <t_i, t_0> / g``, and a Bloch vector of squared length ``x Q x / 4``,
    ``Q_ij = alpha_i alpha_j - <t_i, t_j> / g``. Hidden states that are uniform there allow lengths up to ``s (1 - s)``
    at a trace s. So the operator is unsteerable if ``|alpha| <= 1`` and

        ``(x.x - (alpha.x)**2)**2 - 4 (x Q x) (x.x) >= 0  for all x.``

    Args:
        tensor: Rational, shape ``(4, 4)``, the steering party's index first.

    Returns:
        Its coefficients by powers of x, y and z; ``None`` if the second party's operator is not positive, or
        ``|alpha| > 1``.
    """
    t = [[Fraction(value) for value in row] for row in tensor]

    def product(p: list[Fraction], q: list[Fraction]) -> Fraction:
        return p[0] * q[0] - p[1] * q[1] - p[2] * q[2] - p[3] * q[3]

    g = product(t[0], t[0])
    if g <= 0 or t[0][0] <= 0:
        return None
    alpha = [product(t[i], t[0]) / g for i in (1, 2, 3)]
    if alpha[0] ** 2 + alpha[1] ** 2 + alpha[2] ** 2 > 1:
        return None
    # Both factors are quadratic forms: 1 - alpha alpha^T, and Q.
    first = {(i, j): int(i == j) - alpha[i] * alpha[j] for i in range(3) for j in range(3)}
    second = {(i, j): alpha[i] * alpha[j] - product(t[i + 1], t[j + 1]) / g for i in range(3) for j in range(3)}
    quartic: dict[tuple[int, int, int], Fraction] = {}
    for i, j, k, m in itertools.product(range(3), repeat=4):
        value = first[i, j] * first[k, m] - (4 * second[i, j] if k == m else 0)
        powers = [0, 0, 0]
        for index in (i, j, k, m):
            powers[index] += 1
        key = (powers[0], powers[1], powers[2])
        quartic[key] = quartic.get(key, Fraction(0)) + value
    return quartic


# Quadratic monomials, and the places in their Gram matrix that are the same monomial of degree four.
_MONOMIALS = ((2, 0, 0), (0, 2, 0), (0, 0, 2), (1, 1, 0), (1, 0, 1), (0, 1, 1))
_FREE_ENTRIES = (
    ((3, 3), (0, 1)),
    ((4, 4), (0, 2)),
    ((5, 5), (1, 2)),
    ((3, 4), (0, 5)),
    ((3, 5), (1, 4)),
    ((4, 5), (2, 3)),
)


def gram_matrix(quartic: dict[tuple[int, int, int], Any], choices: Sequence[Any]) -> list[list[Any]]:
    """The Gram matrix of a quartic form of three variables that six numbers choose among all.

    With the quadratic monomials ``z = (xx, yy, zz, xy, xz, yz)`` the form is ``z G z``. If G has no negative
    eigenvalue, the form is a sum of squares.

    Args:
        quartic: Coefficients by powers.
        choices: Entries (3, 3), (4, 4), (5, 5), (3, 4), (3, 5) and (4, 5) of G.
    """
    gram: list[list[Any]] = [[0] * 6 for _ in range(6)]
    for i in range(6):
        for j in range(6):
            key = tuple(a + b for a, b in zip(_MONOMIALS[i], _MONOMIALS[j], strict=True))
            gram[i][j] = quartic[key[0], key[1], key[2]] / 2
    for i in range(3):
        gram[i][i] *= 2
    for choice, ((i, j), (k, m)) in zip(choices, _FREE_ENTRIES, strict=True):
        # Off the diagonal an entry counts twice.
        total = 2 * gram[i][j]
        gram[i][j] = gram[j][i] = choice
        gram[k][m] = gram[m][k] = (total - (choice if i == j else 2 * choice)) / 2
    return gram
