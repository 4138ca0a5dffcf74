"""Evidence against every local model: e-values from prediction-based ratios, updated stage by stage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..._support.deadlines import NO_LIMIT, Deadline
from ..._support.types import FloatArray, IntArray
from ..._support.validation import frozen, probability, seed_or_fresh, truth_value
from ..._support.words import counted
from ...exceptions import CountsError
from ...polytope.expressions.expression import BellExpression
from ...polytope.inequalities.bell_inequality import BellInequality
from ...targets.counts import BellCounts
from ...targets.scenario import BellScenario
from ...targets.trials import BellTrials, require_counts_or_trials
from ...verification.branches import left_open
from ...verification.evidence import Evidence
from ...verification.mean_bounds import exact_mean_bounds, mean_bounds_cost
from ...verification.result import Verification, combine
from ..assumptions.predictability import check_predictability
from .fair_sampling import require_all_shots
from .ratios import NULLS, RatioEngine, takes_long
from .stages import draw_stages, tables_of_orders

__all__ = [
    "EValue",
    "check_data",
    "check_orders",
    "e_values_of_stages",
    "ratio_e_value",
    "ratio_e_values",
    "recompute_e_values",
]


# Largest relative difference of log e: other processors round in another way, and a fit may stop a step earlier there.
SAME_EVIDENCE = 5e-3


@dataclass(frozen=True, eq=False, repr=False)
class EValue(Evidence):
    """An e-value against a set of behaviors: its mean is at most 1 for all of them.

    The shots are tested in stages. For every shot of a stage, the e-value is multiplied by a factor R(a, x) and divided
    by the largest mean of R that the set allows. The factor of a stage was chosen from the stages before it.

    References:
        Y. Zhang, S. Glancy, E. Knill, Phys. Rev. A 84, 062118 (2011), arXiv:1108.2468 (prediction-based ratios);
        arXiv:1812.06236 (the same against no-signaling); V. Vovk, R. Wang, Ann. Statist. 49, 1736 (2021),
        arXiv:1912.06116 (e-values).

    Examples:
        >>> from qiskit_lhv import load_bundled_counts, ratio_e_value
        >>> evidence = ratio_e_value(load_bundled_counts("ibm_hanoi19_20circuit13").counts, seed=1)
        >>> evidence.num_stages, evidence.num_shots, round(evidence.log10_p_value)
        (91, 180000, -2116)
        >>> evidence.factors[-1, 0, 0].round(2).tolist()
        [[0.64, 1.11], [1.12, 0.64]]
        >>> bool(evidence.verify())
        True
    """

    factors: FloatArray
    """R(a, x) of each stage, positive, shape ``(K, m_1, ..., m_N, d_1, ..., d_N)``; 1 in the first stage, which has no
    shots to learn from. If a setting has fewer outcomes than the party's largest one, padding repeats the factor of its
    last outcome, so that no bound depends on it."""
    setting_weights: FloatArray
    """Weight of each setting combination in the mean, shape ``(K, m_1, ..., m_N)``: shares of the stage's shots, or the
    probabilities of random settings."""
    mean_bounds: FloatArray
    """Upper bound of each factor's weighted mean over the set, shape ``(K,)``."""
    tested: IntArray
    """The shots of each stage, shape of ``factors``."""
    log_e: float
    """Natural logarithm of the e-value."""
    design: str = "blocks"
    """Where the weights come from: ``"blocks"`` (shares of the shots) or ``"random"`` (known probabilities)."""
    null: str = "local"
    """The set: ``"local"`` or ``"no-signaling"``."""
    predictability: float = 0.0
    """How far the probability of a party's random setting may be from the one declared; see ``ratio_e_value``."""
    multipliers: FloatArray | None = None
    """For ``"no-signaling"``, numbers of at least 0 that prove the bounds, shape of ``factors``."""
    seed: int | None = None
    """Seed of the random order of the shots; ``None`` if they were tested in the order they were taken, or in one of
    several orders (whose seed the ``CombinedEValue`` holds)."""
    scenario: BellScenario = None  # type: ignore[assignment]  # filled in below
    """The number of settings and outcomes of each party."""

    def __post_init__(self) -> None:
        for name in ("factors", "setting_weights", "mean_bounds", "tested"):
            object.__setattr__(self, name, frozen(getattr(self, name)))
        if self.multipliers is not None:
            object.__setattr__(self, "multipliers", frozen(self.multipliers))
        given: object = self.scenario
        if given is None:
            object.__setattr__(self, "scenario", BellScenario.from_shape(self.tested.shape[1:], "tested"))

    @property
    def num_stages(self) -> int:
        """Number of stages K."""
        return len(self.tested)

    @property
    def num_shots(self) -> int:
        """Number of shots in all stages."""
        return int(self.tested.sum())

    @property
    def log10_p_value(self) -> float:
        """Base-10 logarithm of the p-value ``min(1, 1 / e)``; never underflows."""
        return min(0.0, -self.log_e / math.log(10))

    @property
    def p_value(self) -> float:
        """The p-value ``min(1, 1 / e)``; 0.0 where it is below the smallest float."""
        return 10**self.log10_p_value

    @property
    def log_e_by_stage(self) -> FloatArray:
        """Natural logarithm of the e-value after each stage, shape ``(K,)``."""
        axes = tuple(range(1, self.tested.ndim))
        gains = np.sum(self.tested * np.log(self.factors), axis=axes)
        return np.cumsum(gains - self.tested.sum(axis=axes) * np.log(self.mean_bounds))

    @cached_property
    def inequality(self) -> BellInequality:
        """The Bell inequality behind it: the weighted mean of the last stage's factor, and its local bound."""
        weights = self.setting_weights[-1]
        coefficients = weights.reshape(weights.shape + (1,) * weights.ndim) * self.factors[-1]
        coefficients = np.where(self.scenario.mask, coefficients, 0.0)
        # Binary fractions of 40 bits, so that the bound is exact.
        scale = 2.0 ** (40 - math.ceil(math.log2(float(coefficients.sum()) + 1)))
        return BellInequality.of(BellExpression(np.rint(coefficients * scale) / scale, self.scenario))

    def __str__(self) -> str:
        against = "" if self.null == "local" else f"against {self.null}: "
        shots = f"{counted(self.num_shots, 'shot')} in {counted(self.num_stages, 'stage')}"
        return f"{against}log10 e = {self.log_e / math.log(10):.3f} from {shots}"

    @cached_property
    def recomputed(self) -> EValue:
        """The e-value computed again from its own stages, each factor from the stages before, by the same code."""
        return recompute_e_values([self])[0]

    def verify(self, *, prove_bound: bool | None = None) -> Verification:
        """Re-proves every stage's bound in exact arithmetic by another algorithm, and re-multiplies the factors.

        A factor does not show that it was chosen from earlier stages alone. So all factors are computed again by the
        code that made them, and must give the same evidence. If there is a seed, the order is drawn again, which shows
        that the shots were cut into stages without looking at their outcomes. Without a seed, nothing in the e-value
        shows in which order the shots were taken or tested. The reason then says so, and ``LocalityReport.verify``,
        which holds the data, checks it.

        Args:
            prove_bound: Whether to prove the bounds again; see ``BellInequality.verify``.
        """
        proven = self._check_bounds(prove_bound)
        if proven.refuted:
            return proven
        order = check_orders([self], self.seed, None)
        if order.refuted:
            return order
        proven = combine(proven, order)
        again = self.recomputed.log_e
        error = abs(again - self.log_e)
        if not error <= SAME_EVIDENCE * max(1.0, abs(again)):
            reason = f"with each factor chosen from the stages before it, log e is {again:.9g}, not {self.log_e:.9g}"
            if takes_long(self.scenario, self.null):
                # A time limit may have cut fits short, which nothing can show.
                return Verification.unproven(f"{reason}, unless a time limit has cut their fits short")
            return Verification(False, reason, error)
        return proven

    def _check_bounds(self, prove_bound: bool | None) -> Verification:
        fault = self._fault()
        if fault:
            return Verification(False, fault, math.inf)
        if self.scenario.shape != self.tested.shape[1:] or np.any(self.tested[:, ~self.scenario.mask]):
            return Verification(False, f"the shots are not those of {self.scenario}", math.inf)
        numbers = (self.factors, self.mean_bounds)
        if self.null not in NULLS or not all(array.min() > 0 and np.isfinite(array).all() for array in numbers):
            return Verification(False, "the factors are not positive, or the set is unknown", math.inf)
        if self.null == "no-signaling" and (self.multipliers is None or not self.multipliers.min() >= 0):
            return Verification(False, "there are no multipliers of at least 0 to prove the bounds", math.inf)
        weights = self.setting_weights
        shots = self.tested.sum(axis=tuple(range(weights.ndim, self.tested.ndim)))
        sizes = shots.reshape(self.num_stages, -1).sum(axis=1)
        expected = weights[:1]
        if self.design == "blocks":
            expected = shots / sizes.reshape(-1, *[1] * (weights.ndim - 1))
        right = np.abs(expected - weights).reshape(self.num_stages, -1).max(axis=1) <= 1e-12
        right &= np.abs(weights.reshape(self.num_stages, -1).sum(axis=1) - 1) <= 1e-12
        right &= weights.reshape(self.num_stages, -1).min(axis=1) >= 0
        if not right.all():
            stage = int(np.argmin(right))
            return Verification(False, f"stage {stage} has other weights than its design ({self.design})", math.inf)
        log_e = self._recomputed_log_e(sizes)
        error = abs(log_e - self.log_e)
        product = Verification(
            error <= 1e-9 * max(1.0, abs(log_e)),
            f"no {self.null} model gives a factor a larger mean than its bound; log e = {log_e:.9g}",
            error,
        )
        again = left_open(mean_bounds_cost(self.factors.shape, self.null), prove_bound, "the bound of every stage")
        if not product or not again:
            return combine(product, again)
        multipliers = self.multipliers if self.null == "no-signaling" else None
        sizes_of_settings = self.scenario.num_outcomes
        proven = exact_mean_bounds(self.factors, weights, self.predictability, multipliers, sizes_of_settings)
        for k, (bound, stated) in enumerate(zip(proven, self.mean_bounds.tolist(), strict=True)):
            if bound > stated:
                return Verification(
                    False,
                    f"a {self.null} model gives the factor of stage {k} a mean of {float(bound):.12g}, above "
                    f"{stated:.12g}",
                    float(bound - stated),
                )
        return product

    def _fault(self) -> str:
        """What is wrong with the shapes and ranges of the fields; empty if nothing is."""
        half = self.setting_weights.ndim
        if self.tested.ndim != 2 * half - 1 or half < 2 or self.factors.shape != self.tested.shape:
            return "the factors are not those of the stages' shots"
        if self.setting_weights.shape != self.tested.shape[:half] or self.mean_bounds.shape != self.tested.shape[:1]:
            return "the weights or the bounds are not those of the stages"
        if self.multipliers is not None and self.multipliers.shape != self.factors.shape:
            return "the multipliers are not those of the factors"
        if self.tested.size == 0 or self.tested.min() < 0 or self.num_shots == 0:
            return "there are no shots, or negative numbers of shots"
        if self.seed is not None and self.seed < 0:
            return "the seed is negative"
        if self.design not in ("blocks", "random"):
            return f"the design {self.design!r} is unknown"
        try:
            check_predictability(self.predictability, self.design, self.setting_weights[0])
        except CountsError as exc:
            return str(exc)
        return ""

    def _recomputed_log_e(self, sizes: IntArray) -> float:
        terms = [int(n) * math.log(float(r)) for n, r in zip(self.tested.flat, self.factors.flat, strict=True) if n]
        terms += [-int(n) * math.log(float(bound)) for n, bound in zip(sizes, self.mean_bounds, strict=True)]
        return math.fsum(terms)


