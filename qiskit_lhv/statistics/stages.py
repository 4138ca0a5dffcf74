"""The stages in which shots are tested: a random order of counts, or the order in which trials were taken."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .._validation import generator
from ..exceptions import CountsError
from ..targets.counts import BellCounts
from ..targets.scenario import BellScenario
from ..targets.trials import BellTrials
from .likelihood import MAX_LISTED

__all__ = ["FIRST_STAGE", "draw_stages", "random_part", "stage_ends"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

FIRST_STAGE, _SHORTEST_STAGE = 16, 8
# Each stage adds this share of the shots before it. Where strategies must be generated, a stage is expensive.
_GROWTH, _COARSE_GROWTH = 0.1, 1.0
# What NumPy's generator draws from without replacement.
_MAX_DRAWN = 10**9


def stage_ends(total: int, scenario: BellScenario) -> IntArray:
    """How many shots have been tested at the end of each stage; the last entry is the total."""
    growth = _GROWTH if scenario.num_strategies <= MAX_LISTED else _COARSE_GROWTH
    combinations = scenario.num_setting_combinations
    shortest = max(_SHORTEST_STAGE, combinations)
    ends = [min(max(FIRST_STAGE, 2 * combinations), total)]
    while ends[-1] < total:
        ends.append(min(total, ends[-1] + max(shortest, int(growth * ends[-1]))))
    # A short last stage joins the one before it.
    if len(ends) > 2 and total - ends[-2] < shortest:
        del ends[-2]
    return np.array(ends)


def draw_stages(data: BellCounts | BellTrials, seed: int | None) -> tuple[BellScenario, IntArray, FloatArray]:
    """Cuts data into stages.

    Counts in blocks are put into one random order for each setting combination, and every stage takes the same share
    of each. Counts with random settings are put into one random order without regard to settings, so that the settings
    of every stage keep their known probabilities. Trials with random settings stay in the order they were taken.

    Args:
        data: Counts or trials.
        seed: Seed of the random order.

    Returns:
        The scenario, the counts of each stage, shape ``(K, m_1, ..., m_N, d_1, ..., d_N)``, and the weights of the
        setting combinations in each stage, shape ``(K, m_1, ..., m_N)``: their shares of its shots in blocks, their
        probabilities if settings were random.
    """
    if isinstance(data, BellTrials) and data.design != "random":
        data = data.to_counts()
    scenario = data.scenario
    assert scenario is not None
    if isinstance(data, BellTrials):
        ends = stage_ends(data.num_trials, scenario)
        starts = np.concatenate([[0], ends[:-1]])
        tables = np.stack([data.part(slice(a, b)).table for a, b in zip(starts, ends, strict=True)])
    else:
        ends = stage_ends(data.total_shots, scenario)
        tables = _random_order(data, ends, generator(seed))
    shape = scenario.num_settings
    if data.design == "blocks":
        shots = tables.sum(axis=tuple(range(1 + len(shape), tables.ndim)))
        kept = shots.reshape(len(shots), -1).sum(axis=1) > 0
        tables, shots = tables[kept], shots[kept]
        return scenario, tables, shots / shots.reshape(len(shots), -1).sum(axis=1).reshape((-1,) + (1,) * len(shape))
    probabilities = data.setting_probabilities
    assert probabilities is not None
    weights = np.broadcast_to(probabilities / probabilities.sum(), (len(tables), *shape))
    return scenario, tables, np.array(weights)


def _random_order(counts: BellCounts, ends: IntArray, rng: np.random.Generator) -> IntArray:
    """Draws the stages of counts without replacement."""
    left = _rows_to_draw_from(counts)
    rows, totals = len(left), left.sum(axis=1)
    stages = []
    taken = np.zeros(rows, dtype=np.int64)
    for end in ends:
        # Whole numbers throughout: no rounding may depend on the outcomes.
        due = totals * int(end) // counts.total_shots if counts.total_shots < 2**31 else _share(totals, int(end))
        drawn = [
            rng.multivariate_hypergeometric(row, int(size), method="marginals")
            for row, size in zip(left, due - taken, strict=True)
        ]
        stages.append(np.array(drawn, dtype=np.int64))
        left -= stages[-1]
        taken = due
    return np.stack(stages).reshape(-1, *counts.array.shape)


def _share(totals: IntArray, end: int) -> IntArray:
    """``totals * end // sum(totals)`` where the product may exceed 64 bits."""
    whole = int(totals.sum())
    return np.array([int(total) * end // whole for total in totals], dtype=np.int64)


def random_part(counts: BellCounts, fraction: float, rng: np.random.Generator) -> IntArray:
    """A random part of the shots: of each setting combination in blocks, of all shots if settings were random."""
    cells = _rows_to_draw_from(counts)
    drawn = [rng.multivariate_hypergeometric(row, int(fraction * row.sum()), method="marginals") for row in cells]
    return np.array(drawn, dtype=np.int64).reshape(counts.array.shape)


def _rows_to_draw_from(counts: BellCounts) -> IntArray:
    """A copy of the counts whose rows are put into random order each: one a setting combination, or all in one.

    Raises:
        CountsError: If there are more shots than can be put into random order.
    """
    rows = counts.scenario.num_setting_combinations if counts.design == "blocks" else 1
    cells = counts.array.reshape(rows, -1).copy()
    largest = int(cells.sum(axis=1).max())
    if largest >= _MAX_DRAWN:
        raise CountsError.bad_argument(
            "counts",
            expected=f"fewer than {_MAX_DRAWN} shots to put into random order",
            got=f"{largest}",
            remedy="Analyze parts of them, and multiply with combine_e_values(parts, independent=True).",
        )
    return cells
