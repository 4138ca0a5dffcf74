"""The one verb for users: target in, report out."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypedDict, Unpack, overload

from qiskit import QuantumCircuit
from qiskit.quantum_info import DensityMatrix, Statevector

from ._validation import generator, probability, whole_numbers
from .counts_report import CountsFindings
from .device_report import DeviceReport
from .estimated_state import analyze_estimate
from .exceptions import CountsError, LHVError
from .models.local_model import LocalModel
from .polytope.bounds import enumeration_size
from .polytope.families import chsh
from .polytope.inequalities import BellExpression, BellInequality
from .polytope.thresholds import nonlocality_threshold
from .quantum.experiment import BellExperiment
from .report import LocalityReport, Verdict
from .state_report import analyze_state
from .statistics.confidence import local_region
from .statistics.evidence import EValue, ratio_e_values
from .statistics.false_discovery import e_bh
from .statistics.games import GameTest, game_test
from .statistics.hidden_signaling import check_kappa, signaling_allowance
from .statistics.likelihood import fit_local_model
from .statistics.model_comparison import compare_models, drift_test
from .statistics.no_signaling import no_signaling_test
from .statistics.predictability import check_predictability
from .targets.behaviors import Behavior
from .targets.correlations import CorrelationTensor
from .targets.counts import BellCounts, require_all_shots
from .targets.tensor_estimates import TensorEstimate
from .targets.trials import BellTrials

__all__ = ["analyze"]

TESTS = ("e-value", "game")
_ROUNDING = 1e-9
# Scenarios up to here get bootstrap replicates and a linear program for hidden signaling within about a second.
_QUICK_STRATEGIES = 256
_QUICK_ENUMERATION = 1 << 10
_QUICK_CELLS = 1 << 10


class _Options(TypedDict, total=False):
    alpha: float
    test: str
    expression: BellExpression | None
    kappa: float
    predictability: float
    fair_sampling: bool
    num_replicates: int | None
    measurements: str
    time_limit: float | None
    seed: int | None


@overload
def analyze(
    target: Mapping[Any, BellCounts] | Mapping[Any, BellTrials], **options: Unpack[_Options]
) -> DeviceReport: ...


@overload
def analyze(target: Any, **options: Unpack[_Options]) -> LocalityReport: ...


def analyze(
    target: Any,
    *,
    alpha: float = 0.01,
    test: str = "e-value",
    expression: BellExpression | None = None,
    kappa: float = 5.0,
    predictability: float = 0.0,
    fair_sampling: bool = False,
    num_replicates: int | None = None,
    measurements: str = "projective",
    time_limit: float | None = None,
    seed: int | None = None,
) -> LocalityReport | DeviceReport:
    """Answers whether a target admits a local hidden-variable model.

    Args:
        target: A behavior (or an experiment, for its exact behavior), answered by the local polytope; a state of 2 to 6
            qubits, its circuit or its correlation tensor, answered for all projective measurements; an estimate of its
            correlations, with their errors; counts or trials, answered by statistics; or a dictionary of counts by
            group of qubits, ``{(3, 4): counts, ...}``, answered for all groups together.
        alpha: For counts, the largest probability of a wrong NONLOCAL; for many groups, the false discovery rate.
        test: For counts, the test whose p-value decides, declared before the data are read:
            ``"e-value"`` (prediction-based ratios, for any scenario) or ``"game"``.
        expression: For ``"game"``, the rule of the game or another Bell expression, declared likewise;
            default: ``chsh()`` in its scenario.
        kappa: For counts that signal, the assumed largest ratio of a hidden influence between the
            parties to the part of it that marginals show.
        predictability: For random settings, how far the probability of a party's setting may be from the one given.
        fair_sampling: States the assumption that post-selected shots are a fair sample of all; without it they are
            refused.
        num_replicates: Bootstrap replicates for the figures of the fits, which decide nothing; default: 200 for small
            scenarios, none for large ones and for many groups.
        measurements: For states, ``"projective"``, or a plane, ``"xy"``, ``"xz"`` or ``"yz"``.
        time_limit: Seconds for the local polytope, default: none; for a state, default: 60.
        seed: Seed of searches, and of the e-value's order of the shots. Declare it, or leave it ``None``: choosing
            among seeds is choosing among p-values.

    Returns:
        The report, whose ``evidence`` can be re-checked by ``verify()``; a ``DeviceReport`` for many groups.

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
    if isinstance(target, DensityMatrix | Statevector | QuantumCircuit | CorrelationTensor):
        return analyze_state(target, measurements=measurements, time_limit=time_limit, seed=seed)
    if isinstance(target, TensorEstimate):
        return analyze_estimate(target, alpha=alpha, measurements=measurements, time_limit=time_limit, seed=seed)
    alpha = probability(alpha, "alpha", CountsError, open_interval=True)
    if test not in TESTS:
        raise CountsError.bad_argument("test", expected="'e-value' or 'game'", got=repr(test))
    check_kappa(kappa)
    generator(seed)
    if num_replicates is not None:
        (num_replicates,) = whole_numbers(num_replicates, "num_replicates", CountsError, minimum=0)
    groups = _groups(target) if isinstance(target, Mapping) else None
    data = list(target.values()) if groups is not None else [target]
    for one in data:
        _require_counts(one, "target" if groups is None else "target (each group)")
        require_all_shots(one, fair_sampling)
        check_predictability(predictability, one.design, one.setting_probabilities)
    if groups is not None and test != "e-value":
        raise CountsError.bad_argument(
            "test", expected="'e-value' for many groups, whose false discovery rate is controlled", got=repr(test)
        )
    games = [_declared_game(one, test, expression, predictability, fair_sampling) for one in data]
    if seed is None:
        # Drawn once and reported, so that the result can be had again.
        seed = secrets.randbits(31)
    e_values = ratio_e_values(data, predictability=predictability, fair_sampling=fair_sampling, seed=seed)
    signaling = ratio_e_values(data, null="no-signaling", fair_sampling=fair_sampling, seed=seed)
    rejected: list[bool] | list[None] = [None] * len(data)
    if groups is not None:
        rejected = [bool(one) for one in e_bh([e_value.log_e for e_value in e_values], alpha)]
        num_replicates = num_replicates or 0
    reports = []
    for one, e_value, no_signaling, game, decision in zip(data, e_values, signaling, games, rejected, strict=True):
        findings = _findings(one, e_value, no_signaling, game, alpha, kappa, num_replicates, seed)
        findings = replace(findings, test=test, predictability=float(predictability), rejected=decision)
        if findings.verdict is Verdict.INCONCLUSIVE:
            center = findings.fit.model.behavior()
            region = local_region(findings.counts, center, alpha=alpha, time_limit=time_limit)
            findings = replace(findings, region=region)
        reports.append(findings.report())
    return reports[0] if groups is None else DeviceReport(groups, tuple(reports), alpha)