def check_orders(parts: Sequence[EValue], seed: int | None, growth: float | None) -> Verification:
    """Whether the shots of e-values were tested in the random orders of a seed, as far as the e-values show it.

    Args:
        parts: E-values of the same shots, one for each order.
        seed: The seed, or ``None`` if there is none.
        growth: See :func:`~qiskit_lhv.statistics.evidence.stages.stage_ends`.
    """
    if seed is None:
        return Verification(True, "no seed tells the order of the shots, so that it is not checked here")
    first = parts[0]
    total = first.tested.sum(axis=0)
    if any(not np.array_equal(part.tested.sum(axis=0), total) or part.design != first.design for part in parts):
        return Verification(False, "e-values of one seed are about different shots", math.inf)
    drawn = tables_of_orders(total, first.scenario, first.design, len(parts), seed, growth)
    same = all(np.array_equal(part.tested, tables) for part, tables in zip(parts, drawn, strict=True))
    words = f"the order of the seed {seed}" if len(parts) == 1 else f"the orders of the seed {seed}"
    return Verification(same, f"the shots were{'' if same else ' not'} tested in {words}", 0.0 if same else math.inf)


def ratio_e_value(
    data: BellCounts | BellTrials,
    *,
    null: str = "local",
    predictability: float = 0.0,
    fair_sampling: bool = False,
    time_limit: float | None = None,
    seed: int | None = None,
) -> EValue:
    """The e-value of prediction-based ratios against local models, learned and tested stage by stage.

    Before each stage the factor R = f / q is chosen from all shots of earlier stages: f is the no-signaling behavior
    that explains them best, and q is the local behavior nearest to f. So the only shots that serve for training alone
    are those of the first stage, 16 or two for each setting combination.

    In blocks, the shots are taken in one random order, and R is divided by the largest mean that a local model gives it
    with the stage's own numbers of shots. This is valid for independent shots of one fixed local model. With random
    settings, their known probabilities take the place of these numbers. Trials whose order is known are tested in this
    order, so that the result also holds for devices that remember earlier trials.

    Args:
        data: Counts (taken in one random order) or trials (with random settings: in the order they were taken).
        null: The behaviors that are tested: ``"local"``, or ``"no-signaling"``, where f is the unrestricted fit and q
            is the no-signaling fit.
        predictability: For random settings, how far the probability of a party's setting, given everything
            before the trial and the settings of the parties before it, may be from the one declared.
        fair_sampling: Your statement that post-selected shots are a fair sample of all; without it they are refused.
        time_limit: Seconds, for scenarios whose fits take long; default: no limit. When the time is over, the last
            factor serves all later stages, which leaves the e-value valid and makes it weaker.
        seed: Seed of the random order of counts; ``None`` draws a fresh one. The e-value records it.

    Returns:
        The e-value; ``1 / e`` is a p-value.

    Raises:
        CountsError: If the set is unknown, the predictability is out of range, or shots were post-selected without
            that statement.

    References:
        arXiv:1108.2468 (prediction-based ratios), arXiv:1812.06236 (no-signaling).

    Examples:
        >>> from qiskit_lhv import load_bundled_counts
        >>> print(ratio_e_value(load_bundled_counts("ibm_hanoi19_20circuit13").counts, seed=1))
        log10 e = 2116.129 from 180000 shots in 91 stages
    """
    data = require_counts_or_trials(data)
    return ratio_e_values(
        [data],
        null=null,
        predictability=predictability,
        fair_sampling=fair_sampling,
        time_limit=time_limit,
        seed=seed,
    )[0]


