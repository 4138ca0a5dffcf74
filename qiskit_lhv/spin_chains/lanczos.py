"""The lowest level of a sum of Pauli strings, by Lanczos iteration in sectors of the magnetization."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._support.deadlines import NO_LIMIT, Deadline
from ..exceptions import SolverError
from .pauli_sums import PauliTerms, sector_basis, sector_matrix

__all__ = ["NUM_LANCZOS_VECTORS", "Sector", "closeness", "lowest_level"]

NUM_LANCZOS_VECTORS = 20

# Energies that agree to this, relative to the energy, are one level.
_DEGENERATE = 1e-8
# Sectors of at most so many states are diagonalized as matrices.
_DENSE = 256
# How well a sector must be known to tell whether it matters.
_SCAN = 1e-4


class Sector:
    """The states of one magnetization, or all (``None``), and the lowest eigenvectors among them found so far."""

    def __init__(
        self,
        terms: PauliTerms,
        magnetization: int | None,
        copies: int,
        rng: np.random.Generator,
        clock: Deadline = NO_LIMIT,
    ) -> None:
        n = terms.num_spins
        self.magnetization = 0 if magnetization is None else magnetization
        self.copies = copies
        """How many sectors it stands for: 2 with that of the opposite magnetization."""
        self.size = 2**n if magnetization is None else math.comb(n, (n - magnetization) // 2)
        self.found: list[tuple[float, NDArray[Any], float]] = []
        """Energy, vector and residual, in ascending order."""
        self.bound = -math.inf
        """No state of the sector is lower, as far as a rough solution tells."""
        self._terms, self._whole, self._rng, self._clock = terms, magnetization is None, rng, clock
        self._start: NDArray[Any] | None = None
        self._product: Callable[[NDArray[Any]], NDArray[Any]] | None = None
        self._dense: tuple[NDArray[np.float64], NDArray[Any]] | None = None

    def embed(self, vector: NDArray[Any]) -> NDArray[np.complex128]:
        """The amplitudes of all basis states."""
        full = np.zeros(2**self._terms.num_spins, dtype=np.complex128)
        full[slice(None) if self._whole else sector_basis(self._terms.num_spins, self.magnetization)] = vector
        return full

    def estimate(self) -> None:
        """Finds roughly the lowest energy, and so a bound on the sector."""
        value, vector, residual = self._next(_SCAN)
        self.bound, self._start = value - residual, vector
        self.release()

    def find_next(self, tolerance: float) -> float | None:
        """Finds the next state; returns its energy, or ``None`` if there is no other."""
        if len(self.found) == self.size:
            return None
        self.found.append(self._next(tolerance))
        self._start = None
        return self.found[-1][0]

    def release(self) -> None:
        """Forgets the matrix, which takes the most memory."""
        self._product = None

    def _apply(self) -> Callable[[NDArray[Any]], NDArray[Any]]:
        if self._product is None:
            if self._whole and self.size > _DENSE:
                self._product = self._terms.to_operator()
            else:
                n = self._terms.num_spins
                matrix = sector_matrix(
                    self._terms, np.arange(2**n) if self._whole else sector_basis(n, self.magnetization)
                )
                self._product = matrix.__matmul__
                if self.size <= _DENSE and self._dense is None:
                    values, vectors = np.linalg.eigh(matrix.toarray())
                    self._dense = (values, vectors)
        return self._product

    def _next(self, tolerance: float) -> tuple[float, NDArray[Any], float]:
        """The lowest state orthogonal to those found: energy, vector, residual."""
        product = self._apply()
        if self._dense is not None:
            values, vectors = self._dense
            value, vector = float(values[len(self.found)]), vectors[:, len(self.found)]
        else:
            value, vector = self._lanczos(product, tolerance)
        return value, vector, float(np.linalg.norm(product(vector) - value * vector))

    def _lanczos(self, product: Callable[[NDArray[Any]], NDArray[Any]], tolerance: float) -> tuple[float, NDArray[Any]]:
        from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

        known = np.stack([vector for _, vector, _ in self.found], axis=1) if self.found else None
        # What was found is lifted to the top of the spectrum, so that the next state is the lowest: a Krylov space
        # holds one state of every level, and would miss the others of a degenerate one.
        lift = 2 * self._terms.radius

        def lifted(vector: NDArray[Any]) -> NDArray[Any]:
            if self._clock.over:
                raise SolverError("ground_state: the time limit is over, and there is no state yet. Allow more time.")
            vector = vector.ravel()
            result = product(vector)
            return result if known is None else result + known @ (lift * (known.conj().T @ vector))

        start = self._start
        if start is None:
            start = self._rng.normal(size=self.size)
            if known is not None:
                start = start - known @ (known.conj().T @ start)
        operator = LinearOperator((self.size, self.size), matvec=lifted, dtype=self._terms.dtype)
        try:
            values, vectors = eigsh(
                operator, k=1, which="SA", tol=tolerance, v0=start.astype(self._terms.dtype), ncv=NUM_LANCZOS_VECTORS
            )
        except ArpackError as exc:
            raise SolverError(
                f"ground_state: the Lanczos iteration did not converge ({exc}). Try a larger tolerance."
            ) from exc
        return float(values[0]), vectors[:, 0]


def lowest_level(sectors: list[Sector], tolerance: float, max_degeneracy: int) -> tuple[float, float]:
    """Finds all states of the lowest level and the energy of the next; returns both energies.

    Raises:
        SolverError: If an iteration does not converge, or the level has more than ``max_degeneracy`` states.
    """
    if len(sectors) > 1:
        for sector in sectors:
            sector.estimate()
    ground = following = math.inf
    for sector in sorted(sectors, key=lambda candidate: candidate.bound):
        if sector.bound > following:
            break
        while len(sector.found) <= max_degeneracy and (value := sector.find_next(tolerance)) is not None:
            ground = min(ground, value)
            if value > ground + closeness(ground, tolerance):
                break
        sector.release()
        energies = [(value, searched.copies) for searched in sectors for value, _, _ in searched.found]
        level = ground + closeness(ground, tolerance)
        if sum(copies for value, copies in energies if value <= level) > max_degeneracy:
            raise SolverError(
                f"ground_state: the lowest level, at energy {ground:.9g}, has more than {max_degeneracy} states. "
                "Choose a magnetization, add a small field, or allow more with max_degeneracy."
            )
        following = min((value for value, _ in energies if value > level), default=math.inf)
    return ground, following


def closeness(energy: float, tolerance: float) -> float:
    """How far apart the energies of one level may be found."""
    return max(_DEGENERATE, tolerance) * max(1.0, abs(energy))
