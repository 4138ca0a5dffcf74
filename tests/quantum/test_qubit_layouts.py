import numpy as np
import pytest
from qiskit import QuantumCircuit, QuantumRegister, transpile
from qiskit.circuit import Parameter, Qubit
from qiskit.primitives import StatevectorSampler
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.quantum_info import DensityMatrix, Statevector
from qiskit.transpiler import CouplingMap, generate_preset_pass_manager
from qiskit_lhv import Behavior, BellExperiment, CorrelationTensor, chsh
from qiskit_lhv.exceptions import MeasurementError
from qiskit_lhv.quantum import PhysicalQubits, mix_with_noise
from qiskit_lhv.quantum.parties import to_state
from qiskit_lhv.quantum.qubit_layouts import parse_parties
from qiskit_lhv.spin_chains import reduced_state

from helpers import bell_circuit

LINE = CouplingMap.from_line(6)


def laid_out(circuit, initial_layout, level=1):
    manager = generate_preset_pass_manager(
        level, coupling_map=LINE, basis_gates=["cx", "rz", "sx", "x"], initial_layout=initial_layout, seed_transpiler=1
    )
    return manager.run(circuit)


def random_circuit(num_qubits, seed):
    """Gates between qubits that are far apart, so that they are moved; no two qubits are alike."""
    rng = np.random.default_rng(seed)
    circuit = QuantumCircuit(num_qubits)
    for qubit in range(num_qubits):
        circuit.ry(rng.uniform(0, np.pi), qubit)
        circuit.rz(rng.uniform(0, np.pi), qubit)
    for _ in range(6):
        a, b = rng.choice(num_qubits, 2, replace=False)
        circuit.cx(a, b)
        circuit.ry(rng.uniform(0, np.pi), b)
    circuit.swap(0, num_qubits - 1)
    return circuit


# Circuits that are transpiled already


def test_parties_of_a_transpiled_circuit_are_the_qubits_it_was_transpiled_from():
    circuit = laid_out(bell_circuit(), [3, 4])
    for parties in ([0, 1], None):
        experiment = BellExperiment(circuit, "chsh", parties)
        assert experiment.parties == ((3,), (4,))
        assert chsh().value(experiment.behavior()) == pytest.approx(2 * np.sqrt(2))
        counts = experiment.run(StatevectorSampler(seed=1), 400)
        assert 2.5 < chsh().value(counts.frequencies()) < 3.1
    # The qubits of the device by the same numbers are idle.
    idle = BellExperiment(circuit, "chsh", PhysicalQubits([0, 1]))
    assert idle.parties == ((0,), (1,))
    assert chsh().value(idle.behavior()) < 2


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_routed_circuits_have_the_correlations_of_the_original(level):
    for seed in range(4):
        original = random_circuit(4, seed)
        circuit = laid_out(original, [5, 1, 3, 2], level)
        exact = CorrelationTensor.from_state(original)
        np.testing.assert_allclose(CorrelationTensor.from_state(circuit).array, exact.array, atol=1e-12)
        some = CorrelationTensor.from_state(circuit, [2, (3, 0)])
        np.testing.assert_allclose(some.array, CorrelationTensor.from_state(original, [2, (3, 0)]).array, atol=1e-12)
        places = circuit.layout.final_index_layout()
        physical = CorrelationTensor.from_state(circuit, PhysicalQubits([places[1], places[0]]))
        np.testing.assert_allclose(physical.array, exact.reduce([1, 0]).array, atol=1e-12)


def test_layouts_without_a_coupling_map_count_too():
    # Level 2 leaves out the swap and says so in the layout.
    original = random_circuit(3, 1)
    circuit = transpile(original, basis_gates=["cx", "rz", "sx", "x"], optimization_level=2, seed_transpiler=1)
    exact = CorrelationTensor.from_state(original).array
    np.testing.assert_allclose(CorrelationTensor.from_state(circuit).array, exact, atol=1e-12)


