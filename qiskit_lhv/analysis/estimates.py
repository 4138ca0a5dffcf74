"""Verdicts on states prepared on a device, from their estimated correlations."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

import numpy as np

from .._support.deadlines import Deadline
from .._support.validation import probability, seed_or_fresh, shown, whole_number
from ..exceptions import CountsError, LHVError, MeasurementError, SolverError
from ..measurements.effect_sets import POVMs
from ..measurements.named_sets import qubit_set
from ..measurements.qubit_sets import AllProjective
from ..measurements.sets import MeasurementSet
from ..projective.settings.optimization import OptimizedSettings
from ..reports.figure_names import Figure
from ..reports.locality import LocalityReport
from ..reports.questions import Question
from ..statistics.assumptions.same_state import SameStateTest, same_state_test
from ..statistics.intervals.absorbing_noise import absorbing_noise
from ..targets.correlations import CorrelationTensor
from ..targets.tensor_estimates import TensorEstimate, estimate_of_counts
from ..verification.evidence import agree
from ..verification.result import Verification, combine
from ..verification.verdict import Verdict
from .estimate_evidence import EstimatedLocality, EstimatedViolation
from .proof_plan import Step
from .proofs import proofs
from .state_question import among, covers

__all__ = ["EstimateQuestion", "analyze_estimate"]

Evidence = EstimatedViolation | EstimatedLocality | SameStateTest

# Correlations of one state, computed again, differ by no more.
_LARGEST_DIFFERENCE = 1e-9
_STEPS_FROM_BELOW = (Step.QUICK_PROOFS, Step.POLYHEDRA)


@dataclass(frozen=True, eq=False, repr=False)
class EstimateQuestion(Question):
    """The question about the estimated correlations of a state.

    Raises:
        MeasurementError: If there is one party, or the measurements are not those of its parties.
        CountsError: If alpha or the level is not between 0 and 1.

    References:
        arXiv:2302.04721 (locality within errors); W. Hoeffding, J. Am. Stat. Assoc. 58, 13 (1963).

    Examples:
        >>> from qiskit_lhv import analyze, Behavior, estimate_tensor, werner_state
        >>> axes = [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
        >>> counts = Behavior.from_state(werner_state(0.95), [axes, axes]).sample(2000, seed=1)
        >>> report = analyze(estimate_tensor(counts), seed=1)
        >>> print(report.question)
        state of 2 qubits with estimated correlations, all projective measurements
        >>> print(report.headline)
        No local hidden-variable model explains the target.
    """

    estimate: TensorEstimate
    """The estimate."""
    alpha: float
    """The error probability of NONLOCAL and of LOCAL."""
    signaling_level: float
    """The level of significance at which counts contradict that all bases measure the same state."""
    measurements: MeasurementSet
    """All projective measurements, those in a coordinate plane, or all POVMs."""
    seed: int
    """The seed of the split of the shots and of the searches."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "measurements", qubit_set(self.measurements))
        if not self.estimate.of_qubits and self.estimate.num_parties < 2:
            raise MeasurementError.bad_argument("target", expected="at least two parties", got="one")
        if not self.estimate.of_qubits and not isinstance(self.measurements, AllProjective | POVMs):
            raise MeasurementError.bad_argument(
                "measurements",
                expected=f"'projective' or 'povm' for {self.estimate.parties_in_words}",
                got=shown(self.measurements.name),
                remedy="A plane is one of Bloch vectors, which qubits have.",
            )
        for name in ("alpha", "signaling_level"):
            object.__setattr__(self, name, probability(getattr(self, name), name, CountsError, open_interval=True))
        object.__setattr__(self, "seed", whole_number(self.seed, "seed", LHVError, minimum=0))

    def __str__(self) -> str:
        # Of larger parties, the set of a qubit stands for that of each party.
        of_qubits = self.estimate.of_qubits or self.measurements.is_projective
        asked = str(self.measurements) if of_qubits else "all POVMs"
        return f"state of {self.estimate.parties_in_words} with estimated correlations, {asked}"

    def halves(self) -> tuple[TensorEstimate, TensorEstimate]:
        """Returns the estimate that chooses the settings and the one that tests them.

        For counts these come from different shots. For expectation values both are the whole estimate.
        """
        if self.estimate.counts is None:
            return self.estimate, self.estimate
        return self.estimate.split(0.5, self.seed)

    def follows(self, report: LocalityReport, *, prove_bound: bool | None = None) -> Verification:
        """Checks that a report answers this question, and that everything in it follows from its evidence.

        The evidence itself is verified elsewhere. The split of the shots is drawn again from the seed, to check that
        the right ones were tested. The settings are chosen again, to check that they depend on the other shots alone.
        If other settings are found, which may happen on another machine or after a time limit, the report is neither
        proven nor refuted. The field ``timed_out`` is taken as recorded; no proof depends on it.

        Args:
            report: The report.
            prove_bound: This argument has no effect, as all local bounds are part of the evidence.
        """
        first, *others = report.evidence
        if not isinstance(first, Evidence):
            return _refuted(f"a {type(first).__name__} is no evidence on an estimate")
        for piece in report.evidence:
            fault = self._fault(piece)
            if fault:
                return _refuted(fault)
        counts, measured = self.estimate.counts, self.estimate.measurements
        if counts is not None and not agree(estimate_of_counts(counts, measured), self.estimate, 1e-9):
            return _refuted("the estimate is not that of its counts")
        test = first if isinstance(first, SameStateTest) else first.same_state
        figures: dict[str, float] = {} if test is None else {Figure.NO_SIGNALING_P: test.p_value}
        if isinstance(first, EstimatedViolation):
            figures |= _figures_of_test(first)
        if not isinstance(first, SameStateTest) and first.shows is not Verdict.NONLOCAL:
            figures[Figure.ABSORBING_NOISE] = _room(self.estimate, self.alpha, self.measurements)[0]
        if others:
            (proof,) = others
            if not isinstance(first, EstimatedViolation) or not isinstance(proof, EstimatedLocality) or first.shows:
                return _refuted("there are two pieces of evidence where one decides")
            if proof.inside:
                return _refuted("a proof that reaches far enough decides")
            figures |= _figures_of_proof(proof)
        elif isinstance(first, EstimatedLocality):
            figures |= _figures_of_proof(first)
        made = replace(_report(self, report.evidence, figures), timed_out=report.timed_out)
        for field in fields(LocalityReport):
            if not agree(getattr(made, field.name), getattr(report, field.name)):
                return _refuted(f"the field {field.name!r} does not follow from the evidence")
        follows = Verification(True, "all figures and words follow from the evidence")
        return combine(follows, self._choice_of_settings(first)) if isinstance(first, EstimatedViolation) else follows

    def _choice_of_settings(self, test: EstimatedViolation) -> Verification:
        """Checks that the settings of a test are those that the shots set aside for the choice lead to."""
        chosen, _ = self.halves()
        tensor = _nearest_tensor(chosen)
        if (
            test.settings.noise is not None
            or not tensor.largest_difference(test.settings.correlations) <= _LARGEST_DIFFERENCE
        ):
            return _refuted("the settings are for another state than that of the shots that choose them")
        if not test.violated:
            return Verification(True, "settings without a violation claim nothing")
        if test.same_data:
            return Verification(True, "the limits of all correlations hold at once, so that any settings may be tested")
        candidates, _ = _candidates(chosen, self.measurements, self.seed, Deadline(None))
        if any(agree(candidate, test.settings) for candidate in candidates):
            return Verification(True, "the settings are those to which the shots lead that choose them")
        return Verification.unproven("other settings are found with the shots that choose them")

    def _fault(self, piece: Evidence) -> str:
        """Returns in what way a piece of evidence belongs to another question, or an empty text."""
        test = piece if isinstance(piece, SameStateTest) else piece.same_state
        if (test is None) is not (self.estimate.counts is None):
            return "the test of one state is missing, or one of expectation values"
        if test is not None and (test.level, test.seed) != (self.signaling_level, self.seed):
            return "the test of one state has another level, or another seed"
        if test is not None and test.counts != self.estimate.counts:
            return "the test of one state is about other counts"
        if isinstance(piece, EstimatedViolation):
            chosen, tested = self.halves()
            if not agree(tested, piece.tested):
                return "other shots were tested than the seed leaves for the test"
            tensor = _nearest_tensor(chosen)
            first = _first_settings(tensor, Step.CRITERIA, self.measurements, self.seed, Deadline(None))
            number = 1 if first is not None and first.violation > 0 else 2
            if not agree(piece.alpha, self.alpha / number):
                return f"the test has another error probability than alpha / {number}"
            if not among(piece.settings, self.measurements):
                return f"the settings are not among {self.measurements}"
        elif isinstance(piece, EstimatedLocality):
            if not (piece.estimate == self.estimate and piece.alpha == self.alpha):
                return "another estimate is said to be local, or with another error probability"
            if piece.measurements != self.measurements or not covers(piece.certificate, self.measurements):
                return "the proof is about other measurements"
        return ""


def _refuted(reason: str) -> Verification:
    return Verification(False, reason, math.inf)


def _figures_of_test(test: EstimatedViolation) -> dict[str, float]:
    value = float(np.sum(test.settings.operator() * test.tested.tensor.array))
    return {
        Figure.VALUE: value,
        Figure.VALUE_LOWER: test.lower,
        Figure.LOCAL_BOUND: test.settings.inequality.bound.value,
    }


def _figures_of_proof(proof: EstimatedLocality) -> dict[str, float]:
    return {
        Figure.ABSORBING_NOISE: proof.radius,
        Figure.LOCAL_VISIBILITY: proof.certificate.visibility,
        Figure.NEEDED_VISIBILITY: proof.needed,
    }


def _room(estimate: TensorEstimate, alpha: float, measurements: MeasurementSet) -> tuple[float, float]:
    """Returns the weight of white noise that absorbs the errors, and the visibility that a certificate must reach."""
    radius = absorbing_noise(estimate, alpha, not measurements.is_projective)
    return radius, 1 / (1 - radius) if radius < 1 else math.inf


def analyze_estimate(
    estimate: TensorEstimate,
    *,
    alpha: float = 0.01,
    signaling_level: float = 0.01,
    measurements: MeasurementSet | str = "projective",
    time_limit: float | None = None,
    seed: int | None = None,
) -> LocalityReport:
    """Returns a report on whether a state prepared on a device is local, from its estimated correlations.

    For NONLOCAL, half of the shots choose the settings and an inequality, and the other half test it with Hoeffding's
    inequality. (Expectation values cannot be split; for these, the confidence limits of all correlations hold at once.)
    For LOCAL, a certificate for the estimate leaves room for the errors of all correlations. The verdict is SIGNALING
    if the outcomes of some qubits depend on the bases of the others: then the counts do not come from a single state,
    and their correlations prove nothing. Expectation values are given once each, so this cannot be tested for them.
    Parties may have any dimension. Where one is no qubit, the errors must be so small that noise makes them separable.

    Args:
        estimate: The result of ``estimate_tensor`` or ``estimate_from_expectations``.
        alpha: The error probability of NONLOCAL and of LOCAL.
        signaling_level: The level of significance at which counts contradict that all bases measure the same state.
        measurements: ``"projective"``; ``"povm"``: all POVMs; or a plane: ``"xy"``, ``"xz"`` or ``"yz"``.
        time_limit: Limit in seconds. The report says whether it cut a search short. Default: no limit; the work is
            bounded instead.
        seed: Seed of the split of the shots and of the searches, or ``None``.

    Raises:
        CountsError: If ``alpha`` or ``signaling_level`` is not between 0 and 1.
        MeasurementError: If the estimate has fewer than 2 qubits, or if the measurements are unknown, or are those of a
            plane although a party is no qubit.
        SolverError: If a violation is found but its local bound cannot be proven.
    """
    alpha = probability(alpha, "alpha", CountsError, open_interval=True)
    signaling_level = probability(signaling_level, "signaling_level", CountsError, open_interval=True)
    clock = Deadline(time_limit)
    seed = seed_or_fresh(seed)
    measured = qubit_set(measurements)
    question = EstimateQuestion(estimate, alpha, signaling_level, measured, seed)
    test = None if estimate.counts is None else same_state_test(estimate.counts, signaling_level, seed)
    figures: dict[str, float] = {} if test is None else {Figure.NO_SIGNALING_P: test.p_value}
    if test is not None and test.refuted:
        return _report(question, (test,), figures)
    chosen, tested = question.halves()
    candidates, number = _candidates(chosen, measured, seed, clock)
    same = estimate.counts is None
    tests = [EstimatedViolation(settings, tested, same, alpha / number, test) for settings in candidates]
    proven = [result for result in tests if not result.violated or result.verify(prove_bound=True)]
    if not proven:
        raise SolverError("an inequality is violated by the estimate, but its local bound could not be proven")
    best = max(proven, key=lambda result: result.lower - result.settings.inequality.bound.value)
    evidence: tuple[EstimatedViolation | EstimatedLocality, ...] = (best,)
    of_test = _figures_of_test(best)
    if best.violated:
        return replace(_report(question, evidence, figures | of_test), timed_out=clock.ran_out)
    radius, needed = _room(estimate, alpha, measured)
    figures[Figure.ABSORBING_NOISE] = radius
    # If the errors are so large that no visibility is enough, no certificate is looked for.
    found = (
        proofs(estimate.tensor, _STEPS_FROM_BELOW, clock=clock, measurements=measured, visibility=needed, seed=seed)
        if radius < 1
        else ()
    )
    furthest: EstimatedLocality | None = None
    for certificate in found:
        assert not isinstance(certificate, OptimizedSettings)
        region = EstimatedLocality(certificate, estimate, alpha, test, measured)
        if region.inside and region.verify():
            report = _report(question, (region,), figures | _figures_of_proof(region))
            return replace(report, timed_out=clock.ran_out)
        # A certificate that claims to reach far enough but cannot be verified is not evidence.
        if not region.inside and (furthest is None or certificate.visibility > furthest.certificate.visibility):
            furthest = region
    figures |= of_test
    if furthest is not None:
        figures |= _figures_of_proof(furthest)
        evidence = (best, furthest)
    return replace(_report(question, evidence, figures), timed_out=clock.ran_out)


def _candidates(
    estimate: TensorEstimate, measurements: MeasurementSet, seed: int, clock: Deadline
) -> tuple[list[OptimizedSettings], int]:
    """Returns the settings that are to be tested, and the number of tests that share the error probability.

    The settings of the closed criterion are tested. If these violate nothing, the first settings of a search are tested
    as well.
    """
    tensor = _nearest_tensor(estimate)
    first = _first_settings(tensor, Step.CRITERIA, measurements, seed, clock)
    assert first is not None
    if first.violation > 0:
        return [first], 1
    second = _first_settings(tensor, Step.SETTINGS, measurements, seed, clock)
    return [first] if second is None else [first, second], 2


def _first_settings(
    tensor: CorrelationTensor, step: Step, measurements: MeasurementSet, seed: int, clock: Deadline
) -> OptimizedSettings | None:
    """Returns the first settings that a step of the plan finds, or ``None``."""
    # ``Step.MODELS`` leaves the rest of the time for tests and certificates.
    found = next(proofs(tensor, (step, Step.MODELS), clock=clock, measurements=measurements, seed=seed), None)
    assert found is None or isinstance(found, OptimizedSettings)
    return found


def _nearest_tensor(estimate: TensorEstimate) -> CorrelationTensor:
    # The estimate itself may give negative probabilities; the nearest state does not.
    return CorrelationTensor.from_state(estimate.physical_state())


def _report(question: EstimateQuestion, evidence: tuple[Evidence, ...], figures: dict[str, float]) -> LocalityReport:
    """Returns the report that follows from the evidence, whose first piece decides."""
    first = evidence[0]
    verdict = first.shows or Verdict.INCONCLUSIVE
    meant = "Pauli matrices" if question.estimate.of_qubits else "effects"
    assumptions = [f"every basis measures the same state, with the {meant} that it is meant to measure"]
    if question.estimate.counts is None:
        assumptions[0] += " (each correlation is given once, so this cannot be tested)"
        assumptions.append("errors of the expectation values are normal with the standard errors given")
    else:
        assumptions.append("shots are independent, and none was discarded")
    advice = ""
    if verdict is Verdict.INCONCLUSIVE:
        advice = "More shots make the confidence region smaller."
    elif isinstance(first, SameStateTest):
        advice = (
            f"Outcomes of some qubits depend on the basis in which others are measured (p = {first.p_value:.2g}): "
            "these are not the correlations of one state. Look for crosstalk, and for drift between the bases; measure "
            "the bases in turn, or ask the question of the counts themselves, analyze(counts)."
        )
    settings = first.settings if isinstance(first, EstimatedViolation) else None
    return LocalityReport(
        verdict=verdict,
        target=str(question),
        admits_local_model={Verdict.LOCAL: True, Verdict.NONLOCAL: False}.get(verdict),
        model=None,
        inequality=None if settings is None else settings.inequality,
        alpha=question.alpha,
        test=None,
        log10_p_value=None,
        statistics=figures,
        evidence=evidence,
        assumptions=tuple(assumptions),
        advice=advice,
        question=question,
    )
