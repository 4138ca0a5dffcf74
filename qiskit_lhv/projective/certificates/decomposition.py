"""Separable states of any dimensions: product states, and a rest that is near white noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from ..._support.deadlines import Deadline
from ..._support.types import ComplexArray, FloatArray
from ..._support.validation import frozen, generator, probability, real_array
from ...exceptions import CertificateError, MeasurementError
from ...measurements.effect_sets import POVMs
from ...targets.correlations import CorrelationTensor
from ...targets.operator_basis import hermitian_basis
from ...targets.qubits import MAX_PARTIES, require_small
from ...verification.gell_mann import basis_norms, coordinates_of_vector
from ...verification.rationals import rational
from ...verification.result import Verification
from .state_certificate import StateCertificate
from .tolerance import STATE_TOLERANCE

__all__ = ["DecompositionCertificate", "decompose"]

# The rest's distance from white noise is compared with the radius after this much was added to its square.
_RELATIVE, _ABSOLUTE = Fraction(1, 2**40), Fraction(1, 2**80)
# Shares of white noise that are set aside for the rest, the smallest first.
_SHARES = (0.01, 0.1)
# Steps, fewer for large states, and product states that are added in each of them.
_MAX_STEPS = 150
_STEPS_ON_BOUNDARY = 12
_COORDINATES_IN_ALL = 12_000
_ADDED = 8
_STARTS = 24
_SWEEPS = 30
_BISECTIONS = 5
# Smaller shares of the ball would not be far above the errors of the coordinates.
_LEAST_SHARE = Fraction(1, 2**40)


@dataclass(frozen=True, eq=False, repr=False)
class DecompositionCertificate(StateCertificate):
    """Proof that a state is separable: a mixture of product states and of a state in a ball around white noise.

    All states in that ball are separable, so the state is local for all measurements, including POVMs.

    Raises:
        CertificateError: If weights and vectors do not fit each other or the state.

    References:
        E. G. Gilbert, SIAM J. Control 4, 61 (1966) (the search); L. Gurvits, H. Barnum, Phys. Rev. A 66, 062311 (2002),
        arXiv:quant-ph/0204159 (the ball, two parties); Phys. Rev. A 68, 042312 (2003), arXiv:quant-ph/0302102 (more
        parties).

    Examples:
        >>> from qiskit_lhv.projective import decompose
        >>> from qiskit_lhv.quantum import isotropic_state
        >>> certificate = decompose(isotropic_state(0.2, 3))  # two qutrits
        >>> print(certificate)
        separable up to visibility 1, so local for all measurements (... product states and a rest near white noise)
        >>> bool(certificate.verify(isotropic_state(0.2, 3))), [vectors.shape[1] for vectors in certificate.vectors]
        (True, [3, 3])
    """

    most_qubits = MAX_PARTIES
    of_any_dimension = True

    weights: FloatArray
    """Weights of the product states, shape ``(K,)``; what is missing to 1 is the weight of the rest."""
    vectors: tuple[ComplexArray, ...]
    """Vectors of each party, shape ``(K, D_k)``, of any length above zero."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "weights", real_array(self.weights, "weights", CertificateError, ndim=1))
        dimensions = self.correlations.dimensions
        vectors = []
        for own in self.vectors:
            parts = [real_array(part(own), "vectors", CertificateError, ndim=2) for part in (np.real, np.imag)]
            vectors.append(frozen(parts[0] + 1j * parts[1]))
        shapes = [own.shape for own in vectors]
        if shapes != [(len(self.weights), dimension) for dimension in dimensions]:
            raise CertificateError.bad_argument(
                "vectors", expected=f"one for each weight and party, of dimensions {dimensions}", got=f"shapes {shapes}"
            )
        object.__setattr__(self, "vectors", tuple(vectors))

    @property
    def measurements(self) -> POVMs:
        """For which measurements the proof holds: all POVMs of each party, named by the set of a qubit."""
        return POVMs()

    def __str__(self) -> str:
        return (
            f"separable up to visibility {self.visibility:.9g}, so local for all measurements "
            f"({len(self.weights)} product states and a rest near white noise)"
        )

    def verify(self, state: Any = None) -> Verification:
        """Re-checks in exact arithmetic that what the product states leave lies in the ball around white noise.

        Args:
            state: A state or correlation tensor that the certificate should be about; default: its own.

        References:
            L. Gurvits and H. Barnum, arXiv:quant-ph/0204159 (two parties), arXiv:quant-ph/0302102 (more parties).
        """
        another = self._not_about(state)
        if another is not None:
            return another
        if self.visibility < 0:
            return Verification(False, "the visibility is negative", math.inf)
        weights = rational(self.weights)
        share = 1 - sum(weights, Fraction(0))
        if share < 0 or any(weight < 0 for weight in weights):
            return Verification(False, "the weights are not those of a mixture", math.inf)
        if 0 < share < _LEAST_SHARE:
            return Verification(False, "the share of the ball is not above the errors of coordinates", math.inf)
        dimensions = self.correlations.dimensions
        rest = rational(self.correlations.array) * Fraction(self.visibility)
        for j, weight in enumerate(weights):
            product = np.array(weight, dtype=object)
            for own in self.vectors:
                product = np.multiply.outer(product, np.array(coordinates_of_vector(own[j]), dtype=object))
            rest = rest - product
        rest.flat[0] = Fraction(0)
        distance = _squared_length(rest, dimensions)
        allowed = share**2 * squared_radius(dimensions)
        # Errors of the coordinates are below 2**-90 for any number of parties that is allowed.
        if share and distance * (1 + _RELATIVE) + _ABSOLUTE * share**2 > allowed:
            return Verification(False, "the rest is too far from white noise", float(distance - allowed))
        if not share and distance > 0:
            return Verification(False, "the product states do not add up to the state", float(distance))
        return Verification(True, f"a mixture of product states at visibility {self.visibility:.9g}: separable")


