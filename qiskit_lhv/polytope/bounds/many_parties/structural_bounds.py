"""The local bound of an expression of many parties as a result that can be proven again."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

from ...._support.memory import GIB, memory_of_machine
from ...._support.records import Record
from ...._support.types import FloatArray, IntArray
from ...._support.validation import instance, whole_array
from ....exceptions import ScenarioError
from ....verification.chain_bounds import prove_by_steps, value_of_sites
from ....verification.eliminations import prove_by_elimination, prove_by_parts, value_of_signs
from ....verification.result import Verification
from ....verification.sign_patterns import prove_by_patterns
from ....verification.strategy_searches import value_of_good_strategy
from ....verification.symmetric_bounds import prove_by_counting, value_of_counts
from ...expressions.many_parties.base import MAX_LISTED, ManyPartyExpression, TermRows
from ...expressions.many_parties.sparse import SparseExpression
from ...expressions.many_parties.stabilizers import StabilizerExpression
from .chains import RepeatingTerms, best_walk, chain_terms
from .elimination import largest_value
from .integer_terms import IntegerTerms, integer_terms
from .programs import bound_by_parts
from .rational_bounds import RationalBound
from .sign_patterns import SignPatterns, largest_of_patterns, sign_patterns
from .symmetric_strategies import best_counts, symmetric_types
from .tree_decompositions import EliminationOrder, best_order

__all__ = ["EliminationCost", "StructuralBound", "bound_by_structure", "elimination_cost"]

Method = Literal["elimination", "symmetric strategies", "chain", "sign patterns", "parts", "closed form"]

_MAX_WIDTH = 27
_MAX_ENTRIES = 1 << 33
_EXACT_OBJECTS = 1 << 20
_ROUNDING_BITS = 59
_MAX_TERMS_AGAIN = 1 << 16
_MOST_INDEPENDENT = 26
_MAX_QUBITS_OF_STABILIZERS = 13


@dataclass(frozen=True, eq=False, repr=False)
class StructuralBound(RationalBound):
    """The local bound of an expression of many parties, found by its structure; ``verify`` proves it again.

    Raises:
        ScenarioError: If a bound that is marked as exact comes without a strategy.

    References:
        R. Dechter, Artif. Intell. 113, 41 (1999) (bucket elimination); J. Tura et al., Phys. Rev. X 7, 021005 (2017),
        arXiv:1607.06090 (local bounds by dynamic programming); M. Hu, J. Tura, arXiv:2208.02798 (chains); J. Tura et
        al., Science 344, 1256 (2014), arXiv:1306.6860 (all parties alike).

    Examples:
        >>> from qiskit_lhv import local_bound
        >>> from qiskit_lhv.polytope import sum_of_chsh
        >>> bound = local_bound(sum_of_chsh([(k, k + 1) for k in range(19)]))
        >>> print(bound)
        38 (exact, by elimination over a tree decomposition of width 3)
        >>> bound.value, bound.exact, bound.method, bool(bound.verify())
        (38.0, True, 'elimination', True)
    """

    exact: bool
    """Whether ``strategy`` reaches the bound, up to the rounding of coefficients. If not, no local model exceeds the
    bound, but all may stay below it."""
    strategy: IntArray | None
    """A strategy that reaches the bound, shape ``(m_1 + ... + m_N,)``; see ``DeterministicModel.strategies``. ``None``
    if none is known."""
    method: Method
    """``"elimination"``: dynamic programming over a tree decomposition of the terms. ``"symmetric strategies"``: all
    parties are alike, so that only the number of parties that answer in each way counts. ``"chain"``: the same terms
    repeat along a chain, so that powers of a matrix tell the best. ``"sign patterns"``: all patterns of signs that few
    independent terms can have together. ``"parts"``: an upper bound, the sum of the exact bounds of ``parts``.
    ``"closed form"``: what the ``known_bounds`` of the expression state with their source, where a proof is out of
    reach: ``verify`` looks for strategies that exceed it, and proves nothing."""
    width: int | None
    """Width of the tree decomposition, in pairs of a party and a setting: the largest table has ``2**(width + 1)``
    entries. ``None`` for other methods."""
    memory: int | None
    """Number of bytes that the tables took at once; ``None`` for other methods."""
    parts: tuple[SparseExpression, ...] = ()
    """For ``"parts"``, expressions whose local bounds add up to the bound, together with the sizes of the coefficients
    that they lack of ``expression``."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.exact and self.strategy is None:
            raise ScenarioError.bad_argument("strategy", expected="one that reaches an exact bound", got="None")
        if self.strategy is not None:
            strategy = whole_array(self.strategy, "strategy", ScenarioError, ndim=1)
            object.__setattr__(self, "strategy", strategy)

    def __str__(self) -> str:
        kind = "exact" if self.exact else "not proven" if self.method == "closed form" else "proven upper bound"
        return f"{self.value:.9g} ({kind}, {self.description})"

    @property
    def description(self) -> str:
        """How the bound was found, in words."""
        if self.method == "symmetric strategies":
            return "by the number of parties that answer in each way"
        if self.method == "chain":
            return "by powers of a max-plus matrix"
        if self.method == "sign patterns":
            return "by all patterns of the signs of the terms"
        if self.method == "parts":
            return f"by the sum of the bounds of {len(self.parts)} parts"
        if self.method == "closed form":
            return "as its source states"
        return f"by elimination over a tree decomposition of width {self.width}"

    def verify(self) -> Verification:
        """Proves the bound again, by an elimination in another order, with code of its own, in whole numbers.

        Returns:
            Whether no local model exceeds the bound, and ``strategy`` reaches it if it is ``exact``; "not re-proven" if
            the second elimination would take too long.
        """
        sizes = self.expression.scenario.num_settings
        strategy = self.strategy
        if strategy is not None and (len(strategy) != sum(sizes) or not np.isin(strategy, (0, 1)).all()):
            return Verification(False, "the strategy is none of the scenario", math.inf)
        bound = self._proof()
        if not self.exact or bound.refuted:
            return bound
        assert strategy is not None
        reached = self._reached(strategy)
        rounding = Fraction(0)
        if self.method == "elimination":
            # Each coefficient may have been rounded to a whole number, so that their sum takes 61 bits.
            rounding = Fraction(self.expression.weight) * (1 + self.expression.num_terms) / 2**_ROUNDING_BITS
        if not self.fraction - rounding <= reached <= self.fraction:
            claimed = f"the strategy reaches {float(reached):.12g}, the claimed bound is {self.value:.12g}"
            return Verification(False, claimed, abs(float(reached - self.fraction)))
        return bound

    def _proof(self) -> Verification:
        """Whether no local model exceeds the bound."""
        expression = self.expression
        if self.method == "closed form":
            return self._check_of_closed_form()
        if self.method == "parts":
            parts = [(part.rows, part.coefficients) for part in self.parts]
            return prove_by_parts(_listed(expression), parts, self.fraction)
        if self.method == "sign patterns":
            return prove_by_patterns(*_listed(expression), self.fraction)
        symmetric = symmetric_types(expression) if self.method == "symmetric strategies" else None
        if symmetric is not None:
            n, types, coefficients = symmetric.num_parties, symmetric.types, symmetric.coefficients
            bound = prove_by_counting(n, types, coefficients, self.fraction)
            if bound or bound.refuted or expression.num_terms > _MAX_TERMS_AGAIN:
                return bound
        elif self.method == "chain" and isinstance(expression, RepeatingTerms):
            m, n = expression.scenario.num_settings[0], expression.num_parties
            terms = expression.pattern, expression.coefficients
            return prove_by_steps(*terms, m, n, expression.periodic, self.fraction)
        rows, coefficients = _listed(expression)
        if isinstance(expression, StabilizerExpression):
            # All outcomes of Z are +1; see StabilizerExpression.with_fixed_z.
            rows = np.where(rows == 2, -1, rows).astype(np.int8)
        return prove_by_elimination(rows, coefficients, self.fraction)

    def _check_of_closed_form(self) -> Verification:
        """Whether the bound is what is stated of the expression, and nothing that is found speaks against it."""
        expression, unproven = self.expression, "the bound is that of the literature, and too large to be proven again"
        if isinstance(expression, StabilizerExpression):
            if expression.closed_form == self.fraction:
                return Verification.unproven(unproven)
            return Verification(False, "the literature states another bound, or none", math.inf)
        if expression.num_terms > MAX_LISTED:
            return Verification(False, "no closed form is known of so many terms", math.inf)
        known = getattr(expression, "known_bounds", None)
        if known is None or known.local is None or Fraction(known.local) != self.fraction:
            return Verification(False, "the expression states another bound, or none", math.inf)
        rows, coefficients = _listed(expression)
        reached = value_of_good_strategy(rows, coefficients, tuple(expression.scenario.num_settings))
        if reached > self.fraction:
            shown = f"a strategy reaches {float(reached):.12g}, the claimed bound is {self.value:.12g}"
            return Verification(False, shown, float(reached - self.fraction))
        bound = prove_by_elimination(rows, coefficients, self.fraction)
        return bound if bound or bound.refuted else Verification.unproven(unproven)

    def _reached(self, strategy: IntArray) -> Fraction:
        """The exact value of a strategy."""
        expression = self.expression
        sizes = expression.scenario.num_settings
        outcomes = np.split(strategy, np.cumsum(sizes)[:-1])
        symmetric = symmetric_types(expression) if self.method == "symmetric strategies" else None
        if symmetric is not None:
            counts = Counter(tuple((1 - 2 * own).tolist()) for own in outcomes)
            return value_of_counts(symmetric.num_parties, symmetric.types, symmetric.coefficients, counts)
        if isinstance(expression, RepeatingTerms):
            terms = expression.pattern, expression.coefficients
            return value_of_sites(*terms, np.stack(outcomes), expression.periodic)
        return value_of_signs(*_listed(expression), outcomes)


