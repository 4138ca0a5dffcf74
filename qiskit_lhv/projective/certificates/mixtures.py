"""Proofs that two-qubit states are local as mixtures of separable, unsteerable and Werner states."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from ..._support.deadlines import Deadline
from ..._support.types import FloatArray
from ..._support.validation import positive_number, real_array, whole_number
from ...exceptions import CertificateError, ScenarioError
from ...measurements.named_sets import qubit_set
from ...measurements.qubit_sets import AllProjective
from ...measurements.sets import MeasurementSet
from ...verification.hidden_states import enlarged_for_povms, hidden_states_fail
from ...verification.positivity import TRANSPOSED, is_positive
from ...verification.rationals import rational
from ...verification.result import Verification
from .extensions import images_of_werner, local_werner_visibility, maps_fail, werner_refuted
from .hidden_states import rounded_weights
from .mixture_program import MixtureProgram
from .state_certificate import StateCertificate, tensor_of_two_qubits

__all__ = ["MixtureCertificate", "mix_local_models"]


_MAX_VISIBILITY = 2.0
_MAX_AXES = 46
_MARGINS = (3e-5, 3e-4, 3e-3)
_SHARE_OF_PROOF = 0.4
_MAP_BITS = 48


@dataclass(frozen=True, eq=False, repr=False)
class MixtureCertificate(StateCertificate):
    """A decomposition that shows a two-qubit state to be local for all projective measurements, or for all POVMs.

    The mixture ``visibility * state + (1 - visibility) * white noise`` is a separable operator, plus one that is
    unsteerable from party 0 and one from party 1, plus ``(A (x) id)(W)`` and ``(id (x) B)(W)``, with a Werner state W
    that is proven local and positive maps A and B that scale the trace. (Only the first part needs to be a state; of
    the others only the correlations matter.) For all POVMs, the parts are unsteerable with the steering party's Bloch
    vectors enlarged by sqrt(3/2), W has visibility 1/2 at most, and the maps need not scale the trace.

    Raises:
        CertificateError: If shapes do not fit.

    References:
        H. C. Nguyen, T. Vu, EPL 115, 10003 (2016), arXiv:1604.03815; H. C. Nguyen, H.-V. Nguyen, O. Guehne, Phys. Rev.
        Lett. 122, 240401 (2019), arXiv:1808.09349 (hidden states); M. Horodecki, P. Horodecki, R. Horodecki, Phys.
        Lett. A 223, 1 (1996), arXiv:quant-ph/9605038 (separability); E. Stormer, Acta Math. 110, 233 (1963) (positive
        maps of a qubit); M. J. Renner, Phys. Rev. Lett. 132, 250202 (2024), arXiv:2309.12290, and Y. Zhang, E.
        Chitambar, Phys. Rev. Lett. 132, 250201 (2024), arXiv:2309.09960; M. Oszmaniec, L. Guerini, P. Wittek, A. Acin,
        Phys. Rev. Lett. 119, 190501 (2017), arXiv:1609.06139 (POVMs).

    Examples:
        >>> from qiskit_lhv.projective import mix_local_models
        >>> from qiskit_lhv.quantum import mix_with_noise
        >>> partly = mix_with_noise([0.96, 0, 0, 0.28], 0.6)  # 0.96 |00> + 0.28 |11>
        >>> certificate = mix_local_models(partly, num_axes=6)
        >>> print(certificate)
        local for all projective measurements up to visibility 1.20...: a separable part, parts unsteerable from ...
        >>> certificate.visibility > 1, bool(certificate.verify(partly))
        (True, True)
    """

    unsteerable_parts: FloatArray
    """Correlations of the parts that are unsteerable from party 0 and from party 1, shape ``(2, 4, 4)``."""
    hidden_states: tuple[FloatArray, FloatArray]
    """Bloch vectors of the other party's hidden states of either part, multiples of 2**-15, shapes ``(K, 3)``."""
    weights: tuple[FloatArray, FloatArray]
    """Their weights, multiples of 2**-30, shapes ``(K,)``."""
    werner_visibility: float
    """Visibility of the Werner state W."""
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
        object.__setattr__(self, "measurements", qubit_set(self.measurements))
        for name in ("unsteerable_parts", "maps", "positive_parts"):
            array = real_array(getattr(self, name), name, CertificateError)
            if array.shape != (2, 4, 4):
                raise CertificateError.bad_argument(name, expected="shape (2, 4, 4)", got=f"shape {array.shape}")
            object.__setattr__(self, name, array)
        for name, ndim in (("hidden_states", 2), ("weights", 1)):
            value = getattr(self, name)
            if not isinstance(value, tuple | list) or len(value) != 2:
                raise CertificateError.bad_argument(name, expected="two arrays", got=repr(value))
            arrays = tuple(real_array(entry, name, CertificateError, ndim=ndim) for entry in value)
            object.__setattr__(self, name, arrays)
        if any(s.shape != (len(w), 3) for s, w in zip(self.hidden_states, self.weights, strict=True)):
            raise CertificateError.bad_argument(
                "hidden_states", expected="as many as weights, three numbers each", got="others"
            )

    def __str__(self) -> str:
        states = " and ".join(str(len(weights)) for weights in self.weights)
        return (
            f"local for {self.measurements} up to visibility {self.visibility:.9g}: a separable part, parts "
            f"unsteerable from either side ({states} hidden states) and images of a Werner state"
        )

    def verify(self, state: Any = None, *, prove_werner: bool = False) -> Verification:
        """Re-checks the decomposition in exact rational arithmetic.

        1. Each unsteerable part is explained by its hidden states, checked facet by facet of their zonotope.
        2. Each map is a completely positive map plus one that follows a transposition, and scales the trace (which is
           not needed for POVMs).
        3. The rest of the mixture and its partial transpose have no negative eigenvalue, so the rest is separable.
        4. The Werner state is local up to ``werner_visibility``, by the certificate of the package, or for POVMs by a
           theorem.

        Args:
            state: A state or correlation tensor that the certificate should be about; default: its own.
            prove_werner: For projective measurements, whether to re-check the Werner state's certificate, which takes
                seconds.

        References:
            arXiv:1604.03815, arXiv:1808.09349 (hidden states); arXiv:quant-ph/9605038 (separability);
            E. Stormer, Acta Math. 110, 233 (1963) (positive maps of a qubit); arXiv:2309.12290, arXiv:1609.06139
            (POVMs).
        """
        another = self._not_about(state)
        if another is not None:
            return another
        if self.visibility < 0:
            return Verification(False, "the visibility is negative", math.inf)
        rest = rational(self.correlations.array) * Fraction(self.visibility)
        rest[0, 0] = Fraction(1)
        for k in range(2):
            part = rational(self.unsteerable_parts[k])
            if np.any(self.unsteerable_parts[k]):
                steering = part if k == 0 else part.T
                if not self.measurements.is_projective:
                    steering = enlarged_for_povms(steering)
                failed = hidden_states_fail(steering, self.hidden_states[k], self.weights[k])
                if failed:
                    return Verification(False, f"the part unsteerable from party {k}: {failed}", math.inf)
            rest = rest - part
        maps = rational(self.maps)
        failed = maps_fail(maps, rational(self.positive_parts), self.measurements)
        if failed:
            return Verification(False, failed, math.inf)
        rest = rest - images_of_werner(maps, self.werner_visibility)
        if not is_positive(rest) or not is_positive(rest * TRANSPOSED):
            return Verification(False, "what is left is not separable", math.inf)
        if np.any(self.maps):
            refuted = werner_refuted(self.werner_visibility, prove_werner, self.measurements)
            if refuted is not None:
                return refuted
        reason = f"local for {self.measurements} up to visibility {self.visibility:.9g}"
        return Verification(True, f"{reason} (a mixture of separable, unsteerable and Werner states)")


