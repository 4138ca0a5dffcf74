"""Advice for a new run after a test: how many shots it needs, and whether another form of CHSH is violated."""

from __future__ import annotations

import math

import numpy as np

from ..._support.validation import probability
from ...exceptions import CountsError
from ...polytope.expressions.expression import BellExpression
from ...targets.counts import BellCounts
from ..evidence.combined_e_values import CombinedEValue
from ..evidence.combined_tests import CombinedTest, family_of
from ..evidence.e_values import EValue
from ..evidence.games import GameTest
from ..intervals.chsh_values import chsh_correlators
from ..tails.binomial import convex_tail, log_tail
from .expected_evidence import ExpectedEvidence

__all__ = ["best_other_form", "declared_shots_needed", "game_shots_needed"]

_STANDARD_ERRORS = 2.0


def best_other_form(counts: BellCounts, expression: BellExpression) -> tuple[str, float] | None:
    """The form of the family that counts violate, if the declared one is not the right one.

    Args:
        counts: The counts.
        expression: The expression that was declared.

    Returns:
        A sentence for people and the value S of the form that is largest in the counts, if the declared form of CHSH is
        at or below its local bound and that one exceeds it by more than two standard errors; else ``None``.

    Examples:
        >>> from qiskit_lhv import chsh, load_bundled_counts
        >>> counts = load_bundled_counts("ibm_hanoi19_20circuit13").counts
        >>> best_other_form(counts, chsh())[0]
        'the other CHSH form, minus at (0, 0), has S = 2.77; a new run could declare it'
    """
    family = family_of(counts.scenario) if counts.is_complete else ()
    won = [form.coefficients == form.coefficients.max() for form in family]
    declared = expression.coefficients == expression.coefficients.max()
    place = next((i for i, mask in enumerate(won) if np.array_equal(mask, declared)), None)
    if place is None or len(np.unique(expression.coefficients)) != 2:
        return None
    frequencies = counts.frequencies()
    values = [form.value(frequencies) for form in family]
    best = int(np.argmax(values))
    _, error = chsh_correlators(counts)
    if values[place] > 2 or not values[best] > 2 + _STANDARD_ERRORS * error:
        return None
    # The signs of the correlators: one of them differs from the other three.
    signs = family[best].coefficients[..., 0, 0]
    rare = -1.0 if signs.sum() > 0 else 1.0
    x, y = (int(i) for i in np.argwhere(np.sign(signs) == rare)[0])
    where = f"minus at ({x}, {y})" if rare < 0 else f"plus at ({x}, {y}) and minus elsewhere"
    return f"the other CHSH form, {where}, has S = {values[best]:.2f}; a new run could declare it", values[best]


def game_shots_needed(test: GameTest, alpha: float) -> float | None:
    """About how many trials of a new run would reach alpha, if its mean score were that of these trials.

    By chance, a score that was singled out overstates what the device does. Settings are assumed to come as often as in
    these trials.

    Args:
        test: The test of the trials so far.
        alpha: The level.

    Returns:
        The number of trials at which a run with this mean score has a p-value of at most alpha; ``None`` where the mean
        score does not exceed the local bound, so that no number of trials helps.

    Raises:
        CountsError: If alpha is not between 0 and 1.
    """
    level = _checked_level(alpha)
    rate, bound = test.score / test.num_trials, test.score_bound
    if rate <= bound:
        return None
    ahead = 1 if test.binomial and test.fixed_settings else 0

    def enough(trials: int) -> bool:
        score = trials * rate
        if test.binomial:
            wins = round(score)
            return wins >= trials * bound + ahead and log_tail(wins, trials, bound) <= math.log(level)
        return convex_tail(score, trials, bound)[1] <= math.log(level)

    most = 1
    while not enough(most):
        if most > 2**52:
            return None
        most *= 2
    least = most // 2
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (least, middle) if enough(middle) else (middle, most)
    return float(most)


def declared_shots_needed(
    test: EValue | CombinedEValue | GameTest | CombinedTest, alpha: float, expected: ExpectedEvidence | None
) -> float | None:
    """About how many shots of a new run would reach alpha by the declared test, in half of all cases.

    This assumes that the frequencies seen, without their signaling part, are the device's probabilities. For a combined
    test it is the number of the part that needs fewest shots, each with its own share of alpha: for CHSH alpha / 10 for
    the e-value and alpha 9 / 80 for each game. The declared predictability is that of the games and of the expected
    evidence.

    Args:
        test: The result of the declared test on the shots so far.
        alpha: The level.
        expected: The evidence to expect; ``None`` where it is not known, so that e-values are left out.

    Returns:
        Shots of all setting combinations together; ``None`` where no number is enough, or none is known.

    Raises:
        CountsError: If alpha is not between 0 and 1.
    """
    if isinstance(test, CombinedTest):
        pairs = zip(test.parts, test.weights, strict=True)
        found = [declared_shots_needed(part, alpha * weight, expected) for part, weight in pairs]
        return min((shots for shots in found if shots is not None), default=None)
    if isinstance(test, GameTest):
        return game_shots_needed(test, alpha)
    return None if expected is None else expected.shots_needed(-math.log(_checked_level(alpha)), test.log_e)


def _checked_level(alpha: float) -> float:
    level = probability(alpha, "alpha", CountsError)
    if not 0 < level < 1:
        raise CountsError.bad_argument("alpha", expected="a number between 0 and 1", got=f"{alpha}")
    return level
