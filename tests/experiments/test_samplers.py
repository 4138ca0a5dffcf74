"""Samplers, told by what they do: right counts, or an error of our own."""

import numpy as np
import pytest
from qiskit import ClassicalRegister, QuantumCircuit
from qiskit.circuit import Instruction, Parameter
from qiskit.circuit.library import PauliEvolutionGate, QFTGate, XXPlusYYGate
from qiskit.exceptions import QiskitError
from qiskit.primitives import (
    BackendSamplerV2,
    BitArray,
    DataBin,
    PrimitiveResult,
    SamplerPubResult,
    StatevectorEstimator,
    StatevectorSampler,
)
from qiskit.providers.basic_provider import BasicSimulator
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.quantum_info import SparsePauliOp
from qiskit.transpiler import CouplingMap, PassManager, generate_preset_pass_manager
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel, ReadoutError, depolarizing_error
from qiskit_aer.primitives import SamplerV2 as AerSampler
from qiskit_lhv import BellExperiment, DeviceExperiment, Verdict, analyze, chsh, measurement
from qiskit_lhv.exceptions import CountsError, MeasurementError
from qiskit_lhv.experiments import SettingSchedule
from qiskit_lhv.experiments.samplers import backend_of, seed_of
from qiskit_lhv.quantum.circuit_steps import num_causal_qubits, opened, without_idle_qubits

from helpers import assert_within_five_standard_errors, bell_circuit, ignore_missing_coherence_times


def chsh_experiment():
    return BellExperiment(bell_circuit(), "chsh")


def chsh_value(counts):
    return float(chsh().value(counts.frequencies()))


class Hidden:
    """A sampler that nothing can be seen of."""

    def __init__(self, sampler):
        self.run = lambda pubs: sampler.run(pubs)


class Holding:
    """A sampler that keeps another one."""

    def __init__(self, sampler):
        self.inner = sampler

    def run(self, pubs):
        return self.inner.run(pubs)


class OneSeed:
    """A sampler that starts from one seed for every PUB, whatever its shots."""

    def run(self, pubs):
        results = [AerSampler(seed=5).run([pub]).result()[0] for pub in pubs]
        return type("Job", (), {"result": lambda self: PrimitiveResult(results)})()


def executor_sampler(seed, backend=None):
    module = pytest.importorskip("qiskit_ibm_runtime.executor_sampler")
    sampler = module.Sampler(mode=AerSimulator() if backend is None else backend)
    sampler.options.simulator.seed_simulator = seed
    return sampler


# One state vector for all shots


def local_after_resets():
    """A local state of qubits 0 and 1, though each branch of the resets is entangled."""
    circuit = QuantumCircuit(4)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.h(2)
    circuit.cz(2, 0)
    circuit.h(3)
    circuit.cx(3, 0)
    circuit.reset([2, 3])
    return circuit


@pytest.mark.parametrize(
    "make", [StatevectorSampler, lambda: StatevectorSampler(seed=1), lambda: Hidden(StatevectorSampler())]
)
def test_samplers_that_follow_one_branch_are_refused_for_resets(make):
    experiment = BellExperiment(local_after_resets(), "chsh", [0, 1])
    with pytest.raises(MeasurementError, match=r"^sampler: .*resets.*one random branch.*SamplerV2\(\)"):
        experiment.run(make(), 100)


def test_resets_are_right_where_every_shot_is_simulated():
    experiment = BellExperiment(local_after_resets(), "chsh", [0, 1])
    counts = experiment.run(Hidden(AerSampler(seed=2)), 4000)
    assert_within_five_standard_errors(counts, experiment.behavior().array)
    assert analyze(counts, seed=1).verdict is not Verdict.NONLOCAL


def test_resets_that_change_nothing_are_not_refused():
    first = QuantumCircuit(3)
    first.reset([0, 1])
    first.compose(bell_circuit(), inplace=True)
    first.h(2)
    first.reset(2)
    counts = BellExperiment(first, "chsh", [0, 1]).run(StatevectorSampler(seed=3), 2000)
    assert_within_five_standard_errors(counts, chsh_experiment().behavior().array)


