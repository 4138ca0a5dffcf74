"""In which order the signs of a strategy are eliminated, and what that takes.

An order of elimination is a tree decomposition of the graph that joins two signs where a term has both. The tables of
an elimination have one axis of length 2 per sign, so the order decides on time and memory.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

__all__ = ["EliminationOrder", "best_order"]

Scope = tuple[int, ...]

# A graph of treewidth w has fewer than w edges per node. With so many, no order has tables that fit, and a search for
# good ones would be long.
_MANY_NEIGHBORS = 32
# A greedy contraction looks at all pairs of terms that share a sign.
_MANY_PAIRS_OF_TERMS = 1 << 19


@dataclass(frozen=True)
class EliminationOrder:
    """An order of elimination of signs, and the tables that it makes."""

    signs: tuple[int, ...]
    """The signs in their order."""
    scopes: tuple[Scope, ...]
    """For each sign, the signs of its table, itself included, in the order of elimination."""

    @property
    def width(self) -> int:
        """Width of the tree decomposition: the number of signs of the largest table, less one."""
        return max(map(len, self.scopes), default=1) - 1

    @cached_property
    def num_entries(self) -> int:
        """Number of entries of all tables together."""
        return sum(1 << len(scope) for scope in self.scopes)

    def memory(self, entry_bytes: int) -> int:
        """Largest number of bytes that are needed at once, for entries of so many bytes.

        These are the table in work and its copies, the tables that wait, and one bit per entry for the best answers.
        """
        position = {sign: i for i, sign in enumerate(self.signs)}
        waiting: dict[int, int] = {}
        total = bits = largest = 0
        for i, scope in enumerate(self.scopes):
            table = 1 << len(scope)
            largest = max(largest, total + 2 * table)
            total -= waiting.pop(i, 0)
            bits += table >> 1
            if len(scope) > 1:
                parent = position[scope[1]]
                waiting[parent] = waiting.get(parent, 0) + (table >> 1)
                total += table >> 1
        return entry_bytes * largest + bits // 8 + len(self.signs)


def best_order(scopes: Iterable[Scope], groups: Sequence[int]) -> EliminationOrder:
    """Returns the order with the fewest table entries among some good ones.

    These are those of the greedy contraction of opt_einsum, a library for tensor networks, and of the reverse
    Cuthill-McKee algorithm of SciPy, which sweeps over a lattice; each of the single signs, and of parties, whose signs
    follow one another.

    Args:
        scopes: The signs of each term.
        groups: The party of each sign.
    """
    wanted = _maximal({tuple(sorted(scope)) for scope in scopes})
    signs = sorted({sign for scope in wanted for sign in scope})
    members: dict[int, list[int]] = {}
    for sign in signs:
        members.setdefault(groups[sign], []).append(sign)
    parties = _maximal({tuple(sorted({groups[sign] for sign in scope})) for scope in wanted})
    orders = [*_orders(wanted)]
    orders += [[sign for party in order for sign in members[party]] for order in _orders(parties)]
    candidates = [_with_scopes(order, wanted) for order in orders]
    return min(candidates, key=lambda order: order.num_entries)


def _orders(scopes: list[Scope]) -> list[list[int]]:
    if not scopes:
        return [[]]
    sweep = _sweep(scopes)
    pairs = {pair for scope in scopes for pair in itertools.combinations(sorted(scope), 2)}
    if len(pairs) > _MANY_NEIGHBORS * len({sign for scope in scopes for sign in scope}):
        return [sweep]
    holders = Counter(sign for scope in scopes for sign in scope)
    if sum(number**2 for number in holders.values()) > _MANY_PAIRS_OF_TERMS:
        # The edges of the graph have the same orders of elimination as the terms.
        scopes = sorted(pairs)
    return [_contraction(scopes, "memory-removed"), _contraction(scopes, "size"), sweep, sweep[::-1]]


def _maximal(scopes: set[Scope]) -> list[Scope]:
    """The scopes that no other holds."""
    holders: dict[int, list[frozenset[int]]] = {}
    kept = []
    for scope in sorted(scopes, key=lambda scope: (-len(scope), scope)):
        own = frozenset(scope)
        if scope and not any(own <= other for other in min((holders.get(v, []) for v in scope), key=len)):
            kept.append(scope)
            for sign in scope:
                holders.setdefault(sign, []).append(own)
    return kept


def _contraction(scopes: list[Scope], cost: str) -> list[int]:
    """The order in which signs vanish when terms are contracted greedily, as tensors of a network."""
    from opt_einsum.paths import greedy

    tensors = [frozenset(scope) for scope in scopes]
    sizes = dict.fromkeys({sign for scope in scopes for sign in scope}, 2)
    path = greedy(tensors, frozenset(), sizes, cost_fn=_size_of_result if cost == "size" else cost)
    left: dict[int, int] = {}
    for scope in scopes:
        for sign in scope:
            left[sign] = left.get(sign, 0) + 1
    order: list[int] = []
    for places in path:
        taken = [tensors.pop(place) for place in sorted(places, reverse=True)]
        union = frozenset().union(*taken)
        for sign in union:
            left[sign] -= sum(sign in tensor for tensor in taken) - 1
        gone = sorted(sign for sign in union if left[sign] == 1)
        order += gone
        tensors.append(union - set(gone))
    done = set(order)
    return order + sorted(sizes.keys() - done)


def _size_of_result(size12: int, size1: int, size2: int, k12: int, k1: int, k2: int) -> float:
    """A cost of opt_einsum's greedy contraction: how many signs the result has, then how many went in."""
    return size12 + 1e-6 * (size1 + size2)


def _sweep(scopes: list[Scope]) -> list[int]:
    """The reverse Cuthill-McKee order, in which neighbors are near each other."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import reverse_cuthill_mckee

    signs = sorted({sign for scope in scopes for sign in scope})
    place = {sign: i for i, sign in enumerate(signs)}
    pairs = sorted({(place[u], place[v]) for scope in scopes for u in scope for v in scope if u != v})
    ends = np.array(pairs, dtype=np.int32).reshape(-1, 2).T
    graph = coo_array((np.ones(len(pairs), dtype=np.int8), (ends[0], ends[1])), shape=(len(signs), len(signs)))
    return [signs[i] for i in reverse_cuthill_mckee(graph.tocsr(), symmetric_mode=True).tolist()]


def _with_scopes(order: list[int], scopes: list[Scope]) -> EliminationOrder:
    """An order with the signs of its tables."""
    position = {sign: i for i, sign in enumerate(order)}
    buckets: list[set[int]] = [{i} for i in range(len(order))]
    for scope in scopes:
        places = [position[sign] for sign in scope]
        buckets[min(places)].update(places)
    for i, bucket in enumerate(buckets):
        rest = bucket - {i}
        if rest:
            buckets[min(rest)] |= rest
    return EliminationOrder(tuple(order), tuple(tuple(order[i] for i in sorted(bucket)) for bucket in buckets))
