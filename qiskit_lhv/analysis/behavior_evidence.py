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


# Numbers of at least this accuracy count as those of one behavior, rounded; less accurate ones count as an estimate.
ROUNDING = 1e-6
# The model of a threshold that counts as exact may be off by 1e-9, and rounding may make its center signal.
_MODEL_SLACK = 2e-9
_SIGNALING = 1e-12


@dataclass(frozen=True, eq=False, repr=False)
class BehaviorViolation(Evidence):
    """A Bell inequality that a behavior violates by more than the errors of its numbers can account for.

    References:
        J. S. Bell, Physics 1, 195 (1964); A. Fine, Phys. Rev. Lett. 48, 291 (1982).

    Examples:
        >>> from qiskit_lhv import analyze, Behavior, ghz_state
        >>> violation = analyze(Behavior.from_state(ghz_state(2, 0.9), "chsh")).evidence[0]
        >>> print(violation)
        an inequality violated by 0.545584, more than errors up to 1e-07 in each probability can make
        >>> print(violation.inequality)
        <A0 B0> + <A0 B1> + <A1 B0> - <A1 B1> <= 2
        >>> print(violation.verify())
        verified: no local model exceeds 2; it is violated by 0.545584, which errors up to 1e-07 in each
         probability do not explain
    """

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
        """``Verdict.NONLOCAL`` if the violation of an exact bound exceeds what errors account for, else ``None``."""

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
        """Proves again, in exact arithmetic, the local bound and that no local behavior lies within the errors.

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
    """Evidence that a behavior is local, given the accuracy of its numbers.

    If the numbers are accurate to 1e-6 or better, a model reproduces them within their accuracy. If they are less
    accurate, every no-signaling behavior that they may stand for is local.

    References:
        A. Fine, Phys. Rev. Lett. 48, 291 (1982); arXiv:2302.04721 (what white noise absorbs).

    Examples:
        >>> from qiskit_lhv import analyze, Behavior, werner_state
        >>> locality = analyze(Behavior.from_state(werner_state(0.6), "chsh")).evidence[0]
        >>> len(locality.model.weights), locality.deviation < 1e-9, bool(locality.verify())
        (10, True, True)
    """

    behavior: Behavior
    """The behavior, as it was given."""
    tolerance: float
    """Accuracy of its numbers: the largest error of a probability."""
    model: DeterministicModel | SymmetrizedModel | None
    """The model, if the numbers are accurate to 1e-6 or better."""
    threshold: Threshold | None
    """For less accurate numbers, the threshold, above 1, of a nearby no-signaling behavior. It is ``None`` in scenarios
    that need none: that of CHSH, and those in which only one party chooses among settings."""

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
        """Checks the model in exact arithmetic, or checks that every behavior within the errors is local.

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
    """Returns what is wrong with the fields that both kinds of evidence have, or ``None``."""
    if not isinstance(behavior, Behavior):
        return Verification(False, f"the behavior is a {type(behavior).__name__}", math.inf)
    if not positive_and_finite(tolerance):
        return Verification(False, f"the tolerance is {tolerance!r}", math.inf)
    return None


def only_local_behaviors(scenario: BellScenario) -> bool:
    """Returns whether every no-signaling behavior is local because at most one party chooses among settings.

    A local model then takes the outcomes of the other parties as the hidden variable, and draws the outcome of that
    party from its distribution given these.
    """
    return sum(m > 1 for m in scenario.num_settings) <= 1


def possible_region(behavior: Behavior, tolerance: float) -> tuple[FloatArray, FloatArray]:
    """Returns the limits of all no-signaling behaviors that differ from the given numbers by at most the tolerance.

    A marginal probability is a sum of cells, for any settings of the other parties. It may therefore be off by the
    tolerance times the number of these cells. The same holds for a correlator.

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
        # Padded cells are exactly zero, so they do not add to the error.
        error = tolerance * scenario.mask.sum(axis=summed, keepdims=True)
        absent = tuple(k for k in range(n) if not members[k])
        low = (table - error).max(axis=absent, keepdims=True)
        high = (table + error).min(axis=absent, keepdims=True)
        index = tuple(slice(1, None) if member else slice(0, 1) for member in members)
        order = [axis for k in range(n) for axis in (k, n + k)]
        lower[index] = np.maximum(low, -1.0 if two else 0.0).transpose(order).reshape(lower[index].shape)
        upper[index] = np.minimum(high, 1.0).transpose(order).reshape(lower[index].shape)
    return lower, upper
