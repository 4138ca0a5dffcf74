"""Bell expressions together with the measurements of their settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qiskit.quantum_info import SparsePauliOp

from ...._support.records import Record
from ...._support.validation import instance
from ....exceptions import ScenarioError
from .base import ManyPartyExpression
from .operators import observables_of_settings

__all__ = ["MeasuredExpression"]


@dataclass(frozen=True, eq=False, repr=False)
class MeasuredExpression(Record):
    """A Bell expression with the measurements of its settings, as an experiment needs them.

    Raises:
        ScenarioError: If it is no expression of many parties.
        MeasurementError: If the measurements do not fit the expression.

    Examples:
        >>> from qiskit.quantum_info import StabilizerState
        >>> from qiskit_lhv.polytope import stabilizer_sum
        >>> bell = stabilizer_sum([(0, 1), (1, 2)])
        >>> print(bell.expression.known_bounds.local, bell.settings[0])
        6 ('X', 'Y', 'Z')
        >>> from qiskit import QuantumCircuit
        >>> cluster = QuantumCircuit(3)
        >>> _ = cluster.h([0, 1, 2]), cluster.cz(0, 1), cluster.cz(1, 2)
        >>> print(StabilizerState(cluster).expectation_value(bell.operator()).real)
        8.0
    """

    expression: ManyPartyExpression
    """The expression."""
    settings: tuple[Any, ...]
    """The measurements of each party: a tuple of labels, such as ``("X", "Z")``, or Bloch vectors, shape
    ``(m_k, 3)``."""

    def __post_init__(self) -> None:
        instance(self.expression, ManyPartyExpression, "expression", ScenarioError)
        observables_of_settings(self.settings, self.expression.scenario)

    def __str__(self) -> str:
        return f"{self.expression}"

    def operator(self) -> SparsePauliOp:
        """The Bell operator of the settings, party k on qubit k; its expectation value is the expression's value.

        Raises:
            ScenarioError: If there are too many terms or Paulis.
        """
        return self.expression.operator(self.settings)