def both_kinds(circuit, parties):
    return BellExperiment(circuit, "chsh", parties), DeviceExperiment(circuit, "chsh", [(0, 1, 2, 3)], parties=parties)


@pytest.mark.parametrize("experiment", both_kinds(local_after_resets(), [0, 1]))
def test_state_vectors_refuse_the_pubs_of_resets(experiment):
    pubs = experiment.pubs(500)
    with pytest.raises(QiskitError, match="mid-circuit measurements"):
        StatevectorSampler(seed=0).run(pubs).result()
    with pytest.raises(QiskitError, match="mid-circuit measurements"):
        Holding(StatevectorSampler(seed=0)).run(experiment.pubs([[1, 2], [3, 4]])).result()


@ignore_missing_coherence_times
@pytest.mark.parametrize("register", ["c", "at_start"])
def test_pubs_of_resets_are_right_where_every_shot_is_simulated(register):
    circuit = local_after_resets()
    circuit.add_register(ClassicalRegister(2, register))
    expected = BellExperiment(circuit, "chsh", [0, 1]).behavior().array
    backend = GenericBackendV2(4, noise_info=False, coupling_map=CouplingMap.from_full(4), seed=1)
    for experiment in both_kinds(circuit, [0, 1]):
        for sampler, behind in (
            (AerSampler(seed=2), AerSimulator()),
            (BackendSamplerV2(backend=backend, options={"seed_simulator": 3}), backend),
            (BackendSamplerV2(backend=BasicSimulator(), options={"seed_simulator": 3}), BasicSimulator()),
        ):
            result = sampler.run(experiment.pubs(400, backend=behind)).result()
            counts = experiment.counts(result)
            assert_within_five_standard_errors(
                next(iter(counts.values())) if isinstance(counts, dict) else counts, expected
            )


def test_pubs_of_pure_circuits_measure_nothing_more():
    first = QuantumCircuit(2)
    first.reset([0, 1])
    first.compose(bell_circuit(), inplace=True)
    assert [register.name for register in BellExperiment(first, "chsh").pubs(10)[0][0].cregs] == ["outcomes"]


# Random numbers


def spread(counts):
    """Chi-square of the first outcome's frequencies about their mean; the outcome is a fair coin."""
    frequencies = counts.array[:, 0] / counts.num_shots
    return float(np.sum((frequencies - frequencies.mean()) ** 2 * 4 * counts.num_shots))


@pytest.mark.parametrize("shots", [500, 500 + np.arange(10)], ids=["equal", "unequal"])
def test_samplers_that_repeat_themselves_for_every_pub_get_derived_seeds(shots):
    basis = measurement(basis=bell_circuit())
    experiment = BellExperiment(QuantumCircuit(2), [[basis] * 10], [(0, 1)])
    counts = experiment.run(executor_sampler(5), shots)
    assert counts.num_shots.tolist() == np.broadcast_to(shots, 10).tolist()
    assert 0.5 < spread(counts) < 40
    assert experiment.run(executor_sampler(5), shots) == counts
    assert experiment.run(executor_sampler(6), shots) != counts


def test_samplers_of_equal_shots_run_unequal_shots():
    shots = [[100, 200], [300, 400]]
    counts = chsh_experiment().run(executor_sampler(None), shots)
    assert counts.num_shots.tolist() == shots
    schedule = SettingSchedule.interleaved((2, 2), 45, rounds=4, seed=1)
    assert chsh_experiment().run_trials(executor_sampler(7), schedule).num_trials == 180


def test_layers_do_not_share_their_randomness():
    circuit = QuantumCircuit(2)
    circuit.h([0, 1])
    experiment = DeviceExperiment(circuit, [["Z"], ["Z"]], [(0, 1), (1, 2), (2, 3)])
    tables = [counts.array.tolist() for counts in experiment.run(executor_sampler(5), 1000).values()]
    assert tables[0] != tables[1] != tables[2]


@pytest.mark.parametrize("make", [OneSeed, lambda: Hidden(OneSeed())])
def test_samplers_that_repeat_themselves_and_cannot_be_reseeded_are_refused(make):
    experiment = DeviceExperiment(bell_circuit(), "chsh", [(0, 1), (1, 2)])
    with pytest.raises(MeasurementError, match=r"^sampler: expected one whose shots are independent.*no seed"):
        experiment.run(make(), 100)
    # One PUB has no other that could repeat it.
    assert chsh_experiment().run(make(), 100).total_shots == 400


