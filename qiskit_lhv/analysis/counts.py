"""The analysis of counts and trials: first the declared test, then figures, which may be absent but never raise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from .._support.deadlines import NO_LIMIT, Deadline
from .._support.progress import ProgressBar
from .._support.threads import one_blas_thread
from ..exceptions import LHVError
from ..polytope.bounds.local_bounds import enumeration_size
from ..reports.counts_rule import UNDECLARED_KAPPA, CountsEvidence, as_tested, given_settings
from ..reports.figure_names import Figure
from ..statistics.assumptions.drift import drift_test
from ..statistics.assumptions.predictability import check_predictability
from ..statistics.evidence.combined_e_values import CombinedEValue
from ..statistics.evidence.combined_tests import CombinedTest
from ..statistics.evidence.e_values import EValue, ratio_e_values
from ..statistics.evidence.standing_tests import StandingTest, TestResult, standing_test
from ..statistics.fits.local_fit import fit_local_model
from ..statistics.fits.model_comparison import compare_models, quick_replicates
from ..statistics.intervals.confidence_regions import local_region
from ..statistics.planning.expected_evidence import expected_evidence
from ..statistics.signaling.allowance import signaling_allowance
from ..statistics.signaling.no_signaling_tests import signaling_given_projection
from ..statistics.signaling.swapped_bits import swapped_bits_hint
from ..targets.counts import BellCounts
from ..targets.measured_settings import filled_frequencies
from ..targets.projections import project_to_no_signaling
from ..targets.trials import BellTrials
from ..verification.verdict import Verdict
from .counts_findings import OUT_OF_TIME, CountsFindings
from .counts_options import CountsCall
from .counts_question import CountsQuestion
from .counts_tests import Prepared, declared_result, e_values_of, prepared, result_of

__all__ = ["counts_findings", "group_findings"]

Data = BellCounts | BellTrials
T = TypeVar("T")
Group = tuple[int, ...]

_MAX_REPLICATES = 200
# In scenarios up to this size the linear program for hidden signaling takes at most about a second.
_QUICK_ENUMERATION = 1 << 10
_QUICK_CELLS = 1 << 10
# A fit that only gives figures ends when its duality gap is below this share of its divergence.
_FIT_TOLERANCE, _RELATIVE_FIT_TOLERANCE = 1e-10, 1e-3


@dataclass
class _Figures:
    """Computes figures while there is time; a figure that cannot be computed is absent, with the reason."""

    deadline: Deadline
    absent: dict[str, str] = field(default_factory=dict)

    def compute(self, name: Figure, function: Callable[[], T]) -> T | None:
        if self.deadline.over:
            self.absent[name] = OUT_OF_TIME
            return None
        try:
            return function()
        except (LHVError, ArithmeticError, np.linalg.LinAlgError, MemoryError) as exc:
            self.absent[name] = str(exc) or type(exc).__name__
            return None


def counts_findings(data: Data, options: CountsCall) -> CountsFindings:
    """Returns what is found about counts or trials.

    Args:
        data: The counts or trials.
        options: The checked options.

    Raises:
        CountsError: If the data cannot be used for the declared test.
        ScenarioError: If the scenario is too large.
    """
    return _all_findings([prepared(data, options)], options, 1)[0]


@one_blas_thread()
def _all_findings(members: Sequence[Prepared], options: CountsCall, num_groups: int) -> list[CountsFindings]:
    """Returns what is found about each set of data; sets of the same scenario share the work on their e-values."""
    deadline = Deadline(options.time_limit)
    tested = [member.tested(options) for member in members]
    e_values = e_values_of(tested, options, deadline)
    absent: dict[str, str] = {}
    if len(members) == 1 and deadline.over and isinstance(e_values[0], EValue):
        absent[Figure.LATER_FACTORS] = f"{OUT_OF_TIME}: the last one that was found serves them, too"
    together = _Figures(deadline, absent).compute(
        Figure.NO_SIGNALING_LOG10_E,
        lambda: ratio_e_values(tested, null="no-signaling", fair_sampling=options.fair_sampling, seed=options.seed),
    )
    signaling: Sequence[EValue | None] = [None] * len(members) if together is None else together
    found = []
    with ProgressBar(len(members), options.progress, "group") as bar:
        for member, e_value, against_signaling in zip(members, e_values, signaling, strict=True):
            figures = _Figures(deadline, dict(absent))
            findings = _findings(member, e_value, against_signaling, options, figures, num_groups)
            found.append(findings)
            bar.update(1, str(findings.verdict))
    return found


def _findings(
    member: Prepared,
    e_value: EValue | CombinedEValue,
    against_signaling: EValue | None,
    options: CountsCall,
    figures: _Figures,
    num_groups: int,
) -> CountsFindings:
    deadline = figures.deadline
    data, settings = member.data, member.settings
    seed = options.seed
    assert seed is not None
    rule = _declared_rule(data, member.test, options, num_groups)
    counts, scenario = rule.counts, rule.counts.scenario
    result = declared_result(rule.tested, rule.test, e_value, member.game, options)
    combined = result if isinstance(result, CombinedTest) else None
    projected = figures.compute(
        Figure.NO_SIGNALING_FIT,
        lambda: project_to_no_signaling(filled_frequencies(counts), counts.num_shots, time_limit=deadline.left),
    )
    # Figures that the verdict needs come first, and the time limit does not cut them off.
    always = _Figures(NO_LIMIT, figures.absent)
    signaling = always.compute(
        Figure.NO_SIGNALING_P,
        lambda: signaling_given_projection(counts, options.signaling_level, seed, projected),
    )
    found = CountsEvidence(e_value, member.game, combined, settings, signaling=signaling)
    quick = scenario.num_cells <= _QUICK_CELLS and enumeration_size(scenario) <= _QUICK_ENUMERATION
    if quick:
        # The allowances of many groups have to hold together.
        allowance = always.compute(
            Figure.LARGEST_KAPPA,
            lambda: signaling_allowance(
                counts,
                alpha=options.alpha / num_groups,
                kappa=UNDECLARED_KAPPA if options.kappa is None else options.kappa,
                seed=seed,
            ),
        )
        found = replace(found, allowance=allowance)
    else:
        figures.absent[Figure.LARGEST_KAPPA] = f"{scenario} is too large for its linear program"
    fit = figures.compute(
        Figure.KL,
        lambda: fit_local_model(
            counts,
            tolerance=_FIT_TOLERANCE,
            relative_tolerance=_RELATIVE_FIT_TOLERANCE,
            time_limit=deadline.left,
        ),
    )
    expected = None
    if projected is not None:
        expected = figures.compute(
            Figure.LOG10_E_PER_TRIAL,
            lambda: expected_evidence(projected, counts, options.predictability, time_limit=deadline.left),
        )
    known = None if fit is None or projected is None else (fit.model.behavior(), projected)
    comparison = figures.compute(
        Figure.FIT_P,
        lambda: compare_models(
            counts, num_replicates=rule.num_replicates, known=known, time_limit=deadline.left, seed=seed
        ),
    )
    if rule.in_time:
        found = replace(found, drift=figures.compute(Figure.DRIFT_P, lambda: drift_test(data, seed=seed)))
    if settings.suspicious and rule.significant(found):
        # This decides whether NONLOCAL stands, so the time limit does not cut it off.
        standing = always.compute(Figure.LARGEST_PREDICTABILITY, lambda: _standing(member, options, num_groups))
        found = replace(found, standing=standing)
    findings = CountsFindings(
        rule,
        found,
        fit=fit,
        comparison=comparison,
        expected=expected,
        signaling_e_value=against_signaling,
        absent=figures.absent,
    )
    if signaling is not None and rule.signaling_seen(found):
        swapped = figures.compute(Figure.SWAPPED_OUTCOMES, lambda: swapped_bits_hint(counts, seed=seed))
        findings = replace(findings, swapped=swapped)
    if findings.verdict is Verdict.INCONCLUSIVE and fit is not None and not rule.drifts(found):
        center = fit.model.behavior()
        region = figures.compute(
            Figure.CONFIDENCE_REGION,
            lambda: local_region(counts, center, alpha=options.alpha, time_limit=deadline.left),
        )
        findings = replace(findings, found=replace(found, region=region))
    return findings


def _declared_rule(data: Data, test: str, options: CountsCall, num_groups: int) -> CountsQuestion:
    """Returns the declarations about the data, as a report records them."""
    assert options.seed is not None
    replicates = options.num_replicates
    if replicates is None:
        assert data.scenario is not None
        replicates = min(_MAX_REPLICATES, quick_replicates(data.scenario)) if num_groups == 1 else 0
    return CountsQuestion(
        data,
        options.alpha,
        test,
        options.kappa,
        options.signaling_level,
        options.predictability,
        options.table_expression,
        options.fair_sampling,
        replicates,
        options.seed,
        num_groups=num_groups,
        platform=options.platform,
    )


def _standing(member: Prepared, options: CountsCall, num_groups: int) -> StandingTest | None:
    """Returns the declared test with the largest predictability at which it is still significant."""

    def make(predictability: float) -> TestResult:
        changed = replace(options, predictability=predictability)
        data, test = member.data, member.test
        check_predictability(predictability, data.design, data.setting_probabilities)
        tested = as_tested(data, test, predictability)
        return result_of(tested, test, changed)

    # The results of many groups have to hold together.
    standing = standing_test(make, options.predictability, float(np.log10(options.alpha / num_groups)))
    if standing is None:
        return None
    tested = member.tested(options)
    given = given_settings(tested)
    if given is tested:
        return standing
    return replace(standing, given_settings=result_of(given, member.test, replace(options, predictability=0.0)))


def group_findings(
    data: Mapping[Group, Data], options: CountsCall
) -> tuple[dict[Group, CountsFindings], dict[Group, str]]:
    """Returns what is found about each of many groups, and for groups that cannot be analyzed the reason.

    A group that fails does not affect the others.

    Args:
        data: Counts or trials by group.
        options: The checked options.
    """
    failures: dict[Group, str] = {}
    usable: dict[Group, Prepared] = {}
    for group, counts in data.items():
        try:
            usable[group] = prepared(counts, options)
        except LHVError as exc:
            failures[group] = str(exc)
    try:
        findings = _all_findings(list(usable.values()), options, len(data)) if usable else []
        found = dict(zip(usable, findings, strict=True))
    except (LHVError, ArithmeticError, np.linalg.LinAlgError, MemoryError):
        found = {}
        for group, one_of_them in usable.items():
            try:
                (found[group],) = _all_findings([one_of_them], options, len(data))
            except (LHVError, ArithmeticError, np.linalg.LinAlgError, MemoryError) as exc:
                failures[group] = str(exc) or type(exc).__name__
    for group, one_found in found.items():
        rule = replace(one_found.rule, group=group, num_failed=len(failures))
        found[group] = replace(one_found, rule=rule)
    return found, {group: failures[group] for group in data if group in failures}