def ratio_e_values(
    data: Sequence[BellCounts | BellTrials],
    *,
    null: str = "local",
    predictability: float = 0.0,
    fair_sampling: bool = False,
    time_limit: float | None = None,
    seed: int | None = None,
) -> list[EValue]:
    """The e-values of several sets of data at once; those of one scenario are computed together, which is faster.

    Each is what :func:`ratio_e_value` gives for it alone with the same seed.

    Args:
        data: Counts or trials.
        null: See :func:`ratio_e_value`.
        predictability: See :func:`ratio_e_value`.
        fair_sampling: See :func:`ratio_e_value`.
        time_limit: See :func:`ratio_e_value`; for one set of data of its scenario alone.
        seed: Seed of the random orders, the same for all; ``None`` draws a fresh one. Each e-value records it.

    Returns:
        The e-value of each entry of ``data``.

    Raises:
        CountsError: As for :func:`ratio_e_value`.

    References:
        Y. Zhang, S. Glancy, E. Knill, Phys. Rev. A 84, 062118 (2011), arXiv:1108.2468; arXiv:1812.06236 (no-signaling).

    Examples:
        >>> from qiskit_lhv.datasets import bundled_counts, load_bundled_counts
        >>> tables = [load_bundled_counts(name).counts for name in bundled_counts()]
        >>> for name, evidence in zip(bundled_counts(), ratio_e_values(tables, seed=1)):
        ...     print(f"{name:28} log10 p = {evidence.log10_p_value:.1f}")
        delft_2015                   log10 p = -0.2
        ibm_hanoi19_20circuit13      log10 p = -2116.1
        ibm_mumbai23_24circuit13     log10 p = -696.8
        ibm_washington38_39circuit13 log10 p = 0.0
        ibm_washington91_98circuit4  log10 p = 0.0
        ibm_hanoi19_20circuit4       log10 p = 0.0
    """
    check_data(data, predictability, fair_sampling)
    seed = seed_or_fresh(seed)
    stages = [draw_stages(run, seed) for run in data]
    e_values = e_values_of_stages(data, stages, null, predictability, Deadline(time_limit))
    ordered = [isinstance(run, BellTrials) and run.design == "random" for run in data]
    return [e_value if taken else replace(e_value, seed=seed) for e_value, taken in zip(e_values, ordered, strict=True)]


