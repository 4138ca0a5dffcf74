"""The oracle for product states, which are local without any polyhedron."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..._support.types import FloatArray
from ...polytope.symmetry.reduced_coordinates import Reduction

__all__ = ["ProductStateOracle"]


_STARTS = 60
_ATOMS_PER_CALL = 6
_MAX_ROUNDS = 100


@dataclass(frozen=True)
class ProductStateOracle:
    """Pure product states of qubits, as correlators at the directions, each non-identity index scaled by 1 / eta.

    A row holds the Bloch vectors of all parties, shape ``(3 N,)``.
    """

    reduction: Reduction
    """The coordinates."""
    maps: tuple[FloatArray, ...]
    """For each party the matrix, shape ``(m_k + 1, 4)``, from (1, Bloch vector) to scaled correlators."""
    num_atoms: int = _ATOMS_PER_CALL
    """Atoms that a call returns at most."""

    def search(
        self, prices: FloatArray, known: FloatArray, weights: FloatArray, rng: np.random.Generator
    ) -> FloatArray:
        """Returns product states of distinct values found by alternating optimization, the best one first."""
        n = len(self.maps)
        tensor = self.reduction.tensor(prices)
        for matrix in self.maps:
            tensor = np.tensordot(tensor, matrix, axes=(0, 0))
        vectors = rng.standard_normal((_STARTS, n, 3))
        if len(known):
            vectors[: _STARTS // 2] = known[rng.choice(len(known), _STARTS // 2, p=weights / weights.sum())].reshape(
                -1, n, 3
            )
        # A known vector is zero if no correlation depends on its party.
        vectors /= np.maximum(np.linalg.norm(vectors, axis=2, keepdims=True), 1e-300)
        best = np.full(_STARTS, -np.inf)
        values = best
        for _ in range(_MAX_ROUNDS):
            for k in range(n):
                response = np.broadcast_to(np.moveaxis(tensor, k, -1), (_STARTS, *[4] * n))
                for j in range(n):
                    if j != k:
                        response = np.einsum("ki...,ki->k...", response, _extended(vectors[:, j]))
                length = np.linalg.norm(response[:, 1:], axis=1)
                vectors[:, k] = response[:, 1:] / np.maximum(length, 1e-300)[:, None]
                values = response[:, 0] + length
            if np.all(values <= best + 1e-9 * np.abs(values)):
                break
            best = values
        order = np.argsort(-values, kind="stable")
        distinct = np.append(True, np.diff(values[order]) < -1e-6 * np.abs(values[order[0]]))
        return vectors[order[distinct][: self.num_atoms]].reshape(-1, 3 * n)

    def factors(self, rows: FloatArray) -> list[FloatArray]:
        """Returns the scaled correlators of each party, shape ``(K, m_k + 1)``."""
        vectors = rows.reshape(len(rows), len(self.maps), 3)
        return [_extended(vectors[:, k]) @ matrix.T for k, matrix in enumerate(self.maps)]


def _extended(vectors: FloatArray) -> FloatArray:
    return np.hstack([np.ones((len(vectors), 1)), vectors])
