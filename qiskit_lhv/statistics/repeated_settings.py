"""Settings that repeat themselves after some number of trials, such as a list that was used again."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from .setting_numbers import marginal_limits

__all__ = ["RepeatedSettings"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Factors exp(tilt) of the odds that a setting comes again.
_TILTS = np.array([0.5, 1.0, 2.0, 4.0, 7.0])
# Lags that are kept, and the length of the trials that are looked at, times the number of settings of all parties.
_NUM_KEPT, _MAX_LENGTH = 64, 2**22


class RepeatedSettings:
    """An e-value against settings that come again after P trials, for any P and any predictability.

    For each P and party, every trial but the first P bets that the setting of P trials before comes again. Whether it
    does has a probability between known limits; the factor is q / p for the limit p that is nearest to q, or 1 between
    them, so that its mean is at most 1. The mixture over all P has the weights 1 / (P (P + 1)), which sum to 1. Only
    the strongest P are kept: what is left out of a mixture makes it smaller.
    """

    def __init__(self, settings: IntArray, probabilities: FloatArray) -> None:
        grid = probabilities.shape
        self._probabilities = probabilities
        rows = settings[: max(2, _MAX_LENGTH // sum(grid))]
        self._parties = [k for k, m in enumerate(grid) if m > 1]
        given = [_numbers_of_repeats(rows[:, k], grid[k]) for k in self._parties]
        lags = np.arange(1, len(rows))
        self._log_weights = -np.log(lags) - np.log(lags + 1.0)
        self._repeats = [repeats for repeats, _ in given]
        self._others = [others for _, others in given]
        kept = np.argsort(-self._terms(0.0).max(axis=0, initial=-np.inf), kind="stable")[:_NUM_KEPT]
        self._lags, self._log_weights = lags[kept], self._log_weights[kept]
        self._repeats = [repeats[:, kept] for repeats in self._repeats]
        self._others = [others[:, kept] for others in self._others]

    def log_e(self, predictability: float) -> tuple[float, str]:
        """Natural logarithm of the e-value, and what repeats itself, in words."""
        terms = self._terms(predictability)
        if terms.size == 0:
            return -math.inf, ""
        member, lag = np.unravel_index(int(np.argmax(terms)), terms.shape)
        who = f"the settings of party {self._parties[member]}" if member < len(self._parties) else "the settings"
        period = int(self._lags[lag])
        when = "in the next trial" if period == 1 else f"after {period} trials"
        return float(np.logaddexp.reduce(terms, axis=None)), f"{who} repeat themselves {when}"

    def _terms(self, predictability: float) -> FloatArray:
        """Logarithms of the weighted e-values: of each party alone and of all together; by lag."""
        logs = []
        for k, repeats, others in zip(self._parties, self._repeats, self._others, strict=True):
            again, not_again = self._log_factors(k, predictability)
            logs.append(np.logaddexp.reduce(repeats.T @ again + others.T @ not_again, axis=1) - math.log(len(_TILTS)))
        if len(logs) > 1 and self._independent:
            # Given the settings of the parties before, the limits are the same.
            logs.append(np.sum(logs, axis=0))
        if not logs:
            return np.empty((0, len(self._log_weights)))
        return np.stack(logs) + self._log_weights - math.log(len(self._parties) + 1)

    @property
    def _independent(self) -> bool:
        """Whether the declared probabilities are products."""
        product: FloatArray = np.ones(())
        for k in range(self._probabilities.ndim):
            others = tuple(j for j in range(self._probabilities.ndim) if j != k)
            product = np.multiply.outer(product, self._probabilities.sum(axis=others))
        return bool(np.allclose(product, self._probabilities, rtol=1e-12, atol=0))

    def _log_factors(self, party: int, predictability: float) -> tuple[FloatArray, FloatArray]:
        """Of each setting and tilt, for trials in which it comes again and in which it does not, shape ``(m, S)``."""
        lower, upper = (limits[:, None] for limits in marginal_limits(self._probabilities, predictability, party))
        others = tuple(j for j in range(self._probabilities.ndim) if j != party)
        declared = self._probabilities.sum(axis=others)[:, None]
        odds = declared / (1 - declared) * np.exp(_TILTS)
        q = odds / (1 + odds)
        nearest = np.clip(q, lower, upper)
        same = nearest == q
        with np.errstate(divide="ignore", invalid="ignore"):
            again, not_again = np.log(q / nearest), np.log((1 - q) / (1 - nearest))
        return np.where(same, 0.0, again), np.where(same, 0.0, not_again)


def _numbers_of_repeats(column: IntArray, size: int) -> tuple[IntArray, IntArray]:
    """For each setting and lag P, how often it came P trials before, and it came again or not; ``(m, T - 1)``."""
    from scipy.fft import irfft, next_fast_len, rfft

    count = len(column)
    length = next_fast_len(2 * count, real=True)
    repeats = np.empty((size, count - 1), dtype=np.int64)
    others = np.empty_like(repeats)
    for v in range(size):
        here = (column == v).astype(np.float64)
        spectrum = rfft(here, length)
        repeats[v] = np.rint(irfft(spectrum * spectrum.conj(), length)[1:count]).astype(np.int64)
        others[v] = np.cumsum(column == v)[::-1][1:] - repeats[v]
    return repeats, others
