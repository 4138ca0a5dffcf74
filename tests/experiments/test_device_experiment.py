import warnings

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.primitives import BackendSamplerV2, StatevectorSampler
from qiskit.primitives.containers.sampler_pub import SamplerPub
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.transpiler import CouplingMap, generate_preset_pass_manager
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel, ReadoutError
from qiskit_aer.primitives import SamplerV2 as AerSampler
from qiskit_lhv import (
    BellExperiment,
    BellScenario,
    DeviceExperiment,
    Verdict,
    analyze,
    chsh,
    measurement,
)
from qiskit_lhv.exceptions import CountsError, MeasurementError
from qiskit_lhv.experiments import SettingSchedule, coupled_groups

from helpers import assert_within_five_standard_errors, bell_circuit, chain_circuit, ignore_missing_coherence_times

# Party 0 has qubit 2 and two settings, party 1 has qubit 0 and three.
LOPSIDED_SETTINGS = [["X", (0, 0.6, 0.8)], ["Z", "-Y", (0.48, -0.6, 0.64)]]
LOPSIDED_PARTIES = [2, 0]


def lopsided(groups, **options):
    return DeviceExperiment(chain_circuit(0, 1, 2), LOPSIDED_SETTINGS, groups, parties=LOPSIDED_PARTIES, **options)


def fake_backend():
    provider = pytest.importorskip("qiskit_ibm_runtime.fake_provider")
    return provider.FakeMontrealV2()


# Groups


def test_pairs_are_listed_once_whatever_the_directions():
    edges = [(3, 1), (0, 1), (1, 0), (2, 1)]
    expected = ((0, 1), (1, 2), (1, 3))
    assert coupled_groups(edges) == expected
    assert coupled_groups(CouplingMap(edges)) == expected
    assert coupled_groups(GenericBackendV2(4, coupling_map=edges, noise_info=False)) == expected


def test_chains_are_listed_once():
    assert coupled_groups(CouplingMap.from_line(5), 3) == ((0, 1, 2), (1, 2, 3), (2, 3, 4))
    assert coupled_groups([(0, 1), (2, 1), (1, 3)], 3) == ((0, 1, 2), (0, 1, 3), (2, 1, 3))
    assert coupled_groups(CouplingMap.from_ring(4), 3) == ((0, 1, 2), (0, 3, 2), (1, 0, 3), (1, 2, 3))
    assert coupled_groups(CouplingMap.from_line(3), 4) == ()
    # 5 * 4 * 3 * 2 ordered choices, each chain twice.
    assert len(coupled_groups(CouplingMap.from_full(5), 4)) == 60


