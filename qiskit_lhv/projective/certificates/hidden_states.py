"""Proofs that two-qubit states are unsteerable, hence local, from finitely many hidden states of one qubit."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._support.highs import LinearProgram, LinearSolution
from ..._support.types import FloatArray
from ..._support.validation import positive_number, real_array, whole_number
from ...exceptions import CertificateError, ScenarioError, SolverError
from ...measurements.axes import icosahedral_directions
from ...measurements.named_sets import qubit_set
from ...measurements.qubit_sets import AllProjective
from ...measurements.sets import MeasurementSet
from ...targets.correlations import CorrelationTensor
from ...verification.hidden_states import STATE_BITS, WEIGHT_BITS, enlarged_for_povms, hidden_states_fail
from ...verification.rationals import rational
from ...verification.result import Verification
from .state_certificate import StateCertificate, tensor_of_two_qubits

__all__ = ["HiddenStateCertificate", "find_hidden_states", "hidden_state_frame", "rounded_weights"]


_MAX_AXES = 46
_MAX_VISIBILITY = 2.0
# These shares of white noise make up for the rounding of hidden states and weights.
_MARGINS = (3e-5, 2e-4, 2e-3)
_ROUNDS = 60
_CUTS = 60
_EXACT = 1e-6
# If the reduced state is purer than this, it is not filtered to white noise.
_PUREST = 1 - 1e-3


@dataclass(frozen=True, eq=False, repr=False)
class HiddenStateCertificate(StateCertificate):
    """Proof of unsteerability by finitely many hidden states of one qubit.

    Whatever projective measurement the steering party makes, the conditional states of the other party are sums of
    fractions of the hidden states: the ellipsoid of the conditional states lies inside the zonotope of the hidden
    states. For all POVMs of the steering party, the same holds with its Bloch vectors enlarged by sqrt(3/2).

    Raises:
        CertificateError: If the party is not 0 or 1, or there is not one weight per hidden state.

    References:
        H. C. Nguyen, T. Vu, EPL 115, 10003 (2016), arXiv:1604.03815; H. C. Nguyen, H.-V. Nguyen, O. Guehne, Phys. Rev.
        Lett. 122, 240401 (2019), arXiv:1808.09349; M. Oszmaniec, L. Guerini, P. Wittek, A. Acin, Phys. Rev. Lett. 119,
        190501 (2017), arXiv:1609.06139 (POVMs).

    Examples:
        >>> from qiskit_lhv import werner_state
        >>> from qiskit_lhv.projective import find_hidden_states
        >>> certificate = find_hidden_states(werner_state(0.45))
        >>> print(certificate)
        local for all projective measurements up to visibility 1.07...: unsteerable from party 0 (30 hidden states)
        >>> certificate.hidden_states.shape, certificate.weights.shape, bool(certificate.verify(werner_state(0.45)))
        ((30, 3), (30,), True)
    """

    party: int
    """The steering party, 0 or 1: the one with these measurements; those of the other may be any."""
    hidden_states: FloatArray
    """Bloch vectors of the other party, multiples of 2**-15, shape ``(K, 3)``."""
    weights: FloatArray
    """Their weights, multiples of 2**-30, shape ``(K,)``."""
    measurements: MeasurementSet = field(default_factory=AllProjective)
    """For which measurements the proof holds: all projective ones, or all POVMs."""

    def __post_init__(self) -> None:
        super().__post_init__()
        party = whole_number(self.party, "party", CertificateError, minimum=0)
        states = real_array(self.hidden_states, "hidden_states", CertificateError, ndim=2)
        weights = real_array(self.weights, "weights", CertificateError, ndim=1)
        if party > 1 or states.shape != (len(weights), 3):
            raise CertificateError.bad_argument(
                "party, hidden_states, weights",
                expected="0 or 1, shapes (K, 3) and (K,)",
                got=f"{party}, shapes {states.shape} and {weights.shape}",
            )
        object.__setattr__(self, "party", party)
        object.__setattr__(self, "hidden_states", states)
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "measurements", qubit_set(self.measurements))

    def __str__(self) -> str:
        return (
            f"local for {self.measurements} up to visibility {self.visibility:.9g}: "
            f"unsteerable from party {self.party} ({len(self.weights)} hidden states)"
        )

    def verify(self, state: Any = None) -> Verification:
        """Re-checks in exact integer arithmetic that the ellipsoid lies in the zonotope, facet by facet.

        Args:
            state: A state or correlation tensor that the certificate should be about; default: its own.

        References:
            H. C. Nguyen, T. Vu, EPL 115, 10003 (2016), arXiv:1604.03815; H. C. Nguyen, H.-V. Nguyen, O. Guehne,
            Phys. Rev. Lett. 122, 240401 (2019), arXiv:1808.09349; arXiv:1609.06139 (POVMs).
        """
        another = self._not_about(state)
        if another is not None:
            return another
        if self.visibility < 0:
            return Verification(False, "the visibility is negative", math.inf)
        mixture = rational(self.correlations.array) * Fraction(self.visibility)
        mixture[0, 0] = Fraction(1)
        steering = mixture if self.party == 0 else mixture.T
        if not self.measurements.is_projective:
            steering = enlarged_for_povms(steering)
        reason = hidden_states_fail(steering, self.hidden_states, self.weights)
        if reason:
            return Verification(False, reason, math.inf)
        reason = f"local for {self.measurements} up to visibility {self.visibility:.9g}"
        return Verification(
            True, f"{reason} (unsteerable from party {self.party}, by {len(self.weights)} hidden states)"
        )


def find_hidden_states(
    state: Any,
    *,
    num_axes: int = 16,
    party: int | None = None,
    max_visibility: float = _MAX_VISIBILITY,
    measurements: MeasurementSet | str = "projective",
) -> HiddenStateCertificate | None:
    """Proves a two-qubit state unsteerable from one of its qubits, hence local for projective measurements, or POVMs.

    A linear program chooses the weights of hidden states that lie on given axes, for the largest visibility in white
    noise. As the number of axes grows, this visibility approaches the one at which the state becomes steerable.

    Args:
        state: ``DensityMatrix``, ``Statevector``, ``QuantumCircuit`` or ``CorrelationTensor`` of two qubits.
        num_axes: Axes of the hidden states, one of ``icosahedral_sizes`` up to 46: 16 take a tenth of a second, 46 some
            seconds.
        party: The steering party, 0 or 1; default: the party that gives the higher visibility.
        max_visibility: Largest visibility considered.
        measurements: ``"projective"``, or ``"povm"``: all POVMs.

    Returns:
        The certificate, or ``None`` if none was found. It proves the state local if its visibility is at least 1.

    Raises:
        MeasurementError: If the state is not a valid state of two qubits, or there are no such axes, or the
            measurements are unknown.
        ScenarioError: If a number is out of range.

    References:
        H. C. Nguyen, T. Vu, EPL 115, 10003 (2016), arXiv:1604.03815; H. C. Nguyen, H.-V. Nguyen, O. Guehne, Phys. Rev.
        Lett. 122, 240401 (2019), arXiv:1808.09349.

    Examples:
        >>> from qiskit_lhv import werner_state
        >>> certificate = find_hidden_states(werner_state(1))
        >>> 0.48 < certificate.visibility < 0.5, bool(certificate.verify())
        (True, True)
    """
    tensor = tensor_of_two_qubits(state)
    (count,) = (whole_number(num_axes, "num_axes", ScenarioError),)
    if count > _MAX_AXES:
        raise ScenarioError.bad_argument("num_axes", expected=f"at most {_MAX_AXES}", got=f"{count}")
    cap = positive_number(max_visibility, "max_visibility", ScenarioError)
    if party is not None and whole_number(party, "party", ScenarioError, minimum=0) > 1:
        raise ScenarioError.bad_argument("party", expected="0 or 1", got=f"{party}")
    measured = qubit_set(measurements)
    found = [_search(tensor, k, count, cap, measured) for k in ((0, 1) if party is None else (party,))]
    return max(
        (certificate for certificate in found if certificate is not None),
        key=lambda certificate: certificate.visibility,
        default=None,
    )


@lru_cache(maxsize=4)
def _table(count: int) -> tuple[FloatArray, FloatArray]:
    """Returns hidden states ``(1, u)`` on given axes, and the normals of all facets of their zonotopes, up to sign."""
    axes = icosahedral_directions(count)
    states = np.hstack([np.ones((2 * count, 1)), np.concatenate([axes, -axes])])
    triples = np.array(list(itertools.combinations(range(len(states)), 3)))
    a, b, c = (states[triples[:, k]] for k in range(3))
    normals = np.empty((len(triples), 4))
    for k in range(4):
        kept = [i for i in range(4) if i != k]
        normals[:, k] = (-1) ** k * np.einsum("ij,ij->i", a[:, kept], np.cross(b[:, kept], c[:, kept]))
    lengths = np.linalg.norm(normals, axis=1)
    normals = normals[lengths > 1e-9] / lengths[lengths > 1e-9, None]
    # Many facets are parallel, since the axes are symmetric.
    first = np.argmax(np.abs(normals) > 1e-9, axis=1)
    normals *= np.sign(normals[np.arange(len(normals)), first])[:, None]
    return states, np.unique(np.round(normals, 9), axis=0)


def hidden_state_frame(tensor: FloatArray, count: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Returns hidden states that suit a state, with the normals of the facets of their zonotopes.

    They lie on icosahedral axes after a filter has made the steered party's reduced state maximally mixed.

    Args:
        tensor: Shape ``(4, 4)``, the steering party's index first.
        count: Number of axes.

    Returns:
        Hidden states ``(1, u)``, rounded, shape ``(2 count, 4)``; normals C, shape ``(F, 4)``, almost exactly; and the
        widths ``|C . (1, u)|``, shape ``(F, 2 count)``.
    """
    states, normals = _table(count)
    b = tensor[0, 1:]
    squared = float(b @ b)
    boost = np.eye(4)
    if 0 < squared < _PUREST**2:
        factor = 1 / math.sqrt(1 - squared)
        boost[0, 0] = factor
        boost[0, 1:] = boost[1:, 0] = factor * b
        boost[1:, 1:] += (factor - 1) * np.outer(b, b) / squared
    turned = states @ boost.T
    vectors = turned[:, 1:] / turned[:, :1]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    scale = 2.0**STATE_BITS
    rounded = np.hstack([np.ones((len(vectors), 1)), np.trunc(vectors * scale) / scale])
    normals = normals @ np.linalg.inv(boost)
    normals = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    return rounded, normals, np.abs(normals @ rounded.T)


