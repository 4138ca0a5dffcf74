"""Evidence on states prepared on a device, from their estimated correlations and the errors of these."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from .._support.validation import probability
from ..exceptions import CountsError
from ..measurements.named_sets import qubit_set
from ..measurements.qubit_sets import AllProjective
from ..measurements.sets import MeasurementSet
from ..projective.certificates.certificate import AllProjectiveCertificate
from ..projective.certificates.quick_proofs import LocalityProof
from ..projective.settings.optimization import OptimizedSettings
from ..statistics.assumptions.same_state import SameStateTest
from ..statistics.intervals.absorbing_noise import absorbing_noise
from ..targets.tensor_estimates import TensorEstimate, estimate_of_counts
from ..verification.evidence import Evidence, readable
from ..verification.result import Verification, combine
from ..verification.verdict import Verdict

__all__ = ["EstimatedLocality", "EstimatedViolation"]

# Correlations and errors of the same counts, computed twice, differ by no more.
_LARGEST_DIFFERENCE = 1e-12


@dataclass(frozen=True, eq=False, repr=False)
class EstimatedViolation(Evidence):
    """A test of a Bell inequality on estimated correlations.

    References:
        J. F. Clauser, M. A. Horne, A. Shimony, R. A. Holt, Phys. Rev. Lett. 23, 880 (1969); W. Hoeffding, J. Am. Stat.
        Assoc. 58, 13 (1963) (sums of bounded variables).

    Examples:
        >>> from qiskit_lhv import analyze, Behavior, estimate_tensor, werner_state
        >>> axes = [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
        >>> counts = Behavior.from_state(werner_state(0.95), [axes, axes]).sample(2000, seed=1)
        >>> violation = analyze(estimate_tensor(counts), seed=1).evidence[0]
        >>> print(violation)
        value above 2.44167 at level 0.99, above the local bound 2
        >>> violation.settings.inequality.bound.value, violation.tested.counts.total_shots
        (2.0, 9000)
    """

    settings: OptimizedSettings
    """The settings and the inequality. They were optimized for the state nearest to an estimate."""
    tested: TensorEstimate
    """The estimate on which the inequality is tested. For counts, it comes from shots that did not choose the settings.
    For expectation values it is the same estimate, with limits that hold for all correlations at once."""
    same_data: bool
    """Whether the settings were chosen with the tested data."""
    alpha: float
    """The error probability of the test."""
    same_state: SameStateTest | None
    """For counts, the test whether all bases measure the same state."""

    @property
    def lower(self) -> float:
        """The lower confidence limit of the value of the Bell expression."""
        coefficients = self.settings.operator()
        if self.same_data:
            value = float(np.sum(coefficients * self.tested.tensor.array))
            return value - float(np.sum(np.abs(coefficients) * self.tested.limits(self.alpha)))
        value, allowance = self.tested.functional(coefficients, self.alpha)
        return value - allowance

    @property
    def violated(self) -> bool:
        """Whether the lower confidence limit exceeds the local bound."""
        return self.lower > self.settings.inequality.bound.value

    @property
    def shows(self) -> Verdict | None:
        """``Verdict.NONLOCAL`` if the bound is exceeded and the bases may measure one state, else ``None``."""

        def claim() -> bool:
            return (
                self.violated
                and self.settings.inequality.bound.exact
                and not (self.same_state is not None and self.same_state.refuted)
            )

        return Verdict.NONLOCAL if readable(claim, False) else None

    def __str__(self) -> str:
        bound = self.settings.inequality.bound.value
        relation = "above" if self.violated else "not above"
        return f"value above {self.lower:.6g} at level {1 - self.alpha:g}, {relation} the local bound {bound:.6g}"

    def verify(self, *, prove_bound: bool | None = None) -> Verification:
        """Proves the local bound again and recomputes the confidence limit.

        If the limit is not above the bound, the test claims nothing, and there is nothing to verify.

        Args:
            prove_bound: Whether to prove the local bound again; see ``BellInequality.verify``.
        """
        probability(self.alpha, "alpha", CountsError, open_interval=True)
        if not self.violated:
            return Verification(True, "no violation is claimed")
        if self.same_data is not (self.tested.counts is None):
            return Verification(False, "counts are tested on other shots, expectation values on themselves", math.inf)
        # Bases are orthogonalized, and effects that are no POVM give no limit: both are measurements in any case.
        bloch = [vectors for vectors in self.settings.settings if vectors.ndim == 2]
        longest = max((float(np.linalg.norm(vectors, axis=1).max()) for vectors in bloch), default=0.0)
        vectors = Verification(longest <= 1, f"Bloch vectors have lengths up to {longest:.12g}")
        bound = self.settings.inequality.verify(prove_bound=prove_bound)
        return combine(bound, vectors, _from_one_state(self.tested, self.same_state))


@dataclass(frozen=True, eq=False, repr=False)
class EstimatedLocality(Evidence):
    """A certificate for an estimate, which may show that all correlations within its errors are local.

    References:
        arXiv:2302.04721 (absorbing a residual); arXiv:1609.06114 (polyhedra).

    Examples:
        >>> from qiskit_lhv import analyze, Behavior, estimate_tensor, werner_state
        >>> axes = [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
        >>> counts = Behavior.from_state(werner_state(0.3), [axes, axes]).sample(2000, seed=1)
        >>> locality = analyze(estimate_tensor(counts), seed=1).evidence[0]
        >>> print(locality)
        local up to visibility 1.6956, needed are 1.35374: proves all correlations of the 99% confidence region
         local
    """

    certificate: LocalityProof
    """The proof that the estimate is local up to some visibility in white noise, which may exceed 1."""
    estimate: TensorEstimate
    """The estimate."""
    alpha: float
    """The errors of all correlations hold together with confidence 1 - alpha."""
    same_state: SameStateTest | None
    """For counts, the test whether all bases measure the same state."""
    measurements: MeasurementSet = field(default_factory=AllProjective)
    """For which measurements the correlations are local: all projective ones, those in a plane, or all POVMs."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "measurements", qubit_set(self.measurements))

    @property
    def radius(self) -> float:
        """The weight of white noise that makes every deviation within the errors local."""
        return absorbing_noise(self.estimate, self.alpha, not self.measurements.is_projective)

    @property
    def needed(self) -> float:
        """The visibility up to which the estimate must be local; infinite if the errors are too large."""
        return 1 / (1 - self.radius) if self.radius < 1 else math.inf

    @property
    def inside(self) -> bool:
        """Whether the certificate reaches the visibility that is needed."""
        return self.certificate.visibility >= self.needed

    def __str__(self) -> str:
        relation = "proves" if self.inside else "does not prove"
        return (
            f"local up to visibility {self.certificate.visibility:.6g}, needed are {self.needed:.6g}: {relation} all "
            f"correlations of the {100 * (1 - self.alpha):g}% confidence region local"
        )

    @property
    def shows(self) -> Verdict | None:
        """``Verdict.LOCAL`` if the certificate reaches far enough and the bases may be of one state, else ``None``."""

        def claim() -> bool:
            return self.inside and not (self.same_state is not None and self.same_state.refuted)

        return Verdict.LOCAL if readable(claim, False) else None

    def verify(self) -> Verification:
        """Verifies the certificate, that it is about the estimate, and the visibility that it must reach."""
        probability(self.alpha, "alpha", CountsError, open_interval=True)
        reached = Verification(True, str(self) if self.inside else "no claim is made")
        if isinstance(self.certificate, AllProjectiveCertificate) and self.certificate.noise is not None:
            return Verification(False, "the certificate is about noise that is not white", math.inf)
        if not self.certificate.measurements.covers(self.measurements):
            return Verification(False, f"the certificate is not about {self.measurements}", math.inf)
        proof = self.certificate.verify(self.estimate.tensor)
        return combine(proof, reached, _from_one_state(self.estimate, self.same_state))


def _from_one_state(estimate: TensorEstimate, test: SameStateTest | None) -> Verification:
    """Checks that an estimate follows from its counts, and that these are among shots that may come from one state."""
    if estimate.counts is None:
        return Verification(True, "expectation values, once each, cannot tell whether they are of one state")
    if test is None:
        return Verification(False, "that all bases measure the same state was not tested", math.inf)
    table, whole = estimate.counts.array, test.counts.array
    if table.shape != whole.shape or np.any(table > whole):
        return Verification(False, "the shots are not among those tested for one state", math.inf)
    if test.refuted:
        return Verification(False, "the bases do not measure the same state", math.inf)
    again = estimate_of_counts(estimate.counts, estimate.measurements)
    difference = max(
        float(np.abs(recomputed - given).max())
        for recomputed, given in (
            (again.tensor.array, estimate.tensor.array),
            (again.standard_errors, estimate.standard_errors),
        )
    )
    same = Verification(
        difference <= _LARGEST_DIFFERENCE, "the correlations and their errors are those of the counts", difference
    )
    return combine(same, test.verify())