def squared_radius(dimensions: Sequence[int]) -> Fraction:
    """Returns the square of a Frobenius distance from white noise within which all states are separable.

    Args:
        dimensions: Dimension of each party's space.
    """
    size = math.prod(dimensions)
    if len(dimensions) == 2:
        return Fraction(1, size * (size - 1))
    return Fraction(4, 2 ** len(dimensions) * size**2)


def _squared_length(rest: Any, dimensions: Sequence[int]) -> Fraction:
    """Returns the squared Frobenius norm of the operator with these correlations."""
    squares = rest * rest
    for dimension in reversed(dimensions):
        squares = squares @ np.array([1 / norm for norm in basis_norms(dimension)], dtype=object)
    return Fraction(squares)


def decompose(
    state: Any,
    *,
    visibility: float = 1.0,
    highest: bool = False,
    time_limit: float | None = None,
    seed: int | None = 0,
) -> DecompositionCertificate | None:
    """Proves a state separable by an explicit mixture of product states.

    The nearest mixture is approached by adding, again and again, the product state that reduces the distance most, and
    choosing the best weights of all of them; see E. G. Gilbert, SIAM J. Control 4, 61 (1966).

    Args:
        state: ``DensityMatrix``, ``Statevector``, ``QuantumCircuit`` or ``CorrelationTensor`` of 2 to 6 parties with at
            most 64 dimensions in all.
        visibility: Visibility in white noise at which the state is to be proven separable, from 0 to 1.
        highest: Whether to look for the highest visibility below that one if it fails.
        time_limit: Seconds; default: no limit.
        seed: Seed of the starts of the search for product states.

    Returns:
        The certificate, or ``None`` if none was found: then the state may be entangled, or near those that are.

    Raises:
        MeasurementError: If the state is not valid or too large, or the visibility is out of range.

    References:
        E. G. Gilbert, SIAM J. Control 4, 61 (1966) (the search); L. Gurvits, H. Barnum, Phys. Rev. A 66, 062311 (2002),
        arXiv:quant-ph/0204159 (the ball, two parties); Phys. Rev. A 68, 042312 (2003), arXiv:quant-ph/0302102 (more
        parties).

    Examples:
        >>> from qiskit_lhv.projective import decompose
        >>> from qiskit_lhv.quantum import isotropic_state
        >>> print(bool(decompose(isotropic_state(0.2, 3)).verify()), decompose(isotropic_state(0.3, 3)))
        True None
    """
    tensor = CorrelationTensor.of(state)
    require_small(tensor)
    visibility = probability(visibility, "visibility", MeasurementError)
    rng, deadline = generator(seed), Deadline(time_limit)
    search = _ProductSearch(tensor, rng, deadline)
    ball = search.ball()
    if ball.visibility >= visibility:
        return DecompositionCertificate(visibility, tensor, ball.weights, ball.vectors)
    found = search.at(visibility)
    if found is None and visibility == 1:
        # Pure product states, for instance, are on the boundary of the separable ones.
        found = search.on_the_boundary()
    if found is not None or not highest:
        return found
    best, low, high = ball, ball.visibility, visibility
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        found = search.at(middle)
        if found is None:
            high = middle
        else:
            best, low = found, middle
    return best


