"""The violation of a Bell inequality as a function of the detection efficiency."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise, product

import numpy as np

from ...targets.behaviors import Behavior
from ...targets.efficiency import Assignment
from ...verification.models import exact_value
from ..inequalities.bell_inequality import BellInequality

__all__ = ["ROUNDING_ERROR", "EfficiencyPolynomial"]

# A violation proves something if it exceeds what errors of this size in every probability can make.
ROUNDING_ERROR = 1e-9
# The search asks for twice that, so that rounding in the check decides nothing.
_MARGIN = 2


class EfficiencyPolynomial:
    """The violation of an inequality as a function of the efficiency: a polynomial with exact coefficients.

    The violation is ``sum_j losses[j] * (1 - eta)**j * eta**(n - j)``, j of the n parties with efficiency eta losing.

    Args:
        inequality: An inequality on what the parties see.
        behavior: The behavior with perfect detectors.
        assign: The outcome of each party that stands for "no click", or ``None``: an additional one.
        fixed: The efficiency of each party if it is given, or ``None``: eta.
    """

    def __init__(
        self, inequality: BellInequality, behavior: Behavior, assign: Assignment, fixed: tuple[float | None, ...]
    ) -> None:
        n = behavior.scenario.num_parties
        self.losses: list[Fraction] = [Fraction(0)] * (fixed.count(None) + 1)
        for lost in product((False, True), repeat=n):
            # Coefficients of the outcomes before the losses, given who loses.
            coefficients = inequality.expression.coefficients
            weight = Fraction(1)
            for k, (party, size) in enumerate(
                zip(behavior.scenario.num_outcomes, behavior.scenario.max_outcomes, strict=True)
            ):
                target = assign[k]
                # Setting by setting: an additional outcome comes after the setting's own last one.
                seen = [[d if target is None else target] * size if lost[k] else list(range(size)) for d in party]
                shape = [1] * (2 * n)
                shape[k], shape[n + k] = len(party), size
                coefficients = np.take_along_axis(coefficients, np.array(seen).reshape(shape), axis=n + k)
                given = fixed[k]
                if given is not None:
                    weight *= 1 - Fraction(given) if lost[k] else Fraction(given)
            value = exact_value(coefficients, behavior.array) - Fraction(inequality.bound.value)
            self.losses[sum(loses and given is None for loses, given in zip(lost, fixed, strict=True))] += (
                weight * value
            )
        coefficients = inequality.expression.scenario.filled(inequality.expression.coefficients)
        axes = inequality.expression.scenario.outcome_axes
        spread = float(np.ptp(coefficients, axis=axes).sum() * np.prod(inequality.expression.scenario.max_outcomes)) / 2
        self.allowance = Fraction(_MARGIN * ROUNDING_ERROR * spread)

    def at(self, efficiency: float) -> Fraction:
        """Returns the exact violation at an efficiency."""
        eta, degree = Fraction(efficiency), len(self.losses) - 1
        return sum(
            (loss * (1 - eta) ** j * eta ** (degree - j) for j, loss in enumerate(self.losses)), start=Fraction(0)
        )

    def crossing(self, lower: float, upper: float) -> tuple[float, float]:
        """Returns the efficiency where the violation begins, and the smallest one found where it exceeds rounding.

        Args:
            lower: The smallest efficiency considered.
            upper: An efficiency at which the violation is beyond rounding.

        Returns:
            Two efficiencies; the first is ``lower`` if there already is a violation.
        """
        # In t = (1 - eta) / eta the violation has the losses as coefficients, up to a positive factor.
        roots = np.roots([float(loss) for loss in self.losses[::-1]])
        inside = roots.real[(np.abs(roots.imag) < 1e-6) & (roots.real > -0.5)]
        ends = sorted({lower, upper, *(min(max(1 / (1 + t), lower), upper) for t in inside.tolist())})
        # Roots separate violation from none, so the middles between them tell where the first violation begins.
        points = sorted({lower, upper, *((a + b) / 2 for a, b in pairwise(ends))})
        # A little above zero: where nobody clicks, rounding of the behavior alone can make a violation.
        begin = self._first(points, self.allowance / 10**4)
        points = sorted({point for point in points if point > begin} | {begin, upper})
        return begin, self._first(points, self.allowance, after=True)

    def _first(self, points: list[float], level: Fraction, *, after: bool = False) -> float:
        """The end of the violation above ``level`` before the first point that has it: below it, or ``after`` it."""
        above = next(i for i, point in enumerate(points) if self.at(point) > level)
        if above == 0:
            return points[0]
        low, high = points[above - 1], points[above]
        while True:
            middle = (low + high) / 2
            if not low < middle < high:
                return high if after else low
            if self.at(middle) > level:
                high = middle
            else:
                low = middle
