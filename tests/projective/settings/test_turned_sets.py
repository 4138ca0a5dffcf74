import numpy as np
import pytest
from qiskit.quantum_info import DensityMatrix, random_unitary
from qiskit_lhv import CorrelationTensor, ghz_state, werner_state
from qiskit_lhv.exceptions import MeasurementError
from qiskit_lhv.polytope import werner_inequality
from qiskit_lhv.projective import horodecki_settings
from qiskit_lhv.projective.settings.turned_sets import werner_settings


def turned(state, seed):
    return state.evolve(random_unitary(2, seed=seed).tensor(random_unitary(2, seed=seed + 1)))


@pytest.mark.parametrize("seed", range(3))
def test_turned_werner_states_reach_the_visibility_of_the_inequality(seed):
    found = werner_settings(turned(werner_state(1), seed))
    assert found.visibility <= werner_inequality().visibility + 1e-9
    assert werner_settings(turned(werner_state(0.7), seed)).violation > 0


def test_correlations_of_either_handedness_serve():
    # The other Bell states have correlations of determinant -1, too; their partial transposes, tensors only, +1.
    for signs in ((-1, -1, -1), (1, 1, -1), (1, -1, 1), (-1, 1, 1), (1, 1, 1)):
        found = werner_settings(CorrelationTensor(np.diag([1.0, *signs])))
        assert found.visibility == pytest.approx(werner_inequality().visibility, abs=1e-6)


def test_alternation_improves_settings_of_unequal_correlations():
    psi = np.array([0, 1, -1, 0]) / np.sqrt(2)
    matrix = 0.72 * np.outer(psi, psi) + 0.05 * np.diag([0, 1, 1, 0]) + 0.18 * np.eye(4) / 4
    state = DensityMatrix(matrix / np.trace(matrix))
    singular = np.linalg.svd(horodecki_settings(state).correlations.array[1:, 1:], compute_uv=False)
    plain = 3 * werner_inequality().visibility / singular.sum()
    assert werner_settings(state).visibility < plain - 1e-4


@pytest.mark.slow
def test_the_violation_is_proven():
    state = turned(werner_state(0.7), 5)
    found = werner_settings(state)
    check = found.verify(state)
    assert check, check.reason
    assert horodecki_settings(state).violation < 0
    assert not werner_settings(turned(werner_state(0.6996), 5)).verify(prove_bound=False)


def test_other_noise():
    noise = np.diag([0.3, 0.2, 0.2, 0.3])
    found = werner_settings(werner_state(1), noise)
    assert found.noise is not None
    mixed = found.mixed(found.visibility + 1e-6)
    assert mixed.violation > 0
    assert werner_settings(mixed.correlations, noise).violation > 0


def test_states_without_correlations_and_product_states():
    assert werner_settings(DensityMatrix(np.eye(4) / 4)).visibility == np.inf
    assert werner_settings(DensityMatrix.from_label("0+")).violation < 0


def test_other_than_two_qubits_are_refused():
    with pytest.raises(MeasurementError, match="two qubits"):
        werner_settings(ghz_state(3))
