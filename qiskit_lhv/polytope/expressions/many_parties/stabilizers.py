"""Elements of the stabilizer of a graph state, and the sum of all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ...._support.records import Record
from ...._support.types import IntArray
from ...._support.validation import instance, real_number, whole_array
from ....exceptions import ScenarioError
from ....targets.many_parties.runs import require_two_outcomes
from ....targets.scenario import BellScenario
from .base import ABSENT, TermRows
from .graphs import Graph
from .implicit import ImplicitExpression
from .known_bounds import KnownBounds
from .measured import MeasuredExpression
from .sparse import SparseExpression, require_finite_sum

__all__ = ["StabilizerExpression", "stabilizer_elements", "stabilizer_sum"]

_MAX_COMPARED = 12
"""Largest number of parties for which the local bound of the sum is found by comparing strategies."""
_MAX_PARTIES = 1000
_BLOCK = 1 << 14
# The settings X, Y, Z of a party, by its exponents of X and of Z; neither: it does not take part.
_SETTING = np.array([[ABSENT, 2], [0, 1]], dtype=np.int8)
_Z = 2


def stabilizer_elements(graph: Graph, subsets: NDArray[np.integer[Any]]) -> tuple[TermRows, NDArray[np.float64]]:
    """Products of generators ``g_i = X_i prod_j Z_j`` of a graph state's stabilizer, as products of X, Y and Z.

    Args:
        graph: The graph.
        subsets: Shape ``(T, N)``, of 0 and 1: the generators of each product.

    Returns:
        The setting of each party, shape ``(T, N)``: 0, 1, 2 for X, Y, Z, -1 where it does not take part; and the signs,
        shape ``(T,)``.
    """
    rows = np.empty(subsets.shape, dtype=np.int8)
    signs = np.empty(len(subsets))
    adjacency = graph.adjacency.astype(np.float32)
    for start in range(0, len(subsets), _BLOCK):
        part = slice(start, start + _BLOCK)
        chosen = subsets[part].astype(np.float32)
        # Floats multiply matrices fast, and hold these whole numbers exactly.
        neighbors = chosen @ adjacency
        rows[part] = _SETTING[subsets[part].astype(np.intp), (neighbors % 2).astype(np.intp)]
        # An X moves past the Z of each generator before it that is a neighbor: one sign per edge inside the subset.
        # Then every X Z is -i Y.
        inside = np.sum(chosen * neighbors, axis=1, dtype=np.float64) // 2
        half_ys = np.count_nonzero(rows[part] == 1, axis=1) // 2
        signs[part] = np.where((inside + half_ys) % 2, -1.0, 1.0)
    return rows, signs


@dataclass(frozen=True, eq=False, repr=False)
class StabilizerExpression(ImplicitExpression, Record):
    """The sum of all ``2**N`` elements of a graph state's stabilizer, the identity included, times a factor.

    :func:`stabilizer_sum` makes one. The terms are never listed for large N: random products of generators are drawn.

    Args:
        scenario: N parties with the settings X, Y, Z.
        edges: Shape ``(E, 2)``: the edges of the graph.
        factor: Coefficient of every element, up to the element's sign.
        known_bounds: Bounds that are known from the literature.

    Raises:
        ScenarioError: If the edges are not those of a graph of N vertices, or a party has not three settings.

    References:
        O. Guehne, G. Toth, P. Hyllus, H. J. Briegel, Phys. Rev. Lett. 95, 120405 (2005), arXiv:quant-ph/0410059.

    Examples:
        >>> from qiskit_lhv.polytope import stabilizer_sum
        >>> expression = stabilizer_sum([(0, 1), (1, 2)]).expression
        >>> print(expression)
        the sum of all 2**3 stabilizer elements of 2 edges
        >>> expression.num_terms, expression.known_bounds.local, expression.known_bounds.quantum
        (8, 6, 8)
        >>> expression.with_fixed_z().num_terms
        8
    """

    scenario: BellScenario
    """N parties with three settings of two outcomes: X, Y and Z."""
    edges: IntArray
    """The edges of the graph, shape ``(E, 2)``, int64, read-only."""
    factor: float = 1.0
    """Coefficient of every element, up to the element's sign."""
    known_bounds: KnownBounds | None = field(default=None, compare=False)
    """Bounds that are known for the family, with their source; ``None`` if none are."""

    def __post_init__(self) -> None:
        scenario = instance(self.scenario, BellScenario, "scenario", ScenarioError)
        require_two_outcomes(scenario, ScenarioError)
        edges = whole_array(self.edges, "edges", ScenarioError, ndim=2)
        n = scenario.num_parties
        if set(scenario.num_settings) != {3} or n > _MAX_PARTIES:
            raise ScenarioError.bad_argument(
                "scenario", expected=f"three settings of each of at most {_MAX_PARTIES} parties", got=f"{scenario}"
            )
        if edges.shape[1] != 2 or (len(edges) and edges.max() >= n):
            raise ScenarioError.bad_argument("edges", expected=f"pairs of vertices 0 to {n - 1}", got="others")
        Graph.of([tuple(edge) for edge in edges.tolist()])
        object.__setattr__(self, "edges", edges)
        object.__setattr__(self, "factor", real_number(self.factor, "factor", ScenarioError))
        require_finite_sum(np.array([self.factor]), factor=2.0**n)

    def __str__(self) -> str:
        size = "" if self.factor == 1 else f"{self.factor:.6g} times "
        return f"{size}the sum of all 2**{self.num_parties} stabilizer elements of {len(self.edges)} edges"

    @property
    def graph(self) -> Graph:
        """The graph."""
        edges = tuple(sorted((min(i, j), max(i, j)) for i, j in self.edges.tolist()))
        return Graph(self.num_parties, tuple(dict.fromkeys(edges)))

    @property
    def num_terms(self) -> int:
        """Number of terms with a coefficient that is not 0; the constant counts as a term."""
        return 1 << self.num_parties if self.factor else 0

    @property
    def constant(self) -> float:
        """Coefficient of the identity."""
        return self.factor

    @property
    def weight(self) -> float:
        """Sum of the sizes of all coefficients but the constant's."""
        return abs(self.factor) * (2.0**self.num_parties - 1)

    def coefficients_of(self, rows: TermRows) -> NDArray[np.float64]:
        """Returns the coefficients of terms, shape ``(T,)``; 0 for those that the expression does not have.

        Args:
            rows: Shape ``(T, N)``: the setting of each party, -1 if it does not take part.
        """
        table = np.asarray(rows)
        # The generators of an element are told by its X and Y.
        found, signs = stabilizer_elements(self.graph, ((table == 0) | (table == 1)).astype(np.int64))
        return np.where(np.all(found == table, axis=1), signs * self.factor, 0.0)

    def draw_terms(self, num_draws: int, rng: np.random.Generator) -> TermRows:
        """Draws terms independently and uniformly; never the constant.

        Args:
            num_draws: Number of draws.
            rng: Source of randomness.

        Returns:
            The terms, shape ``(num_draws, N)``, int8.

        Raises:
            ScenarioError: If no term has a coefficient other than 0, the constant aside.
        """
        if not self.factor:
            raise ScenarioError.bad_argument("expression", expected="a factor other than 0", got="0")
        subsets = rng.integers(0, 2, size=(num_draws, self.num_parties), dtype=np.int8)
        while len(empty := np.flatnonzero(~subsets.any(axis=1))):
            subsets[empty] = rng.integers(0, 2, size=(len(empty), self.num_parties), dtype=np.int8)
        return stabilizer_elements(self.graph, subsets)[0]

    def _iterate_blocks(self) -> Iterator[tuple[TermRows, NDArray[np.float64]]]:
        graph, bits = self.graph, np.arange(self.num_parties)
        for start in range(0, self.num_terms, _BLOCK):
            numbers = np.arange(start, min(start + _BLOCK, self.num_terms))
            rows, signs = stabilizer_elements(graph, (numbers[:, None] >> bits) & 1)
            yield rows, signs * self.factor

    @property
    def closed_form(self) -> Fraction | None:
        """The local bound where the literature knows it for any size: for GHZ states; ``None`` elsewhere."""
        if self.factor < 0 or not _is_ghz(self.graph):
            return None
        return Fraction(self.factor) * _bound_of_ghz(self.num_parties)

    def with_fixed_z(self) -> SparseExpression:
        """What is left if all outcomes of Z are +1: an expression of those of X and Y, with the same local bound.

        Flipping all outcomes that anticommute with a generator changes the value of no element, and of the outcomes of
        Z it flips only one: so they may all be +1.

        Raises:
            ScenarioError: If there are more than about four million terms.
        """
        listed = self.to_sparse()
        rows = np.where(listed.rows == _Z, ABSENT, listed.rows).astype(np.int8)
        return SparseExpression.of_rows(self.scenario, rows, listed.coefficients)

    def __mul__(self, factor: float) -> Self:
        number = real_number(factor, "factor", ScenarioError)
        known = self.known_bounds.scaled(number) if self.known_bounds else None
        return type(self)(self.scenario, self.edges, number * self.factor, known)


