"""Checks that the evidence of a report on counts comes from these counts and from what was declared.

Each piece of evidence is verified by itself, by algorithms other than those that found it. This module checks that the
pieces belong together. Some of this can only be seen by computing again, with the package's own code and the recorded
seed: the orders of the shots; the tests of the settings, of no-signaling and of drift; the game; and the allowance for
signaling.
"""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import Any

import numpy as np

from ..reports.counts_rule import UNDECLARED_KAPPA, CountsEvidence, CountsRule, given_settings
from ..reports.figure_names import Figure
from ..reports.locality import LocalityReport
from ..statistics.assumptions.drift import DriftTest, drift_test
from ..statistics.assumptions.setting_choice import SettingsTest
from ..statistics.evidence.combined_e_values import CombinedEValue, orders_of
from ..statistics.evidence.combined_tests import CombinedTest
from ..statistics.evidence.e_values import EValue
from ..statistics.evidence.false_discovery import benjamini_yekutieli
from ..statistics.evidence.games import GameTest
from ..statistics.evidence.stages import draw_stages
from ..statistics.evidence.standing_tests import StandingTest
from ..statistics.fits.local_fit import LocalFit
from ..statistics.fits.model_comparison import ModelComparison
from ..statistics.intervals.confidence_regions import LocalRegion, region_limits
from ..statistics.planning.expected_evidence import ExpectedEvidence
from ..statistics.signaling.allowance import SignalingAllowance, signaling_allowance
from ..statistics.signaling.no_signaling_tests import SignalingTest, no_signaling_test
from ..targets.counts import BellCounts
from ..targets.trials import BellTrials
from ..verification.evidence import agree
from ..verification.result import Verification
from .counts_options import CountsCall
from .counts_tests import averages_orders, declared_result, prepared

__all__ = ["EvidenceChecks", "confirmed_if", "refutation"]

# Figures that come from a piece of evidence: either that piece is there, or the report says why the figure is absent.
_FIGURES_OF_EVIDENCE = (
    Figure.NO_SIGNALING_P,
    Figure.LARGEST_KAPPA,
    Figure.KL,
    Figure.FIT_P,
    Figure.DRIFT_P,
    Figure.NO_SIGNALING_LOG10_E,
)
_MAY_BE_ABSENT = {
    *_FIGURES_OF_EVIDENCE,
    Figure.LATER_FACTORS,
    Figure.LOG10_E_PER_TRIAL,
    Figure.NO_SIGNALING_FIT,
    Figure.LARGEST_PREDICTABILITY,
    Figure.SWAPPED_OUTCOMES,
    Figure.CONFIDENCE_REGION,
}
_KINDS_OF_EVIDENCE = (
    EValue,
    CombinedEValue,
    CombinedTest,
    GameTest,
    SettingsTest,
    StandingTest,
    SignalingTest,
    SignalingAllowance,
    DriftTest,
    LocalRegion,
    LocalFit,
    ModelComparison,
)


