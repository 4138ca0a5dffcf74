"""Tests of no-signaling, and how large signaling is."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from .._records import Record
from .._validation import probability
from ..exceptions import CountsError
from ..targets.counts import BellCounts
from ..targets.projections import divergence, project_to_no_signaling
from ..targets.scenario import BellScenario
from .intervals import clopper_pearson

__all__ = ["MarginalComparison", "SignalingTest", "chsh_forms", "no_signaling_test"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MarginalComparison(Record):
    """Whether one party's setting changes the outcomes of the others, at fixed settings of the others."""

    sender: int
    """Party whose setting is varied."""
    settings: tuple[int | None, ...]
    """Settings of the other parties; ``None`` for the sender."""
    largest_shift: float
    """Largest change of a joint probability of the others' outcomes."""
    statistic: float
    """Pearson's chi-square for homogeneity; for two settings and two outcomes the square of z."""
    degrees_of_freedom: int
    """Its degrees of freedom."""
    p_value: float
    """Its asymptotic p-value."""
    adjusted_p_value: float
    """The p-value after Holm's correction for all comparisons."""
    distance: float
    """Largest distance (total variation) between the others' distributions for two settings of the sender."""
    distance_lower: float
    """Lower confidence limit of that distance."""
    distance_upper: float
    """Upper confidence limit; the limits of all comparisons hold together with the confidence of the test."""


@dataclass(frozen=True, eq=False, repr=False)
class SignalingTest(Record):
    """Comparisons of all marginals that no-signaling forces to agree."""

    comparisons: tuple[MarginalComparison, ...]
    """One for each party and settings of the others."""
    p_value: float
    """Smallest p-value after Holm's correction."""
    deviance: float
    """Twice the log-likelihood deficit of the best no-signaling behavior."""
    degrees_of_freedom: int
    """How many parameters no-signaling takes away."""
    likelihood_ratio_p_value: float
    """Asymptotic p-value of the deviance."""
    alpha: float
    """The intervals of all distances miss with probability at most alpha."""

    @property
    def largest_shift(self) -> float:
        """Largest change of any joint probability."""
        return max((one.largest_shift for one in self.comparisons), default=0.0)

    @property
    def size(self) -> float:
        """The largest distance (total variation) of two marginals that no-signaling forces to agree, as estimated."""
        return max((one.distance for one in self.comparisons), default=0.0)

    @property
    def size_interval(self) -> tuple[float, float]:
        """Confidence interval of the largest distance, at level 1 - alpha."""
        lower = max((one.distance_lower for one in self.comparisons), default=0.0)
        return lower, max((one.distance_upper for one in self.comparisons), default=0.0)

    def __str__(self) -> str:
        low, high = self.size_interval
        return (
            f"no-signaling: p = {self.p_value:.3g}, largest shift of a marginal {self.largest_shift:.3g}, "
            f"distance in [{low:.2g}, {high:.2g}]"
        )


