"""Search for bases, and inequalities that they violate, for parties of any dimensions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..._support.types import ComplexArray, FloatArray
from ...measurements.random_effects import haar_unitaries
from ...polytope.expressions.expression import BellExpression
from ...polytope.inequalities.bell_inequality import BellInequality
from ...targets.behaviors import Behavior
from ...targets.state_tensors import density_matrix
from .basis_ascent import ascend_bases
from .operator_search import OperatorSearch
from .optimized import OptimizedSettings

__all__ = ["BasisSearch", "lifted_expressions"]

_DISTINCT = 1e-7
# Ends of an ascent from which the visibility in other noise is lowered.
_KEPT_IN_NOISE = 6
# Pairs of levels in which a CHSH inequality is a start.
_PAIRS_OF_LEVELS = 3
_WEIGHT_OF_LEVEL = 1e-9


class BasisSearch(OperatorSearch):
    """The search for settings, with bases in place of Bloch vectors."""

    ascent = staticmethod(ascend_bases)

    @property
    def dimensions(self) -> tuple[int, ...]:
        """Dimension of each party's space."""
        return self.tensor.dimensions

    def best_for(self, expression: BellExpression, num_starts: int) -> OptimizedSettings:
        """Returns bases at which the expression is violated at the lowest visibility, or has the largest value.

        Where a party has more levels than the expression has outcomes, several basis vectors count as one outcome.

        Args:
            expression: An expression with at most as many outcomes as each party has levels.
            num_starts: Number of random starts.
        """
        ends = []
        for lifted in lifted_expressions(expression, self.dimensions):
            inequality = BellInequality.of(lifted)
            sizes = lifted.scenario.num_settings
            found, values = self.ascend(self.tensor, lifted.coefficients, list(self.starts(sizes, num_starts)))
            # In white noise the largest value has the lowest visibility; in other noise it is improved from there.
            order = np.argsort(-values, kind="stable").tolist()
            kept = [
                i for i, j in itertools.pairwise([*order, order[-1]]) if i == j or values[i] - values[j] > _DISTINCT
            ]
            for i in kept[:1] if self.noise is None else kept[:_KEPT_IN_NOISE]:
                start = self.record([own[i] for own in found], inequality)
                ends.append(start if self.noise is None else self.lower(start, lifted.coefficients))
            if self.noise is None:
                white = lifted.value(Behavior.white_noise(lifted.scenario))
                slopes = (values - white).tolist()
                bound = inequality.bound.value
                reached = tuple((bound - white) / slope if slope > 0 else math.inf for slope in slopes)
                ends[-1] = replace(ends[-1], history=reached)
        lowest = min(ends, key=lambda end: end.visibility)
        return max(ends, key=lambda end: end.value) if math.isinf(lowest.visibility) else lowest

    def starts(self, sizes: tuple[int, ...], num_random: int) -> Iterator[list[Any]]:
        """Yields bases to start from: for states of equal weights, for entanglement of two levels, and random ones.

        Args:
            sizes: Number of settings of each party.
            num_random: Number of random starts.

        Yields:
            Bases of each party, shape ``(m_k, D_k, D_k)``.
        """
        yield from self.known(sizes)
        for i in range(num_random):
            yield self.random_start(sizes, i)

    def random_start(self, sizes: Sequence[int], number: int) -> list[ComplexArray]:
        """Returns Haar-random bases of each party, whatever the number of the start."""
        return [haar_unitaries(self.rng, m, d) for m, d in zip(sizes, self.dimensions, strict=True)]

    def known(self, sizes: Sequence[int]) -> list[list[ComplexArray]]:
        """Returns the bases of arXiv:quant-ph/0106024, and those of CHSH in pairs of levels, in the Schmidt basis."""
        frames, weights = self._frames()
        n = self.tensor.num_parties
        found = [[_fourier_bases(frames[k], sizes[k], len(weights), k, n) for k in range(n)]]
        if n == 2:
            levels = [j for j in range(len(weights)) if weights[j] > _WEIGHT_OF_LEVEL]
            pairs_of_levels = sorted(itertools.combinations(levels, 2), key=lambda p: -weights[p[0]] * weights[p[1]])
            for pair in pairs_of_levels[:_PAIRS_OF_LEVELS]:
                concurrence = 2 * math.sqrt(weights[pair[0]] * weights[pair[1]]) / (weights[pair[0]] + weights[pair[1]])
                tilt = math.atan(concurrence) / 2
                angles = ((0.0, math.pi / 4), (tilt, -tilt))
                found.append(
                    [self._in_pair(frame, pair, own, m) for frame, own, m in zip(frames, angles, sizes, strict=True)]
                )
        return found

    def nothing(self, sizes: tuple[int, ...]) -> OptimizedSettings:
        """Returns the result if the polytope gave no inequality: the state is local for all settings tried."""
        zero = BellExpression(np.zeros((*sizes, *self.dimensions)))
        return self.record(self.random_start(sizes, 0), BellInequality.of(zero))

    def _frames(self) -> tuple[list[ComplexArray], FloatArray]:
        """Returns a basis of each party in which the state's main part is simple, and the weights of the levels.

        For two parties this is the Schmidt basis of the eigenvector with the largest eigenvalue.
        """
        n, dimensions = self.tensor.num_parties, self.dimensions
        vector = np.linalg.eigh(density_matrix(self.tensor))[1][:, -1]
        # Party 0 is the least significant.
        amplitudes = vector.reshape(dimensions[::-1]).transpose(range(n)[::-1])
        if n == 2:
            left, singular, right = np.linalg.svd(amplitudes)
            return [left, right.T], singular**2
        frames = []
        for k in range(n):
            matrix = np.moveaxis(amplitudes, k, 0).reshape(dimensions[k], -1)
            frames.append(np.linalg.svd(matrix)[0])
        return frames, np.full(min(dimensions), 1 / min(dimensions))

    def _in_pair(
        self, frame: ComplexArray, pair: tuple[int, int], angles: tuple[float, float], count: int
    ) -> ComplexArray:
        """Returns two bases that differ only in two levels, and random ones up to the number that is asked for.

        Their first column is the outcome 0 in these levels; all other levels count as other outcomes.
        """
        others = [j for j in range(len(frame)) if j not in pair]
        bases = haar_unitaries(self.rng, count, len(frame))
        for x, angle in enumerate(angles):
            cosine, sine = math.cos(angle), math.sin(angle)
            first, second = frame[:, pair[0]], frame[:, pair[1]]
            rest = [frame[:, j] for j in others]
            bases[x] = np.stack([cosine * first + sine * second, cosine * second - sine * first, *rest], axis=1)
        return bases


