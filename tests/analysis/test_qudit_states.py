import dataclasses
import math

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import DensityMatrix, Statevector, random_density_matrix, random_statevector
from qiskit_lhv import (
    Behavior,
    CorrelationTensor,
    LHVError,
    Verdict,
    analyze,
    critical_visibility,
    werner_state,
)
from qiskit_lhv.analysis import CriticalVisibility
from qiskit_lhv.exceptions import MeasurementError
from qiskit_lhv.measurements import POVMs, PVMs, measurement_set
from qiskit_lhv.projective import CompatibilityCertificate, DecompositionCertificate
from qiskit_lhv.quantum import isotropic_state, mix_with_noise
from qiskit_lhv.reports import LocalityReport

PAIRS = [[0, 1], [2, 3]]


def two_pairs(first=(0, 2), second=(1, 3)):
    circuit = QuantumCircuit(4)
    for a, b in (first, second):
        circuit.h(a)
        circuit.cx(a, b)
    return circuit


@pytest.mark.parametrize(
    ("visibility", "measurements", "verdict"),
    [
        (0.4, "projective", Verdict.LOCAL),
        (0.7, "projective", Verdict.NONLOCAL),
        (0.29, "povm", Verdict.LOCAL),
        (0.7, "povm", Verdict.NONLOCAL),
    ],
)
def test_isotropic_qutrits(visibility, measurements, verdict):
    state = isotropic_state(visibility, 3)
    report = analyze(state, measurements=measurements, seed=1)
    assert report.verdict is verdict
    assert report.verify()
    assert report.evidence[0].verify(state)
    assert "parties of dimensions 3 x 3" in report.target


def test_a_proof_for_projective_measurements_is_none_for_povms():
    report = analyze(isotropic_state(0.4, 3), seed=1)
    assert report.verdict is Verdict.LOCAL
    question = dataclasses.replace(report.question, measurements=POVMs())
    asked = question.report(None, None)
    assert asked.verdict is Verdict.INCONCLUSIVE
    assert asked.verify()
    assert not dataclasses.replace(report, question=question, target=asked.target).verify()


def test_pure_and_noisy_qutrits_find_their_violation():
    pure = random_statevector((3, 3), seed=2)
    for state in (pure, mix_with_noise(pure, 0.9), random_density_matrix((3, 3), rank=2, seed=2)):
        report = analyze(state, seed=1)
        assert report.verdict is Verdict.NONLOCAL
        assert report.inequality.bound.exact
        assert report.verify()


def test_a_qubit_and_a_qutrit_on_either_side():
    amplitudes = np.zeros(6)
    amplitudes[[0, 3]] = math.sqrt(0.5)
    for verdict, weight in ((Verdict.NONLOCAL, 0.8), (Verdict.LOCAL, 0.2)):
        state = mix_with_noise(Statevector(amplitudes, dims=(2, 3)), weight)
        report = analyze(state, seed=1)
        assert report.verdict is verdict
        assert report.verify()
        assert analyze(CorrelationTensor.from_state(state), seed=1).verdict is verdict


def test_a_report_on_a_qubit_and_a_qutrit_says_for_which_measurements():
    amplitudes = np.zeros(6)
    amplitudes[[0, 3]] = math.sqrt(0.5)
    # Entangled, and noisy enough at the qutrit for its projective measurements, but not for its POVMs.
    local = np.kron(np.eye(3) / 3, np.eye(2) / 2)
    state = DensityMatrix(0.416 * np.outer(amplitudes, amplitudes) + 0.584 * local, dims=(2, 3))
    report = analyze(state, seed=1)
    assert report.verdict is Verdict.LOCAL
    assert "all projective measurements" in report.target
    assert report.verify()
    assert not dataclasses.replace(report, target="state of a qubit and a qutrit, all measurements").verify()
    separable = analyze(mix_with_noise(Statevector(np.eye(6)[0], dims=(2, 3)), 0.5), seed=1)
    assert separable.verdict is Verdict.LOCAL
    assert separable.verify()


def test_parties_of_two_qubits_from_a_circuit():
    report = analyze(two_pairs(), parties=PAIRS, seed=1)
    assert report.verdict is Verdict.NONLOCAL
    assert report.verify()
    # The same pairs within the parties: a product state.
    report = analyze(two_pairs((0, 1), (2, 3)), parties=PAIRS, seed=1)
    assert report.verdict is Verdict.LOCAL
    assert isinstance(report.evidence[0], DecompositionCertificate)
    assert any("2e-07" in line for line in report.assumptions)
    # Parties of one qubit each are qubits.
    assert analyze(two_pairs(), parties=[0, 2], seed=1).verdict is Verdict.NONLOCAL
    assert analyze(two_pairs(), parties=[[0], [1]], seed=1).verdict is Verdict.LOCAL


def test_three_qutrits():
    amplitudes = np.zeros(27)
    amplitudes[[0, 13, 26]] = 3**-0.5
    ghz = Statevector(amplitudes, dims=(3, 3, 3))
    report = analyze(ghz, seed=1)
    assert report.verdict is Verdict.NONLOCAL
    assert report.statistics["nonlocal_visibility"] < 0.6
    report = analyze(mix_with_noise(ghz, 0.05), seed=1)
    assert report.verdict is Verdict.LOCAL
    assert isinstance(report.evidence[0], CompatibilityCertificate)
    assert report.verify()


