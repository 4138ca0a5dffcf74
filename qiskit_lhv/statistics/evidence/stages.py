"""The stages in which shots are tested: a random order of counts, or the order in which trials were taken."""

from __future__ import annotations

import numpy as np

from ..._support.types import FloatArray, IntArray
from ..._support.validation import generator
from ...targets.counts import BellCounts
from ...targets.scenario import BellScenario
from ...targets.trials import BellTrials
from ..fits.response_maps import ResponseMaps
from ..random_orders import rows_to_put_in_order

__all__ = ["FIRST_STAGE", "draw_orders", "draw_stages", "stage_ends", "tables_of_orders"]


FIRST_STAGE, _SHORTEST_STAGE = 16, 8
# A stage adds this share of the shots before it, in scenarios up to these sizes; in larger ones stages are expensive.
_GROWTH_BY_SIZE = ((1 << 11, 0.1), (1 << 13, 0.2), (1 << 16, 0.5))
_COARSE_GROWTH = 1.0


def stage_ends(total: int, scenario: BellScenario, growth: float | None = None) -> IntArray:
    """How many shots have been tested at the end of each stage; the last entry is the total.

    Where the last stage ends does not move the others: trials may be stopped at any time.

    Args:
        total: Number of shots.
        scenario: The scenario.
        growth: The share of the shots before it that a stage adds; default: what suits the size of the scenario.
    """
    if growth is None:
        size = ResponseMaps(scenario).size
        growth = next((share for limit, share in _GROWTH_BY_SIZE if size <= limit), _COARSE_GROWTH)
    combinations = scenario.num_setting_combinations
    shortest = max(_SHORTEST_STAGE, combinations)
    ends = [min(max(FIRST_STAGE, 2 * combinations), total)]
    while ends[-1] < total:
        ends.append(min(total, ends[-1] + max(shortest, int(growth * ends[-1]))))
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
    if isinstance(data, BellTrials) and data.design == "random":
        scenario = data.scenario
        assert scenario is not None
        ends = stage_ends(data.num_trials, scenario)
        starts = np.concatenate([[0], ends[:-1]])
        tables = np.stack([data.part(slice(a, b)).table for a, b in zip(starts, ends, strict=True)])
        return scenario, tables, _weights_of_stages(data, tables[None])[0]
    scenario, tables, weights = draw_orders(data, 1, seed)
    return scenario, tables[0], weights[0]


def draw_orders(
    data: BellCounts | BellTrials, num_orders: int, seed: int | None, growth: float | None = None
) -> tuple[BellScenario, IntArray, FloatArray]:
    """Cuts data into stages, in several random orders; see :func:`draw_stages`.

    Args:
        data: Counts, or trials in blocks.
        num_orders: Number of random orders O.
        seed: Seed of the random orders.
        growth: See :func:`stage_ends`.

    Returns:
        As for :func:`draw_stages`, with one more axis for the orders before the others.
    """
    counts = data.to_counts() if isinstance(data, BellTrials) else data
    tables = tables_of_orders(counts.array, counts.scenario, counts.design, num_orders, seed, growth)
    return counts.scenario, tables, _weights_of_stages(counts, tables)


def tables_of_orders(
    table: IntArray, scenario: BellScenario, design: str, num_orders: int, seed: int | None, growth: float | None = None
) -> IntArray:
    """The counts of each stage in several random orders; see :func:`draw_orders`.

    Args:
        table: All counts, shape ``(m_1, ..., m_N, d_1, ..., d_N)``.
        scenario: Their scenario.
        design: ``"blocks"`` or ``"random"``.
        num_orders: Number of random orders O.
        seed: Seed of the random orders.
        growth: See :func:`stage_ends`.

    Returns:
        Shape ``(O, K, m_1, ..., m_N, d_1, ..., d_N)``.
    """
    rows = rows_to_put_in_order(table, scenario, design)
    totals = rows.sum(axis=1)
    whole = int(totals.sum())
    ends = stage_ends(whole, scenario, growth)
    # Whole numbers throughout: no rounding may depend on the outcomes.
    taken = np.stack([totals * end // whole if whole < 2**31 else _share(totals, int(end)) for end in ends])
    sizes = np.diff(taken, axis=0, prepend=0)
    sizes = sizes[sizes.sum(axis=1) > 0]
    tables = _random_orders(rows, sizes, num_orders, generator(seed))
    return tables.reshape(num_orders, len(sizes), *table.shape)


def _weights_of_stages(data: BellCounts | BellTrials, tables: IntArray) -> FloatArray:
    """Weights of the setting combinations, shape ``(O, K, m_1, ..., m_N)``, of the stages of several orders."""
    n = (tables.ndim - 2) // 2
    if data.design == "blocks":
        shots = tables.sum(axis=tuple(range(2 + n, 2 + 2 * n)))
        return shots / shots.reshape(*shots.shape[:2], -1).sum(axis=2).reshape(*shots.shape[:2], *[1] * n)
    probabilities = data.setting_probabilities
    assert probabilities is not None
    return np.array(np.broadcast_to(probabilities / probabilities.sum(), tables.shape[: 2 + n]))


def _random_orders(rows: IntArray, sizes: IntArray, num_orders: int, rng: np.random.Generator) -> IntArray:
    """Deals out rows of cells to stages, without replacement.

    All shots are dealt to the first and the second half of the stages, those of each half to its halves, and so on.

    Args:
        rows: Shots, shape ``(rows, cells)``.
        sizes: How many each stage takes of each row, shape ``(K, rows)``.
        num_orders: How often to deal them out, O.
        rng: Random numbers.

    Returns:
        Shape ``(O, K, rows, cells)``.
    """
    num_stages = len(sizes)
    levels = (num_stages - 1).bit_length()
    padded = np.zeros((1 << levels, len(rows)), dtype=np.int64)
    padded[:num_stages] = sizes
    parts = np.broadcast_to(rows, (num_orders, 1, *rows.shape))
    for level in range(levels):
        # Shots of the first half of each part.
        halves = padded.reshape(2 << level, -1, len(rows)).sum(axis=1)[::2]
        firsts = _drawn(parts, np.broadcast_to(halves, parts.shape[:-1]), rng)
        parts = np.stack([firsts, parts - firsts], axis=2).reshape(num_orders, -1, *rows.shape)
    return np.array(parts[:, :num_stages])


def _drawn(cells: IntArray, sizes: IntArray, rng: np.random.Generator) -> IntArray:
    """A number of shots drawn without replacement from each row of cells, shape of ``cells``."""
    drawn = np.empty_like(cells)
    others, wanted = cells.sum(axis=-1), sizes
    for a in range(cells.shape[-1] - 1):
        others = others - cells[..., a]
        drawn[..., a] = rng.hypergeometric(cells[..., a], others, wanted)
        wanted = wanted - drawn[..., a]
    drawn[..., -1] = wanted
    return drawn


def _share(totals: IntArray, end: int) -> IntArray:
    """``totals * end // sum(totals)`` where the product may exceed 64 bits."""
    whole = int(totals.sum())
    return np.array([int(total) * end // whole for total in totals], dtype=np.int64)
