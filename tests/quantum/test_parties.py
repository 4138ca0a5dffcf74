import numpy as np
import pytest
from qiskit import ClassicalRegister, QuantumCircuit
from qiskit.circuit import AnnotatedOperation, ControlModifier, Parameter
from qiskit.circuit.library import XGate
from qiskit.quantum_info import (
    Clifford,
    DensityMatrix,
    Kraus,
    Operator,
    Pauli,
    PauliList,
    SparseObservable,
    SparsePauliOp,
    Statevector,
    partial_trace,
    random_density_matrix,
)
from qiskit_lhv import Behavior, BellExperiment, CorrelationTensor
from qiskit_lhv.exceptions import MeasurementError
from qiskit_lhv.quantum import parties
from qiskit_lhv.quantum.parties import party_tensor, require_unmeasured, to_state
from qiskit_lhv.quantum.qubit_layouts import parse_parties

from helpers import bell_circuit

# Parties


def test_default_parties_are_the_qubits():
    assert parse_parties(None, 3) == [(0,), (1,), (2,)]


def test_numbers_and_sequences_are_parties():
    assert parse_parties([2, (0, 3), [1]], 4) == [(2,), (0, 3), (1,)]
    assert parse_parties(np.array([1, 0]), 2) == [(1,), (0,)]
    assert parse_parties([range(2, 4), 0], 4) == [(2, 3), (0,)]


@pytest.mark.parametrize(
    ("parties", "words"),
    [
        ([0, 0], "parties: expected parties that share no qubit, got qubit 0 in party 0 and in party 1"),
        ([(0, 1), (2, 1)], "qubit 1 in party 0 and in party 1"),
        ([(0, 0)], "qubit 0 in party 0 and in party 0"),
        ([3], "parties[0]: expected qubit numbers from 0 to 2, got 3"),
        ([0, -1], "parties[1]: expected qubit numbers from 0 to 2, got -1"),
        ([0, (1, 7)], "parties[1]: expected qubit numbers from 0 to 2, got 7"),
        ([0, ()], "parties[1]: expected at least one qubit"),
        ([], "parties: expected at least one party"),
        (0, "parties: expected a qubit number or a sequence"),
        ([0.5], "parties: expected a qubit number or a sequence"),
        ([(0.0,)], "parties[0]: expected qubit numbers"),
        ([True], "parties: expected a qubit number or a sequence"),
        ([(True,)], "parties[0]: expected qubit numbers"),
        ("01", "parties[0]: expected qubit numbers"),
    ],
)
def test_bad_parties_are_refused(parties, words):
    with pytest.raises(MeasurementError) as caught:
        parse_parties(parties, 3)
    assert isinstance(caught.value, ValueError)
    assert words in str(caught.value)


def test_bad_parties_are_refused_at_the_public_surface():
    with pytest.raises(MeasurementError, match="share no qubit"):
        CorrelationTensor.from_state(bell_circuit(), [0, 0])
    with pytest.raises(MeasurementError, match=r"parties\[1\]"):
        BellExperiment(bell_circuit(), "chsh", [0, 2])


# Circuits that measure


def finally_measured():
    circuit = bell_circuit()
    circuit.measure_all()
    return circuit


def measured_in_the_middle():
    circuit = bell_circuit(1)
    circuit.measure(0, 0)
    circuit.h(0)
    return circuit


def measured_in_a_branch():
    circuit = bell_circuit(2)
    with circuit.if_test((circuit.clbits[0], 0)):
        circuit.measure(0, 1)
    return circuit


def branching():
    circuit = bell_circuit(1)
    with circuit.if_test((circuit.clbits[0], 0)):
        circuit.x(0)
    return circuit


def measured_in_a_loop():
    circuit = bell_circuit(1)
    with circuit.for_loop(range(2)):
        circuit.measure(1, 0)
    return circuit


def measured_inside_an_instruction():
    circuit = QuantumCircuit(2, 1)
    circuit.append(measured_in_the_middle().to_instruction(), [0, 1], [0])
    return circuit


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (finally_measured, "measure"),
        (measured_in_the_middle, "measure"),
        (measured_in_a_branch, "if_else"),
        (branching, "if_else"),
        (measured_in_a_loop, "for_loop"),
        (measured_inside_an_instruction, "circuit"),
    ],
)
def test_circuits_that_measure_are_refused_with_the_remedy(make, name):
    circuit = make()
    for call in (require_unmeasured, to_state):
        with pytest.raises(MeasurementError) as caught:
            call(circuit)
        message = str(caught.value)
        assert message.startswith("circuit: expected a circuit without measurements")
        assert name in message
        assert "remove_final_measurements(inplace=False)" in message


def test_the_remedy_works():
    remedied = finally_measured().remove_final_measurements(inplace=False)
    np.testing.assert_allclose(CorrelationTensor.from_state(remedied).array, np.diag([1, 1, -1, 1]), atol=1e-15)


