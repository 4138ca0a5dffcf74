"""Random parts and random orders of the shots behind counts, drawn without replacement."""

from __future__ import annotations

import numpy as np

from .._support.types import IntArray
from ..exceptions import CountsError
from ..targets.counts import MAX_DRAWN, BellCounts
from ..targets.scenario import BellScenario

__all__ = ["random_part", "rows_to_put_in_order"]


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