def stabilizer_sum(graph: Any) -> MeasuredExpression:
    """The sum of all stabilizer elements of the graph state, as a Bell expression with the settings X, Y and Z.

    The graph state reaches ``2**N``, the number of elements; the literature divides by it. For most graphs of three
    and more connected vertices local models reach less, often exponentially less.

    Args:
        graph: A ``CouplingMap``, a ``rustworkx`` graph, a list of edges, or an adjacency matrix (NumPy array), of at
            most 1000 vertices.

    Returns:
        The expression, with its ``known_bounds``, and the settings. The local bound is known for stars and complete
        graphs of any size (GHZ states: ``2**(N - 1) + 2**(N // 2)``), and found by comparing strategies for up to 12
        parties, in about a second of one core for 12.

    Raises:
        ScenarioError: If the graph cannot be read or is too large.

    References:
        O. Guehne, G. Toth, P. Hyllus, H. J. Briegel, arXiv:quant-ph/0410059.

    Examples:
        >>> ring = stabilizer_sum([(0, 1), (1, 2), (2, 3), (3, 4), (4, 0)])
        >>> bounds = ring.expression.known_bounds
        >>> bounds.local, bounds.quantum
        (20, 32)
        >>> star = stabilizer_sum([(0, k) for k in range(1, 60)])
        >>> star.expression.known_bounds.local / 2**60
        0.5000000009313226
    """
    net = Graph.of(graph)
    n = net.num_vertices
    if n > _MAX_PARTIES:
        raise ScenarioError.bad_argument("graph", expected=f"at most {_MAX_PARTIES} vertices", got=f"{n}")
    source = "O. Guehne, G. Toth, P. Hyllus, H. J. Briegel, arXiv:quant-ph/0410059"
    local: int | None = None
    if _is_ghz(net):
        local = _bound_of_ghz(n)
    elif n <= _MAX_COMPARED:
        local = _largest_of_strategies(net)
        source += "; local: all strategies compared"
    known = KnownBounds(local=local, quantum=1 << n, no_signaling=1 << n, source=source)
    expression = StabilizerExpression(BellScenario([3] * n, 2), np.array(net.edges), 1.0, known)
    return MeasuredExpression(expression, (("X", "Y", "Z"),) * n)


