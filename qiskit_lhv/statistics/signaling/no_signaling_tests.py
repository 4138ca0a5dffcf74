"""Tests of no-signaling, and estimates of how large signaling is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..._support.records import Record
from ..._support.types import FloatArray
from ..._support.validation import generator, probability, seed_or_fresh
from ...exceptions import CountsError, SolverError
from ...targets.behaviors import Behavior
from ...targets.counts import BellCounts, require_counts
from ...targets.measured_settings import filled_frequencies
from ...targets.projections import divergence, project_to_no_signaling
from ..intervals.clopper_pearson import clopper_pearson
from .comparable_marginals import comparable_marginals
from .homogeneity import bonferroni, compare_rows, holm

__all__ = ["MarginalComparison", "SignalingTest", "no_signaling_test", "signaling_given_projection"]


# Fewest shots per cell, seen and expected, with which the likelihood ratio follows its asymptotic distribution; the
# bias of all cells together, in standard deviations of that distribution; and the largest projection made for it.
_FEWEST_SEEN, _FEWEST_EXPECTED, _LARGEST_BIAS = 5, 10.0, 0.1
_MOST_PARAMETERS, _MOST_CELLS = 256, 1 << 11


@dataclass(frozen=True, eq=False)
class MarginalComparison(Record):
    """Whether one party's setting changes the outcomes of the others, at fixed settings of the others."""

    sender: int | None
    """Party whose setting is varied; ``None`` if those of several parties vary together, which are compared only where
    settings were not all measured."""
    settings: tuple[int | None, ...]
    """Settings of the parties whose outcomes are compared; ``None`` for the others."""
    largest_shift: float
    """Largest change of a joint probability of the others' outcomes."""
    statistic: float
    """Pearson's chi-square for homogeneity; for two settings and two outcomes the square of z."""
    degrees_of_freedom: int
    """Its degrees of freedom."""
    p_value: float
    """The p-value: asymptotic where every expected count is large enough, else exact."""
    exact: bool
    """Whether the p-value is exact: valid for any number of shots."""
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
    """Comparisons of all marginals that no-signaling forces to agree.

    References:
        R. A. Fisher, J. R. Stat. Soc. 98, 39 (1935); S. Holm, Scand. J. Statist. 6, 65 (1979); arXiv:2503.18949
        (signaling on devices).

    Examples:
        Shifts of one percent that are many standard errors:

        >>> from qiskit_lhv import load_bundled_counts
        >>> from qiskit_lhv.statistics import no_signaling_test
        >>> test = no_signaling_test(load_bundled_counts("ibm_washington91_98circuit4").counts)
        >>> print(f"p = {test.p_value:.1e}, largest shift {test.largest_shift:.4f}, deviance {test.deviance:.1f}")
        p = 9.4e-24, largest shift 0.0128, deviance 115.6
        >>> for one in test.comparisons:
        ...     print(f"sender {one.sender}, settings {one.settings}: {one.statistic**0.5:.2f} standard errors")
        sender 0, settings (None, 0): 1.31 standard errors
        sender 0, settings (None, 1): 8.46 standard errors
        sender 1, settings (0, None): 3.85 standard errors
        sender 1, settings (1, None): 5.58 standard errors
    """

    comparisons: tuple[MarginalComparison, ...]
    """One for each party and settings of the others."""
    p_value: float
    """One p-value of no-signaling: twice the smaller of the next two, at most 1."""
    comparison_p_value: float
    """Smallest p-value of a comparison after Holm's correction."""
    spread_p_value: float
    """p-value of all shifts together, however they are spread: that of the likelihood ratio where there is one,
    else the smallest of ``sender_p_values``, multiplied by their number."""
    sender_p_values: tuple[float, ...]
    """For each party with more than one setting, p-value of the sum of its comparisons' statistics. If settings were
    not all measured: for each set of parties whose outcomes are compared."""
    deviance: float | None
    """Twice the log-likelihood deficit of the best no-signaling behavior; ``None`` where cells have too few shots, or
    are too many, for its asymptotic distribution."""
    degrees_of_freedom: int
    """How many parameters no-signaling takes away."""
    likelihood_ratio_p_value: float | None
    """Asymptotic p-value of the deviance, or ``None``."""
    level: float
    """The intervals of all distances miss with probability at most this."""
    seed: int
    """Seed of the random tables that exact p-values are compared with."""

    @property
    def largest_shift(self) -> float:
        """Largest change of any joint probability."""
        return max((comparison.largest_shift for comparison in self.comparisons), default=0.0)

    @property
    def size(self) -> float:
        """The largest distance (total variation) of two marginals that no-signaling forces to agree, as estimated."""
        return max((comparison.distance for comparison in self.comparisons), default=0.0)

    @property
    def size_interval(self) -> tuple[float, float]:
        """Confidence interval of the largest distance, at level 1 - alpha."""
        lower = max((comparison.distance_lower for comparison in self.comparisons), default=0.0)
        return lower, max((comparison.distance_upper for comparison in self.comparisons), default=0.0)

    @property
    def compares_anything(self) -> bool:
        """Whether there are measured settings with outcomes that no-signaling forces to agree."""
        return bool(self.comparisons)

    def __str__(self) -> str:
        if not self.compares_anything:
            return "no-signaling could not be tested: nothing that was measured has to agree"
        low, high = self.size_interval
        return (
            f"no-signaling: p = {self.p_value:.3g}, largest shift of a marginal {self.largest_shift:.3g}, "
            f"distance in [{low:.2g}, {high:.2g}]"
        )


