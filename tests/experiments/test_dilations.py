import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.primitives import StatevectorSampler
from qiskit.primitives.containers.sampler_pub import SamplerPub
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.quantum_info import Statevector, random_statevector
from qiskit.transpiler import CouplingMap, generate_preset_pass_manager
from qiskit_aer.primitives import SamplerV2 as AerSampler
from qiskit_lhv import Behavior, BellExperiment, measurement
from qiskit_lhv.exceptions import MeasurementError
from qiskit_lhv.experiments import DeviceExperiment, SettingSchedule
from qiskit_lhv.experiments.dilations import Dilation, idle_qubits, num_ancillas
from qiskit_lhv.measurements import POVMs, PVMs

from helpers import assert_within_five_standard_errors

PAULIS = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
ANGLES = 2 * np.pi * np.arange(3) / 3
TETRAHEDRON = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)


def of_directions(directions):
    """Effects of rank one along directions that add up to zero."""
    return (np.eye(2) + np.tensordot(directions, PAULIS, axes=1)) / len(directions)


TRINE = of_directions(np.stack([np.sin(ANGLES), np.zeros(3), np.cos(ANGLES)], axis=1))
SIC = of_directions(TETRAHEDRON)
SIX = of_directions(np.concatenate([np.eye(3), -np.eye(3)]))
UNSHARP = np.array([np.diag([0.9, 0.3]), np.diag([0.1, 0.7])])


def rank_two():
    """Three effects of rank two of two qubits, after which a fourth dimension has to be made up for."""
    effects = POVMs(4, 6).draw(np.random.default_rng(2), 1)[0]
    return effects[0::2] + effects[1::2]


def two_qubits(seed=3):
    circuit = QuantumCircuit(2)
    circuit.prepare_state(random_statevector(4, seed=seed), [0, 1])
    return circuit.decompose(reps=5)


# The unitary


@pytest.mark.parametrize(
    ("effects", "expected"),
    [(TRINE, 1), (SIC, 1), (SIX, 2), (UNSHARP, 1), (rank_two(), 1), ([np.eye(4) / 3] * 3, 2), (UNSHARP[::-1], 1)],
)
def test_povms_take_as_few_ancillas_as_they_can(effects, expected):
    assert num_ancillas(measurement(effects)) == expected


def test_projective_measurements_take_none():
    for spec in ("Z", "XX", measurement(basis="XZ"), [np.diag([1, 0]), np.diag([0, 1])]):
        given_one = measurement(spec)
        assert num_ancillas(given_one) == 0
        dilation = Dilation.of(given_one, 1)
        assert dilation.outcome_of == given_one.outcome_of * 2


