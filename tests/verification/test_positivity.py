from fractions import Fraction

import numpy as np
import pytest
from qiskit.quantum_info import random_density_matrix
from qiskit_lhv import CorrelationTensor
from qiskit_lhv.verification.positivity import TRANSPOSED, is_positive
from qiskit_lhv.verification.rationals import rational


@pytest.mark.parametrize("seed", range(20))
def test_positivity_agrees_with_eigenvalues(seed):
    rng = np.random.default_rng(seed)
    tensor = CorrelationTensor.from_state(random_density_matrix(4, seed=seed)).array.copy()
    shifted = tensor.copy()
    # The lowest eigenvalue is moved to either side of zero by a part in 10**12.
    lowest = np.linalg.eigvalsh(random_density_matrix(4, seed=seed).data)[0]
    for sign in (1, -1):
        shifted[0, 0] = tensor[0, 0] - 4 * lowest + sign * 4e-12 * rng.uniform(0.5, 1)
        assert is_positive(rational(shifted)) is (sign > 0)


def test_singlet_lies_on_the_boundary_exactly():
    singlet = rational(np.diag([1.0, -1, -1, -1]))
    assert is_positive(singlet)
    # Its partial transpose has the eigenvalue -1/2.
    assert not is_positive(singlet * TRANSPOSED)
    assert is_positive(rational(np.diag([1.0, 0, 0, 1])))
    assert not is_positive(np.array(np.diag([Fraction(1), 0, 0, 1 + Fraction(1, 10**30)]), dtype=object))


def test_order_of_the_qubits_and_complex_entries():
    # (I + Y) / 2 on the first qubit, (I + X / 2) on the second: positive; with Y of length 1.01 not.
    first, second = np.array([1.0, 0, 1, 0]), np.array([1.0, 0.5, 0, 0])
    assert is_positive(rational(np.outer(first, second)))
    assert not is_positive(rational(np.outer(first * [1, 1, 1.01, 1], second)))
