"""The state that a circuit prepares, of those of its qubits that are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.quantum_info import DensityMatrix, Kraus, Operator, Statevector, SuperOp

from .._support.memory import require_memory
from .circuit_steps import Step, causal_steps, steps_of

__all__ = ["state_of_circuit"]

# Gates of more qubits are opened, where they say what they are made of.
_LARGEST_MATRIX = 3
# Bytes of a complex number, times the copies that a step makes.
_BYTES_PER_AMPLITUDE = 16 * 3
# Parts of a mixture with a smaller share are rounding.
_SHARE = 1e-15


def state_of_circuit(circuit: QuantumCircuit, qubits: Sequence[int] | None = None) -> DensityMatrix | Statevector:
    """The state of some qubits of a circuit without measurements; the others need memory only while they matter.

    The state is held as a sum of pure states, each a column. A qubit is added when something first acts on it and
    traced out after its last step; that, a reset or a channel makes more columns, which are merged where the state of
    fewer qubits needs no more of them.

    Args:
        circuit: The circuit; boxes and loops of a fixed count are opened.
        qubits: The qubits, in the order of the result; default: all.

    Returns:
        A vector if nothing was traced out, reset or sent through a channel; else a density matrix.

    Raises:
        MeasurementError: If the state takes more memory than the machine has.
    """
    wanted = tuple(range(circuit.num_qubits)) if qubits is None else tuple(qubits)
    steps = causal_steps(list(_small_steps(steps_of(circuit))), wanted)
    _require_memory(_most_qubits(steps, wanted), "qubits that matter at a time")
    last = {qubit: i for i, (_, own) in enumerate(steps) for qubit in own}
    columns = _Columns()
    for i, (operation, own) in enumerate(steps):
        if operation.name == "reset":
            columns.drop(own[0])
            columns.add(own[0])
        else:
            columns.apply(operation, own)
        for qubit in own:
            if last[qubit] == i and qubit not in wanted:
                columns.drop(qubit)
    for qubit in wanted:
        columns.add(qubit)
    return columns.state(wanted)


def _small_steps(steps: Any) -> Any:
    for operation, own in steps:
        definition = getattr(operation, "definition", None)
        if len(own) > _LARGEST_MATRIX and definition is not None:
            yield from ((inner, tuple(own[i] for i in places)) for inner, places in _small_steps(steps_of(definition)))
        else:
            yield operation, own


def _most_qubits(steps: Sequence[Step], wanted: Sequence[int]) -> int:
    """Most qubits that have to be held at a time."""
    last = {qubit: i for i, (_, own) in enumerate(steps) for qubit in own}
    active: set[int] = set()
    most = len(wanted)
    for i, (_, own) in enumerate(steps):
        active.update(own)
        most = max(most, len(active))
        active -= {qubit for qubit in own if last[qubit] == i and qubit not in wanted}
    return most


def _require_memory(log2_numbers: int, what: str) -> None:
    require_memory(
        _BYTES_PER_AMPLITUDE * 2.0**log2_numbers,
        "circuit",
        expected="one whose state fits",
        got=f"one with {log2_numbers} {what}:",
        remedy="Ask for parties that fewer qubits matter to, or run the circuit on a simulator by "
        "matrix-product states: AerSimulator(method='matrix_product_state').",
    )


class _Columns:
    """A state as a sum of pure ones: an axis for each active qubit, then one for the columns."""

    def __init__(self) -> None:
        self.array: NDArray[np.complex128] = np.ones(1, dtype=complex)
        self.active: list[int] = []
        self.mixed = False

    def add(self, qubit: int) -> None:
        """Adds a qubit in the state 0 if it is not active."""
        if qubit not in self.active:
            self.active.insert(0, qubit)
            self.array = np.stack([self.array, np.zeros_like(self.array)])

    def drop(self, qubit: int) -> None:
        """Traces a qubit out: its two values become two columns of each."""
        if qubit not in self.active:
            return
        axis = self.active.index(qubit)
        del self.active[axis]
        moved = np.moveaxis(self.array, axis, -1)
        self.array = moved.reshape(*moved.shape[:-2], -1)
        self.mixed = True
        self._merge()

    def apply(self, operation: Any, own: tuple[int, ...]) -> None:
        """Applies a gate or a channel."""
        for qubit in own:
            self.add(qubit)
        try:
            matrices = [Operator(operation).data]
        except Exception:  # an instruction without a matrix, which is a channel if it is anything
            kraus = Kraus(SuperOp(operation)).data
            matrices = list(kraus[0] if isinstance(kraus, tuple) else kraus)
        self._require_room(len(matrices))
        if len(matrices) > 1:
            self.mixed = True
        self.array = np.concatenate([self._applied(matrix, own) for matrix in matrices], axis=-1)
        if len(matrices) > 1:
            self._merge()

    def _applied(self, matrix: NDArray[np.complex128], own: tuple[int, ...]) -> NDArray[np.complex128]:
        # Qiskit's first qubit is the last axis of a matrix.
        axes = [self.active.index(qubit) for qubit in reversed(own)]
        tensor = matrix.reshape((2,) * (2 * len(own)))
        result = np.tensordot(tensor, self.array, axes=(range(len(own), 2 * len(own)), axes))
        return np.moveaxis(result, range(len(own)), axes)

    def _require_room(self, times: int) -> None:
        numbers = self.array.size * times
        if times > 1:
            _require_memory(int(np.ceil(np.log2(numbers))), "qubits and mixed parts of the state")

    def _merge(self) -> None:
        """Replaces the columns by no more than the state has eigenvalues, without those that are rounding."""
        matrix = self.array.reshape(-1, self.array.shape[-1])
        rows, number = matrix.shape
        smaller = matrix.conj().T @ matrix if number <= rows else matrix @ matrix.conj().T
        values, vectors = np.linalg.eigh(smaller)
        kept = values > _SHARE * values[-1]
        merged = matrix @ vectors[:, kept] if number <= rows else vectors[:, kept] * np.sqrt(values[kept])
        self.array = merged.reshape(*self.array.shape[:-1], -1)

    def state(self, wanted: Sequence[int]) -> DensityMatrix | Statevector:
        """The state of the qubits; none other is active."""
        order = [self.active.index(qubit) for qubit in reversed(wanted)]
        matrix = self.array.transpose([*order, len(order)]).reshape(2 ** len(order), -1)
        if not self.mixed:
            return Statevector(matrix[:, 0])
        _require_memory(2 * len(order), "qubits of a mixed state, counted twice")
        return DensityMatrix(matrix @ matrix.conj().T)
