"""Groups of physical qubits on a device: those that are coupled, and those that can run at the same time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import rustworkx as rx
from qiskit.transpiler import CouplingMap

from .._support.validation import is_whole_number, whole_number, whole_numbers
from ..exceptions import MeasurementError

__all__ = ["coupled_groups", "coupling_graph", "parse_groups", "schedule_layers"]

_MAX_GROUPS = 1_000_000


def coupling_graph(device: Any, name: str = "coupling_map") -> rx.PyGraph:
    """The undirected graph of a device's couplings, with a node for each qubit.

    Args:
        device: A backend, a ``CouplingMap``, or a sequence of pairs of qubits.
        name: Name of the argument, for the message.

    Raises:
        MeasurementError: If it is of another kind, or a backend that couples all of its qubits without saying so.
    """
    coupling = device if isinstance(device, CouplingMap) else getattr(device, "coupling_map", device)
    if coupling is None:
        raise MeasurementError.bad_argument(
            name,
            expected="a backend with a coupling map, a CouplingMap, or pairs of qubits",
            got="None" if device is None else f"{type(device).__name__}, which has no coupling map",
            remedy="List the groups by hand, or pass CouplingMap.from_full(num_qubits).",
        )
    try:
        edges = [_pair(edge) for edge in (coupling.get_edges() if isinstance(coupling, CouplingMap) else coupling)]
    except (TypeError, ValueError) as exc:
        raise MeasurementError.bad_argument(
            name, expected="a backend, a CouplingMap, or pairs of qubits", got=repr(device)[:80]
        ) from exc
    size = coupling.size() if isinstance(coupling, CouplingMap) else 0
    size = max([size, *(qubit + 1 for edge in edges for qubit in edge)])
    graph = rx.PyGraph(multigraph=False)
    graph.add_nodes_from(range(size))
    graph.add_edges_from_no_data(sorted({(min(edge), max(edge)) for edge in edges}))
    return graph


def _pair(edge: Any) -> tuple[int, int]:
    first, second = edge
    if not all(is_whole_number(qubit) and qubit >= 0 for qubit in (first, second)) or first == second:
        raise ValueError(f"no pair of qubits: {edge!r}")
    return int(first), int(second)


def coupled_groups(device: Any, size: int = 2) -> tuple[tuple[int, ...], ...]:
    """All pairs of coupled qubits of a device, or all chains of coupled qubits.

    Args:
        device: A backend, a ``CouplingMap``, or a sequence of pairs of qubits; directions do not matter.
        size: Number of qubits of a group. A chain is a sequence of different qubits in which each is
            coupled to the next.

    Returns:
        Each group once, in increasing order; the first qubit of a group is lower than its last.

    Raises:
        MeasurementError: If the device does not say which qubits are coupled, or there are too many chains to list.

    Examples:
        >>> coupled_groups([(0, 1), (2, 1), (1, 3)])
        ((0, 1), (1, 2), (1, 3))
        >>> coupled_groups([(0, 1), (2, 1), (1, 3)], size=3)
        ((0, 1, 2), (0, 1, 3), (2, 1, 3))
    """
    size = whole_number(size, "size", MeasurementError, minimum=2)
    graph = coupling_graph(device, "device")
    chains: list[tuple[int, ...]] = [(qubit,) for qubit in graph.node_indices()]
    for _ in range(size - 1):
        chains = [(*chain, n) for chain in chains for n in graph.neighbors(chain[-1]) if n not in chain]
        if len(chains) > _MAX_GROUPS:
            raise MeasurementError.bad_argument(
                "size", expected=f"a size with at most {_MAX_GROUPS} chains", got=f"{size}", remedy="List the groups."
            )
    return tuple(sorted(chain for chain in chains if chain[0] < chain[-1]))


def parse_groups(groups: Any, num_qubits: int, device_size: int | None) -> tuple[tuple[int, ...], ...]:
    """Checks groups of physical qubits.

    Args:
        groups: One sequence of physical qubits per group.
        num_qubits: Number of qubits of each group.
        device_size: Number of physical qubits, if it is known.

    Raises:
        MeasurementError: If a group is of another size, names a qubit twice or one that does not exist, or
            is listed twice.
    """
    if isinstance(groups, str) or not isinstance(groups, Iterable):
        raise MeasurementError.bad_argument(
            "groups",
            expected=f"a sequence of groups of {num_qubits} physical qubits",
            got=repr(groups),
            remedy="coupled_groups(backend, size) lists those that are coupled.",
        )
    parsed = tuple(whole_numbers(group, f"groups[{i}]", MeasurementError, minimum=0) for i, group in enumerate(groups))
    if not parsed:
        raise MeasurementError.bad_argument("groups", expected="at least one group", got="none")
    for i, group in enumerate(parsed):
        if len(group) != num_qubits or len(set(group)) != num_qubits:
            raise MeasurementError.bad_argument(
                f"groups[{i}]",
                expected=f"{num_qubits} different qubits, as many as the circuit has",
                got=repr(group),
            )
        if device_size is not None and max(group) >= device_size:
            raise MeasurementError.bad_argument(
                f"groups[{i}]", expected=f"qubits from 0 to {device_size - 1}", got=repr(group)
            )
        if group in parsed[:i]:
            raise MeasurementError.bad_argument("groups", expected="each group once", got=f"{group} twice")
    return parsed


def schedule_layers(
    groups: Sequence[tuple[int, ...]], graph: rx.PyGraph | None, spacing: int
) -> tuple[tuple[tuple[int, ...], ...], ...]:
    """Sorts groups into few layers, so that those of a layer can run at the same time.

    Two groups conflict if they share a qubit, or if two of their qubits are fewer than ``spacing`` couplings
    apart. The graph of conflicts is colored greedily, the most constrained groups first.

    Args:
        groups: The groups.
        graph: Couplings; needed for a spacing above 1.
        spacing: Least distance between groups, in couplings.
    """
    size = 1 + max(qubit for group in groups for qubit in group)
    near = np.eye(size, dtype=bool)
    if graph is not None and spacing > 1:
        distances = rx.graph_distance_matrix(graph, null_value=np.inf)
        near = distances < spacing
    member = np.zeros((len(groups), len(near)), dtype=bool)
    for i, group in enumerate(groups):
        member[i, list(group)] = True
    conflicts = (member @ near).astype(np.float32) @ member.T > 0
    colored = rx.PyGraph(multigraph=False)
    colored.add_nodes_from(range(len(groups)))
    colored.add_edges_from_no_data([(int(i), int(j)) for i, j in np.argwhere(np.triu(conflicts, 1))])
    color_of = rx.graph_greedy_color(colored, strategy=rx.ColoringStrategy.Saturation)
    layers: dict[int, list[tuple[int, ...]]] = {}
    for i, group in enumerate(groups):
        layers.setdefault(color_of[i], []).append(group)
    # In the order in which their first groups were given.
    return tuple(tuple(layer) for layer in layers.values())
