"""Gates that turn the qubits of many parties to their settings, and the flips that outcomes need afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from qiskit import ClassicalRegister, QuantumCircuit
from qiskit.circuit import ParameterVector

from ...exceptions import MeasurementError
from ...measurements.specification import Measurement

__all__ = ["SettingGates"]

_QUARTER = np.pi / 2
_ATOL = 1e-9
_GATES_OF_TURNS: tuple[tuple[str, ...], ...] = ((), ("s",), ("z",), ("sdg",))


class SettingGates:
    """The settings of parties of one qubit each.

    Args:
        settings: Measurements of each party.
        qubits: The qubit of each party.

    Raises:
        MeasurementError: If a setting is no projective measurement of one qubit with two outcomes.
    """

    def __init__(self, settings: Sequence[Sequence[Measurement]], qubits: Sequence[int]) -> None:
        self.settings = tuple(tuple(party) for party in settings)
        self.qubits = tuple(qubits)
        for k, party in enumerate(self.settings):
            for x, setting in enumerate(party):
                if setting.bloch_vectors is None or setting.num_outcomes != 2:
                    raise MeasurementError.bad_argument(
                        f"settings[{k}][{x}]",
                        expected="a projective measurement of one qubit with two outcomes",
                        got=repr(setting),
                        remedy="BellExperiment measures POVMs and larger parties.",
                    )

    @cached_property
    def _angles(self) -> list[NDArray[np.float64]]:
        """Of each party, angles of rz and ry for its settings, shape ``(m_k, 2)``."""
        angles = []
        for party in self.settings:
            vectors = np.stack([setting.bloch_vectors[0] for setting in party if setting.bloch_vectors is not None])
            azimuth = np.arctan2(vectors[:, 1], vectors[:, 0])
            polar = np.arctan2(np.hypot(vectors[:, 0], vectors[:, 1]), vectors[:, 2])
            angles.append(np.stack([-azimuth, -polar], axis=1))
        return angles

    @cached_property
    def are_clifford(self) -> bool:
        """Whether all settings are Paulis, up to the sign."""
        return all(np.abs(angles - _QUARTER * np.rint(angles / _QUARTER)).max() < _ATOL for angles in self._angles)

    def flips(self, settings: NDArray[np.int8]) -> NDArray[np.uint8] | None:
        """Bits to flip in runs with these settings, shape ``(R, ceil(N / 8))``; ``None`` if there are none."""
        tables = [np.array([setting.outcome_of == (1, 0) for setting in party]) for party in self.settings]
        if not any(table.any() for table in tables):
            return None
        flipped = np.stack([table[settings[:, k]] for k, table in enumerate(tables)], axis=1)
        return np.packbits(flipped, axis=1, bitorder="little")

    def parameter_values(self, settings: NDArray[np.int8], clifford: bool) -> NDArray[np.float64]:
        """Two angles of each party in each run, shape ``(R, 2 N)``."""
        values = np.empty((len(settings), 2 * len(self.qubits)))
        for k, angles in enumerate(self._angles):
            exact = _QUARTER * np.rint(angles / _QUARTER) if clifford else angles
            values[:, 2 * k : 2 * k + 2] = exact[settings[:, k]]
        return values

    def parameterized(
        self, prepared: QuantumCircuit, register: str, clifford: bool
    ) -> tuple[QuantumCircuit, ParameterVector]:
        """One measured circuit for all settings, and its parameters.

        Args:
            prepared: Prepares the state.
            register: Name of the register whose bit k is the outcome of party k.
            clifford: Whether ry is written as gates among which only rz have parameters, quarter turns for Paulis.
        """
        circuit = prepared.copy()
        name = "setting"
        while any(parameter.name.startswith(f"{name}[") for parameter in circuit.parameters):
            name += "_"
        parameters = ParameterVector(name, 2 * len(self.qubits))
        for k, qubit in enumerate(self.qubits):
            # rz, then ry, take the Bloch vector to +Z; an rz right before the measurement would be dropped.
            circuit.rz(parameters[2 * k], qubit)
            if clifford:
                # ry = s h rz h sdg, as matrices, and the s does not matter to a measurement.
                circuit.sdg(qubit)
                circuit.h(qubit)
                circuit.rz(parameters[2 * k + 1], qubit)
                circuit.h(qubit)
            else:
                circuit.ry(parameters[2 * k + 1], qubit)
        self._measure(circuit, register)
        return circuit, parameters

    def fixed(self, prepared: QuantumCircuit, register: str, row: NDArray[np.int8]) -> QuantumCircuit:
        """The measured circuit of one combination of Pauli settings, without parameters or rz.

        Args:
            prepared: Prepares the state.
            register: Name of the register.
            row: The setting of each party.
        """
        circuit = prepared.copy()
        for k, qubit in enumerate(self.qubits):
            first, second = (np.rint(self._angles[k][row[k]] / _QUARTER).astype(int) % 4).tolist()
            names = [*_GATES_OF_TURNS[first]]
            if second:
                names += ["sdg", "h", *_GATES_OF_TURNS[second], "h"]
            for name in names:
                getattr(circuit, name)(qubit)
        self._measure(circuit, register)
        return circuit

    def _measure(self, circuit: QuantumCircuit, register: str) -> None:
        bits = ClassicalRegister(len(self.qubits), register)
        circuit.add_register(bits)
        circuit.measure(self.qubits, bits)
