"""Nonlocality depth: how many parties must communicate to explain shots of a GHZ state."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..._support.validation import instance, probability
from ...exceptions import CountsError
from ...polytope.bounds.many_parties.group_bounds import GroupBound, group_bound
from ...polytope.expressions.expression import BellExpression
from ...polytope.expressions.many_parties.arguments import without_table
from ...polytope.expressions.many_parties.base import ManyPartyExpression
from ...targets.many_parties.shots import ManyPartyShots
from ...verification.evidence import Evidence
from ...verification.result import Verification, combine
from .declared_tests import ManyPartyTest, many_party_test

__all__ = ["NonlocalityDepth", "nonlocality_depth"]


@dataclass(frozen=True, eq=False, repr=False)
class NonlocalityDepth(Evidence):
    """The least number of parties that must communicate with each other in every model of the shots.

    References:
        J.-D. Bancal, C. Branciard, N. Gisin, S. Pironio, Phys. Rev. Lett. 103, 090503 (2009), arXiv:0903.2715.

    Examples:
        >>> from qiskit_lhv.statistics import nonlocality_depth
        >>> from qiskit_lhv.experiments import ghz_preparation, ManyPartyExperiment, ManyPartySchedule
        >>> from qiskit_lhv.polytope import ardehali
        >>> experiment = ManyPartyExperiment(ghz_preparation(5).circuit, [("X", "Y")] * 4 + [("X-Y", "X+Y")])
        >>> schedule = ManyPartySchedule.random(ardehali(5), num_runs=400, shots=1, seed=1)
        >>> shots = experiment.run(experiment.simulator(seed=1), schedule)
        >>> found = nonlocality_depth(shots, ardehali(5))
        >>> found.depth, found.largest_num_groups, found.test.bound.value
        (5, 1, 16.0)
    """

    test: ManyPartyTest | None
    """The test against the least number of groups that is excluded; ``None`` if none is."""
    alpha: float
    """The largest probability that the depth is overstated."""
    num_parties: int
    """Number of parties."""

    @property
    def largest_num_groups(self) -> int:
        """The largest number of groups that is not excluded."""
        if self.test is None:
            return self.num_parties
        assert isinstance(self.test.bound, GroupBound)
        return self.test.bound.num_groups - 1

    @property
    def depth(self) -> int:
        """The size that the largest group has at least; 1 if local models are not excluded."""
        return math.ceil(self.num_parties / self.largest_num_groups)

    def __str__(self) -> str:
        if self.test is None:
            return f"nonlocality depth 1 of {self.num_parties}: local models are not excluded at alpha = {self.alpha:g}"
        return (
            f"nonlocality depth at least {self.depth} of {self.num_parties}: models of "
            f"{self.largest_num_groups + 1} groups or more are excluded (log10 p = {self.test.log10_p_value:.4g})"
        )

    def verify(self) -> Verification:
        """Verifies the test and the bound of groups on which it rests."""
        if self.test is None:
            return Verification(True, "nothing is claimed")
        bound = self.test.bound
        if not isinstance(bound, GroupBound) or not 2 <= bound.num_groups <= self.num_parties:
            return Verification(False, "the test is not against groups", math.inf)
        if self.test.expression.num_parties != self.num_parties or not 0 < self.alpha < 1:
            return Verification(False, "the number of parties or alpha is not that of the test", math.inf)
        if not self.test.log10_p_value <= math.log10(self.alpha):
            return Verification(False, "the p-value is larger than alpha", math.inf)
        return combine(self.test.verify(), bound.verify())


def nonlocality_depth(
    shots: ManyPartyShots,
    expression: BellExpression | ManyPartyExpression,
    *,
    alpha: float = 0.05,
    drawn_from: ManyPartyExpression | None = None,
) -> NonlocalityDepth:
    """How many parties must communicate to explain shots of a GHZ state, by the bounds of grouped parties.

    Models with at least m groups are a smaller set for every larger m. So they are excluded one after the other, from
    as many groups as parties on, each at the level ``alpha``; a wrong statement still has no larger probability.

    Args:
        shots: The shots.
        expression: The declared expression: ``mermin(n)``, ``ardehali(n)`` or ``svetlichny(n)``.
        alpha: The largest probability that the depth is overstated.
        drawn_from: As in ``many_party_test``.

    Returns:
        The depth, with the test on which it rests.

    Raises:
        CountsError: If the test is refused.
        ScenarioError: If the bounds of groups are not known for the expression.

    References:
        J.-D. Bancal, C. Branciard, N. Gisin, S. Pironio, Phys. Rev. Lett. 103, 090503 (2009), arXiv:0903.2715.

    Examples:
        No model in which the five qubits of a GHZ state form two groups or more explains these shots:

        >>> from qiskit_lhv.experiments import ghz_preparation, ManyPartyExperiment, ManyPartySchedule
        >>> from qiskit_lhv.polytope import ardehali
        >>> experiment = ManyPartyExperiment(ghz_preparation(5).circuit, [("X", "Y")] * 4 + [("X-Y", "X+Y")])
        >>> schedule = ManyPartySchedule.random(ardehali(5), num_runs=400, shots=1, seed=1)
        >>> shots = experiment.run(experiment.simulator(seed=1), schedule)
        >>> print(nonlocality_depth(shots, ardehali(5)))
        nonlocality depth at least 5 of 5: models of 2 groups or more are excluded (log10 p = -...)
    """
    expression = without_table(expression, "expression", CountsError)
    level = math.log10(probability(alpha, "alpha", CountsError, open_interval=True))
    instance(shots, ManyPartyShots, "shots", CountsError)
    n = expression.num_parties
    # The p-value falls with the bound, which falls with the number of groups: the least number is found by halving.
    low, high, best = _least_num_groups(expression), n, None
    while low <= high:
        middle = (low + high) // 2
        test = many_party_test(shots, expression, drawn_from=drawn_from, bound=group_bound(expression, middle))
        if test.log10_p_value <= level:
            best, high = test, middle - 1
        else:
            low = middle + 1
    return NonlocalityDepth(best, alpha, n)


def _least_num_groups(expression: ManyPartyExpression) -> int:
    """The least number of groups that do not reach the algebraic bound of an expression, so that they can be tested."""
    n = expression.num_parties
    return next((m for m in range(2, n + 1) if group_bound(expression, m).value < expression.weight), n)
