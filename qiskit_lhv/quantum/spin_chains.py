"""Spin chains: Hamiltonians, ground states, thermal states, and reduced states of a few spins.

Spin k is qubit k. Hamiltonians are sums of Pauli matrices (not of spin operators, which are half of them).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.quantum_info import DensityMatrix, SparsePauliOp, Statevector

from .._records import Record
from .._validation import frozen, generator, is_whole_number, positive_number
from ..exceptions import MeasurementError, SolverError

__all__ = [
    "GroundState",
    "ground_state",
    "nearest_neighbor_chain",
    "random_chain",
    "reduced_state",
    "thermal_state",
    "xxz_chain",
    "xyz_chain",
]

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

_MAX_SPINS = 24
_MAX_THERMAL = 12
_MAX_REDUCED = 10
_HERMITIAN = 1e-12
_DEGENERATE = 1e-8


def nearest_neighbor_chain(
    num_spins: int, bond: SparsePauliOp, site: SparsePauliOp | None = None, *, periodic: bool = True
) -> SparsePauliOp:
    """A chain with the same coupling of all neighbors, ``sum_i bond(i, i + 1) + sum_i site(i)``.

    Args:
        num_spins: Number of spins, at least 2.
        bond: Acts on two qubits: qubit 0 of it is spin i, qubit 1 is spin i + 1.
        site: Acts on one qubit; default: nothing.
        periodic: Whether the last spin is coupled to the first (for more than two spins).

    Returns:
        The Hamiltonian on ``num_spins`` qubits.

    Raises:
        MeasurementError: If a number of qubits does not fit or an operator is not Hermitian.
    """
    if not is_whole_number(num_spins) or num_spins < 2:
        raise MeasurementError.bad_argument("num_spins", expected="a whole number of at least 2", got=repr(num_spins))
    for name, operator, qubits in (("bond", bond, 2), ("site", site, 1)):
        if operator is None and name == "site":
            continue
        if not isinstance(operator, SparsePauliOp) or operator.num_qubits != qubits:
            raise MeasurementError.bad_argument(
                name, expected=f"a SparsePauliOp on {qubits} qubits", got=repr(operator)
            )
        _real_coefficients(operator, name)
    terms = []
    last = num_spins if periodic and num_spins > 2 else num_spins - 1
    for i in range(last):
        terms += [(label[::-1], [i, (i + 1) % num_spins], value) for label, value in bond.to_list()]
    if site is not None:
        for i in range(num_spins):
            terms += [(label, [i], value) for label, value in site.to_list()]
    return SparsePauliOp.from_sparse_list(terms, num_qubits=num_spins).simplify()


def xyz_chain(
    num_spins: int,
    couplings: Sequence[float],
    *,
    fields: Sequence[float] = (0.0, 0.0, 0.0),
    periodic: bool = True,
) -> SparsePauliOp:
    """``sum_i (J_x X X + J_y Y Y + J_z Z Z) + sum_i (h_x X + h_y Y + h_z Z)`` on a chain.

    Positive couplings are antiferromagnetic.

    Args:
        num_spins: Number of spins, at least 2.
        couplings: ``(J_x, J_y, J_z)``.
        fields: ``(h_x, h_y, h_z)``.
        periodic: Whether the chain is closed.

    Raises:
        MeasurementError: If a number is out of range.
    """
    for name, numbers in (("couplings", couplings), ("fields", fields)):
        array = np.asarray(numbers)
        if array.shape != (3,) or array.dtype.kind not in "iuf" or not np.all(np.isfinite(array)):
            raise MeasurementError.bad_argument(name, expected="three real numbers", got=repr(numbers))
    bond = SparsePauliOp(["XX", "YY", "ZZ"], np.asarray(couplings, dtype=float))
    site = SparsePauliOp(["X", "Y", "Z"], np.asarray(fields, dtype=float))
    return nearest_neighbor_chain(num_spins, bond, site, periodic=periodic)


def xxz_chain(num_spins: int, anisotropy: float, *, field: float = 0.0, periodic: bool = True) -> SparsePauliOp:
    """``sum_i (X X + Y Y + Delta Z Z) + h sum_i Z``, antiferromagnetic in the plane.

    Args:
        num_spins: Number of spins, at least 2.
        anisotropy: Delta; 1 is the Heisenberg chain, below -1 it is ferromagnetic.
        field: h.
        periodic: Whether the chain is closed.

    Raises:
        MeasurementError: If a number is out of range.

    References:
        arXiv:2407.04673 (locality of its reduced states).
    """
    return xyz_chain(num_spins, (1.0, 1.0, anisotropy), fields=(0.0, 0.0, field), periodic=periodic)


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

    Raises:
        MeasurementError: If the number of spins is below 2.
    """
    rng = generator(seed)
    pairs = [a + b for a in "XYZ" for b in "XYZ"]
    drawn = rng.normal(size=9)
    chain = nearest_neighbor_chain(num_spins, SparsePauliOp(pairs, drawn), periodic=periodic)
    if fields:
        own = rng.normal(size=3)
        chain = chain + nearest_neighbor_chain(
            num_spins, SparsePauliOp("II", 0), SparsePauliOp(["X", "Y", "Z"], own), periodic=periodic
        )
    chain = chain.simplify()
    return chain if same_bonds else SparsePauliOp(chain.paulis, rng.normal(size=len(chain)))