def test_unused_classical_bits_do_not_matter():
    circuit = bell_circuit(2)
    circuit.add_register(ClassicalRegister(1, "spare"))
    circuit.barrier()
    assert require_unmeasured(circuit) is None
    np.testing.assert_allclose(CorrelationTensor.from_state(circuit).array, np.diag([1, 1, -1, 1]), atol=1e-15)


def test_free_parameters_are_refused_with_the_remedy():
    circuit = bell_circuit()
    angle = Parameter("phi")
    circuit.rz(angle, 0)
    with pytest.raises(MeasurementError, match=r"^circuit: .*without free parameters, got phi.*assign_parameters"):
        to_state(circuit)
    assert to_state(circuit.assign_parameters({angle: 0.3})).num_qubits == 2


# Resets


def test_reset_of_an_entangled_qubit_leaves_a_mixed_state():
    circuit = bell_circuit()
    circuit.reset(0)
    state = to_state(circuit)
    tensor = CorrelationTensor.from_state(circuit).array
    expected = np.zeros((4, 4))
    expected[0, 0] = expected[3, 0] = 1
    np.testing.assert_allclose(DensityMatrix(state).data, np.diag([0.5, 0, 0.5, 0]), atol=1e-15)
    np.testing.assert_allclose(tensor, expected, atol=1e-15)
    behavior = BellExperiment(circuit, [["Z"], ["Z"]]).behavior()
    np.testing.assert_allclose(behavior.array[0, 0], [[0.5, 0.5], [0, 0]], atol=1e-15)


def test_initializing_an_entangled_qubit_leaves_a_mixed_state():
    circuit = bell_circuit()
    circuit.initialize([0, 1], 0)
    array = CorrelationTensor.from_state(circuit).array
    assert array[3, 0] == pytest.approx(-1)
    assert array[0, 3] == pytest.approx(0, abs=1e-12)


def test_resets_inside_an_instruction_leave_a_mixed_state():
    inner = QuantumCircuit(1)
    inner.reset(0)
    circuit = bell_circuit()
    circuit.append(inner.to_instruction(), [0])
    assert CorrelationTensor.from_state(circuit).array[0, 3] == pytest.approx(0, abs=1e-12)


def test_reset_at_the_start_changes_nothing():
    circuit = QuantumCircuit(2)
    circuit.reset([0, 1])
    circuit.h(0)
    circuit.cx(0, 1)
    np.testing.assert_allclose(CorrelationTensor.from_state(circuit).array, np.diag([1, 1, -1, 1]), atol=1e-15)


def test_reset_prepares_the_ground_state_again():
    circuit = QuantumCircuit(1)
    circuit.x(0)
    circuit.reset(0)
    np.testing.assert_allclose(CorrelationTensor.from_state(circuit).array, [1, 0, 0, 1], atol=1e-15)


def test_noise_channels_in_circuits_leave_a_mixed_state():
    circuit = bell_circuit()
    half = np.sqrt(0.5)
    dephasing = Kraus([half * np.eye(2), half * np.diag([1, -1])])
    circuit.append(dephasing.to_instruction(), [1])
    np.testing.assert_allclose(CorrelationTensor.from_state(circuit).array, np.diag([1, 0, 0, 1]), atol=1e-15)


def operations_that_are_no_gates():
    half_turn = QuantumCircuit(1, name="half turn")
    half_turn.x(0)
    annotated = AnnotatedOperation(XGate(), [ControlModifier(1)])
    return {
        "Clifford": (Clifford(half_turn), [1]),
        "instruction": (half_turn.to_instruction(), [1]),
        "annotated": (annotated, [0, 1]),
        "unitary": (Operator([[0, 1], [1, 0]]).to_instruction(), [1]),
    }


@pytest.mark.parametrize("name", list(operations_that_are_no_gates()))
def test_operations_that_are_no_gates_are_taken(name):
    # Each of them flips qubit 1 of |01>.
    operation, qubits = operations_that_are_no_gates()[name]
    circuit = QuantumCircuit(2)
    circuit.x(0)
    circuit.append(operation, qubits)
    expected = np.outer([1, 0, 0, -1], [1, 0, 0, -1])
    np.testing.assert_allclose(CorrelationTensor.from_state(circuit).array, expected, atol=1e-15)


def started_by_initialize():
    circuit = QuantumCircuit(3)
    circuit.initialize(HALF_GHZ)
    return circuit


def started_by_reset():
    circuit = QuantumCircuit(3)
    circuit.reset(range(3))
    circuit.h(0)
    circuit.cx(0, [1, 2])
    return circuit


HALF_GHZ = np.sqrt(0.5) * np.array([1, 0, 0, 0, 0, 0, 0, 1])


@pytest.mark.parametrize("make", [started_by_initialize, started_by_reset])
def test_circuits_that_start_by_a_reset_stay_state_vectors(make):
    # As density matrices their memory would be squared: fourteen qubits would take gigabytes.
    state = to_state(make())
    assert isinstance(state, Statevector)
    np.testing.assert_allclose(np.abs(state.data), HALF_GHZ, atol=1e-12)


# States


