"""What PUBs are signed with, so that results of others are told apart when they are read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from qiskit import ClassicalRegister, QuantumCircuit
from qiskit.circuit import CircuitInstruction, ParameterExpression
from qiskit.circuit.classical import expr

from ..exceptions import CountsError
from ..measurements.specification import Measurement
from ..quantum.circuit_steps import STANDARD, is_counted_loop, passes_of

__all__ = ["SIGNATURE", "check_signature", "digest_of_circuit", "digest_of_settings", "short_digest", "signed"]

SIGNATURE = "qiskit_lhv"
"""Key of the signature in the metadata of a circuit."""

# Angles that differ by less are the same after a detour through a file or another version of a library.
_DECIMALS = 8
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def short_digest(*parts: str | bytes) -> str:
    """A short fingerprint of some text and bytes."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:16]


def digest_of_circuit(circuit: QuantumCircuit) -> str:
    """A fingerprint of what the circuit does to which qubits; names of circuits and registers do not matter."""
    return short_digest(str(circuit.num_qubits), *_lines_of(circuit))


def _lines_of(circuit: QuantumCircuit) -> list[str]:
    lines = []
    for instruction in circuit.data:
        operation = instruction.operation
        qubits = [circuit.find_bit(qubit).index for qubit in instruction.qubits]
        blocks = getattr(operation, "blocks", ())
        if is_counted_loop(operation):
            # Passes say what a loop does, whatever its counter is called and however its angles are written.
            inner = "|".join(digest_of_circuit(step) for step in passes_of(operation))
        elif blocks:
            inner = "|".join(digest_of_circuit(block) for block in blocks)
        elif operation.name in STANDARD or getattr(operation, "definition", None) is None:
            inner = ",".join(map(_text_of, operation.params))
        else:
            # Made by to_gate() or a library: its name may be numbered anew in every session.
            lines.append(f"{qubits} {digest_of_circuit(operation.definition)}")
            continue
        lines.append(f"{operation.name} {qubits} {inner}{_decision_text(circuit, instruction)}")
    return lines


def _decision_text(circuit: QuantumCircuit, instruction: CircuitInstruction) -> str:
    """The classical bits that an operation writes or depends on, and how; empty without any."""
    operation = instruction.operation
    parts = []
    if instruction.clbits:
        parts.append(str([circuit.find_bit(bit).index for bit in instruction.clbits]))
    for name in ("condition", "target"):
        depends = getattr(operation, name, None)
        if depends is not None and hasattr(operation, "blocks"):
            parts.append(_condition_text(circuit, depends))
    if hasattr(operation, "cases_specifier"):
        parts.append(_ADDRESS.sub("", str([labels for labels, _ in operation.cases_specifier()])))
    return "".join(f" {part}" for part in parts)


def _condition_text(circuit: QuantumCircuit, condition: Any) -> str:
    if isinstance(condition, tuple):
        return f"{_condition_text(circuit, condition[0])} == {int(condition[1])}"
    if isinstance(condition, expr.Expr):
        bits = [_condition_text(circuit, variable.var) for variable in expr.iter_vars(condition)]
        # Bits without a register show their place in memory, which differs from session to session.
        return f"{_ADDRESS.sub('', repr(condition))} {bits}"
    bits = condition if isinstance(condition, ClassicalRegister) else [condition]
    known = set(circuit.clbits)
    return str([circuit.find_bit(bit).index if bit in known else -1 for bit in bits])


def _text_of(parameter: Any) -> str:
    if isinstance(parameter, QuantumCircuit):
        return digest_of_circuit(parameter)
    if isinstance(parameter, str):
        return parameter
    if isinstance(parameter, ParameterExpression) and parameter.parameters:
        return str(parameter)
    try:
        return _digest_of_array(np.asarray(parameter, dtype=complex))
    except (TypeError, ValueError):
        return type(parameter).__name__


def _digest_of_array(array: Any) -> str:
    # Adding zero turns -0 into 0.
    rounded = np.round(np.asarray(array, dtype=complex), _DECIMALS) + 0
    return short_digest(str(rounded.shape), rounded.tobytes())


def digest_of_settings(settings: Sequence[Sequence[Measurement]], parties: Sequence[tuple[int, ...]]) -> str:
    """A fingerprint of which party measures what on which qubits."""
    parts = [str([list(party) for party in parties])]
    parts += [_digest_of_array(effects) for party in settings for setting in party for effects in setting.effects]
    return short_digest(*parts, str([len(party) for party in settings]))


def signed(circuit: QuantumCircuit, signature: Mapping[str, Any]) -> QuantumCircuit:
    """A copy of the circuit with the signature in its metadata."""
    copy = circuit.copy()
    copy.metadata = {**(circuit.metadata or {}), SIGNATURE: dict(signature)}
    return copy


def check_signature(pub_result: Any, expected: Mapping[str, Any]) -> None:
    """Raises CountsError if the result of a PUB is signed otherwise; results without any metadata pass.

    Args:
        pub_result: Result of one PUB.
        expected: The signature that it should have.
    """
    metadata = getattr(pub_result, "metadata", None)
    circuit = metadata.get("circuit_metadata") if isinstance(metadata, Mapping) else None
    found = circuit.get(SIGNATURE) if isinstance(circuit, Mapping) else None
    if not isinstance(found, Mapping):
        return
    for key, value in expected.items():
        if key in found and found[key] != value:
            raise CountsError.bad_argument(
                "result",
                expected="that of the PUBs of this experiment, in their order",
                got=f"one of {_OTHER.get(key, key)}",
                remedy="Pass the result of the PUBs that pubs() returned, with the schedule that it was given.",
            )


_OTHER = {
    "circuit": "another circuit",
    "settings": "other settings or parties",
    "schedule": "another schedule or grid of settings",
    "layer": "other groups, or another layer",
    "pub": "another PUB of the experiment",
    "setting": "another setting",
    "values": "other values of the free parameters",
}