def mix_local_models(
    state: Any,
    *,
    num_axes: int = 16,
    max_visibility: float = _MAX_VISIBILITY,
    measurements: MeasurementSet | str = "projective",
    time_limit: float | None = None,
) -> MixtureCertificate | None:
    """Proves a two-qubit state local as a mixture of separable, unsteerable and Werner states.

    One conic program finds the largest visibility at which the state is a separable operator, plus operators that are
    unsteerable from either side by hidden states on given axes, plus images of a local Werner state under positive maps
    of either qubit. Its solution is rounded to numbers that pass the exact check.

    Args:
        state: ``DensityMatrix``, ``Statevector``, ``QuantumCircuit`` or ``CorrelationTensor`` of two qubits.
        num_axes: Axes of the hidden states, one of ``icosahedral_sizes`` up to 46.
        max_visibility: Largest visibility considered.
        measurements: ``"projective"``, or ``"povm"``: all POVMs.
        time_limit: Limit in seconds, after which the current step is ended. Default: none, see :ref:`time-limits`.

    Returns:
        The certificate, or ``None`` if none was found. It proves the state local if its visibility is at least 1.

    Raises:
        MeasurementError: If the state is not a valid state of two qubits, or there are no such axes, or the
            measurements are unknown.
        ScenarioError: If a number is out of range.
        ImportError: If Clarabel is not installed (extra ``sdp``).

    References:
        H. C. Nguyen, T. Vu, EPL 115, 10003 (2016), arXiv:1604.03815; H. C. Nguyen, H.-V. Nguyen, O. Guehne, Phys. Rev.
        Lett. 122, 240401 (2019), arXiv:1808.09349 (hidden states); M. Horodecki, P. Horodecki, R. Horodecki, Phys.
        Lett. A 223, 1 (1996), arXiv:quant-ph/9605038 (separability); E. Stormer, Acta Math. 110, 233 (1963) (positive
        maps of a qubit); M. J. Renner, Phys. Rev. Lett. 132, 250202 (2024), arXiv:2309.12290, and Y. Zhang, E.
        Chitambar, Phys. Rev. Lett. 132, 250201 (2024), arXiv:2309.09960; M. Oszmaniec, L. Guerini, P. Wittek, A. Acin,
        Phys. Rev. Lett. 119, 190501 (2017), arXiv:1609.06139 (POVMs).

    Examples:
        >>> from qiskit_lhv.quantum import mix_with_noise
        >>> import numpy as np
        >>> noisy = mix_with_noise(np.array([np.cos(0.3), 0, 0, np.sin(0.3)]), 0.6)
        >>> certificate = mix_local_models(noisy)
        >>> certificate.visibility >= 1, bool(certificate.verify(noisy))
        (True, True)
    """
    tensor = tensor_of_two_qubits(state)
    count = whole_number(num_axes, "num_axes", ScenarioError)
    if count > _MAX_AXES:
        raise ScenarioError.bad_argument("num_axes", expected=f"at most {_MAX_AXES}", got=f"{count}")
    cap = positive_number(max_visibility, "max_visibility", ScenarioError)
    measured = qubit_set(measurements)
    deadline = Deadline(time_limit)
    program = MixtureProgram(tensor.array, count, local_werner_visibility(measured), cap, not measured.is_projective)
    # The remaining time is for the proof of the mixture that has been found.
    best = program.largest_visibility(deadline.part(1 - _SHARE_OF_PROOF))
    if best is None:
        return None
    for margin in _MARGINS:
        visibility = best * (1 - margin)
        if deadline.over:
            return None
        found = program.mixture(visibility, deadline)
        if found is None:
            continue
        weights = [rounded_weights(shares) for shares in found.weights]
        whole = found.maps.copy()
        if measured.is_projective:
            whole[:, 0, 1:] = 0
        scale = 2.0**_MAP_BITS
        certificate = MixtureCertificate(
            visibility=visibility,
            correlations=tensor,
            unsteerable_parts=np.rint(found.parts * scale) / scale,
            hidden_states=(program.states[0][weights[0] > 0, 1:], program.states[1][weights[1] > 0, 1:]),
            weights=(weights[0][weights[0] > 0], weights[1][weights[1] > 0]),
            werner_visibility=program.werner,
            maps=np.rint(whole * scale) / scale,
            positive_parts=np.rint(found.positive_parts * scale) / scale,
            measurements=measured,
        )
        if certificate.verify():
            return certificate
    return None
