"""Signaling of many parties: whether marginals of one or two parties depend on the settings of other parties."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..._support.records import Record
from ..._support.threads import one_blas_thread
from ..._support.types import FloatArray, IntArray
from ..._support.validation import frozen, instance, is_whole_number, probability, shown
from ..._support.words import counted
from ...exceptions import CountsError
from ...targets.many_parties.parities import shot_blocks
from ...targets.many_parties.shots import ManyPartyShots
from ..evidence.false_discovery import benjamini_yekutieli
from ..intervals.clopper_pearson import clopper_pearson
from ..signaling.homogeneity import fisher_p_value

__all__ = ["ManyPartySignaling", "MarginalShift", "many_party_signaling"]

# With up to so many parties all pairs are compared.
_MOST_PARTIES_IN_PAIRS = 12
# Where an expected count is below this, small p-values are those of Fisher's exact test.
_FILLED, _SCREENED = 500.0, 0.05
# Numbers that are unpacked at once. Sums of fewer than 2**24 shots are exact in float32.
_NUMBERS_AT_ONCE = 1 << 24
_SHOWN = 10


@dataclass(frozen=True)
class MarginalShift(Record):
    """How the product of the outcomes of one or two parties depends on another party's setting.

    References:
        R. A. Fisher, J. R. Stat. Soc. 98, 39 (1935) (the exact test of two by two tables).

    Examples:
        Party 1 answers with the setting of party 0:

        >>> import numpy as np
        >>> from qiskit_lhv import BellScenario
        >>> from qiskit_lhv.statistics import many_party_signaling
        >>> from qiskit_lhv.targets import ManyPartyShots
        >>> settings = np.random.default_rng(1).integers(0, 2, (200, 3))
        >>> packed = (2 * settings[:, :1]).astype(np.uint8)
        >>> scenario, ones = BellScenario([2] * 3, 2), np.ones(200, dtype=int)
        >>> shots = ManyPartyShots(scenario, settings, ones, packed, "random", settings)
        >>> one = many_party_signaling(shots).strongest[0]
        >>> one.parties, one.sender, one.shift, one.p_value < 1e-20
        ((1,), 0, 1.0, True)
    """

    parties: tuple[int, ...]
    """The parties whose outcomes are compared: one, or two."""
    settings: tuple[int, ...]
    """Their settings."""
    sender: int
    """The party whose setting is varied."""
    setting: int
    """The setting of the sender that is compared with its other settings."""
    shift: float
    """Probability that the product of the outcomes is -1 with that setting, minus that with the others."""
    standard_error: float
    """Its standard error."""
    p_value: float
    """The p-value: that of the chi-square distribution, or Fisher's exact one where counts are small."""