def lifted_expressions(expression: BellExpression, dimensions: Sequence[int]) -> list[BellExpression]:
    """Returns an expression for as many outcomes as each party has levels, with outcomes that count as the same one.

    All levels beyond the outcomes count as the last one; where there are two outcomes or more that could be shared out
    evenly, this is a second expression.

    Args:
        expression: An expression with at most as many outcomes as levels.
        dimensions: Dimension of each party's space.
    """
    scenario = expression.scenario
    n = scenario.num_parties
    full = expression.coefficients if scenario.has_equal_outcomes else scenario.filled(expression.coefficients)
    found: list[FloatArray] = []
    for evenly in (False, True):
        lifted = full
        for k, dimension in enumerate(dimensions):
            outcomes = full.shape[n + k]
            levels = np.arange(dimension)
            owners = levels * outcomes // dimension if evenly else np.minimum(levels, outcomes - 1)
            lifted = np.take(lifted, owners, axis=n + k)
        if not any(np.array_equal(lifted, other) for other in found):
            found.append(lifted)
    return [BellExpression(lifted) for lifted in found]


def _fourier_bases(frame: ComplexArray, count: int, levels: int, party: int, num_parties: int) -> ComplexArray:
    """Returns bases of equal weights in the first levels, with phases that are evenly spread over the settings."""
    dimension = len(frame)
    sign = -1 if party == 1 and num_parties == 2 else 1
    j = np.arange(levels)
    bases = np.empty((count, dimension, dimension), dtype=complex)
    for x in range(count):
        shift = x / count
        if sign < 0:
            shift = 1 / (2 * count) - shift
        phases = np.exp(2j * np.pi * j[:, None] * (sign * j[None, :] + shift) / levels) / math.sqrt(levels)
        within = np.eye(dimension, dtype=complex)
        within[:levels, :levels] = phases
        bases[x] = frame @ within
    return bases
