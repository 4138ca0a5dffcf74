"""States behind correlation tensors: their density matrices, and one check whether there is such a state."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit.quantum_info import DensityMatrix

from ..quantum.parties import ROUNDING_OF_STATES, lowest_eigenvalue, to_state
from .correlations import CorrelationTensor
from .operator_basis import hermitian_basis

__all__ = ["density_matrix", "qiskit_state", "rounded_to_state", "state_tensor"]


def density_matrix(tensor: CorrelationTensor) -> NDArray[np.complex128]:
    """The operator with the expectation values of a tensor, shape ``(D, D)`` for the whole space, in Qiskit's order.

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


def qiskit_state(tensor: CorrelationTensor) -> DensityMatrix:
    """The same operator as a ``DensityMatrix`` whose subsystem k is party k.

    Args:
        tensor: Correlations of parties of any dimensions.
    """
    return DensityMatrix(density_matrix(tensor), dims=tensor.dimensions)


def state_tensor(state: Any, name: str = "state") -> tuple[CorrelationTensor, float]:
    """The correlations of a state, and its lowest eigenvalue where that was negative and has been set to zero.

    Args:
        state: ``DensityMatrix``, ``Statevector``, ``QuantumCircuit``, or a ``CorrelationTensor``.
        name: Name of the argument, for messages.

    Returns:
        The tensor; and 0, or the negative eigenvalue, of at most 1e-8, that was taken for a rounding error.

    Raises:
        MeasurementError: If it is not a valid state, or a tensor that belongs to no state.
    """
    tensor = CorrelationTensor.of(state, name=name)
    if not isinstance(state, CorrelationTensor):
        return tensor, lowest_eigenvalue(state)
    matrix = qiskit_state(tensor)
    to_state(matrix, name)
    lowest = lowest_eigenvalue(matrix)
    return (CorrelationTensor.of(matrix, name=name) if lowest < 0 else tensor), lowest


def rounded_to_state(tensor: CorrelationTensor) -> CorrelationTensor:
    """The tensor of a state if this one misses it by rounding, as :func:`state_tensor`; any other as it is.

    Args:
        tensor: Correlations, which need not be a state's.
    """
    matrix = qiskit_state(tensor)
    return CorrelationTensor.of(matrix) if -ROUNDING_OF_STATES <= lowest_eigenvalue(matrix) < 0 else tensor
