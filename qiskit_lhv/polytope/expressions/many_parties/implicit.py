"""Bell expressions of many parties whose terms follow from a rule, so that there may be more than can be listed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from .base import ManyPartyExpression
from .sparse import SparseExpression

__all__ = ["ImplicitExpression"]


class ImplicitExpression(ManyPartyExpression):
    """A Bell expression whose terms follow from a rule.

    What lists its terms raises a ``ScenarioError`` if there are more than about four million of them.
    """

    def to_sparse(self) -> SparseExpression:
        """The same expression with its terms listed.

        Raises:
            ScenarioError: If there are more than about four million terms.
        """
        blocks = list(self.blocks())
        rows = [block for block, _ in blocks] or [np.empty((0, self.num_parties), dtype=np.int8)]
        values = [block for _, block in blocks] or [np.empty(0)]
        return SparseExpression(self.scenario, np.concatenate(rows), np.concatenate(values), self.known_bounds)

    def relabel(
        self,
        *,
        parties: Sequence[int] | None = None,
        settings: Sequence[Sequence[int]] | None = None,
        outcomes: Sequence[ArrayLike] | None = None,
    ) -> SparseExpression:
        """The expression with parties, settings and outcomes renamed; see ``SparseExpression.relabel``."""
        return self.to_sparse().relabel(parties=parties, settings=settings, outcomes=outcomes)

    def lift(self, num_parties: int, parties: Sequence[int]) -> SparseExpression:
        """The expression for more parties, of whom only some take part; see ``SparseExpression.lift``."""
        return self.to_sparse().lift(num_parties, parties)

    def __add__(self, other: ManyPartyExpression) -> ManyPartyExpression:
        return self.to_sparse() + other

    def __sub__(self, other: ManyPartyExpression) -> ManyPartyExpression:
        return self.to_sparse() - other
