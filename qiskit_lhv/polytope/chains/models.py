"""Local models of infinite chains: mixtures of periodic sequences of deterministic strategies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..._support.records import Record
from ..._support.types import FloatArray, IntArray
from ..._support.validation import frozen, real_array, whole_array
from ...exceptions import ScenarioError
from .data import ChainCorrelators
from .words import Words

__all__ = ["ChainModel", "decomposed_flow"]

# Flow below this is left over by the solver's rounding.
_LEAST_FLOW = 1e-12


@dataclass(frozen=True, eq=False, repr=False)
class ChainModel(Record):
    """A local model of an infinite chain: a mixture of periodic sequences of strategies, in all their positions.

    Each sequence is repeated along the chain, and shifted by a random number of periods. The strategy of a site is a
    number whose bit x is the outcome of setting x.

    Raises:
        ScenarioError: If lengths, weights and strategies do not fit each other, or weights are not probabilities.

    References:
        Z. Wang, S. Singh, M. Navascues, Phys. Rev. Lett. 118, 230401 (2017), arXiv:1608.03485.

    Examples:
        >>> antiferromagnet = ChainModel(1, 1, [1.0], [2], [0, 1])  # outcomes alternate; which comes first is random
        >>> print(antiferromagnet)
        mixture of 1 periodic sequences of strategies, of up to 2 sites
        >>> antiferromagnet.correlators(2).pairs.ravel().tolist()
        [-1.0, 1.0]
        >>> [sequence.tolist() for sequence in antiferromagnet.sequences()]
        [[0, 1]]
    """

    period: int
    """After how many sites the chain repeats itself."""
    num_settings: int
    """Number of settings of each site."""
    weights: FloatArray
    """Weight of each sequence, shape ``(K,)``; their sum is 1."""
    lengths: IntArray
    """Length of each sequence, a multiple of the period, shape ``(K,)``."""
    strategies: IntArray
    """The strategies of all sequences, one after the other; each begins on sublattice 0."""

    def __post_init__(self) -> None:
        weights = real_array(self.weights, "weights", ScenarioError, ndim=1)
        lengths = whole_array(self.lengths, "lengths", ScenarioError, ndim=1)
        strategies = whole_array(self.strategies, "strategies", ScenarioError, ndim=1)
        fits = len(weights) == len(lengths) > 0 and self.period > 0 and self.num_settings > 0
        fits = fits and lengths.min() > 0 and not np.any(lengths % self.period) and lengths.sum() == len(strategies)
        if not fits or strategies.min() < 0 or strategies.max() >= 2 ** min(self.num_settings, 62):
            raise ScenarioError.bad_argument(
                "strategies",
                expected="the strategies of sequences whose lengths are multiples of the period",
                got=f"{len(strategies)} strategies for lengths {lengths.tolist()[:9]}",
            )
        if weights.min() < 0 or abs(weights.sum() - 1) > 1e-9:
            raise ScenarioError.bad_argument(
                "weights", expected="numbers of at least 0 that add up to 1", got=f"a sum of {weights.sum():.9g}"
            )
        for name, value in (("weights", weights), ("lengths", lengths), ("strategies", strategies)):
            object.__setattr__(self, name, value)

    def sequences(self) -> list[IntArray]:
        """The sequences of strategies."""
        return np.split(self.strategies, np.cumsum(self.lengths)[:-1])

    def correlators(self, reach: int) -> ChainCorrelators:
        """The correlators of the model.

        Args:
            reach: Largest distance of two neighbors.
        """
        words = Words(self.period, self.num_settings, reach)
        total = np.zeros((self.period, words.features.shape[1]))
        for weight, sequence in zip(self.weights, self.sequences(), strict=True):
            rows = words.features[words.words_of(sequence)].astype(np.float64)
            total += weight * rows.reshape(-1, self.period, rows.shape[1]).mean(axis=0)
        m = self.num_settings
        return ChainCorrelators(total[:, :m], total[:, m:].reshape(self.period, reach, m, m))

    def __str__(self) -> str:
        return f"mixture of {len(self.weights)} periodic sequences of strategies, of up to {self.lengths.max()} sites"


def decomposed_flow(flow: NDArray[np.float64], words: Words) -> ChainModel:
    """The mixture of cycles that a stationary flow is.

    Args:
        flow: Probability of each word that begins on each sublattice, shape ``(period, num_words)``.
        words: The graph.
    """
    rest = np.where(flow > _LEAST_FLOW, flow, 0.0)
    weights, cycles = [], []
    while True:
        found = _some_cycle(rest, words)
        if found is None:
            break
        phases, numbers = found
        amount = float(rest[phases, numbers].min())
        # A word may stand on a cycle once only, because its vertex does.
        rest[phases, numbers] -= amount
        rest[rest <= _LEAST_FLOW] = 0.0
        strategies = numbers >> (words.num_settings * words.reach)
        weights.append(amount * len(numbers) / words.period)
        cycles.append(np.roll(strategies, int(phases[0])) if phases[0] else strategies)
    array = np.array(weights)
    return ChainModel(
        words.period,
        words.num_settings,
        frozen(array / array.sum()),
        np.array([len(cycle) for cycle in cycles], dtype=np.int64),
        np.concatenate(cycles).astype(np.int64),
    )


def _some_cycle(rest: NDArray[np.float64], words: Words) -> tuple[IntArray, IntArray] | None:
    """Sublattices and numbers of the words of a cycle that has flow on all of its words."""
    while True:
        if not rest.any():
            return None
        phase, word = map(int, np.unravel_index(int(rest.argmax()), rest.shape))
        seen: dict[tuple[int, int], int] = {}
        path: list[tuple[int, int]] = []
        vertex = word // words.num_strategies
        while (phase, vertex) not in seen:
            seen[phase, vertex] = len(path)
            choices = rest[phase].reshape(words.num_vertices, -1)[vertex]
            if not choices.any():
                break
            word = vertex * words.num_strategies + int(choices.argmax())
            path.append((phase, word))
            vertex, phase = word % words.num_vertices, (phase + 1) % words.period
        else:
            cycle = path[seen[phase, vertex] :]
            return np.array([one[0] for one in cycle]), np.array([one[1] for one in cycle])
        # Rounding: the flow ends here, so the word that led here is left out.
        last = path[-1] if path else (phase, word)
        rest[last] = 0.0
