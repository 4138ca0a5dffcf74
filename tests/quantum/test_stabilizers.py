import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import (
    Clifford,
    Operator,
    SparseObservable,
    SparsePauliOp,
    StabilizerState,
    Statevector,
    random_clifford,
)
from qiskit_lhv import Behavior, CorrelationTensor, analyze, measurement
from qiskit_lhv.exceptions import MeasurementError
from qiskit_lhv.quantum import mix_with_noise, stabilizers
from qiskit_lhv.spin_chains import evolve, ground_state, nearest_neighbor_chain, thermal_state


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_stabilizer_states_and_cliffords_are_states(seed, monkeypatch):
    clifford = random_clifford(4, seed=seed)
    vector = Statevector(clifford.to_circuit())
    exact = CorrelationTensor.from_state(vector)
    for state in (clifford, StabilizerState(clifford)):
        np.testing.assert_allclose(CorrelationTensor.from_state(state).array, exact.array, atol=1e-12)
        np.testing.assert_allclose(mix_with_noise(state, 1).data, np.outer(vector, vector.data.conj()), atol=1e-12)
    # Large ones are read off by expectation values.
    parties = [3, (0, 2)]
    expected = CorrelationTensor.from_state(vector, parties).array
    np.testing.assert_allclose(CorrelationTensor.from_state(clifford, parties).array, expected, atol=1e-12)
    monkeypatch.setattr(stabilizers, "_MAX_AMPLITUDES", 2)
    np.testing.assert_allclose(CorrelationTensor.from_state(clifford, parties).array, expected, atol=1e-12)


def test_large_stabilizer_states():
    ghz = QuantumCircuit(50)
    ghz.h(0)
    for k in range(49):
        ghz.cx(k, k + 1)
    state = StabilizerState(ghz)
    array = CorrelationTensor.from_state(state, [40, 7]).array
    np.testing.assert_allclose(array, np.diag([1, 0, 0, 1]), atol=1e-15)
    with pytest.raises(MeasurementError, match=r"at most 6 of them, got 50 of 50 qubits"):
        CorrelationTensor.from_state(state)


def test_stabilizer_states_are_analyzed():
    bell = QuantumCircuit(2)
    bell.h(0)
    bell.cx(0, 1)
    assert analyze(StabilizerState(bell), seed=1).verdict.name == "NONLOCAL"
    assert analyze(Clifford(bell), seed=1).verdict.name == "NONLOCAL"
    behavior = Behavior.from_state(StabilizerState(bell), "chsh")
    np.testing.assert_allclose(behavior.array, Behavior.from_state(bell, "chsh").array, atol=1e-12)


# Observables


def test_sparse_observables_are_measurements():
    for label, same in (("X", "X"), ("ZY", "ZY")):
        found = measurement(SparseObservable(label))
        np.testing.assert_allclose(found.effects, measurement(same).effects, atol=1e-12)
        assert found.bloch_vectors is not None
    # A projector has the eigenvalues 1 and 0.
    found = measurement(SparseObservable("0+"))
    assert found.num_outcomes == 2
    np.testing.assert_allclose(found.effects[0], np.kron(np.diag([1, 0]), np.full((2, 2), 0.5)), atol=1e-12)
    weighted = SparseObservable.from_list([("XI", 0.5), ("IZ", -1.5)])
    expected = measurement(SparsePauliOp(["XI", "IZ"], [0.5, -1.5]))
    np.testing.assert_allclose(measurement(weighted).effects, expected.effects, atol=1e-12)
    with pytest.raises(MeasurementError, match="Hermitian"):
        measurement(SparseObservable.from_list([("X", 1j)]))


def test_cliffords_are_bases_and_no_observables():
    hadamard = QuantumCircuit(1)
    hadamard.h(0)
    found = measurement(basis=Clifford(hadamard))
    np.testing.assert_allclose(found.effects, measurement("X").effects, atol=1e-12)
    with pytest.raises(MeasurementError, match=r"measurement\(basis=\.\.\.\)"):
        measurement(Clifford(hadamard))


def test_sparse_observables_are_hamiltonians():
    terms = [("XX", 1.0), ("ZZ", 0.5), ("IZ", 0.25)]
    sparse, pauli = SparseObservable.from_list(terms), SparsePauliOp.from_list(terms)
    assert ground_state(sparse).energy == pytest.approx(ground_state(pauli).energy)
    assert bool(ground_state(sparse).verify(sparse))
    np.testing.assert_allclose(thermal_state(sparse, 0.7).data, thermal_state(pauli, 0.7).data, atol=1e-12)
    start = Statevector.from_label("01")
    np.testing.assert_allclose(evolve(start, sparse, 0.4).data, evolve(start, pauli, 0.4).data, atol=1e-12)
    chain = nearest_neighbor_chain(3, sparse, SparseObservable("Y"))
    assert Operator(chain) == Operator(nearest_neighbor_chain(3, pauli, SparsePauliOp("Y")))
    # |01><01| on spins 1 and 0.
    assert ground_state(-1 * SparseObservable("01")).energy == pytest.approx(-1)
    with pytest.raises(MeasurementError, match=r"hamiltonian: expected a SparsePauliOp or SparseObservable, got str"):
        ground_state("XX")
