"""Search for the best settings of an expression, or for those of the lowest visibility, using the polytope."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..._support.deadlines import Deadline
from ..._support.types import FloatArray
from ...exceptions import SolverError
from ...measurements.qubit_sets import QubitMeasurementSet
from ...polytope.expressions.expression import BellExpression
from ...polytope.expressions.families import chained, i3322
from ...polytope.inequalities.bell_inequality import BellInequality
from ...polytope.thresholds.visibility import nonlocality_threshold
from ...targets.behaviors import Behavior
from ...targets.correlations import CorrelationTensor
from ...targets.qubits import planar_tensor
from .ascent import ascend, ascend_all
from .correlator_criterion import wwzb_settings
from .horodecki import horodecki_settings
from .optimized import OptimizedSettings, behavior_of_settings, rounded_vectors
from .regular_sets import largest_solid, polygons

if TYPE_CHECKING:
    from .gradients import ViolationRatio

__all__ = ["MAX_VISIBILITY", "Search"]


_MAX_ROUNDS = 30
_MAX_RATIO_ROUNDS = 20
_STALLED = 1e-7
_SAME_RATIO = 1e-12
_SAME_VALUE = 1e-9
MAX_VISIBILITY = 100.0
"""Visibilities above this count as this one where a mixture is made."""
# Calls of the oracle for one set of settings without a time limit, if the polytope is too large for a linear program.
_MAX_CALLS = 60
# Starts of the ascent within one turn, the settings of the last turn among them.
_STARTS_PER_ROUND = 8
_STARTS_OF_FAMILY = 100
_REGULAR_STARTS = 2
_LEAST_SECONDS = 0.05


@dataclass(frozen=True)
class Search:
    """The problem and the options of a search for settings."""

    tensor: CorrelationTensor
    """Correlations of the state, of qubits."""
    noise: CorrelationTensor | None
    """Those of the noise; ``None``: white noise."""
    measurements: QubitMeasurementSet
    """Where settings are sought: all projective measurements, or those in a coordinate plane."""
    coplanar: bool
    """Whether each party's settings lie in one plane, whichever is best; needs gradients."""
    gradients: bool
    """Whether gradients are followed instead of the closed form of one party's best settings."""
    rng: np.random.Generator
    """Where random starts come from."""
    deadline: Deadline
    """When to stop."""

    @property
    def mixed_in(self) -> CorrelationTensor:
        """Returns the correlations of the noise, white or not."""
        return self.noise or CorrelationTensor.white_noise(self.tensor.dimensions)

    def late(self) -> bool:
        """Returns whether the time is over."""
        return self.deadline.over

    def best_for(self, expression: BellExpression, num_starts: int) -> OptimizedSettings:
        """Returns settings at which the expression is violated at the lowest visibility, or has the largest value.

        In white noise both are the same. In other noise the value decides if the inequality is never violated.
        """
        inequality = BellInequality.of(expression)
        coefficients, bound = expression.to_correlators(), inequality.bound.value
        if self.gradients:
            # The import loads JAX, so it is done only where it is needed.
            from .gradients import climb_all

            ratio = self._ratio(coefficients, bound)
            found, ratios = climb_all(ratio, num_starts, self.rng, deadline=self.deadline)
            reached = tuple(1 / inverse if inverse > 0 else math.inf for inverse in ratios.tolist())
            best = int(np.argmax(ratios))
            return self.record([party_vectors[best] for party_vectors in found], inequality, reached)
        found, values = ascend_all(
            self.tensor.array, coefficients, self.measurements, num_starts, self.rng, deadline=self.deadline
        )
        if self.noise is None:
            reference = float(coefficients.flat[0])
            slopes = (values - reference).tolist()
            reached = tuple((bound - reference) / slope if slope > 0 else math.inf for slope in slopes)
            best = int(np.argmax(values))
            return self.record([party_vectors[best] for party_vectors in found], inequality, reached)
        starts = [self.record([party_vectors[i] for party_vectors in found], inequality) for i in _distinct(values)]
        ends = [self.lower(start, coefficients) for start in starts]
        lowest = min(ends, key=lambda end: end.visibility)
        if math.isinf(lowest.visibility):
            lowest = max(ends, key=lambda end: end.value)
        return replace(lowest, history=tuple(end.visibility for end in ends))

    def alternate(self, vectors: Sequence[FloatArray]) -> OptimizedSettings | None:
        """Returns settings improved in turn with the inequality of the polytope, until the visibility stops falling.

        Args:
            vectors: Bloch vectors of each party to start from, shape ``(m_k, 3)``.

        Returns:
            The best settings found, or ``None`` if the polytope gave no inequality for the first settings.
        """
        best: OptimizedSettings | None = None
        for _ in range(_MAX_ROUNDS):
            found = self.at(vectors)
            if found is None:
                return best
            stalled = best is not None and found.visibility > best.visibility - _STALLED
            if best is None or found.visibility < best.visibility:
                best = found
            if stalled or self.late():
                return best
            vectors = self.improve(found)
        return best

    def starts(self, sizes: tuple[int, ...], num_random: int) -> Iterator[list[FloatArray]]:
        """Yields settings to start from: regular settings, those of known inequalities, and random settings.

        Args:
            sizes: Number of settings of each party.
            num_random: Number of random settings to start from.

        Yields:
            Bloch vectors of each party, shape ``(m_k, 3)``.
        """
        # Regular settings come first, since the polytope takes almost no time with their symmetries.
        yield from self._best_regular(sizes)
        for known in self.of_inequalities(sizes):
            filled = [self._filled(vectors, m) for vectors, m in zip(known, sizes, strict=True)]
            yield [_flattened(vectors) for vectors in filled] if self.coplanar else filled
        for _ in range(num_random):
            yield [self.random(m) for m in sizes]

    def random(self, count: int) -> FloatArray:
        """Returns random Bloch vectors that are allowed as settings of one party."""
        vectors = self.rng.normal(size=(count, 3)) * self.measurements.coordinates
        if self.coplanar:
            normal = self.rng.normal(size=3)
            vectors = vectors - np.outer(vectors @ normal, normal) / (normal @ normal)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))

    def nothing(self, sizes: tuple[int, ...]) -> OptimizedSettings:
        """Returns the result if the polytope gave no inequality: the state is local for all settings tried."""
        settings = tuple(rounded_vectors(self.random(m)) for m in sizes)
        zero = BellExpression(np.zeros((*sizes, *(2,) * len(sizes))))
        return OptimizedSettings(self.tensor, settings, BellInequality.of(zero), self.noise)

    def at(self, vectors: Sequence[FloatArray], share: float = 1.0) -> OptimizedSettings | None:
        """Returns the settings with the polytope's inequality that they violate at the lowest visibility, if any.

        Args:
            vectors: Bloch vectors of each party.
            share: Share of the remaining time that this may take.
        """
        settings = self.rounded(vectors)
        behavior = behavior_of_settings(self.tensor, settings)
        white = Behavior.white_noise(behavior.scenario)
        noise = white if self.noise is None else behavior_of_settings(self.noise, settings)
        if np.abs(behavior.array - noise.array).max() < 1e-9:
            return None
        left = self.deadline.part(share, least=_LEAST_SECONDS).left
        try:
            inequality = nonlocality_threshold(
                behavior,
                noise=noise,
                max_visibility=MAX_VISIBILITY,
                max_calls=_MAX_CALLS if left is None else None,
                time_limit=left,
                progress=False,
            ).inequality
        except SolverError:
            # The linear program failed for these settings, but the search can go on with others.
            return None
        return None if inequality is None else OptimizedSettings(self.tensor, settings, inequality, self.noise)

    def improve(self, found: OptimizedSettings) -> list[FloatArray]:
        """Returns better settings for the inequality, starting from the present ones and a few random ones."""
        coefficients = found.inequality.expression.to_correlators()
        if self.gradients:
            from .gradients import climb

            ratio = self._ratio(coefficients, found.inequality.bound.value)
            return climb(ratio, _STARTS_PER_ROUND, self.rng, given=found.settings, deadline=self.deadline)[0]
        # At the visibility reached, a larger value of the mixture means a lower visibility.
        mixed = found.mixed(min(found.visibility, MAX_VISIBILITY)).correlations
        return ascend(
            mixed.array,
            coefficients,
            self.measurements,
            _STARTS_PER_ROUND,
            self.rng,
            given=found.settings,
            deadline=self.deadline,
        )[0]

    def _ratio(self, coefficients: FloatArray, bound: float) -> ViolationRatio:
        """Returns the inverse of the visibility as a function of the settings, for the gradient search."""
        from .gradients import ViolationRatio

        return ViolationRatio(
            tensor=self.tensor.array,
            noise=self.mixed_in.array,
            coefficients=coefficients,
            bound=bound,
            measurements=self.measurements,
            coplanar=self.coplanar,
        )

    def lower(self, start: OptimizedSettings, coefficients: FloatArray) -> OptimizedSettings:
        """Lowers the visibility in noise: the mixture's value at the last visibility, maximized again and again.

        This is Dinkelbach's method for a ratio: a mixture that exceeds the bound allows a lower visibility.

        Args:
            start: Settings to start from.
            coefficients: Coefficients of their expression, as the ascent takes them.
        """
        best = start
        for _ in range(_MAX_RATIO_ROUNDS):
            if math.isinf(best.visibility) or self.late():
                break
            found = self.record(self.raised(best, coefficients), best.inequality, start.history)
            if found.visibility > best.visibility - _SAME_RATIO:
                break
            best = found
        return best

    def raised(self, found: OptimizedSettings, coefficients: FloatArray) -> list[Any]:
        """Returns settings with a larger value at the visibility of those given."""
        mixed = found.mixed(found.visibility).correlations
        return ascend(
            mixed.array, coefficients, self.measurements, 1, self.rng, given=found.settings, deadline=self.deadline
        )[0]

    def record(
        self, vectors: Sequence[Any], inequality: BellInequality, history: tuple[float, ...] = ()
    ) -> OptimizedSettings:
        """Returns settings with an inequality, rounded so that they can be checked exactly."""
        return OptimizedSettings(self.tensor, self.rounded(vectors), inequality, self.noise, history)

    def rounded(self, vectors: Sequence[Any]) -> tuple[Any, ...]:
        """Returns the settings of each party as binary fractions."""
        return tuple(rounded_vectors(party_vectors) for party_vectors in vectors)

    def _best_regular(self, sizes: tuple[int, ...]) -> list[list[FloatArray]]:
        """Returns the best of the equally spaced axes of a plane and the axes of regular solids, unimproved."""
        frames = [np.eye(3)] * len(sizes)
        # Of two settings, a turn by half a step is only a rotation.
        turns = 2 if max(sizes) > 2 else 1
        regular = [vectors for plane in polygons(sizes, frames, self.measurements) for vectors in plane[:turns]]
        if self.measurements.coordinates.all() and not self.coplanar and max(sizes) > 2:
            regular.append([self._filled(largest_solid(m), m) for m in sizes])
        visibilities = []
        for vectors in regular:
            if self.late():
                break
            found = self.at(vectors)
            visibilities.append(math.inf if found is None else found.visibility)
        best = np.argsort(visibilities, kind="stable")[:_REGULAR_STARTS]
        return [regular[i] for i in best.tolist()]

    def of_inequalities(self, sizes: tuple[int, ...]) -> Iterator[list[FloatArray]]:
        """Yields the best settings of inequalities that are known to be violated by many states."""
        seen = planar_tensor(self.tensor, self.measurements)
        if len(sizes) > 2:
            seed = int(self.rng.integers(1 << 31))
            yield list(wwzb_settings(seen, measurements=self.measurements, num_starts=4, seed=seed).settings)
            return
        yield list(horodecki_settings(seen).settings)
        for expression in (i3322(), chained(min(sizes))) if min(sizes) >= 3 else ():
            yield ascend(
                self.tensor.array,
                expression.to_correlators(),
                self.measurements,
                _STARTS_OF_FAMILY,
                self.rng,
                deadline=self.deadline,
            )[0]

    def _filled(self, vectors: FloatArray, count: int) -> FloatArray:
        """Returns the settings, with random ones added if there are too few."""
        return np.concatenate([vectors, self.random(count - len(vectors))]) if len(vectors) < count else vectors[:count]


def _flattened(vectors: FloatArray) -> FloatArray:
    """Returns the Bloch vectors turned into the plane that is nearest to them."""
    frame = np.linalg.svd(vectors)[2][:2]
    coordinates = vectors @ frame.T
    # A vector normal to the plane has no nearest direction in it, so any direction works.
    coordinates[np.linalg.norm(coordinates, axis=1) < 1e-6] = [1.0, 0.0]
    flat = coordinates @ frame
    return np.asarray(flat / np.linalg.norm(flat, axis=1, keepdims=True))


def _distinct(values: FloatArray) -> list[int]:
    """Returns the first start of each value that was reached, the largest value first."""
    kept: list[int] = []
    for i in np.argsort(-values, kind="stable").tolist():
        if not kept or values[kept[-1]] - values[i] > _SAME_VALUE:
            kept.append(i)
    return kept
