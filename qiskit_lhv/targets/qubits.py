"""Correlation tensors of qubits, one per party."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..exceptions import MeasurementError
from ..measurements.sets import MeasurementSet, projective_set
from .correlations import CorrelationTensor
from .state_tensors import rounded_to_state

__all__ = ["planar_tensor", "qubit_tensor"]


_MAX_PARTIES = 6


def qubit_tensor(state: Any, name: str = "state") -> CorrelationTensor:
    """The correlations of a state of 2 to 6 qubits.

    Args:
        state: ``DensityMatrix``, ``Statevector``, ``QuantumCircuit`` or ``CorrelationTensor``.
        name: Name of the argument, for the message.

    Raises:
        MeasurementError: If it is anything else.
    """
    tensor = CorrelationTensor.of(state, name=name)
    if set(tensor.dimensions) != {2} or not 2 <= tensor.num_parties <= _MAX_PARTIES:
        raise MeasurementError.bad_argument(
            name, expected=f"2 to {_MAX_PARTIES} qubits", got=f"dimensions {tensor.dimensions}"
        )
    # Else measurements would get negative probabilities, by no more than rounding.
    return rounded_to_state(tensor)


def planar_tensor(tensor: CorrelationTensor, measurements: MeasurementSet | str) -> CorrelationTensor:
    """The tensor without the correlations that the measurements never see.

    Args:
        tensor: Correlations of qubits.
        measurements: A coordinate plane; all projective measurements leave it as it is.

    Raises:
        MeasurementError: If it is neither ``"projective"`` nor a plane, or the tensor is not one of qubits.
    """
    seen = projective_set(measurements).coordinates
    if seen.all():
        return tensor
    if set(tensor.dimensions) != {2}:
        raise MeasurementError.bad_argument("state", expected="qubits", got=f"dimensions {tensor.dimensions}")
    seen = np.concatenate([[1.0], seen])
    array = tensor.array
    for axis in range(array.ndim):
        array = array * seen.reshape([-1 if k == axis else 1 for k in range(array.ndim)])
    return CorrelationTensor(array)
