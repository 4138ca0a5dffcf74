import numpy as np
import pytest
from qiskit import ClassicalRegister, QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.circuit.library import HGate
from qiskit.primitives import BackendSamplerV2, StatevectorSampler
from qiskit.primitives.containers.sampler_pub import SamplerPub
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.quantum_info import DensityMatrix, Operator, Statevector
from qiskit.transpiler import CouplingMap, generate_preset_pass_manager
from qiskit_aer import AerSimulator
from qiskit_aer.primitives import SamplerV2 as AerSampler
from qiskit_lhv import Behavior, BellExperiment, BellScenario, measurement
from qiskit_lhv.exceptions import CountsError, MeasurementError

from helpers import assert_within_five_standard_errors, chain_circuit

PAULIS = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])

# Aer builds a noise model for backends of which it knows no coherence times, and says so.
ignore_missing_coherence_times = pytest.mark.filterwarnings("ignore:.*has no QubitProperties:UserWarning")


# The byte-order showpiece: four qubits in a product state, three parties out of order

ANGLES = {0: (0.4, 1.1), 1: (1.0, 2.0), 2: (1.3, -0.8), 3: (2.2, 0.5)}
PARTIES = [2, 0, 3]
X, Y, Z = np.eye(3)
VECTORS = [[X, np.array([0, 0.6, 0.8])], [-Z], [Y, Z, np.array([0.48, -0.6, 0.64])]]


def bloch_vector(qubit):
    polar, azimuth = ANGLES[qubit]
    return np.array([np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)])


def product_circuit():
    circuit = QuantumCircuit(4)
    for qubit, (polar, azimuth) in ANGLES.items():
        circuit.ry(polar, qubit)
        circuit.rz(azimuth, qubit)
    return circuit


def product_state():
    matrix = np.eye(1)
    for qubit in (3, 2, 1, 0):
        matrix = np.kron(matrix, (np.eye(2) + np.tensordot(bloch_vector(qubit), PAULIS, axes=1)) / 2)
    return DensityMatrix(matrix)


def product_probabilities():
    array = np.ones((2, 1, 3, 2, 2, 2))
    for cell in np.ndindex(array.shape):
        for k, qubit in enumerate(PARTIES):
            array[cell] *= (1 + (-1) ** cell[3 + k] * (VECTORS[k][cell[k]] @ bloch_vector(qubit))) / 2
    return array


def product_experiment():
    return BellExperiment(product_circuit(), VECTORS, PARTIES)


def test_the_example_tells_every_wrong_order_apart():
    array = product_probabilities()
    assert np.abs(array[:, :, :2] - array[:, :, :2].transpose(2, 1, 0, 5, 4, 3)).max() > 0.1
    assert np.abs(array - array[:, :, :, ::-1, ::-1, ::-1]).max() > 0.1
    assert np.abs(array - array.transpose(0, 1, 2, 4, 5, 3)).max() > 0.1


def test_circuit_and_state_agree_with_the_analytic_product():
    expected = product_probabilities()
    np.testing.assert_allclose(product_experiment().behavior().array, expected, atol=1e-14)
    np.testing.assert_allclose(Behavior.from_state(product_state(), VECTORS, PARTIES).array, expected, atol=1e-14)
    np.testing.assert_allclose(Behavior.from_state(product_circuit(), VECTORS, PARTIES).array, expected, atol=1e-14)