def by_hand(experiment, sampler, shots=500):
    return experiment.counts(sampler.run(experiment.pubs(shots)).result())


@pytest.mark.parametrize("make", [OneSeed, lambda: executor_sampler(3)])
def test_results_that_repeat_themselves_are_refused(make):
    with pytest.raises(CountsError, match=r"^result: .*independent.*the same shots in the same order.*no seed"):
        by_hand(DeviceExperiment(bell_circuit(), "chsh", [(0, 1), (1, 2)]), make())
    basis = measurement(basis=bell_circuit())
    with pytest.raises(CountsError, match=r"the same shots in the same order"):
        by_hand(BellExperiment(QuantumCircuit(2), [[basis] * 4], [(0, 1)]), make())


def test_trials_and_settings_that_repeat_themselves_are_refused():
    sampler, experiment = StatevectorSampler(seed=1), chsh_experiment()
    schedule = SettingSchedule.interleaved((2, 2), 200, rounds=20, seed=1)
    for pubs, read_out in ((experiment.pubs(500), ()), (experiment.pubs(schedule), (schedule,))):
        with pytest.raises(CountsError, match=r"the same shots in the same order"):
            experiment.counts(sampler.run(pubs).result(), *read_out)
    with pytest.raises(CountsError, match=r"the same shots in the same order"):
        experiment.trials(sampler.run(experiment.pubs(schedule)).result(), schedule)
    device = DeviceExperiment(bell_circuit(), "chsh", [(0, 1), (1, 2)])
    drawn = SettingSchedule.random((2, 2), 300, seed=3)
    pubs = device.pubs(drawn)
    result = StatevectorSampler(seed=np.random.default_rng(2)).run(pubs[:1]).result()[0]
    twice = [copy_of(result, pub) for pub in pubs]
    with pytest.raises(CountsError, match=r"the same shots in the same order"):
        device.counts(twice, drawn)


def copy_of(result, pub):
    bits = next(iter(result.data.values()))
    data = DataBin(**{pub[0].cregs[0].name: bits}, shape=bits.shape)
    return SamplerPubResult(data, {"circuit_metadata": pub[0].metadata})


@pytest.mark.parametrize("angle", [0, 0.05])
def test_results_that_are_alike_by_chance_are_read(angle):
    circuit = QuantumCircuit(2)
    circuit.ry(angle, [0, 1])
    for sampler in (StatevectorSampler(seed=1), AerSampler(seed=1)):
        experiment = DeviceExperiment(circuit, [["Z", "-Z"], ["Z"]], [(0, 1), (1, 2), (2, 3)])
        assert by_hand(experiment, sampler, 50)[1, 2].total_shots == 100
    # Outcome by outcome, counts are alike more often than shots.
    pub = chsh_experiment().pubs(400)[0]
    listed = np.repeat(np.arange(4, dtype=np.uint8), 100)[:, None]
    data = DataBin(outcomes=BitArray(np.broadcast_to(listed, (2, 2, 400, 1)).copy(), 2), shape=(2, 2))
    assert chsh_experiment().counts([SamplerPubResult(data, {"circuit_metadata": pub[0].metadata})]).total_shots == 1600


def test_subclasses_of_statevector_samplers_stay_what_they_are():
    runs = []

    class Logged(StatevectorSampler):
        def run(self, pubs, *, shots=None):
            runs.append(len(pubs))
            return super().run(pubs, shots=shots)

    counts = BellExperiment(QuantumCircuit(1), [["X"] * 10]).run(Logged(seed=4), 500)
    assert 0.5 < spread(counts) < 40
    assert runs[-1] == 1


# Circuits that the simulator behind a sampler does not know


