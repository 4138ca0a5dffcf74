"""Tails of the binomial distribution to some 14 digits, for any number of trials, rounded up.

Both tails are integrals over the probability of success: with ``Bin(n, t)`` the number of successes,

    P(Bin(n, p) >= k) = n int_0^p b(k - 1; n - 1, t) dt,
    E[max(Bin(n, p) - h, 0)] = n (n - 1) int_0^p (p - t) b(h - 1; n - 2, t) dt,

where b is the mass. The mass at p comes from Loader's deviance form, which does not cancel, and the integrand relative
to it is smooth, so that a fixed number of nodes gives the integral whether there are ten trials or 10**15.

References:
    C. Loader, "Fast and accurate computation of binomial probabilities" (2000).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from ..._support.types import FloatArray

__all__ = ["convex_tail", "log_mean_excess", "log_tail"]


_NODES = 40
_NEGLIGIBLE_LOG = 45.0
# More than the errors seen against 60 digits, for up to 2**53 trials (see the tests).
_RELATIVE_ERROR, _ABSOLUTE_ERROR = 1e-14, 1e-13
_ARTANH_SERIES = tuple(1 / (2 * i + 3) for i in range(13))
_STIRLING_SERIES = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)


def log_tail(wins: int, total: int, p: float) -> float:
    """Natural logarithm of P(Bin(total, p) >= wins), rounded up.

    Args:
        wins: Any whole number.
        total: Number of trials, at least 1.
        p: Probability of success, 0 or from 1e-100 to 1.
    """
    if wins <= 0 or p >= 1:
        return 0.0
    if p <= 0 or wins > total:
        return -math.inf
    gap = _gap(wins - 1, total - 1, p)
    if gap >= -1:
        return min(0.0, _upward(_log_integral(wins - 1, total - 1, p, 1 - p, gap, 0)))
    # Below the mean, what is missing from 1 is the small part.
    return min(0.0, _upward(math.log1p(-math.exp(_log_integral(total - wins, total - 1, 1 - p, p, -gap, 0)))))


def log_mean_excess(knot: int, total: int, p: float) -> float:
    """Natural logarithm of E[max(Bin(total, p) - knot, 0)], rounded up.

    Args:
        knot: From 0 to ``total - 1``.
        total: Number of trials, at least 1.
        p: Probability of success, at least 1e-100 and below 1.
    """
    if knot <= 0:
        return _upward(math.log(total) + math.log(p))
    gap = _gap(knot - 1, total - 2, p)
    if gap >= -1:
        return _upward(_log_integral(knot - 1, total - 2, p, 1 - p, gap, 1))
    # E[max(B - h, 0)] = E[B] - h + E[max(h - B, 0)].
    rest = math.exp(_log_integral(total - knot - 1, total - 2, 1 - p, p, -gap, 1))
    return _upward(math.log(rest - _gap(knot, total, p)))


def convex_tail(score: float, total: int, mean: float) -> tuple[int, float]:
    """The whole number h with the smallest bound E[max(B - h, 0)] / (score - h), B binomial, and the bound's logarithm.

    The logarithm is at most 0 and rounded up.

    Args:
        score: Up to ``total``.
        total: Number of trials, at least 1.
        mean: Probability of success of B, 0 or from 1e-100 to 1.
    """
    if mean <= 0:
        return 0, -math.inf if score > 0 else 0.0
    if mean >= 1 or score <= total * mean:
        return 0, 0.0

    def value(knot: int) -> float:
        return log_mean_excess(knot, total, mean) - math.log(score - knot)

    # A convex function of h, divided by a line that falls to 0, falls and then rises. So far below the mean the bound
    # is trivial.
    lowest = max(0, math.floor(total * mean - 20 * math.sqrt(total)) - 1)
    highest = math.ceil(score) - 1
    while lowest < highest:
        middle = (lowest + highest) // 2
        if value(middle) <= value(middle + 1):
            highest = middle
        else:
            lowest = middle + 1
    return lowest, min(0.0, _upward(value(lowest)))


def _upward(value: float) -> float:
    return value + _ABSOLUTE_ERROR + _RELATIVE_ERROR * abs(value)


def _gap(j: int, m: int, p: float) -> float:
    """The number j - m p, computed exactly and rounded once."""
    numerator, denominator = p.as_integer_ratio()
    return (j * denominator - m * numerator) / denominator


def _log_integral(j: int, m: int, p: float, q: float, gap: float, power: int) -> float:
    """The logarithm of ``(m + 1) ... (m + 1 + power) int_0^p (p - t)**power b(j; m, t) dt``.

    Here ``q = 1 - p``, and ``gap = j - m p`` is at least -1, so that the mass is largest near p.
    """
    nodes, weights = _quadrature()
    slope, curvature = gap / (p * q), j / p**2 + (m - j) / q**2

    def log_ratio(s: Any) -> Any:
        # The mass at p - s by that at p. Where s is small, the parts that cancel are taken out.
        small = np.minimum(s, 0.3 * min(p, q))
        near = -small * slope + j * _log1p_rest(-small / p) + (m - j) * _log1p_rest(small / q)
        return np.where(s == small, near, j * np.log1p(-s / p) + (m - j) * np.log1p(s / q))

    # To where the ratio is negligible, by its second-order form first.
    reach = 2 * _NEGLIGIBLE_LOG / (slope + math.sqrt(slope**2 + 2 * _NEGLIGIBLE_LOG * curvature)) if m else p
    while reach < p and float(log_ratio(np.array(reach))) > -_NEGLIGIBLE_LOG + 5:
        reach *= 1.5
    reach = min(reach, p)
    s = reach * nodes
    integral = reach * float(np.sum(weights * s**power * np.exp(log_ratio(s))))
    factors = math.log(m + 1) + (math.log(m + 2) if power else 0.0)
    return factors + _log_mass(j, m, p, q, gap) + math.log(integral)


def _log_mass(j: int, m: int, p: float, q: float, gap: float) -> float:
    """The logarithm of P(Bin(m, p) = j)."""
    if j == m:
        return m * _log(p, q)
    if j == 0:
        return m * _log(q, p)
    size = _stirling_rest(m) - _stirling_rest(j) - _stirling_rest(m - j)
    deviance = _deviance(m * p, gap) + _deviance(m * q, -gap)
    return size - deviance - 0.5 * (math.log(2 * math.pi * j) + math.log((m - j) / m))


def _log(p: float, q: float) -> float:
    """The logarithm of p, where q = 1 - p and the smaller of the two is the one that is exact."""
    return math.log(p) if p < q else math.log1p(-q)


def _deviance(mean: float, gap: float) -> float:
    """The number x log(x / mean) + mean - x for x = mean + gap."""
    u = gap / mean
    if abs(u) < 0.3:
        return mean * ((1 + u) * float(_log1p_rest(np.array(u))) + u**2)
    return mean * ((1 + u) * math.log1p(u) - u)


def _stirling_rest(n: int) -> float:
    """The logarithm of n! less Stirling's sqrt(2 pi n) (n / e)**n, for n of at least 1."""
    if n < 16:
        return math.lgamma(n + 1) - 0.5 * math.log(2 * math.pi * n) - n * (math.log(n) - 1)
    inverse = 1 / n
    return inverse * sum(c * inverse ** (2 * i) for i, c in enumerate(_STIRLING_SERIES))


def _log1p_rest(u: FloatArray) -> FloatArray:
    """log(1 + u) - u for u from -0.3 to 0.3, without cancellation."""
    v = u / (2 + u)
    squared = v**2
    # log(1 + u) = 2 artanh(v), and 2 v - u = -u v.
    return v * (2 * squared * np.polynomial.polynomial.polyval(squared, _ARTANH_SERIES) - u)


@lru_cache(maxsize=1)
def _quadrature() -> tuple[FloatArray, FloatArray]:
    """Gauss-Legendre nodes and weights on [0, 1], two panels."""
    x, w = np.polynomial.legendre.leggauss(_NODES)
    x, w = (x + 1) / 2, w / 2
    cut = 0.2
    return np.concatenate([cut * x, cut + (1 - cut) * x]), np.concatenate([cut * w, (1 - cut) * w])
