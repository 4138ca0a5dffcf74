"""Kinds of POVMs on which a model is evaluated, whatever it was trained on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from .._support.types import ComplexArray
from ..measurements.random_effects import haar_unitaries, projectors_of_bases, rank_one_povms

__all__ = ["povm_kinds", "turned"]

# Vectors whose images under shifts and phases are the vectors of a symmetric informationally complete POVM.
_FIDUCIALS = {
    2: np.array([np.sqrt((3 + np.sqrt(3)) / 6), np.exp(1j * np.pi / 4) * np.sqrt((3 - np.sqrt(3)) / 6)]),
    3: np.array([0, 1, -1]) / np.sqrt(2),
}


def povm_kinds(dimension: int) -> dict[str, Callable[[np.random.Generator, int], ComplexArray]]:
    """Functions of a random generator and a count that draw effects, shape ``(count, num_outcomes, D, D)``, by name.

    Args:
        dimension: Dimension D of the space of the party that measures.

    References:
        arXiv:quant-ph/0310075 (symmetric informationally complete POVMs).
    """
    kinds: dict[str, Callable[[np.random.Generator, int], ComplexArray]] = {
        "projective": lambda rng, count: projectors_of_bases(haar_unitaries(rng, count, dimension), (1,) * dimension),
    }
    if dimension == 2:
        angles = 2 * np.pi * np.arange(3) / 3
        trine = np.stack([np.cos(angles / 2), np.sin(angles / 2)], axis=1)
        kinds["trine"] = partial(turned, vectors=trine * np.sqrt(2 / 3))
    if dimension in _FIDUCIALS:
        shifts = np.stack([np.roll(_FIDUCIALS[dimension], i) for i in range(dimension)])
        phases = np.exp(2j * np.pi * np.outer(np.arange(dimension), np.arange(dimension)) / dimension)
        vectors = (phases[:, None, :] * shifts[None, :, :]).reshape(-1, dimension)
        kinds["SIC"] = partial(turned, vectors=vectors / np.sqrt(dimension))
    for number in (dimension + 1, dimension**2, dimension**2 + dimension):
        kinds[f"Haar, {number} outcomes"] = partial(rank_one_povms, dimension=dimension, num_outcomes=number)
    return kinds


def turned(rng: np.random.Generator, count: int, vectors: np.ndarray) -> ComplexArray:
    """Effects of a POVM of rank-one effects that is turned by Haar-random unitaries.

    Args:
        rng: Source of randomness.
        count: Number of POVMs.
        vectors: Vectors v with ``sum |v><v| = 1``, shape ``(num_outcomes, D)``.
    """
    moved = np.einsum("cij,aj->cai", haar_unitaries(rng, count, vectors.shape[1]), vectors)
    return np.asarray(moved[..., :, None] * moved[..., None, :].conj())
