"""Upper bounds for expressions that are too large for an exact one: parts whose bounds add up, found by HiGHS.

The signs are covered by blocks so small that a polynomial on each has an exact largest value. A linear program divides
each coefficient among the blocks that hold its term, so that the sum of these values is least. Whatever the program
answers, the parts add up to the expression, so that their values add up to a proven bound; what rounding and the blocks
leave over counts by its size.
"""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ...._support.highs import LinearProgram, LinearSolution
from ....exceptions import ScenarioError
from ...expressions.many_parties.base import ABSENT, ManyPartyExpression
from ...expressions.many_parties.sparse import SparseExpression
from .elimination import largest_value
from .integer_terms import integer_terms
from .tree_decompositions import EliminationOrder, best_order

__all__ = ["bound_by_parts"]

_BLOCK_SIGNS = 12
_MAX_TERMS = 20_000
_MAX_ROUNDS = 12
# Comparisons of terms with blocks; about 3e5 take a second.
_MAX_WORK = 1 << 23
_PART_BITS = 24
_TOLERANCE = 1e-7


def bound_by_parts(expression: ManyPartyExpression) -> tuple[Fraction, tuple[SparseExpression, ...]]:
    """Returns an upper bound of the local bound, and the parts whose local bounds prove it.

    What the parts do not cover counts by the sum of the sizes of its coefficients.

    Raises:
        ScenarioError: If there are too many terms, or too many with the same settings.
    """
    if expression.num_terms > _MAX_TERMS:
        raise ScenarioError.bad_argument(
            "expression",
            expected=f"at most {_MAX_TERMS} terms for an upper bound by parts",
            got=f"{float(expression.num_terms):.6g}",
            remedy="Expressions in which all parties are alike, chains, and terms of neighbors on narrow lattices have "
            "exact bounds for any number of parties.",
        )
    blocks = list(expression.blocks())
    rows = np.concatenate([block for block, _ in blocks])
    values = np.concatenate([block for _, block in blocks])
    kept = np.any(rows != ABSENT, axis=1)
    rows, values = rows[kept], values[kept]
    first = np.cumsum([0, *expression.scenario.num_settings[:-1]])
    scopes = [frozenset((first + row)[row != ABSENT].tolist()) for row in rows.astype(np.int64)]
    members = _cover(scopes, np.abs(values))
    shares = _divided(expression, rows, values, members)
    scale = 2.0 ** (_PART_BITS - np.frexp(np.abs(values).max(initial=1.0))[1])
    parts = []
    for member, share in zip(members, shares, strict=True):
        rounded = np.rint(share * scale) / scale
        used = rounded != 0
        parts.append(SparseExpression(expression.scenario, rows[member][used], rounded[used]))
    bound = Fraction(0)
    left = {row.tobytes(): Fraction(float(value)) for row, value in zip(rows, values, strict=True)}
    for part in parts:
        bound += _exact_value(part)
        for row, value in zip(part.rows, part.coefficients.tolist(), strict=True):
            left[row.tobytes()] -= Fraction(value)
    bound += sum(map(abs, left.values()), Fraction(0)) + Fraction(expression.constant)
    return bound, tuple(part for part in parts if len(part.rows))


def _cover(scopes: list[frozenset[int]], sizes: NDArray[np.float64]) -> list[NDArray[np.int64]]:
    """The numbers of the terms in each block; terms on too many signs are in none."""
    holders: dict[int, list[int]] = {}
    for t, scope in enumerate(scopes):
        for sign in scope:
            holders.setdefault(sign, []).append(t)
    waiting = {t for t, scope in enumerate(scopes) if len(scope) <= _BLOCK_SIGNS}
    members = []
    work = 0
    while waiting:
        block = set(scopes[max(waiting, key=lambda t: (sizes[t], -t))])
        while len(block) < _BLOCK_SIGNS:
            work += sum(len(holders[sign]) for sign in block)
            if work > _MAX_WORK:
                raise ScenarioError.bad_argument(
                    "expression",
                    expected="terms of fewer parties for an upper bound by parts",
                    got=f"{len(scopes)} terms, in which each setting occurs up to {max(map(len, holders.values()))} "
                    "times",
                    remedy="elimination_cost() tells what an exact bound would take.",
                )
            # The sign whose terms, as far as they are not covered yet, share most with the block.
            gains: dict[int, float] = {}
            for sign in block:
                for t in holders[sign]:
                    missing = scopes[t] - block
                    if missing and len(block) + len(missing) <= _BLOCK_SIGNS:
                        gain = sizes[t] * (1.0 if t in waiting else 0.1) / len(missing)
                        for other in missing:
                            gains[other] = gains.get(other, 0.0) + gain
            if not gains:
                break
            block.add(max(gains, key=lambda sign: (gains[sign], -sign)))
        inside = sorted({t for sign in block for t in holders[sign] if scopes[t] <= block})
        waiting.difference_update(inside)
        members.append(np.array(inside, dtype=np.int64))
    return members


