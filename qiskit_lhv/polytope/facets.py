"""All facets of the local polytope of a small scenario, sorted into classes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._records import Record
from .._validation import frozen
from ..exceptions import ScenarioError, SolverError
from ..models.deterministic import enumerate_strategies
from ..targets import coordinates
from ..targets.scenario import BellScenario, check_scenario
from .coefficient_forms import table_matrices
from .inequalities import BellExpression, BellInequality
from .symmetry import Relabeling

__all__ = ["FacetList", "enumerate_facets"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_MAX_VERTICES = 100
_MAX_DIMENSION = 24
_MAX_VERTICES_BESIDE_CHSH = 512


@dataclass(frozen=True, eq=False, repr=False)
class FacetList(Record):
    """The facets of a local polytope: a no-signaling behavior is local if and only if it obeys them all."""

    scenario: BellScenario
    """The scenario."""
    coefficients: IntArray
    """Whole numbers, shape ``(F, m_1, ..., m_N, d_1, ..., d_N)``: one Bell expression a facet."""
    bounds: IntArray
    """Their local bounds, shape ``(F,)``."""
    classes: IntArray
    """The class of each facet, shape ``(F,)``; facets of a class are relabelings of each other. The largest class
    comes last."""

    def __post_init__(self) -> None:
        for name in ("coefficients", "bounds", "classes"):
            object.__setattr__(self, name, frozen(np.asarray(getattr(self, name), dtype=np.int64)))

    def __len__(self) -> int:
        return len(self.bounds)

    def __str__(self) -> str:
        sizes = ", ".join(map(str, self.class_sizes))
        return f"{len(self)} facets in {len(self.class_sizes)} classes of {sizes}: {self.scenario}"

    @property
    def class_sizes(self) -> tuple[int, ...]:
        """Number of facets of each class."""
        return tuple(np.bincount(self.classes).tolist())

    def expression(self, index: int) -> BellExpression:
        """The Bell expression of a facet; its local bound is ``bounds[index]``."""
        return BellExpression(self.coefficients[index].astype(np.float64), self.scenario)

    def representatives(self) -> list[BellInequality]:
        """One inequality of each class, its local bound computed again."""
        _, first = np.unique(self.classes, return_index=True)
        return [BellInequality.of(self.expression(int(index))) for index in first]


def enumerate_facets(scenario: BellScenario) -> FacetList:
    """Enumerates all facets of the local polytope of a small scenario.

    The double description method of the Parma Polyhedra Library (extra ``facets``) works in whole numbers, so the list
    is complete and exact. Classes are orbits under relabelings of parties, settings and outcomes.

    Args:
        scenario: A scenario that takes seconds: at most 24 dimensions of the no-signaling space and at most 100
            deterministic strategies (512 for two parties one of which has two settings of two outcomes). Two parties
            with three settings of two outcomes, or two of three, are the largest symmetric ones.

    Returns:
        The facets, positivity among them, with their bounds and classes.

    Raises:
        ScenarioError: If the scenario is too large.
        SolverError: If the library is missing.

    References:
        C. Sliwa, arXiv:quant-ph/0305190; D. Collins, N. Gisin, arXiv:quant-ph/0306129.
    """
    check_scenario(scenario)
    _check_size(scenario)
    strategies = enumerate_strategies(scenario)
    form = table_matrices(scenario, correlators=scenario.is_two_outcome)
    vertices = _vertices(strategies, scenario, form)
    normals, bounds = _hull(vertices[:, 1:])
    full = np.hstack([np.zeros((len(normals), 1), dtype=np.int64), normals])
    shape = [len(matrix) for matrix in form]
    maps = [matrix.T for matrix in form]
    tables = np.array(
        [
            coordinates.from_party_axes(coordinates.apply_per_party(row.reshape(shape), maps), scenario)
            for row in full.astype(np.float64)
        ]
    )
    tight = vertices[:, 1:] @ normals.T == bounds
    classes = _classes(tight, strategies, scenario)
    # Small classes first; the order within one is that of the numbers, so that it does not depend on the library.
    sizes = np.bincount(classes)
    order = np.lexsort((*full.T[::-1], classes, sizes[classes]))
    _, first, numbered = np.unique(classes[order], return_index=True, return_inverse=True)
    ranks = np.argsort(np.argsort(first))
    return FacetList(scenario, np.rint(tables[order]).astype(np.int64), bounds[order], ranks[numbered])


def _check_size(scenario: BellScenario) -> None:
    dimension = (
        math.prod(m * (d - 1) + 1 for m, d in zip(scenario.num_settings, scenario.num_outcomes, strict=True)) - 1
    )
    vertices = scenario.num_strategies
    chsh_like = scenario.num_parties == 2 and (2, 2) in zip(scenario.num_settings, scenario.num_outcomes, strict=True)
    most = _MAX_VERTICES_BESIDE_CHSH if chsh_like else _MAX_VERTICES
    if vertices <= most and dimension <= _MAX_DIMENSION:
        return
    raise ScenarioError.bad_argument(
        "scenario",
        expected=f"at most {most} deterministic strategies in at most {_MAX_DIMENSION} dimensions",
        got=f"{vertices} strategies in {dimension} dimensions for {scenario}",
        remedy="nonlocality_threshold(behavior) finds the facet that matters for one behavior.",
    )


def _vertices(strategies: IntArray, scenario: BellScenario, form: list[FloatArray]) -> IntArray:
    """Coordinates of the strategies, shape ``(V, size)``; the first is 1."""
    rows = np.ones((len(strategies), 1))
    start = 0
    for matrix, m, d in zip(form, scenario.num_settings, scenario.num_outcomes, strict=True):
        one_hot = np.eye(d)[strategies[:, start : start + m]].reshape(len(strategies), -1)
        rows = (rows[:, :, None] * (one_hot @ matrix.T)[:, None, :]).reshape(len(strategies), -1)
        start += m
    return np.rint(rows).astype(np.int64)


def _hull(points: IntArray) -> tuple[IntArray, IntArray]:
    """Facets ``normal . point <= bound`` of the convex hull of full-dimensional whole-number points."""
    try:
        import ppl
    except ImportError as exc:
        raise SolverError(
            f"enumerate_facets: it needs pplpy, but {exc.name} is not installed. "
            "Install the extra: pip install 'qiskit-lhv[facets]'."
        ) from exc
    generators: Any = ppl.Generator_System()
    for row in points.tolist():
        generators.insert(ppl.point(ppl.Linear_Expression(row, 0)))
    constraints = ppl.C_Polyhedron(generators).minimized_constraints()
    # The library writes a facet as coefficients . point + constant >= 0.
    normals = [[-int(value) for value in one.coefficients()] for one in constraints]
    bounds = [int(one.inhomogeneous_term()) for one in constraints]
    return np.array(normals, dtype=np.int64), np.array(bounds, dtype=np.int64)


def _classes(tight: NDArray[np.bool_], strategies: IntArray, scenario: BellScenario) -> IntArray:
    """Numbers of the orbits of facets; a facet is known by the strategies that reach its bound.

    Args:
        tight: Whether a strategy reaches a facet's bound, shape ``(V, F)``.
        strategies: The strategies, shape ``(V, m_1 + ... + m_N)``.
        scenario: The scenario.
    """
    number = {row.tobytes(): i for i, row in enumerate(strategies)}
    facets = np.ascontiguousarray(tight.T)
    found = {np.packbits(row).tobytes(): i for i, row in enumerate(facets)}
    parent = list(range(len(facets)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for relabeling in _generators(scenario):
        moved = np.array([number[row.tobytes()] for row in np.ascontiguousarray(relabeling.apply(strategies))])
        for i, row in enumerate(np.packbits(facets[:, moved], axis=1)):
            parent[root(i)] = root(found[row.tobytes()])
    return np.array([root(i) for i in range(len(facets))], dtype=np.int64)


def _generators(scenario: BellScenario) -> Iterator[Relabeling]:
    """Relabelings that generate all: exchanges of neighbors among outcomes, settings and equal parties."""
    sizes = list(zip(scenario.num_settings, scenario.num_outcomes, strict=True))
    for k, (m, d) in enumerate(sizes):
        for a in range(d - 1):
            outcomes = [np.tile(np.arange(e), (n, 1)) for n, e in sizes]
            outcomes[k][0, [a, a + 1]] = a + 1, a
            yield Relabeling.of(scenario, outcomes=outcomes)
        for x in range(m - 1):
            settings = [list(range(n)) for n, _ in sizes]
            settings[k][x], settings[k][x + 1] = x + 1, x
            yield Relabeling.of(scenario, settings=settings)
        for j in range(k):
            if sizes[j] == (m, d):
                parties = list(range(len(sizes)))
                parties[j], parties[k] = k, j
                yield Relabeling.of(scenario, parties=parties)