def _listed(expression: ManyPartyExpression) -> tuple[TermRows, FloatArray]:
    """All terms and their coefficients."""
    blocks = list(expression.blocks())
    if not blocks:
        return np.empty((0, expression.num_parties), dtype=np.int8), np.empty(0)
    return np.concatenate([rows for rows, _ in blocks]), np.concatenate([values for _, values in blocks])


@dataclass(frozen=True, eq=False, repr=False)
class EliminationCost(Record):
    """What an exact local bound by elimination takes, known before the work.

    References:
        R. Dechter, Artif. Intell. 113, 41 (1999) (bucket elimination); J. Tura et al., Phys. Rev. X 7, 021005 (2017),
        arXiv:1607.06090 (local bounds by dynamic programming).

    Examples:
        >>> from qiskit_lhv.polytope import elimination_cost, sum_of_chsh
        >>> cost = elimination_cost(sum_of_chsh([(k, k + 1) for k in range(19)]))
        >>> print(cost)
        width 3, 446 table entries, 1.52e-07 GiB
        >>> cost.width, cost.feasible
        (3, True)
    """

    width: int
    """Width of the tree decomposition, in pairs of a party and a setting."""
    num_entries: int
    """Number of entries of all tables together; about 1e9 are compared per second."""
    memory: int
    """Largest number of bytes of tables at once."""
    feasible: bool
    """Whether :func:`local_bound` takes this way if no other structure helps."""

    def __str__(self) -> str:
        size = float(min(self.memory, 10**300)) / GIB
        entries = float(min(self.num_entries, 10**300))
        return (
            f"width {self.width}, {entries:.3g} table entries, {size:.3g} GiB{'' if self.feasible else ' (too large)'}"
        )


