"""All facets of the local polytope of a small scenario, sorted into classes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._support.types import FloatArray, IntArray
from ..._support.validation import whole_array
from ...exceptions import ScenarioError, SolverError
from ...models.deterministic import enumerate_strategies, strategy_tables
from ...targets import coordinates
from ...targets.scenario import BellScenario, check_scenario
from ...verification.evidence import Evidence
from ...verification.result import Verification
from ..expressions.expression import BellExpression
from ..expressions.normal_forms import table_matrices
from ..symmetry.relabelings import Relabeling
from .bell_inequality import BellInequality

__all__ = ["FacetList", "enumerate_facets"]


_MAX_VERTICES = 100
# A prime so small that products of two remainders fit into 64 bits.
_PRIME = 2**31 - 1
_MAX_DIMENSION = 24
_MAX_VERTICES_BESIDE_CHSH = 512


@dataclass(frozen=True, eq=False, repr=False)
class FacetList(Evidence):
    """The facets of a local polytope: a no-signaling behavior is local if and only if it obeys them all.

    References:
        C. Sliwa, Phys. Lett. A 317, 165 (2003), arXiv:quant-ph/0305190; D. Collins, N. Gisin, J. Phys. A 37, 1775
        (2004), arXiv:quant-ph/0306129.

    Examples:
        >>> from qiskit_lhv import BellScenario
        >>> from qiskit_lhv.polytope import enumerate_facets
        >>> facets = enumerate_facets(BellScenario((2, 2), (2, 2)))
        >>> print(facets)
        24 facets in 2 classes of 8, 16: 2 parties with 2 settings of 2 outcomes each
        >>> facets.class_sizes  # CHSH, and positivity of probabilities
        (8, 16)
        >>> for inequality in facets.representatives():
        ...     print(inequality)
        - <A0 B0> - <A0 B1> - <A1 B0> + <A1 B1> <= 2
        - <B0> - <A0> - <A0 B0> <= 1
    """

    scenario: BellScenario
    """The scenario."""
    coefficients: IntArray
    """Integer coefficients, shape ``(F, m_1, ..., m_N, d_1, ..., d_N)``: one Bell expression per facet."""
    bounds: IntArray
    """The local bound of each facet, shape ``(F,)``."""
    classes: IntArray
    """The class of each facet, shape ``(F,)``. Facets of the same class are relabelings of each other. The largest
    class comes last."""

    def __post_init__(self) -> None:
        for name in ("coefficients", "bounds", "classes"):
            object.__setattr__(self, name, whole_array(getattr(self, name), name, ScenarioError))

    def __len__(self) -> int:
        return len(self.bounds)

    def __str__(self) -> str:
        sizes = ", ".join(map(str, self.class_sizes))
        return f"{len(self)} facets in {len(self.class_sizes)} classes of {sizes}: {self.scenario}"

    @property
    def class_sizes(self) -> tuple[int, ...]:
        """Number of facets in each class."""
        return tuple(np.bincount(self.classes).tolist())

    def expression(self, index: int) -> BellExpression:
        """Returns the Bell expression of a facet. Its local bound is ``bounds[index]``.

        Args:
            index: Number of the facet, from 0.
        """
        return BellExpression(self.coefficients[index].astype(np.float64), self.scenario)

    def verify(self) -> Verification:
        """Re-checks the list against all deterministic strategies, in integer arithmetic.

        1. Each bound is the largest value that a strategy reaches. The strategies that reach it span a facet: among
           them are as many independent ones as the polytope has dimensions.
        2. No facet is listed twice, and each relabeling of a facet belongs to the class of that facet.
        3. The list is complete: a second enumeration finds no other facets. This needs the extra ``facets``; without
           it, the list is not re-proven.
        """
        count = len(self.bounds)
        if self.coefficients.shape != (count, *self.scenario.shape) or self.classes.shape != (count,):
            return Verification(False, "coefficients, bounds and classes do not fit the scenario", math.inf)
        if np.any(self.coefficients[:, ~self.scenario.mask]):
            return Verification(False, "there are coefficients of outcomes that a setting does not have", math.inf)
        _check_size(self.scenario)
        flat = self.coefficients.reshape(count, -1)
        if not count or int(np.abs(flat).astype(object).sum(axis=1).max()) >= 2**62:
            return Verification(False, "there are no facets, or coefficients too large for one", math.inf)
        strategies = enumerate_strategies(self.scenario)
        values = strategy_tables(strategies, self.scenario).astype(np.int64) @ flat.T
        wrong = np.flatnonzero(values.max(axis=0) != self.bounds)
        if len(wrong):
            reason = f"the local bound of facet {wrong[0]} is {values.max(axis=0)[wrong[0]]}"
            return Verification(False, f"{reason}, not {self.bounds[wrong[0]]}", math.inf)
        tight = values == self.bounds
        form = table_matrices(self.scenario, correlators=self.scenario.is_two_outcome)
        vertices = _vertices(strategies, self.scenario, form)
        for index, reaching in enumerate(tight.T):
            if _rank(vertices[reaching]) < vertices.shape[1] - 1:
                return Verification(False, f"too few strategies reach the bound of {index} for a facet", math.inf)
        if len(np.unique(tight, axis=1).T) != count:
            return Verification(False, "a facet is there twice", math.inf)
        try:
            classes = _classes(tight, strategies, self.scenario)
        except KeyError:
            return Verification(False, "a relabeling of a facet is missing", math.inf)
        pairs = set(zip(classes.tolist(), self.classes.tolist(), strict=True))
        if not len(pairs) == len(set(classes.tolist())) == len(set(self.classes.tolist())):
            return Verification(False, "the classes are not those of the relabelings", math.inf)
        sizes = np.bincount(self.classes)
        if np.any(sizes == 0) or np.any(np.diff(sizes) < 0):
            return Verification(False, "the classes are not numbered by their sizes", math.inf)
        reason = f"{count} facets, each with the bound that {tight.sum(axis=0).min()} strategies or more reach"
        normals, bounds = _hull(vertices[:, 1:])
        others = vertices[:, 1:].astype(object) @ normals.T.astype(object) == bounds
        if {row.tobytes() for row in others.T.astype(bool)} != {row.tobytes() for row in tight.T}:
            return Verification(False, "there are other facets", math.inf)
        return Verification(True, f"{reason}; there are no others")

    def representatives(self) -> list[BellInequality]:
        """Returns one inequality of each class, with its local bound computed again."""
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
        All facets, including the positivity of probabilities, with their bounds and classes.

    Raises:
        ScenarioError: If the scenario is too large.
        SolverError: If the library is missing.

    References:
        C. Sliwa, Phys. Lett. A 317, 165 (2003), arXiv:quant-ph/0305190; D. Collins, N. Gisin, J. Phys. A 37, 1775
        (2004), arXiv:quant-ph/0306129.

    Examples:
        >>> from qiskit_lhv import BellScenario
        >>> facets = enumerate_facets(BellScenario((2, 2), (2, 2)))
        >>> print(facets)
        24 facets in 2 classes of 8, 16: 2 parties with 2 settings of 2 outcomes each
        >>> facets.class_sizes  # CHSH, and positivity of probabilities
        (8, 16)
        >>> len(facets), facets.bounds.tolist()[:8]
        (24, [2, 2, 2, 2, 2, 2, 2, 2])
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
    # Small classes come first. Within a class, facets are sorted by their coefficients, whatever the library's order.
    sizes = np.bincount(classes)
    order = np.lexsort((*full.T[::-1], classes, sizes[classes]))
    _, first, numbered = np.unique(classes[order], return_index=True, return_inverse=True)
    ranks = np.argsort(np.argsort(first))
    return FacetList(scenario, np.rint(tables[order]).astype(np.int64), bounds[order], ranks[numbered])


def _check_size(scenario: BellScenario) -> None:
    dimension = scenario.num_no_signaling_parameters
    vertices = scenario.num_strategies
    chsh_like = scenario.num_parties == 2 and (2, 2) in scenario.num_outcomes
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
    """Returns the coordinates of the strategies, shape ``(V, size)``; the first coordinate is 1."""
    rows = np.ones((len(strategies), 1))
    start = 0
    for matrix, m, d in zip(form, scenario.num_settings, scenario.max_outcomes, strict=True):
        one_hot = np.eye(d)[strategies[:, start : start + m]].reshape(len(strategies), -1)
        rows = (rows[:, :, None] * (one_hot @ matrix.T)[:, None, :]).reshape(len(strategies), -1)
        start += m
    return np.rint(rows).astype(np.int64)


def _hull(points: IntArray) -> tuple[IntArray, IntArray]:
    """Returns normals and bounds of the facets ``normal . point <= bound`` of the hull of integer points."""
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
    normals = [[-int(value) for value in constraint.coefficients()] for constraint in constraints]
    bounds = [int(constraint.inhomogeneous_term()) for constraint in constraints]
    return np.array(normals, dtype=np.int64), np.array(bounds, dtype=np.int64)


def _rank(rows: IntArray) -> int:
    """Returns a lower bound on the rank of an integer matrix: its rank modulo a prime."""
    rows = rows % _PRIME
    rank = 0
    for column in range(rows.shape[1]):
        candidates = np.flatnonzero(rows[rank:, column])
        if not len(candidates):
            continue
        pivot = rank + candidates[0]
        rows[[rank, pivot]] = rows[[pivot, rank]]
        rows[rank] = rows[rank] * pow(int(rows[rank, column]), -1, _PRIME) % _PRIME
        others = rows[rank + 1 :]
        others -= others[:, column : column + 1] * rows[rank] % _PRIME
        others %= _PRIME
        rank += 1
        if rank == len(rows):
            break
    return rank


def _classes(tight: NDArray[np.bool_], strategies: IntArray, scenario: BellScenario) -> IntArray:
    """Returns the orbit number of each facet. A facet is identified by the strategies that reach its bound.

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
    """Yields generators of all relabelings: exchanges of neighboring outcomes, settings and equal parties."""
    sizes = list(zip(scenario.num_settings, scenario.max_outcomes, strict=True))
    for k, party in enumerate(scenario.num_outcomes):
        # One setting per number of outcomes is enough: exchanges of settings carry its relabelings to the others.
        places = {d: [x for x, own in enumerate(party) if own == d] for d in party}
        for d, alike in places.items():
            for a in range(d - 1):
                outcomes = [np.tile(np.arange(e), (n, 1)) for n, e in sizes]
                outcomes[k][alike[0], [a, a + 1]] = a + 1, a
                yield Relabeling.of(scenario, outcomes=outcomes)
            for x, y in itertools.pairwise(alike):
                settings = [list(range(n)) for n, _ in sizes]
                settings[k][x], settings[k][y] = y, x
                yield Relabeling.of(scenario, settings=settings)
        for j in range(k):
            if sorted(scenario.num_outcomes[j]) == sorted(party):
                parties = list(range(len(sizes)))
                parties[j], parties[k] = k, j
                settings = [list(range(n)) for n, _ in sizes]
                # Each setting takes the place of a setting with the same number of outcomes.
                for here, there in ((j, k), (k, j)):
                    order = np.argsort(scenario.num_outcomes[there], kind="stable")
                    settings[here] = order[np.argsort(np.argsort(scenario.num_outcomes[here], kind="stable"))].tolist()
                yield Relabeling.of(scenario, parties=parties, settings=settings)
