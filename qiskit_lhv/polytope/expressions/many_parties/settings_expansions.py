"""Hamiltonians of qubits as sums of products of settings' observables, for any directions."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from qiskit.quantum_info import SparsePauliOp

from ...._support.types import FloatArray
from ....exceptions import ScenarioError
from ....measurements.bloch_vectors import bloch_vectors
from ....targets.scenario import BellScenario
from .base import ABSENT, MAX_LISTED
from .sparse import SparseExpression

__all__ = ["expand_in_settings", "settings_of_qubits"]

# Rounding errors of the weights with which settings make up a Pauli matrix.
_ROUNDING = 1e-12
# A part of the Hamiltonian that no settings measure, relative to the sum of its coefficients, is rounding below this.
_OUTSIDE = 1e-10


def settings_of_qubits(settings: Any, num_qubits: int) -> list[FloatArray]:
    """Bloch vectors of each qubit's settings, each of shape ``(m, 3)``.

    Args:
        settings: One sequence of measurements per qubit, or one for all: a list of labels or vectors.
        num_qubits: Number of qubits.

    Raises:
        MeasurementError: If there are not as many sequences as qubits, or an entry is not a measurement.
        ScenarioError: If a measurement is not a projective one of a qubit.
    """
    if isinstance(settings, list | tuple) and settings and all(isinstance(one, str) for one in settings):
        settings = [settings] * num_qubits
    # Vectors of Pauli matrices come from matrices of eigenvectors, with the last digits of square roots.
    return [
        np.where(np.abs(one - np.rint(one)) < _ROUNDING, np.rint(one), one)
        for one in bloch_vectors(settings, num_qubits)
    ]


def expand_in_settings(operator: SparsePauliOp, axes: list[FloatArray]) -> SparseExpression:
    """The Bell expression whose operator, with given settings, is a Hamiltonian.

    Each Pauli matrix of a qubit is written as a sum of the observables of the qubit's settings, and products are
    multiplied out: with settings ``(X + Z) / sqrt(2)`` and ``(X - Z) / sqrt(2)``, X is ``(A_0 + A_1) / sqrt(2)``. Where
    the settings of a qubit are linearly dependent, such sums are not unique; the one of the smallest squares is taken.
    Parts that no setting measures may cancel each other.

    Args:
        operator: The Hamiltonian, with real coefficients.
        axes: Bloch vectors of each qubit's settings, each of shape ``(m, 3)``.

    Returns:
        The expression, of as many parties as qubits.

    Raises:
        ScenarioError: If the Hamiltonian is no sum of products of the settings' observables, or has too many terms.

    References:
        arXiv:1607.06090, 2406.17841.
    """
    weights = [_weights_of_paulis(vectors) for vectors in axes]
    n = operator.num_qubits
    coefficients = operator.coeffs.real
    total = float(np.abs(coefficients).sum())
    added: dict[bytes, float] = {}
    num_products = 0
    for (_, qubits, _), label, value in zip(
        operator.to_sparse_list(), operator.paulis.to_labels(), coefficients, strict=True
    ):
        # A label's rightmost character is qubit 0.
        factors = [
            [(x, w) for x, w in enumerate(weights[k][:, "XYZ".index(label[n - 1 - k])]) if w != 0] for k in qubits
        ]
        num_products += math.prod(map(len, factors))
        if num_products > MAX_LISTED:
            raise ScenarioError.bad_argument(
                "hamiltonian",
                expected=f"at most {MAX_LISTED} products of settings",
                got="more",
                remedy="Choose settings that are Pauli matrices where many qubits interact at once.",
            )
        for product in itertools.product(*factors):
            row = np.full(n, ABSENT, dtype=np.int8)
            row[list(qubits)] = [x for x, _ in product]
            key = row.tobytes()
            added[key] = added.get(key, 0.0) + value * math.prod(w for _, w in product)
    num_settings = np.array([len(vectors) for vectors in axes])
    rows = np.frombuffer(b"".join(added), dtype=np.int8).reshape(-1, n)
    values = np.array(list(added.values()))
    outside = np.any(rows >= num_settings, axis=1)
    missed = float(np.abs(values[outside]).sum())
    if missed > _OUTSIDE * total:
        worst = rows[outside][np.abs(values[outside]).argmax()]
        where = np.flatnonzero(worst >= num_settings).tolist()
        raise ScenarioError.bad_argument(
            "settings",
            expected="settings whose products make up the Hamiltonian",
            got=f"a part of it (of size {missed:.3g}) that no settings of qubits {where} measure",
            remedy="Add settings to these qubits, such as the Pauli matrix that is missing.",
        )
    kept = ~outside & (np.abs(values) > _ROUNDING * _ROUNDING * total)
    return SparseExpression(BellScenario(num_settings.tolist(), 2), rows[kept], values[kept])


def _weights_of_paulis(vectors: FloatArray) -> FloatArray:
    """How settings make up X, Y and Z, shape ``(m + c, 3)``; the last c rows are of directions that no setting has."""
    _, sizes, directions = np.linalg.svd(vectors)
    rank = int(np.sum(sizes > _ROUNDING * max(1.0, float(sizes[0]))))
    weights = np.concatenate([np.linalg.pinv(vectors.T, rcond=_ROUNDING), directions[rank:]])
    # Settings that are Pauli matrices give whole numbers.
    whole = np.rint(weights)
    return np.where(np.abs(weights - whole) < _ROUNDING, whole, weights)
