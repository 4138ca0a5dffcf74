"""Signaling that comes from bits in another order at some settings."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ..._support.types import IntArray
from ...targets.counts import BellCounts, require_counts
from .no_signaling_tests import no_signaling_test

__all__ = ["swapped_bits_hint"]

BoolArray = NDArray[np.bool_]

# Signaling as clear as this, and gone as clearly as that, is told.
_CLEAR_SIGNALING_P, _VANISHED_P = 1e-6, 0.05
# Setting combinations up to which every set of them is tried.
_MOST_LISTED = 8


def swapped_bits_hint(counts: BellCounts, *, seed: int | None = None) -> str | None:
    """A sentence if signaling vanishes when two parties' outcomes are exchanged at some settings, else ``None``.

    If the bits of some circuits are read in another order, each party's outcomes seem to depend on the other's setting,
    while correlators, and S, do not change. Crosstalk at one setting can look the same, and so can the exchange at all
    other settings, so the sentence is only a hint.

    For every pair of parties with equal numbers of outcomes, every set of setting combinations is tried. If there are
    more than eight combinations, single ones and whole settings are exchanged one after another, as long as the
    marginals come closer together. The sentence is given if the no-signaling p-value of the counts is at most 1e-6, and
    that of the exchanged counts above 0.05.

    Args:
        counts: The counts.
        seed: See :func:`.no_signaling_test`.
    """
    before = no_signaling_test(require_counts(counts), seed=seed).p_value
    if before > _CLEAR_SIGNALING_P:
        return None
    best = None
    n, outcomes = counts.scenario.num_parties, counts.scenario.num_outcomes
    for pair in combinations(range(n), 2):
        if len({*outcomes[pair[0]], *outcomes[pair[1]]}) > 1:
            continue
        mask = _best_mask(counts.array, pair)
        if not mask.any():
            continue
        exchanged = replace(counts, array=_exchanged(counts.array, pair, mask), lost_outcomes=None, rounds=None)
        after = no_signaling_test(exchanged, seed=seed).p_value
        if after > _VANISHED_P and (best is None or after > best[0]):
            best = after, pair, mask
    if best is None:
        return None
    after, pair, mask = best
    where = ", ".join(str(tuple(int(x) for x in place)) for place in np.argwhere(mask))
    at = "all settings" if mask.all() else f"the settings {where}"
    return (
        f"the signaling (p = {before:.2g}) vanishes (p = {after:.2g}) when the outcomes of parties {pair[0]} and "
        f"{pair[1]} are exchanged at {at}: check the order of the bits of these circuits"
    )


def _exchanged(array: IntArray, pair: tuple[int, int], mask: BoolArray) -> IntArray:
    """The counts with two parties' outcomes exchanged at the setting combinations of the mask."""
    n = mask.ndim
    here = mask.reshape(mask.shape + (1,) * n)
    return np.where(here, np.swapaxes(array, n + pair[0], n + pair[1]), array)


def _best_mask(array: IntArray, pair: tuple[int, int]) -> BoolArray:
    """The fewest setting combinations whose exchange brings the marginals as close together as chance allows.

    If there are none, those that bring them closest.
    """
    n = array.ndim // 2
    shape = array.shape[:n]
    size = int(np.prod(shape))

    freedom = sum(
        (shape[k] - 1) * (size // shape[k]) * (int(np.prod(array.shape[n:])) // array.shape[n + k] - 1)
        for k in range(n)
    )
    chance = freedom + 3 * math.sqrt(2 * freedom)

    def distance(mask: BoolArray) -> tuple[float, int]:
        found = _signaling(_exchanged(array, pair, mask))
        return max(found, chance), int(mask.sum())

    if size <= _MOST_LISTED:
        numbers = np.arange(2**size)[:, None] >> np.arange(size) & 1
        return min((swapped.astype(bool).reshape(shape) for swapped in numbers), key=distance)
    mask = np.zeros(shape, dtype=bool)
    current = distance(mask)
    moves = list(_moves(shape))
    for _ in range(size):
        closest = min((mask ^ move for move in moves), key=distance)
        if distance(closest) >= current:
            break
        mask, current = closest, distance(closest)
    return min(mask, ~mask, key=distance)


def _moves(shape: tuple[int, ...]) -> Iterator[BoolArray]:
    """Single setting combinations, and all those with one setting of one party."""
    for place in np.ndindex(shape):
        move = np.zeros(shape, dtype=bool)
        move[place] = True
        yield move
    for k, count in enumerate(shape):
        for x in range(count):
            yield np.broadcast_to(np.indices(shape)[k] == x, shape)


def _signaling(array: IntArray) -> float:
    """Pearson's statistics of all marginals that no-signaling forces to agree, added up."""
    n = array.ndim // 2
    total = 0.0
    for k in range(n):
        # Sender's setting first, then the others' settings and outcomes.
        table = np.moveaxis(array.sum(axis=n + k), k, 0)
        outcomes = tuple(range(n, 2 * n - 1))
        shots = table.sum(axis=outcomes, keepdims=True)
        expected = shots * (table.sum(axis=0) / shots.sum(axis=0))
        total += float(
            np.divide((table - expected) ** 2, expected, out=np.zeros(table.shape), where=expected > 0).sum()
        )
    return total
