"""Proofs that two-qubit states are local, from separability and from the local model of Werner states."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache
from importlib.resources import as_file, files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._support.conic import Cone, ConicRows, minimize_over_cones
from ..._support.types import FloatArray
from ..._support.validation import positive_number, real_array
from ...exceptions import CertificateError, ScenarioError, SolverError
from ...measurements.effect_sets import POVMs
from ...measurements.named_sets import qubit_set
from ...measurements.qubit_sets import AllProjective
from ...measurements.sets import MeasurementSet
from ...targets.correlations import CorrelationTensor
from ...verification.positivity import TRANSPOSED, is_positive
from ...verification.rationals import rational
from ...verification.result import Verification
from .certificate import AllProjectiveCertificate
from .pauli_cones import decomposition_rows, images_of_werner_rows
from .state_certificate import StateCertificate, tensor_of_two_qubits

__all__ = [
    "ExtensionCertificate",
    "extend_local_models",
    "images_of_werner",
    "local_werner_visibility",
    "maps_fail",
    "separable_certificate",
    "werner_certificate",
    "werner_refuted",
]


# All POVMs of a qubit are jointly measurable at this visibility.
_WERNER_OF_POVMS = 0.5
# Larger caps make the solver less exact, so the cap depends on the requested visibility.
_MAX_VISIBILITY, _ASIDE = 2.0, 1.25
# Shares of white noise that make a solver's solution strictly feasible.
_MARGINS = (1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4)
_MAP_BITS = 48


@cache
def werner_certificate() -> AllProjectiveCertificate:
    """The proof that Werner states of visibility 0.6900984 are local for all projective measurements.

    The proof uses 961 axes and is part of the package; ``verify()`` re-checks it in exact arithmetic within seconds.

    Returns:
        The certificate, for the singlet in white noise.

    References:
        F. Hirsch, M. T. Quintino, T. Vertesi, M. Navascues, N. Brunner, Quantum 1, 3 (2017), arXiv:1609.06114; S.
        Designolle, G. Iommazzo, M. Besancon, S. Knebel, P. Gelss, S. Pokutta, Phys. Rev. Res. 5, 043059 (2023),
        arXiv:2302.04721 (polyhedra).

    Examples:
        >>> certificate = werner_certificate()
        >>> print(certificate)
        local for all projective measurements up to visibility 0.690098... in white noise (961 x 961 axes, ...)
        >>> certificate.visibility
        0.6900984
    """
    with as_file(files("qiskit_lhv").joinpath("data/werner_local.npz")) as path:
        return AllProjectiveCertificate.load(path)


@dataclass(frozen=True, eq=False, repr=False)
class ExtensionCertificate(StateCertificate):
    """A decomposition that shows a two-qubit state to be local for all projective measurements, or for all POVMs.

    Let W be the singlet-Werner state at a visibility at which it is proven local. The mixture
    ``visibility * state + (1 - visibility) * white noise`` is a separable operator plus ``(A (x) id)(W)`` plus
    ``(id (x) B)(W)``, up to normalization. A and B are positive maps that scale the trace: their adjoints turn
    projective measurements of a qubit into mixtures of projective measurements, so the local model of W applies. (The
    images need not be states, and the mixture need not be a state if the visibility exceeds 1: only its correlations
    matter.)

    For all POVMs, W has visibility 1/2 at most. It is then the singlet with noise on either qubit that makes all POVMs
    there jointly measurable: the other qubit is in a hidden state whatever is measured, and stays so under every
    positive map. Here the maps need not scale the trace.

    References:
        M. Horodecki, P. Horodecki, R. Horodecki, Phys. Lett. A 223, 1 (1996), arXiv:quant-ph/9605038 (separability of
        two qubits); E. Stormer, Acta Math. 110, 233 (1963) (positive maps of a qubit); M. J. Renner, Phys. Rev. Lett.
        132, 250202 (2024), arXiv:2309.12290, and Y. Zhang, E. Chitambar, Phys. Rev. Lett. 132, 250201 (2024) (POVMs).

    Examples:
        >>> from qiskit_lhv import werner_state
        >>> from qiskit_lhv.projective import extend_local_models
        >>> certificate = extend_local_models(werner_state(0.6))
        >>> print(certificate)
        local for all projective measurements up to visibility 1.15...: a separable part and images of ...
        >>> certificate.visibility > 1, certificate.is_separable, round(certificate.werner_visibility, 3)
        (True, False, 0.69)
        >>> bool(certificate.verify(werner_state(0.6)))
        True
    """

    werner_visibility: float
    """Visibility of the Werner state W; 0 if the maps are not needed."""
    maps: FloatArray
    """The maps A and B in Pauli coordinates, shape ``(2, 4, 4)``: ``sigma_j -> sum_i maps[k, i, j] sigma_i``."""
    positive_parts: FloatArray
    """The completely positive part of each map, in the same coordinates; what is left is one after transposition."""
    measurements: MeasurementSet = field(default_factory=AllProjective)
    """For which measurements the proof holds: all projective ones, or all POVMs."""

    def __post_init__(self) -> None:
        super().__post_init__()
        werner = real_array(self.werner_visibility, "werner_visibility", CertificateError, ndim=0)
        object.__setattr__(self, "werner_visibility", float(werner))
        for name in ("maps", "positive_parts"):
            object.__setattr__(self, name, real_array(getattr(self, name), name, CertificateError))
        object.__setattr__(self, "measurements", qubit_set(self.measurements))

    @property
    def is_separable(self) -> bool:
        """Whether there is only the separable part, so that the state is local for all measurements."""
        return not np.any(self.maps)

    def __str__(self) -> str:
        if self.is_separable:
            return f"separable up to visibility {self.visibility:.9g}, so local for all measurements"
        return (
            f"local for {self.measurements} up to visibility {self.visibility:.9g}: a separable part and "
            f"images of a Werner state of visibility {self.werner_visibility:.6g}"
        )

    def verify(self, state: Any = None, *, prove_werner: bool = False) -> Verification:
        """Re-checks the decomposition in exact rational arithmetic.

        1. Each map is a completely positive map plus one that follows a transposition, and scales the trace (which is
           not needed for POVMs).
        2. The mixture minus the images of the Werner state has no negative eigenvalue, and neither has its partial
           transpose. For two qubits it is therefore separable.
        3. The Werner state is local up to ``werner_visibility``, by the certificate of the package, or for POVMs by a
           theorem.

        Args:
            state: A state or correlation tensor that the certificate should be about; default: its own.
            prove_werner: For projective measurements, whether to re-check the Werner state's certificate, which takes
                seconds.

        References:
            Horodecki et al., Phys. Lett. A 223, 1 (1996), arXiv:quant-ph/9605038 (separability of two qubits);
            E. Stormer, Acta Math. 110, 233 (1963) (positive maps of a qubit); M. J. Renner, Phys. Rev. Lett. 132,
            250202 (2024), arXiv:2309.12290, and Y. Zhang, E. Chitambar, Phys. Rev. Lett. 132, 250201 (2024) (POVMs).
        """
        another = self._not_about(state)
        if another is not None:
            return another
        if self.visibility < 0:
            return Verification(False, f"the visibility is {self.visibility}", math.inf)
        if self.maps.shape != (2, 4, 4) or self.positive_parts.shape != (2, 4, 4):
            return Verification(False, "the maps are not two of a qubit", math.inf)
        maps, parts = rational(self.maps), rational(self.positive_parts)
        rest = _mixture(rational(self.correlations.array), Fraction(self.visibility))
        failed = maps_fail(maps, parts, self.measurements)
        if failed:
            return Verification(False, failed, math.inf)
        rest = rest - images_of_werner(maps, self.werner_visibility)
        if not is_positive(rest) or not is_positive(rest * TRANSPOSED):
            return Verification(False, "what is left is not separable", math.inf)
        if self.is_separable:
            return Verification(True, f"positive partial transpose at visibility {self.visibility:.9g}: separable")
        refuted = werner_refuted(self.werner_visibility, prove_werner, self.measurements)
        if refuted is not None:
            return refuted
        reason = f"local for {self.measurements} up to visibility {self.visibility:.9g}"
        return Verification(True, f"{reason} (a separable part and images of a Werner state)")


def maps_fail(maps: Any, positive_parts: Any, measurements: MeasurementSet) -> str:
    """Returns why two maps do not turn local Werner states into local correlations, or an empty text if they do.

    They must be positive and, for projective measurements, scale the trace.

    Args:
        maps: Their rational Pauli coordinates, shape ``(2, 4, 4)``.
        positive_parts: Those of the part of each that must be completely positive; the rest of it must be after
            transposition.
        measurements: All projective measurements, or all POVMs.
    """
    for whole, part in zip(maps, positive_parts, strict=True):
        if measurements.is_projective and any(whole[0, 1:]):
            return "a map does not scale the trace"
        if not is_positive(part * TRANSPOSED) or not is_positive(whole - part):
            return "a map is not a sum of completely positive ones"
    return ""


def images_of_werner(maps: Any, werner_visibility: float) -> Any:
    """Returns the rational correlations of ``(A (x) id)(W) + (id (x) B)(W)`` for a Werner state W and the two maps."""
    werner = rational(np.diag([1.0, *[-werner_visibility] * 3]))
    return maps[0] @ werner + werner @ maps[1].T


def local_werner_visibility(measurements: MeasurementSet) -> float:
    """Returns the visibility up to which Werner states are known to be local.

    Args:
        measurements: All projective measurements, or all POVMs.
    """
    return werner_certificate().visibility if measurements.is_projective else _WERNER_OF_POVMS


def werner_refuted(werner_visibility: float, prove: bool, measurements: MeasurementSet) -> Verification | None:
    """Returns why a Werner state is not known to be local, or ``None`` if it is.

    Args:
        werner_visibility: Visibility of the Werner state.
        prove: Whether to re-check the certificate for projective measurements, which takes seconds.
        measurements: All projective measurements, or all POVMs.
    """
    known = local_werner_visibility(measurements)
    if not 0 <= werner_visibility <= known:
        reason = f"Werner states are proven local for {measurements} up to {known}, not {werner_visibility}"
        return Verification(False, reason, math.inf)
    if prove and measurements.is_projective:
        check = werner_certificate().verify(np.array([0, 1, -1, 0]) / math.sqrt(2))
        if not check:
            return replace(check, reason=f"the Werner state: {check.reason}")
    return None


def _mixture(tensor: Any, visibility: Any) -> Any:
    mixed = tensor * visibility
    mixed[0, 0] = tensor[0, 0]
    return mixed


def extend_local_models(
    state: Any, *, visibility: float = 1.0, measurements: MeasurementSet | str = "projective"
) -> ExtensionCertificate | None:
    """Proves a two-qubit state local by extending the known local models of separable states and Werner states.

    A semidefinite program finds the largest visibility, up to 2 or a little above the requested one, at which the state
    is a separable operator plus images of a local Werner state under positive maps of either qubit. Its solution is
    rounded to rational numbers that pass the exact check. Separable states need no maps.

    Args:
        state: ``DensityMatrix``, ``Statevector``, ``QuantumCircuit`` or ``CorrelationTensor`` of two qubits.
        visibility: Requested visibility. If the state is separable up to this visibility, no program is solved.
        measurements: ``"projective"``, or ``"povm"``: all POVMs.

    Returns:
        The certificate, or ``None`` if none was found. It proves the state local if its visibility is at least 1.

    Raises:
        MeasurementError: If the state is not a valid state of two qubits, or the measurements are unknown.
        ScenarioError: If the visibility is not positive.
        ImportError: If Clarabel is not installed (extra ``sdp``).

    References:
        M. Horodecki, P. Horodecki, R. Horodecki, Phys. Lett. A 223, 1 (1996), arXiv:quant-ph/9605038 (separability of
        two qubits); E. Stormer, Acta Math. 110, 233 (1963) (positive maps of a qubit); M. J. Renner, Phys. Rev. Lett.
        132, 250202 (2024), arXiv:2309.12290, and Y. Zhang, E. Chitambar, Phys. Rev. Lett. 132, 250201 (2024) (POVMs).

    Examples:
        >>> from qiskit_lhv.quantum import mix_with_noise
        >>> import numpy as np
        >>> noisy = mix_with_noise(np.array([np.cos(0.5), 0, 0, np.sin(0.5)]), 0.55)
        >>> certificate = extend_local_models(noisy)
        >>> certificate.visibility >= 1, bool(certificate.verify(noisy))
        (True, True)
    """
    tensor = tensor_of_two_qubits(state)
    visibility = positive_number(visibility, "visibility", ScenarioError)
    measured = qubit_set(measurements)
    cap = max(_MAX_VISIBILITY, _ASIDE * visibility)
    separable = separable_certificate(tensor, cap)
    if separable is not None and separable.visibility >= visibility:
        return separable
    known = local_werner_visibility(measured)
    solution = _solve(tensor, known, cap, measured)
    if solution is None:
        return separable
    extended = _rounded(tensor, solution[0], known, solution[1], solution[2], measured)
    found = [certificate for certificate in (separable, extended) if certificate is not None]
    return max(found, key=lambda certificate: certificate.visibility, default=None)


def separable_certificate(tensor: CorrelationTensor, cap: float) -> ExtensionCertificate | None:
    """Returns the certificate without maps: the visibility, at most a cap, up to which two qubits are separable."""
    none = np.zeros((2, 4, 4))
    return _rounded(tensor, _separable_visibility(tensor, cap), 0.0, none, none, POVMs(2))


def _separable_visibility(tensor: CorrelationTensor, cap: float) -> float:
    """Returns the largest visibility, up to a cap, at which the mixture and its partial transpose are positive."""
    traceless = tensor.array.copy()
    traceless[0, 0] = 0
    lowest = min(float(np.linalg.eigvalsh(_operator(part)).min()) for part in (traceless, traceless * TRANSPOSED))
    return min(cap, 1 / -lowest) if lowest < 0 else cap


def _operator(coefficients: FloatArray) -> NDArray[np.complex128]:
    return np.einsum("ij,iab,jcd->acbd", coefficients, _PAULIS, _PAULIS).reshape(4, 4)


_PAULIS = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])


def _solve(
    tensor: CorrelationTensor, known: float, cap: float, measurements: MeasurementSet
) -> tuple[float, FloatArray, FloatArray] | None:
    """Returns the largest visibility of the semidefinite program, the maps and their completely positive parts."""
    # The variables: the visibility, then the coordinates of both maps and of both parts.
    variables = np.eye(65)
    maps, parts = variables[1:].reshape(2, 2, 16, 65)
    rest = -images_of_werner_rows(maps, known)
    rest[1:, 0] += tensor.array.ravel()[1:]
    # Only projective measurements need maps that scale the trace.
    scales = maps[:, 1:4].reshape(-1, 65) if measurements.is_projective else np.empty((0, 65))
    try:
        solution = minimize_over_cones(
            "extend_local_models",
            -variables[0],
            [
                ConicRows(Cone.ZERO, scales, np.zeros(len(scales))),
                ConicRows(Cone.NONNEGATIVE, variables[:1], np.array([cap])),
                decomposition_rows(rest, maps, parts, np.zeros(65)),
            ],
        )
    except SolverError:
        return None
    found = solution.values[1:].reshape(2, 2, 4, 4)
    return float(solution.values[0]), found[0], found[1]


def _rounded(
    tensor: CorrelationTensor,
    visibility: float,
    werner: float,
    maps: FloatArray,
    parts: FloatArray,
    measurements: MeasurementSet,
) -> ExtensionCertificate | None:
    """Returns the certificate with the least white noise for which the solution passes the exact check."""
    weights = maps[:, 0, 0]
    for margin in _MARGINS:
        kept = 1 - margin
        whole, positive = kept * maps, kept * parts
        if measurements.is_projective:
            whole[:, 0, 1:] = 0
        # Adds a little of the map that turns every state into white noise, half of it to each part.
        whole[:, 0, 0] += margin * weights / 2
        positive[:, 0, 0] += margin * weights / 4
        scale = 2.0**_MAP_BITS
        candidate = ExtensionCertificate(
            visibility=math.floor(visibility * kept * scale) / scale,
            correlations=tensor,
            werner_visibility=werner,
            maps=np.rint(whole * scale) / scale,
            positive_parts=np.rint(positive * scale) / scale,
            measurements=measurements,
        )
        if candidate.verify():
            return candidate
    return None