def no_signaling_test(counts: BellCounts, *, level: float = 0.01, seed: int | None = None) -> SignalingTest:
    """Tests whether any party's setting changes the outcomes of the others, and estimates by how much.

    For every party and all settings of the others, the others' joint outcomes are compared between that party's
    settings, with Holm's correction for the number of comparisons. A second test finds signaling that is spread over
    many marginals: the likelihood ratio against the best no-signaling behavior if every cell has enough shots for its
    asymptotic distribution, otherwise the sum of a party's statistics. ``p_value`` combines both.

    The comparisons of one party use disjoint shots. Without signaling, given how often each outcome was seen, every way
    to assign the outcomes to that party's settings is equally likely. If expected counts are small, the p-values are
    computed from that, exactly (Fisher's test, and random tables with the same sums), with Bonferroni's correction for
    the parties. Otherwise they are those of the chi-square distribution. The intervals of the distances are exact or
    conservative: Clopper-Pearson limits of all marginal probabilities, with Bonferroni's correction.

    If settings were not all measured, those outcomes are compared that belong to settings measured at least twice: the
    outcomes of any parties with the same settings, where the settings of all others may differ. Shots whose agreement
    is part of a comparison with more parties are taken together. What was never measured twice cannot be compared, so
    no-signaling is then tested in part, or, if nothing was, not at all (p = 1).

    Args:
        counts: The counts.
        level: Probability that any interval misses.
        seed: Seed of the random tables; ``None`` draws a fresh one. The result records it.

    Returns:
        The test: one p-value, all comparisons, and how far marginals move.

    Raises:
        CountsError: If the level is not between 0 and 1.

    References:
        R. A. Fisher, J. R. Stat. Soc. 98, 39 (1935); S. Holm, Scand. J. Statist. 6, 65 (1979); arXiv:2503.18949
        (signaling on devices).

    Examples:
        >>> from qiskit_lhv import load_bundled_counts
        >>> for name in ("ibm_hanoi19_20circuit13", "ibm_washington91_98circuit4"):
        ...     print(no_signaling_test(load_bundled_counts(name).counts))
        no-signaling: p = 1, largest shift of a marginal 0.00114, distance in [0, 0.017]
        no-signaling: p = 9.42e-24, largest shift of a marginal 0.0128, distance in [0.0044, 0.029]
    """
    counts = require_counts(counts)
    level = probability(level, "level", CountsError, open_interval=True)
    return signaling_given_projection(counts, level, seed)


def signaling_given_projection(
    counts: BellCounts, level: float, seed: int | None, known: Behavior | None = None
) -> SignalingTest:
    """:func:`no_signaling_test` where the no-signaling behavior that explains the counts best may already be known."""
    seed = seed_or_fresh(seed)
    rng = generator(seed)
    groups = list(comparable_marginals(counts))
    interval_level = level / max(1, sum(int(group.real.sum()) for group in groups))
    tests = [compare_rows(group.tables, rng) for group in groups]
    p_values = np.concatenate([[], *(test.p_values for test in tests)])
    adjusted = iter(holm(p_values).tolist())
    comparisons: list[MarginalComparison] = []
    for group, test in zip(groups, tests, strict=True):
        shifts = _largest_shifts(group.tables)
        distances = _distances(group.tables, interval_level, group.real)
        for t, settings in enumerate(group.settings):
            comparisons.append(
                MarginalComparison(
                    group.sender,
                    settings,
                    float(shifts[t]),
                    float(test.statistics[t]),
                    int(test.degrees_of_freedom[t]),
                    float(test.p_values[t]),
                    bool(test.exact[t]),
                    next(adjusted),
                    *(float(limit[t]) for limit in distances),
                )
            )
    by_sender = tuple(test.total_p_value for test in tests)
    deviance, freedom, ratio = _likelihood_ratio(counts, known)
    smallest = min((comparison.adjusted_p_value for comparison in comparisons), default=1.0)
    spread = bonferroni(list(by_sender)) if ratio is None else ratio
    return SignalingTest(
        tuple(comparisons),
        bonferroni([smallest, spread]),
        smallest,
        spread,
        by_sender,
        deviance,
        freedom,
        ratio,
        level,
        seed,
    )


