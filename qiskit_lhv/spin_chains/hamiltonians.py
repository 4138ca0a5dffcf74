"""Hamiltonians of spin chains.

Spin k is qubit k, and outcome 0, the eigenvalue +1 of Z, is spin up. Hamiltonians are sums of Pauli matrices, not of
spin operators: with ``S = sigma / 2`` a coupling ``J S.S`` is ``J / 4`` here. Positive couplings are antiferromagnetic.
"""

from __future__ import annotations

from collections.abc import Sequence

from qiskit.quantum_info import SparseObservable, SparsePauliOp

from .._support.validation import generator, real_array, whole_number
from ..exceptions import MeasurementError
from .pauli_sums import pauli_sum, real_coefficients

__all__ = ["nearest_neighbor_chain", "random_chain", "xxz_chain", "xyz_chain"]


def nearest_neighbor_chain(
    num_spins: int,
    bond: SparsePauliOp | SparseObservable,
    site: SparsePauliOp | SparseObservable | None = None,
    *,
    periodic: bool = True,
) -> SparsePauliOp:
    """A chain with the same coupling of all neighbors, ``sum_i bond(i, i + 1) + sum_i site(i)``.

    Args:
        num_spins: Number of spins, at least 2.
        bond: The operator on two neighbors: its qubit 0 is spin i, its qubit 1 is spin i + 1.
        site: The operator on each spin, of one qubit; default: none.
        periodic: Whether the last spin is coupled to the first (for more than two spins).

    Returns:
        The Hamiltonian on ``num_spins`` qubits.

    Raises:
        MeasurementError: If a number of qubits does not fit or an operator is not Hermitian.

    Examples:
        >>> from qiskit.quantum_info import SparsePauliOp
        >>> nearest_neighbor_chain(3, SparsePauliOp("XZ"), periodic=False).paulis.to_labels()
        ['IXZ', 'XZI']
    """
    num_spins = whole_number(num_spins, "num_spins", MeasurementError, minimum=2)
    for name, operator, qubits in (("bond", bond, 2), ("site", site, 1)):
        if operator is None and name == "site":
            continue
        if getattr(operator, "num_qubits", None) != qubits:
            raise MeasurementError.bad_argument(
                name, expected=f"a SparsePauliOp or SparseObservable on {qubits} qubits", got=repr(operator)
            )
        real_coefficients(pauli_sum(operator, name), name)
    bond = pauli_sum(bond, "bond")
    terms = []
    last = num_spins if periodic and num_spins > 2 else num_spins - 1
    for i in range(last):
        # A label's rightmost character is qubit 0.
        terms += [(label[::-1], [i, (i + 1) % num_spins], value) for label, value in bond.to_list()]
    if site is not None:
        site = pauli_sum(site, "site")
        for i in range(num_spins):
            terms += [(label, [i], value) for label, value in site.to_list()]
    return SparsePauliOp.from_sparse_list(terms, num_qubits=num_spins).simplify(atol=0.0)


def xyz_chain(
    num_spins: int,
    couplings: Sequence[float],
    *,
    fields: Sequence[float] = (0.0, 0.0, 0.0),
    periodic: bool = True,
) -> SparsePauliOp:
    """``sum_i (J_x X X + J_y Y Y + J_z Z Z) + sum_i (h_x X + h_y Y + h_z Z)`` on a chain.

    Positive couplings are antiferromagnetic. A positive field ``h_z`` favors spin down.

    Args:
        num_spins: Number of spins, at least 2.
        couplings: ``(J_x, J_y, J_z)``.
        fields: ``(h_x, h_y, h_z)``.
        periodic: Whether the chain is closed.

    Returns:
        The Hamiltonian on ``num_spins`` qubits.

    Raises:
        MeasurementError: If a number is out of range.

    References:
        R. J. Baxter, Phys. Rev. Lett. 26, 834 (1971) (the exact solution without a field).

    Examples:
        >>> chain = xyz_chain(2, (1.0, 0.0, 0.5), fields=(0.0, 0.0, -2.0))
        >>> sorted((label, float(value.real)) for label, value in chain.to_list())
        [('IZ', -2.0), ('XX', 1.0), ('ZI', -2.0), ('ZZ', 0.5)]
    """
    checked = []
    for name, numbers in (("couplings", couplings), ("fields", fields)):
        array = real_array(numbers, name, MeasurementError, ndim=1)
        if array.shape != (3,):
            raise MeasurementError.bad_argument(name, expected="three real numbers", got=repr(numbers))
        checked.append(array)
    bond, site = SparsePauliOp(["XX", "YY", "ZZ"], checked[0]), SparsePauliOp(["X", "Y", "Z"], checked[1])
    return nearest_neighbor_chain(num_spins, bond, site, periodic=periodic)


def xxz_chain(num_spins: int, anisotropy: float, *, field: float = 0.0, periodic: bool = True) -> SparsePauliOp:
    """``sum_i (X X + Y Y + Delta Z Z) + h sum_i Z``, antiferromagnetic in the plane.

    Args:
        num_spins: Number of spins, at least 2.
        anisotropy: Delta. Without a field the chain is ferromagnetic below -1 (all spins along one direction of z),
            critical from -1 to 1, and antiferromagnetic along z above 1, the isotropic (Heisenberg) point.
        field: h; a positive one favors spin down.
        periodic: Whether the chain is closed.

    Returns:
        The Hamiltonian on ``num_spins`` qubits.

    Raises:
        MeasurementError: If a number is out of range.

    References:
        C. N. Yang, C. P. Yang, Phys. Rev. 150, 321 (1966) (ground states); N. von Selzam, F. Marquardt,
        arXiv:2407.04673 (locality of the reduced states).

    Examples:
        >>> sorted((label, float(value.real)) for label, value in xxz_chain(2, 0.5).to_list())
        [('XX', 1.0), ('YY', 1.0), ('ZZ', 0.5)]
    """
    delta = float(real_array(anisotropy, "anisotropy", MeasurementError, ndim=0))
    strength = float(real_array(field, "field", MeasurementError, ndim=0))
    return xyz_chain(num_spins, (1.0, 1.0, delta), fields=(0.0, 0.0, strength), periodic=periodic)


def random_chain(
    num_spins: int, *, same_bonds: bool = False, fields: bool = True, periodic: bool = True, seed: int | None = None
) -> SparsePauliOp:
    """A chain whose neighbors are coupled by random Pauli terms, with normal coefficients of variance 1.

    Args:
        num_spins: Number of spins, at least 2.
        same_bonds: Whether all bonds (and fields) are the same, as in a translation-invariant chain.
        fields: Whether there are random fields on the spins.
        periodic: Whether the chain is closed.
        seed: Seed, or ``None``.

    Returns:
        The Hamiltonian on ``num_spins`` qubits.

    Raises:
        MeasurementError: If the number of spins is below 2.

    Examples:
        >>> from qiskit_lhv.spin_chains import ground_state
        >>> chain = random_chain(6, seed=1)
        >>> len(chain), chain.num_qubits  # 6 bonds with 9 terms each, and 3 components of 6 fields
        (72, 6)
        >>> print(ground_state(chain))
        ground state of 6 spins: energy -16.720628, gap 2.429
    """
    rng = generator(seed)
    bond = SparsePauliOp([a + b for a in "XYZ" for b in "XYZ"], rng.normal(size=9))
    site = SparsePauliOp(["X", "Y", "Z"], rng.normal(size=3)) if fields else None
    chain = nearest_neighbor_chain(num_spins, bond, site, periodic=periodic)
    return chain if same_bonds else SparsePauliOp(chain.paulis, rng.normal(size=len(chain)))
