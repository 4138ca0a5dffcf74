"""States and parties: from anything Qiskit calls a state to a density matrix in party order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import CircuitInstruction
from qiskit.exceptions import QiskitError
from qiskit.quantum_info import DensityMatrix, Statevector, partial_trace

from .._validation import is_whole_number
from ..exceptions import MeasurementError
from .circuit_states import state_of_circuit

__all__ = [
    "ROUNDING_OF_STATES",
    "lowest_eigenvalue",
    "parse_parties",
    "reduced_state",
    "require_unmeasured",
    "to_state",
]

ROUNDING_OF_STATES = 1e-8
"""How far trace, Hermiticity and eigenvalues of a state may be off; negative eigenvalues are then set to zero."""
# Eigenvalues that are negative by no more are rounding errors of the eigenvalues themselves.
_NOT_NEGATIVE = 1e-12


def parse_parties(parties: Sequence[Any] | None, num_subsystems: int) -> list[tuple[int, ...]]:
    """Returns the qubits (or subsystems) of each party as tuples.

    Args:
        parties: A qubit or a sequence of qubits for each party; ``None``: party k is qubit k.
        num_subsystems: Number of qubits there are.

    Raises:
        MeasurementError: If an entry is no qubit of the state, or two parties overlap.
    """
    if parties is None:
        return [(k,) for k in range(num_subsystems)]
    try:
        groups = [(p,) if is_whole_number(p) else tuple(p) for p in parties]
    except TypeError as exc:
        raise MeasurementError.bad_argument(
            "parties", expected="a qubit number or a sequence of them for each party", got=repr(parties)
        ) from exc
    if not groups:
        raise MeasurementError.bad_argument("parties", expected="at least one party", got="none")
    seen: dict[int, int] = {}
    for k, group in enumerate(groups):
        if not group:
            raise MeasurementError.bad_argument(f"parties[{k}]", expected="at least one qubit", got="none")
        for qubit in group:
            if not is_whole_number(qubit) or not 0 <= qubit < num_subsystems:
                raise MeasurementError.bad_argument(
                    f"parties[{k}]", expected=f"qubit numbers from 0 to {num_subsystems - 1}", got=repr(qubit)
                )
            if qubit in seen:
                raise MeasurementError.bad_argument(
                    "parties",
                    expected="parties that share no qubit",
                    got=f"qubit {qubit} in party {seen[qubit]} and in party {k}",
                )
            seen[int(qubit)] = k
    return [tuple(int(qubit) for qubit in group) for group in groups]


def require_unmeasured(circuit: QuantumCircuit) -> None:
    """Raises MeasurementError if the circuit measures, branches on results, or has free parameters."""
    remedy = (
        "The measurements are added for every setting: pass "
        "circuit.remove_final_measurements(inplace=False), or the circuit before it was measured."
    )
    for instruction in circuit.data:
        name = _classical_action(instruction)
        if name is not None:
            raise MeasurementError.bad_argument(
                "circuit", expected="a circuit without measurements", got=f"one with {name!r}", remedy=remedy
            )
    if circuit.num_identifiers:
        raise MeasurementError.bad_argument(
            "circuit",
            expected="a circuit without classical variables",
            got=", ".join(f"{one.name!r}" for one in [*circuit.iter_vars(), *circuit.iter_stretches()]),
            remedy="What it prepares must not depend on results or on the clock: put the values in their place.",
        )
    if circuit.parameters:
        names = ", ".join(parameter.name for parameter in circuit.parameters)
        raise MeasurementError.bad_argument(
            "circuit",
            expected="a circuit without free parameters",
            got=names,
            remedy="Bind them with circuit.assign_parameters(...).",
        )


def _classical_action(instruction: CircuitInstruction) -> str | None:
    operation = instruction.operation
    if operation.name == "measure" or instruction.clbits or getattr(operation, "condition", None) is not None:
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
    become zero, and the trace is kept.

    Args:
        state: ``Statevector``, ``DensityMatrix``, ``QuantumCircuit`` without measurements, or an array
            (one axis: amplitudes; two axes: a density matrix).
        name: Name of the argument, for messages.

    Raises:
        MeasurementError: If it is none of these, not normalized, or not positive.
    """
    try:
        if isinstance(state, QuantumCircuit):
            require_unmeasured(state)
            result = _simulated(state, None, name)
        elif isinstance(state, Statevector | DensityMatrix):
            result = state
        else:
            array = np.asarray(state, dtype=complex)
            result = Statevector(array) if array.ndim == 1 else DensityMatrix(array)
    except MeasurementError:
        raise
    except (QiskitError, TypeError, ValueError) as exc:
        raise MeasurementError.bad_argument(
            name,
            expected="a DensityMatrix, Statevector, QuantumCircuit or array that is a state",
            got=f"{type(state).__name__} ({exc})",
        ) from exc
    return _checked(result, name)


