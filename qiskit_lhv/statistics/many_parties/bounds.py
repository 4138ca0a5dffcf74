"""The proven local bound of an expression of many parties, as the evidence on which a test rests."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...exceptions import CountsError, ScenarioError
from ...polytope.bounds.local_bounds import local_bound
from ...polytope.bounds.many_parties.group_bounds import GroupBound
from ...polytope.bounds.many_parties.structural_bounds import StructuralBound
from ...polytope.expressions.expression import BellExpression
from ...polytope.expressions.many_parties.base import ABSENT, ManyPartyExpression
from ...polytope.expressions.many_parties.sparse import SparseExpression
from ...polytope.inequalities.bell_inequality import BellInequality
from ...polytope.inequalities.many_party_inequality import ManyPartyInequality
from ...verification.evidence import Evidence

__all__ = ["bound_value", "described", "is_bound_of", "proven_bound", "table_of_terms"]

# Largest table of settings and outcomes that is made.
_MAX_CELLS = 1 << 16
# Longest text of an expression in a sentence.
_LONGEST_TEXT = 120


def bound_value(bound: Any) -> float:
    """Returns the value that no local model exceeds.

    Args:
        bound: A proven bound, as :func:`proven_bound` returns it.
    """
    value = bound.bound.value if isinstance(bound, BellInequality) else bound.value
    return float(value)


def proven_bound(expression: ManyPartyExpression, bound: Any = None) -> Evidence:
    """Returns the proven local bound of an expression.

    Args:
        expression: The expression.
        bound: The bound if it is known: what ``local_bound(expression)`` or ``group_bound`` gives, or an inequality
            with such a bound.

    Returns:
        A ``StructuralBound``, ``GroupBound`` or ``BellInequality``: of other evidence, the value need not be one that
        no local model exceeds.

    Raises:
        CountsError: If the bound is of another kind, or that of another expression.
        ScenarioError: If no bound can be found.
    """
    if bound is None:
        return _found_bound(expression)
    if isinstance(bound, ManyPartyInequality):
        bound = bound.bound
    if not _is_local_bound(bound):
        raise CountsError.bad_argument(
            "bound",
            expected="a proven local bound: evidence that can be verified, such as what local_bound(expression) gives",
            got=type(bound).__name__,
        )
    if not is_bound_of(bound, expression):
        raise CountsError.bad_argument("bound", expected="that of the declared expression", got="that of another one")
    assert isinstance(bound, Evidence)
    return bound


def _found_bound(expression: ManyPartyExpression) -> Evidence:
    found = local_bound(expression)
    if found.exact or expression.scenario.num_cells > _MAX_CELLS:
        return found
    try:
        return BellInequality.of(table_of_terms(expression))
    except ScenarioError:  # too many strategies
        return found


def _is_local_bound(bound: Any) -> bool:
    """Whether a bound is of a kind whose value no local model exceeds, if it can be verified."""
    if isinstance(bound, BellInequality):
        return bool(bound.bound.exact)
    # With fewer groups than parties, models may do more than local ones.
    return isinstance(bound, StructuralBound | GroupBound)


def is_bound_of(bound: Any, expression: ManyPartyExpression) -> bool:
    """Returns whether a bound is a local bound of an expression, if it can be verified.

    Args:
        bound: Any evidence.
        expression: The expression.
    """
    if not _is_local_bound(bound):
        return False
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
        return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT].rpartition(' ')[0]} ..."
    return f"{expression.num_terms:.6g} terms of {expression.num_parties} parties, weight {expression.weight:.6g}"
