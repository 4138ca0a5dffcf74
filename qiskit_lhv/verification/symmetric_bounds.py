"""Local bounds of expressions in which all parties are alike, proven by sums over products of binomial coefficients.

What a strategy reaches depends only on how many parties answer in each way. For every number of them, the sum of all
correlators of a type is written out: how many parties of each way have each setting, with the signs of their answers.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .rationals import binary_integers
from .remembered_checks import remembered
from .result import Verification

__all__ = ["prove_by_counting", "value_of_counts"]

_MAX_CASES = 1 << 25
_MAX_WORK = 1 << 26
_COST_OF_PARTY = 100

Kind = tuple[int, ...]


def prove_by_counting(
    num_parties: int, types: NDArray[np.int64], coefficients: NDArray[np.float64], claim: Fraction
) -> Verification:
    """Proves that no deterministic strategy exceeds a value, which settles all local models.

    Args:
        num_parties: Number of parties.
        types: Shape ``(K, m)``: how many parties have each setting in the terms of each type.
        coefficients: Shape ``(K,)``: the coefficient of every term of each type.
        claim: The value.
    """
    content = ("counting", num_parties, types, coefficients)
    check = remembered(lambda: _largest(num_parties, types, coefficients), *content)
    if isinstance(check, float):
        return Verification.unproven("there are too many cases to count again", cost=check)
    if check <= claim:
        return Verification(
            True, f"no strategy exceeds {_shown(claim)}, whatever number of parties answers in each way"
        )
    return Verification(
        False, f"a strategy reaches {_shown(check)}, the claimed bound is {_shown(claim)}", _size(check - claim)
    )


def value_of_counts(
    num_parties: int, types: NDArray[np.int64], coefficients: NDArray[np.float64], counts: dict[Kind, int]
) -> Fraction:
    """The exact value when so many parties answer with each tuple of signs."""
    terms, exponent = _terms(types, coefficients)
    constant = terms.pop((0,) * types.shape[1], 0)
    overall = 1
    if _all_take_part(num_parties, terms):
        # A common factor of each party: its answer to setting 0.
        overall = math.prod(signs[0] ** count for signs, count in counts.items())
        terms = {kind[1:]: value for kind, value in terms.items()}
        counts = _added_up((tuple(s * signs[0] for s in signs[1:]), count) for signs, count in counts.items())
    table = _table(terms, types.shape[1])
    sums = np.zeros(table.shape, dtype=object)
    sums[(0,) * sums.ndim] = 1
    for signs, count in counts.items():
        for _ in range(count):
            sums = _with_party(sums, signs)
    return Fraction(constant + overall * _product(table, sums), 2**exponent)


def _terms(types: NDArray[np.int64], coefficients: NDArray[np.float64]) -> tuple[dict[Kind, int], int]:
    integers, exponent = binary_integers(coefficients)
    terms: dict[Kind, int] = {}
    for kind, value in zip(types.tolist(), integers.tolist(), strict=True):
        terms[tuple(kind)] = terms.get(tuple(kind), 0) + value
    return {kind: value for kind, value in terms.items() if value}, exponent


def _all_take_part(n: int, terms: dict[Kind, int]) -> bool:
    return bool(terms) and all(sum(kind) == n for kind in terms)


def _added_up(pairs: Iterable[tuple[Kind, int]]) -> dict[Kind, int]:
    total: dict[Kind, int] = {}
    for key, value in pairs:
        total[key] = total.get(key, 0) + value
    return total


def _largest(n: int, types: NDArray[np.int64], coefficients: NDArray[np.float64]) -> Fraction | float:
    """The largest value, or the number of cases it would take."""
    terms, exponent = _terms(types, coefficients)
    m = types.shape[1]
    if max(map(sum, terms), default=0) <= 2:
        cases = math.comb(n + 2**m - 1, n)
        return Fraction(_largest_of_pairs(n, terms, m), 2**exponent) if cases <= _MAX_CASES else float(cases)
    constant = terms.pop((0,) * m, 0)
    if m == 2 and _all_take_part(n, terms):
        work = (n + 1) * sum(min(kind) + 1 for kind in terms)
        largest = _largest_of_full(n, terms) if work <= _MAX_WORK else None
    else:
        table = _table(terms, m)
        work = math.comb(n + 2**m, n) * (table.size + _COST_OF_PARTY)
        largest = _largest_by_party(n, table, m) if work <= _MAX_WORK else None
    if largest is None:
        return float(min(work, 10**300))
    return Fraction(constant + largest, 2**exponent)


def _largest_of_full(n: int, terms: dict[Kind, int]) -> int:
    """The largest value of correlators of all parties with two settings, by Krawtchouk polynomials.

    If p parties answer alike to both settings and the others differently, the correlators in which k parties have
    setting 1 add up to ``sum_j (-1)**j C(n - p, j) C(p, k - j)``, up to a sign of all.
    """
    best = 0
    for p in range(n + 1):
        alike = [math.comb(p, j) for j in range(p + 1)]
        unlike = [(-1) ** j * math.comb(n - p, j) for j in range(n - p + 1)]
        value = 0
        for (_, k), coefficient in terms.items():
            places = range(max(0, k - p), min(k, n - p) + 1)
            value += coefficient * sum(unlike[j] * alike[k - j] for j in places)
        best = max(best, abs(value))
    return best


def _table(terms: dict[Kind, int], m: int) -> NDArray[Any]:
    """Coefficients by type, an axis per setting."""
    num_settings = len(next(iter(terms))) if terms else m
    highest = [max((kind[x] for kind in terms), default=0) for x in range(num_settings)]
    table = np.zeros([k + 1 for k in highest], dtype=object)
    for kind, value in terms.items():
        table[kind] = value
    return table


def _product(table: NDArray[Any], sums: NDArray[Any]) -> int:
    return int(sum(a * b for a, b in zip(table.ravel().tolist(), sums.ravel().tolist(), strict=True)))


def _with_party(sums: NDArray[Any], signs: Kind) -> NDArray[Any]:
    """The sums of all correlators of each type, with one more party that answers with these signs."""
    result = sums.copy()
    for x, sign in enumerate(signs):
        before = (slice(None),) * x
        result[(*before, slice(1, None))] += sign * sums[(*before, slice(None, -1))]
    return result


def _largest_by_party(n: int, table: NDArray[Any], m: int) -> int:
    """The largest value, where one party after the other chooses its answers, none an earlier way than the last."""
    ways = list(itertools.product((1, -1), repeat=m))
    start = np.zeros(table.shape, dtype=object)
    start[(0,) * m] = 1
    best: int | None = None
    waiting = [(start, 0, 0)]
    while waiting:
        sums, first, parties = waiting.pop()
        if parties == n:
            value = _product(table, sums)
            best = value if best is None else max(best, value)
        else:
            waiting += [(_with_party(sums, ways[way]), way, parties + 1) for way in range(first, len(ways))]
    assert best is not None
    return best


def _largest_of_pairs(n: int, terms: dict[Kind, int], m: int) -> int:
    """The largest value for correlators of at most two parties, by the sums of all outcomes of each setting."""
    ways = np.array(list(itertools.product((1, -1), repeat=m)), dtype=np.int64)
    best: int | None = None
    large = 4 * n * n * sum(map(abs, terms.values())) >= 2**62
    for first in _compositions_of_up_to(n, max(0, len(ways) - 3)):
        rest = n - sum(first)
        # The last three ways, all at once.
        a, b = np.divmod(np.arange((rest + 1) ** 2), rest + 1)
        inside = a + b <= rest
        last = np.stack([a[inside], b[inside], rest - a[inside] - b[inside]])[-min(3, len(ways)) :]
        if len(ways) < 3:
            last = last[:, a[inside] == 0]
        counts = np.concatenate([np.repeat(np.array(first, dtype=np.int64)[:, None], last.shape[1], axis=1), last])
        if large:
            counts = counts.astype(object)
        sums = ways.T @ counts
        value = counts[0] * 0
        for kind, coefficient in terms.items():
            present = [x for x in range(m) for _ in range(kind[x])]
            if len(present) == 2:
                x, y = present
                ordered = sums[x] * sums[y] - (ways[:, x] * ways[:, y]) @ counts
                value = value + coefficient * (ordered // 2 if x == y else ordered)
            else:
                value = value + coefficient * (sums[present[0]] if present else 1)
        top = int(value.max())
        best = top if best is None else max(best, top)
    assert best is not None
    return best


def _compositions(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    """All tuples of so many numbers with this sum."""
    if parts == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in _compositions(total - first, parts - 1):
            yield (first, *rest)


def _compositions_of_up_to(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    """All tuples of so many numbers whose sum is at most this."""
    for numbers in _compositions(total, parts + 1):
        yield numbers[:-1]


def _shown(value: Fraction) -> str:
    return f"{_size(value):.12g}"


def _size(value: Fraction) -> float:
    """A rational number as a float, infinite if it is none."""
    try:
        return float(value)
    except OverflowError:
        return math.inf
