"""Confidence regions of the behavior that lie inside the local set."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._support.deadlines import Deadline
from ..._support.threads import one_blas_thread
from ..._support.types import FloatArray
from ..._support.validation import frozen, instance, probability
from ...exceptions import CountsError, SolverError
from ...polytope.bounds.local_bounds import best_strategies, enumeration_size
from ...polytope.expressions.families import chsh_forms
from ...polytope.thresholds.column_generation import MAX_COORDINATES
from ...polytope.thresholds.visibility import Threshold, nonlocality_threshold
from ...targets.behaviors import Behavior
from ...targets.coordinates import apply_per_party, to_party_axes
from ...targets.counts import BellCounts, require_counts
from ...targets.measured_settings import require_complete
from ...verification.evidence import Evidence
from ...verification.result import Verification, combine
from .clopper_pearson import clopper_pearson

__all__ = [
    "LocalRegion",
    "correlator_intervals",
    "local_region",
    "marginal_intervals",
    "region_limits",
    "verify_limits",
]


# A center is no-signaling up to the rounding of a fit; margins are compared up to rounding.
_CENTER_SIGNALING, _MARGIN_ATOL = 1e-9, 1e-9
# How much further than needed the center's threshold is looked for: the question is only whether it is far enough.
_VISIBILITY_FACTOR = 1.01
# Strategies that are compared to see at once that the center is not far enough inside.
_QUICK_ENUMERATION = 1 << 16


@dataclass(frozen=True, eq=False, repr=False)
class LocalRegion(Evidence):
    """A simultaneous confidence region of a no-signaling behavior, and whether it lies in the local set.

    References:
        A. Fine, Phys. Rev. Lett. 48, 291 (1982); arXiv:2302.04721 (absorbing a residual); C. J. Clopper, E. S. Pearson,
        Biometrika 26, 404 (1934) (the limits).

    Examples:
        >>> from qiskit_lhv import analyze, Behavior, werner_state
        >>> counts = Behavior.from_state(werner_state(0.5), "chsh").sample(5000, seed=1)
        >>> report = analyze(counts, seed=1)
        >>> region = report.evidence[-1]
        >>> print(report.verdict, region, sep=": ")
        LOCAL: the 99% confidence region lies inside the local set (margin 0.415)
        >>> region.lower.round(2).tolist()
        [[1.0, -0.02, -0.02], [-0.04, -0.39, -0.38], [-0.05, -0.41, 0.31]]
    """

    alpha: float
    """The region holds the behavior with confidence 1 - alpha, if it is no-signaling."""
    lower: FloatArray
    """Lower limits of the correlators, shape ``(m_1 + 1, ..., m_N + 1)``, where index 0 means that the party is absent.
    For more than two outcomes, lower limits of all marginal probabilities, shape ``(m_1 d_1 + 1, ...)``, with index
    ``1 + x d + a`` for outcome a of setting x."""
    upper: FloatArray
    """Upper limits of the same."""
    inside: bool
    """Whether the whole region was proven to lie in the local set."""
    margin: float
    """How far inside the region lies, in units of the limit that the argument compares with, as far as the search went;
    negative if it is not inside, 0 if that is not known."""
    threshold: Threshold | None
    """Threshold of the region's center, if the argument needs it."""

    def __post_init__(self) -> None:
        for name in ("lower", "upper"):
            object.__setattr__(self, name, frozen(getattr(self, name)))

    def __str__(self) -> str:
        relation = "lies inside" if self.inside else "is not proven to lie inside"
        return f"the {100 * (1 - self.alpha):g}% confidence region {relation} the local set (margin {self.margin:.3g})"

    def verify(self, *, prove_bound: bool | None = None) -> Verification:
        """Re-checks that the region lies in the local set. That it holds the behavior is a statistical statement.

        Args:
            prove_bound: Whether to prove the threshold's local bound again; see ``BellInequality.verify``.
        """
        if not 0 < self.alpha < 1:
            return Verification(False, f"alpha is {self.alpha}", math.inf)
        if self.lower.shape != self.upper.shape or not np.all(self.lower <= self.upper):
            return Verification(False, "the lower limits are not below the upper ones", math.inf)
        if not self.inside:
            return Verification(self.margin <= 0, "no claim is made, and no margin is claimed")
        margin, check = verify_limits(self.lower, self.upper, self.threshold, prove_bound)
        error = abs(margin - self.margin)
        return combine(check, Verification(error <= _MARGIN_ATOL, f"the margin is {margin:.6g}", error))