def _divided(
    expression: ManyPartyExpression,
    rows: NDArray[np.int8],
    values: NDArray[np.float64],
    members: list[NDArray[np.int64]],
) -> list[NDArray[np.float64]]:
    """The share of each block in the coefficients of its terms, by a linear program that grows by strategies."""
    from scipy.sparse import csr_array

    if not members:
        return []
    shared = np.concatenate(members)
    times = np.bincount(shared, minlength=len(values))
    covered = np.flatnonzero(times)
    place = np.full(len(values), -1)
    place[covered] = np.arange(len(covered))
    offsets = np.cumsum([0, *map(len, members)])
    count = len(shared)
    largest = float(np.abs(values).max())
    program = LinearProgram("local_bound")
    program.add_rows(values[covered], values[covered])
    entries = (np.ones(count), (np.arange(count), place[shared]))
    # Shares between nothing and all of a coefficient: with others, the program would take many more rounds.
    limits = {"lower": np.minimum(values[shared], 0), "upper": np.maximum(values[shared], 0)}
    program.add_columns(0.0, csr_array(entries, shape=(count, len(covered))), **limits)
    program.add_columns(1.0, csr_array((len(members), len(covered))), lower=0.0)
    orders = [_order(expression, rows[member]) for member in members]
    best: tuple[float, list[NDArray[np.float64]]] = (np.inf, [])

    def grow(solution: LinearSolution) -> bool:
        nonlocal best
        shares = [solution.values[a:b] for a, b in itertools.pairwise(offsets.tolist())]
        found, columns, starts, numbers = 0.0, [], [0], []
        for b, (member, share, order) in enumerate(zip(members, shares, orders, strict=True)):
            value, products = _best_products(expression, rows[member], share, order)
            found += value
            if value > solution.values[count + b] + _TOLERANCE * largest:
                columns += [*range(offsets[b], offsets[b + 1]), count + b]
                numbers += [*(-products).tolist(), 1.0]
                starts.append(len(columns))
        if found < best[0]:
            best = (found, shares)
        if len(starts) == 1:
            return False
        shape = (len(starts) - 1, count + len(members))
        matrix = csr_array((np.array(numbers), np.array(columns), np.array(starts)), shape=shape)
        program.add_rows(0.0, np.inf, matrix)
        return True

    program.solve_growing(grow, _MAX_ROUNDS)
    even = [values[member] / times[member] for member in members]
    total = sum(
        _best_products(expression, rows[member], share, order)[0]
        for member, share, order in zip(members, even, orders, strict=True)
    )
    return best[1] if best[0] < total else even


def _order(expression: ManyPartyExpression, rows: NDArray[np.int8]) -> EliminationOrder:
    settings = expression.scenario.num_settings
    terms = integer_terms(SparseExpression(expression.scenario, rows, np.ones(len(rows))))
    return best_order(terms.scopes, np.repeat(np.arange(len(settings)), settings).tolist())


def _best_products(
    expression: ManyPartyExpression, rows: NDArray[np.int8], share: NDArray[np.float64], order: EliminationOrder
) -> tuple[float, NDArray[np.float64]]:
    """The largest value of a part, up to rounding, and the products of signs of its terms that reach it."""
    scale = 2.0 ** (_PART_BITS - np.frexp(np.abs(share).max(initial=1e-9))[1])
    part = SparseExpression(expression.scenario, rows, np.rint(share * scale))
    largest, signs = largest_value(integer_terms(part), order)
    first = np.cumsum([0, *expression.scenario.num_settings[:-1]])
    chosen = signs[np.where(rows == ABSENT, 0, rows + first)]
    products = np.where(rows == ABSENT, 1, chosen).prod(axis=1, dtype=np.int64)
    return largest / scale, products.astype(np.float64)


def _exact_value(part: SparseExpression) -> Fraction:
    terms = integer_terms(part)
    return terms.value(largest_value(terms, _order(part, part.rows))[0])
