"""Which qubits of a circuit are meant: those of the circuit that it was transpiled from, or its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qiskit import QuantumCircuit
from qiskit.circuit import Qubit

from .._support.validation import is_whole_number, shown
from ..exceptions import MeasurementError

__all__ = ["PhysicalQubits", "parse_parties"]


@dataclass(frozen=True)
class PhysicalQubits:
    """Parties that are named by the qubits of a transpiled circuit itself, which are those of the device.

    Where a circuit has a layout, plain numbers, ``Qubit`` and ``QuantumRegister`` name qubits of the circuit that it
    was transpiled from (virtual qubits), wherever they are now. ``PhysicalQubits`` names the qubits of
    the circuit as it is.

    Examples:
        >>> from qiskit import QuantumCircuit
        >>> from qiskit.transpiler import CouplingMap, generate_preset_pass_manager
        >>> from qiskit_lhv import BellExperiment
        >>> bell = QuantumCircuit(2)
        >>> _ = bell.h(0), bell.cx(0, 1)
        >>> manager = generate_preset_pass_manager(1, coupling_map=CouplingMap.from_line(5), initial_layout=[3, 4])
        >>> laid_out = manager.run(bell)
        >>> BellExperiment(laid_out, "chsh", [0, 1]).parties
        ((3,), (4,))
        >>> BellExperiment(laid_out, "chsh", PhysicalQubits([4, 3])).parties
        ((4,), (3,))
    """

    parties: Sequence[Any]
    """The qubit, or the sequence of qubits, of each party."""


class _Names:
    """The qubits that a caller may name, and where they are."""

    def __init__(self, source: int | QuantumCircuit, physical: bool) -> None:
        self._circuit = source if isinstance(source, QuantumCircuit) else None
        self._layout = None if self._circuit is None or physical else self._circuit.layout
        if self._circuit is not None and self._layout is not None:
            places = self._layout.final_index_layout(filter_ancillas=True)
            if any(place >= self._circuit.num_qubits for place in places):
                raise MeasurementError.bad_argument(
                    "circuit",
                    expected="a circuit on the qubits that its layout names",
                    got=f"one of {self._circuit.num_qubits} qubits, with a layout on {max(places) + 1} or more",
                    remedy="Name its qubits with parties=PhysicalQubits([...]).",
                )
            self.places = list(places)
        else:
            number = source if self._circuit is None else self._circuit.num_qubits
            assert isinstance(number, int)
            self.places = list(range(number))

    def number(self, name: Any, k: int) -> int | None:
        """The number that a caller means, or ``None``.

        Raises:
            MeasurementError: If it is one qubit here and another one in the circuit that this was transpiled from.
        """
        if is_whole_number(name):
            return int(name) if 0 <= name < len(self.places) else None
        if not isinstance(name, Qubit) or self._circuit is None:
            return None
        if self._layout is not None:
            number = self._layout.input_qubit_mapping.get(name)
            if number is None or number >= len(self.places):
                return None
            # Qubits of registers of one name and size are equal.
            if name in self._circuit.qubits and self._circuit.find_bit(name).index != self.places[number]:
                raise self._two_meanings(k, number, self._circuit.find_bit(name).index)
            return int(number)
        return self._circuit.find_bit(name).index if name in self._circuit.qubits else None

    def _two_meanings(self, k: int, virtual: int, physical: int) -> MeasurementError:
        return MeasurementError.bad_argument(
            f"parties[{k}]",
            expected="a qubit that is one of the circuit, or of the circuit that it was transpiled from",
            got=f"one that equals qubit {virtual} of that circuit and qubit {physical} of this one, "
            f"which has the former at {self.places[virtual]}",
            remedy=f"Name the former by its number, {virtual}, or the latter by PhysicalQubits([...]).",
        )

    def error(self, k: int, got: object, given: object = None) -> MeasurementError:
        """Returns the error for a name that refers to none of the qubits."""
        last, remedy = len(self.places) - 1, ""
        expected = f"qubit numbers from 0 to {last}"
        if self._layout is not None:
            expected += ", or qubits, of the circuit that this one was transpiled from"
            named = shown(got) if given is None else shown(given)
            remedy = (
                f"The circuit has a layout: numbers are those of qubits before it, wherever they are now. Physical "
                f"qubits are named by parties=PhysicalQubits({named})."
            )
        elif isinstance(got, Qubit):
            expected += " or qubits of the circuit"
            remedy = "" if self._circuit is not None else "A state has numbers only."
        return MeasurementError.bad_argument(f"parties[{k}]", expected=expected, got=shown(got), remedy=remedy)


def parse_parties(
    parties: Sequence[Any] | PhysicalQubits | None, source: int | QuantumCircuit
) -> list[tuple[int, ...]]:
    """Returns the qubits (or subsystems) of each party as tuples of numbers of the circuit's, or state's, own qubits.

    Args:
        parties: A qubit or a sequence of qubits for each party, by number, as ``Qubit``, or as ``QuantumRegister``;
            ``None``: party k is qubit k. Of a circuit with a layout, these are the qubits of the circuit that it was
            transpiled from; ``PhysicalQubits`` are its own.
        source: The circuit, or the number of qubits that there are.

    Raises:
        MeasurementError: If an entry is not a qubit of the circuit or state, or two parties overlap.
    """
    names = _Names(source, isinstance(parties, PhysicalQubits))
    if isinstance(parties, PhysicalQubits):
        parties = parties.parties
    if parties is None:
        return [(place,) for place in names.places]
    try:
        groups = [(p,) if is_whole_number(p) or isinstance(p, Qubit) else tuple(p) for p in parties]
    except TypeError as exc:
        raise MeasurementError.bad_argument(
            "parties",
            expected="a qubit number or a sequence of them for each party",
            got=shown(parties),
            remedy="Qubit and QuantumRegister name them, too.",
        ) from exc
    if not groups:
        raise MeasurementError.bad_argument("parties", expected="at least one party", got="none")
    seen: dict[int, int] = {}
    placed = []
    for k, group in enumerate(groups):
        if not group:
            raise MeasurementError.bad_argument(f"parties[{k}]", expected="at least one qubit", got="none")
        own = []
        for name in group:
            number = names.number(name, k)
            if number is None:
                raise names.error(k, name, parties)
            if number in seen:
                raise MeasurementError.bad_argument(
                    "parties",
                    expected="parties that share no qubit",
                    got=f"qubit {number} in party {seen[number]} and in party {k}",
                )
            seen[number] = k
            own.append(names.places[number])
        placed.append(tuple(own))
    return placed
