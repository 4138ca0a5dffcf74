"""How much white noise makes up for the errors of estimated correlations.

White noise plus correlations of exactly k parties, with a tensor T of 2-norm at most ``(3/4) ** ((k - 1) / 2)``, is
local for all projective measurements. Draw directions l_1, ..., l_(k-1) evenly from the sphere, weighted by
``|T(l_1, ..., l_(k-1), .)|``; party i < k answers ``sign(x_i . l_i)``, the last one with expectation value
``x_k . u``, where u is the unit vector along ``T(l_1, ..., l_(k-1), .)``. Since the mean of ``sign(x . l) l`` is x / 2,
that gives T times ``2 ** (k - 1)`` over the mean of the weight, which is at most
``|T| / 3 ** ((k - 1) / 2)`` by Jensen's inequality. Random signs whose product is 1 remove the correlations of fewer
parties. (For one party that is the Bloch ball; for two, the criterion of arXiv:1411.1517 at its simplest.)

For all POVMs, ``2 ** (-(k - 1) / 2)`` takes the place of ``(3/4) ** ((k - 1) / 2)``. The last party answers as a
quantum state of Bloch vector u would, whatever it measures. For the others, T is enlarged by sqrt(3/2) per party, as a
POVM whose Bloch vectors are shrunk by sqrt(2/3) is a mixture of projective measurements (proof in
``verification.projective``).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np

from ..._support.types import FloatArray
from ...targets.tensor_estimates import TensorEstimate, pooled_shots

__all__ = ["absorbing_noise", "deviation_norms", "noise_factor"]


Parties = tuple[int, ...]


def noise_factor(num_parties: int, for_povms: bool = False) -> float:
    """Weight of white noise that a deviation of 2-norm 1 in the correlations of exactly so many parties needs.

    Args:
        num_parties: Number of parties k.
        for_povms: Whether they may measure any POVMs, rather than projective measurements.
    """
    return math.sqrt(2 if for_povms else 4 / 3) ** (num_parties - 1)


def deviation_norms(estimate: TensorEstimate, alpha: float) -> dict[Parties, float]:
    """Largest deviation, as 2-norm, of the correlations of exactly each set of parties; all hold together at 1 - alpha.

    For counts: different Pauli products of the same parties come from different shots, so their errors are independent,
    each a mean of n outcomes +-1. Then ``E exp(t |D|^2)`` is at most the product of ``(1 - 2 t / n) ** (-1/2)``, for
    every t at which that is finite, and Markov's inequality gives the limit. For expectation values, whose errors may
    depend on each other: the 2-norm of the normal limits of all entries.

    Args:
        estimate: The estimate.
        alpha: Probability that the deviation of any set of parties is larger.

    References:
        arXiv:1110.2842 (quadratic forms of subgaussian vectors).
    """
    n = estimate.num_qubits
    sets = 2**n - 1
    if estimate.counts is None:
        limits = estimate.limits(alpha)
        return {parties: float(np.linalg.norm(limits[block])) for parties, block in _blocks(n)}
    shots = pooled_shots(estimate.counts)
    return {parties: _norm_limit(1 / shots[block].ravel(), alpha / sets) for parties, block in _blocks(n)}


def absorbing_noise(estimate: TensorEstimate, alpha: float, for_povms: bool = False) -> float:
    """Weight of white noise that makes every deviation from the estimate, with confidence 1 - alpha, local.

    Args:
        estimate: The estimate.
        alpha: Probability that the truth deviates more.
        for_povms: Whether it is to be local for all POVMs, rather than for projective measurements.
    """
    norms = deviation_norms(estimate, alpha).items()
    return sum(noise_factor(len(parties), for_povms) * norm for parties, norm in norms)


def _blocks(num_parties: int) -> Iterator[tuple[Parties, tuple[slice | int, ...]]]:
    """Every non-empty set of parties, and where the correlations of exactly those are in the tensor."""
    for members in itertools.product((False, True), repeat=num_parties):
        if any(members):
            parties = tuple(k for k, member in enumerate(members) if member)
            yield parties, tuple(slice(1, None) if member else 0 for member in members)


def _norm_limit(variances: FloatArray, delta: float) -> float:
    """Limit of the 2-norm of independent subgaussian errors with these variance proxies, missed with chance delta.

    Every t gives a valid limit; the best one depends on the numbers of shots alone, not on their outcomes.
    """
    from scipy.optimize import minimize_scalar

    largest = float(variances.max())

    def squared(share: float) -> float:
        t = share / (2 * largest)
        return float(-math.log(delta) - 0.5 * np.log1p(-2 * t * variances).sum()) / t

    best = minimize_scalar(squared, bounds=(1e-4, 1 - 1e-9), method="bounded")
    return math.sqrt(squared(float(best.x)))
