"""Prediction-based ratios of many sets of data at once: factors from earlier shots, and bounds of their means."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._support.deadlines import NO_LIMIT, Deadline
from ..._support.types import FloatArray, IntArray
from ...exceptions import CountsError
from ...polytope.bounds.local_bounds import enumeration_size
from ...targets.padding import padding_of
from ...targets.scenario import BellScenario
from ..assumptions.predictability import mean_forms
from ..fits.approximate_projections import SignalingTables
from ..fits.generated_fits import GeneratedFits, exact_largest_sum
from ..fits.response_fits import fit_responses
from ..fits.response_maps import ResponseMaps

__all__ = ["NULLS", "RatioEngine", "takes_long"]


NULLS = ("local", "no-signaling")

# Added to every cell; less where there are so many outcomes that it would drown what was seen.
_PSEUDO_COUNT, _PSEUDO_PER_ROOT = 0.5, 4.0
# A fit ends when its gap costs less than this share of its divergence, or this much in shots still to come: those are
# taken as some times the past ones, since a factor must not depend on when trials will be stopped.
_GAP_SHARE = 0.002
_GAP_OF_ALL_SHOTS = 0.005
_SHOTS_TO_COME = 4.0
_LEAST_FACTOR = 2.0**-24
_LEAST_WEIGHT = 1e-6
# Factors are whole multiples of this, so that exact arithmetic with them is quick.
_FACTOR_UNIT = 2.0**-32
# Responses of a scenario that fit in memory several times. Beyond, or where there are more strategies of all parties
# but one than so many for each cell, the few that a fit needs are generated; bounds compare up to _MAX_ENUMERATED.
_MAX_RESPONSES = 1 << 22
_LISTED_PER_CELL = 2
# Of two parties, from so many responses on, bounds are proven faster by branch and bound than by looking at all.
_MANY_RESPONSES = 1 << 17
_MAX_ENUMERATED = 1 << 26
# Up to so many responses, all factors together take less than a second or so, whatever the time limit.
_QUICK_RESPONSES = 1 << 11
# Responses of all stages that are fitted between two looks at the clock.
_ENTRIES_BETWEEN_LOOKS = 1 << 17
# Numbers that one batch of tables may take.
_BATCH_ENTRIES = 1 << 22


def takes_long(scenario: BellScenario, null: str) -> bool:
    """Whether the choice of factors may take so long that a time limit ends it.

    Args:
        scenario: The scenario.
        null: ``"local"`` or ``"no-signaling"``.
    """
    padding = padding_of(scenario)
    return null == "local" and ResponseMaps(scenario if padding is None else padding.full).size > _QUICK_RESPONSES


class RatioEngine:
    """Factors ``R = f / q`` and bounds of their means over the local or the no-signaling behaviors.

    Args:
        scenario: The scenario.
        null: ``"local"`` or ``"no-signaling"``: the set of behaviors that is tested.
        predictability: Declared predictability of random settings.
        deadline: When to choose no more factors, in scenarios whose fits take long; default: never.

    Raises:
        CountsError: If the set is unknown, settings can be predicted and the set is that of no-signaling behaviors, or
            the scenario has too many strategies for a bound to be proven.
    """

    def __init__(
        self,
        scenario: BellScenario,
        null: str = "local",
        predictability: float = 0.0,
        deadline: Deadline = NO_LIMIT,
    ) -> None:
        if null not in NULLS:
            raise CountsError.bad_argument("null", expected="'local' or 'no-signaling'", got=repr(null))
        if null == "no-signaling" and predictability > 0:
            raise CountsError.bad_argument(
                "predictability", expected="0 for a test of no-signaling", got=f"{predictability:g}"
            )
        if null == "local" and enumeration_size(scenario) > _MAX_ENUMERATED:
            raise CountsError.bad_argument(
                "data",
                expected=f"a scenario with at most {_MAX_ENUMERATED:.3g} strategies of all parties but one",
                got=f"{enumeration_size(scenario):.3g} in {scenario}",
                remedy="Test a part of the settings, or declare an expression: test='game'.",
            )
        # Where settings have fewer outcomes than others, what is learned of the last one is shared out among
        # additional ones, and all of them have one factor: that changes neither fits nor bounds.
        self._padding = padding_of(scenario)
        self._given = scenario
        self._scenario = scenario if self._padding is None else self._padding.full
        self._null = null
        self._predictability = predictability
        self._signaling = SignalingTables(self._scenario)
        self._maps = ResponseMaps(self._scenario)
        quick = not takes_long(scenario, null)
        self._deadline = NO_LIMIT if quick else deadline
        self._fit_deadline = NO_LIMIT
        self._generated: tuple[float, GeneratedFits] | None = None
        # A sum of positive floats is exact within a relative error of 2**-52 for each addition, and so is each product.
        self._rounding = 2.0**-40 + scenario.num_setting_combinations * 2.0**-50

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
        factors, bounds = np.ones((sets, stages, scenario.num_entries)), np.ones((sets, stages))
        multipliers = np.zeros_like(factors) if self._null == "no-signaling" else None
        # What a stage knows are the shots before it, so all stages are computed at once.
        past = np.cumsum(flat, axis=1) - flat
        rows = [(r, k) for r in range(sets) for k in range(1, stages)]
        size = max(1, _BATCH_ENTRIES // scenario.num_cells)
        # The clock may end the choice of factors only where it has seen no more than the shots before: not where the
        # same shots are tested in several orders, or other shots were looked at before.
        ends = sets == 1 and self._deadline.left is not None
        if ends:
            size = max(1, min(size, _ENTRIES_BETWEEN_LOOKS // self._maps.size))
        self._generated = None
        for start in range(0, len(rows), size):
            r, k = np.array(rows[start : start + size]).T
            if ends and start and self._deadline.over:
                # The last factor that was chosen serves all stages to come.
                k = np.array([stage for _, stage in rows[start:]])
                factors[0, k] = factors[0, k[0] - 1]
                last = factors[0, k].reshape(len(k), combinations, -1)
                bounds[0, k] = self._local_bounds(np.moveaxis(last, 0, -1), shares[0, k].T)
                break
            if ends:
                # Early stages have few shots and need long fits: each may take its share of the time that is left.
                left = self._deadline.left
                assert left is not None
                self._fit_deadline = Deadline(left * len(r) / (len(rows) - start))
            found = self._factors(past[r, k], shares[r, k])
            factors[r, k], bounds[r, k] = found[0], found[1]
            if multipliers is not None and found[2] is not None:
                multipliers[r, k] = found[2]
        # Factors of 1 have a mean of 1, up to the rounding of the weights.
        bounds[:, 0] = 1 + self._rounding
        shaped = None if multipliers is None else multipliers.reshape(tables.shape)
        return factors.reshape(tables.shape), bounds, shaped

    def _factors(self, counts: IntArray, weights: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray | None]:
        """The factors that are best if the shots so far tell the truth, and bounds of their means.

        Args:
            counts: Shots so far, shape ``(B, X, A)``: setting combinations, outcomes.
            weights: Weights of the setting combinations in the next stage, shape ``(B, X)``.
        """
        batch, _, outcomes = counts.shape
        # The batch comes last from here on.
        counts, weights = np.moveaxis(counts, 0, -1), np.ascontiguousarray(weights.T)
        # The added fractions of a shot keep every ratio finite and positive.
        if self._padding is None:
            smoothed = counts + min(_PSEUDO_COUNT, _PSEUDO_PER_ROOT / math.sqrt(outcomes))
        else:
            real = self._padding.real.reshape(-1, outcomes, 1)
            added = np.minimum(_PSEUDO_COUNT, _PSEUDO_PER_ROOT / np.sqrt(real.sum(axis=1, keepdims=True)))
            smoothed = self._filled(counts + added * real) / self._padding.shared_by.reshape(-1, outcomes, 1)
        shots = smoothed.sum(axis=1)
        f = smoothed / shots[:, None]
        positive = np.maximum(weights, _LEAST_WEIGHT)
        positive = positive / positive.sum(axis=0)
        least_gap = _GAP_OF_ALL_SHOTS / (_SHOTS_TO_COME * shots.sum(axis=0))
        if self._null == "no-signaling":
            g = self._filled(self._signaling_part(f, positive, least_gap))
            factors = _usable(1 + g / positive[:, None])
            # Where all weights are positive, w R = w + g, up to the sum of the weights.
            rest = weights[:, None] * factors - g * np.maximum(weights, _LEAST_WEIGHT).sum(axis=0)
            largest = rest.max(axis=1, keepdims=True)
            # The g is what it should be up to a rest, and multipliers add up the rounding errors of all cells.
            flat = g.reshape(-1, batch)
            error = np.abs(flat - self._signaling.project(flat)).sum(axis=0) + len(flat) * 2.0**-50
            bounds = largest.sum(axis=(0, 1)) * (1 + self._rounding) + error
            multipliers = largest - rest
            dull = ~(np.sum(weights * np.sum(f * np.log(factors), axis=1), axis=0) > np.log(bounds))
            factors[..., dull], bounds[dull], multipliers[..., dull] = 1.0, 1 + self._rounding, 0.0
            parts = (np.moveaxis(part, -1, 0).reshape(batch, -1) for part in (factors, multipliers))
            return next(parts), bounds, next(parts)
        f = f / (1 + self._signaling_part(f, positive, least_gap) / positive[:, None])
        f = f / f.sum(axis=1, keepdims=True)
        cells = (f * positive[:, None]).reshape(-1, batch)
        with np.errstate(all="ignore"):
            # Whatever fails in a fit leaves a factor that is not a number.
            q = self._local_fits(cells, np.repeat(positive, outcomes, axis=0), least_gap)
            factors = self._filled(_usable(f / q.reshape(f.shape)))
        bounds = self._local_bounds(factors, weights)
        dull = ~(np.sum(weights * np.sum(f * np.log(factors), axis=1), axis=0) > np.log(bounds))
        # A factor that promises nothing, or is not a number, gives way to the one that risks nothing.
        factors[..., dull], bounds[dull] = 1.0, 1 + self._rounding
        return np.moveaxis(factors, -1, 0).reshape(batch, -1), bounds, None

    def _filled(self, tables: NDArray[Any]) -> NDArray[Any]:
        """Tables, shape ``(X, A, B)``, in which padding repeats what it stands for."""
        if self._padding is None:
            return tables
        flat = tables.reshape(-1, tables.shape[-1])
        return flat[self._padding.stands_for].reshape(tables.shape)

    def _local_fits(self, cells: FloatArray, weights: FloatArray, least_gap: FloatArray) -> FloatArray:
        """Local behaviors near cells, shape ``(num_cells, B)``."""
        listed = self._maps.num_listed <= _LISTED_PER_CELL * self._scenario.num_cells
        if listed and self._maps.size <= _MAX_RESPONSES:
            return fit_responses(self._maps, cells, weights, _GAP_SHARE, least_gap, self._fit_deadline)[0]
        found = []
        for i, gap in enumerate(least_gap.tolist()):
            # Rows come stage by stage: in a new set of data there are fewer past shots than before.
            if self._generated is None or gap >= self._generated[0]:
                fits = GeneratedFits(self._scenario)
            else:
                fits = self._generated[1]
            self._generated = (gap, fits)
            found.append(fits.behavior_of(fits.fit(cells[:, i], _GAP_SHARE, gap, deadline=self._fit_deadline)))
        return np.stack(found, axis=1)

    def _signaling_part(self, f: FloatArray, weights: FloatArray, tolerance: FloatArray) -> FloatArray:
        """The g with ``w f / (w + g)`` no-signaling, up to the tolerance, shape of ``f``."""
        cells = (f * weights[:, None]).reshape(-1, f.shape[-1])
        wide = np.repeat(weights, f.shape[1], axis=0)
        return self._signaling.maximize(cells, wide, tolerance).reshape(f.shape)

    def _local_bounds(self, factors: FloatArray, weights: FloatArray) -> FloatArray:
        """Upper bounds of ``sum_x w_x R(a_strategy(x), x)`` over all strategies, shape ``(B,)``."""
        if self._predictability == 0:
            return self._largest_sums(weights[:, None] * factors) * (1 + self._rounding)
        found = np.full(weights.shape[1], np.inf)
        largest = factors.max(axis=(0, 1))
        shape = self._scenario.num_settings
        forms = [mean_forms(row.reshape(shape), self._predictability) for row in weights.T]
        for parts in zip(*forms, strict=True):
            # The form bounds means of numbers from 0 to 1, so it is applied to R / max R.
            shares = np.array([share for share, _ in parts])
            limits = np.stack([limit.ravel() for _, limit in parts], axis=1)
            bounds = largest * shares + self._largest_sums(limits[:, None] * factors)
            found = np.minimum(found, bounds * (1 + self._rounding))
        return found

    def _largest_sums(self, coefficients: FloatArray) -> FloatArray:
        """The largest sum of coefficients that a strategy collects, up to rounding, shape ``(B,)``."""
        flat = coefficients.reshape(-1, coefficients.shape[-1])
        if self._maps.size > (_MANY_RESPONSES if self._scenario.num_parties == 2 else _MAX_RESPONSES):
            # The scenario as it is has fewer strategies.
            given, real = (self._scenario, slice(None)) if self._padding is None else (self._given, self._padding.real)
            return np.array([exact_largest_sum(row[real], given) for row in flat.T])
        size = max(1, _BATCH_ENTRIES // self._maps.size)
        parts = [self._maps.largest_sums(flat[:, i : i + size]) for i in range(0, flat.shape[1], size)]
        return np.concatenate(parts)


def _usable(factors: FloatArray) -> FloatArray:
    """Positive factors of few binary digits, shape ``(X, A, B)``; 1 throughout where one is not a number."""
    broken = ~np.isfinite(factors).all(axis=(0, 1))
    usable: FloatArray = np.rint(np.maximum(factors, _LEAST_FACTOR) / _FACTOR_UNIT) * _FACTOR_UNIT
    usable[..., broken] = 1.0
    return usable
