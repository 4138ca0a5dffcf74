"""Coordinates of the no-signaling space that make a search for local models as small as its data allow."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._support.types import FloatArray, IntArray
from ...models.deterministic import signs_of_strategies
from ...targets import coordinates
from ...targets.behaviors import Behavior
from ...targets.scenario import BellScenario
from .relabelings import Relabeling, Symmetry

__all__ = ["Reduction", "even_flips", "lower_orders_vanish", "only_full_correlators"]


_ZERO = 1e-12
# Cells of a scenario whose reductions are kept for the next call.
_MAX_REMEMBERED = 512
# Entries handled at once: few enough to stay in the cache.
_CHUNK_ENTRIES = 1 << 18


@dataclass(frozen=True)
class Reduction:
    """A vector of coordinates for behaviors that a group of relabelings leaves unchanged.

    The coordinates are computed from a tensor with one axis per party. It holds correlators if all parties have two
    outcomes, otherwise the Collins-Gisin table (without symmetry) or the table itself, with marginals. Each coordinate
    is the mean over an orbit of the tensor's cells, signs included. A strategy represents its average over the group.
    """

    symmetry: Symmetry
    """The group."""
    maps: tuple[FloatArray, ...]
    """For each party the matrix from its part of a table to its axis of the tensor."""
    cells: IntArray
    """Flat indices of the tensor's cells, sorted by orbit; the first orbit is the normalization."""
    signs: IntArray
    """Sign of each of these cells in its orbit."""
    starts: IntArray
    """Where each orbit starts in ``cells``."""

    @classmethod
    def fitting(cls, *behaviors: Behavior, symmetry: Symmetry | None = None) -> Reduction:
        """The smallest reduction that describes all the behaviors, which share one scenario.

        If they have only full correlators, they do not change when two parties flip all their outcomes. These flips
        are then added to the group.

        Args:
            behaviors: Behaviors of one scenario.
            symmetry: Group of relabelings that leave all behaviors unchanged; default: no symmetry is known.
        """
        scenario = behaviors[0].scenario
        symmetry = Symmetry.trivial(scenario) if symmetry is None else symmetry
        flips = scenario.num_parties > 1 and all(only_full_correlators(behavior) for behavior in behaviors)
        if not symmetry.num_generators and scenario.num_cells <= _MAX_REMEMBERED:
            return _of_scenario(scenario, flips)
        if flips:
            symmetry = Symmetry.grown_by([*even_flips(scenario), *symmetry.generators], scenario)
        return cls.of(symmetry)

    @classmethod
    def of(cls, symmetry: Symmetry) -> Reduction:
        """The reduction by a group."""
        scenario = symmetry.scenario
        if scenario.is_two_outcome:
            maps = coordinates.correlator_matrices(scenario)
        elif symmetry.num_generators:
            maps = []
            for mask in scenario.party_masks:
                real = mask.ravel().astype(np.float64)
                maps.append(np.vstack([real / len(mask), np.diag(real)]))
        else:
            maps = coordinates.collins_gisin_matrices(scenario)
            size = math.prod(len(matrix) for matrix in maps)
            return cls(symmetry, tuple(maps), np.arange(size), np.ones(size, dtype=np.int64), np.arange(size))
        return cls(symmetry, tuple(maps), *symmetry.orbits(correlators=scenario.is_two_outcome))

    @property
    def scenario(self) -> BellScenario:
        """The scenario."""
        return self.symmetry.scenario

    @cached_property
    def sizes(self) -> IntArray:
        """Number of cells of each orbit, shape ``(size,)``."""
        return np.diff(np.append(self.starts, len(self.cells)))

    @cached_property
    def _shape(self) -> tuple[int, ...]:
        return tuple(len(matrix) for matrix in self.maps)

    @cached_property
    def _index(self) -> tuple[IntArray, ...]:
        return np.unravel_index(self.cells, self._shape)

    def coordinates(self, behavior: Behavior) -> FloatArray:
        """Coordinates of a behavior, as an array with one axis."""
        axes = coordinates.to_party_axes(behavior.array, self.scenario)
        return self.of_tensor(coordinates.apply_per_party(axes, self.maps))

    def of_tensor(self, tensor: FloatArray) -> FloatArray:
        """Coordinates of a tensor, which are its means over the orbits."""
        return np.add.reduceat(tensor.ravel()[self.cells] * self.signs, self.starts) / self.sizes

    @cached_property
    def is_plain(self) -> bool:
        """Whether there is no symmetry, so that the coordinates are the tensor's cells, in order."""
        return len(self.starts) == len(self.cells) == math.prod(self._shape)

    def columns(self, strategies: IntArray) -> FloatArray:
        """Coordinates of deterministic strategies, shape ``(K, size)``: products of each party's own."""
        return self.products(self.factors(strategies))

    def factors(self, strategies: IntArray) -> list[NDArray[Any]]:
        """Each party's part of deterministic strategies, shapes ``(K, size of the axis)``."""
        parties: list[NDArray[Any]] = []
        start = 0
        for k, (m, d) in enumerate(zip(self.scenario.num_settings, self.scenario.max_outcomes, strict=True)):
            own = strategies[:, start : start + m]
            if self.scenario.is_two_outcome:
                parties.append(signs_of_strategies(own, np.int8))
            else:
                parties.append(np.eye(d)[own].reshape(len(own), m * d) @ self.maps[k].T)
            start += m
        return parties

    def products(self, parties: list[NDArray[Any]]) -> FloatArray:
        """Coordinates of products of one vector per party: shapes ``(K, size of the axis)`` to ``(K, size)``."""
        count = len(parties[0])
        integers = parties[0].dtype == np.int8
        plain = self.is_plain
        result = np.empty((count, len(self.starts)))
        chunk = max(1, _CHUNK_ENTRIES // len(self.cells))
        signs = self.signs.astype(np.int8)
        for begin in range(0, count, chunk):
            rows = slice(begin, begin + chunk)
            if plain:
                values = np.ones((len(result[rows]), 1), dtype=parties[0].dtype)
                for party in parties:
                    values = (values[:, :, None] * party[rows][:, None, :]).reshape(len(values), -1)
                result[rows] = values
                continue
            values = parties[0][rows][:, self._index[0]]
            for party, index in zip(parties[1:], self._index[1:], strict=True):
                values = values * party[rows][:, index]
            values = values * signs
            result[rows] = np.add.reduceat(values, self.starts, axis=1, dtype=np.int32 if integers else np.float64)
        return result if plain else result / self.sizes

    def tensor(self, prices: FloatArray) -> FloatArray:
        """The linear function with given coefficients on coordinates, as coefficients on the tensor's cells."""
        return self.spread(prices / self.sizes)

    def spread(self, point: FloatArray) -> FloatArray:
        """The tensor with given coordinates, whose cells in an orbit are equal except for their signs."""
        full = np.zeros(self._shape)
        full.flat[self.cells] = np.repeat(point, self.sizes) * self.signs
        return full

    def oracle_tensor(self, prices: FloatArray) -> FloatArray:
        """The same function in the form that :class:`Alternation` takes."""
        full = self.tensor(prices)
        if self.scenario.is_two_outcome:
            return full
        return coordinates.apply_per_party(full, [matrix.T for matrix in self.maps])

    def expression(self, prices: FloatArray) -> FloatArray:
        """The same function as coefficients on the table, shape ``(m_1, ..., m_N, d_1, ..., d_N)``."""
        transposed = [matrix.T for matrix in self.maps]
        return coordinates.from_party_axes(coordinates.apply_per_party(self.tensor(prices), transposed), self.scenario)

    def integer_expression(self, integers: FloatArray) -> FloatArray:
        """The expression with given whole coefficients on cells, one per orbit, without a common factor."""
        # Averages over settings make the coefficients multiples of 1 / prod(m): clear the denominator.
        table = np.rint(math.prod(self.scenario.num_settings) * self.expression(integers * self.sizes))
        return table / np.gcd.reduce(table.astype(np.int64), axis=None)

    def fine_integers(self, numbers: FloatArray) -> FloatArray:
        """Coefficients on cells scaled and rounded as finely as exact arithmetic on the whole table allows."""
        weight = np.abs(self.tensor(numbers * self.sizes))
        for matrix in self.maps:
            weight = np.tensordot(weight, np.abs(matrix).sum(axis=1), axes=(0, 0))
        total = math.prod(self.scenario.num_settings) * float(weight)
        return np.rint(numbers * 2.0 ** math.floor(50 - math.log2(total)))

    def distinct(self, strategies: IntArray) -> IntArray:
        """The strategies without those that have the same coordinates as an earlier one."""
        _, first = np.unique(np.round(self.columns(strategies), 12), axis=0, return_index=True)
        return strategies[np.sort(first)]


@lru_cache(maxsize=32)
def _of_scenario(scenario: BellScenario, flips: bool) -> Reduction:
    """The reduction without symmetry, possibly with even flips. It is kept: small problems take less time than it."""
    return Reduction.of(Symmetry.grown_by(even_flips(scenario) if flips else [], scenario))


def only_full_correlators(behavior: Behavior) -> bool:
    """Whether all parties have two outcomes and all correlators of some but not all parties vanish."""
    return behavior.scenario.is_two_outcome and lower_orders_vanish(behavior.to_correlators(), _ZERO)


def lower_orders_vanish(correlators: FloatArray, atol: float = 0.0) -> bool:
    """Whether correlators of some but not all parties, those with some index 0 but not all, are 0 within ``atol``."""
    rest = correlators.copy()
    rest[(slice(1, None),) * rest.ndim] = 0
    rest[(0,) * rest.ndim] = 0
    return bool(np.abs(rest).max() <= atol)


def even_flips(scenario: BellScenario) -> list[Relabeling]:
    """Relabelings that flip all outcomes of two neighboring parties (two outcomes each)."""
    result = []
    for k in range(scenario.num_parties - 1):
        names = [np.tile([1, 0] if j in (k, k + 1) else [0, 1], (m, 1)) for j, m in enumerate(scenario.num_settings)]
        result.append(Relabeling.of(scenario, outcomes=names))
    return result
