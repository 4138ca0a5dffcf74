"""Hamiltonians as Bell operators of given settings."""

import itertools

import numpy as np
import pytest
from qiskit.quantum_info import Pauli, SparsePauliOp
from qiskit_lhv.exceptions import MeasurementError, ScenarioError
from qiskit_lhv.polytope.expressions.many_parties.settings_expansions import expand_in_settings, settings_of_qubits

PAULIS = [Pauli(a).to_matrix() for a in "XYZ"]


def expanded(hamiltonian, settings):
    return expand_in_settings(hamiltonian, settings_of_qubits(settings, hamiltonian.num_qubits))


def operator_of(expression, axes):
    """The Bell operator, by Kronecker products."""
    total = 0
    for term, value in expression.terms.items():
        chosen = dict(term)
        matrix = np.eye(1)
        for k in range(expression.num_parties):
            factor = np.eye(2)
            if k in chosen:
                factor = sum(c * p for c, p in zip(axes[k][chosen[k]], PAULIS, strict=True))
            matrix = np.kron(factor, matrix)  # qubit 0 is the least significant
        total = total + value * matrix
    return total


@pytest.mark.parametrize("num_settings", [3, 4])
def test_random_settings_that_span_all_directions(num_settings):
    rng = np.random.default_rng(num_settings)
    labels = ["".join(one) for one in itertools.product("IXYZ", repeat=3)]
    hamiltonian = SparsePauliOp(labels, rng.normal(size=64))
    axes = rng.normal(size=(3, num_settings, 3))
    axes /= np.linalg.norm(axes, axis=2, keepdims=True)
    expression = expanded(hamiltonian, axes.tolist())
    assert np.allclose(operator_of(expression, axes), hamiltonian.to_matrix(), atol=1e-9)


def test_pauli_settings_keep_the_coefficients():
    hamiltonian = SparsePauliOp(["IIX", "ZZI", "XIX", "III"], [0.1, -0.3, 0.7, 2.0])
    assert expanded(hamiltonian, ["X", "Z"]).terms == {
        ((0, 0),): 0.1,
        ((1, 1), (2, 1)): -0.3,
        ((0, 0), (2, 0)): 0.7,
        (): 2.0,
    }


def test_parts_outside_may_cancel():
    whole = SparsePauliOp(["XX", "YY", "XY", "YX"])
    terms = expanded(whole, [["X+Y"], ["X+Y"]]).terms
    assert terms == pytest.approx({((0, 0), (1, 0)): 2.0})
    with pytest.raises(ScenarioError, match=r"qubits \[0, 1\]|qubits \[1\]|qubits \[0\]"):
        expanded(whole[:3], [["X+Y"], ["X+Y"]])


def test_arguments():
    with pytest.raises(ScenarioError, match="no settings"):
        expanded(SparsePauliOp(["ZY"]), ["X", "Z"])
    with pytest.raises(MeasurementError, match="settings"):
        expanded(SparsePauliOp(["ZZ"]), [["X", "Z"]])
