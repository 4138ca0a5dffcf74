"""Proofs that two-qubit states are local, from separability and from the local model of Werner states."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache, lru_cache
from importlib.resources import as_file, files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._support.types import FloatArray
from ..._support.validation import positive_number, real_array
from ...exceptions import CertificateError, MeasurementError, ScenarioError
from ...targets.correlations import CorrelationTensor
from ...verification.evidence import Evidence
from ...verification.positivity import TRANSPOSED, is_positive
from ...verification.rationals import rational
from ...verification.result import Verification
from ...verification.verdict import Verdict
from .certificate import AllProjectiveCertificate
from .tolerance import STATE_TOLERANCE

__all__ = ["ExtensionCertificate", "extend_local_models", "separable_certificate", "werner_certificate"]


# Larger caps make the solver less exact, so they follow what is asked for.
_MAX_VISIBILITY, _ASIDE = 2.0, 1.25
# Shares of white noise that make a solver's solution strictly feasible.
_MARGINS = (1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4)
_BITS = 48
_ATOL = 1e-12


@cache
def werner_certificate() -> AllProjectiveCertificate:
    """The proof, from 961 axes, that Werner states of visibility 0.6900984 are local for all projective measurements.

    It comes with the package; ``verify()`` re-checks it in exact arithmetic within seconds.
    """
    with as_file(files("qiskit_lhv").joinpath("data/werner_local.npz")) as path:
        return AllProjectiveCertificate.load(path)


@dataclass(frozen=True, eq=False, repr=False)
class ExtensionCertificate(Evidence):
    """A decomposition that shows a two-qubit state to be local for all projective measurements.

    With the singlet-Werner state W of a visibility at which it is proven local, the mixture
    ``visibility * state + (1 - visibility) * white noise`` is a separable operator plus ``(A (x) id)(W)`` plus
    ``(id (x) B)(W)``, up to normalization. A and B are positive maps that scale the trace: their adjoints take
    projective measurements of a qubit to mixtures of such, so that the model of W serves. (The images need not be
    states, nor need the mixture where the visibility exceeds 1: what matters are its correlations.)
    """

    visibility: float
    """Visibility of the state in white noise up to which it is proven local; 1 or above: the state itself is."""
    correlations: CorrelationTensor
    """The state's correlation tensor, shape ``(4, 4)``."""
    werner_visibility: float
    """Visibility of the Werner state W; 0 if the maps are not needed."""
    maps: FloatArray
    """The maps A and B in Pauli coordinates, shape ``(2, 4, 4)``: ``sigma_j -> sum_i maps[k, i, j] sigma_i``."""
    positive_parts: FloatArray
    """The completely positive part of each map, in the same coordinates; what is left is one after transposition."""

    def __post_init__(self) -> None:
        if not isinstance(self.correlations, CorrelationTensor) or self.correlations.dimensions != (2, 2):
            raise CertificateError.bad_argument(
                "correlations", expected="a correlation tensor of two qubits", got=repr(self.correlations)
            )
        for name in ("visibility", "werner_visibility"):
            number = real_array(getattr(self, name), name, CertificateError, ndim=0)
            object.__setattr__(self, name, float(number))
        for name in ("maps", "positive_parts"):
            object.__setattr__(self, name, real_array(getattr(self, name), name, CertificateError))

    @property
    def is_separable(self) -> bool:
        """Whether the separable part is all, so that the state is local for all measurements."""
        return not np.any(self.maps)

    @property
    def shows(self) -> Verdict | None:
        """``Verdict.LOCAL`` if it claims the state itself, up to white noise of weight 2e-7; else ``None``."""
        return Verdict.LOCAL if self.visibility >= 1 - STATE_TOLERANCE else None

    def __str__(self) -> str:
        if self.is_separable:
            return f"separable up to visibility {self.visibility:.9g}, so local for all measurements"
        return (
            f"local for all projective measurements up to visibility {self.visibility:.9g}: a separable part and "
            f"images of a Werner state of visibility {self.werner_visibility:.6g}"
        )

    def verify(self, state: Any = None, *, prove_werner: bool = False) -> Verification:
        """Re-checks the decomposition in exact rational arithmetic.

        1. Each map is the sum of a completely positive map and of one after transposition, and scales the trace.
        2. What is left of the mixture without the images of the Werner state has no negative eigenvalue, nor has its
           partial transpose: for two qubits it is separable.
        3. The Werner state is local up to ``werner_visibility``, by the certificate of the package.

        Args:
            state: A state or correlation tensor that the certificate should be about; default: its own.
            prove_werner: Whether to re-check the Werner state's certificate, which takes seconds.

        References:
            Horodecki et al., Phys. Lett. A 223, 1 (1996), arXiv:quant-ph/9605038 (separability of two qubits);
            E. Stormer, Acta Math. 110, 233 (1963) (positive maps of a qubit).
        """
        off = 0.0 if state is None else self.correlations.largest_difference(state)
        if not off <= _ATOL:
            return Verification(False, f"the certificate is about another state, which differs by {off:.3g}", off)
        if self.visibility < 0:
            return Verification(False, f"the visibility is {self.visibility}", math.inf)
        if self.maps.shape != (2, 4, 4) or self.positive_parts.shape != (2, 4, 4):
            return Verification(False, "the maps are not two of a qubit", math.inf)
        maps, parts = rational(self.maps), rational(self.positive_parts)
        rest = _mixture(rational(self.correlations.array), Fraction(self.visibility))
        werner = rational(np.diag([1.0, *[-self.werner_visibility] * 3]))
        for k in range(2):
            if any(maps[k, 0, 1:]):
                return Verification(False, "a map does not scale the trace", math.inf)
            if not is_positive(parts[k] * TRANSPOSED) or not is_positive(maps[k] - parts[k]):
                return Verification(False, "a map is not a sum of completely positive ones", math.inf)
            rest = rest - (maps[k] @ werner if k == 0 else werner @ maps[k].T)
        if not is_positive(rest) or not is_positive(rest * TRANSPOSED):
            return Verification(False, "what is left is not separable", math.inf)
        if self.is_separable:
            return Verification(True, f"positive partial transpose at visibility {self.visibility:.9g}: separable")
        known = werner_certificate()
        if self.werner_visibility > known.visibility or self.werner_visibility < 0:
            reason = f"Werner states are proven local up to {known.visibility}, not {self.werner_visibility}"
            return Verification(False, reason, math.inf)
        if prove_werner:
            check = known.verify(np.array([0, 1, -1, 0]) / math.sqrt(2))
            if not check:
                return replace(check, reason=f"the Werner state: {check.reason}")
        reason = f"local for all projective measurements up to visibility {self.visibility:.9g}"
        return Verification(True, f"{reason} (a separable part and images of a Werner state)")


