"""States and parties: from anything Qiskit calls a state to a density matrix in party order."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import CircuitInstruction, ForLoopOp, Parameter
from qiskit.exceptions import QiskitError
from qiskit.quantum_info import (
    Clifford,
    DensityMatrix,
    Pauli,
    PauliList,
    SparseObservable,
    SparsePauliOp,
    StabilizerState,
    Statevector,
    partial_trace,
)

from ..exceptions import MeasurementError
from .circuit_states import state_of_circuit
from .circuit_steps import is_counted_loop
from .qubit_layouts import PhysicalQubits, parse_parties
from .stabilizers import reduced_stabilizers

__all__ = [
    "QUANTUM_STATES",
    "ROUNDING_OF_STATES",
    "free_parameters",
    "lowest_eigenvalue",
    "party_tensor",
    "require_no_variables",
    "require_unmeasured",
    "state_of_parties",
    "to_state",
]

QUANTUM_STATES = (DensityMatrix, Statevector, QuantumCircuit, StabilizerState, Clifford)
"""The types that always represent a state. Arrays are accepted, too, where a state is expected."""

ROUNDING_OF_STATES = 1e-8
"""How far trace, Hermiticity and eigenvalues of a state may be off; negative eigenvalues are then set to zero."""
# Eigenvalues that are negative by no more are rounding errors of the eigenvalues themselves.
_NOT_NEGATIVE = 1e-12
# A matrix that differs more from its adjoint is replaced by its Hermitian part.
_SYMMETRIC = 1e-15
# From this dimension on a Cholesky factor, which is ten times faster, shows that eigenvalues are not negative ...
_LARGE = 1 << 7
# ... and above this one it would take longer than all else: then only minors of two rows are looked at.
_HUGE = 1 << 11
# What names a classical action: of the circuit, or of a loop or branch in it.
_CLASSICAL = {"measure", "store", "if_else", "switch_case", "while_loop", "break_loop", "continue_loop"}


def require_unmeasured(circuit: QuantumCircuit) -> None:
    """Raises MeasurementError if the circuit measures, branches on results, or has free parameters."""
    remedy = (
        "The measurements are added for every setting: pass "
        "circuit.remove_final_measurements(inplace=False), or the circuit before it was measured."
    )
    require_no_variables(circuit)
    for instruction in circuit.data:
        name = _classical_action(instruction)
        if name is not None:
            raise MeasurementError.bad_argument(
                "circuit", expected="a circuit without measurements", got=f"one with {name!r}", remedy=remedy
            )
    free = free_parameters(circuit)
    if free:
        names = ", ".join(parameter.name for parameter in free)
        raise MeasurementError.bad_argument(
            "circuit",
            expected="a circuit without free parameters",
            got=names,
            remedy="Bind them with circuit.assign_parameters(...).",
        )


def require_no_variables(circuit: QuantumCircuit) -> None:
    """Raises MeasurementError if the circuit has classical variables."""
    if circuit.num_identifiers:
        raise MeasurementError.bad_argument(
            "circuit",
            expected="a circuit without classical variables",
            got=", ".join(f"{variable.name!r}" for variable in [*circuit.iter_vars(), *circuit.iter_stretches()]),
            remedy="What it prepares must not depend on results or on the clock: put the values in their place.",
        )


def free_parameters(circuit: QuantumCircuit) -> list[Parameter]:
    """The parameters of the circuit that have no value, in its own order."""
    # Qiskit 2.0 counts the counters of loops in loops as free.
    counters = _loop_counters(circuit)
    return [parameter for parameter in circuit.parameters if parameter not in counters]


def _loop_counters(circuit: QuantumCircuit) -> set[Any]:
    found = set()
    for instruction in circuit.data:
        operation = instruction.operation
        if isinstance(operation, ForLoopOp):
            found.add(operation.params[1])
        for block in getattr(operation, "blocks", ()):
            found |= _loop_counters(block)
    return found


def _classical_action(instruction: CircuitInstruction) -> str | None:
    operation = instruction.operation
    conditional = getattr(operation, "condition", None) is not None
    # Newer loops may count up to a classical variable.
    counted_by_variable = isinstance(operation, ForLoopOp) and not is_counted_loop(operation)
    if operation.name in _CLASSICAL or instruction.clbits or conditional or counted_by_variable:
        return str(operation.name)
    for block in getattr(operation, "blocks", ()):
        for inner in block.data:
            name = _classical_action(inner)
            if name is not None:
                return name
    return None


def to_state(state: Any, name: str = "state") -> DensityMatrix | Statevector:
    """Turns a state or circuit into a checked ``Statevector`` or ``DensityMatrix``.

    A matrix that misses being a state by no more than 1e-8 is taken as the state that it means: negative eigenvalues
    become zero, and the trace is kept. For more than 11 qubits, positivity is only tested on pairs of rows.

    Args:
        state: ``Statevector``, ``DensityMatrix``, ``StabilizerState``, ``QuantumCircuit`` without measurements,
            ``Clifford`` (of the state that it makes of ``|0...0>``), or an array (one axis: amplitudes; two axes: a
            density matrix). Of a circuit with a layout, the qubits are those of the circuit that it was transpiled
            from.
        name: Name of the argument, for messages.

    Raises:
        MeasurementError: If it is of another kind, not normalized, or not positive.
    """
    return state_of_parties(state, None, name)[0]


def state_of_parties(
    state: Any, parties: Sequence[Any] | PhysicalQubits | None, name: str = "state"
) -> tuple[DensityMatrix | Statevector, list[tuple[int, ...]]]:
    """The checked state of the parties, without the qubits that belong to none of them.

    Args:
        state: Anything :func:`to_state` takes.
        parties: As in :func:`parse_parties`.
        name: Name of the argument, for messages.

    Returns:
        The state, a vector where it is known to be pure, and the numbers in it of the qubits of each party.

    Raises:
        MeasurementError: If the state or the parties cannot be used.
    """
    if isinstance(state, Pauli | PauliList | SparsePauliOp | SparseObservable):
        raise MeasurementError.bad_argument(
            name,
            expected="a state",
            got=f"{type(state).__name__}, an observable",
            remedy="Observables are measured: they are settings. A density matrix goes in as DensityMatrix(matrix).",
        )
    try:
        if isinstance(state, StabilizerState | Clifford):
            groups = parse_parties(parties, int(state.num_qubits))
            qubits = [qubit for group in groups for qubit in group]
            return _checked(reduced_stabilizers(state, qubits, name), name), _in_order(groups)
        if isinstance(state, QuantumCircuit):
            require_unmeasured(state)
            groups = parse_parties(parties, state)
            qubits = [qubit for group in groups for qubit in group]
            # Only what matters to the parties is simulated.
            return _checked(_simulated(state, qubits, name), name), _in_order(groups)
        if isinstance(state, Statevector | DensityMatrix):
            result = state
        else:
            array = np.asarray(state, dtype=complex)
            result = Statevector(array) if array.ndim == 1 else DensityMatrix(array)
    except MeasurementError:
        raise
    except (QiskitError, TypeError, ValueError) as exc:
        raise MeasurementError.bad_argument(
            name,
            expected="a DensityMatrix, Statevector, StabilizerState, QuantumCircuit or array that is a state",
            got=f"{type(state).__name__} ({exc})",
            remedy="Counts, trials and behaviors go to analyze.",
        ) from exc
    checked = _checked(result, name)
    groups = parse_parties(parties, len(checked.dims()))
    kept = sorted(qubit for group in groups for qubit in group)
    dropped = [qubit for qubit in range(len(checked.dims())) if qubit not in kept]
    if not dropped:
        return checked, groups
    return partial_trace(checked, dropped), [tuple(kept.index(qubit) for qubit in group) for group in groups]


def _in_order(groups: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Groups of the same sizes whose qubits are numbered in order."""
    starts = np.cumsum([0, *map(len, groups)]).tolist()
    return [tuple(range(start, stop)) for start, stop in itertools.pairwise(starts)]


