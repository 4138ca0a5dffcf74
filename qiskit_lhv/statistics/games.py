"""Bell expressions declared beforehand: the probability that a local model scores as much as was seen."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .._records import Record
from ..exceptions import CountsError
from ..polytope.bounds import local_bound
from ..polytope.inequalities import BellExpression
from ..targets.counts import BellCounts, require_all_shots
from ..targets.trials import BellTrials
from ..verification import Verification
from .predictability import check_predictability, mean_forms, refuse_predictable

__all__ = ["GameTest", "game_test"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_BITS = 50
_TRIVIAL = 1e-9


@dataclass(frozen=True, eq=False, repr=False)
class GameTest(Record):
    """The probability that a local model reaches a score as high as was seen, or a bound of it."""

    rule: str
    """The expression behind the scores."""
    score: float
    """Sum of the scores of all trials, each from 0 to 1. For a game, the number of trials won."""
    num_trials: int
    """Number of trials."""
    score_bound: float
    """Largest mean score of a local model, over the settings that were played."""
    binomial: bool
    """Whether all scores are 0 or 1 (a game), so that a binomial distribution bounds the number of wins."""
    fixed_settings: bool
    """Whether the settings were fixed in blocks, where the trials' mean scores differ."""
    knot: int
    """For other expressions, the number h in ``E[max(B - h, 0)] / (score - h)``, which bounds the probability."""
    log10_p_value: float
    """Base-10 logarithm of the p-value."""

    @property
    def p_value(self) -> float:
        """The p-value; 0.0 where it is below the smallest float."""
        return 10**self.log10_p_value

    def __str__(self) -> str:
        seen = (
            f"{self.score:.0f} wins in {self.num_trials} trials"
            if self.binomial
            else f"mean score {self.score / self.num_trials:.6g} in {self.num_trials} trials"
        )
        name = "game" if self.binomial else "expression"
        return f"{name} {self.rule}: {seen}, local bound {self.score_bound:.6g}: log10 p = {self.log10_p_value:.4f}"

    def verify(self) -> Verification:
        """Recomputes the p-value with 40 digits, term by term."""
        import mpmath

        with mpmath.workdps(40):
            if _claims_nothing(self.score, self.num_trials, self.score_bound, self.binomial and self.fixed_settings):
                log10_p = mpmath.mpf(0)
            elif self.binomial:
                log10_p = mpmath.log10(_precise_sum(round(self.score), self.num_trials, self.score_bound, None))
            elif not self.knot < self.score:
                return Verification(False, "the knot is not below the score", math.inf)
            else:
                excess = _precise_sum(self.knot + 1, self.num_trials, self.score_bound, self.knot)
                log10_p = min(mpmath.mpf(0), mpmath.log10(excess / (mpmath.mpf(self.score) - self.knot)))
            error = float(abs(log10_p - self.log10_p_value))
            tolerance = 1e-9 * max(1.0, abs(self.log10_p_value))
            kind = "binomial tail" if self.binomial else "bound of the tail"
            return Verification(error <= tolerance, f"the {kind} is 10^{float(log10_p):.9g}", error)


