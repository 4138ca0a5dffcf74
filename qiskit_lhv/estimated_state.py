"""Verdicts on states prepared on a device, from their estimated correlations."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ._records import Record
from ._validation import generator, positive_number, probability
from .exceptions import CountsError, LHVError
from .polytope.correlator_settings import wwzb_settings
from .polytope.optimized_settings import OptimizedSettings, horodecki_settings, optimize_settings
from .polytope.projective_certificate import AllProjectiveCertificate
from .report import LocalityReport, Verdict
from .state_report import Certificate, proofs_from_below
from .statistics.absorbing_noise import absorbing_noise
from .targets.correlations import CorrelationTensor
from .targets.tensor_estimates import TensorEstimate
from .verification import Verification, combine

__all__ = ["EstimatedLocality", "EstimatedViolation", "analyze_estimate"]

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

    def __str__(self) -> str:
        bound = self.settings.inequality.bound.value
        relation = "above" if self.violated else "not above"
        return f"value above {self.lower:.6g} at level {1 - self.alpha:g}, {relation} the local bound {bound:.6g}"

    def verify(self) -> Verification:
        """Re-proves the local bound and recomputes the limit; nothing is claimed if it is not above the bound."""
        if not self.violated:
            return Verification(True, "no violation is claimed")
        longest = max(float(np.linalg.norm(one, axis=1).max()) for one in self.settings.settings)
        vectors = Verification(longest <= 1, f"Bloch vectors have lengths up to {longest:.12g}")
        return combine(self.settings.inequality.verify(prove_bound=True), vectors)


@dataclass(frozen=True, eq=False, repr=False)
class EstimatedLocality(Record):
    """Whether all correlations within the errors of an estimate are local."""

    certificate: Certificate
    """Proof for the estimate, up to a visibility above 1 in white noise."""
    estimate: TensorEstimate
    """The estimate."""
    alpha: float
    """The errors hold together with confidence 1 - alpha."""

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

    def verify(self) -> Verification:
        """Re-checks the certificate, that it is about the estimate, and that the errors are absorbed."""
        if not self.inside:
            return Verification(True, "no claim is made")
        if isinstance(self.certificate, AllProjectiveCertificate) and self.certificate.noise is not None:
            return Verification(False, "the certificate is about noise that is not white", math.inf)
        return self.certificate.verify(self.estimate.tensor)


def analyze_estimate(
    estimate: TensorEstimate,
    *,
    alpha: float = 0.01,
    measurements: str = "projective",
    time_limit: float | None = None,
    seed: int | None = None,
) -> LocalityReport:
    """Answers whether a state prepared on a device is local, with the errors of its estimated correlations.

    NONLOCAL: half of the shots chooses settings and an inequality, the other half tests it, by Hoeffding's inequality.
    (Expectation values cannot be split: there the limits of all correlations hold at once.) LOCAL: a certificate for
    the estimate that leaves room for the errors of all correlations.

    Args:
        estimate: From ``estimate_tensor`` or ``estimate_from_expectations``.
        alpha: Error probability of either verdict.
        measurements: ``"projective"``, or a plane, ``"xy"``, ``"xz"`` or ``"yz"``.
        time_limit: Seconds; default: 60.
        seed: Seed of the split and of the searches.

    Raises:
        CountsError: If alpha is not between 0 and 1.
        MeasurementError: If the estimate is one of fewer than 2 qubits, or the measurements are unknown.
    """
    alpha = probability(alpha, "alpha", CountsError, open_interval=True)
    limit = _DEFAULT_SECONDS if time_limit is None else positive_number(time_limit, "time_limit", LHVError)
    generator(seed)
    begin = time.monotonic()
    same = estimate.counts is None
    chosen, tested = (estimate, estimate) if same else estimate.split(0.5, seed)
    candidates = _candidates(chosen, measurements, seed, 0.25 * limit)
    tests = [EstimatedViolation(one, tested, same, alpha / len(candidates)) for one in candidates]
    best = max(tests, key=lambda one: one.lower - one.settings.inequality.bound.value)
    verdict, figures = Verdict.INCONCLUSIVE, {}
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
        proofs = proofs_from_below(estimate.tensor, measurements, seed, begin + limit, needed) if radius < 1 else ()
        proven = 0.0
        for certificate in proofs:
            region = EstimatedLocality(certificate, estimate, alpha)
            proven = max(proven, certificate.visibility)
            figures["proven local up to visibility (white noise)"] = proven
            figures["needed for all correlations within the errors"] = needed
            if region.inside and region.verify():
                verdict, evidence = Verdict.LOCAL, region
                break
    return _report(estimate, verdict, evidence, figures, alpha, measurements)


def _candidates(
    estimate: TensorEstimate, measurements: str, seed: int | None, seconds: float
) -> list[OptimizedSettings]:
    # The estimate itself may give negative probabilities; the nearest state does not.
    tensor = CorrelationTensor.from_state(estimate.physical_state())
    found = []
    if tensor.num_parties == 2 and measurements == "projective":
        found.append(horodecki_settings(tensor))
    elif tensor.num_parties > 2:
        found.append(wwzb_settings(tensor, measurements=measurements, num_starts=8, seed=seed))
    if not found or found[0].violation <= 0:
        searched = optimize_settings(tensor, 2, measurements=measurements, num_starts=40, time_limit=seconds, seed=seed)
        found.append(searched)
    return found


def _report(
    estimate: TensorEstimate,
    verdict: Verdict,
    evidence: EstimatedViolation | EstimatedLocality,
    figures: dict[str, float],
    alpha: float,
    measurements: str,
) -> LocalityReport:
    scope = "all projective measurements" + ("" if measurements == "projective" else f" in the plane {measurements}")
    assumptions = ["every basis measures the same state, with the Pauli matrices that it is meant to measure"]
    if estimate.counts is None:
        assumptions.append("errors of the expectation values are normal with the standard errors given")
    else:
        assumptions.append("shots are independent, and none was discarded")
    advice = ""
    if verdict is Verdict.INCONCLUSIVE:
        advice = "More shots make the confidence region smaller; more time_limit allows finer polyhedra."
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
