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

Where parties have other dimensions, white noise plus a deviation whose Frobenius norm is at most the radius of a ball
of separable states is separable.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np

from ..._support.types import FloatArray
from ...targets.tensor_estimates import TensorEstimate
from ...targets.tomography import pooled_shots, settings_of_effects

__all__ = ["absorbing_noise", "deviation_norm", "deviation_norms", "noise_factor", "separable_radius"]


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
    n = estimate.num_parties
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

    Returns:
        The weight. Where not all parties are qubits, deviations are made separable, so that they are local for all
        measurements.
    """
    if not estimate.of_qubits:
        return deviation_norm(estimate, alpha) / separable_radius(estimate.tensor.dimensions)
    norms = deviation_norms(estimate, alpha).items()
    return sum(noise_factor(len(parties), for_povms) * norm for parties, norm in norms)


def deviation_norm(estimate: TensorEstimate, alpha: float) -> float:
    """Largest Frobenius norm of the difference between the estimated operator and the true one, at level 1 - alpha.

    The expected norm is at most the root of the expected square, a sum over independent shots, whatever their
    distribution; and the norm exceeds it by more than t with a probability that McDiarmid's inequality limits, since
    one shot changes it only a little.

    Args:
        estimate: An estimate from counts, of parties that are not all qubits.
        alpha: Probability that the norm is larger.

    References:
        C. McDiarmid, On the method of bounded differences, in Surveys in Combinatorics (1989), page 148.
    """
    counts, measurements = estimate.counts, estimate.measurements
    assert counts is not None
    assert measurements is not None
    scales = np.ones(())
    for dimension in estimate.tensor.dimensions:
        # Squares of the Gell-Mann matrices have the trace 2, that of the identity D.
        scales = np.multiply.outer(scales, np.array([dimension, *[2] * (dimension**2 - 1)]) ** -0.5)
    expected = changes = 0.0
    for setting in settings_of_effects(counts, measurements):
        operators = setting.values.T * scales.ravel()[setting.entries]
        centered = operators - operators.mean(axis=0)
        products = centered @ centered.T
        squares = np.diag(products)
        expected += float(squares.max()) / setting.shots
        changes += float((squares[:, None] + squares - 2 * products).max()) / setting.shots
    return math.sqrt(expected) + math.sqrt(changes * math.log(1 / alpha) / 2)


def separable_radius(dimensions: Sequence[int]) -> float:
    """Frobenius distance from white noise within which all operators of trace 1 are separable states.

    Args:
        dimensions: Dimension of each party's space.

    References:
        L. Gurvits and H. Barnum, arXiv:quant-ph/0204159 (two parties), arXiv:quant-ph/0302102 (more parties).
    """
    size = math.prod(dimensions)
    if len(dimensions) == 2:
        return 1 / math.sqrt(size * (size - 1))
    return 2 ** (1 - max(len(dimensions), 2) / 2) / size


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