def check_data(data: Sequence[BellCounts | BellTrials], predictability: float, fair_sampling: bool) -> None:
    """Raises CountsError for data that cannot be tested with these assumptions."""
    listed = isinstance(data, Sequence) and not isinstance(data, str | bytes)
    if not listed or not all(isinstance(run, BellCounts | BellTrials) for run in data):
        got = ", ".join(sorted({type(run).__name__ for run in data})) if listed else type(data).__name__
        raise CountsError.bad_argument("data", expected="a list of BellCounts or BellTrials", got=got)
    truth_value(fair_sampling, "fair_sampling", CountsError)
    probability(predictability, "predictability", CountsError)
    for run in data:
        require_all_shots(run, fair_sampling)
        check_predictability(predictability, run.design, run.setting_probabilities)


def recompute_e_values(e_values: Sequence[EValue]) -> list[EValue]:
    """The e-values computed again from their own stages, which shows whether each factor comes from earlier stages.

    Args:
        e_values: The e-values.

    Raises:
        CountsError: If an e-value tests an unknown set, or its scenario is too large.
    """
    groups: dict[tuple[str, float, BellScenario, int], list[int]] = {}
    for i, e_value in enumerate(e_values):
        groups.setdefault((e_value.null, e_value.predictability, e_value.scenario, len(e_value.tested)), []).append(i)
    found: dict[int, EValue] = {}
    for (null, predictability, scenario, _), members in groups.items():
        engine = RatioEngine(scenario, null, predictability)
        tables = np.stack([e_values[i].tested for i in members])
        made = engine.run(tables, np.stack([e_values[i].setting_weights for i in members]))
        logs = _log_e(tables, made[0], made[1])
        for row, i in enumerate(members):
            parts = {"factors": made[0][row], "mean_bounds": made[1][row], "log_e": logs[row]}
            found[i] = replace(e_values[i], multipliers=None if made[2] is None else made[2][row], **parts)
    return [found[i] for i in range(len(e_values))]


