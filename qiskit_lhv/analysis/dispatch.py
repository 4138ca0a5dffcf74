"""The one verb for users: target in, report out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, TypedDict, Unpack, overload

from .._support.validation import whole_numbers
from ..exceptions import CountsError, LHVError
from ..experiments.bell_experiment import BellExperiment
from ..polytope.expressions.expression import BellExpression
from ..quantum.parties import QUANTUM_STATES
from ..reports.devices import DeviceReport
from ..reports.group_lists import group_lists
from ..reports.locality import LocalityReport
from ..targets.behaviors import Behavior
from ..targets.correlations import CorrelationTensor
from ..targets.counts import BellCounts
from ..targets.tensor_estimates import TensorEstimate
from ..targets.trials import BellTrials
from .behaviors import analyze_behavior
from .counts import counts_findings, group_findings
from .counts_options import CountsOptions
from .estimates import analyze_estimate
from .states import analyze_state

__all__ = ["analyze"]


class _Options(TypedDict, total=False):
    alpha: float
    test: str | None
    expression: BellExpression | None
    kappa: float | None
    signaling_level: float
    predictability: float
    fair_sampling: bool
    num_replicates: int | None
    tolerance: float
    measurements: str
    time_limit: float | None
    progress: bool | None
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
    test: str | None = None,
    expression: BellExpression | None = None,
    kappa: float | None = None,
    signaling_level: float = 0.01,
    predictability: float = 0.0,
    fair_sampling: bool = False,
    num_replicates: int | None = None,
    tolerance: float = 1e-7,
    measurements: str = "projective",
    time_limit: float | None = None,
    progress: bool | None = None,
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
            ``"e-value"`` (prediction-based ratios, for any scenario), ``"game"``, or ``"combined"`` (the e-value and
            all forms of CHSH, each with its share of alpha). Default: ``"combined"`` for counts of CHSH tests,
            ``"e-value"`` for trials, many groups and other scenarios.
        expression: For ``"game"``, the rule of the game or another Bell expression, declared likewise;
            default: ``chsh()`` in its scenario.
        kappa: For counts, the assumed largest ratio of a hidden influence between the parties to the part of it that
            marginals show. A declared one is always applied: NONLOCAL then excludes local models with such
            influences. Without one, NONLOCAL stands on "nothing passes between the parties" where no signaling is
            detected, and on kappa = 5 where it is.
        signaling_level: For counts, the level at which signaling counts as detected.
        predictability: For random settings, how far the probability of a party's setting may be from the one given.
        fair_sampling: States the assumption that post-selected shots are a fair sample of all; without it they are
            refused.
        num_replicates: Bootstrap replicates for the figures of the fits, which decide nothing; default: 200 for small
            scenarios, none for large ones and for many groups.
        tolerance: For behaviors, how far each probability may be from the true one.
        measurements: For states, ``"projective"``, or a plane, ``"xy"``, ``"xz"`` or ``"yz"``.
        time_limit: Seconds; default: none (for states, budgets of work). For counts, the declared test and the test of
            no-signaling always run; figures that are due after the limit are absent.
        progress: Whether to show a progress bar over many groups; default: only on a terminal.
        seed: Seed of searches, and of the e-value's orders of the shots. Declare it, or leave it ``None`` for fresh
            entropy, which the report records: choosing among seeds is choosing among p-values.

    Returns:
        The report, whose ``evidence`` can be re-checked by ``verify()``; a ``DeviceReport`` for many groups.

    Raises:
        LHVError: If the target is of another type, or an argument is out of range.
        CountsError: If the counts cannot be used for the declared test, or their settings contradict the declared
            design.
        ScenarioError: If a behavior signals more than its tolerance explains, or its scenario is too large.

    Examples:
        >>> from qiskit_lhv import analyze, load_bundled_counts
        >>> analyze(load_bundled_counts("ibm_hanoi19_20circuit13").counts, seed=1).verdict.name
        'NONLOCAL'
    """
    if isinstance(target, BellExperiment):
        target = target.behavior()
    if isinstance(target, Behavior):
        return analyze_behavior(target, tolerance=tolerance, time_limit=time_limit)
    if isinstance(target, (*QUANTUM_STATES, CorrelationTensor)):
        return analyze_state(target, measurements=measurements, time_limit=time_limit, seed=seed)
    if isinstance(target, TensorEstimate):
        return analyze_estimate(
            target,
            alpha=alpha,
            signaling_level=signaling_level,
            measurements=measurements,
            time_limit=time_limit,
            seed=seed,
        )
    given = locals()
    options = CountsOptions(**{field.name: given[field.name] for field in fields(CountsOptions)})
    if isinstance(target, Mapping):
        return _analyze_groups(target, options)
    _require_counts(target, "target")
    return counts_findings(target, options.checked()).report()


def _analyze_groups(target: Mapping[Any, Any], options: CountsOptions) -> DeviceReport:
    groups = _groups(target)
    for one in target.values():
        _require_counts(one, "target (each group)")
    if options.test not in (None, "e-value"):
        raise CountsError.bad_argument(
            "test",
            expected="'e-value' for many groups, whose false discovery rate is controlled",
            got=repr(options.test),
        )
    options = replace(options, test="e-value").checked()
    found, failures = group_findings(dict(zip(groups, target.values(), strict=True)), options)
    lists = group_lists([(one.rule, one.found) for one in found.values()], options.alpha, len(groups))
    reports = []
    for one, in_nonlocal, in_signaling in zip(found.values(), *lists, strict=True):
        rule = replace(one.rule, in_nonlocal_list=in_nonlocal, in_signaling_list=in_signaling)
        reports.append(replace(one, rule=rule).report())
    return DeviceReport(tuple(found), tuple(reports), options.alpha, failures=tuple(failures.items()))


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
    groups = tuple(whole_numbers(group, "target (groups)", CountsError, minimum=0) for group in target)
    for i, group in enumerate(groups):
        if group in groups[:i]:
            raise CountsError.bad_argument(
                "target (groups)",
                expected="each group of qubits once",
                got=f"{group} in two spellings",
                remedy="Of several runs, multiply the e-values: combine_e_values(e_values, independent=True).",
            )
    return groups


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
