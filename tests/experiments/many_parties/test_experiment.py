"""Experiments of many parties: shots as those of BellExperiment, order of bits, simulators, and bad input."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from qiskit import QuantumCircuit
from qiskit.circuit import QuantumRegister
from qiskit.primitives import BackendSamplerV2, StatevectorSampler
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.quantum_info import SuperOp, average_gate_fidelity
from qiskit.transpiler import Target
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel, ReadoutError, amplitude_damping_error, depolarizing_error
from qiskit_aer.primitives import SamplerV2
from qiskit_lhv import BellExperiment, BellScenario
from qiskit_lhv.exceptions import CountsError, MeasurementError
from qiskit_lhv.experiments import (
    ManyPartyExperiment,
    ManyPartySchedule,
    depolarizing_noise,
    ghz_preparation,
    graph_state_preparation,
)
from qiskit_lhv.polytope import SparseExpression


def outcomes(shots):
    """Outcomes, shape (S, N), party 0 first."""
    return np.unpackbits(shots.packed, axis=1, bitorder="little", count=shots.num_parties)


def signs_of_terms(shots):
    """The product of outcomes of each shot's drawn term."""
    taking_part = np.repeat(shots.drawn_terms, shots.shots, axis=0) >= 0
    return 1 - 2.0 * ((outcomes(shots) * taking_part).sum(axis=1) % 2)


def every_combination(grid, shots):
    settings = np.stack(np.unravel_index(np.arange(np.prod(grid)), grid), axis=1)
    return ManyPartySchedule(BellScenario(grid, 2), settings, np.array(shots))


@pytest.mark.parametrize("kind", ["statevector", "aer", "mps", "stabilizer", "backend"])
def test_every_sampler_gives_each_party_its_own_bit(kind):
    # Ten parties, so that a second byte is used; only parties 2 and 8 are 1, and party 8 is measured with a sign.
    circuit = QuantumCircuit(11)
    circuit.x([3, 9])
    circuit.h(5)
    settings = [["Z"]] * 10
    settings[8], settings[4] = ["-Z", "Z"], ["X", "Z"]
    experiment = ManyPartyExperiment(circuit, settings, parties=range(1, 11))
    rows = np.zeros((3, 10), dtype=int)
    rows[1, 8] = 1
    schedule = ManyPartySchedule(experiment.scenario, rows, [40, 30, 40])
    sampler = {
        "statevector": StatevectorSampler(seed=1),
        "aer": SamplerV2(seed=1),
        "mps": AerSimulator(method="matrix_product_state"),
        "stabilizer": experiment.simulator(seed=1),
        "backend": BackendSamplerV2(backend=AerSimulator(method="statevector")),
    }[kind]
    shots = experiment.run(sampler, schedule)
    assert shots.packed.shape == (110, 2)
    assert shots.design == "blocks"
    expected = np.zeros((110, 10), dtype=int)
    expected[:, 2] = 1
    expected[40:70, 8] = 1  # measured as Z; as -Z, outcome 0 is the state 1
    assert_array_equal(outcomes(shots), expected)


def test_shots_agree_with_the_counts_of_a_bell_experiment():
    circuit = QuantumCircuit(3)
    circuit.ry(0.7, 0)
    circuit.cx(0, 1)
    circuit.rx(1.1, 1)
    circuit.cx(1, 2)
    settings = [["Z", "45 deg"], [(3, 8, 5), "X"], ["-Y", "Z"]]
    experiment = ManyPartyExperiment(circuit, settings)
    shots = experiment.run(StatevectorSampler(seed=5), every_combination((2, 2, 2), 4000))
    table = np.zeros((2,) * 6)
    np.add.at(table, tuple(np.hstack([np.repeat(shots.settings, shots.shots, axis=0), outcomes(shots)]).T), 1)
    exact = BellExperiment(circuit, settings).behavior().array * 4000
    deviation = (table - exact) / np.sqrt(np.maximum(exact, 1))
    assert np.abs(deviation).max() < 4.5
    assert not np.allclose(exact, exact.transpose(2, 1, 0, 5, 4, 3), rtol=0.1)