def test_states_are_taken_as_they_are():
    density, vector = random_density_matrix(4, seed=1), Statevector([1, 0])
    assert to_state(density) is density
    assert to_state(vector) is vector


def test_arrays_are_amplitudes_or_density_matrices():
    assert isinstance(to_state([0.6, 0.8j]), Statevector)
    assert isinstance(to_state(np.diag([0.25, 0.75])), DensityMatrix)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ([1.0, 1.0], "trace 1, got trace 2"),
        (np.diag([0.5, 0.4]), "trace 1, got trace 0.9"),
        (DensityMatrix(np.diag([0.5, 0.5 + 1e-6])), "trace 1"),
        (Statevector([0.5, 0.5]), "trace 1, got trace 0.5"),
        (np.diag([1.5, -0.5]), "a positive matrix, got an eigenvalue of -0.5"),
        (np.array([[0.5, 0.5], [0.0, 0.5]]), "a Hermitian matrix"),
        (np.array([[0.5, 0.6], [0.6, 0.5]]), "a positive matrix, got an eigenvalue of -0.1"),
        ([np.nan, 1.0], "finite numbers"),
        (np.diag([np.inf, 1.0]), "finite numbers"),
        (np.ones((2, 3)), "that is a state"),
        (np.ones((2, 2, 2)), "that is a state"),
        ("bell", "that is a state"),
        (None, "that is a state"),
        ({}, "that is a state"),
        (0.5, "state: expected"),
    ],
)
def test_what_is_no_state_is_refused(state, words):
    with pytest.raises(MeasurementError) as caught:
        to_state(state)
    assert isinstance(caught.value, ValueError)
    assert str(caught.value).startswith("state: expected")
    assert words in str(caught.value)


def test_rounding_of_a_state_is_accepted():
    assert to_state(np.diag([0.5 + 4e-9, 0.5])).dims() == (2,)
    assert to_state(np.diag([1 + 4e-9, -4e-9])).dims() == (2,)


def test_states_of_the_wrong_dimension_do_not_fit_qubit_settings():
    with pytest.raises(MeasurementError, match=r"dimension 3, as party 0 has, got dimension 2"):
        CorrelationTensor.from_state(np.array([1.0, 0, 0])).behavior([["Z"]])


def test_large_matrices_are_checked():
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(256, 3))
    state = DensityMatrix(vectors @ vectors.T / np.sum(vectors**2))
    assert to_state(state) is state
    eye = np.eye(256) / 256
    with pytest.raises(MeasurementError, match=r"a positive matrix, got an eigenvalue of -0\.1"):
        to_state(1.1 * eye[0:1].T @ eye[0:1] * 256**2 - 0.1 * np.diag(eye[1] * 256))
    # Negative by rounding: set to zero.
    slight = state.data - 1e-9 * np.eye(256)
    found = to_state(DensityMatrix(slight + 256e-9 * np.diag(np.eye(256)[0])))
    assert np.linalg.eigvalsh(found.data)[0] > -1e-15
    skew = state.data.copy()
    skew[0, 1] += 4e-9j
    found = to_state(skew).data
    assert np.abs(found - found.conj().T).max() < 1e-15


def test_huge_matrices_are_checked_by_their_minors(monkeypatch):
    monkeypatch.setattr(parties, "_HUGE", 7)
    state = random_density_matrix(8, seed=1)
    assert to_state(state) is state
    for wrong in (np.diag([1.1, -0.1, 0, 0, 0, 0, 0, 0]), np.eye(8) / 8 + 0.2 * np.eye(8)[::-1]):
        with pytest.raises(MeasurementError, match="a positive matrix, got one with a negative eigenvalue"):
            to_state(wrong)


# The state of the parties


def test_axes_of_the_reduced_state_are_in_party_order():
    state = random_density_matrix(8, seed=5)
    tensor, dimensions = party_tensor(state, [2, 0])
    assert dimensions == (2, 2)
    kept = partial_trace(state, [1]).data.reshape(2, 2, 2, 2)
    np.testing.assert_allclose(tensor, kept, atol=1e-15)
    np.testing.assert_allclose(party_tensor(state, [0, 2])[0], kept.transpose(1, 0, 3, 2), atol=1e-15)


def test_groups_are_flattened_with_their_first_qubit_least_significant():
    # |q2 q1 q0> = |011>: as one party (2, 0, 1) the number is 0 + 2 * 1 + 4 * 1.
    tensor, dimensions = party_tensor(Statevector.from_label("011"), [(2, 0, 1)])
    assert dimensions == (8,)
    assert np.argwhere(np.abs(tensor) > 0.5).tolist() == [[6, 6]]


@pytest.mark.parametrize("observable", [SparsePauliOp("XX"), Pauli("XX"), PauliList(["XX"]), SparseObservable("XX")])
def test_observables_are_no_states(observable):
    for call in (to_state, lambda one: Behavior.from_state(one, "chsh")):
        with pytest.raises(MeasurementError, match=r"^state: expected a state, got \w+, an observable\. .*settings"):
            call(observable)
