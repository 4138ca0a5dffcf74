import dataclasses
import itertools
import math

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.primitives import BackendSamplerV2
from qiskit.providers.fake_provider import GenericBackendV2
from qiskit.quantum_info import DensityMatrix
from qiskit_lhv import (
    Behavior,
    BellCounts,
    BellExperiment,
    CorrelationTensor,
    LocalityReport,
    Verdict,
    analyze,
    certify_all_projective,
    estimate_tensor,
    ghz_state,
    measurement,
    werner_state,
)
from qiskit_lhv.analysis import EstimatedLocality
from qiskit_lhv.analysis.estimates import analyze_estimate
from qiskit_lhv.exceptions import CountsError, MeasurementError
from qiskit_lhv.measurements.random_effects import mutually_unbiased_bases
from qiskit_lhv.projective import ProofSearch
from qiskit_lhv.projective.settings.optimization import horodecki_settings
from qiskit_lhv.quantum import isotropic_state
from qiskit_lhv.statistics.assumptions.same_state import _parts, same_state_test
from qiskit_lhv.statistics.intervals.absorbing_noise import absorbing_noise
from qiskit_lhv.targets import estimate_from_expectations, pauli_labels


@pytest.fixture(autouse=True)
def _time_limits_in_work(counted_clock):
    with counted_clock(0.04):
        yield


def estimate(visibility, shots, seed):
    return estimate_tensor(Behavior.from_state(werner_state(visibility), "pauli").sample(shots, seed))


def circuit(num_qubits):
    made = QuantumCircuit(num_qubits)
    made.h(0)
    for k in range(num_qubits - 1):
        made.cx(k, k + 1)
    return made


@pytest.mark.slow
@pytest.mark.parametrize(("num_qubits", "shots"), [(2, 1000), (3, 400)])
def test_states_of_a_noisy_backend(num_qubits, shots):
    backend = GenericBackendV2(num_qubits=4, coupling_map=[[0, 1], [1, 2], [2, 3]], noise_info=True, seed=11)
    sampler = BackendSamplerV2(backend=backend, options={"seed_simulator": 5})
    counts = BellExperiment(circuit(num_qubits), "pauli").run(sampler, shots)
    report = analyze(estimate_tensor(counts), time_limit=8, seed=1)
    assert report.verdict is Verdict.NONLOCAL
    assert report.statistics["value_lower"] > report.statistics["local_bound"]
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
    pytest.importorskip("clarabel")
    report = analyze(estimate(0.5, shots, 1), time_limit=4, seed=1)
    assert report.verdict is verdict
    assert report.verify()
    assert bool(report.advice) is (verdict is Verdict.INCONCLUSIVE)
    if verdict is Verdict.LOCAL:
        needed = report.statistics["needed_visibility"]
        assert 1 < needed <= report.statistics["local_visibility"]


def test_states_at_the_bound_are_rarely_nonlocal():
    # Just local in a plane; where all measurements are allowed, more settings show this state to be nonlocal.
    options = {"alpha": 0.1, "time_limit": 0.3}
    states = [estimate(np.sqrt(0.5), 200, seed) for seed in range(20)]
    found = [analyze(one, measurements="xz", seed=seed, **options).verdict for seed, one in enumerate(states)]
    assert found.count(Verdict.NONLOCAL) <= 0.1 * 20
    assert Verdict.LOCAL not in found
    # All measurements have the same figures to go by, and one more inequality.
    anywhere = [analyze(one, seed=seed, **options).verdict for seed, one in enumerate(states[:5])]
    assert anywhere.count(Verdict.NONLOCAL) <= 1
    assert Verdict.LOCAL not in anywhere


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
    certificate = certify_all_projective(
        state, noise=noise, directions=6, search=ProofSearch(max_visibility=1.5), seed=1, progress=False
    )
    piece = EstimatedLocality(certificate, sampled, 0.01, same_state_test(sampled.counts))
    assert certificate.verify()
    assert piece.inside
    check = piece.verify()
    assert not check
    assert "not white" in check.reason


def test_reports_are_saved_and_tampering_is_seen(tmp_path):
    pytest.importorskip("clarabel")
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