def test_pairs_and_chains_of_a_device_of_27_qubits():
    backend = fake_backend()
    edges = {tuple(sorted(edge)) for edge in backend.coupling_map.get_edges()}
    assert set(coupled_groups(backend)) == edges
    assert len(edges) == 28
    degrees = np.bincount(np.array(sorted(edges)).ravel())
    assert len(coupled_groups(backend, 3)) == sum(d * (d - 1) // 2 for d in degrees)


@pytest.mark.parametrize(
    ("device", "size", "words"),
    [
        (CouplingMap.from_line(3), 1, "size: expected a whole number of at least 2"),
        (CouplingMap.from_line(3), 2.0, "size: expected a whole number"),
        (CouplingMap.from_full(40), 5, "size: expected a size with at most 1000000 chains"),
        (AerSimulator(), 2, "device: expected a backend with a coupling map"),
        (None, 2, "device: expected a backend with a coupling map"),
        ("line", 2, "device: expected a backend, a CouplingMap, or pairs of qubits"),
        ([(0, 0)], 2, "device: expected a backend, a CouplingMap, or pairs of qubits"),
        ([(0, 1, 2)], 2, "device: expected a backend, a CouplingMap, or pairs of qubits"),
        (5, 2, "device: expected a backend, a CouplingMap, or pairs of qubits"),
    ],
)
def test_devices_without_couplings_are_refused(device, size, words):
    with pytest.raises(MeasurementError) as caught:
        coupled_groups(device, size)
    assert str(caught.value).startswith(words)


# Layers


def distances_between(edges, size):
    """Shortest paths by repeated relaxation."""
    table = np.full((size, size), np.inf)
    np.fill_diagonal(table, 0)
    for a, b in edges:
        table[a, b] = table[b, a] = 1
    for middle in range(size):
        table = np.minimum(table, table[:, middle : middle + 1] + table[middle : middle + 1])
    return table


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("spacing", [1, 2, 3])
def test_groups_of_a_layer_keep_their_distance(size, spacing):
    backend = fake_backend()
    groups = coupled_groups(backend, size)
    circuit = bell_circuit() if size == 2 else chain_circuit(0, 1, 2)
    settings = "chsh" if size == 2 else [["X"], ["Z"], ["Y"]]
    experiment = DeviceExperiment(circuit, settings, groups, spacing=spacing, coupling_map=backend)
    assert sorted(group for layer in experiment.layers for group in layer) == sorted(groups)
    table = distances_between(backend.coupling_map.get_edges(), 27)
    for layer in experiment.layers:
        for i, one in enumerate(layer):
            for other in layer[:i]:
                assert table[np.ix_(one, other)].min() >= spacing
    # A qubit of three couplings makes three layers necessary, and they are enough.
    if size == 2 and spacing == 1:
        assert len(experiment.layers) == 3


def test_layers_need_no_couplings_where_groups_only_share_no_qubit():
    experiment = DeviceExperiment(bell_circuit(), "chsh", [(5, 3), (3, 4), (0, 1), (4, 0)])
    assert experiment.layers == (((5, 3), (4, 0)), ((3, 4), (0, 1)))
    assert experiment.groups == ((5, 3), (3, 4), (0, 1), (4, 0))
    assert experiment.scenario == BellScenario((2, 2), (2, 2))
    assert "4 groups in 2 layers" in repr(experiment)


# Placement


def test_every_group_has_the_behavior_of_the_circuit():
    experiment = lopsided([(4, 1, 3), (0, 5, 2)])
    expected = BellExperiment(chain_circuit(0, 1, 2), LOPSIDED_SETTINGS, LOPSIDED_PARTIES).behavior().array
    assert np.abs(expected - expected[..., ::-1, ::-1]).max() > 0.1
    assert len(experiment.layers) == 1
    for sampler in (StatevectorSampler(seed=1), AerSampler(seed=1)):
        found = experiment.run(sampler, 20_000)
        assert list(found) == [(4, 1, 3), (0, 5, 2)]
        for counts in found.values():
            assert counts.num_shots.tolist() == [[20_000] * 3] * 2
            assert_within_five_standard_errors(counts, expected)


@pytest.mark.parametrize("flipped", [4, 1, 3, 0])
def test_circuit_qubit_k_sits_on_entry_k_of_its_group(flipped):
    # The device reads one physical qubit the wrong way round: that shows in one party of one group.
    noise = NoiseModel()
    noise.add_readout_error(ReadoutError([[0, 1], [1, 0]]), [flipped])
    sampler = AerSampler(seed=2, options={"backend_options": {"noise_model": noise}})
    groups = [(4, 1, 3), (3, 0, 5)]
    found = lopsided(groups).run(sampler, 20_000)
    expected = BellExperiment(chain_circuit(0, 1, 2), LOPSIDED_SETTINGS, LOPSIDED_PARTIES).behavior().array
    for group in groups:
        wrong = expected
        for axis, qubit in enumerate(LOPSIDED_PARTIES):
            if group[qubit] == flipped:
                wrong = np.flip(wrong, axis=2 + axis)
        assert_within_five_standard_errors(found[group], wrong)


def measured_places(circuit):
    """Physical qubit of each bit of each register."""
    places = {}
    for instruction in circuit.data:
        if instruction.operation.name == "measure":
            (register, index), *_ = circuit.find_bit(instruction.clbits[0]).registers
            places[register.name, index] = circuit.find_bit(instruction.qubits[0]).index
    return places


@pytest.mark.parametrize("use", ["backend", "pass manager"])
def test_transpiled_circuits_stay_on_their_qubits(use):
    backend = fake_backend()
    options = {"backend": backend}
    if use == "pass manager":
        layout = list(range(27))
        manager = generate_preset_pass_manager(1, backend=backend, initial_layout=layout, routing_method="none")
        options = {"pass_manager": manager}
    groups = [(2, 1, 4), (14, 13, 12), (8, 11, 14)]
    experiment = lopsided(groups, coupling_map=backend)
    pubs = experiment.pubs(100, **options)
    assert experiment.layers == (((8, 11, 14),), ((2, 1, 4), (14, 13, 12)))
    assert [SamplerPub.coerce(pub).shape for pub in pubs] == [(2, 3)] * 2
    coupled = {tuple(sorted(edge)) for edge in backend.coupling_map.get_edges()}
    for (circuit, values, shots), layer in zip(pubs, experiment.layers, strict=True):
        expected = {}
        for group in layer:
            name = f"q{group[0]}_{group[1]}_{group[2]}"
            expected |= {(name, 0): group[2], (name, 1): group[0]}
        assert measured_places(circuit) == expected
        assert set(circuit.count_ops()) <= set(backend.operation_names)
        assert values.num_parameters <= 4
        assert shots == 100
        used = set()
        for instruction in circuit.data:
            qubits = [circuit.find_bit(qubit).index for qubit in instruction.qubits]
            used |= set(qubits)
            if len(qubits) == 2:
                assert tuple(sorted(qubits)) in coupled
        assert used == {qubit for group in layer for qubit in group}


def test_missing_couplings_are_refused():
    backend = fake_backend()
    # The circuit couples 0 to 1 and 1 to 2, but 1 and 3 are not coupled.
    experiment = lopsided([(0, 1, 4), (2, 1, 3)])
    words = r"^groups: .*\(2, 1, 3\): qubits 1 and 2 of the circuit need a coupling between 1 and 3\..*coupled_groups"
    with pytest.raises(MeasurementError, match=words):
        experiment.pubs(10, backend=backend)
    with pytest.raises(MeasurementError, match=words):
        experiment.run(BackendSamplerV2(backend=backend), 10)


def test_gates_of_three_qubits_are_taken_apart_before_they_are_placed():
    circuit = QuantumCircuit(3)
    circuit.ccx(0, 1, 2)
    experiment = DeviceExperiment(circuit, [["Z"], ["Z"], ["Z"]], [(0, 1, 2)])
    # A Toffoli gate acts on all three pairs, which no chain couples.
    with pytest.raises(MeasurementError, match="qubits 0 and 2 of the circuit need a coupling"):
        experiment.pubs(10, backend=fake_backend())
    assert experiment.run(StatevectorSampler(seed=1), 10)[0, 1, 2].array[0, 0, 0, 0, 0, 0] == 10


def test_groups_beyond_the_device_are_refused():
    experiment = DeviceExperiment(bell_circuit(), "chsh", [(26, 27)])
    with pytest.raises(MeasurementError, match=r"^groups\[0\]: expected qubits from 0 to 26, got \(26, 27\)"):
        experiment.pubs(10, backend=fake_backend())


def test_pass_managers_that_move_qubits_are_refused():
    backend = fake_backend()
    experiment = DeviceExperiment(bell_circuit(), "chsh", [(0, 1), (25, 26)], coupling_map=backend)
    layout = [1, 0, *range(2, 27)]
    for manager in (
        generate_preset_pass_manager(1, backend=backend, initial_layout=layout),
        generate_preset_pass_manager(1, backend=backend, initial_layout=[*range(1, 27), 0], seed_transpiler=1),
    ):
        with pytest.raises(MeasurementError, match=r"^pass_manager: expected one that leaves every qubit.*routing"):
            experiment.pubs(10, pass_manager=manager)


# Devices


@ignore_missing_coherence_times
def test_pairs_and_triples_of_a_noisy_backend():
    backend = GenericBackendV2(7, coupling_map=CouplingMap.from_line(7), seed=5)
    sampler = BackendSamplerV2(backend=backend, options={"seed_simulator": 3})
    pairs = DeviceExperiment(bell_circuit(), "chsh", coupled_groups(backend), coupling_map=backend)
    found = pairs.run(sampler, 1000)
    assert [len(layer) for layer in pairs.layers] == [3, 3]
    for counts in found.values():
        assert 2.3 < chsh().value(counts.frequencies()) < 3
    assert analyze(found[2, 3], seed=1).verdict is Verdict.NONLOCAL
    expected = BellExperiment(chain_circuit(0, 1, 2), LOPSIDED_SETTINGS, LOPSIDED_PARTIES).behavior().array
    for counts in lopsided([(2, 1, 0), (3, 4, 5)], coupling_map=backend).run(sampler, 1000).values():
        np.testing.assert_allclose(counts.frequencies().array, expected, atol=0.12)


@pytest.mark.slow
def test_all_pairs_of_a_device_of_27_qubits_in_one_job():
    backend = fake_backend()
    simulator = AerSimulator.from_backend(backend, method="matrix_product_state")
    experiment = DeviceExperiment(bell_circuit(), "chsh", coupled_groups(backend), coupling_map=backend)
    found = experiment.run(AerSampler.from_backend(simulator, seed=3), 100, backend=backend)
    assert list(found) == list(coupled_groups(backend))
    values = np.array([chsh().value(counts.frequencies()) for counts in found.values()])
    # Noise and few shots: 28 values with a standard error of 0.15 each.
    assert 2.2 < values.mean() < 2.8
    assert values.std() < 0.4


@pytest.mark.slow
@ignore_missing_coherence_times
def test_triples_of_a_device_of_27_qubits():
    backend = fake_backend()
    sampler = BackendSamplerV2(backend=backend, options={"seed_simulator": 4})
    experiment = lopsided([(2, 1, 4), (14, 16, 19), (21, 23, 24)], coupling_map=backend, spacing=3)
    expected = BellExperiment(chain_circuit(0, 1, 2), LOPSIDED_SETTINGS, LOPSIDED_PARTIES).behavior().array
    assert len(experiment.layers) == 1
    for counts in experiment.run(sampler, 400).values():
        np.testing.assert_allclose(counts.frequencies().array, expected, atol=0.17)


# Shots, schedules, joint bases


def test_unequal_shots_and_schedules():
    groups = [(1, 0), (2, 3), (3, 4)]
    experiment = DeviceExperiment(bell_circuit(), "chsh", groups)
    shots = [[10, 20], [30, 40]]
    schedules = (shots, SettingSchedule.interleaved((2, 2), shots, rounds=3, seed=1))
    for order in schedules:
        for sampler in (StatevectorSampler(seed=1), AerSampler(seed=1)):
            found = experiment.run(sampler, order)
            assert [counts.num_shots.tolist() for counts in found.values()] == [shots] * 3
    schedule = SettingSchedule.random((2, 2), 300, seed=2)
    pubs = experiment.pubs(schedule)
    assert [SamplerPub.coerce(pub).shape for pub in pubs] == [(300,)] * 2
    result = StatevectorSampler(seed=np.random.default_rng(3)).run(pubs).result()
    found = experiment.counts(result, schedule)
    for counts in found.values():
        assert counts.design == "random"
        np.testing.assert_array_equal(counts.setting_probabilities, np.full((2, 2), 0.25))
        np.testing.assert_array_equal(counts.num_shots, np.bincount(schedule.positions @ [2, 1]).reshape(2, 2))


@pytest.mark.parametrize("make", [lambda s: StatevectorSampler(seed=s), lambda s: AerSampler(seed=s)])
def test_groups_and_layers_do_not_share_their_randomness(make):
    # The same fair coins on four qubits in two layers.
    circuit = QuantumCircuit(2)
    circuit.h([0, 1])
    experiment = DeviceExperiment(circuit, [["Z"] * 3, ["Z"]], [(0, 1), (2, 3), (1, 2)])
    assert len(experiment.layers) == 2
    tables = [counts.array for counts in experiment.run(make(5), 1000).values()]
    for i, one in enumerate(tables):
        assert all(not np.array_equal(one, other) for other in tables[:i])
        assert len({str(row.tolist()) for row in one}) == 3


def test_joint_bases_run_on_every_group():
    bell_basis = measurement(basis=bell_circuit())
    circuit = QuantumCircuit(3)
    circuit.compose(bell_circuit(), [0, 1], inplace=True)
    circuit.x(2)
    settings = [[measurement(basis="ZX"), bell_basis], ["Z", "X"]]
    backend = GenericBackendV2(7, coupling_map=CouplingMap.from_line(7), noise_info=False, seed=5)
    groups = [(0, 1, 2), (5, 4, 3)]
    experiment = DeviceExperiment(circuit, settings, groups, parties=[(1, 0), 2])
    expected = BellExperiment(circuit, settings, [(1, 0), 2]).behavior().array
    assert len(experiment.pubs(10, backend=backend)) == 4
    for options in ({}, {"backend": backend}):
        for counts in experiment.run(AerSampler(seed=6), 4000, **options).values():
            assert_within_five_standard_errors(counts, expected)


def test_joint_bases_need_their_coupling():
    settings = [[measurement(basis=bell_circuit())], ["Z"]]
    experiment = DeviceExperiment(QuantumCircuit(3), settings, [(0, 1, 2)], parties=[(0, 2), 1])
    with pytest.raises(MeasurementError, match="qubits 0 and 2 of the circuit need a coupling between 0 and 2"):
        experiment.pubs(10, backend=fake_backend())


# Bad input


@pytest.mark.parametrize(
    ("groups", "options", "words"),
    [
        ([], {}, "groups: expected at least one group"),
        (None, {}, "groups: expected a sequence of groups of 2 physical qubits"),
        ("01", {}, "groups: expected a sequence of groups of 2 physical qubits"),
        ([(0, 1, 2)], {}, "groups[0]: expected 2 different qubits"),
        ([(0, 1), (2, 2)], {}, "groups[1]: expected 2 different qubits"),
        ([(0, -1)], {}, "groups[0]: expected whole numbers of at least 0"),
        ([(0, 1), 2], {}, "groups[1]: expected 2 different qubits"),
        ([(0, 1), (0, 1)], {}, "groups: expected each group once"),
        ([(0, 5)], {"coupling_map": [(0, 1)]}, "groups[0]: expected qubits from 0 to 1"),
        ([(0, 1)], {"spacing": 0}, "spacing: expected a whole number of at least 1"),
        ([(0, 1)], {"spacing": 1.5}, "spacing: expected a whole number of at least 1"),
        ([(0, 1)], {"spacing": 2}, "coupling_map: expected the couplings of the device, for a spacing above 1"),
        ([(0, 1)], {"coupling_map": "line"}, "coupling_map: expected a backend"),
        ([(0, 1)], {"parties": [0, 2]}, "parties[1]: expected qubit numbers from 0 to 1"),
    ],
)
def test_bad_arguments_are_refused(groups, options, words):
    with pytest.raises(MeasurementError) as caught:
        DeviceExperiment(bell_circuit(), "chsh", groups, **options)
    assert str(caught.value).startswith(words)


def test_what_is_no_circuit_and_no_shots_is_refused():
    with pytest.raises(MeasurementError, match="a QuantumCircuit"):
        DeviceExperiment("bell", "chsh", [(0, 1)])
    experiment = DeviceExperiment(bell_circuit(), "chsh", [(0, 1)])
    with pytest.raises(CountsError, match=r"^shots: expected a positive whole number"):
        experiment.run(StatevectorSampler(), 0)
    with pytest.raises(CountsError, match=r"^schedule: expected a SettingSchedule"):
        experiment.counts(None, 100)


def test_results_of_other_experiments_are_refused():
    experiment = DeviceExperiment(bell_circuit(), "chsh", [(0, 1), (1, 2)])
    # A generator: a number would be the seed of every PUB.
    sampler = StatevectorSampler(seed=np.random.default_rng(1))
    own = experiment.pubs(10)
    assert experiment.counts(sampler.run(own).result())[1, 2].total_shots == 40
    for pubs in (own[:1], own * 2, own[::-1], BellExperiment(bell_circuit(), "chsh").pubs(10), []):
        with pytest.raises(CountsError, match=r"^result: expected"):
            experiment.counts(sampler.run(pubs).result())


@ignore_missing_coherence_times
@pytest.mark.parametrize("make", [AerSampler.from_backend, lambda backend: BackendSamplerV2(backend=backend)])
def test_layers_of_different_size_are_right_when_aer_chooses_the_method(make):
    # Four pairs take 2 ** 8 amplitudes, more than there are shots, and are run as state vectors; three are not.
    backend = GenericBackendV2(10, coupling_map=CouplingMap.from_ring(10), seed=1)
    groups = [(0, 1), (2, 3), (4, 5), (6, 7), (8, 9), (1, 2), (5, 6)]
    experiment = DeviceExperiment(bell_circuit(), "chsh", groups)
    assert sorted(map(len, experiment.layers)) == [3, 4]
    sampler = make(AerSimulator.from_backend(backend))
    counts = experiment.run(sampler, shots=200, backend=backend)
    for group in groups:
        value = chsh().value(counts[group].frequencies())
        # One standard error is 0.1; the wrong counts gave 2.0.
        assert value > 2.3


@ignore_missing_coherence_times
def test_only_simulators_that_choose_their_method_get_several_jobs():
    backend = GenericBackendV2(6, coupling_map=CouplingMap.from_line(6), seed=1)
    experiment = DeviceExperiment(bell_circuit(), "chsh", [(0, 1), (2, 3), (1, 2)])
    for method, jobs in (("automatic", 2), ("density_matrix", 1)):
        sampler = AerSampler.from_backend(AerSimulator.from_backend(backend, method=method))
        submitted = []
        run = sampler.run
        sampler.run = lambda pubs, run=run, submitted=submitted: (submitted.append(len(pubs)), run(pubs))[1]
        assert set(experiment.run(sampler, shots=50, backend=backend)) == set(experiment.groups)
        assert len(submitted) == jobs


def ring_of_pairs():
    """Layers of four and three pairs: at 200 shots Aer takes state vectors for one, density matrices for the other."""
    backend = GenericBackendV2(10, coupling_map=CouplingMap.from_ring(10), seed=1)
    groups = [(0, 1), (2, 3), (4, 5), (6, 7), (8, 9), (1, 2), (5, 6)]
    return DeviceExperiment(bell_circuit(), "chsh", groups), backend


def assert_nonlocal(counts):
    for one in counts.values():
        # One standard error is 0.1; the wrong counts gave 2.0.
        assert chsh().value(one.frequencies()) > 2.3


class Wrapped:
    """A sampler that hides another one."""

    def __init__(self, sampler):
        self.run = lambda pubs: sampler.run(pubs)


@ignore_missing_coherence_times
@pytest.mark.parametrize("how", ["seeded sampler", "seeded simulator", "wrapped", "options", "by hand"])
def test_layers_of_different_size_are_right_whoever_runs_them(how):
    experiment, backend = ring_of_pairs()
    simulator = AerSimulator.from_backend(backend, **({"seed_simulator": 2} if how == "seeded simulator" else {}))
    sampler = AerSampler.from_backend(simulator, seed=2 if how == "seeded sampler" else None)
    if how == "by hand":
        pubs = experiment.pubs(200, backend=backend)
        assert_nonlocal(experiment.counts(sampler.run(pubs).result()))
    else:
        sampler = Wrapped(sampler) if how == "wrapped" else sampler
        if how == "options":
            sampler = pytest.importorskip("qiskit_ibm_runtime").SamplerV2(mode=AerSimulator())
            sampler.options.simulator.noise_model = simulator.options.noise_model
        assert_nonlocal(experiment.run(sampler, shots=200, backend=backend))


@ignore_missing_coherence_times
def test_seeded_devices_without_noise_are_not_refused():
    backend = GenericBackendV2(6, coupling_map=CouplingMap.from_line(6), noise_info=False, seed=1)
    experiment = DeviceExperiment(bell_circuit(), "chsh", [(0, 1), (2, 3), (1, 2)])
    assert_nonlocal(experiment.run(BackendSamplerV2(backend=backend, options={"seed_simulator": 3}), 200))


# One group at a time


def test_devices_are_simulated_group_by_group():
    experiment, backend = ring_of_pairs()
    found = experiment.simulate(backend, 2000, seed=3)
    assert list(found) == list(experiment.groups)
    assert experiment.simulate(backend, 2000, seed=3) == found
    # The layers as a whole, also by density matrices.
    simulator = AerSimulator.from_backend(backend, method="density_matrix")
    whole = experiment.run(AerSampler.from_backend(simulator, seed=4), 2000, backend=backend)
    for group, counts in found.items():
        one, other = counts.frequencies().array, whole[group].frequencies().array
        np.testing.assert_allclose(one, other, atol=5 * np.sqrt(2 * 0.25 / 2000))


def test_simulated_groups_have_the_noise_of_their_own_qubits():
    # One qubit is read the wrong way round and another loses all: that shows in the groups that have them.
    noise = NoiseModel()
    noise.add_readout_error(ReadoutError([[0, 1], [1, 0]]), [4])
    noise.add_readout_error(ReadoutError([[1, 0], [1, 0]]), [20])
    backend = AerSimulator(noise_model=noise)
    experiment = lopsided([(4, 1, 3), (3, 0, 5), (20, 21, 22)])
    found = experiment.simulate(backend, 20_000, seed=1)
    expected = BellExperiment(chain_circuit(0, 1, 2), LOPSIDED_SETTINGS, LOPSIDED_PARTIES).behavior().array
    assert_within_five_standard_errors(found[3, 0, 5], expected)
    assert_within_five_standard_errors(found[4, 1, 3], np.flip(expected, axis=3))
    # Party 1 reads 0 always; of -Y that is outcome 1.
    lost = found[20, 21, 22].array.sum(axis=(0, 2))
    assert lost.tolist() == [[40_000, 0], [0, 40_000], [40_000, 0]]


def test_a_marked_qubit_of_a_device_of_27_qubits_comes_back_right():
    backend = fake_backend()
    noise = NoiseModel.from_backend(backend)
    with warnings.catch_warnings():
        # The device has a readout error there already.
        warnings.simplefilter("ignore")
        noise.add_readout_error(ReadoutError([[0, 1], [1, 0]]), [12])
    experiment = DeviceExperiment(bell_circuit(), "chsh", coupled_groups(backend), coupling_map=backend)
    found = experiment.simulate(AerSimulator.from_backend(backend, noise_model=noise), 500, seed=1)
    assert [group for group, one in found.items() if chsh().value(one.frequencies()) < 0] == [
        (10, 12),
        (12, 13),
        (12, 15),
    ]
    assert all(abs(chsh().value(one.frequencies())) > 1.7 for one in found.values())


@ignore_missing_coherence_times
def test_simulations_take_schedules_joint_bases_and_unequal_shots():
    backend = GenericBackendV2(4, coupling_map=CouplingMap.from_line(4), noise_info=False)
    pairs = DeviceExperiment(bell_circuit(), "chsh", [(0, 1), (1, 2)])
    shots = [[10, 20], [30, 40]]
    assert [one.num_shots.tolist() for one in pairs.simulate(backend, shots, seed=1).values()] == [shots] * 2
    schedule = SettingSchedule.random((2, 2), 50, seed=1)
    assert all(one.design == "random" for one in pairs.simulate(backend, schedule, seed=1).values())
    joint = DeviceExperiment(bell_circuit(), [[measurement(basis=bell_circuit())]], [(0, 1), (2, 3)], parties=[(0, 1)])
    assert all(one.array.tolist() == [[100, 0, 0, 0]] for one in joint.simulate(backend, 100, seed=1).values())


@ignore_missing_coherence_times
def test_what_cannot_be_simulated_group_by_group_is_refused():
    pairs = DeviceExperiment(bell_circuit(), "chsh", [(0, 3)])
    backend = GenericBackendV2(4, coupling_map=CouplingMap.from_line(4), noise_info=False)
    with pytest.raises(MeasurementError, match="need a coupling between 0 and 3"):
        pairs.simulate(backend)
    for wrong in (None, "fake_montreal", AerSampler(), AerSimulator):
        with pytest.raises(MeasurementError, match=r"^backend: expected a BackendV2"):
            pairs.simulate(wrong)
    wide = DeviceExperiment(QuantumCircuit(20), [["Z"]] * 20, [range(20)])
    with pytest.raises(MeasurementError, match=r"^groups: expected groups whose density matrix fits"):
        wide.simulate(backend)
