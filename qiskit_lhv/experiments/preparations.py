"""What prepares the state of an experiment: circuits of many kinds, and states that are turned into one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.exceptions import QiskitError
from qiskit.quantum_info import Clifford, DensityMatrix, StabilizerState, Statevector

from .._support.validation import shown
from ..exceptions import MeasurementError
from ..quantum.circuit_steps import steps_of
from ..quantum.parties import free_parameters, require_no_variables
from ..quantum.qubit_layouts import PhysicalQubits

__all__ = ["name_apart_from", "preparing_circuit", "require_bound", "require_static", "require_unread_parties"]


def preparing_circuit(source: Any) -> QuantumCircuit:
    """The circuit itself, or one that prepares a pure state.

    Args:
        source: A circuit, or a ``Statevector``, pure ``DensityMatrix``, ``StabilizerState``, ``Clifford`` or array of
            amplitudes of qubits.

    Raises:
        MeasurementError: If it is none of these, or a state that is mixed.
    """
    if isinstance(source, QuantumCircuit):
        require_no_variables(source)
        return source
    if isinstance(source, StabilizerState):
        return source.clifford.to_circuit()
    if isinstance(source, Clifford):
        return source.to_circuit()
    if isinstance(source, np.ndarray) and source.ndim == 1:
        source = _state(source)
    if isinstance(source, DensityMatrix):
        try:
            source = source.to_statevector(rtol=1e-8, atol=1e-8)
        except QiskitError as exc:
            raise _no_circuit("a mixed state", "which no gates prepare") from exc
    if not isinstance(source, Statevector):
        raise _no_circuit(shown(source))
    if source.num_qubits is None:
        raise _no_circuit(f"a state of dimensions {source.dims()}", "which are no qubits")
    if not source.is_valid(atol=1e-8):
        raise _no_circuit("a vector whose length is not 1")
    circuit = QuantumCircuit(source.num_qubits)
    circuit.prepare_state(Statevector(source.data / np.linalg.norm(source.data)))
    return circuit


def _state(amplitudes: Any) -> Statevector:
    try:
        return Statevector(np.asarray(amplitudes, dtype=complex))
    except (QiskitError, TypeError, ValueError) as exc:
        raise _no_circuit(shown(amplitudes)) from exc


def _no_circuit(got: str, reason: str = "") -> MeasurementError:
    return MeasurementError.bad_argument(
        "circuit",
        expected="a QuantumCircuit, or a Statevector of qubits",
        got=f"{got}, {reason}" if reason else got,
        remedy="For another state, Behavior.from_state(state, settings) gives its exact behavior, and its sample(...) "
        "draws counts.",
    )


def require_unread_parties(
    circuit: QuantumCircuit, parties: Sequence[tuple[int, ...]], given: Sequence[Any] | PhysicalQubits | None
) -> None:
    """Refuses circuits whose last operation on a party's qubit is a measurement.

    Args:
        circuit: The circuit.
        parties: Qubits of each party.
        given: The parties, as the caller named them.

    Raises:
        MeasurementError: If a party would be measured twice, without anything in between.
    """
    last = {qubit: operation.name for operation, own in steps_of(circuit) for qubit in own}
    read = [qubit for party in parties for qubit in party if last.get(qubit) == "measure"]
    if not read:
        return
    remedy = (
        "The measurements are added for every setting: pass circuit.remove_final_measurements(inplace=False), or the "
        "circuit before it was measured."
    )
    kept = [qubit for party in parties for qubit in party if qubit not in read]
    if given is None and kept:
        remedy += f" If only the others are parties: parties={kept if len(kept) < 9 else [*kept[:8], ...]}."
    raise MeasurementError.bad_argument(
        "circuit",
        expected="a circuit without measurements at the end of its parties",
        got=f"one with 'measure' last on qubit {read[0]}",
        remedy=remedy,
    )


def require_static(circuit: QuantumCircuit, remedy: str) -> None:
    """Refuses circuits with classical bits in use where they cannot be copied.

    Args:
        circuit: The circuit.
        remedy: What to use for them.

    Raises:
        MeasurementError: If the circuit measures or takes decisions.
    """
    for instruction in circuit.data:
        if instruction.clbits or instruction.operation.name == "measure":
            raise MeasurementError.bad_argument(
                "circuit",
                expected="here, a circuit without measurements",
                got=f"one with {instruction.operation.name!r}",
                remedy=remedy,
            )


def require_bound(circuit: QuantumCircuit) -> None:
    """Refuses circuits with free parameters.

    Args:
        circuit: The circuit.

    Raises:
        MeasurementError: If there are any.
    """
    free: list[Parameter] = free_parameters(circuit)
    if free:
        name = free[0].name
        values = f"[{{{name!r}: 0.1, ...}}, ...]" if len(free) > 1 else "[0.1, 0.2, ...]"
        raise MeasurementError.bad_argument(
            "circuit",
            expected="a circuit without free parameters",
            got=", ".join(parameter.name for parameter in free),
            remedy=f"experiment.sweep({values}) runs it at several values in one PUB; "
            "circuit.assign_parameters(...) binds one of them.",
        )


def name_apart_from(taken: set[str], name: str) -> str:
    """The name, with underscores where it is taken."""
    while name in taken:
        name += "_"
    return name
