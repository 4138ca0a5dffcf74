"""Linear programs that are solved by HiGHS, and that may grow by columns or rows from one solution to the next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..exceptions import SolverError
from .deadlines import NO_LIMIT, Deadline
from .types import FloatArray

__all__ = ["LinearProgram", "LinearSolution"]


@dataclass(frozen=True)
class LinearSolution:
    """An optimum of a linear program."""

    values: FloatArray
    """The value of each column's variable."""
    duals: FloatArray
    """The dual value of each row; a column's reduced cost is its cost less the sum of duals times its entries."""
    objective: float
    """The least cost."""


class LinearProgram:
    """A linear program: minimize ``costs . x`` with bounds on x and on the rows ``A @ x``.

    Columns and rows may be added after it was solved.

    Args:
        caller: The public function that solves it, for messages.
        feasibility: Tolerance of primal and dual feasibility. The simplex method without presolve is then used, whose
            basis serves again when columns come in. ``None``: HiGHS chooses its method.
    """

    def __init__(self, caller: str, feasibility: float | None = None) -> None:
        self._caller = caller
        self._solver = _quiet_solver()
        if feasibility is not None:
            for option, value in (
                ("presolve", "off"),
                ("solver", "simplex"),
                ("primal_feasibility_tolerance", feasibility),
                ("dual_feasibility_tolerance", feasibility),
            ):
                self._solver.setOptionValue(option, value)

    def add_rows(self, lower: ArrayLike, upper: ArrayLike, matrix: Any = None) -> None:
        """Adds rows.

        Args:
            lower: Their lower limits, shape ``(K,)``, or one number for all.
            upper: Their upper limits, likewise.
            matrix: Their entries, shape ``(K, number of columns)``, an array or a ``csr_array``; default: all zero.
        """
        count = np.broadcast(lower, upper).size if matrix is None else matrix.shape[0]
        self._solver.addRows(count, _each(lower, count), _each(upper, count), *_compressed(matrix, count))

    def add_columns(
        self, costs: ArrayLike, matrix: Any = None, *, lower: ArrayLike = 0.0, upper: ArrayLike = np.inf
    ) -> None:
        """Adds columns.

        Args:
            costs: Their costs, shape ``(K,)``, or one for all.
            matrix: Their entries, shape ``(K, number of rows)``, an array or a ``csr_array``; default: all zero.
            lower: Lower limits of their variables, shape ``(K,)``, or one for all.
            upper: Upper limits of their variables, likewise.
        """
        count = np.broadcast(costs, lower, upper).size if matrix is None else matrix.shape[0]
        limits = _each(lower, count), _each(upper, count)
        self._solver.addCols(count, _each(costs, count), *limits, *_compressed(matrix, count))

    def change_column(self, column: int, *, cost: float, lower: float, upper: float) -> None:
        """Gives a column another cost and other limits."""
        self._solver.changeColCost(column, cost)
        self._solver.changeColBounds(column, lower, upper)

    def solve(self) -> LinearSolution:
        """Solves the program as it is now.

        Raises:
            SolverError: If HiGHS stops without an optimum.
        """
        import highspy

        self._solver.run()
        status = self._solver.getModelStatus()
        if status != highspy.HighsModelStatus.kOptimal:
            raise SolverError(f"{self._caller}: HiGHS stopped with {self._solver.modelStatusToString(status)!r}.")
        solution = self._solver.getSolution()
        objective = float(self._solver.getInfo().objective_function_value)
        return LinearSolution(np.array(solution.col_value), np.array(solution.row_dual), objective)

    def solve_growing(
        self, grow: Callable[[LinearSolution], bool], max_rounds: int, deadline: Deadline = NO_LIMIT
    ) -> tuple[LinearSolution, bool]:
        """Solves the program by column or row generation: again and again, until nothing is missing.

        Args:
            grow: Adds to the program what its solution misses, and says whether there was anything.
            max_rounds: How often the program is solved at most.
            deadline: When to stop.

        Returns:
            The last solution, and whether nothing was missing any more.

        Raises:
            SolverError: If HiGHS stops without an optimum.
        """
        for _ in range(max_rounds):
            solution = self.solve()
            if deadline.over:
                break
            if not grow(solution):
                return solution, True
        return solution, False


def _each(value: ArrayLike, count: int) -> FloatArray:
    return np.broadcast_to(np.asarray(value, dtype=np.float64), count).copy()


def _compressed(matrix: Any, count: int) -> tuple[int, NDArray[np.int32], NDArray[np.int32], FloatArray]:
    """The number of entries that are not zero, where each row's begin, their columns and their values."""
    if matrix is None:
        return 0, np.zeros(count, dtype=np.int32), np.empty(0, dtype=np.int32), np.empty(0)
    if hasattr(matrix, "indptr"):
        return matrix.nnz, matrix.indptr[:-1].astype(np.int32), matrix.indices.astype(np.int32), matrix.data
    owners, places = np.nonzero(matrix)
    starts = np.searchsorted(owners, np.arange(count))
    return len(places), starts.astype(np.int32), places.astype(np.int32), matrix[owners, places].astype(np.float64)


def _quiet_solver() -> Any:
    """A HiGHS solver that prints nothing, not even the banner of the first one in a process."""
    import highspy

    class QuietHighs(highspy.Highs):
        # The constructor calls this; since HiGHS 1.16 it prints the banner unless output is off by then.
        def enableCallbacks(self) -> None:  # noqa: N802
            self.silent()
            super().enableCallbacks()

    solver = QuietHighs()
    solver.silent()
    return solver