def verify_limits(
    lower: FloatArray, upper: FloatArray, threshold: Threshold | None, prove_bound: bool | None
) -> tuple[float, Verification]:
    """Checks that all no-signaling behaviors within limits are local.

    Args:
        lower: Lower limits, as in :class:`LocalRegion`.
        upper: Upper limits.
        threshold: Threshold of a no-signaling behavior in white noise; ``None``: the scenario is that of CHSH.
        prove_bound: See ``BellInequality.verify``.

    Returns:
        How far inside they are, in units of the limit that the argument compares with, and the check.
    """
    if threshold is None:
        if lower.shape != (3, 3):
            return 0.0, Verification(False, "without a threshold the scenario must be that of CHSH", math.inf)
        # Fine's theorem: a no-signaling behavior is local if no CHSH form exceeds 2.
        pairs = [(lower[x, y], upper[x, y]) for x in (1, 2) for y in (1, 2)]
        worst = max(
            sum(s * e for s, e in zip(signs, corner, strict=True))
            for corner in itertools.product(*pairs)
            for signs in itertools.product((1, -1), repeat=4)
            if math.prod(signs) == -1
        )
        return 2 - float(worst), Verification(worst <= 2, f"CHSH forms in the region reach {worst:.6g}", float(worst))
    scenario = threshold.behavior.scenario
    signaling = threshold.behavior.max_signaling()
    white = np.abs(threshold.noise.array - Behavior.white_noise(scenario).array).max()
    if not (signaling <= _CENTER_SIGNALING and white <= _CENTER_SIGNALING):
        return 0.0, Verification(False, "the threshold is not that of a no-signaling center in white noise", math.inf)
    cells = [1 if scenario.is_two_outcome else d for d in scenario.max_outcomes]
    if lower.shape != tuple(m * d + 1 for m, d in zip(scenario.num_settings, cells, strict=True)):
        return 0.0, Verification(False, f"the threshold is one of {scenario}", math.inf)
    radius = _radius_of(lower, upper, threshold.behavior)
    needed = 1 / (1 - radius) if radius < 1 else math.inf
    reached = Verification(
        threshold.lower >= needed,
        f"the center is local to visibility {threshold.lower:.6g}, needed are {needed:.6g}",
    )
    return threshold.lower - needed, combine(threshold.verify(prove_bound=prove_bound), reached)


def correlator_intervals(counts: BellCounts, alpha: float) -> tuple[FloatArray, FloatArray]:
    """Simultaneous exact intervals of all correlators of a no-signaling behavior, marginals included.

    They are Clopper-Pearson intervals for the share of trials whose outcomes multiply to +1, with Bonferroni's
    correction. Marginals pool the shots of all settings of the parties that do not take part, which no-signaling
    allows.

    Args:
        counts: Counts with two outcomes per party.
        alpha: Probability that any interval misses.

    Returns:
        Lower and upper limits, shape ``(m_1 + 1, ..., m_N + 1)``.

    Raises:
        CountsError: If a party has more than two outcomes.

    References:
        C. J. Clopper, E. S. Pearson, Biometrika 26, 404 (1934).
    """
    if not counts.scenario.is_two_outcome:
        raise CountsError.bad_argument("counts", expected="two outcomes per party", got=str(counts.scenario))
    n = counts.scenario.num_parties
    signs = [[1.0, -1.0]] * n
    shape = tuple(m + 1 for m in counts.scenario.num_settings)
    plus, total = np.zeros(shape), np.zeros(shape)
    for members in itertools.product((False, True), repeat=n):
        table = counts.array.astype(float)
        sign = np.ones((1,) * n)
        for k, member in enumerate(members):
            if member:
                sign = sign * np.reshape(signs[k], [2 if j == k else 1 for j in range(n)])
        absent = tuple(k for k in range(n) if not members[k])
        positive = np.sum(table * (sign > 0), axis=counts.scenario.outcome_axes).sum(axis=absent, keepdims=True)
        index = tuple(slice(1, None) if member else slice(0, 1) for member in members)
        plus[index] = positive
        total[index] = counts.num_shots.sum(axis=absent, keepdims=True)
    low, high = clopper_pearson(plus, total, alpha / (math.prod(shape) - 1))
    lower, upper = 2 * low - 1, 2 * high - 1
    lower[(0,) * n] = upper[(0,) * n] = 1
    return lower, upper


