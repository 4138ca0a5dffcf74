"""One p-value from the e-value and the games of a scenario's finite family of Bell inequalities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from ..._support.validation import is_whole_number, shown
from ..._support.words import counted
from ...exceptions import CountsError
from ...polytope.expressions.expression import BellExpression
from ...polytope.expressions.families import chsh
from ...polytope.inequalities.bell_inequality import BellInequality
from ...targets.counts import BellCounts, require_counts
from ...targets.scenario import BellScenario
from ...verification.evidence import Evidence
from ...verification.result import Verification, combine
from ..assumptions.predictability import check_predictability
from .combined_e_values import CombinedEValue
from .e_values import EValue
from .games import GameTest, declared_game

__all__ = ["CombinedTest", "combined_test", "family_of"]

# The e-value gets this part of alpha, the members of the family the rest in equal parts.
_E_VALUE_SHARE = Fraction(1, 10)
_LOG10_P_TOLERANCE = 1e-9
# A share of wins (S = 2.4) at which two ways to score are compared.
_TYPICAL_SHARE_OF_WINS = 0.8


@dataclass(frozen=True, eq=False, repr=False)
class CombinedTest(Evidence):
    """The weighted Bonferroni combination of an e-value and of the games of a family.

    The p-value of a part of weight w is multiplied by 1 / w, and the smallest of these numbers is the p-value: for a
    local model each part is at most ``w * alpha`` with no more than that probability, and the weights add up to at most
    1.

    References:
        O. J. Dunn, J. Am. Stat. Assoc. 56, 52 (1961) (Bonferroni's correction).

    Examples:
        ``analyze`` makes this test by default for counts of CHSH:

        >>> from qiskit_lhv import analyze, load_bundled_counts
        >>> test = analyze(load_bundled_counts("delft_2015").counts, seed=1).evidence[0]
        >>> print(len(test.games), test.weights[:2], f"p = {test.p_value:.3f}")
        8 (0.1, 0.1125) p = 0.846
        >>> print(test.inequality)
        <A0 B0> + <A0 B1> + <A1 B0> - <A1 B1> <= 2
    """

    e_value: EValue | CombinedEValue
    """The e-value."""
    games: tuple[GameTest, ...]
    """The tests of the family's members, without those that have a trivial local bound."""
    shares: tuple[int, ...]
    """Weight of the e-value and of each game, in units of ``1 / denominator``."""
    denominator: int
    """The largest sum of all weights, in these units."""
    log10_p_value: float
    """Base-10 logarithm of the p-value, at most 0."""

    @property
    def parts(self) -> tuple[EValue | CombinedEValue | GameTest, ...]:
        """The e-value, then the games."""
        return (self.e_value, *self.games)

    @property
    def weights(self) -> tuple[float, ...]:
        """Weight of each part: its p-value is divided by it."""
        return tuple(share / self.denominator for share in self.shares)

    @property
    def decisive(self) -> EValue | CombinedEValue | GameTest:
        """The part that gives the p-value."""
        return self.parts[int(np.argmin(_adjusted(self.parts, self.shares, self.denominator)))]

    @cached_property
    def inequality(self) -> BellInequality:
        """The Bell inequality of the part that gives the p-value."""
        return self.decisive.inequality

    @property
    def p_value(self) -> float:
        """The p-value; 0.0 where it is below the smallest float."""
        return 10**self.log10_p_value

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the p-value rests on besides the data."""
        e_share, *rest = (str(Fraction(share, self.denominator)) for share in self.shares)
        each = f", {rest[0]} to each of {counted(len(rest), 'game')}" if rest else ""
        declared = f"the weights of the combined test were declared before the data were seen: {e_share} to the e-value"
        lines = [f"{declared}{each}"]
        if self.games:
            # Those of one game, without its own declaration.
            lines += self.games[0].assumptions[1:]
        return tuple(lines)

    def __str__(self) -> str:
        return (
            f"combined test of the e-value and {counted(len(self.games), 'game')}: log10 p = {self.log10_p_value:.4f}, "
            f"decided by {'the e-value' if self.decisive is self.e_value else 'the'} {self.decisive}"
        )

    def verify(self, *, prove_bound: bool | None = None) -> Verification:
        """Re-checks every part, that all of them test the same counts, the sum of the weights, and the minimum.

        Fields that do not make up a test are refuted.

        Args:
            prove_bound: Whether to prove local bounds again; see ``BellInequality.verify``.
        """
        own = self._verify()
        if not own:
            return own
        checks = [*(part.verify(prove_bound=prove_bound) for part in self.parts), own]
        if not all(checks):
            return combine(*checks)
        return Verification(
            True, f"the e-value and {counted(len(self.games), 'game')} are right; {own.reason}", own.deviation
        )

    def _verify(self) -> Verification:
        if not all(isinstance(game, GameTest) for game in self.games) or not isinstance(self.log10_p_value, float):
            return _refuted("the parts are not tests, or the p-value is not a number")
        whole = all(is_whole_number(number) and number > 0 for number in (*self.shares, self.denominator))
        if not whole or len(self.shares) != len(self.parts) or sum(self.shares) > self.denominator:
            return _refuted("the weights are not positive numbers, one for each part, that add up to at most 1")
        first = self.games[0] if self.games else None
        for game in self.games[1:]:
            if any(not _equal(getattr(game, name), getattr(first, name)) for name in _FIELDS_OF_THE_DATA):
                return _refuted("the games are not of the same counts and design")
        if first is not None:
            probabilities = first.setting_probabilities
            fault = _mismatch(self.e_value, first.tested, first.design, probabilities, first.predictability)
            if fault:
                return _refuted(f"the e-value is not of the games' data: {fault}")
        elif any(part.null != "local" for part in _e_values(self.e_value)):
            return _refuted("the e-value does not test local models")
        smallest = min(0.0, *_adjusted(self.parts, self.shares, self.denominator))
        error = self.log10_p_value - smallest
        # Signed: a claim may be a little too large, never too small.
        passed = 0 <= error <= _LOG10_P_TOLERANCE * max(1.0, abs(smallest)) or error == 0
        return Verification(passed, f"the smallest weighted p-value is 10^{smallest:.9g}", abs(error))


_FIELDS_OF_THE_DATA = ("tested", "design", "setting_probabilities", "predictability")


@lru_cache(maxsize=8)
def family_of(scenario: BellScenario) -> tuple[BellExpression, ...]:
    """The known finite family of inequalities of a scenario, all of its forms; empty if there is none.

    For two parties with two settings of two outcomes these are the eight forms of CHSH, which describe the local set
    completely (A. Fine, Phys. Rev. Lett. 48, 291 (1982)).

    Args:
        scenario: The scenario.

    Examples:
        >>> from qiskit_lhv import chsh
        >>> len(family_of(chsh().scenario))
        8
    """
    if not scenario.is_chsh:
        return ()
    forms = [chsh((x, y)) for x in (0, 1) for y in (0, 1)]
    return (*forms, *(BellExpression(-form.coefficients) for form in forms))


def combined_test(
    data: BellCounts,
    e_value: EValue | CombinedEValue,
    *,
    family: Sequence[BellExpression] | None = None,
    predictability: float = 0.0,
    fair_sampling: bool = False,
) -> CombinedTest:
    """One p-value of an e-value and of the games of a family together, for which no inequality has to be chosen.

    It is ``min(10 / e, (10 F / 9) min p_form)`` for a family of F forms; for CHSH ``min(10 / e, (80 / 9) min p_form)``.
    With few shots, the game of the violated form shows the violation, where an e-value would first have to find the
    form. The result is a p-value, not an e-value, so it can be neither multiplied nor averaged with others.

    Args:
        data: The counts.
        e_value: Their e-value against local models, with the same predictability; or the mean of such e-values.
        family: Expressions declared before the data were seen; default: the eight forms of CHSH for two parties with
            two settings of two outcomes, none for other scenarios. If settings come so unequally often that it pays,
            wins are weighed by the inverse of the setting's share, so that the score is S. That depends only on the
            numbers of shots (in blocks) or on the probabilities, not on outcomes.
        predictability: See :func:`game_test`.
        fair_sampling: See :func:`game_test`.

    Returns:
        The test. A form whose local bound is trivial, as may happen if settings are too predictable, is left out, and
        its weight is not used.

    Raises:
        CountsError: If there is no family, the e-value is not of these counts, or :func:`game_test` refuses them for
            another reason.

    References:
        O. J. Dunn, J. Am. Stat. Assoc. 56, 52 (1961) (Bonferroni's correction); A. Fine, Phys. Rev. Lett. 48, 291
        (1982) (the eight forms of CHSH are all that there is).

    Examples:
        >>> from qiskit_lhv import load_bundled_counts, ratio_e_value
        >>> counts = load_bundled_counts("delft_2015").counts
        >>> test = combined_test(counts, ratio_e_value(counts, seed=1))
        >>> print(f"p = {test.p_value:.3f}, decided by {test.decisive.rule}")
        p = 0.347, decided by <A0 B0> + <A0 B1> + <A1 B0> - <A1 B1>
    """
    data = require_counts(data, "data")
    predictability = check_predictability(predictability, data.design, data.setting_probabilities)
    if family is not None and not (
        isinstance(family, list | tuple) and all(isinstance(form, BellExpression) for form in family)
    ):
        raise CountsError.bad_argument("family", expected="a list of BellExpression", got=shown(family))
    forms = _as_tested(data) if family is None else tuple(family)
    if not forms:
        raise CountsError.bad_argument(
            "family",
            expected="Bell expressions that were declared before the data were seen",
            got=f"none, and no finite family is known for {data.scenario}",
            remedy="Use the e-value, or declare expressions.",
        )
    if not isinstance(e_value, EValue | CombinedEValue):
        raise CountsError.bad_argument("e_value", expected="the e-value of the counts", got=type(e_value).__name__)
    fault = _mismatch(e_value, data.array, data.design, data.setting_probabilities, predictability)
    if fault:
        raise CountsError.bad_argument("e_value", expected="the e-value of these counts and assumptions", got=fault)
    found = [declared_game(data, form, predictability, fair_sampling) for form in forms]
    games = [game for game in found if game is not None]
    rest = (1 - _E_VALUE_SHARE) / len(forms)
    denominator = math.lcm(_E_VALUE_SHARE.denominator, rest.denominator)
    shares = (int(_E_VALUE_SHARE * denominator), *(int(rest * denominator) for _ in games))
    smallest = min(0.0, *_adjusted((e_value, *games), shares, denominator))
    return CombinedTest(e_value, tuple(games), shares, denominator, smallest)


def _as_tested(data: BellCounts) -> tuple[BellExpression, ...]:
    """The forms of the family, marked to be scored by S instead of by wins where that is expected to tell more.

    Every form is lost by a local model in one setting combination at least. Of n trials, with the rarest combination's
    share r, it wins a share of 1 - r; with wins weighed by r over the setting's own share it scores (K - 1) r (in
    blocks, ``1 - 1 / K`` of K n r trials). The bound of weighted scores costs a factor of up to e.
    """
    forms = family_of(data.scenario)
    shares = data.num_shots / data.total_shots if data.setting_probabilities is None else data.setting_probabilities
    count, r = shares.size, float(shares.min())
    unweighted = data.total_shots * _divergence(_TYPICAL_SHARE_OF_WINS, 1 - r)
    if data.design == "blocks":
        weighted = data.total_shots * count * r * _divergence(_TYPICAL_SHARE_OF_WINS, 1 - 1 / count) - 1
    else:
        weighted = data.total_shots * _divergence(count * r * _TYPICAL_SHARE_OF_WINS, (count - 1) * r) - 1
    if weighted <= unweighted:
        return forms
    # A constant added in one setting and subtracted in another changes no value, and makes it no game.
    constants = np.zeros(shares.shape)
    constants.flat[0], constants.flat[-1] = 0.5, -0.5
    wide = constants.reshape(constants.shape + (1,) * constants.ndim)
    return tuple(BellExpression(form.coefficients + wide) for form in forms)


def _divergence(seen: float, bound: float) -> float:
    """The relative entropy of two coins, for more wins than the bound; else 0."""
    if seen <= bound:
        return 0.0
    return seen * math.log(seen / bound) + (1 - seen) * math.log((1 - seen) / (1 - bound))


def _adjusted(parts: Sequence[Any], shares: Sequence[int], denominator: int) -> list[float]:
    """log10 of each part's p-value divided by its weight, rounded up."""
    found = []
    for part, share in zip(parts, shares, strict=True):
        value = part.log10_p_value + math.log10(denominator / share)
        found.append(value + 1e-15 * (2 + abs(part.log10_p_value)))
    return found


def _e_values(e_value: EValue | CombinedEValue) -> tuple[EValue, ...]:
    return e_value.parts if isinstance(e_value, CombinedEValue) else (e_value,)


def _mismatch(
    e_value: EValue | CombinedEValue, table: Any, design: str, probabilities: Any, predictability: float
) -> str:
    """What of an e-value does not belong to the counts; empty if everything does."""
    if isinstance(e_value, CombinedEValue) and e_value.independent:
        return "the product of e-values of several experiments"
    for part in _e_values(e_value):
        if part.null != "local":
            return f"a test of {part.null} models"
        if not np.array_equal(part.tested.sum(axis=0), table):
            return "other counts"
        if part.design != design:
            return f"design {part.design!r} instead of {design!r}"
        if probabilities is not None and np.abs(part.setting_weights - probabilities).max() > 1e-9:
            return "other setting probabilities"
        if part.predictability < predictability:
            return f"predictability {part.predictability:g} instead of {predictability:g}"
    return ""


def _equal(a: Any, b: Any) -> bool:
    return bool(np.array_equal(a, b)) if isinstance(a, np.ndarray) or isinstance(b, np.ndarray) else bool(a == b)


def _refuted(reason: str) -> Verification:
    return Verification(False, reason, math.inf)
