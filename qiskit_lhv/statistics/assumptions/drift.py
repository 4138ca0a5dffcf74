"""Whether a device changed while the data were taken: an exact permutation test."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..._support.records import Record
from ..._support.types import IntArray
from ..._support.validation import generator, whole_number
from ...exceptions import CountsError
from ...targets.counts import BellCounts
from ...targets.trials import BellTrials
from ..random_orders import MAX_DRAWN

__all__ = ["DriftTest", "drift_test"]


# Expected shots of every cell from which on the chi-square distribution (with Williams's correction) is taken.
_ENOUGH_EXPECTED = 10
# Permutations with a deviance as large as that of the data after which the p-value is known well enough.
_ENOUGH_REACHED = 30
# Cells of the tables of one batch of permutations.
_BATCH_CELLS = 2**22
# Shots put into order, in all permutations together, beyond which fewer permutations are drawn, but not too few.
_MAX_SHOTS_ORDERED, _FEWEST_PERMUTATIONS = 4 * 10**8, 399
# Drawing a cell of a table takes as long as putting so many shots into order.
_SHOTS_PER_CELL = 4


@dataclass(frozen=True, eq=False, repr=False)
class DriftTest(Record):
    """Whether one behavior explains all parts of the data: the goodness of fit of unrestricted models.

    References:
        S. S. Wilks, Ann. Math. Statist. 9, 60 (1938) (likelihood ratios); Williams, Biometrika 63, 33 (1976).

    Examples:
        A device whose visibility falls from 0.9 to 0.8 between two runs:

        >>> from qiskit_lhv import Behavior, werner_state
        >>> from qiskit_lhv.statistics import drift_test
        >>> first = Behavior.from_state(werner_state(0.9), "chsh").sample(2000, seed=1)
        >>> later = Behavior.from_state(werner_state(0.8), "chsh").sample(2000, seed=2)
        >>> test = drift_test([first, later])
        >>> test.num_parts, test.degrees_of_freedom, round(test.deviance, 2), round(test.p_value, 6)
        (2, 12, 43.34, 2e-05)
    """

    deviance: float
    """Twice the log-likelihood that one behavior for each part gains over one behavior for all."""
    degrees_of_freedom: int
    """Number of parameters gained."""
    p_value: float
    """Probability of so large a deviance if nothing changed: from permutations or, if every outcome is expected often
    in every part, from the chi-square distribution."""
    num_parts: int
    """Number of parts."""
    num_replicates: int = 0
    """Number of permutations behind the p-value; 0 if it comes from the chi-square distribution."""

    def __str__(self) -> str:
        return f"drift over {self.num_parts} parts: deviance {self.deviance:.5g}, p = {self.p_value:.3g}"


def drift_test(
    data: BellTrials | BellCounts | Sequence[BellCounts],
    *,
    num_parts: int = 10,
    num_replicates: int = 1999,
    seed: int | None = None,
) -> DriftTest:
    """Tests whether outcomes follow the same behavior throughout (likelihood ratio of homogeneity).

    If they do, and shots are independent, then every order of the outcomes of one setting combination is equally
    likely, given the settings. So the p-value is the share of random orders with a deviance at least as large, where
    the order of the data counts as one of them. It is exact however few shots there are. The draws end early once 30
    orders have reached the deviance; the share is then 30 among those drawn. If each part is expected to hold every
    outcome that was seen at least 10 times, the chi-square distribution with Williams's correction takes the place of
    random orders.

    Args:
        data: Trials, which are cut into parts of equal length in the order they were taken; or the counts of several
            runs, in a list or as their sum.
        num_parts: Number of parts into which trials are cut.
        num_replicates: Largest number of random orders; for many shots with rare outcomes fewer are drawn. The p-value
            is at least 1 / (the number + 1).
        seed: Seed of the random orders.

    Returns:
        The test.

    Raises:
        CountsError: If there are fewer than two parts, the runs' scenarios differ, a number is out of range, or a
            setting combination with rare outcomes has more shots than can be put into random order.

    References:
        Besag and Clifford, Biometrika 78, 301 (1991) (sequential p-values); Williams, Biometrika 63, 33 (1976).

    Examples:
        >>> from qiskit_lhv import Behavior, ghz_state
        >>> devices = [Behavior.from_state(ghz_state(2, v), "chsh") for v in (1.0, 0.2)]
        >>> runs = [device.sample(50, seed=seed) for seed, device in enumerate(devices)]
        >>> print(drift_test(runs, seed=1))
        drift over 2 parts: deviance 50.445, p = 0.0005
    """
    replicates = whole_number(num_replicates, "num_replicates", CountsError, minimum=1)
    num_parts = whole_number(num_parts, "num_parts", CountsError, minimum=2)
    rng = generator(seed)
    table = _table_of_parts(data, num_parts)
    table = table[:, table.any(axis=(0, 2))]
    shots, total = table.sum(axis=2), table.sum(axis=0)
    deviance = _deviance(table)
    parts_seen, outcomes_seen = (shots > 0).sum(axis=0), (total > 0).sum(axis=1)
    freedom = int(np.sum(np.maximum(parts_seen - 1, 0) * np.maximum(outcomes_seen - 1, 0)))
    if freedom == 0:
        return DriftTest(deviance, 0, 1.0, len(table))
    if _smallest_expected(shots, total) >= _ENOUGH_EXPECTED:
        return DriftTest(deviance, freedom, _chi_square_p(deviance, shots, total), len(table))
    p, drawn = _permutation_p(deviance, shots, total, replicates, rng)
    return DriftTest(deviance, freedom, p, len(table), drawn)


def _table_of_parts(data: BellTrials | BellCounts | Sequence[BellCounts], num_parts: int) -> IntArray:
    """Counts of each part, shape ``(K, X, A)``: parts, setting combinations, outcomes."""
    if isinstance(data, BellTrials):
        cuts = np.linspace(0, data.num_trials, min(num_parts, data.num_trials) + 1).astype(int)
        arrays = [data.part(slice(a, b)).table for a, b in pairwise(cuts)]
        half = data.settings.shape[1]
    elif isinstance(data, BellCounts) and data.rounds is not None:
        arrays, half = list(data.rounds), data.scenario.num_parties
    else:
        runs = list(data) if isinstance(data, Iterable) and not isinstance(data, Mapping) else []
        if not runs or not all(isinstance(run, BellCounts) for run in runs):
            got = ", ".join(sorted({type(run).__name__ for run in runs})) or type(data).__name__
            raise CountsError.bad_argument("data", expected="BellTrials, or a list of BellCounts", got=got)
        arrays = [run.array for run in runs]
        half = arrays[0].ndim // 2
        if len({run.scenario for run in runs}) > 1:
            raise CountsError.bad_argument(
                "data", expected="at least two parts of one scenario", got=f"{[str(run.scenario) for run in runs]}"
            )
    if len(arrays) < 2 or len({array.shape for array in arrays}) > 1:
        raise CountsError.bad_argument(
            "data", expected="at least two parts of one scenario", got=f"{[array.shape for array in arrays]}"
        )
    table: IntArray = np.stack(arrays).reshape(len(arrays), int(np.prod(arrays[0].shape[:half])), -1)
    return table


def _deviance(table: IntArray) -> float:
    from scipy.special import xlogy

    def log_likelihood(counts: IntArray, sizes: IntArray) -> float:
        return float(xlogy(counts, counts).sum() - xlogy(sizes, sizes).sum())

    total = table.sum(axis=0)
    return max(0.0, 2 * (log_likelihood(table, table.sum(axis=2)) - log_likelihood(total, total.sum(axis=1))))


def _smallest_expected(shots: IntArray, total: IntArray) -> float:
    """Fewest shots that one behavior for all parts lets expect for an outcome that was seen, in a part with shots."""
    sizes = total.sum(axis=1)
    seen = sizes > 0
    fewest = np.where(shots > 0, shots, np.inf).min(axis=0)[seen]
    rarest = np.where(total > 0, total, np.inf).min(axis=1)[seen]
    return float((fewest * rarest / sizes[seen]).min())


def _chi_square_p(deviance: float, shots: IntArray, total: IntArray) -> float:
    from scipy.special import chdtrc

    freedom, mean = 0, 0.0
    for rows, columns in zip(shots.T, total, strict=True):
        rows, columns = rows[rows > 0], columns[columns > 0]
        free = (len(rows) - 1) * (len(columns) - 1)
        if free > 0:
            size = float(rows.sum())
            spread = (size * np.sum(1 / rows) - 1) * (size * np.sum(1 / columns) - 1)
            freedom, mean = freedom + free, mean + free + spread / (6 * size)
    # The deviance's mean is a little above the number of degrees of freedom.
    return float(chdtrc(freedom, deviance * freedom / mean))


def _permutation_p(
    deviance: float, shots: IntArray, total: IntArray, replicates: int, rng: np.random.Generator
) -> tuple[float, int]:
    """The sequential Monte Carlo p-value and the number of permutations behind it."""
    sizes = total.sum(axis=1)
    if int(sizes.max()) >= MAX_DRAWN:
        raise CountsError.bad_argument(
            "data",
            expected=f"fewer than {MAX_DRAWN} shots per setting combination where outcomes are rare",
            got=f"{int(sizes.max())}",
            remedy="Test shorter stretches of the data.",
        )
    n_log_n = _n_log_n_table(max(int(shots.max()), 1))
    # The numbers of shots and the totals stay as they are, so only the sum over the cells changes.
    fixed = float(_n_log_n(shots).sum() + _n_log_n(total).sum() - _n_log_n(sizes).sum())
    # Deviances within rounding of one another are taken as equal.
    threshold = deviance / 2 + fixed - 1e-9 * (1 + abs(fixed))
    reached = drawn = 0
    for sums in _permuted_sums(shots, total, replicates, n_log_n, rng):
        hits = np.flatnonzero(sums >= threshold)
        if reached + len(hits) >= _ENOUGH_REACHED:
            last = drawn + int(hits[_ENOUGH_REACHED - reached - 1]) + 1
            return _ENOUGH_REACHED / last, last
        reached, drawn = reached + len(hits), drawn + len(sums)
    return (1 + reached) / (drawn + 1), drawn


def _permuted_sums(
    shots: IntArray, total: IntArray, replicates: int, n_log_n: NDArray[np.float64], rng: np.random.Generator
) -> Iterator[NDArray[np.float64]]:
    """Batches of the sum of n log n over the cells of tables whose outcomes are in random order."""
    total = total[:, total.any(axis=0)]
    size = 100
    largest = max(1, _BATCH_CELLS // total.size)
    # Where tables are large beside the numbers of shots, the shots are put into order one by one.
    by_shots, by_cells = int(total.sum()), _SHOTS_PER_CELL * len(shots) * total.size
    draw = _sums_of_orders if by_shots < by_cells else _sums_of_tables
    left = min(replicates, max(_FEWEST_PERMUTATIONS, _MAX_SHOTS_ORDERED // min(by_shots, by_cells)))
    while left:
        batch = min(size, left, largest)
        yield draw(shots, total, batch, n_log_n, rng)
        left -= batch
        size *= 4


def _sums_of_tables(
    shots: IntArray, total: IntArray, batch: int, n_log_n: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draws tables with given margins, part by part and outcome by outcome."""
    left = np.broadcast_to(total, (batch, *total.shape)).copy()
    sums = np.zeros(batch)
    for rows in shots[:-1]:
        # Of the shots that are left, those of this part are a random sample.
        pool, due = left.sum(axis=2), np.broadcast_to(rows, (batch, len(rows))).copy()
        for a in range(total.shape[1] - 1):
            pool -= left[:, :, a]
            taken = rng.hypergeometric(left[:, :, a], pool, due)
            left[:, :, a] -= taken
            due -= taken
            sums += n_log_n[taken].sum(axis=1)
        left[:, :, -1] -= due
        sums += n_log_n[due].sum(axis=1)
    return sums + n_log_n[left].sum(axis=(1, 2))


def _sums_of_orders(
    shots: IntArray, total: IntArray, batch: int, n_log_n: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draws orders of the outcomes of each setting combination."""
    sums = np.zeros(batch)
    for rows, columns in zip(shots.T, total, strict=True):
        parts = np.repeat(np.arange(len(rows)), rows)
        seen = columns[columns > 0]
        cells = len(rows) * len(seen)
        outcomes = np.repeat(np.arange(len(seen)), seen)
        step = max(1, _BATCH_CELLS // max(cells, len(outcomes), 1))
        for first in range(0, batch, step):
            count = min(step, batch - first)
            orders = rng.permuted(np.broadcast_to(outcomes, (count, len(outcomes))), axis=1)
            places = (np.arange(count)[:, None] * len(rows) + parts) * len(seen) + orders
            found = np.bincount(places.ravel(), minlength=count * cells).reshape(count, cells)
            sums[first : first + count] += n_log_n[found].sum(axis=1)
    return sums


def _n_log_n(counts: IntArray) -> NDArray[np.float64]:
    from scipy.special import xlogy

    values: NDArray[np.float64] = xlogy(counts, counts)
    return values


def _n_log_n_table(largest: int) -> NDArray[np.float64]:
    return _n_log_n(np.arange(largest + 1))
