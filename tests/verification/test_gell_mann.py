import numpy as np
import pytest
from qiskit.quantum_info import random_unitary
from qiskit_lhv.measurements import POVMs
from qiskit_lhv.targets.operator_basis import hermitian_basis
from qiskit_lhv.verification.gell_mann import (
    BASIS_ERROR,
    coordinates_of_bases,
    coordinates_of_effects,
    coordinates_of_vector,
    is_positive_operator,
    operator_of,
    transposed_signs,
)
from qiskit_lhv.verification.rationals import rational


@pytest.mark.parametrize("dimension", [2, 3, 4])
def test_projectors_of_bases_are_exact(dimension):
    bases = np.stack([random_unitary(dimension, seed=seed).data for seed in range(2)])
    # Only the directions of the columns count, and each is made orthogonal to those before it.
    skewed = bases.copy()
    skewed[:, :, 1] = 3 * bases[:, :, 1] + 0.5 * bases[:, :, 0]
    coordinates = coordinates_of_bases(skewed)
    projectors = np.einsum("xai,ijk->xajk", coordinates.astype(float), hermitian_basis(dimension))
    expected = np.einsum("xja,xka->xajk", bases, bases.conj())
    assert np.abs(projectors - expected).max() < 1e-14
    assert all(value == 0 for value in coordinates[:, :, 1:].sum(axis=1).ravel() if abs(value) > 2.0**-95)


def test_columns_that_depend_on_each_other_are_no_basis():
    with pytest.raises(ValueError, match="dependent"):
        coordinates_of_bases(np.ones((1, 3, 3)))


@pytest.mark.parametrize("dimension", [2, 3, 4])
def test_effects_become_exact_povms(dimension):
    effects = POVMs(dimension, dimension + 1).draw(np.random.default_rng(1), 2)
    rounded = np.rint(effects * 2.0**36) / 2.0**36
    assert np.linalg.eigvalsh(rounded).min() < 0
    coordinates = coordinates_of_effects(rounded)
    back = np.einsum("xai,ijk->xajk", coordinates.astype(float), hermitian_basis(dimension))
    assert np.abs(back - effects).max() < 2.0**-29
    assert np.linalg.eigvalsh(back).min() > 0
    identity = np.eye(dimension**2, dtype=int)[0]
    assert np.all(np.abs(coordinates.sum(axis=1) - identity) < BASIS_ERROR)


def test_what_rounding_does_not_explain_is_no_povm():
    effects = np.array([[[[1, 0], [0, 0.5]], [[0, 0], [0, 0.5]]]], dtype=complex)
    assert coordinates_of_effects(effects).shape == (1, 2, 4)
    effects[0, 0, 1, 1] += 0.5 + 1e-8
    effects[0, 1, 1, 1] -= 0.5 + 1e-8
    with pytest.raises(ValueError, match="effect 1 of measurement 0"):
        coordinates_of_effects(effects)


def test_correlations_of_a_vector():
    vector = random_unitary(3, seed=1).data[:, 0]
    expected = np.einsum("a,iab,b->i", vector.conj(), hermitian_basis(3), vector).real
    assert np.allclose(np.array(coordinates_of_vector(5 * vector), dtype=float), expected, atol=1e-14)


def test_operators_have_the_order_of_the_parties():
    coefficients = np.random.default_rng(1).normal(size=(4, 9))
    real, imaginary = operator_of(rational(coefficients))
    matrix = np.array(real, dtype=float) + 1j * np.array(imaginary, dtype=float)
    basis = hermitian_basis(2), hermitian_basis(3)
    assert np.allclose(matrix, np.einsum("ij,iab,jcd->acbd", coefficients, *basis).reshape(6, 6), atol=1e-14)
    lowest = np.linalg.eigvalsh(matrix)[0]
    for excess in (1e-13, -1e-13):
        coefficients[0, 0] += excess - lowest
        assert is_positive_operator(rational(coefficients)) == (excess > 0)
        lowest = excess
    # Zero is not surely zero where square roots are rounded.
    assert not is_positive_operator(rational(np.zeros((4, 9))))


@pytest.mark.parametrize("dimension", [2, 3, 4])
def test_signs_of_the_transpose(dimension):
    basis = hermitian_basis(dimension)
    assert np.array_equal(basis.transpose(0, 2, 1), basis * transposed_signs(dimension)[:, None, None])
