import dataclasses

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.primitives import BackendSamplerV2
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit_lhv import (
    Behavior,
    BellExperiment,
    CorrelationTensor,
    CountsError,
    EstimatedLocality,
    LocalityReport,
    Verdict,
    analyze,
    certify_all_projective,
    estimate_from_expectations,
    estimate_tensor,
    pauli_labels,
    werner_state,
)


def estimate(visibility, shots, seed):
    return estimate_tensor(Behavior.from_state(werner_state(visibility), "pauli").sample(shots, seed))


def circuit(num_qubits):
    made = QuantumCircuit(num_qubits)
    made.h(0)
    for k in range(num_qubits - 1):
        made.cx(k, k + 1)
    return made


@pytest.mark.parametrize(("num_qubits", "shots"), [(2, 1000), (3, 400)])
def test_states_of_a_noisy_backend(num_qubits, shots):
    backend = GenericBackendV2(num_qubits=4, coupling_map=[[0, 1], [1, 2], [2, 3]], noise_info=True, seed=11)
    sampler = BackendSamplerV2(backend=backend, options={"seed_simulator": 5})
    counts = BellExperiment(circuit(num_qubits), "pauli").run(sampler, shots)
    report = analyze(estimate_tensor(counts), time_limit=8, seed=1)
    assert report.verdict is Verdict.NONLOCAL
    assert report.statistics["value: lower limit"] > report.statistics["local bound"]
    check = report.verify()
    assert check, check.reason


@pytest.mark.parametrize("num_qubits", [2, 3])
def test_states_of_a_fake_device(num_qubits):
    provider = pytest.importorskip("qiskit_ibm_runtime.fake_provider")
    backend = provider.FakeManilaV2()
    sampler = BackendSamplerV2(backend=backend, options={"seed_simulator": 7})
    counts = BellExperiment(circuit(num_qubits), "pauli").run(sampler, 3000 // num_qubits)
    report = analyze(estimate_tensor(counts), time_limit=6, seed=1)
    assert report.verdict is Verdict.NONLOCAL
    assert report.verify()


@pytest.mark.parametrize(("shots", "verdict"), [(20_000, Verdict.LOCAL), (300, Verdict.INCONCLUSIVE)])
def test_local_states(shots, verdict):
    pytest.importorskip("cvxpy")
    report = analyze(estimate(0.5, shots, 1), time_limit=4, seed=1)
    assert report.verdict is verdict
    assert report.verify()
    assert bool(report.advice) is (verdict is Verdict.INCONCLUSIVE)
    if verdict is Verdict.LOCAL:
        needed = report.statistics["needed for all correlations within the errors"]
        assert 1 < needed <= report.statistics["proven local up to visibility (white noise)"]


def test_states_at_the_bound_are_rarely_nonlocal():
    found = [
        analyze(estimate(np.sqrt(0.5), 200, seed), alpha=0.1, time_limit=0.3, seed=seed).verdict for seed in range(20)
    ]
    assert found.count(Verdict.NONLOCAL) <= 0.1 * 20
    assert Verdict.LOCAL not in found


def test_expectation_values():
    tensor = CorrelationTensor.from_state(circuit(2)).array
    values = {label: 0.95 * tensor[tuple("IXYZ".index(c) for c in reversed(label))] for label in pauli_labels(2)}
    report = analyze(estimate_from_expectations(values, 0.02), time_limit=4, seed=1)
    assert report.verdict is Verdict.NONLOCAL
    assert any("normal" in line for line in report.assumptions)
    coarse = analyze(estimate_from_expectations(values, 0.2), time_limit=2, seed=1)
    assert coarse.verdict is Verdict.INCONCLUSIVE


def test_proofs_in_other_noise_are_refused():
    # Noise that is itself far inside the local set, but not white: what it absorbs says nothing of the errors.
    noise = np.diag([0.3, 0.2, 0.2, 0.3])
    sampled = estimate(0.3, 100_000, 1)
    state = sampled.tensor
    certificate = certify_all_projective(state, noise=noise, num_settings=6, max_visibility=1.5, seed=1, progress=False)
    piece = EstimatedLocality(certificate, sampled, 0.01)
    assert certificate.verify()
    assert piece.inside
    check = piece.verify()
    assert not check
    assert "not white" in check.reason


def test_reports_are_saved_and_tampering_is_seen(tmp_path):
    pytest.importorskip("cvxpy")
    report = analyze(estimate(0.5, 20_000, 1), time_limit=4, seed=1)
    report.save(tmp_path / "report.npz")
    loaded = LocalityReport.load(tmp_path / "report.npz")
    assert loaded == report
    piece = report.evidence[0]
    assert isinstance(piece, EstimatedLocality)
    assert not dataclasses.replace(piece, estimate=estimate(0.5, 20_000, 2)).verify()
    nonlocal_report = analyze(estimate(0.95, 2000, 1), seed=1)
    test = nonlocal_report.evidence[0]
    assert test.violated
    longer = dataclasses.replace(test.settings, settings=tuple(1.01 * one for one in test.settings.settings))
    assert not dataclasses.replace(test, settings=longer).verify()


def test_bad_alpha():
    with pytest.raises(CountsError, match="alpha"):
        analyze(estimate(0.5, 10, 1), alpha=1.5)
