"""How far the operator of a Bell expression is from a Hamiltonian, in rational numbers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

__all__ = ["operator_distance"]

_AXES = "XYZ"


def operator_distance(
    hamiltonian: Mapping[str, float],
    rows: NDArray[np.int8],
    coefficients: NDArray[np.float64],
    axes: Sequence[NDArray[np.float64]],
) -> Fraction:
    """An upper bound on the operator norm of the difference of a Hamiltonian and a Bell operator.

    Both are written as sums of Pauli strings, whose coefficients are compared. Observables whose Bloch vectors are not
    of length 1 to the last digit are counted by what setting that right can change.

    Args:
        hamiltonian: Coefficients by Pauli label; the rightmost character is qubit 0.
        rows: Terms of the expression, shape ``(T, N)``, -1 for a party that does not take part.
        coefficients: Their coefficients.
        axes: Bloch vectors of each party's settings.
    """
    n = rows.shape[1]
    vectors = [[[Fraction(float(value)) for value in vector] for vector in party] for party in axes]
    # A vector is off length 1 by less than its squared length is.
    excess = [[abs(sum(value * value for value in vector) - 1) for vector in party] for party in vectors]
    difference: dict[tuple[tuple[int, str], ...], Fraction] = {}
    for label, value in hamiltonian.items():
        if len(label) != n or set(label) - set("IXYZ"):
            raise ValueError(f"{label!r} is no Pauli string on {n} qubits")
        key = tuple((k, label[n - 1 - k]) for k in range(n) if label[n - 1 - k] != "I")
        difference[key] = difference.get(key, Fraction(0)) + Fraction(float(value))
    stretched = Fraction(0)
    for row, value in zip(rows.tolist(), coefficients.tolist(), strict=True):
        parties = [(k, x) for k, x in enumerate(row) if x >= 0]
        coefficient = Fraction(value)
        stretched += abs(coefficient) * (math.prod(1 + excess[k][x] for k, x in parties) - 1)
        factors = [[(k, a, v) for a, v in zip(_AXES, vectors[k][x], strict=True) if v] for k, x in parties]
        for product in itertools.product(*factors):
            key = tuple((k, a) for k, a, _ in product)
            part = coefficient * math.prod((v for _, _, v in product), start=Fraction(1))
            difference[key] = difference.get(key, Fraction(0)) - part
    return sum((abs(value) for value in difference.values()), Fraction(0)) + stretched