def marginal_intervals(counts: BellCounts, alpha: float) -> tuple[FloatArray, FloatArray]:
    """Simultaneous exact intervals of the probabilities of any parties' outcomes, of a no-signaling behavior.

    Like :func:`correlator_intervals`, for any number of outcomes.

    Args:
        counts: The counts.
        alpha: Probability that any interval misses.

    Returns:
        Lower and upper limits, shape ``(m_1 d_1 + 1, ..., m_N d_N + 1)``. Index 0 of an axis means that the party does
        not take part, index ``1 + x d + a`` outcome a of setting x, where d is the largest number of outcomes of the
        party's settings. Limits of outcomes that a setting does not have are 0, and not counted in the correction.
    """
    scenario = counts.scenario
    n = scenario.num_parties
    shape = tuple(m * d + 1 for m, d in zip(scenario.num_settings, scenario.max_outcomes, strict=True))
    seen, total = np.zeros(shape), np.zeros(shape)
    wide = counts.num_shots.reshape(scenario.num_settings + (1,) * n)
    shots = np.broadcast_to(wide, counts.array.shape)
    for members in itertools.product((False, True), repeat=n):
        absent = tuple(k for k in range(n) if not members[k])
        # Outcomes are summed over; of equal numbers of shots one is kept. Settings are pooled.
        outcome_axes = tuple(n + k for k in absent)
        won = counts.array.sum(axis=outcome_axes, keepdims=True).sum(axis=absent, keepdims=True)
        played = shots.max(axis=outcome_axes, keepdims=True).sum(axis=absent, keepdims=True)
        index = tuple(slice(1, None) if member else slice(0, 1) for member in members)
        order = [axis for k in range(n) for axis in (k, n + k)]
        seen[index] = won.transpose(order).reshape(seen[index].shape)
        total[index] = played.transpose(order).reshape(seen[index].shape)
    number = math.prod(sum(party) + 1 for party in scenario.num_outcomes) - 1
    lower, upper = clopper_pearson(seen, total, alpha / number)
    lower[(0,) * n] = upper[(0,) * n] = 1
    if not scenario.has_equal_outcomes:
        axes = [np.concatenate([[True], mask.ravel()]) for mask in scenario.party_masks]
        real = functools.reduce(np.logical_and.outer, axes)
        lower[~real] = upper[~real] = 0
    return lower, upper


@one_blas_thread()
def region_limits(counts: BellCounts, alpha: float) -> tuple[FloatArray, FloatArray]:
    """Limits of the region: of the correlators for two outcomes, else of all marginal probabilities.

    Args:
        counts: The counts.
        alpha: Probability that the region misses the behavior.
    """
    return (correlator_intervals if counts.scenario.is_two_outcome else marginal_intervals)(counts, alpha)