# Counts of no single state


def crosstalk(num_qubits, share, state, shots, seed):
    """Counts in which a part of the last qubit's outcomes is set to 0 whenever qubit 0 is measured in basis X."""
    counts = Behavior.from_state(state, "pauli").sample(shots, seed)
    table = counts.array.copy()
    first = table[0]
    ones = np.take(first, 1, axis=-1)
    moved = np.random.default_rng(seed).binomial(ones, share)
    zero, one = [(..., k) for k in (0, 1)]
    first[zero] += moved
    first[one] -= moved
    assert table.sum() == counts.total_shots
    assert num_qubits == table.ndim // 2
    return BellCounts(table)


def test_counts_that_refute_one_state_give_no_verdict_on_it():
    counts = crosstalk(2, 0.35, werner_state(0.98), 4000, 1)
    estimated = estimate_tensor(counts)
    report = analyze_estimate(estimated, time_limit=4, seed=1)
    assert report.verdict is Verdict.SIGNALING
    assert report.statistics["no_signaling_p"] < 1e-50
    assert report.admits_local_model is None
    assert "depend on the basis in which others are measured" in report.advice
    assert [piece.shows for piece in report.evidence] == ["SIGNALING"]
    assert report.verify()
    # The same correlations, as expectation values, cannot be tested: the report says so.
    values = {
        label: float(estimated.tensor.array[tuple("IXYZ".index(c) for c in reversed(label))])
        for label in pauli_labels(2)
    }
    blind = analyze_estimate(estimate_from_expectations(values, 0.01), time_limit=4, seed=1)
    assert blind.verdict is Verdict.NONLOCAL
    assert any("cannot be tested" in line for line in blind.assumptions)
    # Weak crosstalk, found at a level that is asked for alone.
    weak = estimate_tensor(crosstalk(2, 0.09, werner_state(0.98), 1000, 3))
    p = same_state_test(weak.counts).p_value
    assert 1e-8 < p < 0.4
    strict = analyze_estimate(weak, signaling_level=p / 2, alpha=1e-3, time_limit=4, seed=1)
    loose = analyze_estimate(weak, signaling_level=min(0.99, 2 * p), alpha=1e-3, time_limit=4, seed=1)
    assert (strict.verdict, loose.verdict) == (Verdict.NONLOCAL, Verdict.SIGNALING)


def test_local_states_with_crosstalk_are_not_called_local():
    report = analyze_estimate(estimate_tensor(crosstalk(2, 0.1, werner_state(0.3), 100_000, 1)), time_limit=4, seed=1)
    assert report.verdict is Verdict.SIGNALING


def test_one_state_is_rarely_refuted():
    p_values = [same_state_test(estimate(0.8, 50, seed).counts).p_value for seed in range(200)]
    assert np.mean(np.array(p_values) <= 0.05) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 200)


def test_crosstalk_of_two_among_more_qubits_is_seen():
    state = ghz_state(3, 0.8)
    assert same_state_test(Behavior.from_state(state, "pauli").sample(500, 1)).p_value > 1e-3
    assert same_state_test(crosstalk(3, 0.3, state, 500, 1)).p_value < 1e-20
    parts = list(_parts(crosstalk(5, 0.3, ghz_state(5, 0.8), 20, 1)))
    assert sorted({part.scenario.num_parties for part in parts}) == [2, 3, 4]
    assert len(parts) == 25
    assert {part.total_shots for part in parts} == {20 * 3**5}


# What the evidence shows


