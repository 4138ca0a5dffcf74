"""The largest mean weight of a cycle of words, in integers, by Karp's algorithm."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._support.types import IntArray
from ...exceptions import ScenarioError
from .words import Words

__all__ = ["largest_mean_cycle"]

_LIMIT = 1 << 61


def largest_mean_cycle(weights: NDArray[np.int64], words: Words) -> tuple[Fraction, IntArray]:
    """The largest mean weight of a cycle, and a cycle that has it.

    Args:
        weights: Weights of the words that begin on each sublattice, shape ``(period, num_words)``.
        words: The graph.

    Returns:
        The mean per word, and the strategies of the sites along the cycle, beginning on sublattice 0.

    Raises:
        ScenarioError: If the weights are so large that sums could leave 64 bits.

    References:
        R. M. Karp, Discrete Math. 23, 309 (1978).
    """
    turns = words.num_vertices
    steps = turns * words.period
    largest = int(np.abs(weights).max(initial=0))
    # Products of a walk's weight with a number of steps are compared, and potentials in units of the mean.
    if 4 * largest * steps * (steps + 1) >= _LIMIT:
        raise ScenarioError.bad_argument(
            "coefficients", expected="integers small enough for sums in 64 bits", got=f"up to {largest}"
        )
    numerator, denominator = _mean(weights, words, turns)
    bound = Fraction(numerator, denominator)
    shifted = bound.denominator * weights - bound.numerator
    return bound, _cycle(shifted, words)


def _step(values: NDArray[Any], weights: NDArray[np.int64], words: Words) -> NDArray[Any]:
    """Weights of the heaviest walks that are one word longer, by their last vertex."""
    longer = np.repeat(values, words.num_strategies) + weights
    return longer.reshape(words.num_strategies, -1).max(axis=0)


def _mean(weights: NDArray[np.int64], words: Words, turns: int) -> tuple[int, int]:
    # Walks from one vertex; what cannot be reached yet lies below every sum of weights.
    unreachable = -_LIMIT
    values = np.full(words.num_vertices, unreachable, dtype=np.int64)
    values[0] = 0
    lengths = [values]
    for _ in range(turns):
        for phase in range(words.period):
            values = np.where((longer := _step(values, weights[phase], words)) < unreachable // 2, unreachable, longer)
        lengths.append(values)
    last = lengths[-1]
    numerators = np.full(words.num_vertices, np.iinfo(np.int64).max)
    denominators = np.ones(words.num_vertices, dtype=np.int64)
    started = np.zeros(words.num_vertices, dtype=bool)
    for k, one in enumerate(lengths[:-1]):
        reached = (one > unreachable // 2) & (last > unreachable // 2)
        gain = np.where(reached, last - np.where(reached, one, 0), 0)
        length = (turns - k) * words.period
        smaller = reached & (~started | (gain * denominators < np.where(started, numerators, 0) * length))
        numerators = np.where(smaller, gain, numerators)
        denominators = np.where(smaller, length, denominators)
        started |= reached
    pairs = zip(numerators[started].tolist(), denominators[started].tolist(), strict=True)
    best = max(Fraction(gain, length) for gain, length in pairs)
    return best.numerator, best.denominator


def _cycle(shifted: NDArray[np.int64], words: Words) -> IntArray:
    """A cycle of weight 0, where no cycle has a positive one."""
    period, m = words.period, words.num_settings
    potentials = np.zeros((period, words.num_vertices), dtype=np.int64)
    changed = True
    while changed:
        changed = False
        for phase in range(period):
            following = (phase + 1) % period
            better = np.maximum(potentials[following], _step(potentials[phase], shifted[phase], words))
            changed |= bool(np.any(better > potentials[following]))
            potentials[following] = better
    # Words without slack make up every cycle of weight 0; vertices from which they lead nowhere are left out.
    tight = np.stack(
        [
            np.repeat(potentials[s], words.num_strategies) + shifted[s] == potentials[(s + 1) % period][words.heads]
            for s in range(period)
        ]
    )
    alive = np.ones((period, words.num_vertices), dtype=bool)
    while True:
        goes_on = np.stack([tight[s] & alive[(s + 1) % period][words.heads] for s in range(period)])
        left = goes_on.reshape(period, words.num_vertices, -1).any(axis=2) & alive
        if np.array_equal(left, alive):
            break
        alive = left
    vertex = int(np.flatnonzero(alive[0])[0])
    seen: dict[int, int] = {}
    strategies: list[int] = []
    phase = 0
    while phase or vertex not in seen:
        if phase == 0:
            seen[vertex] = len(strategies)
        choices = goes_on[phase].reshape(words.num_vertices, -1)[vertex]
        word = (vertex << m) + int(np.flatnonzero(choices)[0])
        strategies.append(word >> (m * words.reach))
        vertex, phase = word % words.num_vertices, (phase + 1) % period
    return np.array(strategies[seen[vertex] :], dtype=np.int64)
