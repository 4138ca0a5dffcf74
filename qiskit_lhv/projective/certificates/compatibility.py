"""Proofs that states are local because the measurements of all parties but one are jointly measurable."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._support.validation import shown, whole_number, whole_numbers
from ...exceptions import CertificateError, MeasurementError
from ...measurements.effect_sets import POVMs
from ...measurements.qubit_sets import AllProjective
from ...measurements.sets import MeasurementSet
from ...targets.correlations import CorrelationTensor
from ...targets.operator_basis import hermitian_basis
from ...targets.qubits import MAX_PARTIES, require_small
from ...verification.gell_mann import is_positive_operator, transposed_signs
from ...verification.positivity import is_positive_semidefinite
from ...verification.rationals import rational
from ...verification.result import Verification
from .compatible_noise import compatible_shrinking
from .state_certificate import StateCertificate

__all__ = ["CompatibilityCertificate", "prove_compatible"]

_MAX_VISIBILITY = 2.0
_NAMED: dict[str, type[MeasurementSet]] = {"projective": AllProjective, "povm": POVMs}
# This share of white noise makes up for the rounding of floats.
_MARGINS = (0.0, 1e-14, 1e-12, 1e-10, 1e-8)


@dataclass(frozen=True, eq=False, repr=False)
class CompatibilityCertificate(StateCertificate):
    """Proof that a state is local for all measurements because all parties but one have much white noise.

    All POVMs of a qubit are jointly measurable at visibility 1/2. A state is therefore local if it results from a
    positive operator when the qubits of all parties but one pass through white noise of weight 1/2. This is checked on
    the correlation tensor: each Bloch index of all parties but one is multiplied by 2, and the operator with these
    correlations must be positive, or have a positive partial transpose (a transposed parent measurement is still a
    measurement).

    For a party of dimension d above 2 the factor is ``(d - 1) / (H_d - 1)`` with ``H_d = 1 + 1/2 + ... + 1/d``, or
    ``-d``, for projective measurements; for POVMs it is larger. With ``-d``, Werner's model is among these proofs.

    Raises:
        CertificateError: If a party does not exist, or ``measured`` is unknown.

    References:
        M. J. Renner, Phys. Rev. Lett. 132, 250202 (2024), arXiv:2309.12290, and Y. Zhang, E. Chitambar, Phys. Rev.
        Lett. 132, 250201 (2024) (all POVMs of a qubit are jointly measurable at visibility 1/2); H. M. Wiseman, S. J.
        Jones, A. C. Doherty, Phys. Rev. Lett. 98, 140402 (2007), arXiv:quant-ph/0612147; M. L. Almeida et al., Phys.
        Rev. Lett. 99, 040403 (2007), arXiv:quant-ph/0703045; J. Barrett, Phys. Rev. A 65, 042302 (2002),
        arXiv:quant-ph/0107045 (larger parties).

    Examples:
        >>> from qiskit_lhv import ghz_state
        >>> from qiskit_lhv.projective import prove_compatible
        >>> certificate = prove_compatible(ghz_state(3))
        >>> print(certificate)
        local for all measurements up to visibility 0.125: all parties but 0 see so much noise that ...
        >>> f"{certificate.visibility:.4f}", certificate.party, bool(certificate.verify(ghz_state(3)))
        ('0.1250', 0, True)
    """

    most_qubits = MAX_PARTIES
    of_any_dimension = True

    party: int
    """The party without noise."""
    transposed: tuple[int, ...] = ()
    """Parties whose index is transposed before positivity is checked."""
    inverted: tuple[int, ...] = ()
    """Parties with noise whose Bloch indices are multiplied by a negative factor."""
    measured: str = "povm"
    """For which measurements of each party the proof holds, by name: ``"povm"``, or ``"projective"`` where a party is
    larger than a qubit. For qubits, every such proof holds for POVMs."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "party", whole_number(self.party, "party", CertificateError, minimum=0))
        object.__setattr__(
            self, "transposed", whole_numbers(self.transposed, "transposed", CertificateError, minimum=0)
        )
        object.__setattr__(self, "inverted", whole_numbers(self.inverted, "inverted", CertificateError, minimum=0))
        if max(self.party, *self.transposed, *self.inverted, 0) >= self.correlations.num_parties:
            raise CertificateError.bad_argument(
                "party, transposed, inverted",
                expected="parties of the state",
                got=f"{self.party}, {self.transposed}, {self.inverted}",
            )
        if self.measured not in _NAMED:
            raise CertificateError.bad_argument("measured", expected="'projective' or 'povm'", got=shown(self.measured))

    @property
    def measurements(self) -> MeasurementSet:
        """For which measurements of each party the proof holds, named by the set of a qubit."""
        return _NAMED[self.measured]()

    @property
    def _for_povms(self) -> bool:
        return self.measured == "povm"

    @property
    def _kind(self) -> str:
        return "measurements" if self._for_povms else "projective measurements"

    def __str__(self) -> str:
        return (
            f"local for all {self._kind} up to visibility {self.visibility:.9g}: all parties but {self.party} see so "
            "much noise that their measurements are compatible"
        )

    def verify(self, state: Any = None) -> Verification:
        """Re-checks in exact arithmetic that the state without that noise is a positive operator.

        Args:
            state: A state or correlation tensor that the certificate should be about; default: its own.

        References:
            M. J. Renner, Phys. Rev. Lett. 132, 250202 (2024), arXiv:2309.12290 (all POVMs of a qubit are jointly
            measurable at visibility 1/2); Y. Zhang, E. Chitambar, Phys. Rev. Lett. 132, 250201 (2024); H. M. Wiseman et
            al., arXiv:quant-ph/0612147; M. L. Almeida et al., arXiv:quant-ph/0703045; J. Barrett,
            arXiv:quant-ph/0107045 (larger parties).
        """
        another = self._not_about(state)
        if another is not None:
            return another
        if self.visibility < 0:
            return Verification(False, "the visibility is negative", math.inf)
        factors = _factors(self.correlations.dimensions, self.party, self.transposed, self.inverted, self._for_povms)
        mixture = _enlarged(rational(self.correlations.array), factors) * Fraction(self.visibility)
        mixture[(0,) * mixture.ndim] = Fraction(1)
        of_qubits = set(self.correlations.dimensions) == {2}
        positive = is_positive_semidefinite(*_operator(mixture)) if of_qubits else is_positive_operator(mixture)
        if not positive:
            return Verification(False, "the state without the noise is not positive", math.inf)
        return Verification(
            True,
            f"local for all {self._kind} up to visibility {self.visibility:.9g}: all parties but {self.party} are as "
            "noisy as compatible measurements",
        )


