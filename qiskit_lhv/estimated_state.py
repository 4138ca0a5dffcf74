"""Verdicts on states prepared on a device, from their estimated correlations."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ._deadlines import Deadline
from ._evidence_checks import agree, readable, refute_unreadable
from ._records import Record
from ._validation import generator, positive_number, probability
from .exceptions import CountsError, LHVError
from .polytope.correlator_settings import wwzb_settings
from .polytope.optimized_settings import OptimizedSettings, horodecki_settings, optimize_settings
from .polytope.projective_certificate import AllProjectiveCertificate
from .report import LocalityReport
from .state_report import Certificate, proofs_from_below
from .statistics.absorbing_noise import absorbing_noise
from .statistics.evidence import fresh_seed
from .statistics.same_state import SameStateTest, same_state_test
from .targets.correlations import CorrelationTensor
from .targets.tensor_estimates import TensorEstimate, estimate_tensor
from .verdict import Verdict
from .verification import Verification, combine

__all__ = ["EstimateQuestion", "EstimatedLocality", "EstimatedViolation", "analyze_estimate"]

FloatArray = NDArray[np.float64]

_DEFAULT_SECONDS = 60.0


@dataclass(frozen=True, eq=False, repr=False)
class EstimatedViolation(Record):
    """A test of a Bell inequality on estimated correlations, whose settings were chosen without the tested shots."""

    settings: OptimizedSettings
    """Settings and inequality, for the state nearest to the estimate that chose them."""
    tested: TensorEstimate
    """The estimate that tests them: other shots; or the same expectation values, then with limits for all at once."""
    same_data: bool
    """Whether the settings were chosen with the tested data."""
    alpha: float
    """Error probability."""
    same_state: SameStateTest | None
    """Whether the bases may measure one state, for counts."""

    @property
    def lower(self) -> float:
        """Lower confidence limit of the value of the expression."""
        coefficients = self.settings.operator()
        if self.same_data:
            value = float(np.sum(coefficients * self.tested.tensor.array))
            return value - float(np.sum(np.abs(coefficients) * self.tested.limits(self.alpha)))
        value, allowance = self.tested.functional(coefficients, self.alpha)
        return value - allowance

    @property
    def violated(self) -> bool:
        """Whether the limit exceeds the local bound."""
        return self.lower > self.settings.inequality.bound.value

    @property
    def shows(self) -> str | None:
        """``"NONLOCAL"`` if the bound is exceeded and the bases may measure one state, else ``None``."""

        def claim() -> bool:
            return self.violated and not (self.same_state is not None and self.same_state.refuted)

        return "NONLOCAL" if readable(claim, False) else None

    def __str__(self) -> str:
        bound = self.settings.inequality.bound.value
        relation = "above" if self.violated else "not above"
        return f"value above {self.lower:.6g} at level {1 - self.alpha:g}, {relation} the local bound {bound:.6g}"

    def verify(self) -> Verification:
        """Re-proves the local bound and recomputes the limit; nothing is claimed if it is not above the bound."""
        return refute_unreadable(self._check)

    def _check(self) -> Verification:
        probability(self.alpha, "alpha", CountsError, open_interval=True)
        if not self.violated:
            return Verification(True, "no violation is claimed")
        if self.same_data is not (self.tested.counts is None):
            return Verification(False, "counts are tested on other shots, expectation values on themselves", math.inf)
        longest = max(float(np.linalg.norm(one, axis=1).max()) for one in self.settings.settings)
        vectors = Verification(longest <= 1, f"Bloch vectors have lengths up to {longest:.12g}")
        return combine(
            self.settings.inequality.verify(prove_bound=True), vectors, _from_one_state(self.tested, self.same_state)
        )


@dataclass(frozen=True, eq=False, repr=False)
class EstimatedLocality(Record):
    """Whether all correlations within the errors of an estimate are local."""

    certificate: Certificate
    """Proof for the estimate, up to a visibility above 1 in white noise."""
    estimate: TensorEstimate
    """The estimate."""
    alpha: float
    """The errors hold together with confidence 1 - alpha."""
    same_state: SameStateTest | None
    """Whether the bases may measure one state, for counts."""

    @property
    def radius(self) -> float:
        """Weight of white noise that makes any deviation within the errors local."""
        return absorbing_noise(self.estimate, self.alpha)

    @property
    def needed(self) -> float:
        """Visibility up to which the estimate must be local; infinite if the errors are too large."""
        return 1 / (1 - self.radius) if self.radius < 1 else math.inf

    @property
    def inside(self) -> bool:
        """Whether it is."""
        return self.certificate.visibility >= self.needed

    def __str__(self) -> str:
        relation = "proves" if self.inside else "does not prove"
        return (
            f"local up to visibility {self.certificate.visibility:.6g}, needed are {self.needed:.6g}: {relation} all "
            f"correlations of the {100 * (1 - self.alpha):g}% confidence region local"
        )

    @property
    def shows(self) -> str | None:
        """``"LOCAL"`` if the certificate reaches far enough and the bases may measure one state, else ``None``."""

        def claim() -> bool:
            return self.inside and not (self.same_state is not None and self.same_state.refuted)

        return "LOCAL" if readable(claim, False) else None

    def verify(self) -> Verification:
        """Re-checks the certificate, that it is about the estimate, and that the errors are absorbed."""
        return refute_unreadable(self._check)

    def _check(self) -> Verification:
        probability(self.alpha, "alpha", CountsError, open_interval=True)
        if not self.inside:
            return Verification(True, "no claim is made")
        if isinstance(self.certificate, AllProjectiveCertificate) and self.certificate.noise is not None:
            return Verification(False, "the certificate is about noise that is not white", math.inf)
        return combine(self.certificate.verify(self.estimate.tensor), _from_one_state(self.estimate, self.same_state))


def _from_one_state(estimate: TensorEstimate, test: SameStateTest | None) -> Verification:
    """Checks that an estimate is that of its counts, and that these, among all shots, may be of one state."""
    if estimate.counts is None:
        return Verification(True, "expectation values, once each, cannot tell whether they are of one state")
    if test is None:
        return Verification(False, "that all bases measure the same state was not tested", math.inf)
    table, whole = estimate.counts.array, test.counts.array
    if table.shape != whole.shape or np.any(table > whole):
        return Verification(False, "the shots are not among those tested for one state", math.inf)
    if test.refuted:
        return Verification(False, "the bases do not measure the same state", math.inf)
    off = float(np.abs(estimate_tensor(estimate.counts).tensor.array - estimate.tensor.array).max())
    return combine(Verification(off <= 1e-12, "the correlations are those of the counts", off), test.verify())


@dataclass(frozen=True, eq=False, repr=False)
class EstimateQuestion(Record):
    """What was asked about the estimated correlations of a state."""

    estimate: TensorEstimate
    """The estimate."""
    alpha: float
    """Error probability of either verdict."""
    signaling_level: float
    """Level at which counts are taken to contradict that all bases measure the same state."""
    measurements: str
    """``"projective"``, or a plane."""
    seed: int
    """Seed of the split and of the searches."""

    def __str__(self) -> str:
        plane = "" if self.measurements == "projective" else f" in the plane {self.measurements}"
        qubits = self.estimate.num_qubits
        return f"state of {qubits} qubits with estimated correlations, all projective measurements{plane}"

    def halves(self) -> tuple[TensorEstimate, TensorEstimate]:
        """The estimates that choose settings and that test them: of other shots, or the same expectation values."""
        if self.estimate.counts is None:
            return self.estimate, self.estimate
        return self.estimate.split(0.5, self.seed)

    def check(self, report: LocalityReport) -> Verification:
        """Whether a report answers this question, and all that it says follows from its evidence.

        The evidence is verified elsewhere. That the tested shots are those which the seed leaves for the test is shown
        by drawing them again; not that the settings were chosen with the others alone.

        Args:
            report: The report.
        """
        return refute_unreadable(lambda: self._check(report))

    def _check(self, report: LocalityReport) -> Verification:
        (piece,) = report.evidence
        kinds = EstimatedViolation | EstimatedLocality | SameStateTest
        if not isinstance(piece, kinds):
            return _refuted(f"a {type(piece).__name__} is no evidence on an estimate")
        test = piece if isinstance(piece, SameStateTest) else piece.same_state
        if (test is None) is not (self.estimate.counts is None):
            return _refuted("the test of one state is missing, or one of expectation values")
        if test is not None and (test.level != self.signaling_level or test.counts != self.estimate.counts):
            return _refuted("the test of one state has another level, or other counts")
        given = report.statistics
        figures = {} if test is None else {"no-signaling: p-value": test.p_value}
        if not isinstance(piece, SameStateTest):
            figures |= _figures_of_test(piece) if isinstance(piece, EstimatedViolation) else _known(given, _OF_TEST)
        if isinstance(piece, EstimatedViolation):
            chosen, tested = self.halves()
            if not agree(tested, piece.tested):
                return _refuted("other shots were tested than the seed leaves for the test")
            candidate = _first_candidate(chosen, self.measurements, self.seed)
            number = 1 if candidate is not None and candidate.violation > 0 else 1 + (candidate is not None)
            if not agree(piece.alpha, self.alpha / number):
                return _refuted(f"the test has another error probability than alpha / {number}")
        elif isinstance(piece, EstimatedLocality) and not (
            piece.estimate == self.estimate and piece.alpha == self.alpha
        ):
            return _refuted("another estimate is said to be local, or with another error probability")
        if not isinstance(piece, SameStateTest) and report.verdict is not Verdict.NONLOCAL:
            radius, needed = _room(self.estimate, self.alpha)
            figures[_RADIUS] = radius
            if isinstance(piece, EstimatedLocality):
                figures |= {_PROVEN: piece.certificate.visibility, _NEEDED: needed}
            elif _PROVEN in given:
                figures |= _known(given, (_PROVEN,)) | {_NEEDED: needed}
                if not 0 <= given[_PROVEN] < needed:
                    return _refuted("so large a visibility would be a proof")
        shown = readable(lambda: piece.shows, None)
        made = _report(self, Verdict.INCONCLUSIVE if shown is None else Verdict(shown), piece, figures)
        for field in fields(LocalityReport):
            if not agree(getattr(made, field.name), getattr(report, field.name)):
                return _refuted(f"the field {field.name!r} does not follow from the evidence")
        return Verification(True, "all figures and words follow from the evidence")


_OF_TEST = ("value", "value: lower limit", "local bound")
_RADIUS = "weight of white noise that absorbs the errors"
_PROVEN = "proven local up to visibility (white noise)"
_NEEDED = "needed for all correlations within the errors"


def _refuted(reason: str) -> Verification:
    return Verification(False, reason, math.inf)


def _known(given: dict[str, float], names: tuple[str, ...]) -> dict[str, float]:
    """Figures that the evidence does not hold, as a report gives them."""
    return {name: float(given[name]) for name in names}


def _figures_of_test(test: EstimatedViolation) -> dict[str, float]:
    value = float(np.sum(test.settings.operator() * test.tested.tensor.array))
    return dict(zip(_OF_TEST, (value, test.lower, test.settings.inequality.bound.value), strict=True))


def _room(estimate: TensorEstimate, alpha: float) -> tuple[float, float]:
    """The weight of white noise that absorbs the errors, and the visibility up to which it must be local."""
    radius = absorbing_noise(estimate, alpha)
    return radius, 1 / (1 - radius) if radius < 1 else math.inf


def analyze_estimate(
    estimate: TensorEstimate,
    *,
    alpha: float = 0.01,
    signaling_level: float = 0.01,
    measurements: str = "projective",
    time_limit: float | None = None,
    seed: int | None = None,
) -> LocalityReport:
    """Answers whether a state prepared on a device is local, with the errors of its estimated correlations.

    NONLOCAL: half of the shots chooses settings and an inequality, the other half tests it, by Hoeffding's inequality.
    (Expectation values cannot be split: there the limits of all correlations hold at once.) LOCAL: a certificate for
    the estimate that leaves room for the errors of all correlations.

    SIGNALING: counts whose outcomes depend on the other qubits' bases are of no single state, and their correlations
    prove nothing. Expectation values are given once each and cannot be tested so.

    Args:
        estimate: From ``estimate_tensor`` or ``estimate_from_expectations``.
        alpha: Error probability of either verdict.
        signaling_level: Level at which counts are taken to contradict that all bases measure the same state.
        measurements: ``"projective"``, or a plane, ``"xy"``, ``"xz"`` or ``"yz"``.
        time_limit: Seconds; default: 60.
        seed: Seed of the split and of the searches.

    Raises:
        CountsError: If alpha or the level is not between 0 and 1.
        MeasurementError: If the estimate is one of fewer than 2 qubits, or the measurements are unknown.
    """
    alpha = probability(alpha, "alpha", CountsError, open_interval=True)
    signaling_level = probability(signaling_level, "signaling_level", CountsError, open_interval=True)
    limit = _DEFAULT_SECONDS if time_limit is None else positive_number(time_limit, "time_limit", LHVError)
    generator(seed)
    question = EstimateQuestion(estimate, alpha, signaling_level, measurements, fresh_seed() if seed is None else seed)
    deadline = Deadline(limit)
    test = None if estimate.counts is None else same_state_test(estimate.counts, signaling_level)
    figures = {} if test is None else {"no-signaling: p-value": test.p_value}
    if test is not None and test.refuted:
        return _report(question, Verdict.SIGNALING, test, figures)
    chosen, tested = question.halves()
    candidates = _candidates(chosen, measurements, question.seed, 0.25 * limit)
    same = estimate.counts is None
    tests = [EstimatedViolation(one, tested, same, alpha / len(candidates), test) for one in candidates]
    best = max(tests, key=lambda one: one.lower - one.settings.inequality.bound.value)
    verdict = Verdict.INCONCLUSIVE
    evidence: EstimatedViolation | EstimatedLocality = best
    figures |= _figures_of_test(best)
    if best.violated and best.verify():
        verdict = Verdict.NONLOCAL
    else:
        radius, needed = _room(estimate, alpha)
        figures[_RADIUS] = radius
        # Errors so large that no visibility is enough leave nothing to prove.
        end = deadline.end
        proofs = proofs_from_below(estimate.tensor, measurements, question.seed, end, needed) if radius < 1 else ()
        proven = 0.0
        for certificate in proofs:
            region = EstimatedLocality(certificate, estimate, alpha, test)
            proven = max(proven, certificate.visibility)
            figures |= {_PROVEN: proven, _NEEDED: needed}
            if region.inside and region.verify():
                verdict, evidence = Verdict.LOCAL, region
                break
    return _report(question, verdict, evidence, figures)


def _candidates(estimate: TensorEstimate, measurements: str, seed: int, seconds: float) -> list[OptimizedSettings]:
    tensor = _nearest_tensor(estimate)
    first = _first_candidate(estimate, measurements, seed)
    found = [] if first is None else [first]
    if first is None or first.violation <= 0:
        searched = optimize_settings(tensor, 2, measurements=measurements, num_starts=40, time_limit=seconds, seed=seed)
        found.append(searched)
    return found


def _first_candidate(estimate: TensorEstimate, measurements: str, seed: int) -> OptimizedSettings | None:
    """The settings that are found at once, where there are any."""
    tensor = _nearest_tensor(estimate)
    if tensor.num_parties == 2 and measurements == "projective":
        return horodecki_settings(tensor)
    if tensor.num_parties > 2:
        return wwzb_settings(tensor, measurements=measurements, num_starts=8, seed=seed)
    return None


def _nearest_tensor(estimate: TensorEstimate) -> CorrelationTensor:
    # The estimate itself may give negative probabilities; the nearest state does not.
    return CorrelationTensor.from_state(estimate.physical_state())


def _report(
    question: EstimateQuestion,
    verdict: Verdict,
    evidence: EstimatedViolation | EstimatedLocality | SameStateTest,
    figures: dict[str, float],
) -> LocalityReport:
    assumptions = ["every basis measures the same state, with the Pauli matrices that it is meant to measure"]
    if question.estimate.counts is None:
        assumptions[0] += " (each correlation is given once, so this cannot be tested)"
        assumptions.append("errors of the expectation values are normal with the standard errors given")
    else:
        assumptions.append("shots are independent, and none was discarded")
    advice = ""
    if verdict is Verdict.INCONCLUSIVE:
        advice = "More shots make the confidence region smaller; more time_limit allows finer polyhedra."
    elif isinstance(evidence, SameStateTest):
        advice = (
            f"Outcomes of some qubits depend on the basis in which others are measured (p = {evidence.p_value:.2g}): "
            "these are not the correlations of one state. Look for crosstalk, and for drift between the bases; measure "
            "the bases in turn, or ask the question of the counts themselves, analyze(counts)."
        )
    settings = evidence.settings if isinstance(evidence, EstimatedViolation) else None
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
        evidence=(evidence,),
        assumptions=tuple(assumptions),
        advice=advice,
        question=question,
    )
