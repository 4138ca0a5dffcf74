"""What the steps of a circuit do, and which of them matter to some of its qubits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from qiskit import ClassicalRegister, QuantumCircuit
from qiskit.circuit import BoxOp, ForLoopOp, Gate, Qubit
from qiskit.circuit.library import PauliEvolutionGate, get_standard_gate_name_mapping

__all__ = [
    "IDLE",
    "STANDARD",
    "Step",
    "causal_steps",
    "is_counted_loop",
    "num_causal_qubits",
    "opened",
    "passes_of",
    "refused_by_state_vectors",
    "stays_pure",
    "steps_of",
    "without_idle_qubits",
]

Step = tuple[Any, tuple[int, ...]]
"""An operation, and the numbers of the qubits that it acts on."""

# Register of the measurement at the start of circuits that do not stay pure.
_REGISTER = "at_start"
IDLE = frozenset({"barrier", "delay"})
"""The names of operations that do not change an exact state."""
STANDARD = frozenset({*get_standard_gate_name_mapping(), "unitary", "barrier", "initialize", "state_preparation"})
"""The names that identify an operation. Other names may contain a number that differs between sessions, or may belong
to a circuit."""


def steps_of(circuit: QuantumCircuit) -> Iterator[Step]:
    """All that acts on the state: gates, resets and channels; boxes, loops and composite instructions opened.

    Args:
        circuit: Any circuit. Its measurements are steps, too, and so are its decisions, as they are.
    """
    yield from _steps_of(circuit, tuple(range(circuit.num_qubits)))


def _steps_of(circuit: QuantumCircuit, places: tuple[int, ...]) -> Iterator[Step]:
    for instruction in circuit.data:
        operation = instruction.operation
        qubits = tuple(places[circuit.find_bit(qubit).index] for qubit in instruction.qubits)
        if operation.name in IDLE or not qubits:
            continue
        parts = _parts_of(operation)
        if parts is not None:
            for part in parts:
                yield from _steps_of(part, qubits)
        elif isinstance(operation, Gate) or getattr(operation, "definition", None) is None:
            yield operation, qubits
        else:
            yield from _steps_of(operation.definition, qubits)


def is_counted_loop(operation: Any) -> bool:
    """Whether an operation is a loop over values that are known, not up to a classical variable."""
    return isinstance(operation, ForLoopOp) and isinstance(operation.params[0], range | tuple | list)


def passes_of(loop: Any) -> Iterator[QuantumCircuit]:
    """What a loop over known values does in each pass."""
    values, parameter, body = loop.params
    for value in values:
        yield body if parameter not in body.parameters else body.assign_parameters({parameter: value})


def causal_steps(steps: Sequence[Step], qubits: Sequence[int]) -> list[Step]:
    """The steps that matter to the state of some qubits at the end.

    Args:
        steps: All steps, in order.
        qubits: Numbers of the qubits.
    """
    wanted, kept = set(qubits), []
    for operation, own in reversed(steps):
        if operation.name == "measure":
            wanted.update(own)
        if wanted.isdisjoint(own):
            continue
        kept.append((operation, own))
        if operation.name == "reset":
            # What the qubit was before matters only through the others that it acted on.
            wanted.difference_update(own)
        else:
            wanted.update(own)
    return kept[::-1]


def stays_pure(steps: Iterable[Step]) -> bool:
    """Whether the steps are unitary, but for resets of qubits not yet acted on, and measurements at the end."""
    return _first_mixing(steps) is None


def _first_mixing(steps: Iterable[Step]) -> Step | None:
    used: set[int] = set()
    measured: set[int] = set()
    for operation, own in steps:
        if not measured.isdisjoint(own):
            # A measurement before the end, of which a single state vector would keep one random result.
            return operation, own
        if operation.name == "measure":
            measured.update(own)
            continue
        if operation.name == "reset" and used.isdisjoint(own):
            continue
        if not isinstance(operation, Gate):
            return operation, own
        used.update(own)
    return None


def refused_by_state_vectors(circuit: QuantumCircuit) -> QuantumCircuit:
    """Returns the measured circuit in a form that samplers with a single state vector reject if it does not stay pure.

    Such samplers follow one random branch of a reset for all shots without a warning, but they reject measurements
    before the end. Therefore a qubit is measured at the start, where this changes nothing, into a separate register.
    """
    step = _first_mixing(steps_of(circuit))
    if step is None:
        return circuit
    name, taken = _REGISTER, {register.name for register in circuit.cregs}
    while name in taken:
        name += "_"
    register = ClassicalRegister(1, name)
    result = circuit.copy_empty_like()
    result.add_register(register)
    result.measure(step[1][0], register[0])
    for instruction in circuit.data:
        result.append(instruction.operation, instruction.qubits, instruction.clbits)
    return result


def num_causal_qubits(circuit: QuantumCircuit) -> int:
    """Number of qubits that the results of a measured circuit depend on, as simulators count them."""
    own = [_qubits_of(circuit, instruction) for instruction in circuit.data]
    return len(_causal_qubits(circuit, own))


def without_idle_qubits(circuit: QuantumCircuit) -> QuantumCircuit:
    """The measured circuit without the qubits that its results do not depend on; registers of bits stay."""
    own = [_qubits_of(circuit, instruction) for instruction in circuit.data]
    causal = _causal_qubits(circuit, own)
    if len(causal) == circuit.num_qubits:
        return circuit
    kept = sorted(causal)
    qubits = {old: Qubit() for old in kept}
    result = QuantumCircuit(list(qubits.values()), circuit.clbits, *circuit.cregs, metadata=circuit.metadata)
    for instruction, places in zip(circuit.data, own, strict=True):
        if instruction.operation.name not in IDLE and causal.issuperset(places):
            result.append(instruction.operation, [qubits[place] for place in places], instruction.clbits)
    return result


def _qubits_of(circuit: QuantumCircuit, instruction: Any) -> tuple[int, ...]:
    return tuple(circuit.find_bit(qubit).index for qubit in instruction.qubits)


def _causal_qubits(circuit: QuantumCircuit, own: Sequence[tuple[int, ...]]) -> set[int]:
    wanted: set[int] = set()
    for instruction, places in zip(reversed(circuit.data), reversed(own), strict=True):
        name = instruction.operation.name
        if name == "measure" or instruction.clbits or (name not in IDLE and not wanted.isdisjoint(places)):
            wanted.update(places)
    return wanted


def opened(circuit: QuantumCircuit) -> QuantumCircuit:
    """The circuit as a device would run it, with what its boxes, loops and product formulas do in their place.

    Simulators know no boxes, and some no loops. And where a device runs the product formula of a
    ``PauliEvolutionGate``, Qiskit's state vectors take the exact exponential, which is something else.
    """
    if not _can_be_opened(circuit):
        return circuit
    result = circuit.copy_empty_like()
    for instruction in circuit.data:
        operation = instruction.operation
        parts = _parts_of(operation)
        if parts is not None:
            for part in parts:
                inner = opened(part)
                bits = dict(zip(inner.qubits, instruction.qubits, strict=True))
                bits |= dict(zip(inner.clbits, instruction.clbits, strict=True))
                for part in inner.data:
                    result.append(part.operation, [bits[q] for q in part.qubits], [bits[c] for c in part.clbits])
        elif hasattr(operation, "blocks"):
            blocks = [opened(block) for block in operation.blocks]
            result.append(operation.replace_blocks(blocks), instruction.qubits, instruction.clbits)
        else:
            result.append(operation, instruction.qubits, instruction.clbits)
    return result


def _parts_of(operation: Any) -> Iterable[QuantumCircuit] | None:
    """What an operation is opened into, one circuit after the other, if it is."""
    if is_counted_loop(operation):
        return passes_of(operation)
    contents = _contents(operation)
    return None if contents is None else (contents,)


def _contents(operation: Any) -> QuantumCircuit | None:
    """The circuit that a box, a product formula, or a composite gate with one of them stands for."""
    if isinstance(operation, BoxOp):
        return operation.blocks[0]
    if isinstance(operation, PauliEvolutionGate):
        return operation.definition
    if operation.name in STANDARD or hasattr(operation, "blocks"):
        return None
    definition = getattr(operation, "definition", None)
    return definition if definition is not None and _can_be_opened(definition) else None


def _can_be_opened(circuit: QuantumCircuit) -> bool:
    return any(
        _parts_of(instruction.operation) is not None
        or any(map(_can_be_opened, getattr(instruction.operation, "blocks", ())))
        for instruction in circuit.data
    )
