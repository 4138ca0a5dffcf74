"""Bell inequalities: Bell expressions together with their local bounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ..._support.types import FloatArray
from ..._support.validation import positive_number
from ...exceptions import ScenarioError
from ...targets.behaviors import Behavior
from ...targets.scenario import BellScenario
from ...verification.branches import prove_local_bound
from ...verification.evidence import Evidence
from ...verification.models import exact_strategy_value, exact_value
from ...verification.result import Verification, combine
from ..bounds.local_bounds import LocalBound, local_bound
from ..expressions.expression import BellExpression

__all__ = ["BellInequality"]


@dataclass(frozen=True, eq=False, repr=False)
class BellInequality(Evidence):
    """A Bell expression and its local bound: every local model obeys ``expression <= bound.value``.

    References:
        J. S. Bell, Physics 1, 195 (1964); N. Brunner, D. Cavalcanti, S. Pironio, V. Scarani, S. Wehner, Rev. Mod. Phys.
        86, 419 (2014), arXiv:1303.2849 (Bell nonlocality).

    Examples:
        >>> from qiskit_lhv import Behavior, chsh, ghz_state
        >>> inequality = BellInequality.of(chsh())
        >>> print(inequality)
        <A0 B0> + <A0 B1> + <A1 B0> - <A1 B1> <= 2
        >>> behavior = Behavior.from_state(ghz_state(2, 0.8), "chsh")
        >>> round(inequality.violation(behavior), 6), bool(inequality.verify(behavior))
        (0.262742, True)
    """

    expression: BellExpression
    """The expression."""
    bound: LocalBound
    """The local bound of the expression; it is proven only if ``bound.exact``."""

    def __repr__(self) -> str:
        return f"BellInequality({self})"

    def __str__(self) -> str:
        return f"{self.expression} <= {self.bound.value:.9g}"

    @classmethod
    def of(cls, expression: BellExpression) -> BellInequality:
        """Returns the Bell inequality of an expression, with the exact local bound.

        Args:
            expression: The Bell expression.
        """
        return cls(expression, local_bound(expression))

    def violation(self, behavior: Behavior) -> float:
        """Returns the value of a behavior minus the local bound; it is negative if the inequality is not violated.

        Args:
            behavior: A behavior of the same scenario.

        Raises:
            ScenarioError: If the scenarios differ.
        """
        return self.expression.value(behavior) - self.bound.value

    def exact_violation(self, behavior: Behavior) -> Fraction:
        """Returns the violation in rational arithmetic; coefficients and probabilities are taken exactly as stored.

        Args:
            behavior: A behavior of the same scenario.
        """
        behavior.require_scenario(self.expression.scenario, "expression")
        value = exact_value(self.expression.coefficients, behavior.array)
        return value - Fraction(self.bound.value)

    def verify(
        self,
        behavior: Behavior | None = None,
        rounding_error: float = 1e-9,
        *,
        prove_bound: bool | None = None,
        symmetries: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]] = (),
    ) -> Verification:
        """Re-proves the local bound by a second algorithm in integer arithmetic, and checks a violation if asked.

        Args:
            behavior: A behavior that should violate the inequality. Default: only the bound is checked.
            rounding_error: Error allowed in each probability of the behavior: the violation must
                exceed the largest change that such errors can make.
            prove_bound: Whether to prove the bound again, which takes minutes for some 40 settings per party. If not,
                only that a strategy reaches it is checked, and the result is "not re-proven". Default: where a budget
                of work suffices, which takes seconds.
            symmetries: Relabelings that leave an inequality of two parties and outcomes as it is, for ``True``: with
                them there are fewer strategies to go through. For each party one signed number per setting; ``s`` means
                that it takes the place of setting ``abs(s) - 1``, with its outcomes swapped if s is negative.

        Returns:
            Whether the bound holds for every local model, and the behavior violates it.
        """
        if not math.isfinite(self.bound.value):
            return Verification(False, f"the bound is {self.bound.value}", math.inf)
        coefficients, claim = self.expression.coefficients, Fraction(self.bound.value)
        if not self.bound.exact:
            return Verification.unproven("the bound is heuristic: a local model may exceed it")
        # A solver may exceed the exact bound, but only by the rounding errors of its arithmetic.
        total = sum((abs(Fraction(float(value))) for value in coefficients.flat), Fraction(0))
        rounding = total / 10**9
        try:
            reached = exact_strategy_value(coefficients, self.bound.strategy, self.expression.scenario.num_outcomes)
        except ScenarioError as exc:
            return Verification(False, str(exc), math.inf)
        if not claim - rounding <= reached <= claim:
            return Verification(
                False,
                f"the strategy reaches {float(reached):.12g}, the claimed bound is {self.bound.value:.12g}",
                float(abs(reached - claim)),
            )
        bound = prove_local_bound(
            coefficients,
            claim,
            prove_bound=prove_bound,
            symmetries=symmetries,
            num_outcomes=self.expression.scenario.num_outcomes,
        )
        if behavior is None or bound.refuted:
            return bound
        if behavior.scenario != self.expression.scenario:
            return Verification(False, f"the behavior has {behavior.scenario}", math.inf)
        allowed = Fraction(positive_number(rounding_error, "rounding_error", ScenarioError, zero=True))
        violation = self.exact_violation(behavior)
        allowance = allowed * _largest_change(coefficients, self.expression.scenario)
        violated = Verification(
            violation > allowance,
            f"the behavior exceeds it by {float(violation):.6g} (rounding at most {float(allowance):.2g})",
            float(violation),
        )
        return combine(bound, violated)


def _largest_change(coefficients: FloatArray, scenario: BellScenario) -> Fraction:
    """Returns the largest change of a table's value per unit of error in each probability, at fixed normalization."""
    n = coefficients.ndim // 2
    total = Fraction(0)
    for setting in np.ndindex(coefficients.shape[:n]):
        # For each probability, half the difference between the largest and the smallest coefficient.
        part = coefficients[setting][scenario.mask[setting]]
        total += (Fraction(float(part.max())) - Fraction(float(part.min()))) * part.size / 2
    return total
