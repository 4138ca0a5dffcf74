"""Nonlocality threshold and local weight of an estimated behavior, with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np

from ..._support.types import FloatArray
from ..._support.validation import checked_seed, frozen, generator, probability, whole_number
from ...exceptions import CountsError
from ...models.deterministic import DeterministicModel
from ...polytope.inequalities.bell_inequality import BellInequality
from ...polytope.thresholds.closed_forms import has_closed_form, white_noise_thresholds
from ...polytope.thresholds.local_weights import largest_local_part, verify_local_part, verify_weight_limit
from ...polytope.thresholds.visibility import Threshold, nonlocality_threshold
from ...sweeps.executors import require_executor
from ...sweeps.sweeping import run_all
from ...targets.behaviors import Behavior
from ...targets.counts import BellCounts, require_counts
from ...targets.measured_settings import require_complete
from ...targets.projections import project_cells
from ...targets.scenario import BellScenario
from ...verification.evidence import Evidence
from ...verification.result import Verification, combine
from .clopper_pearson import clopper_pearson

__all__ = ["LocalWeightInterval", "ThresholdEstimate", "estimate_threshold", "local_weight_interval"]


# Two tables with the same cells, up to rounding.
_SAME = 1e-12
# Beyond this a behavior near white noise is as local as can be.
_LARGEST_VISIBILITY = 100.0
_FEWEST_REPLICATES = 20
# Tables, or replicates, that a worker gets at a time: sending them takes little beside computing them.
_TABLES_PER_TASK = 20


@dataclass(frozen=True, eq=False, repr=False)
class ThresholdEstimate(Evidence):
    """The white-noise visibility up to which the estimated behavior is local, with an interval.

    References:
        B. Efron, Ann. Statist. 7, 1 (1979) (the bootstrap).

    Examples:
        >>> from qiskit_lhv import load_bundled_counts
        >>> from qiskit_lhv.statistics import estimate_threshold
        >>> counts = load_bundled_counts("ibm_hanoi19_20circuit13").counts
        >>> found = estimate_threshold(counts, num_replicates=50, seed=1)
        >>> print(found)
        visibility threshold 0.722482, 95% in [0.72008, 0.725205]
        >>> print(found.threshold.inequality)
        - <A0 B0> + <A0 B1> + <A1 B0> + <A1 B1> <= 2
    """

    threshold: Threshold
    """Threshold of the no-signaling behavior that explains the counts best."""
    lower: float
    """Lower limit by the bootstrap (reflected quantiles of the replicates)."""
    upper: float
    """Upper limit by the bootstrap."""
    alpha: float
    """Probability with which the interval is meant to miss the true value."""
    num_replicates: int
    """Number of replicates."""

    @property
    def estimate(self) -> float:
        """The threshold of the estimated behavior; below 1 it is nonlocal, above 1 local with room to spare."""
        return self.threshold.estimate

    def __str__(self) -> str:
        interval = f"{100 * (1 - self.alpha):g}% in [{self.lower:.6g}, {self.upper:.6g}]"
        return f"visibility threshold {self.estimate:.6g}, {interval}"

    def verify(self, *, prove_bound: bool | None = None) -> Verification:
        """Re-checks both sides of the threshold of the estimated behavior. The interval is a statistical statement.

        Args:
            prove_bound: Whether to prove the local bound again; see ``BellInequality.verify``.
        """
        probability(self.alpha, "alpha", CountsError, open_interval=True)
        order = Verification(
            0 <= self.lower <= self.upper < math.inf and self.num_replicates >= _FEWEST_REPLICATES,
            f"0 <= {self.lower!r} <= {self.upper!r}, from {self.num_replicates} replicates",
        )
        return combine(order, self.threshold.verify(prove_bound=prove_bound))


@overload
def estimate_threshold(
    counts: BellCounts,
    *,
    alpha: float = ...,
    num_replicates: int = ...,
    seed: int | None = ...,
    executor: Any = ...,
) -> ThresholdEstimate: ...


@overload
def estimate_threshold(
    counts: Sequence[BellCounts],
    *,
    alpha: float = ...,
    num_replicates: int = ...,
    seed: int | None = ...,
    executor: Any = ...,
) -> list[ThresholdEstimate]: ...


def estimate_threshold(
    counts: BellCounts | Sequence[BellCounts],
    *,
    alpha: float = 0.05,
    num_replicates: int = 200,
    seed: int | None = None,
    executor: Any = None,
) -> ThresholdEstimate | list[ThresholdEstimate]:
    """Estimates the nonlocality threshold of a device's behavior, or of the behaviors of many devices.

    The counts are projected onto the no-signaling behaviors by maximum likelihood. The threshold is that of the
    projection under white noise, continued above 1 for local behaviors. Replicates are drawn from the projection and
    treated in the same way. The interval is approximate: by chance a nonlocal behavior looks a little more nonlocal
    than it is, which the reflection of the replicates' quantiles corrects to first order.

    Args:
        counts: The counts, or a list of counts, which are treated independently.
        alpha: Probability with which the interval may miss.
        num_replicates: Number of bootstrap replicates.
        seed: Seed of the replicates. In a list, each table has a seed of its own, made from this one and its place.
        executor: Where the work is done, as in :func:`qiskit_lhv.sweeps.sweep`; the result does not depend on it.

    Returns:
        The estimate, or a list of estimates for a list of counts.

    Raises:
        CountsError: If a number is out of range, a setting combination was not measured, or all outcomes are equally
            frequent: white noise has no threshold.
        SolverError: If a linear program fails.
        SweepError: If the workers give out.

    References:
        B. Efron, Ann. Statist. 7, 1 (1979) (the bootstrap).

    Examples:
        Up to which visibility in further white noise each of two devices would become local:

        >>> from qiskit_lhv import load_bundled_counts
        >>> names = ("ibm_hanoi19_20circuit13", "ibm_mumbai23_24circuit13")
        >>> tables = [load_bundled_counts(name).counts for name in names]
        >>> for name, found in zip(names, estimate_threshold(tables, num_replicates=50, seed=1)):
        ...     print(f"{name:24} {found.estimate:.3f} in [{found.lower:.3f}, {found.upper:.3f}]")
        ibm_hanoi19_20circuit13  0.722 in [0.720, 0.726]
        ibm_mumbai23_24circuit13 0.816 in [0.812, 0.820]
    """
    alpha = probability(alpha, "alpha", CountsError, open_interval=True)
    replicates = whole_number(num_replicates, "num_replicates", CountsError, minimum=_FEWEST_REPLICATES)
    require_executor(executor)
    if not isinstance(counts, list | tuple):
        return _estimate(_usable(counts), alpha, replicates, checked_seed(seed), executor)
    if not counts:
        raise CountsError.bad_argument("counts", expected="BellCounts, or a list of at least one", got="an empty list")
    tables = [_usable(one) for one in counts]
    seeds = np.random.SeedSequence(checked_seed(seed)).generate_state(len(tables), np.uint64).tolist()
    grid = [
        {
            "tables": tables[start : start + _TABLES_PER_TASK],
            "alpha": alpha,
            "replicates": replicates,
            "seeds": seeds[start : start + _TABLES_PER_TASK],
        }
        for start in range(0, len(tables), _TABLES_PER_TASK)
    ]
    return [estimate for part in run_all(_estimates, grid, executor) for estimate in part]


def _usable(counts: Any) -> BellCounts:
    return require_complete(require_counts(counts), "whose threshold is estimated")


def _estimates(
    tables: Sequence[BellCounts], alpha: float, replicates: int, seeds: Sequence[int]
) -> list[ThresholdEstimate]:
    return [_estimate(table, alpha, replicates, seed) for table, seed in zip(tables, seeds, strict=True)]


def _estimate(
    counts: BellCounts, alpha: float, replicates: int, seed: int | None, executor: Any = None
) -> ThresholdEstimate:
    rng = generator(seed)
    scenario = counts.scenario
    rows = scenario.num_setting_combinations
    shots = counts.num_shots.ravel()
    fitted = project_cells(counts.array.reshape(1, -1) / counts.total_shots, scenario)[0]
    if _is_white(fitted[0], scenario):
        raise CountsError.bad_argument(
            "counts",
            expected="counts that are not exactly those of white noise",
            got=f"{counts.total_shots} shots with the same frequency of all outcomes",
            remedy="White noise is local at every visibility, so that it has no threshold.",
        )
    p = fitted.reshape(rows, -1)
    drawn = rng.multinomial(shots, p / p.sum(axis=1, keepdims=True), size=(replicates, rows))
    projected = project_cells(drawn.reshape(replicates, -1) / counts.total_shots, scenario)[0]
    threshold = _threshold(fitted[0], scenario)
    found = _thresholds(projected, scenario, executor)
    low, high = np.quantile(found, [alpha / 2, 1 - alpha / 2])
    estimate = threshold.estimate
    return ThresholdEstimate(
        threshold, max(0.0, float(2 * estimate - high)), float(2 * estimate - low), alpha, replicates
    )


def _thresholds(tables: FloatArray, scenario: BellScenario, executor: Any) -> FloatArray:
    """The thresholds of no-signaling tables, shape ``(B,)``."""
    if has_closed_form(scenario):
        return white_noise_thresholds(tables, _LARGEST_VISIBILITY)
    parts = [tables[start : start + _TABLES_PER_TASK] for start in range(0, len(tables), _TABLES_PER_TASK)]
    grid = [{"tables": part, "scenario": scenario} for part in parts]
    return np.concatenate(run_all(_searched_thresholds, grid, executor))


def _searched_thresholds(tables: FloatArray, scenario: BellScenario) -> FloatArray:
    return np.array(
        [_LARGEST_VISIBILITY if _is_white(row, scenario) else _threshold(row, scenario).estimate for row in tables]
    )


def _is_white(row: FloatArray, scenario: BellScenario) -> bool:
    white = Behavior.white_noise(scenario).array
    return bool(np.abs(row.reshape(scenario.shape) - white).max() < _SAME)


def _threshold(row: FloatArray, scenario: BellScenario) -> Threshold:
    behavior = Behavior(row.reshape(scenario.shape), scenario)
    return nonlocality_threshold(behavior, max_visibility=_LARGEST_VISIBILITY)


@dataclass(frozen=True, eq=False, repr=False)
class LocalWeightInterval(Evidence):
    """Exact confidence limits of the local weight: how much of the behavior a local model can account for.

    References:
        A. C. Elitzur, S. Popescu, D. Rohrlich, Phys. Lett. A 162, 25 (1992); C. J. Clopper, E. S. Pearson, Biometrika
        26, 404 (1934).

    Examples:
        >>> from qiskit_lhv import load_bundled_counts
        >>> from qiskit_lhv.statistics import local_weight_interval
        >>> weight = local_weight_interval(load_bundled_counts("ibm_mumbai23_24circuit13").counts)
        >>> print(weight)
        local weight in [0.742664, 0.808638] with confidence 0.95
        >>> len(weight.model.weights), bool(weight.verify())
        (8, True)
    """

    lower: float
    """The smallest local weight compatible with the counts: ``lower * model`` is nowhere above the lower limits."""
    upper: float
    """The largest local weight compatible with the counts, by ``inequality`` on the upper limits; at most 1."""
    model: DeterministicModel | None
    """The local part behind the lower limit."""
    inequality: BellInequality | None
    """``-K . p <= -bound`` with non-negative K; the weight is at most ``K . p / bound``."""
    lower_limits: FloatArray
    """Lower limits of all probabilities, shape ``(m_1, ..., m_N, d_1, ..., d_N)``."""
    upper_limits: FloatArray
    """Upper limits of all probabilities."""
    alpha: float
    """All limits hold together with confidence 1 - alpha."""

    def __post_init__(self) -> None:
        for name in ("lower_limits", "upper_limits"):
            object.__setattr__(self, name, frozen(getattr(self, name)))

    def __str__(self) -> str:
        return f"local weight in [{self.lower:.6g}, {self.upper:.6g}] with confidence {1 - self.alpha:g}"

    def verify(self, *, prove_bound: bool | None = None) -> Verification:
        """Re-checks both sides against the limits of the probabilities, in exact arithmetic.

        Args:
            prove_bound: Whether to prove the local bound again; see ``BellInequality.verify``.
        """
        probability(self.alpha, "alpha", CountsError, open_interval=True)
        low, high = self.lower_limits, self.upper_limits
        ordered = low.shape == high.shape and bool(np.all(low >= 0) and np.all(low <= high) and np.all(high <= 1))
        if not ordered or not 0 <= self.lower <= self.upper <= 1:
            return Verification(False, "the limits are not from 0 to 1, the lower ones below the upper ones", math.inf)
        checks = [
            verify_local_part(self.model, self.lower, low),
            verify_weight_limit(self.inequality, self.upper, high, prove_bound=prove_bound),
        ]
        return combine(*checks)


def local_weight_interval(counts: BellCounts, *, alpha: float = 0.05) -> LocalWeightInterval:
    """Exact confidence limits of a device's local weight.

    All probabilities get Clopper-Pearson limits that hold together, by Bonferroni's correction. The weight of a local
    part that lies below the lower limits everywhere is a lower limit of the local weight, because the weight can only
    grow with the probabilities. The inequalities that limit the weight have no negative coefficients, so the upper
    limits of the probabilities give an upper limit. Both are linear programs with exact certificates. The behavior need
    not be no-signaling.

    Args:
        counts: The counts.
        alpha: Error probability of both limits together.

    Returns:
        Both limits, each with the model or the inequality that proves it.

    Raises:
        CountsError: If alpha is not between 0 and 1, or a setting combination was not measured.
        ScenarioError: If the scenario is too large to enumerate all parties but one.
        SolverError: If a linear program fails.

    References:
        A. C. Elitzur, S. Popescu, D. Rohrlich, Phys. Lett. A 162, 25 (1992); C. J. Clopper, E. S. Pearson, Biometrika
        26, 404 (1934).

    Examples:
        >>> from qiskit_lhv import load_bundled_counts
        >>> print(local_weight_interval(load_bundled_counts("ibm_hanoi19_20circuit13").counts))
        local weight in [0.586501, 0.646207] with confidence 0.95
    """
    counts = require_complete(require_counts(counts), "whose local weight is estimated")
    alpha = probability(alpha, "alpha", CountsError, open_interval=True)
    scenario = counts.scenario
    shots = np.broadcast_to(
        counts.num_shots.reshape(counts.num_shots.shape + (1,) * scenario.num_parties), counts.array.shape
    )
    lower, upper = clopper_pearson(counts.array, shots, alpha / scenario.num_cells)
    if not scenario.has_equal_outcomes:
        lower, upper = np.where(scenario.mask, lower, 0.0), np.where(scenario.mask, upper, 0.0)
    weight, model, _, _ = largest_local_part(lower, scenario)
    _, _, limit, inequality = largest_local_part(upper, scenario)
    return LocalWeightInterval(weight, min(1.0, limit), model, inequality if limit < 1 else None, lower, upper, alpha)
