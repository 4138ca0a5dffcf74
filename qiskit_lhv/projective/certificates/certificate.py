"""The certificate from polyhedra that a state is local for all projective measurements, or for all POVMs."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._support.types import FloatArray, IntArray
from ..._support.validation import frozen, real_array, whole_array
from ...exceptions import CertificateError, MeasurementError
from ...measurements.named_sets import projective_members, qubit_set
from ...measurements.qubit_sets import AllProjective
from ...measurements.sets import MeasurementSet
from ...targets.correlations import CorrelationTensor
from ...targets.qubits import planar_tensor
from ...verification.evidence import Evidence
from ...verification.projective import Proof, ProofError, proven_visibility
from ...verification.result import Verification
from ...verification.verdict import Verdict
from .tolerance import STATE_TOLERANCE

__all__ = ["CLAIM_DIGITS", "AllProjectiveCertificate", "claimed_visibility"]


# Claims are rounded down to this number of decimals, so that the check gives the same claim on every machine.
CLAIM_DIGITS = 7
_TREMBLE = Fraction(1, 10**11)


@dataclass(frozen=True, eq=False, repr=False)
class AllProjectiveCertificate(Evidence):
    """A proof that a state of qubits, mixed with noise, is local for all projective measurements, or for all POVMs.

    The mixture ``mixture_visibility * state + (1 - mixture_visibility) * noise`` consists, up to a small
    residual, of product states and of a local model on the directions of polyhedra; see :meth:`verify`.

    Raises:
        CertificateError: If shapes or numbers do not fit each other.
        MeasurementError: If the directions are no arrays of numbers.

    References:
        F. Hirsch, M. T. Quintino, T. Vertesi, M. Navascues, N. Brunner, Quantum 1, 3 (2017), arXiv:1609.06114; S.
        Designolle, G. Iommazzo, M. Besancon, S. Knebel, P. Gelss, S. Pokutta, Phys. Rev. Res. 5, 043059 (2023),
        arXiv:2302.04721 (polyhedra); M. Oszmaniec, L. Guerini, P. Wittek, A. Acin, Phys. Rev. Lett. 119, 190501 (2017),
        arXiv:1609.06139 (POVMs).

    Examples:
        >>> from qiskit_lhv import certify_all_projective, werner_state
        >>> from qiskit_lhv.projective import ProofSearch
        >>> certificate = certify_all_projective(werner_state(1), directions=6, search=ProofSearch(goal=0.4), seed=1)
        >>> print(certificate)
        local for all projective measurements up to visibility 0.4... in white noise (6 x 6 axes, ...)
        >>> [axes.shape for axes in certificate.directions], len(certificate.sources)  # relabelings
        ([(6, 3), (6, 3)], 240)
        >>> bool(certificate.verify(werner_state(1)))
        True
    """

    visibility: float
    """Visibility up to which the state is proven local, rounded down to 7 decimals."""
    correlations: CorrelationTensor
    """The state's correlation tensor, shape ``(4,) * N``."""
    mixture_visibility: float
    """Visibility at which the model was made, before noise absorbed its residual."""
    directions: tuple[FloatArray, ...]
    """Bloch vectors of each party, shape ``(m_k, 3)``, multiples of 2**-30."""
    triangles: tuple[IntArray, ...]
    """Triangles of each polyhedron: numbers i < m_k stand for n_i, m_k + i for -n_i; shape ``(F_k, 3)``."""
    weights: FloatArray
    """Weights of the strategies, multiples of 2**-40, shape ``(K,)``."""
    strategies: NDArray[np.int8]
    """Outcomes for each party's directions, shape ``(K, m_1 + ... + m_N)``; averaged over the relabelings."""
    sources: NDArray[np.int16]
    """Relabelings, shape ``(G, m_1 + ... + m_N)``: the setting whose place each setting takes."""
    flips: NDArray[np.int8]
    """Whether it also flips the outcome, same shape."""
    product_weights: FloatArray
    """Weights of the product states, multiples of 2**-40, shape ``(P,)``."""
    product_vectors: FloatArray
    """Bloch vectors of their parties, shape ``(P, N, 3)``, multiples of 2**-30."""
    noise: AllProjectiveCertificate | None = None
    """For noise that is not white: its own proof, beyond visibility 1 in white noise. ``None``: white noise."""
    measurements: MeasurementSet = field(default_factory=AllProjective)
    """For which measurements it is local: all projective ones, those in a coordinate plane, or all POVMs. In a plane
    ``correlations`` have no entries across it, and the last direction of each party is a point far above it."""

    def __post_init__(self) -> None:
        n = self.correlations.num_parties if isinstance(self.correlations, CorrelationTensor) else 0
        if not n or set(self.correlations.dimensions) != {2}:
            raise CertificateError.bad_argument(
                "correlations", expected="a correlation tensor of qubits", got=repr(self.correlations)
            )
        if self.noise is not None and (
            not isinstance(self.noise, AllProjectiveCertificate)
            or self.noise.correlations.array.shape != self.correlations.array.shape
            or self.noise.noise is not None
        ):
            raise CertificateError.bad_argument(
                "noise", expected=f"a certificate of {n} qubits in white noise", got=repr(self.noise)
            )
        object.__setattr__(self, "measurements", qubit_set(self.measurements))
        directions = tuple(real_array(d, "directions", MeasurementError, ndim=2) for d in self.directions)
        if len(directions) != n or any(d.shape[1] != 3 for d in directions) or len(self.triangles) != n:
            raise CertificateError.bad_argument(
                "directions, triangles", expected=f"one array for each of {n} parties", got="others"
            )
        total = sum(len(d) for d in directions)
        vectors = real_array(self.product_vectors, "product_vectors", CertificateError)
        if vectors.ndim != 3 or vectors.shape[1:] != (n, 3):
            raise CertificateError.bad_argument(
                "product_vectors", expected=f"shape (P, {n}, 3)", got=f"shape {vectors.shape}"
            )
        arrays: dict[str, NDArray[Any]] = {
            "weights": real_array(self.weights, "weights", CertificateError, ndim=1),
            "strategies": _whole(self.strategies, "strategies", np.int8),
            "sources": _whole(self.sources, "sources", np.int16),
            "flips": _whole(self.flips, "flips", np.int8),
            "product_weights": real_array(self.product_weights, "product_weights", CertificateError, ndim=1),
            "product_vectors": vectors,
        }
        if arrays["strategies"].shape != (len(arrays["weights"]), total) or len(vectors) != len(
            arrays["product_weights"]
        ):
            raise CertificateError.bad_argument(
                "strategies", expected=f"shape {(len(arrays['weights']), total)}", got=f"{arrays['strategies'].shape}"
            )
        for name in ("visibility", "mixture_visibility"):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and math.isfinite(value)):
                raise CertificateError.bad_argument(name, expected="a finite number", got=repr(value))
            object.__setattr__(self, name, float(value))
        object.__setattr__(self, "directions", directions)
        triangles = tuple(_whole(t, "triangles", np.int64) for t in self.triangles)
        if any(t.shape[1] != 3 for t in triangles):
            raise CertificateError.bad_argument("triangles", expected="shape (F, 3)", got=f"{triangles[0].shape}")
        object.__setattr__(self, "triangles", triangles)
        for name, array in arrays.items():
            object.__setattr__(self, name, array)

    @property
    def shows(self) -> Verdict | None:
        """``Verdict.LOCAL`` if the certificate covers the state with at most 2e-7 of white noise, else ``None``."""
        return Verdict.LOCAL if self.visibility >= 1 - STATE_TOLERANCE else None

    def __str__(self) -> str:
        sizes = " x ".join(str(len(d) - self._in_plane) for d in self.directions)
        noise = "white" if self.noise is None else "its"
        return (
            f"local for {self.measurements} up to visibility {self.visibility:.7g} in {noise} noise "
            f"({sizes} axes, {len(self.weights)} strategies, {len(self.product_weights)} product states)"
        )

    @property
    def _in_plane(self) -> bool:
        return not projective_members(self.measurements).coordinates.all()

    def with_claim(self, visibility: float) -> AllProjectiveCertificate:
        """Returns the same proof with another claimed visibility.

        Args:
            visibility: The claimed visibility, which ``verify`` compares with the proof.
        """
        return dataclasses.replace(self, visibility=visibility)

    def verify(self, state: Any = None, noise: Any = None) -> Verification:
        """Re-checks the whole proof in exact rational arithmetic, without the code that found it.

        1. Each party's triangles form a closed surface around the origin; eta is the distance from the origin to it.
           For POVMs, eta is multiplied by sqrt(2/3): a POVM whose Bloch vectors are shrunk so much is a mixture of
           projective measurements.
        2. The strategies, averaged over the relabelings, and the product states form a local model.
        3. Their correlators are compared with those of the mixture, each non-identity index scaled by 1 / eta.
        4. White noise absorbs the difference, block by block; the visibility that remains is the proven one.

        Args:
            state: A state or correlation tensor that the certificate should be about; default: its own.
            noise: The noise that the certificate should be about; default: its own.

        Returns:
            Whether the proof holds and shows exactly the claimed visibility.

        References:
            arXiv:1609.06114, arXiv:2302.04721 (polyhedra); arXiv:1609.06139 (POVMs; the proof is in the source of the
            check).
        """
        white = CorrelationTensor.white_noise(self.correlations.dimensions)
        own_noise = white if self.noise is None else self.noise.correlations
        for what, given, own in (("state", state, self.correlations), ("noise", noise, own_noise)):
            off = 0.0 if given is None else _difference(given, own, self.measurements)
            if not off <= 1e-12:
                return Verification(False, f"the certificate is about another {what}, which differs by {off:.3g}", off)
        across = max(
            _difference(correlations, correlations, self.measurements)
            for correlations in (self.correlations, own_noise)
        )
        if across:
            return Verification(False, f"there are correlations that {self.measurements} do not see", across)
        of_noise: Fraction | None = None
        if self.noise is not None:
            if not self.noise.measurements.covers(self.measurements):
                return Verification(False, f"the proof for the noise is not about {self.measurements}", math.inf)
            check = self.noise.verify()
            if not check:
                return dataclasses.replace(check, reason=f"the proof for the noise: {check.reason}")
            of_noise = Fraction(self.noise.visibility)
        try:
            proven, inradii, absorbed = proven_visibility(self.proof(), of_noise)
        except ProofError as exc:
            return Verification(False, str(exc), math.inf)
        # The witness of the residual's norm comes from floats, whose last digits may differ on other machines.
        claims = [claimed_visibility(proven + shift) for shift in (0, _TREMBLE, -_TREMBLE)]
        if Fraction(self.visibility) > proven or self.visibility not in claims:
            return Verification(
                False,
                f"the proof shows visibility {claims[0]:.{CLAIM_DIGITS}f}, the claim is {self.visibility!r}",
                abs(self.visibility - claims[0]),
            )
        eta2 = ", ".join(f"{value:.7f}" for value in sorted(set(inradii)))
        return Verification(
            True,
            f"local for {self.measurements} up to visibility {self.visibility:.{CLAIM_DIGITS}f}: "
            f"squared inradius {eta2}, residual absorbed by noise of relative weight {absorbed:.3g}",
            absorbed,
        )

    def proof(self) -> Proof:
        """Returns the parts of the proof in the form that the exact check needs."""
        return Proof(
            tensor=self.correlations.array,
            noise=None if self.noise is None else self.noise.correlations.array,
            mixture_visibility=self.mixture_visibility,
            directions=self.directions,
            triangles=self.triangles,
            weights=self.weights,
            strategies=self.strategies,
            sources=self.sources,
            flips=self.flips,
            product_weights=self.product_weights,
            product_vectors=self.product_vectors,
            for_povms=not self.measurements.is_projective,
        )


