"""Bell expressions declared beforehand: the probability that a local model scores as much as was seen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from ..._support.types import FloatArray, IntArray
from ..._support.validation import frozen, instance
from ..._support.words import counted
from ...exceptions import CountsError
from ...models.deterministic import enumerate_strategies, strategy_tables
from ...polytope.bounds.local_bounds import local_bound
from ...polytope.expressions.expression import BellExpression
from ...polytope.inequalities.bell_inequality import BellInequality
from ...targets.counts import BellCounts
from ...targets.designs import check_design
from ...targets.scenario import BellScenario
from ...targets.trials import BellTrials, require_counts_or_trials
from ...verification.branches import left_open
from ...verification.evidence import Evidence
from ...verification.games import check_log10_p, exact_score, proven_mean, proven_wins
from ...verification.local_bounds import local_bound_cost
from ...verification.result import Verification
from ..assumptions.predictability import check_predictability, mean_forms, refuse_predictable
from ..tails.binomial import convex_tail, log_tail
from .fair_sampling import require_all_shots

__all__ = ["GameTest", "declared_game", "game_test"]


_SCORE_BITS = 50
_TRIVIAL_DISTANCE = 1e-9
_FEW_STRATEGIES = 256
_FEW_ENTRIES = 1 << 16
_BOUND_TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False, repr=False)
class GameTest(Evidence):
    """The probability, or a bound of it, that a local model reaches a score as high as was seen.

    The record holds what was tested, so that the score, the local bound and the p-value can be derived from it again.

    References:
        W. Hoeffding, Ann. Math. Statist. 27, 713 (1956); V. Bentkus, Ann. Probab. 32, 1650 (2004); D. Elkouss, S.
        Wehner, arXiv:1510.07233.

    Examples:
        >>> from qiskit_lhv import chsh, load_bundled_counts
        >>> from qiskit_lhv.statistics import game_test
        >>> test = game_test(load_bundled_counts("delft_2015").counts, chsh())
        >>> print(test)
        game <A0 B0> + <A0 B1> + <A1 B0> - <A1 B1>: 196 wins in 245 trials, local bound 0.75: log10 p = -1.4081
        >>> round(test.score), test.num_trials, test.binomial, round(test.p_value, 4)
        (196, 245, True, 0.0391)
    """

    expression: BellExpression
    """The expression behind the scores, as it was declared."""
    tested: IntArray
    """The counts, shape ``(m_1, ..., m_N, d_1, ..., d_N)``."""
    design: str
    """``"blocks"`` (the trials' mean scores differ with the setting) or ``"random"``."""
    setting_probabilities: FloatArray | None
    """Probability of each setting combination for ``"random"``, else ``None``."""
    predictability: float
    """How far the probability of a party's random setting may be from the one declared; see :func:`game_test`."""
    score: float
    """Sum of the scores of all trials, each from 0 to 1. For a game, the number of trials won."""
    score_bound: float
    """Largest mean score of a local model, over the settings that were played."""
    knot: int
    """For other expressions, the number h in ``E[max(B - h, 0)] / (score - h)``, which bounds the probability."""
    log10_p_value: float
    """Base-10 logarithm of the p-value, rounded up."""

    def __post_init__(self) -> None:
        for name in ("tested", "setting_probabilities"):
            if isinstance(getattr(self, name), np.ndarray):
                object.__setattr__(self, name, frozen(getattr(self, name)))

    @property
    def rule(self) -> str:
        """The expression in words."""
        return str(self.expression)

    @property
    def num_trials(self) -> int:
        """Number of trials."""
        return int(self.tested.sum())

    @property
    def binomial(self) -> bool:
        """Whether all scores are 0 or 1 (a game), so that a binomial distribution bounds the number of wins."""
        shots = self.tested.sum(axis=self.expression.scenario.outcome_axes)
        return _is_game(self.expression, _setting_weights(shots, self.setting_probabilities) > 0)

    @property
    def fixed_settings(self) -> bool:
        """Whether the settings were fixed in blocks, where the trials' mean scores differ."""
        return self.design == "blocks"

    @property
    def p_value(self) -> float:
        """The p-value; 0.0 where it is below the smallest float."""
        return 10**self.log10_p_value

    @cached_property
    def inequality(self) -> BellInequality:
        """The Bell inequality that was tested: the expression and its local bound."""
        return BellInequality.of(self.expression)

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the p-value rests on besides the data."""
        declared = f"the expression {self.rule} was declared before the data were seen"
        if self.fixed_settings:
            return (
                declared,
                "the numbers of shots of each setting were fixed beforehand, and shots are independent, from one "
                "device that neither drifts nor remembers",
            )
        return (
            declared,
            "the number of trials was fixed before the data were seen: looking now and then, and stopping when the "
            "result is good, gives too many small p-values (the e-value of trials in their order may be read at any "
            "time)",
        )

    def __str__(self) -> str:
        trials = counted(self.num_trials, "trial")
        seen = (
            f"{counted(round(self.score), 'win')} in {trials}"
            if self.binomial
            else f"mean score {self.score / self.num_trials:.6g} in {trials}"
        )
        name = "game" if self.binomial else "expression"
        return f"{name} {self.rule}: {seen}, local bound {self.score_bound:.6g}: log10 p = {self.log10_p_value:.4f}"

    def verify(self, *, prove_bound: bool | None = None) -> Verification:
        """Derives the p-value again from the expression and the counts.

        The score is added up in rational arithmetic, the local bound is proven by another algorithm, and the tail is
        computed with 60 digits. The test passes if its bound and its p-value are not smaller than these (and not much
        larger). Fields that do not make up a test are refuted.

        Args:
            prove_bound: Whether to prove the local bound again; see ``BellInequality.verify``.
        """
        tested, n = self.tested, self.expression.scenario.num_parties
        if (
            not isinstance(tested, np.ndarray)
            or tested.dtype.kind not in "iu"
            or tested.shape != self.expression.scenario.shape
        ):
            return _refuted("the counts are not whole numbers in the expression's scenario")
        if np.any(tested[~self.expression.scenario.mask]):
            return _refuted("there are shots of outcomes that a setting does not have")
        if tested.min() < 0 or not 0 < sum(map(int, tested.flat)) <= 2**53:
            return _refuted("there are no counts, negative ones, or too many")
        numbers = (self.score, self.score_bound, self.log10_p_value, self.knot)
        if not all(isinstance(x, int | float | np.number) and not math.isnan(x) for x in numbers):
            return _refuted("the score, its bound, the knot or the p-value is not a number")
        probabilities = check_design(self.design, self.setting_probabilities, tested.shape[:n])
        predictability = check_predictability(self.predictability, self.design, probabilities)
        scenario = self.expression.scenario
        total, shots = self.num_trials, tested.sum(axis=tuple(range(n, 2 * n)))
        weights = _setting_weights(shots, probabilities)
        if np.any(shots[weights == 0]) or np.any(self.expression.coefficients[weights == 0]):
            return _refuted("shots or coefficients belong to setting combinations that are never measured")
        if np.ptp(self.expression.coefficients[scenario.mask & _per_cell(weights > 0)]) == 0:
            return _refuted("the expression's coefficients are equal")
        scores = _scores(self.expression.coefficients, weights, self.binomial, scenario)
        score = _rounded_down(exact_score(tested, scores))
        if score != self.score or scores.min() < 0 or scores.max() > 1:
            return _refuted(
                f"the score of these counts is {score:.12g}, not {self.score:.12g}", abs(score - self.score)
            )
        again = left_open(
            local_bound_cost(tested.shape, scenario.num_outcomes), prove_bound, "the local bound of the score"
        )
        if not again:
            return again
        most_wins = None
        if self.binomial and self.fixed_settings:
            most_wins = proven_wins(scores > 0, shots, scenario.num_outcomes)
            proven = Fraction(most_wins, total)
        else:
            proven = Fraction(proven_mean(scores, weights, predictability, scenario.num_outcomes))
        excess = float(min(proven, Fraction(1)) - Fraction(self.score_bound))
        if not -_BOUND_TOLERANCE <= excess <= 0:
            reason = f"a local model reaches a mean score of {float(proven):.12g}; the bound is {self.score_bound:.12g}"
            return _refuted(reason, abs(excess))
        if _claims_nothing(score, total, self.score_bound, most_wins):
            right = self.log10_p_value == 0 and self.knot == 0
            return Verification(right, "the score is too small to claim anything: p = 1", 0.0 if right else math.inf)
        knot = None if self.binomial else int(self.knot)
        if self.knot != (knot or 0) or not 0 <= self.knot < score:
            return _refuted("the knot is not a whole number below the score, or 0 for a game")
        size, mean = total, self.score_bound
        if self.fixed_settings and not self.binomial:
            size, mean = _in_fewer_trials(scores, shots, self.score_bound)
        return check_log10_p(self.log10_p_value, score, size, mean, knot)


def _refuted(reason: str, deviation: float = math.inf) -> Verification:
    return Verification(False, reason, deviation)


def game_test(
    data: BellCounts | BellTrials,
    expression: BellExpression,
    *,
    predictability: float = 0.0,
    fair_sampling: bool = False,
) -> GameTest:
    """The p-value of a Bell expression that was declared before the data were seen.

    *Settings that were not measured* (no shots in blocks, or the probability 0) do not count: there the coefficients
    must be 0. So four of the eight setting combinations of three parties are enough for Mermin's expression, where they
    make it a game.

    *Games.* If the coefficients have two values where settings were measured, a trial is won if it has the larger one;
    for CHSH, if the outcomes agree with the sign of their correlator. With settings drawn at random, the number of wins
    is bounded by a binomial variable, also for devices with memory. In blocks the probability to win differs from
    setting to setting. Then the mean probability is bounded, and the binomial bound holds from one win above the
    bound's mean on; below, p = 1.

    *Other expressions.* Every trial scores its coefficient, divided by the probability (in blocks: by the share) of its
    settings, shifted and scaled to lie between 0 and 1. A sum of such scores whose mean is at most beta is dominated,
    for every convex increasing function, by a binomial variable B with n trials and the probability beta. So
    P(sum >= s) is at most ``min_h E[max(B - h, 0)] / (s - h)``. This is sharper than the bounds of Hoeffding and
    McDiarmid, and at most e times the (interpolated) binomial tail. It is valid for devices with memory if settings
    were random.

    *The number of trials must be fixed beforehand*, also with random settings. If you look now and then, and stop when
    the result is good, small p-values come too often: with 60 looks, p <= 0.01 in 6 to 9 % of local experiments,
    depending on when you look. The e-value of trials in their order, ``ratio_e_value(trials)``, may be read at any
    time.

    Args:
        data: Counts or trials.
        expression: A Bell expression, such as ``chsh()``.
        predictability: For random settings, how far the probability of a party's setting, given everything before the
            trial and the settings of the parties before it, may be from the one declared (excess predictability of the
            random number generators).
        fair_sampling: Your statement that post-selected shots are a fair sample of all; without it they are refused.

    Returns:
        The test; its p-value is rounded up.

    Raises:
        CountsError: If the scenarios differ, a coefficient belongs to settings that were not measured, the
            predictability is out of range or so large that a local model can reach every score, a local model always
            reaches the largest value of the expression, or shots were post-selected without that statement.

    References:
        W. Hoeffding, Ann. Math. Statist. 27, 713 (1956), theorems 3 and 4; V. Bentkus, Ann. Probab. 32, 1650 (2004);
        arXiv:1510.07233; Nature 526, 682 (2015).

    Examples:
        The published p-value of the experiment in Delft:

        >>> from qiskit_lhv import chsh, load_bundled_counts
        >>> test = game_test(load_bundled_counts("delft_2015").counts, chsh())
        >>> print(f"{test.score:.0f} wins in {test.num_trials} trials, p = {test.p_value:.3f}")
        196 wins in 245 trials, p = 0.039
    """
    data = require_counts_or_trials(data)
    instance(expression, BellExpression, "expression", CountsError, "Such as chsh().")
    test = declared_game(data, expression, predictability, fair_sampling)
    if test is not None:
        return test
    if predictability > 0 and data.setting_probabilities is not None:
        refuse_predictable(data.setting_probabilities, predictability)
    raise CountsError.bad_argument(
        "expression",
        expected="an expression whose largest value no local model reaches with these settings",
        got="one that a local model reaches",
        remedy="Its local bound is trivial, so nothing can be tested with it.",
    )


def declared_game(
    data: BellCounts | BellTrials, expression: BellExpression, predictability: float, fair_sampling: bool
) -> GameTest | None:
    """The test of :func:`game_test`, or ``None`` if a local model reaches every score."""
    table = data.table if isinstance(data, BellTrials) else data.array
    if expression.coefficients.shape != table.shape:
        raise CountsError.bad_argument(
            "expression", expected=f"coefficients of shape {table.shape}", got=f"{expression.coefficients.shape}"
        )
    if expression.scenario != data.scenario:
        raise CountsError.bad_argument("expression", expected=f"one of {data.scenario}", got=f"{expression.scenario}")
    predictability = check_predictability(predictability, data.design, data.setting_probabilities)
    require_all_shots(data, fair_sampling)
    n = table.ndim // 2
    shots = table.sum(axis=tuple(range(n, 2 * n)))
    total = int(shots.sum())
    weights = _setting_weights(shots, data.setting_probabilities)
    played = weights > 0
    unmeasured = np.argwhere(~played & np.any(expression.coefficients != 0, axis=tuple(range(n, 2 * n))))
    if len(unmeasured):
        raise CountsError.bad_argument(
            "expression",
            expected="coefficients of 0 for setting combinations that were not measured",
            got=f"others for settings {tuple(int(i) for i in unmeasured[0])}",
            remedy="Declare an expression of what was measured, write marginals at measured settings "
            "(BellExpression(coefficients)), or measure these settings.",
        )
    if float(np.ptp(expression.coefficients[expression.scenario.mask & _per_cell(played)])) == 0:
        raise CountsError.bad_argument("expression", expected="coefficients that differ", got="equal ones")
    game, blocks = _is_game(expression, played), data.design == "blocks"
    scenario = expression.scenario
    scores = _scores(expression.coefficients, weights, game, scenario)
    most_wins = _most_wins(scores, shots, scenario) if game and blocks else None
    bound = (
        _score_bound(scores, weights, predictability, scenario)
        if most_wins is None
        else _rounded_up(Fraction(most_wins, total))
    )
    if bound >= 1 - _TRIVIAL_DISTANCE:
        return None
    score = float(table[scores > 0].sum()) if game else _rounded_down(_total_score(table, scores))
    knot, log_p = 0, 0.0
    if not _claims_nothing(score, total, bound, most_wins):
        if game:
            log_p = log_tail(round(score), total, bound)
        else:
            size, mean = _in_fewer_trials(scores, shots, bound) if blocks else (total, bound)
            knot, log_p = convex_tail(score, size, mean)
    return GameTest(
        expression,
        table,
        data.design,
        data.setting_probabilities,
        predictability,
        score,
        bound,
        knot,
        min(0.0, log_p / math.log(10)),
    )


def _per_cell(played: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether the setting combination of each cell is played, with axes of length 1 for the outcomes."""
    return played.reshape(played.shape + (1,) * played.ndim)


def _is_game(expression: BellExpression, played: NDArray[np.bool_]) -> bool:
    """Whether the coefficients have two values at most, where settings are played."""
    coefficients = expression.coefficients[expression.scenario.mask & _per_cell(played)]
    low, high = coefficients.min(), coefficients.max()
    return bool(np.all((coefficients == low) | (coefficients == high)))


def _setting_weights(shots: IntArray, probabilities: FloatArray | None) -> FloatArray:
    """The probability of each setting combination, normalized, or its share of the shots."""
    return shots / int(shots.sum()) if probabilities is None else probabilities / math.fsum(probabilities.flat)


def _scores(
    coefficients: FloatArray, weights: FloatArray, game: bool, scenario: BellScenario | None = None
) -> FloatArray:
    """Score of each cell, from 0 to 1, a binary fraction; 0 for outcomes that a setting does not have."""
    if scenario is not None and not scenario.has_equal_outcomes:
        return np.where(scenario.mask, _scores(scenario.filled(coefficients), weights, game), 0.0)
    n = weights.ndim
    if game:
        wins = coefficients == coefficients[weights > 0].max()
        return (wins & _per_cell(weights > 0)).astype(float)
    low = coefficients.min(axis=tuple(range(n, 2 * n)), keepdims=True)
    wide = weights.reshape(low.shape)
    # Settings that were never played score nothing.
    scores = np.where(wide > 0, (coefficients - low) / np.where(wide > 0, wide, 1), 0)
    # Rounded to binary fractions, so that local bounds of their weighted sums are exact.
    scale = 2.0**_SCORE_BITS
    return np.rint(scores / scores.max() * scale) / scale


def _in_fewer_trials(scores: FloatArray, shots: IntArray, bound: float) -> tuple[int, float]:
    """In blocks, the number of variables from 0 to 1 whose sum bounds that of the scores, and their largest mean."""
    largest = scores.max(axis=tuple(range(shots.ndim, 2 * shots.ndim)))
    size = sum(math.ceil(Fraction(float(c)) * int(n)) for c, n in zip(largest.flat, shots.flat, strict=True))
    return size, min(1.0, _rounded_up(Fraction(bound) * int(shots.sum()) / size))


def _total_score(table: IntArray, scores: FloatArray) -> Fraction:
    """The sum of the scores of all trials, exactly."""
    units = (scores * 2.0**_SCORE_BITS).astype(np.int64)
    seen = table > 0
    total = sum(count * unit for count, unit in zip(table[seen].tolist(), units[seen].tolist(), strict=True))
    return Fraction(total, 2**_SCORE_BITS)


def _most_wins(scores: FloatArray, shots: IntArray, scenario: BellScenario) -> int:
    """The most trials that a deterministic strategy wins."""
    return round(_largest_value(scores * shots.reshape(shots.shape + (1,) * shots.ndim), scenario))


def _score_bound(scores: FloatArray, weights: FloatArray, predictability: float, scenario: BellScenario) -> float:
    """The largest mean score of a local model, rounded up."""
    found = [1.0]
    for share, mean_weights in mean_forms(weights, predictability):
        exact = mean_weights.reshape(weights.shape + (1,) * weights.ndim) * scores
        # As many digits as leave the sum of all cells exact in 53 bits.
        scale = 2.0 ** min(_SCORE_BITS, 52 - math.ceil(math.log2(float(exact.sum()) + 1)))
        # One unit more than the ceiling covers the rounding of the product itself.
        largest = _largest_value((np.ceil(exact * scale) + np.where(exact > 0, 1, 0)) / scale, scenario)
        found.append(_rounded_up(Fraction(share) + Fraction(largest)))
    return min(found)


def _largest_value(coefficients: FloatArray, scenario: BellScenario) -> float:
    """The largest value over all strategies, for binary fractions whose sum is exact in a float."""
    if scenario.num_strategies <= _FEW_STRATEGIES and scenario.num_strategies * scenario.num_cells <= _FEW_ENTRIES:
        return float((_all_tables(scenario) @ coefficients.ravel()).max())
    return local_bound(BellExpression(coefficients, scenario)).value


@lru_cache(maxsize=4)
def _all_tables(scenario: BellScenario) -> FloatArray:
    """The tables of all deterministic strategies of a small scenario."""
    return strategy_tables(enumerate_strategies(scenario), scenario)


def _claims_nothing(score: float, total: int, bound: float, most_wins: int | None) -> bool:
    """Whether the score is too small to claim anything, so that p = 1.

    For games in blocks, for which ``most_wins`` of a local model is given, Hoeffding's theorem for unequal trials holds
    only from one win above the mean on.
    """
    return score < most_wins + 1 if most_wins is not None else Fraction(score) <= total * Fraction(bound)


def _rounded_up(value: Fraction) -> float:
    result = float(value)
    return result if Fraction(result) >= value else math.nextafter(result, math.inf)


def _rounded_down(value: Fraction) -> float:
    return -_rounded_up(-value)
