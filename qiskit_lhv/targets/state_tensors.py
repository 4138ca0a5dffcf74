"""States behind correlation tensors: their density matrices, and one check whether there is such a state."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.quantum_info import DensityMatrix

from ..exceptions import MeasurementError
from ..quantum.parties import ROUNDING_OF_STATES, lowest_eigenvalue, to_state
from ..quantum.qubit_layouts import PhysicalQubits
from .correlations import CorrelationTensor
from .operator_basis import hermitian_basis

__all__ = ["density_matrix", "rounded_to_state", "state_tensor", "tensor_of_parties"]

_MAX_QUBITS = 6
# Largest dimension of the whole space whose density matrix is looked at.
_MAX_DIMENSION = 4096


def density_matrix(tensor: CorrelationTensor) -> NDArray[np.complex128]:
    """The operator with the expectation values of a tensor, shape ``(D, D)``, in Qiskit's order.

    Args:
        tensor: Correlations of parties of any dimensions, whose product is D.
    """
    n, total = tensor.num_parties, math.prod(tensor.dimensions)
    matrix = tensor.array.astype(complex)
    for dimension in tensor.dimensions:
        basis = hermitian_basis(dimension)
        norms = np.einsum("iab,iba->i", basis, basis).real
        matrix = np.tensordot(matrix, basis / norms[:, None, None], axes=(0, 0))
    # Party 0 is the least significant.
    order = [*range(2 * n - 2, -1, -2), *range(2 * n - 1, 0, -2)]
    return np.asarray(matrix.transpose(order).reshape(total, total))


def state_tensor(state: Any, name: str = "state") -> tuple[CorrelationTensor, float]:
    """The correlations of a state, and its lowest eigenvalue where that was negative and has been set to zero.

    Args:
        state: ``DensityMatrix``, ``Statevector``, ``QuantumCircuit``, or a ``CorrelationTensor`` of qubits.
        name: Name of the argument, for messages.

    Returns:
        The tensor; and 0, or the negative eigenvalue, of at most 1e-8, that was taken for a rounding error.

    Raises:
        MeasurementError: If it is not a valid state, or a tensor that belongs to no state.
    """
    tensor = CorrelationTensor.of(state, name=name)
    if not isinstance(state, CorrelationTensor):
        return tensor, lowest_eigenvalue(state)
    if set(tensor.dimensions) != {2}:
        return tensor, 0.0
    matrix = density_matrix(tensor)
    to_state(matrix, name)
    lowest = lowest_eigenvalue(matrix)
    return (CorrelationTensor.of(matrix, name=name) if lowest < 0 else tensor), lowest


def rounded_to_state(tensor: CorrelationTensor) -> CorrelationTensor:
    """The tensor of a state if this one misses it by rounding, as :func:`state_tensor`; any other as it is.

    Args:
        tensor: Correlations of parties of any dimensions, which need not be a state's.
    """
    matrix = density_matrix(tensor)
    if not -ROUNDING_OF_STATES <= lowest_eigenvalue(matrix) < 0:
        return tensor
    return CorrelationTensor.of(DensityMatrix(matrix, dims=tensor.dimensions))


def tensor_of_parties(
    state: Any, name: str = "state", parties: Sequence[Any] | PhysicalQubits | None = None
) -> CorrelationTensor:
    """The correlations of a state of parties of any dimensions, of up to 6 qubits if all parties are qubits.

    Args:
        state: ``DensityMatrix``, ``Statevector``, ``QuantumCircuit`` or ``CorrelationTensor``.
        name: Name of the argument, for the message.
        parties: The qubits of each party of a state; default: party k is subsystem k.

    Raises:
        MeasurementError: If it is not a valid state, or one of too many parties.
    """
    tensor = CorrelationTensor.of(state, parties, name=name)
    total = math.prod(tensor.dimensions)
    if total > (2**_MAX_QUBITS if set(tensor.dimensions) == {2} else _MAX_DIMENSION):
        raise MeasurementError.bad_argument(
            name,
            expected=f"1 to {_MAX_QUBITS} qubits, one per party, or larger parties of a whole dimension up to "
            f"{_MAX_DIMENSION}",
            got=f"parties of dimensions {tensor.dimensions}",
            remedy="Behavior.from_state(state, settings) takes any parties, for chosen settings.",
        )
    # Else measurements would get negative probabilities, by no more than rounding.
    return rounded_to_state(tensor)
