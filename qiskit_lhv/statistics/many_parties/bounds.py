"""The proven local bound of an expression of many parties, as the evidence on which a test rests."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...exceptions import CountsError
from ...polytope.bounds.local_bounds import local_bound
from ...polytope.expressions.expression import BellExpression
from ...polytope.expressions.many_parties.base import ABSENT, ManyPartyExpression
from ...polytope.expressions.many_parties.sparse import SparseExpression
from ...polytope.inequalities.bell_inequality import BellInequality
from ...verification.evidence import Evidence

__all__ = ["bound_value", "described", "is_bound_of", "proven_bound", "table_of_terms"]

# Largest table of settings and outcomes that is made.
_MAX_CELLS = 1 << 16
# Longest text of an expression in a sentence.
_LONGEST_TEXT = 120


def bound_value(bound: Any) -> float:
    """Returns the value that no local model exceeds.

    Args:
        bound: A Bell inequality with an exact bound, or the structural bound of an expression.
    """
    value = bound.bound.value if isinstance(bound, BellInequality) else bound.value
    return float(value)


def proven_bound(expression: ManyPartyExpression, bound: Any = None) -> Evidence:
    """Returns the proven local bound of an expression.

    Args:
        expression: The expression.
        bound: The bound if it is known: evidence with the fields ``expression`` and ``value`` and a ``verify``.

    Raises:
        CountsError: If the bound is not evidence, or that of another expression, or none can be found.
    """
    if bound is None:
        if expression.scenario.num_cells <= _MAX_CELLS:
            return BellInequality.of(table_of_terms(expression))
        bound = local_bound(expression)
    fits = isinstance(bound, Evidence) and hasattr(bound, "expression")
    if not fits or (isinstance(bound, BellInequality) and not bound.bound.exact):
        raise CountsError.bad_argument(
            "bound",
            expected="a proven local bound: evidence that can be verified, such as what local_bound(expression) gives",
            got=type(bound).__name__,
        )
    if not is_bound_of(bound, expression):
        raise CountsError.bad_argument("bound", expected="that of the declared expression", got="that of another one")
    assert isinstance(bound, Evidence)
    return bound


def is_bound_of(bound: Any, expression: ManyPartyExpression) -> bool:
    """Returns whether a bound is that of an expression.

    Args:
        bound: Evidence with a field ``expression``.
        expression: The expression.
    """
    if isinstance(bound, BellInequality):
        try:
            return bool(bound.expression == table_of_terms(expression))
        except CountsError:
            return False
    return bound.expression is expression or bool(bound.expression == expression)


def table_of_terms(expression: ManyPartyExpression) -> BellExpression:
    """Returns an expression of few parties as one with a table of coefficients.

    Args:
        expression: The expression.

    Raises:
        CountsError: If the table would be too large.
    """
    scenario = expression.scenario
    if scenario.num_cells > _MAX_CELLS:
        raise CountsError.bad_argument(
            "bound",
            expected=f"one that needs no table: this expression has {float(scenario.num_cells):.3g} cells",
            got="an inequality of a table",
            remedy="Pass local_bound(expression).",
        )
    array = np.zeros(tuple(m + 1 for m in scenario.num_settings))
    for rows, coefficients in expression.blocks():
        for row, value in zip(rows.tolist(), coefficients.tolist(), strict=True):
            array[tuple(0 if x == ABSENT else x + 1 for x in row)] += value
    return BellExpression.from_correlators(array)


def described(expression: ManyPartyExpression) -> str:
    """Returns an expression in a few words.

    Args:
        expression: The expression.
    """
    if isinstance(expression, SparseExpression) and expression.num_terms <= 4:
        parts = []
        for term, value in expression.terms.items():
            name = " ".join(f"A{party}_{setting}" for party, setting in term)
            size = "" if term and abs(value) == 1 else f"{abs(value):g}"
            parts.append(f"{'-' if value < 0 else '+'} {size} E({name})" if term else f"{value:+g}")
        text = " ".join(" ".join(parts).split())
        if len(text) <= _LONGEST_TEXT:
            return text.removeprefix("+").strip()
    elif not isinstance(expression, SparseExpression) and type(expression).__str__ is not object.__str__:
        # Expressions that follow from a rule say which.
        text = str(expression)
        if len(text) <= _LONGEST_TEXT:
            return text
    return f"{expression.num_terms:.6g} terms of {expression.num_parties} parties, weight {expression.weight:.6g}"
