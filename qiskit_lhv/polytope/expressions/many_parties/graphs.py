"""Graphs as users have them: coupling maps, rustworkx graphs, lists of edges, adjacency matrices."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...._support.validation import at_most, is_whole_number
from ....exceptions import ScenarioError

__all__ = ["Graph"]

_MAX_VERTICES = 10_000
"""Largest number of vertices: terms and adjacency matrices have an entry per pair of vertices."""

_EXPECTED = "a CouplingMap, a rustworkx graph, a list of edges such as [(0, 1), (1, 2)], or an adjacency matrix"


@dataclass(frozen=True)
class Graph:
    """A graph without directions, loops or double edges, whose vertices are numbered from 0."""

    num_vertices: int
    """Number of vertices."""
    edges: tuple[tuple[int, int], ...]
    """Pairs of vertices, the smaller number first, in ascending order."""

    @classmethod
    def of(cls, graph: Any) -> Graph:
        """Reads a graph.

        Args:
            graph: A ``CouplingMap``, whose directions do not matter, a graph of ``rustworkx``, a list of edges, or an
                adjacency matrix as a NumPy array.

        Raises:
            ScenarioError: If it is none of these, has no edges or more than 10000 vertices, or an edge connects a
                vertex with itself.
        """
        if isinstance(graph, cls):
            return graph
        if isinstance(graph, np.ndarray):
            return cls._of_adjacency(graph)
        inner = getattr(graph, "graph", graph)
        if hasattr(inner, "edge_list") and hasattr(inner, "num_nodes"):
            return cls._of_edges(list(inner.edge_list()), int(inner.num_nodes()))
        if isinstance(graph, list | tuple | set | frozenset):
            return cls._of_edges(list(graph), None)
        raise ScenarioError.bad_argument("graph", expected=_EXPECTED, got=type(graph).__name__)

    @classmethod
    def _of_adjacency(cls, matrix: NDArray[Any]) -> Graph:
        square = matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1]
        if not square or not np.isin(matrix, (0, 1)).all() or not np.array_equal(matrix, matrix.T):
            raise ScenarioError.bad_argument(
                "graph", expected="a symmetric square matrix of 0 and 1", got=f"an array of shape {matrix.shape}"
            )
        return cls._of_edges([(int(i), int(j)) for i, j in np.argwhere(matrix) if i <= j], len(matrix))

    @classmethod
    def _of_edges(cls, edges: list[Any], num_vertices: int | None) -> Graph:
        pairs = set()
        for edge in edges:
            if not isinstance(edge, tuple | list) or len(edge) != 2 or not all(map(is_whole_number, edge)):
                raise ScenarioError.bad_argument("graph", expected=_EXPECTED, got=f"the edge {edge!r}")
            i, j = sorted(map(int, edge))
            if i < 0 or i == j or (num_vertices is not None and j >= num_vertices):
                raise ScenarioError.bad_argument(
                    "graph", expected="edges between two different vertices, numbered from 0", got=f"the edge {edge!r}"
                )
            pairs.add((i, j))
        if not pairs:
            raise ScenarioError.bad_argument("graph", expected="a graph with an edge", got="none")
        number = 1 + max(j for _, j in pairs) if num_vertices is None else num_vertices
        at_most(number, _MAX_VERTICES, "graph", ScenarioError, what="vertices, which are numbered from 0")
        return cls(number, tuple(sorted(pairs)))

    @cached_property
    def neighbors(self) -> tuple[tuple[int, ...], ...]:
        """The neighbors of each vertex, in ascending order."""
        lists: list[list[int]] = [[] for _ in range(self.num_vertices)]
        for i, j in self.edges:
            lists[i].append(j)
            lists[j].append(i)
        return tuple(tuple(sorted(one)) for one in lists)

    @cached_property
    def adjacency(self) -> NDArray[np.int64]:
        """The adjacency matrix, shape ``(N, N)``."""
        matrix = np.zeros((self.num_vertices, self.num_vertices), dtype=np.int64)
        for i, j in self.edges:
            matrix[i, j] = matrix[j, i] = 1
        return matrix

    def components(self) -> list[list[tuple[int, int]]]:
        """The edges of each connected part that has any."""
        part = np.full(self.num_vertices, -1)
        count = 0
        for start in range(self.num_vertices):
            if part[start] >= 0 or not self.neighbors[start]:
                continue
            waiting = [start]
            part[start] = count
            while waiting:
                for other in self.neighbors[waiting.pop()]:
                    if part[other] < 0:
                        part[other] = count
                        waiting.append(other)
            count += 1
        return [[edge for edge in self.edges if part[edge[0]] == c] for c in range(count)]
