"""How far a violation reaches: expressions of growing registers, tested together on one data set."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..._support.estimated_value import with_error
from ..._support.types import FloatArray
from ..._support.validation import instance, is_whole_number, probability, shown
from ..._support.words import counted
from ...exceptions import CountsError, ScenarioError
from ...polytope.bounds.local_bounds import local_bound
from ...polytope.expressions.many_parties.arguments import without_table
from ...polytope.expressions.many_parties.base import ABSENT, ManyPartyExpression
from ...polytope.expressions.many_parties.sparse import SparseExpression
from ...targets.many_parties.shots import ManyPartyShots
from ...verification.evidence import Evidence, verify_piece
from ...verification.result import Verification, combine
from .declared_tests import ManyPartyTest, many_party_test

__all__ = ["ViolationReach", "nested_expressions", "violation_reach"]


@dataclass(frozen=True, eq=False, repr=False)
class ViolationReach(Evidence):
    """Tests of expressions of growing registers on one data set, valid together.

    That an expression of n parties is violated says that no local model of these n parties explains the data. It does
    not say that all n take part: a violation by some pair inside is enough for a large violation of many expressions.

    Raises:
        CountsError: If there is no test, or alpha is not between 0 and 1.

    References:
        F. Baccari, R. Augusiak, I. Supic, J. Tura, A. Acin, arXiv:1812.10428 (inequalities of graph states); S. Holm,
        Scand. J. Statist. 6, 65 (1979).

    Examples:
        >>> from qiskit_lhv.experiments import graph_state_preparation, ManyPartyExperiment, ManyPartySchedule
        >>> from qiskit_lhv.polytope import baccari_inequality
        >>> from qiskit_lhv.statistics import nested_expressions, violation_reach
        >>> ring = [(k, (k + 1) % 6) for k in range(6)]
        >>> whole = baccari_inequality(ring, centers=[2])
        >>> experiment = ManyPartyExperiment(graph_state_preparation(ring).circuit, whole.settings)
        >>> shots = experiment.run(experiment.simulator(seed=3), ManyPartySchedule.blocks(whole.expression, 500))
        >>> reach = violation_reach(shots, nested_expressions(whole.expression, [range(5), range(6)]))
        >>> reach.largest, reach.ratios.round(1).tolist(), reach.violated
        (6, [1.4, 1.2], (True, True))
    """

    tests: tuple[ManyPartyTest, ...]
    """One test per register, in the order in which they were declared."""
    alpha: float
    """The largest probability that any of the violations that are told is wrong."""

    def __post_init__(self) -> None:
        tests = tuple(self.tests)
        if not tests or not all(isinstance(test, ManyPartyTest) for test in tests):
            raise CountsError.bad_argument("tests", expected="one test per register", got=f"{len(tests)} tests")
        object.__setattr__(self, "tests", tests)
        object.__setattr__(self, "alpha", probability(self.alpha, "alpha", CountsError, open_interval=True))

    @property
    def num_parties(self) -> tuple[int, ...]:
        """How many parties take part in each register's expression."""
        return tuple(len(parties_of(test.expression)) for test in self.tests)

    @property
    def ratios(self) -> FloatArray:
        """Estimated value of each expression, divided by its local bound, shape ``(K,)``; NaN where that is 0."""
        return np.array([test.value / test.local_bound if test.local_bound else math.nan for test in self.tests])

    @property
    def ratio_errors(self) -> FloatArray:
        """Standard error of each ratio, shape ``(K,)``; NaN where the local bound is 0."""
        bounds = [abs(test.local_bound) or math.nan for test in self.tests]
        return np.array([test.standard_error / bound for test, bound in zip(self.tests, bounds, strict=True)])

    @property
    def log10_p_values(self) -> FloatArray:
        """Base-10 logarithms of the p-values after Holm's correction for all registers, shape ``(K,)``."""
        logs = np.array([test.log10_p_value for test in self.tests])
        order = np.argsort(logs, kind="stable")
        sizes = np.log10(np.arange(len(logs), 0, -1))
        adjusted = np.empty(len(logs))
        adjusted[order] = np.minimum(0.0, np.maximum.accumulate(logs[order] + sizes))
        return adjusted

    @property
    def violated(self) -> tuple[bool, ...]:
        """Whether each expression is violated; all statements hold together with probability ``1 - alpha``."""
        return tuple(bool(log <= math.log10(self.alpha)) for log in self.log10_p_values)

    @property
    def largest(self) -> int | None:
        """Number of parties of the largest register whose expression is violated; ``None`` if none is."""
        return max((n for n, seen in zip(self.num_parties, self.violated, strict=True) if seen), default=None)

    def __str__(self) -> str:
        lines = [f"{'parties':>7}  {'value':>16}  {'local':>10}  {'ratio':>7}  {'log10 p':>10}  violated"]
        rows = zip(self.tests, self.num_parties, self.ratios, self.log10_p_values, self.violated, strict=True)
        for test, n, ratio, log, seen in rows:
            value = with_error(test.value, test.standard_error)
            words = "yes" if seen else "no"
            lines.append(f"{n:>7}  {value:>16}  {test.local_bound:>10.6g}  {ratio:>7.4f}  {log:>10.4g}  {words}")
        end = "none is violated" if self.largest is None else f"the largest one that is violated has {self.largest}"
        lines.append(f"{counted(len(self.tests), 'register')} together at alpha = {self.alpha:g}: {end}")
        return "\n".join(lines)

    def verify(self, *, prove_bound: bool | None = None) -> Verification:
        """Verifies the test of each register; what is told about all together follows from them.

        Args:
            prove_bound: Whether to prove the local bounds again; see ``BellInequality.verify``.
        """
        return combine(*(verify_piece(test, prove_bound) for test in self.tests))


