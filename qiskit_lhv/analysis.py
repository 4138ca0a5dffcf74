"""The one verb for users: target in, report out."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ._validation import generator, probability
from .exceptions import CountsError, LHVError
from .models.local_model import LocalModel
from .polytope.families import chsh
from .polytope.inequalities import BellExpression, BellInequality
from .polytope.thresholds import nonlocality_threshold
from .quantum.experiment import BellExperiment
from .report import LocalityReport, Verdict
from .statistics.confidence import LocalRegion, local_region
from .statistics.evidence import EValue, GameTest, game_test, ratio_e_value
from .statistics.likelihood import LocalFit, fit_local_model
from .statistics.no_signaling import (
    SignalingAllowance,
    SignalingTest,
    check_kappa,
    chsh_forms,
    chsh_signaling_allowance,
    no_signaling_test,
)
from .targets.behaviors import Behavior
from .targets.counts import BellCounts
from .targets.projections import project_to_no_signaling
from .targets.trials import BellTrials

__all__ = ["analyze"]

TESTS = ("e-value", "game")
_ROUNDING = 1e-9


def analyze(
    target: Behavior | BellCounts | BellTrials | BellExperiment,
    *,
    alpha: float = 0.01,
    test: str = "e-value",
    expression: BellExpression | None = None,
    kappa: float = 5.0,
    training_fraction: float = 1 / 3,
    time_limit: float | None = None,
    seed: int | None = None,
) -> LocalityReport:
    """Answers whether a target admits a local hidden-variable model.

    Args:
        target: A behavior (or an experiment, for its exact behavior), answered by the local polytope; or
            counts or trials, answered by statistics.
        alpha: For counts, the largest probability of a wrong NONLOCAL.
        test: For counts, the test whose p-value decides, declared before the data are read:
            ``"e-value"`` (prediction-based ratio, for any scenario) or ``"game"``.
        expression: For ``"game"``, the expression whose sign is the rule of the game, declared
            likewise; default: ``chsh()`` in its scenario.
        kappa: For counts that signal, the assumed largest ratio of a hidden influence between the
            parties to the part of it that marginals show.
        training_fraction: Share of the shots that chooses the factor of the e-value.
        time_limit: Seconds for the local polytope; default: none.
        seed: Seed of the e-value's split of the shots. Declare it, or leave it ``None``: choosing
            among seeds is choosing among p-values.

    Returns:
        The report, whose ``evidence`` can be re-checked by ``verify()``.

    Raises:
        LHVError: If the target is of another type, or an argument is out of range.
        CountsError: If the counts cannot be used for the declared test.
        ScenarioError: If a behavior is signaling or its scenario is too large.

    Examples:
        >>> from qiskit_lhv import analyze, load_bundled_counts
        >>> analyze(load_bundled_counts("ibm_hanoi19_20circuit13").counts, seed=1).verdict.name
        'NONLOCAL'
    """
    if isinstance(target, BellExperiment):
        target = target.behavior()
    if isinstance(target, Behavior):
        return _analyze_behavior(target, time_limit)
    if not isinstance(target, BellCounts | BellTrials):
        raise LHVError.bad_argument(
            "target",
            expected="a Behavior, BellCounts, BellTrials or BellExperiment",
            got=type(target).__name__,
            remedy=(
                "A state or circuit needs settings: Behavior.from_state(state, settings) or "
                "BellExperiment(circuit, settings); dictionaries go to BellCounts.from_counts."
            ),
        )
    alpha = probability(alpha, "alpha", CountsError, open_interval=True)
    if test not in TESTS:
        raise CountsError.bad_argument("test", expected="'e-value' or 'game'", got=repr(test))
    check_kappa(kappa)
    generator(seed)
    counts = target.to_counts() if isinstance(target, BellTrials) else target
    game = _declared_game(target, counts, test, expression)
    if seed is None:
        # Drawn once and reported, so that the result can be had again.
        seed = secrets.randbits(31)
    findings = _Findings(
        counts=counts,
        ordered=isinstance(target, BellTrials),
        alpha=alpha,
        kappa=kappa,
        test=test,
        seed=seed,
        e_value=ratio_e_value(target, training_fraction=training_fraction, seed=seed),
        game=game,
        fit=fit_local_model(counts),
        signaling=no_signaling_test(counts),
        allowance=chsh_signaling_allowance(counts, alpha=alpha, kappa=kappa) if counts.scenario.is_chsh else None,
        region=None,
    )
    if findings.verdict is Verdict.INCONCLUSIVE and counts.scenario.is_two_outcome:
        center = findings.fit.model.behavior()
        region = local_region(counts, center, alpha=alpha, time_limit=time_limit)
        findings = replace(findings, region=region)
    return findings.report()


def _declared_game(
    target: BellCounts | BellTrials, counts: BellCounts, test: str, expression: BellExpression | None
) -> GameTest | None:
    if expression is None and counts.scenario.is_chsh:
        expression = chsh()
    if expression is not None:
        return game_test(target, expression)
    if test == "game":
        raise CountsError.bad_argument(
            "expression", expected="the rule of the game for this scenario", got="None", remedy="Declare it."
        )
    return None


def _analyze_behavior(behavior: Behavior, time_limit: float | None) -> LocalityReport:
    threshold = nonlocality_threshold(behavior, time_limit=time_limit)
    verdict, advice = Verdict.INCONCLUSIVE, ""
    model: LocalModel | None = threshold.model
    inequality: BellInequality | None = threshold.inequality
    if threshold.lower >= 1 and threshold.model.verify(behavior, _ROUNDING):
        verdict, inequality = Verdict.LOCAL, None
    elif inequality is not None and inequality.verify(behavior, _ROUNDING, prove_bound=True):
        verdict = Verdict.NONLOCAL
    elif inequality is not None and not inequality.bound.exact and threshold.upper < 1:
        advice = (
            "An inequality seems to be violated, but its local bound could not be proven in the time allowed: prove it "
            "with local_bound(report.inequality.expression), or use fewer settings."
        )
    elif time_limit is not None and threshold.upper - threshold.lower > 1e-6:
        advice = f"More time: so far the threshold lies in [{threshold.lower:.6g}, {threshold.upper:.6g}]."
    else:
        advice = "The behavior lies on the boundary of the local set within rounding: give it more exactly."
    admits = {Verdict.LOCAL: True, Verdict.NONLOCAL: False}.get(verdict)
    statistics = {"visibility threshold (white noise)": threshold.estimate}
    if inequality is not None:
        statistics["violation"] = inequality.violation(behavior)
    assumptions = (f"the probabilities are known to {_ROUNDING:g}",)
    return LocalityReport(
        verdict=verdict,
        target=f"behavior of {behavior.scenario}",
        admits_local_model=admits,
        model=model,
        inequality=inequality,
        alpha=None,
        test=None,
        log10_p_value=None,
        statistics=statistics,
        evidence=(threshold,),
        assumptions=assumptions,
        advice=advice,
    )


@dataclass(frozen=True)
class _Findings:
    """What was found about counts, and the report that follows from it."""

    counts: BellCounts
    ordered: bool
    alpha: float
    kappa: float
    test: str
    seed: int
    e_value: EValue
    game: GameTest | None
    fit: LocalFit
    signaling: SignalingTest
    allowance: SignalingAllowance | None
    region: LocalRegion | None

    @property
    def decisive(self) -> EValue | GameTest:
        """The result of the declared test."""
        return self.game if self.test == "game" and self.game is not None else self.e_value

    @property
    def significant(self) -> bool:
        """Whether the declared p-value is at most alpha."""
        return self.decisive.log10_p_value <= math.log10(self.alpha)

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
        from scipy.special import chdtrc

        scenario = self.counts.scenario
        freedom = scenario.num_cells - scenario.num_setting_combinations
        return float(chdtrc(freedom, 2 * self.counts.total_shots * self.fit.divergence))

    @property
    def statistics(self) -> dict[str, float]:
        """Figures for the reader."""
        figures: dict[str, float] = {"shots": self.counts.total_shots}
        if self.counts.scenario.is_chsh:
            figures["S"], figures["S standard error"] = chsh_value(self.counts)
        figures["local fit: KL (nats a trial)"] = self.fit.divergence
        figures["local fit: goodness-of-fit p"] = self.goodness_of_fit
        figures["no-signaling: p-value"] = self.signaling.p_value
        figures["no-signaling: largest shift"] = self.signaling.largest_shift
        figures["e-value: log10 e"] = self.e_value.log_e / math.log(10)
        figures["e-value: expected log10 e a trial"] = self.expected_rate / math.log(10)
        if self.game is not None:
            figures["game: wins"] = self.game.wins
            figures["game: log10 p"] = self.game.log10_p_value
        figures["seed of the split"] = self.seed
        return figures

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the verdict rests on."""
        independent = "shots are independent, from one device that neither drifts nor remembers"
        lines = []
        if self.counts.design == "blocks":
            lines += ["the numbers of shots of each setting were fixed beforehand", independent]
        else:
            lines.append("settings were drawn at random, trial by trial, with the probabilities given")
            if self.test == "e-value" and not self.ordered:
                lines.append(f"{independent} (the counts do not say in which order they came)")
        lines.append(f"the test ({self.test}) and its settings were chosen before the data were seen")
        lines.append("the counts hold every shot: none was discarded and none was mitigated")
        lines.append("no influence between the parties that marginals do not show (one chip cannot exclude it)")
        if self.signaling_seen:
            lines.append(f"hidden influence is at most kappa = {self.kappa:g} times what marginals show")
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
                return "Reduce crosstalk: only for CHSH is a violation weighed against signaling so far."
            return f"Reduce crosstalk, or take more shots: {self.allowance}."
        if self.verdict is not Verdict.INCONCLUSIVE:
            return ""
        if self.expected_rate * self.counts.total_shots > 1:
            tested = int(self.e_value.tested.sum())
            share = tested / (tested + self.e_value.num_trained)
            needed = -math.log(self.alpha) / (self.expected_rate * share)
            rounded = float(f"{needed:.2g}")
            return (
                f"More shots: about {rounded:,.0f} in a new run would reach alpha, if the frequencies seen were "
                "the device's probabilities (by chance they overstate a violation)."
            )
        return "The frequencies are all but local: more shots for a LOCAL verdict, other settings for a NONLOCAL one."

    def report(self) -> LocalityReport:
        """The report."""
        admits = {Verdict.LOCAL: True, Verdict.INCONCLUSIVE: self.goodness_of_fit > self.alpha}
        # Without signaling there is nothing to weigh a violation against.
        allowance = self.allowance if self.signaling_seen else None
        pieces = (self.decisive, self.e_value, self.game, self.fit, self.signaling, allowance, self.region)
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
