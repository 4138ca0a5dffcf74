"""Separability of two qubits, or of a qubit and a qutrit, by the partial transpose."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from qiskit.quantum_info import DensityMatrix

from ..._support.types import ComplexArray
from ..._support.validation import frozen, real_array, whole_numbers
from ...exceptions import CertificateError, MeasurementError
from ...measurements.effect_sets import POVMs
from ...quantum.parties import to_state
from ...targets.correlations import CorrelationTensor
from ...targets.state_tensors import density_matrix
from ...verification.evidence import Evidence
from ...verification.gell_mann import transposed_signs
from ...verification.positivity import is_positive_matrix
from ...verification.result import Verification
from ...verification.verdict import Verdict
from .tolerance import STATE_TOLERANCE

__all__ = ["SeparabilityCertificate", "prove_separable"]


# Eigenvalues below this are zero within the rounding of a state.
_ZERO = 1e-9
# The trace of a state may differ from 1 by this much.
_TRACE = Fraction(1, 10**7)
# Shares of white noise that make up for the rounding of states on the boundary, up to the largest one allowed.
_MARGINS = (0.0, 1e-14, 1e-12, 1e-10, 1e-8, STATE_TOLERANCE)


@dataclass(frozen=True, eq=False, repr=False)
class SeparabilityCertificate(Evidence):
    """A state of two qubits, or of a qubit and a qutrit, whose partial transpose has no negative eigenvalue.

    In these dimensions such a state is separable, and therefore local for all measurements, including POVMs.

    References:
        M. Horodecki, P. Horodecki, R. Horodecki, Phys. Lett. A 223, 1 (1996), arXiv:quant-ph/9605038.

    Examples:
        >>> from qiskit_lhv import werner_state
        >>> from qiskit_lhv.projective import prove_separable
        >>> certificate = prove_separable(werner_state(0.3))
        >>> certificate.visibility, str(certificate.shows), bool(certificate.verify(werner_state(0.3)))
        (1.0, 'LOCAL', True)
    """

    visibility: float
    """Visibility in white noise of the mixture that is proven separable; 1: the state itself."""
    matrix: ComplexArray
    """The density matrix, shape ``(D, D)``, Qiskit's order."""
    dimensions: tuple[int, int]
    """Dimensions of subsystems 0 and 1."""

    def __post_init__(self) -> None:
        parts = [real_array(part(self.matrix), "matrix", CertificateError, ndim=2) for part in (np.real, np.imag)]
        object.__setattr__(self, "matrix", frozen(parts[0] + 1j * parts[1]))
        dimensions = whole_numbers(self.dimensions, "dimensions", CertificateError, minimum=1)
        object.__setattr__(self, "dimensions", dimensions)
        visibility = real_array(self.visibility, "visibility", CertificateError, ndim=0)
        object.__setattr__(self, "visibility", float(visibility))

    @property
    def measurements(self) -> POVMs:
        """For which measurements the proof holds: all POVMs of each party, named by the set of a qubit."""
        return POVMs(2)

    @property
    def correlations(self) -> CorrelationTensor:
        """The correlation tensor of the matrix."""
        return CorrelationTensor.of(DensityMatrix(self.matrix, self.dimensions))

    @property
    def shows(self) -> Verdict | None:
        """``Verdict.LOCAL`` if the certificate covers the state with at most 2e-7 of white noise, else ``None``."""
        return Verdict.LOCAL if self.visibility >= 1 - STATE_TOLERANCE else None

    def __str__(self) -> str:
        return f"separable up to visibility {self.visibility:.9g}, so local for all measurements"

    def verify(self, state: Any = None) -> Verification:
        """Re-checks in rational arithmetic that the mixture and its partial transpose have no negative eigenvalue.

        Args:
            state: A state that the certificate should be about; default: its own.

        References:
            Horodecki et al., Phys. Lett. A 223, 1 (1996), arXiv:quant-ph/9605038.
        """
        if state is not None:
            other = DensityMatrix(to_state(state))
            # A matrix alone does not show which of its indices belong to the qubit.
            same = other.dims() == self.dimensions and other.data.shape == self.matrix.shape
            off = float(np.abs(other.data - self.matrix).max()) if same else math.inf
            if not off <= 1e-12:
                return Verification(False, f"the certificate is about another state, which differs by {off:.3g}", off)
        if sorted(self.dimensions) not in ([2, 2], [2, 3]) or self.matrix.shape != (math.prod(self.dimensions),) * 2:
            return Verification(False, f"dimensions {self.dimensions}", math.inf)
        if not np.array_equal(self.matrix, self.matrix.conj().T):
            return Verification(False, "the matrix is not Hermitian", math.inf)
        visibility = Fraction(self.visibility)
        if not 0 <= visibility <= 1:
            return Verification(False, "the visibility is not between 0 and 1", math.inf)
        size = len(self.matrix)
        trace = sum((Fraction(float(self.matrix[i, i].real)) for i in range(size)), Fraction(0))
        if abs(trace - 1) > _TRACE:
            return Verification(False, f"the trace is {float(trace):.9g}", float(abs(trace - 1)))
        noise = (1 - visibility) * trace / size
        mixture = [
            [
                (
                    visibility * Fraction(float(self.matrix[i, j].real)) + (noise if i == j else 0),
                    visibility * Fraction(float(self.matrix[i, j].imag)),
                )
                for j in range(size)
            ]
            for i in range(size)
        ]
        # Subsystem 0 is the least significant: index i stands for (i mod d_0, i div d_0).
        d = self.dimensions[0]
        transposed = [[mixture[i - i % d + j % d][j - j % d + i % d] for j in range(size)] for i in range(size)]
        for name, part in (("mixture", mixture), ("partial transpose", transposed)):
            if not is_positive_matrix(part):
                return Verification(False, f"the {name} has a negative eigenvalue", math.inf)
        return Verification(True, f"positive partial transpose at visibility {self.visibility:.9g}: separable")