def test_evidence_shows_the_verdict_and_forgeries_are_refuted(refused):
    report = analyze_estimate(estimate(0.95, 2000, 2), seed=1)
    (piece,) = report.evidence
    assert report.verdict is Verdict.NONLOCAL
    assert piece.shows == "NONLOCAL"
    signaling = dataclasses.replace(piece.same_state, p_value=1e-9)
    for change in (
        {"same_data": True},
        {"same_state": None},
        {"same_state": signaling},
        {"same_state": 3},
        {"alpha": math.nan},
        {"alpha": 2.0},
        {"alpha": "0.01"},
        {"tested": None},
        {"settings": None},
        {"tested": dataclasses.replace(piece.tested, tensor=werner_tensor(1.0))},
    ):
        # Some changes take the claim away, the others are refuted.
        assert refused(piece, **change) or dataclasses.replace(piece, **change).shows is None, change
    assert dataclasses.replace(piece, same_state=signaling).shows is None
    test = piece.same_state
    for change in (
        {"p_value": math.nan},
        {"p_value": 1e-30},
        {"p_value": 0.99 * test.p_value},
        {"level": 0.0},
        {"level": "a"},
        {"counts": None},
        {"seed": -1},
    ):
        assert refused(test, **change), change
    weak = analyze_estimate(estimate(0.7, 500, 1), time_limit=1, seed=1)
    assert weak.verdict is Verdict.INCONCLUSIVE
    assert {one.shows for one in weak.evidence} == {None}
    assert weak.verify()


def werner_tensor(visibility):
    return CorrelationTensor.from_state(werner_state(visibility))


def test_bad_signaling_level():
    with pytest.raises(CountsError, match="signaling_level"):
        analyze_estimate(estimate(0.5, 10, 1), signaling_level=0.0)


def test_settings_are_bound_to_the_shots_that_choose_them():
    report = analyze_estimate(estimate(0.95, 2000, 2), seed=1)
    (piece,) = report.evidence
    assert "to which the shots lead" in str(report.verify())
    # Chosen with the tested shots: as good a proof of its inequality, but not one of the chosen settings.
    chosen = horodecki_settings(CorrelationTensor.from_state(piece.tested.physical_state()))
    picked = dataclasses.replace(piece, settings=chosen)
    assert picked.violated
    assert picked.verify()

    def report_of(test):
        statistics = report.statistics | {
            "value": float(np.sum(test.settings.operator() * test.tested.tensor.array)),
            "value_lower": test.lower,
        }
        inequality = test.settings.inequality
        return dataclasses.replace(report, evidence=(test,), statistics=statistics, inequality=inequality)

    assert report_of(piece).verify()
    found = report_of(picked).verify()
    assert found.refuted
    assert "another state than that of the shots that choose them" in found.reason
    first = piece.settings
    turned = dataclasses.replace(first, settings=tuple(one * np.float64(0.96875) for one in first.settings))
    assert dataclasses.replace(piece, settings=turned).violated
    found = report_of(dataclasses.replace(piece, settings=turned)).verify()
    assert not found
    assert "other settings are found" in found.reason


def test_a_report_on_a_local_state_shows_only_what_its_evidence_does():
    pytest.importorskip("clarabel")
    report = analyze_estimate(estimate(0.3, 20_000, 1), seed=1)
    assert report.verdict is Verdict.LOCAL
    assert not {"value", "value_lower", "local_bound"} & set(report.statistics)
    assert report.verify()
    assert dataclasses.replace(report, statistics=report.statistics | {"value": 1.0}).verify().refuted


def test_edited_reports_are_refuted():
    for visibility, shots in ((0.95, 2000), (0.7, 300)):
        report = analyze_estimate(estimate(visibility, shots, 2), time_limit=1, seed=1)
        assert report.verify()
        piece = report.evidence[0]
        question = report.question
        other = analyze_estimate(estimate(visibility, shots, 3), time_limit=1, seed=1)
        swapped_halves = dataclasses.replace(piece, tested=question.halves()[0])
        for change in (
            {"alpha": 0.02},
            {"alpha": 0.02, "question": dataclasses.replace(question, alpha=0.02)},
            {"question": dataclasses.replace(question, signaling_level=0.001)},
            {"question": dataclasses.replace(question, seed=2)},
            {"question": dataclasses.replace(question, measurements="xy")},
            {"question": dataclasses.replace(question, estimate=other.question.estimate)},
            {"evidence": other.evidence},
            {"evidence": (swapped_halves,)},
            {"evidence": ()},
            {"target": "a state"},
            {"assumptions": report.assumptions[1:]},
            {"advice": "Believe it."},
            {"statistics": report.statistics | {"value": 3.0}},
            {"statistics": report.statistics | {"value_lower": 2.9}},
            {"statistics": report.statistics | {"no_signaling_p": 0.999}},
            {"admits_local_model": {True: None, False: None, None: True}[report.admits_local_model]},
        ):
            assert not dataclasses.replace(report, **change).verify(), change