def _log_e(tables: IntArray, factors: FloatArray, bounds: FloatArray) -> list[float]:
    """Natural logarithms of the e-values of several sets of data."""
    axes = tuple(range(2, tables.ndim))
    gains = np.sum(tables * np.log(factors), axis=axes) - tables.sum(axis=axes) * np.log(bounds)
    result: list[float] = gains.sum(axis=1).tolist()
    return result


def e_values_of_stages(
    data: Sequence[BellCounts | BellTrials],
    stages: Sequence[tuple[BellScenario, IntArray, FloatArray]],
    null: str,
    predictability: float,
    deadline: Deadline = NO_LIMIT,
) -> list[EValue]:
    """The e-values of data that are cut into stages, computed together for each scenario and number of stages.

    Args:
        data: Where the stages come from.
        stages: What :func:`~qiskit_lhv.statistics.evidence.stages.draw_stages` gives for them.
        null: See :func:`ratio_e_value`.
        predictability: See :func:`ratio_e_value`.
        deadline: The end of the time limit of :func:`ratio_e_value`; default: never.
    """
    groups: dict[tuple[BellScenario, int], list[int]] = {}
    for i, (scenario, tables, _) in enumerate(stages):
        groups.setdefault((scenario, len(tables)), []).append(i)
    engines = {scenario: RatioEngine(scenario, null, predictability, deadline) for scenario, _ in groups}
    found: dict[int, EValue] = {}
    for (scenario, _), members in groups.items():
        tables = np.stack([stages[i][1] for i in members])
        weights = np.stack([stages[i][2] for i in members])
        factors, bounds, multipliers = engines[scenario].run(tables, weights)
        for row, (i, log_e) in enumerate(zip(members, _log_e(tables, factors, bounds), strict=True)):
            found[i] = EValue(
                factors[row],
                weights[row],
                bounds[row],
                tables[row],
                log_e,
                data[i].design,
                null,
                float(predictability),
                None if multipliers is None else multipliers[row],
                scenario=scenario,
            )
    return [found[i] for i in range(len(data))]