def violation_reach(
    shots: ManyPartyShots,
    expressions: Iterable[ManyPartyExpression],
    *,
    alpha: float = 0.05,
    drawn_from: ManyPartyExpression | None = None,
    bounds: Iterable[Evidence] | None = None,
) -> ViolationReach:
    """Tests expressions of growing registers on one data set: up to how many parties is there a violation?

    All must be declared before the data are seen. The p-values are corrected by Holm's method, which holds however they
    depend on each other, so that with probability ``1 - alpha`` none of the violations is wrong.

    Args:
        shots: The shots of the largest register.
        expressions: The declared expressions, all of the scenario of the shots; see :func:`nested_expressions`.
        alpha: The largest probability that any of the violations is wrong.
        drawn_from: For terms drawn at random, the expression from which they were drawn; default: each expression
            itself, which fits a single one only. In blocks, all expressions use the same shots.
        bounds: The proven local bound of each expression; default: they are computed.

    Returns:
        The tests, the corrected p-values, and the largest number of parties with a violation.

    Raises:
        CountsError: If there is no expression, or a test is refused; see ``many_party_test``.
        ScenarioError: If a local bound cannot be computed.

    References:
        F. Baccari, R. Augusiak, I. Supic, J. Tura, A. Acin, arXiv:1812.10428 (inequalities of graph states); S. Holm,
        Scand. J. Statist. 6, 65 (1979).

    Examples:
        The graph state of a ring of six qubits, and the part of its inequality on five of them:

        >>> from qiskit_lhv.experiments import graph_state_preparation, ManyPartyExperiment, ManyPartySchedule
        >>> from qiskit_lhv.polytope import baccari_inequality
        >>> ring = [(k, (k + 1) % 6) for k in range(6)]
        >>> whole = baccari_inequality(ring, centers=[2])
        >>> experiment = ManyPartyExperiment(graph_state_preparation(ring).circuit, whole.settings)
        >>> shots = experiment.run(experiment.simulator(seed=3), ManyPartySchedule.blocks(whole.expression, 500))
        >>> print(violation_reach(shots, nested_expressions(whole.expression, [range(5), range(6)])))
        parties             value       local    ratio     log10 p  violated
              5      5... +- 0.1...           4   1...      -2...  yes
              6      8... +- 0.1...           7   1...      -1...  yes
        2 registers together at alpha = 0.05: the largest one that is violated has 6
    """
    instance(shots, ManyPartyShots, "shots", CountsError)
    if isinstance(expressions, ManyPartyExpression) or not isinstance(expressions, Iterable):
        raise CountsError.bad_argument(
            "expressions",
            expected="one expression for each register, in a list",
            got=type(expressions).__name__,
            remedy="nested_expressions(expression, registers) makes them of one expression.",
        )
    declared = [without_table(one, "expressions", CountsError) for one in expressions]
    if not declared:
        raise CountsError.bad_argument("expressions", expected="at least one expression", got="none")
    other = next((one.scenario for one in declared if one.scenario != shots.scenario), None)
    if other is not None:
        raise CountsError.bad_argument("expressions", expected=f"expressions of {shots.scenario}", got=f"{other}")
    known = _bounds_of(declared, bounds)
    if len(known) != len(declared):
        raise CountsError.bad_argument(
            "bounds", expected=f"{counted(len(declared), 'bound')}, one per expression", got=f"{len(known)}"
        )
    probability(alpha, "alpha", CountsError, open_interval=True)
    tests = [
        many_party_test(shots, one, drawn_from=drawn_from, bound=bound)
        for one, bound in zip(declared, known, strict=True)
    ]
    return ViolationReach(tuple(tests), alpha)