def test_fifty_qubits_by_stabilizers_with_noise():
    n = 50
    noise = NoiseModel()
    noise.add_all_qubit_quantum_error(depolarizing_error(1e-3, 2), ["cx"])
    noise.add_all_qubit_readout_error(ReadoutError([[0.999, 0.001], [0.002, 0.998]]))
    terms = {((k, 2), (k + 1, 2)): 1.0 for k in range(n - 1)}
    terms[tuple((k, 0) for k in range(n))] = 20.0
    terms[tuple((k, int(k < 2)) for k in range(n))] = -20.0
    experiment = ManyPartyExperiment(ghz_preparation(n).circuit, "pauli")
    expression = SparseExpression.of_terms(experiment.scenario, terms)
    schedule = ManyPartySchedule.random(expression, 40, shots=20, seed=2)
    signs = np.sign(np.repeat(expression.coefficients_of(schedule.drawn_terms), 20))
    simulator = experiment.simulator(seed=3)
    assert simulator.options.method == "stabilizer"
    shots = experiment.run(simulator, schedule)
    assert shots.packed.shape == (800, 7)
    assert np.all(signs * signs_of_terms(shots) == 1)
    noisy = experiment.run(experiment.simulator(noise_model=noise, seed=3), schedule)
    assert 0.7 < np.mean(signs * signs_of_terms(noisy)) < 0.97


def test_one_circuit_for_each_combination_where_the_simulator_has_no_rz():
    class WithoutRz(AerSimulator):
        @property
        def target(self):
            full, own = super().target, Target(num_qubits=super().target.num_qubits)
            for name in full.operation_names:
                if name != "rz":
                    own.add_instruction(full.operation_from_name(name), name=name)
            return own

    circuit = ghz_preparation(4).circuit
    experiment = ManyPartyExperiment(circuit, [["X", "Y", "-Z"]] * 4)
    settings = np.array([[0, 0, 1, 1], [2, 2, 2, 2], [0, 0, 1, 1]])
    schedule = ManyPartySchedule(experiment.scenario, settings, [10, 30, 25])
    backend = WithoutRz(method="stabilizer", seed_simulator=5)
    pubs = experiment.pubs(schedule, backend=backend)
    assert [(pub[1], pub[2]) for pub in pubs] == [(None, 35), (None, 30)]
    assert not {"rz", "ry"} & set(pubs[0][0].count_ops())
    bits = outcomes(experiment.run(backend, schedule))
    assert np.all(bits[:10].sum(axis=1) % 2 == 1)
    assert np.all(bits[40:].sum(axis=1) % 2 == 1)
    assert np.all(bits[10:40] == bits[10:40, :1])
    assert len(np.unique(bits[10:40], axis=0)) == 2
    assert_array_equal(
        signs_of_combination(circuit, experiment, settings[0]), signs_of_combination(circuit, experiment, settings[2])
    )


def signs_of_combination(circuit, experiment, row):
    schedule = ManyPartySchedule(experiment.scenario, [row], [8])
    return outcomes(experiment.run(StatevectorSampler(seed=0), schedule)).sum(axis=1) % 2


def test_equal_shots_are_one_pub_and_the_signature_tells_results_apart():
    experiment = ManyPartyExperiment(ghz_preparation(3).circuit, "mermin")
    expression = SparseExpression.of_terms(experiment.scenario, {((0, 0), (1, 0), (2, 0)): 1, ((0, 1), (1, 1)): -1})
    schedule = ManyPartySchedule.random(expression, 30, shots=25, seed=1)
    (pub,) = experiment.pubs(schedule)
    assert pub[1].shape == (30,)
    assert pub[2] == 25
    result = StatevectorSampler(seed=np.random.default_rng(1)).run([pub]).result()
    shots = experiment.shots(result, schedule)
    assert shots.design == "random"
    assert_array_equal(shots.drawn_terms, schedule.drawn_terms)
    other = ManyPartySchedule.random(expression, 30, shots=25, seed=2)
    with pytest.raises(CountsError, match="another schedule"):
        experiment.shots(result, other)
    with pytest.raises(CountsError, match="another circuit"):
        ManyPartyExperiment(graph_state_preparation([(0, 1), (1, 2)]).circuit, "mermin").shots(result, schedule)
    with pytest.raises(CountsError, match="other settings"):
        ManyPartyExperiment(ghz_preparation(3).circuit, [["X", "Z"]] * 3).shots(result, schedule)
    with pytest.raises(CountsError, match=r"result: expected PUBs of shapes"):
        experiment.shots(result, ManyPartySchedule.random(expression, 29, shots=25, seed=1))
    with pytest.raises(CountsError, match="at least 25 shots"):
        experiment.shots(StatevectorSampler().run([(pub[0], pub[1], 20)]).result(), schedule)
    bare = QuantumCircuit(3)
    bare.measure_all()
    with pytest.raises(CountsError, match="register 'outcomes'"):
        experiment.shots(StatevectorSampler().run([bare]).result(), schedule)
    # A sampler that starts from the same numbers for every run.
    with pytest.raises(CountsError, match="independent"):
        experiment.shots(StatevectorSampler(seed=3).run([(pub[0], pub[1], 200)]).result(), schedule)