def exotic_circuits():
    names = {}
    own = QuantumCircuit(2, name="mine")
    own.h(0)
    own.iswap(0, 1)
    gates = {
        "iswap": lambda c: c.iswap(0, 1),
        "xx_plus_yy": lambda c: c.append(XXPlusYYGate(0.7, 0.2), [0, 1]),
        "state_preparation": lambda c: c.prepare_state([0.6, 0, 0, 0.8], [0, 1]),
        "to_gate": lambda c: c.append(own.to_gate(), [0, 1]),
        "to_instruction": lambda c: c.append(own.to_instruction(), [0, 1]),
        "evolution": lambda c: c.append(PauliEvolutionGate(SparsePauliOp(["XZ", "YY"], [0.4, 0.3]), 0.9), [0, 1]),
        "qft": lambda c: c.append(QFTGate(2), [0, 1]),
    }
    for name, apply in gates.items():
        circuit = QuantumCircuit(2)
        circuit.ry(0.4, 0)
        circuit.ry(1.1, 1)
        apply(circuit)
        names[name] = circuit
    boxed = QuantumCircuit(2)
    with boxed.box():
        boxed.compose(bell_circuit(), inplace=True)
        with boxed.box():
            boxed.ry(0.3, 1)
    names["box"] = boxed
    return names


SETTINGS = [["X", (0, 0.6, 0.8)], ["Z", "Y"]]


@ignore_missing_coherence_times
@pytest.mark.parametrize("name", list(exotic_circuits()))
def test_circuits_are_translated_for_the_simulator_behind_a_sampler(name):
    experiment = BellExperiment(exotic_circuits()[name], SETTINGS)
    expected = experiment.behavior().array
    backend = GenericBackendV2(3, coupling_map=CouplingMap.from_line(3), noise_info=False, seed=1)
    for sampler in (
        AerSampler(seed=3),
        AerSampler.from_backend(backend, seed=4),
        Holding(AerSampler(seed=5)),
        StatevectorSampler(seed=6),
        BackendSamplerV2(backend=AerSimulator(), options={"seed_simulator": 7}),
    ):
        assert_within_five_standard_errors(experiment.run(sampler, 2000), expected)


def test_a_sampler_of_a_fake_device_takes_the_first_gate_of_a_tutorial():
    provider = pytest.importorskip("qiskit_ibm_runtime.fake_provider")
    counts = chsh_experiment().run(AerSampler.from_backend(provider.FakeManilaV2(), seed=1), 1000)
    np.testing.assert_allclose(counts.frequencies().array, chsh_experiment().behavior().array, atol=0.12)


def test_translation_leaves_gates_with_noise_alone():
    noise = NoiseModel(basis_gates=["h", "rz", "sx", "cx", "ry"])
    noise.add_all_qubit_quantum_error(depolarizing_error(1.0, 1), ["h"])
    circuit = QuantumCircuit(2)
    circuit.append(QFTGate(1), [0])
    circuit.h(1)
    experiment = BellExperiment(circuit, [["X"], ["X"]])
    sampler = AerSampler(seed=2, options={"backend_options": {"noise_model": noise}})
    counts = experiment.run(sampler, 4000)
    # Without noise the second outcome is certain; merged with the rotation of the setting, the gate would lose it.
    assert_within_five_standard_errors(counts, np.full((1, 1, 2, 2), 0.25))


def test_wide_circuits_take_the_qubits_that_matter():
    circuit = QuantumCircuit(100)
    circuit.h(40)
    circuit.cx(40, 90)
    circuit.h(7)
    experiment = BellExperiment(circuit, "chsh", [90, 40])
    for sampler in (StatevectorSampler(seed=1), AerSampler(seed=1)):
        assert_within_five_standard_errors(experiment.run(sampler, 2000), chsh_experiment().behavior().array)


def test_circuits_lose_their_idle_qubits_but_no_results():
    circuit = QuantumCircuit(5, 2)
    circuit.h(1)
    circuit.cx(1, 4)
    circuit.x(0)
    circuit.barrier()
    circuit.measure([4, 1], [0, 1])
    short = without_idle_qubits(circuit)
    assert (short.num_qubits, short.num_clbits, num_causal_qubits(circuit)) == (2, 2, 2)
    assert [short.find_bit(one.qubits[0]).index for one in short.data[-2:]] == [1, 0]
    assert without_idle_qubits(short) is short
    assert opened(short) is short


# What is behind a sampler


