"""Proven tails of sums of independent bounded variables, nearly as sharp as the normal distribution's."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from ..._support.types import FloatArray

__all__ = ["excess_at", "largest_mean", "log_tail"]


# Constant of the Berry-Esseen theorem for summands of different distributions (I. G. Shevtsova, Dokl. Math. 82, 862,
# 2010).
_BERRY_ESSEEN = 0.56
# The unknown variance lies in one of these intervals, relative to its limit, or below them all.
_VARIANCE_RATIOS = 0.98 ** np.arange(28)
_SERIES_BELOW = 1e-3
_MAX_STEPS = 40
_PRECISION = 1e-5


def log_tail(excess: ArrayLike, variance: ArrayLike, deviation: ArrayLike) -> FloatArray:
    """Natural logarithm of a bound of ``P(S >= excess)``, for a sum S of independent variables of mean 0.

    Tilt the variables' distributions by ``exp(t X)``. Then ``P(S >= x)`` is ``E exp(t S - t x)``, which is bounded as
    Bennett does, times ``E_t[exp(-t (S - x)); S >= x]``. This is a mean over the tilted distribution, which by the
    theorem of Berry and Esseen is within ``0.56 max|X - E_t X| / sigma_t`` of a normal one: its error is multiplied by
    the small exponential before it, so that the bound is sharp for many variables and valid for few. Tilting changes
    the variance of each variable by a factor between ``exp(-r)`` and ``exp(r)``, r being t times its range, and shifts
    the mean of the sum by at most the integral of these. The variance itself need not be known: the bound is the
    largest over all variances up to the limit.

    Args:
        excess: Numbers x.
        variance: Upper limit of the summed variances, positive.
        deviation: Upper limit of the absolute value of every variable, positive.

    Returns:
        The bounds, at most 0; of the arguments' common shape.

    References:
        G. Bennett, J. Am. Stat. Assoc. 57, 33 (1962); R. R. Bahadur, R. Ranga Rao, Ann. Math. Statist. 31, 1015 (1960);
        X. Fan, I. Grama, Q. Liu, arXiv:1206.2592 (the same refinement); I. G. Shevtsova, Dokl. Math. 82, 862 (2010).
    """
    from scipy.special import erfcx

    x, v, b = np.broadcast_arrays(
        *(np.asarray(array, dtype=np.float64)[..., None] for array in (excess, variance, deviation))
    )
    x = np.maximum(x, 0.0)
    high, low = v * _VARIANCE_RATIOS, v * (_VARIANCE_RATIOS * _VARIANCE_RATIOS[1])
    tilt = np.log1p(b * x / high) / b
    exponent = -high / b**2 * _bennett(b * x / high)
    change = np.minimum(2 * b * tilt, 50.0)
    grow, shrink = np.exp(change), np.exp(-change)
    narrow, wide = np.sqrt(low * shrink), np.sqrt(high * grow)
    # Where the tilted mean of the sum lies beside x, in tilted standard deviations.
    first, last = tilt * low * shrink - x, tilt * high * grow - x
    first = np.where(first < 0, first / narrow, first / wide)
    last = np.where(last > 0, last / narrow, last / wide)
    u = tilt * narrow
    root = math.sqrt(2)

    def gaussian(place: FloatArray) -> FloatArray:
        with np.errstate(invalid="ignore", over="ignore"):
            value = 0.5 * erfcx((u - place) / root) * np.exp(-(place**2) / 2)
        # Infinity times zero, far to the right: a mean of numbers up to 1.
        return np.where(np.isnan(value), 1.0, value)

    # As a function of the place this rises to one maximum, where it is the normal density divided by u, then falls.
    nearest = np.clip(0.0, first, last)
    with np.errstate(divide="ignore"):
        density = np.exp(-(nearest**2) / 2) / math.sqrt(2 * math.pi) / u
    at_first, at_last = gaussian(first), gaussian(last)
    rising = u * at_last <= np.exp(-(last**2) / 2) / math.sqrt(2 * math.pi)
    falling = u * at_first >= np.exp(-(first**2) / 2) / math.sqrt(2 * math.pi)
    mean = np.where(rising, at_last, np.where(falling, at_first, density))
    farthest = np.minimum(2 * b, b * (1 + b * tilt * grow))
    factor = np.minimum(1.0, mean + 2 * _BERRY_ESSEEN * farthest / narrow)
    # Below all intervals, Bennett's inequality alone.
    rest = low[..., -1]
    least = -rest / b[..., 0] ** 2 * _bennett(b[..., 0] * x[..., 0] / rest)
    return np.minimum(0.0, np.maximum((exponent + np.log(factor)).max(axis=-1), least))


def excess_at(log_level: float, variance: ArrayLike, deviation: ArrayLike) -> FloatArray:
    """A number that the sum exceeds with probability at most ``exp(log_level)``; see :func:`log_tail`."""
    v, b = np.broadcast_arrays(np.asarray(variance, dtype=np.float64), np.asarray(deviation, dtype=np.float64))
    # Bernstein's inequality is valid; Newton's steps, with Bennett's slope, lead from there to the sharp bound. Only
    # numbers that the bound confirms are returned.
    linear = b * -log_level / 3
    valid = linear + np.sqrt(linear**2 + 2 * v * -log_level)
    number = valid
    for _ in range(_MAX_STEPS):
        missing = log_tail(number, v, b) - log_level
        valid = np.where(missing <= 0, np.minimum(valid, number), valid)
        if np.all((missing <= 0) & (missing > -_PRECISION)):
            break
        # Aimed a little beyond, to end on the valid side.
        slope = np.log1p(b * number / v) / b * (1 + v / number**2)
        number = np.maximum(number + (missing + _PRECISION / 2) / slope, number / 4)
    return valid


def largest_mean(mean: ArrayLike, number: float, log_level: float) -> FloatArray:
    """Upper confidence limit of the mean of independent variables in [0, 1], of any distributions.

    Chernoff's bound in Hoeffding's form: the mean of n such variables is at most ``mean`` while it is expected to be at
    least q with probability at most ``exp(-n kl(mean, q))``, with the divergence of two coins.

    Args:
        mean: The mean seen.
        number: How many variables.
        log_level: Logarithm of the probability that the limit is too low.
    """
    seen = np.minimum(np.asarray(mean, dtype=np.float64), 1.0)
    wanted = -log_level / number
    # Pinsker's inequality is a limit already. The divergence is convex, so Newton's steps stay above the root.
    q = np.minimum(seen + math.sqrt(wanted / 2), 1 - 1e-15)
    for _ in range(_MAX_STEPS):
        with np.errstate(divide="ignore", invalid="ignore"):
            ones = np.where(seen > 0, seen * np.log(seen / q), 0.0)
            zeros = np.where(seen < 1, (1 - seen) * np.log((1 - seen) / (1 - q)), 0.0)
            step = np.where(q > seen, (ones + zeros - wanted) * q * (1 - q) / (q - seen), 0.0)
        step = np.maximum(step, 0.0)
        q = q - step
        if np.all(step <= 1e-12 * q):
            break
    return np.maximum(q, seen)


def _bennett(u: FloatArray) -> FloatArray:
    """``(1 + u) log(1 + u) - u``, without cancellation."""
    series = u**2 * (1 / 2 - u * (1 / 6 - u * (1 / 12 - u / 20)))
    return np.where(u < _SERIES_BELOW, series, (1 + u) * np.log1p(u) - u)