def _mixture(tensor: Any, visibility: Any) -> Any:
    mixed = tensor * visibility
    mixed[0, 0] = tensor[0, 0]
    return mixed


def extend_local_models(state: Any, *, visibility: float = 1.0) -> ExtensionCertificate | None:
    """Proves a two-qubit state local by extending what is known: separable states and Werner states.

    A semidefinite program finds the largest visibility, up to 2 or a little above the one asked for, at which the state
    is a separable operator plus images of a local Werner state under positive maps of either qubit. Its solution is
    rounded to rational numbers that pass the exact check. Separable states need no maps.

    Args:
        state: ``DensityMatrix``, ``Statevector``, ``QuantumCircuit`` or ``CorrelationTensor`` of two qubits.
        visibility: Visibility that is asked for: a state that is separable up to there needs no program.

    Returns:
        The certificate; it proves the state local if its visibility is at least 1. ``None`` if the solver found none.

    Raises:
        MeasurementError: If the state is not one of two qubits.
        ScenarioError: If the visibility is not positive.
        ImportError: If cvxpy and Clarabel are not installed (extra ``sdp``).

    Examples:
        >>> from qiskit_lhv.quantum import mix_with_noise
        >>> import numpy as np
        >>> noisy = mix_with_noise(np.array([np.cos(0.5), 0, 0, np.sin(0.5)]), 0.55)
        >>> certificate = extend_local_models(noisy)
        >>> certificate.visibility >= 1, bool(certificate.verify(noisy))
        (True, True)
    """
    tensor = CorrelationTensor.of(state)
    if tensor.dimensions != (2, 2):
        raise MeasurementError.bad_argument("state", expected="two qubits", got=f"dimensions {tensor.dimensions}")
    visibility = positive_number(visibility, "visibility", ScenarioError)
    cap = max(_MAX_VISIBILITY, _ASIDE * visibility)
    separable = separable_certificate(tensor, cap)
    if separable is not None and separable.visibility >= visibility:
        return separable
    known = werner_certificate().visibility
    solution = _solve(tensor, known, cap)
    if solution is None:
        return separable
    extended = _rounded(tensor, solution[0], known, solution[1], solution[2])
    found = [one for one in (separable, extended) if one is not None]
    return max(found, key=lambda one: one.visibility, default=None)


