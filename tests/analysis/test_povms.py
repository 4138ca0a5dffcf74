"""Questions about all POVMs: states, critical visibilities and estimates."""

import dataclasses

import numpy as np
import pytest
from qiskit_lhv import (
    Behavior,
    CorrelationTensor,
    Verdict,
    analyze,
    critical_visibility,
    estimate_tensor,
    ghz_state,
    optimize_settings,
    werner_state,
)
from qiskit_lhv.analysis import CriticalVisibility, EstimatedLocality, StateQuestion
from qiskit_lhv.exceptions import CertificateError, MeasurementError
from qiskit_lhv.measurements import AllProjective, POVMs
from qiskit_lhv.polytope import cglmp
from qiskit_lhv.projective import SettingsSearch, extend_local_models, horodecki_settings, prove_compatible
from qiskit_lhv.quantum import mix_with_noise
from qiskit_lhv.reports import LocalityReport

pytest.importorskip("clarabel")

POVM = POVMs(2)
# A state that is local for projective measurements by a proof that says nothing about POVMs.
BETWEEN = mix_with_noise(np.array([np.cos(0.6), 0, 0, np.sin(0.6)]), 0.6)


@pytest.fixture(autouse=True)
def _time_limits_in_work(counted_clock):
    with counted_clock(0.04):
        yield


def estimate(visibility, shots=4000):
    return estimate_tensor(Behavior.from_state(werner_state(visibility), "pauli").sample(shots, 1))


@pytest.mark.parametrize(
    ("visibility", "verdict"), [(0.49, Verdict.LOCAL), (0.72, Verdict.NONLOCAL), (0.6, Verdict.INCONCLUSIVE)]
)
def test_werner_states(visibility, verdict, tmp_path):
    report = analyze(werner_state(visibility), measurements="povm", time_limit=3, seed=1)
    assert report.verdict is verdict
    assert "all POVMs" in report.target
    assert not report.verify(prove_bound=False).refuted
    report.save(tmp_path / "report.npz")
    assert LocalityReport.load(tmp_path / "report.npz") == report
    if verdict is Verdict.INCONCLUSIVE:
        assert report.statistics["local_visibility"] == pytest.approx(0.5 / 0.6, abs=1e-6)
        assert report.statistics["violated_visibility"] > 1


def test_three_qubits():
    assert analyze(ghz_state(3, 0.12), measurements="povm", seed=1).verdict is Verdict.LOCAL
    assert analyze(ghz_state(3, 0.6), measurements="povm", seed=1).verdict is Verdict.NONLOCAL


def test_a_proof_for_projective_measurements_does_not_answer():
    report = analyze(BETWEEN, seed=1)
    assert report.verdict is Verdict.LOCAL
    assert report.evidence[0].measurements == AllProjective()
    question = dataclasses.replace(report.question, measurements="povm")
    forged = dataclasses.replace(report, question=question, target=str(question))
    check = forged.verify(prove_bound=False)
    assert check.refuted
    assert "other measurements" in check.reason
    # Relabeled, the certificate itself is false.
    relabeled = dataclasses.replace(report.evidence[0], measurements="povm")
    assert not dataclasses.replace(forged, evidence=(relabeled,)).verify(prove_bound=False)


def test_a_proof_for_povms_answers_about_projective_measurements():
    report = analyze(werner_state(0.4), seed=1)
    assert report.verdict is Verdict.LOCAL
    assert report.evidence[0].measurements == POVM
    assert not report.verify(prove_bound=False).refuted


@pytest.mark.slow
def test_critical_visibility_of_werner_states():
    found = critical_visibility(werner_state(1), measurements="povm", time_limit=0.2, seed=1)
    assert found.lower == pytest.approx(0.5, abs=1e-6)
    assert 0.69 < found.upper < 0.7072
    assert (found.measurements, found.sweep, found.estimate) == (POVM, None, None)
    assert not found.verify(prove_bound=False).refuted