def _bound_of_ghz(num_parties: int) -> int:
    """The local bound of the sum of all stabilizer elements of a GHZ state."""
    return (1 << (num_parties - 1)) + (1 << (num_parties // 2))


def _is_ghz(net: Graph) -> bool:
    """Whether the graph is a star or complete: such graph states are GHZ states up to rotations of single qubits."""
    n = net.num_vertices
    degrees = sorted(map(len, net.neighbors))
    return degrees == [1] * (n - 1) + [n - 1] or degrees == [n - 1] * n


def _largest_of_strategies(net: Graph) -> int:
    """The largest value of the sum over all deterministic strategies.

    The outcomes of all Z may be +1: flipping all outcomes that anticommute with a generator changes no element's value,
    and of the Z it flips only one. For given outcomes of X, the sum is the value of a polynomial in those of Y, each to
    the first power at most, at all signs at once: a Walsh-Hadamard transform.
    """
    n = net.num_vertices
    numbers = np.arange(1 << n)
    rows, signs = stabilizer_elements(net, (numbers[:, None] >> np.arange(n)) & 1)
    powers = 1 << np.arange(n)
    xs, ys = (rows == 0) @ powers, (rows == 1) @ powers
    best = 0
    step = max(1, (1 << 20) >> n)
    for start in range(0, 1 << n, step):
        outcomes = numbers[start : start + step]
        parities = np.bitwise_count(xs & outcomes[:, None]) % 2
        values = np.where(parities, -signs, signs).astype(np.int32)
        sums = np.zeros((len(outcomes), 1 << n), dtype=np.int32)
        # Several elements may have the same Y.
        for row, value in zip(sums, values, strict=True):
            row += np.bincount(ys, weights=value, minlength=1 << n).astype(np.int32)
        for k in range(n):
            halves = sums.reshape(len(outcomes), -1, 2, 1 << k)
            sums = np.stack([halves[:, :, 0] + halves[:, :, 1], halves[:, :, 0] - halves[:, :, 1]], axis=2)
        best = max(best, int(sums.max()))
    return best