def game_test(
    data: BellCounts | BellTrials,
    expression: BellExpression,
    *,
    predictability: float = 0.0,
    fair_sampling: bool = False,
) -> GameTest:
    """The p-value of a Bell expression that was declared before the data were seen.

    *Games.* If the coefficients have two values, a trial is won where it has the larger one; for CHSH, where the
    outcomes agree with the sign of their correlator. With settings drawn at random the number of wins is bounded by a
    binomial, also for devices with memory. In blocks the trials' win probabilities differ with the setting; their
    mean is bounded, and the binomial bound holds from one win above the bound's mean on (below, p = 1).

    *Other expressions.* Every trial scores its coefficient, divided by the probability (in blocks: by the share) of its
    settings, shifted and scaled to lie between 0 and 1. A sum of such scores whose mean is at most beta is dominated,
    for every convex increasing function, by a binomial variable B of n trials and beta; so P(sum >= s) is at most
    ``min_h E[max(B - h, 0)] / (s - h)``. This is sharper than the bounds of Hoeffding and McDiarmid and at most e times
    the (interpolated) binomial tail. It holds against memory if settings were random.

    Args:
        data: Counts or trials.
        expression: A Bell expression, such as ``chsh()``.
        predictability: For random settings, how far the probability of a party's setting, given everything before the
            trial and the settings of the parties before it, may be from the one declared (excess predictability of the
            random number generators).
        fair_sampling: Your statement that post-selected shots are a fair sample of all; else they are refused.

    Raises:
        CountsError: If the scenarios differ, the predictability is out of range or so large that a local model can
            reach every score, a local model always reaches the largest value of the expression, or shots were
            post-selected without that statement.

    References:
        W. Hoeffding, Ann. Math. Statist. 27, 713 (1956), theorems 3 and 4; V. Bentkus, Ann. Probab. 32, 1650 (2004);
        arXiv:1510.07233; Nature 526, 682 (2015).

    Examples:
        >>> from qiskit_lhv import chsh, load_bundled_counts
        >>> round(game_test(load_bundled_counts("delft_2015").counts, chsh()).p_value, 6)
        0.039078
    """
    table = data.table if isinstance(data, BellTrials) else data.array
    if expression.coefficients.shape != table.shape:
        raise CountsError.bad_argument(
            "expression", expected=f"coefficients of shape {table.shape}", got=f"{expression.coefficients.shape}"
        )
    predictability = check_predictability(predictability, data.design, data.setting_probabilities)
    require_all_shots(data, fair_sampling)
    if float(np.ptp(expression.coefficients)) == 0:
        raise CountsError.bad_argument("expression", expected="coefficients that differ", got="equal ones")
    n = table.ndim // 2
    shots = table.sum(axis=tuple(range(n, 2 * n)))
    total = int(shots.sum())
    probabilities = shots / total if data.setting_probabilities is None else data.setting_probabilities
    binomial = len(np.unique(expression.coefficients)) == 2
    scores = _scores(expression.coefficients, probabilities, binomial)
    bound = _score_bound(scores, shots, probabilities, predictability, data.design == "blocks")
    if bound >= 1 - _TRIVIAL:
        _refuse(probabilities, predictability)
    blocks = data.design == "blocks"
    score = float(np.sum(table * scores))
    if binomial:
        score = float(round(score))
    knot, log10_p = 0, 0.0
    if not _claims_nothing(score, total, bound, binomial and blocks):
        if binomial:
            log10_p = min(0.0, _log10_binomial_tail(round(score), total, bound))
        else:
            knot, log10_p = _log10_convex_tail(score, total, bound)
    return GameTest(str(expression), score, total, bound, binomial, blocks, knot, log10_p)


def _claims_nothing(score: float, total: int, bound: float, binomial_blocks: bool) -> bool:
    """Whether p = 1 whatever the distribution; Hoeffding's theorem for unequal trials starts one win above the mean."""
    return score < total * bound + 1 if binomial_blocks else score <= total * bound


def _scores(coefficients: FloatArray, probabilities: FloatArray, binomial: bool) -> FloatArray:
    """Score of each cell, from 0 to 1."""
    if binomial:
        return (coefficients == coefficients.max()).astype(float)
    n = probabilities.ndim
    low = coefficients.min(axis=tuple(range(n, 2 * n)), keepdims=True)
    scores = (coefficients - low) / np.maximum(probabilities, 1e-300).reshape(low.shape)
    # Rounded to binary fractions, so that local bounds of their weighted sums are exact.
    scale = 2.0**_BITS
    return np.rint(scores / scores.max() * scale) / scale