def _groups(target: Mapping[Any, Any]) -> tuple[tuple[int, ...], ...]:
    if not target:
        raise CountsError.bad_argument("target", expected="counts of at least one group of qubits", got="none")
    if all(isinstance(value, Mapping) for value in target.values()):
        raise CountsError.bad_argument(
            "target",
            expected="BellCounts by group of qubits",
            got="dictionaries",
            remedy="Dictionaries go to BellCounts.from_counts, states to Behavior.from_state(state, settings).",
        )
    return tuple(whole_numbers(group, "target (groups)", CountsError, minimum=0) for group in target)


def _require_counts(target: object, argument: str) -> None:
    if not isinstance(target, BellCounts | BellTrials):
        raise LHVError.bad_argument(
            argument,
            expected="a Behavior, a state or circuit of qubits, BellCounts, BellTrials or BellExperiment",
            got=type(target).__name__,
            remedy=(
                "For chosen settings of a state: Behavior.from_state(state, settings) or "
                "BellExperiment(circuit, settings); dictionaries go to BellCounts.from_counts."
            ),
        )


def _findings(
    data: BellCounts | BellTrials,
    e_value: EValue,
    signaling_e_value: EValue,
    game: GameTest | None,
    alpha: float,
    kappa: float,
    num_replicates: int | None,
    seed: int,
) -> CountsFindings:
    counts = data.to_counts() if isinstance(data, BellTrials) else data
    scenario = counts.scenario
    signaling = no_signaling_test(counts, seed=seed)
    quick = scenario.num_cells <= _QUICK_CELLS and enumeration_size(scenario) <= _QUICK_ENUMERATION
    if num_replicates is None:
        num_replicates = 200 if scenario.num_strategies <= _QUICK_STRATEGIES else 0
    return CountsFindings(
        counts=counts,
        ordered=isinstance(data, BellTrials),
        alpha=alpha,
        kappa=kappa,
        test="e-value",
        predictability=0.0,
        seed=seed,
        e_value=e_value,
        signaling_e_value=signaling_e_value,
        game=game,
        fit=fit_local_model(counts),
        comparison=compare_models(counts, num_replicates=num_replicates, seed=seed),
        drift=drift_test(data) if isinstance(data, BellTrials) and data.num_trials > 1 else None,
        signaling=signaling,
        allowance=signaling_allowance(counts, alpha=alpha, kappa=kappa, seed=seed) if quick else None,
    )


def _declared_game(
    data: BellCounts | BellTrials,
    test: str,
    expression: BellExpression | None,
    predictability: float,
    fair_sampling: bool,
) -> GameTest | None:
    counts = data.to_counts() if isinstance(data, BellTrials) else data
    if expression is None and counts.scenario.is_chsh:
        if test == "e-value" and predictability > 0:
            # Only shown; with settings so predictable it may have nothing to say.
            return None
        expression = chsh()
    if expression is not None:
        return game_test(data, expression, predictability=predictability, fair_sampling=fair_sampling)
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