def is_entangled_on_boundary(tensor: CorrelationTensor) -> bool:
    """Returns whether a state of less than full rank has a partial transpose with a negative eigenvalue.

    Such a state may be nonlocal by very little, as pure entangled states are, so no tolerance may call it separable.

    Args:
        tensor: Correlations of parties of any dimensions.
    """
    matrix = density_matrix(tensor)
    if np.linalg.eigvalsh(matrix)[0] > _ZERO:
        return False
    n, dimensions = tensor.num_parties, tensor.dimensions
    # Transposing all parties changes nothing, so party 0 need not be transposed.
    for chosen in itertools.product((False, True), repeat=n - 1):
        array = tensor.array
        for k, transposed in enumerate(chosen, start=1):
            signs = transposed_signs(dimensions[k]) if transposed else np.ones(dimensions[k] ** 2)
            array = array * signs.reshape([-1 if j == k else 1 for j in range(n)])
        if np.linalg.eigvalsh(density_matrix(CorrelationTensor(array)))[0] < -_ZERO:
            return True
    return False


def prove_separable(state: Any) -> SeparabilityCertificate | None:
    """Proves a state of two qubits, or of a qubit and a qutrit, separable, if its partial transpose is positive.

    Args:
        state: ``DensityMatrix`` or ``Statevector`` of dimensions (2, 2), (2, 3) or (3, 2), or a ``QuantumCircuit`` of
            two qubits.

    Returns:
        The certificate, with at most 2e-7 of white noise for states on the boundary; ``None`` if the state is not
        proven separable (then it is entangled, or too close to the boundary).

    Raises:
        MeasurementError: If the state is not valid, or its dimensions are not among those listed.

    References:
        M. Horodecki, P. Horodecki, R. Horodecki, Phys. Lett. A 223, 1 (1996), arXiv:quant-ph/9605038; A. Peres, Phys.
        Rev. Lett. 77, 1413 (1996), arXiv:quant-ph/9604005.

    Examples:
        >>> from qiskit_lhv import werner_state
        >>> print(prove_separable(werner_state(0.3)))
        separable up to visibility 1, so local for all measurements
        >>> prove_separable(werner_state(0.4)) is None
        True
    """
    matrix = DensityMatrix(to_state(state))
    dimensions = matrix.dims()
    if sorted(dimensions) not in ([2, 2], [2, 3]):
        raise MeasurementError.bad_argument(
            "state", expected="two qubits, or a qubit and a qutrit", got=f"dimensions {dimensions}"
        )
    hermitian = (matrix.data + matrix.data.conj().T) / 2
    for margin in _MARGINS:
        certificate = SeparabilityCertificate(1 - margin, hermitian, dimensions)
        if certificate.verify():
            return certificate
    return None
