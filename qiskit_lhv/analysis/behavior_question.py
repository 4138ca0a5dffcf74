"""What was asked about a behavior, and the report that follows from what is proven about it."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np

from ..models.deterministic import DeterministicModel
from ..models.local_model import LocalModel
from ..polytope.expressions.normal_forms import no_signaling_part
from ..polytope.inequalities.bell_inequality import BellInequality
from ..polytope.symmetry.symmetrized_model import SymmetrizedModel
from ..polytope.thresholds.nearest_local import sum_of_coefficients
from ..polytope.thresholds.visibility import Threshold
from ..reports.correlator_tables import (
    CorrelatorTable,
    ProbabilityTable,
    correlators_of_behavior,
    table_of_behavior,
)
from ..reports.figure_names import Figure
from ..reports.locality import LocalityReport
from ..reports.questions import Question
from ..targets.behaviors import Behavior
from ..targets.coordinates import from_party_axes
from ..targets.setting_names import settings_in_words
from ..verification.evidence import agree, verify_shown
from ..verification.result import Verification, combine
from ..verification.verdict import Verdict
from .behavior_evidence import ROUNDING, BehaviorLocality, BehaviorViolation, only_local_behaviors

__all__ = ["BehaviorQuestion", "behavior_report", "center_of", "model_of", "shown_by"]

# Near white noise thresholds grow without limit; above this one, the room for errors is more than enough.
_LARGEST_VISIBILITY = 100.0
# White noise itself has no threshold: a behavior this near to it is replaced by one of this visibility.
_WHITE_NOISE_ATOL = 1e-9
_SMALL_VISIBILITY = 1e-6


def _near_no_signaling(behavior: Behavior) -> Behavior:
    """Returns a no-signaling behavior near the numbers.

    This is their orthogonal projection, mixed with white noise if it has negative entries.
    """
    scenario = behavior.scenario
    n = scenario.num_parties
    table = behavior.array
    if not scenario.has_equal_outcomes:
        projected = from_party_axes(no_signaling_part(table, scenario), scenario)
        table = projected / projected.sum(axis=scenario.outcome_axes, keepdims=True)
        white = Behavior.white_noise(scenario).array
        share = max(0.0, -float((table[scenario.mask] / white[scenario.mask]).min()))
        return Behavior(np.where(scenario.mask, np.maximum((table + share * white) / (1 + share), 0), 0), scenario)
    for k in range(n):
        # In a no-signaling table the sum over the outcomes of party k is the same for each of its settings.
        table = table - table.mean(axis=n + k, keepdims=True) + table.mean(axis=(k, n + k), keepdims=True)
    table = table / table.sum(axis=scenario.outcome_axes, keepdims=True)
    below = max(0.0, -float(table.min()))
    return Behavior((table + below) / (1 + below * math.prod(scenario.max_outcomes)))


def center_of(behavior: Behavior, tolerance: float) -> tuple[Behavior, float]:
    """Returns the no-signaling behavior whose threshold is computed, and the largest visibility of interest.

    Args:
        behavior: The behavior, as it was given.
        tolerance: Accuracy of its numbers.
    """
    scenario, center = behavior.scenario, _near_no_signaling(behavior)
    if tolerance <= ROUNDING or scenario.is_chsh or only_local_behaviors(scenario):
        return center, 1.0
    # The threshold of the center shows how much room there is for errors.
    white = Behavior.white_noise(scenario)
    if np.abs(center.array - white.array).max() < _WHITE_NOISE_ATOL:
        corner = np.zeros(scenario.shape)
        corner.reshape(scenario.num_setting_combinations, -1)[:, 0] = 1
        center = Behavior(corner, scenario).mix(visibility=_SMALL_VISIBILITY)
    return center, _LARGEST_VISIBILITY


@dataclass(frozen=True, eq=False, repr=False)
class BehaviorQuestion(Question):
    """What was asked about a behavior.

    References:
        A. Fine, Phys. Rev. Lett. 48, 291 (1982).

    Examples:
        >>> from qiskit_lhv import analyze, Behavior, werner_state
        >>> report = analyze(Behavior.from_state(werner_state(0.6), "chsh"), tolerance=1e-3)
        >>> print(report.question)
        behavior of 2 parties with 2 settings of 2 outcomes each (settings Z, X; Z+X, Z-X)
        >>> print(report.question.headline(report))
        A local hidden-variable model explains the target (its numbers taken as accurate to 0.001).
    """

    behavior: Behavior
    """The behavior, as it was given."""
    tolerance: float
    """Accuracy of its numbers: the largest error of a probability."""

    def __str__(self) -> str:
        named = settings_in_words(self.behavior.setting_names)
        return f"behavior of {self.behavior.scenario}{f' ({named})' if named else ''}"

    def headline(self, report: LocalityReport) -> str:
        """Returns the verdict in one sentence, with the accuracy of the numbers.

        Args:
            report: The report.
        """
        return f"{report.verdict.sentence[:-1]} (its numbers taken as accurate to {self.tolerance:g})."

    def shown_correlators(self) -> CorrelatorTable | None:
        """Returns the correlators of the behavior with the largest errors that its tolerance allows."""
        return correlators_of_behavior(self.behavior, self.tolerance)

    def shown_table(self) -> ProbabilityTable:
        """Returns the probabilities of the behavior with the largest errors that its tolerance allows."""
        return table_of_behavior(self.behavior, self.tolerance)

    def follows(self, report: LocalityReport, *, prove_bound: bool | None = None) -> Verification:
        """Checks that a report answers this question, and that everything in it follows from its evidence.

        The evidence itself is verified elsewhere. The advice of a report without a proof is not checked.

        Args:
            report: The report.
            prove_bound: Whether to prove again the bound of an inequality that is shown but is not evidence; see
                ``BellInequality.verify``.
        """
        proof = threshold = None
        for piece in report.evidence:
            if isinstance(piece, BehaviorLocality | BehaviorViolation) and proof is None:
                proof = piece
            elif isinstance(piece, Threshold) and threshold is None:
                threshold = piece
            else:
                return _refuted(f"a {type(piece).__name__} is too much")
        if proof is not None and not (proof.behavior == self.behavior and proof.tolerance == self.tolerance):
            return _refuted("the proof is about another behavior, or another accuracy of its numbers")
        if threshold is not None and not agree(threshold.behavior, center_of(self.behavior, self.tolerance)[0]):
            return _refuted("the threshold is that of another behavior")
        model, inequality, fits = report.model, report.inequality, report.admits_local_model
        if proof is None:
            near = isinstance(model, DeterministicModel | SymmetrizedModel) and model.verify(
                self.behavior, self.tolerance
            )
            fits = True if near else None
        elif isinstance(proof, BehaviorLocality):
            fits, inequality = True, None
        else:
            fits, inequality = False, proof.inequality
        if (proof is not None or not fits) and model != model_of(proof, threshold):
            return _refuted("the model is not that of the evidence")
        made = behavior_report(
            self, proof, threshold, inequality, model, fits, "" if proof is not None else report.advice
        )
        for field in fields(LocalityReport):
            if not agree(getattr(made, field.name), getattr(report, field.name)):
                return _refuted(f"the field {field.name!r} does not follow from the evidence")
        follows = Verification(True, "all figures and words follow from the evidence")
        in_evidence = proof is not None or (threshold is not None and inequality == threshold.inequality)
        return follows if in_evidence else combine(follows, *verify_shown(inequality, prove_bound))


def model_of(
    proof: BehaviorLocality | BehaviorViolation | None, threshold: Threshold | None
) -> DeterministicModel | SymmetrizedModel | None:
    """Returns the local model in the evidence: that of the proof, or else the one at the threshold.

    Args:
        proof: The proof that decides the question, or ``None`` if there is none.
        threshold: The threshold, if one was found.
    """
    if isinstance(proof, BehaviorLocality) and proof.model is not None:
        return proof.model
    return None if threshold is None else threshold.model


def _refuted(reason: str) -> Verification:
    return Verification(False, reason, math.inf)


def shown_by(proof: BehaviorLocality | BehaviorViolation | None) -> Verdict:
    """Returns the verdict that a proof shows, or INCONCLUSIVE without a proof.

    Args:
        proof: The proof that decides the question, or ``None`` if there is none.

    Raises:
        ValueError: If the proof shows no verdict.
    """
    if proof is None:
        return Verdict.INCONCLUSIVE
    shown = proof.shows
    if shown is None:
        raise ValueError("the evidence shows nothing")
    return shown


def behavior_report(
    question: BehaviorQuestion,
    proof: BehaviorLocality | BehaviorViolation | None,
    threshold: Threshold | None,
    inequality: BellInequality | None,
    model: LocalModel | None,
    fits: bool | None,
    advice: str,
) -> LocalityReport:
    """Returns the report that follows from a proof, or from what was found without one.

    Args:
        question: What was asked.
        proof: The proof that decides the question, or ``None`` if there is none.
        threshold: The threshold, if one was found.
        inequality: If no violation was found, the inequality that came nearest to one.
        model: The local model that is shown.
        fits: Whether a local model lies within the errors, or ``None`` if that is unknown.
        advice: What would settle an open question.
    """
    figures: dict[str, float] = {}
    if threshold is not None:
        figures[Figure.THRESHOLD] = threshold.estimate
    if isinstance(proof, BehaviorViolation):
        inequality = proof.inequality
    if inequality is not None:
        figures[Figure.VIOLATION] = inequality.violation(question.behavior)
        errors = question.tolerance * sum_of_coefficients(inequality)
        figures[Figure.VIOLATION_BY_ERRORS] = errors
    return LocalityReport(
        verdict=shown_by(proof),
        target=str(question),
        admits_local_model=fits,
        model=model,
        inequality=inequality,
        alpha=None,
        test=None,
        log10_p_value=None,
        statistics=figures,
        evidence=tuple(piece for piece in (proof, threshold) if piece is not None),
        assumptions=(
            f"each probability is known to within {question.tolerance:g}",
            "the behavior is no-signaling",
        ),
        advice=advice,
        question=question,
    )
