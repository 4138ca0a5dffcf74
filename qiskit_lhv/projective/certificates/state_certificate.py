"""The common base of all proofs that a state is local."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from ..._support.validation import real_array
from ...exceptions import CertificateError, MeasurementError
from ...targets.correlations import CorrelationTensor
from ...verification.evidence import Evidence
from ...verification.result import Verification
from ...verification.verdict import Verdict
from .tolerance import STATE_TOLERANCE

__all__ = ["StateCertificate", "tensor_of_two_qubits"]

# Correlations that differ by at most this much belong to the same state.
_SAME_CORRELATIONS = 1e-12


@dataclass(frozen=True, eq=False, repr=False)
class StateCertificate(Evidence):
    """Base of the certificates that a state, mixed with white noise, is local up to a visibility."""

    most_qubits: ClassVar[int] = 2
    """Largest number of qubits of the state."""
    of_any_dimension: ClassVar[bool] = False
    """Whether parties may have larger spaces than a qubit's; the whole space has at most that of ``most_qubits``."""

    visibility: float
    """Visibility of the state in white noise up to which it is proven local; 1 or above: the state itself is."""
    correlations: CorrelationTensor
    """The state's correlation tensor, shape ``(4,) * N`` for qubits."""

    def __post_init__(self) -> None:
        tensor, most = self.correlations, self.most_qubits
        fits = isinstance(tensor, CorrelationTensor) and 2 <= tensor.num_parties <= most
        if fits and set(tensor.dimensions) != {2}:
            fits = self.of_any_dimension and math.prod(tensor.dimensions) <= 2**most
        if not fits:
            number = "two" if most == 2 else f"2 to {most}"
            larger = f", or of parties with at most {2**most} dimensions in all" if self.of_any_dimension else ""
            raise CertificateError.bad_argument(
                "correlations", expected=f"a correlation tensor of {number} qubits{larger}", got=repr(tensor)
            )
        visibility = real_array(self.visibility, "visibility", CertificateError, ndim=0)
        object.__setattr__(self, "visibility", float(visibility))

    @property
    def shows(self) -> Verdict | None:
        """``Verdict.LOCAL`` if the certificate covers the state with at most 2e-7 of white noise, else ``None``."""
        return Verdict.LOCAL if self.visibility >= 1 - STATE_TOLERANCE else None

    def _not_about(self, state: Any) -> Verification | None:
        """Returns the refutation if the certificate is about another state, or ``None`` if it is about this one."""
        off = 0.0 if state is None else self.correlations.largest_difference(state)
        if off <= _SAME_CORRELATIONS:
            return None
        return Verification(False, f"the certificate is about another state, which differs by {off:.3g}", off)


def tensor_of_two_qubits(state: Any) -> CorrelationTensor:
    """Returns the correlation tensor of a state of two qubits.

    Args:
        state: ``DensityMatrix``, ``Statevector``, ``QuantumCircuit`` or ``CorrelationTensor``.

    Raises:
        MeasurementError: If it is not a valid state of two qubits.
    """
    tensor = CorrelationTensor.of(state)
    if tensor.dimensions != (2, 2):
        raise MeasurementError.bad_argument("state", expected="two qubits", got=f"dimensions {tensor.dimensions}")
    return tensor