def local_region(
    counts: BellCounts, center: Behavior, *, alpha: float = 0.01, time_limit: float | None = None
) -> LocalRegion:
    """Tries to prove that a simultaneous confidence region lies in the local set.

    For CHSH this follows from Fine's theorem if no CHSH form exceeds 2 anywhere in the region. In other scenarios it
    follows from a margin in white noise: a deviation from the center is absorbed if the center stays local when scaled
    by ``1 / (1 - r)``, where r times white noise plus the deviation is local. With two outcomes, r is the sum over sets
    of parties of the 2-norm of the deviations of their correlators, since each block's unit ball is local. With more
    outcomes, r is the sum over sets of parties S and their settings of d_S times the largest deviation of their
    probabilities from what the probabilities of fewer parties imply: a model that draws the outcomes of S for just
    these settings, and tosses dice elsewhere, makes up for it.

    Args:
        counts: The counts.
        center: A local behavior near the frequencies, such as the maximum-likelihood fit's.
        alpha: Probability that the region misses the behavior.
        time_limit: Seconds for the threshold of the center; default: no limit. Without a limit the threshold is not
            computed in scenarios of more than 250 parameters, where it may take minutes.

    Returns:
        The region, and whether it was proven to lie inside.

    Raises:
        CountsError: If alpha is not between 0 and 1, an argument has the wrong type, the center belongs to another
            scenario, or a setting combination was not measured: its behavior may be any.

    References:
        A. Fine, Phys. Rev. Lett. 48, 291 (1982); arXiv:2302.04721 (absorbing a residual); C. J. Clopper, E. S. Pearson,
        Biometrika 26, 404 (1934) (the limits).

    Examples:
        >>> from qiskit_lhv import Behavior, werner_state
        >>> device = Behavior.from_state(werner_state(0.5), "chsh")
        >>> for shots in (200, 5000):
        ...     print(local_region(device.sample(shots, seed=1), device))
        the 99% confidence region is not proven to lie inside the local set (margin -0.357)
        the 99% confidence region lies inside the local set (margin 0.415)
    """
    counts = require_counts(counts)
    if instance(center, Behavior, "center", CountsError).scenario != counts.scenario:
        raise CountsError.bad_argument("center", expected=str(counts.scenario), got=str(center.scenario))
    require_complete(counts, "for a confidence region, since the behavior of others may be any")
    alpha = probability(alpha, "alpha", CountsError, open_interval=True)
    deadline = Deadline(time_limit)
    lower, upper = region_limits(counts, alpha)
    if counts.scenario.is_chsh:
        middle, half = (lower + upper)[1:, 1:] / 2, (upper - lower)[1:, 1:] / 2
        margin = 2 - float(chsh_forms(middle).max() + half.sum())
        return LocalRegion(alpha, lower, upper, margin >= 0, margin, None)
    radius = _radius_of(lower, upper, center)
    if radius >= 1:
        return LocalRegion(alpha, lower, upper, False, 1 - radius, None)
    needed = 1 / (1 - radius)
    reach = _reach(counts, center)
    if reach < needed:
        return LocalRegion(alpha, lower, upper, False, reach - needed, None)
    if time_limit is None and counts.scenario.num_no_signaling_parameters > MAX_COORDINATES:
        return LocalRegion(alpha, lower, upper, False, 0.0, None)
    try:
        threshold = nonlocality_threshold(center, max_visibility=_VISIBILITY_FACTOR * needed, time_limit=deadline.left)
    except SolverError:
        return LocalRegion(alpha, lower, upper, False, 0.0, None)
    margin = threshold.lower - needed
    return LocalRegion(alpha, lower, upper, margin >= 0, margin, threshold)


def _reach(counts: BellCounts, center: Behavior) -> float:
    """A visibility, found at once, above which the center is not local: a sufficient one, to spare the search.

    Probabilities may not become negative; nor may the ratios of frequencies to center, which as a Bell expression reach
    their local bound at the center if it is the best local explanation of counts outside of the local set.
    """
    scenario = counts.scenario
    if scenario.has_equal_outcomes:
        white: Any = 1 / math.prod(scenario.max_outcomes)
        reach = white / max(white - float(center.array.min()), 1e-300)
    else:
        white, real = scenario.white_noise_table, scenario.mask
        reach = float((white[real] / np.maximum(white[real] - center.array[real], 1e-300)).min())
    if enumeration_size(scenario) > _QUICK_ENUMERATION:
        return reach
    ratios = np.divide(counts.array, center.array, out=np.zeros_like(center.array), where=center.array > 0)
    bound = float(best_strategies(ratios, scenario, 1)[0][0])
    noise = white * float(ratios.sum()) if scenario.has_equal_outcomes else float(np.sum(white * ratios))
    slope = float(np.sum(ratios * center.array)) - noise
    # Rounding errors must not deny what lies on the boundary.
    return min(reach, (bound - noise) / slope * (1 + 1e-9)) if slope > 1e-9 * bound else reach


