"""Expressions of few parties as tables, for functions that need one."""

from __future__ import annotations

from ..._support.validation import instance
from ...exceptions import ScenarioError
from .expression import BellExpression
from .many_parties.base import ManyPartyExpression

__all__ = ["expression_with_table"]


def expression_with_table(
    expression: BellExpression | ManyPartyExpression, most_cells: int, bound: str
) -> BellExpression:
    """The expression as a table, if it has one or is small.

    Args:
        expression: The expression.
        most_cells: Largest number of coefficients of a table that is made.
        bound: What the table is needed for, such as "quantum bound".

    Raises:
        ScenarioError: If it is no expression, or too large.
    """
    if not isinstance(expression, ManyPartyExpression):
        return instance(expression, BellExpression, "expression", ScenarioError, "Such as chsh().")
    if expression.scenario.num_cells > most_cells:
        known = expression.known_bounds
        raise ScenarioError.bad_argument(
            "expression",
            expected=f"so few parties that a table has at most {most_cells} coefficients, for a proven {bound}",
            got=f"{expression.num_parties} parties",
            remedy=f"Its known_bounds are: {known}." if known else "No bound is known: its known_bounds are None.",
        )
    return BellExpression.from_sparse(expression)
