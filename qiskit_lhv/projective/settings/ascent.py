"""Ascent to settings that maximize a Bell expression: party by party, from many starts at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..._support.deadlines import NO_LIMIT, Deadline
from ..._support.types import FloatArray
from ...measurements.qubit_sets import QubitMeasurementSet
from .alternating_ascent import slopes_of_party

__all__ = ["ascend", "ascend_all"]


_MAX_SWEEPS = 2000
_CONVERGED = 1e-13


def ascend(
    tensor: FloatArray,
    coefficients: FloatArray,
    measurements: QubitMeasurementSet,
    num_starts: int,
    rng: np.random.Generator,
    *,
    given: Sequence[FloatArray] | None = None,
    max_sweeps: int = _MAX_SWEEPS,
    deadline: Deadline = NO_LIMIT,
) -> tuple[list[FloatArray], float]:
    """Maximizes the value of an expression over the Bloch vectors of all settings.

    Args:
        tensor: Correlations of N qubits, shape ``(4,) * N``.
        coefficients: Coefficients of the correlators, shape ``(m_1 + 1, ..., m_N + 1)``; index 0: party absent.
        measurements: All projective measurements, or those in a coordinate plane.
        num_starts: Number of starts. All are random, unless ``given`` provides the first one.
        rng: Random generator of the starts.
        given: The first start: Bloch vectors of each party, shape ``(m_k, 3)``.
        max_sweeps: Largest number of times that every party is improved.
        deadline: When to stop.

    Returns:
        The best Bloch vectors of each party, and the value.
    """
    settings, values = ascend_all(
        tensor, coefficients, measurements, num_starts, rng, given=given, max_sweeps=max_sweeps, deadline=deadline
    )
    best = int(np.argmax(values))
    return [vectors[best].copy() for vectors in settings], float(values[best])


def ascend_all(
    tensor: FloatArray,
    coefficients: FloatArray,
    measurements: QubitMeasurementSet,
    num_starts: int,
    rng: np.random.Generator,
    *,
    given: Sequence[FloatArray] | None = None,
    max_sweeps: int = _MAX_SWEEPS,
    deadline: Deadline = NO_LIMIT,
) -> tuple[list[FloatArray], FloatArray]:
    """Returns the result of each start of :func:`ascend`.

    The arguments are those of :func:`ascend`.

    Returns:
        Bloch vectors of each party, shape ``(B, m_k, 3)``, and the values, shape ``(B,)``.
    """
    n, mask = tensor.ndim, measurements.coordinates
    # For every start a matrix per party: row 0 is the identity, the others are Bloch vectors, shape (B, m + 1, 4).
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
    values = np.full(num_starts, -np.inf)
    # Converged starts are not updated any more, so that a few slow starts do not cost time for all of them.
    active = np.arange(num_starts)
    for _ in range(max_sweeps):
        moving = [rows[active] for rows in settings]
        reached = values[active]
        for k in range(n):
            slopes = slopes_of_party(tensor, coefficients, moving, k)
            directions = slopes[:, 1:, 1:] * mask
            lengths = np.linalg.norm(directions, axis=2, keepdims=True)
            # A vector stays unchanged if the value does not depend on it.
            better = np.where(lengths > 1e-300, directions / np.maximum(lengths, 1e-300), moving[k][:, 1:, 1:])
            moving[k][:, 1:, 1:] = better
            reached = np.einsum("bij,bij->b", slopes, moving[k])
        for rows, moved in zip(settings, moving, strict=True):
            rows[active] = moved
        still = reached - values[active] > _CONVERGED * np.maximum(1, np.abs(reached))
        values[active] = reached
        active = active[still]
        if not len(active) or deadline.over:
            break
    return [rows[:, 1:, 1:] for rows in settings], values
