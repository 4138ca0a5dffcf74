"""POVMs as projective measurements of more qubits, which devices can do (Naimark's dilation)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from qiskit import QuantumCircuit

from .._support.types import ComplexArray
from ..measurements.specification import PROJECTOR_ATOL, Measurement
from ..quantum.circuit_steps import IDLE

__all__ = ["Dilation", "idle_qubits", "num_ancillas"]


@dataclass(frozen=True)
class Dilation:
    """A unitary of a party's qubits and some ancillas, after which every qubit is read out."""

    unitary: ComplexArray
    """Shape ``(D * 2**q, D * 2**q)`` for q ancillas; the party's qubits are the least significant ones."""
    outcome_of: tuple[int, ...]
    """Outcome that each bitstring counts as, length ``D * 2**q``."""

    @classmethod
    def of(cls, setting: Measurement, ancillas: int) -> Dilation:
        """Returns the dilation of a measurement to some ancillas, each of which is in the state |0> before.

        An effect of rank r is the sum of r effects of rank one, and each of these has a bitstring of its own. The
        bitstrings that are left over never come without noise; with it, they count as outcome 0. A projective
        measurement leaves the ancillas alone.

        Args:
            setting: The measurement.
            ancillas: Their number, at least :func:`num_ancillas` of the setting.
        """
        size = setting.dimension << ancillas
        if setting.basis is not None and setting.outcome_of is not None:
            # The ancillas are more significant than the party's qubits.
            alone = np.kron(np.eye(1 << ancillas), setting.basis.conj().T)
            return cls(np.asarray(alone, dtype=complex), setting.outcome_of * (1 << ancillas))
        rows, outcomes = _rank_one_rows(setting)
        isometry = np.zeros((size, setting.dimension), dtype=complex)
        isometry[: len(rows)] = rows
        # The polar factor is an exact isometry where the effects miss the identity by rounding.
        left, _, right = np.linalg.svd(isometry, full_matrices=True)
        d = setting.dimension
        unitary = np.hstack([left[:, :d] @ right, left[:, d:]])
        return cls(unitary, (*outcomes, *[0] * (size - len(outcomes))))


def num_ancillas(setting: Measurement) -> int:
    """Returns how many ancillas a setting takes: none if it is projective.

    Args:
        setting: A measurement of a party of qubits.
    """
    if setting.basis is not None:
        return 0
    rows, _ = _rank_one_rows(setting)
    return (-(-len(rows) // setting.dimension) - 1).bit_length()


def idle_qubits(circuit: QuantumCircuit) -> list[int]:
    """Returns the numbers of the qubits on which no operation of a circuit acts: they are in the state |0>.

    Args:
        circuit: Any circuit.
    """
    used = {
        qubit for instruction in circuit.data if instruction.operation.name not in IDLE for qubit in instruction.qubits
    }
    return [number for number, qubit in enumerate(circuit.qubits) if qubit not in used]


def _rank_one_rows(setting: Measurement) -> tuple[ComplexArray, list[int]]:
    """Vectors <v| whose products |v><v| add up to the effects, shape ``(number, D)``, and the outcome of each."""
    rows, outcomes = [], []
    for outcome, effect in enumerate(setting.effects):
        values, vectors = np.linalg.eigh(effect)
        for value, vector in zip(values, vectors.T, strict=True):
            if value > PROJECTOR_ATOL:
                rows.append(np.sqrt(value) * vector.conj())
                outcomes.append(outcome)
    return np.array(rows), outcomes
