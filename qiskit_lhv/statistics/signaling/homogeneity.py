"""Tests whether several distributions are the same, exact where cells are thinly filled; corrections for many tests."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..._support.types import FloatArray, IntArray

__all__ = ["HomogeneityTests", "bonferroni", "compare_rows", "fisher_p_value", "holm"]


# The chi-square distribution is used from this smallest expected count on: for rows with about equal numbers of shots,
# and for unequal ones. Fisher's test of two by two tables costs so little that it is used up to larger counts.
_FILLED, _FILLED_UNEQUAL = 20.0, 100.0
_FILLED_TWO_BY_TWO, _FILLED_TWO_BY_TWO_UNEQUAL = 50.0, 500.0
# Where the rarer row and the rarer outcome both have less than this share, counts have a long tail on one side.
_UNEQUAL_SHARE = 0.25
# Random tables of the first stage; those of a later one are drawn where the p-value before was at most its limit.
_FIRST_DRAWS = 199
_SUM_STAGES = ((0.05, 1999), (0.005, 39_999))
_TABLE_STAGES = ((0.01, 9_999),)
# Hypergeometric numbers that one stage may draw, and that are held at once.
_MOST_DRAWS, _DRAWS_AT_ONCE = 4_000_000, 1_000_000
# NumPy draws hypergeometric numbers from fewer than this.
_LARGEST_TABLE = 10**9
# Cells of a table whose own test is made: those that stand out most.
_CELLS_TESTED = 3
_TIE_TOLERANCE = 1e-7


@dataclass(frozen=True)
class HomogeneityTests:
    """Tests of many tables, whose rows should follow one distribution each, and of all of them together."""

    statistics: FloatArray
    """Pearson's chi-square of each table, shape ``(T,)``."""
    degrees_of_freedom: IntArray
    """Degrees of freedom of each."""
    p_values: FloatArray
    """p-value of each table."""
    exact: NDArray[np.bool_]
    """Whether it is exact (valid for any number of shots) or that of the chi-square distribution."""
    total_p_value: float
    """p-value of the sum of all statistics."""
    total_exact: bool
    """Whether that is exact."""


def compare_rows(tables: IntArray, rng: np.random.Generator) -> HomogeneityTests:
    """Tests whether the rows of each table follow one distribution.

    Given the sums of its rows and columns, a table with equal distributions is a random table with these sums: every
    way to assign the outcomes seen to the shots is equally likely. This gives exact p-values where the smallest
    expected count is too small for the chi-square distribution. For two by two tables it is Fisher's p-value in closed
    form. For other tables it is twice the smaller of two: the share of random tables with a statistic at least as
    large, and Bonferroni's p-value of single cells against the rest, which can be arbitrarily small. If any table is
    thinly filled, the sum of all statistics is compared with that of random tables.

    Args:
        tables: Counts of disjoint shots, shape ``(T, m, d)``. A table with fewer rows than others has rows without
            shots after them; every table has at least two rows with shots.
        rng: Draws the random tables.
    """
    from scipy.special import chdtrc

    shots = tables.sum(axis=(1, 2))
    rows, columns = tables.sum(axis=2), tables.sum(axis=1)
    expected = rows[:, :, None] * (columns / shots[:, None])[:, None, :]
    seen = columns > 0
    inverse = np.divide(1.0, expected, out=np.zeros_like(expected), where=expected > 0)
    statistics = ((tables - expected) ** 2 * inverse).sum(axis=(1, 2))
    there = rows > 0
    num_rows = there.sum(axis=1)
    fewest_in_row = np.where(there, rows, shots[:, None]).min(axis=1)
    freedom = (num_rows - 1) * (seen.sum(axis=1) - 1)
    p_values = np.where(freedom > 0, chdtrc(np.maximum(freedom, 1), statistics), 1.0)
    fewest = np.where(seen[:, None, :] & there[:, :, None], expected, np.inf).min(axis=(1, 2))
    two_by_two = (num_rows == 2) & (seen.sum(axis=1) == 2)
    shares = np.where(seen, columns / shots[:, None], np.inf).min(axis=1)
    skewed = two_by_two & (np.maximum(fewest_in_row / shots, shares) < _UNEQUAL_SHARE)
    unequal = np.where(two_by_two, skewed, num_rows * fewest_in_row < 2 * _UNEQUAL_SHARE * shots)
    filled = np.where(unequal, _FILLED_UNEQUAL, _FILLED)
    exact = (freedom > 0) & (fewest < np.where(two_by_two, _two_by_two_limit(skewed), filled))
    for t in np.flatnonzero(exact & two_by_two):
        first = int(np.flatnonzero(seen[t])[0])
        p_values[t] = fisher_p_value(int(tables[t, 0, first]), int(rows[t, 0]), int(columns[t, first]), int(shots[t]))
    several = exact & ~two_by_two
    for t in np.flatnonzero(several):
        k = num_rows[t]
        p_values[t] = _single_cells(tables[t, :k], rows[t, :k], columns[t], expected[t, :k])
    total_exact = bool(np.any((freedom > 0) & (fewest < filled)))
    if total_exact:
        # A table too large to be drawn at random is left out of the sum, which its margins alone decide.
        drawn = np.flatnonzero((freedom > 0) & (shots < _LARGEST_TABLE))
        sampler = _Sampler(rows[drawn], columns[drawn], expected[drawn], inverse[drawn], statistics[drawn], rng)
        by_table, total = sampler.p_values(several[drawn])
        p_values[drawn] = np.where(
            several[drawn], np.minimum(1, 2 * np.minimum(p_values[drawn], by_table)), p_values[drawn]
        )
    else:
        total = float(chdtrc(freedom.sum(), statistics.sum())) if freedom.any() else 1.0
    return HomogeneityTests(statistics, freedom, p_values, exact, total, total_exact)


