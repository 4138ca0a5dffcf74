"""What people try first: it works, or an error of the package names what to write instead.

First tries of reading counts are in targets/reading/test_first_tries.py.
"""

import numpy as np
import pytest
from qiskit import QuantumCircuit, transpile
from qiskit.circuit import Parameter
from qiskit.primitives import BackendSamplerV2, StatevectorEstimator, StatevectorSampler
from qiskit.providers.basic_provider import BasicSimulator
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.quantum_info import DensityMatrix, SparsePauliOp, Statevector
from qiskit_aer import AerSimulator
from qiskit_lhv import (
    Behavior,
    BellCounts,
    BellExperiment,
    CountsOptions,
    DeviceExperiment,
    LocalityReport,
    analyze,
    certify_all_projective,
    chsh,
    critical_visibility,
    find_local_model,
    load_bundled_counts,
    local_bound,
    nonlocality_threshold,
    optimize_settings,
    ratio_e_value,
    read_counts,
    werner_state,
)
from qiskit_lhv.exceptions import LHVError
from qiskit_lhv.experiments import SettingSchedule
from qiskit_lhv.polytope import local_weight, quantum_bound
from qiskit_lhv.statistics import evidence_rate, game_test, shots_needed

from helpers import bell_circuit

COUNTS = load_bundled_counts("ibm_hanoi19_20circuit13").counts
DICTIONARY = {"00": 10, "11": 12}
EXPERIMENT = BellExperiment(bell_circuit(), "chsh")


def measured():
    return bell_circuit().measure_all(inplace=False)


def free():
    circuit = bell_circuit()
    circuit.ry(Parameter("theta"), 0)
    return circuit


def fed_forward():
    circuit = QuantumCircuit(3, 1)
    circuit.h(2)
    circuit.measure(2, 0)
    circuit.h(0)
    circuit.cx(0, 1)
    with circuit.if_test((circuit.clbits[0], 1)):
        circuit.id(1)
    return circuit


class Service:
    """Like a service of backends."""

    def least_busy(self):
        return None


WORKS = {
    "an Aer simulator": lambda: EXPERIMENT.run(AerSimulator(), 20),
    "a seeded Aer simulator": lambda: EXPERIMENT.run(AerSimulator(seed_simulator=1), 20),
    "a backend": lambda: EXPERIMENT.run(GenericBackendV2(3, seed=1), 20),
    "another simulator": lambda: EXPERIMENT.run(BasicSimulator(), 20),
    "a backend for trials": lambda: EXPERIMENT.run_trials(AerSimulator(), SettingSchedule.random((2, 2), 50, seed=1)),
    "a backend for a device": lambda: DeviceExperiment(bell_circuit(), "chsh", [(0, 1)]).run(
        GenericBackendV2(2, seed=1), 20
    ),
    "a job": lambda: EXPERIMENT.counts(StatevectorSampler().run(EXPERIMENT.pubs(50))),
    "a job of a backend": lambda: EXPERIMENT.counts(BackendSamplerV2(backend=AerSimulator()).run(EXPERIMENT.pubs(50))),
    "a PUB's result": lambda: EXPERIMENT.counts(StatevectorSampler().run(EXPERIMENT.pubs(50)).result()[0]),
    "a list of results": lambda: EXPERIMENT.counts(list(StatevectorSampler().run(EXPERIMENT.pubs(50)).result())),
    "a state vector": lambda: BellExperiment(Statevector(bell_circuit()), "chsh").run(StatevectorSampler(), 20),
    "amplitudes": lambda: BellExperiment(np.array([1, 0, 0, 1]) / np.sqrt(2), "chsh").behavior(),
    "a pure density matrix": lambda: BellExperiment(DensityMatrix(bell_circuit()), "chsh").behavior(),
    "feed-forward": lambda: BellExperiment(fed_forward(), "chsh", [0, 1]).run(AerSimulator(), 20),
    "free parameters": lambda: BellExperiment(free(), "chsh").sweep([0.1, 0.2]).run(StatevectorSampler(), 20),
    "a transpiled circuit": lambda: BellExperiment(
        transpile(bell_circuit(), GenericBackendV2(5, seed=1), seed_transpiler=1), "chsh"
    ).run(GenericBackendV2(5, seed=1), 20),
    "the value of counts": lambda: chsh().value(COUNTS).standard_error,
    "an experiment to analyze": lambda: analyze(EXPERIMENT),
}


@pytest.mark.parametrize("attempt", WORKS)
def test_what_works(attempt):
    assert WORKS[attempt]() is not None