def _bounds_of(declared: list[ManyPartyExpression], bounds: Any) -> list[Evidence]:
    """The bounds that were given, or those of the expressions.

    Raises:
        CountsError: If what was given is no list of evidence.
    """
    if bounds is None:
        return [local_bound(one) for one in declared]
    given = list(bounds) if isinstance(bounds, Iterable) else [bounds]
    return [instance(one, Evidence, "bounds", CountsError, "Such as [local_bound(...), ...].") for one in given]


def nested_expressions(
    expression: SparseExpression, registers: Sequence[Sequence[int]]
) -> tuple[SparseExpression, ...]:
    """The part of an expression inside each of several registers: the terms whose parties all belong to it.

    Args:
        expression: The expression of all parties.
        registers: The parties of each register, such as ``[range(n) for n in (5, 10, 20)]``.

    Returns:
        One expression per register, all of the scenario of the whole one.

    Raises:
        ScenarioError: If a party does not exist, or no term lies inside a register.

    References:
        F. Baccari, R. Augusiak, I. Supic, J. Tura, A. Acin, arXiv:1812.10428 (inequalities of graph states).

    Examples:
        >>> from qiskit_lhv.polytope import baccari_inequality
        >>> ring = [(k, (k + 1) % 6) for k in range(6)]
        >>> whole = baccari_inequality(ring, centers=[0]).expression
        >>> [part.num_terms for part in nested_expressions(whole, [[5, 0, 1], range(6)])]
        [2, 9]
    """
    remedy = "Terms that follow from a rule are listed by expression.to_sparse(), if there are few."
    instance(expression, SparseExpression, "expression", ScenarioError, remedy)
    n, parts = expression.num_parties, []
    for register in registers if isinstance(registers, Iterable) else (registers,):
        if not isinstance(register, Iterable):
            raise ScenarioError.bad_argument(
                "registers",
                expected="the parties of each register",
                got=shown(register),
                remedy="Such as [range(5), range(10)], for registers of the first 5 and 10 parties.",
            )
        chosen = list(register)
        if not all(is_whole_number(k) and 0 <= k < n for k in chosen):
            raise ScenarioError.bad_argument("registers", expected=f"parties from 0 to {n - 1}", got=shown(register))
        outside = np.ones(n, dtype=bool)
        outside[chosen] = False
        inside = np.all(expression.rows[:, outside] == ABSENT, axis=1)
        part = SparseExpression(expression.scenario, expression.rows[inside], expression.coefficients[inside])
        if not part.weight:
            raise ScenarioError.bad_argument(
                "registers", expected="a term of the expression inside each register", got=f"none inside {chosen}"
            )
        parts.append(part)
    return tuple(parts)


def parties_of(expression: ManyPartyExpression) -> tuple[int, ...]:
    """The parties that take part in some term of an expression; all of them if its terms follow from a rule.

    Args:
        expression: The expression.
    """
    if not isinstance(expression, SparseExpression):
        return tuple(range(expression.num_parties))
    used: Any = np.any(expression.rows[expression.coefficients != 0] != ABSENT, axis=0)
    return tuple(int(k) for k in np.flatnonzero(used))
