"""Measured circuits for the settings of the parties, and outcomes from their bits."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qiskit import ClassicalRegister, QuantumCircuit
from qiskit.circuit import Parameter, ParameterVector
from qiskit.primitives.containers.bindings_array import BindingsArray

from ..measurements.specification import Measurement
from ..targets.scenario import BellScenario
from .dilations import Dilation, idle_qubits, num_ancillas
from .pub_results import PubPlan, pub_signature, read_runs
from .repeats import RunLog
from .signatures import digest_of_settings, signed
from .transpilation import Transpile

__all__ = ["SettingCircuits"]


class SettingCircuits:
    """The settings of the parties, on the qubits of a circuit or of several copies of it.

    A party that has POVMs among its settings also has ancillas: qubits of the circuit that nothing acts on, and, where
    these do not suffice, further ones, whose numbers follow those of the circuit's qubits.

    Args:
        settings: Checked measurements of each party.
        parties: Qubits of each party.
        circuit: The circuit that prepares the state.
    """

    def __init__(
        self,
        settings: Sequence[Sequence[Measurement]],
        parties: Sequence[tuple[int, ...]],
        circuit: QuantumCircuit,
    ) -> None:
        self.settings = tuple(tuple(party) for party in settings)
        self.parties = tuple(parties)
        needed = [max(map(num_ancillas, party)) for party in self.settings]
        own = {qubit for party in self.parties for qubit in party}
        idle = [qubit for qubit in idle_qubits(circuit) if qubit not in own]
        self.num_further_qubits = max(0, sum(needed) - len(idle))
        free = iter([*idle, *range(circuit.num_qubits, circuit.num_qubits + self.num_further_qubits)])
        self.ancillas = tuple(tuple(itertools.islice(free, number)) for number in needed)

    @cached_property
    def scenario(self) -> BellScenario:
        """The number of settings and outcomes of each party."""
        return BellScenario(
            tuple(len(party) for party in self.settings),
            tuple(tuple(setting.num_outcomes for setting in party) for party in self.settings),
        )

    @cached_property
    def uses_one_circuit(self) -> bool:
        """Whether all settings measure product bases, so that one parameterized circuit serves them."""
        return all(setting.bloch_vectors is not None for party in self.settings for setting in party)

    @cached_property
    def measured(self) -> tuple[int, ...]:
        """The qubits of all parties in order, each party's ancillas after its own; classical bit i reads the i-th."""
        return tuple(qubit for group in self._groups for qubit in group)

    @cached_property
    def _groups(self) -> tuple[tuple[int, ...], ...]:
        """The qubits of each party, followed by its ancillas."""
        return tuple(own + further for own, further in zip(self.parties, self.ancillas, strict=True))

    @cached_property
    def _dilations(self) -> tuple[tuple[Dilation, ...], ...]:
        """The measurements of each party on its qubits and its ancillas."""
        return tuple(
            tuple(Dilation.of(setting, len(ancillas)) for setting in party)
            for party, ancillas in zip(self.settings, self.ancillas, strict=True)
        )

    @cached_property
    def digest(self) -> str:
        """A fingerprint of the settings and the qubits that they measure."""
        return digest_of_settings(self.settings, self.parties)

    # Circuits and PUBs

    def pubs(
        self,
        prepared: QuantumCircuit,
        copies: Mapping[str, Sequence[int]],
        plan: PubPlan,
        transpile: Transpile,
        signature: Mapping[str, Any],
        values: Mapping[Parameter, NDArray[np.float64]] | None = None,
    ) -> list[tuple[Any, ...]]:
        """The PUBs of a plan; all copies have the same settings at a time.

        Args:
            prepared: Prepares the state of every copy.
            copies: For each copy, the name of the register of its results, and the qubit of ``prepared`` that
                is each of its qubits.
            plan: What to run.
            transpile: Applied to every circuit.
            signature: What the PUBs are signed with, apart from settings and plan.
            values: Values of each free parameter of ``prepared``, shape ``(V,)``. Every PUB then has them along a
                first axis of its own.
        """
        positions, shots = plan.schedule.positions, plan.schedule.shots
        own = {**signature, "settings": self.digest, "schedule": plan.digest}
        if not self.uses_one_circuit:
            rows = [tuple(row) for row in positions.tolist()]
            circuits = {
                row: signed(
                    transpile(self._joint_circuit(prepared, copies, row)),
                    own | pub_signature(0, np.array([row]), False),
                )
                for row in dict.fromkeys(rows)
            }
            return [
                (circuits[row], _bindings(circuits[row], (), {}, values), int(n))
                for row, n in zip(rows, shots, strict=True)
            ]
        circuit, parameters = self._rotated_circuit(prepared, copies)
        circuit = transpile(circuit)
        # The transpiled circuit may have dropped a parameter; its own list says which are left.
        kept = [i for i, parameter in enumerate(parameters) if parameter in circuit.parameters]
        names = tuple(parameters[i] for i in kept)
        angles = self._angles(positions)[:, kept]
        return [
            (
                signed(circuit, own | pub_signature(number, positions[runs], True)),
                _bindings(circuit, shape, {names: angles[runs].reshape(*shape, len(kept))}, values),
                int(shots[runs.start]),
            )
            for number, (shape, runs) in enumerate(plan.parts)
        ]

    def _rotated_circuit(
        self, prepared: QuantumCircuit, copies: Mapping[str, Sequence[int]]
    ) -> tuple[QuantumCircuit, ParameterVector]:
        circuit = prepared.copy()
        name = "setting"
        while any(parameter.name.startswith(f"{name}[") for parameter in circuit.parameters):
            name += "_"
        parameters = ParameterVector(name, 2 * len(self.measured))
        for qubits in copies.values():
            for i, qubit in enumerate(self.measured):
                # rz, then ry, take the Bloch vector to +Z; an rz right before the measurement would be dropped.
                circuit.rz(parameters[2 * i], qubits[qubit])
                circuit.ry(parameters[2 * i + 1], qubits[qubit])
        self._measure(circuit, copies)
        return circuit, parameters

    def _joint_circuit(
        self, prepared: QuantumCircuit, copies: Mapping[str, Sequence[int]], position: tuple[int, ...]
    ) -> QuantumCircuit:
        circuit = prepared.copy()
        for qubits in copies.values():
            for k, x in enumerate(position):
                basis = self.settings[k][x].basis
                if basis is None:
                    unitary, group = self._dilations[k][x].unitary, self._groups[k]
                else:
                    # The ancillas are read out as they are.
                    unitary, group = basis.conj().T, self.parties[k]
                circuit.unitary(unitary, [qubits[qubit] for qubit in group], label="basis")
        self._measure(circuit, copies)
        return circuit

    def _measure(self, circuit: QuantumCircuit, copies: Mapping[str, Sequence[int]]) -> None:
        for name, qubits in copies.items():
            register = ClassicalRegister(len(self.measured), name)
            circuit.add_register(register)
            circuit.measure([qubits[qubit] for qubit in self.measured], register)

    def _angles(self, positions: NDArray[np.int64]) -> NDArray[np.float64]:
        """Rotation angles of each run, shape ``(P, 2 * number of measured qubits)``."""
        parts = []
        for k, party in enumerate(self.settings):
            vectors = np.stack([setting.bloch_vectors for setting in party if setting.bloch_vectors is not None])
            azimuth = np.arctan2(vectors[..., 1], vectors[..., 0])
            polar = np.arctan2(np.hypot(vectors[..., 0], vectors[..., 1]), vectors[..., 2])
            angles = np.stack([-azimuth, -polar], axis=-1).reshape(len(party), -1)
            parts.append(angles[positions[:, k]])
        return np.concatenate(parts, axis=1)

    # Outcomes

    def rows(
        self, pub_results: Sequence[Any], name: str, plan: PubPlan | None, signature: Mapping[str, Any], log: RunLog
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Settings and outcomes of all shots of one copy, in the order they were taken.

        Args:
            pub_results: Results of the PUBs.
            name: The copy's register.
            plan: The PUBs; ``None``: every setting combination once.
            signature: What the PUBs are signed with, apart from settings and plan.
            log: Takes the runs, for whoever has all of them to look for copies.

        Returns:
            For each PUB, settings and outcomes, each of shape ``(shots, N)``.

        Raises:
            CountsError: If the results are not those of the PUBs.
        """
        own, grid = {**signature, "settings": self.digest}, self.scenario.num_settings
        for part in read_runs(pub_results, name, len(self.measured), grid, plan, own, self.uses_one_circuit):
            log.add(part)
            settings = np.broadcast_to(part.positions[:, None, :], (*part.counted.shape, len(self.parties)))
            outcomes = np.empty(settings.shape, dtype=np.int64)
            start = 0
            for k, (party, qubits) in enumerate(zip(self._dilations, self._groups, strict=True)):
                number = part.bits[..., start : start + len(qubits)] @ (1 << np.arange(len(qubits)))
                meaning = np.array([dilation.outcome_of for dilation in party])
                outcomes[..., k] = meaning[settings[..., k], number]
                start += len(qubits)
            yield settings[part.counted], outcomes[part.counted]

    def table(
        self, pub_results: Sequence[Any], name: str, plan: PubPlan | None, signature: Mapping[str, Any], log: RunLog
    ) -> NDArray[np.int64]:
        """Counts of one copy, shape ``(m_1, ..., m_N, d_1, ..., d_N)``; arguments as in :meth:`rows`."""
        shape = self.scenario.shape
        table = np.zeros(int(np.prod(shape)), dtype=np.int64)
        for settings, outcomes in self.rows(pub_results, name, plan, signature, log):
            cells = np.ravel_multi_index(tuple(np.hstack([settings, outcomes]).T), shape)
            table += np.bincount(cells, minlength=len(table))
        return table.reshape(shape)


def _bindings(
    circuit: QuantumCircuit,
    shape: tuple[int, ...],
    angles: Mapping[tuple[Parameter, ...], NDArray[np.float64]],
    values: Mapping[Parameter, NDArray[np.float64]] | None,
) -> BindingsArray | None:
    """The values of a PUB's parameters: angles of the settings, and values of the free ones along a first axis."""
    if values is None:
        return BindingsArray(dict(angles)) if angles else None
    number = len(next(iter(values.values())))
    bound = {names: np.broadcast_to(array, (number, *array.shape)) for names, array in angles.items()}
    kept = tuple(parameter for parameter in values if parameter in circuit.parameters)
    grid = np.stack([values[parameter] for parameter in kept], axis=-1) if kept else np.empty((number, 0))
    bound[kept] = np.broadcast_to(grid.reshape(number, *[1] * len(shape), len(kept)), (number, *shape, len(kept)))
    return BindingsArray(bound, shape=(number, *shape))