def test_backends_and_seeds_are_found_inside_samplers():
    simulator = AerSimulator(seed_simulator=9)
    assert backend_of(AerSampler.from_backend(simulator)) is simulator
    assert backend_of(Holding(AerSampler.from_backend(simulator))) is simulator
    assert backend_of(BackendSamplerV2(backend=simulator)) is simulator
    assert backend_of(StatevectorSampler()) is None
    assert backend_of(Hidden(AerSampler())) is None
    assert seed_of(Holding(AerSampler.from_backend(simulator))) == 9
    assert seed_of(executor_sampler(4)) == 4
    assert seed_of(AerSampler(seed=3)) == 3
    assert seed_of(StatevectorSampler(seed=np.random.default_rng(1))) is None
    assert seed_of(AerSampler()) is None


@pytest.mark.parametrize("backend", [AerSimulator(), AerSimulator(seed_simulator=9), GenericBackendV2(2, seed=1)])
def test_backends_get_a_sampler(backend):
    schedule = SettingSchedule.random((2, 2), 400, seed=1)
    assert 2.3 < chsh_value(chsh_experiment().run(backend, 1000)) < 3.2
    assert chsh_experiment().run_trials(backend, schedule).num_trials == 400


def test_a_simulator_keeps_its_noise_and_its_seed():
    noise = NoiseModel()
    noise.add_all_qubit_readout_error(ReadoutError([[0.5, 0.5], [0.5, 0.5]]))
    simulator = AerSimulator(noise_model=noise, seed_simulator=4)
    first, second = chsh_experiment().run(simulator, 2000), chsh_experiment().run(simulator, 2000)
    assert abs(chsh_value(first)) < 0.3
    assert np.array_equal(first.array, second.array)


# Errors that say what to do


@pytest.mark.parametrize(
    ("sampler", "words"),
    [
        (None, "expected a V2 Sampler, got None. Such as StatevectorSampler()"),
        (AerSampler, "got the class SamplerV2. Pass an object: SamplerV2(...)"),
        ("ibm_fez", "got 'ibm_fez'. Get the backend of that name"),
        (QuantumCircuit(2), "The circuit goes to BellExperiment(circuit, settings)"),
        (StatevectorEstimator(), "got the estimator StatevectorEstimator. Counts come from samplers"),
        (PassManager(), "expected a V2 Sampler"),
        (7, "expected a V2 Sampler, got 7"),
    ],
)
def test_what_is_no_sampler_is_refused(sampler, words):
    for call in (
        lambda: chsh_experiment().run(sampler),
        lambda: chsh_experiment().run_trials(sampler, SettingSchedule.random((2, 2), 5)),
        lambda: DeviceExperiment(bell_circuit(), "chsh", [(0, 1)]).run(sampler),
    ):
        with pytest.raises(MeasurementError) as caught:
            call()
        assert str(caught.value).startswith("sampler: ")
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"backend": "ibm_fez"}, "backend: expected a BackendV2, got 'ibm_fez'. Get the backend of that name"),
        ({"backend": AerSimulator}, "backend: expected a BackendV2"),
        ({"backend": StatevectorSampler()}, "A sampler is the first argument"),
        ({"pass_manager": generate_preset_pass_manager}, "Pass what the function makes"),
        ({"pass_manager": PassManager}, "Pass an object: PassManager(...)"),
        ({"pass_manager": 1}, "pass_manager: expected a PassManager"),
        ({"pass_manager": AerSimulator()}, "A backend goes in as backend="),
    ],
)
def test_what_is_no_backend_and_no_pass_manager_is_refused(options, words):
    for experiment in (chsh_experiment(), DeviceExperiment(bell_circuit(), "chsh", [(0, 1)])):
        for call in (lambda e=experiment: e.pubs(10, **options), lambda e=experiment: e.run(AerSampler(), **options)):
            with pytest.raises(MeasurementError) as caught:
                call()
            assert words in str(caught.value)


