"""Ground states of spin chains, with all states of a degenerate level."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from qiskit.quantum_info import DensityMatrix, SparseObservable, SparsePauliOp

from .._support.deadlines import Deadline
from .._support.memory import require_memory_of_many
from .._support.validation import frozen, generator, is_whole_number, positive_number, whole_number
from ..exceptions import MeasurementError
from ..verification.evidence import Evidence
from .lanczos import NUM_LANCZOS_VECTORS, Sector, closeness, lowest_level
from .pauli_sums import PauliTerms, checked_hamiltonian, in_natural_units
from .reduction import listed_spins, reduced_matrix

if TYPE_CHECKING:
    from ..verification.result import Verification

__all__ = ["GroundState", "ground_state"]

# Rounding of a residual, in units of the Hamiltonian's largest coefficient.
_RESIDUAL_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False, repr=False)
class GroundState(Evidence):
    """The lowest level of a Hamiltonian, with all its states.

    A degenerate level has no preferred state. What belongs to the level is the equal mixture of its states, the
    limit of thermal states at temperature zero: :meth:`reduced` takes that.

    Raises:
        MeasurementError: If the vectors are not of shape ``(degeneracy, 2 ** num_spins)``.

    References:
        C. Lanczos, J. Res. Natl. Bur. Stand. 45, 255 (1950).

    Examples:
        >>> from qiskit_lhv.spin_chains import ground_state, xxz_chain
        >>> ground = ground_state(xxz_chain(10, 1.0))
        >>> round(ground.energy, 6), round(ground.gap, 6), ground.degeneracy, ground.vector.shape
        (-18.061785, 1.692956, 1, (1024,))
        >>> print(ground.reduced([0, 1]).data.real.round(4) + 0.0)  # neighbors: near the singlet
        [[ 0.0995  0.      0.      0.    ]
         [ 0.      0.4005 -0.301   0.    ]
         [ 0.     -0.301   0.4005  0.    ]
         [ 0.      0.      0.      0.0995]]
        >>> bool(ground.verify(xxz_chain(10, 1.0)))
        True
    """

    energy: float
    """Lowest eigenvalue."""
    gap: float
    """Distance to the next level, in the sectors that were searched; infinite if there is none."""
    vectors: NDArray[np.complex128]
    """Orthonormal states of the level, shape ``(degeneracy, 2 ** num_spins)``, amplitudes in Qiskit's order."""
    residual: float
    """Largest ``|H v - E v|`` of the states. An eigenvalue lies within it around the energy."""
    magnetizations: tuple[int, ...] = ()
    """Spins up minus spins down of each state; empty if the Hamiltonian does not conserve it."""

    def __post_init__(self) -> None:
        vectors = np.asarray(self.vectors, dtype=np.complex128)
        if vectors.ndim != 2 or len(vectors) < 1 or vectors.shape[1].bit_count() != 1:
            raise MeasurementError.bad_argument(
                "vectors", expected="shape (degeneracy, 2 ** num_spins)", got=f"shape {vectors.shape}"
            )
        object.__setattr__(self, "vectors", frozen(vectors))
        object.__setattr__(self, "magnetizations", tuple(int(m) for m in self.magnetizations))

    @property
    def num_spins(self) -> int:
        """Number of spins."""
        return int(self.vectors.shape[1]).bit_length() - 1

    @property
    def degeneracy(self) -> int:
        """Number of states of the lowest level."""
        return len(self.vectors)

    @property
    def is_degenerate(self) -> bool:
        """Whether there is more than one state of the lowest energy."""
        return self.degeneracy > 1

    @property
    def vector(self) -> NDArray[np.complex128]:
        """The first state, shape ``(2 ** num_spins,)``; one of several if the level is degenerate."""
        return self.vectors[0]

    def __str__(self) -> str:
        note = f", {self.degeneracy}-fold degenerate" if self.is_degenerate else ""
        return f"ground state of {self.num_spins} spins: energy {self.energy:.9g}, gap {self.gap:.4g}{note}"

    def reduced(self, spins: Sequence[int]) -> DensityMatrix:
        """The state of some spins, an equal mixture if the level is degenerate; see ``reduced_state``.

        Args:
            spins: The spins, at most 10, in the order of the qubits of the result.
        """
        listed = listed_spins(spins, self.num_spins)
        return DensityMatrix(np.stack([reduced_matrix(vector, listed) for vector in self.vectors]).mean(axis=0))

    def verify(self, hamiltonian: SparsePauliOp | SparseObservable, atol: float = 1e-6) -> Verification:
        """Re-checks with Qiskit's sparse matrix that the states are orthonormal eigenvectors of the energy.

        It is not re-checked that no state is lower. The matrix of 22 spins takes a few GiB.

        Args:
            hamiltonian: The Hamiltonian.
            atol: Largest deviation accepted, in units of the Hamiltonian's largest coefficient.

        Returns:
            Whether the states pass, with the reason.

        Raises:
            MeasurementError: If the Hamiltonian is not valid or the deviation is not positive.
        """
        from ..verification.result import Verification

        hamiltonian = checked_hamiltonian(hamiltonian)
        atol = positive_number(atol, "atol", MeasurementError)
        if hamiltonian.num_qubits != self.num_spins:
            return Verification(False, f"the Hamiltonian has {hamiltonian.num_qubits} spins", math.inf)
        matrix = hamiltonian.to_matrix(sparse=True)
        if not math.isfinite(self.energy) or not self.gap >= 0 or not np.isfinite(self.vectors).all():
            return Verification(False, "the energy, the gap or the states are not valid numbers", math.inf)
        off = float(np.abs(self.vectors.conj() @ self.vectors.T - np.eye(self.degeneracy)).max())
        residual = max(float(np.linalg.norm(matrix @ vector - self.energy * vector)) for vector in self.vectors)
        unit = float(np.abs(hamiltonian.coeffs).max(initial=0.0)) or 1.0
        deviation = max(off, residual / unit)
        stated = residual <= self.residual + _RESIDUAL_ROUNDING * unit
        return Verification(
            deviation <= atol and stated and self._right_magnetizations(atol),
            f"|H v - E v| is at most {residual:.2g}, overlaps are off by {off:.2g}",
            deviation,
        )

    def _right_magnetizations(self, atol: float) -> bool:
        """Whether each state has the magnetization that is stated, if any is."""
        if not self.magnetizations:
            return True
        if len(self.magnetizations) != self.degeneracy:
            return False
        up = self.num_spins - 2 * np.bitwise_count(np.arange(self.vectors.shape[1])).astype(np.int64)
        pairs = zip(self.vectors, self.magnetizations, strict=True)
        return all(float(np.abs(vector[up != m]).max(initial=0.0)) <= atol for vector, m in pairs)


