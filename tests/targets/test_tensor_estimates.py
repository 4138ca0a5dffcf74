import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.primitives import StatevectorSampler
from qiskit.quantum_info import DensityMatrix, state_fidelity
from qiskit_lhv import (
    Behavior,
    BellCounts,
    BellExperiment,
    CorrelationTensor,
    TensorEstimate,
    estimate_tensor,
    ghz_state,
    werner_state,
)
from qiskit_lhv.exceptions import CountsError
from qiskit_lhv.quantum import random_state
from qiskit_lhv.targets.tensor_estimates import least_standard_error
from scipy import stats

from helpers import asymmetric_circuit, sampled_tensor


def errors_of(num_qubits, size=1e-3):
    errors = np.full((4,) * num_qubits, size)
    errors[(0,) * num_qubits] = 0
    return errors


# Estimates


def test_counts_of_a_circuit():
    counts = BellExperiment(asymmetric_circuit(), "pauli").run(StatevectorSampler(seed=3), 4000)
    estimate = estimate_tensor(counts)
    exact = CorrelationTensor.from_state(asymmetric_circuit()).array
    errors = np.abs(estimate.tensor.array - exact)
    assert np.all(errors <= 4.5 * estimate.standard_errors + 1e-12)
    # An asymmetric state: exchanging the qubits would be seen.
    assert np.abs(exact - exact.T).max() > 0.3


@pytest.mark.parametrize("settings", [[["Z", "X", "Y"], ["X", "-Y", "Z"]], [["-X", (0, 0, 1), (0, -1, 0)], "XYZ"]])
def test_settings_in_another_order(settings):
    settings = [list(party) for party in settings]
    state, shots = random_state(2, seed=3), np.random.default_rng(1).integers(50, 300, size=(3, 3))
    counts = Behavior.from_state(state, settings).sample(shots, 2)
    estimate = estimate_tensor(counts, settings)
    exact = CorrelationTensor.from_state(state).array
    assert np.all(np.abs(estimate.tensor.array - exact) <= 4.5 * estimate.standard_errors + 1e-12)
    signs = [[-1 if str(one).startswith("-") or one == (0, -1, 0) else 1 for one in party] for party in settings]
    axes = [["XYZ".index({(0, 0, 1): "Z", (0, -1, 0): "Y"}.get(one, str(one)[-1])) for one in p] for p in settings]
    for x, y in np.ndindex(3, 3):
        value = np.einsum("ab,a,b->", counts.array[x, y], [1, -1], [1, -1]) / shots[x, y] * signs[0][x] * signs[1][y]
        assert estimate.tensor.array[1 + axes[0][x], 1 + axes[1][y]] == pytest.approx(value)
    assert estimate_tensor(estimate.counts) == estimate


def test_settings_that_are_not_those_of_a_tensor():
    counts = Behavior.from_state(werner_state(0.5), "pauli").sample(10, 1)
    for wrong in ([["X", "Y", "X"], "XYZ"], [["X", "Y", (0.6, 0, 0.8)], "XYZ"], [["X", "Y", "I"], "XYZ"], "mermin"):
        with pytest.raises(CountsError, match=r"settings\[0\]: expected X, Y and Z, in any order"):
            estimate_tensor(counts, wrong if isinstance(wrong, str) else [list(party) for party in wrong])


def test_marginals_pool_all_settings_of_the_other_qubits():
    shots = np.random.default_rng(1).integers(50, 300, size=(3, 3))
    counts = Behavior.from_state(werner_state(0.5), "pauli").sample(shots, 2)
    estimate = estimate_tensor(counts)
    plus = counts.array[1, :, 0].sum() - counts.array[1, :, 1].sum()
    assert estimate.tensor.array[2, 0] == pytest.approx(plus / shots[1].sum())
    agree = np.einsum("ab,a,b->", counts.array[2, 0], [1, -1], [1, -1])
    assert estimate.tensor.array[3, 1] == pytest.approx(agree / shots[2, 0])
    assert estimate.standard_errors[0, 0] == 0


@pytest.mark.parametrize("num_qubits", [1, 2])
def test_covariance_agrees_with_simulation(num_qubits):
    state = random_state(num_qubits, seed=4)
    shots = np.full((3,) * num_qubits, 60)
    shots.flat[0] = 200
    found = np.array([sampled_tensor(state, shots, seed).tensor.array.ravel() for seed in range(700)])
    expected = sampled_tensor(state, shots * 2000, 1).covariance() * 2000
    np.testing.assert_allclose(np.cov(found.T), expected, atol=0.16 * expected.max())
    one = sampled_tensor(state, shots, 1)
    np.testing.assert_allclose(np.sqrt(np.diag(one.covariance())), one.standard_errors.ravel(), atol=1e-12)


def test_limits_hold_together():
    state = random_state(2, seed=5)
    exact = CorrelationTensor.from_state(state).array
    misses = 0
    for seed in range(200):
        estimate = sampled_tensor(state, 100, seed)
        misses += bool(np.any(np.abs(estimate.tensor.array - exact) > estimate.limits(0.2) + 1e-12))
    assert misses <= 0.2 * 200


def test_functional_is_bounded_from_below():
    state = random_state(2, seed=6)
    exact = CorrelationTensor.from_state(state).array
    coefficients = np.random.default_rng(1).normal(size=(4, 4))
    truth = float(np.sum(coefficients * exact))
    misses = 0
    for seed in range(200):
        value, allowance = sampled_tensor(state, 80, seed).functional(coefficients, 0.1)
        misses += value - allowance > truth
    assert misses <= 0.1 * 200