NAMES_THE_FIX = {
    "an estimator": (lambda: EXPERIMENT.run(StatevectorEstimator()), "Counts come from samplers, such as"),
    "an estimator for a device": (
        lambda: DeviceExperiment(bell_circuit(), "chsh", [(0, 1)]).run(StatevectorEstimator()),
        "Counts come from samplers, such as",
    ),
    "an estimator's job": (
        lambda: EXPERIMENT.counts(StatevectorEstimator().run([(bell_circuit(), ["ZZ"])])),
        "values of an Estimator are not counts",
    ),
    "a backend's name": (lambda: EXPERIMENT.run("ibm_fez"), "Get the backend of that name from its service"),
    "a service": (lambda: EXPERIMENT.run(Service()), "Pass a backend of this service"),
    "a circuit to run on": (lambda: EXPERIMENT.run(bell_circuit()), "The circuit goes to BellExperiment"),
    "shots first": (lambda: EXPERIMENT.run(1000), "Such as StatevectorSampler()"),
    "a backend's result": (
        lambda: EXPERIMENT.counts(AerSimulator().run(measured(), shots=5).result()),
        "experiment.run(backend) runs on a backend",
    ),
    "a backend's job": (
        lambda: EXPERIMENT.counts(AerSimulator().run(measured(), shots=5)),
        "experiment.run(backend) runs on a backend",
    ),
    "a job of other circuits": (
        lambda: EXPERIMENT.counts(StatevectorSampler().run([measured()])),
        "Counts of circuits of your own go to BellCounts.from_counts",
    ),
    "counts as the result": (lambda: EXPERIMENT.counts(DICTIONARY), "go to BellCounts.from_counts"),
    "a number of trials": (lambda: EXPERIMENT.run_trials(AerSimulator(), 100), "Make one with SettingSchedule"),
    "a measured circuit": (lambda: BellExperiment(measured(), "chsh"), "remove_final_measurements"),
    "a circuit measured on purpose": (
        lambda: BellExperiment(fed_forward(), [["Z"], ["Z"], ["Z"]]),
        "remove_final_measurements",
    ),
    "free parameters run": (lambda: BellExperiment(free(), "chsh").run(AerSimulator()), "experiment.sweep([0.1"),
    "free parameters to analyze": (lambda: analyze(BellExperiment(free(), "chsh")), "experiment.sweep([0.1"),
    "feed-forward on a state vector": (
        lambda: BellExperiment(fed_forward(), "chsh", [0, 1]).run(StatevectorSampler()),
        "Use qiskit_aer.primitives.SamplerV2()",
    ),
    "a mixed state": (lambda: BellExperiment(werner_state(0.9), "chsh"), "Behavior.from_state(state, settings)"),
    "an observable": (lambda: BellExperiment(SparsePauliOp("ZZ"), "chsh"), "expected a QuantumCircuit"),
    "a backend as groups": (
        lambda: DeviceExperiment(bell_circuit(), "chsh", GenericBackendV2(2, seed=1)),
        "coupled_groups(backend, size)",
    ),
    "physical qubits as parties": (
        lambda: BellExperiment(
            transpile(bell_circuit(), GenericBackendV2(5, seed=1), initial_layout=[3, 4]), "chsh", [3, 4]
        ),
        "parties=PhysicalQubits([3, 4])",
    ),
    "a backend to analyze": (lambda: analyze(AerSimulator()), "BellExperiment(circuit, settings)"),
    "a file to analyze": (lambda: analyze("counts.json"), "files to read_data"),
    "an array to analyze": (lambda: analyze(np.array([1, 0, 0, 1])), "Statevector(array)"),
    "local weight of counts": (lambda: local_weight(COUNTS), "local_weight_interval(counts)"),
    "threshold of counts": (lambda: nonlocality_threshold(COUNTS), "estimate_threshold(counts)"),
    "the value of a dictionary": (lambda: chsh().value(DICTIONARY), "Or pass BellCounts"),
    "a bound by name": (lambda: local_bound("chsh"), "Such as chsh()"),
    "a quantum bound by name": (lambda: quantum_bound("chsh"), "Such as chsh()"),
    "an expression by name": (lambda: CountsOptions(expression="chsh"), "such as chsh()"),
    "a game by name": (lambda: game_test(COUNTS, "chsh"), "Such as chsh()"),
    "settings for a name": (lambda: optimize_settings(bell_circuit(), expression="chsh"), "such as chsh()"),
    "a proof about counts": (lambda: certify_all_projective(COUNTS), "go to analyze"),
    "a visibility of counts": (lambda: critical_visibility(COUNTS), "go to analyze"),
    "a model of an experiment": (lambda: find_local_model(EXPERIMENT), "experiment.behavior()"),
    "a p-value of a dictionary": (lambda: ratio_e_value(DICTIONARY), "BellCounts.from_counts(counts)"),
    "a rate of a state": (lambda: evidence_rate(werner_state(1)), "Behavior.from_state(state, settings)"),
    "shots for a circuit": (lambda: shots_needed(bell_circuit(), 1e-3), "BellExperiment(circuit, settings)"),
    "a dictionary as a behavior": (lambda: Behavior(DICTIONARY), "BellCounts.from_counts(counts)"),
    "a dictionary as counts": (lambda: BellCounts(DICTIONARY), "BellCounts.from_counts"),
    "a dictionary to read": (lambda: read_counts(DICTIONARY), "BellCounts.from_counts"),
    "a dictionary to load": (lambda: LocalityReport.load(DICTIONARY), "the path of a file"),
}


@pytest.mark.parametrize("attempt", NAMES_THE_FIX)
def test_errors_name_the_fix(attempt):
    call, words = NAMES_THE_FIX[attempt]
    with pytest.raises(LHVError) as caught:
        call()
    assert words in str(caught.value)
