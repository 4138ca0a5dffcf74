"""Whether a declared expression of many parties exceeds what signaling can explain."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..._support.records import Record
from ..._support.types import FloatArray
from ..._support.validation import frozen, instance, probability
from ...exceptions import CountsError
from ...polytope.expressions.many_parties.base import ABSENT, MAX_LISTED, ManyPartyExpression
from ..signaling.allowance import check_kappa
from .declared_tests import ManyPartyTest, largest_flips
from .scores import listed_terms
from .signaling import ManyPartySignaling

__all__ = ["ManyPartyAllowance", "many_party_allowance"]

_LARGEST_KAPPA = 1e6


@dataclass(frozen=True, eq=False, repr=False)
class ManyPartyAllowance(Record):
    """Up to which strength of hidden influences the result of a declared test stands.

    A hidden influence flips the outcome of a party, with a probability of at most kappa times the largest change of a
    marginal in which the party takes part. The limits of these changes and the test share ``alpha`` by halves.

    References:
        J. V. Kujala, E. N. Dzhafarov, J.-A. Larsson, Phys. Rev. Lett. 115, 150401 (2015), arXiv:1412.4724 (marginals
        that depend on settings).

    Examples:
        The evidence of a report on many parties ends with the allowance:

        >>> from qiskit_lhv import analyze, CountsOptions
        >>> from qiskit_lhv.experiments import ghz_preparation, ManyPartyExperiment, ManyPartySchedule
        >>> from qiskit_lhv.polytope import ardehali
        >>> experiment = ManyPartyExperiment(ghz_preparation(5).circuit, [("X", "Y")] * 4 + [("X-Y", "X+Y")])
        >>> schedule = ManyPartySchedule.random(ardehali(5), num_runs=400, shots=1, seed=1)
        >>> shots = experiment.run(experiment.simulator(seed=1), schedule)
        >>> allowance = analyze(shots, CountsOptions(expression=ardehali(5))).evidence[-1]
        >>> print(allowance)
        hidden influences: up to 0.1... flipped outcomes per shot are excluded, which is 0.0... times what
         marginals may show
    """

    alpha: float
    """The probability with which the conclusion may be wrong."""
    kappa: float
    """The kappa that is asked for."""
    participation: FloatArray
    """For each party, the summed weight of the terms in which it takes part, divided by the weight of all."""
    shift_limits: FloatArray
    """For each party, the upper limit of the largest change of a marginal in which it takes part."""
    flips: float
    """The largest number of flipped outcomes per shot, of parties that take part, with which the test stands."""
    largest_kappa: float
    """The largest kappa up to which the result stands."""

    def __post_init__(self) -> None:
        for name in ("participation", "shift_limits"):
            object.__setattr__(self, name, frozen(getattr(self, name)))

    @property
    def exceeded(self) -> bool:
        """Whether the result stands up to ``kappa``."""
        return self.flips > 0 and self.largest_kappa >= self.kappa

    def __str__(self) -> str:
        return (
            f"hidden influences: up to {self.flips:.3g} flipped outcomes per shot are excluded, which is "
            f"{self.largest_kappa:.3g} times what marginals may show"
        )


def many_party_allowance(
    test: ManyPartyTest, signaling: ManyPartySignaling, *, kappa: float = 1.0, alpha: float = 0.01
) -> ManyPartyAllowance:
    """Returns up to which strength of hidden influences the result of a declared test stands.

    If the outcome of party k is flipped with a probability of at most d_k, the mean of the sign of a coefficient times
    the product of the outcomes rises by at most ``2 sum_k q_k d_k``, where q_k is the share of the weight that belongs
    to terms in which the party takes part: one flip changes a product by 2. With ``d_k = kappa v_k``, where v_k is the
    largest change of a marginal in which party k takes part, the test is made against the raised bound. The limits of
    v_k need many shots, and their sum grows with the number of parties: for terms of all parties hardly any violation
    exceeds it.

    Args:
        test: The test.
        signaling: The comparisons of marginals of the same shots.
        kappa: The largest assumed ratio of a hidden flip's probability to what marginals show.
        alpha: The probability with which the conclusion may be wrong.

    Returns:
        The largest number of flipped outcomes and the largest kappa with which the result stands.

    Raises:
        CountsError: If kappa is below 1, alpha is not between 0 and 1, or the limits of the shifts hold only at a level
            above ``alpha / 2``.

    References:
        J. V. Kujala, E. N. Dzhafarov, J.-A. Larsson, Phys. Rev. Lett. 115, 150401 (2015), arXiv:1412.4724 (marginals
        that depend on settings).

    Examples:
        >>> from qiskit_lhv.statistics import many_party_signaling, many_party_test
        >>> from qiskit_lhv.experiments import ghz_preparation, ManyPartyExperiment, ManyPartySchedule
        >>> from qiskit_lhv.polytope import ardehali
        >>> experiment = ManyPartyExperiment(ghz_preparation(5).circuit, [("X", "Y")] * 4 + [("X-Y", "X+Y")])
        >>> schedule = ManyPartySchedule.random(ardehali(5), num_runs=400, shots=1, seed=1)
        >>> shots = experiment.run(experiment.simulator(seed=1), schedule)
        >>> allowance = many_party_allowance(many_party_test(shots, ardehali(5)), many_party_signaling(shots))
        >>> print(f"{allowance.flips:.2f} flips per shot, kappa up to {allowance.largest_kappa:.3f}")
        0.1... flips per shot, kappa up to 0.0...
    """
    instance(test, ManyPartyTest, "test", CountsError, "Such as many_party_test(shots, expression).")
    instance(signaling, ManyPartySignaling, "signaling", CountsError, "Such as many_party_signaling(shots).")
    check_kappa(kappa)
    alpha = probability(alpha, "alpha", CountsError, open_interval=True)
    if signaling.limit_level > alpha / 2 * (1 + 1e-12):
        raise CountsError.bad_argument(
            "signaling", expected=f"limits at a level of at most {alpha / 2:g}", got=f"{signaling.limit_level:g}"
        )
    participation = _participation(test.expression)
    flips = largest_flips(test, math.log(alpha / 2))
    needed = float(participation @ signaling.shift_limits)
    largest = flips / needed if needed * _LARGEST_KAPPA > flips else _LARGEST_KAPPA
    return ManyPartyAllowance(alpha, float(kappa), participation, signaling.shift_limits, flips, largest)


def _participation(expression: ManyPartyExpression) -> FloatArray:
    """The share of the weight that belongs to terms in which each party takes part, or 1 if they cannot be listed."""
    if expression.num_terms > MAX_LISTED:
        return np.ones(expression.num_parties)
    rows, coefficients = listed_terms(expression)
    sizes = np.abs(coefficients)
    shares: FloatArray = np.minimum(1.0, sizes @ (rows != ABSENT) / math.fsum(sizes) * (1 + 1e-12))
    return shares
