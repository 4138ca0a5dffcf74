"""The largest value of a polynomial of signs, by elimination of one sign after the other, in whole numbers.

All that holds the first sign is added up in a table of the signs that come with it; the better of its two values
leaves a table without it. That is dynamic programming over a tree decomposition of the terms.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .integer_terms import IntegerTerms
from .tree_decompositions import EliminationOrder

__all__ = ["largest_value"]

Table = NDArray[Any]

# With more terms per sign than this, a transform of all coefficients takes less than adding one term after the other.
_FEW_TERMS = 2


def largest_value(terms: IntegerTerms, order: EliminationOrder) -> tuple[int, NDArray[np.int8]]:
    """Returns the largest value without the constant, and signs, +1 or -1, that reach it.

    Args:
        terms: The polynomial.
        order: An order of elimination of its signs.

    Returns:
        The value, and all signs, shape ``(num_signs,)``; those that no term has are +1.
    """
    position = {sign: i for i, sign in enumerate(order.signs)}
    own: list[list[tuple[tuple[int, ...], int]]] = [[] for _ in order.signs]
    for scope, value in zip(terms.scopes, terms.coefficients, strict=True):
        places = tuple(sorted(position[sign] for sign in scope))
        own[places[0]].append((places, value))
    waiting: list[list[tuple[tuple[int, ...], Table]]] = [[] for _ in order.signs]
    answers: list[tuple[NDArray[np.uint8], tuple[int, ...]]] = []
    total = 0
    for i, scope in enumerate(order.scopes):
        axes = tuple(position[sign] for sign in scope)
        table = _sum_of_tables(axes, [*waiting[i], *_table_of_terms(own[i], terms.dtype)], terms.dtype)
        waiting[i] = []
        # Slices stay arrays: NumPy does not compare single Python integers of any size.
        plus, minus = table[:1], table[1:]
        answers.append((np.packbits((minus > plus).ravel()), axes))
        best = np.maximum(plus, minus).reshape(table.shape[1:])
        if len(axes) == 1:
            total += int(best.item())
        else:
            waiting[axes[1]].append((axes[1:], best))
    return total, _signs(answers, order, terms.num_signs)


def _table_of_terms(terms: list[tuple[tuple[int, ...], int]], dtype: Any) -> list[tuple[tuple[int, ...], Table]]:
    """The sum of terms as one table over the signs that they have."""
    if not terms:
        return []
    axes = tuple(sorted({place for places, _ in terms for place in places}))
    number = {place: axis for axis, place in enumerate(axes)}
    if len(terms) > _FEW_TERMS * len(axes):
        return [(axes, _transformed(terms, number, dtype))]
    table = np.zeros((2,) * len(axes), dtype=dtype)
    for places, value in terms:
        product = np.array(value, dtype=dtype).reshape((1,) * len(axes))
        for place in places:
            sign = np.array([1, -1], dtype=dtype).reshape([2 if a == number[place] else 1 for a in range(len(axes))])
            product = product * sign
        table += product
    return [(axes, table)]


def _transformed(terms: list[tuple[tuple[int, ...], int]], number: dict[int, int], dtype: Any) -> Table:
    """The same table for many terms: a fast Walsh-Hadamard transform of their coefficients, whatever their number.

    No number that is formed on the way is larger than the sum of the sizes of the coefficients.
    """
    count = len(number)
    table = np.zeros(1 << count, dtype=dtype)
    for places, value in terms:
        table[sum(1 << (count - 1 - number[place]) for place in places)] += value
    for bit in range(count):
        halves = table.reshape(-1, 2, 1 << bit)
        difference = halves[:, 0] - halves[:, 1]
        halves[:, 0] += halves[:, 1]
        halves[:, 1] = difference
    return table.reshape((2,) * count)


def _sum_of_tables(axes: tuple[int, ...], tables: list[tuple[tuple[int, ...], Table]], dtype: Any) -> Table:
    """The sum of tables over some of the axes each."""
    total = np.zeros((2,) * len(axes), dtype=dtype)
    for own, table in sorted(tables, key=lambda pair: len(pair[0])):
        held = set(own)
        total += table.reshape([2 if axis in held else 1 for axis in axes])
    return total


def _signs(
    answers: list[tuple[NDArray[np.uint8], tuple[int, ...]]], order: EliminationOrder, num_signs: int
) -> NDArray[np.int8]:
    """The best signs, from the last that was eliminated to the first."""
    minus = [False] * len(order.signs)
    for i in reversed(range(len(order.signs))):
        packed, axes = answers[i]
        index = 0
        for axis in axes[1:]:
            index = 2 * index + minus[axis]
        minus[i] = bool(packed[index >> 3] >> (7 - (index & 7)) & 1)
    signs = np.ones(num_signs, dtype=np.int8)
    for i, sign in enumerate(order.signs):
        if minus[i]:
            signs[sign] = -1
    return signs