@dataclass(frozen=True, eq=False, repr=False)
class GroundState(Record):
    """The lowest eigenvector of a Hamiltonian."""

    energy: float
    """Lowest eigenvalue."""
    gap: float
    """Distance to the next eigenvalue found (in the same magnetization sector, if one was chosen)."""
    vector: ComplexArray
    """Amplitudes, shape ``(2 ** num_spins,)``, Qiskit's order."""
    residual: float
    """``|H v - E v|``."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "vector", frozen(np.asarray(self.vector, dtype=np.complex128)))

    @property
    def num_spins(self) -> int:
        """Number of spins."""
        return len(self.vector).bit_length() - 1

    @property
    def is_degenerate(self) -> bool:
        """Whether the next eigenvalue is the same up to rounding, so that another state has the same energy."""
        return self.gap < _DEGENERATE * max(1.0, abs(self.energy))

    def __str__(self) -> str:
        note = ", degenerate" if self.is_degenerate else ""
        return f"ground state of {self.num_spins} spins: energy {self.energy:.9g}, gap {self.gap:.4g}{note}"

    def reduced(self, spins: Sequence[int]) -> DensityMatrix:
        """The state of some spins; see :func:`reduced_state`."""
        return reduced_state(self.vector, spins)


def ground_state(
    hamiltonian: SparsePauliOp, *, magnetization: int | None = None, tolerance: float = 1e-10, seed: int | None = 0
) -> GroundState:
    """Finds the ground state by Lanczos iteration, without building the matrix.

    Where the Hamiltonian conserves the magnetization, one sector of it is searched: 22 spins then take 705432
    amplitudes instead of 4194304.

    Args:
        hamiltonian: The Hamiltonian, with real coefficients.
        magnetization: Number of spins up minus number of spins down, if it is conserved; default: 0, or 1 for an odd
            number of spins. Ignored where it is not conserved. Ground states in other sectors (with a field, or
            ferromagnetic) are found by asking for these.
        tolerance: Relative accuracy of the energy.
        seed: Seed of the start vector.

    Raises:
        MeasurementError: If the Hamiltonian is not Hermitian, the sector does not exist, or there are too many spins.
        SolverError: If the iteration does not converge.
    """
    if not isinstance(hamiltonian, SparsePauliOp):
        raise MeasurementError.bad_argument("hamiltonian", expected="a SparsePauliOp", got=type(hamiltonian).__name__)
    coefficients = _real_coefficients(hamiltonian, "hamiltonian")
    n = hamiltonian.num_qubits
    if n > _MAX_SPINS:
        raise MeasurementError.bad_argument(
            "hamiltonian", expected=f"at most {_MAX_SPINS} spins, which fit 24 GiB of memory", got=f"{n}"
        )
    basis = _sector(hamiltonian, n, magnetization)
    product = _Product(hamiltonian, coefficients, basis)
    size = len(basis)
    rng = generator(seed)
    if size <= 3:
        dense = np.stack([product(column) for column in np.eye(size, dtype=product.dtype)], axis=1)
        values, vectors = np.linalg.eigh(dense)
    else:
        from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

        operator = LinearOperator((size, size), matvec=product, dtype=product.dtype)
        start = rng.normal(size=size).astype(product.dtype)
        try:
            values, vectors = eigsh(operator, k=2, which="SA", tol=tolerance, v0=start)
        except ArpackNoConvergence as exc:
            raise SolverError(f"ground_state: the Lanczos iteration did not converge ({exc}).") from exc
        order = np.argsort(values)
        values, vectors = values[order], vectors[:, order]
    vector = vectors[:, 0]
    residual = float(np.linalg.norm(product(vector) - values[0] * vector))
    full = np.zeros(2**n, dtype=np.complex128)
    full[basis] = vector
    gap = float(values[1] - values[0]) if len(values) > 1 else math.inf
    return GroundState(float(values[0]), gap, full, residual)


def thermal_state(hamiltonian: SparsePauliOp, temperature: float) -> DensityMatrix:
    """The Gibbs state ``exp(-H / T) / Z`` of a small chain.

    Args:
        hamiltonian: The Hamiltonian, with real coefficients, of at most 12 spins.
        temperature: T, in units of the Hamiltonian's coefficients; positive.

    Raises:
        MeasurementError: If the Hamiltonian is not Hermitian or has too many spins, or T is not positive.
    """
    if not isinstance(hamiltonian, SparsePauliOp):
        raise MeasurementError.bad_argument("hamiltonian", expected="a SparsePauliOp", got=type(hamiltonian).__name__)
    _real_coefficients(hamiltonian, "hamiltonian")
    temperature = positive_number(temperature, "temperature", MeasurementError)
    if hamiltonian.num_qubits > _MAX_THERMAL:
        raise MeasurementError.bad_argument(
            "hamiltonian", expected=f"at most {_MAX_THERMAL} spins for a thermal state", got=f"{hamiltonian.num_qubits}"
        )
    values, vectors = np.linalg.eigh(hamiltonian.to_matrix())
    weights = np.exp(-(values - values.min()) / temperature)
    return DensityMatrix((vectors * (weights / weights.sum())) @ vectors.conj().T)


def reduced_state(state: Any, spins: Sequence[int]) -> DensityMatrix:
    """The state of some spins, straight from the amplitudes of all.

    Args:
        state: ``Statevector``, amplitudes of shape ``(2 ** n,)``, ``GroundState`` or ``DensityMatrix``.
        spins: The spins, at most 10, in the order of the qubits of the result: qubit 0 is ``spins[0]``.

    Raises:
        MeasurementError: If a spin does not exist or comes twice, or there are too many.
    """
    if isinstance(state, GroundState):
        state = state.vector
    matrix = state.data if isinstance(state, DensityMatrix) else None
    vector = np.asarray(state.data if isinstance(state, Statevector | DensityMatrix) else state)
    n = len(vector).bit_length() - 1
    listed = list(spins)
    if (
        not listed
        or len(set(listed)) != len(listed)
        or len(listed) > _MAX_REDUCED
        or not all(is_whole_number(k) and 0 <= k < n for k in listed)
    ):
        raise MeasurementError.bad_argument(
            "spins", expected=f"different spins below {n}, at most {_MAX_REDUCED}", got=repr(spins)
        )
    size = 2 ** len(listed)
    # Axis k of the amplitudes is qubit n - 1 - k; the first listed spin must be the least significant.
    kept = [n - 1 - k for k in reversed(listed)]
    rest = [axis for axis in range(n) if axis not in kept]
    if matrix is not None:
        tensor = matrix.reshape((2,) * (2 * n)).transpose(kept + rest + [n + a for a in kept] + [n + a for a in rest])
        return DensityMatrix(np.einsum("arbr->ab", tensor.reshape(size, 2 ** len(rest), size, 2 ** len(rest))))
    amplitudes = vector.reshape((2,) * n).transpose(kept + rest).reshape(size, -1)
    return DensityMatrix(amplitudes @ amplitudes.conj().T)


def _real_coefficients(operator: SparsePauliOp, name: str) -> FloatArray:
    values = np.asarray(operator.coeffs)
    if values.dtype.kind not in "iufc" or not np.all(np.isfinite(values)):
        raise MeasurementError.bad_argument(name, expected="numbers as coefficients", got="others")
    if np.abs(values.imag).max(initial=0.0) > _HERMITIAN:
        raise MeasurementError.bad_argument(name, expected="a Hermitian operator", got="complex coefficients")
    return np.asarray(values.real, dtype=np.float64)


def _sector(hamiltonian: SparsePauliOp, n: int, magnetization: int | None) -> NDArray[np.int64]:
    """The basis states that are searched: those of one magnetization, where it is conserved."""
    every = np.arange(2**n)
    total = SparsePauliOp.from_sparse_list([("Z", [k], 1.0) for k in range(n)], num_qubits=n)
    commutator = (hamiltonian @ total - total @ hamiltonian).simplify(atol=1e-12)
    conserved = bool(np.abs(commutator.coeffs).max(initial=0.0) < 1e-12)
    if not conserved:
        return every
    wanted = n % 2 if magnetization is None else magnetization
    if not is_whole_number(wanted) or abs(wanted) > n or (wanted - n) % 2:
        raise MeasurementError.bad_argument(
            "magnetization", expected=f"a number from {-n} to {n} in steps of 2", got=repr(magnetization)
        )
    # Outcome 0 of a qubit is spin up.
    down = np.zeros(2**n, dtype=np.int8)
    for k in range(n):
        down += ((every >> k) & 1).astype(np.int8)
    return every[n - 2 * down.astype(np.int64) == wanted]


class _Product:
    """The product of a Hamiltonian and a vector of one sector, term by term."""

    def __init__(self, hamiltonian: SparsePauliOp, coefficients: FloatArray, basis: NDArray[np.int64]) -> None:
        n = hamiltonian.num_qubits
        # Terms with the same bit flips share their target states.
        groups: dict[int, list[tuple[int, complex]]] = {}
        powers = 1 << np.arange(n)
        for z, x, phase, value in zip(
            hamiltonian.paulis.z, hamiltonian.paulis.x, hamiltonian.paulis.phase, coefficients, strict=True
        ):
            flips, signs = int(x @ powers), int(z @ powers)
            # Y = i X Z, and the product of all is stored with the phase (-i)**phase.
            factor = value * (-1j) ** int(phase) * 1j ** int(np.sum(x & z))
            groups.setdefault(flips, []).append((signs, factor))
        self.dtype: Any = np.float64
        if any(abs(factor.imag) > 1e-14 for terms in groups.values() for _, factor in terms):
            self.dtype = np.complex128
        self._moves = []
        self._diagonal = np.zeros(len(basis))
        place = np.full(1 << n, -1, dtype=np.int32)
        place[basis] = np.arange(len(basis), dtype=np.int32)
        for flips, terms in groups.items():
            weights = np.zeros(len(basis), dtype=self.dtype)
            for signs, factor in terms:
                parity = np.bitwise_count((basis & signs).astype(np.uint64)) & 1
                entry = factor if self.dtype is np.complex128 else factor.real
                weights += entry * (1 - 2.0 * parity)
            if not flips:
                self._diagonal = weights.real.copy()
                continue
            targets = place[basis ^ flips]
            moving = (targets >= 0) & (weights != 0)
            if moving.any():
                sources = np.flatnonzero(moving).astype(np.int32)
                self._moves.append((sources, targets[moving], weights[moving]))

    def __call__(self, vector: Any) -> Any:
        vector = np.asarray(vector).ravel()
        result = self._diagonal * vector
        for sources, targets, weights in self._moves:
            # Each term maps different states to different states, so no entry is added to twice.
            result[targets] += weights * vector[sources]
        return result
