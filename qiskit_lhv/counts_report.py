"""What was found about counts, and the report that follows from it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .report import LocalityReport, Verdict
from .statistics.confidence import LocalRegion
from .statistics.drift import DriftTest
from .statistics.evidence import EValue
from .statistics.games import GameTest
from .statistics.hidden_signaling import SignalingAllowance
from .statistics.likelihood import LocalFit, fit_local_model
from .statistics.model_comparison import ModelComparison
from .statistics.no_signaling import SignalingTest, chsh_forms
from .targets.counts import BellCounts
from .targets.projections import project_to_no_signaling

__all__ = ["CountsFindings", "chsh_value"]


@dataclass(frozen=True)
class CountsFindings:
    """Everything that was computed for counts, from which the verdict follows."""

    counts: BellCounts
    ordered: bool
    alpha: float
    kappa: float
    test: str
    predictability: float
    seed: int
    e_value: EValue
    signaling_e_value: EValue
    game: GameTest | None
    fit: LocalFit
    comparison: ModelComparison
    drift: DriftTest | None
    signaling: SignalingTest
    allowance: SignalingAllowance | None
    region: LocalRegion | None = None
    # For many groups of qubits at once: whether e-BH rejects this one.
    rejected: bool | None = None

    @property
    def decisive(self) -> EValue | GameTest:
        """The result of the declared test."""
        return self.game if self.test == "game" and self.game is not None else self.e_value

    @property
    def significant(self) -> bool:
        """Whether the declared p-value is at most alpha, or the group is rejected together with others."""
        return self.decisive.log10_p_value <= math.log10(self.alpha) if self.rejected is None else self.rejected

    @property
    def signaling_seen(self) -> bool:
        """Whether no-signaling is rejected."""
        return self.signaling.p_value <= self.alpha

    @property
    def verdict(self) -> Verdict:
        """The verdict."""
        beyond_signaling = self.allowance is not None and self.allowance.exceeded
        if self.significant and (beyond_signaling or not self.signaling_seen):
            return Verdict.NONLOCAL
        if self.signaling_seen:
            return Verdict.SIGNALING
        if self.region is not None and self.region.inside:
            return Verdict.LOCAL
        return Verdict.INCONCLUSIVE

    @cached_property
    def expected_rate(self) -> float:
        """Expected log-evidence a trial if the best no-signaling explanation of the counts is the truth."""
        no_signaling = project_to_no_signaling(self.counts.frequencies(), self.counts.num_shots)
        return fit_local_model(no_signaling, self.counts.num_shots).divergence

    @cached_property
    def goodness_of_fit(self) -> float:
        """Asymptotic p-value of the local fit; conservative, as the fit's freedom is not subtracted."""
        return self.comparison.total.asymptotic_p_value

    @property
    def statistics(self) -> dict[str, float]:
        """Figures for the reader."""
        figures: dict[str, float] = {"shots": self.counts.total_shots}
        if self.counts.scenario.is_chsh:
            figures["S"], figures["S standard error"] = chsh_value(self.counts)
        figures["local fit: KL (nats a trial)"] = self.fit.divergence
        figures["local fit: goodness-of-fit p"] = self.goodness_of_fit
        steps = {"nonlocality": self.comparison.nonlocality, "signaling": self.comparison.signaling}
        for name, step in steps.items():
            figures[f"deviance by {name}"] = step.deviance
            if self.comparison.num_replicates:
                figures[f"deviance by {name}: bootstrap p"] = step.p_value
        if self.comparison.num_replicates:
            figures["local fit: bootstrap p"] = self.comparison.total.p_value
        if self.drift is not None:
            figures["drift: p-value"] = self.drift.p_value
        figures["no-signaling: p-value"] = self.signaling.p_value
        figures["no-signaling: largest shift"] = self.signaling.largest_shift
        figures["no-signaling: log10 e"] = self.signaling_e_value.log_e / math.log(10)
        if self.allowance is not None:
            figures["signaling: hidden, needed by a local model"] = self.allowance.hidden_needed
            figures["signaling: visible in marginals"] = self.allowance.visible
            figures["signaling: violation stands up to kappa"] = self.allowance.largest_kappa
        figures["e-value: log10 e"] = self.e_value.log_e / math.log(10)
        figures["e-value: expected log10 e a trial"] = self.expected_rate / math.log(10)
        if self.game is not None:
            figures["game: wins" if self.game.binomial else "game: score"] = self.game.score
            figures["game: log10 p"] = self.game.log10_p_value
        figures["seed of the order"] = self.seed
        return figures

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the verdict rests on."""
        independent = "shots are independent, from one device that neither drifts nor remembers"
        lines = []
        if self.counts.design == "blocks":
            lines += ["the numbers of shots of each setting were fixed beforehand", independent]
        else:
            how = "settings were drawn at random, trial by trial, with the probabilities given"
            if self.predictability:
                how += f" (predictable to within {self.predictability:g} a party)"
            lines.append(how)
            if self.test == "e-value" and not self.ordered:
                lines.append(f"{independent} (the counts do not say in which order they came)")
            elif self.ordered:
                lines.append("the trials are in the order they were taken; the device may remember earlier ones")
        lines.append(f"the test ({self.test}) and its settings were chosen before the data were seen")
        if self.counts.post_selected:
            lines.append("fair sampling: the shots that were kept are like those that were dropped")
        elif self.counts.lost_outcomes is not None:
            lines.append("the counts hold every shot; lost ones are an outcome of their own")
        else:
            lines.append("the counts hold every shot: none was discarded (no fair sampling is assumed)")
        lines.append("no mitigation: the counts are those that were read out")
        lines.append(
            "no influence between the parties that marginals do not show: crosstalk of that kind no counts can exclude"
        )
        lines.append(
            "the parties do not communicate during a trial: on one chip there is no space-like separation to enforce it"
        )
        if self.signaling_seen:
            lines.append(f"hidden influence is at most kappa = {self.kappa:g} times what marginals show")
        elif self.verdict is Verdict.NONLOCAL and self.allowance is not None and not self.allowance.exceeded:
            lines.append(
                "signaling too weak to be detected with these shots does not explain the violation (the counts rule it "
                f"out only for hidden influences up to {self.allowance.largest_kappa:.2g} times what marginals show)"
            )
        if self.rejected is not None:
            lines.append("many groups were tested; NONLOCAL is given so that few are wrong (false discovery rate)")
        if self.verdict is Verdict.LOCAL:
            lines.append("the behavior is no-signaling")
        return tuple(lines)

    @property
    def advice(self) -> str:
        """What would settle an open question."""
        if self.verdict is Verdict.SIGNALING:
            if not self.significant:
                return "Reduce crosstalk between the parties' qubits, or choose qubits further apart."
            if self.allowance is None:
                return "Reduce crosstalk: the scenario is too large to weigh a violation against signaling."
            return f"Reduce crosstalk, or take more shots: {self.allowance}."
        if self.verdict is not Verdict.INCONCLUSIVE:
            return ""
        if self.expected_rate * self.counts.total_shots > 1:
            needed = -math.log(self.alpha) / self.expected_rate
            rounded = float(f"{needed:.2g}")
            return (
                f"More shots: about {rounded:,.0f} in a new run would reach alpha, if the frequencies seen were "
                "the device's probabilities (by chance they overstate a violation)."
            )
        return "The frequencies are all but local: more shots for a LOCAL verdict, other settings for a NONLOCAL one."

    def report(self) -> LocalityReport:
        """The report."""
        admits = {Verdict.LOCAL: True, Verdict.INCONCLUSIVE: self.goodness_of_fit > self.alpha}
        pieces = (
            self.decisive,
            self.e_value,
            self.game,
            self.fit,
            self.comparison if self.comparison.num_replicates else None,
            self.drift,
            self.signaling,
            self.signaling_e_value,
            self.allowance,
            self.region,
        )
        evidence: list[Any] = []
        for piece in pieces:
            if piece is not None and not any(piece is other for other in evidence):
                evidence.append(piece)
        kind = "trials" if self.ordered else "counts"
        design = {"blocks": "in blocks of fixed settings", "random": "with settings drawn at random"}
        return LocalityReport(
            verdict=self.verdict,
            target=f"{kind} of {self.counts.scenario}, {design[self.counts.design]}",
            admits_local_model=admits.get(self.verdict, False),
            model=self.fit.model,
            inequality=self.e_value.inequality,
            alpha=self.alpha,
            test=self.test,
            log10_p_value=self.decisive.log10_p_value,
            statistics=self.statistics,
            evidence=tuple(evidence),
            assumptions=self.assumptions,
            advice=self.advice,
        )


def chsh_value(counts: BellCounts) -> tuple[float, float]:
    """The largest of the eight CHSH values of counts, and its standard error for multinomial shots.

    Args:
        counts: Counts of two parties with two settings of two outcomes.
    """
    p = counts.frequencies().array
    correlators = np.einsum("xyab,a,b->xy", p, [1.0, -1.0], [1.0, -1.0])
    variance = np.sum((1 - correlators**2) / counts.num_shots)
    return float(chsh_forms(correlators).max()), float(math.sqrt(variance))
