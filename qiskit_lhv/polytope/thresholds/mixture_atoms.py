"""Atoms of a mixture, as vectors of which only sums and inner products are needed."""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..._support.types import FloatArray
from ..symmetry.reduced_coordinates import Reduction

__all__ = ["Atoms", "atoms_of", "capacity"]


_SMALLEST_CAPACITY = 256
# Entries handled at once: few enough to stay in the cache.
_CHUNK_ENTRIES = 1 << 18


class Atoms(Protocol):
    """Vectors whose inner product is that of tensors over all cells but the normalization."""

    def __len__(self) -> int:
        """Returns the number of atoms."""

    def add(self, other: Any) -> None:
        """Appends other atoms of the same kind."""

    def keep(self, chosen: NDArray[Any]) -> None:
        """Keeps only the chosen atoms, given by their numbers or by a mask."""

    def mixture(self, weights: FloatArray) -> FloatArray:
        """Returns the weighted sum of the atoms."""

    def along(self, direction: FloatArray) -> FloatArray:
        """Returns the inner product of each atom with a vector."""

    def inner(self, other: Any) -> FloatArray:
        """Returns the inner products with other atoms, shape ``(len(self), len(other))``."""

    def vectors(self, chosen: NDArray[Any]) -> FloatArray:
        """Returns the chosen atoms as vectors, one per row."""


def atoms_of(reduction: Reduction, parties: list[NDArray[Any]]) -> Atoms:
    """Products of one vector per party, whose first entry is 1, in the coordinates of a reduction.

    Args:
        reduction: The coordinates.
        parties: For each party the vectors, shape ``(K, size of its axis)``.
    """
    if reduction.is_plain:
        return _Products([np.asarray(vectors, dtype=np.float64) for vectors in parties])
    return _Vectors(reduction.products(parties)[:, 1:] * np.sqrt(reduction.sizes[1:].astype(np.float64)))


class _Products:
    """Atoms without symmetry: stored as one vector per party, whose inner products are multiplied."""

    def __init__(self, parties: list[FloatArray]) -> None:
        self._parties = parties
        self._shape = tuple(vectors.shape[1] for vectors in parties)
        self._chunk = max(1, _CHUNK_ENTRIES // max(1, math.prod(self._shape[:-1])))

    def __len__(self) -> int:
        return len(self._parties[0])

    def add(self, other: Any) -> None:
        self._parties = [np.concatenate(pair) for pair in zip(self._parties, other._parties, strict=True)]

    def keep(self, chosen: NDArray[Any]) -> None:
        self._parties = [vectors[chosen] for vectors in self._parties]

    def mixture(self, weights: FloatArray) -> FloatArray:
        used = np.flatnonzero(weights)
        total = np.zeros((math.prod(self._shape[:-1]), self._shape[-1]))
        for start in range(0, len(used), self._chunk):
            rows = used[start : start + self._chunk]
            rest = weights[rows, None]
            for party in self._parties[:-1]:
                rest = (rest[:, :, None] * party[rows][:, None, :]).reshape(len(rows), -1)
            total += rest.T @ self._parties[-1][rows]
        return total.ravel()[1:]

    def along(self, direction: FloatArray) -> FloatArray:
        matrix = np.append(0.0, direction).reshape(-1, self._shape[-1]).T
        result = np.empty(len(self))
        for start in range(0, len(self), self._chunk):
            rows = slice(start, start + self._chunk)
            rest = self._parties[-1][rows] @ matrix
            for party in self._parties[-2::-1]:
                rest = np.einsum("kij,kj->ki", rest.reshape(len(rest), -1, party.shape[1]), party[rows])
            result[rows] = rest[:, 0]
        return result

    def inner(self, other: Any) -> FloatArray:
        result: FloatArray = self._parties[0] @ other._parties[0].T
        for own, others in zip(self._parties[1:], other._parties[1:], strict=True):
            result *= own @ others.T
        return result - 1

    def vectors(self, chosen: NDArray[Any]) -> FloatArray:
        rest = np.ones((len(chosen), 1))
        for party in self._parties:
            rest = (rest[:, :, None] * party[chosen][:, None, :]).reshape(len(rest), -1)
        return rest[:, 1:]


class _Vectors:
    """With symmetry an atom is an average over its images: a vector, scaled by the roots of the orbits' sizes."""

    def __init__(self, rows: FloatArray) -> None:
        self._room, self._count = rows, len(rows)

    def __len__(self) -> int:
        return self._count

    @property
    def _rows(self) -> FloatArray:
        return self._room[: self._count]

    def add(self, other: Any) -> None:
        total = self._count + len(other)
        if total > len(self._room):
            room = np.zeros((capacity(total), self._room.shape[1]))
            room[: self._count] = self._rows
            self._room = room
        self._room[self._count : total] = other._rows
        self._count = total

    def keep(self, chosen: NDArray[Any]) -> None:
        self._room = self._rows[chosen]
        self._count = len(self._room)

    def mixture(self, weights: FloatArray) -> FloatArray:
        return weights @ self._rows

    def along(self, direction: FloatArray) -> FloatArray:
        return self._rows @ direction

    def inner(self, other: Any) -> FloatArray:
        return np.asarray(self._rows @ other._rows.T)

    def vectors(self, chosen: NDArray[Any]) -> FloatArray:
        return self._rows[chosen]


def capacity(count: int) -> int:
    """Returns the array size for a number of atoms: a power of 2, so that arrays grow rarely."""
    return max(_SMALLEST_CAPACITY, 1 << (count - 1).bit_length())
