"""Evidence on states prepared on a device: what their estimated correlations show, with their errors."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .._support.validation import probability
from ..exceptions import CountsError
from ..projective.certificates.certificate import AllProjectiveCertificate
from ..projective.certificates.quick_proofs import StateCertificate
from ..projective.settings.optimization import OptimizedSettings
from ..statistics.assumptions.same_state import SameStateTest
from ..statistics.intervals.absorbing_noise import absorbing_noise
from ..targets.tensor_estimates import TensorEstimate, estimate_tensor
from ..verification.evidence import Evidence, readable
from ..verification.result import Verification, combine
from ..verification.verdict import Verdict

__all__ = ["EstimatedLocality", "EstimatedViolation"]

# Correlations and errors of the same counts, computed twice, differ by no more.
_LARGEST_DIFFERENCE = 1e-12


@dataclass(frozen=True, eq=False, repr=False)
class EstimatedViolation(Evidence):
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
        """Re-proves the local bound and recomputes the limit; nothing is claimed if it is not above the bound.

        Args:
            prove_bound: Whether to prove the local bound again; see ``BellInequality.verify``.
        """
        probability(self.alpha, "alpha", CountsError, open_interval=True)
        if not self.violated:
            return Verification(True, "no violation is claimed")
        if self.same_data is not (self.tested.counts is None):
            return Verification(False, "counts are tested on other shots, expectation values on themselves", math.inf)
        longest = max(float(np.linalg.norm(vectors, axis=1).max()) for vectors in self.settings.settings)
        vectors = Verification(longest <= 1, f"Bloch vectors have lengths up to {longest:.12g}")
        bound = self.settings.inequality.verify(prove_bound=prove_bound)
        return combine(bound, vectors, _from_one_state(self.tested, self.same_state))


@dataclass(frozen=True, eq=False, repr=False)
class EstimatedLocality(Evidence):
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
    def shows(self) -> Verdict | None:
        """``Verdict.LOCAL`` if the certificate reaches far enough and the bases may be of one state, else ``None``."""

        def claim() -> bool:
            return self.inside and not (self.same_state is not None and self.same_state.refuted)

        return Verdict.LOCAL if readable(claim, False) else None

    def verify(self) -> Verification:
        """Re-checks the certificate, and that it is about the estimate; how far it must reach is recomputed."""
        probability(self.alpha, "alpha", CountsError, open_interval=True)
        reached = Verification(True, str(self) if self.inside else "no claim is made")
        if isinstance(self.certificate, AllProjectiveCertificate) and self.certificate.noise is not None:
            return Verification(False, "the certificate is about noise that is not white", math.inf)
        proof = self.certificate.verify(self.estimate.tensor)
        return combine(proof, reached, _from_one_state(self.estimate, self.same_state))


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
    again = estimate_tensor(estimate.counts)
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
