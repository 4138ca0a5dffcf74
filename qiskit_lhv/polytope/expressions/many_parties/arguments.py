"""Expressions that functions for many parties are given, also those of few parties that have a table."""

from __future__ import annotations

from typing import Any

from ...._support.validation import instance
from ....exceptions import LHVError
from .base import ManyPartyExpression

__all__ = ["without_table"]


def without_table(expression: Any, name: str, error: type[LHVError]) -> ManyPartyExpression:
    """The expression as one of many parties: a table of coefficients becomes the list of its correlators.

    Families such as ``mermin(n)`` have a table for few parties, and nobody should have to ask how many are few.

    Args:
        expression: What the caller passed.
        name: Name of the argument, for the message.
        error: Class of the error to raise.

    Raises:
        LHVError: Of class ``error``, if it is no expression.
        ScenarioError: If it is one with more than two outcomes.
    """
    if isinstance(expression, ManyPartyExpression):
        return expression
    # A BellExpression; this folder does not import its file, which imports this folder.
    listed = expression.to_sparse() if hasattr(expression, "to_sparse") else expression
    inside = isinstance(getattr(expression, "expression", None), ManyPartyExpression)
    remedy = "Pass its expression: inequality.expression." if inside else "Such as BellExpression.from_terms(...)."
    return instance(listed, ManyPartyExpression, name, error, remedy)
