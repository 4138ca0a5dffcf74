"""Evidence about behaviors whose numbers are known to a stated accuracy."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from .._support.types import FloatArray
from ..models.deterministic import DeterministicModel
from ..polytope.inequalities.bell_inequality import BellInequality
from ..polytope.symmetry.symmetrized_model import SymmetrizedModel
from ..polytope.thresholds.nearest_local import violation_beyond_errors
from ..polytope.thresholds.visibility import Threshold
from ..statistics.intervals.confidence_regions import verify_limits
from ..targets.behaviors import Behavior
from ..targets.scenario import BellScenario
from ..verification.evidence import Evidence, positive_and_finite, readable
from ..verification.result import Verification, combine
from ..verification.verdict import Verdict

__all__ = [
    "ROUNDING",
    "BehaviorLocality",
    "BehaviorViolation",
    "only_local_behaviors",
    "possible_region",
]


# Up to this accuracy numbers count as those of one behavior, rounded; beyond, as an estimate of one.
ROUNDING = 1e-6
# A model that a threshold calls exact may be off by 1e-9, and its center be signaling by rounding.
_MODEL_SLACK = 2e-9
_SIGNALING = 1e-12


@dataclass(frozen=True, eq=False, repr=False)
class BehaviorViolation(Evidence):
    """A Bell inequality that a behavior violates by more than the errors of its numbers can make."""

    behavior: Behavior
    """The behavior, as it was given."""
    tolerance: float
    """Accuracy of its numbers: the largest error of a probability."""
    inequality: BellInequality
    """The inequality, with its exact local bound."""

    @property
    def exceeds(self) -> bool:
        """Whether the violation exceeds the tolerance times the sum of the absolute coefficients."""
        self.behavior.require_scenario(self.inequality.expression.scenario, "inequality")
        return violation_beyond_errors(self.inequality, self.behavior, self.tolerance) > 0

    @property
    def shows(self) -> Verdict | None:
        """``Verdict.NONLOCAL`` if the bound is exact and exceeded by more than errors can make, else ``None``."""

        def claim() -> bool:
            return positive_and_finite(self.tolerance) and bool(self.inequality.bound.exact) and self.exceeds

        return Verdict.NONLOCAL if readable(claim, False) else None

    def __str__(self) -> str:
        relation = "more" if readable(lambda: self.exceeds, False) else "not more"
        return (
            f"an inequality violated by {self.inequality.violation(self.behavior):.6g}, {relation} than errors up to "
            f"{self.tolerance:g} in each probability can make"
        )

    def verify(self, *, prove_bound: bool | None = None) -> Verification:
        """Re-proves the local bound, and that no local behavior is within the errors, in exact arithmetic.

        Args:
            prove_bound: Whether to prove the local bound again; see ``BellInequality.verify``.
        """
        fault = _fault(self.behavior, self.tolerance)
        if fault is not None:
            return fault
        left = Verification(
            self.exceeds,
            f"it is violated by {float(self.inequality.exact_violation(self.behavior)):.6g}, which errors up to "
            f"{self.tolerance:g} in each probability " + ("do not explain" if self.exceeds else "explain"),
        )
        return combine(self.inequality.verify(prove_bound=prove_bound), left)


@dataclass(frozen=True, eq=False, repr=False)
class BehaviorLocality(Evidence):
    """That a behavior is local, as far as its numbers tell.

    Numbers accurate to 1e-6 or better: a model reproduces them within their accuracy. Others: every no-signaling
    behavior that they may stand for is local.
    """

    behavior: Behavior
    """The behavior, as it was given."""
    tolerance: float
    """Accuracy of its numbers: the largest error of a probability."""
    model: DeterministicModel | SymmetrizedModel | None
    """The model, for numbers accurate to 1e-6 or better."""
    threshold: Threshold | None
    """For others, the threshold, above 1, of a no-signaling behavior nearby; ``None`` where the scenario needs none:
    CHSH's, and scenarios where only one party chooses among settings."""

    @property
    def deviation(self) -> float:
        """Largest difference of a probability between the behavior and the model, in floating point."""
        if self.model is None:
            return math.inf
        return float(np.abs(self.model.behavior().array - self.behavior.array).max())

    @property
    def shows(self) -> Verdict | None:
        """``Verdict.LOCAL`` if the evidence is complete and in agreement, else ``None``."""

        def claim() -> bool:
            if self.tolerance <= ROUNDING and _fault(self.behavior, self.tolerance) is None:
                return self.deviation <= self.tolerance * (1 + 1e-6)
            return not self.verify(prove_bound=False).refuted

        return Verdict.LOCAL if readable(claim, False) else None

    def __str__(self) -> str:
        if self.model is not None:
            return (
                f"a local model reproduces every probability to {self.deviation:.2g}, asked for is {self.tolerance:g}"
            )
        return f"every no-signaling behavior within {self.tolerance:g} of the probabilities is local"

    def verify(self, *, prove_bound: bool | None = None) -> Verification:
        """Re-checks the model in exact arithmetic, or that all that the behavior may be is local.

        Args:
            prove_bound: Whether to prove the threshold's local bound again; see ``BellInequality.verify``.
        """
        fault = _fault(self.behavior, self.tolerance)
        if fault is not None:
            return fault
        if self.tolerance <= ROUNDING:
            if not isinstance(self.model, DeterministicModel | SymmetrizedModel):
                return Verification(False, "there is no model of the behavior", math.inf)
            if self.threshold is not None:
                return Verification(False, "a threshold is given that the claim does not need", math.inf)
            return self.model.verify(self.behavior, self.tolerance)
        scenario = self.behavior.scenario
        needed = not (scenario.is_chsh or only_local_behaviors(scenario))
        if self.model is not None or (self.threshold is not None and not needed):
            return Verification(False, "a model or threshold is given that the claim does not need", math.inf)
        if only_local_behaviors(scenario):
            return Verification(True, f"in the scenario of {scenario} every no-signaling behavior is local")
        lower, upper = possible_region(self.behavior, self.tolerance + _MODEL_SLACK)
        checks = []
        if not scenario.is_chsh:
            if not isinstance(self.threshold, Threshold):
                return Verification(False, "there is no threshold", math.inf)
            signaling = self.threshold.behavior.max_signaling()
            checks.append(Verification(signaling <= _SIGNALING, f"the center's marginals move by {signaling:.2g}"))
            self.behavior.require_scenario(self.threshold.behavior.scenario, "threshold")
            white = np.abs(self.threshold.noise.array - Behavior.white_noise(scenario).array).max() <= _SIGNALING
            checks.append(Verification(bool(white), "the threshold's noise is white"))
        _, inside = verify_limits(lower, upper, None if scenario.is_chsh else self.threshold, prove_bound)
        return combine(*checks, inside)


