"""Bell experiments on V2 Samplers: circuit and settings in, counts out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from qiskit import ClassicalRegister, QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.primitives.containers.bindings_array import BindingsArray

from ..exceptions import CountsError, MeasurementError
from ..targets.behaviors import Behavior
from ..targets.counts import BellCounts, check_shots
from ..targets.scenario import BellScenario
from .measurements import Measurement, parse_settings
from .parties import parse_parties, require_unmeasured
from .samplers import backend_of, independent_shots

__all__ = ["BellExperiment"]

_REGISTER = "outcomes"


class BellExperiment:
    """A prepared state and the settings of each party, ready for any V2 Sampler.

    If every setting measures a product basis (always so for single-qubit parties), one parameterized,
    measured circuit serves all settings: one PUB whose parameter array has the shape of the settings
    grid. Settings in joint bases take one circuit for each setting combination. POVMs have no circuit:
    only :meth:`behavior` takes them.

    Args:
        circuit: Prepares the state; no measurements, no free parameters. It may have more qubits
            than the parties use.
        settings: One sequence of measurements a party (anything that ``measurement`` takes), or a name:
            ``"chsh"``, ``"mermin"``.
        parties: The qubit, or the sequence of qubits, of each party; default: party k is qubit k.

    Raises:
        MeasurementError: If the circuit measures, has free parameters, or the settings do not fit.

    Examples:
        >>> from qiskit import QuantumCircuit
        >>> from qiskit.primitives import StatevectorSampler
        >>> bell = QuantumCircuit(2)
        >>> _ = bell.h(0), bell.cx(0, 1)
        >>> experiment = BellExperiment(bell, "chsh")
        >>> counts = experiment.run(StatevectorSampler(seed=7), shots=1000)
        >>> counts.num_shots.tolist()
        [[1000, 1000], [1000, 1000]]
    """

    def __init__(
        self,
        circuit: QuantumCircuit,
        settings: Sequence[Sequence[Any]] | str,
        parties: Sequence[Any] | None = None,
    ) -> None:
        if not isinstance(circuit, QuantumCircuit):
            raise MeasurementError.bad_argument(
                "circuit",
                expected="a QuantumCircuit",
                got=type(circuit).__name__,
                remedy="For a state, Behavior.from_state(state, settings) gives its exact behavior.",
            )
        require_unmeasured(circuit)
        self._circuit = circuit
        self._parties = parse_parties(parties, circuit.num_qubits)
        self._settings = parse_settings(settings, [2 ** len(group) for group in self._parties])

    def __repr__(self) -> str:
        return f"BellExperiment({self.scenario}, {self._circuit.num_qubits} qubits)"

    @property
    def circuit(self) -> QuantumCircuit:
        """The circuit that prepares the state."""
        return self._circuit

    @property
    def parties(self) -> tuple[tuple[int, ...], ...]:
        """The qubits of each party."""
        return tuple(self._parties)

    @property
    def settings(self) -> tuple[tuple[Measurement, ...], ...]:
        """The measurements of each party."""
        return tuple(tuple(party) for party in self._settings)

    @cached_property
    def scenario(self) -> BellScenario:
        """The number of settings and outcomes of each party."""
        return BellScenario(
            tuple(len(party) for party in self._settings),
            tuple(party[0].num_outcomes for party in self._settings),
        )

    @cached_property
    def uses_one_circuit(self) -> bool:
        """Whether all settings measure product bases, so that one parameterized circuit serves them."""
        return all(one.bloch_vectors is not None for party in self._settings for one in party)

    def behavior(self) -> Behavior:
        """The exact behavior of the circuit's state, without noise or shots."""
        return Behavior.from_state(self._circuit, self._settings, self._parties)

    # Circuits and PUBs

    def pubs(self, shots: ArrayLike, *, backend: Any = None, pass_manager: Any = None) -> list[tuple[Any, ...]]:
        """The PUBs to run.

        Args:
            shots: Shots of each setting combination: a number, or an array of shape ``(m_1, ..., m_N)``.
                Unequal numbers take one PUB for each setting combination.
            backend: Transpile for this backend, at optimization level 1; or
            pass_manager: transpile with this pass manager; default: no transpilation.

        Returns:
            One PUB ``(circuit, parameter values, shots)`` for the whole grid of settings, or one
            for each setting combination in the order of ``numpy.ndindex``.

        Raises:
            CountsError: If a shot number is not a positive whole number.
            MeasurementError: If a setting is a POVM.
        """
        numbers = check_shots(shots, self.scenario.num_settings)
        for k, party in enumerate(self._settings):
            for x, one in enumerate(party):
                if one.basis is None:
                    raise MeasurementError.bad_argument(
                        f"settings[{k}][{x}]",
                        expected="a projective measurement",
                        got="a POVM, which devices do not measure directly",
                        remedy="Use behavior() for its exact statistics, or a projective dilation on more qubits.",
                    )
        if pass_manager is None and backend is not None:
            from qiskit.transpiler import generate_preset_pass_manager

            pass_manager = generate_preset_pass_manager(optimization_level=1, backend=backend)
        if not self.uses_one_circuit:
            circuits = [self._joint_circuit(position) for position in np.ndindex(numbers.shape)]
            if pass_manager is not None:
                circuits = pass_manager.run(circuits)
            return [(one, None, int(n)) for one, n in zip(circuits, numbers.flat, strict=True)]
        circuit, parameters = self._rotated_circuit()
        if pass_manager is not None:
            circuit = pass_manager.run(circuit)
        # The transpiled circuit may have dropped a parameter; its own list says which are left.
        kept = [i for i, parameter in enumerate(parameters) if parameter in circuit.parameters]
        names = tuple(parameters[i] for i in kept)
        values = self._angles()[..., kept]
        if np.ptp(numbers) == 0:
            return [(circuit, BindingsArray({names: values}), int(numbers.flat[0]))]
        return [
            (circuit, BindingsArray({names: values[position]}), int(numbers[position]))
            for position in np.ndindex(numbers.shape)
        ]

    def run(
        self, sampler: Any, shots: ArrayLike = 1000, *, backend: Any = None, pass_manager: Any = None
    ) -> BellCounts:
        """Runs the experiment and returns its counts.

        Shots of different settings are independent also where a seeded simulator would use the same
        random numbers for all of them: such a ``StatevectorSampler`` is given a generator of its
        seed, and others run equal shots, of which only those asked for are counted.

        Args:
            sampler: Any V2 Sampler: ``StatevectorSampler``, Aer's ``SamplerV2``, ``BackendSamplerV2``, or
                the Sampler of ``qiskit_ibm_runtime``.
            shots: As in :meth:`pubs`.
            backend: Transpile for this backend; default: the sampler's own, if it names one.
            pass_manager: Transpile with this pass manager instead.

        Raises:
            CountsError: If a shot number is not a positive whole number.
            MeasurementError: If a setting is a POVM.
        """
        if backend is None and pass_manager is None:
            backend = backend_of(sampler)
        numbers = check_shots(shots, self.scenario.num_settings)
        sampler, seeded = independent_shots(sampler)
        run = np.full_like(numbers, numbers.max()) if seeded else numbers
        result = sampler.run(self.pubs(run, backend=backend, pass_manager=pass_manager)).result()
        return self._read(result, numbers)

    def counts(self, result: Any) -> BellCounts:
        """Reads the counts from the result of this experiment's PUBs.

        Args:
            result: The ``PrimitiveResult`` of the PUBs that :meth:`pubs` returned.

        Raises:
            CountsError: If the result does not belong to these PUBs.
        """
        return self._read(result, None)

    def _read(self, result: Any, numbers: NDArray[np.int64] | None) -> BellCounts:
        """The counts of the first shots of every setting combination, or of all where ``numbers`` is None."""
        grid = self.scenario.num_settings
        registers = []
        for pub_result in result if isinstance(result, Iterable) else [result]:
            register = getattr(getattr(pub_result, "data", None), self._register_name, None)
            if register is None:
                raise CountsError.bad_argument(
                    "result",
                    expected=f"a register {self._register_name!r} in every PUB",
                    got=repr(pub_result),
                )
            registers.append(register)
        if len(registers) == 1 and tuple(registers[0].shape) == grid:
            per_setting = [registers[0][position] for position in np.ndindex(grid)]
        elif len(registers) == self.scenario.num_setting_combinations and not any(r.shape for r in registers):
            per_setting = registers
        else:
            raise CountsError.bad_argument(
                "result",
                expected=f"one PUB of shape {grid} or {self.scenario.num_setting_combinations} PUBs",
                got=f"{len(registers)} PUBs of shapes {[tuple(r.shape) for r in registers]}",
                remedy="Pass the result of the PUBs that pubs() returned.",
            )
        array = np.empty(self.scenario.shape, dtype=np.int64)
        for position, register in zip(np.ndindex(grid), per_setting, strict=True):
            array[position] = self._tabulate(position, register, None if numbers is None else int(numbers[position]))
        return BellCounts(array)

    # Parts of the above

    @property
    def _measured(self) -> list[int]:
        return [qubit for group in self._parties for qubit in group]

    @property
    def _register_name(self) -> str:
        """Name of the register of the results, one that the circuit does not have."""
        name, taken = _REGISTER, {register.name for register in self._circuit.cregs}
        while name in taken:
            name += "_"
        return name

    def _prepared(self) -> tuple[QuantumCircuit, ClassicalRegister]:
        circuit = self._circuit.copy()
        register = ClassicalRegister(len(self._measured), self._register_name)
        circuit.add_register(register)
        return circuit, register

    def _rotated_circuit(self) -> tuple[QuantumCircuit, ParameterVector]:
        circuit, register = self._prepared()
        parameters = ParameterVector("setting", 2 * len(self._measured))
        for i, qubit in enumerate(self._measured):
            # rz, then ry, take the Bloch vector to +Z; an rz right before the measurement would be dropped.
            circuit.rz(parameters[2 * i], qubit)
            circuit.ry(parameters[2 * i + 1], qubit)
        circuit.measure(self._measured, register)
        return circuit, parameters

    def _angles(self) -> NDArray[np.float64]:
        """Rotation angles, shape ``(m_1, ..., m_N, 2 * number of measured qubits)``."""
        grid = self.scenario.num_settings
        parts = []
        for k, party in enumerate(self._settings):
            vectors = np.stack([one.bloch_vectors for one in party if one.bloch_vectors is not None])
            azimuth = np.arctan2(vectors[..., 1], vectors[..., 0])
            polar = np.arctan2(np.hypot(vectors[..., 0], vectors[..., 1]), vectors[..., 2])
            angles = np.stack([-azimuth, -polar], axis=-1).reshape(len(party), -1)
            shape = [1] * len(grid) + [angles.shape[1]]
            shape[k] = len(party)
            parts.append(np.broadcast_to(angles.reshape(shape), (*grid, angles.shape[1])))
        return np.concatenate(parts, axis=-1)

    def _joint_circuit(self, position: tuple[int, ...]) -> QuantumCircuit:
        circuit, register = self._prepared()
        for x, party, qubits in zip(position, self._settings, self._parties, strict=True):
            basis = party[x].basis
            assert basis is not None
            circuit.unitary(basis.conj().T, list(qubits), label="basis")
        circuit.measure(self._measured, register)
        return circuit

    def _tabulate(self, position: tuple[int, ...], register: Any, shots: int | None) -> NDArray[np.int64]:
        """Counts of one setting combination (of its first shots, if a number is given), shape ``(d_1, ..., d_N)``."""
        if register.num_bits != len(self._measured):
            raise CountsError.bad_argument("result", expected=f"{len(self._measured)} bits", got=f"{register.num_bits}")
        bits = register.to_bool_array(order="little").reshape(-1, len(self._measured))[:shots]
        outcomes, start = [], 0
        for x, party, qubits in zip(position, self._settings, self._parties, strict=True):
            number = bits[:, start : start + len(qubits)] @ (1 << np.arange(len(qubits)))
            outcomes.append(np.asarray(party[x].outcome_of)[number])
            start += len(qubits)
        sizes = self.scenario.num_outcomes
        cells = np.ravel_multi_index(tuple(outcomes), sizes)
        return np.bincount(cells, minlength=int(np.prod(sizes))).reshape(sizes)