def _difference(given: Any, own: CorrelationTensor, measurements: MeasurementSet) -> float:
    """Returns the largest difference between the correlations of a state and a certificate that measurements see."""
    tensor = CorrelationTensor.of(given)
    if tensor.dimensions == own.dimensions:
        tensor = planar_tensor(tensor, measurements)
    return own.largest_difference(tensor)


def claimed_visibility(proven: Fraction) -> float:
    """Returns the proven visibility, rounded down to the number of digits that a certificate claims."""
    claim = math.floor(proven * 10**CLAIM_DIGITS) / 10**CLAIM_DIGITS
    return claim if Fraction(claim) <= proven else math.nextafter(claim, 0)


def _whole(array: Any, name: str, dtype: Any) -> NDArray[Any]:
    if isinstance(array, np.ndarray) and array.dtype == dtype and array.ndim == 2:
        # The entries come from a saved file and need no check here; large proofs have millions of them.
        return frozen(array)
    numbers = whole_array(array, name, CertificateError, ndim=2)
    info = np.iinfo(dtype)
    if numbers.size and (numbers.min() < info.min or numbers.max() > info.max):
        raise CertificateError.bad_argument(name, expected=f"numbers of type {np.dtype(dtype)}", got="larger ones")
    return frozen(numbers.astype(dtype))