# Parties that are no qubits

MUB = [measurement(basis=basis) for basis in mutually_unbiased_bases(3)]


def of_qutrits(visibility=0.8, shots=300, seed=1):
    return estimate_tensor(
        Behavior.from_state(isotropic_state(visibility, 3), [MUB, MUB]).sample(shots, seed), [MUB, MUB]
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("visibility", "shots", "verdict"),
    [(0.95, 1000, Verdict.NONLOCAL), (0.1, 100_000, Verdict.LOCAL)],
)
def test_qutrits(visibility, shots, verdict, tmp_path):
    qutrits = of_qutrits(visibility, shots)
    report = analyze(qutrits, seed=1)
    assert report.verdict is verdict
    assert report.verify()
    assert "parties of dimensions 3, 3" in str(report)
    report.save(tmp_path / "report.json")
    loaded = LocalityReport.load(tmp_path / "report.json")
    assert loaded == report
    assert loaded.verify()
    other = Verdict.LOCAL if verdict is not Verdict.LOCAL else Verdict.NONLOCAL
    assert not dataclasses.replace(report, verdict=other).verify()


def test_qutrits_at_the_bound_are_not_nonlocal():
    # Local for all projective measurements up to 5/12 (arXiv:quant-ph/0703045).
    assert analyze(of_qutrits(5 / 12, 400), seed=1).verdict is not Verdict.NONLOCAL


def test_pairs_of_qubits_that_contradict_one_state_are_signaling():
    bases = [measurement(basis=a + b) for a, b in itertools.product("XYZ", repeat=2)]
    behavior = Behavior.from_state(isotropic_state(0.8, 4), [bases, bases])
    table = np.asarray(behavior.sample(200, 1).array).copy()
    # Whenever the second party measures XX, the first one always has outcome 0.
    table[:, 0, 0] += table[:, 0, 1:].sum(axis=1)
    table[:, 0, 1:] = 0
    report = analyze(estimate_tensor(BellCounts(table), [bases, bases]), seed=1)
    assert report.verdict is Verdict.SIGNALING
    assert report.verify()


def test_one_party_has_no_question():
    counts = Behavior.from_state(DensityMatrix(np.eye(3) / 3, dims=(3,)), [MUB]).sample(100, 1)
    with pytest.raises(MeasurementError, match=r"^target: expected at least two parties, got one"):
        analyze(estimate_tensor(counts, [MUB]))


def test_planes_are_for_qubits():
    with pytest.raises(MeasurementError, match="measurements: expected 'projective' or 'povm' for parties of dimens"):
        analyze(of_qutrits(), measurements="xz")


@pytest.mark.parametrize(
    ("visibility", "shots", "verdict"), [(0.0, 10**6, Verdict.LOCAL), (0.9, 3000, Verdict.NONLOCAL)]
)
def test_qutrits_and_all_povms(visibility, shots, verdict):
    report = analyze(of_qutrits(visibility, shots), measurements="povm", seed=1)
    assert report.verdict is verdict
    assert report.target.endswith("all POVMs")
    assert report.verify()


def test_evidence_of_qubits_is_refused_for_others():
    qutrits = of_qutrits()
    report = analyze(qutrits, seed=1)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.statistics["absorbing_noise"] == absorbing_noise(qutrits, 0.01)
    qubits = analyze(estimate(0.2, 20_000, 1), seed=1)
    assert qubits.verdict is Verdict.LOCAL
    moved = dataclasses.replace(qubits.evidence[0], estimate=qutrits, same_state=report.evidence[0].same_state)
    assert moved.shows is None
    assert not dataclasses.replace(report, evidence=(moved,)).verify()
    assert not dataclasses.replace(report, verdict=Verdict.LOCAL, evidence=qubits.evidence).verify()
