"""The question about a state, and the report that follows from what is proven about it."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from .._support.words import counted
from ..exceptions import MeasurementError
from ..measurements.named_sets import projective_members, qubit_set
from ..measurements.qubit_sets import AllProjective, PlanarProjective
from ..measurements.sets import MeasurementSet
from ..polytope.inequalities.bell_inequality import BellInequality
from ..projective.certificates.certificate import AllProjectiveCertificate
from ..projective.certificates.quick_proofs import LocalityProof, has_vanishing_product
from ..projective.certificates.separability import SeparabilityCertificate, is_entangled_on_boundary
from ..projective.certificates.tolerance import STATE_TOLERANCE
from ..projective.settings.optimization import OptimizedSettings
from ..quantum.parties import ROUNDING_OF_STATES, lowest_eigenvalue
from ..reports.figure_names import Figure
from ..reports.locality import LocalityReport
from ..reports.questions import Question
from ..targets.correlations import CorrelationTensor
from ..targets.qubits import planar_tensor
from ..targets.state_tensors import qiskit_state
from ..verification.evidence import agree, verify_shown
from ..verification.result import Verification, combine
from ..verification.verdict import Verdict
from .qudit_words import advice_for_qudits, name_of_question, named_for_all

__all__ = ["ROUNDING", "StateQuestion", "among", "covers"]

ROUNDING = 1e-9
"""The accuracy to which the correlations of a state are taken to be known."""

# Correlations of one state, computed twice, differ by no more.
_LARGEST_DIFFERENCE = 1e-12


def among(settings: OptimizedSettings, measurements: MeasurementSet) -> bool:
    """Returns whether all settings are among the measurements that were asked about.

    Args:
        settings: Settings of qubits, or of larger parties.
        measurements: All projective ones, those in a coordinate plane, or all POVMs.
    """
    if not measurements.is_projective:
        # All POVMs hold all projective measurements, too.
        return True
    if not settings.is_projective:
        return False
    if set(settings.correlations.dimensions) != {2}:
        return True
    asked = projective_members(measurements)
    # Qubits are measured along Bloch vectors.
    return all(vectors.ndim == 2 and not np.any(asked.distances(vectors)) for vectors in settings.settings)


def covers(certificate: LocalityProof, measurements: MeasurementSet) -> bool:
    """Returns whether a proof covers all measurements that were asked about, in white noise.

    Args:
        certificate: The proof.
        measurements: All projective ones, those in a coordinate plane, or all POVMs.
    """
    in_white_noise = not isinstance(certificate, AllProjectiveCertificate) or certificate.noise is None
    return certificate.measurements.covers(measurements) and in_white_noise


@dataclass(frozen=True, eq=False, repr=False)
class StateQuestion(Question):
    """The question about a state.

    Raises:
        MeasurementError: If the negative eigenvalue is no rounding error.

    References:
        R. F. Werner, Phys. Rev. A 40, 4277 (1989).

    Examples:
        >>> from qiskit_lhv import analyze, werner_state
        >>> report = analyze(werner_state(0.3), seed=1)
        >>> print(report.question)
        state of 2 qubits, all projective measurements
        >>> print(report.headline)
        A local hidden-variable model explains the target.
    """

    correlations: CorrelationTensor
    """The correlation tensor of the state."""
    measurements: MeasurementSet
    """All projective measurements, all POVMs, or the projective measurements of qubits in a coordinate plane. For
    parties larger than a qubit, the set of a qubit stands for the set of that name of each party."""
    clipped: float = 0.0
    """The negative eigenvalue of the given matrix, if there is one. It is a rounding error, and was set to zero."""

    def __post_init__(self) -> None:
        asked = qubit_set(self.measurements) if self._of_qubits else named_for_all(self.measurements)
        object.__setattr__(self, "measurements", asked)
        if not -ROUNDING_OF_STATES <= self.clipped <= 0:
            raise MeasurementError.bad_argument(
                "clipped", expected=f"0, or a rounding error down to -{ROUNDING_OF_STATES:g}", got=repr(self.clipped)
            )

    def __str__(self) -> str:
        if not self._of_qubits:
            return name_of_question(self.correlations.dimensions, self.measurements)
        return f"state of {counted(self.correlations.num_parties, 'qubit')}, {self.measurements}"

    @property
    def _of_qubits(self) -> bool:
        return set(self.correlations.dimensions) == {2}

    @cached_property
    def out_of_reach(self) -> bool:
        """Whether no proof of locality can succeed; see ``has_vanishing_product``."""
        return self.measurements.covers(AllProjective()) and has_vanishing_product(self.correlations)

    @property
    def allowed_noise(self) -> float:
        """The weight of white noise with which a proof still counts as a proof for the state itself."""
        # A state out of reach cannot be proven local, and no tolerance may hide that.
        hidden = self.out_of_reach if self._of_qubits else is_entangled_on_boundary(self.correlations)
        return 0.0 if hidden else STATE_TOLERANCE

    def report(
        self,
        violation: OptimizedSettings | None,
        certificate: LocalityProof | None,
        *,
        inequality: BellInequality | None = None,
        found: float | None = None,
        loss: float | None = None,
        timed_out: bool = False,
    ) -> LocalityReport:
        """Returns the report that follows from what is proven.

        Args:
            violation: Settings that are proven to violate an inequality.
            certificate: A verified proof of locality, of the state or of a mixture with white noise.
            inequality: If no violation was found, the inequality that came nearest to one.
            found: If no violation was found, the visibility above which that inequality is violated.
            loss: The divergence of the best local model that was found, which is an estimate.
            timed_out: Whether the time limit cut a search short.
        """
        verdict = Verdict.INCONCLUSIVE
        lower = 0.0 if certificate is None else certificate.visibility
        if violation is not None:
            verdict, inequality = Verdict.NONLOCAL, violation.inequality
        elif lower >= 1 - self.allowed_noise:
            verdict = Verdict.LOCAL
        figures: dict[str, float] = {}
        by_partial_transpose = isinstance(certificate, SeparabilityCertificate)
        if certificate is not None and not (by_partial_transpose and verdict is Verdict.LOCAL):
            figures[Figure.LOCAL_VISIBILITY] = lower
        if violation is not None:
            figures |= {Figure.NONLOCAL_VISIBILITY: violation.visibility, Figure.VIOLATION: violation.violation}
        elif found is not None:
            figures[Figure.VIOLATED_VISIBILITY] = found
        if loss is not None:
            figures[Figure.ESTIMATED_KL] = loss
        return LocalityReport(
            verdict=verdict,
            target=self._target(by_partial_transpose and verdict is Verdict.LOCAL),
            admits_local_model={Verdict.LOCAL: True, Verdict.NONLOCAL: False}.get(verdict),
            model=None,
            inequality=inequality,
            alpha=None,
            test=None,
            log10_p_value=None,
            statistics=figures,
            evidence=tuple(proof for proof in (violation, certificate) if proof is not None),
            assumptions=self._assumptions(lower if verdict is Verdict.LOCAL else 1.0, by_partial_transpose),
            advice="" if verdict is not Verdict.INCONCLUSIVE else self._advice(lower, found, timed_out),
            question=self,
            timed_out=timed_out,
        )

    def _target(self, separable: bool) -> str:
        # A separable state is local for more than what was asked about; a file of an earlier version says so too.
        if separable and not self._of_qubits and self.measurements.is_projective:
            return "state of a qubit and a qutrit, all measurements"
        return str(self)

    def _assumptions(self, lower: float, by_partial_transpose: bool) -> tuple[str, ...]:
        # The partial transpose is that of the matrix that was given.
        lines = [] if by_partial_transpose else [f"the correlations of the state are known to {ROUNDING:g}"]
        if self.clipped < 0:
            lines.append(f"the state's negative eigenvalue of {self.clipped:.2g} is a rounding error, taken as zero")
        if lower < 1:
            lines.append(f"white noise of weight {1 - lower:.2g} is within the tolerance of {STATE_TOLERANCE:g}")
        return tuple(lines)

    def _advice(self, lower: float, found: float | None, timed_out: bool) -> str:
        upper = math.inf if found is None else found
        if not self._of_qubits:
            return advice_for_qudits(lower, upper, timed_out)
        if self.out_of_reach:
            return (
                "Open, and out of reach of every proof of locality here: the state is entangled, and a product "
                "vector has probability zero (as for all states of rank two), so that every part of a mixture of "
                f"local models would have to vanish there. No violation was found below visibility {upper:.6g}. "
                "Only more settings can settle it: optimize_settings(state, ...)."
            )
        return (
            f"Open: in white noise the state is proven local up to visibility {lower:.6g}, no violation was found "
            f"below {upper:.6g}. "
            + ("A longer time_limit, or none, may settle it. " if timed_out else "")
            + "Finer polyhedra, certify_all_projective(state, directions=...), and more settings, "
            "optimize_settings(state, ...), take longer."
        )

    def follows(self, report: LocalityReport, *, prove_bound: bool | None = None) -> Verification:
        """Checks that a report answers this question, and that everything in it follows from its evidence.

        The evidence itself is verified elsewhere. Two figures that searches find without a proof are taken as recorded:
        the visibility above which an inequality is violated, and the divergence of a model.

        Args:
            report: The report.
            prove_bound: Whether to prove again the bound of an inequality that is shown but is not evidence; see
                ``BellInequality.verify``.
        """
        violation = certificate = None
        for piece in report.evidence:
            if isinstance(piece, OptimizedSettings) and violation is None:
                violation = piece
            elif isinstance(piece, LocalityProof) and certificate is None:
                certificate = piece
            else:
                return _refuted(f"a {type(piece).__name__} is too much")
        fault = self._fault_of_state() or self._fault_of_settings(violation) or self._fault_of_proof(certificate)
        if fault:
            return _refuted(fault)
        found, loss = report.statistics.get(Figure.VIOLATED_VISIBILITY), report.statistics.get(Figure.ESTIMATED_KL)
        if certificate is not None and found is not None and not found >= certificate.visibility - ROUNDING:
            return _refuted("no inequality is violated where the state is proven local")
        shown = None if violation is not None else report.inequality
        made = self.report(violation, certificate, inequality=shown, found=found, loss=loss, timed_out=report.timed_out)
        for field in fields(LocalityReport):
            if not agree(getattr(made, field.name), getattr(report, field.name)):
                return _refuted(f"the field {field.name!r} does not follow from the evidence")
        follows = Verification(True, "all figures and words follow from the evidence")
        return combine(follows, *verify_shown(shown, prove_bound))

    def _fault_of_state(self) -> str:
        """Returns what is wrong with the correlations as those of a state, or an empty text."""
        if isinstance(self.measurements, PlanarProjective):
            # The correlations that a plane does not see may be missing.
            return ""
        lowest = lowest_eigenvalue(qiskit_state(self.correlations))
        return "the correlations belong to no state" if lowest < -ROUNDING_OF_STATES else ""

    def _fault_of_settings(self, settings: OptimizedSettings | None) -> str:
        """Returns what is wrong with settings as evidence for an answer, or an empty text."""
        if settings is None:
            return ""
        difference = self.correlations.largest_difference(settings.correlations)
        if not difference <= _LARGEST_DIFFERENCE or settings.noise is not None:
            return "the settings are about another state, or noise that is not white"
        if not among(settings, self.measurements):
            return f"the settings are not among {self.measurements}"
        return "" if settings.shows else "the settings violate nothing"

    def _fault_of_proof(self, certificate: LocalityProof | None) -> str:
        """Returns what is wrong with a proof as evidence for an answer, or an empty text."""
        if certificate is None:
            return ""
        about = certificate.correlations
        if not covers(certificate, self.measurements):
            return "the proof is about other measurements, or noise that is not white"
        seen = planar_tensor(self.correlations, self.measurements) if self._of_qubits else self.correlations
        if not min(about.largest_difference(tensor) for tensor in (self.correlations, seen)) <= _LARGEST_DIFFERENCE:
            return "the proof is about another state"
        if certificate.shows and certificate.visibility < 1 - self.allowed_noise:
            return "no tolerance hides that this state is not proven local"
        return ""


def _refuted(reason: str) -> Verification:
    return Verification(False, reason, math.inf)
