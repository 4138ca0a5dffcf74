"""The largest value of an expression in which all parties are alike, by counting strategies.

The value of a deterministic strategy depends only on how many parties answer in each of the ``2**m`` possible ways. It
is linear in the coefficients of the polynomial ``prod_s (1 + s_0 y_0 + ... + s_(m-1) y_(m-1))**n_s``, where n_s parties
answer with the signs s. Party by party, the coefficients are contracted with these factors, for all numbers at once.
If all parties take part in every term, changing all answers of a party only changes the sign, so that half the ways
suffice.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ....verification.rationals import binary_integers
from ...expressions.many_parties.base import ManyPartyExpression
from ...expressions.many_parties.sparse import SparseExpression

__all__ = ["SymmetricTypes", "best_counts", "symmetric_types"]

_MAX_ENTRIES = 1 << 31
_BATCH_ENTRIES = 1 << 22
_COST_OF_OBJECTS = 32

Signs = tuple[int, ...]


@runtime_checkable
class _ByType(Protocol):
    """An expression that gives its terms by type: how many parties have each setting."""

    types: NDArray[np.int64]
    coefficients: NDArray[np.float64]


@dataclass(frozen=True)
class SymmetricTypes:
    """Terms by type: every correlator in which ``types[t, x]`` parties have setting x has the same coefficient."""

    num_parties: int
    """Number of parties."""
    types: NDArray[np.int64]
    """Shape ``(K, m)``."""
    coefficients: NDArray[np.float64]
    """Shape ``(K,)``."""


def symmetric_types(expression: ManyPartyExpression) -> SymmetricTypes | None:
    """Returns the terms of an expression by type, or ``None`` if it changes when parties are exchanged."""
    if isinstance(expression, _ByType):
        return SymmetricTypes(expression.num_parties, expression.types, expression.coefficients)
    settings, n = expression.scenario.num_settings, expression.num_parties
    if not isinstance(expression, SparseExpression) or len(set(settings)) != 1:
        return None
    kept = expression.coefficients != 0
    rows, coefficients = expression.rows[kept], expression.coefficients[kept]
    counts = np.stack([np.count_nonzero(rows == x, axis=1) for x in range(settings[0])], axis=1)
    types, first, number, sizes = np.unique(counts, axis=0, return_index=True, return_inverse=True, return_counts=True)
    values = coefficients[first]
    complete = all(_multiplicity(n, row) == size for row, size in zip(types.tolist(), sizes.tolist(), strict=True))
    if not complete or not np.array_equal(values[number.ravel()], coefficients):
        return None
    return SymmetricTypes(n, types, values)


def best_counts(symmetric: SymmetricTypes) -> tuple[Fraction, list[tuple[Signs, int]]] | None:
    """Returns the local bound and a strategy that reaches it, or ``None`` if there are too many cases.

    Args:
        symmetric: The terms.

    Returns:
        The bound, exactly, and which signs so many parties answer with.
    """
    n, types = symmetric.num_parties, symmetric.types
    integers, exponent = binary_integers(symmetric.coefficients)
    values = dict(zip(map(tuple, types.tolist()), integers.tolist(), strict=True))
    constant = values.pop((0,) * types.shape[1], 0)
    values = {kind: value for kind, value in values.items() if value}
    weight = sum(abs(value) * _multiplicity(n, kind) for kind, value in values.items())
    full = bool(values) and all(sum(kind) == n for kind in values)
    if full:
        # The answer to setting 0 is +1, up to a sign of all.
        values = {kind[1:]: value for kind, value in values.items()}
    search = _Search.of(values, n, types.shape[1] - full, object if weight >= 1 << 62 else np.int64)
    cost = search.num_entries * (_COST_OF_OBJECTS if search.dtype is object else 1)
    if cost > _MAX_ENTRIES:
        return None
    best, counts = search.run(both_signs=full)
    strategy = [((1,) * full + signs, int(count)) for signs, count in zip(search.signs, counts, strict=True) if count]
    if full and best < 0:
        # One party changes all its answers.
        signs, count = strategy[0]
        strategy = [(tuple(-s for s in signs), 1), (signs, count - 1), *strategy[1:]]
        best = -best
    return Fraction(constant + best, 2**exponent), [(signs, count) for signs, count in strategy if count]


@dataclass
class _Search:
    """The comparison of all numbers of parties that answer in each way."""

    num_parties: int
    table: NDArray[Any]
    """Coefficient of each monomial, shape ``(D_0 + 1, ..., D_(m-1) + 1)``."""
    signs: list[Signs]
    """The ways to answer."""
    dtype: Any

    @classmethod
    def of(cls, values: dict[Signs, int], num_parties: int, num_settings: int, dtype: Any) -> _Search:
        highest = [max((kind[x] for kind in values), default=0) for x in range(num_settings)]
        table = np.zeros([k + 1 for k in highest], dtype=dtype)
        for kind, value in values.items():
            table[kind] = value
        return cls(num_parties, table, list(itertools.product((1, -1), repeat=num_settings)), dtype)

    @property
    def num_entries(self) -> int:
        return math.comb(self.num_parties + len(self.signs) - 1, len(self.signs) - 1) * self.table.size

    def run(self, both_signs: bool) -> tuple[int, NDArray[np.int64]]:
        """The largest value (in size, if ``both_signs``), and the number of parties of each way to answer."""
        best: int | None = None
        counts = np.zeros(len(self.signs), dtype=np.int64)
        start = (self.table[None], np.zeros((1, 0), dtype=np.int64), np.array([self.num_parties]))
        for tables, known, left in self._without_last(*start):
            values = self._with_last(tables, left)
            place = int((np.abs(values) if both_signs else values).argmax())
            value = int(values[place])
            if best is None or (abs(value) > abs(best) if both_signs else value > best):
                best, counts = value, np.append(known[place], left[place])
        assert best is not None
        return best, counts

    def _without_last(
        self, tables: NDArray[Any], known: NDArray[np.int64], left: NDArray[np.int64]
    ) -> Iterator[tuple[NDArray[Any], NDArray[np.int64], NDArray[np.int64]]]:
        """Contracts tables, shape ``(L, ...)``, with the factors of all ways but the last, in batches."""
        way = known.shape[1]
        if way == len(self.signs) - 1:
            yield tables, known, left
            return
        growth = int((left + 1).sum()) * self.table.size
        if growth > _BATCH_ENTRIES and len(left) > 1:
            half = len(left) // 2
            yield from self._without_last(tables[:half], known[:half], left[:half])
            yield from self._without_last(tables[half:], known[half:], left[half:])
            return
        grown = []
        for number in range(int(left.max()) + 1):
            grown.append((tables, np.column_stack([known, np.full(len(left), number)]), left))
            kept = left > 0
            tables, known, left = tables[kept], known[kept], left[kept] - 1
            tables = self._times_factor(tables, self.signs[way])
        yield from self._without_last(*(np.concatenate(parts) for parts in zip(*grown, strict=True)))

    def _times_factor(self, tables: NDArray[Any], signs: Signs) -> NDArray[Any]:
        """What one more party with these signs makes of the coefficients."""
        result = tables.copy()
        for x, sign in enumerate(signs):
            lower = (slice(None),) * (x + 1) + (slice(None, -1),)
            upper = (slice(None),) * (x + 1) + (slice(1, None),)
            result[lower] += sign * tables[upper]
        return result

    def _with_last(self, tables: NDArray[Any], left: NDArray[np.int64]) -> NDArray[Any]:
        """Values, when all parties that are left answer in the last way."""
        values = np.zeros(len(left), dtype=self.dtype)
        for kind in np.ndindex(self.table.shape):
            sign = math.prod(s**k for s, k in zip(self.signs[-1], kind, strict=True))
            ways = {size: sign * _multiplicity(size, kind) for size in set(left.tolist())}
            if any(ways.values()):
                values += np.array([ways[size] for size in left.tolist()], dtype=self.dtype) * tables[:, *kind]
        return values


def _multiplicity(num_parties: int, kind: Any) -> int:
    """The number of terms of a type; 0 if it needs more parties."""
    number, left = 1, num_parties
    for count in kind:
        if count > left:
            return 0
        number *= math.comb(left, count)
        left -= count
    return number
