"""Correlation tensors of qubits, one per party, and of a few larger parties."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._support.validation import shown
from ..exceptions import MeasurementError
from ..measurements.named_sets import projective_members
from ..measurements.sets import MeasurementSet
from ..quantum.qubit_layouts import PhysicalQubits
from .correlations import CorrelationTensor
from .state_tensors import rounded_to_state

__all__ = ["MAX_PARTIES", "planar_tensor", "qubit_tensor", "require_small", "tensor_of_parties"]


MAX_PARTIES = 6
"""Most parties of states whose measurements are all looked at."""


def qubit_tensor(state: Any, name: str = "state", *, fewest: int = 2) -> CorrelationTensor:
    """The correlations of a state of up to 6 qubits, one per party.

    Args:
        state: ``DensityMatrix``, ``Statevector``, ``QuantumCircuit`` or ``CorrelationTensor``.
        name: Name of the argument, for the message.
        fewest: The fewest qubits that are accepted.

    Raises:
        MeasurementError: If it is not a valid state, or one of other parties.
    """
    tensor = CorrelationTensor.of(state, name=name)
    if set(tensor.dimensions) != {2} or not fewest <= tensor.num_parties <= MAX_PARTIES:
        raise MeasurementError.bad_argument(
            name,
            expected=f"{fewest} to {MAX_PARTIES} qubits, one per party",
            got=f"parties of dimensions {tensor.dimensions}",
            remedy="Behavior.from_state(state, settings) takes any parties, for chosen settings.",
        )
    # Else measurements would get negative probabilities, by no more than rounding.
    return rounded_to_state(tensor)


def tensor_of_parties(
    state: Any,
    parties: Sequence[Any] | PhysicalQubits | None = None,
    name: str = "state",
    *,
    fewest: int = 2,
    largest: int = 2**MAX_PARTIES,
) -> CorrelationTensor:
    """The correlations of a state of parties of any dimensions.

    Args:
        state: ``DensityMatrix``, ``Statevector``, ``QuantumCircuit`` or ``CorrelationTensor``.
        parties: The qubits of each party of a state; default: one party per qubit or subsystem.
        name: Name of the argument, for the message.
        fewest: The fewest parties that are accepted.
        largest: The largest dimension of the whole space. Where all parties are qubits, there are at most 6 of them.

    Raises:
        MeasurementError: If it is not a valid state, or one of other parties.
    """
    if parties is not None and isinstance(state, CorrelationTensor):
        raise MeasurementError.bad_argument(
            "parties", expected="None for a correlation tensor, which has its own parties", got=shown(parties)
        )
    tensor = CorrelationTensor.of(state, parties, name=name)
    if set(tensor.dimensions) == {2}:
        return qubit_tensor(tensor, name, fewest=fewest)
    require_small(tensor, name, fewest=fewest, largest=largest)
    # Else measurements would get negative probabilities, by no more than rounding.
    return rounded_to_state(tensor)


def require_small(
    tensor: CorrelationTensor, name: str = "state", *, fewest: int = 2, largest: int = 2**MAX_PARTIES
) -> None:
    """Raises MeasurementError if there are too few or too many parties, or their dimensions are too large.

    Args:
        tensor: Correlations.
        name: Name of the argument, for the message.
        fewest: The fewest parties that are accepted.
        largest: The largest dimension of the whole space.
    """
    if not fewest <= tensor.num_parties <= MAX_PARTIES or math.prod(tensor.dimensions) > largest:
        raise MeasurementError.bad_argument(
            name,
            expected=f"{fewest} to {MAX_PARTIES} qubits, or as many parties with at most {largest} dimensions in all",
            got=f"parties of dimensions {tensor.dimensions}",
            remedy="Behavior.from_state(state, settings) takes any parties, for chosen settings.",
        )


def planar_tensor(tensor: CorrelationTensor, measurements: MeasurementSet | str) -> CorrelationTensor:
    """The tensor without the correlations that the measurements never see.

    Args:
        tensor: Correlations of qubits.
        measurements: A coordinate plane; all projective measurements, or all POVMs, leave it as it is.

    Raises:
        MeasurementError: If it is not ``"projective"``, ``"povm"`` or a plane, or the tensor is not one of qubits.
    """
    seen = projective_members(measurements).coordinates
    if seen.all():
        return tensor
    if set(tensor.dimensions) != {2}:
        raise MeasurementError.bad_argument("state", expected="qubits", got=f"dimensions {tensor.dimensions}")
    seen = np.concatenate([[1.0], seen])
    array = tensor.array
    for axis in range(array.ndim):
        array = array * seen.reshape([-1 if k == axis else 1 for k in range(array.ndim)])
    return CorrelationTensor(array)