def fisher_p_value(count: int, row: int, column: int, shots: int) -> float:
    """Fisher's exact p-value of a two by two table: that the first entry lies as far from its mean, on either side.

    Args:
        count: The first entry.
        row: Sum of its row.
        column: Sum of its column.
        shots: Sum of all four.

    References:
        R. A. Fisher, J. R. Stat. Soc. 98, 39 (1935).
    """
    low, high = max(0, row + column - shots), min(row, column)
    if low == high:
        return 1.0
    # Ratios of neighboring probabilities, which lose no digits however many shots there are.
    k = np.arange(low, high, dtype=np.float64)
    logs = np.concatenate(
        [[0.0], np.cumsum(np.log((row - k) * (column - k)) - np.log((k + 1) * (shots - row - column + k + 1)))]
    )
    weights = np.exp(logs - logs.max())
    distance = np.abs(np.arange(low, high + 1) - row * (column / shots))
    far = distance >= distance[count - low] - _TIE_TOLERANCE
    return float(max(min(1.0, weights[far].sum() / weights.sum()), np.finfo(float).tiny))


def _single_cells(table: IntArray, rows: IntArray, columns: IntArray, expected: FloatArray) -> float:
    """Fisher's test of single cells against the rest, with Bonferroni's correction for all cells there are."""
    # With two rows, the cells of the second say what those of the first do.
    tested = 1 if len(table) == 2 else len(table)
    with np.errstate(divide="ignore", invalid="ignore"):
        deviations = np.where(expected > 0, (table - expected) ** 2 / expected, 0.0)[:tested]
    shots = int(rows.sum())
    # Testing fewer cells than are corrected for only makes the p-value larger.
    places = np.argsort(-deviations, axis=None)[:_CELLS_TESTED]
    cells = [np.unravel_index(place, deviations.shape) for place in places]
    smallest = min(_one_cell(int(table[i, j]), int(rows[i]), int(columns[j]), shots) for i, j in cells)
    return min(1.0, tested * int(np.count_nonzero(columns)) * smallest)


def _one_cell(count: int, row: int, column: int, shots: int) -> float:
    """p-value of one cell against the rest: Fisher's, or chi-square's where all four are well filled."""
    from scipy.special import chdtrc

    row, count = (row, count) if 2 * row <= shots else (shots - row, column - count)
    expected = row * (column / shots)
    skewed = max(row, min(column, shots - column)) < _UNEQUAL_SHARE * shots
    if min(expected, row - expected) < _two_by_two_limit(np.array(skewed)):
        return fisher_p_value(count, row, column, shots)
    variance = expected * ((shots - row) / shots) * ((shots - column) / (shots - 1))
    return float(chdtrc(1, (count - expected) ** 2 / variance))


