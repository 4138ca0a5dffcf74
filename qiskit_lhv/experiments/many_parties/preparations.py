"""Circuits that prepare GHZ states and graph states of many qubits in few layers of two-qubit gates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qiskit import QuantumCircuit

from ..._support.validation import shown, whole_number, whole_numbers
from ..._support.words import counted
from ...exceptions import MeasurementError
from .couplings import DeviceCouplings, Edge, edge_layers

__all__ = ["RegisterPreparation", "ghz_preparation", "graph_state_preparation"]


@dataclass(frozen=True, repr=False)
class RegisterPreparation:
    """A circuit that prepares a state of many parties, and where its qubits are on a device.

    :func:`ghz_preparation` and :func:`graph_state_preparation` make it.

    Examples:
        >>> preparation = ghz_preparation(5, [(0, 1), (1, 2), (2, 3), (3, 4), (2, 5)])
        >>> preparation
        RegisterPreparation(5 qubits, 4 two-qubit gates in 3 layers)
        >>> preparation.qubits, preparation.edges
        ((2, 1, 0, 3, 5), ((0, 1), (1, 2), (0, 3), (0, 4)))
        >>> dict(preparation.circuit.count_ops())
        {'cx': 4, 'h': 1}
    """

    circuit: QuantumCircuit
    """The circuit, without measurements; qubit k is party k."""
    qubits: tuple[int, ...]
    """The physical qubit of each party, for ``initial_layout=...``; without a device, 0, 1, 2 and so on."""
    edges: tuple[tuple[int, int], ...]
    """Pairs of parties between which there is a two-qubit gate: the edges of the graph state, or the tree of the GHZ
    state."""
    num_layers: int
    """Number of layers of two-qubit gates."""

    def __repr__(self) -> str:
        return (
            f"RegisterPreparation({counted(len(self.qubits), 'qubit')}, "
            f"{counted(len(self.edges), 'two-qubit gate')} in {counted(self.num_layers, 'layer')})"
        )


def ghz_preparation(num_parties: int, device: Any = None) -> RegisterPreparation:
    """Returns a circuit that prepares ``(|0...0> + |1...1>) / sqrt(2)`` by fan-out, in few layers of CX gates.

    If all qubits are coupled, ``ceil(log2(num_parties))`` layers do. On a device the state spreads along the couplings
    from a qubit that is chosen so that the layers are fewest and then, as far as the device reports errors, the errors
    lowest; couplings and qubits with errors above one half are left out.

    Args:
        num_parties: Number of parties, at least 2.
        device: A backend, ``CouplingMap``, graph of rustworkx or pairs of qubits; default: all qubits are coupled.

    Returns:
        The circuit and its qubits. Parties are numbered in the order in which the state reaches them, so that the first
        m parties are coupled to each other for every m.

    Raises:
        MeasurementError: If the device has too few coupled qubits.

    References:
        D. M. Greenberger, M. A. Horne, A. Zeilinger, arXiv:0712.0921 (the state); D. Cruz et al., Adv. Quantum Technol.
        2, 1900015 (2019), arXiv:1807.05572 (its circuits of logarithmic depth).

    Examples:
        >>> ghz_preparation(20)
        RegisterPreparation(20 qubits, 19 two-qubit gates in 5 layers)
        >>> ghz_preparation(4, [(0, 1), (1, 2), (2, 3), (3, 4)]).qubits
        (2, 1, 0, 3)
    """
    num_parties = whole_number(num_parties, "num_parties", MeasurementError, minimum=2)
    layers = _doubling(num_parties) if device is None else DeviceCouplings.of(device, "device").fan_out(num_parties)
    qubits = [layers[0][0][0], *(target for layer in layers for _, target in layer)]
    party_of = {qubit: k for k, qubit in enumerate(qubits)}
    circuit = QuantumCircuit(num_parties)
    circuit.h(0)
    edges = [(party_of[source], party_of[target]) for layer in layers for source, target in layer]
    for source, target in edges:
        circuit.cx(source, target)
    return RegisterPreparation(circuit, tuple(qubits), tuple(edges), len(layers))


def _doubling(number: int) -> list[list[Edge]]:
    layers, reached = [], 1
    while reached < number:
        layers.append([(k, reached + k) for k in range(min(reached, number - reached))])
        reached += len(layers[-1])
    return layers


def graph_state_preparation(
    couplings: Any, num_parties: int | None = None, qubits: Sequence[int] | None = None
) -> RegisterPreparation:
    """Returns a circuit that prepares the graph state of a graph, or of a device's couplings, in few layers of CZ.

    The state is ``prod CZ |+...+>`` over all edges inside the register. The layers are the fewest possible for graphs
    of two sides, such as lattices and heavy-hexagons, and at most one more for others.

    Args:
        couplings: A graph of rustworkx, pairs of parties, a ``CouplingMap`` or a backend.
        num_parties: Takes a connected register of so many qubits, with low errors as far as the device reports them;
            couplings and qubits with errors above one half are left out.
        qubits: Takes these qubits, in this order. Default, without either: all qubits.

    Returns:
        The circuit, its qubits and the edges as pairs of parties. Of a register that was chosen, the first m parties
        are connected for every m.

    Raises:
        MeasurementError: If there are no such qubits, or no edge between them.

    References:
        M. Hein et al., arXiv:quant-ph/0602096 (graph states); J. Misra and D. Gries, Information Processing Letters 41,
        131 (1992) (the layers).

    Examples:
        >>> ring = graph_state_preparation([(k, (k + 1) % 6) for k in range(6)])
        >>> ring, ring.edges[:3]
        (RegisterPreparation(6 qubits, 6 two-qubit gates in 2 layers), ((0, 5), (1, 2), (3, 4)))
    """
    device = DeviceCouplings.of(couplings, "couplings")
    size = device.graph.num_nodes()
    if num_parties is not None and qubits is not None:
        raise MeasurementError.bad_argument("qubits", expected="None where num_parties is given", got=shown(qubits))
    if num_parties is not None:
        chosen = device.register(whole_number(num_parties, "num_parties", MeasurementError, minimum=2))
    elif qubits is not None:
        chosen = list(whole_numbers(qubits, "qubits", MeasurementError, minimum=0))
        if len(set(chosen)) != len(chosen) or not chosen or max(chosen) >= size:
            raise MeasurementError.bad_argument(
                "qubits", expected=f"different numbers from 0 to {size - 1}", got=shown(chosen)
            )
    else:
        chosen = list(range(size))
    party_of = {qubit: k for k, qubit in enumerate(chosen)}
    # A register that was chosen has no broken couplings.
    listed = device.cost_of_edge if num_parties is not None else device.graph.edge_list()
    inside = [(party_of[a], party_of[b]) for a, b in listed if a in party_of and b in party_of]
    if not inside:
        raise MeasurementError.bad_argument("couplings", expected="an edge between the qubits", got="none")
    layers = edge_layers(len(chosen), [(min(edge), max(edge)) for edge in inside])
    circuit = QuantumCircuit(len(chosen))
    circuit.h(range(len(chosen)))
    for layer in layers:
        for first, second in layer:
            circuit.cz(first, second)
    edges = tuple(edge for layer in layers for edge in layer)
    return RegisterPreparation(circuit, tuple(chosen), edges, len(layers))