def lowest_eigenvalue(state: Any) -> float:
    """The lowest eigenvalue of a density matrix, as it was given, if it is negative by more than 1e-12; else 0.

    Args:
        state: Anything that :func:`to_state` takes.
    """
    if (
        isinstance(state, Statevector | QuantumCircuit | StabilizerState | Clifford)
        or np.ndim(getattr(state, "data", state)) != 2
    ):
        return 0.0
    data = np.asarray(getattr(state, "data", state), dtype=complex)
    if len(data) > _HUGE or (len(data) >= _LARGE and _is_not_negative(data)):
        return 0.0
    lowest = float(np.linalg.eigvalsh((data + data.conj().T) / 2)[0])
    return lowest if lowest < -_NOT_NEGATIVE else 0.0


def _simulated(circuit: QuantumCircuit, qubits: Sequence[int], name: str) -> DensityMatrix | Statevector:
    try:
        return state_of_circuit(circuit, qubits)
    except MeasurementError:
        raise
    except (QiskitError, TypeError, ValueError) as exc:
        raise MeasurementError.bad_argument(
            name, expected="a circuit of gates, resets and channels", got=f"one that cannot be simulated ({exc})"
        ) from exc


def _checked(state: DensityMatrix | Statevector, name: str) -> DensityMatrix | Statevector:
    data = state.data
    if not np.all(np.isfinite(data)):
        raise MeasurementError.bad_argument(name, expected="finite numbers", got="NaN or infinity")
    trace = state.trace()
    if abs(trace - 1) > ROUNDING_OF_STATES:
        raise MeasurementError.bad_argument(name, expected="trace 1", got=f"trace {trace:.6g}")
    if not isinstance(state, DensityMatrix):
        return state
    asymmetry = _asymmetry(data)
    if asymmetry > ROUNDING_OF_STATES:
        raise MeasurementError.bad_argument(name, expected="a Hermitian matrix", got="another one")
    if asymmetry > _SYMMETRIC:
        data = (data + data.conj().T) / 2
        state = DensityMatrix(data, dims=state.dims())
    if len(data) > _HUGE:
        _check_minors(data, name)
        return state
    if len(data) >= _LARGE and _is_not_negative(data):
        return state
    values, vectors = np.linalg.eigh((data + data.conj().T) / 2)
    if values[0] < -ROUNDING_OF_STATES:
        raise MeasurementError.bad_argument(name, expected="a positive matrix", got=f"an eigenvalue of {values[0]:.3g}")
    if values[0] >= -_NOT_NEGATIVE:
        return state
    positive = np.maximum(values, 0)
    positive *= values.sum() / positive.sum()
    return DensityMatrix((vectors * positive) @ vectors.conj().T, dims=state.dims())


