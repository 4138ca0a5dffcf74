"""Bell inequalities of graph states: of Baccari et al., and of Toth, Guehne and Briegel.

The generators of the graph state's stabilizer are ``g_i = X_i prod_j Z_j``, with j the neighbors of i. Their plain sum
is no Bell inequality: local models give every generator the value 1, and so reach its quantum value.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...._support.validation import at_most, is_whole_number
from ....exceptions import ScenarioError
from ....targets.scenario import BellScenario
from .base import ABSENT
from .graphs import Graph
from .known_bounds import KnownBounds
from .measured import MeasuredExpression
from .sparse import SparseExpression
from .stabilizers import stabilizer_elements

__all__ = ["baccari_inequality", "toth_guehne_briegel_inequality"]

_MAX_TERMS = 1 << 20


def baccari_inequality(graph: Any, centers: Iterable[int] | str | None = None) -> MeasuredExpression:
    """The Bell inequality of Baccari et al. for the graph state, with two settings per party and about one term each.

    At a center c of degree d, its observables X and Z become ``(A0 + A1) / sqrt(2)`` and ``(A0 - A1) / sqrt(2)``. The
    generator of the center counts d times, and that of each neighbor once, all times ``sqrt(2)``; they form d CHSH
    expressions of the center's two settings with what the others measure. Every other generator is added as it is.
    Local models reach ``n + sum of (d - 1)`` for n parties, the graph state ``n + sum of ((2 sqrt(2) - 1) d - 1)``,
    and no quantum state more.

    Args:
        graph: A ``CouplingMap``, a ``rustworkx`` graph, a list of edges, or an adjacency matrix (NumPy array).
        centers: One or more vertices whose closed neighborhoods do not overlap. Default: one vertex of the largest
            degree, as in the paper. More of them make the violation grow with the number of parties: ``"packed"`` takes
            as many as fit in the order of their degree.

    Returns:
        The expression, with its ``known_bounds``, and the settings: X and Z, and ``X+Z`` and ``X-Z`` for centers.

    Raises:
        ScenarioError: If the graph cannot be read, a center does not exist or has no neighbors, or neighborhoods
            overlap.

    References:
        F. Baccari, R. Augusiak, I. Supic, J. Tura, A. Acin, arXiv:1812.10428. For several centers the same proof holds
        for each.

    Examples:
        >>> ring = [(k, (k + 1) % 6) for k in range(6)]
        >>> inequality = baccari_inequality(ring, centers=[0, 3])
        >>> print(inequality.expression.known_bounds)
        local 8, quantum 11.3137085 (F. Baccari et al., arXiv:1812.10428)
        >>> inequality.settings[0]
        ('X+Z', 'X-Z')
    """
    net = Graph.of(graph)
    chosen = _centers(net, centers)
    n = net.num_vertices
    center_of = {j: c for c in chosen for j in net.neighbors[c]}
    rows: list[NDArray[np.int8]] = []
    values: list[float] = []

    def add(vertex: int, center: int | None, factor: float) -> None:
        row = np.full(n, ABSENT, dtype=np.int8)
        row[list(net.neighbors[vertex])] = 1
        row[vertex] = 0
        for setting in (0,) if center is None else (0, 1):
            term = row.copy()
            # The generator holds X of the center itself, A0 + A1, or Z of it, A0 - A1.
            sign = -1 if setting == 1 and center != vertex else 1
            if center is not None:
                term[center] = setting
            rows.append(term)
            values.append(sign * factor)

    for vertex in range(n):
        if vertex in chosen:
            add(vertex, vertex, float(len(net.neighbors[vertex])))
        else:
            add(vertex, center_of.get(vertex), 1.0)
    degrees = sum(len(net.neighbors[c]) for c in chosen)
    rest = n - degrees - len(chosen)
    bounds = KnownBounds(
        local=2 * degrees + rest,
        quantum=2 * math.sqrt(2) * degrees + rest,
        source="F. Baccari et al., arXiv:1812.10428",
    )
    expression = SparseExpression(BellScenario([2] * n, 2), np.array(rows), np.array(values), bounds)
    return MeasuredExpression(expression, tuple(("X+Z", "X-Z") if k in chosen else ("X", "Z") for k in range(n)))


def _centers(net: Graph, centers: Iterable[int] | str | None) -> list[int]:
    """The centers.

    Raises:
        ScenarioError: If one does not exist or has no neighbors, or closed neighborhoods overlap.
    """
    if centers is None:
        return [int(np.argmax([len(others) for others in net.neighbors]))]
    if isinstance(centers, str):
        if centers != "packed":
            raise ScenarioError.bad_argument("centers", expected="vertices, or 'packed'", got=repr(centers))
        return _packed(net)
    chosen = list(centers) if isinstance(centers, Iterable) else [centers]
    n = net.num_vertices
    wrong = any(not is_whole_number(c) or not 0 <= c < n or not net.neighbors[c] for c in chosen)
    if wrong or not chosen or not isinstance(centers, Iterable):
        raise ScenarioError.bad_argument(
            "centers", expected=f"vertices from 0 to {n - 1} that have neighbors", got=f"{chosen}"
        )
    covered = [j for c in chosen for j in (c, *net.neighbors[c])]
    if len(set(covered)) != len(covered):
        raise ScenarioError.bad_argument(
            "centers", expected="vertices whose closed neighborhoods do not overlap", got=f"{chosen}"
        )
    return [int(c) for c in chosen]


def _packed(net: Graph) -> list[int]:
    """Vertices whose closed neighborhoods do not overlap, those of large degree first."""
    covered: set[int] = set()
    chosen = []
    for vertex in sorted(range(net.num_vertices), key=lambda k: -len(net.neighbors[k])):
        closed = {vertex, *net.neighbors[vertex]}
        if len(closed) > 1 and not closed & covered:
            covered |= closed
            chosen.append(vertex)
    return chosen


def toth_guehne_briegel_inequality(
    graph: Any, blocks: Iterable[tuple[int, Sequence[int]]] | str = "packed"
) -> MeasuredExpression:
    """A sum of the blocks of Toth, Guehne and Briegel for the graph state, with the settings X, Y and Z.

    The block of a vertex i and some of its neighbors, none of which are neighbors of each other, is the sum of the
    stabilizer elements ``g_i prod_j g_j`` over all subsets j of these neighbors. It is a Mermin expression: with k
    neighbors the graph state reaches ``2**k``, the number of its terms, and local models ``2**((k + 1) // 2)``. With
    two neighbors that is 4 against 2.

    Args:
        graph: A ``CouplingMap``, a ``rustworkx`` graph, a list of edges, or an adjacency matrix (NumPy array).
        blocks: Pairs of a vertex and some of its neighbors. ``"all"`` takes every vertex with its first two neighbors
            that are not neighbors of each other, if there are any; ``"packed"`` those of them whose vertices have not
            been taken yet, in ascending order. For both, local models reach half of what the graph state reaches, on a
            device of any size; the terms of ``"packed"`` are fewer, and bounded by ``local_bound`` on larger devices.

    Returns:
        The expression, with its ``known_bounds``, and the settings. The local bound is left out where blocks of more
        than two neighbors are added that no strategy is known to serve at once.

    Raises:
        ScenarioError: If the graph cannot be read, a block is none, none is found, or there are more than about a
            million terms.

    References:
        G. Toth, O. Guehne, H. J. Briegel, arXiv:quant-ph/0510007.

    Examples:
        >>> print(toth_guehne_briegel_inequality([(0, 1), (1, 2)]).expression)
        <A2 B0 C2> + <A2 B1 C1> + <A1 B1 C2> - <A1 B0 C1>
    """
    net = Graph.of(graph)
    if isinstance(blocks, str):
        chosen = _pairs_of_neighbors(net, blocks)
    elif isinstance(blocks, Iterable):
        chosen = [_checked_block(net, block) for block in blocks]
    else:
        raise ScenarioError.bad_argument("blocks", expected="pairs, 'packed' or 'all'", got=repr(blocks))
    if not chosen:
        raise ScenarioError.bad_argument(
            "blocks", expected="a vertex with two neighbors that are not neighbors of each other", got="none"
        )
    most = sum(1 << len(others) for _, others in chosen)
    at_most(most, _MAX_TERMS, "blocks", ScenarioError, what="terms of all blocks")
    elements = np.zeros((most, net.num_vertices), dtype=np.int8)
    row = 0
    for vertex, others in chosen:
        for subset in itertools.product((0, 1), repeat=len(others)):
            elements[row, vertex] = 1
            elements[row, list(others)] = subset
            row += 1
    rows, signs = stabilizer_elements(net, elements)
    expression = SparseExpression.of_rows(BellScenario([3] * net.num_vertices, 2), rows, signs)
    highest = sum(1 << ((len(others) + 1) // 2) for _, others in chosen)
    # One block's bound is reached; several at once for sure if all outcomes +1 do it.
    reached = len(chosen) == 1 or float(signs.sum()) == highest
    bounds = KnownBounds(
        local=highest if reached else None,
        quantum=most,
        no_signaling=most,
        source="G. Toth, O. Guehne, H. J. Briegel, arXiv:quant-ph/0510007",
    )
    listed = SparseExpression(expression.scenario, expression.rows, expression.coefficients, bounds)
    return MeasuredExpression(listed, (("X", "Y", "Z"),) * net.num_vertices)


def _pairs_of_neighbors(net: Graph, which: str) -> list[tuple[int, tuple[int, ...]]]:
    """Blocks of a vertex and two of its neighbors.

    Raises:
        ScenarioError: If they are neither all nor packed.
    """
    if which not in ("packed", "all"):
        raise ScenarioError.bad_argument("blocks", expected="pairs, 'packed' or 'all'", got=repr(which))
    blocks: list[tuple[int, tuple[int, ...]]] = []
    taken: set[int] = set()
    for vertex, neighbors in enumerate(net.neighbors):
        for pair in itertools.combinations(neighbors, 2):
            if pair[1] not in net.neighbors[pair[0]] and not taken & {vertex, *pair}:
                blocks.append((vertex, pair))
                taken |= {vertex, *pair} if which == "packed" else set()
                break
    return blocks


def _checked_block(net: Graph, block: Any) -> tuple[int, tuple[int, ...]]:
    """A block.

    Raises:
        ScenarioError: If it is not a vertex with some of its neighbors, none of which are neighbors of each other.
    """
    fits = isinstance(block, tuple | list) and len(block) == 2 and is_whole_number(block[0])
    if fits and 0 <= block[0] < net.num_vertices and isinstance(block[1], tuple | list):
        vertex, others = int(block[0]), tuple(block[1])
        fits = bool(others) and len(set(others)) == len(others) and set(others) <= set(net.neighbors[vertex])
        if fits and not any(j in net.neighbors[i] for i, j in itertools.combinations(others, 2)):
            return vertex, tuple(int(j) for j in others)
    raise ScenarioError.bad_argument(
        "blocks",
        expected="pairs of a vertex and some of its neighbors, none of which are neighbors of each other",
        got=repr(block),
    )