@dataclass(frozen=True, eq=False, repr=False)
class ManyPartySignaling(Record):
    """Comparisons of marginals of one and two parties between the settings of other parties.

    References:
        Y. Benjamini, D. Yekutieli, Ann. Statist. 29, 1165 (2001); R. A. Fisher, J. R. Stat. Soc. 98, 39 (1935).

    Examples:
        >>> from qiskit_lhv.statistics import many_party_signaling
        >>> from qiskit_lhv.experiments import ghz_preparation, ManyPartyExperiment, ManyPartySchedule
        >>> from qiskit_lhv.polytope import ardehali
        >>> experiment = ManyPartyExperiment(ghz_preparation(5).circuit, [("X", "Y")] * 4 + [("X-Y", "X+Y")])
        >>> schedule = ManyPartySchedule.random(ardehali(5), num_runs=400, shots=1, seed=1)
        >>> shots = experiment.run(experiment.simulator(seed=1), schedule)
        >>> found = many_party_signaling(shots)
        >>> found.num_comparisons, found.detected, found.shift_limits.round(1).tolist()
        (160, False, [0.8, 0.7, 0.8, 0.8, 0.7])
    """

    num_comparisons: int
    """Number of comparisons."""
    num_detected: int
    """How many are rejected with the false discovery rate ``level`` (Benjamini and Yekutieli)."""
    p_value: float
    """One p-value of no-signaling: the smallest level at which any comparison is rejected, at most 1."""
    level: float
    """The false discovery rate."""
    strongest: tuple[MarginalShift, ...]
    """The comparisons with the smallest p-values, at most ten."""
    shift_limits: FloatArray
    """For each party, an upper confidence limit of the largest change of a marginal in which it takes part, shape
    ``(N,)``; 1 if nothing was compared."""
    limit_level: float
    """All these limits hold together, but for a probability of at most this."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "shift_limits", frozen(self.shift_limits))

    @property
    def largest_shift(self) -> float:
        """The largest shift among the strongest comparisons, 0 if there are none."""
        return max((abs(one.shift) for one in self.strongest), default=0.0)

    @property
    def detected(self) -> bool:
        """Whether any comparison is rejected."""
        return self.num_detected > 0

    @property
    def compares_anything(self) -> bool:
        """Whether any setting of a party was measured together with two settings of another."""
        return self.num_comparisons > 0

    def __str__(self) -> str:
        if not self.compares_anything:
            return "no-signaling could not be tested: no party's setting was measured with two settings of another"
        text = f"no-signaling: p = {self.p_value:.3g} over {counted(self.num_comparisons, 'comparison')}"
        if not self.detected:
            return text
        one = self.strongest[0]
        who = " and ".join(f"party {k} (setting {x})" for k, x in zip(one.parties, one.settings, strict=True))
        return (
            f"{text}, {self.num_detected} detected; the strongest: the outcome of {who} shifts by {one.shift:+.3g} "
            f"with setting {one.setting} of party {one.sender}"
        )


@one_blas_thread()
def many_party_signaling(
    shots: ManyPartyShots,
    *,
    level: float = 0.01,
    pairs: Sequence[tuple[int, int]] | None = None,
    limit_level: float = 0.005,
) -> ManyPartySignaling:
    """Tests whether outcomes of one party, or products of two parties' outcomes, depend on other parties' settings.

    For each party and each of its settings, the shots are divided by the setting of another party. Without signaling,
    the probability of the outcome is the same in all parts, whatever the settings of the rest; so they are compared,
    one setting against the others, by Fisher's exact test or, where counts are large, by the chi-square distribution.
    The same is done for products of the outcomes of two parties against the settings of a third. Which comparisons are
    rejected is decided by the procedure of Benjamini and Yekutieli, whatever their dependence. Shots are taken as
    independent, given their settings.

    Args:
        shots: The shots.
        level: The false discovery rate.
        pairs: The pairs of parties whose products are compared. Default: all, with up to 12 parties, else none.
        limit_level: Probability that any of the confidence limits of the shifts is too low.

    Returns:
        The number of comparisons, the number detected, the strongest of them, and limits of the shifts.

    Raises:
        CountsError: If the level is not between 0 and 1, or a pair does not consist of two parties.

    References:
        Y. Benjamini, D. Yekutieli, Ann. Statist. 29, 1165 (2001); R. A. Fisher, J. R. Stat. Soc. 98, 39 (1935).

    Examples:
        Party 1 answers with the setting of party 0:

        >>> import numpy as np
        >>> from qiskit_lhv import BellScenario
        >>> from qiskit_lhv.targets import ManyPartyShots
        >>> settings = np.random.default_rng(1).integers(0, 2, (200, 3))
        >>> packed = (2 * settings[:, :1]).astype(np.uint8)
        >>> scenario, ones = BellScenario([2] * 3, 2), np.ones(200, dtype=int)
        >>> shots = ManyPartyShots(scenario, settings, ones, packed, "random", settings)
        >>> print(many_party_signaling(shots))
        no-signaling: p = 2.05e-30 over 24 comparisons, 6 detected; the strongest: the outcome of party 1 (setting
         1) shifts by +1 with setting 1 of party 0
    """
    instance(shots, ManyPartyShots, "shots", CountsError)
    level = probability(level, "level", CountsError, open_interval=True)
    limit_level = probability(limit_level, "limit_level", CountsError, open_interval=True)
    n = shots.num_parties
    groups = [(k,) for k in range(n)] + _checked_pairs(pairs, n)
    tables, labels = _tables(shots, groups)
    if not len(labels):
        return ManyPartySignaling(0, 0, 1.0, level, (), np.ones(n), limit_level)
    p_values = _p_values(tables, level)
    detected = benjamini_yekutieli(p_values, level)
    order = np.argsort(p_values, kind="stable")
    ranks = np.arange(1, len(order) + 1)
    overall = float(min(1.0, (p_values[order] * len(order) / ranks).min() * (1 / ranks).sum()))
    strongest = tuple(_shift(labels[i], groups, tables[i], float(p_values[i])) for i in order[:_SHOWN].tolist())
    limits = _shift_limits(tables, labels, groups, n, limit_level)
    return ManyPartySignaling(len(order), int(detected.sum()), overall, level, strongest, limits, limit_level)


def _checked_pairs(pairs: Any, n: int) -> list[tuple[int, ...]]:
    """The pairs of parties to be compared.

    Raises:
        CountsError: If a pair does not consist of two parties.
    """
    if pairs is None:
        return [(k, j) for k in range(n) for j in range(k + 1, n)] if n <= _MOST_PARTIES_IN_PAIRS else []
    listed = list(pairs) if isinstance(pairs, Iterable) and not isinstance(pairs, str | bytes | dict) else [pairs]
    checked: list[tuple[int, ...]] = []
    for pair in listed:
        parties = tuple(pair) if isinstance(pair, Iterable) else ()
        fits = len(parties) == 2 and all(is_whole_number(k) and 0 <= k < n for k in parties)
        if not fits or len(set(parties)) != 2:
            raise CountsError.bad_argument("pairs", expected=f"pairs of parties from 0 to {n - 1}", got=shown(pair))
        checked.append(tuple(int(k) for k in parties))
    return checked


def _tables(shots: ManyPartyShots, groups: list[tuple[int, ...]]) -> tuple[IntArray, IntArray]:
    """Two by two tables of all comparisons.

    Returns:
        Shape ``(K, 2, 2)``: shots with the setting and with the others, whose product is +1 and -1; and shape
        ``(K, 5)``: the group, the settings of its parties (-1 if there is one), the sender and its setting.
    """
    n = shots.num_parties
    sizes = shots.scenario.num_settings
    columns = [(k, x) for k in range(n) for x in range(sizes[k])]
    place = {column: i for i, column in enumerate(columns)}
    kinds = [
        (g, x, y)
        for g, parties in enumerate(groups)
        for x in range(sizes[parties[0]])
        for y in (range(sizes[parties[1]]) if len(parties) > 1 else (-1,))
    ]
    first = np.array([place[groups[g][0], x] for g, x, _ in kinds])
    second = np.array([place[groups[g][1], y] if y >= 0 else -1 for g, _, y in kinds])
    paired = second >= 0
    party_of = np.array([k for k, _ in columns])
    setting_of = np.array([x for _, x in columns])
    # Every party has a setting in every shot: what the first one gives follows from the sum.
    later = np.flatnonzero(setting_of > 0)
    seen, ones = np.zeros((2, len(kinds), len(columns)))
    step = max(64, _NUMBERS_AT_ONCE // (len(kinds) + len(columns)))
    totals = np.zeros((2, len(kinds)))
    for start, stop, runs in shot_blocks(shots):
        for low in range(start, stop, step):
            high = min(low + step, stop)
            chosen = shots.settings[runs[low - start : high - start]]
            bits = np.unpackbits(shots.packed[low:high], axis=1, count=n, bitorder="little")
            measured = chosen[:, party_of] == setting_of
            here = measured[:, first]
            odd = bits[:, party_of[first]]
            if paired.any():
                here[:, paired] &= measured[:, second[paired]]
                odd[:, paired] ^= bits[:, party_of[second[paired]]]
            sender = measured[:, later].astype(np.float32)
            for place_of, which in ((0, here), (1, here & odd.astype(bool))):
                target = (seen, ones)[place_of]
                target[:, later] += which.astype(np.float32).T @ sender
                totals[place_of] += which.sum(axis=0)
    starts = np.concatenate([[0], np.cumsum(sizes)])[:-1]
    for target, total in zip((seen, ones), totals, strict=True):
        target[:, starts] = total[:, None] - np.add.reduceat(target, starts, axis=1)
    return _compared(np.rint(seen).astype(np.int64), np.rint(ones).astype(np.int64), kinds, groups, columns, sizes)


def _compared(
    seen: IntArray,
    ones: IntArray,
    kinds: list[tuple[int, int, int]],
    groups: list[tuple[int, ...]],
    columns: list[tuple[int, int]],
    sizes: tuple[int, ...],
) -> tuple[IntArray, IntArray]:
    """The tables in which both rows have shots; of a sender with two settings, only one is compared with the other."""
    party_of = np.array([k for k, _ in columns])
    starts = np.concatenate([[0], np.cumsum(sizes)])[:-1]
    total = np.add.reduceat(seen, starts, axis=1)[:, party_of] - seen
    total_ones = np.add.reduceat(ones, starts, axis=1)[:, party_of] - ones
    members = np.array([[k in parties for k, _ in columns] for parties in groups])[[g for g, _, _ in kinds]]
    once = np.array([x > 0 or sizes[k] > 2 for k, x in columns])
    kept = ~members & once & (seen > 0) & (total > 0)
    i, j = np.nonzero(kept)
    tables = np.stack(
        [
            np.stack([seen[i, j] - ones[i, j], ones[i, j]], axis=1),
            np.stack([total[i, j] - total_ones[i, j], total_ones[i, j]], axis=1),
        ],
        axis=1,
    )
    labels = np.column_stack([np.array(kinds)[i], np.array(columns)[j]]) if len(i) else np.zeros((0, 5), np.int64)
    return tables, labels


def _p_values(tables: IntArray, level: float) -> FloatArray:
    """The p-value of each table: exact where counts are small and the p-value may be."""
    from scipy.special import chdtrc

    rows, columns = tables.sum(axis=2), tables.sum(axis=1)
    shots = rows.sum(axis=1)
    expected = rows[:, :, None] * (columns / shots[:, None])[:, None, :]
    inverse = np.divide(1.0, expected, out=np.zeros_like(expected), where=expected > 0)
    statistics = ((tables - expected) ** 2 * inverse).sum(axis=(1, 2))
    p_values: NDArray[np.float64] = chdtrc(1, statistics)
    # No comparison is rejected at more than the level, so that no p-value above it needs to be exact.
    few = expected.min(axis=(1, 2)) < _FILLED
    for i in np.flatnonzero(few & (p_values < max(_SCREENED, level))).tolist():
        p_values[i] = fisher_p_value(int(tables[i, 0, 0]), int(rows[i, 0]), int(columns[i, 0]), int(shots[i]))
    return p_values


def _shift_limits(
    tables: IntArray, labels: IntArray, groups: list[tuple[int, ...]], n: int, level: float
) -> FloatArray:
    """Upper limits of the largest shift in which each party takes part; exact limits of all probabilities together."""
    shots = tables.sum(axis=2)
    lower, upper = clopper_pearson(tables[:, :, 1], shots, level / (2 * len(tables)))
    apart = np.maximum(upper[:, 0] - lower[:, 1], upper[:, 1] - lower[:, 0])
    limits = np.full(n, -1.0)
    for position in range(2):
        of_group = np.array([parties[min(position, len(parties) - 1)] for parties in groups])
        np.maximum.at(limits, of_group[labels[:, 0]], apart)
    return np.where(limits < 0, 1.0, np.minimum(limits, 1.0))


def _shift(label: IntArray, groups: list[tuple[int, ...]], table: IntArray, p_value: float) -> MarginalShift:
    """One comparison, in words of parties and settings."""
    g, x, y, sender, setting = (int(v) for v in label)
    shots = table.sum(axis=1)
    share = table[:, 1] / shots
    inside = np.clip(share, 1 / (shots + 2), 1 - 1 / (shots + 2))
    error = math.sqrt(float((inside * (1 - inside) / shots).sum()))
    settings = (x,) if y < 0 else (x, y)
    return MarginalShift(groups[g], settings, sender, setting, float(share[0] - share[1]), error, p_value)
