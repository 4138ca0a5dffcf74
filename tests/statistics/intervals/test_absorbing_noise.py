import itertools

import numpy as np
import pytest
from qiskit.quantum_info import DensityMatrix
from qiskit_lhv import Behavior, CorrelationTensor, estimate_tensor, ghz_state, measurement, werner_state
from qiskit_lhv.measurements import random_directions
from qiskit_lhv.measurements.random_effects import mutually_unbiased_bases
from qiskit_lhv.quantum import isotropic_state, random_state
from qiskit_lhv.statistics.intervals.absorbing_noise import (
    absorbing_noise,
    deviation_norm,
    deviation_norms,
    noise_factor,
    separable_radius,
)
from qiskit_lhv.targets import estimate_from_expectations, pauli_labels
from qiskit_lhv.targets.state_tensors import density_matrix

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


# Parties that are no qubits

MUB = [measurement(basis=basis) for basis in mutually_unbiased_bases(3)]


@pytest.mark.parametrize(
    ("state", "settings"),
    [
        (isotropic_state(0.3, 3), [MUB, MUB]),
        (DensityMatrix(np.diag([0.9, 0.1, 0, 0, 0, 0]), dims=(2, 3)), [["X", "Y", "Z"], MUB]),
        (DensityMatrix(np.eye(27) / 27, dims=(3, 3, 3)), [MUB, MUB, MUB]),
    ],
)
def test_operators_deviate_by_less_than_the_limit(state, settings):
    exact = DensityMatrix(density_matrix(CorrelationTensor.from_state(state))).data
    behavior = Behavior.from_state(state, settings)
    norms = []
    for seed in range(12):
        estimate = estimate_tensor(behavior.sample(50, seed), settings)
        limit = deviation_norm(estimate, 0.5)
        norms.append(np.linalg.norm(density_matrix(estimate.tensor) - exact))
    # The norm varies little around its mean, which is what the limit allows and most of it.
    assert max(norms) < limit < 2.5 * np.mean(norms)
    noise = [absorbing_noise(estimate, alpha) for alpha in (0.5, 0.01)]
    assert noise[0] == pytest.approx(limit / separable_radius(state.dims()))
    assert noise[0] < noise[1]
    more = estimate_tensor(behavior.sample(200, 1), settings)
    assert absorbing_noise(more, 0.5) == pytest.approx(noise[0] / 2)


def test_white_noise_plus_a_deviation_within_the_radius_is_separable():
    # At the boundary for two qubits: the Werner state at 1/3, whose deviation has the norm 1/sqrt(12).
    assert np.linalg.norm(werner_state(1 / 3).data - np.eye(4) / 4) == pytest.approx(separable_radius((2, 2)))
    # Two parties: the partial transpose stays positive.
    rng = np.random.default_rng(1)
    for d1, d2 in ((2, 3), (3, 3), (2, 4)):
        size = d1 * d2
        for _ in range(20):
            unitary, _ = np.linalg.qr(rng.normal(size=(size, size)) + 1j * rng.normal(size=(size, size)))
            # Those of low rank are the worst.
            values = np.zeros(size)
            values[: rng.integers(1, size)] = rng.normal()
            deviation = (unitary * values) @ unitary.conj().T
            deviation -= np.eye(size) * np.trace(deviation) / size
            matrix = np.eye(size) / size + deviation * separable_radius((d1, d2)) / np.linalg.norm(deviation)
            assert np.linalg.eigvalsh(matrix).min() > -1e-12
            turned = matrix.reshape(d2, d1, d2, d1).swapaxes(1, 3).reshape(size, size)
            assert np.linalg.eigvalsh(turned).min() > -1e-12
    assert separable_radius((3, 3, 3)) == pytest.approx(2**-0.5 / 27)
