"""Products of outcomes of many parties, read off the packed bits without a table.

The product of outcomes +1 and -1 is +1 or -1 as the number of bits that are set is even or odd. For one term per run,
the bits of a shot are masked and counted. For many terms, the bits are turned round: one row of bits per party over
all shots, and one per party and setting that says in which shots it was measured. A term is then a few bitwise
operations on rows, for all shots at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..._support.validation import frozen, instance, whole_array
from ...exceptions import CountsError
from .runs import ABSENT
from .shots import ManyPartyShots

__all__ = ["BlockSums", "TermMeans", "block_sums", "drawn_products", "shot_blocks", "term_means", "term_sums"]

# Shots that are unpacked at once, a multiple of 64.
_SHOTS_AT_ONCE = 1 << 16


class TermMeans(NamedTuple):
    """Correlators that were estimated from shots, as :func:`term_means` returns them: means and numbers of shots.

    A tuple of two arrays, so that ``means, num_shots = term_means(shots, rows)`` reads them.

    Examples:
        >>> means = TermMeans(np.array([1.0, 0.2]), np.array([10, 400]))
        >>> means.standard_errors.round(3).tolist()
        [0.175, 0.049]
    """

    means: NDArray[np.float64]
    """Mean product of the outcomes of each term, shape ``(T,)``; NaN if it was not measured."""
    num_shots: NDArray[np.int64]
    """Number of shots whose settings agree with each term, shape ``(T,)``."""

    @property
    def standard_errors(self) -> NDArray[np.float64]:
        """Standard error of each mean, shape ``(T,)``, for independent shots; NaN if it was not measured.

        No mean is taken to be nearer to +1 or -1 than one of n + 2 shots would put it (Laplace's rule): shots that all
        agree do not say that all others would.
        """
        n = np.where(self.num_shots > 0, self.num_shots, np.nan)
        size = np.minimum(np.abs(self.means), n / (n + 2))
        return np.sqrt((1 - size**2) / n)


def term_means(shots: ManyPartyShots, rows: ArrayLike) -> TermMeans:
    """Returns the mean of each term and its number of shots, from all runs whose settings agree with it.

    Args:
        shots: The shots.
        rows: Terms, shape ``(T, N)``: the setting of each party, -1 if it does not take part.

    Returns:
        The means, the numbers of shots, and as ``standard_errors`` the errors of the means.

    Raises:
        CountsError: If the rows are not terms of the shots' scenario.

    Examples:
        >>> from qiskit_lhv import BellScenario
        >>> packed = np.array([[0b00], [0b11], [0b01], [0b10]], dtype=np.uint8)
        >>> shots = ManyPartyShots(BellScenario([2, 2], 2), [[0, 0], [0, 1]], [2, 2], packed, "blocks")
        >>> means, numbers = term_means(shots, [[0, 0], [0, 1], [0, -1]])
        >>> means.tolist(), numbers.tolist()
        ([1.0, -1.0, 0.0], [2, 2, 4])
    """
    sums, numbers = term_sums(shots, rows)
    with np.errstate(invalid="ignore"):
        means = np.where(numbers > 0, sums / np.maximum(numbers, 1), np.nan)
    return TermMeans(frozen(means), frozen(numbers))


def term_sums(shots: ManyPartyShots, rows: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns the sum of the products of outcomes of each term, and its number of shots; see :func:`term_means`.

    Args:
        shots: The shots.
        rows: Terms, shape ``(T, N)``.

    Raises:
        CountsError: If the rows are not terms of the shots' scenario.
    """
    instance(shots, ManyPartyShots, "shots", CountsError)
    terms = _checked_terms(rows, shots)
    outcomes, measured, everywhere = _turned(shots)
    sums, numbers = np.zeros(len(terms), dtype=np.int64), np.zeros(len(terms), dtype=np.int64)
    for t, row in enumerate(terms):
        parties = np.flatnonzero(row != ABSENT)
        # A term in which no party takes part is a constant, +1 in every shot.
        agrees, odd = everywhere.copy(), np.zeros_like(everywhere)
        for party in parties:
            agrees &= measured[party][row[party]]
            odd ^= outcomes[party]
        numbers[t] = np.bitwise_count(agrees).sum(dtype=np.int64)
        sums[t] = numbers[t] - 2 * int(np.bitwise_count(agrees & odd).sum(dtype=np.int64))
    return sums, numbers


def drawn_products(shots: ManyPartyShots) -> NDArray[np.int64]:
    """Returns the sum, over the shots of each run, of the product of the outcomes of its drawn term, shape ``(R,)``.

    Args:
        shots: Shots with the design ``"random"``.

    Raises:
        CountsError: If no terms were drawn.
    """
    if shots.drawn_terms is None:
        raise CountsError.bad_argument("shots", expected="a drawn term for every run", got="shots in blocks")
    masks = np.packbits(shots.drawn_terms != ABSENT, axis=1, bitorder="little")
    products = np.empty(shots.total_shots, dtype=np.int8)
    for first, last, runs in shot_blocks(shots):
        odd = _odd(shots.packed[first:last] & masks[runs])
        products[first:last] = 1 - 2 * odd.astype(np.int8)
    return np.add.reduceat(products, shots.starts, dtype=np.int64)


def shot_blocks(shots: ManyPartyShots) -> Iterator[tuple[int, int, NDArray[np.int64]]]:
    """Yields blocks of shots: the first, the one after the last, and the run of each.

    Args:
        shots: The shots.
    """
    total = shots.total_shots
    ends = np.cumsum(shots.shots)
    for first in range(0, total, _SHOTS_AT_ONCE):
        last = min(first + _SHOTS_AT_ONCE, total)
        yield first, last, np.searchsorted(ends, np.arange(first, last), side="right")


def _checked_terms(rows: ArrayLike, shots: ManyPartyShots) -> NDArray[np.int8]:
    """Terms as int8.

    Raises:
        CountsError: If they are not terms of the scenario.
    """
    given = np.asarray(rows)
    terms = given if given.dtype == np.int8 else whole_array(rows, "rows", CountsError)
    n = shots.num_parties
    if terms.ndim != 2 or terms.shape[1] != n:
        raise CountsError.bad_argument("rows", expected=f"terms, shape (T, {n})", got=f"shape {terms.shape}")
    if np.any(terms < ABSENT) or np.any(terms >= np.array(shots.scenario.num_settings)):
        raise CountsError.bad_argument(
            "rows", expected="settings of each party from 0 on, or -1 if it does not take part", got="others"
        )
    return terms.astype(np.int8, copy=False)


def _odd(masked: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Whether an odd number of bits is set in each row."""
    rows, width = masked.shape
    words = -(-width // 8)
    padded = masked
    if width % 8:
        padded = np.zeros((rows, 8 * words), dtype=np.uint8)
        padded[:, :width] = masked
    whole = np.ascontiguousarray(padded).view(np.uint64)
    folded = whole[:, 0].copy()
    for j in range(1, words):
        folded ^= whole[:, j]
    return (np.bitwise_count(folded) & 1).astype(bool)


def _turned(
    shots: ManyPartyShots,
) -> tuple[NDArray[np.uint64], list[NDArray[np.uint64]], NDArray[np.uint64]]:
    """One row of bits over all shots: for the outcome of each party, for each of its settings, and for all shots."""
    n, total = shots.num_parties, shots.total_shots
    width = 8 * -(-total // 64)
    outcomes = np.zeros((n, width), dtype=np.uint8)
    measured = [np.zeros((m, width), dtype=np.uint8) for m in shots.scenario.num_settings]
    everywhere = np.zeros(width, dtype=np.uint8)
    everywhere[: -(-total // 8)] = np.packbits(np.ones(total, dtype=bool))
    for first, last, runs in shot_blocks(shots):
        place = slice(first // 8, -(-last // 8))
        bits = np.unpackbits(shots.packed[first:last], axis=1, count=n, bitorder="little")
        outcomes[:, place] = np.packbits(np.ascontiguousarray(bits.T), axis=1)
        settings = np.ascontiguousarray(shots.settings[runs].T)
        for party in range(n):
            for x in range(len(measured[party])):
                measured[party][x, place] = np.packbits(settings[party] == x)
    return outcomes.view(np.uint64), [rows.view(np.uint64) for rows in measured], everywhere.view(np.uint64)


class BlockSums(NamedTuple):
    """Sums of products of outcomes by setting combination, for every term that its settings agree with."""

    settings: NDArray[np.int8]
    """The setting combinations that were measured and agree with a term, shape ``(G, N)``."""
    num_shots: NDArray[np.int64]
    """Number of shots of each, shape ``(G,)``."""
    blocks: NDArray[np.int64]
    """For each pair of a setting combination and a term that agree, the combination, shape ``(P,)``."""
    terms: NDArray[np.int64]
    """For each pair, the term, shape ``(P,)``."""
    sums: NDArray[np.int64]
    """For each pair, the sum of the products of outcomes over the combination's shots, shape ``(P,)``."""


def block_sums(shots: ManyPartyShots, rows: ArrayLike) -> BlockSums:
    """Returns the sums of the products of outcomes of terms, separately for each setting combination.

    Args:
        shots: The shots.
        rows: Terms, shape ``(T, N)``.

    Raises:
        CountsError: If the rows are not terms of the shots' scenario.
    """
    terms = _checked_terms(rows, shots)
    settings, combination = np.unique(shots.settings, axis=0, return_inverse=True)
    of_shots = np.repeat(combination.ravel(), shots.shots)
    order = np.argsort(of_shots, kind="stable")
    numbers = np.bincount(of_shots, minlength=len(settings))
    ends = np.cumsum(numbers)
    supports = [np.flatnonzero(row != ABSENT) for row in terms]
    kept: list[int] = []
    pairs: list[tuple[int, int, int]] = []
    for g, row in enumerate(settings):
        agreeing = np.flatnonzero(np.all((terms == ABSENT) | (terms == row), axis=1))
        if not len(agreeing):
            continue
        bits = np.unpackbits(
            shots.packed[order[ends[g] - numbers[g] : ends[g]]], axis=1, count=shots.num_parties, bitorder="little"
        )
        outcomes = np.packbits(np.ascontiguousarray(bits.T), axis=1)
        for t in agreeing:
            odd = np.bitwise_xor.reduce(outcomes[supports[t]], axis=0)
            minus = int(np.bitwise_count(odd).sum(dtype=np.int64))
            pairs.append((len(kept), int(t), int(numbers[g]) - 2 * minus))
        kept.append(g)
    table = np.array(pairs, dtype=np.int64).reshape(-1, 3)
    return BlockSums(settings[kept], numbers[kept].astype(np.int64), table[:, 0], table[:, 1], table[:, 2])
