"""Local bounds of expressions of many parties, proven by an elimination of their own.

An expression is a polynomial of signs: the outcome, +1 or -1, of each party for each setting. What is proven is its
largest value, by dynamic programming in an order that is found here (few new neighbors, or a sweep from party to
party), with one table per sign, in whole numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .rationals import binary_integers
from .remembered_checks import remembered
from .result import Verification

__all__ = ["prove_by_elimination", "prove_by_parts", "value_of_signs"]

_MAX_ENTRIES = 1 << 30
_MAX_TABLE = 1 << 27
_MAX_OBJECTS = 1 << 23

Terms = tuple[NDArray[np.int8], NDArray[np.float64]]
"""Rows and coefficients."""

Pair = tuple[int, int]
"""A party and its setting."""


def prove_by_elimination(rows: NDArray[np.int8], coefficients: NDArray[np.float64], claim: Fraction) -> Verification:
    """Proves that no deterministic strategy exceeds a value, which settles all local models.

    Args:
        rows: Shape ``(T, N)``: the setting of each party in each term, negative if it does not take part.
        coefficients: Shape ``(T,)``: binary fractions, taken exactly.
        claim: The value.
    """
    check = remembered(lambda: _largest(rows, coefficients), "elimination", rows, coefficients)
    if isinstance(check, float):
        return Verification.unproven("another elimination of its signs would take too long", cost=check)
    if check <= claim:
        return Verification(True, f"no strategy exceeds {float(claim):.9g}, by another order of elimination")
    return Verification(
        False, f"a strategy reaches {float(check):.12g}, the claimed bound is {float(claim):.12g}", float(check - claim)
    )


def prove_by_parts(whole: Terms, parts: Sequence[Terms], claim: Fraction) -> Verification:
    """Proves that no deterministic strategy exceeds a value, by the largest values of parts.

    What the parts lack of the whole counts by the sum of the sizes of its coefficients.

    Args:
        whole: Rows and coefficients, as in :func:`prove_by_elimination`.
        parts: Those of each part.
        claim: The value.
    """
    left: dict[bytes, Fraction] = {}
    for factor, (rows, coefficients) in ((1, whole), *((-1, part) for part in parts)):
        for row, value in zip(np.asarray(rows, dtype=np.int8), coefficients.tolist(), strict=True):
            left[row.tobytes()] = left.get(row.tobytes(), Fraction(0)) + factor * Fraction(value)
    constant = np.full(whole[0].shape[1], -1, dtype=np.int8).tobytes()
    bound = left.pop(constant, Fraction(0)) + sum(map(abs, left.values()), Fraction(0))
    for rows, coefficients in parts:
        largest = _largest(rows, coefficients)
        if isinstance(largest, float):
            return Verification.unproven("another elimination of a part would take too long", cost=largest)
        bound += largest
    if bound <= claim:
        return Verification(True, f"no strategy exceeds {float(claim):.9g}: so much do the parts add up to at most")
    # Other parts may prove it, but these do not.
    shown = f"the parts add up to {float(bound):.12g}, the claimed bound is {float(claim):.12g}"
    return Verification(False, shown, float(bound - claim))


def value_of_signs(
    rows: NDArray[np.int8], coefficients: NDArray[np.float64], outcomes: Sequence[NDArray[np.int64]]
) -> Fraction:
    """The exact value of a deterministic strategy.

    Args:
        rows: Shape ``(T, N)``, as in :func:`prove_by_elimination`.
        coefficients: Shape ``(T,)``.
        outcomes: Outcomes of each party, 0 or 1, by setting.
    """
    odd = np.zeros(len(rows), dtype=np.int64)
    for k, own in enumerate(outcomes):
        taken = rows[:, k] >= 0
        odd[taken] += own[rows[taken, k]]
    integers, exponent = binary_integers(coefficients)
    signed = [
        -value if flipped else value for value, flipped in zip(integers.tolist(), (odd % 2).tolist(), strict=True)
    ]
    return Fraction(sum(signed), 2**exponent)


def _largest(rows: NDArray[np.int8], coefficients: NDArray[np.float64]) -> Fraction | float:
    """The largest value, or the number of entries of the tables it would take."""
    integers, exponent = binary_integers(coefficients)
    terms: dict[frozenset[Pair], int] = {}
    for row, value in zip(rows.tolist(), integers.tolist(), strict=True):
        term = frozenset((k, x) for k, x in enumerate(row) if x >= 0)
        terms[term] = terms.get(term, 0) + value
    constant = terms.pop(frozenset(), 0)
    terms = {term: value for term, value in terms.items() if value}
    # Whole numbers below 2**62 cannot wrap, whatever is added up; larger ones are Python's.
    kind: Any = np.int64 if sum(map(abs, terms.values())) < 2**62 else object
    limit = _MAX_ENTRIES if kind is np.int64 else _MAX_OBJECTS
    plans = [(_entries(terms, order), order) for order in _orders(terms)]
    (entries, largest), order = min(plans, key=lambda plan: plan[0])
    if entries > limit or largest > _MAX_TABLE:
        return float(min(entries, 10**300))
    return Fraction(constant + _eliminate(terms, order, kind), 2**exponent)


def _orders(terms: dict[frozenset[Pair], int]) -> Iterator[list[Pair]]:
    """Orders of elimination that promise small tables."""
    neighbors: dict[Pair, set[Pair]] = {}
    for term in terms:
        for pair in term:
            neighbors.setdefault(pair, set()).update(term)
    yield _fewest_new_edges(neighbors)
    parties: dict[Pair, set[Pair]] = {}
    for (k, _), others in neighbors.items():
        parties.setdefault((k, 0), set()).update((other, 0) for other, _ in others)
    members: dict[int, list[Pair]] = {}
    for pair in sorted(neighbors):
        members.setdefault(pair[0], []).append(pair)
    for order in (_fewest_new_edges(parties), _breadth_first(parties)):
        yield [pair for k, _ in order for pair in members[k]]


def _fewest_new_edges(neighbors: dict[Pair, set[Pair]]) -> list[Pair]:
    """Repeatedly the node whose neighbors lack the fewest edges among themselves."""
    left = {node: others - {node} for node, others in neighbors.items()}
    order: list[Pair] = []
    scores: dict[Pair, tuple[int, int, Pair]] = {}
    stale = set(left)
    while left:
        for node in stale:
            own = left[node]
            missing = sum(len(own) - 1 - len(own & left[other]) for other in own)
            scores[node] = (missing, len(own), node)
        best = min(scores.values())[2]
        order.append(best)
        own = left.pop(best)
        del scores[best]
        stale = set(own)
        for other in own:
            left[other] |= own
            left[other] -= {best, other}
            stale |= left[other]
    return order


def _breadth_first(neighbors: dict[Pair, set[Pair]]) -> list[Pair]:
    """Nodes by their distance from one at the border, part by part."""
    order: list[Pair] = []
    left = set(neighbors)
    while left:
        start = min(left, key=lambda node: (len(neighbors[node]), node))
        for _ in range(2):
            queue, seen = [start], {start}
            for node in queue:
                fresh = sorted(neighbors[node] - seen)
                seen.update(fresh)
                queue += fresh
            start = queue[-1]
        order += queue
        left -= seen
    return order


def _entries(terms: dict[frozenset[Pair], int], order: list[Pair]) -> tuple[int, int]:
    """Number of entries of all tables, and of the largest."""
    place = {pair: i for i, pair in enumerate(order)}
    tables: list[set[int]] = [set() for _ in order]
    for term in terms:
        places = {place[pair] for pair in term}
        tables[min(places)] |= places
    for i, table in enumerate(tables):
        rest = table - {i}
        if rest:
            tables[min(rest)] |= rest
    sizes = [1 << len(table) for table in tables]
    return sum(sizes), max(sizes, default=0)


def _eliminate(terms: dict[frozenset[Pair], int], order: list[Pair], kind: Any) -> int:
    """The largest value of the terms: for each sign in turn, the larger of its two values, in every case."""
    place = {pair: i for i, pair in enumerate(order)}
    # What waits for a sign: functions of signs, as an array with one axis per sign, in an order of its own.
    waiting: list[list[tuple[list[int], NDArray[Any]]]] = [[] for _ in order]
    first: list[list[tuple[list[int], int]]] = [[] for _ in order]
    for term, value in terms.items():
        axes = sorted((place[pair] for pair in term), reverse=True)
        first[axes[-1]].append((axes, value))
    total = 0
    for functions, together in zip(waiting, first, strict=True):
        functions += _functions(together, kind)
        axes = sorted({axis for own, _ in functions for axis in own}, reverse=True)
        if not axes:
            continue
        functions.sort(key=lambda function: len(function[0]))
        table = np.zeros((2,) * len(axes), dtype=kind)
        for own, values in functions:
            table += values[tuple(slice(None) if axis in own else None for axis in axes)]
        functions.clear()
        best = table.max(axis=-1)
        if len(axes) == 1:
            total += int(best)
        else:
            waiting[axes[-2]].append((axes[:-1], best))
    return total


def _functions(terms: list[tuple[list[int], int]], kind: Any) -> list[tuple[list[int], NDArray[Any]]]:
    """Terms as functions of their signs: one each, or, if there are many, one of all their signs."""
    axes = sorted({axis for own, _ in terms for axis in own}, reverse=True)
    if len(terms) <= 2 * len(axes):
        return [(own, np.array([value, -value], dtype=kind)[_parities(len(own))]) for own, value in terms]
    sums = np.zeros((2,) * len(axes), dtype=kind)
    for own, value in terms:
        sums[tuple(int(axis in own) for axis in axes)] = value
    # Sign after sign: entry 0 of its axis becomes the value for +1, entry 1 that for -1.
    for axis in range(len(axes)):
        without, with_it = sums.take(0, axis), sums.take(1, axis)
        sums = np.stack([without + with_it, without - with_it], axis=axis)
    return [(axes, sums)]


def _parities(count: int) -> NDArray[np.uint8]:
    """Whether an odd number of so many signs is negative, one axis per sign."""
    parity = np.zeros((), dtype=np.uint8)
    for _ in range(count):
        parity = np.stack([parity, 1 - parity], axis=-1)
    return parity
