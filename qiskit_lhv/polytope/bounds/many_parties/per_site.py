"""The local bound per site of an infinite chain."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...._support.types import IntArray
from ...._support.validation import instance, whole_array
from ....exceptions import ScenarioError
from ....verification.chain_bounds import prove_per_site
from ....verification.result import Verification
from ...expressions.many_parties.base import ManyPartyExpression
from .chains import RepeatingTerms, best_cycle, chain_terms
from .rational_bounds import RationalBound

__all__ = ["BoundPerSite", "bound_per_site"]


@dataclass(frozen=True, eq=False, repr=False)
class BoundPerSite(RationalBound):
    """The local bound per site of a chain that repeats the same terms without end; ``verify`` proves it again.

    ``expression`` is a chain of these terms, of any length.

    References:
        R. M. Karp, Discrete Math. 23, 309 (1978) (mean weights of cycles); Z. Wang, S. Singh, M. Navascues, Phys. Rev.
        Lett. 118, 230401 (2017), arXiv:1608.03485; M. Hu, J. Tura, arXiv:2208.02798 (infinite chains).

    Examples:
        >>> from qiskit_lhv.polytope import bound_per_site, translation_invariant_chain
        >>> terms = {((0, 0), (1, 0)): -2, ((0, 1), (2, 1)): -1, ((0, 0), (1, 1)): 1}
        >>> bound = bound_per_site(translation_invariant_chain(terms, 9))
        >>> print(bound)
        3 per site (exact, repeats after 4 sites)
        >>> bound.value, bound.outcomes.shape, bool(bound.verify())  # four sites, repeated without end
        (3.0, (4, 2), True)
    """

    outcomes: IntArray
    """Shape ``(P, m)``: outcomes of P sites, by setting; repeated without end, they reach the bound."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "outcomes", whole_array(self.outcomes, "outcomes", ScenarioError, ndim=2))

    def __str__(self) -> str:
        return f"{self.value:.9g} per site (exact, repeats after {len(self.outcomes)} sites)"

    def verify(self) -> Verification:
        """Proves by potentials of neighbors' answers that no local model exceeds the bound, and that one reaches it."""
        expression = self.expression
        if not isinstance(expression, RepeatingTerms):
            return Verification(False, "the expression does not repeat its terms along a chain")
        m = expression.scenario.num_settings[0]
        return prove_per_site(expression.pattern, expression.coefficients, m, self.fraction, self.outcomes)


def bound_per_site(expression: ManyPartyExpression) -> BoundPerSite:
    """Returns the local bound per site of an infinite chain that repeats the terms of a finite one, exactly.

    A ring of N sites reaches at most N times as much, and as much if the best period divides N.

    Args:
        expression: A chain of the terms; its length and whether it is a ring do not matter.

    Returns:
        The bound, which is the largest mean weight of a cycle (Karp's algorithm), and a strategy that reaches it.

    Raises:
        ScenarioError: If the expression is no chain that repeats its terms, or its terms reach too far.

    References:
        R. M. Karp, Discrete Math. 23, 309 (1978) (mean weights of cycles); Z. Wang, S. Singh, M. Navascues, Phys. Rev.
        Lett. 118, 230401 (2017), arXiv:1608.03485; M. Hu, J. Tura, arXiv:2208.02798 (infinite chains).

    Examples:
        >>> from qiskit_lhv.polytope import translation_invariant_chain
        >>> terms = {((0, 0), (1, 0)): -2, ((0, 1), (2, 1)): -1, ((0, 0), (1, 1)): 1}
        >>> bound = bound_per_site(translation_invariant_chain(terms, 9))
        >>> print(bound)
        3 per site (exact, repeats after 4 sites)
        >>> bound.outcomes[:, 0].tolist()  # setting 0: neighbors differ
        [0, 1, 0, 1]
    """
    instance(expression, ManyPartyExpression, "expression", ScenarioError)
    terms = chain_terms(expression)
    if terms is None:
        raise ScenarioError.bad_argument(
            "expression",
            expected="a chain that repeats its terms, whose terms but for one site act on at most 8 settings",
            got=f"{expression}" if isinstance(expression, RepeatingTerms) else type(expression).__name__,
        )
    bound, outcomes = best_cycle(terms)
    return BoundPerSite(expression, bound.numerator, bound.denominator, np.asarray(outcomes))
