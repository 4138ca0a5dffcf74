"""Prediction-based ratios of many sets of data at once: factors from the past, and bounds of their means."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..exceptions import CountsError
from ..models.deterministic import enumerate_strategies
from ..polytope.bounds import local_bound
from ..polytope.inequalities import BellExpression
from ..targets.behaviors import Behavior
from ..targets.coordinates import cells_from_collins_gisin
from ..targets.projections import project_cells
from ..targets.scenario import BellScenario
from .likelihood import MAX_LISTED, fit_local_model
from .mixtures import MixtureProblem
from .predictability import mean_forms

__all__ = ["NULLS", "RatioEngine"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

NULLS = ("local", "no-signaling")

_PSEUDO_COUNT = 0.5
_FIT_TOLERANCE = 1e-8
_PROJECTION_TOLERANCE = 1e-10
_LEAST_PROBABILITY = 1e-12
_LEAST_WEIGHT = 1e-6
# A sum of at most 2**12 products of positive floats is exact within a relative error of 2**-40.
_ROUNDING = 2.0**-40
_BITS = 50


class RatioEngine:
    """Factors ``R = f / q`` and bounds of their means over the local or the no-signaling behaviors.

    Args:
        scenario: The scenario.
        null: ``"local"`` or ``"no-signaling"``: the set of behaviors that is tested.
        predictability: Of random settings.

    Raises:
        CountsError: If the set is unknown, or settings can be predicted and the set is that of no-signaling behaviors.
    """

    def __init__(self, scenario: BellScenario, null: str = "local", predictability: float = 0.0) -> None:
        if null not in NULLS:
            raise CountsError.bad_argument("null", expected="'local' or 'no-signaling'", got=repr(null))
        if null == "no-signaling" and predictability > 0:
            raise CountsError.bad_argument(
                "predictability", expected="0 for a test of no-signaling", got=f"{predictability:g}"
            )
        self._scenario = scenario
        self._null = null
        self._predictability = predictability
        self._mixtures = None
        if null == "local" and scenario.num_strategies <= MAX_LISTED:
            self._mixtures = MixtureProblem.of(enumerate_strategies(scenario), scenario)

    def run(self, tables: IntArray, weights: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray | None]:
        """Factors and bounds of all stages of several sets of data.

        Args:
            tables: Counts, shape ``(R, K, m_1, ..., m_N, d_1, ..., d_N)``: R sets of data in K stages.
            weights: Weights of the setting combinations in each stage, shape ``(R, K, m_1, ..., m_N)``.

        Returns:
            Factors, shape of ``tables``; bounds of their weighted means, shape ``(R, K)``; for ``"no-signaling"`` the
            multipliers that prove them, shape of ``tables``.
        """
        scenario = self._scenario
        sets, stages = tables.shape[:2]
        combinations = scenario.num_setting_combinations
        flat = tables.reshape(sets, stages, combinations, -1)
        shares = weights.reshape(sets, stages, combinations)
        factors = np.ones((sets, stages, scenario.num_cells))
        multipliers = np.zeros_like(factors)
        if stages > 1:
            # What a stage knows are the shots before it, so all stages are computed at once.
            past = np.cumsum(flat, axis=1)[:, :-1].reshape(-1, *flat.shape[2:])
            found = self.factors(past, shares[:, 1:].reshape(-1, combinations))
            factors[:, 1:], multipliers[:, 1:] = (part.reshape(sets, stages - 1, -1) for part in found)
        rows, weights_of_rows = factors.reshape(sets * stages, -1), shares.reshape(sets * stages, -1)
        if self._null == "local":
            bounds = self._local_bounds(rows, weights_of_rows).reshape(sets, stages)
            return factors.reshape(tables.shape), bounds, None
        bounds = self._no_signaling_bounds(rows, weights_of_rows, multipliers.reshape(sets * stages, -1))
        return factors.reshape(tables.shape), bounds.reshape(sets, stages), multipliers.reshape(tables.shape)

    def factors(self, counts: IntArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The factors that are best if the shots so far tell the truth.

        Args:
            counts: Shots so far, shape ``(R, X, A)``: setting combinations, outcomes.
            weights: Weights of the setting combinations in the next stage, shape ``(R, X)``.

        Returns:
            Positive numbers, shape ``(R, X * A)``, and the multipliers of the projection onto the no-signaling
            behaviors, of the same shape.
        """
        # The added fractions of a shot keep every ratio finite and positive.
        smoothed = counts + _PSEUDO_COUNT
        f = smoothed / smoothed.sum(axis=2, keepdims=True)
        positive = np.maximum(weights, _LEAST_WEIGHT)[:, :, None]
        positive = positive / positive.sum(axis=1, keepdims=True)
        flat = f.reshape(len(f), -1)
        projected, multipliers = project_cells(
            (f * positive).reshape(flat.shape), self._scenario, _PROJECTION_TOLERANCE
        )
        if self._null == "no-signaling":
            return flat / projected, multipliers
        cells = (projected.reshape(f.shape) * positive).reshape(flat.shape)
        if self._mixtures is not None:
            q = self._mixtures.fit(cells, _FIT_TOLERANCE)[0] @ self._mixtures.tables
        else:
            q = np.stack([self._generated_fit(p, w) for p, w in zip(projected, positive, strict=True)])
        return np.maximum(projected, _LEAST_PROBABILITY) / np.maximum(q, _LEAST_PROBABILITY), multipliers

    def _generated_fit(self, table: FloatArray, weights: FloatArray) -> FloatArray:
        behavior = Behavior(table.reshape(self._scenario.shape))
        fit = fit_local_model(behavior, weights.reshape(self._scenario.num_settings), tolerance=_FIT_TOLERANCE)
        return fit.model.behavior().array.ravel()

    def _local_bounds(self, factors: FloatArray, weights: FloatArray) -> FloatArray:
        """Upper bounds of ``sum_x w_x R(a_strategy(x), x)`` over all strategies, shape ``(R,)``."""
        outcomes = factors.shape[1] // weights.shape[1]
        if self._predictability == 0:
            return self._largest_sums(np.repeat(weights, outcomes, axis=1) * factors) * (1 + _ROUNDING)
        found = np.full(len(factors), np.inf)
        largest = factors.max(axis=1)
        forms = [mean_forms(row.reshape(self._scenario.num_settings), self._predictability) for row in weights]
        for parts in zip(*forms, strict=True):
            # The form bounds means of numbers from 0 to 1, so it is applied to R / max R.
            shares = np.array([share for share, _ in parts])
            limits = np.stack([limit.ravel() for _, limit in parts])
            bounds = largest * shares + self._largest_sums(np.repeat(limits, outcomes, axis=1) * factors)
            found = np.minimum(found, bounds * (1 + _ROUNDING))
        return found

    def _largest_sums(self, coefficients: FloatArray) -> FloatArray:
        """The largest sum of coefficients that a strategy collects, up to rounding, shape ``(R,)``."""
        if self._mixtures is not None:
            return (coefficients @ self._mixtures.tables.T).max(axis=1)
        found = []
        for row in coefficients:
            scale = 2.0 ** (_BITS - math.ceil(math.log2(float(row.sum()) + 1)))
            rounded = (np.ceil(row * scale) + 1) / scale
            found.append(local_bound(BellExpression(rounded.reshape(self._scenario.shape))).value)
        return np.array(found)

    def _no_signaling_bounds(self, factors: FloatArray, weights: FloatArray, multipliers: FloatArray) -> FloatArray:
        """Upper bounds of ``sum w_x R p`` over no-signaling p, shape ``(R,)``.

        Expression plus multipliers is nearly constant on them. What is left are multiples of probabilities, which
        are at most 1.
        """
        coefficients = np.repeat(weights, factors.shape[1] // weights.shape[1], axis=1) * factors
        dual = (coefficients + multipliers) @ cells_from_collins_gisin(self._scenario)
        return (dual[:, 0] + np.maximum(dual[:, 1:], 0).sum(axis=1)) * (1 + _ROUNDING)
