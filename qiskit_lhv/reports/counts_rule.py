"""The declarations about counts, and the rule by which a verdict follows from the evidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..polytope.expressions.expression import BellExpression
from ..polytope.inequalities.bell_inequality import BellInequality
from ..statistics.assumptions.drift import DriftTest
from ..statistics.assumptions.setting_choice import SettingsTest
from ..statistics.evidence.combined_e_values import CombinedEValue
from ..statistics.evidence.combined_tests import CombinedTest
from ..statistics.evidence.e_values import EValue
from ..statistics.evidence.games import GameTest
from ..statistics.evidence.standing_tests import StandingTest, TestResult
from ..statistics.intervals.confidence_regions import LocalRegion
from ..statistics.signaling.allowance import SignalingAllowance
from ..statistics.signaling.no_signaling_tests import SignalingTest
from ..targets.counts import BellCounts
from ..targets.trials import BellTrials
from ..verification.verdict import Verdict
from .figure_names import Figure
from .questions import Question

if TYPE_CHECKING:
    from .locality import LocalityReport

__all__ = [
    "UNDECLARED_KAPPA",
    "CountsEvidence",
    "CountsRule",
    "as_tested",
    "excluded_influences",
    "figures_of_evidence",
    "given_settings",
    "rule_of",
]

# The kappa that is applied if signaling is detected and no kappa was declared.
UNDECLARED_KAPPA = 5.0
# A drift that is significant at this level rules out the verdict LOCAL.
DRIFT_LEVEL = 0.01


def as_tested(data: BellCounts | BellTrials, test: str, predictability: float) -> BellCounts | BellTrials:
    """Returns the data in the form in which a declared test uses them.

    A table with random settings is tested given its settings, as if the numbers of shots of each setting combination
    had been fixed beforehand. This is possible because the shots of a table, whose order is not known, are taken as
    independent. If their settings did not depend on the hidden variable, the outcomes are then independent given all
    settings. The e-value for blocks therefore holds for every such table, whatever the probabilities of its settings
    were. (In each stage of an e-value, the mean of the product of the factors is
    ``prod_x (sum_a p(a|x) R(a, x))**n_x``. It is at most the ``(sum_x n_x)``-th power of the mean of the factors
    weighted by ``n_x``, which is divided out. The shots of each setting are dealt to stages whose sizes depend on the
    ``n_x`` alone.)

    Three cases need the declared probabilities of the settings, so their data stay as they are: a declared
    predictability, which says that settings may depend on the hidden variable; a declared game, which holds also
    against devices with memory; and trials.

    Args:
        data: Counts or trials, as they were declared.
        test: The declared test.
        predictability: The declared predictability.
    """
    return given_settings(data) if test != "game" and predictability == 0 else data


def given_settings(data: BellCounts | BellTrials) -> BellCounts | BellTrials:
    """Returns a table with random settings as one with fixed numbers of shots; all other data stay as they are."""
    if isinstance(data, BellCounts) and data.design == "random":
        return replace(data, design="blocks", setting_probabilities=None)
    return data


@dataclass(frozen=True)
class CountsEvidence:
    """The pieces of evidence on which a verdict on counts may rest; ``None`` for those that are not there."""

    e_value: EValue | CombinedEValue | None = None
    game: GameTest | None = None
    combined: CombinedTest | None = None
    settings: SettingsTest | None = None
    standing: StandingTest | None = None
    signaling: SignalingTest | None = None
    allowance: SignalingAllowance | None = None
    drift: DriftTest | None = None
    region: LocalRegion | None = None

    @classmethod
    def of(cls, pieces: Sequence[Any]) -> CountsEvidence:
        """Returns these pieces from the evidence of a report."""

        def first(kind: type[Any] | tuple[type[Any], ...]) -> Any:
            return next((piece for piece in pieces if isinstance(piece, kind)), None)

        e_values = [piece for piece in pieces if isinstance(piece, EValue | CombinedEValue) and piece.null == "local"]
        return cls(
            e_values[0] if e_values else None,
            first(GameTest),
            first(CombinedTest),
            first(SettingsTest),
            first(StandingTest),
            first(SignalingTest),
            first(SignalingAllowance),
            first(DriftTest),
            first(LocalRegion),
        )


@dataclass(frozen=True, eq=False, repr=False)
class CountsRule(Question):
    """The declarations made before counts are read, and the rule by which the verdict follows from the evidence.

    The subclass :class:`~qiskit_lhv.analysis.CountsQuestion` also checks reports on the counts.
    """

    data: BellCounts | BellTrials
    """The counts or trials, with the declared design."""
    alpha: float
    """The largest probability of a wrong NONLOCAL, and of a wrong LOCAL."""
    test: str
    """The declared test: ``"combined"``, ``"e-value"`` or ``"game"``."""
    kappa: float | None
    """The declared kappa, which is always applied, or ``None`` if none was declared."""
    signaling_level: float
    """The level of significance at which signaling counts as detected."""
    predictability: float = 0.0
    """The declared predictability of random settings."""
    expression: BellExpression | None = None
    """The declared Bell expression. With ``None``, it is that of CHSH in its scenario."""
    fair_sampling: bool = False
    """Whether post-selected shots were declared to be a fair sample of all shots."""
    num_replicates: int = 0
    """The number of bootstrap replicates of the fits that are shown."""
    seed: int = 0
    """The seed of the random orders of the shots, and of everything else that is drawn."""
    group: tuple[int, ...] | None = None
    """The physical qubits of the group, if the counts are those of one of many groups."""
    num_groups: int = 1
    """The number of groups that were analyzed together. The allowances for signaling of all groups hold together."""
    num_failed: int = 0
    """The number of these groups that could not be analyzed."""
    in_nonlocal_list: bool | None = None
    """For one of many groups, whether it is on the list of nonlocal groups, whose false discovery rate is controlled.
    """
    in_signaling_list: bool | None = None
    """For one of many groups, whether it is on the list of signaling groups."""

    @cached_property
    def counts(self) -> BellCounts:
        """The counts. For trials, these are the counts of all trials."""
        return self.data.to_counts() if isinstance(self.data, BellTrials) else self.data

    @property
    def ordered(self) -> bool:
        """Whether the data are trials with random settings, whose order is part of the test."""
        return isinstance(self.data, BellTrials) and self.data.design == "random"

    @cached_property
    def tested(self) -> BellCounts | BellTrials:
        """The data in the form in which the declared test uses them; see ``as_tested``."""
        return as_tested(self.data, self.test, self.predictability)

    @property
    def takes_settings_as_given(self) -> bool:
        """Whether the settings were random and the test holds whatever their probabilities were."""
        return self.tested.design != self.data.design

    def decisive(self, found: CountsEvidence) -> TestResult | None:
        """Returns the result of the declared test, or ``None`` if the evidence lacks it."""
        pieces: dict[str, TestResult | None] = {
            "combined": found.combined,
            "game": found.game,
            "e-value": found.e_value,
        }
        return pieces.get(self.test)

    def significant(self, found: CountsEvidence) -> bool:
        """Returns whether the declared p-value is at most alpha, and for one of many groups, whether it is listed.

        (A group on the list of nonlocal groups has an e-value of at least K / (alpha k), where k of all K groups are
        listed. Its p-value is therefore at most alpha.)
        """
        if self.in_nonlocal_list is False:
            return False
        decisive = self.decisive(found)
        return decisive is not None and decisive.log10_p_value <= math.log10(self.alpha)

    def signaling_seen(self, found: CountsEvidence) -> bool:
        """Returns whether no-signaling is rejected. If it could not be tested, it counts as rejected."""
        return found.signaling is None or found.signaling.p_value <= self.signaling_level

    def frequencies_violate(self, inequality: BellInequality) -> bool:
        """Returns whether the observed frequencies of the outcomes, given the settings, violate an inequality."""
        return inequality.violation(self.counts.frequencies()) > 0

    def beyond_signaling(self, found: CountsEvidence) -> bool:
        """Returns whether a violation is too strong to be explained by signaling, under the declarations."""
        if self.kappa is None and not self.signaling_seen(found):
            return True
        allowance, kappa = found.allowance, UNDECLARED_KAPPA if self.kappa is None else self.kappa
        if allowance is None or allowance.kappa < kappa or allowance.alpha > self.alpha / self.num_groups * (1 + 1e-12):
            return False
        return allowance.exceeded

    def settings_explain(self, found: CountsEvidence) -> bool:
        """Returns whether the result may be significant only because the settings did not come as declared.

        This is so if the p-value of the settings is below 0.01, with one exception: the result stays significant with a
        predictability that explains the settings, and for a table it is also significant given how often each setting
        came. It is also so if random settings were not tested.
        """
        if found.settings is None:
            return self.data.design == "random"
        if not found.settings.suspicious:
            return False
        standing = found.standing
        if standing is None or not standing.predictability > found.settings.explaining_predictability:
            return True
        given = standing.given_settings
        if given is None:
            return given_settings(self.tested) is not self.tested
        return not given.log10_p_value <= math.log10(self.alpha / self.num_groups)

    def stands_beyond_settings(self, found: CountsEvidence) -> bool:
        """Returns whether the settings did not come as declared, but this does not explain the result."""
        return found.settings is not None and found.settings.suspicious and not self.settings_explain(found)

    def excludes_local_models(self, found: CountsEvidence) -> bool:
        """Returns whether the declared test rejects local models, apart from influences between the parties.

        This requires that the result is not explained by settings that did not come as declared.
        """
        return self.significant(found) and not self.settings_explain(found) and self._seen_in_frequencies(found)

    def may_be_nonlocal(self, found: CountsEvidence) -> bool:
        """Returns whether the verdict is NONLOCAL if the declared test is significant."""
        return self.beyond_signaling(found) and not self.settings_explain(found) and self._seen_in_frequencies(found)

    def _seen_in_frequencies(self, found: CountsEvidence) -> bool:
        """Returns whether the observed frequencies are nonlocal, too, if the verdict requires it."""
        decisive = self.decisive(found)
        # A table does not say in which order its shots were taken. If its frequencies are local, each shot may have
        # come from one local model.
        return decisive is not None and (self.ordered or self.frequencies_violate(decisive.inequality))

    def verdict(self, found: CountsEvidence) -> Verdict:
        """Returns the verdict that follows from the evidence."""
        if self.significant(found) and self.may_be_nonlocal(found):
            return Verdict.NONLOCAL
        if self.signaling_seen(found):
            listed = found.signaling is not None and self.in_signaling_list is not False
            return Verdict.SIGNALING if listed else Verdict.INCONCLUSIVE
        if found.region is not None and found.region.inside and not self.drifts(found):
            return Verdict.LOCAL
        return Verdict.INCONCLUSIVE

    def drifts(self, found: CountsEvidence) -> bool:
        """Returns whether the outcomes of trials, or of several rounds, change in time.

        If this was not tested, they count as changing.
        """
        if found.drift is not None:
            return not found.drift.p_value > DRIFT_LEVEL
        return self.in_time or isinstance(self.data, BellTrials)

    @property
    def in_time(self) -> bool:
        """Whether the data say in which order they were taken, in trials or in rounds."""
        if isinstance(self.data, BellTrials):
            return self.data.num_trials > 1
        return self.data.rounds is not None

    def headline(self, report: LocalityReport) -> str:
        """Returns the verdict in one sentence, with the assumptions on which it rests.

        Args:
            report: The report, whose evidence decides.
        """
        found = CountsEvidence.of(report.evidence)
        verdict = self.verdict(found)
        if verdict is not Verdict.NONLOCAL:
            return verdict.sentence
        conditions = []
        if self.stands_beyond_settings(found) and found.standing is not None:
            conditions.append(
                "the settings were drawn as declared to within a predictability of "
                f"{_rounded_down(found.standing.predictability):g}"
            )
        sentence, beyond = "No local hidden-variable model explains the counts", ""
        if self.kappa is not None:
            beyond = f", not even with hidden influences up to {self.kappa:g} times what marginals show"
        elif self.signaling_seen(found):
            beyond = (
                f", not even with hidden influences up to {UNDECLARED_KAPPA:g} times the signaling that marginals show"
            )
        else:
            conditions.append("nothing passes between the parties")
        condition = f", if {' and '.join(conditions)}" if conditions else ""
        excluded = ""
        if not beyond and found.allowance is not None:
            excluded = f"; the counts exclude {excluded_influences(found.allowance)}"
        return f"{sentence}{beyond}{condition}{excluded}."


def rule_of(report: LocalityReport) -> CountsRule | None:
    """Returns the rule by which a report on counts was made, or ``None`` if the report is not about counts."""
    return report.question if isinstance(report.question, CountsRule) else None


def figures_of_evidence(counts: BellCounts, found: CountsEvidence) -> dict[str, float]:
    """Returns the figures of a report that can be read off its evidence."""
    figures: dict[str, float] = {Figure.SHOTS: float(counts.total_shots)}
    if found.settings is not None and found.settings.design == "random":
        figures[Figure.SETTINGS_P] = found.settings.p_value
    if found.standing is not None:
        figures[Figure.LARGEST_PREDICTABILITY] = found.standing.predictability
    if found.signaling is not None:
        figures[Figure.NO_SIGNALING_P] = found.signaling.p_value
        figures[Figure.LARGEST_SHIFT] = found.signaling.largest_shift
    if found.allowance is not None:
        figures[Figure.HIDDEN_SIGNALING] = found.allowance.hidden_needed
        figures[Figure.VISIBLE_SIGNALING] = found.allowance.visible
        figures[Figure.LARGEST_KAPPA] = found.allowance.largest_kappa
    if found.e_value is not None:
        figures[Figure.LOG10_E] = found.e_value.log_e / math.log(10)
    if found.game is not None:
        figures[Figure.GAME_WINS if found.game.binomial else Figure.GAME_SCORE] = found.game.score
        figures[Figure.GAME_LOG10_P] = found.game.log10_p_value
    if found.combined is not None:
        figures[Figure.COMBINED_LOG10_P] = found.combined.log10_p_value
    if found.drift is not None:
        figures[Figure.DRIFT_P] = found.drift.p_value
    return figures


def _rounded_down(value: float) -> float:
    """Rounds a positive number down to three digits."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 2)
    return math.floor(value / unit) * unit


def excluded_influences(allowance: SignalingAllowance) -> str:
    """Returns in words which hidden influences the counts exclude."""
    kappa = allowance.largest_kappa
    # An influence that is so weak is not worth a number.
    if kappa < 0.005:
        return "no hidden influences"
    return f"hidden influences up to {kappa:.2g} times what marginals show"
