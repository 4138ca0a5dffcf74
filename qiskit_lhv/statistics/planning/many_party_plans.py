"""Planning Bell tests of many parties: what value a noisy device would give, and how many shots show it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from ..._support.records import Record
from ..._support.validation import generator, probability, real_array, real_number, shown, whole_number
from ..._support.words import counted
from ...exceptions import ScenarioError
from ...polytope.expressions.many_parties.arguments import without_table
from ...polytope.expressions.many_parties.base import ABSENT, ManyPartyExpression
from ...verification.evidence import Evidence
from ..many_parties.bounds import bound_value, proven_bound
from ..tails.binomial import log_tail
from .evidence_rates import log10_goal

__all__ = ["ManyPartyPlan", "expected_value", "shots_of_many_parties"]

_MAX_SHOTS = 2**53


@dataclass(frozen=True, eq=False, repr=False)
class ManyPartyPlan(Record):
    """How many shots a test of a declared expression of many parties needs, with terms drawn shot by shot.

    References:
        N. D. Mermin, Phys. Rev. Lett. 65, 1838 (1990) (the expression of the example); W. Hoeffding, Ann. Math.
        Statist. 27, 713 (1956).

    Examples:
        A device of 20 qubits that reaches six tenths of the quantum value:

        >>> from qiskit_lhv.polytope import mermin
        >>> from qiskit_lhv.statistics import shots_of_many_parties
        >>> plan = shots_of_many_parties(mermin(20), 0.6 * 2**19, 1e-6)
        >>> plan.num_shots, round(plan.win_probability, 3), round(plan.local_win_probability, 3)
        (92, 0.8, 0.501)
    """

    num_shots: int
    """Number of shots, each with a term of its own."""
    log10_p_value: float
    """Base-10 logarithm of the p-value to reach."""
    power: float
    """Probability with which it is reached."""
    value: float
    """The value of the expression on the device."""
    local_bound: float
    """The local bound of the expression."""
    win_probability: float
    """The probability that a shot is won."""
    local_win_probability: float
    """The largest one of local models."""

    def __str__(self) -> str:
        return (
            f"{counted(self.num_shots, 'shot')} for log10 p = {self.log10_p_value:.6g} with probability "
            f"{self.power:g}: a shot is won with probability {self.win_probability:.6g}, by local models "
            f"{self.local_win_probability:.6g}"
        )


def expected_value(
    expression: ManyPartyExpression,
    *,
    ideal: float | None = None,
    fidelity: float = 1.0,
    readout_error: float | Sequence[float] = 0.0,
    num_terms: int = 4096,
    seed: int | None = 0,
) -> float:
    """The value of an expression that a noisy device would give, by a simple model of its noise.

    Noise before the readout shrinks every correlator by the same factor, as depolarizing noise of all qubits does; a
    readout error r of a qubit shrinks every correlator in which it takes part by ``1 - 2 r``.

    Args:
        expression: The expression.
        ideal: Its value without noise; default: its known quantum bound. Its terms are taken to shrink alike.
        fidelity: Factor of all correlators, from 0 to 1. A preparation of L layers with the layer fidelity F has about
            ``F**L``; this is pessimistic for terms of few parties, which not all gates reach.
        readout_error: Probability that the outcome of a qubit is flipped, one for all or one per party.
        num_terms: Number of terms drawn to estimate the mean effect of the readout; all where there are no more.
        seed: Seed of the draws.

    Returns:
        The value of the expression on the device.

    Raises:
        ScenarioError: If no ideal value is known, or a number is out of range.

    References:
        N. D. Mermin, Phys. Rev. Lett. 65, 1838 (1990) (the expression of the example).

    Examples:
        >>> from qiskit_lhv.polytope import mermin
        >>> round(expected_value(mermin(20), fidelity=0.99**20, readout_error=0.01) / 2**19, 3)
        0.546
    """
    expression = without_table(expression, "expression", ScenarioError)
    factor = probability(fidelity, "fidelity", ScenarioError)
    errors = real_array(readout_error, "readout_error", ScenarioError)
    if errors.shape not in ((), (expression.num_parties,)) or errors.min() < 0 or errors.max() > 0.5:
        limits = f", from {errors.min():g} to {errors.max():g}" if errors.size else ""
        raise ScenarioError.bad_argument(
            "readout_error",
            expected=f"a number from 0 to 0.5, or {expression.num_parties} of them",
            got=f"shape {errors.shape}{limits}",
        )
    known = getattr(expression, "known_bounds", None)
    given = ideal if ideal is not None or known is None else known.quantum
    if given is None:
        raise ScenarioError.bad_argument(
            "ideal", expected="the value without noise, as no quantum bound is known", got="None"
        )
    full = float(real_number(given, "ideal", ScenarioError))
    rng = generator(seed)
    count = whole_number(num_terms, "num_terms", ScenarioError, minimum=1)
    if expression.num_terms <= count:
        blocks = list(expression.blocks())
        rows = np.concatenate([rows for rows, _ in blocks])
        sizes = np.abs(np.concatenate([values for _, values in blocks]))
        listed = np.any(rows != ABSENT, axis=1)
        rows, sizes = rows[listed], sizes[listed]
    else:
        rows = expression.draw_terms(count, rng)
        sizes = np.ones(count)
    logs = np.where(rows != ABSENT, np.log(np.maximum(1 - 2 * errors, 1e-300)), 0.0).sum(axis=1)
    readout = float(np.average(np.exp(logs), weights=sizes))
    return expression.constant + (full - expression.constant) * factor * readout


def shots_of_many_parties(
    expression: ManyPartyExpression,
    value: float,
    p_value: float | None = None,
    *,
    log10_p_value: float | None = None,
    power: float = 0.9,
    bound: Evidence | None = None,
) -> ManyPartyPlan:
    """How many shots ``many_party_test`` needs to reach a p-value, with a term drawn for every shot.

    Args:
        expression: The expression that will be declared.
        value: Its value on the device, such as :func:`expected_value` gives.
        p_value: The p-value to reach, above 0.
        log10_p_value: Its base-10 logarithm, instead of ``p_value``.
        power: The probability to reach it.
        bound: The proven bound of the expression, as for ``many_party_test``; default: it is computed.

    Returns:
        The least number of shots that has the power, up to the steps of the binomial distribution.

    Raises:
        CountsError: If the bound is none, or that of another expression.
        ScenarioError: If the value does not exceed the local bound or exceeds the algebraic one, or more than ``2**53``
            shots would be needed.

    References:
        N. D. Mermin, Phys. Rev. Lett. 65, 1838 (1990) (the expression of the example); W. Hoeffding, Ann. Math.
        Statist. 27, 713 (1956).

    Examples:
        >>> from qiskit_lhv.polytope import mermin
        >>> print(shots_of_many_parties(mermin(20), 0.6 * 2**19, 1e-6))
        92 shots for log10 p = -6 with probability 0.9: a shot is won with probability 0.8, by local models 0.500977
    """
    expression = without_table(expression, "expression", ScenarioError)
    goal = log10_goal(p_value, log10_p_value) * math.log(10)
    power = probability(power, "power", ScenarioError, open_interval=True)
    if bound is not None and not isinstance(bound, Evidence):
        raise ScenarioError.bad_argument(
            "bound", expected="the proven bound of the expression, such as local_bound(expression)", got=shown(bound)
        )
    limit, weight, constant = bound_value(proven_bound(expression, bound)), expression.weight, expression.constant
    if not limit < real_number(value, "value", ScenarioError) <= constant + weight * (1 + 1e-12):
        raise ScenarioError.bad_argument(
            "value",
            expected=f"a number above the local bound {limit:.9g}, and at most {constant + weight:.9g}",
            got=f"{value:.9g}",
            remedy="What local models reach is shown by no number of shots.",
        )
    local, device = (min(1.0, (1 + (x - constant) / weight) / 2) for x in (limit, value))

    def reaches(total: int) -> bool:
        wins = _likely_wins(total, device, power)
        return log_tail(wins, total, local) <= goal

    high = 1
    while not reaches(high):
        high *= 2
        if high > _MAX_SHOTS:
            raise ScenarioError.bad_argument(
                "value", expected="one that takes at most 2**53 shots", got=f"{value:.12g}, hardly above {limit:.12g}"
            )
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(middle) else (middle, high)
    return ManyPartyPlan(high, goal / math.log(10), power, float(value), limit, device, local)


def _likely_wins(total: int, probability_of_win: float, power: float) -> int:
    """The largest number of wins that is reached with the given power."""
    if probability_of_win >= 1:
        return total
    spread = math.sqrt(total * probability_of_win * (1 - probability_of_win))
    wins = min(total, max(0, round(total * probability_of_win - NormalDist().inv_cdf(power) * spread)))
    goal = math.log(power)
    while wins and log_tail(wins, total, probability_of_win) < goal:
        wins -= 1
    while wins < total and log_tail(wins + 1, total, probability_of_win) >= goal:
        wins += 1
    return wins
