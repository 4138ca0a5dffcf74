"""Verdicts on states prepared on a device, from their estimated correlations."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ._deadlines import SharedTime
from ._evidence_checks import readable, refute_unreadable
from ._records import Record
from ._validation import generator, probability
from .exceptions import CountsError
from .polytope.correlator_settings import wwzb_settings
from .polytope.local_proofs import StateCertificate
from .polytope.optimized_settings import OptimizedSettings, horodecki_settings, optimize_settings
from .polytope.projective_certificate import AllProjectiveCertificate
from .proof_plan import proofs_from_below
from .report import LocalityReport
from .statistics.absorbing_noise import absorbing_noise
from .statistics.same_state import SameStateTest, same_state_test
from .targets.correlations import CorrelationTensor
from .targets.tensor_estimates import TensorEstimate, estimate_tensor
from .verdict import Verdict
from .verification import Verification, combine

__all__ = ["EstimatedLocality", "EstimatedViolation", "analyze_estimate"]

FloatArray = NDArray[np.float64]

# Of the time that the caller allows.
_SHARE_OF_SETTINGS = 0.25


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

    certificate: StateCertificate
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
        time_limit: Seconds; the report says whether they ran out. Default: none, but budgets of work.
        seed: Seed of the split and of the searches.

    Raises:
        CountsError: If alpha or the level is not between 0 and 1.
        MeasurementError: If the estimate is one of fewer than 2 qubits, or the measurements are unknown.
    """
    alpha = probability(alpha, "alpha", CountsError, open_interval=True)
    signaling_level = probability(signaling_level, "signaling_level", CountsError, open_interval=True)
    clock = SharedTime(time_limit)
    generator(seed)
    test = None if estimate.counts is None else same_state_test(estimate.counts, signaling_level)
    figures = {} if test is None else {"no-signaling: p-value": test.p_value}
    if test is not None and test.refuted:
        return _report(estimate, Verdict.SIGNALING, test, figures, alpha, measurements)
    same = estimate.counts is None
    chosen, tested = (estimate, estimate) if same else estimate.split(0.5, seed)
    candidates = _candidates(chosen, measurements, seed, clock)
    tests = [EstimatedViolation(one, tested, same, alpha / len(candidates), test) for one in candidates]
    best = max(tests, key=lambda one: one.lower - one.settings.inequality.bound.value)
    verdict = Verdict.INCONCLUSIVE
    evidence: EstimatedViolation | EstimatedLocality = best
    figures["value"] = float(np.sum(best.settings.operator() * tested.tensor.array))
    figures["value: lower limit"] = best.lower
    figures["local bound"] = best.settings.inequality.bound.value
    if best.violated and best.verify():
        verdict = Verdict.NONLOCAL
    else:
        radius = absorbing_noise(estimate, alpha)
        needed = 1 / (1 - radius) if radius < 1 else math.inf
        figures["weight of white noise that absorbs the errors"] = radius
        # Errors so large that no visibility is enough leave nothing to prove.
        proofs = (
            proofs_from_below(estimate.tensor, clock=clock, measurements=measurements, visibility=needed, seed=seed)
            if radius < 1
            else ()
        )
        proven = 0.0
        for certificate in proofs:
            region = EstimatedLocality(certificate, estimate, alpha, test)
            proven = max(proven, certificate.visibility)
            figures["proven local up to visibility (white noise)"] = proven
            figures["needed for all correlations within the errors"] = needed
            if region.inside and region.verify():
                verdict, evidence = Verdict.LOCAL, region
                break
    return replace(_report(estimate, verdict, evidence, figures, alpha, measurements), timed_out=clock.ran_out)


def _candidates(
    estimate: TensorEstimate, measurements: str, seed: int | None, clock: SharedTime
) -> list[OptimizedSettings]:
    # The estimate itself may give negative probabilities; the nearest state does not.
    tensor = CorrelationTensor.from_state(estimate.physical_state())
    found = []
    if tensor.num_parties == 2 and measurements == "projective":
        found.append(horodecki_settings(tensor))
    elif tensor.num_parties > 2:
        found.append(wwzb_settings(tensor, measurements=measurements, num_starts=8, seed=seed))
    if not found or found[0].violation <= 0:
        with clock.step(_SHARE_OF_SETTINGS) as seconds:
            searched = optimize_settings(
                tensor, 2, measurements=measurements, num_starts=40, time_limit=seconds, seed=seed
            )
        found.append(searched)
    return found


def _report(
    estimate: TensorEstimate,
    verdict: Verdict,
    evidence: EstimatedViolation | EstimatedLocality | SameStateTest,
    figures: dict[str, float],
    alpha: float,
    measurements: str,
) -> LocalityReport:
    scope = "all projective measurements" + ("" if measurements == "projective" else f" in the plane {measurements}")
    assumptions = ["every basis measures the same state, with the Pauli matrices that it is meant to measure"]
    if estimate.counts is None:
        assumptions[0] += " (each correlation is given once, so this cannot be tested)"
        assumptions.append("errors of the expectation values are normal with the standard errors given")
    else:
        assumptions.append("shots are independent, and none was discarded")
    advice = ""
    if verdict is Verdict.INCONCLUSIVE:
        advice = "More shots make the confidence region smaller."
    elif isinstance(evidence, SameStateTest):
        advice = (
            f"Outcomes of some qubits depend on the basis in which others are measured (p = {evidence.p_value:.2g}): "
            "these are not the correlations of one state. Look for crosstalk, and for drift between the bases; measure "
            "the bases in turn, or ask the question of the counts themselves, analyze(counts)."
        )
    settings = evidence.settings if isinstance(evidence, EstimatedViolation) else None
    return LocalityReport(
        verdict=verdict,
        target=f"state of {estimate.num_qubits} qubits with estimated correlations, {scope}",
        admits_local_model={Verdict.LOCAL: True, Verdict.NONLOCAL: False}.get(verdict),
        model=None,
        inequality=None if settings is None else settings.inequality,
        alpha=alpha,
        test=None,
        log10_p_value=None,
        statistics=figures,
        evidence=(evidence,),
        assumptions=tuple(assumptions),
        advice=advice,
    )
