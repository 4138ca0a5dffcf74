"""Correlation tensors: expectation values of products of Pauli or Gell-Mann matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .._support.records import Record
from .._support.types import FloatArray
from .._support.validation import frozen, is_whole_number, real_array
from ..exceptions import ScenarioError
from ..quantum.qubit_layouts import PhysicalQubits
from .behaviors import Behavior
from .operator_basis import correlations_of_state, probabilities

__all__ = ["CorrelationTensor"]


@dataclass(frozen=True, eq=False, repr=False)
class CorrelationTensor(Record):
    """Expectation values of all products of the parties' basis matrices.

    It need not belong to a state: scaled tensors do not, and are still useful targets.

    Args:
        array: Shape ``(D_1**2, ..., D_N**2)``; index 0 is the identity, then X, Y, Z for a qubit and
            the generalized Gell-Mann matrices (symmetric, antisymmetric, diagonal; each of squared
            norm 2) for larger parties. Entry ``[0, ..., 0]`` is 1 (set to 1
            where it misses it by at most 1e-9).

    Raises:
        ScenarioError: If an axis is not the square of a dimension, or entry ``[0, ..., 0]`` is not 1.

    References:
        R. A. Bertlmann and P. Krammer, J. Phys. A 41, 235303 (2008), arXiv:0806.1174 (Gell-Mann matrices of any
        dimension).

    Examples:
        The tensor of a Werner state: its qubits are anticorrelated along every axis, and each of them alone is random.

        >>> from qiskit_lhv.quantum import werner_state
        >>> tensor = CorrelationTensor.from_state(werner_state(0.8))
        >>> tensor.array.diagonal().round(3).tolist()
        [1.0, -0.8, -0.8, -0.8]
        >>> abs(tensor.reduce([0]).array).round(3).tolist()
        [1.0, 0.0, 0.0, 0.0]

        Its behavior for any settings takes no density matrix any more:

        >>> tensor.behavior([["Z"], ["Z", "X"]]).to_correlators()[1, 1:].round(3).tolist()
        [-0.8, 0.0]
    """

    array: FloatArray
    """Shape ``(D_1**2, ..., D_N**2)``, float64, read-only."""

    def __post_init__(self) -> None:
        array = real_array(self.array, "array", ScenarioError)
        roots = [math.isqrt(size) for size in array.shape]
        if array.ndim == 0 or any(r < 2 or r * r != s for r, s in zip(roots, array.shape, strict=True)):
            raise ScenarioError.bad_argument(
                "array", expected="shape (D_1**2, ..., D_N**2) with D_k >= 2", got=f"shape {array.shape}"
            )
        if abs(array.flat[0] - 1) > 1e-9:
            raise ScenarioError.bad_argument("array", expected="1 at [0, ..., 0], the trace", got=f"{array.flat[0]}")
        if array.flat[0] != 1:
            # Mixtures of tensors miss it by rounding; proofs in exact arithmetic need it as it is meant.
            exact = array.copy()
            exact.flat[0] = 1
            array = frozen(exact)
        object.__setattr__(self, "array", array)

    def __repr__(self) -> str:
        return f"CorrelationTensor(dimensions {self.dimensions})"

    @cached_property
    def dimensions(self) -> tuple[int, ...]:
        """Dimension of each party's space."""
        return tuple(math.isqrt(size) for size in self.array.shape)

    @property
    def num_parties(self) -> int:
        """Number of parties."""
        return self.array.ndim

    @classmethod
    def from_state(cls, state: Any, parties: Sequence[Any] | PhysicalQubits | None = None) -> CorrelationTensor:
        """All expectation values of a state.

        Qubits are transformed in place, by a fast Walsh-Hadamard transform, and larger parties one after the other: no
        operator on the whole space is built. The 4**N values of N qubits take N steps per value, and 8 bytes each.

        Args:
            state: ``DensityMatrix``, ``Statevector``, ``StabilizerState``, ``Clifford`` (applied to ``|0...0>``), or
                ``QuantumCircuit`` without measurements.
            parties: The qubit, or the sequence of qubits, of each party, by number or, for circuits, as ``Qubit`` or
                ``QuantumRegister``; default: party k is qubit k. Of a circuit with a layout these are the qubits of the
                circuit that it was transpiled from; ``PhysicalQubits`` names its own.

        Raises:
            MeasurementError: If the state or the parties cannot be used, or the values do not fit into memory.
        """
        return cls.of(state, parties)

    @classmethod
    def of(
        cls, state: Any, parties: Sequence[Any] | PhysicalQubits | None = None, *, name: str = "state"
    ) -> CorrelationTensor:
        """The tensor of a state, as :meth:`from_state`; a tensor is returned as it is.

        Args:
            state: A tensor, or a state as in :meth:`from_state`.
            parties: The qubits of each party of a state; a tensor has its own.
            name: Name of the argument, for messages.

        Raises:
            MeasurementError: If the state or the parties cannot be used.
        """
        if isinstance(state, CorrelationTensor):
            return state
        return cls(correlations_of_state(state, parties, name))

    @classmethod
    def white_noise(cls, dimensions: Sequence[int]) -> CorrelationTensor:
        """The tensor of the maximally mixed state: all correlations are zero.

        Args:
            dimensions: Dimension of each party's space.
        """
        array = np.zeros([dimension**2 for dimension in dimensions])
        array.flat[0] = 1
        return cls(array)

    def largest_difference(self, other: Any) -> float:
        """The largest difference between correlations; infinite if the dimensions differ.

        Args:
            other: A tensor, or a state as in :meth:`from_state`.

        Raises:
            MeasurementError: If the state cannot be used.
        """
        tensor = CorrelationTensor.of(other)
        if tensor.array.shape != self.array.shape:
            return math.inf
        return float(np.abs(tensor.array - self.array).max())

    def behavior(self, settings: Sequence[Sequence[Any]] | str) -> Behavior:
        """The behavior under chosen measurements.

        Args:
            settings: One sequence of measurements per party (anything that ``measurement`` takes), or
                a name: ``"chsh"``, ``"mermin"``.

        Raises:
            MeasurementError: If a measurement cannot be used or does not fit its party.
            ScenarioError: If the tensor gives these measurements negative probabilities.
        """
        return Behavior(*probabilities(self.array, settings))

    def reduce(self, parties: Sequence[int]) -> CorrelationTensor:
        """The tensor of some of the parties, in the order given.

        Args:
            parties: Distinct party numbers.

        Raises:
            ScenarioError: If a number is out of range or repeated.
        """
        chosen = list(parties) if isinstance(parties, Sequence | np.ndarray) else []
        valid = all(is_whole_number(k) and 0 <= k < self.num_parties for k in chosen)
        if not chosen or not valid or len(set(chosen)) != len(chosen):
            raise ScenarioError.bad_argument(
                "parties", expected=f"distinct numbers from 0 to {self.num_parties - 1}", got=repr(parties)
            )
        index = tuple(slice(None) if k in chosen else 0 for k in range(self.num_parties))
        kept = sorted(chosen)
        return CorrelationTensor(self.array[index].transpose([kept.index(k) for k in chosen]))
