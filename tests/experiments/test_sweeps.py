"""One experiment at several values of its circuit's free parameters."""

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterVector
from qiskit.primitives import StatevectorSampler
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit_aer import AerSimulator
from qiskit_aer.primitives import SamplerV2 as AerSampler
from qiskit_lhv import BellExperiment, Verdict, analyze
from qiskit_lhv.exceptions import CountsError, MeasurementError
from qiskit_lhv.experiments import BellSweep, SettingSchedule

from helpers import assert_within_five_standard_errors, bell_circuit

VALUES = [0.0, 0.7, 2.0]
TRINE = [
    np.array([[1 + np.cos(angle), np.sin(angle)], [np.sin(angle), 1 - np.cos(angle)]]) / 3
    for angle in (0, 2 * np.pi / 3, 4 * np.pi / 3)
]


def turned(*names):
    circuit = bell_circuit()
    for qubit, name in enumerate(names):
        circuit.ry(Parameter(name), qubit)
    return circuit


def values_of_sweep(settings="chsh", values=VALUES):
    return BellExperiment(turned("theta"), settings).sweep(values)


@pytest.mark.parametrize("sampler", [StatevectorSampler(seed=3), AerSampler(seed=3), AerSimulator()])
def test_counts_of_every_value(sampler):
    sweep = values_of_sweep()
    found = sweep.run(sampler, 1000)
    assert len(found) == 3
    for counts, behavior in zip(found, sweep.behaviors(), strict=True):
        assert_within_five_standard_errors(counts, behavior.array)
    assert analyze(found[0], seed=1).verdict is Verdict.NONLOCAL


def test_one_pub_has_all_values_and_settings():
    pubs = values_of_sweep().pubs(100)
    assert [pub[1].shape for pub in pubs] == [(3, 2, 2)]
    assert [pub[1].shape for pub in values_of_sweep().pubs([[10, 20], [30, 40]])] == [(3,)] * 4


@pytest.mark.parametrize(
    ("settings", "shots"),
    [
        ("chsh", [[900, 1000], [1100, 1200]]),
        ("chsh", SettingSchedule.random((2, 2), 4000, seed=1)),
        ("chsh", SettingSchedule.interleaved((2, 2), 1000, rounds=4, seed=1)),
        ([[TRINE, "X"], ["Z"]], 1000),
    ],
)
def test_schedules_unequal_shots_and_povms(settings, shots):
    sweep = values_of_sweep(settings)
    pubs = sweep.pubs(shots)
    schedule = shots if isinstance(shots, SettingSchedule) else None
    job = AerSampler().run(pubs)
    read = (
        sweep.counts(job, schedule) if schedule is not None or np.ndim(shots) == 0 else sweep.run(AerSampler(), shots)
    )
    for counts, behavior in zip(read, sweep.behaviors(), strict=True):
        assert_within_five_standard_errors(counts, behavior.array)


def test_parameters_are_taken_by_name_or_in_their_order():
    experiment = BellExperiment(turned("b", "a"), "chsh")
    by_name = experiment.sweep({"b": [0.1, 0.2], "a": 1.0})
    in_order = experiment.sweep([[1.0, 0.1], [1.0, 0.2]])
    by_parameter = experiment.sweep(dict(zip(experiment.circuit.parameters, ([1.0, 1.0], [0.1, 0.2]), strict=True)))
    for sweep in (by_name, in_order, by_parameter):
        assert [parameter.name for parameter in sweep.parameters] == ["a", "b"]
        np.testing.assert_array_equal(sweep.values, [[1.0, 0.1], [1.0, 0.2]])
        assert not sweep.values.flags.writeable
    np.testing.assert_allclose(
        by_name.behaviors()[1].array,
        BellExperiment(experiment.circuit.assign_parameters({"b": 0.2, "a": 1.0}), "chsh").behavior().array,
    )


def test_a_parameter_named_like_those_of_the_settings():
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.ry(ParameterVector("setting", 1)[0], 0)
    sweep = BellExperiment(circuit, "chsh").sweep([0.4])
    assert_within_five_standard_errors(sweep.run(StatevectorSampler(seed=1), 1000)[0], sweep.behaviors()[0].array)


def test_on_a_device_whose_transpiler_moves_qubits():
    sweep = values_of_sweep()
    found = sweep.run(GenericBackendV2(4, seed=1), 500)
    for counts, behavior in zip(found, sweep.behaviors(), strict=True):
        assert np.abs(counts.frequencies().array - behavior.array).max() < 0.15


def test_results_of_other_values_are_told_apart():
    sweep, other = values_of_sweep(), values_of_sweep(values=[0.1, 0.7, 2.0])
    job = AerSampler(seed=1).run(sweep.pubs(50))
    assert [counts.total_shots for counts in sweep.counts(job)] == [200] * 3
    with pytest.raises(CountsError, match="other values of the free parameters"):
        other.counts(job)
    with pytest.raises(CountsError, match="first axis has the 2 values"):
        values_of_sweep(values=[0.0, 0.7]).counts(job)


@pytest.mark.parametrize(
    ("names", "values", "words"),
    [
        ((), [1.0], "expected a circuit with free parameters"),
        (("a", "b"), [0.1, 0.2, 0.3], r"a row of values for a, b.*Such as \{'a': \[0\.1, 0\.2\]"),
        (("a",), [[0.1, 0.2]], "expected values for a, got an array of shape"),
        (("a",), {"b": [1]}, "expected values for a, got values for b"),
        (("a", "b"), {"a": [1, 2], "b": [1, 2, 3]}, "different numbers of values"),
        (("a",), ["x"], "expected values for a"),
        (("a",), [np.nan], "NaN"),
        (("a",), [], "expected values for a"),
    ],
)
def test_values_that_do_not_fit(names, values, words):
    with pytest.raises(MeasurementError, match=words):
        BellExperiment(turned(*names), "chsh").sweep(values)


def test_sweeps_are_made_of_experiments():
    with pytest.raises(MeasurementError, match=r"BellExperiment\(circuit, settings\)\.sweep\(values\)"):
        BellSweep(bell_circuit(), [1.0])
    assert repr(values_of_sweep()).endswith("3 values of theta)")
