import itertools

import numpy as np
import pytest
from qiskit_lhv import CorrelationTensor, ghz_state
from qiskit_lhv.measurements import random_directions
from qiskit_lhv.quantum import random_state
from qiskit_lhv.statistics.intervals.absorbing_noise import absorbing_noise, deviation_norms, noise_factor
from qiskit_lhv.targets import estimate_from_expectations, pauli_labels

from helpers import sampled_tensor


def blocks(array):
    for members in itertools.product((False, True), repeat=array.ndim):
        if any(members):
            parties = tuple(k for k, member in enumerate(members) if member)
            yield parties, array[tuple(slice(1, None) if member else 0 for member in members)]


# The local model behind the factors


@pytest.mark.parametrize("num_parties", [1, 2, 3])
def test_correlations_of_small_norm_have_the_model(num_parties):
    rng = np.random.default_rng(num_parties)
    tensor = rng.normal(size=(3,) * num_parties)
    tensor /= noise_factor(num_parties) * np.linalg.norm(tensor)
    settings = rng.normal(size=(num_parties, 3))
    settings /= np.linalg.norm(settings, axis=1, keepdims=True)
    hidden = [random_directions(200_000, seed) for seed in range(num_parties - 1)]
    # Party by party: sign(x . l) for all but the last, whose answer has expectation value x . u.
    vectors = np.broadcast_to(tensor, (200_000, *tensor.shape))
    for one in hidden:
        vectors = np.einsum("ni,ni...->n...", one, vectors)
    weights = 2.0 ** (num_parties - 1) * np.linalg.norm(vectors, axis=1)
    assert weights.mean() <= 1 + 0.01
    answers = (vectors @ settings[-1]) / np.linalg.norm(vectors, axis=1)
    for x, one in zip(settings, hidden, strict=False):
        answers = answers * np.sign(one @ x)
    assert np.abs(answers).max() <= 1 + 1e-12
    expected = tensor
    for x in settings:
        expected = np.tensordot(x, expected, axes=(0, 0))
    assert (weights * answers).mean() == pytest.approx(float(expected), abs=0.01)


def test_factor_of_two_parties_is_that_of_werner_states():
    # A tensor v * 1 has norm sqrt(3) v: the factor proves v = 1/2, Werner's own model.
    assert 1 / (noise_factor(2) * np.sqrt(3)) == pytest.approx(0.5)


# Limits of the errors


@pytest.mark.parametrize("state", [random_state(2, rank=1, seed=2), ghz_state(3, 0.7)])
def test_limits_of_norms_hold_together(state):
    exact = CorrelationTensor.from_state(state).array
    shots = np.random.default_rng(1).integers(30, 200, size=(3,) * exact.ndim)
    misses = 0
    for seed in range(200):
        estimate = sampled_tensor(state, shots, seed)
        limits = deviation_norms(estimate, 0.2)
        errors = dict(blocks(estimate.tensor.array - exact))
        misses += any(np.linalg.norm(errors[parties]) > limits[parties] for parties in limits)
    assert misses <= 0.2 * 200


def test_limits_are_not_far_from_a_gaussian_quantile():
    # White noise: the squared norm of the nine correlations of two qubits is nearly that of a chi square, over n.
    from scipy.stats import chi2

    estimate = sampled_tensor(ghz_state(2, 0.0), 500, 1)
    found = deviation_norms(estimate, 0.03)[0, 1]
    exact = np.sqrt(chi2.isf(0.01, 9) / 500)
    assert exact < found < 1.2 * exact


def test_noise_is_the_sum_over_sets_of_parties():
    estimate = sampled_tensor(ghz_state(3, 0.5), 400, 1)
    norms = deviation_norms(estimate, 0.05)
    assert set(norms) == {(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)}
    single, pair, triple = norms[0,], norms[0, 1], norms[0, 1, 2]
    assert absorbing_noise(estimate, 0.05) == pytest.approx(
        3 * single + 3 * np.sqrt(4 / 3) * pair + 4 / 3 * triple, rel=1e-6
    )
    more = sampled_tensor(ghz_state(3, 0.5), 1600, 1)
    assert absorbing_noise(more, 0.05) == pytest.approx(absorbing_noise(estimate, 0.05) / 2)
    assert absorbing_noise(estimate, 0.001) > absorbing_noise(estimate, 0.05)


def test_expectation_values_use_their_normal_limits():
    values = dict.fromkeys(pauli_labels(2), 0.1)
    estimate = estimate_from_expectations(values, 0.01)
    limit = estimate.limits(0.05)[1, 1]
    assert deviation_norms(estimate, 0.05)[0, 1] == pytest.approx(3 * limit)
    assert deviation_norms(estimate, 0.05)[1,] == pytest.approx(np.sqrt(3) * limit)
