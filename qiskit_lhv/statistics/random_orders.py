"""Random parts and random orders of the shots behind counts, drawn without replacement."""

from __future__ import annotations

import numpy as np

from .._support.types import IntArray
from ..exceptions import CountsError
from ..targets.counts import BellCounts
from ..targets.scenario import BellScenario

__all__ = ["MAX_DRAWN", "check_shot_limit", "random_part", "rows_to_put_in_order"]

MAX_DRAWN = 10**9
"""From fewer than so many shots NumPy's generator draws without replacement."""


def random_part(counts: BellCounts, fraction: float, rng: np.random.Generator) -> IntArray:
    """A random part of the shots: of each setting combination in blocks, of all shots together with random settings."""
    cells = rows_to_put_in_order(counts.array, counts.scenario, counts.design)
    drawn = [rng.multivariate_hypergeometric(row, int(fraction * row.sum()), method="marginals") for row in cells]
    return np.array(drawn, dtype=np.int64).reshape(counts.array.shape)


def rows_to_put_in_order(table: IntArray, scenario: BellScenario, design: str) -> IntArray:
    """A copy of the counts as rows, each of which is to be put into random order by itself.

    In blocks there is one row per setting combination. With random settings, one row holds all shots.

    Raises:
        CountsError: If there are more shots than can be put into random order.
    """
    rows = scenario.num_setting_combinations if design == "blocks" else 1
    cells = table.reshape(rows, -1).copy()
    largest = int(cells.sum(axis=1).max())
    if largest >= MAX_DRAWN:
        raise CountsError.bad_argument(
            "counts",
            expected=f"fewer than {MAX_DRAWN} shots to put into random order",
            got=f"{largest}",
            remedy="Analyze parts of them, and multiply with combine_e_values(parts, independent=True).",
        )
    return cells


def check_shot_limit(counts: BellCounts) -> None:
    """Refuses counts that are too many to be put into random order, before any work is done on them.

    In blocks the shots of each setting combination are put into an order of their own, with random settings all
    shots into one.

    Args:
        counts: The counts.

    Raises:
        CountsError: If there are 10**9 shots or more in one of these orders.
    """
    blocks = counts.design == "blocks"
    largest = int(counts.num_shots.max()) if blocks else counts.total_shots
    if largest >= MAX_DRAWN:
        raise CountsError.bad_argument(
            "counts",
            expected=f"fewer than {MAX_DRAWN} shots {'per setting combination' if blocks else 'in all'}, to put into "
            "random order",
            got=f"{largest}",
            remedy="Analyze parts of them, and multiply with combine_e_values(parts, independent=True).",
        )