class EvidenceChecks:
    """The checks of the evidence of one report. Each of them may rely on those before it.

    Args:
        report: The report.
        rule: What was declared about the counts. It is the question of the report.
        prove_bound: Whether to prove local bounds again; see ``BellInequality.verify``.
    """

    def __init__(self, report: LocalityReport, rule: CountsRule, prove_bound: bool | None) -> None:
        self.prove_bound = prove_bound
        self.report, self.rule = report, rule
        self.found = CountsEvidence.of(report.evidence)
        self.fit = self.piece_of(LocalFit)
        self.comparison = self.piece_of(ModelComparison)
        against = [piece for piece in report.evidence if isinstance(piece, EValue | CombinedEValue)]
        self.expected: ExpectedEvidence | None = None
        self.against_signaling = next((piece for piece in against if piece.null == "no-signaling"), None)

    def piece_of(self, kind: type[Any]) -> Any:
        """Returns the piece of evidence of a kind, or ``None`` if there is none."""
        return next((piece for piece in self.report.evidence if isinstance(piece, kind)), None)

    def declarations(self) -> Verification:
        """Checks that the declarations are possible ones."""
        rule = self.rule
        names = {field.name for field in fields(CountsCall)} & {field.name for field in fields(CountsRule)}
        declared = {name: getattr(rule, name) for name in names}
        # This raises an error if a value is out of range.
        self.options = CountsCall(**declared)
        made = {name: getattr(self.options, name) for name in names}
        if not all(_same_declaration(declared[name], made[name]) for name in names):
            return refutation("the declarations are not of the right type")
        whole = (rule.num_groups, rule.num_failed, rule.seed, rule.num_replicates)
        if not all(type(number) is int and number >= 0 for number in whole) or rule.num_failed >= rule.num_groups:
            return refutation("the seed, or a number of groups or replicates, is no whole number in range")
        lists = (rule.in_nonlocal_list, rule.in_signaling_list)
        if rule.group is None:
            alone = lists == (None, None) and (rule.num_groups, rule.num_failed) == (1, 0)
            return Verification(alone, "the counts are those of no group", 0.0 if alone else math.inf)
        return confirmed_if(all(type(listed) is bool for listed in lists), "the group is on the lists or not")

    def pieces(self) -> Verification:
        """Checks that the pieces of evidence are about these data, and that none is missing without a reason."""
        report, found, counts = self.report, self.found, self.rule.counts
        named: tuple[object, object] = (report.statistics, report.absent)
        if not all(isinstance(dictionary, dict) for dictionary in named):
            return refutation("the figures, or the reasons why some are absent, have no names")
        for piece in report.evidence:
            if not isinstance(piece, _KINDS_OF_EVIDENCE):
                return refutation(f"a {type(piece).__name__} is no evidence on counts")
            for table in map(np.asarray, _tables(piece)):
                if table.shape != counts.array.shape or not np.array_equal(table, counts.array):
                    return refutation(f"{type(piece).__name__} is about other counts")
        kinds = [
            (type(piece), piece.null) if isinstance(piece, EValue | CombinedEValue) else (type(piece), "")
            for piece in report.evidence
        ]
        if len(set(kinds)) < len(kinds):
            return refutation("there are two pieces of evidence of one kind")
        if found.settings is None:
            return refutation("the test of the settings is missing")
        if found.e_value is None:
            return refutation("the e-value is missing")
        deviances = Figure.FIT_P in report.statistics
        if (self.comparison is not None) is not (deviances and self.rule.num_replicates > 0):
            return refutation("the comparison of models is missing, or too much")
        there = (
            found.signaling is not None,
            found.allowance is not None,
            self.fit is not None,
            deviances,
            found.drift is not None or not self.rule.in_time,
            self.against_signaling is not None,
        )
        for name, is_there in zip(_FIGURES_OF_EVIDENCE, there, strict=True):
            if is_there is (name in report.absent):
                return refutation(f"{name}: {'said to be absent' if is_there else 'missing, without a reason'}")
        if not set(report.absent) <= _MAY_BE_ABSENT:
            return refutation("a figure is said to be absent that no report has")
        return Verification(True, "the evidence is about these counts")

    def lists(self) -> Verification:
        """Checks that the group can be on the lists that the report names, whatever the other groups are."""
        rule, found, number = self.rule, self.found, self.rule.num_groups
        if rule.group is None:
            return Verification(True, "the counts are those of no group")
        may = replace(rule, in_nonlocal_list=None).may_be_nonlocal(found)
        assert found.e_value is not None
        log_e = found.e_value.log_e if may else -math.inf
        slack = 1e-9
        if rule.in_nonlocal_list and log_e < -math.log(rule.alpha) - slack:
            return refutation("a group with so small an e-value is on no list of nonlocal groups")
        if not rule.in_nonlocal_list and log_e > math.log(number / rule.alpha) + slack:
            return refutation("a group with so large an e-value is on the list of nonlocal groups")
        p = 1.0 if found.signaling is None else found.signaling.p_value
        if rule.in_signaling_list and p > rule.signaling_level:
            return refutation("a group with so large a p-value is on no list of signaling groups")
        others = [1.0] * (number - 1)
        if not rule.in_signaling_list and benjamini_yekutieli([p, *others], rule.signaling_level)[0]:
            return refutation("a group with so small a p-value is on the list of signaling groups")
        return Verification(True, "the lists are possible")

    def declared_test(self) -> Verification:
        """Checks that the test of the settings, the game and the result of the declared test are those of the data."""
        rule, found = self.rule, self.found
        # This raises an error if the data cannot be used as declared, or if their settings contradict the design.
        again = prepared(rule.data, self.options)
        if again.test != rule.test:
            return refutation(f"the test {rule.test!r} is not for these data")
        if not agree(again.settings, found.settings):
            return refutation("the test of the settings, made again, is another one")
        if not agree(again.game, found.game):
            return refutation("the game, played again, is another one")
        for part in _parts(found.e_value):
            if not self._has_design(part, rule.tested, rule.predictability):
                return refutation("the e-value took the settings otherwise than declared")
        assert found.e_value is not None
        result = declared_result(rule.tested, rule.test, found.e_value, again.game, self.options)
        decisive = rule.decisive(found)
        if decisive is None or not agree(result, decisive):
            return refutation(f"the result of the declared test ({rule.test}) is missing, or another one")
        return Verification(True, "the declared test is that of the data")

    def _has_design(self, part: EValue, data: BellCounts | BellTrials, predictability: float) -> bool:
        if part.design != data.design or part.predictability != predictability:
            return False
        probabilities = data.setting_probabilities
        if probabilities is None:
            return True
        return bool(np.allclose(part.setting_weights, probabilities / probabilities.sum(), rtol=0, atol=1e-12))

    def orders(self) -> Verification:
        """Checks that the e-values tested the shots in the orders that the recorded seed gives."""
        data, found = self.rule.tested, self.found
        assert found.e_value is not None
        if not self._in_order(found.e_value, data, averages_orders(data)):
            return refutation("the e-value is not that of the recorded seed")
        other = self.against_signaling
        if other is None:
            return Verification(True, "the shots were tested in the orders of the recorded seed")
        if not self._in_order(other, data, False) or not self._has_design(_parts(other)[0], data, 0.0):
            return refutation("the e-value against no-signaling is not that of the recorded seed, or of another design")
        return Verification(True, "the shots were tested in the orders of the recorded seed")

    def _in_order(self, e_value: EValue | CombinedEValue, data: BellCounts | BellTrials, averaged: bool) -> bool:
        seed = self.rule.seed
        ordered = isinstance(data, BellTrials) and data.design == "random"
        if averaged:
            if not isinstance(e_value, CombinedEValue) or e_value.independent or e_value.seed != seed:
                return False
            stages = orders_of(data, None, seed)
        else:
            if not isinstance(e_value, EValue) or e_value.seed != (None if ordered else seed):
                return False
            stages = [draw_stages(data, seed)]
        parts = _parts(e_value)
        return len(parts) == len(stages) and all(
            np.array_equal(part.tested, tables) for part, (_, tables, _) in zip(parts, stages, strict=True)
        )

    def standing(self) -> Verification:
        """Checks that the result stays significant up to the stated predictability."""
        rule, standing = self.rule, self.found.standing
        if standing is None:
            return Verification(True, "no predictability beyond the declared one is claimed")
        if not standing.predictability > rule.predictability:
            return refutation("the result is not said to stand beyond the declared predictability")
        fault = self._fault_of_result(standing.result, rule.data, standing.predictability)
        if fault:
            return refutation(f"the result that is said to stand {fault}")
        given = given_settings(rule.tested)
        if (standing.given_settings is None) is not (given is rule.tested):
            return refutation("the result given the settings is missing, or too much")
        # The result given the settings need not be significant, but it must be right.
        if standing.given_settings is not None:
            fault = self._fault_of_result(standing.given_settings, given, 0.0)
            if fault:
                return refutation(f"the result given the settings {fault}")
        level = math.log10(rule.alpha / rule.num_groups)
        stands = all(value <= level for value in self._log10_p_values(standing.result, rule.data))
        return confirmed_if(stands, f"the result stands up to a predictability of {standing.predictability:.4g}")

    def _fault_of_result(self, result: Any, data: BellCounts | BellTrials, predictability: float) -> str:
        """Returns what is wrong with a result of the declared test on its data, or an empty text."""
        rule, options = self.rule, replace(self.options, predictability=predictability)
        kinds = {"combined": CombinedTest, "game": GameTest, "e-value": EValue | CombinedEValue}
        if not isinstance(result, kinds[rule.test]):
            return "is not one of the declared test"
        if isinstance(result, GameTest):
            return "" if agree(prepared(data, options).game, result) else "is another game"
        e_value = result.e_value if isinstance(result, CombinedTest) else result
        if not self._in_order(e_value, data, averages_orders(data)):
            return "is not that of the recorded seed"
        if not all(self._has_design(part, data, predictability) for part in _parts(e_value)):
            return "has another design"
        return "" if agree(declared_result(data, rule.test, e_value, None, options), result) else "is another one"

    def _log10_p_values(self, result: Any, data: BellCounts | BellTrials) -> list[float]:
        """Returns log10 of the p-value of a result, and of the one from its recomputed e-value."""
        if isinstance(result, GameTest):
            return [result.log10_p_value]
        e_value = result.e_value if isinstance(result, CombinedTest) else result
        options = replace(self.options, predictability=max(part.predictability for part in _parts(e_value)))
        again = declared_result(data, self.rule.test, e_value.recomputed, None, options)
        return [result.log10_p_value, again.log10_p_value]

    def signaling(self) -> Verification:
        """Checks that the tests of signaling in the report are those that are found again."""
        rule, test, allowance = self.rule, self.found.signaling, self.found.allowance
        counts, seed = rule.counts, rule.seed
        if test is not None:
            again = no_signaling_test(counts, level=rule.signaling_level, seed=seed)
            if not agree(again, test):
                return refutation(f"the test of no-signaling, made again, is another one (p = {again.p_value:.3g})")
        if allowance is not None:
            kappa = UNDECLARED_KAPPA if rule.kappa is None else rule.kappa
            made = signaling_allowance(counts, alpha=rule.alpha / rule.num_groups, kappa=kappa, seed=seed)
            if not agree(made, allowance):
                return refutation("the allowance for signaling, computed again, is another one")
        return Verification(True, "signaling is as the report says")

    def drift_and_region(self) -> Verification:
        """Checks that the test of drift in the report is the one found again, and that the confidence region fits."""
        data, drift, region = self.rule.data, self.found.drift, self.found.region
        if drift is not None:
            if not self.rule.in_time:
                return refutation("counts do not say whether something changed in time")
            if not agree(drift_test(data, seed=self.rule.seed), drift):
                return refutation("the test of drift, made again, is another one")
        if region is None:
            return Verification(True, "no region is claimed to be local")
        if region.alpha != self.rule.alpha:
            return refutation("the confidence region has another level")
        limits = zip((region.lower, region.upper), region_limits(self.rule.counts, region.alpha), strict=True)
        error = max(float(np.max(np.abs(given - wanted))) for given, wanted in limits)
        return Verification(error <= 1e-12, "the confidence region is that of the counts", error)

    def verdict(self) -> Verification:
        """Checks that the verdict also follows from the recomputed e-value."""
        rule, found = self.rule, self.found
        assert found.e_value is not None
        e_value, combined = found.e_value.recomputed, found.combined
        if combined is not None:
            result = declared_result(rule.tested, rule.test, e_value, None, self.options)
            combined = result if isinstance(result, CombinedTest) else None
        again = rule.verdict(replace(found, e_value=e_value, combined=combined))
        return confirmed_if(again is self.report.verdict, f"the e-value, computed again, gives {again}")


