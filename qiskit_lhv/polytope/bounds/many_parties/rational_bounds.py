"""Bounds of expressions of many parties that are rational numbers."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from ...._support.rounding import round_up
from ....exceptions import ScenarioError
from ....verification.evidence import Evidence
from ...expressions.many_parties.base import ManyPartyExpression

__all__ = ["RationalBound"]


@dataclass(frozen=True, eq=False, repr=False)
class RationalBound(Evidence):
    """Base of bounds that are kept as a numerator and a denominator."""

    expression: ManyPartyExpression
    """The expression."""
    numerator: int
    """The bound is the rational number ``numerator / denominator``."""
    denominator: int
    """See ``numerator``; a positive number."""

    def __post_init__(self) -> None:
        if self.denominator <= 0:
            raise ScenarioError.bad_argument("denominator", expected="a positive number", got=f"{self.denominator}")

    @property
    def fraction(self) -> Fraction:
        """The bound as a rational number."""
        return Fraction(self.numerator, self.denominator)

    @property
    def value(self) -> float:
        """The bound as a float, rounded up where it is none. No local model exceeds it."""
        return round_up(self.fraction)
