"""Exact expectation values of correlators of many qubits, by stabilizers or by a vector of amplitudes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from qiskit import QuantumCircuit
from qiskit.exceptions import QiskitError
from qiskit.quantum_info import Clifford, DensityMatrix, Pauli, StabilizerState, Statevector

from ..._support.types import ComplexArray, FloatArray
from ..._support.validation import at_most, instance
from ...exceptions import MeasurementError
from ...measurements.bloch_vectors import bloch_vectors
from ..scenario import BellScenario
from .runs import ABSENT
from .term_rows import check_term_rows, check_two_outcomes

__all__ = ["expectations_of_terms"]

_MOST_QUBITS, _MOST_QUBITS_OF_MATRICES = 22, 11
_ON_AN_AXIS = 1e-12
_PAULIS = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])


def expectations_of_terms(
    state: Any, settings: Sequence[Any], rows: ArrayLike
) -> tuple[FloatArray, BellScenario, NDArray[np.int8]]:
    """The values of terms in a state, the scenario, and the checked rows; see ``TermValues.from_state``."""
    kinds = (Statevector, DensityMatrix, StabilizerState, Clifford, QuantumCircuit)
    state = instance(state, kinds, "state", MeasurementError)
    n = int(state.num_qubits)
    vectors = bloch_vectors(settings, n)
    scenario = check_two_outcomes(BellScenario([len(own) for own in vectors], 2))
    checked = check_term_rows(rows, scenario)
    on_axes = all(np.allclose(np.abs(own).max(axis=1), 1, rtol=0, atol=_ON_AN_AXIS) for own in vectors)
    stabilizers = _stabilizers(state) if on_axes else None
    if stabilizers is not None:
        return _by_stabilizers(stabilizers, vectors, checked), scenario, checked
    is_matrix = isinstance(state, DensityMatrix)
    at_most(
        n,
        _MOST_QUBITS_OF_MATRICES if is_matrix else _MOST_QUBITS,
        "state",
        MeasurementError,
        what="qubits of a matrix" if is_matrix else "qubits",
        remedy="More are possible for circuits of Clifford gates with settings X, Y and Z.",
    )
    if not isinstance(state, Statevector | DensityMatrix):
        try:
            state = Statevector(state)
        except QiskitError as exc:
            raise MeasurementError.bad_argument(
                "state", expected="a circuit of gates, without measurements and parameters", got=str(exc)
            ) from exc
    data = state.data if is_matrix else state.data[:, None]
    values = [_expectation(data, vectors, row, is_matrix=is_matrix) for row in checked]
    return np.clip(np.array(values), -1, 1), scenario, checked


def _stabilizers(state: Any) -> StabilizerState | None:
    """The state by its stabilizers, if it is given by Clifford gates."""
    if isinstance(state, StabilizerState):
        return state
    if isinstance(state, Clifford | QuantumCircuit):
        try:
            return StabilizerState(state)
        except QiskitError:
            return None
    return None


def _by_stabilizers(state: StabilizerState, vectors: list[FloatArray], rows: NDArray[np.int8]) -> FloatArray:
    n = rows.shape[1]
    axes = [np.abs(own).argmax(axis=1) for own in vectors]
    signs = [np.sign(own[np.arange(len(own)), axis]) for own, axis in zip(vectors, axes, strict=True)]
    values = np.empty(len(rows))
    for t, row in enumerate(rows):
        parties = np.flatnonzero(row != ABSENT)
        # The label of qubit 0 is the rightmost.
        letters = ["I"] * n
        for k in parties:
            letters[n - 1 - k] = "XYZ"[axes[k][row[k]]]
        sign = np.prod([signs[k][row[k]] for k in parties])
        values[t] = sign * np.real(state.expectation_value(Pauli("".join(letters))))
    return values


def _expectation(data: ComplexArray, vectors: list[FloatArray], row: NDArray[np.int8], *, is_matrix: bool) -> float:
    """The value of one term, from amplitudes (one column) or a density matrix."""
    changed = data
    for k in np.flatnonzero(row != ABSENT):
        operator = np.tensordot(vectors[k][row[k]], _PAULIS, axes=1)
        # Qubit k is bit k of the number of a row.
        pairs = changed.reshape(-1, 2, (1 << int(k)) * data.shape[1])
        changed = np.matmul(operator, pairs).reshape(data.shape)
    return float(np.real(np.trace(changed) if is_matrix else np.vdot(data, changed)))
