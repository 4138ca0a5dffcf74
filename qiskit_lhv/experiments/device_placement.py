"""Circuits on the physical qubits that they are meant for: transpiled without moving any, and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import rustworkx as rx
from qiskit import QuantumCircuit

from ..exceptions import MeasurementError
from ..quantum.circuit_steps import IDLE, opened
from .setting_circuits import SettingCircuits
from .transpilation import Transpile

__all__ = ["interactions", "placed_transpiler", "require_couplings"]


def interactions(circuit: QuantumCircuit, measurements: SettingCircuits) -> tuple[tuple[int, int], ...]:
    """Pairs of the circuit's qubits on which gates of two qubits act, joint bases included."""
    from qiskit.transpiler import PassManager
    from qiskit.transpiler.passes import Unroll3qOrMore

    unrolled = PassManager([Unroll3qOrMore()]).run(opened(circuit))
    pairs = {
        tuple(sorted(unrolled.find_bit(qubit).index for qubit in instruction.qubits))
        for instruction in unrolled.data
        if len(instruction.qubits) == 2 and instruction.operation.name not in IDLE
    }
    if not measurements.uses_one_circuit:
        groups = zip(measurements.settings, measurements.parties, measurements.ancillas, strict=True)
        for party, own, ancillas in groups:
            for setting in party:
                qubits = own if setting.basis is not None else own + ancillas
                if len(qubits) == 2 and setting.bloch_vectors is None:
                    pairs.add(tuple(sorted(qubits)))
    return tuple(sorted((a, b) for a, b in pairs))


def require_couplings(groups: Sequence[tuple[int, ...]], pairs: Sequence[tuple[int, int]], graph: rx.PyGraph) -> None:
    """Raises MeasurementError if a pair of the circuit's qubits is not coupled in one of the groups."""
    for group in groups:
        for a, b in pairs:
            if not graph.has_edge(group[a], group[b]):
                raise MeasurementError.bad_argument(
                    "groups",
                    expected="groups whose qubits are coupled where gates of the circuit act on two of them",
                    got=f"{group}: qubits {a} and {b} of the circuit need a coupling between {group[a]} and {group[b]}",
                    remedy="coupled_groups lists pairs and chains; reorder the group or rewrite the circuit.",
                )


def placed_transpiler(
    transpile: Transpile, copies: Mapping[str, tuple[int, ...]], measured: Sequence[int]
) -> Transpile:
    """Transpiles, and makes sure that every group stays where it was put."""

    def placed(circuit: QuantumCircuit) -> QuantumCircuit:
        result = transpile(circuit)
        if result is not circuit:
            _require_placement(result, copies, measured)
        return result

    return placed


def _require_placement(circuit: QuantumCircuit, copies: Mapping[str, tuple[int, ...]], measured: Sequence[int]) -> None:
    group_of = {qubit: group for group in copies.values() for qubit in group}
    place_of = {}
    moved = ""
    for instruction in circuit.data:
        if instruction.operation.name in IDLE:
            continue
        qubits = [circuit.find_bit(qubit).index for qubit in instruction.qubits]
        touched = {group_of.get(qubit) for qubit in qubits}
        if len(touched) != 1 or None in touched:
            moved = f"{instruction.operation.name} on {qubits}"
        if instruction.operation.name == "measure":
            place_of[instruction.clbits[0]] = qubits[0]
    for name, group in copies.items():
        register = next(own for own in circuit.cregs if own.name == name)
        places = tuple(place_of.get(bit) for bit in register)
        if places != tuple(group[qubit] for qubit in measured):
            moved = f"{group} measured on {places}"
    if moved:
        raise MeasurementError.bad_argument(
            "pass_manager",
            expected="one that leaves every qubit where it is",
            got=f"one that moves them: {moved}",
            remedy="Make it with initial_layout=range(num_qubits) and routing_method='none', at level 0 or 1.",
        )