def ground_state(
    hamiltonian: SparsePauliOp | SparseObservable,
    *,
    magnetization: int | None = None,
    max_degeneracy: int = 16,
    tolerance: float = 1e-10,
    time_limit: float | None = None,
    seed: int | None = 0,
) -> GroundState:
    """Finds the lowest level by Lanczos iteration, without building the matrix of all spins.

    Where the Hamiltonian conserves the magnetization, its sectors are searched one by one: the largest of 22 spins has
    705432 amplitudes instead of 4194304. The energies of all sectors are estimated, and only those sectors are solved
    that can hold the lowest level or the next one. If turning all spins around changes nothing, sectors of opposite
    magnetization share their energies. Real Hamiltonians are solved in real numbers. After each state the next is
    searched orthogonal to it, so that no state of a degenerate level is missed.

    Args:
        hamiltonian: The Hamiltonian, with real coefficients.
        magnetization: The only sector to search: number of spins up (outcome 0) minus number of spins down; default:
            all sectors. It is faster where the sector is known, such as 0 for the antiferromagnetic chain of an even
            number of spins.
        max_degeneracy: Largest number of states in the lowest level. States whose energies differ by 1e-8 or less,
            relative to the sum of the coefficients' absolute values, belong to one level.
        tolerance: Relative accuracy of the energies (residual over energy).
        time_limit: Seconds after which the iteration is given up. Default: no limit.
        seed: Seed of the start vectors.

    Returns:
        The lowest level, with all its states.

    Raises:
        MeasurementError: If the Hamiltonian is not Hermitian, the sector does not exist, or memory does not suffice.
        SolverError: If the iteration does not converge, the level has too many states, or the time is over.

    References:
        C. Lanczos, J. Res. Natl. Bur. Stand. 45, 255 (1950).

    Examples:
        >>> from qiskit_lhv.spin_chains import xxz_chain
        >>> print(ground_state(xxz_chain(4, 1.0)))
        ground state of 4 spins: energy -8, gap 4
        >>> print(ground_state(xxz_chain(4, -2.0)))  # all up, or all down
        ground state of 4 spins: energy -8, gap 4, 2-fold degenerate
    """
    clock = Deadline(time_limit)
    scaled, unit = in_natural_units(checked_hamiltonian(hamiltonian))
    terms = PauliTerms(scaled)
    tolerance = positive_number(tolerance, "tolerance", MeasurementError)
    max_degeneracy = whole_number(max_degeneracy, "max_degeneracy", MeasurementError)
    rng = generator(seed)
    n = terms.num_spins
    conserved = terms.conserves_magnetization
    if magnetization is not None:
        _check_magnetization(magnetization, n, conserved)
    _check_memory(terms, conserved)
    if not conserved:
        sectors = [Sector(terms, None, 1, rng, clock)]
    elif magnetization is not None:
        sectors = [Sector(terms, int(magnetization), 1, rng, clock)]
    else:
        mirrored = terms.is_flip_symmetric
        sectors = [
            Sector(terms, m, 2 if mirrored and m else 1, rng, clock) for m in range(n % 2 if mirrored else -n, n + 1, 2)
        ]
    ground, following = lowest_level(sectors, tolerance, int(max_degeneracy))
    vectors, magnetizations, residuals = [], [], []
    for sector in sectors:
        for value, vector, residual in sector.found:
            if value <= ground + closeness(ground, tolerance):
                full = sector.embed(vector)
                # With all bits turned around, the amplitudes are counted from the other end.
                vectors += [full, full[::-1]][: sector.copies]
                residuals.append(residual + value - ground)
                if conserved:
                    magnetizations += [sector.magnetization, -sector.magnetization][: sector.copies]
    gap, residual = unit * (following - ground), unit * max(residuals)
    return GroundState(unit * ground, gap, np.stack(vectors), residual, tuple(magnetizations))


