import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import DensityMatrix, Statevector, random_density_matrix, random_statevector, random_unitary
from qiskit_lhv import (
    CorrelationTensor,
    LHVError,
    LocalityReport,
    Verdict,
    analyze,
    certify_all_projective,
    critical_visibility,
    ghz_state,
    optimize_settings,
    werner_state,
)
from qiskit_lhv.exceptions import MeasurementError
from qiskit_lhv.projective import SettingsSearch, horodecki_settings, prove_separable, wwzb_settings
from qiskit_lhv.projective.certificates.product_proof import product_certificate
from qiskit_lhv.quantum import isotropic_state, w_state


@pytest.fixture(autouse=True)
def _time_limits_in_work(counted_clock):
    with counted_clock(0.04):
        yield


@pytest.mark.parametrize(
    ("state", "options", "verdict"),
    [
        (werner_state(0.72), {}, Verdict.NONLOCAL),
        (werner_state(0.3), {}, Verdict.LOCAL),
        (werner_state(0.6), {}, Verdict.LOCAL),
        (werner_state(0.71), {"measurements": "xz"}, Verdict.NONLOCAL),
        (werner_state(0.695), {"measurements": "xz", "time_limit": 20}, Verdict.LOCAL),
        (ghz_state(3, 0.6), {}, Verdict.NONLOCAL),
        (ghz_state(3, 0.25), {"time_limit": 60}, Verdict.LOCAL),
        (w_state(3, 0.66), {"time_limit": 20}, Verdict.NONLOCAL),
        (Statevector.from_label("0+"), {}, Verdict.LOCAL),
    ],
)
def test_verdicts(state, options, verdict):
    pytest.importorskip("clarabel")
    report = analyze(state, seed=1, **options)
    assert report.verdict is verdict
    assert report.admits_local_model is (verdict is Verdict.LOCAL)
    check = report.verify()
    assert check, check.reason
    assert report.p_value is None
    assert report.evidence[0].verify(state)


def test_open_interval_of_visibilities():
    # Between what is proven local and what the inequality of Werner states shows.
    report = analyze(werner_state(0.695), time_limit=3, seed=1)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.admits_local_model is None
    lower = report.statistics["local_visibility"]
    upper = report.statistics["violated_visibility"]
    assert 0.9 < lower < 1 < upper < 1.01
    assert "certify_all_projective" in report.advice
    assert report.verify()


def test_circuits_and_tensors_are_states():
    bell = QuantumCircuit(2)
    bell.h(0)
    bell.cx(0, 1)
    for target in (bell, Statevector(bell), CorrelationTensor.from_state(bell)):
        report = analyze(target)
        assert report.verdict is Verdict.NONLOCAL
        assert report.inequality.bound.exact
        assert report.statistics["violation"] == pytest.approx(2 * np.sqrt(2) - 2)


@pytest.mark.parametrize("seed", range(8))
def test_random_states_never_contradict_the_exact_criteria(seed):
    pytest.importorskip("clarabel")
    state = random_density_matrix(4, rank=1 + seed % 4, seed=seed)
    report = analyze(state, time_limit=1.5, seed=seed)
    separable = np.linalg.eigvalsh(state.partial_transpose([0]).data)[0] >= 0
    violates = horodecki_settings(state).violation > 1e-6
    assert not (report.verdict is Verdict.LOCAL and violates)
    assert not (report.verdict is Verdict.NONLOCAL and separable)
    assert report.verdict is Verdict.NONLOCAL or not violates
    assert report.verdict is Verdict.LOCAL or not separable


def test_report_survives_saving(tmp_path):
    for state in (werner_state(0.72), werner_state(0.2)):
        report = analyze(state, seed=1)
        report.save(tmp_path / "report.json")
        loaded = LocalityReport.load(tmp_path / "report.json")
        assert loaded == report
        assert loaded.verify()


def test_bad_states():
    with pytest.raises(MeasurementError, match=r"2 to 6 qubits.*Reduced states"):
        analyze(Statevector.from_label("0" * 7))
    with pytest.raises(MeasurementError, match="2 to 6 qubits"):
        analyze(DensityMatrix.from_label("0"))
    with pytest.raises(MeasurementError, match="2 to 6 qubits"):
        analyze(isotropic_state(0.5, 9))
    with pytest.raises(MeasurementError, match="measurements"):
        analyze(werner_state(0.5), measurements="planar")
    with pytest.raises(LHVError, match="time_limit"):
        analyze(werner_state(0.5), time_limit=-1)


@pytest.mark.parametrize("measurements", ["projective", "xy", "xz", "yz"])
@pytest.mark.parametrize("num_qubits", [2, 3, 5])
def test_product_states_are_local(num_qubits, measurements):
    ket = np.ones(1)
    for k in range(num_qubits):
        ket = np.kron(ket, random_statevector(2, seed=10 * num_qubits + k).data)
    report = analyze(Statevector(ket), measurements=measurements, time_limit=3, seed=1)
    assert report.verdict is Verdict.LOCAL
    assert report.evidence[0].verify(Statevector(ket))


def test_no_product_certificate_for_correlated_states():
    tensor = CorrelationTensor.from_state(ghz_state(3, 1e-8))
    assert product_certificate(tensor) is None
    assert product_certificate(CorrelationTensor(np.array([1, 0, 0, 1.01]))) is None


def test_a_tensor_whose_trace_misses_1_by_rounding():
    array = CorrelationTensor.from_state(werner_state(0.6)).array.copy()
    array[0, 0] += 1e-12
    report = analyze(CorrelationTensor(array), measurements="xz", time_limit=10, seed=1)
    assert report.verdict is Verdict.LOCAL
    assert report.verify()


