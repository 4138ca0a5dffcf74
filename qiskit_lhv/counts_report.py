"""What was found about counts, in words: the report that follows from the evidence."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from .counts_rule import UNDECLARED_KAPPA, CountsEvidence, CountsRule, excluded_influences, figures_of_evidence
from .polytope.families import chsh
from .polytope.inequalities import BellExpression
from .report import LocalityReport
from .statistics.combined_evidence import CombinedEValue
from .statistics.evidence import EValue
from .statistics.game_advice import best_other_form, combined_shots_needed, game_shots_needed
from .statistics.likelihood import LocalFit
from .statistics.model_comparison import ModelComparison
from .statistics.no_signaling import chsh_forms
from .targets.counts import BellCounts
from .verdict import Verdict

__all__ = ["OUT_OF_TIME", "CountsFindings", "chsh_value"]

# From so many standard errors above the quantum bound on, S is taken for a mistake in the data.
_IMPOSSIBLE = 5.0
OUT_OF_TIME = "the time limit was over"
"""Why a figure is absent that was due after the time limit."""


@dataclass(frozen=True)
class CountsFindings:
    """Everything that was computed for counts, from which the report follows."""

    rule: CountsRule
    found: CountsEvidence
    signaling_e_value: EValue | CombinedEValue | None = None
    fit: LocalFit | None = None
    comparison: ModelComparison | None = None
    # Expected log-evidence per trial if the best no-signaling explanation of the counts is the truth, in nats.
    expected_rate: float | None = None
    # Signaling that vanishes when outcomes of some settings are swapped, in words.
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
        """The predictability up to which the result stands, where the settings came otherwise than declared."""
        return None if self.found.standing is None else self.found.standing.predictability

    @property
    def out_of_time(self) -> bool:
        """Whether the time limit ended before every figure was computed."""
        return OUT_OF_TIME in self.absent.values()

    @cached_property
    def verdict(self) -> Verdict:
        """The verdict."""
        return self.rule.verdict(self.found)

    @property
    def goodness_of_fit(self) -> float | None:
        """Asymptotic p-value of the local fit; conservative, as the fit's freedom is not subtracted."""
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
        """Figures for the reader."""
        found, figures = self.found, {"shots": float(self.counts.total_shots)}
        if self.counts.scenario.is_chsh:
            figures["S"], figures["S standard error"] = chsh_value(self.counts)
        if self.fit is not None:
            figures["local fit: KL (nats per trial)"] = self.fit.divergence
        if self.goodness_of_fit is not None:
            figures["local fit: goodness-of-fit p"] = self.goodness_of_fit
        if self.comparison is not None:
            steps = {"nonlocality": self.comparison.nonlocality, "signaling": self.comparison.signaling}
            for name, step in steps.items():
                figures[f"deviance by {name}"] = step.deviance
                if self.comparison.num_replicates:
                    figures[f"deviance by {name}: bootstrap p"] = step.p_value
            if self.comparison.num_replicates:
                figures["local fit: bootstrap p"] = self.comparison.total.p_value
        of_evidence = figures_of_evidence(self.counts, found)
        figures |= {name: value for name, value in of_evidence.items() if name == "settings: p-value"}
        figures |= {name: value for name, value in of_evidence.items() if name.startswith(("drift", "no-signaling"))}
        if self.signaling_e_value is not None:
            figures["no-signaling: log10 e"] = self.signaling_e_value.log_e / math.log(10)
        figures |= {name: value for name, value in of_evidence.items() if name.startswith(("signaling", "e-value"))}
        if self.expected_rate is not None:
            figures["e-value: expected log10 e per trial"] = self.expected_rate / math.log(10)
        figures |= {name: value for name, value in of_evidence.items() if name.startswith(("game", "combined"))}
        figures |= {name: value for name, value in of_evidence.items() if name.startswith("settings: result")}
        figures["seed of the order"] = self.rule.seed
        return figures

    # Words

    @property
    def warnings(self) -> tuple[str, ...]:
        """What looks wrong about the data."""
        lines = []
        if self.counts.scenario.is_chsh:
            value, error = chsh_value(self.counts)
            if value > 2 * math.sqrt(2) + _IMPOSSIBLE * error:
                lines.append(
                    f"S = {value:.4g} lies more than {_IMPOSSIBLE:g} standard errors above the quantum bound 2 sqrt(2)"
                    ": look for a wrong order of bits, post-selection, or communication between the parties"
                )
        if self.swapped is not None:
            lines.append(self.swapped)
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
        lines.append(
            "no influence between the parties that marginals do not show: crosstalk of that kind no counts can exclude"
        )
        lines.append(
            "the parties do not communicate during a trial: on one chip there is no space-like separation to enforce it"
        )
        if rule.kappa is not None:
            lines.append(f"hidden influence is at most kappa = {rule.kappa:g} times what marginals show (declared)")
        elif rule.signaling_seen(self.found):
            lines.append(f"hidden influence is at most kappa = {UNDECLARED_KAPPA:g} times what marginals show")
        elif self.verdict is Verdict.NONLOCAL and self.found.allowance is not None:
            lines.append(
                "nothing passes between the parties: no signaling was detected; the counts exclude "
                f"{excluded_influences(self.found.allowance)}"
            )
        if rule.in_nonlocal_list is not None:
            lines.append("many groups were tested; NONLOCAL is given so that few are wrong (false discovery rate)")
        if self.verdict is Verdict.LOCAL:
            lines.append("the behavior is no-signaling, and the same in all shots")
        return tuple(lines)

    @property
    def advice(self) -> str:
        """What would settle an open question."""
        if self.verdict is Verdict.SIGNALING:
            if self.swapped is not None:
                return "Check the order of the bits first: see the warning."
            return self._advice_on_signaling()
        if self.verdict is not Verdict.INCONCLUSIVE:
            return ""
        if self.rule.significant(self.found) and self.rule.settings_explain(self.found):
            return (
                "The settings did not come as declared, and that may explain the result (see the warning): find out "
                "with which probabilities they were drawn, and declare them for a new run."
            )
        if self.rule.significant(self.found) and not self.rule.beyond_signaling(self.found):
            return self._advice_on_signaling()
        decisive = self.rule.decisive(self.found)
        if decisive is not None and self.rule.significant(self.found):
            return (
                "The declared test is significant only because of how often each setting came: the frequencies of the "
                "setting combinations are local. Check the design and the setting probabilities."
            )
        if self.rule.test == "game":
            return self._advice_on_game()
        if self.expected_rate is not None and self.expected_rate * self.counts.total_shots > 1:
            needed = -math.log(self.rule.alpha) / self.expected_rate
            if self.found.combined is not None:
                by_games = combined_shots_needed(self.found.combined, self.rule.alpha)
                needed = needed if by_games is None else min(needed, by_games)
            return _more_shots(needed)
        if self.out_of_time:
            return "More time: some figures, or a LOCAL verdict, were left out when the time limit ended."
        return "The frequencies are all but local: more shots for a LOCAL verdict, other settings for a NONLOCAL one."

    def _advice_on_signaling(self) -> str:
        if not self.rule.significant(self.found):
            return "Reduce crosstalk between the parties' qubits, or choose qubits further apart."
        allowance = self.found.allowance
        if allowance is None:
            reason = self.absent.get("signaling allowance", "it was not computed")
            return f"Reduce crosstalk: the violation could not be weighed against signaling ({reason})."
        return f"Reduce crosstalk, or take more shots: {allowance}."

    def _advice_on_game(self) -> str:
        game = self.found.game
        assert game is not None
        needed = game_shots_needed(game, self.rule.alpha)
        if needed is not None:
            return _more_shots(needed)
        text = "No number of shots helps the declared game: it is won no more often than a local model can win it"
        if self.expression is not None:
            other = best_other_form(self.counts, self.expression)
            if other is not None:
                return f"{text}; {other[0]}."
        return f"{text}."

    def report(self) -> LocalityReport:
        """The report."""
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
        design = {"blocks": "in blocks of fixed settings", "random": "with settings drawn at random"}
        return LocalityReport(
            verdict=self.verdict,
            target=f"{kind} of {self.counts.scenario}, {design[self.counts.design]}",
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
            rule=self.rule,
        )


def _more_shots(needed: float) -> str:
    return (
        f"More shots: about {float(f'{needed:.2g}'):,.0f} in a new run would reach alpha, if the frequencies seen were "
        "the device's probabilities (by chance they overstate a violation)."
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
