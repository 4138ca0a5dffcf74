"""What the searches for bases and for POVMs share: settings that are operators instead of Bloch vectors."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..._support.types import ComplexArray, FloatArray
from ...targets.correlations import CorrelationTensor
from .optimized import OptimizedSettings, rounded_matrices
from .search import MAX_VISIBILITY, Search

__all__ = ["OperatorSearch"]

_STARTS_PER_ROUND = 6


@dataclass(frozen=True)
class OperatorSearch(Search):
    """The search for settings, with operators in place of Bloch vectors."""

    ascent: ClassVar[Callable[..., tuple[list[ComplexArray], FloatArray]]]
    """From correlations, coefficients of an expression and starts to the measurements that these reach, and values."""

    def ascend(
        self, tensor: CorrelationTensor, coefficients: FloatArray, starts: Sequence[Sequence[ComplexArray]]
    ) -> tuple[list[ComplexArray], FloatArray]:
        """Returns the measurements of each party that the starts reached, by start, and the values.

        Args:
            tensor: Correlations of the state, or of a mixture.
            coefficients: Coefficients of the expression.
            starts: Measurements of each party, for each start.
        """
        stacked = [np.stack([start[k] for start in starts]) for k in range(tensor.num_parties)]
        return self.ascent(tensor.array, coefficients, stacked, deadline=self.deadline)

    @abstractmethod
    def random_start(self, sizes: Sequence[int], number: int) -> list[ComplexArray]:
        """Returns random measurements of each party, for the start of a number."""

    def from_settings(self, settings: Sequence[Any]) -> list[ComplexArray]:
        """Returns settings as something to start from."""
        return list(settings)

    def rounded(self, vectors: Sequence[Any]) -> tuple[Any, ...]:
        """Returns the measurements of each party as binary fractions."""
        return tuple(rounded_matrices(own) for own in vectors)

    def improve(self, found: OptimizedSettings) -> list[Any]:
        """Returns better settings for the inequality, starting from the present ones and a few random ones."""
        expression = found.inequality.expression
        sizes = expression.scenario.num_settings
        starts = [
            self.from_settings(found.settings),
            *(self.random_start(sizes, i) for i in range(_STARTS_PER_ROUND - 1)),
        ]
        reached, values = self.ascend(_at_its_visibility(found), expression.coefficients, starts)
        best = int(np.argmax(values))
        return [own[best] for own in reached]

    def raised(self, found: OptimizedSettings, coefficients: FloatArray) -> list[Any]:
        """Returns settings with a larger value at the visibility of those given."""
        reached, _ = self.ascend(_at_its_visibility(found), coefficients, [list(found.settings)])
        return [own[0] for own in reached]


def _at_its_visibility(found: OptimizedSettings) -> CorrelationTensor:
    """The mixture in which settings just violate their inequality."""
    return found.mixed(min(found.visibility, MAX_VISIBILITY)).correlations