def prove_compatible(state: Any, *, measurements: MeasurementSet | str = "projective") -> CompatibilityCertificate:
    """Proves a state local because the measurements of all parties but one are jointly measurable.

    The function tries every party as the one without noise, every partial transpose, and for parties larger than a
    qubit both signs of the noise.

    Args:
        state: ``DensityMatrix``, ``Statevector``, ``QuantumCircuit`` or ``CorrelationTensor`` of 2 to 6 parties with at
            most 64 dimensions in all.
        measurements: ``"projective"``, or ``"povm"`` for a proof that holds for all POVMs. For qubits every proof does.

    Returns:
        The certificate. It proves the state local if its visibility is at least 1.

    Raises:
        MeasurementError: If the state is not valid or too large, or the measurements are unknown.

    References:
        M. J. Renner, Phys. Rev. Lett. 132, 250202 (2024), arXiv:2309.12290, and Y. Zhang, E. Chitambar, Phys. Rev.
        Lett. 132, 250201 (2024) (all POVMs of a qubit are jointly measurable at visibility 1/2); H. M. Wiseman, S. J.
        Jones, A. C. Doherty, Phys. Rev. Lett. 98, 140402 (2007), arXiv:quant-ph/0612147; M. L. Almeida et al., Phys.
        Rev. Lett. 99, 040403 (2007), arXiv:quant-ph/0703045; J. Barrett, Phys. Rev. A 65, 042302 (2002),
        arXiv:quant-ph/0107045 (larger parties).

    Examples:
        >>> from qiskit_lhv import ghz_state, werner_state
        >>> from qiskit_lhv.quantum import isotropic_state
        >>> print(f"{prove_compatible(werner_state(1)).visibility:.6f}")
        0.500000
        >>> bool(prove_compatible(ghz_state(3, 0.1)).verify())
        True
        >>> print(f"{prove_compatible(isotropic_state(1, 3)).visibility:.6f}")
        0.416667
    """
    tensor = CorrelationTensor.of(state)
    require_small(tensor)
    n, dimensions = tensor.num_parties, tensor.dimensions
    asked = measurements.name if isinstance(measurements, MeasurementSet) else measurements
    if not isinstance(asked, str) or asked not in _NAMED:
        raise MeasurementError.bad_argument("measurements", expected="'projective' or 'povm'", got=shown(measurements))
    measured = "povm" if set(dimensions) == {2} else asked
    best: tuple[float, int, tuple[int, ...], tuple[int, ...]] = (-1.0, 0, (), ())
    for party in range(n):
        # A reflected Bloch sphere is a transposed one that is turned, so the other sign adds nothing for qubits.
        larger = [k for k in range(n) if k != party and dimensions[k] > 2]
        # Transposing all parties changes nothing, so party 0 need not be among the transposed ones.
        for transposed, inverted in itertools.product(_subsets(range(1, n)), _subsets(larger)):
            factors = _factors(dimensions, party, transposed, inverted, measured == "povm")
            found = _visibility(_enlarged(tensor.array, factors), dimensions)
            if found > best[0] + 1e-9:
                best = (found, party, transposed, inverted)
    visibility, party, transposed, inverted = best
    for margin in _MARGINS:
        certificate = CompatibilityCertificate(
            visibility * (1 - margin), tensor, party, transposed, inverted=inverted, measured=measured
        )
        if certificate.verify():
            return certificate
    return CompatibilityCertificate(0.0, tensor, party, transposed, inverted=inverted, measured=measured)


