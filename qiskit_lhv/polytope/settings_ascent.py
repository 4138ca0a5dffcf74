"""Ascent to settings that maximize a Bell expression: party by party, from many starts at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["ascend"]

FloatArray = NDArray[np.float64]

_MAX_SWEEPS = 2000
_CONVERGED = 1e-13


def ascend(
    tensor: FloatArray,
    coefficients: FloatArray,
    mask: FloatArray,
    num_starts: int,
    rng: np.random.Generator,
    *,
    given: Sequence[FloatArray] | None = None,
    max_sweeps: int = _MAX_SWEEPS,
) -> tuple[list[FloatArray], float]:
    """Maximizes the value of an expression over the Bloch vectors of all settings.

    Args:
        tensor: Correlations of N qubits, shape ``(4,) * N``.
        coefficients: Of correlators, shape ``(m_1 + 1, ..., m_N + 1)``, index 0: party absent.
        mask: 1 for coordinates that a Bloch vector may have, shape ``(3,)``.
        num_starts: Number of random starts.
        rng: Where they come from.
        given: Takes the place of the first start: Bloch vectors of each party, shape ``(m_k, 3)``.
        max_sweeps: Largest number of times that every party is improved.

    Returns:
        The best Bloch vectors of each party, and the value.
    """
    n = tensor.ndim
    # For every start a matrix a party: row 0 is the identity, the others are Bloch vectors, shape (B, m + 1, 4).
    settings = []
    for k in range(n):
        vectors = rng.normal(size=(num_starts, coefficients.shape[k] - 1, 3)) * mask
        if given is not None:
            vectors[0] = given[k]
        vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
        rows = np.zeros((num_starts, coefficients.shape[k], 4))
        rows[:, 0, 0] = 1
        rows[:, 1:, 1:] = vectors
        settings.append(rows)
    last = np.full(num_starts, -np.inf)
    for _ in range(max_sweeps):
        values = last
        for k in range(n):
            slopes = _slopes(tensor, coefficients, settings, k)
            directions = slopes[:, 1:, 1:] * mask
            lengths = np.linalg.norm(directions, axis=2, keepdims=True)
            # Where nothing depends on a vector, it stays.
            better = np.where(lengths > 1e-300, directions / np.maximum(lengths, 1e-300), settings[k][:, 1:, 1:])
            settings[k][:, 1:, 1:] = better
            values = np.einsum("bij,bij->b", slopes, settings[k])
        if np.all(values - last <= _CONVERGED * np.maximum(1, np.abs(values))):
            last = values
            break
        last = values
    best = int(np.argmax(last))
    return [rows[best, 1:, 1:].copy() for rows in settings], float(last[best])


def _slopes(tensor: FloatArray, coefficients: FloatArray, settings: list[FloatArray], k: int) -> FloatArray:
    """Derivatives of the value with respect to party k's matrix, shape ``(B, m_k + 1, 4)``."""
    n = tensor.ndim
    rows, columns = "abcdef"[:n], "uvwxyz"[:n]
    # Batch p, correlators abc..., state's coordinates uvw...
    terms = [f"{rows}", f"{columns}"]
    operands = [coefficients, tensor]
    for j in range(n):
        if j != k:
            terms.append(f"p{rows[j]}{columns[j]}")
            operands.append(settings[j])
    return np.einsum(f"{','.join(terms)}->p{rows[k]}{columns[k]}", *operands, optimize=True)
