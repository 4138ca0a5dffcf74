"""Linear maps between full tables, correlators and the Collins-Gisin form.

Each map acts on every party alone, so it is one small matrix per party. A table of shape
``(m_1, ..., m_N, d_1, ..., d_N)`` is first regrouped to one axis of length ``m_k * d_k`` per party.
The maps to shorter forms average over the settings of a party that does not take part, and so
lose nothing of a no-signaling behavior.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .._support.types import FloatArray
from .scenario import BellScenario

__all__ = [
    "apply_per_party",
    "cells_from_collins_gisin",
    "collins_gisin_from_cells",
    "collins_gisin_matrices",
    "correlator_matrices",
    "from_party_axes",
    "full_table_from_collins_gisin_matrices",
    "full_table_from_correlator_matrices",
    "party_letters",
    "places",
    "to_party_axes",
    "weighted_squares",
]


def to_party_axes(table: FloatArray, scenario: BellScenario) -> FloatArray:
    """Regroups ``(m_1, ..., m_N, d_1, ..., d_N)`` to ``(m_1 * d_1, ..., m_N * d_N)``."""
    n = scenario.num_parties
    order = [axis for k in range(n) for axis in (k, n + k)]
    sizes = [m * d for m, d in zip(scenario.num_settings, scenario.max_outcomes, strict=True)]
    return table.transpose(order).reshape(sizes)


def from_party_axes(tensor: FloatArray, scenario: BellScenario) -> FloatArray:
    """Inverse of :func:`to_party_axes`."""
    n = scenario.num_parties
    pairs = zip(scenario.num_settings, scenario.max_outcomes, strict=True)
    split = tensor.reshape([size for pair in pairs for size in pair])
    return split.transpose([2 * k for k in range(n)] + [2 * k + 1 for k in range(n)])


def apply_per_party(tensor: FloatArray, matrices: Sequence[FloatArray]) -> FloatArray:
    """Multiplies axis k of ``tensor`` by ``matrices[k]`` for every k."""
    for matrix in matrices:
        # Contracting the first axis appends the new one at the end: after N steps the order is restored.
        tensor = np.tensordot(tensor, matrix, axes=(0, 1))
    return tensor


def correlator_matrices(scenario: BellScenario) -> list[FloatArray]:
    """Maps a party's axis of ``2 m`` to ``m + 1``: the identity, then the observable of each setting."""
    matrices = []
    for m in scenario.num_settings:
        matrix = np.zeros((m + 1, m, 2))
        matrix[0] = 1 / m
        matrix[np.arange(1, m + 1), np.arange(m)] = [1, -1]
        matrices.append(matrix.reshape(m + 1, 2 * m))
    return matrices


def full_table_from_correlator_matrices(scenario: BellScenario) -> list[FloatArray]:
    """Right inverses of :func:`correlator_matrices`: ``p(a|x) = (1 + (-1)^a <A_x>) / 2``."""
    matrices = []
    for m in scenario.num_settings:
        matrix = np.zeros((m, 2, m + 1))
        matrix[:, :, 0] = 0.5
        matrix[np.arange(m), :, np.arange(1, m + 1)] = [0.5, -0.5]
        matrices.append(matrix.reshape(2 * m, m + 1))
    return matrices


def collins_gisin_matrices(scenario: BellScenario) -> list[FloatArray]:
    """Maps a party's axis of ``m d`` to ``m (d - 1) + 1``: one, then p(a|x) for all but each setting's last outcome."""
    matrices = []
    for sizes, mask in zip(scenario.num_outcomes, scenario.party_masks, strict=True):
        m, d = mask.shape
        letters = party_letters(sizes)
        matrix = np.zeros((len(letters) + 1, m, d))
        matrix[0] = mask / m
        for i, (x, a) in enumerate(letters):
            matrix[1 + i, x, a] = 1
        matrices.append(matrix.reshape(-1, m * d))
    return matrices


def full_table_from_collins_gisin_matrices(scenario: BellScenario) -> list[FloatArray]:
    """Right inverses of :func:`collins_gisin_matrices`; padding becomes 0."""
    matrices = []
    for sizes, most in zip(scenario.num_outcomes, scenario.max_outcomes, strict=True):
        letters = party_letters(sizes)
        matrix = np.zeros((len(sizes), most, len(letters) + 1))
        matrix[np.arange(len(sizes)), np.array(sizes) - 1, 0] = 1
        for i, (x, a) in enumerate(letters):
            matrix[x, a, 1 + i] = 1
            matrix[x, sizes[x] - 1, 1 + i] = -1
        matrices.append(matrix.reshape(len(sizes) * most, -1))
    return matrices


def party_letters(sizes: Sequence[int]) -> list[tuple[int, int]]:
    """Setting and outcome of each entry of a party's Collins-Gisin axis but the first: all outcomes but the last.

    Args:
        sizes: Number of outcomes of each of the party's settings.
    """
    return [(x, a) for x, d in enumerate(sizes) for a in range(d - 1)]


@lru_cache(maxsize=16)
def cells_from_collins_gisin(scenario: BellScenario) -> FloatArray:
    """One matrix from a flattened Collins-Gisin table to a flattened behavior, shape ``(num_entries, r)``."""
    return _read_only(_joint(full_table_from_collins_gisin_matrices(scenario))[places(scenario)])


@lru_cache(maxsize=16)
def collins_gisin_from_cells(scenario: BellScenario) -> FloatArray:
    """One matrix from a flattened behavior to its flattened Collins-Gisin table, shape ``(r, num_entries)``."""
    return _read_only(_joint(collins_gisin_matrices(scenario))[:, places(scenario)])


def weighted_squares(cells: FloatArray, scenario: BellScenario) -> FloatArray:
    """``Z^T diag(cells) Z`` with the Z of :func:`cells_from_collins_gisin`, one party after the other.

    Args:
        cells: Weights of the cells of a flattened behavior, shape ``(num_cells,)``.
        scenario: The scenario.

    Returns:
        A symmetric matrix, shape ``(r, r)``.
    """
    n = scenario.num_parties
    expand = full_table_from_collins_gisin_matrices(scenario)
    squares = [(matrix[:, :, None] * matrix[:, None, :]).reshape(len(matrix), -1).T for matrix in expand]
    tensor = apply_per_party(to_party_axes(cells.reshape(scenario.shape), scenario), squares)
    sizes = [matrix.shape[1] for matrix in expand]
    pairs = tensor.reshape([size for size in sizes for _ in range(2)])
    order = [*range(0, 2 * n, 2), *range(1, 2 * n, 2)]
    return np.ascontiguousarray(pairs.transpose(order).reshape(math.prod(sizes), -1))


def _joint(matrices: Sequence[FloatArray]) -> FloatArray:
    joint: FloatArray = np.ones((1, 1))
    for matrix in matrices:
        joint = np.asarray(np.kron(joint, matrix), dtype=np.float64)
    return joint


def places(scenario: BellScenario) -> NDArray[np.int64]:
    """For each entry of a flattened behavior, its place in the flattened table with one axis per party."""
    numbers = np.arange(scenario.num_entries, dtype=np.float64)
    sizes = [m * d for m, d in zip(scenario.num_settings, scenario.max_outcomes, strict=True)]
    return from_party_axes(numbers.reshape(sizes), scenario).ravel().astype(np.int64)


def _read_only(matrix: FloatArray) -> FloatArray:
    matrix = np.ascontiguousarray(matrix)
    matrix.flags.writeable = False
    return matrix