def _subsets(numbers: Sequence[int]) -> list[tuple[int, ...]]:
    """Returns all subsets, the smallest first."""
    return [some for size in range(len(numbers) + 1) for some in itertools.combinations(numbers, size)]


def _visibility(enlarged: NDArray[Any], dimensions: tuple[int, ...]) -> float:
    """Returns the largest visibility, up to a cap, at which the operator has no negative eigenvalue."""
    traceless = enlarged.copy()
    traceless[(0,) * traceless.ndim] = 0
    n = traceless.ndim
    matrix = traceless.astype(complex)
    for dimension in dimensions:
        matrix = np.tensordot(matrix, hermitian_basis(dimension), axes=(0, 0))
    order = [*range(0, 2 * n, 2), *range(1, 2 * n, 2)]
    size = math.prod(dimensions)
    lowest = float(np.linalg.eigvalsh(matrix.transpose(order).reshape(size, size)).min())
    return min(_MAX_VISIBILITY, -1 / lowest) if lowest < 0 else _MAX_VISIBILITY


def _factors(
    dimensions: tuple[int, ...], party: int, transposed: tuple[int, ...], inverted: tuple[int, ...], povms: bool
) -> list[list[Fraction]]:
    """Returns the factor of each index of each party: that of the noise, and the sign of the transpose.

    The indices of the operator count its basis matrices without their norms. Those of the identity and of the others
    differ by D / 2, so this factor is in the list too.
    """
    factors = []
    for k, dimension in enumerate(dimensions):
        scale = Fraction(dimension, 2)
        if k != party:
            scale /= compatible_shrinking(dimension, povms=povms, inverted=k in inverted)
        signs = transposed_signs(dimension).tolist() if k in transposed else [1] * dimension**2
        factors.append([Fraction(1), *(scale * sign for sign in signs[1:])])
    return factors


def _enlarged(array: Any, factors: list[list[Fraction]]) -> Any:
    """Returns the tensor with each party's indices multiplied by its factors."""
    result = array.copy()
    for k, own in enumerate(factors):
        column = np.array(own, dtype=object) if array.dtype == object else np.array(own, dtype=float)
        result = result * column.reshape([-1 if j == k else 1 for j in range(array.ndim)])
    return result


def _operator(coefficients: Any) -> tuple[list[list[Fraction]], list[list[Fraction]]]:
    """Returns the exact real and imaginary parts of ``sum_i c_i sigma_(i_1) (x) ... (x) sigma_(i_N)``."""
    n = coefficients.ndim
    size = 2**n
    parts = [[[Fraction(0)] * size for _ in range(size)] for _ in range(2)]
    for index in np.ndindex(coefficients.shape):
        value = coefficients[index]
        if not value:
            continue
        # A Pauli product has one entry per row, given by its column and its power of i.
        flipped = sum((i in (1, 2)) << (n - 1 - k) for k, i in enumerate(index))
        for row in range(size):
            quarter = 0
            for k, i in enumerate(index):
                bit = row >> (n - 1 - k) & 1
                if i == 2:
                    quarter += 1 if bit else 3
                elif i == 3:
                    quarter += 2 * bit
            part, sign = quarter % 2, 1 - (quarter % 4 // 2) * 2
            parts[part][row][row ^ flipped] += sign * value
    return parts[0], parts[1]