def spin_singlet(spin):
    """Total spin zero of two spins, with the states of each from m = s to m = -s."""
    levels = round(2 * spin) + 1
    amplitudes = np.zeros((levels, levels))
    for j in range(levels):
        amplitudes[j, levels - 1 - j] = (-1) ** j / math.sqrt(levels)
    return Statevector(amplitudes.ravel(), dims=(levels, levels))


@pytest.mark.parametrize("spin", [1, 1.5])
def test_singlets_of_larger_spins_are_as_entangled(spin):
    report = analyze(spin_singlet(spin), seed=1)
    assert report.verdict is Verdict.NONLOCAL
    assert report.statistics["nonlocal_visibility"] == pytest.approx({1: 0.69615, 1.5: 0.69055}[spin], abs=1e-5)


@pytest.mark.slow
def test_no_tolerance_makes_weakly_entangled_qutrits_local():
    weight = 1e-9
    amplitudes = np.zeros(9)
    amplitudes[[0, 4]] = math.sqrt(1 - weight), math.sqrt(weight)
    assert analyze(Statevector(amplitudes, dims=(3, 3)), seed=1).verdict is not Verdict.LOCAL


@pytest.mark.slow
def test_critical_visibility_of_qutrits(tmp_path):
    found = critical_visibility(isotropic_state(1, 3), seed=1, folder=tmp_path)
    assert found.lower == pytest.approx(5 / 12, abs=1e-9)
    assert found.upper == pytest.approx(0.69615, abs=1e-5)
    assert found.estimate is None
    assert found.verify(isotropic_state(1, 3))
    assert not found.verify(isotropic_state(0.9, 3))
    again = critical_visibility(isotropic_state(1, 3), seed=1, folder=tmp_path)
    assert again.upper == found.upper
    found.save(tmp_path / "critical.npz")
    assert CriticalVisibility.load(tmp_path / "critical.npz").verify()
    with pytest.raises(MeasurementError, match="larger than a qubit"):
        dataclasses.replace(found, measurements=measurement_set("xz"))
    povms = critical_visibility(isotropic_state(1, 3), measurements="povm", seed=1)
    assert povms.lower == pytest.approx(8 / 27, abs=1e-9)


def test_reports_are_saved(tmp_path):
    for visibility in (0.3, 0.8):
        report = analyze(isotropic_state(visibility, 3), seed=1)
        report.save(tmp_path / "report.npz")
        loaded = LocalityReport.load(tmp_path / "report.npz")
        assert loaded.verify()
        assert loaded.verdict is report.verdict


@pytest.mark.parametrize("measurements", ["xz", "all", PVMs(4), POVMs(2), [PVMs(3), POVMs(3)], measurement_set("xy")])
@pytest.mark.parametrize("verb", [analyze, critical_visibility])
def test_sets_that_do_not_fit(verb, measurements):
    with pytest.raises(MeasurementError, match="measurements: expected"):
        verb(isotropic_state(1, 3), measurements=measurements)


def test_sets_of_the_parties_dimension_fit():
    assert analyze(isotropic_state(0.8, 3), measurements=PVMs(3), seed=1).verdict is Verdict.NONLOCAL
    assert analyze(isotropic_state(0.2, 3), measurements=[POVMs(3), POVMs(3)]).verdict is Verdict.LOCAL


def test_bad_input():
    with pytest.raises(MeasurementError, match="64 dimensions in all"):
        analyze(isotropic_state(0.5, 9))
    with pytest.raises(MeasurementError, match=r"got dimensions \(9,\). Say how large each party is"):
        analyze(DensityMatrix(np.eye(9) / 9))
    with pytest.raises(MeasurementError, match="target: expected a positive matrix"):
        analyze(DensityMatrix(np.diag([1.5, -0.5, *[0] * 7]), dims=(3, 3)))
    array = np.zeros((9, 9))
    array[0, 0], array[8, 8] = 1, 5
    with pytest.raises(MeasurementError, match="target: expected a positive matrix"):
        analyze(CorrelationTensor(array))
    with pytest.raises(MeasurementError, match="parties: expected None"):
        analyze(CorrelationTensor(np.eye(9) / 9 * 0 + np.outer(np.eye(9)[0], np.eye(9)[0])), parties=[[0], [1]])
    with pytest.raises(LHVError, match="parties: expected None"):
        analyze(Behavior.from_state(werner_state(1), "chsh"), parties=[[0], [1]])
    with pytest.raises(MeasurementError, match="parties"):
        analyze(two_pairs(), parties=[[0, 1], [1, 3]])
    with pytest.raises(MeasurementError, match="noise: expected"):
        critical_visibility(isotropic_state(1, 3), noise=werner_state(0))


@pytest.mark.parametrize("dimensions", [(2, 2), (3, 3)])
def test_reports_on_correlations_of_no_state_are_refuted(dimensions):
    report = analyze(random_statevector(dimensions, seed=1), seed=1)
    assert report.verify()
    array = 1.03 * report.question.correlations.array
    array.flat[0] = 1
    enlarged = CorrelationTensor(array)
    question = dataclasses.replace(report.question, correlations=enlarged)
    evidence = tuple(dataclasses.replace(piece, correlations=enlarged) for piece in report.evidence)
    assert not dataclasses.replace(report, question=question, evidence=evidence).verify()