def test_circuits_larger_than_the_backend_are_refused():
    backend = GenericBackendV2(3, coupling_map=CouplingMap.from_line(3), noise_info=False)
    experiment = BellExperiment(QuantumCircuit(4), [["Z"]] * 4)
    with pytest.raises(MeasurementError, match=r"^circuit: expected at most 3 qubits.*got 4"):
        experiment.pubs(10, backend=backend)
    with pytest.raises(MeasurementError, match=r"^pass_manager: .*error of the transpiler"):
        experiment.pubs(10, pass_manager=generate_preset_pass_manager(1, backend=backend))


def entangled_chain(num_qubits):
    circuit = QuantumCircuit(num_qubits)
    circuit.ry(0.1, 0)
    for qubit in range(num_qubits - 1):
        circuit.ry(0.3 + qubit, qubit + 1)
        circuit.cx(qubit, qubit + 1)
    return circuit


def test_state_vectors_that_do_not_fit_are_refused_before_the_work():
    experiment = BellExperiment(entangled_chain(50), [["Z", "X"]] * 2, [0, 49])
    with pytest.raises(MeasurementError, match=r"^circuit: .* memory .*50 qubits.*matrix_product_state"):
        experiment.run(StatevectorSampler())


def test_refusals_of_simulators_come_with_the_memory_that_they_would_need():
    experiment = BellExperiment(entangled_chain(50), [["Z", "X"]] * 2, [0, 49])
    options = {"backend_options": {"method": "statevector"}}
    for sampler in (AerSampler(options=options), BackendSamplerV2(backend=AerSimulator(method="statevector"))):
        with pytest.raises(MeasurementError, match=r"^sampler: .*stopped with .*matrix_product_state"):
            experiment.run(sampler, 10)
    chain = AerSampler(seed=1, options={"backend_options": {"method": "matrix_product_state"}})
    assert experiment.run(chain, 10).total_shots == 40


# Results of others


def read(experiment, other, *, schedule=None, order=slice(None), shots=20):
    pubs = other.pubs(shots if schedule is None else schedule)[order]
    return experiment.counts(StatevectorSampler(seed=np.random.default_rng(1)).run(pubs).result())


def test_results_of_another_experiment_of_the_same_shape_are_refused():
    flipped = bell_circuit()
    flipped.x(0)
    for other in (
        BellExperiment(bell_circuit(), [["Z", "X"], ["Z", "X"]]),
        BellExperiment(bell_circuit(), "chsh", [1, 0]),
        BellExperiment(flipped, "chsh"),
    ):
        with pytest.raises(CountsError, match=r"^result: expected that of the PUBs of this experiment.*pubs\(\)"):
            read(chsh_experiment(), other)
    assert read(chsh_experiment(), chsh_experiment()).total_shots == 80


def looped(values, factor, name="p"):
    circuit = bell_circuit()
    counter = Parameter(name)
    with circuit.for_loop(values, counter):
        circuit.rx(factor * counter, 0)
        with circuit.for_loop(range(2)):
            circuit.rz(counter + 0.1, 1)
    return BellExperiment(circuit, "chsh")


def test_loops_of_another_count_or_angle_are_another_circuit():
    experiment = looped(range(2), 0.2)
    for other in (looped(range(5), 0.2), looped(range(2), 0.9), looped((1, 0), 0.2)):
        with pytest.raises(CountsError, match="another circuit"):
            read(experiment, other)
    assert read(experiment, looped((0, 1), 0.2, "counter")).total_shots == 80


def test_the_same_experiment_made_again_reads_its_results():
    gate = bell_circuit().to_gate()
    one, again = QuantumCircuit(2), QuantumCircuit(2, name="again")
    one.append(gate, [0, 1])
    again.append(bell_circuit().to_gate(), [0, 1])
    assert read(BellExperiment(one, "chsh"), BellExperiment(again, "chsh")).total_shots == 80


def test_results_in_another_order_are_refused():
    with pytest.raises(CountsError, match=r"another PUB of the experiment"):
        read(chsh_experiment(), chsh_experiment(), order=slice(None, None, -1), shots=[[5, 6], [7, 8]])
    basis, pairs = measurement(basis=bell_circuit()), QuantumCircuit(3)
    joint = BellExperiment(pairs, [[basis, measurement(basis="ZZ")], ["Z"]], [(0, 1), 2])
    with pytest.raises(CountsError, match=r"another setting"):
        read(joint, joint, order=slice(None, None, -1))


