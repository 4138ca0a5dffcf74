"""Bell expressions of correlators of two parties: along the edges of a graph, or of all pairs alike."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...._support.validation import at_most, real_array, whole_number
from ....exceptions import ScenarioError
from ....targets.scenario import BellScenario
from .base import ABSENT
from .graphs import Graph
from .known_bounds import KnownBounds
from .sparse import SparseExpression
from .symmetric import SymmetricExpression

__all__ = ["permutation_invariant_expression", "sum_of_chsh", "two_body_expression"]

_MAX_ENTRIES = 1 << 30
"""Largest number of correlators times parties: each is a byte."""


def two_body_expression(graph: Any, pairs: ArrayLike, singles: ArrayLike | None = None) -> SparseExpression:
    """A sum of correlators of two parties along the edges of a graph, such as a lattice or a device's couplings.

    Args:
        graph: A ``CouplingMap``, a ``rustworkx`` graph (``rustworkx.generators`` makes chains and lattices), a list of
            edges, or an adjacency matrix (NumPy array).
        pairs: Coefficients of the correlators of an edge, shape ``(m, m)``: setting of the party with the smaller
            number, setting of the other; or one such matrix per edge, shape ``(E, m, m)``, with the edges in ascending
            order.
        singles: Coefficients of the outcomes of a party alone, shape ``(m,)`` for all parties or ``(N, m)``; default:
            none.

    Returns:
        The expression, with m settings of each party.

    Raises:
        ScenarioError: If the graph cannot be read, or shapes do not fit.

    References:
        J. Tura, R. Augusiak, A. B. Sainz, T. Vertesi, M. Lewenstein, A. Acin, Science 344, 1256 (2014), arXiv:1306.6860
        (nonlocality from correlators of two parties).

    Examples:
        >>> print(two_body_expression([(0, 1), (1, 2)], [[1, 0], [0, -0.5]], singles=[0, 2]))
        <A0 B0> - 0.5<A1 B1> + <B0 C0> - 0.5<B1 C1> + 2<A1> + 2<B1> + 2<C1>
    """
    net = Graph.of(graph)
    n, num_edges = net.num_vertices, len(net.edges)
    matrices = real_array(pairs, "pairs", ScenarioError)
    m = matrices.shape[-1] if matrices.ndim else 0
    if matrices.shape not in ((m, m), (num_edges, m, m)) or not m:
        raise ScenarioError.bad_argument(
            "pairs", expected=f"shape (m, m), or ({num_edges}, m, m)", got=f"shape {matrices.shape}"
        )
    at_most(
        num_edges * m * m * n, _MAX_ENTRIES, "graph", ScenarioError, what="correlators of edges times parties to list"
    )
    matrices = np.broadcast_to(matrices, (num_edges, m, m))
    rows = np.full((num_edges, m, m, n), ABSENT, dtype=np.int8)
    for number, (i, j) in enumerate(net.edges):
        rows[number, :, :, i] = np.arange(m)[:, None]
        rows[number, :, :, j] = np.arange(m)
    table, values = rows.reshape(-1, n), matrices.ravel()
    if singles is not None:
        own = real_array(singles, "singles", ScenarioError)
        if own.shape not in ((m,), (n, m)):
            raise ScenarioError.bad_argument(
                "singles", expected=f"shape ({m},) or ({n}, {m})", got=f"shape {own.shape}"
            )
        single = np.full((n, m, n), ABSENT, dtype=np.int8)
        single[np.arange(n), :, np.arange(n)] = np.arange(m)
        table = np.concatenate([table, single.reshape(-1, n)])
        values = np.concatenate([values, np.broadcast_to(own, (n, m)).ravel()])
    return SparseExpression.of_rows(BellScenario([m] * n, 2), table, values)


def sum_of_chsh(graph: Any) -> SparseExpression:
    """The sum of the CHSH expressions of all edges of a graph, where every party has the same two settings throughout.

    Local models reach 2 per edge. CHSH is monogamous: two edges that share a party reach at most 4 together. So the sum
    over a connected graph with an even number of edges cannot exceed its local bound at all, since its edges can be
    paired. To see a violation, take edges that do not touch, for example a matching of the couplings
    (``rustworkx.max_weight_matching``): they reach ``2 sqrt(2)`` each. Parties without an edge stay in the scenario.

    Args:
        graph: A ``CouplingMap``, a ``rustworkx`` graph, a list of edges, or an adjacency matrix (NumPy array).

    Returns:
        The expression; its ``known_bounds`` are attached. The quantum and the no-signaling bound are left out if some
        connected part of the graph has an odd number of edges from three on: there they are not known.

    Raises:
        ScenarioError: If the graph cannot be read.

    References:
        B. Toner, arXiv:quant-ph/0601172; B. Toner, F. Verstraete, arXiv:quant-ph/0611001 (monogamy). D. P. Sumner,
        Proc. Am. Math. Soc. 42, 8 (1974): line graphs of even order have perfect matchings, so edges can be paired.

    Examples:
        >>> print(sum_of_chsh([(0, 1), (2, 3)]).known_bounds)
        local 4, quantum 5.65685425, no-signaling 8 (arXiv:quant-ph/0601172, quant-ph/0611001)
    """
    net = Graph.of(graph)
    expression = two_body_expression(net, [[1, 1], [1, -1]])
    sizes = [len(part) for part in net.components()]
    singles = sizes.count(1)
    paired = 2 * sum(size for size in sizes if size % 2 == 0)
    known = all(size == 1 or size % 2 == 0 for size in sizes)
    bounds = KnownBounds(
        local=2 * len(net.edges),
        quantum=(paired + singles * 2 * math.sqrt(2) if singles else paired) if known else None,
        no_signaling=paired + 4 * singles if known else None,
        source="arXiv:quant-ph/0601172, quant-ph/0611001",
    )
    return SparseExpression(expression.scenario, expression.rows, expression.coefficients, bounds)


def permutation_invariant_expression(num_parties: int, singles: ArrayLike, pairs: ArrayLike) -> SymmetricExpression:
    """A sum of correlators of one and two parties in which all parties are alike.

    With ``S_x`` the sum over the parties of the outcomes of setting x, and ``S_xy`` the sum over *ordered* pairs of
    different parties of the product of outcomes of x and y, it is ``sum_x singles[x] S_x + sum_xy pairs[x, y] S_xy /
    2``. For two settings this is ``alpha S_0 + beta S_1 + gamma / 2 S_00 + delta S_01 + epsilon / 2 S_11`` with
    ``singles = [alpha, beta]`` and ``pairs = [[gamma, delta], [delta, epsilon]]``. The literature bounds this from
    below: for its inequalities, change all signs.

    Args:
        num_parties: Number of parties, at least 2.
        singles: Shape ``(m,)``.
        pairs: Shape ``(m, m)``, symmetric.

    Returns:
        The expression, with m settings of each party.

    Raises:
        ScenarioError: If shapes do not fit, or ``pairs`` is not symmetric.

    References:
        J. Tura et al., Science 344, 1256 (2014), arXiv:1306.6860; Ann. Phys. 362, 370 (2015), arXiv:1505.06740.

    Examples:
        The first inequality of the Science paper, with local bound 2 N, which Dicke and spin-squeezed states violate:

        >>> print(permutation_invariant_expression(50, [2, 0], [[-1, 1], [1, -1]]))
        50 parties: - S(0, 2) + 2S(1, 0) + S(1, 1) - S(2, 0)
    """
    n = whole_number(num_parties, "num_parties", ScenarioError, minimum=2)
    one, two = real_array(singles, "singles", ScenarioError), real_array(pairs, "pairs", ScenarioError)
    m = len(one) if one.ndim == 1 else 0
    if not m or two.shape != (m, m) or not np.array_equal(two, two.T):
        raise ScenarioError.bad_argument(
            "singles, pairs",
            expected="shapes (m,) and (m, m), the latter symmetric",
            got=f"shapes {one.shape} and {two.shape}" if two.shape != (m, m) else "a matrix that is not symmetric",
        )
    unit = np.eye(m, dtype=np.int64)
    types: list[NDArray[np.int64]] = [*unit]
    values = one.tolist()
    for x in range(m):
        for y in range(x, m):
            # Ordered pairs count twice, with factor 1/2; those of two settings also occur as (y, x).
            types.append(unit[x] + unit[y])
            values.append(float(two[x, y]))
    table, kept = np.array(types), np.array(values) != 0
    order = np.lexsort(table[kept].T[::-1])
    return SymmetricExpression(BellScenario([m] * n, 2), table[kept][order], np.array(values)[kept][order])