@given(
    st.sampled_from([2, 4]),
    st.sampled_from(["haar", "rank-deficient", "mixtures"]),
    st.integers(4, 9),
    st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_probabilities_of_bitstrings_are_those_of_the_effects(d, distribution, num_outcomes, seed):
    rng = np.random.default_rng(seed)
    for effects in (POVMs(d, num_outcomes, distribution).draw(rng, 1)[0], PVMs(d, (1, d - 1)).draw(rng, 1)[0]):
        setting = measurement(effects)
        for further in (0, 1):
            ancillas = num_ancillas(setting) + further
            dilation = Dilation.of(setting, ancillas)
            size = d << ancillas
            unitary = dilation.unitary
            np.testing.assert_allclose(unitary @ unitary.conj().T, np.eye(size), atol=1e-12)
            start = unitary[:, :d]
            found = np.zeros_like(setting.effects)
            for row, outcome in zip(start, dilation.outcome_of, strict=True):
                found[outcome] += np.outer(row.conj(), row)
            np.testing.assert_allclose(found, setting.effects, atol=1e-9)


def test_qubits_are_idle_where_no_gate_acts_on_them():
    circuit = QuantumCircuit(5)
    circuit.h(1)
    circuit.barrier()
    circuit.delay(10, 2)
    circuit.cx(1, 4)
    assert idle_qubits(circuit) == [0, 2, 3]


# Experiments


@pytest.mark.parametrize(
    ("specs", "parties", "ancillas"),
    [
        ([[TRINE, "X"], ["Z", TRINE]], None, ((2,), (3,))),
        ([[SIC], [SIX, (0.6, 0, 0.8)]], [1, 0], ((2,), (3, 4))),
        ([[UNSHARP, "Y"], ["Z", "X"]], None, ((2,), ())),
    ],
)
def test_counts_have_the_probabilities_of_the_povms(specs, parties, ancillas):
    circuit = two_qubits()
    experiment = BellExperiment(circuit, specs, parties)
    assert experiment.ancillas == ancillas
    assert not experiment.uses_one_circuit
    expected = Behavior.from_state(Statevector(circuit), specs, parties)
    np.testing.assert_allclose(experiment.behavior().array, expected.array, atol=1e-12)
    counts = experiment.run(StatevectorSampler(seed=4), 20_000)
    assert counts.scenario == expected.scenario
    assert_within_five_standard_errors(counts, expected.array)


def test_povms_of_two_qubits_and_joint_bases_side_by_side():
    circuit = QuantumCircuit(4)
    circuit.prepare_state(random_statevector(16, seed=5), range(4))
    circuit = circuit.decompose(reps=6)
    bell_basis = QuantumCircuit(2)
    bell_basis.h(0)
    bell_basis.cx(0, 1)
    specs = [[rank_two(), measurement(basis=bell_basis)], [measurement(basis="XZ"), "ZZ"]]
    experiment = BellExperiment(circuit, specs, [[3, 0], [1, 2]])
    assert experiment.ancillas == ((4,), ())
    counts = experiment.run(AerSampler(seed=5), 20_000)
    assert_within_five_standard_errors(counts, Behavior.from_state(circuit, specs, [[3, 0], [1, 2]]).array)


def test_qubits_that_nothing_acts_on_are_the_first_ancillas():
    circuit = QuantumCircuit(4)
    circuit.compose(two_qubits(), [3, 1], inplace=True)
    experiment = BellExperiment(circuit, [[TRINE], [SIX]], [3, 1])
    assert experiment.ancillas == ((0,), (2, 4))
    pub = SamplerPub.coerce(experiment.pubs(10)[0])
    assert (pub.circuit.num_qubits, pub.circuit.num_clbits) == (5, 5)
    counts = experiment.run(StatevectorSampler(seed=6), 20_000)
    assert_within_five_standard_errors(counts, Behavior.from_state(Statevector(two_qubits()), [[TRINE], [SIX]]).array)


def test_projectors_given_as_effects_need_no_ancilla():
    effects = measurement((0.6, 0, 0.8)).effects[::-1]
    experiment = BellExperiment(two_qubits(), [[effects, "Z"], ["X"]])
    assert experiment.uses_one_circuit
    assert experiment.ancillas == ((), ())
    expected = Behavior.from_state(Statevector(two_qubits()), [[(-0.6, 0, -0.8), "Z"], ["X"]])
    assert_within_five_standard_errors(experiment.run(StatevectorSampler(seed=7), 20_000), expected.array)


def test_trials_of_povms():
    experiment = BellExperiment(two_qubits(), [[TRINE, "X"], ["Z", SIC]])
    schedule = SettingSchedule.interleaved((2, 2), 4000, rounds=4, seed=1)
    trials = experiment.run_trials(StatevectorSampler(seed=8), schedule)
    assert trials.num_trials == 16_000
    assert_within_five_standard_errors(trials.to_counts(), experiment.behavior().array)


def test_circuits_fit_a_coupling_map():
    experiment = BellExperiment(two_qubits(), [[SIC, "X"], [TRINE]])
    manager = generate_preset_pass_manager(
        1, coupling_map=CouplingMap.from_line(5), basis_gates=["rz", "sx", "cx"], seed_transpiler=1
    )
    for pub in map(SamplerPub.coerce, experiment.pubs(10, pass_manager=manager)):
        names = set(pub.circuit.count_ops())
        assert names <= {"rz", "sx", "cx", "measure", "barrier"}
        pairs = [
            [pub.circuit.find_bit(q).index for q in i.qubits] for i in pub.circuit.data if i.operation.name == "cx"
        ]
        assert all(abs(a - b) == 1 for a, b in pairs)
    counts = experiment.run(StatevectorSampler(seed=9), 20_000, pass_manager=manager)
    assert_within_five_standard_errors(counts, experiment.behavior().array)


def test_backends_with_too_few_qubits_are_refused():
    experiment = BellExperiment(two_qubits(), [[SIX], [SIX]])
    backend = GenericBackendV2(5, coupling_map=CouplingMap.from_line(5), seed=1)
    with pytest.raises(MeasurementError, match=r"circuit: expected at most 5 qubits.*got 6, with ancillas for POVMs"):
        experiment.pubs(10, backend=backend)


# Many groups


def test_groups_have_a_place_for_the_ancillas():
    circuit = QuantumCircuit(3)
    circuit.compose(two_qubits(), [1, 2], inplace=True)
    experiment = DeviceExperiment(circuit, [[TRINE, "Z"], ["X"]], [(0, 1, 2), (5, 4, 3)], parties=[1, 2])
    assert experiment.experiment.ancillas == ((0,), ())
    expected = Behavior.from_state(Statevector(two_qubits()), [[TRINE, "Z"], ["X"]]).array
    backend = GenericBackendV2(6, coupling_map=CouplingMap.from_line(6), seed=1)
    assert len(experiment.pubs(10, backend=backend)) == 2
    for counts in experiment.run(AerSampler(seed=6), 8000).values():
        assert_within_five_standard_errors(counts, expected)


def test_ancillas_of_groups_need_a_coupling():
    circuit = QuantumCircuit(3)
    circuit.compose(two_qubits(), [0, 1], inplace=True)
    experiment = DeviceExperiment(circuit, [[TRINE, "Z"], ["X"]], [(0, 1, 2)], parties=[0, 1])
    backend = GenericBackendV2(3, coupling_map=CouplingMap.from_line(3), seed=1)
    with pytest.raises(MeasurementError, match="qubits 0 and 2 of the circuit need a coupling between 0 and 2"):
        experiment.pubs(10, backend=backend)


def test_groups_without_a_place_for_the_ancillas_are_refused():
    with pytest.raises(MeasurementError, match=r"^circuit: expected 1 qubit that no gate acts on .*, got 1 too few"):
        DeviceExperiment(two_qubits(), [[TRINE], ["X"]], [(0, 1)])
