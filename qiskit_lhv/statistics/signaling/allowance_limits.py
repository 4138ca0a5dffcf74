"""Confidence limits of the signaling that a violation needs, of what marginals show of it, and of their difference."""

from __future__ import annotations

import math
from functools import cached_property, lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from ..._support.types import FloatArray, IntArray
from ..tails.bounded_sums import excess_at, largest_mean, log_tail

__all__ = ["AllowanceLimits"]


# Shares of the error probability: that the limit of the variance is too low, and that a sample mean is far off.
_VARIANCE_SHARE, _MEAN_SHARE = 0.02, 0.001
# Functions that are listed for two parties; beyond, pairs of outcomes limit the variance, and the range where they are
# too many.
_MOST_LISTED, _MOST_PAIRS = 256, 1 << 22
_TINY = 1e-100
_LARGEST_KAPPA, _PRECISION, _MAX_STEPS = 1e6, 1e-4, 60


class AllowanceLimits:
    """Limits for an expression E and the visible signaling V of independent shots.

    The visible signaling of a behavior p is the largest value v(p) over a set D of linear functions: those that are at
    most 0 on every no-signaling behavior and change by at most 1 when one party's outcome changes. The function that
    is largest for p does not depend on the shots. So if ``E(p) <= kappa V(p)``, then one fixed ``E - kappa v`` has a
    mean of at most 0; if each function of D is refuted with error probability alpha, that is refuted with the same
    error probability, however many functions there are. In the same way the largest of the upper limits of all v(p) is
    an upper limit of V(p).

    For one function, ``E - kappa v`` is a sum of independent shots. Its variance is limited by the squared distances of
    the shots from their means (Chernoff's upper limit), the distance of sample means from the means by Hoeffding's
    inequality, and the tail by :func:`.bounded_sums.log_tail`; their error probabilities add up to that of the limit.

    Args:
        coefficients: The expression, shape ``(m_1, ..., m_N, d_1, ..., d_N)``.
        bound: Its local bound.
        tested: The shots, of the same shape; at least one for each setting combination.
        visible: At least the visible signaling of their frequencies.
        real: Which cells there are, of the same shape; the others are padding. Default: all.
    """

    def __init__(
        self,
        coefficients: FloatArray,
        bound: float,
        tested: IntArray,
        visible: float,
        real: NDArray[np.bool_] | None = None,
    ) -> None:
        n = tested.ndim // 2
        outcomes = tested.shape[n:]
        flat = (math.prod(tested.shape[:n]), math.prod(outcomes))
        counts = tested.reshape(flat)
        self._expression = np.asarray(coefficients, dtype=np.float64).reshape(flat)
        self._shots = counts.sum(axis=1).astype(np.float64)
        self._frequencies = counts / self._shots[:, None]
        self._visible = visible
        self._real = None if real is None or real.all() else real.reshape(flat)
        self._parties = n
        # Functions of D, shape (K, X, A). Joint: all of them, up to mixtures. Else those of single setting
        # combinations, of which D may hold every combination.
        self._functions: FloatArray | None = None
        self._joint = tested.shape == (2, 2, 2, 2)
        self._pairs: tuple[FloatArray, FloatArray, FloatArray] | None = None
        if self._joint:
            self._functions = _functions_of_chsh()
        elif n == 2 and (2 ** outcomes[0] - 1) * (2 ** outcomes[1] - 1) <= _MOST_LISTED:
            self._functions = _functions_of_two(*outcomes)
        elif flat[1] ** 2 * flat[0] <= _MOST_PAIRS:
            self._pairs = self._pair_variances(_outcome_distances(outcomes))
        self._value = float(np.sum(self._expression * self._frequencies)) - bound

    def hidden_lower(self, alpha: float) -> float:
        """Lower confidence limit of the amount that a local model needs."""
        variance, deviation = self._spread(1.0, 0.0, alpha)
        return self._value - float(excess_at(_log_level(alpha), variance, deviation)[0])

    def visible_upper(self, alpha: float) -> float:
        """Upper confidence limit of the amount that marginals show."""
        variance, deviation = self._spread(0.0, 1.0, alpha)
        return float((self._shown + excess_at(_log_level(alpha), variance, deviation)).max())

    def exceeded(self, kappa: float, alpha: float) -> bool:
        """Whether a local model needs more than kappa times what marginals show, with error probability alpha."""
        return self._margin(kappa, alpha) >= 0

    def largest_kappa(self, alpha: float) -> float:
        """The largest kappa that is exceeded, to four digits, as far as a bracket finds it; 0 if there is none."""
        low, high = 0.0, 1.0
        before = self._distance(low, alpha)
        if before < 0:
            return 0.0
        here = self._distance(high, alpha)
        while here >= 0:
            if high > _LARGEST_KAPPA:
                return high
            low, before = high, here
            high *= 2
            here = self._distance(high, alpha)
        last, new = low, high
        for _ in range(_MAX_STEPS):
            if high - low <= _PRECISION * high:
                break
            # The secant of the last two, but never so near to an end that the other one would stay where it is.
            least = min(_PRECISION / 2 * high, (high - low) / 2)
            guess = new - here * (new - last) / (here - before) if here != before else math.nan
            if not low < guess < high:
                guess = (low + high) / 2
            last, before, new = new, here, min(max(guess, low + least), high - least)
            here = self._distance(new, alpha)
            if here >= 0:
                low = new
            else:
                high = new
        return low

    def _distance(self, kappa: float, alpha: float) -> float:
        """How far the evidence is beyond its limit, in standard deviations of a normal tail: nearly a line."""
        level = _log_level(alpha)
        return math.sqrt(max(0.0, self._margin(kappa, alpha) - level)) - math.sqrt(-level)

    def _margin(self, kappa: float, alpha: float) -> float:
        """How far below its limit the logarithm of the largest tail is."""
        gaps = self._value - kappa * self._shown
        if gaps.min() <= 0:
            return _log_level(alpha)
        return _log_level(alpha) - float(log_tail(gaps, *self._spread(1.0, kappa, alpha)).max())

    @cached_property
    def _shown(self) -> FloatArray:
        """What every function shows of the frequencies, shape ``(K,)``, or a limit for all of them, ``(1,)``."""
        if self._joint and self._functions is not None:
            return np.einsum("kxa,xa->k", self._functions, self._frequencies)
        return np.array([self._visible])

    def _spread(self, weight: float, kappa: float, alpha: float) -> tuple[FloatArray, FloatArray]:
        """Limits of the summed variances and of single deviations of ``weight E - kappa v``, shape ``(K,)`` each."""
        variances, deviations, ranges = self._moments(weight, kappa)
        # How far a sample mean is from the mean at most, in either direction, in every setting combination.
        log_share = math.log(2 * len(self._shots) / (_MEAN_SHARE * alpha))
        off = ranges * np.sqrt(log_share / (2 * self._shots))
        deviation = np.maximum((np.minimum(ranges, deviations + off) / self._shots).max(axis=1), _TINY)
        number = float(self._shots.sum())
        squares = ((variances + off**2) / self._shots).sum(axis=1)
        limit = largest_mean(squares / (number * deviation**2), number, math.log(_VARIANCE_SHARE * alpha))
        # No variance exceeds a quarter of the squared range.
        most = (ranges**2 / (4 * self._shots)).sum(axis=1)
        return np.maximum(np.minimum(limit * number * deviation**2, most), _TINY**2), deviation

    def _moments(self, weight: float, kappa: float) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Variance, largest deviation from the mean, and range, in the shots of each setting, shape ``(K, X)``."""
        if self._functions is None:
            lowest, highest = self._extremes(self._expression)
            ranges = weight * (highest - lowest) + kappa * self._parties
            variances = ranges**2 / 4
            if self._pairs is not None:
                plain, mixed, distant = self._pairs
                variances = np.minimum(variances, weight**2 * plain + 2 * weight * kappa * mixed + kappa**2 * distant)
            return variances[None], ranges[None], ranges[None]
        values = weight * self._expression - kappa * self._functions
        means = np.einsum("kxa,xa->kx", values, self._frequencies)
        values = values - means[:, :, None]
        variances = np.einsum("kxa,kxa,xa->kx", values, values, self._frequencies)
        lowest, highest = self._extremes(values)
        found = variances, np.maximum(highest, -lowest), highest - lowest
        if self._joint:
            return found
        # Each of the three is convex in the function, so that no mixture of those listed has a larger one.
        variances, deviations, ranges = (limits.max(axis=0, keepdims=True) for limits in found)
        return variances, deviations, ranges

    def _extremes(self, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The smallest and the largest value of real cells, for each setting combination."""
        if self._real is None:
            return values.min(axis=-1), values.max(axis=-1)
        return np.where(self._real, values, np.inf).min(axis=-1), np.where(self._real, values, -np.inf).max(axis=-1)

    def _pair_variances(self, distances: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """The variance is half the mean squared difference of two shots, and no function differs by more than this.

        A function that changes by at most 1 with one party's outcome differs by at most the number of parties whose
        outcomes do.
        """
        p = self._frequencies
        gaps = np.abs(self._expression[:, :, None] - self._expression[:, None, :])
        plain = np.einsum("xa,xb,xab->x", p, p, gaps**2) / 2
        mixed = np.einsum("xa,xb,xab,ab->x", p, p, gaps, distances) / 2
        return plain, mixed, np.einsum("xa,xb,ab->x", p, p, distances**2) / 2


def _log_level(alpha: float) -> float:
    return math.log(alpha * (1 - _VARIANCE_SHARE - _MEAN_SHARE))


@lru_cache(maxsize=1)
def _functions_of_chsh() -> FloatArray:
    """Half the sum of the four marginals' shifts, with every combination of signs, shape ``(16, 4, 4)``."""
    sign = np.array([1.0, -1.0])
    functions = []
    for first in product(sign, repeat=2):
        for second in product(sign, repeat=2):
            # Party 0's outcome with its setting x compared between the settings y of party 1, and the other way.
            own = np.einsum("x,y,a->xya", first, sign, sign)[:, :, :, None]
            other = np.einsum("x,y,b->xyb", sign, second, sign)[:, :, None, :]
            functions.append((own + other) / 2)
    return np.array(functions).reshape(16, 4, 4)


@lru_cache(maxsize=8)
def _functions_of_two(first: int, second: int) -> FloatArray:
    """Sums of a function of either outcome with values 0 and 1, up to constants, shape ``(K, 1, d_1 d_2)``.

    What two parties' marginals show is the summed distance of each marginal from a reference: a sum of functions of
    single outcomes with values between 0 and 1, which are mixtures of these.
    """
    first_events, second_events = (np.array(list(product([0.0, 1.0], repeat=d)))[: 2**d - 1] for d in (first, second))
    return (first_events[:, None, :, None] + second_events[None, :, None, :]).reshape(-1, 1, first * second)


@lru_cache(maxsize=8)
def _outcome_distances(outcomes: tuple[int, ...]) -> FloatArray:
    """Number of parties with different outcomes, for all pairs of joint outcomes."""
    places = np.indices(outcomes).reshape(len(outcomes), -1)
    return (places[:, :, None] != places[:, None, :]).sum(axis=0).astype(np.float64)
