"""Tables of settings with different numbers of outcomes, seen as tables of a scenario without padding.

A setting with fewer outcomes than the party's largest one may be given more of them, which all count as its last. A
behavior stays local, no-signaling or neither when the last outcome's probability is shared out among these, and when
it is collected again. So what is written for scenarios without padding serves for those with it: tables are spread
before, and their results collected, or read off at the real outcomes, afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._support.types import FloatArray, IntArray
from .scenario import BellScenario

__all__ = ["Padding", "padding_of"]


@dataclass(frozen=True, eq=False)
class Padding:
    """The cells that padding stands for. Tables are flattened, and may be rows of an array: their axis is the last."""

    full: BellScenario
    """The scenario in which every setting has as many outcomes as the party's largest one."""
    real: NDArray[np.bool_]
    """Whether each cell is real, shape ``(num_entries,)``."""
    stands_for: IntArray
    """The real cell that each cell repeats, shape ``(num_entries,)``. A real cell repeats itself."""
    shared_by: IntArray
    """The number of cells that repeat the same real cell, shape ``(num_entries,)``."""

    def filled(self, tables: NDArray[Any]) -> NDArray[Any]:
        """Returns the tables with padding that repeats the real cells."""
        return tables[..., self.stands_for]

    def spread(self, tables: NDArray[Any]) -> FloatArray:
        """Returns tables in which the entry of a real cell is divided equally among all cells that repeat it."""
        return np.asarray(self.filled(tables) / self.shared_by, dtype=np.float64)

    def collected(self, tables: FloatArray) -> FloatArray:
        """Returns tables in which a real cell holds the sum of all cells that repeat it, and padding is 0."""
        result = np.zeros_like(tables)
        np.add.at(np.moveaxis(result, -1, 0), self.stands_for, np.moveaxis(tables, -1, 0))
        return result


@lru_cache(maxsize=64)
def padding_of(scenario: BellScenario) -> Padding | None:
    """The padding of a scenario; ``None`` if all settings of each party have the same number of outcomes."""
    if scenario.has_equal_outcomes:
        return None
    numbers = np.arange(scenario.num_entries).reshape(scenario.shape)
    stands_for = scenario.filled(numbers).ravel()
    return Padding(
        BellScenario.from_shape(scenario.shape),
        scenario.mask.ravel(),
        stands_for,
        np.bincount(stands_for, minlength=len(stands_for))[stands_for],
    )