def elimination_cost(expression: ManyPartyExpression) -> EliminationCost:
    """What an exact local bound by elimination would take, without the work.

    Args:
        expression: An expression of many parties whose terms can be listed.

    Returns:
        The width of the tree decomposition, the size of its tables, and whether that is feasible.

    Raises:
        ScenarioError: If it is none, or there are too many terms to list.

    References:
        R. Dechter, Artif. Intell. 113, 41 (1999) (bucket elimination); J. Tura et al., Phys. Rev. X 7, 021005 (2017),
        arXiv:1607.06090 (local bounds by dynamic programming).

    Examples:
        >>> from qiskit.transpiler import CouplingMap
        >>> from qiskit_lhv.polytope import two_body_expression
        >>> ring = [(k, (k + 1) % 30) for k in range(30)]
        >>> elimination_cost(two_body_expression(ring, [[1, 1], [1, -1]])).width
        5
        >>> print(elimination_cost(two_body_expression(CouplingMap.from_grid(5, 5), [[1, 1], [1, -1]])))
        width 11, 3.44e+04 table entries, 2.08e-05 GiB
    """
    instance(expression, ManyPartyExpression, "expression", ScenarioError)
    terms = integer_terms(expression)
    order = _order_of(expression, terms)
    memory = order.memory(min(8, _entry_bytes(terms)))
    return EliminationCost(order.width, order.num_entries, memory, _is_feasible(order, terms))


