"""The evidence that a new run of the same experiment can be expected to give, and the shots it needs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...polytope.bounds.local_bounds import best_strategies
from ...targets.behaviors import Behavior
from ...targets.counts import BellCounts
from ..assumptions.predictability import mean_forms
from ..fits.local_fit import LocalFit, fit_local_model
from .evidence_rates import learning_cost, missing_dimensions

__all__ = ["ExpectedEvidence", "expected_evidence"]

# Nats per trial below which frequencies are taken for local: what a fit leaves.
_LOCAL_RATE = 1e-9
# A fit that ends early leaves traces of strategies that the best one does not use.
_NEGLIGIBLE_WEIGHT = 1e-3
_REPETITIONS = 50
_MOST_SHOTS = 1e15


@dataclass(frozen=True)
class ExpectedEvidence:
    """The log-evidence of ``ratio_e_value`` per trial, if the frequencies of counts are the device's probabilities."""

    fit: LocalFit
    """The local model nearest to the no-signaling behavior that explains the counts best."""
    rate: float
    """Expected log-evidence per trial once the factor is learned, with the declared predictability, in nats; 0 if there
    is none."""
    total: int
    """Number of shots of the counts."""

    @cached_property
    def missing(self) -> int:
        """Number of dimensions in which local models end there."""
        return missing_dimensions(self.fit, _NEGLIGIBLE_WEIGHT)

    @property
    def local(self) -> bool:
        """Whether the frequencies, but for their signaling part, are local."""
        return self.fit.divergence - self.fit.duality_gap <= _LOCAL_RATE

    @property
    def by_chance(self) -> bool:
        """Whether a local device with as many shots may well show so large a violation by chance.

        On the boundary of the local set, twice the log-likelihood deficit behaves at most like a chi-square variable
        with as many degrees of freedom as local models lack dimensions there: the limit is a standard deviation above
        its mean.
        """
        freedom = max(1, self.missing)
        return 2 * self.total * self.fit.divergence <= freedom + math.sqrt(2 * freedom)

    def shots_needed(self, goal: float, reached: float) -> float | None:
        """About how many shots a new run needs to reach a log-evidence in half of all cases.

        The e-value pays for learning its factor: the evidence that these shots would have given with the factor known,
        less what they gave, but no less than ``learning_cost`` says. This cost grows with the shots as
        ``learning_cost`` does.

        Args:
            goal: The log-evidence to reach, in nats.
            reached: The log-evidence of these shots, in nats.

        Returns:
            Shots of all setting combinations together; ``None`` where no number is enough.
        """
        if self.local or self.rate <= _LOCAL_RATE:
            return None
        paid = max(0.0, self.total * self.rate - reached - learning_cost(self.fit, self.total, self.missing))
        needed = float(self.total)
        # The cost grows with the logarithm of the shots, so this settles soon.
        for _ in range(_REPETITIONS):
            before, needed = needed, (goal + paid + learning_cost(self.fit, needed, self.missing)) / self.rate
            if abs(needed - before) <= 1e-3 * needed:
                break
        return needed if needed <= _MOST_SHOTS else None


def expected_evidence(
    no_signaling: Behavior, counts: BellCounts, predictability: float = 0.0, *, time_limit: float | None = None
) -> ExpectedEvidence:
    """The evidence to expect of a new run with settings chosen as for these counts.

    Args:
        no_signaling: The no-signaling behavior that explains the counts best.
        counts: The counts.
        predictability: The declared predictability of random settings. The factor of ``ratio_e_value`` is that of
            settings without any, and it is divided by its largest mean for settings with it.
        time_limit: Seconds; default: no limit.

    Returns:
        The fit to the behavior and the rate.

    Raises:
        ScenarioError: If the scenario is too large.
        SolverError: If no model is found, or the time was over.
    """
    probabilities = counts.setting_probabilities
    weights = counts.num_shots if probabilities is None else probabilities
    fit = fit_local_model(no_signaling, weights, tolerance=1e-10, relative_tolerance=1e-3, time_limit=time_limit)
    rate = fit.divergence
    if predictability > 0:
        f, q = no_signaling.array, fit.model.behavior().array
        factor = np.divide(f, q, out=np.zeros_like(f), where=q > 0)
        largest = float(factor.max())
        wide = (1,) * fit.weights.ndim
        bounds = []
        for share, limits in mean_forms(fit.weights, predictability):
            values, _ = best_strategies(limits.reshape(limits.shape + wide) * factor, no_signaling.scenario, 1)
            bounds.append(largest * share + float(values[0]))
        rate -= math.log(min(bounds))
    return ExpectedEvidence(fit, max(0.0, rate), counts.total_shots)
