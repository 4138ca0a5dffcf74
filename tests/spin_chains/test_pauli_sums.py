import math

import numpy as np
import pytest
from qiskit.quantum_info import (
    SparsePauliOp,
    Statevector,
    random_statevector,
)
from qiskit_lhv.exceptions import MeasurementError
from qiskit_lhv.spin_chains import (
    evolve,
    ground_state,
    nearest_neighbor_chain,
    random_chain,
    thermal_state,
    xxz_chain,
    xyz_chain,
)
from qiskit_lhv.spin_chains.pauli_sums import PauliTerms, checked_hamiltonian, sector_basis, sector_matrix

from helpers import random_pauli_sum

# Products of Pauli strings and vectors


@pytest.mark.parametrize("num_spins", [1, 4, 7, 9])
@pytest.mark.parametrize("seed", range(3))
def test_products_agree_with_the_matrix(num_spins, seed):
    hamiltonian = random_pauli_sum(num_spins, seed)
    if num_spins > 1:
        # Bonds inside windows of spins, the bond that closes the ring, distant pairs and long strings: four ways.
        hamiltonian += random_chain(num_spins, seed=seed)
        hamiltonian += SparsePauliOp.from_sparse_list([("XZY", [0, num_spins - 1, 1], 0.6)], num_qubits=num_spins)
    matrix = hamiltonian.to_matrix()
    terms = PauliTerms(checked_hamiltonian(hamiltonian))
    vector = random_statevector(2**num_spins, seed=seed).data
    np.testing.assert_allclose(terms.to_operator()(vector), matrix @ vector, atol=1e-12)
    columns = np.random.default_rng(seed).normal(size=(2**num_spins, 3))
    np.testing.assert_allclose(terms.to_operator()(columns), matrix @ columns, atol=1e-12)
    np.testing.assert_allclose(sector_matrix(terms, np.arange(2**num_spins)).toarray(), matrix, atol=1e-12)
    norm = np.linalg.norm(matrix, 2)
    assert norm <= terms.radius


def test_real_hamiltonians_stay_real():
    real = PauliTerms(checked_hamiltonian(xyz_chain(4, (1.0, 0.5, 0.2), fields=(0.1, 0.0, 0.3))))
    assert real.to_operator()(np.ones(16)).dtype == np.float64
    assert PauliTerms(checked_hamiltonian(xyz_chain(4, (1.0, 0.5, 0.2), fields=(0, 1, 0)))).dtype == np.complex128
    # Two Y in a string are real together.
    assert PauliTerms(checked_hamiltonian(SparsePauliOp("YZY"))).dtype == np.float64


@pytest.mark.parametrize(
    ("hamiltonian", "conserved"),
    [
        (xxz_chain(4, -0.3, field=0.7), True),
        (xyz_chain(4, (1.0, 1.0, 0.5), fields=(1e-6, 0, 0)), False),
        (xyz_chain(4, (1.0, 0.9, 0.5)), False),
        # The Dzyaloshinskii-Moriya interaction XY - YX along z conserves it, XY + YX does not.
        (nearest_neighbor_chain(4, SparsePauliOp(["XY", "YX", "ZZ"], [0.4, -0.4, 1.0])), True),
        (nearest_neighbor_chain(4, SparsePauliOp(["XY", "YX"], [0.4, 0.4])), False),
        (SparsePauliOp(["ZIXX", "ZIYY", "IZXX", "IZYY"], [1.0, 1.0, -2.0, -2.0]), True),
        (SparsePauliOp(["ZIXX", "ZIYY", "IZXX", "IZYY"], [1.0, 1.0, -2.0, 2.0]), False),
        (SparsePauliOp(["ZZII", "IIIZ"], [1.0, -3.0]), True),
    ],
)
def test_conservation_of_the_magnetization(hamiltonian, conserved):
    total = SparsePauliOp.from_sparse_list([("Z", [k], 1.0) for k in range(4)], num_qubits=4)
    commutator = (hamiltonian @ total - total @ hamiltonian).to_matrix()
    assert (np.abs(commutator).max() < 1e-12) == conserved
    assert PauliTerms(checked_hamiltonian(hamiltonian)).conserves_magnetization == conserved


def test_sectors_hold_all_eigenvalues():
    # Fields that differ from spin to spin: no other symmetry helps.
    chain = xxz_chain(5, 0.4) + SparsePauliOp.from_sparse_list([("Z", [k], 0.3 * k) for k in range(5)], num_qubits=5)
    terms = PauliTerms(checked_hamiltonian(chain))
    assert list(sector_basis(5, 3)) == [1, 2, 4, 8, 16]  # one spin down
    parts = [np.linalg.eigvalsh(sector_matrix(terms, sector_basis(5, m)).toarray()) for m in range(-5, 6, 2)]
    np.testing.assert_allclose(np.sort(np.concatenate(parts)), np.linalg.eigvalsh(chain.to_matrix()), atol=1e-10)


@pytest.mark.parametrize(
    "function",
    [ground_state, lambda h: thermal_state(h, 1.0), lambda h: evolve(Statevector.from_label("00"), h, 1.0)],
)
def test_not_hermitian(function):
    with pytest.raises(MeasurementError, match=r"hamiltonian.*Hermitian"):
        function(SparsePauliOp(["XX", "ZZ"], [1.0, 1.0j]))
    with pytest.raises(MeasurementError, match=r"hamiltonian.*finite"):
        function(SparsePauliOp(["XX", "ZZ"], [1.0, math.nan]))
    with pytest.raises(MeasurementError, match="SparsePauliOp"):
        function(np.eye(4))
    # Imaginary parts that cancel do no harm.
    function(SparsePauliOp(["XX", "ZZ", "ZZ"], [1.0, 1.0j, -1.0j]))


def test_a_hamiltonian_on_no_qubit():
    with pytest.raises(MeasurementError, match="hamiltonian: expected an operator on qubits"):
        ground_state(SparsePauliOp([""], [1.0]))
