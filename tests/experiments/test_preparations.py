"""What an experiment takes as its state: circuits that measure and feed forward, and states themselves."""

import numpy as np
import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit.classical import expr
from qiskit.primitives import BackendSamplerV2, StatevectorSampler
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.quantum_info import Clifford, DensityMatrix, StabilizerState, Statevector
from qiskit.transpiler import CouplingMap, generate_preset_pass_manager
from qiskit_aer import AerSimulator
from qiskit_aer.primitives import SamplerV2 as AerSampler
from qiskit_lhv import BellExperiment, DeviceExperiment, chsh
from qiskit_lhv.exceptions import CountsError, MeasurementError
from qiskit_lhv.experiments.signatures import digest_of_circuit

from helpers import bell_circuit

BELL = Statevector(bell_circuit())


def swapping(corrected=("x", "z"), value=1):
    """Two Bell pairs whose inner qubits are measured in the Bell basis, and corrections of qubit 3."""
    circuit = QuantumCircuit(QuantumRegister(4, "q"), ClassicalRegister(2, "mid"))
    for first, second in ((0, 1), (3, 2)):
        circuit.h(first)
        circuit.cx(first, second)
    circuit.cx(1, 2)
    circuit.h(1)
    circuit.measure([1, 2], [0, 1])
    for gate in corrected:
        with circuit.if_test((circuit.clbits["zx".index(gate)], value)):
            getattr(circuit, gate)(3)
    return circuit


def chsh_value(counts):
    return float(chsh().value(counts.frequencies()))


# Mid-circuit measurements and what follows from them


def test_entanglement_swapped_with_feed_forward_is_nonlocal():
    for runs_on in (AerSimulator(), BackendSamplerV2(backend=GenericBackendV2(4, control_flow=True, seed=1))):
        assert 2.5 < chsh_value(BellExperiment(swapping(), "chsh", [0, 3]).run(runs_on, 1000)) < 3.1


def test_without_corrections_the_measured_qubits_are_averaged_over():
    # Their measurements come last on their own qubits, so a state vector samples them with the rest.
    for sampler in (AerSampler(seed=1), StatevectorSampler(seed=1)):
        assert abs(chsh_value(BellExperiment(swapping(()), "chsh", [0, 3]).run(sampler, 1000))) < 0.3


def test_a_party_may_be_measured_before_the_end():
    circuit = QuantumCircuit(2, 1)
    circuit.h(0)
    circuit.measure(0, 0)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.x(0)
    circuit.h(0)
    circuit.cx(0, 1)
    assert chsh_value(BellExperiment(circuit, "chsh").run(AerSimulator(), 1000)) > 2.6


def test_switches_and_expressions_run():
    circuit = swapping(())
    with circuit.switch(circuit.cregs[0]) as case:
        with case(1):
            circuit.z(3)
        with case(2):
            circuit.x(3)
    with circuit.if_test(expr.equal(circuit.cregs[0], 3)):
        circuit.x(3)
        circuit.z(3)
    assert chsh_value(BellExperiment(circuit, "chsh", [0, 3]).run(AerSimulator(), 1000)) > 2.6


def test_one_state_vector_is_refused_where_results_are_fed_forward():
    experiment = BellExperiment(swapping(), "chsh", [0, 3])
    with pytest.raises(MeasurementError, match=r"measurements before the end shot by shot.*Use qiskit_aer"):
        experiment.run(StatevectorSampler())


def test_measured_then_reused_qubits_do_not_stay_pure():
    circuit = QuantumCircuit(2, 1)
    circuit.h(0)
    circuit.measure(0, 0)
    circuit.cx(0, 1)
    with pytest.raises(MeasurementError, match=r"measurements before the end shot by shot"):
        BellExperiment(circuit, "chsh").run(StatevectorSampler())
    assert chsh_value(BellExperiment(circuit, "chsh").run(AerSimulator(), 1000)) < 1.8


def test_other_conditions_are_other_circuits():
    other_bit = swapping(("x", "x"))
    digests = {
        digest_of_circuit(circuit)
        for circuit in (swapping(), swapping(("z", "x")), swapping(value=0), swapping(()), other_bit)
    }
    assert len(digests) == 5
    assert digest_of_circuit(swapping()) == digest_of_circuit(swapping())
    experiment, other = (BellExperiment(swapping(value=value), "chsh", [0, 3]) for value in (1, 0))
    job = AerSampler(seed=1).run(experiment.pubs(50))
    assert experiment.counts(job).total_shots == 200
    with pytest.raises(CountsError, match="another circuit"):
        other.counts(job)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: BellExperiment(swapping(), "chsh"), "measure' last on qubit 1"),
        (lambda: BellExperiment(swapping(), "chsh"), r"If only the others are parties: parties=\[0, 3\]"),
        (lambda: BellExperiment(bell_circuit().measure_all(inplace=False), "chsh"), "remove_final_measurements"),
        (lambda: DeviceExperiment(swapping(), "chsh", [(0, 1, 2, 3)], parties=[0, 3]), "BellExperiment runs circuits"),
        (lambda: BellExperiment(swapping(), "chsh", [0, 3]).behavior(), "exact behavior is not computed: run"),
    ],
)
def test_what_cannot_be_done_with_measured_circuits(make, words):
    with pytest.raises(MeasurementError, match=words):
        make()


def test_a_backend_without_feed_forward_says_so():
    experiment = BellExperiment(swapping(), "chsh", [0, 3])
    with pytest.raises(MeasurementError, match="control-flow construct 'if_else' is not supported"):
        experiment.run(GenericBackendV2(5, seed=1, control_flow=False))


# States in place of circuits


@pytest.mark.parametrize(
    "state",
    [BELL, DensityMatrix(BELL), StabilizerState(bell_circuit()), Clifford(bell_circuit()), BELL.data],
    ids=lambda state: type(state).__name__,
)
def test_pure_states_are_prepared(state):
    experiment = BellExperiment(state, "chsh")
    np.testing.assert_allclose(
        experiment.behavior().array, BellExperiment(bell_circuit(), "chsh").behavior().array, atol=1e-9
    )
    assert chsh_value(experiment.run(StatevectorSampler(seed=2), 1000)) > 2.6


def test_an_asymmetric_state_keeps_its_order_of_qubits():
    state = Statevector.from_label("+01")
    counts = BellExperiment(state, [["Z"], ["Z"], ["X"]]).run(AerSimulator(), 50)
    assert counts.array[0, 0, 0, 1, 0, 0] == 50


# Circuits that are transpiled already


def test_parties_of_a_transpiled_circuit_are_explained():
    manager = generate_preset_pass_manager(1, coupling_map=CouplingMap.from_line(6), initial_layout=[3, 4])
    laid_out = manager.run(bell_circuit())
    assert BellExperiment(laid_out, "chsh").parties == ((3,), (4,))
    with pytest.raises(MeasurementError) as caught:
        BellExperiment(laid_out, "chsh", [3, 4])
    assert "qubit numbers from 0 to 1, or qubits, of the circuit that this one was transpiled from" in str(caught.value)
    assert "parties=PhysicalQubits([3, 4])" in str(caught.value)
