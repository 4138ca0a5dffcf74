"""The report on counts that follows from the evidence, in figures and in words."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..polytope.expressions.expression import BellExpression
from ..polytope.expressions.families import chsh
from ..reports.counts_rule import UNDECLARED_KAPPA, CountsEvidence, CountsRule, excluded_influences, figures_of_evidence
from ..reports.figure_names import Figure, format_p_value
from ..reports.locality import LocalityReport
from ..statistics.evidence.combined_e_values import CombinedEValue
from ..statistics.evidence.e_values import EValue
from ..statistics.fits.local_fit import LocalFit
from ..statistics.fits.model_comparison import ModelComparison
from ..statistics.intervals.chsh_values import IMPOSSIBLE_LEVEL, chsh_value, log10_quantum_p
from ..statistics.planning.expected_evidence import ExpectedEvidence
from ..targets.counts import BellCounts
from ..targets.setting_names import settings_in_words
from ..verification.verdict import Verdict
from .counts_advice import advice

__all__ = ["OUT_OF_TIME", "CountsFindings"]

OUT_OF_TIME = "the time limit was over"
"""The reason that a report gives for a figure that was due after the time limit."""


@dataclass(frozen=True)
class CountsFindings:
    """Everything that was computed for counts. The report follows from it."""

    # The question that the report answers.
    rule: CountsRule
    found: CountsEvidence
    signaling_e_value: EValue | CombinedEValue | None = None
    fit: LocalFit | None = None
    comparison: ModelComparison | None = None
    # The evidence that a new run would give on average if the no-signaling fit of the counts were the truth.
    expected: ExpectedEvidence | None = None
    # A hint, in words, that the signaling vanishes when outcomes of some settings are swapped.
    swapped: str | None = None
    absent: dict[str, str] = field(default_factory=dict)

    @property
    def counts(self) -> BellCounts:
        """The counts."""
        return self.rule.counts

    @property
    def expression(self) -> BellExpression | None:
        """The expression of the game: the declared one, or that of CHSH."""
        return chsh() if self.rule.expression is None and self.counts.scenario.is_chsh else self.rule.expression

    @property
    def standing_predictability(self) -> float | None:
        """The predictability up to which the result is significant, if the settings did not come as declared."""
        return None if self.found.standing is None else self.found.standing.predictability

    @property
    def out_of_time(self) -> bool:
        """Whether the time limit ended before every figure was computed."""
        return any(OUT_OF_TIME in reason for reason in self.absent.values())

    @cached_property
    def verdict(self) -> Verdict:
        """The verdict."""
        return self.rule.verdict(self.found)

    @property
    def goodness_of_fit(self) -> float | None:
        """Asymptotic p-value of the local fit. It is conservative: the parameters of the fit are not subtracted."""
        return None if self.comparison is None else self.comparison.total.asymptotic_p_value

    @property
    def admits_local_model(self) -> bool | None:
        """Whether a local model fits the counts."""
        if self.verdict is Verdict.LOCAL:
            return True
        if self.verdict is not Verdict.INCONCLUSIVE:
            return False
        if self.rule.signaling_seen(self.found) or self.rule.excludes_local_models(self.found):
            return False
        return None if self.goodness_of_fit is None else self.goodness_of_fit > self.rule.alpha

    @property
    def statistics(self) -> dict[str, float]:
        """The figures of the report."""
        figures = figures_of_evidence(self.counts, self.found)
        if self.counts.scenario.is_chsh:
            figures[Figure.S], figures[Figure.S_ERROR] = chsh_value(self.counts)
        if self.fit is not None:
            figures[Figure.KL] = self.fit.divergence
        if self.goodness_of_fit is not None:
            figures[Figure.FIT_P] = self.goodness_of_fit
        if self.comparison is not None:
            figures[Figure.NONLOCALITY_DEVIANCE] = self.comparison.nonlocality.deviance
            figures[Figure.SIGNALING_DEVIANCE] = self.comparison.signaling.deviance
            if self.comparison.num_replicates:
                figures[Figure.NONLOCALITY_BOOTSTRAP_P] = self.comparison.nonlocality.p_value
                figures[Figure.SIGNALING_BOOTSTRAP_P] = self.comparison.signaling.p_value
                figures[Figure.FIT_BOOTSTRAP_P] = self.comparison.total.p_value
        if self.signaling_e_value is not None:
            figures[Figure.NO_SIGNALING_LOG10_E] = self.signaling_e_value.log_e / math.log(10)
        if self.expected is not None:
            figures[Figure.LOG10_E_PER_TRIAL] = self.expected.rate / math.log(10)
        figures[Figure.SEED] = self.rule.seed
        return {figure: figures[figure] for figure in Figure if figure in figures}

    # Words

    @property
    def warnings(self) -> tuple[str, ...]:
        """What looks wrong about the data."""
        lines = []
        if self.counts.scenario.is_chsh:
            impossible = log10_quantum_p(self.counts)
            if impossible < math.log10(IMPOSSIBLE_LEVEL):
                lines.append(
                    f"S = {chsh_value(self.counts)[0]:.4g} lies above the quantum bound 2 sqrt(2), and not by chance "
                    f"(p = {format_p_value(impossible)}): look for a wrong order of bits, post-selection, or "
                    "communication between the parties"
                )
        if self.swapped is not None:
            lines.append(self.swapped)
        if self.rule.expression is not None and self.rule.test != "game":
            lines.append(
                f"the declared expression only adds figures: the verdict rests on the {self.rule.test} test; "
                'declare test="game" to let the expression decide'
            )
        settings = self.found.settings
        if settings is not None and settings.suspicious:
            explained = settings.explaining_predictability
            line = (
                f"the settings did not quite come as declared (p = {10**settings.log10_p_value:.2g}): "
                f"{settings.contradiction}; a predictability of {explained:.3g} would explain them"
            )
            if self.standing_predictability is not None:
                line += f", and the result stands up to one of {self.standing_predictability:.3g}"
            elif self.rule.significant(self.found):
                line += ", and the result does not stand with any"
            lines.append(line)
        drift = self.found.drift
        if drift is not None and self.rule.drifts(self.found):
            lines.append(f"the outcomes change in time (p = {drift.p_value:.2g})")
        decisive = self.rule.decisive(self.found)
        if (
            self.verdict is Verdict.NONLOCAL
            and self.rule.ordered
            and decisive is not None
            and not self.rule.frequencies_violate(decisive.inequality)
        ):
            lines.append(
                "the frequencies of all trials together are local: the result rests on a change in time, and on the "
                "settings being as random as declared"
            )
        return tuple(lines)

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the verdict rests on."""
        rule = self.rule
        independent = "shots are independent, from one device that neither drifts nor remembers"
        lines = []
        if self.counts.design == "blocks":
            lines += ["the numbers of shots of each setting were fixed beforehand", independent]
        else:
            how = "settings were drawn at random, trial by trial, with the probabilities given"
            if rule.takes_settings_as_given:
                how = (
                    "settings were drawn at random, trial by trial, independently of the hidden variable; the test "
                    "takes as given how often each came, so it holds with whatever probabilities they were drawn"
                )
            elif rule.predictability:
                how += f" (predictable to within {rule.predictability:g} per party)"
            lines.append(how)
            if rule.test != "game" and not rule.ordered:
                lines.append(f"{independent} (the counts do not say in which order they came)")
            elif rule.ordered:
                lines.append("the trials are in the order they were taken; the device may remember earlier ones")
            if rule.test != "e-value" or not rule.ordered:
                lines.append(
                    "the number of trials was fixed before the first (a run that ends when it looks good needs the "
                    "e-value of trials)"
                )
            if rule.ordered:
                lines.append(f"of the figures, allowance for signaling and confidence region: {independent}")
        lines.append(f"the test ({rule.test}) and its settings were chosen before the data were seen")
        if self.counts.post_selected:
            lines.append("fair sampling: the shots that were kept are like those that were dropped")
        elif self.counts.lost_outcomes is not None:
            lines.append("the counts hold every shot; lost ones are an outcome of their own")
        else:
            lines.append("the counts hold every shot: none was discarded (no fair sampling is assumed)")
        lines.append("no mitigation: the counts are those that were read out")
        lines += [f"as the data were read: {note}" for note in rule.data.reading]
        if self.verdict is not Verdict.LOCAL:
            lines += self._influences
        if rule.in_nonlocal_list is not None:
            lines.append("many groups were tested; NONLOCAL is given so that few are wrong (false discovery rate)")
        if self.verdict is Verdict.LOCAL:
            lines.append("the behavior is no-signaling, and the same in all shots")
        return tuple(lines)

    @property
    def _influences(self) -> tuple[str, str]:
        """What is assumed about influences between the parties: how strong they may be, and why this is assumed."""
        rule, found = self.rule, self.found
        if rule.kappa is not None:
            assumed = f"hidden influences are at most kappa = {rule.kappa:g} times what marginals show (declared)"
        elif rule.signaling_seen(found):
            assumed = f"hidden influences are at most kappa = {UNDECLARED_KAPPA:g} times what marginals show"
        else:
            assumed = "nothing passes between the parties: no signaling was detected"
            if self.verdict is Verdict.NONLOCAL and found.allowance is not None:
                assumed += f", and the counts exclude {excluded_influences(found.allowance)}"
        why = (
            "crosstalk that marginals do not show at all is assumed not to be there: no counts can exclude it, and on "
            "one chip no space-like separation does"
        )
        return assumed, why

    @property
    def advice(self) -> str:
        """What would settle an open question."""
        return advice(self)

    def report(self) -> LocalityReport:
        """Returns the report."""
        found = self.found
        decisive = self.rule.decisive(found)
        assert decisive is not None
        pieces = (
            decisive,
            found.e_value,
            found.game,
            self.fit,
            self.comparison if self.comparison is not None and self.comparison.num_replicates else None,
            found.settings,
            found.standing,
            found.drift,
            found.signaling,
            self.signaling_e_value,
            found.allowance,
            found.region,
        )
        evidence: list[Any] = []
        for piece in pieces:
            if piece is not None and not any(piece is other for other in evidence):
                evidence.append(piece)
        kind = "trials" if self.rule.ordered else "counts"
        named = settings_in_words(self.rule.data.setting_names)
        design = {"blocks": "in blocks of fixed settings", "random": "with settings drawn at random"}
        return LocalityReport(
            verdict=self.verdict,
            target=f"{kind} of {self.counts.scenario}{f' ({named})' if named else ''}, {design[self.counts.design]}",
            admits_local_model=self.admits_local_model,
            model=None if self.fit is None else self.fit.model,
            inequality=decisive.inequality,
            alpha=self.rule.alpha,
            test=self.rule.test,
            log10_p_value=decisive.log10_p_value,
            statistics=self.statistics,
            evidence=tuple(evidence),
            assumptions=self.assumptions,
            advice=self.advice,
            warnings=self.warnings,
            absent=self.absent,
            largest_kappa=None if found.allowance is None else found.allowance.largest_kappa,
            question=self.rule,
        )
