"""Approximate projections of many tables onto the no-signaling behaviors, by a few Newton steps on the constraints.

The likeliest no-signaling behavior q for cells ``c = w f`` has ``c / q = w + g``, with a table g whose sum with every
no-signaling behavior is 0. So g maximizes ``sum c log(w + g)``, and at every step ``1 + g / w`` has mean 1 for
all no-signaling behaviors: nothing needs to be exact for that.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..._support.types import FloatArray
from ...targets.scenario import BellScenario

__all__ = ["SignalingTables"]


_MAX_STEPS = 30
_MAX_INNER = 40
_INNER_ACCURACY = 1e-2
# Up to this many cells a matrix is faster than averages.
_FEW_CELLS = 100
# A step goes at most this part of the way to where an entry would vanish.
_REACH = 0.9
# Numbers of a table of a batch: the few tables that a step works on stay in the processor's cache.
_BATCH_ENTRIES = 1 << 14


@dataclass(frozen=True)
class SignalingTables:
    """The tables whose sum with every no-signaling behavior is 0, in a scenario.

    Batches of tables have shape ``(num_cells, B)``, each in the order of a flattened behavior.
    """

    scenario: BellScenario
    """The scenario, without padding."""

    def project(self, tables: FloatArray) -> FloatArray:
        """The orthogonal projection of each table."""
        if self.scenario.num_cells <= _FEW_CELLS:
            return np.asarray(self._matrix @ tables)
        return self._projected(tables)

    def _projected(self, tables: FloatArray) -> FloatArray:
        """The projection by averages.

        A table is orthogonal to these if, for each party, its sum over the party's outcomes is the same for all of the
        party's settings: averages over them are what is taken away.
        """
        n = self.scenario.num_parties
        rest = tables.reshape(*self.scenario.shape, -1)
        for k in range(n):
            sums = np.add.reduce(rest, axis=n + k, keepdims=True)
            average = np.add.reduce(sums, axis=k, keepdims=True) / self.scenario.num_settings[k]
            rest = rest - (sums - average) / self.scenario.max_outcomes[k]
        return tables - rest.reshape(tables.shape)

    @cached_property
    def _matrix(self) -> FloatArray:
        return self._projected(np.eye(self.scenario.num_cells))

    def maximize(self, cells: FloatArray, weights: FloatArray, tolerance: FloatArray) -> FloatArray:
        """Maximizes ``sum cells * log(weights + g)`` over these tables g, for every table of cells.

        Args:
            cells: Positive, shape ``(num_cells, B)``, each table summing to 1.
            weights: Positive weight of each cell's setting combination, shape ``(num_cells, B)``.
            tolerance: Distance to the maximum at which to stop, in nats, shape ``(B,)``.

        Returns:
            The tables g, shape of ``cells``, with ``weights + g`` positive; 0 where a step failed.
        """
        size = max(1, _BATCH_ENTRIES // len(cells))
        batches = [slice(first, first + size) for first in range(0, cells.shape[1], size)]
        parts = [self._maximized(cells[:, batch], weights[:, batch], tolerance[batch]) for batch in batches]
        return np.concatenate(parts, axis=1) if parts else np.zeros_like(cells)

    def _maximized(self, cells: FloatArray, weights: FloatArray, tolerance: FloatArray) -> FloatArray:
        found, weights_of_all = np.zeros_like(cells), weights
        active = np.arange(cells.shape[1])
        g = np.zeros_like(cells)
        for _ in range(_MAX_STEPS):
            inverse = 1 / (weights + g)
            slope = cells * inverse
            step, gain = self._newton_step(slope * inverse, slope)
            g = _moved(g, step, cells, weights)
            found[:, active] = g
            going = (gain > tolerance) & np.isfinite(gain)
            if not going.any():
                break
            if not going.all():
                active, g = active[going], g[:, going]
                cells, weights, tolerance = cells[:, going], weights[:, going], tolerance[going]
        # Steps over many orders of magnitude leave rounding errors that are not of these tables.
        found = self.project(found)
        found[:, ~(weights_of_all + found > 0).all(axis=0)] = 0
        return found

    def _newton_step(self, curvature: FloatArray, slope: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Solves ``P diag(curvature) P step = P slope`` by conjugate gradients; and half the gain it promises."""
        # Approximately the inverse: exactly so for a curvature without structure.
        scale = 1 / (curvature + 1e-9 * curvature.mean(axis=0))
        residual = self.project(slope)
        step = np.zeros_like(residual)
        preconditioned = self.project(scale * residual)
        direction = preconditioned
        product = np.sum(residual * preconditioned, axis=0)
        enough = _INNER_ACCURACY**2 * product
        for _ in range(_MAX_INNER):
            # A table that is solved takes nothing from the steps that others of its batch still make.
            solving = product > enough
            if not solving.any():
                break
            image = self.project(curvature * direction)
            bend = np.sum(direction * image, axis=0)
            length = np.divide(product, bend, out=np.zeros_like(product), where=solving & (bend > 0))
            step = step + length * direction
            residual = residual - length * image
            preconditioned = self.project(scale * residual)
            following = np.sum(residual * preconditioned, axis=0)
            share = np.divide(following, product, out=np.zeros_like(product), where=solving)
            direction = preconditioned + share * direction
            product = np.where(solving, following, product)
        return step, 0.5 * np.sum(step * slope, axis=0)


def _moved(g: FloatArray, step: FloatArray, cells: FloatArray, weights: FloatArray) -> FloatArray:
    """Moves every table along its step, as far as it stays positive and the sum of logarithms grows."""
    ratio = step / (weights + g)
    shrink = np.max(-ratio, axis=0)
    size = np.minimum(1.0, _REACH / np.maximum(shrink, _REACH))
    with np.errstate(invalid="ignore", divide="ignore"):
        for _ in range(12):
            # The change itself, without the cancellation of two values.
            worse = ~(np.sum(cells * np.log1p(size * ratio), axis=0) >= 0)
            if not worse.any():
                break
            size = np.where(worse, size / 4, size)
        size = np.where(worse, 0.0, size)
    return g + size * step
