import numpy as np
import pytest
from qiskit.quantum_info import DensityMatrix, Statevector, random_density_matrix, random_unitary
from qiskit_lhv import CorrelationTensor, chsh, optimize_settings, werner_state
from qiskit_lhv._support.deadlines import NO_LIMIT
from qiskit_lhv.measurements import AllProjective
from qiskit_lhv.polytope import elegant, i3322
from qiskit_lhv.projective import SettingsSearch
from qiskit_lhv.projective.settings.search import Search
from scipy.optimize import minimize


@pytest.mark.slow
def test_gradients_reach_what_the_ascent_does():
    found = optimize_settings(
        werner_state(1), expression=i3322(), search=SettingsSearch(method="gradient", num_starts=6), seed=1
    )
    assert found.value == pytest.approx(0.25, abs=1e-8)
    assert found.num_starts == 6
    assert found.num_successes >= 3
    assert found.verify(werner_state(1))


@pytest.mark.slow
def test_gradients_find_the_visibility_in_other_noise():
    # The ascent gets there by another way, through mixtures at one visibility after the other.
    state = Statevector([np.cos(0.5), 0, 0, np.sin(0.5)])
    noise = DensityMatrix.from_label("0+")
    known = optimize_settings(state, expression=chsh(), noise=noise, seed=1)
    found = optimize_settings(
        state, expression=chsh(), noise=noise, search=SettingsSearch(method="gradient", num_starts=8), seed=1
    )
    assert found.visibility == pytest.approx(known.visibility, abs=1e-6)


def test_gradients_stay_in_a_coordinate_plane():
    found = optimize_settings(
        werner_state(1),
        expression=chsh(),
        search=SettingsSearch(method="gradient", num_starts=6),
        measurements="yz",
        seed=1,
    )
    assert found.value == pytest.approx(2 * np.sqrt(2))
    assert all(np.all(one[:, 0] == 0) for one in found.settings)


@pytest.mark.slow
def test_one_plane_a_party():
    # The elegant expression needs three dimensions; in a plane, B answers with the direction of a sum of A's vectors.
    def negative(angles):
        vectors = np.stack([np.cos([0, *angles]), np.sin([0, *angles])], axis=1)
        signs = np.array([[1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]])
        return -np.linalg.norm(signs.T @ vectors, axis=1).sum()

    rng = np.random.default_rng(1)
    known = -min(minimize(negative, rng.uniform(0, 6, 2), method="Nelder-Mead").fun for _ in range(10))
    # Turned qubits: no coordinate plane will do.
    turned = (
        DensityMatrix(werner_state(1)).evolve(random_unitary(2, seed=3), [0]).evolve(random_unitary(2, seed=4), [1])
    )
    found = optimize_settings(turned, expression=elegant(), search=SettingsSearch(num_starts=4, coplanar=True), seed=1)
    assert found.value == pytest.approx(known, abs=1e-6)
    assert found.value < 4 * np.sqrt(3) - 0.1
    assert all(lies_in_a_plane(one) for one in found.settings)
    assert found.verify(turned)


def test_planar_starts_are_planar():
    # The best settings of I3322, and those filled up with random ones, would not be.
    tensor = CorrelationTensor.from_state(random_density_matrix(4, seed=5))
    search = Search(tensor, None, AllProjective(), True, True, np.random.default_rng(1), NO_LIMIT)
    starts = list(search.starts((3, 4), 2))
    assert len(starts) >= 6
    assert all(lies_in_a_plane(one) for vectors in starts for one in vectors)


@pytest.mark.slow
def test_one_plane_a_party_for_the_polytope():
    ket = np.array([2, 0, 0, 1]) / np.sqrt(5)
    hidden = DensityMatrix(0.85 * np.outer(ket, ket) + 0.15 * np.diag([0, 1, 0, 0]))
    tilted = hidden.evolve(random_unitary(2, seed=3), [0])
    found = optimize_settings(tilted, (3, 3), search=SettingsSearch(num_starts=1, coplanar=True), seed=1)
    assert found.visibility <= 1 + 1e-6
    assert all(lies_in_a_plane(one) for one in found.settings)


def lies_in_a_plane(vectors):
    return np.linalg.svd(vectors, compute_uv=False)[2] < 1e-9
