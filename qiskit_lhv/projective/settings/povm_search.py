"""Search for POVMs, and inequalities that they violate, for parties of any dimensions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..._support.types import ComplexArray
from ...measurements.random_effects import haar_unitaries, projectors_of_bases, rank_one_povms
from ...polytope.expressions.expression import BellExpression
from ...polytope.inequalities.bell_inequality import BellInequality
from .operator_search import OperatorSearch
from .optimized import OptimizedSettings
from .povm_ascent import ascend_povms, values_of_povms

__all__ = ["PovmSearch"]

# Steps never give an effect more rank, so a share of a random POVM lets projectors become anything.
_SHARE_OF_RANDOM = 0.02


@dataclass(frozen=True)
class PovmSearch(OperatorSearch):
    """The search for settings, with POVMs in place of Bloch vectors."""

    ascent = staticmethod(ascend_povms)

    outcomes: tuple[int, ...] = ()
    """Number of outcomes of each party's measurements."""

    def best_for(self, expression: BellExpression, num_starts: int) -> OptimizedSettings:
        """Returns POVMs at which the expression is violated at the lowest visibility, or has the largest value.

        Args:
            expression: An expression with as many outcomes as the search has.
            num_starts: Number of random starts.
        """
        scenario = expression.scenario
        sizes = scenario.num_settings
        # Outcomes that a setting does not have count as its last one.
        lifted = expression if scenario.has_equal_outcomes else BellExpression(scenario.filled(expression.coefficients))
        inequality = BellInequality.of(lifted)
        found, values = self.ascend(self.tensor, lifted.coefficients, list(self.starts(sizes, num_starts)))
        # The outcomes of a POVM need not be equally likely in white noise.
        slopes = values - values_of_povms(self.mixed_in.array, lifted.coefficients, found)
        bound = inequality.bound.value
        reached = tuple(
            1 - (value - bound) / slope if slope > 0 else math.inf
            for value, slope in zip(values.tolist(), slopes.tolist(), strict=True)
        )
        best = int(np.argmax(values))
        record = self.record([own[best] for own in found], inequality, reached)
        return record if self.noise is None else self.lower(record, inequality.expression.coefficients)

    def starts(self, sizes: tuple[int, ...], num_random: int) -> Iterator[list[Any]]:
        """Yields POVMs to start from: bases whose vectors are shared out among the outcomes, and Haar-random POVMs.

        Args:
            sizes: Number of settings of each party.
            num_random: Number of starts.

        Yields:
            Effects of each party, shape ``(m_k, d_k, D_k, D_k)``.
        """
        for i in range(num_random):
            yield self.random_start(sizes, i)

    def nothing(self, sizes: tuple[int, ...]) -> OptimizedSettings:
        """Returns the result if the polytope gave no inequality: the state is local for all settings tried."""
        zero = BellExpression(np.zeros((*sizes, *self.outcomes)))
        return self.record(self._random_povms(sizes, projective=False), BellInequality.of(zero))

    def random_start(self, sizes: Sequence[int], number: int) -> list[ComplexArray]:
        """Returns random POVMs of each party, nearly projective ones for even numbers."""
        return self._random_povms(sizes, projective=number % 2 == 0)

    def from_settings(self, settings: Sequence[Any]) -> list[ComplexArray]:
        """Returns settings mixed with a little of a random POVM, so that each effect can become anything."""
        return [self._unlocked(own) for own in settings]

    def _random_povms(self, sizes: Sequence[int], *, projective: bool) -> list[ComplexArray]:
        """Returns random POVMs of each party, or nearly projective ones with outcomes assigned at random."""
        povms = []
        for m, outcomes, dimension in zip(sizes, self.outcomes, self.tensor.dimensions, strict=True):
            if not projective:
                povms.append(self._haar(m, outcomes, dimension))
                continue
            projectors = projectors_of_bases(haar_unitaries(self.rng, m, dimension), (1,) * dimension)
            owners = np.stack([self.rng.permutation(max(outcomes, dimension))[:dimension] % outcomes for _ in range(m)])
            assigned = np.zeros((m, outcomes, dimension, dimension), dtype=complex)
            for j in range(dimension):
                assigned[np.arange(m), owners[:, j]] += projectors[:, j]
            povms.append(self._unlocked(assigned))
        return povms

    def _unlocked(self, effects: ComplexArray) -> ComplexArray:
        """Returns the effects mixed with a little of a random POVM, so that each can become anything."""
        m, outcomes, dimension = effects.shape[:3]
        return (1 - _SHARE_OF_RANDOM) * effects + _SHARE_OF_RANDOM * self._haar(m, outcomes, dimension)

    def _haar(self, count: int, outcomes: int, dimension: int) -> ComplexArray:
        """Returns Haar-random POVMs, whose effects are sums of projectors where the outcomes are few."""
        rank_one = rank_one_povms(self.rng, count, dimension, outcomes * dimension)
        return np.asarray(rank_one.reshape(count, outcomes, dimension, dimension, dimension).sum(axis=2))