def bound_by_structure(expression: ManyPartyExpression) -> StructuralBound:
    """Returns the local bound of an expression of many parties by the method that fits its structure.

    Raises:
        ScenarioError: If no method fits: there are too many terms even for an upper bound.
    """
    symmetric = symmetric_types(expression)
    found = None if symmetric is None else best_counts(symmetric)
    if found is not None:
        bound, strategy = found
        signs = np.concatenate([np.tile(np.array(own), count) for own, count in strategy])
        outcomes = (signs < 0).astype(np.int64)
        numbers = bound.numerator, bound.denominator
        return StructuralBound(expression, *numbers, True, outcomes, "symmetric strategies", None, None)
    chain = chain_terms(expression)
    if chain is not None:
        assert isinstance(expression, RepeatingTerms)
        walk = best_walk(chain, expression.num_parties, expression.periodic)
        if walk is not None:
            bound, own = walk
            numbers = bound.numerator, bound.denominator
            return StructuralBound(expression, *numbers, own is not None, own, "chain", None, None)
    if isinstance(expression, StabilizerExpression):
        return _bound_of_stabilizers(expression)
    terms = integer_terms(expression)
    patterns = sign_patterns(terms, _MOST_INDEPENDENT)
    if patterns is not None and patterns.rank <= max(map(len, terms.scopes), default=0):
        # Every elimination has a larger table, that of the longest term.
        return _by_patterns(expression, terms, patterns)
    order = _order_of(expression, terms)
    if _is_feasible(order, terms):
        return _by_elimination(expression, terms, order)
    if patterns is not None:
        return _by_patterns(expression, terms, patterns)
    known = getattr(expression, "known_bounds", None)
    if known is not None and known.local is not None:
        bound = Fraction(known.local)
        reached = value_of_good_strategy(*_listed(expression), expression.scenario.num_settings)
        if reached > bound:
            raise ScenarioError.bad_argument(
                "known_bounds",
                expected=f"a local bound of at least {float(reached):.12g}, which a strategy reaches",
                got=f"{known.local}",
            )
        return _by_closed_form(expression, bound)
    bound, parts = bound_by_parts(expression)
    numbers = bound.numerator, bound.denominator
    return StructuralBound(expression, *numbers, False, None, "parts", None, None, parts)


def _bound_of_stabilizers(expression: StabilizerExpression) -> StructuralBound:
    """The local bound of the sum of all stabilizer elements of a graph state.

    Raises:
        ScenarioError: If it is out of reach.
    """
    if expression.num_parties <= _MAX_QUBITS_OF_STABILIZERS:
        terms = integer_terms(expression.with_fixed_z())
        order = _order_of(expression, terms)
        if _is_feasible(order, terms):
            return _by_elimination(expression, terms, order)
    closed = expression.closed_form
    if closed is None:
        raise ScenarioError.bad_argument(
            "expression",
            expected=f"a positive sum of all stabilizer elements of a GHZ state (a star or a complete graph), or of at "
            f"most {_MAX_QUBITS_OF_STABILIZERS} qubits that fit into memory",
            got=f"{expression}",
            remedy="The inequalities of Baccari et al. and of Toth, Guehne and Briegel have bounds for many qubits.",
        )
    return _by_closed_form(expression, closed)


def _by_closed_form(expression: ManyPartyExpression, bound: Fraction) -> StructuralBound:
    return StructuralBound(expression, bound.numerator, bound.denominator, False, None, "closed form", None, None)


def _by_patterns(expression: ManyPartyExpression, terms: IntegerTerms, patterns: SignPatterns) -> StructuralBound:
    if terms.dtype is object and 1 << patterns.rank > _EXACT_OBJECTS:
        terms = terms.rounded()
    largest, outcomes = largest_of_patterns(terms, patterns)
    bound = terms.value(largest)
    return StructuralBound(expression, bound.numerator, bound.denominator, True, outcomes, "sign patterns", None, None)


def _by_elimination(expression: ManyPartyExpression, terms: IntegerTerms, order: EliminationOrder) -> StructuralBound:
    if terms.dtype is object and order.num_entries > _EXACT_OBJECTS:
        terms = terms.rounded()
    largest, signs = largest_value(terms, order)
    bound = terms.value(largest)
    outcomes = (signs < 0).astype(np.int64)
    memory = order.memory(_entry_bytes(terms))
    numbers = bound.numerator, bound.denominator
    return StructuralBound(expression, *numbers, True, outcomes, "elimination", order.width, memory)


def _order_of(expression: ManyPartyExpression, terms: IntegerTerms) -> EliminationOrder:
    settings = expression.scenario.num_settings
    return best_order(terms.scopes, np.repeat(np.arange(len(settings)), settings).tolist())


def _entry_bytes(terms: IntegerTerms) -> int:
    """Bytes of an entry of a table; Python's integers take a pointer and an object."""
    return 40 if terms.dtype is object else int(np.dtype(terms.dtype).itemsize)


def _is_feasible(order: EliminationOrder, terms: IntegerTerms) -> bool:
    if order.width > _MAX_WIDTH or order.num_entries > _MAX_ENTRIES:
        return False
    return order.memory(min(8, _entry_bytes(terms))) <= memory_of_machine() / 2