def separable_certificate(tensor: CorrelationTensor, cap: float) -> ExtensionCertificate | None:
    """The certificate without maps: up to which visibility, at most a cap, two qubits are separable."""
    return _rounded(tensor, _separable_visibility(tensor, cap), 0.0, np.zeros((2, 4, 4)), np.zeros((2, 4, 4)))


def _separable_visibility(tensor: CorrelationTensor, cap: float) -> float:
    """The largest visibility, up to a cap, at which mixture and partial transpose have no negative eigenvalue."""
    traceless = tensor.array.copy()
    traceless[0, 0] = 0
    lowest = min(float(np.linalg.eigvalsh(_operator(part)).min()) for part in (traceless, traceless * TRANSPOSED))
    return min(cap, 1 / -lowest) if lowest < 0 else cap


def _operator(coefficients: FloatArray) -> NDArray[np.complex128]:
    return np.einsum("ij,iab,jcd->acbd", coefficients, _PAULIS, _PAULIS).reshape(4, 4)


_PAULIS = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])


@lru_cache(maxsize=4)
def _program(known: float, cap: float) -> tuple[Any, Any, Any, list[Any], list[Any]]:
    """The semidefinite program, which is set up once: problem, parameter, visibility, maps and their parts."""
    import cvxpy as cp

    products = np.array([[np.kron(a, b) for b in _PAULIS] for a in _PAULIS]).reshape(16, 16)

    def operator(coefficients: Any) -> Any:
        return cp.reshape(products.T @ cp.reshape(coefficients, (16,), order="C"), (4, 4), order="C")

    traceless = cp.Parameter((4, 4))
    visibility = cp.Variable()
    maps = [cp.Variable((4, 4)) for _ in range(2)]
    parts = [cp.Variable((4, 4)) for _ in range(2)]
    werner = np.diag([1.0, -known, -known, -known])
    noise = np.zeros((4, 4))
    noise[0, 0] = 1
    rest = noise + visibility * traceless - maps[0] @ werner - werner @ maps[1].T
    signs = np.tile(TRANSPOSED, (4, 1))
    constraints = [visibility <= cap, operator(rest) >> 0, operator(cp.multiply(rest, signs)) >> 0]
    for whole, part in zip(maps, parts, strict=True):
        constraints += [whole[0, 1:] == 0, operator(cp.multiply(part, signs)) >> 0, operator(whole - part) >> 0]
    return cp.Problem(cp.Maximize(visibility), constraints), traceless, visibility, maps, parts


def _solve(tensor: CorrelationTensor, known: float, cap: float) -> tuple[float, FloatArray, FloatArray] | None:
    """The largest visibility of the semidefinite program, the maps and their completely positive parts."""
    import cvxpy as cp

    problem, parameter, visibility, maps, parts = _program(known, cap)
    traceless = tensor.array.copy()
    traceless[0, 0] = 0
    parameter.value = traceless
    with warnings.catch_warnings():
        # Solutions of lower accuracy may still pass the exact check.
        warnings.simplefilter("ignore")
        try:
            problem.solve(solver=cp.CLARABEL)
        except cp.error.SolverError:
            return None
    if visibility.value is None:
        return None
    return (
        float(visibility.value),
        np.stack([one.value for one in maps]),
        np.stack([one.value for one in parts]),
    )


def _rounded(
    tensor: CorrelationTensor, visibility: float, werner: float, maps: FloatArray, parts: FloatArray
) -> ExtensionCertificate | None:
    """The certificate, with as little white noise as makes the solution pass the exact check."""
    weights = maps[:, 0, 0]
    for margin in _MARGINS:
        kept = 1 - margin
        whole, positive = kept * maps, kept * parts
        whole[:, 0, 1:] = 0
        # A little of the map that takes everything to white noise, half of it in either part.
        whole[:, 0, 0] += margin * weights / 2
        positive[:, 0, 0] += margin * weights / 4
        scale = 2.0**_BITS
        candidate = ExtensionCertificate(
            visibility=math.floor(visibility * kept * scale) / scale,
            correlations=tensor,
            werner_visibility=werner,
            maps=np.rint(whole * scale) / scale,
            positive_parts=np.rint(positive * scale) / scale,
        )
        if candidate.verify():
            return candidate
    return None