def _check_magnetization(magnetization: object, num_spins: int, conserved: bool) -> None:
    if not conserved:
        raise MeasurementError.bad_argument(
            "magnetization",
            expected="None, because the Hamiltonian does not conserve it",
            got=repr(magnetization),
        )
    if not is_whole_number(magnetization) or abs(magnetization) > num_spins or (magnetization - num_spins) % 2:
        raise MeasurementError.bad_argument(
            "magnetization",
            expected=f"a number from {-num_spins} to {num_spins} in steps of 2",
            got=repr(magnetization),
        )


def _check_memory(terms: PauliTerms, conserved: bool) -> None:
    n, flips = terms.num_spins, len(terms.flips)
    number = np.dtype(terms.dtype).itemsize

    def need(spins: int) -> float:
        whole = 2.0**spins
        # Lanczos vectors and a few more; the state of all spins, twice; tables of basis states.
        vectors = (NUM_LANCZOS_VECTORS + 8) * number
        if not conserved:
            return whole * (vectors + 32 + 40)
        # Each entry of the sparse matrix three times while it is built; half of the flips leave a sector.
        entries = 1 + 0.6 * flips * spins / n
        return math.comb(spins, spins // 2) * (entries * (3 * number + 20) + vectors) + whole * (32 + 20)

    require_memory_of_many(need, n, "hamiltonian", what="spins")