def test_qubits_of_a_device_keep_their_places():
    backend = GenericBackendV2(6, coupling_map=[[0, 1], [1, 2], [2, 3], [3, 4], [4, 5]], seed=1)
    prepared = ghz_preparation(4, backend)
    experiment = ManyPartyExperiment(prepared.circuit, "pauli")
    simulator = experiment.simulator(backend, depolarizing_noise(backend), seed=2)
    assert simulator.options.method == "stabilizer"
    schedule = ManyPartySchedule(experiment.scenario, [[2] * 4, [0] * 4], 50)
    (pub,) = experiment.pubs(schedule, backend=simulator, initial_layout=prepared.qubits)
    measured = {
        pub[0].find_bit(step.clbits[0]).index: pub[0].find_bit(step.qubits[0]).index
        for step in pub[0].data
        if step.operation.name == "measure"
    }
    assert tuple(measured[k] for k in range(4)) == prepared.qubits
    bits = outcomes(experiment.run(simulator, schedule, initial_layout=prepared.qubits))
    assert np.mean(bits[:50] == bits[:50, :1]) > 0.8
    assert np.mean(bits[50:].sum(axis=1) % 2 == 0) > 0.8


def test_the_method_follows_circuit_settings_and_noise():
    clifford, turned = ghz_preparation(3).circuit, ghz_preparation(3).circuit
    turned.t(0)
    damped = NoiseModel()
    damped.add_all_qubit_quantum_error(amplitude_damping_error(0.1), ["h"])

    def method(circuit, settings, noise=None):
        return ManyPartyExperiment(circuit, settings).simulator(noise_model=noise).options.method

    assert method(clifford, "pauli") == "stabilizer"
    assert method(turned, "pauli") == "matrix_product_state"
    assert method(clifford, [["Z", "45 deg"]] * 3) == "matrix_product_state"
    assert method(clifford, "pauli", damped) == "matrix_product_state"


def test_depolarizing_noise_is_as_large_as_reported():
    backend = GenericBackendV2(2, seed=3)
    noise = depolarizing_noise(backend)
    for name, qubits in (("cx", (0, 1)), ("sx", (1,))):
        error = noise._local_quantum_errors[name][qubits]
        assert average_gate_fidelity(SuperOp(error)) == pytest.approx(1 - backend.target[name][qubits].error, abs=1e-9)
    readout = noise._local_readout_errors[(1,)].probabilities
    assert_allclose(readout[0, 1], backend.target["measure"][(1,)].error)
    with pytest.raises(MeasurementError, match="backend: expected a BackendV2"):
        depolarizing_noise("ibm_sherbrooke")


def test_bad_input():
    circuit = ghz_preparation(3).circuit
    with pytest.raises(MeasurementError, match=r"parties\[1\]: expected one qubit"):
        ManyPartyExperiment(circuit, [["Z"], ["ZZ"]], parties=[0, (1, 2)])
    with pytest.raises(MeasurementError, match=r"settings\[2\]\[0\]: expected a projective measurement"):
        ManyPartyExperiment(circuit, [["Z"], ["Z"], [np.eye(2)[None] * np.array([0.5, 0.5])[:, None, None]]])
    experiment = ManyPartyExperiment(circuit, [["Z", "45 deg"]] * 3)
    schedule = every_combination((2, 2, 2), 10)
    with pytest.raises(MeasurementError, match="no Paulis"):
        experiment.run(AerSimulator(method="stabilizer"), schedule)
    with pytest.raises(CountsError, match=r"schedule: expected a ManyPartySchedule"):
        experiment.run(StatevectorSampler(), 1000)
    with pytest.raises(CountsError, match=r"schedule: expected one for \(2, 2, 2\) settings"):
        experiment.run(StatevectorSampler(), every_combination((2, 2, 1), 10))
    with pytest.raises(MeasurementError, match="initial_layout"):
        experiment.pubs(schedule, initial_layout=[0, 1])
    wide = ManyPartyExperiment(QuantumCircuit(QuantumRegister(30)), [["Z"]] * 30)
    with pytest.raises(MeasurementError, match="named method"):
        wide.run(AerSimulator(), ManyPartySchedule(wide.scenario, np.zeros((1, 30), int), 10))
    with pytest.raises(MeasurementError, match="NoiseModel"):
        experiment.simulator(noise_model="depolarizing")