class _ProductSearch:
    """The search for product states whose mixture is near a state."""

    def __init__(self, tensor: CorrelationTensor, rng: np.random.Generator, deadline: Deadline) -> None:
        self.tensor, self.rng, self.deadline = tensor, rng, deadline
        self.dimensions = tensor.dimensions
        scales = [np.array([float(norm) ** -0.5 for norm in basis_norms(d)]) for d in self.dimensions]
        # In these coordinates the Euclidean norm is the Frobenius norm.
        self.bases = [
            hermitian_basis(d) * scale[:, None, None] for d, scale in zip(self.dimensions, scales, strict=True)
        ]
        self.scale = np.ones(())
        for own in scales:
            self.scale = np.multiply.outer(self.scale, own)
        self.target = tensor.array * self.scale
        self.target.flat[0] = 0
        self.radius = math.sqrt(squared_radius(self.dimensions))
        self.rows = np.empty((0, self.target.size))
        self.vectors = [np.empty((0, d), dtype=complex) for d in self.dimensions]

    def ball(self) -> DecompositionCertificate:
        """Returns the proof without product states, at the highest visibility."""
        length = float(np.linalg.norm(self.target))
        reached = min(1.0, self.radius / length * (1 - 1e-9)) if length else 1.0
        none = tuple(np.empty((0, d), dtype=complex) for d in self.dimensions)
        return DecompositionCertificate(reached, self.tensor, np.empty(0), none)

    def at(self, visibility: float) -> DecompositionCertificate | None:
        """Returns a proof at a visibility, or ``None``."""
        return self._with_shares(visibility, _SHARES, _MAX_STEPS)

    def on_the_boundary(self) -> DecompositionCertificate | None:
        """Returns a proof with as little white noise as the tolerance for states allows, or ``None``."""
        return self._with_shares(1 - 0.75 * STATE_TOLERANCE, (0.5 * STATE_TOLERANCE,), _STEPS_ON_BOUNDARY)

    def _with_shares(self, visibility: float, shares: Sequence[float], steps: int) -> DecompositionCertificate | None:
        for share in shares:
            weights = self._weights(self.target * visibility / (1 - share), share / (1 - share) * self.radius, steps)
            if weights is None:
                continue
            kept = np.flatnonzero(weights > 0)
            scaled = weights[kept] * ((1 - share) / weights.sum())
            certificate = DecompositionCertificate(
                visibility, self.tensor, scaled, tuple(own[kept] for own in self.vectors)
            )
            if certificate.verify():
                return certificate
        return None

    def _weights(self, target: FloatArray, allowed: float, steps: int) -> FloatArray | None:
        """Returns weights of product states whose mixture is nearer to the target than allowed, or ``None``."""
        from scipy.optimize import nnls

        flat = target.ravel()
        # A large last coordinate makes the weights add up to 1.
        heavy = 10.0
        for _ in range(max(1, min(steps, _COORDINATES_IN_ALL // len(flat)))):
            if len(self.rows):
                matrix = np.vstack([self.rows.T, np.full(len(self.rows), heavy)])
                weights = nnls(matrix, np.append(flat, heavy), maxiter=100 * matrix.shape[1])[0]
                weights /= weights.sum()
                # What gets no weight is rarely needed later.
                used = np.flatnonzero(weights > 0)
                self.rows, weights = self.rows[used], weights[used]
                self.vectors = [own[used] for own in self.vectors]
                rest = flat - weights @ self.rows
                if np.linalg.norm(rest) <= allowed * (1 - 1e-6):
                    return np.asarray(weights)
            else:
                weights, rest = np.empty(0), flat
            if self.deadline.over:
                return None
            vectors, rows = self._products(rest.reshape(self.target.shape))
            # The rest's overlap with every product state is at most the best one's; the target's is larger: entangled.
            gap = float(rest @ flat) - float((rows @ rest).max())
            if gap > allowed * float(np.linalg.norm(rest)):
                return None
            self.rows = np.vstack([self.rows, rows])
            self.vectors = [np.vstack(pair) for pair in zip(self.vectors, vectors, strict=True)]
        return None

    def _products(self, direction: FloatArray) -> tuple[list[ComplexArray], FloatArray]:
        """Returns product states with large overlap with an operator, and their coordinates without the trace."""
        n = len(self.dimensions)
        vectors = [
            self.rng.normal(size=(_STARTS, d)) + 1j * self.rng.normal(size=(_STARTS, d)) for d in self.dimensions
        ]
        vectors = [own / np.linalg.norm(own, axis=1, keepdims=True) for own in vectors]
        values = np.full(_STARTS, -np.inf)
        for _ in range(_SWEEPS):
            for k in range(n):
                slopes = np.broadcast_to(np.moveaxis(direction, k, -1), (_STARTS, *np.moveaxis(direction, k, -1).shape))
                for j in range(n):
                    if j != k:
                        slopes = np.einsum("zi...,zi->z...", slopes, self._coordinates(vectors[j], j))
                operators = np.tensordot(slopes, self.bases[k], axes=(1, 0))
                energies, states = np.linalg.eigh(operators)
                vectors[k] = states[:, :, -1]
            if np.all(energies[:, -1] - values < 1e-9 * np.abs(energies[:, -1]).max()):
                break
            values = energies[:, -1]
        rows = np.ones((_STARTS, 1))
        for k in range(n):
            rows = (rows[:, :, None] * self._coordinates(vectors[k], k)[:, None, :]).reshape(_STARTS, -1)
        rows[:, 0] = 0
        overlaps = rows @ direction.ravel()
        # Starts that reached the same product state count once.
        kept: list[int] = []
        for i in np.argsort(-overlaps).tolist():
            if len(kept) < _ADDED and all(np.linalg.norm(rows[i] - rows[j]) > 1e-3 for j in kept):
                kept.append(i)
        return [own[kept] for own in vectors], rows[kept]

    def _coordinates(self, vectors: ComplexArray, party: int) -> FloatArray:
        return np.einsum("za,iab,zb->zi", vectors.conj(), self.bases[party], vectors, optimize=True).real