@pytest.mark.parametrize("measurements", [None, "", "zz", ["xz"], 3])
@pytest.mark.parametrize("function", [analyze, certify_all_projective, wwzb_settings])
def test_unknown_measurements(function, measurements):
    with pytest.raises(MeasurementError, match="measurements: expected"):
        function(werner_state(0.5), measurements=measurements)


@pytest.mark.parametrize("visibility", [0.69975, 0.70710])
def test_werner_states_below_chsh_are_nonlocal(visibility):
    state = werner_state(visibility).evolve(random_unitary(2, seed=3).tensor(random_unitary(2, seed=4)))
    assert horodecki_settings(state).violation < 0
    report = analyze(state, seed=1)
    assert report.verdict is Verdict.NONLOCAL
    assert not report.timed_out
    check = report.evidence[0].verify(state)
    assert check, check.reason


def test_what_shows_less_noise_nonlocal_shows_more():
    # One search for all states of a line from white noise, so that the verdict changes once along it.
    seen = [analyze(w_state(3, visibility), seed=1) for visibility in (0.645, 0.65)]
    assert [one.verdict for one in seen] == [Verdict.NONLOCAL] * 2
    absolute = [
        one.statistics["nonlocal_visibility"] * visibility for one, visibility in zip(seen, (0.645, 0.65), strict=True)
    ]
    assert absolute[0] == pytest.approx(absolute[1], abs=1e-9)


def with_eigenvalue(lowest):
    psi = np.array([0, 1, 1, 0]) / np.sqrt(2)
    return 0.4 * np.outer(psi, psi) + np.diag([0.6 - lowest, 0, 0, lowest])


@pytest.mark.slow
@pytest.mark.parametrize("measurements", ["projective", "xz"])
def test_a_rounding_error_that_makes_an_eigenvalue_negative(measurements):
    matrix = with_eigenvalue(-2e-9)
    for target in (DensityMatrix(matrix), CorrelationTensor(pauli_coefficients(matrix))):
        if measurements == "projective":
            report = analyze(target, measurements=measurements, time_limit=2, seed=1)
            assert report.verdict is Verdict.INCONCLUSIVE
            assert any("-2e-09" in one and "zero" in one for one in report.assumptions)
        found = optimize_settings(target, 3, measurements=measurements, search=SettingsSearch(num_starts=4), seed=1)
        assert found.violation < 1e-6
    exact = analyze(DensityMatrix(with_eigenvalue(0.0)), time_limit=2, seed=1)
    assert len(exact.assumptions) == 1


def test_an_operator_with_a_negative_eigenvalue_is_no_state():
    matrix = with_eigenvalue(-3e-8)
    for target in (DensityMatrix(matrix), CorrelationTensor(pauli_coefficients(matrix))):
        for function in (analyze, critical_visibility):
            with pytest.raises(MeasurementError, match=r"(target|state): expected a positive matrix"):
                function(target, time_limit=1)


def pauli_coefficients(matrix):
    paulis = [np.eye(2), np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.diag([1, -1])]
    # Subsystem 0 is the least significant.
    return np.array([[np.trace(matrix @ np.kron(b, a)).real for b in paulis] for a in paulis])


def test_a_limit_that_cuts_the_search_short_is_named():
    report = analyze(werner_state(0.695), time_limit=1e-3, seed=1)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.timed_out
    assert "cut the search short" in str(report)
    assert "time_limit" in report.advice
    assert not analyze(werner_state(0.72), time_limit=60, seed=1).timed_out


def test_biased_marginals_are_never_local_by_tolerance():
    psi = np.array([0, 1, 1, 0]) / np.sqrt(2)
    pure = 0.6 * np.outer(psi, psi) + 0.4 * np.diag([1.0, 0, 0, 0])
    report = analyze(DensityMatrix(pure), time_limit=2, seed=1)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "a product vector has probability zero" in report.advice
    # As much white noise as the tolerance would forgive does not make it local.
    report = analyze(DensityMatrix((1 - 1e-7) * pure + 1e-7 * np.eye(4) / 4), time_limit=2, seed=1)
    assert report.verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("noise", [0.1])
def test_biased_marginals_with_white_noise_are_local(noise):
    pytest.importorskip("clarabel")
    psi = np.array([0, 1, 1, 0]) / np.sqrt(2)
    pure = 0.5 * np.outer(psi, psi) + 0.5 * np.diag([1.0, 0, 0, 0])
    report = analyze(DensityMatrix((1 - noise) * pure + noise * np.eye(4) / 4), seed=1)
    assert report.verdict is Verdict.LOCAL
    assert report.verify()


def test_one_tolerance_for_a_qubit_and_a_qutrit():
    # On the boundary, and beyond it by what the tolerance forgives, or by more.
    psi = np.zeros(6)
    psi[[0, 3]] = 1 / np.sqrt(2)
    projector, white = np.outer(psi, psi), np.eye(6) / 6
    # The partial transpose of the projector has the eigenvalue -1/2.
    edge = 1 / 4
    for excess in (0.0, 1e-8, 1e-6):
        v = edge * (1 + excess)
        state = DensityMatrix(v * projector + (1 - v) * white, dims=(2, 3))
        separable = prove_separable(state)
        assert (separable is None) == (excess > 2e-7)
        assert separable is None or (separable.visibility < 1) == (excess > 0)
        # Entangled or not, the measurements of one party are compatible, which takes no tolerance.
        report = analyze(state)
        assert report.verdict is Verdict.LOCAL
        assert report.verify()
        assert not any("2e-07" in one for one in report.assumptions)
