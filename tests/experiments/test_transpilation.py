import warnings

import pytest
from qiskit import QuantumCircuit
from qiskit.primitives import BackendSamplerV2, StatevectorSampler
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.transpiler import CouplingMap, generate_preset_pass_manager
from qiskit_aer import AerSimulator
from qiskit_lhv import BellExperiment, DeviceExperiment, LHVError, chsh
from qiskit_lhv.exceptions import MeasurementError
from qiskit_lhv.experiments import SettingSchedule


def redundant():
    """A Bell state with gates that cancel, which higher levels take out."""
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    for _ in range(4):
        circuit.cx(0, 1)
    return circuit


def backend():
    return GenericBackendV2(3, coupling_map=CouplingMap.from_line(3), seed=1)


def num_cx(pubs):
    return max(pub[0].count_ops().get("cx", 0) for pub in pubs)


@pytest.mark.parametrize("make", [BellExperiment, lambda c, s: DeviceExperiment(c, s, [(0, 1)])])
def test_level_and_seed_of_the_transpiler(make):
    experiment = make(redundant(), "chsh")
    assert num_cx(experiment.pubs(10, backend=backend(), optimization_level=0)) == 5
    assert num_cx(experiment.pubs(10, backend=backend(), optimization_level=2, seed_transpiler=3)) <= 1
    first, second = (experiment.pubs(10, backend=backend(), seed_transpiler=5)[0][0] for _ in range(2))
    assert first.layout.final_index_layout() == second.layout.final_index_layout()
    assert first.count_ops() == second.count_ops()


def test_runs_take_them_too():
    experiment = BellExperiment(redundant(), "chsh")
    sampler = BackendSamplerV2(backend=backend(), options={"seed_simulator": 1})
    counts = experiment.run(sampler, 500, optimization_level=3, seed_transpiler=2)
    assert 2.3 < chsh().value(counts.frequencies()) < 3.1
    schedule = SettingSchedule.random((2, 2), 50, seed=1)
    assert experiment.run_trials(sampler, schedule, optimization_level=2).num_trials == 50
    pubs = experiment.pubs(10, backend=AerSimulator(), optimization_level=2)
    assert num_cx(pubs) <= 1
    assert num_cx(experiment.pubs(10, backend=AerSimulator())) == 5


def test_choices_that_nothing_can_follow():
    experiment = BellExperiment(redundant(), "chsh")
    for wrong in (4, -1, 1.0, True, "high"):
        with pytest.raises(MeasurementError, match=r"optimization_level: expected a whole number from 0 to 3"):
            experiment.pubs(10, backend=backend(), optimization_level=wrong)
    with pytest.raises(LHVError, match=r"seed"):
        experiment.pubs(10, backend=backend(), seed_transpiler=-1)
    manager = generate_preset_pass_manager(1, backend=backend())
    with pytest.raises(MeasurementError, match=r"A pass manager has both of its own"):
        experiment.pubs(10, pass_manager=manager, optimization_level=2)
    with pytest.raises(MeasurementError, match=r"backend: expected one to transpile for"):
        experiment.pubs(10, optimization_level=2)
    with pytest.raises(MeasurementError, match=r"the sampler has none either"):
        experiment.run(StatevectorSampler(), 10, optimization_level=2)


class Deprecating(StatevectorSampler):
    """Uses something deprecated, as samplers of one package do of backends of another."""

    def run(self, pubs, *, shots=None):
        warnings.warn("max_circuits is deprecated", DeprecationWarning, stacklevel=2)
        return super().run(pubs, shots=shots)


def test_deprecations_inside_of_samplers_do_not_stop_who_makes_errors_of_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        counts = BellExperiment(redundant(), "chsh").run(Deprecating(seed=1), 50)
    assert counts.total_shots == 200