def _two_by_two_limit(skewed: NDArray[np.bool_]) -> FloatArray:
    return np.where(skewed, _FILLED_TWO_BY_TWO_UNEQUAL, _FILLED_TWO_BY_TWO)


@dataclass(frozen=True)
class _Sampler:
    """Draws random tables with given sums of rows and columns, and their statistics."""

    rows: IntArray
    columns: IntArray
    expected: FloatArray
    inverse: FloatArray
    observed: FloatArray
    rng: np.random.Generator

    def p_values(self, wanted: NDArray[np.bool_]) -> tuple[FloatArray, float]:
        """The p-value of each table that is wanted (1 elsewhere), and of the sum."""
        count = len(self.rows)
        by_table, total = np.ones(count), 1.0
        if not count:
            return by_table, total
        everything = np.arange(count)
        first = self._statistics(everything, _FIRST_DRAWS)
        total = _share(first.sum(axis=1), self.observed.sum())
        # A stage's p-value stands if it is above the limit; else that of shots drawn afresh does. Either is valid, and
        # below the limit only the later one is ever given, so what is given is valid too.
        for limit, draws in _SUM_STAGES:
            affordable = min(draws, _MOST_DRAWS // self._cost(count))
            if total > limit or affordable <= _FIRST_DRAWS:
                break
            total = _share(self._sums(affordable), self.observed.sum())
        for t in np.flatnonzero(wanted):
            by_table[t] = _share(first[:, t], self.observed[t])
            for limit, draws in _TABLE_STAGES:
                affordable = min(draws, _MOST_DRAWS // self._cost(1))
                if by_table[t] > limit or affordable <= _FIRST_DRAWS:
                    break
                by_table[t] = _share(self._statistics(np.array([t]), affordable)[:, 0], self.observed[t])
        return by_table, total

    def _cost(self, count: int) -> int:
        """Numbers to draw for one random table of each."""
        return count * (self.rows.shape[1] - 1) * max(1, self.columns.shape[1] - 1)

    def _sums(self, draws: int) -> FloatArray:
        everything = np.arange(len(self.rows))
        step = max(1, _DRAWS_AT_ONCE // (len(self.rows) * self.columns.shape[1]))
        parts = [self._statistics(everything, min(step, draws - i)).sum(axis=1) for i in range(0, draws, step)]
        return np.concatenate(parts)

    def _statistics(self, which: IntArray, draws: int) -> FloatArray:
        """Chi-square of random tables, shape ``(draws, len(which))``."""
        rows, expected, inverse = self.rows[which], self.expected[which], self.inverse[which]
        left = np.repeat(self.columns[which][None], draws, axis=0)
        result = np.zeros((draws, len(which)))
        for i in range(rows.shape[1] - 1):
            wanted = np.broadcast_to(rows[:, i], (draws, len(which))).copy()
            remaining = left.sum(axis=2)
            for j in range(left.shape[2] - 1):
                others = remaining - left[:, :, j]
                taken = self.rng.hypergeometric(left[:, :, j], others, wanted)
                result += (taken - expected[:, i, j]) ** 2 * inverse[:, i, j]
                remaining, wanted = others, wanted - taken
                left[:, :, j] -= taken
            result += (wanted - expected[:, i, -1]) ** 2 * inverse[:, i, -1]
            left[:, :, -1] -= wanted
        return result + ((left - expected[:, -1]) ** 2 * inverse[:, -1]).sum(axis=2)


def _share(drawn: FloatArray, observed: float) -> float:
    """Share of random tables that reach the observed statistic, with the observed one among them."""
    return float((1 + np.count_nonzero(drawn >= observed - _TIE_TOLERANCE * (1 + abs(observed)))) / (len(drawn) + 1))


def holm(p_values: FloatArray) -> FloatArray:
    """p-values after Holm's correction for their number.

    References:
        S. Holm, Scand. J. Statist. 6, 65 (1979).
    """
    order = np.argsort(p_values, kind="stable")
    adjusted = np.empty(len(p_values))
    raised = (len(p_values) - np.arange(len(p_values))) * p_values[order]
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(raised))
    return adjusted


def bonferroni(p_values: list[float]) -> float:
    """Bonferroni's p-value of several."""
    return min(1.0, len(p_values) * min(p_values)) if p_values else 1.0
