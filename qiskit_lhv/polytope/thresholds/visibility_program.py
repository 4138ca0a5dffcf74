"""The linear program of a visibility threshold, solved by HiGHS column by column."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..._support.highs import simplex_solver
from ..._support.types import FloatArray
from ...exceptions import SolverError

__all__ = ["VisibilityProgram"]

_FEASIBILITY = 1e-10


class VisibilityProgram:
    """Maximizes v subject to ``sum_h w_h table_h = v * target + (1 - v) * noise``, w >= 0.

    Tables are vectors of coordinates; the first one is the normalization.

    Args:
        target: Coordinates of the behavior.
        noise: Coordinates of the noise.
        max_visibility: Upper limit of v.
    """

    def __init__(self, target: FloatArray, noise: FloatArray, max_visibility: float) -> None:
        import highspy

        self._highs = simplex_solver(_FEASIBILITY)
        self._num_rows = noise.size
        self._model_status = highspy.HighsModelStatus
        for value in noise:
            self._highs.addRow(value, value, 0, np.empty(0, dtype=np.int32), np.empty(0))
        rows = np.arange(self._num_rows, dtype=np.int32)
        direction = noise - target
        self._highs.addCol(-1.0, 0.0, max_visibility, self._num_rows, rows, direction)

    def add(self, tables: FloatArray) -> None:
        """Adds strategies, one row of coordinates each, shape ``(K, size)``."""
        count = len(tables)
        flat = np.ascontiguousarray(tables.reshape(count, -1), dtype=np.float64)
        rows = np.tile(np.arange(self._num_rows, dtype=np.int32), count)
        starts = np.arange(0, count * self._num_rows, self._num_rows, dtype=np.int32)
        self._highs.addCols(
            count,
            np.zeros(count),
            np.zeros(count),
            np.full(count, np.inf),
            flat.size,
            starts,
            rows,
            flat.ravel(),
        )

    def solve(self) -> tuple[float, FloatArray, FloatArray]:
        """Solves the program for the strategies added so far.

        Returns:
            Visibility, weights and prices (of the coordinates). Every strategy known so far
            has a price of at most 0.

        Raises:
            SolverError: If the solver stops without an optimum.
        """
        self._highs.run()
        status = self._highs.getModelStatus()
        if status != self._model_status.kOptimal:
            name = self._highs.modelStatusToString(status)
            raise SolverError(f"nonlocality_threshold: HiGHS stopped with {name!r}.")
        solution: Any = self._highs.getSolution()
        values = np.array(solution.col_value)
        # HiGHS minimizes -v, so the reduced cost of a strategy, 0 - duals . table, is at least 0.
        prices = np.array(solution.row_dual)
        return float(values[0]), np.maximum(values[1:], 0), prices
