"""Outcomes of some parties that no-signaling forces to agree, whatever settings the others have."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..._support.types import IntArray
from ...targets.counts import BellCounts

__all__ = ["ComparableMarginals", "comparable_marginals"]

# Sets of parties, times measured setting combinations, beyond which smaller sets of parties are not compared.
_MOST_LOOKS = 1 << 18


@dataclass(frozen=True)
class ComparableMarginals:
    """Tables of the same parties' outcomes, whose rows should follow one distribution each."""

    sender: int | None
    """The party whose setting differs between the rows; ``None`` if those of several parties may differ."""
    settings: tuple[tuple[int | None, ...], ...]
    """For each table, the settings of the parties whose outcomes it counts; ``None`` for the other parties."""
    tables: IntArray
    """Counts of disjoint shots, shape ``(T, rows, outcomes)``; rows without shots stand after the others."""
    real: NDArray[np.bool_]
    """Which cells can hold shots, shape of the tables."""


def comparable_marginals(counts: BellCounts) -> Iterator[ComparableMarginals]:
    """All comparisons of marginals that no-signaling asks for, as far as settings were measured.

    If every setting combination was measured, the outcomes of all parties but one are compared between the settings of
    that one, which implies all other comparisons. Otherwise the outcomes of fewer parties may be comparable where those
    of more are not: in Mermin's test of three parties, with XXX, XYY, YXY and YYX, no two combinations share two
    settings, but each single setting occurs twice. Shots whose outcomes are compared as part of more parties' outcomes
    are put into one row.

    Args:
        counts: The counts.

    Yields:
        The comparisons of each set of parties, from large sets to small ones.
    """
    n = counts.scenario.num_parties
    if counts.is_complete:
        for k in range(n):
            if n > 1 and counts.scenario.num_settings[k] > 1:
                yield _of_sender(counts, k)
        return
    measured = [tuple(int(x) for x in place) for place in np.argwhere(counts.measured)]
    looks = 0
    for size in range(n - 1, 0, -1):
        for receivers in reversed(list(itertools.combinations(range(n), size))):
            looks += len(measured)
            if looks > _MOST_LOOKS:
                return
            rows = _rows(measured, receivers, n)
            if rows:
                yield _of_receivers(counts, receivers, rows)


def _of_sender(counts: BellCounts, sender: int) -> ComparableMarginals:
    """Compares the outcomes of all parties but one, in counts of which every setting combination was measured."""
    scenario = counts.scenario
    n = scenario.num_parties
    # Settings of the others, setting of the sender, outcomes of the others.
    marginal = np.moveaxis(counts.array.sum(axis=n + sender), sender, n - 1)
    real = np.moveaxis(np.any(scenario.mask, axis=n + sender), sender, n - 1)
    shape = (-1, scenario.num_settings[sender], math.prod(marginal.shape[n:]))
    settings = [(*others[:sender], None, *others[sender:]) for others in np.ndindex(marginal.shape[: n - 1])]
    return ComparableMarginals(sender, tuple(settings), marginal.reshape(shape), real.reshape(shape))


Combination = tuple[int, ...]


def _rows(
    measured: list[Combination], receivers: tuple[int, ...], num_parties: int
) -> dict[Combination, list[list[Combination]]]:
    """For each choice of the receivers' settings, the rows that can be compared: lists of setting combinations."""
    others = [k for k in range(num_parties) if k not in receivers]
    groups: dict[Combination, list[Combination]] = defaultdict(list)
    for combination in measured:
        groups[tuple(combination[k] for k in receivers)].append(combination)
    found = {}
    for own, members in groups.items():
        rows = [[member] for member in members]
        if len(others) > 1:
            # Combinations that share one more setting are compared with more receivers.
            for k in others:
                rows = _joined(rows, k)
        if len(rows) > 1:
            found[own] = rows
    return found


def _joined(rows: list[list[Combination]], party: int) -> list[list[Combination]]:
    """Puts rows together that share a setting of the party."""
    joined: list[list[Combination]] = []
    shared: list[set[int]] = []
    for row in rows:
        settings = {combination[party] for combination in row}
        combined = list(row)
        apart, apart_settings = [], []
        for other, other_settings in zip(joined, shared, strict=True):
            if other_settings & settings:
                combined, settings = other + combined, settings | other_settings
            else:
                apart.append(other)
                apart_settings.append(other_settings)
        joined, shared = [*apart, combined], [*apart_settings, settings]
    return joined


def _of_receivers(
    counts: BellCounts, receivers: tuple[int, ...], rows: dict[Combination, list[list[Combination]]]
) -> ComparableMarginals:
    n = counts.scenario.num_parties
    others = [k for k in range(n) if k not in receivers]
    summed = tuple(n + k for k in others)
    marginal = counts.array.sum(axis=summed).reshape(*counts.scenario.num_settings, -1)
    mask = np.any(counts.scenario.mask, axis=summed).reshape(marginal.shape)
    shape = (len(rows), max(map(len, rows.values())), marginal.shape[-1])
    tables, real = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=bool)
    settings = []
    for t, (own, parts) in enumerate(rows.items()):
        for i, part in enumerate(parts):
            tables[t, i] = sum(marginal[combination] for combination in part)
            real[t, i] = mask[part[0]]
        given = dict(zip(receivers, own, strict=True))
        settings.append(tuple(given.get(k) for k in range(n)))
    return ComparableMarginals(others[0] if len(others) == 1 else None, tuple(settings), tables, real)