def test_split_parts_add_up():
    estimate = sampled_tensor(werner_state(0.7), 101, 1)
    first, second = estimate.split(0.5, seed=1)
    np.testing.assert_array_equal(first.counts.array + second.counts.array, estimate.counts.array)
    assert np.all(first.counts.num_shots == 50)


def test_no_error_is_zero_where_shots_nearly_always_agree():
    # <Z> = 0.996 and 100 shots: of 83 % of the runs all agree.
    angle = np.arccos(0.996)
    circuit = QuantumCircuit(1)
    circuit.ry(angle, 0)
    behavior = Behavior.from_state(circuit, "pauli")
    agreeing = 0
    for seed in range(60):
        estimate = estimate_tensor(behavior.sample(100, seed))
        agreeing += estimate.tensor.array[3] == 1
        assert estimate.standard_errors[3] == pytest.approx(0.06)
    assert agreeing > 40


def test_shots_that_all_agree_have_an_error():
    estimate = sampled_tensor(ghz_state(2), 100, 1)
    assert estimate.tensor.array[1, 1] == estimate.tensor.array[3, 3] == 1
    assert estimate.standard_errors[1, 1] == pytest.approx(6 / 100)
    assert estimate.standard_errors[1, 3] == pytest.approx(0.1, rel=0.05)
    np.testing.assert_allclose(np.diag(estimate.covariance()), estimate.standard_errors.ravel() ** 2)
    assert np.linalg.eigvalsh(estimate.covariance()).min() > -1e-12


@pytest.mark.parametrize("z", [0.4, 1, 2, 3, 4, 4.9])
def test_least_error_is_valid_where_all_shots_agree(z):
    # The largest deviation at which n shots all agree as rarely as the normal limit may miss.
    n = 200
    miss = (1 - z * least_standard_error(n) / 2) ** n
    assert miss <= stats.norm.sf(z)
    assert (1 - z * 2 / n / 2) ** n > stats.norm.sf(z)


# States


@pytest.mark.parametrize("state", [random_state(2, rank=1, seed=1), ghz_state(3, 0.9), random_state(1, seed=2)])
def test_nearest_state(state):
    n = DensityMatrix(state).num_qubits
    exact = TensorEstimate(CorrelationTensor.from_state(state), errors_of(n))
    np.testing.assert_allclose(exact.physical_state().data, DensityMatrix(state).data, atol=1e-10)
    noisy = sampled_tensor(state, 400, 1)
    projected = noisy.physical_state()
    assert np.linalg.eigvalsh(projected.data).min() >= -1e-12
    assert projected.trace() == pytest.approx(1)
    assert state_fidelity(projected, DensityMatrix(state)) > 0.9


def test_projection_of_smolin_gambetta_smith():
    # Eigenvalues 0.6, 0.5, -0.1: the negative part is shared by the others.
    tensor = CorrelationTensor.from_state(werner_state(0.5)).array * 1.0
    scaled = tensor * 2.4
    scaled[0, 0] = 1
    found = TensorEstimate(CorrelationTensor(scaled), errors_of(2)).physical_state()
    values = np.sort(np.linalg.eigvalsh(found.data))
    np.testing.assert_allclose(values, [0, 0, 0, 1], atol=1e-12)


# Bad input


@pytest.mark.parametrize("wrong", [0.0, -0.1, np.nan, np.inf])
def test_standard_errors_that_are_not_positive(wrong):
    errors = errors_of(2)
    errors[1, 2] = wrong
    with pytest.raises(CountsError, match=r"standard_errors.*\(1, 2\)"):
        TensorEstimate(CorrelationTensor.from_state(werner_state(0.5)), errors)


def test_standard_errors_of_another_shape():
    tensor = CorrelationTensor.from_state(werner_state(0.5))
    with pytest.raises(CountsError, match=r"standard_errors.*shape \(4, 4\)"):
        TensorEstimate(tensor, np.ones((4, 4, 4)))
    with pytest.raises(CountsError, match="0 for the trace"):
        TensorEstimate(tensor, np.ones((4, 4)))


def test_counts_of_other_settings():
    counts = Behavior.from_state(werner_state(0.5), "chsh").sample(100, 1)
    with pytest.raises(CountsError, match=r'X, Y and Z.*"pauli"'):
        estimate_tensor(counts)
    with pytest.raises(CountsError, match="two outcomes"):
        estimate_tensor(BellCounts(np.ones((3, 3, 3, 2), dtype=int)))


def test_missing_basis():
    counts = {(x, y): {"00": 5} for x in range(3) for y in range(3)}
    del counts[2, 1]
    with pytest.raises(CountsError, match=r"none for settings \(2, 1\). Measure all bases"):
        estimate_tensor(BellCounts.from_counts(counts))


def test_six_qubits_fit_in_memory():
    # Tables of all settings together would take more than a gigabyte.
    import tracemalloc

    counts = Behavior.from_state(ghz_state(6, 0.8), "pauli").sample(20, 1)
    tracemalloc.start()
    estimate = estimate_tensor(counts)
    value, allowance = estimate.functional(np.ones((4,) * 6), 0.1)
    assert tracemalloc.get_traced_memory()[1] < 1e8
    tracemalloc.stop()
    assert np.isfinite(value)
    assert allowance > 0
    assert estimate.tensor.array[(1,) * 6] == pytest.approx(0.8, abs=0.5)