def _radius_of(lower: FloatArray, upper: FloatArray, center: Behavior) -> float:
    """How much white noise absorbs any deviation from the center in the region."""
    if center.scenario.is_two_outcome:
        return _radius(lower, upper, center.to_correlators())
    return _outcome_radius(lower, upper, center)


def _radius(lower: FloatArray, upper: FloatArray, center: FloatArray) -> float:
    """Sum over sets of parties of the largest 2-norm of the deviation from the center in the region."""
    worst = np.maximum(upper - center, center - lower)
    n = worst.ndim
    total = 0.0
    for members in itertools.product((False, True), repeat=n):
        if any(members):
            block = worst[tuple(slice(1, None) if member else 0 for member in members)]
            total += float(np.linalg.norm(block))
    return total


def _outcome_radius(lower: FloatArray, upper: FloatArray, center: Behavior) -> float:
    """Sum over sets of parties and their settings of d_S times the largest deviation of their own block."""
    scenario = center.scenario
    n = scenario.num_parties
    sizes = list(zip(scenario.num_settings, scenario.max_outcomes, strict=True))
    # The number of outcomes of each setting, which is the same for all settings unless some are padded.
    numbers = [np.array(party)[:, None] for party in scenario.num_outcomes]
    maps = []
    for m, d in sizes:
        # Party absent: its outcomes are summed, its settings averaged (the center is no-signaling).
        maps.append(np.vstack([np.full((1, m * d), 1 / m), np.eye(m * d)]))
    middle = apply_per_party(to_party_axes(center.array, scenario), maps)
    worst = np.maximum(np.maximum(upper - middle, middle - lower), 0)
    total = 0.0
    for members in itertools.product((False, True), repeat=n):
        chosen = [k for k in range(n) if members[k]]
        if not chosen:
            continue
        # Deviations of the block: those of the probabilities of every subset T, divided by the number of outcomes of
        # the parties that are in S but not in T. Axes are settings and outcomes of the chosen parties in turn.
        deviation = np.zeros([size for k in chosen for size in sizes[k]])
        for inside in itertools.product((False, True), repeat=len(chosen)):
            if not any(inside):
                continue
            kept = dict(zip(chosen, inside, strict=True))
            part = worst[tuple(slice(1, None) if kept.get(k, False) else 0 for k in range(n))]
            shape = [size if kept[k] else 1 for k in chosen for size in sizes[k]]
            others: Any = math.prod(sizes[k][1] for k in chosen if not kept[k])
            if not scenario.has_equal_outcomes:
                others = _outer([np.ones((1, 1)) if kept[k] else numbers[k] for k in chosen])
            deviation = deviation + part.reshape(shape) / others
        outcome_axes = tuple(range(1, 2 * len(chosen), 2))
        if not scenario.has_equal_outcomes:
            # Padding has no deviation; and a model needs as many dice as the settings at hand have outcomes.
            deviation = deviation * _outer([scenario.party_masks[k] for k in chosen])
            total += float((deviation * _outer([numbers[k] for k in chosen])).max(axis=outcome_axes).sum())
            continue
        total += math.prod(sizes[k][1] for k in chosen) * float(deviation.max(axis=outcome_axes).sum())
    return total


def _outer(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """The product of tables of settings and outcomes, one party after the other."""
    result: NDArray[Any] = np.ones(())
    for part in parts:
        result = np.multiply.outer(result, part)
    return result
