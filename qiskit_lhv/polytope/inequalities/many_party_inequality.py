"""Bell inequalities of many parties: expressions together with bounds that follow from their structure."""

from __future__ import annotations

from dataclasses import dataclass

from ..._support.validation import real_number
from ...exceptions import ScenarioError
from ...verification.evidence import Evidence
from ...verification.result import Verification
from ..bounds.local_bounds import local_bound
from ..bounds.many_parties.structural_bounds import StructuralBound
from ..expressions.many_parties.base import ManyPartyExpression

__all__ = ["ManyPartyInequality"]


@dataclass(frozen=True, eq=False, repr=False)
class ManyPartyInequality(Evidence):
    """A Bell expression of many parties and its local bound: every local model obeys ``expression <= bound.value``.

    References:
        J. Tura et al., Science 344, 1256 (2014), arXiv:1306.6860; N. Brunner, D. Cavalcanti, S. Pironio, V. Scarani, S.
        Wehner, Rev. Mod. Phys. 86, 419 (2014), arXiv:1303.2849 (Bell nonlocality).

    Examples:
        >>> from qiskit_lhv.polytope import mermin
        >>> inequality = ManyPartyInequality.of(mermin(20))
        >>> print(inequality.bound)
        1024 (exact, by the number of parties that answer in each way)
        >>> inequality.violation(0.5 * 2**19), bool(inequality.verify())  # half of the GHZ state's value
        (261120.0, True)
    """

    bound: StructuralBound
    """The local bound, which holds its expression."""

    @classmethod
    def of(cls, expression: ManyPartyExpression) -> ManyPartyInequality:
        """Returns the Bell inequality of an expression, with the bound that :func:`local_bound` finds.

        Args:
            expression: The expression.

        Examples:
            >>> from qiskit_lhv import BellExpression, BellScenario
            >>> terms = {((k, x), (k + 1, y)): 1 - 2 * x * y for k in range(49) for x in (0, 1) for y in (0, 1)}
            >>> inequality = ManyPartyInequality.of(BellExpression.from_terms(BellScenario([2] * 50, 2), terms))
            >>> inequality.bound.value, inequality.violation(99.5), bool(inequality.verify())
            (98.0, 1.5, True)
        """
        return cls(local_bound(expression))

    @property
    def expression(self) -> ManyPartyExpression:
        """The expression."""
        return self.bound.expression

    def __str__(self) -> str:
        return f"{self.expression} <= {self.bound}"

    def violation(self, value: float) -> float:
        """Returns a value of the expression minus the local bound; it is negative if the inequality is not violated.

        Args:
            value: The value of a state or behavior, or its estimate.

        Raises:
            ScenarioError: If it is not a finite number.
        """
        return real_number(value, "value", ScenarioError) - self.bound.value

    def verify(self) -> Verification:
        """Proves the local bound again; see ``StructuralBound.verify``."""
        return self.bound.verify()
