"""Coordinates of the no-signaling space in which a linear program is as small as its data allow."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..targets import coordinates
from ..targets.behaviors import Behavior
from ..targets.scenario import BellScenario

__all__ = ["Reduction"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_ZERO = 1e-12


@dataclass(frozen=True)
class Reduction:
    """A vector of coordinates for behaviors: correlators (two outcomes) or the Collins-Gisin table.

    If target and noise have only full correlators, they stay the same when an even number of parties
    flip all their outcomes. Then only the full correlators are kept, and a strategy stands for the
    average over these flips.
    """

    scenario: BellScenario
    """The scenario."""
    maps: tuple[FloatArray, ...]
    """For each party the matrix from its part of a table to its coordinates."""
    kept: IntArray
    """Flat indices of the coordinates that are kept; the first is the normalization."""
    full_correlators_only: bool
    """Whether all but full correlators vanish."""

    @classmethod
    def fitting(cls, *behaviors: Behavior) -> Reduction:
        """The smallest reduction that describes all the behaviors, which share one scenario."""
        scenario = behaviors[0].scenario
        if not scenario.is_two_outcome:
            maps = coordinates.collins_gisin_matrices(scenario)
            return cls(scenario, tuple(maps), np.arange(math.prod(len(matrix) for matrix in maps)), False)
        maps = coordinates.correlator_matrices(scenario)
        shape = tuple(len(matrix) for matrix in maps)
        everything = cls(scenario, tuple(maps), np.arange(math.prod(shape)), False)
        full = np.zeros(shape, dtype=bool)
        full[(slice(1, None),) * len(shape)] = True
        full[(0,) * len(shape)] = True
        partial = ~full.ravel()
        if scenario.num_parties == 1 or any(
            np.abs(everything.coordinates(one)[partial]).max() > _ZERO for one in behaviors
        ):
            return everything
        return cls(scenario, tuple(maps), np.flatnonzero(full), True)

    def coordinates(self, behavior: Behavior) -> FloatArray:
        """Coordinates of a behavior, one axis."""
        axes = coordinates.to_party_axes(behavior.array, self.scenario)
        return coordinates.apply_per_party(axes, self.maps).ravel()[self.kept]

    def columns(self, strategies: IntArray) -> FloatArray:
        """Coordinates of deterministic strategies, shape ``(K, size)``: products of each party's own."""
        columns = np.ones((len(strategies), 1))
        start = 0
        sizes = zip(self.scenario.num_settings, self.scenario.num_outcomes, strict=True)
        for (m, d), matrix in zip(sizes, self.maps, strict=True):
            one_hot = np.eye(d)[strategies[:, start : start + m]].reshape(len(strategies), -1)
            party = one_hot @ matrix.T
            columns = (columns[:, :, None] * party[:, None, :]).reshape(len(strategies), -1)
            start += m
        return columns[:, self.kept]

    def expression(self, prices: FloatArray) -> FloatArray:
        """Coefficients on the table of the linear function with given coefficients on coordinates."""
        full = np.zeros([len(matrix) for matrix in self.maps])
        full.flat[self.kept] = prices
        transposed = [matrix.T for matrix in self.maps]
        return coordinates.from_party_axes(coordinates.apply_per_party(full, transposed), self.scenario)

    def integer_expression(self, integers: FloatArray) -> FloatArray:
        """Like :meth:`expression` for integers, scaled to integers without a common factor."""
        # Averages over settings make the coefficients multiples of 1 / prod(m): clear the denominator.
        table = np.rint(math.prod(self.scenario.num_settings) * self.expression(integers))
        return table / np.gcd.reduce(table.astype(np.int64), axis=None)

    def fine_integers(self, numbers: FloatArray) -> FloatArray:
        """The numbers scaled and rounded as finely as exact arithmetic on the whole table allows."""
        weight = np.zeros([len(matrix) for matrix in self.maps])
        weight.flat[self.kept] = np.abs(numbers)
        for matrix in self.maps:
            weight = np.tensordot(weight, np.abs(matrix).sum(axis=1), axes=(0, 0))
        total = math.prod(self.scenario.num_settings) * float(weight)
        return np.rint(numbers * 2.0 ** math.floor(50 - math.log2(total)))

    def representatives(self, strategies: IntArray) -> IntArray:
        """The strategies without those that have the same coordinates."""
        if self.full_correlators_only:
            strategies = strategies.copy()
            last = sum(self.scenario.num_settings[:-1])
            start = 0
            for m in self.scenario.num_settings[:-1]:
                flip = strategies[:, start : start + 1].copy()
                strategies[:, start : start + m] ^= flip
                strategies[:, last:] ^= flip
                start += m
        return np.unique(strategies, axis=0)

    def lift(self, weights: FloatArray, strategies: IntArray) -> tuple[FloatArray, IntArray]:
        """Weights and strategies of the full model that a mixture of representatives stands for."""
        used = weights > 0
        weights, strategies = weights[used], strategies[used]
        if not self.full_correlators_only:
            return weights, strategies
        n = self.scenario.num_parties
        flips = [f for f in itertools.product((0, 1), repeat=n) if sum(f) % 2 == 0]
        masks = [np.repeat(flip, self.scenario.num_settings) for flip in flips]
        return np.tile(weights / len(flips), len(flips)), np.concatenate([strategies ^ mask for mask in masks])
