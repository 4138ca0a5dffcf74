"""Sequences of deterministic strategies along a chain, as walks on a graph.

A strategy of a site is a number whose bit x is the outcome of setting x. A word is the strategies of a site and its
``reach`` neighbors to the right; words that overlap in all but one site follow each other. So words are the edges of a
graph (of de Bruijn) whose vertices are sequences of ``reach`` strategies. Local models of an infinite chain, seen by
correlators of neighbors up to ``reach``, are stationary flows on that graph, and its cycles are their extreme points.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..._support.types import IntArray
from ...exceptions import ScenarioError

__all__ = ["MAX_WORDS", "Words", "strategy_signs"]

MAX_WORDS = 1 << 14
"""Largest number of words of all sublattices together."""


def strategy_signs(num_settings: int) -> IntArray:
    """Outcomes, 1 or -1, of every strategy, shape ``(2 ** num_settings, num_settings)``."""
    return 1 - 2 * ((np.arange(1 << num_settings)[:, np.newaxis] >> np.arange(num_settings)) & 1)


@dataclass(frozen=True)
class Words:
    """The words of a chain of a period, of so many settings per site, and of neighbors up to so far."""

    period: int
    """After how many sites settings and states repeat themselves."""
    num_settings: int
    """Number of settings of each site."""
    reach: int
    """Largest distance of two neighbors."""

    def __post_init__(self) -> None:
        bits = self.num_settings * (self.reach + 1)
        if bits > MAX_WORDS.bit_length() or self.period << bits > MAX_WORDS:
            raise ScenarioError.bad_argument(
                "correlators",
                expected=f"period * 2**(settings * (reach + 1)) of at most {MAX_WORDS}",
                got=f"period {self.period}, {self.num_settings} settings per site, neighbors up to {self.reach}",
                remedy="Take fewer settings or nearer neighbors.",
            )

    @property
    def num_strategies(self) -> int:
        """Number of strategies of one site."""
        return 1 << self.num_settings

    @property
    def num_vertices(self) -> int:
        """Number of sequences of ``reach`` strategies."""
        return 1 << (self.num_settings * self.reach)

    @property
    def num_words(self) -> int:
        """Number of words that begin at one site."""
        return self.num_vertices << self.num_settings

    @property
    def tails(self) -> IntArray:
        """The vertex at which each word begins: all but its last strategy."""
        return np.arange(self.num_words) >> self.num_settings

    @property
    def heads(self) -> IntArray:
        """The vertex at which each word ends: all but its first strategy."""
        return np.arange(self.num_words) % self.num_vertices

    @cached_property
    def features(self) -> NDArray[np.int64]:
        """Correlators of each word, shape ``(num_words, m + reach * m * m)``.

        First the outcomes of the first site, then its products with the outcomes of the neighbors, nearest first.
        """
        digits = [
            (np.arange(self.num_words) >> (self.num_settings * (self.reach - r))) % self.num_strategies
            for r in range(self.reach + 1)
        ]
        signs = strategy_signs(self.num_settings)
        first = signs[digits[0]]
        products = [(first[:, :, np.newaxis] * signs[digit][:, np.newaxis]) for digit in digits[1:]]
        return np.concatenate([first, *(product.reshape(self.num_words, -1) for product in products)], axis=1)

    def words_of(self, sequence: IntArray) -> IntArray:
        """The words of a periodic sequence of strategies, one that begins at each of its sites."""
        numbers = np.zeros(len(sequence), dtype=np.int64)
        for r in range(self.reach + 1):
            numbers = (numbers << self.num_settings) + np.roll(sequence, -r)
        return numbers
