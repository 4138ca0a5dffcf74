"""What every Bell expression of many parties can do, whether its terms are listed or follow from a rule."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ....exceptions import ScenarioError
from ....targets.scenario import BellScenario

__all__ = ["ABSENT", "ManyPartyExpression", "TermRows"]

ABSENT = -1
"""The setting of a party that does not take part in a term."""

TermRows = NDArray[np.int8]
"""Terms, shape ``(T, N)``: the setting of each party, ``ABSENT`` if it does not take part."""

MAX_LISTED = 1 << 22
"""Largest number of terms that are listed."""


class ManyPartyExpression(ABC):
    """A sum of correlators with coefficients, two outcomes per setting, of any number of parties.

    A correlator is the mean of the product of the outcomes, +1 and -1, of the parties that take part. What an
    expression has in common, whether its terms are listed (``SparseExpression``) or follow from a rule, is that its
    terms can be drawn with probabilities proportional to the size of their coefficients, and that the coefficient of a
    term can be asked for.
    """

    scenario: BellScenario
    """The number of settings of each party; every setting has two outcomes."""

    @property
    @abstractmethod
    def num_terms(self) -> int:
        """Number of terms with a coefficient that is not 0; a constant counts as a term."""

    @property
    @abstractmethod
    def constant(self) -> float:
        """Coefficient of the term in which no party takes part."""

    @property
    @abstractmethod
    def weight(self) -> float:
        """Sum of the sizes of all coefficients but the constant's: the algebraic bound, without the constant."""

    @abstractmethod
    def coefficients_of(self, rows: TermRows) -> NDArray[np.float64]:
        """Returns the coefficients of terms, shape ``(T,)``; 0 for those that the expression does not have.

        Args:
            rows: Shape ``(T, N)``: the setting of each party, -1 if it does not take part.
        """

    @abstractmethod
    def draw_terms(self, num_draws: int, rng: np.random.Generator) -> TermRows:
        """Draws terms independently, with probabilities ``abs(coefficient) / weight``; never the constant.

        Args:
            num_draws: Number of draws.
            rng: Source of randomness.

        Returns:
            Shape ``(num_draws, N)``, int8.
        """

    @abstractmethod
    def _iterate_blocks(self) -> Iterator[tuple[TermRows, NDArray[np.float64]]]:
        """All terms, constant included, and their coefficients, in blocks of rows."""

    @property
    def num_parties(self) -> int:
        """Number of parties."""
        return self.scenario.num_parties

    def blocks(self) -> Iterator[tuple[TermRows, NDArray[np.float64]]]:
        """Yields all terms, constant included, in blocks: rows of shape ``(B, N)`` and coefficients of shape ``(B,)``.

        Raises:
            ScenarioError: If there are more than about four million terms.
        """
        if self.num_terms > MAX_LISTED:
            raise ScenarioError.bad_argument(
                "expression",
                expected=f"at most {MAX_LISTED} terms to list",
                got=f"{self.num_terms:.6g}",
                remedy="Draw terms instead: draw_terms().",
            )
        yield from self._iterate_blocks()
