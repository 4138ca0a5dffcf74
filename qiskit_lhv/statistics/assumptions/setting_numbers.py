"""How often each setting came, against the declared probabilities: bounds that hold for any number of trials."""

from __future__ import annotations

import math

import numpy as np

from ..._support.types import FloatArray, IntArray
from .predictability import probability_limits

__all__ = ["log10_numbers_p", "marginal_limits", "setting_words"]


# Concentrations of the mixture over other probabilities, as multiples of the number of setting combinations.
_CONCENTRATIONS = 10.0 ** np.arange(6)
_SMALLEST_TAIL = 1e-280


def log10_numbers_p(shots: IntArray, probabilities: FloatArray, predictability: float) -> tuple[float, str]:
    """A valid p-value of the numbers of trials of each setting combination, given how many there are in all.

    Given everything before it, a trial has a setting combination with a probability between known limits. So the
    number of its trials is stochastically larger than a binomial variable with the lower limit and smaller than one
    with the upper limit, whatever chooses within the limits (the sum of 0-1 variables with such conditional
    probabilities is coupled to independent ones, trial by trial). The same holds for each setting of each party.
    Bonferroni's correction covers them all, on both sides. Deviations that are spread over many combinations are seen
    by an e-value: the probability of the numbers if the probabilities were drawn from a Dirichlet distribution around
    the declared ones, over the product of the upper limits. (For a fixed q the mean of ``q_x / upper_x`` is at most
    ``sum_x q_x = 1`` in every trial.) The smaller of the two, doubled, is the p-value.

    Args:
        shots: Trials of each setting combination, shape ``(m_1, ..., m_N)``.
        probabilities: Declared probabilities of the same shape.
        predictability: See ``probability_limits``.

    Returns:
        Base-10 logarithm of the p-value, and what contradicts most, in words.
    """
    seen, lower, upper = _numbers_and_limits(shots, probabilities, predictability)
    total = int(shots.sum())
    tails = np.zeros((2, len(seen)))
    for i, number in enumerate(seen.tolist()):
        tails[0, i] = _log_tail(number, total, float(upper[i]))
        tails[1, i] = _log_tail(total - number, total, 1 - float(lower[i]))
    best = int(np.argmin(tails.min(axis=0)))
    log_tail = float(tails.min()) + math.log(tails.size)
    log_spread = -_log_spread_e(shots, probabilities, predictability)
    log10_p = min(0.0, (min(log_tail, log_spread) + math.log(2)) / math.log(10))
    if log_spread < log_tail:
        return log10_p, "the setting combinations together do not come as often as declared"
    return log10_p, _words(best, shots, probabilities)


def setting_words(setting: tuple[int, ...]) -> str:
    """A setting combination, in words."""
    return f"settings {setting}" if len(setting) > 1 else f"setting {setting[0]}"


def marginal_limits(probabilities: FloatArray, predictability: float, party: int) -> tuple[FloatArray, FloatArray]:
    """Limits of the probability of each setting of a party, given everything before the trial."""
    others = tuple(k for k in range(probabilities.ndim) if k != party)
    lower, upper = (limits.sum(axis=others) for limits in probability_limits(probabilities, predictability))
    if predictability == 0:
        return lower, upper
    # It is also a mean over the settings of the parties before it, for each of which the limits are known.
    joint = probabilities.sum(axis=tuple(range(party + 1, probabilities.ndim)))
    totals = joint.sum(axis=party, keepdims=True)
    if not totals.min() > 0:
        # Given settings that should never come, nothing is declared.
        return lower, upper
    given = (joint / totals).reshape(-1, probabilities.shape[party])
    lower = np.maximum(lower, np.maximum(given.min(axis=0) - predictability, 0))
    upper = np.minimum(upper, np.minimum(given.max(axis=0) + predictability, 1))
    return lower, upper


def _numbers_and_limits(
    shots: IntArray, probabilities: FloatArray, predictability: float
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Numbers of trials, and limits of their probability: of each combination, then of each party's settings."""
    cell_lower, cell_upper = probability_limits(probabilities, predictability)
    seen, lower, upper = [shots.ravel()], [cell_lower.ravel()], [cell_upper.ravel()]
    for k in range(shots.ndim if shots.ndim > 1 else 0):
        party_lower, party_upper = marginal_limits(probabilities, predictability, k)
        seen.append(shots.sum(axis=tuple(j for j in range(shots.ndim) if j != k)))
        lower.append(party_lower)
        upper.append(party_upper)
    return np.concatenate(seen), np.concatenate(lower), np.concatenate(upper)


def _words(line: int, shots: IntArray, probabilities: FloatArray) -> str:
    total = int(shots.sum())
    if line < shots.size:
        x = tuple(int(i) for i in np.unravel_index(line, shots.shape))
        return f"{setting_words(x)} came {shots[x]} times of {total}; declared {probabilities[x]:.6g}"
    line -= shots.size
    party = 0
    while line >= shots.shape[party]:
        line -= shots.shape[party]
        party += 1
    number, declared = (int(np.take(shots, line, axis=party).sum()), float(np.take(probabilities, line, party).sum()))
    return f"setting {line} of party {party} came {number} times of {total}; declared {declared:.6g}"


def _log_tail(number: int, total: int, probability: float) -> float:
    """Logarithm of P(Bin(total, probability) >= number), or a little more; 0 up to the mean."""
    from scipy.special import bdtrc, kl_div

    if number <= total * probability:
        return 0.0
    if probability <= 0:
        return -math.inf
    tail = float(bdtrc(number - 1, total, probability))
    if tail > _SMALLEST_TAIL:
        return math.log(tail)
    # The terms fall at least as fast as a geometric series.
    rest, other = total - number, 1 - probability
    log_mass = -float(kl_div(number, total * probability) + kl_div(rest, total * other))
    log_mass += _stirling_error(total) - _stirling_error(number) - _stirling_error(rest)
    if rest > 0:
        log_mass -= 0.5 * math.log(2 * math.pi * number * (rest / total))
    return log_mass - math.log1p(-rest / (number + 1) * probability / other)


def _stirling_error(n: int) -> float:
    """The logarithm of n! minus Stirling's formula ``(n + 1/2) log n - n + log(2 pi) / 2`` (0 for n = 0)."""
    if n == 0:
        return 0.0
    if n < 16:
        return math.lgamma(n + 1) - (n + 0.5) * math.log(n) + n - 0.5 * math.log(2 * math.pi)
    return (1 / 12 - (1 / 360 - 1 / 1260 / n**2) / n**2) / n


def _log_spread_e(shots: IntArray, probabilities: FloatArray, predictability: float) -> float:
    from scipy.special import gammaln

    weights = (_CONCENTRATIONS * shots.size).reshape(-1, 1)
    # Combinations of probability 0 have no trials, and no alternative gives them any.
    drawn = probabilities > 0
    upper = probability_limits(probabilities, predictability)[1][drawn]
    total, shots = int(shots.sum()), shots[drawn]
    prior = weights * probabilities[drawn]
    logs = gammaln(weights[:, 0]) - gammaln(weights[:, 0] + total)
    logs = logs + np.sum(gammaln(prior + shots) - gammaln(prior), axis=1)
    return float(np.logaddexp.reduce(logs) - math.log(len(weights)) - np.sum(shots * np.log(upper)))
