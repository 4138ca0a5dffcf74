"""Planning a Bell test: how many shots a wanted p-value takes, by simulated runs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ..._support.estimated_value import with_error
from ..._support.records import Record
from ..._support.types import FloatArray, IntArray
from ..._support.validation import frozen, generator, probability, truth_value, whole_number
from ..._support.words import counted
from ...exceptions import ScenarioError
from ...targets.behaviors import Behavior
from ...targets.counts import BellCounts
from ...targets.designs import check_shots
from ..evidence.e_values import ratio_e_values
from .allocation import exact_behavior, whole_shots
from .evidence_rates import EvidenceRate, evidence_rate, learning_cost, log10_goal, trials_needed

if TYPE_CHECKING:
    from ...experiments.bell_experiment import BellExperiment

__all__ = ["ShotPlan", "shots_needed", "simulated_log10_p"]


_MAX_ROUNDS = 12
_LEAST_BATCHES = 3
_SETTLED_CHANGE = 0.05


@dataclass(frozen=True, eq=False, repr=False)
class ShotPlan(Record):
    """How many shots of each setting combination a test of local models needs.

    References:
        W. van Dam, R. D. Gill, P. D. Gruenwald, IEEE Trans. Inf. Theory 51, 2812 (2005), arXiv:quant-ph/0307125.

    Examples:
        >>> from qiskit_lhv import Behavior, ghz_state
        >>> from qiskit_lhv.statistics import shots_needed
        >>> plan = shots_needed(Behavior.from_state(ghz_state(2, 0.9), "chsh"), 1e-3, num_runs=10, seed=1)
        >>> print(plan)
        681 shots for log10 p = -3 with probability 0.5 (0.70 +- 0.15 of 10 simulated runs)
        >>> plan.shots.tolist(), plan.achieved_share
        ([[171, 170], [170, 170]], 0.7)
    """

    shots: IntArray
    """Shots of each setting combination, shape ``(m_1, ..., m_N)``."""
    log10_p_value: float
    """Base-10 logarithm of the p-value to reach."""
    power: float
    """Probability with which it should be reached."""
    rate: EvidenceRate
    """The evidence per trial."""
    simulated: FloatArray | None = None
    """log10 p of simulated runs with these shots, shape ``(num_runs,)``; ``None`` if none were made."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "shots", frozen(self.shots))
        if self.simulated is not None:
            object.__setattr__(self, "simulated", frozen(self.simulated))

    @property
    def total(self) -> int:
        """Shots of all setting combinations together."""
        return int(self.shots.sum())

    @property
    def achieved_share(self) -> float | None:
        """Share of the simulated runs that reached the p-value; ``None`` if none were made."""
        return None if self.simulated is None else float(np.mean(self.simulated <= self.log10_p_value))

    @property
    def standard_error(self) -> float | None:
        """Standard error of the achieved share (with one run added on either side, so that it is never 0)."""
        if self.simulated is None:
            return None
        count = len(self.simulated)
        share = (int(np.sum(self.simulated <= self.log10_p_value)) + 1) / (count + 2)
        return math.sqrt(share * (1 - share) / count)

    def __str__(self) -> str:
        text = f"{counted(self.total, 'shot')} for log10 p = {self.log10_p_value:.6g} with probability {self.power:g}"
        share, error = self.achieved_share, self.standard_error
        if self.simulated is None or share is None or error is None:
            return f"{text} (estimated)"
        return f"{text} ({with_error(share, error)} of {len(self.simulated)} simulated runs)"


def shots_needed(
    behavior: Behavior | BellExperiment,
    p_value: float | None = None,
    *,
    log10_p_value: float | None = None,
    shares: ArrayLike | None = None,
    power: float = 0.5,
    simulate: bool = True,
    num_runs: int = 20,
    seed: int | None = None,
) -> ShotPlan:
    """How many shots ``ratio_e_value`` needs to reach a p-value, if the device has a known behavior.

    A normal approximation gives a first number. Then at least three batches of runs are simulated, and the number is
    corrected by all of them, until it changes by less than 5%. A last batch, which took no part in this, is kept as the
    check: its share of successes is a fresh estimate of the probability, with the chance of ``num_runs`` runs.
    Only if it is more than two standard errors below ``power``, the number grows by another 5% and is checked again.

    Args:
        behavior: A no-signaling behavior that is not local, or an experiment (its exact behavior).
        p_value: The p-value to reach, above 0 (also as small as 1e-300).
        log10_p_value: Its base-10 logarithm, instead of ``p_value``.
        shares: Share of each setting combination, shape ``(m_1, ..., m_N)``, positive; default: equal shares.
        power: The probability to reach the p-value.
        simulate: Whether to correct and check the number by simulated runs.
        num_runs: Number of runs per batch.
        seed: Seed of the simulated runs.

    Returns:
        The shots of each setting combination, and the check.

    Raises:
        ScenarioError: If the behavior is signaling or local (no number of shots is enough), or an argument is out
            of range.

    References:
        W. van Dam, R. D. Gill, P. D. Gruenwald, IEEE Trans. Inf. Theory 51, 2812 (2005), arXiv:quant-ph/0307125; Y.
        Zhang, S. Glancy, E. Knill, Phys. Rev. A 84, 062118 (2011), arXiv:1108.2468.

    Examples:
        >>> from qiskit_lhv import Behavior, werner_state
        >>> device = Behavior.from_state(werner_state(0.9), "chsh")
        >>> plan = shots_needed(device, 1e-6, simulate=False)
        >>> print(plan)
        1218 shots for log10 p = -6 with probability 0.5 (estimated)
        >>> plan.shots.tolist()
        [[305, 305], [304, 304]]
    """
    goal = log10_goal(p_value, log10_p_value)
    simulate = truth_value(simulate, "simulate", ScenarioError)
    power = probability(power, "power", ScenarioError, open_interval=True)
    num_runs = whole_number(num_runs, "num_runs", ScenarioError, minimum=2)
    rng = generator(seed)
    if isinstance(behavior, BellCounts):
        raise ScenarioError.bad_argument(
            "behavior",
            expected="a Behavior or a BellExperiment",
            got="counts",
            remedy="evidence_rate(counts).shots(p_value) plans from pilot counts without their luck.",
        )
    rate = evidence_rate(exact_behavior(behavior, "behavior"), shares)
    total = rate.shots(power=power, log10_p_value=goal)
    if not simulate:
        return ShotPlan(whole_shots(rate.shares, total), goal, power, rate)
    total = _corrected_total(rate, total, -goal * math.log(10), power, num_runs, rng)
    shortfall = 2 * math.sqrt(power * (1 - power) / num_runs)
    for _ in range(_MAX_ROUNDS):
        shots = whole_shots(rate.shares, total)
        simulated = np.minimum(0.0, -_simulated_log_e(rate.fit.target, shots, num_runs, rng) / math.log(10))
        if np.mean(simulated <= goal) >= power - shortfall:
            break
        total = math.ceil(total * (1 + _SETTLED_CHANGE))
    return ShotPlan(shots, goal, power, rate, simulated)


