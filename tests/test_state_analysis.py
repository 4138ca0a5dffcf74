import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.quantum_info import DensityMatrix, Statevector, random_density_matrix, random_statevector
from qiskit_lhv import (
    CorrelationTensor,
    LHVError,
    LocalityReport,
    MeasurementError,
    Verdict,
    analyze,
    certify_all_projective,
    ghz_state,
    horodecki_settings,
    isotropic_state,
    w_state,
    werner_state,
    wwzb_settings,
)
from qiskit_lhv.polytope.product_certificates import product_certificate


@pytest.fixture(autouse=True, scope="module")
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
        (ghz_state(3, 0.25), {"time_limit": 20}, Verdict.LOCAL),
        (w_state(3, 0.66), {"time_limit": 20}, Verdict.NONLOCAL),
        (Statevector.from_label("0+"), {}, Verdict.LOCAL),
    ],
)
def test_verdicts(state, options, verdict):
    pytest.importorskip("cvxpy")
    report = analyze(state, seed=1, **options)
    assert report.verdict is verdict
    assert report.admits_local_model is (verdict is Verdict.LOCAL)
    check = report.verify()
    assert check, check.reason
    assert report.p_value is None
    assert report.evidence[0].verify(state)


def test_open_interval_of_visibilities():
    # Between what is proven local and 1 / sqrt(2), three settings a party show nothing.
    report = analyze(werner_state(0.704), time_limit=3, seed=1)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.admits_local_model is None
    lower = report.statistics["proven local up to visibility (white noise)"]
    upper = report.statistics["violation found above visibility"]
    assert 0.9 < lower < 1 < upper < 1.01
    assert "time_limit" in report.advice
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


@pytest.mark.parametrize("seed", range(12))
def test_random_states_never_contradict_the_exact_criteria(seed):
    pytest.importorskip("cvxpy")
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
        analyze(isotropic_state(0.5, 3))
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


@pytest.mark.parametrize("measurements", [None, "", "zx", ["xz"], 3])
@pytest.mark.parametrize("function", [analyze, certify_all_projective, wwzb_settings])
def test_unknown_measurements(function, measurements):
    with pytest.raises(MeasurementError, match="measurements: expected"):
        function(werner_state(0.5), measurements=measurements)