def test_states_of_transpiled_circuits():
    original = random_circuit(3, 2)
    circuit = laid_out(original, [5, 0, 2])
    expected = DensityMatrix(original).data
    np.testing.assert_allclose(DensityMatrix(to_state(circuit)).data, expected, atol=1e-12)
    mixed = mix_with_noise(circuit, 0.5)
    np.testing.assert_allclose(mixed.data, (expected + np.eye(8) / 8) / 2, atol=1e-12)
    np.testing.assert_allclose(
        reduced_state(circuit, [2, 0]).data, reduced_state(Statevector(original), [2, 0]).data, atol=1e-12
    )


def test_wide_devices_take_no_more_memory_than_their_used_qubits():
    backend = GenericBackendV2(60, coupling_map=CouplingMap.from_line(60), seed=1)
    manager = generate_preset_pass_manager(1, backend=backend, initial_layout=[40, 36], seed_transpiler=1)
    circuit = manager.run(bell_circuit())
    assert circuit.num_qubits == 60
    assert chsh().value(Behavior.from_state(circuit, "chsh")) == pytest.approx(2 * np.sqrt(2))
    assert chsh().value(BellExperiment(circuit, "chsh", [1, 0]).behavior()) == pytest.approx(2 * np.sqrt(2))


def test_layout_of_another_circuit():
    circuit = laid_out(bell_circuit(), [3, 4])
    smaller = QuantumCircuit(2)
    smaller._layout = circuit.layout
    with pytest.raises(MeasurementError, match=r"circuit: expected a circuit on the qubits that its layout names"):
        BellExperiment(smaller, "chsh")
    assert BellExperiment(smaller, "chsh", PhysicalQubits([1, 0])).parties == ((1,), (0,))


# Qubits and registers


def test_qubits_and_registers_are_parties():
    alice, bob = QuantumRegister(2, "alice"), QuantumRegister(1, "bob")
    loose = Qubit()
    circuit = QuantumCircuit([loose], alice, bob)
    assert parse_parties([bob, alice], circuit) == [(3,), (1, 2)]
    assert parse_parties([alice[1], [loose, bob[0]]], circuit) == [(2,), (0, 3)]
    assert parse_parties(alice, circuit) == [(1,), (2,)]
    assert parse_parties(circuit.qubits, circuit) == [(0,), (1,), (2,), (3,)]


def test_qubits_and_registers_follow_the_layout():
    alice, bob = QuantumRegister(1, "alice"), QuantumRegister(1, "bob")
    original = QuantumCircuit(alice, bob)
    original.ry(0.3, alice)
    original.cx(alice[0], bob[0])
    original.ry(0.9, bob)
    circuit = laid_out(original, [4, 3])
    for parties in ([bob, alice], [bob[0], alice[0]], [1, 0]):
        assert BellExperiment(circuit, "chsh", parties).parties == ((3,), (4,))
        found = CorrelationTensor.from_state(circuit, parties).array
        np.testing.assert_allclose(found, CorrelationTensor.from_state(original, [1, 0]).array, atol=1e-12)
    assert parse_parties(PhysicalQubits([circuit.qubits[2], (1, 0)]), circuit) == [(2,), (1, 0)]


@pytest.mark.parametrize(
    ("parties", "words"),
    [
        ([2], "parties[0]: expected qubit numbers from 0 to 1, or qubits, of the circuit that this one was transpiled"),
        ([0, QuantumRegister(1, "other")], "parties[1]: expected qubit numbers from 0 to 1"),
        ([QuantumRegister(6, "q")[3]], "PhysicalQubits([<Qubit register=(6"),
        (PhysicalQubits([6]), "parties[0]: expected qubit numbers from 0 to 5, got 6"),
        (PhysicalQubits([Qubit()]), "parties[0]: expected qubit numbers from 0 to 5 or qubits of the circuit"),
        (PhysicalQubits([3, 3]), "share no qubit"),
        (PhysicalQubits(3), "parties: expected a qubit number or a sequence"),
    ],
)
def test_qubits_that_are_not_there(parties, words):
    with pytest.raises(MeasurementError) as caught:
        BellExperiment(laid_out(bell_circuit(), [3, 4]), "chsh", parties)
    assert words in str(caught.value)


