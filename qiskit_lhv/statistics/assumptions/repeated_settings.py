"""Settings that repeat themselves after some number of trials, such as a list that was used again."""

from __future__ import annotations

import math

import numpy as np

from ..._support.types import FloatArray, IntArray
from .predictability import probability_limits
from .setting_numbers import marginal_limits

__all__ = ["RepeatedSettings"]


# Factors exp(tilt) of the odds that a setting comes again.
_TILTS = 0.1 * 2.0 ** np.arange(7)
# Lags that are kept, and the length of the trials that are looked at, times the number of settings of all parties.
_NUM_KEPT, _MAX_LENGTH = 64, 2**22
# Combinations up to which the repetition of whole combinations is looked at.
_MAX_COMBINATIONS = 64


class RepeatedSettings:
    """An e-value against settings that come again after P trials, for any P and any predictability.

    For each P, and for each party and for all of them together, every trial but the first P bets that the setting of P
    trials before comes again. The probability that it does lies between known limits. The factor is q / p for the limit
    p that is nearest to q, or 1 if q lies between them, so that its mean is at most 1. The mixture over all P has the
    weights 1 / (P (P + 1)), which sum to 1. Only the strongest P are kept, as leaving out others only makes the mixture
    smaller.
    """

    def __init__(self, settings: IntArray, probabilities: FloatArray) -> None:
        grid = probabilities.shape
        self._probabilities = probabilities
        parties = [k for k, m in enumerate(grid) if m > 1]
        # Who may repeat settings: a party, or all of them together (None).
        self._who: list[int | None] = [*parties]
        if len(parties) > 1 and probabilities.size <= _MAX_COMBINATIONS:
            self._who.append(None)
        rows = settings[: max(2, _MAX_LENGTH // (sum(grid) + probabilities.size))]
        self._lags = np.arange(1, len(rows))
        self._repeats, self._others = [], []
        for who in self._who:
            column = np.ravel_multi_index(tuple(rows.T), grid) if who is None else rows[:, who]
            repeats, others = _numbers_of_repeats(column, probabilities.size if who is None else grid[who])
            self._repeats.append(repeats)
            self._others.append(others)
        kept = np.argsort(-self._terms(0.0).max(axis=0, initial=-np.inf), kind="stable")[:_NUM_KEPT]
        self._lags = self._lags[kept]
        self._repeats = [repeats[:, kept] for repeats in self._repeats]
        self._others = [others[:, kept] for others in self._others]

    def log_e(self, predictability: float) -> tuple[float, str]:
        """Natural logarithm of the e-value, and what repeats itself, in words."""
        terms = self._terms(predictability)
        if terms.size == 0:
            return -math.inf, ""
        member, lag = np.unravel_index(int(np.argmax(terms)), terms.shape)
        who = self._who[member]
        whose = "" if who is None else f" of party {who}"
        period = int(self._lags[lag])
        when = "in the next trial" if period == 1 else f"after {period} trials"
        return float(np.logaddexp.reduce(terms, axis=None)), f"the settings{whose} repeat themselves {when}"

    def _terms(self, predictability: float) -> FloatArray:
        """Logarithms of the weighted e-values, by who repeats settings and by lag."""
        terms = np.empty((len(self._who), len(self._lags)))
        log_weights = -np.log(self._lags) - np.log(self._lags + 1.0)
        for i, who in enumerate(self._who):
            again, not_again = self._log_factors(who, predictability)
            logs = self._repeats[i].T @ again + self._others[i].T @ not_again
            terms[i] = np.logaddexp.reduce(logs, axis=1) - math.log(logs.shape[1] * len(self._who)) + log_weights
        return terms

    def _log_factors(self, who: int | None, predictability: float) -> tuple[FloatArray, FloatArray]:
        """Of each setting and tilt, for trials in which it comes again and in which it does not, shape ``(m, S)``."""
        if who is None:
            declared = self._probabilities.ravel()
            lower, upper = (limits.ravel() for limits in probability_limits(self._probabilities, predictability))
        else:
            declared = self._probabilities.sum(axis=tuple(j for j in range(self._probabilities.ndim) if j != who))
            lower, upper = marginal_limits(self._probabilities, predictability, who)
        odds = (declared / (1 - declared))[:, None] * np.exp(_TILTS)
        q = odds / (1 + odds)
        nearest = np.clip(q, lower[:, None], upper[:, None])
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