def lowest_eigenvalue(state: Any) -> float:
    """The lowest eigenvalue of a density matrix, as it was given, if it is negative by more than 1e-12; else 0.

    Args:
        state: Anything that :func:`to_state` takes.
    """
    if isinstance(state, Statevector | QuantumCircuit) or np.ndim(getattr(state, "data", state)) != 2:
        return 0.0
    data = np.asarray(getattr(state, "data", state), dtype=complex)
    lowest = float(np.linalg.eigvalsh((data + data.conj().T) / 2)[0])
    return lowest if lowest < -_NOT_NEGATIVE else 0.0


def _simulated(circuit: QuantumCircuit, qubits: Sequence[int] | None, name: str) -> DensityMatrix | Statevector:
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
    if np.abs(data - data.conj().T).max() > ROUNDING_OF_STATES:
        raise MeasurementError.bad_argument(name, expected="a Hermitian matrix", got="another one")
    values, vectors = np.linalg.eigh((data + data.conj().T) / 2)
    if values[0] < -ROUNDING_OF_STATES:
        raise MeasurementError.bad_argument(name, expected="a positive matrix", got=f"an eigenvalue of {values[0]:.3g}")
    if values[0] >= -_NOT_NEGATIVE:
        return state
    positive = np.maximum(values, 0)
    positive *= values.sum() / positive.sum()
    return DensityMatrix((vectors * positive) @ vectors.conj().T, dims=state.dims())


def reduced_state(state: Any, parties: Sequence[Any] | None, name: str = "state") -> tuple[np.ndarray, tuple[int, ...]]:
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
    if isinstance(state, QuantumCircuit):
        # Only what matters to the parties is simulated.
        require_unmeasured(state)
        groups = parse_parties(parties, state.num_qubits)
        qubits = sorted(qubit for group in groups for qubit in group)
        groups = [tuple(qubits.index(qubit) for qubit in group) for group in groups]
        checked = _checked(_simulated(state, qubits, name), name)
        dims = checked.dims()
    else:
        checked = to_state(state, name)
        dims = checked.dims()
        groups = parse_parties(parties, len(dims))
    kept = sorted(qubit for group in groups for qubit in group)
    dropped = [qubit for qubit in range(len(dims)) if qubit not in kept]
    if dropped:
        checked = partial_trace(checked, dropped)
    matrix = DensityMatrix(checked).data
    # Qiskit is little-endian: the last kept qubit is the first axis. Translate to party order here only.
    axes_dims = [dims[qubit] for qubit in reversed(kept)]
    axis_of = {qubit: axis for axis, qubit in enumerate(reversed(kept))}
    order = [axis_of[qubit] for group in groups for qubit in reversed(group)]
    tensor = matrix.reshape(axes_dims * 2).transpose(order + [len(kept) + axis for axis in order])
    party_dims = tuple(int(np.prod([dims[qubit] for qubit in group])) for group in groups)
    return tensor.reshape(party_dims * 2), party_dims
