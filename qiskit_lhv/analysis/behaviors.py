"""Verdicts on behaviors, whose numbers are known to a stated accuracy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .._support.deadlines import Deadline
from .._support.validation import positive_number
from ..exceptions import ScenarioError, SolverError
from ..models.deterministic import DeterministicModel
from ..polytope.inequalities.bell_inequality import BellInequality
from ..polytope.symmetry.symmetrized_model import SymmetrizedModel
from ..polytope.thresholds.nearest_local import NearestLocal, can_find_nearest, nearest_local, sum_of_coefficients
from ..polytope.thresholds.visibility import Threshold, nonlocality_threshold
from ..reports.locality import LocalityReport
from ..targets.behaviors import Behavior
from ..verification.verdict import Verdict
from .behavior_evidence import ROUNDING, BehaviorLocality, BehaviorViolation, only_local_behaviors
from .behavior_question import BehaviorQuestion, behavior_report, center_of, model_of, shown_by

__all__ = ["analyze_behavior"]


def analyze_behavior(behavior: Behavior, *, tolerance: float = 1e-7, time_limit: float | None = None) -> LocalityReport:
    """Returns a report on whether a behavior, whose numbers are known to a stated accuracy, is local.

    The verdict is NONLOCAL if an inequality with a proven local bound is violated by more than the tolerance times the
    sum of its absolute coefficients: then no local behavior lies within the errors.

    The verdict is LOCAL in two cases. With a tolerance of 1e-6 or less, a local model reproduces every probability to
    within the tolerance. With a larger tolerance, every no-signaling behavior within the errors is local. In the CHSH
    scenario the eight forms of the CHSH inequality decide this (Fine's theorem). In other scenarios the behavior must
    stay local when it is scaled away from white noise by a factor that leaves room for the errors.

    Args:
        behavior: The behavior. Its marginals may depend on other parties' settings as far as the errors explain it.
        tolerance: Accuracy of the numbers in ``behavior.array``: the largest error of a probability.
        time_limit: Limit in seconds for each search. Default: none.

    Returns:
        The report. Its first line states the accuracy that the numbers were taken to have.

    Raises:
        ScenarioError: If the behavior signals by more than the errors explain, or if an argument is out of range.

    References:
        A. Fine, Phys. Rev. Lett. 48, 291 (1982); arXiv:2302.04721 (absorbing a residual).

    Examples:
        Measured correlators with S = 2.05 and errors of 0.05:

        >>> measured = Behavior.from_correlators([[0.52, 0.51], [0.51, -0.51]], marginals=False)
        >>> analyze_behavior(measured, tolerance=0.0125).verdict.name
        'INCONCLUSIVE'
    """
    tolerance = positive_number(tolerance, "tolerance", ScenarioError)
    Deadline(time_limit)
    _require_explained_signaling(behavior, tolerance)
    search = _Search(behavior, tolerance, time_limit)
    search.run()
    return search.report()


def _require_explained_signaling(behavior: Behavior, tolerance: float) -> None:
    """Raises an error if no no-signaling behavior lies within the errors."""
    n = behavior.scenario.num_parties
    needed = shift = 0.0
    for k in range(n):
        if n > 1:
            # A marginal is a sum over party k's outcomes, so two marginals differ by up to twice the summed errors.
            moves = float(np.ptp(behavior.array.sum(axis=n + k), axis=k).max())
            shift = max(shift, moves)
            needed = max(needed, moves / (2 * behavior.scenario.max_outcomes[k]))
    if needed <= tolerance + 1e-12:
        return
    raise ScenarioError.bad_argument(
        "behavior",
        expected=f"a no-signaling behavior, up to errors of {tolerance:g} in each probability (tolerance)",
        got=f"marginals that move by {shift:.3g} with another party's setting",
        remedy=(
            f"If its numbers are less accurate, say so: tolerance={_rounded_up(needed)} or more. "
            "project_to_no_signaling(behavior) gives the nearest no-signaling one; counts go to analyze()."
        ),
    )


def _rounded_up(number: float) -> str:
    """Writes a positive number with two digits, rounded up."""
    unit = 10.0 ** (math.floor(math.log10(number)) - 1)
    return f"{math.ceil(number / unit * (1 - 1e-12)) * unit:.2g}"


def _rounded_down(number: float) -> str:
    """Writes a positive number with two digits, rounded down."""
    unit = 10.0 ** (math.floor(math.log10(number)) - 1)
    return f"{math.floor(number / unit * (1 + 1e-12)) * unit:.2g}"


@dataclass
class _Search:
    """The search for a verdict: what was found so far, and the proof if there is one."""

    behavior: Behavior
    tolerance: float
    time_limit: float | None

    def __post_init__(self) -> None:
        self.threshold: Threshold | None = None
        self.nearest: NearestLocal | None = None
        self.proof: BehaviorLocality | BehaviorViolation | None = None

    @property
    def coarse(self) -> bool:
        """Whether the numbers are an estimate rather than rounded values."""
        return self.tolerance > ROUNDING

    def run(self) -> None:
        """Searches for a proof of either verdict, beginning with the quick ones."""
        deadline = Deadline(self.time_limit)
        scenario = self.behavior.scenario
        center, largest = center_of(self.behavior, self.tolerance)
        try:
            self.threshold = nonlocality_threshold(center, max_visibility=largest, time_limit=self.time_limit)
        except SolverError:
            # Where this linear program fails, the one for the nearest local behavior may still succeed.
            self.threshold = None
        if self._decide():
            return
        if can_find_nearest(scenario):
            try:
                self.nearest = nearest_local(self.behavior, start=self._known_strategies(), time_limit=deadline.left)
            except SolverError:
                return
            self._decide()

    def _known_strategies(self) -> NDArray[np.int64] | None:
        if self.threshold is None:
            return None
        return self.threshold.model.strategies.astype(np.int64)

    @property
    def inequality(self) -> BellInequality | None:
        """The inequality that comes nearest to a proof."""
        results = [result for result in (self.threshold, self.nearest) if result is not None]
        inequalities = [result.inequality for result in results if result.inequality is not None]
        return max(inequalities, key=self._relative_violation, default=None)

    @property
    def model(self) -> DeterministicModel | SymmetrizedModel | None:
        """The model that comes nearest to the numbers."""
        models = [result.model for result in (self.threshold, self.nearest) if result is not None]
        distances = [float(np.abs(model.behavior().array - self.behavior.array).max()) for model in models]
        return models[int(np.argmin(distances))] if models else None

    def _relative_violation(self, inequality: BellInequality) -> float:
        return inequality.violation(self.behavior) / sum_of_coefficients(inequality)

    def _decide(self) -> bool:
        inequality = self.inequality
        if inequality is not None and inequality.bound.exact:
            violation = BehaviorViolation(self.behavior, self.tolerance, inequality)
            if violation.shows and violation.verify(prove_bound=True):
                self.proof = violation
                return True
        self.proof = self._locality(self.tolerance)
        return self.proof is not None

    def _locality(self, tolerance: float) -> BehaviorLocality | None:
        """Returns the proof that numbers of this accuracy are local, or ``None``."""
        scenario, threshold = self.behavior.scenario, None
        if self.coarse and not (scenario.is_chsh or only_local_behaviors(scenario)):
            threshold = self.threshold
            if threshold is None or threshold.lower <= 1:
                return None
        locality = BehaviorLocality(self.behavior, tolerance, None if self.coarse else self.model, threshold)
        return locality if locality.shows and locality.verify() else None

    # The report

    @property
    def verdict(self) -> Verdict:
        """The verdict that the proof shows."""
        return shown_by(self.proof)

    def _fits(self) -> bool | None:
        """Returns whether a local model lies within the errors, or ``None`` if that is unknown."""
        if self.verdict is not Verdict.INCONCLUSIVE:
            return self.verdict is Verdict.LOCAL
        model = self.model
        return True if model is not None and model.verify(self.behavior, self.tolerance) else None

    def _advice(self) -> str:
        if self.proof is not None:
            return ""
        threshold, inequality = self.threshold, self.inequality
        if inequality is not None and not inequality.bound.exact and inequality.violation(self.behavior) > 0:
            return (
                "An inequality seems to be violated, but its local bound could not be proven in the time allowed: "
                "prove it with local_bound(report.inequality.expression), or use fewer settings."
            )
        if self.time_limit is not None and threshold is not None and threshold.upper - threshold.lower > ROUNDING:
            return f"More time: so far the threshold lies in [{threshold.lower:.6g}, {threshold.upper:.6g}]."
        needed = self._needed_accuracy()
        if needed is None:
            return (
                "The behavior is so near to the boundary of the local set that its numbers tell neither: give them "
                "more exactly, with a smaller tolerance."
            )
        accuracy, answer = needed
        return f"If these numbers were accurate to {accuracy}, the answer would be {answer}."

    def _needed_accuracy(self) -> tuple[str, Verdict] | None:
        """Returns the accuracy at which these same numbers would have an answer, and that answer."""
        inequality, model = self.inequality, self.model
        if inequality is not None:
            reached = self._relative_violation(inequality)
            if reached > 1e-9:
                return _rounded_down(reached * (1 - 1e-6)), Verdict.NONLOCAL
        if self.coarse:
            accuracy = self.tolerance / 2
            while accuracy > ROUNDING:
                if self._locality(accuracy) is not None:
                    return _rounded_down(accuracy), Verdict.LOCAL
                accuracy /= 2
            return None
        if model is not None:
            deviation = float(model.verify(self.behavior, self.tolerance).deviation)
            if deviation <= ROUNDING:
                return _rounded_up(deviation), Verdict.LOCAL
        return None

    def report(self) -> LocalityReport:
        """Returns the report."""
        question = BehaviorQuestion(self.behavior, self.tolerance)
        inequality = None if self.verdict is Verdict.LOCAL else self.inequality
        fits = self._fits()
        # Without a proof, the report shows a model that fits, if there is one; otherwise, the model in the evidence.
        model = self.model if self.proof is None and fits else model_of(self.proof, self.threshold)
        return behavior_report(question, self.proof, self.threshold, inequality, model, fits, self._advice())
