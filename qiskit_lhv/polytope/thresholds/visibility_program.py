"""The linear program of a visibility threshold."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..._support.highs import LinearSolution
from ..._support.types import FloatArray, IntArray
from ..bounds.strategy_programs import StrategyProgram

__all__ = ["VisibilityProgram"]

_FEASIBILITY = 1e-10


class VisibilityProgram(StrategyProgram):
    """Maximizes v subject to ``sum_h w_h table_h = v * target + (1 - v) * noise``, w >= 0.

    Tables are vectors of coordinates; the first one is the normalization.

    Args:
        target: Coordinates of the behavior.
        noise: Coordinates of the noise.
        max_visibility: Upper limit of v.
        columns: The coordinates of strategies, shape ``(K, size)``, from the strategies.
    """

    def __init__(
        self,
        target: FloatArray,
        noise: FloatArray,
        max_visibility: float,
        columns: Callable[[IntArray], FloatArray],
    ) -> None:
        super().__init__("nonlocality_threshold", _FEASIBILITY, columns)
        self.add_rows(noise, noise)
        # HiGHS minimizes -v, so the reduced cost of a strategy, 0 - duals . table, is at least 0.
        self.add_columns(-1.0, (noise - target)[None], upper=max_visibility)

    @staticmethod
    def parts(solution: LinearSolution) -> tuple[float, FloatArray, FloatArray]:
        """Visibility, weights and prices (of the coordinates) of a solution.

        Every strategy known to the program has a price of at most 0.
        """
        return float(solution.values[0]), np.maximum(solution.values[1:], 0), solution.duals
