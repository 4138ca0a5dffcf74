"""Proofs that two-qubit states are unsteerable, hence local, by a criterion in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np

from ..._support.conic import Cone, ConicRows, minimize_over_cones, triangle
from ..._support.types import FloatArray
from ..._support.validation import real_array, whole_number
from ...exceptions import CertificateError, SolverError
from ...measurements.axes import icosahedral_directions
from ...measurements.named_sets import qubit_set
from ...measurements.qubit_sets import AllProjective
from ...measurements.sets import MeasurementSet
from ...targets.correlations import CorrelationTensor
from ...verification.hidden_states import enlarged_for_povms, gram_matrix, steering_quartic
from ...verification.positivity import is_positive_semidefinite
from ...verification.rationals import rational
from ...verification.result import Verification
from .state_certificate import StateCertificate, tensor_of_two_qubits

__all__ = ["UnsteerableCertificate", "prove_unsteerable"]


_MAX_VISIBILITY = 2.0
_MARGINS = (1e-9, 1e-8, 1e-7, 1e-6, 1e-5)
_BISECTIONS = 40
_STEPS = 40
_CHOICE_BITS = 48
_METRIC = np.diag([1.0, -1.0, -1.0, -1.0])


@dataclass(frozen=True, eq=False, repr=False)
class UnsteerableCertificate(StateCertificate):
    """Proof of unsteerability by hidden states that are uniformly distributed on the Bloch sphere.

    After a filter of the steered party that makes its reduced state white, the state has a Bloch vector a of the
    steering party and a correlation matrix T; it is unsteerable if ``(a.x)**2 + 2 |T x|`` is at most 1 for all unit
    vectors x. Squaring this condition gives a quartic form, whose Gram matrix has no negative eigenvalue.
    For all POVMs of the steering party, the same holds with its Bloch vectors enlarged by sqrt(3/2).

    Raises:
        CertificateError: If the party is not 0 or 1, or the Gram matrix has not six free entries.

    References:
        J. Bowles, F. Hirsch, M. T. Quintino, N. Brunner, Phys. Rev. A 93, 022121 (2016), arXiv:1510.06721; M.
        Oszmaniec, L. Guerini, P. Wittek, A. Acin, Phys. Rev. Lett. 119, 190501 (2017), arXiv:1609.06139 (POVMs).

    Examples:
        >>> from qiskit_lhv import werner_state
        >>> from qiskit_lhv.projective import prove_unsteerable
        >>> certificate = prove_unsteerable(werner_state(0.45))
        >>> print(certificate)
        local for all projective measurements up to visibility 1.11...: unsteerable from party 0
        >>> certificate.visibility > 1, certificate.gram.shape, bool(certificate.verify(werner_state(0.45)))
        (True, (6,), True)
    """

    party: int
    """The steering party, 0 or 1: the one with these measurements; those of the other may be any."""
    gram: FloatArray
    """The six entries of the form's Gram matrix that are free to choose, shape ``(6,)``."""
    measurements: MeasurementSet = field(default_factory=AllProjective)
    """For which measurements the proof holds: all projective ones, or all POVMs."""

    def __post_init__(self) -> None:
        super().__post_init__()
        party = whole_number(self.party, "party", CertificateError, minimum=0)
        gram = real_array(self.gram, "gram", CertificateError)
        if party > 1 or gram.shape != (6,):
            raise CertificateError.bad_argument(
                "party, gram", expected="0 or 1, and six numbers", got=f"{party}, shape {gram.shape}"
            )
        object.__setattr__(self, "party", party)
        object.__setattr__(self, "gram", gram)
        object.__setattr__(self, "measurements", qubit_set(self.measurements))

    def __str__(self) -> str:
        return (
            f"local for {self.measurements} up to visibility {self.visibility:.9g}: unsteerable from party {self.party}"
        )

    def verify(self, state: Any = None) -> Verification:
        """Re-checks in exact rational arithmetic that the criterion's form is a sum of squares.

        Args:
            state: A state or correlation tensor that the certificate should be about; default: its own.

        References:
            J. Bowles, F. Hirsch, M. T. Quintino, N. Brunner, Phys. Rev. A 93, 022121 (2016), arXiv:1510.06721;
            arXiv:1609.06139 (POVMs).
        """
        another = self._not_about(state)
        if another is not None:
            return another
        mixture = rational(self.correlations.array) * Fraction(self.visibility)
        mixture[0, 0] = Fraction(1)
        quartic = steering_quartic(_steering(mixture, self.party, self.measurements))
        if quartic is None:
            return Verification(False, "the reduced states do not allow the criterion", math.inf)
        if self.visibility < 0 or not is_positive_semidefinite(gram_matrix(quartic, rational(self.gram))):
            return Verification(False, "the criterion is not proven", math.inf)
        reason = f"local for {self.measurements} up to visibility {self.visibility:.9g}"
        return Verification(True, f"{reason} (unsteerable from party {self.party}: a sum of squares)")


