"""Random measurements of any dimension: bases, sets of mutually unbiased bases, and POVMs by their effects."""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from .._support.types import ComplexArray, FloatArray
from .._support.validation import frozen

__all__ = [
    "convex_mixtures",
    "haar_unitaries",
    "mutually_unbiased_bases",
    "padded",
    "projectors_of_bases",
    "rank_deficient_povms",
    "rank_one_povms",
]


def haar_unitaries(rng: np.random.Generator, count: int, dimension: int) -> ComplexArray:
    """Unitary matrices distributed by Haar's measure, shape ``(count, D, D)``.

    Args:
        rng: Source of randomness.
        count: Number of matrices.
        dimension: Dimension D.

    References:
        arXiv:math-ph/0609050 (the phases that the QR decomposition leaves open).
    """
    factor, triangle = np.linalg.qr(_gaussian(rng, (count, dimension, dimension)))
    diagonal = np.diagonal(triangle, axis1=1, axis2=2)
    phases: ComplexArray = diagonal / np.abs(diagonal)
    return np.asarray(factor * phases[:, None, :])


@cache
def mutually_unbiased_bases(dimension: int) -> ComplexArray | None:
    """A complete set of mutually unbiased bases, as columns, shape ``(D + 1, D, D)``; ``None`` unless D is prime.

    The array is computed once, and read-only.

    Args:
        dimension: Dimension D.

    References:
        W. K. Wootters and B. D. Fields, Ann. Phys. 191, 363 (1989).
    """
    if any(dimension % factor == 0 for factor in range(2, math.isqrt(dimension) + 1)):
        return None
    if dimension == 2:
        half = np.sqrt(0.5)
        return frozen(np.array([np.eye(2), half * np.array([[1, 1], [1, -1]]), half * np.array([[1, 1], [1j, -1j]])]))
    k = np.arange(dimension)
    # Vector b of basis s has the entries exp(2 pi i (s k^2 + b k) / D); whole exponents first, so that roots are exact.
    exponents = (k[:, None, None] * (k**2)[None, :, None] + k[None, :, None] * k[None, None, :]) % dimension
    fourier = np.exp(2j * np.pi * exponents / dimension) / np.sqrt(dimension)
    return frozen(np.concatenate([np.eye(dimension, dtype=complex)[None], fourier]))


def projectors_of_bases(bases: ComplexArray, ranks: tuple[int, ...]) -> ComplexArray:
    """Projectors on the spans of consecutive basis vectors, shape ``(count, len(ranks), D, D)``.

    Args:
        bases: Unitary matrices whose columns are the basis vectors, shape ``(count, D, D)``.
        ranks: Number of vectors of each projector; they add up to D.
    """
    ends = np.cumsum(ranks)
    parts = [bases[:, :, end - rank : end] for rank, end in zip(ranks, ends, strict=True)]
    return np.stack([part @ part.conj().swapaxes(1, 2) for part in parts], axis=1)


def rank_one_povms(rng: np.random.Generator, count: int, dimension: int, num_outcomes: int) -> ComplexArray:
    """Haar-distributed POVMs of effects of rank one, shape ``(count, num_outcomes, D, D)``.

    They are what a Haar-random basis of a space of dimension ``num_outcomes`` measures on a subspace (Naimark).

    Args:
        rng: Source of randomness.
        count: Number of POVMs.
        dimension: Dimension D.
        num_outcomes: Number of outcomes, at least D.
    """
    vectors = _gaussian(rng, (count, num_outcomes, dimension))
    return _normalized(vectors[..., :, None] * vectors[..., None, :].conj())


def rank_deficient_povms(rng: np.random.Generator, count: int, dimension: int, num_outcomes: int) -> ComplexArray:
    """POVMs of effects of rank D - 1 with uniform eigenvalues in Haar-random bases, normalized together.

    Args:
        rng: Source of randomness.
        count: Number of POVMs.
        dimension: Dimension D.
        num_outcomes: Number of outcomes, at least 2.

    Returns:
        Shape ``(count, num_outcomes, D, D)``.

    References:
        arXiv:2407.04673 (the distribution of its POVMs, with D^2 outcomes).
    """
    bases = haar_unitaries(rng, count * num_outcomes, dimension).reshape(count, num_outcomes, dimension, dimension)
    values = rng.uniform(size=(count, num_outcomes, dimension))
    values[..., -1] = 0
    return _normalized((bases * values[..., None, :]) @ bases.conj().swapaxes(2, 3))


def convex_mixtures(rng: np.random.Generator, count: int, dimension: int, num_bases: int) -> ComplexArray:
    """POVMs that choose one of some Haar-random bases at random and measure it, shape ``(count, num_bases * D, D, D)``.

    Args:
        rng: Source of randomness.
        count: Number of POVMs.
        dimension: Dimension D.
        num_bases: Number of bases; their probabilities are uniform.
    """
    bases = haar_unitaries(rng, count * num_bases, dimension)
    projectors = projectors_of_bases(bases, (1,) * dimension).reshape(count, num_bases, dimension, dimension, dimension)
    weights = rng.dirichlet(np.ones(num_bases), size=count)
    mixed = projectors * weights[:, :, None, None, None]
    return np.asarray(mixed.reshape(count, num_bases * dimension, dimension, dimension))


def padded(effects: ComplexArray, num_outcomes: int) -> ComplexArray:
    """The same measurements with effects that are zero added, shape ``(count, num_outcomes, D, D)``.

    Args:
        effects: Shape ``(count, at most num_outcomes, D, D)``.
        num_outcomes: Number of outcomes.
    """
    return np.pad(effects, [(0, 0), (0, num_outcomes - effects.shape[1]), (0, 0), (0, 0)])


def _gaussian(rng: np.random.Generator, shape: tuple[int, ...]) -> ComplexArray:
    return np.asarray(rng.standard_normal(shape) + 1j * rng.standard_normal(shape))


def _normalized(operators: ComplexArray) -> ComplexArray:
    """Positive operators turned into POVMs, by the inverse square root of their sum from both sides."""
    values, vectors = np.linalg.eigh(operators.sum(axis=1))
    root: FloatArray = np.maximum(values, np.finfo(float).tiny) ** -0.5
    inverse = (vectors * root[:, None, :]) @ vectors.conj().swapaxes(1, 2)
    effects = inverse[:, None] @ operators @ inverse[:, None]
    return np.asarray((effects + effects.conj().swapaxes(2, 3)) / 2)
