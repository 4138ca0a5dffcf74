import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit.library import QFTGate
from qiskit.circuit.random import random_circuit
from qiskit.quantum_info import DensityMatrix, Kraus, Statevector, partial_trace
from qiskit_lhv import Behavior, BellExperiment
from qiskit_lhv.exceptions import MeasurementError
from qiskit_lhv.quantum.circuit_states import state_of_circuit


def reordered(matrix, order):
    """The density matrix whose qubit j is qubit ``order[j]`` of another."""
    n = len(order)
    axes = [n - 1 - qubit for qubit in reversed(order)]
    return matrix.reshape((2,) * 2 * n).transpose(axes + [n + axis for axis in axes]).reshape(matrix.shape)


@pytest.mark.parametrize("seed", range(12))
def test_some_qubits_have_the_state_that_qiskit_gives_them(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 6))
    circuit = random_circuit(n, 4, max_operands=3, reset=seed % 2 == 1, seed=seed)
    if seed % 3 == 0:
        damping = Kraus([np.diag([1, np.sqrt(0.7)]), np.array([[0, np.sqrt(0.3)], [0, 0]])])
        circuit.append(damping.to_instruction(), [1])
        circuit.cx(1, 0)
    whole = DensityMatrix(circuit)
    np.testing.assert_allclose(DensityMatrix(state_of_circuit(circuit)).data, whole.data, atol=1e-14)
    qubits = rng.permutation(n)[: int(rng.integers(1, n + 1))].tolist()
    part = partial_trace(whole, [qubit for qubit in range(n) if qubit not in qubits]).data
    expected = reordered(part, [sorted(qubits).index(qubit) for qubit in qubits])
    np.testing.assert_allclose(DensityMatrix(state_of_circuit(circuit, qubits)).data, expected, atol=1e-14)


def test_pure_states_stay_vectors():
    circuit = random_circuit(4, 3, seed=5)
    circuit.global_phase = 0.3
    assert isinstance(state_of_circuit(circuit), Statevector)
    assert state_of_circuit(circuit).equiv(Statevector(circuit))


def ladder(num_qubits):
    circuit = QuantumCircuit(num_qubits)
    for qubit in range(num_qubits):
        circuit.ry(0.1 + qubit, qubit)
    circuit.cx(range(num_qubits - 1), range(1, num_qubits))
    return circuit


def test_eighteen_qubits_with_a_reset_take_no_density_matrix():
    circuit = ladder(18)
    circuit.reset([9, 12])
    circuit.cz(range(17), range(1, 18))
    # Nothing passes from the qubits above 4 to the qubits 0 and 1, so fewer qubits tell the same.
    expected = ladder(5)
    expected.cz(range(4), range(1, 5))
    tables = [BellExperiment(one, "chsh", [0, 1]).behavior().array for one in (circuit, expected)]
    np.testing.assert_allclose(*tables, atol=1e-12)


def test_qubits_that_do_not_matter_take_no_memory():
    circuit = QuantumCircuit(60)
    circuit.h(0)
    circuit.cx(range(59), range(1, 60))
    circuit.append(QFTGate(30), range(30, 60))
    table = Behavior.from_state(circuit, "chsh", [0, 1]).array
    pair = QuantumCircuit(3)
    pair.h(0)
    pair.cx([0, 1], [1, 2])
    np.testing.assert_allclose(table, Behavior.from_state(pair, "chsh", [0, 1]).array, atol=1e-14)


def test_what_does_not_fit_into_memory_is_said_before_the_work():
    circuit = QuantumCircuit(40)
    circuit.h(range(40))
    circuit.append(QFTGate(40), range(40))
    for call in (
        lambda: BellExperiment(circuit, "chsh", [3, 7]).behavior(),
        lambda: Behavior.from_state(circuit, [["X"]] * 40),
    ):
        with pytest.raises(MeasurementError, match=r"^circuit: expected one whose state fits .*matrix_product_state"):
            call()


def test_boxes_and_loops_of_a_fixed_count_are_opened():
    circuit = QuantumCircuit(2)
    with circuit.box():
        circuit.h(0)
        circuit.cx(0, 1)
    with circuit.for_loop(range(3)):
        circuit.x(0)
    table = BellExperiment(circuit, "chsh").behavior().array
    flipped = QuantumCircuit(2)
    flipped.h(0)
    flipped.cx(0, 1)
    flipped.x(0)
    np.testing.assert_allclose(table, BellExperiment(flipped, "chsh").behavior().array, atol=1e-14)


def test_classical_variables_are_refused():
    from qiskit.circuit.classical import expr, types

    circuit = QuantumCircuit(2)
    circuit.add_var("level", expr.lift(3, types.Uint(4)))
    with pytest.raises(MeasurementError, match=r"^circuit: expected a circuit without .*"):
        BellExperiment(circuit, "chsh")
