"""Maps for local models in which all parties but one play listed strategies and the last one responds at random.

Every local behavior is ``q(a|x) = sum_e P(e) [e plays a_1..a_(N-1) at x] r(a_N | x_N, e)``: a deterministic strategy e
of all parties but the last, and what the last one answers to each e. This takes ``num_listed * m_N * d_N`` numbers
instead of one for every strategy, and the best strategy of an expression is found by answering best to every e.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..._support.types import FloatArray, IntArray
from ...models.deterministic import party_strategies
from ...targets.scenario import BellScenario

__all__ = ["ResponseMaps", "sum_of_settings"]


@dataclass(frozen=True)
class ResponseMaps:
    """The maps between cells of a behavior and the responses of the last party to the strategies of the others.

    Batches of cells have shape ``(num_cells, B)``, in the order of a flattened behavior; batches of responses
    ``(d, num_listed, m, B)``, with the settings and outcomes of the last party. Outcomes come first because sums and
    maxima over a first axis are the fast ones.
    """

    scenario: BellScenario
    """The scenario. With padding only the numbers of strategies and responses are known: see ``targets.padding``."""

    @cached_property
    def order(self) -> tuple[int, ...]:
        """The parties: those whose strategies are listed, then the one that responds."""
        listed = self.scenario.num_party_strategies
        last = max(range(len(listed)), key=lambda k: listed[k])
        return (*(k for k in range(len(listed)) if k != last), last)

    @cached_property
    def num_listed(self) -> int:
        """Number of strategies of all parties but the last."""
        return math.prod(self.scenario.num_party_strategies[k] for k in self.order[:-1])

    @cached_property
    def last_shape(self) -> tuple[int, int]:
        """Number of settings and of outcomes of the last party."""
        return self.scenario.num_settings[self.order[-1]], self.scenario.max_outcomes[self.order[-1]]

    @property
    def size(self) -> int:
        """Number of responses."""
        return self.num_listed * math.prod(self.last_shape)

    @cached_property
    def _places(self) -> IntArray:
        """The cells ordered as the last party's outcome, setting and outcome of the listed, the last one's setting."""
        n, last = self.scenario.num_parties, self.order[-1]
        numbers = np.arange(self.scenario.num_entries).reshape(self.scenario.shape)
        listed = [axis for k in self.order[:-1] for axis in (k, n + k)]
        return numbers.transpose([n + last, *listed, last]).ravel()

    @cached_property
    def _back(self) -> IntArray:
        return np.argsort(self._places)

    @cached_property
    def _party_sizes(self) -> list[tuple[int, int]]:
        """Settings and outcomes of the listed parties."""
        return [(self.scenario.num_settings[k], self.scenario.max_outcomes[k]) for k in self.order[:-1]]

    @cached_property
    def _plays(self) -> list[Any]:
        """For each listed party with other than two settings, which cell of a setting each strategy plays."""
        plays: list[Any] = []
        for m, d in self._party_sizes:
            # The first setting's outcome is the slowest digit.
            digits = party_strategies((d,) * m)[:, ::-1]
            digits = digits[np.lexsort(digits.T[::-1])]
            plays.append(None if m == 2 else np.eye(d)[digits].reshape(len(digits), m * d))
        return plays

    def sums(self, cells: FloatArray) -> FloatArray:
        """For each listed strategy and answer of the last party, the sum of the cells that they play."""
        batch = cells.shape[-1]
        tensor = cells[self._places]
        m_last, d_last = self.last_shape
        done = d_last
        for (m, d), plays in zip(self._party_sizes, self._plays, strict=True):
            if plays is None:
                tensor = tensor.reshape(done, m, d, -1)
                tensor = tensor[:, 0, :, None] + tensor[:, 1, None, :]
            else:
                tensor = np.matmul(plays, tensor.reshape(done, m * d, -1))
            done *= d**m
        return tensor.reshape(d_last, self.num_listed, m_last, batch)

    def mixture(self, responses: FloatArray) -> FloatArray:
        """The cells that responses produce, each weighted with the probability of its strategy."""
        m_last, d_last = self.last_shape
        batch = responses.shape[-1]
        rest = m_last * batch
        done, tensor = d_last * self.num_listed, responses
        for (m, d), plays in zip(self._party_sizes[::-1], self._plays[::-1], strict=True):
            done //= d**m
            if plays is None:
                tensor = tensor.reshape(done, d, d, rest)
                tensor = np.stack([tensor.sum(axis=2), tensor.sum(axis=1)], axis=1)
            else:
                tensor = np.matmul(plays.T, tensor.reshape(done, d**m, rest))
            rest *= m * d
        return tensor.reshape(-1, batch)[self._back]

    def largest_sums(self, cells: FloatArray) -> FloatArray:
        """The largest sum of cells that a deterministic strategy plays, shape ``(B,)``."""
        return sum_of_settings(self.sums(cells).max(axis=0)).max(axis=0)


def sum_of_settings(values: FloatArray) -> FloatArray:
    """Sums over the middle axis, setting by setting, which is faster than the library's sum over a short axis."""
    total = values[:, 0]
    for y in range(1, values.shape[1]):
        total = total + values[:, y]
    return total
