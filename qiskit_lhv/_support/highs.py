"""HiGHS, set up for linear programs that are solved many times over."""

from __future__ import annotations

from typing import Any

__all__ = ["quiet_solver", "simplex_solver"]


def simplex_solver(feasibility: float) -> Any:
    """A quiet HiGHS solver for column generation: the simplex method, whose basis serves again when columns come in.

    Args:
        feasibility: Tolerance of primal and dual feasibility.
    """
    solver = quiet_solver()
    for option, value in (
        ("presolve", "off"),
        ("solver", "simplex"),
        ("primal_feasibility_tolerance", feasibility),
        ("dual_feasibility_tolerance", feasibility),
    ):
        solver.setOptionValue(option, value)
    return solver


def quiet_solver() -> Any:
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