def _fault(behavior: object, tolerance: object) -> Verification | None:
    """What is wrong with fields that both kinds of evidence have."""
    if not isinstance(behavior, Behavior):
        return Verification(False, f"the behavior is a {type(behavior).__name__}", math.inf)
    if not positive_and_finite(tolerance):
        return Verification(False, f"the tolerance is {tolerance!r}", math.inf)
    return None


def only_local_behaviors(scenario: BellScenario) -> bool:
    """Whether every no-signaling behavior is local, since at most one party chooses among settings.

    The outcomes of the others are the hidden variable, and that party's outcome is drawn from its distribution given
    these.
    """
    return sum(m > 1 for m in scenario.num_settings) <= 1


def possible_region(behavior: Behavior, tolerance: float) -> tuple[FloatArray, FloatArray]:
    """Limits of what no-signaling behaviors may be that differ from the numbers by at most the tolerance.

    Each probability of some parties' outcomes is a sum of cells, for whatever settings of the others, and may be off
    by the tolerance times their number; so may a correlator.

    Args:
        behavior: The behavior.
        tolerance: Largest error of a probability.

    Returns:
        Lower and upper limits in the form of :class:`~qiskit_lhv.statistics.LocalRegion`: of correlators, or of
        marginal probabilities for more than two outcomes.
    """
    scenario = behavior.scenario
    n, two = scenario.num_parties, scenario.is_two_outcome
    sizes = [1 if two else d for d in scenario.max_outcomes]
    shape = tuple(m * size + 1 for m, size in zip(scenario.num_settings, sizes, strict=True))
    lower, upper = np.ones(shape), np.ones(shape)
    for members in itertools.product((False, True), repeat=n):
        if not any(members):
            continue
        table = behavior.array
        for k, member in enumerate(members):
            if two and member:
                signs = np.reshape([1.0, -1.0], [2 if j == n + k else 1 for j in range(2 * n)])
                table = table * signs
        summed = tuple(n + k for k in range(n) if two or not members[k])
        table = table.sum(axis=summed, keepdims=True)
        # Padding is exact, and not counted.
        error = tolerance * scenario.mask.sum(axis=summed, keepdims=True)
        absent = tuple(k for k in range(n) if not members[k])
        low = (table - error).max(axis=absent, keepdims=True)
        high = (table + error).min(axis=absent, keepdims=True)
        index = tuple(slice(1, None) if member else slice(0, 1) for member in members)
        order = [axis for k in range(n) for axis in (k, n + k)]
        lower[index] = np.maximum(low, -1.0 if two else 0.0).transpose(order).reshape(lower[index].shape)
        upper[index] = np.minimum(high, 1.0).transpose(order).reshape(lower[index].shape)
    return lower, upper