def test_bounds_say_for_which_measurements_they_hold(tmp_path):
    state = werner_state(1)
    settings, proof = horodecki_settings(state), prove_compatible(state)
    upper = settings.visibility * (1 + 1e-8)
    found = CriticalVisibility(proof.visibility, upper, proof, settings, None, measurements=POVM)
    assert found.verify()
    found.save(tmp_path / "found.npz")
    assert CriticalVisibility.load(tmp_path / "found.npz") == found
    projective = extend_local_models(state)
    forged = dataclasses.replace(found, lower=projective.visibility, certificate=projective)
    assert "not about all POVMs" in forged.verify().reason
    # Where nothing is said, only projective measurements are claimed.
    assert CriticalVisibility(0.0, np.inf, proof, None, None).measurements == AllProjective()


@pytest.fixture(scope="module")
def three_outcomes():
    """POVMs of qubits that violate an inequality of three outcomes."""
    return optimize_settings(
        werner_state(1), expression=cglmp(3), measurements="povm", search=SettingsSearch(num_starts=4), seed=1
    )


def test_povms_answer_only_questions_about_povms(three_outcomes):
    assert not three_outcomes.is_projective
    tensor = CorrelationTensor.of(werner_state(1))
    report = StateQuestion(tensor, POVM).report(three_outcomes, None)
    assert report.verdict is Verdict.NONLOCAL
    assert report.verify()
    refused = StateQuestion(tensor, AllProjective()).report(three_outcomes, None).verify()
    assert "not among all projective measurements" in refused.reason
    upper = three_outcomes.visibility * (1 + 1e-8)
    bounds = CriticalVisibility(0.0, upper, None, three_outcomes, None, measurements=POVM)
    assert bounds.verify()
    assert "not among" in dataclasses.replace(bounds, measurements="projective").verify().reason


def test_povms_that_an_earlier_run_kept(three_outcomes, tmp_path):
    (tmp_path / "projective").mkdir()
    three_outcomes.save(tmp_path / "projective" / "settings.json")
    with pytest.raises(CertificateError, match="folder"):
        critical_visibility(werner_state(1), time_limit=0.2, seed=1, folder=tmp_path / "projective")


def test_estimates_with_povms(three_outcomes):
    report = analyze(estimate(0.98), measurements="povm", seed=1)
    (piece,) = report.evidence
    settings = dataclasses.replace(three_outcomes, correlations=piece.settings.correlations)
    other = dataclasses.replace(piece, settings=settings)
    assert other.shows is Verdict.NONLOCAL
    assert other.verify()
    projective = analyze(estimate(0.98), seed=1)
    forged = dataclasses.replace(projective, evidence=(dataclasses.replace(projective.evidence[0], settings=settings),))
    assert "not among all projective measurements" in forged.verify().reason


def test_estimates_need_more_noise_for_povms():
    sampled = estimate(0.2)
    reports = {name: analyze(sampled, measurements=name, seed=1) for name in ("projective", "povm")}
    for report in reports.values():
        assert report.verdict is Verdict.LOCAL
        assert report.verify()
    noise = {name: report.statistics["absorbing_noise"] for name, report in reports.items()}
    assert noise["projective"] < noise["povm"] < 1.25 * noise["projective"]
    assert analyze(estimate(0.95), measurements="povm", seed=1).verdict is Verdict.NONLOCAL


def test_an_estimate_with_a_projective_proof_is_not_local_for_povms():
    sampled = estimate(0.2)
    piece = next(one for one in analyze(sampled, seed=1).evidence if isinstance(one, EstimatedLocality))
    proof = extend_local_models(sampled.tensor)
    if proof.is_separable:
        proof = dataclasses.replace(proof, measurements="projective")
    other = dataclasses.replace(piece, certificate=proof, measurements="povm")
    assert "not about all POVMs" in other.verify().reason
    compatible = dataclasses.replace(piece, certificate=prove_compatible(sampled.tensor), measurements="povm")
    assert compatible.radius > piece.radius
    assert compatible.verify()


@pytest.mark.parametrize("measurements", [POVMs(3), POVMs(2, 3), "povms"])
def test_unknown_measurements(measurements):
    with pytest.raises(MeasurementError, match="measurements: expected 'projective', 'povm'"):
        analyze(werner_state(0.4), measurements=measurements)