def no_signaling_test(counts: BellCounts, *, alpha: float = 0.01) -> SignalingTest:
    """Tests whether any party's setting changes the outcomes of the others, and estimates by how much.

    For every party and all settings of the others, the others' joint outcomes are compared between
    that party's settings (chi-square test of homogeneity), with Holm's correction; and the best no-signaling behavior
    with the frequencies (likelihood ratio). The p-values are asymptotic: with few shots a cell they are approximate;
    ``ratio_e_value(counts, null="no-signaling")`` gives one that is not. The intervals of the distances are exact or
    conservative (Clopper-Pearson limits of all marginal probabilities, with Bonferroni's correction).

    Args:
        counts: The counts.
        alpha: Probability that any interval misses.

    Raises:
        CountsError: If alpha is not between 0 and 1.

    References:
        S. Holm, Scand. J. Statist. 6, 65 (1979); arXiv:2503.18949 (signaling on devices).
    """
    from scipy.special import chdtrc

    alpha = probability(alpha, "alpha", CountsError, open_interval=True)
    scenario = counts.scenario
    n = scenario.num_parties
    senders = [k for k in range(n) if n > 1 and scenario.num_settings[k] > 1]
    # Setting of the sender last but for the others' outcomes: settings of the others, sender's setting, outcomes.
    marginals = [np.moveaxis(counts.array.sum(axis=n + k), k, n - 1) for k in senders]
    level = alpha / max(1, sum(marginal.size for marginal in marginals))
    found: list[MarginalComparison] = []
    for k, marginal in zip(senders, marginals, strict=True):
        for others in np.ndindex(marginal.shape[: n - 1]):
            table = marginal[others].reshape(marginal.shape[n - 1], -1)
            statistic, dof, shift = _homogeneity(table)
            settings: list[int | None] = list(others)
            settings.insert(k, None)
            p = float(chdtrc(dof, statistic)) if dof else 1.0
            found.append(MarginalComparison(k, tuple(settings), shift, statistic, dof, p, p, *_distances(table, level)))
    adjusted = _holm([one.p_value for one in found])
    comparisons = tuple(replace(one, adjusted_p_value=p) for one, p in zip(found, adjusted, strict=True))
    frequencies = counts.frequencies()
    projection = project_to_no_signaling(frequencies, counts.num_shots)
    deviance = 2 * counts.total_shots * divergence(frequencies, projection, counts.num_shots)
    freedom = scenario.num_cells - scenario.num_setting_combinations - num_no_signaling_parameters(scenario)
    ratio = float(chdtrc(freedom, deviance)) if freedom else 1.0
    return SignalingTest(comparisons, min(adjusted, default=1.0), deviance, freedom, ratio, alpha)


def num_no_signaling_parameters(scenario: BellScenario) -> int:
    """Dimension of the no-signaling behaviors of a scenario."""
    pairs = zip(scenario.num_settings, scenario.num_outcomes, strict=True)
    return math.prod(m * (d - 1) + 1 for m, d in pairs) - 1


def _distances(table: NDArray[np.int64], level: float) -> tuple[float, float, float]:
    """Largest distance (total variation) between two rows' distributions, with its lower and upper limit."""
    rows = table.sum(axis=1, keepdims=True)
    p = table / rows
    lower, upper = clopper_pearson(table, np.broadcast_to(rows, table.shape), level)
    estimate = low = high = 0.0
    for i, j in combinations(range(len(table)), 2):
        estimate = max(estimate, float(np.abs(p[i] - p[j]).sum() / 2))
        gaps = np.maximum(lower[i] - upper[j], lower[j] - upper[i])
        # A single outcome's difference is a lower limit of the distance; all that are certain to one side add up.
        ups, downs = np.maximum(lower[i] - upper[j], 0).sum(), np.maximum(lower[j] - upper[i], 0).sum()
        low = max(low, float(gaps.max()), float(ups), float(downs))
        most = np.maximum(np.abs(upper[i] - lower[j]), np.abs(upper[j] - lower[i]))
        high = max(high, min(1.0, float(most.sum() / 2)))
    return estimate, max(0.0, low), high


def _homogeneity(table: NDArray[np.int64]) -> tuple[float, int, float]:
    """Chi-square, degrees of freedom and largest shift of the rows' distributions."""
    rows = table.sum(axis=1, keepdims=True)
    shift = float(np.ptp(table / rows, axis=0).max())
    seen = table[:, table.sum(axis=0) > 0]
    expected = rows * seen.sum(axis=0) / rows.sum()
    return float(((seen - expected) ** 2 / expected).sum()), (len(seen) - 1) * (seen.shape[1] - 1), shift


def _holm(p_values: list[float]) -> list[float]:
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, running = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = running
    return adjusted


def chsh_forms(correlators: FloatArray) -> FloatArray:
    """The eight CHSH values of a 2 x 2 table of correlators, shape ``(2, 2, 2)``: minus sign at x, y; sign."""
    total = correlators.sum() - 2 * correlators
    return np.stack([total, -total], axis=-1)
