import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit_lhv.exceptions import MeasurementError, ScenarioError
from qiskit_lhv.models import OddMonomials, PlanarHarmonics, SphericalHarmonics
from scipy.special import sph_harm_y

ALL = [SphericalHarmonics(5), PlanarHarmonics(5), PlanarHarmonics(3, [[0.6, 0.8, 0], [0, 0, 1]]), OddMonomials(5)]


def random_directions(count, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(count, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_harmonics_agree_with_scipy():
    directions = np.vstack([random_directions(40), [[0, 0, 1], [0, 0, -1], [1, 0, 0]]])
    polar, azimuth = np.arccos(directions[:, 2]), np.arctan2(directions[:, 1], directions[:, 0])
    columns = []
    for degree in range(1, 12, 2):
        for m in range(-degree, degree + 1):
            # SciPy's phase (-1)^m is left out of the real harmonics.
            value = (-1) ** abs(m) * sph_harm_y(degree, abs(m), polar, azimuth)
            columns.append(value.real if m == 0 else np.sqrt(2) * (value.imag if m < 0 else value.real))
    np.testing.assert_allclose(SphericalHarmonics(11).evaluate(directions), np.stack(columns, axis=1), atol=1e-13)


def test_harmonics_are_orthonormal_on_the_sphere():
    # Gauss-Legendre in z and equal steps in the azimuth integrate these products exactly.
    nodes, weights = np.polynomial.legendre.leggauss(20)
    angles = 2 * np.pi * np.arange(40) / 40
    z, azimuth = (a.ravel() for a in np.meshgrid(nodes, angles, indexing="ij"))
    radius = np.sqrt(1 - z**2)
    values = SphericalHarmonics(9).evaluate(np.stack([radius * np.cos(azimuth), radius * np.sin(azimuth), z], axis=1))
    gram = (values * np.repeat(weights, 40)[:, None] * 2 * np.pi / 40).T @ values
    np.testing.assert_allclose(gram, np.eye(55), atol=1e-12)


def test_degree_one_spans_the_bloch_vector():
    directions = random_directions(10)
    scale = np.sqrt(3 / (4 * np.pi))
    np.testing.assert_allclose(SphericalHarmonics(1).evaluate(directions), scale * directions[:, [1, 2, 0]], atol=1e-15)


@pytest.mark.parametrize("features", ALL, ids=str)
@given(seed=st.integers(0, 10**6))
@settings(max_examples=10, deadline=None)
def test_features_are_odd(features, seed):
    directions = random_directions(5, seed)
    np.testing.assert_allclose(features.evaluate(-directions), -features.evaluate(directions), atol=1e-12)
    assert features.evaluate(directions).shape == (5, features.size)


def test_planar_features_are_circular_harmonics():
    angle = np.linspace(0, 2, 7)
    plane = np.array([[0.6, 0.8, 0], [0, 0, 1]])
    values = PlanarHarmonics(3, plane).evaluate(np.stack([np.cos(angle), np.sin(angle)], axis=1) @ plane)
    expected = np.stack([np.cos(angle), np.sin(angle), np.cos(3 * angle), np.sin(3 * angle)], axis=1)
    np.testing.assert_allclose(values, expected, atol=1e-13)


def test_monomials():
    features = OddMonomials(3)
    assert features.size == 3 + 10
    x, y, z = random_directions(1)[0]
    values = dict(zip(features.exponents, features.evaluate(np.array([[x, y, z]]))[0], strict=True))
    assert values[1, 0, 0] == pytest.approx(x)
    assert values[1, 0, 2] == pytest.approx(x * z**2)
    assert values[1, 1, 1] == pytest.approx(x * y * z)


@pytest.mark.parametrize("degree", [0, 2, -1, 1.5, True, "three", None])
@pytest.mark.parametrize("kind", [SphericalHarmonics, PlanarHarmonics, OddMonomials])
def test_degrees_that_are_not_odd_are_refused(kind, degree):
    with pytest.raises(ScenarioError, match=r"^degree: expected an odd whole number"):
        kind(degree)


@pytest.mark.parametrize("plane", [[[1, 0, 0]], [[1, 0, 0], [1, 0, 0]], [[1, 0, 0], [0, 2, 0]], [[np.nan] * 3] * 2])
def test_planes_that_are_none_are_refused(plane):
    with pytest.raises(MeasurementError, match=r"^plane"):
        PlanarHarmonics(3, plane)