def _parts(piece: Any) -> list[EValue]:
    """Returns the single e-values of which an e-value consists."""
    return list(piece.parts) if isinstance(piece, CombinedEValue) else [piece]


def _same_declaration(declared: Any, made: Any) -> bool:
    """Whether a declaration is what checking it makes of it; a kappa of 3, as files may have it, is one of 3.0."""
    same_kind = type(declared) is type(made) or (type(declared), type(made)) == (int, float)
    return bool(same_kind and declared == made)


def _tables(piece: Any) -> list[Any]:
    """Returns the tables of counts from which a piece of evidence was computed."""
    if isinstance(piece, EValue):
        return [piece.tested.sum(axis=0)]
    if isinstance(piece, CombinedEValue):
        return [table for part in piece.parts for table in _tables(part)]
    if isinstance(piece, CombinedTest):
        return [table for part in (piece.e_value, *piece.games) for table in _tables(part)]
    if isinstance(piece, StandingTest):
        return _tables(piece.result) + ([] if piece.given_settings is None else _tables(piece.given_settings))
    if isinstance(piece, GameTest):
        return [piece.tested]
    if isinstance(piece, SignalingAllowance):
        return [piece.tested + piece.trained]
    return []


def confirmed_if(passed: bool, words: str) -> Verification:
    """Returns the verification of a claim in words, which is either proven or refuted."""
    return Verification(passed, words if passed else f"not so: {words}", 0.0 if passed else math.inf)


def refutation(reason: str) -> Verification:
    """Returns a refutation with its reason."""
    return Verification(False, reason, math.inf)
