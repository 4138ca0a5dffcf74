"""Bounds of expressions of GHZ states for models in which parties form groups that communicate inside."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ...._support.rounding import round_up
from ...._support.validation import whole_number
from ....exceptions import ScenarioError
from ....verification.evidence import Evidence
from ....verification.group_bounds import prove_group_bound
from ....verification.result import Verification
from ...expressions.many_parties.arguments import without_table
from ...expressions.many_parties.base import ABSENT, ManyPartyExpression
from ...expressions.many_parties.sparse import SparseExpression
from ...expressions.many_parties.symmetric import SymmetricExpression

__all__ = ["GroupBound", "group_bound"]


@dataclass(frozen=True, eq=False, repr=False)
class GroupBound(Evidence):
    """The largest value of an expression for models in which the parties form a number of groups, or more.

    Inside a group, everything may pass between the parties, also after their settings are chosen.

    References:
        J.-D. Bancal, C. Branciard, N. Gisin, S. Pironio, Phys. Rev. Lett. 103, 090503 (2009), arXiv:0903.2715.

    Examples:
        >>> from qiskit_lhv.polytope import group_bound, mermin
        >>> bound = group_bound(mermin(6), 3)
        >>> print(bound)
        16 (exact, 3 groups of parties or more)
        >>> bound.value, bound.num_groups, bool(bound.verify())
        (16.0, 3, True)
    """

    expression: ManyPartyExpression
    """The expression: of Mermin, Ardehali or Svetlichny."""
    num_groups: int
    """The least number of groups; the number of parties for local models."""
    value: float
    """The bound."""

    def __str__(self) -> str:
        return f"{self.value:.9g} (exact, {self.num_groups} groups of parties or more)"

    def verify(self) -> Verification:
        """Proves the bound again, by multiplying out what every group can reach, in whole numbers."""
        coefficients = _by_ones(self.expression)
        if not coefficients:
            return Verification(False, "the expression is none whose bounds for groups are known", math.inf)
        return prove_group_bound(self.expression.num_parties, self.num_groups, coefficients, Fraction(self.value))


def group_bound(expression: ManyPartyExpression, num_groups: int) -> GroupBound:
    """The largest value of an expression of a GHZ state where the parties form a number of groups, or more.

    For the expression of Mermin it is ``2**(N - ceil(m / 2))`` with m groups. With as many groups as parties it is the
    local bound, and with two the hybrid bound of Svetlichny's. A value above the bound of m groups shows that there are
    fewer, so that one of them has at least ``N / (m - 1)`` parties.

    Args:
        expression: ``mermin(n)``, ``ardehali(n)`` or ``svetlichny(n)``, or any sum of the real and the imaginary part
            of ``prod_k (A_k0 + i A_k1)``.
        num_groups: The least number of groups m, from 1 to the number of parties.

    Returns:
        The bound, which ``verify`` proves again.

    Raises:
        ScenarioError: If the expression is another one (the bounds of groups are not known for it), or the number of
            groups is out of range.

    References:
        J.-D. Bancal, C. Branciard, N. Gisin, S. Pironio, Phys. Rev. Lett. 103, 090503 (2009), arXiv:0903.2715.

    Examples:
        >>> from qiskit_lhv.polytope import svetlichny
        >>> [group_bound(svetlichny(5), m).value for m in (1, 2, 3, 5)]
        [32.0, 16.0, 16.0, 8.0]
    """
    expression = without_table(expression, "expression", ScenarioError)
    n = expression.num_parties
    m = whole_number(num_groups, "num_groups", ScenarioError, minimum=1, maximum=n)
    coefficients = _by_ones(expression)
    alpha, beta = (coefficients.get(k, Fraction(0)) for k in (0, 1))
    pattern = {k: (alpha, beta, -alpha, -beta)[k % 4] for k in range(n + 1)}
    if not (alpha or beta) or coefficients != {k: value for k, value in pattern.items() if value}:
        raise ScenarioError.bad_argument(
            "expression",
            expected="one whose bounds for groups are known: mermin(n), ardehali(n) or svetlichny(n)",
            got=f"{expression}",
        )
    # A product of m corners +-1 +-i lies on an axis if m is even, and on a diagonal if it is odd.
    size = max(abs(alpha), abs(beta)) if m % 2 == 0 else abs(alpha) + abs(beta)
    return GroupBound(expression, m, round_up(size * Fraction(2) ** (n - math.ceil(m / 2))))


def _by_ones(expression: ManyPartyExpression) -> dict[int, Fraction]:
    """Coefficients of full correlators by the number of parties with setting 1; empty if there is more to it."""
    n = expression.num_parties
    if isinstance(expression, SymmetricExpression):
        kinds = zip(expression.types.tolist(), expression.coefficients.tolist(), strict=True)
        found = {tuple(row): Fraction(value) for row, value in kinds if value}
        full = all(len(row) == 2 and sum(row) == n for row in found)
        return {row[1]: value for row, value in found.items()} if full else {}
    if not isinstance(expression, SparseExpression):
        return {}
    rows, values = expression.rows[expression.coefficients != 0], expression.coefficients[expression.coefficients != 0]
    if set(expression.scenario.num_settings) != {2} or np.any(rows == ABSENT):
        return {}
    ones = rows.sum(axis=1)
    numbers = np.bincount(ones, minlength=n + 1)
    same = all(len(set(values[ones == k])) <= 1 and numbers[k] in (0, math.comb(n, k)) for k in range(n + 1))
    return {int(k): Fraction(float(values[ones == k][0])) for k in np.flatnonzero(numbers)} if same else {}
