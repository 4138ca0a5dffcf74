"""Proofs that no local model exceeds a claimed bound: by listing strategies or, for two parties, by branch and bound.

They share no code with the solvers, and start from the claim. In a tree, one party's settings are decided one after the
other, and the other party answers best at the end. An upper limit of all completions of a branch is what the settings
decided so far reach with the best answers, plus what the remaining settings reach with their own best answers, because
the maximum of a sum is at most the sum of the maxima. A branch whose limit is not above the claim is closed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._support.deadlines import time_for_check
from .._support.types import IntArray
from .local_bounds import exact_local_bound, local_bound_cost
from .padding import Outcomes, filled_padding
from .rationals import scaled_to_integers
from .remembered_checks import remembered
from .result import Verification

__all__ = ["BranchProof", "left_open", "prove_by_branches", "prove_local_bound"]


# Up to so many strategies are listed, and so many numbers added up in trees, by the value of ``prove_bound``.
_FEW_LISTED = 1 << 20
_MAX_LISTED = {None: 1 << 26, True: 1 << 36}
_MAX_ADDITIONS = {None: 1 << 31, True: 1 << 38}
_COEFFICIENT_BITS = 60
# Nodes that are looked at together; it changes nothing but the speed.
_NODES_AT_ONCE = 1 << 12
# Work between looks at the clock, where there is a time limit.
_WORK_PER_LOOK = 1 << 24


@dataclass(frozen=True)
class BranchProof:
    """How the proof ended."""

    holds: bool | None
    """Whether no strategy exceeds the claim; ``None`` if the budget was spent before that was known."""
    exceeding: int | None
    """The value of a strategy that exceeds the claim, if one was found."""
    work: int
    """Numbers that were added up."""


class _SpentError(Exception):
    """The budget is spent."""


class _ExceededError(Exception):
    """A strategy exceeds the claim."""

    def __init__(self, value: int) -> None:
        super().__init__()
        self.value = value


def left_open(cost: int, prove_bound: bool | None, what: str = "that no local model exceeds the bound") -> Verification:
    """Whether a bound that takes a list of strategies is to be proven again; if not, the result is "not re-proven".

    Args:
        cost: Number of strategies.
        prove_bound: See :func:`prove_local_bound`.
        what: What would be proven.
    """
    if prove_bound is False:
        return Verification.unproven(f"{what} was not proven again, as asked", cost)
    if cost <= _MAX_LISTED[prove_bound]:
        return Verification(True, f"{what} takes a list of {cost} strategies")
    words = "" if prove_bound else ", which prove_bound=True goes through" if cost <= _MAX_LISTED[True] else ""
    return Verification.unproven(
        f"{what} was not proven again: up to {float(min(cost, 10**300)):.2g} strategies{words}", cost
    )


def prove_local_bound(
    coefficients: NDArray[np.float64],
    claim: Fraction,
    *,
    prove_bound: bool | None = None,
    symmetries: Sequence[tuple[IntArray, IntArray]] = (),
    num_outcomes: Outcomes | None = None,
) -> Verification:
    """Proves in integers that no local model exceeds a claimed bound, by listing strategies or by branch and bound.

    The result for the same numbers is remembered within one process.

    Args:
        coefficients: Shape ``(m_1, ..., m_N, d_1, ..., d_N)``, finite.
        claim: The claimed bound.
        prove_bound: ``None`` proves it if that takes seconds, ``True`` also if it takes minutes; ``False`` does not
            prove it.
        symmetries: Relabelings that leave the coefficients as they are; see :func:`exact_local_bound`.
        num_outcomes: Number of outcomes of every setting, where tables are padded; see :func:`exact_local_bound`.

    Raises:
        ScenarioError: If a relabeling changes the coefficients.
    """
    cost = local_bound_cost(coefficients.shape, num_outcomes)
    if prove_bound is False:
        return Verification.unproven("that no local model exceeds the bound was not proven again, as asked", cost)

    def prove() -> Verification:
        return _prove(coefficients, claim, prove_bound, symmetries, num_outcomes, cost)

    if cost <= _FEW_LISTED:
        return prove()
    limits = (_MAX_LISTED[prove_bound], _MAX_ADDITIONS[prove_bound])
    content = (coefficients, str(claim), prove_bound, [[*symmetry] for symmetry in symmetries], num_outcomes, limits)

    def lasting(found: Verification) -> bool:
        return found.passed or found.refuted or not time_for_check().limited

    return remembered(prove, "local bound", *content, lasting=lasting)


def _prove(
    coefficients: NDArray[np.float64],
    claim: Fraction,
    prove_bound: bool | None,
    symmetries: Sequence[tuple[IntArray, IntArray]],
    num_outcomes: Outcomes | None,
    cost: int,
) -> Verification:
    """The proof of :func:`prove_local_bound`, where one is wanted."""
    scaled = scaled_to_integers(coefficients, _COEFFICIENT_BITS)
    if scaled is None:
        return Verification.unproven("the coefficients are too fine, or too large, to prove a bound in integers")
    listed, work = _MAX_LISTED[prove_bound], _MAX_ADDITIONS[prove_bound]
    exceeding: Fraction | None = None
    proven = False
    if cost > _FEW_LISTED and coefficients.ndim == 4:
        # Whole numbers exceed the claim if and only if they exceed the whole number below it.
        unit = 2 ** scaled[1]
        result = prove_by_branches(scaled[0], math.floor(claim * unit), work, num_outcomes)
        proven = result.holds is True
        exceeding = None if result.exceeding is None else Fraction(result.exceeding, unit)
    # Of strategies that relabelings map to each other fewer are listed; how few shows only on the way.
    if not proven and exceeding is None and (cost <= listed or (prove_bound and len(symmetries))):
        largest = exact_local_bound(coefficients, symmetries, num_outcomes)
        proven = largest <= claim
        exceeding = None if proven else largest
    if proven:
        return Verification(True, f"no local model exceeds {float(claim):.12g}")
    if exceeding is not None:
        return Verification(
            False,
            f"a local model reaches {float(exceeding):.12g}, above the claimed bound {float(claim):.12g}",
            float(exceeding - claim),
        )
    return Verification.unproven(
        f"that no local model exceeds {float(claim):.12g} was not proven again: up to {float(cost):.2g} strategies"
        + ("" if prove_bound else ", which prove_bound=True goes through"),
        cost,
    )


def prove_by_branches(
    integers: IntArray, claim: int, max_work: int, num_outcomes: Outcomes | None = None
) -> BranchProof:
    """Proves, by branch and bound, that no strategy of two parties has a larger value than the claim.

    Args:
        integers: Coefficients, shape ``(m_1, m_2, d_1, d_2)``, whose absolute values add up to less than 2**60.
        claim: The claimed local bound.
        max_work: Number of additions after which to give up.
        num_outcomes: Number of outcomes of every setting, where tables are padded; see :func:`exact_local_bound`.
    """
    m_1, m_2, d_1, d_2 = integers.shape
    sizes = [[d_1] * m_1, [d_2] * m_2] if num_outcomes is None else [list(party) for party in num_outcomes]
    # The party with fewer strategies is decided, setting by setting.
    first = int(math.prod(sizes[0]) > math.prod(sizes[1]))
    tensor = filled_padding(integers, num_outcomes).transpose((1, 3, 0, 2) if first else (0, 2, 1, 3))
    weights = np.abs(tensor).max(axis=1).astype(object).sum(axis=(1, 2))
    order = sorted(range(len(tensor)), key=lambda x: -weights[x])
    tree = _Tree(tensor[order], [sizes[first][x] for x in order], max_work)
    try:
        tree.prove(claim)
    except _SpentError:
        return BranchProof(None, None, tree.work)
    except _ExceededError as found:
        return BranchProof(False, found.value, tree.work)
    return BranchProof(True, None, tree.work)


class _Tree:
    """The tree over the first party's outcomes, its settings in the order given.

    A node is a row: the value if the other party always answers 0, then what each of its other answers would gain.
    """

    def __init__(self, tensor: IntArray, sizes: Sequence[int], max_work: int) -> None:
        self.max_work = max_work
        self.work = 0
        self.deadline = time_for_check()
        self.next_look = _WORK_PER_LOOK
        self.num_gains = tensor.shape[3] - 1
        base = tensor[..., 0].sum(axis=2, keepdims=True)
        gains = (tensor[..., 1:] - tensor[..., :1]).transpose(0, 1, 3, 2).reshape(*tensor.shape[:2], -1)
        rows = np.concatenate([base, gains], axis=2)
        # No partial sum of rows, nor of the entries of one, exceeds this.
        limit = sum(int(largest.max()) for largest in np.abs(rows).astype(object).sum(axis=2))
        kind = np.int32 if limit < 2**31 else np.int64
        self.rows = [table[:size].astype(kind) for table, size in zip(rows, sizes, strict=True)]
        # If it changes nothing to swap all outcomes of both parties, the first setting's outcome may be fixed.
        swapped = tensor[:, ::-1, :, ::-1]
        self.even = tensor.shape[1] == tensor.shape[3] == 2 and np.array_equal(tensor, swapped)

    def prove(self, claim: int) -> None:
        """Raises if a strategy exceeds the claim, or the budget is spent before that is excluded."""
        # tails[k]: the largest value of the last k settings alone.
        tails = [0]
        best_row: Any = np.zeros_like(self.rows[0][0])
        for first in range(len(self.rows) - 1, 0, -1):
            candidates = best_row + self.rows[first]
            scores = self.scores(candidates)
            top = int(scores.argmax())
            best, best_row = self.search(first, tails, int(scores[top]), candidates[top], strict=False)
            tails.append(best)
        self.search(0, tails, claim, best_row, strict=True)

    def search(self, first: int, tails: list[int], known: int, row: Any, *, strict: bool) -> tuple[int, Any]:
        """The largest value of the settings from ``first`` on, if it is above a known one, and its row."""
        stack = [(first + 1, self.rows[first][:1] if self.even else self.rows[first])]
        total = len(self.rows)
        while stack:
            decided, nodes = stack.pop()
            if decided < total:
                nodes = (nodes[:, None] + self.rows[decided]).reshape(-1, nodes.shape[1])
                decided += 1
            self.work += nodes.size
            if self.work > self.max_work or self.late():
                raise _SpentError
            scores = self.scores(nodes)
            if decided == total:
                top = int(scores.argmax())
                if scores[top] > known:
                    known, row = int(scores[top]), nodes[top]
                    if strict:
                        raise _ExceededError(known)
                continue
            # Compared as Python integers would be: the claim may be any number.
            open_nodes = np.flatnonzero(scores.astype(np.int64) > _clipped(known - tails[total - decided]))
            open_nodes = open_nodes[np.argsort(scores[open_nodes], kind="stable")]
            stack += [
                (decided, nodes[open_nodes[start : start + _NODES_AT_ONCE]])
                for start in range(0, len(open_nodes), _NODES_AT_ONCE)
            ]
        return known, row

    def late(self) -> bool:
        """Whether the time of the search that this proof is part of is over."""
        if self.work < self.next_look:
            return False
        self.next_look = self.work + _WORK_PER_LOOK
        return not self.deadline.has()

    def scores(self, nodes: Any) -> Any:
        """The value of each node with the other party's best answers."""
        gains = np.maximum(nodes[:, 1:], 0)
        if self.num_gains > 1:
            gains = gains.reshape(len(nodes), self.num_gains, -1).max(axis=1)
        return nodes[:, 0] + gains.sum(axis=1, dtype=nodes.dtype)


def _clipped(number: int) -> int:
    """The number, or the nearest one that int64 holds: no score is beyond 2**62."""
    return max(-(2**62), min(2**62, number))
