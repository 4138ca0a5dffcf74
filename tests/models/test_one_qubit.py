import numpy as np
import pytest
from qiskit.quantum_info import DensityMatrix, Statevector
from qiskit_lhv import CorrelationTensor, ghz_state
from qiskit_lhv.exceptions import LHVError, MeasurementError, ScenarioError
from qiskit_lhv.models import DirectionResponse, ResponseModel, SphericalHarmonics, kochen_specker_density


def evenly_spread(count):
    """A Fibonacci lattice on the sphere."""
    heights = 1 - (2 * np.arange(count) + 1) / count
    turns = np.pi * (1 + np.sqrt(5)) * np.arange(count)
    radii = np.sqrt(1 - heights**2)
    return np.stack([radii * np.cos(turns), radii * np.sin(turns), heights], axis=1)


def qubit(bloch):
    return CorrelationTensor(np.array([1.0, *bloch]))


BLOCHS = [(0, 0, 0), (0, 0, 1), (0.5, 0, 0), (0.48, -0.6, 0.64), (-0.1, 0.3, 0.2)]


@pytest.mark.parametrize("bloch", BLOCHS)
def test_density_is_normalized_and_gives_every_mean(bloch):
    points = evenly_spread(100_000)
    density = kochen_specker_density(qubit(bloch), points)
    assert (density >= 0).all()
    assert density.mean() * 4 * np.pi == pytest.approx(1, abs=1e-4)
    axes = np.random.default_rng(0).normal(size=(8, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    means = np.sign(axes @ points.T) @ density * 4 * np.pi / len(points)
    np.testing.assert_allclose(means, axes @ bloch, atol=2e-3)


def test_model_with_this_density_reproduces_the_state():
    points = evenly_spread(20_000)
    weights = kochen_specker_density(qubit((0.3, -0.2, 0.5)), points)
    # Harmonics of degree 1 come in the order y, z, x; long hidden variables make the responses sharp.
    model = ResponseModel(
        (1e6 * points[:, [1, 2, 0]],), DirectionResponse(SphericalHarmonics(1), 1), weights / weights.sum()
    )
    assert model.verify(qubit((0.3, -0.2, 0.5)), atol=5e-3)
    assert not model.verify(qubit((0.3, -0.2, 0.4)), atol=5e-3)


def test_states_of_qiskit_and_vectors_of_any_length_are_taken():
    density = kochen_specker_density(Statevector.from_label("+"), [[2, 0, 0], [0, 0, 3], [-1, 0, 0]])
    np.testing.assert_allclose(density, [1 / np.pi, 0, 0], atol=1e-12)
    mixed = kochen_specker_density(DensityMatrix(np.eye(2) / 2), [[1, 2, 3]])
    np.testing.assert_allclose(mixed, 1 / (4 * np.pi))


@pytest.mark.parametrize("directions", [[1, 0, 0], [[1, 0]], [[0, 0, 0]], [[np.nan, 0, 1]], "up"])
def test_directions_of_another_kind_are_refused(directions):
    with pytest.raises(ScenarioError, match=r"^directions: expected"):
        kochen_specker_density(qubit((0, 0, 1)), directions)


def test_other_states_are_refused():
    with pytest.raises(MeasurementError, match=r"^state: expected"):
        kochen_specker_density(ghz_state(2), [[0, 0, 1]])
    with pytest.raises(LHVError, match=r"^state: "):
        kochen_specker_density("up", [[0, 0, 1]])