def _likelihood_ratio(counts: BellCounts, known: Behavior | None) -> tuple[float | None, int, float | None]:
    """The deviance of no-signaling, its degrees of freedom and p-value, where its asymptotic distribution serves."""
    from scipy.special import chdtrc

    scenario = counts.scenario
    parameters = counts.num_no_signaling_parameters
    freedom = counts.num_measured_cells - int(counts.measured.sum()) - parameters
    if not freedom:
        return 0.0, 0, 1.0
    real = scenario.mask & counts.measured.reshape(counts.measured.shape + (1,) * scenario.num_parties)
    if (
        scenario.num_no_signaling_parameters > _MOST_PARAMETERS
        or scenario.num_cells > _MOST_CELLS
        or counts.array[real].min() < _FEWEST_SEEN
    ):
        return None, freedom, None
    frequencies = filled_frequencies(counts)
    try:
        projection = project_to_no_signaling(frequencies, counts.num_shots) if known is None else known
    except SolverError:
        return None, freedom, None
    expected = projection.array * counts.num_shots.reshape(counts.num_shots.shape + (1,) * scenario.num_parties)
    if not real.all():
        expected = expected[real]
    # The mean of a cell's deviance exceeds its limit by one sixth of the inverse expected count.
    bias = float((1 / (6 * expected)).sum())
    if expected.min() < _FEWEST_EXPECTED or bias > _LARGEST_BIAS * math.sqrt(2 * freedom):
        return None, freedom, None
    deviance = 2 * counts.total_shots * divergence(frequencies, projection, counts.num_shots)
    return deviance, freedom, float(chdtrc(freedom, deviance))


def _largest_shifts(tables: NDArray[np.int64]) -> FloatArray:
    """The largest difference of a probability between two rows of each table, shape ``(T,)``."""
    rows = tables.sum(axis=2, keepdims=True)
    p = np.where(rows > 0, tables, tables[:, :1]) / np.where(rows > 0, rows, rows[:, :1])
    shifts: FloatArray = np.ptp(p, axis=1).max(axis=1)
    return shifts


def _distances(
    tables: NDArray[np.int64], level: float, real: NDArray[np.bool_]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Largest distance (total variation) between two rows' distributions of each table, with its limits."""
    rows = tables.sum(axis=2, keepdims=True)
    there = rows > 0
    # A row that is not there gets the frequencies of the first one, with limits that say nothing.
    p = np.where(there, tables, tables[:, :1]) / np.where(there, rows, rows[:, :1])
    lower, upper = clopper_pearson(tables, np.broadcast_to(np.where(there, rows, 1), tables.shape), level)
    if not real.all():
        # Outcomes that a setting does not have are known never to come.
        lower, upper = np.where(real, lower, 0.0), np.where(real, upper, 0.0)
    estimate, low, high = np.zeros((3, len(tables)))
    for i in range(tables.shape[1] - 1):
        rest, here = slice(i + 1, None), slice(i, i + 1)
        apart = np.where(there[:, here] & there[:, rest], p[:, here] - p[:, rest], 0.0)
        estimate = np.maximum(estimate, np.abs(apart).sum(axis=2).max(axis=1) / 2)
        up, down = lower[:, here] - upper[:, rest], lower[:, rest] - upper[:, here]
        if not there.all():
            both = there[:, here] & there[:, rest]
            up, down = np.where(both, up, 0.0), np.where(both, down, 0.0)
        # All differences that are certain to one side add up to a lower limit of the distance.
        for gap in (up, down):
            low = np.maximum(low, np.maximum(gap, 0).sum(axis=2).max(axis=1))
        most = np.maximum(np.abs(up), np.abs(down)).sum(axis=2).max(axis=1) / 2
        high = np.maximum(high, np.minimum(1.0, most))
    return estimate, low, high
