"""States of some qubits of a stabilizer state, however many it has."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from qiskit.quantum_info import Clifford, DensityMatrix, Pauli, StabilizerState, Statevector, partial_trace

from ..exceptions import MeasurementError

__all__ = ["reduced_stabilizers"]

# Up to so many qubits the amplitudes are faster than expectation values.
_MAX_AMPLITUDES = 16
_MAX_EXPECTATIONS = 6


def reduced_stabilizers(
    state: StabilizerState | Clifford, qubits: Sequence[int], name: str
) -> DensityMatrix | Statevector:
    """The state of some qubits, in the order given.

    Args:
        state: A stabilizer state, or the Clifford operation that makes it of ``|0...0>``.
        qubits: Distinct numbers of its qubits.
        name: Name of the state, for messages.

    Raises:
        MeasurementError: If both the state and its part are too large.
    """
    clifford = state if isinstance(state, Clifford) else state.clifford
    n, count = int(clifford.num_qubits), len(qubits)
    if n <= _MAX_AMPLITUDES:
        vector = Statevector(clifford.to_circuit())
        rest = [qubit for qubit in range(n) if qubit not in qubits]
        # Axis 0 of the amplitudes is the last qubit.
        order = [n - 1 - qubit for qubit in [*reversed(rest), *reversed(qubits)]]
        turned = Statevector(vector.data.reshape((2,) * n).transpose(order).ravel())
        return partial_trace(turned, list(range(count, n))) if rest else turned
    if count > _MAX_EXPECTATIONS:
        raise MeasurementError.bad_argument(
            name,
            expected=f"a stabilizer state of at most {_MAX_AMPLITUDES} qubits, or at most {_MAX_EXPECTATIONS} of them",
            got=f"{count} of {n} qubits",
            remedy="Choose them with parties=[...].",
        )
    stabilizers = StabilizerState(clifford)
    matrix = np.zeros((2**count, 2**count), dtype=np.complex128)
    for letters in itertools.product("IXYZ", repeat=count):
        pauli = Pauli("".join(letters))
        value = stabilizers.expectation_value(pauli, list(qubits)).real
        if value:
            matrix += value * pauli.to_matrix()
    return DensityMatrix(matrix / 2**count)
