"""From circuits to those that a backend, or the simulator behind a sampler, can run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from qiskit import QuantumCircuit
from qiskit.exceptions import QiskitError
from qiskit.transpiler import Target

from .._support.deprecations import without_deprecations
from .._support.validation import checked_seed, is_whole_number, shown
from ..exceptions import MeasurementError
from ..quantum.circuit_steps import opened, refused_by_state_vectors
from .samplers import has_couplings, is_local, require_backend

__all__ = [
    "SimulatorTranslation",
    "Transpile",
    "TranspilerChoice",
    "as_pass_manager",
    "refusing_state_vectors",
    "transpiler",
]

Transpile = Callable[[QuantumCircuit], QuantumCircuit]


@dataclass(frozen=True)
class TranspilerChoice:
    """The options of the transpiler for a backend that the caller chose."""

    optimization_level: int | None = None
    """The optimization level, from 0 to 3. With ``None``, it is 1 for devices and 0 for simulators, for which only
    gates that they do not support are translated."""
    seed_transpiler: int | None = None
    """Seed of layout and routing."""

    @classmethod
    def of(cls, optimization_level: int | None, seed_transpiler: int | None, pass_manager: Any) -> Self:
        """The checked choice.

        Raises:
            LHVError: If a number is out of range, or there is a pass manager, which has a level and a seed of its own.
        """
        choice = cls(optimization_level, checked_seed(seed_transpiler))
        if optimization_level is not None and not (
            is_whole_number(optimization_level) and 0 <= optimization_level <= 3
        ):
            raise MeasurementError.bad_argument(
                "optimization_level", expected="a whole number from 0 to 3", got=shown(optimization_level)
            )
        if pass_manager is not None and choice != cls():
            raise MeasurementError.bad_argument(
                "pass_manager",
                expected="None where optimization_level or seed_transpiler are given",
                got=shown(pass_manager),
                remedy="A pass manager has both of its own.",
            )
        return choice

    def require_backend(self, backend: Any) -> None:
        """Raises MeasurementError if something was chosen and there is nothing to transpile for."""
        if backend is None and self != TranspilerChoice():
            raise MeasurementError.bad_argument(
                "backend",
                expected="one to transpile for, since optimization_level or seed_transpiler are given",
                got="None, and the sampler has none either",
            )


class SimulatorTranslation:
    """Translates what a simulator does not know, and leaves all else as it is: no gate that has noise is merged away.

    Args:
        simulator: A backend without couplings.
        choice: With a level above 0, gates are merged, too, as the caller wants it.
    """

    def __init__(self, simulator: Any, choice: TranspilerChoice | None = None) -> None:
        self._choice = choice or TranspilerChoice()
        self._target = simulator.target
        self._names = set(self._target.operation_names) | {"barrier"}

    def run(self, circuit: QuantumCircuit) -> QuantumCircuit:
        """The circuit in the simulator's own operations; the same one if nothing has to be translated."""
        from qiskit.transpiler import generate_preset_pass_manager

        simple = opened(circuit)
        level = self._choice.optimization_level or 0
        if not level and _names_in(simple) <= self._names:
            return simple
        # The simulator's own number of qubits is a guess at its memory, of circuits without idle qubits.
        target = Target(num_qubits=circuit.num_qubits)
        for name in self._target.operation_names:
            target.add_instruction(self._target.operation_from_name(name), name=name)
        manager = generate_preset_pass_manager(
            optimization_level=level, target=target, seed_transpiler=self._choice.seed_transpiler
        )
        return manager.run(simple)


def _names_in(circuit: QuantumCircuit) -> set[str]:
    names = set()
    for instruction in circuit.data:
        names.add(instruction.operation.name)
        for block in getattr(instruction.operation, "blocks", ()):
            names |= _names_in(block)
    return names


def as_pass_manager(backend: Any, pass_manager: Any, choice: TranspilerChoice | None = None) -> tuple[Any, Any]:
    """Checks what to transpile with; simulators without couplings get a pass manager that only translates.

    Raises:
        MeasurementError: If one of them is something else.
    """
    if pass_manager is not None:
        _require_pass_manager(pass_manager)
        return backend, pass_manager
    if backend is None:
        return None, None
    require_backend(backend)
    if is_local(backend) and not has_couplings(backend):
        return None, SimulatorTranslation(backend, choice)
    return backend, None


def _require_pass_manager(pass_manager: Any) -> None:
    if not isinstance(pass_manager, type) and callable(getattr(pass_manager, "run", None)):
        if not hasattr(pass_manager, "target"):
            return
        remedy = "A backend goes in as backend=...."
    elif isinstance(pass_manager, type):
        remedy = f"Pass an object: {pass_manager.__name__}(...)."
    elif callable(pass_manager):
        remedy = "Pass what the function makes: pass_manager=generate_preset_pass_manager(1, backend=backend)."
    else:
        remedy = "Make one with generate_preset_pass_manager(1, backend=backend)."
    raise MeasurementError.bad_argument(
        "pass_manager", expected="a PassManager, with a method run", got=shown(pass_manager), remedy=remedy
    )


def transpiler(backend: Any, pass_manager: Any, choice: TranspilerChoice | None = None, **options: Any) -> Transpile:
    """What has to be done to every circuit, without warnings about what transpilers use of backends.

    Args:
        backend: Transpile for this backend, at optimization level 1; or
        pass_manager: transpile with this pass manager; neither: boxes, loops and product formulas are opened, no more.
        choice: Other level, or a seed, for the backend.
        options: Options of the pass manager that is made for a backend.
    """
    if pass_manager is not None:
        name = "circuit" if isinstance(pass_manager, SimulatorTranslation) else "pass_manager"
        return lambda circuit: _run(pass_manager, circuit, name)
    if backend is None:
        return opened
    from qiskit.transpiler import generate_preset_pass_manager

    choice = choice or TranspilerChoice()
    level = 1 if choice.optimization_level is None else choice.optimization_level
    manager = without_deprecations(generate_preset_pass_manager)(
        optimization_level=level, backend=backend, seed_transpiler=choice.seed_transpiler, **options
    )
    here = is_local(backend)
    size = getattr(backend, "num_qubits", None)

    def transpile(circuit: QuantumCircuit) -> QuantumCircuit:
        if size is not None and circuit.num_qubits > size:
            raise MeasurementError.bad_argument(
                "circuit",
                expected=f"at most {size} qubits, as many as the backend has",
                got=f"{circuit.num_qubits}{', with ancillas for POVMs' if circuit.num_ancillas else ''}",
                remedy="Take a larger backend, or leave out qubits that are not used.",
            )
        return _run(manager, opened(circuit) if here else circuit, "circuit")

    return transpile


def refusing_state_vectors(transpile: Transpile) -> Transpile:
    """Transpiles circuits for samplers that nothing is known of; see ``refused_by_state_vectors``."""
    return lambda circuit: transpile(refused_by_state_vectors(circuit))


def _run(manager: Any, circuit: QuantumCircuit, name: str) -> QuantumCircuit:
    try:
        result = without_deprecations(manager.run)(circuit)
    except MeasurementError:
        raise
    except QiskitError as exc:
        raise MeasurementError.bad_argument(
            name,
            expected="a circuit and a backend or pass manager that fit each other",
            got=f"an error of the transpiler ({getattr(exc, 'message', exc)})",
            remedy="Check the number of qubits, the couplings and the gates.",
        ) from exc
    if not isinstance(result, QuantumCircuit):
        raise MeasurementError.bad_argument(
            name, expected="a pass manager that returns a circuit", got=f"one that returns a {type(result).__name__}"
        )
    return result