def prove_unsteerable(
    state: Any, *, max_visibility: float = _MAX_VISIBILITY, measurements: MeasurementSet | str = "projective"
) -> UnsteerableCertificate | None:
    """Proves a two-qubit state unsteerable from one of its qubits, hence local, by a criterion in closed form.

    Args:
        state: ``DensityMatrix``, ``Statevector``, ``QuantumCircuit`` or ``CorrelationTensor`` of two qubits.
        max_visibility: Largest visibility considered.
        measurements: ``"projective"``, or ``"povm"``: all POVMs.

    Returns:
        The certificate for the steering qubit that gives the higher visibility, or ``None`` if none was found. It
        proves the state local if its visibility is at least 1.

    Raises:
        MeasurementError: If the state is not a valid state of two qubits, or the measurements are unknown.
        ImportError: If Clarabel is not installed (extra ``sdp``).

    References:
        J. Bowles, F. Hirsch, M. T. Quintino, N. Brunner, Phys. Rev. A 93, 022121 (2016), arXiv:1510.06721.

    Examples:
        >>> from qiskit_lhv import werner_state
        >>> certificate = prove_unsteerable(werner_state(0.49))
        >>> certificate.visibility > 1, bool(certificate.verify(werner_state(0.49)))
        (True, True)
    """
    tensor = tensor_of_two_qubits(state)
    measured = qubit_set(measurements)
    visibilities = [_critical(_steering(tensor.array, party, measured), max_visibility) for party in (0, 1)]
    for party in sorted((0, 1), key=lambda k: -visibilities[k]):
        for margin in _MARGINS:
            certificate = _certificate(tensor, party, visibilities[party] * (1 - margin), measured)
            if certificate is not None and certificate.verify():
                return certificate
    return None


def _steering(tensor: Any, party: int, measurements: MeasurementSet) -> Any:
    """Returns the tensor whose first index is that of the steering party, enlarged as these measurements need it."""
    steering = tensor if party == 0 else tensor.T
    return steering if measurements.is_projective else enlarged_for_povms(steering)


def _certificate(
    tensor: CorrelationTensor, party: int, visibility: float, measurements: MeasurementSet
) -> UnsteerableCertificate | None:
    mixture = tensor.array * visibility
    mixture[0, 0] = 1
    quartic = steering_quartic(_steering(mixture, party, measurements))
    choices = None if quartic is None else _sum_of_squares({key: float(value) for key, value in quartic.items()})
    if choices is None:
        return None
    rounded = np.rint(choices * 2.0**_CHOICE_BITS) / 2.0**_CHOICE_BITS
    return UnsteerableCertificate(visibility, tensor, party, rounded, measurements)


def _critical(tensor: FloatArray, cap: float) -> float:
    """Returns the largest visibility, in floats, that meets the criterion; the steering party's index comes first."""
    lowest, highest = 0.0, cap
    for _ in range(_BISECTIONS):
        visibility = (lowest + highest) / 2
        mixture = tensor * visibility
        mixture[0, 0] = 1
        if _criterion(mixture) <= 1:
            lowest = visibility
        else:
            highest = visibility
    return lowest


def _criterion(tensor: FloatArray) -> float:
    """Returns the largest value of ``(a.x)**2 + 2 |T x|`` over many directions, or infinity if it does not apply."""
    g = tensor[0] @ _METRIC @ tensor[0]
    if g <= 1e-12:
        return math.inf
    bias = tensor[1:] @ _METRIC @ tensor[0] / g
    squares = np.outer(bias, bias) - tensor[1:] @ _METRIC @ tensor[1:].T / g
    x = icosahedral_directions(46)
    for _ in range(_STEPS):
        # Both terms are convex, so going along their gradient never lowers the sum.
        lengths = np.sqrt(np.maximum(np.einsum("ki,ij,kj->k", x, squares, x), 1e-300))
        gradient = 2 * (x @ bias)[:, None] * bias + 2 * (x @ squares) / lengths[:, None]
        x = gradient / np.maximum(np.linalg.norm(gradient, axis=1, keepdims=True), 1e-300)
    lengths = np.sqrt(np.maximum(np.einsum("ki,ij,kj->k", x, squares, x), 0))
    return float(((x @ bias) ** 2 + 2 * lengths).max())


_NO_QUARTIC = {(i, j, 4 - i - j): 0.0 for i in range(5) for j in range(5 - i)}


@cache
def _choice_rows() -> FloatArray:
    """Returns how the Gram matrix minus its lowest eigenvalue depends on the six choices and that eigenvalue."""
    grams = [np.array(gram_matrix(_NO_QUARTIC, choices), dtype=np.float64) for choices in np.eye(6).tolist()]
    return triangle(np.stack([*grams, -np.eye(6)])).T


def _sum_of_squares(quartic: dict[tuple[int, int, int], float]) -> FloatArray | None:
    """Returns the free entries of a quartic form's Gram matrix that maximize its lowest eigenvalue, up to 1."""
    fixed = triangle(np.array(gram_matrix(quartic, [0.0] * 6), dtype=np.float64))
    lowest = np.eye(7)[6]
    try:
        solution = minimize_over_cones(
            "prove_unsteerable",
            -lowest,
            [
                ConicRows(Cone.NONNEGATIVE, lowest[None], np.ones(1)),
                ConicRows(Cone.POSITIVE, -_choice_rows(), fixed, size=6),
            ],
        )
    except SolverError:
        return None
    return solution.values[:6]
