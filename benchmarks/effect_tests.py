"""Test sets of measurements of any dimension, and the divergence of any model on them in float64."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from qiskit_lhv import CorrelationTensor
from qiskit_lhv.measurements import POVMs, PVMs
from qiskit_lhv.measurements.random_effects import haar_unitaries

from pair_batches import effect_coordinates

# From the number of a party and effects, shape (n, outcomes, D, D), to probabilities, shape (n, outcomes, num_hidden).
Answers = Callable[[int, np.ndarray], np.ndarray]
TEST_SEED = 987


def turned(rng: np.random.Generator, count: int, effects: np.ndarray) -> np.ndarray:
    """One measurement in Haar-random frames."""
    frames = haar_unitaries(rng, count, effects.shape[-1])[:, None]
    return frames @ effects @ frames.conj().swapaxes(2, 3)


def of_bloch_vectors(vectors: np.ndarray) -> np.ndarray:
    """Qubit effects of equal traces with given Bloch vectors that add up to zero."""
    paulis = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
    return (np.eye(2) + np.tensordot(vectors, paulis, axes=1)) / len(vectors)


def trines(rng: np.random.Generator, count: int) -> np.ndarray:
    """POVMs of three symmetric qubit effects."""
    angles = 2 * np.pi * np.arange(3) / 3
    return turned(rng, count, of_bloch_vectors(np.stack([np.sin(angles), 0 * angles, np.cos(angles)], axis=1)))


def sics(rng: np.random.Generator, count: int) -> np.ndarray:
    """Symmetric informationally complete POVMs of a qubit."""
    corners = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)
    return turned(rng, count, of_bloch_vectors(corners))


QUBIT_TESTS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "PVMs": PVMs(2).draw,
    "trines": trines,
    "SICs": sics,
    "3 outcomes": POVMs(2, 3).draw,
    "4 outcomes": POVMs(2, 4).draw,
    "6 outcomes": POVMs(2, 6).draw,
    "rank-deficient": POVMs(2, 4, "rank-deficient").draw,
}
"""The test sets of qubit POVMs; the last one is the distribution of arXiv:2407.04673."""


def divergence(
    answers: Answers,
    tensor: CorrelationTensor,
    draw: Callable[[np.random.Generator, int], np.ndarray],
    num_outcomes: int | None = None,
    size: int | None = None,
) -> float:
    """Mean divergence on all combinations of fresh random measurements of each party, in float64.

    Args:
        answers: The model.
        tensor: The state.
        draw: Draws measurements.
        num_outcomes: Number of outcomes that the model needs; missing ones are effects that are zero.
        size: Measurements of each party; default: 64 for two parties, 16 for more.
    """
    n = tensor.num_parties
    size = (64 if n == 2 else 16) if size is None else size
    tables, found = [], []
    for party in range(n):
        effects = draw(np.random.default_rng([TEST_SEED, party]), size)
        if num_outcomes is not None:
            effects = np.pad(effects, [(0, 0), (0, num_outcomes - effects.shape[1]), (0, 0), (0, 0)])
        tables.append(effect_coordinates(effects))
        found.append(answers(party, effects))
    letters, settings, spaces = "abc"[:n], "lmn"[:n], "uvw"[:n]
    target = np.einsum(
        f"{spaces},{','.join(map(''.join, zip(settings, letters, spaces, strict=True)))}->{settings}{letters}",
        tensor.array,
        *tables,
        optimize=True,
    )
    model = (
        np.einsum(
            f"{','.join(m + a + 'h' for m, a in zip(settings, letters, strict=True))}->{settings}{letters}",
            *found,
            optimize=True,
        )
        / found[0].shape[-1]
    )
    target = np.maximum(target, 0)
    # Written so that small divergences suffer no cancellation.
    known = np.where(target > 0, target, 1)
    u = (model - target) / known
    terms = np.where(target > 0, target * (u - np.log1p(np.where(target > 0, u, 0))), 0)
    # Both sum to 1; where the target vanishes, the model's probability is missing elsewhere.
    missing = np.where(target > 0, 0, model)
    return float((terms + missing).sum() / size**n)
