"""The answer for counts and trials: the declared test first, then figures, which may be absent but never raise."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from ._deadlines import Deadline
from ._progress import ProgressBar
from ._threads import one_blas_thread
from ._validation import generator, probability, whole_number
from .counts_report import CountsFindings
from .counts_rule import UNDECLARED_KAPPA, CountsEvidence, CountsRule
from .exceptions import CountsError, LHVError
from .polytope.bounds import enumeration_size
from .polytope.families import chsh
from .polytope.inequalities import BellExpression
from .statistics.combined_evidence import CombinedEValue, averaged_e_values, num_orders
from .statistics.combined_tests import combined_test, family_of
from .statistics.confidence import local_region
from .statistics.drift import drift_test
from .statistics.evidence import EValue, ratio_e_values
from .statistics.games import GameTest, game_test
from .statistics.hidden_signaling import check_kappa, signaling_allowance
from .statistics.likelihood import fit_local_model
from .statistics.model_comparison import compare_models, quick_replicates
from .statistics.no_signaling import no_signaling_test
from .statistics.predictability import check_predictability
from .statistics.setting_choice import require_declared_settings, settings_test, standing_predictability
from .statistics.swapped_bits import swapped_bits_hint
from .targets.behaviors import Behavior
from .targets.counts import BellCounts, check_shot_limit, require_all_shots
from .targets.projections import project_to_no_signaling
from .targets.trials import BellTrials
from .verdict import Verdict

__all__ = ["TESTS", "CountsOptions", "counts_findings", "group_findings"]

Data = BellCounts | BellTrials
T = TypeVar("T")
Group = tuple[int, ...]

TESTS = ("combined", "e-value", "game")
_REPLICATES, _MAX_REPLICATES = 200, 100_000
# Scenarios up to here get a linear program for hidden signaling within about a second.
_QUICK_ENUMERATION = 1 << 10
_QUICK_CELLS = 1 << 10
# A fit for the reader stops when what is missing is this share of its divergence.
_FIT_TOLERANCE, _RELATIVE_FIT_TOLERANCE = 1e-10, 1e-3
# From this p-value of the settings on, the predictability up to which a result stands is looked for.
_SUSPICIOUS_LOG10 = -2.0


@dataclass(frozen=True)
class CountsOptions:
    """What is declared for counts, see :func:`analyze`; checked by :meth:`checked`."""

    alpha: float = 0.01
    test: str | None = None
    expression: BellExpression | None = None
    kappa: float | None = None
    signaling_level: float = 0.01
    predictability: float = 0.0
    fair_sampling: bool = False
    num_replicates: int | None = None
    time_limit: float | None = None
    progress: bool | None = None
    seed: int | None = None

    def checked(self) -> CountsOptions:
        """The options with numbers of the right type, and a seed that was drawn where none was given.

        Raises:
            CountsError: If one of them is out of range.
        """
        if self.test is not None and (not isinstance(self.test, str) or self.test not in TESTS):
            raise CountsError.bad_argument("test", expected="'combined', 'e-value' or 'game'", got=repr(self.test))
        if self.expression is not None and not isinstance(self.expression, BellExpression):
            raise CountsError.bad_argument(
                "expression",
                expected="a BellExpression, such as chsh()",
                got=type(self.expression).__name__,
                remedy="Make one with BellExpression.from_correlators or BellExpression(coefficients).",
            )
        if self.kappa is not None:
            check_kappa(self.kappa)
        if self.progress is not None and not isinstance(self.progress, bool | np.bool_):
            raise CountsError.bad_argument("progress", expected="True, False or None", got=repr(self.progress))
        generator(self.seed)
        replicates = self.num_replicates
        if replicates is not None:
            replicates = whole_number(replicates, "num_replicates", CountsError, minimum=0)
            if replicates > _MAX_REPLICATES:
                raise CountsError.bad_argument(
                    "num_replicates", expected=f"at most {_MAX_REPLICATES}", got=f"{replicates}"
                )
        Deadline(self.time_limit)
        return replace(
            self,
            alpha=probability(self.alpha, "alpha", CountsError, open_interval=True),
            signaling_level=probability(self.signaling_level, "signaling_level", CountsError, open_interval=True),
            num_replicates=replicates,
            # Drawn once and reported, so that the result can be had again.
            seed=secrets.randbits(31) if self.seed is None else self.seed,
        )

    def test_for(self, data: Data) -> str:
        """The declared test, or the default of a kind of data.

        Raises:
            CountsError: If the test is not for these data.
        """
        family = isinstance(data, BellCounts) and bool(family_of(data.scenario))
        if self.test is None:
            return "combined" if family else "e-value"
        if self.test == "combined" and not family:
            raise CountsError.bad_argument(
                "test",
                expected="'e-value' or 'game' for trials, and for scenarios without a known family of inequalities",
                got="'combined'",
                remedy="The combined test is for counts of CHSH tests.",
            )
        return self.test


@dataclass
class _Figures:
    """Computes figures for the reader while there is time; what fails is absent, with its reason."""

    deadline: Deadline
    absent: dict[str, str] = field(default_factory=dict)
    out_of_time: bool = False

    def compute(self, name: str, function: Callable[[], T]) -> T | None:
        if self.deadline.over:
            self.out_of_time = True
            self.absent[name] = "the time limit was over"
            return None
        try:
            return function()
        except (LHVError, ArithmeticError, np.linalg.LinAlgError, MemoryError) as exc:
            self.absent[name] = str(exc) or type(exc).__name__
            return None


@one_blas_thread()
def counts_findings(data: Sequence[Data], options: CountsOptions, *, num_groups: int = 1) -> list[CountsFindings]:
    """What is found about each of several sets of counts or trials.

    Args:
        data: The data.
        options: The checked options.
        num_groups: Number of groups that are analyzed for one list; all their allowances for signaling hold together.

    Raises:
        CountsError: If data cannot be used for the declared test.
        ScenarioError: If a scenario is too large.
    """
    deadline = Deadline(options.time_limit)
    checked = [_check(one, options) for one in data]
    tests = [options.test_for(one) for one in data]
    games = [_declared_game(one, test, options) for one, test in zip(data, tests, strict=True)]
    e_values = _e_values(data, options, deadline)
    found = []
    absent: dict[str, str] = {}
    if len(data) == 1 and deadline.over and isinstance(e_values[0], EValue):
        absent["later factors of the e-value"] = "the time limit was over: the last one that was found serves them, too"
    figures = _Figures(deadline, absent)
    together = figures.compute(
        "no-signaling: log10 e",
        lambda: ratio_e_values(data, null="no-signaling", fair_sampling=options.fair_sampling, seed=options.seed),
    )
    signaling: Sequence[EValue | None] = [None] * len(data) if together is None else together
    with ProgressBar(len(data), options.progress, "group") as bar:
        for i, one in enumerate(data):
            findings = _findings(one, tests[i], e_values[i], games[i], checked[i], options, deadline, num_groups)
            findings = replace(findings, signaling_e_value=signaling[i], absent=absent | findings.absent)
            found.append(findings)
            bar.update(1, str(findings.verdict))
    return found


def _check(data: Data, options: CountsOptions) -> Any:
    """Everything that is checked before long work; returns the test of the setting numbers."""
    if isinstance(data, BellCounts):
        check_shot_limit(data)
    require_all_shots(data, options.fair_sampling)
    check_predictability(options.predictability, data.design, data.setting_probabilities)
    settings = settings_test(data, options.predictability)
    require_declared_settings(settings)
    return settings


def _declared_game(data: Data, test: str, options: CountsOptions) -> GameTest | None:
    counts = data.to_counts() if isinstance(data, BellTrials) else data
    expression = options.expression
    if expression is None and counts.scenario.is_chsh:
        if test != "game" and options.predictability > 0:
            # Only shown; with settings so predictable it may have nothing to say.
            return None
        expression = chsh()
    if expression is not None:
        return game_test(data, expression, predictability=options.predictability, fair_sampling=options.fair_sampling)
    if test == "game":
        raise CountsError.bad_argument(
            "expression", expected="the rule of the game for this scenario", got="None", remedy="Declare it."
        )
    return None


def _e_values(
    data: Sequence[Data], options: CountsOptions, deadline: Deadline | None = None
) -> list[EValue | CombinedEValue]:
    """The e-value of each set of data: in the order of trials, or the mean over random orders where that is quick."""
    declared: dict[str, Any] = {
        "predictability": options.predictability,
        "fair_sampling": options.fair_sampling,
        "seed": options.seed,
    }
    several = [i for i, one in enumerate(data) if isinstance(one, BellCounts) and _num_orders(one) > 1]
    single = [i for i in range(len(data)) if i not in set(several)]
    found: dict[int, EValue | CombinedEValue] = {}
    if single:
        limit = None if deadline is None else deadline.left
        found.update(zip(single, ratio_e_values([data[i] for i in single], time_limit=limit, **declared), strict=True))
    if several:
        found.update(zip(several, averaged_e_values([data[i] for i in several], **declared), strict=True))
    return [found[i] for i in range(len(data))]


def _num_orders(counts: BellCounts) -> int:
    return num_orders(counts.scenario, counts.total_shots)


def _findings(
    data: Data,
    test: str,
    e_value: EValue | CombinedEValue,
    game: GameTest | None,
    settings: Any,
    options: CountsOptions,
    deadline: Deadline,
    num_groups: int,
) -> CountsFindings:
    counts = data.to_counts() if isinstance(data, BellTrials) else data
    scenario = counts.scenario
    ordered = isinstance(data, BellTrials) and data.design == "random"
    seed = options.seed
    assert seed is not None
    rule = CountsRule(
        counts, ordered, options.alpha, test, options.kappa, options.signaling_level, options.predictability
    )
    combined = None
    if test == "combined":
        assert isinstance(data, BellCounts)
        combined = combined_test(
            data, e_value, predictability=options.predictability, fair_sampling=options.fair_sampling
        )
    figures = _Figures(deadline)
    # What the verdict needs comes first, and is not cut off by the time limit.
    always = _Figures(Deadline(None), figures.absent)
    signaling = always.compute(
        "no-signaling", lambda: no_signaling_test(counts, level=options.signaling_level, seed=seed)
    )
    found = CountsEvidence(e_value, game, combined, settings, signaling)
    quick = scenario.num_cells <= _QUICK_CELLS and enumeration_size(scenario) <= _QUICK_ENUMERATION
    if quick:
        # For many groups all allowances hold together.
        allowance = always.compute(
            "signaling allowance",
            lambda: signaling_allowance(
                counts,
                alpha=options.alpha / num_groups,
                kappa=UNDECLARED_KAPPA if options.kappa is None else options.kappa,
                seed=seed,
            ),
        )
        found = replace(found, allowance=allowance)
    else:
        figures.absent["signaling allowance"] = f"{scenario} is too large for its linear program"
    fit = figures.compute(
        "local fit",
        lambda: fit_local_model(
            counts,
            tolerance=_FIT_TOLERANCE,
            relative_tolerance=_RELATIVE_FIT_TOLERANCE,
            time_limit=deadline.left,
        ),
    )
    projected = figures.compute(
        "no-signaling fit",
        lambda: project_to_no_signaling(counts.frequencies(), counts.num_shots, time_limit=deadline.left),
    )
    rate = None
    if projected is not None:
        rate = figures.compute(
            "e-value: expected log10 e per trial", lambda: _expected_rate(projected, counts, deadline)
        )
    replicates = options.num_replicates
    if replicates is None:
        replicates = min(_REPLICATES, quick_replicates(scenario)) if num_groups == 1 else 0
    known = None if fit is None or projected is None else (fit.model.behavior(), projected)
    comparison = figures.compute(
        "deviances",
        lambda: compare_models(counts, num_replicates=replicates, known=known, time_limit=deadline.left, seed=seed),
    )
    if isinstance(data, BellTrials) and data.num_trials > 1:
        found = replace(found, drift=figures.compute("drift", lambda: drift_test(data, seed=seed)))
    findings = CountsFindings(
        rule,
        found,
        seed,
        fit=fit,
        comparison=comparison,
        expected_rate=rate,
        expression=chsh() if options.expression is None and scenario.is_chsh else options.expression,
        absent=figures.absent,
    )
    if signaling is not None and rule.signaling_seen(found):
        swapped = figures.compute("swapped outcomes", lambda: swapped_bits_hint(counts, seed=seed))
        findings = replace(findings, swapped=swapped)
    if settings.log10_p_value < _SUSPICIOUS_LOG10 and rule.significant(found):
        standing = figures.compute("standing predictability", lambda: _standing(data, test, options))
        findings = replace(findings, standing_predictability=standing)
    if findings.verdict is Verdict.INCONCLUSIVE and fit is not None and not rule.drifts(found):
        center = fit.model.behavior()
        region = figures.compute(
            "confidence region",
            lambda: local_region(counts, center, alpha=options.alpha, time_limit=deadline.left),
        )
        findings = replace(findings, found=replace(found, region=region))
    return replace(findings, out_of_time=figures.out_of_time)


def _expected_rate(no_signaling: Behavior, counts: BellCounts, deadline: Deadline) -> float:
    """Divergence of the best no-signaling explanation from the local set, in nats per trial."""
    fit = fit_local_model(
        no_signaling,
        counts.num_shots,
        tolerance=_FIT_TOLERANCE,
        relative_tolerance=_RELATIVE_FIT_TOLERANCE,
        time_limit=deadline.left,
    )
    return fit.divergence


def _standing(data: Data, test: str, options: CountsOptions) -> float:
    """The predictability up to which the declared test stays significant."""

    def log10_p(predictability: float) -> float:
        changed = replace(options, predictability=predictability)
        try:
            check_predictability(predictability, data.design, data.setting_probabilities)
            e_value = _e_values([data], changed)[0]
            if test == "combined":
                assert isinstance(data, BellCounts)
                return combined_test(
                    data, e_value, predictability=predictability, fair_sampling=options.fair_sampling
                ).log10_p_value
            game = _declared_game(data, test, changed) if test == "game" else None
        except CountsError:
            # So much predictability leaves nothing to test.
            return 0.0
        return e_value.log10_p_value if game is None else game.log10_p_value

    return standing_predictability(log10_p, float(np.log10(options.alpha)))


def group_findings(
    data: Mapping[Group, Data], options: CountsOptions
) -> tuple[dict[Group, CountsFindings], dict[Group, str]]:
    """What is found about each of many groups, and why nothing could be found about the others.

    One group that fails never loses the others.

    Args:
        data: Counts or trials by group.
        options: The checked options.
    """
    failures: dict[Group, str] = {}
    usable: dict[Group, Data] = {}
    for group, one in data.items():
        try:
            _check(one, options)
            _declared_game(one, options.test_for(one), options)
        except LHVError as exc:
            failures[group] = str(exc)
        else:
            usable[group] = one
    try:
        findings = counts_findings(list(usable.values()), options, num_groups=len(data)) if usable else []
        found = dict(zip(usable, findings, strict=True))
    except (LHVError, ArithmeticError, np.linalg.LinAlgError, MemoryError):
        found = {}
        for group, one in usable.items():
            try:
                (found[group],) = counts_findings([one], options, num_groups=len(data))
            except (LHVError, ArithmeticError, np.linalg.LinAlgError, MemoryError) as exc:
                failures[group] = str(exc) or type(exc).__name__
    return found, {group: failures[group] for group in data if group in failures}