def _asymmetry(data: NDArray[np.complex128]) -> float:
    """The largest difference of an entry from the conjugate of its mirror image, some rows at a time."""
    rows = _rows_at_a_time(data)
    return max(
        float(np.abs(data[i : i + rows] - data[:, i : i + rows].conj().T).max()) for i in range(0, len(data), rows)
    )


def _check_minors(data: NDArray[np.complex128], name: str) -> None:
    """Raises MeasurementError if a minor of two rows says that a Hermitian matrix is not positive."""
    diagonal = data.diagonal().real
    bound = np.sqrt(np.maximum(diagonal, 0) + ROUNDING_OF_STATES)
    rows = _rows_at_a_time(data)
    if diagonal.min() < -ROUNDING_OF_STATES or any(
        np.any(np.abs(data[i : i + rows]) > np.outer(bound[i : i + rows], bound)) for i in range(0, len(data), rows)
    ):
        raise MeasurementError.bad_argument(name, expected="a positive matrix", got="one with a negative eigenvalue")


def _rows_at_a_time(data: NDArray[np.complex128]) -> int:
    return max(1, (1 << 20) // len(data))


def _is_not_negative(data: NDArray[np.complex128]) -> bool:
    """Whether a Hermitian matrix surely has no eigenvalue below -1e-12, but for rounding; False: look at them."""
    shifted = np.array(data)
    shifted.flat[:: len(data) + 1] += _NOT_NEGATIVE
    try:
        np.linalg.cholesky(shifted)
    except np.linalg.LinAlgError:
        return False
    return True


def party_tensor(
    state: Any, parties: Sequence[Any] | PhysicalQubits | None, name: str = "state"
) -> tuple[np.ndarray, tuple[int, ...]]:
    """The state of the parties, with axes in party order.

    Args:
        state: Anything :func:`to_state` takes.
        parties: As in :func:`parse_parties`.
        name: Name of the argument, for messages.

    Returns:
        An array of shape ``(D_1, ..., D_N, D_1, ..., D_N)``, ket axes first, and the dimensions
        ``(D_1, ..., D_N)``. Inside a party of several qubits, its first qubit is the least significant.

    Raises:
        MeasurementError: If the state or the parties cannot be used.
    """
    checked, groups = state_of_parties(state, parties, name)
    dims, matrix = checked.dims(), DensityMatrix(checked).data
    # Qiskit is little-endian: the last qubit is the first axis. Translate to party order here only.
    axis_of = [len(dims) - 1 - qubit for qubit in range(len(dims))]
    order = [axis_of[qubit] for group in groups for qubit in reversed(group)]
    tensor = matrix.reshape(dims[::-1] * 2).transpose(order + [len(dims) + axis for axis in order])
    party_dims = tuple(int(np.prod([dims[qubit] for qubit in group])) for group in groups)
    return tensor.reshape(party_dims * 2), party_dims