def test_qubits_that_are_two_different_ones_are_refused():
    original = QuantumCircuit(5)
    original.h(0)
    original.cx(0, 1)
    manager = generate_preset_pass_manager(
        1, coupling_map=CouplingMap.from_line(5), initial_layout=[3, 4, 0, 1, 2], basis_gates=["cx", "rz", "sx"]
    )
    circuit = manager.run(original)
    for parties in ([circuit.qubits[3], circuit.qubits[4]], [original.qubits[0], original.qubits[1]], circuit.qregs):
        with pytest.raises(MeasurementError, match=r"^parties\[0\]: .*equals qubit .* by its number.*PhysicalQubits"):
            BellExperiment(circuit, "chsh", parties)
    physical = PhysicalQubits([circuit.qubits[3], circuit.qubits[4]])
    assert BellExperiment(circuit, "chsh", physical).parties == BellExperiment(circuit, "chsh", [0, 1]).parties
    stays = generate_preset_pass_manager(1, coupling_map=CouplingMap.from_line(5), initial_layout=range(5)).run(
        original
    )
    assert BellExperiment(stays, "chsh", [stays.qubits[0], original.qubits[1]]).parties == ((0,), (1,))


def test_states_have_no_qubits():
    with pytest.raises(MeasurementError, match=r"parties\[0\]: .*A state has numbers only"):
        CorrelationTensor.from_state(Statevector(bell_circuit()), [Qubit()])
    assert CorrelationTensor.from_state(Statevector(bell_circuit()), PhysicalQubits([1])).num_parties == 1


# Loops and boxes


def test_loops_of_a_fixed_count_and_boxes_are_written_out():
    looped, plain = QuantumCircuit(3), QuantumCircuit(3)
    looped.ry(0.2, 0)
    with looped.for_loop(range(1, 4)) as i:
        looped.rx(0.3 * i, 1)
        with looped.for_loop((0, 1)):
            looped.cx(1, 2)
            looped.ry(0.1 * i, 2)
        with looped.box():
            looped.cx(2, 0)
    plain.ry(0.2, 0)
    for i in (1, 2, 3):
        plain.rx(0.3 * i, 1)
        for _ in range(2):
            plain.cx(1, 2)
            plain.ry(0.1 * i, 2)
        plain.cx(2, 0)
    expected = CorrelationTensor.from_state(plain).array
    np.testing.assert_allclose(CorrelationTensor.from_state(looped).array, expected, atol=1e-12)
    found = BellExperiment(looped, "pauli").behavior()
    np.testing.assert_allclose(found.array, BellExperiment(plain, "pauli").behavior().array, atol=1e-12)


def test_loops_that_end_by_chance_or_by_a_variable():
    circuit = bell_circuit()
    with circuit.for_loop(range(3)):
        circuit.x(0)
        circuit.break_loop()
    with pytest.raises(MeasurementError, match=r"without measurements, got one with 'break_loop'"):
        to_state(circuit)
    variable = bell_circuit()
    var = variable.add_var("flag", False)
    with pytest.raises(MeasurementError, match=r"circuit: expected a circuit without classical variables, got 'flag'"):
        BellExperiment(variable, "chsh")
    with variable.if_test(var):
        variable.x(0)
    with pytest.raises(MeasurementError, match=r"circuit: expected a circuit without classical variables, got 'flag'"):
        BellExperiment(variable, "chsh")


def test_free_parameters_in_loops_are_refused():
    circuit = bell_circuit()
    with circuit.for_loop(range(3)):
        circuit.rx(Parameter("angle"), 0)
    with pytest.raises(MeasurementError, match=r"free parameters, got angle"):
        to_state(circuit)


def test_resets_of_other_parts_leave_the_state_pure():
    # Eighteen qubits with a reset: only those that are connected with the parties are simulated.
    circuit = QuantumCircuit(18)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.h(range(2, 18))
    for k in range(2, 17):
        circuit.cx(k, k + 1)
    circuit.reset(5)
    circuit.barrier()
    assert chsh().value(BellExperiment(circuit, "chsh", [0, 1]).behavior()) == pytest.approx(2 * np.sqrt(2))
