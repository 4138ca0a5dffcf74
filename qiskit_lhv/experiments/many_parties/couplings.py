"""Couplings of a device's qubits, what errors the device reports for them, and registers of low error."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import rustworkx as rx

from ...exceptions import MeasurementError
from ..device_groups import coupling_graph

__all__ = ["DeviceCouplings", "Edge", "edge_layers"]

# Operations with a larger error are broken.
_LARGEST_ERROR = 0.5

Edge = tuple[int, int]


@dataclass(frozen=True)
class DeviceCouplings:
    """Couplings between qubits, with costs: minus the logarithms of the probabilities of no error, where reported."""

    graph: rx.PyGraph
    """Couplings, with a node for each qubit."""
    cost_of_edge: dict[Edge, float]
    """The cost of each coupling, the lower qubit first; those that are broken are missing."""
    cost_of_qubit: dict[int, float]
    """The cost of reading each qubit; those that are broken are missing."""

    @classmethod
    def of(cls, device: Any, name: str) -> Self:
        """The couplings of a backend, a ``CouplingMap``, a graph of rustworkx or pairs of qubits.

        Args:
            device: What has them.
            name: Name of the argument, for messages.

        Raises:
            MeasurementError: If it is something else.
        """
        if isinstance(device, rx.PyGraph | rx.PyDiGraph):
            graph = coupling_graph(list(device.edge_list()), name)
            graph.add_nodes_from(range(graph.num_nodes(), device.num_nodes()))
        else:
            graph = coupling_graph(device, name)
        errors = _reported_errors(getattr(device, "target", None))
        edges = {(min(edge), max(edge)): 0.0 for edge in graph.edge_list()}
        qubits = dict.fromkeys(range(graph.num_nodes()), 0.0)
        return cls(graph, _costs(edges, errors), _costs(qubits, {q[0]: e for q, e in errors.items() if len(q) == 1}))

    @cached_property
    def neighbors(self) -> dict[int, dict[int, float]]:
        """For each working qubit, the working ones that are coupled to it, with the cost of the coupling."""
        found: dict[int, dict[int, float]] = {qubit: {} for qubit in self.cost_of_qubit}
        for (first, second), cost in self.cost_of_edge.items():
            if first in found and second in found:
                found[first][second] = found[second][first] = cost
        return found

    def register(self, number: int) -> list[int]:
        """So many qubits of low cost, each but the first coupled to an earlier one; all couplings inside them count.

        From every qubit a register grows by the cheapest neighbor; the cheapest register is kept.

        Raises:
            MeasurementError: If no connected part is as large.
        """
        best: tuple[float, list[int]] | None = None
        for root in self.neighbors:
            grown = self._grown(root, number)
            if grown is not None and (best is None or grown[0] < best[0] - 1e-12):
                best = grown
        if best is None:
            raise self.too_few(number)
        return best[1]

    def _grown(self, root: int, number: int) -> tuple[float, list[int]] | None:
        chosen, total = [root], self.cost_of_qubit[root]
        price: dict[int, float] = {}
        inside = {root}
        newest = root
        while len(chosen) < number:
            for near, cost in self.neighbors[newest].items():
                if near not in inside:
                    price[near] = price.get(near, self.cost_of_qubit[near]) + cost
            if not price:
                return None
            newest = min(price, key=lambda qubit: (price[qubit], qubit))
            total += price.pop(newest)
            chosen.append(newest)
            inside.add(newest)
        return total, chosen

    def fan_out(self, number: int) -> list[list[Edge]]:
        """Layers of pairs (from, to) that reach so many qubits from one, each qubit at most once in a layer.

        In each layer as many qubits as possible are reached, at the lowest cost. Of all starts the one with the fewest
        layers is kept; of these, the one of lowest cost.

        Raises:
            MeasurementError: If no connected part is as large.
        """
        best: tuple[tuple[int, float], list[list[Edge]]] | None = None
        for root in self.neighbors:
            found = self._fan_out_from(root, number, most=math.inf if best is None else best[0][0])
            if found is not None and (best is None or found[0] < best[0]):
                best = found
        if best is None:
            raise self.too_few(number)
        return best[1]

    def _fan_out_from(self, root: int, number: int, most: float) -> tuple[tuple[int, float], list[list[Edge]]] | None:
        reached, total = [root], self.cost_of_qubit[root]
        inside = {root}
        layers: list[list[Edge]] = []
        while len(reached) < number:
            if len(layers) >= most:
                return None
            pairs = sorted(self._matched(reached, inside))[: number - len(reached)]
            if not pairs:
                return None
            layers.append([(source, target) for _, source, target in pairs])
            for cost, _, target in pairs:
                total += cost
                reached.append(target)
                inside.add(target)
        return (len(layers), round(total, 12)), layers

    def _matched(self, reached: list[int], inside: set[int]) -> list[tuple[float, int, int]]:
        """Disjoint pairs of a reached qubit and a new one: as many as possible, of lowest cost."""
        from scipy.optimize import linear_sum_assignment

        sources = [qubit for qubit in reached if any(near not in inside for near in self.neighbors[qubit])]
        targets = sorted({near for qubit in sources for near in self.neighbors[qubit] if near not in inside})
        if not sources:
            return []
        place = {qubit: i for i, qubit in enumerate(targets)}
        costs = np.full((len(sources), len(targets)), np.inf)
        for i, qubit in enumerate(sources):
            for near, cost in self.neighbors[qubit].items():
                if near in place:
                    costs[i, place[near]] = cost + self.cost_of_qubit[near]
        there = np.isfinite(costs)
        # One missing pair is worse than any costs of the others.
        missing = 1.0 + 2 * costs[there].max() * len(sources)
        rows, columns = linear_sum_assignment(np.where(there, costs, missing))
        return [
            (float(costs[i, j]), sources[i], targets[j])
            for i, j in zip(rows.tolist(), columns.tolist(), strict=True)
            if there[i, j]
        ]

    def too_few(self, number: int) -> MeasurementError:
        """Returns the error for a number of qubits that is too large."""
        alive = rx.PyGraph()
        alive.add_nodes_from(range(self.graph.num_nodes()))
        alive.add_edges_from_no_data([(a, b) for a, near in self.neighbors.items() for b in near if a < b])
        parts = [len(part & set(self.neighbors)) for part in rx.connected_components(alive)]
        return MeasurementError.bad_argument(
            "num_parties",
            expected=f"at most {max(parts, default=0)}, the largest number of coupled qubits that work",
            got=f"{number}",
        )


def _reported_errors(target: Any) -> dict[tuple[int, ...], float]:
    """The error of reading each qubit, and the lowest one of a two-qubit gate on each pair, the lower qubit first."""
    errors: dict[tuple[int, ...], float] = {}
    for name in () if target is None else target.operation_names:
        for qubits, properties in (target[name] or {}).items():
            error = getattr(properties, "error", None)
            if qubits is None or error is None or not (len(qubits) == 2 or name == "measure"):
                continue
            key = tuple(sorted(qubits))
            errors[key] = min(errors.get(key, math.inf), float(error))
    return errors


def _costs(items: dict[Any, float], errors: dict[Any, float]) -> dict[Any, float]:
    return {
        item: -math.log1p(-max(0.0, errors.get(item, 0.0))) for item in items if errors.get(item, 0.0) < _LARGEST_ERROR
    }


def edge_layers(num_nodes: int, edges: list[Edge]) -> list[list[Edge]]:
    """The edges of a graph in few layers, in each of which no node comes twice.

    For graphs of two sides, which lattices and most devices' couplings are, these are the fewest: the largest number of
    edges at one node. For others, at most one more.

    Args:
        num_nodes: Number of nodes.
        edges: Each edge once.

    References:
        J. Misra and D. Gries, Information Processing Letters 41, 131 (1992).
    """
    graph = rx.PyGraph(multigraph=False)
    graph.add_nodes_from(range(num_nodes))
    graph.add_edges_from_no_data(edges)
    if rx.is_bipartite(graph):
        colorings = [rx.graph_bipartite_edge_color(graph)]
    else:
        colorings = [rx.graph_misra_gries_edge_color(graph), rx.graph_greedy_edge_color(graph)]
    colors = min(colorings, key=lambda coloring: len(set(coloring.values())))
    layers: dict[int, list[Edge]] = {}
    for index, edge in sorted(graph.edge_index_map().items()):
        layers.setdefault(colors[index], []).append((edge[0], edge[1]))
    return [layers[color] for color in sorted(layers)]
