"""Several e-values in one: products over independent experiments, averages over orders of the same shots."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from ..._support.types import FloatArray, IntArray
from ..._support.validation import seed_or_fresh, shown, truth_value, whole_number
from ..._support.words import counted
from ...exceptions import CountsError
from ...polytope.inequalities.bell_inequality import BellInequality
from ...targets.counts import BellCounts
from ...targets.scenario import BellScenario
from ...targets.trials import BellTrials
from ...verification.evidence import Evidence
from ...verification.result import Verification, combine
from ..fits.response_maps import ResponseMaps
from .e_values import EValue, check_data, check_orders, e_values_of_stages, recompute_e_values
from .stages import draw_orders, draw_stages, stage_ends

__all__ = ["CombinedEValue", "averaged_e_values", "combine_e_values", "num_orders", "orders_of"]


_MAX_ORDERS, _MANY_ORDERS = 20, 10
# Stages of averaged e-values grow by this share; the average makes up for what longer stages lose.
_STAGE_GROWTH = 0.2
# Responses, in all stages of all orders, that are still cheap.
_CHEAP_RESPONSES = 40_000


@dataclass(frozen=True, eq=False, repr=False)
class CombinedEValue(Evidence):
    """The product of e-values of independent experiments, or the mean of e-values of the same shots.

    References:
        V. Vovk, R. Wang, Ann. Statist. 49, 1736 (2021), arXiv:1912.06116.

    Examples:
        Two pairs of qubits that share nothing give independent e-values, which may be multiplied:

        >>> from qiskit_lhv import load_bundled_counts, ratio_e_value
        >>> from qiskit_lhv.statistics import combine_e_values
        >>> names = ("ibm_hanoi19_20circuit13", "ibm_mumbai23_24circuit13")
        >>> parts = [ratio_e_value(load_bundled_counts(name).counts, seed=1) for name in names]
        >>> both = combine_e_values(parts, independent=True)
        >>> print(both)
        log10 e = 2812.904, the product of 2 e-values
        >>> both.num_shots, [round(part.log10_p_value) for part in both.parts]
        (360000, [-2116, -697])
    """

    parts: tuple[EValue, ...]
    """The e-values."""
    independent: bool
    """Whether they come from independent experiments and are multiplied; else they are averaged."""
    log_e: float
    """Natural logarithm of the product or the mean."""
    seed: int | None = None
    """Seed of the random orders of ``averaged_e_values``; ``None`` if the parts have their own seeds, or test trials in
    the order they were taken."""

    @property
    def null(self) -> str:
        """The set of behaviors that is tested: ``"local"`` or ``"no-signaling"``."""
        return self.parts[0].null

    @property
    def num_shots(self) -> int:
        """Number of shots that are tested: of all experiments, or of the one whose e-values are averaged."""
        return sum(part.num_shots for part in (self.parts if self.independent else self.parts[:1]))

    @property
    def inequality(self) -> BellInequality:
        """The Bell inequality behind the largest of the e-values: see ``EValue.inequality``."""
        return max(self.parts, key=lambda part: part.log_e).inequality

    @property
    def log10_p_value(self) -> float:
        """Base-10 logarithm of the p-value ``min(1, 1 / e)``; never underflows."""
        return min(0.0, -self.log_e / math.log(10))

    @property
    def p_value(self) -> float:
        """The p-value ``min(1, 1 / e)``; 0.0 where it is below the smallest float."""
        return 10**self.log10_p_value

    def __str__(self) -> str:
        how = "product" if self.independent else "mean"
        return f"log10 e = {self.log_e / math.log(10):.3f}, the {how} of {counted(len(self.parts), 'e-value')}"

    @cached_property
    def recomputed(self) -> CombinedEValue:
        """The product or mean of the parts, each computed again from its own stages; see ``EValue.recomputed``."""
        parts = tuple(recompute_e_values(self.parts))
        log_e = _combined([part.log_e for part in parts], self.independent)
        return replace(self, parts=parts, log_e=log_e)

    def verify(self, *, prove_bound: bool | None = None) -> Verification:
        """Re-checks every e-value, their orders and the product or mean; see ``EValue.verify``.

        Args:
            prove_bound: Whether to prove the bounds again; see ``BellInequality.verify``.
        """
        if not self.parts:
            return Verification(False, "there are no e-values", math.inf)
        # All at once is faster; each part takes its own from there.
        for part, again in zip(self.parts, self.recomputed.parts, strict=True):
            part.__dict__["recomputed"] = again
        if len({part.null for part in self.parts}) > 1:
            return Verification(False, "the e-values are against different sets of behaviors", math.inf)
        if self.independent and len({part.tested.sum(axis=0).tobytes() for part in self.parts}) < len(self.parts):
            return Verification(False, "the e-values of one experiment are multiplied", math.inf)
        orders = Verification(True, "each order is that of its own e-value")
        if self.seed is not None:
            if self.independent or any(part.seed is not None for part in self.parts):
                return Verification(False, "parts of one seed are averaged, and have none of their own", math.inf)
            orders = check_orders(self.parts, self.seed, _growth(len(self.parts)))
            if orders.refuted:
                return orders
        log_e = _combined([part.log_e for part in self.parts], self.independent)
        error = abs(log_e - self.log_e)
        own = Verification(error <= 1e-9 * max(1.0, abs(log_e)), f"combined log e = {log_e:.9g}", error)
        checks = [part.verify(prove_bound=prove_bound) for part in self.parts]
        if not all(checks):
            return combine(*checks, own)
        right = Verification(True, f"{counted(len(self.parts), 'e-value')} against {self.null} models are right")
        if self.seed is None and any(part.seed is None for part in self.parts):
            orders = check_orders(self.parts, None, None)
        return combine(right, orders, own)


def num_orders(scenario: BellScenario, num_shots: int) -> int:
    """How many random orders of the shots are cheap: 20 in small scenarios, one in large ones.

    Args:
        scenario: The scenario.
        num_shots: Shots of all setting combinations.
    """
    work = ResponseMaps(scenario).size * len(stage_ends(num_shots, scenario, _STAGE_GROWTH))
    return max(1, min(_MAX_ORDERS, _CHEAP_RESPONSES // work))


def averaged_e_values(
    data: Sequence[BellCounts | BellTrials],
    *,
    orders: int | None = None,
    null: str = "local",
    predictability: float = 0.0,
    fair_sampling: bool = False,
    seed: int | None = None,
) -> list[CombinedEValue]:
    """E-values of counts, averaged over random orders of their shots.

    An average of e-values is an e-value, and depends little on the seed. Trials with random settings are tested in the
    one order in which they were taken.

    Args:
        data: Counts or trials.
        orders: Number of random orders; default: 20 in small scenarios, fewer in larger ones.
        null: See :func:`ratio_e_value`.
        predictability: See :func:`ratio_e_value`.
        fair_sampling: See :func:`ratio_e_value`.
        seed: Seed of the random orders, the same for all data; ``None`` draws a fresh one. The results record it.

    Returns:
        The averaged e-value of each entry of ``data``.

    Raises:
        CountsError: As for ``ratio_e_value``, or if the number of orders is not a positive whole number.

    References:
        V. Vovk, R. Wang, Ann. Statist. 49, 1736 (2021), arXiv:1912.06116 (averages of e-values).

    Examples:
        >>> from qiskit_lhv import load_bundled_counts
        >>> counts = load_bundled_counts("ibm_mumbai23_24circuit13").counts
        >>> (average,) = averaged_e_values([counts], seed=1)
        >>> print(average)
        log10 e = 697.324, the mean of 20 e-values
        >>> round(average.log10_p_value)
        -697
    """
    check_data(data, predictability, fair_sampling)
    if orders is not None:
        orders = whole_number(orders, "orders", CountsError, minimum=1)
    seed = seed_or_fresh(seed)
    stages, owners, taken = [], [], set()
    for i, run in enumerate(data):
        if isinstance(run, BellTrials) and run.design == "random":
            found = [draw_stages(run, None)]
            taken.add(i)
        else:
            found = orders_of(run, orders, seed)
        stages += found
        owners += [i] * len(found)
    parts = e_values_of_stages([data[i] for i in owners], stages, null, predictability)
    results = []
    for i in range(len(data)):
        own = tuple(part for part, owner in zip(parts, owners, strict=True) if owner == i)
        mean = _combined([part.log_e for part in own], False)
        results.append(CombinedEValue(own, False, mean, None if i in taken else seed))
    return results


def orders_of(
    data: BellCounts | BellTrials, orders: int | None, seed: int
) -> list[tuple[BellScenario, IntArray, FloatArray]]:
    """The stages of counts in several random orders, as :func:`averaged_e_values` tests them.

    Args:
        data: Counts, or trials in blocks.
        orders: Number of random orders; ``None``: :func:`num_orders`.
        seed: Seed of the orders.
    """
    counts = data.to_counts() if isinstance(data, BellTrials) else data
    if orders is None:
        orders = num_orders(counts.scenario, counts.total_shots)
    scenario, tables, weights = draw_orders(counts, orders, seed, _growth(orders))
    return [(scenario, table, weight) for table, weight in zip(tables, weights, strict=True)]


def _growth(orders: int) -> float | None:
    """How fast stages grow, for so many orders: an average over many orders needs no fine stages."""
    return _STAGE_GROWTH if orders >= _MANY_ORDERS else None


def combine_e_values(e_values: Sequence[EValue], *, independent: bool) -> CombinedEValue:
    """Combines e-values against the same set of behaviors.

    The product of e-values has a mean of at most 1 only if each is an e-value given the others, as for separate runs or
    for devices that share nothing. E-values of the same shots, such as those of two random orders, may always be
    averaged, even if they depend on each other in an unknown way.

    Args:
        e_values: The e-values.
        independent: Your statement that they come from independent experiments. If true, they are multiplied; if not,
            they are averaged.

    Returns:
        The combined e-value.

    Raises:
        CountsError: If there are no e-values, they test different sets, or those of the same shots would be multiplied.

    References:
        V. Vovk, R. Wang, Ann. Statist. 49, 1736 (2021), arXiv:1912.06116.

    Examples:
        >>> from qiskit_lhv import load_bundled_counts, ratio_e_value
        >>> counts = load_bundled_counts("delft_2015").counts
        >>> orders = [ratio_e_value(counts, seed=seed) for seed in range(10)]
        >>> print(combine_e_values(orders, independent=False))
        log10 e = 0.180, the mean of 10 e-values
    """
    parts = tuple(e_values) if isinstance(e_values, Iterable) else ()
    if not parts or not all(isinstance(part, EValue) for part in parts):
        raise CountsError.bad_argument("e_values", expected="at least one EValue", got=shown(e_values))
    independent = truth_value(independent, "independent", CountsError)
    if len({part.null for part in parts}) > 1:
        raise CountsError.bad_argument(
            "e_values", expected="tests of one set of behaviors", got=" and ".join(sorted({p.null for p in parts}))
        )
    if independent:
        tables = {part.tested.sum(axis=0).tobytes() for part in parts}
        if len(tables) < len(parts):
            raise CountsError.bad_argument(
                "e_values",
                expected="e-values of independent experiments, to be multiplied",
                got="the same counts twice",
                remedy="E-values of the same shots are averaged: independent=False.",
            )
    return CombinedEValue(parts, independent, _combined([part.log_e for part in parts], independent))


def _combined(logs: list[float], independent: bool) -> float:
    if independent:
        return math.fsum(logs)
    largest = max(logs)
    return largest + math.log(math.fsum(math.exp(value - largest) for value in logs) / len(logs))