def test_a_million_shots_on_aer_agree_with_the_analytic_product():
    experiment = product_experiment()
    counts = experiment.run(AerSampler(seed=11), shots=1_000_000 // 6)
    assert counts.num_shots.tolist() == [[[166_666] * 3]] * 2
    assert_within_five_standard_errors(counts, product_probabilities())


def test_unequal_shots_agree_with_the_analytic_product():
    shots = np.array([[[1000, 2000, 3000]], [[4000, 5000, 60000]]])
    counts = product_experiment().run(StatevectorSampler(seed=3), shots)
    assert counts.num_shots.tolist() == shots.tolist()
    assert_within_five_standard_errors(counts, product_probabilities())


# PUBs


def test_equal_shots_take_one_pub_with_the_shape_of_the_grid():
    pubs = product_experiment().pubs(500)
    assert len(pubs) == 1
    circuit, values, shots = pubs[0]
    assert values.shape == (2, 1, 3)
    assert values.num_parameters == 6
    assert shots == 500
    assert circuit.num_clbits == 3
    coerced = SamplerPub.coerce(pubs[0])
    assert coerced.shape == (2, 1, 3)
    assert coerced.shots == 500


def test_an_array_of_equal_shots_is_still_one_pub():
    pubs = product_experiment().pubs(np.full((2, 1, 3), 20))
    assert [SamplerPub.coerce(pub).shape for pub in pubs] == [(2, 1, 3)]
    assert SamplerPub.coerce(pubs[0]).shots == 20


def test_unequal_shots_take_one_pub_for_each_combination():
    shots = np.arange(1, 7).reshape(2, 1, 3)
    pubs = [SamplerPub.coerce(pub) for pub in product_experiment().pubs(shots)]
    assert [pub.shape for pub in pubs] == [()] * 6
    assert [pub.shots for pub in pubs] == [1, 2, 3, 4, 5, 6]


def test_the_circuit_passed_in_stays_unchanged():
    circuit = product_circuit()
    experiment = BellExperiment(circuit, VECTORS, PARTIES)
    experiment.pubs(10)
    assert circuit == product_circuit()
    assert experiment.circuit is circuit
    assert circuit.num_clbits == 0


@pytest.mark.parametrize(
    "shots",
    [
        0,
        -5,
        10.5,
        10.0,
        True,
        "100",
        None,
        np.nan,
        [],
        [100, 200],
        np.full((2, 3), 10),
        np.full((3, 1, 2), 10),
        np.array([[[10, 10, -1]], [[10, 10, 10]]]),
        np.full((2, 1, 3), 10.5),
        [[[1, 2, 3]], [[1, 2]]],
    ],
)
def test_bad_shots_are_refused(shots):
    with pytest.raises(CountsError, match=r"^shots: expected a positive whole number, or an array .*\(2, 1, 3\)"):
        product_experiment().pubs(shots)
    with pytest.raises(CountsError, match=r"^shots"):
        product_experiment().run(StatevectorSampler(), shots)


# Groups of qubits and joint bases


def bell_basis_circuit():
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    return circuit


# Basis vectors, indexed by the party's first qubit, then its second; outcome b has bit 0 from the first.
HALF = np.sqrt(0.5)
BELL_VECTORS = HALF * np.array([[[1, 0], [0, 1]], [[1, 0], [0, -1]], [[0, 1], [1, 0]], [[0, 1], [-1, 0]]])
X_VECTORS = HALF * np.array([[1, 1], [1, -1]])
XZ_VECTORS = np.array([np.outer(np.eye(2)[b % 2], X_VECTORS[b // 2]) for b in range(4)])
GROUPS = [(2, 0), 1]


def group_probabilities(bases):
    """Probabilities of party 0 on qubits (2, 0) and party 1 (settings Z and X) on qubit 1, by plain overlaps."""
    # Qiskit's last qubit is the first axis: reverse them to [q0, q1, q2].
    amplitudes = Statevector(chain_circuit(0, 2, 1)).data.reshape(2, 2, 2).transpose(2, 1, 0)
    singles = [np.eye(2), X_VECTORS]
    array = np.zeros((len(bases), 2, 4, 2))
    for x, y, a, b in np.ndindex(*array.shape):
        overlap = np.einsum("ikj,ji,k->", amplitudes, bases[x][a].conj(), singles[y][b].conj())
        array[x, y, a, b] = abs(overlap) ** 2
    return array


def test_product_bases_of_a_group_take_one_circuit():
    experiment = BellExperiment(chain_circuit(0, 2, 1), [[measurement(basis="XZ")], ["Z", "X"]], GROUPS)
    expected = group_probabilities([XZ_VECTORS])
    assert experiment.uses_one_circuit
    assert [SamplerPub.coerce(pub).shape for pub in experiment.pubs(10)] == [(1, 2)]
    np.testing.assert_allclose(experiment.behavior().array, expected, atol=1e-14)
    assert_within_five_standard_errors(experiment.run(StatevectorSampler(seed=5), 50_000), expected)


def test_parities_of_a_group_take_one_circuit():
    experiment = BellExperiment(chain_circuit(0, 2, 1), [["XZ"], ["Z", "X"]], GROUPS)
    four = group_probabilities([XZ_VECTORS])
    expected = np.stack([four[:, :, 0] + four[:, :, 3], four[:, :, 1] + four[:, :, 2]], axis=2)
    assert experiment.uses_one_circuit
    np.testing.assert_allclose(experiment.behavior().array, expected, atol=1e-14)
    assert_within_five_standard_errors(experiment.run(StatevectorSampler(seed=6), 50_000), expected)


@pytest.mark.parametrize("sampler", [StatevectorSampler(seed=7), AerSampler(seed=7)], ids=["statevector", "aer"])
def test_joint_bases_take_one_circuit_for_each_combination(sampler):
    settings = [[measurement(basis=bell_basis_circuit()), measurement(basis="XZ")], ["Z", "X"]]
    experiment = BellExperiment(chain_circuit(0, 2, 1), settings, GROUPS)
    expected = group_probabilities([BELL_VECTORS, XZ_VECTORS])
    assert not experiment.uses_one_circuit
    pubs = [SamplerPub.coerce(pub) for pub in experiment.pubs(10)]
    assert [pub.shape for pub in pubs] == [()] * 4
    assert [pub.shots for pub in pubs] == [10] * 4
    np.testing.assert_allclose(experiment.behavior().array, expected, atol=1e-14)
    counts = experiment.run(sampler, [[20_000, 30_000], [40_000, 50_000]])
    assert counts.num_shots.tolist() == [[20_000, 30_000], [40_000, 50_000]]
    assert_within_five_standard_errors(counts, expected)


def test_joint_observables_agree_with_their_behavior():
    swap = Operator(np.eye(4)[[0, 2, 1, 3]])
    experiment = BellExperiment(chain_circuit(0, 2, 1), [[swap], ["Z", "X"]], GROUPS)
    counts = experiment.run(StatevectorSampler(seed=8), 20_000)
    four = group_probabilities([BELL_VECTORS])
    # The singlet is the only antisymmetric Bell state.
    expected = np.stack([four[:, :, :3].sum(axis=2), four[:, :, 3]], axis=2)
    assert_within_five_standard_errors(counts, expected)


def test_a_gate_names_a_basis_of_one_qubit():
    circuit = QuantumCircuit(1)
    circuit.h(0)
    experiment = BellExperiment(circuit, [[measurement(basis=HGate()), "-X"]])
    assert experiment.uses_one_circuit
    assert experiment.run(StatevectorSampler(seed=1), 50).array.tolist() == [[50, 0], [0, 50]]


# POVMs


def trine():
    directions = [(np.sin(t), 0, np.cos(t)) for t in (0, 2 * np.pi / 3, 4 * np.pi / 3)]
    return np.array([(np.eye(2) + np.tensordot(n, PAULIS, axes=1)) / 3 for n in directions])


def test_povms_have_a_behavior_and_an_ancilla():
    experiment = BellExperiment(bell_basis_circuit(), [["Z"], [trine()]])
    array = experiment.behavior().array
    assert array.shape == (1, 1, 2, 3)
    np.testing.assert_allclose(array[0, 0, 0], np.real(trine()[:, 0, 0]) / 2, atol=1e-15)
    np.testing.assert_allclose(array[0, 0, 1], np.real(trine()[:, 1, 1]) / 2, atol=1e-15)
    assert experiment.ancillas == ((), (2,))
    assert [SamplerPub.coerce(pub).circuit.num_qubits for pub in experiment.pubs(10)] == [3]
    assert_within_five_standard_errors(experiment.run(StatevectorSampler(seed=2), 20_000), array)


# Results that do not belong


def chsh_experiment():
    return BellExperiment(bell_basis_circuit(), "chsh")


def test_counts_are_read_from_the_result_of_the_pubs():
    experiment = chsh_experiment()
    result = StatevectorSampler(seed=np.random.default_rng(2)).run(experiment.pubs(1000)).result()
    counts = experiment.counts(result)
    assert counts.num_shots.tolist() == [[1000, 1000]] * 2
    for setting in np.ndindex(2, 2):
        bitstrings = result[0].data.outcomes.get_counts(setting)
        for a, b in np.ndindex(2, 2):
            assert counts.array[(*setting, a, b)] == bitstrings.get(f"{b}{a}", 0)


def test_counts_are_read_from_the_result_of_unequal_pubs():
    experiment = chsh_experiment()
    shots = [[10, 20], [30, 40]]
    result = StatevectorSampler(seed=np.random.default_rng(2)).run(experiment.pubs(shots)).result()
    counts = experiment.counts(result)
    assert counts.num_shots.tolist() == shots
    bitstrings = result[2].data.outcomes.get_counts()
    assert counts.array[1, 0, 0, 1] == bitstrings.get("10", 0)


def other_results():
    three_settings = BellExperiment(bell_basis_circuit(), [["X", "Y", "Z"], ["X", "Z"]])
    three_qubits = BellExperiment(chain_circuit(0, 2, 1), [["XZ", "ZX"], ["Z", "X"]], GROUPS)
    unmeasured_name = bell_basis_circuit()
    unmeasured_name.measure_all()
    return {
        "another grid": three_settings.pubs(10),
        "more qubits": three_qubits.pubs(10),
        "too many": chsh_experiment().pubs(10) * 2,
        "too few": chsh_experiment().pubs([[1, 2], [3, 4]])[:3],
        "another register": [(unmeasured_name, None, 10)],
        "none": [],
    }


@pytest.mark.parametrize("name", list(other_results()))
def test_results_of_other_experiments_are_refused(name):
    result = StatevectorSampler(seed=1).run(other_results()[name]).result()
    with pytest.raises(CountsError, match=r"^result: expected"):
        chsh_experiment().counts(result)


def test_a_wrong_result_comes_with_the_remedy():
    result = StatevectorSampler(seed=1).run(other_results()["another grid"]).result()
    with pytest.raises(CountsError, match=r"one PUB of shape \(2, 2\) or 4 PUBs, got 1 PUBs.*that pubs\(\) returned"):
        chsh_experiment().counts(result)


# Samplers and transpilation

CHSH_CORRELATORS = HALF * np.array([[1, 1], [1, -1]])


def correlators_of(counts):
    signs = np.array([[1, -1], [-1, 1]])
    return np.sum(counts.array * signs, axis=(2, 3)) / counts.num_shots


def line_backend():
    return GenericBackendV2(5, coupling_map=CouplingMap.from_line(5), noise_info=False, seed=3)


@pytest.mark.parametrize("sampler", [StatevectorSampler(seed=4), AerSampler(seed=4)], ids=["statevector", "aer"])
def test_chsh_on_simulators(sampler):
    counts = chsh_experiment().run(sampler, 20_000)
    np.testing.assert_allclose(correlators_of(counts), CHSH_CORRELATORS, atol=5 * HALF / np.sqrt(20_000))


def test_default_shots_are_a_thousand():
    assert chsh_experiment().run(StatevectorSampler(seed=4)).num_shots.tolist() == [[1000, 1000]] * 2


@ignore_missing_coherence_times
def test_backend_sampler_gets_transpiled_circuits():
    backend = line_backend()
    sampler = BackendSamplerV2(backend=backend, options={"seed_simulator": 5})
    circuit = QuantumCircuit(5)
    circuit.h(0)
    circuit.cx(0, 4)
    circuit.ry(0.4, 4)
    experiment = BellExperiment(circuit, [["Z", "X"], [(0, 0.6, 0.8), "Z"]], [4, 0])
    measured = experiment.pubs(10, backend=backend)[0][0]
    assert set(measured.count_ops()) <= {*backend.operation_names, "barrier"}
    assert measured.layout is not None
    counts = experiment.run(sampler, 4000)
    assert_within_five_standard_errors(counts, experiment.behavior().array)


@ignore_missing_coherence_times
@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_no_optimization_level_loses_a_rotation(level):
    backend = line_backend()
    pass_manager = generate_preset_pass_manager(level, backend=backend, seed_transpiler=1)
    experiment = BellExperiment(product_circuit(), VECTORS, PARTIES)
    sampler = BackendSamplerV2(backend=backend, options={"seed_simulator": 6})
    counts = experiment.run(sampler, 4000, pass_manager=pass_manager)
    assert_within_five_standard_errors(counts, product_probabilities())


@ignore_missing_coherence_times
def test_joint_bases_are_transpiled_too():
    backend = line_backend()
    settings = [[measurement(basis=bell_basis_circuit())], ["Z", "X"]]
    experiment = BellExperiment(chain_circuit(0, 2, 1), settings, GROUPS)
    for circuit, _, _ in experiment.pubs(10, backend=backend):
        assert set(circuit.count_ops()) <= {*backend.operation_names, "barrier"}
    counts = experiment.run(BackendSamplerV2(backend=backend, options={"seed_simulator": 7}), 4000)
    assert_within_five_standard_errors(counts, group_probabilities([BELL_VECTORS]))


# Shots of different settings are independent, also on seeded simulators


def backend_sampler(seed):
    return BackendSamplerV2(backend=line_backend(), options={"seed_simulator": seed})


def runtime_sampler(seed):
    runtime = pytest.importorskip("qiskit_ibm_runtime")
    fake_provider = pytest.importorskip("qiskit_ibm_runtime.fake_provider")
    sampler = runtime.SamplerV2(mode=fake_provider.FakeManilaV2())
    sampler.options.simulator.seed_simulator = seed
    return sampler


SAMPLERS = [lambda seed: StatevectorSampler(seed=seed), lambda seed: AerSampler(seed=seed)]
SAMPLERS += [backend_sampler, runtime_sampler]
SAMPLER_NAMES = ["statevector", "aer", "backend", "runtime"]


def spread(counts):
    """Chi-square of the first outcome's frequencies about their mean; the outcome is a fair coin."""
    frequencies = counts.array[:, 0] / counts.num_shots
    return float(np.sum((frequencies - frequencies.mean()) ** 2 * 4 * counts.num_shots))


@ignore_missing_coherence_times
@pytest.mark.parametrize("make", SAMPLERS, ids=SAMPLER_NAMES)
@pytest.mark.parametrize("shots", [2000, 2000 + np.arange(10)], ids=["equal", "unequal"])
def test_settings_do_not_share_their_randomness(make, shots):
    # Ten times the same fair coin: with shared random numbers the ten results would agree.
    counts = BellExperiment(QuantumCircuit(1), [["X"] * 10]).run(make(5), shots)
    assert counts.num_shots.tolist() == np.broadcast_to(shots, 10).tolist()
    assert 0.5 < spread(counts) < 40


@ignore_missing_coherence_times
@pytest.mark.parametrize("make", SAMPLERS, ids=SAMPLER_NAMES)
@pytest.mark.parametrize("shots", [2000, 2000 + np.arange(10)], ids=["equal", "unequal"])
def test_joint_settings_do_not_share_their_randomness(make, shots):
    # The product state |00> gives two of the four Bell states at random.
    experiment = BellExperiment(QuantumCircuit(2), [[measurement(basis=bell_basis_circuit())] * 10], [(0, 1)])
    counts = experiment.run(make(6), shots)
    assert 0.5 < spread(counts) < 40


@pytest.mark.parametrize("make", SAMPLERS[:2], ids=SAMPLER_NAMES[:2])
def test_seeded_runs_repeat(make):
    shots = [[50, 60], [70, 80]]
    first, again = (chsh_experiment().run(make(3), shots) for _ in range(2))
    assert first == again
    assert first != chsh_experiment().run(make(4), shots)


def test_a_seeded_sampler_may_be_used_again():
    sampler = StatevectorSampler(seed=3)
    counts = chsh_experiment().run(sampler, 100)
    assert chsh_experiment().run(sampler, 100) == counts
    assert sampler.seed == 3


def test_samplers_with_a_generator_move_on():
    sampler = StatevectorSampler(seed=np.random.default_rng(3))
    assert chsh_experiment().run(sampler, 1000) != chsh_experiment().run(sampler, 1000)


def test_runtime_sampler_on_a_fake_device():
    counts = chsh_experiment().run(runtime_sampler(8), 4000)
    assert counts.num_shots.tolist() == [[4000, 4000]] * 2
    np.testing.assert_allclose(counts.frequencies().array, chsh_experiment().behavior().array, atol=0.15)


# Construction


def test_properties_name_parties_settings_and_scenario():
    experiment = product_experiment()
    assert experiment.parties == ((2,), (0,), (3,))
    assert experiment.scenario == BellScenario((2, 1, 3), (2, 2, 2))
    assert [len(party) for party in experiment.settings] == [2, 1, 3]
    np.testing.assert_allclose(experiment.settings[2][2].bloch_vectors, [[0.48, -0.6, 0.64]], atol=1e-15)
    assert "4 qubits" in repr(experiment)


def test_resets_run_on_samplers():
    circuit = bell_basis_circuit()
    circuit.reset(0)
    counts = BellExperiment(circuit, [["Z"], ["Z", "X"]]).run(AerSampler(seed=9), 4000)
    assert_within_five_standard_errors(counts, np.array([[[[0.5, 0.5], [0, 0]], [[0.5, 0.5], [0, 0]]]]))


def test_unused_classical_registers_do_not_matter():
    circuit = bell_basis_circuit()
    circuit.add_register(ClassicalRegister(3, "spare"))
    counts = BellExperiment(circuit, [["Z"], ["Z"]]).run(StatevectorSampler(seed=1), 100)
    assert counts.array[0, 0, 0, 1] == counts.array[0, 0, 1, 0] == 0
    assert counts.total_shots == 100


def test_a_classical_register_of_the_same_name_does_not_matter():
    circuit = bell_basis_circuit()
    circuit.add_register(ClassicalRegister(2, "outcomes"))
    counts = BellExperiment(circuit, [["Z"], ["Z"]]).run(StatevectorSampler(seed=1), 100)
    assert counts.array[0, 0, 0, 1] == counts.array[0, 0, 1, 0] == 0


@pytest.mark.parametrize(
    "circuit", ["bell", None, np.eye(4) / 4, DensityMatrix(np.eye(4) / 4), np.ones(4), Statevector([1, 0, 0])]
)
def test_what_is_no_circuit_is_refused(circuit):
    with pytest.raises(MeasurementError, match=r"^circuit: expected a QuantumCircuit.*Behavior\.from_state"):
        BellExperiment(circuit, "chsh")


def test_free_parameters_need_a_sweep():
    circuit = QuantumCircuit(2)
    circuit.rx(Parameter("t"), 0)
    experiment = BellExperiment(circuit, "chsh")
    calls = (lambda: experiment.run(AerSimulator()), lambda: experiment.pubs(10), experiment.behavior)
    for call in calls:
        with pytest.raises(MeasurementError, match=r"got t\. experiment\.sweep\(\[0\.1, .*assign_parameters"):
            call()


@pytest.mark.parametrize(
    ("settings", "parties", "words"),
    [
        ("chsh", None, "two parties for 'chsh', got 4 parties"),
        ("chsh", [(0, 1), 2], "settings[0][0]: expected a measurement of dimension 4"),
        ([["X"], ["X", "Z"]], [0], "got 2 sequences"),
        ([["XX"], ["X"]], [0, 1], "settings[0][0]: expected a measurement of dimension 2"),
        ("chsh", [0, 4], "parties[1]: expected qubit numbers from 0 to 3"),
    ],
)
def test_settings_and_parties_must_fit(settings, parties, words):
    with pytest.raises(MeasurementError) as caught:
        BellExperiment(product_circuit(), settings, parties)
    assert words in str(caught.value)