def _score_bound(
    scores: FloatArray, shots: IntArray, probabilities: FloatArray, predictability: float, blocks: bool
) -> float:
    n = shots.ndim
    wide = shots.shape + (1,) * n
    whole = np.all((scores == 0) | (scores == 1))
    if blocks and whole:
        # Whole numbers, so the bound is exact.
        return min(1.0, local_bound(BellExpression(shots.reshape(wide) * scores)).value / int(shots.sum()))
    found = []
    for share, weights in mean_forms(probabilities, predictability):
        exact = weights.reshape(wide) * scores
        # One unit more than the ceiling covers the rounding of the product itself.
        rounded = (np.ceil(exact * 2.0**_BITS) + 1) / 2.0**_BITS
        found.append(share + local_bound(BellExpression(rounded)).value)
    return min(1.0, *found)


def _refuse(probabilities: FloatArray, predictability: float) -> None:
    if predictability > 0:
        refuse_predictable(probabilities, predictability)
    raise CountsError.bad_argument(
        "expression",
        expected="an expression whose largest value no local model reaches with these settings",
        got="one that a local model reaches",
        remedy="Its local bound is trivial, so nothing can be tested with it.",
    )


def _log10_binomial_tail(wins: int, total: int, probability_of_win: float) -> float:
    """log10 of P(Bin(total, p) >= wins)."""
    from scipy.special import logsumexp

    if wins <= 0 or probability_of_win >= 1:
        return 0.0
    return float(logsumexp(_log_masses(wins, wins, total, probability_of_win))) / math.log(10)


def _log_masses(first: int, wins: float, total: int, probability_of_win: float) -> FloatArray:
    """Logarithms of P(Bin(total, p) = k) for k from ``first`` on, up to where nothing is left."""
    from scipy.special import gammaln

    # Terms more than 50 standard deviations above both the mean and the score add nothing.
    last = min(total, int(max(wins, total * probability_of_win) + 50 * math.sqrt(total) + 50))
    k = np.arange(first, last + 1)
    log_choose = gammaln(total + 1) - gammaln(k + 1) - gammaln(total - k + 1)
    masses: FloatArray = log_choose + k * math.log(probability_of_win) + (total - k) * math.log1p(-probability_of_win)
    return masses


def _log10_convex_tail(score: float, total: int, mean: float) -> tuple[int, float]:
    """The best h and log10 of E[max(B - h, 0)] / (score - h), with B binomial; at most 0."""
    if mean <= 0:
        return 0, -math.inf if score > 0 else 0.0
    # h lies a few standard deviations below the score at the most, where the bound is not trivial.
    lowest = max(0, math.floor(min(total * mean, score) - 20 * math.sqrt(total)) - 1)
    masses = _log_masses(lowest, score, total, mean)
    # tails[i] = log P(B >= lowest + i); excess[i] = log E[max(B - (lowest + i - 1), 0)].
    tails = np.logaddexp.accumulate(masses[::-1])[::-1]
    excess = np.logaddexp.accumulate(tails[::-1])[::-1]
    knots = np.arange(lowest, math.ceil(score))
    values = excess[1 : len(knots) + 1] - np.log(score - knots)
    best = int(np.argmin(values))
    return int(knots[best]), min(0.0, float(values[best]) / math.log(10))


def _precise_sum(first: int, total: int, mean: float, knot: int | None):  # type: ignore[no-untyped-def]
    """The sum over k >= first of P(Bin(total, mean) = k), times k - knot if there is a knot, with 40 digits."""
    import mpmath

    p = mpmath.mpf(mean)
    if first <= 0 or p >= 1:
        return mpmath.mpf(1)
    mass = mpmath.binomial(total, first) * p**first * (1 - p) ** (total - first)
    k, result = first, mpmath.mpf(0)
    while True:
        term = mass if knot is None else mass * (k - knot)
        result += term
        if k == total or (k > total * p and term <= result * mpmath.mpf(10) ** -30):
            return result
        mass *= mpmath.mpf(total - k) / (k + 1) * p / (1 - p)
        k += 1
