"""Proofs that states of qubits are local because the measurements of all parties but one are jointly measurable."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._support.validation import whole_number, whole_numbers
from ...exceptions import CertificateError, MeasurementError
from ...measurements.effect_sets import POVMs
from ...targets.correlations import CorrelationTensor
from ...targets.operator_basis import hermitian_basis
from ...verification.positivity import TRANSPOSED, is_positive_semidefinite
from ...verification.rationals import rational
from ...verification.result import Verification
from .state_certificate import StateCertificate

__all__ = ["CompatibilityCertificate", "prove_compatible"]

_MAX_QUBITS = 6
_MAX_VISIBILITY = 2.0
# This share of white noise makes up for the rounding of floats.
_MARGINS = (0.0, 1e-14, 1e-12, 1e-10, 1e-8)


@dataclass(frozen=True, eq=False, repr=False)
class CompatibilityCertificate(StateCertificate):
    """Proof that a state of qubits is local for all measurements because all parties but one have much white noise.

    All POVMs of a qubit are jointly measurable at visibility 1/2. A state is therefore local if it results from a
    positive operator when the qubits of all parties but one pass through white noise of weight 1/2. This is checked on
    the correlation tensor: each Bloch index of all parties but one is multiplied by 2, and the operator with these
    correlations must be positive, or have a positive partial transpose (a transposed parent measurement is still a
    measurement).
    """

    most_qubits = _MAX_QUBITS

    party: int
    """The party without noise."""
    transposed: tuple[int, ...] = ()
    """Parties whose index is transposed before positivity is checked."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "party", whole_number(self.party, "party", CertificateError, minimum=0))
        object.__setattr__(
            self, "transposed", whole_numbers(self.transposed, "transposed", CertificateError, minimum=0)
        )
        if max(self.party, *self.transposed, 0) >= self.correlations.num_parties:
            raise CertificateError.bad_argument(
                "party, transposed", expected="parties of the state", got=f"{self.party}, {self.transposed}"
            )

    @property
    def measurements(self) -> POVMs:
        """For which measurements the proof holds: all POVMs."""
        return POVMs(2)

    def __str__(self) -> str:
        return (
            f"local for all measurements up to visibility {self.visibility:.9g}: all parties but {self.party} see so "
            "much noise that their measurements are compatible"
        )

    def verify(self, state: Any = None) -> Verification:
        """Re-checks in exact arithmetic that the state without that noise is a positive operator.

        Args:
            state: A state or correlation tensor that the certificate should be about; default: its own.

        References:
            M. J. Renner, Phys. Rev. Lett. 132, 250202 (2024), arXiv:2309.12290 (all POVMs of a qubit are jointly
            measurable at visibility 1/2); Y. Zhang, E. Chitambar, Phys. Rev. Lett. 132, 250201 (2024).
        """
        another = self._not_about(state)
        if another is not None:
            return another
        if self.visibility < 0:
            return Verification(False, "the visibility is negative", math.inf)
        enlarged = _enlarged(rational(self.correlations.array), self.party, self.transposed)
        mixture = enlarged * Fraction(self.visibility)
        mixture[(0,) * mixture.ndim] = Fraction(1)
        if not is_positive_semidefinite(*_operator(mixture)):
            return Verification(False, "the state without the noise is not positive", math.inf)
        return Verification(
            True,
            f"local for all measurements up to visibility {self.visibility:.9g}: all parties but {self.party} are as "
            "noisy as compatible measurements",
        )


def prove_compatible(state: Any) -> CompatibilityCertificate:
    """Proves a state of qubits local because the measurements of all parties but one are jointly measurable.

    The function tries every party as the one without noise, and every partial transpose.

    Args:
        state: ``DensityMatrix``, ``Statevector``, ``QuantumCircuit`` or ``CorrelationTensor`` of 2 to 6 qubits.

    Returns:
        The certificate, which holds for POVMs too. It proves the state local if its visibility is at least 1.

    Raises:
        MeasurementError: If the state is not a valid state of 2 to 6 qubits.

    Examples:
        >>> from qiskit_lhv import ghz_state, werner_state
        >>> print(f"{prove_compatible(werner_state(1)).visibility:.6f}")
        0.500000
        >>> bool(prove_compatible(ghz_state(3, 0.1)).verify())
        True
    """
    tensor = CorrelationTensor.of(state)
    n = tensor.num_parties
    if set(tensor.dimensions) != {2} or not 2 <= n <= _MAX_QUBITS:
        raise MeasurementError.bad_argument(
            "state", expected=f"2 to {_MAX_QUBITS} qubits", got=f"dimensions {tensor.dimensions}"
        )
    best: tuple[float, int, tuple[int, ...]] = (-1.0, 0, ())
    for party in range(n):
        for size in range(n):
            # Transposing all parties changes nothing, so party 0 need not be among the transposed ones.
            for transposed in itertools.combinations(range(1, n), size):
                found = _visibility(_enlarged(tensor.array, party, transposed))
                if found > best[0] + 1e-9:
                    best = (found, party, transposed)
    visibility, party, transposed = best
    for margin in _MARGINS:
        certificate = CompatibilityCertificate(visibility * (1 - margin), tensor, party, transposed)
        if certificate.verify():
            return certificate
    return CompatibilityCertificate(0.0, tensor, party, transposed)


def _visibility(enlarged: NDArray[Any]) -> float:
    """Returns the largest visibility, up to a cap, at which the operator has no negative eigenvalue."""
    traceless = enlarged.copy()
    traceless[(0,) * traceless.ndim] = 0
    n = traceless.ndim
    matrix = traceless.astype(complex)
    for _ in range(n):
        matrix = np.tensordot(matrix, hermitian_basis(2), axes=(0, 0))
    order = [*range(0, 2 * n, 2), *range(1, 2 * n, 2)]
    lowest = float(np.linalg.eigvalsh(matrix.transpose(order).reshape(2**n, 2**n)).min())
    return min(_MAX_VISIBILITY, -1 / lowest) if lowest < 0 else _MAX_VISIBILITY


def _enlarged(array: Any, party: int, transposed: tuple[int, ...]) -> Any:
    """Returns the tensor after doubling the Bloch indices of all parties but one and transposing some parties."""
    result = array.copy()
    for k in range(array.ndim):
        signs = np.ones(4, dtype=int) if k not in transposed else TRANSPOSED
        factors = signs * np.array([1, 2, 2, 2] if k != party else [1, 1, 1, 1])
        result = result * factors.astype(array.dtype).reshape([-1 if j == k else 1 for j in range(array.ndim)])
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