def simulated_log10_p(behavior: Behavior, shots: ArrayLike, num_runs: int = 20, seed: int | None = None) -> FloatArray:
    """The p-values of simulated runs of an experiment in blocks, each tested with ``ratio_e_value``.

    Args:
        behavior: The device's behavior.
        shots: Shots of each setting combination: a number, or an array of shape ``(m_1, ..., m_N)``, with zeros for
            those that are not to be measured.
        num_runs: Number of runs.
        seed: Seed of the simulated runs; ``None`` draws fresh ones.

    Returns:
        log10 of the p-values, shape ``(num_runs,)``.

    Raises:
        CountsError: If a shot number is not a positive whole number.
        ScenarioError: If ``behavior`` is not a no-signaling behavior or an experiment, or ``num_runs`` is not a whole
            number of at least 2.

    References:
        Y. Zhang, S. Glancy, E. Knill, Phys. Rev. A 84, 062118 (2011), arXiv:1108.2468 (the test).

    Examples:
        >>> import numpy as np
        >>> from qiskit_lhv import Behavior, werner_state
        >>> device = Behavior.from_state(werner_state(0.9), "chsh")
        >>> for shots in (250, 500):
        ...     values = simulated_log10_p(device, shots, num_runs=20, seed=2)
        ...     print(f"{4 * shots} shots: log10 p = {np.median(values):.1f} in half of the runs")
        1000 shots: log10 p = -5.2 in half of the runs
        2000 shots: log10 p = -9.3 in half of the runs
    """
    behavior = exact_behavior(behavior, "behavior")
    numbers = check_shots(shots, behavior.scenario.num_settings, some=True)
    log_e = _simulated_log_e(
        behavior, numbers, whole_number(num_runs, "num_runs", ScenarioError, minimum=2), generator(seed)
    )
    return frozen(np.minimum(0.0, -log_e / math.log(10)))


def _simulated_log_e(behavior: Behavior, shots: IntArray, num_runs: int, rng: np.random.Generator) -> FloatArray:
    seeds = rng.integers(2**62, size=num_runs + 1).tolist()
    runs = [behavior.sample(shots, seed) for seed in seeds[1:]]
    return np.array([e_value.log_e for e_value in ratio_e_values(runs, seed=seeds[0])])


def _corrected_total(
    rate: EvidenceRate, total: int, goal: float, power: float, num_runs: int, rng: np.random.Generator
) -> int:
    """Corrects a number of shots by batches of simulated runs, until it changes by less than 5%.

    log e is taken as normal, with a mean of ``n * slope - cost`` and a variance proportional to n, the total. Slope and
    variance come from all runs whose number is within a factor of two; so an error of the cost does not matter.
    """
    quantile = NormalDist().inv_cdf(power)
    totals, logs = np.empty(0), np.empty(0)
    for batch in range(_MAX_ROUNDS):
        shots, cost = whole_shots(rate.shares, total), learning_cost(rate.fit, total)
        totals = np.concatenate([totals, np.full(num_runs, float(total))])
        logs = np.concatenate([logs, _simulated_log_e(rate.fit.target, shots, num_runs, rng) + cost])
        near = np.abs(np.log(totals / total)) <= math.log(2)
        slope = float(logs[near].sum() / totals[near].sum())
        if slope <= 0:
            total *= 4
            continue
        variance = float(np.mean((logs[near] - slope * totals[near]) ** 2 / totals[near]))
        wanted = math.ceil(trials_needed(slope, variance, goal + cost, quantile))
        before, total = total, max(min(wanted, 4 * total), total // 4, rate.shares.size)
        if batch + 1 >= _LEAST_BATCHES and abs(math.log(total / before)) <= _SETTLED_CHANGE:
            break
    return total