def test_results_of_another_schedule_of_the_same_shape_are_refused():
    one, other = (SettingSchedule.random((2, 2), 50, seed=seed) for seed in (1, 2))
    experiment = chsh_experiment()
    result = StatevectorSampler(seed=np.random.default_rng(1)).run(experiment.pubs(one)).result()
    assert experiment.trials(result, one).num_trials == 50
    for call in (experiment.counts, experiment.trials):
        with pytest.raises(CountsError, match=r"another schedule"):
            call(result, other)


def test_results_of_other_layers_are_refused():
    experiment = DeviceExperiment(bell_circuit(), "chsh", [(0, 1), (1, 2)])
    other = DeviceExperiment(bell_circuit(), [["X", "Z"], ["X", "Z"]], [(0, 1), (1, 2)])
    for pubs in (experiment.pubs(10)[::-1], other.pubs(10)):
        with pytest.raises(CountsError, match=r"^result: expected"):
            experiment.counts(StatevectorSampler(seed=np.random.default_rng(1)).run(pubs).result())


def test_the_metadata_of_the_circuit_is_kept():
    circuit = bell_circuit()
    circuit.metadata = {"run": 7}
    signed = BellExperiment(circuit, "chsh").pubs(10)[0][0]
    assert signed.metadata["run"] == 7
    assert circuit.metadata == {"run": 7}


@ignore_missing_coherence_times
@pytest.mark.parametrize("name", ["state vectors", "Aer", "basic", "device"])
def test_loops_of_a_fixed_count_run_on_every_sampler(name):
    circuit = bell_circuit()
    counter = Parameter("counter")
    with circuit.for_loop((1, 3), counter):
        circuit.rx(0.3 * counter, 0)
        with circuit.for_loop(range(2)), circuit.box():
            circuit.ry(0.2, 1)
    backend = GenericBackendV2(2, noise_info=False, coupling_map=CouplingMap.from_line(2), seed=1)
    sampler = {
        "state vectors": StatevectorSampler(seed=1),
        "Aer": AerSampler(seed=1),
        "basic": BackendSamplerV2(backend=BasicSimulator(), options={"seed_simulator": 1}),
        "device": BackendSamplerV2(backend=backend, options={"seed_simulator": 1}),
    }[name]
    experiment = BellExperiment(circuit, "chsh")
    assert_within_five_standard_errors(experiment.run(sampler, 2000), experiment.behavior().array)
    device = DeviceExperiment(circuit, "chsh", [(0, 1)])
    assert_within_five_standard_errors(device.run(sampler, 2000)[0, 1], experiment.behavior().array)


def test_errors_of_a_simulator_name_no_pass_manager_that_was_not_passed():
    circuit = bell_circuit()
    circuit.append(Instruction("unknown", 2, 0, []), [0, 1])
    with pytest.raises(MeasurementError, match=r"^circuit: .*error of the transpiler"):
        BellExperiment(circuit, "chsh").pubs(10, backend=BasicSimulator())


@ignore_missing_coherence_times
def test_product_formulas_are_the_same_for_every_sampler_and_for_the_behavior():
    # One Trotter step of terms that do not commute: Qiskit's state vectors would take the exact exponential.
    gate = PauliEvolutionGate(SparsePauliOp(["XI", "ZZ", "IY"]), 0.9)
    circuit, own = QuantumCircuit(2), QuantumCircuit(2)
    own.ry(0.3, 0)
    own.append(gate, [0, 1])
    circuit.append(own.to_gate(), [0, 1])
    steps = QuantumCircuit(2)
    steps.ry(0.3, 0)
    steps.compose(gate.definition, [0, 1], inplace=True)
    expected = BellExperiment(steps, SETTINGS).behavior().array
    experiment = BellExperiment(circuit, SETTINGS)
    np.testing.assert_allclose(experiment.behavior().array, expected, atol=1e-12)
    backend = GenericBackendV2(3, coupling_map=CouplingMap.from_line(3), noise_info=False, seed=1)
    for sampler in (StatevectorSampler(seed=1), AerSampler(seed=2), BackendSamplerV2(backend=backend)):
        assert_within_five_standard_errors(experiment.run(sampler, 2000), expected)
