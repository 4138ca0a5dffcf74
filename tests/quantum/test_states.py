import numpy as np
import pytest
from qiskit.quantum_info import Statevector
from qiskit_lhv import CorrelationTensor, ghz_state, werner_state
from qiskit_lhv.exceptions import MeasurementError
from qiskit_lhv.quantum import (
    bell_diagonal_state,
    graph_state,
    isotropic_state,
    mix_with_noise,
    random_state,
    w_state,
)


@pytest.mark.parametrize("visibility", [0, 0.25, 1 / 3, 1])
def test_correlations_of_werner_states_are_minus_the_visibility(visibility):
    expected = np.diag([1] + [-visibility] * 3)
    np.testing.assert_allclose(CorrelationTensor.from_state(werner_state(visibility)).array, expected, atol=1e-15)


def test_full_visibility_is_the_singlet():
    singlet = Statevector(np.array([0, 1, -1, 0]) / np.sqrt(2))
    assert werner_state(1.0).is_valid()
    assert np.vdot(singlet.data, werner_state(1.0).data @ singlet.data).real == pytest.approx(1)


def test_werner_states_are_entangled_above_one_third():
    def lowest(visibility):
        transposed = werner_state(visibility).data.reshape(2, 2, 2, 2).transpose(0, 3, 2, 1).reshape(4, 4)
        return np.linalg.eigvalsh(transposed)[0]

    assert lowest(0.32) > 0
    assert lowest(0.35) < 0


@pytest.mark.parametrize("visibility", [-0.1, 1.1, np.nan, "half", None])
def test_other_visibilities_are_refused(visibility):
    with pytest.raises(MeasurementError, match=r"^visibility: expected a number from 0 to 1"):
        werner_state(visibility)


def test_isotropic_state_of_qubits_and_qutrits():
    bell = np.array([1, 0, 0, 1]) / np.sqrt(2)
    np.testing.assert_allclose(isotropic_state(0.3).data, 0.3 * np.outer(bell, bell) + 0.7 * np.eye(4) / 4, atol=1e-15)
    qutrits = isotropic_state(0.6, 3)
    assert qutrits.dims() == (3, 3)
    assert qutrits.data[0, 8] == pytest.approx(0.2)


@pytest.mark.parametrize("correlations", [(-1, -1, -1), (0.2, -0.3, 0.1), (1, -1, 1)])
def test_bell_diagonal_state_has_its_correlations(correlations):
    tensor = CorrelationTensor.from_state(bell_diagonal_state(correlations)).array
    np.testing.assert_allclose(tensor, np.diag([1, *correlations]), atol=1e-14)


def test_bell_diagonal_corner_is_the_singlet():
    np.testing.assert_allclose(bell_diagonal_state((-1, -1, -1)).data, werner_state(1).data, atol=1e-15)


@pytest.mark.parametrize("num_qubits", [2, 3, 4])
def test_ghz_w_and_cluster_states(num_qubits):
    ghz = CorrelationTensor.from_state(ghz_state(num_qubits, 0.5)).array
    assert ghz[(1,) * num_qubits] == pytest.approx(0.5)
    assert ghz[(3, 3) + (0,) * (num_qubits - 2)] == pytest.approx(0.5)
    w = CorrelationTensor.from_state(w_state(num_qubits)).array
    assert w[(3,) + (0,) * (num_qubits - 1)] == pytest.approx(1 - 2 / num_qubits)
    chain = CorrelationTensor.from_state(
        graph_state([(k, k + 1) for k in range(num_qubits - 1)], num_qubits, 0.9)
    ).array
    # Stabilizers of a chain: X_0 Z_1 and, inside, Z X Z.
    assert chain[(1, 3) + (0,) * (num_qubits - 2)] == pytest.approx(0.9)
    if num_qubits > 2:
        assert chain[(3, 1, 3) + (0,) * (num_qubits - 3)] == pytest.approx(0.9)


def test_other_noise_than_white():
    noise = np.diag([1.0, 0, 0, 0])
    mixed = mix_with_noise(werner_state(1), 0.25, noise)
    np.testing.assert_allclose(mixed.data, 0.25 * werner_state(1).data + 0.75 * noise, atol=1e-15)
    np.testing.assert_allclose(ghz_state(2, 0.0, noise).data, noise, atol=1e-15)


def test_random_state_has_its_rank_and_seed():
    state = random_state(2, rank=2, seed=5)
    assert np.sum(np.linalg.eigvalsh(state.data) > 1e-10) == 2
    assert state == random_state(2, rank=2, seed=5)
    assert state != random_state(2, rank=2, seed=6)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: ghz_state(1), "num_qubits"),
        (lambda: w_state(2.5), "num_qubits"),
        (lambda: ghz_state(3, 1.5), "visibility"),
        (lambda: ghz_state(3, 0.5, np.eye(4) / 4), "noise"),
        (lambda: mix_with_noise(werner_state(1), 0.5, np.eye(4)), "noise"),
        (lambda: mix_with_noise(np.eye(4), 0.5), "state"),
        (lambda: isotropic_state(0.5, 1), "dimension"),
        (lambda: bell_diagonal_state((1, 1, 1)), "correlations"),
        (lambda: bell_diagonal_state((0.1, 0.2)), "correlations"),
        (lambda: bell_diagonal_state((0, 0, float("nan"))), "correlations"),
        (lambda: graph_state([(0, 0)], 2), "edges"),
        (lambda: graph_state([(0, 2)], 2), "edges"),
        (lambda: random_state(2, rank=5), "rank"),
        (lambda: random_state(0), "num_qubits"),
    ],
)
def test_bad_arguments_of_families(call, name):
    with pytest.raises(MeasurementError, match=f"^{name}: expected"):
        call()