def rounded_weights(weights: FloatArray) -> FloatArray:
    """Returns slightly smaller weights, as multiples of 2**-30, whose remainder is itself a hidden state."""
    scale = 2.0**WEIGHT_BITS
    return np.floor(np.maximum(weights, 0) * (1 - 1e-6) * scale) / scale


def _search(
    tensor: CorrelationTensor, party: int, count: int, cap: float, measurements: MeasurementSet
) -> HiddenStateCertificate | None:
    array = tensor.array if party == 0 else tensor.array.T
    if not measurements.is_projective:
        array = enlarged_for_povms(array)
    states, normals, widths = hidden_state_frame(array, count)
    program = _Program(array, states, normals, widths, cap)
    try:
        best = program.largest_visibility()
        for margin in _MARGINS:
            visibility = best * (1 - margin)
            weights = rounded_weights(program.weights_inside(visibility))
            kept = weights > 0
            certificate = HiddenStateCertificate(
                visibility, tensor, party, states[kept, 1:], weights[kept], measurements
            )
            if certificate.verify():
                return certificate
    except SolverError:
        pass
    return None


class _Program:
    """The linear program for the weights, in which facets become constraints as they are found to be violated.

    Its columns are the visibility v, a slack s and the weights q_k; its rows demand ``sum q_k (1, u_k) = (1, v b)`` and
    ``sum q_k |C . (1, u_k)| - v |M C| - s * (mean width) >= 0`` for facets C.
    """

    def __init__(
        self, tensor: FloatArray, states: FloatArray, normals: FloatArray, widths: FloatArray, cap: float
    ) -> None:
        self.widths = widths
        self.means = widths.mean(axis=1)
        self.radii = np.linalg.norm(normals @ tensor[1:].T, axis=1)
        self._program = LinearProgram("find_hidden_states")
        size = len(states)
        self._program.add_columns(
            np.concatenate([[-1.0], np.zeros(size + 1)]), upper=np.concatenate([[cap, 0.0], np.full(size, np.inf)])
        )
        means = np.column_stack([np.concatenate([[0.0], -tensor[0, 1:]]), np.zeros(4), states.T])
        self._program.add_rows(np.eye(4)[0], np.eye(4)[0], means)
        self._cuts: set[int] = set()
        self._cut(np.argsort(-self.radii / self.means, kind="stable")[: 2 * _CUTS])

    def _cut(self, facets: NDArray[np.intp]) -> None:
        new = [facet for facet in facets.tolist() if facet not in self._cuts]
        self._cuts.update(new)
        rows = np.column_stack([-self.radii[new], -self.means[new], self.widths[new]])
        self._program.add_rows(0.0, np.inf, rows)

    def largest_visibility(self) -> float:
        """Returns the largest visibility at which suitable weights exist."""
        best = 0.0

        def grow(solution: LinearSolution) -> bool:
            nonlocal best
            found = solution.values
            ratios = (self.widths @ found[2:]) / np.maximum(self.radii, 1e-12)
            best = max(best, min(float(found[0]), float(ratios.min())))
            if ratios.min() >= found[0] - _EXACT:
                return False
            worst = np.argsort(ratios, kind="stable")[:_CUTS]
            self._cut(worst[ratios[worst] < found[0] - _EXACT / 10])
            return True

        solution, finished = self._program.solve_growing(grow, _ROUNDS)
        return float(solution.values[0]) if finished else best

    def weights_inside(self, visibility: float) -> FloatArray:
        """Returns weights for a smaller visibility that stay as far as possible from the facets."""
        self._program.change_column(0, cost=0.0, lower=visibility, upper=visibility)
        self._program.change_column(1, cost=-1.0, lower=-np.inf, upper=np.inf)

        def grow(solution: LinearSolution) -> bool:
            slack = (self.widths @ solution.values[2:] - visibility * self.radii) / self.means
            if slack.min() >= 0.5 * solution.values[1] > 0:
                return False
            worst = np.argsort(slack, kind="stable")[:_CUTS]
            fresh = np.array([facet for facet in worst.tolist() if facet not in self._cuts], dtype=np.intp)
            if not len(fresh):
                return False
            self._cut(fresh)
            return True

        solution, _ = self._program.solve_growing(grow, _ROUNDS)
        return solution.values[2:]
